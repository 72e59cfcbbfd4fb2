use std::cell::Cell;

use proptest::{prelude::*, strategy::ValueTree};

use super::*;
use crate::{bundle::tests::shipped, check::tests::evidences, runtime::tests::installed};

/// An evidence the shipped narrator has words for.
fn evidence() -> Evidence {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    loop {
        let evidence = evidences().new_tree(&mut runner).unwrap().current();
        if evidence.facts.iter().any(|f| matches!(f.subject, bedwatch_schemas::evidence::Subject::Signal(_)))
        {
            return evidence;
        }
    }
}

fn request(kind: AlertKind, phase: Phase, evidence: &Evidence) -> Request<'_> {
    Request { kind, phase, priority: Priority::High, evidence, embedding: &[] }
}

#[test]
fn without_a_narrator_the_template_speaks_with_its_reason() {
    let writer = Writer::new(None);
    let e = evidence();
    for (kind, phase, want) in [
        (AlertKind::Sepsis, Phase::Raised, TemplateReason::NoModel),
        (AlertKind::Sepsis, Phase::Updated, TemplateReason::Lifecycle),
        (AlertKind::Sepsis, Phase::Resolved, TemplateReason::Lifecycle),
        (AlertKind::StaleFeed, Phase::Raised, TemplateReason::Technical),
        (AlertKind::SignalLost, Phase::Resolved, TemplateReason::Technical),
    ] {
        let rationale = writer.write(&request(kind, phase, &e), &|| false);
        assert_eq!(rationale.source, RationaleSource::Template(want));
        assert!(!writer.asks_model(&request(kind, phase, &e)));
    }
    let _ = writer.template(&request(AlertKind::Shock, Phase::Raised, &e), TemplateReason::QueueFull);
    let counts = writer.counts();
    assert_eq!((counts.model, counts.templates(), counts.template_refused), (0, 6, 0));
    assert_eq!(counts.template["lifecycle"], 2);
    assert_eq!(counts.template["queue_full"], 1);
}

#[test]
fn with_a_narrator_raised_alerts_are_its_own_and_a_deadline_is_kept() {
    let name = "with_a_narrator_raised_alerts_are_its_own";
    let (Some(bundle), Some(runtime)) = (shipped("narrator-v2"), installed(name)) else { return };
    let writer = Writer::new(Some(Narrator::load(&runtime, &bundle, 1).unwrap()));
    let e = evidence();
    let raised = request(AlertKind::Shock, Phase::Raised, &e);
    assert!(writer.asks_model(&raised));
    let rationale = writer.write(&raised, &|| false);
    assert_eq!(rationale.source, RationaleSource::Model(bundle.model()), "{}", rationale.text);
    let asked = Cell::new(0);
    let late = writer.write(&raised, &|| {
        asked.set(asked.get() + 1);
        asked.get() > 5
    });
    assert_eq!(late.source, RationaleSource::Template(TemplateReason::Deadline));
    let counts = writer.counts();
    assert_eq!((counts.model, counts.template["deadline"]), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// The bundle's words do not make the checker refuse the template.
    #[test]
    fn the_template_passes_with_the_bundles_words(evidence in evidences()) {
        if let Some(bundle) = shipped("narrator-v2") {
            let lexicon = Lexicon::parse(bundle.file("lexicon.json").unwrap()).unwrap();
            for kind in AlertKind::ALL {
                let text = template::write(kind, Phase::Updated, Priority::Low, &evidence);
                prop_assert_eq!(check(&text, kind, &evidence, &lexicon), Ok(()), "{}", text);
            }
        }
    }
}
