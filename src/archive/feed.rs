//! The archive of a live engine: a bounded queue and a thread that writes.
//!
//! An alert waits for no archive. Where the queue is full, rows are left out and counted; only before the
//! engine has caught up with the log for the first time does it wait for the disk, as long as the disk
//! moves. Alerts themselves are never left out of the queue. A checkpoint is written only once the
//! archive's mark has passed it (see [`Feed::settle`]), so what a crash loses comes again from the log;
//! what comes again and is there already is left out by the [`Store`], so each row stands once.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::JoinHandle,
    time::Duration,
};

use bedwatch_schemas::{
    alert::Alert,
    time::{ArrivalTime, EventTime},
};
use prometheus::{IntCounterVec, Opts, Registry};

use super::{
    Config, Error,
    rows::Rows,
    store::{Counts, Limits, Store},
    tables::Table,
};

/// The name of the source of live rows.
pub const LIVE: &str = "live";
/// How long a step waits for a disk that does not move.
const PATIENCE: Duration = Duration::from_secs(1);

enum Message {
    Rows(Rows),
    Settle(EventTime),
    /// The engine has ended in order: parts are made of everything. Without it (an error, a crash) the
    /// spools stay as they are.
    Finish,
}

/// What is to be done with rows that find the queue full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Full {
    Wait,
    LeaveOut,
    TakeThem,
}

/// Why rows are not in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Left {
    /// The queue was full.
    QueueFull,
    /// The disk refused.
    Disk,
    /// They are in it already, from before a restart.
    Again,
    /// Their time is no day.
    Dateless,
    /// Waveform blocks, of which no row is made.
    Waveform,
}

impl Left {
    const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Disk => "disk",
            Self::Again => "again",
            Self::Dateless => "dateless",
            Self::Waveform => "waveform",
        }
    }
}

struct Counters {
    written: IntCounterVec,
    left: IntCounterVec,
}

impl Counters {
    fn new(registry: &Registry) -> Self {
        let make = |name: &str, help: &str, label: &str| {
            let vec = IntCounterVec::new(Opts::new(name, help), &[label]).expect("names are constants");
            registry.register(Box::new(vec.clone())).expect("each name is registered once");
            vec
        };
        Self {
            written: make("bedwatch_archive_rows_total", "Rows written to the archive.", "table"),
            left: make("bedwatch_archive_left_out_total", "Rows not in the archive, by reason.", "reason"),
        }
    }

    fn leave(&self, why: Left, rows: u64) {
        self.left.with_label_values(&[why.name()]).inc_by(rows);
    }
}

struct Shared {
    /// The weight of what waits.
    queued: Mutex<usize>,
    drained: Condvar,
    capacity: usize,
    /// A step has waited for the disk in vain, and it has not moved since.
    stalled: AtomicBool,
    settled_to: AtomicI64,
    /// Settlings asked for and done.
    asked: AtomicU64,
    done: AtomicU64,
    counters: Counters,
}

