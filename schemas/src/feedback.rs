//! What people say of an alert: the input that the alert lifecycle listens to.
//!
//! Feedback travels in the input log like every measurement (`bedwatch.feedback`, keyed by patient),
//! so that a replay of the log gives the same alerts. Reasons come from a closed list: free text
//! would be patient data that nobody can check, and nothing can be counted by it. The list follows
//! what override reasons in alert studies have in common (artefact, known, being treated, not
//! actionable, repeat); the lists of one hospital's system are mapped to it by its interface engine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ids::AlertId, time::EventTime};

/// What a person does with an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Someone has seen it and takes it on: escalation stops.
    Acknowledge,
    /// It is of no concern, for a reason; its episode is followed in silence to its end.
    Dismiss,
    /// Not now, for a reason and for some minutes; then it asks again.
    Snooze,
    /// The alert was right. A label for training; changes nothing.
    Agree,
    /// The alert was wrong, for a reason. A label for training; changes nothing.
    Disagree,
}

impl Action {
    /// Every action.
    pub const ALL: [Action; 5] =
        [Self::Acknowledge, Self::Dismiss, Self::Snooze, Self::Agree, Self::Disagree];

    /// The snake-case name, also the metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Dismiss => "dismiss",
            Self::Snooze => "snooze",
            Self::Agree => "agree",
            Self::Disagree => "disagree",
        }
    }

    /// The action of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name() == name)
    }

    /// Whether a reason must be given: what quietens an alert or calls it wrong says why.
    #[must_use]
    pub const fn needs_reason(self) -> bool {
        matches!(self, Self::Dismiss | Self::Snooze | Self::Disagree)
    }

    /// Whether it makes an alert quiet; a technical alert refuses that.
    #[must_use]
    pub const fn silences(self) -> bool {
        matches!(self, Self::Dismiss | Self::Snooze)
    }
}

/// Why an alert was dismissed, snoozed or called wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackReason {
    /// The measurement was wrong: motion, a loose lead, a damped line.
    Artefact,
    /// True and known: the patient's usual state or a known disease.
    KnownCondition,
    /// True and already being treated.
    BeingTreated,
    /// True, and nothing follows from it.
    NotActionable,
    /// Another alert has said it already.
    Repeat,
    /// Nursing care, suction or turning is under way.
    CareInProgress,
    /// A procedure or a transport is under way.
    Procedure,
    /// Care is limited to comfort.
    ComfortCare,
    /// Something else.
    Other,
}

impl FeedbackReason {
    /// Every reason.
    pub const ALL: [FeedbackReason; 9] = [
        Self::Artefact,
        Self::KnownCondition,
        Self::BeingTreated,
        Self::NotActionable,
        Self::Repeat,
        Self::CareInProgress,
        Self::Procedure,
        Self::ComfortCare,
        Self::Other,
    ];

    /// The snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Artefact => "artefact",
            Self::KnownCondition => "known_condition",
            Self::BeingTreated => "being_treated",
            Self::NotActionable => "not_actionable",
            Self::Repeat => "repeat",
            Self::CareInProgress => "care_in_progress",
            Self::Procedure => "procedure",
            Self::ComfortCare => "comfort_care",
            Self::Other => "other",
        }
    }

    /// The reason of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.name() == name)
    }
}

/// Who speaks, by role only: feedback names no person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A nurse.
    Nurse,
    /// A physician.
    Physician,
    /// A respiratory therapist.
    RespiratoryTherapist,
    /// Another professional.
    Other,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 4] = [Self::Nurse, Self::Physician, Self::RespiratoryTherapist, Self::Other];

    /// The snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nurse => "nurse",
            Self::Physician => "physician",
            Self::RespiratoryTherapist => "respiratory_therapist",
            Self::Other => "other",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.name() == name)
    }
}

/// The longest snooze a message can ask for, minutes: a day. A site's own limit is far below.
pub const MAX_SNOOZE_MINUTES: u16 = 1_440;

/// One thing a person said of one alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Feedback {
    /// The alert (its episode).
    pub alert: AlertId,
    /// What is done with it.
    pub action: Action,
    /// Why; always there for what silences or contradicts.
    pub reason: Option<FeedbackReason>,
    /// Who speaks.
    pub role: Role,
    /// For how many minutes a snooze is asked; in an alert message, for how many it was granted.
    pub minutes: Option<u16>,
    /// When it was said, by the clock of whoever sent it.
    pub at: EventTime,
}

impl Feedback {
    /// Whether reason and minutes stand where they must and only there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let minutes = self.minutes.is_some_and(|m| (1..=MAX_SNOOZE_MINUTES).contains(&m));
        let timed = if self.action == Action::Snooze { minutes } else { self.minutes.is_none() };
        timed && (self.reason.is_some() || !self.action.needs_reason())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        assert!(Action::ALL.into_iter().all(|a| Action::from_name(a.name()) == Some(a)));
        assert!(FeedbackReason::ALL.into_iter().all(|r| FeedbackReason::from_name(r.name()) == Some(r)));
        assert!(Role::ALL.into_iter().all(|r| Role::from_name(r.name()) == Some(r)));
        assert_eq!(Action::from_name("Snooze"), None);
        for (name, json) in Action::ALL.map(|a| (a.name(), serde_json::to_value(a).unwrap())) {
            assert_eq!(json, name);
        }
        for (name, json) in FeedbackReason::ALL.map(|r| (r.name(), serde_json::to_value(r).unwrap())) {
            assert_eq!(json, name);
        }
    }

    #[test]
    fn reasons_and_minutes_stand_where_they_must() {
        let said = |action, reason, minutes| Feedback {
            alert: AlertId(uuid::Uuid::nil()),
            action,
            reason,
            role: Role::Nurse,
            minutes,
            at: EventTime::from_micros(0),
        };
        let why = Some(FeedbackReason::Artefact);
        for (action, reason, minutes, whole) in [
            (Action::Acknowledge, None, None, true),
            (Action::Acknowledge, why, None, true),
            (Action::Acknowledge, None, Some(5), false),
            (Action::Dismiss, None, None, false),
            (Action::Dismiss, why, None, true),
            (Action::Dismiss, why, Some(1), false),
            (Action::Snooze, why, None, false),
            (Action::Snooze, why, Some(0), false),
            (Action::Snooze, why, Some(1), true),
            (Action::Snooze, why, Some(1_440), true),
            (Action::Snooze, why, Some(1_441), false),
            (Action::Snooze, None, Some(1), false),
            (Action::Agree, None, None, true),
            (Action::Disagree, None, None, false),
            (Action::Disagree, why, None, true),
        ] {
            assert_eq!(said(action, reason, minutes).is_whole(), whole, "{action:?} {reason:?} {minutes:?}");
        }
    }
}
