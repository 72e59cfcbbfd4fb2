//! The sections of a feature frame. Every number carries its age and its completeness.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    event::{Modality, Provenance},
    medication::{Dose, Drug},
    signal::Signal,
    time::{EventTime, Span},
};

/// The window lengths of vitals trends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WindowLength {
    /// One minute.
    M1,
    /// Five minutes.
    M5,
    /// One hour.
    H1,
    /// Eight hours.
    H8,
    /// A day.
    H24,
}

impl WindowLength {
    /// Every length, shortest first.
    pub const ALL: [WindowLength; 5] = [Self::M1, Self::M5, Self::H1, Self::H8, Self::H24];

    /// The length as a span.
    #[must_use]
    pub const fn span(self) -> Span {
        match self {
            Self::M1 => Span::minutes(1),
            Self::M5 => Span::minutes(5),
            Self::H1 => Span::hours(1),
            Self::H8 => Span::hours(8),
            Self::H24 => Span::hours(24),
        }
    }
}

/// Statistics of one signal over one window ending at the frame's time. `count` > 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WindowStats {
    /// The window.
    pub length: WindowLength,
    /// Arithmetic mean.
    pub mean: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Sample standard deviation (n - 1); 0 for one value.
    pub sd: f64,
    /// Least-squares slope in units an hour; `None` with fewer than two distinct times.
    pub slope_per_hour: Option<f64>,
    /// The latest value.
    pub last: f64,
    /// Values received.
    pub count: u32,
    /// Values expected at the signal's observed rate; `None` before a rate is known.
    pub expected: Option<u32>,
}

/// A vital sign's latest value and trends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VitalSummary {
    /// The signal.
    pub signal: Signal,
    /// The latest plausible value.
    pub last: f64,
    /// When it was measured.
    pub at: EventTime,
    /// Where it came from.
    pub provenance: Provenance,
    /// Windows with at least one value, shortest first.
    pub windows: Vec<WindowStats>,
}

impl VitalSummary {
    /// The statistics of one window, if it holds any value.
    #[must_use]
    pub fn window(&self, length: WindowLength) -> Option<&WindowStats> {
        self.windows.iter().find(|w| w.length == length)
    }
}

/// A lab's latest result and its change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LabSummary {
    /// The signal.
    pub signal: Signal,
    /// The latest result (corrections applied).
    pub last: f64,
    /// When the specimen was taken.
    pub at: EventTime,
    /// Where it came from.
    pub provenance: Provenance,
    /// The result before, with its time.
    pub previous: Option<(f64, EventTime)>,
    /// Lowest and highest result of the last 24 h.
    pub range_24h: (f64, f64),
}

/// A running or ended infusion of a drug the rules know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InfusionSummary {
    /// The drug.
    pub drug: Drug,
    /// The present rate; `None` when it is not running or the source gave none.
    pub rate: Option<Dose>,
    /// Whether it runs.
    pub running: bool,
    /// Since when it runs or has ended.
    pub since: EventTime,
    /// Where the latest word came from.
    pub provenance: Provenance,
}

