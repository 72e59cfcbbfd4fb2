//! What people say of alerts in FHIR R4: a Communication about an alert, a Flag made inactive, a
//! DetectedIssue that was mitigated. Each becomes feedback in our own words; free text is not read.
//!
//! An alert is known again by its identifier ([`ALERTS`]) or, where something refers to it, by the id of
//! its RiskAssessment or DetectedIssue, which is the alert's own. What we have written ourselves comes back
//! too, when a server tells of every change: a Flag that we ended carries the phase as a tag, and our
//! Communications carry the number of their message and come from a Device. Those say nothing.
//!
//! | what somebody has done | is read as |
//! |---|---|
//! | Communication about an alert | acknowledge, or what its code of [`RESPONSES`] says |
//! | Flag `inactive` while the alert goes on | acknowledge |
//! | DetectedIssue with a mitigation, or `cancelled` | acknowledge |
//! | Flag or DetectedIssue `entered-in-error` | acknowledge, and disagree (other) |

use bedwatch_schemas::{
    dead_letter::{Reason, Rejection},
    feedback::{Action, FeedbackReason, Role},
    fhir::{ALERTS, PHASES, REASONS, RESPONSES, ROLES, SNOOZE_MINUTES},
    ids::{AlertId, PatientId, SourceId},
    time::EventTime,
    wire::{FEEDBACK, FeedbackMessage},
};
use serde_json::value::RawValue;

use super::{
    MAX_ENTRIES,
    context::id_of,
    element::{Element, Field, Path, shape},
    patients::{Naming, numbered, referred},
    when,
};
use crate::{json, json::Document};

/// The resource types that may say something of an alert.
pub const TYPES: [&str; 3] = ["Communication", "Flag", "DetectedIssue"];

shape! {
    /// Bundle, or one of its entries.
    Node { resource_type, entry, resource }
}
shape! {
    /// Communication, Flag or DetectedIssue.
    Told {
        resource_type, meta, identifier, status, subject, patient, about, in_response_to, based_on, part_of,
        category, reason_code, status_reason, sender, sent, received, period, mitigation, extension,
    }
}
shape! {
    /// Meta.
    Meta { last_updated, tag }
}
shape! {
    /// Reference.
    Reference { reference, identifier, r#type }
}
shape! {
    /// CodeableConcept.
    Concept { coding }
}
shape! {
    /// Coding.
    Coding { system, code }
}
shape! {
    /// Extension.
    Extension { url, value_integer }
}

/// How what is said is read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'n> {
    /// How the hospital names patients.
    pub naming: &'n Naming,
    /// The `system` of the identifier by which our own alerts name them: our patient ids as they are.
    pub own_system: &'n str,
    /// When it came. Nothing is taken to be said later.
    pub now: EventTime,
}

/// What a message says of alerts.
#[derive(Debug, Default)]
pub struct Answers {
    /// In the order of the message; each with its patient.
    pub said: Vec<FeedbackMessage>,
    /// Resources of ours that came back as we had written them.
    pub echoes: usize,
    /// What says something of an alert and cannot be used.
    pub rejections: Vec<Rejection>,
}

/// Reads a resource, or those of a Bundle. What is no JSON or says nothing of alerts gives nothing.
#[must_use]
pub fn read(payload: &[u8], reading: &Reading<'_>) -> Answers {
    let mut answers = Answers::default();
    let Ok(doc) = Document::new(payload) else { return answers };
    let Ok(raw) = doc.parse::<&RawValue>() else { return answers };
    let root = Element { doc, raw, path: Path::root("Bundle") };
    let Ok(node) = root.read::<Node>() else { return answers };
    if node.resource_type.is_some_and(|t| t.get() == "\"Bundle\"") {
        // A Bundle that is too large is refused as a whole elsewhere.
        let items = root.list(node.entry, "entry").unwrap_or_default();
        for item in items.into_iter().take(MAX_ENTRIES) {
            let entry = item.as_element(&root);
            if let Ok(Node { resource: Some(raw), .. }) = entry.read() {
                answers.take(&entry.child(raw, "resource"), reading);
            }
        }
    } else {
        answers.take(&Element { path: Path::root("Resource"), ..root }, reading);
    }
    answers
}

impl Answers {
    fn take(&mut self, element: &Element<'_, '_>, reading: &Reading<'_>) {
        let Ok(told) = element.read::<Told>() else { return };
        let named = |kind| Element { path: element.path.renamed(kind), ..*element };
        let outcome = match told.resource_type.map(RawValue::get) {
            Some("\"Communication\"") => communication(&named("Communication"), &told, reading),
            Some("\"Flag\"") => standing(&named("Flag"), &told, reading),
            Some("\"DetectedIssue\"") => standing(&named("DetectedIssue"), &told, reading),
            _ => return,
        };
        match outcome {
            Ok(Heard::Said(mut said)) => self.said.append(&mut said),
            Ok(Heard::Echo) => self.echoes += 1,
            Ok(Heard::Nothing) => {}
            Err(rejection) => self.rejections.push(rejection),
        }
    }
}

