//! `risks.parquet`: one row for each encoder pass and each new second of EEG, in the order of sources
//! and time. Columns of heads are calibrated probabilities, with what their prediction sets say (`low`,
//! `unsure`, `high`) and how far the picture lies from the training's; scores, `seizure_score` and the glucose
//! forecast are rules.

use std::{fs::File, path::Path, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BooleanArray, Float32Array, Float64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use bedwatch_schemas::{
    risk::{Certainty, Head},
    score::ScoreKind,
};
use parquet::arrow::ArrowWriter;

use super::Outcome;

/// Writes the file.
///
/// # Errors
/// When it cannot be written.
pub fn write(outcomes: &[Outcome], path: &Path) -> anyhow::Result<()> {
    let mut fields = vec![
        Field::new("source", DataType::Utf8, false),
        Field::new("patient", DataType::Utf8, false),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
    ];
    fields.extend(Head::ALL.map(|h| Field::new(format!("{}_risk", h.name()), DataType::Float32, true)));
    fields.extend(Head::ALL.map(|h| Field::new(format!("{}_certainty", h.name()), DataType::Utf8, true)));
    fields.push(Field::new("distance", DataType::Float32, true));
    fields.push(Field::new("unfamiliar", DataType::Boolean, true));
    fields.extend(ScoreKind::ALL.map(|s| Field::new(s.name(), DataType::Float64, true)));
    fields.push(Field::new("seizure_score", DataType::Float64, true));
    fields.push(Field::new("glucose_forecast_mg_dl", DataType::Float64, true));
    let schema = Arc::new(Schema::new(fields));
    let mut writer = ArrowWriter::try_new(File::create(path)?, schema.clone(), None)?;
    for outcome in outcomes.iter().filter(|o| !o.risks.is_empty()) {
        writer.write(&batch(outcome, &schema)?)?;
    }
    writer.close()?;
    Ok(())
}

fn batch(outcome: &Outcome, schema: &Arc<Schema>) -> anyhow::Result<RecordBatch> {
    let rows = &outcome.risks;
    let at: TimestampMicrosecondArray = rows.iter().map(|r| Some(r.at.as_micros())).collect();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|_| outcome.name.as_str()))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.patient.as_str()))),
        Arc::new(at.with_timezone("UTC")),
    ];
    for i in 0..Head::ALL.len() {
        columns.push(Arc::new(rows.iter().map(|r| r.probabilities[i]).collect::<Float32Array>()));
    }
    for i in 0..Head::ALL.len() {
        let names = rows.iter().map(|r| r.certainties[i].map(Certainty::name));
        columns.push(Arc::new(names.collect::<StringArray>()));
    }
    columns.push(Arc::new(rows.iter().map(|r| r.distance).collect::<Float32Array>()));
    columns.push(Arc::new(rows.iter().map(|r| r.unfamiliar).collect::<BooleanArray>()));
    for i in 0..ScoreKind::ALL.len() {
        columns.push(Arc::new(rows.iter().map(|r| r.scores[i]).collect::<Float64Array>()));
    }
    columns.push(Arc::new(rows.iter().map(|r| r.seizure_score).collect::<Float64Array>()));
    columns.push(Arc::new(rows.iter().map(|r| r.glucose_forecast_mg_dl).collect::<Float64Array>()));
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}
