//! The training tables' columns as consent and de-identification see them: whose a row is, what time it is
//! of, what is a label. A column that is not known is refused, so that a new one cannot leave unseen.

use std::sync::Arc;

use anyhow::{Context, bail};
use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Float32Array, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray, UInt32Array,
    },
    compute::{filter_record_batch, take_record_batch},
    datatypes::{DataType, Field, Float32Type, Int64Type, TimeUnit, TimestampMicrosecondType},
};
use bedwatch_schemas::{
    ids::PatientId,
    risk::Head,
    time::{EventTime, Span},
};

use crate::{
    consent::{Consents, Merged, Reason},
    deidentify::{Deidentifier, OLDEST, TOP},
};

/// No label but death looks farther ahead than this: a vasopressor, ventilation, an arrest or sepsis
/// within 6 h, and as much again.
const LOOKAHEAD: Span = Span::hours(12);

/// Columns of text that hold words of our own lists.
const WORDS: [&str; 8] = ["kind", "name", "action", "unit", "sex", "from", "words", "event_codes"];

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Patient,
    Name,
    /// Time that is counted in such steps from the Unix epoch.
    Counted(Span),
    Time,
    Age,
    Label(Option<Head>),
    Value,
}

fn role(field: &Field) -> anyhow::Result<Role> {
    let name = field.name().as_str();
    if let Some(head) = Head::ALL.iter().find(|h| h.name() == name && *field.data_type() == DataType::Boolean)
    {
        return Ok(Role::Label(Some(*head)));
    }
    Ok(match (name, field.data_type()) {
        ("patient", _) => Role::Patient,
        ("source" | "site", _) => Role::Name,
        ("hour", DataType::Int64) => Role::Counted(Span::hours(1)),
        ("minute", DataType::Int64) => Role::Counted(Span::minutes(1)),
        (_, DataType::Timestamp(TimeUnit::Microsecond, _)) => Role::Time,
        ("age_years", DataType::Float32) => Role::Age,
        // Whether the hour had a frame is the engine's; any other yes or no is somebody's later word.
        ("frame", DataType::Boolean) => Role::Value,
        ("words", DataType::Utf8) | (_, DataType::Boolean) => Role::Label(None),
        (_, DataType::Float32 | DataType::Float64 | DataType::Int32) => Role::Value,
        (name, _) if WORDS.contains(&name) => Role::Value,
        (_, DataType::List(item)) if *item.data_type() == DataType::Float32 => Role::Value,
        _ => bail!("the column {name} is not known to the de-identification and does not leave"),
    })
}

fn roles(batch: &RecordBatch) -> anyhow::Result<Vec<Role>> {
    batch.schema().fields().iter().map(|field| role(field)).collect()
}

fn patients(batch: &RecordBatch) -> anyhow::Result<Vec<PatientId>> {
    let column = batch.column_by_name("patient").context("a table without patients")?;
    let ids = column.as_string::<i32>().iter();
    ids.map(|id| Ok(PatientId::new(id.context("a row without a patient")?)?)).collect()
}

/// What is left of a batch.
pub(super) struct Left {
    pub(super) batch: RecordBatch,
    /// Rows that went.
    pub(super) refused: Vec<(PatientId, Reason)>,
    /// Labels that went out of rows that stay.
    pub(super) labels: u64,
}

