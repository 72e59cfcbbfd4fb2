//! What the JSON messages of vitals and CGM have in common: whose, from where, when.

use bedwatch_schemas::{
    dead_letter::{Place, Reason, Rejection},
    event::{Body, Event},
    ids::{EncounterId, Location, PatientId, SourceId},
    time::{EventTime, Span},
};
use serde_json::value::RawValue;

use crate::{
    Decoded, Record, Units,
    json::{self, Document},
    subject,
};

/// The common fields as they stand in the message.
pub(crate) struct RawHead<'a> {
    pub(crate) schema: Option<&'a RawValue>,
    pub(crate) patient: Option<&'a RawValue>,
    pub(crate) encounter: Option<&'a RawValue>,
    pub(crate) location: Option<&'a RawValue>,
    pub(crate) source: Option<&'a RawValue>,
    pub(crate) time: Option<&'a RawValue>,
    /// What the time is called in this message.
    pub(crate) time_name: &'static str,
}

/// The common fields, checked.
pub(crate) struct Head {
    patient: PatientId,
    encounter: Option<EncounterId>,
    location: Option<Location>,
    source: SourceId,
    time: EventTime,
}

impl Head {
    /// Checks the fields in the order of the schema; the first that fails rejects the message.
    pub(crate) fn check(
        raw: &RawHead,
        tag: &str,
        doc: &Document,
        record: &Record,
        tolerance: Span,
    ) -> Result<Self, Rejection> {
        let (at, schema) = required(doc, raw.schema, "schema")?;
        if json::text(schema).as_deref() != Some(tag) {
            return Err(Rejection::new(Reason::UnsupportedType, at));
        }
        let named = raw.patient.and_then(json::text);
        let patient = subject::patient(record, named.as_deref()).map_err(|reason| {
            let place = raw.patient.map_or_else(|| Place::path("patient"), |p| doc.place(p, "patient"));
            Rejection::new(reason, place)
        })?;
        let (at, time) = required(doc, raw.time, raw.time_name)?;
        let time = json::text(time)
            .and_then(|text| EventTime::parse_rfc3339(&text).ok())
            .ok_or_else(|| Rejection::new(Reason::BadTime, at.clone()))?;
        subject::not_ahead(time, record, tolerance).map_err(|reason| Rejection::new(reason, at))?;
        let (at, source) = required(doc, raw.source, "source")?;
        Ok(Self {
            patient,
            encounter: optional(doc, raw.encounter, "encounter", |raw| {
                EncounterId::new(&json::text(raw)?).ok()
            })?,
            location: optional(doc, raw.location, "location", |raw| serde_json::from_str(raw.get()).ok())?,
            source: json::text(source)
                .and_then(|text| SourceId::new(&text).ok())
                .ok_or_else(|| Rejection::new(Reason::BadValue, at))?,
            time,
        })
    }

    /// When it was true.
    pub(crate) const fn time(&self) -> EventTime {
        self.time
    }

    /// An event of this message.
    pub(crate) fn event(&self, record: &Record, part: usize, body: Body) -> Event {
        Event {
            patient: self.patient.clone(),
            encounter: self.encounter.clone(),
            location: self.location.clone(),
            source: self.source.clone(),
            event_time: self.time,
            arrival: record.arrival,
            provenance: record.provenance(u32::try_from(part).unwrap_or(u32::MAX)),
            body,
        }
    }
}

fn required<'a>(
    doc: &Document,
    raw: Option<&'a RawValue>,
    path: &str,
) -> Result<(Place, &'a RawValue), Rejection> {
    let raw = raw.ok_or_else(|| Rejection::new(Reason::Missing, Place::path(path)))?;
    Ok((doc.place(raw, path), raw))
}

fn optional<T>(
    doc: &Document,
    raw: Option<&RawValue>,
    path: &str,
    read: impl Fn(&RawValue) -> Option<T>,
) -> Result<Option<T>, Rejection> {
    match raw {
        None => Ok(None),
        Some(raw) => match read(raw) {
            Some(value) => Ok(Some(value)),
            None => Err(Rejection::new(Reason::BadValue, doc.place(raw, path))),
        },
    }
}

impl Decoded {
    /// A message rejected whole: one unit, one rejection.
    #[must_use]
    pub fn rejected(rejection: Rejection) -> Self {
        Self {
            events: Vec::new(),
            rejections: vec![rejection],
            units: Units { total: 1, rejected: 1, ..Units::default() },
        }
    }
}
