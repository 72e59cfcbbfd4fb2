//! Measures against the truth, where a source has one: the area under the ROC curve of hourly risks
//! and the challenge's normalised utility (PhysioNet/CinC 2019, Reyna et al. 2020).

use bedwatch_replay_data::readers::Labels;
use bedwatch_schemas::{frame::hour_of, risk::Head};

use super::Outcome;

/// One labelled hour with the risk the engine gave it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The label.
    pub truth: bool,
    /// The last risk within the hour; 0 when the encoder gave none.
    pub risk: f32,
}

/// The labelled hours of a source for one head.
#[must_use]
pub fn scored(outcome: &Outcome, head: Head) -> Vec<Scored> {
    let Some(Labels::Hourly(hours)) = &outcome.labels else {
        return Vec::new();
    };
    let index = head.index();
    hours
        .iter()
        .filter_map(|hour| {
            let truth = match head {
                Head::Sepsis => hour.sepsis,
                Head::Deterioration => hour.deterioration,
                Head::Death | Head::Seizure | Head::Hypoglycaemia => None,
            }?;
            let this = hour_of(hour.at);
            // Risks come in time order; the last of the hour is what the hour ends with.
            let in_hour = outcome.risks.iter().rev().filter(|r| hour_of(r.at) == this);
            let risk = in_hour.filter_map(|r| r.probabilities[index]).next().unwrap_or(0.0);
            Some(Scored { truth, risk })
        })
        .collect()
}

/// Area under the ROC curve (Mann-Whitney, ties count half); `None` unless both classes occur.
#[must_use]
pub fn auroc(all: &[Scored]) -> Option<f64> {
    let mut sorted: Vec<&Scored> = all.iter().collect();
    sorted.sort_by(|a, b| a.risk.total_cmp(&b.risk));
    let positives = sorted.iter().filter(|s| s.truth).count() as f64;
    let negatives = sorted.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let mut rank_sum = 0.0;
    let mut i = 0;
    while i < sorted.len() {
        let ties = sorted[i..].iter().take_while(|s| s.risk.total_cmp(&sorted[i].risk).is_eq()).count();
        let mean_rank = i as f64 + (ties as f64 + 1.0) / 2.0;
        rank_sum += mean_rank * sorted[i..i + ties].iter().filter(|s| s.truth).count() as f64;
        i += ties;
    }
    Some((rank_sum - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}

/// Utility of one stay's hourly predictions: observed, best and inaction, unnormalised.
#[must_use]
pub fn utility(stay: &[Scored], threshold: f32) -> [f64; 3] {
    let onset = stay.iter().position(|s| s.truth).map(|first| first as f64 + 6.0);
    let mut sums = [0.0; 3];
    for (t, hour) in stay.iter().enumerate() {
        let t = t as f64;
        let best = onset.is_some_and(|o| (o - 12.0..=o + 3.0).contains(&t));
        sums[0] += hourly(t, onset, hour.risk >= threshold);
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
mod tests {
    use super::*;

    fn stay(labels: &str, alarms: &str) -> Vec<Scored> {
        let of = |c| f32::from(u8::from(c == '1'));
        labels.chars().zip(alarms.chars()).map(|(l, a)| Scored { truth: l == '1', risk: of(a) }).collect()
    }

    #[test]
    fn the_published_worked_case() {
        // evaluation-2019: labels 000011, alerts 001111.
        let [observed, _, _] = utility(&stay("000011", "001111"), 0.5);
        assert!((observed - 3.388_888_9).abs() < 1e-6, "{observed}");
    }

    #[test]
    fn auroc_counts_ties_half() {
        let s = |truth, risk| Scored { truth, risk };
        assert_eq!(auroc(&[s(true, 0.9), s(false, 0.1)]), Some(1.0));
        assert_eq!(auroc(&[s(true, 0.5), s(false, 0.5)]), Some(0.5));
        assert_eq!(auroc(&[s(true, 0.2), s(false, 0.1), s(false, 0.3)]), Some(0.5));
        assert_eq!(auroc(&[s(true, 0.2)]), None);
    }
}
