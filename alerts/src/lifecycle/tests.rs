use bedwatch_schemas::feedback::{FeedbackReason, Role};

use super::*;
use crate::testing::at;

fn id() -> AlertId {
    let patient = crate::testing::patient();
    AlertId::of(&patient, bedwatch_schemas::alert::AlertKind::Shock, "", at(0))
}

fn config() -> Config {
    Config { escalate_high_secs: 120, escalate_medium_secs: 600, ..Config::default() }
}

fn life(priority: Priority, technical: bool) -> Life {
    let mut life = Life::begun(id(), priority, at(0), technical, at(0));
    assert_eq!(life.say(at(0)).message.unwrap().phase, Phase::Raised);
    life
}

fn said(action: Action, minutes: Option<u16>) -> Feedback {
    let reason = action.needs_reason().then_some(FeedbackReason::Artefact);
    Feedback { alert: id(), action, reason, role: Role::Nurse, minutes, at: at(0) }
}

fn why(reason: WithheldReason) -> Why {
    Why { reason, inhibitor: None, price: None }
}

/// (phase, sequence, escalations)
fn told(said: Said) -> Option<(Phase, u32, u8)> {
    said.message.map(|m| (m.phase, m.sequence, m.escalations))
}

#[test]
fn nobody_comes_so_it_is_escalated_twice_and_no_more() {
    let config = config();
    let mut life = life(Priority::High, false);
    assert_eq!(life.deadline(&config), Some(at(120)));
    for (secs, want) in [
        (119, None),
        (120, Some((Phase::Escalated, 1, 1))),
        (239, None),
        (240, Some((Phase::Escalated, 2, 2))),
        (9_999, None),
    ] {
        assert_eq!(told(life.tick(at(secs), &config)), want, "{secs} s");
    }
    assert_eq!(life.deadline(&config), None);
    assert_eq!(told(life.end(Phase::Resolved)), Some((Phase::Resolved, 3, 2)));
}

#[test]
fn what_each_priority_waits_for() {
    for (priority, config, want) in [
        (Priority::High, config(), Some(at(120))),
        (Priority::Medium, config(), Some(at(600))),
        (Priority::Low, config(), None),
        (Priority::High, Config::default(), None),
        (Priority::High, Config { escalations: 0, ..config() }, None),
    ] {
        let mut life = life(priority, false);
        assert_eq!(life.deadline(&config), want, "{priority:?}");
        assert_eq!(told(life.tick(at(99_999), &config)).is_some(), want.is_some());
    }
}

#[test]
fn who_has_seen_it_stops_escalation_and_a_rise_asks_again() {
    let config = config();
    for action in [Action::Acknowledge, Action::Dismiss] {
        let mut life = life(Priority::Medium, false);
        let (heard, message) = life.hear(&said(action, None), at(5), &config);
        assert_eq!((heard, told(message)), (Heard::Taken, Some((Phase::Acknowledged, 1, 0))));
        assert_eq!(life.deadline(&config), None);
        assert_eq!(told(life.tick(at(99_999), &config)), None, "{action:?}");
        assert_eq!(told(life.rise(Priority::High, at(100))), Some((Phase::Updated, 2, 0)));
        assert_eq!(told(life.tick(at(220), &config)), Some((Phase::Escalated, 3, 1)));
    }
}

#[test]
fn a_snooze_ends_at_its_time_and_then_asks_again() {
    let config = Config { snooze_max_minutes: 30, ..config() };
    let mut life = life(Priority::High, false);
    let (heard, message) = life.hear(&said(Action::Snooze, Some(90)), at(10), &config);
    assert_eq!((heard, told(message)), (Heard::Taken, Some((Phase::Acknowledged, 1, 0))));
    assert_eq!(life.feedback()[0].minutes, Some(30), "no longer than the site grants");
    let until = 10 + 30 * 60;
    assert_eq!((life.deadline(&config), life.snoozed_until()), (Some(at(until)), Some(at(until))));
    assert_eq!(told(life.tick(at(until - 1), &config)), None);
    assert_eq!(told(life.tick(at(until), &config)), Some((Phase::Updated, 2, 0)));
    assert_eq!(life.deadline(&config), Some(at(until + 120)));
}

#[test]
fn a_technical_alert_is_acknowledged_and_never_silenced() {
    let config = config();
    let mut life = life(Priority::Medium, true);
    for action in [Action::Dismiss, Action::Snooze] {
        let minutes = (action == Action::Snooze).then_some(5);
        assert_eq!(life.hear(&said(action, minutes), at(1), &config), (Heard::Technical, Said::default()));
    }
    assert!(life.feedback().is_empty());
    assert_eq!(life.hear(&said(Action::Acknowledge, None), at(1), &config).0, Heard::Taken);
}

#[test]
fn saying_it_twice_is_noted_and_labels_change_nothing() {
    let config = config();
    let mut life = life(Priority::Medium, false);
    assert_eq!(life.hear(&said(Action::Disagree, None), at(1), &config), (Heard::Noted, Said::default()));
    assert_eq!(life.deadline(&config), Some(at(600)), "a label is no acknowledgement");
    assert_eq!(life.hear(&said(Action::Acknowledge, None), at(2), &config).0, Heard::Taken);
    assert_eq!(life.hear(&said(Action::Acknowledge, None), at(3), &config), (Heard::Noted, Said::default()));
    assert_eq!(life.hear(&said(Action::Dismiss, None), at(4), &config).0, Heard::Taken);
    for _ in 0..20 {
        life.hear(&said(Action::Agree, None), at(5), &config);
    }
    assert_eq!(life.feedback().len(), KEPT);
}

#[test]
fn the_ledger_of_what_is_withheld() {
    let config = config();
    let mut life = Life::begun(id(), Priority::Medium, at(0), false, at(0));
    let first = life.withhold(why(WithheldReason::Inhibited));
    assert_eq!(first.entry.map(|e| (e.fate, e.sequence)), Some((Fate::Withheld, 0)));
    assert_eq!(life.withhold(why(WithheldReason::Inhibited)), Said::default(), "it stands there already");
    let other = life.withhold(why(WithheldReason::BedBudget)).entry.unwrap();
    assert_eq!(
        (other.fate, other.sequence, other.why.reason),
        (Fate::Withheld, 1, WithheldReason::BedBudget)
    );
    assert_eq!(life.hear(&said(Action::Acknowledge, None), at(1), &config).0, Heard::Withheld);
    assert_eq!(life.hear(&said(Action::Agree, None), at(1), &config).0, Heard::Noted);
    assert_eq!(life.tick(at(99_999), &config), Said::default(), "nobody was asked, nobody is late");
    let never = life.clone().end(Phase::Resolved);
    assert_eq!((never.message, never.entry.map(|e| e.fate)), (None, Some(Fate::Ended)));
    life.rise(Priority::High, at(2));
    assert!(life.must_be_said());
    let out = life.say(at(2));
    assert_eq!(told(out), Some((Phase::Raised, 0, 0)));
    assert_eq!(out.entry.map(|e| (e.fate, e.sequence)), Some((Fate::Released, 2)));
    let end = life.end(Phase::Expired);
    assert_eq!((told(end), end.entry), (Some((Phase::Expired, 1, 0)), None));
}
