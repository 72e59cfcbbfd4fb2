//! What people at the bedside would have had: which events were foretold, how early, and how many
//! alerts were about nothing.
//!
//! An event has a time, a stretch before it in which an alert foretells it, and a stretch after it in
//! which an alert is late but true. An alert *stands* from when it is raised until it ends; it foretells
//! an event while it stands before it, and it is true when it stands at any time of an event's whole
//! stretch. So one that was raised long before and still stands counts for the event, and its lead
//! begins with the stretch, not before it.

use std::collections::BTreeMap;

use bedwatch_schemas::{
    alert::{Alert, AlertKind, Phase},
    ids::AlertId,
    time::{EventTime, Span},
};
use serde::Serialize;

use super::interval::{Interval, Resamples, quantile};
use crate::replay::Outcome;

mod definition;

pub use definition::{Definition, Event, events};

/// When an alert stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stood {
    from: EventTime,
    until: EventTime,
}

/// When the alerts of a source stood, by kind; an alert that never ended stood until the last frame.
fn stood(outcome: &Outcome) -> BTreeMap<AlertKind, Vec<Stood>> {
    let end = outcome.span.map(|(_, last)| last);
    let mut open: BTreeMap<AlertId, (AlertKind, Stood)> = BTreeMap::new();
    for alert in outcome.alerts.iter().filter(|a: &&Alert| !a.kind.is_technical()) {
        let until = end.unwrap_or(alert.at).max(alert.at);
        let entry = open.entry(alert.id).or_insert((alert.kind, Stood { from: alert.at, until }));
        if matches!(alert.phase, Phase::Resolved | Phase::Expired) {
            entry.1.until = alert.at;
        }
    }
    let mut by_kind: BTreeMap<AlertKind, Vec<Stood>> = BTreeMap::new();
    for (kind, stood) in open.into_values() {
        by_kind.entry(kind).or_default().push(stood);
    }
    by_kind
}

/// What one source gives to a study.
#[derive(Debug, Clone, Default)]
struct Stay {
    events: f64,
    foretold: f64,
    seen: f64,
    alerts: f64,
    true_alerts: f64,
    hours: f64,
    leads_hours: Vec<f64>,
}

/// What the alerts of a source did for one event.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Met {
    /// Whether one stood before or during it.
    seen: bool,
    /// How long before it one stood, hours; `None`: none foretold it.
    lead_hours: Option<f64>,
}

fn meet(event: Event, alerts: &[Stood], before: Span) -> Met {
    let from = event.at - before;
    let stands = |a: &&Stood, until| a.from <= until && a.until >= from;
    let first = alerts.iter().filter(|a| stands(a, event.at)).map(|a| a.from.max(from)).min();
    Met {
        seen: alerts.iter().any(|a| stands(&a, event.over)),
        lead_hours: first.map(|first| event.at.since(first).as_hours_f64()),
    }
}

/// One event with what one kind of alert did for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// What an event is.
    pub definition: Definition,
    /// The kind of alert; `any` is every clinical kind together.
    pub kind: &'static str,
    /// The source.
    pub source: String,
    /// The event.
    pub event: Event,
    /// Whether an alert stood before or during it.
    pub seen: bool,
    /// How long before it one stood, hours; `None`: none foretold it.
    pub lead_hours: Option<f64>,
}

/// Every event of every definition, with the kind of alert that is made for it and, where others can have
/// to do with it, every clinical kind together.
#[must_use]
pub fn listed(outcomes: &[Outcome]) -> Vec<Listed> {
    let mut all = Vec::new();
    for outcome in outcomes {
        let stood = stood(outcome);
        for definition in Definition::ALL {
            let own = definition.made_for();
            let any = definition.concerns(AlertKind::EarlyWarning).then_some(ANY);
            for kind in any.into_iter().chain([own.name()]) {
                let alerts: Vec<Stood> = match kind {
                    ANY => stood.values().flatten().copied().collect(),
                    _ => stood.get(&own).cloned().unwrap_or_default(),
                };
                for event in events(outcome, definition).unwrap_or_default() {
                    let Met { seen, lead_hours } = meet(event, &alerts, definition.before());
                    let source = outcome.name.clone();
                    all.push(Listed { definition, kind, source, event, seen, lead_hours });
                }
            }
        }
    }
    all
}

