//! What could not be decoded: a reason and a place, never the content.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Stream;

/// Why something was rejected. The name is a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The bytes do not follow the format at all.
    Malformed,
    /// The text is not in the declared or any accepted character set.
    Encoding,
    /// The message or value is over the size limit.
    TooLarge,
    /// A message or resource type the engine does not take.
    UnsupportedType,
    /// A required part is missing.
    Missing,
    /// A code that leads to no signal.
    UnknownCode,
    /// A unit that is unknown or does not fit the signal.
    UnknownUnit,
    /// A value that is not what its type says.
    BadValue,
    /// A timestamp that is not one.
    BadTime,
    /// No patient can be told from the message.
    NoPatient,
    /// The time lies too far ahead of its arrival.
    FutureTime,
    /// The record's key is not the patient in the message.
    KeyMismatch,
}

impl Reason {
    /// The snake-case name, also the metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Malformed => "malformed",
            Reason::Encoding => "encoding",
            Reason::TooLarge => "too_large",
            Reason::UnsupportedType => "unsupported_type",
            Reason::Missing => "missing",
            Reason::UnknownCode => "unknown_code",
            Reason::UnknownUnit => "unknown_unit",
            Reason::BadValue => "bad_value",
            Reason::BadTime => "bad_time",
            Reason::NoPatient => "no_patient",
            Reason::FutureTime => "future_time",
            Reason::KeyMismatch => "key_mismatch",
        }
    }
}

/// Where in a message something stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// Byte offset in the original message.
    pub byte: Option<usize>,
    /// HL7: the segment's number from 1 and its id. FHIR: the path. Others: the field's name. Made
    /// only of numbers and words of the format, never of content.
    pub path: String,
}

impl Place {
    /// A place with a byte offset.
    #[must_use]
    pub fn at(byte: usize, path: impl Into<String>) -> Self {
        Self { byte: Some(byte), path: path.into() }
    }

    /// A place known by its path only.
    #[must_use]
    pub fn path(path: impl Into<String>) -> Self {
        Self { byte: None, path: path.into() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.byte, self.path.is_empty()) {
            (Some(byte), true) => write!(f, "byte {byte}"),
            (Some(byte), false) => write!(f, "{} (byte {byte})", self.path),
            (None, true) => f.write_str("the whole message"),
            (None, false) => f.write_str(&self.path),
        }
    }
}

/// One thing rejected: a whole message, or one value of a message whose rest was decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rejection {
    /// Why.
    pub reason: Reason,
    /// Where.
    pub place: Place,
}

impl Rejection {
    /// A rejection of `reason` at `place`.
    #[must_use]
    pub fn new(reason: Reason, place: Place) -> Self {
        Self { reason, place }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.reason.name(), self.place)
    }
}

/// The headers of a dead-letter record; its payload is the original message, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    /// The stream the message came from.
    pub stream: Stream,
    /// The partition of its topic.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Everything rejected in it.
    pub rejections: Vec<Rejection>,
    /// Whether the rest of the message was decoded.
    pub partly_decoded: bool,
}
