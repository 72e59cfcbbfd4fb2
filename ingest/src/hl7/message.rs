//! The walk through a record: messages, the patients within a message, the segments of each.

use std::ops::Range;

use bedwatch_schemas::{
    dead_letter::{Place, Reason, Rejection},
    event::{Body, Event},
    ids::{EncounterId, Location, PatientId, SourceId},
    time::{EventTime, Span},
};

use super::{
    Config, MAX_REJECTIONS, adt,
    lexer::{Delimiters, Piece, Segment},
    text::{Charset, text},
    time::Clock,
    waveform::Waves,
};
use crate::{
    record::{Decoded, Record, Units},
    subject,
};

/// What became of a segment that was not rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Decoded,
    Skipped,
    /// It is settled later, when what it needs has been read (a waveform's rate).
    Deferred,
}

/// The answer for one segment.
pub(super) type Settled = Result<Outcome, Rejection>;

/// What is read of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Results,
    Adt(adt::Trigger),
    Other,
}

/// What MSH says.
pub(super) struct Header<'a> {
    pub marks: Delimiters,
    pub charset: Charset,
    pub source: SourceId,
    /// MSH-7 and the segment it stands in.
    pub sent: Stamp<'a>,
    kind: Kind,
}

/// A timestamp's text and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Stamp<'a> {
    pub text: Piece<'a>,
    pub segment: usize,
    pub field: &'static str,
}

/// Whom the segments that follow are about.
pub(super) struct Subject {
    pub patient: Option<PatientId>,
    pub encounter: Option<EncounterId>,
    pub location: Option<Location>,
}

/// The walk's state within one patient of one message.
pub(super) struct Context<'h, 'a> {
    pub header: &'h Header<'a>,
    pub subject: Subject,
    /// OBR-7 of the order the observations belong to.
    pub ordered: Option<Stamp<'a>>,
    pub waves: Waves<'a>,
}

/// Reads one record.
pub(super) struct Reader<'a> {
    pub record: &'a Record<'a>,
    pub config: &'a Config,
    /// How far an observation's time may lie after the record's arrival.
    pub future_tolerance: Span,
    pub segments: &'a [Segment],
    pub clock: Clock<'a>,
    events: Vec<Event>,
    rejections: Vec<Rejection>,
    units: Units,
    /// The first segment not yet looked at.
    next: usize,
}

impl<'a> Reader<'a> {
    pub fn new(
        record: &'a Record<'a>,
        config: &'a Config,
        future_tolerance: Span,
        segments: &'a [Segment],
    ) -> Self {
        Self {
            record,
            config,
            future_tolerance,
            segments,
            clock: Clock::new(config.default_offset_minutes),
            events: Vec::with_capacity(segments.len().min(64)),
            rejections: Vec::new(),
            units: Units::default(),
            next: 0,
        }
    }

    /// Walks the whole record.
    pub fn read(mut self) -> Decoded {
        while self.next < self.segments.len() && !self.is_full() {
            let start = self.next;
            if self.begins_message(start) {
                let rest = start + 1..self.segments.len();
                let end = rest.clone().find(|i| self.begins_message(*i) || self.is_batch(*i));
                self.message(start..end.unwrap_or(rest.end));
            } else {
                self.next += 1;
                let settled = self.outside(start);
                self.settle(start, settled);
            }
        }
        self.finish()
    }

    fn finish(mut self) -> Decoded {
        let settled = self.units.decoded + self.units.skipped + self.units.rejected;
        self.units.total = settled;
        if settled < self.segments.len() {
            let byte = self
                .segments
                .get(self.next)
                .map_or(self.record.payload.len(), |s| s.line(self.record.payload).at);
            self.rejections.push(Rejection::new(Reason::TooLarge, Place::at(byte, "")));
            self.units.total += 1;
            self.units.rejected += 1;
        }
        Decoded { events: self.events, rejections: self.rejections, units: self.units }
    }

