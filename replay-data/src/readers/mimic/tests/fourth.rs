//! MIMIC-IV's layout: rows made by hand, and MIMIC-III's MetaVision stays rewritten into it. There is no
//! MIMIC-IV at hand.

use super::*;
use crate::readers::{csv, lines::csv_fields, place::Place, safe_name};

const STAYS_IV: &str = "subject_id,hadm_id,stay_id,first_careunit,last_careunit,intime,outtime,los\n";
const CHART_IV: &str =
    "subject_id,hadm_id,stay_id,caregiver_id,charttime,storetime,itemid,value,valuenum,valueuom,warning\n";
const LABS_IV: &str = "labevent_id,subject_id,hadm_id,specimen_id,itemid,order_provider_id,charttime,storetime,value,valuenum,valueuom,ref_range_lower,ref_range_upper,flag,priority,comments\n";
const INPUT_IV: &str = "subject_id,hadm_id,stay_id,caregiver_id,starttime,endtime,storetime,itemid,amount,amountuom,rate,rateuom,orderid,linkorderid,ordercategoryname,secondaryordercategoryname,ordercomponenttypedescription,ordercategorydescription,patientweight,totalamount,totalamountuom,isopenbag,continueinnextdept,statusdescription,originalamount,originalrate\n";
const OUTPUT_IV: &str = "subject_id,hadm_id,stay_id,caregiver_id,charttime,storetime,itemid,value,valueuom\n";
const PROCEDURE_IV: &str = "subject_id,hadm_id,stay_id,caregiver_id,starttime,endtime,storetime,itemid,value,valueuom,statusdescription\n";
const PATIENTS_IV: &str = "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod\n";
const ADMISSIONS_IV: &str =
    "subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,hospital_expire_flag\n";
const TRANSFERS_IV: &str = "subject_id,hadm_id,transfer_id,eventtype,careunit,intime,outtime\n";
const MICRO_IV: &str = "microevent_id,subject_id,hadm_id,micro_specimen_id,order_provider_id,chartdate,charttime,spec_itemid,spec_type_desc,test_seq,storedate,storetime,org_name\n";
const ORDERS_IV: &str = "subject_id,hadm_id,pharmacy_id,starttime,stoptime,drug_type,drug,route\n";

/// Stays 801 of patient 8 (600 to 6,000) and 701 of patient 7 (60 to 6,000).
fn folder() -> Scratch {
    let folder = Scratch::new("mimic4");
    let row = |subject: u32, unit: &str, from: i64| {
        format!("{subject},{subject}0,{subject}01,{unit},{unit},{},{},1\n", clock(from), clock(6_000))
    };
    let stays =
        [row(8, "Cardiac Vascular Intensive Care Unit (CVICU)", 600), row(7, "Neuro Stepdown", 60)].concat();
    folder.file("set/icu/icustays.csv", format!("{STAYS_IV}{stays}").as_bytes());
    folder.file("set/icu/chartevents.csv", CHART_IV.as_bytes());
    folder
}

fn stay(folder: &Scratch, name: &str) -> Stay {
    let sources = open(folder.path(), &Options::default()).unwrap();
    sources.iter().find(|s| s.name == name).unwrap().read().unwrap()
}

#[test]
fn a_folder_of_folders_is_found_by_its_content() {
    let dir = folder();
    dir.file("set/hosp/d_labitems.csv", b"itemid,label\n50912,Creatinine\n");
    dir.file("set/LICENSE.txt", b"nothing");
    for path in [dir.path().to_owned(), dir.path().join("set"), dir.path().join("set/icu/icustays.csv")] {
        let found = survey(&path, &Options::default()).unwrap();
        let names: Vec<_> = found.stays.iter().map(|s| (s.name.as_str(), s.format)).collect();
        assert_eq!(names, [("7-701", Format::Mimic4), ("8-801", Format::Mimic4)], "{path:?}");
        assert_eq!(found.others.len(), usize::from(path.is_dir()), "a table is none of the others");
        let site = found.stays[0].path.parent().and_then(Path::file_name).unwrap().to_owned();
        assert_eq!(site, "set", "the site is the set, not its part");
    }
    let forced = |format| open(dir.path(), &Options { format: Some(format), ..Options::default() });
    assert_eq!(forced(Format::Mimic4).unwrap().len(), 2);
    assert!(forced(Format::Mimic3).is_err());
    // All in one folder, and packed.
    let flat = Scratch::new("mimic4-flat");
    for name in ["icustays.csv", "chartevents.csv"] {
        let bytes = std::fs::read(dir.path().join("set/icu").join(name)).unwrap();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&bytes).unwrap();
        flat.file(&format!("{name}.gz"), &packed.finish().unwrap());
    }
    assert_eq!(open(flat.path(), &Options::default()).unwrap().len(), 2);
}

