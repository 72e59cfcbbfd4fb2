use proptest::prelude::*;

use super::*;

/// Windows of four channels from a function of lane and time.
fn window(rate_hz: f64, n: usize, f: impl Fn(usize, f64) -> f64) -> Vec<Lanes> {
    (0..n).map(|i| std::array::from_fn(|lane| f(lane, i as f64 / rate_hz) as f32)).collect()
}

fn noise(n: usize, sd: f64, mut state: u64) -> Vec<Lanes> {
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..n)
        .map(|_| {
            std::array::from_fn(|_| {
                let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
                (sd * radius * (std::f64::consts::TAU * uniform()).cos()) as f32
            })
        })
        .collect()
}

fn near(got: f32, want: f64, relative: f64) -> bool {
    (f64::from(got) - want).abs() <= want.abs() * relative
}

/// The straightforward way: f64 DFT of one bin.
fn dft_power(samples: &[f64], bin: usize) -> f64 {
    let n = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / n;
    let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
    for (i, x) in samples.iter().enumerate() {
        let w = 0.5 - 0.5 * (std::f64::consts::TAU * i as f64 / n).cos();
        let angle = std::f64::consts::TAU * (bin * i) as f64 / n;
        re += (x - mean) * w * angle.cos();
        im -= (x - mean) * w * angle.sin();
        energy += w * w;
    }
    2.0 * (re * re + im * im) / (n * energy)
}

#[test]
fn a_sine_lands_in_its_band_with_half_its_squared_amplitude() {
    // (rate, amplitude uV, frequency Hz, band); edges belong to the band above, 30 Hz to beta.
    let cases = [
        (256.0, 20.0, 2.0, 0),
        (256.0, 20.0, 6.0, 1),
        (200.0, 35.0, 10.0, 2),
        (250.0, 5.0, 20.0, 3),
        (500.0, 80.0, 3.0, 0),
        (128.0, 80.0, 25.0, 3),
    ];
    for (rate, amplitude, hz, band) in cases {
        let n = (4.0 * rate) as usize;
        let mut analyzer = Analyzer::new(rate, n);
        let samples = window(rate, n, |lane, t| {
            500.0 + amplitude * (lane + 1) as f64 * (std::f64::consts::TAU * hz * t).sin()
        });
        let got = analyzer.analyse(&samples, [500.0; 4]);
        for lane in 0..4 {
            let want = (amplitude * (lane + 1) as f64).powi(2) / 2.0;
            assert!(near(got.bands[band][lane], want, 1e-3), "{hz} Hz: {} != {want}", got.bands[band][lane]);
            assert!(near(got.total[lane], want, 1e-3));
            assert!(near(got.peak_hz[lane], hz, 1e-5));
            assert!((f64::from(got.sef95_hz[lane]) - hz).abs() <= 0.26, "{}", got.sef95_hz[lane]);
            // Hann spreads a bin-centred line over three bins as 1/6, 2/3, 1/6.
            let bins = Layout::new(rate, n).all().len() as f64;
            let entropy = -(2.0 / 3.0_f64).mul_add((2.0 / 3.0_f64).log2(), (1.0 / 6.0_f64).log2() / 3.0);
            assert!((f64::from(got.entropy[lane]) - entropy / bins.log2()).abs() < 1e-3);
        }
    }
}

#[test]
fn band_edges_belong_to_the_band_above() {
    let layout = Layout::new(256.0, 1024);
    assert_eq!(layout.bands, [2..16, 16..32, 32..52, 52..121]);
    assert_eq!((layout.muscle.clone(), layout.mains.clone()), (121..181, [196..205, 236..245]));
    assert_eq!((layout.rhythm.clone(), layout.half_width), (10..61, 2));
    assert_eq!(Layout::new(200.0, 800), layout);
    // Too slow to see the mains at 60 Hz: no bins beyond the Nyquist frequency.
    assert!(Layout::new(100.0, 400).mains[1].is_empty());
}

#[test]
fn every_bin_agrees_with_a_plain_dft() {
    for (rate, n) in [(256.0, 1024), (200.0, 800), (250.0, 1000)] {
        let samples = noise(n, 30.0, 7);
        let mut analyzer = Analyzer::new(rate, n);
        let mean = std::array::from_fn(|lane| samples.iter().map(|x| x[lane]).sum::<f32>() / n as f32);
        analyzer.analyse(&samples, mean);
        for lane in 0..4 {
            let plain: Vec<f64> = samples.iter().map(|x| f64::from(x[lane])).collect();
            for bin in (2..181).step_by(7).chain(196..205) {
                let (got, want) = (analyzer.power(bin)[lane], dft_power(&plain, bin));
                assert!((f64::from(got) - want).abs() < 1e-3 + want * 1e-3, "bin {bin}: {got} != {want}");
            }
        }
    }
}

