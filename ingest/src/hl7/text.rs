//! Character sets (MSH-18) and escape sequences. Only the few texts that are kept (ids, unit names)
//! come here; everything else is compared as bytes.
//!
//! HL7 v2.5.1, chapter 2.7 (escapes), 2.15.9.18 and table 0211 (character sets). The multi-byte sets
//! whose second byte can look like a delimiter, and all 16- and 32-bit forms, cannot be cut by bytes
//! and are refused.

use std::borrow::Cow;

use encoding_rs::Encoding;

use super::lexer::{Delimiters, Piece};

/// How the bytes of a message are to be read as text.
#[derive(Clone, Copy, PartialEq)]
pub enum Charset {
    /// ASCII or UTF-8: what is not ASCII must be UTF-8.
    Utf8,
    /// A set of its own for all that is not ASCII.
    Other(&'static Encoding),
}

/// The bytes are not text in the message's character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not text in the declared character set")]
pub struct Error;

impl Charset {
    /// The set that MSH-18 names (its first repetition); `ascii` tells whether the whole message is
    /// ASCII, in which case the exact set does not matter.
    ///
    /// # Errors
    /// When the set cannot be cut by bytes, or is unknown and matters.
    pub fn declared(name: &[u8], ascii: bool) -> Result<Self, Error> {
        let name = name.to_ascii_uppercase();
        let other = match name.as_slice() {
            b"" | b"ASCII" | b"UNICODE UTF-8" | b"UTF-8" | b"UTF8" | b"ISO IR6" => return Ok(Self::Utf8),
            name if name.starts_with(b"UNICODE") || name.starts_with(b"UTF") => return Err(Error),
            b"8859/1" => encoding_rs::WINDOWS_1252,
            b"8859/2" => encoding_rs::ISO_8859_2,
            b"8859/3" => encoding_rs::ISO_8859_3,
            b"8859/4" => encoding_rs::ISO_8859_4,
            b"8859/5" => encoding_rs::ISO_8859_5,
            b"8859/6" => encoding_rs::ISO_8859_6,
            b"8859/7" => encoding_rs::ISO_8859_7,
            b"8859/8" => encoding_rs::ISO_8859_8,
            b"8859/9" => encoding_rs::WINDOWS_1254,
            b"8859/15" => encoding_rs::ISO_8859_15,
            _ if ascii => return Ok(Self::Utf8),
            _ => return Err(Error),
        };
        Ok(Self::Other(other))
    }

    fn read(self, bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
        match self {
            Self::Other(set) if !bytes.is_ascii() => {
                set.decode_without_bom_handling_and_without_replacement(bytes).ok_or(Error)
            }
            _ => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Error),
        }
    }
}

/// The text of a piece: escapes resolved, then read in its character set, then trimmed by the caller.
///
/// # Errors
/// When it is not text in that set.
pub fn text<'a>(piece: Piece<'a>, marks: &Delimiters, charset: Charset) -> Result<Cow<'a, str>, Error> {
    if marks.escape == marks.field || !piece.contains(marks.escape) {
        return charset.read(piece.bytes);
    }
    let bytes = unescape(piece.bytes, marks);
    charset.read(&bytes).map(|text| Cow::Owned(text.into_owned()))
}

/// Resolves escape sequences. Those that are unknown (highlighting, local ones) or not terminated are
/// kept as they stand, so that nothing is lost.
#[must_use]
pub fn unescape(bytes: &[u8], marks: &Delimiters) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(open) = rest.iter().position(|b| *b == marks.escape) {
        out.extend_from_slice(&rest[..open]);
        rest = &rest[open..];
        let Some(close) = rest[1..].iter().position(|b| *b == marks.escape) else { break };
        let sequence = &rest[1..=close];
        if replace(sequence, marks, &mut out) {
            rest = &rest[close + 2..];
        } else {
            // Not ours: the mark that would have closed it may open the next one.
            out.extend_from_slice(&rest[..=close]);
            rest = &rest[close + 1..];
        }
    }
    out.extend_from_slice(rest);
    out
}

