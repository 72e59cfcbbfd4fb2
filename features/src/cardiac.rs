//! Heart beats from ECG, pleth or arterial pressure: rate, variability, pressure, and how far to
//! believe them.
//!
//! One lead is followed sample by sample: [`beat`] finds beats, [`quality`] judges the last ten
//! seconds, [`variability`] sums up five minutes (every ten seconds of signal, not at every question).
//! All of it depends on sample numbers only, not on blocks. A rate is given only when the quality
//! rules pass: outside 40-180 /min they never do, so that this is no detector of extreme rates, and
//! a flat line says nothing of whether a heart or a cable has stopped.

use std::collections::VecDeque;

use bedwatch_schemas::{
    event::{Modality, Provenance},
    recent::Track,
    summary::CardiacSummary,
    time::{EventTime, Span},
    waveform::WaveformBlock,
};
use serde::{Deserialize, Serialize};

use self::{
    beat::{Detector, Wave},
    quality::{Line, SHAPE_POINTS, WINDOW_SECS},
    variability::{Interval, Variability},
};
use crate::timeline::{Counts, Timeline};

mod beat;
mod filter;
mod quality;
mod variability;
pub mod ventricular;

#[cfg(test)]
mod tests;

const RATE_HZ: std::ops::RangeInclusive<f64> = 50.0..=4_096.0;
const HISTORY_SECS: f64 = 300.0;
const VARIABILITY_EVERY_SECS: u64 = 10;
/// Raw samples kept for beats that are found late.
const RAW_SECS: f64 = 5.0;
/// Missing stretches up to this are bridged, longer ones break the rhythm.
const BRIDGED_SECS: f64 = 0.1;
const FORGOTTEN_AFTER: Span = Span::minutes(5);
/// Leads in the order of preference; otherwise the first channel.
const LEADS: [&str; 6] = ["II", "MLII", "ECG_II", "ECG II", "I", "III"];

/// The beats of one patient's one waveform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cardiac {
    modality: Modality,
    lead: Option<Lead>,
    counts: Counts,
}

/// One channel followed at one rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lead {
    modality: Modality,
    timeline: Timeline,
    labels: Vec<String>,
    pick: usize,
    provenance: Provenance,
    /// The number of the next sample, and the first one since a long gap.
    position: u64,
    since: u64,
    detector: Detector,
    line: Line,
    raw: VecDeque<f32>,
    held: f32,
    missing_run: u64,
    /// No interval leads over missing signal.
    broken: bool,
    /// Found beats whose shape is not yet complete.
    pending: VecDeque<Beat>,
    beats: VecDeque<Beat>,
    shapes: VecDeque<(f64, [f32; SHAPE_POINTS])>,
    variability: Variability,
    /// One row a minute of signal, oldest first.
    rows: VecDeque<Row>,
}

const ROW_SECS: u64 = 60;

/// What was found in ten seconds, kept for models once a minute of signal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The end of the ten seconds.
    pub at: EventTime,
    /// Rate, /min, where it is believed.
    pub rate_per_min: Option<f32>,
    /// Quality, 0 to 1.
    pub quality: f32,
    /// SDNN and RMSSD of five minutes, ms.
    pub variability_ms: [Option<f32>; 2],
    /// Low- and high-frequency power of five minutes, ms².
    pub power_ms2: [Option<f32>; 2],
    /// Systolic, diastolic, mean, mm\[Hg\]; where the rate is believed.
    pub pressure: Option<[f32; 3]>,
}

/// A beat by its sample number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Beat {
    sample: f64,
    /// Whether the interval to the beat before is whole.
    follows: bool,
    /// Highest pressure after and lowest before the rise.
    systolic: f32,
    diastolic: f32,
}

impl Cardiac {
    /// No signal yet. `modality` is one of ECG, pleth, ABP; blocks of another kind are refused.
    #[must_use]
    pub fn new(modality: Modality) -> Self {
        Self { modality, lead: None, counts: Counts::default() }
    }

    /// What could not be used.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes a block.
    pub fn push(&mut self, block: &WaveformBlock, provenance: Provenance) {
        if block.kind.modality() != self.modality || block.is_empty() || !RATE_HZ.contains(&block.rate.hz()) {
            self.counts.refused_blocks += 1;
            return;
        }
        if self.lead.as_ref().is_some_and(|lead| !lead.fits(block)) {
            self.counts.resets += 1;
            self.lead = None;
        }
        let modality = self.modality;
        let lead = self.lead.get_or_insert_with(|| Lead::new(modality, block, provenance));
        lead.push(block, provenance, &mut self.counts);
    }

    /// The rows of `(from, to]`, oldest first.
    pub fn rows(&self, from: EventTime, to: EventTime) -> impl Iterator<Item = &Row> {
        self.lead.iter().flat_map(|lead| &lead.rows).filter(move |r| r.at > from && r.at <= to)
    }

