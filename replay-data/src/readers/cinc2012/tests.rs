use super::*;
use crate::readers::{Fault, Options, open, scratch::Scratch};

const HEAD: &str = "Time,Parameter,Value\n00:00,RecordID,7\n00:00,Age,54\n00:00,Gender,0\n00:00,Height,-1\n00:00,ICUType,4\n00:00,Weight,-1\n";

fn stay(text: &str) -> Result<Stay, Error> {
    let dir = Scratch::new("cinc2012");
    let path = dir.file("set/7.txt", text.as_bytes());
    read(&path.as_path().into(), "7", Options::default().base)
}

/// Minutes since admission, line (from 0), what it says; and the faults.
fn told(stay: Stay) -> (Vec<(i64, i64, Body)>, Vec<String>) {
    let (mut values, mut faults) = (Vec::new(), Vec::new());
    for item in stay {
        match item {
            Ok(Item::Event(e)) => {
                let minute = (e.event_time - Options::default().base.since(EventTime::from_micros(0)))
                    .as_micros()
                    / 60_000_000;
                values.push((minute, e.provenance.offset, e.body));
            }
            Ok(_) => panic!("only events"),
            Err(e) => faults.push(e.to_string()),
        }
    }
    (values, faults)
}

fn number(signal: Signal, value: f64, plausible: bool) -> Body {
    let body = Numeric::new(signal, value);
    assert_eq!(body.plausible, plausible);
    Body::Numeric(body)
}

#[test]
fn the_person_then_the_measurements() {
    let text = format!("{HEAD}00:07,GCS,15\r\n00:07,MAP,0\n23:59,FiO2,0.28\n48:00,Urine,0\n48:00,Urine,40\n");
    let (values, faults) = told(stay(&text).unwrap());
    assert_eq!(faults, Vec::<String>::new());
    let adt = Adt {
        kind: AdtKind::Admit,
        demographics: Demographics { age_years: Some(54.0), sex: Some(Sex::Female) },
        admitted_at: Some(Options::default().base),
        unit: Some(UnitKind::Surgical),
        hospital_admitted_at: None,
    };
    let want = [
        (0, 0, Body::Adt(adt)),
        (7, 7, number(Signal::GcsTotal, 15.0, true)),
        (7, 8, number(Signal::AbpMean, 0.0, false)),
        (1_439, 9, number(Signal::Fio2, 28.0, true)),
        (2_880, 10, number(Signal::UrineOutput, 0.0, true)),
        (2_880, 11, number(Signal::UrineOutput, 40.0, true)),
    ];
    assert_eq!(values, want);
}

#[test]
fn values_at_their_bounds() {
    let no = |signal| Body::NoReading { signal, reason: NoReading::Sentinel };
    let cases = [
        ("pH,735", number(Signal::ArterialPh, 735.0, false)),
        ("pH,7.35", number(Signal::ArterialPh, 7.35, true)),
        ("Temp,-17.8", number(Signal::Temperature, -17.8, false)),
        ("NISysABP,0", number(Signal::NibpSystolic, 0.0, false)),
        ("SysABP,19.9", number(Signal::AbpSystolic, 19.9, false)),
        ("SysABP,20", number(Signal::AbpSystolic, 20.0, true)),
        ("FiO2,1", number(Signal::Fio2, 100.0, true)),
        ("FiO2,0.2", number(Signal::Fio2, 20.0, false)),
        ("FiO2,1.01", number(Signal::Fio2, 1.01, false)),
        ("MechVent,1", number(Signal::MechanicalVentilation, 1.0, true)),
        ("MechVent,2", number(Signal::MechanicalVentilation, 2.0, false)),
        ("Weight,-1", no(Signal::Weight)),
        ("Weight,80.6", number(Signal::Weight, 80.6, true)),
        ("ALT,12", number(Signal::Alt, 12.0, true)),
        ("TroponinT,0.01", number(Signal::TroponinT, 0.01, true)),
    ];
    for (row, want) in cases {
        let (values, faults) = told(stay(&format!("{HEAD}00:01,{row}\n")).unwrap());
        assert_eq!((&values[1].2, faults.len()), (&want, 0), "{row}");
    }
}

#[test]
fn missing_descriptors_and_kinds_of_units() {
    for (row, unit) in [
        ("1", Some(UnitKind::Coronary)),
        ("2", Some(UnitKind::CardiacSurgery)),
        ("3", Some(UnitKind::Medical)),
        ("4", Some(UnitKind::Surgical)),
        ("-1", None),
    ] {
        let text = format!("Time,Parameter,Value\n00:00,Age,-1\n00:00,ICUType,{row}\n00:01,HR,80\n");
        let (values, faults) = told(stay(&text).unwrap());
        let Body::Adt(adt) = &values[0].2 else { panic!() };
        assert_eq!((adt.unit, adt.demographics.age_years, faults.len()), (unit, None, 0), "{row}");
    }
    assert!(stay("Time,Parameter,Value\n").unwrap().next().is_none(), "nothing is told, nobody came");
}

