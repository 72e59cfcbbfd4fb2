//! JSON with places: size cap, byte-order mark, and the byte where something stands.
//!
//! Values are read as raw slices of the message, so that the place of each is its distance from the
//! message's start, and a number keeps every digit until it is parsed. No error holds any content.

use std::borrow::Cow;

use bedwatch_schemas::dead_letter::{Place, Reason, Rejection};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest JSON message taken, in bytes.
pub const MAX_BYTES: usize = 4 << 20;

const BOM: &str = "\u{feff}";

/// A JSON message as text, with the distance to its original bytes.
#[derive(Clone, Copy)]
pub(crate) struct Document<'a> {
    /// The text without a byte-order mark.
    text: &'a str,
    /// Bytes before the text.
    skipped: usize,
}

impl<'a> Document<'a> {
    /// Checks size and encoding.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Rejection> {
        if bytes.len() > MAX_BYTES {
            return Err(Rejection::new(Reason::TooLarge, Place::at(MAX_BYTES, "")));
        }
        let whole = std::str::from_utf8(bytes)
            .map_err(|e| Rejection::new(Reason::Encoding, Place::at(e.valid_up_to(), "")))?;
        let text = whole.strip_prefix(BOM).unwrap_or(whole);
        Ok(Self { text, skipped: whole.len() - text.len() })
    }

    /// Parses the whole message.
    pub(crate) fn parse<T: Deserialize<'a>>(&self) -> Result<T, Rejection> {
        serde_json::from_str(self.text)
            .map_err(|e| Rejection::new(Reason::Malformed, Place::at(self.byte_of_error(&e), "")))
    }

    /// Where a raw value of this message stands.
    pub(crate) fn byte_of(&self, raw: &RawValue) -> usize {
        self.byte_of_str(raw.get())
    }

    /// Where a slice of this message stands (0 where it is no slice of it).
    fn byte_of_str(&self, part: &str) -> usize {
        let distance = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        if distance <= self.text.len() { self.skipped + distance } else { 0 }
    }

    /// The place of a raw value, with its path.
    pub(crate) fn place(&self, raw: &RawValue, path: impl Into<String>) -> Place {
        Place::at(self.byte_of(raw), path)
    }

    /// serde_json counts lines from 1 and bytes of the line; this turns both into a byte offset.
    fn byte_of_error(&self, e: &serde_json::Error) -> usize {
        let line_start: usize =
            self.text.split_inclusive('\n').take(e.line().saturating_sub(1)).map(str::len).sum();
        let byte = line_start + e.column().saturating_sub(1);
        self.skipped + byte.min(self.text.len())
    }
}

/// A string, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A raw value as a string; `None` when it is something else.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text>(raw.get()).ok().map(|t| t.0)
}

/// A raw value as a finite number, rounded once from all its digits; `None` when it is something
/// else.
pub(crate) fn number(raw: &RawValue) -> Option<f64> {
    let digits = raw.get().as_bytes().first().is_some_and(|b| b.is_ascii_digit() || *b == b'-');
    raw.get().parse::<f64>().ok().filter(|x| digits && x.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(bytes: &[u8]) -> (Reason, Option<usize>) {
        let e = Document::new(bytes).and_then(|d| d.parse::<serde_json::Value>().map(|_| ())).unwrap_err();
        (e.reason, e.place.byte)
    }

    #[test]
    fn broken_json_names_the_byte() {
        let cases: [(&[u8], usize); 6] = [
            (b"{\"a\":x}", 5),
            (b"\xef\xbb\xbf{\"a\":x}", 8),
            (b"{\n \"a\": 1,\n \"b\": x}", 17),
            (b"{\"a\":1} x", 8),
            (b"", 0),
            (b"[1,]", 3),
        ];
        for (bytes, byte) in cases {
            assert_eq!(rejected(bytes), (Reason::Malformed, Some(byte)), "{bytes:?}");
        }
        // The end of the input is where a cut message breaks.
        assert_eq!(rejected(b"{\"a\":"), (Reason::Malformed, Some(4)));
    }

    #[test]
    fn size_depth_and_encoding_are_capped() {
        assert_eq!(rejected(&vec![b' '; MAX_BYTES + 1]), (Reason::TooLarge, Some(MAX_BYTES)));
        assert_eq!(rejected(b"{\"a\":\"\xff\"}"), (Reason::Encoding, Some(6)));
        let deep = "[".repeat(100_000);
        assert_eq!(rejected(deep.as_bytes()).0, Reason::Malformed);
    }

    #[test]
    fn raw_values_know_their_place_and_keep_their_digits() {
        let bytes = b"\xef\xbb\xbf[\"\\u0041b\", 0.1000000000000000055511151231257827, 1e999, null]";
        let doc = Document::new(bytes).unwrap();
        let raws: Vec<&RawValue> = doc.parse().unwrap();
        assert_eq!(text(raws[0]).unwrap(), "Ab");
        assert_eq!(doc.byte_of(raws[0]), 4);
        assert_eq!(number(raws[1]), Some(0.1));
        assert_eq!((number(raws[0]), number(raws[2]), number(raws[3])), (None, None, None));
        assert_eq!(&bytes[doc.byte_of(raws[3])..][..4], b"null");
    }
}
