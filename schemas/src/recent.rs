//! The latest stretch at finer scales than the hour: what the encoders of single modalities read.
//!
//! A modality with a clock of its own is a [`Track`]: rows of equal length in time, the last one the row
//! of the frame's time, `NaN` where nothing was measured. What happens once is a [`CodedEvent`]. A
//! modality that was never there is an empty track, which is not the same as one of missing values.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    frame::nullable,
    medication::{Drug, InfusionAction},
    signal::{Signal, SignalClass},
    time::{EventTime, Span},
};

/// A modality read as rows of equal length in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Track {
    /// Monitor numerics, the mean of each clock minute of the last hour.
    Minutes,
    /// EEG features every ten seconds of the last ten minutes.
    Eeg,
    /// Beats of ECG, pleth and arterial pressure, each minute of the last half hour.
    Cardiac,
    /// Sensor glucose every five minutes of the last three hours.
    Glucose,
}

/// The signals of [`Track::Minutes`], in the order of its columns.
static MINUTE_SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
    let vital = |s: &Signal| s.info().class == SignalClass::Vital && *s != Signal::CgmGlucose;
    Signal::ALL.iter().copied().filter(vital).collect()
});

static MINUTE_NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| MINUTE_SIGNALS.iter().map(|s| s.name()).collect());

/// The columns of [`Track::Eeg`]: medians over the good channels unless said (see
/// [`EegSummary`](crate::summary::EegSummary)).
pub const EEG_COLUMNS: [&str; 16] = [
    "log10_total_power_uv2",
    "relative_delta",
    "relative_theta",
    "relative_alpha",
    "relative_beta",
    "sef95_hz",
    "dominant_frequency_hz",
    "spectral_entropy",
    "log10_line_length_uv",
    "asymmetry",
    "aeeg_lower_uv",
    "aeeg_upper_uv",
    "burst_suppression_percent",
    "good_channel_share",
    "seizure_score",
    "seizure_burden",
];

/// The columns of [`Track::Cardiac`] (see [`CardiacSummary`](crate::summary::CardiacSummary)).
pub const CARDIAC_COLUMNS: [&str; 13] = [
    "ecg.rate_per_min",
    "ecg.quality",
    "ecg.sdnn_ms",
    "ecg.rmssd_ms",
    "ecg.log10_lf_ms2",
    "ecg.log10_hf_ms2",
    "pleth.rate_per_min",
    "pleth.quality",
    "abp.rate_per_min",
    "abp.quality",
    "abp.systolic",
    "abp.diastolic",
    "abp.mean",
];

const GLUCOSE_COLUMNS: [&str; 1] = ["mg_dl"];

impl Track {
    /// Every track, in the order of [`Recent::tracks`].
    pub const ALL: [Track; 4] = [Self::Minutes, Self::Eeg, Self::Cardiac, Self::Glucose];
    /// How many tracks there are.
    pub const COUNT: usize = 4;

    /// The snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minutes => "minutes",
            Self::Eeg => "eeg",
            Self::Cardiac => "cardiac",
            Self::Glucose => "glucose",
        }
    }

    /// Rows.
    #[must_use]
    pub const fn rows(self) -> usize {
        match self {
            Self::Minutes | Self::Eeg => 60,
            Self::Cardiac => 30,
            Self::Glucose => 36,
        }
    }

    /// The length of a row.
    #[must_use]
    pub const fn step(self) -> Span {
        match self {
            Self::Minutes | Self::Cardiac => Span::minutes(1),
            Self::Eeg => Span::secs(10),
            Self::Glucose => Span::minutes(5),
        }
    }

    /// The names of its columns, with their units.
    #[must_use]
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Minutes => &MINUTE_NAMES,
            Self::Eeg => &EEG_COLUMNS,
            Self::Cardiac => &CARDIAC_COLUMNS,
            Self::Glucose => &GLUCOSE_COLUMNS,
        }
    }

    /// The signals of [`Track::Minutes`], in the order of its columns.
    #[must_use]
    pub fn minute_signals() -> &'static [Signal] {
        &MINUTE_SIGNALS
    }

    /// The row of something measured at `at`, in a track that ends at `end`; `None` outside. A row holds
    /// the time after its beginning up to and with its end.
    #[must_use]
    pub fn row(self, at: EventTime, end: EventTime) -> Option<usize> {
        let back = usize::try_from(end.since(at).0).ok()? / usize::try_from(self.step().0).ok()?;
        (self.rows() - 1).checked_sub(back)
    }
}

