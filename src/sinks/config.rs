//! `[sinks]` of the configuration.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secrets;

/// Where alerts go besides Kafka.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A message that its peer has refused so many times goes to the dead letters. While a peer
    /// cannot be reached a message waits for it and no try is counted.
    pub tries: u32,
    /// The first wait before a message is sent again, ms; then twice as long each time.
    pub backoff_millis: u64,
    /// The longest wait, s.
    pub backoff_max_secs: u64,
    /// A peer may take so many seconds to connect and to answer.
    pub timeout_secs: u64,
    /// An alert that has waited in Kafka for so many hours is told to nobody any more and goes to
    /// the dead letters; 0: never.
    pub max_age_hours: i64,
    /// Where the jitter of the waits is drawn from.
    pub seed: u64,
    /// A FHIR R4 server.
    pub fhir: Fhir,
    /// An HL7 v2 receiver (IHE PCD-04 over MLLP).
    pub hl7v2: Hl7v2,
    /// A webhook.
    pub webhook: Webhook,
    /// The stream of alerts on the HTTP server.
    pub stream: Stream,
    /// The CDS Hooks service on the HTTP server.
    pub cards: Cards,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tries: 10,
            backoff_millis: 500,
            backoff_max_secs: 30,
            timeout_secs: 10,
            max_age_hours: 24,
            seed: 0,
            fhir: Fhir::default(),
            hl7v2: Hl7v2::default(),
            webhook: Webhook::default(),
            stream: Stream::default(),
            cards: Cards::default(),
        }
    }
}

/// Where the machine keeps the authorities it trusts.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A FHIR R4 server.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fhir {
    /// The base address (`https://fhir.example/r4`), to which the transaction Bundles are posted;
    /// empty: none.
    pub url: String,
    /// A file with the token of `Authorization: Bearer`; empty: none.
    pub token_file: PathBuf,
    /// The authorities that the server's certificate is checked against, in PEM.
    pub authorities: PathBuf,
    /// The `system` of the identifier that names the patient.
    pub patient_system: String,
    /// The `system` of the identifier that names the encounter.
    pub encounter_system: String,
}

impl Default for Fhir {
    fn default() -> Self {
        Self {
            url: String::new(),
            token_file: PathBuf::new(),
            authorities: AUTHORITIES.into(),
            patient_system: "https://bedwatch.org/fhir/NamingSystem/patient".to_owned(),
            encounter_system: "https://bedwatch.org/fhir/NamingSystem/encounter".to_owned(),
        }
    }
}

/// An HL7 v2 receiver.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hl7v2 {
    /// `host:port` of the receiver; empty: none.
    pub address: String,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The authorities that its certificate is checked against, in PEM.
    pub authorities: PathBuf,
    /// Our certificate chain for mutual TLS, in PEM; empty: none is shown.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// MSH-3.
    pub sending_application: String,
    /// MSH-4.
    pub sending_facility: String,
    /// MSH-5.
    pub receiving_application: String,
    /// MSH-6.
    pub receiving_facility: String,
    /// The assigning authority of the patient ids (PID-3.4).
    pub authority: String,
}

impl Default for Hl7v2 {
    fn default() -> Self {
        Self {
            address: String::new(),
            tls: false,
            authorities: AUTHORITIES.into(),
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            sending_application: "BEDWATCH".to_owned(),
            sending_facility: "ICU".to_owned(),
            receiving_application: "ALERT_MANAGER".to_owned(),
            receiving_facility: "HOSPITAL".to_owned(),
            authority: "BEDWATCH".to_owned(),
        }
    }
}

/// A webhook.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Webhook {
    /// The address that alerts are posted to; empty: none.
    pub url: String,
    /// A file with the secret of the signature: `whsec_` and base64, at least 24 bytes (Standard
    /// Webhooks).
    pub secret_file: PathBuf,
    /// The authorities that the server's certificate is checked against, in PEM.
    pub authorities: PathBuf,
}

impl Default for Webhook {
    fn default() -> Self {
        Self { url: String::new(), secret_file: PathBuf::new(), authorities: AUTHORITIES.into() }
    }
}

/// The stream of alerts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Stream {
    /// Alerts kept for clients that come back with `Last-Event-ID`.
    pub history: usize,
    /// Clients at one time; one more is turned away (503).
    pub clients: usize,
}

impl Default for Stream {
    fn default() -> Self {
        Self { history: 10_000, clients: 64 }
    }
}

/// The CDS Hooks service.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cards {
    /// The `system` of the identifier in the prefetched Patient that is our patient id; empty:
    /// `context.patientId` is.
    pub identifier_system: String,
}

/// Why a sink does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an address.
    #[error("sinks.{0} is not an address; write it as {1}")]
    Address(&'static str, &'static str),
    /// A number out of its range.
    #[error("the configuration is refused: {0}")]
    Range(&'static str),
    /// A file that cannot be read.
    #[error("{0} cannot be read: {1}")]
    Read(PathBuf, std::io::Error),
    /// A secret that is not taken.
    #[error(transparent)]
    Secret(#[from] crate::secrets::Error),
    /// A file that is not what it should be.
    #[error("{0}: {1}")]
    Content(PathBuf, String),
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] bedwatch_ingest::kafka::Error),
}

impl Config {
    /// Checks the numbers.
    ///
    /// # Errors
    /// With the first that is out of its range.
    pub fn check(&self) -> Result<(), Error> {
        self.faults().into_iter().next().map_or(Ok(()), |why| Err(Error::Range(why)))
    }

    /// Everything that is out of its range.
    #[must_use]
    pub fn faults(&self) -> Vec<&'static str> {
        let ranges = [
            (self.tries >= 1, "sinks.tries must be at least 1"),
            ((1..=60_000).contains(&self.backoff_millis), "sinks.backoff_millis must be between 1 and 60000"),
            (
                (1..=3_600).contains(&self.backoff_max_secs),
                "sinks.backoff_max_secs must be between 1 and 3600",
            ),
            ((1..=600).contains(&self.timeout_secs), "sinks.timeout_secs must be between 1 and 600"),
            (self.max_age_hours >= 0, "sinks.max_age_hours must be at least 0"),
            (
                (1..=1_000_000).contains(&self.stream.history),
                "sinks.stream.history must be between 1 and 1000000",
            ),
            ((1..=10_000).contains(&self.stream.clients), "sinks.stream.clients must be between 1 and 10000"),
            (
                self.hl7v2.certificate.as_os_str().is_empty() == self.hl7v2.key.as_os_str().is_empty(),
                "sinks.hl7v2.key and sinks.hl7v2.certificate go together",
            ),
        ];
        ranges.into_iter().filter(|(holds, _)| !holds).map(|(_, why)| why).collect()
    }

    pub(super) const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_secs)
    }
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|e| Error::Read(path.to_owned(), e))
}

/// Reads a secret: one line of text.
pub(super) fn secret(path: &Path) -> Result<String, Error> {
    Ok(secrets::read(path)?.line()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert!(Config::default().check().is_ok());
        let changes: [fn(&mut Config); 6] = [
            |c| c.tries = 0,
            |c| c.backoff_millis = 0,
            |c| c.backoff_max_secs = 0,
            |c| c.timeout_secs = 0,
            |c| c.max_age_hours = -1,
            |c| c.stream.history = 0,
        ];
        for change in changes {
            let mut config = Config::default();
            change(&mut config);
            assert!(config.check().is_err());
        }
    }
}
