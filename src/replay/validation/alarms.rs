//! What people at the bedside would have had: which events were foretold, how early, and how many
//! alerts were about nothing.
//!
//! An event has a time, a stretch before it in which an alert foretells it, and a stretch after it in
//! which an alert is late but true. An alert *stands* from when it is raised until it ends; it foretells
//! an event while it stands before it, and it is true when it stands at any time of an event's whole
//! stretch. So one that was raised long before and still stands counts for the event, and its lead
//! begins with the stretch, not before it.

use std::collections::BTreeMap;

use bedwatch_replay_data::{readers::Labels, simulator::Scenario};
use bedwatch_schemas::{
    alert::{Alert, AlertKind, Phase},
    ids::AlertId,
    time::{EventTime, Span},
};
use serde::Serialize;

use super::interval::{Interval, Resamples, quantile};
use crate::replay::Outcome;

/// What counts as an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Definition {
    /// Sepsis as labelled by the challenge of 2019.
    Sepsis,
    /// A failure: vasopressor, invasive ventilation, arrest, death; shock or respiratory failure in the
    /// simulator.
    Failure,
    /// Sensor glucose below 70 mg/dL.
    LowGlucose,
    /// A seizure.
    Seizure,
}

impl Definition {
    /// Every definition.
    pub const ALL: [Self; 4] = [Self::Sepsis, Self::Failure, Self::LowGlucose, Self::Seizure];

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sepsis => "sepsis",
            Self::Failure => "failure",
            Self::LowGlucose => "low glucose",
            Self::Seizure => "seizure",
        }
    }

    /// In words, with its source.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Sepsis => {
                "onset of sepsis (CinC 2019: 6 h after the label begins); foretold from 12 h before, true until 3 h after (the challenge's own stretch)"
            }
            Self::Failure => {
                "a vasopressor or invasive ventilation with none in the 24 h before, an arrest or death; in the simulator shock or respiratory failure; foretold from 6 h before, true until it is over"
            }
            Self::LowGlucose => {
                "sensor glucose below 70 mg/dL (level 1, Battelino et al. 2019); foretold from 30 min before, true until it is back"
            }
            Self::Seizure => "a seizure (simulated, or as experts labelled it); true until it is over",
        }
    }

    /// The kind of alert that is made for such an event.
    #[must_use]
    pub const fn made_for(self) -> AlertKind {
        match self {
            Self::Sepsis => AlertKind::Sepsis,
            Self::Failure => AlertKind::Deterioration,
            Self::LowGlucose => AlertKind::Hypoglycaemia,
            Self::Seizure => AlertKind::Seizure,
        }
    }

    /// Whether alerts of a kind can have to do with it. Whoever gets septic or fails may be told of in many
    /// ways; low glucose and seizures in one.
    fn concerns(self, kind: AlertKind) -> bool {
        matches!(self, Self::Sepsis | Self::Failure) || kind == self.made_for()
    }

    /// How long before an event an alert foretells it.
    #[must_use]
    pub const fn before(self) -> Span {
        match self {
            Self::Sepsis => Span::hours(12),
            Self::Failure => Span::hours(6),
            Self::LowGlucose => Span::minutes(30),
            Self::Seizure => Span::ZERO,
        }
    }
}

/// Hours from the first label of the challenge to the onset.
const LABEL_LEADS: Span = Span::hours(6);
/// The challenge still rewards an alarm so long after the onset.
const SEPSIS_TRUE_AFTER: Span = Span::hours(3);
/// Low, mg/dL.
const LOW_MG_DL: f64 = 70.0;

/// When something happened and when it was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// When it began.
    pub at: EventTime,
    /// When it was over.
    pub over: EventTime,
}

