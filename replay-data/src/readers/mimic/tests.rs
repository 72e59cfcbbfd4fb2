//! Tables made by hand, one row for each thing that is decided.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::Path,
};

use bedwatch_schemas::{
    event::{Adt, AdtKind, Body, Event, Microbiology, NoReading, Numeric, Sex, UnitKind},
    medication::{Dose, Drug, Infusion, InfusionAction},
    signal::Signal,
    time::{EventTime, Span},
    unit::Unit,
};

use crate::readers::{
    Course, Failure, FailureKind, Fault, Format, Item, Labels, Options, Stay, StaySource, open,
    scratch::Scratch, survey,
};

mod fourth;
mod infection;

const STAYS: &str = "ROW_ID,SUBJECT_ID,HADM_ID,ICUSTAY_ID,DBSOURCE,FIRST_CAREUNIT,LAST_CAREUNIT,FIRST_WARDID,LAST_WARDID,INTIME,OUTTIME,LOS\n";
const CHART: &str = "ROW_ID,SUBJECT_ID,HADM_ID,ICUSTAY_ID,ITEMID,CHARTTIME,STORETIME,CGID,VALUE,VALUENUM,VALUEUOM,WARNING,ERROR,RESULTSTATUS,STOPPED\n";
const LABS: &str = "ROW_ID,SUBJECT_ID,HADM_ID,ITEMID,CHARTTIME,VALUE,VALUENUM,VALUEUOM,FLAG\n";
const CV: &str = "ROW_ID,SUBJECT_ID,HADM_ID,ICUSTAY_ID,CHARTTIME,ITEMID,AMOUNT,AMOUNTUOM,RATE,RATEUOM,STORETIME,CGID,ORDERID,LINKORDERID,STOPPED\n";
const MV: &str = "ROW_ID,SUBJECT_ID,HADM_ID,ICUSTAY_ID,STARTTIME,ENDTIME,ITEMID,AMOUNT,AMOUNTUOM,RATE,RATEUOM,STORETIME,ORDERCATEGORYDESCRIPTION,STATUSDESCRIPTION\n";

/// Day 1 of the made-up month, at a minute.
fn clock(minute: i64) -> String {
    time(minute).to_string().replace('T', " ").replace('Z', "")
}

fn time(minute: i64) -> EventTime {
    EventTime::parse_rfc3339("2150-05-01T00:00:00Z").unwrap() + Span::minutes(minute)
}

/// Two stays of patient 7 (CareVue, MetaVision) and one of patient 8.
struct Folder(Scratch);

impl Folder {
    fn new() -> Self {
        let folder = Self(Scratch::new("mimic3"));
        let row = |subject: u32, stay: u32, source: &str, unit: &str, from: i64, to: i64| {
            format!(
                "1,{subject},{subject}0,{stay},{source},{unit},{unit},1,1,{},{},1\n",
                clock(from),
                clock(to)
            )
        };
        let stays = [
            row(8, 801, "metavision", "CSRU", 600, 6_000),
            row(7, 702, "metavision", "MICU", 20_000, 26_000),
            row(7, 701, "carevue", "CCU", 60, 6_000),
        ];
        folder.table("ICUSTAYS.csv", &format!("{STAYS}{}", stays.concat()));
        folder.table("CHARTEVENTS.csv", CHART);
        folder
    }

    fn table(&self, name: &str, text: &str) {
        self.0.file(name, text.as_bytes());
    }

    fn sources(&self) -> Vec<StaySource> {
        open(self.0.path(), &Options::default()).unwrap()
    }

    fn stay(&self, name: &str) -> Stay {
        self.sources().iter().find(|s| s.name == name).unwrap().read().unwrap()
    }
}

/// Events by what they say, and faults; admission and discharge are taken off.
fn told(stay: Stay) -> (Vec<(i64, i64, Body)>, Vec<String>) {
    let (mut events, mut faults) = (Vec::new(), Vec::new());
    for item in stay {
        match item {
            Ok(Item::Event(e)) => events.push(e),
            Ok(_) => panic!("only events"),
            Err(e) => faults.push(e.to_string()),
        }
    }
    let is =
        |e: Option<&Event>, kind: &AdtKind| matches!(&e.unwrap().body, Body::Adt(adt) if adt.kind == *kind);
    assert!(is(events.first(), &AdtKind::Admit) && is(events.last(), &AdtKind::Discharge));
    assert!(events.windows(2).all(|w| w[0].arrival <= w[1].arrival), "in the order of arrival");
    assert!(events.iter().all(|e| e.arrival.as_event_time() >= e.event_time), "nothing before its time");
    let minute = |at: EventTime| at.since(time(0)).0 / 60_000_000;
    let inner = &events[1..events.len() - 1];
    let told =
        inner.iter().map(|e| (minute(e.event_time), minute(e.arrival.as_event_time()), e.body.clone()));
    (told.collect(), faults)
}

