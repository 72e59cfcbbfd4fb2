//! The signals of a record that the engine takes, as blocks.

use std::collections::{BTreeMap, VecDeque};

use bedwatch_schemas::{
    ids::{PatientId, SourceId},
    time::EventTime,
    waveform::SampleRate,
};

use super::{
    frames::{Frames, Step},
    header::{Header, Shape, Signal},
    load,
};
use crate::readers::{
    Error, Item,
    blocks::{Blocks, Slot},
    channels::{self, LEAST_RATE_HZ, Meaning},
    place::Place,
};

/// What a signal is, its rate, and the factor from its unit to its kind's; or why it is left out.
fn meaning(signal: &Signal, frame_hz: f64) -> Result<(Meaning, SampleRate, f64), &'static str> {
    let meaning = channels::meaning(&signal.description).ok_or("wfdb.channel_of_other_kind")?;
    let rate = SampleRate::new(frame_hz * signal.per_frame as f64).ok();
    let rate = rate.filter(|r| r.hz() >= LEAST_RATE_HZ).ok_or("wfdb.channel_too_slow")?;
    signal.gain.ok_or("wfdb.channel_without_calibration")?;
    let factor = channels::factor(meaning.kind, &signal.unit).ok_or("wfdb.channel_of_unknown_unit")?;
    Ok((meaning, rate, factor))
}

/// Whether the engine takes a signal.
pub fn wants(signal: &Signal, frame_hz: f64) -> bool {
    meaning(signal, frame_hz).is_ok()
}

/// The signals that are left out, of a record and of its segments, by reason. Files that lack are told where
/// they should be read.
pub fn left_out(place: &Place, header: &Header) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    let mut count = |header: &Header| {
        let Shape::Signals(signals) = &header.shape else { return };
        for why in signals.iter().filter_map(|s| meaning(s, header.frame_hz).err()) {
            *counts.entry(why).or_default() += 1;
        }
    };
    match &header.shape {
        Shape::Signals(_) => count(header),
        Shape::Segments(parts) => {
            for name in parts.iter().filter(|p| p.frames > 0).filter_map(|p| p.name.as_ref()) {
                // A header that cannot be read is a fault in its place.
                if let Ok(header) = load(&place.with_file_name(format!("{name}.hea")), "") {
                    count(&header);
                }
            }
        }
    }
    counts
}

/// A signal that is taken.
struct Take {
    signal: usize,
    slot: Slot,
    /// From the signal's unit to its kind's.
    factor: f64,
}

/// The blocks of a record.
pub struct Items {
    frames: Frames,
    start: EventTime,
    takes: Vec<Take>,
    blocks: Blocks,
    queue: VecDeque<Result<Item, Error>>,
    is_over: bool,
}

impl Items {
    /// The blocks of a record that begins at `start`.
    pub fn new(frames: Frames, patient: PatientId, source: SourceId, start: EventTime) -> Self {
        let blocks = Blocks::new(patient, source, start);
        Self { frames, start, takes: Vec::new(), blocks, queue: VecDeque::new(), is_over: false }
    }

    fn advance(&mut self) {
        let items = match self.frames.next() {
            Some(Ok(Step::Segment(at))) => {
                let rest = self.blocks.rest();
                self.blocks.begin(self.start + at);
                self.takes = self.takes();
                rest
            }
            Some(Ok(Step::Samples)) => {
                self.push();
                self.blocks.complete()
            }
            Some(Err(error)) => {
                // What was read before the fault comes before it.
                let rest = self.blocks.rest();
                self.queue.extend(rest.into_iter().map(Ok));
                self.queue.push_back(Err(error));
                return;
            }
            None => {
                self.is_over = true;
                self.blocks.rest()
            }
        };
        self.queue.extend(items.into_iter().map(Ok));
    }

    /// The signals of the current segment that are taken.
    fn takes(&mut self) -> Vec<Take> {
        let Some(segment) = self.frames.segment() else { return Vec::new() };
        let (frame_hz, mut takes) = (self.frames.frame_hz(), Vec::new());
        for (number, signal) in segment.signals().enumerate().filter(|(n, _)| segment.reads(*n)) {
            if let Ok((meaning, rate, factor)) = meaning(signal, frame_hz) {
                takes.push(Take { signal: number, slot: self.blocks.channel(meaning, rate), factor });
            }
        }
        takes
    }

    fn push(&mut self) {
        let Some(segment) = self.frames.segment() else { return };
        for take in &self.takes {
            let signal = segment.signal(take.signal);
            let values = segment.samples(take.signal).1.iter();
            let values = values.map(|&sample| (signal.physical(sample) * take.factor) as f32);
            self.blocks.buffer(take.slot).extend(values);
        }
    }
}

impl Iterator for Items {
    type Item = Result<Item, Error>;
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.queue.pop_front() {
                return Some(item);
            }
            if self.is_over {
                return None;
            }
            self.advance();
        }
    }
}
