//! What the models in force and the candidate have in common, counted as they speak.

use std::collections::BTreeMap;

use bedwatch_schemas::{
    NOTICE,
    alert::{AlertKind, Phase},
    ids::PatientId,
    risk::Head,
};
use serde::Serialize;

use super::{Assessed, Decided};

/// Alerts of one kind by who told them. Those that still stand alone are in neither.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// By both: each stood at some moment while the other did.
    pub both: u64,
    /// By the models in force alone.
    pub only_active: u64,
    /// By the candidate alone.
    pub only_shadow: u64,
}

/// Risks of one head, where both spoke of the same patient at the same moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct HeadView {
    /// How often.
    pub compared: u64,
    /// Of these, both at or above, or both below, their operating points.
    pub agree: u64,
    /// Mean of the candidate's risk less the other.
    pub mean_difference: f64,
    /// Mean of how far they lie apart.
    pub mean_distance: f64,
}

/// The comparison so far, as JSON says it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct View {
    /// What this software is and is not.
    pub notice: &'static str,
    /// The candidate's bundles.
    pub candidate: Vec<String>,
    /// Steps evaluated.
    pub evaluated: u64,
    /// Steps skipped because the candidate was too slow.
    pub skipped: u64,
    /// Clinical alerts.
    pub alerts: BTreeMap<&'static str, Counts>,
    /// Risks by head.
    pub risks: BTreeMap<&'static str, HeadView>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Active,
    Shadow,
}

impl Side {
    const fn index(self) -> usize {
        match self {
            Self::Active => 0,
            Self::Shadow => 1,
        }
    }
}

/// Whether an alert stands on each side, and has met one of the other side.
type Standing = [Option<bool>; 2];

/// The counts and what stands.
#[derive(Debug)]
pub struct Tally {
    candidate: Vec<String>,
    evaluated: u64,
    standing: BTreeMap<(PatientId, AlertKind), Standing>,
    alerts: BTreeMap<&'static str, Counts>,
    /// Compared, agreeing, sum of differences, sum of distances.
    risks: BTreeMap<Head, (u64, u64, f64, f64)>,
}

impl Tally {
    /// Nothing compared yet.
    #[must_use]
    pub fn new(candidate: Vec<String>) -> Self {
        Self {
            candidate,
            evaluated: 0,
            standing: BTreeMap::new(),
            alerts: BTreeMap::new(),
            risks: BTreeMap::new(),
        }
    }

    /// Takes a step of both, and gives the alerts whose tellers are known by it.
    pub fn step(&mut self, active: &Decided, shadow: &Decided) -> Vec<(AlertKind, &'static str)> {
        self.evaluated += 1;
        let mut grown = Vec::new();
        // All that begins before all that ends: what stood within the step stood at the same moment.
        for begins in [true, false] {
            for (side, decided) in [(Side::Active, active), (Side::Shadow, shadow)] {
                for (patient, kind, phase) in &decided.alerts {
                    match (phase, begins) {
                        (Phase::Raised, true) => grown.extend(self.raised(side, patient, *kind)),
                        (phase, false) if phase.ends() => grown.extend(self.ended(side, patient, *kind)),
                        _ => {}
                    }
                }
            }
        }
        self.compare(&active.risks, &shadow.risks);
        grown
    }

    fn raised(
        &mut self,
        side: Side,
        patient: &PatientId,
        kind: AlertKind,
    ) -> Option<(AlertKind, &'static str)> {
        let standing = self.standing.entry((patient.clone(), kind)).or_default();
        let (own, other) = (side.index(), 1 - side.index());
        let first_met = standing[other] == Some(false);
        if let Some(met) = &mut standing[other] {
            *met = true;
        }
        standing[own] = Some(standing[other].is_some());
        if !first_met {
            return None;
        }
        self.alerts.entry(kind.name()).or_default().both += 1;
        Some((kind, "both"))
    }

    fn ended(
        &mut self,
        side: Side,
        patient: &PatientId,
        kind: AlertKind,
    ) -> Option<(AlertKind, &'static str)> {
        let key = (patient.clone(), kind);
        let standing = self.standing.get_mut(&key)?;
        let met = standing[side.index()].take()?;
        if standing.iter().all(Option::is_none) {
            self.standing.remove(&key);
        }
        if met {
            return None;
        }
        let counts = self.alerts.entry(kind.name()).or_default();
        match side {
            Side::Active => {
                counts.only_active += 1;
                Some((kind, "only_active"))
            }
            Side::Shadow => {
                counts.only_shadow += 1;
                Some((kind, "only_shadow"))
            }
        }
    }

    fn compare(&mut self, active: &[Assessed], shadow: &[Assessed]) {
        for own in active {
            let same = |other: &&Assessed| other.patient == own.patient && other.at == own.at;
            let Some(other) = shadow.iter().find(same) else { continue };
            for head in Head::ALL {
                let i = head.index();
                let (Some((a, told_a)), Some((b, told_b))) = (own.risks[i], other.risks[i]) else { continue };
                let sums = self.risks.entry(head).or_default();
                let difference = f64::from(b) - f64::from(a);
                sums.0 += 1;
                sums.1 += u64::from(told_a == told_b);
                sums.2 += difference;
                sums.3 += difference.abs();
            }
        }
    }

