//! `events.parquet`: what was coded about a patient, in the order of arrival: laboratory and charted
//! values (plausible ones), drugs, administration, cultures. Monitor numerics and waveforms are not
//! here: their values stand in the other tables.

use std::sync::Arc;

use arrow::{
    array::{Float64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use bedwatch_schemas::{
    event::{AdtKind, Body, Event, Microbiology, ResultStatus},
    ids::PatientId,
    medication::InfusionAction,
    signal::SignalClass,
    time::EventTime,
};

use super::table::{Origin, time, times};

#[derive(Debug, Clone)]
struct Row {
    patient: PatientId,
    at: EventTime,
    arrival: EventTime,
    kind: &'static str,
    name: &'static str,
    action: Option<&'static str>,
    value: Option<f64>,
    unit: Option<&'static str>,
}

/// The coded events of one source.
#[derive(Debug, Default)]
pub(super) struct Events(Vec<Row>);

/// The columns.
pub(super) fn schema() -> SchemaRef {
    let mut fields = Origin::fields();
    fields.extend([
        time("at"),
        time("arrival"),
        Field::new("kind", DataType::Utf8, false),
        Field::new("name", DataType::Utf8, false),
        Field::new("action", DataType::Utf8, true),
        Field::new("value", DataType::Float64, true),
        Field::new("unit", DataType::Utf8, true),
    ]);
    Arc::new(Schema::new(fields))
}

impl Events {
    /// Takes an event, if it is one of the table's.
    pub(super) fn push(&mut self, event: &Event) {
        let plain = Row {
            patient: event.patient.clone(),
            at: event.event_time,
            arrival: event.arrival.as_event_time(),
            kind: "",
            name: "",
            action: None,
            value: None,
            unit: None,
        };
        let row = match &event.body {
            Body::Numeric(n) if n.plausible => {
                let info = n.signal.info();
                let kind = match info.class {
                    SignalClass::Vital => return,
                    SignalClass::Charted => "charted",
                    SignalClass::Lab => "lab",
                };
                let (action, value, unit) = (Some(status(n.status)), Some(n.value), Some(info.unit.ucum()));
                Row { kind, name: info.name, action, value, unit, ..plain }
            }
            Body::Medication(infusion) => Row {
                kind: "medication",
                name: infusion.drug.name(),
                action: Some(action(infusion.action)),
                value: infusion.dose.map(|d| d.value),
                unit: infusion.dose.map(|d| d.unit.ucum()),
                ..plain
            },
            Body::Adt(adt) => Row { kind: "adt", name: happening(&adt.kind), ..plain },
            Body::Microbiology(Microbiology::CultureTaken) => {
                Row { kind: "microbiology", name: "culture_taken", ..plain }
            }
            Body::Microbiology(Microbiology::CulturePositive) => {
                Row { kind: "microbiology", name: "culture_positive", ..plain }
            }
            Body::Numeric(_)
            | Body::NoReading { .. }
            | Body::Waveform(_)
            | Body::DeviceStatus(_)
            | Body::Feedback(_) => return,
        };
        self.0.push(row);
    }

    /// The rows.
    pub(super) fn batch(&self, origin: Origin<'_>) -> anyhow::Result<RecordBatch> {
        let rows = &self.0;
        let mut columns = origin.columns(rows.iter().map(|r| r.patient.as_str()));
        columns.push(times(rows.iter().map(|r| r.at)));
        columns.push(times(rows.iter().map(|r| r.arrival)));
        columns.push(Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.kind))));
        columns.push(Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.name))));
        columns.push(Arc::new(rows.iter().map(|r| r.action).collect::<StringArray>()));
        columns.push(Arc::new(rows.iter().map(|r| r.value).collect::<Float64Array>()));
        columns.push(Arc::new(rows.iter().map(|r| r.unit).collect::<StringArray>()));
        Ok(RecordBatch::try_new(schema(), columns)?)
    }
}

/// How final a result is, in a word.
pub(crate) const fn status(status: ResultStatus) -> &'static str {
    match status {
        ResultStatus::Preliminary => "preliminary",
        ResultStatus::Final => "final",
        ResultStatus::Corrected => "corrected",
        ResultStatus::Withdrawn => "withdrawn",
    }
}

/// What happened with a drug, in a word.
pub(crate) const fn action(action: InfusionAction) -> &'static str {
    match action {
        InfusionAction::RateSet => "rate_set",
        InfusionAction::Stopped => "stopped",
        InfusionAction::Given => "given",
        InfusionAction::NotGiven => "not_given",
    }
}

/// The administrative happening in a word.
pub(crate) const fn happening(kind: &AdtKind) -> &'static str {
    match kind {
        AdtKind::Admit => "admit",
        AdtKind::Transfer => "transfer",
        AdtKind::Discharge => "discharge",
        AdtKind::Update => "update",
        AdtKind::Merge { .. } => "merge",
    }
}
