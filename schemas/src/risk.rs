//! What the models say: calibrated probabilities with the operating points of their bundle.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{evidence::Subject, ids::PatientId, time::EventTime};

/// What a model head predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// Sepsis within the coming hours (PhysioNet/CinC 2019 label).
    Sepsis,
    /// Shock, respiratory failure or arrest within the coming hours.
    Deterioration,
}

impl Head {
    /// Every head.
    pub const ALL: [Head; 2] = [Head::Sepsis, Head::Deterioration];

    /// The snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Head::Sepsis => "sepsis",
            Head::Deterioration => "deterioration",
        }
    }
}

/// Name and version of a model bundle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ModelRef {
    /// The bundle's name.
    pub name: String,
    /// The bundle's version.
    pub version: String,
}

/// One head's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Risk {
    /// The head.
    pub head: Head,
    /// Calibrated probability, 0 to 1.
    pub probability: f32,
    /// The bundle's operating point: alert at or above.
    pub operating_point: f32,
    /// High priority at or above.
    pub high_priority_point: f32,
}

/// Everything the encoder says of one frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Assessment {
    /// The patient.
    pub patient: PatientId,
    /// The frame's time.
    pub at: EventTime,
    /// The bundle that said it.
    pub model: ModelRef,
    /// One risk a head, in the order of [`Head::ALL`].
    pub risks: Vec<Risk>,
}

impl Assessment {
    /// The risk of one head.
    #[must_use]
    pub fn risk(&self, head: Head) -> Option<&Risk> {
        self.risks.iter().find(|r| r.head == head)
    }
}

/// How much one input moves a risk: the change of probability when it is masked, found by running
/// the model again. Positive: the input raises the risk.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attribution {
    /// The input.
    pub subject: Subject,
    /// Probability with it minus probability without it.
    pub delta: f32,
}
