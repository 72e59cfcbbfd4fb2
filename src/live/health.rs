//! Whether the loop lives and keeps up, for `/livez` and `/readyz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use bedwatch_schemas::time::{ArrivalTime, Span};

use crate::clock::Clock;

/// The loop must have turned within this time to count as alive.
const ALIVE: Span = Span::secs(10);
/// The closed cells may be this far behind, ms, to count as ready.
const READY_LAG_MILLIS: i64 = 5_000;
/// The client repeats itself many times a second while Kafka is away; the log hears it once in so long.
const TELL_EVERY: Span = Span::secs(10);

/// The loop's health.
pub struct Health {
    clock: Arc<dyn Clock>,
    turned_micros: AtomicI64,
    lag_millis: AtomicI64,
    assigned: AtomicBool,
    trouble_micros: AtomicI64,
    told_micros: AtomicI64,
    untold: AtomicU64,
}

impl Health {
    /// Not yet started.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let now = clock.now().as_micros();
        Self {
            clock,
            turned_micros: AtomicI64::new(now),
            lag_millis: AtomicI64::new(i64::MAX),
            assigned: AtomicBool::new(false),
            trouble_micros: AtomicI64::new(i64::MIN / 2),
            told_micros: AtomicI64::new(i64::MIN / 2),
            untold: AtomicU64::new(0),
        }
    }

    pub(super) fn assigned(&self) {
        self.assigned.store(true, Ordering::Relaxed);
    }

    pub(super) fn turned(&self, now: ArrivalTime, lag_millis: i64) {
        self.turned_micros.store(now.as_micros(), Ordering::Relaxed);
        self.lag_millis.store(lag_millis, Ordering::Relaxed);
    }

    /// Kafka reports an error. `Some`: the log is due to hear of it, and of so many before it that it
    /// did not hear of.
    pub(super) fn trouble(&self) -> Option<u64> {
        let now = self.clock.now();
        self.trouble_micros.store(now.as_micros(), Ordering::Relaxed);
        let told = ArrivalTime::from_micros(self.told_micros.load(Ordering::Relaxed));
        if now.since(told) < TELL_EVERY {
            self.untold.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.told_micros.store(now.as_micros(), Ordering::Relaxed);
        Some(self.untold.swap(0, Ordering::Relaxed))
    }

    /// Whether the loop has turned lately.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let turned = ArrivalTime::from_micros(self.turned_micros.load(Ordering::Relaxed));
        self.clock.now().since(turned) <= ALIVE
    }

    /// Why the engine is not ready, if it is not.
    #[must_use]
    pub fn unready(&self) -> Option<&'static str> {
        let trouble = ArrivalTime::from_micros(self.trouble_micros.load(Ordering::Relaxed));
        if !self.assigned.load(Ordering::Relaxed) {
            Some("no partitions are assigned yet\n")
        } else if !self.is_alive() {
            Some("the loop has stopped turning\n")
        } else if self.clock.now().since(trouble) <= Span::secs(2) {
            Some("Kafka reports errors\n")
        } else if self.lag_millis.load(Ordering::Relaxed) > READY_LAG_MILLIS {
            Some("the engine is catching up\n")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Hand(AtomicI64);

    impl Clock for Hand {
        fn now(&self) -> ArrivalTime {
            ArrivalTime::from_micros(self.0.load(Ordering::Relaxed))
        }
    }

    /// An hour without Kafka, ten errors a second: 360 lines that together name every error before them.
    #[test]
    fn the_log_hears_of_trouble_every_ten_seconds_and_of_how_much() {
        let hand = Arc::new(Hand(AtomicI64::new(1_700_000_000_000_000)));
        let health = Health::new(hand.clone());
        let mut told = Vec::new();
        for _ in 0..36_000 {
            told.extend(health.trouble());
            hand.0.fetch_add(100_000, Ordering::Relaxed);
        }
        assert_eq!((told.len(), told[0]), (360, 0));
        assert!(told[1..].iter().all(|untold| *untold == 99));
    }
}
