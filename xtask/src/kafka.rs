//! `cargo xtask kafka up|down`: one real Apache Kafka node in KRaft mode on this machine's Java, for
//! tests and trials. Not for a hospital: no TLS, no replication, data gone at `down`.

mod protocol;
mod release;

use crate::progress::{say, step};
use crate::{command, native, places};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Not Kafka's 9092, which a developer's own broker may hold.
pub(crate) const DEFAULT_PORT: u16 = 19092;

/// A cold start on a busy 2-core machine takes some ten seconds; this is many times that.
const START_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(100);

/// `../shared/design.md`, section 3. Two partitions, so that tests see patients spread.
const TOPICS: &[protocol::Topic] = &[
    topic("bedwatch.hl7v2", false),
    topic("bedwatch.fhir", false),
    topic("bedwatch.vitals", false),
    topic("bedwatch.waveforms", false),
    topic("bedwatch.cgm", false),
    topic("bedwatch.alerts", false),
    topic("bedwatch.features", false),
    topic("bedwatch.risks", false),
    topic("bedwatch.feedback", false),
    topic("bedwatch.withheld", false),
    topic("bedwatch.dead-letter", false),
    topic("bedwatch.state", true),
];

const fn topic(name: &'static str, compacted: bool) -> protocol::Topic {
    protocol::Topic { name, partitions: 2, compacted }
}

/// A broker that was started: what `down` must stop and remove.
#[derive(Debug, PartialEq, Eq)]
struct Running {
    pid: u32,
    bootstrap: SocketAddr,
    folder: PathBuf,
}

/// Starts the broker, or finds the one already running, and returns its bootstrap address.
pub(crate) fn up(port: u16) -> Result<SocketAddr> {
    let home = home()?;
    let _lock = lock(&home)?;
    if let Some(running) = load(&home) {
        if running.alive() && protocol::create_topics(running.bootstrap, TOPICS).is_ok() {
            say(&format!("Kafka is already up at {} (pid {})", running.bootstrap, running.pid));
            return Ok(running.bootstrap);
        }
        remove(&home, &running)?;
    }
    sweep(&home);
    native::ensure(&[native::KAFKA])?;
    let libraries = release::libraries(&home)?;
    step(&format!("Kafka {} start", release::VERSION), || start(&home, &libraries, port))
}

/// Fetches the release, so that a test run learns of a missing network before it has built anything.
pub(crate) fn prepare() -> Result<()> {
    let home = home()?;
    let _lock = lock(&home)?;
    release::libraries(&home).map(drop)
}

/// Stops the broker and removes its data; without one, says so and succeeds.
pub(crate) fn down() -> Result<()> {
    let home = home()?;
    let _lock = lock(&home)?;
    match load(&home) {
        None => say("Kafka is not up"),
        Some(running) => {
            remove(&home, &running)?;
            say(&format!("Kafka at {} is down, its data removed", running.bootstrap));
        }
    }
    Ok(())
}

fn home() -> Result<PathBuf> {
    let home = places::cache()?.join("kafka");
    std::fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    Ok(home)
}

/// Two tests that call `up` at once get one broker. Released when the file is closed.
fn lock(home: &Path) -> Result<File> {
    let path = home.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

fn start(home: &Path, libraries: &Path, port: u16) -> Result<SocketAddr> {
    let folder = home.join(format!("run-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let (port, controller) = free_ports(port)?;
    let bootstrap = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    let properties = folder.join("server.properties");
    std::fs::write(&properties, server_properties(port, controller, &folder.join("data")))
        .with_context(|| format!("cannot write {}", properties.display()))?;

    let mut format = java(libraries, "kafka.tools.StorageTool");
    format.args(["format", "--cluster-id", release::CLUSTER_ID, "--config"]).arg(&properties);
    if command::output(&mut format).is_none() {
        bail!("Kafka's storage tool could not format {}; is the disk full?", folder.display());
    }
    let log_path = folder.join("broker.log");
    let log = File::create(&log_path).with_context(|| format!("cannot create {}", log_path.display()))?;
    let mut broker = java(libraries, "kafka.Kafka")
        .arg(&properties)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("cannot share the broker's log")?)
        .stderr(log)
        // Its own process group: an interrupt at the terminal is for the program under test.
        .process_group(0)
        .spawn()
        .context("cannot start java")?;
    let running = Running { pid: broker.id(), bootstrap, folder };
    std::fs::write(state_file(home), running.to_text()).context("cannot write Kafka's state file")?;
    if let Err(error) = wait_until_ready(&mut broker, bootstrap) {
        let tail = command::last_lines(&std::fs::read_to_string(&log_path).unwrap_or_default(), 5);
        remove(home, &running)?;
        return Err(error.context(format!("Kafka did not come up; the end of its log:\n{tail}\n")));
    }
    Ok(bootstrap)
}

/// Ready means: it has created the topics, which needs listener, controller and storage.
fn wait_until_ready(broker: &mut Child, bootstrap: SocketAddr) -> Result<()> {
    let start = Instant::now();
    loop {
        let error = match protocol::create_topics(bootstrap, TOPICS) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if let Some(status) = broker.try_wait().context("cannot watch the broker")? {
            bail!("the broker ended ({status})");
        }
        if start.elapsed() > START_LIMIT {
            return Err(error.context(format!("no answer within {} s", START_LIMIT.as_secs())));
        }
        std::thread::sleep(POLL);
    }
}

/// A small heap and quick compilation: this broker serves one test, not a hospital.
fn java(libraries: &Path, main_class: &str) -> Command {
    let mut command = Command::new("java");
    command.args([
        "-Xmx512m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Dorg.apache.logging.log4j.level=WARN",
    ]);
    command.arg("-cp").arg(libraries.join("*")).arg(main_class);
    command
}

fn server_properties(port: u16, controller: u16, data: &Path) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         log.dirs={}\n\
         # A mistyped topic name must be an error, not a new topic.\n\
         auto.create.topics.enable=false\n\
         num.partitions=2\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=4\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         transaction.state.log.num.partitions=4\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n",
        data.display()
    )
}

