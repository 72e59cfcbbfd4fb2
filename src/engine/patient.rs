//! One patient in the engine: the folded state, the policy and when to look again.

use bedwatch_alerts::Policy;
use bedwatch_features::{PatientState, site::Bed};
use bedwatch_inference::neighbours::Past;
use bedwatch_schemas::{
    feedback::Feedback,
    frame::FeatureFrame,
    ids::UnitId,
    risk::Assessment,
    time::{ArrivalTime, EventTime},
};
use serde::{Deserialize, Serialize};

/// Everything the engine remembers of one patient. Checkpointed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Patient {
    /// Windows, labs, grid and the rest.
    pub state: PatientState,
    /// Open episodes, and what has become of them.
    pub policy: Policy,
    /// What the encoder last said.
    pub assessment: Option<Assessment>,
    /// What the encoder made of each past hour, to find its like again.
    pub past: Past,
    /// The model's view of that pass, for the narrator: the fusion's, or the encoder's where there is no
    /// fusion; empty without one.
    pub embedding: Vec<f32>,
    /// When the encoder last ran.
    pub assessed_at: Option<EventTime>,
    /// Whether anything has come since then that the encoder reads.
    pub unassessed: bool,
    /// Whether anything has come since the last evaluation that a rule reads.
    pub unevaluated: bool,
    /// The arrival of the latest event that a rule reads, for the latency of what it triggers.
    pub latest_arrival: Option<ArrivalTime>,
    /// What people said of this patient's alerts since the last evaluation.
    pub heard: Vec<Feedback>,
    /// The unit the patient was last seen in.
    pub unit: Option<UnitId>,
    /// When something could change without new data.
    pub deadline: Option<EventTime>,
}

impl Patient {
    /// A patient of whom nothing is known yet.
    #[must_use]
    pub fn new(state: PatientState) -> Self {
        Self {
            state,
            policy: Policy::default(),
            assessment: None,
            past: Past::default(),
            embedding: Vec::new(),
            assessed_at: None,
            unassessed: false,
            unevaluated: false,
            latest_arrival: None,
            heard: Vec::new(),
            unit: None,
            deadline: None,
        }
    }

    /// As the site's rules look at it.
    #[must_use]
    pub fn bed<'a>(&'a self, frame: &'a FeatureFrame) -> Bed<'a> {
        Bed { frame, state: &self.state, assessment: self.assessment.as_ref() }
    }
}
