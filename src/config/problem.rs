//! What is wrong with a configuration, and where it stands.

use std::fmt;

use serde::Serialize;

/// Whether a configuration stands in spite of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does not.
    Error,
    /// It does; somebody should know.
    Warning,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Place {
    /// A place in the file; both count from 1, columns in characters.
    File {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
}

/// One thing wrong. Its words hold keys, paths and allowed values, never a value that was given: it
/// may be a secret in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where, if it is of one place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Whether the configuration stands in spite of it.
    pub severity: Severity,
    /// The key, if it is of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What is wrong, and what would be right: a sentence.
    pub message: String,
}

impl Problem {
    /// An error of a key.
    #[must_use]
    pub fn error(key: &str, message: impl Into<String>) -> Self {
        let key = Some(key.to_owned());
        Self { place: None, severity: Severity::Error, key, message: message.into() }
    }

    /// A warning of a key.
    #[must_use]
    pub fn warning(key: &str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(key, message) }
    }

    /// An error whose sentence begins with its key, as those of ranges do.
    #[must_use]
    pub fn range(message: impl Into<String>) -> Self {
        let message = message.into();
        let first = message.split([' ', ',']).next().unwrap_or_default();
        let key = super::keys::root().at(first.split('.')).map(|_| first.to_owned());
        Self { place: None, severity: Severity::Error, key, message }
    }

    pub(super) fn at(self, place: Option<Place>) -> Self {
        Self { place, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(Place::File { line, column }) => write!(f, "line {line}, column {column}: ")?,
            Some(Place::Environment { variable }) => write!(f, "{variable}: ")?,
            None => {}
        }
        f.write_str(&self.message)
    }
}

/// Every error of a configuration that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&said.join("; "))
    }
}
