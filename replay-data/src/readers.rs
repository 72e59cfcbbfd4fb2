//! Readers of historical formats: what was recorded elsewhere becomes what the engine takes.
//!
//! A *stay* is what is replayed as one: a file, or one series of a file with several. [`open`] walks a
//! path, or the members of an archive, and gives cheap [`StaySource`]s in sorted order;
//! [`StaySource::read`] gives a [`Stay`] whose items come lazily, ordered by arrival. HL7 and FHIR stay
//! bytes ([`Item::Record`]), so that replay decodes them exactly as a live run does; the other formats
//! become events here.
//!
//! A malformed record fails alone: it is an `Err` item with the stay's name and its line, byte or
//! record, and the rest of the stay follows. No error holds content.

mod archive;
mod availability;
mod blocks;
mod cgm;
mod channels;
mod cinc2012;
mod course;
mod csv;
mod detect;
mod edf;
mod eicu;
mod error;
mod fhir;
mod hl7;
mod indexed;
mod infection;
mod infusions;
mod lines;
mod mimic;
mod parquet;
mod place;
mod psv;
pub mod raw;
mod spool;
mod stamps;
mod walk;
mod wfdb;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bedwatch_schemas::{
    event::{Event, Stream},
    time::{ArrivalTime, EventTime, Span},
};

use crate::simulator::TrueEpisode;

pub use availability::Availability;
pub use cinc2012::NOTES as CINC2012_NOTES;
pub use detect::{Format, detect};
pub use eicu::NOTES as EICU_NOTES;
pub use error::{At, Error, Fault};
pub use infection::{Antibiotic, Culture, Infection, When};
pub use mimic::{MIMIC4_NOTES, NOTES as MIMIC3_NOTES};
pub use psv::NOTES as PSV_NOTES;
pub use walk::{Other, Survey, open, survey};

/// How to read.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where a stay begins whose file has no calendar date of its own; a whole hour.
    pub base: EventTime,
    /// The format, where the caller knows it; `None` looks at the content.
    pub format: Option<Format>,
}

impl Default for Options {
    /// 2000-01-01T00:00Z, format by content.
    fn default() -> Self {
        Self { base: EventTime::from_millis(946_684_800_000), format: None }
    }
}

/// One thing for the engine.
pub enum Item {
    /// An event of a format decoded here.
    Event(Event),
    /// Raw bytes for `ingest`'s decoder, the same one as live.
    Record {
        /// The stream, which decides the decoder.
        stream: Stream,
        /// When it could first be known.
        at: ArrivalTime,
        /// The record's key; files have none, so the message's own id names the patient.
        key: Option<String>,
        /// The message, byte for byte.
        payload: Vec<u8>,
        /// The record's number in the file, from 0.
        offset: i64,
    },
}

impl Item {
    /// When it could first be known.
    #[must_use]
    pub fn arrival(&self) -> ArrivalTime {
        match self {
            Item::Event(event) => event.arrival,
            Item::Record { at, .. } => *at,
        }
    }
}

impl fmt::Debug for Item {
    /// Without content: an item may hold a whole message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Event(event) => write!(f, "Event({:?})", event.provenance),
            Item::Record { stream, offset, payload, .. } => {
                write!(f, "Record({}, offset {offset}, {} bytes)", stream.name(), payload.len())
            }
        }
    }
}

/// What was recorded as the truth about a stay.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Labels {
    /// One label an hour (CinC 2019).
    Hourly(Vec<Hour>),
    /// Marks on the time axis (EDF+ annotations, WFDB annotations, the verdict on an alarm).
    Marks(Vec<Mark>),
    /// One verdict on the whole stay (CinC 2012).
    Stay {
        /// Whether the patient died in hospital.
        death: bool,
    },
    /// What truly happened to a simulated patient.
    Episodes(Vec<TrueEpisode>),
    /// The failures of a recorded stay (MIMIC-III, MIMIC-IV, eICU).
    Course(Course),
}

/// What happened to a patient during a recorded stay, as far as it was charted.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Course {
    /// When the stay in the unit began.
    pub begins: EventTime,
    /// When it ended: what came after is not known.
    pub ends: EventTime,
    /// Whether the patient died in hospital, where that is told.
    pub death: Option<bool>,
    /// The failures, in the order of time.
    pub failures: Vec<Failure>,
    /// What was done about infections; `None` where the source does not tell.
    pub infection: Option<Infection>,
}

