//! The pattern of a patient lying on the sensor.
//!
//! Tissue pressure starves the sensor: from a quiet trace the value falls within minutes, stays low
//! while the pressure lasts, and jumps back when the patient turns. Blood glucose does not do that.
//! The recovery is what proves it, so that the flag rises with the recovery, never during the low:
//! a low must not be explained away while it may be real.

use bedwatch_schemas::time::{EventTime, Span};

use super::Reading;

/// How long a seen pattern is reported, and how long a low may last.
const REPORT: Span = Span::hours(2);
const LONGEST_LOW: Span = Span::minutes(60);
/// Both together.
const SEARCH: Span = Span::minutes(180);
/// A drop or a recovery takes at most this long.
const SUDDEN: Span = Span::minutes(15);
/// Smallest drop, mg/dL.
const DROP: f64 = 25.0;
/// Share of the drop that the recovery must give back.
const RECOVERED: f64 = 0.7;
/// The trace before the drop: this long, within this range in mg/dL.
const QUIET: Span = Span::minutes(20);
const QUIET_RANGE: f64 = 12.0;
/// Only a low of this depth matters, mg/dL.
const LOW: f64 = 80.0;

/// Whether a sudden drop below 80 mg/dL out of a quiet trace recovered as suddenly within the last
/// two hours.
pub(super) fn suspected(day: &[Reading], at: EventTime) -> bool {
    let recent = &day[day.partition_point(|r| at.since(r.at) > SEARCH)..];
    (0..recent.len()).any(|i| is_quiet_until(day, recent[i].at) && drops_and_recovers(&recent[i..], at))
}

fn is_quiet_until(day: &[Reading], end: EventTime) -> bool {
    let before = day.iter().filter(|r| r.at <= end && end.since(r.at) <= QUIET);
    let (mut count, mut lo, mut hi) = (0, f64::INFINITY, f64::NEG_INFINITY);
    for r in before {
        count += 1;
        lo = lo.min(r.mg_dl);
        hi = hi.max(r.mg_dl);
    }
    count >= 3 && hi - lo <= QUIET_RANGE
}

/// `from[0]` is the last reading before the drop.
fn drops_and_recovers(from: &[Reading], at: EventTime) -> bool {
    let top = from[0];
    let fallen = from.iter().position(|r| r.mg_dl <= top.mg_dl - DROP && r.mg_dl < LOW);
    let Some(fallen) = fallen.filter(|&i| from[i].at.since(top.at) <= SUDDEN) else {
        return false;
    };
    let low = &from[fallen..];
    let mut nadir = low[0].mg_dl;
    for (i, r) in low.iter().enumerate() {
        if r.at.since(low[0].at) > LONGEST_LOW {
            return false;
        }
        nadir = nadir.min(r.mg_dl);
        let back = nadir + (top.mg_dl - nadir) * RECOVERED;
        if r.mg_dl >= back {
            // The last reading that was still low must lie just before: a slow climb is physiology.
            let depth = nadir + (top.mg_dl - nadir) * (1.0 - RECOVERED);
            let left = low[..i].iter().rev().find(|l| l.mg_dl <= depth);
            let sudden = left.is_some_and(|l| r.at.since(l.at) <= SUDDEN);
            return sudden && at.since(r.at) <= REPORT;
        }
    }
    false
}
