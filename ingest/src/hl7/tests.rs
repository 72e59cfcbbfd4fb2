//! Tests of the decoder as a whole; the pieces have theirs beside them.

mod shared;

use super::{Config, decode};
use crate::record::{Decoded, Record};
use bedwatch_schemas::{event::Stream, time::ArrivalTime};

/// Late enough for every time in the tests.
const ARRIVAL: &str = "2026-06-01T00:00:00Z";

fn record<'a>(key: Option<&'a str>, payload: &'a [u8]) -> Record<'a> {
    let arrival = ArrivalTime::parse_rfc3339(ARRIVAL).unwrap();
    Record { stream: Stream::Hl7v2, partition: 3, offset: 42, arrival, key, payload }
}

/// Decodes, checking what always holds: the units add up, and each rejected one has a rejection whose
/// place lies within the payload.
fn read(key: Option<&str>, payload: &[u8]) -> Decoded {
    let decoded = decode(&record(key, payload), &Config::default());
    let units = decoded.units;
    assert_eq!(units.total, units.decoded + units.skipped + units.rejected);
    assert_eq!(decoded.rejections.len(), units.rejected);
    for rejection in &decoded.rejections {
        assert!(rejection.place.byte.is_some_and(|byte| byte <= payload.len()), "{rejection}");
    }
    for (n, event) in decoded.events.iter().enumerate() {
        assert_eq!(event.provenance.part as usize, n);
    }
    decoded
}
