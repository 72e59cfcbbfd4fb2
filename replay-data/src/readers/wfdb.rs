//! WFDB records (PhysioNet) as one-second waveform blocks; annotations and alarm verdicts as marks.
//!
//! Sources: header(5), signal(5) and annot(5) of the WFDB manual. Physical value = (sample - baseline)
//! / gain; the format's invalid sample is `NaN`. Multi-segment records are read segment by segment,
//! each with its own channels; a gap leaves no block. Read a second at a time: memory does not grow
//! with the record.

mod alarm;
mod annotations;
mod header;
mod samples;
mod segment;

use std::{
    collections::{BTreeMap, VecDeque},
    io::Read,
    path::PathBuf,
};

use bedwatch_schemas::{
    ids::{PatientId, SourceId},
    time::{EventTime, Span},
};

use super::{
    Format, Item, Labels, Mark, MonitorAlarm, Stay,
    blocks::Blocks,
    error::{At, Error, Fault},
    lines::latin,
    place::{Place, length},
};
use header::{Header, Shape};
use segment::Segment;

const NOTE_BASE: &str = "the header has no date: times count from the base";
const NOTE_ZONE: &str = "the header's time carries no zone and is taken as UTC";

/// The longest header read, in bytes.
const MAX_HEADER: u64 = 4 << 20;

/// Whether a text begins as a header does.
pub(super) fn is_header(text: &str) -> bool {
    header::begins(text)
}

/// The header of the record that a signal or annotation file belongs to.
pub(super) fn header_beside(place: &Place) -> Option<Place> {
    let end = place.path().extension()?.to_str()?;
    let numbered = end.len() == 2 && end.starts_with('d') && end.ends_with(|c: char| c.is_ascii_digit());
    let header = place.with_extension("hea");
    (numbered || matches!(end, "dat" | "mat" | "atr" | "qrs")).then_some(header).filter(Place::is_file)
}

/// The headers that a multi-segment header puts together: they are no stays of their own.
pub(super) fn segments(place: &Place) -> Vec<PathBuf> {
    let path = place.path();
    if !Format::Wfdb.fits(path) {
        return Vec::new();
    }
    match load(place, "").map(|h| h.shape) {
        Ok(Shape::Segments(segments)) => {
            segments.into_iter().filter_map(|s| Some(path.with_file_name(s.name? + ".hea"))).collect()
        }
        _ => Vec::new(),
    }
}

fn load(place: &Place, name: &str) -> Result<Header, Error> {
    let mut file = place.open().map_err(|e| Error::io(name, &e))?;
    if length(&mut file).map_err(|e| Error::io(name, &e))? > MAX_HEADER {
        return Err(Error::header(name, "it is larger than 4 MiB"));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|e| Error::io(name, &e))?;
    header::parse(&latin(&bytes)).map_err(|why| Error::header(name, why))
}

/// Opens a record: header and annotations now, samples as they are asked for.
pub(super) fn read(place: &Place, name: &str, base: EventTime) -> Result<Stay, Error> {
    let header = load(place, name)?;
    let start = header.start.unwrap_or(base);
    let patient = PatientId::new(&format!("wfdb-{name}"))
        .map_err(|_| Error::header(name, "the file's name is no patient id"))?;
    let source = SourceId::new("wfdb").expect("the name is short and plain");
    let alarm = alarm::find(place, &header, start);
    let marks = marks(place, &header, start, alarm.as_ref().map(|found| found.alarm));
    let marks = marks.map_err(|why| Error::header(name, why))?;
    let notes = vec![if header.start.is_some() { NOTE_ZONE } else { NOTE_BASE }];
    let frame_hz = header.frame_hz;
    let mut reader = Reader {
        name: name.to_owned(),
        beside: place.clone(),
        start,
        frame_hz,
        frames: 0,
        plan: VecDeque::new(),
        current: None,
        blocks: Blocks::new(patient, source, start),
        queue: VecDeque::new(),
        done: false,
    };
    let mut counts = BTreeMap::new();
    match header.shape {
        Shape::Segments(segments) => reader.plan = segments.into(),
        Shape::Signals(_) => {
            let opened = Segment::open(place, &header, &mut reader.blocks, &mut counts);
            reader.current = Some(opened.map_err(|fault| Error::file(name, fault))?);
        }
    }
    let mut stay = Stay::new(name, Format::Wfdb, Box::new(reader));
    stay.labels = (!marks.is_empty()).then_some(Labels::Marks(marks));
    if alarm.as_ref().is_some_and(|found| found.disagree) {
        *counts.entry("wfdb.alarm_verdicts_disagree").or_default() += 1;
    }
    stay.alarms = alarm.map(|found| found.alarm).into_iter().collect();
    (stay.counts, stay.notes) = (counts, notes);
    Ok(stay)
}

