//! Bytes to events.
//!
//! [`decode`] turns one record of one input stream into events and rejections; it is pure: the same
//! record gives the same answer. Nothing is lost: every unit of the message (segment, resource,
//! value) is decoded, or skipped by rule, or rejected with its place, and the counts add up.

pub mod record;

pub use record::{Decoded, Record, Units};
