//! The shared words of bedwatch.
//!
//! Every stage crate speaks these types and no other crate's: ids that do not print, times that
//! cannot be mixed up, signals with one canonical unit each, events, frames, risks, evidence and
//! alerts, with their wire forms and published JSON Schemas (`schemas/json/`).
//!
//! Two rules hold throughout:
//! - *Missing is not zero*: an absent value is `None` or a `NoReading` with its reason.
//! - *Checkpointed types* (everything but the wire messages) keep plain serde derives, because the
//!   checkpoint codec is not self-describing.

pub mod alert;
pub mod codes;
pub mod column;
pub mod dead_letter;
pub mod event;
pub mod evidence;
pub mod feedback;
pub mod fhir;
pub mod frame;
pub mod ids;
pub mod medication;
pub mod publish;
pub mod rationale;
pub mod recent;
pub mod risk;
pub mod score;
pub mod signal;
pub mod site;
pub mod summary;
pub mod time;
pub mod unit;
pub mod waveform;
pub mod wire;
pub mod withheld;

/// Said once in every output: what this software is and is not.
pub const NOTICE: &str = "Research software and an adjunct: never the primary alarm.";
