//! One Parquet file, written a source at a time.

use std::{fs::File, path::Path};

use anyhow::Context;
use arrow::{
    array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, SchemaRef, TimeUnit},
};
use bedwatch_schemas::time::EventTime;
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};

/// Rows of a row group: what a reader must hold at a time.
const GROUP_ROWS: usize = 1 << 17;

/// Where a stay is from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    /// The source's name: the record.
    pub(super) source: &'a str,
    /// The folder it lies in.
    pub(super) site: &'a str,
}

impl Origin<'_> {
    /// The first columns of every table.
    pub(super) fn fields() -> Vec<Field> {
        ["source", "patient", "site"].map(|name| Field::new(name, DataType::Utf8, false)).to_vec()
    }

    /// The first columns, with the patient of each row.
    pub(super) fn columns<'p>(self, patients: impl ExactSizeIterator<Item = &'p str>) -> Vec<ArrayRef> {
        let n = patients.len();
        let patients = StringArray::from_iter_values(patients);
        let same = |text: &str| -> ArrayRef {
            std::sync::Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, n)))
        };
        vec![same(self.source), std::sync::Arc::new(patients), same(self.site)]
    }
}

/// A column of times.
pub(super) fn time(name: &str) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false)
}

/// The values of one.
pub(super) fn times(times: impl Iterator<Item = EventTime>) -> ArrayRef {
    let array: TimestampMicrosecondArray = times.map(|t| Some(t.as_micros())).collect();
    std::sync::Arc::new(array.with_timezone("UTC"))
}

/// A file being written.
pub(super) struct Table {
    name: &'static str,
    writer: ArrowWriter<File>,
    rows: u64,
}

impl Table {
    pub(super) fn create(folder: &Path, name: &'static str, schema: SchemaRef) -> anyhow::Result<Self> {
        let path = folder.join(format!("{name}.parquet"));
        let file = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        Ok(Self { name, writer: ArrowWriter::try_new(file, schema, Some(properties))?, rows: 0 })
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        self.rows += batch.num_rows() as u64;
        if batch.num_rows() > 0 {
            self.writer.write(batch)?;
        }
        Ok(())
    }

    /// Ends the file and gives its number of rows.
    pub(super) fn close(self) -> anyhow::Result<u64> {
        self.writer.close()?;
        Ok(self.rows)
    }
}
