//! Why an expression was refused: one sentence that names the place and, where there is one, the way
//! out. The texts quoted are configuration, never a patient's.

use std::fmt;

use bedwatch_schemas::site::SiteName;

use super::{MAX_EXPRESSION, MOST};

/// Which text of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The expression of a feature.
    Feature(SiteName),
    /// The condition of a rule.
    When(SiteName),
    /// What clears a rule.
    Clears(SiteName),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Feature(name) => write!(f, "features.derived {name:?}, expression", name = name.as_str()),
            Self::When(name) => write!(f, "alerts.rules {name:?}, when", name = name.as_str()),
            Self::Clears(name) => write!(f, "alerts.rules {name:?}, clears_when", name = name.as_str()),
        }
    }
}

/// Where in an expression, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// The line.
    pub line: u64,
    /// The character in it.
    pub character: u64,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.character) {
            (0, _) => Ok(()),
            (1, character) => write!(f, " at character {character}"),
            (line, character) => write!(f, " at line {line}, character {character}"),
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is no expression.
    #[error("it is no SQL expression: {0}")]
    Syntax(String),
    /// It names what there is not.
    #[error("there is no column {0:?}{1}; the nearest is {2:?} (bedwatch config columns lists them all)")]
    UnknownColumn(String, At, String),
    /// It names a table.
    #[error("{0:?}{1} names a table, and there is only the frame: write the column alone")]
    Qualified(String, At),
    /// A function there is not.
    #[error("there is no function {0}{1}; there are {2}")]
    UnknownFunction(String, At, String),
    /// A function whose answer changes while nothing of the patient does.
    #[error("{0}{1} depends on the clock or on chance, and the same log must give the same alerts")]
    Volatile(String, At),
    /// A function over rows.
    #[error(
        "{0}{1} is over many rows, and a rule sees one bed at one time: windows are columns, such as map_min_1h"
    )]
    Rows(String, At),
    /// A function with another number of arguments.
    #[error("{0}{1} takes {2}")]
    Arguments(String, At, String),
    /// A number where a condition must stand, or the other way round.
    #[error("{0}{1} is {2} where {3} is needed")]
    Type(String, At, &'static str, &'static str),
    /// SQL that an expression over a frame has no use for.
    #[error("{0}{1} is not part of the language of rules (docs/rules.md says what is)")]
    Unsupported(String, At),
    /// A number that is none.
    #[error("{0:?}{1} is no number that can be compared")]
    Number(String, At),
    /// It says the same of every bed.
    #[error("it is the same for every bed, whatever is known of the patient")]
    Constant,
    /// The whole is no condition.
    #[error("it is a number, and a rule needs a condition that is true or false: compare it with something")]
    NoCondition,
    /// A unit that is not known.
    #[error("the unit {0:?} is not known; leave it out for a pure number")]
    Unit(String),
    /// A feature's name that means something else already.
    #[error("the name means something else already: it is a column, a function or a word of SQL")]
    Taken,
    /// Two of one name.
    #[error("there are two of this name")]
    Twice,
    /// Too many.
    #[error("there are more than {MOST}")]
    TooMany,
    /// Too long.
    #[error("an expression has at most {MAX_EXPRESSION} bytes")]
    TooLong,
    /// DataFusion would not have it.
    #[error("it cannot be compiled: {0}")]
    Refused(String),
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Error {
    /// Where.
    pub place: Place,
    /// What.
    pub problem: Problem,
}

/// Everything that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors(pub Vec<Error>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if i == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}
