//! Samples into waveform blocks of one second, one block for each kind and rate.
//!
//! Block `n` of a channel group holds the samples from `round(n * rate)` to `round((n + 1) * rate)`, so
//! that rates that are no whole number do not drift. It arrives when its last sample does.

use std::sync::Arc;

use bedwatch_schemas::{
    event::{Body, Event, Provenance, Stream},
    ids::{PatientId, SourceId},
    time::{EventTime, Span},
    waveform::{Channel, SampleRate, WaveformBlock, WaveformKind},
};

use super::{Item, channels::Meaning};

/// Where a channel's samples go: group and channel within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    group: usize,
    channel: usize,
}

struct Group {
    kind: WaveformKind,
    rate: SampleRate,
    labels: Vec<String>,
    buffers: Vec<Vec<f32>>,
    /// Samples given out since the origin.
    taken: u64,
    /// Blocks given out since the origin.
    blocks: u64,
}

impl Group {
    /// Samples of the block that comes next.
    fn due(&self) -> usize {
        let edge = ((self.blocks + 1) as f64 * self.rate.hz()).round() as u64;
        edge.saturating_sub(self.taken).max(1) as usize
    }

    fn take(&mut self, origin: EventTime, samples: usize) -> WaveformBlock {
        let start = origin + Span((self.taken as f64 * 1e6 / self.rate.hz()).round() as i64);
        self.taken += samples as u64;
        self.blocks += 1;
        let channels = self.labels.iter().zip(&mut self.buffers).map(|(label, buffer)| {
            let mut taken: Vec<f32> = buffer.drain(..samples.min(buffer.len())).collect();
            taken.resize(samples, f32::NAN);
            Channel { label: label.clone(), samples: taken }
        });
        WaveformBlock { kind: self.kind, start, rate: self.rate, channels: channels.collect() }
    }
}

/// Collects samples and gives out blocks in the order of their arrival.
pub struct Blocks {
    patient: PatientId,
    source: SourceId,
    origin: EventTime,
    groups: Vec<Group>,
    number: i64,
}

impl Blocks {
    /// No channels yet; the first sample of each stands at `origin`.
    pub fn new(patient: PatientId, source: SourceId, origin: EventTime) -> Self {
        Self { patient, source, origin, groups: Vec::new(), number: 0 }
    }

    /// Adds a channel in the order of the source.
    pub fn channel(&mut self, meaning: Meaning, rate: SampleRate) -> Slot {
        let Meaning { kind, label } = meaning;
        let group = self.groups.iter().position(|g| g.kind == kind && g.rate == rate).unwrap_or_else(|| {
            self.groups.push(Group { kind, rate, labels: vec![], buffers: vec![], taken: 0, blocks: 0 });
            self.groups.len() - 1
        });
        // Some montages name a derivation twice: the second is told apart, not taken for the first.
        let same = self.groups[group].labels.iter().filter(|l| l.split('#').next() == Some(&label)).count();
        let label = if same > 0 { format!("{label}#{}", same + 1) } else { label };
        self.groups[group].labels.push(label);
        self.groups[group].buffers.push(Vec::new());
        Slot { group, channel: self.groups[group].buffers.len() - 1 }
    }

    /// The buffer of a channel: samples go to its end.
    pub fn buffer(&mut self, slot: Slot) -> &mut Vec<f32> {
        &mut self.groups[slot.group].buffers[slot.channel]
    }

    /// The whole seconds that are complete in every channel of their group.
    pub fn complete(&mut self) -> Vec<Item> {
        let origin = self.origin;
        let mut blocks = Vec::new();
        for group in &mut self.groups {
            while group.buffers.iter().all(|b| b.len() >= group.due()) {
                blocks.push(group.take(origin, group.due()));
            }
        }
        self.items(blocks)
    }

