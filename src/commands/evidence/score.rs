//! How well the narrator answers: every line of an export through the real path (prompt, int8 bundle,
//! constrained decoding), judged by the independent checker.
//!
//! What is counted of each text: claims the checker refuses, advice, whether the first three drivers
//! are named with their values, and whether turning a driver's trend turns the words: the new text
//! must pass for the turned evidence and be refused, for its trend, by the one it no longer fits.

use std::collections::{BTreeMap, BTreeSet};

use bedwatch_inference::{
    check::{Unsupported, Why, check, check_raised},
    lexicon::{Lexicon, Term},
    narrator::{Error, Narrator},
    render,
};
use bedwatch_schemas::evidence::{Direction, Evidence, Fact};
use serde::Serialize;

use super::Line;

/// Refused texts that are printed.
const REFUSED: usize = 10;

/// The marks, printed as JSON.
#[derive(Debug, Default, Serialize)]
pub(super) struct Marks {
    /// Lines read.
    evidences: usize,
    /// Texts the narrator wrote; for the others the template speaks, for these reasons.
    texts: usize,
    without_words: BTreeMap<String, usize>,
    /// Texts that the checker refuses, and why.
    unsupported: usize,
    unsupported_by: BTreeMap<&'static str, usize>,
    /// The first few of them.
    refused: Vec<String>,
    /// Texts with a word of advice.
    advice: usize,
    /// Texts that name the first three facts with their values.
    drivers_told: usize,
    /// Trends turned, and turned trends that the words followed.
    flips: usize,
    flips_followed: usize,
    /// Texts after subjects, values, bands, trends, kinds and urgencies are each one tag.
    shapes: usize,
    longest_words: usize,
    mean_tokens: f64,
    /// Processor time of this thread, which other work on the machine does not stretch; prompt
    /// included.
    cpu_ms_a_text: f64,
    cpu_ms_per_64_tokens: f64,
    by_kind: BTreeMap<&'static str, usize>,
    examples: Vec<String>,
}

/// The narrator's answers to every line.
pub(super) fn score(narrator: &Narrator, lines: &[Line], examples: usize) -> Marks {
    let mut marks = Marks { evidences: lines.len(), ..Marks::default() };
    let mut shapes = BTreeSet::new();
    let (mut tokens, mut cpu) = (0_usize, 0.0);
    for (i, line) in lines.iter().enumerate() {
        let began = cpu_ms();
        let told = match say(narrator, line, &line.evidence) {
            Ok(told) => told,
            Err(error) => {
                *marks.without_words.entry(error.to_string()).or_default() += 1;
                continue;
            }
        };
        cpu += cpu_ms() - began;
        tokens += told.tokens;
        marks.texts += 1;
        *marks.by_kind.entry(line.kind.name()).or_default() += 1;
        let lexicon = narrator.lexicon();
        marks.judge(line, &told.text, lexicon);
        shapes.insert(shape(&told.text, lexicon));
        marks.flip(narrator, line, i);
        if examples > 0 && i % (lines.len() / examples).max(1) == 0 {
            marks.examples.push(told.text);
        }
    }
    marks.shapes = shapes.len();
    let texts = marks.texts.max(1) as f64;
    marks.mean_tokens = tokens as f64 / texts;
    marks.cpu_ms_a_text = cpu / texts;
    marks.cpu_ms_per_64_tokens = cpu / tokens.max(1) as f64 * 64.0;
    marks
}

fn say(
    narrator: &Narrator,
    line: &Line,
    evidence: &Evidence,
) -> Result<bedwatch_inference::narrator::Told, Error> {
    narrator.tell(line.kind, line.priority, evidence, &line.embedding, &|| false)
}

fn faults(line: &Line, text: &str, evidence: &Evidence, lexicon: &Lexicon) -> Vec<Unsupported> {
    let mut found = check(text, line.kind, evidence, lexicon).err().unwrap_or_default();
    found.extend(check_raised(text, line.priority, lexicon).err().unwrap_or_default());
    found
}

impl Marks {
    fn judge(&mut self, line: &Line, text: &str, lexicon: &Lexicon) {
        let found = faults(line, text, &line.evidence, lexicon);
        self.unsupported += usize::from(!found.is_empty());
        if !found.is_empty() && self.refused.len() < REFUSED {
            self.refused.push(text.to_owned());
        }
        self.advice += usize::from(found.iter().any(|u| u.why == Why::Forbidden));
        for why in found.iter().map(|u| u.why.name()).collect::<BTreeSet<_>>() {
            *self.unsupported_by.entry(why).or_default() += 1;
        }
        let first = line.evidence.facts.iter().take(3);
        self.drivers_told += usize::from(first.clone().all(|f| names(text, f, lexicon)));
        let words =
            text.split_whitespace().filter(|w| w.trim_start_matches('(').starts_with(char::is_alphabetic));
        self.longest_words = self.longest_words.max(words.count());
    }

