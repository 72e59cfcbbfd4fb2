//! An answer in the form asked for.

use std::io::{ErrorKind, Write};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
    ipc::writer::StreamWriter,
    json::ArrayWriter,
    util::pretty::pretty_format_batches,
};
use datafusion::{dataframe::DataFrame, physical_plan::SendableRecordBatchStream};
use futures::StreamExt;

use super::{Error, MAX_TABLE};

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// An array of objects; what is unknown is absent.
    Json,
    /// RFC 4180 with a header; what is unknown is empty, and no text is a formula to a spreadsheet.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Rows.
    pub rows: usize,
}

/// Runs a question and writes its answer as it comes; a table is written when it is whole. A reader that
/// goes away ends it.
///
/// # Errors
/// When the question fails on the way or the answer cannot be written.
pub async fn write(asked: DataFrame, format: Format, out: &mut dyn Write) -> Result<Told, Error> {
    let schema: std::sync::Arc<Schema> = asked.schema().inner().clone();
    let mut rows = asked.execute_stream().await?;
    let done = match format {
        Format::Table => table(&schema, &mut rows, &mut *out).await,
        Format::Json => json(&mut rows, &mut *out).await,
        Format::Csv => csv(&schema, &mut rows, &mut *out).await,
        Format::Arrow => ipc(&schema, &mut rows, &mut *out).await,
    };
    let done = match done {
        Ok(told) => out.flush().map(|()| told).map_err(Error::Write),
        failed => failed,
    };
    match done {
        Err(Error::Write(e)) if e.kind() == ErrorKind::BrokenPipe => Ok(Told::default()),
        Err(Error::Engine(said)) if said.contains("Broken pipe") => Ok(Told::default()),
        done => done,
    }
}

async fn next(rows: &mut SendableRecordBatchStream) -> Result<Option<RecordBatch>, Error> {
    Ok(rows.next().await.transpose()?)
}

async fn table(
    schema: &std::sync::Arc<Schema>,
    rows: &mut SendableRecordBatchStream,
    out: &mut dyn Write,
) -> Result<Told, Error> {
    let mut all = vec![RecordBatch::new_empty(schema.clone())];
    let mut bytes = 0;
    while let Some(batch) = next(rows).await? {
        bytes += batch.get_array_memory_size();
        if bytes > MAX_TABLE {
            return Err(Error::TooLarge);
        }
        all.push(batch);
    }
    writeln!(out, "{}", pretty_format_batches(&all)?)?;
    Ok(Told { rows: all.iter().map(RecordBatch::num_rows).sum() })
}

async fn json(rows: &mut SendableRecordBatchStream, out: &mut dyn Write) -> Result<Told, Error> {
    let mut told = Told::default();
    let mut writer = ArrayWriter::new(&mut *out);
    while let Some(batch) = next(rows).await? {
        told.rows += batch.num_rows();
        writer.write(&batch)?;
    }
    writer.finish()?;
    writeln!(out)?;
    Ok(told)
}

async fn csv(
    schema: &std::sync::Arc<Schema>,
    rows: &mut SendableRecordBatchStream,
    out: &mut dyn Write,
) -> Result<Told, Error> {
    let mut told = Told::default();
    let mut writer = arrow::csv::WriterBuilder::new().with_header(true).build(&mut *out);
    // The header, also of an answer without rows.
    writer.write(&harmless(&RecordBatch::new_empty(schema.clone()))?)?;
    while let Some(batch) = next(rows).await? {
        told.rows += batch.num_rows();
        writer.write(&harmless(&batch)?)?;
    }
    Ok(told)
}

async fn ipc(
    schema: &std::sync::Arc<Schema>,
    rows: &mut SendableRecordBatchStream,
    out: &mut dyn Write,
) -> Result<Told, Error> {
    let mut told = Told::default();
    let mut writer = StreamWriter::try_new(&mut *out, schema)?;
    while let Some(batch) = next(rows).await? {
        told.rows += batch.num_rows();
        writer.write(&batch)?;
    }
    writer.finish()?;
    Ok(told)
}

/// The same rows with texts that a spreadsheet would take for formulas quoted as text.
fn harmless(batch: &RecordBatch) -> Result<RecordBatch, Error> {
    let columns: Vec<ArrayRef> = batch.columns().iter().map(plain).collect::<Result<_, _>>()?;
    let fields: Vec<Field> = batch
        .schema()
        .fields()
        .iter()
        .zip(&columns)
        .map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true))
        .collect();
    Ok(RecordBatch::try_new(std::sync::Arc::new(Schema::new(fields)), columns)?)
}

fn plain(column: &ArrayRef) -> Result<ArrayRef, Error> {
    let texts = match column.data_type() {
        DataType::Utf8 => column.clone(),
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Dictionary(_, _) => {
            arrow::compute::cast(column, &DataType::Utf8)?
        }
        _ => return Ok(column.clone()),
    };
    let harmless: StringArray = texts.as_string::<i32>().iter().map(|text| text.map(quoted)).collect();
    Ok(std::sync::Arc::new(harmless))
}

fn quoted(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_a_formula_to_a_spreadsheet() {
        for (text, want) in [("=1+1", "'=1+1"), ("@x", "'@x"), ("-a", "'-a"), ("bed 4", "bed 4"), ("", "")] {
            assert_eq!(quoted(text), want);
        }
    }
}
