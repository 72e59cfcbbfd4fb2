//! Against a real Apache Kafka, read back by an independent client (kcat).

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Folder, bedwatch, by_id, has_onnxruntime, ok};

/// Takes the broker down whatever happens.
struct Kafka {
    xtask: String,
    bootstrap: String,
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let _ = Command::new(&self.xtask).args(["kafka", "down"]).status();
    }
}

fn kafka() -> Option<Kafka> {
    let Ok(xtask) = std::env::var("BEDWATCH_XTASK") else {
        eprintln!("SKIPPED real Kafka: BEDWATCH_XTASK is not set (cargo xtask test sets it)");
        return None;
    };
    let up = ok(Command::new(&xtask).args(["kafka", "up"]).stdin(Stdio::null()));
    let bootstrap = String::from_utf8(up.stdout).unwrap().trim().to_owned();
    Some(Kafka { xtask, bootstrap })
}

#[test]
fn simulate_into_it_run_out_of_it_and_kcat_reads_the_alerts() {
    if !has_onnxruntime("real Kafka") {
        return;
    }
    let Some(kafka) = kafka() else {
        return;
    };
    let bootstrap = kafka.bootstrap.as_str();
    let folder = Folder::new("real-kafka");
    let said = folder.join("engine.log");
    let mut engine = bedwatch()
        .args(["run", "--listen", "off", "--kafka", bootstrap])
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&said).unwrap())
        .spawn()
        .unwrap();
    ok(bedwatch().args(["simulate", "--beds", "8", "--for", "40s", "--history", "6h", "--kafka", bootstrap]));
    // Asked to stop, the engine finishes what it has decided.
    let pid = engine.id().to_string();
    std::thread::sleep(std::time::Duration::from_millis(1_500)); // the deadline of the last alert, twice
    ok(Command::new("kill").args(["-TERM", &pid]));
    assert!(engine.wait().unwrap().success());
    let read = |topic: &str| {
        let output = ok(Command::new("kcat").args([
            "-b",
            bootstrap,
            "-C",
            "-t",
            topic,
            "-o",
            "beginning",
            "-e",
            "-q",
            "-X",
            "isolation.level=read_committed",
        ]));
        String::from_utf8(output.stdout).unwrap()
    };
    let alerts = read("bedwatch.alerts");
    let messages = by_id(alerts.lines().map(|line| line.as_bytes().to_vec()));
    let kinds: std::collections::BTreeSet<String> = messages
        .values()
        .map(|m| serde_json::from_slice::<Value>(m).unwrap()["kind"].as_str().unwrap().to_owned())
        .collect();
    println!("kcat read {} alert messages of the kinds {kinds:?}", messages.len());
    assert!(kinds.len() >= 3, "{kinds:?}");
    assert!(read("bedwatch.dead-letter").is_empty());
    let assigned = records(&std::fs::read_to_string(&said).unwrap());
    assert_eq!(assigned, in_a_group(&folder, bootstrap), "a member of a group read other records");
}

/// The engine as a static member of a consumer group reads the same topics from their beginning.
fn in_a_group(folder: &Folder, bootstrap: &str) -> u64 {
    let config = folder.join("group.toml");
    let text =
        format!("[kafka]\nbootstrap = {bootstrap:?}\ngroup = \"bedwatch-test\"\ninstance = \"bedwatch-1\"\n");
    std::fs::write(&config, text).unwrap();
    let output = ok(bedwatch().args(["run", "--until-idle", "--listen", "off", "--config"]).arg(&config));
    records(&String::from_utf8(output.stderr).unwrap())
}

/// What the engine says at its end: `N records, M dead letters`.
fn records(log: &str) -> u64 {
    let line = log.lines().find(|l| l.contains(" records, ")).unwrap_or_else(|| panic!("no count in {log}"));
    line.split(' ').next().unwrap().parse().unwrap()
}
