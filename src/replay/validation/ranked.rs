//! Risks against truths, with each stay counted as often as a resample drew it.

use crate::replay::labels::Scored;

/// Bins of the calibration error and of the reliability diagram.
pub const BINS: usize = 10;

#[derive(Debug, Clone, Copy)]
struct Row {
    risk: f32,
    truth: bool,
    stay: u32,
}

/// Rows of all stays, the highest risk first.
#[derive(Debug)]
pub struct Ranked(Vec<Row>);

/// Rows at or above a threshold: true ones and all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cut {
    /// The threshold.
    pub risk: f32,
    /// Positives at or above it.
    pub true_positives: f64,
    /// Rows at or above it.
    pub predicted: f64,
}

/// One bin of the reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Bin {
    /// Rows.
    pub rows: usize,
    /// Their mean risk.
    pub said: f64,
    /// The share of positives among them.
    pub seen: f64,
}

impl Ranked {
    /// The rows of each stay.
    pub fn new<'a>(stays: impl IntoIterator<Item = &'a [Scored]>) -> Self {
        let mut rows: Vec<Row> = (0_u32..)
            .zip(stays)
            .flat_map(|(stay, rows)| rows.iter().map(move |s| Row { risk: s.risk, truth: s.truth, stay }))
            .collect();
        rows.sort_by(|a, b| b.risk.total_cmp(&a.risk));
        Self(rows)
    }

    /// Rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Calls `each` at every distinct risk from the highest down.
    fn walk(&self, counts: &[u16], mut each: impl FnMut(Cut)) -> Cut {
        let mut cut = Cut { risk: f32::INFINITY, true_positives: 0.0, predicted: 0.0 };
        for (i, row) in self.0.iter().enumerate() {
            let n = f64::from(counts[row.stay as usize]);
            cut.risk = row.risk;
            cut.predicted += n;
            cut.true_positives += if row.truth { n } else { 0.0 };
            if self.0.get(i + 1).is_none_or(|next| next.risk != row.risk) {
                each(cut);
            }
        }
        cut
    }

    /// Positives and rows.
    fn totals(&self, counts: &[u16]) -> (f64, f64) {
        let all = self.walk(counts, |_| ());
        (all.true_positives, all.predicted)
    }

    /// Area under the ROC curve (Mann-Whitney, ties count half); `None` unless both classes occur.
    #[must_use]
    pub fn auroc(&self, counts: &[u16]) -> Option<f64> {
        let (mut area, mut before) = (0.0, (0.0, 0.0));
        let all = self.walk(counts, |cut| {
            let negatives = cut.predicted - cut.true_positives;
            area += (negatives - before.1) * (cut.true_positives + before.0) / 2.0;
            before = (cut.true_positives, negatives);
        });
        let (positives, negatives) = (all.true_positives, all.predicted - all.true_positives);
        (positives > 0.0 && negatives > 0.0).then(|| area / (positives * negatives))
    }

    /// Average precision: precision at every cut, weighted by the step of recall; `None` without positives.
    #[must_use]
    pub fn auprc(&self, counts: &[u16]) -> Option<f64> {
        let (mut sum, mut before) = (0.0, 0.0);
        let all = self.walk(counts, |cut| {
            if cut.true_positives > before {
                sum += (cut.true_positives - before) * cut.true_positives / cut.predicted;
            }
            before = cut.true_positives;
        });
        (all.true_positives > 0.0).then(|| sum / all.true_positives)
    }

    /// The best of min(sensitivity, positive predictivity) over all thresholds: event 1 of CinC 2012
    /// (Silva et al. 2012). `None` unless both classes occur.
    #[must_use]
    pub fn min_sensitivity_predictivity(&self, counts: &[u16]) -> Option<f64> {
        let (positives, rows) = self.totals(counts);
        if positives == 0.0 || positives == rows {
            return None;
        }
        let mut best: f64 = 0.0;
        self.walk(counts, |cut| {
            let (sensitivity, precision) =
                (cut.true_positives / positives, cut.true_positives / cut.predicted.max(1.0));
            best = best.max(sensitivity.min(precision));
        });
        Some(best)
    }

    /// Equally filled bins from the lowest risk up, as numpy's `array_split`: the first bins take the rest.
    #[must_use]
    pub fn bins(&self, counts: &[u16]) -> Vec<Bin> {
        let rows: usize = self.0.iter().map(|r| usize::from(counts[r.stay as usize])).sum();
        let mut drawn =
            self.0.iter().rev().flat_map(|r| std::iter::repeat_n(r, usize::from(counts[r.stay as usize])));
        let (size, longer) = (rows / BINS, rows % BINS);
        let mut bin = |i: usize| {
            let rows = size + usize::from(i < longer);
            let (mut said, mut seen) = (0.0, 0.0);
            for row in drawn.by_ref().take(rows) {
                said += f64::from(row.risk);
                seen += f64::from(u8::from(row.truth));
            }
            let n = rows.max(1) as f64;
            Bin { rows, said: said / n, seen: seen / n }
        };
        (0..BINS).map(&mut bin).filter(|b| b.rows > 0).collect()
    }

    /// Expected calibration error over ten equally filled bins; `None` when there is nothing.
    #[must_use]
    pub fn calibration_error(&self, counts: &[u16]) -> Option<f64> {
        let bins = self.bins(counts);
        let rows: usize = bins.iter().map(|b| b.rows).sum();
        let off: f64 = bins.iter().map(|b| b.rows as f64 * (b.said - b.seen).abs()).sum();
        (rows > 0).then(|| off / rows as f64)
    }

    /// (false positive rate, sensitivity) along the ROC curve, at most so many points besides the ends.
    #[must_use]
    pub fn roc(&self, counts: &[u16], points: usize) -> Vec<[f64; 2]> {
        let (positives, rows) = self.totals(counts);
        let negatives = rows - positives;
        if positives == 0.0 || negatives == 0.0 {
            return Vec::new();
        }
        let mut curve = vec![[0.0, 0.0]];
        let step = 1.0 / points.max(1) as f64;
        self.walk(counts, |cut| {
            let point = [(cut.predicted - cut.true_positives) / negatives, cut.true_positives / positives];
            let last = curve.last().copied().unwrap_or_default();
            if point[0] - last[0] + point[1] - last[1] >= 2.0 * step || cut.predicted == rows {
                curve.push(point);
            }
        });
        curve
    }

    /// Net benefit of acting at or above a threshold, per row (Vickers & Elkin, Med Decis Making
    /// 2006;26:565), and of acting always; never acting is 0.
    #[must_use]
    pub fn net_benefit(&self, counts: &[u16], thresholds: &[f64]) -> Vec<[f64; 2]> {
        let (positives, rows) = self.totals(counts);
        let benefit = |true_positives: f64, predicted: f64, threshold: f64| {
            (true_positives - (predicted - true_positives) * threshold / (1.0 - threshold)) / rows.max(1.0)
        };
        let at = |threshold: &f64| {
            let (mut true_positives, mut predicted) = (0.0, 0.0);
            for row in self.0.iter().take_while(|r| f64::from(r.risk) >= *threshold) {
                let n = f64::from(counts[row.stay as usize]);
                predicted += n;
                true_positives += if row.truth { n } else { 0.0 };
            }
            [benefit(true_positives, predicted, *threshold), benefit(positives, rows, *threshold)]
        };
        thresholds.iter().map(at).collect()
    }
}

#[cfg(test)]
mod tests;
