//! What the narrator may say next, given what it has said and what the evidence backs.
//!
//! The text is read phrase by phrase. A phrase may begin only if the evidence backs it where it
//! stands: a subject of a fact (or, in its sentence, of something missing or of what would clear the
//! risk), a trend or band of the clause's subject, the alert's own name, a joining word. A slot
//! stands in the clause that named its fact, once. A text ends after a full stop and the first
//! three facts; when little room is left, only what leads to that full stop is allowed, so that every
//! text ends. A sentence claims something, what is named is said something of, doubt is told once, and
//! what is missing comes last: a model that has said all and goes on babbles ("The background, heart rate."). This makes a faithful text likely; the checker, which shares no code with this, decides.

use std::collections::BTreeSet;

use bedwatch_schemas::evidence::{Band, Subject};
use tokenizers::Tokenizer;

use super::{
    MAX_NEW_TOKENS,
    prompt::{Prompt, change_slot, is_recent, slot},
};
use crate::lexicon::{Lexicon, Term};

/// Facts that a text must tell.
const TOLD: usize = 3;
/// Most words; a slot counts as two, for the "at" and "on" that its value may bring.
const WORDS: usize = crate::check::MAX_WORDS;
/// Tokens and words kept for coming to an end: the rest of a phrase, a bracket, a full stop.
const ENDING: (usize, usize) = (6, 4);
/// Tokens and words that a sentence about what is missing needs, and one about what would clear the
/// risk.
const SENTENCE: (usize, usize) = (10, 24);
/// Tokens and words that a fact needs from its name to its value.
const FACT: usize = 5;
/// Most joining words in such a sentence ("a recent", "and").
const JOINING: usize = 4;
/// Words that would stretch a value beyond what it is ("rising by", "over").
const STRETCHING: [&str; 6] = ["by", "over", "from", "since", "for", "or"];

/// Words that lead to what is missing ("still missing", "judged without", "seen without a recent").
const MISSING_OPENERS: [&str; 3] = ["still", "judged", "seen"];

/// "has" needs its participle: of a trend the clause's subject has, or, of a risk, what it reached. Without
/// this a model that is kept from an untrue participle says "pressure has and steady".
const AUXILIARY: &str = "has";
const PARTICIPLES: [&str; 4] = ["risen", "climbed", "fallen", "dropped"];
const REACHED: &str = "reached";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Class {
    /// It is never said.
    Never,
    /// The end of the text.
    Eos,
    /// The value of a fact.
    Slot(usize),
    /// The value of a change that would clear the risk.
    Change(usize),
    /// `,` `;` `:`
    Pause,
    /// `.`
    Stop,
    /// `(`
    Open,
    /// `)`
    Close,
    /// A word.
    Word,
}

/// The tokenizer's tokens by what they say.
#[derive(Debug)]
pub struct Vocabulary {
    tokens: Vec<(Class, String)>,
    /// Every word that can be said.
    words: BTreeSet<String>,
}

impl Vocabulary {
    /// Sorts every token of a tokenizer.
    #[must_use]
    pub fn new(tokenizer: &Tokenizer, lexicon: &Lexicon, eos: u32) -> Self {
        // A word of no phrase is one the checker does not know.
        let known: BTreeSet<&str> =
            lexicon.all().flat_map(|(words, _)| words.iter().map(String::as_str)).collect();
        let count = u32::try_from(tokenizer.get_vocab_size(true)).unwrap_or(u32::MAX);
        let added = tokenizer.get_added_tokens_decoder();
        let tokens = (0..count).map(|id| {
            if id == eos {
                return (Class::Eos, String::new());
            }
            let special = added.get(&id).is_some_and(|t| t.special);
            let text = tokenizer.decode(&[id], false).unwrap_or_default();
            let word = text.trim().to_lowercase();
            let class = if special { Class::Never } else { class(&word) };
            let unknown = class == Class::Word && !known.contains(word.as_str());
            (if unknown { Class::Never } else { class }, word)
        });
        let tokens: Vec<(Class, String)> = tokens.collect();
        let words = tokens.iter().filter(|(class, _)| *class == Class::Word).map(|(_, w)| w.clone());
        Self { words: words.collect(), tokens }
    }

