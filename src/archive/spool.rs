//! A file of rows that is still being written: an Arrow IPC stream, of which everything but the last
//! batch can be read whatever became of its writer. When it is full it becomes a part.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use arrow::{
    array::RecordBatch,
    error::ArrowError,
    ipc::{reader::StreamReader, writer::StreamWriter},
};
use bedwatch_schemas::time::EventTime;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use super::{Error, tables::Table};

/// A spool open for writing.
pub(super) struct Spool {
    table: Table,
    path: PathBuf,
    writer: StreamWriter<BufWriter<File>>,
    /// Bytes of the batches in memory, which is about what the file holds.
    pub(super) bytes: u64,
    /// When the first row was known.
    pub(super) first: EventTime,
}

impl Spool {
    pub(super) fn create(table: Table, path: PathBuf, first: EventTime) -> Result<Self, Error> {
        let file = File::create_new(&path).map_err(|e| Error::Io(path.clone(), e))?;
        let writer = StreamWriter::try_new(BufWriter::new(file), &table.schema()).map_err(arrow(table))?;
        Ok(Self { table, path, writer, bytes: 0, first })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.bytes += batch.get_array_memory_size() as u64;
        self.writer.write(batch).map_err(arrow(self.table))
    }

    /// Everything written survives the process and the machine.
    pub(super) fn sync(&mut self) -> Result<(), Error> {
        let io = |e| Error::Io(self.path.clone(), e);
        self.writer.get_mut().flush().map_err(io)?;
        self.writer.get_ref().get_ref().sync_data().map_err(io)
    }

    /// Ends it and gives its file.
    pub(super) fn end(mut self) -> Result<PathBuf, Error> {
        self.writer.finish().map_err(arrow(self.table))?;
        self.sync()?;
        Ok(self.path)
    }
}

/// What became of a spool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Published {
    /// Rows in the part.
    pub rows: u64,
    /// Spools kept aside, because behind these rows they could not be read.
    pub damaged: u64,
}

/// Makes a part of a spool's rows, under the columns it was written with, and removes the spool.
/// `crashed`: its writer ended in the middle of it, so what stands before the end is taken; where something
/// else is wrong with it, it is kept aside under another name.
///
/// The part is written beside, synced and renamed, and its name is the hash of its bytes: done twice, it
/// is the same part.
pub(super) fn publish(table: Table, spool: &Path, folder: &Path, crashed: bool) -> Result<Published, Error> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |e| Error::Io(path, e)
    };
    let file = File::open(spool).map_err(io(spool))?;
    let is_empty = file.metadata().map_err(io(spool))?.len() == 0;
    let mut done = Published::default();
    match StreamReader::try_new(BufReader::new(file), None) {
        Ok(reader) => {
            let fault = part_of(table, reader, spool, folder, &mut done.rows)?;
            match fault {
                Some(fault) if !crashed => return Err(arrow(table)(fault)),
                Some(fault) => done.damaged = u64::from(!is_cut_off(&fault)),
                None => {}
            }
        }
        // Not even its beginning reached the disk.
        Err(_) if crashed => done.damaged = u64::from(!is_empty),
        Err(e) => return Err(arrow(table)(e)),
    }
    match done.damaged {
        0 => fs::remove_file(spool).map_err(io(spool))?,
        _ => fs::rename(spool, spool.with_extension("damaged")).map_err(io(spool))?,
    }
    Ok(done)
}

/// Writes the batches up to the first that cannot be read, and gives why it cannot.
fn part_of(
    table: Table,
    reader: StreamReader<BufReader<File>>,
    spool: &Path,
    folder: &Path,
    rows: &mut u64,
) -> Result<Option<ArrowError>, Error> {
    let beside = spool.with_extension("parquet");
    let io = |e| Error::Io(beside.clone(), e);
    let out = Hashed::new(File::create(&beside).map_err(io)?);
    // The spool's own columns: those of another version must not get the names of this one's.
    let mut writer =
        ArrowWriter::try_new(out, reader.schema(), Some(properties(table))).map_err(parquet(table))?;
    let mut fault = None;
    for batch in reader {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                fault = Some(error);
                break;
            }
        };
        *rows += batch.num_rows() as u64;
        writer.write(&batch).map_err(parquet(table))?;
    }
    let out = writer.into_inner().map_err(parquet(table))?;
    out.inner.sync_all().map_err(io)?;
    match *rows {
        0 => fs::remove_file(&beside).map_err(io)?,
        _ => put(&beside, folder, &out.hasher).map_err(|e| Error::Io(folder.to_owned(), e))?,
    }
    Ok(fault)
}

/// Whether a stream just ends too early, as that of a killed process does.
fn is_cut_off(error: &ArrowError) -> bool {
    matches!(error, ArrowError::IoError(_, e) if e.kind() == io::ErrorKind::UnexpectedEof)
}

fn put(beside: &Path, folder: &Path, hasher: &blake3::Hasher) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let name = &hasher.finalize().to_hex()[..16];
    fs::rename(beside, folder.join(format!("part-{name}.parquet")))?;
    File::open(folder)?.sync_all()
}

fn properties(table: Table) -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(table.group_rows()))
        .build()
}

fn arrow(table: Table) -> impl Fn(ArrowError) -> Error {
    move |source| Error::Arrow { table: table.name(), source }
}

fn parquet(table: Table) -> impl Fn(parquet::errors::ParquetError) -> Error {
    move |source| Error::Parquet { table: table.name(), source }
}

/// A file that is hashed as it is written.
struct Hashed {
    inner: File,
    hasher: blake3::Hasher,
}

impl Hashed {
    fn new(inner: File) -> Self {
        Self { inner, hasher: blake3::Hasher::new() }
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
