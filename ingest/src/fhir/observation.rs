//! Observation (R4 10.1): vital signs, laboratory values, components and sampled data.
//!
//! `preliminary` and `final` are what they say, `amended` and `corrected` replace, `entered-in-error`
//! withdraws, `cancelled` means that a value was due and none came. `registered` says nothing yet;
//! `unknown` is taken for preliminary, the weaker claim.

use bedwatch_schemas::{
    codes::Coded,
    dead_letter::{Reason, Rejection},
    event::{Body, NoReading, ResultStatus},
    signal::Signal,
    time::EventTime,
    unit::Unit,
};
use serde_json::value::RawValue;

use super::{
    Outcome,
    coding::{self, Measured},
    context::{Context, Origin, meta},
    element::{Element, Field, shape},
    sampled::{self, Lead},
    when,
};
use crate::coded;

shape! {
    /// What of an Observation is read beside its value.
    Observation {
        status, subject, encounter, effective_date_time, effective_period, effective_instant, issued,
        component, meta,
    }
}
shape! {
    /// What of an Observation or of one of its components carries a value.
    Valued {
        code, data_absent_reason, value_quantity, value_integer, value_sampled_data,
        value_codeable_concept, value_string, value_boolean, value_range, value_ratio, value_time,
        value_date_time, value_period,
    }
}

/// The state of the whole result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Result(ResultStatus),
    Cancelled,
}

/// What an Observation says, before it is known whose and when.
#[derive(Default)]
struct Said<'a> {
    bodies: Vec<Body>,
    leads: Vec<Lead<'a>>,
    rejections: Vec<Rejection>,
}

pub(super) fn decode<'a>(context: &mut Context<'a>, element: Element<'a, '_>) -> Result<Outcome, Rejection> {
    let observation: Observation = element.read()?;
    let Some(status) = status(&element, observation.status)? else { return Ok(Outcome::Skipped) };
    let mut said = Said::default();
    said.take(&element, status);
    for item in element.list(observation.component, "component")? {
        said.take(&item.as_element(&element), status);
    }
    let nothing = said.bodies.is_empty() && said.leads.is_empty();
    let refused = !said.rejections.is_empty();
    said.rejections.drain(..).for_each(|rejection| context.note(rejection));
    if nothing {
        return Ok(if refused { Outcome::Decoded } else { Outcome::Skipped });
    }
    let origin = Origin {
        patient: context.patient(&element, observation.subject, "subject")?,
        encounter: context.encounter(&element, observation.encounter),
        location: None,
        source: meta(observation.meta).0,
    };
    let time = effective(&element, &observation)?;
    for body in said.bodies {
        context.push(&origin, time, body, &element)?;
    }
    for block in sampled::blocks(said.leads, time) {
        context.not_ahead(block.end(), &element)?;
        context.push(&origin, block.start, Body::Waveform(block.into()), &element)?;
    }
    Ok(Outcome::Decoded)
}

fn status(element: &Element<'_, '_>, field: Field<'_>) -> Result<Option<Status>, Rejection> {
    let element = element.require(field, "status")?;
    let text = element.text()?;
    Ok(Some(Status::Result(match &*text {
        "preliminary" | "unknown" => ResultStatus::Preliminary,
        "final" => ResultStatus::Final,
        "amended" | "corrected" => ResultStatus::Corrected,
        "entered-in-error" => ResultStatus::Withdrawn,
        "cancelled" => return Ok(Some(Status::Cancelled)),
        "registered" => return Ok(None),
        _ => return Err(element.reject(Reason::BadValue)),
    })))
}

