use bedwatch_replay_data::readers::{Hour, Labels};
use bedwatch_schemas::{
    event::Sex,
    time::{EventTime, Span},
};

use super::*;
use crate::replay::{RiskRow, outcome::testing};

fn at(hour: i64) -> EventTime {
    EventTime::from_millis(946_684_800_000) + Span::hours(hour)
}

/// Stays of two days: every third is septic from hour 30 on, and the risk says so from hour 28 on, but in
/// every fifth of the others it cries wolf for an hour. NEWS2 knows nothing, SOFA is the risk itself.
pub(crate) fn ward(stays: usize) -> Vec<Outcome> {
    (0..stays)
        .map(|n| {
            let septic = n % 3 == 0;
            let label = |hour: i64| septic && hour >= 30;
            let risk = |hour: i64| match (septic && hour >= 28, n % 5 == 1 && hour == 10) {
                (true, _) => 0.9,
                (false, true) => 0.8,
                (false, false) => 0.1,
            };
            let hour = |h: i64| Hour { hour: 1, at: at(h), sepsis: Some(label(h)), deterioration: None };
            let row = |h: i64| RiskRow {
                probabilities: [Some(risk(h)), None, None, None, None],
                scores: [Some(3.0), None, None, Some(f64::from(risk(h))), None, None],
                ..testing::row(at(h))
            };
            let mut outcome = testing::outcome();
            outcome.site = format!("set,{}", n % 2);
            outcome.labels = Some(Labels::Hourly((0..48).map(hour).collect()));
            outcome.risks = (0..48).map(row).collect();
            outcome.operating_points.insert(Head::Sepsis, 0.5);
            outcome.span = Some((at(0), at(47)));
            outcome.stays.insert("p".to_owned(), (at(0), at(47)));
            let sex = Some(if n % 4 == 0 { Sex::Female } else { Sex::Male });
            outcome.people.insert("p".to_owned(), Person { age_years: Some(50.0), sex, unit: None });
            outcome
        })
        .collect()
}

#[test]
fn a_head_is_measured_whole_beside_scores_and_by_group() {
    let validation = of(&ward(120));
    let [study] = validation.heads.as_slice() else { panic!("{:?}", validation.heads) };
    assert_eq!((study.head, study.per, study.stays, study.rows), ("sepsis", "hour", 120, 120 * 48));
    assert_eq!(study.positives, 40 * 18);
    // 720 positives at .9 beside 80 negatives at .9, 24 at .8 and the rest lower.
    let negatives = 120.0 * 48.0 - 720.0;
    let want = 1.0 - 0.5 * 80.0 / negatives;
    let auroc = study.auroc.unwrap();
    assert!((auroc.value - want).abs() < 1e-9, "{auroc:?} for {want}");
    assert!(auroc.low < want && want < auroc.high && auroc.low > 0.98);
    assert!(study.utility.is_some_and(|u| u.value > 0.3 && u.low < u.value && u.value < u.high));
    let rival = |name| study.rivals.iter().find(|r| r.score == name).unwrap();
    assert_eq!(study.rivals.len(), 2, "scores that nobody knows are no rivals");
    assert_eq!(rival("news2").auroc.map(|i| i.value), Some(0.5));
    assert_eq!(rival("sofa").model_gains.map(|i| (i.value, i.low, i.high)), Some((0.0, 0.0, 0.0)));
    assert!(rival("news2").model_gains.is_some_and(|i| i.low > 0.4));
    let groups: Vec<(&str, &str, usize)> =
        study.groups.iter().map(|g| (g.by, g.group.as_str(), g.stays)).collect();
    let want = [("sex", "female", 30), ("sex", "male", 90), ("site", "set,0", 60), ("site", "set,1", 60)];
    assert_eq!(groups, want, "one age and one unit divide nobody");
    assert!(study.groups.iter().all(|g| g.sensitivity.is_some_and(|i| i.value == 1.0)));
    assert_eq!(of(&ward(120)).heads[0].auroc, study.auroc, "the same each time");
}
