//! Glucose series of continuous sensors as tables of text: iglu's layout (`id,time,gl`), the exports of
//! Dexcom Clarity and of LibreView, and any table with a time and a glucose column, whose fields are parted by
//! commas, semicolons or tabs.
//!
//! One stay per id. The unit is the header's; `gl` is mg/dL by iglu's definition. Words beyond the sensor's
//! range are taken as its bound, since to drop them would hide the lowest values: `Low` and `High` of Clarity
//! 40 and 400 mg/dL, `LO` and `HI` of LibreView 40 and 500 mg/dL. Of an export's several kinds of rows those
//! of the sensor are read (Clarity's `EGV`, LibreView's historic and scanned glucose); the others are counted.

mod days;
mod layout;

use std::{
    collections::BTreeMap,
    io::{self, BufReader},
};

use bedwatch_schemas::{
    event::{Body, Event, NoReading, Numeric, Provenance, Stream},
    ids::{PatientId, SourceId},
    signal::Signal,
    time::EventTime,
    unit::Unit,
};

use super::{
    Format, Item, Stay,
    error::{At, Error},
    lines::{Line, Lines, MAX_TABLE_LINE, fields},
    place::{Input, Place},
    stamps,
};
use days::Order;
use layout::{Export, Layout};

const NOTE_ZONE: &str = "times carry no zone and are taken as UTC";
const NOTE_UNIT: &str = "the header names no unit; glucose is taken as mg/dL";
const NOTE_BOUND: &str = "Low and High are taken as the sensor's bounds, 40 and 400 mg/dL";
const NOTE_BOUND_LIBRE: &str = "LO and HI are taken as the sensor's bounds, 40 and 500 mg/dL";
const NOTE_HISTORIC: &str =
    "historic glucose is taken as known at its own time, not at the scan that read it";
const NOTE_DAYS: &str = "nothing in the file says whether day or month comes first; the day is taken to";

/// The header stands in one of the first lines (some exports open with a title).
const HEADER_LINES: usize = 3;

/// Whether a file's first lines are such a table.
pub(super) fn is_table(head: &str) -> bool {
    head.lines().take(HEADER_LINES).any(|l| Layout::of(l).is_some())
}

fn table(place: &Place) -> io::Result<Option<(Layout, Lines<BufReader<Input>>)>> {
    let mut lines = Lines::new(BufReader::new(place.open()?), MAX_TABLE_LINE);
    for _ in 0..HEADER_LINES {
        let Some(line) = lines.next().transpose()? else { break };
        if let Some(layout) = line.text().and_then(|t| Layout::of(&t)) {
            return Ok(Some((layout, lines)));
        }
    }
    Ok(None)
}

/// The order of day and month in a table's times, where it is not always the same.
fn order(place: &Place) -> io::Result<Option<Order>> {
    let Some((layout, lines)) = table(place)? else { return Ok(None) };
    let mut seen = days::Seen::default();
    for line in lines {
        if let Some(fields) = data_fields(&layout, &line?) {
            seen.push(&fields[layout.time]);
        }
    }
    Ok(seen.order())
}

/// The ids of a file numbered by their first appearance.
#[derive(Default)]
struct Series(BTreeMap<String, usize>);

impl Series {
    /// The number of the series a row belongs to; files without an id column hold one.
    fn number(&mut self, layout: &Layout, fields: &[String]) -> usize {
        let id = layout.id.and_then(|i| fields.get(i)).cloned().unwrap_or_default();
        let next = self.0.len();
        *self.0.entry(id).or_insert(next)
    }
}

/// How many series a file holds; one where that cannot be told (reading then says why).
pub(super) fn series(place: &Place) -> usize {
    let Ok(Some((layout, lines))) = table(place) else { return 1 };
    let mut series = Series::default();
    for line in lines.map_while(Result::ok) {
        if let Some(fields) = data_fields(&layout, &line) {
            series.number(&layout, &fields);
        }
    }
    series.0.len().max(1)
}

/// The fields of a data row; `None` for empty lines and lines of the wrong width.
fn data_fields(layout: &Layout, line: &Line) -> Option<Vec<String>> {
    let text = line.text().filter(|t| !t.trim().is_empty())?;
    Some(fields(&text, layout.delimiter)).filter(|f| f.len() == layout.columns)
}

