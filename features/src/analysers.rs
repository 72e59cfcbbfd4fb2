//! The signal analysers of one patient: EEG, beats and sensor glucose, each made when its first
//! data come. They take data in time order; what is late to them is theirs to judge.

use bedwatch_schemas::{
    event::{Modality, Provenance},
    summary::{CardiacSummary, EegSummary, GlucoseSummary},
    time::EventTime,
    waveform::{WaveformBlock, WaveformKind},
};
use serde::{Deserialize, Serialize};

use crate::{
    cardiac::{
        self, Cardiac,
        ventricular::{Counts, Evidence, Ventricular},
    },
    eeg::{self, Eeg},
    glucose::Glucose,
};

/// The analysers of one patient.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Analysers {
    eeg: Option<Box<Eeg>>,
    /// In the order of modalities.
    cardiac: Vec<(Modality, Cardiac)>,
    /// Where it is asked for.
    ventricular: Option<Box<Ventricular>>,
    glucose: Option<Box<Glucose>>,
}

impl Analysers {
    /// A stretch of waveform.
    pub fn waveform(&mut self, block: &WaveformBlock, provenance: Provenance) {
        match block.kind {
            WaveformKind::Eeg => {
                self.eeg.get_or_insert_with(|| Box::new(Eeg::new())).push(block, provenance);
            }
            WaveformKind::Ecg | WaveformKind::Pleth | WaveformKind::Abp => {
                let modality = block.kind.modality();
                let i = match self.cardiac.binary_search_by_key(&modality, |c| c.0) {
                    Ok(i) => i,
                    Err(i) => {
                        self.cardiac.insert(i, (modality, Cardiac::new(modality)));
                        i
                    }
                };
                self.cardiac[i].1.push(block, provenance);
            }
            // No features are taken from respiration; its freshness counts.
            WaveformKind::Resp => {}
        }
    }

    /// The same stretch for runs of ventricular tachycardia.
    pub fn ventricular(&mut self, block: &WaveformBlock) {
        if matches!(block.kind, WaveformKind::Ecg | WaveformKind::Pleth | WaveformKind::Abp) {
            self.ventricular.get_or_insert_default().push(block);
        }
    }

    /// What speaks for a run of ventricular tachycardia in the seconds before `at`.
    #[must_use]
    pub fn ventricular_evidence(&self, at: EventTime) -> Option<Evidence> {
        Some(self.ventricular.as_ref()?.evidence(at))
    }

    /// What of ECG and pulses could not be followed for runs.
    #[must_use]
    pub fn ventricular_counts(&self) -> Counts {
        self.ventricular.as_ref().map_or_else(Counts::default, |runs| runs.counts())
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

    /// Beats at `at`, in the order of modalities.
    #[must_use]
    pub fn cardiac_summaries(&self, at: EventTime) -> Vec<CardiacSummary> {
        self.cardiac.iter().filter_map(|(_, c)| c.summary(at)).collect()
    }

    /// Sensor glucose at `at`.
    #[must_use]
    pub fn glucose_summary(&self, at: EventTime) -> Option<GlucoseSummary> {
        self.glucose.as_ref()?.summary(at)
    }

    /// Rows of the EEG of `(from, to]`, oldest first.
    pub fn eeg_rows(&self, from: EventTime, to: EventTime) -> impl Iterator<Item = eeg::Row> {
        self.eeg.iter().flat_map(move |e| e.rows(from, to))
    }

    /// Rows of one waveform's beats of `(from, to]`, oldest first.
    pub fn cardiac_rows(
        &self,
        modality: Modality,
        from: EventTime,
        to: EventTime,
    ) -> impl Iterator<Item = &cardiac::Row> {
        self.cardiac.iter().filter(move |c| c.0 == modality).flat_map(move |(_, c)| c.rows(from, to))
    }

    /// Readings of sensor glucose of `(from, to]`, oldest first, mg/dL.
    pub fn readings(&self, from: EventTime, to: EventTime) -> impl Iterator<Item = (EventTime, f64)> {
        self.glucose.iter().flat_map(move |g| g.readings(from, to))
    }

    /// Takes over what a record that was the same person has and this one has not.
    pub fn absorb(&mut self, other: Self) {
        if self.eeg.is_none() {
            self.eeg = other.eeg;
        }
        if self.glucose.is_none() {
            self.glucose = other.glucose;
        }
        match (&mut self.ventricular, other.ventricular) {
            (Some(own), Some(other)) => own.absorb(*other),
            (own, other) => *own = own.take().or(other),
        }
        for (modality, cardiac) in other.cardiac {
            if let Err(i) = self.cardiac.binary_search_by_key(&modality, |c| c.0) {
                self.cardiac.insert(i, (modality, cardiac));
            }
        }
    }
}
