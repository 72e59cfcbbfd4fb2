//! `events`: a row for each event the engine was told of, waveform blocks left out. (`source`, `stream`,
//! `log_partition`, `log_offset`, `log_part`) names it: the place in the log.
//!
//! `event_time` is when it was true, `available` since when it was known. A correction, a withdrawal or
//! a value that came late is a row of its own; which of them counts at a moment is for the question
//! (`super::super::query`).

use std::sync::{Arc, LazyLock};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Schema, SchemaRef},
    error::ArrowError,
};
use bedwatch_schemas::{
    event::{Body, Event, Microbiology, NoReading},
    feedback::Action,
    signal::SignalClass,
    unit::Unit,
};

use super::columns::{
    Sourced, known, number, open, origin, origins, small, text, time, time_type, truth, whole,
};
use crate::replay::export::events::{action, happening, status};

pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = origin();
    fields.extend([
        known("kind", DataType::Utf8),
        known("name", DataType::Utf8),
        known("event_time", time_type()),
        known("available", time_type()),
        open("value", DataType::Float64),
        open("value_unit", DataType::Utf8),
        open("detail", DataType::Utf8),
        open("plausible", DataType::Boolean),
        known("stream", DataType::Utf8),
        known("log_partition", DataType::Int32),
        known("log_offset", DataType::Int64),
        known("log_part", DataType::Int64),
    ]);
    Arc::new(Schema::new(fields))
});

/// What an event says, in columns.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Said {
    kind: &'static str,
    name: &'static str,
    value: Option<f64>,
    unit: Option<Unit>,
    detail: Option<&'static str>,
    plausible: Option<bool>,
}

impl Said {
    fn of(body: &Body) -> Self {
        let plain = Self { kind: "", name: "", value: None, unit: None, detail: None, plausible: None };
        match body {
            Body::Numeric(n) => Self {
                kind: class(n.signal.info().class),
                name: n.signal.name(),
                value: Some(n.value),
                unit: Some(n.signal.info().unit),
                detail: Some(status(n.status)),
                plausible: Some(n.plausible),
            },
            Body::NoReading { signal, reason } => {
                Self { kind: "no_reading", name: signal.name(), detail: Some(why(*reason)), ..plain }
            }
            Body::Medication(infusion) => Self {
                kind: "medication",
                name: infusion.drug.name(),
                value: infusion.dose.map(|d| d.value),
                unit: infusion.dose.map(|d| d.unit),
                detail: Some(action(infusion.action)),
                ..plain
            },
            Body::Adt(adt) => Self { kind: "adt", name: happening(&adt.kind), ..plain },
            Body::DeviceStatus(device) => Self {
                kind: "device",
                name: device.modality.label(),
                detail: Some(if device.connected { "connected" } else { "disconnected" }),
                ..plain
            },
            Body::Microbiology(Microbiology::CultureTaken) => {
                Self { kind: "microbiology", name: "culture_taken", ..plain }
            }
            Body::Microbiology(Microbiology::CulturePositive) => {
                Self { kind: "microbiology", name: "culture_positive", ..plain }
            }
            Body::Feedback(said) => Self {
                kind: "feedback",
                name: Action::name(said.action),
                detail: said.reason.map(bedwatch_schemas::feedback::FeedbackReason::name),
                ..plain
            },
            // Blocks are counted before they come here.
            Body::Waveform(_) => Self { kind: "waveform", name: "block", ..plain },
        }
    }
}

const fn class(class: SignalClass) -> &'static str {
    match class {
        SignalClass::Vital => "vital",
        SignalClass::Charted => "charted",
        SignalClass::Lab => "lab",
    }
}

const fn why(reason: NoReading) -> &'static str {
    match reason {
        NoReading::NotObtained => "not_obtained",
        NoReading::Sentinel => "sentinel",
        NoReading::Empty => "empty",
        NoReading::DataAbsent => "data_absent",
    }
}

pub(in crate::archive) fn batch(rows: &[Sourced<Event>]) -> Result<RecordBatch, ArrowError> {
    let mut columns = origins(rows, |e| e.patient.as_str(), |e| e.location.as_ref());
    columns.extend([
        text(rows, |e| Some(Said::of(&e.body).kind)),
        text(rows, |e| Some(Said::of(&e.body).name)),
        time(rows, |e| e.event_time),
        time(rows, |e| e.arrival.as_event_time()),
        number(rows, |e| Said::of(&e.body).value),
        text(rows, |e| Said::of(&e.body).unit.map(Unit::ucum)),
        text(rows, |e| Said::of(&e.body).detail),
        truth(rows, |e| Said::of(&e.body).plausible),
        text(rows, |e| Some(e.provenance.stream.name())),
        small(rows, |e| e.provenance.partition),
        whole(rows, |e| e.provenance.offset),
        whole(rows, |e| i64::from(e.provenance.part)),
    ]);
    RecordBatch::try_new(SCHEMA.clone(), columns)
}
