//! An alert without its words: decided, with its evidence, ready to be told.
//!
//! A draft is a type of its own and no alert with a hole in it: what has no rationale cannot be
//! written as an alert, and what writes the rationale is handed nothing it could change.

use bedwatch_schemas::{
    NOTICE,
    alert::{ALERT, Alert, AlertKind, Decision as DecidedBy, Phase, Priority},
    evidence::Evidence,
    frame::FeatureFrame,
    ids::{AlertId, EncounterId, Location, PatientId},
    rationale::Rationale,
    risk::{Assessment, Attribution, Clears, ModelRef, Similar},
    site::SiteEvidence,
    time::EventTime,
};
use serde::{Deserialize, Serialize};

use crate::{Decision, evidence};

/// The version of the rules in [`crate::condition`].
pub const RULES_VERSION: &str = "1";

/// Who decides a site's own rules; the version is the hash of its configuration.
pub const SITE_RULES: &str = "site-rules";

/// What the model answered when it was asked why, or what a site's rule rests on; empty for the
/// built-in rules.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reasons {
    /// What moved it, strongest first.
    pub attributions: Vec<Attribution>,
    /// What would clear it.
    pub clears: Option<Clears>,
    /// The nearest earlier stretches, nearest first.
    pub similar: Vec<Similar>,
    /// What a site's rule rests on.
    pub site: Option<SiteEvidence>,
}

/// Everything of an alert but its words. What follows can only add those.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    decision: Decision,
    patient: PatientId,
    encounter: Option<EncounterId>,
    location: Option<Location>,
    at: EventTime,
    by: ModelRef,
    evidence: Evidence,
    attributions: Vec<Attribution>,
    config: String,
}

impl Draft {
    /// Puts a decision and its evidence together. `config` is the hash of the configuration.
    #[must_use]
    pub fn compose(
        decision: &Decision,
        frame: &FeatureFrame,
        assessment: Option<&Assessment>,
        reasons: Reasons,
        config: &str,
    ) -> Self {
        let by = match (decision.kind, assessment) {
            (AlertKind::Sepsis | AlertKind::Deterioration, Some(a)) => a.model.clone(),
            // The expression stands in the evidence and the hash of the whole configuration beside it.
            (AlertKind::Site(_), _) => ModelRef { name: SITE_RULES.to_owned(), version: config.to_owned() },
            _ => ModelRef { name: "bedwatch-rules".to_owned(), version: RULES_VERSION.to_owned() },
        };
        let Reasons { attributions, clears, similar, site } = reasons;
        let mut evidence = match site {
            Some(site) => evidence::of_site(site, frame, assessment),
            None => evidence::collect(decision.kind, decision.modality, frame, assessment, &attributions),
        };
        evidence.account = evidence::account(decision.kind, assessment, clears, similar);
        Self {
            decision: decision.clone(),
            patient: frame.patient.clone(),
            encounter: frame.encounter.clone(),
            location: frame.location.clone(),
            at: frame.at,
            by,
            evidence,
            attributions,
            config: config.to_owned(),
        }
    }

    /// The episode.
    #[must_use]
    pub const fn id(&self) -> AlertId {
        self.decision.id
    }

    /// Which message of the episode.
    #[must_use]
    pub const fn sequence(&self) -> u32 {
        self.decision.sequence
    }

    /// Whose it is.
    #[must_use]
    pub const fn patient(&self) -> &PatientId {
        &self.patient
    }

    /// The time of its frame.
    #[must_use]
    pub const fn at(&self) -> EventTime {
        self.at
    }

    /// What it is about.
    #[must_use]
    pub const fn kind(&self) -> AlertKind {
        self.decision.kind
    }

    /// Where in its life it is.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.decision.phase
    }

    /// How soon someone must respond.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.decision.priority
    }

    /// What it rests on.
    #[must_use]
    pub const fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Adds the words. Nothing else can be changed.
    #[must_use]
    pub fn with_rationale(self, rationale: Rationale) -> Alert {
        let Decision {
            id,
            kind,
            phase,
            priority,
            onset,
            sequence,
            modality: _,
            primary,
            escalations,
            feedback,
        } = self.decision;
        Alert {
            schema: ALERT.to_owned(),
            id,
            sequence,
            phase,
            kind,
            priority,
            primary,
            escalations,
            feedback,
            patient: self.patient,
            encounter: self.encounter,
            location: self.location,
            onset,
            at: self.at,
            decision: DecidedBy { by: self.by, rule: kind.name().to_owned() },
            evidence: self.evidence,
            attributions: self.attributions,
            rationale,
            config: self.config,
            notice: NOTICE.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
