//! Percentile bootstrap over stays (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter
//! 13): hours of one patient are not independent, so whole stays are drawn.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// Fixed, so that two reports of the same data are the same bytes.
const SEED: u64 = 20_190_806;
/// Resamples of a study of up to [`MANY`] rows, and of a larger one, whose intervals are narrow anyway.
const RESAMPLES: usize = 1_000;
const FEWER: usize = 200;
const MANY: usize = 100_000;

/// A statistic with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Of the data as they are.
    pub value: f64,
    /// The 2.5th percentile over the resamples.
    pub low: f64,
    /// The 97.5th.
    pub high: f64,
}

/// How often each stay was drawn, by resample.
#[derive(Debug)]
pub struct Resamples {
    draws: Vec<Vec<u16>>,
    once: Vec<u16>,
}

impl Resamples {
    /// Draws for so many stays with so many rows together.
    #[must_use]
    pub fn new(stays: usize, rows: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        let resamples = if rows > MANY { FEWER } else { RESAMPLES };
        let mut draw = || {
            let mut counts = vec![0_u16; stays];
            for _ in 0..stays {
                let drawn = &mut counts[rng.random_range(0..stays)];
                *drawn = drawn.saturating_add(1);
            }
            counts
        };
        Self { draws: (0..resamples).map(|_| draw()).collect(), once: vec![1; stays] }
    }

    /// Every stay once: the data as they are.
    #[must_use]
    pub fn once(&self) -> &[u16] {
        &self.once
    }

    /// The interval of a statistic of how often each stay counts. `None` where it is not defined of the
    /// data as they are; resamples of which it is not defined (no positive among them) are left out.
    pub fn interval(&self, statistic: impl Fn(&[u16]) -> Option<f64>) -> Option<Interval> {
        let value = statistic(&self.once)?;
        let mut all: Vec<f64> = self.draws.iter().filter_map(|counts| statistic(counts)).collect();
        all.sort_by(f64::total_cmp);
        let at = |share: f64| quantile(&all, share).unwrap_or(value);
        Some(Interval { value, low: at(0.025), high: at(0.975) })
    }
}

/// The share of `hits` among `all` with Wilson's score interval (J Am Stat Assoc 1927;22:209), which also
/// says something where all or none are hits; `None` of nothing.
#[must_use]
pub fn wilson(hits: usize, all: usize) -> Option<Interval> {
    const Z: f64 = 1.959_963_984_540_054;
    if all == 0 {
        return None;
    }
    let n = all as f64;
    let share = hits as f64 / n;
    let centre = share + Z * Z / (2.0 * n);
    let reach = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    let [low, high] = [centre - reach, centre + reach].map(|x| (x / scale).clamp(0.0, 1.0));
    Some(Interval { value: share, low, high })
}

/// A quantile of sorted values, between neighbours by line (type 7 of Hyndman & Fan, 1996).
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let below = place.floor();
    let (low, high) = (sorted[below as usize], sorted[place.ceil() as usize]);
    Some(low + (high - low) * (place - below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[], 0.5), None);
        for (share, want) in [(0.0, 1.0), (0.25, 1.75), (0.5, 2.5), (1.0, 4.0), (2.0, 4.0)] {
            assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], share), Some(want), "{share}");
        }
        assert_eq!(quantile(&[7.0], 0.9), Some(7.0));
    }

    /// Newcombe, Stat Med 1998;17:857, table I.
    #[test]
    fn shares_have_the_intervals_of_a_textbook() {
        for (hits, all, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let got = wilson(hits, all).unwrap();
            assert!((got.low - low).abs() < 5e-5 && (got.high - high).abs() < 5e-5, "{hits}/{all}: {got:?}");
        }
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(5, 5).map(|i| i.high), Some(1.0));
    }

    /// The interval of a mean is the mean give or take 1.96 standard errors.
    #[test]
    fn a_mean_has_the_interval_that_theory_gives_it() {
        let stays = 400;
        let values: Vec<f64> = (0..stays).map(|i| f64::from(i % 7)).collect();
        let resamples = Resamples::new(values.len(), values.len());
        let mean = |counts: &[u16]| {
            let sum: f64 = counts.iter().zip(&values).map(|(n, v)| f64::from(*n) * v).sum();
            Some(sum / f64::from(counts.iter().map(|n| u32::from(*n)).sum::<u32>()))
        };
        let got = resamples.interval(mean).unwrap();
        let n = f64::from(stays);
        let centre = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / n;
        let reach = 1.96 * (variance / n).sqrt();
        assert!((got.value - centre).abs() < 1e-12);
        assert!((got.low - (centre - reach)).abs() < 0.15 * reach, "{got:?} for {centre} +- {reach}");
        assert!((got.high - (centre + reach)).abs() < 0.15 * reach, "{got:?} for {centre} +- {reach}");
        assert_eq!(resamples.interval(mean), Some(got), "the same draws each time");
        assert_eq!(resamples.interval(|_| None), None);
    }
}
