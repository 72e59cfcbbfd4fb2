//! What leaves for research: by consent, and without whose it is. A ward of a simulator and a patient full
//! of canaries go through every export of the command line; what was withdrawn, and who somebody is, must
//! be found nowhere in the files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::{Path, PathBuf},
};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::{DataType, Int64Type, TimestampMicrosecondType},
};
use bedwatch::{
    deidentify::Deidentifier,
    recording::{self, Recorded},
    secrets,
};
use bedwatch_schemas::{
    event::Stream,
    ids::PatientId,
    time::{ArrivalTime, EventTime, Span},
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::support::{Folder, bedwatch, ok};

const RULES_ONLY: &str = "[models]\nencoder = ''\nfusion = ''\nnarrator = ''\n";
const TABLES: [&str; 7] = ["hours", "events", "minutes", "eeg", "cardiac", "glucose", "moments"];
const KEY: &str = "key-canary-0123456789abcdef0123456789abcdef";

fn table(out: &Path, name: &str) -> RecordBatch {
    let file = File::open(out.join(format!("{name}.parquet"))).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<String> {
    let column = batch.column_by_name(name).unwrap().as_string::<i32>();
    column.iter().map(|t| t.unwrap_or_default().to_owned()).collect()
}

fn times(batch: &RecordBatch, name: &str) -> Vec<EventTime> {
    let column = batch.column_by_name(name).unwrap().as_primitive::<TimestampMicrosecondType>();
    column.values().iter().map(|t| EventTime::from_micros(*t)).collect()
}

/// The start of each row's hour, minute or moment.
fn starts(batch: &RecordBatch) -> Vec<EventTime> {
    for (name, step) in [("hour", Span::hours(1)), ("minute", Span::minutes(1))] {
        if let Some(column) = batch.column_by_name(name) {
            let counted = column.as_primitive::<Int64Type>().values().iter();
            return counted.map(|n| EventTime::from_micros(n * step.0)).collect();
        }
    }
    times(batch, "at")
}

fn export(paths: &[&Path], out: &Path, config: &Path, more: &[&str]) -> Value {
    let mut command = bedwatch();
    command.args(["features", "export", "--moments-every", "10m"]).args(paths);
    ok(command.arg("--out").arg(out).arg("--config").arg(config).args(more));
    serde_json::from_slice(&std::fs::read(out.join("manifest.json")).unwrap()).unwrap()
}

/// Every text in a Parquet file: values, names, the metadata of file and schema; and its bytes.
fn words(path: &Path) -> Vec<u8> {
    let mut all = std::fs::read(path).unwrap();
    if path.extension().is_some_and(|e| e == "parquet") {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        all.extend(format!("{:?}", reader.metadata()).into_bytes());
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            all.extend(format!("{:?}", batch.schema()).into_bytes());
            for column in batch.columns().iter().filter(|c| *c.data_type() == DataType::Utf8) {
                column.as_string::<i32>().iter().flatten().for_each(|t| all.extend(t.bytes()));
            }
        }
    }
    all
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()).collect();
    all.sort();
    all
}

struct Ward {
    folder: Folder,
    recording: PathBuf,
    config: PathBuf,
}

impl Ward {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let recording = folder.join("ward-canary-7");
        let mut command = bedwatch();
        command.args([
            "simulate",
            "--seed",
            "7",
            "--beds",
            "3",
            "--history",
            "3h",
            "--for",
            "1m",
            "--no-waveforms",
        ]);
        ok(command.arg("--out").arg(&recording));
        let config = folder.join("bedwatch.toml");
        std::fs::write(&config, RULES_ONLY).unwrap();
        Self { folder, recording, config }
    }

    fn key(&self, name: &str, key: &str) -> PathBuf {
        let path = self.folder.join(name);
        secrets::write(&path, key.as_bytes()).unwrap();
        path
    }
}

