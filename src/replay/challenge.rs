//! The scores of the PhysioNet/CinC Challenge 2019 as its official script gives them
//! (physionetchallenges/evaluation-2019; Reyna et al., Crit Care Med 48(2):210-217, 2020).
//!
//! Its areas have definitions of their own: thresholds are 1 and the distinct predictions above 0, so
//! hours predicted as exactly 0 are never counted in.

use serde::Serialize;

/// One hour of a stay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The label.
    pub truth: bool,
    /// The predicted probability.
    pub probability: f64,
    /// The predicted label.
    pub alarm: bool,
}

/// The script's five numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scores {
    /// Area under the ROC curve.
    pub auroc: f64,
    /// Area under the precision-recall curve, a step function.
    pub auprc: f64,
    /// Share of hours predicted rightly.
    pub accuracy: f64,
    /// The harmonic mean of sensitivity and positive predictivity over hours.
    pub f_measure: f64,
    /// The utility: 0 never alarms, 1 is best.
    pub normalized_utility: f64,
}

/// Scores stays; `None` where the utility is not defined (no septic stay).
#[must_use]
pub fn score(stays: &[Vec<Prediction>]) -> Option<Scores> {
    let all: Vec<Prediction> = stays.iter().flatten().copied().collect();
    let (auroc, auprc) = areas(&all);
    let count =
        |truth: bool, alarm: bool| all.iter().filter(|p| (p.truth, p.alarm) == (truth, alarm)).count() as f64;
    let (tp, fp, r#fn, tn) = (count(true, true), count(false, true), count(true, false), count(false, false));
    let utilities: Vec<[f64; 3]> = stays
        .iter()
        .map(|stay| utility(&stay.iter().map(|p| (p.truth, p.alarm)).collect::<Vec<_>>()))
        .collect();
    Some(Scores {
        auroc,
        auprc,
        accuracy: ratio(tp + tn, tp + fp + r#fn + tn),
        f_measure: ratio(2.0 * tp, 2.0 * tp + fp + r#fn),
        normalized_utility: normalised(&utilities)?,
    })
}

/// The script's habit: what is not defined is 1.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 1.0 }
}

fn areas(all: &[Prediction]) -> (f64, f64) {
    let mut sorted: Vec<&Prediction> = all.iter().collect();
    sorted.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    let mut thresholds: Vec<f64> = sorted.iter().map(|p| p.probability).collect();
    thresholds.dedup();
    if thresholds.first() != Some(&1.0) {
        thresholds.insert(0, 1.0);
    }
    if thresholds.last() == Some(&0.0) {
        thresholds.pop();
    }
    let positives = all.iter().filter(|p| p.truth).count() as f64;
    let negatives = all.len() as f64 - positives;
    let (mut tp, mut fp, mut next) = (0.0, 0.0, 0);
    let (mut auroc, mut auprc) = (0.0, 0.0);
    let mut before: Option<(f64, f64)> = None;
    for threshold in thresholds {
        while let Some(p) = sorted.get(next).filter(|p| p.probability >= threshold) {
            *(if p.truth { &mut tp } else { &mut fp }) += 1.0;
            next += 1;
        }
        let (sensitivity, specificity) = (ratio(tp, positives), ratio(negatives - fp, negatives));
        if let Some((last_sensitivity, last_specificity)) = before {
            auroc += 0.5 * (sensitivity - last_sensitivity) * (specificity + last_specificity);
            auprc += (sensitivity - last_sensitivity) * ratio(tp, tp + fp);
        }
        before = Some((sensitivity, specificity));
    }
    (auroc, auprc)
}

/// Utility of one stay's hours (label, alarm): observed, best and inaction, unnormalised.
#[must_use]
pub fn utility(stay: &[(bool, bool)]) -> [f64; 3] {
    let onset = stay.iter().position(|h| h.0).map(|first| first as f64 + 6.0);
    let mut sums = [0.0; 3];
    for (t, (_, alarm)) in stay.iter().enumerate() {
        let t = t as f64;
        let best = onset.is_some_and(|o| (o - 12.0..=o + 3.0).contains(&t));
        sums[0] += hourly(t, onset, *alarm);
        sums[1] += hourly(t, onset, best);
        sums[2] += hourly(t, onset, false);
    }
    sums
}

/// The challenge's utility of one hour. `onset` is the hour of the first label plus 6.
fn hourly(t: f64, onset: Option<f64>, alarm: bool) -> f64 {
    let Some(onset) = onset else {
        return if alarm { -0.05 } else { 0.0 };
    };
    let d = t - onset;
    if d > 3.0 {
        return 0.0;
    }
    match (alarm, d <= -6.0) {
        (true, true) => ((d + 12.0) / 6.0).max(-0.05),
        (true, false) => (3.0 - d) / 9.0,
        (false, true) => 0.0,
        (false, false) => -2.0 * (d + 6.0) / 9.0,
    }
}

/// Normalised utility over stays.
#[must_use]
pub fn normalised(stays: &[[f64; 3]]) -> Option<f64> {
    let sum = |i: usize| stays.iter().map(|s| s[i]).sum::<f64>();
    let (observed, best, inaction) = (sum(0), sum(1), sum(2));
    (best > inaction).then(|| (observed - inaction) / (best - inaction))
}

#[cfg(test)]
mod tests;