fn stay(events: &[Event], alerts: &[Stood], before: Span, hours: f64) -> Stay {
    let mut stay = Stay { hours, alerts: alerts.len() as f64, ..Stay::default() };
    for event in events {
        let met = meet(*event, alerts, before);
        stay.events += 1.0;
        stay.seen += f64::from(u8::from(met.seen));
        if let Some(lead) = met.lead_hours {
            stay.foretold += 1.0;
            stay.leads_hours.push(lead);
        }
    }
    let of_an_event = |a: &&Stood| events.iter().any(|e| a.from <= e.over && a.until >= e.at - before);
    stay.true_alerts = alerts.iter().filter(of_an_event).count() as f64;
    stay
}

/// How the alerts made for an event did at one stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// An event, and an alert stood before it.
    Foretold,
    /// An event, and none stood before it.
    Missed,
    /// No event, and an alert.
    FalseAlarm,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 3] = [Self::Foretold, Self::Missed, Self::FalseAlarm];
}

/// The verdict on a source; `None` where nobody says what happened, or nothing happened and nothing was
/// said.
#[must_use]
pub fn verdict(outcome: &Outcome, of: Definition) -> Option<Verdict> {
    let events = events(outcome, of)?;
    let alerts = stood(outcome).remove(&of.made_for()).unwrap_or_default();
    let told = stay(&events, &alerts, of.before(), 0.0);
    match (events.is_empty(), alerts.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Verdict::FalseAlarm),
        (false, _) if told.foretold > 0.0 => Some(Verdict::Foretold),
        (false, _) => Some(Verdict::Missed),
    }
}

/// One kind of alert against one definition of an event.
#[derive(Debug, Clone, Serialize)]
pub struct AlarmStudy {
    /// What an event is.
    pub definition: Definition,
    /// The kind of alert; `any` is every clinical kind together.
    pub kind: &'static str,
    /// Sources of which the truth is known.
    pub stays: usize,
    /// Their hours.
    pub patient_hours: f64,
    /// Events.
    pub events: usize,
    /// Alerts raised.
    pub alerts: usize,
    /// Share of events before which an alert stood.
    pub foretold: Option<Interval>,
    /// Share of events before or during which one stood.
    pub seen: Option<Interval>,
    /// Share of alerts that stood before or during an event.
    pub positive_predictivity: Option<Interval>,
    /// Alerts per bed-day.
    pub alerts_per_bed_day: Option<Interval>,
    /// Alerts of no event, per patient-hour.
    pub false_alarms_per_patient_hour: Option<Interval>,
    /// The 10th, 25th, 50th, 75th and 90th percentile of how long before the foretold events an alert
    /// stood, in hours.
    pub lead_hours: Option<[f64; 5]>,
    /// How many of them by twelfths of the stretch before, the latest alerts first.
    pub lead_histogram: [u32; TWELFTHS],
}

/// The name of every clinical kind together.
pub const ANY: &str = "any";

/// Bars of the histogram of leads.
pub const TWELFTHS: usize = 12;

/// Every kind of alert against every definition for which some source says the truth.
#[must_use]
pub fn studies(outcomes: &[Outcome]) -> Vec<AlarmStudy> {
    let stood: Vec<_> = outcomes.iter().map(stood).collect();
    let mut kinds: Vec<AlertKind> = stood.iter().flat_map(BTreeMap::keys).copied().collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut studies = Vec::new();
    for of in Definition::ALL {
        let known: Vec<(Vec<Event>, usize)> =
            outcomes.iter().enumerate().filter_map(|(i, o)| Some((events(o, of)?, i))).collect();
        if known.iter().all(|(events, _)| events.is_empty()) {
            continue;
        }
        let resamples = Resamples::new(known.len(), known.len());
        let mut study = |kind: &'static str, alerts: &dyn Fn(usize) -> Vec<Stood>| {
            let stays: Vec<Stay> = known
                .iter()
                .map(|(events, i)| stay(events, &alerts(*i), of.before(), outcomes[*i].hours()))
                .collect();
            studies.push(sum(of, kind, &stays, &resamples));
        };
        if of.concerns(AlertKind::EarlyWarning) {
            study(ANY, &|i| stood[i].values().flatten().copied().collect());
        }
        // What is made for the event is judged even where it never spoke.
        let silent = Some(of.made_for()).filter(|kind| !kinds.contains(kind));
        for kind in silent.iter().chain(&kinds).filter(|kind| of.concerns(**kind)) {
            study(kind.name(), &|i| stood[i].get(kind).cloned().unwrap_or_default());
        }
    }
    studies
}

