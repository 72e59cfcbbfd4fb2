//! What was missing: how often the models looked at a patient without a signal, and how often alerts
//! were decided without it.

use std::collections::BTreeMap;

use bedwatch_schemas::{
    alert::{Alert, Phase},
    evidence::Subject,
    frame::FeatureFrame,
    signal::Signal,
};
use serde::{Deserialize, Serialize};

use super::Outcome;

/// How often each signal was known when the encoder ran, in the order of [`Signal::ALL`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Known {
    /// Encoder passes.
    pub passes: u64,
    /// Of these, with a value that still described the patient.
    pub known: Vec<u64>,
}

impl Known {
    pub(super) fn take(&mut self, frame: &FeatureFrame) {
        self.passes += 1;
        self.known.resize(Signal::COUNT, 0);
        for (n, signal) in self.known.iter_mut().zip(Signal::ALL) {
            *n += u64::from(frame.current(*signal).is_some());
        }
    }
}

/// One signal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub signal: &'static str,
    /// Share of the encoder's passes in which no value described the patient.
    pub missing_of_passes: f64,
    /// Share of the sources in which it never did.
    pub never_of_sources: f64,
    /// Raised alerts whose evidence says that it was missing.
    pub missing_of_alerts: usize,
}

/// Every signal that a source had or an alert missed, the least missing first.
#[must_use]
pub fn of(outcomes: &[Outcome]) -> Vec<Row> {
    let looked: Vec<&Known> = outcomes.iter().map(|o| &o.known).filter(|k| k.passes > 0).collect();
    let passes: u64 = looked.iter().map(|k| k.passes).sum();
    let alerts = in_alerts(outcomes);
    let row = |(i, signal): (usize, &Signal)| {
        let known: u64 = looked.iter().map(|k| k.known[i]).sum();
        let missing_of_alerts = alerts.get(signal).copied().unwrap_or(0);
        let never = looked.iter().filter(|k| k.known[i] == 0).count();
        (known > 0 || missing_of_alerts > 0).then(|| Row {
            signal: signal.info().name,
            missing_of_passes: 1.0 - known as f64 / passes.max(1) as f64,
            never_of_sources: never as f64 / looked.len().max(1) as f64,
            missing_of_alerts,
        })
    };
    let mut rows: Vec<Row> = Signal::ALL.iter().enumerate().filter_map(row).collect();
    rows.sort_by(|a, b| a.missing_of_passes.total_cmp(&b.missing_of_passes).then(a.signal.cmp(b.signal)));
    rows
}

fn in_alerts(outcomes: &[Outcome]) -> BTreeMap<Signal, usize> {
    let mut missing = BTreeMap::new();
    let raised = |a: &&Alert| a.phase == Phase::Raised;
    for lacking in outcomes.iter().flat_map(|o| &o.alerts).filter(raised).flat_map(|a| &a.evidence.missing) {
        if let Subject::Signal(signal) = lacking.subject {
            *missing.entry(signal).or_default() += 1;
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::outcome::testing;

    #[test]
    fn shares_are_of_passes_and_of_sources() {
        let known = |passes, of: &[(Signal, u64)]| {
            let mut known = vec![0; Signal::COUNT];
            for (signal, n) in of {
                known[signal.index()] = *n;
            }
            Outcome { known: Known { passes, known }, ..testing::outcome() }
        };
        let outcomes = [
            known(10, &[(Signal::HeartRate, 10), (Signal::Lactate, 2)]),
            known(30, &[(Signal::HeartRate, 20)]),
            testing::outcome(),
        ];
        let row = |signal, missing_of_passes, never_of_sources| Row {
            signal,
            missing_of_passes,
            never_of_sources,
            missing_of_alerts: 0,
        };
        assert_eq!(of(&outcomes), [row("heart_rate", 0.25, 0.0), row("lactate", 0.95, 0.5)]);
        assert_eq!(of(&[]), []);
    }
}
