//! `bedwatch evidence export|score`: the narrator's questions out of records, and a mark for its
//! answers.
//!
//! `export` replays records through the engine and writes one line for each raised alert about a
//! patient: what the writer of rationales would be asked. Training and evaluation read these lines,
//! so the narrator learns from the evidence it will be given. Lines hold coded facts and values but
//! no names, ids or free text; they are as confidential as the records they come from.

use std::{
    collections::BTreeMap,
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, bail};
use bedwatch_inference::writer::Writer;
use bedwatch_replay_data::readers;
use bedwatch_schemas::{
    alert::{AlertKind, Phase, Priority},
    evidence::Evidence,
    time::Span,
};
use clap::Subcommand;
use serde::{Deserialize, Serialize};

use crate::{
    clock::SystemClock,
    engine::{Models, Output},
    release::{self, Release},
    replay::{self, Options, Source},
    setup, terminal,
};

mod score;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Replays records and writes what the narrator would be asked, one line an alert.
    Export(Export),
    /// Asks the narrator every line of an export and marks its answers; the last line is JSON.
    Score(Score),
}

#[derive(Debug, clap::Args)]
pub(super) struct Score {
    /// Lines of `bedwatch evidence export`.
    #[arg(required = true)]
    lines: Vec<PathBuf>,
    /// At most this many lines, spread evenly over the files.
    #[arg(long, default_value_t = 2_000)]
    most: usize,
    /// Texts shown.
    #[arg(long, default_value_t = 12)]
    examples: usize,
    /// Leaves the embeddings out.
    #[arg(long)]
    no_embedding: bool,
    /// The configuration file.
    #[arg(long)]
    config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// Files and folders.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Where the lines go.
    #[arg(long)]
    out: PathBuf,
    /// Sources replayed at a time.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// At most this many sources.
    #[arg(long)]
    limit: Option<usize>,
    /// The configuration file.
    #[arg(long)]
    config: Option<PathBuf>,
    #[command(flatten)]
    release: release::Args,
}

/// One line: what the writer of rationales is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    kind: AlertKind,
    priority: Priority,
    evidence: Evidence,
    embedding: Vec<f32>,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Export(args) => export(args),
        Command::Score(args) => score(args),
    }
}

fn score(args: &Score) -> anyhow::Result<()> {
    let config = super::load_config(args.config.as_ref())?;
    let narrator = setup::narrator(&config)?;
    let mut lines: Vec<Line> = Vec::new();
    for path in &args.lines {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        for (i, line) in text.lines().enumerate() {
            let line = serde_json::from_str(line);
            lines.push(line.with_context(|| format!("line {} of {}", i + 1, path.display()))?);
        }
    }
    let all = lines.len();
    let most = args.most.clamp(1, all.max(1));
    let mut chosen: Vec<Line> = (0..most.min(all)).map(|i| lines[i * all / most].clone()).collect();
    if args.no_embedding {
        chosen.iter_mut().for_each(|line| line.embedding.clear());
    }
    terminal::result(&serde_json::to_string(&score::score(&narrator, &chosen, args.examples))?);
    Ok(())
}

fn export(args: &Export) -> anyhow::Result<()> {
    let config = super::load_config(args.config.as_ref())?;
    let found = replay::survey(&args.paths, &readers::Options::default())?;
    super::replay::tell_others(&found.others);
    let mut sources = found.sources;
    sources.truncate(args.limit.unwrap_or(usize::MAX));
    if sources.is_empty() {
        bail!("nothing to replay was found under the given paths");
    }
    let release = Arc::new(Release::open(&config, &args.release)?);
    let sources = release.sources(sources);
    // Nobody reads the words here.
    let mut quiet = config.clone();
    quiet.models.narrator.clear();
    let models = setup::models_for(&quiet, args.threads)?;
    let options = Options {
        core: Arc::new(config.core()?),
        cell: Span::millis(config.engine.cell_millis),
        models: Models { writer: Arc::new(Writer::new(None)), ..models },
        threads: args.threads,
        batch: 1_024,
        speed: None,
        clock: Arc::new(SystemClock::default()),
    };
    let lines: Mutex<BTreeMap<String, Vec<String>>> = Mutex::default();
    let told = |source: &Source, output: Output| {
        let draft = &output.draft;
        if draft.phase() == Phase::Raised && !draft.kind().is_technical() {
            let evidence = draft.evidence().clone();
            let released = release.evidence(source.name(), draft.patient(), draft.at(), evidence);
            if let Some((name, evidence)) = released {
                let line = Line {
                    kind: draft.kind(),
                    priority: draft.priority(),
                    evidence,
                    embedding: output.embedding,
                };
                let line = serde_json::to_string(&line).expect("a line is plain data");
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.entry(name).or_default().push(line);
            }
        }
        None
    };
    let outcomes = replay::run_with(&sources, &options, &|_| (), &told)?;
    for outcome in outcomes.iter().filter(|o| !o.faults.is_empty()) {
        terminal::note(&format!("{}: {}", outcome.name, outcome.faults.join("; ")));
    }
    let lines = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut out = std::io::BufWriter::new(
        std::fs::File::create(&args.out)
            .with_context(|| format!("{} cannot be written", args.out.display()))?,
    );
    for line in lines.values().flatten() {
        writeln!(out, "{line}")?;
    }
    out.flush()?;
    let count: usize = lines.values().map(Vec::len).sum();
    release.write_manifest(&Release::beside(&args.out), &[("evidence", count as u64)].into())?;
    terminal::note(&format!("{count} evidences of {} sources in {}", sources.len(), args.out.display()));
    Ok(())
}
