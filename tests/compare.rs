//! `bedwatch compare`: what appears, vanishes and moves, exactly; the same run twice; other records.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use bedwatch::recording::{self, Recorded};
use bedwatch_schemas::{event::Stream, time::ArrivalTime};
use serde_json::{Value, json};

use crate::{
    archive::RULES,
    support::{Folder, bedwatch, has_onnxruntime, last_json, ok, replay},
};

const START_MS: i64 = 1_767_225_600_000;

/// Mean pressure by the minute of five patients.
fn pressure(patient: usize, minute: i64) -> f64 {
    match (patient, minute) {
        // Always well.
        (0, _) => 85.0,
        // Below 72 only: vanishes under the lower threshold.
        (1, 10..20) => 70.0,
        // Below 72 at first and below 69 seven minutes later: moves.
        (2, 10..17) => 70.0,
        (2, 17..30) => 68.0,
        // Below both at once: the same.
        (3, 12..25) => 67.0,
        // Twice below 72, the second time below 69: one vanishes, one stays.
        (4, 5..10) => 70.0,
        (4, 40..50) => 68.0,
        _ => 85.0,
    }
}

fn ward(folder: &Folder, name: &str, shift: f64) -> PathBuf {
    let log = folder.join(name);
    std::fs::create_dir_all(&log).unwrap();
    let mut file = std::fs::File::create(log.join(recording::FILE)).unwrap();
    for minute in 0..60 {
        for patient in 0..5 {
            let at = ArrivalTime::from_millis(START_MS + minute * 60_000 + 500);
            let payload = json!({
                "schema": "vitals/1",
                "patient": format!("pseudonym-{patient}"),
                "source": "monitor",
                "time": at.as_event_time().to_string(),
                "values": [{ "signal": "abp_mean", "value": pressure(patient, minute) + shift, "unit": "mm[Hg]" }],
            });
            let key = Some(format!("pseudonym-{patient}"));
            let payload = payload.to_string().into_bytes();
            recording::write(&Recorded { stream: Stream::Vitals, at, key, payload, place: None }, &mut file)
                .unwrap();
        }
    }
    file.flush().unwrap();
    log
}

/// A replay with a site's rule at this threshold.
fn run(folder: &Folder, log: &Path, name: &str, below: u32) -> PathBuf {
    let config = folder.join(&format!("{name}.toml"));
    let rule = format!(
        "[[alerts.rules]]\nname = 'low_map'\ntitle = 'Mean pressure low'\nwhen = 'abp_mean_last < {below}'\npriority = 'medium'\npersistence_secs = 0\nclear_secs = 0\nrefractory_secs = 0\n"
    );
    std::fs::write(&config, format!("{RULES}{rule}")).unwrap();
    let out = folder.join(name);
    replay(&[log], &out, &["--config", config.to_str().unwrap()]);
    out
}

fn compare(a: &Path, b: &Path, out: &Path, more: &[&str]) -> Value {
    let mut command = bedwatch();
    last_json(&ok(command.arg("compare").arg(a).arg(b).arg("--json").arg("--out").arg(out).args(more)))
}

#[test]
fn another_threshold_makes_exactly_the_difference_it_makes() {
    let folder = Folder::new("compare-threshold");
    let log = ward(&folder, "ward", 0.0);
    let (a, b) = (run(&folder, &log, "a", 72), run(&folder, &log, "b", 69));
    let got = compare(&a, &b, &folder.join("ab"), &[]);
    let kind = &got["alerts"]["by_kind"]["site_low_map"];
    for (key, want) in
        [("a", 5), ("b", 3), ("same", 2), ("vanished", 2), ("appeared", 0), ("later", 1), ("earlier", 0)]
    {
        assert_eq!(kind[key], want, "{key}: {kind}");
    }
    assert_eq!(kind["later_by_minutes"], 7.0);
    let other: Vec<&Value> = got["alerts"]["by_kind"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(k, _)| *k != "site_low_map")
        .map(|(_, v)| v)
        .collect();
    assert!(other.iter().all(|k| k["a"] == k["same"] && k["b"] == k["same"]), "{other:?}");
    assert_eq!(got["alerts"]["count"], 3);
    // What was changed is named, and nothing else.
    let changed: Vec<&str> =
        got["changed"].as_array().unwrap().iter().map(|c| c["what"].as_str().unwrap()).collect();
    assert_eq!(changed, ["alerts.rules"]);
    // Nobody says what happened to these five.
    assert_eq!(got["recommendation"]["verdict"], "hold");
    assert_eq!((got["same_data"].as_bool(), got["nothing_changed"].as_bool()), (Some(true), Some(false)));
    // The other way around: what vanished appears, what was later is earlier.
    let back = compare(&b, &a, &folder.join("ba"), &[]);
    let turned = &back["alerts"]["by_kind"]["site_low_map"];
    assert_eq!(
        (&turned["appeared"], &turned["earlier"], &turned["same"]),
        (&kind["vanished"], &kind["later"], &kind["same"])
    );
    let page = std::fs::read_to_string(folder.join("ab").join("compare.html")).unwrap();
    assert!(page.contains("Recommended: hold the candidate.") && page.contains("alerts.rules"));
    assert!(
        !page.contains("http://") && !page.contains("https://") && !page.contains("pseudonym-"),
        "self-contained"
    );
    // More alerts than ten in a hundred more hold it too.
    let conditions = back["recommendation"]["conditions"].as_array().unwrap();
    let burden = conditions.iter().find(|c| c["rule"].as_str().unwrap().contains("bed-day")).unwrap();
    assert_eq!(burden["met"], false, "{burden}");
}