fn chart(stay: u32, item: u32, at: i64, stored: i64, text: &str, value: &str, unit: &str) -> String {
    let subject = stay / 100;
    let (at, stored) = (clock(at), clock(stored));
    format!("1,{subject},{subject}0,{stay},{item},{at},{stored},1,{text},{value},{unit},,0,,\n")
}

fn number(signal: Signal, value: f64) -> Body {
    Body::Numeric(Numeric::new(signal, value))
}

#[test]
fn a_folder_is_found_by_its_content() {
    let folder = Folder::new();
    folder.table("NOTES.md", "nothing");
    folder.table("D_ITEMS.csv", "ROW_ID,ITEMID,LABEL\n1,211,Heart Rate\n");
    let found = survey(folder.0.path(), &Options::default()).unwrap();
    let names: Vec<_> = found.stays.iter().map(|s| (s.name.as_str(), s.format)).collect();
    assert_eq!(names, [("7-701", Format::Mimic3), ("7-702", Format::Mimic3), ("8-801", Format::Mimic3)]);
    assert_eq!(found.others.len(), 1, "a table is none of the others");
    let by_file = open(&folder.0.path().join("ICUSTAYS.csv"), &Options::default()).unwrap();
    assert_eq!(by_file.len(), 3);
    let forced = |format| open(folder.0.path(), &Options { format: Some(format), ..Options::default() });
    assert_eq!(forced(Format::Mimic3).unwrap().len(), 3);
    assert!(forced(Format::Psv).is_err());
    for name in ["ICUSTAYS.csv", "CHARTEVENTS.csv"] {
        let lacking = Folder::new();
        std::fs::remove_file(lacking.0.path().join(name)).unwrap();
        assert_eq!(
            open(lacking.0.path(), &Options::default()).unwrap_err().fault,
            Fault::Unrecognised,
            "{name}"
        );
    }
}

#[test]
fn packed_tables_with_small_headers_are_the_same() {
    let folder = Folder::new();
    let text = format!("{}{}", CHART.to_lowercase(), chart(701, 211, 100, 110, "80", "80", "BPM"));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    let bytes = packed.finish().unwrap();
    std::fs::remove_file(folder.0.path().join("CHARTEVENTS.csv")).unwrap();
    folder.0.file("chartevents.csv.gz", &bytes);
    assert_eq!(told(folder.stay("7-701")), (vec![(100, 110, number(Signal::HeartRate, 80.0))], vec![]));
    folder.0.file("chartevents.csv.gz", &bytes[..bytes.len() - 9]);
    let (events, faults) = told(folder.stay("7-701"));
    assert_eq!(faults, ["7-701, CHARTEVENTS: cannot be read (unexpected end of file)"]);
    assert!(events.len() <= 1);
    assert_eq!(told(folder.stay("8-801")), (vec![], vec![]), "the first stay tells what no stay owns");
}

#[test]
fn the_person_and_the_units() {
    let folder = Folder::new();
    let born = |minute: i64| clock(minute - 525_949 * 300);
    folder.table(
        "PATIENTS.csv",
        &format!("ROW_ID,SUBJECT_ID,GENDER,DOB\n1,7,F,2090-05-01 00:00:00\n2,8,M,{}\n", born(0)),
    );
    let admissions = format!(
        "ROW_ID,HADM_ID,ADMITTIME,DEATHTIME,HOSPITAL_EXPIRE_FLAG\n1,70,{},,0\n2,80,{},{},1\n",
        clock(0),
        clock(500),
        clock(5_990)
    );
    folder.table("ADMISSIONS.csv", &admissions);
    let transfers = [(701, 60, "CCU"), (701, 90, "SICU"), (701, 95, "")]
        .map(|(stay, at, unit)| format!("{stay},{unit},{}\n", clock(at)));
    folder.table("TRANSFERS.csv", &format!("ICUSTAY_ID,CURR_CAREUNIT,INTIME\n{}", transfers.concat()));
    let admit = |name: &str| {
        let item = folder.stay(name).next().unwrap().unwrap();
        let Item::Event(Event { body: Body::Adt(adt), event_time, .. }) = item else { panic!() };
        (event_time, adt)
    };
    let (at, adt) = admit("7-701");
    assert_eq!((at, adt.admitted_at, adt.hospital_admitted_at), (time(60), Some(time(60)), Some(time(0))));
    assert_eq!((adt.unit, adt.demographics.sex), (Some(UnitKind::Coronary), Some(Sex::Female)));
    assert!((adt.demographics.age_years.unwrap() - 60.0).abs() < 0.01);
    let (_, adt) = admit("8-801");
    assert_eq!((adt.unit, adt.demographics.sex), (Some(UnitKind::CardiacSurgery), Some(Sex::Male)));
    assert_eq!(adt.demographics.age_years, Some(91.4), "an age above 89 is hidden");
    let moved = told(folder.stay("7-701")).0;
    let units: Vec<_> = moved
        .iter()
        .map(|(at, _, body)| match body {
            Body::Adt(Adt { kind: AdtKind::Transfer, unit, .. }) => (*at, *unit),
            _ => panic!(),
        })
        .collect();
    assert_eq!(units, [(90, Some(UnitKind::Surgical)), (95, None)]);
    let labels = folder.stay("8-801").labels;
    let died = Failure { at: time(5_990), over: time(6_000), kind: FailureKind::Death };
    let course = Course {
        begins: time(600),
        ends: time(6_000),
        death: Some(true),
        failures: vec![died],
        infection: None,
    };
    assert_eq!(labels, Some(Labels::Course(course)));
}

