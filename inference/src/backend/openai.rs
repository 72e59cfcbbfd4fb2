//! A language model behind an OpenAI-compatible server (`POST {url}/chat/completions`: vLLM,
//! llama.cpp, Ollama, TGI), as a hospital may run it beside the engine.
//!
//! - The prompt holds codes only ([`super::message`]); the reply must be slot text, is printed from
//!   the evidence ([`super::slots`]) and judged by the checker as any other.
//! - A call runs on a thread of its own for at most `timeout`; the caller waits for it no longer than
//!   `cancel` lets it. At most [`MAX_CALLS`] are under way.
//! - Every outcome goes to a [`Breaker`], also of calls nobody waited for.
//! - Redirects are not followed, no proxy is taken from the environment, a reply is read to
//!   [`MAX_REPLY_BYTES`] and no further. With `https` only the authorities of `ca_file` are trusted.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use bedwatch_schemas::{rationale::TemplateReason, risk::ModelRef, time::ArrivalTime};
use serde::{Deserialize, Serialize};
use ureq::{
    Agent,
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

use super::{
    Backend, Failure,
    breaker::{self, Breaker},
    message::{INSTRUCTION, message},
    slots,
};
use crate::{lexicon::Lexicon, writer::Request};

/// Calls under way at once, those included that nobody waits for any more.
pub const MAX_CALLS: usize = 4;
/// Bytes of a reply that are read; a rationale is some hundred.
pub const MAX_REPLY_BYTES: u64 = 256 * 1024;
/// Tokens asked for: sixty words and their slots in any tokenizer.
const MAX_TOKENS: u32 = 200;
/// How often a waiting caller asks whether it should still wait.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// Where the time of the breaker comes from.
pub type Now = Arc<dyn Fn() -> ArrivalTime + Send + Sync>;

/// How a server is reached.
#[derive(Clone)]
pub struct Config {
    /// Its base address, with the version: `http://127.0.0.1:8000/v1`.
    pub url: String,
    /// The model's name there.
    pub model: String,
    /// Sent as bearer token.
    pub api_key: Option<String>,
    /// PEM certificates of the authorities trusted; wanted for `https`.
    pub ca: Option<Vec<u8>>,
    /// A call takes at most this long, connecting and reading included.
    pub timeout: Duration,
    /// When calls are stopped for a while.
    pub breaker: breaker::Config,
}

/// Why a server cannot be used at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address is none.
    #[error("the narrator's url must begin with http:// or https:// and name a host")]
    Url,
    /// The model has no name.
    #[error("the narrator's model must be named")]
    Model,
    /// There is nobody to trust.
    #[error("an https narrator needs ca_file: the PEM certificates of the authorities to trust")]
    Authority,
    /// The certificates cannot be read.
    #[error("the narrator's ca_file holds no readable PEM certificate")]
    Certificate,
    /// The key has characters no header may hold.
    #[error("the narrator's api key holds characters that cannot be sent")]
    Key,
    /// No call could end.
    #[error("the narrator's timeout must be longer than nothing")]
    Timeout,
}

/// A model on a server.
pub struct OpenAi {
    model: ModelRef,
    lexicon: Lexicon,
    server: Arc<Server>,
}

/// What the calls share.
struct Server {
    agent: Agent,
    endpoint: String,
    model: String,
    authorization: Option<String>,
    breaker: Mutex<Breaker>,
    under_way: AtomicUsize,
    now: Now,
}

impl std::fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAi").field("model", &self.model).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Ask<'a> {
    model: &'a str,
    messages: [Said<'a>; 2],
    temperature: f32,
    seed: u32,
    max_tokens: u32,
    stream: bool,
}

#[derive(Serialize)]
struct Said<'a> {
    role: &'a str,
    content: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Content,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    content: Option<String>,
}

impl OpenAi {
    /// A backend over a server. Nothing is sent yet: a server that is not up is no reason not to start.
    ///
    /// # Errors
    /// When the configuration cannot work.
    pub fn new(config: Config, now: Now) -> Result<Self, Error> {
        let rest = config.url.strip_prefix("http://").or_else(|| config.url.strip_prefix("https://"));
        if !rest.is_some_and(|r| r.starts_with(|c: char| c.is_alphanumeric() || c == '[')) {
            return Err(Error::Url);
        }
        if config.model.trim().is_empty() {
            return Err(Error::Model);
        }
        if config.timeout.is_zero() {
            return Err(Error::Timeout);
        }
        let key = config.api_key.as_deref().map(str::trim);
        if key.is_some_and(|k| k.is_empty() || !k.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(Error::Key);
        }
        let mut builder = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_global(Some(config.timeout))
            .max_idle_age(Duration::from_secs(10))
            .user_agent("bedwatch");
        if config.url.starts_with("https://") {
            let pem = config.ca.as_deref().ok_or(Error::Authority)?;
            builder = builder.https_only(true).tls_config(tls(pem)?);
        }
        let server = Server {
            agent: builder.build().new_agent(),
            endpoint: format!("{}/chat/completions", config.url.trim_end_matches('/')),
            model: config.model.clone(),
            authorization: key.map(|k| format!("Bearer {k}")),
            breaker: Mutex::new(Breaker::new(config.breaker)),
            under_way: AtomicUsize::new(0),
            now,
        };
        let model = ModelRef { name: config.model, version: "server".to_owned() };
        Ok(Self { model, lexicon: Lexicon::built_in(), server: Arc::new(server) })
    }

    /// Whether the breaker is refusing calls.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.server.breaker().is_open()
    }
}

