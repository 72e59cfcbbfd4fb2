//! The course of a stay: what eICU tells of its failures.

use super::{
    patient::Icu,
    word::{What, Word},
};
use crate::readers::{
    Course, Failure, FailureKind,
    course::{self, Breathing},
    infusions::Stretch,
};

/// The course of a stay; words by time.
pub(super) fn course(icu: &Icu, words: &[Word], infusions: &[Stretch]) -> Course {
    let mut pressors = course::pressors(infusions);
    let mut breathing = Vec::new();
    for word in words {
        match word.what {
            What::Ran(FailureKind::Vasopressor, until) => pressors.push((word.at, until)),
            What::Ran(FailureKind::Ventilation, until) => {
                breathing.push((word.at, Breathing::VentilatedUntil(until)));
            }
            What::Ventilated(true) => breathing.push((word.at, Breathing::Ventilated)),
            What::Ventilated(false) => breathing.push((word.at, Breathing::Own)),
            _ => {}
        }
    }
    let mut failures = course::episodes(icu.begins, FailureKind::Vasopressor, pressors);
    let ventilated = course::ventilated(&breathing);
    failures.extend(course::episodes(icu.begins, FailureKind::Ventilation, ventilated));
    failures.retain(|f| f.over >= icu.begins && f.at <= icu.ends);
    failures.extend(icu.died_in_unit.then_some(Failure {
        at: icu.ends,
        over: icu.ends,
        kind: FailureKind::Death,
    }));
    failures.sort();
    let death = icu.died_in_hospital;
    Course { begins: icu.begins, ends: icu.ends, death, failures, infection: None }
}
