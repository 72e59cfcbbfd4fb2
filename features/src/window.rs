//! One vital sign in event time: the newest values one by one, older ones in panes.
//!
//! *Windows.* The window of length L at time `at` is `(at - L, at]`. Values newer than the fold
//! line stand one by one; older ones are folded into panes of one minute (kept 62 min) and of ten
//! minutes (kept 24 h), both `(start, start + width]` on the clock. A window takes the panes that
//! lie wholly inside it, so its old edge is exact for M1 and M5 at the newest value, to one minute
//! for H1 and to ten minutes for H8 and H24, and it never holds a value older than its name says.
//!
//! *Watermark.* The newest time of this signal. A value at most `allowance` older enters at its
//! place; older ones are refused and counted. The fold line is the last whole minute that lies
//! `max(allowance, 5 min) + 1 min` before the watermark, so folding never meets a value that may
//! still change, and the state after a set of values is the same whatever their order.
//!
//! *Memory.* At 1 Hz about 420 values of 48 bytes and 210 panes of 128 bytes: 47 kB a signal.
//! A faster feed is bounded by [`MAX_RAW`].

use std::collections::VecDeque;

use bedwatch_schemas::{
    event::Provenance,
    signal::Signal,
    summary::{VitalSummary, WindowLength, WindowStats},
    time::{EventTime, Span},
};
use serde::{Deserialize, Serialize};

use crate::{
    pane::Pane,
    word::{Outcome, Word},
};

/// Values kept one by one at most; beyond, the oldest minute is folded early.
pub const MAX_RAW: usize = 8_192;
/// Intervals looked at for the observed rate.
const INTERVALS: usize = 8;
const MINUTE: Span = Span::minutes(1);
const TEN_MINUTES: Span = Span::minutes(10);

/// A value in its place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Entry {
    at: EventTime,
    word: Word,
}

/// A pane with the source of its last value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Closed {
    /// It holds `(start, start + width]`.
    start: EventTime,
    pane: Pane,
    provenance: Provenance,
}

/// A value, when it was measured and where it came from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The value in the signal's canonical unit.
    pub value: f64,
    /// When it was measured.
    pub at: EventTime,
    /// Where it came from.
    pub provenance: Provenance,
}

/// One vital sign of one patient.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Series {
    signal: Signal,
    raw: VecDeque<Entry>,
    minutes: VecDeque<Closed>,
    tens: VecDeque<Closed>,
    /// Everything at or before this is folded.
    folded: EventTime,
    newest: EventTime,
    /// Times of the newest folded values, oldest first.
    folded_times: VecDeque<EventTime>,
}

/// The start of the pane `(start, start + width]` that holds `at`.
fn pane_start(at: EventTime, width: Span) -> EventTime {
    (at - Span(1)).floor(width)
}

impl Series {
    /// An empty series.
    #[must_use]
    pub fn new(signal: Signal) -> Self {
        Self {
            signal,
            raw: VecDeque::new(),
            minutes: VecDeque::new(),
            tens: VecDeque::new(),
            folded: EventTime::from_micros(i64::MIN),
            newest: EventTime::from_micros(i64::MIN),
            folded_times: VecDeque::new(),
        }
    }

    /// The signal.
    #[must_use]
    pub fn signal(&self) -> Signal {
        self.signal
    }

    /// Takes a word about time `at`.
    pub fn push(&mut self, at: EventTime, word: Word, allowance: Span) -> Outcome {
        if at <= self.folded || at < self.newest - allowance {
            return Outcome::TooLate;
        }
        let entered = Entry { at, word };
        if self.raw.back().is_none_or(|e| e.at < at) {
            self.raw.push_back(entered);
            self.newest = self.newest.max(at);
            self.fold(allowance);
            return Self::entered(word, false);
        }
        match self.raw.binary_search_by_key(&at, |e| e.at) {
            Ok(i) => self.raw[i].word.join(word),
            Err(i) => {
                self.raw.insert(i, entered);
                if self.raw.len() > MAX_RAW {
                    self.fold(allowance);
                }
                Self::entered(word, true)
            }
        }
    }

    fn entered(word: Word, late: bool) -> Outcome {
        if word.usable().is_some() { Outcome::Accepted { late } } else { Outcome::Withdrawn }
    }

