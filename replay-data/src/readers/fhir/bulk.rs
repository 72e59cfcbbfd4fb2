//! FHIR bulk exports (the Bulk Data Access guide): a folder with a file a resource type, a resource a line
//! (`Patient.ndjson`, `Observation.000.ndjson.gz`), as one stay a patient.
//!
//! The files are read once, from front to back, at the first stay that is read: of each resource only whose
//! it is, its time and its place are kept, sorted by patient in a nameless file ([`super::super::spool`]).
//! Packed files are unpacked into nameless files. A resource's bytes are read when they are asked for, and
//! decoded as live ones are.
//!
//! A resource is available as [`super`] says, and where it holds no such time when the server last wrote it.
//! A Patient is known from the stay's first moment, and without `meta`: when the exported copy was written
//! says nothing of the bedside. Patients are those of the `Patient` files; resources about nobody, or about
//! a patient that the export lacks, are counted with the first stay, and a line that cannot be read is an
//! error with its file and line.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use bedwatch_ingest::fhir::patients::{Naming, parts};
use bedwatch_schemas::{event::Stream, ids::PatientId, time::EventTime};
use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Times, date_time};
use crate::readers::{
    At, Error, Fault, Format, Item, Stay,
    indexed::MAX_RECORD,
    lines::{Line, Lines},
    place::{Folder, Place},
    safe_name,
    spool::{OfStay, Sorter, Spool},
};

/// Lines of a file that are looked at for its resource type.
const HEAD_LINES: usize = 20;

const NOBODYS: &str = "fhir.resource_about_nobody";
const UNKNOWN: &str = "fhir.patient_not_in_export";
const NO_TIME: &str = "fhir.resource_without_time_taken_at_the_beginning";

const NOTES: [&str; 2] = [
    "resources are known when issued, else at the time they speak of, else when the server last wrote them",
    "what the export says of a person is known from the first moment of the stay",
];

/// What of a resource says whose kind it is and when it was written.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Kind {
    resource_type: String,
    meta: Meta,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    last_updated: Option<String>,
}

/// Whether a file's name is one of an export's.
pub(in crate::readers) fn is_file(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    [".ndjson", ".ndjson.gz"].iter().any(|end| name.ends_with(end)) && !name.starts_with('.')
}

/// The lines of a file, plain or packed.
fn lines(file: &Place) -> io::Result<Lines<Box<dyn BufRead>>> {
    let mut file = BufReader::with_capacity(1 << 16, file.open()?);
    let packed = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let input: Box<dyn BufRead> =
        if packed { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) };
    Ok(Lines::new(input, MAX_RECORD as usize))
}

/// The files of a folder that may be an export's, in the order of their names.
fn files(folder: &Folder) -> Vec<Place> {
    folder.files().into_iter().filter(|f| is_file(f.path()) && f.is_file()).collect()
}

/// What the first lines of a file hold.
#[derive(Debug, PartialEq, Eq)]
enum Holds {
    /// No line: servers write such files for types of which there is nothing. One that cannot be read so far
    /// says as little.
    Nothing,
    /// Resources of one type.
    One(String),
    /// Resources of several types, or something else.
    Other,
}

fn holds(file: &Place) -> Holds {
    let mut found = Holds::Nothing;
    let Ok(lines) = lines(file) else { return found };
    for line in lines.take(HEAD_LINES) {
        let Ok(line) = line else { break };
        let Some(json) = line.bytes.filter(|b| !b.trim_ascii().is_empty()) else { continue };
        // A line that is broken is told when the files are read; lines that are all broken are no resources.
        let Ok(Kind { resource_type, .. }) = serde_json::from_slice(&json) else {
            found = if found == Holds::Nothing { Holds::Other } else { found };
            continue;
        };
        found = match found {
            _ if resource_type.is_empty() => return Holds::Other,
            Holds::One(before) if before != resource_type => return Holds::Other,
            _ => Holds::One(resource_type),
        };
    }
    found
}

/// Whether a folder is an export: files of one resource type each, of several types, patients among them.
/// Empty files decide nothing.
pub(in crate::readers) fn is_folder(folder: &Folder) -> bool {
    let files = files(folder);
    if files.len() < 2 {
        return false;
    }
    let mut types = BTreeSet::new();
    for file in &files {
        match holds(file) {
            Holds::Nothing => {}
            Holds::One(of) => drop(types.insert(of)),
            Holds::Other => return false,
        }
    }
    types.len() > 1 && types.contains("Patient")
}

