//! The feature frame: everything known of one patient at one time, as models and policies read it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    event::{Demographics, Provenance, UnitKind},
    ids::{EncounterId, Location, PatientId},
    score::{Score, ScoreKind},
    signal::Signal,
    summary::{
        CardiacSummary, EegSummary, Freshness, GlucoseSummary, InfusionSummary, LabSummary, VitalSummary,
    },
    time::{EventTime, Span},
};

mod reading;

pub use reading::Reading;

/// Everything known of one patient at one time. Absent sections were never received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FeatureFrame {
    /// The patient.
    pub patient: PatientId,
    /// The encounter.
    pub encounter: Option<EncounterId>,
    /// The bed.
    pub location: Option<Location>,
    /// The event time the frame describes: nothing later is in it.
    pub at: EventTime,
    /// The latest event that entered it.
    pub trigger: Option<Provenance>,
    /// What is known of the person.
    pub demographics: Demographics,
    /// Start of the stay: the admission where known, else the first event.
    pub stay_start: EventTime,
    /// When the patient came to the hospital, where a source says so; mostly before the stay.
    pub hospital_admitted_at: Option<EventTime>,
    /// The kind of unit, where a source says so.
    pub unit: Option<UnitKind>,
    /// Vital signs in signal order.
    pub vitals: Vec<VitalSummary>,
    /// Charted values and labs in signal order.
    pub labs: Vec<LabSummary>,
    /// Infusions in drug order.
    pub infusions: Vec<InfusionSummary>,
    /// EEG.
    pub eeg: Option<EegSummary>,
    /// Beats by waveform.
    pub cardiac: Vec<CardiacSummary>,
    /// Sensor glucose.
    pub glucose: Option<GlucoseSummary>,
    /// Scores in the order of [`ScoreKind::ALL`]; one is absent when none of its parts is known.
    pub scores: Vec<Score>,
    /// Feeds seen so far.
    pub freshness: Vec<Freshness>,
    /// The hourly grid of the stay, for the encoder.
    pub grid: HourGrid,
}

impl FeatureFrame {
    /// A vital's summary.
    #[must_use]
    pub fn vital(&self, signal: Signal) -> Option<&VitalSummary> {
        self.vitals.iter().find(|v| v.signal == signal)
    }

    /// A lab's summary.
    #[must_use]
    pub fn lab(&self, signal: Signal) -> Option<&LabSummary> {
        self.labs.iter().find(|l| l.signal == signal)
    }

    /// A score.
    #[must_use]
    pub fn score(&self, kind: ScoreKind) -> Option<&Score> {
        self.scores.iter().find(|s| s.kind == kind)
    }

    /// The latest value of a vital or lab with its time and source, if it still describes the
    /// patient at the frame's time.
    #[must_use]
    pub fn current(&self, signal: Signal) -> Option<(f64, EventTime, Provenance)> {
        let found = self
            .vital(signal)
            .map(|v| (v.last, v.at, v.provenance))
            .or_else(|| self.lab(signal).map(|l| (l.last, l.at, l.provenance)))?;
        (self.at.since(found.1) <= signal.info().valid_for).then_some(found)
    }
}

/// Hours kept in the grid.
pub const GRID_HOURS: usize = 96;

/// The last value of every signal in every clock hour of the stay, up to [`GRID_HOURS`] back.
///
/// Shape: `hours() x Signal::COUNT`, row-major, `NaN` where nothing was observed. `before` holds for
/// each signal the last value older than the grid and its hour, so that "last known" and its age
/// stay true for longer stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HourGrid {
    /// The first row's hour, counted from the Unix epoch.
    pub first_hour: i64,
    /// The rows.
    #[serde(with = "crate::frame::nullable")]
    #[schemars(with = "Vec<Option<f32>>")]
    pub values: Vec<f32>,
    /// Per signal: the last value before the first row, with its hour.
    pub before: Vec<Option<(f32, i64)>>,
}

impl HourGrid {
    /// An empty grid whose first row will be the hour of `start`.
    #[must_use]
    pub fn new(start: EventTime) -> Self {
        Self { first_hour: hour_of(start), values: Vec::new(), before: vec![None; Signal::COUNT] }
    }

    /// Rows held.
    #[must_use]
    pub fn hours(&self) -> usize {
        self.values.len() / Signal::COUNT
    }

    /// Whether any signal was ever observed.
    #[must_use]
    pub fn has_values(&self) -> bool {
        self.before.iter().any(Option::is_some) || self.values.iter().any(|x| x.is_finite())
    }

    /// The row of one hour; `None` outside the grid.
    #[must_use]
    pub fn row(&self, hour: i64) -> Option<&[f32]> {
        let i = usize::try_from(hour.checked_sub(self.first_hour)?).ok()?;
        self.values.get(i * Signal::COUNT..(i + 1) * Signal::COUNT)
    }
}

/// The clock hour of a time, counted from the Unix epoch.
#[must_use]
pub const fn hour_of(time: EventTime) -> i64 {
    time.as_micros().div_euclid(Span::hours(1).0)
}

/// Missing values as `null` in JSON and as `NaN` in compact codecs.
pub(crate) mod nullable {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(values: &[f32], s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            s.collect_seq(values.iter().map(|x| x.is_finite().then_some(*x)))
        } else {
            values.serialize(s)
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<f32>, D::Error> {
        if d.is_human_readable() {
            let values = Vec::<Option<f32>>::deserialize(d)?;
            Ok(values.into_iter().map(|x| x.unwrap_or(f32::NAN)).collect())
        } else {
            Vec::<f32>::deserialize(d)
        }
    }
}