#[test]
fn the_same_run_twice_has_changed_nothing_and_gives_the_same_bytes() {
    let folder = Folder::new("compare-same");
    let log = ward(&folder, "ward", 0.0);
    let (a, again) = (run(&folder, &log, "a", 72), run(&folder, &log, "again", 72));
    let got = compare(&a, &again, &folder.join("one"), &[]);
    assert_eq!(got["recommendation"]["verdict"], "nothing_changed");
    assert_eq!((&got["alerts"]["count"], got["changed"].as_array().unwrap().len()), (&json!(0), 0));
    assert!(got["burden"]["difference"].as_object().unwrap().values().all(|v| v == 0.0));
    compare(&a, &again, &folder.join("two"), &[]);
    for name in ["compare.html", "compare.json"] {
        let [one, two] = ["one", "two"].map(|out| std::fs::read(folder.join(out).join(name)).unwrap());
        assert!(one == two, "{name} differs");
    }
    let mut command = bedwatch();
    let said = ok(command.arg("compare").arg(&a).arg(&again).arg("--out").arg(folder.join("words")));
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(
        said.starts_with("Nothing changed.\n") && said.contains("0 versions or settings differ."),
        "{said}"
    );
}

#[test]
fn other_records_are_refused_unless_one_insists() {
    let folder = Folder::new("compare-other");
    let (one, two) = (ward(&folder, "one", 0.0), ward(&folder, "two", 0.5));
    let (a, b) = (run(&folder, &one, "a", 72), run(&folder, &two, "b", 72));
    let refuse = |a: &Path, b: &Path| {
        let output =
            bedwatch().arg("compare").arg(a).arg(b).arg("--out").arg(folder.join("x")).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let said = refuse(&a, &b);
    assert!(said.contains("read other records") && said.contains("--anyway"), "{said}");
    let got = compare(&a, &b, &folder.join("anyway"), &["--anyway"]);
    assert_eq!(got["same_data"], false);
    assert!(refuse(&a, &folder.join("nowhere")).contains("cannot be read"));
    // A damaged file is told by its place, not its content.
    std::fs::write(b.join("alerts.ndjson"), "{\"canary\": 4711}\n").unwrap();
    let said = refuse(&a, &b);
    assert!(
        said.contains("alerts.ndjson is not what a replay writes: line 1") && !said.contains("canary"),
        "{said}"
    );
}

/// Labelled beds of the simulator, with the models: figures of heads and events, paired.
#[test]
fn heads_and_events_are_compared_over_the_same_stays() {
    if !has_onnxruntime("compare heads") {
        return;
    }
    let folder = Folder::new("compare-heads");
    let beds = Path::new("ward:beds=10,history=6h,live=2m,rate=0.5");
    let config = folder.join("b.toml");
    std::fs::write(&config, "[models]\nfusion = ''\n").unwrap();
    let (a, b) = (folder.join("a"), folder.join("b"));
    replay(&[beds], &a, &["--quick"]);
    replay(&[beds], &b, &["--quick", "--config", config.to_str().unwrap()]);
    let got = compare(&a, &b, &folder.join("out"), &[]);
    let heads = got["heads"].as_array().unwrap();
    assert!(!heads.is_empty(), "{got}");
    for head in heads {
        println!("{head}");
        assert!(head["rows"].as_u64().unwrap() + head["only"][0].as_u64().unwrap() > 0);
    }
    let changed: Vec<&str> =
        got["changed"].as_array().unwrap().iter().map(|c| c["what"].as_str().unwrap()).collect();
    assert!(changed.contains(&"models.fusion"), "{changed:?}");
    let events = got["events"].as_array().unwrap();
    assert!(events.iter().any(|e| e["events"].as_u64().unwrap() > 0), "{events:?}");
    println!("{}", got["recommendation"]);
    // The figures of a are those of its own report.
    let metrics: Value =
        serde_json::from_str(&std::fs::read_to_string(a.join("metrics.json")).unwrap()).unwrap();
    for study in metrics["validation"]["heads"].as_array().unwrap() {
        let head = heads.iter().find(|h| h["head"] == study["head"]).unwrap();
        if head["only"] == json!([0, 0]) {
            assert_eq!(head["rows"], study["rows"]);
            assert_eq!(head["auroc"]["a"], study["auroc"]["value"], "{}", study["head"]);
        }
    }
    for study in metrics["validation"]["alarms"].as_array().unwrap().iter().filter(|s| s["kind"] == "any") {
        let name = study["definition"].as_str().unwrap().replace('_', " ");
        let pair = events.iter().find(|e| e["definition"] == name && e["kind"] == "any").unwrap();
        assert_eq!(pair["events"], study["events"]);
        assert_eq!(pair["foretold"]["a"], study["foretold"]["value"], "{name}");
    }
}
