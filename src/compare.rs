//! Two replays of the same records against each other: another model, threshold or version.
//!
//! [`read`] takes what a replay wrote, [`matching`] pairs the alerts, [`paired`] compares figures over
//! the same stays and the same resamples, [`rule`] says whether to promote, and by which rule.
//! [`report`] is the page. The same two folders give the same bytes.

pub mod matching;
pub mod paired;
pub mod read;
pub mod report;
pub mod rule;

use bedwatch_schemas::NOTICE;
use serde::Serialize;

pub use read::{Error, Run};

/// What differs between two runs. `a` is what is in force, `b` the candidate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What this software is and is not.
    pub notice: &'static str,
    /// Whether both read the same records.
    pub same_data: bool,
    /// Whether both told the same alerts, withheld the same and gave the same risks.
    pub nothing_changed: bool,
    /// Versions and settings that differ.
    pub changed: Vec<Changed>,
    /// Alerts that appeared, vanished or moved.
    pub alerts: matching::Alerts,
    /// Clinical alerts per bed-day.
    pub burden: Option<paired::Paired>,
    /// Heads against their labels.
    pub heads: Vec<paired::HeadPair>,
    /// Events foretold.
    pub events: Vec<paired::EventPair>,
    /// Whether to promote.
    pub recommendation: rule::Recommendation,
}

/// One setting or version that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Changed {
    /// What: `engine`, `model encoder`, or the key of the configuration.
    pub what: String,
    /// In force.
    pub a: String,
    /// The candidate's.
    pub b: String,
}

/// Compares two runs.
///
/// # Errors
/// When they read other records, unless `anyway`.
pub fn of(a: &Run, b: &Run, anyway: bool) -> Result<Comparison, Error> {
    let same_data = a.data == b.data;
    if !same_data && !anyway {
        return Err(Error::OtherData);
    }
    let alerts = matching::compare(a, b);
    let heads = paired::heads(&a.truths, &b.truths);
    let events = paired::events(&a.events, &b.events);
    let burden = paired::burden(&a.stays, &b.stays);
    let nothing_changed =
        a.alerts_sha256 == b.alerts_sha256 && a.withheld == b.withheld && a.risks == b.risks;
    let recommendation = rule::recommend(a, b, nothing_changed, &heads, &events, burden.as_ref());
    Ok(Comparison {
        notice: NOTICE,
        same_data,
        nothing_changed,
        changed: changed(a, b),
        alerts,
        burden,
        heads,
        events,
        recommendation,
    })
}

fn changed(a: &Run, b: &Run) -> Vec<Changed> {
    let mut all = Vec::new();
    let keys: std::collections::BTreeSet<&String> = a.versions.keys().chain(b.versions.keys()).collect();
    for what in keys {
        let of = |run: &Run| run.versions.get(what).cloned().unwrap_or_else(|| "none".to_owned());
        if of(a) != of(b) {
            all.push(Changed { what: what.clone(), a: of(a), b: of(b) });
        }
    }
    all
}
