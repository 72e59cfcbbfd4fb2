//! The signal files of one record or segment, read a second of frames at a time.

use std::io::{BufReader, Seek, SeekFrom};

use super::{
    flac::Flac,
    header::{Header, Shape, Signal},
    samples::{Samples, Storage},
};
use crate::readers::{
    error::Fault,
    place::{Input, Place},
    raw::NO_SAMPLE,
};

/// The most samples of a file read at once.
const MAX_AT_ONCE: usize = 1 << 20;

/// An open record: all its signals, of which some may lack their file.
pub struct Segment {
    signals: Vec<Line>,
    files: Vec<SignalFile>,
    /// Frames of the record, where known.
    frames: Option<u64>,
    done: u64,
    /// Frames read before the last portion.
    begun: u64,
    frames_at_once: usize,
    is_over: bool,
}

/// A signal, with what was read of it last.
struct Line {
    signal: Signal,
    /// Samples just read, without those before its first.
    samples: Vec<i32>,
    /// The number of the first of them since the segment's beginning.
    first: u64,
    /// Samples still to leave out: it is late in its file.
    skip: u64,
    /// The sum of differences so far (format 8).
    level: i32,
    /// The sum of all samples so far.
    sum: u16,
    is_read: bool,
}

struct SignalFile {
    /// Its place among the header's files, from 1.
    number: usize,
    source: Source,
    /// The signals it holds.
    lines: std::ops::Range<usize>,
    storage: Storage,
    per_frame: usize,
}

enum Source {
    Plain(Samples<BufReader<Input>>),
    Flac(Box<Flac>),
}

impl Segment {
    /// Opens the signal files of a header at `place`, except those of which nobody wants a signal; with the
    /// fault of each that cannot be read.
    pub fn open(
        place: &Place,
        header: &Header,
        wants: impl Fn(&Signal) -> bool,
    ) -> Result<(Self, Vec<Fault>), Fault> {
        let Shape::Signals(signals) = &header.shape else {
            return Err(Fault::Unsupported("a segment made of segments".into()));
        };
        let mut lines: Vec<Line> = signals.iter().cloned().map(Line::new).collect();
        let (mut files, mut lacks, mut at) = (Vec::new(), Vec::new(), 0);
        for (number, group) in signals.chunk_by(|a, b| a.file == b.file && a.has_file()).enumerate() {
            let range = at..at + group.len();
            at = range.end;
            if !group[0].has_file() || !group.iter().any(&wants) {
                continue;
            }
            match SignalFile::open(place, number + 1, group, range.clone()) {
                Ok(file) => {
                    files.push(file);
                    lines[range].iter_mut().for_each(|line| line.is_read = true);
                }
                Err(fault) => lacks.push(fault),
            }
        }
        // About a second, and no more samples at once than fit in a few megabytes.
        let widest = files.iter().map(|f| f.per_frame).max().unwrap_or(1);
        let most = (MAX_AT_ONCE / widest).max(1);
        let frames_at_once = (header.frame_hz.ceil() as usize).clamp(1, most);
        let (frames, is_over) = (header.frames, files.is_empty() || header.frames == Some(0));
        Ok((Self { signals: lines, files, frames, done: 0, begun: 0, frames_at_once, is_over }, lacks))
    }

    /// Its signals in the header's order.
    pub fn signals(&self) -> impl Iterator<Item = &Signal> {
        self.signals.iter().map(|line| &line.signal)
    }

    /// A signal by its place in the header.
    pub fn signal(&self, number: usize) -> &Signal {
        &self.signals[number].signal
    }

    /// Whether a signal's file is open.
    pub fn reads(&self, number: usize) -> bool {
        self.signals[number].is_read
    }

    /// Whether no signal file is open.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The samples of a signal that were read last, and the number of the first of them at its own rate.
    pub fn samples(&self, number: usize) -> (u64, &[i32]) {
        let line = &self.signals[number];
        (line.first, &line.samples)
    }

