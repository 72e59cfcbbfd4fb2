//! What a person says of an alert, over HTTP: `POST /api/v1/alerts/{id}/acknowledge`, `dismiss`,
//! `snooze` and `feedback`.
//!
//! The request becomes a record of the feedback topic and nothing else: the engine hears it there like
//! every record, so a replay of the topics gives the same alerts. The answer comes when the broker has
//! the record; what the engine made of it stands in the alert's next message.
//!
//! There is no authentication yet, so this is served on loopback only, like the page. That another
//! page in the same browser cannot speak here: only `application/json` is taken, which a browser sends
//! elsewhere only with leave that nobody gives, and a name that was made to point at this machine (DNS
//! rebinding) is refused by its `Host`.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json,
    extract::{Path, Request, State, rejection::JsonRejection},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bedwatch_ingest::kafka::{
    self,
    headers::{CloudEvent, Headers},
    sink::{self, Sink},
};
use bedwatch_schemas::{
    feedback::{Action, FeedbackReason, Role},
    ids::{AlertId, PatientId, SourceId},
    wire::{FEEDBACK, FeedbackMessage},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::Shared;
use crate::{clock::Clock, config};

/// How long the broker may take.
const WAIT: Duration = Duration::from_secs(3);
/// Requests that may wait for it; more are turned away with 429.
const PLACES: usize = 16;
/// The longest body, bytes.
pub(super) const BODY: usize = 4_096;

/// Hands what people say to Kafka.
pub struct Desk {
    sink: Sink,
    clock: Arc<dyn Clock>,
    /// One at a time, so that what the broker refuses is known to be this one.
    turn: Mutex<()>,
    places: Arc<Semaphore>,
}

impl Desk {
    /// Makes the producer; the broker is reached in the background.
    ///
    /// # Errors
    /// When its properties are refused.
    pub fn connect(config: &config::Kafka, clock: Arc<dyn Clock>) -> Result<Self, kafka::Error> {
        let sink = Sink::connect(&sink::Config {
            bootstrap: config.bootstrap.clone(),
            topics: config.topics.clone(),
            properties: config.properties.clone(),
        })?;
        Ok(Self { sink, clock, turn: Mutex::new(()), places: Arc::new(Semaphore::new(PLACES)) })
    }

    /// Writes one message and waits for the broker; whether it has it.
    fn send(&self, patient: &PatientId, message: &FeedbackMessage) -> bool {
        let payload = serde_json::to_vec(message).expect("feedback is plain data");
        let id = format!("{}/{}/{}", message.alert, message.action.name(), message.at);
        let headers = Headers::cloud_event(&CloudEvent {
            id: &id,
            kind: "org.bedwatch.feedback.v1",
            source: "/bedwatch/http",
            time: Some(message.at),
            content_type: "application/json",
        });
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.sink.counts();
        let time = Some(message.at.as_arrival_time().as_millis());
        let topic = &self.sink.topics().feedback;
        if let Err(error) = self.sink.send(topic, Some(patient.as_str()), &payload, headers, time) {
            tracing::error!(%error, "feedback could not be handed to Kafka");
            return false;
        }
        // The result is that of all messages so far; only this one is asked about.
        if let Err(error) = self.sink.flush(WAIT) {
            tracing::debug!(%error, "flushing feedback");
        }
        let after = self.sink.counts();
        after.failed == before.failed && after.delivered + after.failed == after.sent
    }
}

/// What a request says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    /// Who speaks.
    role: Role,
    /// `agree` or `disagree`; with `feedback` only.
    #[serde(default)]
    action: Option<Action>,
    #[serde(default)]
    reason: Option<FeedbackReason>,
    /// With `snooze` only.
    #[serde(default)]
    minutes: Option<u16>,
}

/// What is answered.
#[derive(Debug, Serialize)]
struct Answer {
    accepted: bool,
    why: &'static str,
}

fn answer(status: StatusCode, why: &'static str) -> Response {
    let body = Answer { accepted: status == StatusCode::ACCEPTED, why };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// Lets only requests to this machine's own names through.
pub(super) async fn own_host(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok());
    if host.is_some_and(is_own) {
        next.run(request).await
    } else {
        answer(StatusCode::FORBIDDEN, "this is served to localhost only")
    }
}

