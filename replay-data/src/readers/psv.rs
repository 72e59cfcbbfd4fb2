//! PhysioNet/CinC Challenge 2019 stays: pipe-separated, one row an hour.
//!
//! Source: Reyna et al., Crit Care Med 48(2):210-217, 2020; column list of the challenge page. A row
//! of ICULOS `h` stands at base + (h - 1) hours. Two columns are documented in units that their
//! magnitudes contradict (see [`NOTES`]), FiO2 is documented in percent and stored as a fraction.

use std::{collections::BTreeMap, io::BufReader};

use bedwatch_schemas::{
    event::{Adt, AdtKind, Body, Demographics, Event, NoReading, Numeric, Provenance, Sex, Stream, UnitKind},
    ids::{PatientId, SourceId},
    signal::Signal,
    time::{EventTime, Span},
};

use super::{
    Hour, Item, Labels, Stay,
    error::{At, Error},
    lines::{Lines, MAX_TABLE_LINE},
    place::Place,
};
use crate::cinc2019::MEASURED;

/// What a reader of these files must know of the units taken.
pub const NOTES: [&str; 3] = [
    "Lactate is documented as mg/dL; its magnitudes are those of mmol/L, and it is taken as mmol/L",
    "Magnesium is documented as mmol/dL; its magnitudes are those of mg/dL, and it is taken as mg/dL",
    "FiO2 up to 1 is taken as a fraction, above 1 as percent",
];

/// The highest ICULOS taken (ten years), so that a wild number cannot leave the time axis.
const MAX_HOUR: f64 = 87_600.0;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Column {
    Signal(Signal),
    Age,
    Gender,
    Hour,
    Sepsis,
    Deterioration,
    MedicalUnit,
    SurgicalUnit,
    /// Hours from the stay's beginning to the admission to the hospital, mostly negative.
    HospitalAdmission,
    /// Not a column of the challenge.
    Unknown,
}

impl Column {
    fn named(name: &str) -> Self {
        match name {
            "Age" => Self::Age,
            "Gender" => Self::Gender,
            "ICULOS" => Self::Hour,
            "SepsisLabel" => Self::Sepsis,
            "DeteriorationLabel" => Self::Deterioration,
            "Unit1" => Self::MedicalUnit,
            "Unit2" => Self::SurgicalUnit,
            "HospAdmTime" => Self::HospitalAdmission,
            _ => MEASURED.iter().find(|(n, _)| *n == name).map_or(Self::Unknown, |(_, s)| Self::Signal(*s)),
        }
    }

    /// The column's name in an error: only words of the format.
    fn word(self) -> &'static str {
        match self {
            Self::Signal(s) => MEASURED.iter().find(|(_, t)| *t == s).map_or("a signal", |(n, _)| *n),
            Self::Age => "Age",
            Self::Gender => "Gender",
            Self::Hour => "ICULOS",
            Self::Sepsis => "SepsisLabel",
            Self::Deterioration => "DeteriorationLabel",
            Self::MedicalUnit => "Unit1",
            Self::SurgicalUnit => "Unit2",
            Self::HospitalAdmission => "HospAdmTime",
            Self::Unknown => "an unknown column",
        }
    }
}

/// Whether a first line is the header of such a file.
pub(super) fn is_header(line: &str) -> bool {
    header(line).is_ok()
}

fn header(line: &str) -> Result<Vec<Column>, &'static str> {
    let names: Vec<&str> = line.trim_end().split('|').map(str::trim).collect();
    let columns: Vec<Column> = names.iter().map(|n| Column::named(n)).collect();
    if !columns.contains(&Column::Hour) {
        return Err("there is no ICULOS column");
    }
    if !columns.iter().any(|c| matches!(c, Column::Signal(_))) {
        return Err("there is no column of a signal");
    }
    for (i, c) in columns.iter().enumerate() {
        if *c != Column::Unknown && columns[..i].contains(c) {
            return Err("a column stands twice");
        }
    }
    Ok(columns)
}

/// Reads one stay. A row or value that does not follow the format is an `Err` item of its own.
pub(super) fn read(place: &Place, name: &str, base: EventTime) -> Result<Stay, Error> {
    let file = place.open().map_err(|e| Error::io(name, &e))?;
    let mut lines = Lines::new(BufReader::new(file), MAX_TABLE_LINE);
    let first = lines.next().transpose().map_err(|e| Error::io(name, &e))?;
    let first = first.and_then(|l| l.text()).unwrap_or_default();
    let columns = header(&first).map_err(|why| Error::header(name, why))?;
    let patient =
        PatientId::new(name).map_err(|_| Error::header(name, "the file's name is no patient id"))?;
    let source = SourceId::new("cinc2019-psv").expect("the name is short and plain");
    let mut table = Table {
        name,
        columns,
        base,
        patient,
        source,
        admitted: false,
        last_hour: None,
        items: Vec::new(),
        hours: Vec::new(),
        counts: BTreeMap::new(),
    };
    let unknown = table.columns.iter().filter(|c| **c == Column::Unknown).count() as u64;
    if unknown > 0 {
        table.counts.insert("psv.unknown_column", unknown);
    }
    for line in lines {
        let line = line.map_err(|e| Error::io(name, &e))?;
        match line.text() {
            Some(text) if text.trim().is_empty() => {}
            Some(text) => table.row(line.number, &text),
            None => table.fail(line.number, "the line is longer than 64 KiB"),
        }
    }
    Ok(Stay {
        labels: table.columns.contains(&Column::Sepsis).then_some(Labels::Hourly(table.hours)),
        counts: table.counts,
        notes: NOTES.to_vec(),
        ..Stay::new(name, super::Format::Psv, Box::new(table.items.into_iter()))
    })
}

