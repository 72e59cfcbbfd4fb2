//! What happened to a patient: the one input type of the engine's core.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    feedback::Feedback,
    ids::{EncounterId, Location, PatientId, SourceId},
    medication::Infusion,
    signal::Signal,
    time::{ArrivalTime, EventTime},
    waveform::WaveformBlock,
};

/// The input stream (topic) a record came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Raw HL7 v2 (ER7).
    Hl7v2,
    /// FHIR R4 JSON.
    Fhir,
    /// JSON numerics.
    Vitals,
    /// Arrow IPC waveform blocks.
    Waveforms,
    /// JSON glucose readings.
    Cgm,
    /// What people say of alerts. Last, so that within a moment an alert is decided on the
    /// measurements first.
    Feedback,
}

impl Stream {
    /// Every stream, in the order used to break ties between records of the same time.
    pub const ALL: [Stream; 6] =
        [Stream::Hl7v2, Stream::Fhir, Stream::Vitals, Stream::Waveforms, Stream::Cgm, Stream::Feedback];

    /// The snake-case name, also the metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Stream::Hl7v2 => "hl7v2",
            Stream::Fhir => "fhir",
            Stream::Vitals => "vitals",
            Stream::Waveforms => "waveforms",
            Stream::Cgm => "cgm",
            Stream::Feedback => "feedback",
        }
    }
}

/// Where an event stands in the input log, so that evidence leads back to its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// The stream.
    pub stream: Stream,
    /// The partition of its topic (0 for files).
    pub partition: i32,
    /// The offset of the record (the record's number for files).
    pub offset: i64,
    /// The position of the event within the record.
    pub part: u32,
}

/// Something that happened to a patient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// The pseudonymous patient.
    pub patient: PatientId,
    /// The encounter, where the source names it.
    pub encounter: Option<EncounterId>,
    /// The bed, where the source names it.
    pub location: Option<Location>,
    /// The system or device that said it.
    pub source: SourceId,
    /// When it was true.
    pub event_time: EventTime,
    /// When we could first know it.
    pub arrival: ArrivalTime,
    /// Where it stands in the input log.
    pub provenance: Provenance,
    /// What it says.
    pub body: Body,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// A measured number.
    Numeric(Numeric),
    /// A measurement was due and gave no value.
    NoReading {
        /// The signal that gave none.
        signal: Signal,
        /// Why.
        reason: NoReading,
    },
    /// A stretch of waveform.
    Waveform(Arc<WaveformBlock>),
    /// A drug given or an infusion rate set.
    Medication(Infusion),
    /// Admission, transfer, discharge, update, merge.
    Adt(Adt),
    /// A device's state, e.g. a lead off.
    DeviceStatus(DeviceStatus),
    /// A culture or its result.
    Microbiology(Microbiology),
    /// What a person said of an alert of this patient.
    Feedback(Feedback),
}

/// How final a result is (HL7 OBX-11, FHIR `Observation.status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResultStatus {
    /// Not yet final.
    Preliminary,
    /// Final.
    Final,
    /// Replaces an earlier value of the same time and signal.
    Corrected,
    /// Withdraws an earlier value (entered in error).
    Withdrawn,
}

/// A measured number in the signal's canonical unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Numeric {
    /// The signal.
    pub signal: Signal,
    /// The value, finite, in the signal's canonical unit.
    pub value: f64,
    /// How final it is.
    pub status: ResultStatus,
    /// Whether it lies within the signal's plausible range; implausible values are kept and
    /// flagged, and do not enter scores or models.
    pub plausible: bool,
}

impl Numeric {
    /// A final value; plausibility is computed.
    #[must_use]
    pub fn new(signal: Signal, value: f64) -> Self {
        Self { signal, value, status: ResultStatus::Final, plausible: signal.is_plausible(value) }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: ResultStatus) -> Self {
        self.status = status;
        self
    }
}

/// Why a measurement gave no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoReading {
    /// The result status says so (OBX-11 `X`).
    NotObtained,
    /// A monitor's sentinel number stood in the value.
    Sentinel,
    /// The value was empty or null.
    Empty,
    /// FHIR `dataAbsentReason`.
    DataAbsent,
}

/// The sex used for clinical decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
}

/// What is known of the person; no name, no number, no date of birth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Demographics {
    /// Age in years at the event.
    pub age_years: Option<f32>,
    /// Sex.
    pub sex: Option<Sex>,
}

/// What kind of intensive care a stay is in: whose patients they are tells much of their course.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnitKind {
    /// Medical.
    Medical,
    /// Surgical, without the heart.
    Surgical,
    /// Coronary: diseases of the heart, not operated.
    Coronary,
    /// After operations of the heart.
    CardiacSurgery,
}

impl UnitKind {
    /// Every kind.
    pub const ALL: [UnitKind; 4] =
        [UnitKind::Medical, UnitKind::Surgical, UnitKind::Coronary, UnitKind::CardiacSurgery];

    /// The snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            UnitKind::Medical => "medical",
            UnitKind::Surgical => "surgical",
            UnitKind::Coronary => "coronary",
            UnitKind::CardiacSurgery => "cardiac_surgery",
        }
    }
}

/// A patient-administration event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Adt {
    /// What happened.
    pub kind: AdtKind,
    /// What the message says of the person.
    pub demographics: Demographics,
    /// When the stay began, where the message says so (PV1-44, `Encounter.period.start`).
    pub admitted_at: Option<EventTime>,
    /// What kind of unit the stay is in, where the message says so (PV1-10, `Encounter.serviceType`).
    pub unit: Option<UnitKind>,
    /// When the patient came to the hospital, where the message tells it from the stay's beginning.
    pub hospital_admitted_at: Option<EventTime>,
}

/// The administrative happening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdtKind {
    /// A01: admitted.
    Admit,
    /// A02: moved to another bed.
    Transfer,
    /// A03: discharged; monitoring of the bed ends.
    Discharge,
    /// A08: facts about the person or stay changed.
    Update,
    /// A40: `retired` was the same person; its state moves to this patient.
    Merge {
        /// The id that no longer stands.
        retired: PatientId,
    },
}

/// The state of a device or sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct DeviceStatus {
    /// The modality it feeds.
    pub modality: Modality,
    /// Whether it delivers.
    pub connected: bool,
}

/// A feed of the patient whose silence must be noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Monitor numerics.
    Vitals,
    /// ECG waveform.
    Ecg,
    /// Pulse-oximeter waveform.
    Pleth,
    /// Arterial pressure waveform.
    Abp,
    /// EEG.
    Eeg,
    /// Sensor glucose.
    Cgm,
    /// Respiration waveform.
    Resp,
}

impl Modality {
    /// Every modality.
    pub const ALL: [Modality; 7] = [
        Modality::Vitals,
        Modality::Ecg,
        Modality::Pleth,
        Modality::Abp,
        Modality::Eeg,
        Modality::Cgm,
        Modality::Resp,
    ];

    /// What a clinician calls it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Modality::Vitals => "monitor vitals",
            Modality::Ecg => "ECG waveform",
            Modality::Pleth => "pleth waveform",
            Modality::Abp => "arterial waveform",
            Modality::Eeg => "EEG",
            Modality::Cgm => "sensor glucose",
            Modality::Resp => "respiration waveform",
        }
    }
}

/// A microbiology event, as far as the sepsis definitions need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Microbiology {
    /// A culture was taken.
    CultureTaken,
    /// A culture grew an organism.
    CulturePositive,
}
