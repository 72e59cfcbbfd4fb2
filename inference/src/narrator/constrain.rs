//! What the narrator may say next, given what it has said and what the evidence backs.
//!
//! Masked are: prompt tokens, digits outside slots, forbidden words; a slot that is not after its
//! fact's own phrase, or was told already; a trend or band word the current fact does not have; a
//! missing subject that is not missing; an end before a full stop. This makes a faithful text
//! likely; the checker decides.

use bedwatch_schemas::evidence::{Band, Direction, Subject};
use tokenizers::Tokenizer;

use super::prompt::{Prompt, slot};
use crate::lexicon::{Lexicon, Term};

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Class {
    /// It is never said.
    Never,
    /// The end of the text.
    Eos,
    /// The value of a fact.
    Slot(usize),
    /// `,` `;` `:`
    Pause,
    /// `.`
    Stop,
    /// A trend word.
    Trend(Direction),
    /// A band word.
    Band(Vec<Band>),
    /// "missing" or "without".
    Missing,
    /// Any other word.
    Word,
}

/// The tokenizer's tokens by what they say.
#[derive(Debug)]
pub struct Vocabulary {
    tokens: Vec<(Class, String)>,
}

impl Vocabulary {
    /// Sorts every token of a tokenizer.
    #[must_use]
    pub fn new(tokenizer: &Tokenizer, lexicon: &Lexicon, eos: u32) -> Self {
        let count = u32::try_from(tokenizer.get_vocab_size(true)).unwrap_or(u32::MAX);
        let added = tokenizer.get_added_tokens_decoder();
        let inner = lexicon.inner_words();
        let tokens = (0..count).map(|id| {
            if id == eos {
                return (Class::Eos, String::new());
            }
            let special = added.get(&id).is_some_and(|t| t.special);
            let text = tokenizer.decode(&[id], false).unwrap_or_default();
            let word = text.trim().to_lowercase();
            let class = if special { Class::Never } else { class(&word, lexicon, &inner) };
            (class, word)
        });
        Self { tokens: tokens.collect() }
    }

    fn get(&self, id: u32) -> Option<&(Class, String)> {
        self.tokens.get(usize::try_from(id).ok()?)
    }
}

fn class(word: &str, lexicon: &Lexicon, inner: &std::collections::BTreeSet<String>) -> Class {
    if let Some(n) = slot(word) {
        return Class::Slot(n);
    }
    if word.is_empty() || word.chars().any(|c| c.is_ascii_digit()) {
        return Class::Never;
    }
    match word {
        "," | ";" | ":" => return Class::Pause,
        "." => return Class::Stop,
        _ => {}
    }
    match lexicon.word(word) {
        Some(Term::Trend(direction)) => Class::Trend(*direction),
        Some(Term::Band(bands)) => Class::Band(bands.clone()),
        Some(Term::Missing) => Class::Missing,
        // Part of a longer phrase ("infection" in "systemic infection"): the checker sees which.
        Some(Term::Forbidden | Term::Condition) if !inner.contains(word) => Class::Never,
        _ => Class::Word,
    }
}

/// The state of one text.
pub struct Constraint<'a> {
    vocabulary: &'a Vocabulary,
    lexicon: &'a Lexicon,
    prompt: &'a Prompt<'a>,
    /// Words so far, lower case.
    words: Vec<&'a str>,
    /// The slot the clause is about.
    current: Option<usize>,
    told: Vec<bool>,
    /// In the list of missing subjects: where its current name begins in `words`.
    missing: Option<usize>,
    /// Phrases of the missing subjects, as words.
    phrases: Vec<Vec<String>>,
}

impl<'a> Constraint<'a> {
    /// At the start of a text.
    #[must_use]
    pub fn new(vocabulary: &'a Vocabulary, lexicon: &'a Lexicon, prompt: &'a Prompt<'a>) -> Self {
        let split = |p: &String| p.split_whitespace().map(str::to_lowercase).collect();
        let phrases = prompt.missing.iter().flat_map(|s: &Subject| lexicon.phrases(*s)).map(split).collect();
        let told = vec![false; prompt.facts.len()];
        Self { vocabulary, lexicon, prompt, words: Vec::new(), current: None, told, missing: None, phrases }
    }

