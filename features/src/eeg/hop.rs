//! What a second of EEG says in the time domain, four channels at a time.
//!
//! Extremes, line length and steps are kept by hop (1 s) and joined over the four hops of a window,
//! so that each sample is looked at once. The mains are notched out first: in the real recordings
//! 100 to 400 uV of it, common to all channels, lie over an EEG that is otherwise good. Two causal filters run along: the slow one removes the DC
//! offset and finds suppression (within 5 uV of zero for more than half a second, Rampil 1998), the
//! other one is the 2-15 Hz band of amplitude-integrated EEG (Maynard 1969; two Butterworth sections),
//! whose rectified envelope is read as the largest value of each half-second, times two (peak to peak).

use serde::{Deserialize, Serialize};

use crate::spectrum::Lanes;

/// Half-width of suppression, uV (BSR: Rampil 1998).
const SUPPRESSED_UV: f32 = 5.0;
/// Suppression counts when it lasts longer than this.
const SUPPRESSED_SECS: f64 = 0.5;
/// Corner of the DC blocker, Hz.
const DC_HZ: f64 = 0.3;
const AEEG_HZ: (f64, f64) = (2.0, 15.0);
const MAINS_HZ: [f64; 2] = [50.0, 60.0];

/// One hop of four channels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Hop {
    /// Of the samples as they came; all that follows (but `railed`) without mains.
    pub sum: Lanes,
    pub min: Lanes,
    pub max: Lanes,
    /// Sum of absolute steps, and the largest.
    pub length: Lanes,
    pub step: Lanes,
    /// Missing samples (held at the last value).
    pub missing: Lanes,
    /// Samples at the hop's exact extremes.
    pub railed: Lanes,
    /// Suppressed samples completed in this hop (a run counts back to its start).
    pub suppressed: Lanes,
    /// Largest rectified 2-15 Hz value of each half, doubled, uV.
    pub envelope: [Lanes; 2],
}

impl Hop {
    pub(super) const EMPTY: Self = Self {
        sum: [0.0; 4],
        min: [f32::INFINITY; 4],
        max: [f32::NEG_INFINITY; 4],
        length: [0.0; 4],
        step: [0.0; 4],
        missing: [0.0; 4],
        railed: [0.0; 4],
        suppressed: [0.0; 4],
        envelope: [[0.0; 4]; 2],
    };
}

/// A second-order section, the same for four channels.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Section {
    b: [f32; 3],
    a: [f32; 2],
}

impl Section {
    /// Butterworth high-pass (`low` false) or low-pass at `hz` by the bilinear transform.
    fn butterworth(hz: f64, rate_hz: f64, low: bool) -> Self {
        let w = (std::f64::consts::PI * hz / rate_hz).tan();
        let norm = 1.0 / (1.0 + std::f64::consts::SQRT_2 * w + w * w);
        let (b0, b1) = if low { (w * w * norm, 2.0 * w * w * norm) } else { (norm, -2.0 * norm) };
        let a1 = 2.0 * (w * w - 1.0) * norm;
        let a2 = (1.0 - std::f64::consts::SQRT_2 * w + w * w) * norm;
        Self { b: [b0 as f32, b1 as f32, b0 as f32], a: [a1 as f32, a2 as f32] }
    }

    /// Takes out `hz` (4 Hz wide); passes everything where the rate cannot show it.
    fn notch(hz: f64, rate_hz: f64) -> Self {
        if hz >= 0.45 * rate_hz {
            return Self { b: [1.0, 0.0, 0.0], a: [0.0, 0.0] };
        }
        let cos = 2.0 * (std::f64::consts::TAU * hz / rate_hz).cos();
        let r = 1.0 - std::f64::consts::PI * 4.0 / rate_hz;
        let gain = (1.0 - r * cos + r * r) / (2.0 - cos);
        Self { b: [gain as f32, (-cos * gain) as f32, gain as f32], a: [(-r * cos) as f32, (r * r) as f32] }
    }

    /// One sample through the section (transposed direct form II).
    fn step(&self, x: Lanes, state: &mut [Lanes; 2]) -> Lanes {
        let mut y = [0.0; 4];
        for lane in 0..4 {
            y[lane] = self.b[0] * x[lane] + state[0][lane];
            state[0][lane] = self.b[1] * x[lane] - self.a[0] * y[lane] + state[1][lane];
            state[1][lane] = self.b[2] * x[lane] - self.a[1] * y[lane];
        }
        y
    }
}

/// The filters of one rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Filters {
    dc: f32,
    notches: [Section; 2],
    high: Section,
    low: Section,
    suppressed_samples: f32,
}