    fn get(&self, id: u32) -> Option<(&Class, &str)> {
        self.tokens.get(usize::try_from(id).ok()?).map(|(class, word)| (class, word.as_str()))
    }
}

fn class(word: &str) -> Class {
    match word {
        "" => Class::Never,
        "," | ";" | ":" => Class::Pause,
        "." => Class::Stop,
        "(" => Class::Open,
        ")" => Class::Close,
        _ => match (slot(word), change_slot(word)) {
            (Some(n), _) => Class::Slot(n),
            (_, Some(n)) => Class::Change(n),
            _ => Class::Word,
        },
    }
}

/// What the sentence is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The patient.
    Facts,
    /// What is missing.
    Missing,
    /// What would clear the risk.
    Clears,
}

/// Where the text stands after its last whole phrase. Sets of facts, missing subjects and changes are
/// bits by their place in the prompt.
#[derive(Debug, Clone, Copy)]
struct State {
    mode: Mode,
    /// What the clause has named.
    subject: u32,
    /// The fact whose value the clause told.
    told: Option<usize>,
    /// Facts told in the text.
    all_told: u32,
    /// Changes told, and whether the named one's bound was said.
    changes: u32,
    bound: bool,
    /// Something missing was named.
    named: bool,
    /// Joining words of a sentence about what is missing or would clear the risk.
    joining: usize,
    /// Sentences about what is missing, or clears, that the text has had.
    had: (bool, bool),
    /// A bracket is open.
    open: bool,
    /// Something was said of what the clause names.
    claimed: bool,
    /// The sentence has claimed something.
    said: bool,
    /// That the model is unsure, and that the picture is unfamiliar to it, were told.
    doubts: (bool, bool),
    /// What is missing was told: the text is over.
    over: bool,
}

/// A phrase with what it claims.
type Phrase<'a> = (&'a [String], &'a Term);

/// The state of one text.
pub struct Constraint<'a> {
    vocabulary: &'a Vocabulary,
    lexicon: &'a Lexicon,
    prompt: &'a Prompt<'a>,
    /// Phrases the prompt could back somewhere.
    phrases: Vec<Phrase<'a>>,
    state: State,
    /// Words of the phrase in progress.
    pending: Vec<&'a str>,
    /// The last token's word.
    last: &'a str,
    /// Tokens that may still come, and words.
    tokens_left: usize,
    words_left: usize,
}

impl<'a> Constraint<'a> {
    /// At the start of a text.
    #[must_use]
    pub fn new(vocabulary: &'a Vocabulary, lexicon: &'a Lexicon, prompt: &'a Prompt<'a>) -> Self {
        let state = State {
            mode: Mode::Facts,
            subject: 0,
            told: None,
            all_told: 0,
            changes: 0,
            bound: false,
            named: false,
            joining: 0,
            had: (false, false),
            open: false,
            claimed: false,
            said: false,
            doubts: (false, false),
            over: false,
        };
        let mut all = Self {
            vocabulary,
            lexicon,
            prompt,
            phrases: Vec::new(),
            state,
            pending: Vec::new(),
            last: ".",
            tokens_left: MAX_NEW_TOKENS,
            words_left: WORDS,
        };
        // A phrase that cannot be said to its end must not be begun.
        let whole = |words: &[String]| words.iter().all(|w| vocabulary.words.contains(w));
        all.phrases = lexicon.all().filter(|(words, term)| whole(words) && all.ever(words, term)).collect();
        all
    }

    /// With at most so many tokens.
    #[must_use]
    pub fn within(mut self, tokens: usize) -> Self {
        self.tokens_left = tokens;
        self
    }

