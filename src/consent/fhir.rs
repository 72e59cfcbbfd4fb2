//! FHIR R4 Consent (<https://hl7.org/fhir/R4/consent.html>), of the scope `research`.
//!
//! What is read: `status`, `scope`, `patient`, `dateTime`, `provision.type`, `provision.period`,
//! `policyRule` (OPTIN, OPTOUT, where there is no `provision.type`), and `meta.lastUpdated` for the end of
//! one that is `inactive`. A permission with nested provisions has conditions nobody here can judge: it is
//! read as none. Several versions of one Consent may stand in a file; `entered-in-error` takes back all of
//! its id.

use std::collections::BTreeSet;

use bedwatch_schemas::{ids::PatientId, time::EventTime};
use serde_json::Value;

use super::{
    Decision, Statement,
    list::{Error, Read, When},
};

/// Reads the Consents of a file.
pub(super) fn read(consents: &[(usize, Value)], system: &str, read: &mut Read) -> Result<(), Error> {
    let text = |of: &Value, key: &str| of.get(key).and_then(Value::as_str).map(str::to_owned);
    let void: BTreeSet<String> = consents
        .iter()
        .filter(|(_, c)| c["status"] == "entered-in-error")
        .filter_map(|(_, c)| text(c, "id"))
        .collect();
    for (line, consent) in consents {
        let mut ignore = |why| *read.ignored.entry(why).or_default() += 1;
        if !is_research(consent) {
            ignore("another_scope");
            continue;
        }
        match consent["status"].as_str() {
            Some("entered-in-error") => ignore("entered_in_error"),
            _ if text(consent, "id").is_some_and(|id| void.contains(&id)) => ignore("entered_in_error"),
            Some("draft" | "proposed") => ignore("not_in_force_yet"),
            Some("active" | "inactive" | "rejected") => {
                read.statements.push(statement(*line, consent, system)?);
            }
            _ => return Err(Error { line: *line, why: "the status is none of FHIR R4" }),
        }
    }
    Ok(())
}

fn codes(concept: &Value) -> impl Iterator<Item = &str> {
    concept["coding"].as_array().into_iter().flatten().filter_map(|c| c["code"].as_str())
}

fn is_research(consent: &Value) -> bool {
    codes(&consent["scope"]).any(|code| code == "research")
}

fn statement(line: usize, consent: &Value, system: &str) -> Result<Statement, Error> {
    let wrong = |why| Error { line, why };
    let patient = patient(&consent["patient"], system).ok_or(wrong("it names no patient"))?;
    let time = |value: &Value| match value.as_str() {
        None => Ok(None),
        Some(text) => When::parse(text).map(Some).ok_or(wrong("a date in it is none")),
    };
    let signed = time(&consent["dateTime"])?;
    let period = &consent["provision"]["period"];
    let (start, end) = (time(&period["start"])?, time(&period["end"])?);
    match consent["status"].as_str() {
        Some("rejected") => {
            let from = signed.map_or(EventTime::from_micros(i64::MIN), |w| w.for_start(Decision::Deny));
            Ok(Statement { patient, from, until: None, decision: Decision::Deny })
        }
        Some("inactive") => {
            // Ended when it was last changed; where that is not said, it never counted.
            let ended = time(&consent["meta"]["lastUpdated"])?;
            let from = ended.map_or(EventTime::from_micros(i64::MIN), |w| w.for_start(Decision::Deny));
            Ok(Statement { patient, from, until: None, decision: Decision::Deny })
        }
        _ => {
            let decision = decision(consent).ok_or(wrong("it says neither permit nor deny"))?;
            let from = match (start.or(signed), decision) {
                (Some(when), _) => when.for_start(decision),
                (None, Decision::Deny) => EventTime::from_micros(i64::MIN),
                (None, Decision::Permit) => return Err(wrong("a permission needs a dateTime or a period")),
            };
            Ok(Statement { patient, from, until: end.map(|w| w.for_end(decision)), decision })
        }
    }
}

fn decision(consent: &Value) -> Option<Decision> {
    let provision = &consent["provision"];
    let said = match provision["type"].as_str() {
        Some("permit") => Decision::Permit,
        Some("deny") => Decision::Deny,
        Some(_) => return None,
        None => match codes(&consent["policyRule"]).find(|code| matches!(*code, "OPTIN" | "OPTOUT"))? {
            "OPTIN" => Decision::Permit,
            _ => Decision::Deny,
        },
    };
    let conditions = provision["provision"].as_array().is_some_and(|nested| !nested.is_empty());
    Some(if conditions { Decision::Deny } else { said })
}

