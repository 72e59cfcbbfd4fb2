//! Merges the partitions of the input topics into cells.
//!
//! Kafka orders records within a partition only. What the engine sees between partitions depends on
//! the network, on batches and on speed. So time of arrival (the record's Kafka timestamp) is cut
//! into cells of 100 ms; a cell is closed when every partition has shown a later record or has been
//! read to its end, and its records are put into one order: timestamp, stream, partition, offset.
//! Reading the same log again closes the same cells with the same records.
//!
//! Live, a partition that is read to its end does not hold the others up: the cell closes a short
//! grace after its end. While catching up, a partition counts as read to its end only when nothing has
//! come from it for a moment, since whoever fills the topics may be doing so right now; who does can
//! say so by marks, and then nothing is waited for or guessed. A record that comes later still goes into the next open cell and is counted (`late_to_cell`): nothing is lost,
//! but live and replayed runs can order such a record differently, as they can one stamped ahead of the clock.

use std::collections::{BTreeMap, VecDeque};

use bedwatch_ingest::kafka::source::OwnedRecord;
use bedwatch_schemas::{
    event::{Event, Stream},
    time::{ArrivalTime, Span},
};

/// How cells are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The length of a cell.
    pub cell: Span,
    /// How long after its end a cell waits for records under way.
    pub grace: Span,
    /// Cells this far behind the clock are being caught up.
    pub behind: Span,
    /// While catching up, how long a partition must have been silent to count as read to its end.
    pub settle: Span,
    /// After a start without any record, silence counts as time passing after this long.
    pub patience: Span,
    /// Records stamped further ahead of the clock than this count as stamped now: one fast clock
    /// must not hold the others up.
    pub ahead: Span,
}

impl Default for Cut {
    fn default() -> Self {
        Self {
            cell: Span::millis(100),
            grace: Span::millis(30),
            behind: Span::secs(2),
            settle: Span::millis(200),
            patience: Span::secs(10),
            ahead: Span::secs(5),
        }
    }
}

/// A record with the arrival time the engine takes it at.
#[derive(Debug)]
pub struct Entry {
    /// The record's own time, made monotone within its partition.
    pub stamp: ArrivalTime,
    /// The record.
    pub record: OwnedRecord,
}

/// The records of one cell in their order.
#[derive(Debug)]
pub struct Cell {
    /// End of the cell, exclusive: the time of everything decided in it.
    pub end: ArrivalTime,
    /// The records.
    pub records: Vec<Entry>,
    /// Events of files without a wire format of their own; always empty live.
    pub events: Vec<Event>,
}

impl Cell {
    /// Puts the records into the one order, wherever they came from.
    pub fn sort(&mut self) {
        self.records.sort_by_key(|e| (e.stamp, e.record.stream, e.record.partition, e.record.offset));
    }
}

#[derive(Debug, Default)]
struct Lane {
    pending: VecDeque<Entry>,
    /// The latest timestamp seen: later records of this lane are not taken as earlier.
    frontier: Option<ArrivalTime>,
    at_end: bool,
    /// When a record last came, by the clock.
    heard: Option<ArrivalTime>,
}

impl Lane {
    /// Whether nothing more is to be expected before `end`.
    fn is_done(&self, end: ArrivalTime, now: ArrivalTime, cut: &Cut) -> bool {
        if self.frontier.is_some_and(|f| f >= end) {
            return true;
        }
        let catching_up = now >= end + cut.behind;
        let settled = !catching_up || self.heard.is_none_or(|heard| now >= heard + cut.settle);
        self.at_end && settled && now >= end + cut.grace
    }
}

/// The merging of all lanes (partitions).
#[derive(Debug)]
pub struct Merger {
    cut: Cut,
    lanes: BTreeMap<(Stream, i32), Lane>,
    closed_to: ArrivalTime,
    /// Whether the present has been reached: from then on silence is time passing.
    live: bool,
    begun: Option<ArrivalTime>,
    late_to_cell: u64,
    clock_ahead: u64,
    out_of_order: u64,
}