/// What was coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Code {
    /// A result or a charted value.
    Result(Signal),
    /// Something done with a drug.
    Drug(Drug, InfusionAction),
}

impl Code {
    /// The name in manifests and tables: `lactate`, `norepinephrine.rate_set`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Result(signal) => signal.name().to_owned(),
            Self::Drug(drug, action) => {
                let action = match action {
                    InfusionAction::RateSet => "rate_set",
                    InfusionAction::Stopped => "stopped",
                    InfusionAction::Given => "given",
                    InfusionAction::NotGiven => "not_given",
                };
                format!("{}.{action}", drug.name())
            }
        }
    }
}

/// Something that happened once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CodedEvent {
    /// What.
    pub code: Code,
    /// A result in its signal's unit, a rate in ug/kg/min; `None` where there is none, or in another unit.
    pub value: Option<f32>,
    /// When: the specimen's time, the drug's time.
    pub at: EventTime,
}

/// Events kept: the newest.
pub const MAX_EVENTS: usize = 64;
/// How far back events reach.
pub const EVENTS_REACH: Span = Span::hours(48);

/// The latest stretch at finer scales than the hour.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recent {
    /// For each of [`Track::ALL`]: `rows x columns`, row-major, oldest first, `NaN` where nothing was
    /// measured; empty where the modality has nothing in its reach.
    pub tracks: [Values; Track::COUNT],
    /// At most [`MAX_EVENTS`], oldest first; equal times in the order of codes.
    pub events: Vec<CodedEvent>,
}

/// The values of a track; missing ones are `null` in JSON.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Values(
    #[serde(with = "nullable")]
    #[schemars(with = "Vec<Option<f32>>")]
    pub Vec<f32>,
);

impl PartialEq for Values {
    /// Missing values equal each other.
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (&f32, &f32)| a == b || (a.is_nan() && b.is_nan());
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}

impl Recent {
    /// A track's values; empty where the modality has nothing.
    #[must_use]
    pub fn track(&self, track: Track) -> &[f32] {
        &self.tracks[track as usize].0
    }

    /// Whether a modality has anything.
    #[must_use]
    pub fn has(&self, track: Track) -> bool {
        !self.track(track).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_holds_its_end_and_not_its_beginning() {
        let end = EventTime::from_micros(1_700_000_000_000_000);
        let cases = [
            (Span(0), Some(59)),
            (Span::millis(59_999), Some(59)),
            (Span::minutes(1), Some(58)),
            (Span(Span::minutes(60).0 - 1), Some(0)),
            (Span::minutes(60), None),
            (Span(-1), None),
        ];
        for (back, want) in cases {
            assert_eq!(Track::Minutes.row(end - back, end), want, "{back:?}");
        }
        assert_eq!(Track::Eeg.row(end - Span::secs(25), end), Some(57));
    }

    #[test]
    fn names_are_unique() {
        for track in Track::ALL {
            let mut names = track.columns().to_vec();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), track.columns().len(), "{track:?}");
        }
        assert_eq!(Track::Minutes.columns().len(), Track::minute_signals().len());
        assert!(!Track::Minutes.columns().contains(&"cgm_glucose"));
        assert_eq!(
            Code::Drug(Drug::Norepinephrine, InfusionAction::RateSet).name(),
            "norepinephrine.rate_set"
        );
    }

    #[test]
    fn missing_is_null_and_comes_back() {
        let mut recent = Recent::default();
        recent.tracks[Track::Glucose as usize].0 = vec![f32::NAN, 90.5];
        let json = serde_json::to_string(&recent).unwrap();
        assert!(json.contains("[null,90.5]"), "{json}");
        assert_eq!(serde_json::from_str::<Recent>(&json).unwrap(), recent);
        assert!(recent.has(Track::Glucose) && !recent.has(Track::Eeg));
    }
}
