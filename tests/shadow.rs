//! A candidate beside the models in force: it changes nothing, and what is said of it is so.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::BufReader,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bedwatch::{
    clock::{Clock, SystemClock},
    config::Config,
    live::{Health, Live, Shared},
    recorder::Recorder,
    recording,
    shadow::View,
};
use bedwatch_ingest::kafka::{Topics, embedded::Broker};
use bedwatch_schemas::time::ArrivalTime;
use serde_json::Value;

use crate::{
    archive::RULES,
    determinism::produce,
    support::{Folder, alerts, by_id, has_onnxruntime, recording as record, replay},
};

const WAITING: &str = "bedwatch_shadow_waiting_steps ";

type Alerts = BTreeMap<(String, u64), Vec<u8>>;

/// The machine's clock, put back to the end of a log: the silence behind it is as long as the test runs,
/// and no year.
struct AtTheEnd {
    of: ArrivalTime,
    began: ArrivalTime,
    machine: SystemClock,
}

impl AtTheEnd {
    fn new(of: ArrivalTime) -> Self {
        let machine = SystemClock::default();
        Self { of, began: machine.now(), machine }
    }
}

impl Clock for AtTheEnd {
    fn now(&self) -> ArrivalTime {
        self.of + self.machine.now().since(self.began)
    }
}

/// Runs the live loop over a log and gives its alerts, what is said of the candidate, and the metrics.
fn live(log: &Path, config: &str) -> (Alerts, Option<View>, String) {
    let topics = Topics::default();
    let broker = Broker::start(&topics, 1).unwrap();
    let sent = produce(log, broker.bootstrap(), &topics, 1, "1000");
    // As slow as a ward fills its topics in minutes, so that a candidate can follow.
    broker.set_round_trip(Duration::from_millis(60)).unwrap();
    let mut config: Config = toml::from_str(config).unwrap();
    broker.bootstrap().clone_into(&mut config.kafka.bootstrap);
    config.kafka.properties.0.insert("max.partition.fetch.bytes".to_owned(), "20000".to_owned());
    config.narrator.deadline_millis = 3_600_000;
    config.narrator.queue = 100_000;
    let models = bedwatch::setup::models(&config).unwrap();
    let log = BufReader::new(std::fs::File::open(log).unwrap());
    let last = recording::read(log).map(|r| r.unwrap().at).max().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(AtTheEnd::new(last));
    let shared = Shared {
        health: Arc::new(Health::new(clock.clone())),
        clock: clock.clone(),
        metrics: Arc::default(),
        board: Arc::default(),
        folded: Arc::default(),
        stop: Arc::default(),
        on_alert: Arc::new(|_| {}),
    };
    let recorder = Recorder::start(broker.bootstrap(), &topics.alerts, clock).unwrap();
    let live = Live::start(&config, models, shared.clone()).unwrap();
    let engine = std::thread::spawn(move || live.run().unwrap());
    while shared.folded.load(Ordering::Relaxed) < sent {
        assert!(!engine.is_finished(), "the engine ended early");
        std::thread::sleep(Duration::from_millis(5));
    }
    // The candidate is slower: it is given the time it takes.
    while shared.metrics.text().lines().any(|l| l.starts_with(WAITING) && !l.ends_with(" 0")) {
        std::thread::yield_now();
    }
    shared.stop.store(true, Ordering::Relaxed);
    engine.join().unwrap();
    // What was decided in the silence behind the log depends on how long that was.
    let of_the_log = |payload: &Vec<u8>| {
        let alert: bedwatch_schemas::alert::Alert = serde_json::from_slice(payload).unwrap();
        alert.at <= last.as_event_time()
    };
    let told = recorder.finish().unwrap().into_iter().map(|r| r.payload).filter(of_the_log);
    let told = by_id(told);
    (told, shared.board.shadow_view(), shared.metrics.text())
}

