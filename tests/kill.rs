//! `kill -9` of the engine at random points: nothing is lost and a repeat is the same bytes.

use std::{
    path::Path,
    process::{Child, Stdio},
    sync::Arc,
    time::Duration,
};

use bedwatch::{
    clock::{Clock, SystemClock},
    engine::checkpoint::Store,
    recorder::Recorder,
    recording,
};
use bedwatch_ingest::kafka::{Topics, embedded::Broker};
use rand::{Rng, SeedableRng};

use crate::{
    determinism::produce,
    support::{Folder, bedwatch, by_id, has_onnxruntime, ok, recording as record},
};

const KILLS: usize = 20;

#[test]
fn twenty_kills_give_the_alerts_of_an_uninterrupted_run() {
    if !has_onnxruntime("kill") {
        return;
    }
    let folder = Folder::new("kill");
    let log = record(&folder, 6, "12h", "30s").join(recording::FILE);
    let whole = run_through(&folder, &log, 0);
    let killed = run_through(&folder, &log, KILLS);
    assert!(!whole.is_empty());
    println!("{} alert messages in both runs", whole.len());
    assert_eq!(whole.keys().collect::<Vec<_>>(), killed.keys().collect::<Vec<_>>());
    assert_eq!(whole, killed, "the same alerts with other bytes");
}

/// Runs the engine over the log with `kills` kills and gives the union of its alerts.
fn run_through(
    folder: &Folder,
    log: &Path,
    kills: usize,
) -> std::collections::BTreeMap<(String, u64), Vec<u8>> {
    let topics = Topics::default();
    let broker = Broker::start(&topics, 4).unwrap();
    let sent = produce(log, broker.bootstrap(), &topics, 4, "1000");
    // A slow broker, so that the log takes seconds to read and the kills come in the middle of it.
    broker.set_round_trip(Duration::from_millis(40)).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let recorder = Recorder::start(broker.bootstrap(), &topics.alerts, clock.clone()).unwrap();
    let state = folder.join(&format!("state-{kills}"));
    let config = folder.join(&format!("config-{kills}.toml"));
    let text = format!(
        "[kafka]\nbootstrap = {:?}\n[kafka.properties]\n\"max.partition.fetch.bytes\" = \"30000\"\n[narrator]\ndeadline_millis = 3600000\nqueue = 100000\n[state]\nfolder = {:?}\nevery_millis = 100\n",
        broker.bootstrap(),
        state.to_str().unwrap()
    );
    std::fs::write(&config, text).unwrap();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(20);
    let mut midway = 0;
    for _ in 0..kills {
        let mut engine = start(&config);
        // A point in time, not a wait for something: the kill is meant to come at any moment.
        std::thread::sleep(Duration::from_millis(random.random_range(150..900)));
        engine.kill().unwrap();
        engine.wait().unwrap();
        midway += usize::from(read_so_far(&state) < sent);
    }
    if kills > 0 {
        println!("{midway} of {kills} kills came before the log was read to its end");
        assert!(midway >= kills / 2, "the log was read too fast for the kills to mean anything");
    }
    ok(bedwatch().args(["run", "--until-idle", "--listen", "off", "--config"]).arg(&config));
    assert_eq!(read_so_far(&state), sent, "the last run did not read the log to its end");
    by_id(recorder.finish().unwrap().into_iter().map(|r| r.payload))
}

fn start(config: &Path) -> Child {
    bedwatch()
        .args(["run", "--listen", "off", "--config"])
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Records read according to the newest whole checkpoint.
pub fn read_so_far(state: &Path) -> u64 {
    let (found, faults) = Store::open(state).unwrap().read();
    assert!(faults.is_empty(), "a kill left a damaged checkpoint: {faults:?}");
    found.map_or(0, |c| c.offsets.values().sum::<i64>().unsigned_abs())
}
