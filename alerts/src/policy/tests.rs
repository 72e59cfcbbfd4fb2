use bedwatch_schemas::{
    ids::PatientId,
    score::ScoreKind,
    signal::Signal,
    summary::{WindowLength, WindowStats},
    time::Span,
};
use proptest::prelude::*;

use super::*;
use crate::testing::{Alone, With, assessment, at, frame, patient, window};

/// (kind, feed, phase, sequence) of each decision.
fn told(decisions: &[Decision]) -> Vec<(AlertKind, Option<Modality>, Phase, u32)> {
    decisions.iter().map(|d| (d.kind, d.modality, d.phase, d.sequence)).collect()
}

/// Everything is the matter, and every value is taken at its word.
fn worst(secs: i64) -> FeatureFrame {
    frame(secs)
        .charted(Signal::Spo2, 80.0, Span::ZERO)
        .charted(Signal::NibpMean, 45.0, Span::ZERO)
        .lab_of(Signal::Glucose, 450.0, Span::ZERO)
        .eeg_of(Span::ZERO, Span::minutes(6), 1.0)
        .cgm(40.0, Span::ZERO, None, false)
        .scored(ScoreKind::News2, 12.0, true, &[])
        .feed(Modality::Vitals, Span::minutes(9), FeedState::Stale)
        .feed(Modality::Eeg, Span::minutes(9), FeedState::Lost)
        .feed(Modality::Cgm, Span::minutes(9), FeedState::Stale)
}

#[test]
fn decisions_come_in_the_order_of_kinds_then_feeds() {
    use AlertKind as K;
    let mut policy = Policy::default();
    let decisions = policy.evaluate(&worst(0), Some(&assessment(0, 0.9, 0.6)), &Config::default());
    let clinical = [K::Sepsis, K::Deterioration, K::Respiratory, K::Shock, K::Seizure, K::Hypoglycaemia];
    let mut want: Vec<_> = clinical.map(|k| (k, None)).into();
    want.push((K::EarlyWarning, None));
    want.push((K::StaleFeed, Some(Modality::Vitals)));
    want.push((K::StaleFeed, Some(Modality::Cgm)));
    want.push((K::SignalLost, Some(Modality::Eeg)));
    let want: Vec<_> = want.into_iter().map(|(k, m)| (k, m, Phase::Raised, 0)).collect();
    assert_eq!(told(&decisions), want);
    let active: Vec<_> = policy.active().map(|(kind, modality, ..)| (kind, modality)).collect();
    assert_eq!(active, want.iter().map(|w| (w.0, w.1)).collect::<Vec<_>>());
    assert!(policy.evaluate(&worst(1), Some(&assessment(1, 0.9, 0.6)), &Config::default()).is_empty());
}

#[test]
fn closing_ends_everything_open_exactly_once() {
    let config = Config::default();
    let mut policy = Policy::default();
    let raised = policy.evaluate(&worst(0), None, &config);
    let closed = policy.close(at(60), &config);
    assert_eq!(closed.len(), raised.len());
    for (r, c) in raised.iter().zip(&closed) {
        assert_eq!((r.id, r.kind, r.modality, r.onset), (c.id, c.kind, c.modality, c.onset));
        assert_eq!((c.phase, c.sequence, c.priority), (Phase::Expired, 1, r.priority));
    }
    assert!(policy.close(at(61), &config).is_empty());
    assert_eq!(policy.active().count(), 0);
    assert_eq!(policy, Policy::default());
}

#[test]
fn what_was_never_raised_does_not_end() {
    let config = Config::default();
    let mut policy = Policy::default();
    // A dense value that has not yet persisted.
    assert!(policy.evaluate(&frame(0).dense(Signal::Spo2, 80.0), None, &config).is_empty());
    assert!(policy.close(at(1), &config).is_empty());
}

