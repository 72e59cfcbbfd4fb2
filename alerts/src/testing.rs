//! Small frames for the tests: one line a value. Not compiled into the crate.

use bedwatch_schemas::{
    event::{Demographics, Modality, Provenance, Stream},
    frame::{FeatureFrame, HourGrid},
    ids::PatientId,
    medication::{Dose, Drug},
    risk::{Assessment, Head, ModelRef, Risk},
    score::{Component, Part, Score, ScoreKind},
    signal::Signal,
    summary::{
        EegSummary, FeedState, Freshness, GlucoseSummary, InfusionSummary, LabSummary, VitalSummary,
        WindowLength, WindowStats,
    },
    time::{EventTime, Span},
    unit::Unit,
};

use crate::{Config, Decision, Policy, policy::Step};

/// Where everything came from.
pub const SOURCE: Provenance = Provenance { stream: Stream::Vitals, partition: 0, offset: 7, part: 0 };

/// So many seconds after the tests' beginning.
pub fn at(secs: i64) -> EventTime {
    EventTime::from_micros(1_700_000_000_000_000) + Span::secs(secs)
}

/// A microsecond longer.
pub fn past(span: Span) -> Span {
    Span(span.0 + 1)
}

pub fn patient() -> PatientId {
    PatientId::new("p1").unwrap()
}

/// A frame at `secs` of a stay ten days old, in which nothing is known.
pub fn frame(secs: i64) -> FeatureFrame {
    FeatureFrame {
        patient: patient(),
        encounter: None,
        location: None,
        at: at(secs),
        trigger: None,
        demographics: Demographics::default(),
        stay_start: at(secs) - Span::hours(240),
        hospital_admitted_at: None,
        unit: None,
        vitals: Vec::new(),
        labs: Vec::new(),
        infusions: Vec::new(),
        eeg: None,
        cardiac: Vec::new(),
        glucose: None,
        scores: Vec::new(),
        freshness: Vec::new(),
        grid: HourGrid::new(at(secs)),
    }
}

/// A window of so many values, falling or rising by so much an hour.
pub fn window(length: WindowLength, count: u32, slope_per_hour: f64) -> WindowStats {
    WindowStats {
        length,
        mean: 0.0,
        min: 0.0,
        max: 0.0,
        sd: 0.0,
        slope_per_hour: Some(slope_per_hour),
        last: 0.0,
        count,
        expected: None,
    }
}

/// The policy without people, units and ledger: what most tests are about.
pub trait Alone {
    fn evaluate(
        &mut self,
        frame: &FeatureFrame,
        assessment: Option<&Assessment>,
        config: &Config,
    ) -> Vec<Decision>;
    fn close(&mut self, at: EventTime, config: &Config) -> Vec<Decision>;
}

impl Alone for Policy {
    fn evaluate(
        &mut self,
        frame: &FeatureFrame,
        assessment: Option<&Assessment>,
        config: &Config,
    ) -> Vec<Decision> {
        self.step(Step { frame, assessment, heard: &[], site: &[], unit: None, config }).decisions
    }

    fn close(&mut self, at: EventTime, config: &Config) -> Vec<Decision> {
        self.leave(at, &[], config).decisions
    }
}

/// Adds to a frame what a test is about.
pub trait With: Sized {
    /// A vital of this age with its windows.
    fn vital(self, signal: Signal, value: f64, age: Span, windows: Vec<WindowStats>) -> Self;
    /// A lab of this age.
    fn lab_of(self, signal: Signal, value: f64, age: Span) -> Self;
    /// A score with the signals of its parts.
    fn scored(self, kind: ScoreKind, value: f64, complete: bool, parts: &[Signal]) -> Self;
    /// An EEG of this age: how long it has looked like a seizure, and the burden.
    fn eeg_of(self, age: Span, seizure_for: Span, burden: f64) -> Self;
    /// A sensor glucose of this age.
    fn cgm(self, mg_dl: f64, age: Span, forecast: Option<f64>, compression: bool) -> Self;
    /// A feed last heard of so long ago, of which 60 s of silence are allowed.
    fn feed(self, modality: Modality, age: Span, state: FeedState) -> Self;
    /// A running infusion.
    fn infusion(self, drug: Drug, rate: Option<f64>, running: bool) -> Self;

