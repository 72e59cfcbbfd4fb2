use super::*;
use crate::readers::{Fault, Options, scratch::Scratch};

const BASE: i64 = 946_684_800_000_000;

fn stay(text: &str) -> Result<Stay, Error> {
    let dir = Scratch::new("psv");
    let path = dir.file("p000001.psv", text.as_bytes());
    read(&path.as_path().into(), "p000001", Options::default().base)
}

/// Hours since the base, signal, value, whether plausible.
type Value = (i64, Signal, f64, bool);

fn numerics(stay: &mut Stay) -> (Vec<Value>, Vec<String>) {
    let (mut values, mut faults) = (Vec::new(), Vec::new());
    for item in stay {
        match item {
            Ok(Item::Event(Event { event_time, body: Body::Numeric(n), .. })) => {
                let hour = (event_time.as_micros() - BASE) / 3_600_000_000;
                values.push((hour, n.signal, n.value, n.plausible));
            }
            Ok(_) => {}
            Err(e) => faults.push(e.to_string()),
        }
    }
    (values, faults)
}

#[test]
fn a_stay_with_crlf_an_unknown_column_and_a_late_start() {
    let text = "HR|FiO2|Mystery|Age|Gender|ICULOS|SepsisLabel\r\n80|0.28|1|64.5|1|3|0\r\n\
                NaN|NaN|NaN|64.5|1|4|0\r\n90|NaN|NaN|64.5|1|6|1\r\n";
    let mut stay = stay(text).unwrap();
    assert_eq!(stay.counts, BTreeMap::from([("psv.missing_hour", 1), ("psv.unknown_column", 1)]));
    let Some(Labels::Hourly(hours)) = stay.labels.clone() else { panic!() };
    let got: Vec<_> = hours.iter().map(|h| (h.hour, h.sepsis, h.deterioration)).collect();
    assert_eq!(got, [(3, Some(false), None), (4, Some(false), None), (6, Some(true), None)]);
    let Some(Ok(Item::Event(admit))) = stay.next() else { panic!() };
    let Body::Adt(adt) = &admit.body else { panic!() };
    assert_eq!(adt.demographics, Demographics { age_years: Some(64.5), sex: Some(Sex::Male) });
    assert_eq!(adt.admitted_at, Some(Options::default().base));
    assert_eq!(admit.event_time.as_micros(), BASE + 2 * 3_600_000_000);
    let (values, faults) = numerics(&mut stay);
    assert!(faults.is_empty());
    assert_eq!(
        values,
        [
            (2, Signal::HeartRate, 80.0, true),
            (2, Signal::Fio2, 28.0, true),
            (5, Signal::HeartRate, 90.0, true)
        ]
    );
}

#[test]
fn the_unit_and_the_way_to_it() {
    let cases = [
        ("1|0|-2.5", Some(UnitKind::Medical), Some(-2.5)),
        ("0|1|0", Some(UnitKind::Surgical), Some(0.0)),
        ("1|NaN|0.03", Some(UnitKind::Medical), Some(0.03)),
        ("NaN|NaN|NaN", None, None),
        ("0|0|NaN", None, None),
        ("1|1|NaN", None, None),
    ];
    for (fields, unit, hours) in cases {
        let mut stay = stay(&format!("HR|Unit1|Unit2|HospAdmTime|ICULOS\n80|{fields}|3\n")).unwrap();
        let Some(Ok(Item::Event(Event { body: Body::Adt(adt), .. }))) = stay.next() else { panic!() };
        assert_eq!(adt.unit, unit, "{fields}");
        let base = Options::default().base;
        let came = hours.map(|h: f64| base + Span((h * 3_600e6).round() as i64));
        assert_eq!(adt.hospital_admitted_at, came, "counted from the beginning of the stay: {fields}");
    }
    let (_, faults) = numerics(&mut stay("HR|Unit1|HospAdmTime|ICULOS\n80|2|1|1\n80|1|1e9|2\n").unwrap());
    let want = [
        "p000001, line 2: bad record: the value of Unit1 is not one",
        "p000001, line 3: bad record: the value of HospAdmTime is not one",
    ];
    assert_eq!(faults, want);
}

