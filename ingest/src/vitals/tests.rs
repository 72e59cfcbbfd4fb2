use bedwatch_schemas::{
    event::{Numeric, Stream},
    ids::{BedId, Location, PatientId, SourceId, UnitId},
    signal::Signal,
    time::{ArrivalTime, EventTime},
    wire::{VITALS, VitalsMessage, VitalsValue},
};
use proptest::prelude::*;

use super::*;
use crate::subject::FUTURE_TOLERANCE;

const ARRIVAL: &str = "2026-03-01T12:00:00Z";

fn record<'a>(key: Option<&'a str>, payload: &'a [u8]) -> Record<'a> {
    Record {
        stream: Stream::Vitals,
        partition: 2,
        offset: 9,
        arrival: ArrivalTime::parse_rfc3339(ARRIVAL).unwrap(),
        key,
        payload,
    }
}

fn run(payload: &str) -> Decoded {
    decode(&record(Some("p1"), payload.as_bytes()), FUTURE_TOLERANCE)
}

/// A message with the given values, one line.
fn message(values: &str) -> String {
    format!(
        r#"{{"schema":"vitals/1","patient":"p1","source":"mon-3","time":"2026-03-01T11:59:58.5Z","values":[{values}]}}"#
    )
}

fn body(decoded: &Decoded) -> &Body {
    assert!(decoded.rejections.is_empty(), "{:?}", decoded.rejections);
    &decoded.events[0].body
}

