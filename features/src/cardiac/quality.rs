//! Whether the last ten seconds can be believed.
//!
//! Orphanidou et al. (IEEE JBHI 2015;19:832): the rate lies in 40-180 /min, no gap is longer than 3 s,
//! the longest interval is at most 2.2 times the shortest, and the beats resemble their mean: mean
//! correlation of at least .66 (ECG) or .86 (pulse). Before that, plain checks of the line itself:
//! three flat seconds, or three seconds with a fifth of their samples on the rail, or a tenth of the
//! samples missing, are no signal.

use std::collections::VecDeque;

use bedwatch_schemas::event::Modality;
use serde::{Deserialize, Serialize};

/// The window of rate and quality, seconds.
pub(super) const WINDOW_SECS: usize = 10;
const RATE_PER_MIN: std::ops::RangeInclusive<f64> = 40.0..=180.0;
const LONGEST_GAP_SECS: f64 = 3.0;
const LARGEST_RATIO: f64 = 2.2;
const FLAT_SECS: usize = 3;
const RAILED_SECS: usize = 3;
const RAILED_SHARE: f64 = 0.2;
const MISSING_SHARE: f64 = 0.1;
/// Points of a beat's shape.
pub(super) const SHAPE_POINTS: usize = 32;

/// The least correlation that is believed.
pub(super) fn least_correlation(modality: Modality) -> f64 {
    if modality == Modality::Ecg { 0.66 } else { 0.86 }
}

/// The rate of beats at these times, if they pass the three plausibility rules. `from` and `to`
/// bound the window, seconds.
pub(super) fn plausible_rate(beats_secs: &[f64], from: f64, to: f64) -> Option<f64> {
    let (first, last) = (*beats_secs.first()?, *beats_secs.last()?);
    let intervals = || beats_secs.windows(2).map(|w| w[1] - w[0]);
    let (shortest, longest) = intervals().fold((f64::INFINITY, 0.0), |(lo, hi), i| (i.min(lo), i.max(hi)));
    let rate = 60.0 * (beats_secs.len() - 1) as f64 / (last - first);
    let gap = longest.max(first - from).max(to - last);
    let passes =
        RATE_PER_MIN.contains(&rate) && gap <= LONGEST_GAP_SECS && longest <= LARGEST_RATIO * shortest;
    passes.then_some(rate)
}

/// Mean correlation of beat shapes with their mean; `None` with fewer than two.
pub(super) fn correlation(shapes: &[&[f32; SHAPE_POINTS]]) -> Option<f64> {
    if shapes.len() < 2 {
        return None;
    }
    let mut mean = [0.0_f64; SHAPE_POINTS];
    for shape in shapes {
        mean.iter_mut().zip(shape.iter()).for_each(|(m, x)| *m += f64::from(*x) / shapes.len() as f64);
    }
    Some(shapes.iter().map(|shape| pearson(&mean, shape)).sum::<f64>() / shapes.len() as f64)
}

fn pearson(a: &[f64; SHAPE_POINTS], b: &[f32; SHAPE_POINTS]) -> f64 {
    let n = SHAPE_POINTS as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().map(|x| f64::from(*x)).sum::<f64>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x - mean_a, f64::from(*y) - mean_b);
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    if aa > 0.0 && bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}

/// What one second of line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Second {
    number: u64,
    min: f32,
    max: f32,
    /// Samples at the extremes so far.
    at_min: u32,
    at_max: u32,
    sum: f64,
    count: u32,
}

/// The last seconds of line, and the running one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    samples_a_second: u64,
    /// Whole seconds that are judged.
    window_secs: usize,
    seconds: VecDeque<Second>,
}

impl Line {
    pub(super) fn new(rate_hz: f64, window_secs: usize) -> Self {
        Self { samples_a_second: rate_hz.round() as u64, window_secs, seconds: VecDeque::new() }
    }

    /// Takes a sample that is there.
    pub(super) fn push(&mut self, x: f32, at: u64) {
        let number = at / self.samples_a_second;
        if self.seconds.back().is_none_or(|s| s.number != number) {
            let empty = Second {
                number,
                min: f32::INFINITY,
                max: f32::NEG_INFINITY,
                at_min: 0,
                at_max: 0,
                sum: 0.0,
                count: 0,
            };
            self.seconds.push_back(empty);
            while self.seconds.front().is_some_and(|s| s.number + (self.window_secs as u64) < number) {
                self.seconds.pop_front();
            }
        }
        if let Some(second) = self.seconds.back_mut() {
            second.take(x);
        }
    }

    /// Seconds of the window before sample `next`.
    fn window(&self, next: u64) -> impl Iterator<Item = &Second> {
        let end = next / self.samples_a_second;
        self.seconds.iter().filter(move |s| s.number + self.window_secs as u64 >= end && s.number < end)
    }

