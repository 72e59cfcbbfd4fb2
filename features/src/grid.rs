//! The hourly grid: the last value of every signal in every clock hour, as the encoder reads it.
//!
//! A slot remembers when within its hour its value was measured, so a late value takes it only if
//! it is the later one: the grid of a set of values does not depend on their order. Rows older
//! than [`GRID_HOURS`] fall out into one last value for each signal.

use bedwatch_schemas::{
    frame::{GRID_HOURS, HourGrid, hour_of},
    signal::Signal,
    time::{EventTime, Span},
};
use serde::{Deserialize, Serialize};

/// The hours of one patient, up to the latest hour in which anything was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Grid {
    first_hour: i64,
    /// Row-major; `NaN` where nothing was measured.
    values: Vec<f32>,
    /// Microseconds into the hour at which the value was measured.
    times: Vec<u32>,
    /// Per signal: the last value older than the rows.
    before: Vec<Option<(f32, EventTime)>>,
}

impl Default for Grid {
    fn default() -> Self {
        Self { first_hour: 0, values: Vec::new(), times: Vec::new(), before: vec![None; Signal::COUNT] }
    }
}

/// The first moment of an hour.
#[must_use]
pub const fn start_of(hour: i64) -> EventTime {
    EventTime::from_micros(hour * Span::hours(1).0)
}

fn into_hour(at: EventTime) -> u32 {
    // An hour has 3.6e9 microseconds, fewer than u32 can hold.
    at.as_micros().rem_euclid(Span::hours(1).0) as u32
}

impl Grid {
    fn rows(&self) -> usize {
        self.values.len() / Signal::COUNT
    }

    fn end_hour(&self) -> i64 {
        self.first_hour + self.rows() as i64
    }

    fn slot(&self, signal: Signal, hour: i64) -> Option<usize> {
        let row = usize::try_from(hour - self.first_hour).ok()?;
        (row < self.rows()).then(|| row * Signal::COUNT + signal.index())
    }

    fn slot_time(&self, slot: usize) -> Option<EventTime> {
        let hour = self.first_hour + (slot / Signal::COUNT) as i64;
        (!self.values[slot].is_nan()).then(|| start_of(hour) + Span(i64::from(self.times[slot])))
    }

    /// Offers the value that counts at `at`; the later value of the hour stays.
    pub fn offer(&mut self, signal: Signal, at: EventTime, value: f64) {
        let hour = hour_of(at);
        self.cover(hour);
        let value = value as f32;
        let Some(slot) = self.slot(signal, hour) else {
            self.offer_before(signal, at, value);
            return;
        };
        if self.slot_time(slot).is_none_or(|t| at >= t) {
            self.values[slot] = value;
            self.times[slot] = into_hour(at);
        }
    }

    /// Replaces an hour's value after something of it was withdrawn.
    pub fn replace(&mut self, signal: Signal, hour: i64, last: Option<(f64, EventTime)>) {
        if let Some(slot) = self.slot(signal, hour) {
            self.values[slot] = last.map_or(f32::NAN, |l| l.0 as f32);
            self.times[slot] = last.map_or(0, |l| into_hour(l.1));
        }
    }

    fn offer_before(&mut self, signal: Signal, at: EventTime, value: f32) {
        let before = &mut self.before[signal.index()];
        if before.is_none_or(|(_, t)| at >= t) {
            *before = Some((value, at));
        }
    }

    /// Makes rows up to `hour`, or down to it where the grid's length allows.
    fn cover(&mut self, hour: i64) {
        if self.values.is_empty() {
            self.first_hour = hour;
            self.extend(1);
            return;
        }
        let newest = (self.end_hour() - 1).max(hour);
        let oldest = newest - GRID_HOURS as i64 + 1;
        if hour < self.first_hour && hour >= oldest {
            let more = (self.first_hour - hour) as usize * Signal::COUNT;
            self.values.splice(0..0, std::iter::repeat_n(f32::NAN, more));
            self.times.splice(0..0, std::iter::repeat_n(0, more));
            self.first_hour = hour;
        }
        if oldest > self.first_hour {
            let out = ((oldest - self.first_hour) as usize).min(self.rows());
            for slot in 0..out * Signal::COUNT {
                if let Some(at) = self.slot_time(slot) {
                    self.offer_before(Signal::ALL[slot % Signal::COUNT], at, self.values[slot]);
                }
            }
            self.values.drain(..out * Signal::COUNT);
            self.times.drain(..out * Signal::COUNT);
            self.first_hour = oldest;
        }
        let missing = usize::try_from(newest + 1 - self.end_hour()).unwrap_or(0);
        self.extend(missing);
    }

