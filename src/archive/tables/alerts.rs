//! `alerts`: a row for each message of an alert; (`alert`, `sequence`) names it. `message` is the whole
//! of it as JSON, with evidence, attributions and words, as it went to Kafka.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Schema, SchemaRef},
    error::ArrowError,
};
use bedwatch_schemas::{alert::Alert, rationale::RationaleSource};

use super::columns::{Sourced, known, open, origin, origins, text, time, time_type, truth, whole};

pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = origin();
    fields.extend([
        known("at", time_type()),
        known("onset", time_type()),
        known("alert", DataType::Utf8),
        known("sequence", DataType::Int64),
        known("phase", DataType::Utf8),
        known("kind", DataType::Utf8),
        known("technical", DataType::Boolean),
        known("priority", DataType::Utf8),
        open("primary_alert", DataType::Utf8),
        known("escalations", DataType::Int64),
        open("last_feedback", DataType::Utf8),
        known("decided_by", DataType::Utf8),
        known("decided_by_version", DataType::Utf8),
        known("rule", DataType::Utf8),
        known("rationale", DataType::Utf8),
        known("written_by", DataType::Utf8),
        known("config", DataType::Utf8),
        known("message", DataType::Utf8),
    ]);
    Arc::new(Schema::new(fields))
});

pub(in crate::archive) fn batch(rows: &[Sourced<Alert>]) -> Result<RecordBatch, ArrowError> {
    let mut columns = origins(rows, |a| a.patient.as_str(), |a| a.location.as_ref());
    columns.extend([
        time(rows, |a| a.at),
        time(rows, |a| a.onset),
        text(rows, |a| Some(a.id.to_string())),
        whole(rows, |a| i64::from(a.sequence)),
        text(rows, |a| Some(a.phase.name())),
        text(rows, |a| Some(a.kind.name())),
        truth(rows, |a| Some(a.kind.is_technical())),
        text(rows, |a| Some(a.priority.name())),
        text(rows, |a| a.primary.map(|id| id.to_string())),
        whole(rows, |a| i64::from(a.escalations)),
        text(rows, |a| a.feedback.last().map(|f| f.action.name())),
        text(rows, |a| Some(a.decision.by.name.as_str())),
        text(rows, |a| Some(a.decision.by.version.as_str())),
        text(rows, |a| Some(a.decision.rule.as_str())),
        text(rows, |a| Some(a.rationale.text.as_str())),
        text(rows, |a| Some(written_by(&a.rationale.source))),
        text(rows, |a| Some(a.config.as_str())),
        text(rows, |a| Some(serde_json::to_string(a).expect("an alert is plain data"))),
    ]);
    RecordBatch::try_new(SCHEMA.clone(), columns)
}

const fn written_by(source: &RationaleSource) -> &'static str {
    match source {
        RationaleSource::Model(_) => "model",
        RationaleSource::Template(_) => "template",
    }
}