#[test]
fn charted_values_of_both_systems() {
    let cases = [
        (211, "80", "80", "BPM", Some(number(Signal::HeartRate, 80.0))),
        (220_045, "80", "80", "bpm", Some(number(Signal::HeartRate, 80.0))),
        (220_045, "80", "80", "", Some(number(Signal::HeartRate, 80.0))),
        (220_045, "80", "80", "mmHg", None),
        (220_045, "", "", "bpm", None),
        (
            678,
            "98.6",
            "98.6",
            "Deg. F",
            Some(number(Signal::Temperature, 98.6_f64 * (5.0 / 9.0) - 160.0 / 9.0)),
        ),
        (
            223_761,
            "98.6",
            "98.6",
            "?F",
            Some(number(Signal::Temperature, 98.6_f64 * (5.0 / 9.0) - 160.0 / 9.0)),
        ),
        (676, "37", "37", "Deg. C", Some(number(Signal::Temperature, 37.0))),
        (677, "37", "37", "Deg. C", None),
        (455, "120", "120", "mmHg", Some(number(Signal::NibpSystolic, 120.0))),
        (8_441, "60", "60", "mmHg", Some(number(Signal::NibpDiastolic, 60.0))),
        (51, "120", "120", "mmHg", Some(number(Signal::AbpSystolic, 120.0))),
        (220_052, "0", "0", "mmHg", Some(number(Signal::AbpMean, 0.0))),
        (190, ".4", ".40000000596", "torr", Some(number(Signal::Fio2, 40.0))),
        (223_835, "50", "50", "", Some(number(Signal::Fio2, 50.0))),
        (226_707, "70", "70", "Inch", Some(number(Signal::Height, 70.0 * 2.54))),
        (646, "-1", "-1", "%", Some(Body::NoReading { signal: Signal::Spo2, reason: NoReading::Sentinel })),
        (720, "Assist Control", "", "", Some(number(Signal::MechanicalVentilation, 1.0))),
        (223_849, "Standby", "5", "", Some(number(Signal::MechanicalVentilation, 0.0))),
        (226_732, "Nasal cannula", "", "", Some(number(Signal::MechanicalVentilation, 0.0))),
        (226_732, "Endotracheal tube", "", "", None),
        (640, "Self Extubation", "", "", Some(number(Signal::MechanicalVentilation, 0.0))),
        (640, "Fluid Bolus", "", "", None),
        (5_815, "50", "50", "BPM", None),
    ];
    for (item, text, value, unit, want) in cases {
        let folder = Folder::new();
        folder.table("CHARTEVENTS.csv", &format!("{CHART}{}", chart(701, item, 100, 130, text, value, unit)));
        let stay = folder.stay("7-701");
        let left: u64 = stay.counts.iter().filter(|(r, _)| **r != "mimic.table_absent").map(|(_, n)| n).sum();
        assert_eq!(left, u64::from(want.is_none()), "{item} {text}: {:?}", stay.counts);
        let (events, faults) = told(stay);
        assert_eq!(
            (events, faults),
            (want.map(|b| (100, 130, b)).into_iter().collect(), vec![]),
            "{item} {text}"
        );
    }
}

#[test]
fn everything_comes_when_it_was_known() {
    let rows = [
        chart(701, 211, 100, 130, "80", "80", "BPM"),
        chart(701, 211, 90, 140, "81", "81", "BPM"),
        // Stored before it was true: not known before it was.
        chart(701, 211, 110, 105, "82", "82", "BPM"),
        // Before the admission to the unit: known with it.
        chart(701, 211, 30, 40, "83", "83", "BPM"),
        chart(701, 211, 5_990, 6_000, "84", "84", "BPM"),
        chart(701, 211, 5_990, 6_001, "85", "85", "BPM"),
        // A row without its stay is of the stay it falls into.
        chart(701, 211, 120, 121, "86", "86", "BPM").replace(",701,", ",,"),
        chart(701, 211, 10_000, 10_000, "87", "87", "BPM").replace(",701,", ",,"),
        chart(701, 211, 120, 121, "88", "88", "BPM").replace(",701,", ",999,"),
    ];
    let folder = Folder::new();
    folder.table("CHARTEVENTS.csv", &format!("{CHART}{}", rows.concat()));
    let mut stay = folder.stay("7-701");
    stay.counts.remove("mimic.table_absent");
    let counts: Vec<_> = stay.counts.iter().map(|(r, n)| (*r, *n)).collect();
    let want = [("mimic.known_after_the_stay", 1), ("mimic.outside_any_stay", 1), ("mimic.unknown_stay", 1)];
    assert_eq!(counts, want);
    let late: Vec<_> = stay.hindsight.iter().map(|e| (e.event_time, e.body.clone())).collect();
    assert_eq!(late, [(time(5_990), number(Signal::HeartRate, 85.0))], "for labels alone");
    let got: Vec<_> = told(stay).0.into_iter().map(|(at, known, _)| (at, known)).collect();
    assert_eq!(got, [(30, 60), (110, 110), (120, 121), (100, 130), (90, 140), (5_990, 6_000)]);
}

