//! Made beats whose truth is known, cut in every way; MIT-BIH and the alarms of CinC 2015 in `records`.

use bedwatch_schemas::waveform::{Channel as Samples, SampleRate};
use proptest::prelude::*;

use super::*;

mod records;

fn at(secs: f64) -> EventTime {
    EventTime::from_micros((secs * 1e6).round() as i64)
}

fn block(kind: WaveformKind, start: f64, rate: f64, channels: &[&[f32]]) -> WaveformBlock {
    let channel =
        |(i, samples): (usize, &&[f32])| Samples { label: format!("C{i}"), samples: samples.to_vec() };
    WaveformBlock {
        kind,
        start: at(start),
        rate: SampleRate::new(rate).unwrap(),
        channels: channels.iter().enumerate().map(channel).collect(),
    }
}

fn bump(x: f64, centre: f64, width: f64) -> f64 {
    (-0.5 * ((x - centre) / width).powi(2)).exp()
}

/// A beat at a time: narrow ones have a T wave, wide ones are 160 ms and upside down.
#[derive(Clone, Copy)]
struct Beat {
    at: f64,
    is_wide: bool,
}

fn ecg(beats: &[Beat], secs: f64, rate: f64) -> Vec<f32> {
    let value = |t: f64| {
        let near = beats.iter().map(|b| (t - b.at, b.is_wide)).filter(|(d, _)| d.abs() < 0.8);
        let sum = near.map(|(d, is_wide)| match is_wide {
            false => bump(d, 0.0, 0.011) - 0.2 * bump(d, 0.03, 0.012) + 0.2 * bump(d, 0.26, 0.045),
            true => -1.3 * bump(d, 0.0, 0.05) + 0.5 * bump(d, 0.17, 0.06),
        });
        sum.sum::<f64>() + 0.01 * (t * 37.0).sin()
    };
    (0..(secs * rate) as usize).map(|i| value(i as f64 / rate) as f32).collect()
}

/// Pulses at these times; those of a run are a third of the size.
fn pulse(beats: &[Beat], secs: f64, rate: f64) -> Vec<f32> {
    let value = |t: f64| {
        let near = beats.iter().map(|b| (t - b.at, b.is_wide)).filter(|(d, _)| (-0.5..1.5).contains(d));
        let size = |is_wide| if is_wide { 0.3 } else { 1.0 };
        let sum: f64 = near.map(|(d, w)| size(w) * (bump(d, 0.25, 0.06) + 0.3 * bump(d, 0.48, 0.08))).sum();
        80.0 + 40.0 * sum
    };
    (0..(secs * rate) as usize).map(|i| value(i as f64 / rate) as f32).collect()
}

/// Sinus rhythm at 75/min for `secs`, with `wide` beats `apart` seconds apart from `from` on.
fn rhythm(secs: f64, from: f64, wide: usize, apart: f64) -> Vec<Beat> {
    let mut beats = Vec::new();
    let mut t = 0.5;
    let (mut left, mut next) = (wide, 0.8);
    while t < secs {
        let is_wide = t >= from && left > 0;
        beats.push(Beat { at: t, is_wide });
        left -= usize::from(is_wide);
        if t + 0.8 >= from && left > 0 {
            next = apart;
        } else if is_wide {
            next = 0.9;
        } else if left == 0 {
            next = 0.8;
        }
        t += next;
    }
    beats
}

/// A patient of sixty seconds with `wide` beats from 50 s on; what is seen at the end.
fn seen(wide: usize, apart: f64, rate: f64, pulses_of: Option<&[Beat]>) -> Evidence {
    let beats = rhythm(60.0, 50.0, wide, apart);
    let line = ecg(&beats, 60.0, rate);
    let mut runs = Ventricular::new();
    runs.push(&block(WaveformKind::Ecg, 0.0, rate, &[&line, &line]));
    runs.push(&block(WaveformKind::Abp, 0.0, rate, &[&pulse(pulses_of.unwrap_or(&beats), 60.0, rate)]));
    runs.evidence(at(60.0))
}

#[test]
fn runs_are_supported_and_other_beats_are_not_at_every_rate() {
    for rate in [100.0, 125.0, 250.0, 360.0, 500.0] {
        // (name, wide beats, seconds apart, support)
        let cases = [
            ("sinus rhythm", 0, 0.4, Support::UsualBeats),
            ("one wide beat", 1, 0.5, Support::UsualBeats),
            ("a run of eight at 150/min", 8, 0.4, Support::Supported),
            ("a run of twelve at 200/min", 12, 0.3, Support::Supported),
            ("a run of seven at 120/min", 7, 0.5, Support::Supported),
        ];
        for (name, wide, apart, want) in cases {
            let evidence = seen(wide, apart, rate, None);
            assert_eq!(evidence.support(&BOUNDS), want, "{name} at {rate} Hz: {evidence:?}");
            assert_eq!((evidence.ecg_leads, evidence.pulses), (2, 1));
            if want == Support::Supported {
                let found = evidence.rhythm_per_min.unwrap();
                assert!((found - 60.0 / apart).abs() < 8.0, "{name} at {rate} Hz: {found}/min");
            }
        }
    }
}