    /// Whether the window's whole seconds before sample `next` hold a line at all. Flat means less than
    /// .01 mV (ECG), 2 mm\[Hg\] (arterial), or a fiftieth of the window's range (pleth, no unit).
    pub(super) fn is_usable(&self, modality: Modality, next: u64) -> bool {
        let (mut lo, mut hi, mut count) = (f32::INFINITY, f32::NEG_INFINITY, 0u64);
        for second in self.window(next) {
            lo = lo.min(second.min);
            hi = hi.max(second.max);
            count += u64::from(second.count);
        }
        let expected = self.samples_a_second * self.window_secs as u64;
        if (count as f64) < (1.0 - MISSING_SHARE) * expected as f64 || hi <= lo {
            return false;
        }
        let flat = match modality {
            Modality::Ecg => 0.01,
            Modality::Abp => 2.0,
            _ => (hi - lo) * 0.02,
        };
        let (mut run, mut longest, mut railed) = (0, 0, 0);
        for second in self.window(next) {
            run = if second.max - second.min < flat { run + 1 } else { 0 };
            longest = longest.max(run);
            railed += usize::from(second.railed_share() > RAILED_SHARE);
        }
        longest < FLAT_SECS && railed < RAILED_SECS
    }

    /// The mean of the window's samples.
    pub(super) fn mean(&self, next: u64) -> Option<f64> {
        let (sum, count) =
            self.window(next).fold((0.0, 0u32), |(sum, count), s| (sum + s.sum, count + s.count));
        (count > 0).then(|| sum / f64::from(count))
    }
}

impl Second {
    fn take(&mut self, x: f32) {
        self.at_min = if x < self.min { 1 } else { self.at_min + u32::from(x == self.min) };
        self.at_max = if x > self.max { 1 } else { self.at_max + u32::from(x == self.max) };
        self.min = self.min.min(x);
        self.max = self.max.max(x);
        self.sum += f64::from(x);
        self.count += 1;
    }

    fn railed_share(&self) -> f64 {
        f64::from(self.at_min.max(self.at_max)) / f64::from(self.count.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(interval: f64) -> Vec<f64> {
        (0..).map(|i| 0.2 + f64::from(i) * interval).take_while(|t| *t <= 10.0).collect()
    }

    #[test]
    fn plausibility_boundaries() {
        let mut early = every(1.0);
        early[5] -= 0.374;
        let mut earlier = every(1.0);
        earlier[5] -= 0.376;
        let mut dropped = every(0.5);
        dropped.retain(|t| !(3.0..5.9).contains(t));
        // (name, beats, rate)
        let cases = [
            ("60", every(1.0), Some(60.0)),
            ("40", every(1.5), Some(40.0)),
            ("39", every(1.54), None),
            ("180", every(1.0 / 3.0 + 1e-9), Some(180.0)),
            ("181", every(60.0 / 181.0), None),
            ("ratio 2.19", early, Some(60.0)),
            ("ratio 2.21", earlier, None),
            ("a hole of 3.0 s", dropped, None),
            ("none at the start", every(1.0).split_off(4), None),
            ("silence at the end", every(1.0)[..6].to_vec(), None),
            ("one beat", vec![5.0], None),
            ("none", vec![], None),
        ];
        for (name, beats, want) in cases {
            let got = plausible_rate(&beats, 0.0, 10.0);
            assert_eq!(got.map(f64::round), want, "{name}");
        }
    }

    #[test]
    fn shapes_are_compared_with_their_mean() {
        let shape = |f: &dyn Fn(f32) -> f32| -> [f32; SHAPE_POINTS] { std::array::from_fn(|i| f(i as f32)) };
        let (up, down) = (shape(&|i| (i * 0.3).sin()), shape(&|i| -(i * 0.3).sin()));
        let large = shape(&|i| 5.0 + 3.0 * (i * 0.3).sin());
        assert!((correlation(&[&up, &up, &large]).unwrap() - 1.0).abs() < 1e-6);
        assert!(correlation(&[&up, &up, &down]).unwrap() < 0.5);
        assert_eq!(correlation(&[&up]), None);
        assert_eq!(correlation(&[&[1.0; SHAPE_POINTS], &[1.0; SHAPE_POINTS]]), Some(0.0));
    }

    #[test]
    fn lines() {
        let wave = |i: u64| (i as f32 * 0.05).sin();
        // (name, value of a sample, usable)
        type Case = (&'static str, Box<dyn Fn(u64) -> f32>, bool);
        let cases: Vec<Case> = vec![
            ("wave", Box::new(wave), true),
            ("flat", Box::new(|_| 0.5), false),
            (
                "two flat seconds",
                Box::new(move |i| if (300..500).contains(&i) { 0.5 } else { wave(i) }),
                true,
            ),
            (
                "three flat seconds",
                Box::new(move |i| if (300..600).contains(&i) { 0.5 } else { wave(i) }),
                false,
            ),
            ("clipped", Box::new(move |i| (wave(i) * 4.0).clamp(-1.0, 1.0)), false),
            ("a tenth missing", Box::new(move |i| if i < 100 { f32::NAN } else { wave(i) }), true),
            ("more missing", Box::new(move |i| if i < 101 { f32::NAN } else { wave(i) }), false),
        ];
        for (name, value, want) in cases {
            let mut line = Line::new(100.0, WINDOW_SECS);
            (0..1_000).filter(|&i| !value(i).is_nan()).for_each(|i| line.push(value(i), i));
            assert_eq!(line.is_usable(Modality::Ecg, 1_000), want, "{name}");
        }
    }
}
