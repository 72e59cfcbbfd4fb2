//! ECG, pleth and arterial pressure from one sequence of heart beats.
//!
//! The ECG is a sum of Gaussian bumps P-Q-R-S-T around each R peak (after McSharry et al., IEEE Trans
//! Biomed Eng 50:289, 2003); the pulse reaches the arterial line 0.16 s and the finger 0.24 s after the R
//! peak. Breathing modulates intervals, pressure and baseline.

use std::collections::VecDeque;

use bedwatch_schemas::waveform::{Channel, WaveformKind};
use rand_chacha::ChaCha8Rng;

use super::{
    monitor::Disturbance,
    physiology::Physiology,
    rng::{Concern, normal, stream},
};

/// Samples per second of each waveform.
pub(crate) const fn rate_hz(kind: WaveformKind) -> usize {
    match kind {
        WaveformKind::Ecg => 250,
        _ => 125,
    }
}

/// Height in mV, centre and width in seconds of each wave of lead II, for a beat of one second.
const WAVES: [(f64, f64, f64); 5] = [
    (0.12, -0.17, 0.024),
    (-0.11, -0.035, 0.010),
    (1.05, 0.0, 0.011),
    (-0.22, 0.032, 0.012),
    (0.28, 0.27, 0.045),
];

#[derive(Debug, Clone, Copy)]
struct Beat {
    at: f64,
    rr: f64,
    systolic: f64,
    diastolic: f64,
}

/// The beats of a stay, made as far as they were asked for.
#[derive(Debug, Clone)]
pub(crate) struct Beats {
    rng: ChaCha8Rng,
    beats: VecDeque<Beat>,
    next: f64,
    /// Breaths since the start, at the start of the block.
    breath: f64,
}

impl Beats {
    pub(crate) fn new(key: (u64, u64, u64), from: f64) -> Self {
        let (seed, bed, stay) = key;
        Self {
            rng: stream(seed, bed, stay, Concern::Beats),
            beats: VecDeque::with_capacity(16),
            next: from - 2.0,
            breath: 0.0,
        }
    }

    /// The waveforms of the second that begins at `t`, in the order ECG, pleth, pressure; a kind is
    /// absent where no sensor delivers it.
    pub(crate) fn second(
        &mut self,
        body: &mut Physiology,
        t: f64,
        disturbed: Disturbance,
    ) -> Vec<(WaveformKind, Channel)> {
        let v = body.vitals(t);
        self.make_beats(body, t + 1.5);
        let breath_rate = v.resp_rate / 60.0;
        let breath = |x: f64, start: f64| (std::f64::consts::TAU * (start + breath_rate * (x - t))).sin();
        let start = self.breath;
        let mut blocks = Vec::with_capacity(3);
        let mut kinds = vec![WaveformKind::Ecg, WaveformKind::Pleth];
        if body.person.arterial_line {
            kinds.push(WaveformKind::Abp);
        }
        for kind in kinds {
            let n = rate_hz(kind);
            let perfusion = ((v.systolic - v.diastolic) / 45.0).clamp(0.15, 1.2);
            let mut samples = Vec::with_capacity(n);
            for i in 0..n {
                let x = t + i as f64 / n as f64;
                samples.push(self.sample(kind, x, breath(x, start), perfusion, disturbed) as f32);
            }
            let label = match kind {
                WaveformKind::Ecg => "II",
                WaveformKind::Pleth => "PLETH",
                _ => "ABP",
            };
            blocks.push((kind, Channel { label: label.to_owned(), samples }));
        }
        self.breath = (self.breath + breath_rate).fract();
        blocks
    }

    fn make_beats(&mut self, body: &mut Physiology, until: f64) {
        while self.next < until {
            let v = body.vitals(self.next);
            let sinus = 0.025 * (std::f64::consts::TAU * v.resp_rate / 60.0 * self.next).sin();
            let scatter = if body.person.fibrillating { 0.17 } else { 0.014 };
            let rr = 60.0 / v.heart_rate * (1.0 + sinus + scatter * normal(&mut self.rng)).clamp(0.55, 1.6);
            self.beats.push_back(Beat { at: self.next, rr, systolic: v.systolic, diastolic: v.diastolic });
            self.next += rr;
            if self.beats.len() > 14 {
                self.beats.pop_front();
            }
        }
    }

    fn sample(
        &mut self,
        kind: WaveformKind,
        x: f64,
        breath: f64,
        perfusion: f64,
        disturbed: Disturbance,
    ) -> f64 {
        let noise = normal(&mut self.rng);
        match (kind, disturbed) {
            (WaveformKind::Ecg, Disturbance::SensorsOff) => 0.0,
            (WaveformKind::Pleth, Disturbance::SensorsOff) => f64::NAN,
            (WaveformKind::Abp, Disturbance::Flush) => 299.0,
            (WaveformKind::Ecg, _) => {
                let motion =
                    if disturbed == Disturbance::Motion { 0.12 * noise + 0.4 * (9.0 * x).sin() } else { 0.0 };
                let mains = 0.006 * (std::f64::consts::TAU * 50.0 * x).sin();
                self.ecg(x) + 0.06 * breath + mains + 0.012 * noise + motion
            }
            (WaveformKind::Pleth, _) => {
                let motion =
                    if disturbed == Disturbance::Motion { 0.5 * (7.0 * x).sin() + 0.25 * noise } else { 0.0 };
                1.0 + perfusion * 0.6 * self.pulse(x, 0.24).0 + 0.05 * breath + 0.004 * noise + motion
            }
            _ => {
                let (shape, beat) = self.pulse(x, 0.16);
                let (systolic, diastolic) = beat.map_or((110.0, 60.0), |b| (b.systolic, b.diastolic));
                diastolic + (systolic - diastolic) * shape + 1.5 * breath + 0.3 * noise
            }
        }
    }

    fn ecg(&self, x: f64) -> f64 {
        let near = self.beats.iter().rev().filter(|b| (-0.35..0.75).contains(&(x - b.at)));
        near.map(|b| {
            // Intervals shrink with the square root of the cycle (Bazett).
            let stretch = b.rr.sqrt();
            WAVES
                .iter()
                .map(|(height, centre, width)| {
                    let centre = if centre.abs() > 0.1 { centre * stretch } else { *centre };
                    let z = (x - b.at - centre) / width;
                    if z.abs() > 5.0 { 0.0 } else { height * (-0.5 * z * z).exp() }
                })
                .sum::<f64>()
        })
        .sum()
    }

    /// The pulse at `x`, 0 to 1, arriving `delay` seconds after its R peak, with its beat.
    fn pulse(&self, x: f64, delay: f64) -> (f64, Option<Beat>) {
        let Some(i) = self.beats.iter().rposition(|b| b.at + delay <= x) else { return (0.0, None) };
        let beat = self.beats[i];
        let since = x - beat.at - delay;
        let rise = 0.13_f64.min(0.3 * beat.rr);
        let decay = 0.36 * beat.rr;
        let floor = (-(beat.rr - rise) / decay).exp();
        if since < rise {
            let u = since / rise;
            return (u * u * (3.0 - 2.0 * u), Some(beat));
        }
        let notch = (since - rise - 0.24 * beat.rr) / 0.035;
        let fall = ((-(since - rise) / decay).exp() - floor) / (1.0 - floor);
        (fall.max(0.0) + 0.09 * (-0.5 * notch * notch).exp(), Some(beat))
    }
}
