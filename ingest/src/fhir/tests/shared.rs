//! The examples of the R4 specification and the validator's cases, where the shared data is present.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bedwatch_schemas::waveform::WaveformKind;

use super::*;

fn folder() -> Option<PathBuf> {
    let data = std::env::var_os("BEDWATCH_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"));
    let folder = data.join("fhir-r4");
    if folder.is_dir() {
        Some(folder)
    } else {
        println!("skipped: {} is absent", folder.display());
        None
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            files.extend(self::files(&entry));
        } else if entry.extension().is_some_and(|e| e == "json") {
            files.push(entry);
        }
    }
    files.sort();
    files
}

#[test]
fn every_shared_file_goes_through_with_and_without_a_key() {
    let Some(folder) = folder() else { return };
    let files = files(&folder);
    assert!(files.len() >= 200, "{}", files.len());
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut units, mut events) = (crate::Units::default(), 0);
    let mut not_json = 0;
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        let got = run(None, &bytes);
        let keyed = run(Some("k"), &bytes);
        assert_eq!(got.units.total, keyed.units.total, "{}", file.display());
        let valid = serde_json::from_slice::<serde_json::Value>(
            bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes),
        );
        let malformed = got.rejections.iter().any(|r| r.reason == Reason::Malformed);
        assert_eq!(malformed, valid.is_err(), "{}", file.display());
        if malformed {
            not_json += 1;
            assert!(got.rejections[0].place.byte.is_some());
        }
        for r in &got.rejections {
            *reasons.entry(r.reason.name()).or_default() += 1;
        }
        events += got.events.len();
        units.total += got.units.total;
        units.decoded += got.units.decoded;
        units.skipped += got.units.skipped;
        units.rejected += got.units.rejected;
    }
    println!(
        "{} files: {} resources = {} decoded + {} skipped + {} rejected; {events} events; {not_json} files are no JSON; {reasons:?}",
        files.len(),
        units.total,
        units.decoded,
        units.skipped,
        units.rejected,
    );
    assert_eq!(not_json, 8);
    assert!(events > 50);
}

#[test]
fn vital_sign_examples_give_their_values() {
    let Some(folder) = folder() else { return };
    use Signal::{
        GcsTotal, HeartRate, Height, NibpDiastolic, NibpMean, NibpSystolic, RespRate, Spo2, Weight,
    };
    let cases: &[(&str, &[(Signal, f64)])] = &[
        ("heart-rate", &[(HeartRate, 44.0)]),
        ("respiratory-rate", &[(RespRate, 26.0)]),
        ("satO2", &[(Spo2, 95.0)]),
        ("blood-pressure", &[(NibpSystolic, 107.0), (NibpDiastolic, 60.0)]),
        ("blood-pressure-dar", &[(NibpSystolic, 107.0)]),
        ("map-sitting", &[(NibpMean, 60.0)]),
        ("body-height", &[(Height, 169.926)]),
        ("example", &[(Weight, 83.914_588)]),
        ("glasgow", &[(GcsTotal, 13.0)]),
        ("vitals-panel", &[]),
    ];
    for (name, want) in cases {
        let file = folder.join(format!("Observation/Observation-{name}.json"));
        let got = run(None, &std::fs::read(file).unwrap());
        assert_eq!(numerics(&got), *want, "{name}: {:?}", got.rejections);
    }
}

#[test]
fn the_ecg_example_is_a_block_of_three_leads() {
    let Some(folder) = folder() else { return };
    let got = run(None, &std::fs::read(folder.join("Observation/Observation-ekg.json")).unwrap());
    let Body::Waveform(block) = &got.events[0].body else { panic!("{:?}", got.rejections) };
    assert_eq!((got.events.len(), block.kind, block.rate.hz()), (1, WaveformKind::Ecg, 100.0));
    let labels: Vec<&str> = block.channels.iter().map(|c| c.label.as_str()).collect();
    assert_eq!(labels, ["I", "II", "III"]);
    assert_eq!(block.start.to_string(), "2015-02-19T08:30:35Z");
    // origin + factor * number, for the first sample of lead I.
    assert!((block.channels[0].samples[0] - (2048.0 + 1.612 * 2041.0)).abs() < 1e-3);
}