    /// What is left, padded with `NaN` where a channel is shorter.
    pub fn rest(&mut self) -> Vec<Item> {
        let mut items = self.complete();
        let origin = self.origin;
        let mut blocks = Vec::new();
        for group in &mut self.groups {
            while let Some(left) = group.buffers.iter().map(Vec::len).max().filter(|n| *n > 0) {
                let samples = left.min(group.due());
                blocks.push(group.take(origin, samples));
            }
        }
        items.extend(self.items(blocks));
        items
    }

    /// What is left; then a new stretch of the same channels begins.
    pub fn restart(&mut self, origin: EventTime) -> Vec<Item> {
        let items = self.rest();
        self.origin = origin;
        for group in &mut self.groups {
            (group.taken, group.blocks) = (0, 0);
        }
        items
    }

    /// A new stretch begins, with channels of its own.
    pub fn begin(&mut self, origin: EventTime) {
        self.origin = origin;
        self.groups.clear();
    }

    fn items(&mut self, mut blocks: Vec<WaveformBlock>) -> Vec<Item> {
        blocks.sort_by_key(WaveformBlock::end);
        blocks.into_iter().map(|b| self.item(b)).collect()
    }

    fn item(&mut self, block: WaveformBlock) -> Item {
        let offset = self.number;
        self.number += 1;
        Item::Event(Event {
            patient: self.patient.clone(),
            encounter: None,
            location: None,
            source: self.source.clone(),
            event_time: block.start,
            arrival: block.end().as_arrival_time(),
            provenance: Provenance { stream: Stream::Waveforms, partition: 0, offset, part: 0 },
            body: Body::Waveform(Arc::new(block)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(items: &[Item]) -> Vec<(usize, i64)> {
        let block = |item: &Item| match item {
            Item::Event(Event { body: Body::Waveform(b), .. }) => (b.len(), b.start.as_micros()),
            _ => panic!("not a block"),
        };
        items.iter().map(block).collect()
    }

    fn blocks(rates: &[f64]) -> (Blocks, Vec<Slot>) {
        let patient = PatientId::new("p").unwrap();
        let mut blocks = Blocks::new(patient, SourceId::new("s").unwrap(), EventTime::from_micros(0));
        let meaning = Meaning { kind: WaveformKind::Ecg, label: "II".into() };
        let slots = rates.iter().map(|r| blocks.channel(meaning.clone(), SampleRate::new(*r).unwrap()));
        let slots = slots.collect();
        (blocks, slots)
    }

    #[test]
    fn blocks_are_seconds_and_do_not_drift() {
        let (mut b, slots) = blocks(&[2.5]);
        b.buffer(slots[0]).extend([0.0; 9]);
        // Edges at 2.5, 5, 7.5 and 10 samples, rounded: 3, 5, 8, 10.
        assert_eq!(lengths(&b.complete()), [(3, 0), (2, 1_200_000), (3, 2_000_000)]);
        assert_eq!(lengths(&b.restart(EventTime::from_micros(9_000_000))), [(1, 3_200_000)]);
        b.buffer(slots[0]).extend([0.0; 3]);
        assert_eq!(lengths(&b.complete()), [(3, 9_000_000)]);
    }

    #[test]
    fn a_shorter_channel_is_padded_and_never_holds_back_the_rest_for_good() {
        let (mut b, slots) = blocks(&[4.0, 4.0]);
        b.buffer(slots[0]).extend([1.0; 6]);
        b.buffer(slots[1]).extend([2.0; 3]);
        assert!(b.complete().is_empty());
        let items = b.restart(EventTime::from_micros(0));
        assert_eq!(lengths(&items), [(4, 0), (2, 1_000_000)]);
        let Item::Event(Event { body: Body::Waveform(first), .. }) = &items[0] else { panic!() };
        assert_eq!(first.channels.iter().map(|c| c.label.as_str()).collect::<Vec<_>>(), ["II", "II#2"]);
        assert!(first.channels[1].samples[3].is_nan() && first.channels[1].samples[2] == 2.0);
    }
}
