//! HL7 v2 over TCP: framing and acknowledgements, both pure; the sockets are the binary's.
//!
//! MLLP is three bytes around a message (HL7 v2 Transport Specification: MLLP, Release 1), and most
//! of what goes wrong with it goes wrong silently: two pipelined frames read as one, an end split
//! over two packets, a sender that begins anew in the middle of a message and so puts one patient's
//! results under another's name. [`codec`] holds the framing to one rule, that any cutting of the
//! stream into packets gives the same messages; [`ack`] writes the answers of HL7 v2.5.1 chapter 2.9;
//! [`repeats`] recognises a message that was sent again.

pub mod ack;
pub mod codec;
pub mod fault;
pub mod repeats;

pub use codec::{Codec, Item};
pub use fault::Fault;
pub use repeats::Repeats;
