//! The words a rationale may use, and what each of them claims.
//!
//! The checker reads a text as a sequence of terms: subjects, trends, bands, conditions, plain
//! joining words. A word that is no term is refused: a sentence can only say what the table knows
//! how to check. A bundle's `lexicon.json` adds its own phrasings; it can add words, and it cannot
//! take away what is forbidden.

use std::collections::{BTreeMap, BTreeSet};

use bedwatch_schemas::{
    alert::{AlertKind, Priority},
    event::Modality,
    evidence::{Band, Derived, Direction, Subject},
    medication::Drug,
    risk::{Bound, Head},
    score::ScoreKind,
    signal::Signal,
};
use serde::Deserialize;

mod words;

/// Why a `lexicon.json` was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not the JSON we know.
    #[error("lexicon.json cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Its format tag is another.
    #[error("lexicon.json has format {0:?}, not \"bedwatch-lexicon-1\"")]
    Format(String),
    /// It names a band or trend that does not exist.
    #[error("lexicon.json names an unknown band or trend {0:?}")]
    Name(String),
    /// A phrase is empty or already means something else.
    #[error("the phrase {0:?} of lexicon.json is empty or means two things")]
    Phrase(String),
}

/// What a word or phrase claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// It names a subject (one of several where the phrase is general).
    Subject(Vec<Subject>),
    /// It says which way a value goes.
    Trend(Direction),
    /// It says that a value lies in one of these bands.
    Band(Vec<Band>),
    /// It names what the alert is about.
    Kind(AlertKind),
    /// It names a condition no alert is about.
    Condition,
    /// What follows, to the end of the sentence, was missing.
    Missing,
    /// It names a feed.
    Feed(Modality),
    /// A trend was seen within the last hour.
    Recent,
    /// What follows, to the end of the sentence, is what would clear the risk.
    Clears,
    /// On which side of a value the risk would clear.
    Bound(Bound),
    /// The model is unsure of its answer.
    Unsure,
    /// The picture is unlike what the model has learned from.
    Unfamiliar,
    /// A joining word that claims nothing.
    Plain,
    /// Advice, an order, a dose, a negation or a number in words.
    Forbidden,
}

/// The words and phrases, lower case, by their first word; longer ones first.
#[derive(Debug, Clone)]
pub struct Lexicon {
    terms: BTreeMap<String, Vec<(Vec<String>, Term)>>,
    phrases: BTreeMap<Subject, Vec<String>>,
    urgency: BTreeMap<String, Vec<Priority>>,
}

/// The words a phrase consists of, as compared: lower case, split at spaces.
fn split(phrase: &str) -> Vec<String> {
    phrase.split_whitespace().map(str::to_lowercase).collect()
}

/// What the template calls a subject.
#[must_use]
pub fn label(subject: Subject) -> String {
    match subject {
        Subject::Infusion(drug) => format!("{} infusion", drug.name()),
        other => other.label().to_owned(),
    }
}

/// Every subject there is, in a fixed order.
pub fn subjects() -> impl Iterator<Item = Subject> {
    let signals = Signal::ALL.iter().copied().map(Subject::Signal);
    signals
        .chain(ScoreKind::ALL.map(Subject::Score))
        .chain(Head::ALL.map(Subject::Risk))
        .chain(Drug::ALL.map(Subject::Infusion))
        .chain(Derived::ALL.map(Subject::Derived))
}

impl Lexicon {
    /// The words of the template and the checker.
    #[must_use]
    pub fn built_in() -> Self {
        let mut lexicon = Self { terms: BTreeMap::new(), phrases: BTreeMap::new(), urgency: BTreeMap::new() };
        for (priority, list) in words::URGENCY {
            list.iter().for_each(|word| lexicon.add_urgency(word, *priority));
        }
        for subject in subjects() {
            lexicon.insert(&label(subject), Term::Subject(vec![subject]));
            lexicon.phrases.entry(subject).or_default().push(label(subject));
        }
        for (phrase, names) in words::GENERAL_SUBJECTS {
            let named = names.iter().filter_map(|n| Subject::from_name(n)).collect();
            lexicon.insert(phrase, Term::Subject(named));
        }
        for modality in Modality::ALL {
            // "sensor glucose" alone is a subject; the feed is always called one.
            lexicon.insert(&format!("{} feed", modality.label()), Term::Feed(modality));
        }
        let groups: [(&[&str], Term); 12] = [
            (words::RISING, Term::Trend(Direction::Rising)),
            (words::FALLING, Term::Trend(Direction::Falling)),
            (words::STABLE, Term::Trend(Direction::Stable)),
            (words::LOW, Term::Band(vec![Band::Low, Band::CriticalLow])),
            (words::HIGH, Term::Band(vec![Band::High, Band::CriticalHigh])),
            (words::NORMAL, Term::Band(vec![Band::Normal])),
            (words::CRITICAL, Term::Band(vec![Band::CriticalLow, Band::CriticalHigh])),
            (words::CONDITIONS, Term::Condition),
            (words::MISSING, Term::Missing),
            (words::PLAIN, Term::Plain),
            (words::FORBIDDEN, Term::Forbidden),
            (words::NUMBERS, Term::Forbidden),
        ];
        for (list, term) in groups {
            for phrase in list {
                lexicon.insert(phrase, term.clone());
            }
        }
        for (kind, phrases) in words::KINDS {
            for phrase in *phrases {
                lexicon.insert(phrase, Term::Kind(*kind));
            }
        }
        lexicon
    }

