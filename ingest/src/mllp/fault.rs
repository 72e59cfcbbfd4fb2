//! A rejection in the words of HL7: segment, sequence, field, and a code of table 0357.

use bedwatch_schemas::dead_letter::{Reason, Rejection};

use crate::hl7::lexer;

/// HL7 table 0357, message error condition codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// 100.
    SegmentSequence,
    /// 101.
    RequiredFieldMissing,
    /// 102.
    DataType,
    /// 103.
    TableValueNotFound,
    /// 200.
    UnsupportedMessageType,
    /// 202.
    UnsupportedProcessingId,
    /// 204.
    UnknownKeyIdentifier,
    /// 207.
    ApplicationInternal,
}

impl Code {
    /// The code and its name in the table.
    #[must_use]
    pub const fn entry(self) -> (&'static str, &'static str) {
        match self {
            Self::SegmentSequence => ("100", "Segment sequence error"),
            Self::RequiredFieldMissing => ("101", "Required field missing"),
            Self::DataType => ("102", "Data type error"),
            Self::TableValueNotFound => ("103", "Table value not found"),
            Self::UnsupportedMessageType => ("200", "Unsupported message type"),
            Self::UnsupportedProcessingId => ("202", "Unsupported processing id"),
            Self::UnknownKeyIdentifier => ("204", "Unknown key identifier"),
            Self::ApplicationInternal => ("207", "Application internal error"),
        }
    }

    const fn of(reason: Reason, has_field: bool) -> Self {
        match reason {
            Reason::Missing if !has_field => Self::SegmentSequence,
            Reason::Malformed => Self::SegmentSequence,
            Reason::Missing => Self::RequiredFieldMissing,
            Reason::Encoding | Reason::BadValue | Reason::BadTime | Reason::FutureTime => Self::DataType,
            Reason::UnknownCode | Reason::UnknownUnit => Self::TableValueNotFound,
            Reason::UnsupportedType => Self::UnsupportedMessageType,
            Reason::NoPatient | Reason::KeyMismatch => Self::UnknownKeyIdentifier,
            Reason::TooLarge => Self::ApplicationInternal,
        }
    }
}

/// Where in a message: the ERL data type without repetition and component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The segment's id.
    pub segment: String,
    /// Its number among the segments of that id, from 1; `None` for a segment that is missing.
    pub sequence: Option<usize>,
    /// The field's number.
    pub field: Option<usize>,
}

/// One thing wrong with a message. It holds places and reasons, never content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where; `None` where the place is no segment.
    pub location: Option<Location>,
    /// What, by HL7.
    pub code: Code,
    /// What, by our own name.
    pub reason: &'static str,
    /// The byte of the message.
    pub byte: Option<usize>,
}

impl Fault {
    /// A fault of the message as a whole.
    #[must_use]
    pub const fn whole(code: Code, reason: &'static str) -> Self {
        Self { location: None, code, reason, byte: None }
    }

    /// The fault that a decoder's rejection of `payload` is.
    #[must_use]
    pub fn of(rejection: &Rejection, payload: &[u8]) -> Self {
        let location = location(&rejection.place.path, payload);
        let has_field = location.as_ref().is_some_and(|l| l.field.is_some());
        Self {
            code: Code::of(rejection.reason, has_field),
            reason: rejection.reason.name(),
            byte: rejection.place.byte,
            location,
        }
    }
}

/// Reads the decoder's paths, `OBX[5]-3` (the third field of the message's fifth segment, an OBX) and
/// `MSH[1]-PID` (no PID segment after it), and counts the segment among its kind.
fn location(path: &str, payload: &[u8]) -> Option<Location> {
    let (segment, rest) = path.split_once('[')?;
    let (line, field) = rest.split_once(']')?;
    let line: usize = line.parse().ok()?;
    let field = field.strip_prefix('-').unwrap_or_default();
    if field.len() == 3 && field.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) {
        return Some(Location { segment: field.to_owned(), sequence: None, field: None });
    }
    let id: &[u8; 3] = segment.as_bytes().try_into().ok()?;
    let lines = lexer::segments(payload);
    let before = lines.iter().take(line.saturating_sub(1)).filter(|s| s.is(id)).count();
    lines.get(line.checked_sub(1)?).filter(|s| s.is(id))?;
    let digits = field.find(|c: char| !c.is_ascii_digit()).unwrap_or(field.len());
    Some(Location {
        segment: segment.to_owned(),
        sequence: Some(before + 1),
        field: field[..digits].parse().ok(),
    })
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::dead_letter::Place;

    use super::*;

    #[test]
    fn places_become_segment_sequence_and_field() {
        let payload = b"MSH|^~\\&|\rPID|\rOBX|1\r\rNTE|\rOBX|2\rgarbage";
        let at = |segment: &str, sequence, field| Some(Location { segment: segment.into(), sequence, field });
        let cases = [
            (Reason::BadValue, "OBX[3]-5", at("OBX", Some(1), Some(5)), Code::DataType),
            (Reason::UnknownUnit, "OBX[5]-6", at("OBX", Some(2), Some(6)), Code::TableValueNotFound),
            (Reason::NoPatient, "PID[2]-3", at("PID", Some(1), Some(3)), Code::UnknownKeyIdentifier),
            (Reason::NoPatient, "OBX[5]", at("OBX", Some(2), None), Code::UnknownKeyIdentifier),
            (Reason::Missing, "MSH[1]-PID", at("PID", None, None), Code::SegmentSequence),
            (Reason::Missing, "MSH[1]-9", at("MSH", Some(1), Some(9)), Code::RequiredFieldMissing),
            (Reason::Malformed, "line[6]", None, Code::SegmentSequence),
            (Reason::TooLarge, "", None, Code::ApplicationInternal),
            (Reason::BadValue, "OBX[9]-5", None, Code::DataType),
            (Reason::BadValue, "OBX[0]-5", None, Code::DataType),
        ];
        for (reason, path, location, code) in cases {
            let fault = Fault::of(&Rejection::new(reason, Place::at(7, path)), payload);
            assert_eq!((fault.location, fault.code, fault.byte), (location, code, Some(7)), "{path}");
        }
    }
}
