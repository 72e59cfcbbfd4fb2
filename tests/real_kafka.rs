//! Against a real Apache Kafka, stopped for a while in the middle and read back by an independent
//! client (kcat), with a webhook behind it. In the gate it stands still for three seconds;
//! `BEDWATCH_OUTAGE_SECS=60` makes it a minute.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Child, Command, Stdio},
    time::Duration,
};

use bedwatch_schemas::{
    alert::{Alert, Phase},
    ids::AlertId,
};

use crate::{
    sinks::{WAIT, all_in_order, name, webhook},
    support::{Folder, bedwatch, by_id, has_onnxruntime, ok},
};

/// A process that does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Takes the broker down whatever happens.
struct Kafka {
    xtask: String,
    bootstrap: String,
}

impl Kafka {
    /// The broker's process, as a second `up` tells it.
    fn pid(&self) -> String {
        let up = ok(Command::new(&self.xtask).args(["kafka", "up"]));
        let said = String::from_utf8(up.stderr).unwrap();
        let pid = said.split("(pid ").nth(1).and_then(|rest| rest.split(')').next());
        pid.unwrap_or_else(|| panic!("no pid in {said}")).to_owned()
    }

    /// Everything of a topic, a line a record.
    fn read(&self, topic: &str) -> String {
        let reading = ["-C", "-o", "beginning", "-e", "-q", "-X", "isolation.level=read_committed"];
        let output = ok(Command::new("kcat").args(["-b", &self.bootstrap, "-t", topic]).args(reading));
        String::from_utf8(output.stdout).unwrap()
    }
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
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (hook, address) = webhook::Hook::start(&runtime);
    let mut sinks = bedwatch::config::Config::default();
    webhook::configure(&mut sinks, &folder, address);
    let config = folder.join("engine.toml");
    let (url, secret) = (&sinks.sinks.webhook.url, &sinks.sinks.webhook.secret_file);
    std::fs::write(&config, format!("[sinks.webhook]\nurl = {url:?}\nsecret_file = {secret:?}\n")).unwrap();
    let said = folder.join("engine.log");
    let mut engine = bedwatch();
    engine.args(["run", "--listen", "off", "--kafka", bootstrap, "--config"]).arg(&config);
    engine.stdout(Stdio::null()).stderr(std::fs::File::create(&said).unwrap());
    let mut engine = Process(engine.spawn().unwrap());
    let mut simulator = bedwatch();
    simulator.args(["simulate", "--beds", "8", "--for", "40s", "--history", "6h", "--kafka", bootstrap]);
    let mut simulator = Process(simulator.spawn().unwrap());
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        let mut looks = 0;
        while !holds() {
            looks += 1;
            assert!(looks < WAIT.as_millis() / 20, "never: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until("a first alert at the webhook", &|| !hook.accepted().is_empty());
    stand_still(&kafka);
    assert!(simulator.0.wait().unwrap().success());
    let published = || -> Vec<Alert> {
        kafka.read("bedwatch.alerts").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    // Asked to stop, the engine finishes what it has decided.
    let pid = engine.0.id().to_string();
    std::thread::sleep(Duration::from_millis(1_500)); // the deadline of the last alert, twice
    let so_far = published().len();
    until("every alert at the webhook", &|| hook.accepted().len() >= so_far);
    ok(Command::new("kill").args(["-TERM", &pid]));
    assert!(engine.0.wait().unwrap().success());
    let alerts = published();
    let kinds: BTreeSet<&str> = alerts.iter().map(|a| a.kind.name()).collect();
    println!("kcat read {} alert messages of the kinds {kinds:?}", alerts.len());
    assert!(kinds.len() >= 3, "{kinds:?}");
    whole_lives(&alerts);
    let taken = hook.accepted();
    let delivered: Vec<Alert> = alerts.iter().filter(|a| taken.contains(&name(a))).cloned().collect();
    assert!(delivered.len() >= so_far);
    all_in_order(&delivered, &taken);
    assert!(kafka.read("bedwatch.dead-letter").is_empty());
    let log = std::fs::read_to_string(&said).unwrap();
    assert!(!log.contains("records vanished"), "{log}");
    let assigned = records(&log);
    assert_eq!(assigned, in_a_group(&folder, bootstrap), "a member of a group read other records");
    println!("{assigned} records read");
}

/// The broker's process is stopped, as by a paused machine: connections stand and nothing answers.
fn stand_still(kafka: &Kafka) {
    let secs = std::env::var("BEDWATCH_OUTAGE_SECS").map_or(3, |text| text.parse().unwrap());
    let pid = kafka.pid();
    ok(Command::new("kill").args(["-STOP", &pid]));
    std::thread::sleep(Duration::from_secs(secs));
    ok(Command::new("kill").args(["-CONT", &pid]));
    println!("Kafka stood still for {secs} s");
}

/// Of every alert each message, once or again, in its order, from the one that raised it.
fn whole_lives(alerts: &[Alert]) {
    let messages = by_id(alerts.iter().map(|a| serde_json::to_vec(a).unwrap()));
    let mut lives: BTreeMap<AlertId, Vec<&Alert>> = BTreeMap::new();
    for alert in alerts {
        let life = lives.entry(alert.id).or_default();
        if life.last().is_none_or(|last| last.sequence != alert.sequence) {
            life.push(alert);
        }
    }
    assert_eq!(lives.values().map(Vec::len).sum::<usize>(), messages.len());
    for life in lives.values() {
        let told: Vec<_> = life.iter().map(|a| (a.kind, a.sequence, a.phase, a.at)).collect();
        assert_eq!(life[0].phase, Phase::Raised, "{told:?}");
        assert!(life.windows(2).all(|two| two[1].sequence == two[0].sequence + 1));
        assert!(life[..life.len() - 1].iter().all(|a| !a.phase.ends()));
    }
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
