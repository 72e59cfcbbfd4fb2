//! A recording out of Kafka: what the topics hold now, inputs and what was decided, so that
//! `replay --verify` can decide it all again.
//!
//! Records are merged as the engine merges them ([`Merger`]), each at the time the engine takes it at. Two
//! things depend on the day and stand nowhere in the log: which records a live engine found late to their
//! cell, and which were stamped ahead of its clock. Such records may stand in another cell here, and those
//! stamped behind one ahead of the clock too: both are counted.
//!
//! [`SUMMARY`] says how much was recorded and what the log's bytes sum up to, so that a log that was cut
//! short or changed since is not taken for the run's.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail};
use bedwatch_ingest::kafka::source::{self, Item, Source};
use bedwatch_schemas::{alert::Alert, event::Stream, ids::AlertId, time::ArrivalTime, withheld::Withheld};
use serde::{Deserialize, Serialize};

use super::{FILE, Recorded};
use crate::{clock::Clock, config::Config, engine::Merger, replay, topic::Topic};

/// What was recorded, beside the recording.
pub const SUMMARY: &str = "captured.json";
/// How long Kafka may be silent before the end of every partition is reached.
const PATIENCE: Duration = Duration::from_secs(30);
/// Later than any cell: everything read may be closed.
const NEVER: ArrivalTime = ArrivalTime::from_micros(i64::MAX / 2);

/// What was recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// Records of the input topics.
    pub records: u64,
    /// BLAKE3 of `records.jsonl`.
    pub records_blake3: String,
    /// Records that their topics no longer held, counted from the first offset ever: the recording does
    /// not begin where the engine did.
    pub expired: u64,
    /// Records stamped earlier than one before them that was already merged; they stand later here.
    pub late_to_cell: u64,
    /// Records stamped earlier than one before them in their own partition: they stand at its time here. Where
    /// that one was ahead of the clock, the live engine took both earlier.
    pub out_of_order: u64,
    /// Alert messages, each once.
    pub alerts: usize,
    /// Entries of the ledger, each once.
    pub withheld: usize,
}

/// Records what the topics hold now into a folder; `progress` hears how many records have been written.
///
/// # Errors
/// When Kafka does not answer or falls silent, records vanish while they are read, or the folder cannot
/// be written.
pub fn capture(
    config: &Config,
    clock: &dyn Clock,
    folder: &Path,
    progress: &dyn Fn(u64),
) -> anyhow::Result<Captured> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let mut captured = inputs(config, clock, folder, progress)?;
    let topics = &config.kafka.topics;
    let mut alerts: Vec<Alert> = once(config, &topics.alerts, |a: &Alert| (a.id, a.sequence))?;
    replay::sort(&mut alerts);
    replay::write_lines(&alerts, &folder.join("alerts.ndjson"))?;
    let mut withheld: Vec<Withheld> = once(config, &topics.withheld, |w: &Withheld| (w.alert, w.sequence))?;
    replay::sort_ledger(&mut withheld);
    replay::write_lines(&withheld, &folder.join("withheld.ndjson"))?;
    (captured.alerts, captured.withheld) = (alerts.len(), withheld.len());
    let summary = serde_json::to_string_pretty(&captured)? + "\n";
    std::fs::write(folder.join(SUMMARY), summary)?;
    Ok(captured)
}

