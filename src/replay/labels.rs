//! A replayed source against its truth, where it has one: labelled hours, or one verdict on the stay.

use std::{borrow::Cow, collections::BTreeMap};

use bedwatch_replay_data::readers::Labels;
use bedwatch_schemas::{
    frame::hour_of,
    risk::Head,
    score::ScoreKind,
    time::{EventTime, Span},
};

use super::Outcome;

mod moments;
pub mod retrospect;
pub mod sepsis3;
pub mod standard;

pub use moments::{Moments, hypoglycaemia_soon};
pub use standard::Standard;

/// One truth with the risk the engine gave it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The label.
    pub truth: bool,
    /// The risk; 0 when the encoder gave none.
    pub risk: f32,
}

/// A truth with what the model and the scores said of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// When the truth is of; `None` where it is of the whole stay.
    pub at: Option<EventTime>,
    /// By the model.
    pub model: Scored,
    /// The scores known then, in the order of [`ScoreKind::ALL`].
    pub scores: [Option<f64>; 6],
}

/// The truth about a stay by clock hour and by moment, for training tables.
#[derive(Debug, Default)]
pub struct Truth {
    hours: BTreeMap<i64, [Option<bool>; 2]>,
    death: Option<bool>,
    moments: Moments,
}

impl Truth {
    /// What a source's labels say.
    #[must_use]
    pub fn new(labels: Option<&Labels>) -> Self {
        let moments = Moments::new(labels);
        match labels {
            Some(Labels::Hourly(hours)) => Self {
                hours: hours.iter().map(|h| (hour_of(h.at), [h.sepsis, h.deterioration])).collect(),
                moments,
                ..Self::default()
            },
            Some(Labels::Stay { death }) => Self { death: Some(*death), moments, ..Self::default() },
            Some(Labels::Course(course)) => Self { death: course.death, moments, ..Self::default() },
            Some(Labels::Marks(_) | Labels::Episodes(_)) | None => Self { moments, ..Self::default() },
        }
    }

    /// Whether a failure is under way at a moment; `None` where nobody says.
    #[must_use]
    pub fn failing(&self, at: EventTime) -> Option<bool> {
        self.moments.failing(at)
    }

    /// What a simulated patient has at a moment, in words.
    #[must_use]
    pub fn words(&self, at: EventTime) -> Option<&'static str> {
        self.moments.words(at)
    }

    /// The label of a head at a moment, where the source marks moments; else that of its hour. `readings`
    /// are the patient's sensor glucose, in the order of time.
    #[must_use]
    pub fn moment(&self, head: Head, at: EventTime, readings: &[(EventTime, f64)]) -> Option<bool> {
        match head {
            Head::Hypoglycaemia => moments::hypoglycaemia_soon(readings, at, moments::LOW_MG_DL),
            Head::Seizure => self.moments.seizure(at),
            Head::Deterioration => self.moments.deterioration(at).or_else(|| self.at(head, hour_of(at))),
            Head::Sepsis | Head::Death => self.at(head, hour_of(at)),
        }
    }

    /// The last labelled hour.
    #[must_use]
    pub fn last_hour(&self) -> Option<i64> {
        self.hours.last_key_value().map(|(hour, _)| *hour)
    }

    /// The label of a head in a clock hour.
    #[must_use]
    pub fn at(&self, head: Head, hour: i64) -> Option<bool> {
        let [sepsis, deterioration] = self.hours.get(&hour).copied().unwrap_or_default();
        match head {
            Head::Sepsis => sepsis,
            Head::Deterioration => deterioration,
            Head::Death => self.death,
            Head::Seizure | Head::Hypoglycaemia => None,
        }
    }
}

/// The labelled hours of a source for one head by a standard, each with the last risk and the last scores given by the
/// hour's end: where nothing new came in an hour, what was said before still stands.
#[must_use]
pub fn hours(outcome: &Outcome, head: Head, standard: Standard) -> Vec<Row> {
    let hours = match (standard, &outcome.labels, &outcome.sepsis3) {
        (Standard::Source, Some(Labels::Hourly(hours)), _) => Cow::Borrowed(hours.as_slice()),
        (Standard::Sepsis3(version), _, Some(sepsis)) => Cow::Owned(sepsis.hours(version)),
        _ => return Vec::new(),
    };
    // Both come in time order, so one walk pairs them.
    let mut risks = outcome.risks.iter().peekable();
    let (mut risk, mut scores) = (0.0, [None; 6]);
    let mut scored = Vec::with_capacity(hours.len());
    for hour in hours.iter() {
        while let Some(row) = risks.next_if(|r| hour_of(r.at) <= hour_of(hour.at)) {
            risk = row.probabilities[head.index()].unwrap_or(risk);
            scores = row.scores;
        }
        let truth = match head {
            Head::Sepsis => hour.sepsis,
            Head::Deterioration => hour.deterioration,
            Head::Death | Head::Seizure | Head::Hypoglycaemia => None,
        };
        scored.extend(truth.map(|truth| Row { at: Some(hour.at), model: Scored { truth, risk }, scores }));
    }
    scored
}

/// A recorded stay is ranked by what was known of it so long after it began, as CinC 2012 ranks: by the
/// last risk of a whole stay one would rank the dying.
const RANKED_AFTER: Span = Span::hours(48);

