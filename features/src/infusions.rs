//! Infusions and drugs given: what runs, at which rate, since when, and the doses SOFA asks for.
//!
//! Each drug keeps its words by time, so that a late word enters at its place. Only drugs the
//! rules know are kept ([`Drug::Other`] is counted by the caller and not interpreted).

use bedwatch_schemas::{
    event::Provenance,
    medication::{Dose, Drug, Infusion, InfusionAction},
    summary::InfusionSummary,
    time::{EventTime, Span},
    unit::Unit,
};
use serde::{Deserialize, Serialize};

use crate::word::Outcome;

/// Words kept of each drug.
const MAX_WORDS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Word {
    at: EventTime,
    provenance: Provenance,
    action: InfusionAction,
    dose: Option<Dose>,
}

impl Word {
    /// Whether the word says that the drug flows from here on; `None` when it does not say.
    fn runs(&self) -> Option<bool> {
        match self.action {
            InfusionAction::RateSet => Some(self.dose.is_none_or(|d| d.value > 0.0)),
            InfusionAction::Stopped => Some(false),
            InfusionAction::Given | InfusionAction::NotGiven => None,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Course {
    drug: Drug,
    words: Vec<Word>,
}

/// A stretch of time during which a drug flowed at one rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// From when.
    pub from: EventTime,
    /// Until when (the time asked about, if it still runs).
    pub to: EventTime,
    /// The rate, where the source gave one.
    pub rate: Option<Dose>,
    /// Where the rate came from.
    pub provenance: Provenance,
}

impl Course {
    fn push(&mut self, word: Word, allowance: Span) -> Outcome {
        if self.words.last().is_some_and(|l| word.at < l.at - allowance) {
            return Outcome::TooLate;
        }
        match self.words.binary_search_by_key(&word.at, |w| w.at) {
            Ok(i) => {
                let mine = &mut self.words[i];
                let agrees = mine.action == word.action && mine.dose == word.dose;
                if word.provenance > mine.provenance {
                    *mine = word;
                }
                if agrees { Outcome::Duplicate } else { Outcome::Accepted { late: false } }
            }
            Err(0) if self.words.len() >= MAX_WORDS => Outcome::TooLate,
            Err(i) => {
                let late = i < self.words.len();
                self.words.insert(i, word);
                if self.words.len() > MAX_WORDS {
                    self.words.remove(0);
                }
                Outcome::Accepted { late }
            }
        }
    }

    fn until(&self, at: EventTime) -> &[Word] {
        &self.words[..self.words.partition_point(|w| w.at <= at)]
    }

    fn stretches(&self, at: EventTime) -> impl Iterator<Item = Stretch> {
        let words = self.until(at);
        words.iter().enumerate().filter(|(_, w)| w.runs() == Some(true)).map(move |(i, w)| {
            let end = words[i + 1..].iter().find(|n| n.runs().is_some()).map_or(at, |n| n.at);
            Stretch { from: w.at, to: end, rate: w.dose, provenance: w.provenance }
        })
    }

    fn summary(&self, at: EventTime) -> Option<InfusionSummary> {
        let words = self.until(at);
        let latest = words.iter().rev().find(|w| w.action != InfusionAction::NotGiven)?;
        let state = words.iter().rposition(|w| w.runs().is_some());
        let Some(state) = state else {
            return Some(self.said(false, None, latest.at, latest.provenance));
        };
        let running = words[state].runs() == Some(true);
        // The first word of the present state: rate changes do not begin a new infusion.
        let since = words[..state]
            .iter()
            .rev()
            .filter(|w| w.runs().is_some())
            .take_while(|w| w.runs() == Some(running))
            .last()
            .map_or(words[state].at, |w| w.at);
        let rate = if running { words[state].dose } else { None };
        // A dose given after the infusion ended is the later word of the drug.
        let since = if running { since } else { since.max(latest.at) };
        Some(self.said(running, rate, since, latest.provenance))
    }

    fn said(
        &self,
        running: bool,
        rate: Option<Dose>,
        since: EventTime,
        provenance: Provenance,
    ) -> InfusionSummary {
        InfusionSummary { drug: self.drug, rate, running, since, provenance }
    }
}

/// The drugs of one patient, in drug order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Infusions {
    courses: Vec<Course>,
}

impl Infusions {
    /// Takes a word about a drug at a time.
    pub fn push(
        &mut self,
        infusion: &Infusion,
        at: EventTime,
        provenance: Provenance,
        allowance: Span,
    ) -> Outcome {
        if infusion.drug == Drug::Other {
            return Outcome::Accepted { late: false };
        }
        let word = Word { at, provenance, action: infusion.action, dose: infusion.dose };
        let i = match self.courses.binary_search_by_key(&infusion.drug, |c| c.drug) {
            Ok(i) => i,
            Err(i) => {
                self.courses.insert(i, Course { drug: infusion.drug, words: Vec::new() });
                i
            }
        };
        self.courses[i].push(word, allowance)
    }

    /// Summaries at `at`, in drug order.
    #[must_use]
    pub fn summaries(&self, at: EventTime) -> Vec<InfusionSummary> {
        self.courses.iter().filter_map(|c| c.summary(at)).collect()
    }

