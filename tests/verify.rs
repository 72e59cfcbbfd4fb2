//! A recorded production run is decided again: the same bytes, words included, and what was changed is found.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bedwatch::{
    clock::{Clock, SystemClock},
    live::{Health, Live, Shared},
    recording,
};
use bedwatch_ingest::kafka::{Topics, embedded::Broker};
use serde_json::Value;

use crate::{
    determinism::produce,
    support::{Folder, bedwatch, has_onnxruntime, last_json, ok, recording as record},
};

#[test]
fn a_recorded_run_is_decided_again_byte_for_byte() {
    if !has_onnxruntime("verify") {
        return;
    }
    let folder = Folder::new("verify");
    let log = record(&folder, 4, "3h", "45s").join(recording::FILE);
    let topics = Topics::default();
    let broker = Broker::start(&topics, 4).unwrap();
    let sent = produce(&log, broker.bootstrap(), &topics, 4, "1000");
    run_live(broker.bootstrap(), sent);

    let run = folder.join("run");
    let captured = last_json(&ok(bedwatch()
        .args(["record", "--json", "--kafka", broker.bootstrap(), "--out"])
        .arg(&run)));
    assert_eq!(captured["records"].as_u64(), Some(sent));
    assert_eq!((&captured["expired"], &captured["late_to_cell"]), (&0.into(), &0.into()), "{captured}");
    let told = std::fs::read(run.join(recording::capture::SUMMARY)).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&told).unwrap(), captured);

    let (good, verdict) = verify(&run, &folder.join("again"));
    println!("{verdict}");
    assert!(good && verdict["same"] == true, "{verdict}");
    assert!(verdict["equal"].as_u64() > Some(5) && verdict["recorded"] == captured["alerts"], "{verdict}");
    assert!(verdict["told_by_template_then"].as_u64() > Some(0), "no alert found the queue full: {verdict}");

    // One word of one rationale is another.
    let file = run.join("alerts.ndjson");
    let alerts = std::fs::read_to_string(&file).unwrap();
    let mut lines: Vec<Value> = alerts.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let text = lines[2]["rationale"]["text"].as_str().unwrap().to_owned() + " Stable.";
    lines[2]["rationale"]["text"] = text.into();
    let changed: String = lines.iter().map(|l| format!("{l}\n")).collect();
    std::fs::write(&file, changed).unwrap();
    let (good, verdict) = verify(&run, &folder.join("changed"));
    assert!(!good && verdict["differ"].as_array().unwrap().len() == 1, "{verdict}");
    assert_eq!(verdict["differ"][0]["at_fields"], serde_json::json!(["/rationale/text"]));
    assert_eq!(verdict["differ"][0]["alert"], lines[2]["id"]);

    // A log that lacks its last third, or all, is no log to verify with: refused, not verified.
    std::fs::write(&file, &alerts).unwrap();
    let log = std::fs::read_to_string(run.join(recording::FILE)).unwrap();
    let cut: Vec<&str> = log.lines().collect();
    let log = cut[..cut.len() * 2 / 3].join("\n") + "\n";
    let again = |out: &str| {
        bedwatch().args(["replay", "--verify"]).arg(&run).arg("--out").arg(folder.join(out)).output().unwrap()
    };
    for (name, log) in [("cut", log.as_str()), ("empty", "")] {
        std::fs::write(run.join(recording::FILE), log).unwrap();
        let output = again(name);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("cut short or changed"), "{name}: {said}");
        assert!(!folder.join(name).join("verify.json").exists(), "{name}: a verdict on half a log");
    }
}

/// Whether it succeeded, and its verdict.
fn verify(run: &Path, out: &Path) -> (bool, Value) {
    let output =
        bedwatch().args(["replay", "--json", "--verify"]).arg(run).arg("--out").arg(out).output().unwrap();
    let text = std::fs::read_to_string(out.join("verify.json")).unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.success(), serde_json::from_str(&text).unwrap())
}

/// The engine over what the broker holds, with a narrator that has little room: some words come too late.
fn run_live(bootstrap: &str, records: u64) {
    let mut config = bedwatch::config::Config::default();
    bootstrap.clone_into(&mut config.kafka.bootstrap);
    config.narrator.deadline_millis = 3_600_000;
    config.narrator.queue = 1;
    let models = bedwatch::setup::models(&config).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let shared = Shared {
        health: Arc::new(Health::new(clock.clone())),
        clock,
        metrics: Arc::default(),
        board: Arc::default(),
        folded: Arc::default(),
        stop: Arc::default(),
        on_alert: Arc::new(|_| {}),
    };
    let live = Live::start(&config, models, shared.clone()).unwrap();
    let engine = std::thread::spawn(move || live.run().unwrap());
    while shared.folded.load(Ordering::Relaxed) < records {
        assert!(!engine.is_finished(), "the engine ended early");
        std::thread::sleep(Duration::from_millis(5));
    }
    shared.stop.store(true, Ordering::Relaxed);
    let summary = engine.join().unwrap();
    assert_eq!((summary.gaps, summary.late_to_cell), (0, 0));
}