/// Whether the patient of a source died in hospital, with the last risk of the head that ranks death, of
/// the first 48 hours, and the scores beside it.
#[must_use]
pub fn death(outcome: &Outcome, head: Head) -> Option<Row> {
    let (truth, until) = match outcome.labels.as_ref()? {
        Labels::Stay { death } => (*death, None),
        Labels::Course(course) => (course.death?, Some(course.begins + RANKED_AFTER)),
        Labels::Hourly(_) | Labels::Marks(_) | Labels::Episodes(_) => return None,
    };
    let in_time = outcome.risks.iter().rev().filter(|r| until.is_none_or(|until| r.at <= until));
    let last = in_time.into_iter().find_map(|r| Some((r.probabilities[head.index()]?, r.scores)));
    let (risk, scores) = last.unwrap_or((0.0, [None; 6]));
    Some(Row { at: None, model: Scored { truth, risk }, scores })
}

/// A moment with a truth, the risk the model gave it and the rule beside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told {
    /// The moment.
    pub at: EventTime,
    /// By the model.
    pub model: Scored,
    /// By the rule for the same; more is likelier. `None` where there is no rule or it says nothing.
    pub rule: Option<f32>,
    /// The scores known then, in the order of [`ScoreKind::ALL`].
    pub scores: [Option<f64>; 6],
}

/// Where the score that stands beside deterioration is found in a row.
const NEWS2: usize = ScoreKind::News2 as usize;

/// The moments of a source at which a head spoke and the truth is known: where the source marks moments, and
/// wherever there is sensor glucose.
#[must_use]
pub fn told(outcome: &Outcome, head: Head, standard: Standard) -> Vec<Told> {
    let below_mg_dl = match (standard, head) {
        (Standard::Source, _) => moments::LOW_MG_DL,
        (Standard::GlucoseLevel2, Head::Hypoglycaemia) => moments::VERY_LOW_MG_DL,
        (Standard::GlucoseLevel2 | Standard::Sepsis3(_), _) => return Vec::new(),
    };
    let truth = Moments::new(outcome.labels.as_ref());
    let nothing = Vec::new();
    let told = |row: &super::RiskRow| {
        let risk = row.probabilities[head.index()]?;
        let (truth, rule) = match head {
            Head::Seizure => (truth.seizure(row.at), row.seizure_score),
            // NEWS2 is the score that wards go by.
            Head::Deterioration => (truth.deterioration(row.at), row.scores[NEWS2]),
            Head::Hypoglycaemia => {
                let readings = outcome.readings.get(&row.patient).unwrap_or(&nothing);
                let soon = hypoglycaemia_soon(readings, row.at, below_mg_dl);
                (soon, row.glucose_forecast_mg_dl.map(|mg_dl| -mg_dl))
            }
            Head::Sepsis | Head::Death => return None,
        };
        let rule = rule.map(|x| x as f32);
        Some(Told { at: row.at, model: Scored { truth: truth?, risk }, rule, scores: row.scores })
    };
    outcome.risks.iter().filter_map(told).collect()
}

#[cfg(test)]
mod tests {
    use bedwatch_replay_data::readers::{Course, Hour};

    use super::*;
    use crate::replay::{RiskRow, outcome::testing};

    fn at(minutes: i64) -> EventTime {
        EventTime::from_millis(946_684_800_000) + Span::minutes(minutes)
    }

    fn outcome(labels: Labels) -> Outcome {
        let row = |minutes, sepsis, death| RiskRow {
            probabilities: [sepsis, None, death, None, None],
            ..testing::row(at(minutes))
        };
        let risks = vec![
            row(5, Some(0.1), Some(0.7)),
            row(59, Some(0.2), None),
            row(70, None, None),
            row(185, Some(0.4), Some(0.6)),
            row(200, Some(0.5), None),
        ];
        Outcome { labels: Some(labels), risks, ..testing::outcome() }
    }

    #[test]
    fn an_hour_has_the_last_risk_by_its_end() {
        let hour = |h: i64, sepsis| Hour { hour: 1, at: at(h * 60), sepsis, deterioration: None };
        let labels = [(0, Some(false)), (1, Some(true)), (2, Some(true)), (3, Some(true)), (4, None)];
        let outcome = outcome(Labels::Hourly(labels.map(|(h, s)| hour(h, s)).to_vec()));
        let got: Vec<_> = hours(&outcome, Head::Sepsis, Standard::Source)
            .iter()
            .map(|r| (r.model.truth, r.model.risk))
            .collect();
        assert_eq!(got, [(false, 0.2), (true, 0.2), (true, 0.2), (true, 0.5)]);
        assert_eq!(hours(&outcome, Head::Deterioration, Standard::Source), []);
        assert_eq!(death(&outcome, Head::Death), None);
    }

    #[test]
    fn a_stay_is_ranked_by_its_last_risk() {
        let outcome = outcome(Labels::Stay { death: true });
        let said = |head| death(&outcome, head).map(|r| (r.model.truth, r.model.risk));
        assert_eq!(said(Head::Death), Some((true, 0.6)));
        assert_eq!(said(Head::Deterioration), Some((true, 0.0)));
        assert_eq!(hours(&outcome, Head::Sepsis, Standard::Source), []);
    }

    #[test]
    fn a_recorded_stay_is_ranked_by_its_first_two_days() {
        let course = |begins, death| {
            Labels::Course(Course {
                begins: at(begins),
                ends: at(9_000),
                death,
                failures: Vec::new(),
                infection: None,
            })
        };
        let cases = [
            (course(0, Some(false)), Some((false, 0.6))),
            (course(185 - 48 * 60, Some(true)), Some((true, 0.6))),
            (course(184 - 48 * 60, Some(true)), Some((true, 0.7))),
            (course(-48 * 60, Some(true)), Some((true, 0.0))),
            (course(0, None), None),
        ];
        for (labels, want) in cases {
            let got = death(&outcome(labels.clone()), Head::Death).map(|r| (r.model.truth, r.model.risk));
            assert_eq!(got, want, "{labels:?}");
        }
        assert_eq!(Truth::new(Some(&course(0, Some(true)))).at(Head::Death, 7), Some(true));
    }
}
