//! Sliding windows over many series at once: the bulk path for training features and archives, and
//! workload W2 of the benches.
//!
//! Values come as columns (series, time, value). Each series gathers the statistics of the open
//! pane; when the first value beyond the pane comes, the pane closes for all series and each one's
//! window of the last panes is written. A window is merged from two running merges, a suffix of the
//! block of panes before and a prefix of the block now (van Herk 1992; Gil and Werman 1993): three
//! merges a pane whatever the window's length. Blocks lie on the clock, so a window depends only on
//! the values in it, not on when the stream began, and nothing is ever subtracted.
//!
//! Panes are `[start, start + width)` here, since a bulk reader closes a pane when the next one
//! begins. Values may be out of order within a pane; an older one is late and counted.

use bedwatch_schemas::{
    signal::Signal,
    time::{EventTime, Span},
};

use crate::pane::Pane;

/// What became of the values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entered a pane.
    pub accepted: u64,
    /// Outside the signal's plausible range, or not a number.
    pub implausible: u64,
    /// Older than the open pane.
    pub late: u64,
}

/// Windows as columns of equal length, one row for each series with any value in the window, in
/// order of end and series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Windows {
    /// The series.
    pub series: Vec<u32>,
    /// The end of the window.
    pub end: Vec<EventTime>,
    /// Arithmetic mean.
    pub mean: Vec<f64>,
    /// Smallest value.
    pub min: Vec<f64>,
    /// Largest value.
    pub max: Vec<f64>,
    /// Sample standard deviation; 0 for one value.
    pub sd: Vec<f64>,
    /// Least-squares slope in units an hour; `NaN` with fewer than two distinct times.
    pub slope_per_hour: Vec<f64>,
    /// The value latest in time.
    pub last: Vec<f64>,
    /// Values.
    pub count: Vec<u32>,
}

impl Windows {
    /// Rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Drops the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.series.clear();
        self.end.clear();
        self.mean.clear();
        self.min.clear();
        self.max.clear();
        self.sd.clear();
        self.slope_per_hour.clear();
        self.last.clear();
        self.count.clear();
    }

    fn push(&mut self, series: u32, end: EventTime, w: &Pane) {
        self.series.push(series);
        self.end.push(end);
        self.mean.push(w.mean());
        self.min.push(w.min);
        self.max.push(w.max);
        self.sd.push(w.sd());
        self.slope_per_hour.push(w.slope_per_hour().unwrap_or(f64::NAN));
        self.last.push(w.last);
        self.count.push(w.count);
    }
}

/// The sliding windows of many series.
#[derive(Debug, Clone)]
pub struct Sliding {
    width: Span,
    panes: usize,
    /// Plausible range of each series.
    ranges: Vec<(f64, f64)>,
    /// The open pane of each series; `count` 0 where nothing came.
    open: Vec<Pane>,
    open_start: Option<EventTime>,
    /// Each series' panes of the block now, then their merges from the block's start.
    block: Vec<Pane>,
    prefix: Vec<Pane>,
    /// Of the block before: each series' merges from a pane to the block's end.
    suffix: Vec<Pane>,
    /// Panes closed since the last value came.
    silent: usize,
    counts: Counts,
}

fn empty(origin: EventTime) -> Pane {
    Pane { count: 0, ..Pane::of(origin, 0.0) }
}

/// Merges where both have values.
fn merge(into: &mut Pane, other: &Pane) {
    match (into.count, other.count) {
        (_, 0) => {}
        (0, _) => *into = *other,
        _ => into.merge(other),
    }
}

impl Sliding {
    /// Windows of `panes` panes of `width` over one series for each of `signals`.
    #[must_use]
    pub fn new(signals: &[Signal], width: Span, panes: usize) -> Self {
        let (n, panes, width) = (signals.len(), panes.max(1), Span(width.0.max(1)));
        let none = empty(EventTime::from_micros(0));
        Self {
            width,
            panes,
            ranges: signals.iter().map(|s| s.info().plausible).collect(),
            open: vec![none; n],
            open_start: None,
            block: vec![none; n * panes],
            prefix: vec![none; n],
            suffix: vec![none; n * panes],
            silent: 0,
            counts: Counts::default(),
        }
    }

