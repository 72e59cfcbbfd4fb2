//! `moments.parquet`: what the engine knew of a patient at single moments at finer scales than the hour,
//! exactly as the encoders of single modalities are given it, with the moment's labels.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BooleanArray, Float32Array, Float32Builder, ListBuilder, RecordBatch, StringArray,
        StringBuilder,
    },
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use bedwatch_features::PatientState;
use bedwatch_inference::encoder::Encoder;
use bedwatch_schemas::{
    frame::FeatureFrame,
    ids::PatientId,
    recent::{Recent, Track},
    risk::Head,
    time::{EventTime, Span},
};

use super::table::{Origin, time, times};
use crate::replay::labels::Truth;

/// With EEG under way a patient is looked at this often.
const EEG_EVERY: Span = Span::secs(20);

struct Moment {
    patient: PatientId,
    at: EventTime,
    since_stay_start: Span,
    embedding: Vec<f32>,
    recent: Recent,
}

/// The moments of the patients of one source.
pub(super) struct Moments {
    every: Span,
    encoder: Option<Arc<Encoder>>,
    rows: Vec<Moment>,
    last: BTreeMap<PatientId, EventTime>,
    readings: BTreeMap<PatientId, Vec<(EventTime, f64)>>,
    fault: Option<String>,
}

fn floats(name: &str) -> Field {
    Field::new(name, DataType::List(Arc::new(Field::new_list_field(DataType::Float32, true))), true)
}

/// The columns.
pub(super) fn schema() -> SchemaRef {
    let mut fields = Origin::fields();
    fields.extend([time("at"), Field::new("hours_since_stay_start", DataType::Float32, false)]);
    fields.push(floats("embedding"));
    fields.extend(Track::ALL.map(|track| floats(track.name())));
    let names = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    fields.push(Field::new("event_codes", names, true));
    fields.extend([floats("event_values"), floats("event_hours_ago")]);
    fields.extend(Head::ALL.map(|head| Field::new(head.name(), DataType::Boolean, true)));
    fields.push(Field::new("failing", DataType::Boolean, true));
    fields.push(Field::new("words", DataType::Utf8, true));
    Arc::new(Schema::new(fields).with_metadata([("tracks".to_owned(), layout())].into()))
}

/// Rows and columns of the tracks, for whoever reads the lists.
fn layout() -> String {
    let track = |t: Track| serde_json::json!({"name": t.name(), "rows": t.rows(), "columns": t.columns()});
    serde_json::Value::from(Track::ALL.map(track).to_vec()).to_string()
}

impl Moments {
    pub(super) fn new(every: Span, encoder: Option<Arc<Encoder>>) -> Self {
        let (rows, last, readings) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { every, encoder, rows, last, readings, fault: None }
    }

    /// What went wrong, if anything did.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Takes a frame and what the state knows at its time, if the last moment is long enough ago.
    pub(super) fn frame(&mut self, frame: &FeatureFrame, state: &PatientState) {
        if let Some(glucose) = &frame.glucose {
            let readings = self.readings.entry(frame.patient.clone()).or_default();
            if readings.last().is_none_or(|r| r.0 < glucose.at) {
                readings.push((glucose.at, glucose.last_mg_dl));
            }
        }
        let has_eeg = frame.eeg.as_ref().is_some_and(|e| frame.at.since(e.at) <= Span::secs(1));
        let every = if has_eeg { self.every.min(EEG_EVERY) } else { self.every };
        if self.last.get(&frame.patient).is_some_and(|last| frame.at.since(*last) < every) {
            return;
        }
        let embedding = match self.encoder.as_ref().map(|encoder| encoder.assess(frame)) {
            None => Vec::new(),
            Some(Ok((_, embedding))) => embedding,
            Some(Err(error)) => {
                self.fault = Some(error.to_string());
                return;
            }
        };
        self.last.insert(frame.patient.clone(), frame.at);
        self.rows.push(Moment {
            patient: frame.patient.clone(),
            at: frame.at,
            since_stay_start: frame.at.since(frame.stay_start),
            embedding,
            recent: state.recent(frame.at),
        });
    }

    /// The rows of all patients, with their labels.
    pub(super) fn batch(&self, origin: Origin<'_>, truth: &Truth) -> anyhow::Result<RecordBatch> {
        let mut rows: Vec<&Moment> = self.rows.iter().collect();
        rows.sort_by(|a, b| (&a.patient, a.at).cmp(&(&b.patient, b.at)));
        let mut columns: Vec<ArrayRef> = origin.columns(rows.iter().map(|r| r.patient.as_str()));
        columns.push(times(rows.iter().map(|r| r.at)));
        let hours = rows.iter().map(|r| Some(r.since_stay_start.as_hours_f64() as f32));
        columns.push(Arc::new(hours.collect::<Float32Array>()));
        columns.push(lists(rows.iter().map(|r| present(&r.embedding))));
        for track in Track::ALL {
            columns.push(lists(rows.iter().map(|r| present(r.recent.track(track)))));
        }
        columns.push(codes(&rows));
        let of_events = |value: fn(&Moment, usize) -> Option<f32>| {
            lists(rows.iter().map(|r| Some((0..r.recent.events.len()).map(|i| value(r, i)).collect())))
        };
        columns.push(of_events(|r, i| r.recent.events[i].value));
        columns.push(of_events(|r, i| Some(r.at.since(r.recent.events[i].at).as_hours_f64() as f32)));
        for head in Head::ALL {
            let label = |r: &&Moment| {
                let readings = self.readings.get(&r.patient).map_or(&[][..], Vec::as_slice);
                truth.moment(head, r.at, readings)
            };
            columns.push(Arc::new(rows.iter().map(label).collect::<BooleanArray>()));
        }
        columns.push(Arc::new(rows.iter().map(|r| truth.failing(r.at)).collect::<BooleanArray>()));
        columns.push(Arc::new(rows.iter().map(|r| truth.words(r.at)).collect::<StringArray>()));
        Ok(RecordBatch::try_new(schema(), columns)?)
    }
}

/// `None` where there is nothing; missing values are null.
fn present(values: &[f32]) -> Option<Vec<Option<f32>>> {
    (!values.is_empty()).then(|| values.iter().map(|x| x.is_finite().then_some(*x)).collect())
}

fn lists(rows: impl Iterator<Item = Option<Vec<Option<f32>>>>) -> ArrayRef {
    let mut builder = ListBuilder::new(Float32Builder::new());
    for row in rows {
        let is_there = row.is_some();
        row.into_iter().flatten().for_each(|x| builder.values().append_option(x));
        builder.append(is_there);
    }
    Arc::new(builder.finish())
}

fn codes(rows: &[&Moment]) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for row in rows {
        row.recent.events.iter().for_each(|e| builder.values().append_value(e.code.name()));
        builder.append(true);
    }
    Arc::new(builder.finish())
}