#[test]
fn white_noise_is_flat_at_twice_its_variance_over_the_rate() {
    let (rate, n, sd) = (256.0, 1024, 10.0);
    let mut analyzer = Analyzer::new(rate, n);
    let (mut total, mut muscle, mut entropy, rounds) = (0.0, 0.0, 0.0, 200);
    for seed in 0..rounds {
        let got = analyzer.analyse(&noise(n, sd, seed * 977 + 5), ZERO);
        total += f64::from(got.total.iter().sum::<f32>()) / 4.0;
        muscle += f64::from(got.muscle.iter().sum::<f32>()) / 4.0;
        entropy += f64::from(got.entropy.iter().sum::<f32>()) / 4.0;
    }
    let density = 2.0 * sd * sd / rate;
    let rounds = rounds as f64;
    assert!(near((total / rounds) as f32, density * 119.0 * 0.25, 0.02), "{}", total / rounds);
    assert!(near((muscle / rounds) as f32, density * 60.0 * 0.25, 0.02), "{}", muscle / rounds);
    // Exponentially distributed bins: 1 - (1 - gamma) / ln(119) = .91.
    assert!((entropy / rounds - 0.91).abs() < 0.02, "{}", entropy / rounds);
}

#[test]
fn parseval_holds_for_a_band_limited_signal() {
    // Several lines within .5-30 Hz: their powers add up to the mean square.
    let parts = [(3.0, 1.5), (10.0, 7.25), (20.0, 11.0), (6.0, 24.0)];
    let (rate, n) = (256.0, 1024);
    let mut analyzer = Analyzer::new(rate, n);
    let samples = window(rate, n, |_, t| {
        parts.iter().map(|(a, hz)| a * (std::f64::consts::TAU * hz * t + hz).cos()).sum()
    });
    let mean_square = samples.iter().map(|x| f64::from(x[0]).powi(2)).sum::<f64>() / n as f64;
    let got = analyzer.analyse(&samples, ZERO);
    assert!(near(got.total[0], mean_square, 2e-3), "{} != {mean_square}", got.total[0]);
    assert!(near(got.bands.iter().map(|b| b[0]).sum::<f32>(), f64::from(got.total[0]), 1e-4));
}

#[test]
fn silence_has_no_power_and_no_nan() {
    let mut analyzer = Analyzer::new(256.0, 1024);
    assert_eq!(
        analyzer.analyse(&[[3.0; 4]; 1024], [3.0; 4]),
        Spectra { rhythm_hz: [2.5; 4], ..Spectra::default() }
    );
}

#[test]
fn the_rhythm_holds_its_harmonics() {
    let (rate, n) = (256.0, 1024);
    let mut analyzer = Analyzer::new(rate, n);
    let tau = std::f64::consts::TAU;
    let samples = window(rate, n, |_, t| {
        60.0 * (tau * 3.0 * t).sin() + 30.0 * (tau * 6.0 * t).sin() + 20.0 * (tau * 20.0 * t).sin()
    });
    let got = analyzer.analyse(&samples, ZERO);
    assert!(near(got.rhythm_hz[0], 3.0, 1e-5));
    assert!(near(got.rhythm[0], 60.0_f64.powi(2) / 2.0 + 30.0_f64.powi(2) / 2.0, 2e-3), "{}", got.rhythm[0]);
}

proptest! {
    #[test]
    fn fast_log2_is_within_its_bound(x in 1e-30f32..1e30) {
        prop_assert!((f64::from(fast_log2(x)) - f64::from(x).log2()).abs() < 2e-5 + f64::from(x).log2().abs() * 2e-7);
    }

    /// Law: a channel's features do not depend on what shares its transform.
    #[test]
    fn lanes_do_not_mix(seed in 0u64..1_000, other in 1.0f64..50.0) {
        let n = 1024;
        let mut analyzer = Analyzer::new(256.0, n);
        let one = noise(n, 20.0, seed);
        let mut two = noise(n, other, seed + 5_000);
        for (a, b) in one.iter().zip(&mut two) {
            b[2] = a[2];
        }
        let (a, b) = (analyzer.analyse(&one, ZERO), analyzer.analyse(&two, ZERO));
        prop_assert!((a.total[2] - b.total[2]).abs() <= a.total[2] * 1e-4);
        prop_assert!((a.entropy[2] - b.entropy[2]).abs() <= 1e-4);
        prop_assert_eq!(a.rhythm_hz[2], b.rhythm_hz[2]);
    }
}
