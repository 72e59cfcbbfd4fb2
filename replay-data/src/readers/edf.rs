//! EDF, EDF+ and BDF recordings as one-second waveform blocks; annotations as marks.
//!
//! Sources: Kemp et al., Electroenceph Clin Neurophysiol 82:391 (1992); Kemp & Olivan, Clin
//! Neurophysiol 114:1755 (2003); BioSemi's BDF page. Read record by record: memory does not grow with
//! the recording. A record's time is its number times its duration, in EDF+D its own time-keeping
//! annotation; the first one also holds the fraction of a second of the start.

mod blocks;
mod header;
mod records;
mod tal;

use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom},
};

use bedwatch_schemas::{
    ids::{PatientId, SourceId},
    time::{EventTime, Span},
};

use super::{
    Format, Labels, Mark, Stay,
    error::Error,
    place::{Input, Place, length},
    raw::Recording,
};
use header::Header;
pub(super) use header::is_edf;
use records::{Records, available};

const NOTE_BASE: &str = "the header has no date, or a dummy one before 1985: times count from the base";
const NOTE_ZONE: &str = "the header's time carries no zone and is taken as UTC";

/// An open file: its header, and what its annotations say.
struct Opened {
    file: Input,
    size: u64,
    header: Header,
    scan: Scan,
}

fn open(place: &Place, name: &str) -> Result<Opened, Error> {
    let io = |e: io::Error| Error::io(name, &e);
    let mut file = place.open().map_err(io)?;
    let size = length(&mut file).map_err(io)?;
    let header = read_header(&mut file).map_err(io)?.map_err(|why| Error::header(name, why))?;
    let scan = scan(&mut file, &header, size).map_err(io)?;
    Ok(Opened { file, size, header, scan })
}

/// Opens a recording: header and annotations now, samples as they are asked for.
pub(super) fn read(place: &Place, name: &str, base: EventTime) -> Result<Stay, Error> {
    let Opened { file, size, header, scan } = open(place, name)?;
    let zero = header.start.unwrap_or(base);
    let patient = PatientId::new(&format!("edf-{name}"))
        .map_err(|_| Error::header(name, "the file's name is no patient id"))?;
    let source = SourceId::new("edf").expect("the name is short and plain");
    let notes = vec![if header.start.is_some() { NOTE_ZONE } else { NOTE_BASE }];
    let mut counts = BTreeMap::new();
    if scan.broken > 0 {
        counts.insert("edf.bad_annotation", scan.broken);
    }
    let marks = scan.notes.into_iter().map(|(at, lasts, text)| Mark { at: zero + at, lasts, text });
    let marks: Vec<Mark> = marks.collect();
    let mut blocks = super::blocks::Blocks::new(patient, source, zero + scan.first);
    let takes = blocks::takes(&header, &mut blocks, &mut counts);
    let records = Records::new(name, file, header, size, scan.first).map_err(|e| Error::io(name, &e))?;
    let items = blocks::Items::new(records, zero, takes, blocks);
    let mut stay = Stay::new(name, Format::Edf, Box::new(items));
    stay.labels = (!marks.is_empty()).then_some(Labels::Marks(marks));
    (stay.counts, stay.notes) = (counts, notes);
    Ok(stay)
}

/// Opens a recording below events.
pub(super) fn recording(place: &Place, name: &str) -> Result<Recording, Error> {
    let Opened { file, size, header, scan } = open(place, name)?;
    let start = header.start;
    let records = Records::new(name, file, header, size, scan.first).map_err(|e| Error::io(name, &e))?;
    let portions = Box::new(records.portions());
    Ok(Recording { format: Format::Edf, start, annotations: Vec::new(), notes: scan.notes, portions })
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

/// What the annotations say, found before the samples are read.
struct Scan {
    /// Onset, duration and text, in the order of time; the time-keeping ones are none.
    notes: Vec<(Span, Option<Span>, String)>,
    /// The offset of the first record: the fraction of a second of the start.
    first: Span,
    /// Lists that could not be read.
    broken: u64,
}

fn scan(file: &mut Input, header: &Header, size: u64) -> io::Result<Scan> {
    let ranges = header.annotations();
    let mut found = Scan { notes: Vec::new(), first: Span::ZERO, broken: 0 };
    if !header.plus || ranges.is_empty() {
        return Ok(found);
    }
    for record in 0..available(header, size).0 {
        for (i, range) in ranges.iter().enumerate() {
            let at = header.bytes() as u64 + record * header.record_bytes() as u64 + range.start as u64;
            let mut bytes = vec![0; range.len()];
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut bytes)?;
            let (tals, broken) = tal::parse(&bytes);
            found.broken += broken as u64;
            if let (0, 0, Some(tal)) = (record, i, tals.first()) {
                found.first = tal.onset;
            }
            for tal in tals {
                for text in tal.texts.into_iter().filter(|t| !t.is_empty()) {
                    found.notes.push((tal.onset, tal.lasts, text));
                }
            }
        }
    }
    found.notes.sort_by_key(|(at, _, _)| *at);
    Ok(found)
}

#[cfg(test)]
mod tests;
