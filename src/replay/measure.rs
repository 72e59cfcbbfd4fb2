//! How well risks rank and how true they are, with the definitions of the training package
//! (`inference/training/bedwatch_training/measures.py`), so that its figures and a replay's can
//! stand in one table.

use super::labels::Scored;

/// Bins of the calibration error.
const BINS: usize = 10;

/// The counts at a threshold: everything at or above it is predicted.
#[derive(Debug, Clone, Copy)]
struct Cut {
    true_positives: f64,
    predicted: f64,
}

/// The cuts at every distinct risk, from the highest down, and the number of positives.
fn cuts(all: &[Scored]) -> (Vec<Cut>, f64) {
    let mut sorted: Vec<&Scored> = all.iter().collect();
    sorted.sort_by(|a, b| b.risk.total_cmp(&a.risk));
    let mut cuts = Vec::new();
    let mut cut = Cut { true_positives: 0.0, predicted: 0.0 };
    for (i, scored) in sorted.iter().enumerate() {
        cut.predicted += 1.0;
        cut.true_positives += f64::from(u8::from(scored.truth));
        if sorted.get(i + 1).is_none_or(|next| next.risk != scored.risk) {
            cuts.push(cut);
        }
    }
    (cuts, cut.true_positives)
}

/// Area under the ROC curve (Mann-Whitney, ties count half); `None` unless both classes occur.
#[must_use]
pub fn auroc(all: &[Scored]) -> Option<f64> {
    let (cuts, positives) = cuts(all);
    let negatives = all.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let (mut area, mut before) = (0.0, Cut { true_positives: 0.0, predicted: 0.0 });
    for cut in cuts {
        let width = (cut.predicted - cut.true_positives) - (before.predicted - before.true_positives);
        area += width * (cut.true_positives + before.true_positives) / 2.0;
        before = cut;
    }
    Some(area / (positives * negatives))
}

/// Average precision: precision at every cut, weighted by the step of recall; `None` without positives.
#[must_use]
pub fn auprc(all: &[Scored]) -> Option<f64> {
    let (cuts, positives) = cuts(all);
    if positives == 0.0 {
        return None;
    }
    let mut before = 0.0;
    let mut sum = 0.0;
    for cut in cuts {
        sum += (cut.true_positives - before) * cut.true_positives / cut.predicted;
        before = cut.true_positives;
    }
    Some(sum / positives)
}

/// The best of min(sensitivity, positive predictivity) over all thresholds: event 1 of CinC 2012
/// (Silva et al. 2012). `None` unless both classes occur.
#[must_use]
pub fn min_sensitivity_predictivity(all: &[Scored]) -> Option<f64> {
    let (cuts, positives) = cuts(all);
    if positives == 0.0 || positives == all.len() as f64 {
        return None;
    }
    cuts.iter()
        .map(|c| (c.true_positives / positives).min(c.true_positives / c.predicted))
        .max_by(f64::total_cmp)
}

/// Expected calibration error over ten equally filled bins; `None` when there is nothing.
#[must_use]
pub fn calibration_error(all: &[Scored]) -> Option<f64> {
    if all.is_empty() {
        return None;
    }
    let mut sorted: Vec<&Scored> = all.iter().collect();
    sorted.sort_by(|a, b| a.risk.total_cmp(&b.risk));
    let (size, longer) = (sorted.len() / BINS, sorted.len() % BINS);
    let (mut error, mut from) = (0.0, 0);
    for bin in 0..BINS {
        // As numpy's array_split: the first bins take the rest.
        let to = from + size + usize::from(bin < longer);
        let said: f64 = sorted[from..to].iter().map(|s| f64::from(s.risk)).sum();
        let seen = sorted[from..to].iter().filter(|s| s.truth).count() as f64;
        error += (said - seen).abs();
        from = to;
    }
    Some(error / sorted.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(rows: &[(bool, f32)]) -> Vec<Scored> {
        rows.iter().map(|&(truth, risk)| Scored { truth, risk }).collect()
    }

    fn close(got: Option<f64>, want: f64) {
        assert!(got.is_some_and(|g| (g - want).abs() < 1e-7), "{got:?} is not {want}");
    }

    #[test]
    fn ranks_and_ties() {
        // Area, average precision, event 1; by hand; the areas of the last by scikit-learn 1.9.1.
        type Case = (&'static [(bool, f32)], f64, f64, f64);
        let cases: [Case; 5] = [
            (&[(true, 0.9), (false, 0.1)], 1.0, 1.0, 1.0),
            (&[(true, 0.5), (false, 0.5)], 0.5, 0.5, 0.5),
            (&[(true, 0.2), (false, 0.1), (false, 0.3)], 0.5, 0.5, 0.5),
            (&[(true, 0.1), (false, 0.9)], 0.0, 0.5, 0.5),
            (
                &[(false, 0.1), (false, 0.4), (true, 0.35), (true, 0.8), (true, 0.4), (false, 0.9)],
                0.5,
                0.533_333_333_3,
                0.6,
            ),
        ];
        for (rows, area, precision, event_1) in cases {
            let all = scored(rows);
            close(auroc(&all), area);
            close(auprc(&all), precision);
            close(min_sensitivity_predictivity(&all), event_1);
        }
    }

    #[test]
    fn one_class_has_no_rank() {
        for rows in [&[][..], &[(true, 0.2)]] {
            assert_eq!(auroc(&scored(rows)), None);
            assert_eq!(min_sensitivity_predictivity(&scored(rows)), None);
        }
        assert_eq!(auprc(&scored(&[(false, 0.2)])), None);
    }

    #[test]
    fn calibration_by_bins() {
        assert_eq!(calibration_error(&[]), None);
        // Eleven values: the first bin holds two, which is (|0.25 - 0.5| * 2 + nine exact ones) / 11.
        let mut rows = vec![(false, 0.25), (true, 0.25)];
        rows.extend([(true, 1.0); 9]);
        close(calibration_error(&scored(&rows)), 0.5 / 11.0);
        let even: Vec<_> = (0..1_000).map(|i| (i % 4 == 0, 0.25)).collect();
        close(calibration_error(&scored(&even)), 0.0);
        close(calibration_error(&scored(&[(true, 0.0), (false, 1.0)])), 1.0);
    }
}
