//! The prompt: codes and nothing else. Free text has no way in, because every token is built here
//! from an enumeration's name.
//!
//! `<bos>`, then `<state>` where an embedding comes along (it takes the token's place) or
//! `<nostate>`, `<kind:K> <priority:P>`, what the model says of its own answer (`<unfamiliar>`,
//! `<unsure>`), for each fact `<fact:i> <sig:S> <band:B> <trend:D>` and `<new>` where the trend was
//! seen within the last hour, what would clear the risk `<clears> <sig:S> <bound:B>...`, what is
//! missing `<missing> <sig:S>...`, then `<say>`. Facts the narrator has no code for are left out; the
//! others are numbered without gaps, and [`Prompt::facts`] leads back. A bundle without a code for
//! one of the optional tokens is not told.

use bedwatch_schemas::{
    alert::{AlertKind, Priority},
    evidence::{Direction, Evidence, Fact, Subject},
    risk::{Bound, Certainty, Change},
    time::Span,
};

/// Stands where an embedding would.
const NO_STATE: &str = "<nostate>";
/// Most facts told to the narrator: as many as any alert of a model's head has.
pub const MAX_FACTS: usize = 8;
/// Most missing subjects told.
pub const MAX_MISSING: usize = 4;
/// Most changes told that would clear the risk.
pub const MAX_CHANGES: usize = 2;
/// Most tokens of a prompt.
pub const MAX_TOKENS: usize = 6 + 5 * MAX_FACTS + 1 + 2 * MAX_CHANGES + 1 + MAX_MISSING + 1;

/// What the narrator is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt<'a> {
    /// The alert's kind.
    pub kind: AlertKind,
    /// Its priority.
    pub priority: Priority,
    /// The prompt's tokens in order.
    pub tokens: Vec<String>,
    /// The fact of each slot `{fN}`.
    pub facts: Vec<&'a Fact>,
    /// The missing subjects told.
    pub missing: Vec<Subject>,
    /// The change of each slot `{cN}`; empty where not all of them can be told.
    pub changes: Vec<Change>,
    /// For how long those values were held, in minutes.
    pub for_minutes: u32,
    /// Whether it is told that the model is unsure.
    pub unsure: bool,
    /// Whether it is told that the picture is unfamiliar to the model.
    pub unfamiliar: bool,
}

/// Whether a fact's trend was seen within the last hour.
#[must_use]
pub fn is_recent(fact: &Fact) -> bool {
    fact.trend.is_some_and(|t| t.direction != Direction::Stable && t.over <= Span::hours(1))
}

impl<'a> Prompt<'a> {
    /// The prompt of an alert without an embedding; `None` when `known` lacks its kind or every fact.
    #[must_use]
    pub fn new(
        kind: AlertKind,
        priority: Priority,
        evidence: &'a Evidence,
        known: &dyn Fn(&str) -> bool,
    ) -> Option<Self> {
        if !known(&format!("<kind:{}>", kind.name())) {
            return None;
        }
        let named = |s: Subject| known(&format!("<sig:{}>", s.name()));
        let facts = evidence.facts.iter().filter(|f| f.value.is_finite() && named(f.subject));
        let facts: Vec<&Fact> = facts.take(MAX_FACTS).collect();
        if facts.is_empty() {
            return None;
        }
        let missing = evidence.missing.iter().map(|m| m.subject).filter(|s| named(*s)).take(MAX_MISSING);
        let account = evidence.account.as_ref();
        let clears = account.and_then(|a| a.clears.as_ref()).filter(|c| {
            let told = |c: &Change| c.value.is_finite() && named(Subject::Signal(c.signal));
            known("<clears>") && (1..=MAX_CHANGES).contains(&c.changes.len()) && c.changes.iter().all(told)
        });
        let mut prompt = Self {
            kind,
            priority,
            tokens: Vec::new(),
            facts,
            missing: missing.collect(),
            changes: clears.map_or(Vec::new(), |c| c.changes.clone()),
            for_minutes: clears.map_or(0, |c| c.for_minutes),
            unsure: known("<unsure>") && account.is_some_and(|a| a.certainty == Some(Certainty::Unsure)),
            unfamiliar: known("<unfamiliar>") && account.is_some_and(|a| a.unfamiliar),
        };
        prompt.write(known);
        Some(prompt)
    }

    /// Says that an embedding comes along: it takes the place of `<state>`.
    #[must_use]
    pub fn with_state(mut self) -> Self {
        for token in self.tokens.iter_mut().filter(|t| *t == NO_STATE) {
            *token = "<state>".to_owned();
        }
        self
    }

    fn write(&mut self, known: &dyn Fn(&str) -> bool) {
        let mut tokens = vec!["<bos>".to_owned()];
        tokens.extend(known(NO_STATE).then(|| NO_STATE.to_owned()));
        tokens.push(format!("<kind:{}>", self.kind.name()));
        tokens.push(format!("<priority:{}>", self.priority.name()));
        tokens.extend(self.unfamiliar.then(|| "<unfamiliar>".to_owned()));
        tokens.extend(self.unsure.then(|| "<unsure>".to_owned()));
        for (i, fact) in self.facts.iter().enumerate() {
            let trend = fact.trend.map_or("unknown", |t| t.direction.name());
            tokens.push(format!("<fact:{i}>"));
            tokens.push(format!("<sig:{}>", fact.subject.name()));
            tokens.push(format!("<band:{}>", fact.band.name()));
            tokens.push(format!("<trend:{trend}>"));
            tokens.extend((is_recent(fact) && known("<new>")).then(|| "<new>".to_owned()));
        }
        if !self.changes.is_empty() {
            tokens.push("<clears>".to_owned());
            for change in &self.changes {
                tokens.push(format!("<sig:{}>", change.signal.name()));
                tokens.push(format!("<bound:{}>", bound(change.bound)));
            }
        }
        if !self.missing.is_empty() {
            tokens.push("<missing>".to_owned());
            tokens.extend(self.missing.iter().map(|s| format!("<sig:{}>", s.name())));
        }
        tokens.push("<say>".to_owned());
        self.tokens = tokens;
    }
}

const fn bound(bound: Bound) -> &'static str {
    match bound {
        Bound::AtLeast => "at_least",
        Bound::AtMost => "at_most",
    }
}

/// The number of a fact's slot `{fN}`.
#[must_use]
pub fn slot(text: &str) -> Option<usize> {
    numbered(text, "{f")
}

/// The number of a change's slot `{cN}`.
#[must_use]
pub fn change_slot(text: &str) -> Option<usize> {
    numbered(text, "{c")
}

fn numbered(text: &str, opening: &str) -> Option<usize> {
    let digits = text.strip_prefix(opening)?.strip_suffix('}')?;
    let plain = !digits.is_empty() && digits.len() < 3 && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}
