//! The failures of a recorded stay, from what was charted, whenever that was known: they are the truth,
//! not news.
//!
//! A vasopressor or invasive ventilation begins where there was none in the 24 hours before. What began in
//! the first hour came with the patient: from the stay's beginning nobody is asked about it.

use bedwatch_schemas::time::{EventTime, Span};

use super::{
    Failure, FailureKind,
    infusions::{Stretch, is_vasopressor},
};

/// A start within so long of the end before is the same episode.
const APART: Span = Span::hours(24);
/// What begins so soon after the stay began came with the patient.
const CAME_WITH: Span = Span::hours(1);
/// Words of ventilation further apart than this are of two episodes of it.
const CHARTED_EVERY: Span = Span::hours(8);

/// A word of ventilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breathing {
    /// A ventilator breathes for the patient.
    Ventilated,
    /// It did until then.
    VentilatedUntil(EventTime),
    /// It does no longer.
    Own,
}

/// The stretches of vasopressors among infusions.
pub fn pressors(infusions: &[Stretch]) -> Vec<(EventTime, EventTime)> {
    infusions.iter().filter(|s| is_vasopressor(s.drug)).map(|s| (s.from, s.to)).collect()
}

/// Stretches of one kind as failures of a stay: those less than a day apart are one.
pub fn episodes(
    begins: EventTime,
    kind: FailureKind,
    mut stretches: Vec<(EventTime, EventTime)>,
) -> Vec<Failure> {
    stretches.sort();
    let mut found: Vec<Failure> = Vec::new();
    for (at, over) in stretches {
        match found.last_mut() {
            Some(last) if at < last.over + APART => last.over = last.over.max(over),
            _ => found.push(Failure { at, over, kind }),
        }
    }
    for failure in &mut found {
        if failure.at < begins + CAME_WITH {
            failure.at = begins;
        }
    }
    found
}

/// When a ventilator breathed for the patient; words by time.
pub fn ventilated(words: &[(EventTime, Breathing)]) -> Vec<(EventTime, EventTime)> {
    let mut found: Vec<(EventTime, EventTime)> = Vec::new();
    let mut is_open = false;
    for (at, word) in words {
        let until = match *word {
            Breathing::Ventilated => *at,
            Breathing::VentilatedUntil(until) => until,
            Breathing::Own => {
                // Words of one moment that disagree: the ventilator's own settings count.
                if let Some(last) = found.last_mut().filter(|last| is_open && last.0 < *at) {
                    is_open = words.contains(&(*at, Breathing::Ventilated));
                    last.1 = if is_open { last.1 } else { *at };
                }
                continue;
            }
        };
        match found.last_mut().filter(|last| is_open && *at <= last.1 + CHARTED_EVERY) {
            Some(last) => last.1 = last.1.max(until),
            None => found.push((*at, until)),
        }
        is_open = true;
    }
    found
}
