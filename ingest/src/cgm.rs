//! Readings of continuous glucose sensors as JSON ([`bedwatch_schemas::wire::CgmMessage`]).
//!
//! The unit is the record: one reading, decoded or rejected.

use bedwatch_schemas::{
    dead_letter::{Place, Reason, Rejection},
    event::{Body, NoReading, ResultStatus},
    signal::Signal,
    time::Span,
    wire,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Decoded, Record, Units, coded,
    head::{Head, RawHead},
    json::{self, Document},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    #[serde(borrow, default)]
    schema: Option<&'a RawValue>,
    #[serde(borrow, default)]
    patient: Option<&'a RawValue>,
    #[serde(borrow, default)]
    encounter: Option<&'a RawValue>,
    #[serde(borrow, default)]
    location: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(borrow, default)]
    time: Option<&'a RawValue>,
    #[serde(borrow, default)]
    glucose: Option<&'a RawValue>,
    #[serde(borrow, default)]
    unit: Option<&'a RawValue>,
}

/// Decodes a record of the CGM stream. `future_tolerance` is how far the message's time may lie
/// after its arrival.
#[must_use]
pub fn decode(record: &Record, future_tolerance: Span) -> Decoded {
    decode_message(record, future_tolerance).unwrap_or_else(Decoded::rejected)
}

fn decode_message(record: &Record, future_tolerance: Span) -> Result<Decoded, Rejection> {
    let doc = Document::new(record.payload)?;
    let message: Message = doc.parse()?;
    let raw = RawHead {
        schema: message.schema,
        patient: message.patient,
        encounter: message.encounter,
        location: message.location,
        source: message.source,
        time: message.time,
        time_name: "time",
    };
    let head = Head::check(&raw, wire::CGM, &doc, record, future_tolerance)?;
    let body = read(&doc, &message)?;
    Ok(Decoded {
        events: vec![head.event(record, 0, body)],
        rejections: Vec::new(),
        units: Units { total: 1, decoded: 1, ..Units::default() },
    })
}

fn read(doc: &Document, message: &Message) -> Result<Body, Rejection> {
    let signal = Signal::CgmGlucose;
    let Some(glucose) = message.glucose else {
        return Ok(Body::NoReading { signal, reason: NoReading::Empty });
    };
    let value = json::number(glucose)
        .ok_or_else(|| Rejection::new(Reason::BadValue, doc.place(glucose, "glucose")))?;
    let unit = message.unit.ok_or_else(|| Rejection::new(Reason::Missing, Place::path("unit")))?;
    let parsed = json::text(unit).and_then(|text| coded::unit(&text));
    coded::reading(signal, value, parsed, ResultStatus::Final).map_err(|reason| {
        let place = match reason {
            Reason::UnknownUnit => doc.place(unit, "unit"),
            _ => doc.place(glucose, "glucose"),
        };
        Rejection::new(reason, place)
    })
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::{
        event::{Numeric, Stream},
        ids::{PatientId, SourceId},
        time::{ArrivalTime, EventTime},
        wire::{CGM, CgmMessage},
    };

    use super::*;
    use crate::subject::FUTURE_TOLERANCE;

    fn run(text: &str) -> Decoded {
        let record = Record {
            stream: Stream::Cgm,
            partition: 0,
            offset: 0,
            arrival: ArrivalTime::parse_rfc3339("2026-03-01T12:00:00Z").unwrap(),
            key: Some("p1"),
            payload: text.as_bytes(),
        };
        decode(&record, FUTURE_TOLERANCE)
    }

    fn message(glucose: &str, unit: &str) -> String {
        format!(
            r#"{{"schema":"cgm/1","patient":"p1","source":"g7","time":"2026-03-01T11:55:00Z","glucose":{glucose},"unit":{unit}}}"#
        )
    }

    #[test]
    fn readings() {
        let number = |x| Ok(Body::Numeric(Numeric::new(Signal::CgmGlucose, x)));
        let none = |reason| Ok(Body::NoReading { signal: Signal::CgmGlucose, reason });
        let cases = [
            ("54", "\"mg/dL\"", number(54.0)),
            ("3.0", "\"mmol/L\"", number(3.0 * 180.156 / 10.0)),
            ("900", "\"mg/dL\"", number(900.0)),
            ("null", "\"mg/dL\"", none(NoReading::Empty)),
            ("-1", "\"mg/dL\"", none(NoReading::Sentinel)),
            ("54", "\"%\"", Err((Reason::UnknownUnit, "unit"))),
            ("54", "null", Err((Reason::Missing, "unit"))),
            ("54", "3", Err((Reason::UnknownUnit, "unit"))),
            ("true", "\"mg/dL\"", Err((Reason::BadValue, "glucose"))),
        ];
        for (glucose, unit, want) in cases {
            let got = run(&message(glucose, unit));
            let said = match got.rejections.first() {
                None => Ok(got.events[0].body.clone()),
                Some(r) => Err((r.reason, r.place.path.as_str())),
            };
            assert_eq!(said, want, "{glucose} {unit}");
            assert_eq!((got.units.total, got.units.decoded + got.units.rejected), (1, 1));
        }
    }

    #[test]
    fn what_the_wire_type_writes_is_read_back() {
        let time = EventTime::parse_rfc3339("2026-03-01T11:55:00.25Z").unwrap();
        let written = CgmMessage {
            schema: CGM.into(),
            patient: PatientId::new("p1").unwrap(),
            encounter: None,
            location: None,
            source: SourceId::new("g7").unwrap(),
            time,
            glucose: Some(61.5),
            unit: "mg/dL".into(),
        };
        let got = run(&serde_json::to_string(&written).unwrap());
        assert_eq!(got.events[0].body, Body::Numeric(Numeric::new(Signal::CgmGlucose, 61.5)));
        assert_eq!((got.events[0].event_time, &got.events[0].source), (time, &written.source));
    }
}
