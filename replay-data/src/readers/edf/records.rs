//! The data records of a recording, one by one, each with its time.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use bedwatch_schemas::time::Span;

use super::{header::Header, tal};
use crate::readers::{
    error::{At, Error},
    place::Input,
    raw::{Channel, Portion},
};

/// Whole data records in the file, and whether it ends within one or before the number promised.
pub fn available(header: &Header, size: u64) -> (u64, bool) {
    let data = size.saturating_sub(header.bytes() as u64);
    let record = header.record_bytes() as u64;
    let whole = data / record;
    match header.records {
        Some(promised) => (whole.min(promised), whole < promised),
        None => (whole, !data.is_multiple_of(record)),
    }
}

/// A data record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Its number, from 0.
    pub number: u64,
    /// When it begins, since the header's start.
    pub at: Span,
    /// Whether it begins where the one before ended.
    pub follows: bool,
}

/// Reads the data records. One that cannot be placed in time is left out and told of.
pub struct Records {
    name: String,
    input: BufReader<Input>,
    header: Header,
    available: (u64, bool),
    buffer: Vec<u8>,
    /// Where the current stretch without gaps began, and its records so far.
    first: Span,
    since_first: u64,
    /// Where the next record is due.
    expected: Span,
    next: u64,
    is_over: bool,
}

impl Records {
    /// The records behind the header of a file of `size` bytes, the first of them at `first`.
    pub fn new(name: &str, mut file: Input, header: Header, size: u64, first: Span) -> io::Result<Self> {
        file.seek(SeekFrom::Start(header.bytes() as u64))?;
        Ok(Self {
            name: name.to_owned(),
            input: BufReader::new(file),
            available: available(&header, size),
            buffer: vec![0; header.record_bytes()],
            first,
            since_first: 0,
            expected: first,
            next: 0,
            is_over: false,
            header,
        })
    }

    /// Where the next record would begin.
    pub fn expected(&self) -> Span {
        self.expected
    }

    /// The stored numbers of a signal in the record read last, from the byte it begins at.
    pub fn samples(&self, first_byte: usize, samples: usize) -> impl Iterator<Item = i32> + '_ {
        let width = self.header.width;
        let bytes = &self.buffer[first_byte..first_byte + samples * width];
        bytes.chunks_exact(width).map(move |b| match *b {
            [low, high] => i32::from(i16::from_le_bytes([low, high])),
            [low, mid, high] => i32::from_le_bytes([0, low, mid, high]) >> 8,
            // A sample has two bytes (EDF) or three (BDF).
            _ => 0,
        })
    }

    fn error(&self, record: u64, why: &str) -> Error {
        Error::record(&self.name, At::Record(record), why)
    }

    /// EDF+D: the record's own time, and whether it follows the one before.
    fn time(&self, record: u64) -> Result<(Span, bool), Error> {
        if !self.header.discontinuous {
            return Ok((self.expected, true));
        }
        let range = self.header.annotations().into_iter().next();
        let at = range.and_then(|r| tal::parse(&self.buffer[r]).0.first().map(|t| t.onset));
        let at = at.ok_or_else(|| self.error(record, "it has no time of its own, as EDF+D asks"))?;
        let gap = Span(at.0 - self.expected.0);
        // An onset rounded to the millisecond is no gap.
        if gap.0.abs() <= 1_000 {
            return Ok((self.expected, true));
        }
        if gap.0 < 0 {
            return Err(self.error(record, "it begins before the record before it ends"));
        }
        Ok((at, false))
    }

    /// The samples of all channels, a record at a time.
    pub fn portions(mut self) -> impl Iterator<Item = Result<Portion, Error>> {
        std::iter::from_fn(move || {
            let record = self.next()?;
            Some(record.map(|record| self.portion(record)))
        })
    }

    fn portion(&self, record: Record) -> Portion {
        let mut portion = Portion { at: record.at, channels: Vec::new() };
        let mut first_byte = 0;
        for (number, signal) in self.header.signals.iter().enumerate() {
            let at = first_byte;
            first_byte += signal.samples * self.header.width;
            if signal.is_annotations() || signal.samples == 0 {
                continue;
            }
            let digital: Vec<i32> = self.samples(at, signal.samples).collect();
            portion.channels.push(Channel {
                number,
                label: signal.label.clone(),
                unit: signal.dimension.clone(),
                rate_hz: signal.samples as f64 / self.header.record_secs,
                first: record.number * signal.samples as u64,
                physical: digital.iter().map(|&sample| signal.physical(sample)).collect(),
                digital,
            });
        }
        portion
    }
}

impl Iterator for Records {
    type Item = Result<Record, Error>;
    fn next(&mut self) -> Option<Self::Item> {
        let (whole, is_cut) = self.available;
        if self.is_over {
            return None;
        }
        if self.next >= whole {
            self.is_over = true;
            return is_cut.then(|| Err(self.error(whole, "the file ends before this record does")));
        }
        let number = self.next;
        self.next += 1;
        if let Err(e) = self.input.read_exact(&mut self.buffer) {
            self.is_over = true;
            return Some(Err(Error::io(&self.name, &e)));
        }
        let (at, follows) = match self.time(number) {
            Ok(time) => time,
            Err(error) => return Some(Err(error)),
        };
        if !follows {
            (self.first, self.since_first) = (at, 0);
        }
        self.since_first += 1;
        let secs = self.since_first as f64 * self.header.record_secs;
        self.expected = Span(self.first.0 + (secs * 1e6).round() as i64);
        Some(Ok(Record { number, at, follows }))
    }
}
