//! Patient (R4 8.1): age and sex, nothing else.

use bedwatch_schemas::{
    dead_letter::{Reason, Rejection},
    event::{Adt, AdtKind, Body, Demographics, Sex},
};

use super::{
    Outcome,
    context::{Context, Origin, meta},
    element::{Element, Field, shape},
    when,
};

shape! {
    /// What of a Patient is read.
    Patient { gender, birth_date, meta }
}

/// Mean length of a year of the Gregorian calendar, hours.
const YEAR_HOURS: f64 = 365.2425 * 24.0;

pub(super) fn decode<'a>(
    context: &mut Context<'a>,
    element: Element<'a, '_>,
    id: Field<'a>,
) -> Result<Outcome, Rejection> {
    let patient: Patient = element.read()?;
    let (source, updated) = meta(patient.meta);
    let time = updated.unwrap_or(context.record.arrival.as_event_time());
    let sex = match element.optional(patient.gender, "gender") {
        Some(gender) => match &*gender.text()? {
            "female" => Some(Sex::Female),
            "male" => Some(Sex::Male),
            "other" | "unknown" => None,
            _ => return Err(gender.reject(Reason::BadValue)),
        },
        None => None,
    };
    let age_years = match element.optional(patient.birth_date, "birthDate") {
        Some(born) => {
            let years = time.since(when::read(&born)?).as_hours_f64() / YEAR_HOURS;
            if !(0.0..=150.0).contains(&years) {
                return Err(born.reject(Reason::BadValue));
            }
            Some(years as f32)
        }
        None => None,
    };
    // The id matters even where nothing else is said: it is the first subject of the record.
    let patient = match element.optional(id, "id") {
        Some(id) => context.patient_by_id(&id.text()?).map_err(|reason| id.reject(reason))?,
        None => context.patient(&element, None, "id")?,
    };
    let demographics = Demographics { age_years, sex };
    if demographics != Demographics::default() {
        let origin = Origin { patient, encounter: None, location: None, source };
        let body = Body::Adt(Adt {
            kind: AdtKind::Update,
            demographics,
            admitted_at: None,
            unit: None,
            hospital_admitted_at: None,
        });
        context.push(&origin, time, body, &element)?;
    }
    Ok(Outcome::Decoded)
}
