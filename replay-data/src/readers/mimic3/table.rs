//! The tables of a MIMIC-III folder.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::readers::csv;

/// A table that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Table {
    IcuStays,
    Patients,
    Admissions,
    Transfers,
    ChartEvents,
    LabEvents,
    InputEventsCv,
    InputEventsMv,
    OutputEvents,
    ProcedureEventsMv,
    MicrobiologyEvents,
    Prescriptions,
}

impl Table {
    pub(super) const ALL: [Self; 12] = [
        Self::IcuStays,
        Self::Patients,
        Self::Admissions,
        Self::Transfers,
        Self::ChartEvents,
        Self::LabEvents,
        Self::InputEventsCv,
        Self::InputEventsMv,
        Self::OutputEvents,
        Self::ProcedureEventsMv,
        Self::MicrobiologyEvents,
        Self::Prescriptions,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::IcuStays => "ICUSTAYS",
            Self::Patients => "PATIENTS",
            Self::Admissions => "ADMISSIONS",
            Self::Transfers => "TRANSFERS",
            Self::ChartEvents => "CHARTEVENTS",
            Self::LabEvents => "LABEVENTS",
            Self::InputEventsCv => "INPUTEVENTS_CV",
            Self::InputEventsMv => "INPUTEVENTS_MV",
            Self::OutputEvents => "OUTPUTEVENTS",
            Self::ProcedureEventsMv => "PROCEDUREEVENTS_MV",
            Self::MicrobiologyEvents => "MICROBIOLOGYEVENTS",
            Self::Prescriptions => "PRESCRIPTIONS",
        }
    }

    /// Its file in a folder, whatever the case of the name; a plain one before a packed one.
    pub(super) fn file(self, folder: &Path) -> Option<PathBuf> {
        csv::file(folder, self.name())
    }
}
