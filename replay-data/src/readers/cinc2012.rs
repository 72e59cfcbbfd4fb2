//! PhysioNet/CinC Challenge 2012 stays: the first 48 hours, one `Time,Parameter,Value` a line.
//!
//! Source: Silva et al., Comput Cardiol 39:245-248, 2012; parameter list of the challenge page. Times
//! are hours and minutes since ICU admission. The general descriptors stand at 00:00, -1 where missing;
//! the other rows are measurements with real artefacts (pressures of 0, a pH of 735), which are kept
//! and flagged as implausible. Whether the patient died in hospital stands in `Outcomes-*.txt` beside
//! the file or in the folder above.

use std::{collections::BTreeMap, io::BufReader, path::PathBuf};

use bedwatch_schemas::{
    event::{Adt, AdtKind, Body, Demographics, Event, NoReading, Numeric, Provenance, Sex, Stream, UnitKind},
    ids::{PatientId, SourceId},
    signal::Signal,
    time::{EventTime, Span},
};

use super::{
    Format, Item, Labels, Stay,
    error::{At, Error},
    lines::{Lines, MAX_TABLE_LINE, latin},
    place::Place,
};

/// The first line of every file.
const HEADER: &str = "Time,Parameter,Value";

/// What a reader of these files must know of the units taken.
pub const NOTES: [&str; 2] = [
    "Mg is documented as mmol/L; its magnitudes are those of mg/dL, and it is taken as mg/dL",
    "FiO2 up to 1 is taken as a fraction, above 1 as percent",
];

/// The most hours taken (ten years), so that a wild number cannot leave the time axis.
const MAX_HOURS: i64 = 87_600;

/// The measured parameters with the signal each is read as.
const MEASURED: [(&str, Signal); 37] = [
    ("Albumin", Signal::Albumin),
    ("ALP", Signal::AlkalinePhosphatase),
    ("ALT", Signal::Alt),
    ("AST", Signal::Ast),
    ("Bilirubin", Signal::BilirubinTotal),
    ("BUN", Signal::Bun),
    ("Cholesterol", Signal::Cholesterol),
    ("Creatinine", Signal::Creatinine),
    ("DiasABP", Signal::AbpDiastolic),
    ("FiO2", Signal::Fio2),
    ("GCS", Signal::GcsTotal),
    ("Glucose", Signal::Glucose),
    ("HCO3", Signal::Bicarbonate),
    ("HCT", Signal::Hematocrit),
    ("Height", Signal::Height),
    ("HR", Signal::HeartRate),
    ("K", Signal::Potassium),
    ("Lactate", Signal::Lactate),
    ("MAP", Signal::AbpMean),
    ("MechVent", Signal::MechanicalVentilation),
    ("Mg", Signal::Magnesium),
    ("Na", Signal::Sodium),
    ("NIDiasABP", Signal::NibpDiastolic),
    ("NIMAP", Signal::NibpMean),
    ("NISysABP", Signal::NibpSystolic),
    ("PaCO2", Signal::Paco2),
    ("PaO2", Signal::Pao2),
    ("pH", Signal::ArterialPh),
    ("Platelets", Signal::Platelets),
    ("RespRate", Signal::RespRate),
    ("SaO2", Signal::Sao2),
    ("SysABP", Signal::AbpSystolic),
    ("Temp", Signal::Temperature),
    ("TroponinI", Signal::TroponinI),
    ("TroponinT", Signal::TroponinT),
    ("Urine", Signal::UrineOutput),
    ("WBC", Signal::Wbc),
];

/// The name of weight, which is both a descriptor and charted again.
const WEIGHT: &str = "Weight";

/// A general descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Descriptor {
    RecordId,
    Age,
    Gender,
    IcuType,
}

impl Descriptor {
    const ALL: [Self; 4] = [Self::RecordId, Self::Age, Self::Gender, Self::IcuType];

    const fn name(self) -> &'static str {
        match self {
            Self::RecordId => "RecordID",
            Self::Age => "Age",
            Self::Gender => "Gender",
            Self::IcuType => "ICUType",
        }
    }

    /// Whether the value is one; -1 is missing everywhere.
    fn takes(self, value: f64) -> bool {
        match self {
            Self::RecordId => value.fract() == 0.0 && (0.0..1e15).contains(&value),
            Self::Age => (0.0..=130.0).contains(&value),
            Self::Gender => value == 0.0 || value == 1.0,
            Self::IcuType => [1.0, 2.0, 3.0, 4.0].contains(&value),
        }
    }
}

