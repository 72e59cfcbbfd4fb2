//! Clinical scores as the features stage reports them: value, parts and what was missing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{event::Provenance, signal::Signal, time::EventTime};

/// A clinical score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoreKind {
    /// National Early Warning Score 2 (Royal College of Physicians, 2017).
    News2,
    /// Quick SOFA (Singer 2016).
    Qsofa,
    /// Systemic inflammatory response syndrome (Bone 1992).
    Sirs,
    /// Sequential Organ Failure Assessment (Vincent 1996).
    Sofa,
    /// Modified Early Warning Score (Subbe 2001).
    Mews,
    /// Heart rate over systolic pressure.
    ShockIndex,
}

impl ScoreKind {
    /// Every score.
    pub const ALL: [ScoreKind; 6] =
        [Self::News2, Self::Qsofa, Self::Sirs, Self::Sofa, Self::Mews, Self::ShockIndex];

    /// The snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::News2 => "news2",
            Self::Qsofa => "qsofa",
            Self::Sirs => "sirs",
            Self::Sofa => "sofa",
            Self::Mews => "mews",
            Self::ShockIndex => "shock_index",
        }
    }

    /// What a clinician calls it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::News2 => "NEWS2",
            Self::Qsofa => "qSOFA",
            Self::Sirs => "SIRS",
            Self::Sofa => "SOFA",
            Self::Mews => "MEWS",
            Self::ShockIndex => "shock index",
        }
    }
}

/// A part of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Respiratory rate.
    Respiration,
    /// SpO2, or PaO2/FiO2.
    Oxygenation,
    /// Supplemental oxygen given.
    SupplementalOxygen,
    /// Blood pressure, vasopressors.
    Circulation,
    /// Heart rate.
    Pulse,
    /// Consciousness.
    Consciousness,
    /// Temperature.
    Temperature,
    /// Platelets.
    Coagulation,
    /// Bilirubin.
    Liver,
    /// Creatinine, urine output.
    Renal,
    /// White cells.
    WhiteCells,
}

/// One part with its points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Component {
    /// Which part.
    pub part: Part,
    /// Its points; `None` when its value is missing (never 0 by default).
    pub points: Option<u8>,
    /// The signal whose value decided, if one did.
    pub signal: Option<Signal>,
    /// That value, in the signal's canonical unit (PaO2/FiO2 in mm\[Hg\] for SOFA's oxygenation).
    pub value: Option<f64>,
    /// When it was measured.
    pub at: Option<EventTime>,
    /// Where it came from.
    pub provenance: Option<Provenance>,
}

/// A score at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Score {
    /// Which score.
    pub kind: ScoreKind,
    /// The sum of the known points (the ratio for the shock index). A lower bound when
    /// `complete` is false.
    pub value: f64,
    /// Whether every part was known.
    pub complete: bool,
    /// The parts in the order of the definition.
    pub components: Vec<Component>,
}
