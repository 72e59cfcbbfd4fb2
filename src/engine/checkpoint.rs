//! Durable state: one file holds the patients, the input offsets and the time together, so that they
//! can never disagree.
//!
//! Layout: magic, format version, BLAKE3 of the body, body (postcard). A new checkpoint is written
//! beside, synced and renamed; the one before is kept. A damaged file is refused whole: the start
//! falls back to the one before, then to replaying the topics from their beginning, and says so.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use bedwatch_schemas::{event::Stream, ids::PatientId, time::ArrivalTime};
use serde::{Deserialize, Serialize};

use super::{core::Counters, patient::Patient, units::Units};

const MAGIC: &[u8; 8] = b"bedwatch";
const VERSION: u32 = 8;
const HEADER: usize = 8 + 4 + 32;

/// What a checkpoint holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The hash of the configuration that decided; another configuration does not resume from it.
    pub config: String,
    /// Everything before this time has been decided.
    pub closed_to: ArrivalTime,
    /// The next offset to read of each partition.
    pub offsets: BTreeMap<(Stream, i32), i64>,
    /// The patients.
    pub patients: BTreeMap<PatientId, Patient>,
    /// The units they lie in.
    pub units: Units,
    /// What has been counted.
    pub counters: Counters,
}

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("checkpoint {0}: {1}")]
    Io(PathBuf, std::io::Error),
    /// The file is not a whole checkpoint of this version.
    #[error("checkpoint {0} is damaged: {1}")]
    Damaged(PathBuf, &'static str),
    /// The state could not be put into bytes.
    #[error("the state could not be encoded")]
    Encode,
}

/// The bytes of a checkpoint.
///
/// # Errors
/// When the state cannot be encoded.
pub fn encode<T: Serialize>(body: &T) -> Result<Vec<u8>, Error> {
    let body = postcard::to_stdvec(body).map_err(|_| Error::Encode)?;
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(blake3::hash(&body).as_bytes());
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Reads the bytes of a checkpoint.
///
/// # Errors
/// When they are not whole: every changed or missing byte is found by the checksum.
pub fn decode<T: for<'de> Deserialize<'de>>(path: &Path, bytes: &[u8]) -> Result<T, Error> {
    let damaged = |what| Error::Damaged(path.to_owned(), what);
    let (header, body) = bytes.split_at_checked(HEADER).ok_or_else(|| damaged("too short"))?;
    if &header[..8] != MAGIC {
        return Err(damaged("not a checkpoint"));
    }
    if header[8..12] != VERSION.to_le_bytes() {
        return Err(damaged("of another version"));
    }
    if blake3::hash(body).as_bytes() != &header[12..] {
        return Err(damaged("the checksum does not fit"));
    }
    postcard::from_bytes(body).map_err(|_| damaged("the body does not fit its version"))
}

/// The folder of checkpoints.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Opens or makes the folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(|e| Error::Io(folder.to_owned(), e))?;
        Ok(Self { folder: folder.to_owned() })
    }

    fn current(&self) -> PathBuf {
        self.folder.join("checkpoint")
    }

    fn previous(&self) -> PathBuf {
        self.folder.join("checkpoint.previous")
    }

    /// Writes a checkpoint's bytes durably; the one before is kept.
    ///
    /// # Errors
    /// When the file system refuses. The checkpoints already there stay whole.
    pub fn write(&self, bytes: &[u8]) -> Result<(), Error> {
        let new = self.folder.join("checkpoint.new");
        let io = |path: &Path| {
            let path = path.to_owned();
            move |e| Error::Io(path, e)
        };
        let mut file = File::create(&new).map_err(io(&new))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io(&new))?;
        let current = self.current();
        if current.exists() {
            fs::rename(&current, self.previous()).map_err(io(&current))?;
        }
        fs::rename(&new, &current).map_err(io(&new))?;
        File::open(&self.folder).and_then(|d| d.sync_all()).map_err(io(&self.folder))
    }

    /// The newest whole checkpoint, with the faults of those that are not whole; both are empty when
    /// there is none.
    #[must_use]
    pub fn read(&self) -> (Option<Checkpoint>, Vec<Error>) {
        let mut faults = Vec::new();
        for path in [self.current(), self.previous()] {
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => {
                    faults.push(Error::Io(path, e));
                    continue;
                }
            };
            match decode(&path, &bytes) {
                Ok(checkpoint) => return (Some(checkpoint), faults),
                Err(fault) => faults.push(fault),
            }
        }
        (None, faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(offset: i64) -> Checkpoint {
        Checkpoint {
            config: "c".to_owned(),
            closed_to: ArrivalTime::from_millis(5),
            offsets: BTreeMap::from([((Stream::Vitals, 0), offset)]),
            patients: BTreeMap::new(),
            units: Units::default(),
            counters: Counters::default(),
        }
    }

    #[test]
    fn every_flipped_byte_and_every_truncation_is_found() {
        let bytes = encode(&small(7)).unwrap();
        let path = Path::new("x");
        assert_eq!(decode::<Checkpoint>(path, &bytes).unwrap().offsets[&(Stream::Vitals, 0)], 7);
        for i in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[i] ^= 0x40;
            assert!(decode::<Checkpoint>(path, &bad).is_err(), "flip at {i}");
            assert!(decode::<Checkpoint>(path, &bytes[..i]).is_err(), "cut at {i}");
        }
    }

    #[test]
    fn a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so() {
        let dir = std::env::temp_dir().join(format!("bedwatch-checkpoint-{}", std::process::id()));
        let store = Store::open(&dir).unwrap();
        assert!(matches!(store.read(), (None, faults) if faults.is_empty()));
        store.write(&encode(&small(1)).unwrap()).unwrap();
        store.write(&encode(&small(2)).unwrap()).unwrap();
        assert_eq!(store.read().0.unwrap().offsets[&(Stream::Vitals, 0)], 2);
        let mut bytes = fs::read(store.current()).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(store.current(), bytes).unwrap();
        let (found, faults) = store.read();
        assert_eq!(found.unwrap().offsets[&(Stream::Vitals, 0)], 1);
        assert_eq!(faults.len(), 1);
        fs::remove_dir_all(&dir).unwrap();
    }
}
