//! Laws of the whole core over random histories: three people who are measured, moved, merged,
//! discharged and answered for, in any order.

use std::collections::BTreeSet;

use bedwatch_inference::writer::Writer;
use bedwatch_schemas::{
    alert::AlertKind,
    event::{Adt, Demographics, Numeric, Provenance},
    evidence::Subject,
    feedback::{FeedbackReason, Role},
    ids::{AlertId, BedId, Location, SourceId, UnitId},
    signal::Signal,
};
use proptest::prelude::*;

use super::*;

/// One event: seconds since the last, who, what, and how much.
type Happening = (u16, u8, u8, u8);

const NAMES: [&str; 3] = ["ann", "bea", "cem"];

/// The log as a test writes it: who said what, so that every fact can be traced.
struct Log {
    core: Core,
    now: ArrivalTime,
    offset: i64,
    /// Whose each record was.
    owner: BTreeMap<i64, PatientId>,
    /// Who has become part of whom.
    parts: BTreeMap<PatientId, BTreeSet<PatientId>>,
    /// Open and past alerts, as a reader sees them.
    seen: BTreeMap<AlertId, Seen>,
    /// When saturations came, by who they are of now.
    saturations: BTreeMap<PatientId, Vec<EventTime>>,
}

struct Seen {
    patient: PatientId,
    sequence: u32,
    waiting: bool,
    ended: bool,
}

fn patient(who: u8) -> PatientId {
    PatientId::new(NAMES[usize::from(who) % NAMES.len()]).unwrap()
}

impl Log {
    fn new(budget: bool) -> Self {
        let mut config = crate::config::Config::default();
        config.alerts.lifecycle.escalate_high_secs = 60;
        config.alerts.lifecycle.escalate_medium_secs = 300;
        config.alerts.lifecycle.expire_after_hours = 1;
        config.alerts.budget.enabled = budget;
        config.alerts.budget.bed_per_12h = 2;
        let models = Models { encoder: None, fusion: None, writer: Arc::new(Writer::new(None)) };
        Self {
            core: Core::new(Arc::new(config.core().unwrap()), models),
            now: ArrivalTime::from_millis(1_767_225_600_000),
            offset: 0,
            owner: BTreeMap::new(),
            parts: BTreeMap::new(),
            seen: BTreeMap::new(),
            saturations: BTreeMap::new(),
        }
    }

    fn happen(&mut self, (wait, who, what, much): Happening) {
        self.now = self.now + Span::secs(i64::from(wait));
        let id = patient(who);
        let body = match what % 16 {
            0..=5 => {
                self.saturations.entry(id.clone()).or_default().push(self.now.as_event_time());
                Body::Numeric(Numeric::new(Signal::Spo2, 78.0 + f64::from(much % 22)))
            }
            6..=8 => Body::Numeric(Numeric::new(Signal::NibpMean, 40.0 + f64::from(much % 50))),
            9 => Body::Adt(adt(AdtKind::Transfer)),
            10 => {
                let retired = patient(much);
                if retired != id && self.core.patients().contains_key(&retired) {
                    // Forgotten only after the fold: its last message speaks for those it was made of.
                    let gone = self.parts.get(&retired).cloned().unwrap_or_default();
                    let parts = self.parts.entry(id.clone()).or_default();
                    parts.extend(gone);
                    parts.insert(retired.clone());
                    let theirs = self.saturations.get(&retired).cloned().unwrap_or_default();
                    let all = self.saturations.entry(id.clone()).or_default();
                    all.extend(theirs);
                    all.sort_unstable();
                }
                Body::Adt(adt(AdtKind::Merge { retired }))
            }
            11 => Body::Adt(adt(AdtKind::Discharge)),
            _ => match self.answer(what, much) {
                Some(feedback) => Body::Feedback(feedback),
                None => Body::NoReading {
                    signal: Signal::Spo2,
                    reason: bedwatch_schemas::event::NoReading::Empty,
                },
            },
        };
        let left = match &body {
            Body::Adt(Adt { kind: AdtKind::Discharge, .. }) => Some(id.clone()),
            Body::Adt(Adt { kind: AdtKind::Merge { retired }, .. }) if *retired != id => {
                Some(retired.clone())
            }
            _ => None,
        };
        self.fold(id, much, body);
        if let Some(left) = left {
            self.parts.remove(&left);
            self.saturations.remove(&left);
        }
    }

    /// Someone answers any alert there ever was, theirs or another's.
    fn answer(&self, what: u8, much: u8) -> Option<Feedback> {
        let alert = *self.seen.keys().nth(usize::from(much) % self.seen.len().max(1))?;
        let action = Action::ALL[usize::from(what / 16) % Action::ALL.len()];
        let reason = action.needs_reason().then_some(FeedbackReason::Artefact);
        let minutes = (action == Action::Snooze).then_some(3);
        Some(Feedback { alert, action, reason, role: Role::Nurse, minutes, at: self.now.as_event_time() })
    }

