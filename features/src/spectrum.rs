//! The EEG spectrum of a window, four channels at a time.
//!
//! A window of `n` samples is freed of its mean, weighted with a periodic Hann window and transformed.
//! Two real channels share one complex transform (the even part of the result belongs to the first,
//! the odd part to the second), and only the bins that a feature reads are ever separated. Channels
//! stand side by side in groups of four ([`Lanes`]), so that every loop over bins runs in vector
//! registers without any machine-specific code.
//!
//! Scale: one-sided power of a bin is `2 |X|² / (n Σw²)` in uV², the PSD (uV²/Hz, Welch 1967) times
//! the bin's width: band powers are plain sums. A sine of amplitude A gives A²/2 over its three bins.
//!
//! The full set, per channel: power of delta .5-4, theta 4-8, alpha 8-13, beta 13-30 Hz and their
//! total; SEF95 (95 % of .5-30 Hz); the frequency of the largest peak; spectral entropy (Shannon, of
//! the .5-30 Hz bins, over its maximum); mains power (49-51 and 59-61 Hz); muscle power (30-45 Hz);
//! the largest peak of 2.5-15 Hz and the power of that rhythm with its second and third harmonic.
//! Relative powers and the alpha/delta ratio are quotients of these.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use rustfft::{Fft, FftPlanner, num_complex::Complex};

/// One value for each of four channels.
pub type Lanes = [f32; 4];

const ZERO: Lanes = [0.0; 4];

/// Band edges in Hz: delta, theta, alpha, beta; each band holds its lower edge, the last also 30 Hz.
pub const BAND_EDGES_HZ: [f64; 5] = [0.5, 4.0, 8.0, 13.0, 30.0];
const MUSCLE_HZ: (f64, f64) = (30.0, 45.0);
const MAINS_HZ: [(f64, f64); 2] = [(49.0, 51.0), (59.0, 61.0)];
const RHYTHM_HZ: (f64, f64) = (2.5, 15.0);
/// A rhythm's peak and its harmonics reach this far to both sides.
const RHYTHM_HALF_WIDTH_HZ: f64 = 0.5;

/// The spectral features of four channels. Powers in uV².
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spectra {
    /// Power of delta, theta, alpha and beta.
    pub bands: [Lanes; 4],
    /// Power of .5-30 Hz.
    pub total: Lanes,
    /// Frequency below which 95 % of the .5-30 Hz power lies, Hz.
    pub sef95_hz: Lanes,
    /// Frequency of the largest bin of .5-30 Hz, Hz.
    pub peak_hz: Lanes,
    /// Spectral entropy, 0 to 1.
    pub entropy: Lanes,
    /// Power of 49-51 and 59-61 Hz; 0 where the rate is too low to see it.
    pub mains: Lanes,
    /// Power of 30-45 Hz.
    pub muscle: Lanes,
    /// Frequency of the largest bin of 2.5-15 Hz, Hz.
    pub rhythm_hz: Lanes,
    /// Power within .5 Hz of that frequency and of twice and three times it.
    pub rhythm: Lanes,
}

/// A half-open range of bins.
type Bins = std::ops::Range<usize>;

/// Which bins belong to what.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Layout {
    bands: [Bins; 4],
    muscle: Bins,
    mains: [Bins; 2],
    rhythm: Bins,
    half_width: usize,
}

impl Layout {
    fn new(rate_hz: f64, n: usize) -> Self {
        let width = rate_hz / n as f64;
        // A bin on an edge (within rounding) belongs to the band above it.
        let at_or_above = |hz: f64| ((hz / width - 1e-6).ceil() as usize).min(n.div_ceil(2));
        let above = |hz: f64| ((hz / width + 1e-6).floor() as usize + 1).min(n.div_ceil(2));
        let [e0, e1, e2, e3, e4] = BAND_EDGES_HZ;
        let closed = |(lo, hi): (f64, f64)| at_or_above(lo)..above(hi);
        Self {
            bands: [
                at_or_above(e0)..at_or_above(e1),
                at_or_above(e1)..at_or_above(e2),
                at_or_above(e2)..at_or_above(e3),
                at_or_above(e3)..above(e4),
            ],
            muscle: above(MUSCLE_HZ.0)..above(MUSCLE_HZ.1),
            mains: MAINS_HZ.map(closed),
            rhythm: closed(RHYTHM_HZ),
            half_width: (RHYTHM_HALF_WIDTH_HZ / width).round() as usize,
        }
    }

    /// All bins of .5-30 Hz.
    fn all(&self) -> Bins {
        self.bands[0].start..self.bands[3].end
    }
}

/// Transforms windows of one length. Holds plan and scratch memory; keeps nothing between windows.
pub struct Analyzer {
    n: usize,
    width_hz: f32,
    layout: Layout,
    hann: Vec<f32>,
    fft: Arc<dyn Fft<f32>>,
    /// Two complex windows, one after the other.
    buffer: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    /// Power by bin; bins that no feature reads stay unset.
    power: Vec<Lanes>,
    /// From `|X|²` of a Hann-weighted window to one-sided power.
    scale: f32,
}

