//! Rows that come again after a restart, and that the archive holds already.
//!
//! A checkpoint and an archive are two files: between them lies a stretch of the log that is read again
//! while its rows are, wholly or in part, in the archive. By time alone they cannot be told apart (a
//! record late to its cell, a deadline between two cells, a moment shared by two cells), so each row of
//! that stretch is known by what names it, which the same log gives again.

use std::{
    collections::HashSet,
    fs::{self, File},
    path::{Path, PathBuf},
};

use arrow::{
    array::{Array, AsArray, BooleanArray, RecordBatch},
    compute::filter_record_batch,
    datatypes::TimestampMicrosecondType,
    error::ArrowError,
    row::{RowConverter, SortField},
};
use bedwatch_schemas::time::EventTime;
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};

use super::{
    Error,
    tables::{Table, date},
};

/// Half of a BLAKE3 of the table and of what names a row in it.
type Name = [u8; 16];

/// The rows of an archive from a moment on.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// Whatever was known before it is in the archive.
    from: Option<EventTime>,
    names: HashSet<Name>,
    /// When the last of them was known.
    until: Option<EventTime>,
}

impl Again {
    /// Reads the names of the rows that an archive's parts hold from a moment on. A part that cannot be read
    /// is told and passed by: it is no reason to watch no patient.
    pub(super) fn read(folder: &Path, from: EventTime) -> Result<Self, Error> {
        let mut again = Self { from: Some(from), ..Self::default() };
        for table in Table::ALL {
            for part in parts(&folder.join(table.name()), date(from).as_deref())? {
                if let Err(error) = again.part(table, &part) {
                    tracing::error!(%error, "a part of the archive cannot be read; its rows may come twice");
                }
            }
        }
        Ok(again)
    }

    fn part(&mut self, table: Table, path: &Path) -> Result<(), Error> {
        let file = File::open(path).map_err(|e| Error::Io(path.to_owned(), e))?;
        let of_parquet = |source| Error::Parquet { table: table.name(), source };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(of_parquet)?;
        let wanted = table.names().iter().copied().chain([table.known_since()]);
        let columns = ProjectionMask::columns(builder.parquet_schema(), wanted);
        for batch in builder.with_projection(columns).build().map_err(of_parquet)? {
            self.add(table, &batch.map_err(arrow(table))?).map_err(arrow(table))?;
        }
        Ok(())
    }

    fn add(&mut self, table: Table, batch: &RecordBatch) -> Result<(), ArrowError> {
        let times = known_since(table, batch)?;
        for (name, at) in names(table, batch)?.into_iter().zip(times) {
            if self.from.is_none_or(|from| at >= from) {
                self.names.insert(name);
                self.until = self.until.max(Some(at));
            }
        }
        Ok(())
    }

    /// The rows of a batch that are not in the archive.
    pub(super) fn fresh(&self, table: Table, batch: RecordBatch) -> Result<RecordBatch, Error> {
        let Some(from) = self.from else { return Ok(batch) };
        let is_new = || -> Result<BooleanArray, ArrowError> {
            let times = known_since(table, &batch)?;
            let names = names(table, &batch)?;
            Ok(names.iter().zip(times).map(|(n, at)| Some(at >= from && !self.names.contains(n))).collect())
        };
        let is_new = is_new().map_err(arrow(table))?;
        if is_new.true_count() == batch.num_rows() {
            return Ok(batch);
        }
        filter_record_batch(&batch, &is_new).map_err(arrow(table))
    }

    /// Everything up to `mark` has come: nothing of what is held here comes any more.
    pub(super) fn passed(&mut self, mark: EventTime) {
        if self.until.is_none_or(|until| until < mark) {
            *self = Self::default();
        }
    }
}

/// The parts of a table from a day on.
fn parts(folder: &Path, from: Option<&str>) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let list = |at: &Path| -> Result<Vec<PathBuf>, Error> {
        let io = |e| Error::Io(at.to_owned(), e);
        match fs::read_dir(at) {
            Ok(entries) => entries.map(|e| e.map(|e| e.path()).map_err(io)).collect(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(io(e)),
        }
    };
    for day in list(folder)? {
        let name = day.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let is_of = name.strip_prefix("date=").is_some_and(|day| from.is_none_or(|from| day >= from));
        if is_of {
            found.extend(list(&day)?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "parquet")));
        }
    }
    found.sort();
    Ok(found)
}

fn known_since(table: Table, batch: &RecordBatch) -> Result<Vec<EventTime>, ArrowError> {
    let column = named(batch, table.known_since())?;
    let times = column.as_primitive_opt::<TimestampMicrosecondType>();
    let times =
        times.ok_or_else(|| ArrowError::SchemaError(format!("{} is no time", table.known_since())))?;
    Ok(times.values().iter().map(|t| EventTime::from_micros(*t)).collect())
}

fn names(table: Table, batch: &RecordBatch) -> Result<Vec<Name>, ArrowError> {
    let columns = table.names().iter().map(|n| named(batch, n).cloned()).collect::<Result<Vec<_>, _>>()?;
    let fields = columns.iter().map(|c| SortField::new(c.data_type().clone())).collect();
    let rows = RowConverter::new(fields)?.convert_columns(&columns)?;
    let name = |row: arrow::row::Row<'_>| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(table.name().as_bytes()).update(&[0]).update(row.as_ref());
        let mut name = Name::default();
        hasher.finalize_xof().fill(&mut name);
        name
    };
    Ok(rows.iter().map(name).collect())
}

fn named<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a arrow::array::ArrayRef, ArrowError> {
    batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("it has no column {name}")))
}

fn arrow(table: Table) -> impl Fn(ArrowError) -> Error {
    move |source| Error::Arrow { table: table.name(), source }
}
