//! Seeded randomness: one ChaCha8 stream for each bed, stay and concern, and a noise field that can
//! be read at any time.
//!
//! Streams are separated by concern so that, say, one more laboratory draw does not move the ECG,
//! and by bed so that a bed is the same in a ward of 4 and of 400. The noise field is value noise
//! (Perlin, SIGGRAPH 1985, without gradients): random numbers on a lattice, joined by a smooth
//! curve, summed over several periods. Unlike an autoregressive process it needs no state, so the
//! physiology is a pure function of time however the simulation is cut.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a stream of random numbers is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Concern {
    Scenario = 1,
    Person,
    Episodes,
    Excursions,
    Noise,
    Labs,
    Charting,
    Monitor,
    Beats,
    Eeg,
    Stay,
    Hourly,
    Opening,
}

/// The stream of one concern of one stay in one bed.
pub(crate) fn stream(seed: u64, bed: u64, stay: u64, concern: Concern) -> ChaCha8Rng {
    let mut key = [0_u8; 32];
    for (part, number) in key.chunks_exact_mut(8).zip([seed, bed, stay, concern as u64]) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A number in `[lo, hi)`.
pub(crate) fn between(rng: &mut ChaCha8Rng, lo: f64, hi: f64) -> f64 {
    lo + (hi - lo) * rng.random::<f64>()
}

/// Whether something of this probability happens.
pub(crate) fn chance(rng: &mut ChaCha8Rng, probability: f64) -> bool {
    rng.random::<f64>() < probability
}

/// Near-normal, mean 0 and variance 1: four uniforms (Irwin-Hall), within 3.5 standard deviations.
pub(crate) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let sum: u32 = rng.random::<[u16; 4]>().iter().map(|&u| u32::from(u)).sum();
    (f64::from(sum) / 65_536.0 - 2.0) * 3_f64.sqrt()
}

/// An exponential waiting time of this mean.
pub(crate) fn exponential(rng: &mut ChaCha8Rng, mean: f64) -> f64 {
    -mean * (1.0 - rng.random::<f64>()).ln()
}

/// Periods in seconds and weights: drift over hours, wandering over minutes, jitter over seconds.
const OCTAVES: [(f64, f64); 5] =
    [(21_600.0, 0.75), (3_600.0, 0.65), (600.0, 0.5), (120.0, 0.35), (15.0, 0.25)];

/// A random field over time, one for each channel number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noise {
    key: u64,
}

impl Noise {
    pub(crate) fn new(rng: &mut ChaCha8Rng) -> Self {
        Self { key: rng.random() }
    }

    /// The field of a channel at a time in seconds: mean 0, variance about 1.
    pub(crate) fn at(&self, channel: u64, secs: f64) -> f64 {
        self.octaves(channel, secs, &OCTAVES)
    }

    /// The slow part only (an hour and more), for values that do not jitter within minutes.
    pub(crate) fn slow(&self, channel: u64, secs: f64) -> f64 {
        self.octaves(channel, secs, &OCTAVES[..2])
    }

    fn octaves(&self, channel: u64, secs: f64, octaves: &[(f64, f64)]) -> f64 {
        octaves
            .iter()
            .enumerate()
            .map(|(octave, (period, weight))| {
                let x = secs / period;
                let cell = x.floor();
                let f = x - cell;
                let f = f * f * (3.0 - 2.0 * f);
                let lane = self.key ^ mix(channel.wrapping_mul(8) + octave as u64);
                let (a, b) = (lattice(lane, cell as i64), lattice(lane, cell as i64 + 1));
                weight * (a + (b - a) * f)
            })
            .sum()
    }

    /// A number in `[0, 1)` that belongs to a channel and an integer, such as a minute.
    pub(crate) fn cell(&self, channel: u64, cell: i64) -> f64 {
        unit(mix(self.key ^ mix(channel) ^ (cell as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}

fn lattice(lane: u64, cell: i64) -> f64 {
    (unit(mix(lane ^ (cell as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))) - 0.5) * 12_f64.sqrt()
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
const fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn unit(z: u64) -> f64 {
    (z >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_different_concerns_and_beds_differ() {
        let first = |bed, concern| stream(7, bed, 0, concern).random::<u64>();
        assert_eq!(first(0, Concern::Labs), first(0, Concern::Labs));
        assert_ne!(first(0, Concern::Labs), first(1, Concern::Labs));
        assert_ne!(first(0, Concern::Labs), first(0, Concern::Eeg));
    }

    #[test]
    fn the_noise_field_is_smooth_with_mean_zero_and_variance_one() {
        let noise = Noise::new(&mut stream(1, 0, 0, Concern::Noise));
        let xs: Vec<f64> = (0..200_000).map(|i| noise.at(3, f64::from(i) * 97.0)).collect();
        let mean = xs.iter().sum::<f64>() / xs.len() as f64;
        let var = xs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / xs.len() as f64;
        assert!(mean.abs() < 0.1, "{mean}");
        assert!((0.6..1.4).contains(&var), "{var}");
        assert!((noise.at(3, 1_000.0) - noise.at(3, 1_000.1)).abs() < 0.05);
    }

    #[test]
    fn near_normal_has_variance_one() {
        let mut rng = stream(1, 0, 0, Concern::Eeg);
        let var = (0..50_000).map(|_| normal(&mut rng).powi(2)).sum::<f64>() / 50_000.0;
        assert!((0.97..1.03).contains(&var), "{var}");
    }
}
