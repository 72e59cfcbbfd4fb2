//! MIMIC-III tables: a folder with `ICUSTAYS` and `CHARTEVENTS`, each table as `.csv` or `.csv.gz`.
//!
//! Source: Johnson et al., Sci Data 3:160035, 2016, and the table descriptions of mimic.mit.edu. A stay is
//! one `ICUSTAY_ID`, named by its patient and itself (`10006-206504`), so that a set can be split by
//! patient. The tables are read once, from front to back, at the first stay that is read: what they say of
//! each stay lies sorted in a nameless file ([`super::spool`]), and memory holds a small part of it at a time.
//!
//! *Time as it was.* Items come in the order in which they could be known: at `STORETIME`, or at the time
//! they speak of where the table has none or an earlier one; what was known before the admission to the
//! unit arrives with it. What became known after the stay is left out and counted. Times carry no zone and
//! are taken as UTC; they are shifted by centuries, each patient's by another.

mod course;
mod items;
mod rows;
mod stay;
mod table;
mod tables;
mod word;

use std::path::{Path, PathBuf};

use super::{Error, Fault, Stay, csv};

pub(super) use tables::Tables;

/// What a reader of these tables must know of the times and units taken.
pub const NOTES: [&str; 6] = [
    "LABEVENTS and MICROBIOLOGYEVENTS have no time of the result: values are known when the sample was taken, growth is left out",
    "a culture or prescription with a date alone is known at the end of that day",
    "CareVue infusions end four hours after the last rate charted, where no end is",
    "antibiotics are INPUTEVENTS_MV's in MetaVision stays, PRESCRIPTIONS' in CareVue stays",
    "ages above 89 are hidden by the source and taken as 91.4, their median",
    "FiO2 up to 1 is taken as a fraction, above 1 as percent",
];

/// The table of stays, whose header says what the folder is.
fn stays_file(folder: &Path) -> Option<PathBuf> {
    let file = table::Table::IcuStays.file(folder)?;
    let all = ["SUBJECT_ID", "ICUSTAY_ID", "DBSOURCE", "FIRST_CAREUNIT", "INTIME", "OUTTIME"];
    csv::has_columns(&file, &all).then_some(file)
}

/// Whether a folder holds such tables.
pub(super) fn is_folder(folder: &Path) -> bool {
    stays_file(folder).is_some() && table::Table::ChartEvents.file(folder).is_some()
}

/// Whether a file is the table of stays, which stands for its folder.
pub(super) fn is_stays(path: &Path) -> bool {
    path.parent().is_some_and(|folder| stays_file(folder).as_deref() == Some(path) && is_folder(folder))
}

/// Reads one stay.
pub(super) fn read(tables: &Tables, name: &str, number: usize) -> Result<Stay, Error> {
    let (icu, sorted) = (&tables.stays[number], tables.sorted().map_err(|fault| Error::file(name, fault))?);
    let words = sorted.spool.of(number).map_err(|e| Error::io(name, &e))?;
    let told = match number {
        0 => tables.faults.iter().chain(&sorted.faults).map(|(at, fault)| (*at, fault.clone())).collect(),
        _ => Vec::new(),
    };
    stay::stay(name, icu, &words, sorted.counts[number].clone(), told)
}

/// A fault of a table as a whole or of one of its rows, and where.
type Told = (super::At, Fault);

#[cfg(test)]
mod tests;
