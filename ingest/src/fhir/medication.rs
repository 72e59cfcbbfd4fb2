//! MedicationAdministration (R4 11.3): drugs given and infusion rates.
//!
//! An administration with a rate is an infusion: its rate is set at its start, and it has stopped at
//! its end once it is completed, stopped or held. One without a rate is a dose given. A dose in a
//! unit we do not know is rejected and the drug itself is still told, because that a pressor runs
//! matters more than how fast; for drugs the rules do not interpret it is left out.

use bedwatch_schemas::{
    dead_letter::{Reason, Rejection},
    event::Body,
    medication::{Dose, Drug, Infusion, InfusionAction},
    time::EventTime,
    unit::Unit,
};

use super::{
    Outcome, coding,
    context::{Context, Origin, Reference, meta},
    element::{Element, Field, shape},
    when,
};

shape! {
    /// What of a MedicationAdministration is read.
    MedicationAdministration {
        status, medication_codeable_concept, medication_reference, subject, context, effective_date_time,
        effective_period, dosage, meta,
    }
}
shape! {
    /// MedicationAdministration.dosage.
    Dosage { dose, rate_quantity, rate_ratio }
}
shape! {
    /// Ratio, R4 2.24.
    Ratio { numerator, denominator }
}
shape! {
    /// A contained Medication, R4 11.2.
    Medication { id, code }
}

/// What the status says of the administration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Ended,
    NotDone,
}

pub(super) fn decode<'a>(
    context: &mut Context<'a>,
    element: Element<'a, '_>,
    contained: Field<'a>,
) -> Result<Outcome, Rejection> {
    let given: MedicationAdministration = element.read()?;
    let status = element.require(given.status, "status")?;
    let state = match &*status.text()? {
        "in-progress" => State::Running,
        "completed" | "stopped" | "on-hold" => State::Ended,
        "not-done" => State::NotDone,
        // There is no event that takes back an administration: a person must look at it.
        "entered-in-error" | "unknown" => return Err(status.reject(Reason::UnsupportedType)),
        _ => return Err(status.reject(Reason::BadValue)),
    };
    let completed = given.status.is_some_and(|raw| raw.get() == "\"completed\"");
    let drug = drug(&element, &given, contained)?;
    let (dose, rate) = dosage(context, &element, given.dosage, drug)?;
    let (start, end) = effective(&element, &given)?;
    let origin = Origin {
        patient: context.patient(&element, given.subject, "subject")?,
        encounter: context.encounter(&element, given.context),
        location: None,
        source: meta(given.meta).0,
    };
    let mut push = |action, dose, time| {
        let body = Body::Medication(Infusion { drug, action, dose });
        context.push(&origin, time, body, &element)
    };
    match (state, rate) {
        (State::NotDone, _) => push(InfusionAction::NotGiven, None, start)?,
        (State::Running, Some(rate)) => push(InfusionAction::RateSet, rate, start)?,
        (State::Ended, Some(rate)) => {
            if end.is_none_or(|end| end > start) {
                push(InfusionAction::RateSet, rate, start)?;
            }
            if let Some(end) = end.or((!completed).then_some(start)) {
                push(InfusionAction::Stopped, None, end)?;
            }
        }
        (State::Ended, None) if !completed => push(InfusionAction::Stopped, None, end.unwrap_or(start))?,
        (State::Running | State::Ended, None) => push(InfusionAction::Given, dose, start)?,
    }
    Ok(Outcome::Decoded)
}

fn effective(
    element: &Element<'_, '_>,
    given: &MedicationAdministration<'_>,
) -> Result<(EventTime, Option<EventTime>), Rejection> {
    if let Some(point) = element.optional(given.effective_date_time, "effectiveDateTime") {
        return Ok((when::read(&point)?, None));
    }
    let Some(period) = element.optional(given.effective_period, "effectivePeriod") else {
        return Err(element.missing("effective[x]"));
    };
    match when::period(&period)? {
        (Some(start), end) => Ok((start, end)),
        (None, Some(end)) => Ok((end, Some(end))),
        (None, None) => Err(period.missing("start")),
    }
}