/// The patient's name: the identifier of the system, or the id of the reference.
fn patient(reference: &Value, system: &str) -> Option<PatientId> {
    let identifier = &reference["identifier"];
    if !system.is_empty() {
        let ours = identifier["system"].as_str() == Some(system);
        return PatientId::new(identifier["value"].as_str().filter(|_| ours)?).ok();
    }
    let named = reference["reference"].as_str().and_then(|r| {
        let mut parts = r.split('/').skip_while(|part| *part != "Patient");
        parts.nth(1)
    });
    PatientId::new(named.or_else(|| identifier["value"].as_str())?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::list;
    use super::*;

    fn consent(change: &Value) -> Value {
        let mut consent = json!({
            "resourceType": "Consent", "id": "c1", "status": "active",
            "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}]},
            "category": [{"coding": [{"system": "http://loinc.org", "code": "57016-8"}]}],
            "patient": {"reference": "Patient/p1"}, "dateTime": "2026-03-01T10:00:00Z",
            "provision": {"type": "permit"}
        });
        for (key, value) in change.as_object().unwrap() {
            consent[key] = value.clone();
        }
        consent
    }

    #[test]
    fn what_a_consent_says() {
        let (permit, deny) = (Decision::Permit, Decision::Deny);
        let start = "-292277-00-00";
        for (change, expected) in [
            (json!({}), Some((permit, "2026-03-01T10:00:00Z", None))),
            (json!({"provision": {"type": "deny"}}), Some((deny, "2026-03-01T10:00:00Z", None))),
            (
                json!({"provision": {"type": "permit", "period": {"start": "2026-04-01T00:00:00Z", "end": "2026-05-01T00:00:00Z"}}}),
                Some((permit, "2026-04-01T00:00:00Z", Some("2026-05-01T00:00:00Z"))),
            ),
            (
                json!({"provision": {"type": "permit", "provision": [{"type": "deny"}]}}),
                Some((deny, "2026-03-01T10:00:00Z", None)),
            ),
            (
                json!({"provision": {}, "policyRule": {"coding": [{"code": "OPTOUT"}]}}),
                Some((deny, "2026-03-01T10:00:00Z", None)),
            ),
            (
                json!({"provision": null, "policyRule": {"coding": [{"code": "OPTIN"}]}}),
                Some((permit, "2026-03-01T10:00:00Z", None)),
            ),
            (json!({"status": "rejected"}), Some((deny, "2026-03-01T10:00:00Z", None))),
            (
                json!({"status": "inactive", "meta": {"lastUpdated": "2026-06-01T00:00:00Z"}}),
                Some((deny, "2026-06-01T00:00:00Z", None)),
            ),
            (json!({"status": "inactive"}), Some((deny, start, None))),
            (json!({"status": "rejected", "dateTime": null}), Some((deny, start, None))),
            (json!({"status": "draft"}), None),
            (json!({"status": "proposed"}), None),
            (json!({"status": "entered-in-error"}), None),
            (json!({"scope": {"coding": [{"code": "patient-privacy"}]}}), None),
        ] {
            let read = list::read(&consent(&change).to_string(), "").unwrap();
            let got = read.statements.first().map(|s| (s.decision, s.from, s.until));
            let at = |t: &str| EventTime::parse_rfc3339(t).unwrap_or(EventTime::from_micros(i64::MIN));
            assert_eq!(got, expected.map(|(d, from, until)| (d, at(from), until.map(at))), "{change}");
            assert_eq!(read.ignored.values().sum::<u64>(), u64::from(expected.is_none()), "{change}");
        }
        for change in [
            json!({"status": "perhaps"}),
            json!({"status": null}),
            json!({"patient": {}}),
            json!({"dateTime": "soon"}),
            json!({"dateTime": null}),
            json!({"provision": {}}),
            json!({"provision": {"type": "maybe"}}),
        ] {
            assert!(list::read(&consent(&change).to_string(), "").is_err(), "{change}");
        }
    }

    #[test]
    fn a_patient_is_named_as_in_the_data() {
        let id = |patient: Value, system: &str| {
            let read = list::read(&consent(&json!({"patient": patient})).to_string(), system).ok()?;
            Some(read.statements[0].patient.as_str().to_owned())
        };
        let ours = json!({"system": "urn:oid:1.2", "value": "4711"});
        assert_eq!(id(json!({"reference": "Patient/p1"}), ""), Some("p1".into()));
        assert_eq!(id(json!({"reference": "https://ehr/r4/Patient/p1/_history/2"}), ""), Some("p1".into()));
        assert_eq!(id(json!({"identifier": ours}), ""), Some("4711".into()));
        assert_eq!(
            id(json!({"identifier": ours, "reference": "Patient/p1"}), "urn:oid:1.2"),
            Some("4711".into())
        );
        assert_eq!(id(json!({"identifier": ours}), "urn:oid:9"), None);
        assert_eq!(id(json!({"reference": "Patient/p1"}), "urn:oid:1.2"), None);
        assert_eq!(id(json!({"reference": "Group/p1"}), ""), None);
    }

    #[test]
    fn versions_bundles_and_what_was_an_error() {
        let (a, b) = (
            consent(&json!({})),
            consent(&json!({"status": "inactive", "meta": {"lastUpdated": "2026-06-01T00:00:00Z"}})),
        );
        let bundle = json!({"resourceType": "Bundle", "type": "searchset", "entry": [
            {"resource": a}, {"resource": b}, {"resource": {"resourceType": "Patient", "id": "p1"}}]});
        let read = list::read(&bundle.to_string(), "").unwrap();
        assert_eq!((read.statements.len(), read.ignored["another_resource"]), (2, 1));
        let lines = format!("{a}\n{b}\n");
        assert_eq!(list::read(&lines, "").unwrap().statements, read.statements);
        let error = consent(&json!({"status": "entered-in-error"}));
        let read = list::read(&format!("{lines}{error}\n"), "").unwrap();
        assert_eq!((read.statements.len(), read.ignored["entered_in_error"]), (0, 3));
        let broken = consent(&json!({"dateTime": "canary"}));
        assert_eq!(list::read(&format!("{lines}{broken}\n"), "").unwrap_err().line, 3);
    }
}
