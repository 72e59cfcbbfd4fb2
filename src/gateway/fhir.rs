//! The FHIR receiver (R4): resources, Bundles and subscription notifications over HTTP.
//!
//! It is a receiver and no repository: what is posted is checked, handed to Kafka and answered once
//! Kafka has it, with 202 and not 201, because nothing can be read back here. Every answer but the
//! capability statement and the response Bundles is an OperationOutcome (<https://hl7.org/fhir/R4/http.html>).

mod answer;
mod capability;
mod outcome;
mod work;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
    routing::{get, post, put},
};
use bedwatch_ingest::fhir::{answers, notification::Ledger, patients::Naming};
use http_body::Body as _;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Counters, Fhir, intake::Intake, peer::Door};
use outcome::Issue;

/// The resource types that may be posted to a path of their own.
const TYPES: [&str; 8] = [
    "Observation",
    "Encounter",
    "MedicationAdministration",
    "Patient",
    "DiagnosticReport",
    // What people say of alerts.
    answers::TYPES[0],
    answers::TYPES[1],
    answers::TYPES[2],
];

/// A body up to this length is read at once; of longer ones only [`LARGE_AT_ONCE`] at a time.
const SMALL: u64 = 64 << 10;
/// Long bodies in memory.
const LARGE_AT_ONCE: usize = 32;

/// What the handlers share.
pub(super) struct Receiver {
    config: Fhir,
    intake: Arc<Intake>,
    counters: Arc<Counters>,
    naming: Naming,
    /// The `system` by which our own alerts name their patients.
    own_system: String,
    token: Option<blake3::Hash>,
    ledger: Mutex<Ledger>,
    large: tokio::sync::Semaphore,
}

impl Receiver {
    /// `token` is what every request must carry, where one is configured.
    pub(super) fn new(
        config: Fhir,
        intake: Arc<Intake>,
        counters: Arc<Counters>,
        token: Option<&[u8]>,
        own_system: String,
    ) -> Self {
        let system = Some(config.identifier_system.clone()).filter(|s| !s.is_empty());
        let naming = Naming { system, pseudonyms: intake.pseudonyms.clone() };
        let token = token.map(|t| blake3::hash(t.trim_ascii()));
        let large = tokio::sync::Semaphore::new(LARGE_AT_ONCE);
        Self { config, intake, counters, naming, own_system, token, ledger: Mutex::default(), large }
    }

    /// Serves until told to stop, then lets every request be answered.
    pub(super) async fn run(self, mut door: Door, stop: CancellationToken) {
        let idle = Duration::from_secs(self.config.idle_secs);
        let service = TowerToHyperService::new(router(Arc::new(self)));
        let connections = TaskTracker::new();
        loop {
            let peer = tokio::select! {
                () = stop.cancelled() => break,
                peer = door.next() => match peer {
                    Some(peer) => peer,
                    None => break,
                },
            };
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(idle);
            let connection = server.serve_connection(TokioIo::new(peer), service.clone());
            let stop = stop.clone();
            connections.spawn(async move {
                let mut connection = std::pin::pin!(connection);
                tokio::select! {
                    // A connection that breaks is its peer's affair; what was kept was answered or not.
                    _ = connection.as_mut() => return,
                    () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
                }
                let _ = connection.await;
            });
        }
        drop(door);
        connections.close();
        connections.wait().await;
    }

    /// Whether a request carries the token, compared in constant time.
    fn may(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let shown = headers.get(header::AUTHORIZATION).and_then(|v| v.as_bytes().strip_prefix(b"Bearer "));
        shown.is_some_and(|shown| blake3::hash(shown.trim_ascii()) == *token)
    }
}

fn router(receiver: Arc<Receiver>) -> Router {
    Router::new()
        .route("/", post(any))
        .route("/metadata", get(capability::statement))
        .route("/{type}", post(typed))
        .route("/{type}/{id}", put(identified))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_allowed)
        .with_state(receiver)
}

async fn any(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Body) -> Response {
    take(&receiver, None, &headers, body).await
}

async fn typed(
    State(receiver): State<Arc<Receiver>>,
    Path(kind): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    take(&receiver, Some(&kind), &headers, body).await
}

