//! What a report rests on: who asks "the same again?" compares these.

use serde::Serialize;

use super::Outcome;

/// Versions and hashes.
#[derive(Debug, Clone, Serialize)]
pub struct Versions {
    /// The engine's.
    pub engine: &'static str,
    /// The hash of the configuration.
    pub config: String,
    /// The bundles in force.
    pub models: Vec<Model>,
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

impl Versions {
    /// Of this engine with these bundles, its configuration's hash and what it read.
    #[must_use]
    pub fn new(
        bundles: Vec<(bedwatch_schemas::risk::ModelRef, String)>,
        config: &str,
        outcomes: &[Outcome],
    ) -> Self {
        let mut data = blake3::Hasher::new();
        for outcome in outcomes {
            data.update(outcome.name.as_bytes()).update(&[0]).update(&outcome.data);
        }
        let model = |(of, sha256): (bedwatch_schemas::risk::ModelRef, String)| Model {
            name: of.name,
            version: of.version,
            sha256,
        };
        Self {
            engine: env!("CARGO_PKG_VERSION"),
            config: config.to_owned(),
            models: bundles.into_iter().map(model).collect(),
            data: data.finalize().to_hex().to_string(),
        }
    }
}
