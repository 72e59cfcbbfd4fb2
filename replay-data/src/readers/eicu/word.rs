//! What one row says, apart from whose row it is.

use bedwatch_schemas::{
    medication::{Dose, Drug},
    signal::Signal,
    time::{ArrivalTime, EventTime},
};
use serde::{Deserialize, Serialize};

use super::table::Table;
use crate::readers::{FailureKind, infection::Act, spool::OfStay};

/// One thing that a row says of its stay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Word {
    /// The stay's number.
    pub stay: u32,
    /// Where it stands.
    pub table: Table,
    /// The line, from 1.
    pub line: u64,
    /// Its number within the row.
    pub part: u32,
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
    /// Breaths of the patient's own: all of them, where no machine breathes too.
    OwnRate(f64),
    /// The rate that a machine is set to.
    SetRate,
    /// A ventilator breathes for the patient, or no longer.
    Ventilated(bool),
    /// A failure lasted from the word's time to this: a label, told to nobody.
    Ran(FailureKind, EventTime),
    /// An infusion runs: drug, bag and rate.
    Rate { drug: Drug, bag: u32, rate: Rate },
    /// A single dose.
    Given(Drug),
    /// A culture was taken.
    Culture,
    /// Something done about an infection: a label, told to nobody.
    Act(Act),
    /// The row could not be read.
    Fault(Why),
}

/// The rate of an infusion.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Rate {
    /// In a known unit.
    Dose(Dose),
    /// In a unit that is not known or not said: the drug runs, or does not.
    Runs(bool),
}

impl Rate {
    /// Whether the drug runs.
    pub(super) fn runs(self) -> bool {
        match self {
            Self::Dose(dose) => dose.value > 0.0,
            Self::Runs(runs) => runs,
        }
    }
}

/// Why a row could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Why {
    Width,
    Id,
    Time,
    Number,
    Span,
}

impl Why {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Width => "the row has not as many fields as the header",
            Self::Id => "an id is none",
            Self::Time => "a time is no whole number of minutes within ten years",
            Self::Number => "a value is no number",
            Self::Span => "it ends before it begins",
        }
    }
}

/// Why a row that can be read is left out.
pub(super) type Reason = &'static str;

/// What became of a row that could be read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// It says something, which could be known then.
    Says(ArrivalTime),
    /// It is left out, by rule.
    Left(Reason),
}
