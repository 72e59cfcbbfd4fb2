//! What decoding a message carries along: whose it is, and what came of it so far.

use bedwatch_schemas::{
    dead_letter::{Place, Reason, Rejection},
    event::{Body, Event},
    ids::{EncounterId, Location, PatientId, SourceId},
    time::{EventTime, Span},
};
use serde_json::value::RawValue;

use super::{
    element::{Element, Field, shape},
    when,
};
use crate::{Decoded, Record, json, subject};

shape! {
    /// Reference, R4 2.3.
    Reference { reference, display }
}
shape! {
    /// Meta, R4 2.26.
    Meta { source, last_updated }
}

/// The state of decoding one message.
pub(super) struct Context<'a> {
    pub(super) record: Record<'a>,
    pub(super) decoded: Decoded,
    tolerance: Span,
    key: Option<PatientId>,
    /// The first subject met in a keyed record; another one is not the key's patient.
    first: Option<String>,
    /// Full URLs of a Bundle's patients and their ids.
    aliases: Vec<(String, String)>,
}

/// Whose an event is and from where.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) patient: PatientId,
    pub(super) encounter: Option<EncounterId>,
    pub(super) location: Option<Location>,
    pub(super) source: SourceId,
}

impl<'a> Context<'a> {
    pub(super) fn new(record: Record<'a>, tolerance: Span) -> Result<Self, Rejection> {
        let key = subject::keyed(&record).map_err(|reason| Rejection::new(reason, Place::path("key")))?;
        Ok(Self { record, decoded: Decoded::default(), tolerance, key, first: None, aliases: Vec::new() })
    }

    /// Takes note of a Bundle's patient.
    pub(super) fn alias(&mut self, full_url: &RawValue, id: &RawValue) {
        if let (Some(url), Some(id)) = (json::text(full_url), json::text(id)) {
            self.aliases.push((url.into_owned(), id.into_owned()));
        }
    }

    /// The patient a resource is about, from its subject (`Reference(Patient)`).
    pub(super) fn patient(
        &mut self,
        element: &Element<'a, '_>,
        field: Field<'a>,
        name: &'static str,
    ) -> Result<PatientId, Rejection> {
        let Some(subject) = element.optional(field, name) else {
            return self.key.clone().ok_or_else(|| {
                let missing = element.missing(name);
                Rejection::new(Reason::NoPatient, missing.place)
            });
        };
        let reference: Reference = subject.read()?;
        let text = match subject.optional(reference.reference, "reference") {
            Some(reference) => Some(reference.text()?),
            None => None,
        };
        match text {
            Some(text) => {
                let alias = self.aliases.iter().find(|(url, _)| *url == *text).map(|(_, id)| id.as_str());
                let id = alias.or_else(|| id_of(&text, "Patient"));
                let id = id.ok_or_else(|| subject.reject(Reason::NoPatient))?.to_owned();
                self.patient_by_id(&id).map_err(|reason| subject.reject(reason))
            }
            // A logical reference: a hospital number, which is no pseudonym.
            None => self.key.clone().ok_or_else(|| subject.reject(Reason::NoPatient)),
        }
    }

    /// The patient named by a resource id.
    pub(super) fn patient_by_id(&mut self, id: &str) -> Result<PatientId, Reason> {
        let Some(key) = &self.key else {
            return PatientId::new(id).map_err(|_| Reason::NoPatient);
        };
        match &self.first {
            Some(first) if first != id => Err(Reason::KeyMismatch),
            Some(_) => Ok(key.clone()),
            None => {
                self.first = Some(id.to_owned());
                Ok(key.clone())
            }
        }
    }

    /// The encounter a resource belongs to; one that cannot be told is left out.
    pub(super) fn encounter(&self, element: &Element<'a, '_>, field: Field<'a>) -> Option<EncounterId> {
        let reference: Reference = element.optional(field, "encounter")?.read().ok()?;
        let text = json::text(reference.reference?)?;
        EncounterId::new(id_of(&text, "Encounter")?).ok()
    }

