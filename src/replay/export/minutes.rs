//! `minutes.parquet`: one row for each patient and minute in which a monitor numeric was measured: the
//! last plausible value of each signal in the minute, as the engine's windows hold it.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Float32Array, Int64Array, RecordBatch},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use bedwatch_schemas::{
    frame::FeatureFrame,
    ids::PatientId,
    signal::{Signal, SignalClass},
    time::{EventTime, Span},
};

use super::table::Origin;

/// The minutes of the patients of one source.
#[derive(Debug, Default)]
pub(super) struct Minutes(BTreeMap<PatientId, BTreeMap<i64, BTreeMap<Signal, f32>>>);

fn vitals() -> impl Iterator<Item = Signal> {
    Signal::ALL.iter().copied().filter(|s| s.info().class == SignalClass::Vital)
}

/// The columns.
pub(super) fn schema() -> SchemaRef {
    let mut fields = Origin::fields();
    fields.push(Field::new("minute", DataType::Int64, false));
    fields.extend(vitals().map(|s| Field::new(s.name(), DataType::Float32, true)));
    Arc::new(Schema::new(fields))
}

/// The minute of a time, counted from the Unix epoch.
const fn minute_of(at: EventTime) -> i64 {
    at.as_micros().div_euclid(Span::minutes(1).0)
}

impl Minutes {
    /// Takes what was measured in the last minute before a frame.
    pub(super) fn frame(&mut self, frame: &FeatureFrame) {
        let recent = frame.vitals.iter().filter(|v| frame.at.since(v.at) <= Span::minutes(1));
        for vital in recent {
            let stay = self.0.entry(frame.patient.clone()).or_default();
            stay.entry(minute_of(vital.at)).or_default().insert(vital.signal, vital.last as f32);
        }
    }

    /// The rows of all patients.
    pub(super) fn batch(&self, origin: Origin<'_>) -> anyhow::Result<RecordBatch> {
        let rows: Vec<_> = self
            .0
            .iter()
            .flat_map(|(id, stay)| stay.iter().map(move |(m, v)| (id.as_str(), *m, v)))
            .collect();
        let mut columns = origin.columns(rows.iter().map(|r| r.0));
        columns.push(Arc::new(rows.iter().map(|r| Some(r.1)).collect::<Int64Array>()));
        for signal in vitals() {
            let values = rows.iter().map(|r| r.2.get(&signal).copied());
            columns.push(Arc::new(values.collect::<Float32Array>()));
        }
        Ok(RecordBatch::try_new(schema(), columns)?)
    }
}
