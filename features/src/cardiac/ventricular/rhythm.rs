//! How far a stretch of ECG repeats itself at the rates of ventricular tachycardia.
//!
//! A run of the same wide beats is nearly periodic; movement, tremor and loose electrodes are not, or at
//! other rates. The measure is the greatest autocorrelation at the lags of 100 to 250 beats a minute, of
//! the two seconds in which it is greatest.

/// Rates of a run, /min: the challenge's definition, and the upper end of what is called ventricular
/// tachycardia rather than flutter (Zipes & Jalife, Cardiac Electrophysiology).
const RATE_PER_MIN: [f64; 2] = [100.0, 250.0];
/// What is looked at at once, and the step to the next, seconds.
const PIECE_SECS: f64 = 2.0;
const STEP_SECS: f64 = 0.2;
/// A lag is judged when at least this share of the piece overlaps with itself.
const LEAST_OVERLAP: f64 = 0.34;
/// Peaks of at least this share of the greatest are as high as it.
const ALIKE: f64 = 0.9;

/// A stretch's rhythm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rhythm {
    /// Greatest autocorrelation, mean over the leads.
    pub(super) strength: f64,
    /// Its rate in the lead that repeats itself most, /min.
    pub(super) rate_per_min: f64,
}

/// The rhythm of a stretch in several leads at one sample rate; `None` where it is too short to hold a lag
/// of 100/min.
pub(super) fn of(leads: &[Vec<f32>], rate_hz: f64) -> Option<Rhythm> {
    let samples = leads.iter().map(Vec::len).min()?;
    let (piece, step) = ((PIECE_SECS * rate_hz) as usize, ((STEP_SECS * rate_hz) as usize).max(1));
    let starts = (0..=samples.saturating_sub(piece)).step_by(step);
    let pieces = starts.filter_map(|from| {
        let of: Option<Vec<(f64, usize)>> =
            leads.iter().map(|lead| peak(&lead[from..(from + piece).min(samples)], rate_hz)).collect();
        let of = of?;
        let strength = of.iter().map(|(r, _)| r).sum::<f64>() / of.len() as f64;
        let (_, lag) = of.into_iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
        Some(Rhythm { strength, rate_per_min: 60.0 * rate_hz / lag as f64 })
    });
    pieces.max_by(|a, b| a.strength.total_cmp(&b.strength))
}

/// The greatest autocorrelation of a piece at the lags of a run, and its lag.
fn peak(piece: &[f32], rate_hz: f64) -> Option<(f64, usize)> {
    let n = piece.len() as f64;
    let mean = piece.iter().map(|x| f64::from(*x)).sum::<f64>() / n.max(1.0);
    let x: Vec<f64> = piece.iter().map(|x| f64::from(*x) - mean).collect();
    let power = x.iter().map(|x| x * x).sum::<f64>() / n;
    let [longest, shortest] = RATE_PER_MIN.map(|rate| (60.0 / rate * rate_hz).round() as usize);
    let most = ((1.0 - LEAST_OVERLAP) * n) as usize;
    if power <= 0.0 || longest > most {
        return None;
    }
    let at = |lag: usize| {
        let sum: f64 = x.iter().zip(&x[lag..]).map(|(a, b)| a * b).sum();
        sum / (n - lag as f64) / power
    };
    let all: Vec<(f64, usize)> = (shortest..=longest).map(|lag| (at(lag), lag)).collect();
    let (strength, best) = all.iter().copied().max_by(|a, b| a.0.total_cmp(&b.0))?;
    // A wave repeats itself at two of its periods too: the first peak about as high is its rate.
    let first = all.windows(3).find(|w| w[1].0 >= ALIKE * strength && w[1].0 >= w[0].0 && w[1].0 >= w[2].0);
    Some((strength, first.map_or(best, |w| w[1].1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(secs: f64, of: impl Fn(f64) -> f64) -> Vec<f32> {
        (0..(secs * 125.0) as usize).map(|i| of(i as f64 / 125.0) as f32).collect()
    }

    #[test]
    fn what_repeats_itself_at_the_rate_of_a_run() {
        let tone = |per_min: f64| line(3.0, move |t| (std::f64::consts::TAU * per_min / 60.0 * t).sin());
        // (name, leads, strength at least, at most)
        let mut noise = 1_u32;
        let random = line(3.0, |_| 0.0).into_iter().map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 8) as f32 / (1 << 24) as f32
        });
        let random: Vec<f32> = random.collect();
        let cases = [
            ("150/min", vec![tone(150.0)], 0.95, 1.1),
            ("101/min", vec![tone(101.0)], 0.9, 1.1),
            ("249/min", vec![tone(249.0)], 0.9, 1.1),
            ("60/min", vec![tone(60.0)], -1.1, 0.2),
            ("noise", vec![random.clone()], -0.2, 0.4),
            ("a run beside noise", vec![tone(150.0), random], 0.4, 0.7),
        ];
        for (name, leads, least, most) in cases {
            let got = of(&leads, 125.0).unwrap();
            assert!((least..=most).contains(&got.strength), "{name}: {got:?}");
        }
        for per_min in [110.0, 180.0, 220.0] {
            let got = of(&[tone(per_min)], 125.0).unwrap();
            assert!((got.rate_per_min - per_min).abs() < 5.0, "{per_min}: {got:?}");
        }
    }

    #[test]
    fn the_best_two_seconds_count() {
        let late = line(8.0, |t| if t < 5.0 { 0.0 } else { (std::f64::consts::TAU * 2.5 * t).sin() });
        assert!(of(&[late], 125.0).unwrap().strength > 0.9);
    }

    #[test]
    fn what_is_too_short_or_flat_has_no_rhythm() {
        assert_eq!(of(&[], 125.0), None);
        assert_eq!(of(&[line(0.8, f64::sin)], 125.0), None);
        assert!(of(&[line(1.0, f64::sin)], 125.0).is_some());
        assert_eq!(of(&[line(3.0, |_| 0.7)], 125.0), None);
        assert_eq!(of(&[Vec::new()], 125.0), None);
    }
}