/// Something a deterioration alert should foretell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// When it began; the stay's beginning, where the patient came with it.
    pub at: EventTime,
    /// When it was over.
    pub over: EventTime,
    /// What it was.
    pub kind: FailureKind,
}

/// A kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// A vasopressor, with none in the 24 hours before.
    Vasopressor,
    /// Invasive ventilation, with none in the 24 hours before.
    Ventilation,
    /// Cardiac or respiratory arrest.
    Arrest,
    /// Death in the unit.
    Death,
}

/// The labels of one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hour {
    /// ICULOS: hours since ICU admission, from 1.
    pub hour: u32,
    /// The time of the row's events.
    pub at: EventTime,
    /// Sepsis: 1 from 6 h before onset (CinC 2019 definition); `None` where the row has none.
    pub sepsis: Option<bool>,
    /// Deterioration, where the file has such a column.
    pub deterioration: Option<bool>,
}

/// A mark on the time axis.
#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// Where it begins.
    pub at: EventTime,
    /// How long it lasts, where that is said.
    pub lasts: Option<Span>,
    /// Its words. People type these, so they may name someone: they are never logged.
    pub text: String,
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mark({}, {:?}, ***)", self.at, self.lasts)
    }
}

/// An alarm that a bedside monitor sounded, as it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MonitorAlarm {
    /// When it sounded.
    pub at: EventTime,
    /// What the monitor called it.
    pub kind: AlarmKind,
    /// Whether experts found it true, where that is told.
    pub truth: Option<bool>,
}

/// What a bedside monitor called its alarm (the five kinds of CinC 2015).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum AlarmKind {
    /// No beat for four seconds.
    Asystole,
    /// Below 40/min for five beats.
    Bradycardia,
    /// Above 140/min for 17 beats.
    Tachycardia,
    /// Ventricular flutter or fibrillation for four seconds.
    VentricularFlutter,
    /// Five or more ventricular beats at 100/min or more.
    VentricularTachycardia,
}

impl AlarmKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Asystole,
        Self::Bradycardia,
        Self::Tachycardia,
        Self::VentricularFlutter,
        Self::VentricularTachycardia,
    ];

    /// The challenge's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asystole => "Asystole",
            Self::Bradycardia => "Bradycardia",
            Self::Tachycardia => "Tachycardia",
            Self::VentricularFlutter => "Ventricular_Flutter_Fib",
            Self::VentricularTachycardia => "Ventricular_Tachycardia",
        }
    }

    /// Finds a kind by the challenge's name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The items of a stay, ordered by arrival.
pub type Items = Box<dyn Iterator<Item = Result<Item, Error>> + Send>;

/// One stay, ready to be replayed.
pub struct Stay {
    /// The file's stem (and a number where a file holds several), fit for a file name.
    pub name: String,
    /// What it was read as.
    pub format: Format,
    /// The truth, where the file has one.
    pub labels: Option<Labels>,
    /// Alarms of the bedside monitor that the record tells of, in the order of time.
    pub alarms: Vec<MonitorAlarm>,
    /// What was left out or not as expected, by name; known before the first item.
    pub counts: BTreeMap<&'static str, u64>,
    /// What was true during the stay and became known after it: of use to labels alone, which are made
    /// afterwards. No item says it, and it is counted as left out.
    pub hindsight: Vec<Event>,
    /// What it tells of the times at which its values became known.
    pub availability: Availability,
    /// What was decided about units and times, in plain words for a report.
    pub notes: Vec<&'static str>,
    items: Items,
}

impl Stay {
    fn new(name: &str, format: Format, items: Items) -> Self {
        Self {
            name: name.to_owned(),
            format,
            labels: None,
            alarms: Vec::new(),
            counts: BTreeMap::new(),
            hindsight: Vec::new(),
            availability: format.availability(),
            notes: Vec::new(),
            items,
        }
    }

    /// The items alone, when the labels have been taken.
    #[must_use]
    pub fn into_items(self) -> Items {
        self.items
    }
}

impl Iterator for Stay {
    type Item = Result<Item, Error>;
    fn next(&mut self) -> Option<Self::Item> {
        self.items.next()
    }
}

impl fmt::Debug for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stay").field("name", &self.name).field("format", &self.format).finish_non_exhaustive()
    }
}

