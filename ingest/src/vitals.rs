//! Monitor numerics as JSON ([`bedwatch_schemas::wire::VitalsMessage`]).
//!
//! The unit is one value: a value with an unknown code or unit is rejected with its place and the
//! others stand. A message whose head cannot be used (schema, patient, time, source) is rejected
//! whole and counts as one unit.

use bedwatch_schemas::{
    dead_letter::{Place, Reason, Rejection},
    event::{Body, NoReading, ResultStatus},
    time::Span,
    wire,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Decoded, Record, coded,
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
    #[serde(borrow)]
    values: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Value<'a> {
    #[serde(borrow, default)]
    signal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    unit: Option<&'a RawValue>,
}

/// Decodes a record of the vitals stream. `future_tolerance` is how far the message's time may lie
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
    let head = Head::check(&raw, wire::VITALS, &doc, record, future_tolerance)?;
    let mut decoded = Decoded::default();
    decoded.events.reserve(message.values.len());
    for (i, raw) in message.values.iter().enumerate() {
        decoded.units.total += 1;
        match read(&doc, raw, i) {
            Ok(body) => {
                decoded.units.decoded += 1;
                decoded.events.push(head.event(record, i, body));
            }
            Err(rejection) => {
                decoded.units.rejected += 1;
                decoded.rejections.push(rejection);
            }
        }
    }
    Ok(decoded)
}

/// Reads the `i`-th value.
fn read(doc: &Document, raw: &RawValue, i: usize) -> Result<Body, Rejection> {
    let whole = || doc.place(raw, format!("values[{i}]"));
    let value: Value = serde_json::from_str(raw.get()).map_err(|e| {
        let _ = e; // its text may quote the message
        Rejection::new(Reason::BadValue, whole())
    })?;
    let missing = |name: &str| {
        let place = Place::at(doc.byte_of(raw), format!("values[{i}].{name}"));
        Rejection::new(Reason::Missing, place)
    };
    let bad = |raw: &RawValue, name: &str, reason| {
        Rejection::new(reason, doc.place(raw, format!("values[{i}].{name}")))
    };
    let code = value.signal.ok_or_else(|| missing("signal"))?;
    let signal = json::text(code)
        .and_then(|text| coded::signal(&text))
        .ok_or_else(|| bad(code, "signal", Reason::UnknownCode))?;
    let Some(number) = value.value else {
        return Ok(Body::NoReading { signal, reason: NoReading::Empty });
    };
    let x = json::number(number).ok_or_else(|| bad(number, "value", Reason::BadValue))?;
    let unit = value.unit.ok_or_else(|| missing("unit"))?;
    let parsed = json::text(unit).and_then(|text| coded::unit(&text));
    coded::reading(signal, x, parsed, ResultStatus::Final).map_err(|reason| match reason {
        Reason::UnknownUnit => bad(unit, "unit", reason),
        other => bad(number, "value", other),
    })
}

#[cfg(test)]
mod tests;
