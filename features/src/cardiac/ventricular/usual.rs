//! The kinds of beats a patient usually has in one channel, learned as they come.
//!
//! Beats are put with the kind they resemble most, by shape and size, or begin a new one (leader
//! clustering; Lagerholm et al., IEEE Trans Biomed Eng 2000;47:838 cluster beats by shape to the same
//! end). Nothing says which kind is normal: usual is what comes often, whether sinus, paced or wide.

use serde::{Deserialize, Serialize};

/// Points of a shape that are compared.
pub(super) const POINTS: usize = 40;
/// A beat is compared in this many places to each side: detectors do not always find the same point.
pub(super) const SHIFT: usize = 5;
/// Points of a beat: those compared and the shifts on both sides.
pub(super) const BEAT_POINTS: usize = POINTS + 2 * SHIFT;

/// Kinds kept; the rarest makes room.
const KINDS: usize = 6;
/// Beats after which a kind counts a third of what it did: five minutes at 60/min.
const MEMORY_BEATS: f32 = 300.0;
/// How fast a known kind follows its beats.
const FOLLOW: f32 = 0.05;
/// The least share of all beats that a usual kind has: in bigeminy both kinds are usual.
const LEAST_SHARE: f32 = 0.25;
/// Until so many beats are known, shares are taken of this many: nothing is usual before its thirtieth.
const LEAST_BEATS: f32 = 120.0;

/// How alike beats of one kind are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Likeness {
    pub(super) least_correlation: f32,
    /// Largest ratio of two sizes, either way.
    pub(super) size_ratio: f32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kind {
    shape: Vec<f32>,
    size: f32,
    weight: f32,
}

/// The kinds of beats so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Usual {
    likeness: Likeness,
    kinds: Vec<Kind>,
    weight: f32,
}

impl Usual {
    pub(super) fn new(likeness: Likeness) -> Self {
        Self { likeness, kinds: Vec::new(), weight: 0.0 }
    }

    /// Says whether a beat is of a kind that was usual before it came, and learns from it.
    pub(super) fn take(&mut self, beat: &[f32; BEAT_POINTS]) -> bool {
        let size = size_of(beat);
        let found = self.find(beat, size);
        let is_usual =
            found.is_some_and(|(i, _)| self.kinds[i].weight >= LEAST_SHARE * self.weight.max(LEAST_BEATS));
        let kept = 1.0 - 1.0 / MEMORY_BEATS;
        self.kinds.iter_mut().for_each(|kind| kind.weight *= kept);
        self.weight = self.weight * kept + 1.0;
        match found {
            Some((i, shift)) => self.kinds[i].learn(&beat[shift..shift + POINTS], size),
            None => self.begin(&beat[SHIFT..SHIFT + POINTS], size),
        }
        is_usual
    }

    /// The kind that a beat resembles most, among those it resembles enough, and its best place.
    fn find(&self, beat: &[f32; BEAT_POINTS], size: f32) -> Option<(usize, usize)> {
        let alike = self.kinds.iter().enumerate().filter_map(|(i, kind)| {
            let ratio = (size / kind.size).max(kind.size / size);
            let (shift, r) = best_place(&kind.shape, beat);
            let holds = r >= self.likeness.least_correlation && ratio <= self.likeness.size_ratio;
            holds.then_some((i, shift, r))
        });
        alike.max_by(|a, b| a.2.total_cmp(&b.2)).map(|(i, shift, _)| (i, shift))
    }

    fn begin(&mut self, shape: &[f32], size: f32) {
        if self.kinds.len() == KINDS {
            let by_weight = |(_, a): &(usize, &Kind), (_, b): &(usize, &Kind)| a.weight.total_cmp(&b.weight);
            let rarest = self.kinds.iter().enumerate().min_by(by_weight).map_or(0, |(i, _)| i);
            self.kinds.remove(rarest);
        }
        self.kinds.push(Kind { shape: shape.to_vec(), size, weight: 1.0 });
    }
}