    /// Moves what can no longer change into panes.
    fn fold(&mut self, allowance: Span) {
        let held = allowance.max(WindowLength::M5.span());
        let mut line = (self.newest - held - MINUTE).floor(MINUTE);
        if self.raw.len() > MAX_RAW
            && let Some(oldest) = self.raw.front()
        {
            line = line.max(pane_start(oldest.at, MINUTE) + MINUTE);
        }
        if line <= self.folded {
            return;
        }
        self.folded = line;
        while let Some(&Entry { at, word }) = self.raw.front()
            && at <= line
        {
            self.raw.pop_front();
            if let Some(value) = word.usable() {
                self.fold_value(at, value, word.provenance);
            }
        }
        let oldest = line - WindowLength::H1.span() - Span::minutes(2);
        while self.minutes.front().is_some_and(|c| c.start < oldest) {
            self.minutes.pop_front();
        }
        let oldest = line - WindowLength::H24.span() - TEN_MINUTES;
        while self.tens.front().is_some_and(|c| c.start < oldest) {
            self.tens.pop_front();
        }
    }

    fn fold_value(&mut self, at: EventTime, value: f64, provenance: Provenance) {
        for (panes, width) in [(&mut self.minutes, MINUTE), (&mut self.tens, TEN_MINUTES)] {
            let start = pane_start(at, width);
            match panes.back_mut() {
                Some(c) if c.start == start => {
                    c.pane.push(at, value);
                    c.provenance = provenance;
                }
                _ => panes.push_back(Closed { start, pane: Pane::of(at, value), provenance }),
            }
        }
        if self.folded_times.len() > INTERVALS {
            self.folded_times.pop_front();
        }
        self.folded_times.push_back(at);
    }

    /// Values that stand one by one in `(from, to]`, oldest first.
    fn raw_in(&self, from: EventTime, to: EventTime) -> impl DoubleEndedIterator<Item = Sample> {
        let start = self.raw.partition_point(|e| e.at <= from);
        let end = self.raw.partition_point(|e| e.at <= to).max(start);
        self.raw.range(start..end).filter_map(|e| {
            let provenance = e.word.provenance;
            e.word.usable().map(|value| Sample { value, at: e.at, provenance })
        })
    }

    /// The value standing at exactly `at`, if it is still held one by one.
    #[must_use]
    pub fn value_at(&self, at: EventTime) -> Option<f64> {
        let i = self.raw.binary_search_by_key(&at, |e| e.at).ok()?;
        self.raw[i].word.usable()
    }

    /// The last usable value in `(from, to]`.
    #[must_use]
    pub fn last_in(&self, from: EventTime, to: EventTime) -> Option<Sample> {
        let of_panes = |panes: &VecDeque<Closed>| {
            let c = panes.iter().rev().find(|c| c.pane.last_at <= to)?;
            let last = Sample { value: c.pane.last, at: c.pane.last_at, provenance: c.provenance };
            (last.at > from).then_some(last)
        };
        self.raw_in(from, to).next_back().or_else(|| of_panes(&self.minutes)).or_else(|| of_panes(&self.tens))
    }

    /// The statistics of `(at - length, at]`; `None` when it is empty.
    #[must_use]
    pub fn window(&self, length: WindowLength, at: EventTime) -> Option<WindowStats> {
        self.windows(at).into_iter().find(|w| w.length == length)
    }

