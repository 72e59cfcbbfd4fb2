//! Alerts: the engine's output.
//!
//! The JSON form is deterministic: it holds no wall-clock time and no latency, so the same log gives
//! the same bytes. Latency travels in Kafka headers and metrics.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::{
    evidence::Evidence,
    feedback::Feedback,
    ids::{AlertId, EncounterId, Location, PatientId},
    rationale::Rationale,
    risk::{Attribution, ModelRef},
    site::SiteName,
    time::EventTime,
};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal;)*) => {
        /// What an alert is about. On the wire its name, which for a site's rule is `site_` and the rule's.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum AlertKind {
            $($(#[doc = $doc])+ $name,)*
            /// A rule of the site's own configuration holds.
            Site(SiteName),
        }

        impl AlertKind {
            /// Every built-in kind.
            pub const ALL: [AlertKind; [$($text),*].len()] = [$(Self::$name),*];

            /// The snake-case name, also the metric label.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Site(rule) => rule.tag(),
                }
            }
        }

        /// What each built-in kind says of itself in the published schema.
        const DESCRIBED: &[(&str, &str)] = &[$(($text, concat!($($doc),+))),*];
    };
}

kinds! {
    /// The sepsis head is over its operating point.
    Sepsis = "sepsis";
    /// The deterioration head is over its operating point.
    Deterioration = "deterioration";
    /// Respiratory failure by rule.
    Respiratory = "respiratory";
    /// Shock by rule.
    Shock = "shock";
    /// Electrographic seizure by rule.
    Seizure = "seizure";
    /// Low or soon low glucose.
    Hypoglycaemia = "hypoglycaemia";
    /// High glucose.
    Hyperglycaemia = "hyperglycaemia";
    /// NEWS2 at its urgent or emergency threshold.
    EarlyWarning = "early_warning";
    /// A feed is silent.
    StaleFeed = "stale_feed";
    /// A sensor delivers nothing usable.
    SignalLost = "signal_lost";
}

impl AlertKind {
    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let built_in = Self::ALL.into_iter().find(|k| k.name() == name);
        built_in.or_else(|| SiteName::from_tag(name).map(Self::Site))
    }

    /// Whether it is about the feed and not about the patient. Technical alerts cannot be silenced.
    #[must_use]
    pub const fn is_technical(self) -> bool {
        matches!(self, Self::StaleFeed | Self::SignalLost)
    }
}

impl Serialize for AlertKind {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for AlertKind {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = String::deserialize(d)?;
        Self::from_name(&name).ok_or_else(|| serde::de::Error::custom("unknown kind of alert"))
    }
}

impl JsonSchema for AlertKind {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AlertKind".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let built_in = DESCRIBED.iter().map(
            |(name, doc)| serde_json::json!({ "description": doc.trim(), "type": "string", "const": name }),
        );
        let site = serde_json::json!({
            "description": "A rule of the site's own configuration holds: `site_` and the rule's name.",
            "type": "string",
            "pattern": "^site_[a-z][a-z0-9_]{0,31}$",
        });
        let all: Vec<serde_json::Value> = built_in.chain([site]).collect();
        schemars::json_schema!({ "description": "What an alert is about.", "oneOf": all })
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
    fn kinds_are_words_on_the_wire() {
        let site = AlertKind::Site(SiteName::new("low_map").unwrap());
        assert_eq!(site.name(), "site_low_map");
        for kind in AlertKind::ALL.into_iter().chain([site]) {
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{}\"", kind.name()));
            assert_eq!(serde_json::from_str::<AlertKind>(&json).unwrap(), kind);
            assert!(kind == site || !kind.name().starts_with(crate::site::PREFIX));
            assert!(kind <= site, "built-in kinds come first");
        }
        for text in ["\"site_\"", "\"site_A\"", "\"Sepsis\"", "\"\"", "1"] {
            assert!(serde_json::from_str::<AlertKind>(text).is_err(), "{text}");
        }
    }

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
