//! Escapes.

use std::fmt::Write;

/// Text between the tags of XHTML; control characters, which XML has no place for, become blanks.
pub(super) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A string as FHIR takes it (R4, datatypes, string): no control characters, no blanks at its ends,
/// not empty.
pub(super) fn fhir(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match clean.trim() {
        "" => "-".to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

/// A field's content in ER7 with the usual delimiters (HL7 v2.6 chapter 2.7.1); control characters,
/// of which a carriage return would begin a segment, go as hexadecimal data.
pub(super) fn er7(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' => out.push_str(r"\F\"),
            '^' => out.push_str(r"\S\"),
            '&' => out.push_str(r"\T\"),
            '~' => out.push_str(r"\R\"),
            '\\' => out.push_str(r"\E\"),
            c if c.is_control() => {
                out.push_str(r"\X");
                let mut buffer = [0; 4];
                for byte in c.encode_utf8(&mut buffer).bytes() {
                    let _ = write!(out, "{byte:02X}");
                }
                out.push('\\');
            }
            c => out.push(c),
        }
    }
    out
}

/// The first characters of a text, with an ellipsis where it is longer.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}\u{2026}", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_field_a_tag_or_a_string_is_escaped() {
        assert_eq!(er7("a|b^c&d~e\\f\rg\u{85}"), r"a\F\b\S\c\T\d\R\e\E\f\X0D\g\XC285\");
        assert_eq!(xml("<b a=\"1\">&\u{b}</b>"), "&lt;b a=&quot;1&quot;&gt;&amp; &lt;/b&gt;");
        assert_eq!(fhir("\n a\u{0}b "), "a b");
        assert_eq!(fhir(" \n"), "-");
    }

    #[test]
    fn shortened_counts_characters() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöüx", 3), "äö\u{2026}");
        assert_eq!(shortened("", 0), "");
    }
}
