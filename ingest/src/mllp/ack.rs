//! Acknowledgements (HL7 v2.5.1, chapter 2.9; tables 0008, 0155, 0357 and 0516).
//!
//! Original mode, MSH-15 and MSH-16 both empty: one answer, AA, AE or AR. Enhanced mode, either of them
//! valued: a commit answer (CA, CE, CR) where MSH-15 asks for one, and an application answer where
//! MSH-16 does. A message is accepted when Kafka has it, so both can be said at once.
//!
//! AR is for a message that is refused whatever it says (its type, or because the system is down), AE
//! for one whose content is at fault. In enhanced mode CR is only for type, processing id and version,
//! and CE for every other reason, a broker that is away included (2.9.3.1).
//!
//! The answer is in the sender's delimiters, version and character set, and what it repeats of the
//! message (sender, control id) is repeated byte for byte, without control characters. It holds no
//! other content: places and reasons only.

use std::borrow::Cow;

use bedwatch_schemas::time::EventTime;

use super::fault::{Code, Fault};
use crate::hl7::{envelope::Envelope, lexer::Delimiters};

/// Most faults told in one answer; the last one says how many more there are.
pub const MAX_FAULTS: usize = 10;
/// So much of a field is repeated.
const MAX_ECHO: usize = 1_024;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Kafka has it. Parts of it may have been rejected: warnings.
    Accepted(Vec<Fault>),
    /// Its content is at fault, and nothing of it was taken.
    Refused(Vec<Fault>),
    /// It is of a kind that is not taken here.
    Unsupported(Fault),
    /// It could not be kept now: the sender should try again.
    Unavailable,
}

/// What the answer's own MSH says.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// MSH-10 of the answer: letters and digits, at most 18.
    pub id: &'a str,
    /// MSH-7 of the answer.
    pub time: EventTime,
}

/// The two kinds of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Commit,
    Application,
}

impl Verdict {
    const fn code(&self, level: Level, enhanced: bool) -> &'static str {
        match (level, self) {
            (Level::Commit, Self::Accepted(_)) => "CA",
            (Level::Commit, Self::Refused(_) | Self::Unavailable) => "CE",
            (Level::Commit, Self::Unsupported(_)) => "CR",
            (Level::Application, Self::Accepted(_)) => "AA",
            (Level::Application, Self::Refused(_)) => "AE",
            // Asked for both, the sender has heard CE and holds the message already.
            (Level::Application, Self::Unavailable) if enhanced => "AE",
            (Level::Application, Self::Unsupported(_) | Self::Unavailable) => "AR",
        }
    }

    const fn is_success(&self) -> bool {
        matches!(self, Self::Accepted(_))
    }

    fn faults(&self) -> Cow<'_, [Fault]> {
        match self {
            Self::Accepted(faults) | Self::Refused(faults) => Cow::Borrowed(faults),
            Self::Unsupported(fault) => Cow::Borrowed(std::slice::from_ref(fault)),
            Self::Unavailable => Cow::Owned(vec![Fault::whole(Code::ApplicationInternal, "unavailable")]),
        }
    }
}

/// The answers to a message, none to two; without an envelope (no MSH segment could be read) one in
/// original mode with the usual delimiters.
#[must_use]
pub fn compose(envelope: Option<&Envelope<'_>>, verdict: &Verdict, stamp: &Stamp<'_>) -> Vec<Vec<u8>> {
    let condition = |number| envelope.map_or(&b""[..], |e| e.field(number));
    let (commit, application) = (condition(15), condition(16));
    let enhanced = !commit.is_empty() || !application.is_empty();
    let wanted = |condition: &[u8]| match condition {
        b"AL" => true,
        b"ER" => !verdict.is_success(),
        b"SU" => verdict.is_success(),
        _ => false, // NE, or nothing
    };
    let mut answers = Vec::new();
    if enhanced && wanted(commit) {
        answers.push(answer(envelope, verdict, stamp, Level::Commit, enhanced));
    }
    if !enhanced || wanted(application) {
        answers.push(answer(envelope, verdict, stamp, Level::Application, enhanced));
    }
    answers
}

fn answer(
    envelope: Option<&Envelope<'_>>,
    verdict: &Verdict,
    stamp: &Stamp<'_>,
    level: Level,
    enhanced: bool,
) -> Vec<u8> {
    let marks = envelope.map_or(Delimiters::USUAL, |e| e.marks);
    let release = envelope.and_then(Envelope::release).unwrap_or(5);
    let mut out = Writer { marks, out: Vec::with_capacity(256) };
    header(&mut out, envelope, stamp, level, release);
    let faults = verdict.faults();
    let text = faults.first().map_or_else(String::new, said);
    let control_id = envelope.map_or(&b""[..], Envelope::control_id);
    let code = verdict.code(level, enhanced);
    out.segment("MSA", &[code.as_bytes(), &echoed(control_id), &out.clean(&text)]);
    let severity = if verdict.is_success() { "W" } else { "E" };
    for (n, fault) in faults.iter().take(MAX_FAULTS).enumerate() {
        let more = if n + 1 == MAX_FAULTS { faults.len() - MAX_FAULTS } else { 0 };
        error(&mut out, fault, severity, release, more);
    }
    out.out
}