/// An end of 9999 would be 69 million hours to score.
#[test]
fn a_stay_of_more_than_two_years_is_refused_by_its_line_and_one_that_stands_twice_is_counted() {
    let two_years = 2 * 366 * 24 * 60;
    let stay =
        |id: u32, from: i64, to: &str| format!("1,9,90,{id},carevue,CCU,CCU,1,1,{},{to},1\n", clock(from));
    let cases: [(String, &[&str]); 3] = [
        (clock(two_years), &[]),
        (clock(two_years + 1), &["line 5: bad record: it lasts more than two years"]),
        ("9999-12-31 00:00:00".to_owned(), &["line 5: bad record: it lasts more than two years"]),
    ];
    for (end, want) in cases {
        let folder = Folder::new();
        let stays = std::fs::read_to_string(folder.0.path().join("ICUSTAYS.csv")).unwrap();
        folder.table("ICUSTAYS.csv", &format!("{stays}{}", stay(901, 0, &end)));
        let want: Vec<_> = want.iter().map(|w| format!("7-701, ICUSTAYS {w}")).collect();
        assert_eq!(told(folder.stay("7-701")).1, want, "{end}");
        assert_eq!(folder.sources().len(), 4 - want.len(), "{end}");
    }
    let folder = Folder::new();
    let stays = std::fs::read_to_string(folder.0.path().join("ICUSTAYS.csv")).unwrap();
    // The second of one id begins later, and another stay lies between.
    let twice = [stay(901, 0, &clock(10)), stay(902, 20, &clock(30)), stay(901, 40, &clock(50))];
    folder.table("ICUSTAYS.csv", &format!("{stays}{}", twice.concat()));
    let names: Vec<_> = folder.sources().into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["7-701", "7-702", "8-801", "9-901", "9-902"]);
    let twice = |name: &str| folder.stay(name).counts.get("mimic.stay_stands_twice").copied();
    assert_eq!((twice("9-901"), twice("9-902")), (Some(1), None));
}

#[test]
fn the_coma_score_is_known_with_its_last_part() {
    let part = |item, at, stored, value| chart(801, item, at, stored, "x", value, "");
    let rows = [
        part(220_739, 700, 710, "3"),
        part(223_900, 700, 720, "1"),
        part(223_901, 700, 705, "5"),
        part(220_739, 800, 810, "4"),
        part(223_901, 800, 810, "6"),
    ];
    let folder = Folder::new();
    folder.table("CHARTEVENTS.csv", &format!("{CHART}{}", rows.concat()));
    let stay = folder.stay("8-801");
    assert_eq!(stay.counts.get("mimic.incomplete_coma_score"), Some(&1));
    assert_eq!(told(stay), (vec![(700, 720, number(Signal::GcsTotal, 9.0))], vec![]));
}

#[test]
fn laboratory_values_and_what_the_blood_was() {
    let row = |item: u32, at: i64, text: &str, value: &str, unit: &str| {
        format!("1,7,,{item},{},{text},{value},{unit},\n", clock(at))
    };
    let rows = [
        row(50_912, 100, "1.2", "1.2", "mg/dL"),
        row(50_912, 101, "1.2", "1.2", ""),
        row(50_912, 102, "1.2", "1.2", "mmHg"),
        row(50_912, 103, "HEMOLYZED", "", "mg/dL"),
        row(51_237, 104, "1.4", "1.4", ""),
        row(50_800, 200, "VEN", "", ""),
        row(50_820, 200, "7.2", "7.2", "units"),
        row(50_813, 200, "3.1", "3.1", "mmol/L"),
        row(50_800, 210, "ART", "", ""),
        row(50_818, 210, "44", "44", "MM HG"),
        row(50_820, 210, "7.4", "7.4", "UNITS"),
        row(50_971, -1_379, "4", "4", "mEq/L"),
        row(50_971, -1_381, "5", "5", "mEq/L"),
        row(51_249, 100, "30", "30", "%"),
    ];
    let folder = Folder::new();
    folder.table("LABEVENTS.csv", &format!("{LABS}{}", rows.concat()));
    let mut stay = folder.stay("7-701");
    stay.counts.remove("mimic.table_absent");
    let counts: Vec<_> = stay.counts.iter().map(|(r, n)| (*r, *n)).collect();
    let want = [
        ("mimic.gas_not_arterial", 1),
        ("mimic.item_not_read", 1),
        ("mimic.no_number", 1),
        ("mimic.outside_any_stay", 1),
        ("mimic.specimen_is_arterial", 1),
        ("mimic.unknown_unit", 2),
    ];
    assert_eq!(counts, want);
    let want = vec![
        (-1_379, 60, number(Signal::Potassium, 4.0)),
        (100, 100, number(Signal::Creatinine, 1.2)),
        (104, 104, number(Signal::Inr, 1.4)),
        (200, 200, number(Signal::Lactate, 3.1)),
        (210, 210, number(Signal::Paco2, 44.0)),
        (210, 210, number(Signal::ArterialPh, 7.4)),
    ];
    assert_eq!(told(stay), (want, vec![]));
}