/// Annotations of the `.atr` file beside the header, and the verdict on the alarm of a monitor.
fn marks(
    place: &Place,
    header: &Header,
    start: EventTime,
    alarm: Option<MonitorAlarm>,
) -> Result<Vec<Mark>, String> {
    let mut marks = match place.with_extension("atr").read() {
        Ok(bytes) => annotations::parse(&bytes, header.frame_hz, start)?,
        Err(_) => Vec::new(),
    };
    marks.extend(alarm.and_then(|alarm| {
        let verdict = if alarm.truth? { "true alarm" } else { "false alarm" };
        Some(Mark { at: alarm.at, lasts: None, text: format!("{}: {verdict}", alarm.kind.name()) })
    }));
    marks.sort_by_key(|m| m.at);
    Ok(marks)
}

/// The samples, a second of frames at a time.
struct Reader {
    name: String,
    /// The header; segments lie beside it.
    beside: Place,
    start: EventTime,
    frame_hz: f64,
    /// Frames before the current segment.
    frames: u64,
    plan: VecDeque<header::Part>,
    current: Option<Segment>,
    blocks: Blocks,
    queue: VecDeque<Result<Item, Error>>,
    done: bool,
}

impl Reader {
    fn advance(&mut self) {
        if self.current.is_some() {
            return self.read_second();
        }
        let Some(part) = self.plan.pop_front() else {
            self.done = true;
            return;
        };
        let origin = self.start + Span((self.frames as f64 * 1e6 / self.frame_hz).round() as i64);
        self.blocks.begin(origin);
        self.frames = self.frames.saturating_add(part.frames);
        // `~` is a gap, a part without frames the layout of a record whose channels vary.
        let Some(name) = part.name.filter(|_| part.frames > 0) else { return };
        let place = self.beside.with_file_name(name + ".hea");
        match self.open(&place, part.frames) {
            Ok(segment) => self.current = Some(segment),
            Err(mut error) => {
                error.at = At::Record(self.frames - part.frames);
                self.queue.push_back(Err(error));
            }
        }
    }

    fn open(&mut self, place: &Place, frames: u64) -> Result<Segment, Error> {
        let mut header = load(place, &self.name)?;
        if (header.frame_hz - self.frame_hz).abs() > 1e-6 {
            return Err(Error::header(&self.name, "a segment has another rate than its record"));
        }
        header.frames = Some(frames);
        Segment::open(place, &header, &mut self.blocks, &mut BTreeMap::new())
            .map_err(|fault| Error::file(&self.name, fault))
    }

    fn read_second(&mut self) {
        let Some(segment) = &mut self.current else { return };
        match segment.read(&mut self.blocks) {
            Ok(true) => {
                let items = self.blocks.complete();
                self.queue.extend(items.into_iter().map(Ok));
                return;
            }
            Ok(false) => {}
            Err(e) => self.queue.push_back(Err(Error::io(&self.name, &e))),
        }
        let missing = segment.missing();
        let done = segment.done();
        self.current = None;
        let items = self.blocks.rest();
        self.queue.extend(items.into_iter().map(Ok));
        if missing > 0 {
            let fault = Fault::Record(format!("a signal file ends {missing} frames before its header says"));
            self.queue.push_back(Err(Error { stay: self.name.clone(), at: At::Record(done), fault }));
        }
    }
}

impl Iterator for Reader {
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
