use serde_json::{Value, json};

use super::*;
use crate::pseudonym::Pseudonyms;

const ID: &str = "0f1e2d3c-4b5a-5978-8695-a4b3c2d1e0f1";
const OWN: &str = "urn:bedwatch:patient";

fn naming() -> Naming {
    Naming {
        system: None,
        pseudonyms: Some(Pseudonyms::new(b"a secret of more than thirty-two bytes").unwrap()),
    }
}

fn at(text: &str) -> EventTime {
    EventTime::parse_rfc3339(text).unwrap()
}

fn heard(resource: &Value) -> Answers {
    let naming = naming();
    let reading = Reading { naming: &naming, own_system: OWN, now: at("2026-03-01T12:00:00Z") };
    read(resource.to_string().as_bytes(), &reading)
}

fn with(mut resource: Value, change: &Value) -> Value {
    for (key, value) in change.as_object().unwrap() {
        resource[key] = value.clone();
    }
    resource
}

fn subject() -> Value {
    json!({"type": "Patient", "identifier": {"system": OWN, "value": "p-17"}})
}

fn concept(system: &str, code: &str) -> Value {
    json!([{"coding": [{"system": "http://other", "code": "x"}, {"system": system, "code": code}]}])
}

/// What an action, its reason, its role and its minutes came to.
fn short(answers: &Answers) -> Vec<(&'static str, Option<&'static str>, &'static str, Option<u16>)> {
    let one =
        |m: &FeedbackMessage| (m.action.name(), m.reason.map(FeedbackReason::name), m.role.name(), m.minutes);
    answers.said.iter().map(one).collect()
}

#[test]
fn a_communication_about_an_alert_answers_it() {
    let base = json!({
        "resourceType": "Communication", "status": "completed", "subject": subject(),
        "about": [{"reference": format!("RiskAssessment/{ID}")}], "sent": "2026-03-01T11:00:00Z",
        "sender": {"reference": "Practitioner/n1"}, "payload": [{"contentString": "canary: I go"}]
    });
    let plain = vec![("acknowledge", None, "other", None)];
    for (change, expected) in [
        (json!({}), plain.clone()),
        (json!({"status": "in-progress"}), plain.clone()),
        (json!({"status": "not-done"}), vec![]),
        (json!({"status": "entered-in-error"}), vec![]),
        (json!({"status": "preparation"}), vec![]),
        (
            json!({"about": [{"reference": format!("https://ehr/r4/DetectedIssue/{ID}/_history/3")}]}),
            plain.clone(),
        ),
        (json!({"about": [{"identifier": {"system": ALERTS, "value": ID}}]}), plain.clone()),
        (
            json!({"about": [], "inResponseTo": [{"identifier": {"system": ALERTS, "value": format!("{ID}/2")}}]}),
            plain.clone(),
        ),
        (json!({"about": null, "basedOn": [{"reference": format!("RiskAssessment/{ID}")}]}), plain.clone()),
        (json!({"about": null, "identifier": [{"system": ALERTS, "value": ID}]}), plain.clone()),
        // A person may answer under the number of the message; a device of ours is an echo.
        (json!({"identifier": [{"system": ALERTS, "value": format!("{ID}/0")}]}), plain.clone()),
        (
            json!({"identifier": [{"system": ALERTS, "value": format!("{ID}/0")}], "sender": {"reference": "Device/d"}}),
            vec![],
        ),
        // About something else.
        (json!({"about": [{"reference": "Encounter/1"}]}), vec![]),
        (json!({"about": [{"reference": "RiskAssessment/17"}]}), vec![]),
        (json!({"about": [{"reference": "RiskAssessment/0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1"}]}), vec![]),
        (json!({"about": [{"reference": format!("Flag/{ID}")}]}), vec![]),
        (
            json!({"reasonCode": concept(RESPONSES, "agree"), "category": concept(ROLES, "nurse")}),
            vec![("agree", None, "nurse", None)],
        ),
        (
            json!({"reasonCode": concept(RESPONSES, "dismiss"), "statusReason": concept(REASONS, "artefact")[0]}),
            vec![("dismiss", Some("artefact"), "other", None)],
        ),
        (
            json!({"category": concept(RESPONSES, "snooze"), "reasonCode": concept(REASONS, "procedure"),
                   "extension": [{"url": "x"}, {"url": SNOOZE_MINUTES, "valueInteger": 20}]}),
            vec![("snooze", Some("procedure"), "other", Some(20))],
        ),
    ] {
        let answers = heard(&with(base.clone(), &change));
        assert_eq!(short(&answers), expected, "{change} {:?}", answers.rejections);
        assert!(answers.rejections.is_empty(), "{change}");
        for said in &answers.said {
            assert_eq!(said.alert.to_string(), ID);
            assert_eq!(said.patient.as_ref().unwrap().as_str(), "p-17");
            assert_eq!(said.at, at("2026-03-01T11:00:00Z"));
            assert!(!serde_json::to_string(said).unwrap().contains("canary"));
        }
    }
    for (change, reason) in [
        (json!({"reasonCode": concept(RESPONSES, "shrug")}), Reason::UnknownCode),
        (json!({"reasonCode": concept(REASONS, "canary")}), Reason::UnknownCode),
        (json!({"reasonCode": concept(RESPONSES, "dismiss")}), Reason::Missing),
        (
            json!({"category": concept(RESPONSES, "snooze"), "reasonCode": concept(REASONS, "procedure")}),
            Reason::Missing,
        ),
        (json!({"extension": [{"url": SNOOZE_MINUTES, "valueInteger": 20}]}), Reason::Missing),
        (json!({"extension": [{"url": SNOOZE_MINUTES, "valueInteger": -1}]}), Reason::BadValue),
        (json!({"sent": "canary"}), Reason::BadTime),
        (json!({"status": null}), Reason::Missing),
        (json!({"subject": null}), Reason::NoPatient),
        (json!({"subject": {"display": "canary"}}), Reason::NoPatient),
    ] {
        let answers = heard(&with(base.clone(), &change));
        assert!(answers.said.is_empty(), "{change}");
        assert_eq!(answers.rejections.iter().map(|r| r.reason).collect::<Vec<_>>(), [reason], "{change}");
        assert!(!format!("{:?}", answers.rejections).contains("canary"));
    }
}

