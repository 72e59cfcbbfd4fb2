//! The shape of the Bundles; whether they are valid FHIR is HAPI's to say (end-to-end tests).

use std::collections::BTreeSet;

use super::*;
use crate::render::samples;

fn names() -> Names {
    Names {
        base: "http://fhir.example/r4".to_owned(),
        patients: "urn:bedwatch:patient".to_owned(),
        encounters: "urn:bedwatch:encounter".to_owned(),
    }
}

fn entries(alert: &Alert) -> Vec<Value> {
    let bundle: Value = serde_json::from_slice(&bundle(alert, &names())).unwrap();
    assert_eq!(bundle["type"], "transaction");
    bundle["entry"].as_array().unwrap().clone()
}

fn of<'a>(entries: &'a [Value], kind: &str) -> Vec<&'a Value> {
    entries.iter().map(|e| &e["resource"]).filter(|r| r["resourceType"] == kind).collect()
}

/// Every literal reference of a value.
fn references(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                match inner {
                    Value::String(to) if name == "reference" => drop(into.insert(to.clone())),
                    inner => references(inner, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|i| references(i, into)),
        _ => {}
    }
}

#[test]
fn every_reference_is_to_a_resource_of_the_same_bundle_and_every_id_stands_once() {
    for alert in samples::all() {
        let entries = entries(&alert);
        let mut own = BTreeSet::new();
        for entry in &entries {
            let r = &entry["resource"];
            let name = format!("{}/{}", r["resourceType"].as_str().unwrap(), r["id"].as_str().unwrap());
            assert_eq!(entry["request"]["method"], "PUT");
            assert_eq!(entry["request"]["url"], name.as_str());
            assert_eq!(entry["fullUrl"], format!("{}/{name}", names().base));
            assert!(own.insert(name));
        }
        let mut named = BTreeSet::new();
        entries.iter().for_each(|e| references(e, &mut named));
        assert!(named.is_subset(&own), "{named:?} {own:?}");
        assert_eq!(of(&entries, "Observation").len(), alert.evidence.facts.len());
    }
}

#[test]
fn an_episode_is_one_resource_and_a_message_is_its_own() {
    let all = samples::all();
    let episode: Vec<&Alert> = all.iter().filter(|a| a.id == all[0].id).collect();
    let (first, last) = (entries(episode[0]), entries(episode.last().unwrap()));
    for (kind, same) in [
        ("RiskAssessment", true),
        ("Flag", true),
        ("Communication", false),
        ("Provenance", false),
        ("Observation", false),
    ] {
        assert_eq!(of(&first, kind)[0]["id"] == of(&last, kind)[0]["id"], same, "{kind}");
    }
    assert_eq!(
        (&of(&first, "Flag")[0]["status"], &of(&last, "Flag")[0]["status"]),
        (&json!("active"), &json!("inactive"))
    );
    assert_eq!(of(&last, "RiskAssessment")[0]["status"], "final");
    assert_eq!(of(&first, "RiskAssessment")[0]["prediction"][0]["probabilityDecimal"], 31.25);
    assert_eq!(bundle(episode[0], &names()), bundle(episode[0], &names()));
}

#[test]
fn a_technical_alert_is_an_issue_of_the_data_and_no_risk() {
    for alert in samples::all().iter().filter(|a| a.kind.is_technical()) {
        let entries = entries(alert);
        assert_eq!((of(&entries, "DetectedIssue").len(), of(&entries, "RiskAssessment").len()), (1, 0));
    }
}

#[test]
fn markup_in_words_is_text() {
    let mut alert = samples::all().remove(0);
    alert.rationale.text = "</p></div><script>alert(1)</script>\u{0}".to_owned();
    let entries = entries(&alert);
    let div = of(&entries, "Flag")[0]["text"]["div"].as_str().unwrap().to_owned();
    assert!(div.contains("&lt;script&gt;") && !div.contains("<script>"), "{div}");
    let words = &of(&entries, "Communication")[0]["payload"][0]["contentString"];
    assert_eq!(words, "</p></div><script>alert(1)</script>");
}
