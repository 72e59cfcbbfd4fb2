//! HL7 v2 (ER7) to events, by an own offset-index parser.
//!
//! Known parsers stop at the first oddity of a real feed and say nothing about the rest: LF line ends,
//! a blank line, one line of garbage. This one cuts by bytes, keeps going, and accounts for every
//! line: a segment is decoded, or skipped because it says nothing to the engine, or rejected with its
//! byte and field. Free text (NTE), names and addresses are never read.
//!
//! What is read, after HL7 v2.5.1 and the IHE Patient Care Device profiles:
//! - `ORU` of any trigger: observations (laboratory, monitor numerics, PCD-01 containment) and
//!   waveforms (`NA`, `MA`);
//! - `ADT` A01, A02, A03, A08 and A40, with the OBX segments they carry (height, weight);
//! - batches (FHS, BHS, BTS, FTS) and payloads of several messages.
//!
//! Every other message is well formed and of no concern: its segments are skipped.

mod adt;
mod codes;
pub mod envelope;
pub mod lexer;
mod message;
mod number;
mod observation;
pub mod patients;
mod stay;
mod text;
mod time;
mod waveform;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bedwatch_schemas::{
    dead_letter::{Place, Reason, Rejection},
    signal::Signal,
    time::{EventTime, Span},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::{Decoded, Record, Units};

/// The longest payload taken, in bytes.
pub const MAX_BYTES: usize = 4 << 20;

/// After so many rejections the rest of a record is one rejected unit: the list must not outgrow the
/// message it describes.
pub const MAX_REJECTIONS: usize = 1_000;

/// What a site may set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The offset of timestamps that name no zone, in minutes east of UTC.
    pub default_offset_minutes: i32,
    /// The site's own OBX-3 codes, asked where an OBX carries no LOINC or MDC code. A code is compared
    /// as it stands, then in upper case.
    pub local_codes: BTreeMap<String, Signal>,
}

impl Default for Config {
    /// UTC, and the mnemonics that common laboratory and monitor interfaces use.
    fn default() -> Self {
        Self { default_offset_minutes: 0, local_codes: codes::usual_local_codes() }
    }
}

/// Turns one record into events and rejections. A unit is a non-blank line of the payload; a payload
/// that is refused as a whole is one unit.
#[must_use]
pub fn decode(record: &Record<'_>, config: &Config, future_tolerance: Span) -> Decoded {
    let payload = record.payload;
    if payload.len() > MAX_BYTES {
        return refuse(Reason::TooLarge);
    }
    if is_wide_text(payload) {
        return refuse(Reason::Encoding);
    }
    let segments = lexer::segments(payload);
    if segments.is_empty() {
        return refuse(Reason::Malformed);
    }
    message::Reader::new(record, config, future_tolerance, &segments).read()
}

/// When the first message of a payload says that it was sent (MSH-7): for readers of files, which
/// have no other arrival time.
#[must_use]
pub fn sent_at(payload: &[u8], config: &Config) -> Option<EventTime> {
    let header = lexer::segments(payload).into_iter().find(|s| s.is(b"MSH"))?.line(payload);
    let marks = lexer::Delimiters::declared(header.bytes)?;
    let [.., sent] = header.parts::<7>(marks.field);
    time::parse(sent.first(marks.component).trim().bytes, config.default_offset_minutes)
}

/// A record refused as a whole.
fn refuse(reason: Reason) -> Decoded {
    Decoded {
        events: Vec::new(),
        rejections: vec![Rejection::new(reason, Place::at(0, ""))],
        units: Units { total: 1, decoded: 0, skipped: 0, rejected: 1 },
    }
}

/// Whether the payload is UTF-16 or UTF-32, which cannot be cut by bytes: a byte order mark, or zero
/// bytes between the letters of `MSH`.
fn is_wide_text(payload: &[u8]) -> bool {
    matches!(payload, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, 0, 0xFE, 0xFF, ..])
        || matches!(payload, [b'M', 0, ..] | [0, b'M', ..] | [0, 0, 0, b'M', ..])
}