#[test]
fn a_flag_or_issue_that_somebody_changed_answers_its_alert() {
    let base = |kind: &str| {
        json!({"resourceType": kind, "status": "active", "subject": subject(),
            "identifier": [{"system": ALERTS, "value": ID}],
            "meta": {"lastUpdated": "2026-03-01T11:30:00Z", "tag": [{"system": PHASES, "code": "updated"}]}})
    };
    let ended = json!({"lastUpdated": "2026-03-01T11:30:00Z",
        "tag": [{"system": PHASES, "code": "raised"}, {"system": PHASES, "code": "resolved"}]});
    let seen = vec!["acknowledge"];
    for (kind, change, expected) in [
        ("Flag", json!({}), vec![]),
        ("Flag", json!({"status": "inactive"}), seen.clone()),
        ("Flag", json!({"status": "inactive", "meta": null}), seen.clone()),
        ("Flag", json!({"status": "inactive", "meta": ended}), vec![]),
        ("Flag", json!({"status": "entered-in-error"}), vec!["acknowledge", "disagree"]),
        ("Flag", json!({"status": "entered-in-error", "meta": ended}), vec!["acknowledge", "disagree"]),
        ("Flag", json!({"status": "inactive", "identifier": [{"system": "x", "value": ID}]}), vec![]),
        ("Flag", json!({"status": "inactive", "identifier": null}), vec![]),
        ("DetectedIssue", json!({"status": "preliminary"}), vec![]),
        ("DetectedIssue", json!({"status": "final", "meta": ended}), vec![]),
        ("DetectedIssue", json!({"status": "cancelled"}), seen.clone()),
        ("DetectedIssue", json!({"status": "amended", "mitigation": []}), vec![]),
        (
            "DetectedIssue",
            json!({"status": "amended", "mitigation": [{"action": {"text": "canary"}}]}),
            seen.clone(),
        ),
        ("RiskAssessment", json!({"status": "cancelled"}), vec![]),
    ] {
        let answers = heard(&with(base(kind), &change));
        let got: Vec<&str> = answers.said.iter().map(|s| s.action.name()).collect();
        assert_eq!(got, expected, "{kind} {change}");
        assert!(answers.said.iter().all(|s| s.feedback().is_whole()));
        assert!(answers.rejections.is_empty(), "{kind} {change}");
    }
    // When: as it was changed, else as its period ends, else now; never in the future.
    for (change, when) in [
        (json!({}), "2026-03-01T11:30:00Z"),
        (json!({"meta": null, "period": {"end": "2026-03-01T10:00:00Z"}}), "2026-03-01T10:00:00Z"),
        (json!({"meta": null}), "2026-03-01T12:00:00Z"),
        (json!({"meta": {"lastUpdated": "2027-01-01T00:00:00Z"}}), "2026-03-01T12:00:00Z"),
    ] {
        let flag = with(with(base("Flag"), &json!({"status": "inactive"})), &change);
        assert_eq!(heard(&flag).said[0].at, at(when), "{change}");
    }
}

#[test]
fn a_patient_of_the_hospital_is_named_as_in_its_data() {
    let flag = |subject: Value| {
        json!({"resourceType": "Flag", "status": "inactive", "subject": subject,
            "identifier": [{"system": ALERTS, "value": ID}]})
    };
    let of = |subject: Value| heard(&flag(subject)).said[0].patient.clone().unwrap();
    let pseudonym = naming().pseudonyms.unwrap().of(&PatientId::new("4711").unwrap());
    assert_eq!(of(json!({"reference": "Patient/4711"})), pseudonym);
    // Our own id is the pseudonym already.
    assert_eq!(of(json!({"identifier": {"system": OWN, "value": pseudonym.as_str()}})), pseudonym);
}

#[test]
fn a_bundle_says_what_its_resources_say_and_nonsense_says_nothing() {
    let flag = json!({"resourceType": "Flag", "status": "inactive", "subject": subject(),
        "identifier": [{"system": ALERTS, "value": ID}]});
    let broken = with(flag.clone(), &json!({"subject": null}));
    let bundle = json!({"resourceType": "Bundle", "type": "history",
        "entry": [{"resource": {"resourceType": "SubscriptionStatus"}}, {"resource": flag}, {"resource": broken}, {}]});
    let answers = heard(&bundle);
    assert_eq!(short(&answers).len(), 1);
    assert_eq!(answers.rejections[0].place.path, "Bundle.entry[2].resource.subject");
    for nonsense in [
        &b"x"[..],
        b"[]",
        b"{}",
        b"\xff",
        b"{\"resourceType\":\"Bundle\",\"entry\":3}",
        b"{\"resourceType\":\"Flag\",\"resourceType\":\"Flag\"}",
    ] {
        let naming = Naming::default();
        let reading = Reading { naming: &naming, own_system: OWN, now: at("2026-03-01T12:00:00Z") };
        let answers = read(nonsense, &reading);
        assert!(answers.said.is_empty() && answers.rejections.is_empty());
    }
}
