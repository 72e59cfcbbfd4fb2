//! W1: EEG of 19 channels at 256 Hz, 4 s windows every second, the full spectral set of every channel.
//!
//! One element is one window of 19 channels. The full set is what `bedwatch_features::spectrum` names:
//! mean removal, Hann, FFT, power of delta, theta, alpha, beta and all, SEF95, largest peak, spectral
//! entropy, mains, muscle, and the 2.5-15 Hz rhythm with two harmonics. Four ways to it, in one run:
//! - `streaming`: `Eeg::push` of one-second blocks, the whole engine path: the set, and also line
//!   length, aEEG, suppression, artifact checks, medians, asymmetry and the seizure score;
//! - `spectral set`: the set alone, windows given with their means as the stream carries them;
//! - `plain realfft`: the peer: one real FFT a channel (plan and buffers reused) and the same set in
//!   straightforward f32 loops with `f32::log2`;
//! - `fft alone`: only the 19 real FFTs of the peer.
//!
//! Run with `cargo bench -p bedwatch-features --bench eeg`. See benches/README.md for other peers.

use std::{hint::black_box, sync::Arc};

use bedwatch_features::{
    eeg::Eeg,
    spectrum::{Analyzer, BAND_EDGES_HZ, Lanes},
};
use bedwatch_schemas::{
    event::{Provenance, Stream},
    time::EventTime,
    waveform::{Channel, SampleRate, WaveformBlock, WaveformKind},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex};

const RATE_HZ: usize = 256;
const N: usize = 4 * RATE_HZ;
const LABELS: [&str; 19] = [
    "FP1", "F3", "C3", "P3", "F7", "T3", "T5", "O1", "FZ", "CZ", "PZ", "FP2", "F4", "C4", "P4", "F8", "T4",
    "T6", "O2",
];
/// Seconds of signal that the benches go round.
const SECONDS: usize = 64;

/// Noise that falls with frequency, with an alpha rhythm; seeded.
fn signal(channel: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(channel as u64 + 1) | 1;
    let mut slow = 0.0;
    (0..SECONDS * RATE_HZ)
        .map(|i| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let white = (state >> 40) as f32 / 8_388_608.0 - 1.0;
            slow = 0.97 * slow + 4.0 * white;
            slow + 12.0 * (std::f32::consts::TAU * 10.0 * i as f32 / RATE_HZ as f32).sin() + white
        })
        .collect()
}

fn streaming(c: &mut Criterion, signals: &[Vec<f32>]) {
    let rate = SampleRate::new(RATE_HZ as f64).expect("a valid rate");
    let mut blocks: Vec<WaveformBlock> = (0..SECONDS)
        .map(|s| WaveformBlock {
            kind: WaveformKind::Eeg,
            start: EventTime::from_millis(0),
            rate,
            channels: LABELS
                .iter()
                .zip(signals)
                .map(|(label, x)| Channel {
                    label: (*label).to_owned(),
                    samples: x[s * RATE_HZ..(s + 1) * RATE_HZ].to_vec(),
                })
                .collect(),
        })
        .collect();
    let provenance = Provenance { stream: Stream::Waveforms, partition: 0, offset: 0, part: 0 };
    let mut eeg = Eeg::new();
    let mut second = 0;
    let mut group = c.benchmark_group("w1 eeg 19x256");
    group.throughput(Throughput::Elements(1));
    group.bench_function("streaming", |b| {
        b.iter(|| {
            let block = &mut blocks[second % SECONDS];
            block.start = EventTime::from_millis(second as i64 * 1_000);
            second += 1;
            eeg.push(black_box(block), provenance);
        });
    });
    group.finish();
    assert!(eeg.summary(EventTime::from_millis(second as i64 * 1_000)).is_some(), "windows came out");
}

fn spectral_set(c: &mut Criterion, signals: &[Vec<f32>]) {
    let lanes: Vec<Vec<Lanes>> = signals
        .chunks(4)
        .map(|four| {
            (0..SECONDS * RATE_HZ)
                .map(|i| std::array::from_fn(|l| four.get(l).map_or(0.0, |x| x[i])))
                .collect()
        })
        .collect();
    let mut analyzer = Analyzer::new(RATE_HZ as f64, N);
    let mut second = 0;
    let mut group = c.benchmark_group("w1 eeg 19x256");
    group.throughput(Throughput::Elements(1));
    group.bench_function("spectral set", |b| {
        b.iter(|| {
            let from = second % (SECONDS - 4) * RATE_HZ;
            second += 1;
            for four in &lanes {
                black_box(analyzer.analyse(&four[from..from + N], [0.5; 4]));
            }
        });
    });
    group.finish();
}