/// What a parameter's name means.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Parameter {
    Descriptor(Descriptor),
    Signal(&'static str, Signal),
}

impl Parameter {
    fn named(name: &str) -> Option<Self> {
        if name == WEIGHT {
            return Some(Self::Signal(WEIGHT, Signal::Weight));
        }
        let descriptor = Descriptor::ALL.into_iter().find(|d| d.name() == name).map(Self::Descriptor);
        let measured = MEASURED.iter().find(|(n, _)| *n == name).map(|(n, s)| Self::Signal(n, *s));
        descriptor.or(measured)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Descriptor(d) => d.name(),
            Self::Signal(name, _) => name,
        }
    }
}

/// Whether a first line is the header of such a file.
pub(super) fn is_header(line: &str) -> bool {
    line.trim_end() == HEADER
}

/// Reads one stay. A line that does not follow the format is an `Err` item of its own.
pub(super) fn read(place: &Place, name: &str, base: EventTime) -> Result<Stay, Error> {
    let file = place.open().map_err(|e| Error::io(name, &e))?;
    let mut lines = Lines::new(BufReader::new(file), MAX_TABLE_LINE);
    let first = lines.next().transpose().map_err(|e| Error::io(name, &e))?;
    if !first.and_then(|l| l.text()).is_some_and(|l| is_header(&l)) {
        return Err(Error::header(name, "the first line is not Time,Parameter,Value"));
    }
    let patient =
        PatientId::new(name).map_err(|_| Error::header(name, "the file's name is no patient id"))?;
    let mut table = Table::of(name, base, patient);
    for line in lines {
        let line = line.map_err(|e| Error::io(name, &e))?;
        match line.text() {
            Some(text) if text.trim().is_empty() => {}
            Some(text) => table.line(line.number, &text),
            None => table.fail(line.number, "the line is longer than 64 KiB"),
        }
    }
    let record = table.person.get(&Descriptor::RecordId).map(|v| *v as u64);
    let death = record.and_then(|record| outcome(place, record));
    if death.is_none() {
        table.counts.insert("cinc2012.no_outcome", 1);
    }
    let admission = table.admission();
    let items = admission.into_iter().map(Ok).chain(table.items);
    Ok(Stay {
        labels: death.map(|death| Labels::Stay { death }),
        counts: table.counts,
        notes: NOTES.to_vec(),
        ..Stay::new(name, Format::Cinc2012, Box::new(items.collect::<Vec<_>>().into_iter()))
    })
}

struct Table<'a> {
    name: &'a str,
    base: EventTime,
    patient: PatientId,
    source: SourceId,
    /// The last minute read.
    minute: i64,
    person: BTreeMap<Descriptor, f64>,
    items: Vec<Result<Item, Error>>,
    counts: BTreeMap<&'static str, u64>,
}

impl<'a> Table<'a> {
    fn of(name: &'a str, base: EventTime, patient: PatientId) -> Self {
        let source = SourceId::new("cinc2012-text").expect("the name is short and plain");
        let (person, items, counts) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        Self { name, base, patient, source, minute: 0, person, items, counts }
    }

    fn fail(&mut self, line: u64, why: impl Into<String>) {
        self.items.push(Err(Error::record(self.name, At::Line(line), why)));
    }

    fn line(&mut self, line: u64, text: &str) {
        let fields: Vec<&str> = text.trim_end().split(',').map(str::trim).collect();
        let &[time, parameter, value] = fields.as_slice() else {
            return self.fail(line, format!("{} fields where there are three", fields.len()));
        };
        let Some(minute) = minutes(time) else {
            return self.fail(line, "the time is not HH:MM");
        };
        if minute < self.minute {
            return self.fail(line, "the time goes back");
        }
        self.minute = minute;
        let Some(parameter) = Parameter::named(parameter) else {
            *self.counts.entry("cinc2012.unknown_parameter").or_default() += 1;
            return;
        };
        let Some(value) = value.parse::<f64>().ok().filter(|v| v.is_finite()) else {
            return self.fail(line, format!("the value of {} is no number", parameter.name()));
        };
        match parameter {
            Parameter::Descriptor(descriptor) => self.describe(line, descriptor, value),
            Parameter::Signal(..) if minute == 0 && value == -1.0 => {}
            Parameter::Signal(_, signal) => {
                let event = self.event(minute, line - 1, reading(signal, value));
                self.items.push(Ok(event));
            }
        }
    }

