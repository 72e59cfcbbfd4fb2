//! The JSON messages of `bedwatch.vitals` and `bedwatch.cgm`, written by gateways and the simulator
//! and read by `ingest`. Signals by snake-case name, units by UCUM code; both are checked by the
//! decoder, so they are plain text here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{EncounterId, Location, PatientId, SourceId},
    time::EventTime,
};

/// One set of monitor numerics of one patient at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VitalsMessage {
    /// Always `vitals/1`.
    pub schema: String,
    /// The pseudonymous patient.
    pub patient: PatientId,
    /// The encounter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encounter: Option<EncounterId>,
    /// The bed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The monitor.
    pub source: SourceId,
    /// When the numerics were true.
    pub time: EventTime,
    /// The numerics.
    pub values: Vec<VitalsValue>,
}

/// One numeric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VitalsValue {
    /// The signal's snake-case name, or a LOINC or MDC code.
    pub signal: String,
    /// The value; `null` says that there was no reading.
    pub value: Option<f64>,
    /// The unit's UCUM code.
    pub unit: String,
}

/// One glucose reading of a continuous sensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CgmMessage {
    /// Always `cgm/1`.
    pub schema: String,
    /// The pseudonymous patient.
    pub patient: PatientId,
    /// The encounter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encounter: Option<EncounterId>,
    /// The bed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The sensor.
    pub source: SourceId,
    /// When it was measured.
    pub time: EventTime,
    /// The glucose; `null` says that there was no reading.
    pub glucose: Option<f64>,
    /// `mg/dL` or `mmol/L`.
    pub unit: String,
}

/// The schema tag of [`VitalsMessage`].
pub const VITALS: &str = "vitals/1";
/// The schema tag of [`CgmMessage`].
pub const CGM: &str = "cgm/1";
