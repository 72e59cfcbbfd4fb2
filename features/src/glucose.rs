//! Continuous glucose: rate of change, forecast, time in ranges, variability, sensor traps.
//!
//! Sources: International Consensus on Time in Range (Battelino et al., Diabetes Care 2019;42:1593)
//! for the ranges 70-180, below 70, below 54 mg/dL and CV; the makers' trend arrows, which look back
//! 15 to 20 minutes and are not shown after missed data; urgent-low-soon alarms, which extrapolate
//! 20 minutes. The compression rule is our own simple form of what Baysal et al. (J Diabetes Sci
//! Technol 2014) describe as pressure-induced sensor attenuation: a sudden drop out of a quiet
//! trace and an equally sudden recovery. Sensor glucose in the ICU is distorted by perfusion,
//! pressors and compression: it is to be confirmed by blood.

use bedwatch_schemas::{
    event::Provenance,
    signal::Signal,
    summary::GlucoseSummary,
    time::{EventTime, Span},
};
use serde::{Deserialize, Serialize};

mod compression;
#[cfg(test)]
mod tests;

/// The window of the ranges.
const RANGES: Span = Span::hours(24);
/// Readings older than this before the newest are forgotten.
const KEEP: Span = Span::hours(26);
/// The rate looks back this long and must cover at least the second.
const RATE_WINDOW: Span = Span::minutes(20);
const RATE_COVER: Span = Span::minutes(15);
/// Transmission jitter allowed on both bounds.
const JITTER: Span = Span::secs(30);
const FORECAST_MIN: f64 = 20.0;
/// Used until two readings show the sensor's own interval.
const DEFAULT_INTERVAL: Span = Span::minutes(5);

/// One sensor reading.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Reading {
    at: EventTime,
    mg_dl: f64,
    provenance: Provenance,
}

/// The glucose state of one patient.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Glucose {
    /// Sorted by time, one a time.
    readings: Vec<Reading>,
    first: Option<EventTime>,
    counts: Counts,
}

/// Readings that did not become part of the series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// A second reading of a time already held (it replaces the value, and is counted once).
    pub duplicates: u64,
    /// Not finite or outside the sensor's plausible range.
    pub implausible: u64,
    /// Older than the series reaches back.
    pub too_old: u64,
}

impl Glucose {
    /// An empty series.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What could not be used.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes a reading in mg/dL, in any order of time. A second reading of the same time replaces
    /// the first (a sensor's correction, or the same reading by another way).
    pub fn push(&mut self, mg_dl: f64, at: EventTime, provenance: Provenance) {
        if !(mg_dl.is_finite() && Signal::CgmGlucose.is_plausible(mg_dl)) {
            self.counts.implausible += 1;
            return;
        }
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        let newest = self.readings.last().map_or(at, |r| r.at);
        if newest.since(at) > KEEP {
            self.counts.too_old += 1;
            return;
        }
        let reading = Reading { at, mg_dl, provenance };
        match self.readings.binary_search_by_key(&at, |r| r.at) {
            Ok(i) => {
                self.counts.duplicates += 1;
                if self.readings[i].mg_dl != mg_dl {
                    self.readings[i] = reading;
                }
            }
            Err(i) => self.readings.insert(i, reading),
        }
        let keep_from = newest.max(at) - KEEP;
        let old = self.readings.partition_point(|r| r.at < keep_from);
        self.readings.drain(..old);
    }

    /// The readings of `(from, to]`, oldest first, in mg/dL.
    pub fn readings(&self, from: EventTime, to: EventTime) -> impl Iterator<Item = (EventTime, f64)> {
        let (first, last) =
            (self.readings.partition_point(|r| r.at <= from), self.readings.partition_point(|r| r.at <= to));
        self.readings[first..last.max(first)].iter().map(|r| (r.at, r.mg_dl))
    }

