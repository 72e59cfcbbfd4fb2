//! The signal files of one record or segment, read a second of frames at a time.

use std::{
    collections::BTreeMap,
    io::{self, BufReader, Seek, SeekFrom},
};

use bedwatch_schemas::waveform::SampleRate;

use super::{
    header::{Header, Shape, Signal},
    samples::{Samples, Storage},
};
use crate::readers::{
    blocks::{Blocks, Slot},
    channels::{self, LEAST_RATE_HZ, Meaning},
    error::Fault,
    place::{Input, Place},
};

/// The most samples of a file read at once.
const MAX_AT_ONCE: usize = 1 << 20;

/// An open record.
pub struct Segment {
    files: Vec<SignalFile>,
    /// Frames of the record, where known.
    frames: Option<u64>,
    done: u64,
    frames_at_once: usize,
}

struct SignalFile {
    samples: Samples<BufReader<Input>>,
    channels: Vec<Channel>,
    per_frame: usize,
}

/// A signal within its file; `take` where the engine takes it.
struct Channel {
    per_frame: usize,
    storage: Storage,
    /// The sum of differences so far (format 8).
    sum: i32,
    take: Option<Take>,
}

struct Take {
    slot: Slot,
    gain: f64,
    baseline: f64,
    /// Samples to leave out before the first: the signal is late in its file.
    skip: u64,
}

impl Segment {
    /// Opens the signal files of a header at `place` and adds the channels taken to `blocks`; those left
    /// out are counted by reason.
    pub fn open(
        place: &Place,
        header: &Header,
        blocks: &mut Blocks,
        counts: &mut BTreeMap<&'static str, u64>,
    ) -> Result<Self, Fault> {
        let Shape::Signals(signals) = &header.shape else {
            return Err(Fault::Unsupported("a segment made of segments".into()));
        };
        let mut files = Vec::new();
        let mut lacking = None;
        for (number, group) in signals.chunk_by(|a, b| a.file == b.file && a.file != "~").enumerate() {
            match open_file(place, header, group, blocks, counts) {
                Ok(file) => files.extend(file),
                Err(Fault::Io(io::ErrorKind::NotFound)) => {
                    *counts.entry("wfdb.channel_of_missing_file").or_default() += group.len() as u64;
                    lacking = Some(Fault::Missing(format!("signal file {} of the header", number + 1)));
                }
                Err(Fault::Unsupported(what)) => {
                    *counts.entry("wfdb.channel_of_unread_format").or_default() += group.len() as u64;
                    lacking = Some(Fault::Unsupported(what));
                }
                Err(fault) => return Err(fault),
            }
        }
        if let (true, Some(fault)) = (files.is_empty(), lacking) {
            return Err(fault);
        }
        // About a second, and no more samples at once than fit in a few megabytes.
        let widest = files.iter().map(|f| f.per_frame).max().unwrap_or(1);
        let most = (MAX_AT_ONCE / widest).max(1);
        let frames_at_once = (header.frame_hz.ceil() as usize).clamp(1, most);
        Ok(Self { files, frames: header.frames, done: 0, frames_at_once })
    }

    /// Frames read.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Frames that the header promised and the files did not hold.
    pub fn missing(&self) -> u64 {
        if self.files.is_empty() { 0 } else { self.frames.map_or(0, |n| n.saturating_sub(self.done)) }
    }

    /// Reads about a second; false at the end.
    pub fn read(&mut self, blocks: &mut Blocks) -> io::Result<bool> {
        let left = self.frames.map_or(u64::MAX, |n| n - self.done.min(n));
        let wanted = left.min(self.frames_at_once as u64) as usize;
        if wanted == 0 || self.files.is_empty() {
            return Ok(false);
        }
        let mut got = wanted;
        for file in &mut self.files {
            got = got.min(file.read(wanted, blocks)?);
        }
        self.done += got as u64;
        Ok(got == wanted)
    }
}

/// One signal file; `None` where the engine takes none of its channels.
fn open_file(
    place: &Place,
    header: &Header,
    signals: &[Signal],
    blocks: &mut Blocks,
    counts: &mut BTreeMap<&'static str, u64>,
) -> Result<Option<SignalFile>, Fault> {
    let mut wanted = Vec::new();
    for signal in signals {
        let meaning = meaning(signal, header.frame_hz);
        if let Err(why) = &meaning {
            *counts.entry(why).or_default() += 1;
        }
        wanted.push(meaning.ok());
    }
    if wanted.iter().all(Option::is_none) {
        return Ok(None);
    }
    let first = &signals[0];
    let storage = Storage::of(first.format);
    let storage = storage.ok_or_else(|| Fault::Unsupported(format!("signal format {}", first.format)))?;
    if signals.iter().any(|s| s.format != first.format) {
        return Err(Fault::Unsupported("one signal file in several formats".into()));
    }
    let mut file = place.with_file_name(&first.file).open().map_err(|e| Fault::Io(e.kind()))?;
    file.seek(SeekFrom::Start(first.offset)).map_err(|e| Fault::Io(e.kind()))?;
    let channels = signals.iter().zip(wanted).map(|(signal, wanted)| Channel {
        per_frame: signal.per_frame,
        storage,
        sum: signal.initial,
        take: wanted.map(|(meaning, rate, gain)| Take {
            slot: blocks.channel(meaning, rate),
            gain,
            baseline: signal.baseline,
            skip: signal.skew * signal.per_frame as u64,
        }),
    });
    Ok(Some(SignalFile {
        channels: channels.collect(),
        samples: Samples::new(BufReader::new(file), storage),
        per_frame: signals.iter().map(|s| s.per_frame).sum(),
    }))
}

/// What a signal is, its rate and steps a unit of its kind; or why it is left out.
fn meaning(signal: &Signal, frame_hz: f64) -> Result<(Meaning, SampleRate, f64), &'static str> {
    let meaning = channels::meaning(&signal.description).ok_or("wfdb.channel_of_other_kind")?;
    let rate = SampleRate::new(frame_hz * signal.per_frame as f64).ok();
    let rate = rate.filter(|r| r.hz() >= LEAST_RATE_HZ).ok_or("wfdb.channel_too_slow")?;
    let gain = signal.gain.ok_or("wfdb.channel_without_calibration")?;
    let factor = channels::factor(meaning.kind, &signal.unit).ok_or("wfdb.channel_of_unknown_unit")?;
    Ok((meaning, rate, gain / factor))
}

impl SignalFile {
    /// Reads up to `frames` frames and says how many whole ones there were.
    fn read(&mut self, frames: usize, blocks: &mut Blocks) -> io::Result<usize> {
        let samples = self.samples.take(frames * self.per_frame)?;
        let mut whole = 0;
        for frame in samples.chunks_exact(self.per_frame) {
            let mut at = 0;
            for channel in &mut self.channels {
                channel.push(&frame[at..at + channel.per_frame], blocks);
                at += channel.per_frame;
            }
            whole += 1;
        }
        Ok(whole)
    }
}

impl Channel {
    fn push(&mut self, samples: &[i32], blocks: &mut Blocks) {
        for &stored in samples {
            let mut sample = stored;
            if self.storage == Storage::F8 {
                self.sum = self.sum.wrapping_add(stored);
                sample = self.sum;
            }
            let Some(take) = &mut self.take else { continue };
            if take.skip > 0 {
                take.skip -= 1;
                continue;
            }
            let value = if self.storage.invalid() == Some(sample) {
                f32::NAN
            } else {
                ((f64::from(sample) - take.baseline) / take.gain) as f32
            };
            blocks.buffer(take.slot).push(value);
        }
    }
}
