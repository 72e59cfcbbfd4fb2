//! How good the engine was on labelled records, for someone who must decide: every figure with an
//! interval by stays, beside the scores that wards go by on the same rows, for groups of people, and by
//! the alerts that people would have had.

pub mod alarms;
pub mod interval;
pub mod monitor;
pub mod ranked;
pub mod sepsis;

use bedwatch_schemas::{risk::Head, score::ScoreKind, time::EventTime};
use serde::Serialize;

use super::{
    Outcome, challenge,
    labels::{self, Row, Scored, Standard},
    outcome::Person,
};
use interval::{Interval, Resamples};
use ranked::{Bin, Ranked};

/// Everything that needs the truth.
#[derive(Debug, Clone, Serialize)]
pub struct Validation {
    /// Each head that has labels.
    pub heads: Vec<HeadStudy>,
    /// Alerts against events.
    pub alarms: Vec<alarms::AlarmStudy>,
    /// Alarms of a bedside monitor: true or false.
    pub monitor_alarms: Option<monitor::MonitorStudy>,
}

/// One head against its labels.
#[derive(Debug, Clone, Serialize)]
pub struct HeadStudy {
    /// The head, and under which definition where it has several.
    pub head: &'static str,
    /// What is scored: `hour`, `moment` or `stay`.
    pub per: &'static str,
    /// Sources with labels.
    pub stays: usize,
    /// Rows scored.
    pub rows: usize,
    /// Positive ones.
    pub positives: usize,
    /// Where the head alerts.
    pub operating_point: f32,
    /// Area under the ROC curve.
    pub auroc: Option<Interval>,
    /// Average precision.
    pub auprc: Option<Interval>,
    /// Calibration error over ten equally filled bins.
    pub calibration_error: Option<Interval>,
    /// The challenge's normalised utility at the operating point (sepsis by the hour).
    pub utility: Option<Interval>,
    /// The best min(sensitivity, positive predictivity) (death).
    pub min_sensitivity_predictivity: Option<Interval>,
    /// The reliability diagram.
    pub reliability: Vec<Bin>,
    /// (false positive rate, sensitivity).
    pub roc: Vec<[f64; 2]>,
    /// (threshold, net benefit of the model, of acting always), per row.
    pub decision: Vec<[f64; 3]>,
    /// The scores that wards go by, on the same rows.
    pub rivals: Vec<Rival>,
    /// Groups of people.
    pub groups: Vec<Group>,
}

/// A score on the same rows; where it is not known it counts as its lowest.
#[derive(Debug, Clone, Serialize)]
pub struct Rival {
    /// Its name.
    pub score: &'static str,
    /// Share of rows in which it is known.
    pub known: f64,
    /// Area under the ROC curve.
    pub auroc: Option<Interval>,
    /// The model's area less this one's, over the same resamples.
    pub model_gains: Option<Interval>,
}

/// The same head for some of the people.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    /// What divides: `sex`, `age`, `unit`, `site`.
    pub by: &'static str,
    /// Which.
    pub group: String,
    /// Stays.
    pub stays: usize,
    /// Rows.
    pub rows: usize,
    /// Positive ones.
    pub positives: usize,
    /// Area under the ROC curve.
    pub auroc: Option<Interval>,
    /// Share of positive rows at or above the operating point.
    pub sensitivity: Option<Interval>,
    /// Share of the others at or above it.
    pub false_positive_rate: Option<Interval>,
    /// The challenge's utility (sepsis by the hour).
    pub utility: Option<Interval>,
}

/// A source with labels.
struct Stay {
    source: String,
    rows: Vec<Row>,
    person: Option<Person>,
    site: String,
}

impl Stay {
    fn model(&self) -> Vec<Scored> {
        self.rows.iter().map(|r| r.model).collect()
    }
}

/// Studies every head and every kind of alert for which the sources say the truth.
#[must_use]
pub fn of(outcomes: &[Outcome]) -> Validation {
    Validation {
        heads: Head::ALL
            .into_iter()
            .flat_map(|head| Standard::of(head).iter().filter_map(move |s| study(outcomes, head, *s)))
            .collect(),
        alarms: alarms::studies(outcomes),
        monitor_alarms: monitor::study(outcomes),
    }
}

