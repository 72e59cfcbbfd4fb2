//! HL7 v2 files: one or more messages, bare, in batches (HL7 v2 chapter 2.10.3) or framed by MLLP.
//!
//! A message begins at an `MSH` at the start of a line and ends before the next one or a batch line
//! (`FHS`, `BHS`, `BTS`, `FTS`). Bytes that belong to no message still become a record, so that the
//! decoder can dead-letter them. A record's time is the latest of MSH-7, EVN-2, OBR-7, OBR-14, OBR-22
//! and OBX-14.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
};

use bedwatch_schemas::{event::Stream, time::EventTime};

use super::{
    Format, Stay,
    error::Error,
    indexed::{Entry, Records},
    place::Place,
    stamps,
};

/// Bytes of a line that are looked at for its times.
const LOOK: usize = 1_024;

const NOTE_TIME: &str = "message times without a zone are taken as UTC";

/// What a line is to the splitter.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Blank,
    Message,
    Batch,
    Other,
}

fn kind(line: &[u8]) -> Kind {
    let line = line.trim_ascii_start();
    if line.is_empty() {
        return Kind::Blank;
    }
    let ended = line.get(3).is_none_or(u8::is_ascii_punctuation);
    match line.get(..3) {
        Some(b"MSH") if ended && line.len() > 3 => Kind::Message,
        Some(b"FHS" | b"BHS" | b"BTS" | b"FTS") if ended => Kind::Batch,
        _ => Kind::Other,
    }
}

const fn is_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0x0B | 0x1C)
}

/// Whether the first line of a file that is not blank begins a message or batch.
pub(super) fn begins(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    let mut lines = head.split(|b| is_end(*b)).map(kind).filter(|k| *k != Kind::Blank);
    matches!(lines.next(), Some(Kind::Message | Kind::Batch))
}

/// Indexes the messages of a file; their bytes are read when they are asked for.
pub(super) fn read(place: &Place, name: &str, base: EventTime) -> Result<Stay, Error> {
    let io = |e: std::io::Error| Error::io(name, &e);
    let mut file = place.open().map_err(io)?;
    let mut splitter = Splitter::default();
    let mut input = BufReader::new(&mut file);
    loop {
        let chunk = input.fill_buf().map_err(io)?;
        if chunk.is_empty() {
            break;
        }
        splitter.feed(chunk);
        let taken = chunk.len();
        input.consume(taken);
    }
    let (entries, batch_lines) = splitter.finish();
    let items = Records::new(name, file, Stream::Hl7v2, base, entries);
    let mut stay = Stay::new(name, Format::Hl7v2, Box::new(items));
    stay.counts = BTreeMap::from([("hl7.batch_line", batch_lines)]);
    stay.counts.retain(|_, n| *n > 0);
    stay.notes = vec![NOTE_TIME];
    Ok(stay)
}

/// Finds the messages of a stream of bytes, in any chunks.
#[derive(Default)]
struct Splitter {
    at: u64,
    line_start: u64,
    /// The line so far, at most [`LOOK`] bytes.
    line: Vec<u8>,
    open: Option<Open>,
    entries: Vec<Entry>,
    batch_lines: u64,
}

struct Open {
    start: u64,
    sent: Option<EventTime>,
    latest: Option<EventTime>,
}

impl Splitter {
    fn feed(&mut self, chunk: &[u8]) {
        for &byte in chunk {
            if is_end(byte) {
                self.end_line();
                if byte == 0x1C {
                    self.close(self.at);
                }
                self.line_start = self.at + 1;
            } else if self.line.len() < LOOK {
                self.line.push(byte);
            }
            self.at += 1;
        }
    }

    fn finish(mut self) -> (Vec<Entry>, u64) {
        self.end_line();
        self.close(self.at);
        (self.entries, self.batch_lines)
    }

    fn end_line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        let mut start = self.line_start;
        if start == 0 && line.starts_with(b"\xEF\xBB\xBF") {
            line.drain(..3);
            start = 3;
        }
        let indent = (line.len() - line.trim_ascii_start().len()) as u64;
        match kind(&line) {
            Kind::Blank => {}
            Kind::Message => {
                self.close(start);
                let sent = field_time(line.trim_ascii_start(), 6);
                self.open = Some(Open { start: start + indent, sent, latest: None });
            }
            Kind::Batch => {
                self.close(start);
                self.batch_lines += 1;
            }
            Kind::Other => {
                let open = self.open.get_or_insert(Open { start, sent: None, latest: None });
                open.latest = open.latest.max(latest(line.trim_ascii_start()));
            }
        }
        line.clear();
        self.line = line;
    }

    fn close(&mut self, end: u64) {
        if let Some(open) = self.open.take() {
            let number = self.entries.len() as i64;
            // Whatever the sender's clock said, a message cannot be known before what it tells of.
            let at = open.sent.max(open.latest);
            self.entries.push(Entry { number, start: open.start, length: end - open.start, at });
        }
    }
}

