//! What stands for the message and never changes: the Communication, and the Provenance of what it
//! brought.

use bedwatch_schemas::alert::{Alert, Priority};
use serde_json::{Value, json};

use super::{
    ALERTS, Ids, Names, device_reference, identifier, kind_code, narrative, narrator, patient, reference,
    with_encounter,
};
use crate::render::{message_id, text};

pub(super) fn communication(alert: &Alert, ids: &Ids, names: &Names) -> Value {
    let out = json!({
        "resourceType": "Communication",
        "id": ids.communication.to_string(),
        "text": narrative(alert),
        "identifier": [identifier(ALERTS, &message_id(alert))],
        "status": "completed",
        "category": [{ "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/communication-category",
            "code": "alert",
        }] }],
        "priority": match alert.priority {
            Priority::High => "stat",
            Priority::Medium => "urgent",
            Priority::Low => "routine",
        },
        "topic": kind_code(alert),
        "subject": patient(alert, names),
        "about": [ids.decision_reference(alert), reference("Flag", ids.flag)],
        "sent": alert.at.to_string(),
        "sender": device_reference(&alert.decision.by),
        "reasonCode": [{ "text": format!("Alert {}", alert.phase.name()) }],
        "payload": [{ "contentString": text::fhir(&alert.rationale.text) }],
    });
    with_encounter(out, alert, names)
}

pub(super) fn provenance(alert: &Alert, ids: &Ids) -> Value {
    let agent = |code: &str, model| {
        json!({
            "type": { "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
                "code": code,
            }] },
            "who": device_reference(model),
        })
    };
    let mut agents = vec![agent("assembler", &alert.decision.by)];
    agents.extend(narrator(alert).map(|model| agent("author", model)));
    let target = [
        ids.decision_reference(alert),
        reference("Flag", ids.flag),
        reference("Communication", ids.communication),
    ];
    let mut out = json!({
        "resourceType": "Provenance",
        "id": ids.provenance.to_string(),
        "target": target,
        "occurredDateTime": alert.at.to_string(),
        "recorded": alert.at.to_string(),
        // The configuration in force, by its hash.
        "policy": [format!("https://bedwatch.org/config/{}", alert.config)],
        "agent": agents,
    });
    if !ids.facts.is_empty() {
        let entity = |id: &uuid::Uuid| json!({ "role": "source", "what": reference("Observation", *id) });
        out["entity"] = ids.facts.iter().map(entity).collect();
    }
    out
}
