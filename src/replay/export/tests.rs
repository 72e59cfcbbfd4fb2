use std::{
    fs::{self, File},
    path::PathBuf,
};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::{Float32Type, Float64Type, Int32Type, Int64Type},
};
use bedwatch_replay_data::readers;
use bedwatch_schemas::signal::Signal;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::config::Config;

/// The challenge's columns and the engine's signals, written out again.
const COLUMNS: [(&str, &str); 34] = [
    ("HR", "heart_rate"),
    ("O2Sat", "spo2"),
    ("Temp", "temperature"),
    ("SBP", "nibp_systolic"),
    ("MAP", "nibp_mean"),
    ("DBP", "nibp_diastolic"),
    ("Resp", "resp_rate"),
    ("EtCO2", "etco2"),
    ("BaseExcess", "base_excess"),
    ("HCO3", "bicarbonate"),
    ("FiO2", "fio2"),
    ("pH", "arterial_ph"),
    ("PaCO2", "paco2"),
    ("SaO2", "sao2"),
    ("AST", "ast"),
    ("BUN", "bun"),
    ("Alkalinephos", "alkaline_phosphatase"),
    ("Calcium", "calcium"),
    ("Chloride", "chloride"),
    ("Creatinine", "creatinine"),
    ("Bilirubin_direct", "bilirubin_direct"),
    ("Glucose", "glucose"),
    ("Lactate", "lactate"),
    ("Magnesium", "magnesium"),
    ("Phosphate", "phosphate"),
    ("Potassium", "potassium"),
    ("Bilirubin_total", "bilirubin_total"),
    ("TroponinI", "troponin_i"),
    ("Hct", "hematocrit"),
    ("Hgb", "hemoglobin"),
    ("PTT", "ptt"),
    ("WBC", "wbc"),
    ("Fibrinogen", "fibrinogen"),
    ("Platelets", "platelets"),
];

/// Hours from the Unix epoch to the readers' base.
const BASE: i64 = 262_968;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("bedwatch-export-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn samples(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("replay-data/samples").join(part)
}

fn export(paths: &[PathBuf], threads: usize, out: &Path) -> Summary {
    let config = Config::default();
    let options = Options {
        core: Arc::new(config.core().unwrap()),
        cell: Span::millis(config.engine.cell_millis),
        threads,
        moments_every: Span::minutes(10),
        encoder: None,
        release: Arc::new(Release::free(config.ingest.clone())),
    };
    let sources = crate::replay::open(paths, &readers::Options::default()).unwrap();
    run(&sources, &options, out, &|| ()).unwrap()
}

