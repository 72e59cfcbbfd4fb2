//! What an interrupted replay has already done, on disk: `kill -9` costs the sources under way and no
//! others. `replay --resume` takes finished sources from here and writes the report an uninterrupted
//! replay writes.
//!
//! One file in the output folder, removed once the report stands. Records one after the other: length of
//! the body (u32, little endian), BLAKE3 of the body, body (CBOR in a zstd frame). The first says what
//! the replay is of; the others hold a source's number and its outcome. A record that the end of the
//! process cut off does not match its sum: it and what follows are cut away.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Serialize, de::DeserializeOwned};

use super::Outcome;

/// The file's name within the output folder.
pub const FILE: &str = "unfinished.journal";
/// A longer body is damage: no outcome comes near it.
const LONGEST: u32 = 1 << 30;
/// Speed, not size: the journal is gone when the replay is done.
const LEVEL: i32 = 1;

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// The interrupted replay was not of the same.
    #[error("{0} is of other records, settings, models or another build; leave out --resume to begin anew")]
    Other(PathBuf),
    /// An outcome could not be put into bytes.
    #[error("the outcome of a source could not be encoded")]
    Encode,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Mutex<File>,
}

impl Journal {
    /// Begins a journal in a folder, in place of any other.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(folder: &Path, of: &str) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let file = File::create(&path).map_err(|e| Error::Io(path.clone(), e))?;
        let journal = Self { path, file: Mutex::new(file) };
        journal.append(&of)?;
        Ok(journal)
    }

    /// Goes on with the journal of a folder and gives what was finished, by the number of the source. A
    /// folder without one begins one.
    ///
    /// # Errors
    /// When it is of something else, or cannot be read.
    pub fn resume(folder: &Path, of: &str) -> Result<(Self, BTreeMap<usize, Outcome>), Error> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Ok((Self::begin(folder, of)?, BTreeMap::new()));
        }
        let io = |e| Error::Io(path.clone(), e);
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(io)?;
        let mut reader = BufReader::new(file);
        let mut whole = 0;
        match record::<String>(&mut reader).map_err(io)? {
            Some((before, bytes)) if before == of => whole += bytes,
            // Cut off in its first record: nothing was done.
            None => return Ok((Self::begin(folder, of)?, BTreeMap::new())),
            Some(_) => return Err(Error::Other(path)),
        }
        let mut done = BTreeMap::new();
        while let Some(((i, outcome), bytes)) = record::<(usize, Outcome)>(&mut reader).map_err(io)? {
            done.insert(i, outcome);
            whole += bytes;
        }
        let mut file = reader.into_inner();
        file.set_len(whole).and_then(|()| file.seek(SeekFrom::Start(whole))).map_err(io)?;
        Ok((Self { path, file: Mutex::new(file) }, done))
    }

    /// Keeps the outcome of a source.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, number: usize, outcome: &Outcome) -> Result<(), Error> {
        self.append(&(number, outcome))
    }

    /// The replay is done.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn end(self) -> Result<(), Error> {
        fs::remove_file(&self.path).map_err(|e| Error::Io(self.path, e))
    }

    fn append(&self, body: &impl Serialize) -> Result<(), Error> {
        let mut bytes = vec![0; HEAD];
        let mut packed = zstd::Encoder::new(&mut bytes, LEVEL).map_err(|_| Error::Encode)?;
        ciborium::into_writer(body, &mut packed).map_err(|_| Error::Encode)?;
        packed.finish().map_err(|_| Error::Encode)?;
        let (head, body) = bytes.split_at_mut(HEAD);
        let length = u32::try_from(body.len()).ok().filter(|n| *n <= LONGEST).ok_or(Error::Encode)?;
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4..].copy_from_slice(blake3::hash(body).as_bytes());
        // One write, so that records of several threads do not mix; the lock keeps them apart.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&bytes).map_err(|e| Error::Io(self.path.clone(), e))
    }
}

const HEAD: usize = 4 + 32;

/// The next whole record with its length in the file; `None` where what follows is none.
fn record<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<(T, u64)>> {
    let mut head = [0; HEAD];
    if !filled(from, &mut head)? {
        return Ok(None);
    }
    let (length, sum) = head.split_at(4);
    let length = u32::from_le_bytes(length.try_into().unwrap_or_default());
    if length > LONGEST {
        return Ok(None);
    }
    let mut body = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut body)?;
    if body.len() < length as usize || blake3::hash(&body).as_bytes() != sum {
        return Ok(None);
    }
    let value = ciborium::from_reader(zstd::Decoder::with_buffer(&body[..])?);
    Ok(value.ok().map(|value| (value, HEAD as u64 + u64::from(length))))
}

fn filled(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests;
