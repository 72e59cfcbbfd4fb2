//! Finding beats, one sample at a time, at any rate.
//!
//! ECG: Pan and Tompkins (1985): 5-15 Hz band, slope, square, 150 ms moving sum. Pulse waves
//! (pleth, arterial): the slope-sum function of Zong et al. (2003), the rise within 128 ms. Both
//! give an energy whose peaks are beats when they stand above an adaptive threshold between the
//! running signal and noise levels; a refractory time, a check against T waves (ECG) and a search
//! back after 1.66 mean intervals complete it. The beat's own time is read off the band-passed QRS or
//! the steepest rise, between samples by a parabola, so that intervals are finer than the rate.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::filter::{Section, SlidingSum};

/// Learning of the levels after a start, seconds.
const LEARN_SECS: f64 = 2.0;
/// Threshold between noise and signal level.
const THRESHOLD: f64 = 0.3;
/// A beat is sought back when none came for this many mean intervals (Pan-Tompkins).
const SEARCH_BACK: f64 = 1.66;
/// Without a beat for this long the signal level halves, every half-second.
const DECAY_AFTER_SECS: f64 = 2.0;
/// The beat's own time is sought this far before the peak of its energy, seconds.
const LOOK_BACK_SECS: f64 = 0.2;

/// What kind of wave beats are sought in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Wave {
    Qrs,
    Pulse,
}

impl Wave {
    fn refractory_secs(self) -> f64 {
        match self {
            Wave::Qrs => 0.2,
            Wave::Pulse => 0.27,
        }
    }

    /// Delay of the filters at the frequencies of the wave, seconds.
    fn delay_secs(self) -> f64 {
        match self {
            Wave::Qrs => 0.02,
            Wave::Pulse => 0.014,
        }
    }
}

/// A detector's memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Detector {
    wave: Wave,
    rate_hz: f64,
    high: Section,
    low: Section,
    sum: SlidingSum,
    last_filtered: Option<f64>,
    /// The latest values of the signal that times a beat (band-passed QRS, or slope).
    timing: VecDeque<f32>,
    /// Samples until the levels are learned, and the largest energy seen meanwhile.
    learning: u32,
    learned_max: f64,
    signal: f64,
    noise: f64,
    rising: Rising,
    /// Largest peak refused since the last beat.
    refused: Option<Peak>,
    last: Option<Peak>,
    mean_interval: Option<f64>,
    /// Mean sizes of the positive and negative deflection of a QRS.
    deflection: [f64; 2],
    next_decay: u64,
}

/// A peak of energy with the time it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Peak {
    energy: f64,
    at: u64,
    beat: f64,
}

/// The climb to the next peak.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Rising {
    /// Falling; the lowest energy so far.
    No(f64),
    /// Climbing; the highest energy so far and its sample.
    Yes(f64, u64),
}

impl Detector {
    pub(super) fn new(wave: Wave, rate_hz: f64) -> Self {
        let (low_hz, sum_secs) = match wave {
            Wave::Qrs => (15.0, 0.15),
            Wave::Pulse => (16.0, 0.128),
        };
        Self {
            wave,
            rate_hz,
            high: Section::high_pass(5.0, rate_hz),
            low: Section::low_pass(low_hz, rate_hz),
            sum: SlidingSum::new((sum_secs * rate_hz).round() as usize),
            last_filtered: None,
            timing: VecDeque::new(),
            learning: (LEARN_SECS * rate_hz) as u32,
            learned_max: 0.0,
            signal: 0.0,
            noise: 0.0,
            rising: Rising::No(0.0),
            refused: None,
            last: None,
            mean_interval: None,
            deflection: [0.0; 2],
            next_decay: 0,
        }
    }

    /// Forgets the waveform (not the levels) after samples were missing.
    pub(super) fn interrupt(&mut self) {
        self.high.reset();
        self.low.reset();
        self.sum.reset();
        self.last_filtered = None;
        self.timing.clear();
        self.rising = Rising::No(0.0);
        self.refused = None;
        self.last = None;
    }

    /// Takes sample number `at`; the (fractional) sample number of a beat when one is found, at most
    /// a few seconds later, in order.
    pub(super) fn push(&mut self, x: f64, at: u64) -> Option<f64> {
        let energy = self.energy(x);
        if self.learning > 0 {
            self.learning -= 1;
            self.learned_max = self.learned_max.max(energy);
            if self.learning == 0 {
                self.signal = self.learned_max * 0.6;
                self.noise = self.learned_max * 0.05;
            }
            return None;
        }
        let peak = self.peak(energy, at);
        if let Some(beat) = peak.and_then(|p| self.judge(p)) {
            return Some(beat);
        }
        self.search_back(at)
    }

    fn energy(&mut self, x: f64) -> f64 {
        let filtered = match self.wave {
            Wave::Qrs => self.low.step(self.high.step(x)),
            Wave::Pulse => self.low.step(x),
        };
        // The first sample sets the level: a filter started at zero would see a step.
        let slope = self.last_filtered.map_or(0.0, |last| (filtered - last) * self.rate_hz);
        self.last_filtered = Some(filtered);
        let (timing, power) = match self.wave {
            Wave::Qrs => (filtered, slope * slope),
            Wave::Pulse => (slope, slope.max(0.0)),
        };
        if self.timing.len() > (LOOK_BACK_SECS * 2.0 * self.rate_hz) as usize {
            self.timing.pop_front();
        }
        self.timing.push_back(timing as f32);
        self.sum.push(power)
    }

