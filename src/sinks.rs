//! Where alerts go besides Kafka: a FHIR server, an HL7 v2 receiver, a webhook.
//!
//! Each sink reads `bedwatch.alerts` as a consumer group of its own and keeps its place there only
//! after its peer has accepted the message (ADR 15). So the topic is the queue: what was not
//! delivered when the process ended is delivered after the next start, no sink can hold up another
//! or the engine, and the order of a patient's messages is that of the topic. [`delivery`] is that
//! loop, the peers are [`fhir`], [`mllp`] and [`webhook`]; [`hub`] keeps what the HTTP server tells:
//! the stream of alerts and the open ones.

mod backoff;
mod client;
mod config;
mod counters;
mod delivery;
mod fhir;
pub mod hub;
mod mllp;
mod tls;
mod webhook;

use std::sync::Arc;

use bedwatch_ingest::kafka::follow::{self, Follower};
use prometheus::Registry;
use tokio::{sync::watch, task::JoinHandle};

pub use backoff::Backoff;
pub use config::{Cards, Config, Error, Fhir, Hl7v2, Stream, Webhook};
use counters::Counters;
use delivery::{Delivery, Peer};
pub use hub::Hub;

use crate::{clock::Clock, config::Config as Whole};

/// What the sinks would say of their files and addresses, by their keys; nothing is connected.
#[must_use]
pub fn offline(own: &Config, clock: &Arc<dyn Clock>) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    let mut look = |key, made: Result<(), Error>| faults.extend(made.err().map(|e| (key, e.to_string())));
    if !own.fhir.url.is_empty() {
        look("sinks.fhir", fhir::Server::new(&own.fhir, own.timeout()).map(|_| ()));
    }
    if !own.hl7v2.address.is_empty() {
        look("sinks.hl7v2", mllp::Receiver::new(&own.hl7v2, own.timeout()).map(|_| ()));
    }
    if !own.webhook.url.is_empty() {
        look("sinks.webhook", webhook::Hook::new(&own.webhook, own.timeout(), clock.clone()).map(|_| ()));
    }
    faults
}

/// The running sinks.
pub struct Sinks {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    names: Vec<&'static str>,
}

impl std::fmt::Debug for Sinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sinks").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Sinks {
    /// Starts one task for each sink that is configured, on the current runtime.
    ///
    /// # Errors
    /// When a file cannot be read, an address is none, or Kafka's properties are refused.
    pub fn start(config: &Whole, clock: &Arc<dyn Clock>, registry: &Registry) -> Result<Self, Error> {
        let mut sinks = Self { stop: watch::channel(false).0, tasks: Vec::new(), names: Vec::new() };
        let own = &config.sinks;
        own.check()?;
        if own.fhir.url.is_empty() && own.hl7v2.address.is_empty() && own.webhook.url.is_empty() {
            return Ok(sinks);
        }
        let counters = Counters::new(registry);
        if !own.fhir.url.is_empty() {
            sinks.run(fhir::Server::new(&own.fhir, own.timeout())?, config, clock, &counters)?;
        }
        if !own.hl7v2.address.is_empty() {
            sinks.run(mllp::Receiver::new(&own.hl7v2, own.timeout())?, config, clock, &counters)?;
        }
        if !own.webhook.url.is_empty() {
            let hook = webhook::Hook::new(&own.webhook, own.timeout(), clock.clone())?;
            sinks.run(hook, config, clock, &counters)?;
        }
        Ok(sinks)
    }

    fn run<P: Peer>(
        &mut self,
        peer: P,
        config: &Whole,
        clock: &Arc<dyn Clock>,
        counters: &Counters,
    ) -> Result<(), Error> {
        let name = peer.name();
        let follower = Follower::join(&follow::Config {
            bootstrap: config.kafka.bootstrap.clone(),
            topic: config.kafka.topics.alerts.clone(),
            group: format!("{}-sink-{name}", config.kafka.group),
            properties: config.kafka.properties.clone(),
        })?;
        let delivery = Delivery::new(peer, follower, config, clock.clone(), counters.of(name));
        self.names.push(name);
        self.tasks.push(tokio::spawn(delivery.run(self.stop.subscribe())));
        Ok(())
    }

    /// The sinks that run.
    #[must_use]
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// Ends them. A message under way is given up and comes again at the next start.
    pub async fn stop(self) {
        // Nobody listens where no sink runs.
        let _ = self.stop.send(true);
        for task in self.tasks {
            if task.await.is_err() {
                tracing::error!("a sink's task had ended in a panic");
            }
        }
    }
}