fn rate(drug: Drug, value: f64, unit: Unit) -> Body {
    Body::Medication(Infusion { drug, action: InfusionAction::RateSet, dose: Some(Dose { value, unit }) })
}

fn stopped(drug: Drug) -> Body {
    Body::Medication(Infusion { drug, action: InfusionAction::Stopped, dose: None })
}

#[test]
fn carevue_infusions_end_where_it_is_said_or_nothing_more_comes() {
    let row = |item: u32, at: i64, value: &str, unit: &str, stop: &str| {
        format!("1,7,70,701,{},{item},,,{value},{unit},{},1,1,1,{stop}\n", clock(at), clock(at + 5))
    };
    let rows = [
        row(30_120, 1_000, "0.1", "mcgkgmin", ""),
        row(30_120, 1_060, "0.2", "mcgkgmin", ""),
        row(30_120, 1_100, "", "mcgkgmin", "Stopped"),
        row(30_051, 1_000, "2.4", "Umin", ""),
        row(30_051, 1_240, "2.4", "Umin", ""),
        row(30_045, 1_000, "", "", ""),
        row(30_045, 1_000, "3", "furlong", ""),
        row(30_018, 1_000, "100", "mlhr", ""),
    ];
    let folder = Folder::new();
    folder.table("INPUTEVENTS_CV.csv", &format!("{CV}{}", rows.concat()));
    let mut stay = folder.stay("7-701");
    stay.counts.remove("mimic.table_absent");
    let counts: Vec<_> = stay.counts.iter().map(|(r, n)| (*r, *n)).collect();
    let want = [("mimic.item_not_read", 1), ("mimic.unknown_unit", 1), ("mimic.volume_without_rate", 1)];
    assert_eq!(counts, want);
    let Some(Labels::Course(course)) = stay.labels.take() else { panic!() };
    let pressor = Failure { at: time(1_000), over: time(1_480), kind: FailureKind::Vasopressor };
    assert_eq!(course.failures, [pressor]);
    let (norepinephrine, vasopressin) = (Drug::Norepinephrine, Drug::Vasopressin);
    let want = vec![
        (1_000, 1_005, rate(norepinephrine, 0.1, Unit::UgPerKgMin)),
        (1_000, 1_005, rate(vasopressin, 2.4, Unit::UnitPerMin)),
        (1_060, 1_065, rate(norepinephrine, 0.2, Unit::UgPerKgMin)),
        (1_100, 1_105, stopped(norepinephrine)),
        (1_240, 1_245, rate(vasopressin, 2.4, Unit::UnitPerMin)),
        (1_480, 1_480, stopped(vasopressin)),
    ];
    assert_eq!(told(stay), (want, vec![]));
}

#[test]
fn metavision_infusions_have_their_stretches() {
    let row = |item: u32, from: i64, to: i64, amount: &str, value: &str, kind: &str, status: &str| {
        let (from, to, stored) = (clock(from), clock(to), clock(from + 2));
        let (amount_unit, unit) = match item {
            223_258 => ("units", "units/hour"),
            225_798 => ("dose", ""),
            _ => ("mg", "mcg/kg/min"),
        };
        format!(
            "1,8,80,801,{from},{to},{item},{amount},{amount_unit},{value},{unit},{stored},{kind},{status}\n"
        )
    };
    let med = "Continuous Med";
    let rows = [
        row(221_906, 700, 760, "1", "0.1", med, "Changed"),
        row(221_906, 760, 800, "1", "0.2", med, "Stopped"),
        row(221_906, 900, 960, "1", "0.3", med, "Rewritten"),
        row(223_258, 900, 901, "10", "", "Drug Push", "FinishedRunning"),
        row(225_798, 910, 911, "1", "", "Drug Push", "FinishedRunning"),
        row(221_749, 990, 980, "1", "1", med, "Stopped"),
    ];
    let folder = Folder::new();
    folder.table("INPUTEVENTS_MV.csv", &format!("{MV}{}", rows.concat()));
    let stay = folder.stay("8-801");
    assert_eq!(stay.counts.get("mimic.rewritten_order"), Some(&1));
    let drug = Drug::Norepinephrine;
    let given = |drug, dose| Body::Medication(Infusion { drug, action: InfusionAction::Given, dose });
    let want = vec![
        (700, 702, rate(drug, 0.1, Unit::UgPerKgMin)),
        (760, 762, rate(drug, 0.2, Unit::UgPerKgMin)),
        (800, 800, stopped(drug)),
        (900, 902, given(Drug::Insulin, Some(Dose { value: 10.0, unit: Unit::DrugUnit }))),
        (910, 912, given(Drug::Antibiotic, None)),
    ];
    let fault = "8-801, INPUTEVENTS_MV line 7: bad record: it ends before it begins".to_owned();
    assert_eq!(told(stay), (want, vec![fault]));
}

