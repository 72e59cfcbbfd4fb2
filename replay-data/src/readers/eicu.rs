//! eICU tables: a folder with `patient` and `vitalPeriodic` or `vitalAperiodic`, each table as `.csv` or
//! `.csv.gz`.
//!
//! Source: Pollard et al., Sci Data 5:180178, 2018, and the table descriptions of eicu-crd.mit.edu. A stay
//! is one `patientunitstayid`, named by its patient and itself (`002-1116-144815`), so that a set can be
//! split by patient. The tables are read once, from front to back, at the first stay that is read: what
//! they say of each stay lies sorted in a nameless file ([`super::spool`]), and memory holds a small part
//! of it at a time.
//!
//! *Times* are minutes from the admission to the unit, which stands at the base ([`super::Options`]); what
//! lies before it keeps its own time and arrives with the admission. Few tables say when a row was entered
//! ([`NOTES`]); the others are taken as known at the time they speak of. What became known after the stay
//! is left out and counted. Every row is read, left out for a reason that is counted, or an error with its
//! table and line.

mod course;
mod items;
mod patient;
mod rows;
mod stay;
mod table;
mod tables;
mod word;

use std::path::Path;

use super::{
    Error, Fault, Stay, csv,
    place::{Folder, Place},
};
use table::Table;

#[cfg(test)]
pub(super) use stay::END as END_PART;
pub(super) use tables::Tables;

/// What a reader of these tables must know of the times and units taken.
pub const NOTES: [&str; 13] = [
    "the source is not bitemporal: vitalPeriodic, vitalAperiodic, infusionDrug, microLab and treatment have no time of entry and are known at the time they speak of",
    "respiratoryCharting and intakeOutput are known at their entry, medication at its order, lab at its last revision, never before the time they speak of",
    "apacheApsVar, apachePatientResult and admissionDx speak of the first 24 hours without a time of their own and are not read, nor is diagnosis: nothing may be known before it was known",
    "age above 89 is hidden by the source and taken as 90; height and weight of the admission have no time and are known with it",
    "mixed units (Med-Surg, CCU-CTICU), neurological ones and stays outside intensive care have no kind of unit",
    "vitalPeriodic are medians of five minutes; temperature is taken as Celsius; saO2 there and in respiratoryCharting is of the pulse oximeter",
    "FiO2 up to 1 is taken as a fraction, above 1 as percent; PEEP and oxygen flow have no signal here and are left out",
    "RR (patient) is left out where a ventilator's rate or the total rate stands at the same moment, and where it is 0",
    "a drug's rate of an unknown or absent unit is told without a dose; a rate in ml/hr is left out where the same moment has one by mass",
    "infusions end four hours after the last rate charted, where no end is; infusionDrug is missing at many hospitals, whose vasopressors are known from treatment alone, as labels",
    "ventilation begins by respiratoryCare, set tidal volumes, plateau pressures, the device charted, and treatment (labels alone); non-invasive support is none; arrests are not told",
    "antibiotics are orders of medication with a systemic route; growth of a culture has no time and is left out",
    "Sepsis-3 takes cultures of microLab and treatment, antibiotics of medication, infusionDrug and treatment (as if into a vein, at the note's time; notes of one drug less than 48 h apart are one course); a hospital without any culture or without any antibiotic tells nothing of infections",
];

/// The table of stays, whose header says what the folder is.
fn patients_file(folder: &Folder) -> Option<Place> {
    let file = Table::Patient.file(folder)?;
    let all = ["patientunitstayid", "uniquepid", "unitdischargeoffset", "hospitaladmitoffset", "age"];
    csv::has_columns(&file, &all).then_some(file)
}

/// Whether a folder holds such tables.
pub(super) fn is_folder(folder: &Folder) -> bool {
    let has_vitals =
        || [Table::VitalAperiodic, Table::VitalPeriodic].iter().any(|t| t.file(folder).is_some());
    patients_file(folder).is_some() && has_vitals()
}

/// Whether a file of a folder is the table of stays, which stands for the folder.
pub(super) fn is_stays(folder: &Folder, path: &Path) -> bool {
    let is_here = path.parent() == Some(folder.path());
    is_here
        && patients_file(folder).is_some_and(|file| file.path().file_name() == path.file_name())
        && is_folder(folder)
}

/// Reads one stay.
pub(super) fn read(tables: &Tables, name: &str, number: usize) -> Result<Stay, Error> {
    let (icu, sorted) = (&tables.stays[number], tables.sorted().map_err(|fault| Error::file(name, fault))?);
    let words = sorted.spool.of(number).map_err(|e| Error::io(name, &e))?;
    let told = match number {
        0 => tables.faults.iter().chain(&sorted.faults).map(|(at, fault)| (*at, fault.clone())).collect(),
        _ => Vec::new(),
    };
    let tells_of_infection = sorted.tell_of_infection.contains(&icu.hospital);
    stay::stay(name, icu, words, tells_of_infection, sorted.left[number].clone(), told)
}

/// A fault of a table as a whole or of one of its rows, and where.
type Told = (super::At, Fault);

#[cfg(test)]
mod tests;
