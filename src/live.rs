//! The live loop: Kafka in, the core, narration, Kafka out. `run`, `demo` and the tests use this one.

mod checkpoints;
mod health;
mod outlet;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use bedwatch_ingest::kafka::{
    sink::{self, Sink},
    source::{self, Item, Mode, OwnedRecord, Source, Start},
};
use bedwatch_schemas::{
    event::{Modality, Stream},
    ids::AlertId,
    time::{ArrivalTime, Span},
};

pub use health::Health;
pub use outlet::{LATENCY_HEADER, TRIGGERED_HEADER};

use crate::{
    archive::{self, Feed},
    board::{Board, Owner},
    clock::Clock,
    config::Config,
    engine::{Core, Merger, Models, checkpoint::Store, core::Counters, core::Step},
    metrics::Metrics,
    narration::{Narration, Told},
    setup,
    shadow::{self, Shadow},
};
use checkpoints::Checkpoints;
use outlet::Outlet;

/// How long the loop waits for a record before it looks at the clock again.
const TICK: Duration = Duration::from_millis(5);
/// How often the archive is made durable, where no checkpoint waits for it.
const SETTLE_EVERY: Span = Span::secs(5);
/// A loop that is nearer to the clock has caught up.
const BEHIND: Span = Span::secs(5);
/// How long an engine that ends in order waits for its candidate, when all is told and written.
const SHADOW_PATIENCE: Duration = Duration::from_secs(5);
/// Records taken from the source before cells are closed.
const BURST: usize = 2_048;

/// What the loop shares with the rest of the process.
#[derive(Clone)]
pub struct Shared {
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// The beds.
    pub board: Arc<Board>,
    /// The loop's health.
    pub health: Arc<Health>,
    /// Records folded so far: whoever feeds the embedded broker paces itself by it.
    pub folded: Arc<AtomicU64>,
    /// Set to end the loop.
    pub stop: Arc<AtomicBool>,
    /// Called for every alert handed to Kafka.
    pub on_alert: Arc<dyn Fn(&Told) + Send + Sync>,
}

/// What the loop did, when it has ended.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The core's counts.
    pub counters: Counters,
    /// Records that vanished from partitions.
    pub gaps: u64,
    /// Records that came after their cell was closed.
    pub late_to_cell: u64,
}

/// The loop's parts.
pub struct Live {
    source: Source,
    merger: Merger,
    core: Core,
    narration: Narration,
    outlet: Arc<Outlet>,
    checkpoints: Option<Checkpoints>,
    archive: Option<Archive>,
    shadow: Option<Shadow>,
    offsets: BTreeMap<(Stream, i32), i64>,
    gaps: u64,
    shared: Shared,
}

/// The archive as the loop sees it.
struct Archive {
    feed: Arc<Feed>,
    settled: Option<ArrivalTime>,
    /// The loop has not yet reached the present since it began: it may wait for the disk.
    catching_up: bool,
}

impl Live {
    /// Connects, restores the newest checkpoint and starts narration.
    ///
    /// # Errors
    /// When the broker does not answer, a topic is missing or the state folder cannot be used.
    pub fn start(config: &Config, models: Models, shared: Shared) -> anyhow::Result<Self> {
        let core_config = Arc::new(config.core()?);
        let mut resume = None;
        let mut checkpoints = None;
        if !config.state.folder.as_os_str().is_empty() {
            let store = Store::open(&config.state.folder)?;
            resume = checkpoints::restore(&store, &core_config.hash);
            checkpoints = Some(Checkpoints::new(store, Span::millis(config.state.every_millis)));
        }
        let sink = Sink::connect(&sink::Config {
            bootstrap: config.kafka.bootstrap.clone(),
            topics: config.kafka.topics.clone(),
            properties: config.kafka.properties.clone(),
        })?;
        let restored = resume.as_ref().map(|c| c.closed_to);
        let archive = match config.archive.is_on() {
            true => Some(Arc::new(Feed::start(&config.archive, shared.metrics.registry(), restored)?)),
            false => None,
        };
        let outlet = Arc::new(Outlet::new(sink, shared.clone(), archive.clone()));
        let told = outlet.clone();
        let narration = Narration::start(
            models.writer.clone(),
            shared.clock.clone(),
            config.narration(),
            Arc::new(move |t| told.alert(&t)),
        )
        .context("the narrator's thread could not be started")?;
        let (core, closed_to, offsets) = match resume {
            Some(c) => {
                let core = Core::restore(core_config, models, c.patients, c.units, c.closed_to, c.counters);
                (core, c.closed_to, c.offsets)
            }
            None => (Core::new(core_config, models), ArrivalTime::from_micros(0), BTreeMap::new()),
        };
        let core = match &archive {
            Some(_) => core.archiving(config.archive.frames_every()),
            None => core,
        };
        for (id, patient) in core.patients() {
            for (kind, modality, _, onset) in patient.policy.active() {
                let alert = AlertId::of(id, kind, modality.map_or("", Modality::label), onset);
                shared.board.know(alert, Owner { patient: id.clone(), kind, ended: false });
            }
        }
        let source = Source::start(&source_config(config, &offsets)).with_context(|| {
            format!(
                "Kafka at {} cannot be read (`cargo xtask kafka up` starts a local one)",
                config.kafka.bootstrap
            )
        })?;
        let lanes = source.assigned()?;
        if !lanes.is_empty() {
            shared.health.assigned();
        }
        let merger = Merger::new(config.cut(), lanes, closed_to);
        let archive = archive.map(|feed| Archive { feed, settled: None, catching_up: true });
        let shadow = shadow_of(config, &core, closed_to, &shared)?;
        let gaps = 0;
        Ok(Self {
            source,
            merger,
            core,
            narration,
            outlet,
            checkpoints,
            archive,
            shadow,
            offsets,
            gaps,
            shared,
        })
    }

