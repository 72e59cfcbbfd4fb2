//! Waveform blocks as Arrow IPC ([`bedwatch_schemas::waveform`]).
//!
//! The unit is the record: one block, decoded or rejected. A rejection names the metadata key or
//! the channel's number.

use std::sync::Arc;

use bedwatch_schemas::{
    dead_letter::{Place, Reason, Rejection},
    event::{Body, Event},
    time::Span,
    waveform::{ArrowError, WaveformMessage, decode_arrow},
};

use crate::{Decoded, Record, Units, subject};

/// The longest message taken: the largest block as `f32`, its metadata and validity bits.
pub const MAX_BYTES: usize = 20 << 20;

/// Decodes a record of the waveform stream. `future_tolerance` is how far the block's end may lie
/// after its arrival.
#[must_use]
pub fn decode(record: &Record, future_tolerance: Span) -> Decoded {
    match decode_block(record, future_tolerance) {
        Ok(event) => Decoded {
            events: vec![event],
            rejections: Vec::new(),
            units: Units { total: 1, decoded: 1, ..Units::default() },
        },
        Err(rejection) => Decoded::rejected(rejection),
    }
}

fn decode_block(record: &Record, future_tolerance: Span) -> Result<Event, Rejection> {
    if record.payload.len() > MAX_BYTES {
        return Err(Rejection::new(Reason::TooLarge, Place::at(MAX_BYTES, "")));
    }
    let message = decode_arrow(record.payload).map_err(|e| rejection(&e))?;
    let WaveformMessage { patient, encounter, location, source, block } = message;
    let at = |path: &'static str| move |reason| Rejection::new(reason, Place::path(path));
    let patient = subject::patient(record, Some(patient.as_str())).map_err(at("bedwatch.patient"))?;
    subject::not_ahead(block.end(), record, future_tolerance).map_err(at("bedwatch.start_us"))?;
    Ok(Event {
        patient,
        encounter,
        location,
        source,
        event_time: block.start,
        arrival: record.arrival,
        provenance: record.provenance(0),
        body: Body::Waveform(Arc::new(block)),
    })
}

/// The reason and place of an error; its text is not used.
fn rejection(e: &ArrowError) -> Rejection {
    let channel = |i: &usize| Place::path(format!("channel[{i}]"));
    let (reason, place) = match e {
        ArrowError::Arrow(_) | ArrowError::Batches(_) => (Reason::Malformed, Place::default()),
        ArrowError::Missing(key) => (Reason::Missing, Place::path(*key)),
        ArrowError::Bad(key) => match *key {
            "bedwatch.patient" => (Reason::NoPatient, Place::path(*key)),
            "bedwatch.start_us" => (Reason::BadTime, Place::path(*key)),
            other => (Reason::BadValue, Place::path(other)),
        },
        ArrowError::ColumnType(i) => (Reason::BadValue, channel(i)),
        ArrowError::ChannelUnit(i) => (Reason::UnknownUnit, channel(i)),
        ArrowError::TooLarge(_) => (Reason::TooLarge, Place::default()),
        ArrowError::Empty => (Reason::Missing, Place::path("channel[0]")),
    };
    Rejection::new(reason, place)
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::{
        event::Stream,
        ids::{PatientId, SourceId},
        time::{ArrivalTime, EventTime},
        waveform::{Channel, SampleRate, WaveformBlock, WaveformKind, encode_arrow},
    };
    use proptest::prelude::*;

    use super::*;
    use crate::subject::FUTURE_TOLERANCE;

    fn message(start_micros: i64) -> WaveformMessage {
        WaveformMessage {
            patient: PatientId::new("p1").unwrap(),
            encounter: None,
            location: None,
            source: SourceId::new("eeg-1").unwrap(),
            block: WaveformBlock {
                kind: WaveformKind::Eeg,
                start: EventTime::from_micros(start_micros),
                rate: SampleRate::new(256.0).unwrap(),
                channels: vec![
                    Channel { label: "FP1".into(), samples: vec![1.0; 256] },
                    Channel { label: "O2".into(), samples: vec![-2.5; 256] },
                ],
            },
        }
    }

    fn run(key: Option<&str>, payload: &[u8]) -> Decoded {
        let arrival = ArrivalTime::from_micros(10_000_000);
        let record = Record { stream: Stream::Waveforms, partition: 0, offset: 0, arrival, key, payload };
        decode(&record, FUTURE_TOLERANCE)
    }

    #[test]
    fn a_block_becomes_one_event() {
        let m = message(5_000_000);
        let got = run(Some("p1"), &encode_arrow(&m, Some(0.5)).unwrap());
        assert_eq!((got.units.total, got.units.decoded), (1, 1));
        assert_eq!(got.events[0].body, Body::Waveform(Arc::new(m.block)));
        assert_eq!(got.events[0].event_time, EventTime::from_micros(5_000_000));
        assert_eq!(run(None, &encode_arrow(&message(0), None).unwrap()).events[0].patient, m.patient);
    }

    #[test]
    fn rejections_name_the_field() {
        let of = |key, m: &WaveformMessage| {
            let got = run(key, &encode_arrow(m, None).unwrap());
            assert_eq!((got.units.total, got.units.rejected, got.events.len()), (1, 1, 0));
            (got.rejections[0].reason, got.rejections[0].place.path.clone())
        };
        assert_eq!(of(Some("p2"), &message(0)), (Reason::KeyMismatch, "bedwatch.patient".into()));
        // The block ends one second after it starts.
        let limit = 10_000_000 + FUTURE_TOLERANCE.0 - 1_000_000;
        assert_eq!(of(Some("p1"), &message(limit + 1)), (Reason::FutureTime, "bedwatch.start_us".into()));
        assert!(run(Some("p1"), &encode_arrow(&message(limit), None).unwrap()).rejections.is_empty());
        let mut empty = message(0);
        empty.block.channels.iter_mut().for_each(|c| c.samples.clear());
        assert_eq!(of(Some("p1"), &empty), (Reason::Missing, "channel[0]".into()));
        assert_eq!(run(None, b"nonsense").rejections[0].reason, Reason::Malformed);
        assert_eq!(run(None, &vec![0; MAX_BYTES + 1]).rejections[0].reason, Reason::TooLarge);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        /// Law: damaged bytes are decoded or rejected, never a panic.
        #[test]
        fn damaged_blocks_never_panic(at in 0usize..1_000_000, byte in any::<u8>(), second in 0usize..1_000_000) {
            let mut bytes = encode_arrow(&message(0), Some(0.5)).unwrap();
            let n = bytes.len();
            bytes[at % n] = byte;
            bytes[second % n] ^= byte;
            let u = run(Some("p1"), &bytes).units;
            prop_assert_eq!(u.total, u.decoded + u.rejected);
        }
    }
}