/// Reads one series.
pub(super) fn read(place: &Place, name: &str, _base: EventTime, wanted: usize) -> Result<Stay, Error> {
    let found = table(place).map_err(|e| Error::io(name, &e))?;
    let (layout, lines) =
        found.ok_or_else(|| Error::header(name, "no line names a time and a glucose column"))?;
    let mut reader = Reader {
        name,
        patient: None,
        source: SourceId::new("cgm-csv").expect("the name is short and plain"),
        items: Vec::new(),
        counts: BTreeMap::new(),
        bounded: false,
        zoneless: false,
        order: order(place).map_err(|e| Error::io(name, &e))?,
        layout,
    };
    let mut series = Series::default();
    for line in lines {
        let line = line.map_err(|e| Error::io(name, &e))?;
        match data_fields(&reader.layout, &line) {
            Some(fields) if series.number(&reader.layout, &fields) == wanted => {
                reader.row(line.number, &fields);
            }
            Some(_) => {}
            // A broken line belongs to no series; the first one reports it.
            None if wanted == 0 && line.text().is_none_or(|t| !t.trim().is_empty()) => {
                reader.fail(line.number, "the row has not as many fields as the header");
            }
            None => {}
        }
    }
    Ok(reader.stay())
}

struct Reader<'a> {
    name: &'a str,
    layout: Layout,
    patient: Option<PatientId>,
    source: SourceId,
    items: Vec<Result<Item, Error>>,
    counts: BTreeMap<&'static str, u64>,
    bounded: bool,
    zoneless: bool,
    /// Of day and month, where times of that kind are in the table.
    order: Option<Order>,
}

impl Reader<'_> {
    fn fail(&mut self, line: u64, why: &str) {
        self.items.push(Err(Error::record(self.name, At::Line(line), why)));
    }

    fn row(&mut self, line: u64, fields: &[String]) {
        let Some(column) = self.layout.glucose(fields) else {
            *self.counts.entry("cgm.row_without_sensor_value").or_default() += 1;
            return;
        };
        let text = &fields[self.layout.time];
        let Some(time) = stamps::iso(text).or_else(|| self.order?.time(text)) else {
            return self.fail(line, "the time is not YYYY-MM-DD HH:MM[:SS]");
        };
        self.zoneless |= EventTime::parse_rfc3339(text.trim()).is_err();
        let Some(body) = self.reading(&fields[column]) else {
            return self.fail(line, "the glucose is not a number");
        };
        let Some(patient) = self.patient_of(fields) else {
            return self.fail(line, "the id is empty, too long or holds a control character");
        };
        self.items.push(Ok(Item::Event(Event {
            patient,
            encounter: None,
            location: None,
            source: self.source.clone(),
            event_time: time,
            arrival: time.as_arrival_time(),
            provenance: Provenance {
                stream: Stream::Cgm,
                partition: 0,
                offset: line as i64 - 1,
                part: column as u32,
            },
            body,
        })));
    }

    fn patient_of(&mut self, fields: &[String]) -> Option<PatientId> {
        if self.patient.is_none() {
            let id = self.layout.id.map_or_else(|| format!("cgm-{}", self.name), |i| fields[i].clone());
            self.patient = PatientId::new(&id).ok();
        }
        self.patient.clone()
    }

    fn reading(&mut self, field: &str) -> Option<Body> {
        let signal = Signal::CgmGlucose;
        let bound = match (field.to_ascii_lowercase().as_str(), self.layout.export) {
            ("low" | "lo", _) => Some(40.0),
            ("high" | "hi", Export::LibreView) => Some(500.0),
            ("high" | "hi", _) => Some(400.0),
            ("" | "na" | "nan" | "null", _) => {
                return Some(Body::NoReading { signal, reason: NoReading::Empty });
            }
            _ => None,
        };
        if let Some(bound) = bound {
            self.bounded = true;
            return Some(Body::Numeric(Numeric::new(signal, bound)));
        }
        // A decimal comma, where no point says otherwise.
        let value: f64 = field.parse().or_else(|_| field.replacen(',', ".", 1).parse()).ok()?;
        if signal.is_sentinel(value) {
            return Some(Body::NoReading { signal, reason: NoReading::Sentinel });
        }
        let value = signal.to_canonical(value, self.layout.unit.unwrap_or(Unit::MgPerDl)).ok()?;
        Some(Body::Numeric(Numeric::new(signal, value)))
    }

    fn stay(mut self) -> Stay {
        let mut notes = Vec::new();
        let is_libre = self.layout.export == Export::LibreView;
        for (applies, note) in [
            (self.zoneless, NOTE_ZONE),
            (self.layout.unit.is_none(), NOTE_UNIT),
            (self.bounded && !is_libre, NOTE_BOUND),
            (self.bounded && is_libre, NOTE_BOUND_LIBRE),
            (is_libre, NOTE_HISTORIC),
            (self.order.is_some_and(|order| order.is_guess), NOTE_DAYS),
        ] {
            if applies {
                notes.push(note);
            }
        }
        // Faults first, then the readings by time; equal times keep the file's order.
        self.items.sort_by_key(|item| item.as_ref().ok().map(Item::arrival));
        let mut stay = Stay::new(self.name, Format::CgmCsv, Box::new(self.items.into_iter()));
        (stay.counts, stay.notes) = (self.counts, notes);
        stay
    }
}

#[cfg(test)]
mod tests;
