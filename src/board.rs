//! What the ward page shows: one view a bed, kept up to date from the frames and alerts.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bedwatch_schemas::{
    NOTICE,
    alert::{Alert, AlertKind, Phase, Priority},
    feedback::Feedback,
    frame::FeatureFrame,
    ids::{AlertId, PatientId},
    risk::{Assessment, Certainty, Head, UNFAMILIAR},
    signal::Signal,
    summary::FeedState,
    time::{ArrivalTime, EventTime},
    withheld::{Fate, Withheld, WithheldReason},
};
use serde::Serialize;

use crate::shadow;

mod account;

/// Alerts kept for the list.
const RECENT: usize = 100;
/// Alerts remembered by id, so that what is said of one finds its patient; the oldest are forgotten.
const KNOWN: usize = 4_096;
/// Entries of the ledger kept for the list; the topic has them all.
const LEDGER: usize = 500;

/// One number on a bed's card.
#[derive(Debug, Clone, Serialize)]
pub struct Reading {
    label: &'static str,
    value: f64,
    unit: &'static str,
    at: EventTime,
}

/// One risk on a bed's card.
#[derive(Debug, Clone, Serialize)]
pub struct RiskView {
    head: &'static str,
    probability: f32,
    alerting: bool,
    /// What must be said of it in words.
    doubt: Option<&'static str>,
}

/// One feed's freshness.
#[derive(Debug, Clone, Serialize)]
pub struct FeedView {
    label: &'static str,
    state: FeedState,
    last_at: EventTime,
}

/// One open or recent alert.
#[derive(Debug, Clone, Serialize)]
pub struct AlertView {
    id: AlertId,
    bed: String,
    kind: &'static str,
    phase: Phase,
    priority: Priority,
    /// The alert beside which it stands, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    primary: Option<AlertId>,
    escalations: u8,
    /// What people have said of it, last said last.
    feedback: Vec<Feedback>,
    at: EventTime,
    onset: EventTime,
    text: String,
    written_by: &'static str,
    /// What the model says of its own answer, one line each.
    model: Vec<String>,
}

/// One bed.
#[derive(Debug, Clone, Serialize)]
pub struct BedView {
    bed: String,
    unit: String,
    at: EventTime,
    readings: Vec<Reading>,
    news2: Option<f64>,
    risks: Vec<RiskView>,
    /// What must be said of all risks in words.
    doubt: Option<&'static str>,
    feeds: Vec<FeedView>,
    alerts: Vec<AlertView>,
}

#[derive(Default)]
struct Inner {
    beds: BTreeMap<PatientId, BedView>,
    recent: Vec<AlertView>,
    known: VecDeque<(AlertId, Owner)>,
    ledger: VecDeque<Withheld>,
    shadow: Option<shadow::View>,
    shadow_skipped: u64,
    now: Option<ArrivalTime>,
}

/// Whose an alert is, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The patient.
    pub patient: PatientId,
    /// What it is about.
    pub kind: AlertKind,
    /// Whether it has ended.
    pub ended: bool,
}

/// The latest of the ledger as JSON says it.
#[derive(Debug, Serialize)]
pub struct Ledger {
    notice: &'static str,
    /// Alerts withheld now, as far as the entries below reach.
    open: usize,
    /// Entries, the latest first.
    entries: Vec<EntryView>,
}

/// One entry of the ledger: the bed and no patient, as on the rest of the page.
#[derive(Debug, Serialize)]
pub struct EntryView {
    alert: AlertId,
    sequence: u32,
    bed: String,
    unit: String,
    kind: &'static str,
    priority: Priority,
    fate: Fate,
    reason: WithheldReason,
    inhibitor: Option<AlertId>,
    value: Option<f64>,
    needed: Option<f64>,
    onset: EventTime,
    at: EventTime,
}