/// The labelled rows of every source for a head, what they are, and the head that speaks.
fn rows(outcomes: &[Outcome], head: Head, standard: Standard) -> Option<(&'static str, Head, Vec<Stay>)> {
    let stays = |of: &dyn Fn(&Outcome) -> Vec<Row>| -> Vec<Stay> {
        let stay = |o: &Outcome| Stay {
            source: o.name.clone(),
            rows: of(o),
            person: o.person(),
            site: o.site.clone(),
        };
        outcomes.iter().map(stay).filter(|s| !s.rows.is_empty()).collect()
    };
    let told = |head| outcomes.iter().any(|o| o.operating_points.contains_key(&head));
    if head == Head::Death {
        let by = [Head::Death, Head::Deterioration].into_iter().find(|h| told(*h))?;
        return Some(("stay", by, stays(&|o| labels::death(o, by).into_iter().collect())));
    }
    if !told(head) {
        return None;
    }
    let hours = stays(&|o| labels::hours(o, head, standard));
    if !hours.is_empty() {
        return Some(("hour", head, hours));
    }
    let row = |t: labels::Told| Row { at: Some(t.at), model: t.model, scores: t.scores };
    Some(("moment", head, stays(&|o| labels::told(o, head, standard).into_iter().map(row).collect())))
}

/// A truth with the risk that a head gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// The head, and under which definition where it has several.
    pub head: &'static str,
    /// What is scored: `hour`, `moment` or `stay`.
    pub per: &'static str,
    /// The source.
    pub source: String,
    /// When; `None` for a stay.
    pub at: Option<EventTime>,
    /// The label.
    pub truth: bool,
    /// The risk.
    pub risk: f32,
    /// Where the head alerts.
    pub operating_point: f32,
}

/// Every truth that the studies rest on.
#[must_use]
pub fn truths(outcomes: &[Outcome]) -> Vec<Truth> {
    let of = |head, standard: Standard| {
        let (per, by, stays) = rows(outcomes, head, standard)?;
        let operating_point = outcomes.iter().find_map(|o| o.operating_points.get(&by).copied())?;
        let truth = move |source: String, row: Row| Truth {
            head: standard.name(head),
            per,
            source,
            at: row.at,
            truth: row.model.truth,
            risk: row.model.risk,
            operating_point,
        };
        let of_stay = move |stay: Stay| {
            let Stay { source, rows, .. } = stay;
            rows.into_iter().map(move |row| truth(source.clone(), row))
        };
        Some(stays.into_iter().flat_map(of_stay).collect::<Vec<_>>())
    };
    Head::ALL
        .into_iter()
        .flat_map(|head| Standard::of(head).iter().filter_map(move |s| of(head, *s)))
        .flatten()
        .collect()
}

/// Thresholds of the decision curve, per cent.
const THRESHOLDS_PERCENT: std::ops::RangeInclusive<u32> = 1..=60;

fn study(outcomes: &[Outcome], head: Head, standard: Standard) -> Option<HeadStudy> {
    let (per, by, stays) = rows(outcomes, head, standard)?;
    if stays.is_empty() {
        return None;
    }
    let point = outcomes.iter().find_map(|o| o.operating_points.get(&by).copied())?;
    let model: Vec<Vec<Scored>> = stays.iter().map(Stay::model).collect();
    let ranked = Ranked::new(model.iter().map(Vec::as_slice));
    let resamples = Resamples::new(stays.len(), ranked.len());
    let once = vec![1; stays.len()];
    let thresholds: Vec<f64> = THRESHOLDS_PERCENT.map(|p| f64::from(p) / 100.0).collect();
    let benefits = ranked.net_benefit(&once, &thresholds);
    let is_challenge = head == Head::Sepsis && per == "hour";
    Some(HeadStudy {
        head: standard.name(head),
        per,
        stays: stays.len(),
        rows: ranked.len(),
        positives: model.iter().flatten().filter(|s| s.truth).count(),
        operating_point: point,
        auroc: resamples.interval(|n| ranked.auroc(n)),
        auprc: resamples.interval(|n| ranked.auprc(n)),
        calibration_error: resamples.interval(|n| ranked.calibration_error(n)),
        utility: is_challenge.then(|| utility(&model, point, &resamples)).flatten(),
        min_sensitivity_predictivity: (head == Head::Death)
            .then(|| resamples.interval(|n| ranked.min_sensitivity_predictivity(n)))
            .flatten(),
        reliability: ranked.bins(&once),
        roc: ranked.roc(&once, 100),
        decision: thresholds.iter().zip(benefits).map(|(t, [model, all])| [*t, model, all]).collect(),
        rivals: rivals(&stays, &ranked, &resamples),
        groups: groups(&stays, point, is_challenge),
    })
}

