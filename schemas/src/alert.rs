//! Alerts: the engine's output.
//!
//! The JSON form is deterministic: it holds no wall-clock time and no latency, so the same log gives
//! the same bytes. Latency travels in Kafka headers and metrics.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    evidence::Evidence,
    feedback::Feedback,
    ids::{AlertId, EncounterId, Location, PatientId},
    rationale::Rationale,
    risk::{Attribution, ModelRef},
    time::EventTime,
};

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// The sepsis head is over its operating point.
    Sepsis,
    /// The deterioration head is over its operating point.
    Deterioration,
    /// Respiratory failure by rule.
    Respiratory,
    /// Shock by rule.
    Shock,
    /// Electrographic seizure by rule.
    Seizure,
    /// Low or soon low glucose.
    Hypoglycaemia,
    /// High glucose.
    Hyperglycaemia,
    /// NEWS2 at its urgent or emergency threshold.
    EarlyWarning,
    /// A feed is silent.
    StaleFeed,
    /// A sensor delivers nothing usable.
    SignalLost,
}

impl AlertKind {
    /// Every kind.
    pub const ALL: [AlertKind; 10] = [
        Self::Sepsis,
        Self::Deterioration,
        Self::Respiratory,
        Self::Shock,
        Self::Seizure,
        Self::Hypoglycaemia,
        Self::Hyperglycaemia,
        Self::EarlyWarning,
        Self::StaleFeed,
        Self::SignalLost,
    ];

    /// The snake-case name, also the metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sepsis => "sepsis",
            Self::Deterioration => "deterioration",
            Self::Respiratory => "respiratory",
            Self::Shock => "shock",
            Self::Seizure => "seizure",
            Self::Hypoglycaemia => "hypoglycaemia",
            Self::Hyperglycaemia => "hyperglycaemia",
            Self::EarlyWarning => "early_warning",
            Self::StaleFeed => "stale_feed",
            Self::SignalLost => "signal_lost",
        }
    }

    /// Whether it is about the feed and not about the patient. Technical alerts cannot be silenced.
    #[must_use]
    pub const fn is_technical(self) -> bool {
        matches!(self, Self::StaleFeed | Self::SignalLost)
    }
}

/// Priority after IEC 60601-1-8: how soon someone must respond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Awareness.
    Low,
    /// Prompt response.
    Medium,
    /// Immediate response.
    High,
}

impl Priority {
    /// The snake-case name, also the metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Where in its life an alert is. Every raised alert ends once, resolved or expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It begins.
    Raised,
    /// Its priority rose, or the time it was snoozed for is over.
    Updated,
    /// A person has taken it on, dismissed or snoozed it: the last of `feedback` says which.
    Acknowledged,
    /// Nobody has taken it on in the time its priority gives: someone else must be told.
    Escalated,
    /// Its condition ended.
    Resolved,
    /// It ended without its condition being seen to end: the patient left, or nothing has been
    /// known of the condition for too long.
    Expired,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Phase; 6] =
        [Self::Raised, Self::Updated, Self::Acknowledged, Self::Escalated, Self::Resolved, Self::Expired];

    /// Whether the episode ends with it.
    #[must_use]
    pub const fn ends(self) -> bool {
        matches!(self, Self::Resolved | Self::Expired)
    }

    /// The snake-case name, also the metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Updated => "updated",
            Self::Acknowledged => "acknowledged",
            Self::Escalated => "escalated",
            Self::Resolved => "resolved",
            Self::Expired => "expired",
        }
    }
}

/// The rule or model head that decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// The rule's id and version, or the model bundle's name and version.
    pub by: ModelRef,
    /// The rule or head within it.
    pub rule: String,
}

/// An alert message. `id` names the episode; (`id`, `sequence`) names the message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Always `alert/1`.
    pub schema: String,
    /// The episode.
    pub id: AlertId,
    /// 0 for the first message of the episode, then counting up.
    pub sequence: u32,
    /// Where in its life it is.
    pub phase: Phase,
    /// What it is about.
    pub kind: AlertKind,
    /// How soon someone must respond.
    pub priority: Priority,
    /// The pseudonymous patient.
    pub patient: PatientId,
    /// The encounter.
    pub encounter: Option<EncounterId>,
    /// The bed.
    pub location: Option<Location>,
    /// The patient's most urgent open alert, where that is another: this one stands beside it and
    /// needs no call of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<AlertId>,
    /// How often it has been escalated so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub escalations: u8,
    /// What people have said of it so far, first said first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub feedback: Vec<Feedback>,
    /// When the condition began.
    pub onset: EventTime,
    /// The event time of this message: nothing later was known.
    pub at: EventTime,
    /// Who decided.
    pub decision: Decision,
    /// What it rests on.
    pub evidence: Evidence,
    /// What moved the model, strongest first; empty for rules.
    pub attributions: Vec<Attribution>,
    /// The words.
    pub rationale: Rationale,
    /// Hash of the configuration in force.
    pub config: String,
    /// What this software is and is not.
    pub notice: String,
}

fn is_zero(n: &u8) -> bool {
    *n == 0
}

/// The schema tag of [`Alert`].
pub const ALERT: &str = "alert/1";

/// The UUIDv5 name space of alert ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1c_9a52_7b0d_5e5f_9d43_2c1e_0b77_5a10);

impl AlertId {
    /// The id of an episode: UUIDv5 of patient, kind, subject (a feed for technical alerts, else
    /// empty) and onset.
    #[must_use]
    pub fn of(patient: &PatientId, kind: AlertKind, subject: &str, onset: EventTime) -> Self {
        let name =
            format!("{}\u{1f}{}\u{1f}{subject}\u{1f}{}", patient.as_str(), kind.name(), onset.as_micros());
        AlertId(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_episode_has_the_same_id_and_another_has_not() {
        let p = PatientId::new("p").unwrap();
        let t = EventTime::from_micros(5);
        let id = AlertId::of(&p, AlertKind::Sepsis, "", t);
        assert_eq!(id, AlertId::of(&p, AlertKind::Sepsis, "", t));
        assert_ne!(id, AlertId::of(&p, AlertKind::Shock, "", t));
        assert_ne!(id, AlertId::of(&p, AlertKind::Sepsis, "", EventTime::from_micros(6)));
        assert_eq!(id.0.get_version_num(), 5);
    }
}
