//! Annotation files in MIT format: annot(5). Every annotation is kept with all its fields; the comments
//! that define a file's clock and its own codes are read and are no annotations.

use std::collections::BTreeMap;

use bedwatch_schemas::time::{EventTime, Span};

use crate::readers::{
    Mark,
    lines::latin,
    place::Place,
    raw::{Annotation, Annotations},
};

/// The annotator whose annotations are the reference by custom: its marks go without a name.
const REFERENCE: &str = "atr";

/// The symbols of the codes 0 to 41 (annot(5), ecgcodes.h); empty for codes without one.
const SYMBOLS: [&str; 42] = [
    "", "N", "L", "R", "a", "V", "F", "J", "A", "S", "E", "j", "/", "Q", "~", "", "|", "", "s", "T", "*",
    "D", "\"", "=", "p", "B", "^", "t", "+", "u", "?", "!", "[", "]", "e", "n", "@", "x", "f", "(", ")", "r",
];

/// Codes that are no annotation: a comment, a long step in time, and what is said of the one before.
const NOTE: u8 = 22;
const SKIP: u16 = 59;
const NUM: u16 = 60;
const SUB: u16 = 61;
const CHN: u16 = 62;
const AUX: u16 = 63;

/// Annotators whose files are taken as theirs even where something follows the mark of their end.
const KNOWN: [&str; 8] = [REFERENCE, "qrs", "ecg", "ari", "ann", "man", "st", "apn"];

/// How files begin that are no annotations, whatever their names: PNG, ZIP, NumPy, gzip, HDF5, PDF, XZ, Zstandard.
const OTHER_FILES: [&[u8]; 8] = [
    b"\x89PNG",
    b"PK\x03\x04",
    b"\x93NUMPY",
    b"\x1f\x8b",
    b"\x89HDF",
    b"%PDF",
    b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd",
];

const CUT: &str = "the annotations are cut short";

/// Ends of names beside a header that are no annotators: signals, text and other files.
const OTHERS: [&str; 12] =
    ["hea", "dat", "mat", "edf", "bdf", "txt", "csv", "json", "md", "pdf", "html", "xws"];

/// The largest annotation file read, in bytes.
pub const MAX_BYTES: u64 = 64 << 20;

/// What an annotation file says: all that stands before the first fault, and the fault.
pub struct Read {
    /// The annotations.
    pub found: Annotations,
    /// What is wrong with the file, where something is.
    pub fault: Option<&'static str>,
    /// Whether anything but zeros follows the mark of the end.
    goes_on: bool,
}

/// The annotation files of a record, in the order of their names: what lies beside its header under its
/// name, reads as annotations and ends with their mark. A damaged `atr` file is told of; whether another
/// file is a damaged one or none at all cannot be known. Any bytes up to a zero word read as annotations, so
/// that of annotators not known here nothing may follow the mark.
pub fn beside(header: &Place, frame_hz: f64) -> Vec<Read> {
    let mut all = Vec::new();
    for (annotator, place) in annotators(header) {
        let is_reference = annotator == REFERENCE;
        match place.read_at_most(MAX_BYTES) {
            Ok(Some(bytes)) => {
                let read = parse(&bytes, &annotator, frame_hz);
                let is_theirs = KNOWN.contains(&read.found.annotator.as_str())
                    || (!read.goes_on && !OTHER_FILES.iter().any(|begins| bytes.starts_with(begins)));
                let is_whole = read.fault.is_none() && !read.found.list.is_empty() && is_theirs;
                all.extend((is_reference || is_whole).then_some(read));
            }
            Ok(None) | Err(_) if !is_reference => {}
            Ok(None) => all.push(broken(annotator, frame_hz, "the annotations are larger than 64 MiB")),
            Err(_) => all.push(broken(annotator, frame_hz, "the annotations cannot be read")),
        }
    }
    all
}

/// The files beside a header that may be of an annotator, whose name they end with.
pub fn annotators(header: &Place) -> impl Iterator<Item = (String, Place)> {
    header.same_stem().into_iter().filter(|(annotator, _)| {
        let is_signals = matches!(annotator.as_bytes(), [b'd', digit] if digit.is_ascii_digit());
        let is_name = annotator.starts_with(|c: char| c.is_ascii_alphabetic())
            && annotator.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        is_name && !is_signals && !OTHERS.contains(&annotator.as_str())
    })
}

fn broken(annotator: String, hz: f64, fault: &'static str) -> Read {
    Read { found: Annotations { annotator, hz, list: Vec::new() }, fault: Some(fault), goes_on: false }
}

