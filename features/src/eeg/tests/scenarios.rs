//! When the seizure score must speak, and when it must not.

use super::*;

const RATE: f64 = 256.0;
const NAMES: [&str; 19] = [
    "FP1", "FP2", "F7", "F3", "FZ", "F4", "F8", "T3", "C3", "CZ", "C4", "T4", "T5", "P3", "PZ", "P4", "T6",
    "O1", "O2",
];

/// What happens to the background from second 60 to 100: added microvolts by channel and time since.
type Happening = fn(usize, f64, &mut Noise) -> f64;

/// Spike and wave, from 5 to 3 Hz over 40 s, growing.
fn discharge(t: f64, size: f64) -> f64 {
    let cycles = 5.0 * t - t * t / 40.0;
    let phase = cycles.rem_euclid(1.0);
    let spike = (phase - 0.12) / 0.035;
    let growth = 0.5 + 0.5 * (t / 20.0).min(1.0);
    size * growth * (-1.7 * (-0.5 * spike * spike).exp() + (std::f64::consts::TAU * (phase - 0.2)).sin())
}

/// Seconds from the happening's start to ten seconds of seizure-like stretch (the alarm), and the
/// highest score.
fn watch(happening: Happening) -> (Option<f64>, f64) {
    let mut samples = background(110, RATE, 19, 11);
    for (c, x) in samples.iter_mut().enumerate() {
        let mut noise = Noise(500 + c as u64);
        let during = &mut x[(60.0 * RATE) as usize..(100.0 * RATE) as usize];
        for (i, v) in during.iter_mut().enumerate() {
            *v += happening(c, i as f64 / RATE, &mut noise) as f32;
        }
    }
    let (mut eeg, mut alarm, mut highest) = (Eeg::new(), None, 0.0_f64);
    for s in 0..110 {
        let (from, to) = (s * 256, (s + 1) * 256);
        eeg.push(&block(s as f64, RATE, &NAMES, &cut(&samples, from, to)), provenance());
        if let Some(summary) = eeg.summary(at(s as f64 + 1.0)) {
            highest = highest.max(summary.seizure_score);
            if summary.seizure_for >= Span::secs(10) && alarm.is_none() {
                alarm = Some(s as f64 + 1.0 - 60.0);
            }
        }
    }
    (alarm, highest)
}

#[test]
fn alarms_on_seizures_and_on_nothing_else() {
    // (name, what is added, whether it must alarm within 15 s)
    let cases: [(&str, Happening, bool); 13] = [
        ("background", |_, _, _| 0.0, false),
        ("spike and wave, all channels", |_, t, _| discharge(t, 90.0), true),
        (
            "spike and wave at one side",
            |c, t, _| if [2, 7, 8, 12, 3].contains(&c) { discharge(t, 90.0) } else { 0.0 },
            true,
        ),
        ("3 Hz rhythm", |_, t, _| 90.0 * (std::f64::consts::TAU * 3.0 * t).sin(), true),
        ("2 Hz rhythmic delta", |_, t, _| 90.0 * (std::f64::consts::TAU * 2.0 * t).sin(), false),
        ("alpha grows by half", |_, t, _| 7.0 * (std::f64::consts::TAU * 10.0 * t).sin(), false),
        ("muscle, all channels", |_, _, noise| 45.0 * noise.next(), false),
        ("60 Hz, 200 uV", |_, t, _| 200.0 * (std::f64::consts::TAU * 60.0 * t).sin(), false),
        ("60 Hz, 20 uV", |_, t, _| 20.0 * (std::f64::consts::TAU * 60.0 * t).sin(), false),
        (
            "pops at one electrode",
            |c, t, _| if c == 4 { 200.0 * (-(t % 2.0) * 3.0).exp() } else { 0.0 },
            false,
        ),
        ("pops at every electrode", |_, t, _| 200.0 * (-(t % 2.0) * 3.0).exp(), false),
        (
            "blinks",
            |c, t, _| if c < 2 { 150.0 * (-0.5 * ((t % 1.7 - 0.4) / 0.07).powi(2)).exp() } else { 0.0 },
            false,
        ),
        (
            "large slow waves",
            |c, t, _| 120.0 * (std::f64::consts::TAU * (1.1 + 0.01 * c as f64) * t).sin(),
            false,
        ),
    ];
    for (name, happening, must) in cases {
        let (alarm, highest) = watch(happening);
        println!("{name:32} alarm after {alarm:?} s, highest score {highest:.2}");
        assert_eq!(alarm.is_some_and(|s| s <= 15.0), must, "{name}: {alarm:?}");
        assert!(must || alarm.is_none(), "{name}: {alarm:?}");
    }
}

#[test]
fn burden_and_duration_count_the_seizure() {
    let mut samples = background(400, RATE, 19, 12);
    for x in &mut samples {
        let during = &mut x[(100.0 * RATE) as usize..(160.0 * RATE) as usize];
        for (i, v) in during.iter_mut().enumerate() {
            *v += discharge(i as f64 / RATE, 90.0) as f32;
        }
    }
    let mut eeg = Eeg::new();
    let mut longest = Span::ZERO;
    for s in 0..400 {
        eeg.push(&block(s as f64, RATE, &NAMES, &cut(&samples, s * 256, (s + 1) * 256)), provenance());
        if let Some(summary) = eeg.summary(at(s as f64 + 1.0)) {
            longest = longest.max(summary.seizure_for);
        }
    }
    let last = eeg.summary(at(400.0)).unwrap();
    println!("60 s seizure: longest stretch {} s, burden {:.3}", longest.as_secs_f64(), last.seizure_burden);
    assert!((55.0..=66.0).contains(&longest.as_secs_f64()), "{}", longest.as_secs_f64());
    assert_eq!(last.seizure_for, Span::ZERO);
    assert!((last.seizure_burden - 0.2).abs() <= 0.034, "{}", last.seizure_burden);
}

#[test]
fn a_recording_that_begins_in_a_seizure_is_not_taken_for_normal() {
    let mut samples = background(30, RATE, 19, 13);
    for x in &mut samples {
        for (i, v) in x.iter_mut().enumerate() {
            *v += discharge(i as f64 / RATE, 90.0) as f32;
        }
    }
    let mut eeg = Eeg::new();
    eeg.push(&block(0.0, RATE, &NAMES, &samples), provenance());
    assert!(eeg.summary(at(30.0)).unwrap().seizure_for >= Span::secs(20));
}