    /// The built-in words and those of a bundle's `lexicon.json`.
    ///
    /// # Errors
    /// When the file is not a lexicon or contradicts the built-in words.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let file: File = serde_json::from_slice(json)?;
        if file.format != "bedwatch-lexicon-1" {
            return Err(Error::Format(file.format));
        }
        let mut lexicon = Self::built_in();
        lexicon.add_account(&file)?;
        for (phrase, names) in &file.general_subjects {
            let named: Vec<Subject> = names.iter().filter_map(|n| Subject::from_name(n)).collect();
            lexicon.add(phrase, Term::Subject(named))?;
        }
        for (name, phrase) in &file.subjects {
            // A subject this engine does not know can never be a fact: its phrase is a condition.
            let subject = Subject::from_name(name);
            lexicon.add(phrase, subject.map_or(Term::Condition, |s| Term::Subject(vec![s])))?;
            if let Some(subject) = subject {
                let known = lexicon.phrases.entry(subject).or_default();
                known.retain(|p| !p.eq_ignore_ascii_case(phrase));
                known.insert(0, phrase.clone());
            }
        }
        for (name, list) in &file.trend_words {
            let direction = direction(name).ok_or_else(|| Error::Name(name.clone()))?;
            for word in list {
                lexicon.add(word, Term::Trend(direction))?;
            }
        }
        for entry in file.band_words.values() {
            let bands: Option<Vec<Band>> = entry.bands.iter().map(|b| band(b)).collect();
            let bands = bands.ok_or_else(|| Error::Name(entry.bands.join(" ")))?;
            for word in &entry.words {
                lexicon.add(word, Term::Band(bands.clone()))?;
            }
        }
        for (name, list) in &file.kinds {
            let kind = AlertKind::ALL.into_iter().find(|k| k.name() == name);
            for phrase in list {
                lexicon.add(phrase, kind.map_or(Term::Condition, Term::Kind))?;
            }
        }
        file.missing_openers.iter().try_for_each(|w| lexicon.add(w, Term::Missing))?;
        file.forbidden.iter().try_for_each(|w| lexicon.add(w, Term::Forbidden))?;
        for (name, list) in &file.priorities {
            let priority =
                [Priority::High, Priority::Medium, Priority::Low].into_iter().find(|p| p.name() == name);
            let priority = priority.ok_or_else(|| Error::Name(name.clone()))?;
            list.iter().for_each(|word| lexicon.add_urgency(word, priority));
        }
        let plain = file.priorities.values().flatten().chain(&file.plain_words);
        plain.into_iter().try_for_each(|w| lexicon.add(w, Term::Plain))?;
        Ok(lexicon)
    }

    /// The words for how recent a trend is and what a model says of its own answer.
    fn add_account(&mut self, file: &File) -> Result<(), Error> {
        file.recent_words.iter().try_for_each(|w| self.add(w, Term::Recent))?;
        file.clears_openers.iter().try_for_each(|w| self.add(w, Term::Clears))?;
        for (name, list) in &file.bound_words {
            let bound = match name.as_str() {
                "at_least" => Bound::AtLeast,
                "at_most" => Bound::AtMost,
                _ => return Err(Error::Name(name.clone())),
            };
            list.iter().try_for_each(|w| self.add(w, Term::Bound(bound)))?;
        }
        for (name, list) in &file.certainty_words {
            let term = match name.as_str() {
                "unsure" => Term::Unsure,
                "unfamiliar" => Term::Unfamiliar,
                _ => return Err(Error::Name(name.clone())),
            };
            list.iter().try_for_each(|w| self.add(w, term.clone()))?;
        }
        Ok(())
    }

    /// Adds a term of a file. What is forbidden stays so; a phrase cannot mean two things.
    fn add(&mut self, phrase: &str, term: Term) -> Result<(), Error> {
        let words = split(phrase);
        let known = words.first().ok_or_else(|| Error::Phrase(phrase.to_owned()))?;
        let known = self.terms.get(known).and_then(|l| l.iter().find(|(w, _)| *w == words)).map(|(_, t)| t);
        match known {
            Some(known) if claims_as_much(known, &term) => Ok(()),
            // Forbidding a word that was plain or a band word ("raise") is always allowed.
            Some(_) if term == Term::Forbidden => {
                self.insert(phrase, term);
                Ok(())
            }
            Some(_) => Err(Error::Phrase(phrase.to_owned())),
            None => {
                self.insert(phrase, term);
                Ok(())
            }
        }
    }

    fn insert(&mut self, phrase: &str, term: Term) {
        let words = split(phrase);
        let Some(first) = words.first() else { return };
        let list = self.terms.entry(first.clone()).or_default();
        list.retain(|(w, _)| *w != words);
        list.push((words, term));
        list.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.0.cmp(&b.0)));
    }

    /// The longest term at the start of `words` (lower case), with its length in words.
    #[must_use]
    pub fn longest(&self, words: &[&str]) -> Option<(usize, &Term)> {
        let list = self.terms.get(*words.first()?)?;
        let fits =
            |phrase: &[String]| phrase.len() <= words.len() && phrase.iter().zip(words).all(|(a, b)| a == b);
        list.iter().find(|(phrase, _)| fits(phrase)).map(|(phrase, term)| (phrase.len(), term))
    }

    /// The phrases that name a subject, the bundle's own first.
    #[must_use]
    pub fn phrases(&self, subject: Subject) -> &[String] {
        self.phrases.get(&subject).map_or(&[], Vec::as_slice)
    }

    /// The priorities a word speaks of; `None` for a word that speaks of none.
    #[must_use]
    pub fn urgency(&self, word: &str) -> Option<&[Priority]> {
        self.urgency.get(word).map(Vec::as_slice)
    }

    fn add_urgency(&mut self, word: &str, priority: Priority) {
        let known = self.urgency.entry(word.to_lowercase()).or_default();
        if !known.contains(&priority) {
            known.push(priority);
        }
    }

    /// Every phrase (lower case) with what it claims, in a fixed order, for the constrained decoder.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&[String], &Term)> {
        self.terms.values().flatten().map(|(words, term)| (words.as_slice(), term))
    }

    /// The terms of one word, for the constrained decoder.
    #[must_use]
    pub fn word(&self, word: &str) -> Option<&Term> {
        let list = self.terms.get(word)?;
        list.iter().find(|(phrase, _)| phrase.len() == 1).map(|(_, term)| term)
    }

    /// Words that stand in some phrase of more than one word.
    #[must_use]
    pub fn inner_words(&self) -> BTreeSet<String> {
        let long = self.terms.values().flatten().filter(|(phrase, _)| phrase.len() > 1);
        long.flat_map(|(phrase, _)| phrase.iter().cloned()).collect()
    }
}

