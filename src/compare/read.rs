//! What a replay wrote.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    csv::ReaderBuilder,
    datatypes::{DataType, Field, Float32Type, Float64Type, Schema, TimestampMicrosecondType},
};
use bedwatch_schemas::{alert::Alert, withheld::Withheld};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::replay::listed::{EVENTS, LABELS, STAYS};

/// Why two runs cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is not there or cannot be read.
    #[error("{0} cannot be read: {1}; a replay of this version writes it")]
    Read(PathBuf, std::io::Error),
    /// A file is not what a replay writes.
    #[error("{0} is not what a replay writes: {1}")]
    Malformed(PathBuf, String),
    /// The two replayed other records.
    #[error(
        "the two runs read other records (the hashes of what was read differ); --anyway compares them all the same"
    )]
    OtherData,
}

/// A truth with the risk it was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// The head.
    pub head: String,
    /// `hour`, `moment` or `stay`.
    pub per: String,
    /// The source.
    pub source: String,
    /// When, microseconds; `None` for a stay.
    pub at: Option<i64>,
    /// The label.
    pub truth: bool,
    /// The risk.
    pub risk: f32,
    /// Where the head alerts.
    pub operating_point: f32,
}

/// An event with what one kind of alert did for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// What an event is.
    pub definition: String,
    /// The kind of alert, or `any`.
    pub kind: String,
    /// The source.
    pub source: String,
    /// When it began.
    pub at: String,
    /// Whether an alert stood before it.
    pub foretold: bool,
}

/// A source.
#[derive(Debug, Clone, PartialEq)]
pub struct Stay {
    /// Its name.
    pub source: String,
    /// Hours of all its patients.
    pub hours: f64,
    /// Clinical alerts raised.
    pub alerts: f64,
}

/// A replay's output.
#[derive(Debug, Clone)]
pub struct Run {
    /// BLAKE3 of what was read.
    pub data: String,
    /// SHA-256 of the alerts.
    pub alerts_sha256: String,
    /// BLAKE3 of the risks.
    pub risks: String,
    /// Engine, bundles and every key that decides, by name.
    pub versions: BTreeMap<String, String>,
    /// Of high priority or technical and withheld, or decided and in neither place: there may be none.
    pub broken: u64,
    /// Claims of rationales that are not in the evidence.
    pub unsupported_claims: u64,
    /// The alerts.
    pub alerts: Vec<Alert>,
    /// The ledger.
    pub withheld: Vec<Withheld>,
    /// Truths and risks.
    pub truths: Vec<Truth>,
    /// Events.
    pub events: Vec<Event>,
    /// Sources.
    pub stays: Vec<Stay>,
}

impl Run {
    /// Reads a replay's folder.
    ///
    /// # Errors
    /// When a file is missing or not what a replay writes.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let metrics = json(&folder.join("metrics.json"))?;
        let config = json(&folder.join("config.json"))?;
        let text =
            |pointer: &str| metrics.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let count =
            |pointer: &str| metrics.pointer(pointer).map_or(0, |v| v.as_i64().unwrap_or(0).unsigned_abs());
        Ok(Self {
            data: text("/versions/data"),
            alerts_sha256: text("/alerts_sha256"),
            risks: hash(&folder.join("risks.parquet"))?,
            versions: versions(&metrics, &config),
            broken: count("/burden/life_threatening_withheld") + count("/burden/unaccounted"),
            unsupported_claims: count("/unsupported_claims"),
            alerts: lines(&folder.join("alerts.ndjson"))?,
            withheld: lines(&folder.join("withheld.ndjson"))?,
            truths: truths(&folder.join(LABELS))?,
            events: events(&folder.join(EVENTS))?,
            stays: stays(&folder.join(STAYS))?,
        })
    }
}

fn open(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(|e| Error::Read(path.to_owned(), e))
}

fn hash(path: &Path) -> Result<String, Error> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(open(path)?).map_err(|e| Error::Read(path.to_owned(), e))?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn malformed(path: &Path) -> impl Fn(String) -> Error {
    let path = path.to_owned();
    move |why| Error::Malformed(path.clone(), why)
}

fn json(path: &Path) -> Result<Value, Error> {
    serde_json::from_reader(BufReader::new(open(path)?)).map_err(|e| malformed(path)(e.to_string()))
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Error> {
    let read = |(i, line): (usize, std::io::Result<String>)| {
        let line = line.map_err(|e| Error::Read(path.to_owned(), e))?;
        // The line's number and not its content.
        serde_json::from_str(&line).map_err(|_| malformed(path)(format!("line {}", i + 1)))
    };
    BufReader::new(open(path)?).lines().enumerate().map(read).collect()
}

/// Everything by name that may differ between two runs of the same records.
fn versions(metrics: &Value, config: &Value) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    if let Some(engine) = metrics.pointer("/versions/engine") {
        all.insert("engine".to_owned(), text(engine));
    }
    if let Some(build) = metrics.pointer("/versions/engine_blake3") {
        all.insert("engine's build".to_owned(), text(build).chars().take(12).collect());
    }
    for model in metrics.pointer("/versions/models").and_then(Value::as_array).into_iter().flatten() {
        let of = |key: &str| model.get(key).map(text).unwrap_or_default();
        let sha256: String = of("sha256").chars().take(12).collect();
        all.insert(format!("bundle {}", of("name")), format!("{} ({sha256})", of("version")));
    }
    leaves("", config, &mut all);
    all
}

