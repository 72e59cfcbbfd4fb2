//! `patient`: the stays, and who the patients are.

use std::collections::BTreeMap;

use bedwatch_schemas::{
    event::{Demographics, Sex, UnitKind},
    time::EventTime,
};

use super::{
    rows::{Clock, number},
    word::{Reason, Why},
};

pub(super) const AGE_HIDDEN: Reason = "eicu.age_above_89_taken_as_90";
pub(super) const NO_AGE: Reason = "eicu.no_age";
pub(super) const NO_SEX: Reason = "eicu.no_sex";

/// The source writes `> 89` for ages above; 90 is the least that is true.
const HIDDEN_AGE: f32 = 90.0;
/// The longest id of a patient, in bytes: a stay's name must stay short.
const LONGEST_ID: usize = 32;

/// One row of `patient`.
#[derive(Debug, Clone)]
pub(super) struct Icu {
    /// Its line in the table, from 1.
    pub line: u64,
    /// The patient, the same in all of their stays.
    pub patient: String,
    pub id: u64,
    /// Empty where the table does not say.
    pub hospital: String,
    pub person: Demographics,
    pub unit: Option<UnitKind>,
    /// Centimetres and kilograms, at the admission.
    pub height: Option<f64>,
    pub weight: Option<f64>,
    pub hospital_admitted_at: EventTime,
    pub begins: EventTime,
    pub ends: EventTime,
    pub died_in_unit: bool,
    pub died_in_hospital: Option<bool>,
    /// What of the person is not as expected.
    pub left: BTreeMap<Reason, u64>,
}

pub(super) const IDS: [&str; 2] = ["patientunitstayid", "uniquepid"];
pub(super) const COLUMNS: [&str; 11] = [
    "gender",
    "age",
    "unittype",
    "unitstaytype",
    "admissionheight",
    "admissionweight",
    "hospitaladmitoffset",
    "unitdischargeoffset",
    "unitdischargestatus",
    "hospitaldischargestatus",
    "?hospitalid",
];

/// Reads a row.
pub(super) fn icu(line: u64, clock: Clock, (ids, row): ([&str; 2], [&str; 11])) -> Result<Icu, Why> {
    let (
        [id, patient],
        [sex, age, unit, kind, height, weight, admitted, ends, unit_status, status, hospital],
    ) = (ids, row);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if patient.is_empty() || patient.len() > LONGEST_ID || !patient.chars().all(plain) {
        return Err(Why::Id);
    }
    let (begins, ends) = (clock.at("0")?, clock.at(ends)?);
    if ends < begins {
        return Err(Why::Span);
    }
    let mut left = BTreeMap::new();
    let age_years = match age {
        "> 89" => {
            left.insert(AGE_HIDDEN, 1);
            Some(HIDDEN_AGE)
        }
        age => number(age)?.map(|v| v as f32),
    };
    let sex = match sex {
        "Female" => Some(Sex::Female),
        "Male" => Some(Sex::Male),
        _ => None,
    };
    left.extend(age_years.is_none().then_some((NO_AGE, 1)));
    left.extend(sex.is_none().then_some((NO_SEX, 1)));
    let died_in_unit = unit_status == "Expired";
    Ok(Icu {
        line,
        patient: patient.to_owned(),
        id: id.parse().map_err(|_| Why::Id)?,
        hospital: hospital.to_owned(),
        person: Demographics { age_years, sex },
        unit: if kind == "stepdown/other" { None } else { unit_kind(unit) },
        height: number(height)?,
        weight: number(weight)?,
        hospital_admitted_at: clock.at(admitted)?,
        begins,
        ends,
        died_in_unit,
        // Some rows say that a patient died in the unit and left the hospital alive: who died, died.
        died_in_hospital: match status {
            _ if died_in_unit => Some(true),
            "Expired" => Some(true),
            "Alive" => Some(false),
            _ => None,
        },
        left,
    })
}

/// The kind of a unit, where it is of one kind.
pub(super) fn unit_kind(text: &str) -> Option<UnitKind> {
    Some(match text {
        "MICU" => UnitKind::Medical,
        "SICU" => UnitKind::Surgical,
        "Cardiac ICU" => UnitKind::Coronary,
        "CTICU" | "CSICU" => UnitKind::CardiacSurgery,
        _ => return None,
    })
}