async fn identified(
    State(receiver): State<Arc<Receiver>>,
    Path((kind, _)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    take(&receiver, Some(&kind), &headers, body).await
}

async fn nowhere() -> Response {
    let issue = Issue::error("not-found", "there is nothing at this address; see /metadata");
    answer::outcome(StatusCode::NOT_FOUND, &[issue])
}

async fn not_allowed() -> Response {
    let issue =
        Issue::error("not-supported", "this receiver takes POST, and PUT of one resource; see /metadata");
    answer::outcome(StatusCode::METHOD_NOT_ALLOWED, &[issue])
}

/// Takes a request with a body; `kind` is the resource type of its address.
async fn take(receiver: &Receiver, kind: Option<&str>, headers: &HeaderMap, body: Body) -> Response {
    let refuse = |status, fate, issue| {
        receiver.counters.message("fhir", fate);
        answer::outcome(status, &[issue])
    };
    if !receiver.may(headers) {
        let issue = Issue::error("login", "the request carries no valid token");
        let mut response = refuse(StatusCode::UNAUTHORIZED, "unauthorized", issue);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        return response;
    }
    if kind.is_some_and(|kind| !TYPES.contains(&kind) && kind != "Bundle") {
        let issue = Issue::error("not-supported", "this resource type is not taken; see /metadata");
        return refuse(StatusCode::NOT_FOUND, "unsupported", issue);
    }
    if let Err(why) = media_type(headers) {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported", Issue::error("not-supported", why));
    }
    let limit = receiver.config.max_body_bytes;
    let patience = Duration::from_secs(receiver.config.request_timeout_secs);
    let known = body.size_hint().upper().is_some_and(|length| length <= SMALL);
    let place = if known { None } else { Some(receiver.large.acquire()) };
    let read = async {
        let _place = match place {
            Some(place) => place.await.ok(),
            None => None,
        };
        (axum::body::to_bytes(body, limit).await, _place)
    };
    let (body, _place) = match tokio::time::timeout(patience, read).await {
        Ok((body, place)) => (Ok(body), place),
        Err(slow) => (Err(slow), None),
    };
    let body: Bytes = match body {
        Ok(Ok(body)) => body,
        Ok(Err(error)) if is_too_long(&error) => {
            let issue = Issue::error("too-long", format!("the body is longer than {limit} bytes"));
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "too_large", issue);
        }
        Ok(Err(_)) => {
            return refuse(
                StatusCode::BAD_REQUEST,
                "broken_off",
                Issue::error("incomplete", "the body broke off"),
            );
        }
        Err(_) => {
            return refuse(
                StatusCode::REQUEST_TIMEOUT,
                "slow",
                Issue::error("timeout", "the body took too long"),
            );
        }
    };
    work::take(receiver, kind, &body).await
}

/// Whether the body's media type is FHIR JSON of R4 (or R4B); one that is not told is taken for it.
fn media_type(headers: &HeaderMap) -> Result<(), &'static str> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let Ok(text) = value.to_str() else { return Err("the Content-Type is no media type") };
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    if !matches!(
        kind.as_str(),
        "application/fhir+json" | "application/json" | "text/json" | "application/json+fhir"
    ) {
        return Err("only FHIR JSON is taken: application/fhir+json");
    }
    let version =
        parts.filter_map(|p| p.split_once('=')).find(|(k, _)| k.eq_ignore_ascii_case("fhirVersion"));
    match version.map(|(_, v)| v.trim_matches('"')) {
        None => Ok(()),
        Some(v) if v.starts_with("4.0") || v.starts_with("4.3") => Ok(()),
        Some(_) => Err("only FHIR R4 is taken: fhirVersion=4.0"),
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    use std::error::Error;
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types() {
        let with = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(text));
            media_type(&headers).is_ok()
        };
        assert!(media_type(&HeaderMap::new()).is_ok());
        for text in [
            "application/fhir+json",
            "application/fhir+json; fhirVersion=4.0; charset=utf-8",
            "Application/JSON;charset=UTF-8",
            "application/fhir+json; fhirVersion=\"4.3\"",
        ] {
            assert!(with(text), "{text}");
        }
        for text in ["application/fhir+xml", "text/plain", "application/fhir+json; fhirVersion=5.0", ""] {
            assert!(!with(text), "{text}");
        }
    }
}
