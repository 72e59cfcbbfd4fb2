//! Tables made by hand, one row for each thing that is decided.

use std::io::Write;

use bedwatch_schemas::{
    event::{Adt, AdtKind, Body, Event, Microbiology, NoReading, Numeric, Sex, UnitKind},
    medication::{Dose, Drug, Infusion, InfusionAction},
    signal::Signal,
    time::{EventTime, Span},
    unit::Unit,
};

use super::{
    patient::{AGE_HIDDEN, NO_AGE, NO_SEX},
    table::Table,
    tables::TABLE_ABSENT,
    word::What,
};
use crate::readers::{
    Course, Failure, FailureKind, Fault, Format, Item, Labels, Options, Stay, open, scratch::Scratch, survey,
};

mod infection;

const PATIENT: &str = "patientunitstayid,uniquepid,gender,age,unittype,unitstaytype,admissionheight,admissionweight,hospitaladmitoffset,unitdischargeoffset,unitdischargestatus,hospitaldischargestatus\n";
const APERIODIC: &str = "vitalaperiodicid,patientunitstayid,observationoffset,noninvasivesystolic,noninvasivediastolic,noninvasivemean,paop,cardiacoutput\n";
const PERIODIC: &str = "vitalperiodicid,patientunitstayid,observationoffset,temperature,sao2,heartrate,respiration,cvp,etco2,systemicsystolic,systemicdiastolic,systemicmean,pasystolic\n";
const LAB: &str = "labid,patientunitstayid,labresultoffset,labtypeid,labname,labresult,labresulttext,labmeasurenamesystem,labmeasurenameinterface,labresultrevisedoffset\n";
const CHARTING: &str = "respchartid,patientunitstayid,respchartoffset,respchartentryoffset,respcharttypecat,respchartvaluelabel,respchartvalue\n";
const CARE: &str = "respcareid,patientunitstayid,respcarestatusoffset,airwaytype,ventstartoffset,ventendoffset,priorventstartoffset,priorventendoffset\n";
const INFUSION: &str = "infusiondrugid,patientunitstayid,infusionoffset,drugname,drugrate,infusionrate,drugamount,volumeoffluid,patientweight\n";

/// Minutes from the admission to the unit, as the readers place it.
fn time(minute: i64) -> EventTime {
    Options::default().base + Span::minutes(minute)
}

/// A folder with stays 701 and 702 of patient 002-7 (each 6,000 minutes), and 801 of 002-8 (600).
struct Folder(Scratch);

impl Folder {
    fn new() -> Self {
        let folder = Self(Scratch::new("eicu"));
        let rows = [
            "801,002-8,Male,> 89,CTICU,admit,180,80.5,-30,600,Expired,Expired\n",
            "702,002-7,Female,61,SICU,stepdown/other,,,-9000,6000,Alive,Alive\n",
            "701,002-7,Female,61,MICU,admit,,,-120,6000,Alive,\n",
        ];
        folder.table("patient.csv", &format!("{PATIENT}{}", rows.concat()));
        folder.table("vitalAperiodic.csv", APERIODIC);
        folder
    }

    fn table(&self, name: &str, text: &str) {
        self.0.file(name, text.as_bytes());
    }

