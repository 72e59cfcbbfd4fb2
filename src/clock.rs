//! The one module that reads the wall clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bedwatch_schemas::time::ArrivalTime;

/// Where the shells take the present time from.
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> ArrivalTime;
}

/// The machine's clock, made monotone: it never goes back, whatever NTP does.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
    start_micros: i64,
}

impl Default for SystemClock {
    #[allow(clippy::disallowed_methods)] // the clock module
    fn default() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start_micros = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
        Self { start: Instant::now(), start_micros }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> ArrivalTime {
        let elapsed = i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX);
        ArrivalTime::from_micros(self.start_micros.saturating_add(elapsed))
    }
}
