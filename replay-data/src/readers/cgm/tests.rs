use super::*;
use crate::readers::scratch::Scratch;

fn stays(text: &str) -> Vec<Result<Stay, Error>> {
    let dir = Scratch::new("cgm");
    let path = dir.file("g.csv", text.as_bytes());
    (0..series(&path.as_path().into()))
        .map(|i| read(&path.as_path().into(), "g", EventTime::from_micros(0), i))
        .collect()
}

type Reading = Result<(String, String, Option<f64>), String>;

/// Patient, time and value of each reading; `None` for no reading; faults as text.
fn readings(stay: Stay) -> Vec<Reading> {
    stay.map(|item| match item {
        Ok(Item::Event(e)) => Ok((
            e.patient.as_str().to_owned(),
            e.event_time.to_string(),
            match e.body {
                Body::Numeric(n) => Some(n.value),
                _ => None,
            },
        )),
        Ok(_) => panic!("not an event"),
        Err(e) => Err(e.to_string()),
    })
    .collect()
}

fn ok(id: &str, time: &str, value: Option<f64>) -> Reading {
    Ok((id.into(), time.into(), value))
}

#[test]
fn iglu_one_stay_per_id_sorted_by_time() {
    let text = "id,time,gl\nB,2015-06-06 17:05:27,137\nA,2015-06-06 16:00:00,90\nB,2015-06-06 16:50:27,153\n\
                B,2015-06-06 17:10:00,NA\nB,yesterday,100\nB,2015-06-06 17:15:00\n";
    let mut stays = stays(text);
    assert_eq!(stays.len(), 2);
    let second = stays.pop().unwrap().unwrap();
    let first = stays.pop().unwrap().unwrap();
    assert_eq!(first.notes, [NOTE_ZONE]);
    assert_eq!(
        readings(first),
        [
            Err("g, line 6: bad record: the time is not YYYY-MM-DD HH:MM[:SS]".into()),
            Err("g, line 7: bad record: the row has not as many fields as the header".into()),
            ok("B", "2015-06-06T16:50:27Z", Some(153.0)),
            ok("B", "2015-06-06T17:05:27Z", Some(137.0)),
            ok("B", "2015-06-06T17:10:00Z", None),
        ]
    );
    assert_eq!(readings(second), [ok("A", "2015-06-06T16:00:00Z", Some(90.0))]);
}

#[test]
fn units_come_from_the_header_only() {
    let cases = [
        ("time,gl", Some(5.5)),
        ("time,glucose", Some(5.5)),
        ("time,Glucose (mg/dL)", Some(5.5)),
        ("time,glucose_mg_dl", Some(5.5)),
        ("time,Glucose [mmol/L]", Some(5.5 * 18.015_6)),
        ("timestamp,glucose mmol/L", Some(5.5 * 18.015_6)),
        ("timestamp,glucose (furlong)", None),
        ("timestamp,other", None),
    ];
    for (header, want) in cases {
        let stay = stays(&format!("{header}\n2015-06-06T16:50:27Z,5.5\n")).pop().unwrap();
        let Some(want) = want else {
            assert!(stay.is_err(), "{header}");
            continue;
        };
        let stay = stay.unwrap();
        assert_eq!(stay.notes.contains(&NOTE_UNIT), header == "time,glucose", "{header}");
        let got = readings(stay);
        let Ok((id, _, Some(value))) = &got[0] else { panic!("{header}") };
        assert_eq!(id, "cgm-g");
        assert!((value - want).abs() < 1e-9, "{header}: {value}");
    }
}

#[test]
fn clarity_export() {
    let text = "\u{feff}Index,Timestamp (YYYY-MM-DDThh:mm:ss),Event Type,Event Subtype,Patient Info,Device Info,Source Device ID,Glucose Value (mg/dL),Insulin Value (u)\n\
                1,,FirstName,,Secret,,,,\n2,,Alert,Low,,,,70,\n3,2023-01-01T00:05:00,EGV,,,,x,Low,\n\
                4,2023-01-01T00:10:00,EGV,,,,x,High,\n5,2023-01-01T00:15:00,EGV,,,,x,101,\n";
    let stay = stays(text).pop().unwrap().unwrap();
    assert_eq!(stay.counts, BTreeMap::from([("cgm.row_without_sensor_value", 2)]));
    assert_eq!(stay.notes, [NOTE_ZONE, NOTE_BOUND]);
    let values: Vec<_> = readings(stay).into_iter().map(|r| r.unwrap().2.unwrap()).collect();
    assert_eq!(values, [40.0, 400.0, 101.0]);
}

#[test]
fn cut_at_every_byte() {
    let text = "id,time,gl\nB,2015-06-06 17:05:27,137\n\"A \"\"x\"\"\",2015-06-06 16:00:00,90\n";
    for end in 0..text.len() {
        for stay in stays(&text[..end]).into_iter().flatten() {
            stay.for_each(drop);
        }
    }
}