#[test]
fn faults_are_named_by_line_and_never_by_content() {
    let rows = "00:00,Age,55\n00:05,HR\n00:05,HR,80,1\n00:05,HR,secret\n00:05,HR,inf\n0:05,HR,80\n00:60,HR,80\n00:-5,HR,80\n99999999:00,HR,80\n\
                00:05,Shoe,43\n\n00:05,HR,80\n00:04,HR,81\n00:05,Gender,1\n00:06,HR,82\n";
    let mut stay = stay(&format!("{}{rows}", HEAD.replace("ICUType,4", "ICUType,5"))).unwrap();
    assert_eq!(stay.counts.remove("cinc2012.unknown_parameter"), Some(1));
    let (values, faults) = told(stay);
    let rates: Vec<_> = values.iter().skip(1).map(|v| (v.0, v.1)).collect();
    assert_eq!(rates, [(5, 18), (6, 21)]);
    let want = [
        "line 6: bad record: the value of ICUType is not one",
        "line 8: bad record: Age stands twice",
        "line 9: bad record: 2 fields where there are three",
        "line 10: bad record: 4 fields where there are three",
        "line 11: bad record: the value of HR is no number",
        "line 12: bad record: the value of HR is no number",
        "line 13: bad record: the time is not HH:MM",
        "line 14: bad record: the time is not HH:MM",
        "line 15: bad record: the time is not HH:MM",
        "line 16: bad record: the time is not HH:MM",
        "line 20: bad record: the time goes back",
        "line 21: bad record: Gender stands after 00:00",
    ];
    assert_eq!(faults, want.map(|w| format!("7, {w}")));
}

#[test]
fn the_outcome_is_looked_for_beside_and_above() {
    let header = "RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death\n";
    let dead = Some(Labels::Stay { death: true });
    let cases = [
        ("set/Outcomes-a.txt", format!("{header}70,1,1,1,-1,0\n7,1,1,5,-1,1\n"), dead.clone()),
        ("Outcomes-a.txt", format!("{header}7,1,1,5,-1,1\r\n"), dead),
        ("Outcomes-b.txt", format!("{header}7,1,1,5,-1,0\n"), Some(Labels::Stay { death: false })),
        ("Outcomes-a.txt", format!("{header}8,1,1,5,-1,1\n"), None),
        ("Outcomes-a.txt", format!("{header}7,1,1,5,-1,maybe\n"), None),
        ("Outcomes-a.txt", format!("{header}7,1\n"), None),
        ("Outcomes-a.txt", "In-hospital_death\n1\n".into(), None),
        ("outcomes.txt", format!("{header}7,1,1,5,-1,1\n"), None),
    ];
    for (place, text, want) in cases {
        let dir = Scratch::new("cinc2012-outcome");
        dir.file(place, text.as_bytes());
        dir.file("set/7.txt", HEAD.as_bytes());
        let found = open(dir.path(), &Options::default()).unwrap();
        assert_eq!((found.len(), found[0].format), (1, Format::Cinc2012), "an outcomes file is no stay");
        let stay = found[0].read().unwrap();
        assert_eq!(stay.counts.contains_key("cinc2012.no_outcome"), want.is_none());
        assert_eq!(stay.labels, want, "{place} {text}");
    }
}

#[test]
fn headers_that_are_none() {
    for text in ["", "Time,Parameter\n", "time,parameter,value\n", "00:00,RecordID,7\n"] {
        assert!(matches!(stay(text).expect_err(text).fault, Fault::Header(_)), "{text}");
    }
    assert!(stay("Time,Parameter,Value").unwrap().next().is_none());
}

#[test]
fn a_stay_cut_at_every_byte_is_read_or_refused() {
    let text = format!("{HEAD}00:07,GCS,15\n00:07,NISysABP,147.5\n");
    for end in 0..text.len() {
        if let Ok(stay) = stay(&text[..end]) {
            assert!(stay.count() <= 9);
        }
    }
}

#[test]
fn any_bytes_are_read_or_refused() {
    let text = format!("{HEAD}00:07,GCS,15\n00:37,HR,77\n");
    for at in 0..text.len() {
        for byte in [0, b',', b'\n', b':', b'-', b'9', 0xff] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = byte;
            let dir = Scratch::new("cinc2012-bytes");
            let path = dir.file("7.txt", &bytes);
            if let Ok(stay) = read(&path.as_path().into(), "7", Options::default().base) {
                assert!(stay.count() <= 12);
            }
        }
    }
}
