//! The signal analysers of one patient: EEG, beats and sensor glucose, each made when its first
//! data come. They take data in time order; what is late to them is theirs to judge.

use bedwatch_schemas::{
    event::Provenance,
    summary::{EegSummary, GlucoseSummary},
    time::EventTime,
    waveform::{WaveformBlock, WaveformKind},
};
use serde::{Deserialize, Serialize};

use crate::{eeg::Eeg, glucose::Glucose};

/// The analysers of one patient.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Analysers {
    eeg: Option<Box<Eeg>>,
    glucose: Option<Box<Glucose>>,
}

impl Analysers {
    /// A stretch of waveform.
    pub fn waveform(&mut self, block: &WaveformBlock, provenance: Provenance) {
        match block.kind {
            WaveformKind::Eeg => {
                self.eeg.get_or_insert_with(|| Box::new(Eeg::new())).push(block, provenance);
            }
            // No features are taken from respiration; its freshness counts.
            _ => {}
        }
    }

    /// A reading of sensor glucose.
    pub fn glucose(&mut self, mg_dl: f64, at: EventTime, provenance: Provenance) {
        self.glucose.get_or_insert_with(|| Box::new(Glucose::new())).push(mg_dl, at, provenance);
    }

    /// EEG features at `at`.
    #[must_use]
    pub fn eeg_summary(&self, at: EventTime) -> Option<EegSummary> {
        self.eeg.as_ref()?.summary(at)
    }

    /// Sensor glucose at `at`.
    #[must_use]
    pub fn glucose_summary(&self, at: EventTime) -> Option<GlucoseSummary> {
        self.glucose.as_ref()?.summary(at)
    }

    /// Takes over what a record that was the same person has and this one has not.
    pub fn absorb(&mut self, other: Self) {
        if self.eeg.is_none() {
            self.eeg = other.eeg;
        }
        if self.glucose.is_none() {
            self.glucose = other.glucose;
        }
    }
}
