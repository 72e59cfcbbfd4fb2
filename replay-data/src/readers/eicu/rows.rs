//! Rows of each table as words. Pure: text in, verdict out.
//!
//! A row that says something puts it, with the time of it, into `says` and gives when it could be known:
//! when it was entered, where the table tells that, and never before the time it speaks of.

use bedwatch_schemas::{
    medication::{Dose, Drug},
    signal::Signal,
    time::{ArrivalTime, EventTime, Span},
    unit::Unit,
};

use super::{
    items::{self, Charted},
    word::{
        Rate,
        Verdict::{self, Left, Says},
        What, Why,
    },
};
use crate::readers::{
    FailureKind,
    infection::{Act, Culture, When, order},
};

pub(super) const ITEM_NOT_READ: &str = "eicu.item_not_read";
pub(super) const COLUMNS_NOT_READ: &str = "eicu.columns_not_read";
pub(super) const NO_NUMBER: &str = "eicu.no_number";
pub(super) const UNKNOWN_UNIT: &str = "eicu.unknown_unit";
pub(super) const WORDS_WITHOUT_MEANING: &str = "eicu.words_without_meaning";
pub(super) const DRUG_NOT_READ: &str = "eicu.drug_not_read";
pub(super) const NO_RATE: &str = "eicu.no_rate";
pub(super) const NO_OWN_BREATHS: &str = "eicu.no_own_breaths";
pub(super) const NOT_A_CULTURE: &str = "eicu.not_a_culture";
pub(super) const CANCELLED: &str = "eicu.order_cancelled";
pub(super) const NOT_SYSTEMIC: &str = "eicu.not_a_systemic_antibiotic";
pub(super) const NO_VENTILATION: &str = "eicu.nothing_of_ventilation";

/// A treatment of which only one moment is told lasts this long.
const UNTOLD: Span = Span::hours(1);
/// Ten years, so that a wild number cannot leave the time axis.
const MOST_MINUTES: i64 = 10 * 366 * 24 * 60;

/// What a row says and when that was.
pub(super) type Said = Vec<(EventTime, What)>;

/// Minutes from the admission to the unit as times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(pub EventTime);

impl Clock {
    pub(super) fn at(self, text: &str) -> Result<EventTime, Why> {
        let minutes = text.parse::<i64>().ok().filter(|m| (-MOST_MINUTES..=MOST_MINUTES).contains(m));
        minutes.map(|m| self.0 + Span::minutes(m)).ok_or(Why::Time)
    }

    /// A time that is empty or 0 where there is none.
    fn maybe(self, text: &str) -> Result<Option<EventTime>, Why> {
        if matches!(text, "" | "0") { Ok(None) } else { self.at(text).map(Some) }
    }

    /// When a row about `at` could be known, entered at a time that may be missing.
    fn known(self, at: EventTime, entered: &str) -> Result<ArrivalTime, Why> {
        let entered = if entered.is_empty() { at } else { self.at(entered)? };
        Ok(entered.max(at).as_arrival_time())
    }
}

pub(super) fn number(text: &str) -> Result<Option<f64>, Why> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse::<f64>().ok().filter(|v| v.is_finite()).map(Some).ok_or(Why::Number)
}

/// Signals of the columns of a row, in their own units.
fn columns<const N: usize>(
    at: EventTime,
    signals: [Signal; N],
    values: [&str; N],
    says: &mut Said,
) -> Result<Verdict, Why> {
    for (signal, value) in signals.into_iter().zip(values) {
        says.extend(number(value)?.map(|v| (at, What::Number(signal, v))));
    }
    Ok(if says.is_empty() { Left(COLUMNS_NOT_READ) } else { Says(at.as_arrival_time()) })
}

/// `vitalAperiodic`: time; systolic, diastolic and mean pressure of the cuff, mmHg. What was measured with
/// a catheter (cardiac output, resistances) has no signal here.
pub(super) fn aperiodic(clock: Clock, row: [&str; 4], says: &mut Said) -> Result<Verdict, Why> {
    let [at, values @ ..] = row;
    let signals = [Signal::NibpSystolic, Signal::NibpDiastolic, Signal::NibpMean];
    columns(clock.at(at)?, signals, values, says)
}

/// `vitalPeriodic`: time; temperature (Celsius), saturation (%), heart rate, breaths, central venous
/// pressure, end-tidal CO2 and arterial pressures (mmHg).
pub(super) fn periodic(clock: Clock, row: [&str; 10], says: &mut Said) -> Result<Verdict, Why> {
    let [at, values @ ..] = row;
    let signals = [
        Signal::Temperature,
        Signal::Spo2,
        Signal::HeartRate,
        Signal::RespRate,
        Signal::Cvp,
        Signal::Etco2,
        Signal::AbpSystolic,
        Signal::AbpDiastolic,
        Signal::AbpMean,
    ];
    columns(clock.at(at)?, signals, values, says)
}

