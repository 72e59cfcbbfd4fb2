//! What MIMIC-III tells of infections: cultures, orders by date, doses by time.

use super::*;
use crate::readers::{Antibiotic, Culture, Infection, When};

fn infection(folder: &Folder, stay: &str) -> Option<Infection> {
    let Some(Labels::Course(course)) = folder.stay(stay).labels else { panic!("no course") };
    course.infection
}

fn cultures(rows: &[(&str, &str, &str)]) -> String {
    let row = |(date, at, specimen): &(&str, &str, &str)| {
        format!("7,{date},{at},{specimen},\n8,{date},{at},{specimen},\n")
    };
    let rows: String = rows.iter().map(row).collect();
    format!("SUBJECT_ID,CHARTDATE,CHARTTIME,SPEC_TYPE_DESC,ORG_NAME\n{rows}")
}

fn orders(rows: &[(&str, &str, &str, &str)]) -> String {
    let row = |(from, to, drug, route): &(&str, &str, &str, &str)| {
        ["7", "8"].map(|subject| format!("{subject},{from},{to},MAIN,{drug},{route}\n")).concat()
    };
    let rows: String = rows.iter().map(row).collect();
    format!("SUBJECT_ID,STARTDATE,ENDDATE,DRUG_TYPE,DRUG,ROUTE\n{rows}")
}

const DAY: i64 = 1_440;

fn day(n: i64) -> String {
    clock(n * DAY)
}

/// Stay 701 is CareVue's, whose antibiotics stand in PRESCRIPTIONS alone; 801 is MetaVision's.
#[test]
fn without_cultures_or_antibiotics_nothing_is_told() {
    let micro = ("MICROBIOLOGYEVENTS.csv", cultures(&[]));
    let orders = ("PRESCRIPTIONS.csv", orders(&[]));
    let inputs = ("INPUTEVENTS_MV.csv", MV.to_owned());
    // Tables that lack a column.
    let unread = ("MICROBIOLOGYEVENTS.csv", "SUBJECT_ID,CHARTDATE\n".to_owned());
    let cut = ("PRESCRIPTIONS.csv", orders.1.replace("ROUTE", "ROUT"));
    type Case<'a> = (&'a [&'a (&'a str, String)], [bool; 2]);
    let cases: [Case<'_>; 9] = [
        (&[], [false, false]),
        (&[&micro], [false, false]),
        (&[&orders, &inputs], [false, false]),
        (&[&micro, &inputs], [false, true]),
        (&[&micro, &orders], [true, true]),
        (&[&micro, &orders, &inputs], [true, true]),
        (&[&unread, &orders, &inputs], [false, false]),
        (&[&micro, &cut], [false, false]),
        (&[&micro, &cut, &inputs], [false, true]),
    ];
    for (tables, told) in cases {
        let folder = Folder::new();
        tables.iter().for_each(|(name, text)| folder.table(name, text));
        let names: Vec<_> = tables.iter().map(|t| t.0).collect();
        for (stay, told) in ["7-701", "8-801"].into_iter().zip(told) {
            assert_eq!(infection(&folder, stay), told.then(Infection::default), "{stay} of {names:?}");
        }
    }
}

/// A packed table that breaks off tells nothing: whose rows are lost cannot be known.
#[test]
fn a_table_that_breaks_off_tells_nothing() {
    let folder = Folder::new();
    folder.table("PRESCRIPTIONS.csv", &orders(&[]));
    let days: Vec<String> = (0..2_000).map(clock).collect();
    let rows: Vec<_> = days.iter().map(|at| (at.as_str(), at.as_str(), "URINE")).collect();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(cultures(&rows).as_bytes()).unwrap();
    let whole = packed.finish().unwrap();
    for (end, is_told) in [(whole.len(), true), (whole.len() / 2, false)] {
        folder.0.file("MICROBIOLOGYEVENTS.csv.gz", &whole[..end]);
        assert_eq!(infection(&folder, "7-701").is_some(), is_told, "{end} bytes");
        let faults = told(folder.stay("7-701")).1;
        assert_eq!(faults.len(), usize::from(!is_told), "{faults:?}");
    }
}

