//! The two filters of beat detection: a Butterworth section and a sliding sum, in f64.

use serde::{Deserialize, Serialize};

/// A second-order Butterworth section (bilinear transform, transposed direct form II).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Section {
    b: [f64; 3],
    a: [f64; 2],
    /// Memory; `None` before the first sample, which is taken as the level from long before.
    state: Option<[f64; 2]>,
}

impl Section {
    pub(super) fn low_pass(hz: f64, rate_hz: f64) -> Self {
        Self::new(hz, rate_hz, true)
    }

    pub(super) fn high_pass(hz: f64, rate_hz: f64) -> Self {
        Self::new(hz, rate_hz, false)
    }

    fn new(hz: f64, rate_hz: f64, low: bool) -> Self {
        let w = (std::f64::consts::PI * hz / rate_hz).tan();
        let norm = 1.0 / (1.0 + std::f64::consts::SQRT_2 * w + w * w);
        let (b0, b1) = if low { (w * w * norm, 2.0 * w * w * norm) } else { (norm, -2.0 * norm) };
        let a1 = 2.0 * (w * w - 1.0) * norm;
        let a2 = (1.0 - std::f64::consts::SQRT_2 * w + w * w) * norm;
        Self { b: [b0, b1, b0], a: [a1, a2], state: None }
    }

    pub(super) fn reset(&mut self) {
        self.state = None;
    }

    pub(super) fn step(&mut self, x: f64) -> f64 {
        let gain = self.b.iter().sum::<f64>() / (1.0 + self.a[0] + self.a[1]);
        let settled = || [x * gain - self.b[0] * x, self.b[2] * x - self.a[1] * x * gain];
        let [s0, s1] = self.state.unwrap_or_else(settled);
        let y = self.b[0] * x + s0;
        let next = [self.b[1] * x - self.a[0] * y + s1, self.b[2] * x - self.a[1] * y];
        self.state = Some(next.map(|s| if s.abs() < 1e-30 { 0.0 } else { s }));
        y
    }
}

/// The sum of the last values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SlidingSum {
    values: Vec<f64>,
    next: usize,
    sum: f64,
}

impl SlidingSum {
    pub(super) fn new(len: usize) -> Self {
        Self { values: vec![0.0; len.max(1)], next: 0, sum: 0.0 }
    }

    pub(super) fn reset(&mut self) {
        *self = Self::new(self.values.len());
    }

    pub(super) fn push(&mut self, value: f64) -> f64 {
        self.sum += value - self.values[self.next];
        self.values[self.next] = value;
        self.next = (self.next + 1) % self.values.len();
        if self.next == 0 {
            // Rounding left by a large artifact does not outlive it.
            self.sum = self.values.iter().sum();
        }
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_pass_and_stop() {
        // (low-pass, corner, frequency, least and greatest gain)
        let cases = [
            (true, 15.0, 1.0, 0.98, 1.01),
            (true, 15.0, 15.0, 0.69, 0.73),
            (true, 15.0, 60.0, 0.0, 0.07),
            (false, 5.0, 0.5, 0.0, 0.02),
            (false, 5.0, 5.0, 0.69, 0.73),
            (false, 5.0, 30.0, 0.98, 1.01),
        ];
        for (low, corner, hz, least, greatest) in cases {
            let mut section = Section::new(corner, 250.0, low);
            let out: Vec<f64> = (0..1_000)
                .map(|i| section.step((std::f64::consts::TAU * hz * f64::from(i) / 250.0).sin()))
                .collect();
            let gain = out[500..].iter().copied().fold(0.0, f64::max);
            assert!((least..=greatest).contains(&gain), "{low} {corner} {hz}: {gain}");
        }
    }

    #[test]
    fn a_constant_is_settled_from_the_first_sample() {
        let (mut low, mut high) = (Section::low_pass(15.0, 250.0), Section::high_pass(5.0, 250.0));
        for _ in 0..50 {
            assert!((low.step(80.0) - 80.0).abs() < 1e-9);
            assert!(high.step(80.0).abs() < 1e-9);
        }
    }

    #[test]
    fn the_sum_slides() {
        let mut sum = SlidingSum::new(3);
        let got: Vec<f64> = [1.0, 2.0, 3.0, 4.0, 5.0].into_iter().map(|v| sum.push(v)).collect();
        assert_eq!(got, [1.0, 3.0, 6.0, 9.0, 12.0]);
    }
}
