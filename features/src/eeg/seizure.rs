//! How seizure-like the EEG is, second by second.
//!
//! An electrographic seizure is a rhythm faster than 2.5 Hz for at least ten seconds, or one that
//! evolves (ACNS critical-care terminology, Hirsch et al. 2021). A channel scores by two things at
//! once: how far its amplitude stands above the channel's own background (power and line length,
//! Esteller 2001), and how much of its .5-30 Hz power lies in one rhythm of 2.5-15 Hz with its
//! harmonics (after Gotman 1982). The window's score is the mean of its most seizure-like channels,
//! at least two and a fifth of the good ones, so that one bad electrode cannot raise it.
//!
//! The background is learned only from windows that are not seizure-like, and starts from a
//! population value, so that a recording that begins in a seizure is not taken for normal. Periodic
//! discharges of high amplitude may score as well: this is a detector of rhythm, not a reader of EEG.
//!
//! On 16 real segments of 50 s (IIIC, Jing et al. 2023) the mean score of the labelled ten seconds was
//! 1.00 and .61 in the two seizures, and 0 to .21 in the fourteen others (periodic discharges,
//! rhythmic delta, other); one generalised rhythmic delta held a seizure-like stretch of 8 s. That is
//! too little to fix an operating point, and says nothing of false alarms an hour. Low-amplitude
//! seizures, and those slower than 2.5 Hz, are missed by construction.
//!
//! Burden is the share of seizure-like 10 s epochs in five minutes (clinical.md).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::window::ChannelWindow;

/// Score from which a window is seizure-like, and down to which a stretch goes on.
const ON: f32 = 0.5;
const STAY: f32 = 0.35;
/// Windows below `STAY` (or without a good channel) that a stretch may contain.
const GRACE_HOPS: u32 = 3;
/// The first seizure-like window holds about this much of the rhythm already, seconds.
const CREDIT_SECS: u32 = 2;
const EPOCH_HOPS: u32 = 10;
/// Seizure-like windows that make an epoch seizure-like.
const EPOCH_NEEDS: u32 = 5;
const BURDEN_EPOCHS: usize = 30;
/// Background rms before anything is learned, and the bounds of what may be learned, uV.
const PRIOR_RMS_UV: f32 = 18.0;
const RMS_BOUNDS_UV: (f32, f32) = (6.0, 45.0);
/// Weight of the prior and the longest memory of the background, windows.
const PRIOR_HOPS: f32 = 30.0;
const MEMORY_HOPS: f32 = 180.0;
/// Amplitude over background (in octaves) that scores 0 and 1.
const GAIN: (f32, f32) = (0.6, 1.3);
/// Share of power in the rhythm that scores 0 and 1.
const RHYTHM: (f32, f32) = (0.35, 0.65);

/// The seizure state of one recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Seizure {
    /// Log2 of each channel's background rms in uV.
    background: Vec<f32>,
    learned: f32,
    score: f32,
    stretch: Option<Stretch>,
    epoch: Epoch,
    epochs: VecDeque<bool>,
}

/// A running seizure-like stretch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Stretch {
    /// Hops from its first window to its latest seizure-like one.
    hops: u32,
    /// Hops since then.
    silent: u32,
}

/// The epoch being filled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Epoch {
    hops: u32,
    seizure_like: u32,
}

impl Seizure {
    /// After this many hops nothing of the past is left.
    pub(super) const LONGEST_MEMORY_HOPS: u64 = EPOCH_HOPS as u64 * BURDEN_EPOCHS as u64;

    pub(super) fn new(channels: usize) -> Self {
        Self {
            background: vec![PRIOR_RMS_UV.log2(); channels],
            learned: PRIOR_HOPS,
            score: 0.0,
            stretch: None,
            epoch: Epoch::default(),
            epochs: VecDeque::new(),
        }
    }

    /// Takes a window of all channels.
    pub(super) fn push(&mut self, window: &[ChannelWindow]) {
        let scores: Vec<Option<f32>> = window
            .iter()
            .zip(&self.background)
            .map(|(c, base)| c.artifact.is_none().then(|| channel_score(c, *base)))
            .collect();
        let score = joint_score(scores.iter().flatten().copied().collect());
        self.score = score.unwrap_or(0.0);
        if self.score < STAY {
            self.learn(window, &scores);
        }
        self.advance(score);
    }

    /// Takes the passing of a hop without a window.
    pub(super) fn skip(&mut self) {
        self.score = 0.0;
        self.advance(None);
    }

    fn advance(&mut self, score: Option<f32>) {
        let score = score.unwrap_or(0.0);
        self.stretch = match self.stretch {
            None if score >= ON => Some(Stretch { hops: CREDIT_SECS, silent: 0 }),
            None => None,
            Some(s) if score >= STAY => Some(Stretch { hops: s.hops + s.silent + 1, silent: 0 }),
            Some(s) if s.silent < GRACE_HOPS => Some(Stretch { silent: s.silent + 1, ..s }),
            Some(_) => None,
        };
        self.epoch.hops += 1;
        self.epoch.seizure_like += u32::from(score >= ON);
        if self.epoch.hops == EPOCH_HOPS {
            if self.epochs.len() == BURDEN_EPOCHS {
                self.epochs.pop_front();
            }
            self.epochs.push_back(self.epoch.seizure_like >= EPOCH_NEEDS);
            self.epoch = Epoch::default();
        }
    }

    fn learn(&mut self, window: &[ChannelWindow], scores: &[Option<f32>]) {
        self.learned = (self.learned + 1.0).min(MEMORY_HOPS);
        let bounds = (RMS_BOUNDS_UV.0.log2(), RMS_BOUNDS_UV.1.log2());
        for ((channel, base), score) in window.iter().zip(&mut self.background).zip(scores) {
            if score.is_some_and(|s| s < STAY) {
                let rms = (0.5 * channel.total_uv2.max(1e-6).log2()).clamp(bounds.0, bounds.1);
                *base += (rms - *base) / self.learned;
            }
        }
    }

    pub(super) fn score(&self) -> f32 {
        self.score
    }

    /// Share of the last five minutes in seizure-like epochs; unseen time counts as not.
    pub(super) fn burden(&self) -> f64 {
        self.epochs.iter().filter(|e| **e).count() as f64 / BURDEN_EPOCHS as f64
    }

    /// Hops that the present stretch has lasted.
    pub(super) fn stretch_hops(&self) -> u32 {
        self.stretch.map_or(0, |s| s.hops)
    }
}

/// 0 at `from`, 1 at `to`, smooth between.
fn smooth(x: f32, (from, to): (f32, f32)) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

fn channel_score(channel: &ChannelWindow, background: f32) -> f32 {
    if channel.total_uv2 <= 0.0 {
        return 0.0;
    }
    let gain = 0.5 * channel.total_uv2.log2() - background;
    smooth(gain, GAIN) * smooth(channel.rhythm_uv2 / channel.total_uv2, RHYTHM)
}

/// The mean of the highest scores; `None` without any.
fn joint_score(mut scores: Vec<f32>) -> Option<f32> {
    if scores.is_empty() {
        return None;
    }
    let used = scores.len().div_ceil(5).max(2);
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    Some(scores.iter().take(used).sum::<f32>() / used as f32)
}
