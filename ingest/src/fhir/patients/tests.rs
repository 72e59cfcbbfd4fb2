//! Who is named by what, and that nobody is given another's values.

use super::*;

fn observation(subject: &str) -> String {
    format!(r#"{{"resourceType":"Observation","status":"final","subject":{subject},"valueInteger":1}}"#)
}

fn to(reference: &str) -> String {
    observation(&format!(r#"{{"reference":"{reference}"}}"#))
}

fn bundle(resources: &[String]) -> String {
    let entries: Vec<String> = resources
        .iter()
        .enumerate()
        .map(|(i, r)| format!(r#"{{"fullUrl":"urn:uuid:u{i}","resource":{r}}}"#))
        .collect();
    format!(r#"{{"resourceType":"Bundle","type":"batch","entry":[{}]}}"#, entries.join(","))
}

/// Keys with their entries, and rejections.
type Cut = (Vec<(Option<String>, Vec<usize>)>, Vec<(Reason, String)>);

fn cut(text: &str, naming: &Naming) -> Cut {
    let message = parts(text.as_bytes(), naming).unwrap();
    let parts = message.parts.iter().map(|p| {
        assert_eq!(p.entries.is_empty(), p.payload.as_ref() == text.as_bytes());
        (p.patient.as_ref().map(|id| id.as_str().to_owned()), p.entries.clone())
    });
    let rejections = message.rejections.iter().map(|r| (r.reason, r.place.path.clone()));
    (parts.collect(), rejections.collect())
}

fn one(key: &str) -> Cut {
    (vec![(Some(key.to_owned()), Vec::new())], Vec::new())
}

fn refused(path: &str) -> Cut {
    (Vec::new(), vec![(Reason::NoPatient, path.to_owned())])
}

#[test]
fn a_resource_is_whose_it_says() {
    let naming = Naming::default();
    for (text, want) in [
        (to("Patient/p1"), one("p1")),
        (to("https://h.example/fhir/Patient/p1/_history/2"), one("p1")),
        (to("urn:uuid:0b"), one("0b")),
        (r#"{"resourceType":"Patient","id":"p1"}"#.to_owned(), one("p1")),
        (r#"{"resourceType":"Appointment"}"#.to_owned(), (vec![(None, Vec::new())], Vec::new())),
        (to("#p"), refused("Resource.subject")),
        (to("Group/1"), refused("Resource.subject")),
        (observation(r#"{"identifier":{"system":"s","value":"4711"}}"#), refused("Resource.subject")),
        (r#"{"resourceType":"Observation"}"#.to_owned(), refused("Resource.subject")),
        (r#"{"resourceType":"Patient"}"#.to_owned(), refused("Resource.id")),
        (format!(r#"{{"resourceType":"DiagnosticReport","contained":[{}]}}"#, to("Patient/p1")), one("p1")),
    ] {
        assert_eq!(cut(&text, &naming), want, "{text}");
    }
    for bad in ["", "[]", "{}", "{\"resourceType\":7}", "nonsense"] {
        assert!(parts(bad.as_bytes(), &naming).is_err(), "{bad}");
    }
}

#[test]
fn a_bundle_is_cut_by_patient_and_what_is_nobodys_goes_with_the_first() {
    let naming = Naming::default();
    let patient = r#"{"resourceType":"Patient","id":"p1"}"#.to_owned();
    let other = r#"{"resourceType":"Device"}"#.to_owned();
    let single = bundle(&[patient.clone(), to("urn:uuid:u0"), to("Patient/p1"), other.clone()]);
    assert_eq!(cut(&single, &naming), one("p1"));
    let several = bundle(&[other, to("Patient/a"), to("Patient/b"), to("Patient/a"), to("Patient/c")]);
    let key = |text: &str| Some(text.to_owned());
    let want = vec![(key("a"), vec![0, 1, 3]), (key("b"), vec![2]), (key("c"), vec![4])];
    assert_eq!(cut(&several, &naming), (want, Vec::new()));
    // A part is read as what it is, and its places are the message's.
    let message = parts(several.as_bytes(), &naming).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&message.parts[0].payload).unwrap();
    assert_eq!(value["entry"][2]["resource"]["subject"]["reference"], "Patient/a");
    assert_eq!((message.entries, message.bundle_type.as_str()), (5, "batch"));
    let place = Place::at(7, "Bundle.entry[2].resource.status");
    assert_eq!(message.place(&message.parts[0], &place), Place::path("Bundle.entry[3].resource.status"));
    // No subject, and so no record: it must not become the first patient's.
    let orphan = bundle(&[to("Patient/a"), r#"{"resourceType":"Observation"}"#.to_owned()]);
    let path = "Bundle.entry[1].resource.subject".to_owned();
    assert_eq!(cut(&orphan, &naming), (vec![(key("a"), vec![0])], vec![(Reason::NoPatient, path)]));
    // A Bundle within a Bundle is one patient's or nobody's.
    assert_eq!(cut(&bundle(&[bundle(&[to("Patient/a"), to("Patient/a")])]), &naming), one("a"));
    let mixed = cut(&bundle(&[bundle(&[to("Patient/a"), to("Patient/b")])]), &naming);
    assert_eq!(mixed.1[0].0, Reason::KeyMismatch);
    assert!(mixed.0.is_empty());
}

#[test]
fn a_patient_created_in_the_message_needs_a_number() {
    let patient = r#"{"resourceType":"Patient","identifier":[{"system":"x","value":"1"},{"system":"urn:mrn","value":"4711"}]}"#;
    let text = bundle(&[patient.to_owned(), to("urn:uuid:u0")]);
    let got = cut(&text, &Naming::default());
    assert_eq!(got.1.len(), 2, "{got:?}");
    let by_number = Naming { system: Some("urn:mrn".to_owned()), pseudonyms: None };
    assert_eq!(cut(&text, &by_number), one("4711"));
    let logical = observation(r#"{"identifier":{"system":"urn:mrn","value":"4711"}}"#);
    assert_eq!(cut(&logical, &by_number), one("4711"));
    assert_eq!(cut(&to("Patient/p1"), &by_number), refused("Resource.subject"));
    let pseudonyms = Pseudonyms::new(&[7; 32]).unwrap();
    let key = pseudonyms.of(&PatientId::new("4711").unwrap());
    let hashed = Naming { pseudonyms: Some(pseudonyms), ..by_number };
    assert_eq!(cut(&logical, &hashed), one(key.as_str()));
}
