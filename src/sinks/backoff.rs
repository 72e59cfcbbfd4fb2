//! How long to wait before the next try: twice as long each time up to a bound, with equal jitter
//! (half of it fixed, half drawn), so that many sinks do not come back in step after an outage. The
//! draws come from a seed: the same seed gives the same waits.

use std::time::Duration;

/// The waits of one sink.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    tries: u32,
    state: u64,
}

impl Backoff {
    /// Begins with `first` and never waits longer than `most`.
    #[must_use]
    pub const fn new(first: Duration, most: Duration, seed: u64) -> Self {
        Self { first, most, tries: 0, state: seed }
    }

    /// The wait after one more failure.
    pub fn after_failure(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1_u32 << self.tries.min(20));
        self.tries = self.tries.saturating_add(1);
        let whole = doubled.min(self.most);
        whole / 2 + (whole / 2).mul_f64(self.draw())
    }

    /// A message came through: the next failure begins anew.
    pub const fn succeeded(&mut self) {
        self.tries = 0;
    }

    /// The next number of splitmix64 (Steele 2014), from 0 to 1.
    #[allow(clippy::cast_precision_loss)] // 53 bits fit
    fn draw(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_bound_within_their_jitter_and_begin_anew() {
        let (first, most) = (Duration::from_millis(100), Duration::from_secs(2));
        for seed in 0..200 {
            let mut backoff = Backoff::new(first, most, seed);
            let mut same = backoff.clone();
            for whole in [100, 200, 400, 800, 1_600, 2_000, 2_000] {
                let wait = backoff.after_failure();
                assert_eq!(wait, same.after_failure());
                let whole = Duration::from_millis(whole);
                assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
            }
            (0..100).for_each(|_| assert!(backoff.after_failure() <= most));
            backoff.succeeded();
            assert!(backoff.after_failure() <= first);
        }
    }

    #[test]
    fn two_seeds_wait_differently() {
        let wait = |seed| Backoff::new(Duration::from_secs(1), Duration::from_secs(1), seed).after_failure();
        assert_ne!(wait(1), wait(2));
    }
}