impl Merger {
    /// A merger over the given partitions, resuming after `closed_to`.
    #[must_use]
    pub fn new(cut: Cut, lanes: impl IntoIterator<Item = (Stream, i32)>, closed_to: ArrivalTime) -> Self {
        let lanes = lanes.into_iter().map(|lane| (lane, Lane::default())).collect();
        Self {
            cut,
            lanes,
            closed_to,
            live: false,
            begun: None,
            late_to_cell: 0,
            clock_ahead: 0,
            out_of_order: 0,
        }
    }

    /// Takes a record in the order of its partition.
    pub fn push(&mut self, record: OwnedRecord, now: ArrivalTime) {
        let lane = self.lanes.entry((record.stream, record.partition)).or_default();
        lane.at_end = false;
        lane.heard = Some(now);
        let mut stamp = record.timestamp.unwrap_or(now);
        if stamp > now + self.cut.ahead {
            self.clock_ahead += 1;
            stamp = now;
        }
        if let Some(frontier) = lane.frontier.filter(|frontier| stamp < *frontier) {
            self.out_of_order += 1;
            stamp = frontier;
        }
        if stamp < self.closed_to {
            self.late_to_cell += 1;
            stamp = self.closed_to;
        }
        lane.frontier = Some(stamp);
        lane.pending.push_back(Entry { stamp, record });
    }

    /// Notes that nothing stamped earlier will come in a partition.
    pub fn mark(&mut self, stream: Stream, partition: i32, at: ArrivalTime, now: ArrivalTime) {
        let lane = self.lanes.entry((stream, partition)).or_default();
        lane.heard = Some(now);
        lane.frontier = lane.frontier.max(Some(at.min(now + self.cut.ahead)));
    }

    /// Adds a partition that was assigned later.
    pub fn add(&mut self, stream: Stream, partition: i32) {
        self.lanes.entry((stream, partition)).or_default();
    }

    /// Notes that a partition has been read to its end.
    pub fn at_end(&mut self, stream: Stream, partition: i32) {
        self.lanes.entry((stream, partition)).or_default().at_end = true;
    }

    /// Closes the next cell that holds a record, if it can be closed.
    pub fn close(&mut self, now: ArrivalTime) -> Option<Cell> {
        let first = self.lanes.values().filter_map(|l| l.pending.front()).map(|e| e.stamp).min()?;
        let end = first.floor(self.cut.cell) + self.cut.cell;
        if !self.lanes.values().all(|lane| lane.is_done(end, now, &self.cut)) {
            return None;
        }
        self.live |= now < end + self.cut.behind;
        let mut records = Vec::new();
        for lane in self.lanes.values_mut() {
            while lane.pending.front().is_some_and(|e| e.stamp < end) {
                records.extend(lane.pending.pop_front());
            }
        }
        self.closed_to = end;
        let mut cell = Cell { end, records, events: Vec::new() };
        cell.sort();
        Some(cell)
    }

    /// The time up to which nothing has arrived and nothing more is expected: for deadlines while
    /// the feeds are silent.
    pub fn quiet_to(&mut self, now: ArrivalTime) -> Option<ArrivalTime> {
        let begun = *self.begun.get_or_insert(now);
        let heard = self.lanes.values().filter_map(|l| l.heard).max().unwrap_or(begun);
        self.live |= now >= heard.max(begun) + self.cut.patience;
        let silent = self.lanes.values().all(|l| l.pending.is_empty() && l.at_end);
        let to = (now - self.cut.grace).floor(self.cut.cell);
        if self.live && silent && to > self.closed_to {
            self.closed_to = to;
            return Some(to);
        }
        None
    }

