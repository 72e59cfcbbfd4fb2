//! The frame: `0B`, the message, `1C 0D`.
//!
//! What is not so is never guessed at and always counted: bytes between frames are skipped; a start
//! within a frame ends the frame before it as broken, because the alternative is two patients in one
//! message; a frame over the limit is dropped up to its end while it comes, so that no more than the
//! limit is ever held. A lone `1C` belongs to the message, except before a start, where a sender has
//! left out the `0D`.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use memchr::memchr2_iter;
use tokio_util::codec::{Decoder, Encoder};

/// Begins a frame (VT).
pub const START: u8 = 0x0B;
/// Ends a frame's content (FS).
pub const END: u8 = 0x1C;
/// Follows [`END`].
pub const CARRIAGE: u8 = 0x0D;

/// The longest message taken by default, in bytes: the decoder's own limit.
pub const DEFAULT_LIMIT: usize = crate::hl7::MAX_BYTES;
/// So much of a dropped frame is handed on, for its MSH segment to be answered.
pub const HEAD: usize = 1_024;
/// A buffer that grew over this is given back when it is empty.
const KEPT: usize = 64 << 10;

/// What came out of the stream.
#[derive(Clone, PartialEq, Eq)]
pub enum Item {
    /// A message, without its framing; never empty.
    Frame(Bytes),
    /// A frame over the limit was cut off; its first [`HEAD`] bytes. The rest is dropped as it comes.
    TooLarge(Bytes),
}

impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Frame(bytes) => write!(f, "Frame({} bytes)", bytes.len()),
            Self::TooLarge(_) => f.write_str("TooLarge"),
        }
    }
}

/// What was read so far. Every byte of the stream is in a frame, framing, or counted here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages.
    pub frames: u64,
    /// Frames without content.
    pub empty: u64,
    /// Bytes outside frames, line ends between them included.
    pub stray_bytes: u64,
    /// Frames that broke off: another began, or the stream ended.
    pub broken: u64,
    /// Content bytes of those.
    pub broken_bytes: u64,
    /// Frames over the limit.
    pub too_large: u64,
    /// Content bytes of those, dropped.
    pub too_large_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No frame has begun.
    Between,
    /// In a frame, whose content begins the buffer; so many bytes of it have been looked at.
    Within { seen: usize },
    /// In a frame that is being dropped.
    Dropping,
}

/// What a mark within a frame means.
enum Mark {
    /// The content ends here; so many bytes of framing follow.
    End { framing: usize },
    /// Another frame begins here.
    Start,
    /// The next byte decides.
    Undecided,
}

/// The codec of one connection.
#[derive(Debug)]
pub struct Codec {
    limit: usize,
    state: State,
    counts: Counts,
}

impl Default for Codec {
    fn default() -> Self {
        Self::new(DEFAULT_LIMIT)
    }
}