    /// The comparison so far.
    #[must_use]
    pub fn view(&self) -> View {
        let risks = self.risks.iter().map(|(head, (compared, agree, differences, distances))| {
            let mean = |sum: f64| sum / (*compared).max(1) as f64;
            let view = HeadView {
                compared: *compared,
                agree: *agree,
                mean_difference: mean(*differences),
                mean_distance: mean(*distances),
            };
            (head.name(), view)
        });
        View {
            notice: NOTICE,
            candidate: self.candidate.clone(),
            evaluated: self.evaluated,
            skipped: 0,
            alerts: self.alerts.clone(),
            risks: risks.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::time::EventTime;

    use super::*;

    fn decided(alerts: &[(&str, Phase)]) -> Decided {
        let of =
            |(patient, phase): &(&str, Phase)| (PatientId::new(patient).unwrap(), AlertKind::Sepsis, *phase);
        Decided { alerts: alerts.iter().map(of).collect(), risks: Vec::new() }
    }

    /// Who told what, step by step: (active, shadow) of one patient; what is counted in the end.
    #[test]
    fn alerts_are_told_by_both_when_they_stood_together() {
        use Phase::{Acknowledged, Expired, Raised, Resolved};
        type Steps<'a> = &'a [(Option<Phase>, Option<Phase>)];
        let cases: [(Steps<'_>, [u64; 3]); 9] = [
            (&[(Some(Raised), Some(Raised)), (Some(Resolved), Some(Resolved))], [1, 0, 0]),
            (&[(Some(Raised), None), (None, Some(Raised)), (Some(Resolved), Some(Expired))], [1, 0, 0]),
            (&[(Some(Raised), None), (Some(Resolved), None)], [0, 1, 0]),
            (&[(None, Some(Raised)), (None, Some(Resolved))], [0, 0, 1]),
            (
                &[(Some(Raised), None), (Some(Resolved), None), (None, Some(Raised)), (None, Some(Resolved))],
                [0, 1, 1],
            ),
            // Raised in the step in which the other ends: they stood together.
            (&[(Some(Raised), None), (Some(Resolved), Some(Raised)), (None, Some(Resolved))], [1, 0, 0]),
            // Two of one side while one of the other stands: one meeting.
            (
                &[
                    (Some(Raised), Some(Raised)),
                    (None, Some(Resolved)),
                    (None, Some(Raised)),
                    (Some(Resolved), Some(Resolved)),
                ],
                [1, 0, 0],
            ),
            // Stands still: nobody knows yet.
            (&[(Some(Raised), None), (Some(Acknowledged), None)], [0, 0, 0]),
            // Ends without having begun, as after a start.
            (&[(Some(Resolved), Some(Expired))], [0, 0, 0]),
        ];
        for (steps, want) in cases {
            let mut tally = Tally::new(Vec::new());
            let mut grown = 0;
            for (active, shadow) in steps {
                let of =
                    |phase: &Option<Phase>| decided(&phase.iter().map(|p| ("p", *p)).collect::<Vec<_>>());
                grown += tally.step(&of(active), &of(shadow)).len() as u64;
            }
            let got = tally.view().alerts.get("sepsis").copied().unwrap_or_default();
            assert_eq!([got.both, got.only_active, got.only_shadow], want, "{steps:?}");
            assert_eq!(grown, want.iter().sum::<u64>());
        }
    }

    #[test]
    fn patients_are_kept_apart_and_nothing_is_kept_of_what_has_ended() {
        use Phase::{Raised, Resolved};
        let mut tally = Tally::new(Vec::new());
        tally.step(&decided(&[("p", Raised)]), &decided(&[("q", Raised)]));
        tally.step(&decided(&[("p", Resolved)]), &decided(&[("q", Resolved)]));
        assert_eq!(tally.view().alerts["sepsis"], Counts { both: 0, only_active: 1, only_shadow: 1 });
        assert!(tally.standing.is_empty());
    }

    #[test]
    fn risks_are_compared_where_both_spoke() {
        let at = |micros| EventTime::from_micros(micros);
        let assessed = |patient: &str, when, risk: Option<(f32, bool)>| Assessed {
            patient: PatientId::new(patient).unwrap(),
            at: at(when),
            risks: [risk, None, None, None, None],
        };
        let mut tally = Tally::new(Vec::new());
        let of = |risks| Decided { alerts: Vec::new(), risks };
        tally.step(
            &of(vec![assessed("p", 1, Some((0.25, false))), assessed("q", 1, Some((0.5, true)))]),
            &of(vec![assessed("q", 1, Some((0.25, false))), assessed("p", 1, Some((0.75, true)))]),
        );
        tally.step(
            &of(vec![assessed("p", 2, Some((0.5, true)))]),
            &of(vec![assessed("p", 3, Some((0.5, true)))]),
        );
        tally.step(&of(vec![assessed("p", 4, Some((0.5, true)))]), &of(vec![assessed("p", 4, None)]));
        tally.step(
            &of(vec![assessed("p", 5, Some((0.5, true)))]),
            &of(vec![assessed("p", 5, Some((0.5, true)))]),
        );
        let got = tally.view().risks["sepsis"];
        assert_eq!((got.compared, got.agree), (3, 1));
        assert!((got.mean_difference - 0.25 / 3.0).abs() < 1e-9 && (got.mean_distance - 0.25).abs() < 1e-9);
    }
}
