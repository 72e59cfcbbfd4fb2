//! Laws of lifecycle, ledger and budget over random lives: measurements, silence, people and time in
//! any order.

use std::collections::BTreeMap;

use bedwatch_schemas::{
    feedback::{FeedbackReason, Role},
    score::ScoreKind,
    signal::Signal,
};
use proptest::prelude::*;

use super::*;
use crate::{
    budget::Budget,
    testing::{With, assessment, at, frame},
};

/// One moment: how long after the last, what is measured, what someone says.
type Moment = (u16, u8, u8, u8, u8, u8);

/// Everything at once: rules, both heads, a score and two feeds, known or not.
fn measured(secs: i64, (_, spo2, glucose, news2, feed, _): Moment) -> FeatureFrame {
    let mut f = frame(secs);
    if spo2 > 0 {
        f = f.charted(Signal::Spo2, 76.0 + f64::from(spo2), Span::ZERO);
    }
    if glucose > 0 {
        f = f.lab_of(Signal::Glucose, f64::from(glucose) * 40.0, Span::ZERO);
    }
    if news2 > 0 {
        f = f.scored(ScoreKind::News2, f64::from(news2 - 1), true, &[]);
    }
    match feed {
        0 => f,
        1 => f.feed(Modality::Vitals, Span::ZERO, FeedState::Fresh),
        2 => f.feed(Modality::Vitals, Span::ZERO, FeedState::Stale),
        _ => f.feed(Modality::Vitals, Span::ZERO, FeedState::Lost),
    }
}

fn settings(budget: bool, bed: u16) -> Config {
    let mut config = Config::default();
    config.lifecycle.escalate_high_secs = 180;
    config.lifecycle.escalate_medium_secs = 900;
    config.lifecycle.expire_after_hours = 2;
    config.budget = Budget { enabled: budget, bed_per_12h: bed, unit_per_bed_per_12h: 2.0 };
    config
}

/// What one alert has been through, as a reader of both topics sees it.
#[derive(Default, Debug)]
struct Seen {
    raised: bool,
    ended: bool,
    sequence: u32,
    waiting: bool,
    /// Entries, and whether the last says it is withheld.
    entries: u32,
    withheld: bool,
    priority: Option<Priority>,
}

struct Reader {
    seen: BTreeMap<AlertId, Seen>,
    begun: u64,
}

impl Reader {
    fn message(&mut self, d: &Decision) {
        let seen = self.seen.entry(d.id).or_default();
        assert!(!seen.ended, "said after its end: {d:?}");
        match d.phase {
            Phase::Raised => {
                assert!(!seen.raised && !seen.withheld, "{d:?}");
                assert_eq!(d.sequence, 0);
                seen.raised = true;
                seen.waiting = true;
            }
            _ => {
                assert!(seen.raised, "never raised: {d:?}");
                assert_eq!(d.sequence, seen.sequence + 1);
            }
        }
        match d.phase {
            Phase::Escalated => assert!(seen.waiting, "escalated although someone has seen it: {d:?}"),
            Phase::Acknowledged => seen.waiting = false,
            Phase::Updated => seen.waiting = true,
            Phase::Resolved | Phase::Expired => seen.ended = true,
            Phase::Raised => {}
        }
        assert!(seen.priority.is_none_or(|p| d.priority >= p), "a priority fell: {d:?}");
        seen.priority = Some(d.priority);
        seen.sequence = d.sequence;
    }

    fn entry(&mut self, l: &Ledgered) {
        let seen = self.seen.entry(l.id).or_default();
        assert!(!l.kind.is_technical(), "{l:?}");
        assert_eq!(l.entry.sequence, seen.entries);
        seen.entries += 1;
        match l.entry.fate {
            Fate::Withheld => {
                assert!(l.priority < Priority::High, "life-threatening and withheld: {l:?}");
                assert!(!seen.raised && !seen.ended, "{l:?}");
                seen.withheld = true;
            }
            Fate::Released => {
                assert!(seen.withheld);
                seen.withheld = false;
            }
            Fate::Ended => {
                assert!(seen.withheld && !seen.raised && l.priority < Priority::High);
                seen.withheld = false;
                seen.ended = true;
            }
        }
    }

    fn take(&mut self, out: &Decided) {
        // The ledger first: what is released is raised in the same moment.
        out.ledger.iter().for_each(|l| self.entry(l));
        out.decisions.iter().for_each(|d| self.message(d));
        self.begun += out.begun;
    }
}

fn says(moment: Moment, open: &[AlertId], now: EventTime) -> Option<Feedback> {
    let action = *Action::ALL.get(usize::from(moment.5 % 8))?;
    let alert = *open.get(usize::from(moment.5 / 8) % open.len().max(1))?;
    let reason = action.needs_reason().then_some(FeedbackReason::Artefact);
    let minutes = (action == Action::Snooze).then_some(u16::from(moment.4) * 20 + 5);
    Some(Feedback { alert, action, reason, role: Role::Nurse, minutes, at: now })
}

