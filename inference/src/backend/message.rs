//! What is said to a chat model: a fixed instruction and a coded evidence in words of our own tables.
//!
//! Nothing in it comes from the hospital's text, and no value of the patient either: subjects, bands
//! and trends are names of enumerations, and values stay behind as slots.

use bedwatch_schemas::evidence::{Band, Direction, Evidence, Fact, MAX_FACTS};

use crate::{lexicon::label, writer::Request};

/// Most missing subjects told.
const MAX_MISSING: usize = 4;

/// The instruction, the same for every alert.
pub(super) const INSTRUCTION: &str = "\
You put the alert of a bedside monitor into plain clinical English, from coded facts.\n\
Rules:\n\
- Name a fact by the name given, then write its slot in its place: heart rate {f0}. The slot becomes the value, unit and time.\n\
- Write no digits and no numbers in words.\n\
- Say rising, falling or stable only of a fact whose trend says so, and low, normal or high only of a fact whose band says so, in the same clause.\n\
- Name nothing but the alert and the facts given. What is listed as missing may be named after the word: missing.\n\
- No advice, no treatment, no cause, no diagnosis, no negation.\n\
- One to three sentences, at most fifty words, no markup. End with a full stop.";

/// The coded evidence of one alert.
pub(super) struct Message<'a> {
    /// The text.
    pub(super) text: String,
    /// The fact of each slot.
    pub(super) facts: Vec<&'a Fact>,
}

/// The message of an alert; `None` when no fact has a finite value.
pub(super) fn message<'a>(request: &Request<'a>) -> Option<Message<'a>> {
    let evidence: &'a Evidence = request.evidence;
    let facts: Vec<&Fact> = evidence.facts.iter().filter(|f| f.value.is_finite()).take(MAX_FACTS).collect();
    if facts.is_empty() {
        return None;
    }
    let mut text =
        format!("alert: {}\npriority: {}\n", request.kind.name().replace('_', " "), request.priority.name());
    for (i, fact) in facts.iter().enumerate() {
        text.push_str(&format!("{{f{i}}}: {}", label(fact.subject)));
        if fact.band != Band::Unknown {
            text.push_str(&format!("; band: {}", fact.band.name().replace('_', " ")));
        }
        if let Some(trend) = fact.trend {
            text.push_str(match trend.direction {
                Direction::Rising => "; trend: rising",
                Direction::Falling => "; trend: falling",
                Direction::Stable => "; trend: stable",
            });
        }
        text.push('\n');
    }
    let missing: Vec<String> = evidence.missing.iter().take(MAX_MISSING).map(|m| label(m.subject)).collect();
    if !missing.is_empty() {
        text.push_str(&format!("missing: {}\n", missing.join(", ")));
    }
    Some(Message { text, facts })
}

/// Every name a message may hold, for the test that nothing else gets in.
#[cfg(test)]
fn words() -> std::collections::BTreeSet<String> {
    use bedwatch_schemas::alert::{AlertKind, Priority};
    let mut all: Vec<String> = crate::lexicon::subjects().map(label).collect();
    all.extend(AlertKind::ALL.map(|k| k.name().replace('_', " ")));
    all.extend([Priority::High, Priority::Medium, Priority::Low].map(|p| p.name().to_owned()));
    all.extend([
        "alert priority band trend missing critical low normal high rising falling stable".to_owned()
    ]);
    all.iter().flat_map(|t| t.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::alert::{AlertKind, Phase, Priority};
    use proptest::prelude::*;

    use super::*;
    use crate::check::tests::{evidence, evidences};

    fn request(evidence: &Evidence) -> Request<'_> {
        Request {
            kind: AlertKind::EarlyWarning,
            phase: Phase::Raised,
            priority: Priority::High,
            evidence,
            embedding: &[],
        }
    }

    #[test]
    fn the_evidence_is_told_in_codes_and_without_a_value() {
        let want = [
            "alert: early warning",
            "priority: high",
            "{f0}: heart rate; band: high; trend: rising",
            "{f1}: arterial mean pressure; band: critical low; trend: falling",
            "{f2}: lactate; band: high",
            "{f3}: temperature; band: normal; trend: stable",
            "missing: white cell count",
            "",
        ];
        assert_eq!(message(&request(&evidence())).unwrap().text, want.join("\n"));
        assert!(message(&request(&Evidence::default())).is_none());
    }

    proptest! {
        /// No evidence brings in a word that is not of our tables.
        #[test]
        fn only_our_own_words_are_said(evidence in evidences()) {
            let known = words();
            if let Some(message) = message(&request(&evidence)) {
                for word in message.text.split(|c: char| c.is_whitespace() || ",;:".contains(c)) {
                    let slot = crate::narrator::prompt::slot(word).is_some();
                    prop_assert!(word.is_empty() || slot || known.contains(word), "{}", word);
                }
            }
        }
    }
}
