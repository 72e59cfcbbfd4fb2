//! Records of a file in the order of their times, with only an index in memory.

use std::io::{Read, Seek, SeekFrom};

use bedwatch_schemas::{
    event::Stream,
    time::{ArrivalTime, EventTime, Span},
};

use super::{
    Item,
    error::{At, Error},
    place::Input,
};

/// The largest record handed on, in bytes. `ingest` has its own, lower limit and a dead letter for it.
pub const MAX_RECORD: u64 = 64 << 20;

/// Where a record stands and when it could be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the file, from 0.
    pub number: i64,
    /// Its first byte.
    pub start: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Its own time, where it has one.
    pub at: Option<EventTime>,
}

/// Reads the records of an index.
pub struct Records {
    name: String,
    file: Input,
    stream: Stream,
    entries: std::vec::IntoIter<(ArrivalTime, Entry)>,
}

impl Records {
    /// Orders the entries by time, equal times by their order in the file. One without a time of its
    /// own stands at `base` plus as many seconds as its number.
    pub fn new(name: &str, file: Input, stream: Stream, base: EventTime, entries: Vec<Entry>) -> Self {
        let timed = entries.into_iter().map(|e| {
            let at = e.at.unwrap_or(base + Span::secs(e.number));
            (at.as_arrival_time(), e)
        });
        let mut entries: Vec<_> = timed.collect();
        entries.sort_by_key(|(at, _)| *at);
        Self { name: name.to_owned(), file, stream, entries: entries.into_iter() }
    }
}

impl Iterator for Records {
    type Item = Result<Item, Error>;
    fn next(&mut self) -> Option<Self::Item> {
        let (at, entry) = self.entries.next()?;
        if entry.length > MAX_RECORD {
            return Some(Err(Error::record(&self.name, At::Byte(entry.start), "it is larger than 64 MiB")));
        }
        let mut payload = vec![0; entry.length as usize];
        let read =
            self.file.seek(SeekFrom::Start(entry.start)).and_then(|_| self.file.read_exact(&mut payload));
        Some(match read {
            Ok(()) => Ok(Item::Record { stream: self.stream, at, key: None, payload, offset: entry.number }),
            Err(e) => Err(Error::io(&self.name, &e)),
        })
    }
}