    /// Whether the prompt could back a phrase anywhere.
    fn ever(&self, words: &[String], term: &Term) -> bool {
        match term {
            Term::Subject(subjects) => {
                self.facts(subjects) | self.missing(subjects) | self.changes(subjects) != 0
            }
            Term::Trend(_) | Term::Band(_) | Term::Recent | Term::Bound(_) => true,
            Term::Kind(kind) => *kind == self.prompt.kind,
            Term::Missing => !self.prompt.missing.is_empty(),
            Term::Clears => !self.prompt.changes.is_empty(),
            Term::Unsure => self.prompt.unsure,
            Term::Unfamiliar => self.prompt.unfamiliar,
            Term::Plain => words.iter().all(|w| {
                self.lexicon.urgency(w).is_none_or(|priorities| priorities.contains(&self.prompt.priority))
            }),
            Term::Condition | Term::Forbidden | Term::Feed(_) => false,
        }
    }

    fn facts(&self, subjects: &[Subject]) -> u32 {
        bits(self.prompt.facts.iter().map(|f| subjects.contains(&f.subject)))
    }

    fn missing(&self, subjects: &[Subject]) -> u32 {
        bits(self.prompt.missing.iter().map(|s| subjects.contains(s)))
    }

    fn changes(&self, subjects: &[Subject]) -> u32 {
        bits(self.prompt.changes.iter().map(|c| subjects.contains(&Subject::Signal(c.signal))))
    }

    /// What a list of subjects names in this kind of sentence.
    fn naming(&self, mode: Mode, subjects: &[Subject]) -> u32 {
        match mode {
            Mode::Facts => self.facts(subjects),
            Mode::Missing => self.missing(subjects),
            Mode::Clears => self.changes(subjects),
        }
    }

    /// Whether a phrase may stand after `state`.
    fn permits(&self, state: &State, term: &Term) -> bool {
        let about = match (state.mode, state.told) {
            (Mode::Facts, Some(n)) => 1 << n,
            (Mode::Facts, None) => state.subject,
            _ => 0,
        };
        let any =
            |f: &dyn Fn(usize) -> bool| (0..self.prompt.facts.len()).any(|i| about >> i & 1 == 1 && f(i));
        let facts = &self.prompt.facts;
        match term {
            Term::Plain => state.mode == Mode::Facts || state.joining < JOINING,
            Term::Subject(subjects) => {
                let named = self.naming(state.mode, subjects);
                // A bracket holds what is said of the value before it. A change is named by its own
                // name, once, and waits for its value.
                let clears = || subjects.len() == 1 && !state.waits() && named & !state.changes != 0;
                let of_mode = match state.mode {
                    Mode::Facts => !self.is_closing(state) && self.can_be_said(state, named),
                    Mode::Missing => true,
                    Mode::Clears => clears(),
                };
                !state.open && named != 0 && of_mode
            }
            Term::Trend(direction) => any(&|i| facts[i].trend.is_some_and(|t| t.direction == *direction)),
            Term::Band(bands) => any(&|i| bands.contains(&facts[i].band)),
            Term::Recent => any(&|i| is_recent(facts[i])),
            Term::Kind(_) => state.mode == Mode::Facts && !state.open && !self.is_closing(state),
            Term::Missing => state.mode == Mode::Facts && !state.had.0 && !state.open,
            Term::Clears => state.mode == Mode::Facts && !state.had.1 && !state.open,
            Term::Bound(bound) => {
                let mut named = self.prompt.changes.iter().enumerate();
                state.mode == Mode::Clears
                    && !state.bound
                    && named.any(|(i, c)| state.subject >> i & 1 == 1 && c.bound == *bound)
            }
            Term::Unsure => state.mode == Mode::Facts && !state.open && !state.doubts.0,
            Term::Unfamiliar => state.mode == Mode::Facts && !state.open && !state.doubts.1,
            Term::Condition | Term::Forbidden | Term::Feed(_) => false,
        }
    }

