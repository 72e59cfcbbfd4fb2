//! `[narrator]`: who puts alerts into words, and how long they may wait for it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use bedwatch_inference::backend::{breaker, openai};
use bedwatch_schemas::time::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{clock::Clock, secrets};

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The bundle named by `models.narrator`, in this process.
    #[default]
    Onnx,
    /// A language model on an OpenAI-compatible server.
    OpenAi,
}

/// The narrator.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Narrator {
    /// After the triggering sample the template speaks, ms.
    pub deadline_millis: i64,
    /// Jobs that may wait before the template speaks.
    pub queue: usize,
    /// `onnx`: the bundle named by `models.narrator`; `openai`: a server, by the keys below. Whoever
    /// writes, codes and never text or values of a patient are given, and the same checker judges.
    pub backend: Backend,
    /// `openai`: the server's base address with its version, `http://127.0.0.1:8000/v1`.
    pub url: String,
    /// `openai`: the model's name on that server; it stands in the alert as who wrote.
    pub model: String,
    /// `openai`: a file that holds the API key; empty: none is sent.
    pub api_key_file: PathBuf,
    /// `openai`: PEM certificates of the authorities trusted; wanted for https, no other is trusted.
    pub ca_file: PathBuf,
    /// `openai`: a call takes at most this long, ms.
    pub timeout_millis: u64,
    /// `openai`: after so many failures in a row the server is left alone ...
    pub breaker_failures: u32,
    /// ... for so long, s; then one call tries again.
    pub breaker_rest_secs: i64,
}

impl Default for Narrator {
    fn default() -> Self {
        Self {
            deadline_millis: 700,
            queue: 256,
            backend: Backend::Onnx,
            url: String::new(),
            model: String::new(),
            api_key_file: PathBuf::new(),
            ca_file: PathBuf::new(),
            timeout_millis: 600,
            breaker_failures: 3,
            breaker_rest_secs: 30,
        }
    }
}

impl Narrator {
    /// What is out of its range.
    pub(super) fn faults(&self) -> Vec<&'static str> {
        let server = self.backend == Backend::OpenAi;
        let ranges = [
            (self.deadline_millis >= 0, "narrator.deadline_millis must not be negative"),
            (
                (1..=60_000).contains(&self.timeout_millis),
                "narrator.timeout_millis must be between 1 and 60000",
            ),
            (self.breaker_failures >= 1, "narrator.breaker_failures must be at least 1"),
            (
                (1..=86_400).contains(&self.breaker_rest_secs),
                "narrator.breaker_rest_secs must be between 1 and 86400",
            ),
            (!server || !self.url.is_empty(), "narrator.url is wanted where narrator.backend is \"openai\""),
            (
                !server || !self.model.is_empty(),
                "narrator.model is wanted where narrator.backend is \"openai\"",
            ),
        ];
        ranges.into_iter().filter(|(holds, _)| !holds).map(|(_, why)| why).collect()
    }

    /// The backend over the server. It need not be up.
    ///
    /// # Errors
    /// When a file cannot be read or the address cannot work.
    pub fn server(&self, clock: Arc<dyn Clock>) -> anyhow::Result<openai::OpenAi> {
        let read = |path: &PathBuf| -> anyhow::Result<Option<Vec<u8>>> {
            if path.as_os_str().is_empty() {
                return Ok(None);
            }
            let bytes = std::fs::read(path);
            Ok(Some(bytes.with_context(|| format!("the narrator's file {} cannot be read", path.display()))?))
        };
        let key = match self.api_key_file.as_os_str().is_empty() {
            true => None,
            false => Some(secrets::read(&self.api_key_file)?.line()?),
        };
        let config = openai::Config {
            url: self.url.clone(),
            model: self.model.clone(),
            api_key: key,
            ca: read(&self.ca_file)?,
            timeout: Duration::from_millis(self.timeout_millis),
            breaker: breaker::Config {
                open_after: self.breaker_failures,
                rest: Span::secs(self.breaker_rest_secs),
            },
        };
        Ok(openai::OpenAi::new(config, Arc::new(move || clock.now()))?)
    }
}
