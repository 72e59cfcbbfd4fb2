use bedwatch_schemas::{
    event::Stream,
    waveform::{Channel, SampleRate, WaveformKind},
};
use proptest::prelude::*;

use super::*;

mod records;

fn provenance() -> Provenance {
    Provenance { stream: Stream::Waveforms, partition: 0, offset: 0, part: 0 }
}

fn at(secs: f64) -> EventTime {
    EventTime::from_micros((secs * 1e6).round() as i64)
}

fn block(kind: WaveformKind, start: f64, rate: f64, samples: &[f32]) -> WaveformBlock {
    WaveformBlock {
        kind,
        start: at(start),
        rate: SampleRate::new(rate).unwrap(),
        channels: vec![Channel { label: "II".into(), samples: samples.to_vec() }],
    }
}

/// A QRS and T wave at each beat; or a pulse of `height` over `base`.
fn wave(kind: WaveformKind, beats: &[f64], secs: f64, rate: f64) -> Vec<f32> {
    let bump = |x: f64, centre: f64, width: f64| (-0.5 * ((x - centre) / width).powi(2)).exp();
    (0..(secs * rate) as usize)
        .map(|i| {
            let t = i as f64 / rate;
            let near = beats.iter().map(|b| t - b).filter(|d| (-0.5..1.5).contains(d));
            let ripple = (t * 37.0).sin() * 0.01;
            let sum: f64 = near
                .map(|d| match kind {
                    WaveformKind::Ecg => {
                        bump(d, 0.0, 0.011) - 0.2 * bump(d, 0.03, 0.012) + 0.3 * bump(d, 0.26, 0.045)
                    }
                    _ => bump(d, 0.15, 0.06) + 0.3 * bump(d, 0.38, 0.08),
                })
                .sum();
            match kind {
                WaveformKind::Abp => (80.0 + 40.0 * sum + ripple) as f32,
                _ => (0.5 + sum + ripple) as f32,
            }
        })
        .collect()
}

fn regular(per_min: f64, secs: f64) -> Vec<f64> {
    (0..).map(|i| 0.4 + f64::from(i) * 60.0 / per_min).take_while(|t| *t < secs).collect()
}

const KINDS: [(WaveformKind, Modality); 3] = [
    (WaveformKind::Ecg, Modality::Ecg),
    (WaveformKind::Pleth, Modality::Pleth),
    (WaveformKind::Abp, Modality::Abp),
];

fn summary_of(kind: WaveformKind, modality: Modality, rate: f64, samples: &[f32]) -> Option<CardiacSummary> {
    let mut cardiac = Cardiac::new(modality);
    cardiac.push(&block(kind, 0.0, rate, samples), provenance());
    cardiac.summary(at(samples.len() as f64 / rate))
}

#[test]
fn rates_are_found_at_every_sample_rate() {
    for (kind, modality) in KINDS {
        for rate in [100.0, 125.0, 250.0, 360.0, 500.0, 1_000.0] {
            for per_min in [42.0, 60.0, 75.0, 120.0, 170.0] {
                let samples = wave(kind, &regular(per_min, 40.0), 40.0, rate);
                let s = summary_of(kind, modality, rate, &samples).expect("forty seconds");
                let got = s.rate_per_min.unwrap_or(f64::NAN);
                assert!(
                    (got - per_min).abs() < 0.5,
                    "{kind:?} {rate} Hz {per_min}: {got} quality {}",
                    s.quality
                );
                assert!(s.quality > 0.9, "{kind:?} {rate} Hz {per_min}: {}", s.quality);
                assert_eq!(s.pressure.is_some(), kind == WaveformKind::Abp);
            }
        }
    }
}

#[test]
fn pressures_are_those_of_the_wave() {
    let samples = wave(WaveformKind::Abp, &regular(75.0, 30.0), 30.0, 125.0);
    let s = summary_of(WaveformKind::Abp, Modality::Abp, 125.0, &samples).unwrap();
    let (systolic, diastolic, mean) = s.pressure.unwrap();
    let true_mean = samples[20 * 125..].iter().map(|x| f64::from(*x)).sum::<f64>() / 1_250.0;
    assert!((systolic - 120.0).abs() < 1.0, "{systolic}");
    assert!((diastolic - 80.0).abs() < 1.5, "{diastolic}");
    assert!((mean - true_mean).abs() < 1.5, "{mean} {true_mean}");
}

#[test]
fn what_cannot_be_believed_has_no_rate() {
    let beats = regular(75.0, 40.0);
    for (kind, modality) in KINDS {
        let rate = 125.0;
        let good = wave(kind, &beats, 40.0, rate);
        let change = |f: &dyn Fn(usize, f32) -> f32| {
            good.iter().enumerate().map(|(i, x)| f(i, *x)).collect::<Vec<f32>>()
        };
        let top = good.iter().copied().fold(f32::MIN, f32::max);
        let bottom = good.iter().copied().fold(f32::MAX, f32::min);
        let mut noise = 1u64;
        let mut random = move || {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 40) as f32 / 16_777_216.0 - 0.5
        };
        let noisy: Vec<f32> = good.iter().map(|x| x + (top - bottom) * 4.0 * random()).collect();
        let cases = [
            ("flat", change(&|i, x| if i > 30 * 125 { 0.7 } else { x })),
            ("flat for the last 4 s", change(&|i, x| if i > 36 * 125 { 0.7 } else { x })),
            ("clipped", change(&|_, x| x.clamp(bottom, bottom + (top - bottom) * 0.02))),
            ("missing", change(&|i, x| if (32 * 125..36 * 125).contains(&i) { f32::NAN } else { x })),
            ("noise", noisy),
        ];
        for (name, samples) in cases {
            let s = summary_of(kind, modality, rate, &samples).expect("forty seconds");
            assert_eq!(s.rate_per_min, None, "{kind:?} {name}: quality {}", s.quality);
            assert_eq!(s.pressure, None, "{kind:?} {name}");
        }
    }
}

