//! WFDB records (PhysioNet) as one-second waveform blocks; annotations and alarm verdicts as marks.
//!
//! Sources: header(5), signal(5) and annot(5) of the WFDB manual. Physical value = (sample - baseline)
//! / gain; the format's invalid sample is `NaN`. Multi-segment records are read segment by segment,
//! each with its own channels; a gap leaves no block. Read a second at a time: memory does not grow
//! with the record. A signal whose samples do not sum up to the header's checksum is read and told of.

mod alarm;
mod annotations;
mod blocks;
mod flac;
mod frames;
mod header;
mod samples;
mod segment;

use std::{collections::BTreeSet, io::Read, path::PathBuf};

use bedwatch_schemas::{
    ids::{PatientId, SourceId},
    time::EventTime,
};

use super::{
    Format, Labels, Mark, MonitorAlarm, Stay,
    error::{Error, Fault},
    lines::latin,
    place::{Place, length},
    raw::{Annotations, Recording},
};
use frames::Frames;
use header::{Header, Shape};

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
    let numbered = matches!(end.as_bytes(), [b'd', digit] if digit.is_ascii_digit());
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

/// The files that a record is read from: its header, those of its segments, signals, annotations and tables of
/// labels. What is named and not there is left out.
pub(super) fn files(place: &Place) -> Vec<PathBuf> {
    let mut places = vec![place.clone()];
    let header = load(place, "").ok();
    let segments = match header.as_ref().map(|h| &h.shape) {
        Some(Shape::Segments(parts)) => parts.iter().filter_map(|part| part.name.as_ref()).collect(),
        _ => Vec::new(),
    };
    places.extend(segments.into_iter().map(|name| place.with_file_name(format!("{name}.hea"))));
    // Segments are not made of segments.
    for header in places.clone() {
        if let Ok(Header { shape: Shape::Signals(signals), .. }) = load(&header, "") {
            let files = signals.iter().filter(|s| s.has_file());
            places.extend(files.map(|s| place.with_file_name(&s.file)));
        }
    }
    places.extend(annotations::annotators(place).map(|(_, place)| place));
    if header.is_some_and(|header| alarm::is_named(&header)) {
        places.extend(place.neighbours().into_iter().filter(is_table_of_labels));
    }
    let paths = places.iter().filter(|p| p.is_file()).map(|p| p.path().to_owned());
    paths.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether a file may say which alarms are true.
pub(super) fn is_table_of_labels(place: &Place) -> bool {
    alarm::is_table(place.path())
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
    let notes = vec![if header.start.is_some() { NOTE_ZONE } else { NOTE_BASE }];
    let (annotations, faults) = annotations_beside(place, &header, name);
    let mut marks: Vec<Mark> = annotations.iter().flat_map(|all| annotations::marks(all, start)).collect();
    marks.extend(alarm.as_ref().and_then(|found| verdict(found.alarm)));
    marks.sort_by_key(|m| m.at);
    let mut counts = blocks::left_out(place, &header);
    let frames = Frames::open(place, name, header, blocks::wants)?;
    let items = blocks::Items::new(frames, patient, source, start);
    let faults = faults.into_iter().map(Err);
    let mut stay = Stay::new(name, Format::Wfdb, Box::new(faults.chain(items)));
    stay.labels = (!marks.is_empty()).then_some(Labels::Marks(marks));
    if alarm.as_ref().is_some_and(|found| found.disagree) {
        *counts.entry("wfdb.alarm_verdicts_disagree").or_default() += 1;
    }
    stay.alarms = alarm.map(|found| found.alarm).into_iter().collect();
    (stay.counts, stay.notes) = (counts, notes);
    Ok(stay)
}

/// Opens a record below events.
pub(super) fn recording(place: &Place, name: &str) -> Result<Recording, Error> {
    let header = load(place, name)?;
    let (annotations, faults) = annotations_beside(place, &header, name);
    let start = header.start;
    let frames = Frames::open(place, name, header, |_, _| true)?;
    let portions = Box::new(faults.into_iter().map(Err).chain(frames.portions()));
    Ok(Recording { format: Format::Wfdb, start, annotations, notes: Vec::new(), portions })
}

/// Reads an annotation file by itself.
pub(super) fn annotation_file(
    place: &Place,
    name: &str,
    frame_hz: f64,
) -> Result<(Annotations, Option<Error>), Error> {
    let bytes = place.read_at_most(annotations::MAX_BYTES).map_err(|e| Error::io(name, &e))?;
    let bytes = bytes.ok_or_else(|| Error::header(name, "it is larger than 64 MiB"))?;
    let annotator = place.path().extension().map(|e| e.to_string_lossy().into_owned());
    let read = annotations::parse(&bytes, &annotator.unwrap_or_default(), frame_hz);
    let fault = read.fault.map(|why| Error::file(name, Fault::Record(why.to_owned())));
    Ok((read.found, fault))
}

fn annotations_beside(place: &Place, header: &Header, name: &str) -> (Vec<Annotations>, Vec<Error>) {
    let all = annotations::beside(place, header.frame_hz);
    let faults = all.iter().filter_map(|read| {
        let why = format!("{} ({})", read.fault?, read.found.annotator);
        Some(Error::file(name, Fault::Record(why)))
    });
    let faults = faults.collect();
    (all.into_iter().map(|read| read.found).collect(), faults)
}

/// The verdict on the alarm of a monitor.
fn verdict(alarm: MonitorAlarm) -> Option<Mark> {
    let verdict = if alarm.truth? { "true alarm" } else { "false alarm" };
    Some(Mark { at: alarm.at, lasts: None, text: format!("{}: {verdict}", alarm.kind.name()) })
}

#[cfg(test)]
mod tests;
