//! The tables of a MIMIC folder.

use serde::{Deserialize, Serialize};

use super::Edition;
use crate::readers::{
    csv,
    place::{Folder, Place},
};

/// A table that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Table {
    IcuStays,
    Patients,
    Admissions,
    Transfers,
    ChartEvents,
    LabEvents,
    /// CareVue's: MIMIC-IV has none.
    InputEventsCv,
    /// MetaVision's: the only ones of MIMIC-IV.
    InputEventsMv,
    OutputEvents,
    /// MetaVision's.
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

    /// Its name in an edition; `None` where the edition has no such table.
    pub(super) const fn name_in(self, edition: Edition) -> Option<&'static str> {
        match (edition, self) {
            (Edition::Third, _) => Some(self.name()),
            (Edition::Fourth, Self::InputEventsCv) => None,
            (Edition::Fourth, Self::InputEventsMv) => Some("INPUTEVENTS"),
            (Edition::Fourth, Self::ProcedureEventsMv) => Some("PROCEDUREEVENTS"),
            (Edition::Fourth, _) => Some(self.name()),
        }
    }

    /// The folder within MIMIC-IV's.
    const fn module(self) -> &'static str {
        match self {
            Self::IcuStays
            | Self::ChartEvents
            | Self::InputEventsCv
            | Self::InputEventsMv
            | Self::OutputEvents
            | Self::ProcedureEventsMv => "icu",
            Self::Patients
            | Self::Admissions
            | Self::Transfers
            | Self::LabEvents
            | Self::MicrobiologyEvents
            | Self::Prescriptions => "hosp",
        }
    }

    /// Its file in a folder, whatever the case of the name; a plain one before a packed one. Those of MIMIC-IV
    /// lie in `hosp` and `icu`, or all in one folder.
    pub(super) fn file(self, folder: &Folder, edition: Edition) -> Option<Place> {
        let name = self.name_in(edition)?;
        let within = (edition == Edition::Fourth).then(|| csv::file(&folder.inner(self.module()), name));
        within.flatten().or_else(|| csv::file(folder, name))
    }
}