/// The drug: by RxNorm code, else by the name of its coding or reference.
fn drug(
    element: &Element<'_, '_>,
    given: &MedicationAdministration<'_>,
    contained: Field<'_>,
) -> Result<Drug, Rejection> {
    if let Some(concept) = element.optional(given.medication_codeable_concept, "medicationCodeableConcept") {
        return drug_of(&concept);
    }
    let Some(reference) = element.optional(given.medication_reference, "medicationReference") else {
        return Err(element.missing("medication[x]"));
    };
    let Reference { reference: target, display } = reference.read()?;
    let target = reference.optional(target, "reference").map(|e| e.text()).transpose()?;
    if let Some(id) = target.as_deref().and_then(|t| t.strip_prefix('#')) {
        for item in element.list(contained, "contained")? {
            let medication_element = item.as_element(element);
            let medication: Medication = medication_element.read()?;
            let own = medication_element.optional(medication.id, "id").map(|e| e.text()).transpose()?;
            if own.as_deref() == Some(id)
                && let Some(code) = medication_element.optional(medication.code, "code")
            {
                return drug_of(&code);
            }
        }
    }
    let display = reference.optional(display, "display").map(|e| e.text()).transpose()?;
    Ok(display.map_or(Drug::Other, |name| Drug::from_name(&name)))
}

fn drug_of(concept: &Element<'_, '_>) -> Result<Drug, Rejection> {
    let codes = coding::codes(concept)?;
    let rxnorm = |c: &coding::Code| {
        (c.system == "http://www.nlm.nih.gov/research/umls/rxnorm")
            .then(|| Drug::from_rxnorm(&c.code))
            .flatten()
    };
    if let Some(drug) = codes.iter().find_map(rxnorm) {
        return Ok(drug);
    }
    let text = coding::free_text(concept);
    let names = codes.iter().filter_map(|c| c.display.as_deref()).chain(text.as_deref());
    Ok(names.map(Drug::from_name).find(|drug| *drug != Drug::Other).unwrap_or(Drug::Other))
}

/// The dose and the rate, each `Some` where it stands (a rate of unknown unit is `Some(None)`).
#[allow(clippy::type_complexity, reason = "two optional things of which one may be unreadable")]
fn dosage<'a>(
    context: &mut Context<'a>,
    element: &Element<'a, '_>,
    field: Field<'a>,
    drug: Drug,
) -> Result<(Option<Dose>, Option<Option<Dose>>), Rejection> {
    let Some(element) = element.optional(field, "dosage") else { return Ok((None, None)) };
    let dosage: Dosage = element.read()?;
    let mut readable = |read: Result<Dose, Rejection>| match read {
        Ok(dose) => Some(dose),
        Err(rejection) => {
            if drug != Drug::Other {
                context.note(rejection);
            }
            None
        }
    };
    let dose = element.optional(dosage.dose, "dose").and_then(|e| readable(amount(&e)));
    let rate = if let Some(ratio) = element.optional(dosage.rate_ratio, "rateRatio") {
        Some(readable(per(&ratio)))
    } else {
        element.optional(dosage.rate_quantity, "rateQuantity").map(|e| readable(amount(&e)))
    };
    Ok((dose, rate))
}

fn amount(element: &Element<'_, '_>) -> Result<Dose, Rejection> {
    let measured = coding::quantity(element)?;
    let value = measured.value.ok_or_else(|| element.missing("value"))?;
    let unit = measured.unit.ok_or_else(|| element.reject(Reason::UnknownUnit))?;
    if value < 0.0 { Err(element.reject(Reason::BadValue)) } else { Ok(Dose { value, unit }) }
}

/// A ratio as a rate: 100 mL per 1 h is 100 mL/h.
fn per(element: &Element<'_, '_>) -> Result<Dose, Rejection> {
    let ratio: Ratio = element.read()?;
    let part = |field, name| -> Result<(f64, String), Rejection> {
        let part = element.require(field, name)?;
        let quantity: coding::Quantity = part.read()?;
        let value = part.require(quantity.value, "value")?.number()?;
        let unit = part.require(quantity.code.or(quantity.unit), "code")?.text()?;
        Ok((value, unit.trim().to_owned()))
    };
    let (above, amount) = part(ratio.numerator, "numerator")?;
    let (below, time) = part(ratio.denominator, "denominator")?;
    let unit = Unit::parse(&format!("{amount}/{time}")).ok_or_else(|| element.reject(Reason::UnknownUnit))?;
    let value = above / below;
    let good = value.is_finite() && value >= 0.0;
    if good { Ok(Dose { value, unit }) } else { Err(element.reject(Reason::BadValue)) }
}
