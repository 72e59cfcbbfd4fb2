//! A pane: the sufficient statistics of one series over one stretch of time, from which any window
//! made of whole panes is merged without looking at a value again (Li et al. 2005, "No pane, no
//! gain").
//!
//! Numerics: sums are taken of `x - shift` and `t - origin`, where both zeros are those of a value
//! of the pane itself. Merging moves the sums to the receiver's zeros. A zero always lies within
//! the range of the merged values, and range² / variance <= 2n, so the
//! one-pass variance `sum_sq - sum² / n` loses at most about `2n` units in the last place: 1e-10
//! relative for a day at 1 Hz. Equal values give a deviation and a slope of exactly zero.

use bedwatch_schemas::{
    summary::{WindowLength, WindowStats},
    time::EventTime,
};
use serde::{Deserialize, Serialize};

/// The sufficient statistics of a stretch of one series. Times are in seconds after `origin`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pane {
    /// Zero of the time sums: the time of the first value.
    pub origin: EventTime,
    /// Zero of the value sums: the first value.
    pub shift: f64,
    /// Values.
    pub count: u32,
    /// Sum of shifted values.
    pub sum: f64,
    /// Sum of their squares.
    pub sum_sq: f64,
    /// Sum of times.
    pub sum_t: f64,
    /// Sum of squared times.
    pub sum_tt: f64,
    /// Sum of time times shifted value.
    pub sum_tx: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// The value latest in time.
    pub last: f64,
    /// Its time.
    pub last_at: EventTime,
}

impl Pane {
    /// A pane of one value.
    #[must_use]
    pub fn of(at: EventTime, value: f64) -> Self {
        let mut pane = Self {
            origin: at,
            shift: value,
            count: 0,
            sum: 0.0,
            sum_sq: 0.0,
            sum_t: 0.0,
            sum_tt: 0.0,
            sum_tx: 0.0,
            min: value,
            max: value,
            last: value,
            last_at: at,
        };
        pane.push(at, value);
        pane
    }

    /// Adds a value.
    #[inline]
    pub fn push(&mut self, at: EventTime, value: f64) {
        let t = at.since(self.origin).as_secs_f64();
        let x = value - self.shift;
        self.count += 1;
        self.sum += x;
        self.sum_sq += x * x;
        self.sum_t += t;
        self.sum_tt += t * t;
        self.sum_tx += t * x;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if at >= self.last_at {
            self.last = value;
            self.last_at = at;
        }
    }

    /// Adds another pane's values.
    pub fn merge(&mut self, other: &Self) {
        let n = f64::from(other.count);
        let d = other.origin.since(self.origin).as_secs_f64();
        let e = other.shift - self.shift;
        let sum_t = other.sum_t + n * d;
        self.sum_tt += other.sum_tt + 2.0 * d * other.sum_t + n * d * d;
        self.sum_tx += other.sum_tx + d * other.sum + e * sum_t;
        self.sum_t += sum_t;
        self.sum_sq += other.sum_sq + 2.0 * e * other.sum + n * e * e;
        self.sum += other.sum + n * e;
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if other.last_at >= self.last_at {
            self.last = other.last;
            self.last_at = other.last_at;
        }
    }

