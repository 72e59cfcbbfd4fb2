//! The configuration: one TOML file with documented defaults (`bedwatch config default` prints
//! them), environment overrides (`BEDWATCH__KAFKA__BOOTSTRAP=...`), unknown keys refused.

use std::{collections::BTreeMap, path::PathBuf};

use bedwatch_ingest::kafka::Topics;
use bedwatch_schemas::time::Span;
use serde::{Deserialize, Serialize};

use crate::{engine, narration};

mod narrator;

pub use narrator::{Backend, Narrator};

/// Everything configurable.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The broker and its topics.
    pub kafka: Kafka,
    /// The engine's pace.
    pub engine: Engine,
    /// Model bundles.
    pub models: Models,
    /// The narrator.
    pub narrator: Narrator,
    /// Where checkpoints go.
    pub state: State,
    /// HTTP.
    pub http: Http,
    /// Receivers of HL7 v2 and FHIR.
    pub gateway: crate::gateway::Config,
    /// Where alerts go besides Kafka.
    pub sinks: crate::sinks::Config,
    /// Decoders.
    pub ingest: bedwatch_ingest::decode::Config,
    /// Windows, lateness, scores.
    pub features: bedwatch_features::Config,
    /// The alert policy.
    pub alerts: bedwatch_alerts::Config,
}

/// The broker and its topics.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kafka {
    /// `host:port`, several with commas.
    pub bootstrap: String,
    /// The consumer group.
    pub group: String,
    /// With an instance id the partitions come from the consumer group (static membership), so that
    /// several instances share the beds; without one this instance reads all partitions.
    pub instance: Option<String>,
    /// Topic names.
    pub topics: Topics,
    /// librdkafka properties (security, quotas).
    pub properties: BTreeMap<String, String>,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap: "127.0.0.1:9092".to_owned(),
            group: "bedwatch".to_owned(),
            instance: None,
            topics: Topics::default(),
            properties: BTreeMap::new(),
        }
    }
}

/// The engine's pace.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Engine {
    /// Length of a cell of arrival time, ms.
    pub cell_millis: i64,
    /// How long after its end a cell waits for records under way, ms.
    pub grace_millis: i64,
    /// While catching up, how long a partition must have been silent to count as read to its end, ms.
    pub settle_millis: i64,
    /// The encoder runs at most this often for one patient, s.
    pub assess_every_secs: i64,
    /// Attributions computed for a model's alert.
    pub attributions: usize,
    /// A patient of whom nothing has been heard for so many hours, and no discharge, is forgotten.
    pub forget_after_hours: i64,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            cell_millis: 100,
            grace_millis: 30,
            settle_millis: 200,
            assess_every_secs: 10,
            attributions: 5,
            forget_after_hours: 72,
        }
    }
}

/// Model bundles.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Models {
    /// The folder of bundles; found beside the sources or the binary when empty.
    pub folder: PathBuf,
    /// The encoder's bundle; empty: rules only.
    pub encoder: String,
    /// The hospital whose certainty the encoder's bundle states; `any` where it is none of them.
    pub site: String,
    /// The fusion's bundle, which joins the encoder with EEG, beats, sensor glucose, minutes and events;
    /// empty: the hours alone. It must have been trained beside this encoder.
    pub fusion: String,
    /// The narrator's bundle; empty: template only.
    pub narrator: String,
    /// Absolute path of `libonnxruntime.so`; else `BEDWATCH_ONNXRUNTIME`, else the cache that
    /// `cargo xtask setup` fills.
    pub onnxruntime: PathBuf,
    /// `cpu` or `cuda`.
    pub provider: String,
}

impl Default for Models {
    fn default() -> Self {
        Self {
            folder: PathBuf::new(),
            encoder: "encoder-hourly-v2".to_owned(),
            site: "any".to_owned(),
            fusion: "fusion-v1".to_owned(),
            narrator: "narrator-v2".to_owned(),
            onnxruntime: PathBuf::new(),
            provider: "cpu".to_owned(),
        }
    }
}