    fn fold(&mut self, id: PatientId, bed: u8, body: Body) {
        self.offset += 1;
        self.owner.insert(self.offset, id.clone());
        let end = self.now.floor(Span::millis(100)) + Span::millis(100);
        let place = |unit: &str| Location {
            unit: UnitId::new(unit).unwrap(),
            bed: BedId::new(&format!("{}", bed % 4)).unwrap(),
        };
        let event = Event {
            patient: id,
            encounter: None,
            location: Some(place(if bed.is_multiple_of(2) { "North" } else { "South" })),
            source: SourceId::new("t").unwrap(),
            event_time: self.now.as_event_time(),
            arrival: self.now,
            provenance: Provenance { stream: Stream::Vitals, partition: 0, offset: self.offset, part: 0 },
            body,
        };
        let step = self.core.cell(&Cell { end, records: Vec::new(), events: vec![event] });
        self.read(&step);
        self.now = end;
    }

    fn read(&mut self, step: &Step) {
        for output in &step.outputs {
            let alert = output.draft.clone().with_rationale(super::tests::words());
            self.check_whose(&alert);
            self.check_life(&alert);
            if alert.phase == Phase::Raised && alert.kind == AlertKind::Respiratory {
                self.check_fresh(&alert);
            }
        }
        for entry in &step.withheld {
            let vital =
                entry.priority == bedwatch_schemas::alert::Priority::High || entry.kind.is_technical();
            assert!(entry.fate != Fate::Withheld || !vital, "what threatens life was withheld");
        }
    }

    /// Everything an alert rests on was said of its patient, or of someone merged into them.
    fn check_whose(&self, alert: &bedwatch_schemas::alert::Alert) {
        let parts = self.parts.get(&alert.patient);
        for fact in &alert.evidence.facts {
            let Some(from) = fact.provenance else { continue };
            let owner = &self.owner[&from.offset];
            let theirs = *owner == alert.patient || parts.is_some_and(|p| p.contains(owner));
            assert!(theirs, "an alert rests on another's value");
        }
        for said in &alert.feedback {
            assert_eq!(said.alert, alert.id);
        }
    }

    fn check_life(&mut self, alert: &bedwatch_schemas::alert::Alert) {
        match (alert.phase, self.seen.get_mut(&alert.id)) {
            (Phase::Raised, None) => {
                assert_eq!(alert.sequence, 0);
                let patient = alert.patient.clone();
                self.seen.insert(alert.id, Seen { patient, sequence: 0, waiting: true, ended: false });
            }
            (Phase::Raised, Some(_)) | (_, None) => panic!("{:?} out of its order", alert.phase),
            (phase, Some(seen)) => {
                assert!(!seen.ended, "{phase:?} after the end");
                assert_eq!(seen.patient, alert.patient, "an alert changed its patient");
                assert_eq!(alert.sequence, seen.sequence + 1);
                assert!(phase != Phase::Escalated || seen.waiting, "escalated although it was seen");
                seen.sequence = alert.sequence;
                seen.waiting = match phase {
                    Phase::Acknowledged => false,
                    Phase::Updated => true,
                    _ => seen.waiting,
                };
                seen.ended = phase.ends();
            }
        }
    }

    /// A raised alert speaks of now: its value is valid still, and where values came every few seconds
    /// the last of them is no older than two minutes.
    fn check_fresh(&self, alert: &bedwatch_schemas::alert::Alert) {
        let fact = alert.evidence.facts.iter().find(|f| f.subject == Subject::Signal(Signal::Spo2));
        let fact = fact.expect("a saturation alert rests on a saturation");
        let age = alert.at.since(fact.at);
        assert!(age <= Signal::Spo2.info().valid_for, "raised on a value of {} s ago", age.as_secs_f64());
        let times = &self.saturations[&alert.patient];
        let before: Vec<EventTime> = times.iter().rev().filter(|t| **t <= fact.at).take(6).copied().collect();
        let often = before.len() == 6 && before[0].since(before[5]) <= Span::secs(60);
        assert!(
            !often || age <= Span::minutes(2),
            "raised {} s after the monitor fell silent",
            age.as_secs_f64()
        );
    }

    /// Everyone goes home.
    fn close(&mut self) {
        for who in 0..3 {
            self.fold(patient(who), 0, Body::Adt(adt(AdtKind::Discharge)));
        }
    }
}

fn adt(kind: AdtKind) -> Adt {
    Adt {
        kind,
        demographics: Demographics::default(),
        admitted_at: None,
        unit: None,
        hospital_admitted_at: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every start has exactly one end, no alert is raised on a stale value, who has seen it stops its
    /// escalation, and neither merge nor transfer nor an answer mixes two patients.
    #[test]
    fn no_history_breaks_a_life_or_mixes_two_people(
        history in prop::collection::vec(
            (prop_oneof![4 => 1_u16..15, 1 => 15_u16..400, 1 => 400_u16..9_000],
             prop_oneof![3 => Just(0_u8), 1 => 1_u8..3], any::<u8>(), any::<u8>()), 1..24),
        budget in any::<bool>(),
    ) {
        let mut log = Log::new(budget);
        for happening in history {
            log.happen(happening);
        }
        log.close();
        prop_assert!(log.seen.values().all(|seen| seen.ended));
        prop_assert!(log.core.patients().is_empty() && log.core.units().is_empty());
        let c = log.core.counters();
        let withheld: u64 = c.withheld.values().sum();
        prop_assert_eq!(c.raised, log.seen.len() as u64);
        prop_assert_eq!(c.decided, c.raised + withheld - c.released);
        prop_assert_eq!(withheld, c.released + c.ended_unsaid);
    }
}