#[test]
fn ids_come_from_the_patient_the_kind_the_feed_and_the_onset() {
    let config = Config::default();
    let raise = |f: &FeatureFrame| Policy::default().evaluate(f, None, &config);
    let first = raise(&worst(0));
    assert_eq!(raise(&worst(0)), first, "the same log, the same ids");
    let mut ids: Vec<AlertId> = first.iter().map(|d| d.id).collect();
    ids.extend(raise(&worst(1)).iter().map(|d| d.id));
    let other = FeatureFrame { patient: PatientId::new("p2").unwrap(), ..worst(0) };
    ids.extend(raise(&other).iter().map(|d| d.id));
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "another patient, kind, feed or onset has another id");
    // The onset is the first value that said so and not the one that persisted.
    let mut policy = Policy::default();
    assert!(policy.evaluate(&frame(100).dense(Signal::Spo2, 80.0), None, &config).is_empty());
    let raised = policy.evaluate(&frame(110).dense(Signal::Spo2, 80.0), None, &config);
    assert_eq!(raised[0].onset, at(100));
    assert_eq!(raised[0].id, AlertId::of(&patient(), AlertKind::Respiratory, "", at(100)));
}

#[test]
fn a_feed_that_comes_back_and_goes_again_is_another_episode() {
    let config = Config::default();
    let mut policy = Policy::default();
    let feed = |secs, age, state| frame(secs).feed(Modality::Vitals, Span::secs(age), state);
    let mut all = Vec::new();
    for (secs, age, state) in [
        (0, 0, FeedState::Fresh),
        (61, 61, FeedState::Stale),
        (62, 0, FeedState::Fresh),
        (123, 61, FeedState::Stale),
        (200, 138, FeedState::Lost),
        (210, 0, FeedState::Fresh),
        (214, 0, FeedState::Fresh),
        (215, 0, FeedState::Fresh),
    ] {
        all.extend(policy.evaluate(&feed(secs, age, state), None, &config));
    }
    use AlertKind::{SignalLost, StaleFeed};
    let vitals = Some(Modality::Vitals);
    assert_eq!(
        told(&all),
        [
            (StaleFeed, vitals, Phase::Raised, 0),
            (StaleFeed, vitals, Phase::Resolved, 1),
            (StaleFeed, vitals, Phase::Raised, 0),
            (StaleFeed, vitals, Phase::Resolved, 1), // no longer stale: lost
            (SignalLost, vitals, Phase::Raised, 0),
            (SignalLost, vitals, Phase::Resolved, 1), // five seconds clear
        ]
    );
    assert_eq!(all[0].id, all[1].id);
    assert_ne!(all[0].id, all[2].id);
}

#[test]
fn the_deadline_is_the_next_moment_at_which_something_could_change() {
    let config = Config::default();
    let fresh = |f: FeatureFrame, age| f.feed(Modality::Vitals, Span::secs(age), FeedState::Fresh);
    let just_past = |secs| at(secs) + Span(1);
    let policy = Policy::default();
    assert_eq!(policy.deadline(&frame(0), &config), None, "nothing known, nothing due");
    for (name, f, want) in [
        ("a fresh feed", fresh(frame(100), 10), Some(just_past(150))),
        ("at its bound it is still fresh", fresh(frame(100), 60), Some(just_past(100))),
        ("the earlier of two", fresh(fresh(frame(100), 10), 30), Some(just_past(130))),
        ("stale already", frame(100).feed(Modality::Vitals, Span::secs(61), FeedState::Stale), None),
    ] {
        assert_eq!(policy.deadline(&f, &config), want, "{name}");
    }

    let mut policy = Policy::default();
    let spo2 = |secs, value| frame(secs).charted(Signal::Spo2, value, Span::ZERO);
    policy.evaluate(&spo2(0, 88.0), None, &config);
    assert_eq!(policy.deadline(&spo2(0, 88.0), &config), Some(at(12 * 3_600)), "raised: new data, or none");
    policy.evaluate(&spo2(100, 97.0), None, &config);
    let clearing = spo2(100, 97.0);
    assert_eq!(policy.deadline(&clearing, &config), Some(at(160)), "clear for a minute");
    assert_eq!(policy.deadline(&fresh(clearing, 10), &config), Some(just_past(150)), "a feed first");
    assert!(policy.evaluate(&spo2(159, 97.0), None, &config).is_empty());
    assert_eq!(told(&policy.evaluate(&spo2(160, 97.0), None, &config)).len(), 1);
    assert_eq!(policy.deadline(&spo2(160, 97.0), &config), None);
    // Quiet for five minutes after it, then it may be raised.
    assert!(policy.evaluate(&spo2(200, 88.0), None, &config).is_empty());
    assert_eq!(policy.deadline(&spo2(200, 88.0), &config), Some(at(460)));
    assert_eq!(policy.evaluate(&spo2(460, 88.0), None, &config)[0].onset, at(200));
}