/// When it was true: the effective time (the start of a period), else when it was issued.
fn effective(element: &Element<'_, '_>, o: &Observation<'_>) -> Result<EventTime, Rejection> {
    let points = [
        (o.effective_date_time, "effectiveDateTime"),
        (o.effective_instant, "effectiveInstant"),
        (None, "effectivePeriod"),
        (o.issued, "issued"),
    ];
    for (field, name) in points {
        if name == "effectivePeriod"
            && let Some(period) = element.optional(o.effective_period, name)
            && let (Some(time), _) | (None, Some(time)) = when::period(&period)?
        {
            return Ok(time);
        }
        if let Some(point) = element.optional(field, name) {
            return when::read(&point);
        }
    }
    Err(element.missing("effective[x]"))
}

impl<'a> Said<'a> {
    /// Takes what the Observation itself or one component says.
    fn take(&mut self, element: &Element<'a, '_>, status: Status) {
        if let Err(rejection) = self.try_take(element, status) {
            self.rejections.push(rejection);
        }
    }

    fn try_take(&mut self, element: &Element<'a, '_>, status: Status) -> Result<(), Rejection> {
        let valued: Valued = element.read()?;
        let code = element.require(valued.code, "code")?;
        let codes = coding::codes(&code)?;
        match (codes.iter().find_map(coding::Code::meaning), valued.number()) {
            (Some(Coded::Signal(signal)), _) => {
                if let Some(body) = numeric(element, &valued, signal, status)? {
                    self.bodies.push(body);
                }
            }
            (Some(Coded::Waveform(kind)), _) => {
                if let (Some(data), Status::Result(_)) =
                    (element.optional(valued.value_sampled_data, "valueSampledData"), status)
                {
                    let label = sampled::label(kind, &codes);
                    self.leads.push(sampled::read(&data, kind, label)?);
                }
            }
            // A number under no LOINC or MDC code cannot be placed at all; under a code that we do not
            // use it can, and says nothing to the engine.
            (None, true) if !codes.iter().any(coding::Code::is_standard) => {
                return Err(code.reject(Reason::UnknownCode));
            }
            (None, _) => {}
        }
        Ok(())
    }
}

impl<'a> Valued<'a> {
    fn number(&self) -> bool {
        self.value_quantity.is_some() || self.value_sampled_data.is_some()
    }

    /// A value of a type that is no number.
    fn other(&self) -> Option<(&'a RawValue, &'static str)> {
        let others = [
            (self.value_sampled_data, "valueSampledData"),
            (self.value_codeable_concept, "valueCodeableConcept"),
            (self.value_string, "valueString"),
            (self.value_boolean, "valueBoolean"),
            (self.value_range, "valueRange"),
            (self.value_ratio, "valueRatio"),
            (self.value_time, "valueTime"),
            (self.value_date_time, "valueDateTime"),
            (self.value_period, "valuePeriod"),
        ];
        others.into_iter().find_map(|(field, name)| Some((field?, name)))
    }
}

/// What is said of a signal; `None` where its components say it.
fn numeric(
    element: &Element<'_, '_>,
    valued: &Valued<'_>,
    signal: Signal,
    status: Status,
) -> Result<Option<Body>, Rejection> {
    let Status::Result(status) = status else {
        return Ok(Some(Body::NoReading { signal, reason: NoReading::NotObtained }));
    };
    let absent = Body::NoReading { signal, reason: NoReading::DataAbsent };
    let measured = if let Some(quantity) = element.optional(valued.value_quantity, "valueQuantity") {
        Some((quantity, coding::quantity(&quantity)?))
    } else if let Some(integer) = element.optional(valued.value_integer, "valueInteger") {
        Some((integer, Measured { value: Some(integer.number()?), unit: Some(Unit::One) }))
    } else {
        None
    };
    match measured {
        Some((place, Measured { value: Some(value), unit })) => {
            coded::reading(signal, value, unit, status).map(Some).map_err(|reason| place.reject(reason))
        }
        _ if valued.data_absent_reason.is_some() => Ok(Some(absent)),
        Some((place, _)) => Err(place.missing("value")),
        None => match valued.other() {
            Some((raw, name)) => Err(element.child(raw, name).reject(Reason::BadValue)),
            None => Err(element.missing("value[x]")),
        },
    }
}
