//! `risks`: a row for each encoder pass and each new second of EEG, as in `risks.parquet` of a replay,
//! with the bundles that spoke.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Schema, SchemaRef},
    error::ArrowError,
};
use bedwatch_schemas::{
    risk::{Certainty, Head, ModelRef},
    score::ScoreKind,
};

use super::columns::{Sourced, known, number, open, origin, origins, single, text, time, time_type, truth};
use crate::archive::rows::RiskOf;

pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = origin();
    fields.push(known("at", time_type()));
    fields.extend(Head::ALL.map(|h| open(&format!("{}_risk", h.name()), DataType::Float32)));
    fields.extend(Head::ALL.map(|h| open(&format!("{}_certainty", h.name()), DataType::Utf8)));
    fields.push(open("distance", DataType::Float32));
    fields.push(open("unfamiliar", DataType::Boolean));
    fields.extend(ScoreKind::ALL.map(|s| open(s.name(), DataType::Float64)));
    fields.push(open("seizure_score", DataType::Float64));
    fields.push(open("glucose_forecast_mg_dl", DataType::Float64));
    fields.push(open("encoder", DataType::Utf8));
    fields.push(open("fusion", DataType::Utf8));
    Arc::new(Schema::new(fields))
});

pub(in crate::archive) fn batch(rows: &[Sourced<RiskOf>]) -> Result<RecordBatch, ArrowError> {
    let mut columns = origins(rows, |r| r.row.patient.as_str(), |r| r.location.as_ref());
    columns.push(time(rows, |r| r.row.at));
    for i in 0..Head::COUNT {
        columns.push(single(rows, |r| r.row.probabilities[i]));
    }
    for i in 0..Head::COUNT {
        columns.push(text(rows, |r| r.row.certainties[i].map(Certainty::name)));
    }
    columns.push(single(rows, |r| r.row.distance));
    columns.push(truth(rows, |r| r.row.unfamiliar));
    for i in 0..ScoreKind::ALL.len() {
        columns.push(number(rows, |r| r.row.scores[i]));
    }
    columns.push(number(rows, |r| r.row.seizure_score));
    columns.push(number(rows, |r| r.row.glucose_forecast_mg_dl));
    columns.push(text(rows, |r| r.encoder.as_ref().map(said)));
    columns.push(text(rows, |r| r.fusion.as_ref().map(said)));
    RecordBatch::try_new(SCHEMA.clone(), columns)
}

/// A bundle's name and version in a word.
fn said(model: &ModelRef) -> String {
    format!("{} {}", model.name, model.version)
}
