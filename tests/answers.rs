//! What people say of alerts, from HTTP over the topic to the alert's next message and the export; and
//! the alarm budget over a ward.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{Arc, atomic::Ordering, mpsc},
    time::Duration,
};

use bedwatch::{
    board::Owner,
    clock::{Clock, SystemClock},
    http,
    live::{Health, Live, Shared},
};
use bedwatch_ingest::kafka::{
    Topics,
    embedded::Broker,
    headers::Headers,
    sink::{self, Sink},
};
use bedwatch_schemas::{
    alert::{Alert, AlertKind, Phase},
    feedback::{Action, Role},
    ids::{AlertId, PatientId},
    time::Span,
};
use serde_json::Value;

use crate::support::{Folder, alerts, bedwatch, ok, replay};

const RULES_ONLY: &str = "[models]\nencoder = ''\nfusion = ''\nnarrator = ''\n";

/// Posts a body; the status.
fn post(address: SocketAddr, path: &str, more: &str, body: &str) -> u16 {
    let mut socket = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head = format!(
        "POST /api/v1/alerts/{path} HTTP/1.1\r\n{more}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    socket.write_all((head + body).as_bytes()).unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

const OURS: &str = "Host: localhost\r\nContent-Type: application/json";

#[test]
fn an_answer_over_http_is_a_record_then_the_alerts_next_message_then_a_row() {
    let folder = Folder::new("answers");
    let topics = Topics::default();
    let broker = Broker::start(&topics, 1).unwrap();
    let file = folder.join("config.toml");
    std::fs::write(&file, RULES_ONLY).unwrap();
    let mut config = bedwatch::config::Config::load(Some(&file), &BTreeMap::new()).unwrap();
    broker.bootstrap().clone_into(&mut config.kafka.bootstrap);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let (told, heard) = mpsc::channel::<Alert>();
    let told = std::sync::Mutex::new(told);
    let shared = Shared {
        health: Arc::new(Health::new(clock.clone())),
        clock: clock.clone(),
        metrics: Arc::default(),
        board: Arc::default(),
        folded: Arc::default(),
        stop: Arc::default(),
        on_alert: Arc::new(move |t| told.lock().unwrap().send(t.alert.clone()).unwrap()),
    };
    let live = Live::start(&config, bedwatch::setup::models(&config).unwrap(), shared.clone()).unwrap();
    let engine = std::thread::spawn(move || live.run().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let served = http::Shared {
        board: shared.board.clone(),
        metrics: shared.metrics.clone(),
        health: shared.health.clone(),
        desk: Some(Arc::new(http::Desk::connect(&config.kafka, clock.clone()).unwrap())),
    };
    let address = runtime.block_on(http::serve("127.0.0.1:0", served)).unwrap();

    // One charted saturation of 80 % is taken at its word.
    let now = clock.now();
    let vitals = format!(
        r#"{{"schema":"vitals/1","patient":"p","source":"m","time":"{}","values":[{{"signal":"spo2","value":80,"unit":"%"}}]}}"#,
        now.as_event_time()
    );
    let properties = bedwatch_ingest::kafka::Properties::default();
    let bootstrap = broker.bootstrap().to_owned();
    let to = sink::Config { bootstrap: bootstrap.clone(), topics: topics.clone(), properties };
    let sink = Sink::connect(&to).unwrap();
    sink.send(&topics.vitals, Some("p"), vitals.as_bytes(), Headers::new(), Some(now.as_millis())).unwrap();
    sink.flush(Duration::from_secs(10)).unwrap();
    let next = |phase: Phase| loop {
        let alert = heard.recv_timeout(Duration::from_secs(30)).expect("an alert in time");
        if alert.kind == AlertKind::Respiratory && alert.phase == phase {
            return alert;
        }
    };
    let raised = next(Phase::Raised);

    // What is refused is refused before the topic.
    let technical = AlertId::of(&PatientId::new("p").unwrap(), AlertKind::StaleFeed, "vitals", raised.onset);
    let owner = Owner { patient: PatientId::new("p").unwrap(), kind: AlertKind::StaleFeed, ended: false };
    shared.board.know(technical, owner);
    let id = raised.id;
    let nurse = r#"{"role":"nurse"}"#;
    let why = r#"{"role":"nurse","reason":"artefact"}"#;
    for (path, more, body, status) in [
        (format!("{id}/acknowledge"), "Host: evil.example\r\nContent-Type: application/json", nurse, 403),
        (format!("{id}/acknowledge"), "Host: localhost\r\nContent-Type: text/plain", nurse, 415),
        (format!("{id}/acknowledge"), OURS, r#"{"role":"porter"}"#, 422),
        (format!("{id}/acknowledge"), OURS, r#"{"role":"nurse","note":"free text"}"#, 422),
        (format!("{id}/dismiss"), OURS, nurse, 422),
        (format!("{id}/snooze"), OURS, why, 422),
        (format!("{id}/feedback"), OURS, nurse, 422),
        (format!("{technical}/dismiss"), OURS, why, 409),
        (format!("{technical}/snooze"), OURS, r#"{"role":"nurse","reason":"procedure","minutes":5}"#, 409),
        ("00000000-0000-0000-0000-000000000000/acknowledge".to_owned(), OURS, nurse, 404),
        ("no-id/acknowledge".to_owned(), OURS, nurse, 404),
        (format!("{id}/forget"), OURS, nurse, 404),
    ] {
        assert_eq!(post(address, &path, more, body), status, "{path} {more} {body}");
    }

    assert_eq!(post(address, &format!("{id}/acknowledge"), OURS, nurse), 202);
    let seen = next(Phase::Acknowledged);
    assert_eq!((seen.id, seen.sequence, seen.feedback.len()), (id, 1, 1));
    assert_eq!((seen.feedback[0].action, seen.feedback[0].role), (Action::Acknowledge, Role::Nurse));
    let opinion = r#"{"role":"physician","action":"disagree","reason":"known_condition"}"#;
    assert_eq!(post(address, &format!("{id}/feedback"), OURS, opinion), 202);
    let begun = clock.now();
    while shared.folded.load(Ordering::Relaxed) < 3 {
        assert!(
            !engine.is_finished() && clock.now().since(begun) < Span::secs(30),
            "the opinion is not read"
        );
        std::thread::yield_now();
    }

    // Both are in the topic, beside their alert.
    for name in ["rows.ndjson", "rows.parquet"] {
        let out = folder.join(name);
        ok(bedwatch().args(["feedback", "export", "--kafka", &bootstrap, "--out"]).arg(&out));
        assert!(std::fs::metadata(&out).unwrap().len() > 0, "{name}");
    }
    let text = std::fs::read_to_string(folder.join("rows.ndjson")).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = rows.iter().map(|r| (r["action"].as_str().unwrap(), r["right"].as_bool())).collect();
    assert_eq!(told, [("acknowledge", None), ("disagree", Some(false))]);
    assert!(rows.iter().all(|r| r["kind"] == "respiratory" && r["alert"] == id.to_string().as_str()));
    assert_eq!(parquet_rows(&folder.join("rows.parquet")), 2);

    shared.stop.store(true, Ordering::Relaxed);
    let summary = engine.join().unwrap();
    let counted: u64 = summary.counters.feedback.values().sum();
    assert_eq!((counted, summary.counters.dead_letters), (2, 0));
}

fn parquet_rows(path: &Path) -> i64 {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let file = std::fs::File::open(path).unwrap();
    SerializedFileReader::new(file).unwrap().metadata().file_metadata().num_rows()
}

/// Twelve hours of ten beds of one ward, in one core, with and without the budget.
#[test]
fn a_budget_spares_a_ward_alerts_and_none_that_threatens_life() {
    let folder = Folder::new("budget");
    let ward = "ward:beds=10,together=true,seed=3,history=12h,live=1m,rate=0.2,waveforms=false";
    let run = |name: &str, more: &str| {
        let config = folder.join(&format!("{name}.toml"));
        std::fs::write(&config, format!("{RULES_ONLY}{more}")).unwrap();
        let out = folder.join(name);
        let metrics = replay(&[Path::new(ward)], &out, &["--config", config.to_str().unwrap()]);
        let burden = metrics["burden"].clone();
        assert_eq!(burden["life_threatening_withheld"], 0, "{burden}");
        assert_eq!(burden["unaccounted"], 0, "{burden}");
        (burden, out)
    };
    let (free, free_out) = run("free", "");
    let (held, held_out) = run("held", "[alerts.budget]\nenabled = true\nbed_per_12h = 2\n");
    assert_eq!(free["decided"], held["decided"], "the budget decides what is said, not what is so");
    assert!(free["decided"].as_u64().unwrap() > 20, "{free}");
    let (without, with) = (free["raised"].as_u64().unwrap(), held["raised"].as_u64().unwrap());
    assert!(with < without, "{with} of {without}");
    // What threatens life is said in both, at the same moment.
    assert_eq!(vital(&free_out), vital(&held_out));
    assert!(!vital(&free_out).is_empty());
    // Whatever began is among the alerts or in the ledger, in both.
    assert_eq!(known(&free_out), known(&held_out));
}

/// When each alert was first said to be of high priority, or said, where it is technical.
fn vital(out: &Path) -> BTreeMap<String, String> {
    let mut first = BTreeMap::new();
    for alert in alerts(out) {
        let technical = ["stale_feed", "signal_lost"].contains(&alert["kind"].as_str().unwrap());
        if technical || alert["priority"] == "high" {
            let at = alert["at"].as_str().unwrap().to_owned();
            first.entry(alert["id"].as_str().unwrap().to_owned()).or_insert(at);
        }
    }
    first
}

/// Every alert that was said or is in the ledger.
fn known(out: &Path) -> BTreeSet<String> {
    let ledger = std::fs::read_to_string(out.join("withheld.ndjson")).unwrap();
    let entries = ledger.lines().map(|line| {
        let entry: Value = serde_json::from_str(line).unwrap();
        entry["alert"].as_str().unwrap().to_owned()
    });
    entries.chain(alerts(out).iter().map(|a| a["id"].as_str().unwrap().to_owned())).collect()
}
