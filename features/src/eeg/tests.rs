use bedwatch_schemas::{
    event::Stream,
    waveform::{Channel, SampleRate},
};
use proptest::prelude::*;

use super::*;

mod iiic;
mod scenarios;

const LABELS: [&str; 6] = ["FP1", "FP2", "C3", "C4", "O1", "O2"];

fn provenance() -> Provenance {
    Provenance { stream: Stream::Waveforms, partition: 0, offset: 0, part: 0 }
}

fn at(secs: f64) -> EventTime {
    EventTime::from_micros((secs * 1e6).round() as i64)
}

/// A block that starts at `start` seconds.
fn block(start: f64, rate: f64, labels: &[&str], samples: &[Vec<f32>]) -> WaveformBlock {
    WaveformBlock {
        kind: WaveformKind::Eeg,
        start: at(start),
        rate: SampleRate::new(rate).unwrap(),
        channels: labels
            .iter()
            .zip(samples)
            .map(|(label, samples)| Channel { label: (*label).to_owned(), samples: samples.clone() })
            .collect(),
    }
}

/// Seeded white noise of unit variance.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        let mut uniform = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..6).map(|_| uniform() - 0.5).sum::<f64>() * 2.0_f64.sqrt()
    }
}

/// Background of `secs` seconds and channels: noise falling with frequency, and alpha.
fn background(secs: usize, rate: f64, channels: usize, seed: u64) -> Vec<Vec<f32>> {
    (0..channels)
        .map(|c| {
            let mut noise = Noise(seed * 1_000 + c as u64 * 7 + 1);
            let (mut slow, mut fast) = (0.0, 0.0);
            (0..(secs as f64 * rate) as usize)
                .map(|i| {
                    let white = noise.next();
                    slow = 0.98 * slow + 2.2 * white;
                    fast = 0.8 * fast + 2.0 * white;
                    let t = i as f64 / rate;
                    let alpha = 7.0 * (1.0 + (0.9 * t).sin()) * (std::f64::consts::TAU * 10.0 * t).sin();
                    (slow + fast + alpha) as f32
                })
                .collect()
        })
        .collect()
}

fn cut(samples: &[Vec<f32>], from: usize, to: usize) -> Vec<Vec<f32>> {
    samples.iter().map(|x| x[from..to].to_vec()).collect()
}

#[test]
fn a_known_signal_gives_known_features() {
    let tau = std::f64::consts::TAU;
    for rate in [200.0, 256.0, 500.0] {
        let samples: Vec<Vec<f32>> = (0..6)
            .map(|c| {
                // The left side is twice as strong as the right.
                let gain = if c % 2 == 0 { 2.0 } else { 1.0 };
                (0..(70.0 * rate) as usize)
                    .map(|i| {
                        let t = i as f64 / rate;
                        (gain * (20.0 * (tau * 2.0 * t).sin() + 10.0 * (tau * 10.0 * t).sin())) as f32
                    })
                    .collect()
            })
            .collect();
        let mut eeg = Eeg::new();
        eeg.push(&block(0.0, rate, &LABELS, &samples), provenance());
        let s = eeg.summary(at(70.0)).expect("a window");
        assert_eq!((s.at, s.channels, s.good_channels), (at(70.0), 6, 6));
        // Powers: 200 + 50 right, four times that left; the median of three and three lies between.
        assert!((s.total_power_uv2 - 625.0).abs() < 2.0, "{}", s.total_power_uv2);
        assert!((s.relative_power[0] - 0.8).abs() < 1e-3 && (s.relative_power[2] - 0.2).abs() < 1e-3);
        assert!((s.alpha_delta_ratio - 0.25).abs() < 1e-3);
        assert_eq!((s.dominant_frequency_hz, s.sef95_hz), (2.0, 10.0));
        assert!((s.asymmetry.unwrap() - 0.6).abs() < 1e-3);
        assert!(s.line_noise_ratio < 1e-3 && s.artifact_share == 0.0);
        assert_eq!(s.burst_suppression_percent, Some(0.0));
        let (lower, upper) = s.aeeg_margins_uv.unwrap();
        assert!(lower > 30.0 && upper < 90.0 && lower <= upper, "{lower} {upper}");
    }
}

#[test]
fn trends_wait_for_their_minutes() {
    let samples = background(70, 200.0, 6, 3);
    let mut eeg = Eeg::new();
    // (seconds received, summary, margins, ratio); the first window ends at 4 s and gives second 1.
    let cases = [
        (3.9, false, false, false),
        (4.0, true, false, false),
        (62.9, true, false, false),
        (63.0, true, true, false),
        (66.0, true, true, true),
    ];
    let mut fed = 0;
    for (secs, summary, margins, ratio) in cases {
        let to = (secs * 200.0) as usize;
        eeg.push(&block(fed as f64 / 200.0, 200.0, &LABELS, &cut(&samples, fed, to)), provenance());
        fed = to;
        let s = eeg.summary(at(secs));
        assert_eq!(s.is_some(), summary, "{secs}");
        assert_eq!(s.as_ref().is_some_and(|s| s.aeeg_margins_uv.is_some()), margins, "{secs}");
        assert_eq!(s.is_some_and(|s| s.burst_suppression_percent.is_some()), ratio, "{secs}");
    }
    assert!(eeg.summary(at(66.0 + 300.0)).is_some());
    assert!(eeg.summary(at(66.0 + 300.1)).is_none(), "five minutes later nothing of it is true");
}