/// The values of a tree by their keys with dots.
fn leaves(at: &str, value: &Value, all: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                leaves(&path, value, all);
            }
        }
        Value::String(text) => drop(all.insert(at.to_owned(), text.clone())),
        other => drop(all.insert(at.to_owned(), other.to_string())),
    }
}

fn truths(path: &Path) -> Result<Vec<Truth>, Error> {
    let bad = malformed(path);
    let reader = ParquetRecordBatchReaderBuilder::try_new(open(path)?).and_then(|b| b.build());
    let mut all = Vec::new();
    for batch in reader.map_err(|e| bad(e.to_string()))? {
        let batch = batch.map_err(|e| bad(e.to_string()))?;
        let column =
            |name: &str| batch.column_by_name(name).ok_or_else(|| bad(format!("it has no column {name}")));
        let text = |name: &str| {
            column(name)?.as_string_opt::<i32>().ok_or_else(|| bad(format!("{name} is no text")))
        };
        let number = |name: &str| {
            column(name)?.as_primitive_opt::<Float32Type>().ok_or_else(|| bad(format!("{name} is no number")))
        };
        let at = column("at")?
            .as_primitive_opt::<TimestampMicrosecondType>()
            .ok_or_else(|| bad("at is no time".to_owned()))?;
        let truth =
            column("truth")?.as_boolean_opt().ok_or_else(|| bad("truth is not true or false".to_owned()))?;
        let (head, per, source) = (text("head")?, text("per")?, text("source")?);
        let (risk, point) = (number("risk")?, number("operating_point")?);
        all.extend((0..batch.num_rows()).map(|i| Truth {
            head: head.value(i).to_owned(),
            per: per.value(i).to_owned(),
            source: source.value(i).to_owned(),
            at: at.is_valid(i).then(|| at.value(i)),
            truth: truth.value(i),
            risk: risk.value(i),
            operating_point: point.value(i),
        }));
    }
    Ok(all)
}

/// Reads a CSV with these columns.
fn csv(path: &Path, columns: &[(&str, DataType)]) -> Result<Vec<RecordBatch>, Error> {
    let fields: Vec<Field> = columns.iter().map(|(name, of)| Field::new(*name, of.clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let bad = malformed(path);
    let reader = ReaderBuilder::new(schema).with_header(true).build(open(path)?);
    let reader = reader.map_err(|e| bad(e.to_string()))?;
    // Of a fault the place and not the content.
    reader.enumerate().map(|(i, b)| b.map_err(|_| bad(format!("rows after {}", i * 1_024)))).collect()
}

fn events(path: &Path) -> Result<Vec<Event>, Error> {
    use DataType::{Boolean, Float64, Utf8};
    let columns = [
        ("definition", Utf8),
        ("kind", Utf8),
        ("source", Utf8),
        ("at", Utf8),
        ("over", Utf8),
        ("foretold", Boolean),
        ("seen", Boolean),
        ("lead_hours", Float64),
    ];
    let mut all = Vec::new();
    for batch in csv(path, &columns)? {
        let text = |i: usize, row: usize| batch.column(i).as_string::<i32>().value(row).to_owned();
        let foretold = batch.column(5).as_boolean();
        all.extend((0..batch.num_rows()).map(|row| Event {
            definition: text(0, row),
            kind: text(1, row),
            source: text(2, row),
            at: text(3, row),
            foretold: foretold.value(row),
        }));
    }
    Ok(all)
}

fn stays(path: &Path) -> Result<Vec<Stay>, Error> {
    use DataType::{Float64, Utf8};
    let columns = [
        ("source", Utf8),
        ("site", Utf8),
        ("data", Utf8),
        ("patient_hours", Float64),
        ("clinical_alerts", Float64),
        ("technical_alerts", Float64),
    ];
    let mut all = Vec::new();
    for batch in csv(path, &columns)? {
        let source = batch.column(0).as_string::<i32>();
        let number = |i: usize| batch.column(i).as_primitive::<Float64Type>();
        all.extend((0..batch.num_rows()).map(|row| Stay {
            source: source.value(row).to_owned(),
            hours: number(3).value(row),
            alerts: number(4).value(row),
        }));
    }
    Ok(all)
}