/// Where a resource stands, and when it could be known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Word {
    stay: u32,
    file: u32,
    line: u64,
    start: u64,
    length: u64,
    /// `None`: from the stay's first moment.
    at: Option<EventTime>,
    is_patient: bool,
}

impl OfStay for Word {
    fn stay(&self) -> usize {
        self.stay as usize
    }
}

/// An export.
pub(in crate::readers) struct Export {
    folder: PathBuf,
    files: Vec<PathBuf>,
    base: EventTime,
    /// The patients, whose places here number the stays.
    patients: Vec<PatientId>,
    sorted: OnceLock<Result<Sorted, Fault>>,
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Export({}, {} patients)", self.folder.display(), self.patients.len())
    }
}

struct Sorted {
    spool: Spool<Word>,
    /// The files' bytes, unpacked.
    bytes: Arc<Vec<File>>,
    faults: Vec<Error>,
    left: BTreeMap<&'static str, u64>,
}

impl Export {
    /// Reads the patients of an export; a stay without any time of its own begins at `base`.
    pub(in crate::readers) fn open(folder: &Path, base: EventTime) -> Result<Self, Fault> {
        let io = |e: io::Error| Fault::Io(e.kind());
        let files = files(&folder.into());
        let mut patients = BTreeSet::new();
        for file in files.iter().filter(|f| holds(f) == Holds::One("Patient".to_owned())) {
            for line in lines(file).map_err(io)? {
                // A line that names no patient, or where a packed file breaks off, is told of when the files
                // are read.
                let Ok(line) = line else { break };
                patients.extend(line.bytes.and_then(|json| whose(&json).ok().flatten()));
            }
        }
        let patients = patients.into_iter().collect();
        let files = files.iter().map(|f| f.path().to_owned()).collect();
        Ok(Self { folder: folder.to_owned(), files, base, patients, sorted: OnceLock::new() })
    }

    /// The folder's first file, which stands for it.
    pub(in crate::readers) fn path(&self) -> PathBuf {
        self.files.first().cloned().unwrap_or_else(|| self.folder.clone())
    }

    /// The files of the export.
    pub(in crate::readers) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The patients, in the order of the stays.
    pub(in crate::readers) fn patients(&self) -> &[PatientId] {
        &self.patients
    }

    fn sorted(&self) -> Result<&Sorted, Fault> {
        self.sorted
            .get_or_init(|| self.pass().map_err(|e| Fault::Io(e.kind())))
            .as_ref()
            .map_err(Clone::clone)
    }

    fn pass(&self) -> io::Result<Sorted> {
        let mut pass = Pass {
            export: self,
            sorter: Sorter::new(self.patients.len())?,
            faults: Vec::new(),
            left: BTreeMap::new(),
        };
        let mut bytes = Vec::new();
        for (number, path) in self.files.iter().enumerate() {
            bytes.push(pass.file(number as u32, path)?);
        }
        let Pass { sorter, faults, left, .. } = pass;
        Ok(Sorted { spool: sorter.sorted()?, bytes: Arc::new(bytes), faults, left })
    }
}

/// The one pass.
struct Pass<'a> {
    export: &'a Export,
    sorter: Sorter<Word>,
    faults: Vec<Error>,
    left: BTreeMap<&'static str, u64>,
}

