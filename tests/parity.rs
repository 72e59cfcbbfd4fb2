//! The engine's risks on a stay equal the training code's on the engine's own exported table.
//!
//! The bundle carries what PyTorch and LightGBM said of the project's simulated samples
//! (`bedwatch_training.parity`); here the engine replays the same samples through its ONNX graph.

use std::{collections::BTreeMap, fs::File, path::Path};

use arrow::{
    array::{Array, Float32Array, StringArray, TimestampMicrosecondArray},
    record_batch::RecordBatch,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::support::{Folder, has_onnxruntime, replay};

/// For each source the last probability of a head within each clock hour, in the order of time.
fn by_hour(path: &Path, head: &str) -> BTreeMap<String, BTreeMap<i64, f32>> {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let mut out: BTreeMap<String, BTreeMap<i64, f32>> = BTreeMap::new();
    for batch in reader.map(Result::unwrap) {
        let sources = column::<StringArray>(&batch, "source");
        let at = column::<TimestampMicrosecondArray>(&batch, "at");
        let risks = column::<Float32Array>(&batch, &format!("{head}_risk"));
        for row in (0..batch.num_rows()).filter(|&row| risks.is_valid(row)) {
            let hour = at.value(row).div_euclid(3_600_000_000);
            out.entry(sources.value(row).to_owned()).or_default().insert(hour, risks.value(row));
        }
    }
    out
}

fn column<'a, T: 'static>(batch: &'a RecordBatch, name: &str) -> &'a T {
    batch.column_by_name(name).unwrap().as_any().downcast_ref().unwrap()
}

#[test]
fn the_engine_says_what_the_training_code_says() {
    if !has_onnxruntime("parity with the training code") {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let told = std::fs::read(root.join("inference/models/encoder-hourly-v2/stay-risks.json")).unwrap();
    let told: Value = serde_json::from_slice(&told).unwrap();
    let tolerance = told["tolerance"].as_f64().unwrap();
    assert!(tolerance <= 1e-4);
    let folder = Folder::new("parity");
    replay(&[&root.join("replay-data/samples/psv")], folder.path(), &[]);
    let mut worst = 0.0_f64;
    let mut hours = 0;
    for head in ["sepsis", "deterioration", "death"] {
        let found = by_hour(&folder.join("risks.parquet"), head);
        for stay in told["stays"].as_array().unwrap() {
            let record = stay["record"].as_str().unwrap();
            let (_, risks) = found.iter().find(|(source, _)| source.contains(record)).unwrap();
            let wanted = stay["hours"][head].as_array().unwrap();
            assert_eq!(risks.len(), wanted.len(), "{record}: an hour each");
            for (risk, want) in risks.values().zip(wanted) {
                worst = worst.max((f64::from(*risk) - want.as_f64().unwrap()).abs());
                hours += 1;
            }
        }
    }
    println!("parity: {hours} risks, largest difference {worst:.2e}");
    assert!(hours > 400);
    assert!(worst <= tolerance, "the largest difference is {worst}");
}
