//! Historical records through the production core, faster than real time.
//!
//! Every source (a stay, a file, a recording) runs through a core of its own, several at a time.
//! The result depends neither on the threads nor on the batch nor on the speed: alerts are written
//! in the order of time, patient, id and sequence, and nothing in them comes from a clock.

pub mod burden;
pub mod challenge;
pub mod export;
pub mod formats;
pub mod journal;
pub mod known_times;
pub mod labels;
pub mod listed;
pub mod metrics;
pub mod missing;
pub mod monitor;
pub mod outcome;
pub mod report;
pub mod risks;
mod source;
mod stamp;
pub mod tables;
pub mod validation;
pub mod verify;
pub mod versions;
pub mod ward;

use std::{
    borrow::Borrow,
    collections::BTreeMap,
    io::Write,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bedwatch_schemas::{
    alert::Alert,
    time::{ArrivalTime, Span},
    withheld::Withheld,
};

pub use journal::Journal;
pub use outcome::{Outcome, RiskRow};
pub use source::{Found, Input, Source, open, survey};
pub use stamp::stamp;

use crate::{
    archive,
    clock::Clock,
    engine::{Cell, Core, Models, Output, core, core::Step},
    narration::request,
};
use labels::retrospect::Retrospect;
use monitor::Judge;
use source::Inputs;

/// How to replay.
#[derive(Clone)]
pub struct Options {
    /// The core's settings.
    pub core: Arc<core::Config>,
    /// The length of a cell; the same as live.
    pub cell: Span,
    /// The models.
    pub models: Models,
    /// Sources replayed at a time.
    pub threads: usize,
    /// Inputs read ahead at a time (a matter of memory, not of results).
    pub batch: usize,
    /// Times real time; `None`: as fast as it goes.
    pub speed: Option<f64>,
    /// For the speed.
    pub clock: Arc<dyn Clock>,
}

/// Replays every source and gives the outcomes in the order of the sources. `progress` is called
/// after each.
///
/// # Errors
/// When a worker thread cannot be started.
pub fn run(
    sources: &[Source],
    options: &Options,
    progress: &(dyn Fn(&Outcome) + Sync),
) -> anyhow::Result<Vec<Outcome>> {
    run_with(sources, options, progress, &|_, output| Some(tell(output, &options.models)))
}

/// As [`run`], with everything told and said written to an archive.
///
/// # Errors
/// When a worker thread cannot be started.
pub fn run_archived(
    sources: &[Source],
    options: &Options,
    progress: &(dyn Fn(&Outcome) + Sync),
    archive: &archive::Ordered,
    frames_every: Span,
) -> anyhow::Result<Vec<Outcome>> {
    let finished = |_, outcome: &Outcome| {
        progress(outcome);
        Ok(())
    };
    work(sources, options, BTreeMap::new(), &finished, &|index, source| {
        let mut into = Kept { archive, index, source: source.name().into(), rows: archive::Rows::default() };
        let core = core_of(options).archiving(frames_every);
        fold_source(source, options, core, &|o| Some(tell(o, &options.models)), Some(&mut into))
    })
}

/// As [`run`], with the alert of each output made, or left out, by `told`.
///
/// # Errors
/// When a worker thread cannot be started.
pub fn run_with(
    sources: &[Source],
    options: &Options,
    progress: &(dyn Fn(&Outcome) + Sync),
    told: &(dyn Fn(&Source, Output) -> Option<Alert> + Sync),
) -> anyhow::Result<Vec<Outcome>> {
    let finished = |_, outcome: &Outcome| {
        progress(outcome);
        Ok(())
    };
    work(sources, options, BTreeMap::new(), &finished, &|_, source| {
        one_with(source, options, &|o| told(source, o))
    })
}

/// As [`run`], going on from what is `done`, by the number of the source, and keeping in the journal what
/// is finished.
///
/// # Errors
/// When the journal cannot be written: a replay that believes it can be resumed must be able to.
pub fn resume(
    sources: &[Source],
    options: &Options,
    journal: &Journal,
    done: BTreeMap<usize, Outcome>,
    progress: &(dyn Fn(&Outcome) + Sync),
) -> anyhow::Result<Vec<Outcome>> {
    let finished = |i, outcome: &Outcome| {
        journal.keep(i, outcome)?;
        progress(outcome);
        Ok(())
    };
    work(sources, options, done, &finished, &|_, source| one(source, options))
}

/// Replays the sources that are not `done`, several at a time; the first that cannot be finished ends it.
fn work(
    sources: &[Source],
    options: &Options,
    done: BTreeMap<usize, Outcome>,
    finished: &(dyn Fn(usize, &Outcome) -> anyhow::Result<()> + Sync),
    one: &(dyn Fn(usize, &Source) -> Outcome + Sync),
) -> anyhow::Result<Vec<Outcome>> {
    let left: Vec<usize> = (0..sources.len()).filter(|i| !done.contains_key(i)).collect();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(done);
    let worker = || -> anyhow::Result<()> {
        while let Some(&i) = left.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = one(i, &sources[i]);
            if let Err(error) = finished(i, &outcome) {
                next.store(left.len(), Ordering::Relaxed);
                return Err(error);
            }
            done.lock().unwrap_or_else(PoisonError::into_inner).insert(i, outcome);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..options.threads.max(1)).map(|_| scope.spawn(worker)).collect();
        let mine = worker();
        let join = |other: std::thread::ScopedJoinHandle<'_, _>| {
            other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        others.into_iter().map(join).fold(mine, anyhow::Result::and)
    })?;
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect())
}