    /// Rate, quality and variability as of `at`; `None` before ten seconds of signal, and five minutes
    /// after the last sample.
    #[must_use]
    pub fn summary(&self, at: EventTime) -> Option<CardiacSummary> {
        let lead = self.lead.as_ref()?;
        let end = lead.timeline.time_of(lead.position as f64);
        let window = (WINDOW_SECS as f64 * lead.rate_hz()) as u64;
        if at.since(end) > FORGOTTEN_AFTER || lead.position - lead.since < window {
            return None;
        }
        let (quality, rate) = lead.quality_and_rate();
        let v = lead.variability;
        let believed = rate.filter(|_| quality >= quality::least_correlation(self.modality));
        Some(CardiacSummary {
            modality: self.modality,
            at: lead.beats.back().map_or(end, |beat| lead.timeline.time_of(beat.sample)),
            provenance: lead.provenance,
            rate_per_min: believed,
            quality,
            beats: lead.beats.len() as u32,
            sdnn_ms: v.sdnn_ms,
            rmssd_ms: v.rmssd_ms,
            pnn50_percent: v.pnn50_percent,
            lf_ms2: v.lf_ms2,
            hf_ms2: v.hf_ms2,
            pressure: believed.and_then(|_| lead.pressure()),
        })
    }
}

impl Lead {
    fn new(modality: Modality, block: &WaveformBlock, provenance: Provenance) -> Self {
        let rate_hz = block.rate.hz();
        let preferred =
            |name: &&str| block.channels.iter().position(|c| c.label.trim().eq_ignore_ascii_case(name));
        let pick = if modality == Modality::Ecg { LEADS.iter().find_map(preferred) } else { None };
        let wave = if modality == Modality::Ecg { Wave::Qrs } else { Wave::Pulse };
        Self {
            modality,
            timeline: Timeline::new(block.start, block.rate),
            labels: block.channels.iter().map(|c| c.label.clone()).collect(),
            pick: pick.unwrap_or(0),
            provenance,
            position: 0,
            since: 0,
            detector: Detector::new(wave, rate_hz),
            line: Line::new(rate_hz, WINDOW_SECS),
            raw: VecDeque::new(),
            held: 0.0,
            missing_run: 0,
            broken: true,
            pending: VecDeque::new(),
            beats: VecDeque::new(),
            shapes: VecDeque::new(),
            variability: Variability::default(),
            rows: VecDeque::new(),
        }
    }

    fn rate_hz(&self) -> f64 {
        self.timeline.rate().hz()
    }

    fn fits(&self, block: &WaveformBlock) -> bool {
        self.timeline.rate() == block.rate
            && self.labels.len() == block.channels.len()
            && self.labels.iter().zip(&block.channels).all(|(label, c)| *label == c.label)
    }

    fn push(&mut self, block: &WaveformBlock, provenance: Provenance, counts: &mut Counts) {
        let placement = self.timeline.place(block.start, block.len());
        counts.overlap_samples += placement.skip as u64;
        counts.gap_samples += placement.gap;
        if placement.gap as f64 > RAW_SECS * self.rate_hz() {
            self.jump(placement.gap);
        } else {
            (0..placement.gap).for_each(|_| self.take(f32::NAN));
        }
        for x in &block.channels[self.pick].samples[placement.skip..] {
            self.take(*x);
        }
        if placement.skip < block.len() {
            self.provenance = provenance;
        }
    }

    /// Leaps over a long gap.
    fn jump(&mut self, gap: u64) {
        self.position += gap;
        self.since = self.position;
        self.detector.interrupt();
        self.raw.clear();
        self.pending.clear();
        self.shapes.clear();
        self.missing_run = 0;
        self.broken = true;
        self.forget_old();
        self.variability = Variability::default();
    }

    fn take(&mut self, x: f32) {
        let at = self.position;
        let is_missing = !x.is_finite();
        self.missing_run = if is_missing { self.missing_run + 1 } else { 0 };
        if is_missing && self.missing_run as f64 > BRIDGED_SECS * self.rate_hz() && !self.broken {
            self.broken = true;
            self.detector.interrupt();
        }
        if !is_missing {
            self.held = x;
            self.line.push(x, at);
        }
        if self.raw.len() > (RAW_SECS * self.rate_hz()) as usize {
            self.raw.pop_front();
        }
        self.raw.push_back(self.held);
        self.position += 1;
        // A line broken for long says nothing to the detector.
        let is_silent = is_missing && self.broken;
        if !is_silent && let Some(sample) = self.detector.push(f64::from(self.held), at) {
            let beat = Beat { sample, follows: !self.broken, systolic: 0.0, diastolic: 0.0 };
            self.broken = false;
            self.pending.push_back(beat);
        }
        self.complete();
        if self.position.is_multiple_of(VARIABILITY_EVERY_SECS * self.rate_hz().round() as u64) {
            self.forget_old();
            self.variability = Variability::new(&self.intervals());
        }
        if self.position.is_multiple_of(ROW_SECS * self.rate_hz().round() as u64) {
            if self.rows.len() == Track::Cardiac.rows() + 1 {
                self.rows.pop_front();
            }
            self.rows.push_back(self.row());
        }
    }

