//! The JSON messages of `bedwatch.vitals`, `bedwatch.cgm` and `bedwatch.feedback`, written by
//! gateways, the simulator and the HTTP server and read by `ingest`. Signals by snake-case name, units
//! by UCUM code; both are checked by the decoder, so they are plain text here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    feedback::{Action, Feedback, FeedbackReason, Role},
    ids::{AlertId, EncounterId, Location, PatientId, SourceId},
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

/// What one person said of one alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedbackMessage {
    /// Always `feedback/1`.
    pub schema: String,
    /// The pseudonymous patient of the alert; the record's key where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<PatientId>,
    /// The system the person spoke through.
    pub source: SourceId,
    /// The alert.
    pub alert: AlertId,
    /// What is done with it.
    pub action: Action,
    /// Why; needed to dismiss, snooze and disagree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<FeedbackReason>,
    /// Who speaks.
    pub role: Role,
    /// For how long to snooze, minutes (1 to 1440); with `snooze` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u16>,
    /// When it was said.
    pub at: EventTime,
}

impl FeedbackMessage {
    /// What it says, without whose it is.
    #[must_use]
    pub fn feedback(&self) -> Feedback {
        let Self { alert, action, reason, role, minutes, at, .. } = *self;
        Feedback { alert, action, reason, role, minutes, at }
    }
}

/// The schema tag of [`FeedbackMessage`].
pub const FEEDBACK: &str = "feedback/1";
/// The schema tag of [`VitalsMessage`].
pub const VITALS: &str = "vitals/1";
/// The schema tag of [`CgmMessage`].
pub const CGM: &str = "cgm/1";
