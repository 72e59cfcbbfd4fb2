//! Rows of each table as words. Pure: text in, verdict out.
//!
//! A row is known from its STORETIME (when it was entered or validated), never before the time it
//! speaks of. Tables without one are known at the time itself, and the stay's notes say so.

use bedwatch_schemas::{
    event::UnitKind,
    medication::{Dose, Drug},
    signal::Signal,
    time::{ArrivalTime, EventTime, Span},
    unit::Unit,
};

use super::{
    items::{self, Charted},
    word::{
        Verdict::{self, Broken, Left, Says},
        What, Why,
    },
};
use crate::readers::{FailureKind, infusions, stamps};

pub(super) const ITEM_NOT_READ: &str = "mimic.item_not_read";
pub(super) const NO_NUMBER: &str = "mimic.no_number";
pub(super) const MARKED_ERROR: &str = "mimic.marked_error";
pub(super) const UNKNOWN_UNIT: &str = "mimic.unknown_unit";
pub(super) const WORDS_WITHOUT_MEANING: &str = "mimic.words_without_meaning";
pub(super) const REWRITTEN: &str = "mimic.rewritten_order";
pub(super) const NO_RATE: &str = "mimic.volume_without_rate";
pub(super) const NOT_A_CULTURE: &str = "mimic.not_a_culture";
pub(super) const NOT_SYSTEMIC: &str = "mimic.not_a_systemic_antibiotic";
pub(super) const FIRST_BED: &str = "mimic.transfer_is_the_admission";
pub(super) const ARTERIAL: &str = "mimic.specimen_is_arterial";

/// A stretch that nobody charted the end of lasts this long.
const UNTOLD: Span = Span::hours(1);

pub(super) fn time(text: &str) -> Result<EventTime, Why> {
    stamps::iso(text).ok_or(Why::Time)
}

/// A time that may be empty.
fn maybe_time(text: &str) -> Result<Option<EventTime>, Why> {
    if text.is_empty() { Ok(None) } else { time(text).map(Some) }
}

/// When a row about `at` could be known.
fn known(at: EventTime, stored: Option<EventTime>) -> ArrivalTime {
    stored.map_or(at, |stored| stored.max(at)).as_arrival_time()
}

fn number(text: &str) -> Result<Option<f64>, Why> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse::<f64>().ok().filter(|v| v.is_finite()).map(Some).ok_or(Why::Number)
}

pub(super) fn id(text: &str) -> Result<u64, Why> {
    text.parse().map_err(|_| Why::Id)
}

fn item(text: &str) -> Result<u32, Why> {
    text.parse().map_err(|_| Why::Id)
}

fn settle(result: Result<Verdict, Why>) -> Verdict {
    result.unwrap_or_else(Broken)
}

/// `CHARTEVENTS`: ITEMID, CHARTTIME, STORETIME, VALUE, VALUENUM, VALUEUOM, ERROR.
pub(super) fn chart(row: [&str; 7]) -> Verdict {
    let read = || {
        let [of, at, stored, text, value, unit, error] = row;
        let Some(charted) = items::charted(item(of)?) else { return Ok(Left(ITEM_NOT_READ)) };
        if error == "1" {
            return Ok(Left(MARKED_ERROR));
        }
        let (at, stored) = (time(at)?, maybe_time(stored)?);
        let says = |what| Says { at, known: known(at, stored), what };
        let value = number(value)?;
        Ok(match charted {
            Charted::Mode if text.is_empty() => Left(NO_NUMBER),
            Charted::Mode => says(What::Ventilated(items::mode_ventilates(text))),
            Charted::Delivery => items::delivery_ventilates(text)
                .map_or(Left(WORDS_WITHOUT_MEANING), |v| says(What::Ventilated(v))),
            Charted::Event if matches!(text, "Extubated" | "Self Extubation") => {
                says(What::Ventilated(false))
            }
            Charted::Event => Left(WORDS_WITHOUT_MEANING),
            Charted::Number(signal, of, spelt) => match value {
                None => Left(NO_NUMBER),
                Some(_) if !unit.is_empty() && !spelt.contains(&unit) => Left(UNKNOWN_UNIT),
                Some(value) => measured(signal, value, of).map_or(Left(UNKNOWN_UNIT), says),
            },
            Charted::Oxygen => value.map_or(Left(NO_NUMBER), |v| says(What::Number(Signal::Fio2, oxygen(v)))),
            Charted::Coma(part) => value.map_or(Left(NO_NUMBER), |v| says(What::Coma(part, v))),
            Charted::Ventilator => value.map_or(Left(NO_NUMBER), |_| says(What::Ventilated(true))),
        })
    };
    settle(read())
}

/// A monitor's sentinel stays as it is: it is told as no reading.
fn measured(signal: Signal, value: f64, unit: Unit) -> Option<What> {
    if signal.is_sentinel(value) {
        return Some(What::Number(signal, value));
    }
    signal.to_canonical(value, unit).ok().map(|v| What::Number(signal, v))
}

