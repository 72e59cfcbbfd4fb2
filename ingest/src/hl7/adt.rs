//! Admission, transfer, discharge, update, merge (HL7 v2.5.1 chapter 3).

use std::ops::Range;

use bedwatch_schemas::{
    dead_letter::{Reason, Rejection},
    event::{Adt, AdtKind, Body, Demographics, Sex},
    time::EventTime,
};

use super::{
    message::{Header, Outcome, Reader, Settled, Stamp, Subject},
    stay::Stay,
    time,
};

/// The trigger events read; all others (A04, A11, A13, ...) are well formed and skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    Admit,
    Transfer,
    Discharge,
    Update,
    Merge,
}

impl Trigger {
    /// Reads MSH-9.2 or EVN-1.
    pub fn read(code: &[u8]) -> Option<Self> {
        Some(match code {
            b"A01" => Self::Admit,
            b"A02" => Self::Transfer,
            b"A03" => Self::Discharge,
            b"A08" => Self::Update,
            b"A40" => Self::Merge,
            _ => return None,
        })
    }
}

/// What an ADT message says happened, and the outcomes of the segments it was read from.
pub(super) struct Change {
    trigger: Trigger,
    /// When; `None` when no time in the message can be used.
    at: Option<EventTime>,
    /// Whether a PID segment names each patient (else only the record's key does).
    has_pid: bool,
    evn: Option<(usize, Settled)>,
    mrg: Option<(usize, Settled)>,
}

impl Change {
    /// The outcome of an EVN or MRG segment: of the one that was read, else nothing new.
    pub fn settle(&mut self, index: usize) -> Settled {
        for own in [&mut self.evn, &mut self.mrg] {
            if own.as_ref().is_some_and(|(i, _)| *i == index)
                && let Some((_, settled)) = own.take()
            {
                return settled;
            }
        }
        Ok(Outcome::Skipped)
    }
}

impl<'a> Reader<'a> {
    /// Walks an ADT message.
    pub(super) fn adt(&mut self, range: Range<usize>, header: &Header<'a>, trigger: Trigger) {
        let find = |id| range.clone().find(|i| self.segments[*i].is(id));
        let (evn, has_pid, has_mrg) = (find(b"EVN"), find(b"PID").is_some(), find(b"MRG").is_some());
        let (at, evn_fault, mut msh_fault) = self.changed_at(evn, header);
        let msh = self.line(range.start);
        if !has_pid && self.record.key.is_none() {
            msh_fault.get_or_insert_with(|| self.at(range.start, msh, Reason::NoPatient, "PID"));
        } else if trigger == Trigger::Merge && !has_mrg {
            msh_fault.get_or_insert_with(|| self.at(range.start, msh, Reason::Missing, "MRG"));
        }
        let settled = |fault: Option<Rejection>| fault.map_or(Ok(Outcome::Decoded), Err);
        let evn = evn.map(|index| (index, settled(evn_fault)));
        let mut change = Change { trigger, at, has_pid, evn, mrg: None };
        self.settle_header(range.start, settled(msh_fault));
        self.groups(range.start + 1..range.end, header, Some(&mut change));
    }

    /// When it happened (EVN-6), was recorded (EVN-2), or was sent (MSH-7): the first of them that can
    /// be used, and what is wrong with those before it.
    fn changed_at(
        &mut self,
        evn: Option<usize>,
        header: &Header<'a>,
    ) -> (Option<EventTime>, Option<Rejection>, Option<Rejection>) {
        let mut evn_fault = None;
        if let Some(index) = evn {
            let fields = self.line(index).parts::<7>(header.marks.field);
            for (field, name) in [(fields[6], "6"), (fields[2], "2")] {
                let text = field.first(header.marks.component).trim();
                if !text.has_value() {
                    continue;
                }
                match self.time(&Stamp { text, segment: index, field: name }) {
                    Ok(at) => return (Some(at), evn_fault, None),
                    Err(fault) => evn_fault = evn_fault.or(Some(fault)),
                }
            }
        }
        let sent = &header.sent;
        if !sent.text.has_value() {
            return (None, evn_fault, Some(self.at(sent.segment, sent.text, Reason::Missing, sent.field)));
        }
        match self.time(sent) {
            Ok(at) => (Some(at), evn_fault, None),
            Err(fault) => (None, evn_fault, Some(fault)),
        }
    }

    /// Emits what happened to one patient. What is wrong with PID is added to `identity`, what is wrong
    /// with PV1 to `stay`.
    pub(super) fn change(
        &mut self,
        range: Range<usize>,
        header: &Header<'a>,
        change: &mut Change,
        subject: &Subject,
        identity: &mut Option<Rejection>,
        stay: &mut Stay<'a>,
    ) {
        let pid = Some(range.start).filter(|i| self.segments[*i].is(b"PID"));
        let (Some(at), Some(patient)) = (change.at, &subject.patient) else { return };
        if change.has_pid && pid.is_none() {
            return;
        }
        let kind = match change.trigger {
            Trigger::Admit => AdtKind::Admit,
            Trigger::Transfer => AdtKind::Transfer,
            Trigger::Discharge => AdtKind::Discharge,
            Trigger::Update => AdtKind::Update,
            Trigger::Merge => {
                let Some(index) = range.clone().find(|i| self.segments[*i].is(b"MRG")) else {
                    let fault = pid.map(|i| self.at(i, self.line(i), Reason::Missing, "MRG"));
                    *identity = identity.take().or(fault);
                    return;
                };
                let retired = self.identifier(index, 1, "1", header).and_then(|retired| {
                    let same = retired == *patient;
                    if same {
                        Err(self.at(index, self.line(index), Reason::BadValue, "1"))
                    } else {
                        Ok(retired)
                    }
                });
                change.mrg = Some((index, retired.as_ref().map(|_| Outcome::Decoded).map_err(Clone::clone)));
                let Ok(retired) = retired else { return };
                AdtKind::Merge { retired }
            }
        };
        let admitted_at = stay.admitted.and_then(|text| {
            let time = self.clock.read(text.bytes);
            if time.is_none() {
                stay.refuse(self, text, Reason::BadTime, "44");
            }
            time
        });
        let demographics =
            pid.map_or_else(Demographics::default, |i| self.demographics(i, at, header, identity));
        // HL7 v2 has one admission time, PV1-44, taken as the stay's: the hospital's own is not told.
        let adt = Adt { kind, demographics, admitted_at, unit: stay.unit, hospital_admitted_at: None };
        self.emit(header, subject, at, Body::Adt(adt));
    }

    /// Age (PID-7) and sex (PID-8). Neither name nor date of birth is kept.
    fn demographics(
        &self,
        index: usize,
        at: EventTime,
        header: &Header<'a>,
        identity: &mut Option<Rejection>,
    ) -> Demographics {
        let fields = self.line(index).parts::<9>(header.marks.field);
        let born = fields[7].first(header.marks.component).trim();
        let age_years = if born.has_value() { time::age_years(born.bytes, at) } else { None };
        if born.has_value() && age_years.is_none() {
            identity.get_or_insert_with(|| self.at(index, born, Reason::BadTime, "7"));
        }
        let sex = match fields[8].first(header.marks.component).trim().bytes {
            b"F" | b"f" => Some(Sex::Female),
            b"M" | b"m" => Some(Sex::Male),
            _ => None,
        };
        Demographics { age_years, sex }
    }
}
