//! A circuit breaker: a server that failed several times in a row is left alone for a while, so that
//! the alerts behind it do not each wait for its timeout. Time is an argument.
//!
//! Closed, it lets every call through. After `open_after` failures in a row it is open: none goes
//! through. When `rest` has passed, one call is let through to see (half open): its success closes the
//! breaker, its failure opens it for another `rest`.

use bedwatch_schemas::time::{ArrivalTime, Span};

/// When it opens and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Failures in a row that open it, at least 1.
    pub open_after: u32,
    /// How long it then stays open.
    pub rest: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self { open_after: 3, rest: Span::secs(30) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: ArrivalTime },
    Probing,
}

/// The breaker of one server.
#[derive(Debug, Clone)]
pub struct Breaker {
    config: Config,
    state: State,
}

impl Breaker {
    /// Closed.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, state: State::Closed { failures: 0 } }
    }

    /// Whether a call may go out now. Each call let through ends in [`Self::succeeded`],
    /// [`Self::failed`] or [`Self::not_made`].
    pub fn admits(&mut self, now: ArrivalTime) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { until } if now >= until => {
                self.state = State::Probing;
                true
            }
            State::Open { .. } | State::Probing => false,
        }
    }

    /// A call came back well.
    pub fn succeeded(&mut self) {
        self.state = State::Closed { failures: 0 };
    }

    /// A call failed.
    pub fn failed(&mut self, now: ArrivalTime) {
        let failures = match self.state {
            State::Closed { failures } => failures + 1,
            // Calls that were under way when it opened do not make it stay open longer.
            State::Open { .. } => return,
            State::Probing => self.config.open_after,
        };
        self.state = if failures >= self.config.open_after {
            State::Open { until: now + self.config.rest }
        } else {
            State::Closed { failures }
        };
    }

    /// A call that was let through did not go out: the next one may try.
    pub fn not_made(&mut self, now: ArrivalTime) {
        if self.state == State::Probing {
            self.state = State::Open { until: now };
        }
    }

    /// Whether calls are being refused.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(secs: i64) -> ArrivalTime {
        ArrivalTime::from_millis(secs * 1_000)
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_one_call_tries_again() {
        let mut breaker = Breaker::new(Config { open_after: 3, rest: Span::secs(30) });
        for secs in [0, 1] {
            assert!(breaker.admits(at(secs)));
            breaker.failed(at(secs));
        }
        assert!(breaker.admits(at(2)));
        breaker.succeeded();
        for secs in [3, 4, 5] {
            assert!(breaker.admits(at(secs)), "a success in between starts the count anew");
            breaker.failed(at(secs));
        }
        assert!(breaker.is_open() && !breaker.admits(at(6)) && !breaker.admits(at(34)));
        assert!(breaker.admits(at(35)), "after its rest one call goes out");
        assert!(!breaker.admits(at(35)), "and only one");
        breaker.failed(at(36));
        assert!(!breaker.admits(at(65)) && breaker.admits(at(66)));
        breaker.not_made(at(66));
        assert!(breaker.admits(at(66)), "a call that did not go out is no trial");
        breaker.succeeded();
        assert!(!breaker.is_open() && breaker.admits(at(66)));
    }

    proptest! {
        /// Whatever happens, it never lets more than `open_after` failures in a row through in any
        /// span shorter than its rest, and it always lets a call through once its rest has passed.
        #[test]
        fn failures_are_bounded_and_it_never_locks(
            open_after in 1_u32..5,
            steps in prop::collection::vec((0_i64..40, any::<bool>()), 1..200),
        ) {
            let rest = 30;
            let mut breaker = Breaker::new(Config { open_after, rest: Span::secs(rest) });
            let (mut now, mut failures): (i64, Vec<i64>) = (0, Vec::new());
            for (wait, fails) in steps {
                now += wait;
                if breaker.admits(at(now)) {
                    if fails {
                        breaker.failed(at(now));
                        failures.push(now);
                    } else {
                        breaker.succeeded();
                        failures.clear();
                    }
                } else {
                    prop_assert!(breaker.clone().admits(at(now + rest)));
                }
                let recent = failures.iter().filter(|f| now - **f < rest).count();
                prop_assert!(recent <= usize::try_from(open_after).unwrap());
            }
        }
    }
}
