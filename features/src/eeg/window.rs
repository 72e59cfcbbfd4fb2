//! One window of every channel: spectra and time-domain figures joined, judged and summed up.

use serde::{Deserialize, Serialize};

use super::{
    artifact::{Artifact, Check},
    hop::Hop,
};
use crate::spectrum::{Lanes, Spectra};

/// Hops in a window: 4 s, hop 1 s.
pub(super) const WINDOW_HOPS: usize = 4;

/// One channel over one window.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct ChannelWindow {
    pub artifact: Option<Artifact>,
    pub bands_uv2: [f32; 4],
    pub total_uv2: f32,
    pub sef95_hz: f32,
    pub peak_hz: f32,
    pub entropy: f32,
    pub mains_uv2: f32,
    pub rhythm_hz: f32,
    pub rhythm_uv2: f32,
    /// Mean absolute step, uV a sample.
    pub line_length_uv: f32,
}

/// The mean of each lane over a window.
pub(super) fn mean(hops: &[Hop; WINDOW_HOPS], samples: usize) -> Lanes {
    std::array::from_fn(|lane| hops.iter().map(|h| h.sum[lane]).sum::<f32>() / samples as f32)
}

impl ChannelWindow {
    pub(super) fn new(
        hops: &[Hop; WINDOW_HOPS],
        spectra: &Spectra,
        lane: usize,
        samples: usize,
    ) -> (Self, Check) {
        let n = samples as f32;
        let sum = |f: fn(&Hop) -> Lanes| hops.iter().map(|h| f(h)[lane]).sum::<f32>();
        let max = |f: fn(&Hop) -> Lanes| hops.iter().map(|h| f(h)[lane]).fold(f32::NEG_INFINITY, f32::max);
        let highest = max(|h| h.max);
        let lowest = hops.iter().map(|h| h.min[lane]).fold(f32::INFINITY, f32::min);
        let line_length_uv = sum(|h| h.length) / n;
        let check = Check {
            missing_share: sum(|h| h.missing) / n,
            range_uv: highest - lowest,
            excursion_uv: (highest - lowest) / 2.0,
            railed_share: max(|h| h.railed) * WINDOW_HOPS as f32 / n,
            largest_step_uv: max(|h| h.step),
            mean_step_uv: line_length_uv,
            total_uv2: spectra.total[lane],
            mains_uv2: spectra.mains[lane],
            others_mains_uv2: 0.0,
            muscle_uv2: spectra.muscle[lane],
        };
        let channel = Self {
            artifact: None,
            bands_uv2: spectra.bands.map(|band| band[lane]),
            total_uv2: spectra.total[lane],
            sef95_hz: spectra.sef95_hz[lane],
            peak_hz: spectra.peak_hz[lane],
            entropy: spectra.entropy[lane],
            mains_uv2: spectra.mains[lane],
            rhythm_hz: spectra.rhythm_hz[lane],
            rhythm_uv2: spectra.rhythm[lane],
            line_length_uv,
        };
        (channel, check)
    }
}

/// Marks the artifacts of a window's channels.
pub(super) fn judge(channels: Vec<(ChannelWindow, Check)>) -> Vec<ChannelWindow> {
    let others_mains_uv2 = median(channels.iter().map(|c| c.0.mains_uv2).collect()).unwrap_or(0.0);
    let judged = |(channel, check): (ChannelWindow, Check)| ChannelWindow {
        artifact: Check { others_mains_uv2, ..check }.artifact(),
        ..channel
    };
    channels.into_iter().map(judged).collect()
}

/// Medians over the good channels of a window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Medians {
    pub total_uv2: f32,
    pub relative: [f32; 4],
    pub alpha_delta: f32,
    pub sef95_hz: f32,
    pub peak_hz: f32,
    pub entropy: f32,
    pub line_length_uv: f32,
    pub mains_ratio: f32,
    pub asymmetry: Option<f32>,
}

impl Medians {
    /// `None` without a good channel.
    pub(super) fn new(window: &[ChannelWindow], pairs: &[(u16, u16)]) -> Option<Self> {
        let good: Vec<&ChannelWindow> = window.iter().filter(|c| c.artifact.is_none()).collect();
        let of = |f: &dyn Fn(&ChannelWindow) -> f32| median(good.iter().map(|c| f(c)).collect());
        let ratio = |part: f32, whole: f32| if whole > 0.0 { part / whole } else { 0.0 };
        Some(Self {
            total_uv2: of(&|c| c.total_uv2)?,
            relative: relative(&good)?,
            alpha_delta: of(&|c| ratio(c.bands_uv2[2], c.bands_uv2[0]))?,
            sef95_hz: of(&|c| c.sef95_hz)?,
            peak_hz: of(&|c| c.peak_hz)?,
            entropy: of(&|c| c.entropy)?,
            line_length_uv: of(&|c| c.line_length_uv)?,
            mains_ratio: median(
                window.iter().filter(|c| c.total_uv2 > 0.0).map(|c| c.mains_uv2 / c.total_uv2).collect(),
            )?,
            asymmetry: asymmetry(window, pairs),
        })
    }
}

/// Medians of the relative powers, made to sum to one.
fn relative(good: &[&ChannelWindow]) -> Option<[f32; 4]> {
    let mut medians = [0.0; 4];
    for (band, out) in medians.iter_mut().enumerate() {
        let shares = good.iter().filter(|c| c.total_uv2 > 0.0).map(|c| c.bands_uv2[band] / c.total_uv2);
        *out = median(shares.collect())?;
    }
    let sum: f32 = medians.iter().sum();
    Some(medians.map(|m| if sum > 0.0 { m / sum } else { 0.0 }))
}

/// Mean of (left - right) / (left + right) of .5-30 Hz power over the pairs with two good channels.
fn asymmetry(window: &[ChannelWindow], pairs: &[(u16, u16)]) -> Option<f32> {
    let (mut sum, mut count) = (0.0, 0);
    for &(left, right) in pairs {
        let (l, r) = (&window[usize::from(left)], &window[usize::from(right)]);
        let both = l.total_uv2 + r.total_uv2;
        if l.artifact.is_none() && r.artifact.is_none() && both > 0.0 {
            sum += (l.total_uv2 - r.total_uv2) / both;
            count += 1;
        }
    }
    (count > 0).then(|| sum / count as f32)
}

/// The middle value, the mean of the two middle ones when even; `None` of nothing.
pub(super) fn median(mut values: Vec<f32>) -> Option<f32> {
    if values.is_empty() {
        return None;
    }
    values.sort_unstable_by(f32::total_cmp);
    let middle = values.len() / 2;
    Some(if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 })
}
