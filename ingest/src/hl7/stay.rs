//! PV1: where the patient lies and which visit it is.

use std::ops::Range;

use bedwatch_schemas::{
    dead_letter::{Reason, Rejection},
    event::UnitKind,
    ids::{BedId, EncounterId, Location, UnitId},
};

use super::{
    lexer::Piece,
    message::{Header, Outcome, Reader, Settled, Subject},
    text::text,
};
use crate::coded;

/// The first PV1 segment of a patient.
#[derive(Default)]
pub(super) struct Stay<'a> {
    /// Its place in the record.
    index: Option<usize>,
    /// The first thing wrong with it.
    fault: Option<Rejection>,
    /// PV1-44: when the stay began.
    pub admitted: Option<Piece<'a>>,
    /// PV1-10: the hospital service, as a kind of unit.
    pub unit: Option<UnitKind>,
}

impl Stay<'_> {
    /// The outcome of a PV1 segment; a second one about the same patient says nothing new.
    pub fn settle(&mut self, index: usize) -> Settled {
        match self.index {
            Some(own) if own == index => self.fault.take().map_or(Ok(Outcome::Decoded), Err),
            _ => Ok(Outcome::Skipped),
        }
    }

    /// Notes that one of its fields cannot be used.
    pub fn refuse(&mut self, reader: &Reader<'_>, piece: Piece<'_>, reason: Reason, field: &str) {
        if let (Some(index), None) = (self.index, &self.fault) {
            self.fault = Some(reader.at(index, piece, reason, field));
        }
    }
}

impl<'a> Reader<'a> {
    /// Adds bed and visit to a subject. PV1 is looked up ahead, because observations about the patient
    /// may stand before it.
    pub(super) fn stay(
        &self,
        range: Range<usize>,
        header: &Header<'a>,
        subject: Subject,
    ) -> (Subject, Stay<'a>) {
        let Some(index) = range.clone().find(|i| self.segments[*i].is(b"PV1")) else {
            return (subject, Stay::default());
        };
        let fields = self.line(index).parts::<45>(header.marks.field);
        let admitted = fields[44].first(header.marks.component).trim();
        let service = fields[10].first(header.marks.repetition).first(header.marks.component).trim();
        let mut stay = Stay {
            index: Some(index),
            fault: None,
            admitted: Some(admitted).filter(|p| p.has_value()),
            unit: std::str::from_utf8(service.bytes).ok().and_then(coded::hospital_service),
        };
        let location = self.location(fields[3], header).unwrap_or_else(|reason| {
            stay.refuse(self, fields[3], reason, "3");
            None
        });
        let encounter = self.visit(fields[19], header).unwrap_or_else(|reason| {
            stay.refuse(self, fields[19], reason, "19");
            None
        });
        (Subject { encounter, location, ..subject }, stay)
    }

    /// PV1-19.1, the visit number.
    fn visit(&self, field: Piece<'a>, header: &Header<'a>) -> Result<Option<EncounterId>, Reason> {
        let marks = &header.marks;
        let id = field.first(marks.repetition).first(marks.component).first(marks.subcomponent).trim();
        if !id.has_value() {
            return Ok(None);
        }
        let id = text(id, marks, header.charset).map_err(|_| Reason::Encoding)?;
        EncounterId::new(&id).map(Some).map_err(|_| Reason::BadValue)
    }

    /// PV1-3: unit, and room with bed (`2-23`); none where either is missing.
    fn location(&self, field: Piece<'a>, header: &Header<'a>) -> Result<Option<Location>, Reason> {
        let marks = &header.marks;
        let parts = field.first(marks.repetition).parts::<3>(marks.component);
        let [unit, room, bed] = parts.map(|part| part.first(marks.subcomponent).trim());
        let read = |piece| text(piece, marks, header.charset).map_err(|_| Reason::Encoding);
        let bed = match (room.has_value(), bed.has_value()) {
            (true, true) => format!("{}-{}", read(room)?.trim(), read(bed)?.trim()).into(),
            (true, false) => read(room)?,
            (false, true) => read(bed)?,
            (false, false) => return Ok(None),
        };
        if !unit.has_value() {
            return Ok(None);
        }
        let unit = UnitId::new(&read(unit)?).map_err(|_| Reason::BadValue)?;
        let bed = BedId::new(&bed).map_err(|_| Reason::BadValue)?;
        Ok(Some(Location { unit, bed }))
    }
}
