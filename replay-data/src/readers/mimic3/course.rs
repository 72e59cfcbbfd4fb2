//! The failures of a stay, from what was charted, whenever that was known: they are the truth, not news.
//!
//! A vasopressor or invasive ventilation begins where there was none in the 24 hours before. What began in
//! the first hour came with the patient: from the stay's beginning nobody is asked about it.

use bedwatch_schemas::{
    medication::Drug,
    time::{EventTime, Span},
};

use super::{
    infusions::Stretch,
    tables::{Icu, Person},
    word::{What, Word},
};
use crate::readers::{Course, Failure, FailureKind};

/// A start within so long of the end before is the same episode.
const APART: Span = Span::hours(24);
/// What begins so soon after the stay began came with the patient.
const CAME_WITH: Span = Span::hours(1);
/// Words of ventilation further apart than this are of two episodes of it.
const CHARTED_EVERY: Span = Span::hours(8);
/// A death is charted up to so long after the bed was left.
const BED_LEFT: Span = Span::hours(1);

/// The course of a stay; words by time.
pub(super) fn course(icu: &Icu, person: &Person, words: &[Word], infusions: &[Stretch]) -> Course {
    let pressors = infusions.iter().filter(|s| is_vasopressor(s.drug)).map(|s| (s.from, s.to)).collect();
    let mut failures = episodes(icu, FailureKind::Vasopressor, pressors);
    failures.extend(episodes(icu, FailureKind::Ventilation, ventilated(words)));
    for word in words {
        if let What::Failure(kind, over) = word.what {
            failures.push(Failure { at: word.at, over, kind });
        }
    }
    let died = person.died_at.filter(|at| *at >= icu.begins && *at <= icu.ends + BED_LEFT);
    failures.extend(died.map(|at| Failure { at, over: icu.ends.max(at), kind: FailureKind::Death }));
    failures.retain(|f| f.over >= icu.begins && f.at <= icu.ends + BED_LEFT);
    failures.sort();
    Course { begins: icu.begins, ends: icu.ends, death: person.died_in_hospital, failures }
}

const fn is_vasopressor(drug: Drug) -> bool {
    matches!(
        drug,
        Drug::Norepinephrine | Drug::Epinephrine | Drug::Dopamine | Drug::Vasopressin | Drug::Phenylephrine
    )
}

/// Stretches of one kind as failures: those less than a day apart are one.
fn episodes(icu: &Icu, kind: FailureKind, mut stretches: Vec<(EventTime, EventTime)>) -> Vec<Failure> {
    stretches.sort();
    let mut found: Vec<Failure> = Vec::new();
    for (at, over) in stretches {
        match found.last_mut() {
            Some(last) if at < last.over + APART => last.over = last.over.max(over),
            _ => found.push(Failure { at, over, kind }),
        }
    }
    for failure in &mut found {
        if failure.at < icu.begins + CAME_WITH {
            failure.at = icu.begins;
        }
    }
    found
}

/// When a ventilator breathed for the patient.
fn ventilated(words: &[Word]) -> Vec<(EventTime, EventTime)> {
    let mut found: Vec<(EventTime, EventTime)> = Vec::new();
    let mut is_open = false;
    for word in words {
        let until = match word.what {
            What::Ventilated(true) => word.at,
            What::VentilatedUntil(until) => until,
            What::Ventilated(false) => {
                // Words of one moment that disagree: the ventilator's own settings count.
                if let Some(last) = found.last_mut().filter(|last| is_open && last.0 < word.at) {
                    is_open = words.iter().any(|w| w.at == word.at && w.what == What::Ventilated(true));
                    last.1 = if is_open { last.1 } else { word.at };
                }
                continue;
            }
            _ => continue,
        };
        match found.last_mut().filter(|last| is_open && word.at <= last.1 + CHARTED_EVERY) {
            Some(last) => last.1 = last.1.max(until),
            None => found.push((word.at, until)),
        }
        is_open = true;
    }
    found
}
