//! One message to the records it becomes in Kafka: one a patient.
//!
//! A record's key names its patient, and where a record has a key the decoder takes an Observation
//! without a subject for that patient's. So before anything is keyed every resource must say itself
//! whose it is; one that cannot be told is rejected here and reaches no record.
//!
//! A patient is named by the id of the reference, or by the identifier of one `system` where a site
//! says which (the number that HL7 v2 sends in PID-3). A reference that only means something within
//! its message (`#p`, a `urn:uuid:` to a Patient without id) names nobody: it would be another
//! patient each time.

use std::borrow::Cow;

use bedwatch_schemas::{
    dead_letter::{Place, Reason, Rejection},
    ids::PatientId,
};
use serde_json::value::RawValue;

use super::{
    MAX_ENTRIES, MAX_NESTING,
    context::id_of,
    element::{Element, Field, Path, shape},
};
use crate::{json, json::Document, pseudonym::Pseudonyms};

shape! {
    /// What tells whose a resource is, and what a Bundle holds.
    Owned { resource_type, id, subject, patient, identifier, contained, entry, r#type }
}
shape! {
    /// Bundle.entry.
    Entry { full_url, resource }
}
shape! {
    /// Reference with its logical part, R4 2.3.
    Reference { reference, identifier }
}
shape! {
    /// Identifier, R4 2.24.
    Identifier { system, value }
}

/// How patients are named.
#[derive(Debug, Clone, Default)]
pub struct Naming {
    /// The `system` of the identifier that names them; `None`: the id of the reference.
    pub system: Option<String>,
    /// Where the names are replaced by pseudonyms.
    pub pseudonyms: Option<Pseudonyms>,
}

/// A record to be.
pub struct Part<'a> {
    /// Whose it is: the key. `None` where no resource is about a patient.
    pub patient: Option<PatientId>,
    /// Its bytes.
    pub payload: Cow<'a, [u8]>,
    /// The entries of the message's Bundle that it holds; empty where it is the message itself.
    pub entries: Vec<usize>,
}

/// A message cut up.
pub struct Message<'a> {
    /// Its resource type.
    pub resource_type: String,
    /// Bundle.type; empty for another resource.
    pub bundle_type: String,
    /// Its parts, one a patient.
    pub parts: Vec<Part<'a>>,
    /// Resources that are in no part.
    pub rejections: Vec<Rejection>,
    /// Entries of the Bundle.
    pub entries: usize,
}

/// Cuts a message into one part a patient.
///
/// # Errors
/// When it is no JSON object with a `resourceType`, or a Bundle that is too large: nothing of it can
/// be forwarded.
pub fn parts<'a>(payload: &'a [u8], naming: &Naming) -> Result<Message<'a>, Rejection> {
    let doc = Document::new(payload)?;
    let raw: &RawValue = doc.parse()?;
    let root = Element { doc, raw, path: Path::root("Resource") };
    let owned: Owned = root.read()?;
    let kind = root.require(owned.resource_type, "resourceType")?.text()?.into_owned();
    if kind == "Bundle" {
        let root = Element { path: Path::root("Bundle"), ..root };
        return bundle(payload, &root, &owned, naming);
    }
    let mut message = Message {
        resource_type: kind,
        bundle_type: String::new(),
        parts: Vec::new(),
        rejections: Vec::new(),
        entries: 0,
    };
    let namer = Namer { naming, patients: Vec::new() };
    match namer.whose(&root, 0) {
        Ok(patient) => {
            let patient = patient.map(|id| naming.key(&id));
            message.parts.push(Part { patient, payload: Cow::Borrowed(payload), entries: Vec::new() });
        }
        Err(rejection) => message.rejections.push(rejection),
    }
    Ok(message)
}

