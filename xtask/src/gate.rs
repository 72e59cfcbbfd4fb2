//! `cargo xtask test`: the gate, cheapest first, stopping at the first failure.

use crate::progress::{elapsed, say, step};
use crate::{command, places, setup, tidy};
use anyhow::Result;
use std::time::{Duration, Instant};

/// Runs every step; `args` go to `cargo test`.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let start = Instant::now();
    let mut times = Vec::new();
    let mut timed = |name: &'static str, work: &mut dyn FnMut() -> Result<()>| {
        let start = Instant::now();
        step(name, work)?;
        times.push((name, start.elapsed()));
        anyhow::Ok(())
    };
    let mut library = None;
    timed("setup", &mut || {
        library = Some(setup::run(setup::For::Test)?);
        Ok(())
    })?;
    timed("formatting", &mut || command::run(command::cargo().args(["fmt", "--all", "--check"])))?;
    timed("lints", &mut || {
        command::run(command::cargo().args([
            "clippy",
            "--release",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    timed("licences, bans, sources", &mut deny)?;
    timed("tidiness", &mut || tidy::check(&places::root()).map(|summary| say(&summary)))?;
    timed("tests and doctests", &mut || {
        let mut test = command::cargo();
        test.args(["test", "--release", "--workspace"]).args(args);
        if let Some(library) = &library {
            test.env(setup::LIBRARY_VARIABLE, library);
        }
        // End-to-end tests start and stop a real Kafka with this program, without another cargo.
        test.env("BEDWATCH_XTASK", std::env::current_exe()?);
        command::run(&mut test)
    })?;
    say(&summary(&times, start.elapsed()));
    Ok(())
}

fn deny() -> Result<()> {
    if !command::works(command::cargo().args(["deny", "--version"])) {
        say(
            "skipped `cargo deny check licenses bans sources`: cargo-deny is not installed (`cargo install cargo-deny --locked`)",
        );
        return Ok(());
    }
    command::run(command::cargo().args(["deny", "check", "licenses", "bans", "sources"]))
}

fn summary(times: &[(&str, Duration)], total: Duration) -> String {
    let steps: Vec<String> = times.iter().map(|(name, time)| format!("{name} {}", elapsed(*time))).collect();
    format!("test passed in {} ({})", elapsed(total), steps.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_every_step() {
        let times = [("formatting", Duration::from_secs(2)), ("lints", Duration::from_secs(61))];
        assert_eq!(
            summary(&times, Duration::from_secs(63)),
            "test passed in 1 min 03 s (formatting 2.0 s; lints 1 min 01 s)"
        );
    }
}