#[test]
fn a_pulse_that_goes_on_contradicts_a_run() {
    let sinus = rhythm(60.0, 99.0, 0, 0.4);
    let evidence = seen(8, 0.4, 250.0, Some(&sinus));
    assert_eq!(evidence.support(&BOUNDS), Support::UsualPulses, "{evidence:?}");
    assert!(evidence.ecg_interruption_secs.is_some_and(|secs| secs > 3.0), "{evidence:?}");
}

/// What the card says falls short: a run that goes on becomes usual.
#[test]
fn a_run_that_goes_on_is_seen_for_half_a_minute() {
    let beats = rhythm(300.0, 180.0, 1_000, 0.4);
    let line = ecg(&beats, 300.0, 125.0);
    let mut runs = Ventricular::new();
    let mut seen = Vec::new();
    for (i, second) in line.chunks(125).enumerate() {
        runs.push(&block(WaveformKind::Ecg, i as f64, 125.0, &[second]));
        seen.push(runs.evidence(at(i as f64 + 1.0)).support(&BOUNDS));
    }
    let since = |secs: usize| seen[180 + secs];
    assert_eq!(seen[179], Support::UsualBeats);
    for secs in 4..25 {
        assert_eq!(since(secs), Support::Supported, "{secs} s after it began");
    }
    let until = (4..119).find(|secs| since(*secs) == Support::UsualBeats).unwrap();
    assert!((25..60).contains(&until), "no longer {until} s after it began");
}

#[test]
fn noise_in_one_lead_is_answered_by_the_other_and_in_both_by_its_lack_of_rhythm() {
    let beats = rhythm(60.0, 99.0, 0, 0.4);
    let clean = ecg(&beats, 60.0, 250.0);
    let mut state = 7_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1_u32 << 24) - 0.5
    };
    let noisy: Vec<f32> = clean
        .iter()
        .enumerate()
        .map(|(i, x)| if (12_500..13_750).contains(&i) { x + 6.0 * random() as f32 } else { *x })
        .collect();
    for (leads, want) in [([&clean, &noisy], Support::UsualBeats), ([&noisy, &noisy], Support::NoRhythm)] {
        let mut runs = Ventricular::new();
        runs.push(&block(WaveformKind::Ecg, 0.0, 250.0, &leads.map(Vec::as_slice)));
        let evidence = runs.evidence(at(60.0));
        assert_eq!(evidence.support(&BOUNDS), want, "{evidence:?}");
    }
}

#[test]
fn what_is_not_there_is_not_judged() {
    let line = ecg(&rhythm(60.0, 50.0, 8, 0.4), 60.0, 250.0);
    let of = |samples: &[f32], asked: f64| {
        let mut runs = Ventricular::new();
        runs.push(&block(WaveformKind::Ecg, 0.0, 250.0, &[samples]));
        runs.evidence(at(asked))
    };
    let last = |secs: f64| &line[line.len() - (secs * 250.0) as usize..];
    // (name, evidence, usable leads)
    let cases = [
        ("a minute", of(&line, 60.0), 1),
        ("asked two seconds later", of(&line, 62.0), 1),
        ("asked later still", of(&line, 62.1), 0),
        ("14 seconds of signal", of(last(14.0), 14.0), 1),
        ("less than 14 seconds", of(last(13.9), 13.9), 0),
        ("flat", of(&vec![0.3; 15_000], 60.0), 0),
        ("missing", of(&vec![f32::NAN; 15_000], 60.0), 0),
    ];
    for (name, evidence, leads) in cases {
        assert_eq!(evidence.ecg_leads, leads, "{name}");
        assert_eq!(evidence.ecg_interruption_secs.is_some(), leads > 0, "{name}");
        if leads == 0 {
            assert_eq!(evidence.support(&BOUNDS), Support::Unknown, "{name}");
        }
    }
}

#[test]
fn what_cannot_be_used_is_counted() {
    let line = ecg(&rhythm(20.0, 99.0, 0, 0.4), 20.0, 250.0);
    let mut runs = Ventricular::new();
    runs.push(&block(WaveformKind::Resp, 0.0, 250.0, &[&line]));
    runs.push(&block(WaveformKind::Ecg, 0.0, 25.0, &[&line]));
    runs.push(&block(WaveformKind::Ecg, 0.0, 250.0, &[&[]]));
    assert_eq!(runs.counts().refused_blocks, 3);
    runs.push(&block(WaveformKind::Ecg, 0.0, 250.0, &[&line]));
    runs.push(&block(WaveformKind::Ecg, 0.0, 250.0, &[&line]));
    assert_eq!(runs.counts().overlap_samples, 5_000);
    runs.push(&block(WaveformKind::Ecg, 21.0, 250.0, &[&line]));
    assert_eq!((runs.counts().gap_samples, runs.evidence(at(41.0)).ecg_leads), (250, 1));
    runs.push(&block(WaveformKind::Ecg, 99.0, 250.0, &[&line[..1_000]]));
    assert_eq!(runs.evidence(at(103.0)).ecg_leads, 0, "four seconds after a long gap");
    runs.push(&block(WaveformKind::Ecg, 103.0, 500.0, &[&line]));
    assert_eq!(runs.counts().resets, 0, "a second feed");
    runs.push(&block(WaveformKind::Ecg, 200.0, 125.0, &[&line]));
    assert_eq!(runs.counts().resets, 2, "both have ended");
    for (i, hz) in [100.0, 150.0, 200.0, 225.0, 300.0].into_iter().enumerate() {
        runs.push(&block(WaveformKind::Ecg, 360.0, hz, &[&line[..1_000]]));
        assert_eq!(runs.counts().resets, 3 + u64::from(i >= 4), "{hz} Hz");
    }
}

