//! Parquet tables as stays, one a patient: a long table (a row is one value), a wide one (a column a signal),
//! and the tables that `bedwatch features export` writes.
//!
//! The columns are described in `docs/formats.md`. A file's footer says whether it is such a table. It is
//! read once for its patients and once for its rows, which lie sorted by patient in a nameless file
//! ([`super::spool`]): memory holds one batch of rows and a small part of the patients at a time.
//!
//! Every row becomes an event, is left out for a reason that is counted, or is an error with its table and
//! row.

mod chunks;
mod layout;
mod rows;
mod stay;
mod tables;
mod word;

use super::{Error, Fault, Stay, place::Place};

pub(super) use tables::{Tables, grouped};

/// What a reader of these tables must know of the times and units taken.
const NOTES: [&str; 4] = [
    "times without a zone are taken as UTC",
    "rows that do not say when they became available are known at the time they speak of",
    "minutes and hours are known when they are over; what happened within them is not in order",
    "files of one folder and the same columns whose names differ in numbers alone are parts of one table; a patient in other files is another stay",
];

/// Whether a file begins as a Parquet file does.
pub(super) fn begins(head: &[u8]) -> bool {
    head.starts_with(b"PAR1")
}

/// Whether the columns of a Parquet file are those of a table of stays; a fault where its footer cannot be read.
pub(super) fn is_table(place: &Place) -> Result<bool, Fault> {
    Ok(layout::Layout::of(chunks::open(place)?.schema()).is_ok())
}

/// Reads one stay.
pub(super) fn read(tables: &Tables, name: &str, number: usize) -> Result<Stay, Error> {
    let sorted = tables.sorted().map_err(|fault| Error::file(name, fault))?;
    let words = sorted.spool.of(number).map_err(|e| Error::io(name, &e))?;
    // What belongs to no patient is told with the first.
    let told = if number == 0 { sorted.faults.clone() } else { Vec::new() };
    stay::stay(name, tables, number, &words, told)
}

#[cfg(test)]
mod tests;
