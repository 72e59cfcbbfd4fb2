//! `withheld`: a row for each entry of the ledger; (`alert`, `sequence`) names it.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Schema, SchemaRef},
    error::ArrowError,
};
use bedwatch_schemas::withheld::Withheld;

use super::columns::{Sourced, known, number, open, origin, origins, text, time, time_type, whole};

pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = origin();
    fields.extend([
        known("at", time_type()),
        known("onset", time_type()),
        known("alert", DataType::Utf8),
        known("sequence", DataType::Int64),
        known("fate", DataType::Utf8),
        known("reason", DataType::Utf8),
        open("inhibitor", DataType::Utf8),
        open("value", DataType::Float64),
        open("needed", DataType::Float64),
        known("kind", DataType::Utf8),
        known("priority", DataType::Utf8),
        known("config", DataType::Utf8),
    ]);
    Arc::new(Schema::new(fields))
});

pub(in crate::archive) fn batch(rows: &[Sourced<Withheld>]) -> Result<RecordBatch, ArrowError> {
    let mut columns = origins(rows, |w| w.patient.as_str(), |w| w.location.as_ref());
    columns.extend([
        time(rows, |w| w.at),
        time(rows, |w| w.onset),
        text(rows, |w| Some(w.alert.to_string())),
        whole(rows, |w| i64::from(w.sequence)),
        text(rows, |w| Some(w.fate.name())),
        text(rows, |w| Some(w.reason.name())),
        text(rows, |w| w.inhibitor.map(|id| id.to_string())),
        number(rows, |w| w.value),
        number(rows, |w| w.needed),
        text(rows, |w| Some(w.kind.name())),
        text(rows, |w| Some(w.priority.name())),
        text(rows, |w| Some(w.config.as_str())),
    ]);
    RecordBatch::try_new(SCHEMA.clone(), columns)
}
