//! A recorded log: the records of the six input streams in the order of their arrival, one JSON
//! object a line in `records.jsonl`. `simulate --out` writes it and `replay` reads it.
//!
//! Line: `{"stream": "hl7v2", "at_ms": 1700000000000, "key": "...", "text": "..."}`, or `base64`
//! in place of `text` for payloads that are not UTF-8. One out of Kafka ([`capture`]) has also the
//! record's `partition` and `offset`, so that a replay's evidence names the places that the live one named.

pub mod capture;

use std::io::{BufRead, Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use bedwatch_schemas::{event::Stream, time::ArrivalTime};
use serde::{Deserialize, Serialize};

/// The file's name within its folder.
pub const FILE: &str = "records.jsonl";

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its stream.
    pub stream: Stream,
    /// When it arrived; kept to the millisecond, as Kafka keeps it.
    pub at: ArrivalTime,
    /// Its key.
    pub key: Option<String>,
    /// The message.
    pub payload: Vec<u8>,
    /// Its partition and offset, where it comes out of Kafka.
    pub place: Option<(i32, i64)>,
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    stream: Stream,
    at_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    text: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partition: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("the recording cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// A line is not a record.
    #[error("line {0} of the recording is not a record")]
    Line(usize),
}

/// Writes one record.
///
/// # Errors
/// When the writer fails.
pub fn write(record: &Recorded, out: &mut impl Write) -> Result<(), Error> {
    let text = std::str::from_utf8(&record.payload).ok();
    let line = Line {
        stream: record.stream,
        at_ms: record.at.as_millis(),
        key: record.key.clone(),
        text: text.map(Into::into),
        base64: text.is_none().then(|| STANDARD.encode(&record.payload)),
        partition: record.place.map(|(partition, _)| partition),
        offset: record.place.map(|(_, offset)| offset),
    };
    serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// Reads records in order.
pub fn read(input: impl BufRead) -> impl Iterator<Item = Result<Recorded, Error>> {
    input.lines().enumerate().map(|(i, line)| {
        let text = line?;
        let line: Line<'_> = serde_json::from_str(&text).map_err(|_| Error::Line(i + 1))?;
        let payload = match (line.text, line.base64) {
            (Some(text), None) => text.into_owned().into_bytes(),
            (None, Some(coded)) => STANDARD.decode(coded).map_err(|_| Error::Line(i + 1))?,
            _ => return Err(Error::Line(i + 1)),
        };
        let place = match (line.partition, line.offset) {
            (None, None) => None,
            (Some(partition), Some(offset)) => Some((partition, offset)),
            _ => return Err(Error::Line(i + 1)),
        };
        let at = ArrivalTime::from_millis(line.at_ms);
        Ok(Recorded { stream: line.stream, at, key: line.key, payload, place })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Law: what is written is read back, whatever the bytes.
        #[test]
        fn records_round_trip(payload in prop::collection::vec(any::<u8>(), 0..200), at in -1_000_000_000_000_i64..10_000_000_000_000, key in "[a-z0-9]{0,8}", place in prop::option::of((0..9_i32, 0..99_i64))) {
            let record = Recorded {
                stream: Stream::Waveforms,
                at: ArrivalTime::from_millis(at),
                key: (!key.is_empty()).then_some(key),
                payload,
                place,
            };
            let mut out = Vec::new();
            write(&record, &mut out).unwrap();
            let back: Vec<_> = read(&out[..]).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(back, vec![record]);
        }
    }
}