    fn extend(&mut self, rows: usize) {
        let len = self.values.len() + rows * Signal::COUNT;
        self.values.resize(len, f32::NAN);
        self.times.resize(len, 0);
    }

    /// The grid at `at` of a stay that began at `stay_start`. `last_in(signal, from, to)` finds the
    /// last value in `(from, to]` where the hour's last value lies after `at`.
    #[must_use]
    pub fn at(
        &self,
        at: EventTime,
        stay_start: EventTime,
        last_in: impl Fn(Signal, EventTime, EventTime) -> Option<f64>,
    ) -> HourGrid {
        let now = hour_of(at);
        let first = hour_of(stay_start).clamp(now - GRID_HOURS as i64 + 1, now);
        let mut out = HourGrid {
            first_hour: first,
            values: vec![f32::NAN; (now - first + 1) as usize * Signal::COUNT],
            before: self.before.iter().map(|b| b.map(|(v, t)| (v, hour_of(t)))).collect(),
        };
        for (i, row) in self.values.chunks_exact(Signal::COUNT).enumerate() {
            let hour = self.first_hour + i as i64;
            if hour < first {
                // Rows come oldest first, so the last one written is the latest.
                for (before, v) in out.before.iter_mut().zip(row) {
                    if !v.is_nan() {
                        *before = Some((*v, hour));
                    }
                }
            } else if hour <= now {
                let to = (hour - first) as usize * Signal::COUNT;
                out.values[to..to + Signal::COUNT].copy_from_slice(row);
            }
        }
        self.hide_later(at, &mut out, last_in);
        out
    }

    /// Puts back the last value at `at` where the hour of `at` already holds a later one.
    fn hide_later(
        &self,
        at: EventTime,
        out: &mut HourGrid,
        last_in: impl Fn(Signal, EventTime, EventTime) -> Option<f64>,
    ) {
        let now = hour_of(at);
        for (i, &signal) in Signal::ALL.iter().enumerate() {
            let later = self.slot(signal, now).and_then(|s| self.slot_time(s)).is_some_and(|t| t > at);
            if later {
                let to = (now - out.first_hour) as usize * Signal::COUNT + i;
                let value = last_in(signal, start_of(now) - Span(1), at);
                out.values[to] = value.map_or(f32::NAN, |v| v as f32);
            }
        }
    }

    /// Takes in the hours of a record that was the same person.
    pub fn absorb(&mut self, other: &Self) {
        for (i, &signal) in Signal::ALL.iter().enumerate() {
            if let Some((value, at)) = other.before[i] {
                // Older than the other's rows, and maybe within ours.
                self.offer_old(signal, at, value);
            }
        }
        for slot in 0..other.values.len() {
            if let Some(at) = other.slot_time(slot) {
                self.offer(Signal::ALL[slot % Signal::COUNT], at, f64::from(other.values[slot]));
            }
        }
    }