fn sum(definition: Definition, kind: &'static str, stays: &[Stay], resamples: &Resamples) -> AlarmStudy {
    let total = |counts: &[u16], of: &dyn Fn(&Stay) -> f64| -> f64 {
        counts.iter().zip(stays).map(|(n, stay)| f64::from(*n) * of(stay)).sum()
    };
    let ratio = |part: &dyn Fn(&Stay) -> f64, whole: &dyn Fn(&Stay) -> f64| {
        resamples.interval(|counts| {
            let whole = total(counts, whole);
            (whole > 0.0).then(|| total(counts, part) / whole)
        })
    };
    let count = |of: fn(&Stay) -> f64| stays.iter().map(of).sum::<f64>();
    let mut leads: Vec<f64> = stays.iter().flat_map(|s| s.leads_hours.iter().copied()).collect();
    leads.sort_by(f64::total_cmp);
    let mut lead_histogram = [0; TWELFTHS];
    let twelfth = definition.before().as_hours_f64() / TWELFTHS as f64;
    for lead in leads.iter().filter(|_| twelfth > 0.0) {
        lead_histogram[((lead / twelfth) as usize).min(TWELFTHS - 1)] += 1;
    }
    let at = |share| quantile(&leads, share);
    AlarmStudy {
        definition,
        kind,
        stays: stays.len(),
        patient_hours: count(|s| s.hours),
        events: count(|s| s.events) as usize,
        alerts: count(|s| s.alerts) as usize,
        foretold: ratio(&|s| s.foretold, &|s| s.events),
        seen: ratio(&|s| s.seen, &|s| s.events),
        positive_predictivity: ratio(&|s| s.true_alerts, &|s| s.alerts),
        alerts_per_bed_day: ratio(&|s| s.alerts * 24.0, &|s| s.hours),
        false_alarms_per_patient_hour: ratio(&|s| s.alerts - s.true_alerts, &|s| s.hours),
        lead_hours: at(0.5).map(|_| [0.1, 0.25, 0.5, 0.75, 0.9].map(|share| at(share).unwrap_or(0.0))),
        lead_histogram,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: f64) -> EventTime {
        EventTime::from_millis(946_684_800_000) + Span::minutes((hours * 60.0) as i64)
    }

    fn stands(from: f64, until: f64) -> Stood {
        Stood { from: at(from), until: at(until) }
    }

    /// One event at 20 h that lasts 3 h, foretold from 8 h on: alerts at every boundary.
    #[test]
    fn an_alert_is_early_late_or_about_nothing() {
        let event = [Event { at: at(20.0), over: at(23.0) }];
        // The alert; whether it foretells, is seen, is true; its lead.
        for (from, until, foretold, seen, lead) in [
            (10.0, 11.0, true, true, Some(10.0)),
            (8.0, 8.0, true, true, Some(12.0)),
            (1.0, 8.0, true, true, Some(12.0)),
            (1.0, 7.9, false, false, None),
            (1.0, 30.0, true, true, Some(12.0)),
            (20.0, 21.0, true, true, Some(0.0)),
            (20.1, 21.0, false, true, None),
            (23.0, 30.0, false, true, None),
            (23.1, 30.0, false, false, None),
        ] {
            let got = stay(&event, &[stands(from, until)], Span::hours(12), 48.0);
            let flag = |x: bool| f64::from(u8::from(x));
            assert_eq!(
                (got.foretold, got.seen, got.true_alerts),
                (flag(foretold), flag(seen), flag(seen)),
                "{from} to {until}"
            );
            assert_eq!(got.leads_hours, lead.into_iter().collect::<Vec<_>>(), "{from} to {until}");
        }
    }

    #[test]
    fn the_earliest_alert_gives_the_lead_and_each_alert_counts_once() {
        let events = [Event { at: at(20.0), over: at(21.0) }, Event { at: at(24.0), over: at(25.0) }];
        let alerts = [stands(15.0, 16.0), stands(12.0, 13.0), stands(19.0, 26.0), stands(40.0, 41.0)];
        let got = stay(&events, &alerts, Span::hours(12), 48.0);
        assert_eq!(
            (got.events, got.foretold, got.seen, got.alerts, got.true_alerts),
            (2.0, 2.0, 2.0, 4.0, 3.0)
        );
        assert_eq!(got.leads_hours, [8.0, 12.0]);
        let study = sum(Definition::Sepsis, "sepsis", &[got], &Resamples::new(1, 1));
        assert_eq!(study.positive_predictivity.map(|i| i.value), Some(0.75));
        assert_eq!(study.alerts_per_bed_day.map(|i| i.value), Some(2.0));
        assert_eq!(study.false_alarms_per_patient_hour.map(|i| i.value), Some(1.0 / 48.0));
        assert_eq!(study.lead_hours.map(|l| l[2]), Some(10.0));
        assert_eq!((study.lead_histogram[8], study.lead_histogram[11]), (1, 1));
    }
}