    /// Follows the energy; a peak when it has fallen to half or stood still for 150 ms.
    fn peak(&mut self, energy: f64, at: u64) -> Option<Peak> {
        match self.rising {
            Rising::No(floor) if energy > floor * 1.2 + self.noise * 0.1 => {
                self.rising = Rising::Yes(energy, at);
                None
            }
            Rising::No(floor) => {
                self.rising = Rising::No(floor.min(energy));
                None
            }
            Rising::Yes(top, _) if energy > top => {
                self.rising = Rising::Yes(energy, at);
                None
            }
            Rising::Yes(top, since) => {
                let stood = (at - since) as f64 > 0.15 * self.rate_hz;
                if energy > top * 0.5 && !stood {
                    return None;
                }
                self.rising = Rising::No(energy);
                Some(Peak { energy: top, at: since, beat: self.beat_time(since, at) })
            }
        }
    }

    /// The extreme of the timing signal before the energy's peak at `peak`; `now` is the newest sample.
    fn beat_time(&mut self, peak: u64, now: u64) -> f64 {
        let newest = self.timing.len() - 1;
        let end = newest.saturating_sub((now - peak) as usize);
        let begin = end.saturating_sub((LOOK_BACK_SECS * self.rate_hz) as usize);
        let extreme = |sign: f32| {
            (begin..=end)
                .map(|i| (i, self.timing[i] * sign))
                .max_by(|a, b| a.1.total_cmp(&b.1))
                .unwrap_or((end, 0.0))
        };
        let (up, down) = (extreme(1.0), extreme(-1.0));
        let is_up = self.wave == Wave::Pulse
            || self.deflection[0] + f64::from(up.1) >= self.deflection[1] + f64::from(down.1);
        let (i, sign) = if is_up { (up.0, 1.0) } else { (down.0, -1.0) };
        let y = |i: usize| f64::from(self.timing.get(i).copied().unwrap_or(0.0) * sign);
        let (before, top, after) = (y(i.saturating_sub(1)), y(i), y((i + 1).min(newest)));
        let bend = before - 2.0 * top + after;
        let part = if bend < 0.0 { (0.5 * (before - after) / bend).clamp(-0.5, 0.5) } else { 0.0 };
        for (mean, new) in self.deflection.iter_mut().zip([up.1, down.1]) {
            // Ten times the latest beat: the polarity changes only when several beats say so.
            *mean += (f64::from(new) * 10.0 - *mean) * 0.125;
        }
        now as f64 - (newest - i) as f64 + part - self.wave.delay_secs() * self.rate_hz
    }

    fn threshold(&self) -> f64 {
        self.noise + THRESHOLD * (self.signal - self.noise)
    }

    fn judge(&mut self, peak: Peak) -> Option<f64> {
        let since_last = self.last.map(|last| (peak.at.saturating_sub(last.at)) as f64 / self.rate_hz);
        if since_last.is_some_and(|s| s < self.wave.refractory_secs()) {
            return None;
        }
        let is_t_wave = self.wave == Wave::Qrs
            && since_last.is_some_and(|s| s < 0.36)
            && self.last.is_some_and(|last| peak.energy < 0.25 * last.energy);
        if peak.energy > self.threshold() && !is_t_wave {
            return self.accept(peak, 0.125);
        }
        self.noise += (peak.energy.min(self.signal) - self.noise) * 0.125;
        if !is_t_wave && self.refused.is_none_or(|r| peak.energy > r.energy) {
            self.refused = Some(peak);
        }
        None
    }

    fn search_back(&mut self, at: u64) -> Option<f64> {
        let last = self.last.map_or(0, |l| l.at);
        let silent = at.saturating_sub(last) as f64 / self.rate_hz;
        if let (Some(peak), Some(mean)) = (self.refused, self.mean_interval)
            && silent > SEARCH_BACK * mean
            && peak.energy > 0.5 * self.threshold()
        {
            return self.accept(peak, 0.25);
        }
        if silent > DECAY_AFTER_SECS && at >= self.next_decay {
            self.next_decay = at + (0.5 * self.rate_hz) as u64;
            self.signal *= 0.5;
            self.noise *= 0.7;
        }
        None
    }

    fn accept(&mut self, peak: Peak, weight: f64) -> Option<f64> {
        // An artifact many times the size must not deafen the detector.
        self.signal += (peak.energy.min(3.0 * self.signal) - self.signal) * weight;
        if let Some(last) = self.last {
            let interval = (peak.beat - last.beat) / self.rate_hz;
            if interval <= 0.0 {
                return None;
            }
            if interval < 2.0 {
                self.mean_interval =
                    Some(self.mean_interval.map_or(interval, |mean| mean + (interval - mean) * 0.125));
            }
        }
        self.last = Some(peak);
        self.refused = None;
        Some(peak.beat)
    }
}