/// The columns of Clarity's export, in mmol/L; its first rows tell who it is and are no readings.
#[test]
fn clarity_export_in_mmol() {
    let text = "Index,Timestamp (YYYY-MM-DDThh:mm:ss),Event Type,Event Subtype,Patient Info,Device Info,Source Device ID,Glucose Value (mmol/L),Insulin Value (u),Carb Value (grams),Duration (hh:mm:ss),Glucose Rate of Change (mmol/L/min),Transmitter Time (Long Integer),Transmitter ID\n\
        1,,FirstName,,Ann,,,,,,,,,\n2,,DateOfBirth,,1970-01-01,,,,,,,,,\n3,,Device,,,Dexcom G6,AB,,,,,,,\n\
        4,,Alert,Urgent Low,,Dexcom G6,AB,3.1,,,,,,\n5,2024-06-01 0:03:00,EGV,,,,AB,6.2,,,,,4237574,8AM1EY\n\
        6,2024-06-01T00:08:00,EGV,,,,AB,Low,,,,,4237874,8AM1EY\n7,2024-06-01T00:09:00,Calibration,,,,AB,5.9,,,,,,\n\
        8,2024-06-01T00:10:00,Insulin,Fast-Acting,,,AB,,4,,,,,\n";
    let stay = stays(text).pop().unwrap().unwrap();
    assert_eq!(stay.counts, BTreeMap::from([("cgm.row_without_sensor_value", 6)]));
    let got = readings(stay);
    let value = |i: usize| got[i].as_ref().unwrap().2.unwrap();
    assert_eq!(got.len(), 2);
    assert!((value(0) - 6.2 * 18.015_6).abs() < 1e-9);
    assert_eq!(value(1), 40.0);
}

/// LibreView: a line of its own before the header, day first, historic and scanned glucose, and rows of
/// strips, insulin, food and notes.
#[test]
fn libreview_export() {
    let text = "Glucose Data,Generated on,15-06-2026 09:32 UTC,Generated by,Ann Other\n\
        Device,Serial Number,Device Timestamp,Record Type,Historic Glucose mg/dL,Scan Glucose mg/dL,Non-numeric Rapid-Acting Insulin,Rapid-Acting Insulin (units),Notes,Strip Glucose mg/dL,Ketone mmol/L\n\
        FreeStyle Libre 3,xx,13-06-2026 08:32,0,95,,,,,,\nFreeStyle Libre 3,xx,13-06-2026 08:40,1,,112,,,,,\n\
        FreeStyle Libre 3,xx,13-06-2026 08:41,2,,,,,,130,\nFreeStyle Libre 3,xx,13-06-2026 08:42,4,,,,6,,,\n\
        FreeStyle Libre 3,xx,13-06-2026 08:43,6,,,,,\"had, well, lunch\",,\nFreeStyle Libre 3,xx,13-06-2026 08:47,0,HI,,,,,,\n\
        FreeStyle Libre 3,xx,13-06-2026 09:02,0,LO,,,,,,\nFreeStyle Libre 3,xx,31-02-2026 09:02,0,100,,,,,,\n";
    let stay = stays(text).pop().unwrap().unwrap();
    assert_eq!(stay.counts, BTreeMap::from([("cgm.row_without_sensor_value", 3)]));
    assert_eq!(stay.notes, [NOTE_ZONE, NOTE_BOUND_LIBRE, NOTE_HISTORIC]);
    let at = |clock: &str| format!("2026-06-13T{clock}:00Z");
    assert_eq!(
        readings(stay),
        [
            Err("g, line 10: bad record: the time is not YYYY-MM-DD HH:MM[:SS]".into()),
            ok("cgm-g", &at("08:32"), Some(95.0)),
            ok("cgm-g", &at("08:40"), Some(112.0)),
            ok("cgm-g", &at("08:47"), Some(500.0)),
            ok("cgm-g", &at("09:02"), Some(40.0)),
        ]
    );
}

#[test]
fn libreview_in_mmol_month_first_twice_twelve_hours() {
    let text = "Device,Serial Number,Device Timestamp,Record Type,Historic Glucose mmol/L,Scan Glucose mmol/L\n\
        L,x,06-13-2026 11:55 PM,0,5.4,\nL,x,06-14-2026 12:10 AM,1,,5.6\n";
    let got = readings(stays(text).pop().unwrap().unwrap());
    let times: Vec<_> = got.iter().map(|r| r.as_ref().unwrap().1.as_str()).collect();
    assert_eq!(times, ["2026-06-13T23:55:00Z", "2026-06-14T00:10:00Z"]);
    assert!((got[1].as_ref().unwrap().2.unwrap() - 5.6 * 18.015_6).abs() < 1e-9);
}

#[test]
fn other_delimiters_and_decimal_commas() {
    for (text, want) in [
        ("time;glucose (mmol/L)\n2026-06-13 08:00;5,4\n", 5.4 * 18.015_6),
        ("time\tglucose (mg/dL)\n2026-06-13 08:00\t101\n", 101.0),
        ("time,glucose (mmol/L)\n2026-06-13 08:00,\"5,4\"\n", 5.4 * 18.015_6),
    ] {
        let got = readings(stays(text).pop().unwrap().unwrap());
        assert!((got[0].as_ref().unwrap().2.unwrap() - want).abs() < 1e-9, "{text}");
    }
}