fn bundle<'a>(
    payload: &'a [u8],
    root: &Element<'a, '_>,
    owned: &Owned<'a>,
    naming: &Naming,
) -> Result<Message<'a>, Rejection> {
    let items = root.list(owned.entry, "entry")?;
    if items.len() > MAX_ENTRIES {
        return Err(root.reject(Reason::TooLarge));
    }
    let bundle_type = owned.r#type.and_then(json::text).unwrap_or_default().into_owned();
    let namer = Namer { naming, patients: patients(root, owned.entry) };
    let (mut rejections, mut named, mut nobodys) =
        (Vec::new(), Vec::<(PatientId, Vec<usize>)>::new(), Vec::new());
    let mut raws = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let element = item.as_element(root);
        raws.push(element.raw.get());
        let whose = element.read::<Entry>().and_then(|entry| match entry.resource {
            Some(raw) => namer.whose(&element.child(raw, "resource"), 1),
            None => Ok(None),
        });
        match whose {
            Ok(None) => nobodys.push(index),
            Ok(Some(id)) => match named.iter_mut().find(|(other, _)| *other == id) {
                Some((_, entries)) => entries.push(index),
                None => named.push((id, vec![index])),
            },
            Err(rejection) => rejections.push(rejection),
        }
    }
    let whole = named.len() < 2 && rejections.is_empty();
    let mut parts = Vec::with_capacity(named.len().max(1));
    if whole {
        let patient = named.pop().map(|(id, _)| naming.key(&id));
        parts.push(Part { patient, payload: Cow::Borrowed(payload), entries: Vec::new() });
    }
    for (n, (id, mut entries)) in named.into_iter().enumerate() {
        // What is nobody's goes with the first, so that nothing is left out.
        if n == 0 {
            entries.append(&mut nobodys);
            entries.sort_unstable();
        }
        let body: Vec<&str> = entries.iter().map(|i| raws[*i]).collect();
        let text = format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{}]}}"#, body.join(","));
        parts.push(Part { patient: Some(naming.key(&id)), payload: Cow::Owned(text.into_bytes()), entries });
    }
    let entries = items.len();
    Ok(Message { resource_type: "Bundle".to_owned(), bundle_type, parts, rejections, entries })
}

impl Naming {
    fn key(&self, name: &PatientId) -> PatientId {
        self.pseudonyms.as_ref().map_or_else(|| name.clone(), |p| p.of(name))
    }
}

impl Message<'_> {
    /// The place, in the message, of a rejection in a part of it.
    #[must_use]
    pub fn place(&self, part: &Part<'_>, place: &Place) -> Place {
        let moved = || {
            let rest = place.path.strip_prefix("Bundle.entry[")?;
            let (index, rest) = rest.split_once(']')?;
            let original = part.entries.get(index.parse::<usize>().ok()?)?;
            Some(Place::path(format!("Bundle.entry[{original}]{rest}")))
        };
        if part.entries.is_empty() { place.clone() } else { moved().unwrap_or_else(|| place.clone()) }
    }
}

/// The patient that a reference by itself names.
pub(super) fn referred(subject: &Element<'_, '_>, naming: &Naming) -> Result<PatientId, Rejection> {
    let namer = Namer { naming, patients: Vec::new() };
    Ok(naming.key(&namer.referred(subject)?))
}

/// A Patient of the message: how it is referred to, and how it is named.
struct Known<'a> {
    full_url: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    identifier: Field<'a>,
}

/// The Patients among a Bundle's entries.
fn patients<'a>(root: &Element<'a, '_>, entry: Field<'a>) -> Vec<Known<'a>> {
    let mut found = Vec::new();
    for item in root.list(entry, "entry").unwrap_or_default() {
        let element = item.as_element(root);
        let Ok(Entry { full_url, resource: Some(raw) }) = element.read() else { continue };
        let Ok(Owned { resource_type: Some(kind), id, identifier, .. }) =
            element.child(raw, "resource").read()
        else {
            continue;
        };
        if kind.get() == "\"Patient\"" {
            let text = |field: Field<'a>| field.and_then(json::text);
            found.push(Known { full_url: text(full_url), id: text(id), identifier });
        }
    }
    found
}

struct Namer<'n, 'a> {
    naming: &'n Naming,
    patients: Vec<Known<'a>>,
}