/// Trust in these authorities and no other.
fn tls(pem: &[u8]) -> Result<TlsConfig, Error> {
    let roots: Vec<Certificate<'static>> = parse_pem(pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(c)) => Some(Ok(c)),
            Ok(_) => None,
            Err(_) => Some(Err(Error::Certificate)),
        })
        .collect::<Result<_, _>>()?;
    if roots.is_empty() {
        return Err(Error::Certificate);
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build())
}

impl Backend for OpenAi {
    fn model(&self) -> &ModelRef {
        &self.model
    }

    fn lexicon(&self) -> &Lexicon {
        &self.lexicon
    }

    fn narrate(&self, request: &Request<'_>, cancel: &dyn Fn() -> bool) -> Result<String, Failure> {
        let message = message(request)
            .ok_or_else(|| Failure::new(TemplateReason::ModelFailed, "the alert has no fact to tell"))?;
        if cancel() {
            return Err(cancelled());
        }
        let text = self.server.clone().ask(&message.text, cancel)?;
        slots::print(&text, &message.facts, request.evidence).map_err(|e| {
            Failure::new(TemplateReason::BackendReply, format!("the reply is no slot text: {e}"))
        })
    }
}

fn cancelled() -> Failure {
    Failure::new(TemplateReason::Deadline, "the deadline came before the server's reply")
}

/// One of the calls under way; gives its place back when dropped.
struct Place(Arc<Server>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Server {
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text of the reply, as the server gave it.
    fn ask(self: Arc<Self>, message: &str, cancel: &dyn Fn() -> bool) -> Result<String, Failure> {
        let place = self.place().ok_or_else(|| {
            Failure::new(TemplateReason::BackendBusy, "calls to the server are still under way")
        })?;
        if !self.breaker().admits((self.now)()) {
            return Err(Failure::new(
                TemplateReason::BackendOpen,
                "the server failed before and is left alone",
            ));
        }
        let ask = Ask {
            model: &self.model,
            messages: [
                Said { role: "system", content: INSTRUCTION },
                Said { role: "user", content: message },
            ],
            temperature: 0.0,
            seed: 0,
            max_tokens: MAX_TOKENS,
            stream: false,
        };
        let body = serde_json::to_vec(&ask).expect("plain data is JSON");
        let (tell, told) = mpsc::sync_channel(1);
        let server = self.clone();
        let call = move || {
            // A call that died must not leave the breaker waiting for its outcome.
            let result = std::panic::catch_unwind(AssertUnwindSafe(|| server.call(&body)))
                .unwrap_or_else(|_| Err(Failure::new(TemplateReason::ModelFailed, "the call died")));
            let now = (server.now)();
            match &result {
                Ok(_) => server.breaker().succeeded(),
                Err(_) => server.breaker().failed(now),
            }
            drop(place);
            // Nobody may be waiting any more.
            let _ = tell.send(result);
        };
        if let Err(e) = std::thread::Builder::new().name("narrator-call".to_owned()).spawn(call) {
            self.breaker().not_made((self.now)());
            return Err(Failure::new(TemplateReason::ModelFailed, format!("no thread for the call: {e}")));
        }
        loop {
            match told.recv_timeout(ASK_EVERY) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Timeout) if cancel() => return Err(cancelled()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new(TemplateReason::ModelFailed, "the call ended without a result"));
                }
            }
        }
    }

    /// A place among the calls under way, if one is free.
    fn place(self: &Arc<Self>) -> Option<Place> {
        let free = |n| (n < MAX_CALLS).then_some(n + 1);
        self.under_way
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, free)
            .ok()
            .map(|_| Place(self.clone()))
    }

    /// One exchange, within the timeout.
    fn call(&self, body: &[u8]) -> Result<String, Failure> {
        let mut request = self.agent.post(&self.endpoint).header("content-type", "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let mut response = request.send(body).map_err(failed)?;
        let status = response.status().as_u16();
        if status != 200 {
            let what = format!("the server answered with status {status}");
            return Err(Failure::new(TemplateReason::BackendRefused, what));
        }
        let bytes = response.body_mut().with_config().limit(MAX_REPLY_BYTES).read_to_vec().map_err(failed)?;
        let unreadable = |what: &str| Failure::new(TemplateReason::BackendReply, what);
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|e| {
            unreadable(&format!("the reply is not a chat completion, at column {}", e.column()))
        })?;
        let choice =
            answer.choices.into_iter().next().ok_or_else(|| unreadable("the reply has no choice"))?;
        if choice.finish_reason.as_deref() == Some("length") {
            return Err(unreadable("the reply did not come to an end"));
        }
        choice.message.content.ok_or_else(|| unreadable("the reply has no text"))
    }
}

/// What a failed exchange counts as. The client's sentences hold addresses and no content.
fn failed(e: ureq::Error) -> Failure {
    let reason = match &e {
        ureq::Error::Timeout(_) => TemplateReason::BackendTimeout,
        ureq::Error::BodyExceedsLimit(_) | ureq::Error::LargeResponseHeader(..) => {
            TemplateReason::BackendReply
        }
        ureq::Error::Protocol(_) | ureq::Error::Http(_) => TemplateReason::BackendReply,
        ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::TimedOut => TemplateReason::BackendTimeout,
        _ => TemplateReason::BackendUnreachable,
    };
    let what = match reason {
        TemplateReason::BackendTimeout => "the server did not answer in time".to_owned(),
        TemplateReason::BackendReply => "the server's reply is too large or no HTTP".to_owned(),
        _ => format!("the server cannot be reached: {e}"),
    };
    Failure::new(reason, what)
}

#[cfg(test)]
mod tests;
