//! Identifiers. Patient-bearing ids print redacted: a log line or a panic cannot leak one.

use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why an identifier was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The identifier has no characters.
    #[error("an identifier is empty")]
    Empty,
    /// The identifier is longer than [`MAX_LEN`] bytes.
    #[error("an identifier has {0} bytes, more than 128")]
    TooLong(usize),
    /// The identifier holds a control character.
    #[error("an identifier holds a control character")]
    Control,
}

/// The longest identifier accepted, in bytes.
pub const MAX_LEN: usize = 128;

fn check(text: &str) -> Result<Arc<str>, Error> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::Empty);
    }
    if text.len() > MAX_LEN {
        return Err(Error::TooLong(text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::Control);
    }
    Ok(Arc::from(text))
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, redacted) => {
        text_id!(@type $(#[$doc])* $name);
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(***)"))
            }
        }
    };
    ($(#[$doc:meta])* $name:ident, open) => {
        text_id!(@type $(#[$doc])* $name);
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
    (@type $(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses an identifier: trimmed, 1 to 128 bytes, no control characters.
            ///
            /// # Errors
            /// When it is empty, too long or holds a control character.
            pub fn new(text: &str) -> Result<Self, Error> {
                check(text).map(Self)
            }

            /// The identifier itself. Callers must not log it where it names a patient.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self, Error> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.to_string()
            }
        }
    };
}

text_id!(
    /// The pseudonymous patient id: the Kafka key. `Debug` prints it redacted.
    PatientId,
    redacted
);
text_id!(
    /// A hospital encounter (visit). `Debug` prints it redacted.
    EncounterId,
    redacted
);
text_id!(
    /// The system or device that sent a message (MSH-3, device id, gateway name).
    SourceId,
    open
);
text_id!(
    /// A nursing unit (PV1-3.1).
    UnitId,
    open
);
text_id!(
    /// A bed within its unit (PV1-3.2 and PV1-3.3).
    BedId,
    open
);

/// Where a patient lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Location {
    /// The nursing unit.
    pub unit: UnitId,
    /// The bed within the unit.
    pub bed: BedId,
}

/// An alert episode: UUIDv5 of patient, kind and onset, so that a repeat is recognisable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct AlertId(pub Uuid);

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patient_ids_print_redacted() {
        let id = PatientId::new("canary-4711").unwrap();
        assert_eq!(format!("{id:?}"), "PatientId(***)");
        assert!(!format!("{:?}", Some(&id)).contains("4711"));
    }

    #[test]
    fn bad_ids_are_refused() {
        assert_eq!(PatientId::new("  "), Err(Error::Empty));
        assert_eq!(PatientId::new("a\nb"), Err(Error::Control));
        assert_eq!(PatientId::new(&"x".repeat(129)), Err(Error::TooLong(129)));
        assert_eq!(PatientId::new(" ok ").unwrap().as_str(), "ok");
    }
}
