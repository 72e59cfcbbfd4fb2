//! Questions to an archive, in SQL.
//!
//! A [`Session`] reads one folder and nothing else, and changes nothing: statements that define, insert,
//! copy or set anything are refused, no other file can be named, and nothing is spilled to disk.
//! `as_of` is the time travel: every view holds only what was known by then.

mod answer;
mod library;
mod reach;
mod views;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use bedwatch_schemas::time::EventTime;
use datafusion::{
    common::ScalarValue,
    dataframe::DataFrame,
    error::DataFusionError,
    execution::{
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::GreedyMemoryPool,
        runtime_env::RuntimeEnvBuilder,
    },
    prelude::{SQLOptions, SessionConfig, SessionContext},
    sql::sqlparser::{
        dialect::GenericDialect,
        tokenizer::{Token, Tokenizer},
    },
};

pub use answer::{Format, Told, write};
pub use library::{Parameter, Ready, ready, shelf};
pub use views::VIEWS;

/// The longest question, in bytes: what is longer was not written by a person, and a planner that
/// descends into it might not come back.
pub const MAX_SQL: usize = 64 << 10;
/// The words and signs of a question: a planner takes the square of their number, and a few thousand are
/// seconds.
pub const MAX_TOKENS: usize = 4_000;
/// The largest answer that is laid out as a table, in bytes.
pub const MAX_TABLE: usize = 64 << 20;
/// Memory a question may use, in bytes; beyond it the question fails.
pub const MEMORY: usize = 2 << 30;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no archive.
    #[error("{0} is no archive: it holds none of the tables {1}")]
    NoArchive(std::path::PathBuf, String),
    /// The question is too long.
    #[error("the question has {0} bytes, more than {most}", most = MAX_SQL)]
    TooLong(usize),
    /// The question has too many parts.
    #[error("the question has {0} words and signs, more than {most}", most = MAX_TOKENS)]
    TooManyParts(usize),
    /// There is no ready question of that name, and it is no SQL.
    #[error("there is no ready question {0}; `bedwatch query --list` shows them{near}", near = .1.as_ref().map_or(String::new(), |n| format!("; did you mean {n}?")))]
    Unknown(String, Option<&'static str>),
    /// A parameter has no value.
    #[error("{question} needs --param {parameter}=... ({words})")]
    Missing {
        /// The question.
        question: &'static str,
        /// The parameter.
        parameter: &'static str,
        /// What it means.
        words: &'static str,
    },
    /// A parameter that the question does not have.
    #[error("{question} has no parameter {parameter}; it has: {known}")]
    Surplus {
        /// The question.
        question: &'static str,
        /// The parameter.
        parameter: String,
        /// Those it has.
        known: String,
    },
    /// A parameter that is not of its type.
    #[error("the parameter {parameter} is no {needed}")]
    Malformed {
        /// The parameter.
        parameter: String,
        /// What it should be.
        needed: &'static str,
    },
    /// A table is laid out whole.
    #[error("the answer is too large for a table; ask for --format csv, json or arrow, or add a LIMIT")]
    TooLarge,
    /// The query engine refused or failed.
    #[error("{0}")]
    Engine(String),
    /// The answer could not be written.
    #[error("the answer cannot be written: {0}")]
    Write(#[from] std::io::Error),
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        Self::Engine(error.strip_backtrace())
    }
}

impl From<datafusion::arrow::error::ArrowError> for Error {
    fn from(error: datafusion::arrow::error::ArrowError) -> Self {
        Self::Engine(error.to_string())
    }
}

/// An archive open for questions.
pub struct Session {
    context: SessionContext,
}

impl Session {
    /// Opens the archive in a folder; `as_of`: as it was known then. `threads` work on a question.
    ///
    /// # Errors
    /// When the folder holds no archive.
    pub async fn open(folder: &Path, as_of: Option<EventTime>, threads: usize) -> Result<Self, Error> {
        let has = |t: &super::Table| folder.join(t.name()).is_dir();
        if !super::Table::ALL.iter().any(has) {
            let names = super::Table::ALL.map(super::Table::name).join(", ");
            return Err(Error::NoArchive(folder.to_owned(), names));
        }
        let runtime = RuntimeEnvBuilder::new()
            .with_object_store_registry(Arc::new(reach::Reach::of(folder)?))
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(MEMORY)))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .build_arc()?;
        let config =
            SessionConfig::new().with_target_partitions(threads.max(1)).with_information_schema(true);
        let context = SessionContext::new_with_config_rt(config, runtime);
        views::register(&context, as_of).await?;
        Ok(Self { context })
    }

    /// Plans a question, with values for its `$name` placeholders.
    ///
    /// # Errors
    /// When it is no question, would change something, or names what is not there.
    pub async fn ask(&self, sql: &str, values: &BTreeMap<String, ScalarValue>) -> Result<DataFrame, Error> {
        if sql.len() > MAX_SQL {
            return Err(Error::TooLong(sql.len()));
        }
        // What is no SQL at all the planner tells better.
        let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().unwrap_or_default();
        let parts = tokens.iter().filter(|t| !matches!(t, Token::Whitespace(_))).count();
        if parts > MAX_TOKENS {
            return Err(Error::TooManyParts(parts));
        }
        let allowed =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let asked = self.context.sql_with_options(sql, allowed).await?;
        if values.is_empty() {
            return Ok(asked);
        }
        let values: Vec<(&str, ScalarValue)> = values.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
        Ok(asked.with_param_values(values)?)
    }
}
