//! Alarms of a bedside monitor: true or false, against what experts said of them.
//!
//! The score is the challenge's of 2015 (Clifford et al., CinC 2015:273): (TP + TN) / (TP + TN + FP + 5 FN),
//! where a positive is an alarm that the engine does not contradict.

use std::collections::BTreeMap;

use bedwatch_features::cardiac::ventricular::{BOUNDS, Bounds, Evidence, Support, WINDOW_SECS};
use serde::Serialize;

use super::interval::{Interval, Resamples, wilson};
use crate::replay::{Outcome, monitor::Judged};

/// What must stand beside every figure of these.
pub const CAUTION: &str = "An annotation: no alarm of a monitor is withheld for it. On the records that the bounds were made from, this flatters; leave-one-out stands in docs/vt.md.";

/// Alarms of a monitor as the engine judged them.
#[derive(Debug, Clone, Serialize)]
pub struct MonitorStudy {
    /// What must be known of these figures.
    pub caution: &'static str,
    /// What was looked at before each alarm, seconds.
    pub window_secs: usize,
    /// The bounds in force.
    pub bounds: Bounds,
    /// Judged alarms of which the truth is told.
    pub alarms: usize,
    /// True alarms that are not contradicted, and those that are.
    pub true_kept: usize,
    /// True alarms that are contradicted.
    pub true_lost: usize,
    /// False alarms that are contradicted.
    pub false_suppressed: usize,
    /// False alarms that are not.
    pub false_kept: usize,
    /// Share of the false alarms that would be suppressed (Wilson's interval).
    pub suppressed: Option<Interval>,
    /// Share of the true alarms that would be lost (Wilson's interval).
    pub lost: Option<Interval>,
    /// The challenge's score (interval by records).
    pub score: Option<Interval>,
    /// By what the engine says: true and false alarms.
    pub by_support: BTreeMap<&'static str, [usize; 2]>,
    /// Judged alarms of which nobody told the truth.
    pub without_truth: usize,
    /// Alarms of other kinds, which nothing here judges.
    pub not_judged: usize,
    /// Blocks of ECG and pulses that could not be looked at.
    pub refused_blocks: u64,
    /// Feeds of these that were begun anew, so that what was usual had to be learned again.
    pub resets: u64,
    /// Every alarm, in the order of the sources.
    pub rows: Vec<Row>,
}

/// One alarm.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The source's name.
    pub record: String,
    /// When it sounded.
    pub at: String,
    /// What the monitor called it.
    pub alarm: &'static str,
    /// What experts said.
    pub truth: Option<bool>,
    /// What the engine says; `None` for other kinds.
    pub support: Option<&'static str>,
    /// Whether it is contradicted.
    pub contradicted: bool,
    /// The figures behind it.
    pub evidence: Option<Evidence>,
}

/// The four outcomes, in the order they are shown in.
pub const OUTCOMES: [(&str, bool, bool); 4] = [
    ("true alarm, supported", true, false),
    ("true alarm, contradicted", true, true),
    ("false alarm, contradicted", false, true),
    ("false alarm, not contradicted", false, false),
];

