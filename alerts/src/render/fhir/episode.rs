//! What stands for the episode and changes with its messages: RiskAssessment or DetectedIssue, and
//! the Flag.

use bedwatch_schemas::{
    alert::{Alert, AlertKind, Phase, Priority},
    evidence::Subject,
    risk::Head,
};
use serde_json::{Value, json};

use super::{
    ALERTS, Ids, Names, device_reference, identifier, kind_code, meta, narrative, patient, reference,
    with_encounter,
};
use crate::render::{is_over, priority_code, text};

pub(super) fn risk_assessment(alert: &Alert, ids: &Ids, names: &Names) -> Value {
    let mut prediction = json!({
        "outcome": kind_code(alert),
        "qualitativeRisk": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/risk-probability",
            "code": likelihood(alert.priority),
        }] },
        "rationale": text::fhir(&alert.rationale.text),
    });
    if let Some(percent) = probability(alert) {
        prediction["probabilityDecimal"] = json!(percent);
    }
    let mut out = json!({
        "resourceType": "RiskAssessment",
        "id": ids.decision.to_string(),
        "text": narrative(alert),
        "identifier": [identifier(ALERTS, &alert.id.to_string())],
        "status": status(alert.phase),
        "method": { "text": text::fhir(&format!(
            "{} {}, {}", alert.decision.by.name, alert.decision.by.version, alert.decision.rule
        )) },
        "code": kind_code(alert),
        "subject": patient(alert, names),
        "occurrenceDateTime": alert.at.to_string(),
        "performer": device_reference(&alert.decision.by),
        "prediction": [prediction],
        "note": notes(alert),
    });
    if !ids.facts.is_empty() {
        out["basis"] = ids.facts.iter().map(|id| reference("Observation", *id)).collect();
    }
    with_encounter(out, alert, names)
}

/// The risk of the head that decided, in per cent; a rule has none.
fn probability(alert: &Alert) -> Option<f64> {
    let head = match alert.kind {
        AlertKind::Sepsis => Head::Sepsis,
        AlertKind::Deterioration => Head::Deterioration,
        _ => return None,
    };
    let fact = alert.evidence.facts.iter().find(|f| f.subject == Subject::Risk(head))?;
    (0.0..=100.0).contains(&fact.value).then_some(fact.value)
}

/// The priority as a likelihood class, which FHIR asks for beside or in place of a number.
const fn likelihood(priority: Priority) -> &'static str {
    match priority {
        Priority::High => "high",
        Priority::Medium => "moderate",
        Priority::Low => "low",
    }
}

/// Preliminary at first, amended by every later message, final at its end.
const fn status(phase: Phase) -> &'static str {
    match phase {
        Phase::Raised => "preliminary",
        Phase::Updated | Phase::Acknowledged | Phase::Escalated => "amended",
        Phase::Resolved | Phase::Expired => "final",
    }
}

/// A technical alert: the data are the issue.
pub(super) fn detected_issue(alert: &Alert, ids: &Ids, names: &Names) -> Value {
    json!({
        "resourceType": "DetectedIssue",
        "id": ids.decision.to_string(),
        "meta": meta(alert),
        "text": narrative(alert),
        "identifier": [identifier(ALERTS, &alert.id.to_string())],
        "status": status(alert.phase),
        "code": kind_code(alert),
        "severity": match alert.priority {
            Priority::High => "high",
            Priority::Medium => "moderate",
            Priority::Low => "low",
        },
        "patient": patient(alert, names),
        "identifiedDateTime": alert.onset.to_string(),
        "author": device_reference(&alert.decision.by),
        "detail": text::fhir(&format!("{} {}", alert.rationale.text, alert.notice)),
    })
}

pub(super) fn flag(alert: &Alert, ids: &Ids, names: &Names) -> Value {
    let mut period = json!({ "start": alert.onset.to_string() });
    if is_over(alert.phase) {
        period["end"] = json!(alert.at.to_string());
    }
    let category = if alert.kind.is_technical() { "admin" } else { "clinical" };
    let out = json!({
        "resourceType": "Flag",
        "id": ids.flag.to_string(),
        "meta": meta(alert),
        "text": narrative(alert),
        "extension": [{
            "url": "http://hl7.org/fhir/StructureDefinition/flag-priority",
            "valueCodeableConcept": { "coding": [{
                "system": "http://hl7.org/fhir/flag-priority-code",
                "code": priority_code(alert.priority),
            }] },
        }],
        "identifier": [identifier(ALERTS, &alert.id.to_string())],
        "status": if is_over(alert.phase) { "inactive" } else { "active" },
        "category": [{ "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/flag-category",
            "code": category,
        }] }],
        "code": kind_code(alert),
        "subject": patient(alert, names),
        "period": period,
        "author": device_reference(&alert.decision.by),
    });
    with_encounter(out, alert, names)
}

/// What was not known, and what this software is.
fn notes(alert: &Alert) -> Value {
    let mut notes = Vec::new();
    if !alert.evidence.missing.is_empty() {
        let names: Vec<&str> = alert.evidence.missing.iter().map(|m| m.subject.label()).collect();
        notes.push(json!({ "text": format!("Not known: {}.", names.join(", ")) }));
    }
    notes.push(json!({ "text": text::fhir(&alert.notice) }));
    Value::Array(notes)
}
