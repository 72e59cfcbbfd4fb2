//! Why a file or one record of it could not be read: a name and a place, never the content.

use std::{fmt, io};

/// Where in a file something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The file as a whole.
    File,
    /// A line, counted from 1.
    Line(u64),
    /// A byte, counted from 0.
    Byte(u64),
    /// A data record, counted from 0.
    Record(u64),
    /// A table of a folder, as a whole.
    Table(&'static str),
    /// A line of a table of a folder, counted from 1.
    Row(&'static str, u64),
    /// A data record, counted from 0, of one of several files of a table, counted from 1 in the order of names.
    Part(u32, u64),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::File => f.write_str("file"),
            At::Line(n) => write!(f, "line {n}"),
            At::Byte(n) => write!(f, "byte {n}"),
            At::Record(n) => write!(f, "record {n}"),
            At::Table(name) => f.write_str(name),
            At::Row(name, n) => write!(f, "{name} line {n}"),
            At::Part(file, n) => write!(f, "part {file}, record {n}"),
        }
    }
}

/// What is wrong. Texts are made of words of the format and numbers only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The operating system could not give the bytes.
    #[error("cannot be read ({0})")]
    Io(io::ErrorKind),
    /// The content follows none of the formats known.
    #[error(
        "not a format known here (PSV, CinC 2012 text, HL7 v2, FHIR JSON, EDF/BDF, WFDB header, CGM CSV, MIMIC-III, MIMIC-IV or eICU tables, a Parquet table of values, or a tar archive of stays)"
    )]
    Unrecognised,
    /// The header does not follow its format: nothing of the file is read.
    #[error("bad header: {0}")]
    Header(String),
    /// One record does not follow the format: it alone is left out.
    #[error("bad record: {0}")]
    Record(String),
    /// Valid, and not read by this reader.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// An archive breaks off or does not hold together; nothing of it is read.
    #[error("damaged archive: {0}")]
    Damaged(String),
    /// An archive holds what is not unpacked; nothing of it is read.
    #[error("refused: {0}")]
    Refused(String),
    /// Something that the file points at is not there.
    #[error("missing: {0}")]
    Missing(String),
}

/// A fault with the stay and the place it was found at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{stay}, {at}: {fault}")]
pub struct Error {
    /// The safe name of the stay (the file's stem).
    pub stay: String,
    /// Where.
    pub at: At,
    /// What.
    pub fault: Fault,
}

impl Error {
    /// A fault of the file as a whole.
    pub(super) fn file(stay: &str, fault: Fault) -> Self {
        Self { stay: stay.to_owned(), at: At::File, fault }
    }

    /// An input error.
    pub(super) fn io(stay: &str, error: &io::Error) -> Self {
        Self::file(stay, Fault::Io(error.kind()))
    }

    /// A header that cannot be used.
    pub(super) fn header(stay: &str, why: impl Into<String>) -> Self {
        Self::file(stay, Fault::Header(why.into()))
    }

    /// A record left out.
    pub(super) fn record(stay: &str, at: At, why: impl Into<String>) -> Self {
        Self { stay: stay.to_owned(), at, fault: Fault::Record(why.into()) }
    }
}