    fn describe(&mut self, line: u64, descriptor: Descriptor, value: f64) {
        if self.minute != 0 {
            return self.fail(line, format!("{} stands after 00:00", descriptor.name()));
        }
        if value == -1.0 {
            return;
        }
        if !descriptor.takes(value) {
            return self.fail(line, format!("the value of {} is not one", descriptor.name()));
        }
        if self.person.contains_key(&descriptor) {
            return self.fail(line, format!("{} stands twice", descriptor.name()));
        }
        self.person.insert(descriptor, value);
    }

    /// The admission, of a stay of which anything is told.
    fn admission(&self) -> Option<Item> {
        if self.person.is_empty() && !self.items.iter().any(Result::is_ok) {
            return None;
        }
        let find = |d: Descriptor| self.person.get(&d).copied();
        let adt = Adt {
            kind: AdtKind::Admit,
            demographics: Demographics {
                age_years: find(Descriptor::Age).map(|v| v as f32),
                sex: find(Descriptor::Gender).map(|v| if v > 0.5 { Sex::Male } else { Sex::Female }),
            },
            admitted_at: Some(self.base),
            unit: find(Descriptor::IcuType).map(|v| match v as u8 {
                1 => UnitKind::Coronary,
                2 => UnitKind::CardiacSurgery,
                3 => UnitKind::Medical,
                _ => UnitKind::Surgical,
            }),
            hospital_admitted_at: None,
        };
        Some(self.event(0, 0, Body::Adt(adt)))
    }

    fn event(&self, minute: i64, offset: u64, body: Body) -> Item {
        let at = self.base + Span::minutes(minute);
        Item::Event(Event {
            patient: self.patient.clone(),
            encounter: None,
            location: None,
            source: self.source.clone(),
            event_time: at,
            arrival: at.as_arrival_time(),
            provenance: Provenance { stream: Stream::Vitals, partition: 0, offset: offset as i64, part: 0 },
            body,
        })
    }
}

/// `HH:MM` since admission as minutes; hours may exceed 23.
fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit()) && (2..=6).contains(&t.len());
    if !digits(hours) || !digits(minutes) || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= MAX_HOURS && minutes < 60).then_some(hours * 60 + minutes)
}

fn reading(signal: Signal, value: f64) -> Body {
    if signal.is_sentinel(value) {
        return Body::NoReading { signal, reason: NoReading::Sentinel };
    }
    // Rounded, because 0.28 * 100 is not 28 in binary.
    let value = if signal == Signal::Fio2 && value <= 1.0 { (value * 1e6).round() / 1e4 } else { value };
    Body::Numeric(Numeric::new(signal, value))
}

/// The files that a record is read from: its own and those of outcomes.
pub(super) fn files(place: &Place) -> Vec<PathBuf> {
    let outcomes = place.neighbours().into_iter().filter(is_outcomes).map(|p| p.path().to_owned());
    std::iter::once(place.path().to_owned()).chain(outcomes).collect()
}

/// Whether the patient of a record died in hospital, from the first outcomes file that names it.
fn outcome(place: &Place, record: u64) -> Option<bool> {
    place.neighbours().into_iter().filter(is_outcomes).find_map(|file| {
        let text = latin(&file.read().ok()?);
        death_in(&text, record)
    })
}

pub(super) fn is_outcomes(place: &Place) -> bool {
    let name = place.path().file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    name.starts_with("Outcomes-") && name.ends_with(".txt")
}

/// The column `In-hospital_death` of a record's row.
fn death_in(text: &str, record: u64) -> Option<bool> {
    let mut lines = text.lines();
    let column = |name: &str, header: &str| header.split(',').position(|n| n.trim() == name);
    let header = lines.next()?;
    let (id, death) = (column("RecordID", header)?, column("In-hospital_death", header)?);
    let row = lines.find(|line| line.split(',').nth(id).is_some_and(|v| v.trim().parse() == Ok(record)))?;
    match row.split(',').nth(death)?.trim() {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
