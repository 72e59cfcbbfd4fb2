//! The vital signs of one patient: a series for each signal that has ever come.

use bedwatch_schemas::{
    signal::Signal,
    summary::VitalSummary,
    time::{EventTime, Span},
};
use serde::{Deserialize, Serialize};

use crate::{
    window::Series,
    word::{Outcome, Word},
};

/// The vital signs of one patient, in signal order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Vitals {
    series: Vec<Series>,
}

impl Vitals {
    /// Takes a word about a vital sign.
    pub fn push(&mut self, signal: Signal, at: EventTime, word: Word, allowance: Span) -> Outcome {
        let i = match self.series.binary_search_by_key(&signal, Series::signal) {
            Ok(i) => i,
            Err(i) => {
                self.series.insert(i, Series::new(signal));
                i
            }
        };
        self.series[i].push(at, word, allowance)
    }

    /// The series of a signal.
    #[must_use]
    pub fn get(&self, signal: Signal) -> Option<&Series> {
        let i = self.series.binary_search_by_key(&signal, Series::signal).ok()?;
        self.series.get(i)
    }

    /// Every series, in signal order.
    pub fn iter(&self) -> impl Iterator<Item = &Series> {
        self.series.iter()
    }

    /// Summaries at `at`, in signal order.
    #[must_use]
    pub fn summaries(&self, at: EventTime) -> Vec<VitalSummary> {
        self.series.iter().filter_map(|s| s.summary(at)).collect()
    }

    /// Takes in the vital signs of a record that was the same person.
    pub fn absorb(&mut self, other: Self, allowance: Span) {
        for theirs in other.series {
            match self.series.binary_search_by_key(&theirs.signal(), Series::signal) {
                Ok(i) => self.series[i].absorb(theirs, allowance),
                Err(i) => self.series.insert(i, theirs),
            }
        }
    }
}
