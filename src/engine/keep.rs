//! What a core hands out for an archive beside its decisions: every event folded, and the columns of
//! the frames that are kept.
//!
//! A frame a second and patient would be hundreds of numbers a second and patient. Kept are the first
//! frame in each stretch of time, and every frame that something was decided on.

use std::collections::BTreeMap;

use bedwatch_features::site::Bed;
use bedwatch_schemas::{
    column::Column,
    ids::{Location, PatientId},
    time::{EventTime, Span},
};

/// The columns of one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The patient.
    pub patient: PatientId,
    /// The bed.
    pub location: Option<Location>,
    /// The frame's time: nothing later was known.
    pub at: EventTime,
    /// One value for each of [`Column::all`]; `None` where it is not known or no longer speaks of now.
    pub values: Vec<Option<f64>>,
}

impl Snapshot {
    pub(super) fn of(bed: &Bed<'_>) -> Self {
        Self {
            patient: bed.frame.patient.clone(),
            location: bed.frame.location.clone(),
            at: bed.frame.at,
            values: Column::all().map(|column| bed.value(column)).collect(),
        }
    }
}

/// Which frames are kept.
#[derive(Debug)]
pub(super) struct Keep {
    every: Span,
    last: BTreeMap<PatientId, EventTime>,
}

impl Keep {
    pub(super) fn new(every: Span) -> Self {
        Self { every, last: BTreeMap::new() }
    }

    /// Whether the frame of this moment is kept: something was `decided` on it, or it is the first of its
    /// stretch.
    pub(super) fn takes(&mut self, patient: &PatientId, at: EventTime, decided: bool) -> bool {
        let stretch = |t: EventTime| t.floor(self.every.max(Span(1)));
        let first = self.last.get(patient).is_none_or(|last| stretch(*last) < stretch(at));
        if first {
            self.last.insert(patient.clone(), at);
        }
        first || decided
    }

    pub(super) fn forget(&mut self, patient: &PatientId) {
        self.last.remove(patient);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_of_each_stretch_is_kept_and_every_decision() {
        let mut keep = Keep::new(Span::minutes(1));
        let patient = PatientId::new("p").unwrap();
        let at = |secs: i64| EventTime::from_micros(secs * 1_000_000);
        for (secs, decided, kept) in [
            (30, false, true),
            (30, false, false),
            (59, false, false),
            (59, true, true),
            (60, false, true),
            (61, false, false),
            (300, false, true),
        ] {
            assert_eq!(keep.takes(&patient, at(secs), decided), kept, "{secs} {decided}");
        }
        keep.forget(&patient);
        assert!(keep.takes(&patient, at(300), false), "a patient who comes again");
    }
}
