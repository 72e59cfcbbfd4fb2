//! `bedwatch replay --verify RUN`: decides a recorded run again and compares every alert.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use bedwatch_schemas::alert::Alert;

use super::Args;
use crate::{
    replay::{self, Options, Outcome, Source, verify},
    terminal,
};

/// What is replayed: the given paths, or the recording that lies in the run's folder.
pub(super) fn paths(args: &Args, run: &Path) -> Vec<PathBuf> {
    if args.paths.is_empty() { vec![run.to_owned()] } else { args.paths.clone() }
}

pub(super) fn run(args: &Args, run: &Path, sources: &[Source], options: &Options) -> anyhow::Result<()> {
    let recorded = alerts(&run.join("alerts.ndjson"))?;
    let ours = &options.core.hash;
    if let Some(other) = recorded.iter().find(|a| a.config != *ours) {
        bail!(
            "the run was decided with configuration {} and this is {ours}; give its own with --config",
            other.config
        );
    }
    let moments = verify::Moments::new(&recorded);
    let progress = super::Progress::new(sources.len());
    let outcomes = replay::run_with(
        sources,
        options,
        &|outcome: &Outcome| progress.one("replayed", format!("{} alerts in the last", outcome.alerts.len())),
        &|_, output| Some(moments.tell(output, &options.models.writer)),
    )?;
    progress.end();
    let mut replayed: Vec<&Alert> = outcomes.iter().flat_map(|o| &o.alerts).collect();
    replay::sort(&mut replayed);
    let until = outcomes.iter().filter_map(|o| o.span).map(|(_, last)| last).max();
    let verdict = verify::compare(&recorded, &replayed, until)?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("{} cannot be made", args.out.display()))?;
    replay::write_lines(&replayed, &args.out.join("alerts.ndjson"))?;
    let json = serde_json::to_string_pretty(&verdict)? + "\n";
    std::fs::write(args.out.join("verify.json"), json)?;
    if args.json {
        terminal::result(&serde_json::to_string(&verdict)?);
    }
    if !verdict.same {
        bail!("{}; all stand in {}", verdict.sentence(), args.out.join("verify.json").display());
    }
    terminal::note(&verdict.sentence());
    Ok(())
}

fn alerts(path: &Path) -> anyhow::Result<Vec<Alert>> {
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut alerts = Vec::new();
    for (i, line) in BufReader::new(file).lines().enumerate() {
        let alert = serde_json::from_str(&line?);
        alerts.push(alert.with_context(|| format!("line {} of {} is no alert", i + 1, path.display()))?);
    }
    replay::sort(&mut alerts);
    Ok(alerts)
}