    /// Frames before those that were read last.
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// Frames read.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Whether nothing follows.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Reads about a second, and gives the faults that were found in it: the segment ends with them.
    pub fn read(&mut self) -> Vec<Fault> {
        let left = self.frames.map_or(u64::MAX, |n| n - self.done.min(n));
        let wanted = left.min(self.frames_at_once as u64) as usize;
        self.signals.iter_mut().for_each(Line::clear);
        let (mut got, mut faults) = (wanted, Vec::new());
        for file in &mut self.files {
            let (frames, fault) = file.read(wanted, &mut self.signals[file.lines.clone()]);
            if frames < wanted && fault.is_none() && self.frames.is_some() {
                let missing = left - frames as u64;
                let why = format!("signal file {} ends {missing} frames before its header says", file.number);
                faults.push(Fault::Record(why));
            }
            faults.extend(fault);
            got = got.min(frames);
        }
        (self.begun, self.done) = (self.done, self.done + got as u64);
        self.is_over = got < wanted || Some(self.done) == self.frames || !faults.is_empty();
        if self.is_over && faults.is_empty() {
            faults = self.differing();
        }
        faults
    }

    /// The signals whose samples, all of them read, have another sum than their header says.
    fn differing(&self) -> Vec<Fault> {
        // header(5): the sum is compared where the header says how many samples there are.
        if self.frames.is_none_or(|n| n != self.done) {
            return Vec::new();
        }
        let lines = self.signals.iter().enumerate().filter(|(_, line)| line.is_read);
        let differ = lines.filter(|(_, l)| l.signal.checksum.is_some_and(|sum| sum != l.sum));
        let told = |i: usize| format!("the checksum of signal {} is another than its header says", i + 1);
        differ.map(|(i, _)| Fault::Record(told(i))).collect()
    }
}

impl Line {
    fn new(signal: Signal) -> Self {
        let skip = signal.skew * signal.per_frame as u64;
        let level = signal.initial;
        Self { signal, samples: Vec::new(), first: 0, skip, level, sum: 0, is_read: false }
    }

    fn clear(&mut self) {
        self.first += self.samples.len() as u64;
        self.samples.clear();
    }

    fn push(&mut self, stored: i32, storage: Storage) {
        let mut sample = stored;
        if storage == Storage::F8 {
            self.level = self.level.wrapping_add(stored);
            sample = self.level;
        }
        self.sum = self.sum.wrapping_add(sample as u16);
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        self.samples.push(if storage.invalid() == Some(sample) { NO_SAMPLE } else { sample });
    }
}

impl SignalFile {
    fn open(
        place: &Place,
        number: usize,
        signals: &[Signal],
        lines: std::ops::Range<usize>,
    ) -> Result<Self, Fault> {
        let first = &signals[0];
        let storage = Storage::of(first.format);
        let storage = storage.ok_or_else(|| Fault::Unsupported(format!("signal format {}", first.format)))?;
        if signals.iter().any(|s| s.format != first.format) {
            return Err(Fault::Unsupported("one signal file in several formats".into()));
        }
        let io = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::NotFound => Fault::Missing(format!("signal file {number} of the header")),
            kind => Fault::Io(kind),
        };
        let mut file = place.with_file_name(&first.file).open().map_err(io)?;
        let source = match storage.flac_bits() {
            Some(bits) => {
                if signals.iter().any(|s| s.per_frame != first.per_frame) {
                    return Err(Fault::Header("signals of one FLAC stream at several rates".into()));
                }
                let flac = Flac::open(file, bits, signals.len(), first.per_frame, first.offset)?;
                Source::Flac(Box::new(flac))
            }
            None => {
                file.seek(SeekFrom::Start(first.offset)).map_err(io)?;
                Source::Plain(Samples::new(BufReader::new(file), storage))
            }
        };
        let per_frame = signals.iter().map(|s| s.per_frame).sum();
        Ok(Self { number, source, lines, storage, per_frame })
    }

    /// Reads up to `frames` frames and says how many whole ones there were, and what ended them early.
    fn read(&mut self, frames: usize, lines: &mut [Line]) -> (usize, Option<Fault>) {
        let (samples, fault) = match &mut self.source {
            Source::Plain(samples) => samples.take(frames * self.per_frame),
            Source::Flac(flac) => flac.take(frames),
        };
        let mut whole = 0;
        for frame in samples.chunks_exact(self.per_frame) {
            let mut rest = frame;
            for line in &mut *lines {
                let (own, others) = rest.split_at(line.signal.per_frame);
                rest = others;
                own.iter().for_each(|&sample| line.push(sample, self.storage));
            }
            whole += 1;
        }
        (whole, fault)
    }
}
