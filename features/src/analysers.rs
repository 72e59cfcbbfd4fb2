//! The signal analysers of one patient: EEG, beats and sensor glucose, each made when its first
//! data come. They take data in time order; what is late to them is theirs to judge.

use bedwatch_schemas::{event::Provenance, summary::GlucoseSummary, time::EventTime};
use serde::{Deserialize, Serialize};

use crate::glucose::Glucose;

/// The analysers of one patient.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Analysers {
    glucose: Option<Box<Glucose>>,
}

impl Analysers {
    /// A reading of sensor glucose.
    pub fn glucose(&mut self, mg_dl: f64, at: EventTime, provenance: Provenance) {
        self.glucose.get_or_insert_with(|| Box::new(Glucose::new())).push(mg_dl, at, provenance);
    }

    /// Sensor glucose at `at`.
    #[must_use]
    pub fn glucose_summary(&self, at: EventTime) -> Option<GlucoseSummary> {
        self.glucose.as_ref()?.summary(at)
    }

    /// Takes over what a record that was the same person has and this one has not.
    pub fn absorb(&mut self, other: Self) {
        if self.glucose.is_none() {
            self.glucose = other.glucose;
        }
    }
}
