//! Encounter (R4 8.11) as admission, transfer, discharge or update.
//!
//! A resource is a state and not a happening, so what happened is read off it: a finished encounter
//! is a discharge at its end; a running one is an admission at its start, or a transfer where the
//! place that is active now began later than the stay. A repeat of the same state gives the same
//! event again. Planned, cancelled and outpatient encounters are no stays and are skipped.

use bedwatch_schemas::{
    dead_letter::{Reason, Rejection},
    event::{Adt, AdtKind, Body, Demographics, UnitKind},
    ids::{BedId, EncounterId, Location, UnitId},
    time::EventTime,
};

use super::{
    Outcome,
    coding::{self, Coding},
    context::{Context, Origin, Reference, id_of, meta},
    element::{Element, Field, shape},
    when,
};
use crate::coded;

shape! {
    /// What of an Encounter is read.
    Encounter { status, class, class_history, service_type, subject, period, location, meta }
}
shape! {
    /// Encounter.classHistory.
    Earlier { period }
}
shape! {
    /// Encounter.location.
    Place { location, status, physical_type, period }
}

pub(super) fn decode<'a>(
    context: &mut Context<'a>,
    element: Element<'a, '_>,
    id: Field<'a>,
) -> Result<Outcome, Rejection> {
    let encounter: Encounter = element.read()?;
    let status = element.require(encounter.status, "status")?;
    let running = match &*status.text()? {
        "arrived" | "triaged" | "in-progress" => Some(true),
        "finished" => Some(false),
        "onleave" | "unknown" => None,
        "planned" | "cancelled" | "entered-in-error" => return Ok(Outcome::Skipped),
        _ => return Err(status.reject(Reason::BadValue)),
    };
    if outpatient(&element, encounter.class)? {
        return Ok(Outcome::Skipped);
    }
    let (start, end) = match element.optional(encounter.period, "period") {
        Some(period) => when::period(&period)?,
        None => (None, None),
    };
    let (source, updated) = meta(encounter.meta);
    let now = updated.unwrap_or(context.record.arrival.as_event_time());
    let (location, since) = place(&element, encounter.location)?;
    let (kind, time) = match running {
        Some(false) => (AdtKind::Discharge, end.unwrap_or(now)),
        Some(true) => match (start, since) {
            (Some(start), Some(since)) if since > start => (AdtKind::Transfer, since),
            (Some(start), _) => (AdtKind::Admit, start),
            (None, since) => (AdtKind::Admit, since.unwrap_or(now)),
        },
        None => (AdtKind::Update, now),
    };
    let id = element.optional(id, "id").map(|e| e.text()).transpose()?;
    let origin = Origin {
        patient: context.patient(&element, encounter.subject, "subject")?,
        encounter: id.and_then(|id| EncounterId::new(&id).ok()),
        location,
        source,
    };
    let adt = Adt {
        kind,
        demographics: Demographics::default(),
        admitted_at: start,
        unit: service(&element, encounter.service_type)?,
        hospital_admitted_at: came(&element, encounter.class_history)?,
    };
    context.push(&origin, time, Body::Adt(adt), &element)?;
    Ok(Outcome::Decoded)
}

/// Whether the class (HL7 v3 ActCode) is ambulatory, at home or virtual.
fn outpatient(element: &Element<'_, '_>, class: Field<'_>) -> Result<bool, Rejection> {
    let Some(class) = element.optional(class, "class") else { return Ok(false) };
    let coding: Coding = class.read()?;
    let code = class.optional(coding.code, "code").map(|e| e.text().map(|c| c.into_owned())).transpose()?;
    Ok(matches!(code.as_deref(), Some("AMB" | "HH" | "VR")))
}

/// The kind of unit that the service type names, in HL7 table 0069 or SNOMED CT; another code says
/// nothing of it.
fn service(element: &Element<'_, '_>, field: Field<'_>) -> Result<Option<UnitKind>, Rejection> {
    let Some(service) = element.optional(field, "serviceType") else { return Ok(None) };
    Ok(coding::codes(&service)?.iter().find_map(|code| match &*code.system {
        "http://terminology.hl7.org/CodeSystem/v2-0069" => coded::hospital_service(&code.code),
        "http://snomed.info/sct" => coded::specialty(&code.code),
        _ => None,
    }))
}

/// When the patient came to the hospital: the earliest beginning in the history of classes, since an
/// encounter in the unit may itself begin later.
fn came(element: &Element<'_, '_>, field: Field<'_>) -> Result<Option<EventTime>, Rejection> {
    let mut first: Option<EventTime> = None;
    for item in element.list(field, "classHistory")? {
        let earlier_element = item.as_element(element);
        let earlier: Earlier = earlier_element.read()?;
        let Some(period) = earlier_element.optional(earlier.period, "period") else { continue };
        if let Some(start) = when::period(&period)?.0 {
            first = Some(first.map_or(start, |f| f.min(start)));
        }
    }
    Ok(first)
}

/// The ward and bed that are active now, and since when. A location is only known where both are
/// told apart by their physical type (`wa` or `area` and `bd`).
fn place(
    element: &Element<'_, '_>,
    field: Field<'_>,
) -> Result<(Option<Location>, Option<EventTime>), Rejection> {
    let (mut unit, mut bed, mut since) = (None, None, None);
    for item in element.list(field, "location")? {
        let place_element = item.as_element(element);
        let place: Place = place_element.read()?;
        let status = place_element.optional(place.status, "status").map(|e| e.text()).transpose()?;
        if !matches!(status.as_deref(), None | Some("active")) {
            continue;
        }
        if let Some(period) = place_element.optional(place.period, "period") {
            since = since.max(when::period(&period)?.0);
        }
        let Some(reference_element) = place_element.optional(place.location, "location") else { continue };
        let reference: Reference = reference_element.read()?;
        let text =
            reference_element.optional(reference.reference, "reference").map(|e| e.text()).transpose()?;
        let Some(id) = text.as_deref().and_then(|text| id_of(text, "Location")) else { continue };
        let types = place_element.optional(place.physical_type, "physicalType").map(|e| coding::codes(&e));
        for code in types.transpose()?.unwrap_or_default() {
            match &*code.code {
                "bd" => bed = BedId::new(id).ok(),
                "wa" | "area" => unit = UnitId::new(id).ok(),
                _ => {}
            }
        }
    }
    Ok((unit.zip(bed).map(|(unit, bed)| Location { unit, bed }), since))
}
