//! EEG: from blocks of samples to the features of the latest window.
//!
//! Windows of 4 s move on by 1 s. Everything is computed when a second is complete, from that
//! second's samples and what was carried, so that the result cannot depend on how the samples were
//! cut into blocks. Each file holds one step: [`montage`] (which channels), [`hop`] (time domain,
//! aEEG, suppression), [`crate::spectrum`] (FFT), [`artifact`], [`window`] (joining, medians),
//! [`trend`] (minutes) and [`seizure`]. Bands and definitions: clinical.md, "EEG".
//!
//! A summary describes the latest window that had a good channel (`at`), while the channel counts,
//! the artifact share and the seizure figures belong to the latest window of all: a cap that has
//! come off shows as `good_channels` 0 and an `at` that stands still.

use std::collections::VecDeque;

use bedwatch_schemas::{
    event::Provenance,
    recent::{EEG_COLUMNS, Track},
    summary::EegSummary,
    time::{EventTime, Span},
    waveform::{WaveformBlock, WaveformKind},
};
use serde::{Deserialize, Serialize};

pub use self::artifact::Artifact;
use self::{
    hop::{Carry, Filters, Hop},
    seizure::Seizure,
    trend::{Second, Trends},
    window::{ChannelWindow, Medians, WINDOW_HOPS, median},
};
pub use crate::timeline::Counts;
use crate::{
    spectrum::{self, Analyzer, Lanes},
    timeline::Timeline,
};

mod artifact;
mod hop;
mod montage;
mod seizure;
mod trend;
mod window;

#[cfg(test)]
mod tests;

/// Rates that can show 30-45 Hz and cost a bounded window, Hz.
const RATE_HZ: std::ops::RangeInclusive<f64> = 100.0..=4_096.0;
const MAX_CHANNELS: usize = 256;
/// A longer gap restarts the windows (the minute trends would hold nothing anyway).
const LONGEST_FILLED_GAP: f64 = 60.0;
/// Nothing of a summary is true any more this long after the latest window.
const FORGOTTEN_AFTER: Span = Span::minutes(5);

/// The EEG state of one patient.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Eeg {
    recording: Option<Recording>,
    counts: Counts,
    /// Rejected channel-windows by reason, in the order of [`Artifact::ALL`].
    rejected: Rejected,
}

type Rejected = [u64; Artifact::ALL.len()];

/// An unchanged set of channels at one rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Recording {
    timeline: Timeline,
    /// The block's labels as they come, and where in them the EEG channels stand.
    labels: Vec<String>,
    picks: Vec<u16>,
    pairs: Vec<(u16, u16)>,
    /// Samples a hop.
    hop: usize,
    groups: Vec<Group>,
    /// Samples in the groups' windows, and seconds since a restart (as many as a window holds).
    filled: usize,
    hops_read: usize,
    /// The number of the next sample to come in.
    position: u64,
    trends: Trends,
    seizure: Seizure,
    /// End of the latest window, and how many of its channels were good.
    latest: Option<(EventTime, u16)>,
    good: Option<Good>,
    /// One row every [`ROW_HOPS`] windows, oldest first.
    rows: VecDeque<Row>,
}

/// Windows between two rows.
const ROW_HOPS: u64 = 10;

/// The features of one window, kept for models: the columns of
/// [`EEG_COLUMNS`](bedwatch_schemas::recent::EEG_COLUMNS). Without a good channel only those of channels
/// and seizures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// End of the window.
    pub at: EventTime,
    /// The columns.
    pub values: [Option<f32>; EEG_COLUMNS.len()],
}

/// Up to four channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Group {
    window: Vec<Lanes>,
    hops: [Hop; WINDOW_HOPS],
    carry: Carry,
}

/// The latest window with a good channel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Good {
    at: EventTime,
    provenance: Provenance,
    medians: Medians,
}

impl Eeg {
    /// No recording yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What could not be used.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Rejected channel-windows by reason since the state was made.
    #[must_use]
    pub fn rejected(&self) -> [(Artifact, u64); Artifact::ALL.len()] {
        std::array::from_fn(|i| (Artifact::ALL[i], self.rejected[i]))
    }

    /// Takes a block of EEG (other kinds are refused and counted).
    pub fn push(&mut self, block: &WaveformBlock, provenance: Provenance) {
        if block.kind != WaveformKind::Eeg || block.is_empty() || !RATE_HZ.contains(&block.rate.hz()) {
            self.counts.refused_blocks += 1;
            return;
        }
        if let Some(recording) = &self.recording
            && !recording.fits(block)
        {
            self.counts.resets += 1;
            self.recording = None;
        }
        if self.recording.is_none() {
            self.recording = Recording::new(block);
        }
        match &mut self.recording {
            Some(recording) => recording.push(block, provenance, &mut self.counts, &mut self.rejected),
            None => self.counts.refused_blocks += 1,
        }
    }

