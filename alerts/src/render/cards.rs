//! Open alerts as CDS Hooks cards (CDS Hooks 2.0): what a clinician sees who opens the patient's
//! chart. A pull at a step of work, never the way of an alarm.

use bedwatch_schemas::alert::{Alert, Priority};
use serde_json::{Value, json};

use super::{text, title};

/// The longest summary, in characters: the specification asks for less than 140.
const SUMMARY: usize = 139;

/// One card of an open alert.
#[must_use]
pub fn card(alert: &Alert) -> Value {
    let words = text::fhir(&alert.rationale.text);
    let summary = format!("{}: {words}", title(alert));
    let by = &alert.decision.by;
    json!({
        "uuid": alert.id.to_string(),
        "summary": text::shortened(&text::fhir(&summary), SUMMARY),
        // Markdown: what would be markup is escaped.
        "detail": markdown(&format!("{words} Since {}. {}", alert.onset, alert.notice)),
        "indicator": match alert.priority {
            Priority::High => "critical",
            Priority::Medium => "warning",
            Priority::Low => "info",
        },
        "source": {
            "label": text::fhir(&format!("bedwatch, {} {}", by.name, by.version)),
            "topic": { "system": super::fhir::KINDS, "code": alert.kind.name(), "display": text::fhir(title(alert)) },
        },
    })
}

/// Plain text in GitHub-flavoured Markdown: every punctuation sign that could begin markup is escaped.
fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '!' | '&'
        ) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn every_card_has_what_the_specification_wants() {
        for alert in samples::all() {
            let card = card(&alert);
            let summary = card["summary"].as_str().unwrap();
            assert!(!summary.is_empty() && summary.chars().count() < 140, "{summary}");
            assert!(["info", "warning", "critical"].contains(&card["indicator"].as_str().unwrap()));
            assert!(!card["source"]["label"].as_str().unwrap().is_empty());
            assert_eq!(card["uuid"], alert.id.to_string());
        }
    }

    #[test]
    fn markup_does_not_come_through() {
        let mut alert = samples::all().remove(0);
        alert.rationale.text = "<img src=x> [a](javascript:b) *c*".to_owned();
        let detail = card(&alert)["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(r"\<img src=x\> \[a\](javascript:b) \*c\*"), "{detail}");
    }
}
