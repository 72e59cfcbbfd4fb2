//! The gateway: HL7 v2 over MLLP and FHIR over HTTP into Kafka.
//!
//! A sender hears that its message is accepted when the broker has it (`acks=all`) and not before;
//! then it may forget it. A message that cannot be used is refused with its place and goes to the
//! dead letters; one that cannot be kept because the broker is away is refused as a matter of time,
//! and the sender keeps it. Nothing is held here: there is no disk, and every queue is bounded.
//!
//! Each record's key is its patient: the number in the message, or the keyed hash of it where the
//! site gives a secret.

mod config;
mod counters;
mod fhir;
mod intake;
mod mllp;
mod peer;
mod tls;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bedwatch_ingest::{
    kafka::courier::{self, Courier},
    pseudonym::Pseudonyms,
};
use tokio_util::sync::CancellationToken;

pub use config::{Config, Error, Fhir, Mllp, Tls};
pub use counters::Counters;

use crate::{clock::Clock, secrets};
use intake::Intake;

/// How long the broker may take to name its topics at the start.
const START_LIMIT: Duration = Duration::from_secs(10);

/// What the gateway would say of the files it would read, by their keys; nothing listens.
#[must_use]
pub fn offline(config: &Config) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    let mut look = |key, result: Result<(), String>| faults.extend(result.err().map(|why| (key, why)));
    if let Err(error) = config.tls.acceptor() {
        look("gateway.tls", Err(error.to_string()));
    }
    if !config.pseudonym_secret_file.as_os_str().is_empty() {
        let secret = secrets::read(&config.pseudonym_secret_file).map_err(|e| e.to_string());
        let made = secret.and_then(|s| Pseudonyms::new(s.bytes()).map_err(|e| e.to_string()));
        look("gateway.pseudonym_secret_file", made.map(|_| ()));
    }
    if !config.fhir.token_file.as_os_str().is_empty() {
        let token = config::token(&config.fhir.token_file);
        look("gateway.fhir.token_file", token.map(|_| ()).map_err(|e| e.said()));
    }
    faults
}

/// A gateway at work.
#[derive(Debug)]
pub struct Gateway {
    /// Where MLLP is listened to.
    pub mllp: Option<SocketAddr>,
    /// Where FHIR is listened to.
    pub fhir: Option<SocketAddr>,
    /// Its counts.
    pub counters: Arc<Counters>,
    reachable: Arc<AtomicBool>,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Gateway {
    /// Reaches Kafka, binds the addresses and begins to listen. `metrics` is where its counts appear.
    ///
    /// # Errors
    /// When the configuration is refused, a certificate or secret cannot be read, the broker does not
    /// answer or lacks a topic, or an address cannot be bound.
    pub async fn start(
        config: &crate::config::Config,
        clock: Arc<dyn Clock>,
        metrics: &prometheus::Registry,
    ) -> anyhow::Result<Self> {
        let own = &config.gateway;
        own.check()?;
        let courier = Courier::connect(&courier::Config {
            bootstrap: config.kafka.bootstrap.clone(),
            topics: config.kafka.topics.clone(),
            properties: config.kafka.properties.clone(),
            timeout: Duration::from_secs(own.kafka_timeout_secs),
        })?;
        let courier = Arc::new(courier);
        let asked = courier.clone();
        tokio::task::spawn_blocking(move || asked.check(START_LIMIT)).await??;
        let pseudonyms = match &own.pseudonym_secret_file {
            path if path.as_os_str().is_empty() => None,
            path => Some(Pseudonyms::new(secrets::read(path)?.bytes())?),
        };
        let counters = Arc::new(Counters::new(metrics));
        let intake = Arc::new(Intake::new(courier, config, pseudonyms, clock, counters.clone()));
        let acceptor = own.tls.acceptor()?;
        let stop = CancellationToken::new();
        let (mut tasks, mut mllp, mut fhir) = (Vec::new(), None, None);
        if let Some(address) = own.mllp.address()? {
            let door = peer::Door::bind(
                peer::Settings {
                    protocol: "mllp",
                    address,
                    acceptor: acceptor.clone(),
                    connections: own.mllp.connections,
                    handshake: Duration::from_secs(own.mllp.frame_timeout_secs),
                },
                counters.clone(),
            )
            .await?;
            mllp = Some(door.address());
            let server = mllp::Server::new(own.mllp.clone(), intake.clone(), counters.clone());
            tasks.push(tokio::spawn(server.run(door, stop.clone())));
        }
        if let Some(address) = own.fhir.address()? {
            let door = peer::Door::bind(
                peer::Settings {
                    protocol: "fhir",
                    address,
                    acceptor,
                    connections: own.fhir.connections,
                    handshake: Duration::from_secs(own.fhir.request_timeout_secs),
                },
                counters.clone(),
            )
            .await?;
            fhir = Some(door.address());
            let token = match &own.fhir.token_file {
                path if path.as_os_str().is_empty() => None,
                path => Some(config::token(path)?),
            };
            let server = fhir::Receiver::new(
                own.fhir.clone(),
                intake.clone(),
                counters.clone(),
                token.as_deref(),
                config.sinks.fhir.patient_system.clone(),
            );
            tasks.push(tokio::spawn(server.run(door, stop.clone())));
        }
        let reachable = intake.reachable();
        Ok(Self { mllp, fhir, counters, reachable, stop, tasks })
    }

    /// Says why the gateway is not ready, if it is not: the last message was not kept.
    #[must_use]
    pub fn readiness(&self) -> Arc<dyn Fn() -> Option<&'static str> + Send + Sync> {
        let reachable = self.reachable.clone();
        Arc::new(move || {
            (!reachable.load(Ordering::Relaxed)).then_some("Kafka did not keep the last message\n")
        })
    }

    /// Stops listening, lets what was taken be answered, and ends.
    pub async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a part of the gateway did not end well");
            }
        }
    }
}
