//! Signal files that are FLAC streams (signal(5): formats 508, 516 and 524).
//!
//! A stream has a channel for each signal of the file, and as many samples a frame in each. The decoder
//! checks each block's checksum: a damaged block is an error, never other samples.

use std::io::{self, BufReader};

use flac_codec::{decode::FlacSampleReader, metadata::Metadata};

use crate::readers::{error::Fault, place::Input};

/// The samples of a stream in the order of an uncompressed signal file.
pub struct Flac {
    stream: FlacSampleReader<BufReader<Input>>,
    channels: usize,
    per_frame: usize,
    /// Samples of all channels that were decoded and not asked for yet.
    kept: Vec<i32>,
    /// Samples of each channel to leave out first.
    skip: u64,
}

impl Flac {
    /// Opens a stream of `channels` signals with `per_frame` samples a frame and at most `bits`, from its
    /// sample number `first` on.
    pub fn open(
        input: Input,
        bits: u32,
        channels: usize,
        per_frame: usize,
        first: u64,
    ) -> Result<Self, Fault> {
        let stream = FlacSampleReader::new(BufReader::new(input)).map_err(|e| fault(&e))?;
        let (found, depth) =
            (usize::from(stream.metadata().channel_count()), stream.metadata().bits_per_sample());
        if found != channels {
            let why = format!("a FLAC stream of {found} channels where the header has {channels} signals");
            return Err(Fault::Header(why));
        }
        if depth > bits {
            return Err(Fault::Header(format!("a FLAC stream of {depth} bits in a format of {bits}")));
        }
        Ok(Self { stream, channels, per_frame, kept: Vec::new(), skip: first })
    }

    /// The next `frames` frames, signal by signal within each; fewer at the end of the stream, and with the
    /// fault where it cannot be decoded further.
    pub fn take(&mut self, frames: usize) -> (Vec<i32>, Option<Fault>) {
        let frame = self.channels * self.per_frame;
        let mut failed = None;
        while self.kept.len() < frames * frame {
            let block = match self.stream.fill_buf() {
                Ok([]) => break,
                Ok(block) => block,
                Err(e) => {
                    failed = Some(fault(&e));
                    break;
                }
            };
            let length = block.len();
            let most = usize::try_from(self.skip).unwrap_or(usize::MAX).saturating_mul(self.channels);
            let left_out = length.min(most);
            self.kept.extend_from_slice(&block[left_out..]);
            self.skip -= (left_out / self.channels) as u64;
            self.stream.consume(length);
        }
        let whole = (self.kept.len() / frame).min(frames);
        let samples: Vec<i32> = self.kept.drain(..whole * frame).collect();
        // A stream goes sample by sample through its channels, a signal file frame by frame.
        let mut out = Vec::with_capacity(samples.len());
        for frame in samples.chunks_exact(frame) {
            for channel in 0..self.channels {
                out.extend(frame.iter().skip(channel).step_by(self.channels));
            }
        }
        (out, failed)
    }
}

fn fault(error: &flac_codec::Error) -> Fault {
    match error {
        flac_codec::Error::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            Fault::Record("its FLAC stream is cut short".into())
        }
        flac_codec::Error::Io(e) => Fault::Io(e.kind()),
        flac_codec::Error::MissingFlacTag => {
            Fault::Header("a FLAC format whose file is no FLAC stream".into())
        }
        flac_codec::Error::Crc8Mismatch | flac_codec::Error::Crc16Mismatch => {
            Fault::Record("a block of its FLAC stream does not fit its checksum".into())
        }
        _ => Fault::Record("its FLAC stream cannot be decoded from here on".into()),
    }
}