#[test]
fn blocks_that_cannot_be_used_are_counted() {
    let samples = background(5, 200.0, 6, 5);
    let good = block(0.0, 200.0, &LABELS, &samples);
    let mut eeg = Eeg::new();
    let refused = [
        WaveformBlock { kind: WaveformKind::Ecg, ..good.clone() },
        WaveformBlock { channels: vec![], ..good.clone() },
        WaveformBlock { rate: SampleRate::new(99.9).unwrap(), ..good.clone() },
        WaveformBlock { rate: SampleRate::new(4_097.0).unwrap(), ..good.clone() },
        block(0.0, 200.0, &["EKG", "EOG"], &samples),
    ];
    for bad in &refused {
        eeg.push(bad, provenance());
    }
    assert_eq!(eeg.counts().refused_blocks, refused.len() as u64);
    eeg.push(&good, provenance());
    eeg.push(&good, provenance());
    assert_eq!(eeg.counts().overlap_samples, 1_000, "a repeated block is dropped");
    eeg.push(&block(6.0, 200.0, &LABELS, &samples), provenance());
    assert_eq!(eeg.counts().gap_samples, 200);
    assert_eq!(eeg.counts().resets, 0);
    eeg.push(&block(11.0, 200.0, &LABELS[..4], &samples), provenance());
    eeg.push(&block(16.0, 250.0, &LABELS[..4], &samples), provenance());
    assert_eq!(eeg.counts().resets, 2);
    assert_eq!(eeg.summary(at(20.0)).expect("windows at the new rate").channels, 4);
}

#[test]
fn a_long_gap_restarts_the_windows() {
    let samples = background(70, 200.0, 6, 8);
    let mut eeg = Eeg::new();
    eeg.push(&block(0.0, 200.0, &LABELS, &samples), provenance());
    let before = eeg.summary(at(70.0)).expect("windows");
    assert!(before.aeeg_margins_uv.is_some());
    eeg.push(&block(1_000.0, 200.0, &LABELS, &cut(&samples, 0, 790)), provenance());
    assert_eq!(eeg.summary(at(1_003.95)), None, "no window yet, and the old one is forgotten");
    eeg.push(&block(1_003.95, 200.0, &LABELS, &cut(&samples, 790, 800)), provenance());
    let after = eeg.summary(at(1_004.0)).expect("a new window");
    assert_eq!((after.at, after.aeeg_margins_uv), (at(1_004.0), None));
}

#[test]
fn the_state_survives_a_checkpoint() {
    let samples = background(20, 256.0, 6, 9);
    let mut eeg = Eeg::new();
    eeg.push(&block(0.0, 256.0, &LABELS, &cut(&samples, 0, 2_000)), provenance());
    let bytes = postcard::to_allocvec(&eeg).unwrap();
    let mut restored: Eeg = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(restored, eeg);
    for e in [&mut eeg, &mut restored] {
        e.push(&block(2_000.0 / 256.0, 256.0, &LABELS, &cut(&samples, 2_000, 5_120)), provenance());
    }
    assert_eq!(restored.summary(at(20.0)), eeg.summary(at(20.0)));
    println!("checkpoint of {} channels: {} bytes", LABELS.len(), bytes.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Law: however a stream with gaps, repeats and missing samples is cut into blocks, every summary
    /// is the same.
    #[test]
    fn cutting_does_not_matter(
        seed in 0u64..1_000,
        gap in 0usize..2_000,
        overlap in 0usize..600,
        cuts in prop::collection::vec(1usize..700, 1..40),
        hole in 0usize..2_500,
    ) {
        let rate = 128.0;
        let mut samples = background(24, rate, 6, seed);
        samples[2][hole..hole + 90].fill(f32::NAN);
        // Three pieces: the second begins `gap` samples late, the third `overlap` samples early.
        let middle = 1_000 + gap;
        let third = middle + 1_000 - overlap;
        let pieces = [(0usize, 0usize, 1_000usize), (middle, 1_000, 2_000), (third, 2_000, 3_000)];
        let run = |cut_at: &mut dyn FnMut() -> usize| {
            let mut eeg = Eeg::new();
            for (start, from, to) in pieces {
                let mut i = from;
                while i < to {
                    let end = (i + cut_at()).min(to);
                    let begins = (start + i - from) as f64 / rate;
                    eeg.push(&block(begins, rate, &LABELS, &cut(&samples, i, end)), provenance());
                    i = end;
                }
            }
            eeg
        };
        let whole = run(&mut || usize::MAX / 2);
        let mut turn = 0;
        let chopped = run(&mut || { turn += 1; cuts[turn % cuts.len()] });
        prop_assert_eq!(whole.counts(), chopped.counts());
        prop_assert_eq!(whole, chopped);
    }
}