    /// Refuses a time too far ahead of the record's arrival.
    pub(super) fn not_ahead(&self, time: EventTime, element: &Element<'a, '_>) -> Result<(), Rejection> {
        subject::not_ahead(time, &self.record, self.tolerance).map_err(|r| element.reject(r))
    }

    /// Adds an event, if its time can be true.
    pub(super) fn push(
        &mut self,
        origin: &Origin,
        time: EventTime,
        body: Body,
        element: &Element<'a, '_>,
    ) -> Result<(), Rejection> {
        self.not_ahead(time, element)?;
        let part = u32::try_from(self.decoded.events.len()).unwrap_or(u32::MAX);
        self.decoded.events.push(Event {
            patient: origin.patient.clone(),
            encounter: origin.encounter.clone(),
            location: origin.location.clone(),
            source: origin.source.clone(),
            event_time: time,
            arrival: self.record.arrival,
            provenance: self.record.provenance(part),
            body,
        });
        Ok(())
    }

    /// Notes a rejection of a part and goes on.
    pub(super) fn note(&mut self, rejection: Rejection) {
        self.decoded.rejections.push(rejection);
    }
}

/// The source and time that `Resource.meta` tells: the last word of the path of `meta.source`
/// (hosts and request ids are left out, the one for privacy, the other because each message has its
/// own), else `fhir`.
pub(super) fn meta(field: Field<'_>) -> (SourceId, Option<EventTime>) {
    let meta: Option<Meta> =
        field.filter(|raw| raw.get().starts_with('{')).and_then(|raw| serde_json::from_str(raw.get()).ok());
    let source = meta.as_ref().and_then(|m| source_name(&json::text(m.source?)?));
    let updated = meta.and_then(|m| when::parse(&json::text(m.last_updated?)?));
    (source.unwrap_or_else(|| SourceId::new("fhir").expect("a fixed word")), updated)
}

fn source_name(uri: &str) -> Option<SourceId> {
    let uri = uri.split(['#', '?']).next().unwrap_or_default();
    let path = match uri.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => uri,
    };
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    let fits = (1..=32).contains(&name.len()) && name.bytes().all(plain);
    if fits { SourceId::new(name).ok() } else { None }
}

/// The id a reference names, where it names a resource of this type: `Patient/1`, a URL that ends so
/// (with or without a version), `urn:uuid:…`, `#contained`.
pub(super) fn id_of<'t>(reference: &'t str, kind: &str) -> Option<&'t str> {
    if let Some(id) = reference.strip_prefix('#') {
        return (!id.is_empty()).then_some(id);
    }
    if let Some(id) = reference.strip_prefix("urn:uuid:").or_else(|| reference.strip_prefix("urn:oid:")) {
        return (!id.is_empty()).then_some(id);
    }
    let unversioned = reference.split("/_history/").next().unwrap_or(reference);
    let (before, id) = unversioned.rsplit_once('/')?;
    let named = before.rsplit('/').next() == Some(kind);
    (named && !id.is_empty() && !id.contains('?')).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let cases = [
            ("Patient/a-1", Some("a-1")),
            ("https://h.example/fhir/Patient/7/_history/3", Some("7")),
            ("urn:uuid:0b", Some("0b")),
            ("#p", Some("p")),
            ("Group/1", None),
            ("Patient/", None),
            ("Patient?identifier=4711", None),
            ("http://h/Patient/?x", None),
            ("#", None),
            ("", None),
        ];
        for (text, id) in cases {
            assert_eq!(id_of(text, "Patient"), id, "{text}");
        }
    }

    #[test]
    fn sources_without_hosts_and_request_ids() {
        let cases = [
            ("http://lab.example/feeds/lis", Some("lis")),
            ("http://lab.example/feeds/lis/#Zk3", Some("lis")),
            ("http://lab.example", None),
            ("urn:oid:1.2.3", Some("urn:oid:1.2.3")),
            ("http://h/a b", None),
            ("#x", None),
        ];
        for (uri, name) in cases {
            assert_eq!(source_name(uri).as_ref().map(SourceId::as_str), name, "{uri}");
        }
    }
}
