//! `bedwatch replay`: historical records through the same engine.

mod verify;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, bail};
use bedwatch_replay_data::readers::{self, Other};
use bedwatch_schemas::{NOTICE, alert::Alert, time::Span};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    archive,
    clock::{Clock, SystemClock},
    config,
    replay::{
        self, Journal, Options, Outcome, listed,
        metrics::{self, OtherFiles},
        report, tables,
        validation::monitor,
        versions::{Rests, Versions},
    },
    setup, terminal,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files and folders.
    #[arg(required_unless_present = "verify")]
    paths: Vec<PathBuf>,
    /// Decides a run again (a folder of `bedwatch record`, or that of an earlier replay with the paths it was
    /// of) and compares every alert, words included; fails unless all are the same bytes.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["quick", "resume", "labels"])]
    verify: Option<PathBuf>,
    /// The format; `auto` looks at the content.
    #[arg(long, default_value = "auto")]
    format: String,
    /// `max`, or times real time.
    #[arg(long, default_value = "max")]
    speed: String,
    /// Where alerts.ndjson, withheld.ndjson, risks.parquet, metrics.json and report.html go.
    #[arg(long, default_value = "replay-out")]
    out: PathBuf,
    /// Labels: `auto` takes those of the source, `none` leaves them out.
    #[arg(long, default_value = "auto", value_parser = ["auto", "none"])]
    labels: String,
    /// Sources replayed at a time; all cores by default. The results do not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    /// Decisions alone, several times as fast: which alerts, when and how urgent are those of a whole
    /// replay; their words are the template's and the models are not asked why.
    #[arg(long)]
    quick: bool,
    /// Inputs read ahead at a time. The results do not depend on it.
    #[arg(long, default_value_t = 1_024)]
    batch: usize,
    /// Goes on with a replay that was interrupted, from the folder of `--out`: sources that were finished
    /// are not replayed again, and the report is that of an uninterrupted replay.
    #[arg(long)]
    resume: bool,
    /// At most this many sources.
    #[arg(long)]
    limit: Option<usize>,
    /// Also writes everything told and said into a new archive for `bedwatch query`.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["resume", "verify"])]
    archive: Option<PathBuf>,
    /// Prints metrics.json as one line on standard output.
    #[arg(long)]
    json: bool,
    /// The configuration file.
    #[arg(long)]
    config: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let mut config = super::load_config(args.config.as_ref())?;
    if args.quick {
        config.engine.attributions = 0;
        config.models.narrator = String::new();
        config.narrator.backend = config::Backend::Onnx;
    }
    let format = format(&args.format)?;
    let paths = args.verify.as_ref().map_or_else(|| args.paths.clone(), |run| verify::paths(args, run));
    let found = replay::survey(&paths, &readers::Options { format, ..readers::Options::default() })?;
    let (mut sources, others) = (found.sources, found.others);
    tell_others(&others);
    sources.truncate(args.limit.unwrap_or(usize::MAX));
    if sources.is_empty() {
        bail!("nothing to replay was found under the given paths");
    }
    let threads = args.threads.unwrap_or_else(super::cores);
    let models = setup::models_for(&config, threads)?;
    let writer = models.writer.clone();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let mut core = config.core()?;
    // The alarms of monitors are judged; no alert depends on it.
    core.features.ventricular_runs = true;
    let core = Arc::new(core);
    let options = Options {
        core: core.clone(),
        cell: Span::millis(config.engine.cell_millis),
        models,
        threads,
        batch: args.batch,
        speed: speed(&args.speed)?,
        clock: clock.clone(),
    };
    terminal::note(NOTICE);
    if let Some(run) = &args.verify {
        return verify::run(args, run, &sources, &options);
    }
    let begun = clock.now();
    let rests = Rests::new(setup::bundles(&config)?, &core.hash)?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("{} cannot be made", args.out.display()))?;
    let (mut outcomes, journal, archive) = match &args.archive {
        None => journaled(args, &sources, &options, &rests)?,
        Some(folder) => archived(folder, &config, &sources, &options)?,
    };
    if args.labels == "none" {
        for outcome in &mut outcomes {
            (outcome.labels, outcome.sepsis3) = (None, None);
            outcome.monitor_alarms.clear();
        }
    }
    let seconds = clock.now().since(begun).as_secs_f64();
    let versions = Versions::new(rests, &outcomes);
    write(args, &outcomes, OtherFiles::new(&others), versions, seconds, &writer, &config.deciding())?;
    if let Some(journal) = journal {
        journal.end()?;
    }
    // Hours of replay are worth their report whatever became of the archive beside it.
    archive?;
    if outcomes.iter().all(|o| !o.faults.is_empty() && o.events() == 0) {
        bail!("no source could be read");
    }
    Ok(())
}

/// Files named of those that are not read.
const OTHERS_NAMED: usize = 5;

/// Says which files are not read: those that cannot be read each with its fault, of the others how many and
/// the first.
pub(super) fn tell_others(others: &[Other]) {
    for why in others.iter().filter_map(|other| other.why.as_ref()) {
        terminal::note(&why.to_string());
    }
    let unknown: Vec<_> = others.iter().filter(|o| o.why.is_none()).map(|o| o.path.display()).collect();
    if unknown.is_empty() {
        return;
    }
    let named: Vec<String> = unknown.iter().take(OTHERS_NAMED).map(ToString::to_string).collect();
    let more = match unknown.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (count, named) = (unknown.len(), named.join(", "));
    let files = if count == 1 { "file holds" } else { "files hold" };
    terminal::note(&format!("{count} {files} no stay of a format known here, not read: {named}{more}"));
}

/// The outcomes, the journal that ends with the report, and what became of the archive.
type Replayed = (Vec<Outcome>, Option<Journal>, anyhow::Result<()>);

