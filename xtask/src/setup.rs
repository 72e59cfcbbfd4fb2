//! `cargo xtask setup`: what a fresh machine lacks, installed and verified; a warm call takes
//! only as long as hashing the library.

use crate::{command, kafka, native, onnxruntime, peers, places, progress};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// The environment variable by which the engine finds the library.
pub(crate) const LIBRARY_VARIABLE: &str = "BEDWATCH_ONNXRUNTIME";

/// What the machine is made ready for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    Demo,
    Test,
}

/// Installs what is missing and returns the absolute path of the ONNX Runtime library. A library the
/// user names in `BEDWATCH_ONNXRUNTIME` is taken as it is: a GPU build has another hash.
pub(crate) fn run(purpose: For) -> Result<PathBuf> {
    let cache = places::cache()?;
    let given = std::env::var_os(LIBRARY_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cached = match given {
        Some(path) => Some(std::fs::canonicalize(&path).with_context(|| {
            format!(
                "{LIBRARY_VARIABLE} names {}, which does not exist; unset it to fetch the pinned library",
                path.display()
            )
        })?),
        None => onnxruntime::cached(&cache)?,
    };
    let mut needs = vec![native::BUILD];
    if cached.is_none() {
        needs.push(native::PIP);
    }
    if purpose == For::Test {
        needs.extend([native::KAFKA, native::KCAT, native::JDK, native::PIP]);
        rust_component("fmt", "rustfmt")?;
        rust_component("clippy", "clippy")?;
    }
    native::ensure(&needs)?;
    let library = match cached {
        Some(library) => library,
        None => onnxruntime::fetch(&cache)?,
    };
    if purpose == For::Test {
        kafka::prepare()?;
        peers::prepare()?;
    }
    progress::say(&format!("ONNX Runtime library: {}", library.display()));
    Ok(library)
}

fn rust_component(subcommand: &str, component: &str) -> Result<()> {
    if command::works(command::cargo().args([subcommand, "--version"])) {
        return Ok(());
    }
    progress::step(&format!("rustup component add {component}"), || {
        command::run(Command::new("rustup").args(["component", "add", component])).with_context(|| {
            format!("cargo {subcommand} is missing and rustup could not add it; install {component} by hand")
        })
    })
}
