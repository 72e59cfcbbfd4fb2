//! Where a block of samples falls on a feed's sample axis.
//!
//! Feature windows count samples, devices send blocks with start times. A [`Timeline`] joins the two:
//! the first sample of a feed is number 0, and every later block is placed by its start time to the
//! nearest sample. A block that starts late leaves a gap of missing samples, one that starts early
//! overlaps what was already taken: its old samples are dropped and counted (a repeat of a block is
//! therefore harmless). Placement depends on times only, so that cutting a stream into other blocks
//! places every sample in the same spot.

use bedwatch_schemas::{time::EventTime, waveform::SampleRate};
use serde::{Deserialize, Serialize};

/// What a feed did that the features could not use. All counts since the state was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Samples (per channel) that repeated or preceded what was already taken, and were dropped.
    pub overlap_samples: u64,
    /// Samples (per channel) missing between blocks.
    pub gap_samples: u64,
    /// Changes of rate or channel set, each of which restarted the windows.
    pub resets: u64,
    /// Blocks refused as unusable: another kind, a rate out of bounds, no usable channel.
    pub refused_blocks: u64,
}

/// How to take a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placement {
    /// Missing samples before the block's first.
    pub gap: u64,
    /// Samples at the block's front that were already taken.
    pub skip: usize,
}

/// The sample axis of one feed at one rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Timeline {
    origin: EventTime,
    rate: SampleRate,
    next: u64,
}

impl Timeline {
    pub(crate) fn new(origin: EventTime, rate: SampleRate) -> Self {
        Self { origin, rate, next: 0 }
    }

    /// Places a block and moves the axis to its end.
    pub(crate) fn place(&mut self, start: EventTime, len: usize) -> Placement {
        let position = (start.since(self.origin).as_secs_f64() * self.rate.hz()).round() as i64;
        let late = position - self.next as i64;
        let placement = Placement {
            gap: late.max(0) as u64,
            skip: usize::try_from((-late).max(0)).unwrap_or(usize::MAX).min(len),
        };
        self.next += placement.gap + (len - placement.skip) as u64;
        placement
    }

    pub(crate) fn rate(&self) -> SampleRate {
        self.rate
    }

    /// The time of a sample, which need not be whole.
    pub(crate) fn time_of(&self, sample: f64) -> EventTime {
        self.origin + bedwatch_schemas::time::Span((sample * 1e6 / self.rate.hz()).round() as i64)
    }
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::time::Span;

    use super::*;

    #[test]
    fn blocks_are_placed_to_the_nearest_sample() {
        // At 256 Hz a sample lasts 3,906.25 us. (start of the second block in us, gap, skip)
        let cases = [
            (1_000_000, 0, 0),
            (1_001_900, 0, 0),
            (1_002_000, 1, 0),
            (998_100, 0, 0),
            (998_000, 0, 1),
            (2_000_000, 256, 0),
            (500_000, 0, 128),
            (0, 0, 256),
            (-5_000_000, 0, 256),
        ];
        for (start, gap, skip) in cases {
            let mut line =
                Timeline::new(EventTime::from_micros(0), SampleRate::new(256.0).expect("a valid rate"));
            assert_eq!(line.place(EventTime::from_micros(0), 256), Placement { gap: 0, skip: 0 });
            let got = line.place(EventTime::from_micros(start), 256);
            assert_eq!(got, Placement { gap, skip }, "start {start}");
            assert_eq!(line.next, 256 + gap + 256 - skip as u64);
        }
    }

    #[test]
    fn an_odd_rate_does_not_drift_over_a_month() {
        let rate = SampleRate::new(62.4725).expect("a valid rate");
        let mut line = Timeline::new(EventTime::from_micros(0), rate);
        let blocks = 30 * 24 * 3600 / 10;
        for i in 0..blocks {
            let start = EventTime::from_micros(0) + rate.span_of(i * 625);
            assert_eq!(line.place(start, 625), Placement { gap: 0, skip: 0 });
        }
        let end = line.time_of(line.next as f64).since(EventTime::from_micros(0));
        assert_eq!(end, rate.span_of(blocks * 625));
        assert!(end > Span::hours(29 * 24));
    }
}