impl Analyzer {
    /// An analyser of `n`-sample windows at `rate_hz`.
    ///
    /// # Panics
    /// When `n` < 8.
    #[must_use]
    pub fn new(rate_hz: f64, n: usize) -> Self {
        assert!(n >= 8, "a window holds at least eight samples");
        let fft = FftPlanner::new().plan_fft_forward(n);
        let hann: Vec<f32> = (0..n)
            .map(|i| (0.5 - 0.5 * (std::f64::consts::TAU * i as f64 / n as f64).cos()) as f32)
            .collect();
        let energy: f64 = hann.iter().map(|w| f64::from(*w).powi(2)).sum();
        let layout = Layout::new(rate_hz, n);
        let last = layout.all().end.max(layout.muscle.end).max(layout.mains[1].end);
        Self {
            n,
            width_hz: (rate_hz / n as f64) as f32,
            hann,
            buffer: vec![Complex::default(); 2 * n],
            scratch: vec![Complex::default(); fft.get_inplace_scratch_len()],
            power: vec![ZERO; last],
            scale: (2.0 / (n as f64 * energy)) as f32,
            fft,
            layout,
        }
    }

    /// Samples in a window.
    #[must_use]
    pub fn window_len(&self) -> usize {
        self.n
    }

    /// One-sided power in uV² of a bin (`frequency / bin width`) of the last window. Only the bins
    /// of .5-45 Hz and of the mains are ever computed.
    #[must_use]
    pub fn power(&self, bin: usize) -> Lanes {
        self.power.get(bin).map_or(ZERO, |p| p.map(|v| v * self.scale))
    }

    /// The width of a bin in Hz.
    #[must_use]
    pub fn bin_width_hz(&self) -> f32 {
        self.width_hz
    }

    /// The features of four channels, given `n` samples of each and each channel's mean.
    ///
    /// # Panics
    /// When `window` does not hold `n` samples.
    pub fn analyse(&mut self, window: &[Lanes], mean: Lanes) -> Spectra {
        assert_eq!(window.len(), self.n, "a whole window");
        self.weigh(window, mean);
        self.fft.process_with_scratch(&mut self.buffer, &mut self.scratch);
        let layout = self.layout.clone();
        self.separate(layout.all().start..layout.muscle.end.max(layout.all().end));
        for mains in layout.mains.clone() {
            self.separate(mains);
        }
        self.read(&layout)
    }

    fn weigh(&mut self, window: &[Lanes], mean: Lanes) {
        let (first, second) = self.buffer.split_at_mut(self.n);
        for (((x, w), a), b) in window.iter().zip(&self.hann).zip(first).zip(second) {
            *a = Complex::new((x[0] - mean[0]) * w, (x[1] - mean[1]) * w);
            *b = Complex::new((x[2] - mean[2]) * w, (x[3] - mean[3]) * w);
        }
    }

    /// Separates the channels that shared a transform and squares: unscaled power by bin.
    fn separate(&mut self, bins: Bins) {
        if bins.is_empty() {
            return;
        }
        let n = self.n;
        let (first, second) = self.buffer.split_at(n);
        let mirrored = n + 1 - bins.end..n + 1 - bins.start;
        let forward = first[bins.clone()].iter().zip(&second[bins.clone()]);
        let backward = first[mirrored.clone()].iter().zip(&second[mirrored]).rev();
        for ((out, (f0, f1)), (b0, b1)) in self.power[bins].iter_mut().zip(forward).zip(backward) {
            // The even part of the transform is the first channel, the odd part the second.
            let sum = [f0.re + b0.re, f0.im + b0.im, f1.re + b1.re, f1.im + b1.im];
            let dif = [f0.re - b0.re, f0.im - b0.im, f1.re - b1.re, f1.im - b1.im];
            let odd = [dif[1], dif[0], dif[3], dif[2]];
            for lane in 0..4 {
                out[lane] = (sum[lane] * sum[lane] + odd[lane] * odd[lane]) * 0.25;
            }
        }
    }

