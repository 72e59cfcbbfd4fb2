//! Alerts over HTTP: server-sent events (WHATWG HTML, 9.2) and a CDS Hooks 2.0 service.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bedwatch_alerts::render::cards;
use bedwatch_schemas::ids::PatientId;
use bytes::Bytes;
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::sinks::{
    Cards, Hub, Stream,
    hub::{Event, Place},
};

/// A comment is sent when nothing else was for so long, so that a dead connection is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Events written at a time.
const BURST: usize = 64;
/// The one CDS service.
const SERVICE: &str = "bedwatch-open-alerts";

/// What the handlers read.
#[derive(Clone)]
pub struct Alerts {
    hub: Arc<Hub>,
    stream: Stream,
    cards: Cards,
    clients: Arc<AtomicUsize>,
}

impl Alerts {
    /// Serves what the hub knows.
    #[must_use]
    pub fn new(hub: Arc<Hub>, stream: Stream, cards: Cards) -> Self {
        Self { hub, stream, cards, clients: Arc::default() }
    }

    pub(super) fn router(self) -> Router {
        Router::new()
            .route("/api/v1/alerts/stream", get(stream))
            .route("/cds-services", get(services))
            .route(&format!("/cds-services/{SERVICE}"), post(patient_view))
            .with_state(self)
    }
}

/// One client less when dropped.
struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn stream(State(alerts): State<Alerts>, headers: HeaderMap) -> Response {
    let from = match headers.get("last-event-id") {
        None => None,
        Some(id) => match id.to_str().ok().and_then(Place::parse) {
            Some(place) => Some(place),
            None => return (StatusCode::BAD_REQUEST, "Last-Event-ID is none of ours\n").into_response(),
        },
    };
    let seat = Seat(alerts.clients.clone());
    if seat.0.fetch_add(1, Ordering::Relaxed) >= alerts.stream.clients {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many clients\n").into_response();
    }
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(serve(alerts.hub, from, send, seat));
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::new(Lines(receive))).into_response()
}

/// Writes to one client until it is gone. A slow client holds up only this task; when it falls
/// behind the history it is told of the gap.
async fn serve(hub: Arc<Hub>, from: Option<Place>, send: mpsc::Sender<Bytes>, _seat: Seat) {
    let mut news = hub.news();
    let mut cursor = hub.cursor(from);
    if send.send(Bytes::from_static(b"retry: 1000\n\n")).await.is_err() {
        return;
    }
    loop {
        news.mark_unchanged();
        let events = hub.next(&mut cursor, BURST);
        let text = if events.is_empty() {
            tokio::select! {
                changed = news.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                () = tokio::time::sleep(KEEP_ALIVE) => ":\n\n".to_owned(),
                () = send.closed() => return,
            }
        } else {
            events.iter().map(line).collect()
        };
        if send.send(Bytes::from(text)).await.is_err() {
            return;
        }
    }
}

fn line(event: &Event) -> String {
    match event {
        Event::Alert { place, json } => format!("id: {place}\nevent: alert\ndata: {json}\n\n"),
        Event::Gap => "event: gap\ndata: {}\n\n".to_owned(),
    }
}

/// A body that is what is sent to it.
struct Lines(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|b| Ok(Frame::data(b))))
    }
}

async fn services(State(alerts): State<Alerts>) -> Response {
    let mut service = json!({
        "hook": "patient-view",
        "id": SERVICE,
        "title": "Open alerts of bedwatch",
        "description": format!("The patient's open alerts, most urgent first. {}", bedwatch_schemas::NOTICE),
    });
    if !alerts.cards.identifier_system.is_empty() {
        service["prefetch"] = json!({ "patient": "Patient/{{context.patientId}}" });
    }
    Json(json!({ "services": [service] })).into_response()
}

async fn patient_view(State(alerts): State<Alerts>, body: Bytes) -> Response {
    let refused = |status: StatusCode, why: &'static str| (status, why).into_response();
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return refused(StatusCode::BAD_REQUEST, "the body is not JSON\n");
    };
    if request["hook"] != "patient-view" || !request["hookInstance"].is_string() {
        return refused(StatusCode::BAD_REQUEST, "hook must be patient-view, with a hookInstance\n");
    }
    let system = &alerts.cards.identifier_system;
    let id = if system.is_empty() {
        request["context"]["patientId"].as_str()
    } else {
        let Some(identifiers) = request["prefetch"]["patient"]["identifier"].as_array() else {
            return refused(StatusCode::PRECONDITION_FAILED, "prefetch.patient has no identifier\n");
        };
        identifiers.iter().find(|i| i["system"] == system.as_str()).and_then(|i| i["value"].as_str())
    };
    let Some(patient) = id.and_then(|id| PatientId::new(id).ok()) else {
        return refused(StatusCode::BAD_REQUEST, "the request names no patient\n");
    };
    let cards: Vec<Value> = alerts.hub.open(&patient).iter().map(cards::card).collect();
    ([(header::CACHE_CONTROL, "no-store")], Json(json!({ "cards": cards }))).into_response()
}
