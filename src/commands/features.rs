//! `bedwatch features export`: training tables (Parquet) by replaying records through the engine.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use bedwatch_inference::encoder::Encoder;
use bedwatch_replay_data::readers;
use bedwatch_schemas::time::Span;
use clap::Subcommand;

use super::replay::{Progress, format};
use crate::{
    clock::{Clock, SystemClock},
    config::{Backend, Config},
    release::{self, Release},
    replay::{self, export},
    setup, terminal,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Writes the tables of docs/training-tables.md; no models are needed but for --embed.
    Export(Export),
}

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// Files and folders.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// The folder the tables go to.
    #[arg(long)]
    out: PathBuf,
    /// The format; `auto` looks at the content.
    #[arg(long, default_value = "auto")]
    format: String,
    /// At most this many sources.
    #[arg(long)]
    limit: Option<usize>,
    /// Sources replayed at a time; all cores by default. The files do not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    /// A row of moments.parquet at most this often for one patient.
    #[arg(long, value_parser = super::duration, default_value = "1h")]
    moments_every: Span,
    /// Give each moment the configured encoder's embedding.
    #[arg(long)]
    embed: bool,
    /// The configuration file.
    #[arg(long)]
    config: Option<PathBuf>,
    #[command(flatten)]
    release: release::Args,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Export(args) => export(args),
    }
}

/// The configured encoder, without a narrator.
fn encoder(mut config: Config, threads: usize) -> anyhow::Result<Option<Arc<Encoder>>> {
    config.models.narrator.clear();
    config.narrator.backend = Backend::Onnx;
    Ok(setup::models_for(&config, threads)?.encoder)
}

fn export(args: &Export) -> anyhow::Result<()> {
    let config = super::load_config(args.config.as_ref())?;
    let options = readers::Options { format: format(&args.format)?, ..readers::Options::default() };
    let found = replay::survey(&args.paths, &options)?;
    super::replay::tell_others(&found.others);
    let mut sources = found.sources;
    sources.truncate(args.limit.unwrap_or(usize::MAX));
    if sources.is_empty() {
        bail!("nothing to export was found under the given paths");
    }
    let release = Release::open(&config, &args.release)?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("{} cannot be made", args.out.display()))?;
    let threads = args.threads.unwrap_or_else(super::cores);
    let encoder = if args.embed { encoder(config.clone(), threads)? } else { None };
    let options = export::Options {
        core: Arc::new(config.core()?),
        cell: Span::millis(config.engine.cell_millis),
        moments_every: args.moments_every,
        encoder,
        release: Arc::new(release),
        threads,
    };
    let clock = SystemClock::default();
    let (begun, progress) = (clock.now(), Progress::new(sources.len()));
    let summary = export::run(&sources, &options, &args.out, &|| progress.one("exported", String::new()))?;
    progress.end();
    summary.faults.iter().for_each(|fault| terminal::note(fault));
    let rows: Vec<String> = summary.rows.iter().map(|(name, n)| format!("{n} {name}")).collect();
    terminal::note(&format!(
        "{} sources, {} faults; rows: {}; {:.1} s; tables in {}",
        summary.sources,
        summary.faults.len(),
        rows.join(", "),
        clock.now().since(begun).as_secs_f64(),
        args.out.display()
    ));
    if summary.rows.values().all(|n| *n == 0) {
        bail!("no source could be read");
    }
    Ok(())
}
