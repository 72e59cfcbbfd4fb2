//! Invented alerts of every kind, phase and priority: to try a receiver with before a patient
//! depends on it, and for the tests.

use bedwatch_schemas::{
    NOTICE,
    alert::{ALERT, Alert, AlertKind, Decision, Phase, Priority},
    column::Column,
    event::{Modality, Provenance, Stream},
    evidence::{Band, Derived, Direction, Evidence, Fact, FactId, Missing, SilentFeed, Subject, Trend},
    feedback::{Action, Feedback, Role},
    ids::{AlertId, BedId, EncounterId, Location, PatientId, UnitId},
    medication::Drug,
    rationale::{Rationale, RationaleSource, TemplateReason},
    risk::{Attribution, Head, ModelRef},
    score::ScoreKind,
    signal::Signal,
    site::{SiteName, SiteRule},
    time::{EventTime, Span},
    unit::Unit,
};

use crate::draft::SITE_RULES;

/// The phases of the episodes below, in the order of their messages. A technical alert expires, the
/// others are resolved.
const PHASES: [Phase; 5] =
    [Phase::Raised, Phase::Updated, Phase::Escalated, Phase::Acknowledged, Phase::Resolved];
const PRIORITIES: [Priority; 3] = [Priority::High, Priority::Medium, Priority::Low];

/// Every kind with every priority, each episode from its beginning to its end.
#[must_use]
pub fn all() -> Vec<Alert> {
    let mut out = Vec::new();
    for (k, kind) in kinds().enumerate() {
        for (p, priority) in PRIORITIES.into_iter().enumerate() {
            for (s, phase) in phases(kind).into_iter().enumerate() {
                out.push(one(kind, priority, phase, u8::try_from(s).unwrap_or(0), k * 3 + p));
            }
        }
    }
    out
}

/// The built-in kinds and a site's rule.
fn kinds() -> impl Iterator<Item = AlertKind> {
    let rule = SiteName::new("low_map").expect("the sample's name is an identifier");
    AlertKind::ALL.into_iter().chain([AlertKind::Site(rule)])
}

fn phases(kind: AlertKind) -> [Phase; 5] {
    let mut phases = PHASES;
    if kind.is_technical() {
        phases[4] = Phase::Expired;
    }
    phases
}

fn one(kind: AlertKind, priority: Priority, phase: Phase, sequence: u8, patient: usize) -> Alert {
    let invariant = "the samples' ids are short and plain";
    let onset = EventTime::from_micros(1_700_000_000_000_000);
    let at = onset + Span::secs(90 * i64::from(sequence));
    let patient = PatientId::new(&format!("patient-{patient}")).expect(invariant);
    let id = AlertId::of(&patient, kind, "", onset);
    Alert {
        schema: ALERT.to_owned(),
        id,
        sequence: u32::from(sequence),
        phase,
        kind,
        priority,
        patient,
        encounter: Some(EncounterId::new("visit-1").expect(invariant)),
        primary: None,
        escalations: u8::from(sequence >= 2),
        feedback: feedback(id, phase, at),
        location: Some(Location {
            // Hospitals write such things.
            unit: UnitId::new("ICU|1").expect(invariant),
            bed: BedId::new("bed^7").expect(invariant),
        }),
        onset,
        at,
        decision: Decision { by: model(kind), rule: kind.name().to_owned() },
        evidence: evidence(kind, at),
        attributions: attributions(kind),
        rationale: words(kind),
        config: "0123456789abcdef".to_owned(),
        notice: NOTICE.to_owned(),
    }
}

/// The nurse who took it on.
fn feedback(alert: AlertId, phase: Phase, at: EventTime) -> Vec<Feedback> {
    let said =
        Feedback { alert, action: Action::Acknowledge, reason: None, role: Role::Nurse, minutes: None, at };
    if phase == Phase::Acknowledged || phase.ends() { vec![said] } else { Vec::new() }
}

fn model(kind: AlertKind) -> ModelRef {
    let (name, version) = match kind {
        AlertKind::Sepsis | AlertKind::Deterioration => ("encoder-sample", "2.0.1"),
        AlertKind::Site(_) => (SITE_RULES, "0123456789abcdef"),
        _ => ("bedwatch-rules", "1"),
    };
    ModelRef { name: name.to_owned(), version: version.to_owned() }
}

fn words(kind: AlertKind) -> Rationale {
    let source = match kind {
        AlertKind::Sepsis => {
            RationaleSource::Model(ModelRef { name: "narrator-sample".to_owned(), version: "1.0".to_owned() })
        }
        _ => RationaleSource::Template(TemplateReason::NoModel),
    };
    Rationale { text: format!("Sample of {} & <not> a patient, 38.9 \u{b0}C.", kind.name()), source }
}

fn attributions(kind: AlertKind) -> Vec<Attribution> {
    match kind {
        AlertKind::Sepsis => {
            vec![Attribution { subject: Subject::Signal(Signal::Lactate), delta: 0.12, since: None }]
        }
        _ => Vec::new(),
    }
}

