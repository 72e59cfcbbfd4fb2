//! The signals of a recording that the engine takes, as blocks.

use std::collections::{BTreeMap, VecDeque};

use bedwatch_schemas::{time::EventTime, waveform::SampleRate};

use super::{
    header::{Header, Scale},
    records::Records,
};
use crate::readers::{
    Error, Item,
    blocks::{Blocks, Slot},
    channels::{self, LEAST_RATE_HZ},
};

/// A signal that is taken: where its samples stand in a record and go to.
pub struct Take {
    first_byte: usize,
    samples: usize,
    scale: Scale,
    /// From the signal's dimension to its kind's unit.
    factor: f64,
    slot: Slot,
}

/// The signals that are taken; those left out are counted by reason.
pub fn takes(header: &Header, blocks: &mut Blocks, counts: &mut BTreeMap<&'static str, u64>) -> Vec<Take> {
    let mut takes = Vec::new();
    let mut first_byte = 0;
    for signal in &header.signals {
        let at = first_byte;
        first_byte += signal.samples * header.width;
        if signal.is_annotations() {
            continue;
        }
        let rate = signal.samples as f64 / header.record_secs;
        let found = channels::meaning(&signal.label).ok_or("edf.channel_of_other_kind").and_then(|m| {
            let rate = SampleRate::new(rate).ok().filter(|r| r.hz() >= LEAST_RATE_HZ);
            let rate = rate.ok_or("edf.channel_too_slow")?;
            let scale = signal.scale.ok_or("edf.channel_without_calibration")?;
            let factor = channels::factor(m.kind, &signal.dimension).ok_or("edf.channel_of_unknown_unit")?;
            Ok((m, rate, scale, factor))
        });
        match found {
            Ok((meaning, rate, scale, factor)) => {
                let slot = blocks.channel(meaning, rate);
                takes.push(Take { first_byte: at, samples: signal.samples, scale, factor, slot });
            }
            Err(why) => *counts.entry(why).or_default() += 1,
        }
    }
    takes
}

/// The blocks of a recording.
pub struct Items {
    records: Records,
    /// The header's start.
    zero: EventTime,
    takes: Vec<Take>,
    blocks: Blocks,
    queue: VecDeque<Result<Item, Error>>,
    is_over: bool,
}

impl Items {
    /// The blocks of the records of a recording that starts at `zero`.
    pub fn new(records: Records, zero: EventTime, takes: Vec<Take>, blocks: Blocks) -> Self {
        Self { records, zero, takes, blocks, queue: VecDeque::new(), is_over: false }
    }

    fn advance(&mut self) {
        let items = match self.records.next() {
            Some(Ok(record)) => {
                let rest = match record.follows {
                    true => Vec::new(),
                    false => self.blocks.restart(self.zero + record.at),
                };
                self.push();
                self.queue.extend(rest.into_iter().map(Ok));
                self.blocks.complete()
            }
            Some(Err(error)) => {
                self.queue.push_back(Err(error));
                return;
            }
            None => {
                self.is_over = true;
                self.blocks.restart(self.zero + self.records.expected())
            }
        };
        self.queue.extend(items.into_iter().map(Ok));
    }

    fn push(&mut self) {
        for take in &self.takes {
            let samples = self.records.samples(take.first_byte, take.samples);
            let values = samples.map(|sample| (take.scale.physical(sample) * take.factor) as f32);
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
