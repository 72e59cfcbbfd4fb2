//! What a report rests on: who asks "the same again?" compares these.

use std::{fs::File, io};

use anyhow::Context;
use bedwatch_schemas::risk::ModelRef;
use serde::Serialize;

use super::Outcome;

/// What is known before anything is read: the program, its settings, its models.
#[derive(Debug, Clone, Serialize)]
pub struct Rests {
    /// The engine's version.
    pub engine: &'static str,
    /// BLAKE3 of the program itself.
    pub engine_blake3: String,
    /// The hash of the configuration.
    pub config: String,
    /// The bundles in force.
    pub models: Vec<Model>,
}

/// Versions and hashes.
#[derive(Debug, Clone, Serialize)]
pub struct Versions {
    /// The program, its settings, its models.
    #[serde(flatten)]
    pub rests: Rests,
    /// BLAKE3 of what was read of every source, in their order.
    pub data: String,
}

/// A bundle.
#[derive(Debug, Clone, Serialize)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its manifest, which names the hash of each file.
    pub sha256: String,
}

impl Rests {
    /// Of this program with these bundles and its configuration's hash.
    ///
    /// # Errors
    /// When the program's own file cannot be read.
    pub fn new(bundles: Vec<(ModelRef, String)>, config: &str) -> anyhow::Result<Self> {
        let model = |(of, sha256): (ModelRef, String)| Model { name: of.name, version: of.version, sha256 };
        let mut own = blake3::Hasher::new();
        let program = std::env::current_exe().and_then(File::open);
        program
            .and_then(|mut file| io::copy(&mut file, &mut own))
            .context("the program's own file cannot be read")?;
        Ok(Self {
            engine: env!("CARGO_PKG_VERSION"),
            engine_blake3: own.finalize().to_hex().to_string(),
            config: config.to_owned(),
            models: bundles.into_iter().map(model).collect(),
        })
    }
}

impl Versions {
    /// With what was read.
    #[must_use]
    pub fn new(rests: Rests, outcomes: &[Outcome]) -> Self {
        Self { rests, data: data(outcomes) }
    }
}

/// BLAKE3 of what was read of every source.
#[must_use]
pub fn data(outcomes: &[Outcome]) -> String {
    let mut data = blake3::Hasher::new();
    for outcome in outcomes {
        data.update(outcome.name.as_bytes()).update(&[0]).update(&outcome.data);
    }
    data.finalize().to_hex().to_string()
}