impl Filters {
    pub(super) fn new(rate_hz: f64) -> Self {
        Self {
            dc: (-std::f64::consts::TAU * DC_HZ / rate_hz).exp() as f32,
            notches: MAINS_HZ.map(|hz| Section::notch(hz, rate_hz)),
            high: Section::butterworth(AEEG_HZ.0, rate_hz, false),
            low: Section::butterworth(AEEG_HZ.1, rate_hz, true),
            suppressed_samples: (SUPPRESSED_SECS * rate_hz) as f32,
        }
    }
}

/// What four channels carry from hop to hop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Carry {
    /// The last sample; `None` before the first.
    last: [Option<f32>; 4],
    /// The first sample, taken as the level of the filters.
    offset: Lanes,
    notches: [[Lanes; 2]; 2],
    /// The last sample without mains.
    clean: Lanes,
    blocked: Lanes,
    high: [Lanes; 2],
    low: [Lanes; 2],
    /// Length of the present run within 5 uV, samples.
    run: Lanes,
}

impl Carry {
    /// Decayed filter memory becomes zero before it becomes subnormal, which is slow.
    fn flush(&mut self) {
        let rows = [&mut self.blocked].into_iter().chain(&mut self.high).chain(&mut self.low);
        let rows = rows.chain(self.notches.iter_mut().flatten());
        for value in rows.flatten() {
            *value = if value.abs() < 1e-6 { 0.0 } else { *value };
        }
    }
}

/// Fills missing samples of the hop with the last value and reads it.
pub(super) fn read(hop: &mut [Lanes], carry: &mut Carry, filters: &Filters) -> Hop {
    let mut out = Hop::EMPTY;
    fill(hop, carry, &mut out);
    let half = hop.len() / 2;
    let (early, late) = hop.split_at(half);
    // A copy that the loops can keep in registers.
    let mut run = *carry;
    out.envelope =
        [read_half(early, &mut run, filters, &mut out), read_half(late, &mut run, filters, &mut out)];
    *carry = run;
    carry.flush();
    out
}

/// Holds the last value over missing samples; sums and counts what came in.
fn fill(hop: &mut [Lanes], carry: &mut Carry, out: &mut Hop) {
    let first_of = |lane: usize| hop.iter().map(|x| x[lane]).find(|x| x.is_finite());
    let firsts: [Option<f32>; 4] = std::array::from_fn(|lane| carry.last[lane].or_else(|| first_of(lane)));
    for (lane, first) in firsts.iter().enumerate() {
        if let (None, Some(first)) = (carry.last[lane], first) {
            carry.offset[lane] = *first;
        }
    }
    let mut last = firsts.map(|first| first.unwrap_or(0.0));
    let (mut lo, mut hi) = ([f32::INFINITY; 4], [f32::NEG_INFINITY; 4]);
    for x in hop.iter_mut() {
        for lane in 0..4 {
            let is_missing = !x[lane].is_finite();
            x[lane] = if is_missing { last[lane] } else { x[lane] };
            out.missing[lane] += if is_missing { 1.0 } else { 0.0 };
            out.sum[lane] += x[lane];
            lo[lane] = if x[lane] < lo[lane] { x[lane] } else { lo[lane] };
            hi[lane] = if x[lane] > hi[lane] { x[lane] } else { hi[lane] };
            last[lane] = x[lane];
        }
    }
    for x in hop.iter() {
        for lane in 0..4 {
            let at_rail = x[lane] == lo[lane] || x[lane] == hi[lane];
            out.railed[lane] += if at_rail { 1.0 } else { 0.0 };
        }
    }
    carry.last = std::array::from_fn(|lane| firsts[lane].map(|_| last[lane]));
}