#[test]
fn cultures_of_blood_and_of_others_by_time_or_date() {
    let folder = Folder::new();
    folder.table("PRESCRIPTIONS.csv", &orders(&[]));
    let (first, at) = (day(1), clock(DAY + 75));
    folder.table(
        "MICROBIOLOGYEVENTS.csv",
        &cultures(&[
            (&first, &at, "BLOOD CULTURE"),
            (&first, &at, "BLOOD CULTURE"),
            (&first, "", "SPUTUM"),
            (&first, &at, "BLOOD CULTURE ( MYCO/F LYTIC BOTTLE)"),
            (&first, &at, "MRSA SCREEN"),
            (&first, &at, "SEROLOGY/BLOOD"),
            (&first, &at, "Blood (EBV)"),
            (&first, &at, "IMMUNOLOGY"),
        ]),
    );
    let want = [
        Culture { taken: When::At(time(DAY + 75)), is_blood: true },
        Culture { taken: When::Day(time(DAY)), is_blood: false },
    ];
    assert_eq!(infection(&folder, "7-701").unwrap().cultures, want);
}

/// Stay 701 is from minute 60 to 6,000.
#[test]
fn acts_count_from_five_days_before_the_stay_to_five_days_after() {
    let folder = Folder::new();
    folder.table("PRESCRIPTIONS.csv", &orders(&[]));
    for (minute, counts) in
        [(60 - 5 * DAY - 1, false), (60 - 5 * DAY, true), (6_000 + 5 * DAY, true), (6_001 + 5 * DAY, false)]
    {
        let at = clock(minute);
        folder.table("MICROBIOLOGYEVENTS.csv", &cultures(&[(&at, &at, "URINE")]));
        let found = infection(&folder, "7-701").unwrap().cultures;
        assert_eq!(found.len(), usize::from(counts), "minute {minute}");
    }
    // What lies between two stays of a patient is of both.
    let at = clock(13_000);
    folder.table("MICROBIOLOGYEVENTS.csv", &cultures(&[(&at, &at, "URINE")]));
    for stay in ["7-701", "7-702"] {
        assert_eq!(infection(&folder, stay).unwrap().cultures.len(), 1, "{stay}");
    }
}

#[test]
fn orders_are_dates_and_doses_times() {
    let folder = Folder::new();
    folder.table("MICROBIOLOGYEVENTS.csv", &cultures(&[]));
    let [first, second, third] = [1, 2, 3].map(day);
    folder.table(
        "PRESCRIPTIONS.csv",
        &orders(&[
            (&first, &third, "Vancomycin", "IV"),
            (&first, &first, "Ciprofloxacin HCl", "PO"),
            (&second, "", "Gentamicin", "IV"),
            (&first, &third, "Fluconazole", "IV"),
            (&first, &third, "Erythromycin", "OU"),
        ]),
    );
    let order = |from: i64, to: i64, is_intravenous| Antibiotic {
        begun: When::Day(time(from * DAY)),
        until: time(to * DAY),
        is_intravenous,
    };
    let want = [order(1, 2, false), order(1, 4, true), order(2, 3, true)];
    assert_eq!(infection(&folder, "7-701").unwrap().antibiotics, want);
    // A dose charted by the minute gives the order of its day a time.
    let dose = |stay: u32, item: u32, at: i64, category: &str, status: &str| {
        let (from, to) = (clock(at), clock(at + 1));
        format!("1,8,80,{stay},{from},{to},{item},1,dose,,,{from},{category},{status}\n")
    };
    let rows = [
        dose(801, 225_798, DAY + 600, "Drug Push", "FinishedRunning"),
        dose(801, 225_798, DAY + 1_320, "Drug Push", "FinishedRunning"),
        dose(801, 225_798, DAY + 100, "Drug Push", "Rewritten"),
        dose(801, 225_859, 3 * DAY, "Non Iv Meds", "FinishedRunning"),
    ];
    folder.table("INPUTEVENTS_MV.csv", &format!("{MV}{}", rows.concat()));
    let at = When::At(time(DAY + 600));
    let want = [
        Antibiotic { begun: at, until: time(2 * DAY + 600), is_intravenous: false },
        Antibiotic { begun: at, until: time(2 * DAY + 1_320), is_intravenous: true },
        Antibiotic { begun: at, until: time(4 * DAY), is_intravenous: true },
        Antibiotic { begun: When::At(time(3 * DAY)), until: time(4 * DAY), is_intravenous: false },
        Antibiotic { begun: When::At(time(3 * DAY)), until: time(4 * DAY), is_intravenous: true },
    ];
    assert_eq!(infection(&folder, "8-801").unwrap().antibiotics, want);
}