    /// Records held back for cells that are still open.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.lanes.values().map(|l| l.pending.len()).sum()
    }

    /// Everything before this time is closed.
    #[must_use]
    pub const fn closed_to(&self) -> ArrivalTime {
        self.closed_to
    }

    /// Records that came after their cell was closed.
    #[must_use]
    pub const fn late_to_cell(&self) -> u64 {
        self.late_to_cell
    }

    /// Records stamped earlier than one before them in their partition; they are taken at its time.
    #[must_use]
    pub const fn out_of_order(&self) -> u64 {
        self.out_of_order
    }

    /// Records whose stamp was ahead of the clock.
    #[must_use]
    pub const fn clock_ahead(&self) -> u64 {
        self.clock_ahead
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(stream: Stream, partition: i32, offset: i64, millis: i64) -> OwnedRecord {
        OwnedRecord {
            stream,
            partition,
            offset,
            timestamp: Some(ArrivalTime::from_millis(millis)),
            key: None,
            payload: Vec::new(),
        }
    }

    /// A cell's end in ms and the places of its records.
    type Closed = (i64, Vec<(Stream, i32, i64)>);

    /// Reads lanes in the given interleaving, long after the records were written, and returns the
    /// cells. The clock stands still while records come, then moves past the settling time.
    fn run(lanes: &[(Stream, i32, Vec<i64>)], picks: &[usize]) -> Vec<Closed> {
        let names = lanes.iter().map(|(s, p, _)| (*s, *p));
        let mut merger = Merger::new(Cut::default(), names, ArrivalTime::from_millis(0));
        let now = ArrivalTime::from_millis(1_000_000);
        let mut next = vec![0_usize; lanes.len()];
        let mut cells = Vec::new();
        let drain = |merger: &mut Merger, now: ArrivalTime, cells: &mut Vec<_>| {
            while let Some(cell) = merger.close(now) {
                let records = cell
                    .records
                    .iter()
                    .map(|e| (e.record.stream, e.record.partition, e.record.offset))
                    .collect();
                cells.push((cell.end.as_millis(), records));
            }
        };
        let all = picks.iter().copied().chain((0..lanes.len()).flat_map(|i| std::iter::repeat_n(i, 64)));
        for pick in all {
            let i = pick % lanes.len();
            let (stream, partition, stamps) = &lanes[i];
            match stamps.get(next[i]) {
                Some(&millis) => {
                    merger.push(record(*stream, *partition, next[i] as i64, millis), now);
                    next[i] += 1;
                }
                None => merger.at_end(*stream, *partition),
            }
            drain(&mut merger, now, &mut cells);
        }
        drain(&mut merger, now + Span::millis(200), &mut cells);
        assert_eq!(merger.pending(), 0);
        assert_eq!(merger.late_to_cell(), 0);
        cells
    }

    proptest! {
        /// Law: how the partitions are interleaved on the way in changes nothing.
        #[test]
        fn any_interleaving_gives_the_same_cells(
            a in prop::collection::vec(0_i64..2_000, 0..30),
            b in prop::collection::vec(0_i64..2_000, 0..30),
            c in prop::collection::vec(0_i64..2_000, 0..30),
            picks in prop::collection::vec(0_usize..3, 0..100),
        ) {
            let lanes = [(Stream::Vitals, 0, a), (Stream::Vitals, 1, b), (Stream::Hl7v2, 0, c)];
            prop_assert_eq!(run(&lanes, &picks), run(&lanes, &[]));
        }
    }

    #[test]
    fn an_idle_partition_holds_nothing_up_once_read_to_its_end() {
        let lanes = [(Stream::Vitals, 0), (Stream::Cgm, 0)];
        let mut merger = Merger::new(Cut::default(), lanes, ArrivalTime::from_millis(0));
        let t = ArrivalTime::from_millis;
        merger.push(record(Stream::Vitals, 0, 0, 950), t(960));
        assert!(merger.close(t(1_100)).is_none(), "the other lane has not been read to its end");
        merger.at_end(Stream::Cgm, 0);
        assert!(merger.close(t(1_100)).is_none(), "nor has this one");
        merger.at_end(Stream::Vitals, 0);
        assert!(merger.close(t(1_029)).is_none(), "within the grace");
        assert_eq!(merger.close(t(1_030)).map(|c| c.records.len()), Some(1));
        assert_eq!(merger.quiet_to(t(1_129)), None);
        assert_eq!(merger.quiet_to(t(1_130)), Some(t(1_100)));
        merger.push(record(Stream::Cgm, 0, 0, 1_050), t(1_140));
        assert_eq!(merger.late_to_cell(), 1, "counted, and still delivered below");
        merger.at_end(Stream::Cgm, 0);
        assert_eq!(merger.close(t(1_300)).map(|c| c.end), Some(t(1_200)));
    }

    #[test]
    fn a_mark_says_how_far_the_past_has_been_filled() {
        let lanes = [(Stream::Vitals, 0), (Stream::Cgm, 0)];
        let mut merger = Merger::new(Cut::default(), lanes, ArrivalTime::from_millis(0));
        let t = ArrivalTime::from_millis;
        let now = t(1_000_000);
        for (stream, _) in lanes {
            merger.mark(stream, 0, t(500), now);
            merger.at_end(stream, 0);
        }
        merger.push(record(Stream::Vitals, 0, 0, 950), now);
        merger.push(record(Stream::Vitals, 0, 1, 2_000), now);
        assert!(merger.close(now).is_none(), "glucose may still come");
        merger.mark(Stream::Cgm, 0, t(999), now);
        assert!(merger.close(now).is_none(), "and stand in this cell");
        merger.mark(Stream::Cgm, 0, t(1_000), now);
        assert_eq!(merger.close(now).map(|c| (c.end, c.records.len())), Some((t(1_000), 1)));
        merger.mark(Stream::Cgm, 0, t(700), now);
        assert!(
            merger.close(now).is_none(),
            "the other record is beyond the mark; an earlier one takes nothing back"
        );
        assert_eq!(merger.late_to_cell(), 0);
    }

    /// Live, a stamp ahead of the clock is taken as now; read again later it stands as it is, and raises what
    /// follows in its partition. That is counted.
    #[test]
    fn a_stamp_ahead_of_the_clock_raises_what_follows_only_when_it_is_read_again() {
        let t = ArrivalTime::from_millis;
        for (now, stamp, want) in
            [(1_000, 1_000, (0, 0)), (1_000, 6_000, (0, 1)), (1_000, 6_001, (1, 0)), (9_000, 6_001, (0, 1))]
        {
            let mut merger = Merger::new(Cut::default(), [(Stream::Vitals, 0)], t(0));
            merger.push(record(Stream::Vitals, 0, 0, stamp), t(now));
            merger.push(record(Stream::Vitals, 0, 1, 1_010), t(now + 10));
            assert_eq!((merger.clock_ahead(), merger.out_of_order()), want, "{stamp} at {now}");
        }
    }

    #[test]
    fn silence_is_time_passing_only_once_the_present_is_reached() {
        let t = ArrivalTime::from_millis;
        let mut merger = Merger::new(Cut::default(), [(Stream::Vitals, 0)], t(0));
        merger.at_end(Stream::Vitals, 0);
        assert_eq!(merger.quiet_to(t(100_000)), None, "the history may be on its way");
        merger.push(record(Stream::Vitals, 0, 0, 5_000), t(100_050));
        merger.at_end(Stream::Vitals, 0);
        assert!(merger.close(t(100_249)).is_none(), "more may follow at once");
        assert!(merger.close(t(100_250)).is_some());
        assert_eq!(merger.quiet_to(t(100_300)), None, "still in the past");
        assert_eq!(merger.quiet_to(t(110_050)), Some(t(110_000)), "nothing for ten seconds");
    }
}
