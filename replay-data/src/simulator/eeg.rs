//! A 19-channel EEG (10-20 system) at 256 Hz: background, artefacts, seizures, burst suppression.
//!
//! Background: noise whose spectrum falls with frequency (three one-pole filters over white noise),
//! partly shared between channels, plus a posterior alpha rhythm. Artefacts: blinks, muscle, mains.
//! A seizure begins as rhythmic spike-and-wave at one electrode, slows from 5 to 3 Hz, grows to
//! several times the background and spreads by distance (evolution in frequency, amplitude and
//! place: ACNS 2021 criteria), then slow waves follow.

use bedwatch_schemas::waveform::Channel;
use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use super::{
    course::{Scenario, smoothstep},
    physiology::Physiology,
    rng::{Concern, between, stream},
};

/// Samples per second.
pub(crate) const RATE_HZ: usize = 256;

/// Label, place on the head (x to the right, y to the front, radius 1), share of the blink, of alpha
/// and of muscle.
const ELECTRODES: [(&str, f32, f32, f32, f32, f32); 19] = [
    ("FP1", -0.31, 0.95, 1.0, 0.1, 0.5),
    ("FP2", 0.31, 0.95, 1.0, 0.1, 0.5),
    ("F7", -0.81, 0.59, 0.4, 0.1, 0.9),
    ("F3", -0.42, 0.5, 0.35, 0.2, 0.2),
    ("FZ", 0.0, 0.47, 0.3, 0.2, 0.1),
    ("F4", 0.42, 0.5, 0.35, 0.2, 0.2),
    ("F8", 0.81, 0.59, 0.4, 0.1, 0.9),
    ("T3", -1.0, 0.0, 0.05, 0.25, 1.0),
    ("C3", -0.5, 0.0, 0.05, 0.35, 0.1),
    ("CZ", 0.0, 0.0, 0.05, 0.35, 0.05),
    ("C4", 0.5, 0.0, 0.05, 0.35, 0.1),
    ("T4", 1.0, 0.0, 0.05, 0.25, 1.0),
    ("T5", -0.81, -0.59, 0.0, 0.6, 0.4),
    ("P3", -0.42, -0.5, 0.0, 0.75, 0.05),
    ("PZ", 0.0, -0.47, 0.0, 0.8, 0.05),
    ("P4", 0.42, -0.5, 0.0, 0.75, 0.05),
    ("T6", 0.81, -0.59, 0.0, 0.6, 0.4),
    ("O1", -0.31, -0.95, 0.0, 1.0, 0.1),
    ("O2", 0.31, -0.95, 0.0, 1.0, 0.1),
];

/// The electrode where seizures begin (T3, left temporal).
const FOCUS: (f32, f32) = (-1.0, 0.0);

/// Noise with a falling spectrum: one-pole low passes at about 0.6, 4 and 20 Hz.
#[derive(Debug, Clone, Copy, Default)]
struct Coloured([f32; 3]);

impl Coloured {
    fn next(&mut self, white: f32) -> f32 {
        const POLES: [(f32, f32); 3] = [(0.985, 0.9), (0.907, 1.3), (0.612, 1.9)];
        let mut sum = 0.0;
        for (state, (pole, gain)) in self.0.iter_mut().zip(POLES) {
            *state = pole * *state + (1.0 - pole) * gain * white;
            sum += *state;
        }
        sum
    }
}

/// The EEG of a stay, one second after the other.
#[derive(Debug, Clone)]
pub(crate) struct Eeg {
    rng: ChaCha8Rng,
    local: [Coloured; 19],
    shared: [Coloured; 2],
    alpha: [(f32, f32); 2],
    next_blink: f64,
    /// Burst suppression: until when the present state lasts and whether it is a burst.
    burst_until: f64,
    bursting: bool,
    envelope: f32,
}

fn white(rng: &mut ChaCha8Rng) -> f32 {
    let bits = rng.next_u64();
    let sum = (0..4).map(|i| (bits >> (16 * i)) as u16).map(f32::from).sum::<f32>();
    (sum / 65_536.0 - 2.0) * 1.732_050_8
}

/// How a second of EEG looks: amplitudes against the waking background.
#[derive(Debug, Clone, Copy)]
struct Look {
    background: f32,
    slow: f32,
    alpha: f32,
    muscle: f32,
    awake: bool,
    suppressing: bool,
}

impl Eeg {
    pub(crate) fn new(key: (u64, u64, u64), from: f64) -> Self {
        let (seed, bed, stay) = key;
        Self {
            rng: stream(seed, bed, stay, Concern::Eeg),
            local: [Coloured::default(); 19],
            shared: [Coloured::default(); 2],
            alpha: [(0.0, 0.0); 2],
            next_blink: from,
            burst_until: from,
            bursting: true,
            envelope: 1.0,
        }
    }