#[test]
fn the_person_the_unit_and_the_moves() {
    let dir = folder();
    let patients = format!("{PATIENTS_IV}7,F,61,2148,2011 - 2013,\n8,M,91,2150,2011 - 2013,\n9,M,x,2150,,\n");
    dir.file("set/hosp/patients.csv", patients.as_bytes());
    let admissions =
        format!("{ADMISSIONS_IV}8,80,{},{},{},URGENT,1\n", clock(500), clock(6_100), clock(5_990));
    dir.file("set/hosp/admissions.csv", admissions.as_bytes());
    let moved = [
        (7, 0, "Emergency Department"),
        (8, 600, "Cardiac Vascular Intensive Care Unit (CVICU)"),
        (8, 900, "Medical Intensive Care Unit (MICU)"),
        (8, 950, "Medical/Surgical Intensive Care Unit (MICU/SICU)"),
        (8, 6_000, "Med/Surg"),
    ]
    .map(|(subject, at, unit)| format!("{subject},80,1,transfer,{unit},{},\n", clock(at)));
    dir.file("set/hosp/transfers.csv", format!("{TRANSFERS_IV}{}", moved.concat()).as_bytes());
    let admit = |name: &str| {
        let mut items = stay(&dir, name).filter_map(Result::ok);
        let Some(Item::Event(Event { body: Body::Adt(adt), source, .. })) = items.next() else { panic!() };
        assert_eq!(source.as_str(), "mimic4");
        adt
    };
    let adt = admit("8-801");
    assert_eq!((adt.unit, adt.demographics.sex), (Some(UnitKind::CardiacSurgery), Some(Sex::Male)));
    assert_eq!(adt.hospital_admitted_at, Some(time(500)));
    // In 2150 by the first of May: 91 years and a third.
    assert!((adt.demographics.age_years.unwrap() - 91.3).abs() < 0.1);
    let adt = admit("7-701");
    assert_eq!((adt.unit, adt.demographics.sex), (None, Some(Sex::Female)));
    assert!((adt.demographics.age_years.unwrap() - 63.3).abs() < 0.1, "two years after the anchor");
    let (events, faults) = told(stay(&dir, "8-801"));
    assert_eq!(faults, [] as [&str; 0]);
    let units: Vec<_> = events
        .iter()
        .map(|(at, _, body)| match body {
            Body::Adt(Adt { kind: AdtKind::Transfer, unit, .. }) => (*at, *unit),
            _ => panic!(),
        })
        .collect();
    assert_eq!(units, [(900, Some(UnitKind::Medical)), (950, None)]);
    let (_, faults) = told(stay(&dir, "7-701"));
    assert_eq!(faults, ["7-701, PATIENTS line 4: bad record: a value is no number"]);
    let Some(Labels::Course(course)) = stay(&dir, "8-801").labels else { panic!() };
    assert_eq!(course.death, Some(true));
    assert_eq!(course.failures.last().map(|f| f.kind), Some(FailureKind::Death));
}