/// Runs one life; every moment goes through a checkpoint and back.
fn live(moments: &[Moment], config: &Config, restart: bool) -> (Vec<Decided>, Policy) {
    let mut policy = Policy::default();
    let mut unit = Said::default();
    let mut all = Vec::new();
    let mut secs = 0_i64;
    let mut known: Vec<AlertId> = Vec::new();
    for (i, moment) in moments.iter().enumerate() {
        secs += i64::from(moment.0);
        let f = measured(secs, *moment);
        let risk = (moment.1 % 3 > 0).then(|| assessment(secs, f32::from(moment.1) / 20.0, 0.3));
        let heard: Vec<Feedback> = says(*moment, &known, f.at).into_iter().collect();
        let unit = Some(Unit { said: &mut unit, beds: 2 });
        let out = policy.step(Step {
            frame: &f,
            assessment: risk.as_ref(),
            heard: &heard,
            site: &[],
            unit,
            config,
        });
        assert!(policy.deadline(&f, config).is_none_or(|due| due > f.at));
        known.extend(out.decisions.iter().filter(|d| d.phase == Phase::Raised).map(|d| d.id));
        known.extend(out.ledger.iter().map(|l| l.id));
        all.push(out);
        if restart && i % 5 == 4 {
            let bytes = postcard::to_stdvec(&policy).unwrap();
            let again: Policy = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(again, policy);
            policy = again;
        }
    }
    all.push(policy.leave(at(secs), &[], config));
    (all, policy)
}