/// What one resource says.
enum Heard {
    Said(Vec<FeedbackMessage>),
    Echo,
    Nothing,
}

/// A Communication: somebody answers.
fn communication(
    element: &Element<'_, '_>,
    told: &Told<'_>,
    reading: &Reading<'_>,
) -> Result<Heard, Rejection> {
    let Some((alert, of_a_message)) = alert_of(element, told)? else { return Ok(Heard::Nothing) };
    if of_a_message && by_a_device(told.sender) {
        return Ok(Heard::Echo);
    }
    // What was not said, or not yet, is no answer.
    if !matches!(status(element, told)?.as_str(), "completed" | "in-progress") {
        return Ok(Heard::Nothing);
    }
    let places =
        [(told.reason_code, "reasonCode"), (told.category, "category"), (told.status_reason, "statusReason")];
    let action = coded(element, &places, RESPONSES, Action::from_name)?.unwrap_or(Action::Acknowledge);
    let reason = coded(element, &places, REASONS, FeedbackReason::from_name)?;
    let role = coded(element, &places, ROLES, Role::from_name)?.unwrap_or(Role::Other);
    let minutes = snooze_minutes(element, told.extension)?;
    let at = time(element, &[(told.sent, "sent"), (told.received, "received")], reading)?;
    let patient = whose(element, told, reading)?;
    let message = FeedbackMessage { reason, minutes, ..message(&patient, alert, action, role, at) };
    if !message.feedback().is_whole() {
        // A dismissal without its reason, a snooze without its minutes.
        return Err(element.missing(if reason.is_none() && action.needs_reason() {
            "reasonCode"
        } else {
            "extension"
        }));
    }
    Ok(Heard::Said(vec![message]))
}

/// A Flag or DetectedIssue: somebody has changed what stands for the episode.
fn standing(element: &Element<'_, '_>, told: &Told<'_>, reading: &Reading<'_>) -> Result<Heard, Rejection> {
    let Some(alert) = identified(told.identifier).map(|(alert, _)| alert) else { return Ok(Heard::Nothing) };
    let status = status(element, told)?;
    let meta: Option<Meta> = element.optional(told.meta, "meta").and_then(|m| m.read().ok());
    let tag = meta.as_ref().and_then(|m| m.tag);
    let ended = codings(tag, PHASES).iter().any(|phase| matches!(phase.as_str(), "resolved" | "expired"));
    let mitigated = told.mitigation.is_some_and(|m| !matches!(m.get(), "[]" | "null"));
    let wrong = status == "entered-in-error";
    let handled = match status.as_str() {
        "inactive" => !ended,
        "cancelled" => true,
        _ => wrong || mitigated,
    };
    if !handled {
        return Ok(Heard::Echo);
    }
    let period: Option<when::Period> = element.optional(told.period, "period").and_then(|p| p.read().ok());
    let changed = meta.and_then(|m| m.last_updated);
    let at = time(element, &[(changed, "meta"), (period.and_then(|p| p.end), "period")], reading)?;
    let patient = whose(element, told, reading)?;
    let mut said = vec![message(&patient, alert, Action::Acknowledge, Role::Other, at)];
    if wrong {
        let disagree = message(&patient, alert, Action::Disagree, Role::Other, at);
        said.push(FeedbackMessage { reason: Some(FeedbackReason::Other), ..disagree });
    }
    Ok(Heard::Said(said))
}

fn message(
    patient: &PatientId,
    alert: AlertId,
    action: Action,
    role: Role,
    at: EventTime,
) -> FeedbackMessage {
    FeedbackMessage {
        schema: FEEDBACK.to_owned(),
        patient: Some(patient.clone()),
        source: SourceId::new("bedwatch-fhir").expect("a plain name"),
        alert,
        action,
        reason: None,
        role,
        minutes: None,
        at,
    }
}

fn status(element: &Element<'_, '_>, told: &Told<'_>) -> Result<String, Rejection> {
    Ok(element.require(told.status, "status")?.text()?.into_owned())
}

/// The first time that stands there, else now; never later than now.
fn time(
    element: &Element<'_, '_>,
    fields: &[(Field<'_>, &'static str)],
    reading: &Reading<'_>,
) -> Result<EventTime, Rejection> {
    match fields.iter().find_map(|(field, name)| Some((field.as_ref()?, *name))) {
        Some((raw, name)) => {
            let place = element.child(raw, name);
            let at = json::text(raw).and_then(|text| when::parse(&text));
            Ok(at.ok_or_else(|| place.reject(Reason::BadTime))?.min(reading.now))
        }
        None => Ok(reading.now),
    }
}

