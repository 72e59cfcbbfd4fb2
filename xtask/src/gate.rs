//! `cargo xtask test`: the gate, cheapest first, stopping at the first failure.

use crate::progress::{elapsed, say, step};
use crate::{command, places, setup, tidy};
use anyhow::Result;
use std::time::{Duration, Instant};

/// Runs every step; `args` go to `cargo test`.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let start = Instant::now();
    let mut gate = Gate::default();
    let library = gate.step("setup", || setup::run(setup::For::Test))?;
    gate.step("formatting", || command::run(command::cargo().args(["fmt", "--all", "--check"])))?;
    gate.step("lints", || {
        let mut clippy = command::cargo();
        clippy.args(["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"]);
        command::run(&mut clippy)
    })?;
    if command::works(command::cargo().args(["deny", "--version"])) {
        gate.step("licences", || {
            command::run(command::cargo().args(["deny", "check", "licenses", "bans", "sources"]))
        })?;
    } else {
        gate.skip(
            "licences",
            "cargo-deny is not installed; `cargo install cargo-deny --locked` takes minutes",
        );
    }
    gate.step("tidiness", || tidy::check(&places::root()).map(|summary| say(&summary)))?;
    gate.step("tests and doctests", || {
        let mut test = command::cargo();
        test.args(["test", "--release", "--workspace"]).args(args);
        test.env(setup::LIBRARY_VARIABLE, &library);
        // End-to-end tests start and stop a real Kafka with this program, without another cargo.
        test.env("BEDWATCH_XTASK", std::env::current_exe()?);
        command::run(&mut test)
    })?;
    say(&gate.summary(start.elapsed()));
    Ok(())
}

/// The steps that passed, with their times, and those that were skipped, without.
#[derive(Default)]
struct Gate {
    steps: Vec<(&'static str, Option<Duration>)>,
}

impl Gate {
    fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let value = step(name, work)?;
        self.steps.push((name, Some(start.elapsed())));
        Ok(value)
    }

    fn skip(&mut self, name: &'static str, why: &str) {
        say(&format!("{name}: SKIPPED ({why})"));
        self.steps.push((name, None));
    }

    fn summary(&self, total: Duration) -> String {
        let one = |(name, time): &(&str, Option<Duration>)| match time {
            Some(time) => format!("{name} {}", elapsed(*time)),
            None => format!("{name} SKIPPED"),
        };
        let steps: Vec<String> = self.steps.iter().map(one).collect();
        format!("test passed in {} ({})", elapsed(total), steps.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_every_step_and_what_was_skipped() {
        let mut gate = Gate { steps: vec![("lints", Some(Duration::from_secs(61)))] };
        gate.skip("licences", "a test");
        assert_eq!(
            gate.summary(Duration::from_secs(63)),
            "test passed in 1 min 03 s (lints 1 min 01 s; licences SKIPPED)"
        );
    }

    #[test]
    fn a_failed_step_stops_and_is_not_counted() {
        let mut gate = Gate::default();
        assert_eq!(gate.step("good", || Ok(7)).unwrap(), 7);
        let outcome: Result<()> = gate.step("bad", || anyhow::bail!("reason"));
        assert_eq!(outcome.unwrap_err().to_string(), "reason");
        assert_eq!(gate.steps.len(), 1);
    }
}
