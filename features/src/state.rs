//! One patient's state: a fold over events, from which a frame can be read at any time.
//!
//! The frame is a function of the state and the time asked about. Within the allowances the state
//! is a function of the *set* of events, not of their order or cut: every part keeps the greatest
//! word for its place (see [`crate::word`]). Waveforms and sensor glucose are the exception: their
//! analysers take blocks in time order.

mod applied;
mod facts;

use bedwatch_schemas::{
    event::{Adt, AdtKind, Body, Event, Modality, Numeric, Provenance},
    frame::{FeatureFrame, hour_of},
    ids::PatientId,
    medication::{Drug, Infusion},
    recent::Recent,
    signal::{Signal, SignalClass},
    time::{EventTime, Span},
    waveform::WaveformBlock,
};
use serde::{Deserialize, Serialize};

pub use applied::Applied;

use crate::{
    analysers::Analysers,
    cardiac::ventricular::{Counts, Evidence},
    config::Config,
    freshness::Feeds,
    grid::{Grid, start_of},
    infusions::Infusions,
    labs::Labs,
    pane::Pane,
    recent, scores,
    vitals::Vitals,
    word::{Outcome, Word},
};
use facts::Facts;

/// Everything known of one patient. Plain data: a checkpoint holds it as it is.
#[derive(Clone, Serialize, Deserialize)]
pub struct PatientState {
    config: Config,
    facts: Facts,
    vitals: Vitals,
    labs: Labs,
    infusions: Infusions,
    grid: Grid,
    feeds: Feeds,
    analysers: Analysers,
}

impl std::fmt::Debug for PatientState {
    /// Says nothing of the patient.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PatientState(***)")
    }
}

impl PatientState {
    /// The state of a patient of whom nothing is known.
    #[must_use]
    pub fn new(patient: PatientId, config: &Config) -> Self {
        Self {
            config: config.without_features(),
            facts: Facts::new(patient),
            vitals: Vitals::default(),
            labs: Labs::default(),
            infusions: Infusions::default(),
            grid: Grid::default(),
            feeds: Feeds::default(),
            analysers: Analysers::default(),
        }
    }

    /// Takes changed settings, after a restore.
    pub fn set_config(&mut self, config: &Config) {
        self.config = config.without_features();
    }

    /// The patient.
    #[must_use]
    pub fn patient(&self) -> &PatientId {
        self.facts.patient()
    }

    /// The latest event time that entered; `None` before the first event.
    #[must_use]
    pub fn last_event_at(&self) -> Option<EventTime> {
        self.facts.trigger().map(|t| t.0)
    }

    /// Whether the latest administrative word is a discharge.
    #[must_use]
    pub fn is_discharged(&self) -> bool {
        self.facts.is_discharged()
    }

    /// Corrections and withdrawals received for a lab or charted signal.
    #[must_use]
    pub fn corrections(&self, signal: Signal) -> usize {
        self.labs.get(signal).map_or(0, crate::labs::Lab::corrections)
    }

    /// Takes an event. The caller routes by patient: an event of another patient would be taken
    /// for this one's.
    pub fn apply(&mut self, event: &Event) -> Applied {
        let (at, provenance) = (event.event_time, event.provenance);
        if at > event.arrival.as_event_time() + self.config.max_ahead {
            return Applied { ahead: 1, ..Applied::default() };
        }
        let was_discharged = self.is_discharged();
        let mut applied = match &event.body {
            Body::Numeric(numeric) => self.numeric(event, numeric),
            Body::NoReading { signal, .. } => {
                if let Some(modality) = feed_of(*signal) {
                    self.feeds.unusable(modality, at);
                }
                Applied::accepted()
            }
            Body::Waveform(block) => self.waveform(block, provenance),
            Body::Medication(infusion) => self.medication(infusion, at, provenance),
            Body::Adt(adt) => self.adt(adt, at, provenance),
            Body::DeviceStatus(status) => {
                self.feeds.device(status.modality, at, provenance, status.connected);
                Applied::accepted()
            }
            // Cultures enter no section of a frame: they are counted as taken in.
            // Nor does what people say of alerts: it goes to the policy and not to a window.
            Body::Microbiology(_) | Body::Feedback(_) => Applied { relevant: false, ..Applied::accepted() },
        };
        if applied.entered() {
            self.facts.seen(event);
        }
        // The discharge itself is looked at, what comes after it is not.
        applied.relevant &= !(was_discharged && self.is_discharged());
        applied
    }

