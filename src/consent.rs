//! Who has consented to research, and when: what decides whether something may leave.
//!
//! A [`Statement`] is something a person said at a time: permitted or denied, perhaps until a time. The
//! state of a patient at a moment is a fold over the statements in the order of their times, whatever
//! the order they came in:
//!
//! - The latest statement in force rules; where two begin together the denial does.
//! - Where statements were made and none is in force any more the answer is no: a permission that ran
//!   out is none, and the end of a denial is not read as a permission.
//! - Where nothing was ever said the site's [`Policy`] answers.
//!
//! A withdrawal holds from its moment on, at both of an event's times: what happened at or after it, and
//! what arrived at or after it of earlier times. What was recorded while consent stood stays, unless the
//! site leaves out whoever has withdrawn as a whole ([`Withdrawn::Whole`]).
//!
//! [`Gate`] is the operator over a stream of events; it also follows merges (A40), so that a withdrawal
//! under an old number holds for the person.

mod fhir;
pub mod list;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bedwatch_schemas::{
    event::{AdtKind, Body, Event},
    ids::PatientId,
    time::EventTime,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Data may be used.
    Permit,
    /// It may not: a refusal, or the withdrawal of a permission.
    Deny,
}

/// One statement of one patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Whose.
    pub patient: PatientId,
    /// From when it holds.
    pub from: EventTime,
    /// Until before when; `None`: for ever.
    pub until: Option<EventTime>,
    /// What.
    pub decision: Decision,
}

/// What holds for a patient who has said nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Nothing leaves without a permission.
    #[default]
    OptIn,
    /// Everything leaves until it is denied.
    OptOut,
}

/// What becomes of what was recorded before a withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Withdrawn {
    /// It stays: consent stood when it was recorded.
    #[default]
    FromThen,
    /// It goes too: whoever has denied at any time is in no export made afterwards.
    Whole,
}

/// Why something may not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The patient has never consented, and the policy asks for it.
    NotGiven,
    /// The patient has denied, or withdrawn.
    Withdrawn,
    /// What was permitted has run out.
    Lapsed,
    /// The patient has withdrawn at some time and is left out whole.
    Whole,
}

/// Ids that name the same person, by merges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged(BTreeMap<PatientId, BTreeSet<PatientId>>);

impl Merged {
    /// Takes note of a merge: `retired` was the same person.
    pub fn note(&mut self, patient: &PatientId, retired: &PatientId) {
        let mut earlier = self.0.get(retired).cloned().unwrap_or_default();
        earlier.insert(retired.clone());
        self.0.entry(patient.clone()).or_default().extend(earlier);
    }

    fn names<'a>(&'a self, patient: &'a PatientId) -> impl Iterator<Item = &'a PatientId> {
        std::iter::once(patient).chain(self.0.get(patient).into_iter().flatten())
    }
}

/// Everybody's statements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consents {
    policy: Policy,
    withdrawn: Withdrawn,
    statements: BTreeMap<PatientId, Vec<Statement>>,
}

impl Consents {
    /// Out of statements in any order.
    #[must_use]
    pub fn new(
        policy: Policy,
        withdrawn: Withdrawn,
        statements: impl IntoIterator<Item = Statement>,
    ) -> Self {
        let mut by = BTreeMap::<PatientId, Vec<Statement>>::new();
        for statement in statements {
            by.entry(statement.patient.clone()).or_default().push(statement);
        }
        for all in by.values_mut() {
            all.sort_by_key(|s| (s.from, s.decision, s.until));
            all.dedup();
        }
        Self { policy, withdrawn, statements: by }
    }

    /// How many statements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.statements.values().map(Vec::len).sum()
    }

    /// Whether nobody has said anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    fn of<'a>(&'a self, patient: &'a PatientId, merged: &'a Merged) -> impl Iterator<Item = &'a Statement> {
        merged.names(patient).filter_map(|name| self.statements.get(name)).flatten()
    }

    /// Why what was so at a moment may not leave; `None`: it may.
    #[must_use]
    pub fn refusal(&self, patient: &PatientId, merged: &Merged, at: EventTime) -> Option<Reason> {
        let all = || self.of(patient, merged);
        if self.withdrawn == Withdrawn::Whole && all().any(|s| s.decision == Decision::Deny) {
            return Some(Reason::Whole);
        }
        let begun = || all().filter(|s| s.from <= at);
        let in_force = begun().filter(|s| s.until.is_none_or(|until| at < until));
        match in_force.max_by_key(|s| (s.from, s.decision)).map(|s| s.decision) {
            Some(Decision::Permit) => None,
            Some(Decision::Deny) => Some(Reason::Withdrawn),
            None if begun().next().is_some() => Some(Reason::Lapsed),
            None if self.policy == Policy::OptIn => Some(Reason::NotGiven),
            None => None,
        }
    }

    /// Why something that rests on the stretch from `from` to before `to` may not leave: consent must
    /// stand all through it.
    #[must_use]
    pub fn refusal_over(
        &self,
        patient: &PatientId,
        merged: &Merged,
        from: EventTime,
        to: EventTime,
    ) -> Option<Reason> {
        let turns = self.of(patient, merged).flat_map(|s| [Some(s.from), s.until]).flatten();
        let mut moments: Vec<EventTime> = turns.filter(|at| (from..to).contains(at)).collect();
        moments.push(from);
        moments.sort_unstable();
        moments.into_iter().find_map(|at| self.refusal(patient, merged, at))
    }
}

/// The operator over a stream of events.
#[derive(Debug)]
pub struct Gate {
    consents: Arc<Consents>,
    /// What was merged so far.
    pub merged: Merged,
    /// Events left out, by reason.
    pub left_out: BTreeMap<Reason, u64>,
    /// Whose they were.
    pub patients: BTreeSet<PatientId>,
}

impl Gate {
    /// Before the first event.
    #[must_use]
    pub fn new(consents: Arc<Consents>) -> Self {
        Self { consents, merged: Merged::default(), left_out: BTreeMap::new(), patients: BTreeSet::new() }
    }

    /// Whether an event may pass. It is counted where it may not.
    pub fn admits(&mut self, event: &Event) -> bool {
        // A merge is known whether or not it may leave.
        if let Body::Adt(adt) = &event.body
            && let AdtKind::Merge { retired } = &adt.kind
        {
            self.merged.note(&event.patient, retired);
        }
        let at = |at| self.consents.refusal(&event.patient, &self.merged, at);
        let refusal = at(event.event_time).or_else(|| at(event.arrival.as_event_time()));
        if let Some(reason) = refusal {
            *self.left_out.entry(reason).or_default() += 1;
            self.patients.insert(event.patient.clone());
        }
        refusal.is_none()
    }
}

#[cfg(test)]
mod tests;
