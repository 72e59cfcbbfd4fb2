//! What the code writes fits the published schemas.

use std::path::Path;

use serde_json::Value;

use crate::support::{Folder, alerts, has_onnxruntime, recording, replay};

fn validator(name: &str) -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/json/{name}.schema.json"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn assert_valid(validator: &jsonschema::Validator, value: &Value) {
    let faults: Vec<String> = validator.iter_errors(value).map(|e| e.instance_path().to_string()).collect();
    assert!(faults.is_empty(), "the published schema does not allow {faults:?}");
}

#[test]
fn alerts_vitals_and_cgm_as_written_fit_their_published_schemas() {
    if !has_onnxruntime("wire forms") {
        return;
    }
    let folder = Folder::new("wire");
    let record = recording(&folder, 8, "2h", "40s");
    let out = folder.join("out");
    replay(&[&record], &out, &[]);
    let alert = validator("alert");
    let written = alerts(&out);
    assert!(!written.is_empty());
    for value in &written {
        assert_valid(&alert, value);
    }
    let mut spoiled = written[0].clone();
    spoiled["priority"] = "urgent".into();
    assert!(!alert.is_valid(&spoiled), "the schema allows anything");
    let (vitals, cgm) = (validator("vitals"), validator("cgm"));
    let text = std::fs::read_to_string(record.join("records.jsonl")).unwrap();
    let mut seen = [0, 0];
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let (validator, i) = match record["stream"].as_str().unwrap() {
            "vitals" => (&vitals, 0),
            "cgm" => (&cgm, 1),
            _ => continue,
        };
        assert_valid(validator, &serde_json::from_str(record["text"].as_str().unwrap()).unwrap());
        seen[i] += 1;
    }
    assert!(seen.iter().all(|n| *n > 0), "{seen:?}");
}
