//! Single resources, each table with its boundaries.

use bedwatch_schemas::{
    event::{AdtKind, NoReading, ResultStatus, Sex, UnitKind},
    medication::{Drug, InfusionAction},
    time::EventTime,
    unit::Unit,
    waveform::WaveformKind,
};

use super::*;

/// An Observation of heart rate; `from` is replaced by `to`.
fn observation(from: &str, to: &str) -> String {
    let text = r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2026-03-01T11:00:00Z","valueQuantity":{"value":80,"system":"http://unitsofmeasure.org","code":"/min","unit":"beats"}}"#;
    let changed = text.replacen(from, to, 1);
    assert!(from == to || changed != text, "{from}");
    changed
}

fn of(from: &str, to: &str) -> Decoded {
    run(Some("key"), observation(from, to).as_bytes())
}

#[test]
fn statuses() {
    let with = |status: &str| of("\"final\"", &format!("\"{status}\""));
    let cases = [
        ("preliminary", ResultStatus::Preliminary),
        ("unknown", ResultStatus::Preliminary),
        ("final", ResultStatus::Final),
        ("amended", ResultStatus::Corrected),
        ("corrected", ResultStatus::Corrected),
        ("entered-in-error", ResultStatus::Withdrawn),
    ];
    for (text, status) in cases {
        let got = if text == "final" { of("", "") } else { with(text) };
        let Body::Numeric(n) = got.events[0].body else { panic!("{text}") };
        assert_eq!((n.signal, n.value, n.status), (Signal::HeartRate, 80.0, status), "{text}");
    }
    let cancelled = Body::NoReading { signal: Signal::HeartRate, reason: NoReading::NotObtained };
    assert_eq!(with("cancelled").events[0].body, cancelled);
    assert_eq!(with("registered").units.skipped, 1);
    assert_eq!(rejected(&with("finished")), [(Reason::BadValue, "Observation.status".into())]);
    assert_eq!(rejected(&of("\"status\"", "\"x\"")), [(Reason::Missing, "Observation.status".into())]);
}