#[test]
fn when_there_is_a_summary() {
    let samples = wave(WaveformKind::Ecg, &regular(60.0, 20.0), 20.0, 250.0);
    for (secs, want) in [(9.9, false), (10.0, true)] {
        let n = (secs * 250.0) as usize;
        assert_eq!(
            summary_of(WaveformKind::Ecg, Modality::Ecg, 250.0, &samples[..n]).is_some(),
            want,
            "{secs}"
        );
    }
    let mut cardiac = Cardiac::new(Modality::Ecg);
    cardiac.push(&block(WaveformKind::Ecg, 0.0, 250.0, &samples), provenance());
    assert!(cardiac.summary(at(320.0)).is_some() && cardiac.summary(at(320.1)).is_none());
    cardiac.push(&block(WaveformKind::Pleth, 20.0, 250.0, &samples), provenance());
    cardiac.push(&block(WaveformKind::Ecg, 20.0, 49.0, &samples), provenance());
    cardiac.push(&block(WaveformKind::Ecg, 15.0, 250.0, &samples[..1_500]), provenance());
    cardiac.push(&block(WaveformKind::Ecg, 22.0, 250.0, &samples), provenance());
    let counts = cardiac.counts();
    assert_eq!((counts.refused_blocks, counts.overlap_samples, counts.gap_samples), (2, 1_250, 250));
    cardiac.push(&block(WaveformKind::Ecg, 50.0, 500.0, &samples), provenance());
    assert_eq!(cardiac.counts().resets, 1);
}

#[test]
fn variability_after_five_minutes() {
    // 800 ms with a respiratory swing of 20 ms at .25 Hz: 200 ms² in HF.
    let (mut t, mut beats) = (0.4, Vec::new());
    while t < 330.0 {
        beats.push(t);
        t += 0.8 + 0.02 * (std::f64::consts::TAU * 0.25 * t).sin();
    }
    for (kind, modality) in KINDS {
        let samples = wave(kind, &beats, 330.0, 250.0);
        let s = summary_of(kind, modality, 250.0, &samples).unwrap();
        let (sdnn, lf, hf) = (s.sdnn_ms.unwrap(), s.lf_ms2.unwrap(), s.hf_ms2.unwrap());
        println!(
            "{kind:?}: SDNN {sdnn:.1} (14.1) RMSSD {:.1} LF {lf:.1} (0) HF {hf:.1} (200)",
            s.rmssd_ms.unwrap()
        );
        assert!((sdnn - 14.1).abs() < 1.0 && (hf - 200.0).abs() < 30.0 && lf < 15.0);
        assert!((370..=376).contains(&s.beats), "{}", s.beats);
        assert_eq!(s.pnn50_percent, Some(0.0));
    }
}

#[test]
fn the_state_survives_a_checkpoint() {
    let samples = wave(WaveformKind::Pleth, &regular(80.0, 60.0), 60.0, 125.0);
    let mut cardiac = Cardiac::new(Modality::Pleth);
    cardiac.push(&block(WaveformKind::Pleth, 0.0, 125.0, &samples[..4_000]), provenance());
    let bytes = postcard::to_allocvec(&cardiac).unwrap();
    let mut restored: Cardiac = postcard::from_bytes(&bytes).unwrap();
    for c in [&mut cardiac, &mut restored] {
        c.push(&block(WaveformKind::Pleth, 32.0, 125.0, &samples[4_000..]), provenance());
    }
    assert_eq!(cardiac, restored);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Law: cutting a stream with a gap, a repeat and missing samples does not change anything.
    #[test]
    fn cutting_does_not_matter(
        gap in 0usize..1_500,
        overlap in 0usize..400,
        hole in 0usize..5_000,
        cuts in prop::collection::vec(1usize..500, 1..30),
    ) {
        let rate = 125.0;
        let mut samples = wave(WaveformKind::Ecg, &regular(83.0, 48.0), 48.0, rate);
        samples[hole..hole + 40].fill(f32::NAN);
        let middle = 2_000 + gap;
        let pieces = [(0usize, 0usize, 2_000usize), (middle, 2_000, 4_000), (middle + 2_000 - overlap, 4_000, 6_000)];
        let run = |cut_at: &mut dyn FnMut() -> usize| {
            let mut cardiac = Cardiac::new(Modality::Ecg);
            for (start, from, to) in pieces {
                let mut i = from;
                while i < to {
                    let end = (i + cut_at()).min(to);
                    let begins = (start + i - from) as f64 / rate;
                    cardiac.push(&block(WaveformKind::Ecg, begins, rate, &samples[i..end]), provenance());
                    i = end;
                }
            }
            cardiac
        };
        let whole = run(&mut || usize::MAX / 2);
        let mut turn = 0;
        let chopped = run(&mut || { turn += 1; cuts[turn % cuts.len()] });
        prop_assert_eq!(whole, chopped);
    }
}