impl Kind {
    fn learn(&mut self, shape: &[f32], size: f32) {
        // The mean of the first twenty, then a slow follower.
        let rate = FOLLOW.max(1.0 / (self.weight + 1.0));
        self.shape.iter_mut().zip(shape).for_each(|(mean, x)| *mean += (x - *mean) * rate);
        self.size += (size - self.size) * rate;
        self.weight += 1.0;
    }
}

/// Peak to peak, never zero.
fn size_of(beat: &[f32]) -> f32 {
    let (low, high) =
        beat.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
    (high - low).max(f32::MIN_POSITIVE)
}

fn best_place(shape: &[f32], beat: &[f32; BEAT_POINTS]) -> (usize, f32) {
    let places = (0..=2 * SHIFT).map(|shift| (shift, correlation(shape, &beat[shift..shift + POINTS])));
    places.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((SHIFT, 0.0))
}

/// Pearson's correlation; 0 where one of the two is constant.
fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len() as f32;
    let (mean_a, mean_b) = (a.iter().sum::<f32>() / n, b.iter().sum::<f32>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x - mean_a, y - mean_b);
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    if aa > 0.0 && bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIKENESS: Likeness = Likeness { least_correlation: 0.9, size_ratio: 1.8 };

    /// A bump of a width, in points, at a place.
    fn bump(centre: f32, width: f32, size: f32) -> [f32; BEAT_POINTS] {
        std::array::from_fn(|i| size * (-0.5 * ((i as f32 - centre) / width).powi(2)).exp())
    }

    #[test]
    fn a_beat_is_usual_by_shape_size_and_place() {
        // (name, centre, width, size, usual)
        let cases = [
            ("the same", 20.0, 2.0, 1.0, true),
            ("five points early", 15.0, 2.0, 1.0, true),
            ("five points late", 25.0, 2.0, 1.0, true),
            ("ten points late", 30.0, 2.0, 1.0, false),
            ("wide", 20.0, 6.0, 1.0, false),
            ("upside down", 20.0, 2.0, -1.0, false),
            ("1.7 times the size", 20.0, 2.0, 1.7, true),
            ("1.9 times the size", 20.0, 2.0, 1.9, false),
            ("1.7 times smaller", 20.0, 2.0, 1.0 / 1.7, true),
            ("1.9 times smaller", 20.0, 2.0, 1.0 / 1.9, false),
            ("flat", 20.0, 2.0, 0.0, false),
        ];
        for (name, centre, width, size, want) in cases {
            let mut usual = Usual::new(LIKENESS);
            for i in 0..50 {
                let is_usual = usual.take(&bump(20.0, 2.0, 1.0));
                // The first ones have faded a little by then.
                assert!(i < 30 && !is_usual || i > 32 && is_usual || (30..=32).contains(&i), "beat {i}");
            }
            assert_eq!(usual.take(&bump(centre, width, size)), want, "{name}");
        }
    }

    #[test]
    fn every_third_beat_is_usual_and_every_sixth_is_not() {
        for (every, want) in [(2, true), (3, true), (6, false)] {
            let mut usual = Usual::new(LIKENESS);
            let mut last = false;
            for i in 1..=400 {
                let is_wide = i % every == 0;
                let found = usual.take(&bump(20.0, if is_wide { 8.0 } else { 2.0 }, 1.0));
                last = if is_wide { found } else { last };
            }
            assert_eq!(last, want, "one in {every}");
        }
    }

    #[test]
    fn a_new_kind_becomes_usual_only_after_a_while_and_noise_displaces_nothing() {
        let mut usual = Usual::new(LIKENESS);
        for _ in 0..100 {
            usual.take(&bump(20.0, 2.0, 1.0));
        }
        let until = (1..).find(|_| usual.take(&bump(20.0, 8.0, 1.0))).unwrap();
        assert!((25..60).contains(&until), "usual after {until} beats");
        for i in 0..40 {
            usual.take(&bump(5.0 + i as f32, 1.0 + i as f32 * 0.1, -3.0 - i as f32));
        }
        assert!(usual.take(&bump(20.0, 2.0, 1.0)));
    }
}