struct Table<'a> {
    name: &'a str,
    columns: Vec<Column>,
    base: EventTime,
    patient: PatientId,
    source: SourceId,
    admitted: bool,
    last_hour: Option<u32>,
    items: Vec<Result<Item, Error>>,
    hours: Vec<Hour>,
    counts: BTreeMap<&'static str, u64>,
}

impl Table<'_> {
    fn fail(&mut self, line: u64, why: impl Into<String>) {
        self.items.push(Err(Error::record(self.name, At::Line(line), why)));
    }

    fn row(&mut self, line: u64, text: &str) {
        let fields: Vec<&str> = text.trim_end().split('|').map(str::trim).collect();
        let (want, got) = (self.columns.len(), fields.len());
        if got != want {
            return self.fail(line, format!("{got} fields where the header has {want}"));
        }
        let values: Vec<Option<f64>> = (0..want).map(|i| self.value(line, i, fields[i])).collect();
        let Some(hour) = self.hour(line, &values) else { return };
        let at = self.base + Span::hours(i64::from(hour) - 1);
        if !self.admitted {
            self.admit(at, &values);
        }
        for (part, value) in values.iter().enumerate() {
            if let (Column::Signal(signal), Some(value)) = (self.columns[part], *value) {
                self.push(at, line - 1, part, reading(signal, value));
            }
        }
        let label = |c: Column| self.columns.iter().position(|x| *x == c).and_then(|i| values[i]);
        let (sepsis, deterioration) = (label(Column::Sepsis), label(Column::Deterioration));
        self.hours.push(Hour {
            hour,
            at,
            sepsis: sepsis.map(|v| v > 0.5),
            deterioration: deterioration.map(|v| v > 0.5),
        });
    }

    /// A field as a number; `NaN` and empty are missing, anything else that is no number a fault.
    fn value(&mut self, line: u64, column: usize, field: &str) -> Option<f64> {
        let column = self.columns[column];
        if column == Column::Unknown || field.is_empty() || field.eq_ignore_ascii_case("nan") {
            return None;
        }
        let value = field.parse::<f64>().ok().filter(|v| v.is_finite());
        let value = value.filter(|v| match column {
            Column::Gender
            | Column::Sepsis
            | Column::Deterioration
            | Column::MedicalUnit
            | Column::SurgicalUnit => *v == 0.0 || *v == 1.0,
            Column::HospitalAdmission => v.abs() <= MAX_HOUR,
            Column::Hour => v.fract() == 0.0 && (1.0..=MAX_HOUR).contains(v),
            _ => true,
        });
        if value.is_none() {
            self.fail(line, format!("the value of {} is not one", column.word()));
        }
        value
    }

    /// The row's hour, if it comes after the one before; missing hours are counted.
    fn hour(&mut self, line: u64, values: &[Option<f64>]) -> Option<u32> {
        let column = self.columns.iter().position(|c| *c == Column::Hour)?;
        let Some(hour) = values[column] else {
            self.fail(line, "the row has no ICULOS");
            return None;
        };
        let hour = hour as u32;
        let expected = self.last_hour.map_or(hour, |last| last + 1);
        if hour < expected {
            self.fail(line, format!("ICULOS goes back, {expected} was due"));
            return None;
        }
        if hour > expected {
            *self.counts.entry("psv.missing_hour").or_default() += u64::from(hour - expected);
        }
        self.last_hour = Some(hour);
        Some(hour)
    }

    fn admit(&mut self, at: EventTime, values: &[Option<f64>]) {
        self.admitted = true;
        let find = |c: Column| self.columns.iter().position(|x| *x == c).and_then(|i| values[i]);
        let sex = find(Column::Gender).map(|v| if v > 0.5 { Sex::Male } else { Sex::Female });
        let age = find(Column::Age).filter(|v| (0.0..=130.0).contains(v)).map(|v| v as f32);
        let adt = Adt {
            kind: AdtKind::Admit,
            demographics: Demographics { age_years: age, sex },
            admitted_at: Some(self.base),
            unit: match (find(Column::MedicalUnit), find(Column::SurgicalUnit)) {
                (Some(1.0), Some(0.0) | None) => Some(UnitKind::Medical),
                (Some(0.0) | None, Some(1.0)) => Some(UnitKind::Surgical),
                _ => None,
            },
            hospital_admitted_at: find(Column::HospitalAdmission)
                .map(|h| self.base + Span((h * 3_600e6).round() as i64)),
        };
        self.push(at, 0, 0, Body::Adt(adt));
    }

    fn push(&mut self, at: EventTime, offset: u64, part: usize, body: Body) {
        let event = Event {
            patient: self.patient.clone(),
            encounter: None,
            location: None,
            source: self.source.clone(),
            event_time: at,
            arrival: at.as_arrival_time(),
            provenance: Provenance {
                stream: Stream::Vitals,
                partition: 0,
                offset: offset as i64,
                part: part as u32,
            },
            body,
        };
        self.items.push(Ok(Item::Event(event)));
    }
}

fn reading(signal: Signal, value: f64) -> Body {
    if signal.is_sentinel(value) {
        return Body::NoReading { signal, reason: NoReading::Sentinel };
    }
    // Rounded, because 0.28 * 100 is not 28 in binary.
    let value = if signal == Signal::Fio2 && value <= 1.0 { (value * 1e6).round() / 1e4 } else { value };
    Body::Numeric(Numeric::new(signal, value))
}

#[cfg(test)]
mod tests;
