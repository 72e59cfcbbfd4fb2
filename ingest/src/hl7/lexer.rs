//! Offsets into the message: segments, fields, repetitions, components. Nothing is copied and no
//! string is built; every piece knows the byte it begins at, so that a rejection can name it.
//!
//! HL7 v2.5.1 chapter 2.5 says that a segment ends in CR. Real senders also write LF, CRLF, blank
//! lines between segments, a byte order mark, MLLP frame bytes and padding: all of these end or
//! surround a segment here, because a reader that gives up at the first of them loses the rest of
//! the message without a word.

use memchr::{memchr_iter, memchr2_iter};

/// A stretch of the message and the byte it begins at. It has no `Debug`: it may hold patient data.
#[derive(Clone, Copy)]
pub struct Piece<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// The offset of the first of them in the payload.
    pub at: usize,
}

impl<'a> Piece<'a> {
    /// Nothing, at a place.
    #[must_use]
    #[inline]
    pub const fn empty(at: usize) -> Self {
        Self { bytes: &[], at }
    }

    /// Whether there are no bytes: the sender says nothing about this element.
    #[must_use]
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether it is `""`: the sender says that the element has no value (to be deleted).
    #[must_use]
    #[inline]
    pub fn is_null(self) -> bool {
        self.bytes == b"\"\""
    }

    /// Whether it holds something that is neither blank nor `""`.
    #[must_use]
    #[inline]
    pub fn has_value(self) -> bool {
        !self.trim().is_empty() && !self.is_null()
    }

    /// Without spaces and control characters at both ends.
    #[must_use]
    #[inline]
    pub fn trim(self) -> Self {
        let bytes = self.bytes;
        // Most pieces have none.
        match (bytes.first(), bytes.last()) {
            (Some(&first), Some(&last)) if first > b' ' && last > b' ' => self,
            (None, _) => self,
            _ => {
                let start = bytes.iter().position(|b| *b > b' ').unwrap_or(bytes.len());
                let end = bytes.iter().rposition(|b| *b > b' ').map_or(start, |i| i + 1);
                Self { bytes: &bytes[start..end], at: self.at + start }
            }
        }
    }

    /// The first `N` parts between separators; those that are not there are empty and lie at the end.
    #[must_use]
    #[inline]
    pub fn parts<const N: usize>(self, separator: u8) -> [Self; N] {
        let mut parts = [Self::empty(self.at + self.bytes.len()); N];
        let (mut start, mut n) = (0, 0);
        let mut cut = |end: usize| {
            parts[n] = Self { bytes: &self.bytes[start..end], at: self.at + start };
            start = end + 1;
            n += 1;
            n == N
        };
        // Fields are a few bytes long, so a vector search that starts anew at each of them loses to
        // eight bytes at a time and all the hits among them.
        let (words, tail) = self.bytes.as_chunks::<8>();
        for (word_at, word) in words.iter().enumerate() {
            let mut hits = hits(u64::from_le_bytes(*word), separator);
            while hits != 0 {
                if cut(word_at * 8 + hits.trailing_zeros() as usize / 8) {
                    return parts;
                }
                hits &= hits - 1;
            }
        }
        for (i, byte) in tail.iter().enumerate() {
            if *byte == separator && cut(words.len() * 8 + i) {
                return parts;
            }
        }
        cut(self.bytes.len());
        parts
    }

    /// Every part between separators; at least one.
    pub fn split(self, separator: u8) -> impl Iterator<Item = Self> {
        let ends = memchr_iter(separator, self.bytes).chain(std::iter::once(self.bytes.len()));
        let mut start = 0;
        ends.map(move |end| {
            let piece = Self { bytes: &self.bytes[start..end], at: self.at + start };
            start = end + 1;
            piece
        })
    }

    /// The part before the first separator.
    #[must_use]
    #[inline]
    pub fn first(self, separator: u8) -> Self {
        let end = self.bytes.iter().position(|b| *b == separator).unwrap_or(self.bytes.len());
        Self { bytes: &self.bytes[..end], at: self.at }
    }

    /// Whether the separator occurs in it.
    #[must_use]
    #[inline]
    pub fn contains(self, separator: u8) -> bool {
        self.bytes.contains(&separator)
    }
}

/// The high bit of each byte of `word` that equals `byte` (Hacker's Delight, 6-1: exact, no carries
/// between bytes).
#[inline]
const fn hits(word: u64, byte: u8) -> u64 {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    let other = word ^ (byte as u64 * 0x0101_0101_0101_0101);
    !(((other & LOW) + LOW) | other | LOW)
}