    /// Arithmetic mean.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.shift + self.sum / f64::from(self.count)
    }

    /// Sample standard deviation (n - 1); 0 for one value.
    #[must_use]
    pub fn sd(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        let n = f64::from(self.count);
        ((self.sum_sq - self.sum * self.sum / n).max(0.0) / (n - 1.0)).sqrt()
    }

    /// Least-squares slope in units an hour; `None` with fewer than two distinct times.
    #[must_use]
    pub fn slope_per_hour(&self) -> Option<f64> {
        let n = f64::from(self.count);
        let var_t = self.sum_tt - self.sum_t * self.sum_t / n;
        // Times are whole microseconds: two distinct ones differ by 1e-6 s at least.
        (self.count > 1 && var_t > 1e-13 * n)
            .then(|| (self.sum_tx - self.sum_t * self.sum / n) / var_t * 3_600.0)
    }

    /// As a frame says it.
    #[must_use]
    pub fn stats(&self, length: WindowLength, expected: Option<u32>) -> WindowStats {
        WindowStats {
            length,
            mean: self.mean(),
            min: self.min,
            max: self.max,
            sd: self.sd(),
            slope_per_hour: self.slope_per_hour(),
            last: self.last,
            count: self.count,
            expected,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The plain two-pass definitions: mean, sd, slope an hour.
    pub(crate) fn two_pass(values: &[(EventTime, f64)]) -> (f64, f64, Option<f64>) {
        let n = values.len() as f64;
        let mean = values.iter().map(|v| v.1).sum::<f64>() / n;
        let t0 = values[0].0;
        let t: Vec<f64> = values.iter().map(|v| v.0.since(t0).as_secs_f64()).collect();
        let mean_t = t.iter().sum::<f64>() / n;
        let sxx: f64 = values.iter().map(|v| (v.1 - mean).powi(2)).sum();
        let stt: f64 = t.iter().map(|t| (t - mean_t).powi(2)).sum();
        let stx: f64 = t.iter().zip(values).map(|(t, v)| (t - mean_t) * (v.1 - mean)).sum();
        let sd = if values.len() < 2 { 0.0 } else { (sxx / (n - 1.0)).sqrt() };
        (mean, sd, (stt > 0.0).then(|| stx / stt * 3_600.0))
    }

    /// Agreement within 1e-9 of the natural scale of each number.
    pub(crate) fn assert_close(values: &[(EventTime, f64)], mean: f64, sd: f64, slope: Option<f64>) {
        let (want_mean, want_sd, want_slope) = two_pass(values);
        assert!((mean - want_mean).abs() <= 1e-9 * want_mean.abs().max(1e-3), "{mean} {want_mean}");
        assert!((sd - want_sd).abs() <= 1e-9 * want_sd.max(1e-3), "{sd} {want_sd}");
        assert_eq!(slope.is_some(), want_slope.is_some());
        if let (Some(a), Some(b)) = (slope, want_slope) {
            let span = values.last().unwrap().0.since(values[0].0).as_hours_f64().abs();
            let scale = b.abs().max(want_sd / span.max(1e-9));
            assert!((a - b).abs() <= 1e-9 * scale.max(1e-9), "{a} {b}");
        }
    }

    proptest! {
        /// Law: whatever the cut into panes, the merged statistics are the two-pass ones.
        #[test]
        fn merged_panes_equal_two_passes(
            steps in prop::collection::vec((1_i64..20_000_000, -3.0_f64..3.0), 2..400),
            base in -50.0_f64..300.0,
            pane_secs in 5_i64..120,
        ) {
            let mut at = EventTime::from_millis(1_700_000_000_000);
            let mut values = Vec::new();
            let mut panes: Vec<Pane> = Vec::new();
            let width = bedwatch_schemas::time::Span::secs(pane_secs);
            for (step, x) in steps {
                at = at + bedwatch_schemas::time::Span(step);
                values.push((at, base + x));
                match panes.last_mut() {
                    Some(p) if p.origin.floor(width) == at.floor(width) => p.push(at, base + x),
                    _ => panes.push(Pane::of(at, base + x)),
                }
            }
            let mut all = panes[0];
            for p in &panes[1..] {
                all.merge(p);
            }
            prop_assert_eq!(all.count as usize, values.len());
            prop_assert_eq!(all.last, values.last().unwrap().1);
            assert_close(&values, all.mean(), all.sd(), all.slope_per_hour());
        }
    }

    #[test]
    fn equal_values_deviate_by_exactly_nothing() {
        let t = |s: i64| EventTime::from_millis(1_700_000_000_000 + s * 1_000);
        let mut a = Pane::of(t(1), 36.6);
        let mut b = Pane::of(t(61), 36.6);
        a.push(t(2), 36.6);
        b.push(t(65), 36.6);
        a.merge(&b);
        assert_eq!((a.mean(), a.sd(), a.slope_per_hour()), (36.6, 0.0, Some(0.0)));
        assert_eq!(Pane::of(t(1), 5.0).slope_per_hour(), None);
    }
}
