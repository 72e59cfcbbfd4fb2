//! `bedwatch config check|default|columns`.

use std::path::PathBuf;

use anyhow::bail;
use clap::Subcommand;
use serde::Serialize;

use crate::{
    config::{Config, Problem, Severity},
    terminal,
};

mod columns;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Says everything that is wrong with a configuration and with what it names on this machine;
    /// nothing is connected. Ends with 1 where `run` would not start.
    Check {
        /// The file; without one, the defaults with the environment's overrides.
        file: Option<PathBuf>,
        /// Says it as one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Prints every key with its default and what it is for, as TOML.
    Default,
    /// Lists the columns that rules and features of the site may name, with unit and meaning.
    Columns(columns::Args),
}

/// What `config check --json` prints.
#[derive(Debug, Serialize)]
struct Verdict<'a> {
    stands: bool,
    hash: Option<String>,
    problems: &'a [Problem],
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Check { file, json } => check(file.as_ref(), *json),
        Command::Default => {
            terminal::result(Config::default_toml().trim_end());
            Ok(())
        }
        Command::Columns(args) => columns::run(args),
    }
}

fn check(file: Option<&PathBuf>, json: bool) -> anyhow::Result<()> {
    let (config, problems) = Config::examine(file.map(PathBuf::as_path), &super::environment()?)?;
    let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
    let hash = (errors == 0).then(|| config.hash());
    let name = file.map_or("the environment's configuration".into(), |f| f.display().to_string());
    if json {
        let verdict = Verdict { stands: errors == 0, hash: hash.clone(), problems: &problems };
        terminal::result(&serde_json::to_string(&verdict)?);
    } else {
        for problem in &problems {
            let severity = if problem.severity == Severity::Error { "error" } else { "warning" };
            terminal::result(&format!("{severity}: {problem}"));
        }
        if let Some(hash) = hash {
            terminal::result(&format!("{name} stands (hash {hash})"));
        }
    }
    match errors {
        0 => Ok(()),
        1 => bail!("{name} is refused for one thing"),
        n => bail!("{name} is refused for {n} things"),
    }
}