/// Whether a known term already refuses at least what the new one would.
fn claims_as_much(known: &Term, new: &Term) -> bool {
    known == new || matches!(known, Term::Forbidden)
}

fn direction(name: &str) -> Option<Direction> {
    [Direction::Rising, Direction::Falling, Direction::Stable].into_iter().find(|d| d.name() == name)
}

fn band(name: &str) -> Option<Band> {
    [Band::CriticalLow, Band::Low, Band::Normal, Band::High, Band::CriticalHigh]
        .into_iter()
        .find(|b| b.name() == name)
}

/// The file, as far as it is read.
#[derive(Deserialize)]
struct File {
    format: String,
    subjects: BTreeMap<String, String>,
    trend_words: BTreeMap<String, Vec<String>>,
    band_words: BTreeMap<String, BandWords>,
    kinds: BTreeMap<String, Vec<String>>,
    priorities: BTreeMap<String, Vec<String>>,
    missing_openers: Vec<String>,
    forbidden: Vec<String>,
    #[serde(default)]
    plain_words: Vec<String>,
    #[serde(default)]
    general_subjects: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    recent_words: Vec<String>,
    #[serde(default)]
    clears_openers: Vec<String>,
    #[serde(default)]
    bound_words: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    certainty_words: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct BandWords {
    words: Vec<String>,
    bands: Vec<String>,
}

#[cfg(test)]
mod tests;