#[test]
fn a_result_is_known_when_it_was_released() {
    let dir = folder();
    let lab = |item: u32, at: i64, stored: Option<i64>, value: &str, unit: &str| {
        let (at, stored) = (clock(at), stored.map(clock).unwrap_or_default());
        format!("1,8,80,5,{item},,{at},{stored},{value},{value},{unit},0,1,,ROUTINE,\"of a, or b\"\n")
    };
    let rows = [
        lab(50_912, 700, Some(765), "1.2", "mg/dL"),
        lab(50_912, 800, None, "1.3", "mg/dL"),
        // Entered before it was taken: known when it was taken.
        lab(50_912, 900, Some(890), "1.4", "mg/dL"),
        lab(50_821, 1_000, Some(1_005), "90", "mm Hg"),
        lab(52_033, 1_000, Some(1_005), "VEN.", ""),
        lab(50_821, 1_100, Some(1_105), "80", "mm Hg"),
        lab(52_033, 1_100, Some(1_105), "ART.", ""),
    ];
    dir.file("set/hosp/labevents.csv", format!("{LABS_IV}{}", rows.concat()).as_bytes());
    let stay = stay(&dir, "8-801");
    assert_eq!(stay.counts.get("mimic.gas_not_arterial"), Some(&1));
    let want = vec![
        (700, 765, number(Signal::Creatinine, 1.2)),
        (800, 800, number(Signal::Creatinine, 1.3)),
        (900, 900, number(Signal::Creatinine, 1.4)),
        (1_100, 1_105, number(Signal::Pao2, 80.0)),
    ];
    assert_eq!(told(stay), (want, vec![]));
}

/// A row of MIMIC-III, by the column's name.
type Row = BTreeMap<String, String>;

/// The rows of a table of MIMIC-III.
fn rows(folder: &Path, table: &str) -> Vec<Row> {
    let place = Place::from(folder.join(format!("{table}.csv.gz")).as_path());
    let names = csv::header(&place).unwrap();
    let file = BufReader::new(place.open().unwrap());
    let lines = BufReader::new(flate2::bufread::MultiGzDecoder::new(file)).lines().skip(1);
    lines.map(|l| names.iter().cloned().zip(csv_fields(&l.unwrap())).collect()).collect()
}

/// What a column of MIMIC-IV holds, where MIMIC-III has none of that name.
type Cell<'a> = &'a dyn Fn(&str, &Row) -> Option<String>;

