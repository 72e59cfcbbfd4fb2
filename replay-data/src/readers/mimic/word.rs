//! What one row says, apart from whose row it is.

use bedwatch_schemas::{
    event::UnitKind,
    medication::{Dose, Drug},
    signal::Signal,
    time::{ArrivalTime, EventTime},
};
use serde::{Deserialize, Serialize};

use super::{items::Part, table::Table};
use crate::readers::{FailureKind, infection::Act, spool::OfStay};

/// A row that is read, of one stay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Word {
    /// The stay's number.
    pub stay: u32,
    /// Where it stands.
    pub table: Table,
    /// The line, from 1.
    pub line: u64,
    /// When it was true.
    pub at: EventTime,
    /// When it could first be known.
    pub known: ArrivalTime,
    /// What it says.
    pub what: What,
}

impl OfStay for Word {
    fn stay(&self) -> usize {
        self.stay as usize
    }
}

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum What {
    /// A number in the signal's canonical unit.
    Number(Signal, f64),
    /// A part of the coma score.
    Coma(Part, f64),
    /// A blood gas of this moment was not taken from an artery.
    NotArterial,
    /// A ventilator breathes for the patient, or no longer.
    Ventilated(bool),
    /// Ventilation was charted as a stretch, after the fact: it is a label, and told to nobody.
    VentilatedUntil(EventTime),
    /// An infusion runs: drug, item, rate, and its end where the row says it.
    Rate { drug: Drug, item: u32, rate: Option<Dose>, until: Option<EventTime> },
    /// An infusion was stopped.
    Stop { drug: Drug, item: u32 },
    /// A single dose.
    Given(Drug, Option<Dose>),
    /// A culture was taken.
    Culture,
    /// The patient moved to another unit.
    Moved(Option<UnitKind>),
    /// Something that is a label, with its end.
    Failure(FailureKind, EventTime),
    /// Something done about an infection: a label, told to nobody.
    Act(Act),
    /// The row could not be read.
    Fault(Why),
}

/// Why a row could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Why {
    Width,
    Id,
    Time,
    Number,
    Span,
    Long,
}

impl Why {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Width => "the row has not as many fields as the header",
            Self::Id => "an id is no number",
            Self::Time => "a time is not YYYY-MM-DD HH:MM:SS",
            Self::Number => "a value is no number",
            Self::Span => "it ends before it begins",
            Self::Long => "it lasts more than two years",
        }
    }
}

/// Why a row that can be read is left out.
pub(super) type Reason = &'static str;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// It says this.
    Says { at: EventTime, known: ArrivalTime, what: What },
    /// It is left out, by rule.
    Left(Reason),
    /// It cannot be read.
    Broken(Why),
}