impl Pass<'_> {
    /// Indexes a file; gives its bytes.
    fn file(&mut self, number: u32, path: &Path) -> io::Result<File> {
        let mut bytes = File::open(path)?;
        let mut head = BufReader::new(&bytes);
        if head.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
            let mut whole = tempfile::tempfile()?;
            if !unpack(&mut MultiGzDecoder::new(head), &mut whole)? {
                // What was unpacked stands; its last line, cut short, is told of like another.
                let fault = Fault::Record("the packed file breaks off".into());
                self.faults.push(Error { stay: safe_name(path), at: At::File, fault });
            }
            whole.seek(SeekFrom::Start(0))?;
            bytes = whole;
        }
        bytes.seek(SeekFrom::Start(0))?;
        let mark = if has_mark(&bytes) { 3 } else { 0 };
        for line in Lines::new(BufReader::with_capacity(1 << 16, &bytes), MAX_RECORD as usize) {
            self.line(number, path, &line?, mark)?;
        }
        Ok(bytes)
    }

    /// Indexes a line; `mark` bytes before the first one belong to no resource.
    fn line(&mut self, file: u32, path: &Path, line: &Line, mark: u64) -> io::Result<()> {
        let mut fail = |why: &str| {
            let error = Error::record(&safe_name(path), At::Line(line.number), why);
            self.faults.push(error);
        };
        let Some(json) = &line.bytes else {
            fail("it is over 64 MiB");
            return Ok(());
        };
        if json.trim_ascii().is_empty() {
            return Ok(());
        }
        let patient = match whose(json) {
            Ok(Some(patient)) => patient,
            Ok(None) => {
                *self.left.entry(NOBODYS).or_default() += 1;
                return Ok(());
            }
            Err(why) => {
                fail(why);
                return Ok(());
            }
        };
        let Ok(stay) = self.export.patients.binary_search(&patient) else {
            *self.left.entry(UNKNOWN).or_default() += 1;
            return Ok(());
        };
        let kind: Kind = serde_json::from_slice(json).unwrap_or_default();
        let is_patient = kind.resource_type == "Patient";
        let own = serde_json::from_slice::<Times>(json).ok().and_then(|times| times.latest());
        let written = || kind.meta.last_updated.as_deref().and_then(date_time);
        let at = if is_patient { None } else { own.or_else(written) };
        let start = if line.start == 0 { mark } else { line.start };
        let length = json.len() as u64;
        self.sorter.push(&Word { stay: stay as u32, file, line: line.number, start, length, at, is_patient })
    }
}

/// Unpacks into a file; whether the packed bytes came to their end. A file that cannot be written is another
/// error: a full disk is not the input's fault, and no line is lost to it.
fn unpack(packed: &mut impl Read, whole: &mut impl Write) -> io::Result<bool> {
    let mut bytes = vec![0; 1 << 16];
    let is_whole = loop {
        match packed.read(&mut bytes) {
            Ok(0) => break true,
            Ok(n) => whole.write_all(&bytes[..n])?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break false,
        }
    };
    whole.flush()?;
    Ok(is_whole)
}

/// Whether a file begins with a byte-order mark.
fn has_mark(file: &File) -> bool {
    let mut head = [0; 3];
    file.read_exact_at(&mut head, 0).is_ok() && head == *b"\xEF\xBB\xBF"
}

/// The patient that a resource is about.
fn whose(json: &[u8]) -> Result<Option<PatientId>, &'static str> {
    let message = parts(json, &Naming::default()).map_err(|_| "it is no JSON object with a resourceType")?;
    if !message.rejections.is_empty() {
        return Err("it does not say whose it is");
    }
    match message.parts.len() {
        0 | 1 => Ok(message.parts.into_iter().next().and_then(|part| part.patient)),
        _ => Err("it is about several patients"),
    }
}

/// Reads one stay.
pub(in crate::readers) fn read(export: &Export, name: &str, number: usize) -> Result<Stay, Error> {
    let sorted = export.sorted().map_err(|fault| Error::file(name, fault))?;
    let mut words = sorted.spool.of(number).map_err(|e| Error::io(name, &e))?;
    let begins = words.iter().filter_map(|w| w.at).min().unwrap_or(export.base);
    let timeless = words.iter().filter(|w| w.at.is_none() && !w.is_patient).count() as u64;
    // At one moment the person comes first, then the files in order.
    words.sort_by_key(|w| (w.at.unwrap_or(begins), !w.is_patient, w.file, w.line));
    let (faults, left) = match number {
        0 => (sorted.faults.clone(), sorted.left.clone()),
        _ => (Vec::new(), BTreeMap::new()),
    };
    let (bytes, of_stay) = (sorted.bytes.clone(), name.to_owned());
    let items = words.into_iter().zip(0_i64..).map(move |(word, offset)| {
        let payload = payload(&bytes[word.file as usize], &word).map_err(|e| Error::io(&of_stay, &e))?;
        let at = word.at.unwrap_or(begins).as_arrival_time();
        Ok(Item::Record { stream: Stream::Fhir, at, key: None, payload, offset })
    });
    let mut stay = Stay::new(name, Format::FhirBulk, Box::new(faults.into_iter().map(Err).chain(items)));
    stay.counts = left;
    if timeless > 0 {
        stay.counts.insert(NO_TIME, timeless);
    }
    stay.notes = NOTES.to_vec();
    Ok(stay)
}

fn payload(file: &File, word: &Word) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; word.length as usize];
    file.read_exact_at(&mut bytes, word.start)?;
    if !word.is_patient {
        return Ok(bytes);
    }
    let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(&bytes)?;
    fields.remove("meta");
    Ok(serde_json::to_vec(&fields)?)
}

#[cfg(test)]
mod tests;
