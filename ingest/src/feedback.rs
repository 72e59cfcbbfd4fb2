//! What people say of alerts as JSON ([`bedwatch_schemas::wire::FeedbackMessage`]).
//!
//! The unit is the record: one thing said of one alert, decoded or rejected whole. A reason or role
//! outside the closed lists is an unknown code; free text has no field, so it cannot come in.

use bedwatch_schemas::{
    dead_letter::{Place, Reason, Rejection},
    event::Body,
    feedback::{Action, Feedback, FeedbackReason, Role},
    ids::AlertId,
    time::Span,
    wire,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Decoded, Record, Units,
    head::{Head, RawHead},
    json::{self, Document},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    #[serde(borrow, default)]
    schema: Option<&'a RawValue>,
    #[serde(borrow, default)]
    patient: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(borrow, default)]
    alert: Option<&'a RawValue>,
    #[serde(borrow, default)]
    action: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reason: Option<&'a RawValue>,
    #[serde(borrow, default)]
    role: Option<&'a RawValue>,
    #[serde(borrow, default)]
    minutes: Option<&'a RawValue>,
    #[serde(borrow, default)]
    at: Option<&'a RawValue>,
}

/// Decodes a record of the feedback stream. `future_tolerance` is how far the message's time may
/// lie after its arrival.
#[must_use]
pub fn decode(record: &Record, future_tolerance: Span) -> Decoded {
    decode_message(record, future_tolerance).unwrap_or_else(Decoded::rejected)
}

fn decode_message(record: &Record, future_tolerance: Span) -> Result<Decoded, Rejection> {
    let doc = Document::new(record.payload)?;
    let message: Message = doc.parse()?;
    let raw = RawHead {
        schema: message.schema,
        patient: message.patient,
        encounter: None,
        location: None,
        source: message.source,
        time: message.at,
        time_name: "at",
    };
    let head = Head::check(&raw, wire::FEEDBACK, &doc, record, future_tolerance)?;
    let body = Body::Feedback(read(&doc, &message, &head)?);
    Ok(Decoded {
        events: vec![head.event(record, 0, body)],
        rejections: Vec::new(),
        units: Units { total: 1, decoded: 1, ..Units::default() },
    })
}

fn read(doc: &Document, message: &Message, head: &Head) -> Result<Feedback, Rejection> {
    let alert = need(message.alert, "alert")?;
    let alert = serde_json::from_str::<AlertId>(alert.get())
        .map_err(|_| Rejection::new(Reason::BadValue, doc.place(alert, "alert")))?;
    let action = named(doc, need(message.action, "action")?, "action", Action::from_name)?;
    let role = named(doc, need(message.role, "role")?, "role", Role::from_name)?;
    let reason =
        given(message.reason).map(|raw| named(doc, raw, "reason", FeedbackReason::from_name)).transpose()?;
    let minutes = given(message.minutes).map(|raw| whole(doc, raw)).transpose()?;
    let feedback = Feedback { alert, action, reason, role, minutes, at: head.time() };
    if !feedback.is_whole() {
        // Which of the two is wrong: what is there and must not be, or what must be and is not.
        let lacks_reason = action.needs_reason() && reason.is_none();
        let path = if lacks_reason { "reason" } else { "minutes" };
        let lacks = lacks_reason || (action == Action::Snooze && minutes.is_none());
        let why = if lacks { Reason::Missing } else { Reason::BadValue };
        return Err(Rejection::new(why, Place::path(path)));
    }
    Ok(feedback)
}

/// A field that is there and not `null`.
fn given(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|raw| raw.get() != "null")
}

fn need<'a>(raw: Option<&'a RawValue>, path: &str) -> Result<&'a RawValue, Rejection> {
    raw.ok_or_else(|| Rejection::new(Reason::Missing, Place::path(path)))
}

