//! What eICU tells of infections.

use super::*;
use crate::readers::{Antibiotic, Culture, Infection, When};

fn infection(folder: &Folder, stay: &str) -> Option<Infection> {
    let Some(Labels::Course(course)) = folder.stay(stay).labels else { panic!("no course") };
    course.infection
}

fn at(minute: i64) -> When {
    When::At(time(minute))
}

const MEDICATION: &str = "medicationid,patientunitstayid,drugorderoffset,drugstartoffset,drugname,routeadmin,drugordercancelled,drugstopoffset\n";
const MICRO: &str = "microlabid,patientunitstayid,culturetakenoffset,culturesite,organism\n";
const TREATMENT: &str = "treatmentid,patientunitstayid,treatmentoffset,treatmentstring\n";

#[test]
fn cultures_and_antibiotics_of_every_table() {
    let folder = Folder::new();
    let micro = [
        "1,701,50,\"Blood, Venipuncture\",x\n",
        "1,701,50,\"Blood, Central Line\",y\n",
        "2,701,60,\"Urine, Catheter\",\n",
        "3,701,70,Nasopharynx,\n",
    ];
    folder.table("microLab.csv", &format!("{MICRO}{}", micro.concat()));
    let treatments = [
        "1,701,80,infectious diseases|cultures / immuno-assays|cultures|blood|peripheral\n",
        "2,701,90,infectious diseases|cultures / immuno-assays|cultures\n",
        "3,701,95,infectious diseases|cultures / immuno-assays|hepatitis screen\n",
        "4,701,100,infectious diseases|medications|therapeutic antibacterials|vancomycin\n",
        "5,701,110,infectious diseases|medications|prophylactic antibacterials|for surgery\n",
    ];
    folder.table("treatment.csv", &format!("{TREATMENT}{}", treatments.concat()));
    let orders = [
        "1,701,10,120,VANCOMYCIN 1 G,IV,No,9000\n",
        "2,701,10,130,LEVOFLOXACIN,PO,No,0\n",
        "3,701,10,140,BACTRIM DS,PO,Yes,0\n",
        "4,701,10,150,CIPRO 0.3 % EYE,OPHTH,No,0\n",
        "5,701,10,160,LINEZOLID,IVPB,No,200\n",
    ];
    folder.table("medication.csv", &format!("{MEDICATION}{}", orders.concat()));
    folder.table("infusionDrug.csv", &format!("{INFUSION}1,701,170,Vancomycin (mg/hr),100,,,,\n"));
    let found = infection(&folder, "002-7-701").unwrap();
    let culture = |minute, is_blood| Culture { taken: at(minute), is_blood };
    let want = [culture(50, true), culture(60, false), culture(80, true), culture(90, false)];
    assert_eq!(found.cultures, want);
    let given = |begun: i64, until: i64, is_intravenous| Antibiotic {
        begun: at(begun),
        until: time(until),
        is_intravenous,
    };
    let want = [
        given(100, 100 + 1_440, true),
        given(120, 9_000, true),
        given(130, 130 + 1_440, false),
        given(160, 160 + 1_440, true),
        given(170, 170 + 1_440, true),
    ];
    assert_eq!(found.antibiotics, want);
}

/// A treatment is noted again and again while it goes on: the first note counts.
#[test]
fn notes_of_one_antibiotic_less_than_two_days_apart_are_one_course() {
    let note = |minute: i64, drug: &str| {
        format!("1,701,{minute},infectious diseases|medications|therapeutic antibacterials|{drug}\n")
    };
    let hours = |h: i64| h * 60;
    let given = |begun: i64, until: i64| Antibiotic {
        begun: at(hours(begun)),
        until: time(hours(until)),
        is_intravenous: true,
    };
    type Case<'a> = (&'a [(i64, &'a str)], Vec<Antibiotic>);
    let cases: [Case<'_>; 4] = [
        (&[(1, "vancomycin")], vec![given(1, 25)]),
        (&[(1, "vancomycin"), (9, "vancomycin"), (56, "vancomycin")], vec![given(1, 80)]),
        (&[(1, "vancomycin"), (49, "vancomycin")], vec![given(1, 25), given(49, 73)]),
        (&[(1, "vancomycin"), (9, "cefepime")], vec![given(1, 25), given(9, 33)]),
    ];
    for (notes, want) in cases {
        let folder = Folder::new();
        folder.table("microLab.csv", &format!("{MICRO}1,701,50,\"Blood, Venipuncture\",x\n"));
        let rows: String = notes.iter().map(|(h, drug)| note(hours(*h), drug)).collect();
        folder.table("treatment.csv", &format!("{TREATMENT}{rows}"));
        assert_eq!(infection(&folder, "002-7-701").unwrap().antibiotics, want, "{notes:?}");
    }
}

#[test]
fn a_hospital_without_a_culture_or_an_antibiotic_tells_nothing() {
    let folder = Folder::new();
    let header = PATIENT.replace("patientunitstayid", "hospitalid,patientunitstayid");
    let rows = [
        "56,801,002-8,Male,70,CTICU,admit,180,80.5,-30,600,Alive,Alive\n",
        "56,702,002-7,Female,61,SICU,admit,,,-9000,6000,Alive,Alive\n",
        "57,701,002-7,Female,61,MICU,admit,,,-120,6000,Alive,\n",
    ];
    folder.table("patient.csv", &format!("{header}{}", rows.concat()));
    let told = || {
        ["002-8-801", "002-7-702", "002-7-701"]
            .map(|stay| infection(&folder, stay).map(|i| (i.cultures.len(), i.antibiotics.len())))
    };
    let culture = |stay: u32| format!("1,{stay},50,\"Blood, Venipuncture\",x\n");
    let antibiotic = |stay: u32| {
        format!("1,{stay},100,infectious diseases|medications|therapeutic antibacterials|vancomycin\n")
    };
    folder.table("microLab.csv", &format!("{MICRO}{}", culture(801)));
    assert_eq!(told(), [None; 3], "cultures, and nobody is known to have had an antibiotic");
    folder.table("treatment.csv", &format!("{TREATMENT}{}", antibiotic(701)));
    assert_eq!(told(), [None; 3], "cultures at one hospital, antibiotics at the other");
    folder.table("treatment.csv", &format!("{TREATMENT}{}", antibiotic(702)));
    assert_eq!(told(), [Some((1, 0)), Some((0, 1)), None]);
    folder.table("treatment.csv", &format!("{TREATMENT}{}{}", antibiotic(702), antibiotic(701)));
    folder.table("microLab.csv", &format!("{MICRO}{}{}", culture(801), culture(701)));
    assert_eq!(told(), [Some((1, 0)), Some((0, 1)), Some((1, 1))]);
    // A table that cannot be read: whose antibiotics are lost cannot be known.
    folder.table("medication.csv", "medicationid,patientunitstayid\n");
    assert_eq!(told(), [None; 3]);
}
