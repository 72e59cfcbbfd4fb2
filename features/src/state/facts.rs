//! Who and where: the slowly changing facts of a stay. Each holds the latest word by event time,
//! then by place in the log, so that the order of arrival does not matter.

use bedwatch_schemas::{
    event::{Adt, AdtKind, Demographics, Event, Provenance, Sex, UnitKind},
    ids::{EncounterId, Location, PatientId},
    time::EventTime,
};
use serde::{Deserialize, Serialize};

type When = (EventTime, Provenance);

/// The latest word about one fact.
#[derive(Clone, Serialize, Deserialize)]
struct Latest<T>(Option<(When, T)>);

impl<T> Latest<T> {
    fn is_before(&self, when: When) -> bool {
        self.0.as_ref().is_none_or(|(w, _)| *w < when)
    }

    fn set(&mut self, when: When, value: T) {
        if self.is_before(when) {
            self.0 = Some((when, value));
        }
    }

    fn get(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, v)| v)
    }

    fn absorb(&mut self, other: Self) {
        if self.0.is_none() {
            self.0 = other.0;
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Facts {
    patient: PatientId,
    encounter: Latest<EncounterId>,
    location: Latest<Location>,
    age_years: Latest<f32>,
    sex: Latest<Sex>,
    admitted_at: Latest<EventTime>,
    hospital_admitted_at: Latest<EventTime>,
    unit: Latest<UnitKind>,
    discharged: Latest<bool>,
    first_event_at: Option<EventTime>,
    trigger: Option<When>,
}

impl Facts {
    pub(super) fn new(patient: PatientId) -> Self {
        Self {
            patient,
            encounter: Latest(None),
            location: Latest(None),
            age_years: Latest(None),
            sex: Latest(None),
            admitted_at: Latest(None),
            hospital_admitted_at: Latest(None),
            unit: Latest(None),
            discharged: Latest(None),
            first_event_at: None,
            trigger: None,
        }
    }

    /// Notes what every event says beside its body. Nothing is copied unless it changed.
    pub(super) fn seen(&mut self, event: &Event) {
        let when = (event.event_time, event.provenance);
        self.trigger = self.trigger.max(Some(when));
        self.first_event_at = Some(self.first_event_at.map_or(event.event_time, |t| t.min(event.event_time)));
        note(&mut self.encounter, when, event.encounter.as_ref());
        note(&mut self.location, when, event.location.as_ref());
    }

    pub(super) fn adt(&mut self, adt: &Adt, at: EventTime, provenance: Provenance) {
        let when = (at, provenance);
        if let Some(age) = adt.demographics.age_years {
            self.age_years.set(when, age);
        }
        if let Some(sex) = adt.demographics.sex {
            self.sex.set(when, sex);
        }
        if let Some(unit) = adt.unit {
            self.unit.set(when, unit);
        }
        if let Some(at) = adt.hospital_admitted_at {
            self.hospital_admitted_at.set(when, at);
        }
        match adt.kind {
            AdtKind::Admit => {
                self.discharged.set(when, false);
                self.admitted_at.set(when, adt.admitted_at.unwrap_or(at));
            }
            AdtKind::Discharge => self.discharged.set(when, true),
            AdtKind::Transfer | AdtKind::Update | AdtKind::Merge { .. } => {}
        }
        if let (false, Some(start)) = (matches!(adt.kind, AdtKind::Admit), adt.admitted_at) {
            self.admitted_at.set(when, start);
        }
    }

    pub(super) fn absorb(&mut self, other: Self) {
        self.encounter.absorb(other.encounter);
        self.location.absorb(other.location);
        self.age_years.absorb(other.age_years);
        self.sex.absorb(other.sex);
        self.admitted_at.absorb(other.admitted_at);
        self.hospital_admitted_at.absorb(other.hospital_admitted_at);
        self.unit.absorb(other.unit);
        self.discharged.absorb(other.discharged);
        self.first_event_at = match (self.first_event_at, other.first_event_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.trigger = self.trigger.max(other.trigger);
    }

    pub(super) fn patient(&self) -> &PatientId {
        &self.patient
    }

    pub(super) fn encounter(&self) -> Option<EncounterId> {
        self.encounter.get().cloned()
    }

    pub(super) fn location(&self) -> Option<Location> {
        self.location.get().cloned()
    }

    pub(super) fn demographics(&self) -> Demographics {
        Demographics { age_years: self.age_years.get().copied(), sex: self.sex.get().copied() }
    }

    pub(super) fn stay_start(&self) -> Option<EventTime> {
        self.admitted_at.get().copied().or(self.first_event_at)
    }

    pub(super) fn hospital_admitted_at(&self) -> Option<EventTime> {
        self.hospital_admitted_at.get().copied()
    }

    pub(super) fn unit(&self) -> Option<UnitKind> {
        self.unit.get().copied()
    }

    pub(super) fn is_discharged(&self) -> bool {
        self.discharged.get().copied().unwrap_or(false)
    }

    pub(super) fn trigger(&self) -> Option<When> {
        self.trigger
    }
}

/// Moves a fact's time on; copies the value only where it differs.
fn note<T: Clone + PartialEq>(fact: &mut Latest<T>, when: When, value: Option<&T>) {
    let Some(value) = value.filter(|_| fact.is_before(when)) else { return };
    match &mut fact.0 {
        Some((w, held)) if held == value => *w = when,
        _ => fact.set(when, value.clone()),
    }
}
