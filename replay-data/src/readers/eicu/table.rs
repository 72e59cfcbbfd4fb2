//! The tables of an eICU folder that are read.

use serde::{Deserialize, Serialize};

use crate::readers::{
    csv,
    place::{Folder, Place},
};

/// A table that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Table {
    Patient,
    VitalPeriodic,
    VitalAperiodic,
    Lab,
    RespiratoryCharting,
    RespiratoryCare,
    InfusionDrug,
    Medication,
    MicroLab,
    Treatment,
    IntakeOutput,
}

impl Table {
    pub(super) const ALL: [Self; 11] = [
        Self::Patient,
        Self::VitalPeriodic,
        Self::VitalAperiodic,
        Self::Lab,
        Self::RespiratoryCharting,
        Self::RespiratoryCare,
        Self::InfusionDrug,
        Self::Medication,
        Self::MicroLab,
        Self::Treatment,
        Self::IntakeOutput,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::VitalPeriodic => "vitalPeriodic",
            Self::VitalAperiodic => "vitalAperiodic",
            Self::Lab => "lab",
            Self::RespiratoryCharting => "respiratoryCharting",
            Self::RespiratoryCare => "respiratoryCare",
            Self::InfusionDrug => "infusionDrug",
            Self::Medication => "medication",
            Self::MicroLab => "microLab",
            Self::Treatment => "treatment",
            Self::IntakeOutput => "intakeOutput",
        }
    }

    /// Whether cultures or antibiotics stand in it.
    pub(super) const fn tells_of_infection(self) -> bool {
        matches!(self, Self::InfusionDrug | Self::Medication | Self::MicroLab | Self::Treatment)
    }

    /// Its file in a folder.
    pub(super) fn file(self, folder: &Folder) -> Option<Place> {
        csv::file(folder, self.name())
    }
}
