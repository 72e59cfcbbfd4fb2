//! `hours.parquet`: one row for each patient and clock hour, from the stay's start (where the engine's grid
//! begins, at most [`GRID_HOURS`] before the first frame) to the last frame or the last labelled hour.
//!
//! A row holds what the engine's hourly grid held of its hour in the hour's last frame: what had come by
//! then, plausible values only. A value that came after its hour had closed is not in the table, just as
//! no model could have read it in time. Hours without a frame have no values beside the stay's facts; their
//! labels stand.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, Float32Array, Int32Array, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use bedwatch_schemas::{
    event::{Sex, UnitKind},
    frame::{FeatureFrame, GRID_HOURS, hour_of},
    ids::PatientId,
    risk::Head,
    signal::Signal,
    time::EventTime,
};

use super::table::Origin;
use crate::replay::labels::Truth;

/// The heads whose labels stand in the table.
const LABELS: [Head; 3] = [Head::Sepsis, Head::Deterioration, Head::Death];

/// What is known of a stay at a frame.
#[derive(Debug, Clone, Copy)]
struct Facts {
    stay_start: EventTime,
    hospital_admitted_at: Option<EventTime>,
    age_years: Option<f32>,
    sex: Option<Sex>,
    unit: Option<UnitKind>,
}

/// An hour with a frame.
#[derive(Debug, Clone)]
struct Hour {
    /// `Signal::COUNT` values, `NaN` where nothing was observed.
    values: Vec<f32>,
    facts: Facts,
}

/// The hours of the patients of one source.
#[derive(Debug, Default)]
pub(super) struct Hours(BTreeMap<PatientId, BTreeMap<i64, Hour>>);

/// A row of the table; without a frame it has no values.
struct Row<'a> {
    patient: &'a str,
    hour: i64,
    index: i64,
    values: Option<&'a [f32]>,
    facts: Facts,
}

/// The columns.
pub(super) fn schema() -> SchemaRef {
    let mut fields = Origin::fields();
    fields.extend([
        Field::new("hour", DataType::Int64, false),
        Field::new("hour_index", DataType::Int32, false),
        Field::new("frame", DataType::Boolean, false),
        Field::new("hours_since_stay_start", DataType::Int32, false),
        Field::new("hours_since_hospital_admission", DataType::Float32, true),
        Field::new("age_years", DataType::Float32, true),
        Field::new("sex", DataType::Utf8, true),
        Field::new("unit", DataType::Utf8, true),
    ]);
    fields.extend(Signal::ALL.iter().map(|s| Field::new(s.name(), DataType::Float32, true)));
    fields.extend(LABELS.map(|head| Field::new(head.name(), DataType::Boolean, true)));
    Arc::new(Schema::new(fields))
}

impl Hours {
    /// Takes what a frame holds of its own hour, and of the hour before where that ends with it.
    pub(super) fn frame(&mut self, frame: &FeatureFrame) {
        let hour = hour_of(frame.at);
        let facts = Facts {
            stay_start: frame.stay_start,
            hospital_admitted_at: frame.hospital_admitted_at,
            age_years: frame.demographics.age_years,
            sex: frame.demographics.sex,
            unit: frame.unit,
        };
        let stay = self.0.entry(frame.patient.clone()).or_default();
        if hour_of(frame.at - bedwatch_schemas::time::Span(1)) < hour
            && let (Some(before), Some(row)) = (stay.get_mut(&(hour - 1)), frame.grid.row(hour - 1))
        {
            before.values = row.to_vec();
        }
        if let Some(row) = frame.grid.row(hour) {
            stay.insert(hour, Hour { values: row.to_vec(), facts });
        }
    }

    /// The rows of all patients.
    pub(super) fn batch(&self, origin: Origin<'_>, truth: &Truth) -> anyhow::Result<RecordBatch> {
        // Labels are of the source: which patient they are of is known where there is one.
        let end = truth.last_hour().filter(|_| self.0.len() == 1);
        let rows: Vec<Row<'_>> = self.0.iter().flat_map(|(id, stay)| rows(id.as_str(), stay, end)).collect();
        let mut columns = origin.columns(rows.iter().map(|r| r.patient));
        columns.extend(facts(&rows));
        for signal in Signal::ALL {
            let value = |r: &Row<'_>| r.values.map(|v| v[signal.index()]).filter(|x| !x.is_nan());
            columns.push(Arc::new(rows.iter().map(value).collect::<Float32Array>()));
        }
        for head in LABELS {
            let label = |r: &Row<'_>| truth.at(head, r.hour);
            columns.push(Arc::new(rows.iter().map(label).collect::<BooleanArray>()));
        }
        Ok(RecordBatch::try_new(schema(), columns)?)
    }
}

/// Every hour from the start of a stay to its last, or to `end` where that is later; one without a frame
/// keeps the facts known before, one before the first frame has its facts.
fn rows<'a>(patient: &'a str, stay: &'a BTreeMap<i64, Hour>, end: Option<i64>) -> Vec<Row<'a>> {
    let (Some((&first, hour)), Some((&last, _))) = (stay.first_key_value(), stay.last_key_value()) else {
        return Vec::new();
    };
    let mut facts = hour.facts;
    let earliest = first - i64::try_from(GRID_HOURS).unwrap_or(i64::MAX) + 1;
    let first = hour_of(facts.stay_start).clamp(earliest, first);
    (first..=end.map_or(last, |end| end.max(last)))
        .map(|hour| {
            let found = stay.get(&hour);
            facts = found.map_or(facts, |h| h.facts);
            let values = found.map(|h| h.values.as_slice());
            Row { patient, hour, index: hour - first, values, facts }
        })
        .collect()
}

fn facts(rows: &[Row<'_>]) -> Vec<ArrayRef> {
    let int = |of: &dyn Fn(&Row<'_>) -> i64| -> ArrayRef {
        Arc::new(rows.iter().map(|r| Some(i32::try_from(of(r)).unwrap_or(i32::MAX))).collect::<Int32Array>())
    };
    let since = |r: &Row<'_>| r.hour - hour_of(r.facts.stay_start);
    let hospital = |r: &Row<'_>| {
        let before = r.facts.stay_start.since(r.facts.hospital_admitted_at?).as_hours_f64();
        Some((since(r) as f64 + before) as f32)
    };
    let sex = |r: &Row<'_>| r.facts.sex.map(|s| if s == Sex::Female { "female" } else { "male" });
    vec![
        Arc::new(rows.iter().map(|r| Some(r.hour)).collect::<Int64Array>()),
        int(&|r| r.index),
        Arc::new(rows.iter().map(|r| Some(r.values.is_some())).collect::<BooleanArray>()),
        int(&since),
        Arc::new(rows.iter().map(hospital).collect::<Float32Array>()),
        Arc::new(rows.iter().map(|r| r.facts.age_years).collect::<Float32Array>()),
        Arc::new(rows.iter().map(sex).collect::<StringArray>()),
        Arc::new(rows.iter().map(|r| r.facts.unit.map(UnitKind::name)).collect::<StringArray>()),
    ]
}