    /// The statistics of every window that holds a value, shortest first.
    ///
    /// Each window holds the shorter ones, so one walk back in time serves all: a window's
    /// statistics are those gathered when the walk passes its old edge.
    #[must_use]
    pub fn windows(&self, at: EventTime) -> Vec<WindowStats> {
        let mut gathered: Option<Pane> = None;
        let mut found = [None; WindowLength::ALL.len()];
        let mut passed = 0;
        for s in self.raw_in(at - WindowLength::H24.span(), at).rev() {
            while s.at <= at - WindowLength::ALL[passed].span() {
                found[passed] = gathered;
                passed += 1;
            }
            match &mut gathered {
                Some(all) => all.push(s.at, s.value),
                None => gathered = Some(Pane::of(s.at, s.value)),
            }
        }
        for (lengths, panes, width) in [(0..3, &self.minutes, MINUTE), (3..5, &self.tens, TEN_MINUTES)] {
            let mut all = gathered;
            let mut older = panes.iter().rev().peekable();
            for i in lengths.filter(|i| *i >= passed) {
                let from = at - WindowLength::ALL[i].span();
                while let Some(c) = older.next_if(|c| from < self.folded && c.start >= from) {
                    // A pane that ends after `at` holds what a frame of `at` must not know.
                    if (c.start + width).min(self.folded) > at {
                        continue;
                    }
                    match &mut all {
                        Some(all) => all.merge(&c.pane),
                        None => all = Some(c.pane),
                    }
                }
                found[i] = all;
            }
        }
        let interval = self.interval(at);
        let stats = |(pane, length): (Option<Pane>, WindowLength)| {
            Some(pane?.stats(length, interval.map(|i| expected(length.span(), i))))
        };
        found.into_iter().zip(WindowLength::ALL).filter_map(stats).collect()
    }

    /// What `(at - length, at]` holds, for a length of up to a day: the same as [`Series::windows`] says of
    /// the lengths that have a name there.
    #[must_use]
    pub fn stretch(&self, length: Span, at: EventTime) -> Option<Pane> {
        let from = at - length;
        let mut all: Option<Pane> = None;
        for s in self.raw_in(from, at).rev() {
            match &mut all {
                Some(all) => all.push(s.at, s.value),
                None => all = Some(Pane::of(s.at, s.value)),
            }
        }
        let hour = length <= WindowLength::H1.span();
        let (panes, width) = if hour { (&self.minutes, MINUTE) } else { (&self.tens, TEN_MINUTES) };
        let inside = |c: &&Closed| from < self.folded && c.start >= from;
        for c in panes.iter().rev().take_while(inside) {
            // A pane that ends after `at` holds what must not be known at `at`.
            if (c.start + width).min(self.folded) > at {
                continue;
            }
            match &mut all {
                Some(all) => all.merge(&c.pane),
                None => all = Some(c.pane),
            }
        }
        all
    }

    /// Values a window of this length would hold at the observed rate; `None` before one is known.
    #[must_use]
    pub fn expected(&self, length: Span, at: EventTime) -> Option<u32> {
        self.interval(at).map(|i| expected(length, i))
    }

    /// The mean of each clock minute `(start, start + 1 min]` that begins at or after `from` and holds a
    /// value up to `at`, oldest first, with the minute's beginning. `from` at most an hour before `at`.
    pub fn minute_means(&self, from: EventTime, at: EventTime) -> Vec<(EventTime, f64)> {
        let mut panes: Vec<(EventTime, Pane)> = Vec::new();
        for c in self.minutes.iter().filter(|c| c.start >= from && (c.start + MINUTE).min(self.folded) <= at)
        {
            panes.push((c.start, c.pane));
        }
        for s in self.raw_in(from, at) {
            let start = pane_start(s.at, MINUTE);
            match panes.last_mut() {
                Some((of, pane)) if *of == start => pane.push(s.at, s.value),
                _ => panes.push((start, Pane::of(s.at, s.value))),
            }
        }
        panes.into_iter().map(|(start, pane)| (start, pane.mean())).collect()
    }

    /// The median of the last intervals up to `at`; `None` with fewer than three values.
    #[must_use]
    pub fn interval(&self, at: EventTime) -> Option<Span> {
        let mut times = [EventTime::from_micros(0); INTERVALS + 1];
        let mut held = 0;
        let raw = self.raw_in(EventTime::from_micros(i64::MIN), at).rev().map(|s| s.at);
        let folded = self.folded_times.iter().rev().copied().filter(|&t| t <= at);
        for (slot, time) in times.iter_mut().zip(raw.chain(folded)) {
            *slot = time;
            held += 1;
        }
        if held < 3 {
            return None;
        }
        let mut gaps = [Span::ZERO; INTERVALS];
        for (gap, pair) in gaps.iter_mut().zip(times[..held].windows(2)) {
            *gap = pair[0].since(pair[1]);
        }
        let gaps = &mut gaps[..held - 1];
        gaps.sort_unstable();
        Some(gaps[gaps.len() / 2])
    }

