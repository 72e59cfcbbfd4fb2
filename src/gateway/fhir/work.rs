//! One message: checked, cut by patient, handed to Kafka, answered.
//!
//! A transaction is all or nothing. Of every other message the good parts are taken and the bad ones
//! told: as the outcome of their entry in a batch, else as warnings. Where nothing of a message can be
//! used it is refused and goes to the dead letters; resources that cannot be keyed to a patient go
//! there with the message they came in, because no record may hold them.

use std::sync::PoisonError;

use axum::{http::StatusCode, response::Response};
use bedwatch_ingest::{
    Record, decode,
    fhir::{
        answers::{self, Answers, Reading},
        notification::{self, Kind, Status},
        patients::{self, Message},
    },
};
use bedwatch_schemas::{dead_letter::Rejection, event::Stream, ids::PatientId, time::ArrivalTime};

use super::{Receiver, answer, outcome::Issue};
use crate::gateway::intake::{Kept, Outgoing, kept};

/// What decoding a message came to.
struct Judged {
    /// With their places in the whole message.
    rejections: Vec<Rejection>,
    events: usize,
}

pub(super) async fn take(receiver: &Receiver, kind: Option<&str>, body: &[u8]) -> Response {
    if body.trim_ascii().is_empty() {
        receiver.counters.message("fhir", "empty");
        let says = "the body is empty: a subscription must send its content (full-resource)";
        return answer::outcome(StatusCode::UNPROCESSABLE_ENTITY, &[Issue::error("required", says)]);
    }
    let message = match patients::parts(body, &receiver.naming) {
        Ok(message) => message,
        Err(rejection) => return refuse(receiver, body, vec![rejection], StatusCode::BAD_REQUEST).await,
    };
    if kind.is_some_and(|kind| kind != message.resource_type) {
        receiver.counters.message("fhir", "unsupported");
        let issue = Issue::error("invalid", "the resource is not of the type that its address names");
        return answer::outcome(StatusCode::BAD_REQUEST, &[issue]);
    }
    let status = if message.resource_type == "Bundle" { notification::read(body) } else { None };
    if let Some(status) = &status {
        receiver.counters.notification(status.kind.name(), 1);
        if let Some(response) = without_content(receiver, status) {
            return response;
        }
    }
    let reading = Reading {
        naming: &receiver.naming,
        own_system: &receiver.own_system,
        now: receiver.intake.clock.now().as_event_time(),
    };
    let answers = answers::read(body, &reading);
    let mut judged = judge(receiver, &message);
    judged.events += answers.said.len();
    judged.rejections.extend(answers.rejections.iter().cloned());
    receiver.counters.answers(answers.said.len(), answers.echoes);
    let strict = message.bundle_type == "transaction";
    if !judged.rejections.is_empty() && (strict || judged.events == 0) {
        return refuse(receiver, body, judged.rejections, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    match forward(receiver, &message, &answers, body).await {
        Kept::All => accepted(receiver, &message, &judged, status.as_ref()),
        Kept::TooLarge => {
            let issue = Issue::error("too-long", "the broker takes no message of this size");
            answer::outcome(StatusCode::PAYLOAD_TOO_LARGE, &[issue])
        }
        Kept::Not => unavailable(),
    }
}

/// A notification that needs no Kafka: a handshake, a heartbeat, or one that cannot be used.
fn without_content(receiver: &Receiver, status: &Status) -> Option<Response> {
    if status.kind == Kind::Event && status.has_focus && status.resources == 0 {
        receiver.counters.message("fhir", "without_content");
        let says = "the notification points to resources and holds none: \
                    the subscription's content must be full-resource";
        return Some(answer::outcome(StatusCode::UNPROCESSABLE_ENTITY, &[Issue::error("required", says)]));
    }
    if status.resources > 0 {
        return None;
    }
    let issues = heard(receiver, status);
    Some(answer::outcome(StatusCode::OK, &issues))
}

/// Takes note of a notification's numbers, and says what they show.
fn heard(receiver: &Receiver, status: &Status) -> Vec<Issue> {
    let mut ledger = receiver.ledger.lock().unwrap_or_else(PoisonError::into_inner);
    let heard = ledger.take(status);
    drop(ledger);
    receiver.counters.notification("missed", heard.missed);
    receiver.counters.notification("repeated", heard.repeated);
    let mut issues = vec![Issue::information(format!("{} taken", status.kind.name()))];
    if heard.missed > 0 {
        tracing::warn!(missed = heard.missed, "events of a FHIR subscription never came");
        let says = format!("{} events before this never came here", heard.missed);
        issues.push(Issue {
            severity: "warning",
            code: "incomplete",
            says: says.into(),
            expression: String::new(),
        });
    }
    issues
}

/// Decodes every part as the engine will.
fn judge(receiver: &Receiver, message: &Message<'_>) -> Judged {
    let mut judged = Judged { rejections: message.rejections.clone(), events: 0 };
    for part in &message.parts {
        let record = Record {
            stream: Stream::Fhir,
            partition: 0,
            offset: 0,
            arrival: receiver.intake.clock.now(),
            key: part.patient.as_ref().map(PatientId::as_str),
            payload: &part.payload,
        };
        let decoded = decode(&record, &receiver.intake.decoders);
        judged.events += decoded.events.len();
        judged.rejections.extend(
            decoded.rejections.iter().map(|r| Rejection::new(r.reason, message.place(part, &r.place))),
        );
    }
    judged
}

/// Hands every part to Kafka, and the whole to the dead letters where some of it is in no part.
async fn forward(receiver: &Receiver, message: &Message<'_>, answers: &Answers, body: &[u8]) -> Kept {
    let (intake, now) = (&receiver.intake, receiver.intake.clock.now());
    let mut receipts = Vec::with_capacity(message.parts.len() + answers.said.len() + 1);
    for said in &answers.said {
        let key = said.patient.as_ref().map(PatientId::as_str);
        let payload = serde_json::to_vec(said).expect("feedback is plain data");
        receipts
            .push(intake.offer(&Outgoing { stream: Stream::Feedback, key, payload: &payload }, now).await);
    }
    // A resource that is about an alert alone says nothing else to the engine, and its words are no
    // business of the topics.
    let alone = answers::TYPES.contains(&message.resource_type.as_str());
    for part in message.parts.iter().filter(|_| !alone) {
        let key = part.patient.as_ref().map(PatientId::as_str);
        receipts
            .push(intake.offer(&Outgoing { stream: Stream::Fhir, key, payload: &part.payload }, now).await);
    }
    if !message.rejections.is_empty() || !answers.rejections.is_empty() {
        let rejections = message.rejections.iter().chain(&answers.rejections).cloned().collect();
        receipts.push(intake.dead_letter(Stream::Fhir, body, rejections, true, now).await);
    }
    kept(&mut intake.follow("fhir", "accepted", receipts, None)).await
}

fn accepted(
    receiver: &Receiver,
    message: &Message<'_>,
    judged: &Judged,
    status: Option<&Status>,
) -> Response {
    let severity = if message.bundle_type == "batch" { "error" } else { "warning" };
    let mut issues: Vec<Issue> = told(receiver, severity, &judged.rejections);
    if matches!(message.bundle_type.as_str(), "batch" | "transaction") {
        return answer::bundle(&message.bundle_type, message.entries, &issues);
    }
    let mut all = match status {
        Some(status) => heard(receiver, status),
        None => vec![Issue::information(format!("accepted: {} events", judged.events))],
    };
    all.append(&mut issues);
    // A notification's server looks for 200; a resource is taken on and not created.
    let code = if status.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    answer::outcome(code, &all)
}

async fn refuse(
    receiver: &Receiver,
    body: &[u8],
    rejections: Vec<Rejection>,
    status: StatusCode,
) -> Response {
    let issues = told(receiver, "error", &rejections);
    let now: ArrivalTime = receiver.intake.clock.now();
    let receipt = receiver.intake.dead_letter(Stream::Fhir, body, rejections, false, now).await;
    match kept(&mut receiver.intake.follow("fhir", "refused", vec![receipt], None)).await {
        Kept::All | Kept::TooLarge => answer::outcome(status, &issues),
        Kept::Not => unavailable(),
    }
}

/// Counts rejections and tells them.
fn told(receiver: &Receiver, severity: &'static str, rejections: &[Rejection]) -> Vec<Issue> {
    let issue = |r: &Rejection| {
        receiver.counters.fault("fhir", r.reason.name());
        Issue::rejection(severity, r.reason, &r.place)
    };
    rejections.iter().map(issue).collect()
}

fn unavailable() -> Response {
    let issue = Issue::error("transient", "Kafka did not take the message; send it again");
    answer::outcome(StatusCode::SERVICE_UNAVAILABLE, &[issue])
}