    /// A stay with what it counted, absent tables apart.
    fn stay(&self, name: &str) -> Stay {
        let sources = open(self.0.path(), &Options::default()).unwrap();
        let mut stay = sources.iter().find(|s| s.name == name).unwrap().read().unwrap();
        stay.counts.remove(TABLE_ABSENT);
        stay
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

fn counts(stay: &Stay) -> Vec<(&'static str, u64)> {
    stay.counts.iter().map(|(r, n)| (*r, *n)).collect()
}

fn number(signal: Signal, value: f64) -> Body {
    Body::Numeric(Numeric::new(signal, value))
}

fn ventilated(on: bool) -> Body {
    number(Signal::MechanicalVentilation, if on { 1.0 } else { 0.0 })
}

fn drug(drug: Drug, action: InfusionAction, dose: Option<(f64, Unit)>) -> Body {
    let dose = dose.map(|(value, unit)| Dose { value, unit });
    Body::Medication(Infusion { drug, action, dose })
}

#[test]
fn a_folder_is_found_by_its_content() {
    let folder = Folder::new();
    folder.table("NOTES.md", "nothing");
    folder.table("hospital.csv", "hospitalid,region\n56,Midwest\n");
    let found = survey(folder.0.path(), &Options::default()).unwrap();
    let names: Vec<_> = found.stays.iter().map(|s| (s.name.as_str(), s.format)).collect();
    let want = ["002-7-701", "002-7-702", "002-8-801"].map(|n| (n, Format::Eicu));
    assert_eq!(names, want);
    assert_eq!(found.others.len(), 1, "a table is none of the others");
    let by_file = open(&folder.0.path().join("patient.csv"), &Options::default()).unwrap();
    assert_eq!(by_file.len(), 3);
    let forced = |format| open(folder.0.path(), &Options { format: Some(format), ..Options::default() });
    assert_eq!(forced(Format::Eicu).unwrap().len(), 3);
    assert!(forced(Format::Mimic3).is_err() && forced(Format::Psv).is_err());
    for name in ["patient.csv", "vitalAperiodic.csv"] {
        let lacking = Folder::new();
        std::fs::remove_file(lacking.0.path().join(name)).unwrap();
        let error = open(lacking.0.path(), &Options::default()).unwrap_err();
        assert_eq!(error.fault, Fault::Unrecognised, "{name}");
    }
}

#[test]
fn packed_tables_with_large_headers_are_the_same() {
    let folder = Folder::new();
    let text = format!("{}1,701,100,120,60,80,,\n", APERIODIC.to_uppercase());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    let bytes = packed.finish().unwrap();
    std::fs::remove_file(folder.0.path().join("vitalAperiodic.csv")).unwrap();
    folder.0.file("VITALAPERIODIC.CSV.GZ", &bytes);
    assert_eq!(told(folder.stay("002-7-701")).0.len(), 3);
    folder.0.file("VITALAPERIODIC.CSV.GZ", &bytes[..bytes.len() - 9]);
    let (_, faults) = told(folder.stay("002-7-701"));
    assert_eq!(faults, ["002-7-701, vitalAperiodic: cannot be read (unexpected end of file)"]);
    assert_eq!(told(folder.stay("002-7-702")), (vec![], vec![]), "the first stay tells what no stay owns");
}

#[test]
fn who_the_patient_is_and_how_it_ended() {
    let folder = Folder::new();
    let admit = |name: &str| {
        let item = folder.stay(name).next().unwrap().unwrap();
        let Item::Event(Event { body: Body::Adt(adt), event_time, .. }) = item else { panic!() };
        assert_eq!((event_time, adt.admitted_at), (time(0), Some(time(0))));
        adt
    };
    let Adt { demographics, unit, hospital_admitted_at, .. } = admit("002-7-701");
    assert_eq!((demographics.age_years, demographics.sex), (Some(61.0), Some(Sex::Female)));
    assert_eq!((unit, hospital_admitted_at), (Some(UnitKind::Medical), Some(time(-120))));
    assert_eq!(admit("002-7-702").unit, None, "a step-down stay is none of intensive care");
    let adt = admit("002-8-801");
    assert_eq!((adt.demographics.age_years, adt.unit), (Some(90.0), Some(UnitKind::CardiacSurgery)));
    let stay = folder.stay("002-8-801");
    assert_eq!(counts(&stay), [("eicu.age_above_89_taken_as_90", 1)]);
    let died = Failure { at: time(600), over: time(600), kind: FailureKind::Death };
    let course =
        Course { begins: time(0), ends: time(600), death: Some(true), failures: vec![died], infection: None };
    assert_eq!(stay.labels, Some(Labels::Course(course)));
    let size = vec![(0, 0, number(Signal::Height, 180.0)), (0, 0, number(Signal::Weight, 80.5))];
    assert_eq!(told(stay), (size, vec![]));
    for (name, death) in [("002-7-701", None), ("002-7-702", Some(false))] {
        let Some(Labels::Course(course)) = folder.stay(name).labels else { panic!() };
        assert_eq!((course.death, course.failures.as_slice(), course.ends), (death, &[][..], time(6_000)));
    }
}

#[test]
fn units_of_one_kind() {
    for (text, kind) in [
        ("MICU", Some(UnitKind::Medical)),
        ("SICU", Some(UnitKind::Surgical)),
        ("Cardiac ICU", Some(UnitKind::Coronary)),
        ("CSICU", Some(UnitKind::CardiacSurgery)),
        ("CCU-CTICU", None),
        ("Med-Surg ICU", None),
        ("Neuro ICU", None),
        ("", None),
    ] {
        assert_eq!(super::patient::unit_kind(text), kind, "{text}");
    }
}

#[test]
fn vitals_by_column() {
    let folder = Folder::new();
    let rows =
        ["1,701,100,120,60,80,,\n", "2,701,101,,,0,12,\n", "3,701,102,,,,12,4.5\n", "4,701,103,-1,,,,\n"];
    folder.table("vitalAperiodic.csv", &format!("{APERIODIC}{}", rows.concat()));
    let rows =
        ["1,702,5,37.1,97,88,18,9,35,121,61,81,30\n", "2,702,10,,97,,,,,,,,\n", "3,702,15,,,,,,,,,,30\n"];
    folder.table("vitalPeriodic.csv", &format!("{PERIODIC}{}", rows.concat()));
    let stay = folder.stay("002-7-701");
    assert_eq!(counts(&stay), [("eicu.columns_not_read", 1)]);
    let sentinel = Body::NoReading { signal: Signal::NibpSystolic, reason: NoReading::Sentinel };
    let want = vec![
        (100, 100, number(Signal::NibpSystolic, 120.0)),
        (100, 100, number(Signal::NibpDiastolic, 60.0)),
        (100, 100, number(Signal::NibpMean, 80.0)),
        (101, 101, number(Signal::NibpMean, 0.0)),
        (103, 103, sentinel),
    ];
    assert_eq!(told(stay), (want, vec![]));
    let stay = folder.stay("002-7-702");
    assert_eq!(counts(&stay), [("eicu.columns_not_read", 1)]);
    let first = [
        (Signal::Temperature, 37.1),
        (Signal::Spo2, 97.0),
        (Signal::HeartRate, 88.0),
        (Signal::RespRate, 18.0),
        (Signal::Cvp, 9.0),
        (Signal::Etco2, 35.0),
        (Signal::AbpSystolic, 121.0),
        (Signal::AbpDiastolic, 61.0),
        (Signal::AbpMean, 81.0),
    ];
    let mut want: Vec<_> = first.map(|(s, v)| (5, 5, number(s, v))).into();
    want.push((10, 10, number(Signal::Spo2, 97.0)));
    assert_eq!(told(stay), (want, vec![]));
}

#[test]
fn charted_labels() {
    let cases = [
        ("FiO2", "40", Ok(number(Signal::Fio2, 40.0))),
        ("FiO2", "60%", Ok(number(Signal::Fio2, 60.0))),
        ("FIO2 (%)", ".28", Ok(number(Signal::Fio2, 28.0))),
        ("FiO2", "1%", Ok(number(Signal::Fio2, 1.0))),
        ("FiO2", "4", Ok(number(Signal::Fio2, 4.0))),
        ("Total RR", "18", Ok(number(Signal::RespRate, 18.0))),
        ("RR (patient)", "17", Ok(number(Signal::RespRate, 17.0))),
        ("RR (patient)", "0", Err("eicu.no_own_breaths")),
        ("Vent Rate", "14", Err("eicu.rate_set_at_a_machine")),
        ("Vent Rate", "0", Err("eicu.nothing_of_ventilation")),
        ("SaO2", "98", Ok(number(Signal::Spo2, 98.0))),
        ("ETCO2", "39", Ok(number(Signal::Etco2, 39.0))),
        ("PEEP", "5", Err("eicu.item_not_read")),
        ("LPM O2", "2", Err("eicu.item_not_read")),
        ("Tidal Volume (set)", "550", Ok(ventilated(true))),
        ("Tidal Volume (set)", "0", Err("eicu.nothing_of_ventilation")),
        ("Plateau Pressure", "16", Ok(ventilated(true))),
        ("O2 Device", "Ventilator", Ok(ventilated(true))),
        ("O2 Device", "None (Room air)", Ok(ventilated(false))),
        ("O2 Device", "Bi-PAP", Err("eicu.words_without_meaning")),
        ("RT Vent On/Off", "Continued", Ok(ventilated(true))),
        ("RT Vent On/Off", "Off", Ok(ventilated(false))),
        ("Ventilator Support Mode", "SIMV", Ok(ventilated(true))),
        ("Ventilator Support Mode", "Spontaneous", Err("eicu.words_without_meaning")),
        ("FiO2", "", Err("eicu.no_number")),
    ];
    for (label, value, want) in cases {
        let folder = Folder::new();
        let row = format!("1,701,100,130,respFlowSettings,\"{label}\",{value}\n");
        folder.table("respiratoryCharting.csv", &format!("{CHARTING}{row}"));
        let stay = folder.stay("002-7-701");
        assert_eq!(
            counts(&stay),
            want.clone().err().map(|r| (r, 1)).into_iter().collect::<Vec<_>>(),
            "{label}"
        );
        let want = want.ok().map(|b| (100, 130, b)).into_iter().collect();
        assert_eq!(told(stay), (want, vec![]), "{label} {value}");
    }
}

#[test]
fn own_breaths_are_all_breaths_without_a_machine() {
    let row = |at: i64, label: &str, value: u32| format!("1,701,{at},{at},x,{label},{value}\n");
    let rows = [
        row(10, "RR (patient)", 3),
        row(10, "Vent Rate", 14),
        row(20, "RR (patient)", 4),
        row(20, "Total RR", 18),
        row(30, "RR (patient)", 19),
        row(30, "Vent Rate", 0),
    ];
    let folder = Folder::new();
    folder.table("respiratoryCharting.csv", &format!("{CHARTING}{}", rows.concat()));
    let stay = folder.stay("002-7-701");
    let want = [
        ("eicu.nothing_of_ventilation", 1),
        ("eicu.own_rate_beside_a_machine", 2),
        ("eicu.rate_set_at_a_machine", 1),
    ];
    assert_eq!(counts(&stay), want);
    let want = vec![(20, 20, number(Signal::RespRate, 18.0)), (30, 30, number(Signal::RespRate, 19.0))];
    assert_eq!(told(stay), (want, vec![]));
}

#[test]
fn everything_comes_when_it_was_known() {
    let row =
        |stay: u32, at: i64, entered: &str, value: u32| format!("1,{stay},{at},{entered},x,SaO2,{value}\n");
    let rows = [
        row(801, 100, "130", 80),
        // Entered before it was true: not known before it was.
        row(801, 110, "105", 82),
        row(801, 120, "", 83),
        // Before the admission to the unit, by how much ever: at its own time, known with the admission.
        row(801, -1, "-1", 84),
        row(801, -3_000, "-2990", 85),
        row(801, -5, "20", 86),
        row(801, 590, "600", 87),
        row(801, 590, "601", 88),
        row(801, 601, "601", 89),
        row(999, 100, "100", 90),
    ];
    let folder = Folder::new();
    folder.table("respiratoryCharting.csv", &format!("{CHARTING}{}", rows.concat()));
    let stay = folder.stay("002-8-801");
    let want = [("eicu.age_above_89_taken_as_90", 1), ("eicu.known_after_the_stay", 2)];
    assert_eq!(counts(&stay), want);
    assert_eq!(counts(&folder.stay("002-7-701")), [("eicu.unknown_stay", 1)]);
    let late: Vec<_> = stay.hindsight.iter().map(|e| (e.event_time, e.body.clone())).collect();
    let late_of = |at, value| (time(at), number(Signal::Spo2, value));
    assert_eq!(late, [late_of(590, 88.0), late_of(601, 89.0)], "for labels alone");
    let of_saturation = |body: &Body| matches!(body, Body::Numeric(n) if n.signal == Signal::Spo2);
    let got: Vec<_> = told(stay).0.into_iter().filter(|t| of_saturation(&t.2)).map(|t| (t.0, t.1)).collect();
    assert_eq!(got, [(-3_000, 0), (-1, 0), (-5, 20), (110, 110), (120, 120), (100, 130), (590, 600)]);
}

#[test]
fn laboratory_values_are_known_at_their_last_revision() {
    let row = |name: &str, value: &str, unit: &str, at: i64, revised: &str| {
        format!("1,701,{at},1,{name},{value},{value},{unit},x,{revised}\n")
    };
    let rows = [
        row("creatinine", "1.2", "mg/dL", 100, "150"),
        row("lactate", "3.1", "mmol/L", 101, "90"),
        row("platelets x 1000", "210", "K/mcL", 102, ""),
        row("PT - INR", "1.4", "ratio", 103, "103"),
        row("pH", "7.31", "", 104, "104"),
        row("paO2", "82", "mm Hg", 104, "104"),
        row("ALT (SGPT)", "31", "Units/L", 105, "105"),
        row("O2 Sat (%)", "97", "%", 106, "106"),
        row("creatinine", "1.2", "", 110, "110"),
        row("creatinine", "1.2", "mmHg", 111, "111"),
        row("creatinine", "", "mg/dL", 112, "112"),
        row("MCHC", "33", "g/dL", 113, "113"),
    ];
    let folder = Folder::new();
    folder.table("lab.csv", &format!("{LAB}{}", rows.concat()));
    let stay = folder.stay("002-7-701");
    assert_eq!(counts(&stay), [("eicu.item_not_read", 1), ("eicu.no_number", 1), ("eicu.unknown_unit", 2)]);
    let want = vec![
        (101, 101, number(Signal::Lactate, 3.1)),
        (102, 102, number(Signal::Platelets, 210.0)),
        (103, 103, number(Signal::Inr, 1.4)),
        (104, 104, number(Signal::ArterialPh, 7.31)),
        (104, 104, number(Signal::Pao2, 82.0)),
        (105, 105, number(Signal::Alt, 31.0)),
        (106, 106, number(Signal::Sao2, 97.0)),
        (100, 150, number(Signal::Creatinine, 1.2)),
    ];
    assert_eq!(told(stay), (want, vec![]));
}

#[test]
fn infusions_with_their_units_and_without() {
    let row =
        |at: i64, name: &str, rate: &str, weight: &str| format!("1,701,{at},{name},{rate},,,,{weight}\n");
    let rows = [
        row(1_000, "Norepinephrine (mcg/min)", "5", "80"),
        row(1_000, "Norepinephrine (ml/hr)", "18.8", "80"),
        row(1_060, "Norepinephrine (mcg/min)", "0", "80"),
        row(1_060, "Norepinephrine (ml/hr)", "0", "81"),
        row(2_000, "Vasopressin ()", "4.5", ""),
        row(2_000, "Dexmedetomidine(Precedex) 400 mcg in 100 ml (mcg/kg/hr)", "0.6", ""),
        row(2_000, "Propofol (mg/kg/min)", "0", ""),
        row(2_000, "Norepinephrine", "", ""),
        row(2_000, "Propofol (Unknown)", "ERROR", ""),
        row(2_000, "Volume (ml) Phenylephrine ()", "135", ""),
        row(2_000, "Heparin (units/hr)", "500", "80"),
        row(5_900, "Dopamine (mcg/kg/min)", "5", ""),
    ];
    let folder = Folder::new();
    folder.table("infusionDrug.csv", &format!("{INFUSION}{}", rows.concat()));
    let mut stay = folder.stay("002-7-701");
    let want = [
        ("eicu.drug_not_read", 2),
        ("eicu.no_rate", 2),
        ("eicu.rate_told_without_its_unknown_unit", 1),
        // Another sedative at the same moment is of the same drug here.
        ("eicu.same_rate_in_a_better_unit", 3),
    ];
    assert_eq!(counts(&stay), want);
    let Some(Labels::Course(course)) = stay.labels.take() else { panic!() };
    let pressor = |from, to| Failure { at: time(from), over: time(to), kind: FailureKind::Vasopressor };
    assert_eq!(course.failures, [pressor(1_000, 2_240), pressor(5_900, 6_140)]);
    let (rate, stopped) = (InfusionAction::RateSet, InfusionAction::Stopped);
    let want = vec![
        (1_000, 1_000, drug(Drug::Norepinephrine, rate, Some((5.0, Unit::UgPerMin)))),
        (1_000, 1_000, number(Signal::Weight, 80.0)),
        (1_060, 1_060, drug(Drug::Norepinephrine, stopped, None)),
        (1_060, 1_060, drug(Drug::Norepinephrine, rate, Some((0.0, Unit::UgPerMin)))),
        (1_060, 1_060, number(Signal::Weight, 81.0)),
        (2_000, 2_000, drug(Drug::Vasopressin, rate, None)),
        (2_000, 2_000, drug(Drug::Sedative, rate, Some((0.6 / 60.0, Unit::UgPerKgMin)))),
        (2_240, 2_240, drug(Drug::Vasopressin, stopped, None)),
        (2_240, 2_240, drug(Drug::Sedative, stopped, None)),
        (5_900, 5_900, drug(Drug::Dopamine, rate, Some((5.0, Unit::UgPerKgMin)))),
    ];
    let (events, faults) = told(stay);
    assert!(faults.is_empty());
    for (event, want) in events.iter().zip(&want) {
        assert_eq!(event, want);
    }
    assert_eq!(events.len(), want.len());
}

#[test]
fn ventilation_and_pressors_as_they_are_told() {
    let folder = Folder::new();
    let care = [
        // Ran from before the admission to minute 542, known at 1,188.
        "1,701,1188,,0,0,-361,542\n",
        "2,701,1190,No Artificial Airway,0,0,-361,542\n",
        "3,701,3100,Oral ETT,3000,0,-361,542\n",
        "4,701,3200,,0,0,0,0\n",
        "5,701,3300,,0,0,900,800\n",
    ];
    folder.table("respiratoryCare.csv", &format!("{CARE}{}", care.concat()));
    let treatment = [
        "1,702,500,pulmonary|ventilation and oxygenation|mechanical ventilation|assist controlled\n",
        "2,702,3000,pulmonary|ventilation and oxygenation|mechanical ventilation|non-invasive ventilation\n",
        "3,702,20,cardiovascular|shock|vasopressors|vasopressin\n",
        "4,702,1000,cardiovascular|shock|vasopressors\n",
        "5,702,3000,renal|electrolyte correction|treatment of hypernatremia|vasopressin\n",
    ];
    let header = "treatmentid,patientunitstayid,treatmentoffset,treatmentstring\n";
    folder.table("treatment.csv", &format!("{header}{}", treatment.concat()));
    let failure = |kind, from, to| Failure { at: time(from), over: time(to), kind };
    let mut stay = folder.stay("002-7-701");
    assert_eq!(counts(&stay), [("eicu.nothing_of_ventilation", 1), ("eicu.same_word_of_ventilation", 2)]);
    let Some(Labels::Course(course)) = stay.labels.take() else { panic!() };
    let ventilation = FailureKind::Ventilation;
    assert_eq!(course.failures, [failure(ventilation, 0, 542), failure(ventilation, 3_000, 3_100)]);
    let want = vec![
        (542, 1_188, ventilated(false)),
        (1_190, 1_190, ventilated(false)),
        (3_100, 3_100, ventilated(true)),
    ];
    let fault = "002-7-701, respiratoryCare line 6: bad record: it ends before it begins".to_owned();
    assert_eq!(told(stay), (want, vec![fault]));
    let mut stay = folder.stay("002-7-702");
    assert_eq!(counts(&stay), [("eicu.item_not_read", 2)]);
    let Some(Labels::Course(course)) = stay.labels.take() else { panic!() };
    let want = [failure(FailureKind::Vasopressor, 0, 1_060), failure(ventilation, 500, 560)];
    assert_eq!(course.failures, want);
    assert_eq!(told(stay), (vec![], vec![]), "treatment is a label");
}

#[test]
fn cultures_antibiotics_urine_and_weight() {
    let folder = Folder::new();
    let header = "microlabid,patientunitstayid,culturetakenoffset,culturesite,organism\n";
    let rows = "1,701,60,\"Blood, Venipuncture\",no growth\n2,701,60,\"Sputum, Expectorated\",yeast\n3,701,70,Nasopharynx,x\n";
    folder.table("microLab.csv", &format!("{header}{rows}"));
    let header = "medicationid,patientunitstayid,drugorderoffset,drugstartoffset,drugordercancelled,drugname,routeadmin\n";
    let rows = "1,701,90,80,No,VANCOMYCIN HCL 1000 MG,IVPB\n2,701,20,85,No,Zosyn,IV Push\n3,701,20,85,Yes,Zosyn,IV\n4,701,20,85,No,vancomycin,MISC\n5,701,20,85,No,Pantoprazole,IV\n";
    folder.table("medication.csv", &format!("{header}{rows}"));
    let header = "intakeoutputid,patientunitstayid,intakeoutputoffset,intakeoutputentryoffset,cellpath,cellvaluenumeric\n";
    let path = "flowsheet|Flowsheet Cell Labels|I&O";
    let row = |cell: &str, value: &str| format!("1,701,100,115,{path}|{cell},{value}\n");
    let rows = [
        row("Output (ml)|Urine", "45"),
        row("Output (ml)|Urine Count", "1"),
        row("Output (ml)|Output (mL)-Urethral Catheter 14 Fr.", "30"),
        row("Intake (ml)|Generic Intake (ml)|P.O.", "120"),
        row("Weight|Bodyweight (kg)", "72.5"),
        row("Weight|Bodyweight (lb)", "159.8"),
        row("Output (ml)|Urine", ""),
    ];
    folder.table("intakeOutput.csv", &format!("{header}{}", rows.concat()));
    let stay = folder.stay("002-7-701");
    let want = [
        ("eicu.item_not_read", 3),
        ("eicu.no_number", 1),
        ("eicu.not_a_culture", 1),
        ("eicu.not_a_systemic_antibiotic", 2),
        ("eicu.order_cancelled", 1),
        ("eicu.same_culture", 1),
    ];
    assert_eq!(counts(&stay), want);
    let given = drug(Drug::Antibiotic, InfusionAction::Given, None);
    let want = vec![
        (60, 60, Body::Microbiology(Microbiology::CultureTaken)),
        (85, 85, given.clone()),
        (80, 90, given),
        (100, 115, number(Signal::UrineOutput, 45.0)),
        (100, 115, number(Signal::UrineOutput, 30.0)),
        (100, 115, number(Signal::Weight, 72.5)),
    ];
    assert_eq!(told(stay), (want, vec![]));
}

#[test]
fn a_broken_row_fails_alone_and_says_no_content() {
    let folder = Folder::new();
    let rows = [
        "1,701,100,120,60,80,,\n",
        "1,701,100,120,60,80,\n",
        "1,701,100,\"secret,60,80,,\n",
        "1,secret,100,120,60,80,,\n",
        "1,701,secret,120,60,80,,\n",
        "1,701,1.5,120,60,80,,\n",
        "1,701,99999999,120,60,80,,\n",
        "1,701,101,120,secret,80,,\n",
        "1,701,101,inf,60,80,,\n",
        "\n",
    ];
    let long = format!("{}\n", "x".repeat(70_000));
    folder.table("vitalAperiodic.csv", &format!("{APERIODIC}{}{long}", rows.concat()));
    let patients = std::fs::read_to_string(folder.0.path().join("patient.csv")).unwrap();
    let bad = [
        "803,002 8,Male,50,MICU,admit,,,0,600,Alive,Alive\n",
        "804,002-8,Male,50,MICU,admit,,,0,-1,Alive,Alive\n",
        "805,002-8,Male,old,MICU,admit,,,0,600,Alive,Alive\n",
        "801,002-8,Male,50,MICU,admit,,,0,700,Alive,Alive\n",
    ];
    folder.table("patient.csv", &format!("{patients}{}", bad.concat()));
    let (events, faults) = told(folder.stay("002-7-701"));
    assert_eq!(events.len(), 3);
    let want = [
        "patient line 5: bad record: an id is none",
        "patient line 6: bad record: it ends before it begins",
        "patient line 7: bad record: a value is no number",
        "vitalAperiodic line 3: bad record: the row has not as many fields as the header",
        "vitalAperiodic line 4: bad record: the row has not as many fields as the header",
        "vitalAperiodic line 5: bad record: an id is none",
        "vitalAperiodic line 6: bad record: a time is no whole number of minutes within ten years",
        "vitalAperiodic line 7: bad record: a time is no whole number of minutes within ten years",
        "vitalAperiodic line 8: bad record: a time is no whole number of minutes within ten years",
        "vitalAperiodic line 9: bad record: a value is no number",
        "vitalAperiodic line 10: bad record: a value is no number",
        "vitalAperiodic line 12: bad record: the row has not as many fields as the header",
    ];
    assert_eq!(faults, want.map(|w| format!("002-7-701, {w}")));
    assert_eq!(folder.stay("002-8-801").counts.get("eicu.stay_stands_twice"), Some(&1));
    folder.table("vitalAperiodic.csv", &APERIODIC.replace("noninvasivemean", "secret"));
    let (_, faults) = told(folder.stay("002-7-701"));
    assert_eq!(faults[3], "002-7-701, vitalAperiodic: bad header: there is no column noninvasivemean");
}

#[test]
fn many_stays_are_each_given_their_own() {
    let folder = Scratch::new("eicu-many");
    let stays: String =
        (1..=300).map(|n| format!("{n},1-{n:03},Male,50,MICU,admit,,,0,900,Alive,Alive\n")).collect();
    let rows: String =
        (0..3_000).map(|i| format!("1,{},{},,,{},,\n", i * 7 % 300 + 1, i / 300, i * 7 % 300 + 1)).collect();
    folder.file("patient.csv", format!("{PATIENT}{stays}").as_bytes());
    folder.file("vitalaperiodic.csv", format!("{APERIODIC}{rows}").as_bytes());
    let sources = open(folder.path(), &Options::default()).unwrap();
    assert_eq!(sources.len(), 300);
    for (source, n) in sources.iter().zip(1..) {
        assert_eq!(source.name, format!("1-{n:03}-{n}"));
        let own: Vec<_> = (0..10).map(|i| (i, i, number(Signal::NibpMean, f64::from(n)))).collect();
        assert_eq!(told(source.read().unwrap()), (own, vec![]));
    }
}

/// Labels apart from events, the pass itself: every row of the demo's eight tables is words, left out or
/// broken. Skipped by name where the set is absent.
#[test]
fn every_row_of_the_demo_is_words_or_left_out() {
    let Some(folder) = crate::readers::shared_data::shared("eicu-demo") else { return };
    let tables =
        super::Tables::open(&crate::readers::place::Folder::from(folder.as_path()), time(0)).unwrap();
    let sorted = tables.sorted().unwrap();
    assert!(tables.faults.is_empty() && sorted.faults.is_empty());
    let mut rows = std::collections::BTreeMap::<Table, u64>::new();
    for stay in 0..tables.stays.len() {
        let words = sorted.spool.of(stay).unwrap();
        assert!(words.iter().all(|w| !matches!(w.what, What::Fault(_))));
        let of_stay: std::collections::BTreeSet<_> = words.iter().map(|w| (w.table, w.line)).collect();
        of_stay.iter().for_each(|(table, _)| *rows.entry(*table).or_default() += 1);
    }
    let person = [TABLE_ABSENT, AGE_HIDDEN, NO_AGE, NO_SEX];
    let left = sorted.left.iter().flatten().filter(|(reason, _)| !person.contains(*reason));
    let left: u64 = left.map(|(_, n)| n).sum();
    println!("{rows:?}, {left} left out");
    let all = [178_492, 134_075, 27_095, 49_610, 316, 68_447, 4_034, 27_988];
    assert_eq!(rows.values().sum::<u64>() + left, all.iter().sum::<u64>());
}

proptest::proptest! {
    /// No bytes in a table make the reader panic, and the other stays keep theirs.
    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
    ) {
        let folder = Folder::new();
        let mut table = format!("{APERIODIC}1,702,700,,,80,,\n").into_bytes();
        table.extend(bytes);
        folder.0.file("vitalAperiodic.csv", &table);
        let (events, _) = told(folder.stay("002-7-702"));
        proptest::prop_assert!(events.contains(&(700, 700, number(Signal::NibpMean, 80.0))));
    }
}