    /// The summary at `at`; `None` when nothing usable came before.
    #[must_use]
    pub fn summary(&self, at: EventTime) -> Option<VitalSummary> {
        let last = self.last_in(EventTime::from_micros(i64::MIN), at)?;
        let windows = self.windows(at);
        let (signal, provenance) = (self.signal, last.provenance);
        Some(VitalSummary { signal, last: last.value, at: last.at, provenance, windows })
    }

    /// The lowest mean over a ten-minute pane of the last 24 h, with the time and source of the
    /// pane's last value. Scores that ask for the worst of a day take this, so that one flushed
    /// line or one artefact does not decide them.
    #[must_use]
    pub fn lowest_mean_24h(&self, at: EventTime) -> Option<Sample> {
        let from = at - WindowLength::H24.span();
        let mut lowest: Option<Closed> = None;
        let mut consider = |c: &Closed| {
            if lowest.as_ref().is_none_or(|l| c.pane.mean() < l.pane.mean()) {
                lowest = Some(*c);
            }
        };
        let mut open: Option<Closed> = None;
        for c in self.tens.iter().filter(|c| c.start >= from && c.pane.last_at <= at) {
            if let Some(whole) = open.replace(*c) {
                consider(&whole);
            }
        }
        // The last pane may be folded in part: what is not yet folded belongs to it or follows it.
        for s in self.raw_in(from, at) {
            let start = pane_start(s.at, TEN_MINUTES);
            match &mut open {
                Some(c) if c.start == start => {
                    c.pane.push(s.at, s.value);
                    c.provenance = s.provenance;
                }
                _ => {
                    let next = Closed { start, pane: Pane::of(s.at, s.value), provenance: s.provenance };
                    if let Some(whole) = open.replace(next) {
                        consider(&whole);
                    }
                }
            }
        }
        if let Some(last) = open {
            consider(&last);
        }
        lowest.map(|c| Sample { value: c.pane.mean(), at: c.pane.last_at, provenance: c.provenance })
    }

    /// Takes in the same signal of a record that was the same person.
    pub fn absorb(&mut self, other: Self, allowance: Span) {
        for (mine, theirs) in [(&mut self.minutes, other.minutes), (&mut self.tens, other.tens)] {
            for c in theirs {
                put_pane(mine, c);
            }
        }
        let times = self.folded_times.len() + other.folded_times.len();
        self.folded_times.extend(other.folded_times);
        self.folded_times.make_contiguous().sort_unstable();
        self.folded_times.drain(..times.saturating_sub(INTERVALS + 1));
        for e in other.raw {
            match self.raw.binary_search_by_key(&e.at, |e| e.at) {
                Ok(i) => {
                    self.raw[i].word.join(e.word);
                }
                Err(i) => self.raw.insert(i, e),
            }
        }
        self.newest = self.newest.max(other.newest);
        // Values of the record further behind may lie below the common fold line: they go into
        // panes that are there already.
        let line = self.folded.max(other.folded);
        let below = self.raw.partition_point(|e| e.at <= line);
        for Entry { at, word } in self.raw.drain(..below).collect::<Vec<_>>() {
            let Some(value) = word.usable() else { continue };
            let provenance = word.provenance;
            for (panes, width) in [(&mut self.minutes, MINUTE), (&mut self.tens, TEN_MINUTES)] {
                put_pane(
                    panes,
                    Closed { start: pane_start(at, width), pane: Pane::of(at, value), provenance },
                );
            }
        }
        self.folded = line;
        self.fold(allowance);
    }
}

/// Values a full window would hold at the observed interval.
fn expected(length: Span, interval: Span) -> u32 {
    let interval = interval.0.max(1);
    let n = (length.0 + interval / 2) / interval;
    u32::try_from(n.max(1)).unwrap_or(u32::MAX)
}

/// Merges a pane into its place.
fn put_pane(panes: &mut VecDeque<Closed>, c: Closed) {
    match panes.binary_search_by_key(&c.start, |c| c.start) {
        Ok(i) => {
            if c.pane.last_at >= panes[i].pane.last_at {
                panes[i].provenance = c.provenance;
            }
            panes[i].pane.merge(&c.pane);
        }
        Err(i) => panes.insert(i, c),
    }
}

#[cfg(test)]
mod tests;