fn moments(most: usize) -> impl Strategy<Value = Vec<Moment>> {
    let moment = (0_u16..4_000, 0_u8..22, 0_u8..14, 0_u8..11, 0_u8..4, 0_u8..64);
    prop::collection::vec(moment, 1..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every start has exactly one end, who has seen an alert stops its escalation, the ledger holds
    /// everything decided and not said and nothing that threatens life, and a restart changes nothing.
    #[test]
    fn every_start_has_one_end_and_the_ledger_is_complete(
        moments in moments(16),
        (budget, bed, restart) in (any::<bool>(), 0_u16..5, any::<bool>()),
    ) {
        let config = settings(budget, bed);
        let (all, left) = live(&moments, &config, restart);
        let mut reader = Reader { seen: BTreeMap::new(), begun: 0 };
        all.iter().for_each(|out| reader.take(out));
        prop_assert_eq!(left, Policy::default());
        prop_assert!(reader.seen.values().all(|s| s.ended && !s.withheld), "{:?}", reader.seen);
        // Decided = said + withheld to the end.
        prop_assert_eq!(reader.begun, reader.seen.len() as u64);
        let raised: u64 = all.iter().map(Decided::raised).sum();
        let withheld: u64 = all.iter().flat_map(|o| &o.ledger).filter(|l| l.is_first()).count() as u64;
        let fated = |fate| all.iter().map(|o| o.fated(fate)).sum::<u64>();
        let (released, ended) = (fated(Fate::Released), fated(Fate::Ended));
        prop_assert_eq!(reader.begun, raised + withheld - released);
        prop_assert_eq!(withheld, released + ended);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// With a budget, no twelve hours see more alerts of a bed than its target, but for those of high
    /// priority and technical ones. One that is released by a rise to high is such a one.
    #[test]
    fn a_bed_stays_within_its_target(moments in moments(60), bed in 0_u16..5) {
        let config = settings(true, bed);
        let (all, _) = live(&moments, &config, false);
        let mut secs = 0;
        let mut raised: Vec<(EventTime, bool)> = Vec::new();
        for (moment, out) in moments.iter().zip(&all) {
            secs += i64::from(moment.0);
            for d in out.decisions.iter().filter(|d| d.phase == Phase::Raised) {
                let free = d.kind.is_technical() || d.priority == Priority::High;
                let recent = raised.iter().filter(|(t, _)| at(secs).since(*t) < budget::WINDOW).count();
                prop_assert!(free || recent < usize::from(bed), "{recent} of {bed} were used");
                raised.push((at(secs), free));
            }
        }
    }

    /// Without budget, inhibition or anyone to snooze, everything that begins is said at once.
    #[test]
    fn without_limits_nothing_is_withheld(moments in moments(60)) {
        let mut config = settings(false, 0);
        config.lifecycle.inhibition = false;
        let silent: Vec<Moment> = moments.iter().map(|m| (m.0, m.1, m.2, m.3, m.4, 7)).collect();
        let (all, _) = live(&silent, &config, false);
        prop_assert!(all.iter().all(|o| o.ledger.is_empty() && o.begun == o.raised()));
    }
}

/// (phase, kind) of the messages, (fate, kind) of the ledger.
type Told = (Vec<(Phase, AlertKind)>, Vec<(Fate, AlertKind)>);

fn told(out: &Decided) -> Told {
    let messages = out.decisions.iter().map(|d| (d.phase, d.kind)).collect();
    (messages, out.ledger.iter().map(|l| (l.entry.fate, l.kind)).collect())
}

/// The issue's own example, with the score this engine has: a sepsis alert inhibits NEWS2.
#[test]
fn a_score_is_withheld_while_a_named_condition_says_it_and_comes_out_after() {
    use AlertKind::{EarlyWarning, Sepsis};
    let config = Config {
        sepsis: crate::config::Timing { clear_secs: 0, ..Config::default().sepsis },
        ..Config::default()
    };
    let mut policy = Policy::default();
    let mut step = |secs, sepsis: f32, news2: f64| {
        let f = frame(secs).scored(ScoreKind::News2, news2, true, &[]);
        let risk = assessment(secs, sepsis, 0.0);
        policy.step(Step {
            frame: &f,
            assessment: Some(&risk),
            heard: &[],
            site: &[],
            unit: None,
            config: &config,
        })
    };
    let first = step(0, 0.6, 6.0);
    assert_eq!(told(&first), (vec![(Phase::Raised, Sepsis)], vec![(Fate::Withheld, EarlyWarning)]));
    assert_eq!(first.ledger[0].entry.why.inhibitor, Some(first.decisions[0].id));
    assert_eq!(told(&step(60, 0.6, 6.0)), (vec![], vec![]));
    // Sepsis ends; the score still holds: it comes out, after the end.
    let after = step(120, 0.0, 6.0);
    let messages = vec![(Phase::Resolved, Sepsis), (Phase::Raised, EarlyWarning)];
    assert_eq!(told(&after), (messages, vec![(Fate::Released, EarlyWarning)]));
}

#[test]
fn a_score_that_rises_to_an_emergency_is_said_whatever_stands_before_it() {
    use AlertKind::EarlyWarning;
    let config = Config::default();
    let mut policy = Policy::default();
    for (secs, news2, want) in
        [(0, 6.0, vec![(Fate::Withheld, EarlyWarning)]), (60, 7.0, vec![(Fate::Released, EarlyWarning)])]
    {
        let f = frame(secs).scored(ScoreKind::News2, news2, true, &[]);
        let risk = assessment(secs, 0.6, 0.0);
        let out = policy.step(Step {
            frame: &f,
            assessment: Some(&risk),
            heard: &[],
            site: &[],
            unit: None,
            config: &config,
        });
        assert_eq!(told(&out).1, want);
        if news2 > 6.0 {
            assert_eq!((out.decisions[0].phase, out.decisions[0].priority), (Phase::Raised, Priority::High));
            assert_eq!(out.decisions[0].primary, None, "the most urgent leads");
        }
    }
}

/// Snoozing one episode keeps the next of its kind quiet, until the time is over.
#[test]
fn a_snooze_holds_for_the_next_episode_of_its_kind() {
    use AlertKind::Hyperglycaemia;
    let mut config = Config::default();
    config.hyperglycaemia =
        crate::config::Timing { clear_secs: 0, refractory_secs: 0, ..config.hyperglycaemia };
    let mut policy = Policy::default();
    let mut step = |secs, glucose: f64, heard: &[Feedback]| {
        let f = frame(secs).lab_of(Signal::Glucose, glucose, Span::ZERO);
        policy.step(Step { frame: &f, assessment: None, heard, site: &[], unit: None, config: &config })
    };
    let id = step(0, 300.0, &[]).decisions[0].id;
    let snooze = Feedback {
        alert: id,
        action: Action::Snooze,
        reason: Some(FeedbackReason::KnownCondition),
        role: Role::Physician,
        minutes: Some(60),
        at: at(60),
    };
    let heard = step(60, 300.0, &[snooze]);
    assert_eq!(heard.heard, [(Action::Snooze, Heard::Taken)]);
    assert_eq!(
        (heard.decisions[0].phase, &heard.decisions[0].feedback[..]),
        (Phase::Acknowledged, &[snooze][..])
    );
    assert_eq!(told(&step(600, 200.0, &[])).0, [(Phase::Resolved, Hyperglycaemia)]);
    assert_eq!(told(&step(1_200, 300.0, &[])), (vec![], vec![(Fate::Withheld, Hyperglycaemia)]));
    assert_eq!(told(&step(3_659, 300.0, &[])), (vec![], vec![]));
    let out = told(&step(3_660, 300.0, &[]));
    assert_eq!(out, (vec![(Phase::Raised, Hyperglycaemia)], vec![(Fate::Released, Hyperglycaemia)]));
}

#[test]
fn the_most_urgent_open_alert_leads_the_others() {
    let config = Config::default();
    let mut policy = Policy::default();
    let f = frame(0)
        .charted(Signal::Spo2, 88.0, Span::ZERO)
        .charted(Signal::NibpMean, 45.0, Span::ZERO)
        .feed(Modality::Eeg, Span::minutes(9), FeedState::Stale);
    let out =
        policy.step(Step { frame: &f, assessment: None, heard: &[], site: &[], unit: None, config: &config });
    let by_kind: BTreeMap<_, _> = out.decisions.iter().map(|d| (d.kind, d)).collect();
    let shock = by_kind[&AlertKind::Shock];
    assert_eq!(by_kind[&AlertKind::Respiratory].primary, Some(shock.id));
    assert_eq!((shock.primary, by_kind[&AlertKind::StaleFeed].primary), (None, None));
}
