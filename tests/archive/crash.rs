//! The live archive across `kill -9`: no row is lost and none stands twice. Damaged and foreign files.

use std::{path::Path, process::Stdio, sync::Arc, time::Duration};

use bedwatch::{
    archive::{Config, Error, Feed, Rows, Store, store::Limits},
    recording,
};
use bedwatch_ingest::kafka::{Topics, embedded::Broker};
use bedwatch_schemas::{
    event::{Body, Event, Numeric, Provenance, Stream},
    ids::{PatientId, SourceId},
    signal::Signal,
    time::{EventTime, Span},
};
use prometheus::Registry;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use super::{RULES, ask};
use crate::{
    determinism::produce,
    support::{Folder, bedwatch, ok, recording as record},
};

const KILLS: usize = 12;
/// No spool is due.
const WIDE: Limits = Limits { age: Span::hours(10_000), bytes: 1 << 40 };

#[test]
fn kills_lose_no_row_and_double_none() {
    let folder = Folder::new("archive-kill");
    let log = record(&folder, 4, "6h", "20s").join(recording::FILE);
    let whole = run_through(&folder, &log, 0);
    let killed = run_through(&folder, &log, KILLS);
    for (table, order) in [
        ("events", "stream, log_partition, log_offset, log_part"),
        ("risks", "patient, at"),
        ("alerts", "alert, sequence"),
        ("withheld", "alert, sequence"),
    ] {
        let rows = |archive: &Path| ask(archive, &format!("SELECT * FROM {table} ORDER BY {order}"), &[]);
        let (want, got) = (rows(&whole), rows(&killed));
        assert_eq!(want.len(), got.len(), "{table}");
        assert!(want == got, "{table} differs");
        println!("{table}: {} rows in both", got.len());
    }
    // A frame more where a start forgot which it had kept; none less, none other and none twice.
    let frames = |archive: &Path| -> std::collections::BTreeMap<String, Value> {
        let rows = ask(archive, "SELECT * FROM frames", &[]);
        let key = |r: &Value| format!("{} {}", r["patient"], r["at"]);
        let all: std::collections::BTreeMap<_, _> = rows.iter().map(|r| (key(r), r.clone())).collect();
        assert_eq!(all.len(), rows.len(), "a frame stands twice");
        all
    };
    let (want, got) = (frames(&whole), frames(&killed));
    assert!(!want.is_empty() && got.len() <= want.len() + 4 * KILLS, "{} and {}", want.len(), got.len());
    for (key, frame) in &want {
        assert_eq!(got.get(key), Some(frame), "a frame is missing or another");
    }
}

/// Runs the engine over the log with `kills` kills and gives its archive.
fn run_through(folder: &Folder, log: &Path, kills: usize) -> std::path::PathBuf {
    let topics = Topics::default();
    let broker = Broker::start(&topics, 2).unwrap();
    let sent = produce(log, broker.bootstrap(), &topics, 2, "1000");
    // A slow broker, so that the kills come in the middle of the log.
    broker.set_round_trip(Duration::from_millis(40)).unwrap();
    let (state, archive) = (folder.join(&format!("state-{kills}")), folder.join(&format!("archive-{kills}")));
    let config = folder.join(&format!("config-{kills}.toml"));
    let text = format!(
        "{RULES}[kafka]\nbootstrap = {:?}\n[kafka.properties]\n\"max.partition.fetch.bytes\" = \"30000\"\n[narrator]\ndeadline_millis = 3600000\nqueue = 100000\n[state]\nfolder = {state:?}\nevery_millis = 100\n[archive]\nfolder = {archive:?}\nrotate_minutes = 20\n",
        broker.bootstrap(),
    );
    std::fs::write(&config, text).unwrap();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(21);
    let mut midway = 0;
    for _ in 0..kills {
        let mut command = bedwatch();
        command.args(["run", "--listen", "off", "--config"]).arg(&config);
        let mut engine = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // A point in time, not a wait for something: the kill is meant to come at any moment.
        std::thread::sleep(Duration::from_millis(random.random_range(200..800)));
        engine.kill().unwrap();
        engine.wait().unwrap();
        midway += usize::from(crate::kill::read_so_far(&state) < sent);
    }
    if kills > 0 {
        println!("{midway} of {kills} kills came before the log was read to its end");
        assert!(midway >= kills / 3, "the log was read too fast for the kills to mean anything");
    }
    let output = ok(bedwatch().args(["run", "--until-idle", "--listen", "off", "--config"]).arg(&config));
    assert_eq!(crate::kill::read_so_far(&state), sent, "the last run did not read the log to its end");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("missing in the archive"), "{said}");
    archive
}