#[test]
fn a_kind_that_is_off_says_nothing() {
    let mut config = Config::default();
    config.respiratory.enabled = false;
    let mut policy = Policy::default();
    let kinds: Vec<_> = policy.evaluate(&worst(0), None, &config).iter().map(|d| d.kind).collect();
    assert!(!kinds.contains(&AlertKind::Respiratory) && kinds.contains(&AlertKind::Shock));
    assert!(policy.close(at(1), &config).iter().all(|d| d.kind != AlertKind::Respiratory));
}

/// Silence after one low value of a dense signal: neither it nor the score that counts it is raised
/// by growing old, whatever else is looked at meanwhile.
#[test]
fn one_value_that_nothing_followed_is_never_raised() {
    let config = Config::default();
    let mut policy = Policy::default();
    for secs in 0..=3_600 {
        // Values came by the second for ten minutes, the last one at 0.
        let values_in = |length: WindowLength| (length.span().0 / 1_000_000 - secs).clamp(0, 600);
        let windows = WindowLength::ALL.into_iter().filter(|&w| values_in(w) > 0).map(|length| WindowStats {
            expected: u32::try_from(length.span().0 / 1_000_000).ok(),
            ..window(length, u32::try_from(values_in(length)).unwrap(), 0.0)
        });
        let f = frame(secs).vital(Signal::Spo2, 80.0, Span::secs(secs), windows.collect()).scored(
            ScoreKind::News2,
            9.0,
            true,
            &[Signal::Spo2],
        );
        assert_eq!(policy.evaluate(&f, None, &config), [], "after {secs} s");
    }
}

/// What a random frame is made of.
type Values = (i64, u8, u8, u8, u8, u8);

fn random(secs: i64, (_, spo2, glucose, eeg, news2, feeds): Values) -> FeatureFrame {
    let mut f = frame(secs);
    if spo2 > 0 {
        let value = 78.0 + f64::from(spo2);
        f = match spo2 % 2 {
            0 => f.dense(Signal::Spo2, value),
            _ => f.charted(Signal::Spo2, value, Span::ZERO),
        };
    }
    if glucose > 0 {
        f = f.cgm(f64::from(glucose) * 30.0, Span::ZERO, None, glucose % 5 == 1);
    }
    if eeg > 0 {
        f = f.eeg_of(Span::ZERO, Span::secs(i64::from(eeg - 1) * 100), 0.0);
    }
    if news2 > 0 {
        f = f.scored(ScoreKind::News2, f64::from(news2 - 1), news2 % 3 > 0, &[Signal::Spo2]);
    }
    for (i, modality) in [Modality::Vitals, Modality::Eeg].into_iter().enumerate() {
        let state = match feeds >> (2 * i) & 3 {
            0 => continue,
            1 => FeedState::Fresh,
            2 => FeedState::Stale,
            _ => FeedState::Lost,
        };
        f = f.feed(modality, Span::ZERO, state);
    }
    f
}

