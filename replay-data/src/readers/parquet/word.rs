//! What one row says, apart from whose row it is.

use bedwatch_schemas::{
    event::{NoReading, ResultStatus},
    medication::{Dose, Drug, InfusionAction},
    signal::Signal,
    time::{ArrivalTime, EventTime},
};
use serde::{Deserialize, Serialize};

use crate::readers::spool::OfStay;

/// One thing that a row says of its stay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// The stay's number.
    pub stay: u32,
    /// The file's number within its set.
    pub file: u32,
    /// The row within the file, from 0.
    pub row: u64,
    /// The column, of a row that says several things.
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

/// What became of a row, or of one of its columns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// It says something.
    Said(Said),
    /// It could be read and is left out.
    Left(Left),
    /// It could not be read.
    Fault(Why),
}

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Said {
    /// A number in the signal's canonical unit.
    Number(Signal, f64, ResultStatus),
    /// A measurement that was due and gave no value.
    NoReading(Signal, NoReading),
    /// A drug.
    Medication(Drug, InfusionAction, Option<Dose>),
    /// Admission or discharge, transfer or another change.
    Adt(Happening),
    /// A culture was taken (false) or grew something (true).
    Culture(bool),
}

/// What happened to the stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happening {
    Admit,
    Transfer,
    Discharge,
    Update,
}

/// Why a row is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Left {
    Signal,
    NoUnit,
    Unit,
    UnitOfOther,
    Kind,
    Name,
    Empty,
}

impl Left {
    /// The name it is counted under.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Signal => "parquet.signal_not_known",
            Self::NoUnit => "parquet.no_unit",
            Self::Unit => "parquet.unit_not_known",
            Self::UnitOfOther => "parquet.unit_of_another_quantity",
            Self::Kind => "parquet.kind_not_known",
            Self::Name => "parquet.name_not_known",
            Self::Empty => "parquet.row_without_values",
        }
    }
}

/// Why a row could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    Patient,
    Time,
    Available,
    Number,
}

impl Why {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Patient => "the patient is none, too long or holds a control character",
            Self::Time => "the time is none",
            Self::Available => "the time it became available is none",
            Self::Number => "the value is no number",
        }
    }
}
