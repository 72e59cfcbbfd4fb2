//! A simulated ward folded through the core in this process, so that a test sees each frame beside
//! what was decided on it.

use std::sync::Arc;

use bedwatch::{
    config::Config,
    engine::{Cell, Core, Models, cell::Entry, core::Step},
};
use bedwatch_ingest::kafka::source::OwnedRecord;
use bedwatch_replay_data::simulator::{ScenarioPlan, Ward, WardConfig};
use bedwatch_schemas::{
    event::Stream,
    time::{EventTime, Span},
};

/// The records of a ward in the order of their arrival, each with its place in its own stream.
pub fn records(beds: usize, history: Span, length: Span, waveforms: bool) -> Vec<OwnedRecord> {
    let start = EventTime::from_micros(1_767_225_600_000_000);
    let (scenarios, eeg) = (ScenarioPlan::Demo, waveforms);
    let mut ward =
        Ward::new(WardConfig { beds, seed: 7, start, history, scenarios, eeg, waveforms }).unwrap();
    let mut out = Vec::new();
    ward.next_until(start + length, &mut out);
    let mut offsets = std::collections::BTreeMap::<Stream, i64>::new();
    out.into_iter()
        .map(|record| {
            let offset = offsets.entry(record.stream).or_default();
            *offset += 1;
            OwnedRecord {
                stream: record.stream,
                partition: 0,
                offset: *offset - 1,
                timestamp: Some(record.at),
                key: Some(record.key.as_str().to_owned()),
                payload: record.payload,
            }
        })
        .collect()
}

/// Folds records in cells of 100 ms and shows every step.
pub fn fold(records: &[OwnedRecord], models: Models, each: impl FnMut(Step)) {
    fold_with(&Config::default(), records, models, each);
}

/// The same under a configuration.
pub fn fold_with(config: &Config, records: &[OwnedRecord], models: Models, mut each: impl FnMut(Step)) {
    let length = Span::millis(config.engine.cell_millis);
    let mut core = Core::new(Arc::new(config.core().unwrap()), models);
    let end_of = |r: &OwnedRecord| r.timestamp.unwrap().floor(length) + length;
    for records in records.chunk_by(|a, b| end_of(a) == end_of(b)) {
        let entry = |r: &OwnedRecord| {
            let (stream, partition, offset, timestamp) = (r.stream, r.partition, r.offset, r.timestamp);
            let (key, payload) = (r.key.clone(), r.payload.clone());
            let record = OwnedRecord { stream, partition, offset, timestamp, key, payload };
            Entry { stamp: timestamp.unwrap(), record }
        };
        let records_of = records.iter().map(entry).collect();
        let mut cell = Cell { end: end_of(&records[0]), records: records_of, events: Vec::new() };
        cell.sort();
        each(core.cell(&cell));
    }
}