    fn numeric(&mut self, event: &Event, numeric: &Numeric) -> Applied {
        let (at, signal) = (event.event_time, numeric.signal);
        let Some(word) = Word::of(numeric, event.provenance) else {
            if let Some(modality) = feed_of(signal) {
                self.feeds.unusable(modality, at);
            }
            return Applied::of(Outcome::Implausible);
        };
        let (outcome, counts) = match signal.info().class {
            SignalClass::Vital => {
                let outcome = self.vitals.push(signal, at, word, self.config.vitals_allowance);
                (outcome, self.vitals.get(signal).and_then(|s| s.value_at(at)))
            }
            SignalClass::Charted | SignalClass::Lab => {
                let allowance = self.config.labs_allowance;
                let outcome = self.labs.push(signal, at, word, event.arrival, allowance);
                (outcome, self.labs.get(signal).and_then(|l| l.value_at(at)))
            }
        };
        match (outcome, counts) {
            (Outcome::TooLate | Outcome::Implausible, _) => {}
            (_, Some(value)) => {
                self.grid.offer(signal, at, value);
                self.usable(signal, at, word, outcome);
            }
            (_, None) => {
                // Withdrawn before or after: that the feed gave a value does not depend on the order.
                if let (Some(modality), true) = (feed_of(signal), word.usable().is_some()) {
                    self.feeds.usable(modality, at);
                }
                self.regrid(signal, at);
            }
        }
        Applied::of(outcome)
    }

    /// A usable value came: its feed lives, and sensor glucose goes to its analyser.
    fn usable(&mut self, signal: Signal, at: EventTime, word: Word, outcome: Outcome) {
        if let Some(modality) = feed_of(signal) {
            self.feeds.usable(modality, at);
        }
        if signal == Signal::CgmGlucose
            && matches!(outcome, Outcome::Accepted { .. })
            && let Some(value) = word.usable()
        {
            self.analysers.glucose(value, at, word.provenance);
        }
    }

    /// Finds the last value of an hour anew, after something of it was withdrawn.
    fn regrid(&mut self, signal: Signal, at: EventTime) {
        let hour = hour_of(at);
        let (from, to) = (start_of(hour) - Span(1), start_of(hour + 1) - Span(1));
        let last = self.last_in(signal, from, to);
        self.grid.replace(signal, hour, last);
    }

    fn last_in(&self, signal: Signal, from: EventTime, to: EventTime) -> Option<(f64, EventTime)> {
        let last = match signal.info().class {
            SignalClass::Vital => self.vitals.get(signal)?.last_in(from, to),
            SignalClass::Charted | SignalClass::Lab => self.labs.get(signal)?.between(from, to).next_back(),
        };
        last.map(|s| (s.value, s.at))
    }

    fn waveform(&mut self, block: &WaveformBlock, provenance: Provenance) -> Applied {
        if block.is_empty() {
            return Applied::of(Outcome::Duplicate);
        }
        self.feeds.waveform(block);
        self.analysers.waveform(block, provenance);
        if self.config.ventricular_runs {
            self.analysers.ventricular(block);
        }
        Applied::accepted()
    }

    fn medication(&mut self, infusion: &Infusion, at: EventTime, provenance: Provenance) -> Applied {
        let outcome = self.infusions.push(infusion, at, provenance, self.config.labs_allowance);
        let known = infusion.drug != Drug::Other;
        let mut applied = Applied::of(outcome);
        applied.relevant &= known;
        applied
    }

    fn adt(&mut self, adt: &Adt, at: EventTime, provenance: Provenance) -> Applied {
        self.facts.adt(adt, at, provenance);
        // A merge changes this state only when the caller brings the retired one to `merge`.
        Applied { relevant: !matches!(adt.kind, AdtKind::Merge { .. }), ..Applied::accepted() }
    }

