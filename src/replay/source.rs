//! Where replayed inputs come from: the historical formats, or a recording of the six streams.

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use bedwatch_ingest::kafka::source::OwnedRecord;
use bedwatch_replay_data::readers::{self, Availability, Item, Labels, MonitorAlarm, Other, StaySource};
use bedwatch_schemas::{
    event::{Event, Stream},
    time::ArrivalTime,
};

use super::{journal, ward};
use crate::{engine::cell::Entry, recording, release::Release};

/// Something to replay through one core.
#[derive(Debug, Clone)]
pub enum Source {
    /// A stay of a historical format.
    Stay(StaySource),
    /// A recording of the six streams.
    Recording {
        /// Its name.
        name: String,
        /// Its file.
        path: PathBuf,
    },
    /// A bed of the simulator.
    Bed(ward::Bed),
    /// Another source with what may leave of it.
    Consented {
        /// The other.
        of: Box<Source>,
        /// What decides.
        release: Arc<Release>,
    },
}

/// One input.
#[derive(Debug)]
pub enum Input {
    /// Bytes.
    Record(Entry),
    /// An event.
    Event(Event),
}

impl Input {
    pub(super) fn arrival(&self) -> ArrivalTime {
        match self {
            Input::Record(entry) => entry.stamp,
            Input::Event(event) => event.arrival,
        }
    }

    /// Takes it into a hash of all that is read.
    pub(super) fn hash(&self, hasher: &mut blake3::Hasher) {
        match self {
            Input::Record(Entry { stamp, record }) => {
                hasher.update(record.stream.name().as_bytes()).update(&stamp.as_micros().to_le_bytes());
                for bytes in [record.key.as_deref().unwrap_or_default().as_bytes(), &record.payload] {
                    hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
                }
            }
            // A hasher takes whatever is written, and an event is plain data.
            Input::Event(event) => drop(serde_json::to_writer(hasher, event)),
        }
    }
}

/// The inputs of a source; faults are told by name and place, without content.
pub(super) struct Inputs {
    pub(super) labels: Option<Labels>,
    /// Alarms of the bedside monitor, in the order of time.
    pub(super) alarms: Vec<MonitorAlarm>,
    pub(super) availability: Availability,
    /// What became known after the stay: for labels alone.
    pub(super) hindsight: Vec<Event>,
    /// What the reader left out or found not as expected, by name.
    pub(super) left_out: BTreeMap<&'static str, u64>,
    items: InputItems,
}

type InputItems = Box<dyn Iterator<Item = Result<Input, String>> + Send>;

impl Inputs {
    /// Records of the six streams, which bear the time at which each arrived.
    fn streamed(labels: Option<Labels>, items: InputItems) -> Self {
        let (availability, alarms) = (Availability::Recorded, Vec::new());
        Self { labels, alarms, availability, hindsight: Vec::new(), left_out: BTreeMap::new(), items }
    }
}

impl Iterator for Inputs {
    type Item = Result<Input, String>;
    fn next(&mut self) -> Option<Self::Item> {
        self.items.next()
    }
}

