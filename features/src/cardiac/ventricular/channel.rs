//! One channel of ECG or pulse: its beats, which of them are usual, and the line itself for a while.

use std::collections::VecDeque;

use bedwatch_schemas::event::Modality;
use serde::{Deserialize, Serialize};

use super::{
    WINDOW_SECS,
    usual::{BEAT_POINTS, Likeness, POINTS, SHIFT, Usual},
};
use crate::cardiac::{
    BRIDGED_SECS,
    beat::{Detector, Wave},
    filter::Section,
    quality::Line,
};

/// The line is kept at this rate at least: twice what the low-pass leaves, and more.
const KEPT_HZ: f64 = 100.0;
/// Beats are found at most a few seconds late, so the line reaches further back than the window.
const KEPT_SECS: f64 = WINDOW_SECS as f64 + 6.0;
/// Intervals whose median is the usual one.
const INTERVALS: usize = 60;
/// How far a usual pulse's interval is from the usual one at most: a run's pulses come early or not at
/// all, breathing moves them by less.
const INTERVAL_TOLERANCE: f64 = 0.25;

/// What is looked at of a wave.
struct Look {
    high_hz: f64,
    low_hz: f64,
    before_secs: f64,
    after_secs: f64,
    likeness: Likeness,
}

/// A QRS with its ST segment; a whole pulse. Pulses shrink during a run well before their shape is lost,
/// so their size counts more.
fn look(wave: Wave) -> Look {
    match wave {
        Wave::Qrs => Look {
            high_hz: 1.0,
            low_hz: 25.0,
            before_secs: 0.12,
            after_secs: 0.28,
            likeness: Likeness { least_correlation: 0.9, size_ratio: 1.8 },
        },
        Wave::Pulse => Look {
            high_hz: 0.3,
            low_hz: 12.0,
            before_secs: 0.15,
            after_secs: 0.45,
            likeness: Likeness { least_correlation: 0.9, size_ratio: 1.3 },
        },
    }
}

/// A channel followed at one rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Channel {
    modality: Modality,
    wave: Wave,
    rate_hz: f64,
    position: u64,
    /// The first sample since a long gap.
    since: u64,
    detector: Detector,
    high: Section,
    low: Section,
    quality: Line,
    /// Every `step`-th filtered sample, the newest last.
    line: VecDeque<f32>,
    step: u64,
    held: f32,
    missing_run: u64,
    is_broken: bool,
    /// Beats found whose shape is not yet complete, by sample number.
    pending: VecDeque<f64>,
    usual: Usual,
    intervals_secs: VecDeque<f64>,
    last_beat: Option<f64>,
    /// Usual beats, by sample number.
    usual_beats: VecDeque<f64>,
}

