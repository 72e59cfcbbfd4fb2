//! A replay by the kind of record: what each format gave, and how good the risks were on it.

use std::collections::BTreeMap;

use bedwatch_schemas::{alert::Phase, risk::Head};
use serde::Serialize;

use super::{
    Outcome,
    labels::Standard,
    metrics::{HeadMetrics, head_metrics},
};

/// The sources of one format.
#[derive(Debug, Clone, Serialize)]
pub struct Format {
    /// How many.
    pub sources: usize,
    /// Of these, with faults.
    pub with_faults: usize,
    /// Hours from the first to the last frame, of every patient.
    pub patient_hours: f64,
    /// Events read.
    pub events: u64,
    /// Rows of risks.
    pub risks: usize,
    /// Alerts raised, by kind.
    pub raised_by_kind: BTreeMap<&'static str, u64>,
    /// Raised alerts that are not technical, per bed-day.
    pub alerts_per_bed_day: Option<f64>,
    /// By head: how its risks stand against the labels.
    pub heads: BTreeMap<&'static str, HeadMetrics>,
}

/// By the format's name.
#[must_use]
pub fn of(outcomes: &[Outcome]) -> BTreeMap<String, Format> {
    let mut formats: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        formats.entry(&outcome.format).or_default().push(outcome);
    }
    formats.into_iter().map(|(name, outcomes)| (name.to_owned(), one(&outcomes))).collect()
}

fn one(outcomes: &[&Outcome]) -> Format {
    let raised = || outcomes.iter().flat_map(|o| &o.alerts).filter(|a| a.phase == Phase::Raised);
    let mut by_kind = BTreeMap::new();
    for alert in raised() {
        *by_kind.entry(alert.kind.name()).or_default() += 1;
    }
    let hours: f64 = outcomes.iter().map(|o| o.hours()).sum();
    let clinical = raised().filter(|a| !a.kind.is_technical()).count();
    let measured = |head: Head| {
        let of = move |s: &Standard| Some((s.name(head), head_metrics(outcomes, head, *s)?));
        Standard::of(head).iter().filter_map(of)
    };
    Format {
        sources: outcomes.len(),
        with_faults: outcomes.iter().filter(|o| !o.faults.is_empty()).count(),
        patient_hours: hours,
        events: outcomes.iter().map(|o| o.events()).sum(),
        risks: outcomes.iter().map(|o| o.risks.len()).sum(),
        raised_by_kind: by_kind,
        alerts_per_bed_day: (hours > 0.0).then(|| clinical as f64 / (hours / 24.0)),
        heads: Head::ALL.into_iter().flat_map(measured).collect(),
    }
}
