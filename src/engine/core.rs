//! The engine's core: a pure fold over cells. Time is an argument, nothing here waits, and no
//! output depends on how records were cut into batches.

use std::{collections::BTreeMap, sync::Arc};

use bedwatch_alerts::{
    Decided, Decision, Draft, Reasons, evidence, lifecycle::Heard, limits, policy::Step as PolicyStep,
};
use bedwatch_features::{
    PatientState,
    site::{Bed, Site},
};
use bedwatch_inference::{encoder::explain::Beyond, fusion::Fusion, neighbours};
use bedwatch_ingest::{Record, decode};
use bedwatch_schemas::{
    alert::{AlertKind, Phase},
    dead_letter::{DeadLetter, Reason},
    event::{AdtKind, Body, Event, Stream},
    feedback::{Action, Feedback},
    frame::{FeatureFrame, hour_of},
    ids::PatientId,
    recent::Recent,
    risk::Assessment,
    site::{SiteEvidence, Verdict},
    time::{ArrivalTime, EventTime, Span},
    withheld::{Fate, Withheld, WithheldReason},
};
use serde::{Deserialize, Serialize};

use super::{
    Cell, Models,
    cell::Entry,
    keep::{Keep, Snapshot},
    patient::Patient,
    units::Units,
};

/// Similar stretches told of a model's alert.
const SIMILAR: usize = 3;

/// The settings of the core.
#[derive(Debug, Clone)]
pub struct Config {
    /// Decoders.
    pub ingest: decode::Config,
    /// Windows, lateness, scores.
    pub features: bedwatch_features::Config,
    /// The alert policy.
    pub alerts: bedwatch_alerts::Config,
    /// The site's features and rules, compiled; `None` where it has no rule.
    pub site: Option<Arc<Site>>,
    /// The encoder runs when something new has come, and at most this often for one patient.
    pub assess_every: Span,
    /// Attributions computed for an alert of a model head.
    pub attributions: usize,
    /// A patient of whom nothing has been heard for so long, and no discharge, is forgotten.
    pub forget_after: Span,
    /// The hash of the configuration in force, put into every alert.
    pub hash: String,
}

/// What the core has counted. Every drop has its reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Records by stream.
    pub records: BTreeMap<Stream, u64>,
    /// Events decoded, by stream.
    pub events: BTreeMap<Stream, u64>,
    /// Rejections by stream and reason.
    pub rejections: BTreeMap<(Stream, Reason), u64>,
    /// Records sent to the dead letters.
    pub dead_letters: u64,
    /// Message units decoded, skipped by rule, rejected.
    pub units: [u64; 3],
    /// Values that came late and were put in their place.
    pub late: u64,
    /// Values that came too late for the windows.
    pub too_late: u64,
    /// Values ahead of their own arrival, set aside.
    pub ahead: u64,
    /// Values outside the plausible range, kept and flagged.
    pub implausible: u64,
    /// Repeats of a value already known.
    pub duplicates: u64,
    /// Frames evaluated.
    pub frames: u64,
    /// Encoder passes.
    pub assessments: u64,
    /// Patients forgotten after long silence.
    pub forgotten: u64,
    /// Encoder passes that failed; the rules alert all the same.
    pub assessment_failures: u64,
    /// Evaluations of the site's rules that failed; the other rules alert all the same.
    pub site_failures: u64,
    /// Alert episodes that began: `decided = raised + withheld - released`.
    pub decided: u64,
    /// Alerts raised, at once or after they had been withheld.
    pub raised: u64,
    /// Alerts withheld, by the first reason; each is released, ended unsaid or still withheld.
    pub withheld: BTreeMap<WithheldReason, u64>,
    /// Alerts released.
    pub released: u64,
    /// Alerts whose condition ended before they were ever said.
    pub ended_unsaid: u64,
    /// What people said, by what became of it.
    pub feedback: BTreeMap<(Action, Heard), u64>,
}

/// An alert to be told, with what decides how soon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The alert without its words.
    pub draft: Draft,
    /// The arrival of what triggered it: latency counts from here.
    pub triggered: ArrivalTime,
    /// The model's view when it was decided, for the narrator: the fusion's, or the encoder's where there is
    /// no fusion; empty without one.
    pub embedding: Vec<f32>,
}

