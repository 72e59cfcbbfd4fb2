//! FHIR R4 JSON (hl7.org/fhir/R4): resources and Bundles to events.
//!
//! The unit is the resource: each entry of a Bundle, however deep, each resource contained in a
//! DiagnosticReport, or the one resource of the message. A resource of which any part is rejected
//! counts as rejected, and the events of its good parts stand. Resources that say nothing to the
//! engine (an appointment, an eye colour, an outpatient visit, a laboratory value no rule uses) are
//! skipped. A number under no LOINC or MDC code at all is rejected and not skipped: it may be a vital
//! sign that the sender has not mapped.
//!
//! Only the few elements the engine uses are read; everything else is ignored. Values stay raw
//! slices of the message until they are needed, so each rejection names its FHIR path and its byte.
//! A property that stands twice in one object is rejected. The record's key names the patient where
//! there is one; without one (files) the id of the subject's reference does.

pub mod answers;
mod coding;
mod context;
mod element;
mod encounter;
mod medication;
pub mod notification;
mod observation;
mod patient;
pub mod patients;
mod sampled;
mod when;

use bedwatch_schemas::{
    dead_letter::{Reason, Rejection},
    time::Span,
};
use serde_json::value::RawValue;

use crate::{Decoded, Record, json::Document};
use context::Context;
use element::{Element, Path, shape};

/// Most entries of one Bundle; a larger one is refused whole.
pub const MAX_ENTRIES: usize = 20_000;
/// Deepest nesting of Bundles.
pub const MAX_NESTING: usize = 8;

shape! {
    /// What every resource has.
    Resource { resource_type, id, contained }
}
shape! {
    /// Bundle, R4 2.36.
    Bundle { entry }
}
shape! {
    /// Bundle.entry.
    Entry { full_url, resource }
}

/// How a resource ended.
enum Outcome {
    Decoded,
    Skipped,
}

/// Decodes a record of the FHIR stream. `future_tolerance` is how far an event may lie after its
/// arrival.
#[must_use]
pub fn decode(record: &Record, future_tolerance: Span) -> Decoded {
    let parsed = Document::new(record.payload).and_then(|doc| Ok((doc, doc.parse::<&RawValue>()?)));
    let context = parsed.and_then(|(doc, raw)| Ok((Context::new(*record, future_tolerance)?, doc, raw)));
    match context {
        Ok((mut context, doc, raw)) => {
            resource(&mut context, Element { doc, raw, path: Path::root("Resource") }, 0);
            context.decoded
        }
        Err(rejection) => Decoded::rejected(rejection),
    }
}

/// Decodes a resource and accounts for it.
fn resource<'a>(context: &mut Context<'a>, element: Element<'a, '_>, depth: usize) {
    let before = context.decoded.rejections.len();
    let outcome = dispatch(context, element, depth);
    let units = &mut context.decoded.units;
    match outcome {
        Ok(None) => return, // its parts have been counted
        Ok(Some(_)) if context.decoded.rejections.len() > before => units.rejected += 1,
        Ok(Some(Outcome::Decoded)) => units.decoded += 1,
        Ok(Some(Outcome::Skipped)) => units.skipped += 1,
        Err(rejection) => {
            context.decoded.rejections.push(rejection);
            units.rejected += 1;
        }
    }
    units.total += 1;
}

fn dispatch<'a>(
    context: &mut Context<'a>,
    element: Element<'a, '_>,
    depth: usize,
) -> Result<Option<Outcome>, Rejection> {
    let head: Resource = element.read()?;
    let kind = element.require(head.resource_type, "resourceType")?;
    let kind = kind.text()?;
    let named = |name| Element { path: element.path.renamed(name), ..element };
    match &*kind {
        "Bundle" => bundle(context, named("Bundle"), depth),
        "Observation" => observation::decode(context, named("Observation")).map(Some),
        "Patient" => patient::decode(context, named("Patient"), head.id).map(Some),
        "Encounter" => encounter::decode(context, named("Encounter"), head.id).map(Some),
        "MedicationAdministration" => {
            medication::decode(context, named("MedicationAdministration"), head.contained).map(Some)
        }
        "DiagnosticReport" => {
            let report = named("DiagnosticReport");
            for item in report.list(head.contained, "contained")? {
                resource(context, item.as_element(&report), depth);
            }
            Ok(Some(Outcome::Skipped))
        }
        _ => Ok(Some(Outcome::Skipped)),
    }
}

fn bundle<'a>(
    context: &mut Context<'a>,
    element: Element<'a, '_>,
    depth: usize,
) -> Result<Option<Outcome>, Rejection> {
    if depth >= MAX_NESTING {
        return Err(element.reject(Reason::TooLarge));
    }
    let bundle: Bundle = element.read()?;
    let items = element.list(bundle.entry, "entry")?;
    if items.is_empty() {
        return Ok(Some(Outcome::Skipped));
    }
    if items.len() > MAX_ENTRIES {
        return Err(element.reject(Reason::TooLarge));
    }
    // A reference may name a patient of this Bundle by its full URL.
    for item in &items {
        let element = item.as_element(&element);
        if let Ok(Entry { full_url: Some(url), resource: Some(raw) }) = element.read()
            && let Ok(Resource { resource_type: Some(kind), id: Some(id), .. }) =
                element.child(raw, "resource").read()
            && kind.get() == "\"Patient\""
        {
            context.alias(url, id);
        }
    }
    for item in items {
        let element = item.as_element(&element);
        match element.read::<Entry>() {
            Ok(Entry { resource: Some(raw), .. }) => {
                resource(context, element.child(raw, "resource"), depth + 1);
            }
            // A transaction's response or a deletion: no resource, nothing said.
            Ok(Entry { resource: None, .. }) => {
                context.decoded.units.total += 1;
                context.decoded.units.skipped += 1;
            }
            Err(rejection) => {
                context.decoded.rejections.push(rejection);
                context.decoded.units.total += 1;
                context.decoded.units.rejected += 1;
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