/// Replays one source. A source that cannot be read fails alone, by name.
#[must_use]
pub fn one(source: &Source, options: &Options) -> Outcome {
    one_with(source, options, &|output| Some(tell(output, &options.models)))
}

fn one_with(source: &Source, options: &Options, told: &dyn Fn(Output) -> Option<Alert>) -> Outcome {
    fold_source(source, options, core_of(options), told, None)
}

fn core_of(options: &Options) -> Core {
    Core::new(options.core.clone(), options.models.clone())
}

/// Where the rows of one source go.
struct Kept<'a> {
    archive: &'a archive::Ordered,
    index: usize,
    source: Arc<str>,
    rows: archive::Rows,
}

impl Drop for Kept<'_> {
    /// However a source ended, the next one has its turn.
    fn drop(&mut self) {
        self.archive.end(self.index, &self.source, std::mem::take(&mut self.rows));
    }
}

fn fold_source(
    source: &Source,
    options: &Options,
    mut core: Core,
    told: &dyn Fn(Output) -> Option<Alert>,
    mut into: Option<&mut Kept<'_>>,
) -> Outcome {
    let mut outcome = Outcome::new(source);
    let mut inputs = match source.read() {
        Ok(inputs) => inputs,
        Err(error) => {
            outcome.faults.push(error.to_string());
            return outcome;
        }
    };
    outcome.availability = Some(inputs.availability);
    outcome.labels = inputs.labels.take();
    outcome.left_out = inputs.left_out.iter().map(|(reason, n)| ((*reason).to_owned(), *n)).collect();
    let mut retrospect = Retrospect::new(outcome.labels.as_ref());
    if let Some(retrospect) = &mut retrospect {
        std::mem::take(&mut inputs.hindsight).iter().for_each(|event| retrospect.note(event));
    }
    let mut judge = Judge::new(std::mem::take(&mut inputs.alarms), options.cell);
    let mut pacer = Pacer::new(options);
    let mut data = blake3::Hasher::new();
    let mut building: Option<Cell> = None;
    let mut batch = Vec::with_capacity(options.batch);
    loop {
        read_batch(&mut inputs, options.batch, &mut batch, &mut outcome);
        if batch.is_empty() {
            break;
        }
        for input in batch.drain(..) {
            input.hash(&mut data);
            judge.hear(&input);
            if let (Some(retrospect), Input::Event(event)) = (&mut retrospect, &input) {
                retrospect.note(event);
            }
            if let Some(cell) = place(&mut building, input, options.cell) {
                pacer.wait(cell.end);
                judge.before(cell.end, &core);
                fold(&mut core, cell, told, &mut outcome, into.as_deref_mut());
            }
        }
    }
    if let Some(cell) = building {
        judge.before(cell.end, &core);
        fold(&mut core, cell, told, &mut outcome, into);
    }
    outcome.monitor_alarms = judge.finish(&core);
    outcome.monitor_unused = monitor::unused(&core);
    outcome.sepsis3 = retrospect.map(Retrospect::finish);
    outcome.finish(&core, *data.finalize().as_bytes());
    outcome
}

