use bedwatch_replay_data::readers::{Hour, Labels, Mark};
use bedwatch_schemas::{
    event::Sex,
    time::{EventTime, Span},
};
use proptest::prelude::*;

use super::*;
use crate::replay::outcome::{DRAWN, Person, Trace, testing};

fn at(secs: i64) -> EventTime {
    EventTime::from_millis(1_700_000_000_123) + Span::secs(secs)
}

/// An outcome with something of everything that a report reads and JSON could not keep.
fn outcome(seed: u32) -> Outcome {
    let risk = 0.1 + seed as f32 / 3.0;
    let mark = Mark { at: at(3), lasts: Some(Span::millis(250)), text: "a \u{0} note".to_owned() };
    let labels = if seed.is_multiple_of(2) {
        Labels::Marks(vec![mark])
    } else {
        Labels::Hourly(vec![Hour { hour: 7, at: at(9), sepsis: Some(true), deterioration: None }])
    };
    let mut traced = [f32::NAN; DRAWN.len()];
    traced[1] = risk;
    let person = Person { age_years: Some(risk), sex: Some(Sex::Female), unit: None };
    Outcome {
        name: format!("stay{seed}"),
        risks: vec![crate::replay::RiskRow {
            probabilities: [Some(risk), None, Some(f32::MIN_POSITIVE), None, None],
            glucose_forecast_mg_dl: Some(1.0 / 3.0),
            ..testing::row(at(5))
        }],
        left_out: [("rows without a time".to_owned(), 3)].into(),
        readings: [("p".to_owned(), vec![(at(1), 0.1 + 0.2)])].into(),
        labels: Some(labels),
        operating_points: [(bedwatch_schemas::risk::Head::Sepsis, risk)].into(),
        span: Some((at(0), at(60))),
        stays: [("p".to_owned(), (at(0), at(60)))].into(),
        trace: Trace(vec![(at(2), traced)]),
        data: [seed as u8; 32],
        people: [("p".to_owned(), person)].into(),
        ..testing::outcome()
    }
}

/// As text: `NaN` equals itself there.
fn text(outcomes: &BTreeMap<usize, Outcome>) -> String {
    format!("{outcomes:?}")
}

fn whole(n: u32) -> BTreeMap<usize, Outcome> {
    (0..n).map(|i| (i as usize, outcome(i))).collect()
}

#[test]
fn what_is_kept_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, done) = Journal::resume(folder.path(), "a").unwrap();
    assert!(done.is_empty());
    for (i, outcome) in whole(3) {
        journal.keep(i, &outcome).unwrap();
    }
    drop(journal);
    let (journal, done) = Journal::resume(folder.path(), "a").unwrap();
    assert_eq!(text(&done), text(&whole(3)));
    journal.keep(3, &outcome(3)).unwrap();
    drop(journal);
    let (journal, done) = Journal::resume(folder.path(), "a").unwrap();
    assert_eq!(text(&done), text(&whole(4)));
    assert!(matches!(Journal::resume(folder.path(), "b"), Err(Error::Other(_))));
    journal.end().unwrap();
    assert!(!folder.path().join(FILE).exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Law: wherever the end of the process cuts the file off, or whatever byte is damaged, every record
    /// before comes back whole, none comes back changed, and it can be gone on with.
    #[test]
    fn a_cut_or_damaged_journal_gives_what_is_whole(cut in 0.0_f64..1.0, damage in prop::option::of(any::<u8>())) {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::begin(folder.path(), "a").unwrap();
        let path = folder.path().join(FILE);
        let mut ends = vec![fs::metadata(&path).unwrap().len()];
        for (i, outcome) in whole(3) {
            journal.keep(i, &outcome).unwrap();
            ends.push(fs::metadata(&path).unwrap().len());
        }
        let mut bytes = fs::read(&path).unwrap();
        let place = (bytes.len() as f64 * cut) as usize;
        match damage {
            Some(by) => bytes[place] ^= by.max(1),
            None => bytes.truncate(place),
        }
        fs::write(&path, &bytes).unwrap();
        let kept = ends[1..].iter().filter(|end| **end <= place as u64).count() as u32;
        let (journal, done) = Journal::resume(folder.path(), "a").unwrap();
        prop_assert_eq!(text(&done), text(&whole(kept)));
        journal.keep(9, &outcome(9)).unwrap();
        drop(journal);
        let (_, done) = Journal::resume(folder.path(), "a").unwrap();
        prop_assert_eq!(done.len() as u32, kept + 1);
    }
}
