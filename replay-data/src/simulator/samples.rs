//! The repository's own sample files, all written by the simulator: small, synthetic, and the same
//! bytes whenever they are made again.
//!
//! Stays as PSV, one patient's HL7 messages, another's FHIR resources as NDJSON, and sensor glucose
//! as CSV. `replay-data/samples/manifest.toml` names each file with its SHA-256.

use std::fmt::Write;

use bedwatch_schemas::{
    event::Stream,
    time::{EventTime, Span},
    wire::CgmMessage,
};

use sha2::{Digest, Sha256};

use super::{Scenario, Ward, WardConfig, WardRecord, hourly_table, write_psv};

/// The seed of every sample.
pub const SEED: u64 = 2_026;

/// One sample file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The path under `replay-data/samples/`.
    pub path: String,
    /// What it shows, for the manifest.
    pub about: &'static str,
    /// The file's bytes.
    pub bytes: Vec<u8>,
}

/// Makes every sample.
#[must_use]
pub fn samples() -> Vec<Sample> {
    let mut samples = stays();
    // Ends a minute after the live start, so that the demonstrated events are in.
    let start = EventTime::from_millis(1_772_359_200_000); // 2026-03-01T10:00:00Z
    let config = WardConfig {
        history: Span::hours(12),
        eeg: false,
        waveforms: false,
        ..WardConfig::demo(5, SEED, start)
    };
    let mut ward = Ward::new(config).expect("five beds and twelve hours are within the limits");
    let mut records = Vec::new();
    ward.next_until(start + Span::minutes(1), &mut records);
    let patients: Vec<_> = ward.truth().into_iter().map(|t| t.patient).collect();
    let (records, patients) = (&records, &patients);
    let of = |bed: usize, stream: Stream| {
        records.iter().filter(move |r| r.stream == stream && r.key == patients[bed])
    };
    samples.push(Sample {
        path: "hl7v2/sepsis.hl7".into(),
        about: "admission, laboratory results and monitor numerics of a septic patient over 12 hours",
        bytes: joined(of(0, Stream::Hl7v2), b"\r"),
    });
    samples.push(Sample {
        path: "fhir/respiratory-failure.ndjson".into(),
        about: "charted observations, encounter and drugs of a patient in respiratory failure",
        bytes: joined(of(1, Stream::Fhir), b"\n"),
    });
    samples.push(Sample {
        path: "cgm/hypoglycaemia.csv".into(),
        about: "12 hours of sensor glucose that ends below 54 mg/dL",
        bytes: glucose_csv(of(4, Stream::Cgm)),
    });
    samples
}

fn stays() -> Vec<Sample> {
    let cases = [
        ("stable", Scenario::Stable, "a stay without an illness"),
        ("sepsis", Scenario::Sepsis, "a stay with sepsis"),
        ("haemorrhagic-shock", Scenario::HaemorrhagicShock, "a stay with blood loss and shock"),
        ("respiratory-failure", Scenario::RespiratoryFailure, "a stay with respiratory failure"),
    ];
    let write = |(bed, (name, scenario, about)): (usize, (&str, Scenario, &'static str))| {
        let mut bytes = Vec::new();
        write_psv(&hourly_table(SEED, bed as u64, 48, scenario), &mut bytes)
            .expect("a vector takes every byte");
        Sample { path: format!("psv/{name}.psv"), about, bytes }
    };
    cases.into_iter().enumerate().map(write).collect()
}

fn joined<'a>(records: impl Iterator<Item = &'a WardRecord>, end: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        bytes.extend_from_slice(&record.payload);
        bytes.extend_from_slice(end);
    }
    bytes
}

/// Columns that the CGM reader knows: time and glucose; an absent reading is left out.
fn glucose_csv<'a>(records: impl Iterator<Item = &'a WardRecord>) -> Vec<u8> {
    let mut text = String::from("time,glucose (mg/dL)\n");
    for record in records {
        let message: CgmMessage = serde_json::from_slice(&record.payload).expect("the simulator wrote it");
        if let Some(glucose) = message.glucose {
            let _ = writeln!(text, "{},{glucose}", message.time);
        }
    }
    text.into_bytes()
}

/// The manifest of the samples: path, SHA-256, source, licence.
#[must_use]
pub fn manifest(samples: &[Sample]) -> String {
    let mut text = String::from(
        "# Written by `cargo run --release -p bedwatch-replay-data --example write_samples`; a test compares.\n\n",
    );
    for sample in samples {
        let digest = Sha256::digest(&sample.bytes);
        let mut hex = String::with_capacity(64);
        for byte in digest {
            let _ = write!(hex, "{byte:02x}");
        }
        let _ = write!(
            text,
            "[[file]]\npath = \"{}\"\nsha256 = \"{hex}\"\nabout = \"{}\"\nsource = \"bedwatch ward simulator\"\n\
             seed = {SEED}\nlicence = \"Apache-2.0\"\nsynthetic = true\n\n",
            sample.path, sample.about,
        );
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The committed files are what the simulator writes, hash by hash and byte by byte. After a
    /// change of the simulator: run the example `write_samples` and look at the difference.
    #[test]
    fn committed_samples_are_what_the_simulator_writes() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
        let samples = samples();
        assert_eq!(std::fs::read_to_string(dir.join("manifest.toml")).unwrap(), manifest(&samples));
        for sample in &samples {
            assert!(std::fs::read(dir.join(&sample.path)).unwrap() == sample.bytes, "{}", sample.path);
        }
        assert!(samples.iter().map(|s| s.bytes.len()).sum::<usize>() < 300_000);
    }
}