/// A replay that can be interrupted: with the journal of its output folder.
fn journaled(
    args: &Args,
    sources: &[replay::Source],
    options: &Options,
    rests: &Rests,
) -> anyhow::Result<Replayed> {
    let of = replay::stamp(sources, rests, args.quick)?;
    let (journal, done) = if args.resume {
        let (journal, done) = Journal::resume(&args.out, &of)?;
        terminal::note(&format!("{} sources were finished before", done.len()));
        (journal, done)
    } else {
        (Journal::begin(&args.out, &of)?, BTreeMap::new())
    };
    let progress = Progress::new(sources.len() - done.len());
    let outcomes = replay::resume(sources, options, &journal, done, &|o| progress.replayed(o))?;
    progress.end();
    Ok((outcomes, Some(journal), Ok(())))
}

/// A replay that also fills an archive.
fn archived(
    folder: &Path,
    config: &config::Config,
    sources: &[replay::Source],
    options: &Options,
) -> anyhow::Result<Replayed> {
    let archive = archive::Ordered::create(folder, &config.archive)?;
    let every = config.archive.frames_every();
    let progress = Progress::new(sources.len());
    let outcomes = replay::run_archived(sources, options, &|o| progress.replayed(o), &archive, every)?;
    progress.end();
    let counts = match archive.finish() {
        Ok(counts) => counts,
        Err(error) => return Ok((outcomes, None, Err(error).context("the archive is not whole"))),
    };
    let rows: Vec<String> = counts.written.iter().map(|(t, n)| format!("{n} {}", t.name())).collect();
    terminal::note(&format!("archive {}: {} in {} files", folder.display(), rows.join(", "), counts.parts));
    if counts.waveforms > 0 {
        terminal::note(&format!("{} waveform blocks are not in it", counts.waveforms));
    }
    let dateless: u64 = counts.dateless.values().sum();
    if dateless > 0 {
        terminal::note(&format!("{dateless} rows of no day between the years 0 and 9999 are not in it"));
    }
    Ok((outcomes, None, Ok(())))
}

fn write(
    args: &Args,
    outcomes: &[Outcome],
    others: OtherFiles,
    versions: Versions,
    seconds: f64,
    writer: &bedwatch_inference::writer::Writer,
    decides: &str,
) -> anyhow::Result<()> {
    let mut alerts: Vec<&Alert> = outcomes.iter().flat_map(|o| &o.alerts).collect();
    replay::sort(&mut alerts);
    let sha256 = replay::write_lines(&alerts, &args.out.join("alerts.ndjson"))?;
    replay::write_lines(&replay::ledger(outcomes), &args.out.join("withheld.ndjson"))?;
    replay::risks::write(outcomes, &args.out.join("risks.parquet"))?;
    let metrics = metrics::of(outcomes, others, &alerts, &sha256, versions, writer.lexicon());
    std::fs::write(args.out.join("metrics.json"), serde_json::to_string_pretty(&metrics)? + "\n")?;
    std::fs::write(args.out.join("report.html"), report::html(outcomes, &alerts, &metrics))?;
    tables::write(&metrics.validation, outcomes, &args.out)?;
    listed::write(outcomes, &args.out)?;
    std::fs::write(args.out.join("config.json"), decides)?;
    for outcome in outcomes {
        for fault in &outcome.faults {
            terminal::note(&format!("{}: {fault}", outcome.name));
        }
    }
    terminal::note(&format!(
        "{} sources, {:.0} patient-hours, {} alert messages, {} dead letters in {seconds:.1} s; report in {}",
        metrics.sources,
        metrics.patient_hours,
        metrics.alerts,
        metrics.dead_letters,
        args.out.join("report.html").display()
    ));
    if let Some(study) = &metrics.validation.monitor_alarms {
        terminal::note(&format!("{}. {}", monitor::sentence(study), monitor::CAUTION));
    }
    if args.json {
        terminal::result(&serde_json::to_string(&metrics)?);
    }
    Ok(())
}

/// The format of that name; `auto` is none.
pub(super) fn format(name: &str) -> anyhow::Result<Option<readers::Format>> {
    if name == "auto" {
        return Ok(None);
    }
    let found = readers::Format::from_name(name);
    let names = readers::Format::ALL.map(readers::Format::name).join(", ");
    found.map(Some).with_context(|| format!("{name} is no format; the formats are {names}"))
}

fn speed(text: &str) -> anyhow::Result<Option<f64>> {
    if text == "max" {
        return Ok(None);
    }
    match text.trim_end_matches('x').parse::<f64>() {
        Ok(speed) if speed > 0.0 && speed.is_finite() => Ok(Some(speed)),
        _ => bail!("{text} is no speed; write max, 1, 60 or 3600"),
    }
}

/// A bar on a terminal, plain lines elsewhere.
pub(super) struct Progress {
    bar: ProgressBar,
    done: AtomicUsize,
    total: usize,
}

impl Progress {
    pub(super) fn new(total: usize) -> Self {
        let bar = ProgressBar::new(total as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} sources, {msg} ({eta} left)") {
            bar.set_style(style);
        }
        Self { bar, done: AtomicUsize::new(0), total }
    }

    /// One source more is `done`, with a few words about it.
    pub(super) fn one(&self, what: &str, about: String) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.bar.set_message(about);
        self.bar.inc(1);
        let step = (self.total / 10).max(1);
        if self.bar.is_hidden() && done.is_multiple_of(step) {
            terminal::note(&format!("{done} of {} sources {what}", self.total));
        }
    }

    fn replayed(&self, outcome: &Outcome) {
        self.one("replayed", format!("{} alerts in the last", outcome.alerts.len()));
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