    /// The rows of `(from, to]`, oldest first.
    /// The last is that of the latest window.
    pub fn rows(&self, from: EventTime, to: EventTime) -> impl Iterator<Item = Row> {
        let latest = |r: &Recording| r.latest.map(|(at, good)| r.row(at, good));
        let rows = self.recording.iter().flat_map(move |r| r.rows.iter().copied().chain(latest(r)));
        rows.filter(move |r| r.at > from && r.at <= to)
    }

    /// The features as of `at`; `None` before the first window with a good channel, and five minutes
    /// after the last.
    #[must_use]
    pub fn summary(&self, at: EventTime) -> Option<EegSummary> {
        let recording = self.recording.as_ref()?;
        let (end, good_channels) = recording.latest?;
        let good = recording.good.filter(|good| at.since(good.at) <= FORGOTTEN_AFTER)?;
        let m = good.medians;
        let hop_secs = recording.hop as f64 / recording.timeline.rate().hz();
        let stretch = if at.since(end) > FORGOTTEN_AFTER { 0 } else { recording.seizure.stretch_hops() };
        Some(EegSummary {
            at: good.at,
            provenance: good.provenance,
            channels: recording.picks.len() as u16,
            good_channels,
            total_power_uv2: f64::from(m.total_uv2),
            relative_power: m.relative.map(f64::from),
            alpha_delta_ratio: f64::from(m.alpha_delta),
            sef95_hz: f64::from(m.sef95_hz),
            dominant_frequency_hz: f64::from(m.peak_hz),
            spectral_entropy: f64::from(m.entropy),
            line_length_uv: f64::from(m.line_length_uv),
            aeeg_margins_uv: recording.trends.aeeg_margins_uv(),
            burst_suppression_percent: recording.trends.burst_suppression_percent(),
            asymmetry: m.asymmetry.map(f64::from),
            line_noise_ratio: f64::from(m.mains_ratio),
            artifact_share: recording.trends.artifact_share(),
            seizure_score: f64::from(recording.seizure.score()),
            seizure_burden: recording.seizure.burden(),
            seizure_for: Span((f64::from(stretch) * hop_secs * 1e6).round() as i64),
        })
    }
}

impl Recording {
    /// `None` when no channel of the block is EEG.
    fn new(block: &WaveformBlock) -> Option<Self> {
        let names: Vec<(u16, String)> = (0u16..)
            .zip(&block.channels)
            .filter_map(|(i, c)| montage::normalise(&c.label).map(|name| (i, name)))
            .take(MAX_CHANNELS)
            .collect();
        if names.is_empty() {
            return None;
        }
        let (picks, names): (Vec<u16>, Vec<String>) = names.into_iter().unzip();
        let hop = block.rate.hz().round() as usize;
        let group = Group {
            window: vec![[0.0; 4]; hop * WINDOW_HOPS],
            hops: [Hop::EMPTY; WINDOW_HOPS],
            carry: Carry::default(),
        };
        Some(Self {
            timeline: Timeline::new(block.start, block.rate),
            labels: block.channels.iter().map(|c| c.label.clone()).collect(),
            pairs: montage::pairs(&names),
            hop,
            groups: vec![group; picks.len().div_ceil(4)],
            filled: 0,
            hops_read: 0,
            position: 0,
            trends: Trends::default(),
            seizure: Seizure::new(picks.len()),
            latest: None,
            good: None,
            rows: VecDeque::new(),
            picks,
        })
    }

    fn fits(&self, block: &WaveformBlock) -> bool {
        self.timeline.rate() == block.rate
            && self.labels.len() == block.channels.len()
            && self.labels.iter().zip(&block.channels).all(|(label, c)| *label == c.label)
    }

    fn push(
        &mut self,
        block: &WaveformBlock,
        provenance: Provenance,
        counts: &mut Counts,
        rejected: &mut Rejected,
    ) {
        let placement = self.timeline.place(block.start, block.len());
        counts.overlap_samples += placement.skip as u64;
        counts.gap_samples += placement.gap;
        if placement.gap as f64 > LONGEST_FILLED_GAP * self.timeline.rate().hz() {
            self.restart(placement.gap);
        } else {
            self.take(None, 0..placement.gap as usize, provenance, rejected);
        }
        self.take(Some(block), placement.skip..block.len(), provenance, rejected);
    }

    /// Begins new windows after a long gap. The channels' backgrounds stay learned.
    fn restart(&mut self, gap: u64) {
        self.position += gap;
        self.filled = 0;
        self.hops_read = 0;
        self.trends = Trends::default();
        for group in &mut self.groups {
            group.carry = Carry::default();
        }
        let missed = gap / self.hop as u64;
        (0..missed.min(Seizure::LONGEST_MEMORY_HOPS)).for_each(|_| self.seizure.skip());
    }

