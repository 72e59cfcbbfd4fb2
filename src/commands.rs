//! The command line (design, section 10): a contract, scripts depend on it.
//!
//! Exit codes: 0 done, 1 failed, 2 usage.

mod compare;
mod config;
mod demo;
mod evidence;
mod features;
mod feedback;
mod gateway;
mod models;
mod query;
mod record;
mod replay;
mod run;
mod simulate;

use std::{path::PathBuf, process::ExitCode};

use bedwatch_schemas::time::Span;
use clap::{Parser, Subcommand};

use crate::terminal;

/// Streaming bedside monitoring. Research software and an adjunct: never the primary alarm.
#[derive(Debug, Parser)]
#[command(name = "bedwatch", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// An ICU to watch: simulated ward, in-process broker, engine and ward page.
    Demo(demo::Args),
    /// Live against Kafka.
    Run(run::Args),
    /// HL7 v2 over MLLP and FHIR over HTTP into Kafka.
    Gateway(gateway::Args),
    /// Historical records through the same engine.
    Replay(replay::Args),
    /// What Kafka holds, as a recording for replay.
    Record(record::Args),
    /// Two replays of the same records: what changed, and whether to promote.
    Compare(compare::Args),
    /// Questions to an archive, in SQL or ready.
    Query(query::Args),
    /// The ward simulator, into Kafka or a folder.
    Simulate(simulate::Args),
    /// Model bundles: list, verify, card.
    #[command(subcommand)]
    Models(models::Command),
    /// Training tables out of records, by the engine itself.
    #[command(subcommand)]
    Features(features::Command),
    /// Evidence for the narrator: what it would be asked, and how well it answers.
    #[command(subcommand)]
    Evidence(evidence::Command),
    /// What people said of alerts, for training.
    #[command(subcommand)]
    Feedback(feedback::Command),
    /// The configuration: check a file, or print the defaults.
    #[command(subcommand)]
    Config(config::Command),
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("BEDWATCH_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,ort=error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let done = match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Gateway(args) => gateway::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Models(command) => models::run(&command),
        Command::Features(command) => features::run(&command),
        Command::Evidence(command) => evidence::run(&command),
        Command::Feedback(command) => feedback::run(&command),
        Command::Config(command) => config::run(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::note(&format!("bedwatch: {}", sentence(&error)));
            ExitCode::FAILURE
        }
    }
}

/// One sentence out of an error and its causes; a cause that its error already quotes is not said
/// again.
fn sentence(error: &anyhow::Error) -> String {
    let mut whole = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if whole.is_empty() {
            whole = cause;
        } else if !whole.contains(&cause) {
            whole = format!("{whole}: {cause}");
        }
    }
    whole
}

/// Reads a duration such as `90s`, `10m`, `24h`, `2d`.
pub(crate) fn duration(text: &str) -> Result<Span, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let n: i64 =
        digits.parse().map_err(|_| format!("{text} is not a duration; write 90s, 10m, 24h or 2d"))?;
    let secs = match unit {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(format!("{text} is not a duration; write 90s, 10m, 24h or 2d")),
    };
    n.checked_mul(secs)
        .filter(|s| *s < 10_i64.pow(9))
        .map(Span::secs)
        .ok_or_else(|| format!("{text} is too long"))
}

/// The configuration file and the environment's overrides.
fn load_config(file: Option<&PathBuf>) -> anyhow::Result<crate::config::Config> {
    Ok(crate::config::Config::load(file.map(PathBuf::as_path), &environment()?)?)
}

/// How many threads to use where nobody says.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Our variables of the environment.
fn environment() -> anyhow::Result<std::collections::BTreeMap<String, String>> {
    let named = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v)));
    let ours = named.filter(|(k, _)| k.starts_with("BEDWATCH_"));
    ours.map(|(k, v)| match v.into_string() {
        Ok(v) => Ok((k, v)),
        Err(_) => anyhow::bail!("the environment variable {k} is not UTF-8"),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_not_said_twice() {
        let error = anyhow::anyhow!("refused").context("reading x: refused").context("no answer");
        assert_eq!(sentence(&error), "no answer: reading x: refused");
    }

    #[test]
    fn the_command_line_is_sound_and_durations_parse() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
        assert_eq!(duration("90s"), Ok(Span::secs(90)));
        assert_eq!(duration("2d"), Ok(Span::hours(48)));
        assert!(duration("x").is_err() && duration("5y").is_err() && duration("99999999999d").is_err());
    }
}
