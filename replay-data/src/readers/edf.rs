//! EDF, EDF+ and BDF recordings as one-second waveform blocks; annotations as marks.
//!
//! Sources: Kemp et al., Electroenceph Clin Neurophysiol 82:391 (1992); Kemp & Olivan, Clin
//! Neurophysiol 114:1755 (2003); BioSemi's BDF page. Read record by record: memory does not grow with
//! the recording. A record's time is its number times its duration, in EDF+D its own time-keeping
//! annotation; the first one also holds the fraction of a second of the start.

mod header;
mod tal;

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use bedwatch_schemas::{
    ids::{PatientId, SourceId},
    time::{EventTime, Span},
    waveform::SampleRate,
};

use super::{
    Format, Item, Labels, Mark, Stay,
    blocks::{Blocks, Slot},
    channels::{self, LEAST_RATE_HZ},
    error::{At, Error},
    place::{Input, Place, length},
};
use header::Header;
pub(super) use header::is_edf;

const NOTE_BASE: &str = "the header has no date, or a dummy one before 1985: times count from the base";
const NOTE_ZONE: &str = "the header's time carries no zone and is taken as UTC";

/// Opens a recording: header and annotations now, samples as they are asked for.
pub(super) fn read(place: &Place, name: &str, base: EventTime) -> Result<Stay, Error> {
    let io = |e: io::Error| Error::io(name, &e);
    let mut file = place.open().map_err(io)?;
    let size = length(&mut file).map_err(io)?;
    let header = read_header(&mut file).map_err(io)?.map_err(|why| Error::header(name, why))?;
    let mut counts = BTreeMap::new();
    let zero = header.start.unwrap_or(base);
    let scan = scan(&mut file, &header, size, zero, &mut counts).map_err(io)?;
    let patient = PatientId::new(&format!("edf-{name}"))
        .map_err(|_| Error::header(name, "the file's name is no patient id"))?;
    let source = SourceId::new("edf").expect("the name is short and plain");
    let mut blocks = Blocks::new(patient, source, zero + scan.first);
    let takes = takes(&header, &mut blocks, &mut counts);
    file.seek(SeekFrom::Start(header.bytes() as u64)).map_err(io)?;
    let notes = vec![if header.start.is_some() { NOTE_ZONE } else { NOTE_BASE }];
    let samples = Samples {
        name: name.to_owned(),
        input: BufReader::new(file),
        available: available(&header, size),
        buffer: vec![0; header.record_bytes()],
        zero,
        expected: zero + scan.first,
        first: zero + scan.first,
        since_first: 0,
        header,
        takes,
        blocks,
        next: 0,
        queue: VecDeque::new(),
        done: false,
    };
    let mut stay = Stay::new(name, Format::Edf, Box::new(samples));
    stay.labels = (!scan.marks.is_empty()).then_some(Labels::Marks(scan.marks));
    (stay.counts, stay.notes) = (counts, notes);
    Ok(stay)
}

fn read_header(file: &mut Input) -> io::Result<Result<Header, &'static str>> {
    let mut bytes = Vec::new();
    file.by_ref().take(header::PART as u64).read_to_end(&mut bytes)?;
    let all = match header::length(&bytes) {
        Ok(all) => all,
        Err(why) => return Ok(Err(why)),
    };
    file.by_ref().take((all - bytes.len()) as u64).read_to_end(&mut bytes)?;
    Ok(header::parse(&bytes))
}

/// Whole data records in the file, and whether it ends within one or before the number promised.
fn available(header: &Header, size: u64) -> (u64, bool) {
    let data = size.saturating_sub(header.bytes() as u64);
    let record = header.record_bytes() as u64;
    let whole = data / record;
    match header.records {
        Some(promised) => (whole.min(promised), whole < promised),
        None => (whole, !data.is_multiple_of(record)),
    }
}

/// What the annotations say, found before the samples are read.
struct Scan {
    marks: Vec<Mark>,
    /// The offset of the first record: the fraction of a second of the start.
    first: Span,
}

fn scan(
    file: &mut Input,
    header: &Header,
    size: u64,
    zero: EventTime,
    counts: &mut BTreeMap<&'static str, u64>,
) -> io::Result<Scan> {
    let ranges = header.annotations();
    let mut found = Scan { marks: Vec::new(), first: Span::ZERO };
    if !header.plus || ranges.is_empty() {
        return Ok(found);
    }
    let mut faults = 0;
    for record in 0..available(header, size).0 {
        for (i, range) in ranges.iter().enumerate() {
            let at = header.bytes() as u64 + record * header.record_bytes() as u64 + range.start as u64;
            let mut bytes = vec![0; range.len()];
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut bytes)?;
            let (tals, bad) = tal::parse(&bytes);
            faults += bad as u64;
            if let (0, 0, Some(tal)) = (record, i, tals.first()) {
                found.first = tal.onset;
            }
            for tal in tals {
                for text in tal.texts.into_iter().filter(|t| !t.is_empty()) {
                    found.marks.push(Mark { at: zero + tal.onset, lasts: tal.lasts, text });
                }
            }
        }
    }
    if faults > 0 {
        counts.insert("edf.bad_annotation", faults);
    }
    found.marks.sort_by_key(|m| m.at);
    Ok(found)
}

