//! A stretch of waveform: several channels at one rate from one start time.

mod arrow_ipc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use arrow_ipc::{Error as ArrowError, decode as decode_arrow, encode as encode_arrow};

use crate::{
    event::Modality,
    ids::{EncounterId, Location, PatientId, SourceId},
    time::{EventTime, Span},
    unit::Unit,
};

/// What kind of waveform a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaveformKind {
    /// Electroencephalogram, microvolts.
    Eeg,
    /// Electrocardiogram, millivolts.
    Ecg,
    /// Photoplethysmogram, no unit.
    Pleth,
    /// Arterial blood pressure, mm\[Hg\].
    Abp,
    /// Respiration, no unit.
    Resp,
}

impl WaveformKind {
    /// The snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            WaveformKind::Eeg => "eeg",
            WaveformKind::Ecg => "ecg",
            WaveformKind::Pleth => "pleth",
            WaveformKind::Abp => "abp",
            WaveformKind::Resp => "resp",
        }
    }

    /// Finds a kind by its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Eeg, Self::Ecg, Self::Pleth, Self::Abp, Self::Resp].into_iter().find(|k| k.name() == name)
    }

    /// The unit samples are held in.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            WaveformKind::Eeg => Unit::MicroVolt,
            WaveformKind::Ecg => Unit::MilliVolt,
            WaveformKind::Pleth | WaveformKind::Resp => Unit::One,
            WaveformKind::Abp => Unit::MmHg,
        }
    }

    /// The feed it belongs to.
    #[must_use]
    pub const fn modality(self) -> Modality {
        match self {
            WaveformKind::Eeg => Modality::Eeg,
            WaveformKind::Ecg => Modality::Ecg,
            WaveformKind::Pleth => Modality::Pleth,
            WaveformKind::Abp => Modality::Abp,
            WaveformKind::Resp => Modality::Resp,
        }
    }
}

/// Why a sample rate was refused.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("a sample rate of {0} Hz is not between 0.1 and 100000")]
pub struct RateError(pub f64);

/// A sample rate in hertz, between 0.1 and 100,000.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64", into = "f64")]
pub struct SampleRate(f64);

impl SampleRate {
    /// Checks a rate in hertz.
    ///
    /// # Errors
    /// When it is not a number between 0.1 and 100,000.
    pub fn new(hz: f64) -> Result<Self, RateError> {
        if (0.1..=100_000.0).contains(&hz) { Ok(Self(hz)) } else { Err(RateError(hz)) }
    }

    /// The rate in hertz.
    #[must_use]
    pub const fn hz(self) -> f64 {
        self.0
    }

    /// The time that `samples` samples take, to the nearest microsecond.
    #[must_use]
    pub fn span_of(self, samples: usize) -> Span {
        Span((samples as f64 * 1e6 / self.0).round() as i64)
    }
}

impl TryFrom<f64> for SampleRate {
    type Error = RateError;
    fn try_from(hz: f64) -> Result<Self, RateError> {
        Self::new(hz)
    }
}

impl From<SampleRate> for f64 {
    fn from(rate: SampleRate) -> f64 {
        rate.0
    }
}

/// One channel of a block: physical values in the kind's unit, `NaN` where a sample is missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Channel {
    /// The channel's label, normalised upper case (`FP1`, `II`, `PLETH`).
    pub label: String,
    /// Samples in the kind's unit; missing ones are `NaN`.
    #[serde(with = "nullable")]
    #[schemars(with = "Vec<Option<f32>>")]
    pub samples: Vec<f32>,
}

/// A stretch of waveform. All channels have the same length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WaveformBlock {
    /// What it is.
    pub kind: WaveformKind,
    /// The time of the first sample.
    pub start: EventTime,
    /// The sample rate.
    pub rate: SampleRate,
    /// The channels, in the order of the source.
    pub channels: Vec<Channel>,
}

impl WaveformBlock {
    /// Samples in each channel.
    #[must_use]
    pub fn len(&self) -> usize {
        self.channels.first().map_or(0, |c| c.samples.len())
    }

    /// Whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The time just after the last sample.
    #[must_use]
    pub fn end(&self) -> EventTime {
        self.start + self.rate.span_of(self.len())
    }
}

/// A block with whom it belongs to: the payload of `bedwatch.waveforms`.
#[derive(Debug, Clone, PartialEq)]
pub struct WaveformMessage {
    /// The pseudonymous patient.
    pub patient: PatientId,
    /// The encounter.
    pub encounter: Option<EncounterId>,
    /// The bed.
    pub location: Option<Location>,
    /// The device.
    pub source: SourceId,
    /// The samples.
    pub block: WaveformBlock,
}

/// Missing samples as `null` in JSON, since JSON has no `NaN`.
mod nullable {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(samples: &[f32], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(samples.iter().map(|x| x.is_finite().then_some(*x)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<f32>, D::Error> {
        let samples = Vec::<Option<f32>>::deserialize(d)?;
        Ok(samples.into_iter().map(|x| x.unwrap_or(f32::NAN)).collect())
    }
}