#[test]
fn oxygen_fraction_and_percent() {
    let cases = [
        ("0.21", 21.0, true),
        ("0.2", 20.0, false),
        ("1", 100.0, true),
        ("1.01", 1.01, false),
        ("21", 21.0, true),
        ("100", 100.0, true),
        ("101", 101.0, false),
        ("0", 0.0, false),
        ("-0.5", -50.0, false),
    ];
    for (field, want, plausible) in cases {
        let mut stay = stay(&format!("FiO2|ICULOS\n{field}|1\n")).unwrap();
        let (values, _) = numerics(&mut stay);
        assert_eq!(values, [(0, Signal::Fio2, want, plausible)], "{field}");
    }
}

#[test]
fn a_sentinel_is_no_reading() {
    let stay = stay("HR|BaseExcess|ICULOS\n-1|-1|1\n").unwrap();
    let bodies: Vec<Body> = stay
        .filter_map(|i| match i {
            Ok(Item::Event(e)) => Some(e.body),
            _ => None,
        })
        .collect();
    assert_eq!(bodies[1], Body::NoReading { signal: Signal::HeartRate, reason: NoReading::Sentinel });
    assert_eq!(bodies[2], Body::Numeric(Numeric::new(Signal::BaseExcess, -1.0)));
}

#[test]
fn faults_are_named_by_line_and_never_by_content() {
    let text = "HR|Temp|Gender|ICULOS|SepsisLabel\n80|secret|1|1|0\n80|37|0|1|0\n80|37|0\nx|37|7|2|9\n80|37|0|NaN|0\n81|37|0|3.5|0\n82|37|0|3|0\n";
    let mut stay = stay(text).unwrap();
    let Some(Labels::Hourly(hours)) = stay.labels.clone() else { panic!() };
    assert_eq!(hours.iter().map(|h| h.sepsis).collect::<Vec<_>>(), [Some(false), None, Some(false)]);
    let (values, faults) = numerics(&mut stay);
    assert_eq!(
        values.iter().map(|v| (v.0, v.2)).collect::<Vec<_>>(),
        [(0, 80.0), (1, 37.0), (2, 82.0), (2, 37.0)]
    );
    let want = [
        "p000001, line 2: bad record: the value of Temp is not one",
        "p000001, line 3: bad record: ICULOS goes back, 2 was due",
        "p000001, line 4: bad record: 3 fields where the header has 5",
        "p000001, line 5: bad record: the value of HR is not one",
        "p000001, line 5: bad record: the value of Gender is not one",
        "p000001, line 5: bad record: the value of SepsisLabel is not one",
        "p000001, line 6: bad record: the row has no ICULOS",
        "p000001, line 7: bad record: the value of ICULOS is not one",
        "p000001, line 7: bad record: the row has no ICULOS",
    ];
    assert_eq!(faults, want);
}

#[test]
fn headers_that_are_none() {
    let cases = ["", "HR|Temp\n", "ICULOS\n", "HR|HR|ICULOS\n", "PredictedProbability|PredictedLabel\n"];
    for text in cases {
        let error = stay(text).expect_err(text);
        assert!(matches!(error.fault, Fault::Header(_)), "{text}");
    }
    assert!(stay("HR|ICULOS").unwrap().next().is_none());
}

#[test]
fn a_stay_cut_at_every_byte_is_read_or_refused() {
    let text = "HR|FiO2|Age|Gender|ICULOS|SepsisLabel\n80|0.28|64.5|1|1|0\n85|NaN|64.5|1|2|1\n";
    for end in 0..text.len() {
        if let Ok(stay) = stay(&text[..end]) {
            assert!(stay.count() <= 8);
        }
    }
}
