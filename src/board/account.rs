//! What a model says of its own answer, as lines of the ward page: doubt first, then since when, what
//! would bring it down, what it resembles. Not advice: what the model would say of other numbers is
//! no promise of what would happen to a patient.

use bedwatch_inference::render;
use bedwatch_schemas::{
    alert::Alert,
    evidence::Subject,
    risk::{Attribution, Bound, Certainty, Change, Similar, UNFAMILIAR},
    time::Span,
};

/// The lines of an alert; none for rules.
pub(super) fn lines(alert: &Alert) -> Vec<String> {
    let Some(account) = &alert.evidence.account else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    if let Some(words) = account.certainty.and_then(Certainty::words) {
        lines.push(sentence(words));
    }
    if account.unfamiliar {
        lines.push(format!("To the model this patient is {UNFAMILIAR}."));
    }
    // What is a day old is not new, and its clock time alone would mislead.
    let new = |a: &&Attribution| a.since.is_some_and(|since| alert.at.since(since) < Span::hours(24));
    lines.extend(alert.attributions.iter().filter(new).filter_map(dated));
    if let Some(clears) = &account.clears {
        let changes: Vec<String> = clears.changes.iter().map(change).collect();
        lines.push(format!(
            "The model's risk would be below its limit with {} for {} min.",
            changes.join(" and "),
            clears.for_minutes
        ));
    }
    lines.extend(account.similar.iter().map(similar));
    lines
}

fn dated(attribution: &Attribution) -> Option<String> {
    let (Subject::Signal(signal), Some(since)) = (attribution.subject, attribution.since) else {
        return None;
    };
    let way = if attribution.delta > 0.0 { "raises" } else { "lowers" };
    let clock = since.to_string();
    let hour = clock.get(11..16)?;
    Some(sentence(&format!("{} {way} it since {hour} UTC", signal.info().label)))
}

fn change(change: &Change) -> String {
    let info = change.signal.info();
    let way = match change.bound {
        Bound::AtLeast => "at least",
        Bound::AtMost => "at most",
    };
    format!("{} {way} {} {}", info.label, change.value, render::unit(info.unit)).trim_end().to_owned()
}

fn similar(similar: &Similar) -> String {
    let percent = |cosine: f32| (cosine * 100.0).round();
    match similar {
        Similar::Own { hours_ago, cosine } => {
            format!("Like this patient {hours_ago} h ago (similarity {} %).", percent(*cosine))
        }
        Similar::Exemplar { words, cosine, .. } => {
            format!("Like the simulated stretch: {words} (similarity {} %).", percent(*cosine))
        }
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::{
        NOTICE,
        alert::{ALERT, AlertKind, Decision, Phase, Priority},
        evidence::Evidence,
        ids::{AlertId, PatientId},
        rationale::{Rationale, RationaleSource, TemplateReason},
        risk::{Account, Clears, ModelRef},
        signal::Signal,
        time::EventTime,
    };

    use super::*;

    fn alert(account: Option<Account>, attributions: Vec<Attribution>) -> Alert {
        let (at, patient) = (EventTime::from_micros(1_772_341_200_000_000), PatientId::new("p").unwrap());
        Alert {
            schema: ALERT.to_owned(),
            id: AlertId::of(&patient, AlertKind::Sepsis, "", at),
            sequence: 0,
            phase: Phase::Raised,
            kind: AlertKind::Sepsis,
            priority: Priority::Medium,
            patient,
            primary: None,
            escalations: 0,
            feedback: Vec::new(),
            encounter: None,
            location: None,
            onset: at,
            at,
            decision: Decision {
                by: ModelRef { name: "m".to_owned(), version: "1".to_owned() },
                rule: "sepsis".to_owned(),
            },
            evidence: Evidence { account, ..Evidence::default() },
            attributions,
            rationale: Rationale {
                text: String::new(),
                source: RationaleSource::Template(TemplateReason::NoModel),
            },
            config: String::new(),
            notice: NOTICE.to_owned(),
        }
    }

    #[test]
    fn doubt_comes_first_and_every_number_is_the_accounts() {
        let account = Account {
            certainty: Some(Certainty::Unsure),
            distance: Some(9.0),
            unfamiliar: true,
            clears: Some(Clears {
                changes: vec![
                    Change { signal: Signal::AbpMean, bound: Bound::AtLeast, value: 65.0 },
                    Change { signal: Signal::Lactate, bound: Bound::AtMost, value: 2.0 },
                ],
                for_minutes: 120,
                probability: 0.01,
            }),
            similar: vec![
                Similar::Own { hours_ago: 9, cosine: 0.934 },
                Similar::Exemplar { id: "s".to_owned(), words: "septic shock".to_owned(), cosine: 0.9 },
            ],
        };
        let since = Some(EventTime::from_micros(1_772_330_400_000_000));
        let day_old = since.map(|since| since - Span::hours(21));
        let attributions = vec![
            Attribution { subject: Subject::Signal(Signal::AbpMean), delta: 0.3, since },
            Attribution { subject: Subject::Signal(Signal::Wbc), delta: 0.1, since: None },
            Attribution { subject: Subject::Signal(Signal::Bun), delta: 0.1, since: day_old },
        ];
        let pressure = Signal::AbpMean.info().label;
        let upper = sentence(pressure);
        assert_eq!(
            lines(&alert(Some(account), attributions)),
            [
                "Model unsure.".to_owned(),
                "To the model this patient is unlike anything it was trained on.".to_owned(),
                format!("{} raises it since 02:00 UTC.", upper.trim_end_matches('.')),
                format!(
                    "The model's risk would be below its limit with {pressure} at least 65 mmHg and lactate at most 2 mmol/L for 120 min."
                ),
                "Like this patient 9 h ago (similarity 93 %).".to_owned(),
                "Like the simulated stretch: septic shock (similarity 90 %).".to_owned(),
            ]
        );
    }

    #[test]
    fn a_sure_model_and_a_rule_say_nothing_more() {
        let sure = Account { certainty: Some(Certainty::High), ..Account::default() };
        assert!(lines(&alert(Some(sure), Vec::new())).is_empty());
        assert!(lines(&alert(None, Vec::new())).is_empty());
    }
}
