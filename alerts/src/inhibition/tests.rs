use bedwatch_schemas::{
    alert::{Phase, Priority},
    site::{SiteName, Verdict},
    withheld::Fate,
};

use super::*;
use crate::{
    Policy,
    config::Rule,
    policy::{Decided, Step},
    testing::{assessment, frame},
};

/// Decisions of one moment are taken in the order of kinds, so an inhibitor must come first; and
/// no ring of kinds may keep each other silent.
#[test]
fn inhibitors_come_before_what_they_inhibit_and_are_not_technical() {
    for kind in AlertKind::ALL {
        for inhibitor in inhibitors(kind) {
            assert!(*inhibitor < kind && !inhibitor.is_technical() && !kind.is_technical());
        }
    }
    assert!(inhibitors(AlertKind::EarlyWarning).contains(&AlertKind::Sepsis));
}

/// (phase, kind) of the messages, (fate, kind) of the ledger.
type Told = (Vec<(Phase, AlertKind)>, Vec<(Fate, AlertKind)>);

fn told(out: &Decided) -> Told {
    let messages = out.decisions.iter().map(|d| (d.phase, d.kind)).collect();
    (messages, out.ledger.iter().map(|l| (l.entry.fate, l.kind)).collect())
}

/// A rule as `docs/rules.md` writes it.
fn qsofa(priority: Priority, inhibited_by: &[AlertKind]) -> Rule {
    Rule {
        name: SiteName::new("qsofa").unwrap(),
        title: "qSOFA".to_owned(),
        when: "qsofa >= 2".to_owned(),
        clears_when: None,
        priority,
        inhibited_by: inhibited_by.to_vec(),
        persistence_secs: 0,
        clear_secs: 0,
        refractory_secs: 0,
    }
}

/// The example itself: a sepsis alert inhibits its own qSOFA alert, where the site says so.
#[test]
fn a_sites_rule_is_withheld_while_a_kind_it_names_says_it() {
    use AlertKind::{Deterioration, Sepsis, Shock};
    use Priority::{High, Low, Medium};
    // What the site names, of what priority the rule is, the risks of sepsis and deterioration
    // (0.6 is medium, 0.95 high), and whether the rule's alert is withheld.
    let cases: [(&[AlertKind], Priority, f32, f32, bool); 11] = [
        (&[Sepsis], Medium, 0.6, 0.0, true),
        (&[Sepsis], Low, 0.6, 0.0, true),
        (&[Sepsis], Medium, 0.95, 0.0, true),
        (&[Sepsis], Medium, 0.0, 0.0, false),
        (&[Sepsis], Medium, 0.0, 0.6, false),
        (&[Sepsis, Deterioration], Medium, 0.0, 0.6, true),
        (&[Deterioration, Sepsis], Medium, 0.6, 0.0, true),
        (&[Shock], Medium, 0.6, 0.6, false),
        (&[], Medium, 0.6, 0.6, false),
        // What threatens life is told whatever stands before it.
        (&[Sepsis], High, 0.6, 0.0, false),
        (&[Sepsis], High, 0.95, 0.0, false),
    ];
    for (named, priority, sepsis, deterioration, withheld) in cases {
        for inhibition in [true, false] {
            let mut config = Config { rules: vec![qsofa(priority, named)], ..Config::default() };
            config.lifecycle.inhibition = inhibition;
            config.check().unwrap();
            let kind = AlertKind::Site(config.rules[0].name);
            let mut policy = Policy::default();
            let risk = assessment(0, sepsis, deterioration);
            let holds = [Verdict { holds: Some(true), clears: Some(false), measured: None }];
            let out = policy.step(Step {
                frame: &frame(0),
                assessment: Some(&risk),
                heard: &[],
                site: &holds,
                unit: None,
                config: &config,
            });
            let said = out.decisions.iter().any(|d| d.kind == kind && d.phase == Phase::Raised);
            let case = format!("{named:?} {priority:?} {sepsis} {deterioration} {inhibition}");
            assert_eq!(said, !(withheld && inhibition), "{case}");
            let ledger: Vec<_> = out.ledger.iter().filter(|l| l.kind == kind).collect();
            assert_eq!(ledger.len(), usize::from(withheld && inhibition), "{case}");
            if let Some(line) = ledger.first() {
                let other = out.decisions.iter().find(|d| Some(d.id) == line.entry.why.inhibitor).unwrap();
                assert!(named.contains(&other.kind), "{case}");
            }
        }
    }
}

/// When the sepsis alert ends and the score still holds, it comes out; technical kinds and other rules
/// inhibit nothing.
#[test]
fn a_sites_rule_comes_out_when_its_inhibitor_ends() {
    let mut config =
        Config { rules: vec![qsofa(Priority::Medium, &[AlertKind::Sepsis])], ..Config::default() };
    config.sepsis.clear_secs = 0;
    let kind = AlertKind::Site(config.rules[0].name);
    let holds = [Verdict { holds: Some(true), clears: Some(false), measured: None }];
    let mut policy = Policy::default();
    let mut step = |secs, sepsis| {
        let risk = assessment(secs, sepsis, 0.0);
        told(&policy.step(Step {
            frame: &frame(secs),
            assessment: Some(&risk),
            heard: &[],
            site: &holds,
            unit: None,
            config: &config,
        }))
    };
    use AlertKind::Sepsis;
    assert_eq!(step(0, 0.6), (vec![(Phase::Raised, Sepsis)], vec![(Fate::Withheld, kind)]));
    assert_eq!(step(60, 0.6), (vec![], vec![]));
    let after = step(120, 0.0);
    assert_eq!(after, (vec![(Phase::Resolved, Sepsis), (Phase::Raised, kind)], vec![(Fate::Released, kind)]));
    for wrong in [AlertKind::StaleFeed, AlertKind::SignalLost, kind] {
        let config = Config { rules: vec![qsofa(Priority::Medium, &[wrong])], ..Config::default() };
        assert!(config.check().unwrap_err().contains("inhibited_by"), "{wrong:?}");
    }
}
