//! Bad input through the whole core: decoded or dead-lettered with its place, never a crash, and the
//! parts of every message add up.

use bedwatch_ingest::{Record, decode};
use bedwatch_schemas::{event::Stream, time::ArrivalTime};

use crate::support::shared;

fn files(folder: &std::path::Path, extensions: &[&str], found: &mut Vec<std::path::PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, extensions, found);
        } else if extensions.is_empty()
            || extensions.iter().any(|e| path.extension().is_some_and(|x| x == *e))
        {
            found.push(path);
        }
    }
}

fn decode_whole(stream: Stream, payload: &[u8]) -> bedwatch_ingest::Decoded {
    let record = Record {
        stream,
        partition: 0,
        offset: 0,
        arrival: ArrivalTime::from_millis(4_000_000_000_000),
        key: None,
        payload,
    };
    let decoded = decode::decode(&record, &decode::Config::default());
    let u = decoded.units;
    assert_eq!(u.total, u.decoded + u.skipped + u.rejected, "parts do not add up");
    assert_eq!(u.rejected > 0, !decoded.rejections.is_empty(), "a rejection without its place");
    for rejection in &decoded.rejections {
        assert!(rejection.place.byte.is_some() || !rejection.place.path.is_empty(), "no place: {rejection}");
    }
    decoded
}

/// Every file of a shared set, and each of them cut at every byte.
fn every_file(test: &str, part: &str, stream: Stream, extensions: &[&str]) {
    let Some(data) = shared(test, part) else {
        return;
    };
    let mut all = Vec::new();
    files(&data, extensions, &mut all);
    let (mut events, mut rejected, mut cuts) = (0, 0, 0);
    for path in &all {
        let payload = std::fs::read(path).unwrap();
        let decoded = decode_whole(stream, &payload);
        events += decoded.events.len();
        rejected += usize::from(!decoded.rejections.is_empty());
        for cut in 0..payload.len() {
            decode_whole(stream, &payload[..cut]);
            cuts += 1;
        }
    }
    println!(
        "{test}: {} files, {events} events, {rejected} files with rejections, {cuts} cuts without a panic",
        all.len()
    );
    assert!(!all.is_empty() && events > 0);
}

#[test]
fn every_hl7_message_and_its_cuts() {
    every_file("HL7 v2 messages", "hl7v2", Stream::Hl7v2, &["hl7", "txt", "dat"]);
}

#[test]
fn every_fhir_example_and_validator_case_and_their_cuts() {
    every_file("FHIR R4 files", "fhir-r4", Stream::Fhir, &["json"]);
}
