//! Columns out of rows.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, StringArray,
        TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, TimeUnit},
};
use bedwatch_schemas::{ids::Location, time::EventTime};

/// A row with the name of its source.
pub type Sourced<T> = (Arc<str>, T);

/// The type of a time.
pub(super) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// A column that every row has.
pub(super) fn known(name: &str, of: DataType) -> Field {
    Field::new(name, of, false)
}

/// A column that may be unknown.
pub(super) fn open(name: &str, of: DataType) -> Field {
    Field::new(name, of, true)
}

/// The first columns of every table.
pub(super) fn origin() -> Vec<Field> {
    vec![
        known("source", DataType::Utf8),
        known("patient", DataType::Utf8),
        open("unit", DataType::Utf8),
        open("bed", DataType::Utf8),
    ]
}

/// Their values.
pub(super) fn origins<'a, T>(
    rows: &'a [Sourced<T>],
    patient: impl Fn(&'a T) -> &'a str,
    location: impl Fn(&'a T) -> Option<&'a Location>,
) -> Vec<ArrayRef> {
    vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(source, _)| &**source))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, row)| patient(row)))),
        text(rows, |row| location(row).map(|l| l.unit.as_str())),
        text(rows, |row| location(row).map(|l| l.bed.as_str())),
    ]
}

pub(super) fn text<'a, T, S: AsRef<str>>(
    rows: &'a [Sourced<T>],
    of: impl Fn(&'a T) -> Option<S>,
) -> ArrayRef {
    Arc::new(rows.iter().map(|(_, row)| of(row)).collect::<StringArray>())
}

pub(super) fn time<'a, T>(rows: &'a [Sourced<T>], of: impl Fn(&'a T) -> EventTime) -> ArrayRef {
    let array: TimestampMicrosecondArray = rows.iter().map(|(_, row)| Some(of(row).as_micros())).collect();
    Arc::new(array.with_timezone("UTC"))
}

pub(super) fn number<'a, T>(rows: &'a [Sourced<T>], of: impl Fn(&'a T) -> Option<f64>) -> ArrayRef {
    Arc::new(rows.iter().map(|(_, row)| of(row)).collect::<Float64Array>())
}

pub(super) fn single<'a, T>(rows: &'a [Sourced<T>], of: impl Fn(&'a T) -> Option<f32>) -> ArrayRef {
    Arc::new(rows.iter().map(|(_, row)| of(row)).collect::<Float32Array>())
}

pub(super) fn truth<'a, T>(rows: &'a [Sourced<T>], of: impl Fn(&'a T) -> Option<bool>) -> ArrayRef {
    Arc::new(rows.iter().map(|(_, row)| of(row)).collect::<BooleanArray>())
}

pub(super) fn small<'a, T>(rows: &'a [Sourced<T>], of: impl Fn(&'a T) -> i32) -> ArrayRef {
    Arc::new(rows.iter().map(|(_, row)| Some(of(row))).collect::<Int32Array>())
}

pub(super) fn whole<'a, T>(rows: &'a [Sourced<T>], of: impl Fn(&'a T) -> i64) -> ArrayRef {
    Arc::new(rows.iter().map(|(_, row)| Some(of(row))).collect::<Int64Array>())
}