fn replace(sequence: &[u8], marks: &Delimiters, out: &mut Vec<u8>) -> bool {
    let byte = match sequence {
        b"F" => marks.field,
        b"S" => marks.component,
        b"T" => marks.subcomponent,
        b"R" => marks.repetition,
        b"E" => marks.escape,
        b".br" => b'\n',
        [b'X', hex @ ..] => return replace_hex(hex, out),
        _ => return false,
    };
    out.push(byte);
    true
}

fn replace_hex(hex: &[u8], out: &mut Vec<u8>) -> bool {
    if hex.is_empty() || !hex.len().is_multiple_of(2) || !hex.iter().all(u8::is_ascii_hexdigit) {
        return false;
    }
    let digit = |b: u8| char::from(b).to_digit(16).map_or(0, |d| d as u8);
    out.extend(hex.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], charset: Charset) -> Result<String, Error> {
        text(Piece { bytes, at: 0 }, &Delimiters::USUAL, charset).map(Cow::into_owned)
    }

    #[test]
    fn escapes() {
        let cases: &[(&[u8], &str)] = &[
            (b"plain", "plain"),
            (b"a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f", "a|b^c&d~e\\f"),
            (b"10\\S\\3/uL", "10^3/uL"),
            (b"\\X48692E\\", "Hi."),
            (b"\\XC3A9\\", "\u{e9}"),
            (b"two\\.br\\lines", "two\nlines"),
            // Kept as they stand.
            (b"\\H\\bold\\N\\", "\\H\\bold\\N\\"),
            (b"\\.sp3\\", "\\.sp3\\"),
            (b"\\Zx\\", "\\Zx\\"),
            (b"a\\Fb", "a\\Fb"),
            (b"\\X4\\ \\XZZ\\ \\X\\", "\\X4\\ \\XZZ\\ \\X\\"),
            (b"\\\\", "\\\\"),
            (b"\\", "\\"),
            // The mark after an unknown sequence opens the next one.
            (b"C:\\dir\\F\\x", "C:\\dir|x"),
            (b"\\F\\\\", "|\\"),
        ];
        for (bytes, want) in cases {
            assert_eq!(read(bytes, Charset::Utf8).unwrap(), *want);
        }
    }

    #[test]
    fn character_sets() {
        let latin1 = Charset::declared(b"8859/1", false).unwrap();
        assert_eq!(read(b"M\xFCller", latin1).unwrap(), "M\u{fc}ller");
        assert_eq!(read(b"M\\XFC\\ller", latin1).unwrap(), "M\u{fc}ller");
        let latin9 = Charset::declared(b"8859/15", false).unwrap();
        assert_eq!(read(b"\xA4", latin9).unwrap(), "\u{20ac}");
        let greek = Charset::declared(b"8859/7", false).unwrap();
        assert_eq!(read(b"\xE1", greek).unwrap(), "\u{3b1}");
        for name in [&b""[..], b"ASCII", b"UNICODE UTF-8", b"utf-8"] {
            assert_eq!(
                read("M\u{fc}ller".as_bytes(), Charset::declared(name, false).unwrap()).unwrap(),
                "M\u{fc}ller"
            );
            assert_eq!(read(b"M\xFCller", Charset::declared(name, false).unwrap()), Err(Error));
        }
        for name in [&b"UNICODE UTF-16"[..], b"UNICODE UTF-32", b"UNICODE"] {
            assert!(Charset::declared(name, true).is_err());
        }
        for name in [&b"BIG-5"[..], b"ISO IR87", b"GB 18030-2000", b"nonsense"] {
            assert!(Charset::declared(name, false).is_err());
            assert!(Charset::declared(name, true).is_ok(), "an ASCII message is ASCII in these too");
        }
    }
}
