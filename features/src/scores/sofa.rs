//! SOFA, Sequential Organ Failure Assessment. Source: Vincent et al. 1996 by PMC4968574 and
//! mimic-code. Rule `sofa`, version 1.
//!
//! Worst values of the last 24 h (the last valid one where the day has none). Units: mm\[Hg\],
//! thousand/uL, mg/dL, µg/kg/min, mL a day. Points 1/2/3/4:
//! - PaO2/FiO2 < 400 / < 300 / < 200 supported / < 100 supported. Each PaO2 goes with the FiO2
//!   charted before it. Respiratory support is known only by a capnograph within the day; without
//!   it the part stops at 2 and the score is marked incomplete.
//! - Platelets < 150 / < 100 / < 50 / < 20.
//! - Bilirubin >= 1.2 / >= 2.0 / >= 6.0 / >= 12.0 (> 12.0 as printed in 1996).
//! - MAP < 70; dopamine or dobutamine; dopamine > 5 or any (nor)epinephrine; dopamine > 15 or
//!   (nor)epinephrine > 0.1; each for an hour at least. MAP is the lowest ten-minute mean, so that
//!   a flushed line does not score; arterial where the day has any, else cuff. A rate that cannot be
//!   turned into µg/kg/min counts as the lowest of its drug, and the score is marked incomplete.
//! - Glasgow coma score 13-14 / 10-12 / 6-9 / < 6, as charted (sedation is not discounted).
//! - Creatinine >= 1.2 / >= 2.0 / >= 3.5 / >= 5.0 (> 5.0 as printed), or urine < 500 (3) / < 200 (4)
//!   mL a day, the latter only when charted over the whole day.
//!
//! mimic-code scores missing parts 0; here they are `None` and the sum, which is the same number,
//! says that it is a lower bound.

mod day;

use bedwatch_schemas::{
    event::Provenance,
    medication::Drug,
    score::{Component, Part, Score, ScoreKind},
    time::EventTime,
};

pub use day::inputs;

use super::{Reading, component, summed, tenths, whole};
use crate::config::SofaEdges;

/// A vasoactive drug sustained for an hour within the day, at its highest band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pressor {
    /// The drug.
    pub drug: Drug,
    /// The highest rate sustained for an hour, µg/kg/min; `None` where it cannot be known.
    pub rate: Option<f64>,
    /// Since when it flowed at that rate.
    pub at: EventTime,
    /// Where the rate came from.
    pub provenance: Provenance,
}

/// What SOFA reads: worst values of the day.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inputs {
    /// PaO2/FiO2 in mm\[Hg\], by the PaO2's time and source.
    pub pf_ratio: Option<Reading>,
    /// Whether the patient has respiratory support; `None` where unknown.
    pub supported: Option<bool>,
    /// Platelets, thousand/uL.
    pub platelets: Option<Reading>,
    /// Bilirubin, mg/dL.
    pub bilirubin: Option<Reading>,
    /// Mean arterial pressure, mm\[Hg\].
    pub map: Option<Reading>,
    /// Vasoactive drugs.
    pub pressors: Vec<Pressor>,
    /// Glasgow coma score.
    pub gcs: Option<Reading>,
    /// Creatinine, mg/dL.
    pub creatinine: Option<Reading>,
    /// Urine of the day, mL.
    pub urine_ml_day: Option<Reading>,
}

/// The score; `None` when no part is known.
#[must_use]
pub fn score(i: &Inputs, edges: SofaEdges) -> Option<Score> {
    let supported = i.supported == Some(true);
    let low_ratio = i.pf_ratio.is_some_and(|r| whole(r.value) < 200);
    let (circulation, rate_unknown) = circulation(i);
    let components = vec![
        component(Part::Oxygenation, i.pf_ratio, |v| pf_points(v, supported)),
        component(Part::Coagulation, i.platelets, platelets_points),
        component(Part::Liver, i.bilirubin, |v| bilirubin_points(v, edges)),
        circulation,
        component(Part::Consciousness, i.gcs, gcs_points),
        renal(i, edges),
    ];
    let mut score = summed(ScoreKind::Sofa, components)?;
    // A capped or unknown part makes the sum a lower bound, as a missing one does.
    let capped = low_ratio && i.supported.is_none();
    score.complete &= !(capped || rate_unknown);
    Some(score)
}

