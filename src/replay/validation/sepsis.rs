//! What the computed labels of sepsis rest on: how many stays tell of infections, what each version of the
//! definition makes of them, how often only a date was known, and how much of SOFA was missing.

use serde::Serialize;

use crate::replay::{
    Outcome,
    labels::{
        retrospect::{PARTS, SofaKnown},
        sepsis3::{Onset, Version},
    },
};

/// The computed labels of all sources.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Computed {
    /// Stays whose records tell of cultures and antibiotics.
    pub stays: usize,
    /// What each version makes of them.
    pub versions: Vec<VersionCounts>,
    /// Hours scored.
    pub sofa_hours: u64,
    /// Share of them in which all six parts were known; a missing part counts 0.
    pub sofa_complete: f64,
    /// Share of them in which each part was known, in the order oxygenation, coagulation, liver, circulation,
    /// consciousness, kidneys.
    pub sofa_parts_known: [f64; PARTS.len()],
}

/// One version's counts of stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct VersionCounts {
    /// The version.
    pub version: Version,
    /// Septic before the stay or in its first four hours: left out of all figures.
    pub came_with: usize,
    /// Septic later.
    pub septic: usize,
    /// Of these, with an onset of which only the date is known: it stands at the day's beginning.
    pub by_date: usize,
}

/// Counts the labels; `None` where no source has any.
#[must_use]
pub fn of(outcomes: &[Outcome]) -> Option<Computed> {
    let stays: Vec<_> = outcomes.iter().filter_map(|o| o.sepsis3.as_ref()).collect();
    let mut known = SofaKnown::default();
    for stay in &stays {
        known.hours += stay.known.hours;
        known.complete += stay.known.complete;
        for (sum, n) in known.parts.iter_mut().zip(stay.known.parts) {
            *sum += n;
        }
    }
    let share = |n: u64| n as f64 / known.hours.max(1) as f64;
    let counts = |version: Version| {
        let count = |is: fn(Onset) -> bool| stays.iter().filter(|s| is(s.onset(version))).count();
        VersionCounts {
            version,
            came_with: count(|o| o == Onset::CameWith),
            septic: count(|o| matches!(o, Onset::At(_))),
            by_date: count(|o| matches!(o, Onset::At(s) if s.is_date)),
        }
    };
    (!stays.is_empty()).then(|| Computed {
        stays: stays.len(),
        versions: Version::ALL.map(counts).to_vec(),
        sofa_hours: known.hours,
        sofa_complete: share(known.complete),
        sofa_parts_known: known.parts.map(share),
    })
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::time::EventTime;

    use super::*;
    use crate::replay::{
        labels::{retrospect::Sepsis3, sepsis3::Suspicion},
        outcome::testing,
    };

    #[test]
    fn stays_are_counted_by_version() {
        let at = EventTime::from_millis(946_684_800_000);
        let onset = |is_date| Onset::At(Suspicion { at, is_date });
        let stay = |onsets, hours| Outcome {
            sepsis3: Some(Sepsis3 {
                begins: at,
                ends: at,
                onsets,
                known: SofaKnown { hours, complete: 1, parts: [1, 2, 0, 0, 0, hours] },
            }),
            ..testing::outcome()
        };
        let outcomes = [
            testing::outcome(),
            stay([onset(false), Onset::Never], 5),
            stay([onset(true), Onset::CameWith], 3),
            stay([Onset::CameWith, onset(false)], 2),
        ];
        assert_eq!(of(&outcomes[..1]), None);
        let got = of(&outcomes).unwrap();
        let count = |v: &VersionCounts| (v.came_with, v.septic, v.by_date);
        assert_eq!(got.versions.iter().map(count).collect::<Vec<_>>(), [(1, 2, 1), (1, 1, 0)]);
        assert_eq!((got.stays, got.sofa_hours, got.sofa_complete), (3, 10, 0.3));
        assert_eq!(got.sofa_parts_known, [0.3, 0.6, 0.0, 0.0, 0.0, 1.0]);
    }
}