/// The latest time a segment speaks of.
fn latest(line: &[u8]) -> Option<EventTime> {
    let fields: &[usize] = match line.get(..3) {
        Some(b"EVN") => &[2],
        Some(b"OBR") => &[7, 14, 22],
        Some(b"OBX") => &[14],
        _ => return None,
    };
    fields.iter().filter_map(|f| field_time(line, *f)).max()
}

/// A field's time; the field separator is the byte after the segment's name.
fn field_time(line: &[u8], field: usize) -> Option<EventTime> {
    let separator = *line.get(3)?;
    let field = line.split(|b| *b == separator).nth(field)?;
    let first = field.split(|b| matches!(b, b'^' | b'~')).next()?;
    stamps::hl7(std::str::from_utf8(first).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(bytes: &[u8]) -> Vec<(&[u8], Option<String>)> {
        let mut splitter = Splitter::default();
        splitter.feed(bytes);
        let (entries, _) = splitter.finish();
        let text = |e: Entry| {
            let (a, b) = (e.start as usize, (e.start + e.length) as usize);
            (&bytes[a..b], e.at.map(|t| t.to_string()))
        };
        entries.into_iter().map(text).collect()
    }

    #[test]
    fn messages_and_batches_are_split() {
        let time = |t: &str| Some(t.to_owned());
        let one: &[u8] = b"MSH|^~\\&|A|B|C|D|20240101120000||ORU\rPID|1\r";
        assert_eq!(split(one), [(one, time("2024-01-01T12:00:00Z"))]);
        let batch = b"FHS|^~\\&\nBHS|^~\\&\nMSH|^~\\&|1\nPID|\n\nMSH|^~\\&|2\nBTS|2\nFTS\n";
        let want: [(&[u8], _); 2] = [(b"MSH|^~\\&|1\nPID|\n\n", None), (b"MSH|^~\\&|2\n", None)];
        assert_eq!(split(batch), want);
        let framed = b"\x0BMSH|^~\\&|1\rOBX|1\r\x1C\r\x0BMSH|^~\\&|2\r\x1C\r";
        let want: [(&[u8], _); 2] = [(b"MSH|^~\\&|1\rOBX|1\r", None), (b"MSH|^~\\&|2\r", None)];
        assert_eq!(split(framed), want);
    }

    #[test]
    fn nothing_is_lost_and_times_have_a_second_choice() {
        let bytes = b"\xEF\xBB\xBFgarbage\n  MSH#^~\\&#A#B#C#D#bad\nEVN#A01#20240101\nOBR#1######2024010112^x\nMSHX\n";
        let got = split(bytes);
        assert_eq!(got.len(), 2);
        assert_eq!(got[0], (&b"garbage\n"[..], None));
        assert_eq!(got[1].1.as_deref(), Some("2024-01-01T12:00:00Z"));
        assert!(got[1].0.starts_with(b"MSH#") && got[1].0.ends_with(b"MSHX\n"));
        assert!(split(b" \r\n\r").is_empty());
    }

    proptest::proptest! {
        /// Any chunking gives the same messages, and records never overlap.
        #[test]
        fn chunks_do_not_matter(
            bytes in "(MSH\\||BTS|x|\r|\n|\u{b}|\u{1c}| |\u{feff}){0,40}",
            size in 1_usize..7,
        ) {
            let mut whole = Splitter::default();
            whole.feed(bytes.as_bytes());
            let mut parts = Splitter::default();
            bytes.as_bytes().chunks(size).for_each(|c| parts.feed(c));
            let (whole, parts) = (whole.finish(), parts.finish());
            proptest::prop_assert_eq!(&whole, &parts);
            let mut end = 0;
            for e in whole.0 {
                proptest::prop_assert!(e.start >= end);
                end = e.start + e.length;
            }
            proptest::prop_assert!(end <= bytes.len() as u64);
        }
    }
}
