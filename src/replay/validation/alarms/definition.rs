//! What counts as an event, and which events a source tells of.

use bedwatch_replay_data::{readers::Labels, simulator::Scenario};
use bedwatch_schemas::{
    alert::AlertKind,
    time::{EventTime, Span},
};
use serde::Serialize;

use crate::replay::{
    Outcome,
    labels::{
        retrospect::{LABEL_LEADS, LABELLED_AFTER},
        sepsis3::{Onset, Version},
    },
};

/// What counts as an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Definition {
    /// Sepsis as labelled by the challenge of 2019.
    Sepsis,
    /// Sepsis-3 computed from the records, onset at the suspicion of infection.
    SepsisSeymour2016,
    /// Sepsis-3 computed from the records as the challenge of 2019 defines it.
    SepsisCinc2019,
    /// A failure: vasopressor, invasive ventilation, arrest, death; shock or respiratory failure in the
    /// simulator.
    Failure,
    /// Sensor glucose below 70 mg/dL.
    LowGlucose,
    /// Sensor glucose below 54 mg/dL.
    VeryLowGlucose,
    /// Sensor glucose above 180 mg/dL.
    HighGlucose,
    /// Sensor glucose above 250 mg/dL.
    VeryHighGlucose,
    /// A seizure.
    Seizure,
}

impl Definition {
    /// Every definition.
    pub const ALL: [Self; 9] = [
        Self::Sepsis,
        Self::SepsisSeymour2016,
        Self::SepsisCinc2019,
        Self::Failure,
        Self::LowGlucose,
        Self::VeryLowGlucose,
        Self::HighGlucose,
        Self::VeryHighGlucose,
        Self::Seizure,
    ];

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sepsis => "sepsis",
            Self::SepsisSeymour2016 => Version::Seymour2016.name(),
            Self::SepsisCinc2019 => Version::Cinc2019.name(),
            Self::Failure => "failure",
            Self::LowGlucose => "low glucose",
            Self::VeryLowGlucose => "low glucose (level 2)",
            Self::HighGlucose => "high glucose",
            Self::VeryHighGlucose => "high glucose (level 2)",
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
            Self::SepsisSeymour2016 => {
                "a suspected infection (a culture and an antibiotic, Seymour et al. 2016) with SOFA two points above its baseline between 48 h before and 24 h after, onset at the suspicion; stays that came with sepsis (onset before their fifth hour) are left out; foretold from 12 h before, true until 3 h after"
            }
            Self::SepsisCinc2019 => {
                "a suspected infection (a blood culture and 72 h of intravenous antibiotics, Reyna et al. 2020) with a rise of SOFA by two points within 24 h, between 24 h before and 12 h after, onset at the earlier of the two; stays that came with sepsis (onset before their fifth hour) are left out; foretold from 12 h before, true until 3 h after"
            }
            Self::Failure => {
                "a vasopressor or invasive ventilation with none in the 24 h before, an arrest or death; in the simulator shock or respiratory failure; foretold from 6 h before, true until it is over"
            }
            Self::LowGlucose => {
                "sensor glucose below 70 mg/dL (level 1, Battelino et al. 2019); foretold from 30 min before, true until it is back"
            }
            Self::VeryLowGlucose => {
                "sensor glucose below 54 mg/dL (level 2, Battelino et al. 2019); foretold from 30 min before, true until it is back"
            }
            Self::HighGlucose => {
                "sensor glucose above 180 mg/dL (level 1, Battelino et al. 2019); foretold from 30 min before, true until it is back"
            }
            Self::VeryHighGlucose => {
                "sensor glucose above 250 mg/dL (level 2, Battelino et al. 2019); foretold from 30 min before, true until it is back"
            }
            Self::Seizure => "a seizure (simulated, or as experts labelled it); true until it is over",
        }
    }

    /// The kind of alert that is made for such an event.
    #[must_use]
    pub const fn made_for(self) -> AlertKind {
        match self {
            Self::Sepsis | Self::SepsisSeymour2016 | Self::SepsisCinc2019 => AlertKind::Sepsis,
            Self::Failure => AlertKind::Deterioration,
            Self::LowGlucose | Self::VeryLowGlucose => AlertKind::Hypoglycaemia,
            Self::HighGlucose | Self::VeryHighGlucose => AlertKind::Hyperglycaemia,
            Self::Seizure => AlertKind::Seizure,
        }
    }

    /// Whether alerts of a kind can have to do with it. Whoever gets septic or fails may be told of in many
    /// ways; glucose and seizures in one.
    pub(super) fn concerns(self, kind: AlertKind) -> bool {
        let of_the_whole_body = matches!(self.made_for(), AlertKind::Sepsis | AlertKind::Deterioration);
        of_the_whole_body || kind == self.made_for()
    }

    /// How long before an event an alert foretells it.
    #[must_use]
    pub const fn before(self) -> Span {
        match self {
            Self::Sepsis | Self::SepsisSeymour2016 | Self::SepsisCinc2019 => Span::hours(12),
            Self::Failure => Span::hours(6),
            Self::LowGlucose | Self::VeryLowGlucose | Self::HighGlucose | Self::VeryHighGlucose => {
                Span::minutes(30)
            }
            Self::Seizure => Span::ZERO,
        }
    }
}

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
                first.map(|at| Event { at, over: at + LABELLED_AFTER }).into_iter().collect()
            })
        }
        Definition::SepsisSeymour2016 => computed(outcome, Version::Seymour2016),
        Definition::SepsisCinc2019 => computed(outcome, Version::Cinc2019),
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
        Definition::LowGlucose => glucose(outcome, |mg_dl| mg_dl < 70.0),
        Definition::VeryLowGlucose => glucose(outcome, |mg_dl| mg_dl < 54.0),
        Definition::HighGlucose => glucose(outcome, |mg_dl| mg_dl > 180.0),
        Definition::VeryHighGlucose => glucose(outcome, |mg_dl| mg_dl > 250.0),
    }
}

