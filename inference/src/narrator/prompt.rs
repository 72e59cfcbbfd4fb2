//! The prompt: codes and nothing else. Free text has no way in, because every token is built here
//! from an enumeration's name.
//!
//! `<bos> <kind:K> <priority:P>`, then for each fact `<fact:i> <sig:S> <band:B> <trend:D>`, then,
//! if something is missing, `<missing> <sig:S>...`, then `<say>`. Facts the narrator has no code for
//! are left out; the others are numbered without gaps, and [`Prompt::facts`] leads back.

use bedwatch_schemas::{
    alert::{AlertKind, Priority},
    evidence::{Evidence, Fact, MAX_FACTS, Subject},
};

/// Most missing subjects told to the narrator.
pub const MAX_MISSING: usize = 4;
/// Most tokens of a prompt.
pub const MAX_TOKENS: usize = 3 + 4 * MAX_FACTS + 1 + MAX_MISSING + 1;

/// What the narrator is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt<'a> {
    /// The prompt's tokens in order.
    pub tokens: Vec<String>,
    /// The fact of each slot.
    pub facts: Vec<&'a Fact>,
    /// The missing subjects told.
    pub missing: Vec<Subject>,
}

impl<'a> Prompt<'a> {
    /// The prompt of an alert; `None` when `known` lacks its kind or every fact.
    #[must_use]
    pub fn new(
        kind: AlertKind,
        priority: Priority,
        evidence: &'a Evidence,
        known: &dyn Fn(&str) -> bool,
    ) -> Option<Self> {
        let kind = format!("<kind:{}>", kind.name());
        if !known(&kind) {
            return None;
        }
        let named = |s: Subject| known(&format!("<sig:{}>", s.name()));
        let facts: Vec<&Fact> = evidence
            .facts
            .iter()
            .filter(|f| f.value.is_finite() && named(f.subject))
            .take(MAX_FACTS)
            .collect();
        if facts.is_empty() {
            return None;
        }
        let missing: Vec<Subject> =
            evidence.missing.iter().map(|m| m.subject).filter(|s| named(*s)).take(MAX_MISSING).collect();
        let mut tokens = vec!["<bos>".to_owned(), kind, format!("<priority:{}>", priority.name())];
        for (i, fact) in facts.iter().enumerate() {
            let trend = fact.trend.map_or("unknown", |t| t.direction.name());
            tokens.push(format!("<fact:{i}>"));
            tokens.push(format!("<sig:{}>", fact.subject.name()));
            tokens.push(format!("<band:{}>", fact.band.name()));
            tokens.push(format!("<trend:{trend}>"));
        }
        if !missing.is_empty() {
            tokens.push("<missing>".to_owned());
            tokens.extend(missing.iter().map(|s| format!("<sig:{}>", s.name())));
        }
        tokens.push("<say>".to_owned());
        Some(Self { tokens, facts, missing })
    }
}

/// The number of a slot `{fN}`.
#[must_use]
pub fn slot(text: &str) -> Option<usize> {
    let digits = text.strip_prefix("{f")?.strip_suffix('}')?;
    let plain = !digits.is_empty() && digits.len() < 3 && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}