fn rows(from: i64, to: i64) -> Rows {
    let event = |minute: i64| Event {
        patient: PatientId::new("p").unwrap(),
        encounter: None,
        location: None,
        source: SourceId::new("monitor").unwrap(),
        event_time: at(minute),
        arrival: at(minute).as_arrival_time(),
        provenance: Provenance { stream: Stream::Vitals, partition: 0, offset: minute, part: 0 },
        body: Body::Numeric(Numeric::new(Signal::HeartRate, 60.0 + minute as f64)),
    };
    Rows { events: (from..to).map(event).collect(), ..Rows::default() }
}

fn at(minute: i64) -> EventTime {
    EventTime::from_micros(1_767_225_600_000_000) + Span::minutes(minute)
}

/// What a crash left, wherever it cut the file, and what comes again from a checkpoint or from the
/// beginning, make each row once; rows of the mark's own moment too.
#[test]
fn what_is_left_and_what_comes_again_make_each_row_once() {
    let folder = Folder::new("archive-recover");
    let archive = folder.join("archive");
    let source: Arc<str> = "live".into();
    let mut store = Store::open(&archive, WIDE, None).unwrap();
    store.push(&source, rows(0, 100)).unwrap();
    store.settle(at(99)).unwrap();
    // As late as the mark and behind it: of its moment, and not yet on the disk.
    let mut late = rows(20_000, 20_003);
    late.events.iter_mut().for_each(|e| e.arrival = at(99).as_arrival_time());
    store.push(&source, late.clone()).unwrap();
    store.push(&source, rows(100, 9_000)).unwrap();
    assert!(matches!(Store::open(&archive, WIDE, None), Err(Error::Locked(_))), "two writers");
    drop(store); // as a crash leaves it: nothing is ended
    // A spool for each day; the first is the one that a crash cuts.
    let spools: Vec<_> = spools_in(&archive);
    let bytes = std::fs::read(&spools[0]).unwrap();
    for cut in [bytes.len(), bytes.len() - 1, bytes.len() - 5_000, bytes.len() / 2] {
        for restored in [None, Some(0), Some(50), Some(98), Some(99)] {
            let copy = folder.join(&format!("copy-{cut}-{restored:?}"));
            std::fs::create_dir_all(copy.join(".open")).unwrap();
            std::fs::copy(archive.join(".open/archived_to"), copy.join(".open/archived_to")).unwrap();
            let there = |spool: &Path| copy.join(".open").join(spool.file_name().unwrap());
            for spool in &spools {
                std::fs::copy(spool, there(spool)).unwrap();
            }
            std::fs::write(there(&spools[0]), &bytes[..cut]).unwrap();
            let mut store = Store::open(&copy, WIDE, restored.map(at)).unwrap();
            assert_eq!(store.mark(), Some(at(99)));
            let found = store.counts().recovered;
            assert!(found.rows >= 100 && found.damaged == 0, "cut at {cut}: {found:?}");
            // A checkpoint of minute m has what came before it.
            store.push(&source, rows(restored.unwrap_or(0), 100)).unwrap();
            store.push(&source, late.clone()).unwrap();
            store.push(&source, rows(100, 9_500)).unwrap();
            let counts = store.finish().unwrap();
            assert!(counts.again >= u64::try_from(100 - restored.unwrap_or(0)).unwrap());
            let sql = "SELECT count(*) AS n, count(DISTINCT log_offset) AS different FROM events";
            let n = &ask(&copy, sql, &[])[0];
            assert_eq!((&n["n"], &n["different"]), (&9_503.into(), &9_503.into()), "{cut} {restored:?}");
            // A second start finds nothing to do.
            assert_eq!(Store::open(&copy, WIDE, None).unwrap().counts().recovered, Default::default());
        }
    }
}