/// What [`capture`] said of the recording in a folder; `None` where it said nothing there.
///
/// # Errors
/// When the summary is there and cannot be read.
pub fn summary(folder: &Path) -> anyhow::Result<Option<Captured>> {
    let path = folder.join(SUMMARY);
    match std::fs::read(&path) {
        Ok(json) => {
            let captured = serde_json::from_slice(&json);
            captured.map(Some).with_context(|| format!("{} is no summary of a recording", path.display()))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// BLAKE3 of a file, as [`Captured::records_blake3`] has it.
///
/// # Errors
/// When the file cannot be read.
pub fn blake3_of(path: &Path) -> io::Result<String> {
    let mut sum = blake3::Hasher::new();
    io::copy(&mut File::open(path)?, &mut sum)?;
    Ok(sum.finalize().to_hex().to_string())
}

/// A writer that sums up what passes through it.
struct Summed<W> {
    to: W,
    sum: blake3::Hasher,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Merges the input topics into one file.
fn inputs(
    config: &Config,
    clock: &dyn Clock,
    folder: &Path,
    progress: &dyn Fn(u64),
) -> anyhow::Result<Captured> {
    let mut captured = Captured::default();
    let mut left: BTreeMap<(Stream, i32), i64> = BTreeMap::new();
    for stream in Stream::ALL {
        for &(partition, low, high) in Topic::open(config, config.kafka.topics.input(stream))?.partitions() {
            left.insert((stream, partition), high);
            captured.expired += u64::try_from(low).unwrap_or(0);
        }
    }
    let source = Source::start(&source::Config {
        group: "bedwatch-record".to_owned(),
        properties: config.kafka.properties.clone(),
        ..source::Config::new(&config.kafka.bootstrap, &config.kafka.topics)
    })?;
    let mut merger = Merger::new(config.cut(), left.keys().copied(), ArrivalTime::from_micros(0));
    let path = folder.join(FILE);
    let file = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    let mut out = BufWriter::new(Summed { to: file, sum: blake3::Hasher::new() });
    let ends = left.clone();
    while !left.is_empty() {
        let Some(item) = source.recv(PATIENCE) else {
            bail!("Kafka gave nothing for {} s before the end of every partition", PATIENCE.as_secs());
        };
        let now = clock.now();
        match item {
            Item::Record(record) => {
                let (lane, next) = ((record.stream, record.partition), record.offset + 1);
                // What has come since is left to the next recording.
                if ends.get(&lane).is_some_and(|end| next <= *end) {
                    merger.push(record, now);
                }
                if left.get(&lane).is_some_and(|end| next >= *end) {
                    left.remove(&lane);
                    merger.at_end(lane.0, lane.1);
                }
            }
            Item::Mark { stream, partition, at } => merger.mark(stream, partition, at, now),
            Item::Eof { stream, partition } => {
                left.remove(&(stream, partition));
                merger.at_end(stream, partition);
            }
            Item::Gap { stream, partition, expected, got } => {
                let stream = stream.name();
                bail!(
                    "records {expected} to {got} of {stream}, partition {partition}, vanished while being read"
                );
            }
            Item::Error(error) => tracing::warn!(%error, "Kafka reports an error"),
            Item::Assigned(_) | Item::Revoked(_) => {}
        }
        drain(&mut merger, now, &mut out, &mut captured, progress)?;
    }
    source.shutdown();
    drain(&mut merger, NEVER, &mut out, &mut captured, progress)?;
    (captured.late_to_cell, captured.out_of_order) = (merger.late_to_cell(), merger.out_of_order());
    out.flush()?;
    captured.records_blake3 = out.get_ref().sum.finalize().to_hex().to_string();
    Ok(captured)
}

/// Writes every cell that can be closed.
fn drain(
    merger: &mut Merger,
    now: ArrivalTime,
    out: &mut impl Write,
    captured: &mut Captured,
    progress: &dyn Fn(u64),
) -> anyhow::Result<()> {
    while let Some(cell) = merger.close(now) {
        for entry in cell.records {
            let (at, record) = (entry.stamp, entry.record);
            let place = Some((record.partition, record.offset));
            let line =
                Recorded { stream: record.stream, at, key: record.key, payload: record.payload, place };
            super::write(&line, out)?;
            captured.records += 1;
        }
        progress(captured.records);
    }
    Ok(())
}

/// A topic's messages, each once: after a restart the engine may say the same again.
fn once<T: serde::de::DeserializeOwned + PartialEq>(
    config: &Config,
    topic: &str,
    key: impl Fn(&T) -> (AlertId, u32),
) -> anyhow::Result<Vec<T>> {
    let mut seen: BTreeMap<(AlertId, u32), T> = BTreeMap::new();
    Topic::open(config, topic)?.read(Stream::Feedback, |record| {
        let message: T = serde_json::from_slice(&record.payload)
            .with_context(|| format!("offset {} of {topic} is no message of ours", record.offset))?;
        match seen.entry(key(&message)) {
            std::collections::btree_map::Entry::Vacant(entry) => drop(entry.insert(message)),
            std::collections::btree_map::Entry::Occupied(entry) if *entry.get() == message => {}
            std::collections::btree_map::Entry::Occupied(_) => {
                bail!("{topic} holds one message twice with other content (offset {})", record.offset)
            }
        }
        Ok(())
    })?;
    Ok(seen.into_values().collect())
}
