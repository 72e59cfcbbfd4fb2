//! Programs of others, started and listened to.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use bedwatch::clock::{Clock, SystemClock};
use bedwatch_schemas::time::ArrivalTime;

use crate::support::ok;

/// The folder of a peer's jars.
pub fn jars(test: &str, name: &str) -> Option<PathBuf> {
    let Ok(xtask) = std::env::var("BEDWATCH_XTASK") else {
        eprintln!("SKIPPED {test}: BEDWATCH_XTASK is not set (cargo xtask test sets it)");
        return None;
    };
    let found = ok(Command::new(xtask).args(["peers", name]).stdin(Stdio::null()));
    Some(PathBuf::from(String::from_utf8(found.stdout).unwrap().trim()))
}

/// A single-file Java program of this folder.
pub fn java(jars: &Path, program: &str, heap: &str) -> Command {
    let mut command = Command::new("java");
    command.args([heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]).arg(jars.join("*"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sinks").join(program));
    // HAPI keeps its count of control ids in a file where it runs.
    command.current_dir(std::env::temp_dir());
    command
}

/// A line and when it came.
type Line = (ArrivalTime, String);

/// A receiver: what it prints is what it has taken.
pub struct Receiver {
    child: Child,
    lines: Arc<Mutex<Vec<Line>>>,
    reader: Option<std::thread::JoinHandle<()>>,
    pub address: SocketAddr,
}

impl Receiver {
    /// Starts a program that takes a port and says "listening".
    pub fn start(jars: &Path, program: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut child = java(jars, program, "-Xmx384m")
            .arg(address.port().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        assert_eq!(first.trim(), "listening");
        let lines: Arc<Mutex<Vec<Line>>> = Arc::default();
        let (into, clock) = (lines.clone(), SystemClock::default());
        let reader = std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                into.lock().unwrap().push((clock.now(), line));
            }
        });
        Self { child, lines, reader: Some(reader), address }
    }

    /// What it has printed so far.
    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }

    /// Ends its input and gives everything it has printed.
    pub fn finish(mut self) -> Vec<String> {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
        self.reader.take().unwrap().join().unwrap();
        self.lines().into_iter().map(|(_, line)| line).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