impl EntryView {
    fn new(entry: &Withheld) -> Self {
        let place = entry.location.as_ref();
        Self {
            alert: entry.alert,
            sequence: entry.sequence,
            bed: place.map_or_else(String::new, |l| l.bed.as_str().to_owned()),
            unit: place.map_or_else(String::new, |l| l.unit.as_str().to_owned()),
            kind: entry.kind.name(),
            priority: entry.priority,
            fate: entry.fate,
            reason: entry.reason,
            inhibitor: entry.inhibitor,
            value: entry.value,
            needed: entry.needed,
            onset: entry.onset,
            at: entry.at,
        }
    }
}

/// The board, shared between the engine's loop and the HTTP server.
#[derive(Default)]
pub struct Board {
    inner: Mutex<Inner>,
}

/// The whole board as JSON says it.
#[derive(Debug, Serialize)]
pub struct Snapshot {
    notice: &'static str,
    engine_time: Option<ArrivalTime>,
    beds: Vec<BedView>,
    recent: Vec<AlertView>,
}

const SHOWN: [Signal; 9] = [
    Signal::HeartRate,
    Signal::AbpMean,
    Signal::NibpMean,
    Signal::RespRate,
    Signal::Spo2,
    Signal::Temperature,
    Signal::Lactate,
    Signal::GcsTotal,
    Signal::CgmGlucose,
];

impl Board {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the frames of a step.
    pub fn frames(&self, frames: &[(FeatureFrame, Option<Assessment>)], now: ArrivalTime) {
        let mut inner = self.lock();
        inner.now = Some(now);
        for (frame, assessment) in frames {
            let bed = inner.beds.entry(frame.patient.clone()).or_insert_with(|| BedView::new(frame));
            bed.update(frame, assessment.as_ref());
        }
    }

    /// Takes over how the candidate compares.
    pub fn shadow(&self, view: shadow::View) {
        self.lock().shadow = Some(view);
    }

    /// So many steps the candidate has been too slow for.
    pub fn shadow_skipped(&self, steps: u64) {
        self.lock().shadow_skipped = steps;
    }

    /// How the candidate compares; `None` where there is none, or it has not spoken yet.
    #[must_use]
    pub fn shadow_view(&self) -> Option<shadow::View> {
        let inner = self.lock();
        Some(shadow::View { skipped: inner.shadow_skipped, ..inner.shadow.clone()? })
    }

    /// Takes over an alert message.
    pub fn alert(&self, alert: &Alert) {
        let mut inner = self.lock();
        let view = AlertView::new(alert);
        if let Some(bed) = inner.beds.get_mut(&alert.patient) {
            bed.alerts.retain(|a| a.id != alert.id);
            if !alert.phase.ends() {
                bed.alerts.push(view.clone());
                // A named condition says more than a score over its threshold.
                let vague = AlertKind::EarlyWarning.name();
                bed.alerts.sort_by_key(|a| (std::cmp::Reverse(a.priority), a.kind == vague, a.onset));
            }
        }
        inner.recent.insert(0, view);
        inner.recent.truncate(RECENT);
        let owner = Owner { patient: alert.patient.clone(), kind: alert.kind, ended: alert.phase.ends() };
        match inner.known.iter_mut().find(|(id, _)| *id == alert.id) {
            Some((_, known)) => *known = owner,
            None => inner.known.push_back((alert.id, owner)),
        }
        if inner.known.len() > KNOWN {
            inner.known.pop_front();
        }
    }

    /// Learns of an alert that was open before this process began.
    pub fn know(&self, alert: AlertId, owner: Owner) {
        self.lock().known.push_back((alert, owner));
    }

    /// Notes an entry of the ledger.
    pub fn withheld(&self, entry: &Withheld) {
        let mut inner = self.lock();
        inner.ledger.push_front(entry.clone());
        inner.ledger.truncate(LEDGER);
    }

