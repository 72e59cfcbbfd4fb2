//! `frames`: the dictionary of columns (`bedwatch config columns`) of each frame kept. True and false
//! are Booleans, everything else is a number in the column's unit.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Schema, SchemaRef},
    error::ArrowError,
};
use bedwatch_schemas::column::{Column, Measure};

use super::columns::{Sourced, known, number, open, origin, origins, time, time_type, truth};
use crate::engine::keep::Snapshot;

pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = origin();
    fields.push(known("at", time_type()));
    fields.extend(Column::all().map(|column| {
        let of = if is_truth(column) { DataType::Boolean } else { DataType::Float64 };
        open(column.name(), of)
    }));
    Arc::new(Schema::new(fields))
});

fn is_truth(column: Column) -> bool {
    column.info().measure == Measure::Truth
}

pub(in crate::archive) fn batch(rows: &[Sourced<Snapshot>]) -> Result<RecordBatch, ArrowError> {
    let mut columns = origins(rows, |s| s.patient.as_str(), |s| s.location.as_ref());
    columns.push(time(rows, |s| s.at));
    columns.extend(Column::all().enumerate().map(|(i, column)| {
        let value = move |s: &Snapshot| s.values.get(i).copied().flatten();
        if is_truth(column) { truth(rows, |s| value(s).map(|v| v != 0.0)) } else { number(rows, value) }
    }));
    RecordBatch::try_new(SCHEMA.clone(), columns)
}