/// What one step of the core gives.
#[derive(Debug, Default)]
pub struct Step {
    /// Alerts, in the order of time, then patient, then kind.
    pub outputs: Vec<Output>,
    /// Entries of the ledger of what is withheld, in the same order.
    pub withheld: Vec<Withheld>,
    /// Dead letters, with the index of their record in the cell.
    pub dead_letters: Vec<(usize, DeadLetter)>,
    /// The frames evaluated with their assessments, for the board, risks and archives.
    pub frames: Vec<(FeatureFrame, Option<Assessment>)>,
    /// Every event folded, in their order; only of a core that is [`Core::archiving`].
    pub events: Vec<Event>,
    /// The columns of the frames that are kept; likewise.
    pub snapshots: Vec<Snapshot>,
}

/// A patient as looked at.
struct Seen {
    frame: FeatureFrame,
    /// Whether the encoder ran.
    assessed: bool,
}

/// The state of all patients of this instance.
pub struct Core {
    config: Arc<Config>,
    models: Models,
    patients: BTreeMap<PatientId, Patient>,
    units: Units,
    now: ArrivalTime,
    counters: Counters,
    keep: Option<Keep>,
}

impl Core {
    /// An empty core.
    #[must_use]
    pub fn new(config: Arc<Config>, models: Models) -> Self {
        let now = ArrivalTime::from_micros(i64::MIN / 2);
        let (patients, units, counters) = (BTreeMap::new(), Units::default(), Counters::default());
        Self { config, models, patients, units, now, counters, keep: None }
    }

    /// The same core, whose steps also hold every event and the columns of the first frame in each
    /// stretch of `frames_every`, and of each that something was decided on. It decides nothing else.
    #[must_use]
    pub fn archiving(mut self, frames_every: Span) -> Self {
        self.keep = Some(Keep::new(frames_every));
        self
    }

    /// A core resuming from a checkpoint.
    #[must_use]
    pub fn restore(
        config: Arc<Config>,
        models: Models,
        patients: BTreeMap<PatientId, Patient>,
        units: Units,
        now: ArrivalTime,
        counters: Counters,
    ) -> Self {
        Self { config, models, patients, units, now, counters, keep: None }
    }

    /// The patients, for the checkpoint.
    #[must_use]
    pub fn patients(&self) -> &BTreeMap<PatientId, Patient> {
        &self.patients
    }