/// A signal that is taken: where its samples stand in a record and go to.
struct Take {
    first_byte: usize,
    samples: usize,
    gain: f64,
    offset: f64,
    slot: Slot,
}

fn takes(header: &Header, blocks: &mut Blocks, counts: &mut BTreeMap<&'static str, u64>) -> Vec<Take> {
    let mut takes = Vec::new();
    let mut first_byte = 0;
    for signal in &header.signals {
        let at = first_byte;
        first_byte += signal.samples * header.width;
        if signal.is_annotations() {
            continue;
        }
        let rate = signal.samples as f64 / header.record_secs;
        let found = channels::meaning(&signal.label).ok_or("edf.channel_of_other_kind").and_then(|m| {
            let rate = SampleRate::new(rate).ok().filter(|r| r.hz() >= LEAST_RATE_HZ);
            let rate = rate.ok_or("edf.channel_too_slow")?;
            let scale = signal.scale.ok_or("edf.channel_without_calibration")?;
            let factor = channels::factor(m.kind, &signal.dimension).ok_or("edf.channel_of_unknown_unit")?;
            Ok((m, rate, scale.gain * factor, scale.offset * factor))
        });
        match found {
            Ok((meaning, rate, gain, offset)) => {
                let slot = blocks.channel(meaning, rate);
                takes.push(Take { first_byte: at, samples: signal.samples, gain, offset, slot });
            }
            Err(why) => *counts.entry(why).or_default() += 1,
        }
    }
    takes
}

/// The data records, one by one.
struct Samples {
    name: String,
    input: BufReader<Input>,
    header: Header,
    available: (u64, bool),
    buffer: Vec<u8>,
    zero: EventTime,
    /// Where the current stretch without gaps began, and its records so far.
    first: EventTime,
    since_first: u64,
    /// Where the next record is due.
    expected: EventTime,
    takes: Vec<Take>,
    blocks: Blocks,
    next: u64,
    queue: VecDeque<Result<Item, Error>>,
    done: bool,
}

impl Samples {
    fn fail(&mut self, record: u64, why: &str) {
        self.queue.push_back(Err(Error::record(&self.name, At::Record(record), why)));
    }

    fn advance(&mut self) {
        let (whole, cut) = self.available;
        if self.next >= whole || self.blocks.is_empty() {
            let rest = self.blocks.restart(self.expected);
            self.queue.extend(rest.into_iter().map(Ok));
            if cut {
                self.fail(whole, "the file ends before this record does");
            }
            self.done = true;
            return;
        }
        let record = self.next;
        self.next += 1;
        if let Err(e) = self.input.read_exact(&mut self.buffer) {
            self.queue.push_back(Err(Error::io(&self.name, &e)));
            self.done = true;
            return;
        }
        if self.header.discontinuous && !self.seek_time(record) {
            return;
        }
        self.samples();
        self.since_first += 1;
        let secs = self.since_first as f64 * self.header.record_secs;
        self.expected = self.first + Span((secs * 1e6).round() as i64);
        let items = self.blocks.complete();
        self.queue.extend(items.into_iter().map(Ok));
    }

    /// EDF+D: the record's own time. False when the record cannot be placed.
    fn seek_time(&mut self, record: u64) -> bool {
        let range = self.header.annotations().into_iter().next();
        let onset = range.and_then(|r| tal::parse(&self.buffer[r]).0.first().map(|t| t.onset));
        let Some(onset) = onset else {
            self.fail(record, "it has no time of its own, as EDF+D asks");
            return false;
        };
        let at = self.zero + onset;
        let gap = at.since(self.expected);
        // An onset rounded to the millisecond is no gap.
        if gap.0.abs() > 1_000 {
            if gap.0 < 0 {
                self.fail(record, "it begins before the record before it ends");
                return false;
            }
            let rest = self.blocks.restart(at);
            self.queue.extend(rest.into_iter().map(Ok));
            (self.first, self.since_first, self.expected) = (at, 0, at);
        }
        true
    }

    fn samples(&mut self) {
        let width = self.header.width;
        for take in &self.takes {
            let bytes = &self.buffer[take.first_byte..take.first_byte + take.samples * width];
            let value = |digital: i32| (f64::from(digital) * take.gain + take.offset) as f32;
            let out = self.blocks.buffer(take.slot);
            if width == 2 {
                let words = bytes.chunks_exact(2).map(|b| i32::from(i16::from_le_bytes([b[0], b[1]])));
                out.extend(words.map(value));
            } else {
                let words = bytes.chunks_exact(3).map(|b| i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8);
                out.extend(words.map(value));
            }
        }
    }
}

impl Iterator for Samples {
    type Item = Result<Item, Error>;
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.queue.pop_front() {
                return Some(item);
            }
            if self.done {
                return None;
            }
            self.advance();
        }
    }
}

#[cfg(test)]
mod tests;
