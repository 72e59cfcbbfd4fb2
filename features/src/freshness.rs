//! Whether each feed still describes the patient: silence must never look like stability.
//!
//! - *Fresh*: a usable value within the bound.
//! - *Stale*: none for longer than the bound.
//! - *Lost*: the device says that it delivers nothing, or since the last usable value only
//!   no-readings or flat lines have come, for longer than the bound.
//!
//! The bound of waveforms and sensor glucose is fixed. Monitor numerics may be charted by the
//! second or by the hour, so theirs is three observed intervals, within the configured limits; the
//! observed interval is the longest of the last eight, at a resolution of ten seconds, and until
//! two intervals are known the upper limit holds.

use bedwatch_schemas::{
    event::{Modality, Provenance},
    summary::{FeedState, Freshness},
    time::{EventTime, Span},
    waveform::{WaveformBlock, WaveformKind},
};
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// Arrivals closer together than this are one.
const RESOLUTION: Span = Span::secs(10);
/// Arrivals remembered.
const ARRIVALS: usize = 9;

/// One feed.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Feed {
    modality: Modality,
    /// The earliest sign of the feed.
    first_at: EventTime,
    last_usable: Option<EventTime>,
    /// The latest no-reading or flat line.
    last_unusable: Option<EventTime>,
    /// The latest word of the device: when, from where, whether it delivers.
    device: Option<(EventTime, Provenance, bool)>,
    /// The newest arrivals at the resolution, oldest first.
    arrivals: Vec<EventTime>,
}

impl Feed {
    fn new(modality: Modality, at: EventTime) -> Self {
        Self {
            modality,
            first_at: at,
            last_usable: None,
            last_unusable: None,
            device: None,
            arrivals: Vec::with_capacity(ARRIVALS + 1),
        }
    }

    fn usable(&mut self, at: EventTime) {
        self.last_usable = self.last_usable.max(Some(at));
        let tick = at.floor(RESOLUTION);
        if self.arrivals.last() == Some(&tick) {
            return;
        }
        if let Err(i) = self.arrivals.binary_search(&tick) {
            self.arrivals.insert(i, tick);
            if self.arrivals.len() > ARRIVALS {
                self.arrivals.remove(0);
            }
        }
    }

    fn stale_after(&self, config: &Config) -> Span {
        match self.modality {
            Modality::Vitals => {
                let gaps = self.arrivals.windows(2).map(|w| w[1].since(w[0]));
                let at_most = config.vitals_stale_at_most;
                match gaps.max() {
                    Some(longest) if self.arrivals.len() > 2 => Span(longest.0.saturating_mul(3))
                        .clamp(config.vitals_stale_after.min(at_most), at_most),
                    _ => at_most,
                }
            }
            Modality::Cgm => config.cgm_stale_after,
            Modality::Ecg | Modality::Pleth | Modality::Abp | Modality::Eeg | Modality::Resp => {
                config.waveform_stale_after
            }
        }
    }

    fn at(&self, at: EventTime, config: &Config) -> Option<Freshness> {
        if self.first_at > at {
            return None;
        }
        let last_at = self.last_usable.unwrap_or(self.first_at).min(at);
        let stale_after = self.stale_after(config);
        let overdue = at.since(last_at) > stale_after;
        let disconnected =
            self.device.is_some_and(|(t, _, connected)| !connected && t <= at && Some(t) >= self.last_usable);
        let unusable = self.last_unusable.is_some_and(|t| Some(t) > self.last_usable);
        let state = match (disconnected, overdue, unusable) {
            (true, _, _) | (_, true, true) => FeedState::Lost,
            (false, true, false) => FeedState::Stale,
            (false, false, _) => FeedState::Fresh,
        };
        Some(Freshness { modality: self.modality, last_at, stale_after, state })
    }
}

/// The feeds of one patient seen so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Feeds {
    feeds: Vec<Feed>,
}

impl Feeds {
    fn feed(&mut self, modality: Modality, at: EventTime) -> &mut Feed {
        let i = match self.feeds.binary_search_by_key(&modality, |f| f.modality) {
            Ok(i) => i,
            Err(i) => {
                self.feeds.insert(i, Feed::new(modality, at));
                i
            }
        };
        let feed = &mut self.feeds[i];
        feed.first_at = feed.first_at.min(at);
        feed
    }

    /// A usable value came.
    pub fn usable(&mut self, modality: Modality, at: EventTime) {
        self.feed(modality, at).usable(at);
    }

    /// A no-reading or a flat line came.
    pub fn unusable(&mut self, modality: Modality, at: EventTime) {
        let feed = self.feed(modality, at);
        feed.last_unusable = feed.last_unusable.max(Some(at));
    }

    /// A device said whether it delivers.
    pub fn device(&mut self, modality: Modality, at: EventTime, provenance: Provenance, connected: bool) {
        let feed = self.feed(modality, at);
        let word = Some((at, provenance, connected));
        if word > feed.device {
            feed.device = word;
        }
    }

    /// A stretch of waveform came.
    pub fn waveform(&mut self, block: &WaveformBlock) {
        let at = block.end() - Span(1);
        if is_usable(block) {
            self.usable(block.kind.modality(), at);
        } else {
            self.unusable(block.kind.modality(), at);
        }
    }

    /// The state of every feed at `at`, in the order of modalities.
    #[must_use]
    pub fn at(&self, at: EventTime, config: &Config) -> Vec<Freshness> {
        self.feeds.iter().filter_map(|f| f.at(at, config)).collect()
    }

