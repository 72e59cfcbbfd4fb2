use bedwatch_schemas::{
    event::Modality,
    evidence::{FactId, SilentFeed, Subject},
    risk::Head,
    signal::Signal,
    time::EventTime,
    unit::Unit,
};
use proptest::prelude::*;

use super::*;
use crate::{
    check::{check, tests::evidences},
    lexicon::Lexicon,
};

fn fact(id: u8, subject: Subject, value: f64, unit: Unit, band: Band, trend: Option<Direction>) -> Fact {
    let trend = trend.map(|direction| bedwatch_schemas::evidence::Trend {
        direction,
        per_hour: 1.0,
        over: bedwatch_schemas::time::Span::hours(1),
    });
    let at = EventTime::parse_rfc3339("2026-03-01T03:10:00Z").unwrap();
    Fact { id: FactId(id), subject, value, unit, at, band, trend, provenance: None }
}

fn septic() -> Evidence {
    use Signal::{AbpMean, HeartRate, Lactate, Wbc};
    let signal = Subject::Signal;
    Evidence {
        facts: vec![
            fact(0, Subject::Risk(Head::Sepsis), 62.3, Unit::Percent, Band::High, None),
            fact(1, signal(HeartRate), 118.0, Unit::PerMinute, Band::High, Some(Direction::Rising)),
            fact(2, signal(AbpMean), 58.0, Unit::MmHg, Band::CriticalLow, Some(Direction::Falling)),
            fact(3, signal(Lactate), 3.4, Unit::MmolPerL, Band::High, None),
        ],
        missing: vec![Missing { subject: signal(Wbc), last_at: None }],
        feeds: vec![SilentFeed { modality: Modality::Eeg, last_at: EventTime::from_micros(0) }],
        account: None,
        rule: None,
    }
}

#[test]
fn the_words_of_each_kind() {
    let e = septic();
    let say = |kind, phase| write(kind, phase, Priority::High, &e);
    assert_eq!(
        say(AlertKind::Sepsis, Phase::Raised),
        "Sepsis risk 62 % at 03:10 (high). Drivers: heart rate 118 /min (high and rising); arterial mean \
         pressure 58 mmHg (critically low and falling); lactate 3.4 mmol/L (high). Missing: white cell count."
    );
    assert_eq!(
        say(AlertKind::Sepsis, Phase::Updated)[..52],
        *"Update, urgency now immediate. Sepsis risk 62 % at 0"
    );
    assert!(
        say(AlertKind::Shock, Phase::Raised).starts_with("Signs of circulatory shock: sepsis risk 62 % at")
    );
    assert!(
        say(AlertKind::Sepsis, Phase::Resolved).starts_with("Resolved: sepsis alert ended. Sepsis risk 62 %")
    );
    assert_eq!(
        say(AlertKind::StaleFeed, Phase::Raised),
        "Technical alert: EEG feed silent since 00:00. Alerts that rest on it are blind."
    );
    assert_eq!(
        say(AlertKind::SignalLost, Phase::Raised),
        "Technical alert: EEG feed delivers nothing usable since 00:00. Alerts that rest on it are blind."
    );
    assert!(
        say(AlertKind::Sepsis, Phase::Acknowledged).starts_with("Acknowledged: sepsis alert. Sepsis risk")
    );
    assert!(say(AlertKind::Sepsis, Phase::Expired).starts_with("Expired: sepsis alert ended. Sepsis risk"));
    assert!(say(AlertKind::Sepsis, Phase::Escalated).starts_with("Unanswered, urgency immediate. "));
    assert_eq!(
        say(AlertKind::StaleFeed, Phase::Acknowledged),
        "Technical alert acknowledged: EEG feed silent since 00:00."
    );
    assert_eq!(
        say(AlertKind::StaleFeed, Phase::Escalated),
        "Technical alert unanswered: EEG feed silent since 00:00. Alerts that rest on it are blind."
    );
    assert_eq!(
        say(AlertKind::StaleFeed, Phase::Resolved),
        "Technical alert resolved: EEG feed is back (gap began at 00:00)."
    );
}

#[test]
fn without_facts_it_still_speaks() {
    let lexicon = Lexicon::built_in();
    for kind in AlertKind::ALL {
        for phase in Phase::ALL {
            for text in [write(kind, phase, Priority::Low, &Evidence::default()), bare(kind)] {
                assert_eq!(check(&text, kind, &Evidence::default(), &lexicon), Ok(()), "{text}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the evidence, the template says nothing the checker refuses.
    #[test]
    fn every_text_passes_the_checker(evidence in evidences()) {
        let lexicon = Lexicon::built_in();
        for kind in AlertKind::ALL {
            for phase in Phase::ALL {
                for priority in [Priority::Low, Priority::Medium, Priority::High] {
                    let text = write(kind, phase, priority, &evidence);
                    prop_assert_eq!(check(&text, kind, &evidence, &lexicon), Ok(()), "{}", text);
                }
            }
        }
    }
}