#[test]
fn quantities() {
    let reject = |reason, path: &str| Err((reason, format!("Observation.{path}")));
    let none = |reason| Ok(Body::NoReading { signal: Signal::HeartRate, reason });
    let quantity =
        r#""valueQuantity":{"value":80,"system":"http://unitsofmeasure.org","code":"/min","unit":"beats"}"#;
    let numeric = |x| Ok(Body::Numeric(bedwatch_schemas::event::Numeric::new(Signal::HeartRate, x)));
    let cases = [
        (r#""valueQuantity":{"value":81.5,"unit":"bpm"}"#, numeric(81.5)),
        (r#""valueQuantity":{"value":80,"code":"/min"}"#, numeric(80.0)),
        (
            r#""valueQuantity":{"value":80,"system":"urn:iso:std:iso:11073:10101","code":"264864"}"#,
            numeric(80.0),
        ),
        (r#""valueQuantity":{"value":900,"code":"/min"}"#, numeric(900.0)),
        (r#""valueQuantity":{"value":-1,"code":"/min"}"#, none(NoReading::Sentinel)),
        (r#""dataAbsentReason":{"text":"x"}"#, none(NoReading::DataAbsent)),
        (r#""valueQuantity":{"code":"/min"},"dataAbsentReason":{}"#, none(NoReading::DataAbsent)),
        (
            r#""valueQuantity":{"value":80,"comparator":"<","code":"/min"}"#,
            reject(Reason::BadValue, "valueQuantity.comparator"),
        ),
        (r#""valueQuantity":{"value":80}"#, reject(Reason::UnknownUnit, "valueQuantity")),
        (
            r#""valueQuantity":{"value":80,"unit":"furlongs"}"#,
            reject(Reason::UnknownUnit, "valueQuantity.unit"),
        ),
        (
            r#""valueQuantity":{"value":80,"unit":"/min","code":"furlong"}"#,
            reject(Reason::UnknownUnit, "valueQuantity.code"),
        ),
        (
            r#""valueQuantity":{"value":80,"system":"http://x","code":"/min"}"#,
            reject(Reason::UnknownUnit, "valueQuantity.system"),
        ),
        (r#""valueQuantity":{"value":80,"code":"mm[Hg]"}"#, reject(Reason::UnknownUnit, "valueQuantity")),
        (r#""valueQuantity":{"value":"80","code":"/min"}"#, reject(Reason::BadValue, "valueQuantity.value")),
        (r#""valueQuantity":{"value":1e999,"code":"/min"}"#, reject(Reason::BadValue, "valueQuantity.value")),
        (r#""valueQuantity":{"code":"/min"}"#, reject(Reason::Missing, "valueQuantity.value")),
        (r#""valueQuantity":[80,"/min"]"#, reject(Reason::BadValue, "valueQuantity")),
        (
            r#""valueQuantity":{"value":80,"value":81,"code":"/min"}"#,
            reject(Reason::BadValue, "valueQuantity"),
        ),
        (r#""valueString":"80""#, reject(Reason::BadValue, "valueString")),
        (r#""valueInteger":80"#, reject(Reason::UnknownUnit, "valueInteger")),
        (r#""note":[]"#, reject(Reason::Missing, "value[x]")),
    ];
    for (to, want) in cases {
        let got = of(quantity, to);
        let said = match got.rejections.first() {
            None => Ok(got.events[0].body.clone()),
            Some(r) => Err((r.reason, r.place.path.clone())),
        };
        assert_eq!(said, want, "{to}");
    }
    let glasgow = observation("8867-4", "9269-2").replace(quantity, r#""valueInteger":13"#);
    assert_eq!(numerics(&run(None, glasgow.as_bytes())), [(Signal::GcsTotal, 13.0)]);
}

#[test]
fn times() {
    let time = r#""effectiveDateTime":"2026-03-01T11:00:00Z""#;
    let cases = [
        (r#""effectiveInstant":"2026-03-01T11:00:01.5Z""#, "2026-03-01T11:00:01.500Z"),
        (r#""effectivePeriod":{"start":"2026-02","end":"2026-03"}"#, "2026-02-01T00:00:00Z"),
        (r#""effectivePeriod":{"end":"2026-02-03"}"#, "2026-02-03T00:00:00Z"),
        (r#""effectivePeriod":{},"issued":"2026-03-01T10:00:00Z""#, "2026-03-01T10:00:00Z"),
        (r#""effectiveTiming":{},"issued":"2026-03-01T10:00:00Z""#, "2026-03-01T10:00:00Z"),
        (r#""effectiveDateTime":"2026-03-01T12:05:00Z""#, "2026-03-01T12:05:00Z"),
    ];
    for (to, want) in cases {
        assert_eq!(of(time, to).events[0].event_time.to_string(), want, "{to}");
    }
    let bad = [
        (r#""effectiveDateTime":"yesterday""#, Reason::BadTime, "Observation.effectiveDateTime"),
        (r#""effectivePeriod":{"start":"x"}"#, Reason::BadTime, "Observation.effectivePeriod.start"),
        (r#""x":1"#, Reason::Missing, "Observation.effective[x]"),
        (r#""effectiveDateTime":"2026-03-01T12:05:00.000001Z""#, Reason::FutureTime, "Observation"),
    ];
    for (to, reason, path) in bad {
        assert_eq!(rejected(&of(time, to)), [(reason, path.to_owned())], "{to}");
    }
}

#[test]
fn codes_that_lead_nowhere() {
    let unused = of("8867-4", "787-2"); // mean corpuscular volume
    assert_eq!((unused.units.skipped, unused.units.total), (1, 1));
    let other_system = of("http://loinc.org", "http://example.org/local");
    assert_eq!(rejected(&other_system), [(Reason::UnknownCode, "Observation.code".into())]);
    let colour = observation("8867-4", "14796-3").replace("valueQuantity", "valueOther");
    assert_eq!(run(None, colour.as_bytes()).units.skipped, 1, "no number, so nothing lost");
    let second = of(r#"[{"#, r#"[{"system":"urn:local","code":"1"},{"#);
    assert_eq!(numerics(&second), [(Signal::HeartRate, 80.0)], "any coding may be the known one");
    let mdc = observation("http://loinc.org", "urn:iso:std:iso:11073:10101").replace("8867-4", "147842");
    assert_eq!(numerics(&run(None, mdc.as_bytes())), [(Signal::HeartRate, 80.0)]);
}

#[test]
fn subjects() {
    let subject = r#""subject":{"reference":"Patient/p1"}"#;
    let patient = |key, to: &str| {
        let got = run(key, observation(subject, to).as_bytes());
        match got.rejections.first() {
            None => Ok(got.events[0].patient.as_str().to_owned()),
            Some(r) => Err(r.reason),
        }
    };
    assert_eq!(patient(None, subject), Ok("p1".into()));
    assert_eq!(patient(Some("key"), subject), Ok("key".into()));
    assert_eq!(patient(Some("key"), r#""x":1"#), Ok("key".into()));
    assert_eq!(patient(None, r#""x":1"#), Err(Reason::NoPatient));
    assert_eq!(patient(None, r#""subject":{"identifier":{"value":"19930514"}}"#), Err(Reason::NoPatient));
    for key in [None, Some("key")] {
        assert_eq!(patient(key, r#""subject":{"reference":"Location/1"}"#), Err(Reason::NoPatient));
    }
    let more = r#""encounter":{"reference":"Encounter/e7"},"meta":{"source":"http://h/lis#4711"},"status""#;
    let event = &of("\"status\"", more).events[0];
    assert_eq!(event.encounter.as_ref().map(|e| e.as_str()), Some("e7"));
    assert_eq!(event.source.as_str(), "lis");
}

#[test]
fn components_stand_for_themselves() {
    let component = |code: &str, value: &str| {
        format!(r#"{{"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},{value}}}"#)
    };
    let q = |v: &str, unit: &str| format!(r#""valueQuantity":{{"value":{v},"code":"{unit}"}}"#);
    let panel = |components: &[String]| {
        let list = components.join(",");
        let value = r#""valueQuantity":{"value":80,"system":"http://unitsofmeasure.org","code":"/min","unit":"beats"}"#;
        observation("8867-4", "85354-9").replace(value, &format!(r#""component":[{list}]"#))
    };
    let got = run(
        None,
        panel(&[component("8480-6", &q("107", "mm[Hg]")), component("8462-4", &q("8", "kPa"))]).as_bytes(),
    );
    assert_eq!(numerics(&got), [(Signal::NibpSystolic, 107.0), (Signal::NibpDiastolic, 60.004_92)]);
    assert_eq!((got.units.total, got.units.decoded), (1, 1));

    let got = run(
        None,
        panel(&[
            component("8480-6", &q("107", "mm[Hg]")),
            component("8462-4", &q("60", "furlong")),
            component("8478-0", r#""dataAbsentReason":{}"#),
        ])
        .as_bytes(),
    );
    assert_eq!(numerics(&got), [(Signal::NibpSystolic, 107.0)]);
    assert_eq!(got.events.len(), 2, "the absent one is a no-reading");
    let path = "Observation.component[1].valueQuantity.code".to_owned();
    assert_eq!(rejected(&got), [(Reason::UnknownUnit, path)]);
    assert_eq!((got.units.total, got.units.rejected), (1, 1));
}

#[test]
fn sampled_data_and_its_letters() {
    let sampled = |code: &str, origin: &str, data: &str| {
        format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"coding":[{{"system":"urn:iso:std:iso:11073:10101","code":"{code}"}}]}},"subject":{{"reference":"Patient/p1"}},"effectiveInstant":"2026-03-01T11:00:00Z","valueSampledData":{{"origin":{origin},"period":8,"factor":0.5,"dimensions":1,"data":"{data}"}}}}"#
        )
    };
    let got = run(
        None,
        sampled("MDC_PRESS_BLD_ART_ABP", r#"{"value":10,"code":"mm[Hg]"}"#, "100 E 120 U L -4").as_bytes(),
    );
    let Body::Waveform(block) = &got.events[0].body else { panic!("{:?}", got.rejections) };
    assert_eq!(
        (block.kind, block.rate.hz(), block.start.to_string().as_str()),
        (WaveformKind::Abp, 125.0, "2026-03-01T11:00:00Z")
    );
    let seen: Vec<Option<f32>> =
        block.channels[0].samples.iter().map(|x| x.is_finite().then_some(*x)).collect();
    assert_eq!(seen, [Some(60.0), None, Some(70.0), None, None, Some(8.0)]);

    let micro = run(None, sampled("131330", r#"{"value":0,"code":"uV"}"#, "1000 2000").as_bytes());
    let Body::Waveform(block) = &micro.events[0].body else { panic!("{:?}", micro.rejections) };
    assert_eq!(
        (block.channels[0].label.as_str(), &block.channels[0].samples[..]),
        ("II", &[0.5_f32, 1.0][..])
    );

    let bad = [
        (sampled("131330", r#"{"value":0,"code":"kg"}"#, "1"), Reason::UnknownUnit, "origin"),
        (sampled("MDC_PRESS_BLD_ART_ABP", r#"{"value":0}"#, "1"), Reason::UnknownUnit, "origin"),
        (sampled("131330", r#"{"code":"mV"}"#, "1"), Reason::Missing, "origin.value"),
        (sampled("131330", r#"{"value":0,"code":"mV"}"#, ""), Reason::BadValue, "data"),
        (sampled("131330", r#"{"value":0,"code":"mV"}"#, "1 inf"), Reason::BadValue, "data"),
        (sampled("131330", r#"{"value":0,"code":"mV"}"#, "1 x"), Reason::BadValue, "data"),
        (
            sampled("131330", r#"{"value":0,"code":"mV"}"#, "1").replace("8,", "0,"),
            Reason::BadValue,
            "period",
        ),
        (
            sampled("131330", r#"{"value":0,"code":"mV"}"#, "1").replace(":1,", ":2,"),
            Reason::BadValue,
            "dimensions",
        ),
    ];
    for (text, reason, tail) in bad {
        let path = format!("Observation.valueSampledData.{tail}");
        assert_eq!(rejected(&run(None, text.as_bytes())), [(reason, path)], "{text}");
    }
}

#[test]
fn patients() {
    let got = run(None, br#"{"resourceType":"Patient","id":"p9","gender":"female","birthDate":"1956-03-01","name":[{"family":"CANARY"}]}"#);
    let Body::Adt(adt) = &got.events[0].body else { panic!() };
    assert_eq!((got.events[0].patient.as_str(), adt.kind.clone()), ("p9", AdtKind::Update));
    assert_eq!(adt.demographics.sex, Some(Sex::Female));
    assert!((adt.demographics.age_years.unwrap() - 70.0).abs() < 0.01);
    assert!(!format!("{got:?}").contains("CANARY"));
    let cases = [
        (r#""id":"a","gender":"x""#, Reason::BadValue, "Patient.gender"),
        (r#""id":"a","birthDate":"2030-01-01""#, Reason::BadValue, "Patient.birthDate"),
        (r#""id":"a","birthDate":"nonsense""#, Reason::BadTime, "Patient.birthDate"),
        (r#""id":7"#, Reason::BadValue, "Patient.id"),
        (r#""gender":"male""#, Reason::NoPatient, "Patient.id"),
    ];
    for (rest, reason, path) in cases {
        let got = run(None, format!(r#"{{"resourceType":"Patient",{rest}}}"#).as_bytes());
        assert_eq!(rejected(&got), [(reason, path.to_owned())], "{rest}");
    }
}

#[test]
fn encounters() {
    let run_with = |rest: &str| {
        let text = format!(
            r#"{{"resourceType":"Encounter","id":"e1","subject":{{"reference":"Patient/p1"}},{rest}}}"#
        );
        run(None, text.as_bytes())
    };
    let ward = r#"{"location":{"reference":"Location/ICU"},"physicalType":{"coding":[{"code":"wa"}]}},
        {"location":{"reference":"Location/4"},"status":"active","physicalType":{"coding":[{"code":"bd"}]},"period":{"start":"2026-02-27"}},
        {"location":{"reference":"Location/3"},"status":"completed","physicalType":{"coding":[{"code":"bd"}]},"period":{"start":"2026-02-26"}}"#;
    let period = r#""period":{"start":"2026-02-26","end":"2026-03-01T11:00:00Z"}"#;
    let cases = [
        (format!(r#""status":"finished",{period}"#), AdtKind::Discharge, "2026-03-01T11:00:00Z", None),
        (
            r#""status":"in-progress","period":{"start":"2026-02-26"}"#.into(),
            AdtKind::Admit,
            "2026-02-26T00:00:00Z",
            None,
        ),
        (
            format!(r#""status":"in-progress","period":{{"start":"2026-02-26"}},"location":[{ward}]"#),
            AdtKind::Transfer,
            "2026-02-27T00:00:00Z",
            Some(("ICU", "4")),
        ),
        (
            format!(
                r#""status":"arrived","period":{{"start":"2026-02-27"}},"location":[{ward}],"class":{{"code":"IMP"}}"#
            ),
            AdtKind::Admit,
            "2026-02-27T00:00:00Z",
            Some(("ICU", "4")),
        ),
        (
            r#""status":"onleave","meta":{"lastUpdated":"2026-02-28T00:00:00Z"}"#.into(),
            AdtKind::Update,
            "2026-02-28T00:00:00Z",
            None,
        ),
    ];
    for (rest, kind, time, bed) in cases {
        let got = run_with(&rest);
        let event = got.events.first().unwrap_or_else(|| panic!("{rest}: {:?}", got.rejections));
        let Body::Adt(adt) = &event.body else { panic!() };
        let place = event.location.as_ref().map(|l| (l.unit.as_str(), l.bed.as_str()));
        assert_eq!((&adt.kind, event.event_time.to_string().as_str(), place), (&kind, time, bed), "{rest}");
        assert_eq!(event.encounter.as_ref().unwrap().as_str(), "e1");
    }
    let history = r#""classHistory":[{"period":{"start":"2026-02-25"}},{"class":{"code":"IMP"},"period":{"start":"2026-02-24"}},{}]"#;
    let service = |system: &str, code: &str| {
        format!(r#""serviceType":{{"coding":[{{"code":"x"}},{{"system":"{system}","code":"{code}"}}]}}"#)
    };
    let (table, snomed) = ("http://terminology.hl7.org/CodeSystem/v2-0069", "http://snomed.info/sct");
    for (service, unit) in [
        (service(table, "SUR"), Some(UnitKind::Surgical)),
        (service(table, "GER"), None),
        (service(snomed, "394579002"), Some(UnitKind::Coronary)),
        (service(snomed, "SUR"), None),
        (service("http://site.example", "SUR"), None),
        (r#""serviceType":{"text":"Surgery"}"#.into(), None),
    ] {
        let got = run_with(&format!(r#""status":"in-progress",{service},{history}"#));
        let Body::Adt(adt) = &got.events[0].body else { panic!() };
        let came = adt.hospital_admitted_at.unwrap().to_string();
        assert_eq!((adt.unit, came.as_str()), (unit, "2026-02-24T00:00:00Z"), "{service}");
    }
    for rest in [
        r#""status":"planned""#,
        r#""status":"cancelled""#,
        r#""status":"in-progress","class":{"code":"AMB"}"#,
    ] {
        assert_eq!(run_with(rest).units.skipped, 1, "{rest}");
    }
    assert_eq!(rejected(&run_with(r#""status":"x""#)), [(Reason::BadValue, "Encounter.status".into())]);
    let future = run_with(r#""status":"finished","period":{"end":"2026-03-02"}"#);
    assert_eq!(rejected(&future), [(Reason::FutureTime, "Encounter".into())]);
}

#[test]
fn medications() {
    let run_with = |status: &str, dosage: &str, period: &str, drug: &str| {
        let text = format!(
            r#"{{"resourceType":"MedicationAdministration","status":"{status}","medicationCodeableConcept":{{"coding":[{drug}]}},"subject":{{"reference":"Patient/p1"}},"effectivePeriod":{{{period}}},"dosage":{{{dosage}}}}}"#
        );
        run(None, text.as_bytes())
    };
    let rx = r#"{"system":"http://www.nlm.nih.gov/research/umls/rxnorm","code":"7512"}"#;
    let rate = r#""rateQuantity":{"value":0.1,"code":"ug/kg/min"}"#;
    let start = r#""start":"2026-03-01T10:00:00Z""#;
    let both = r#""start":"2026-03-01T10:00:00Z","end":"2026-03-01T11:00:00Z""#;
    type Told = (Drug, InfusionAction, Option<(f64, Unit)>, i64);
    let said = |got: &Decoded| -> Vec<Told> {
        let t0 = EventTime::parse_rfc3339("2026-03-01T10:00:00Z").unwrap();
        let one = |e: &bedwatch_schemas::event::Event| match e.body {
            Body::Medication(m) => {
                (m.drug, m.action, m.dose.map(|d| (d.value, d.unit)), e.event_time.since(t0).0 / 60_000_000)
            }
            _ => panic!(),
        };
        got.events.iter().map(one).collect()
    };
    use InfusionAction::{Given, NotGiven, RateSet, Stopped};
    let nor = Drug::Norepinephrine;
    let set = (nor, RateSet, Some((0.1, Unit::UgPerKgMin)), 0);
    assert_eq!(said(&run_with("in-progress", rate, start, rx)), [set]);
    assert_eq!(said(&run_with("completed", rate, both, rx)), [set, (nor, Stopped, None, 60)]);
    assert_eq!(said(&run_with("completed", rate, start, rx)), [set]);
    assert_eq!(said(&run_with("stopped", "", both, rx)), [(nor, Stopped, None, 60)]);
    assert_eq!(said(&run_with("not-done", rate, both, rx)), [(nor, NotGiven, None, 0)]);
    let insulin = r#"{"system":"urn:x","code":"1","display":"Insulin regular"}"#;
    let dose = r#""dose":{"value":4,"code":"U"}"#;
    assert_eq!(
        said(&run_with("completed", dose, both, insulin)),
        [(Drug::Insulin, Given, Some((4.0, Unit::DrugUnit)), 0)]
    );
    let ratio = r#""rateRatio":{"numerator":{"value":200,"code":"mL"},"denominator":{"value":2,"code":"h"}}"#;
    let other = r#"{"system":"urn:x","code":"1","display":"saline"}"#;
    assert_eq!(
        said(&run_with("in-progress", ratio, start, other)),
        [(Drug::Other, RateSet, Some((100.0, Unit::MlPerHour)), 0)]
    );
    // A pressor at a rate we cannot read still runs, and the message is looked at.
    let odd = r#""rateQuantity":{"value":3,"code":"drops"}"#;
    let got = run_with("in-progress", odd, start, rx);
    assert_eq!(said(&got), [(nor, RateSet, None, 0)]);
    let path = "MedicationAdministration.dosage.rateQuantity.code";
    assert_eq!(rejected(&got), [(Reason::UnknownUnit, path.to_owned())]);
    assert!(run_with("in-progress", odd, start, other).rejections.is_empty());
    for status in ["entered-in-error", "unknown"] {
        let want = [(Reason::UnsupportedType, "MedicationAdministration.status".to_owned())];
        assert_eq!(rejected(&run_with(status, rate, both, rx)), want);
    }
}
