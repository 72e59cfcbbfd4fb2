//! The second backend against a real server: llama.cpp's `llama-server` with a model of random
//! weights (`bedwatch_training.gguf_model`). What it says is noise: the checker refuses it and the
//! template speaks, within the deadline; when the server dies the breaker opens, and when it is back
//! the backend is.
//!
//! Run where `BEDWATCH_LLAMA_SERVER` names the server's binary and `BEDWATCH_LLAMA_MODEL` the model.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bedwatch::{
    clock::{Clock, SystemClock},
    config,
};
use bedwatch_inference::{
    check::check,
    writer::{Request, Writer},
};
use bedwatch_schemas::{
    alert::{Alert, Phase},
    rationale::{RationaleSource, TemplateReason},
    time::{ArrivalTime, Span},
};

use crate::support::{Folder, has_onnxruntime, recording, replay};

/// The server, killed when dropped.
struct Server(Child);

impl Server {
    fn start(binary: &PathBuf, model: &PathBuf, port: u16) -> Self {
        let child = Command::new(binary)
            .args([
                "--host",
                "127.0.0.1",
                "--ctx-size",
                "4096",
                "--threads",
                "1",
                "--parallel",
                "1",
                "--port",
            ])
            .arg(port.to_string())
            .arg("--model")
            .arg(model)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self(child);
        for _ in 0..600 {
            if healthy(port) {
                return server;
            }
            std::thread::park_timeout(Duration::from_millis(100));
        }
        panic!("the server did not come up within a minute");
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether it says that the model is loaded.
fn healthy(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut answer = String::new();
    let asked = write!(stream, "GET /health HTTP/1.0\r\n\r\n").is_ok();
    asked && stream.read_to_string(&mut answer).is_ok() && answer.contains("200 OK")
}

/// The machine's clock, moved on by hand.
struct Moved(SystemClock, AtomicI64);

impl Clock for Moved {
    fn now(&self) -> ArrivalTime {
        self.0.now() + Span::millis(self.1.load(Ordering::Relaxed))
    }
}

/// Raised clinical alerts of a simulated ward replayed with the server as narrator.
fn replayed(folder: &Folder, url: &str) -> Vec<Alert> {
    let file = folder.join("bedwatch.toml");
    let toml = format!("[narrator]\nbackend = 'openai'\nurl = '{url}'\nmodel = 'random'\n");
    std::fs::write(&file, toml).unwrap();
    let recording = recording(folder, 16, "12h", "2m");
    let out = folder.join("out");
    replay(&[&recording], &out, &["--config", file.to_str().unwrap()]);
    let text = std::fs::read_to_string(out.join("alerts.ndjson")).unwrap();
    let all = text.lines().map(|line| serde_json::from_str::<Alert>(line).unwrap());
    all.filter(|a| a.phase == Phase::Raised && !a.kind.is_technical() && !a.evidence.facts.is_empty())
        .collect()
}

#[test]
fn a_real_server_that_talks_noise_is_refused_in_time_and_left_alone_when_dead() {
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let (Some(binary), Some(model)) = (path("BEDWATCH_LLAMA_SERVER"), path("BEDWATCH_LLAMA_MODEL")) else {
        eprintln!(
            "SKIPPED a real server: BEDWATCH_LLAMA_SERVER and BEDWATCH_LLAMA_MODEL do not name llama-server and a model"
        );
        return;
    };
    if !has_onnxruntime("a real server") {
        return;
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/v1");
    let server = Server::start(&binary, &model, port);
    let folder = Folder::new("llama");
    let alerts = replayed(&folder, &url);
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for alert in &alerts {
        match &alert.rationale.source {
            RationaleSource::Model(model) => {
                panic!("noise was shown, by {}: {}", model.name, alert.rationale.text)
            }
            RationaleSource::Template(reason) => *reasons.entry(reason.name()).or_default() += 1,
        }
    }
    println!("replay: {} raised alerts, all told by the template: {reasons:?}", alerts.len());
    assert!(alerts.len() > 10 && reasons.get("check_failed").is_some_and(|n| *n > 0), "{reasons:?}");

    let deadline = Span::millis(config::Narrator::default().deadline_millis);
    let narrator = config::Narrator { url, model: "random".to_owned(), ..config::Narrator::default() };
    let clock = Arc::new(Moved(SystemClock::default(), AtomicI64::new(0)));
    let writer = Writer::with(narrator.server(clock.clone()).unwrap());
    // The reason the template spoke for, and after how long.
    let tell = |alert: &Alert| {
        let request = Request {
            kind: alert.kind,
            phase: alert.phase,
            priority: alert.priority,
            evidence: &alert.evidence,
            embedding: &[],
        };
        let begun = clock.now();
        let rationale = writer.write(&request, &|| clock.now() >= begun + deadline);
        let took = clock.now().since(begun);
        assert_eq!(check(&rationale.text, alert.kind, &alert.evidence, writer.lexicon()), Ok(()));
        assert!(took.0 <= deadline.0 + 100_000, "{took:?}");
        match rationale.source {
            RationaleSource::Model(_) => panic!("noise was shown: {}", rationale.text),
            RationaleSource::Template(reason) => (reason, took),
        }
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut times: Vec<i64> = Vec::new();
    for alert in alerts.iter().cycle().take(100) {
        let (reason, took) = tell(alert);
        assert!(
            matches!(
                reason,
                TemplateReason::CheckFailed
                    | TemplateReason::BackendReply
                    | TemplateReason::Deadline
                    | TemplateReason::BackendOpen
                    | TemplateReason::BackendTimeout
            ),
            "{reason:?}"
        );
        *counts.entry(reason.name()).or_default() += 1;
        times.push(took.0 / 1_000);
    }
    times.sort_unstable();
    println!("alive: 100 requests {counts:?}, {} ms in the middle, {} ms at most", times[50], times[99]);

    assert!(counts["check_failed"] > 20, "{counts:?}");

    // On a busy machine the last answers may have been too slow: the breaker gets its rest first.
    clock.1.store(31_000, Ordering::Relaxed);
    server.kill();
    let dead: Vec<(TemplateReason, Span)> = alerts.iter().cycle().take(6).map(&tell).collect();
    println!("killed: {:?}", dead.iter().map(|(r, took)| (r.name(), took.0)).collect::<Vec<_>>());
    let open = dead.iter().filter(|(r, _)| *r == TemplateReason::BackendOpen).count();
    assert!((3..=5).contains(&open) && dead[5].0 == TemplateReason::BackendOpen, "{dead:?}");
    assert!(dead[5].1 < Span::millis(50), "an open breaker makes nobody wait: {dead:?}");

    let again = Server::start(&binary, &model, port);
    assert_eq!(tell(&alerts[0]).0, TemplateReason::BackendOpen, "it rests");
    clock.1.store(62_000, Ordering::Relaxed);
    let (back, _) = tell(&alerts[0]);
    println!("started again, 31 s later: {}", back.name());
    assert!(matches!(back, TemplateReason::CheckFailed | TemplateReason::BackendReply), "{back:?}");
    again.kill();
}
