//! The independent fact checker: compares a *rendered* rationale with the evidence, whoever wrote it.
//!
//! It shares no code with the narrator's constraints or the template: it splits the text itself
//! ([`tokens`]), reads it term by term, and keeps what the current clause is about. What it cannot
//! verify it refuses:
//! - a number stands after its subject, equals one of that subject's facts within the rounding of
//!   its unit and carries that unit;
//! - a time is the time of the fact just told, a date its date;
//! - a trend or band word agrees with a fact of the clause's subject;
//! - a subject is a fact, or, after "missing", something missing, or, after "would clear", what would
//!   clear the risk, with its own bound and value ([`account`]);
//! - a sentence that names something says something of it, and no sentence stands twice;
//! - a condition is the alert's own; advice, negation, numbers in words and unknown words are refused.
//!
//! A clause ends at `,` `;` `:` and `.`. Reasons carry the place and no text: they may be logged.

use bedwatch_schemas::{
    alert::AlertKind,
    evidence::{Band, Direction, Evidence, Fact, Subject},
};

use crate::lexicon::{Lexicon, Term};

mod account;
mod number;
mod raised;
mod site;
mod tokens;

pub use raised::check_raised;

use tokens::{Kind, Token};

/// Most words of a rationale. Numbers, units, times and dates are not counted.
pub const MAX_WORDS: usize = 60;

/// Why a text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// There is no text, or it does not end with a full stop.
    Incomplete,
    /// It has more than [`MAX_WORDS`] words.
    TooLong,
    /// A character of markup, a control character or anything else that is not plain text.
    Markup,
    /// A number no fact of the clause's subject has.
    Number,
    /// A number without the unit of its fact, or a unit without a number.
    Unit,
    /// A time or date at which no such fact was true.
    Time,
    /// A trend the clause's subject does not have.
    Trend,
    /// A band the clause's subject is not in.
    Band,
    /// A subject that is no fact (or, after "missing", not missing).
    Subject,
    /// A feed that is not silent.
    Feed,
    /// A condition the alert is not about.
    Condition,
    /// Advice, an order, a judgement, a negation or a number in words.
    Forbidden,
    /// A word the lexicon does not know.
    Word,
    /// Something of the model's own answer that it does not say.
    Account,
    /// A sentence that names something and says nothing of it, or one that stood before.
    Empty,
    /// A word of another phase than the alert's ([`check_raised`]).
    Phase,
    /// An urgency that is not the alert's ([`check_raised`]).
    Urgency,
}

impl Why {
    /// The snake-case name, also the metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::TooLong => "too_long",
            Self::Markup => "markup",
            Self::Number => "number",
            Self::Unit => "unit",
            Self::Time => "time",
            Self::Trend => "trend",
            Self::Band => "band",
            Self::Subject => "subject",
            Self::Feed => "feed",
            Self::Condition => "condition",
            Self::Forbidden => "forbidden",
            Self::Word => "word",
            Self::Account => "account",
            Self::Empty => "empty",
            Self::Phase => "phase",
            Self::Urgency => "urgency",
        }
    }
}

/// One unsupported claim: what kind, and where. Holds no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("unsupported {why} at byte {at}", why = .why.name())]
pub struct Unsupported {
    /// The byte of the text where it begins.
    pub at: usize,
    /// What is wrong.
    pub why: Why,
}

/// Checks a rendered rationale against the evidence.
///
/// # Errors
/// Every unsupported claim, in the order of the text.
pub fn check(
    text: &str,
    kind: AlertKind,
    evidence: &Evidence,
    lexicon: &Lexicon,
) -> Result<(), Vec<Unsupported>> {
    let own = site::Own::of(kind, evidence);
    let mut reader =
        Reader { kind, evidence, lexicon, own, before: "", state: State::default(), found: Vec::new() };
    if let Some(at) = tokens::first_markup(text) {
        reader.refuse(at, Why::Markup);
    }
    let tokens = tokens::split(text);
    let words = tokens.iter().filter(|t| t.kind == Kind::Word).count();
    if words > MAX_WORDS {
        reader.refuse(text.len(), Why::TooLong);
    }
    if words == 0 || !text.trim_end().ends_with('.') {
        reader.refuse(text.len(), Why::Incomplete);
    }
    let mut at = 0;
    while at < tokens.len() {
        at += reader.read(&tokens[at..]);
        reader.before = tokens[at - 1].text;
    }
    for at in repeated(text) {
        reader.refuse(at, Why::Empty);
    }
    if reader.found.is_empty() { Ok(()) } else { Err(reader.found) }
}