impl Codec {
    /// A codec that takes messages of up to `limit` bytes (at least 1).
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), state: State::Between, counts: Counts::default() }
    }

    /// What was read so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many frames have begun.
    #[must_use]
    pub fn begun(&self) -> u64 {
        let c = &self.counts;
        c.frames + c.empty + c.broken + c.too_large + u64::from(matches!(self.state, State::Within { .. }))
    }

    /// Whether a frame has begun and not ended: the peer is in the middle of a message.
    #[must_use]
    pub fn is_within(&self) -> bool {
        self.state != State::Between
    }

    /// Skips to the next start. Whether there is one.
    fn skip(&mut self, src: &mut BytesMut) -> bool {
        let start = memchr::memchr(START, src);
        let stray = start.unwrap_or(src.len());
        self.counts.stray_bytes += stray as u64;
        src.advance(stray + usize::from(start.is_some()));
        if start.is_some() {
            self.state = State::Within { seen: 0 };
        }
        start.is_some()
    }

    /// Looks for the end of the frame that begins the buffer. `Some(None)`: go on with another state.
    fn within(&mut self, src: &mut BytesMut, seen: usize) -> Option<Option<Item>> {
        let window = &src[..src.len().min(self.limit + 2)];
        for at in memchr2_iter(START, END, &window[seen..]).map(|at| at + seen) {
            if at > self.limit {
                break;
            }
            match mark(window, at) {
                Some(Mark::Undecided) => {
                    self.state = State::Within { seen: at };
                    return None;
                }
                Some(Mark::End { framing }) => return Some(self.finish(src, at, framing)),
                Some(Mark::Start) => {
                    self.counts.broken += 1;
                    self.counts.broken_bytes += at as u64;
                    src.advance(at + 1);
                    self.state = State::Within { seen: 0 };
                    return Some(None);
                }
                None => {}
            }
        }
        if window.len() <= self.limit {
            self.state = State::Within { seen: window.len() };
            return None;
        }
        self.counts.too_large += 1;
        self.counts.too_large_bytes += self.limit as u64 + 1;
        let head = Bytes::copy_from_slice(&src[..self.limit.min(HEAD)]);
        src.advance(self.limit + 1);
        self.state = State::Dropping;
        Some(Some(Item::TooLarge(head)))
    }

    /// Takes the message out of the buffer.
    fn finish(&mut self, src: &mut BytesMut, length: usize, framing: usize) -> Option<Item> {
        let content = src.split_to(length).freeze();
        src.advance(framing);
        self.state = State::Between;
        if content.is_empty() {
            self.counts.empty += 1;
            return None;
        }
        self.counts.frames += 1;
        Some(Item::Frame(content))
    }

    /// Drops what is there of a frame over the limit. Whether its end was found.
    fn drop_rest(&mut self, src: &mut BytesMut) -> bool {
        for at in memchr2_iter(START, END, src) {
            let (framing, next) = match mark(src, at) {
                Some(Mark::End { framing }) => (framing, State::Between),
                Some(Mark::Start) => (1, State::Within { seen: 0 }),
                Some(Mark::Undecided) => {
                    self.counts.too_large_bytes += at as u64;
                    src.advance(at);
                    return false;
                }
                None => continue,
            };
            self.counts.too_large_bytes += at as u64;
            src.advance(at + framing);
            self.state = next;
            return true;
        }
        self.counts.too_large_bytes += src.len() as u64;
        src.clear();
        false
    }
}

/// The meaning of the [`START`] or [`END`] at `at`; `None`: it belongs to the content.
fn mark(bytes: &[u8], at: usize) -> Option<Mark> {
    if bytes[at] == START {
        return Some(Mark::Start);
    }
    match bytes.get(at + 1) {
        Some(&CARRIAGE) => Some(Mark::End { framing: 2 }),
        Some(&START) => Some(Mark::End { framing: 1 }),
        Some(_) => None,
        None => Some(Mark::Undecided),
    }
}

impl Decoder for Codec {
    type Item = Item;
    type Error = io::Error;

    /// The next message; never an error.
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Item>, io::Error> {
        loop {
            let more = match self.state {
                State::Between => self.skip(src),
                State::Dropping => self.drop_rest(src),
                State::Within { seen } => match self.within(src, seen) {
                    Some(Some(item)) => return Ok(Some(item)),
                    Some(None) => true,
                    None => false,
                },
            };
            if !more {
                if src.is_empty() && src.capacity() > KEPT {
                    *src = BytesMut::new();
                }
                return Ok(None);
            }
        }
    }

    /// The last messages at the end of the stream; a frame without an end is broken.
    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Item>, io::Error> {
        if let Some(item) = self.decode(src)? {
            return Ok(Some(item));
        }
        match self.state {
            State::Between => {}
            State::Within { .. } => {
                self.counts.broken += 1;
                self.counts.broken_bytes += src.len() as u64;
            }
            State::Dropping => self.counts.too_large_bytes += src.len() as u64,
        }
        src.clear();
        self.state = State::Between;
        Ok(None)
    }
}

impl Encoder<&[u8]> for Codec {
    type Error = io::Error;

    /// Frames a message.
    ///
    /// # Errors
    /// `InvalidData` when the message holds a framing byte, which would end it early.
    fn encode(&mut self, message: &[u8], dst: &mut BytesMut) -> Result<(), io::Error> {
        if memchr::memchr2(START, END, message).is_some() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message holds an MLLP framing byte"));
        }
        dst.reserve(message.len() + 3);
        dst.put_u8(START);
        dst.put_slice(message);
        dst.put_slice(&[END, CARRIAGE]);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