/// Puts an input into its cell; gives the cell before it once that is closed.
fn place(building: &mut Option<Cell>, input: Input, length: Span) -> Option<Cell> {
    let end = input.arrival().floor(length) + length;
    let closed = building.take_if(|cell| cell.end < end);
    // Where a file goes back in time its own order is the order of arrival: the open cell.
    let cell = building.get_or_insert_with(|| Cell { end, records: Vec::new(), events: Vec::new() });
    match input {
        Input::Record(entry) => cell.records.push(entry),
        Input::Event(event) => cell.events.push(event),
    }
    closed
}

fn read_batch(inputs: &mut Inputs, size: usize, batch: &mut Vec<Input>, outcome: &mut Outcome) {
    while batch.len() < size.max(1) {
        match inputs.next() {
            Some(Ok(input)) => batch.push(input),
            Some(Err(fault)) => outcome.faults.push(fault),
            None => return,
        }
    }
}

fn fold(
    core: &mut Core,
    mut cell: Cell,
    told: &dyn Fn(Output) -> Option<Alert>,
    outcome: &mut Outcome,
    mut into: Option<&mut Kept<'_>>,
) {
    cell.sort();
    let mut step: Step = core.cell(&cell);
    if let Some(into) = &mut into {
        into.rows.take(&mut step);
    }
    for (_, letter) in &step.dead_letters {
        outcome.dead_letters.push(letter.clone());
    }
    for (frame, assessment) in &step.frames {
        outcome.frame(frame, assessment.as_ref());
    }
    outcome.withheld.extend(step.withheld);
    let before = outcome.alerts.len();
    outcome.alerts.extend(step.outputs.into_iter().filter_map(told));
    if let Some(into) = into {
        into.rows.alerts.extend_from_slice(&outcome.alerts[before..]);
        into.archive.more(into.index, &into.source, &mut into.rows);
    }
}

/// The words, without a deadline: a replay waits for its narrator.
fn tell(output: Output, models: &Models) -> Alert {
    let rationale = models.writer.write(&request(&output), &|| false);
    output.draft.with_rationale(rationale)
}

/// Sorts alerts into the order they are written in.
pub fn sort<A: Borrow<Alert>>(alerts: &mut [A]) {
    alerts.sort_by(|a, b| {
        let (a, b): (&Alert, &Alert) = (a.borrow(), b.borrow());
        (a.at, &a.patient, a.kind, a.id, a.sequence).cmp(&(b.at, &b.patient, b.kind, b.id, b.sequence))
    });
}

/// The ledgers of all sources as one, in the order it is written in: time, patient, kind, alert.
#[must_use]
pub fn ledger(outcomes: &[Outcome]) -> Vec<Withheld> {
    let mut all: Vec<Withheld> = outcomes.iter().flat_map(|o| o.withheld.iter().cloned()).collect();
    sort_ledger(&mut all);
    all
}

/// Sorts entries of the ledger into the order they are written in.
pub fn sort_ledger(entries: &mut [Withheld]) {
    entries.sort_by(|a, b| {
        (a.at, &a.patient, a.kind, a.alert, a.sequence).cmp(&(b.at, &b.patient, b.kind, b.alert, b.sequence))
    });
}

/// Writes alerts, or entries of the ledger, as NDJSON and gives the file's SHA-256.
///
/// # Errors
/// When the file cannot be written.
pub fn write_lines<T: serde::Serialize>(lines: &[T], path: &Path) -> anyhow::Result<String> {
    use sha2::{Digest, Sha256};
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let (mut sum, mut bytes) = (Sha256::new(), Vec::new());
    for line in lines {
        bytes.clear();
        serde_json::to_writer(&mut bytes, line)?;
        bytes.push(b'\n');
        sum.update(&bytes);
        file.write_all(&bytes)?;
    }
    file.flush()?;
    Ok(sum.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

/// Holds a replay to a speed.
struct Pacer {
    clock: Arc<dyn Clock>,
    speed: Option<f64>,
    begun: Option<(ArrivalTime, ArrivalTime)>,
}

impl Pacer {
    fn new(options: &Options) -> Self {
        Self { clock: options.clock.clone(), speed: options.speed, begun: None }
    }

    fn wait(&mut self, at: ArrivalTime) {
        let Some(speed) = self.speed else {
            return;
        };
        let now = self.clock.now();
        let (wall, record) = *self.begun.get_or_insert((now, at));
        let due = wall + Span((at.since(record).0 as f64 / speed) as i64);
        if let Ok(micros) = u64::try_from(due.since(now).0) {
            std::thread::sleep(std::time::Duration::from_micros(micros));
        }
    }
}

#[cfg(test)]
mod tests;