/// Episodes of a kind that ended, by a replay.
fn ended(out: &Path, kind: &str) -> usize {
    let of = |a: &&Value| a["kind"] == kind && matches!(a["phase"].as_str(), Some("resolved" | "expired"));
    alerts(out).iter().filter(of).count()
}

#[test]
fn a_candidate_changes_no_byte_and_is_told_as_a_replay_would() {
    if !has_onnxruntime("shadow") {
        return;
    }
    let folder = Folder::new("shadow");
    let log = record(&folder, 3, "8h", "10s");
    let file = log.join(recording::FILE);
    let (alone, none, _) = live(&file, RULES);
    assert!(none.is_none() && !alone.is_empty());
    let candidate = format!("{RULES}[models.shadow]\nencoder = 'encoder-hourly-v2'\nqueue = 100000\n");
    let (beside, view, metrics) = live(&file, &candidate);
    assert!(alone == beside, "the candidate changed what is told");
    let view = view.expect("the candidate spoke");
    println!("{}", serde_json::to_string(&view).unwrap());
    assert!(view.evaluated > 1_500 && view.candidate[0].starts_with("encoder-hourly"), "{view:?}");
    assert_eq!(view.skipped, 0, "what follows would not be exact");
    // What a replay with the candidate tells and the rules alone do not.
    let config = folder.join("candidate.toml");
    std::fs::write(&config, "[models]\nfusion = ''\nnarrator = ''\n").unwrap();
    let out = folder.join("out");
    replay(&[&log], &out, &["--quick", "--config", config.to_str().unwrap()]);
    let kinds: BTreeSet<String> =
        alerts(&out).iter().map(|a| a["kind"].as_str().unwrap().to_owned()).collect();
    let mut told = 0;
    for kind in ["sepsis", "deterioration"] {
        let got = view.alerts.get(kind).copied().unwrap_or_default();
        assert_eq!((got.both, got.only_active), (0, 0), "rules know no {kind}");
        assert_eq!(got.only_shadow as usize, ended(&out, kind), "{kind}");
        told += got.only_shadow;
        if got.only_shadow > 0 {
            let line = format!(
                "bedwatch_shadow_alerts_total{{kind=\"{kind}\",told_by=\"only_shadow\"}} {}",
                got.only_shadow
            );
            assert!(metrics.contains(&line), "{line}");
        }
    }
    println!("{kinds:?}; {told} of the model's alerts ended");
    // The rules are the same on both sides, but for what a model's alert inhibits.
    for (kind, counts) in &view.alerts {
        if !matches!(*kind, "sepsis" | "deterioration" | "early_warning") {
            assert_eq!((counts.only_active, counts.only_shadow), (0, 0), "{kind}");
            assert!(counts.both > 0);
        }
    }
    assert!(view.risks.is_empty(), "rules give no risks");
}

/// The encoder in force as its own candidate agrees with itself in everything.
#[test]
fn a_candidate_that_is_the_same_agrees() {
    if !has_onnxruntime("shadow of itself") {
        return;
    }
    let folder = Folder::new("shadow-same");
    let log = record(&folder, 2, "4h", "10s").join(recording::FILE);
    let models = "[models]\nfusion = ''\nnarrator = ''\n[models.shadow]\nencoder = 'encoder-hourly-v2'\nqueue = 100000\n";
    let (_, view, metrics) = live(&log, models);
    let view = view.unwrap();
    println!("{}", serde_json::to_string(&view).unwrap());
    assert_eq!(view.skipped, 0, "none may be left out here");
    assert!(!view.alerts.is_empty() && view.risks["sepsis"].compared > 10);
    for (kind, counts) in &view.alerts {
        assert_eq!((counts.only_active, counts.only_shadow), (0, 0), "{kind}");
    }
    for (head, risk) in &view.risks {
        assert_eq!((risk.agree, risk.mean_distance), (risk.compared, 0.0), "{head}");
    }
    assert!(metrics.contains("bedwatch_shadow_steps_total{result=\"evaluated\"}"));
}