/// Two devices send leads at two rates, by turns: each is followed for itself.
#[test]
fn leads_at_two_rates_are_both_followed() {
    let beats = rhythm(60.0, 50.0, 8, 0.4);
    let [fast, slow] = [250.0, 125.0].map(|hz| ecg(&beats, 60.0, hz));
    let alone = |hz: f64, line: &[f32]| {
        let mut runs = Ventricular::new();
        runs.push(&block(WaveformKind::Ecg, 0.0, hz, &[line]));
        runs.evidence(at(60.0))
    };
    let mut runs = Ventricular::new();
    for second in 0..60 {
        for (hz, line) in [(250_usize, &fast), (125, &slow)] {
            let line = &line[second * hz..(second + 1) * hz];
            runs.push(&block(WaveformKind::Ecg, second as f64, hz as f64, &[line]));
        }
    }
    assert_eq!(runs.counts(), Counts::default());
    let (both, [fast, slow]) = (runs.evidence(at(60.0)), [alone(250.0, &fast), alone(125.0, &slow)]);
    assert_eq!(both.ecg_leads, 2);
    let shortest = if fast.ecg_interruption_secs <= slow.ecg_interruption_secs { fast } else { slow };
    assert_eq!(both, Evidence { ecg_leads: 2, ..shortest });
    assert_ne!(both.support(&BOUNDS), Support::Unknown);
}

#[test]
fn a_restored_state_goes_on_as_if_nothing_had_happened() {
    let line = ecg(&rhythm(60.0, 50.0, 8, 0.4), 60.0, 250.0);
    let mut whole = Ventricular::new();
    whole.push(&block(WaveformKind::Ecg, 0.0, 250.0, &[&line[..12_750]]));
    let bytes = postcard::to_stdvec(&whole).unwrap();
    let mut restored: Ventricular = postcard::from_bytes(&bytes).unwrap();
    for runs in [&mut whole, &mut restored] {
        runs.push(&block(WaveformKind::Ecg, 51.0, 250.0, &[&line[12_750..]]));
    }
    assert_eq!(restored, whole);
    // A bed with two leads, pressure and pleth is a checkpoint of so much more.
    println!("one channel in a checkpoint: {} bytes", bytes.len());
    assert!(bytes.len() < 20_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However a stream is cut into blocks, the same is found.
    #[test]
    fn any_chunking(cuts in proptest::collection::vec(1_usize..2_000, 1..40)) {
        let line = ecg(&rhythm(40.0, 30.0, 8, 0.4), 40.0, 125.0);
        let mut whole = Ventricular::new();
        whole.push(&block(WaveformKind::Ecg, 0.0, 125.0, &[&line, &line]));
        let mut pieces = Ventricular::new();
        let mut from = 0;
        for cut in cuts.iter().copied().chain([line.len()]) {
            let to = (from + cut).min(line.len());
            if to > from {
                pieces.push(&block(WaveformKind::Ecg, from as f64 / 125.0, 125.0, &[&line[from..to], &line[from..to]]));
            }
            from = to;
        }
        prop_assert_eq!(pieces.evidence(at(40.0)), whole.evidence(at(40.0)));
        prop_assert_eq!(pieces, whole);
    }

    /// Any samples, missing ones among them, give figures in their ranges and no panic.
    #[test]
    fn any_samples(seed in 0_u32..1_000, missing in 0_u32..100) {
        let mut state = seed;
        let samples: Vec<f32> = (0..4_000).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let x = state >> 8;
            if x % 100 < missing { f32::NAN } else { (x % 1_000) as f32 - 500.0 }
        }).collect();
        let mut runs = Ventricular::new();
        runs.push(&block(WaveformKind::Ecg, 0.0, 100.0, &[&samples]));
        runs.push(&block(WaveformKind::Pleth, 0.0, 100.0, &[&samples]));
        let evidence = runs.evidence(at(40.0));
        for secs in [evidence.ecg_interruption_secs, evidence.pulse_interruption_secs].into_iter().flatten() {
            prop_assert!((0.0..=WINDOW_SECS as f64).contains(&secs));
        }
        prop_assert!(evidence.rhythm.is_none_or(|r| r.abs() < 3.0));
    }
}