/// What the current clause is about.
#[derive(Default)]
struct State<'a> {
    /// Facts of the subject named in this clause.
    subject: Vec<&'a Fact>,
    /// Those whose number was told.
    told: Vec<&'a Fact>,
    /// Those whose time was told just now, for a date.
    dated: Vec<i64>,
    /// Whether the sentence lists what is missing.
    missing: bool,
    /// In a sentence about what would clear the risk: what it has said.
    clearing: Option<account::Clearing>,
    /// The feed just named.
    feed: Option<i64>,
    /// Whether the sentence has named a fact, and whether it has claimed something.
    named: bool,
    claimed: bool,
}

struct Reader<'a> {
    kind: AlertKind,
    evidence: &'a Evidence,
    lexicon: &'a Lexicon,
    /// What this alert's own evidence calls things, for a site's rule.
    own: site::Own,
    /// The token just read.
    before: &'a str,
    state: State<'a>,
    found: Vec<Unsupported>,
}

impl<'a> Reader<'a> {
    fn refuse(&mut self, at: usize, why: Why) {
        self.found.push(Unsupported { at, why });
    }

    /// Reads the term at the start of `tokens`; returns how many tokens it took.
    fn read(&mut self, tokens: &[Token<'_>]) -> usize {
        let token = &tokens[0];
        self.state.claimed |=
            self.state.clearing.is_some() || matches!(token.kind, Kind::Number | Kind::Time);
        let dated = std::mem::take(&mut self.state.dated);
        match token.kind {
            Kind::Number if self.state.clearing.is_some() => return self.clearing_number(tokens),
            Kind::Number => {
                self.stretched(token.at, Why::Number);
                return self.number(tokens);
            }
            Kind::Unit => self.refuse(token.at, Why::Unit),
            Kind::Time => {
                if self.state.feed.is_none() {
                    self.stretched(token.at, Why::Time);
                }
                self.time(token);
            }
            Kind::Date => {
                if !token.date().is_some_and(|day| dated.contains(&day)) {
                    self.refuse(token.at, Why::Time);
                }
            }
            Kind::End => self.end(token.at, token.text == "."),
            Kind::Bracket => {}
            Kind::Word => {
                // "at 23:50 on 2026-03-01": the joining word keeps the time in mind.
                if token.text.eq_ignore_ascii_case("on") {
                    self.state.dated = dated;
                }
                return self.word(tokens);
            }
        }
        1
    }

    /// Refuses a number or time that the word before makes a change, a limit or a span: "rising by
    /// 118 /min", "over 118 /min", "118 /min since 03:10" tell more than the fact does.
    fn stretched(&mut self, at: usize, why: Why) {
        let before = self.before.to_lowercase();
        if matches!(before.as_str(), "by" | "over" | "from" | "since" | "for" | "or") {
            self.refuse(at, why);
        }
    }

    fn end(&mut self, at: usize, sentence: bool) {
        if sentence && self.state.named && !self.state.claimed {
            self.refuse(at, Why::Empty);
        }
        let (named, claimed) = (self.state.named && !sentence, self.state.claimed && !sentence);
        let missing = self.state.missing && !sentence;
        let clearing = std::mem::take(&mut self.state.clearing).filter(|_| !sentence);
        self.state = State { missing, clearing, named, claimed, ..State::default() };
    }

    fn word(&mut self, tokens: &[Token<'_>]) -> usize {
        let at = tokens[0].at;
        let lower: Vec<String> = tokens
            .iter()
            .take(6)
            .take_while(|t| matches!(t.kind, Kind::Word | Kind::Unit))
            .map(|t| t.text.to_lowercase())
            .collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let lexicon = self.lexicon;
        let known = lexicon.longest(&lower);
        if let Some((length, own)) = self.own.longest(tokens, known.map_or(0, |(length, _)| length)) {
            // The site's own words for its rule claim nothing of the patient; its names are subjects.
            if let Some(subject) = own {
                self.subject(at, &[subject]);
            }
            return length;
        }
        let Some((length, term)) = known else {
            self.refuse(at, Why::Word);
            return 1;
        };
        // What is missing, or would clear, is named or refused by its own rules.
        self.state.claimed |= !matches!(term, Term::Plain | Term::Subject(_)) || self.state.missing;
        match term {
            Term::Plain => {}
            Term::Forbidden => self.refuse(at, Why::Forbidden),
            Term::Condition => self.refuse(at, Why::Condition),
            // "Without sepsis" would deny the alert.
            Term::Kind(kind) if *kind == self.kind && !self.state.missing => {}
            Term::Kind(_) => self.refuse(at, Why::Condition),
            Term::Missing if self.state.clearing.is_some() => self.refuse(at, Why::Account),
            // What is missing has no value, trend or band: "high and without rising" says nothing true.
            Term::Missing => self.state = State { missing: true, claimed: true, ..State::default() },
            Term::Feed(modality) => {
                let feed = self.evidence.feeds.iter().find(|f| f.modality == *modality);
                match feed {
                    Some(feed) => self.state.feed = Some(minute(feed.last_at.as_micros())),
                    None => self.refuse(at, Why::Feed),
                }
            }
            Term::Subject(subjects) => self.subject(at, subjects),
            Term::Trend(direction) => self.trend(at, *direction),
            Term::Band(bands) => self.band(at, bands),
            Term::Recent | Term::Clears | Term::Bound(_) | Term::Unsure | Term::Unfamiliar => {
                self.of_the_model(at, term);
            }
        }
        length
    }

    fn subject(&mut self, at: usize, subjects: &[Subject]) {
        self.state.told.clear();
        if self.state.clearing.is_some() {
            self.clearing_subject(at, subjects);
            return;
        }
        if self.state.missing {
            self.state.subject.clear();
            if !self.evidence.missing.iter().any(|m| subjects.contains(&m.subject)) {
                self.refuse(at, Why::Subject);
            }
            return;
        }
        self.state.named = true;
        let evidence: &'a Evidence = self.evidence;
        self.state.subject = evidence.facts.iter().filter(|f| subjects.contains(&f.subject)).collect();
        if self.state.subject.is_empty() {
            self.refuse(at, Why::Subject);
        }
    }

    /// The facts a claim about the clause's subject may rest on: the one whose number was told,
    /// else any of the subject.
    fn current(&self) -> &[&'a Fact] {
        if self.state.told.is_empty() { &self.state.subject } else { &self.state.told }
    }

    fn trend(&mut self, at: usize, direction: Direction) {
        let backed = self.current().iter().any(|f| f.trend.is_some_and(|t| t.direction == direction));
        if !backed {
            self.refuse(at, Why::Trend);
        }
    }

    fn band(&mut self, at: usize, bands: &[Band]) {
        if !self.current().iter().any(|f| bands.contains(&f.band)) {
            self.refuse(at, Why::Band);
        }
    }

    /// A number and the unit after it.
    fn number(&mut self, tokens: &[Token<'_>]) -> usize {
        let (number, next) = (&tokens[0], tokens.get(1));
        let unit = next.filter(|t| t.kind == Kind::Unit);
        let taken = 1 + usize::from(unit.is_some());
        if !self.state.told.is_empty() {
            self.refuse(number.at, Why::Number);
            return taken;
        }
        let same: Vec<&Fact> =
            self.state.subject.iter().copied().filter(|f| number::states(number.text, f)).collect();
        if same.is_empty() {
            self.refuse(number.at, Why::Number);
            return taken;
        }
        let said = unit.map_or("", |u| u.text);
        self.state.told = same.iter().copied().filter(|f| number::unit(f.unit) == said).collect();
        if self.state.told.is_empty() {
            self.refuse(unit.map_or(number.at, |u| u.at), Why::Unit);
            self.state.told = same;
        }
        taken
    }

    fn time(&mut self, token: &Token<'_>) {
        let Some(clock) = token.clock() else {
            self.refuse(token.at, Why::Time);
            return;
        };
        let mut times: Vec<i64> = if let Some(feed) = self.state.feed {
            vec![feed]
        } else {
            self.current().iter().map(|f| minute(f.at.as_micros())).collect()
        };
        times.retain(|t| t.rem_euclid(1_440) == clock);
        if times.is_empty() {
            self.refuse(token.at, Why::Time);
        }
        self.state.dated = times.iter().map(|t| t.div_euclid(1_440)).collect();
    }
}

/// Where a sentence ends that stood before, word for word.
fn repeated(text: &str) -> Vec<usize> {
    let mut seen = std::collections::BTreeSet::new();
    let sentences = text.split_inclusive(". ").scan(0, |at, sentence| {
        *at += sentence.len();
        Some((*at, sentence.trim_matches([' ', '.']).to_lowercase()))
    });
    sentences.filter(|(_, s)| !s.is_empty() && !seen.insert(s.clone())).map(|(at, _)| at).collect()
}

/// Minutes since the Unix epoch.
fn minute(micros: i64) -> i64 {
    micros.div_euclid(60_000_000)
}

#[cfg(test)]
pub(crate) mod tests;
