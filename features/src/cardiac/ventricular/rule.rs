//! What a run of ventricular tachycardia cannot do without.
//!
//! A run of at least five ventricular beats at 100/min or more (Clifford et al., CinC 2015:273) takes the
//! place of the patient's own beats for a while in every lead, disturbs the pulse for a while, and repeats
//! itself. Each bound is a fifth below the least that any true alarm showed: false alarms had no part in
//! choosing them, so that what a bound suppresses is not what it was fitted to. How they were made and
//! what leave-one-out says of them: `docs/vt.md`, `inference/training/bedwatch_training/ventricular.py`.

use serde::Serialize;

use super::Evidence;

/// Bounds below which a run is contradicted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bounds {
    /// Longest stretch without a usual beat in the ECG lead that has the shortest, seconds.
    pub ecg_interruption_secs: f64,
    /// The same of pulses.
    pub pulse_interruption_secs: f64,
    /// Greatest autocorrelation at 100 to 250/min in that stretch.
    pub rhythm: f64,
}

/// The bounds in force.
pub const BOUNDS: Bounds =
    Bounds { ecg_interruption_secs: 1.73, pulse_interruption_secs: 1.68, rhythm: 0.31 };

/// Whether the last seconds support a run of ventricular tachycardia.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// Nothing contradicts it, and an ECG lead was there to be looked at.
    Supported,
    /// Usual beats go on in an ECG lead.
    UsualBeats,
    /// Usual pulses go on.
    UsualPulses,
    /// The ECG is disturbed, but without the rhythm of a run.
    NoRhythm,
    /// No ECG lead could be looked at, and no pulse contradicts it.
    Unknown,
}

impl Support {
    /// The snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Support::Supported => "supported",
            Support::UsualBeats => "usual_beats",
            Support::UsualPulses => "usual_pulses",
            Support::NoRhythm => "no_rhythm",
            Support::Unknown => "unknown",
        }
    }

    /// Whether a run is contradicted: what is unknown is not.
    #[must_use]
    pub const fn is_contradicted(self) -> bool {
        matches!(self, Support::UsualBeats | Support::UsualPulses | Support::NoRhythm)
    }
}

impl Evidence {
    /// What the evidence says under `bounds`; the first contradiction in the order of the variants.
    #[must_use]
    pub fn support(&self, bounds: &Bounds) -> Support {
        let below = |found: Option<f64>, bound: f64| found.is_some_and(|found| found < bound);
        if below(self.ecg_interruption_secs, bounds.ecg_interruption_secs) {
            Support::UsualBeats
        } else if below(self.pulse_interruption_secs, bounds.pulse_interruption_secs) {
            Support::UsualPulses
        } else if below(self.rhythm, bounds.rhythm) {
            Support::NoRhythm
        } else if self.ecg_interruption_secs.is_some() {
            Support::Supported
        } else {
            Support::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_and_everything_missing() {
        let bounds = Bounds { ecg_interruption_secs: 2.0, pulse_interruption_secs: 1.5, rhythm: 0.3 };
        // (ECG, pulse, rhythm, support)
        let cases = [
            (Some(2.0), Some(1.5), Some(0.3), Support::Supported),
            (Some(1.99), Some(1.5), Some(0.3), Support::UsualBeats),
            (Some(1.99), Some(1.0), Some(0.1), Support::UsualBeats),
            (Some(2.0), Some(1.49), Some(0.3), Support::UsualPulses),
            (Some(2.0), Some(1.49), Some(0.1), Support::UsualPulses),
            (Some(2.0), Some(1.5), Some(0.29), Support::NoRhythm),
            (Some(2.0), None, Some(0.29), Support::NoRhythm),
            (Some(2.0), None, Some(0.3), Support::Supported),
            (Some(2.0), Some(1.5), None, Support::Supported),
            (None, Some(1.49), None, Support::UsualPulses),
            (None, Some(1.5), None, Support::Unknown),
            (None, None, None, Support::Unknown),
        ];
        for (ecg, pulse, rhythm, want) in cases {
            let evidence = Evidence {
                ecg_leads: 0,
                pulses: 0,
                ecg_interruption_secs: ecg,
                pulse_interruption_secs: pulse,
                rhythm,
                rhythm_per_min: None,
            };
            let got = evidence.support(&bounds);
            assert_eq!(got, want, "{ecg:?} {pulse:?} {rhythm:?}");
            let contradicted = !matches!(want, Support::Supported | Support::Unknown);
            assert_eq!(got.is_contradicted(), contradicted);
        }
    }
}
