//! An alert as others read it: FHIR R4 ([`fhir`]), HL7 v2.6 ([`pcd`]), a CloudEvent
//! ([`cloud_event`]), a CDS Hooks card ([`cards`]).
//!
//! Every renderer is a pure function of the alert and of what the site calls things: the same
//! message gives the same bytes, so a repeat is recognised by whoever receives it. All text is
//! escaped for its form; nothing of an alert is trusted to be harmless.

pub mod cards;
pub mod cloud_event;
pub mod fhir;
pub mod pcd;
pub mod samples;
mod text;

use bedwatch_schemas::alert::{Alert, AlertKind, Phase, Priority};
use uuid::Uuid;

/// What identifies one message of an episode: `<alert id>/<sequence>`, as in the CloudEvents id.
#[must_use]
pub fn message_id(alert: &Alert) -> String {
    format!("{}/{}", alert.id, alert.sequence)
}

/// An id derived from the episode's: of the episode itself, or of one message where `part` says so.
fn derived(alert: &Alert, part: &str) -> Uuid {
    Uuid::new_v5(&alert.id.0, part.as_bytes())
}

/// An id derived from one message's.
fn derived_of_message(alert: &Alert, part: &str) -> Uuid {
    derived(alert, &format!("{}/{part}", alert.sequence))
}

/// Whether the episode is over with this message.
#[must_use]
pub const fn is_over(phase: Phase) -> bool {
    phase.ends()
}

/// What an alert is called in a title: its kind's, or what the site calls its rule.
#[must_use]
pub fn title(alert: &Alert) -> &str {
    match alert.kind {
        AlertKind::Sepsis => "Sepsis risk",
        AlertKind::Deterioration => "Deterioration risk",
        AlertKind::Respiratory => "Respiratory failure",
        AlertKind::Shock => "Circulatory shock",
        AlertKind::Seizure => "Electrographic seizure",
        AlertKind::Hypoglycaemia => "Hypoglycaemia",
        AlertKind::Hyperglycaemia => "Hyperglycaemia",
        AlertKind::EarlyWarning => "Early warning score",
        AlertKind::StaleFeed => "Feed silent",
        AlertKind::SignalLost => "Signal lost",
        AlertKind::Site(rule) => alert.evidence.rule.as_ref().map_or(rule.words(), |r| &r.title),
    }
}

/// The priority codes that IEC 60601-1-8 alarms have in FHIR's flag priorities and in PCD-04.
const fn priority_code(priority: Priority) -> &'static str {
    match priority {
        Priority::High => "PH",
        Priority::Medium => "PM",
        Priority::Low => "PL",
    }
}