#[test]
fn nothing_of_a_patient_leaves_from_the_withdrawal_on() {
    let ward = Ward::new("consent");
    let free = ward.folder.join("free");
    let manifest = export(&[&ward.recording], &free, &ward.config, &[]);
    assert_eq!((&manifest["consent"], &manifest["deidentified"]), (&Value::Null, &Value::Null));
    let patients: Vec<String> =
        texts(&table(&free, "hours"), "patient").into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    assert_eq!(patients.len(), 3);
    let [withdraws, stays, silent] = [&patients[0], &patients[1], &patients[2]];
    // The ward starts at midnight, three hours after its history begins.
    let withdrawal = EventTime::parse_rfc3339("2025-12-31T22:40:00Z").unwrap();
    let consents = ward.folder.join("consents.ndjson");
    let consent = |patient: &str, kind: &str, at: &str| {
        serde_json::json!({"resourceType": "Consent", "status": "active", "dateTime": at,
            "scope": {"coding": [{"code": "research"}]}, "patient": {"reference": format!("Patient/{patient}")},
            "provision": {"type": kind}})
    };
    // The withdrawal comes before the permission it takes back.
    let lines = [
        consent(withdraws, "deny", "2025-12-31T22:40:00Z"),
        consent(withdraws, "permit", "2025-01-01T00:00:00Z"),
        consent(stays, "permit", "2025-01-01T00:00:00Z"),
    ];
    std::fs::write(&consents, lines.map(|l| l.to_string()).join("\n")).unwrap();
    let with = ["--consent", consents.to_str().unwrap()];
    let out = ward.folder.join("consented");
    let manifest = export(&[&ward.recording], &out, &ward.config, &with);
    assert_eq!(manifest["consent"]["policy"], "opt_in");
    assert_eq!(manifest["consent"]["statements"], 3);
    assert_eq!(manifest["consent"]["left_out"]["patients"], 2);
    for reason in ["withdrawn", "not_given"] {
        assert!(manifest["consent"]["left_out"]["events"][reason].as_u64().unwrap() > 100, "{manifest:#}");
    }
    for name in TABLES {
        let (all, left) = (table(&free, name), table(&out, name));
        let (who, when) = (texts(&left, "patient"), starts(&left));
        let until = |patient: &str, at: EventTime| match name {
            "hours" => patient == withdraws && at + Span::hours(1) > withdrawal,
            _ => patient == withdraws && at >= withdrawal,
        };
        assert!(who.iter().zip(&when).all(|(p, at)| p != silent && !until(p, *at)), "{name}");
        // Of whoever consented throughout everything stays; of the other what came before.
        let rows = |batch: &RecordBatch, patient: &str| {
            let kept = texts(batch, "patient").into_iter().zip(starts(batch));
            kept.filter(|(p, at)| p == patient && !until(p, *at)).count()
        };
        for patient in [withdraws, stays] {
            assert_eq!(rows(&left, patient), rows(&all, patient), "{name}");
        }
        if matches!(name, "hours" | "minutes" | "events" | "moments") {
            assert!(rows(&left, withdraws) > 0, "{name}: the test shows nothing");
        }
    }
    let arrivals = table(&out, "events");
    let late = texts(&arrivals, "patient").into_iter().zip(times(&arrivals, "arrival"));
    assert!(late.into_iter().all(|(p, at)| p != *withdraws || at < withdrawal));

    // Left out whole; and a policy that asks for nothing.
    let whole = ward.folder.join("whole");
    export(&[&ward.recording], &whole, &ward.config, &[&with[..], &["--withdrawn", "whole"]].concat());
    let left: BTreeSet<String> = texts(&table(&whole, "hours"), "patient").into_iter().collect();
    assert_eq!(left, BTreeSet::from([stays.clone()]));
    let out = ward.folder.join("opt-out");
    let manifest = export(
        &[&ward.recording],
        &out,
        &ward.config,
        &[&with[..], &["--consent-policy", "opt-out"]].concat(),
    );
    assert_eq!(manifest["consent"]["policy"], "opt_out");
    assert!(texts(&table(&out, "hours"), "patient").contains(silent));

    // The narrator's evidence by the same gate: fewer lines, all of the two.
    let evidence = |name: &str, more: &[&str]| {
        let out = ward.folder.join(name);
        let mut command = bedwatch();
        command.args(["evidence", "export"]).arg(&ward.recording).arg("--out").arg(&out);
        ok(command.arg("--config").arg(&ward.config).args(more));
        let manifest = std::fs::read(ward.folder.join(&format!("{name}.manifest.json"))).unwrap();
        let lines = std::fs::read_to_string(&out).unwrap().lines().count() as u64;
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(manifest["rows"]["evidence"], lines);
        lines
    };
    let (all, some) = (evidence("all.ndjson", &[]), evidence("some.ndjson", &with));
    assert!(some < all, "{some} of {all}");

    // What cannot be understood may be a withdrawal.
    std::fs::write(&consents, "patient,from,decision\nx,soon,deny\n").unwrap();
    let mut command = bedwatch();
    command.args(["features", "export"]).arg(&ward.recording).arg("--out").arg(ward.folder.join("none"));
    let refused = command.args(with).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(error.contains("line 2: from is no date"), "{error}");
}