    /// The units, for the checkpoint.
    #[must_use]
    pub fn units(&self) -> &Units {
        &self.units
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What has been counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The time up to which everything has been decided.
    #[must_use]
    pub fn now(&self) -> ArrivalTime {
        self.now
    }

    /// Folds a cell: deadlines before it, its records, then an evaluation at its end.
    pub fn cell(&mut self, cell: &Cell) -> Step {
        let mut step = Step::default();
        self.advance_into(cell.end, &mut step);
        for (index, entry) in cell.records.iter().enumerate() {
            self.record(index, entry, &mut step);
        }
        for event in &cell.events {
            *self.counters.records.entry(event.provenance.stream).or_default() += 1;
            self.fold(event, event.arrival, &mut step);
        }
        self.evaluate_touched(cell.end, &mut step);
        step
    }

    /// Lets time pass without records: deadlines fall due (a feed turned stale, a condition
    /// persisted or cleared).
    pub fn advance(&mut self, to: ArrivalTime) -> Step {
        let mut step = Step::default();
        self.advance_into(to, &mut step);
        step
    }

    fn advance_into(&mut self, to: ArrivalTime, step: &mut Step) {
        // Deadlines are kept at cell ends, so that live and replayed runs meet them at the same time.
        while let Some((due, id)) = self.next_deadline(to) {
            self.evaluate(vec![id], due, step);
        }
        self.now = self.now.max(to);
    }

    /// The earliest deadline strictly before `to`, ties by patient.
    fn next_deadline(&self, to: ArrivalTime) -> Option<(EventTime, PatientId)> {
        let due = self.patients.iter().filter_map(|(id, p)| p.deadline.map(|d| (d, id)));
        let (due, id) = due.filter(|(d, _)| *d < to.as_event_time()).min()?;
        Some((due, id.clone()))
    }

    fn record(&mut self, index: usize, entry: &Entry, step: &mut Step) {
        let record = Record { arrival: entry.stamp, ..entry.record.as_record(entry.stamp) };
        let stream = record.stream;
        let decoded = decode::decode(&record, &self.config.ingest);
        *self.counters.records.entry(stream).or_default() += 1;
        for (total, n) in self.counters.units.iter_mut().zip([
            decoded.units.decoded,
            decoded.units.skipped,
            decoded.units.rejected,
        ]) {
            *total += n as u64;
        }
        for event in &decoded.events {
            self.fold(event, entry.stamp, step);
        }
        if !decoded.rejections.is_empty() {
            self.counters.dead_letters += 1;
            for rejection in &decoded.rejections {
                *self.counters.rejections.entry((stream, rejection.reason)).or_default() += 1;
            }
            let letter = DeadLetter {
                stream,
                partition: record.partition,
                offset: record.offset,
                partly_decoded: !decoded.events.is_empty(),
                rejections: decoded.rejections,
            };
            step.dead_letters.push((index, letter));
        }
    }

    fn fold(&mut self, event: &Event, now: ArrivalTime, step: &mut Step) {
        *self.counters.events.entry(event.provenance.stream).or_default() += 1;
        if self.keep.is_some() {
            step.events.push(event.clone());
        }
        if let Body::Feedback(feedback) = &event.body {
            self.hear(event, feedback);
            return;
        }
        let config = &self.config.features;
        let patient = self
            .patients
            .entry(event.patient.clone())
            .or_insert_with(|| Patient::new(PatientState::new(event.patient.clone(), config)));
        let applied = patient.state.apply(event);
        self.counters.late += u64::from(applied.late);
        self.counters.too_late += u64::from(applied.too_late);
        self.counters.ahead += u64::from(applied.ahead);
        self.counters.implausible += u64::from(applied.implausible);
        self.counters.duplicates += u64::from(applied.duplicate);
        if applied.relevant {
            patient.unevaluated = true;
            let is_read = match event.body {
                Body::Numeric(_) | Body::Adt(_) => true,
                Body::Waveform(_) | Body::Medication(_) => self.models.fusion.is_some(),
                Body::NoReading { .. }
                | Body::DeviceStatus(_)
                | Body::Microbiology(_)
                | Body::Feedback(_) => false,
            };
            patient.unassessed |= is_read;
            patient.latest_arrival = patient.latest_arrival.max(Some(event.arrival));
        }
        if let Body::Adt(adt) = &event.body {
            match &adt.kind {
                AdtKind::Merge { retired } => self.merge(&event.patient, retired, now, step),
                AdtKind::Discharge => self.discharge(&event.patient, now, step),
                _ => {}
            }
        }
    }

    /// What a person says waits for the end of its cell. Of someone who is not here there is no alert
    /// to speak of, and no patient begins with it.
    fn hear(&mut self, event: &Event, feedback: &Feedback) {
        let Some(patient) = self.patients.get_mut(&event.patient) else {
            *self.counters.feedback.entry((feedback.action, Heard::Unknown)).or_default() += 1;
            return;
        };
        patient.heard.push(*feedback);
        patient.unevaluated = true;
        patient.latest_arrival = patient.latest_arrival.max(Some(event.arrival));
    }

    /// A40: the retired id's state moves, its open episodes end.
    fn merge(&mut self, survivor: &PatientId, retired: &PatientId, now: ArrivalTime, step: &mut Step) {
        if survivor == retired {
            return;
        }
        let Some(mut old) = self.remove(retired) else {
            return;
        };
        self.close(&mut old, now, step);
        if let Some(patient) = self.patients.get_mut(survivor) {
            patient.state.merge(old.state);
            patient.past.merge(old.past);
            patient.unassessed = true;
            patient.unevaluated = true;
        }
    }

    /// A03: open episodes end and the bed's state goes.
    fn discharge(&mut self, id: &PatientId, now: ArrivalTime, step: &mut Step) {
        if let Some(mut patient) = self.remove(id) {
            self.close(&mut patient, now, step);
        }
    }

    fn remove(&mut self, id: &PatientId) -> Option<Patient> {
        let patient = self.patients.remove(id)?;
        if let Some(keep) = &mut self.keep {
            keep.forget(id);
        }
        self.units.moved(patient.unit.as_ref(), None);
        Some(patient)
    }

    fn close(&mut self, patient: &mut Patient, now: ArrivalTime, step: &mut Step) {
        let frame = patient.state.frame(now.as_event_time());
        let heard = std::mem::take(&mut patient.heard);
        let decided = patient.policy.leave(frame.at, &heard, &self.config.alerts);
        self.enter(&decided, &frame, step);
        if self.keep.is_some() && is_spoken(&decided) {
            step.snapshots.push(Snapshot::of(&patient.bed(&frame)));
        }
        let assessment = patient.assessment.clone();
        for decision in decided.decisions {
            let site = self.site_evidence(&decision, &frame, patient);
            let reasons = Reasons { site, ..Reasons::default() };
            let draft = Draft::compose(&decision, &frame, assessment.as_ref(), reasons, &self.config.hash);
            step.outputs.push(Output { draft, triggered: now, embedding: patient.embedding.clone() });
        }
    }

    fn site_evidence(
        &self,
        decision: &Decision,
        frame: &FeatureFrame,
        patient: &Patient,
    ) -> Option<SiteEvidence> {
        let AlertKind::Site(rule) = decision.kind else {
            return None;
        };
        self.config.site.as_ref()?.evidence(rule, &patient.bed(frame))
    }

    /// Counts what was decided and writes the ledger.
    fn enter(&mut self, decided: &Decided, frame: &FeatureFrame, step: &mut Step) {
        let counters = &mut self.counters;
        counters.decided += decided.begun;
        counters.raised += decided.raised();
        counters.released += decided.fated(Fate::Released);
        counters.ended_unsaid += decided.fated(Fate::Ended);
        for entry in decided.ledger.iter().filter(|l| l.is_first()) {
            *counters.withheld.entry(entry.entry.why.reason).or_default() += 1;
        }
        for heard in &decided.heard {
            *counters.feedback.entry(*heard).or_default() += 1;
        }
        step.withheld.extend(decided.ledger.iter().map(|l| l.compose(frame, &self.config.hash)));
    }

    fn evaluate_touched(&mut self, end: ArrivalTime, step: &mut Step) {
        let touched: Vec<PatientId> =
            self.patients.iter().filter(|(_, p)| p.unevaluated).map(|(id, _)| id.clone()).collect();
        self.evaluate(touched, end.as_event_time(), step);
    }

    /// When a patient who left without a discharge is let go: at a moment of the log's own time, so
    /// that every run forgets at the same moment.
    fn forget_at(&self, patient: &Patient) -> Option<EventTime> {
        patient.state.last_event_at().map(|last| last + self.config.forget_after)
    }

    /// Builds the frames of these patients at `at` and runs the encoder where it is due, asks the site's
    /// rules of all of them at once, then folds the policy of each in turn.
    fn evaluate(&mut self, ids: Vec<PatientId>, at: EventTime, step: &mut Step) {
        let frames: Vec<Option<Seen>> = ids.iter().map(|id| self.look(id, at)).collect();
        let verdicts = self.judge(&ids, &frames);
        for ((id, seen), verdicts) in ids.iter().zip(frames).zip(verdicts) {
            match seen {
                Some(seen) => self.decide(id, seen, &verdicts, step),
                None => {
                    self.counters.forgotten += 1;
                    self.discharge(id, ArrivalTime::from_micros(at.as_micros()), step);
                }
            }
        }
    }

    /// The frame of one patient, with the encoder run where it is due; `None`: the patient is to be
    /// forgotten.
    fn look(&mut self, id: &PatientId, at: EventTime) -> Option<Seen> {
        let forget = self.patients.get(id).and_then(|p| self.forget_at(p));
        let patient = self.patients.get_mut(id).filter(|_| forget.is_none_or(|end| at < end))?;
        let frame = patient.state.frame(at);
        self.counters.frames += 1;
        let assessed = Self::assess(patient, &frame, &self.models, &self.config, &mut self.counters);
        Some(Seen { frame, assessed })
    }

    /// What the site's rules say of each patient, asked of all at once; nothing where there are none.
    fn judge(&mut self, ids: &[PatientId], seen: &[Option<Seen>]) -> Vec<Vec<Verdict>> {
        let Some(site) = self.config.site.clone() else {
            return vec![Vec::new(); ids.len()];
        };
        let beds: Vec<Option<Bed<'_>>> = ids
            .iter()
            .zip(seen)
            .map(|(id, seen)| Some(self.patients.get(id)?.bed(&seen.as_ref()?.frame)))
            .collect();
        let present: Vec<Bed<'_>> = beds.iter().flatten().copied().collect();
        match site.judge(&present) {
            Ok(verdicts) => {
                let rules = site.rules().count();
                let mut of = verdicts.chunks(rules.max(1)).map(<[Verdict]>::to_vec);
                beds.iter().map(|bed| bed.and_then(|_| of.next()).unwrap_or_default()).collect()
            }
            Err(error) => {
                self.counters.site_failures += 1;
                tracing::error!(%error, "the site's rules failed");
                vec![Vec::new(); ids.len()]
            }
        }
    }

    /// The policy of one patient over its frame.
    fn decide(&mut self, id: &PatientId, seen: Seen, site: &[Verdict], step: &mut Step) {
        let Seen { frame, assessed } = seen;
        let at = frame.at;
        let Some(patient) = self.patients.get_mut(id) else {
            return;
        };
        let unit = frame.location.as_ref().map(|l| &l.unit);
        self.units.moved(patient.unit.as_ref(), unit);
        patient.unit = unit.cloned();
        let heard = std::mem::take(&mut patient.heard);
        let decided = patient.policy.step(PolicyStep {
            frame: &frame,
            assessment: patient.assessment.as_ref(),
            heard: &heard,
            site,
            unit: unit.and_then(|unit| self.units.of(unit)),
            config: &self.config.alerts,
        });
        let triggered = match (patient.unevaluated, patient.latest_arrival) {
            (true, Some(arrival)) => arrival,
            _ => ArrivalTime::from_micros(at.as_micros()),
        };
        patient.unevaluated = false;
        if let Some(keep) = &mut self.keep
            && keep.takes(id, at, is_spoken(&decided))
        {
            step.snapshots.push(Snapshot::of(&patient.bed(&frame)));
        }
        self.enter(&decided, &frame, step);
        for decision in decided.decisions {
            let patient = &self.patients[id];
            let reasons = self.reasons(&decision, &frame, patient);
            let assessment = patient.assessment.as_ref();
            let draft = Draft::compose(&decision, &frame, assessment, reasons, &self.config.hash);
            step.outputs.push(Output { draft, triggered, embedding: patient.embedding.clone() });
        }
        let forget = self.patients.get(id).and_then(|p| self.forget_at(p));
        let config = &self.config;
        if let Some(patient) = self.patients.get_mut(id) {
            let again =
                patient.unassessed.then(|| patient.assessed_at.map(|t| t + config.assess_every)).flatten();
            let policy = patient.policy.deadline(&frame, &config.alerts);
            patient.deadline = [again, policy, forget].into_iter().flatten().filter(|t| *t > at).min();
            step.frames.push((frame, assessed.then(|| patient.assessment.clone()).flatten()));
        }
    }

    /// Runs the encoder if something new has come and the last pass is long enough ago.
    fn assess(
        patient: &mut Patient,
        frame: &FeatureFrame,
        models: &Models,
        config: &Config,
        counters: &mut Counters,
    ) -> bool {
        let Some(encoder) = &models.encoder else {
            return false;
        };
        let new_hour = patient.assessed_at.is_some_and(|t| hour_of(t) != hour_of(frame.at));
        let rested = patient.assessed_at.is_none_or(|t| frame.at.since(t) >= config.assess_every);
        if !patient.unassessed || !(rested || new_hour) {
            return false;
        }
        patient.unassessed = false;
        patient.assessed_at = Some(frame.at);
        counters.assessments += 1;
        match encoder.assess(frame) {
            Ok((mut assessment, embedding)) => {
                let joint = models.fusion.as_ref().and_then(|fusion| {
                    let recent = patient.state.recent(frame.at);
                    if !frame.grid.has_values() {
                        // Signals alone say nothing of what is read from hours.
                        assessment.risks.clear();
                    }
                    // The joint view serves reasons and words; where nobody asks why, a pass that gives
                    // no risk is spared.
                    if config.attributions == 0 && !fusion.has_a_say(&recent) {
                        return None;
                    }
                    fuse(fusion, frame, &recent, &embedding, &mut assessment, counters)
                });
                patient.past.remember(hour_of(frame.at), joint.as_ref().unwrap_or(&embedding));
                patient.assessment = Some(assessment);
                // The narrator knows one view: where the joint one is in force and failed, none is given.
                patient.embedding = match models.fusion {
                    Some(_) => joint.unwrap_or_default(),
                    None => embedding,
                };
                true
            }
            Err(error) => {
                // Scores and rules go on without the encoder; the last risk must not linger.
                counters.assessment_failures += 1;
                tracing::error!(%error, "the encoder failed");
                patient.assessment = None;
                patient.embedding.clear();
                false
            }
        }
    }

    /// What a site's rule rests on, or what moved the model, what would clear it and what it resembles;
    /// the model is asked only when its alert is raised or grows.
    fn reasons(&self, decision: &Decision, frame: &FeatureFrame, patient: &Patient) -> Reasons {
        if let Some(site) = self.site_evidence(decision, frame, patient) {
            return Reasons { site: Some(site), ..Reasons::default() };
        }
        let (Some(head), Some(encoder)) = (evidence::head(decision.kind), &self.models.encoder) else {
            return Reasons::default();
        };
        let asked = self.config.attributions > 0;
        if !asked || !matches!(decision.phase, Phase::Raised | Phase::Updated) {
            return Reasons::default();
        }
        let recent = self.models.fusion.as_ref().map(|fusion| (fusion, patient.state.recent(frame.at)));
        let beyond = recent.as_ref().map(|(fusion, recent)| Beyond { fusion, recent });
        let (top, targets) = (self.config.attributions, limits::targets(frame));
        let explained = encoder.explain(frame, head, top, &targets, beyond);
        match explained {
            Ok(Some(said)) => Reasons {
                similar: neighbours::nearest(
                    beyond.map_or_else(|| encoder.exemplars(), |b| b.fusion.exemplars()),
                    &patient.past,
                    hour_of(frame.at),
                    &said.embedding,
                    SIMILAR,
                ),
                attributions: said.attributions,
                clears: said.clears,
                site: None,
            },
            Ok(None) => Reasons::default(),
            Err(error) => {
                tracing::error!(%error, "the model could not be asked why");
                Reasons::default()
            }
        }
    }
}

/// Whether anything is told or entered in the ledger.
fn is_spoken(decided: &Decided) -> bool {
    !decided.decisions.is_empty() || !decided.ledger.is_empty()
}

/// Joins what is recent with what the encoder says, and gives the joint view. Where the fusion fails the
/// encoder's risks stand.
fn fuse(
    fusion: &Fusion,
    frame: &FeatureFrame,
    recent: &Recent,
    embedding: &[f32],
    assessment: &mut Assessment,
    counters: &mut Counters,
) -> Option<Vec<f32>> {
    match fusion.assess(embedding, recent, frame.at) {
        Ok(fused) => {
            assessment.fusion = Some(fusion.model().clone());
            assessment.risks.retain(|r| fused.risks.iter().all(|f| f.head != r.head));
            assessment.risks.extend(fused.risks);
            assessment.risks.sort_by_key(|r| r.head);
            Some(fused.embedding)
        }
        Err(error) => {
            counters.assessment_failures += 1;
            tracing::error!(%error, "the fusion failed");
            None
        }
    }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
