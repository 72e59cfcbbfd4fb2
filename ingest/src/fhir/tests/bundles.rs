//! Bundles, whole messages and damage.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn vital(subject: &str, value: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"8867-4"}}]}},"subject":{{"reference":"{subject}"}},"effectiveDateTime":"2026-03-01T11:00:00Z","valueQuantity":{{"value":{value},"code":"/min"}}}}"#
    )
}

fn bundle(resources: &[String]) -> String {
    let mut text = String::from(r#"{"resourceType":"Bundle","type":"collection","entry":["#);
    for (i, resource) in resources.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        write!(text, r#"{comma}{{"fullUrl":"urn:uuid:u{i}","resource":{resource}}}"#).unwrap();
    }
    text + "]}"
}

#[test]
fn each_entry_is_a_unit_with_its_own_place() {
    let inner = bundle(&[vital("Patient/p1", "70"), vital("Patient/p1", "\"x\"")]);
    let text = bundle(&[
        vital("Patient/p1", "60"),
        r#"{"resourceType":"Appointment"}"#.into(),
        inner,
        r#"{"resourceType":7}"#.into(),
        r#"{"id":"x"}"#.into(),
        "[]".into(),
        vital("Patient/p1", "80"),
    ]);
    let text = text.replacen(r#""entry":["#, r#""entry":[{"response":{"status":"201"}},7,"#, 1);
    let got = run(Some("p"), text.as_bytes());
    assert_eq!(numerics(&got), [60.0, 70.0, 80.0].map(|x| (Signal::HeartRate, x)));
    let u = got.units;
    assert_eq!((u.total, u.decoded, u.skipped, u.rejected), (10, 3, 2, 5));
    let want = [
        (Reason::BadValue, "Bundle.entry[1]"),
        (Reason::BadValue, "Bundle.entry[4].resource.entry[1].resource.valueQuantity.value"),
        (Reason::BadValue, "Bundle.entry[5].resource.resourceType"),
        (Reason::Missing, "Bundle.entry[6].resource.resourceType"),
        (Reason::BadValue, "Bundle.entry[7].resource"),
    ];
    assert_eq!(rejected(&got), want.map(|(r, p)| (r, p.to_owned())));
    let byte = got.rejections[1].place.byte.unwrap();
    assert!(text[byte..].starts_with("\"x\""), "the byte is that of the value");
}

#[test]
fn one_key_is_one_patient() {
    let two = [vital("Patient/p1", "60"), vital("Patient/p2", "70"), vital("Patient/p1", "80")];
    let got = run(Some("key"), bundle(&two).as_bytes());
    assert_eq!(numerics(&got), [60.0, 80.0].map(|x| (Signal::HeartRate, x)));
    assert_eq!(rejected(&got), [(Reason::KeyMismatch, "Bundle.entry[1].resource.subject".into())]);
    let free = run(None, bundle(&two).as_bytes());
    assert_eq!(free.events.iter().map(|e| e.patient.as_str()).collect::<Vec<_>>(), ["p1", "p2", "p1"]);
    // The same person by id and by the Bundle's full URL.
    let patient = r#"{"resourceType":"Patient","id":"p1","gender":"male"}"#.to_owned();
    let one = run(
        Some("key"),
        bundle(&[patient, vital("urn:uuid:u0", "60"), vital("Patient/p1", "61")]).as_bytes(),
    );
    assert_eq!((one.events.len(), one.rejections.len()), (3, 0));
}

#[test]
fn contained_observations_of_a_report_are_read() {
    let report =
        format!(r#"{{"resourceType":"DiagnosticReport","contained":[{}]}}"#, vital("Patient/p1", "66"));
    let got = run(None, report.as_bytes());
    assert_eq!((numerics(&got), got.units.total), (vec![(Signal::HeartRate, 66.0)], 2));
}

#[test]
fn deep_and_large_bundles_are_refused_in_bounds() {
    let mut text = vital("Patient/p1", "60");
    for _ in 0..crate::fhir::MAX_NESTING + 1 {
        text = bundle(&[text]);
    }
    assert_eq!(run(None, text.as_bytes()).rejections[0].reason, Reason::TooLarge);
    let many = format!(r#"{{"resourceType":"Bundle","entry":[{}1]}}"#, "1,".repeat(crate::fhir::MAX_ENTRIES));
    let got = run(None, many.as_bytes());
    assert_eq!((got.rejections[0].reason, got.units.total), (Reason::TooLarge, 1));
    let deep = format!(r#"{{"resourceType":"Observation","status":{}"#, "[".repeat(1_000_000));
    assert_eq!(run(None, deep.as_bytes()).rejections[0].reason, Reason::Malformed);
    let deep =
        format!(r#"{{"resourceType":"Bundle","entry":{}{}}}"#, "[".repeat(500_000), "]".repeat(500_000));
    assert_eq!(rejected(&run(None, deep.as_bytes())), [(Reason::BadValue, "Bundle.entry[0]".into())]);
}

#[test]
fn a_mark_and_white_space_before_the_message_are_tolerated() {
    for before in ["\u{feff}", " \r\n\t", "\u{feff} \n"] {
        let text = format!("{before}{}\n", vital("Patient/p1", "60"));
        assert_eq!(run(None, text.as_bytes()).units.decoded, 1, "{before:?}");
    }
}

#[test]
fn no_error_quotes_the_message() {
    let base = vital("Patient/p1", "60");
    for (from, to) in [
        ("final", "CANARY"),
        ("/min", "CANARY"),
        ("2026-03-01T11:00:00Z", "CANARY"),
        ("Patient/p1", "CANARY/CANARY"),
        ("8867-4", "CANARY"),
        ("60", "\"CANARY\""),
        ("Observation", "CANARY"),
        ("resourceType", "CANARY"),
        ("{", "{CANARY"),
    ] {
        let text = base.replacen(from, to, 1);
        for message in [text.clone(), bundle(&[text])] {
            assert!(!format!("{:?}", run(Some("k"), message.as_bytes()).rejections).contains("CANARY"));
        }
    }
}

#[test]
fn a_bundle_cut_at_every_byte_never_panics() {
    let text = bundle(&[
        vital("Patient/p1", "60"),
        r#"{"resourceType":"Patient","id":"p1","birthDate":"1950"}"#.into(),
        vital("Patient/p1", "1e2"),
    ]);
    for cut in 0..text.len() {
        let got = run(Some("k"), &text.as_bytes()[..cut]);
        assert_eq!((got.rejections[0].reason, got.events.len()), (Reason::Malformed, 0), "{cut}");
    }
}

/// Pieces that make JSON odd.
const PIECES: &[&str] = &[
    "null",
    "[]",
    "{}",
    "\"\"",
    "-1",
    "1e999",
    "true",
    "\"\\ud800\"",
    "[{}]",
    "{\"value\":1}",
    ",",
    "]",
    "}",
    "\"",
    "\u{0}",
    "é",
    "\\u0000",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    /// Law: however a message is damaged, nothing panics, the units add up (checked by `run`) and
    /// no value appears that is not finite.
    #[test]
    fn damaged_bundles_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, 0..PIECES.len()), 1..6),
        keyed in any::<bool>(),
    ) {
        let mut text = bundle(&[
            vital("Patient/p1", "60"),
            r#"{"resourceType":"Encounter","status":"in-progress","subject":{"reference":"Patient/p1"},"period":{"start":"2026-01-01"},"location":[{"location":{"reference":"Location/1"},"physicalType":{"coding":[{"code":"bd"}]}}]}"#.into(),
            r##"{"resourceType":"MedicationAdministration","status":"completed","medicationReference":{"reference":"#m"},"contained":[{"id":"m","code":{"text":"insulin"}}],"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2026-01-01","dosage":{"dose":{"value":1,"code":"U"}}}"##.into(),
        ]).into_bytes();
        for (at, len, piece) in edits {
            let start = at.index(text.len());
            let end = (start + len).min(text.len());
            text.splice(start..end, PIECES[piece].bytes());
        }
        run(keyed.then_some("k"), &text);
    }
}
