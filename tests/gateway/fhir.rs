//! The FHIR receiver over a real socket.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::{Value, json};

use super::{Site, WAIT, hour_ago};
use crate::support::Folder;

/// One request; the status and the resource answered.
pub fn ask(address: SocketAddr, head: &str, body: &str) -> (u16, Value) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(WAIT)).unwrap();
    write!(socket, "{head}Host: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    let (answered, content) = text.split_once("\r\n\r\n").unwrap();
    assert!(answered.to_ascii_lowercase().contains("content-type: application/fhir+json"), "{answered}");
    let status = answered.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(content).unwrap())
}

fn post(site: &Site, path: &str, body: &Value) -> (u16, Value) {
    let head = format!("POST {path} HTTP/1.1\r\nContent-Type: application/fhir+json\r\n");
    ask(site.fhir(), &head, &body.to_string())
}

fn observation(patient: &str, value: Value) -> Value {
    let t = hour_ago();
    let time = format!("{}-{}-{}T{}:{}:{}Z", &t[..4], &t[4..6], &t[6..8], &t[8..10], &t[10..12], &t[12..14]);
    json!({
        "resourceType": "Observation", "id": "CANARY", "status": "final",
        "code": { "coding": [{ "system": "http://loinc.org", "code": "8867-4" }] },
        "subject": { "reference": format!("Patient/{patient}") },
        "effectiveDateTime": time,
        "valueQuantity": { "value": value, "system": "http://unitsofmeasure.org", "code": "/min" }
    })
}

fn bundle(kind: &str, resources: &[Value]) -> Value {
    let entry: Vec<Value> = resources.iter().map(|r| json!({ "resource": r })).collect();
    json!({ "resourceType": "Bundle", "type": kind, "entry": entry })
}

fn keys(site: &Site) -> Vec<String> {
    let mut keys: Vec<String> =
        site.stored(&site.topics.fhir).into_iter().map(|r| r.key.unwrap_or_default()).collect();
    keys.sort();
    keys
}