/// Facts with and without a code, of every sort of subject.
fn evidence(kind: AlertKind, at: EventTime) -> Evidence {
    let feeds = match kind {
        AlertKind::StaleFeed => {
            vec![SilentFeed { modality: Modality::Vitals, last_at: at - Span::minutes(5) }]
        }
        AlertKind::SignalLost => vec![SilentFeed { modality: Modality::Eeg, last_at: at - Span::minutes(1) }],
        _ => Vec::new(),
    };
    let subjects: Vec<(Subject, f64, Unit, Band)> = match kind {
        AlertKind::Sepsis => vec![
            (Subject::Risk(Head::Sepsis), 31.25, Unit::Percent, Band::High),
            (Subject::Signal(Signal::Lactate), 4.1, Unit::MmolPerL, Band::CriticalHigh),
            (Subject::Signal(Signal::Temperature), 38.9, Unit::Celsius, Band::High),
        ],
        AlertKind::Deterioration => vec![
            (Subject::Risk(Head::Deterioration), 55.5, Unit::Percent, Band::High),
            (Subject::Signal(Signal::Spo2), 86.0, Unit::Percent, Band::CriticalLow),
            (Subject::Infusion(Drug::ALL[0]), 0.25, Unit::UgPerKgMin, Band::Unknown),
        ],
        AlertKind::Respiratory => vec![
            (Subject::Derived(Derived::PfRatio), 95.0, Unit::MmHg, Band::CriticalLow),
            (Subject::Signal(Signal::RespRate), 34.0, Unit::PerMinute, Band::High),
        ],
        AlertKind::Shock => vec![
            (Subject::Signal(Signal::AbpMean), 52.0, Unit::MmHg, Band::Low),
            (Subject::Signal(Signal::HeartRate), 128.0, Unit::PerMinute, Band::High),
        ],
        AlertKind::Seizure => vec![
            (Subject::Derived(Derived::EegSeizureScore), 82.0, Unit::Percent, Band::High),
            (Subject::Derived(Derived::EegDominantFrequency), 3.0, Unit::Hertz, Band::Unknown),
        ],
        AlertKind::Hypoglycaemia => vec![
            (Subject::Signal(Signal::CgmGlucose), 51.0, Unit::MgPerDl, Band::CriticalLow),
            (Subject::Derived(Derived::CgmRate), -1.5, Unit::MgPerDlMin, Band::Unknown),
        ],
        AlertKind::Hyperglycaemia => {
            vec![(Subject::Signal(Signal::Glucose), 312.0, Unit::MgPerDl, Band::CriticalHigh)]
        }
        AlertKind::EarlyWarning => vec![
            (Subject::Score(ScoreKind::News2), 9.0, Unit::Score, Band::High),
            (Subject::Signal(Signal::NibpSystolic), 88.0, Unit::MmHg, Band::Low),
            (Subject::Signal(Signal::GcsTotal), 13.0, Unit::Score, Band::Low),
        ],
        AlertKind::Site(rule) => {
            let column = Column::from_name("map_min_10m").expect("the dictionary has it");
            vec![
                (Subject::Column(column), 58.25, Unit::MmHg, Band::Low),
                (Subject::Signal(Signal::Lactate), 3.4, Unit::MmolPerL, Band::High),
                (Subject::Site(rule), 1.5, Unit::One, Band::Unknown),
            ]
        }
        AlertKind::StaleFeed | AlertKind::SignalLost => Vec::new(),
    };
    let rule = matches!(kind, AlertKind::Site(_)).then(|| SiteRule {
        title: "Low pressure with high lactate".to_owned(),
        when: "map_min_10m < 65 AND lactate_last > 2".to_owned(),
    });
    let fact = |(i, (subject, value, unit, band)): (usize, (Subject, f64, Unit, Band))| Fact {
        id: FactId(u8::try_from(i).unwrap_or(u8::MAX)),
        subject,
        value,
        unit,
        at: at - Span::millis(1_500),
        band,
        trend: (i == 1).then_some(Trend {
            direction: Direction::Rising,
            per_hour: 0.5,
            over: Span::hours(1),
        }),
        provenance: (i > 0).then_some(Provenance {
            stream: Stream::Hl7v2,
            partition: 0,
            offset: 42,
            part: 3,
        }),
    };
    Evidence {
        facts: subjects.into_iter().enumerate().map(fact).collect(),
        missing: vec![Missing { subject: Subject::Signal(Signal::Creatinine), last_at: None }],
        feeds,
        account: None,
        rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_priority_lives_from_beginning_to_end() {
        let all = all();
        assert_eq!(all.len(), kinds().count() * PRIORITIES.len() * PHASES.len());
        for kind in kinds() {
            for priority in PRIORITIES {
                let phases: Vec<Phase> = all
                    .iter()
                    .filter(|a| a.kind == kind && a.priority == priority)
                    .map(|a| a.phase)
                    .collect();
                assert_eq!(phases, super::phases(kind));
            }
        }
    }
}