fn named<T>(
    doc: &Document,
    raw: &RawValue,
    path: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, Rejection> {
    json::text(raw)
        .and_then(|name| read(&name))
        .ok_or_else(|| Rejection::new(Reason::UnknownCode, doc.place(raw, path)))
}

fn whole(doc: &Document, raw: &RawValue) -> Result<u16, Rejection> {
    raw.get().parse().map_err(|_| Rejection::new(Reason::BadValue, doc.place(raw, "minutes")))
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::{
        event::Stream,
        ids::{PatientId, SourceId},
        time::{ArrivalTime, EventTime},
    };

    use super::*;

    const ALERT: &str = "6f1c9a52-7b0d-5e5f-9d43-2c1e0b775a10";

    fn record(payload: &[u8]) -> Record<'_> {
        let arrival = ArrivalTime::from_millis(1_767_225_600_000);
        Record { stream: Stream::Feedback, partition: 0, offset: 9, arrival, key: Some("p"), payload }
    }

    fn decoded(payload: &str) -> Decoded {
        decode(&record(payload.as_bytes()), Span::minutes(5))
    }

    fn message(tail: &str) -> String {
        format!(
            r#"{{"schema":"feedback/1","source":"page","alert":"{ALERT}","role":"nurse","at":"2026-01-01T00:00:00Z"{tail}}}"#
        )
    }

    #[test]
    fn what_the_wire_type_writes_is_read_back() {
        let at = EventTime::from_micros(1_767_225_600_000_000);
        for (action, minutes) in [
            (Action::Acknowledge, None),
            (Action::Dismiss, None),
            (Action::Snooze, Some(30)),
            (Action::Agree, None),
            (Action::Disagree, None),
        ] {
            let sent = wire::FeedbackMessage {
                schema: wire::FEEDBACK.to_owned(),
                patient: Some(PatientId::new("p").unwrap()),
                source: SourceId::new("page").unwrap(),
                alert: serde_json::from_str(&format!("\"{ALERT}\"")).unwrap(),
                action,
                reason: action.needs_reason().then_some(FeedbackReason::Artefact),
                role: Role::Physician,
                minutes,
                at,
            };
            let got = decoded(&serde_json::to_string(&sent).unwrap());
            assert_eq!(got.rejections, [], "{action:?}");
            assert_eq!(got.events[0].body, Body::Feedback(sent.feedback()));
            assert_eq!(got.events[0].patient.as_str(), "p");
        }
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        for (tail, reason, path) in [
            (r#","action":"acknowledge","patient":"q""#, Reason::KeyMismatch, "patient"),
            ("", Reason::Missing, "action"),
            (r#","action":"ack""#, Reason::UnknownCode, "action"),
            (r#","action":7"#, Reason::UnknownCode, "action"),
            (r#","action":"dismiss""#, Reason::Missing, "reason"),
            (r#","action":"dismiss","reason":null"#, Reason::Missing, "reason"),
            (r#","action":"dismiss","reason":"because he sleeps""#, Reason::UnknownCode, "reason"),
            (r#","action":"dismiss","reason":"artefact","minutes":5"#, Reason::BadValue, "minutes"),
            (r#","action":"snooze","reason":"procedure""#, Reason::Missing, "minutes"),
            (r#","action":"snooze","reason":"procedure","minutes":0"#, Reason::BadValue, "minutes"),
            (r#","action":"snooze","reason":"procedure","minutes":1441"#, Reason::BadValue, "minutes"),
            (r#","action":"snooze","reason":"procedure","minutes":1.5"#, Reason::BadValue, "minutes"),
            (r#","action":"snooze","reason":"procedure","minutes":-1"#, Reason::BadValue, "minutes"),
            (r#","action":"acknowledge","note":"free text""#, Reason::Malformed, ""),
        ] {
            let got = decoded(&message(tail));
            assert!(got.events.is_empty(), "{tail}");
            let found = &got.rejections[0];
            assert_eq!((found.reason, found.place.path.as_str()), (reason, path), "{tail}");
            assert_eq!((got.units.total, got.units.rejected), (1, 1));
        }
        let whole = message(r#","action":"agree""#);
        for (from, to, reason, path) in [
            ("feedback/1", "feedback/2", Reason::UnsupportedType, "schema"),
            (ALERT, "no id", Reason::BadValue, "alert"),
            ("nurse", "porter", Reason::UnknownCode, "role"),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:05:01Z", Reason::FutureTime, "at"),
            ("2026-01-01T00:00:00Z", "yesterday", Reason::BadTime, "at"),
        ] {
            let got = decoded(&whole.replace(from, to));
            let found = &got.rejections[0];
            assert_eq!((found.reason, found.place.path.as_str()), (reason, path), "{to}");
        }
        assert_eq!(decoded(&whole).events.len(), 1);
    }
}
