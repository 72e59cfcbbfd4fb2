//! Laboratory results and charted values: few, late, and corrected.
//!
//! Each (signal, specimen time) keeps every version with the time it became known, so that both
//! "what is true of 08:00" and "what did we know of 08:00 at 09:00" can be answered. The version
//! that counts is the greatest by [`Word::authority`]. A result up to the allowance (48 h) older
//! than the newest enters at its place. The newest [`MAX_RESULTS`] of each signal are kept.

use std::collections::VecDeque;

use bedwatch_schemas::{
    signal::Signal,
    summary::LabSummary,
    time::{ArrivalTime, EventTime, Span},
};
use serde::{Deserialize, Serialize};

use crate::{
    window::Sample,
    word::{Outcome, Word},
};

/// Results kept of each signal.
pub const MAX_RESULTS: usize = 512;
/// Versions kept of one result.
const MAX_VERSIONS: usize = 8;
const DAY: Span = Span::hours(24);

/// A version of a result.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Version {
    word: Word,
    known_at: ArrivalTime,
}

/// A result: its specimen time and its versions, the one that counts last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct LabResult {
    at: EventTime,
    versions: Vec<Version>,
}

impl LabResult {
    fn counts(&self) -> Option<Word> {
        self.versions.last().map(|v| v.word)
    }

    fn sample(&self) -> Option<Sample> {
        let word = self.counts()?;
        word.usable().map(|value| Sample { value, at: self.at, provenance: word.provenance })
    }

    fn join(&mut self, version: Version) -> Outcome {
        if let Some(same) = self.versions.iter_mut().find(|v| v.word.agrees(&version.word)) {
            // Said again: the later record stands for it, known since the earlier one.
            if version.word.authority() > same.word.authority() {
                same.word = version.word;
            }
            same.known_at = same.known_at.min(version.known_at);
            self.versions.sort_by_key(|v| v.word.authority());
            return Outcome::Duplicate;
        }
        self.versions.push(version);
        self.versions.sort_by_key(|v| v.word.authority());
        if self.versions.len() > MAX_VERSIONS {
            self.versions.remove(0);
        }
        if version.word.usable().is_some() { Outcome::Accepted { late: false } } else { Outcome::Withdrawn }
    }
}

/// One lab or charted signal of one patient.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Lab {
    signal: Signal,
    results: VecDeque<LabResult>,
}

impl Lab {
    /// The signal.
    #[must_use]
    pub fn signal(&self) -> Signal {
        self.signal
    }

    fn push(&mut self, at: EventTime, version: Version, allowance: Span) -> Outcome {
        let newest = self.results.back().map(|r| r.at);
        if newest.is_some_and(|n| at < n - allowance) {
            return Outcome::TooLate;
        }
        match self.results.binary_search_by_key(&at, |r| r.at) {
            Ok(i) => self.results[i].join(version),
            Err(0) if self.results.len() >= MAX_RESULTS => Outcome::TooLate,
            Err(i) => {
                let late = i < self.results.len();
                self.results.insert(i, LabResult { at, versions: vec![version] });
                if self.results.len() > MAX_RESULTS {
                    self.results.pop_front();
                }
                match version.word.usable() {
                    Some(_) => Outcome::Accepted { late },
                    None => Outcome::Withdrawn,
                }
            }
        }
    }

    /// Usable results in `(from, to]`, oldest first.
    pub fn between(&self, from: EventTime, to: EventTime) -> impl DoubleEndedIterator<Item = Sample> {
        let start = self.results.partition_point(|r| r.at <= from);
        let end = self.results.partition_point(|r| r.at <= to).max(start);
        self.results.range(start..end).filter_map(LabResult::sample)
    }

    /// The latest usable result at `at`.
    #[must_use]
    pub fn last(&self, at: EventTime) -> Option<Sample> {
        self.between(EventTime::from_micros(i64::MIN), at).next_back()
    }

    /// The result at exactly `at` that counts.
    #[must_use]
    pub fn value_at(&self, at: EventTime) -> Option<f64> {
        let i = self.results.binary_search_by_key(&at, |r| r.at).ok()?;
        self.results[i].sample().map(|s| s.value)
    }

    /// Corrections and withdrawals received.
    #[must_use]
    pub fn corrections(&self) -> usize {
        let corrects = |v: &&Version| v.word.authority().0 == 2;
        self.results.iter().map(|r| r.versions.iter().filter(corrects).count()).sum()
    }

    /// What was known at `known` of the result at exactly `at`.
    #[must_use]
    pub fn as_known(&self, at: EventTime, known: ArrivalTime) -> Option<f64> {
        let i = self.results.binary_search_by_key(&at, |r| r.at).ok()?;
        let versions = &self.results[i].versions;
        versions.iter().rev().find(|v| v.known_at <= known)?.word.usable()
    }

    /// The summary at `at`; `None` when nothing usable came before.
    #[must_use]
    pub fn summary(&self, at: EventTime) -> Option<LabSummary> {
        let mut newest_first = self.between(EventTime::from_micros(i64::MIN), at).rev();
        let last = newest_first.next()?;
        let previous = newest_first.next().map(|p| (p.value, p.at));
        let range_24h = self
            .between(at - DAY, at)
            .fold((last.value, last.value), |(lo, hi), s| (lo.min(s.value), hi.max(s.value)));
        Some(LabSummary {
            signal: self.signal,
            last: last.value,
            at: last.at,
            provenance: last.provenance,
            previous,
            range_24h,
        })
    }
}

