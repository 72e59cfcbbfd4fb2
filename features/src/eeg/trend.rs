//! Minute trends: amplitude-integrated EEG, burst suppression and the share of artifact.
//!
//! aEEG margins are the 10th and 90th centile of the last minute's envelope (median of the good
//! channels, two values a second); the burst-suppression ratio is the suppressed share of the last
//! 63 s, mean of the good channels (BIS and Rampil 1998 use that window). A second without a good
//! channel is missing, not zero.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

const AEEG_HOPS: usize = 60;
const SUPPRESSION_HOPS: usize = 63;
/// Seconds that must be there for the ratio or the margins to say anything.
const NEEDED_SHARE: f64 = 0.8;

/// One second of all channels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Second {
    /// Envelopes of both halves, uV, and the suppressed share; `None` without a good channel.
    pub good: Option<([f32; 2], f32)>,
    /// Channels rejected as artifact, and channels looked at.
    pub rejected: u16,
    pub channels: u16,
}

/// The last seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Trends {
    seconds: VecDeque<Second>,
}

impl Trends {
    pub(super) fn push(&mut self, second: Second) {
        if self.seconds.len() == SUPPRESSION_HOPS {
            self.seconds.pop_front();
        }
        self.seconds.push_back(second);
    }

    fn last(&self, hops: usize) -> impl Iterator<Item = &Second> {
        self.seconds.iter().skip(self.seconds.len().saturating_sub(hops))
    }

    pub(super) fn aeeg_margins_uv(&self) -> Option<(f64, f64)> {
        if self.seconds.len() < AEEG_HOPS {
            return None;
        }
        let mut values: Vec<f32> =
            self.last(AEEG_HOPS).filter_map(|s| s.good).flat_map(|(halves, _)| halves).collect();
        if (values.len() as f64) < NEEDED_SHARE * 2.0 * AEEG_HOPS as f64 {
            return None;
        }
        values.sort_unstable_by(f32::total_cmp);
        Some((centile(&values, 0.1), centile(&values, 0.9)))
    }

    pub(super) fn burst_suppression_percent(&self) -> Option<f64> {
        if self.seconds.len() < SUPPRESSION_HOPS {
            return None;
        }
        let (mut sum, mut count) = (0.0, 0);
        for (_, suppressed) in self.seconds.iter().filter_map(|s| s.good) {
            sum += f64::from(suppressed);
            count += 1;
        }
        let enough = f64::from(count) >= NEEDED_SHARE * SUPPRESSION_HOPS as f64;
        enough.then(|| (sum / f64::from(count) * 100.0).min(100.0))
    }

    /// Share of the last minute's channel-windows that were rejected.
    pub(super) fn artifact_share(&self) -> f64 {
        let (mut rejected, mut channels) = (0u32, 0u32);
        for second in self.last(AEEG_HOPS) {
            rejected += u32::from(second.rejected);
            channels += u32::from(second.channels);
        }
        if channels == 0 { 0.0 } else { f64::from(rejected) / f64::from(channels) }
    }
}

/// Linear between the two nearest ranks of a sorted list that is not empty.
fn centile(sorted: &[f32], share: f64) -> f64 {
    let rank = share * (sorted.len() - 1) as f64;
    let (below, part) = (rank.floor() as usize, rank.fract());
    let above = (below + 1).min(sorted.len() - 1);
    f64::from(sorted[below]) * (1.0 - part) + f64::from(sorted[above]) * part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(envelope: f32, suppressed: f32) -> Second {
        Second { good: Some(([envelope; 2], suppressed)), rejected: 1, channels: 4 }
    }

    const BAD: Second = Second { good: None, rejected: 4, channels: 4 };

    #[test]
    fn margins_and_ratio_need_their_window() {
        // (good seconds, bad seconds after them, margins known, ratio known)
        let cases = [
            (59, 0, false, false),
            (60, 0, true, false),
            (62, 0, true, false),
            (63, 0, true, true),
            (63, 12, true, true),
            (63, 13, false, false),
        ];
        for (good, bad, margins, ratio) in cases {
            let mut trends = Trends::default();
            (0..good).for_each(|i| trends.push(second(i as f32, 0.25)));
            (0..bad).for_each(|_| trends.push(BAD));
            assert_eq!(trends.aeeg_margins_uv().is_some(), margins, "{good} {bad}");
            assert_eq!(trends.burst_suppression_percent(), ratio.then_some(25.0), "{good} {bad}");
        }
    }

    #[test]
    fn margins_are_centiles_of_the_last_minute() {
        let mut trends = Trends::default();
        (0..163).for_each(|i| trends.push(second(i as f32, 0.0)));
        let (lower, upper) = trends.aeeg_margins_uv().expect("a minute");
        assert!((lower - 108.4).abs() < 0.6 && (upper - 156.6).abs() < 0.6, "{lower} {upper}");
        assert_eq!(trends.artifact_share(), 0.25);
        assert_eq!(Trends::default().artifact_share(), 0.0);
    }
}