impl Shared {
    fn queued(&self) -> MutexGuard<'_, usize> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way into a live archive.
pub struct Feed {
    sender: Mutex<Option<Sender<Message>>>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Feed {
    /// Opens the archive and starts its thread; `registry` gets its counters. `restored`: the moment of the
    /// checkpoint that the engine goes on from.
    ///
    /// # Errors
    /// When the folder cannot be used, another process writes it, or no thread can be started.
    pub fn start(config: &Config, registry: &Registry, restored: Option<ArrivalTime>) -> Result<Self, Error> {
        let store = Store::open(&config.folder, Limits::from(config), restored.map(|t| t.as_event_time()))?;
        let marked = store.mark();
        let counters = Counters::new(registry);
        let shared = Arc::new(Shared {
            queued: Mutex::new(0),
            drained: Condvar::new(),
            capacity: config.queue_rows,
            stalled: AtomicBool::new(false),
            settled_to: AtomicI64::new(marked.map_or(i64::MIN, EventTime::as_micros)),
            asked: AtomicU64::new(0),
            done: AtomicU64::new(0),
            counters,
        });
        let (sender, receiver) = mpsc::channel();
        let worker = Worker { shared: shared.clone(), store, last: Counts::default() };
        let spawn = std::thread::Builder::new().name("archive".to_owned());
        let thread = spawn
            .spawn(move || worker.run(&receiver))
            .map_err(|e| Error::Io(Path::new("thread").to_owned(), e))?;
        Ok(Self { sender: Mutex::new(Some(sender)), shared, thread: Mutex::new(Some(thread)) })
    }

    /// Takes the rows of a step. `may_wait`: the engine is catching up with the past for the first time.
    pub fn offer(&self, rows: Rows, may_wait: bool) {
        if !rows.is_empty() || rows.waveforms > 0 {
            self.put(rows, if may_wait { Full::Wait } else { Full::LeaveOut });
        }
    }

    /// Takes an alert that has its words.
    pub fn alert(&self, alert: &Alert) {
        self.put(Rows { alerts: vec![alert.clone()], ..Rows::default() }, Full::TakeThem);
    }

    fn put(&self, rows: Rows, when_full: Full) {
        let weight = rows.weight();
        let mut queued = self.shared.queued();
        let full = |queued: &mut usize| *queued > 0 && *queued + weight > self.shared.capacity;
        if when_full == Full::Wait && full(&mut queued) && !self.shared.stalled.load(Ordering::Relaxed) {
            let waited = self.shared.drained.wait_timeout_while(queued, PATIENCE, |q| full(q));
            let timed_out;
            (queued, timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
            if timed_out.timed_out() {
                self.shared.stalled.store(true, Ordering::Relaxed);
            }
        }
        if when_full != Full::TakeThem && full(&mut queued) {
            drop(queued);
            self.shared.counters.leave(Left::QueueFull, rows.len() as u64);
            return;
        }
        *queued += weight;
        drop(queued);
        let count = rows.len() as u64;
        if !self.send(Message::Rows(rows)) {
            *self.shared.queued() -= weight;
            self.shared.counters.leave(Left::QueueFull, count);
        }
    }

    fn send(&self, message: Message) -> bool {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().is_some_and(|sender| sender.send(message).is_ok())
    }

    /// Asks that everything offered so far be made durable. The caller knows that it is everything the
    /// engine knew and said up to `to`: every alert decided before has been offered with its words.
    pub fn settle(&self, to: ArrivalTime) {
        if self.shared.asked.load(Ordering::Acquire) == self.shared.done.load(Ordering::Acquire)
            && self.settled_to() < to
            && self.send(Message::Settle(to.as_event_time()))
        {
            self.shared.asked.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Up to where the archive is durable; where the disk refuses, up to where it was asked to be, for
    /// the engine's checkpoints must go on.
    #[must_use]
    pub fn settled_to(&self) -> ArrivalTime {
        ArrivalTime::from_micros(self.shared.settled_to.load(Ordering::Acquire))
    }

    /// Writes what waits, settles to `to`, makes parts of everything and ends the thread.
    pub fn finish(&self, to: ArrivalTime) {
        if let Some(sender) = self.sender.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A worker that has ended by a panic takes nothing any more; the hook has told it.
            let _ = sender.send(Message::Settle(to.as_event_time()));
            let _ = sender.send(Message::Finish);
        }
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A panic of the worker has been printed by the hook.
            let _ = thread.join();
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    store: Store,
    /// The counts as told to the metrics.
    last: Counts,
}

impl Worker {
    fn run(mut self, receiver: &Receiver<Message>) {
        let source: Arc<str> = LIVE.into();
        let mut in_order = false;
        while let Ok(message) = receiver.recv() {
            match message {
                Message::Rows(rows) => {
                    let weight = rows.weight();
                    let done = self.store.push(&source, rows);
                    *self.shared.queued() -= weight;
                    self.shared.stalled.store(false, Ordering::Relaxed);
                    self.shared.drained.notify_all();
                    self.tell(done);
                }
                Message::Settle(to) => {
                    let done = self.store.settle(to);
                    self.tell(done);
                    self.shared.settled_to.store(to.as_micros(), Ordering::Release);
                    self.shared.done.fetch_add(1, Ordering::AcqRel);
                }
                Message::Finish => in_order = true,
            }
        }
        if !in_order {
            return;
        }
        if let Err(error) = self.store.finish() {
            tracing::error!(%error, "the archive's last files stay open; the next start ends them");
        }
    }

    fn tell(&mut self, done: Result<(), Error>) {
        if let Err(error) = done {
            tracing::error!(%error, "rows are missing in the archive");
        }
        let (counters, counts) = (&self.shared.counters, self.store.counts());
        counters.leave(Left::Disk, counts.lost - self.last.lost);
        counters.leave(Left::Again, counts.again - self.last.again);
        for (table, n) in grown(&counts.written, &self.last.written) {
            counters.written.with_label_values(&[table.name()]).inc_by(n);
        }
        for (_, n) in grown(&counts.dateless, &self.last.dateless) {
            counters.leave(Left::Dateless, n);
        }
        counters.leave(Left::Waveform, counts.waveforms - self.last.waveforms);
        self.last = counts.clone();
    }
}

/// By how much the counts of each table have grown.
fn grown(now: &BTreeMap<Table, u64>, before: &BTreeMap<Table, u64>) -> Vec<(Table, u64)> {
    now.iter().map(|(table, n)| (*table, n - before.get(table).unwrap_or(&0))).collect()
}