    /// Takes samples of a block, or as many missing ones.
    fn take(
        &mut self,
        block: Option<&WaveformBlock>,
        mut range: std::ops::Range<usize>,
        provenance: Provenance,
        rejected: &mut Rejected,
    ) {
        let window = self.hop * WINDOW_HOPS;
        while !range.is_empty() {
            let to_hop_end = self.hop - self.filled % self.hop;
            let count = range.len().min(to_hop_end);
            for (slot, &pick) in self.picks.iter().enumerate() {
                let lanes = &mut self.groups[slot / 4].window[self.filled..self.filled + count];
                match block {
                    Some(block) => {
                        let samples =
                            &block.channels[usize::from(pick)].samples[range.start..range.start + count];
                        lanes.iter_mut().zip(samples).for_each(|(out, x)| out[slot % 4] = *x);
                    }
                    None => lanes.iter_mut().for_each(|out| out[slot % 4] = f32::NAN),
                }
            }
            range.start += count;
            self.filled += count;
            self.position += count as u64;
            if count == to_hop_end {
                self.close_hop(provenance, rejected);
            }
            if self.filled == window {
                self.groups.iter_mut().for_each(|g| g.window.copy_within(self.hop.., 0));
                self.filled -= self.hop;
            }
        }
    }

    /// Reads the second that has just become complete, and the window it ends.
    fn close_hop(&mut self, provenance: Provenance, rejected: &mut Rejected) {
        let filters = Filters::new(self.timeline.rate().hz());
        let hop_range = self.filled - self.hop..self.filled;
        for group in &mut self.groups {
            let read = hop::read(&mut group.window[hop_range.clone()], &mut group.carry, &filters);
            group.hops.rotate_left(1);
            group.hops[WINDOW_HOPS - 1] = read;
        }
        self.hops_read = (self.hops_read + 1).min(WINDOW_HOPS);
        if self.hops_read == WINDOW_HOPS {
            let samples = self.hop * WINDOW_HOPS;
            let analyzer = spectrum::analyzer(self.timeline.rate().hz(), samples);
            let window = self.analyse(&mut analyzer.borrow_mut());
            window.iter().filter_map(|c| c.artifact).for_each(|a| rejected[a as usize] += 1);
            self.close_window(&window, provenance);
        }
    }

    fn analyse(&self, analyzer: &mut Analyzer) -> Vec<ChannelWindow> {
        let samples = self.hop * WINDOW_HOPS;
        let mut window = Vec::with_capacity(self.groups.len() * 4);
        for group in &self.groups {
            let spectra = analyzer.analyse(&group.window, window::mean(&group.hops, samples));
            window.extend((0..4).map(|lane| ChannelWindow::new(&group.hops, &spectra, lane, samples)));
        }
        window.truncate(self.picks.len());
        window::judge(window)
    }

    fn close_window(&mut self, window: &[ChannelWindow], provenance: Provenance) {
        let at = self.timeline.time_of(self.position as f64);
        let good = window.iter().filter(|c| c.artifact.is_none()).count() as u16;
        self.latest = Some((at, good));
        if let Some(medians) = Medians::new(window, &self.pairs) {
            self.good = Some(Good { at, provenance, medians });
        }
        self.seizure.push(window);
        self.trends.push(self.second(window, good));
        if (self.position / self.hop as u64).is_multiple_of(ROW_HOPS) {
            if self.rows.len() == Track::Eeg.rows() + 1 {
                self.rows.pop_front();
            }
            self.rows.push_back(self.row(at, good));
        }
    }

    /// The latest window's features.
    fn row(&self, at: EventTime, good: u16) -> Row {
        let m = self.good.filter(|g| g.at == at).map(|g| g.medians);
        let log = |x: f32| x.max(1e-3).log10();
        let margins = self.trends.aeeg_margins_uv();
        let [delta, theta, alpha, beta] = m.map_or([None; 4], |m| m.relative.map(Some));
        let values = [
            m.map(|m| log(m.total_uv2)),
            delta,
            theta,
            alpha,
            beta,
            m.map(|m| m.sef95_hz),
            m.map(|m| m.peak_hz),
            m.map(|m| m.entropy),
            m.map(|m| log(m.line_length_uv)),
            m.and_then(|m| m.asymmetry),
            margins.map(|a| a.0 as f32),
            margins.map(|a| a.1 as f32),
            self.trends.burst_suppression_percent().map(|x| x as f32),
            Some(f32::from(good) / (self.picks.len().max(1) as f32)),
            Some(self.seizure.score()),
            Some(self.seizure.burden() as f32),
        ];
        Row { at, values }
    }

    fn second(&self, window: &[ChannelWindow], good: u16) -> Second {
        let channels: Vec<(&Hop, usize)> = (0..window.len())
            .filter(|&i| window[i].artifact.is_none())
            .map(|i| (&self.groups[i / 4].hops[WINDOW_HOPS - 1], i % 4))
            .collect();
        let half = |h: usize| median(channels.iter().map(|(hop, lane)| hop.envelope[h][*lane]).collect());
        let suppressed = channels.iter().map(|(hop, lane)| hop.suppressed[*lane]).sum::<f32>();
        let share = suppressed / (f32::from(good.max(1)) * self.hop as f32);
        Second {
            good: half(0).zip(half(1)).map(|(a, b)| ([a, b], share)),
            rejected: window.len() as u16 - good,
            channels: window.len() as u16,
        }
    }
}
