use std::sync::Arc;

use bedwatch_schemas::{
    event::{Adt, Demographics, Provenance, Stream},
    ids::SourceId,
    time::{ArrivalTime, Span},
};
use proptest::prelude::*;

use super::*;

fn id(name: &str) -> PatientId {
    PatientId::new(name).unwrap()
}

fn at(hours: i64) -> EventTime {
    EventTime::from_micros(0) + Span::hours(hours)
}

fn said(patient: &str, from: i64, until: Option<i64>, decision: Decision) -> Statement {
    Statement { patient: id(patient), from: at(from), until: until.map(at), decision }
}

const PERMIT: Decision = Decision::Permit;
const DENY: Decision = Decision::Deny;

#[test]
fn the_latest_statement_in_force_rules() {
    use Reason::{Lapsed, NotGiven, Withdrawn as Gone};
    type Case = (&'static str, Vec<(i64, Option<i64>, Decision)>, Vec<(i64, Option<Reason>, Option<Reason>)>);
    // Statements, then at an hour: the answer of opt-in and of opt-out.
    let cases: Vec<Case> = vec![
        ("nothing said", vec![], vec![(0, Some(NotGiven), None)]),
        (
            "permitted",
            vec![(10, None, PERMIT)],
            vec![(9, Some(NotGiven), None), (10, None, None), (99, None, None)],
        ),
        (
            "withdrawn",
            vec![(10, None, PERMIT), (20, None, DENY)],
            vec![(19, None, None), (20, Some(Gone), Some(Gone)), (99, Some(Gone), Some(Gone))],
        ),
        (
            "given again",
            vec![(20, None, DENY), (10, None, PERMIT), (30, None, PERMIT)],
            vec![(15, None, None), (29, Some(Gone), Some(Gone)), (30, None, None)],
        ),
        ("both at once", vec![(10, None, PERMIT), (10, None, DENY)], vec![(10, Some(Gone), Some(Gone))]),
        (
            "for a time",
            vec![(10, Some(20), PERMIT)],
            vec![(19, None, None), (20, Some(Lapsed), Some(Lapsed))],
        ),
        (
            "a short one within a long one",
            vec![(0, None, PERMIT), (10, Some(20), PERMIT)],
            vec![(15, None, None), (20, None, None)],
        ),
        (
            "denied for a time: its end is no permission",
            vec![(10, Some(20), DENY)],
            vec![(9, Some(NotGiven), None), (15, Some(Gone), Some(Gone)), (20, Some(Lapsed), Some(Lapsed))],
        ),
        (
            "denied for a time within a permission",
            vec![(0, None, PERMIT), (10, Some(20), DENY)],
            vec![(9, None, None), (10, Some(Gone), Some(Gone)), (20, None, None)],
        ),
    ];
    for (name, statements, answers) in cases {
        let all = || statements.iter().map(|(from, until, decision)| said("p", *from, *until, *decision));
        let of = |policy, hour| {
            let consents = Consents::new(policy, Withdrawn::FromThen, all());
            consents.refusal(&id("p"), &Merged::default(), at(hour))
        };
        for (hour, opt_in, opt_out) in answers {
            assert_eq!(of(Policy::OptIn, hour), opt_in, "{name}, opt-in, hour {hour}");
            assert_eq!(of(Policy::OptOut, hour), opt_out, "{name}, opt-out, hour {hour}");
        }
        // Another patient is asked for nothing of it.
        let consents = Consents::new(Policy::OptOut, Withdrawn::Whole, all());
        assert_eq!(consents.refusal(&id("q"), &Merged::default(), at(15)), None);
        let whole = consents.refusal(&id("p"), &Merged::default(), at(-50));
        let denied = statements.iter().any(|(_, _, d)| *d == DENY);
        assert_eq!(whole, denied.then_some(Reason::Whole), "{name}");
    }
}

#[test]
fn a_stretch_must_be_consented_all_through() {
    let consents = Consents::new(
        Policy::OptIn,
        Withdrawn::FromThen,
        [said("p", 10, None, PERMIT), said("p", 20, None, DENY), said("p", 30, None, PERMIT)],
    );
    for (from, to, refused) in [
        (10, 20, false),
        (9, 20, true),
        (10, 21, true),
        (19, 31, true),
        (30, 99, false),
        (20, 30, true),
        (11, 12, false),
        (0, 99, true),
    ] {
        let got = consents.refusal_over(&id("p"), &Merged::default(), at(from), at(to));
        assert_eq!(got.is_some(), refused, "{from} to {to}");
    }
}

fn event(patient: &str, event_time: EventTime, arrival: EventTime, body: Body) -> Event {
    Event {
        patient: id(patient),
        encounter: None,
        location: None,
        source: SourceId::new("m").unwrap(),
        event_time,
        arrival: ArrivalTime::from_micros(arrival.as_micros()),
        provenance: Provenance { stream: Stream::Vitals, partition: 0, offset: 0, part: 0 },
        body,
    }
}

fn admitted(patient: &str) -> Body {
    let kind = match patient {
        "" => AdtKind::Admit,
        retired => AdtKind::Merge { retired: id(retired) },
    };
    Body::Adt(Adt {
        kind,
        demographics: Demographics::default(),
        admitted_at: None,
        unit: None,
        hospital_admitted_at: None,
    })
}

#[test]
fn a_withdrawal_under_an_old_number_holds_for_the_person() {
    let consents = Consents::new(Policy::OptOut, Withdrawn::FromThen, [said("old", 5, None, DENY)]);
    let mut gate = Gate::new(Arc::new(consents));
    assert!(gate.admits(&event("new", at(10), at(10), admitted(""))));
    // The merge itself is the person's, and is left out; it is known all the same.
    assert!(!gate.admits(&event("new", at(11), at(11), admitted("old"))));
    assert!(!gate.admits(&event("new", at(12), at(12), admitted(""))));
    assert!(!gate.admits(&event("newer", at(13), at(13), admitted("new"))));
    assert!(gate.admits(&event("newer", at(4), at(4), admitted(""))), "before the withdrawal");
    assert!(gate.admits(&event("other", at(14), at(14), admitted(""))));
    assert_eq!(gate.left_out, BTreeMap::from([(Reason::Withdrawn, 3)]));
}

#[test]
fn what_arrives_after_a_withdrawal_is_left_out_whenever_it_was_measured() {
    let said = [said("p", 0, None, PERMIT), said("p", 10, None, DENY)];
    let consents = Arc::new(Consents::new(Policy::OptIn, Withdrawn::FromThen, said));
    let just = at(10) - Span(1);
    for (measured, arrived, passes) in [
        (just, just, true),
        (just, at(10), false),
        (at(10), just, false),
        (at(10), at(10), false),
        (at(0), at(0), true),
    ] {
        let mut gate = Gate::new(consents.clone());
        assert_eq!(gate.admits(&event("p", measured, arrived, admitted(""))), passes);
        assert_eq!(gate.left_out.values().sum::<u64>(), u64::from(!passes));
    }
}

prop_compose! {
    fn statements()(all in prop::collection::vec((0..3_u8, 0..40_i64, prop::option::of(1..40_i64), any::<bool>()), 0..12))
        -> Vec<Statement>
    {
        all.into_iter()
            .map(|(who, from, length, permit)| {
                said(&format!("p{who}"), from, length.map(|l| from + l), if permit { PERMIT } else { DENY })
            })
            .collect()
    }
}

proptest! {
    /// The order in which statements come changes nothing, and saying one twice says nothing new.
    #[test]
    fn the_order_of_statements_is_of_no_account(
        all in statements(), seed in any::<u64>(), policy in any::<bool>(), whole in any::<bool>(), hour in -2..45_i64
    ) {
        let policy = if policy { Policy::OptIn } else { Policy::OptOut };
        let withdrawn = if whole { Withdrawn::Whole } else { Withdrawn::FromThen };
        let mut shuffled = all.clone();
        shuffled.extend(all.iter().take(2).cloned());
        let n = shuffled.len().max(1);
        for i in 0..shuffled.len() {
            shuffled.swap(i, (seed as usize).wrapping_mul(i + 1) % n);
        }
        let (one, other) = (
            Consents::new(policy, withdrawn, all),
            Consents::new(policy, withdrawn, shuffled),
        );
        prop_assert_eq!(&one, &other);
        for p in ["p0", "p1", "p2", "p3"] {
            let merged = Merged::default();
            prop_assert_eq!(one.refusal(&id(p), &merged, at(hour)), other.refusal(&id(p), &merged, at(hour)));
        }
    }

    /// From a last denial without an end on, nothing passes; the gate lets nothing through at either time.
    #[test]
    fn nothing_passes_after_a_withdrawal(
        all in statements(), withdrawal in 40..50_i64, whens in prop::collection::vec((0..70_i64, 0..70_i64), 1..40)
    ) {
        let mut all = all;
        all.push(said("p0", withdrawal, None, DENY));
        let consents = Consents::new(Policy::OptOut, Withdrawn::FromThen, all);
        let mut gate = Gate::new(Arc::new(consents));
        let mut refused = 0;
        for (measured, arrived) in whens {
            let passes = gate.admits(&event("p0", at(measured), at(arrived), admitted("")));
            prop_assert!(!passes || measured.max(arrived) < withdrawal);
            refused += u64::from(!passes);
        }
        prop_assert_eq!(gate.left_out.values().sum::<u64>(), refused);
    }
}
