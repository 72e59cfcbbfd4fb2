//! The course of a stay: what MIMIC-III tells of its failures.

use bedwatch_schemas::time::Span;

use super::{
    tables::{Icu, Person},
    word::{What, Word},
};
use crate::readers::{
    Course, Failure, FailureKind,
    course::{self, Breathing},
    infusions::Stretch,
};

/// A death is charted up to so long after the bed was left.
const BED_LEFT: Span = Span::hours(1);

/// The course of a stay; words by time.
pub(super) fn course(icu: &Icu, person: &Person, words: &[Word], infusions: &[Stretch]) -> Course {
    let breathing: Vec<_> = words.iter().filter_map(|w| Some((w.at, breathing(w.what)?))).collect();
    let mut failures = course::episodes(icu.begins, FailureKind::Vasopressor, course::pressors(infusions));
    let ventilated = course::ventilated(&breathing);
    failures.extend(course::episodes(icu.begins, FailureKind::Ventilation, ventilated));
    for word in words {
        if let What::Failure(kind, over) = word.what {
            failures.push(Failure { at: word.at, over, kind });
        }
    }
    let died = person.died_at.filter(|at| *at >= icu.begins && *at <= icu.ends + BED_LEFT);
    failures.extend(died.map(|at| Failure { at, over: icu.ends.max(at), kind: FailureKind::Death }));
    failures.retain(|f| f.over >= icu.begins && f.at <= icu.ends + BED_LEFT);
    failures.sort();
    let death = person.died_in_hospital;
    Course { begins: icu.begins, ends: icu.ends, death, failures, infection: None }
}

fn breathing(what: What) -> Option<Breathing> {
    match what {
        What::Ventilated(true) => Some(Breathing::Ventilated),
        What::Ventilated(false) => Some(Breathing::Own),
        What::VentilatedUntil(until) => Some(Breathing::VentilatedUntil(until)),
        _ => None,
    }
}