    /// Whether there is something left to say of one of these facts: its value, its trend or its band.
    fn can_be_said(&self, state: &State, named: u32) -> bool {
        let mut facts = self.prompt.facts.iter().enumerate().filter(|(i, _)| named >> i & 1 == 1);
        facts.any(|(i, f)| state.all_told >> i & 1 == 0 || f.trend.is_some() || f.band != Band::Unknown)
    }

    /// Whether a word begins something that is said of the clause's subject.
    fn claims(&self, word: &str) -> bool {
        let state = self.settled().unwrap_or(self.state);
        let claim =
            |term: &Term| matches!(term, Term::Trend(_) | Term::Band(_)) && self.permits(&state, term);
        self.phrases.iter().any(|(words, term)| words[0] == word && claim(term))
    }

    /// Whether the text has come to what the model says of itself, or to what is missing: only these follow,
    /// and no further fact.
    fn is_closing(&self, state: &State) -> bool {
        let begun = state.doubts.0 || state.doubts.1 || state.had.0 || state.had.1;
        begun && state.all_told.trailing_ones() as usize >= self.prompt.facts.len().min(TOLD)
    }

    /// Whether a sentence of a closing text may begin with this phrase.
    fn closes(&self, state: &State, words: &[String], term: &Term) -> bool {
        let leads_on = !self.prompt.missing.is_empty() && !state.had.0;
        match term {
            Term::Unsure | Term::Unfamiliar | Term::Clears | Term::Missing => true,
            Term::Plain => leads_on && MISSING_OPENERS.contains(&words[0].as_str()),
            _ => false,
        }
    }

    /// Whether a phrase may begin here: as [`Self::permits`], and there is room for its sentence.
    fn begins_here(&self, state: &State, words: &[String], term: &Term) -> bool {
        if self.last == "." && self.is_closing(state) && !self.closes(state, words, term) {
            return false;
        }
        let room = |n| self.tokens_left > n + ENDING.0 && self.words_left > n + ENDING.1;
        let fits = match term {
            Term::Missing => room(SENTENCE.0),
            Term::Clears => self.last == "." && room(SENTENCE.1),
            Term::Subject(_) if state.mode == Mode::Facts => room(FACT),
            _ => true,
        };
        fits && self.permits(state, term)
    }

    /// The state after a phrase.
    fn after(&self, mut state: State, term: &Term) -> State {
        match term {
            Term::Plain => state.joining += 1,
            Term::Subject(subjects) => {
                state.subject = self.naming(state.mode, subjects);
                state.told = None;
                state.bound = false;
                state.claimed = false;
                state.named |= state.mode == Mode::Missing;
            }
            Term::Trend(_) | Term::Band(_) => (state.claimed, state.said) = (true, true),
            Term::Kind(_) => state.said = true,
            Term::Unsure => (state.said, state.doubts.0) = (true, true),
            Term::Unfamiliar => (state.said, state.doubts.1) = (true, true),
            Term::Missing => {
                state.had.0 = true;
                state =
                    State { mode: Mode::Missing, subject: 0, told: None, named: false, joining: 0, ..state };
            }
            Term::Clears => {
                state.had.1 = true;
                state =
                    State { mode: Mode::Clears, subject: 0, told: None, bound: false, joining: 0, ..state };
            }
            Term::Bound(_) => state.bound = true,
            _ => {}
        }
        state
    }