#[test]
fn values_by_every_kind_of_code_and_unit() {
    let cases = [
        ("heart_rate", "/min", 80.0, Signal::HeartRate, 80.0),
        ("8867-4", "bpm", 80.0, Signal::HeartRate, 80.0),
        ("147842", "264864", 80.0, Signal::HeartRate, 80.0),
        ("MDC_ECG_HEART_RATE", "MDC_DIM_BEAT_PER_MIN", 80.0, Signal::HeartRate, 80.0),
        ("temperature", "[degF]", 98.6, Signal::Temperature, 37.0),
        ("8480-6", "kPa", 16.0, Signal::NibpSystolic, 120.009_9),
        ("glucose", "mmol/L", 5.0, Signal::Glucose, 90.078),
        ("spo2", "1", 0.97, Signal::Spo2, 97.0),
        ("base_excess", "mmol/L", -1.0, Signal::BaseExcess, -1.0),
    ];
    for (code, unit, value, signal, want) in cases {
        let got = run(&message(&format!(r#"{{"signal":"{code}","value":{value},"unit":"{unit}"}}"#)));
        let Body::Numeric(n) = body(&got) else { panic!("{code}: {got:?}") };
        assert_eq!((n.signal, n.plausible), (signal, true), "{code}");
        assert!((n.value - want).abs() < 1e-3, "{code}: {} != {want}", n.value);
    }
}

#[test]
fn no_reading_is_not_a_number_and_an_absurd_one_is_flagged() {
    let cases = [("null", NoReading::Empty), ("-999", NoReading::Sentinel), ("-1.0", NoReading::Sentinel)];
    for (value, reason) in cases {
        let got = run(&message(&format!(r#"{{"signal":"spo2","value":{value},"unit":"%"}}"#)));
        assert_eq!(*body(&got), Body::NoReading { signal: Signal::Spo2, reason }, "{value}");
    }
    let got = run(&message(r#"{"signal":"heart_rate","value":900,"unit":"/min"}"#));
    let Body::Numeric(n) = body(&got) else { panic!() };
    assert!((n.value, n.plausible) == (900.0, false));
}

#[test]
fn a_bad_value_is_rejected_with_its_place_and_the_others_stand() {
    let good = r#"{"signal":"spo2","value":97,"unit":"%"}"#;
    let cases = [
        (
            r#"{"signal":"nonsense","value":1,"unit":"%"}"#,
            Reason::UnknownCode,
            "values[1].signal",
            "\"nonsense\"",
        ),
        (
            r#"{"signal":"spo2","value":97,"unit":"furlong"}"#,
            Reason::UnknownUnit,
            "values[1].unit",
            "\"furlong\"",
        ),
        (r#"{"signal":"spo2","value":97,"unit":"kPa"}"#, Reason::UnknownUnit, "values[1].unit", "\"kPa\""),
        (r#"{"signal":"spo2","value":"97","unit":"%"}"#, Reason::BadValue, "values[1].value", "\"97\""),
        (r#"{"signal":"spo2","value":1e999,"unit":"%"}"#, Reason::BadValue, "values[1].value", "1e999"),
        (r#"{"signal":"spo2","value":97}"#, Reason::Missing, "values[1].unit", "{"),
        (r#"{"value":97,"unit":"%"}"#, Reason::Missing, "values[1].signal", "{"),
        (r#"{"signal":"spo2","value":1,"unit":"%","note":"x"}"#, Reason::BadValue, "values[1]", "{"),
        ("7", Reason::BadValue, "values[1]", "7"),
    ];
    for (value, reason, path, stands) in cases {
        let text = message(&format!("{good}, {value} ,{good}"));
        let got = run(&text);
        assert_eq!(got.rejections.len(), 1, "{value}");
        let Rejection { reason: r, place } = &got.rejections[0];
        assert_eq!((*r, place.path.as_str()), (reason, path), "{value}");
        assert!(text[place.byte.unwrap()..].starts_with(stands), "{value}: {place}");
        assert_eq!((got.units.total, got.units.decoded, got.units.rejected), (3, 2, 1));
        assert_eq!(got.events.iter().map(|e| e.provenance.part).collect::<Vec<_>>(), [0, 2]);
    }
}

#[test]
fn a_head_that_cannot_be_used_rejects_the_message() {
    let good = message("");
    let cases = [
        ("vitals/1", "vitals/2", Reason::UnsupportedType, "schema"),
        (r#""schema":"vitals/1","#, "", Reason::Missing, "schema"),
        (r#""p1""#, r#""p2""#, Reason::KeyMismatch, "patient"),
        (r#""mon-3""#, r#""""#, Reason::BadValue, "source"),
        (r#""source":"mon-3","#, "", Reason::Missing, "source"),
        ("2026-03-01T11:59:58.5Z", "2026-03-01T11:59:58.5", Reason::BadTime, "time"),
        ("2026-03-01T11:59:58.5Z", "2026-03-01T12:05:00.000001Z", Reason::FutureTime, "time"),
        (r#""values":[]"#, r#""values":[],"x":1"#, Reason::Malformed, ""),
        (r#","values":[]"#, "", Reason::Malformed, ""),
        (r#""source""#, r#""location":{"unit":"A"},"source""#, Reason::BadValue, "location"),
    ];
    for (from, to, reason, path) in cases {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        let got = run(&text);
        assert_eq!((got.events.len(), got.units.total, got.units.rejected), (0, 1, 1), "{to}");
        assert_eq!((got.rejections[0].reason, got.rejections[0].place.path.as_str()), (reason, path), "{to}");
    }
    let edge = good.replace("11:59:58.5", "12:05:00");
    assert!(run(&edge).rejections.is_empty(), "exactly five minutes ahead is accepted");
}

#[test]
fn without_a_key_the_message_names_the_patient_and_without_both_nobody_does() {
    let text = message(r#"{"signal":"spo2","value":97,"unit":"%"}"#);
    let got = decode(&record(None, text.as_bytes()), FUTURE_TOLERANCE);
    assert_eq!(got.events[0].patient, PatientId::new("p1").unwrap());
    let nobody = text.replace(r#""patient":"p1","#, "");
    let got = decode(&record(None, nobody.as_bytes()), FUTURE_TOLERANCE);
    assert_eq!(got.rejections[0].reason, Reason::NoPatient);
    let got = decode(&record(Some("p7"), nobody.as_bytes()), FUTURE_TOLERANCE);
    assert_eq!(got.events[0].patient, PatientId::new("p7").unwrap());
}

#[test]
fn what_the_wire_type_writes_is_read_back_whole() {
    let location = Location { unit: UnitId::new("ICU").unwrap(), bed: BedId::new("4").unwrap() };
    let written = VitalsMessage {
        schema: VITALS.into(),
        patient: PatientId::new("p1").unwrap(),
        encounter: None,
        location: Some(location.clone()),
        source: SourceId::new("mon").unwrap(),
        time: EventTime::parse_rfc3339("2026-03-01T11:00:00Z").unwrap(),
        values: Signal::ALL
            .iter()
            .map(|s| VitalsValue {
                signal: s.name().into(),
                value: Some(s.info().plausible.1),
                unit: s.info().unit.ucum().into(),
            })
            .collect(),
    };
    let got = run(&serde_json::to_string(&written).unwrap());
    assert_eq!((got.rejections.len(), got.units.decoded), (0, Signal::COUNT));
    for (event, signal) in got.events.iter().zip(Signal::ALL) {
        let want = Numeric::new(*signal, signal.info().plausible.1);
        assert_eq!((&event.body, event.event_time), (&Body::Numeric(want), written.time));
        assert_eq!((&event.location, &event.encounter), (&Some(location.clone()), &None));
    }
}

#[test]
fn no_error_quotes_the_message() {
    for text in [
        r#"{"schema":"vitals/1","patient":"CANARY","source":"m","time":"CANARY","values":[]}"#,
        r#"{"schema":"CANARY","patient":"p1"}"#,
        r#"{"CANARY":1}"#,
        r#"{"schema":"vitals/1","values":"CANARY"}"#,
        &message(
            r#"{"signal":"CANARY","value":1,"unit":"%"},{"CANARY":2},{"signal":"spo2","value":"CANARY"}"#,
        ),
    ] {
        let got = run(text);
        assert!(!got.rejections.is_empty());
        assert!(!format!("{:?}", got.rejections).contains("CANARY"));
    }
}

proptest! {
    /// Law: whatever bytes come, the units add up and each rejection of a cut message has a place
    /// within it.
    #[test]
    fn damaged_messages_never_panic(cut in 0usize..400, at in 0usize..400, byte in any::<u8>()) {
        let text = message(
            r#"{"signal":"spo2","value":97.5,"unit":"%"},{"signal":"8867-4","value":null,"unit":"/min"}"#,
        );
        let mut bytes = text.into_bytes();
        let n = bytes.len();
        bytes[at % n] = byte;
        bytes.truncate(if cut < 200 { n } else { cut % n });
        let got = decode(&record(Some("p1"), &bytes), FUTURE_TOLERANCE);
        let u = got.units;
        prop_assert_eq!(u.total, u.decoded + u.skipped + u.rejected);
        prop_assert!(got.rejections.len() >= u.rejected);
        prop_assert!(got.rejections.iter().all(|r| r.place.byte.is_none_or(|b| b <= bytes.len())));
        prop_assert!(got.events.len() == u.decoded);
    }
}
