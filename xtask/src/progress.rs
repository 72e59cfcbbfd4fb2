//! Plain progress lines on stderr, each step with the seconds it took.

use anyhow::Result;
use std::time::{Duration, Instant};

/// Says one line about what is going on.
pub(crate) fn say(line: &str) {
    eprintln!("[xtask] {line}");
}

/// Runs one step and says how long it took, whether it worked or not.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    say(&format!("{name} ..."));
    let start = Instant::now();
    let outcome = work();
    let verdict = if outcome.is_ok() { "done" } else { "FAILED" };
    say(&format!("{name}: {verdict} in {}", elapsed(start.elapsed())));
    outcome
}

/// `7.3 s` below a minute, `3 min 05 s` above.
pub(crate) fn elapsed(time: Duration) -> String {
    let secs = time.as_secs();
    if secs < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {:02} s", secs / 60, secs % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elapsed_reads_well_on_both_sides_of_a_minute() {
        assert_eq!(elapsed(Duration::from_millis(7_340)), "7.3 s");
        assert_eq!(elapsed(Duration::from_millis(59_940)), "59.9 s");
        assert_eq!(elapsed(Duration::from_secs(60)), "1 min 00 s");
        assert_eq!(elapsed(Duration::from_secs(185)), "3 min 05 s");
    }
}