/// Studies the alarms of all sources; `None` where there is none.
#[must_use]
pub fn study(outcomes: &[Outcome]) -> Option<MonitorStudy> {
    let all = || outcomes.iter().flat_map(|o| o.monitor_alarms.iter().map(move |j| (o, j)));
    let rows: Vec<Row> = all().map(|(outcome, judged)| row(outcome, judged)).collect();
    if rows.is_empty() {
        return None;
    }
    let judged = || all().filter_map(|(_, j)| Some((j.support()?, j.alarm.truth)));
    // (truth, contradicted) of each.
    let told: Vec<(bool, bool)> =
        judged().filter_map(|(support, truth)| Some((truth?, support.is_contradicted()))).collect();
    let count = |of: (bool, bool)| told.iter().filter(|t| **t == of).count();
    let (true_kept, true_lost) = (count((true, false)), count((true, true)));
    let (false_suppressed, false_kept) = (count((false, true)), count((false, false)));
    let mut by_support: BTreeMap<&'static str, [usize; 2]> = BTreeMap::new();
    for (support, truth) in judged() {
        if let Some(truth) = truth {
            by_support.entry(support.name()).or_default()[usize::from(!truth)] += 1;
        }
    }
    let with_alarms = || outcomes.iter().filter(|o| !o.monitor_alarms.is_empty());
    let resamples = Resamples::new(told.len().max(1), told.len());
    Some(MonitorStudy {
        caution: CAUTION,
        window_secs: WINDOW_SECS,
        bounds: BOUNDS,
        alarms: told.len(),
        true_kept,
        true_lost,
        false_suppressed,
        false_kept,
        suppressed: wilson(false_suppressed, false_suppressed + false_kept),
        lost: wilson(true_lost, true_kept + true_lost),
        score: resamples.interval(|counts| {
            let weighed = |of: (bool, bool)| {
                let own = told.iter().zip(counts).filter(|(t, _)| **t == of);
                own.map(|(_, n)| f64::from(*n)).sum::<f64>()
            };
            score([(true, false), (false, true), (false, false), (true, true)].map(weighed))
        }),
        by_support,
        without_truth: judged().filter(|(_, truth)| truth.is_none()).count(),
        not_judged: rows.iter().filter(|r| r.support.is_none()).count(),
        refused_blocks: with_alarms().map(|o| o.monitor_unused.refused_blocks).sum(),
        resets: with_alarms().map(|o| o.monitor_unused.resets).sum(),
        rows,
    })
}

/// The challenge's score of true positives, true negatives, false positives and false negatives.
fn score([tp, tn, fp, missed]: [f64; 4]) -> Option<f64> {
    let all = tp + tn + fp + 5.0 * missed;
    (all > 0.0).then(|| (tp + tn) / all)
}

fn row(outcome: &Outcome, judged: &Judged) -> Row {
    let support = judged.support();
    Row {
        record: outcome.name.clone(),
        at: judged.alarm.at.to_string(),
        alarm: judged.alarm.kind.name(),
        truth: judged.alarm.truth,
        support: support.map(Support::name),
        contradicted: support.is_some_and(Support::is_contradicted),
        evidence: judged.evidence,
    }
}

/// The first alarm of each of the four outcomes, with its source.
#[must_use]
pub fn examples(outcomes: &[Outcome]) -> Vec<(&'static str, &Outcome, &Judged)> {
    let found = |(name, truth, contradicted): (&'static str, bool, bool)| {
        let mut all = outcomes.iter().flat_map(|o| o.monitor_alarms.iter().map(move |j| (o, j)));
        let (outcome, judged) = all.find(|(_, j)| {
            let is_contradicted = j.support().map(Support::is_contradicted);
            j.alarm.truth == Some(truth) && is_contradicted == Some(contradicted) && !j.strip.is_empty()
        })?;
        Some((name, outcome, judged))
    };
    OUTCOMES.into_iter().filter_map(found).collect()
}