impl Source {
    /// The source's name, fit for a file name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Source::Stay(stay) => &stay.name,
            Source::Recording { name, .. } => name,
            Source::Bed(bed) => &bed.name,
            Source::Consented { of, .. } => of.name(),
        }
    }

    /// The format's name.
    #[must_use]
    pub fn format(&self) -> String {
        match self {
            Source::Stay(stay) => stay.format.name().to_owned(),
            Source::Recording { .. } => "recording".to_owned(),
            Source::Bed(_) => "simulator".to_owned(),
            Source::Consented { of, .. } => of.format(),
        }
    }

    /// The files on disk that it is read from; of tables their folder, of a simulated bed none.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Source::Stay(stay) => stay.files(),
            Source::Recording { path, .. } => vec![path.clone()],
            Source::Bed(_) => Vec::new(),
            Source::Consented { of, .. } => of.files(),
        }
    }

    /// The name of the folder that the source lies in.
    #[must_use]
    pub fn site(&self) -> String {
        let path = match self {
            Source::Stay(stay) => &stay.path,
            Source::Recording { path, .. } => path,
            Source::Bed(_) => return "simulator".to_owned(),
            Source::Consented { of, .. } => return of.site(),
        };
        let folder = path.parent().and_then(Path::file_name);
        folder.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    pub(super) fn read(&self) -> anyhow::Result<Inputs> {
        match self {
            Source::Stay(source) => {
                let mut stay = source.read()?;
                let labels = stay.labels.take();
                let left_out = std::mem::take(&mut stay.counts);
                let alarms = std::mem::take(&mut stay.alarms);
                let availability = stay.availability;
                let hindsight = std::mem::take(&mut stay.hindsight);
                let items = stay.into_items().map(|item| item.map(input).map_err(|e| e.to_string()));
                Ok(Inputs { labels, alarms, availability, hindsight, left_out, items: Box::new(items) })
            }
            Source::Recording { path, .. } => {
                let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
                let mut numbers = BTreeMap::<Stream, i64>::new();
                let items = recording::read(BufReader::new(file)).map(move |record| {
                    let record = record.map_err(|e| e.to_string())?;
                    let number = numbers.entry(record.stream).or_insert(-1);
                    *number += 1;
                    let place = record.place.unwrap_or((0, *number));
                    Ok(entry(record.stream, place, record.at, record.key, record.payload))
                });
                Ok(Inputs::streamed(None, Box::new(items)))
            }
            Source::Bed(bed) => {
                let truth = bed.is_one().then(|| bed.truth()).transpose()?;
                let labels = truth.map(Labels::Episodes);
                let numbered = (0_i64..).zip(bed.records()?);
                let items = numbered.map(|(number, r)| {
                    let key = Some(r.key.as_str().to_owned());
                    Ok(entry(r.stream, (0, number), r.at, key, r.payload))
                });
                Ok(Inputs::streamed(labels, Box::new(items)))
            }
            Source::Consented { of, release } => {
                let inputs = of.read()?;
                let Some(mut gate) = release.gate() else { return Ok(inputs) };
                let (name, release) = (self.name().to_owned(), release.clone());
                let items = inputs.items.flat_map(move |item| {
                    let passed = match item {
                        Err(fault) => vec![Err(fault)],
                        Ok(input) => release.pass(&mut gate, input).into_iter().map(Ok).collect(),
                    };
                    release.note(&name, &mut gate);
                    passed
                });
                // What no gate has seen leaves in no way.
                Ok(Inputs { items: Box::new(items), hindsight: Vec::new(), ..inputs })
            }
        }
    }
}

fn input(item: Item) -> Input {
    match item {
        Item::Event(event) => Input::Event(event),
        Item::Record { stream, at, key, payload, offset } => entry(stream, (0, offset), at, key, payload),
    }
}

/// `place`: partition and offset.
fn entry(
    stream: Stream,
    (partition, offset): (i32, i64),
    at: ArrivalTime,
    key: Option<String>,
    payload: Vec<u8>,
) -> Input {
    let record = OwnedRecord { stream, partition, offset, timestamp: Some(at), key, payload };
    Input::Record(Entry { stamp: at, record })
}

/// Finds everything to replay under the paths, in sorted order.
///
/// # Errors
/// When a path cannot be read or holds nothing that is understood.
pub fn open(paths: &[PathBuf], options: &readers::Options) -> anyhow::Result<Vec<Source>> {
    survey(paths, options).map(|found| found.sources)
}

/// What lies under the paths.
#[derive(Debug, Default)]
pub struct Found {
    /// What can be replayed, in sorted order.
    pub sources: Vec<Source>,
    /// Files that hold nothing of it.
    pub others: Vec<Other>,
}

/// [`open`], with the files that hold nothing to replay.
///
/// # Errors
/// As [`open`].
pub fn survey(paths: &[PathBuf], options: &readers::Options) -> anyhow::Result<Found> {
    let Found { mut sources, mut others } = Found::default();
    for path in paths {
        if let Some(beds) = path.to_str().map(ward::parse).transpose()?.flatten() {
            sources.extend(beds.into_iter().map(Source::Bed));
            continue;
        }
        if let Some(recorded) = recording_at(path) {
            let name = path.file_name().map_or("recording".to_owned(), |n| n.to_string_lossy().into_owned());
            let name = name
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' })
                .collect();
            sources.push(Source::Recording { name, path: recorded });
            continue;
        }
        let found = readers::survey(path, options)?;
        sources.extend(found.stays.into_iter().map(Source::Stay));
        // The journal of an interrupted replay is no file of its paths.
        let is_ours = |other: &Other| other.path.file_name().is_some_and(|name| name == journal::FILE);
        others.extend(found.others.into_iter().filter(|other| !is_ours(other)));
    }
    Ok(Found { sources, others })
}

fn recording_at(path: &Path) -> Option<PathBuf> {
    let inside = path.join(recording::FILE);
    if inside.is_file() {
        return Some(inside);
    }
    (path.is_file() && path.file_name().is_some_and(|n| n == recording::FILE)).then(|| path.to_owned())
}