    /// Runs until told to stop; then finishes what has been decided.
    ///
    /// # Errors
    /// When Kafka fails for good.
    pub fn run(mut self) -> anyhow::Result<Summary> {
        while !self.shared.stop.load(Ordering::Relaxed) {
            self.turn()?;
        }
        self.narration.drain();
        self.outlet.flush(Duration::from_secs(10))?;
        if let Some(archive) = &self.archive {
            archive.feed.finish(self.merger.closed_to());
        }
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.write_now(&self.core, &self.offsets, self.merger.closed_to())?;
        }
        if let Some(shadow) = &self.shadow {
            shadow.drain(SHADOW_PATIENCE);
        }
        self.source.shutdown();
        Ok(Summary {
            counters: self.core.counters().clone(),
            gaps: self.gaps,
            late_to_cell: self.merger.late_to_cell(),
        })
    }

    /// One turn: records in, cells closed, deadlines met, checkpoint when due.
    fn turn(&mut self) -> anyhow::Result<()> {
        if let Some(item) = self.source.recv(TICK) {
            self.item(item)?;
            for _ in 0..BURST {
                match self.source.try_recv() {
                    Some(item) => self.item(item)?,
                    None => break,
                }
            }
        }
        let now = self.shared.clock.now();
        while let Some(cell) = self.merger.close(now) {
            let cell = Arc::new(cell);
            let step = self.core.cell(&cell);
            self.take(step, shadow::Turn::Cell(cell));
        }
        if let Some(to) = self.merger.quiet_to(now) {
            let step = self.core.advance(to);
            self.take(step, shadow::Turn::Silence(to));
        }
        self.report(now);
        self.settle(now);
        if let Some(checkpoints) = &mut self.checkpoints {
            let archived_to = self.archive.as_ref().map(|a| a.feed.settled_to());
            let closed_to = self.merger.closed_to();
            checkpoints.turn(&self.core, &self.offsets, closed_to, now, &self.outlet, archived_to)?;
        }
        Ok(())
    }

    /// Has the archive made durable, at moments when everything decided has also been told.
    fn settle(&mut self, now: ArrivalTime) {
        let Some(archive) = &mut self.archive else { return };
        let waits_at = self.checkpoints.as_ref().and_then(Checkpoints::waits_at);
        let is_awaited = waits_at.is_some_and(|of| archive.feed.settled_to() < of);
        let is_due = archive.settled.is_none_or(|last| now.since(last) >= SETTLE_EVERY);
        if (is_awaited || is_due) && self.outlet.is_clear() {
            archive.settled = Some(now);
            archive.feed.settle(self.merger.closed_to());
        }
    }

    fn item(&mut self, item: Item) -> anyhow::Result<()> {
        match item {
            Item::Record(record) => self.merger.push(record, self.shared.clock.now()),
            Item::Mark { stream, partition, at } => {
                self.merger.mark(stream, partition, at, self.shared.clock.now());
            }
            Item::Eof { stream, partition } => self.merger.at_end(stream, partition),
            Item::Gap { stream, partition, expected, got } => {
                let lost = u64::try_from(got - expected).unwrap_or(0);
                self.gaps += lost;
                self.shared.metrics.gap(lost);
                tracing::error!(
                    stream = stream.name(),
                    partition,
                    expected,
                    got,
                    "records vanished before they were read"
                );
            }
            Item::Assigned(lanes) => {
                for (stream, partition) in lanes {
                    self.merger.add(stream, partition);
                }
                self.shared.health.assigned();
            }
            Item::Revoked(_) => {
                // State of partitions taken over by others must not be decided on twice.
                anyhow::bail!("partitions were taken away; restart to join the group again");
            }
            Item::Error(error) => {
                self.shared.metrics.kafka_error();
                if let Some(untold) = self.shared.health.trouble() {
                    tracing::error!(%error, untold, "Kafka reports an error");
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, mut step: Step, turn: shadow::Turn) {
        if let shadow::Turn::Cell(cell) = &turn {
            for (index, letter) in &step.dead_letters {
                self.outlet.dead_letter(&cell.records[*index].record, letter);
            }
            for entry in &cell.records {
                let OwnedRecord { stream, partition, offset, .. } = entry.record;
                self.offsets.insert((stream, partition), offset + 1);
            }
            self.shared.folded.fetch_add(cell.records.len() as u64, Ordering::Relaxed);
        }
        let mut rows = archive::Rows::default();
        if self.archive.is_some() {
            rows.take(&mut step);
        }
        for entry in &step.withheld {
            self.outlet.withheld(entry);
        }
        let decided = self.shadow.as_ref().map(|_| shadow::Decided::of(&step));
        for output in step.outputs {
            self.outlet.submitted();
            self.narration.submit(output);
        }
        // Behind everything that is told: archive and candidate delay nothing.
        if let Some(archive) = &mut self.archive {
            archive.catching_up &= self.shared.clock.now().since(self.core.now()) > BEHIND;
            archive.feed.offer(rows, archive.catching_up);
        }
        if let (Some(shadow), Some(decided)) = (&self.shadow, decided) {
            shadow.offer(turn, decided);
        }
        self.shared.board.frames(&step.frames, self.core.now());
    }

    fn report(&self, now: ArrivalTime) {
        let lag = now.since(self.merger.closed_to()).0 / 1_000;
        self.shared.health.turned(now, lag);
        self.shared.metrics.core(self.core.counters());
        let patients = self.core.patients();
        self.shared.metrics.pace(lag, patients.len(), self.merger.late_to_cell(), self.outlet.failed());
        self.shared.board.keep(|id| patients.contains_key(id));
    }
}

/// The candidate of the configuration, with what the core in force knows at the start.
fn shadow_of(
    config: &Config,
    core: &Core,
    closed_to: ArrivalTime,
    shared: &Shared,
) -> anyhow::Result<Option<Shadow>> {
    let Some(candidate) = config.candidate() else { return Ok(None) };
    let models = setup::models(&candidate).context("the candidate of models.shadow cannot be used")?;
    let named = setup::bundles(&candidate)?.into_iter().map(|(of, _)| format!("{} {}", of.name, of.version));
    let patients = core.patients().iter().map(|(id, patient)| {
        let mut patient = patient.clone();
        // What the model in force saw means nothing to the candidate.
        (patient.past, patient.embedding, patient.assessment) = Default::default();
        patient.unassessed = true;
        (id.clone(), patient)
    });
    let known = (patients.collect(), core.units().clone());
    let core =
        Core::restore(Arc::new(candidate.core()?), models, known.0, known.1, closed_to, Counters::default());
    let queue = config.models.shadow.queue;
    let (registry, board) = (shared.metrics.registry(), shared.board.clone());
    let shadow = Shadow::start(core, named.collect(), queue, registry, board);
    Ok(Some(shadow.context("the candidate's thread could not be started")?))
}

fn source_config(config: &Config, offsets: &BTreeMap<(Stream, i32), i64>) -> source::Config {
    let mode = match &config.kafka.instance {
        Some(instance) => Mode::Group { instance: Some(instance.clone()) },
        None => Mode::All,
    };
    source::Config {
        group: config.kafka.group.clone(),
        mode,
        offsets: offsets.clone(),
        start: Start::Beginning,
        properties: config.kafka.properties.clone(),
        ..source::Config::new(&config.kafka.bootstrap, &config.kafka.topics)
    }
}
