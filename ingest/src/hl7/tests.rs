//! Tests of the decoder as a whole; the pieces have theirs beside them.

mod oracle;
mod robust;
mod rules;
mod shared;

use super::{Config, decode};
use crate::{
    FUTURE_TOLERANCE,
    record::{Decoded, Record},
};
use bedwatch_schemas::{
    event::{Body, Stream},
    time::ArrivalTime,
};

/// Late enough for every time in the tests.
const ARRIVAL: &str = "2026-06-01T00:00:00Z";

fn record<'a>(key: Option<&'a str>, payload: &'a [u8]) -> Record<'a> {
    let arrival = ArrivalTime::parse_rfc3339(ARRIVAL).unwrap();
    Record { stream: Stream::Hl7v2, partition: 3, offset: 42, arrival, key, payload }
}

/// Decodes, checking what always holds: the units add up, and each rejected one has a rejection whose
/// place lies within the payload.
fn read(key: Option<&str>, payload: &[u8]) -> Decoded {
    let decoded = decode(&record(key, payload), &Config::default(), FUTURE_TOLERANCE);
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

/// The start of an ORU^R01 of one patient, in order 4; lines end in CR.
const HEAD: &str = "MSH|^~\\&|LAB|H|||20260301021500||ORU^R01|1|P|2.5\r\
    PID|1||p1^^^H^MR\rPV1|1|I|ICU^2^23||||||||||||||||v1\rOBR|1|||panel|||20260301020000\r";

/// A message of one OBX segment (the fifth of the message), given from OBX-2 on.
fn oru(obx: &str) -> Vec<u8> {
    format!("{HEAD}OBX|1|{obx}\r").into_bytes()
}

/// What came out, as text: events, then rejections without their bytes, or `nothing`.
fn said(decoded: &Decoded) -> String {
    let mut parts: Vec<String> = Vec::new();
    for event in &decoded.events {
        parts.push(match &event.body {
            Body::Numeric(n) => {
                let flag = if n.plausible { "" } else { " implausible" };
                format!("{}={} {:?}{flag}", n.signal.name(), (n.value * 1e4).round() / 1e4, n.status)
            }
            Body::NoReading { signal, reason } => format!("{}: {reason:?}", signal.name()),
            Body::Waveform(block) => {
                let channels: Vec<String> =
                    block.channels.iter().map(|c| format!("{} {:?}", c.label, c.samples)).collect();
                format!("{} {} Hz: {}", block.kind.name(), block.rate.hz(), channels.join(", "))
            }
            Body::Adt(adt) => format!("{:?}", adt.kind),
            other => format!("{other:?}"),
        });
    }
    for r in &decoded.rejections {
        parts.push(format!("{} at {}", r.reason.name(), r.place.path));
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join("; ") }
}
