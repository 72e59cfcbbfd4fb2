//! Training tables out of records, by the engine itself: what a model is trained on is what it will be
//! given. Records run through the same core as live (decode, fold, frame); no model is needed.
//!
//! Sources are replayed several at a time in groups of a fixed size and written in their order, so
//! memory is bounded and the files' bytes depend on nothing but the records. Columns are described in
//! `docs/training-tables.md`.

pub(crate) mod events;
mod hours;
mod minutes;
mod moments;
mod sections;
mod table;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bedwatch_inference::{encoder::Encoder, writer::Writer};
use bedwatch_ingest::{Record, decode};
use bedwatch_schemas::time::Span;

use super::{Source, labels::Truth, place, source::Inputs};
use crate::{
    engine::{Cell, Core, Models, core},
    release::Release,
};
use table::{Origin, Table};

/// Sources whose rows are held in memory at a time.
const GROUP: usize = 256;

/// The file beside the tables that says what they are.
pub const MANIFEST: &str = "manifest.json";

/// How to export.
#[derive(Debug, Clone)]
pub struct Options {
    /// The core's settings.
    pub core: Arc<core::Config>,
    /// The length of a cell; the same as live.
    pub cell: Span,
    /// Sources replayed at a time.
    pub threads: usize,
    /// A moment is taken at most this often for one patient.
    pub moments_every: Span,
    /// What gives each moment its embedding; without, moments have none.
    pub encoder: Option<Arc<Encoder>>,
    /// What may leave, and how.
    pub release: Arc<Release>,
}

/// What was exported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Sources read.
    pub sources: usize,
    /// Rows by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// What could not be read, by source, name and place.
    pub faults: Vec<String>,
}

/// The rows of one source, a batch for each table.
struct Rows {
    batches: Vec<arrow::array::RecordBatch>,
    faults: Vec<String>,
}

/// Writes the tables of all sources into a folder. `progress` is called after each source.
///
/// # Errors
/// When a file cannot be written.
pub fn run(
    sources: &[Source],
    options: &Options,
    out: &Path,
    progress: &(dyn Fn() + Sync),
) -> anyhow::Result<Summary> {
    let mut tables =
        tables().map(|(name, schema)| Table::create(out, name, schema)).collect::<Result<Vec<_>, _>>()?;
    let mut summary = Summary { sources: sources.len(), ..Summary::default() };
    let sources = options.release.sources(sources.to_vec());
    for group in sources.chunks(GROUP) {
        for rows in replay(group, options, progress)? {
            for (table, batch) in tables.iter_mut().zip(&rows.batches) {
                table.write(batch)?;
            }
            summary.faults.extend(rows.faults);
        }
    }
    for table in tables {
        summary.rows.insert(table.name(), table.close()?);
    }
    options.release.write_manifest(&out.join(MANIFEST), &summary.rows)?;
    Ok(summary)
}

/// The tables in the order of [`Rows::batches`].
fn tables() -> impl Iterator<Item = (&'static str, arrow::datatypes::SchemaRef)> {
    let plain = [("hours", hours::schema()), ("events", events::schema()), ("minutes", minutes::schema())];
    let sections = sections::TABLES.map(|(name, of)| (name, sections::schema(of)));
    plain.into_iter().chain(sections).chain([("moments", moments::schema())])
}

/// Replays a group, several at a time; rows come in the order of the sources.
fn replay(group: &[Source], options: &Options, progress: &(dyn Fn() + Sync)) -> anyhow::Result<Vec<Rows>> {
    let next = AtomicUsize::new(0);
    let done: Mutex<BTreeMap<usize, anyhow::Result<Rows>>> = Mutex::default();
    std::thread::scope(|scope| {
        let work = || {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(source) = group.get(i) else {
                    return;
                };
                let rows = one(source, options);
                progress();
                done.lock().unwrap_or_else(PoisonError::into_inner).insert(i, rows);
            }
        };
        for _ in 1..options.threads.max(1) {
            scope.spawn(work);
        }
        work();
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// The rows of one source. A source that cannot be read fails alone, by name.
fn one(source: &Source, options: &Options) -> anyhow::Result<Rows> {
    let mut stay = Stay {
        core: Core::new(
            options.core.clone(),
            Models { encoder: None, fusion: None, writer: Arc::new(Writer::new(None)) },
        ),
        hours: hours::Hours::default(),
        events: events::Events::default(),
        minutes: minutes::Minutes::default(),
        sections: sections::Sections::default(),
        moments: moments::Moments::new(options.moments_every, options.encoder.clone()),
    };
    let mut faults = Vec::new();
    let mut truth = Truth::default();
    match source.read() {
        Err(error) => faults.push(format!("{}: {error}", source.name())),
        Ok(mut inputs) => {
            truth = Truth::new(inputs.labels.take().as_ref());
            stay.read(&mut inputs, options, |fault| faults.push(format!("{}: {fault}", source.name())));
        }
    }
    let origin = Origin { source: source.name(), site: &source.site() };
    let mut batches =
        vec![stay.hours.batch(origin, &truth)?, stay.events.batch(origin)?, stay.minutes.batch(origin)?];
    for (_, sections) in sections::TABLES {
        batches.push(stay.sections.batch(origin, sections)?);
    }
    batches.push(stay.moments.batch(origin, &truth)?);
    let released =
        tables().zip(batches).map(|((table, _), b)| options.release.batch(table, source.name(), b));
    let batches = released.collect::<anyhow::Result<_>>()?;
    faults.extend(stay.moments.fault().map(|fault| format!("{}: {fault}", source.name())));
    Ok(Rows { batches, faults })
}

struct Stay {
    core: Core,
    hours: hours::Hours,
    events: events::Events,
    minutes: minutes::Minutes,
    sections: sections::Sections,
    moments: moments::Moments,
}

impl Stay {
    fn read(&mut self, inputs: &mut Inputs, options: &Options, mut fault: impl FnMut(String)) {
        let mut building: Option<Cell> = None;
        for input in inputs {
            match input {
                Err(why) => fault(why),
                Ok(input) => {
                    if let Some(cell) = place(&mut building, input, options.cell) {
                        self.fold(cell);
                    }
                }
            }
        }
        if let Some(cell) = building {
            self.fold(cell);
        }
    }

    fn fold(&mut self, mut cell: Cell) {
        cell.sort();
        for entry in &cell.records {
            let record = Record { arrival: entry.stamp, ..entry.record.as_record(entry.stamp) };
            let decoded = decode::decode(&record, &self.core.config().ingest);
            decoded.events.iter().for_each(|event| self.events.push(event));
        }
        cell.events.iter().for_each(|event| self.events.push(event));
        let step = self.core.cell(&cell);
        // Frames before the cell's end are of deadlines, when nothing new had come.
        for (frame, _) in step.frames.iter().filter(|(f, _)| f.at == cell.end.as_event_time()) {
            self.hours.frame(frame);
            self.minutes.frame(frame);
            self.sections.frame(frame);
            if let Some(patient) = self.core.patients().get(&frame.patient) {
                self.moments.frame(frame, &patient.state);
            }
        }
    }
}

#[cfg(test)]
mod tests;