    /// What became of the values so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes columns of equal length; a series out of range is ignored as implausible. Windows
    /// whose end has passed are added to `out`.
    pub fn push(&mut self, series: &[u32], at: &[EventTime], value: &[f64], out: &mut Windows) {
        let mut start = self.open_start.unwrap_or(EventTime::from_micros(i64::MIN));
        let mut end = self.open_start.map_or(EventTime::from_micros(i64::MIN), |s| s + self.width);
        for ((&series, &at), &value) in series.iter().zip(at).zip(value) {
            if at >= end {
                start = at.floor(self.width);
                self.advance(start, out);
                end = start + self.width;
            }
            let i = series as usize;
            let Some((lo, hi)) = self.ranges.get(i) else {
                self.counts.implausible += 1;
                continue;
            };
            if !(*lo <= value && value <= *hi) {
                self.counts.implausible += 1;
                continue;
            }
            if at < start {
                self.counts.late += 1;
                continue;
            }
            self.counts.accepted += 1;
            self.silent = 0;
            let pane = &mut self.open[i];
            if pane.count == 0 {
                *pane = Pane::of(at, value);
            } else {
                pane.push(at, value);
            }
        }
    }

    /// Closes the open pane, as the first value beyond it would.
    pub fn finish(&mut self, out: &mut Windows) {
        if let Some(start) = self.open_start {
            self.advance(start + self.width, out);
        }
    }

    /// Closes panes until the open one starts at `start`.
    fn advance(&mut self, start: EventTime, out: &mut Windows) {
        let Some(mut open) = self.open_start.replace(start) else { return };
        while open < start {
            if self.silent > 2 * self.panes {
                // Every merge is empty by now: nothing is said until a value comes.
                return;
            }
            self.close(open, out);
            open = open + self.width;
        }
    }

