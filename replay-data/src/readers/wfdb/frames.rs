//! The frames of a record, segment after segment, a second at a time.

use std::collections::VecDeque;

use bedwatch_schemas::time::Span;

use super::{
    header::{Header, Part, Shape, Signal},
    load,
    segment::Segment,
};
use crate::readers::{
    At, Error, Fault,
    place::Place,
    raw::{Channel, Portion},
};

/// Whether somebody wants a signal, at so many frames a second.
pub type Wants = fn(&Signal, f64) -> bool;

/// What comes next.
pub enum Step {
    /// A segment begins, so long after the record's beginning: its signals are the current ones.
    Segment(Span),
    /// Samples were read.
    Samples,
}

/// The frames of a record.
pub struct Frames {
    name: String,
    /// The header; segments lie beside it.
    beside: Place,
    frame_hz: f64,
    /// Frames before what comes next in the plan, and before the current segment.
    frames: u64,
    begun: u64,
    plan: VecDeque<Part>,
    current: Option<Segment>,
    /// The current segment has just begun.
    is_new: bool,
    faults: VecDeque<Error>,
    wants: Wants,
}

impl Frames {
    /// Opens a record; of one without segments also its signal files.
    ///
    /// # Errors
    /// When none of its signal files can be read.
    pub fn open(place: &Place, name: &str, header: Header, wants: Wants) -> Result<Self, Error> {
        let mut frames = Self {
            name: name.to_owned(),
            beside: place.clone(),
            frame_hz: header.frame_hz,
            frames: 0,
            begun: 0,
            plan: VecDeque::new(),
            current: None,
            is_new: false,
            faults: VecDeque::new(),
            wants,
        };
        if let Shape::Segments(segments) = header.shape {
            frames.plan = segments.into();
            return Ok(frames);
        }
        let opened = Segment::open(place, &header, |s| wants(s, header.frame_hz));
        let (segment, mut lacks) = opened.map_err(|fault| Error::file(name, fault))?;
        if segment.is_empty()
            && let Some(fault) = lacks.pop()
        {
            return Err(Error::file(name, fault));
        }
        if segment.signals().next().is_some() && !segment.signals().any(Signal::has_file) {
            let what = "signal files: no signal of the header has one";
            return Err(Error::file(name, Fault::Missing(what.into())));
        }
        frames.begin(segment, lacks);
        Ok(frames)
    }

    /// The open segment.
    pub fn segment(&self) -> Option<&Segment> {
        self.current.as_ref()
    }

    /// Frames a second.
    pub fn frame_hz(&self) -> f64 {
        self.frame_hz
    }

    fn begin(&mut self, segment: Segment, lacks: Vec<Fault>) {
        let lacks: Vec<Error> = lacks.into_iter().map(|fault| self.error(self.begun, fault)).collect();
        self.faults.extend(lacks);
        (self.current, self.is_new) = (Some(segment), true);
    }

    fn error(&self, frame: u64, fault: Fault) -> Error {
        Error { stay: self.name.clone(), at: At::Record(frame), fault }
    }

    fn span(&self, frames: u64) -> Span {
        Span((frames as f64 * 1e6 / self.frame_hz).round() as i64)
    }

    /// Opens the next segment of the plan; false at its end.
    fn advance(&mut self) -> bool {
        let Some(part) = self.plan.pop_front() else { return false };
        self.begun = self.frames;
        self.frames = self.frames.saturating_add(part.frames);
        // `~` is a gap, a part without frames the layout of a record whose channels vary.
        let Some(name) = part.name.filter(|_| part.frames > 0) else { return true };
        let place = self.beside.with_file_name(name + ".hea");
        match self.open_part(&place, part.frames) {
            Ok((segment, lacks)) => self.begin(segment, lacks),
            Err(fault) => self.faults.push_back(self.error(self.begun, fault)),
        }
        true
    }

    fn open_part(&self, place: &Place, frames: u64) -> Result<(Segment, Vec<Fault>), Fault> {
        let mut header = load(place, &self.name).map_err(|e| match e.fault {
            Fault::Io(std::io::ErrorKind::NotFound) => Fault::Missing("a segment's header".into()),
            fault => fault,
        })?;
        if (header.frame_hz - self.frame_hz).abs() > 1e-6 {
            return Err(Fault::Header("a segment has another rate than its record".into()));
        }
        header.frames = Some(frames);
        Segment::open(place, &header, |signal| (self.wants)(signal, header.frame_hz))
    }

    /// The samples of all channels, a second at a time.
    pub fn portions(mut self) -> impl Iterator<Item = Result<Portion, Error>> {
        std::iter::from_fn(move || {
            loop {
                match self.next()? {
                    Ok(Step::Segment(_)) => {}
                    Ok(Step::Samples) => return Some(Ok(self.portion())),
                    Err(e) => return Some(Err(e)),
                }
            }
        })
    }

    fn portion(&self) -> Portion {
        let mut portion = Portion::default();
        let Some(segment) = &self.current else { return portion };
        for (number, signal) in segment.signals().enumerate() {
            let (first, digital) = segment.samples(number);
            if digital.is_empty() {
                continue;
            }
            portion.channels.push(Channel {
                number,
                label: signal.description.clone(),
                unit: signal.unit.clone(),
                rate_hz: self.frame_hz * signal.per_frame as f64,
                first: self.begun * signal.per_frame as u64 + first,
                digital: digital.to_vec(),
                physical: digital.iter().map(|&sample| signal.physical(sample)).collect(),
            });
        }
        portion.at = self.span(self.begun + segment.begun());
        portion
    }
}

impl Iterator for Frames {
    type Item = Result<Step, Error>;
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if std::mem::take(&mut self.is_new) {
                return Some(Ok(Step::Segment(self.span(self.begun))));
            }
            if let Some(error) = self.faults.pop_front() {
                return Some(Err(error));
            }
            let Some(segment) = &mut self.current else {
                if self.advance() {
                    continue;
                }
                return None;
            };
            if segment.is_over() {
                self.current = None;
                continue;
            }
            let faults = segment.read();
            let at = self.begun + segment.done();
            let faults: Vec<Error> = faults.into_iter().map(|fault| self.error(at, fault)).collect();
            self.faults.extend(faults);
            return Some(Ok(Step::Samples));
        }
    }
}