    /// Whether a token may come next.
    #[must_use]
    pub fn allows(&self, id: u32) -> bool {
        let Some((class, word)) = self.vocabulary.get(id) else { return false };
        if let Some(from) = self.missing {
            return self.allows_missing(&self.words[from..], class, word);
        }
        let fact = self.current.map(|n| self.prompt.facts[n]);
        match class {
            Class::Never => false,
            Class::Eos => self.words.last() == Some(&"."),
            Class::Slot(n) => self.told.get(*n) == Some(&false) && self.names(*n),
            Class::Pause | Class::Stop => self.words.last().is_some_and(|w| !is_punctuation(w)),
            Class::Trend(direction) => {
                fact.is_some_and(|f| f.trend.is_some_and(|t| t.direction == *direction))
            }
            Class::Band(bands) => fact.is_some_and(|f| bands.contains(&f.band)),
            Class::Missing => !self.phrases.is_empty(),
            Class::Word => true,
        }
    }

    /// In a list of what is missing: names of missing subjects, joined by pauses and plain words.
    fn allows_missing(&self, name: &[&str], class: &Class, word: &str) -> bool {
        let begins = |words: &[&str], phrase: &[String]| {
            words.len() <= phrase.len() && words.iter().zip(phrase).all(|(a, b)| *a == b.as_str())
        };
        let complete = self.phrases.iter().any(|p| p.len() == name.len() && begins(name, p));
        match class {
            Class::Stop => complete,
            Class::Pause => complete || name.is_empty(),
            Class::Never | Class::Eos | Class::Slot(_) | Class::Missing => false,
            Class::Trend(_) | Class::Band(_) | Class::Word => {
                let longer: Vec<&str> = name.iter().copied().chain([word]).collect();
                let plain = matches!(self.lexicon.word(word), Some(Term::Plain));
                self.phrases.iter().any(|p| begins(&longer, p)) || (plain && (complete || name.is_empty()))
            }
        }
    }

    /// Whether the words so far end with a phrase of fact `n`'s subject.
    fn names(&self, n: usize) -> bool {
        self.lexicon.phrases(self.prompt.facts[n].subject).iter().any(|phrase| {
            let phrase: Vec<String> = phrase.split_whitespace().map(str::to_lowercase).collect();
            let from = self.words.len().checked_sub(phrase.len());
            from.is_some_and(|from| self.words[from..].iter().zip(&phrase).all(|(a, b)| a == b))
        })
    }

    /// Takes a token that was allowed.
    pub fn push(&mut self, id: u32) {
        let Some((class, word)) = self.vocabulary.get(id) else { return };
        self.words.push(word);
        match class {
            Class::Slot(n) => {
                self.current = Some(*n);
                if let Some(told) = self.told.get_mut(*n) {
                    *told = true;
                }
            }
            Class::Pause | Class::Stop => self.current = None,
            _ => {}
        }
        let next = self.words.len();
        match (class, self.missing) {
            (Class::Missing, None) => self.missing = Some(next),
            (Class::Stop, _) => self.missing = None,
            (Class::Pause, Some(_)) => self.missing = Some(next),
            (_, Some(from)) if self.is_joint(from) => self.missing = Some(next),
            _ => {}
        }
    }

    /// Whether the last word of the missing list joined two names instead of being part of one.
    fn is_joint(&self, from: usize) -> bool {
        let name = &self.words[from..];
        let part =
            self.phrases.iter().any(|p| name.len() <= p.len() && name.iter().zip(p).all(|(a, b)| a == b));
        !part && name.last().is_some_and(|w| matches!(self.lexicon.word(w), Some(Term::Plain)))
    }
}

fn is_punctuation(word: &str) -> bool {
    matches!(word, "," | ";" | ":" | ".")
}
