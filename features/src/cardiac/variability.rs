//! Heart-rate variability over five minutes.
//!
//! Task Force of ESC and NASPE (Circulation 1996;93:1043): SDNN, RMSSD, pNN50; LF .04-.15 Hz, HF
//! .15-.4 Hz. Intervals are normal when they follow without a gap, last 300 to 2,000 ms and differ by
//! at most 20 % from the median of their neighbourhood (ectopic beats and misses fall out). The
//! spectrum is a Lomb-Scargle periodogram of the intervals (Laguna, Moody, Mark 1998), which needs no
//! resampling; the LF bound asks for ten of its periods, 250 s.

use serde::{Deserialize, Serialize};

const NORMAL_MS: (f64, f64) = (300.0, 2_000.0);
const NEIGHBOURS_EACH_SIDE: usize = 2;
const ECTOPIC: f64 = 0.2;
/// Normal intervals needed: this long together, and this share of all.
const TIME_DOMAIN_MS: f64 = 60_000.0;
const FREQUENCY_DOMAIN_SECS: f64 = 250.0;
const NORMAL_SHARE: f64 = 0.8;
const LF_HZ: (f64, f64) = (0.04, 0.15);
const HF_HZ: (f64, f64) = (0.15, 0.4);

/// Variability of the last five minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Variability {
    pub sdnn_ms: Option<f64>,
    pub rmssd_ms: Option<f64>,
    pub pnn50_percent: Option<f64>,
    pub lf_ms2: Option<f64>,
    pub hf_ms2: Option<f64>,
}

/// An interval that ends at `at_secs`; `None` length where the beats do not follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Interval {
    pub at_secs: f64,
    pub ms: Option<f64>,
}

