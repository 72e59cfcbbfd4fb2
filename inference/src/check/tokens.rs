//! Splits a rationale into words, numbers, units, times, dates and punctuation.

use bedwatch_schemas::unit::Unit;

use super::number;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word, possibly with inner hyphen, slash, apostrophe or digits.
    Word,
    /// An optional sign, digits, an optional fraction.
    Number,
    /// A unit as printed.
    Unit,
    /// `HH:MM`.
    Time,
    /// `YYYY-MM-DD`.
    Date,
    /// `,` `;` `:` `.`
    End,
    /// `(` or `)`.
    Bracket,
}

/// A token with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) at: usize,
    pub(super) text: &'a str,
    pub(super) kind: Kind,
}

impl Token<'_> {
    /// Minute of the day of a time; `None` beyond 23:59.
    pub(super) fn clock(&self) -> Option<i64> {
        let (h, m) = self.text.split_once(':')?;
        let (h, m): (i64, i64) = (h.parse().ok()?, m.parse().ok()?);
        (h < 24 && m < 60).then_some(h * 60 + m)
    }

    /// Days since the Unix epoch of a date (Howard Hinnant's days_from_civil).
    pub(super) fn date(&self) -> Option<i64> {
        let mut parts = self.text.splitn(3, '-').map(str::parse::<i64>);
        let (y, m, d) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
        if !(1..=12).contains(&m) || !(1..=31).contains(&d) {
            return None;
        }
        let y = if m <= 2 { y - 1 } else { y };
        let (era, yoe) = (y.div_euclid(400), y.rem_euclid(400));
        let doy = (153 * ((m + 9) % 12) + 2) / 5 + d - 1;
        Some(era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468)
    }
}

/// The first character that is not plain text.
pub(super) fn first_markup(text: &str) -> Option<usize> {
    let plain = |c: char| c.is_ascii_alphanumeric() || " .,;:()%/-+^°".contains(c);
    text.char_indices().find(|(_, c)| !plain(*c)).map(|(at, _)| at)
}

/// Splits the text; every character but white space is in one token.
pub(super) fn split(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = 0;
    for piece in text.split_whitespace() {
        let at = rest + text[rest..].find(piece).expect("a piece of the text stands in it");
        rest = at + piece.len();
        piece_tokens(piece, at, &mut tokens);
    }
    tokens
}

/// Brackets before, punctuation after, and what stands between.
fn piece_tokens<'a>(piece: &'a str, at: usize, tokens: &mut Vec<Token<'a>>) {
    let body = piece.trim_start_matches('(');
    let open = piece.len() - body.len();
    for i in 0..open {
        tokens.push(Token { at: at + i, text: &piece[i..=i], kind: Kind::Bracket });
    }
    let core = body.trim_end_matches([',', ';', ':', '.', ')']);
    let mut position = at + open;
    let mut core_rest = core;
    while !core_rest.is_empty() {
        let after_number = tokens.last().is_some_and(|t| t.kind == Kind::Number);
        let (length, kind) = first(core_rest, after_number);
        tokens.push(Token { at: position, text: &core_rest[..length], kind });
        position += length;
        core_rest = &core_rest[length..];
    }
    for (i, c) in body[core.len()..].char_indices() {
        let kind = if c == ')' { Kind::Bracket } else { Kind::End };
        let text = &body[core.len() + i..core.len() + i + 1];
        tokens.push(Token { at: at + open + core.len() + i, text, kind });
    }
}

/// The first token of a piece without white space and outer punctuation.
fn first(text: &str, after_number: bool) -> (usize, Kind) {
    if is_unit(text, after_number) {
        return (text.len(), Kind::Unit);
    }
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    match shape.as_str() {
        "00:00" => return (text.len(), Kind::Time),
        "0000-00-00" => return (text.len(), Kind::Date),
        _ => {}
    }
    match number_length(text) {
        Some(length) => (length, Kind::Number),
        None => (text.len(), Kind::Word),
    }
}

/// Whether the whole piece is a printed unit. A lone letter (`s`) is one only after a number; `in`
/// is always the word: no signal is held in inches.
fn is_unit(text: &str, after_number: bool) -> bool {
    text != "in"
        && (text.len() > 1 || text == "%" || after_number)
        && Unit::ALL.iter().any(|u| number::unit(*u) == text)
}

fn number_length(text: &str) -> Option<usize> {
    let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
    let sign = usize::from(text.starts_with(['+', '-']));
    let whole = digits(&text[sign..]);
    if whole == 0 {
        return None;
    }
    let end = sign + whole;
    let fraction = text[end..].strip_prefix('.').map_or(0, digits);
    Some(if fraction > 0 { end + 1 + fraction } else { end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_splits_into_typed_tokens() {
        use Kind::{Bracket, Date, End, Number, Time, Unit, Word};
        let cases: [(&str, &[(&str, Kind)]); 8] = [
            ("Rate 118 /min.", &[("Rate", Word), ("118", Number), ("/min", Unit), (".", End)]),
            ("62%,", &[("62", Number), ("%", Unit), (",", End)]),
            (
                "3.4 mmol/L (low)",
                &[("3.4", Number), ("mmol/L", Unit), ("(", Bracket), ("low", Word), (")", Bracket)],
            ),
            ("at 03:10.", &[("at", Word), ("03:10", Time), (".", End)]),
            ("2026-03-01", &[("2026-03-01", Date)]),
            ("-2.5 PaO2/FiO2", &[("-2.5", Number), ("PaO2/FiO2", Word)]),
            ("45 s (s", &[("45", Number), ("s", Unit), ("(", Bracket), ("s", Word)]),
            ("85 10^9/L", &[("85", Number), ("10^9/L", Unit)]),
        ];
        for (text, want) in cases {
            let got: Vec<(&str, Kind)> = split(text).iter().map(|t| (t.text, t.kind)).collect();
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn clocks_and_dates() {
        let token = |text, kind| Token { at: 0, text, kind };
        assert_eq!(token("23:59", Kind::Time).clock(), Some(1_439));
        assert_eq!(token("24:00", Kind::Time).clock(), None);
        for (text, want) in [
            ("1970-01-01", Some(0)),
            ("2026-03-01", Some(20_513)),
            ("2024-02-29", Some(19_782)),
            ("2026-13-01", None),
        ] {
            assert_eq!(token(text, Kind::Date).date(), want, "{text}");
        }
    }

    #[test]
    fn markup_is_found() {
        for text in ["<b>", "a_b", "a*", "a\nb", "a\u{200b}b", "{f0}", "a&b", "`x`", "a\tb", "µ"] {
            assert!(first_markup(text).is_some(), "{text:?}");
        }
        assert_eq!(first_markup("Heart rate 118 /min (high), 37.9 °C at 03:10; 85 10^9/L."), None);
    }
}