#[test]
fn cultures_prescriptions_and_urine() {
    let day = "2150-05-02 00:00:00";
    let folder = Folder::new();
    folder.table(
        "MICROBIOLOGYEVENTS.csv",
        &format!(
            "SUBJECT_ID,CHARTDATE,CHARTTIME,SPEC_TYPE_DESC,ORG_NAME\n7,{day},{at},BLOOD CULTURE,X\n7,{day},{at},URINE,\n7,{day},,SPUTUM,\n7,{day},{at},MRSA SCREEN,\n",
            at = clock(1_500)
        ),
    );
    let later = "2150-05-16 00:00:00";
    folder.table(
        "PRESCRIPTIONS.csv",
        &format!(
            "SUBJECT_ID,STARTDATE,DRUG_TYPE,DRUG,ROUTE\n7,{day},MAIN,Vancomycin HCl,IV\n7,{day},MAIN,Pantoprazole,IV\n7,{day},BASE,Vancomycin HCl,IV\n7,{day},MAIN,Erythromycin,OU\n7,{later},MAIN,Cefepime,IV\n"
        ),
    );
    folder.table(
        "OUTPUTEVENTS.csv",
        &format!(
            "SUBJECT_ID,ICUSTAY_ID,CHARTTIME,ITEMID,VALUE,VALUEUOM,STORETIME,ISERROR\n7,701,{at},40055,45,ml,{stored},\n7,701,{at},40055,46,,{stored},\n7,701,{at},40055,47,ml,{stored},1\n7,701,{at},40054,48,ml,{stored},\n",
            at = clock(1_500),
            stored = clock(1_510)
        ),
    );
    let stay = folder.stay("7-701");
    for (reason, n) in [
        ("mimic.same_culture", 1),
        ("mimic.not_a_culture", 1),
        ("mimic.not_a_systemic_antibiotic", 3),
        ("mimic.unknown_unit", 1),
        ("mimic.marked_error", 1),
        ("mimic.item_not_read", 1),
    ] {
        assert_eq!(stay.counts.get(reason), Some(&n), "{reason}");
    }
    let culture = Body::Microbiology(Microbiology::CultureTaken);
    let given = Infusion { drug: Drug::Antibiotic, action: InfusionAction::Given, dose: None };
    let end = 2 * 1_440;
    let want = vec![
        (1_500, 1_500, culture.clone()),
        (1_500, 1_510, number(Signal::UrineOutput, 45.0)),
        (end, end, culture),
        (end, end, Body::Medication(given)),
    ];
    assert_eq!(told(stay), (want, vec![]));
    assert_eq!(folder.stay("7-702").counts.get("mimic.also_in_inputevents"), Some(&1));
}

#[test]
fn the_course_of_a_stay() {
    let mut rows = String::new();
    let mut on = |minutes: std::ops::RangeInclusive<i64>| {
        for at in minutes.step_by(240) {
            rows += &chart(801, 224_685, at, at, "500", "500", "mL");
        }
    };
    // Came with the patient, to 840; a mask; back within the day; a day apart from 2,500 on.
    on(630..=840);
    on(1_000..=1_060);
    on(2_500..=3_000);
    rows += &chart(801, 226_732, 850, 850, "Face tent", "", "");
    rows += &chart(801, 226_732, 3_100, 3_100, "Nasal cannula", "", "");
    let folder = Folder::new();
    folder.table("CHARTEVENTS.csv", &format!("{CHART}{rows}"));
    let arrest = format!(
        "SUBJECT_ID,ICUSTAY_ID,STARTTIME,ENDTIME,ITEMID,STORETIME,STATUSDESCRIPTION\n8,801,{a},{a},225466,{a},FinishedRunning\n8,801,{a},{a},225466,{a},Rewritten\n8,801,{a},{a},225459,{a},FinishedRunning\n",
        a = clock(5_000)
    );
    folder.table("PROCEDUREEVENTS_MV.csv", &arrest);
    let Some(Labels::Course(course)) = folder.stay("8-801").labels else { panic!() };
    let failure = |kind, from, to| Failure { at: time(from), over: time(to), kind };
    let want = [
        failure(FailureKind::Ventilation, 600, 1_000),
        failure(FailureKind::Ventilation, 2_500, 3_100),
        failure(FailureKind::Arrest, 5_000, 5_060),
    ];
    assert_eq!(course.failures, want);
    assert_eq!((course.death, course.begins, course.ends), (None, time(600), time(6_000)));
}