/// One non-blank line of the payload: its offsets and, where it begins like a segment, the id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    start: u32,
    end: u32,
    id: [u8; 3],
}

/// The id of a line that begins like no segment.
const NO_ID: [u8; 3] = [0; 3];

impl Segment {
    /// The segment's id (`OBX`), or `None` when the line does not begin with one.
    #[must_use]
    #[inline]
    pub fn id(&self) -> Option<&[u8; 3]> {
        (self.id != NO_ID).then_some(&self.id)
    }

    /// Whether it is the named segment.
    #[must_use]
    #[inline]
    pub fn is(&self, id: &[u8; 3]) -> bool {
        self.id == *id
    }

    /// Its bytes within the payload it was found in.
    #[must_use]
    #[inline]
    pub fn line<'a>(&self, payload: &'a [u8]) -> Piece<'a> {
        Piece { bytes: &payload[self.start as usize..self.end as usize], at: self.start as usize }
    }
}

/// Finds the lines of a payload (under 4 GiB: offsets are 32 bits wide). Blank lines, a byte order
/// mark, leading and trailing spaces and control characters belong to none.
#[must_use]
pub fn segments(payload: &[u8]) -> Vec<Segment> {
    debug_assert!(u32::try_from(payload.len()).is_ok(), "the size limit is checked before");
    let mut found = Vec::with_capacity((payload.len() / 96).clamp(4, 1 << 16));
    let mut start = 0;
    for end in memchr2_iter(b'\r', b'\n', payload).chain(std::iter::once(payload.len())) {
        push_line(payload, start, end, &mut found);
        start = end + 1;
    }
    found
}

fn push_line(payload: &[u8], start: usize, end: usize, found: &mut Vec<Segment>) {
    let mut line = Piece { bytes: &payload[start..end], at: start }.trim();
    if let Some(rest) = line.bytes.strip_prefix(b"\xEF\xBB\xBF") {
        line = Piece { bytes: rest, at: line.at + 3 }.trim();
    }
    if line.is_empty() {
        return;
    }
    let id = match line.bytes {
        [a, b, c, ..]
            if a.is_ascii_uppercase()
                && (b.is_ascii_uppercase() || b.is_ascii_digit())
                && (c.is_ascii_uppercase() || c.is_ascii_digit()) =>
        {
            [*a, *b, *c]
        }
        _ => NO_ID,
    };
    found.push(Segment { start: line.at as u32, end: (line.at + line.bytes.len()) as u32, id });
}

/// The five delimiters of a message, as its MSH (or FHS, BHS) segment declares them. One that is not
/// declared is equal to the field separator, which never occurs within a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delimiters {
    /// Between fields, usually `|`.
    pub field: u8,
    /// Between components, usually `^`.
    pub component: u8,
    /// Between repetitions, usually `~`.
    pub repetition: u8,
    /// Around escape sequences, usually `\`.
    pub escape: u8,
    /// Between subcomponents, usually `&`.
    pub subcomponent: u8,
}

impl Delimiters {
    /// The delimiters that nearly every sender uses.
    pub const USUAL: Self =
        Self { field: b'|', component: b'^', repetition: b'~', escape: b'\\', subcomponent: b'&' };

    /// Reads them from the line of an MSH, FHS or BHS segment; `None` when the line declares none
    /// that could separate anything.
    #[must_use]
    pub fn declared(header: &[u8]) -> Option<Self> {
        let field = *header.get(3)?;
        let rest = &header[4..];
        let end = rest.iter().position(|b| *b == field).unwrap_or(rest.len());
        let declared = &rest[..end];
        let usable = |b: u8| b.is_ascii_punctuation();
        if !usable(field) || declared.is_empty() || !declared.iter().all(|b| usable(*b)) {
            return None;
        }
        // `^~\\&`, an escaped copy of the usual marks, doubles the escape and declares it once.
        let doubled = declared.len() > 3 && declared[2] == declared[3];
        let declared = declared.iter().enumerate().filter(|(i, _)| !(doubled && *i == 3));
        let mut marks = [field; 4];
        for (n, (_, mark)) in declared.take(4).enumerate() {
            if marks[..n].contains(mark) {
                return None;
            }
            marks[n] = *mark;
        }
        let [component, repetition, escape, subcomponent] = marks;
        Some(Self { field, component, repetition, escape, subcomponent })
    }
}
