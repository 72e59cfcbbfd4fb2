//! A candidate beside the models in force: it sees the same cells, says nothing, and is compared.
//!
//! A second core with the candidate's models folds every cell after the one in force has decided on it,
//! on a thread of its own, so its decisions are those a replay of the log with the candidate would make.
//! It has no way out: no topic, no page of alerts, no narrator. Nothing waits for it: where it falls
//! behind by more than `models.shadow.queue` steps, steps are skipped and counted, and what it says from
//! then on rests on less than what is in force knows.
//!
//! Two alerts are the same when they are of one patient and kind and stood at the same moment.

mod tally;

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    thread::JoinHandle,
    time::Duration,
};

use bedwatch_schemas::{
    alert::{AlertKind, Phase},
    ids::PatientId,
    risk::Head,
    time::{ArrivalTime, EventTime},
};
use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

pub use tally::{Counts, HeadView, Tally, View};

use crate::{
    board::Board,
    engine::{Cell, Core, core::Step},
};

/// What a step is.
#[derive(Debug, Clone)]
pub enum Turn {
    /// A cell.
    Cell(Arc<Cell>),
    /// Time that passes.
    Silence(ArrivalTime),
}

/// What was decided in a step, as far as it is compared.
#[derive(Debug, Clone, Default)]
pub struct Decided {
    /// Clinical alerts that were raised or ended.
    pub alerts: Vec<(PatientId, AlertKind, Phase)>,
    /// Risks by head, with whether each is at or above its operating point.
    pub risks: Vec<Assessed>,
}

/// The risks of one patient at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessed {
    /// The patient.
    pub patient: PatientId,
    /// The moment.
    pub at: EventTime,
    /// By head: the risk, and whether it is at or above the operating point.
    pub risks: [Option<(f32, bool)>; Head::COUNT],
}

impl Decided {
    /// Of a step.
    #[must_use]
    pub fn of(step: &Step) -> Self {
        let clinical = step.outputs.iter().map(|o| &o.draft).filter(|d| !d.kind().is_technical());
        let assessed = step.frames.iter().filter_map(|(frame, assessment)| {
            let assessment = assessment.as_ref()?;
            let risk =
                |head| assessment.risk(head).map(|r| (r.probability, r.probability >= r.operating_point));
            Some(Assessed { patient: frame.patient.clone(), at: frame.at, risks: Head::ALL.map(risk) })
        });
        Self {
            alerts: clinical.map(|d| (d.patient().clone(), d.kind(), d.phase())).collect(),
            risks: assessed.collect(),
        }
    }

    fn append(&mut self, mut other: Self) {
        self.alerts.append(&mut other.alerts);
        self.risks.append(&mut other.risks);
    }
}

struct Counters {
    alerts: IntCounterVec,
    steps: IntCounterVec,
    waiting: IntGauge,
}

impl Counters {
    fn new(registry: &Registry) -> Self {
        let make = |name: &str, help: &str, labels: &[&str]| {
            let vec = IntCounterVec::new(Opts::new(name, help), labels).expect("names are constants");
            registry.register(Box::new(vec.clone())).expect("each name is registered once");
            vec
        };
        let waiting = IntGauge::new("bedwatch_shadow_waiting_steps", "Steps that wait for the candidate.")
            .expect("the name is a constant");
        registry.register(Box::new(waiting.clone())).expect("each name is registered once");
        Self {
            waiting,
            alerts: make(
                "bedwatch_shadow_alerts_total",
                "Clinical alerts by who would have told them.",
                &["kind", "told_by"],
            ),
            steps: make("bedwatch_shadow_steps_total", "Steps of the candidate.", &["result"]),
        }
    }
}

/// The way to the candidate.
pub struct Shadow {
    sender: Option<SyncSender<(Turn, Decided)>>,
    /// What was decided in steps that were skipped: told with the next.
    missed: Mutex<(Decided, u64)>,
    board: Arc<Board>,
    skipped: prometheus::IntCounter,
    waiting: Arc<Waiting>,
    thread: Option<JoinHandle<()>>,
}