    /// The second that begins at `t`, microvolts.
    pub(crate) fn second(&mut self, body: &mut Physiology, t: f64) -> Vec<Channel> {
        let look = look(body, t);
        let mut channels: Vec<Channel> = ELECTRODES
            .iter()
            .map(|e| Channel { label: e.0.to_owned(), samples: Vec::with_capacity(RATE_HZ) })
            .collect();
        let seizure = Discharge::at(body, t);
        let mains = std::f64::consts::TAU * 50.0;
        for i in 0..RATE_HZ {
            let x = t + i as f64 / RATE_HZ as f64;
            let blink = self.blink(x, look.awake);
            self.step_envelope(x, look.suppressing);
            let hemispheres = [self.hemisphere(0), self.hemisphere(1)];
            let hum = 1.2 * (mains * x).sin() as f32;
            let discharge = seizure.as_ref().map(|d| (d.wave(x), d.since(x)));
            for (channel, (e, electrode)) in channels.iter_mut().zip(ELECTRODES.iter().enumerate()) {
                let (_, ex, ey, blinking, rhythm, muscular) = *electrode;
                let noise = white(&mut self.rng);
                let own = self.local[e].next(noise);
                let side = if ex == 0.0 { i % 2 } else { usize::from(ex > 0.0) };
                let (shared, alpha) = if ex == 0.0 {
                    (0.5 * (hemispheres[0].0 + hemispheres[1].0), 0.5 * (hemispheres[0].1 + hemispheres[1].1))
                } else {
                    hemispheres[side]
                };
                let background = look.background
                    * self.envelope
                    * (26.0 * own + 22.0 * shared + look.slow * shared * 30.0);
                let mut value = background
                    + self.envelope * look.alpha * rhythm * alpha
                    + blink * blinking
                    + look.muscle * muscular * 14.0 * noise
                    + hum
                    + 0.8 * noise;
                if let (Some(d), Some((wave, since))) = (&seizure, discharge) {
                    value += d.reach(ex, ey, since) * wave;
                }
                channel.samples.push(value);
            }
        }
        channels
    }

    /// Shared background and alpha rhythm of one hemisphere at the next sample.
    fn hemisphere(&mut self, side: usize) -> (f32, f32) {
        let shared = self.shared[side].next(white(&mut self.rng));
        // A resonator at 10 Hz: poles at radius 0.99, so that alpha waxes and wanes.
        const W: f32 = std::f32::consts::TAU * 10.0 / RATE_HZ as f32;
        const R: f32 = 0.99;
        let (a, b) = self.alpha[side];
        let next = 2.0 * R * W.cos() * a - R * R * b + 0.5 * white(&mut self.rng);
        self.alpha[side] = (next, a);
        (shared, next)
    }

    fn blink(&mut self, x: f64, awake: bool) -> f32 {
        if x > self.next_blink + 0.4 {
            self.next_blink = x + between(&mut self.rng, 2.0, 8.0);
        }
        let z = (x - self.next_blink - 0.15) / 0.07;
        if awake && z.abs() < 4.0 { 110.0 * (-0.5 * z * z).exp() as f32 } else { 0.0 }
    }

    fn step_envelope(&mut self, x: f64, suppressing: bool) {
        if !suppressing {
            self.envelope += (1.0 - self.envelope) * 0.02;
            return;
        }
        if x >= self.burst_until {
            self.bursting = !self.bursting;
            let length = if self.bursting { (0.6, 2.5) } else { (2.0, 7.0) };
            self.burst_until = x + between(&mut self.rng, length.0, length.1);
        }
        let target = if self.bursting { 1.3 } else { 0.05 };
        self.envelope += (target - self.envelope) * 0.08;
    }
}

fn look(body: &mut Physiology, t: f64) -> Look {
    body.course.extend(t);
    let v = body.vitals(t);
    let awake = v.gcs >= 13.0;
    let postictal = body
        .course
        .episodes_at(t - 60.0)
        .chain(body.course.episodes_at(t))
        .filter(|e| e.scenario == Scenario::Seizure)
        .map(|e| {
            let after = t - e.onset - e.acute - e.hold;
            smoothstep(after / 2.0) * (1.0 - smoothstep((after - 40.0) / 40.0))
        })
        .fold(0.0, f64::max) as f32;
    let tense = body.noise.cell(500, (t / 3.0).floor() as i64);
    Look {
        background: 0.5,
        slow: if awake { 0.0 } else { 0.7 } + 1.6 * postictal,
        alpha: if awake { 1.6 } else { 0.4 } * (1.0 - 0.9 * postictal),
        muscle: if awake && tense < 0.06 { 1.0 } else { 0.08 },
        awake: awake && postictal < 0.2,
        suppressing: body.sedation() > 0.5,
    }
}

/// A seizure under way.
#[derive(Debug, Clone, Copy)]
struct Discharge {
    onset: f64,
    length: f64,
    size: f32,
}

impl Discharge {
    fn at(body: &mut Physiology, t: f64) -> Option<Self> {
        body.course.extend(t + 1.0);
        body.course
            .episodes
            .iter()
            .filter(|e| e.scenario == Scenario::Seizure)
            .map(|e| Self { onset: e.onset, length: e.acute + e.hold, size: 0.9 + 0.6 * e.severity as f32 })
            .find(|d| t + 1.0 > d.onset && t < d.onset + d.length + 3.0)
    }

    fn since(&self, x: f64) -> f64 {
        x - self.onset
    }

    /// The spike-and-wave at `x`, microvolts at full reach.
    fn wave(&self, x: f64) -> f32 {
        let s = self.since(x);
        if s < 0.0 {
            return 0.0;
        }
        // From 5 Hz to 3 Hz over the seizure; the phase is the integral of the frequency.
        let cycles = 5.0 * s - s * s / self.length.max(1.0);
        let p = cycles.rem_euclid(1.0);
        let spike = (p - 0.12) / 0.035;
        let slow = (std::f64::consts::TAU * (p - 0.2)).sin();
        let growth = 0.55 + 0.45 * smoothstep(s / 20.0);
        let fading = 1.0 - smoothstep((s - self.length) / 1.5);
        (growth * fading * (-150.0 * (-0.5 * spike * spike).exp() + 85.0 * slow)) as f32 * self.size
    }

    /// How much of the discharge an electrode sees: it spreads at about an electrode every 3 s.
    fn reach(&self, x: f32, y: f32, since: f64) -> f32 {
        let distance = f64::from(((x - FOCUS.0).powi(2) + (y - FOCUS.1).powi(2)).sqrt());
        let arrived = smoothstep((since - 5.5 * distance) / 3.5);
        (arrived * (1.0 - 0.22 * distance)) as f32
    }
}