fn table(out: &Path, name: &str) -> RecordBatch {
    let file = File::open(out.join(format!("{name}.parquet"))).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn floats(batch: &RecordBatch, name: &str) -> Vec<Option<f32>> {
    batch.column_by_name(name).unwrap().as_primitive::<Float32Type>().iter().collect()
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = batch.column_by_name(name).unwrap().as_string::<i32>();
    column.iter().map(|t| t.map(str::to_owned)).collect()
}

fn bools(batch: &RecordBatch, name: &str) -> Vec<Option<bool>> {
    batch.column_by_name(name).unwrap().as_boolean().iter().collect()
}

fn ints(batch: &RecordBatch, name: &str) -> Vec<i64> {
    let column = batch.column_by_name(name).unwrap();
    match column.as_primitive_opt::<Int64Type>() {
        Some(long) => long.values().to_vec(),
        None => column.as_primitive::<Int32Type>().values().iter().map(|x| i64::from(*x)).collect(),
    }
}

/// Empty hours before the file's first: a stay begins with its admission.
fn empty(text: &str) -> usize {
    let column = text.lines().next().unwrap().split('|').position(|h| h == "ICULOS").unwrap();
    let first = text.lines().nth(1).unwrap().split('|').nth(column).unwrap();
    (first.parse::<f64>().unwrap() as usize - 1).min(95)
}

/// Every value, label and fact of a stay's file against its rows of the table, by a plain split of the
/// text. `from` is the first row of the stay.
fn compare(batch: &RecordBatch, from: usize, text: &str) -> usize {
    let header: Vec<&str> = text.lines().next().unwrap().split('|').collect();
    let column = |name: &str| header.iter().position(|h| *h == name);
    let rows: Vec<Vec<Option<f64>>> = text
        .lines()
        .skip(1)
        .map(|row| row.split('|').map(|f| f.parse::<f64>().ok().filter(|v| !v.is_nan())).collect())
        .collect();
    let batch = &batch.slice(from + empty(text), rows.len());
    let mut compared = 0;
    for (name, signal) in COLUMNS {
        let signal = Signal::from_name(signal).unwrap();
        let got = floats(batch, signal.name());
        for (i, row) in rows.iter().enumerate() {
            let percent = |v: f64| if name == "FiO2" && v <= 1.0 { (v * 1e6).round() / 1e4 } else { v };
            let want = column(name).and_then(|c| row[c]).map(percent).filter(|v| signal.is_plausible(*v));
            assert_eq!(got[i], want.map(|v| v as f32), "{name}, row {i}");
            compared += usize::from(want.is_some());
        }
    }
    for (name, label) in [("SepsisLabel", "sepsis"), ("DeteriorationLabel", "deterioration")] {
        let got = bools(batch, label);
        for (i, row) in rows.iter().enumerate() {
            let want = column(name).and_then(|c| row[c]).map(|v| v > 0.5);
            assert_eq!(got[i], want, "{name}, row {i}");
        }
    }
    let fact = |name: &str| column(name).and_then(|c| rows[0][c]);
    let since = |i: usize| {
        fact("HospAdmTime").map(|h| (rows[i][column("ICULOS").unwrap()].unwrap() - 1.0 - h) as f32)
    };
    let unit = match (fact("Unit1"), fact("Unit2")) {
        (Some(1.0), Some(0.0)) => Some("medical".to_owned()),
        (Some(0.0), Some(1.0)) => Some("surgical".to_owned()),
        _ => None,
    };
    let sex = fact("Gender").map(|g| if g > 0.5 { "male" } else { "female" }.to_owned());
    for i in 0..rows.len() {
        assert_eq!(texts(batch, "unit")[i], unit);
        assert_eq!(texts(batch, "sex")[i], sex);
        assert_eq!(floats(batch, "age_years")[i], fact("Age").map(|a| a as f32));
        let got = floats(batch, "hours_since_hospital_admission")[i];
        assert!(
            match (got, since(i)) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-3,
                (a, b) => a == b,
            },
            "{got:?} {:?}",
            since(i)
        );
    }
    compared
}

#[test]
fn hours_are_the_files_own_values() {
    let out = Folder::new("values");
    let summary = export(&[samples("psv")], 1, &out.0);
    assert_eq!((summary.sources, summary.faults.len(), summary.rows["hours"]), (4, 0, 4 * 48));
    let batch = table(&out.0, "hours");
    let mut compared = 0;
    for (i, name) in ["haemorrhagic-shock", "respiratory-failure", "sepsis", "stable"].into_iter().enumerate()
    {
        assert_eq!(texts(&batch, "source")[i * 48], Some(name.to_owned()));
        assert_eq!(texts(&batch, "site")[i * 48], Some("psv".to_owned()));
        assert_eq!(ints(&batch, "hour")[i * 48..][..48], (BASE..BASE + 48).collect::<Vec<_>>());
        assert_eq!(ints(&batch, "hours_since_stay_start")[i * 48..][..48], (0..48).collect::<Vec<_>>());
        let text = fs::read_to_string(samples(&format!("psv/{name}.psv"))).unwrap();
        compared += compare(&batch, i * 48, &text);
    }
    assert!(compared > 1_000, "{compared}");
}

#[test]
fn bytes_do_not_depend_on_threads() {
    let folder = Folder::new("bytes");
    let paths = [samples("psv"), samples("hl7v2"), samples("fhir"), samples("cgm")];
    let of = |name: &str, threads| {
        let out = folder.0.join(name);
        fs::create_dir_all(&out).unwrap();
        let summary = export(&paths, threads, &out);
        let files: Vec<Vec<u8>> = summary
            .rows
            .keys()
            .map(|table| fs::read(out.join(format!("{table}.parquet"))).unwrap())
            .collect();
        (summary, files)
    };
    let (one, again) = (of("one", 1), of("three", 3));
    assert_eq!(one.0, again.0);
    assert!(one.1 == again.1);
    assert_eq!(one.1.len(), 7);
}

