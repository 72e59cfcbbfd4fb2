//! The configuration: one TOML file with documented defaults (`bedwatch config default` prints
//! them), environment overrides (`BEDWATCH__KAFKA__BOOTSTRAP=...`), unknown keys refused with the
//! nearest known one, secrets out of files ([`crate::secrets`]).
//!
//! [`read`] turns text and environment into a configuration and everything wrong with them,
//! [`offline`] looks at what it names: files, addresses, bundles.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use bedwatch_features::site;
use bedwatch_ingest::kafka::{Properties, Topics};
use bedwatch_schemas::time::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{engine, narration, secrets};

mod keys;
mod narrator;
mod offline;
mod problem;
mod read;
mod render;
mod research;

pub use narrator::{Backend, Narrator};
pub use problem::{Place, Problem, Problems, Severity};
pub use research::Research;

/// Everything configurable.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
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
    /// What leaves for research and training.
    pub research: Research,
    /// Everything told and said, kept as Parquet for `bedwatch query`.
    pub archive: crate::archive::Config,
    /// Decoders.
    pub ingest: bedwatch_ingest::decode::Config,
    /// Windows, lateness, scores.
    pub features: bedwatch_features::Config,
    /// The alert policy.
    pub alerts: bedwatch_alerts::Config,
}

/// The broker and its topics.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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
    /// librdkafka properties (security, quotas). Of a name that ends in `_file` the value is the path of
    /// a file that holds it: `"sasl.password_file"`, `"ssl.key.password_file"`.
    pub properties: Properties,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap: "127.0.0.1:9092".to_owned(),
            group: "bedwatch".to_owned(),
            instance: None,
            topics: Topics::default(),
            properties: Properties::default(),
        }
    }
}

/// The engine's pace.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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
    /// 0: the models are not asked why.
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
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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
    /// A candidate that `run` follows in silence beside what is in force, and compares.
    pub shadow: Candidate,
}

/// A candidate's bundles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Candidate {
    /// The candidate's encoder; empty: the one in force, where a fusion is named.
    pub encoder: String,
    /// The candidate's fusion, trained beside that encoder; empty: none. Both empty: no candidate.
    pub fusion: String,
    /// Steps that may wait for the candidate. Beyond them steps are skipped and counted, for nothing waits
    /// for a candidate.
    pub queue: usize,
}

impl Default for Candidate {
    fn default() -> Self {
        Self { encoder: String::new(), fusion: String::new(), queue: 1_024 }
    }
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
            shadow: Candidate::default(),
        }
    }
}

/// Checkpoints.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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
    /// Everything wrong with it.
    #[error("the configuration is refused: {0}")]
    Refused(Problems),
    /// A secret of Kafka's properties.
    #[error("kafka.properties.{0}: {1}")]
    Secret(String, secrets::Error),
}