/// The labs and charted values of one patient, in signal order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Labs {
    labs: Vec<Lab>,
}

impl Labs {
    /// Takes a word about a result; `known_at` is when it arrived.
    pub fn push(
        &mut self,
        signal: Signal,
        at: EventTime,
        word: Word,
        known_at: ArrivalTime,
        allowance: Span,
    ) -> Outcome {
        let i = match self.labs.binary_search_by_key(&signal, Lab::signal) {
            Ok(i) => i,
            Err(i) => {
                self.labs.insert(i, Lab { signal, results: VecDeque::new() });
                i
            }
        };
        self.labs[i].push(at, Version { word, known_at }, allowance)
    }

    /// The results of a signal.
    #[must_use]
    pub fn get(&self, signal: Signal) -> Option<&Lab> {
        let i = self.labs.binary_search_by_key(&signal, Lab::signal).ok()?;
        self.labs.get(i)
    }

    /// Summaries at `at`, in signal order.
    #[must_use]
    pub fn summaries(&self, at: EventTime) -> Vec<LabSummary> {
        self.labs.iter().filter_map(|l| l.summary(at)).collect()
    }

    /// Takes in the labs of a record that was the same person.
    pub fn absorb(&mut self, other: Self) {
        for theirs in other.labs {
            match self.labs.binary_search_by_key(&theirs.signal, Lab::signal) {
                Ok(i) => {
                    let no_bound = Span(i64::MAX);
                    for r in theirs.results {
                        for v in r.versions {
                            self.labs[i].push(r.at, v, no_bound);
                        }
                    }
                }
                Err(i) => self.labs.insert(i, theirs),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::word::provenance;
    use bedwatch_schemas::event::ResultStatus;

    const ALLOWANCE: Span = Span::hours(48);

    fn hour(h: i64) -> EventTime {
        EventTime::from_millis(1_700_000_000_000) + Span::hours(h)
    }

    fn word(value: f64, status: ResultStatus, offset: i64) -> Word {
        Word { value, status, provenance: provenance(offset) }
    }

    fn push(labs: &mut Labs, h: i64, w: Word) -> Outcome {
        labs.push(Signal::Lactate, hour(h), w, hour(h + 1).as_arrival_time(), ALLOWANCE)
    }

    #[test]
    fn last_previous_and_range() {
        let mut labs = Labs::default();
        for (i, (h, v)) in [(0, 9.0), (30, 2.0), (34, 4.5), (40, 3.0)].into_iter().enumerate() {
            push(&mut labs, h, word(v, ResultStatus::Final, i as i64));
        }
        let lab = labs.get(Signal::Lactate).unwrap();
        let s = lab.summary(hour(41)).unwrap();
        assert_eq!((s.last, s.previous, s.range_24h), (3.0, Some((4.5, hour(34))), (2.0, 4.5)));
        let s = lab.summary(hour(34)).unwrap();
        assert_eq!((s.last, s.previous), (4.5, Some((2.0, hour(30)))), "nothing later is in it");
        let s = lab.summary(hour(100)).unwrap();
        assert_eq!(s.range_24h, (3.0, 3.0), "an old result is its own range");
        assert_eq!(lab.summary(hour(-1)), None);
    }

    #[test]
    fn corrections_replace_and_stay_bitemporal() {
        let mut labs = Labs::default();
        let wrong = word(12.0, ResultStatus::Final, 1);
        let right = word(1.2, ResultStatus::Corrected, 2);
        assert_eq!(push(&mut labs, 0, wrong), Outcome::Accepted { late: false });
        assert_eq!(push(&mut labs, 0, wrong), Outcome::Duplicate);
        let late = hour(9).as_arrival_time();
        let outcome = labs.push(Signal::Lactate, hour(0), right, late, ALLOWANCE);
        assert_eq!(outcome, Outcome::Accepted { late: false });
        let lab = labs.get(Signal::Lactate).unwrap();
        assert_eq!(lab.last(hour(1)).unwrap().value, 1.2);
        assert_eq!(lab.corrections(), 1);
        assert_eq!(lab.as_known(hour(0), hour(8).as_arrival_time()), Some(12.0));
        assert_eq!(lab.as_known(hour(0), late), Some(1.2));
        let gone = word(0.0, ResultStatus::Withdrawn, 3);
        assert_eq!(push(&mut labs, 0, gone), Outcome::Withdrawn);
        assert_eq!(labs.get(Signal::Lactate).unwrap().summary(hour(1)), None);
    }

    #[test]
    fn the_allowance_is_the_bound() {
        let mut labs = Labs::default();
        push(&mut labs, 48, word(1.0, ResultStatus::Final, 0));
        assert_eq!(push(&mut labs, 0, word(2.0, ResultStatus::Final, 1)), Outcome::Accepted { late: true });
        assert_eq!(push(&mut labs, -1, word(2.0, ResultStatus::Final, 2)), Outcome::TooLate);
    }
}