    /// The summary of the readings up to `at`; `None` when the last 24 h hold none.
    #[must_use]
    pub fn summary(&self, at: EventTime) -> Option<GlucoseSummary> {
        let known = &self.readings[..self.readings.partition_point(|r| r.at <= at)];
        let day = &known[known.partition_point(|r| r.at <= at - RANGES)..];
        let last = *day.last()?;
        let interval = interval(day);
        let rate = rate(day, at, interval);
        let share = |within: &dyn Fn(f64) -> bool| {
            day.iter().filter(|r| within(r.mg_dl)).count() as f64 * 100.0 / day.len() as f64
        };
        Some(GlucoseSummary {
            last_mg_dl: last.mg_dl,
            at: last.at,
            provenance: last.provenance,
            rate_mg_dl_min: rate,
            forecast_20min_mg_dl: rate.map(|r| {
                let (lo, hi) = Signal::CgmGlucose.info().plausible;
                (last.mg_dl + r * FORECAST_MIN).clamp(lo, hi)
            }),
            time_in_range_percent: share(&|v| (70.0..=180.0).contains(&v)),
            time_below_percent: share(&|v| v < 70.0),
            time_above_percent: share(&|v| v > 180.0),
            cv_percent: cv_percent(day),
            completeness: self.completeness(day, at, interval),
            below_70_for: below_for(day, 70.0, interval),
            below_54_for: below_for(day, 54.0, interval),
            compression_suspected: compression::suspected(day, at),
        })
    }

    fn completeness(&self, day: &[Reading], at: EventTime, interval: Span) -> f64 {
        let since_first = self.first.map_or(Span::ZERO, |first| at.since(first));
        let expected = if since_first < RANGES {
            since_first.0 / interval.0 + 1
        } else {
            (RANGES.0 + interval.0 / 2) / interval.0
        };
        (day.len() as f64 / expected as f64).min(1.0)
    }
}

/// The sensor's interval: the median gap, between one and fifteen minutes.
fn interval(day: &[Reading]) -> Span {
    let mut gaps: Vec<i64> = day.windows(2).map(|w| w[1].at.since(w[0].at).0).collect();
    if gaps.is_empty() {
        return DEFAULT_INTERVAL;
    }
    let middle = gaps.len() / 2;
    let (_, median, _) = gaps.select_nth_unstable(middle);
    Span(*median).clamp(Span::minutes(1), Span::minutes(15))
}

/// Half an interval late is still on time.
fn is_missed(gap: Span, interval: Span) -> bool {
    gap.0 * 2 > interval.0 * 3
}

/// Least-squares slope in mg/dL a minute over the last 15 to 20 min; `None` after missed data.
fn rate(day: &[Reading], at: EventTime, interval: Span) -> Option<f64> {
    let last = day.last()?;
    let used = &day[day.partition_point(|r| last.at.since(r.at).0 > RATE_WINDOW.0 + JITTER.0)..];
    let cover = last.at.since(used.first()?.at);
    let missed = is_missed(at.since(last.at), interval)
        || used.windows(2).any(|w| is_missed(w[1].at.since(w[0].at), interval));
    if missed || cover.0 < RATE_COVER.0 - JITTER.0 {
        return None;
    }
    let minutes = |r: &Reading| r.at.since(last.at).as_secs_f64() / 60.0;
    let n = used.len() as f64;
    let mean_t = used.iter().map(minutes).sum::<f64>() / n;
    let mean_v = used.iter().map(|r| r.mg_dl).sum::<f64>() / n;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for r in used {
        let t = minutes(r) - mean_t;
        covariance += t * (r.mg_dl - mean_v);
        variance += t * t;
    }
    (variance > 0.0).then(|| covariance / variance)
}

/// Sample standard deviation over mean, %; `None` with fewer than two readings.
fn cv_percent(day: &[Reading]) -> Option<f64> {
    let n = day.len() as f64;
    if day.len() < 2 {
        return None;
    }
    let mean = day.iter().map(|r| r.mg_dl).sum::<f64>() / n;
    let squares = day.iter().map(|r| (r.mg_dl - mean).powi(2)).sum::<f64>();
    Some((squares / (n - 1.0)).sqrt() * 100.0 / mean)
}

/// From the first reading of the unbroken run below `limit` to the last reading. A reading at or
/// above the limit, or more than two missed readings, ends a run: nothing is claimed of unseen time.
fn below_for(day: &[Reading], limit: f64, interval: Span) -> Span {
    let Some(last) = day.last().filter(|r| r.mg_dl < limit) else {
        return Span::ZERO;
    };
    let mut begin = last.at;
    for w in day.windows(2).rev() {
        let gap = w[1].at.since(w[0].at);
        if w[0].mg_dl >= limit || gap.0 * 2 > interval.0 * 7 {
            break;
        }
        begin = w[0].at;
    }
    last.at.since(begin)
}