/// The study in one sentence.
#[must_use]
pub fn sentence(study: &MonitorStudy) -> String {
    let share = |i: Option<Interval>| {
        i.map_or(String::new(), |i| {
            let [value, low, high] = [i.value, i.low, i.high].map(|x| x * 100.0);
            format!(" ({value:.0} %, {low:.0} to {high:.0})")
        })
    };
    let score = study.score.map_or(String::new(), |i| format!(", score {:.3}", i.value));
    format!(
        "{} ventricular tachycardia alarms: {} of {} false ones contradicted{}, {} of {} true ones{}{score}",
        study.alarms,
        study.false_suppressed,
        study.false_suppressed + study.false_kept,
        share(study.suppressed),
        study.true_lost,
        study.true_kept + study.true_lost,
        share(study.lost),
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use bedwatch_features::cardiac::ventricular::Counts;
    use bedwatch_replay_data::readers::{AlarmKind, MonitorAlarm};
    use bedwatch_schemas::time::EventTime;

    use super::*;
    use crate::replay::{monitor::Trace, outcome::testing};

    /// An alarm whose ECG was without usual beats for so long.
    fn alarm(kind: AlarmKind, truth: Option<bool>, interruption_secs: f64) -> Judged {
        let evidence = Evidence {
            ecg_leads: 2,
            pulses: 0,
            ecg_interruption_secs: Some(interruption_secs),
            pulse_interruption_secs: None,
            rhythm: Some(0.9),
            rhythm_per_min: Some(150.0),
        };
        let points = vec![[4.0, 0.0], [3.0, f32::NAN], [2.0, 1.0], [1.0, 0.5]];
        Judged {
            alarm: MonitorAlarm { at: EventTime::from_millis(946_684_800_000), kind, truth },
            evidence: Some(evidence),
            strip: vec![Trace { label: "<II>".to_owned(), points }],
        }
    }

    /// Eight true alarms of which one is contradicted, ten false ones of which six are, two untold and one
    /// of another kind.
    pub(crate) fn ward() -> Vec<Outcome> {
        let vt = AlarmKind::VentricularTachycardia;
        let alarms = (0..8)
            .map(|i| alarm(vt, Some(true), if i == 3 { 1.0 } else { 3.0 }))
            .chain((0..10).map(|i| alarm(vt, Some(false), if i < 6 { 1.0 } else { 3.0 })))
            .chain([3.0, 1.0].map(|secs| alarm(vt, None, secs)))
            .chain([alarm(AlarmKind::Asystole, Some(true), 1.0)]);
        alarms
            .enumerate()
            .map(|(i, judged)| Outcome {
                name: format!("v{i}"),
                monitor_alarms: vec![judged],
                monitor_unused: Counts { refused_blocks: 2, resets: 1, ..Counts::default() },
                ..testing::outcome()
            })
            .collect()
    }

    #[test]
    fn alarms_are_counted_by_truth_and_verdict() {
        let study = study(&ward()).unwrap();
        assert_eq!((study.alarms, study.without_truth, study.not_judged), (18, 2, 1));
        assert_eq!((study.true_kept, study.true_lost), (7, 1));
        assert_eq!((study.false_suppressed, study.false_kept), (6, 4));
        assert_eq!(study.by_support, BTreeMap::from([("supported", [7, 4]), ("usual_beats", [1, 6])]));
        let score = study.score.unwrap();
        assert!((score.value - 13.0 / (13.0 + 4.0 + 5.0)).abs() < 1e-12);
        assert!(score.low < score.value && score.value < score.high);
        assert_eq!(study.rows.len(), 21);
        assert_eq!((study.refused_blocks, study.resets), (42, 21));
        assert!(sentence(&study).starts_with(
            "18 ventricular tachycardia alarms: 6 of 10 false ones contradicted (60 %, 31 to 83), 1 of 8 true ones (12 %, 2 to 47), score 0.591"
        ), "{}", sentence(&study));
        let shown: Vec<(&str, &str)> = examples(&ward())
            .iter()
            .map(|(name, o, _)| (*name, if o.name == "v3" { "v3" } else { "" }))
            .collect();
        assert_eq!(shown.len(), 4);
        assert_eq!(shown[1], ("true alarm, contradicted", "v3"));
    }

    #[test]
    fn no_alarms_no_study_and_no_truth_no_score() {
        assert!(super::study(&[]).is_none());
        assert!(super::study(&[testing::outcome()]).is_none());
        let untold: Vec<Outcome> = ward().into_iter().skip(18).collect();
        let study = super::study(&untold).unwrap();
        assert_eq!((study.alarms, study.score, study.lost, study.suppressed), (0, None, None, None));
    }
}