/// The wanted port, or any free one if it is taken, and a second one for the controller.
fn free_ports(wanted: u16) -> Result<(u16, u16)> {
    let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let first = bind(wanted).or_else(|_| {
        say(&format!("port {wanted} is taken; using another"));
        bind(0)
    });
    let first = first.context("no free port on 127.0.0.1")?;
    let second = bind(0).context("no free port on 127.0.0.1")?;
    let port = |listener: &TcpListener| {
        listener.local_addr().map(|address| address.port()).context("a socket without an address")
    };
    Ok((port(&first)?, port(&second)?))
}

fn remove(home: &Path, running: &Running) -> Result<()> {
    if running.alive() {
        running.signal("TERM");
        let start = Instant::now();
        while running.alive() && start.elapsed() < STOP_LIMIT {
            std::thread::sleep(POLL);
        }
        if running.alive() {
            running.signal("KILL");
        }
    }
    if running.folder.starts_with(home) && running.folder != home {
        std::fs::remove_dir_all(&running.folder).ok();
    }
    std::fs::remove_file(state_file(home)).context("cannot remove Kafka's state file")
}

/// Removes what an `up` that was interrupted before its state file left behind; called without a
/// running broker, under the lock.
fn sweep(home: &Path) {
    for entry in std::fs::read_dir(home).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("run-") {
            std::fs::remove_dir_all(entry.path()).ok();
        }
    }
}

impl Running {
    /// A process of that id that names our folder: an id used again by another program is not ours.
    /// A zombie has an empty command line.
    fn alive(&self) -> bool {
        let line = std::fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&*self.folder.to_string_lossy())
    }

    fn signal(&self, name: &str) {
        command::works(Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.pid)));
    }

    fn to_text(&self) -> String {
        format!("pid={}\nbootstrap={}\nfolder={}\n", self.pid, self.bootstrap, self.folder.display())
    }

    fn from_text(text: &str) -> Option<Self> {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        Some(Self {
            pid: value("pid")?.parse().ok()?,
            bootstrap: value("bootstrap")?.parse().ok()?,
            folder: value("folder")?.into(),
        })
    }
}

fn state_file(home: &Path) -> PathBuf {
    home.join("running")
}

fn load(home: &Path) -> Option<Running> {
    Running::from_text(&std::fs::read_to_string(state_file(home)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_file_reads_back_and_damage_reads_as_none() {
        let running = Running {
            pid: 42,
            bootstrap: "127.0.0.1:19092".parse().unwrap(),
            folder: "/c/kafka/run-1".into(),
        };
        assert_eq!(Running::from_text(&running.to_text()).as_ref(), Some(&running));
        for damaged in [
            "",
            "pid=42\n",
            "pid=x\nbootstrap=127.0.0.1:1\nfolder=/a\n",
            "pid=1\nbootstrap=host\nfolder=/a\n",
        ] {
            assert_eq!(Running::from_text(damaged), None, "{damaged}");
        }
    }

    #[test]
    fn a_process_that_is_not_the_broker_is_not_taken_for_it() {
        let stranger = Running {
            pid: std::process::id(),
            bootstrap: "127.0.0.1:1".parse().unwrap(),
            folder: "/no/such/run".into(),
        };
        assert!(!stranger.alive());
    }

    #[test]
    fn a_taken_port_gives_way() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let wanted = taken.local_addr().unwrap().port();
        let (port, controller) = free_ports(wanted).unwrap();
        assert!(port != wanted && controller != port && port != 0);
    }

    #[test]
    fn only_the_snapshots_are_compacted() {
        let compacted: Vec<&str> =
            TOPICS.iter().filter(|topic| topic.compacted).map(|topic| topic.name).collect();
        assert_eq!(compacted, ["bedwatch.state"]);
        assert_eq!(TOPICS.len(), 12);
    }
}