impl Config {
    /// Reads a file (or nothing) and the environment's overrides, and the secrets of Kafka's properties
    /// from their files.
    ///
    /// # Errors
    /// When the file or a secret cannot be read, a key is unknown or a value refused: with all of them.
    pub fn load(file: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Self, Error> {
        let mut config = Self::unresolved(file, environment)?;
        config.kafka.properties = resolved(&config.kafka.properties)?;
        Ok(config)
    }

    fn unresolved(file: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Self, Error> {
        let read = read::read(&text(file)?, environment);
        match read.problems.is_empty() {
            true => Ok(read.config),
            false => Err(Error::Refused(Problems(read.problems))),
        }
    }

    /// The configuration of a file and the environment as far as it is understood, and everything that
    /// is wrong with it and with what it names on this machine. Nothing is connected.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn examine(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
    ) -> Result<(Self, Vec<Problem>), Error> {
        let read = read::read(&text(file)?, environment);
        let said: Vec<Option<String>> = read.problems.iter().map(|p| p.key.clone()).collect();
        // What is wrong as it stands has been said.
        let named = offline::problems(&read.config).into_iter();
        let named = named.filter(|found| found.key.is_none() || !said.contains(&found.key)).map(|found| {
            let place = found.key.as_ref().and_then(|key| read.places.get(key)).cloned();
            found.at(place)
        });
        let mut problems: Vec<Problem> = read.problems.into_iter().chain(named).collect();
        problems.sort();
        Ok((read.config, problems))
    }

    /// Values out of their ranges.
    fn ranges(&self) -> Vec<Problem> {
        let engine = &self.engine;
        let own = [
            ((10..=5_000).contains(&engine.cell_millis), "engine.cell_millis must be between 10 and 5000"),
            ((0..=5_000).contains(&engine.grace_millis), "engine.grace_millis must be between 0 and 5000"),
            (
                (0..=60_000).contains(&engine.settle_millis),
                "engine.settle_millis must be between 0 and 60000",
            ),
            (engine.assess_every_secs >= 1, "engine.assess_every_secs must be at least 1"),
            (engine.forget_after_hours >= 1, "engine.forget_after_hours must be at least 1"),
        ];
        let mut problems: Vec<Problem> =
            own.into_iter().filter(|(holds, _)| !holds).map(|(_, why)| Problem::range(why)).collect();
        problems.extend(self.alerts.check().err().map(Problem::range));
        let site = self.site().err();
        problems.extend(site.into_iter().flat_map(|e| e.0).map(|e| Problem::range(e.to_string())));
        problems.extend(self.gateway.faults().into_iter().map(|e| Problem::range(e.said())));
        problems.extend(self.sinks.faults().into_iter().map(Problem::range));
        problems.extend(self.research.faults().into_iter().map(Problem::range));
        problems.extend(self.archive.faults().into_iter().map(Problem::range));
        if !(1..=1_000_000).contains(&self.models.shadow.queue) {
            problems.push(Problem::range("models.shadow.queue must be between 1 and 1000000".to_owned()));
        }
        problems.extend(self.narrator.faults().into_iter().map(Problem::range));
        for (key, url) in [
            ("narrator.url", &self.narrator.url),
            ("sinks.fhir.url", &self.sinks.fhir.url),
            ("sinks.webhook.url", &self.sinks.webhook.url),
        ] {
            let host = url.split_once("://").and_then(|(_, rest)| rest.split(['/', '?']).next());
            if host.is_some_and(|host| host.contains('@')) {
                let why = format!(
                    "{key} names a user: credentials stand in a file of their own, not in an address"
                );
                problems.push(Problem::range(why));
            }
        }
        problems
    }

    /// The defaults as TOML.
    #[must_use]
    pub fn default_toml() -> String {
        render::defaults()
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

    /// What decides and words alerts as JSON: no place, no address and no secret is in it.
    #[must_use]
    pub fn deciding(&self) -> String {
        let m = &self.models;
        let decides = serde_json::json!({
            "engine": self.engine,
            "models": { "encoder": m.encoder, "site": m.site, "fusion": m.fusion, "narrator": m.narrator },
            "ingest": self.ingest,
            "features": self.features,
            "alerts": self.alerts,
        });
        serde_json::to_string_pretty(&decides).expect("the configuration is plain data") + "\n"
    }

    /// The site's features and rules, compiled.
    ///
    /// # Errors
    /// Everything that is wrong with them, each with its place.
    pub fn site(&self) -> Result<Option<site::Site>, site::Errors> {
        fn rule(r: &bedwatch_alerts::config::Rule) -> site::Rule<'_> {
            site::Rule {
                name: r.name,
                title: r.title(),
                when: &r.when,
                clears_when: r.clears_when.as_deref(),
            }
        }
        let rules: Vec<site::Rule<'_>> = self.alerts.rules.iter().map(rule).collect();
        site::Site::compile(&self.features.derived, &rules)
    }

    /// The core's part.
    ///
    /// # Errors
    /// When the site's features and rules do not compile, which [`Config::load`] has seen to.
    pub fn core(&self) -> Result<engine::core::Config, site::Errors> {
        Ok(engine::core::Config {
            ingest: self.ingest.clone(),
            features: self.features.clone(),
            alerts: self.alerts.clone(),
            site: self.site()?.map(Arc::new),
            assess_every: Span::secs(self.engine.assess_every_secs),
            attributions: self.engine.attributions,
            forget_after: Span::hours(self.engine.forget_after_hours),
            hash: self.hash(),
        })
    }

    /// The configuration with the candidate's models in place of those in force, which asks for no reasons
    /// and no words; `None` where there is no candidate.
    #[must_use]
    pub fn candidate(&self) -> Option<Self> {
        let Candidate { encoder, fusion, .. } = &self.models.shadow;
        if encoder.is_empty() && fusion.is_empty() {
            return None;
        }
        let mut candidate = self.clone();
        if !encoder.is_empty() {
            candidate.models.encoder.clone_from(encoder);
        }
        candidate.models.fusion.clone_from(fusion);
        candidate.models.narrator = String::new();
        candidate.narrator.backend = Backend::Onnx;
        candidate.engine.attributions = 0;
        Some(candidate)
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

fn text(file: Option<&Path>) -> Result<String, Error> {
    match file {
        Some(path) => std::fs::read_to_string(path).map_err(|e| Error::Read(path.to_owned(), e)),
        None => Ok(String::new()),
    }
}

/// The properties with the content of the files that some are given by.
fn resolved(given: &Properties) -> Result<Properties, Error> {
    use bedwatch_ingest::kafka::properties::FILE;
    let plain = given.0.iter().filter(|(name, _)| !name.ends_with(FILE));
    let mut all: BTreeMap<String, String> = plain.map(|(k, v)| (k.clone(), v.clone())).collect();
    for (name, path) in given.files() {
        let secret = secrets::read(Path::new(path)).and_then(|secret| secret.line());
        let secret = secret.map_err(|e| Error::Secret(format!("{name}{FILE}"), e))?;
        all.insert(name.to_owned(), secret);
    }
    Ok(Properties(all))
}

#[cfg(test)]
mod tests;
