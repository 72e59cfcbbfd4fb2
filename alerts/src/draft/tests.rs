use bedwatch_schemas::{
    evidence::Subject,
    ids::{BedId, UnitId},
    rationale::{RationaleSource, TemplateReason},
    risk::{Account, Bound, Certainty, Change},
    signal::Signal,
    time::Span,
};

use super::*;
use crate::{
    Config, Policy,
    testing::{Alone, With, assessment, at, frame},
};

fn words(text: &str) -> Rationale {
    Rationale { text: text.to_owned(), source: RationaleSource::Template(TemplateReason::NoModel) }
}

/// A patient with a high sepsis risk and a low saturation, in a bed.
fn ill() -> FeatureFrame {
    FeatureFrame {
        encounter: Some(EncounterId::new("e9").unwrap()),
        location: Some(Location { unit: UnitId::new("ICU").unwrap(), bed: BedId::new("4").unwrap() }),
        ..frame(50).charted(Signal::Spo2, 80.0, Span::secs(5)).lab_of(Signal::Lactate, 4.2, Span::hours(1))
    }
}

/// The drafts of everything raised.
fn drafts(attributions: &[Attribution]) -> Vec<Draft> {
    let (frame, risk) = (ill(), assessment(40, 0.9, 0.0));
    let decisions = Policy::default().evaluate(&frame, Some(&risk), &Config::default());
    decisions
        .iter()
        .map(|d| {
            let reasons = Reasons { attributions: attributions.to_vec(), ..Reasons::default() };
            Draft::compose(d, &frame, Some(&risk), reasons, "c0ffee")
        })
        .collect()
}

#[test]
fn a_draft_becomes_the_alert_that_was_decided() {
    let attributions = [Attribution { subject: Subject::Signal(Signal::Lactate), delta: 0.2, since: None }];
    let [sepsis, respiratory] = &drafts(&attributions)[..] else { panic!("two are raised") };
    for (draft, kind, by, version) in [
        (sepsis, AlertKind::Sepsis, "encoder", "3"),
        (respiratory, AlertKind::Respiratory, "bedwatch-rules", RULES_VERSION),
    ] {
        let alert = draft.clone().with_rationale(words("Because."));
        assert_eq!(alert.decision.by, ModelRef { name: by.to_owned(), version: version.to_owned() });
        assert_eq!(alert.decision.rule, kind.name());
        assert_eq!(
            (alert.id, alert.kind, alert.phase, alert.priority, &alert.evidence),
            (draft.id(), draft.kind(), draft.phase(), draft.priority(), draft.evidence()),
        );
        assert_eq!((alert.kind, alert.phase, alert.priority), (kind, Phase::Raised, Priority::High));
        assert_eq!((alert.schema.as_str(), alert.sequence, alert.config.as_str()), (ALERT, 0, "c0ffee"));
        assert_eq!((alert.onset, alert.at), (at(50), at(50)));
        let frame = ill();
        assert_eq!(
            (alert.patient, alert.encounter, alert.location),
            (frame.patient, frame.encounter, frame.location)
        );
        assert_eq!(alert.attributions, attributions);
        assert_eq!(alert.rationale, words("Because."));
    }
}

/// Unsure or unfamiliar, it is the same decision with the same priority; the doubt stands beside it.
#[test]
fn a_doubtful_alert_is_an_alert() {
    let clears = Clears {
        changes: vec![Change { signal: Signal::Lactate, bound: Bound::AtMost, value: 2.0 }],
        for_minutes: 60,
        probability: 0.2,
    };
    let similar = vec![Similar::Own { hours_ago: 9, cosine: 0.9 }];
    let mut sure = assessment(40, 0.9, 0.0);
    let mut decided = Vec::new();
    for (certainty, unfamiliar) in [(None, false), (Some(Certainty::Unsure), true)] {
        sure.risks[0].certainty = certainty;
        (sure.distance, sure.unfamiliar) = (Some(3.5), unfamiliar);
        let decisions = Policy::default().evaluate(&ill(), Some(&sure), &Config::default());
        for decision in &decisions {
            let reasons =
                Reasons { clears: Some(clears.clone()), similar: similar.clone(), ..Reasons::default() };
            let draft = Draft::compose(decision, &ill(), Some(&sure), reasons, "");
            let account = (decision.kind == AlertKind::Sepsis).then(|| Account {
                certainty,
                distance: Some(3.5),
                unfamiliar,
                clears: Some(clears.clone()),
                similar: similar.clone(),
            });
            assert_eq!(draft.evidence().account, account, "rules have none");
        }
        decided.push(decisions);
    }
    assert_eq!(decided[0], decided[1]);
    assert_eq!(decided[0].len(), 2);
}

#[test]
fn a_head_that_ends_without_its_encoder_is_ended_by_the_rules() {
    let mut policy = Policy::default();
    policy.evaluate(&ill(), Some(&assessment(40, 0.9, 0.0)), &Config::default());
    for decision in policy.close(at(60), &Config::default()) {
        let draft = Draft::compose(&decision, &frame(60), None, Reasons::default(), "");
        assert_eq!(draft.with_rationale(words("Over.")).decision.by.name, "bedwatch-rules");
    }
}

#[test]
fn the_words_change_nothing_else() {
    for draft in drafts(&[]) {
        let one = draft.clone().with_rationale(words("One."));
        let mut two = draft.with_rationale(words("Two."));
        assert_ne!(one, two);
        two.rationale = one.rationale.clone();
        assert_eq!(one, two);
    }
}

#[test]
fn the_notice_stands_once_in_every_alert() {
    for draft in drafts(&[]) {
        let json = serde_json::to_string(&draft.with_rationale(words("Because."))).unwrap();
        assert_eq!(json.matches(NOTICE).count(), 1, "{json}");
    }
}

/// A draft outlives a restart, but nobody can take what is written of it for an alert.
#[test]
fn a_draft_round_trips_and_is_no_alert() {
    for draft in drafts(&[]) {
        let json = serde_json::to_string(&draft).unwrap();
        assert_eq!(serde_json::from_str::<Draft>(&json).unwrap(), draft);
        assert!(serde_json::from_str::<Alert>(&json).is_err());
        assert!(!json.contains(NOTICE) && !json.contains(ALERT) && !json.contains("rationale"));
    }
}
