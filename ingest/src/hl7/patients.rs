//! One message to the records it becomes in Kafka: one a patient.
//!
//! A record's key names its patient, whatever number stands in the message. So a message about one
//! patient goes as it came; one about several (ORU^R01 and A40 may be) is cut at its PID segments,
//! each part with the segments before the first of them; and with pseudonyms the PID segment is cut
//! down to what the engine reads (PID-1, 3, 7, 8) and MRG to MRG-1, because a merge must name both
//! patients in the numbering of the keys.

use std::{borrow::Cow, ops::Range};

use bedwatch_schemas::{
    dead_letter::{Reason, Rejection},
    ids::PatientId,
    time::{ArrivalTime, Span},
};

use super::{
    Config,
    lexer::{self, Segment},
    message::{Header, Reader},
};
use crate::{Record, pseudonym::Pseudonyms};

/// A record to be.
pub struct Part<'a> {
    /// Whose it is: the key. `None` where the message names no patient.
    pub patient: Option<PatientId>,
    /// Its bytes.
    pub payload: Cow<'a, [u8]>,
}

/// Cuts a message into one part a patient.
///
/// # Errors
/// When the payload is not exactly one message, its MSH segment cannot be read, or a PID or MRG
/// segment names no patient: nothing of it can then be forwarded under the right key.
pub fn parts<'a>(
    payload: &'a [u8],
    config: &Config,
    pseudonyms: Option<&Pseudonyms>,
) -> Result<Vec<Part<'a>>, Rejection> {
    let record = Record {
        stream: bedwatch_schemas::event::Stream::Hl7v2,
        partition: 0,
        offset: 0,
        arrival: ArrivalTime::from_micros(0),
        key: None,
        payload,
    };
    let segments = lexer::segments(payload);
    let reader = Reader::new(&record, config, Span::secs(0), &segments);
    let cutter = Cutter { reader: &reader, segments: &segments, payload, pseudonyms };
    cutter.cut()
}

struct Cutter<'r, 'b, 'a> {
    reader: &'r Reader<'b>,
    segments: &'r [Segment],
    payload: &'a [u8],
    pseudonyms: Option<&'r Pseudonyms>,
}