/// Rounded, because 0.28 * 100 is not 28 in binary, nor is CareVue's 0.40000000596.
fn oxygen(value: f64) -> f64 {
    if value > 0.0 && value <= 1.0 { (value * 1e4).round() / 100.0 } else { value }
}

/// `LABEVENTS`: ITEMID, CHARTTIME, STORETIME (MIMIC-IV's alone), VALUE, VALUENUM, VALUEUOM.
pub(super) fn lab(row: [&str; 6]) -> Verdict {
    let read = || {
        let [of, at, stored, text, value, unit] = row;
        let of = item(of)?;
        if items::SPECIMEN.contains(&of) {
            let at = time(at)?;
            let says = Says { at, known: known(at, maybe_time(stored)?), what: What::NotArterial };
            return Ok(if text.to_uppercase().starts_with("ART") { Left(ARTERIAL) } else { says });
        }
        let Some((signal, own)) = items::lab(of) else { return Ok(Left(ITEM_NOT_READ)) };
        let (at, stored) = (time(at)?, maybe_time(stored)?);
        let Some(value) = number(value)? else { return Ok(Left(NO_NUMBER)) };
        let unit = if unit.is_empty() { own } else { items::lab_unit(unit) };
        let what = unit.and_then(|unit| measured(signal, value, unit));
        Ok(what.map_or(Left(UNKNOWN_UNIT), |what| Says { at, known: known(at, stored), what }))
    };
    settle(read())
}

/// `OUTPUTEVENTS`: ITEMID, CHARTTIME, STORETIME, VALUE, VALUEUOM, ISERROR.
pub(super) fn output(row: [&str; 6]) -> Verdict {
    let read = || {
        let [of, at, stored, value, unit, error] = row;
        if !items::is_urine(item(of)?) {
            return Ok(Left(ITEM_NOT_READ));
        }
        if error == "1" {
            return Ok(Left(MARKED_ERROR));
        }
        let (at, stored) = (time(at)?, maybe_time(stored)?);
        let Some(value) = number(value)? else { return Ok(Left(NO_NUMBER)) };
        if Unit::parse(unit) != Some(Unit::MilliLitre) {
            return Ok(Left(UNKNOWN_UNIT));
        }
        Ok(Says { at, known: known(at, stored), what: What::Number(Signal::UrineOutput, value) })
    };
    settle(read())
}

/// A rate as charted; `Err` where its unit is not known.
fn rate(value: Option<f64>, unit: &str) -> Result<Option<Dose>, ()> {
    let Some(value) = value else { return Ok(None) };
    let (unit, factor) = infusions::rate_unit(unit).ok_or(())?;
    Ok(Some(Dose { value: value * factor, unit }))
}

/// `INPUTEVENTS_CV`: ITEMID, CHARTTIME, STORETIME, RATE, RATEUOM, STOPPED.
pub(super) fn input_carevue(row: [&str; 6]) -> Verdict {
    let read = || {
        let [of, at, stored, value, unit, stopped] = row;
        let of = item(of)?;
        let Some(drug) = items::drug(of) else { return Ok(Left(ITEM_NOT_READ)) };
        let (at, stored) = (time(at)?, maybe_time(stored)?);
        let says = |what| Ok(Says { at, known: known(at, stored), what });
        let value = number(value)?;
        if matches!(stopped, "Stopped" | "D/C'd") {
            return says(What::Stop { drug, item: of });
        }
        if value.is_none() {
            return Ok(Left(NO_RATE));
        }
        match rate(value, unit) {
            Ok(rate) => says(What::Rate { drug, item: of, rate, until: None }),
            Err(()) => Ok(Left(UNKNOWN_UNIT)),
        }
    };
    settle(read())
}

/// `INPUTEVENTS_MV`: ITEMID, STARTTIME, ENDTIME, STORETIME, AMOUNT, AMOUNTUOM, RATE, RATEUOM,
/// ORDERCATEGORYDESCRIPTION, STATUSDESCRIPTION.
pub(super) fn input_metavision(row: [&str; 10]) -> Verdict {
    let read = || {
        let [of, from, to, stored, amount, amount_unit, value, unit, category, status] = row;
        let of = item(of)?;
        let Some(drug) = items::drug(of) else { return Ok(Left(ITEM_NOT_READ)) };
        if status == "Rewritten" {
            return Ok(Left(REWRITTEN));
        }
        let (at, to, stored) = (time(from)?, time(to)?, maybe_time(stored)?);
        if to < at {
            return Err(Why::Span);
        }
        let says = |what| Ok(Says { at, known: known(at, stored), what });
        if category != "Continuous Med" && category != "Continuous IV" {
            let amount = number(amount)?;
            let dose = amount.and_then(|value| Some(Dose { value, unit: items::dose_unit(amount_unit)? }));
            return says(What::Given(drug, dose));
        }
        match rate(number(value)?, unit) {
            Ok(None) => Ok(Left(NO_RATE)),
            Ok(rate) => says(What::Rate { drug, item: of, rate, until: Some(to) }),
            Err(()) => Ok(Left(UNKNOWN_UNIT)),
        }
    };
    settle(read())
}

