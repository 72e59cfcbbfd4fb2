//! The settings of the features stage: plain data, no defaults hidden elsewhere.

use bedwatch_schemas::{site::SiteName, time::Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which edges SOFA uses where the published table and the code that most papers ran disagree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SofaEdges {
    /// mimic-code: bilirubin >= 12.0 mg/dL and creatinine >= 5.0 mg/dL score 4.
    #[default]
    MimicCode,
    /// Vincent 1996 as printed: bilirubin > 12.0 mg/dL and creatinine > 5.0 mg/dL score 4.
    Original1996,
}

/// A feature of the site's own: an expression over the columns of a frame ([`crate::site`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// Its name, by which later features and rules call it.
    pub name: SiteName,
    /// The expression, in SQL: a number or a condition.
    pub expression: String,
    /// The unit of a number, in UCUM; empty: a pure number.
    #[serde(default)]
    pub unit: String,
}

/// The settings of a patient's state. It is part of a checkpoint; [`crate::state::PatientState`]
/// takes a changed one by `set_config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How much older than the newest value of its signal a vital may be and still enter.
    pub vitals_allowance: Span,
    /// The same for labs, charted values and infusions.
    pub labs_allowance: Span,
    /// How far after its arrival an event may claim to have happened; beyond, the clock of its
    /// source is wrong and the event is set aside.
    pub max_ahead: Span,
    /// Monitor numerics are stale after this long, or after three observed intervals if longer.
    pub vitals_stale_after: Span,
    /// The longest that three observed intervals may make of it; also holds until a rate is known.
    pub vitals_stale_at_most: Span,
    /// Waveforms are stale after this long.
    pub waveform_stale_after: Span,
    /// Sensor glucose is stale after this long.
    pub cgm_stale_after: Span,
    /// NEWS2 SpO2 scale 2: only for patients with a prescribed target of 88-92 %.
    pub news2_spo2_scale_2: bool,
    /// SOFA's disputed edges.
    pub sofa_edges: SofaEdges,
    /// Whether ECG and pulses are also followed for runs of ventricular tachycardia. Nothing live asks for
    /// them yet; a replay always follows them, to judge the alarms of monitors.
    pub ventricular_runs: bool,
    /// Features of the site's own, in the order they are computed.
    pub derived: Vec<Derived>,
}

impl Config {
    /// What one patient's state needs of it: the site's features are the same for all.
    #[must_use]
    pub fn without_features(&self) -> Self {
        Self { derived: Vec::new(), ..self.clone() }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vitals_allowance: Span::minutes(5),
            labs_allowance: Span::hours(48),
            max_ahead: Span::minutes(5),
            vitals_stale_after: Span::secs(60),
            vitals_stale_at_most: Span::hours(3),
            waveform_stale_after: Span::secs(10),
            cgm_stale_after: Span::minutes(15),
            news2_spo2_scale_2: false,
            sofa_edges: SofaEdges::MimicCode,
            ventricular_runs: false,
            derived: Vec::new(),
        }
    }
}