    /// Turns the trend of one of the first three facts, a different one line by line.
    fn flip(&mut self, narrator: &Narrator, line: &Line, i: usize) {
        let turns = |f: &Fact| f.trend.is_some_and(|t| t.direction != Direction::Stable);
        let moving: Vec<usize> =
            (0..line.evidence.facts.len().min(3)).filter(|n| turns(&line.evidence.facts[*n])).collect();
        let Some(&n) = moving.get(i % moving.len().max(1)) else { return };
        let mut turned = line.evidence.clone();
        if let Some(trend) = &mut turned.facts[n].trend {
            trend.per_hour = -trend.per_hour;
            trend.direction =
                if trend.direction == Direction::Rising { Direction::Falling } else { Direction::Rising };
        }
        self.flips += 1;
        let Ok(told) = say(narrator, line, &turned) else { return };
        let lexicon = narrator.lexicon();
        let fits = faults(line, &told.text, &turned, lexicon).is_empty();
        let before = faults(line, &told.text, &line.evidence, lexicon);
        self.flips_followed += usize::from(fits && before.iter().any(|u| u.why == Why::Trend));
    }
}

/// Whether a text names a fact and gives its value.
fn names(text: &str, fact: &Fact, lexicon: &Lexicon) -> bool {
    let text = text.to_lowercase();
    let value = render::value(fact).to_lowercase();
    lexicon.phrases(fact.subject).iter().any(|phrase| {
        let phrase = phrase.to_lowercase();
        text.match_indices(&phrase).any(|(at, _)| {
            // The value stands in the clause that named it.
            let rest = &text[at + phrase.len()..];
            rest.find(&value).is_some_and(|v| !rest[..v].contains([';', ':', ',']))
        })
    })
}

/// A text with a tag for each subject, value, band, trend, kind and urgency.
fn shape(text: &str, lexicon: &Lexicon) -> String {
    let mut tokens: Vec<String> = Vec::new();
    for piece in text.split_whitespace() {
        let inner = piece.trim_start_matches('(');
        tokens.extend((inner.len() < piece.len()).then(|| "(".to_owned()));
        let word = inner.trim_end_matches([')', ',', ';', ':', '.']);
        tokens.push(word.to_lowercase());
        tokens.extend(inner[word.len()..].chars().map(String::from));
    }
    let words: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let mut out: Vec<&str> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let known = lexicon.longest(&words[at..(at + 6).min(words.len())]);
        let (taken, tag) = match known {
            Some((n, Term::Subject(_))) => (n, "S"),
            Some((n, Term::Trend(_))) => (n, "T"),
            Some((n, Term::Band(_))) => (n, "B"),
            Some((n, Term::Kind(_))) => (n, "K"),
            Some((1, Term::Plain)) if lexicon.urgency(words[at]).is_some() => (1, "P"),
            Some((1, Term::Plain)) if words[at] == "at" && words.get(at + 1).is_some_and(|w| is_clock(w)) => {
                (2, "")
            }
            Some((1, Term::Plain))
                if words[at] == "on" && words.get(at + 1).is_some_and(|w| is_number(w)) =>
            {
                (2, "")
            }
            Some((n, _)) => (n, words[at]),
            None if is_number(words[at]) => (1, "F"),
            // A unit belongs to its number.
            None => (1, if out.last() == Some(&"F") && !is_mark(words[at]) { "" } else { words[at] }),
        };
        let again = tag == "B" && out.last() == Some(&"B");
        if !(tag.is_empty() || again) {
            out.push(tag);
        }
        at += taken;
    }
    out.join(" ")
}

fn is_mark(word: &str) -> bool {
    matches!(word, "(" | ")" | "," | ";" | ":" | ".")
}

fn is_number(word: &str) -> bool {
    word.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit())
}

fn is_clock(word: &str) -> bool {
    word.len() == 5 && word.as_bytes()[2] == b':'
}

/// Milliseconds this thread has run on a processor; 0 where the system does not say.
fn cpu_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|n| n.parse::<f64>().ok());
    nanos.unwrap_or(0.0) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_forget_what_is_said_and_keep_how() {
        let lexicon = Lexicon::built_in();
        let a =
            shape("Heart rate 118 /min at 03:10 (critically high and rising). Missing: lactate.", &lexicon);
        let b = shape("Temperature 39.1 °C (high and falling). Missing: white cell count.", &lexicon);
        assert_eq!(a, b);
        assert_eq!(a, "S F ( B and T ) . missing : S .");
        assert_ne!(a, shape("Heart rate 118 /min, high and rising. Missing: lactate.", &lexicon));
    }
}