#[test]
fn a_broken_row_fails_alone_and_says_no_content() {
    let good = chart(701, 211, 100, 110, "80", "80", "BPM");
    let rows = [
        good.replace(",BPM,", ",BPM"),
        good.replace(",80,80,", ",\"secret,80,"),
        good.replace(",211,", ",secret,"),
        good.replace(",701,", ",secret,"),
        good.replace(&clock(100), "secret"),
        good.replace(&clock(110), "2150-02-30 00:00:00"),
        good.replace(",80,80,", ",80,secret,"),
        good.replace(",80,80,", ",80,inf,"),
        "\n".to_owned(),
        format!("{}\n", "x".repeat(70_000)),
        good.replace(",80,80,", ",\"80, or \"\"so\"\"\",80,"),
    ];
    let folder = Folder::new();
    folder.table("CHARTEVENTS.csv", &format!("{CHART}{}", rows.concat()));
    let bad_stay = "1,9,90,x,carevue,CCU,CCU,1,1,2150-05-01 00:00:00,2150-05-02 00:00:00,1\n";
    let stays = std::fs::read_to_string(folder.0.path().join("ICUSTAYS.csv")).unwrap();
    folder.table("ICUSTAYS.csv", &format!("{stays}{bad_stay}"));
    let (events, faults) = told(folder.stay("7-701"));
    assert_eq!(events, [(100, 110, number(Signal::HeartRate, 80.0))]);
    let want = [
        "ICUSTAYS line 5: bad record: an id is no number",
        "CHARTEVENTS line 2: bad record: the row has not as many fields as the header",
        "CHARTEVENTS line 3: bad record: the row has not as many fields as the header",
        "CHARTEVENTS line 4: bad record: an id is no number",
        "CHARTEVENTS line 5: bad record: an id is no number",
        "CHARTEVENTS line 6: bad record: a time is not YYYY-MM-DD HH:MM:SS",
        "CHARTEVENTS line 7: bad record: a time is not YYYY-MM-DD HH:MM:SS",
        "CHARTEVENTS line 8: bad record: a value is no number",
        "CHARTEVENTS line 9: bad record: a value is no number",
        "CHARTEVENTS line 11: bad record: the row has not as many fields as the header",
    ];
    assert_eq!(faults, want.map(|w| format!("7-701, {w}")));
    folder.table("CHARTEVENTS.csv", &CHART.replace("STORETIME", "SECRET"));
    let (_, faults) = told(folder.stay("7-701"));
    assert_eq!(faults[1], "7-701, CHARTEVENTS: bad header: there is no column STORETIME");
}

#[test]
fn many_stays_are_each_given_their_own() {
    let folder = Scratch::new("mimic3-many");
    let stays: String = (1..=300)
        .map(|n| format!("1,{n},{n},{n},carevue,CCU,CCU,1,1,{},{},1\n", clock(0), clock(900)))
        .collect();
    let rows: String = (0..3_000)
        .map(|i| {
            let stay = i * 7 % 300 + 1;
            let at = clock(i / 300 * 60);
            format!("1,{stay},{stay},{stay},211,{at},{at},1,{stay},{stay},BPM,,,,\n")
        })
        .collect();
    folder.file("ICUSTAYS.csv", format!("{STAYS}{stays}").as_bytes());
    folder.file("CHARTEVENTS.csv", format!("{CHART}{rows}").as_bytes());
    let sources = open(folder.path(), &Options::default()).unwrap();
    assert_eq!(sources.len(), 300);
    for (source, n) in sources.iter().zip(1..) {
        assert_eq!(source.name, format!("{n}-{n}"));
        let (events, faults) = told(source.read().unwrap());
        let own: Vec<_> =
            (0..10).map(|i| (i * 60, i * 60, number(Signal::HeartRate, f64::from(n)))).collect();
        assert_eq!((events, faults), (own, vec![]));
    }
}

