//! What the ward page shows: one view a bed, kept up to date from the frames and alerts.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bedwatch_schemas::{
    NOTICE,
    alert::{Alert, AlertKind, Phase, Priority},
    frame::FeatureFrame,
    ids::{AlertId, PatientId},
    risk::{Assessment, Certainty, Head, UNFAMILIAR},
    signal::Signal,
    summary::FeedState,
    time::{ArrivalTime, EventTime},
};
use serde::Serialize;

mod account;

/// Alerts kept for the list.
const RECENT: usize = 100;

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
    now: Option<ArrivalTime>,
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
            at: alert.at,
            onset: alert.onset,
            text: alert.rationale.text.clone(),
            written_by,
            model: account::lines(alert),
        }
    }
}