    /// One pass over the bins for every sum, a second for the edge frequency.
    fn read(&self, layout: &Layout) -> Spectra {
        let mut out = Spectra::default();
        let (mut weighted_log, mut running) = (ZERO, ZERO);
        let (mut best, mut best_bin) = (ZERO, ZERO);
        for (band, bins) in layout.bands.iter().enumerate() {
            let before = running;
            let mut bin = [bins.start as f32; 4];
            for p in &self.power[bins.clone()] {
                for lane in 0..4 {
                    running[lane] += p[lane];
                    weighted_log[lane] += p[lane] * fast_log2(p[lane]);
                    let greater = p[lane] > best[lane];
                    best[lane] = if greater { p[lane] } else { best[lane] };
                    best_bin[lane] = if greater { bin[lane] } else { best_bin[lane] };
                    bin[lane] += 1.0;
                }
            }
            for lane in 0..4 {
                out.bands[band][lane] = (running[lane] - before[lane]) * self.scale;
            }
        }
        let all = layout.all();
        let edge = running.map(|t| t * 0.95);
        let bins_below = self.count_below(&all, edge);
        let log_bins = (all.len() as f32).log2();
        for lane in 0..4 {
            let total = running[lane];
            let has_power = total > 0.0 && total.is_finite();
            out.total[lane] = total * self.scale;
            out.sef95_hz[lane] =
                if has_power { (all.start as f32 + bins_below[lane]) * self.width_hz } else { 0.0 };
            out.peak_hz[lane] = best_bin[lane] * self.width_hz;
            let entropy = (fast_log2(total) - weighted_log[lane] / total) / log_bins;
            out.entropy[lane] = if has_power { entropy.clamp(0.0, 1.0) } else { 0.0 };
        }
        out.muscle = self.sum(layout.muscle.clone());
        let mains = layout.mains.clone().map(|bins| self.sum(bins));
        out.mains = std::array::from_fn(|lane| mains[0][lane] + mains[1][lane]);
        self.read_rhythm(layout, &mut out);
        out
    }

    /// How many bins the running sum stays below `edge`: the bin that reaches it is the next.
    fn count_below(&self, bins: &Bins, edge: Lanes) -> Lanes {
        let (mut running, mut count) = (ZERO, ZERO);
        for p in &self.power[bins.clone()] {
            for lane in 0..4 {
                running[lane] += p[lane];
                count[lane] += if running[lane] < edge[lane] { 1.0 } else { 0.0 };
            }
        }
        count
    }

    fn sum(&self, bins: Bins) -> Lanes {
        let mut sum = ZERO;
        for p in &self.power[bins] {
            for lane in 0..4 {
                sum[lane] += p[lane];
            }
        }
        sum.map(|s| s * self.scale)
    }

    fn read_rhythm(&self, layout: &Layout, out: &mut Spectra) {
        let (mut best, mut best_bin) = (ZERO, [layout.rhythm.start as f32; 4]);
        let mut bin = best_bin;
        for p in &self.power[layout.rhythm.clone()] {
            for lane in 0..4 {
                let greater = p[lane] > best[lane];
                best[lane] = if greater { p[lane] } else { best[lane] };
                best_bin[lane] = if greater { bin[lane] } else { best_bin[lane] };
                bin[lane] += 1.0;
            }
        }
        let all = layout.all();
        for lane in 0..4 {
            let base = best_bin[lane] as usize;
            let mut power = 0.0;
            for harmonic in 1..=3 {
                let from = (base * harmonic - layout.half_width).clamp(all.start, all.end);
                let to = (base * harmonic + layout.half_width + 1).min(all.end).max(from);
                power += self.power[from..to].iter().map(|p| p[lane]).sum::<f32>();
            }
            out.rhythm_hz[lane] = best_bin[lane] * self.width_hz;
            out.rhythm[lane] = power * self.scale;
        }
    }
}

/// Binary logarithm of a positive normal number, within 2e-5 (minimax polynomial of the mantissa);
/// -127 for zero, so that `p log p` of an empty bin is zero.
fn fast_log2(x: f32) -> f32 {
    let bits = x.to_bits();
    let exponent = (bits >> 23) as i32 - 127;
    let m = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000) - 1.0;
    let poly = 0.046_381_384_f32;
    let poly = poly * m - 0.196_259_96;
    let poly = poly * m + 0.417_587_65;
    let poly = poly * m - 0.709_660_1;
    let poly = poly * m + 1.441_965_3;
    exponent as f32 + poly * m
}

/// An analyser with the rate's bits and the window length it was made for.
type Kept = (u64, usize, Rc<RefCell<Analyzer>>);

thread_local! {
    /// Plans are costly to make and hold no patient state, so that each thread keeps its own few.
    static ANALYZERS: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// Rates a thread keeps plans for; a ward has two or three.
const KEPT_PLANS: usize = 16;

/// This thread's analyser for windows of `n` samples at `rate_hz`.
pub(crate) fn analyzer(rate_hz: f64, n: usize) -> Rc<RefCell<Analyzer>> {
    ANALYZERS.with_borrow_mut(|kept| {
        if let Some((_, _, found)) =
            kept.iter().find(|(rate, len, _)| *rate == rate_hz.to_bits() && *len == n)
        {
            return Rc::clone(found);
        }
        if kept.len() == KEPT_PLANS {
            kept.remove(0);
        }
        let made = Rc::new(RefCell::new(Analyzer::new(rate_hz, n)));
        kept.push((rate_hz.to_bits(), n, Rc::clone(&made)));
        made
    })
}

#[cfg(test)]
mod tests;