/// The set at hand (PROVENANCE: 84 stays), against a plain reading of its times of entry. Skipped by name
/// where it is absent.
#[test]
fn the_demo_set() {
    let Some(path) = crate::readers::shared_data::shared("mimic3-demo") else { return };
    let stored = stored(&path);
    let mut entered = BTreeMap::<i32, usize>::new();
    let sources = open(&path, &Options::default()).unwrap();
    assert_eq!(sources.len(), 84);
    let (mut values, mut kinds) = (BTreeMap::<Signal, Vec<f64>>::new(), BTreeMap::<&str, usize>::new());
    let (mut failures, mut deaths) = (BTreeMap::<FailureKind, usize>::new(), 0);
    let mut left = BTreeMap::<&str, u64>::new();
    for source in &sources {
        let mut stay = source.read().unwrap();
        let Some(Labels::Course(course)) = stay.labels.take() else { panic!("{}", source.name) };
        deaths += usize::from(course.death == Some(true));
        for failure in &course.failures {
            *failures.entry(failure.kind).or_default() += 1;
            assert!(failure.over >= failure.at && failure.at >= course.begins);
        }
        stay.counts.iter().for_each(|(reason, n)| *left.entry(reason).or_default() += n);
        let mut last = None;
        for item in stay {
            let Ok(Item::Event(event)) = item else { panic!("{}: {item:?}", source.name) };
            assert!(last <= Some(event.arrival) && event.arrival.as_event_time() >= event.event_time);
            last = Some(event.arrival);
            let row = (event.provenance.partition, event.provenance.offset as u64 + 1);
            if let Some(at) = stored.get(&row) {
                assert!(
                    event.arrival.as_event_time() >= *at,
                    "{}, {row:?}: known before it was entered",
                    source.name
                );
                *entered.entry(row.0).or_default() += 1;
            }
            let kind = match event.body {
                Body::Numeric(n) => {
                    if n.plausible {
                        values.entry(n.signal).or_default().push(n.value);
                    }
                    "numeric"
                }
                Body::Medication(_) => "medication",
                Body::Adt(_) => "adt",
                Body::Microbiology(_) => "microbiology",
                _ => "other",
            };
            *kinds.entry(kind).or_default() += 1;
        }
    }
    println!("{kinds:?}\n{failures:?}, {deaths} deaths\n{left:?}\nentered by table: {entered:?}");
    assert_eq!(
        entered.keys().copied().collect::<Vec<_>>(),
        [4, 6, 7, 8, 9],
        "charted, infused, put out, done"
    );
    for (signal, lowest, highest) in [
        (Signal::HeartRate, 75.0, 100.0),
        (Signal::RespRate, 14.0, 24.0),
        (Signal::Spo2, 95.0, 100.0),
        (Signal::Temperature, 36.3, 37.5),
        (Signal::NibpSystolic, 100.0, 130.0),
        (Signal::NibpMean, 60.0, 85.0),
        (Signal::AbpMean, 65.0, 85.0),
        (Signal::Fio2, 40.0, 60.0),
        (Signal::GcsTotal, 8.0, 15.0),
        (Signal::UrineOutput, 20.0, 120.0),
        (Signal::Weight, 60.0, 100.0),
        (Signal::Creatinine, 0.7, 2.0),
        (Signal::Lactate, 1.0, 3.0),
        (Signal::ArterialPh, 7.3, 7.45),
        (Signal::Platelets, 120.0, 300.0),
    ] {
        let values = values.get_mut(&signal).unwrap();
        values.sort_by(f64::total_cmp);
        let median = values[values.len() / 2];
        println!("{}: {} values, median {median}", signal.name(), values.len());
        assert!((lowest..=highest).contains(&median), "{}: {median}", signal.name());
    }
    assert!(failures[&FailureKind::Vasopressor] > 10 && failures[&FailureKind::Ventilation] > 10);
    assert!(kinds["numeric"] > 100_000 && kinds["medication"] > 3_000 && kinds["microbiology"] > 100);
}

/// When each row was entered, by the table's number and the line: a plain reading of the columns of that name.
fn stored(folder: &Path) -> BTreeMap<(i32, u64), EventTime> {
    let mut found = BTreeMap::new();
    for (number, table) in (0..).zip(super::table::Table::ALL) {
        let file = std::fs::File::open(folder.join(format!("{}.csv.gz", table.name()))).unwrap();
        let mut lines = BufReader::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(file))).lines();
        let names = lines.next().unwrap().unwrap();
        let Some(column) = names.split(',').position(|n| n == "STORETIME") else { continue };
        for (line, text) in (2..).zip(lines) {
            let cells = crate::readers::lines::csv_fields(&text.unwrap());
            let at = EventTime::parse_rfc3339(&format!("{}Z", cells[column].replace(' ', "T")));
            found.extend(at.ok().map(|at| ((number, line), at)));
        }
    }
    found
}

proptest::proptest! {
    /// No bytes in a table make the reader panic, and the other stays keep theirs.
    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
    ) {
        let folder = Folder::new();
        let kept = chart(801, 211, 700, 700, "80", "80", "BPM");
        let mut table = format!("{CHART}{kept}").into_bytes();
        table.extend(bytes);
        folder.0.file("CHARTEVENTS.csv", &table);
        let (events, _) = told(folder.stay("8-801"));
        proptest::prop_assert!(events.contains(&(700, 700, number(Signal::HeartRate, 80.0))));
    }
}
