//! A language model's free text with slots as a printed rationale.
//!
//! Word-level narrators give tokens; a model on a server gives sentences (`Heart rate {f0}, rising.`).
//! Both end in the same printer: a slot becomes its fact's value, unit and time, and nothing else can
//! bring in a number: a number outside a slot is refused here, before the checker sees it.

use bedwatch_schemas::evidence::{Evidence, Fact};

use crate::{narrator::prompt::slot, render};

/// Why a text is no slot text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A number stands outside a slot.
    #[error("a number stands outside a slot at byte {0}")]
    Number(usize),
    /// A brace that is no slot, or a slot without a fact.
    #[error("the slot at byte {0} is none of the prompt's")]
    Slot(usize),
}

/// Prints a text whose slots `{fN}` stand for `facts[N]`.
///
/// # Errors
/// Where the text holds a number outside a slot, or a slot that is not there.
pub fn print(text: &str, facts: &[&Fact], evidence: &Evidence) -> Result<String, Error> {
    let mut printer = render::Printer::new(evidence);
    let mut printed: Vec<String> = Vec::new();
    for (at, piece) in pieces(text) {
        if let Some(n) = slot(piece) {
            printed.push(printer.fact(facts.get(n).ok_or(Error::Slot(at))?));
        } else if piece.contains(['{', '}']) {
            return Err(Error::Slot(at));
        } else if begins_as_number(piece) {
            return Err(Error::Number(at));
        } else {
            printed.push(piece.to_owned());
        }
    }
    Ok(render::sentences(printed.iter().map(String::as_str)))
}

/// Splits at white space, and brackets, punctuation and slots off the words beside them, each with
/// its place.
fn pieces(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    let mut close = |from: usize, to: usize| {
        if from < to {
            found.push((from, &text[from..to]));
        }
    };
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        match c {
            _ if c.is_whitespace() => {
                close(from, at);
                from = end;
            }
            '(' | ')' | ',' | ';' | ':' => {
                close(from, at);
                close(at, end);
                from = end;
            }
            // A full stop inside a number or a name stays where it is.
            '.' if text[end..].chars().next().is_none_or(char::is_whitespace) => {
                close(from, at);
                close(at, end);
                from = end;
            }
            '{' => {
                close(from, at);
                from = at;
            }
            '}' => {
                close(from, end);
                from = end;
            }
            _ => {}
        }
    }
    close(from, text.len());
    found
}

/// `118`, `-2`, `+5`, `.5`, and digits of any script.
fn begins_as_number(piece: &str) -> bool {
    piece.trim_start_matches(['+', '-', '.', '\u{2212}', '~', '<', '>', '=']).starts_with(char::is_numeric)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::evidence;

    #[test]
    fn slots_are_filled_and_everything_else_stays() {
        let evidence = evidence();
        let facts: Vec<&Fact> = evidence.facts.iter().collect();
        for (text, want) in [
            ("Heart rate {f0}, rising.", Ok("Heart rate 118 /min at 03:10, rising.")),
            (
                "heart rate {f0} and falling mean pressure {f1} .\nLactate ({f2})",
                Ok(
                    "Heart rate 118 /min at 03:10 and falling mean pressure 58 mmHg. Lactate (3.4 mmol/L at 22:10 on 2026-02-28)",
                ),
            ),
            ("Lactate{f2};PaO2/FiO2", Ok("Lactate 3.4 mmol/L at 22:10 on 2026-02-28; PaO2/FiO2")),
            ("{f0}{f1}", Ok("118 /min at 03:10 58 mmHg")),
            ("", Ok("")),
            ("Heart rate 118.", Err(Error::Number(11))),
            ("Heart rate (-5).", Err(Error::Number(12))),
            ("Heart rate .5", Err(Error::Number(11))),
            ("Heart rate \u{664}\u{665}.", Err(Error::Number(11))),
            ("Heart rate {f9}.", Err(Error::Slot(11))),
            ("Heart rate {f0.", Err(Error::Slot(11))),
            ("Heart rate {{f0}}.", Err(Error::Slot(11))),
            ("Heart rate {risk}.", Err(Error::Slot(11))),
            ("Heart rate f0}.", Err(Error::Slot(11))),
        ] {
            assert_eq!(print(text, &facts, &evidence).as_deref(), want.as_ref().copied(), "{text}");
        }
    }
}