/// The peer's state: one plan, its buffers and the window.
struct Plain {
    fft: Arc<dyn RealToComplex<f32>>,
    hann: Vec<f32>,
    input: Vec<f32>,
    output: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    power: Vec<f32>,
    scale: f32,
}

impl Plain {
    fn new() -> Self {
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(N);
        let hann: Vec<f32> =
            (0..N).map(|i| 0.5 - 0.5 * (std::f32::consts::TAU * i as f32 / N as f32).cos()).collect();
        let energy: f32 = hann.iter().map(|w| w * w).sum();
        Self {
            input: fft.make_input_vec(),
            output: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            power: vec![0.0; N / 2 + 1],
            scale: 2.0 / (N as f32 * energy),
            hann,
            fft,
        }
    }

    fn transform(&mut self, window: &[f32]) {
        let mean = window.iter().sum::<f32>() / N as f32;
        for ((out, x), w) in self.input.iter_mut().zip(window).zip(&self.hann) {
            *out = (x - mean) * w;
        }
        self.fft
            .process_with_scratch(&mut self.input, &mut self.output, &mut self.scratch)
            .expect("buffers made for this plan");
    }

    /// Bands, total, SEF95, peak, entropy, mains, muscle, rhythm.
    fn set(&mut self, window: &[f32]) -> [f32; 12] {
        self.transform(window);
        for (p, x) in self.power.iter_mut().zip(&self.output) {
            *p = x.norm_sqr() * self.scale;
        }
        let bin = |hz: f64| (hz * 4.0) as usize;
        let sum = |from: usize, to: usize| self.power[from..to].iter().sum::<f32>();
        let [e0, e1, e2, e3, e4] = BAND_EDGES_HZ.map(bin);
        let bands = [sum(e0, e1), sum(e1, e2), sum(e2, e3), sum(e3, e4 + 1)];
        let total: f32 = sum(e0, e4 + 1);
        let (mut running, mut sef) = (0.0, e0);
        while running < 0.95 * total {
            running += self.power[sef];
            sef += 1;
        }
        let argmax = |from: usize, to: usize| {
            (from..to).max_by(|a, b| self.power[*a].total_cmp(&self.power[*b])).unwrap_or(from)
        };
        let entropy: f32 = self.power[e0..=e4].iter().map(|p| p / total).map(|p| -p * p.log2()).sum();
        let mains = sum(bin(49.0), bin(51.0) + 1) + sum(bin(59.0), bin(61.0) + 1);
        let rhythm = argmax(bin(2.5), bin(15.0) + 1);
        let near = |b: usize| sum((b - 2).min(e4), (b + 3).min(e4 + 1));
        [
            bands[0],
            bands[1],
            bands[2],
            bands[3],
            total,
            sef as f32 / 4.0,
            argmax(e0, e4 + 1) as f32 / 4.0,
            entropy / ((e4 + 1 - e0) as f32).log2(),
            mains,
            sum(e4 + 1, bin(45.0) + 1),
            rhythm as f32 / 4.0,
            near(rhythm) + near(2 * rhythm) + near(3 * rhythm),
        ]
    }
}

fn plain(c: &mut Criterion, signals: &[Vec<f32>]) {
    let mut plain = Plain::new();
    let mut group = c.benchmark_group("w1 eeg 19x256");
    group.throughput(Throughput::Elements(1));
    for (name, is_set) in [("plain realfft", true), ("fft alone", false)] {
        let mut second = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                let from = second % (SECONDS - 4) * RATE_HZ;
                second += 1;
                for x in signals {
                    if is_set {
                        black_box(plain.set(&x[from..from + N]));
                    } else {
                        plain.input.copy_from_slice(&x[from..from + N]);
                        plain
                            .fft
                            .process_with_scratch(&mut plain.input, &mut plain.output, &mut plain.scratch)
                            .expect("buffers made for this plan");
                        black_box(&plain.output);
                    }
                }
            });
        });
    }
    group.finish();
}

fn w1(c: &mut Criterion) {
    let signals: Vec<Vec<f32>> = (0..19).map(signal).collect();
    streaming(c, &signals);
    spectral_set(c, &signals);
    plain(c, &signals);
}

criterion_group!(benches, w1);
criterion_main!(benches);