fn header(out: &mut Writer, envelope: Option<&Envelope<'_>>, stamp: &Stamp<'_>, level: Level, release: u32) {
    let field = |number| envelope.map_or(Cow::Borrowed(&b""[..]), |e| echoed(e.field(number)));
    let trigger = envelope.map_or(Cow::Borrowed(&b""[..]), |e| echoed(e.component(9, 2)));
    let mut kind = vec![&b"ACK"[..]];
    if !trigger.is_empty() {
        kind.push(&trigger);
        if release >= 5 {
            kind.push(b"ACK");
        }
    }
    let kind = out.components(&kind);
    let or = |echo: Cow<'static, [u8]>, usual: &'static [u8]| {
        if echo.is_empty() { Cow::Borrowed(usual) } else { echo }
    };
    let own = |echo: Cow<'_, [u8]>| Cow::<'static, [u8]>::Owned(echo.into_owned());
    let id = match level {
        Level::Commit => stamp.id.to_owned(),
        Level::Application => format!("{}A", stamp.id),
    };
    let mut time = timestamp(stamp.time);
    if [out.marks.field, out.marks.component, out.marks.repetition].contains(&b'+') {
        time.truncate(14); // without its zone, rather than cut in two by it
    }
    let declared = envelope.map_or(&b"^~\\&"[..], |e| e.declared);
    let usual = out.clean("2.5.1");
    let (processing, version) = (or(own(field(11)), b"P"), own(field(12)));
    let version = if version.is_empty() { Cow::Owned(usual) } else { version };
    let charset = field(18);
    let none: &[u8] = b"";
    out.segment(
        "MSH",
        &[
            declared,
            &field(5),
            &field(6),
            &field(3),
            &field(4),
            time.as_bytes(),
            none,
            &kind,
            id.as_bytes(),
            &processing,
            &version,
            none,
            none,
            none,
            none,
            none,
            &charset,
        ],
    );
}

/// An ERR segment: ERR-2 to ERR-8 since 2.5, before that the ELD data type in ERR-1.
fn error(out: &mut Writer, fault: &Fault, severity: &str, release: u32, more: usize) {
    let (code, name) = fault.code.entry();
    let mut place: Vec<Vec<u8>> = Vec::new();
    if let Some(location) = &fault.location {
        let number = |n: Option<usize>| n.map_or_else(Vec::new, |n| n.to_string().into_bytes());
        place =
            vec![location.segment.clone().into_bytes(), number(location.sequence), number(location.field)];
    }
    let mut parts: Vec<&[u8]> = place.iter().map(Vec::as_slice).collect();
    if release < 5 {
        parts.resize(3, b"");
        let sub = out.subcomponents(&[code.as_bytes(), name.as_bytes(), b"HL70357"]);
        parts.push(&sub);
        let whole = out.components(&parts);
        out.segment("ERR", &[&whole]);
        return;
    }
    let location = out.components(&parts);
    let code = out.components(&[code.as_bytes(), name.as_bytes(), b"HL70357"]);
    let reason = out.clean(fault.reason);
    let reason = out.components(&[&reason, b"", b"L"]);
    let byte = fault.byte.map_or_else(String::new, |byte| format!("byte {byte}"));
    let said = if more > 0 { format!("{}, and {more} more", said(fault)) } else { said(fault) };
    let (byte, said) = (out.clean(&byte), out.clean(&said));
    out.segment("ERR", &[b"", &location, &code, severity.as_bytes(), &reason, b"", &byte, &said]);
}

/// For people: what and where.
fn said(fault: &Fault) -> String {
    let what = fault.reason.replace('_', " ");
    match &fault.location {
        None => what,
        Some(l) => {
            let sequence = l.sequence.map_or_else(String::new, |n| format!(" {n}"));
            let field = l.field.map_or_else(String::new, |n| format!(" field {n}"));
            format!("{what} in {}{sequence}{field}", l.segment)
        }
    }
}

/// `YYYYMMDDHHMMSS+0000`.
fn timestamp(time: EventTime) -> String {
    let digits: String = time.to_string().chars().filter(char::is_ascii_digit).take(14).collect();
    digits + "+0000"
}

/// A field of the message as it is repeated: without control characters, which could end a segment
/// or a frame, and not without end.
fn echoed(field: &[u8]) -> Cow<'_, [u8]> {
    let field = &field[..field.len().min(MAX_ECHO)];
    if field.iter().any(|b| *b < b' ') {
        Cow::Owned(field.iter().copied().filter(|b| *b >= b' ').collect())
    } else {
        Cow::Borrowed(field)
    }
}

struct Writer {
    marks: Delimiters,
    out: Vec<u8>,
}

impl Writer {
    /// Appends a segment; empty fields at its end are left out.
    fn segment(&mut self, id: &str, fields: &[&[u8]]) {
        let used = fields.iter().rposition(|f| !f.is_empty()).map_or(0, |i| i + 1);
        self.out.extend_from_slice(id.as_bytes());
        for field in &fields[..used] {
            self.out.push(self.marks.field);
            self.out.extend_from_slice(field);
        }
        self.out.push(b'\r');
    }

    fn components(&self, parts: &[&[u8]]) -> Vec<u8> {
        self.join(parts, self.marks.component)
    }

    fn subcomponents(&self, parts: &[&[u8]]) -> Vec<u8> {
        self.join(parts, self.marks.subcomponent)
    }

    /// Parts with a separator between them; where the sender declares none, the first of them alone.
    fn join(&self, parts: &[&[u8]], separator: u8) -> Vec<u8> {
        let used = parts.iter().rposition(|p| !p.is_empty()).map_or(0, |i| i + 1);
        let parts = if separator == self.marks.field { &parts[..used.min(1)] } else { &parts[..used] };
        parts.join(&separator)
    }

    /// Our own words, without what the sender declares a delimiter.
    fn clean(&self, text: &str) -> Vec<u8> {
        let m = &self.marks;
        let marks = [m.field, m.component, m.repetition, m.escape, m.subcomponent];
        text.bytes().map(|b| if marks.contains(&b) { b' ' } else { b }).collect()
    }
}

#[cfg(test)]
mod tests;
