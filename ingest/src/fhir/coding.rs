//! Codes and quantities: what an element names, and in which unit its number is.

use std::borrow::Cow;

use bedwatch_schemas::{
    codes::{self, Coded},
    dead_letter::{Reason, Rejection},
    unit::Unit,
};

use super::element::{Element, shape};
use crate::coded;

/// UCUM as a code system.
const UCUM: &str = "http://unitsofmeasure.org";

shape! {
    /// CodeableConcept, R4 2.24.
    CodeableConcept { coding, text }
}
shape! {
    /// Coding, R4 2.24.
    Coding { system, code, display }
}
shape! {
    /// Quantity, R4 2.24.
    Quantity { value, comparator, unit, system, code }
}

/// One coding, read.
pub(super) struct Code<'a> {
    pub(super) system: Cow<'a, str>,
    pub(super) code: Cow<'a, str>,
    pub(super) display: Option<Cow<'a, str>>,
}

/// The codings of a concept; those without a code are left out.
pub(super) fn codes<'a>(concept: &Element<'a, '_>) -> Result<Vec<Code<'a>>, Rejection> {
    let shape: CodeableConcept = concept.read()?;
    let mut codes = Vec::new();
    for item in concept.list(shape.coding, "coding")? {
        let element = item.as_element(concept);
        let coding: Coding = element.read()?;
        let Some(code) = element.optional(coding.code, "code") else { continue };
        let text = |field, name| element.optional(field, name).map(|e| e.text()).transpose();
        codes.push(Code {
            code: code.text()?,
            system: text(coding.system, "system")?.unwrap_or_default(),
            display: text(coding.display, "display")?,
        });
    }
    Ok(codes)
}

/// The free text of a concept, to compare and never to keep.
pub(super) fn free_text<'a>(concept: &Element<'a, '_>) -> Option<Cow<'a, str>> {
    let shape: CodeableConcept = concept.read().ok()?;
    concept.optional(shape.text, "text")?.text().ok()
}

/// LOINC as a code system.
const LOINC: &str = "http://loinc.org";
/// IEEE 11073-10101 (MDC) as a code system: its URI and its OID.
const MDC: [&str; 2] = ["urn:iso:std:iso:11073:10101", "urn:oid:2.16.840.1.113883.6.24"];

impl Code<'_> {
    /// Whether it is a LOINC or MDC code, known or not.
    pub(super) fn is_standard(&self) -> bool {
        self.system == LOINC || MDC.contains(&&*self.system)
    }

    /// The signal or waveform it names, where its system is LOINC or MDC.
    pub(super) fn meaning(&self) -> Option<Coded> {
        match &*self.system {
            LOINC => codes::from_loinc(self.code.trim()).map(Coded::Signal),
            system if MDC.contains(&system) => coded::mdc(self.code.trim()),
            _ => None,
        }
    }
}

/// A quantity as it stands: the number and its unit, both perhaps absent.
pub(super) struct Measured {
    pub(super) value: Option<f64>,
    pub(super) unit: Option<Unit>,
}

/// Reads a quantity. `unit` is `None` where there is none at all; one that is there and unknown, of
/// another system, or a comparator (`<`, which makes the number a bound) is an error.
pub(super) fn quantity(element: &Element<'_, '_>) -> Result<Measured, Rejection> {
    let quantity: Quantity = element.read()?;
    if let Some(comparator) = element.optional(quantity.comparator, "comparator") {
        return Err(comparator.reject(Reason::BadValue));
    }
    let value = element.optional(quantity.value, "value").map(|e| e.number()).transpose()?;
    Ok(Measured { value, unit: unit(element, &quantity)? })
}

/// The unit: its UCUM or MDC code where there is one, else the unit's text.
fn unit(element: &Element<'_, '_>, quantity: &Quantity<'_>) -> Result<Option<Unit>, Rejection> {
    let Some(code) = element.optional(quantity.code, "code") else {
        let Some(unit) = element.optional(quantity.unit, "unit") else { return Ok(None) };
        return coded::unit(&unit.text()?).map(Some).ok_or_else(|| unit.reject(Reason::UnknownUnit));
    };
    if let Some(system) = element.optional(quantity.system, "system") {
        let text = system.text()?;
        if text != UCUM && !MDC.contains(&&*text) {
            return Err(system.reject(Reason::UnknownUnit));
        }
    }
    coded::unit(&code.text()?).map(Some).ok_or_else(|| code.reject(Reason::UnknownUnit))
}