/// `PROCEDUREEVENTS_MV`: ITEMID, STARTTIME, ENDTIME, STORETIME, STATUSDESCRIPTION.
pub(super) fn procedure(row: [&str; 5]) -> Verdict {
    let read = || {
        let [of, from, to, stored, status] = row;
        let of = item(of)?;
        if !matches!(of, 224_385 | 225_466 | 225_468 | 225_475 | 225_477 | 225_792 | 227_194) {
            return Ok(Left(ITEM_NOT_READ));
        }
        if status == "Rewritten" {
            return Ok(Left(REWRITTEN));
        }
        let (at, to, stored) = (time(from)?, maybe_time(to)?, maybe_time(stored)?);
        let to = to.unwrap_or(at);
        if to < at {
            return Err(Why::Span);
        }
        let what = match of {
            224_385 => What::Ventilated(true),
            225_792 => What::VentilatedUntil(to),
            225_466 | 225_475 => What::Failure(FailureKind::Arrest, to.max(at + UNTOLD)),
            _ => What::Ventilated(false),
        };
        Ok(Says { at, known: known(at, stored), what })
    };
    settle(read())
}

/// The end of a day of which only the date is known: nothing of it is known sooner.
fn by_the_end(date: EventTime) -> EventTime {
    if date.as_micros().rem_euclid(Span::hours(24).0) == 0 { date + Span::hours(24) } else { date }
}

/// `MICROBIOLOGYEVENTS`: CHARTDATE, CHARTTIME, SPEC_TYPE_DESC.
pub(super) fn culture(row: [&str; 3]) -> Verdict {
    let read = || {
        let [date, at, specimen] = row;
        if !is_culture(&specimen.to_uppercase()) {
            return Ok(Left(NOT_A_CULTURE));
        }
        let at = match maybe_time(at)? {
            Some(at) => at,
            None => by_the_end(time(date)?),
        };
        Ok(Says { at, known: at.as_arrival_time(), what: What::Culture })
    };
    settle(read())
}

/// Whether a specimen, in capitals, was cultured: not a screening, nor a search for antibodies or a virus.
pub(super) fn is_culture(specimen: &str) -> bool {
    let others = ["SCREEN", "SEROLOGY", "ANTIGEN", "INFLUENZA", "VIRAL", "BLOOD (", "IMMUNOLOGY"];
    !others.iter().any(|w| specimen.contains(w)) || specimen.starts_with("BLOOD CULTURE")
}

/// Whether a prescription, by its type, drug and route, is of an antibiotic that reaches the whole body.
pub(super) fn is_systemic_antibiotic(kind: &str, drug: &str, route: &str) -> bool {
    const ROUTES: [&str; 10] = ["IV", "IV DRIP", "IV BOLUS", "PO", "PO/NG", "NG", "ORAL", "IM", "PB", "IJ"];
    kind == "MAIN" && ROUTES.contains(&route) && Drug::from_name(drug) == Drug::Antibiotic
}

/// `PRESCRIPTIONS`: STARTDATE, ENDDATE, DRUG_TYPE, DRUG, ROUTE.
pub(super) fn prescription(row: [&str; 5]) -> Verdict {
    let read = || {
        let [date, _, kind, drug, route] = row;
        if !is_systemic_antibiotic(kind, drug, route) {
            return Ok(Left(NOT_SYSTEMIC));
        }
        let at = by_the_end(time(date)?);
        Ok(Says { at, known: at.as_arrival_time(), what: What::Given(Drug::Antibiotic, None) })
    };
    settle(read())
}

/// `TRANSFERS`: INTIME, CURR_CAREUNIT; the one into the stay's first bed is the admission.
pub(super) fn transfer(row: [&str; 2], admitted: EventTime) -> Verdict {
    let read = || {
        let [at, unit] = row;
        let at = time(at)?;
        let known = at.as_arrival_time();
        Ok(if at <= admitted {
            Left(FIRST_BED)
        } else {
            Says { at, known, what: What::Moved(unit_kind(unit)) }
        })
    };
    settle(read())
}

/// A birth by the age in a year, both whole (MIMIC-IV): the first day of the year it may have been in.
pub(super) fn born(age: &str, year: &str) -> Result<EventTime, Why> {
    let (age, year): (i32, i32) =
        (age.parse().map_err(|_| Why::Number)?, year.parse().map_err(|_| Why::Time)?);
    stamps::utc((year.saturating_sub(age), 1, 1), (0, 0, 0), 0).ok_or(Why::Time)
}

/// The kind of a care unit, by MIMIC-III's abbreviation, which MIMIC-IV puts behind the name in brackets.
pub(super) fn unit_kind(text: &str) -> Option<UnitKind> {
    let short = text.strip_suffix(')').and_then(|t| t.rsplit_once('(')).map_or(text, |(_, short)| short);
    Some(match short {
        "MICU" => UnitKind::Medical,
        "SICU" | "TSICU" => UnitKind::Surgical,
        "CCU" => UnitKind::Coronary,
        "CSRU" | "CVICU" => UnitKind::CardiacSurgery,
        _ => return None,
    })
}