/// EEG features of the latest window (4 s, hop 1 s), medians over the good channels unless said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EegSummary {
    /// End of the latest window.
    pub at: EventTime,
    /// Where the latest samples came from.
    pub provenance: Provenance,
    /// Channels received and channels free of artifact.
    pub channels: u16,
    /// Channels used.
    pub good_channels: u16,
    /// Total power .5-30 Hz in uV².
    pub total_power_uv2: f64,
    /// Relative power of delta .5-4, theta 4-8, alpha 8-13, beta 13-30 Hz.
    pub relative_power: [f64; 4],
    /// Alpha over delta power.
    pub alpha_delta_ratio: f64,
    /// Frequency below which 95 % of the .5-30 Hz power lies, Hz.
    pub sef95_hz: f64,
    /// Frequency of the largest spectral peak, Hz.
    pub dominant_frequency_hz: f64,
    /// Spectral entropy, 0 to 1.
    pub spectral_entropy: f64,
    /// Line length, uV a sample.
    pub line_length_uv: f64,
    /// aEEG margins over the last minute, uV: lower (10th centile) and upper (90th).
    pub aeeg_margins_uv: Option<(f64, f64)>,
    /// Per cent of the last 63 s suppressed; `None` before 63 s were received.
    pub burst_suppression_percent: Option<f64>,
    /// Left against right power asymmetry, -1 to 1; `None` without pairs.
    pub asymmetry: Option<f64>,
    /// Mains (50 or 60 Hz) power over .5-30 Hz power.
    pub line_noise_ratio: f64,
    /// Share of channel-windows of the last minute rejected as artifact, 0 to 1.
    pub artifact_share: f64,
    /// Seizure-likeness of the latest window, 0 to 1.
    pub seizure_score: f64,
    /// Share of the last five minutes in seizure-like 10 s epochs, 0 to 1.
    pub seizure_burden: f64,
    /// How long the present seizure-like stretch has lasted.
    pub seizure_for: Span,
}

/// Beats from ECG, pleth or arterial pressure over the last minutes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CardiacSummary {
    /// The waveform the beats come from.
    pub modality: Modality,
    /// Time of the last beat looked at.
    pub at: EventTime,
    /// Where the latest samples came from.
    pub provenance: Provenance,
    /// Rate of the last 10 s, /min; `None` when quality is too low.
    pub rate_per_min: Option<f64>,
    /// Signal quality of the last 10 s, 0 to 1.
    pub quality: f64,
    /// Beats in the last five minutes.
    pub beats: u32,
    /// Standard deviation of normal intervals over five minutes, ms.
    pub sdnn_ms: Option<f64>,
    /// Root mean square of successive differences, ms.
    pub rmssd_ms: Option<f64>,
    /// Share of successive differences over 50 ms, %.
    pub pnn50_percent: Option<f64>,
    /// Low-frequency (.04-.15 Hz) power, ms².
    pub lf_ms2: Option<f64>,
    /// High-frequency (.15-.4 Hz) power, ms².
    pub hf_ms2: Option<f64>,
    /// Systolic, diastolic and mean pressure of the last 10 s (arterial only), mm\[Hg\].
    pub pressure: Option<(f64, f64, f64)>,
}

/// Continuous glucose: value, rate of change, forecast and time in ranges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GlucoseSummary {
    /// The latest reading, mg/dL.
    pub last_mg_dl: f64,
    /// When it was measured.
    pub at: EventTime,
    /// Where it came from.
    pub provenance: Provenance,
    /// Rate of change over the last 15 to 20 min, mg/dL a minute; `None` after missed data.
    pub rate_mg_dl_min: Option<f64>,
    /// Linear forecast in 20 min, mg/dL.
    pub forecast_20min_mg_dl: Option<f64>,
    /// Share of readings of the last 24 h in 70-180, %.
    pub time_in_range_percent: f64,
    /// Share below 70, %.
    pub time_below_percent: f64,
    /// Share above 180, %.
    pub time_above_percent: f64,
    /// Coefficient of variation over 24 h, %.
    pub cv_percent: Option<f64>,
    /// Readings received over readings expected in the last 24 h (or since the first), 0 to 1.
    pub completeness: f64,
    /// How long the glucose has been below 70 and below 54 without a break.
    pub below_70_for: Span,
    /// See `below_70_for`.
    pub below_54_for: Span,
    /// A sudden drop and recovery pattern of pressure on the sensor.
    pub compression_suspected: bool,
}

/// Whether a feed still describes the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedState {
    /// Values arrive as expected.
    Fresh,
    /// Nothing for longer than the stale bound.
    Stale,
    /// The device says that it delivers nothing, or only no-readings and flat lines arrive.
    Lost,
}

/// The freshness of one feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Freshness {
    /// The feed.
    pub modality: Modality,
    /// When it last gave a usable value.
    pub last_at: EventTime,
    /// How long it may be silent.
    pub stale_after: Span,
    /// Its state at the frame's time.
    pub state: FeedState,
}