impl<'a> Namer<'_, 'a> {
    /// The name of the patient a resource is about; `None` where it is about none.
    fn whose(&self, element: &Element<'a, '_>, depth: usize) -> Result<Option<PatientId>, Rejection> {
        let owned: Owned = element.read()?;
        let kind = element.require(owned.resource_type, "resourceType")?.text()?;
        match &*kind {
            "Patient" => self.own(element, &owned).map(Some),
            "Bundle" => self.all_of(element, element.list(owned.entry, "entry")?, true, depth),
            "DiagnosticReport" if owned.subject.is_none() => {
                self.all_of(element, element.list(owned.contained, "contained")?, false, depth)
            }
            "Observation" | "Encounter" | "MedicationAdministration" | "DiagnosticReport" => {
                let subject = element
                    .optional(owned.subject, "subject")
                    .ok_or_else(|| Rejection::new(Reason::NoPatient, element.missing("subject").place))?;
                self.referred(&subject).map(Some)
            }
            // Whatever else it is, it says nothing to the engine: it need not be known whose.
            _ => {
                let subject = element.optional(owned.subject, "subject");
                let subject = subject.or_else(|| element.optional(owned.patient, "patient"));
                Ok(subject.and_then(|s| self.referred(&s).ok()))
            }
        }
    }

    /// The one patient of several resources.
    fn all_of(
        &self,
        parent: &Element<'a, '_>,
        items: Vec<super::element::Item<'a>>,
        entries: bool,
        depth: usize,
    ) -> Result<Option<PatientId>, Rejection> {
        if depth >= MAX_NESTING {
            return Err(parent.reject(Reason::TooLarge));
        }
        let mut one: Option<PatientId> = None;
        for item in items {
            let element = item.as_element(parent);
            let whose = if entries {
                match element.read::<Entry>()?.resource {
                    Some(raw) => self.whose(&element.child(raw, "resource"), depth + 1)?,
                    None => None,
                }
            } else {
                self.whose(&element, depth + 1)?
            };
            match (&one, whose) {
                (Some(one), Some(other)) if *one != other => return Err(element.reject(Reason::KeyMismatch)),
                (None, Some(other)) => one = Some(other),
                _ => {}
            }
        }
        Ok(one)
    }

    /// The name of a Patient resource.
    fn own(&self, element: &Element<'a, '_>, owned: &Owned<'a>) -> Result<PatientId, Rejection> {
        let name = match &self.naming.system {
            Some(system) => numbered(owned.identifier, system),
            None => owned.id.and_then(json::text),
        };
        let place = || Rejection::new(Reason::NoPatient, element.missing("id").place);
        PatientId::new(&name.ok_or_else(place)?).map_err(|_| place())
    }

    /// The name of the patient a reference means.
    fn referred(&self, subject: &Element<'a, '_>) -> Result<PatientId, Rejection> {
        let reference: Reference = subject.read()?;
        let text = reference.reference.and_then(json::text);
        let known = text.as_deref().and_then(|text| self.known(text));
        let name = match &self.naming.system {
            Some(system) => numbered(reference.identifier, system)
                .or_else(|| known.and_then(|k| numbered(k.identifier, system))),
            None => match (known, text.as_deref()) {
                (Some(known), _) => known.id.clone(),
                (None, Some(text)) if !text.starts_with('#') => {
                    id_of(text, "Patient").map(|id| Cow::Owned(id.to_owned()))
                }
                (None, _) => None,
            },
        };
        let refused = || subject.reject(Reason::NoPatient);
        PatientId::new(&name.ok_or_else(refused)?).map_err(|_| refused())
    }

    /// The Patient of this message that a reference means.
    fn known(&self, text: &str) -> Option<&Known<'a>> {
        self.patients.iter().find(|k| k.full_url.as_deref() == Some(text)).or_else(|| {
            let id = id_of(text, "Patient").filter(|_| text.contains("Patient/"))?;
            self.patients.iter().find(|k| k.id.as_deref() == Some(id))
        })
    }
}

/// The value of the identifier of a system, among one or several.
pub(super) fn numbered<'a>(field: Field<'a>, system: &str) -> Option<Cow<'a, str>> {
    let raw = field?;
    let several: Vec<&'a RawValue> =
        if raw.get().starts_with('[') { serde_json::from_str(raw.get()).ok()? } else { vec![raw] };
    several.into_iter().find_map(|raw| {
        let identifier: Identifier<'a> =
            raw.get().starts_with('{').then(|| serde_json::from_str(raw.get()).ok())??;
        let matches = identifier.system.and_then(json::text).is_some_and(|s| s == system);
        if matches { identifier.value.and_then(json::text) } else { None }
    })
}

#[cfg(test)]
mod tests;