/// `lab`: name, result, unit, time of the sample, time of the last revision.
pub(super) fn lab(clock: Clock, row: [&str; 5], says: &mut Said) -> Result<Verdict, Why> {
    let [name, value, unit, at, revised] = row;
    let Some((signal, own)) = items::lab(name) else { return Ok(Left(ITEM_NOT_READ)) };
    let at = clock.at(at)?;
    let known = clock.known(at, revised)?;
    let Some(value) = number(value)? else { return Ok(Left(NO_NUMBER)) };
    let unit = if unit.is_empty() { own } else { items::lab_unit(unit) };
    let Some(value) = unit.and_then(|unit| signal.to_canonical(value, unit).ok()) else {
        return Ok(Left(UNKNOWN_UNIT));
    };
    says.push((at, What::Number(signal, value)));
    Ok(Says(known))
}

/// `respiratoryCharting`: time, time of entry, label, value.
pub(super) fn respiratory(clock: Clock, row: [&str; 4], says: &mut Said) -> Result<Verdict, Why> {
    let [at, entered, label, text] = row;
    let Some(charted) = items::charted(label) else { return Ok(Left(ITEM_NOT_READ)) };
    let at = clock.at(at)?;
    let known = clock.known(at, entered)?;
    if text.is_empty() {
        return Ok(Left(NO_NUMBER));
    }
    let value = || number(text).map(Option::unwrap_or_default);
    let what = match charted {
        Charted::Number(signal) => Ok(What::Number(signal, value()?)),
        Charted::Oxygen => {
            let percent = text.strip_suffix('%').map(str::trim_end);
            let number = number(percent.unwrap_or(text))?.ok_or(Why::Number)?;
            let value =
                if percent.is_none() && number > 0.0 && number <= 1.0 { as_percent(number) } else { number };
            Ok(What::Number(Signal::Fio2, value))
        }
        Charted::OwnRate => match value()? {
            rate if rate > 0.0 => Ok(What::OwnRate(rate)),
            _ => Err(NO_OWN_BREATHS),
        },
        Charted::SetRate if value()? > 0.0 => Ok(What::SetRate),
        Charted::Ventilator if value()? > 0.0 => Ok(What::Ventilated(true)),
        Charted::SetRate | Charted::Ventilator => Err(NO_VENTILATION),
        Charted::Delivery => {
            items::delivery_ventilates(text).map(What::Ventilated).ok_or(WORDS_WITHOUT_MEANING)
        }
        Charted::OnOff => items::is_on(text).map(What::Ventilated).ok_or(WORDS_WITHOUT_MEANING),
        Charted::Mode if items::mode_ventilates(text) => Ok(What::Ventilated(true)),
        Charted::Mode => Err(WORDS_WITHOUT_MEANING),
    };
    Ok(match what {
        Ok(what) => {
            says.push((at, what));
            Says(known)
        }
        Err(reason) => Left(reason),
    })
}

/// Rounded, because 0.28 * 100 is not 28 in binary.
fn as_percent(fraction: f64) -> f64 {
    (fraction * 1e6).round() / 1e4
}

/// `respiratoryCare`: time of the status; airway; start and end of the ventilation that runs, and of the
/// one before it, 0 where there is none.
pub(super) fn care(clock: Clock, row: [&str; 6], says: &mut Said) -> Result<Verdict, Why> {
    let [status, airway, from, to, prior_from, prior_to] = row;
    let status = clock.at(status)?;
    let airway = items::airway_ventilates(airway);
    let now = (clock.maybe(from)?, clock.maybe(to)?);
    let before = (clock.maybe(prior_from)?, clock.maybe(prior_to)?);
    for (from, to) in [before, now] {
        let (Some(from), Some(to)) = (from, to) else { continue };
        if to < from {
            return Err(Why::Span);
        }
        says.push((from, What::Ran(FailureKind::Ventilation, to)));
        if to <= status {
            says.push((to, What::Ventilated(false)));
        }
    }
    let runs = now.0.filter(|from| now.1.is_none() && *from <= status && airway != Some(false));
    says.extend(runs.map(|from| (from, What::Ran(FailureKind::Ventilation, status))));
    let ventilated = airway.or(runs.map(|_| true));
    says.extend(ventilated.map(|on| (status, What::Ventilated(on))));
    Ok(if says.is_empty() { Left(NO_VENTILATION) } else { Says(status.as_arrival_time()) })
}