proptest! {
    /// Law: whatever comes, every id is raised first, ended at most once and last (once closed:
    /// exactly once), its sequence counts up by one, its onset is not in the future, its priority
    /// never falls, and the same frames give the same decisions.
    #[test]
    fn every_episode_has_one_beginning_and_one_end(
        steps in prop::collection::vec(
            (0_i64..500, 0_u8..20, 0_u8..16, 0_u8..6, 0_u8..10, 0_u8..16), 0..80),
    ) {
        let config = Config::default();
        let run = || {
            let mut policy = Policy::default();
            let mut secs = 0;
            let mut all = Vec::new();
            for (i, step) in steps.iter().enumerate() {
                secs += step.0;
                let risk = (i % 3 > 0).then(|| assessment(secs, f32::from(step.1) / 20.0, 0.0));
                let f = random(secs, *step);
                for d in policy.evaluate(&f, risk.as_ref(), &config) {
                    all.push((f.at, d));
                }
                if let Some(due) = policy.deadline(&f, &config) {
                    assert!(due > f.at);
                }
            }
            all.extend(policy.close(at(secs), &config).into_iter().map(|d| (at(secs), d)));
            all
        };
        let all = run();
        let mut open: BTreeMap<AlertId, Decision> = BTreeMap::new();
        let mut ended = Vec::new();
        for (now, d) in &all {
            prop_assert!(d.onset <= *now);
            prop_assert!(!ended.contains(&d.id), "said after its end");
            match (d.phase, open.remove(&d.id)) {
                (Phase::Raised, None) => prop_assert_eq!(d.sequence, 0),
                (Phase::Updated, Some(before)) => {
                    prop_assert_eq!(d.sequence, before.sequence + 1);
                    prop_assert!(d.priority > before.priority && d.onset == before.onset);
                }
                (Phase::Resolved | Phase::Expired, Some(before)) => {
                    prop_assert_eq!(d.sequence, before.sequence + 1);
                    prop_assert!(d.priority == before.priority && d.onset == before.onset);
                    ended.push(d.id);
                    continue;
                }
                (phase, before) => prop_assert!(false, "{phase:?} after {before:?}"),
            }
            open.insert(d.id, d.clone());
        }
        prop_assert!(open.is_empty(), "{} never ended", open.len());
        prop_assert_eq!(run(), all);
    }
}

fn rule(name: &str, priority: Priority) -> crate::config::Rule {
    crate::config::Rule {
        name: bedwatch_schemas::site::SiteName::new(name).unwrap(),
        title: String::new(),
        when: String::new(),
        clears_when: None,
        priority,
        inhibited_by: Vec::new(),
        persistence_secs: 0,
        clear_secs: 60,
        refractory_secs: 300,
    }
}

#[test]
fn each_rule_of_a_site_has_a_life_of_its_own() {
    use crate::condition::Holds;
    let config =
        Config { rules: vec![rule("a", Priority::Medium), rule("b", Priority::High)], ..Config::default() };
    let [a, b] = ["a", "b"].map(|n| AlertKind::Site(bedwatch_schemas::site::SiteName::new(n).unwrap()));
    let mut policy = Policy::default();
    let says = |holds: Option<bool>| Verdict { holds, clears: holds.map(|h| !h), measured: None };
    let (yes, no, unknown) = (says(Some(true)), says(Some(false)), says(None));
    for (secs, site, want) in [
        (0, vec![yes, no], vec![(a, None, Phase::Raised, 0)]),
        (10, vec![no, yes], vec![(b, None, Phase::Raised, 0)]),
        (60, vec![unknown, yes], vec![]),
        (70, vec![no, unknown], vec![]),
        (129, vec![no, no], vec![]),
        (130, vec![no, no], vec![(a, None, Phase::Resolved, 1)]),
        (189, vec![no, no], vec![(b, None, Phase::Resolved, 1)]),
        (190, vec![yes, yes], vec![(b, None, Phase::Raised, 0)]),
        (300, vec![], vec![]),
        (430, vec![yes, yes], vec![(a, None, Phase::Raised, 0)]),
    ] {
        let f = frame(secs);
        let step = Step { frame: &f, assessment: None, heard: &[], site: &site, unit: None, config: &config };
        assert_eq!(told(&policy.step(step).decisions), want, "at {secs} s");
    }
    assert_ne!(AlertId::of(&patient(), a, "", at(0)), AlertId::of(&patient(), b, "", at(0)));
    let gone = policy.close(at(500), &config);
    assert_eq!(told(&gone), [(a, None, Phase::Expired, 1), (b, None, Phase::Expired, 1)]);
    assert_eq!(condition::site(yes, Priority::Low), Holds::Yes { priority: Priority::Low, measured: None });
}
