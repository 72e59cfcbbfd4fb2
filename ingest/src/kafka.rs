//! The Kafka shell around the pure decoders: topics, the embedded broker, the source and the sink.
//!
//! Everything here talks to the network (or to the in-process broker, which speaks the same
//! protocol) and so stands outside the pure core. Properties and their meanings: librdkafka's
//! `CONFIGURATION.md`.

pub mod courier;
pub mod embedded;
pub mod follow;
pub mod gap;
pub mod headers;
pub mod properties;
pub mod sink;
pub mod source;

use bedwatch_schemas::event::Stream;
use rdkafka::{ClientConfig, error::KafkaError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use properties::Properties;

/// Why Kafka could not be reached or used. The texts are the client's own; they hold topic names
/// and error codes, never a message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client could not be made or asked: wrong properties, unknown host, no permission.
    #[error("kafka: {what}: {source}")]
    Client {
        /// What was being done.
        what: &'static str,
        /// The client's error.
        source: KafkaError,
    },
    /// A topic does not exist or has no partitions.
    #[error("kafka: the topic {0} does not exist; create it or set its name in [kafka.topics]")]
    NoTopic(String),
    /// Two inputs share one topic name.
    #[error("kafka: the topic {0} is named for more than one purpose")]
    SharedTopic(String),
    /// A thread of the shell could not be started.
    #[error("kafka: a thread could not be started")]
    Thread(#[source] std::io::Error),
    /// Some messages were refused for good.
    #[error("kafka: {0} messages could not be delivered")]
    Undelivered(u64),
}

impl Error {
    /// Whether the broker takes no message of this size: trying again is of no use.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        use rdkafka::error::RDKafkaErrorCode::{InvalidMessageSize, MessageSizeTooLarge};
        let Self::Client { source, .. } = self else { return false };
        matches!(source.rdkafka_error_code(), Some(MessageSizeTooLarge | InvalidMessageSize))
    }

    pub(crate) fn client(what: &'static str) -> impl Fn(KafkaError) -> Self {
        move |source| Self::of_client(what, source)
    }
}

/// The names of the topics (design, section 3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Topics {
    /// Raw ER7 bytes.
    pub hl7v2: String,
    /// FHIR R4 JSON.
    pub fhir: String,
    /// JSON numerics.
    pub vitals: String,
    /// Arrow IPC waveform blocks.
    pub waveforms: String,
    /// JSON glucose readings.
    pub cgm: String,
    /// Alerts.
    pub alerts: String,
    /// Feature frames.
    pub features: String,
    /// Risks.
    pub risks: String,
    /// Acknowledgements and labels: an input.
    pub feedback: String,
    /// The ledger of alerts that were withheld.
    pub withheld: String,
    /// Messages that could not be decoded whole.
    pub dead_letter: String,
    /// Snapshots.
    pub state: String,
}

impl Default for Topics {
    fn default() -> Self {
        Self::with_prefix("bedwatch")
    }
}

impl Topics {
    /// The default names with another word before the dot.
    #[must_use]
    pub fn with_prefix(prefix: &str) -> Self {
        let name = |tail: &str| format!("{prefix}.{tail}");
        Self {
            hl7v2: name("hl7v2"),
            fhir: name("fhir"),
            vitals: name("vitals"),
            waveforms: name("waveforms"),
            cgm: name("cgm"),
            alerts: name("alerts"),
            features: name("features"),
            risks: name("risks"),
            feedback: name("feedback"),
            withheld: name("withheld"),
            dead_letter: name("dead-letter"),
            state: name("state"),
        }
    }

    /// The topic of an input stream.
    #[must_use]
    pub fn input(&self, stream: Stream) -> &str {
        match stream {
            Stream::Hl7v2 => &self.hl7v2,
            Stream::Fhir => &self.fhir,
            Stream::Vitals => &self.vitals,
            Stream::Waveforms => &self.waveforms,
            Stream::Cgm => &self.cgm,
            Stream::Feedback => &self.feedback,
        }
    }

    /// The input stream of a topic; `None` for outputs and foreign topics.
    #[must_use]
    pub fn stream_of(&self, topic: &str) -> Option<Stream> {
        Stream::ALL.into_iter().find(|s| self.input(*s) == topic)
    }

    /// Every topic: the six inputs first, then the outputs.
    #[must_use]
    pub fn all(&self) -> [&str; 12] {
        [
            &self.hl7v2,
            &self.fhir,
            &self.vitals,
            &self.waveforms,
            &self.cgm,
            &self.feedback,
            &self.alerts,
            &self.withheld,
            &self.features,
            &self.risks,
            &self.dead_letter,
            &self.state,
        ]
    }

    /// Refuses one name for two purposes, which would feed outputs back as inputs.
    ///
    /// # Errors
    /// [`Error::SharedTopic`] with the first name that stands twice.
    pub fn check(&self) -> Result<(), Error> {
        let all = self.all();
        match all.iter().enumerate().find(|(i, name)| all[..*i].contains(name)) {
            Some((_, name)) => Err(Error::SharedTopic((*name).to_owned())),
            None => Ok(()),
        }
    }
}

/// A client configuration with the given properties; later ones win, so a site's own come last.
fn client_config(bootstrap: &str, ours: &[(&str, &str)], site: &Properties) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    for (key, value) in ours {
        config.set(*key, *value);
    }
    for (key, value) in &site.0 {
        config.set(key, value);
    }
    config
}

#[cfg(test)]
mod tests;
