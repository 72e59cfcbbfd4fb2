//! Whether a run of ventricular tachycardia is supported by what ECG, arterial pressure and pleth show.
//!
//! Monitors call a run too often: movement, loose electrodes and paced beats look like one to a single
//! lead. Here every lead and every pulse is asked. [`channel`] learns which beats are usual in it and
//! finds the longest stretch without them; [`rhythm`] asks whether the ECG of that stretch repeats itself
//! as a run does; [`rule`] holds both against bounds. Cross-checks of this kind did best in the challenge
//! of 2015 (Plesinger et al., CinC 2015:281; Fallet et al., CinC 2015:277; Kalidas & Tamil, CinC 2015:733;
//! of pulses: Zong, CinC 2015:289; overview: Clifford et al., CinC 2015:273, Physiol Meas 2016;37:E5).
//!
//! What it says is an annotation. It is learned from one set of alarms, a run that goes on for half a minute
//! becomes usual to it, and nothing that a monitor sounds is to be withheld for it.

use bedwatch_schemas::{
    event::Modality,
    time::{EventTime, Span},
    waveform::{WaveformBlock, WaveformKind},
};
use serde::{Deserialize, Serialize};

use self::channel::Channel;
use super::RATE_HZ;
use crate::timeline::Timeline;

mod channel;
mod rhythm;
mod rule;
mod usual;

#[cfg(test)]
mod tests;

pub use crate::timeline::Counts;
pub use rule::{BOUNDS, Bounds, Support};

/// What is looked at before a moment, seconds: an alarm may come up to ten seconds after its run began
/// (ANSI/AAMI EC13, and the challenge's rule), and a run of five at 100/min with its pause takes four.
pub const WINDOW_SECS: usize = 14;
/// Channels that end so long before a moment say nothing of it.
const STALE_AFTER: Span = Span::secs(2);
/// Gaps up to this are missing samples, longer ones a new beginning.
const LONGEST_GAP_SECS: f64 = 5.0;
/// Feeds of one modality followed at a time: a bed may have several devices, and a broken one any number of
/// rates.
const MAX_FEEDS: usize = 4;
/// What is left out of a stretch at both ends: the QRS of the usual beats around it, seconds.
const MARGIN_SECS: f64 = 0.1;

/// What the last [`WINDOW_SECS`] before a moment showed. `None` where no usable channel was there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// ECG leads with a usable line.
    pub ecg_leads: usize,
    /// Pulse channels (arterial pressure, pleth) with a usable line.
    pub pulses: usize,
    /// The longest stretch without a usual beat, seconds, in the ECG lead in which it is shortest.
    pub ecg_interruption_secs: Option<f64>,
    /// The same of pulses: a usual pulse also comes in time.
    pub pulse_interruption_secs: Option<f64>,
    /// Greatest autocorrelation of the ECG in that stretch at 100 to 250/min, mean over the leads.
    pub rhythm: Option<f64>,
    /// The rate it repeats itself at, /min.
    pub rhythm_per_min: Option<f64>,
}

/// ECG and pulses of one patient, followed sample by sample. Depends on sample numbers only, not on how
/// the stream is cut into blocks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ventricular {
    /// In the order of modalities. Of one there may be several: leads of two devices, at two rates.
    feeds: Vec<(Modality, Feed)>,
    counts: Counts,
}

/// The channels of one kind of block: of one modality, rate and set of labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Feed {
    timeline: Timeline,
    labels: Vec<String>,
    channels: Vec<Channel>,
}

impl Ventricular {
    /// No signal yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What could not be used.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes a block of ECG, arterial pressure or pleth, in the order of time; others are refused.
    pub fn push(&mut self, block: &WaveformBlock) {
        let is_followed = matches!(block.kind, WaveformKind::Ecg | WaveformKind::Abp | WaveformKind::Pleth);
        if !is_followed || block.is_empty() || !RATE_HZ.contains(&block.rate.hz()) {
            self.counts.refused_blocks += 1;
            return;
        }
        let modality = block.kind.modality();
        let fits = |(of, feed): &(Modality, Feed)| *of == modality && feed.fits(block);
        let i = self.feeds.iter().position(fits).unwrap_or_else(|| self.begin(modality, block));
        self.feeds[i].1.push(block, &mut self.counts);
    }