/// The steps on their way to the candidate.
struct Waiting {
    steps: Mutex<usize>,
    done: Condvar,
    gauge: IntGauge,
    /// Nobody waits for the rest.
    ended: AtomicBool,
}

impl Waiting {
    fn change(&self, by: isize) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        *steps = steps.saturating_add_signed(by);
        self.gauge.set(i64::try_from(*steps).unwrap_or(i64::MAX));
        self.done.notify_all();
    }
}

impl Shadow {
    /// Starts a candidate's core, for which `queue` steps may wait.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        core: Core,
        models: Vec<String>,
        queue: usize,
        registry: &Registry,
        board: Arc<Board>,
    ) -> std::io::Result<Self> {
        let counters = Counters::new(registry);
        let skipped = counters.steps.with_label_values(&["skipped"]);
        let (sender, receiver) = mpsc::sync_channel(queue);
        let waiting = Arc::new(Waiting {
            steps: Mutex::default(),
            done: Condvar::new(),
            gauge: counters.waiting.clone(),
            ended: AtomicBool::new(false),
        });
        let tally = Tally::new(models);
        let worker = Worker { core, counters, tally, board: board.clone(), waiting: waiting.clone() };
        let thread =
            std::thread::Builder::new().name("shadow".to_owned()).spawn(move || worker.run(&receiver))?;
        let thread = Some(thread);
        Ok(Self { sender: Some(sender), missed: Mutex::default(), board, skipped, waiting, thread })
    }

    /// Hands a step over with what was decided in it. Never waits.
    pub fn offer(&self, turn: Turn, decided: Decided) {
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = std::mem::take(&mut missed.0);
        all.append(decided);
        let Some(sender) = &self.sender else { return };
        self.waiting.change(1);
        let kept = match sender.try_send((turn, all)) {
            Ok(()) => return,
            // Risks of a step that is not evaluated have no counterpart.
            Err(TrySendError::Full((_, kept))) => Decided { risks: Vec::new(), ..kept },
            // The candidate has ended by a panic, which the hook has told: its figures stand still, and
            // the steps skipped since say so.
            Err(TrySendError::Disconnected(_)) => Decided::default(),
        };
        self.waiting.change(-1);
        missed.0 = kept;
        missed.1 += 1;
        self.skipped.inc();
        self.board.shadow_skipped(missed.1);
    }

    /// Waits for the candidate to come to the end of what it was handed, for so long at most.
    pub fn drain(&self, most: Duration) {
        let steps = self.waiting.steps.lock().unwrap_or_else(PoisonError::into_inner);
        // How it ended, the count of steps says.
        drop(self.waiting.done.wait_timeout_while(steps, most, |steps| *steps > 0));
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        self.waiting.ended.store(true, Ordering::Relaxed);
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the worker has been printed by the hook.
            let _ = thread.join();
        }
    }
}

struct Worker {
    core: Core,
    counters: Counters,
    tally: Tally,
    board: Arc<Board>,
    waiting: Arc<Waiting>,
}

impl Worker {
    fn run(mut self, receiver: &Receiver<(Turn, Decided)>) {
        while let Ok((turn, active)) = receiver.recv() {
            if self.waiting.ended.load(Ordering::Relaxed) {
                return;
            }
            let step = match turn {
                Turn::Cell(cell) => self.core.cell(&cell),
                Turn::Silence(to) => self.core.advance(to),
            };
            self.counters.steps.with_label_values(&["evaluated"]).inc();
            let grown = self.tally.step(&active, &Decided::of(&step));
            for (kind, told_by) in grown {
                self.counters.alerts.with_label_values(&[kind.name(), told_by]).inc();
            }
            self.board.shadow(self.tally.view());
            self.waiting.change(-1);
        }
    }
}
