//! An alert without its words: decided, with its evidence, ready to be told.

use bedwatch_schemas::{
    NOTICE,
    alert::{ALERT, Alert, Decision as DecidedBy},
    frame::FeatureFrame,
    rationale::Rationale,
    risk::{Assessment, Attribution, ModelRef},
};
use serde::{Deserialize, Serialize};

use crate::{Decision, evidence};

/// The version of the rules in [`crate::condition`].
pub const RULES_VERSION: &str = "1";

/// Everything of an alert but its words. What follows can only add those.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    alert: Alert,
}

impl Draft {
    /// Puts a decision and its evidence together. `config` is the hash of the configuration.
    #[must_use]
    pub fn compose(
        decision: &Decision,
        frame: &FeatureFrame,
        assessment: Option<&Assessment>,
        attributions: Vec<Attribution>,
        config: &str,
    ) -> Self {
        let by = match assessment {
            Some(a) if decision.kind.name() == "sepsis" || decision.kind.name() == "deterioration" => {
                a.model.clone()
            }
            _ => ModelRef { name: "bedwatch-rules".to_owned(), version: RULES_VERSION.to_owned() },
        };
        let evidence = evidence::collect(decision.kind, decision.modality, frame, assessment, &attributions);
        let empty = Rationale {
            text: String::new(),
            source: bedwatch_schemas::rationale::RationaleSource::Template(
                bedwatch_schemas::rationale::TemplateReason::NoModel,
            ),
        };
        Self {
            alert: Alert {
                schema: ALERT.to_owned(),
                id: decision.id,
                sequence: decision.sequence,
                phase: decision.phase,
                kind: decision.kind,
                priority: decision.priority,
                patient: frame.patient.clone(),
                encounter: frame.encounter.clone(),
                location: frame.location.clone(),
                onset: decision.onset,
                at: frame.at,
                decision: DecidedBy { by, rule: decision.kind.name().to_owned() },
                evidence,
                attributions,
                rationale: empty,
                config: config.to_owned(),
                notice: NOTICE.to_owned(),
            },
        }
    }

    /// The alert as decided; its rationale is still empty.
    #[must_use]
    pub fn decided(&self) -> &Alert {
        &self.alert
    }

    /// Adds the words. Nothing else can be changed.
    #[must_use]
    pub fn with_rationale(mut self, rationale: Rationale) -> Alert {
        self.alert.rationale = rationale;
        self.alert
    }
}