fn utility(stays: &[Vec<Scored>], point: f32, resamples: &Resamples) -> Option<Interval> {
    let alarm = |s: &Scored| (s.truth, s.risk >= point);
    let of: Vec<[f64; 3]> =
        stays.iter().map(|s| challenge::utility(&s.iter().map(alarm).collect::<Vec<_>>())).collect();
    resamples.interval(|counts| {
        let weighed = |(n, u): (&u16, &[f64; 3])| u.map(|x| x * f64::from(*n));
        challenge::normalised(&counts.iter().zip(&of).map(weighed).collect::<Vec<_>>())
    })
}

fn rivals(stays: &[Stay], model: &Ranked, resamples: &Resamples) -> Vec<Rival> {
    let rival = |(i, kind): (usize, ScoreKind)| {
        let known = stays.iter().flat_map(|s| &s.rows).filter(|r| r.scores[i].is_some()).count();
        if known == 0 {
            return None;
        }
        let scored = |r: &Row| Scored { risk: r.scores[i].map_or(f32::MIN, |v| v as f32), ..r.model };
        let rows: Vec<Vec<Scored>> = stays.iter().map(|s| s.rows.iter().map(scored).collect()).collect();
        let ranked = Ranked::new(rows.iter().map(Vec::as_slice));
        Some(Rival {
            score: kind.name(),
            known: known as f64 / ranked.len() as f64,
            auroc: resamples.interval(|n| ranked.auroc(n)),
            model_gains: resamples.interval(|n| Some(model.auroc(n)? - ranked.auroc(n)?)),
        })
    };
    ScoreKind::ALL.into_iter().enumerate().filter_map(rival).collect()
}

/// Groups with fewer stays say nothing of a group, and something of its people.
const FEWEST: usize = 20;

fn groups(stays: &[Stay], point: f32, is_challenge: bool) -> Vec<Group> {
    let person = |of: fn(&Person) -> Option<String>| {
        move |s: &Stay| s.person.as_ref().and_then(of).unwrap_or_else(|| "not known".to_owned())
    };
    let mut all = Vec::new();
    let mut divide = |by: &'static str, name: &dyn Fn(&Stay) -> String| {
        let mut parts: std::collections::BTreeMap<String, Vec<&Stay>> = std::collections::BTreeMap::new();
        for stay in stays {
            parts.entry(name(stay)).or_default().push(stay);
        }
        if parts.len() > 1 {
            let large = parts.into_iter().filter(|(_, stays)| stays.len() >= FEWEST);
            all.extend(large.map(|(name, stays)| group(by, name, &stays, point, is_challenge)));
        }
    };
    divide("sex", &person(Person::sex_name));
    divide("age", &person(Person::age_band));
    divide("unit", &person(Person::unit_name));
    divide("site", &|s| s.site.clone());
    all
}

fn group(by: &'static str, name: String, stays: &[&Stay], point: f32, is_challenge: bool) -> Group {
    let model: Vec<Vec<Scored>> = stays.iter().map(|s| s.model()).collect();
    let ranked = Ranked::new(model.iter().map(Vec::as_slice));
    let resamples = Resamples::new(stays.len(), ranked.len());
    let told = |truth: bool| {
        let counts: Vec<[f64; 2]> = model
            .iter()
            .map(|rows| {
                let of = || rows.iter().filter(|s| s.truth == truth);
                [of().filter(|s| s.risk >= point).count() as f64, of().count() as f64]
            })
            .collect();
        resamples.interval(|n| {
            let sum = |i: usize| n.iter().zip(&counts).map(|(n, c)| f64::from(*n) * c[i]).sum::<f64>();
            (sum(1) > 0.0).then(|| sum(0) / sum(1))
        })
    };
    Group {
        by,
        group: name,
        stays: stays.len(),
        rows: ranked.len(),
        positives: model.iter().flatten().filter(|s| s.truth).count(),
        auroc: resamples.interval(|n| ranked.auroc(n)),
        sensitivity: told(true),
        false_positive_rate: told(false),
        utility: is_challenge.then(|| utility(&model, point, &resamples)).flatten(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
