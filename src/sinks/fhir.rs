//! The FHIR server: one transaction Bundle for each message.

use std::time::Duration;

use bedwatch_alerts::render::fhir::{Names, bundle};
use bedwatch_schemas::alert::Alert;

use super::{
    client::Client,
    config::{Error, Fhir, secret},
    delivery::{Peer, Trouble},
};

/// A server and what it is told with.
pub(super) struct Server {
    client: Client,
    names: Names,
    authorization: Option<String>,
}

impl Server {
    pub(super) fn new(config: &Fhir, timeout: Duration) -> Result<Self, Error> {
        let authorization = match config.token_file.as_os_str().is_empty() {
            true => None,
            false => Some(format!("Bearer {}", secret(&config.token_file)?)),
        };
        let base = config.url.trim_end_matches('/').to_owned();
        Ok(Self {
            client: Client::new("fhir.url", &base, &config.authorities, timeout)?,
            names: Names {
                base,
                patients: config.patient_system.clone(),
                encounters: config.encounter_system.clone(),
            },
            authorization,
        })
    }
}

impl Peer for Server {
    fn name(&self) -> &'static str {
        "fhir"
    }

    async fn send(&mut self, alert: &Alert) -> Result<(), Trouble> {
        let body = bundle(alert, &self.names);
        let mut headers = vec![
            ("content-type", "application/fhir+json; charset=utf-8"),
            ("accept", "application/fhir+json"),
        ];
        headers.extend(self.authorization.as_deref().map(|token| ("authorization", token)));
        self.client.post(&headers, body).await
    }
}