/// Whose the alert is: by our own system as it is, else as the hospital names patients.
fn whose(element: &Element<'_, '_>, told: &Told<'_>, reading: &Reading<'_>) -> Result<PatientId, Rejection> {
    let (field, name) =
        if told.subject.is_some() { (told.subject, "subject") } else { (told.patient, "patient") };
    let Some(subject) = element.optional(field, name) else {
        return Err(Rejection::new(Reason::NoPatient, element.missing("subject").place));
    };
    let reference: Reference = subject.read()?;
    match numbered(reference.identifier, reading.own_system) {
        Some(own) => PatientId::new(&own).map_err(|_| subject.reject(Reason::NoPatient)),
        None => referred(&subject, reading.naming),
    }
}

/// The alert a Communication is or is about, and whether it is named as one of our messages.
fn alert_of(element: &Element<'_, '_>, told: &Told<'_>) -> Result<Option<(AlertId, bool)>, Rejection> {
    if let Some(found) = identified(told.identifier) {
        return Ok(Some(found));
    }
    for (field, name) in [
        (told.about, "about"),
        (told.in_response_to, "inResponseTo"),
        (told.based_on, "basedOn"),
        (told.part_of, "partOf"),
    ] {
        for item in element.list(field, name)? {
            let reference: Reference = item.as_element(element).read()?;
            let by_number = identified(reference.identifier);
            let by_reference = || {
                let text = reference.reference.and_then(json::text)?;
                let id = ["RiskAssessment", "DetectedIssue"]
                    .into_iter()
                    .find_map(|kind| id_of(&text, kind).filter(|_| text.contains(&format!("{kind}/"))))?;
                alert(id)
            };
            if let Some(found) = by_number.map(|(alert, _)| alert).or_else(by_reference) {
                return Ok(Some((found, false)));
            }
        }
    }
    Ok(None)
}

/// The alert of an identifier of ours, and whether it names a message of it.
fn identified(field: Field<'_>) -> Option<(AlertId, bool)> {
    let value = numbered(field, ALERTS)?;
    match value.split_once('/') {
        Some((id, _)) => Some((alert(id)?, true)),
        None => Some((alert(&value)?, false)),
    }
}

/// An alert's id: a UUID of version 5, as all of ours are.
fn alert(text: &str) -> Option<AlertId> {
    let id: AlertId = serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()?;
    (id.0.get_version_num() == 5).then_some(id)
}

fn by_a_device(sender: Field<'_>) -> bool {
    let reference: Option<Reference> = sender.and_then(|raw| serde_json::from_str(raw.get()).ok());
    let Some(reference) = reference else { return true };
    let is =
        |field: Field<'_>, holds: fn(&str) -> bool| field.and_then(json::text).is_some_and(|t| holds(&t));
    is(reference.reference, |t| t.contains("Device/")) || is(reference.r#type, |t| t == "Device")
}

/// The one word of a code system among several places; a code that is none of ours is refused.
fn coded<T: PartialEq>(
    element: &Element<'_, '_>,
    places: &[(Field<'_>, &'static str)],
    system: &str,
    word: fn(&str) -> Option<T>,
) -> Result<Option<T>, Rejection> {
    for (field, name) in places {
        if let Some(code) = concepts(*field).into_iter().flat_map(|c| codings(c, system)).next() {
            let place = || element.missing(name).place;
            return word(&code).map(Some).ok_or_else(|| Rejection::new(Reason::UnknownCode, place()));
        }
    }
    Ok(None)
}

/// The codings of one CodeableConcept or of several.
fn concepts(field: Field<'_>) -> Vec<Field<'_>> {
    several(field)
        .into_iter()
        .map(|raw| serde_json::from_str::<Concept>(raw.get()).ok().and_then(|c| c.coding))
        .collect()
}

/// The codes of a system among codings.
fn codings(field: Field<'_>, system: &str) -> Vec<String> {
    let read = |raw: &RawValue| {
        let coding: Coding = serde_json::from_str(raw.get()).ok()?;
        let ours = coding.system.and_then(json::text).is_some_and(|s| s == system);
        coding.code.filter(|_| ours).and_then(json::text).map(|code| code.into_owned())
    };
    several(field).into_iter().filter_map(read).collect()
}

/// The items of a list, or the one value.
fn several(field: Field<'_>) -> Vec<&RawValue> {
    let Some(raw) = field else { return Vec::new() };
    if raw.get().starts_with('[') { serde_json::from_str(raw.get()).unwrap_or_default() } else { vec![raw] }
}

fn snooze_minutes(element: &Element<'_, '_>, field: Field<'_>) -> Result<Option<u16>, Rejection> {
    for item in element.list(field, "extension")? {
        let extension = item.as_element(element);
        let Extension { url, value_integer } = extension.read()?;
        if url.and_then(json::text).is_some_and(|url| url == SNOOZE_MINUTES) {
            let minutes = value_integer.and_then(|raw| raw.get().parse::<u16>().ok());
            return minutes.map(Some).ok_or_else(|| extension.reject(Reason::BadValue));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