/// The rows that may leave. A label that may rest on what came after a withdrawal is taken out of a row
/// from before it.
pub(super) fn consented(batch: &RecordBatch, consents: &Consents, merged: &Merged) -> anyhow::Result<Left> {
    let (roles, patients) = (roles(batch)?, patients(batch)?);
    let mut refused = Vec::new();
    let mut stays = Vec::with_capacity(patients.len());
    let mut starts = Vec::with_capacity(patients.len());
    for (row, patient) in patients.iter().enumerate() {
        let stretches =
            roles.iter().zip(batch.columns()).filter_map(|(role, column)| stretch(*role, column, row));
        let stretches: Vec<_> = stretches.collect();
        let refusal =
            stretches.iter().find_map(|(from, to)| consents.refusal_over(patient, merged, *from, *to));
        refused.extend(refusal.map(|reason| (patient.clone(), reason)));
        stays.push(refusal.is_none());
        starts.push(stretches.iter().map(|(from, _)| *from).min());
    }
    let mut labels = 0;
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(roles.len());
    for (role, column) in roles.iter().zip(batch.columns()) {
        let Role::Label(head) = role else {
            columns.push(column.clone());
            continue;
        };
        let mut keep = |row: usize| {
            let Some(from) = starts[row] else { return false };
            let to = match head {
                Some(Head::Death) => EventTime::from_micros(i64::MAX),
                _ => from + LOOKAHEAD,
            };
            let keeps = consents.refusal_over(&patients[row], merged, from, to).is_none();
            labels += u64::from(!keeps && stays[row] && column.is_valid(row));
            keeps
        };
        columns.push(match column.data_type() {
            DataType::Boolean => {
                let values = column.as_boolean().iter().enumerate();
                Arc::new(values.map(|(row, v)| v.filter(|_| keep(row))).collect::<BooleanArray>())
            }
            _ => {
                let values = column.as_string::<i32>().iter().enumerate();
                Arc::new(values.map(|(row, v)| v.filter(|_| keep(row))).collect::<StringArray>())
            }
        });
    }
    let whole = RecordBatch::try_new(batch.schema(), columns)?;
    Ok(Left { batch: filter_record_batch(&whole, &BooleanArray::from(stays))?, refused, labels })
}

/// The time a column says that a row is of.
fn stretch(role: Role, column: &ArrayRef, row: usize) -> Option<(EventTime, EventTime)> {
    if column.is_null(row) {
        return None;
    }
    match role {
        Role::Counted(step) => {
            let from = EventTime::from_micros(column.as_primitive::<Int64Type>().value(row) * step.0);
            Some((from, from + step))
        }
        Role::Time => {
            let at = EventTime::from_micros(column.as_primitive::<TimestampMicrosecondType>().value(row));
            Some((at, at + Span(1)))
        }
        _ => None,
    }
}

/// A batch without whose it is, patient after patient in the order of their pseudonyms, each in its own
/// order: rows of two patients side by side would tell by how much one was moved against the other.
pub(super) fn deidentified(batch: &RecordBatch, names: &Deidentifier) -> anyhow::Result<RecordBatch> {
    let (roles, patients) = (roles(batch)?, patients(batch)?);
    let shifts: Vec<Span> = patients.iter().map(|p| names.shift(p)).collect();
    let schema = batch.schema();
    let columns = roles.iter().zip(schema.fields()).zip(batch.columns()).map(|((role, field), column)| {
        let column: ArrayRef = match role {
            Role::Patient => {
                let ids = patients.iter().map(|p| names.patient(p));
                Arc::new(StringArray::from_iter_values(ids.map(|id| id.as_str().to_owned())))
            }
            Role::Name => {
                let given = column.as_string::<i32>().iter();
                Arc::new(given.map(|name| Some(names.name(field.name(), name?))).collect::<StringArray>())
            }
            Role::Counted(step) => {
                let values = column.as_primitive::<Int64Type>().iter().zip(&shifts);
                Arc::new(values.map(|(v, shift)| Some(v? + shift.0 / step.0)).collect::<Int64Array>())
            }
            Role::Time => {
                let values = column.as_primitive::<TimestampMicrosecondType>().iter().zip(&shifts);
                let moved: TimestampMicrosecondArray = values.map(|(v, shift)| Some(v? + shift.0)).collect();
                let DataType::Timestamp(_, zone) = field.data_type() else { bail!("a time without a type") };
                Arc::new(moved.with_timezone_opt(zone.clone()))
            }
            Role::Age => {
                let values = column.as_primitive::<Float32Type>().iter();
                let told = values.map(|v| v.map(|age| if age > OLDEST { TOP } else { age }));
                Arc::new(told.collect::<Float32Array>())
            }
            Role::Label(_) | Role::Value => column.clone(),
        };
        Ok(column)
    });
    let moved = RecordBatch::try_new(schema.clone(), columns.collect::<anyhow::Result<_>>()?)?;
    let pseudonyms: Vec<PatientId> = patients.iter().map(|p| names.patient(p)).collect();
    let mut order: Vec<u32> = (0..u32::try_from(pseudonyms.len())?).collect();
    order.sort_by_key(|row| &pseudonyms[*row as usize]);
    Ok(take_record_batch(&moved, &UInt32Array::from(order))?)
}

#[cfg(test)]
mod tests;