impl<'b, 'a> Cutter<'_, 'b, 'a> {
    fn cut(&self) -> Result<Vec<Part<'a>>, Rejection> {
        let all = 0..self.segments.len();
        self.is_one_message()?;
        let header = self.reader.header(all.clone())?;
        let pids: Vec<usize> = all.clone().filter(|i| self.segments[*i].is(b"PID")).collect();
        let groups =
            pids.iter().enumerate().map(|(n, start)| *start..pids.get(n + 1).map_or(all.end, |i| *i));
        let mut named: Vec<(PatientId, Vec<Range<usize>>)> = Vec::new();
        for group in groups {
            let id = self.reader.identifier(group.start, 3, "3", &header)?;
            match named.iter_mut().find(|(other, _)| *other == id) {
                Some((_, ranges)) => ranges.push(group),
                None => named.push((id, vec![group])),
            }
        }
        let before = 0..pids.first().copied().unwrap_or(all.end);
        let whole = named.len() < 2 && self.pseudonyms.is_none();
        if named.is_empty() || whole {
            let patient = named.pop().map(|(id, _)| id);
            return Ok(vec![Part { patient, payload: Cow::Borrowed(self.payload) }]);
        }
        let part = |(id, ranges): (PatientId, Vec<Range<usize>>)| {
            let mut bytes = Vec::with_capacity(self.payload.len() / 2);
            for index in before.clone().chain(ranges.into_iter().flatten()) {
                self.line(index, &header, &mut bytes)?;
                bytes.push(b'\r');
            }
            let patient = Some(self.pseudonyms.map_or_else(|| id.clone(), |p| p.of(&id)));
            Ok(Part { patient, payload: Cow::Owned(bytes) })
        };
        named.into_iter().map(part).collect()
    }

    /// One MSH segment, at the beginning, and no batch around it.
    fn is_one_message(&self) -> Result<(), Rejection> {
        let odd = |index: usize| {
            let starts = self.reader.begins_message(index);
            if index == 0 { !starts } else { starts || self.reader.is_batch(index) }
        };
        let line = |index| self.reader.line(index);
        match (0..self.segments.len()).find(|i| odd(*i)) {
            None => Ok(()),
            Some(index) => Err(self.reader.at(index, line(index), Reason::Malformed, "")),
        }
    }

    /// Appends a segment: as it is, or cut down where it names people.
    fn line(&self, index: usize, header: &Header<'b>, out: &mut Vec<u8>) -> Result<(), Rejection> {
        let (line, mark) = (self.reader.line(index), header.marks.field);
        let (segment, pseudonyms) = match (self.segments[index].id(), self.pseudonyms) {
            (Some(id @ (b"PID" | b"MRG")), Some(pseudonyms)) => (id, pseudonyms),
            _ => {
                out.extend_from_slice(line.bytes);
                return Ok(());
            }
        };
        out.extend_from_slice(segment);
        out.push(mark);
        if segment == b"MRG" {
            let retired = self.reader.identifier(index, 1, "1", header)?;
            out.extend_from_slice(pseudonyms.of(&retired).as_str().as_bytes());
            return Ok(());
        }
        let fields = line.parts::<10>(mark);
        let id = pseudonyms.of(&self.reader.identifier(index, 3, "3", header)?);
        let empty: &[u8] = b"";
        let kept = [
            fields[1].bytes,
            empty,
            id.as_str().as_bytes(),
            empty,
            empty,
            empty,
            fields[7].bytes,
            fields[8].bytes,
        ];
        out.extend_from_slice(&kept.join(&mark));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSH: &str = "MSH|^~\\&|MON|ICU|||20260101000000||ORU^R01|1|P|2.5.1";

    fn cut(text: &str, pseudonyms: Option<&Pseudonyms>) -> Result<Vec<(Option<String>, String)>, Rejection> {
        let parts = parts(text.as_bytes(), &Config::default(), pseudonyms)?;
        let show = |p: Part<'_>| {
            (p.patient.map(|id| id.as_str().to_owned()), String::from_utf8(p.payload.into_owned()).unwrap())
        };
        Ok(parts.into_iter().map(show).collect())
    }

    #[test]
    fn one_patient_goes_as_it_came() {
        for text in [
            format!("{MSH}\rPID|||a^^^H~b||Doe\rOBX|1"),
            format!("\r\n{MSH}\nPID|||a\n\nOBX|1\n"),
            format!("{MSH}\rPID|||a\rOBX|1\rPID|||a\rOBX|2"),
        ] {
            assert_eq!(cut(&text, None).unwrap(), [(Some("a".to_owned()), text)]);
        }
        let none = format!("{MSH}\rOBX|1");
        assert_eq!(cut(&none, None).unwrap(), [(None, none)]);
    }

    #[test]
    fn several_patients_are_told_apart() {
        let text = format!("{MSH}\rSFT|x\rPID|||a\rOBX|1\rPID|||b\rOBX|2\rPID|||a\rOBX|3");
        let want = [
            (Some("a".to_owned()), format!("{MSH}\rSFT|x\rPID|||a\rOBX|1\rPID|||a\rOBX|3\r")),
            (Some("b".to_owned()), format!("{MSH}\rSFT|x\rPID|||b\rOBX|2\r")),
        ];
        assert_eq!(cut(&text, None).unwrap(), want);
    }

    #[test]
    fn with_pseudonyms_no_number_and_no_name_of_pid_and_mrg_is_left() {
        let pseudonyms = Pseudonyms::new(&[7; 32]).unwrap();
        let of = |text: &str| pseudonyms.of(&PatientId::new(text).unwrap()).as_str().to_owned();
        let text = format!(
            "{MSH}\rPID|1|9|4711^^^H~0815^^^SS|8|Doe^Jane||19500101|F|||Street 1\rMRG|0042^^^H\rZZZ|keep"
        );
        let got = cut(&text, Some(&pseudonyms)).unwrap();
        let [(Some(key), payload)] = &got[..] else { panic!() };
        assert_eq!(*key, of("4711"));
        assert_eq!(
            *payload,
            format!("{MSH}\rPID|1||{}||||19500101|F\rMRG|{}\rZZZ|keep\r", of("4711"), of("0042"))
        );
        let merge = payload.replace("ORU^R01", "ADT^A40");
        let record = Record {
            stream: bedwatch_schemas::event::Stream::Hl7v2,
            partition: 0,
            offset: 0,
            arrival: ArrivalTime::from_millis(1_767_225_600_000),
            key: Some(key),
            payload: merge.as_bytes(),
        };
        let decoded = super::super::decode(&record, &Config::default(), Span::minutes(5));
        let adt = decoded.events.iter().find_map(|e| match &e.body {
            bedwatch_schemas::event::Body::Adt(adt) => {
                Some((e.patient.as_str().to_owned(), adt.kind.clone()))
            }
            _ => None,
        });
        let retired = PatientId::new(&of("0042")).unwrap();
        assert_eq!(adt, Some((key.clone(), bedwatch_schemas::event::AdtKind::Merge { retired })));
    }

    #[test]
    fn what_cannot_be_keyed_is_refused_with_its_place() {
        for (text, reason, path) in [
            (format!("{MSH}\rPID|||\rOBX|1"), Reason::NoPatient, "PID[2]-3"),
            (format!("{MSH}\rPID|||a\r{MSH}\rPID|||b"), Reason::Malformed, "MSH[3]"),
            (format!("BHS|^~\\&\r{MSH}\rPID|||a\rBTS|1"), Reason::Malformed, "BHS[1]"),
            (format!("{MSH}\rPID|||a\rBTS|1"), Reason::Malformed, "BTS[3]"),
            ("MSH|\rPID|||a".to_owned(), Reason::Malformed, "MSH[1]-2"),
            ("MSH|^~\\&|MON".to_owned(), Reason::Missing, "MSH[1]-9"),
            ("PID|||a".to_owned(), Reason::Malformed, "PID[1]"),
        ] {
            let got = cut(&text, None).unwrap_err();
            assert_eq!((got.reason, got.place.path.as_str()), (reason, path), "{text}");
        }
    }
}