/// `infusionDrug`: time, name with unit, rate, the patient's weight in kg.
pub(super) fn infusion(clock: Clock, row: [&str; 4], says: &mut Said) -> Result<Verdict, Why> {
    let [at, name, rate, weight] = row;
    let (name, unit) = items::name_and_unit(name);
    // `Volume (ml) Phenylephrine`: how much was in the bag, not how fast it ran.
    let drug = if name.starts_with("Volume") { Drug::Other } else { items::drug(name) };
    if drug == Drug::Other {
        return Ok(Left(DRUG_NOT_READ));
    }
    let at = clock.at(at)?;
    let weight = number(weight)?;
    // The source writes ERROR where its own reading of the rate failed.
    let Some(value) = number(if rate == "ERROR" { "" } else { rate })? else { return Ok(Left(NO_RATE)) };
    let unit = items::rate_unit(unit);
    let rate = match unit {
        Some((unit, factor)) => Rate::Dose(Dose { value: value * factor, unit }),
        None => Rate::Runs(value > 0.0),
    };
    says.push((at, What::Rate { drug, bag: items::bag(drug, unit.map(|(unit, _)| unit)), rate }));
    says.extend(weight.map(|kg| (at, What::Number(Signal::Weight, kg))));
    Ok(Says(at.as_arrival_time()))
}

/// `medication`: start, order, name, route, whether it was cancelled, stop (0 or empty where there is none).
pub(super) fn medication(clock: Clock, row: [&str; 6], says: &mut Said) -> Result<Verdict, Why> {
    let [start, ordered, name, route, cancelled, stop] = row;
    if items::drug(name) != Drug::Antibiotic || !items::is_systemic(route) {
        return Ok(Left(NOT_SYSTEMIC));
    }
    if cancelled == "Yes" {
        return Ok(Left(CANCELLED));
    }
    let at = clock.at(start)?;
    let known = clock.known(at, ordered)?;
    says.push((at, What::Given(Drug::Antibiotic)));
    let order = order(When::At(at), clock.maybe(stop)?, items::is_into_a_vein(route));
    says.push((at, What::Act(order)));
    Ok(Says(known))
}

/// `microLab`: time of the sample, site.
pub(super) fn culture(clock: Clock, row: [&str; 2], says: &mut Said) -> Result<Verdict, Why> {
    let [at, site] = row;
    if items::is_screening(site) {
        return Ok(Left(NOT_A_CULTURE));
    }
    let at = clock.at(at)?;
    says.push((at, What::Culture));
    says.push((at, cultured(at, site.to_lowercase().starts_with("blood"))));
    Ok(Says(at.as_arrival_time()))
}

fn cultured(at: EventTime, is_blood: bool) -> What {
    What::Act(Act::Cultured(Culture { taken: When::At(at), is_blood }))
}

/// `treatment`: time, what, in words from the general to the particular. It is entered with a note, often
/// after the thing began and again after it ended: labels, told to nobody.
pub(super) fn treatment(clock: Clock, row: [&str; 2], says: &mut Said) -> Result<Verdict, Why> {
    let [at, what] = row;
    let kind = if items::is_ventilation(what) {
        FailureKind::Ventilation
    } else if items::is_pressor(what) {
        FailureKind::Vasopressor
    } else if let Some(is_blood) = items::is_culture_of_blood(what) {
        let at = clock.at(at)?;
        says.push((at, cultured(at, is_blood)));
        return Ok(Says(at.as_arrival_time()));
    } else if items::is_antibacterial(what) {
        let at = clock.at(at)?;
        // Every note of a course tells it again: notes are as doses of what they name. The route is not told;
        // what intensive care gives against bacteria goes mostly into a vein.
        says.push((at, What::Act(Act::Dosed { drug: number_of(what), at, is_intravenous: true })));
        return Ok(Says(at.as_arrival_time()));
    } else {
        return Ok(Left(ITEM_NOT_READ));
    };
    let at = clock.at(at)?;
    says.push((at, What::Ran(kind, at + UNTOLD)));
    Ok(Says(at.as_arrival_time()))
}

/// A number for a treatment, always the same (FNV-1a) and never that of infusions, which is 0.
fn number_of(what: &str) -> u32 {
    let sum = what.bytes().fold(0x811c_9dc5_u32, |sum, b| (sum ^ u32::from(b)).wrapping_mul(0x0100_0193));
    sum.max(1)
}

/// `intakeOutput`: time, time of entry, path of the cell, its number.
pub(super) fn intake_output(clock: Clock, row: [&str; 4], says: &mut Said) -> Result<Verdict, Why> {
    let [at, entered, path, value] = row;
    let cell = path.rsplit('|').next().unwrap_or_default();
    let (signal, unit) = if path.contains("|Output (ml)|") && items::is_urine(cell) {
        (Signal::UrineOutput, Unit::MilliLitre)
    } else if path.contains("|Weight|") && cell == "Bodyweight (kg)" {
        (Signal::Weight, Unit::Kilogram)
    } else {
        return Ok(Left(ITEM_NOT_READ));
    };
    let at = clock.at(at)?;
    let known = clock.known(at, entered)?;
    let Some(value) = number(value)? else { return Ok(Left(NO_NUMBER)) };
    let Ok(value) = signal.to_canonical(value, unit) else { return Ok(Left(UNKNOWN_UNIT)) };
    says.push((at, What::Number(signal, value)));
    Ok(Says(known))
}