/// A patient whose number, name, bed, date of birth and every date are canaries.
fn hl7(folder: &Path) {
    let mut file = File::create(folder.join(recording::FILE)).unwrap();
    for minute in 0..40 {
        let time = format!("2031071414{minute:02}00");
        let kind = if minute == 0 { "ADT^A01" } else { "ORU^R01" };
        let message = [
            format!("MSH|^~\\&|MONCANARY|CANARYHOSPITAL|||{time}||{kind}|CANARY{minute}|P|2.6"),
            "PID|||CANARY4711^^^H||CANARYNAME^JO||19310203|F|||CANARYSTREET".to_owned(),
            "PV1||I|CANARYUNIT^^CANARYBED|||||||||||||||||CANARYVISIT".to_owned(),
            format!("OBR|1|||x|||{time}"),
            format!("OBX|1|NM|59408-5^SpO2^LN||8{}|%|||||F|||{time}", minute % 3),
            format!("OBX|2|NM|9279-1^RR^LN||3{}|/min|||||F|||{time}", minute % 5),
        ]
        .join("\r");
        let at = EventTime::parse_rfc3339(&format!("2031-07-14T14:{minute:02}:00.500Z")).unwrap();
        let at = ArrivalTime::from_micros(at.as_micros());
        let key = Some("CANARY4711".to_owned());
        recording::write(
            &Recorded { stream: Stream::Hl7v2, at, key, payload: message.into_bytes(), place: None },
            &mut file,
        )
        .unwrap();
    }
    // Somebody says something of an alert.
    let said = r#"{"schema":"feedback/1","alert":"6ba7b810-9dad-51d1-80b4-00c04fd430c8","patient":"CANARY4711","source":"CANARYPAGE","action":"agree","role":"nurse","at":"2031-07-14T14:30:00Z"}"#;
    let at = EventTime::parse_rfc3339("2031-07-14T14:30:01Z").unwrap();
    let at = ArrivalTime::from_micros(at.as_micros());
    let key = Some("CANARY4711".to_owned());
    recording::write(
        &Recorded { stream: Stream::Feedback, at, key, payload: said.into(), place: None },
        &mut file,
    )
    .unwrap();
}

