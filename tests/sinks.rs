//! Where alerts go: real receivers, cut off and back, a restart, a message nobody takes.

mod http;
mod opinions;
mod outage;
mod peers;
pub mod webhook;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bedwatch::{
    clock::{Clock, SystemClock},
    config::Config,
    metrics::Metrics,
    sinks::Sinks,
};
use bedwatch_alerts::render::samples;
use bedwatch_ingest::kafka::{
    Topics,
    embedded::Broker,
    headers::Headers,
    sink::{self, Sink},
};
use bedwatch_schemas::{
    alert::Alert,
    ids::{AlertId, PatientId},
};

/// Far longer than anything here takes, on a busy machine too.
pub const WAIT: Duration = Duration::from_secs(180);

/// A broker, and what a process with sinks shares.
pub struct Site {
    pub runtime: tokio::runtime::Runtime,
    pub broker: Broker,
    pub config: Config,
    pub clock: Arc<dyn Clock>,
    pub metrics: Metrics,
    producer: Sink,
}

impl Site {
    pub fn start(change: impl FnOnce(&mut Config)) -> Self {
        let topics = Topics::default();
        let broker = Broker::start(&topics, 2).unwrap();
        let mut config = Config::default();
        config.kafka.bootstrap = broker.bootstrap().to_owned();
        config.sinks.backoff_millis = 20;
        config.sinks.backoff_max_secs = 1;
        change(&mut config);
        let producer = Sink::connect(&sink::Config {
            bootstrap: config.kafka.bootstrap.clone(),
            topics,
            properties: Default::default(),
        })
        .unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self {
            runtime,
            broker,
            config,
            clock: Arc::new(SystemClock::default()),
            metrics: Metrics::new(),
            producer,
        }
    }

    /// Starts the sinks of the configuration.
    pub fn sinks(&self) -> Sinks {
        let _within = self.runtime.enter();
        Sinks::start(&self.config, &self.clock, self.metrics.registry()).unwrap()
    }

    /// Puts an alert into the topic, as the engine does.
    pub fn publish(&self, alert: &Alert) {
        self.put(alert.patient.as_str(), &serde_json::to_vec(alert).unwrap());
    }

    pub fn put(&self, key: &str, payload: &[u8]) {
        let topic = &self.config.kafka.topics.alerts;
        self.producer.send(topic, Some(key), payload, Headers::new(), None).unwrap();
    }

    /// Waits until something holds.
    pub fn until(&self, what: &str, holds: impl Fn() -> bool) {
        self.runtime.block_on(async {
            for _ in 0..WAIT.as_millis() / 10 {
                if holds() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            panic!("never: {what}\n{}", self.metrics.text());
        });
    }

    /// The value of a metric as it is written: `name{label="value"}`.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.text();
        text.lines().find_map(|l| l.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0)
    }
}

/// The samples as other patients' of a round.
pub fn ward(round: &str) -> Vec<Alert> {
    let mut all = samples::all();
    for alert in &mut all {
        alert.patient = PatientId::new(&format!("{round}-{}", alert.patient.as_str())).unwrap();
        alert.id = AlertId::of(&alert.patient, alert.kind, "", alert.onset);
        alert.feedback.clear();
    }
    all
}

/// The messages as receivers name them.
pub fn name(alert: &Alert) -> String {
    format!("{}/{}", alert.id, alert.sequence)
}

/// Nothing lost and nothing reordered: of each patient exactly what was published, in its order. A
/// repeat of the message before is allowed: at least once.
pub fn all_in_order(published: &[Alert], received: &[String]) {
    let patient: BTreeMap<String, &PatientId> = published.iter().map(|a| (name(a), &a.patient)).collect();
    let mut got: BTreeMap<&PatientId, Vec<&String>> = BTreeMap::new();
    for message in received {
        let of = got.entry(patient[message]).or_default();
        if of.last() != Some(&message) {
            of.push(message);
        }
    }
    let mut wanted: BTreeMap<&PatientId, Vec<String>> = BTreeMap::new();
    for alert in published {
        wanted.entry(&alert.patient).or_default().push(name(alert));
    }
    for (who, messages) in &wanted {
        let empty = Vec::new();
        let got: Vec<String> = got.get(who).unwrap_or(&empty).iter().map(|m| (*m).clone()).collect();
        assert_eq!(&got, messages);
    }
}
