//! `cargo xtask demo`: from a fresh machine to a watched ward.

use crate::{command, progress, setup};
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Sets up, builds, and becomes `bedwatch demo`, so that signals and the exit code are its own.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let start = Instant::now();
    let library = progress::step("setup", || setup::run(setup::For::Demo))?;
    progress::step("build bedwatch in release (minutes on a first run)", || {
        command::run(command::cargo().args([
            "build",
            "--release",
            "--package",
            "bedwatch",
            "--bin",
            "bedwatch",
        ]))
    })?;
    let program = built_program()?;
    progress::say(&format!(
        "ready in {}; starting `bedwatch demo {}`",
        progress::elapsed(start.elapsed()),
        args.join(" ")
    ));
    let error = Command::new(&program).arg("demo").args(args).env(setup::LIBRARY_VARIABLE, library).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}

/// Beside this program: the alias builds xtask in release too, so both lie in one folder wherever
/// CARGO_TARGET_DIR or a configuration file puts it.
fn built_program() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the path of xtask")?;
    let beside = own.with_file_name("bedwatch");
    if own.parent().is_some_and(|folder| folder.ends_with("release")) && beside.is_file() {
        return Ok(beside);
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| crate::places::root().join("target"), PathBuf::from);
    std::path::absolute(target.join("release/bedwatch")).context("cannot resolve the target folder")
}