    /// Every word of `(from, to]`: drug, action, dose and time, in drug order, then time.
    pub fn words(
        &self,
        from: EventTime,
        to: EventTime,
    ) -> impl Iterator<Item = (Drug, InfusionAction, Option<Dose>, EventTime)> {
        self.courses.iter().flat_map(move |c| {
            let words = c.until(to).iter().filter(move |w| w.at > from);
            words.map(|w| (c.drug, w.action, w.dose, w.at))
        })
    }

    /// The stretches during which `drug` flowed, up to `at`, oldest first.
    pub fn stretches(&self, drug: Drug, at: EventTime) -> impl Iterator<Item = Stretch> {
        self.courses.iter().filter(move |c| c.drug == drug).flat_map(move |c| c.stretches(at))
    }

    /// Takes in the drugs of a record that was the same person.
    pub fn absorb(&mut self, other: Self) {
        for theirs in other.courses {
            match self.courses.binary_search_by_key(&theirs.drug, |c| c.drug) {
                Ok(i) => {
                    for w in theirs.words {
                        self.courses[i].push(w, Span(i64::MAX));
                    }
                }
                Err(i) => self.courses.insert(i, theirs),
            }
        }
    }
}

/// A rate in micrograms a kilogram and minute; `None` when its unit cannot be turned into one or
/// needs a weight that is not known.
#[must_use]
pub fn ug_per_kg_min(rate: Dose, weight_kg: Option<f64>) -> Option<f64> {
    let per_min = match rate.unit {
        Unit::UgPerKgMin => return Some(rate.value),
        Unit::UgPerMin => rate.value,
        Unit::MgPerMin => rate.value * 1_000.0,
        Unit::MgPerHour => rate.value * 1_000.0 / 60.0,
        _ => return None,
    };
    weight_kg.filter(|w| *w > 0.0).map(|w| per_min / w)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::word::provenance;

    const ALLOWANCE: Span = Span::hours(48);

    fn minute(m: i64) -> EventTime {
        EventTime::from_millis(1_700_000_000_000) + Span::minutes(m)
    }

    fn norepinephrine(action: InfusionAction, rate: Option<f64>) -> Infusion {
        let dose = rate.map(|value| Dose { value, unit: Unit::UgPerKgMin });
        Infusion { drug: Drug::Norepinephrine, action, dose }
    }

    fn course(words: &[(i64, InfusionAction, Option<f64>)]) -> Infusions {
        let mut all = Infusions::default();
        for (i, &(m, action, rate)) in words.iter().enumerate() {
            all.push(&norepinephrine(action, rate), minute(m), provenance(i as i64), ALLOWANCE);
        }
        all
    }

    #[test]
    fn running_since_the_first_rate() {
        use InfusionAction::{RateSet, Stopped};
        let words = [(0, RateSet, Some(0.05)), (30, RateSet, Some(0.2)), (90, Stopped, None)];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let all = course(&order.map(|i| words[i]));
            let s = &all.summaries(minute(60))[0];
            assert!(s.running);
            assert_eq!((s.since, s.rate.unwrap().value), (minute(0), 0.2));
            let s = &all.summaries(minute(90))[0];
            assert_eq!((s.running, s.rate, s.since), (false, None, minute(90)));
            let stretches: Vec<_> =
                all.stretches(Drug::Norepinephrine, minute(100)).map(|s| (s.from, s.to)).collect();
            assert_eq!(stretches, [(minute(0), minute(30)), (minute(30), minute(90))]);
        }
    }

    #[test]
    fn a_rate_of_zero_is_a_stop_and_a_missing_one_is_not() {
        use InfusionAction::RateSet;
        let all = course(&[(0, RateSet, Some(0.1)), (10, RateSet, Some(0.0))]);
        assert!(!all.summaries(minute(11))[0].running);
        let all = course(&[(0, RateSet, None)]);
        assert!(all.summaries(minute(11))[0].running);
    }

    #[test]
    fn doses_given_do_not_run() {
        let mut all = Infusions::default();
        let given = Infusion { drug: Drug::Antibiotic, action: InfusionAction::Given, dose: None };
        all.push(&given, minute(5), provenance(0), ALLOWANCE);
        let s = &all.summaries(minute(6))[0];
        assert_eq!((s.running, s.since), (false, minute(5)));
        assert!(all.summaries(minute(4)).is_empty());
    }

    #[test]
    fn rates_become_micrograms_a_kilogram_and_minute() {
        let cases = [
            (0.1, Unit::UgPerKgMin, None, Some(0.1)),
            (8.0, Unit::UgPerMin, Some(80.0), Some(0.1)),
            (8.0, Unit::UgPerMin, None, None),
            (0.48, Unit::MgPerHour, Some(80.0), Some(0.1)),
            (0.008, Unit::MgPerMin, Some(80.0), Some(0.1)),
            (5.0, Unit::MlPerHour, Some(80.0), None),
            (8.0, Unit::UgPerMin, Some(0.0), None),
        ];
        for (value, unit, weight, want) in cases {
            let got = ug_per_kg_min(Dose { value, unit }, weight);
            assert_eq!(got.map(|x| (x * 1e9).round()), want.map(|x: f64| (x * 1e9).round()), "{unit:?}");
        }
    }
}
