//! What an acknowledgement needs of a message: the MSH segment, field by field, whether or not the
//! rest can be read (HL7 v2.5.1, chapter 2.15.9).

use super::lexer::{self, Delimiters, Piece};

/// The MSH segment of a message. It has no `Debug`: its fields may name people.
#[derive(Clone, Copy)]
pub struct Envelope<'a> {
    /// The delimiters.
    pub marks: Delimiters,
    /// MSH-2 as it stands.
    pub declared: &'a [u8],
    fields: [Piece<'a>; 18],
}

impl<'a> Envelope<'a> {
    /// Reads the first MSH segment of a payload (which may be cut off after it); `None` where there
    /// is none before any other segment.
    #[must_use]
    pub fn read(payload: &'a [u8]) -> Option<Self> {
        let first = lexer::segments(payload).into_iter().next()?;
        let line = first.line(payload);
        let marks = first.is(b"MSH").then(|| Delimiters::declared(line.bytes)).flatten()?;
        let fields = line.parts::<18>(marks.field);
        Some(Self { marks, declared: fields[1].bytes, fields })
    }

    /// MSH-`number` (3 to 18) as it stands, trimmed; empty where it says nothing.
    ///
    /// # Panics
    /// When the number is not between 3 and 18.
    #[must_use]
    pub fn field(&self, number: usize) -> &'a [u8] {
        assert!((3..=18).contains(&number), "MSH-{number} is not one that an envelope has");
        let field = self.fields[number - 1].trim();
        if field.is_null() { b"" } else { field.bytes }
    }

    /// A component (from 1) of the first repetition of a field.
    #[must_use]
    pub fn component(&self, number: usize, component: usize) -> &'a [u8] {
        let field = Piece { bytes: self.field(number), at: 0 }.first(self.marks.repetition);
        let part = field.split(self.marks.component).nth(component.saturating_sub(1));
        part.map_or(b"", |part| part.trim().bytes)
    }

    /// The sending application, MSH-3.
    #[must_use]
    pub fn sender(&self) -> &'a [u8] {
        self.field(3)
    }

    /// The sending facility, MSH-4.
    #[must_use]
    pub fn facility(&self) -> &'a [u8] {
        self.field(4)
    }

    /// The control id, MSH-10.
    #[must_use]
    pub fn control_id(&self) -> &'a [u8] {
        self.field(10)
    }

    /// The processing id, MSH-11.1: `P`, `T` or `D`.
    #[must_use]
    pub fn processing_id(&self) -> &'a [u8] {
        self.component(11, 1)
    }

    /// The release, MSH-12.1, as its number after `2.`: 5 for `2.5.1`; `None` where it is not told.
    #[must_use]
    pub fn release(&self) -> Option<u32> {
        let version = std::str::from_utf8(self.component(12, 1)).ok()?;
        version.strip_prefix("2.")?.split('.').next()?.parse().ok()
    }

    /// Whether it is itself an acknowledgement, which is never acknowledged.
    #[must_use]
    pub fn is_acknowledgement(&self) -> bool {
        matches!(self.component(9, 1), b"ACK" | b"MCF")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_components_and_oddities() {
        let text = b"\xEF\xBB\xBF\r\nMSH|^~\\&|MON^1|ICU|BW|H|20260101|| ADT^A01^ADT_A01 |c-7|P^T|2.5.1^DE|||AL|\"\"|DE|8859/1\rPID|";
        let e = Envelope::read(text).unwrap();
        assert_eq!((e.sender(), e.facility(), e.control_id()), (&b"MON^1"[..], &b"ICU"[..], &b"c-7"[..]));
        assert_eq!(
            (e.component(9, 1), e.component(9, 2), e.component(9, 4)),
            (&b"ADT"[..], &b"A01"[..], &b""[..])
        );
        assert_eq!((e.processing_id(), e.release(), e.declared), (&b"P"[..], Some(5), &b"^~\\&"[..]));
        assert_eq!((e.field(15), e.field(16), e.field(18)), (&b"AL"[..], &b""[..], &b"8859/1"[..]));
        assert!(!e.is_acknowledgement());
        for (version, release) in
            [("2.3", Some(3)), ("2.5.1", Some(5)), ("2.10", Some(10)), ("", None), ("3", None), ("2.x", None)]
        {
            let text = format!("MSH#^~\\&##########{version}");
            assert_eq!(Envelope::read(text.as_bytes()).unwrap().release(), release, "{version}");
        }
        assert!(Envelope::read(b"MSH|^~\\&|||||||ACK^R01|1").unwrap().is_acknowledgement());
        for none in [&b""[..], b"\r\n", b"PID|1\rMSH|^~\\&|", b"MSH", b"MSH|", b"MSHA^~", b"{}"] {
            assert!(Envelope::read(none).is_none(), "{none:?}");
        }
    }
}
