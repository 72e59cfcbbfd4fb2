//! What only a model's text about a raised alert is asked besides: that it does not tell of another
//! phase or urgency.
//!
//! The template says of a resolved alert that it ended, of a feed that it is silent or back. Those
//! words are joining words to the checker, which does not know the phase. A model is asked about
//! raised alerts of patients alone: from it they would be claims that nothing backs ("sepsis alert
//! resolved", "nothing fits sepsis"). An urgency word must be the alert's own priority.

use bedwatch_schemas::alert::Priority;

use super::{Unsupported, Why, tokens};
use crate::lexicon::Lexicon;

/// Words of other phases and of technical alerts.
const ELSEWHERE: &[&str] = &[
    "acknowledged",
    "back",
    "began",
    "blind",
    "delivering",
    "delivers",
    "ended",
    "expired",
    "gap",
    "nothing",
    "resolved",
    "silent",
    "stale",
    "technical",
    "unanswered",
    "update",
    "usable",
];

/// Checks a model's text about a raised alert of a patient, besides [`super::check`].
///
/// # Errors
/// Every word of another phase or urgency, in the order of the text.
pub fn check_raised(text: &str, priority: Priority, lexicon: &Lexicon) -> Result<(), Vec<Unsupported>> {
    let mut found = Vec::new();
    for token in tokens::split(text).iter().filter(|t| t.kind == tokens::Kind::Word) {
        let word = token.text.to_lowercase();
        if ELSEWHERE.contains(&word.as_str()) {
            found.push(Unsupported { at: token.at, why: Why::Phase });
        }
        if lexicon.urgency(&word).is_some_and(|p| !p.contains(&priority)) {
            found.push(Unsupported { at: token.at, why: Why::Urgency });
        }
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_phases_and_urgencies_are_refused() {
        use Priority::{High, Low, Medium};
        for (text, priority, want) in [
            ("Signs of sepsis.", High, None),
            ("Immediate: signs of sepsis.", High, None),
            ("Immediate: signs of sepsis.", Medium, Some(Why::Urgency)),
            ("Prompt: signs of sepsis.", Medium, None),
            ("Prompt: signs of sepsis.", High, Some(Why::Urgency)),
            ("Awareness: signs of sepsis.", Low, None),
            ("Mild signs of sepsis.", High, Some(Why::Urgency)),
            ("Urgent sepsis.", Low, Some(Why::Urgency)),
            ("Sepsis alert resolved.", High, Some(Why::Phase)),
            ("Sepsis alert acknowledged.", High, Some(Why::Phase)),
            ("Sepsis alert unanswered.", High, Some(Why::Phase)),
            ("Sepsis alert expired.", High, Some(Why::Phase)),
            ("Sepsis ended.", High, Some(Why::Phase)),
            ("NOTHING fits sepsis.", High, Some(Why::Phase)),
            ("Heart rate silent.", High, Some(Why::Phase)),
        ] {
            let found = check_raised(text, priority, &Lexicon::built_in());
            assert_eq!(found.err().map(|f| f[0].why), want, "{text}");
        }
    }
}
