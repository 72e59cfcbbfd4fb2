//! Bytes to events.
//!
//! [`decode`] turns one record of one input stream into events and rejections; it is pure: the same
//! record gives the same answer. Nothing is lost: every unit of the message (segment, resource,
//! value) is decoded, or skipped by rule, or rejected with its place, and the counts add up.

pub mod cgm;
mod coded;
pub mod decode;
pub mod feedback;
pub mod fhir;
mod head;
pub mod hl7;
mod json;
pub mod kafka;
pub mod mllp;
pub mod pseudonym;
pub mod record;
mod subject;
pub mod vitals;
pub mod waveforms;

pub use decode::{Config, decode};
pub use json::MAX_BYTES as MAX_JSON_BYTES;
pub use record::{Decoded, Record, Units};
pub use subject::FUTURE_TOLERANCE;
