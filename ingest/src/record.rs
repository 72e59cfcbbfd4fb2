//! What goes into a decoder and what comes out of it.

use bedwatch_schemas::{
    dead_letter::Rejection,
    event::{Event, Provenance, Stream},
    time::ArrivalTime,
};

/// One record of an input stream, as a Kafka consumer or a file reader hands it over.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The stream, which decides the format.
    pub stream: Stream,
    /// The partition of its topic (0 for files).
    pub partition: i32,
    /// Its offset (the record's number for files).
    pub offset: i64,
    /// When it could first be known.
    pub arrival: ArrivalTime,
    /// The record's key: the pseudonymous patient id. Where it is present it names the patient,
    /// whatever number stands in the message; without one (files) the message's own id is taken.
    pub key: Option<&'a str>,
    /// The message, byte for byte.
    pub payload: &'a [u8],
}

impl Record<'_> {
    /// The provenance of the `part`-th event of this record.
    #[must_use]
    pub const fn provenance(&self, part: u32) -> Provenance {
        Provenance { stream: self.stream, partition: self.partition, offset: self.offset, part }
    }
}

impl std::fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("stream", &self.stream)
            .field("partition", &self.partition)
            .field("offset", &self.offset)
            .field("bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// Counts of a message's units (HL7: segments; FHIR: resources; vitals: values; others: records).
/// `total == decoded + skipped + rejected` always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Units {
    /// Units in the message.
    pub total: usize,
    /// Units read and understood (whether or not they carry an event of their own).
    pub decoded: usize,
    /// Units that by rule say nothing to the engine (e.g. an insurance segment).
    pub skipped: usize,
    /// Units rejected; each has at least one [`Rejection`].
    pub rejected: usize,
}

/// What a decoder made of a record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decoded {
    /// The events in the order of the message.
    pub events: Vec<Event>,
    /// What was rejected, with its place. Any rejection sends the original to the dead letters.
    pub rejections: Vec<Rejection>,
    /// The accounting.
    pub units: Units,
}
