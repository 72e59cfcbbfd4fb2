//! Recordings below events: every channel as its file stores it, whether the engine takes it or not.
//!
//! The events of a WFDB or EDF stay are made of exactly these samples, so a comparison with another
//! reader here is one of what the engine is given.

use std::path::Path;

use bedwatch_schemas::time::{EventTime, Span};

use super::{
    Format,
    detect::detect_at,
    edf,
    error::{Error, Fault},
    place::Place,
    safe_name, wfdb,
};

/// The stored number of a sample that is none: the format's own mark, or a gap.
pub const NO_SAMPLE: i32 = i32::MIN;

/// A recording.
pub struct Recording {
    /// What it was read as.
    pub format: Format,
    /// When it begins, where its header says so.
    pub start: Option<EventTime>,
    /// Its annotation files (WFDB), in the order of their names.
    pub annotations: Vec<Annotations>,
    /// Its annotations on the time axis (EDF+), in the order of time: onset since the header's start,
    /// duration, text.
    pub notes: Vec<(Span, Option<Span>, String)>,
    /// Its samples in order. A fault is told where it stands, and what follows it is read.
    pub portions: Box<dyn Iterator<Item = Result<Portion, Error>> + Send>,
}

/// Samples of all channels that stand together: about a second (WFDB) or a data record (EDF).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Portion {
    /// When it begins, since the header's start.
    pub at: Span,
    /// The channels that have samples there.
    pub channels: Vec<Channel>,
}

/// Samples of one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Its place in the header, from 0. Segments of one WFDB record have headers of their own.
    pub number: usize,
    /// Its label as written.
    pub label: String,
    /// Its physical unit as written.
    pub unit: String,
    /// Samples a second.
    pub rate_hz: f64,
    /// The number of the first sample since the recording's beginning, at this rate.
    pub first: u64,
    /// The stored numbers; [`NO_SAMPLE`] where there is none.
    pub digital: Vec<i32>,
    /// The same in the physical unit: `NaN` where there is none, and where the channel has no calibration.
    pub physical: Vec<f64>,
}

/// The annotations of one annotator.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotations {
    /// The end of the file's name (`atr`, `qrs`).
    pub annotator: String,
    /// Its clock's steps a second: the record's frames, unless the file has a finer clock.
    pub hz: f64,
    /// In file order.
    pub list: Vec<Annotation>,
}

/// One annotation of a WFDB file: annot(5).
#[derive(Clone, PartialEq)]
pub struct Annotation {
    /// Steps of the clock since the record's beginning.
    pub at: i64,
    /// Its code, 1 to 49.
    pub code: u8,
    /// The code's symbol; empty where it has none.
    pub symbol: String,
    /// SUB: a class within the code.
    pub subtype: i8,
    /// CHN: the signal it is about.
    pub channel: u8,
    /// NUM.
    pub number: i8,
    /// AUX: its words. People type these: they are never logged.
    pub text: String,
}

impl std::fmt::Debug for Annotation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Annotation({}, {}, ***)", self.at, self.symbol)
    }
}

/// Opens a WFDB record (by its header) or an EDF or BDF file.
///
/// # Errors
/// When it cannot be read, its header does not follow its format, or it is of another format.
pub fn recording(path: &Path) -> Result<Recording, Error> {
    let (place, name) = (Place::from(path), safe_name(path));
    at(&place, &name, detect_at(&place)?)
}

/// [`recording`], of a file that may be a member of an archive.
pub(super) fn at(place: &Place, name: &str, format: Format) -> Result<Recording, Error> {
    match format {
        Format::Wfdb => wfdb::recording(place, name),
        Format::Edf => edf::recording(place, name),
        _ => Err(Error::file(name, Fault::Unsupported("a format without channels".into()))),
    }
}

/// Reads a WFDB annotation file, its record's frames a second being `frame_hz`; with the fault it ends at.
///
/// # Errors
/// When it cannot be read or is larger than 64 MiB.
pub fn annotations(path: &Path, frame_hz: f64) -> Result<(Annotations, Option<Error>), Error> {
    wfdb::annotation_file(&Place::from(path), &safe_name(path), frame_hz)
}