    /// A vital that arrives by the second, just measured.
    fn dense(self, signal: Signal, value: f64) -> Self {
        self.vital(signal, value, Span::ZERO, vec![window(WindowLength::M5, 300, 0.0)])
    }

    /// A vital charted now and then, of this age.
    fn charted(self, signal: Signal, value: f64, age: Span) -> Self {
        self.vital(signal, value, age, vec![window(WindowLength::H8, 3, 0.0)])
    }

    /// A vital that came by the second up to this age (beyond five minutes) and stopped.
    fn stopped(self, signal: Signal, value: f64, age: Span) -> Self {
        let hour = WindowStats { expected: Some(3_600), ..window(WindowLength::H1, 900, 0.0) };
        self.vital(signal, value, age, vec![hour])
    }
}

impl With for FeatureFrame {
    fn vital(mut self, signal: Signal, last: f64, age: Span, windows: Vec<WindowStats>) -> Self {
        self.vitals.push(VitalSummary { signal, last, at: self.at - age, provenance: SOURCE, windows });
        self
    }

    fn lab_of(mut self, signal: Signal, last: f64, age: Span) -> Self {
        self.labs.push(LabSummary {
            signal,
            last,
            at: self.at - age,
            provenance: SOURCE,
            previous: None,
            range_24h: (last, last),
        });
        self
    }

    fn scored(mut self, kind: ScoreKind, value: f64, complete: bool, parts: &[Signal]) -> Self {
        let component = |&signal| Component {
            part: Part::Respiration,
            points: Some(1),
            signal: Some(signal),
            value: None,
            at: None,
            provenance: None,
        };
        self.scores.push(Score { kind, value, complete, components: parts.iter().map(component).collect() });
        self
    }

    fn eeg_of(mut self, age: Span, seizure_for: Span, seizure_burden: f64) -> Self {
        self.eeg = Some(EegSummary {
            at: self.at - age,
            provenance: SOURCE,
            channels: 4,
            good_channels: 4,
            total_power_uv2: 100.0,
            relative_power: [0.25; 4],
            alpha_delta_ratio: 1.0,
            sef95_hz: 15.0,
            dominant_frequency_hz: 3.0,
            spectral_entropy: 0.5,
            line_length_uv: 5.0,
            aeeg_margins_uv: None,
            burst_suppression_percent: None,
            asymmetry: None,
            line_noise_ratio: 0.0,
            artifact_share: 0.0,
            seizure_score: 0.75,
            seizure_burden,
            seizure_for,
        });
        self
    }

    fn cgm(mut self, mg_dl: f64, age: Span, forecast: Option<f64>, compression: bool) -> Self {
        self.glucose = Some(GlucoseSummary {
            last_mg_dl: mg_dl,
            at: self.at - age,
            provenance: SOURCE,
            rate_mg_dl_min: forecast.map(|f| (f - mg_dl) / 20.0),
            forecast_20min_mg_dl: forecast,
            time_in_range_percent: 100.0,
            time_below_percent: 0.0,
            time_above_percent: 0.0,
            cv_percent: None,
            completeness: 1.0,
            below_70_for: Span::ZERO,
            below_54_for: Span::ZERO,
            compression_suspected: compression,
        });
        self
    }

    fn feed(mut self, modality: Modality, age: Span, state: FeedState) -> Self {
        let stale_after = Span::secs(60);
        self.freshness.push(Freshness { modality, last_at: self.at - age, stale_after, state });
        self
    }

    fn infusion(mut self, drug: Drug, rate: Option<f64>, running: bool) -> Self {
        self.infusions.push(InfusionSummary {
            drug,
            rate: rate.map(|value| Dose { value, unit: Unit::UgPerKgMin }),
            running,
            since: self.at - Span::hours(1),
            provenance: SOURCE,
        });
        self
    }
}

/// What an encoder with operating points .5 and .75 says of both heads.
pub fn assessment(secs: i64, sepsis: f32, deterioration: f32) -> Assessment {
    let risk = |(head, probability)| Risk {
        head,
        probability,
        operating_point: 0.5,
        high_priority_point: 0.75,
        certainty: None,
    };
    Assessment {
        patient: patient(),
        at: at(secs),
        model: ModelRef { name: "encoder".to_owned(), version: "3".to_owned() },
        fusion: None,
        risks: [(Head::Sepsis, sepsis), (Head::Deterioration, deterioration)].map(risk).to_vec(),
        distance: None,
        unfamiliar: false,
    }
}