    fn row(&self) -> Row {
        let (quality, rate) = self.quality_and_rate();
        let believed = rate.filter(|_| quality >= quality::least_correlation(self.modality));
        let v = self.variability;
        let small = |x: Option<f64>| x.map(|x| x as f32);
        Row {
            at: self.timeline.time_of(self.position as f64),
            rate_per_min: small(believed),
            quality: quality as f32,
            variability_ms: [small(v.sdnn_ms), small(v.rmssd_ms)],
            power_ms2: [small(v.lf_ms2), small(v.hf_ms2)],
            pressure: believed
                .and_then(|_| self.pressure())
                .map(|(systolic, diastolic, mean)| [systolic as f32, diastolic as f32, mean as f32]),
        }
    }

    /// Beats whose shape has come in.
    fn complete(&mut self) {
        let (before, after) = self.shape_span();
        while let Some(beat) = self.pending.front().filter(|b| self.position as f64 > b.sample + after) {
            let mut beat = *beat;
            self.pending.pop_front();
            let oldest = (self.position - self.raw.len() as u64) as f64;
            if beat.sample - before >= oldest {
                self.shapes
                    .push_back((beat.sample, self.shape(beat.sample - before - oldest, before + after)));
                let rise = (beat.sample - oldest) as usize;
                let samples = |from: usize, to: usize| {
                    self.raw.range(from.min(self.raw.len())..to.min(self.raw.len())).copied()
                };
                beat.systolic = samples(rise, rise + after as usize).fold(f32::NEG_INFINITY, f32::max);
                beat.diastolic =
                    samples(rise.saturating_sub(before as usize), rise + 1).fold(f32::INFINITY, f32::min);
            }
            self.beats.push_back(beat);
            self.forget_old();
        }
    }

    /// Samples of a beat's shape before and after its time.
    fn shape_span(&self) -> (f64, f64) {
        let (before, after) = if self.modality == Modality::Ecg { (0.2, 0.3) } else { (0.25, 0.35) };
        (before * self.rate_hz(), after * self.rate_hz())
    }

    fn shape(&self, from: f64, len: f64) -> [f32; SHAPE_POINTS] {
        std::array::from_fn(|i| {
            let place = from + len * i as f64 / (SHAPE_POINTS - 1) as f64;
            let (below, part) = (place.floor() as usize, place.fract() as f32);
            let at = |i: usize| self.raw[i.min(self.raw.len() - 1)];
            at(below) * (1.0 - part) + at(below + 1) * part
        })
    }

    fn forget_old(&mut self) {
        let rate = self.rate_hz();
        let now = self.position as f64;
        while self.beats.front().is_some_and(|b| b.sample < now - HISTORY_SECS * rate) {
            self.beats.pop_front();
        }
        while self.shapes.front().is_some_and(|s| s.0 < now - WINDOW_SECS as f64 * rate) {
            self.shapes.pop_front();
        }
    }

    fn intervals(&self) -> Vec<Interval> {
        let rate = self.rate_hz();
        (1..self.beats.len())
            .map(|i| {
                let (a, b) = (self.beats[i - 1], self.beats[i]);
                Interval {
                    at_secs: b.sample / rate,
                    ms: b.follows.then(|| (b.sample - a.sample) * 1_000.0 / rate),
                }
            })
            .collect()
    }

    /// Beats of the last ten seconds.
    fn recent(&self) -> impl Iterator<Item = &Beat> {
        let from = self.position as f64 - WINDOW_SECS as f64 * self.rate_hz();
        self.beats.iter().rev().take_while(move |b| b.sample >= from)
    }

    fn quality_and_rate(&self) -> (f64, Option<f64>) {
        let rate_hz = self.rate_hz();
        let now = self.position as f64 / rate_hz;
        let mut beats: Vec<f64> = self.recent().map(|b| b.sample / rate_hz).collect();
        beats.reverse();
        let is_whole = self.recent().skip(1).zip(self.recent()).all(|(_, later)| later.follows);
        let rate = quality::plausible_rate(&beats, now - WINDOW_SECS as f64, now);
        let usable = is_whole && self.line.is_usable(self.modality, self.position);
        let Some(rate) = rate.filter(|_| usable) else {
            return (0.0, None);
        };
        let from = self.position as f64 - WINDOW_SECS as f64 * rate_hz;
        let shapes: Vec<_> = self.shapes.iter().filter(|s| s.0 >= from).map(|s| &s.1).collect();
        (quality::correlation(&shapes).unwrap_or(0.0).clamp(0.0, 1.0), Some(rate))
    }

    /// Median systolic and diastolic, and mean pressure, of the last ten seconds.
    fn pressure(&self) -> Option<(f64, f64, f64)> {
        if self.modality != Modality::Abp {
            return None;
        }
        let median = |f: fn(&Beat) -> f32| {
            let mut values: Vec<f32> = self.recent().map(f).filter(|v| v.is_finite()).collect();
            values.sort_unstable_by(f32::total_cmp);
            values.get(values.len() / 2).map(|v| f64::from(*v))
        };
        Some((median(|b| b.systolic)?, median(|b| b.diastolic)?, self.line.mean(self.position)?))
    }
}