    fn close(&mut self, start: EventTime, out: &mut Windows) {
        let (panes, end) = (self.panes, start + self.width);
        let i = start.as_micros().div_euclid(self.width.0).rem_euclid(panes as i64) as usize;
        for (s, open) in self.open.iter_mut().enumerate() {
            let pane = std::mem::replace(open, empty(start));
            let slots = s * panes..(s + 1) * panes;
            let (block, suffix) = (&mut self.block[slots.clone()], &mut self.suffix[slots]);
            let prefix = &mut self.prefix[s];
            block[i] = pane;
            merge(prefix, &pane);
            let mut window = *prefix;
            if let Some(older) = suffix.get(i + 1) {
                window = *older;
                merge(&mut window, prefix);
            }
            if window.count > 0 {
                out.push(s as u32, end, &window);
            }
            if i + 1 == panes {
                for k in (0..panes).rev() {
                    let mut from = std::mem::replace(&mut block[k], empty(start));
                    if let Some(later) = suffix.get(k + 1).filter(|_| k + 1 < panes) {
                        merge(&mut from, later);
                    }
                    suffix[k] = from;
                }
                *prefix = empty(start);
            }
        }
        self.silent += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pane::tests::assert_close;
    use proptest::prelude::*;

    const ZERO: EventTime = EventTime::from_micros(1_699_999_200_000_000);
    const WIDTH: Span = Span::secs(10);

    fn ms(ms: i64) -> EventTime {
        ZERO + Span::millis(ms)
    }

    proptest! {
        /// Law: every window of every series equals the two-pass statistics of its values, whatever
        /// the cut into batches; windows come for every pane end while they hold a value.
        #[test]
        fn windows_are_defined(
            steps in prop::collection::vec((0_u32..3, 1_i64..60_000, 30.0_f64..200.0), 1..300),
            panes in 1_usize..7,
            cut in 0_usize..300,
        ) {
            let (mut series, mut at, mut value) = (Vec::new(), Vec::new(), Vec::new());
            let mut t = 0;
            for (s, step, v) in steps {
                t += step;
                series.push(s);
                at.push(ms(t));
                value.push(v);
            }
            let run = |cut: usize| {
                let mut sliding = Sliding::new(&[Signal::HeartRate; 3], WIDTH, panes);
                let mut out = Windows::default();
                sliding.push(&series[..cut], &at[..cut], &value[..cut], &mut out);
                sliding.push(&series[cut..], &at[cut..], &value[cut..], &mut out);
                sliding.finish(&mut out);
                out
            };
            let out = run(0);
            prop_assert_eq!(format!("{:?}", run(cut.min(at.len()))), format!("{:?}", out));
            let mut rows = 0;
            let mut end = at[0].floor(WIDTH) + WIDTH;
            let last = at[at.len() - 1].floor(WIDTH) + WIDTH;
            while end <= last {
                let from = end - Span(WIDTH.0 * panes as i64);
                for s in 0..3 {
                    let want: Vec<_> = (0..at.len())
                        .filter(|&k| series[k] == s && at[k] >= from && at[k] < end)
                        .map(|k| (at[k], value[k]))
                        .collect();
                    if want.is_empty() {
                        continue;
                    }
                    prop_assert_eq!((out.series[rows], out.end[rows]), (s, end));
                    prop_assert_eq!(out.count[rows] as usize, want.len());
                    prop_assert_eq!(out.last[rows], want.last().unwrap().1);
                    prop_assert_eq!(out.min[rows], want.iter().map(|w| w.1).fold(f64::MAX, f64::min));
                    prop_assert_eq!(out.max[rows], want.iter().map(|w| w.1).fold(f64::MIN, f64::max));
                    let slope = Some(out.slope_per_hour[rows]).filter(|s| !s.is_nan());
                    assert_close(&want, out.mean[rows], out.sd[rows], slope);
                    rows += 1;
                }
                end = end + WIDTH;
            }
            prop_assert_eq!(rows, out.len());
        }
    }

    #[test]
    fn what_does_not_enter_is_counted() {
        let mut sliding = Sliding::new(&[Signal::HeartRate], WIDTH, 3);
        let mut out = Windows::default();
        let at = [ms(0), ms(11_000), ms(5_000), ms(12_000), ms(13_000), ms(14_000)];
        let value = [80.0, 81.0, 82.0, 900.0, f64::NAN, 83.0];
        sliding.push(&[0, 0, 0, 0, 0, 9], &at, &value, &mut out);
        assert_eq!(sliding.counts(), Counts { accepted: 2, implausible: 3, late: 1 });
    }

    #[test]
    fn a_window_does_not_remember_when_the_stream_began() {
        let run = |from: i64| {
            let mut sliding = Sliding::new(&[Signal::HeartRate], WIDTH, 6);
            let mut out = Windows::default();
            for s in from..600 {
                sliding.push(&[0], &[ms(s * 1_000)], &[60.0 + (s * s % 17) as f64 * 0.1], &mut out);
            }
            sliding.finish(&mut out);
            let k = out.len() - 1;
            (out.mean[k].to_bits(), out.sd[k].to_bits(), out.slope_per_hour[k].to_bits())
        };
        assert_eq!(run(0), run(480));
    }

    #[test]
    fn a_long_silence_costs_nothing() {
        let mut sliding = Sliding::new(&[Signal::HeartRate], WIDTH, 3);
        let mut out = Windows::default();
        sliding.push(&[0, 0], &[ms(0), ms(1_000_000_000_000)], &[80.0, 90.0], &mut out);
        sliding.finish(&mut out);
        assert_eq!(out.count, [1, 1, 1, 1]);
    }
}
