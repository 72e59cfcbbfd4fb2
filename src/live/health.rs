//! Whether the loop lives and keeps up, for `/livez` and `/readyz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use bedwatch_schemas::time::{ArrivalTime, Span};

use crate::clock::Clock;

/// The loop must have turned within this time to count as alive.
const ALIVE: Span = Span::secs(10);
/// The closed cells may be this far behind, ms, to count as ready.
const READY_LAG_MILLIS: i64 = 5_000;

/// The loop's health.
pub struct Health {
    clock: Arc<dyn Clock>,
    turned_micros: AtomicI64,
    lag_millis: AtomicI64,
    assigned: AtomicBool,
    trouble_micros: AtomicI64,
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
        }
    }

    pub(super) fn assigned(&self) {
        self.assigned.store(true, Ordering::Relaxed);
    }

    pub(super) fn turned(&self, now: ArrivalTime, lag_millis: i64) {
        self.turned_micros.store(now.as_micros(), Ordering::Relaxed);
        self.lag_millis.store(lag_millis, Ordering::Relaxed);
    }

    pub(super) fn trouble(&self) {
        self.trouble_micros.store(self.clock.now().as_micros(), Ordering::Relaxed);
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
