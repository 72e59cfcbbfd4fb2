//! The worst values of a patient's last 24 h, as SOFA reads them.

use bedwatch_schemas::{
    medication::Drug,
    signal::Signal,
    time::{EventTime, Span},
};

use super::{Inputs, Pressor, Reading};
use crate::{
    infusions::{Infusions, Stretch, ug_per_kg_min},
    labs::Labs,
    vitals::Vitals,
    window::Sample,
};

const DAY: Span = Span::hours(24);
/// A vasoactive drug must have flowed this long (Vincent 1996).
const SUSTAINED: Span = Span::hours(1);
/// Urine must be charted within this much of both ends of the day to stand for it (our choice).
const URINE_GAP: Span = Span::hours(4);

/// Reads the inputs of SOFA at `at`.
#[must_use]
pub fn inputs(vitals: &Vitals, labs: &Labs, infusions: &Infusions, at: EventTime) -> Inputs {
    let lowest = |a: f64, b: f64| a < b;
    let highest = |a: f64, b: f64| a > b;
    let capnograph = vitals.get(Signal::Etco2).and_then(|s| s.last_in(at - DAY, at));
    let weight = labs.get(Signal::Weight).and_then(|l| l.last(at)).map(|s| s.value);
    let drugs = [Drug::Norepinephrine, Drug::Epinephrine, Drug::Dopamine, Drug::Dobutamine];
    Inputs {
        pf_ratio: pf_ratio(labs, at),
        supported: capnograph.map(|_| true),
        platelets: worst(labs, Signal::Platelets, at, lowest),
        bilirubin: worst(labs, Signal::BilirubinTotal, at, highest),
        map: lowest_map(vitals, at),
        pressors: drugs.iter().filter_map(|&d| pressor(infusions, d, weight, at)).collect(),
        gcs: worst(labs, Signal::GcsTotal, at, lowest),
        creatinine: worst(labs, Signal::Creatinine, at, highest),
        urine_ml_day: urine(labs, at),
    }
}

fn reading(signal: Signal, s: Sample) -> Reading {
    Reading { signal, value: s.value, at: s.at, provenance: s.provenance }
}

/// The worst result of the day, the latest of equals; else the last one while it is valid.
fn worst(labs: &Labs, signal: Signal, at: EventTime, worse: fn(f64, f64) -> bool) -> Option<Reading> {
    let lab = labs.get(signal)?;
    let of_day =
        lab.between(at - DAY, at).reduce(|worst, s| if worse(worst.value, s.value) { worst } else { s });
    let found = of_day.or_else(|| lab.last(at).filter(|s| at.since(s.at) <= signal.info().valid_for))?;
    Some(reading(signal, found))
}

/// The lowest PaO2/FiO2 of the day; each PaO2 with the valid FiO2 charted last before it.
fn pf_ratio(labs: &Labs, at: EventTime) -> Option<Reading> {
    let (pao2, fio2) = (labs.get(Signal::Pao2)?, labs.get(Signal::Fio2)?);
    let valid_for = Signal::Fio2.info().valid_for;
    pao2.between(at - DAY, at)
        .filter_map(|p| {
            let f = fio2.last(p.at).filter(|f| p.at.since(f.at) <= valid_for)?;
            Some(Reading { value: p.value / (f.value / 100.0), ..reading(Signal::Pao2, p) })
        })
        .min_by(|a, b| a.value.total_cmp(&b.value))
}

/// The lowest mean pressure of the day: arterial where the day has any, else cuff.
fn lowest_map(vitals: &Vitals, at: EventTime) -> Option<Reading> {
    [Signal::AbpMean, Signal::NibpMean]
        .iter()
        .find_map(|&signal| Some(reading(signal, vitals.get(signal)?.lowest_mean_24h(at)?)))
}

/// The drug's highest rate sustained for an hour within the day. With a rate unknown (no unit we
/// can turn, or no weight), that the drug flowed for an hour still counts.
fn pressor(infusions: &Infusions, drug: Drug, weight_kg: Option<f64>, at: EventTime) -> Option<Pressor> {
    let day: Vec<(Stretch, Option<f64>)> = infusions
        .stretches(drug, at)
        .filter(|s| s.to > at - DAY)
        .map(|s| {
            (Stretch { from: s.from.max(at - DAY), ..s }, s.rate.and_then(|r| ug_per_kg_min(r, weight_kg)))
        })
        .collect();
    let mut rates: Vec<f64> = day.iter().filter_map(|(_, rate)| *rate).collect();
    rates.sort_by(|a, b| b.total_cmp(a));
    let known = rates.into_iter().find_map(|floor| {
        let first = sustained(&day, |rate| rate.is_some_and(|r| r >= floor))?;
        Some(Pressor { drug, rate: Some(floor), at: first.from, provenance: first.provenance })
    });
    let any_unknown = day.iter().any(|(_, rate)| rate.is_none());
    if known.is_some() && !any_unknown {
        return known;
    }
    let any = sustained(&day, |_| true)?;
    known.or(Some(Pressor { drug, rate: None, at: any.from, provenance: any.provenance }))
}

/// The first stretch of an unbroken run of an hour or more whose rates all pass.
fn sustained(day: &[(Stretch, Option<f64>)], passes: impl Fn(Option<f64>) -> bool) -> Option<Stretch> {
    let mut run: Option<Stretch> = None;
    for (s, rate) in day {
        if !passes(*rate) {
            run = None;
            continue;
        }
        let mut first = match run {
            Some(first) if first.to == s.from => first,
            _ => *s,
        };
        first.to = s.to;
        if first.to.since(first.from) >= SUSTAINED {
            return Some(first);
        }
        run = Some(first);
    }
    None
}

/// The day's urine, when charted over all of it.
fn urine(labs: &Labs, at: EventTime) -> Option<Reading> {
    let lab = labs.get(Signal::UrineOutput)?;
    let first = lab.between(at - DAY, at).next()?;
    let last = lab.last(at)?;
    // A record charted at the day's beginning tells of the time before: one just before the day
    // shows that charting was under way.
    let begun = lab.between(at - DAY - URINE_GAP, at).next()?;
    let covered = begun.at <= at - DAY + Span::hours(1) && first.at <= at - DAY + URINE_GAP;
    if !covered || at.since(last.at) > URINE_GAP {
        return None;
    }
    let value = lab.between(at - DAY, at).map(|s| s.value).sum();
    Some(Reading { value, ..reading(Signal::UrineOutput, last) })
}