/// A stretch without a usual beat, in samples of the channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Interruption {
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Channel {
    pub(super) fn new(modality: Modality, rate_hz: f64) -> Self {
        let wave = if modality == Modality::Ecg { Wave::Qrs } else { Wave::Pulse };
        let look = look(wave);
        Self {
            modality,
            wave,
            rate_hz,
            position: 0,
            since: 0,
            detector: Detector::new(wave, rate_hz),
            high: Section::high_pass(look.high_hz, rate_hz),
            low: Section::low_pass(look.low_hz, rate_hz),
            quality: Line::new(rate_hz, WINDOW_SECS),
            line: VecDeque::new(),
            step: ((rate_hz / KEPT_HZ) as u64).max(1),
            held: 0.0,
            missing_run: 0,
            is_broken: false,
            pending: VecDeque::new(),
            usual: Usual::new(look.likeness),
            intervals_secs: VecDeque::new(),
            last_beat: None,
            usual_beats: VecDeque::new(),
        }
    }

    /// Takes a sample; `NaN` where one is missing.
    pub(super) fn take(&mut self, x: f32) {
        let at = self.position;
        let is_missing = !x.is_finite();
        self.missing_run = if is_missing { self.missing_run + 1 } else { 0 };
        if !is_missing {
            self.held = x;
            self.is_broken = false;
            self.quality.push(x, at);
        } else if self.missing_run as f64 > BRIDGED_SECS * self.rate_hz && !self.is_broken {
            self.interrupt();
        }
        let held = f64::from(self.held);
        let filtered = self.low.step(self.high.step(held));
        if at.is_multiple_of(self.step) {
            if self.line.len() == (KEPT_SECS * self.rate_hz) as usize / self.step as usize {
                self.line.pop_front();
            }
            self.line.push_back(filtered as f32);
        }
        self.position += 1;
        if !self.is_broken
            && let Some(beat) = self.detector.push(held, at)
        {
            self.pending.push_back(beat);
        }
        self.complete();
    }

    /// Leaps over a long gap: what is usual stays known.
    pub(super) fn jump(&mut self, gap: u64) {
        self.interrupt();
        self.position += gap;
        self.since = self.position;
        self.line.clear();
        self.pending.clear();
        self.usual_beats.clear();
        self.high.reset();
        self.low.reset();
    }

    fn interrupt(&mut self) {
        self.is_broken = true;
        self.detector.interrupt();
        self.last_beat = None;
    }

    /// Judges beats whose shape has come in.
    fn complete(&mut self) {
        let Look { before_secs, after_secs, .. } = look(self.wave);
        let point_secs = (before_secs + after_secs) / (POINTS - 1) as f64;
        let shift_secs = point_secs * SHIFT as f64;
        let until = (after_secs + shift_secs) * self.rate_hz + 2.0 * self.step as f64;
        while let Some(beat) = self.pending.front().copied().filter(|b| self.position as f64 >= b + until) {
            self.pending.pop_front();
            let interval_secs = self.last_beat.map(|last| (beat - last) / self.rate_hz);
            self.last_beat = Some(beat);
            let is_in_time = self.wave == Wave::Qrs || self.is_in_time(interval_secs);
            let from = beat - (before_secs + shift_secs) * self.rate_hz;
            let shape = self.shape(from, point_secs * self.rate_hz);
            if shape.is_some_and(|shape| self.usual.take(&shape)) && is_in_time {
                self.usual_beats.push_back(beat);
            }
            self.learn_interval(interval_secs);
        }
        let oldest = self.position as f64 - KEPT_SECS * self.rate_hz;
        while self.usual_beats.front().is_some_and(|beat| *beat < oldest) {
            self.usual_beats.pop_front();
        }
    }

    fn is_in_time(&self, interval_secs: Option<f64>) -> bool {
        let mut intervals: Vec<f64> = self.intervals_secs.iter().copied().collect();
        intervals.sort_unstable_by(f64::total_cmp);
        let usual = intervals.get(intervals.len() / 2);
        usual.zip(interval_secs).is_some_and(|(usual, i)| (i / usual - 1.0).abs() <= INTERVAL_TOLERANCE)
    }

    fn learn_interval(&mut self, interval_secs: Option<f64>) {
        if self.intervals_secs.len() == INTERVALS {
            self.intervals_secs.pop_front();
        }
        self.intervals_secs.extend(interval_secs);
    }

    /// The number of the oldest sample in the line.
    fn line_from(&self) -> f64 {
        let newest = self.position.saturating_sub(1) / self.step * self.step;
        newest as f64 - (self.line.len().saturating_sub(1) as u64 * self.step) as f64
    }

    /// A beat's points from sample `from` on, `apart` samples apart; `None` where the line is gone.
    fn shape(&self, from: f64, apart: f64) -> Option<[f32; BEAT_POINTS]> {
        let begin = (from - self.line_from()) / self.step as f64;
        let apart = apart / self.step as f64;
        let end = begin + apart * (BEAT_POINTS - 1) as f64;
        if begin < 0.0 || end + 1.0 >= self.line.len() as f64 {
            return None;
        }
        Some(std::array::from_fn(|i| {
            let place = begin + apart * i as f64;
            let (below, part) = (place as usize, place.fract() as f32);
            self.line[below] * (1.0 - part) + self.line[below + 1] * part
        }))
    }

    fn window_from(&self) -> f64 {
        self.position as f64 - WINDOW_SECS as f64 * self.rate_hz
    }

    /// Whether the window before the newest sample holds a line at all.
    pub(super) fn is_usable(&self) -> bool {
        self.window_from() >= self.since as f64 && self.quality.is_usable(self.modality, self.position)
    }

    /// The longest stretch of the window without a usual beat; the first of several.
    pub(super) fn interruption(&self) -> Interruption {
        let (from, now) = (self.window_from(), self.position as f64);
        let mut longest = Interruption { from, to: from };
        let mut last = from;
        for beat in self.usual_beats.iter().copied().filter(|b| *b > from).chain([now]) {
            if beat - last > longest.to - longest.from {
                longest = Interruption { from: last, to: beat };
            }
            last = beat;
        }
        longest
    }

    pub(super) fn secs(&self, interruption: Interruption) -> f64 {
        (interruption.to - interruption.from) / self.rate_hz
    }

    /// The filtered line between two samples, and its rate.
    pub(super) fn line(&self, from: f64, to: f64) -> (Vec<f32>, f64) {
        let place = |sample: f64| {
            let place = (sample - self.line_from()) / self.step as f64;
            (place.max(0.0) as usize).min(self.line.len())
        };
        let (from, to) = (place(from), place(to));
        (self.line.range(from..to.max(from)).copied().collect(), self.rate_hz / self.step as f64)
    }

    pub(super) fn rate_hz(&self) -> f64 {
        self.rate_hz
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }
}