    fn is_full(&self) -> bool {
        self.rejections.len() >= MAX_REJECTIONS
    }

    pub fn line(&self, index: usize) -> Piece<'a> {
        self.segments[index].line(self.record.payload)
    }

    pub fn begins_message(&self, index: usize) -> bool {
        self.segments[index].is(b"MSH")
            && self.line(index).bytes.get(3).is_some_and(|b| !b.is_ascii_alphanumeric())
    }

    pub fn is_batch(&self, index: usize) -> bool {
        [b"FHS", b"BHS", b"BTS", b"FTS"].iter().any(|id| self.segments[index].is(id))
    }

    /// A line that belongs to no message.
    fn outside(&self, index: usize) -> Settled {
        let line = self.line(index);
        let ends_id = line.bytes.get(3).is_none_or(|b| !b.is_ascii_alphanumeric());
        match self.segments[index].id() {
            Some(_) if self.is_batch(index) && ends_id => Ok(Outcome::Decoded),
            Some(_) if ends_id => Err(self.at(index, line, Reason::Missing, "MSH")),
            _ => Err(self.no_segment(index)),
        }
    }

    fn no_segment(&self, index: usize) -> Rejection {
        let path = format!("line[{}]", index + 1);
        Rejection::new(Reason::Malformed, Place::at(self.line(index).at, path))
    }

    /// A rejection of a field (`5`), or of what else is named (`MSH`), of a segment.
    pub fn at(&self, index: usize, piece: Piece<'_>, reason: Reason, field: &str) -> Rejection {
        let id = self.segments[index].id().map_or("line", |id| std::str::from_utf8(id).unwrap_or("line"));
        let gap = if field.is_empty() { "" } else { "-" };
        Rejection::new(reason, Place::at(piece.at, format!("{id}[{}]{gap}{field}", index + 1)))
    }

    /// Counts a segment's outcome; `index` is its place in the record.
    pub fn settle(&mut self, index: usize, settled: Settled) {
        debug_assert!(index < self.segments.len());
        match settled {
            Ok(Outcome::Decoded) => self.units.decoded += 1,
            Ok(Outcome::Skipped) => self.units.skipped += 1,
            Ok(Outcome::Deferred) => {}
            Err(rejection) => {
                self.units.rejected += 1;
                self.rejections.push(rejection);
            }
        }
    }

    /// Counts the outcome of a message's first segment.
    pub fn settle_header(&mut self, index: usize, settled: Settled) {
        self.next = index + 1;
        self.settle(index, settled);
    }

    /// Adds an event about the context's patient.
    pub fn emit(&mut self, header: &Header<'_>, subject: &Subject, time: EventTime, body: Body) {
        let patient = subject.patient.clone().expect("the patient is asked for before an event is made");
        self.events.push(Event {
            patient,
            encounter: subject.encounter.clone(),
            location: subject.location.clone(),
            source: header.source.clone(),
            event_time: time,
            arrival: self.record.arrival,
            provenance: self.record.provenance(self.events.len() as u32),
            body,
        });
    }

    fn message(&mut self, range: Range<usize>) {
        let header = match self.header(range.clone()) {
            Ok(header) => header,
            Err(rejection) => return self.refuse_message(range, rejection),
        };
        match header.kind {
            Kind::Other => {
                for index in range {
                    if self.is_full() {
                        return;
                    }
                    self.next = index + 1;
                    let settled = self.well_formed(index, &header).map(|()| Outcome::Skipped);
                    self.settle(index, settled);
                }
            }
            Kind::Results => {
                self.settle_header(range.start, Ok(Outcome::Decoded));
                self.groups(range.start + 1..range.end, &header, None);
            }
            Kind::Adt(trigger) => self.adt(range, &header, trigger),
        }
    }

    /// A message whose header cannot be used: none of its segments can be read.
    fn refuse_message(&mut self, range: Range<usize>, rejection: Rejection) {
        let reason = rejection.reason;
        self.settle(range.start, Err(rejection));
        self.next = range.start + 1;
        for index in range.skip(1) {
            if self.is_full() {
                return;
            }
            self.next = index + 1;
            let settled = Err(match self.segments[index].id() {
                Some(_) => self.at(index, self.line(index), reason, ""),
                None => self.no_segment(index),
            });
            self.settle(index, settled);
        }
    }

    /// Walks the patients of a message: a PID segment begins one, and what stands before the first
    /// is about nobody but the record's key.
    pub fn groups(&mut self, range: Range<usize>, header: &Header<'a>, mut adt: Option<&mut adt::Change>) {
        let mut start = range.start;
        while start < range.end && !self.is_full() {
            let end = (start + 1..range.end).find(|i| self.segments[*i].is(b"PID")).unwrap_or(range.end);
            self.group(start..end, header, adt.as_deref_mut());
            start = end;
        }
    }

    fn group(&mut self, range: Range<usize>, header: &Header<'a>, mut adt: Option<&mut adt::Change>) {
        let (subject, mut identity) = self.identify(range.clone(), header);
        let (subject, mut stay) = self.stay(range.clone(), header, subject);
        if let Some(change) = adt.as_deref_mut() {
            self.change(range.clone(), header, change, &subject, &mut identity, &mut stay);
        }
        let mut context = Context { header, subject, ordered: None, waves: Waves::default() };
        for index in range {
            if self.is_full() {
                break;
            }
            self.next = index + 1;
            let settled = self.well_formed(index, header).and_then(|()| {
                let segment = self.segments[index];
                match segment.id().unwrap_or(b"   ") {
                    b"PID" => identity.take().map_or(Ok(Outcome::Decoded), Err),
                    b"PV1" => stay.settle(index),
                    b"EVN" | b"MRG" => match adt.as_deref_mut() {
                        Some(change) => change.settle(index),
                        None => Ok(Outcome::Skipped),
                    },
                    b"OBR" => {
                        self.flush(&mut context);
                        context.ordered = self.ordered(index, header);
                        Ok(Outcome::Decoded)
                    }
                    b"OBX" => self.observation(index, &mut context),
                    _ => Ok(Outcome::Skipped),
                }
            });
            self.settle(index, settled);
        }
        self.flush(&mut context);
    }

    fn ordered(&self, index: usize, header: &Header<'a>) -> Option<Stamp<'a>> {
        let [.., observed] = self.line(index).parts::<8>(header.marks.field);
        let text = observed.first(header.marks.component).trim();
        text.has_value().then_some(Stamp { text, segment: index, field: "7" })
    }

    /// Settles the waveforms of an order and emits their blocks.
    fn flush(&mut self, context: &mut Context<'_, 'a>) {
        if context.waves.is_empty() {
            return;
        }
        let waves = std::mem::take(&mut context.waves);
        for (index, settled) in waves.finish(self, context) {
            if self.is_full() {
                return;
            }
            self.settle(index, settled);
        }
    }

    /// A segment's line: an id, then the end or a field separator.
    fn well_formed(&self, index: usize, header: &Header<'_>) -> Result<(), Rejection> {
        let ends_id = self.line(index).bytes.get(3).is_none_or(|b| *b == header.marks.field);
        if self.segments[index].id().is_some() && ends_id { Ok(()) } else { Err(self.no_segment(index)) }
    }

    pub fn header(&self, range: Range<usize>) -> Result<Header<'a>, Rejection> {
        let index = range.start;
        let line = self.line(index);
        let marks =
            Delimiters::declared(line.bytes).ok_or_else(|| self.at(index, line, Reason::Malformed, "2"))?;
        // MSH-1 is the separator itself, so field n stands at n - 1.
        let fields = line.parts::<18>(marks.field);
        let [_, _, sender, _, _, _, sent, _, kind, .., sets] = fields;
        let end = self.line(range.end - 1);
        let ascii = self.record.payload[line.at..end.at + end.bytes.len()].is_ascii();
        let set = sets.first(marks.repetition).trim();
        let charset =
            Charset::declared(set.bytes, ascii).map_err(|_| self.at(index, set, Reason::Encoding, "18"))?;
        let sent = Stamp { text: sent.first(marks.component).trim(), segment: index, field: "7" };
        let kind = self.kind(range, kind, &marks)?;
        let source = text(sender.first(marks.component), &marks, charset)
            .ok()
            .and_then(|name| SourceId::new(&name).ok())
            .unwrap_or_else(|| SourceId::new("hl7v2").expect("a constant that is an identifier"));
        Ok(Header { marks, charset, source, sent, kind })
    }

    fn kind(&self, range: Range<usize>, field: Piece<'a>, marks: &Delimiters) -> Result<Kind, Rejection> {
        let [code, trigger, _] = field.parts::<3>(marks.component).map(|p| p.trim().bytes);
        let is_code = |text: &[u8]| text.len() == 3 && text.iter().all(u8::is_ascii_alphanumeric);
        if !field.has_value() {
            return Err(self.at(range.start, field, Reason::Missing, "9"));
        }
        // Old senders write the structure's name (`ADT_A01`) into the first component.
        let (code, trigger) = match code {
            [a, b, c, b'_', rest @ ..] if trigger.is_empty() => (&[*a, *b, *c][..], rest),
            _ => (code, trigger),
        };
        if !is_code(code) {
            return Err(self.at(range.start, field, Reason::UnsupportedType, "9"));
        }
        Ok(match code {
            b"ORU" => Kind::Results,
            b"ADT" => {
                let event = (range.start..range.end).find(|i| self.segments[*i].is(b"EVN"));
                let named = event.map(|i| self.line(i).parts::<2>(marks.field)[1].trim().bytes);
                let trigger = if trigger.is_empty() { named.unwrap_or_default() } else { trigger };
                adt::Trigger::read(trigger).map_or(Kind::Other, Kind::Adt)
            }
            _ => Kind::Other,
        })
    }

    /// The patient: the record's key, else PID-3. The rejection, if any, is the PID segment's.
    fn identify(&self, range: Range<usize>, header: &Header<'a>) -> (Subject, Option<Rejection>) {
        let pid = Some(range.start).filter(|i| self.segments[*i].is(b"PID"));
        let keyed = subject::keyed(self.record);
        let (patient, fault) = match (keyed, pid) {
            (Ok(Some(key)), _) => (Some(key), None),
            (Ok(None), Some(index)) => match self.identifier(index, 3, "3", header) {
                Ok(id) => (Some(id), None),
                Err(rejection) => (None, Some(rejection)),
            },
            (Ok(None), None) => (None, None),
            (Err(reason), index) => {
                let fault = index.map(|i| self.at(i, self.line(i), reason, ""));
                (None, fault)
            }
        };
        (Subject { patient, encounter: None, location: None }, fault)
    }

    /// The id in the first repetition that has one (CX.1) of a field: PID-3, MRG-1.
    pub fn identifier(
        &self,
        index: usize,
        field: usize,
        name: &str,
        header: &Header<'a>,
    ) -> Result<PatientId, Rejection> {
        let marks = &header.marks;
        let field = self.line(index).parts::<8>(marks.field)[field];
        let id = field
            .split(marks.repetition)
            .map(|id| id.first(marks.component).first(marks.subcomponent).trim())
            .find(|id| id.has_value())
            .ok_or_else(|| self.at(index, field, Reason::NoPatient, name))?;
        let id_text =
            text(id, marks, header.charset).map_err(|_| self.at(index, id, Reason::Encoding, name))?;
        PatientId::new(&id_text).map_err(|_| self.at(index, id, Reason::NoPatient, name))
    }
}
