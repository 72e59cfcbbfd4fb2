//! An alert as a FHIR R4 transaction Bundle.
//!
//! One message becomes: a RiskAssessment of the episode (with the Observations it rests on as its
//! basis), a Flag that is active as long as the episode is, for a technical alert a DetectedIssue in
//! the place of the RiskAssessment, a Communication for the message itself, the Devices (models)
//! that decided and worded it, and a Provenance naming them. All ids are UUIDs made from the
//! alert's, all requests are PUTs: what is sent twice is the same twice.
//!
//! The patient and the encounter are named by identifier alone (logical references): the ids are
//! pseudonyms that the receiving system resolves, or does not.

mod basis;
mod episode;
mod message;

use bedwatch_schemas::{alert::Alert, fhir::PHASES, risk::ModelRef};

pub use bedwatch_schemas::fhir::ALERTS;
use serde_json::{Value, json};
use uuid::Uuid;

use super::text;

/// The code system of alert kinds.
pub const KINDS: &str = "https://bedwatch.org/fhir/CodeSystem/alert-kind";
/// The code system of what a fact is about, where LOINC has no code in our tables.
pub const SUBJECTS: &str = "https://bedwatch.org/fhir/CodeSystem/subject";
/// The identifier system of input records.
pub const RECORDS: &str = "https://bedwatch.org/fhir/NamingSystem/record";
/// The identifier system of models.
pub const MODELS: &str = "https://bedwatch.org/fhir/NamingSystem/model";
const UCUM: &str = "http://unitsofmeasure.org";
const LOINC: &str = "http://loinc.org";

/// What the site calls things.
#[derive(Debug, Clone)]
pub struct Names {
    /// The base address of the server that receives the Bundle, without a slash at its end.
    pub base: String,
    /// The identifier system of the patient ids.
    pub patients: String,
    /// The identifier system of the encounter ids.
    pub encounters: String,
}

/// The Bundle as JSON.
#[must_use]
pub fn bundle(alert: &Alert, names: &Names) -> Vec<u8> {
    let ids = Ids::of(alert);
    let mut entries = Vec::new();
    let mut put = |kind: &str, id: Uuid, resource: Value| {
        entries.push(json!({
            "fullUrl": format!("{}/{kind}/{id}", names.base),
            "resource": resource,
            "request": { "method": "PUT", "url": format!("{kind}/{id}") },
        }));
    };
    for model in models(alert) {
        put("Device", device_id(model), device(model));
    }
    for (fact, id) in alert.evidence.facts.iter().zip(&ids.facts) {
        put("Observation", *id, basis::observation(alert, fact, *id, names));
    }
    if alert.kind.is_technical() {
        put("DetectedIssue", ids.decision, episode::detected_issue(alert, &ids, names));
    } else {
        put("RiskAssessment", ids.decision, episode::risk_assessment(alert, &ids, names));
    }
    put("Flag", ids.flag, episode::flag(alert, &ids, names));
    put("Communication", ids.communication, message::communication(alert, &ids, names));
    put("Provenance", ids.provenance, message::provenance(alert, &ids));
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
    serde_json::to_vec(&bundle).expect("a JSON value is plain data")
}

/// The ids of the resources of one message.
struct Ids {
    /// RiskAssessment or DetectedIssue: the alert's own id.
    decision: Uuid,
    flag: Uuid,
    communication: Uuid,
    provenance: Uuid,
    facts: Vec<Uuid>,
}

impl Ids {
    fn of(alert: &Alert) -> Self {
        let part = |name: &str| super::derived_of_message(alert, name);
        Self {
            decision: alert.id.0,
            flag: super::derived(alert, "flag"),
            communication: part("communication"),
            provenance: part("provenance"),
            facts: alert.evidence.facts.iter().map(|f| part(&f.id.to_string())).collect(),
        }
    }

    fn decision_reference(&self, alert: &Alert) -> Value {
        let kind = if alert.kind.is_technical() { "DetectedIssue" } else { "RiskAssessment" };
        reference(kind, self.decision)
    }
}

/// Who decided, and who worded it where that was a model.
fn models(alert: &Alert) -> impl Iterator<Item = &ModelRef> {
    std::iter::once(&alert.decision.by).chain(narrator(alert))
}

fn narrator(alert: &Alert) -> Option<&ModelRef> {
    match &alert.rationale.source {
        bedwatch_schemas::rationale::RationaleSource::Model(model) => Some(model),
        bedwatch_schemas::rationale::RationaleSource::Template(_) => None,
    }
}

fn device_id(model: &ModelRef) -> Uuid {
    /// The UUIDv5 name space of models.
    const SPACE: Uuid = Uuid::from_u128(0x2b1f_0a77_93c4_5d0e_8a61_55c0_e2d7_4f18);
    Uuid::new_v5(&SPACE, format!("{}\u{1f}{}", model.name, model.version).as_bytes())
}

fn device(model: &ModelRef) -> Value {
    json!({
        "resourceType": "Device",
        "id": device_id(model).to_string(),
        "identifier": [identifier(MODELS, &format!("{}@{}", model.name, model.version))],
        "deviceName": [{ "name": text::fhir(&model.name), "type": "model-name" }],
        "version": [{ "value": text::fhir(&model.version) }],
        "type": { "text": "Software: model or rules of bedwatch" },
    })
}

fn device_reference(model: &ModelRef) -> Value {
    json!({
        "reference": format!("Device/{}", device_id(model)),
        "display": text::fhir(&format!("{} {}", model.name, model.version)),
    })
}

/// In which phase we wrote it: a Flag that somebody else has ended lacks ours.
fn meta(alert: &Alert) -> Value {
    json!({ "tag": [{ "system": PHASES, "code": alert.phase.name() }] })
}

fn reference(kind: &str, id: Uuid) -> Value {
    json!({ "reference": format!("{kind}/{id}") })
}

fn identifier(system: &str, value: &str) -> Value {
    json!({ "system": system, "value": text::fhir(value) })
}

/// The patient, by identifier.
fn patient(alert: &Alert, names: &Names) -> Value {
    json!({ "type": "Patient", "identifier": identifier(&names.patients, alert.patient.as_str()) })
}

/// Adds the encounter, by identifier, where one is known.
fn with_encounter(mut resource: Value, alert: &Alert, names: &Names) -> Value {
    if let Some(encounter) = &alert.encounter {
        let id = identifier(&names.encounters, encounter.as_str());
        resource["encounter"] = json!({ "type": "Encounter", "identifier": id });
    }
    resource
}

/// What the alert is about.
fn kind_code(alert: &Alert) -> Value {
    let title = text::fhir(super::title(alert));
    json!({
        "coding": [{ "system": KINDS, "code": alert.kind.name(), "display": title }],
        "text": title,
    })
}

/// The words as a generated narrative.
fn narrative(alert: &Alert) -> Value {
    let words = text::xml(&text::fhir(&alert.rationale.text));
    let title = text::xml(&text::fhir(super::title(alert)));
    json!({
        "status": "generated",
        "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{title} ({}): {words}</p></div>", alert.phase.name()),
    })
}

#[cfg(test)]
mod tests;
