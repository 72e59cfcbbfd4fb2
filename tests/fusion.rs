//! The fusion in force, through the command line: simulated seizures and lows in what `replay` measures,
//! beside the rules for the same, and stretches found by words.

use std::path::Path;

use serde_json::Value;

use crate::support::{Folder, bedwatch, has_onnxruntime, ok, replay};

fn head(ward: &str, name: &str) -> Value {
    let folder = Folder::new(&format!("fusion-{name}"));
    replay(&[Path::new(ward)], folder.path(), &[]);
    let metrics = std::fs::read_to_string(folder.join("metrics.json")).unwrap();
    let metrics: Value = serde_json::from_str(&metrics).unwrap();
    metrics["heads"][name].clone()
}

#[test]
fn seizures_and_lows_to_come_are_told_from_the_rest() {
    if !has_onnxruntime("seizures_and_lows_to_come_are_told_from_the_rest") {
        return;
    }
    let wards = [
        ("seizure", "ward:beds=6,seed=71,history=10m,live=18m,first=seizure"),
        ("hypoglycaemia", "ward:beds=12,seed=72,history=4h,live=30m,first=hypoglycaemia,waveforms=false"),
    ];
    for (name, ward) in wards {
        let head = head(ward, name);
        println!("{name}: {head}");
        assert!(head["moments"].as_u64().unwrap() > 400 && head["positives"].as_u64().unwrap() > 10);
        assert!(head["auroc"].as_f64().unwrap() > 0.9);
        let beside = head["beside_rule"].as_array().unwrap();
        assert!(beside[0].as_u64().unwrap() > 100, "the rule speaks of the same moments");
    }
}

#[test]
fn a_ward_that_is_none_is_one_sentence() {
    let out = bedwatch().args(["replay", "ward:doors=3", "--out", "never"]).output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(said.contains("no doors") && said.trim_end().lines().count() == 1, "{said}");
}

#[test]
fn words_find_the_stretches_they_describe() {
    let said = ok(bedwatch().args(["models", "search", "bleeding patient in shock", "--json"]));
    let found: Value = serde_json::from_slice(&said.stdout).unwrap();
    let stretches = found["stretches"].as_array().unwrap();
    assert_eq!(stretches.len(), 5);
    let fits = |s: &&Value| s["words"].as_str().unwrap().contains("haemorrhagic shock");
    assert!(stretches.iter().filter(fits).count() >= 3, "{found}");
    assert_eq!(found["by"], "words", "no stretch is described so: it is put together from known words");
}