/// Sepsis-3 as the records tell it; of a stay that came with it nobody is asked.
fn computed(outcome: &Outcome, version: Version) -> Option<Vec<Event>> {
    match outcome.sepsis3.as_ref()?.onset(version) {
        Onset::CameWith => None,
        Onset::Never => Some(Vec::new()),
        Onset::At(s) => Some(vec![Event { at: s.at, over: s.at + LABELLED_AFTER }]),
    }
}

/// Stretches of sensor glucose beyond a limit; `None` where there is no sensor.
fn glucose(outcome: &Outcome, is_beyond: fn(f64) -> bool) -> Option<Vec<Event>> {
    let mut all = Vec::new();
    for readings in outcome.readings.values() {
        let mut open: Option<Event> = None;
        for &(at, mg_dl) in readings {
            match (&mut open, is_beyond(mg_dl)) {
                (None, true) => open = Some(Event { at, over: at }),
                (Some(event), true) => event.over = at,
                (Some(_), false) => all.extend(open.take()),
                (None, false) => {}
            }
        }
        all.extend(open);
    }
    (!outcome.readings.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: f64) -> EventTime {
        EventTime::from_millis(946_684_800_000) + Span::minutes((hours * 60.0) as i64)
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

    #[test]
    fn glucose_beyond_each_limit() {
        let of = |mg_dl: f64| {
            let mut outcome = crate::replay::outcome::testing::outcome();
            outcome.readings.insert("p".to_owned(), vec![(at(0.0), mg_dl)]);
            let events = |d| events(&outcome, d).map_or(0, |e| e.len());
            [
                Definition::VeryLowGlucose,
                Definition::LowGlucose,
                Definition::HighGlucose,
                Definition::VeryHighGlucose,
            ]
            .map(events)
        };
        for (mg_dl, want) in [
            (53.9, [1, 1, 0, 0]),
            (54.0, [0, 1, 0, 0]),
            (69.9, [0, 1, 0, 0]),
            (70.0, [0, 0, 0, 0]),
            (180.0, [0, 0, 0, 0]),
            (180.1, [0, 0, 1, 0]),
            (250.0, [0, 0, 1, 0]),
            (250.1, [0, 0, 1, 1]),
        ] {
            assert_eq!(of(mg_dl), want, "{mg_dl}");
        }
    }

    #[test]
    fn a_stay_that_came_with_sepsis_is_not_asked_about() {
        use crate::replay::labels::{
            retrospect::{Sepsis3, SofaKnown},
            sepsis3::Suspicion,
        };
        let onset = Onset::At(Suspicion { at: at(20.0), is_date: false });
        let with = |onsets| Outcome {
            sepsis3: Some(Sepsis3 { begins: at(0.0), ends: at(50.0), onsets, known: SofaKnown::default() }),
            ..crate::replay::outcome::testing::outcome()
        };
        let outcome = with([onset, Onset::CameWith]);
        let want = Event { at: at(20.0), over: at(23.0) };
        assert_eq!(events(&outcome, Definition::SepsisSeymour2016), Some(vec![want]));
        assert_eq!(events(&outcome, Definition::SepsisCinc2019), None);
        assert_eq!(events(&outcome, Definition::Sepsis), None);
        let outcome = with([Onset::Never, onset]);
        assert_eq!(events(&outcome, Definition::SepsisSeymour2016), Some(vec![]));
        assert_eq!(events(&outcome, Definition::SepsisCinc2019), Some(vec![want]));
    }
}