/// Checkpoints.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    /// The folder of checkpoints; empty: none are written, and a start replays the topics.
    pub folder: PathBuf,
    /// A checkpoint is written at most this often, ms.
    pub every_millis: i64,
}

impl Default for State {
    fn default() -> Self {
        Self { folder: PathBuf::new(), every_millis: 10_000 }
    }
}

/// HTTP.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address of the ward page, metrics and health; empty: none. Only loopback is allowed: there
    /// is no authentication yet.
    pub listen: String,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8080".to_owned() }
    }
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("the configuration {0} cannot be read: {1}")]
    Read(PathBuf, std::io::Error),
    /// The text is not TOML or a key is unknown or of the wrong type.
    #[error("the configuration is refused: {0}")]
    Parse(String),
    /// A value is out of its range.
    #[error("the configuration is refused: {0}")]
    Range(&'static str),
    /// The gateway's part.
    #[error(transparent)]
    Gateway(#[from] crate::gateway::Error),
    /// The sinks' part.
    #[error(transparent)]
    Sinks(#[from] crate::sinks::Error),
}

const PREFIX: &str = "BEDWATCH__";

impl Config {
    /// Reads a file (or nothing) and the environment's overrides.
    ///
    /// # Errors
    /// When the file cannot be read, a key is unknown or a value out of range.
    pub fn load(
        file: Option<&std::path::Path>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path).map_err(|e| Error::Read(path.to_owned(), e))?,
            None => String::new(),
        };
        let mut table: toml::Table =
            text.parse().map_err(|e: toml::de::Error| Error::Parse(e.to_string()))?;
        for (key, value) in environment {
            if let Some(path) = key.strip_prefix(PREFIX) {
                overlay(&mut table, &path.to_ascii_lowercase(), value)?;
            }
        }
        let config: Self =
            table.try_into().map_err(|e: toml::de::Error| Error::Parse(e.message().to_owned()))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Error> {
        if !(10..=5_000).contains(&self.engine.cell_millis) {
            return Err(Error::Range("engine.cell_millis must be between 10 and 5000"));
        }
        if self.engine.grace_millis < 0 || self.engine.grace_millis > 5_000 {
            return Err(Error::Range("engine.grace_millis must be between 0 and 5000"));
        }
        if !(0..=60_000).contains(&self.engine.settle_millis) {
            return Err(Error::Range("engine.settle_millis must be between 0 and 60000"));
        }
        if self.engine.assess_every_secs < 1 {
            return Err(Error::Range("engine.assess_every_secs must be at least 1"));
        }
        if self.engine.forget_after_hours < 1 {
            return Err(Error::Range("engine.forget_after_hours must be at least 1"));
        }
        self.alerts.check().map_err(Error::Range)?;
        self.gateway.check()?;
        self.sinks.check()?;
        self.narrator.check()
    }

    /// The defaults as TOML.
    #[must_use]
    pub fn default_toml() -> String {
        toml::to_string_pretty(&Self::default()).expect("the defaults are plain data")
    }

    /// A short hash of what decides alerts: it goes into every alert.
    #[must_use]
    pub fn hash(&self) -> String {
        let decides = (
            &self.engine,
            &self.models.encoder,
            &self.models.site,
            &self.ingest,
            &self.features,
            &self.alerts,
        );
        let text = serde_json::to_string(&decides).expect("the configuration is plain data");
        blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
    }

    /// The core's part.
    #[must_use]
    pub fn core(&self) -> engine::core::Config {
        engine::core::Config {
            ingest: self.ingest.clone(),
            features: self.features,
            alerts: self.alerts.clone(),
            assess_every: Span::secs(self.engine.assess_every_secs),
            attributions: self.engine.attributions,
            forget_after: Span::hours(self.engine.forget_after_hours),
            hash: self.hash(),
        }
    }

    /// The merger's part.
    #[must_use]
    pub fn cut(&self) -> engine::cell::Cut {
        engine::cell::Cut {
            cell: Span::millis(self.engine.cell_millis),
            grace: Span::millis(self.engine.grace_millis),
            settle: Span::millis(self.engine.settle_millis),
            ..engine::cell::Cut::default()
        }
    }

    /// The narration's part.
    #[must_use]
    pub fn narration(&self) -> narration::Config {
        narration::Config {
            deadline: Span::millis(self.narrator.deadline_millis),
            capacity: self.narrator.queue,
        }
    }
}

/// Puts `a__b` = value over the table, as a TOML value where it is one, else as text.
fn overlay(table: &mut toml::Table, path: &str, value: &str) -> Result<(), Error> {
    let mut keys: Vec<&str> = path.split("__").collect();
    let last = keys.pop().unwrap_or_default();
    let mut at = table;
    for key in keys {
        let entry = at.entry(key).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        at = entry
            .as_table_mut()
            .ok_or_else(|| Error::Parse(format!("{PREFIX}{path}: {key} is not a section")))?;
    }
    let parsed = format!("v = {value}").parse::<toml::Table>().ok().and_then(|mut t| t.remove("v"));
    at.insert(last.to_owned(), parsed.unwrap_or_else(|| toml::Value::String(value.to_owned())));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> std::sync::Arc<dyn crate::clock::Clock> {
        std::sync::Arc::new(crate::clock::SystemClock::default())
    }

    #[test]
    fn the_printed_defaults_are_the_defaults() {
        let text = Config::default_toml();
        let again: Config = toml::from_str(&text).unwrap();
        assert_eq!(toml::to_string(&again).unwrap(), toml::to_string(&Config::default()).unwrap());
    }

    #[test]
    fn unknown_keys_and_bad_values_are_refused_and_the_environment_overrides() {
        let dir = std::env::temp_dir().join(format!("bedwatch-config-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("c.toml");
        std::fs::write(&file, "[kafka]\nbootstrap = 'a:1'\n").unwrap();
        let none = BTreeMap::new();
        assert_eq!(Config::load(Some(&file), &none).unwrap().kafka.bootstrap, "a:1");
        let env = BTreeMap::from([
            ("BEDWATCH__KAFKA__BOOTSTRAP".to_owned(), "b:2".to_owned()),
            ("BEDWATCH__ENGINE__CELL_MILLIS".to_owned(), "50".to_owned()),
        ]);
        let config = Config::load(Some(&file), &env).unwrap();
        assert_eq!((config.kafka.bootstrap.as_str(), config.engine.cell_millis), ("b:2", 50));
        std::fs::write(&file, "[kafka]\nbotstrap = 'a:1'\n").unwrap();
        let error = Config::load(Some(&file), &none).unwrap_err().to_string();
        assert!(error.contains("botstrap") && error.contains("bootstrap"), "{error}");
        for refused in [
            "[engine]\ncell_millis = 0\n",
            "[narrator]\nbackend = 'openai'\n",
            "[alerts.lifecycle]\nescalate_high_secs = -1\n",
            "[alerts.lifecycle]\nsnooze_max_minutes = 0\n",
            "[alerts.lifecycle]\nexpire_after_hours = -1\n",
            "[alerts.budget]\nunit_per_bed_per_12h = -0.5\n",
            "[alerts.budget]\nbed_per_day = 6\n",
            "[narrator]\nbackend = 'oracle'\n",
            "[narrator]\ntimeout_millis = 0\n",
            "[narrator]\nbreaker_failures = 0\n",
        ] {
            std::fs::write(&file, refused).unwrap();
            assert!(Config::load(Some(&file), &none).is_err(), "{refused}");
        }
        let server = "[narrator]\nbackend = 'openai'\nurl = 'http://127.0.0.1:8000/v1'\nmodel = 'm'\n";
        std::fs::write(&file, server).unwrap();
        Config::load(Some(&file), &none).unwrap().narrator.server(clock()).unwrap();
        for refused in ["url = 'https://host/v1'", "url = 'host'", "api_key_file = '/nowhere'"] {
            let key = refused.split(' ').next().unwrap();
            let lines: Vec<&str> = server.lines().filter(|l| !l.starts_with(key)).collect();
            std::fs::write(&file, format!("{}\n{refused}\n", lines.join("\n"))).unwrap();
            assert!(Config::load(Some(&file), &none).unwrap().narrator.server(clock()).is_err(), "{refused}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