/// Reads half a hop; gives its envelope.
fn read_half(samples: &[Lanes], carry: &mut Carry, filters: &Filters, out: &mut Hop) -> Lanes {
    let mut envelope = [0.0_f32; 4];
    for x in samples {
        let centred = std::array::from_fn(|lane| x[lane] - carry.offset[lane]);
        let mut clean = centred;
        for (notch, state) in filters.notches.iter().zip(&mut carry.notches) {
            clean = notch.step(clean, state);
        }
        for (lane, &clean) in clean.iter().enumerate() {
            let change = clean - carry.clean[lane];
            let step = change.abs();
            out.length[lane] += step;
            out.step[lane] = if step > out.step[lane] { step } else { out.step[lane] };
            out.min[lane] = if clean < out.min[lane] { clean } else { out.min[lane] };
            out.max[lane] = if clean > out.max[lane] { clean } else { out.max[lane] };
            carry.clean[lane] = clean;
            carry.blocked[lane] = change + filters.dc * carry.blocked[lane];
            let within = carry.blocked[lane].abs() <= SUPPRESSED_UV;
            let run = if within { carry.run[lane] + 1.0 } else { 0.0 };
            // A run counts from its start once it is longer than half a second.
            let is_long = run > filters.suppressed_samples;
            let became_long = is_long && run - 1.0 <= filters.suppressed_samples;
            let more = if is_long { 1.0 } else { 0.0 };
            out.suppressed[lane] += if became_long { run } else { more };
            carry.run[lane] = run;
        }
        let band = filters.low.step(filters.high.step(carry.blocked, &mut carry.high), &mut carry.low);
        for lane in 0..4 {
            let size = 2.0 * band[lane].abs();
            envelope[lane] = if size > envelope[lane] { size } else { envelope[lane] };
        }
    }
    envelope
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 256.0;

    fn hops(seconds: usize, f: impl Fn(f64) -> f64) -> Vec<Hop> {
        let (filters, mut carry) = (Filters::new(RATE), Carry::default());
        (0..seconds)
            .map(|s| {
                let mut hop: Vec<Lanes> = (0..256)
                    .map(|i| {
                        let x = f(s as f64 + f64::from(i) / RATE) as f32;
                        [x, x * 2.0, f32::NAN, x]
                    })
                    .collect();
                read(&mut hop, &mut carry, &filters)
            })
            .collect()
    }

    #[test]
    fn envelope_passes_2_to_15_hz_peak_to_peak() {
        // (frequency, share of the 2 x 40 uV that is left)
        let cases =
            [(0.3, 0.0, 0.06), (2.0, 0.62, 0.8), (6.0, 0.95, 1.03), (15.0, 0.6, 0.8), (60.0, 0.0, 0.07)];
        for (hz, lo, hi) in cases {
            let out = hops(8, |t| 1_000.0 + 40.0 * (std::f64::consts::TAU * hz * t).sin());
            let got = f64::from(out[7].envelope[0][0]) / 80.0;
            assert!((lo..=hi).contains(&got), "{hz} Hz: {got}");
        }
    }

    #[test]
    fn suppression_is_within_5_uv_for_more_than_half_a_second() {
        let tau = std::f64::consts::TAU;
        let burst = move |t: f64, quiet: f64, period: f64| {
            if t % period < period - quiet { 60.0 * (tau * 8.0 * t).sin() } else { 0.0 }
        };
        // (name, signal, least and most suppressed share)
        type Case = (&'static str, Box<dyn Fn(f64) -> f64>, f32, f32);
        let cases: Vec<Case> = vec![
            ("flat", Box::new(|_| 300.0), 0.99, 1.0),
            ("4.5 uV", Box::new(move |t| 4.5 * (tau * 10.0 * t).sin()), 0.99, 1.0),
            ("6 uV slow", Box::new(move |t| 6.0 * (tau * 3.0 * t).sin()), 0.0, 0.0),
            ("half the time in 2 s pauses", Box::new(move |t| burst(t, 2.0, 4.0)), 0.4, 0.51),
            ("pauses of .4 s are too short", Box::new(move |t| burst(t, 0.4, 1.0)), 0.0, 0.0),
        ];
        for (name, signal, lo, hi) in cases {
            let out = hops(44, signal);
            let share = out[4..].iter().map(|h| h.suppressed[0]).sum::<f32>() / (40.0 * 256.0);
            assert!((lo..=hi).contains(&share), "{name}: {share}");
        }
    }

    #[test]
    fn mains_are_notched_out() {
        for hz in [50.0, 60.0] {
            let out = hops(4, |t| 400.0 * (std::f64::consts::TAU * hz * t).sin());
            assert!(out[3].max[0] - out[3].min[0] < 1.0, "{hz}: {}", out[3].max[0]);
            assert_eq!(out[3].suppressed[0], 256.0);
        }
    }

    #[test]
    fn missing_samples_are_held_and_counted() {
        let out = hops(2, |t| if (0.5..0.75).contains(&t) { f64::NAN } else { 7.0 });
        assert_eq!((out[0].missing[0], out[1].missing[0], out[0].missing[2]), (64.0, 0.0, 256.0));
        assert_eq!((out[0].min[0], out[0].max[0], out[0].length[0]), (0.0, 0.0, 0.0));
        assert_eq!(out[0].sum[1], 14.0 * 256.0);
    }

    #[test]
    fn steps_and_rails() {
        let out = hops(1, |t| if t < 0.5 { -20.0 } else { 80.0 });
        assert!((85.0..100.0).contains(&out[0].step[0]) && (170.0..200.0).contains(&out[0].step[1]));
        assert!(out[0].length[0] >= 100.0);
        assert_eq!(out[0].railed[0], 256.0);
    }
}