/// Writes a table of MIMIC-IV: each column of its header from one of MIMIC-III's, or as `of` says.
fn rewrite(dir: &Scratch, name: &str, header: &str, rows: &[Row], of: Cell<'_>) {
    let mut text = header.to_owned();
    for row in rows {
        let cell = |column: &str| {
            let column = column.trim();
            let name = if column == "stay_id" { "ICUSTAY_ID".to_owned() } else { column.to_uppercase() };
            let cell = of(column, row).or_else(|| row.get(&name).cloned()).unwrap_or_default();
            if cell.contains([',', '"']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
        };
        text += &header.trim_end().split(',').map(cell).collect::<Vec<_>>().join(",");
        text.push('\n');
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    dir.file(&format!("{name}.csv.gz"), &packed.finish().unwrap());
}

/// MIMIC-III's MetaVision stays in MIMIC-IV's layout.
fn rewritten(third: &Path) -> Scratch {
    let dir = Scratch::new("mimic4-demo");
    let none = |_: &str, _: &Row| None;
    let stays: Vec<_> =
        rows(third, "ICUSTAYS").into_iter().filter(|r| r["DBSOURCE"] == "metavision").collect();
    let of_stays = |table: &str| -> Vec<Row> {
        let is_kept = |r: &Row| {
            stays.iter().any(|s| match r.get("ICUSTAY_ID").filter(|id| !id.is_empty()) {
                Some(id) => s["ICUSTAY_ID"] == *id,
                None => s["SUBJECT_ID"] == r["SUBJECT_ID"],
            })
        };
        rows(third, table).into_iter().filter(is_kept).collect()
    };
    rewrite(&dir, "icu/icustays", STAYS_IV, &stays, &none);
    let chart: Vec<_> = of_stays("CHARTEVENTS").into_iter().filter(|r| r["ERROR"] != "1").collect();
    rewrite(&dir, "icu/chartevents", CHART_IV, &chart, &none);
    rewrite(&dir, "icu/inputevents", INPUT_IV, &of_stays("INPUTEVENTS_MV"), &none);
    let output: Vec<_> = of_stays("OUTPUTEVENTS").into_iter().filter(|r| r["ISERROR"] != "1").collect();
    rewrite(&dir, "icu/outputevents", OUTPUT_IV, &output, &none);
    rewrite(&dir, "icu/procedureevents", PROCEDURE_IV, &of_stays("PROCEDUREEVENTS_MV"), &none);
    rewrite(&dir, "hosp/admissions", ADMISSIONS_IV, &of_stays("ADMISSIONS"), &none);
    rewrite(&dir, "hosp/labevents", LABS_IV, &of_stays("LABEVENTS"), &none);
    rewrite(&dir, "hosp/microbiologyevents", MICRO_IV, &of_stays("MICROBIOLOGYEVENTS"), &none);
    let unit = |column: &str, r: &Row| (column == "careunit").then(|| r["CURR_CAREUNIT"].clone());
    let transfers: Vec<_> =
        of_stays("TRANSFERS").into_iter().filter(|r| !r["ICUSTAY_ID"].is_empty()).collect();
    rewrite(&dir, "hosp/transfers", TRANSFERS_IV, &transfers, &unit);
    let dates = |column: &str, r: &Row| match column {
        "starttime" => Some(r["STARTDATE"].clone()),
        "stoptime" => Some(r["ENDDATE"].clone()),
        _ => None,
    };
    rewrite(&dir, "hosp/prescriptions", ORDERS_IV, &of_stays("PRESCRIPTIONS"), &dates);
    let anchor = |column: &str, r: &Row| {
        let born: i32 = r["DOB"][..4].parse().unwrap();
        let first = stays.iter().filter(|s| s["SUBJECT_ID"] == r["SUBJECT_ID"]).map(|s| &s["INTIME"]).min();
        let year: i32 = first.unwrap()[..4].parse().unwrap();
        match column {
            "anchor_year" => Some(year.to_string()),
            "anchor_age" => Some((year - born).min(91).to_string()),
            _ => None,
        }
    };
    rewrite(&dir, "hosp/patients", PATIENTS_IV, &of_stays("PATIENTS"), &anchor);
    dir
}

/// Each MetaVision stay of MIMIC-III says the same in MIMIC-IV's layout, at the same times and in the same
/// order, age apart, which MIMIC-IV gives in whole years.
#[test]
fn metavision_stays_of_mimic3_say_the_same_as_mimic4() {
    let Some(path) = crate::readers::shared_data::shared("mimic3-demo") else { return };
    let dir = rewritten(&path);
    let third = open(&path, &Options::default()).unwrap();
    let fourth = open(dir.path(), &Options::default()).unwrap();
    assert!(fourth.len() > 20, "{}", fourth.len());
    let said = |source: &StaySource| {
        let mut ages = Vec::new();
        let mut stay = source.read().unwrap();
        let labels = stay.labels.take();
        let events: Vec<_> = stay
            .map(|item| {
                let Ok(Item::Event(mut e)) = item else { panic!("{}: {item:?}", source.name) };
                if let Body::Adt(adt) = &mut e.body {
                    ages.extend(adt.demographics.age_years.take());
                }
                (e.event_time, e.arrival, e.provenance.partition, e.body)
            })
            .collect();
        (events, labels, ages)
    };
    let mut events = 0;
    for source in &fourth {
        let same = third.iter().find(|s| s.name == source.name).unwrap();
        let ((a, labels_a, age_a), (b, labels_b, age_b)) = (said(source), said(same));
        assert_eq!(a.len(), b.len(), "{}", source.name);
        for (x, y) in a.iter().zip(&b) {
            assert_eq!(x, y, "{}", source.name);
        }
        assert_eq!(labels_a, labels_b, "{}", source.name);
        for (x, y) in age_a.iter().zip(&age_b) {
            assert!((x - y).abs() <= 1.0 || *y > 89.0, "{}: {x} for {y}", safe_name(Path::new(&source.name)));
        }
        events += a.len();
    }
    println!("{} stays, {events} events", fourth.len());
    assert!(events > 50_000);
}