    /// The latest entries of the ledger.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        let entries: Vec<EntryView> = self.lock().ledger.iter().map(EntryView::new).collect();
        // The latest entry of an alert says how it stands.
        let mut latest = BTreeMap::new();
        for entry in &entries {
            latest.entry(entry.alert).or_insert(entry.fate);
        }
        let open = latest.values().filter(|fate| **fate == Fate::Withheld).count();
        Ledger { notice: NOTICE, open, entries }
    }

    /// Whose an alert is, where it is known still.
    #[must_use]
    pub fn owner(&self, alert: AlertId) -> Option<Owner> {
        self.lock().known.iter().rev().find(|(id, _)| *id == alert).map(|(_, owner)| owner.clone())
    }

    /// Forgets beds whose patient is gone.
    pub fn keep(&self, present: impl Fn(&PatientId) -> bool) {
        self.lock().beds.retain(|id, _| present(id));
    }

    /// The board, worst bed first.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let inner = self.lock();
        let mut beds: Vec<BedView> = inner.beds.values().cloned().collect();
        beds.sort_by(|a, b| b.urgency().total_cmp(&a.urgency()).then_with(|| a.bed.cmp(&b.bed)));
        Snapshot { notice: NOTICE, engine_time: inner.now, beds, recent: inner.recent.clone() }
    }
}

impl BedView {
    fn new(frame: &FeatureFrame) -> Self {
        Self {
            bed: String::new(),
            unit: String::new(),
            at: frame.at,
            readings: Vec::new(),
            news2: None,
            risks: Vec::new(),
            doubt: None,
            feeds: Vec::new(),
            alerts: Vec::new(),
        }
    }

    fn update(&mut self, frame: &FeatureFrame, assessment: Option<&Assessment>) {
        self.at = frame.at;
        if let Some(location) = &frame.location {
            self.bed = location.bed.as_str().to_owned();
            self.unit = location.unit.as_str().to_owned();
        }
        self.readings = SHOWN
            .into_iter()
            .filter(|s| *s != Signal::NibpMean || frame.current(Signal::AbpMean).is_none())
            .filter_map(|signal| {
                let (value, at, _) = frame.current(signal)?;
                let info = signal.info();
                Some(Reading { label: info.label, value, unit: info.unit.ucum(), at })
            })
            .collect();
        self.news2 = frame.score(bedwatch_schemas::score::ScoreKind::News2).map(|s| s.value);
        if let Some(assessment) = assessment {
            self.risks = assessment
                .risks
                .iter()
                // Death is ranked for validation; it alerts nobody, and nobody is helped by its number. The
                // seizure head was never shown real EEG: the rule alerts, and its doubtful twin is recorded.
                .filter(|r| !matches!(r.head, Head::Death | Head::Seizure))
                .map(|r| RiskView {
                    head: r.head.name(),
                    probability: r.probability,
                    alerting: r.probability >= r.operating_point,
                    doubt: r.certainty.and_then(Certainty::words),
                })
                .collect();
            self.doubt = assessment.unfamiliar.then_some(UNFAMILIAR);
        }
        self.feeds = frame
            .freshness
            .iter()
            .map(|f| FeedView { label: f.modality.label(), state: f.state, last_at: f.last_at })
            .collect();
    }

    /// Highest priority first, then the number of alerts, then the highest risk.
    fn urgency(&self) -> f64 {
        let top = self.alerts.iter().map(|a| a.priority as u8).max().map_or(0.0, |p| f64::from(p) + 1.0);
        let risk = self.risks.iter().map(|r| f64::from(r.probability)).fold(0.0, f64::max);
        top * 100.0 + self.alerts.len() as f64 * 2.0 + risk
    }
}

impl AlertView {
    fn new(alert: &Alert) -> Self {
        let written_by = match alert.rationale.source {
            bedwatch_schemas::rationale::RationaleSource::Model(_) => "language model",
            bedwatch_schemas::rationale::RationaleSource::Template(_) => "template",
        };
        Self {
            id: alert.id,
            bed: alert.location.as_ref().map_or_else(String::new, |l| l.bed.as_str().to_owned()),
            kind: alert.kind.name(),
            phase: alert.phase,
            priority: alert.priority,
            primary: alert.primary,
            escalations: alert.escalations,
            feedback: alert.feedback.clone(),
            at: alert.at,
            onset: alert.onset,
            text: alert.rationale.text.clone(),
            written_by,
            model: account::lines(alert),
        }
    }
}