/// A file that is no spool is kept aside and keeps nobody from starting.
#[test]
fn a_damaged_spool_is_kept_aside() {
    let folder = Folder::new("archive-damaged");
    let archive = folder.join("archive");
    std::fs::create_dir_all(archive.join(".open")).unwrap();
    let spool = archive.join(".open/events@2026-01-01.0.arrows");
    std::fs::write(&spool, "no Arrow stream, whatever its name says").unwrap();
    let store = Store::open(&archive, WIDE, None).unwrap();
    assert_eq!((store.counts().recovered.rows, store.counts().recovered.damaged), (0, 1));
    assert!(!spool.exists() && spool.with_extension("damaged").exists());
}

/// An engine that ends by an error makes no parts: its rows come again, each once.
#[test]
fn an_end_by_an_error_doubles_nothing() {
    let folder = Folder::new("archive-error");
    let config = Config { folder: folder.join("archive"), ..Config::default() };
    let feed = Feed::start(&config, &Registry::new(), None).unwrap();
    feed.offer(rows(0, 50), false);
    feed.settle(at(49).as_arrival_time());
    feed.offer(rows(50, 80), false);
    drop(feed);
    let again = loop {
        match Feed::start(&config, &Registry::new(), Some(at(40).as_arrival_time())) {
            Ok(feed) => break feed,
            // The thread of the one before is still at it.
            Err(Error::Locked(_)) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    again.offer(rows(40, 120), false);
    again.finish(at(119).as_arrival_time());
    let sql = "SELECT count(*) AS n, count(DISTINCT log_offset) AS different FROM events";
    let n = &ask(&config.folder, sql, &[])[0];
    assert_eq!((&n["n"], &n["different"]), (&120.into(), &120.into()));
}

fn spools_in(archive: &Path) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(archive.join(".open")).unwrap().map(|e| e.unwrap().path());
    let mut spools: Vec<_> = files.filter(|p| p.extension().is_some_and(|e| e == "arrows")).collect();
    spools.sort();
    spools
}

/// Parts come when they are due, by age and by size, and rows of no day are counted.
#[test]
fn parts_come_when_they_are_due() {
    let folder = Folder::new("archive-due");
    let archive = folder.join("archive");
    let source: Arc<str> = "live".into();
    let parts = || {
        let days = std::fs::read_dir(archive.join("events")).into_iter().flatten().map(|e| e.unwrap().path());
        days.flat_map(|d| std::fs::read_dir(d).unwrap()).count()
    };
    let mut store = Store::open(&archive, Limits { age: Span::minutes(60), bytes: 1 << 30 }, None).unwrap();
    for (from, to, settled, made) in
        [(0, 30, 59, 0), (30, 60, 60, 1), (60, 61, 61, 1), (61, 62, 119, 1), (62, 63, 120, 2)]
    {
        store.push(&source, rows(from, to)).unwrap();
        store.settle(at(settled)).unwrap();
        assert_eq!(parts(), made, "settled to {settled}");
    }
    let mut odd = rows(200, 202);
    odd.events[0].arrival = bedwatch_schemas::time::ArrivalTime::from_micros(i64::MAX);
    store.push(&source, odd).unwrap();
    let counts = store.finish().unwrap();
    assert_eq!(counts.dateless.values().sum::<u64>(), 1);
    assert_eq!(counts.written.values().sum::<u64>(), 64);
    let mut small =
        Store::open(&folder.join("small"), Limits { age: Span::hours(9), bytes: 1 }, None).unwrap();
    small.push(&source, rows(0, 10)).unwrap();
    small.settle(at(10)).unwrap();
    assert_eq!(small.counts().parts, 1, "by size");
    let n = ask(&archive, "SELECT count(*) AS n FROM events", &[]);
    assert_eq!(n[0]["n"], 64);
}