    fn offer_old(&mut self, signal: Signal, at: EventTime, value: f32) {
        if self.values.is_empty() || self.slot(signal, hour_of(at)).is_none() {
            self.offer_before(signal, at, value);
        } else {
            self.offer(signal, at, f64::from(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ZERO: EventTime = EventTime::from_micros(1_699_999_200_000_000);

    fn nothing(_: Signal, _: EventTime, _: EventTime) -> Option<f64> {
        None
    }

    fn filled(values: &[(i64, f64)]) -> Grid {
        let mut grid = Grid::default();
        for &(minute, value) in values {
            grid.offer(Signal::HeartRate, ZERO + Span::minutes(minute), value);
        }
        grid
    }

    /// The definition: by hour, the value of the latest time; older than the grid, the last one.
    fn defined(values: &[(i64, f64)], at: EventTime) -> (Vec<Option<f32>>, Option<(f32, i64)>) {
        let mut sorted = values.to_vec();
        sorted.sort_by_key(|v| v.0);
        let now = hour_of(at);
        let start = hour_of(ZERO + Span::minutes(sorted[0].0)).max(now - GRID_HOURS as i64 + 1).min(now);
        let mut rows = vec![None; (now - start + 1) as usize];
        let mut before = None;
        for (minute, value) in sorted {
            let hour = hour_of(ZERO + Span::minutes(minute));
            if hour < start {
                before = Some((value as f32, hour));
            } else if hour <= now {
                rows[(hour - start) as usize] = Some(value as f32);
            }
        }
        (rows, before)
    }

    proptest! {
        /// Law: any order of values gives the grid of its definition.
        #[test]
        fn order_does_not_matter(
            values in prop::collection::btree_map(0_i64..12_000, 30.0_f64..200.0, 1..60),
            keys in prop::collection::vec(any::<u64>(), 60),
        ) {
            let sorted: Vec<(i64, f64)> = values.into_iter().collect();
            let mut shuffled: Vec<_> = sorted.iter().copied().zip(keys).collect();
            shuffled.sort_by_key(|s| s.1);
            let shuffled: Vec<(i64, f64)> = shuffled.into_iter().map(|s| s.0).collect();
            let at = ZERO + Span::minutes(sorted.last().unwrap().0);
            let start = ZERO + Span::minutes(sorted[0].0);
            let (rows, before) = defined(&sorted, at);
            for values in [&sorted, &shuffled] {
                let grid = filled(values).at(at, start, nothing);
                let column: Vec<Option<f32>> = grid
                    .values
                    .chunks_exact(Signal::COUNT)
                    .map(|r| Some(r[Signal::HeartRate.index()]).filter(|v| !v.is_nan()))
                    .collect();
                prop_assert_eq!(&column, &rows);
                prop_assert_eq!(grid.before[Signal::HeartRate.index()], before);
            }
        }
    }

    #[test]
    fn a_long_silence_pushes_everything_out() {
        let grid = filled(&[(0, 80.0), (60 * 500, 90.0)]);
        let at = ZERO + Span::hours(500);
        let out = grid.at(at, ZERO, nothing);
        assert_eq!(out.hours(), GRID_HOURS);
        assert_eq!(out.before[0], Some((80.0, hour_of(ZERO))));
        assert_eq!(out.row(hour_of(at)).unwrap()[0], 90.0);
        let later = grid.at(ZERO + Span::hours(700), ZERO, nothing);
        assert_eq!(later.before[0], Some((90.0, hour_of(at))), "time passes without values too");
    }

    #[test]
    fn nothing_later_than_the_frame_is_in_it() {
        let grid = filled(&[(5, 80.0), (50, 90.0), (70, 100.0)]);
        let at = ZERO + Span::minutes(20);
        let out = grid.at(at, ZERO, |_, _, _| Some(80.0));
        assert_eq!((out.hours(), out.values[0]), (1, 80.0));
    }

    #[test]
    fn values_before_the_stay_are_before() {
        let grid = filled(&[(0, 80.0), (180, 90.0)]);
        let out = grid.at(ZERO + Span::minutes(180), ZERO + Span::minutes(130), nothing);
        assert_eq!((out.hours(), out.before[0]), (2, Some((80.0, hour_of(ZERO)))));
    }

    #[test]
    fn merging_keeps_the_later_value() {
        let mut a = filled(&[(0, 80.0), (70, 81.0)]);
        a.absorb(&filled(&[(10, 90.0), (61, 91.0), (130, 92.0)]));
        let out = a.at(ZERO + Span::minutes(140), ZERO, nothing);
        let column: Vec<f32> = out.values.iter().step_by(Signal::COUNT).copied().collect();
        assert_eq!(column, [90.0, 81.0, 92.0]);
    }
}
