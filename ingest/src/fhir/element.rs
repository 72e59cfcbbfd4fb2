//! A JSON value of the message with its FHIR path, read one level at a time.

use std::{borrow::Cow, fmt};

use bedwatch_schemas::dead_letter::{Place, Reason, Rejection};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::{self, Document};

/// A property that may be absent (or `null`, which FHIR does not allow and we read as absent).
pub(super) type Field<'a> = Option<&'a RawValue>;

/// Declares the properties of a FHIR type that the engine reads. Others are ignored; one that stands
/// twice is an error.
macro_rules! shape {
    ($(#[$doc:meta])* $name:ident { $($field:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub(super) struct $name<'a> {
            $(#[serde(borrow, default)] pub(super) $field: $crate::fhir::element::Field<'a>,)*
        }
    };
}
pub(super) use shape;

/// A FHIR path, made only of names of the specification and indices. It lives on the stack and
/// becomes text only when something is rejected.
#[derive(Clone, Copy)]
pub(super) struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    name: &'static str,
    index: Option<usize>,
}

impl<'p> Path<'p> {
    pub(super) const fn root(name: &'static str) -> Self {
        Self { parent: None, name, index: None }
    }

    /// The same path; a root takes the name of its resource type.
    pub(super) const fn renamed(self, name: &'static str) -> Self {
        match self.parent {
            None => Self::root(name),
            Some(_) => self,
        }
    }

    fn child(&'p self, name: &'static str, index: Option<usize>) -> Path<'p> {
        Path { parent: Some(self), name, index }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.name)?;
        match self.index {
            Some(i) => write!(f, "[{i}]"),
            None => Ok(()),
        }
    }
}

/// A value with its place.
#[derive(Clone, Copy)]
pub(super) struct Element<'a, 'p> {
    pub(super) doc: Document<'a>,
    pub(super) raw: &'a RawValue,
    pub(super) path: Path<'p>,
}

/// One item of a list.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    raw: &'a RawValue,
    name: &'static str,
    index: usize,
}

impl<'a> Item<'a> {
    /// The item as an element of the one the list stands in.
    pub(super) fn as_element<'q>(self, parent: &'q Element<'a, '_>) -> Element<'a, 'q> {
        Element { doc: parent.doc, raw: self.raw, path: parent.path.child(self.name, Some(self.index)) }
    }
}

impl<'a> Element<'a, '_> {
    /// A rejection here.
    pub(super) fn reject(&self, reason: Reason) -> Rejection {
        Rejection::new(reason, self.doc.place(self.raw, self.path.to_string()))
    }

    /// A rejection of something that is not there.
    pub(super) fn missing(&self, name: &'static str) -> Rejection {
        let path = self.path.child(name, None).to_string();
        Rejection::new(Reason::Missing, Place::at(self.doc.byte_of(self.raw), path))
    }

    pub(super) fn child<'q>(&'q self, raw: &'a RawValue, name: &'static str) -> Element<'a, 'q> {
        Element { doc: self.doc, raw, path: self.path.child(name, None) }
    }

    pub(super) fn optional<'q>(&'q self, field: Field<'a>, name: &'static str) -> Option<Element<'a, 'q>> {
        field.map(|raw| self.child(raw, name))
    }

    pub(super) fn require<'q>(
        &'q self,
        field: Field<'a>,
        name: &'static str,
    ) -> Result<Element<'a, 'q>, Rejection> {
        self.optional(field, name).ok_or_else(|| self.missing(name))
    }

    /// Reads an object's properties.
    pub(super) fn read<T: Deserialize<'a>>(&self) -> Result<T, Rejection> {
        // serde would take an array for an object whose properties come in order.
        if !self.raw.get().starts_with('{') {
            return Err(self.reject(Reason::BadValue));
        }
        serde_json::from_str(self.raw.get()).map_err(|_| self.reject(Reason::BadValue))
    }

    /// Reads a list; absent is empty.
    pub(super) fn list(&self, field: Field<'a>, name: &'static str) -> Result<Vec<Item<'a>>, Rejection> {
        let Some(raw) = field else { return Ok(Vec::new()) };
        let raws: Vec<&'a RawValue> =
            serde_json::from_str(raw.get()).map_err(|_| self.child(raw, name).reject(Reason::BadValue))?;
        Ok(raws.into_iter().enumerate().map(|(index, raw)| Item { raw, name, index }).collect())
    }

    /// The text of a string.
    pub(super) fn text(&self) -> Result<Cow<'a, str>, Rejection> {
        json::text(self.raw).ok_or_else(|| self.reject(Reason::BadValue))
    }

    /// A finite number.
    pub(super) fn number(&self) -> Result<f64, Rejection> {
        json::number(self.raw).ok_or_else(|| self.reject(Reason::BadValue))
    }
}