#[test]
fn a_deidentified_export_names_nobody() {
    let ward = Ward::new("deidentify");
    let canary = ward.folder.join("CANARYSITE").join("CANARYRECORD");
    std::fs::create_dir_all(&canary).unwrap();
    hl7(&canary);
    let key = ward.key("key", KEY);
    let (free, out) = (ward.folder.join("free"), ward.folder.join("out"));
    let paths = [ward.recording.as_path(), &canary];
    export(&paths, &free, &ward.config, &[]);
    let with = ["--deidentify", "--key-file", key.to_str().unwrap(), "--shift-days", "200"];
    let manifest = export(&paths, &out, &ward.config, &with);
    assert_eq!(manifest["deidentified"]["shift_days_at_most"], 200);
    let more = |verb: &str, more: &[&str]| {
        let file = out.join(format!("{verb}.ndjson"));
        let mut command = bedwatch();
        command
            .args([verb, "export"])
            .args(more)
            .arg("--out")
            .arg(&file)
            .arg("--config")
            .arg(&ward.config)
            .args(with);
        ok(&mut command);
        assert!(std::fs::metadata(&file).unwrap().len() > 0, "{verb}");
    };
    more("evidence", &[ward.recording.to_str().unwrap(), canary.to_str().unwrap()]);
    let replayed = ward.folder.join("replayed");
    crate::support::replay(&[&canary], &replayed, &["--config", ward.config.to_str().unwrap()]);
    let alerts = replayed.join("alerts.ndjson");
    let alerts = ["--file", canary.to_str().unwrap(), "--alerts", alerts.to_str().unwrap()];
    more("feedback", &alerts);

    // Who somebody is stands nowhere: names, numbers, places, dates as text, the key.
    let patients: BTreeSet<String> = TABLES.iter().flat_map(|t| texts(&table(&free, t), "patient")).collect();
    assert_eq!(patients.len(), 4);
    let mut secret: Vec<String> = patients.iter().cloned().collect();
    secret.extend(
        [
            "CANARY",
            "canary",
            "ward-",
            "MONCANARY",
            "2031-07-14",
            "20310714",
            "2025-12-31",
            "6ba7b810",
            "19310203",
        ]
        .map(str::to_owned),
    );
    for path in files(&out) {
        let text = String::from_utf8_lossy(&words(&path)).into_owned();
        for word in &secret {
            assert!(!text.contains(word.as_str()), "{word} is in {}", path.display());
        }
    }
    assert!(files(&out).len() >= 12);
    // Without it they stand there: the test can see them.
    let seen = String::from_utf8_lossy(&words(&free.join("hours.parquet"))).into_owned();
    assert!(seen.contains("CANARY4711") && seen.contains("CANARYRECORD"));

    // Every row is there, moved by its patient's days, with its values.
    let names = Deidentifier::new(KEY.as_bytes(), 200).unwrap();
    let mut moved = BTreeMap::new();
    for name in TABLES {
        let (all, left) = (table(&free, name), table(&out, name));
        let rows = |batch: &RecordBatch, known: bool| {
            let mut rows: Vec<(String, EventTime)> = texts(batch, "patient")
                .into_iter()
                .zip(starts(batch))
                .map(|(p, at)| match known {
                    false => (p, at),
                    true => {
                        let id = PatientId::new(&p).unwrap();
                        let shift = names.shift(&id);
                        moved.insert(p, shift.0);
                        (names.patient(&id).as_str().to_owned(), at + shift)
                    }
                })
                .collect();
            rows.sort();
            rows
        };
        let mut rows = rows;
        assert_eq!(rows(&left, false), rows(&all, true), "{name}");
        assert_eq!(left.num_columns(), all.num_columns());
    }
    assert_eq!(
        moved.values().collect::<BTreeSet<_>>().len(),
        4,
        "each patient has days of its own: {moved:?}"
    );
    let true_ages = table(&free, "hours");
    let true_ages = true_ages
        .column_by_name("age_years")
        .unwrap()
        .as_primitive::<arrow::datatypes::Float32Type>()
        .clone();
    assert!(true_ages.iter().flatten().any(|age| age > 100.0), "the test shows nothing");
    let ages = table(&out, "hours");
    let ages =
        ages.column_by_name("age_years").unwrap().as_primitive::<arrow::datatypes::Float32Type>().clone();
    assert!(ages.iter().flatten().any(|age| age == 90.0) && ages.iter().flatten().all(|age| age <= 90.0));

    // One key is one set of names; another has nothing in common with it.
    let again = ward.folder.join("again");
    export(&paths, &again, &ward.config, &with);
    for name in TABLES {
        let file = format!("{name}.parquet");
        assert_eq!(
            std::fs::read(out.join(&file)).unwrap(),
            std::fs::read(again.join(&file)).unwrap(),
            "{name}"
        );
    }
    let other_key = ward.key("other-key", "another-key-0123456789abcdef0123456789abcdef");
    let other = ward.folder.join("other");
    export(&paths, &other, &ward.config, &["--deidentify", "--key-file", other_key.to_str().unwrap()]);
    for column in ["source", "patient", "site"] {
        let of = |out: &Path| texts(&table(out, "hours"), column).into_iter().collect::<BTreeSet<_>>();
        assert!(of(&out).is_disjoint(&of(&other)), "{column}");
    }

    // No key, no export.
    let refused =
        bedwatch().args(["features", "export", "--deidentify", "--out", "/nowhere"]).arg(&canary).output();
    let refused = refused.unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--key-file"));
}
