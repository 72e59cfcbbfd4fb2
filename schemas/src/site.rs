//! What a site adds of its own: names of its rules and features, what a rule says of a bed, and the
//! text of a rule as it stands in the evidence.
//!
//! A name is configuration and goes into alert kinds, metric labels and ids, so it is a short
//! identifier and nothing else. Names are kept for the life of the process, each once and at most
//! [`MOST`] of them, so that a kind stays a plain word that is copied and compared like the
//! built-in ones; beyond that a name is refused.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Mutex, PoisonError},
};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    evidence::{Fact, Missing},
    time::EventTime,
};

/// The longest name, in bytes.
pub const MAX_NAME: usize = 32;
/// How many names one process keeps: many times what a site writes.
pub const MOST: usize = 4_096;
/// What stands before a site's name where built-in names stand too; none of those begins so.
pub const PREFIX: &str = "site_";

/// Why a name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no identifier.
    #[error(
        "a name is 1 to {MAX_NAME} of a-z, 0-9 and _, begins with a letter and has no _ at its end or beside another"
    )]
    Form,
    /// The process has seen too many.
    #[error("more than {MOST} names of site rules and features")]
    TooMany,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Kept {
    tag: String,
    words: String,
}

static KEPT: Mutex<BTreeSet<&'static Kept>> = Mutex::new(BTreeSet::new());

/// The name of a site's rule or feature: `[a-z][a-z0-9_]*`, at most [`MAX_NAME`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteName(&'static Kept);

impl SiteName {
    /// Parses a name.
    ///
    /// # Errors
    /// When it is no identifier, or too many others are kept already.
    pub fn new(text: &str) -> Result<Self, Error> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let formed = text.len() <= MAX_NAME
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(plain)
            && !text.ends_with('_')
            && !text.contains("__");
        if !formed {
            return Err(Error::Form);
        }
        let kept = Kept { tag: format!("{PREFIX}{text}"), words: words(text) };
        let mut all = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&kept) {
            return Ok(Self(known));
        }
        if all.len() >= MOST {
            return Err(Error::TooMany);
        }
        let kept: &'static Kept = Box::leak(Box::new(kept));
        all.insert(kept);
        Ok(Self(kept))
    }

    /// The name that [`SiteName::tag`] gave.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::new(tag.strip_prefix(PREFIX)?).ok()
    }

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        &self.0.tag[PREFIX.len()..]
    }

    /// The name among built-in ones: `site_` before it.
    #[must_use]
    pub fn tag(self) -> &'static str {
        &self.0.tag
    }

    /// The name as words: `low_map_2` is "low map-2".
    #[must_use]
    pub fn words(self) -> &'static str {
        &self.0.words
    }
}

/// A part that begins with a digit stays with the one before it: it is no number of its own.
fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len());
    let mut rest = name.chars().peekable();
    while let Some(c) = rest.next() {
        let joins = rest.peek().is_some_and(char::is_ascii_digit);
        words.push(match c {
            '_' if joins => '-',
            '_' => ' ',
            c => c,
        });
    }
    words
}

impl fmt::Debug for SiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SiteName({})", self.as_str())
    }
}

impl fmt::Display for SiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for SiteName {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SiteName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for SiteName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SiteName".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[a-z][a-z0-9_]{0,31}$" })
    }
}

/// What a site's rule says of one bed, in SQL's three values: `None` is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether its condition holds.
    pub holds: Option<bool>,
    /// Whether what clears it holds: its own condition for that, else the contrary of `holds`.
    pub clears: Option<bool>,
    /// The time of the newest value it rests on that arrives every minute or oftener; `None` where
    /// nothing of it does.
    pub measured: Option<EventTime>,
}

/// A site's rule as it stands in the evidence: what the alert is called and what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteRule {
    /// What the site calls it.
    pub title: String,
    /// The condition, as configured.
    pub when: String,
}

/// What a site's rule rests on: its text, the values it names and which of them are not known.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteEvidence {
    /// The rule.
    pub rule: SiteRule,
    /// The values, in the order the rule names them. Band and trend are for the caller to add.
    pub facts: Vec<Fact>,
    /// What is not known of them.
    pub missing: Vec<Missing>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_identifiers() {
        for (text, words) in [("a", "a"), ("low_map", "low map"), ("low_map_2", "low map-2"), ("x9", "x9")] {
            let name = SiteName::new(text).unwrap();
            assert_eq!((name.as_str(), name.words()), (text, words));
            assert_eq!(SiteName::from_tag(name.tag()), Some(name));
            assert_eq!(serde_json::to_string(&name).unwrap(), format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<SiteName>(&format!("\"{text}\"")).unwrap(), name);
        }
        let long = "x".repeat(MAX_NAME + 1);
        for text in ["", "A", "1a", "_a", "a_", "a__b", "a b", "a\n", "a-b", "ä", "a|b", &long] {
            assert_eq!(SiteName::new(text), Err(Error::Form), "{text:?}");
        }
        assert_eq!(SiteName::from_tag("low_map"), None);
        assert!(SiteName::new(&long[1..]).is_ok());
    }

    #[test]
    fn names_compare_as_their_text() {
        let (a, b) = (SiteName::new("abc").unwrap(), SiteName::new("abd").unwrap());
        assert!(a < b && a == SiteName::new("abc").unwrap());
    }
}
