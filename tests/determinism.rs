//! Same log, same bytes: whatever the batch, threads, speed and Kafka's batches.

use std::{
    collections::BTreeMap,
    io::BufReader,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bedwatch::{
    clock::{Clock, SystemClock},
    live::{Health, Live, Shared},
    recorder::Recorder,
    recording, replay as engine_replay,
};
use bedwatch_ingest::kafka::{
    Topics,
    embedded::{self, Broker},
    headers::Headers,
    sink::{self, Sink},
};
use bedwatch_schemas::alert::Alert;

use crate::support::{Folder, has_onnxruntime, recording as record, replay};

#[test]
fn one_recording_gives_one_sha256() {
    if !has_onnxruntime("determinism") {
        return;
    }
    let folder = Folder::new("determinism");
    let log = record(&folder, 2, "2h", "45s");
    let ways: [&[&str]; 4] = [
        &["--batch", "1", "--threads", "1"],
        &["--batch", "4096", "--threads", "2"],
        &["--speed", "7200"],
        &["--speed", "max", "--batch", "7"],
    ];
    let mut sums = BTreeMap::new();
    for (i, way) in ways.iter().enumerate() {
        let metrics = replay(&[&log], &folder.join(&format!("out{i}")), way);
        sums.insert(way.join(" "), metrics["alerts_sha256"].as_str().unwrap().to_owned());
        assert!(metrics["alerts"].as_u64().unwrap() > 0);
    }
    for (name, batch_messages) in [("Kafka, one record a batch", "1"), ("Kafka, up to 1000 a batch", "1000")]
    {
        sums.insert(name.to_owned(), through_kafka(&folder, &log.join(recording::FILE), batch_messages));
    }
    sums.insert("in process".to_owned(), in_process(&folder, &log));
    println!("{sums:#?}");
    let first = sums.values().next().unwrap();
    assert!(sums.values().all(|s| s == first), "{sums:#?}");
}

/// The report and everything beside it, of simulated beds whose truth is known: the same bytes again,
/// however many at a time.
#[test]
fn a_report_is_the_same_bytes() {
    if !has_onnxruntime("a report twice") {
        return;
    }
    let folder = Folder::new("report-twice");
    let beds = std::path::Path::new("ward:beds=4,history=4h,live=2m,rate=0.5");
    let outs = ["1", "2"].map(|threads| {
        let out = folder.join(threads);
        let metrics = replay(&[beds], &out, &["--threads", threads]);
        assert!(!metrics["validation"]["alarms"].as_array().unwrap().is_empty());
        out
    });
    let mut names: Vec<_> = std::fs::read_dir(&outs[0]).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        let [one, two] = [&outs[0], &outs[1]].map(|out| std::fs::read(out.join(&name)).unwrap());
        assert!(one == two, "{name:?} differs");
    }
}

/// A quick replay decides what a whole one decides.
#[test]
fn a_quick_replay_decides_the_same() {
    if !has_onnxruntime("a quick replay") {
        return;
    }
    let folder = Folder::new("quick");
    let beds = std::path::Path::new("ward:beds=4,history=6h,live=3m,rate=0.5");
    let decided = |name: &str, more: &[&str]| {
        let out = folder.join(name);
        let metrics = replay(&[beds], &out, more);
        let facets = ["id", "sequence", "phase", "kind", "priority", "patient", "onset", "at", "decision"];
        let alerts: Vec<_> = crate::support::alerts(&out)
            .into_iter()
            .map(|alert| facets.map(|facet| alert[facet].clone()))
            .collect();
        (alerts, metrics["validation"].clone(), metrics["rationales_model"].as_u64())
    };
    let (whole, quick) = (decided("whole", &[]), decided("quick", &["--quick"]));
    assert!(whole.0.len() > 5 && whole.2 > Some(0) && quick.2 == Some(0));
    assert!(whole.0 == quick.0, "other alerts");
    assert!(whole.1 == quick.1, "other figures: {} and {}", whole.1, quick.1);
}

fn in_process(folder: &Folder, log: &std::path::Path) -> String {
    let config = bedwatch::config::Config::default();
    let options = engine_replay::Options {
        core: Arc::new(config.core().unwrap()),
        cell: bedwatch_schemas::time::Span::millis(config.engine.cell_millis),
        models: bedwatch::setup::models(&config).unwrap(),
        threads: 1,
        batch: 100,
        speed: None,
        clock: Arc::new(SystemClock::default()),
    };
    let sources = engine_replay::open(&[log.to_owned()], &Default::default()).unwrap();
    let outcomes = engine_replay::run(&sources, &options, &|_| {}).unwrap();
    let mut alerts: Vec<Alert> = outcomes.into_iter().flat_map(|o| o.alerts).collect();
    engine_replay::sort(&mut alerts);
    engine_replay::write_lines(&alerts, &folder.join("in-process.ndjson")).unwrap()
}

/// Sends the recording into the embedded broker in batches of the given size, runs the live loop
/// over it and gives the SHA-256 of the alerts in the order a replay writes them.
fn through_kafka(folder: &Folder, file: &std::path::Path, batch_messages: &str) -> String {
    let topics = Topics::default();
    // One partition, so that provenance (partition, offset) is that of the file.
    let broker = Broker::start(&topics, 1).unwrap();
    let sent = produce(file, broker.bootstrap(), &topics, 1, batch_messages);
    let mut config = bedwatch::config::Config::default();
    broker.bootstrap().clone_into(&mut config.kafka.bootstrap);
    config.narrator.deadline_millis = 3_600_000;
    config.narrator.queue = 100_000;
    let models = bedwatch::setup::models(&config).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
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
    shared.stop.store(true, Ordering::Relaxed);
    let summary = engine.join().unwrap();
    assert_eq!(summary.gaps, 0, "the embedded broker dropped records");
    assert_eq!(summary.late_to_cell, 0);
    let mut alerts: Vec<Alert> = recorder.finish().unwrap().into_iter().map(|r| r.alert).collect();
    engine_replay::sort(&mut alerts);
    engine_replay::write_lines(&alerts, &folder.join(&format!("kafka-{batch_messages}.ndjson"))).unwrap()
}

/// Sends a whole recording and gives the number of records. It must fit the embedded broker.
pub fn produce(
    file: &std::path::Path,
    bootstrap: &str,
    topics: &Topics,
    partitions: i32,
    batch_messages: &str,
) -> u64 {
    let properties = bedwatch_ingest::kafka::Properties::from([
        ("batch.num.messages".to_owned(), batch_messages.to_owned()),
        ("linger.ms".to_owned(), "20".to_owned()),
    ]);
    let config = sink::Config { bootstrap: bootstrap.to_owned(), topics: topics.clone(), properties };
    let sink = Sink::connect(&config).unwrap();
    let mut sent = 0;
    let mut bytes = BTreeMap::<_, usize>::new();
    for record in recording::read(BufReader::new(std::fs::File::open(file).unwrap())) {
        let record = record.unwrap();
        let topic = topics.input(record.stream);
        let at = Some(record.at.as_millis());
        sink.send(topic, record.key.as_deref(), &record.payload, Headers::new(), at).unwrap();
        sent += 1;
        *bytes.entry(record.stream).or_default() += record.payload.len();
    }
    let partitions = partitions as usize;
    assert!(
        bytes.values().all(|n| n / partitions < embedded::PARTITION_BYTES * 9 / 10),
        "more than the embedded broker keeps: {bytes:?}"
    );
    sink.flush(Duration::from_secs(30)).unwrap();
    sent
}