impl Variability {
    pub(super) fn new(intervals: &[Interval]) -> Self {
        let normal = normal(intervals);
        let kept: Vec<(f64, f64)> = intervals
            .iter()
            .zip(&normal)
            .filter_map(|(i, ok)| i.ms.filter(|_| *ok).map(|ms| (i.at_secs, ms)))
            .collect();
        let covered: f64 = kept.iter().map(|k| k.1).sum();
        if covered < TIME_DOMAIN_MS || (kept.len() as f64) < NORMAL_SHARE * intervals.len() as f64 {
            return Self::default();
        }
        let n = kept.len() as f64;
        let mean = covered / n;
        let sdnn = (kept.iter().map(|k| (k.1 - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        // Differences only between intervals that touch.
        let differences: Vec<f64> = (1..intervals.len())
            .filter(|&i| normal[i] && normal[i - 1])
            .filter_map(|i| Some(intervals[i].ms? - intervals[i - 1].ms?))
            .collect();
        let count = differences.len() as f64;
        let has_differences = !differences.is_empty();
        let squares: f64 = differences.iter().map(|d| d * d).sum();
        let over_50 = differences.iter().filter(|d| d.abs() > 50.0).count() as f64;
        let spectrum = (covered >= FREQUENCY_DOMAIN_SECS * 1_000.0).then(|| lomb_scargle(&kept));
        Self {
            sdnn_ms: Some(sdnn),
            rmssd_ms: has_differences.then(|| (squares / count).sqrt()),
            pnn50_percent: has_differences.then(|| over_50 / count * 100.0),
            lf_ms2: spectrum.map(|s| s.0),
            hf_ms2: spectrum.map(|s| s.1),
        }
    }
}

fn normal(intervals: &[Interval]) -> Vec<bool> {
    (0..intervals.len())
        .map(|i| {
            let Some(ms) = intervals[i].ms.filter(|ms| (NORMAL_MS.0..=NORMAL_MS.1).contains(ms)) else {
                return false;
            };
            let from = i.saturating_sub(NEIGHBOURS_EACH_SIDE);
            let to = (i + NEIGHBOURS_EACH_SIDE + 1).min(intervals.len());
            let mut around: Vec<f64> = intervals[from..to].iter().filter_map(|n| n.ms).collect();
            around.sort_unstable_by(f64::total_cmp);
            let median = around[around.len() / 2];
            (ms - median).abs() <= ECTOPIC * median
        })
        .collect()
}

/// Power in the LF and HF band, ms², of (time s, interval ms) with at least two points.
fn lomb_scargle(series: &[(f64, f64)]) -> (f64, f64) {
    let n = series.len() as f64;
    let span = series[series.len() - 1].0 - series[0].0;
    let values = detrended(series);
    let width_hz = 1.0 / span;
    // Each beat's phasor turns by one step of frequency at a time.
    let turn: Vec<(f64, f64)> = series
        .iter()
        .map(|(t, _)| (std::f64::consts::TAU * width_hz * (t - series[0].0)).sin_cos())
        .map(|(sin, cos)| (cos, sin))
        .collect();
    let mut phasor = vec![(1.0, 0.0); series.len()];
    let (mut lf, mut hf, mut k) = (0.0, 0.0, 0u32);
    loop {
        k += 1;
        let hz = f64::from(k) * width_hz;
        if hz >= HF_HZ.1 {
            return (lf, hf);
        }
        let (mut xc, mut xs, mut c2, mut s2) = (0.0, 0.0, 0.0, 0.0);
        for ((p, t), x) in phasor.iter_mut().zip(&turn).zip(&values) {
            let (c, s) = (p.0 * t.0 - p.1 * t.1, p.1 * t.0 + p.0 * t.1);
            *p = (c, s);
            xc += x * c;
            xs += x * s;
            c2 += c * c - s * s;
            s2 += 2.0 * c * s;
        }
        if hz < LF_HZ.0 {
            continue;
        }
        let (sin, cos) = (0.5 * s2.atan2(c2)).sin_cos();
        let r = c2.hypot(s2);
        let (along, across) = (cos * xc + sin * xs, cos * xs - sin * xc);
        // One-sided density 2 span/n times the periodogram, times the width 1/span.
        let power = (along * along / (n + r) + across * across / (n - r).max(1e-9)) * 2.0 / n;
        if hz < LF_HZ.1 { lf += power } else { hf += power }
    }
}

/// Without mean and linear trend.
fn detrended(series: &[(f64, f64)]) -> Vec<f64> {
    let n = series.len() as f64;
    let mean_t = series.iter().map(|p| p.0).sum::<f64>() / n;
    let mean_x = series.iter().map(|p| p.1).sum::<f64>() / n;
    let covariance: f64 = series.iter().map(|p| (p.0 - mean_t) * (p.1 - mean_x)).sum();
    let variance: f64 = series.iter().map(|p| (p.0 - mean_t).powi(2)).sum();
    let slope = if variance > 0.0 { covariance / variance } else { 0.0 };
    series.iter().map(|p| p.1 - mean_x - slope * (p.0 - mean_t)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(ms: impl IntoIterator<Item = f64>) -> Vec<Interval> {
        let mut at = 0.0;
        ms.into_iter()
            .map(|ms| {
                at += ms / 1_000.0;
                Interval { at_secs: at, ms: Some(ms) }
            })
            .collect()
    }

    /// Intervals around 800 ms that swing by `amplitude` at `hz` for `secs`.
    fn swinging(amplitude: f64, hz: f64, secs: f64) -> Vec<Interval> {
        let (mut at, mut out) = (0.0, Vec::new());
        while at < secs {
            let ms = 800.0 + amplitude * (std::f64::consts::TAU * hz * at).sin();
            at += ms / 1_000.0;
            out.push(Interval { at_secs: at, ms: Some(ms) });
        }
        out
    }

    #[test]
    fn time_domain_by_hand() {
        let v = Variability::new(&series((0..100).map(|i| if i % 2 == 0 { 780.0 } else { 840.0 })));
        assert!((v.sdnn_ms.unwrap() - 30.0 * (100.0_f64 / 99.0).sqrt()).abs() < 1e-9);
        assert!((v.rmssd_ms.unwrap() - 60.0).abs() < 1e-9);
        assert_eq!(v.pnn50_percent, Some(100.0));
        assert_eq!((v.lf_ms2, v.hf_ms2), (None, None));
    }

    #[test]
    fn how_much_is_needed() {
        // (normal intervals of 1 s, broken ones, time domain, frequency domain)
        let cases = [
            (59, 0, false, false),
            (60, 0, true, false),
            (249, 0, true, false),
            (252, 0, true, true),
            (80, 20, true, false),
            (79, 21, false, false),
        ];
        for (good, broken, time, frequency) in cases {
            let mut intervals = series((0..good).map(|_| 1_000.0));
            intervals.extend((0..broken).map(|i| Interval { at_secs: 1_000.0 + f64::from(i), ms: None }));
            let v = Variability::new(&intervals);
            assert_eq!(v.sdnn_ms.is_some(), time, "{good} {broken}");
            assert_eq!(v.lf_ms2.is_some(), frequency, "{good} {broken}");
        }
    }

    #[test]
    fn ectopic_beats_fall_out() {
        let mut ms = vec![800.0; 100];
        ms[50] = 500.0;
        ms[51] = 1_100.0;
        let v = Variability::new(&series(ms));
        assert_eq!((v.sdnn_ms, v.rmssd_ms), (Some(0.0), Some(0.0)));
    }

    #[test]
    fn a_swing_gives_half_its_squared_amplitude_in_its_band() {
        // (frequency, expected LF, expected HF) for 30 ms: 450 ms².
        for (hz, lf, hf) in [(0.1, 450.0, 0.0), (0.25, 0.0, 450.0)] {
            let v = Variability::new(&swinging(30.0, hz, 300.0));
            let (got_lf, got_hf) = (v.lf_ms2.unwrap(), v.hf_ms2.unwrap());
            assert!((got_lf - lf).abs() < 45.0 && (got_hf - hf).abs() < 45.0, "{hz}: {got_lf} {got_hf}");
        }
    }
}