#[test]
fn an_hour_without_a_frame_has_a_row_of_nulls() {
    let folder = Folder::new("gap");
    let text = "HR|FiO2|Age|Gender|Unit1|Unit2|HospAdmTime|ICULOS|SepsisLabel\n\
                80|0.4|60|1|0|1|-2.5|3|0\nNaN|NaN|60|1|0|1|-2.5|4|0\n999|0.4|60|1|0|1|-2.5|6|1\n\
                NaN|NaN|60|1|0|1|-2.5|7|1\n";
    export(&[folder.file("set/p1.psv", text)], 1, &folder.0);
    let batch = table(&folder.0, "hours");
    // The stay began two hours before the file does; so does the engine's grid.
    assert_eq!(ints(&batch, "hour"), (BASE..BASE + 7).collect::<Vec<_>>());
    assert_eq!(ints(&batch, "hour_index"), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(ints(&batch, "hours_since_stay_start"), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(bools(&batch, "frame"), [false, false, true, false, false, true, false].map(Some));
    let heart_rate = floats(&batch, "heart_rate");
    assert_eq!(heart_rate, [None, None, Some(80.0), None, None, None, None], "999 is no heart rate");
    assert_eq!(floats(&batch, "fio2"), [None, None, Some(40.0), None, None, Some(40.0), None]);
    let sepsis = [None, None, Some(false), Some(false), None, Some(true), Some(true)];
    assert_eq!(bools(&batch, "sepsis"), sepsis);
    assert_eq!(bools(&batch, "death"), [None; 7]);
    let admitted = [2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5].map(Some);
    assert_eq!(floats(&batch, "hours_since_hospital_admission"), admitted);
    assert_eq!(texts(&batch, "unit"), vec![Some("surgical".to_owned()); 7]);
}

/// The engine keeps 96 hours: rows are taken before they leave it.
#[test]
fn a_long_stay_loses_nothing() {
    let folder = Folder::new("long");
    let mut text = String::from("HR|WBC|ICULOS\n");
    for hour in 1..=250 {
        text.push_str(&format!("{}|{}|{hour}\n", 60 + hour % 40, 5.0 + f64::from(hour % 7)));
    }
    export(&[folder.file("p.psv", &text)], 1, &folder.0);
    let batch = table(&folder.0, "hours");
    assert_eq!(batch.num_rows(), 250);
    assert_eq!(compare(&batch, 0, &text), 500);
}

#[test]
fn irregular_stays_keep_the_last_value_of_an_hour() {
    let folder = Folder::new("irregular");
    folder.file("Outcomes-a.txt", "RecordID,In-hospital_death\n7,1\n");
    let text = "Time,Parameter,Value\n00:00,RecordID,7\n00:00,Age,54\n00:00,Gender,0\n00:00,Height,-1\n00:00,ICUType,2\n\
                00:07,HR,73\n00:59,HR,75\n00:59,MAP,0\n02:10,MechVent,1\n02:10,Lactate,2.5\n";
    export(&[folder.file("set/7.txt", text)], 1, &folder.0);
    let batch = table(&folder.0, "hours");
    assert_eq!(bools(&batch, "frame"), [true, false, true].map(Some));
    assert_eq!(floats(&batch, "heart_rate"), [Some(75.0), None, None]);
    assert_eq!(floats(&batch, "abp_mean"), [None; 3], "a pressure of 0 is no pressure");
    assert_eq!(floats(&batch, "mechanical_ventilation"), [None, None, Some(1.0)]);
    assert_eq!(bools(&batch, "death"), [Some(true); 3]);
    assert_eq!(texts(&batch, "unit")[0].as_deref(), Some("cardiac_surgery"));
    let events = table(&folder.0, "events");
    let names: Vec<_> = texts(&events, "name").into_iter().flatten().collect();
    assert_eq!(names, ["admit", "mechanical_ventilation", "lactate"]);
    let minutes = table(&folder.0, "minutes");
    assert_eq!(ints(&minutes, "minute"), [BASE * 60 + 7, BASE * 60 + 59]);
    assert_eq!(floats(&minutes, "heart_rate"), [Some(73.0), Some(75.0)]);
}

#[test]
fn coded_events_and_readings_of_the_samples() {
    let folder = Folder::new("coded");
    let drug = |dosage: &str, when: &str| {
        format!(
            r#"{{"resourceType":"MedicationAdministration","status":"in-progress","subject":{{"reference":"Patient/p"}},"medicationCodeableConcept":{{"coding":[{{"system":"http://www.nlm.nih.gov/research/umls/rxnorm","code":"7512"}}]}},{when}{dosage}}}"#
        )
    };
    let rate =
        r#","dosage":{"rateQuantity":{"value":0.1,"system":"http://unitsofmeasure.org","code":"ug/kg/min"}}"#;
    let text = drug(rate, r#""effectivePeriod":{"start":"2026-03-01T11:00:00Z"}"#)
        + "\n"
        + &drug("", r#""effectiveDateTime":"2026-03-01T12:00:00Z""#)
        + "\n";
    let drugs = folder.file("drugs.ndjson", &text);
    let summary = export(&[drugs, samples("hl7v2"), samples("fhir"), samples("cgm")], 2, &folder.0);
    assert_eq!(summary.faults, Vec::<String>::new());
    let events = table(&folder.0, "events");
    let kinds: std::collections::BTreeSet<_> = texts(&events, "kind").into_iter().flatten().collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["adt", "charted", "lab", "medication"]);
    assert_eq!(texts(&events, "name")[..2], vec![Some("norepinephrine".to_owned()); 2]);
    assert_eq!(texts(&events, "action")[0].as_deref(), Some("rate_set"));
    assert_eq!(texts(&events, "unit")[..2], [Some("ug/kg/min".to_owned()), None]);
    let values = events.column_by_name("value").unwrap().as_primitive::<Float64Type>();
    for (i, kind) in texts(&events, "kind").into_iter().flatten().enumerate() {
        assert!(values.is_valid(i) || kind == "adt" || kind == "medication");
    }
    let csv = fs::read_to_string(samples("cgm/hypoglycaemia.csv")).unwrap();
    let readings: Vec<Option<f32>> =
        csv.lines().skip(1).map(|l| l.rsplit(',').next().unwrap().parse().ok()).collect();
    assert_eq!(floats(&table(&folder.0, "glucose"), "last_mg_dl"), readings);
    assert_eq!(table(&folder.0, "eeg").num_rows(), 0, "the samples hold no EEG");
}

/// The public stays: every value of every file, by a plain split of the text.
#[test]
fn hours_of_real_stays_are_the_files_own_values() {
    let root = std::env::var_os("BEDWATCH_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    for part in ["sample-setA", "sample-setB"] {
        let path = root.join("sepsis-cinc2019").join(part);
        if !path.exists() {
            println!("SKIPPED hours_of_real_stays_are_the_files_own_values: {} is absent", path.display());
            continue;
        }
        let out = Folder::new(part);
        export(std::slice::from_ref(&path), 2, &out.0);
        let batch = table(&out.0, "hours");
        let sources = texts(&batch, "source");
        let (mut from, mut compared) = (0, 0);
        while let Some(Some(source)) = sources.get(from) {
            let text = fs::read_to_string(path.join(format!("{source}.psv"))).unwrap();
            compared += compare(&batch, from, &text);
            from += empty(&text) + text.lines().count() - 1;
        }
        assert!(compared > 10_000 && from == batch.num_rows(), "{compared} values in {from} rows");
    }
}

/// A simulated seizure: the moments hold what the state holds, and the truth of the simulator.
#[test]
fn moments_have_tracks_and_labels() {
    let folder = Folder::new("moments");
    let ward = PathBuf::from("ward:beds=1,seed=11,history=20m,live=20m,first=seizure");
    export(&[ward], 1, &folder.0);
    let batch = table(&folder.0, "moments");
    let eeg = batch.column_by_name("eeg").unwrap().as_list::<i32>();
    let lengths: Vec<usize> = (0..eeg.len()).map(|i| eeg.value_length(i) as usize).collect();
    assert!(lengths.iter().all(|n| [0, 60 * 16].contains(n)), "a track is whole or absent");
    assert!(lengths[0] == 0 && lengths.last() == Some(&960), "EEG begins with the live part");
    let seizure = bools(&batch, "seizure");
    let ictal = seizure.iter().filter(|s| **s == Some(true)).count();
    assert!(ictal > 0 && ictal < seizure.len() / 4, "{ictal} of {}", seizure.len());
    // The score by rule, the last row's fifteenth column, is higher in the seizure than out of it.
    let last = |i: usize| eeg.value(i).as_primitive::<Float32Type>().value(59 * 16 + 14);
    let mean = |truth| {
        let here: Vec<f32> =
            (0..seizure.len()).filter(|i| lengths[*i] > 0 && seizure[*i] == Some(truth)).map(last).collect();
        here.iter().sum::<f32>() / here.len() as f32
    };
    assert!(mean(true) > mean(false) + 0.3, "{} {}", mean(true), mean(false));
    let tracks = batch.schema().metadata()["tracks"].clone();
    assert!(tracks.contains("seizure_burden"), "{tracks}");
}
