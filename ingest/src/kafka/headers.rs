//! Record headers: CloudEvents in binary mode, and those of a dead letter.
//!
//! CloudEvents Kafka protocol binding 1.0.2, section 3.2: attributes as `ce_` headers,
//! `datacontenttype` as `content-type`, the payload untouched.

use bedwatch_schemas::{dead_letter::DeadLetter, time::EventTime};
use rdkafka::message::{Header, OwnedHeaders};

/// Most rejections written out in a dead letter's headers; the count is always whole.
pub const MAX_REJECTIONS: usize = 64;

/// Headers of a record, in order.
#[derive(Debug, Clone, Default)]
pub struct Headers(Vec<(String, Vec<u8>)>);

/// The attributes of a CloudEvent.
#[derive(Debug, Clone, Copy)]
pub struct CloudEvent<'a> {
    /// Unique within the source; a repeat carries the same id.
    pub id: &'a str,
    /// The kind of event, e.g. `org.bedwatch.alert.v1`.
    pub kind: &'a str,
    /// Who says it, a URI reference.
    pub source: &'a str,
    /// When it happened.
    pub time: Option<EventTime>,
    /// The media type of the payload.
    pub content_type: &'a str,
}

impl Headers {
    /// No headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl AsRef<[u8]>) -> Self {
        self.0.push((key.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// The headers of a CloudEvent.
    #[must_use]
    pub fn cloud_event(event: &CloudEvent) -> Self {
        let headers = Self::new()
            .with("ce_specversion", "1.0")
            .with("ce_id", event.id)
            .with("ce_type", event.kind)
            .with("ce_source", event.source);
        let headers = match event.time {
            Some(time) => headers.with("ce_time", time.to_string()),
            None => headers,
        };
        headers.with("content-type", event.content_type)
    }

    /// The headers of a dead letter: where it came from, the first reason and byte for filters, and
    /// all rejections (up to [`MAX_REJECTIONS`]) as JSON.
    #[must_use]
    pub fn dead_letter(topic: &str, letter: &DeadLetter) -> Self {
        let written = &letter.rejections[..letter.rejections.len().min(MAX_REJECTIONS)];
        let json = serde_json::to_string(written).expect("rejections are plain data");
        let mut headers = Self::new()
            .with("bedwatch_topic", topic)
            .with("bedwatch_stream", letter.stream.name())
            .with("bedwatch_partition", letter.partition.to_string())
            .with("bedwatch_offset", letter.offset.to_string())
            .with("bedwatch_partly_decoded", letter.partly_decoded.to_string())
            .with("bedwatch_rejection_count", letter.rejections.len().to_string());
        if let Some(first) = letter.rejections.first() {
            headers = headers.with("bedwatch_reason", first.reason.name());
            if let Some(byte) = first.place.byte {
                headers = headers.with("bedwatch_byte", byte.to_string());
            }
        }
        headers.with("bedwatch_rejections", json)
    }

    /// The value of the first header of this name.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_slice())
    }

    pub(super) fn into_owned(self) -> Option<OwnedHeaders> {
        if self.0.is_empty() {
            return None;
        }
        let headers = OwnedHeaders::new_with_capacity(self.0.len());
        Some(
            self.0
                .iter()
                .fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value) })),
        )
    }
}