    /// The phrase that the pending words are, if they are a whole one; `Some(None)` when nothing
    /// is pending.
    fn pending_phrase(&self) -> Option<Option<&'a Term>> {
        if self.pending.is_empty() {
            return Some(None);
        }
        let whole = |words: &[String]| words.len() == self.pending.len() && begins(&self.pending, words);
        let found = self.phrases.iter().find(|(words, term)| whole(words) && self.permits(&self.state, term));
        found.map(|(_, term)| Some(*term))
    }

    /// The state once the pending words are taken as a whole phrase; `None` when they are none.
    fn settled(&self) -> Option<State> {
        self.pending_phrase().map(|term| term.map_or(self.state, |t| self.after(self.state, t)))
    }

    /// Whether a word continues the phrase in progress.
    fn continues(&self, word: &str) -> bool {
        let longer = self.pending.len() + 1;
        self.phrases.iter().any(|(words, term)| {
            words.len() >= longer
                && words[longer - 1] == word
                && begins(&self.pending, words)
                && if longer > 1 {
                    self.permits(&self.state, term)
                } else {
                    self.begins_here(&self.state, words, term)
                }
        })
    }

    /// Whether a token may come next.
    #[must_use]
    pub fn allows(&self, id: u32) -> bool {
        let Some((class, word)) = self.vocabulary.get(id) else { return false };
        if !self.possible(class, word) {
            return false;
        }
        if !self.is_ending() {
            return *class != Class::Eos || self.said_enough();
        }
        // The end is near: the full stop as soon as it can stand, until then only what leads there.
        match class {
            Class::Eos | Class::Stop | Class::Close | Class::Change(_) => true,
            // What was named last still waits for its value.
            Class::Slot(_) => !self.possible(&Class::Stop, "."),
            Class::Word => {
                let waits = self.settled().is_some_and(|s| s.mode == Mode::Facts && !s.is_said());
                self.last != "."
                    && !self.possible(&Class::Stop, ".")
                    && !self.possible(&Class::Close, ")")
                    && (!waits || self.continues_pending(word) || self.claims(word))
            }
            _ => false,
        }
    }

    /// Whether only what leads to the end may follow.
    const fn is_ending(&self) -> bool {
        self.tokens_left <= ENDING.0 || self.words_left <= ENDING.1
    }

    fn continues_pending(&self, word: &str) -> bool {
        !self.pending.is_empty() && self.continues(word)
    }

    fn said_enough(&self) -> bool {
        let first = self.prompt.facts.len().min(TOLD);
        self.state.all_told.trailing_ones() as usize >= first
    }

    /// Whether a word may be the participle of "has".
    fn is_participle(&self, state: &State, word: &str) -> bool {
        let trend = || {
            self.phrases.iter().any(|(words, term)| {
                words[0] == word && matches!(term, Term::Trend(_)) && self.permits(state, term)
            })
        };
        let risk = || {
            let facts = self.prompt.facts.iter().enumerate();
            facts
                .filter(|(i, _)| state.subject >> i & 1 == 1)
                .any(|(_, f)| matches!(f.subject, Subject::Risk(_)))
        };
        (PARTICIPLES.contains(&word) && trend()) || (word == REACHED && risk())
    }

    /// Whether "has" and its participle stand as they should: either may stand only with the other.
    fn is_whole(&self, class: &Class, word: &str) -> bool {
        let Some(state) = self.settled() else { return true };
        if self.last == AUXILIARY {
            return *class == Class::Word && self.is_participle(&state, word);
        }
        let some = || PARTICIPLES.iter().chain([&REACHED]).any(|w| self.is_participle(&state, w));
        *class != Class::Word || word != AUXILIARY || some()
    }

    /// Whether a token may stand here at all.
    fn possible(&self, class: &Class, word: &str) -> bool {
        let over = self.state.over && self.last == "." && self.said_enough();
        if !self.is_whole(class, word) || (over && *class != Class::Eos) {
            return false;
        }
        if *class == Class::Word {
            return self.continues(word)
                || (!self.pending.is_empty()
                    && self.settled().is_some_and(|state| {
                        self.phrases
                            .iter()
                            .any(|(words, term)| words[0] == word && self.begins_here(&state, words, term))
                    }));
        }
        let Some(state) = self.settled() else { return false };
        let after_word = !matches!(self.last, "," | ";" | ":" | "." | "(");
        match class {
            Class::Never | Class::Word => false,
            Class::Eos => self.last == ".",
            Class::Slot(n) => {
                state.mode == Mode::Facts
                    && state.told.is_none()
                    && state.subject >> n & 1 == 1
                    && state.all_told >> n & 1 == 0
                    && !STRETCHING.contains(&self.last)
            }
            Class::Change(n) => {
                state.mode == Mode::Clears
                    && state.bound
                    && state.subject >> n & 1 == 1
                    && state.changes >> n & 1 == 0
            }
            Class::Pause => match state.mode {
                Mode::Facts => after_word && !state.open && state.is_said(),
                Mode::Missing => after_word,
                Mode::Clears => false,
            },
            Class::Stop => {
                let whole = match state.mode {
                    Mode::Facts => state.is_said() && (state.said || self.is_ending()),
                    Mode::Missing => state.named,
                    Mode::Clears => state.changes.count_ones() as usize == self.prompt.changes.len(),
                };
                after_word && !state.open && whole
            }
            Class::Open => state.mode == Mode::Facts && !state.open && state.subject != 0 && after_word,
            Class::Close => state.open && self.last != "(",
        }
    }

    /// Takes a token that was allowed.
    pub fn push(&mut self, id: u32) {
        let Some((class, word)) = self.vocabulary.get(id) else { return };
        self.tokens_left = self.tokens_left.saturating_sub(1);
        let words = match class {
            Class::Slot(_) | Class::Change(_) => 2,
            Class::Word => 1,
            _ => 0,
        };
        self.words_left = self.words_left.saturating_sub(words);
        if *class == Class::Word {
            if !self.continues(word) {
                self.settle();
            }
            self.pending.push(word);
            self.last = word;
            // Said at once where no longer phrase could follow, so that what it claims is in force.
            let longer = self.phrases.iter().any(|(words, term)| {
                words.len() > self.pending.len()
                    && begins(&self.pending, words)
                    && self.permits(&self.state, term)
            });
            if !longer {
                self.settle();
            }
            return;
        }
        self.settle();
        self.last = word;
        self.mark(class);
    }

    fn mark(&mut self, class: &Class) {
        match class {
            Class::Slot(n) => {
                self.state.told = Some(*n);
                (self.state.claimed, self.state.said) = (true, true);
                self.state.all_told |= 1 << n;
            }
            Class::Change(n) => self.state.changes |= 1 << n,
            Class::Open => self.state.open = true,
            Class::Close => self.state.open = false,
            Class::Pause if self.state.mode == Mode::Facts => {
                self.state.subject = 0;
                self.state.told = None;
            }
            Class::Stop => {
                let over = self.state.over || self.state.mode == Mode::Missing;
                self.state = State {
                    mode: Mode::Facts,
                    subject: 0,
                    told: None,
                    bound: false,
                    said: false,
                    over,
                    ..self.state
                };
            }
            _ => {}
        }
    }

    fn settle(&mut self) {
        if let Some(state) = self.settled() {
            self.state = state;
        }
        self.pending.clear();
    }
}

impl State {
    /// Whether the change named last still waits for its value.
    const fn waits(&self) -> bool {
        self.subject & !self.changes != 0
    }

    /// Whether something was said of what the clause names, if it names something.
    const fn is_said(&self) -> bool {
        self.subject == 0 || self.claimed
    }
}

/// A set of places.
fn bits(places: impl Iterator<Item = bool>) -> u32 {
    places.take(32).enumerate().fold(0, |set, (i, here)| set | u32::from(here) << i)
}

/// Whether a phrase begins with these words.
fn begins(words: &[&str], phrase: &[String]) -> bool {
    words.len() <= phrase.len() && words.iter().zip(phrase).all(|(a, b)| *a == b.as_str())
}
