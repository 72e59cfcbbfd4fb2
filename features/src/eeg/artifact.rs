//! Which channel-windows are not brain.
//!
//! The bounds are plain amplitude and ratio tests of the kind used before quantitative EEG (Nolan et
//! al. 2010, FASTER; clinical.md): an unplugged or grounded electrode draws a flat line, a saturated
//! amplifier repeats its rail, an electrode that loses contact pops (one step far beyond the
//! channel's own) or takes up the mains, muscle fills 30-45 Hz. Mains and muscle have to be large
//! against the EEG as well as in themselves, so that a suppressed EEG is not mistaken for either.

use serde::{Deserialize, Serialize};

/// Why a channel-window is not used, the first that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Artifact {
    /// More than a twentieth of the samples are missing.
    Missing,
    /// Less than 1 uV from peak to peak.
    Flat,
    /// More than 1,000 uV from peak to peak.
    Amplitude,
    /// A tenth of a second's samples lie exactly on its extremes.
    Clipped,
    /// A single step of 150 uV, or of 50 uV and twenty times the mean step.
    Pop,
    /// Mains power of more than three times the EEG's and nine times the median channel's: a bad
    /// contact. Mains common to all channels do not reach .5-30 Hz and are only reported.
    Mains,
    /// 30-45 Hz power of more than .3 of the EEG's and an rms of 4 uV.
    Muscle,
}

impl Artifact {
    /// Every reason, in the order of the checks.
    pub const ALL: [Artifact; 7] = [
        Artifact::Missing,
        Artifact::Flat,
        Artifact::Amplitude,
        Artifact::Clipped,
        Artifact::Pop,
        Artifact::Mains,
        Artifact::Muscle,
    ];
}

const MISSING_SHARE: f32 = 0.05;
const FLAT_UV: f32 = 1.0;
const AMPLITUDE_UV: f32 = 500.0;
const CLIPPED_SHARE: f32 = 0.1;
const CLIPPED_RANGE_UV: f32 = 40.0;
const POP_UV: f32 = 150.0;
const SMALL_POP_UV: f32 = 50.0;
const POP_OVER_MEAN_STEP: f32 = 20.0;
const MAINS_RATIO: f32 = 3.0;
const MAINS_UV2: f32 = 25.0;
const MAINS_OVER_OTHERS: f32 = 9.0;
const MUSCLE_RATIO: f32 = 0.3;
const MUSCLE_UV2: f32 = 16.0;

/// What the checks look at: one channel over one window.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Check {
    pub missing_share: f32,
    pub range_uv: f32,
    /// Half the distance between its extremes.
    pub excursion_uv: f32,
    /// Samples at the exact extremes, in the worst of the window's seconds.
    pub railed_share: f32,
    pub largest_step_uv: f32,
    pub mean_step_uv: f32,
    pub total_uv2: f32,
    pub mains_uv2: f32,
    /// Median of the channels' mains power.
    pub others_mains_uv2: f32,
    pub muscle_uv2: f32,
}

impl Check {
    fn has_own_mains(&self) -> bool {
        self.mains_uv2 > MAINS_UV2
            && self.mains_uv2 > MAINS_RATIO * self.total_uv2
            && self.mains_uv2 > MAINS_OVER_OTHERS * self.others_mains_uv2
    }

    pub(super) fn artifact(&self) -> Option<Artifact> {
        let pops = self.largest_step_uv > POP_UV
            || (self.largest_step_uv > SMALL_POP_UV
                && self.largest_step_uv > POP_OVER_MEAN_STEP * self.mean_step_uv);
        let checks = [
            (Artifact::Missing, self.missing_share > MISSING_SHARE),
            (Artifact::Flat, self.range_uv < FLAT_UV),
            (Artifact::Amplitude, self.excursion_uv > AMPLITUDE_UV),
            (Artifact::Clipped, self.railed_share > CLIPPED_SHARE && self.range_uv > CLIPPED_RANGE_UV),
            (Artifact::Pop, pops),
            (Artifact::Mains, self.has_own_mains()),
            (
                Artifact::Muscle,
                self.muscle_uv2 > MUSCLE_UV2 && self.muscle_uv2 > MUSCLE_RATIO * self.total_uv2,
            ),
        ];
        checks.into_iter().find_map(|(artifact, found)| found.then_some(artifact))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_boundary() {
        let good = Check {
            missing_share: 0.0,
            range_uv: 100.0,
            excursion_uv: 60.0,
            railed_share: 0.01,
            largest_step_uv: 20.0,
            mean_step_uv: 4.0,
            total_uv2: 400.0,
            mains_uv2: 10.0,
            others_mains_uv2: 10.0,
            muscle_uv2: 10.0,
        };
        let cases = [
            (good, None),
            (Check { missing_share: 0.05, ..good }, None),
            (Check { missing_share: 0.051, ..good }, Some(Artifact::Missing)),
            (Check { range_uv: 1.0, ..good }, None),
            (Check { range_uv: 0.99, ..good }, Some(Artifact::Flat)),
            (Check { excursion_uv: 500.0, ..good }, None),
            (Check { excursion_uv: 500.1, ..good }, Some(Artifact::Amplitude)),
            (Check { railed_share: 0.1, ..good }, None),
            (Check { railed_share: 0.11, ..good }, Some(Artifact::Clipped)),
            (Check { railed_share: 0.11, range_uv: 40.0, ..good }, None),
            (Check { largest_step_uv: 150.0, mean_step_uv: 10.0, ..good }, None),
            (Check { largest_step_uv: 150.1, mean_step_uv: 10.0, ..good }, Some(Artifact::Pop)),
            (Check { largest_step_uv: 50.0, mean_step_uv: 1.0, ..good }, None),
            (Check { largest_step_uv: 50.1, mean_step_uv: 2.51, ..good }, None),
            (Check { largest_step_uv: 50.1, mean_step_uv: 2.5, ..good }, Some(Artifact::Pop)),
            (Check { mains_uv2: 1_200.0, ..good }, None),
            (Check { mains_uv2: 1_200.1, ..good }, Some(Artifact::Mains)),
            (Check { mains_uv2: 1_200.1, others_mains_uv2: 133.4, ..good }, None),
            (Check { mains_uv2: 25.0, total_uv2: 1.0, ..good }, None),
            (Check { muscle_uv2: 120.0, ..good }, None),
            (Check { muscle_uv2: 121.0, ..good }, Some(Artifact::Muscle)),
            (Check { muscle_uv2: 16.0, total_uv2: 1.0, ..good }, None),
        ];
        for (check, want) in cases {
            assert_eq!(check.artifact(), want, "{check:?}");
        }
    }
}
