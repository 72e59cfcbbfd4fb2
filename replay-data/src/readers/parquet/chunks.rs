//! The bytes of a Parquet file, on disk or in an archive.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use bytes::Bytes;
use parquet::{
    arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
    errors::{ParquetError, Result},
    file::reader::{ChunkReader, Length},
};

use crate::readers::{
    error::Fault,
    place::{Input, Place, length},
};

/// A file that is read in any order.
pub struct Chunks {
    place: Place,
    length: u64,
}

impl Chunks {
    fn at(&self, start: u64) -> Result<BufReader<Input>> {
        let mut input = self.place.open()?;
        input.seek(SeekFrom::Start(start))?;
        Ok(BufReader::new(input))
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<Input>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        self.at(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        // A footer may promise more than there is: no room is made for it.
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF("a part lies behind the end".into()));
        }
        let mut bytes = vec![0; length];
        self.at(start)?.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// Opens a file: its footer is read.
pub fn open(place: &Place) -> std::result::Result<ParquetRecordBatchReaderBuilder<Chunks>, Fault> {
    let io = |e: io::Error| Fault::Io(e.kind());
    let length = length(&mut place.open().map_err(io)?).map_err(io)?;
    let chunks = Chunks { place: place.clone(), length };
    ParquetRecordBatchReaderBuilder::try_new(chunks).map_err(|e| fault(&e, "its footer"))
}

/// What is wrong, without the library's words: they may hold content.
pub fn fault(error: &ParquetError, what: &str) -> Fault {
    match error {
        ParquetError::External(e) => match e.downcast_ref::<io::Error>() {
            Some(e) => Fault::Io(e.kind()),
            None => Fault::Header(format!("{what} cannot be read as Parquet")),
        },
        _ => Fault::Header(format!("{what} cannot be read as Parquet")),
    }
}