/// Reads a file; its samples are frames unless it names a finer clock of its own.
pub fn parse(bytes: &[u8], annotator: &str, frame_hz: f64) -> Read {
    let mut parser = Parser {
        found: Annotations { annotator: annotator.to_owned(), hz: frame_hz, list: Vec::new() },
        symbols: BTreeMap::new(),
        is_defining: false,
        at: 0,
    };
    let (fault, goes_on) = match parser.all(bytes) {
        Ok(end) => (None, bytes[end..].iter().any(|byte| *byte != 0)),
        Err(fault) => (Some(fault), false),
    };
    parser.definitions();
    Read { found: parser.found, fault, goes_on }
}

struct Parser {
    found: Annotations,
    /// Symbols of the file's own codes.
    symbols: BTreeMap<u8, String>,
    /// Between the comments that open and close the definitions of codes.
    is_defining: bool,
    at: i64,
}

impl Parser {
    /// Gives the place of the mark of the end.
    fn all(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        let mut words = bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        loop {
            let word = words.next().ok_or("the annotations end without the mark of their end")?;
            let (code, rest) = (word >> 10, word & 0x3FF);
            match code {
                // An odd byte at the end is no word.
                _ if word == 0 => return Ok(bytes.len() - bytes.len() % 2 - 2 * words.len()),
                SKIP => {
                    let (high, low) = words.next().zip(words.next()).ok_or(CUT)?;
                    self.at += i64::from(i32::from(high as i16) << 16 | i32::from(low));
                }
                AUX => {
                    let length = usize::from(rest & 0xFF);
                    let text: Vec<u8> =
                        (&mut words).take(length.div_ceil(2)).flat_map(u16::to_le_bytes).collect();
                    let text = text.get(..length).ok_or(CUT)?;
                    if let Some(last) = self.found.list.last_mut() {
                        last.text = latin(text);
                    }
                }
                // A byte of the word, signed where annot(5) says so.
                NUM => self.last(|a| a.number = rest as i8),
                SUB => self.last(|a| a.subtype = rest as i8),
                CHN => self.last(|a| a.channel = rest as u8),
                code => {
                    self.definitions();
                    self.at += i64::from(rest);
                    self.annotation(code as u8);
                }
            }
        }
    }

    fn last(&mut self, change: impl FnOnce(&mut Annotation)) {
        self.found.list.last_mut().map(change).unwrap_or_default();
    }

    /// A new one; number and channel are those of the one before until it is said otherwise.
    fn annotation(&mut self, code: u8) {
        let (number, channel) = self.found.list.last().map_or((0, 0), |a| (a.number, a.channel));
        let symbol = match self.symbols.get(&code) {
            Some(own) => own.clone(),
            None => SYMBOLS.get(usize::from(code)).copied().unwrap_or_default().to_owned(),
        };
        let (at, text) = (self.at, String::new());
        self.found.list.push(Annotation { at, code, symbol, subtype: 0, channel, number, text });
    }

    /// Takes the annotation just finished away where it is none: a step in time (code 0), or a comment at
    /// the beginning that defines the clock or codes.
    fn definitions(&mut self) {
        let Some(last) = self.found.list.last() else { return };
        if last.code == 0 {
            self.found.list.pop();
            return;
        }
        if last.code != NOTE || last.at != 0 {
            return;
        }
        let text = last.text.trim_matches(['\0', ' ']);
        let rate = text.strip_prefix("## time resolution: ").and_then(|rate| rate.trim().parse::<f64>().ok());
        if let Some(hz) = rate.filter(|hz| hz.is_finite() && *hz > 0.0) {
            self.found.hz = hz;
        } else if text == "## annotation type definitions" {
            self.is_defining = true;
        } else if text == "## end of definitions" {
            self.is_defining = false;
        } else if self.is_defining {
            let mut words = text.split(' ');
            let code = words.next().and_then(|code| code.parse::<u8>().ok());
            if let (Some(code), Some(symbol)) = (code, words.next()) {
                self.symbols.insert(code, symbol.to_owned());
            }
        } else {
            return;
        }
        self.found.list.pop();
    }
}

/// The annotations on the time axis. Symbol and text make a mark's words; those of another annotator than
/// the reference have its name before them.
pub fn marks(all: &Annotations, start: EventTime) -> impl Iterator<Item = Mark> + '_ {
    let by = if all.annotator == REFERENCE { String::new() } else { format!("{}: ", all.annotator) };
    all.list.iter().filter_map(move |a| {
        let words = format!("{} {}", a.symbol, a.text.trim_matches(['\0', ' ']));
        let at = start + Span((a.at as f64 * 1e6 / all.hz).round() as i64);
        let words = words.trim();
        (!words.is_empty()).then(|| Mark { at, lasts: None, text: format!("{by}{words}") })
    })
}

#[cfg(test)]
mod tests;