/// A stay not yet read.
#[derive(Debug, Clone)]
pub struct StaySource {
    /// Its safe name.
    pub name: String,
    /// Its file; a member of an archive has the archive's path before its own.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// The series within the file, from 0 (CGM files and tables hold several people).
    series: usize,
    base: EventTime,
    /// The archive it is a member of.
    archive: Option<Arc<archive::Archive>>,
    /// The folder's tables, which all its stays share.
    tables: Option<Tables>,
}

/// Tables of many stays.
#[derive(Debug, Clone)]
enum Tables {
    Mimic(Arc<mimic::Tables>),
    Eicu(Arc<eicu::Tables>),
    Parquet(Arc<parquet::Tables>),
    FhirBulk(Arc<fhir::bulk::Export>),
}

impl StaySource {
    /// The files on disk that it is read from: its own, or the archive that it is a member of, or the tables
    /// that are read of its folder; of a WFDB record also its segments, signals, annotations and tables of
    /// labels. Files that are not there stand in no list.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        if let Some(archive) = &self.archive {
            // A table of labels may lie beside it.
            let beside = self.place().neighbours().into_iter().filter(|p| p.archive().is_none());
            let is_read = |place: &place::Place| match self.format {
                Format::Wfdb => wfdb::is_table_of_labels(place),
                Format::Cinc2012 => cinc2012::is_outcomes(place),
                _ => false,
            };
            let beside = beside.filter(is_read).map(|place| place.path().to_owned());
            return std::iter::once(archive.path().to_owned()).chain(beside).collect();
        }
        match (&self.tables, self.format) {
            (Some(Tables::Mimic(tables)), _) => tables.files(),
            (Some(Tables::Eicu(tables)), _) => tables.files(),
            (Some(Tables::Parquet(tables)), _) => tables.files(),
            (Some(Tables::FhirBulk(export)), _) => export.files().to_vec(),
            (None, Format::Wfdb) => wfdb::files(&self.place()),
            (None, Format::Cinc2012) => cinc2012::files(&self.place()),
            (None, _) => vec![self.path.clone()],
        }
    }

    fn place(&self) -> place::Place {
        place::Place::new(self.path.clone(), self.archive.clone())
    }

    /// Opens the recording below events: every channel as it is stored.
    ///
    /// # Errors
    /// As [`raw::recording`].
    pub fn recording(&self) -> Result<raw::Recording, Error> {
        raw::at(&self.place(), &self.name, self.format)
    }

    /// Opens the file, checks its header and gives the stay.
    ///
    /// # Errors
    /// When the file cannot be read or its header does not follow the format.
    pub fn read(&self) -> Result<Stay, Error> {
        let place = &self.place();
        let (name, base) = (self.name.as_str(), self.base);
        match self.format {
            Format::Psv => psv::read(place, name, base),
            Format::Cinc2012 => cinc2012::read(place, name, base),
            Format::Hl7v2 => hl7::read(place, name, base),
            Format::Fhir | Format::FhirNdjson => fhir::read(place, name, base, self.format),
            Format::Edf => edf::read(place, name, base),
            Format::Wfdb => wfdb::read(place, name, base),
            Format::CgmCsv => cgm::read(place, name, base, self.series),
            Format::Mimic3 | Format::Mimic4 | Format::Eicu | Format::Parquet | Format::FhirBulk => {
                match &self.tables {
                    Some(Tables::Mimic(tables)) => mimic::read(tables, name, self.series),
                    Some(Tables::Eicu(tables)) => eicu::read(tables, name, self.series),
                    Some(Tables::Parquet(tables)) => parquet::read(tables, name, self.series),
                    Some(Tables::FhirBulk(export)) => fhir::bulk::read(export, name, self.series),
                    None => Err(Error::header(
                        name,
                        "a table alone is no stay; name the folder, its ICUSTAYS or its patient",
                    )),
                }
            }
        }
    }
}

/// A file's stem with anything but ASCII letters, digits, `.`, `-` and `_` made `_`, at most 64 bytes.
fn safe_name(path: &Path) -> String {
    safe(&path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default())
}

/// A name fit for a file's, from any text.
fn safe(text: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = text.chars().take(64).map(keep).collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

#[cfg(test)]
mod scratch;
#[cfg(test)]
mod shared_data;
