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
    board::{Board, Owner},
    clock::Clock,
    config::Config,
    engine::{Cell, Core, Merger, Models, checkpoint::Store, core::Counters, core::Step},
    metrics::Metrics,
    narration::{Narration, Told},
};
use checkpoints::Checkpoints;
use outlet::Outlet;

/// How long the loop waits for a record before it looks at the clock again.
const TICK: Duration = Duration::from_millis(5);
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
    offsets: BTreeMap<(Stream, i32), i64>,
    gaps: u64,
    shared: Shared,
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
        let outlet = Arc::new(Outlet::new(sink, shared.clone()));
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
        Ok(Self { source, merger, core, narration, outlet, checkpoints, offsets, gaps: 0, shared })
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
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.write_now(&self.core, &self.offsets, self.merger.closed_to())?;
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
            let step = self.core.cell(&cell);
            self.take(step, Some(&cell));
        }
        if let Some(to) = self.merger.quiet_to(now) {
            let step = self.core.advance(to);
            self.take(step, None);
        }
        self.report(now);
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.turn(&self.core, &self.offsets, self.merger.closed_to(), now, &self.outlet)?;
        }
        Ok(())
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

    fn take(&mut self, step: Step, cell: Option<&Cell>) {
        if let Some(cell) = cell {
            for (index, letter) in &step.dead_letters {
                self.outlet.dead_letter(&cell.records[*index].record, letter);
            }
            for entry in &cell.records {
                let OwnedRecord { stream, partition, offset, .. } = entry.record;
                self.offsets.insert((stream, partition), offset + 1);
            }
            self.shared.folded.fetch_add(cell.records.len() as u64, Ordering::Relaxed);
        }
        for entry in &step.withheld {
            self.outlet.withheld(entry);
        }
        for output in step.outputs {
            self.outlet.submitted();
            self.narration.submit(output);
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
