//! Words of all stays, sorted by stay, in a file without a name: memory holds one part of them at a time.
//!
//! The tables are read once, from front to back, into as many parts as keep each small; each part is then
//! sorted by stay and appended to one file, of which only the places of the stays are kept. The order
//! within a stay is the order of reading.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    sync::{Mutex, PoisonError},
};

use super::word::Word;

/// Stays of one part, and the most parts (open files) there are.
const STAYS_OF_PART: usize = 64;
const MOST_PARTS: usize = 256;

/// Takes words in any order of stays.
pub(super) struct Sorter {
    stays: usize,
    parts: Vec<BufWriter<File>>,
}

/// A word's bytes cannot be written or read back.
fn odd(_: postcard::Error) -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

impl Sorter {
    pub(super) fn new(stays: usize) -> io::Result<Self> {
        let parts = stays.div_ceil(STAYS_OF_PART).clamp(1, MOST_PARTS);
        let part = |_| Ok(BufWriter::new(tempfile::tempfile()?));
        Ok(Self { stays, parts: (0..parts).map(part).collect::<io::Result<_>>()? })
    }

    pub(super) fn push(&mut self, word: &Word) -> io::Result<()> {
        let part = word.stay as usize % self.parts.len();
        let mut bytes = [0; 96];
        self.parts[part].write_all(postcard::to_slice(word, &mut bytes).map_err(odd)?)
    }

    pub(super) fn sorted(self) -> io::Result<Spool> {
        let mut out = BufWriter::new(tempfile::tempfile()?);
        let (mut places, mut at) = (vec![(0, 0); self.stays], 0_u64);
        for part in self.parts {
            let mut file = part.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.seek(SeekFrom::Start(0))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let mut words = decode(&bytes)?;
            words.sort_by_key(|w| w.stay);
            for of_stay in words.chunk_by(|a, b| a.stay == b.stay) {
                let begin = at;
                for word in of_stay {
                    let mut bytes = [0; 96];
                    let bytes = postcard::to_slice(word, &mut bytes).map_err(odd)?;
                    out.write_all(bytes)?;
                    at += bytes.len() as u64;
                }
                places[of_stay[0].stay as usize] = (begin, at - begin);
            }
        }
        Ok(Spool { file: Mutex::new(out.into_inner().map_err(io::IntoInnerError::into_error)?), places })
    }
}

fn decode(mut bytes: &[u8]) -> io::Result<Vec<Word>> {
    let mut words = Vec::new();
    while !bytes.is_empty() {
        let (word, rest) = postcard::take_from_bytes(bytes).map_err(odd)?;
        words.push(word);
        bytes = rest;
    }
    Ok(words)
}

/// The words, to be asked for by stay.
pub(super) struct Spool {
    file: Mutex<File>,
    /// First byte and length of each stay.
    places: Vec<(u64, u64)>,
}

impl Spool {
    pub(super) fn of(&self, stay: usize) -> io::Result<Vec<Word>> {
        let (start, length) = self.places[stay];
        let mut bytes = vec![0; length as usize];
        {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(&mut bytes)?;
        }
        decode(&bytes)
    }
}
