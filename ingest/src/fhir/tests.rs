mod bundles;
mod resources;
mod shared;

use bedwatch_schemas::{
    dead_letter::Reason,
    event::{Body, Stream},
    signal::Signal,
    time::ArrivalTime,
};

use crate::{Decoded, FUTURE_TOLERANCE, Record};

/// Decodes as if it had come at noon of 2026-03-01.
fn run(key: Option<&str>, payload: &[u8]) -> Decoded {
    let arrival = ArrivalTime::parse_rfc3339("2026-03-01T12:00:00Z").unwrap();
    let record = Record { stream: Stream::Fhir, partition: 1, offset: 5, arrival, key, payload };
    let decoded = super::decode(&record, FUTURE_TOLERANCE);
    let u = decoded.units;
    assert_eq!(u.total, u.decoded + u.skipped + u.rejected);
    assert!(decoded.rejections.len() >= u.rejected);
    assert!(u.rejected > 0 || decoded.rejections.is_empty());
    assert!(decoded.rejections.iter().all(|r| r.place.byte.is_none_or(|b| b <= payload.len())));
    for (i, event) in decoded.events.iter().enumerate() {
        assert_eq!(event.provenance.part as usize, i);
        if let Body::Numeric(n) = event.body {
            assert!(n.value.is_finite());
        }
    }
    decoded
}

/// The numerics of a message.
fn numerics(decoded: &Decoded) -> Vec<(Signal, f64)> {
    let numeric = |body: &Body| match body {
        Body::Numeric(n) => Some((n.signal, (n.value * 1e6).round() / 1e6)),
        _ => None,
    };
    decoded.events.iter().filter_map(|e| numeric(&e.body)).collect()
}

/// The rejections of a message.
fn rejected(decoded: &Decoded) -> Vec<(Reason, String)> {
    decoded.rejections.iter().map(|r| (r.reason, r.place.path.clone())).collect()
}
