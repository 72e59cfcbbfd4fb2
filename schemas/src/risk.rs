//! What the models say: calibrated probabilities with the operating points of their bundle.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{evidence::Subject, ids::PatientId, signal::Signal, time::EventTime};

/// What a model head predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// Sepsis within the coming hours (PhysioNet/CinC 2019 label).
    Sepsis,
    /// Shock, respiratory failure or arrest within the coming hours.
    Deterioration,
    /// Death before leaving the hospital (PhysioNet/CinC 2012). It ranks patients and raises no alert.
    Death,
    /// A seizure in the EEG, now.
    Seizure,
    /// Sensor glucose below 70 mg/dL within 30 minutes.
    Hypoglycaemia,
}

impl Head {
    /// Every head.
    pub const ALL: [Head; Head::COUNT] =
        [Head::Sepsis, Head::Deterioration, Head::Death, Head::Seizure, Head::Hypoglycaemia];
    /// How many heads there are.
    pub const COUNT: usize = 5;

    /// The position in [`Head::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Head::Sepsis => "sepsis",
            Head::Deterioration => "deterioration",
            Head::Death => "death",
            Head::Seizure => "seizure",
            Head::Hypoglycaemia => "hypoglycaemia",
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
    /// What the conformal prediction set says; `None` where the bundle states none.
    #[serde(default)]
    pub certainty: Option<Certainty>,
}

/// Which labels a head's conformal prediction set holds at the bundle's stated coverage (split
/// conformal, label-conditional: Vovk 2012; Angelopoulos & Bates 2023).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// Only "will not happen".
    Low,
    /// Both, or neither: the model does not know.
    Unsure,
    /// Only "will happen".
    High,
}

impl Certainty {
    /// The snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Certainty::Low => "low",
            Certainty::Unsure => "unsure",
            Certainty::High => "high",
        }
    }

    /// What a clinician reads; `None` where nothing need be said.
    #[must_use]
    pub const fn words(self) -> Option<&'static str> {
        match self {
            Certainty::Unsure => Some("model unsure"),
            Certainty::Low | Certainty::High => None,
        }
    }
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
    /// The bundle that joined other modalities and finer scales, where one is in force.
    #[serde(default)]
    pub fusion: Option<ModelRef>,
    /// One risk for each head that the bundles have and can speak, in the order of [`Head::ALL`].
    pub risks: Vec<Risk>,
    /// How far the picture lies from what the model was trained on; `None` where the bundle
    /// measures none. Bigger is stranger.
    #[serde(default)]
    pub distance: Option<f32>,
    /// Whether that is farther than the bundle's threshold.
    #[serde(default)]
    pub unfamiliar: bool,
}

/// What a clinician reads of an assessment that is [`Assessment::unfamiliar`].
pub const UNFAMILIAR: &str = "unlike anything it was trained on";

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
    /// The beginning of the clock hour since which at least half of it exists: without what was
    /// observed from then on, half of it or more is gone. `None`: older than the hours the model
    /// reads, or not asked.
    #[serde(default)]
    pub since: Option<EventTime>,
}

/// On which side of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The value or more.
    AtLeast,
    /// The value or less.
    AtMost,
}

/// A signal brought to the nearest end of its reference range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The signal.
    pub signal: Signal,
    /// Which side of the value is the range.
    pub bound: Bound,
    /// The end of the range, in the signal's canonical unit.
    pub value: f64,
}

/// What would bring a risk below its operating point: the model run again with these values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Clears {
    /// One or two changes, all of them needed.
    pub changes: Vec<Change>,
    /// For how long the values were held, in minutes.
    pub for_minutes: u32,
    /// The probability the model then gives.
    pub probability: f32,
}

/// An earlier stretch whose embedding points the same way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Similar {
    /// The same patient, earlier in the stay.
    Own {
        /// How many hours ago.
        hours_ago: u32,
        /// Cosine of the two embeddings.
        cosine: f32,
    },
    /// A simulated stretch of the bundle.
    Exemplar {
        /// Its id in the bundle.
        id: String,
        /// What it shows.
        words: String,
        /// Cosine of the two embeddings.
        cosine: f32,
    },
}

/// What a model says of its own answer. Display only: it neither raises nor withholds an alert.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// What the head's prediction set says.
    pub certainty: Option<Certainty>,
    /// As [`Assessment::distance`].
    pub distance: Option<f32>,
    /// As [`Assessment::unfamiliar`].
    pub unfamiliar: bool,
    /// What would clear the risk, if the model knows.
    pub clears: Option<Clears>,
    /// The nearest earlier stretches, nearest first.
    pub similar: Vec<Similar>,
}