    /// Takes in the feeds of a record that was the same person.
    pub fn absorb(&mut self, other: Self) {
        for theirs in other.feeds {
            let mine = self.feed(theirs.modality, theirs.first_at);
            for tick in theirs.arrivals {
                mine.usable(tick);
            }
            mine.last_usable = mine.last_usable.max(theirs.last_usable);
            mine.last_unusable = mine.last_unusable.max(theirs.last_unusable);
            if theirs.device > mine.device {
                mine.device = theirs.device;
            }
        }
    }
}

/// The peak-to-peak amplitude below which a second of signal is a flat line: a twentieth to a
/// hundredth of what a resting patient shows (our choice, no source). A flat respiration or pleth
/// may be the patient's, so there only a constant line counts.
fn flat_below(kind: WaveformKind) -> f32 {
    match kind {
        WaveformKind::Eeg => 0.2,
        WaveformKind::Ecg => 0.01,
        WaveformKind::Abp => 0.5,
        WaveformKind::Pleth | WaveformKind::Resp => 0.0,
    }
}

/// Whether any channel carries a signal.
fn is_usable(block: &WaveformBlock) -> bool {
    let whole_second = block.len() as f64 >= block.rate.hz();
    let bound = if whole_second { flat_below(block.kind) } else { 0.0 };
    block.channels.iter().any(|c| {
        let finite = c.samples.iter().copied().filter(|x| x.is_finite());
        let (lo, hi) = finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), x| (lo.min(x), hi.max(x)));
        hi - lo > bound
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::word::provenance;
    use bedwatch_schemas::waveform::{Channel, SampleRate};

    fn sec(s: i64) -> EventTime {
        EventTime::from_millis(1_700_000_000_000) + Span::secs(s)
    }

    fn state(feeds: &Feeds, s: i64) -> (FeedState, i64) {
        let f = feeds.at(sec(s), &Config::default())[0];
        (f.state, f.stale_after.0 / 1_000_000)
    }

    #[test]
    fn the_bound_follows_the_observed_interval() {
        let cases: [(&str, &[i64], i64, i64); 5] = [
            ("1 Hz", &[0, 1, 2, 10, 11, 20, 30, 40], 40, 60),
            ("every minute", &[0, 60, 120, 180], 180, 180),
            ("every hour", &[0, 3_600, 7_200], 7_200, 10_800),
            ("every two hours", &[0, 7_200, 14_400], 14_400, 10_800),
            ("rate unknown", &[0, 3_600], 3_600, 10_800),
        ];
        for (name, times, last, bound) in cases {
            let mut feeds = Feeds::default();
            for &t in times.iter().rev() {
                feeds.usable(Modality::Vitals, sec(t));
            }
            assert_eq!(state(&feeds, last + bound), (FeedState::Fresh, bound), "{name}: at the bound");
            assert_eq!(state(&feeds, last + bound + 1).0, FeedState::Stale, "{name}: beyond");
        }
    }

    #[test]
    fn no_readings_beyond_the_bound_are_a_lost_signal() {
        let mut feeds = Feeds::default();
        feeds.usable(Modality::Cgm, sec(0));
        feeds.unusable(Modality::Cgm, sec(300));
        assert_eq!(state(&feeds, 900).0, FeedState::Fresh);
        assert_eq!(state(&feeds, 901).0, FeedState::Lost);
        feeds.usable(Modality::Cgm, sec(905));
        assert_eq!(state(&feeds, 906).0, FeedState::Fresh);
    }

    #[test]
    fn a_disconnected_device_is_lost_at_once() {
        let mut feeds = Feeds::default();
        feeds.usable(Modality::Ecg, sec(0));
        feeds.device(Modality::Ecg, sec(1), provenance(0), false);
        assert_eq!(state(&feeds, 1).0, FeedState::Lost);
        feeds.device(Modality::Ecg, sec(2), provenance(1), true);
        assert_eq!(state(&feeds, 3).0, FeedState::Fresh);
        feeds.device(Modality::Ecg, sec(4), provenance(2), false);
        feeds.usable(Modality::Ecg, sec(5));
        assert_eq!(state(&feeds, 5).0, FeedState::Fresh, "values speak louder than the device");
    }

    #[test]
    fn flat_lines_are_not_usable() {
        let block = |kind, samples: Vec<f32>| WaveformBlock {
            kind,
            start: sec(0),
            rate: SampleRate::new(10.0).unwrap(),
            channels: vec![Channel { label: "X".into(), samples }],
        };
        let tiny: Vec<f32> = (0..10).map(|i| i as f32 * 1e-4).collect();
        assert!(!is_usable(&block(WaveformKind::Ecg, tiny.clone())));
        assert!(is_usable(&block(WaveformKind::Resp, tiny.clone())));
        assert!(is_usable(&block(WaveformKind::Ecg, tiny[..5].to_vec())), "too short to judge");
        assert!(!is_usable(&block(WaveformKind::Resp, vec![3.0; 10])));
        assert!(!is_usable(&block(WaveformKind::Ecg, vec![f32::NAN; 10])));
        assert!(is_usable(&block(WaveformKind::Eeg, vec![0.0, 1.0, 0.5, 0.0, 1.0, 0.0, 2.0, 0.0, 1.0, 4.0])));
    }
}