    /// A40: `retired` was the same person; what is known of it is now known of this patient.
    pub fn merge(&mut self, retired: PatientState) {
        self.facts.absorb(retired.facts);
        self.vitals.absorb(retired.vitals, self.config.vitals_allowance);
        self.labs.absorb(retired.labs);
        self.infusions.absorb(retired.infusions);
        self.grid.absorb(&retired.grid);
        self.feeds.absorb(retired.feeds);
        self.analysers.absorb(retired.analysers);
    }

    /// Everything known of the patient at `at`: nothing later is in it.
    #[must_use]
    pub fn frame(&self, at: EventTime) -> FeatureFrame {
        let stay_start = self.facts.stay_start().unwrap_or(at).min(at);
        let find = |signal, from, to| self.last_in(signal, from, to).map(|l| l.0);
        let mut frame = FeatureFrame {
            patient: self.facts.patient().clone(),
            encounter: self.facts.encounter(),
            location: self.facts.location(),
            at,
            trigger: self.facts.trigger().filter(|t| t.0 <= at).map(|t| t.1),
            demographics: self.facts.demographics(),
            stay_start,
            hospital_admitted_at: self.facts.hospital_admitted_at(),
            unit: self.facts.unit(),
            vitals: self.vitals.summaries(at),
            labs: self.labs.summaries(at),
            infusions: self.infusions.summaries(at),
            eeg: self.analysers.eeg_summary(at),
            cardiac: self.analysers.cardiac_summaries(at),
            glucose: self.analysers.glucose_summary(at),
            scores: Vec::new(),
            freshness: self.feeds.at(at, &self.config),
            grid: self.grid.at(at, stay_start, find),
        };
        frame.scores = self.scores(&frame);
        frame
    }

    /// What a vital's window of this length held at `at`, up to a day, and how many values it would hold
    /// at the observed rate. `None`: the signal has never come.
    #[must_use]
    pub fn window(&self, signal: Signal, length: Span, at: EventTime) -> Option<(Option<Pane>, Option<u32>)> {
        let series = self.vitals.get(signal)?;
        Some((series.stretch(length, at), series.expected(length, at)))
    }

    /// The latest stretch before `at` at finer scales than the hour.
    #[must_use]
    pub fn recent(&self, at: EventTime) -> Recent {
        recent::of(&self.vitals, &self.labs, &self.infusions, &self.analysers, at)
    }

    /// What the seconds before `at` say of a run of ventricular tachycardia; `None` where runs are not
    /// followed ([`Config::ventricular_runs`]) or no ECG and no pulse has come.
    #[must_use]
    pub fn ventricular(&self, at: EventTime) -> Option<Evidence> {
        self.analysers.ventricular_evidence(at)
    }

    /// What of ECG and pulses could not be followed for such runs.
    #[must_use]
    pub fn ventricular_counts(&self) -> Counts {
        self.analysers.ventricular_counts()
    }

    fn scores(&self, frame: &FeatureFrame) -> Vec<bedwatch_schemas::score::Score> {
        let sofa = scores::sofa::inputs(&self.vitals, &self.labs, &self.infusions, frame.at);
        [
            scores::news2::inputs(frame, self.config.news2_spo2_scale_2)
                .and_then(|i| scores::news2::score(&i)),
            scores::qsofa::score(&scores::qsofa::inputs(frame)),
            scores::sirs::score(&scores::sirs::inputs(frame)),
            scores::sofa::score(&sofa, self.config.sofa_edges),
            scores::mews::score(&scores::mews::inputs(frame)),
            scores::shock_index::score(&scores::shock_index::inputs(frame)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The feed whose silence a signal's values break; labs and charted values have none.
fn feed_of(signal: Signal) -> Option<Modality> {
    match (signal, signal.info().class) {
        (Signal::CgmGlucose, _) => Some(Modality::Cgm),
        (_, SignalClass::Vital) => Some(Modality::Vitals),
        (_, SignalClass::Charted | SignalClass::Lab) => None,
    }
}

#[cfg(test)]
mod tests;