fn pf_points(v: f64, supported: bool) -> u8 {
    match (whole(v), supported) {
        (400.., _) => 0,
        (300..=399, _) => 1,
        (200..=299, _) | (..=199, false) => 2,
        (100..=199, true) => 3,
        (..=99, true) => 4,
    }
}

fn platelets_points(v: f64) -> u8 {
    match tenths(v) {
        1500.. => 0,
        1000..=1499 => 1,
        500..=999 => 2,
        200..=499 => 3,
        ..=199 => 4,
    }
}

fn bilirubin_points(v: f64, edges: SofaEdges) -> u8 {
    match tenths(v) {
        ..=11 => 0,
        12..=19 => 1,
        20..=59 => 2,
        60..=119 => 3,
        120 if edges == SofaEdges::Original1996 => 3,
        120.. => 4,
    }
}

fn gcs_points(v: f64) -> u8 {
    match whole(v) {
        15.. => 0,
        13..=14 => 1,
        10..=12 => 2,
        6..=9 => 3,
        ..=5 => 4,
    }
}

fn creatinine_points(v: f64, edges: SofaEdges) -> u8 {
    match tenths(v) {
        ..=11 => 0,
        12..=19 => 1,
        20..=34 => 2,
        35..=49 => 3,
        50 if edges == SofaEdges::Original1996 => 3,
        50.. => 4,
    }
}

fn urine_points(v: f64) -> u8 {
    match whole(v) {
        ..=199 => 4,
        200..=499 => 3,
        500.. => 0,
    }
}

/// The points of a drug; `false` when its rate is unknown and they are the least it can give.
fn pressor_points(p: &Pressor) -> (u8, bool) {
    // Rates are compared at a thousandth, the finest a pump shows.
    let thousandths = p.rate.map(|r| (r * 1_000.0).round() as i64);
    match (p.drug, thousandths) {
        (Drug::Dobutamine, _) => (2, true),
        (Drug::Dopamine, Some(15_001..)) => (4, true),
        (Drug::Dopamine, Some(5_001..)) => (3, true),
        (Drug::Dopamine, known) => (2, known.is_some()),
        (Drug::Norepinephrine | Drug::Epinephrine, Some(101..)) => (4, true),
        (Drug::Norepinephrine | Drug::Epinephrine, known) => (3, known.is_some()),
        _ => (0, true),
    }
}

fn circulation(i: &Inputs) -> (Component, bool) {
    let worst = i.pressors.iter().max_by_key(|p| pressor_points(p).0).filter(|p| pressor_points(p).0 > 0);
    let Some(p) = worst else {
        return (component(Part::Circulation, i.map, |v| u8::from(whole(v) < 70)), false);
    };
    let (points, known) = pressor_points(p);
    let c = Component {
        part: Part::Circulation,
        points: Some(points),
        signal: None,
        value: p.rate,
        at: Some(p.at),
        provenance: Some(p.provenance),
    };
    let lower_bound = i.pressors.iter().any(|p| !pressor_points(p).1) && points < 4;
    (c, lower_bound || (!known && points < 4))
}

fn renal(i: &Inputs, edges: SofaEdges) -> Component {
    let creatinine = component(Part::Renal, i.creatinine, |v| creatinine_points(v, edges));
    let urine = component(Part::Renal, i.urine_ml_day, urine_points);
    if urine.points > creatinine.points { urine } else { creatinine }
}

#[cfg(test)]
mod tests;
