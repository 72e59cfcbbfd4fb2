//! MIMIC-III and MIMIC-IV tables: a folder with `ICUSTAYS` and `CHARTEVENTS` (those of MIMIC-IV in `icu` beside
//! `hosp`), each table as `.csv` or `.csv.gz`.
//!
//! Source: Johnson et al., Sci Data 3:160035, 2016 and 10:1, 2023, and the table descriptions of
//! mimic.mit.edu. A stay is
//! one `ICUSTAY_ID`, named by its patient and itself (`10006-206504`), so that a set can be split by
//! patient. The tables are read once, from front to back, at the first stay that is read: what they say of
//! each stay lies sorted in a nameless file ([`super::spool`]), and memory holds a small part of it at a time.
//!
//! *Time as it was.* Items come in the order in which they could be known: at `STORETIME`, or at the time
//! they speak of where the table has none or an earlier one; what was known before the admission to the
//! unit arrives with it. What became known after the stay is left out and counted. Times carry no zone and
//! are taken as UTC; they are shifted by centuries, each patient's by another.

mod acts;
mod course;
mod items;
mod pass;
mod rows;
mod stay;
mod table;
mod tables;
mod word;

use std::path::Path;

use super::{
    Error, Fault, Format, Stay, csv,
    place::{Folder, Place},
};

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

/// What of these differs in MIMIC-IV.
pub const MIMIC4_NOTES: [&str; 6] = [
    "LABEVENTS are known at STORETIME; MICROBIOLOGYEVENTS when the sample was taken, growth is left out; prescriptions at their start",
    "a culture with a date alone is known at the end of that day",
    "all stays are MetaVision's: antibiotics are INPUTEVENTS', PRESCRIPTIONS' are labels alone",
    "ages are of whole years: a birth on the first day of ANCHOR_YEAR - ANCHOR_AGE; above 89 they are 91",
    "FiO2 up to 1 is taken as a fraction, above 1 as percent",
    "the reader has been tried on MIMIC-III's MetaVision stays in MIMIC-IV's layout, not on MIMIC-IV itself",
];

/// Which MIMIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edition {
    /// MIMIC-III: one folder, CareVue and MetaVision.
    Third,
    /// MIMIC-IV: `hosp` and `icu`, MetaVision alone.
    Fourth,
}

impl Edition {
    const fn of(format: Format) -> Self {
        if matches!(format, Format::Mimic4) { Self::Fourth } else { Self::Third }
    }

    const fn format(self) -> Format {
        match self {
            Self::Third => Format::Mimic3,
            Self::Fourth => Format::Mimic4,
        }
    }

    /// The table of stays, whose header says what the folder is.
    fn stays_file(self, folder: &Folder) -> Option<Place> {
        let file = table::Table::IcuStays.file(folder, self)?;
        let third = ["SUBJECT_ID", "ICUSTAY_ID", "DBSOURCE", "FIRST_CAREUNIT", "INTIME", "OUTTIME"];
        let fourth = ["SUBJECT_ID", "HADM_ID", "STAY_ID", "FIRST_CAREUNIT", "INTIME", "OUTTIME"];
        csv::has_columns(&file, if self == Self::Third { &third } else { &fourth }).then_some(file)
    }
}

/// The folders of MIMIC-IV's tables.
pub(super) const FOLDERS: [&str; 2] = ["hosp", "icu"];

/// The format of the tables that a folder holds.
pub(super) fn format_of(folder: &Folder) -> Option<Format> {
    let holds = |edition: &Edition| {
        edition.stays_file(folder).is_some() && table::Table::ChartEvents.file(folder, *edition).is_some()
    };
    [Edition::Third, Edition::Fourth].into_iter().find(holds).map(Edition::format)
}

/// Whether a file is the table of stays of a folder, which stands for it.
pub(super) fn is_stays(folder: &Folder, path: &Path) -> bool {
    let same = |file: Place| file.path().strip_prefix(".").unwrap_or(file.path()) == path;
    let is = |edition: &Edition| edition.stays_file(folder).is_some_and(same);
    [Edition::Third, Edition::Fourth].iter().any(is)
}

/// Reads one stay.
pub(super) fn read(tables: &Tables, name: &str, number: usize) -> Result<Stay, Error> {
    let (icu, sorted) = (&tables.stays[number], tables.sorted().map_err(|fault| Error::file(name, fault))?);
    let words = sorted.spool.of(number).map_err(|e| Error::io(name, &e))?;
    let told = match number {
        0 => tables.faults.iter().chain(&sorted.faults).map(|(at, fault)| (*at, fault.clone())).collect(),
        _ => Vec::new(),
    };
    stay::stay(
        name,
        icu,
        tables.edition,
        &words,
        sorted.counts[number].clone(),
        sorted.tells_of_infection(icu),
        told,
    )
}

/// A fault of a table as a whole or of one of its rows, and where.
type Told = (super::At, Fault);

#[cfg(test)]
mod tests;