/// Whether a `Host` is loopback, with or without a port.
fn is_own(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => host.split(':').next().unwrap_or(""),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The action of a path's last part, with what the body names.
fn action(verb: &str, named: Option<Action>) -> Result<Action, (StatusCode, &'static str)> {
    match (verb, named) {
        ("acknowledge", None) => Ok(Action::Acknowledge),
        ("dismiss", None) => Ok(Action::Dismiss),
        ("snooze", None) => Ok(Action::Snooze),
        ("feedback", Some(action @ (Action::Agree | Action::Disagree))) => Ok(action),
        ("feedback", _) => Err((StatusCode::UNPROCESSABLE_ENTITY, "the action is agree or disagree")),
        ("acknowledge" | "dismiss" | "snooze", Some(_)) => {
            Err((StatusCode::UNPROCESSABLE_ENTITY, "the path names the action already"))
        }
        _ => Err((StatusCode::NOT_FOUND, "an alert is acknowledged, dismissed, snoozed or given feedback")),
    }
}

pub(super) async fn post(
    State(shared): State<Shared>,
    Path((alert, verb)): Path<(String, String)>,
    said: Result<Json<Said>, JsonRejection>,
) -> Response {
    let said = match said {
        Ok(Json(said)) => said,
        // The rejection's own text is about the sender's body; its status says enough.
        Err(rejection) => return answer(rejection.status(), "the body is not what the API describes"),
    };
    match heard(&shared, &alert, &verb, &said).await {
        Ok(()) => answer(StatusCode::ACCEPTED, "written to the feedback topic"),
        Err((status, why)) => answer(status, why),
    }
}

async fn heard(
    shared: &Shared,
    alert: &str,
    verb: &str,
    said: &Said,
) -> Result<(), (StatusCode, &'static str)> {
    let action = action(verb, said.action)?;
    let alert: AlertId = serde_json::from_value(serde_json::Value::String(alert.to_owned()))
        .map_err(|_| (StatusCode::NOT_FOUND, "that is no alert's id"))?;
    let owner = shared.board.owner(alert).ok_or((StatusCode::NOT_FOUND, "no such alert is known here"))?;
    if action.silences() && owner.kind.is_technical() {
        return Err((StatusCode::CONFLICT, "a technical alert can be acknowledged and never silenced"));
    }
    if owner.ended && !matches!(action, Action::Agree | Action::Disagree) {
        return Err((StatusCode::CONFLICT, "the alert has ended"));
    }
    let desk = shared.desk.clone().ok_or((StatusCode::SERVICE_UNAVAILABLE, "no broker to write it to"))?;
    let message = FeedbackMessage {
        schema: FEEDBACK.to_owned(),
        patient: Some(owner.patient.clone()),
        source: SourceId::new("bedwatch-http").expect("a plain name"),
        alert,
        action,
        reason: said.reason,
        role: said.role,
        minutes: said.minutes,
        at: desk.clock.now().as_event_time(),
    };
    if !message.feedback().is_whole() {
        let why =
            "dismiss, snooze and disagree need a reason; snooze, and only snooze, needs minutes (1 to 1440)";
        return Err((StatusCode::UNPROCESSABLE_ENTITY, why));
    }
    let place = desk.places.clone().try_acquire_owned();
    let place = place.map_err(|_| (StatusCode::TOO_MANY_REQUESTS, "too many are waiting for the broker"))?;
    let written = tokio::task::spawn_blocking(move || {
        let _place = place;
        desk.send(&owner.patient, &message)
    });
    match written.await {
        Ok(true) => Ok(()),
        _ => Err((StatusCode::SERVICE_UNAVAILABLE, "the broker has not confirmed it; it may still arrive")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_own_names_are_hosts() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:80", "127.8.8.8", "[::1]:8080"] {
            assert!(is_own(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "10.0.0.1",
            "[::2]",
            "127.0.0.1.x",
        ] {
            assert!(!is_own(host), "{host}");
        }
    }

    #[test]
    fn the_path_names_the_action_and_feedback_the_opinion() {
        assert_eq!(action("acknowledge", None), Ok(Action::Acknowledge));
        assert_eq!(action("feedback", Some(Action::Disagree)), Ok(Action::Disagree));
        for (verb, named) in [
            ("acknowledge", Some(Action::Dismiss)),
            ("snooze", Some(Action::Snooze)),
            ("feedback", None),
            ("feedback", Some(Action::Acknowledge)),
            ("delete", None),
            ("", None),
        ] {
            assert!(action(verb, named).is_err(), "{verb} {named:?}");
        }
    }
}