/// The events of a source; `None` where nobody says.
#[must_use]
pub fn events(outcome: &Outcome, of: Definition) -> Option<Vec<Event>> {
    match of {
        Definition::Sepsis => {
            let Some(Labels::Hourly(hours)) = &outcome.labels else { return None };
            hours.iter().any(|h| h.sepsis.is_some()).then(|| {
                let first = hours.iter().find(|h| h.sepsis == Some(true)).map(|h| h.at + LABEL_LEADS);
                first.map(|at| Event { at, over: at + SEPSIS_TRUE_AFTER }).into_iter().collect()
            })
        }
        Definition::Failure => match outcome.labels.as_ref()? {
            Labels::Course(course) => {
                // What a patient came with was not to be foretold.
                let later = course.failures.iter().filter(|f| f.at > course.begins);
                Some(later.map(|f| Event { at: f.at, over: f.over }).collect())
            }
            Labels::Episodes(all) => {
                Some(all.iter().filter_map(|e| Some(Event { at: e.failure?, over: e.end })).collect())
            }
            Labels::Hourly(_) | Labels::Marks(_) | Labels::Stay { .. } => None,
        },
        Definition::Seizure => match outcome.labels.as_ref()? {
            Labels::Episodes(all) => {
                let seizures = all.iter().filter(|e| e.scenario == Scenario::Seizure);
                Some(seizures.map(|e| Event { at: e.onset, over: e.end }).collect())
            }
            Labels::Marks(marks) => {
                let labelled = || marks.iter().filter(|m| m.text.starts_with("IIIC:"));
                labelled().next()?;
                let seizures = labelled().filter(|m| m.text == "IIIC:SZ");
                Some(
                    seizures
                        .map(|m| Event { at: m.at, over: m.at + m.lasts.unwrap_or(Span::ZERO) })
                        .collect(),
                )
            }
            Labels::Hourly(_) | Labels::Course(_) | Labels::Stay { .. } => None,
        },
        Definition::LowGlucose => {
            let mut all = Vec::new();
            for readings in outcome.readings.values() {
                let mut low: Option<Event> = None;
                for &(at, mg_dl) in readings {
                    match (&mut low, mg_dl < LOW_MG_DL) {
                        (None, true) => low = Some(Event { at, over: at }),
                        (Some(event), true) => event.over = at,
                        (Some(_), false) => all.extend(low.take()),
                        (None, false) => {}
                    }
                }
                all.extend(low);
            }
            (!outcome.readings.is_empty()).then_some(all)
        }
    }
}

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

fn stay(events: &[Event], alerts: &[Stood], before: Span, hours: f64) -> Stay {
    let mut stay = Stay { hours, alerts: alerts.len() as f64, ..Stay::default() };
    for event in events {
        let from = event.at - before;
        let stands = |a: &&Stood, until| a.from <= until && a.until >= from;
        stay.events += 1.0;
        stay.seen += f64::from(u8::from(alerts.iter().any(|a| stands(&a, event.over))));
        let first = alerts.iter().filter(|a| stands(a, event.at)).map(|a| a.from.max(from)).min();
        if let Some(first) = first {
            stay.foretold += 1.0;
            stay.leads_hours.push(event.at.since(first).as_hours_f64());
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

    #[test]
    fn nothing_happened_is_not_nothing_known() {
        let hour = |sepsis| bedwatch_replay_data::readers::Hour {
            hour: 1,
            at: at(0.0),
            sepsis,
            deterioration: None,
        };
        let with = |labels| Outcome { labels, ..crate::replay::outcome::testing::outcome() };
        for (label, want) in [(None, None), (Some(false), Some(0)), (Some(true), Some(1))] {
            let outcome = with(Some(Labels::Hourly(vec![hour(label)])));
            assert_eq!(events(&outcome, Definition::Sepsis).map(|e| e.len()), want);
            assert_eq!(events(&outcome, Definition::Failure), None);
        }
        let mut outcome = with(None);
        assert_eq!(events(&outcome, Definition::LowGlucose), None);
        let readings = [80.0, 69.9, 60.0, 70.0, 69.0];
        let readings = readings.iter().enumerate().map(|(i, v)| (at(i as f64), *v)).collect();
        outcome.readings.insert("p".to_owned(), readings);
        let low = events(&outcome, Definition::LowGlucose).unwrap();
        let want = [Event { at: at(1.0), over: at(2.0) }, Event { at: at(4.0), over: at(4.0) }];
        assert_eq!(low, want);
    }
}
