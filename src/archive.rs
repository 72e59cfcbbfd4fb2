//! The archive: everything the engine was told and everything it said, as Parquet for questions later.
//!
//! Five tables ([`Table`]) lie under one folder by date, `events/date=2026-11-24/part-....parquet`. A
//! row says when something was true and since when it was known, and no row is ever changed: a
//! correction is another row. So what was known at any moment can be asked ([`query`]).
//!
//! Rows go into a [`spool`] first, a file that survives the process, and from there into a part, which
//! appears under its name when it is whole ([`store`]). `run` hands them over through a [`feed`] that
//! makes no alert wait; `replay` in the order of its sources ([`ordered`]).

mod again;
pub mod config;
pub mod feed;
mod mark;
pub mod ordered;
pub mod query;
pub mod rows;
pub mod spool;
pub mod store;
pub mod tables;

pub use config::Config;
pub use feed::Feed;
pub use ordered::Ordered;
pub use rows::Rows;
pub use store::Store;
pub use tables::Table;

use std::path::PathBuf;

/// Why the archive could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("the archive's {0}: {1}")]
    Io(PathBuf, std::io::Error),
    /// Another process writes it.
    #[error("the archive {0} is being written by another process")]
    Locked(PathBuf),
    /// A replay writes a new one: rows of two replays in one could not be told apart.
    #[error("the archive {0} holds rows already; a replay writes a new one")]
    NotEmpty(PathBuf),
    /// Rows could not be put into columns or a file.
    #[error("rows of {table} could not be written: {source}")]
    Arrow {
        /// The table.
        table: &'static str,
        /// Why.
        source: arrow::error::ArrowError,
    },
    /// A part could not be written.
    #[error("a part of {table} could not be written: {source}")]
    Parquet {
        /// The table.
        table: &'static str,
        /// Why.
        source: parquet::errors::ParquetError,
    },
}