    /// A new feed and its place. It takes that of feeds of its modality which ended long before, and where
    /// there are too many of the one that ended first.
    fn begin(&mut self, modality: Modality, block: &WaveformBlock) -> usize {
        let before = self.feeds.len();
        let has_ended = |feed: &Feed| block.start.since(feed.end()).as_secs_f64() > LONGEST_GAP_SECS;
        self.feeds.retain(|(of, feed)| *of != modality || !has_ended(feed));
        let own = || self.feeds.iter().enumerate().filter(|(_, (of, _))| *of == modality);
        if own().count() >= MAX_FEEDS {
            let first = own().min_by_key(|(_, (_, feed))| feed.end()).map(|(i, _)| i);
            if let Some(i) = first {
                self.feeds.remove(i);
            }
        }
        self.counts.resets += (before - self.feeds.len()) as u64;
        let place = self.feeds.partition_point(|(of, _)| *of <= modality);
        self.feeds.insert(place, (modality, Feed::new(block)));
        place
    }

    /// What the window before `at` showed, of channels that reach up to it.
    #[must_use]
    pub fn evidence(&self, at: EventTime) -> Evidence {
        // Each with the place of its feed.
        let usable = |is_ecg: bool| -> Vec<(usize, &Channel)> {
            let feeds = self.feeds.iter().enumerate().filter(move |(_, (m, feed))| {
                (*m == Modality::Ecg) == is_ecg && at.since(feed.end()) <= STALE_AFTER
            });
            let channels = feeds.flat_map(|(i, (_, feed))| feed.channels.iter().map(move |c| (i, c)));
            channels.filter(|(_, c)| c.is_usable()).collect()
        };
        let (leads, pulses) = (usable(true), usable(false));
        let shortest = |channels: &[(usize, &Channel)]| {
            let of = channels.iter().map(|(i, c)| (*i, c.interruption(), c.secs(c.interruption())));
            of.min_by(|a, b| a.2.total_cmp(&b.2))
        };
        let ecg = shortest(&leads);
        let rhythm = ecg.and_then(|(feed, stretch, _)| {
            // Leads of one block are in step: a sample number is the same moment in each, but not in those of
            // another feed.
            let leads: Vec<&Channel> = leads.iter().filter(|(i, _)| *i == feed).map(|(_, c)| *c).collect();
            let margin = MARGIN_SECS * leads.first()?.rate_hz();
            let lines: Vec<(Vec<f32>, f64)> =
                leads.iter().map(|lead| lead.line(stretch.from + margin, stretch.to - margin)).collect();
            let rate_hz = lines.first()?.1;
            rhythm::of(&lines.into_iter().map(|line| line.0).collect::<Vec<_>>(), rate_hz)
        });
        Evidence {
            ecg_leads: leads.len(),
            pulses: pulses.len(),
            ecg_interruption_secs: ecg.map(|e| e.2),
            pulse_interruption_secs: shortest(&pulses).map(|p| p.2),
            rhythm: rhythm.map(|r| r.strength),
            rhythm_per_min: rhythm.map(|r| r.rate_per_min),
        }
    }

    /// Takes over what a record that was the same person has and this one has not.
    pub fn absorb(&mut self, other: Self) {
        let own: Vec<Modality> = self.feeds.iter().map(|feed| feed.0).collect();
        self.feeds.extend(other.feeds.into_iter().filter(|feed| !own.contains(&feed.0)));
        self.feeds.sort_by_key(|feed| feed.0);
    }
}

impl Feed {
    fn new(block: &WaveformBlock) -> Self {
        let channel = |_| Channel::new(block.kind.modality(), block.rate.hz());
        Self {
            timeline: Timeline::new(block.start, block.rate),
            labels: block.channels.iter().map(|c| c.label.clone()).collect(),
            channels: block.channels.iter().map(channel).collect(),
        }
    }

    fn fits(&self, block: &WaveformBlock) -> bool {
        self.timeline.rate() == block.rate
            && self.labels.len() == block.channels.len()
            && self.labels.iter().zip(&block.channels).all(|(label, c)| *label == c.label)
    }

    fn push(&mut self, block: &WaveformBlock, counts: &mut Counts) {
        let placement = self.timeline.place(block.start, block.len());
        counts.overlap_samples += placement.skip as u64;
        counts.gap_samples += placement.gap;
        let is_long = placement.gap as f64 > LONGEST_GAP_SECS * self.timeline.rate().hz();
        for (channel, samples) in self.channels.iter_mut().zip(&block.channels) {
            if is_long {
                channel.jump(placement.gap);
            } else {
                (0..placement.gap).for_each(|_| channel.take(f32::NAN));
            }
            samples.samples[placement.skip..].iter().for_each(|x| channel.take(*x));
        }
    }

    /// The time just after the newest sample.
    fn end(&self) -> EventTime {
        let position = self.channels.first().map_or(0, Channel::position);
        self.timeline.time_of(position as f64)
    }
}