#[test]
fn resources_and_bundles_are_in_kafka_when_they_are_answered() {
    let site = Site::start(|_| {});
    let single = observation("p1", json!(80));
    let (status, outcome) = post(&site, "/Observation", &single);
    assert_eq!((status, outcome["issue"][0]["severity"].as_str()), (202, Some("information")), "{outcome}");
    let stored = site.stored(&site.topics.fhir);
    assert_eq!((stored.len(), stored[0].key.as_deref()), (1, Some("p1")));
    assert_eq!(stored[0].payload, single.to_string().as_bytes());
    let put = "PUT /Observation/CANARY HTTP/1.1\r\nContent-Type: application/json\r\n";
    assert_eq!(ask(site.fhir(), put, &single.to_string()).0, 202);
    assert_eq!(post(&site, "/", &single).0, 202);
    let encounter = json!({ "resourceType": "Encounter", "id": "e", "status": "in-progress",
        "subject": { "reference": "Patient/p1" }, "period": { "start": "2026-01-01T00:00:00Z" } });
    assert_eq!(post(&site, "/Encounter", &encounter).0, 202);
    let given = json!({ "resourceType": "MedicationAdministration", "status": "completed",
        "subject": { "reference": "Patient/p1" }, "effectiveDateTime": "2026-01-01T00:00:00Z",
        "medicationCodeableConcept": { "coding": [{ "system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "7512" }] },
        "dosage": { "dose": { "value": 1, "system": "http://unitsofmeasure.org", "code": "mg" } } });
    let (status, outcome) = post(&site, "/MedicationAdministration", &given);
    assert_eq!(status, 202, "{outcome}");
    // Two patients in one Bundle are two records.
    let two = bundle(
        "collection",
        &[observation("p1", json!(81)), observation("p2", json!(82)), observation("p1", json!(83))],
    );
    assert_eq!(post(&site, "/", &two).0, 202);
    assert_eq!(keys(&site), ["p1", "p1", "p1", "p1", "p1", "p1", "p2"]);
    let (status, response) = post(&site, "/", &bundle("transaction", &[observation("p3", json!(84))]));
    assert_eq!((status, response["type"].as_str()), (200, Some("transaction-response")));
    assert_eq!(response["entry"][0]["response"]["status"], "202 Accepted");
    assert!(site.stored(&site.topics.dead_letter).is_empty());
    site.stop();
}

#[test]
fn what_is_wrong_is_told_by_its_path_and_without_content() {
    let site = Site::start(|c| c.gateway.fhir.max_body_bytes = 10_000);
    let bad = observation("CANARY", json!("CANARY"));
    let (status, outcome) = post(&site, "/Observation", &bad);
    assert_eq!(status, 422);
    assert_eq!(outcome["issue"][0]["code"], "value");
    assert_eq!(outcome["issue"][0]["expression"][0], "Observation.valueQuantity.value");
    assert!(!outcome.to_string().contains("CANARY"), "{outcome}");
    // A transaction is all or nothing, a batch is each for itself, a collection what is good of it.
    let mixed = [observation("p1", json!(80)), bad.clone()];
    let (status, outcome) = post(&site, "/", &bundle("transaction", &mixed));
    assert_eq!(
        (status, &outcome["issue"][0]["expression"][0]),
        (422, &json!("Bundle.entry[1].resource.valueQuantity.value"))
    );
    assert!(site.stored(&site.topics.fhir).is_empty());
    let (status, response) = post(&site, "/", &bundle("batch", &mixed));
    assert_eq!((status, response["type"].as_str()), (200, Some("batch-response")));
    assert_eq!(response["entry"][0]["response"]["status"], "202 Accepted");
    assert_eq!(response["entry"][1]["response"]["status"], "422 Unprocessable Entity");
    assert_eq!(response["entry"][1]["response"]["outcome"]["issue"][0]["code"], "value");
    let (status, outcome) = post(&site, "/", &bundle("collection", &mixed));
    assert_eq!((status, &outcome["issue"][1]["severity"]), (202, &json!("warning")));
    // Without a subject it is nobody's: it reaches no record, and the message goes to the letters.
    let mut orphan = observation("p1", json!(85));
    orphan.as_object_mut().unwrap().remove("subject");
    let before = site.stored(&site.topics.dead_letter).len();
    assert_eq!(
        post(&site, "/", &bundle("collection", &[observation("p1", json!(80)), orphan.clone()])).0,
        202
    );
    assert_eq!(site.stored(&site.topics.dead_letter).len(), before + 1);
    assert!(
        site.stored(&site.topics.fhir).iter().all(|r| !String::from_utf8_lossy(&r.payload).contains("85"))
    );
    assert_eq!(post(&site, "/Observation", &orphan).0, 422);
    let head = "POST /Observation HTTP/1.1\r\n";
    for (head, body, status, code) in [
        ("POST /Encounter HTTP/1.1\r\n", bad.to_string(), 400, "invalid"),
        ("POST /Condition HTTP/1.1\r\n", bad.to_string(), 404, "not-supported"),
        ("GET / HTTP/1.1\r\n", String::new(), 405, "not-supported"),
        ("POST /a/b/c HTTP/1.1\r\n", String::new(), 404, "not-found"),
        (head, "{\"resourceType\":".to_owned(), 400, "structure"),
        (head, String::new(), 422, "required"),
        (head, "x".repeat(10_001), 413, "too-long"),
        (
            "POST / HTTP/1.1\r\nContent-Type: application/fhir+xml\r\n",
            "<a/>".to_owned(),
            415,
            "not-supported",
        ),
    ] {
        let (got, outcome) = ask(site.fhir(), head, &body);
        assert_eq!((got, outcome["issue"][0]["code"].as_str()), (status, Some(code)), "{head}: {outcome}");
    }
    let (status, capability) = ask(site.fhir(), "GET /metadata HTTP/1.1\r\n", "");
    assert_eq!((status, capability["fhirVersion"].as_str()), (200, Some("4.0.1")));
    site.stop();
}

fn notification(kind: &str, since: u64, event: Option<(u64, Value)>) -> Value {
    let mut parameter = vec![
        json!({ "name": "subscription", "valueReference": { "reference": "Subscription/s" } }),
        json!({ "name": "status", "valueCode": "active" }),
        json!({ "name": "type", "valueCode": kind }),
        json!({ "name": "events-since-subscription-start", "valueString": since.to_string() }),
    ];
    let mut entry = Vec::new();
    if let Some((number, resource)) = event {
        let focus = json!({ "name": "focus", "valueReference": { "reference": "Observation/1" } });
        let number = json!({ "name": "event-number", "valueString": number.to_string() });
        parameter.push(json!({ "name": "notification-event", "part": [number, focus] }));
        if !resource.is_null() {
            entry.push(json!({ "fullUrl": "http://h/Observation/1", "resource": resource }));
        }
    }
    entry.insert(0, json!({ "resource": { "resourceType": "Parameters", "parameter": parameter } }));
    json!({ "resourceType": "Bundle", "type": "history", "entry": entry })
}

#[test]
fn subscription_notifications_and_their_gaps() {
    let site = Site::start(|_| {});
    let seen = |what: &str| site.metric(&format!("bedwatch_gateway_notifications_total{{what=\"{what}\"}}"));
    let event = |n: u64| notification("event-notification", n, Some((n, observation("p1", json!(70 + n)))));
    assert_eq!(post(&site, "/", &notification("handshake", 0, None)).0, 200);
    assert_eq!(post(&site, "/", &event(1)).0, 200);
    assert_eq!(post(&site, "/", &event(2)).0, 200);
    assert_eq!(post(&site, "/", &notification("heartbeat", 2, None)).0, 200);
    assert_eq!((seen("missed"), seen("handshake"), seen("heartbeat")), (0, 1, 1));
    let (status, outcome) = post(&site, "/", &event(5));
    assert_eq!((status, &outcome["issue"][1]["code"]), (200, &json!("incomplete")), "{outcome}");
    assert_eq!(seen("missed"), 2);
    assert_eq!(post(&site, "/", &notification("heartbeat", 6, None)).0, 200);
    assert_eq!((seen("missed"), seen("event_notification"), seen("repeated")), (3, 3, 0));
    let pointing = notification("event-notification", 7, Some((7, Value::Null)));
    assert_eq!(post(&site, "/", &pointing).0, 422, "a notification without its content is lost data");
    assert_eq!(site.stored(&site.topics.fhir).len(), 3);
    site.stop();
}

#[test]
fn kafka_away_is_503_and_a_wrong_token_401() {
    let folder = Folder::new("gateway-token");
    let token = folder.join("token");
    bedwatch::secrets::write(&token, b"a token that is long enough\n").unwrap();
    let site = Site::start(|c| {
        c.gateway.fhir.token_file = token;
        c.gateway.kafka_timeout_secs = 1;
    });
    let body = observation("p1", json!(80)).to_string();
    let with = |line: &str| ask(site.fhir(), &format!("POST /Observation HTTP/1.1\r\n{line}"), &body).0;
    let right = "Authorization: Bearer a token that is long enough\r\n";
    assert_eq!(with(""), 401);
    assert_eq!(with("Authorization: Bearer a token that is long enougH\r\n"), 401);
    assert_eq!(with(right), 202);
    site.broker.set_down(true).unwrap();
    assert_eq!(with(right), 503);
    site.broker.set_down(false).unwrap();
    let tries = (1..=60).find(|_| with(right) == 202);
    assert!(tries.is_some());
    site.stop();
}

/// What people say of alerts in FHIR is in the feedback topic when it is answered; nothing of their words.
#[test]
fn a_communication_about_an_alert_is_feedback() {
    let site = Site::start(|_| {});
    let alert = "0f1e2d3c-4b5a-5978-8695-a4b3c2d1e0f1";
    let communication = json!({
        "resourceType": "Communication", "status": "completed",
        "subject": {"reference": "Patient/p1"}, "sender": {"reference": "Practitioner/CANARY"},
        "about": [{"reference": format!("RiskAssessment/{alert}")}],
        "payload": [{"contentString": "CANARY is on his way"}]
    });
    let (status, outcome) = post(&site, "/Communication", &communication);
    assert_eq!(status, 202, "{outcome}");
    let mut dismissal = communication.clone();
    let responses = "https://bedwatch.org/fhir/CodeSystem/alert-response";
    dismissal["reasonCode"] = json!([{"coding": [{"system": responses, "code": "dismiss"}]}]);
    let (status, outcome) = post(&site, "/Communication", &dismissal);
    assert_eq!(status, 422);
    assert_eq!(outcome["issue"][0]["expression"][0], "Communication.reasonCode", "{outcome}");
    let reason = json!({"system": format!("{responses}-reason"), "code": "artefact"});
    dismissal["reasonCode"][0]["coding"].as_array_mut().unwrap().push(reason);
    let notification = bundle("history", &[dismissal, observation("p1", json!(81))]);
    assert_eq!(post(&site, "/", &notification).0, 202);
    // A flag of somebody else is taken and says nothing.
    let other = json!({"resourceType": "Flag", "status": "inactive", "subject": {"reference": "Patient/p1"},
        "code": {"text": "fall risk"}});
    assert_eq!(post(&site, "/Flag", &other).0, 202);
    let said = site.stored(&site.topics.feedback);
    let mut actions: Vec<(String, String)> = said
        .iter()
        .map(|record| {
            assert_eq!(record.key.as_deref(), Some("p1"));
            let message: Value = serde_json::from_slice(&record.payload).unwrap();
            assert_eq!((&message["alert"], &message["schema"]), (&alert.into(), &"feedback/1".into()));
            assert!(!message.to_string().contains("CANARY"));
            (message["action"].as_str().unwrap().to_owned(), message["reason"].to_string())
        })
        .collect();
    actions.sort();
    assert_eq!(actions, [("acknowledge".into(), "null".into()), ("dismiss".into(), "\"artefact\"".into())]);
    assert_eq!(site.metric("bedwatch_gateway_answers_total{what=\"said\"}"), 2);
    assert_eq!(site.stored(&site.topics.dead_letter).len(), 1);
    // Alone it reaches no other topic; the Bundle's reading does.
    assert_eq!(keys(&site), ["p1"]);
    site.stop();
}
