//! Words of all stays, sorted by stay, in a file without a name: memory holds one part of them at a time.
//!
//! The tables are read once, from front to back, into as many parts as keep each small; each part is then
//! sorted by stay and appended to one file, of which only the places of the stays are kept. The order
//! within a stay is the order of reading.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    marker::PhantomData,
    sync::{Mutex, PoisonError},
};

use serde::{Serialize, de::DeserializeOwned};

/// Stays of one part, and the most parts (open files) there are.
const STAYS_OF_PART: usize = 64;
const MOST_PARTS: usize = 256;

/// The most bytes of one word.
const WORD: usize = 96;

/// What is sorted.
pub trait OfStay: Serialize + DeserializeOwned {
    /// The number of the stay it is of.
    fn stay(&self) -> usize;
}

/// Takes words in any order of stays.
pub struct Sorter<W> {
    stays: usize,
    parts: Vec<BufWriter<File>>,
    of: PhantomData<fn(W)>,
}

/// A word's bytes cannot be written or read back.
fn odd(_: postcard::Error) -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

impl<W: OfStay> Sorter<W> {
    pub fn new(stays: usize) -> io::Result<Self> {
        let parts = stays.div_ceil(STAYS_OF_PART).clamp(1, MOST_PARTS);
        let part = |_| Ok(BufWriter::new(tempfile::tempfile()?));
        Ok(Self { stays, parts: (0..parts).map(part).collect::<io::Result<_>>()?, of: PhantomData })
    }

    pub fn push(&mut self, word: &W) -> io::Result<()> {
        let part = word.stay() % self.parts.len();
        let mut bytes = [0; WORD];
        self.parts[part].write_all(postcard::to_slice(word, &mut bytes).map_err(odd)?)
    }

    pub fn sorted(self) -> io::Result<Spool<W>> {
        let mut out = BufWriter::new(tempfile::tempfile()?);
        let (mut places, mut at) = (vec![(0, 0); self.stays], 0_u64);
        for part in self.parts {
            let mut file = part.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.seek(SeekFrom::Start(0))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let mut words: Vec<W> = decode(&bytes)?;
            words.sort_by_key(OfStay::stay);
            for of_stay in words.chunk_by(|a, b| a.stay() == b.stay()) {
                let begin = at;
                for word in of_stay {
                    let mut bytes = [0; WORD];
                    let bytes = postcard::to_slice(word, &mut bytes).map_err(odd)?;
                    out.write_all(bytes)?;
                    at += bytes.len() as u64;
                }
                places[of_stay[0].stay()] = (begin, at - begin);
            }
        }
        let file = Mutex::new(out.into_inner().map_err(io::IntoInnerError::into_error)?);
        Ok(Spool { file, places, of: PhantomData })
    }
}

fn decode<W: OfStay>(mut bytes: &[u8]) -> io::Result<Vec<W>> {
    let mut words = Vec::new();
    while !bytes.is_empty() {
        let (word, rest) = postcard::take_from_bytes(bytes).map_err(odd)?;
        words.push(word);
        bytes = rest;
    }
    Ok(words)
}

/// The words, to be asked for by stay.
pub struct Spool<W> {
    file: Mutex<File>,
    /// First byte and length of each stay.
    places: Vec<(u64, u64)>,
    of: PhantomData<fn() -> W>,
}

impl<W: OfStay> Spool<W> {
    pub fn of(&self, stay: usize) -> io::Result<Vec<W>> {
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
