//! The header of EDF, EDF+ (Kemp et al. 1992, Kemp & Olivan 2003) and BDF: fixed-width text.

use bedwatch_schemas::time::EventTime;

use crate::readers::{lines::latin, stamps};

/// Bytes of the fixed part, and of each signal's part.
pub const PART: usize = 256;
/// More signals than any device writes; more would be a wrong header.
const MAX_SIGNALS: usize = 4_096;
/// The largest data record read, in bytes.
const MAX_RECORD: usize = 64 << 20;

/// One signal.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Its label as written.
    pub label: String,
    /// Its physical dimension as written.
    pub dimension: String,
    /// Physical and digital minimum and maximum; `None` where they give no calibration.
    pub scale: Option<Scale>,
    /// Samples in each data record.
    pub samples: usize,
}

impl Signal {
    /// Whether it holds annotations instead of samples.
    pub fn is_annotations(&self) -> bool {
        matches!(self.label.as_str(), "EDF Annotations" | "BDF Annotations")
    }

    /// The physical value of a stored number; `NaN` without calibration.
    pub fn physical(&self, sample: i32) -> f64 {
        self.scale.map_or(f64::NAN, |scale| scale.physical(sample))
    }
}

/// `physical = gain * digital + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Physical units a digital step.
    pub gain: f64,
    /// The physical value of digital 0.
    pub offset: f64,
}

impl Scale {
    /// The physical value of a stored number.
    pub fn physical(self, sample: i32) -> f64 {
        f64::from(sample) * self.gain + self.offset
    }
}

/// The header.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Bytes of a sample: 2 (EDF) or 3 (BDF).
    pub width: usize,
    /// Start by the header; `None` where it holds no date, or one before 1985 (a dummy).
    pub start: Option<EventTime>,
    /// Whether records may have gaps between them (EDF+D).
    pub discontinuous: bool,
    /// Whether it is EDF+ or BDF+, which keep time in their annotations.
    pub plus: bool,
    /// Data records; `None` while the recording was not closed (-1).
    pub records: Option<u64>,
    /// Seconds of a data record; 0 in files of annotations only.
    pub record_secs: f64,
    /// The signals in file order.
    pub signals: Vec<Signal>,
}

/// Whether the first bytes are those of such a file.
pub fn is_edf(head: &[u8]) -> bool {
    (head.starts_with(b"0       ") || head.starts_with(b"\xFFBIOSEMI"))
        && head.len() >= PART
        && number(&head[252..256]).is_some_and(|n| n >= 1.0)
}

/// The whole header's length in bytes, from its fixed part.
pub fn length(fixed: &[u8]) -> Result<usize, &'static str> {
    if fixed.len() < PART {
        return Err("the file ends within the fixed part");
    }
    let signals = number(&fixed[252..256]).filter(|n| *n >= 1.0 && n.fract() == 0.0);
    let signals = signals.ok_or("the number of signals is not one")? as usize;
    if signals > MAX_SIGNALS {
        return Err("there are more than 4096 signals");
    }
    Ok(PART * (signals + 1))
}

/// Parses a whole header.
pub fn parse(bytes: &[u8]) -> Result<Header, &'static str> {
    let length = length(bytes)?;
    if bytes.len() < length {
        return Err("the file ends within the signals' part");
    }
    let width = match &bytes[..8] {
        b"0       " => 2,
        b"\xFFBIOSEMI" => 3,
        _ => return Err("it begins neither as EDF nor as BDF"),
    };
    let reserved = text(&bytes[192..236]);
    let records = number(&bytes[236..244]).ok_or("the number of data records is not one")?;
    let record_secs = number(&bytes[244..252]).filter(|d| (0.0..=86_400.0).contains(d));
    let signals = signals(&bytes[PART..length], length / PART - 1)?;
    let header = Header {
        width,
        start: start(bytes),
        discontinuous: reserved.starts_with("EDF+D") || reserved.starts_with("BDF+D"),
        plus: reserved.starts_with("EDF+") || reserved.starts_with("BDF+"),
        records: (records >= 0.0).then_some(records as u64),
        record_secs: record_secs.ok_or("the duration of a data record is not one")?,
        signals,
    };
    if header.record_bytes() == 0 {
        return Err("a data record holds no samples");
    }
    if header.record_bytes() > MAX_RECORD {
        return Err("a data record is larger than 64 MiB");
    }
    Ok(header)
}

impl Header {
    /// Bytes of the header.
    pub fn bytes(&self) -> usize {
        PART * (self.signals.len() + 1)
    }

    /// Bytes of a data record.
    pub fn record_bytes(&self) -> usize {
        self.signals.iter().map(|s| s.samples * self.width).sum()
    }

    /// The byte range of each annotation signal within a data record.
    pub fn annotations(&self) -> Vec<std::ops::Range<usize>> {
        let mut at = 0;
        let mut ranges = Vec::new();
        for signal in &self.signals {
            let end = at + signal.samples * self.width;
            if signal.is_annotations() {
                ranges.push(at..end);
            }
            at = end;
        }
        ranges
    }
}

/// The signals: each field stands for all signals before the next field begins.
fn signals(bytes: &[u8], count: usize) -> Result<Vec<Signal>, &'static str> {
    let mut at = 0;
    let mut column = |width: usize| -> Vec<&[u8]> {
        let fields = bytes[at..at + width * count].chunks(width).collect();
        at += width * count;
        fields
    };
    let (label, _transducer, dimension) = (column(16), column(80), column(8));
    let (pmin, pmax, dmin, dmax) = (column(8), column(8), column(8), column(8));
    let (_prefilter, samples) = (column(80), column(8));
    (0..count)
        .map(|i| {
            let samples = number(samples[i]).filter(|n| (0.0..=MAX_RECORD as f64).contains(n));
            Ok(Signal {
                label: text(label[i]),
                dimension: text(dimension[i]),
                scale: scale([pmin[i], pmax[i], dmin[i], dmax[i]].map(number)),
                samples: samples.ok_or("the number of samples of a signal is not one")? as usize,
            })
        })
        .collect()
}

/// The calibration; an inverted physical range is allowed, an empty one is none.
fn scale([pmin, pmax, dmin, dmax]: [Option<f64>; 4]) -> Option<Scale> {
    let (pmin, pmax, dmin, dmax) = (pmin?, pmax?, dmin?, dmax?);
    if dmax <= dmin || pmax == pmin {
        return None;
    }
    let gain = (pmax - pmin) / (dmax - dmin);
    Some(Scale { gain, offset: pmin - gain * dmin })
}

/// The start: the year of four digits from EDF+'s `Startdate`, else 1985 to 2084 by two digits.
fn start(bytes: &[u8]) -> Option<EventTime> {
    let (date, time, recording) = (text(&bytes[168..176]), text(&bytes[176..184]), text(&bytes[88..168]));
    let two = |t: &str, i: usize| t.get(i..i + 2).and_then(|d| d.parse::<u32>().ok());
    let (day, month, year) = (two(&date, 0), two(&date, 3), two(&date, 6));
    let by_number = match (day, month, year) {
        (Some(d), Some(m), Some(y)) => Some((if y >= 85 { 1900 + y } else { 2000 + y } as i32, m, d)),
        _ => None,
    };
    let date = full_date(&recording).or(by_number).filter(|(year, _, _)| *year >= 1985)?;
    let clock = (two(&time, 0)?, two(&time, 3)?, two(&time, 6)?);
    stamps::utc(date, clock, 0)
}

/// `Startdate DD-MMM-YYYY ...` of EDF+.
fn full_date(recording: &str) -> Option<(i32, u32, u32)> {
    const MONTHS: [&str; 12] =
        ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
    let date = recording.strip_prefix("Startdate ")?.split(' ').next()?;
    let mut parts = date.split('-');
    let (d, m, y) = (parts.next()?, parts.next()?.to_uppercase(), parts.next()?);
    let month = MONTHS.iter().position(|name| *name == m)? as u32 + 1;
    Some((y.parse().ok()?, month, d.parse().ok()?))
}

fn text(field: &[u8]) -> String {
    latin(field).trim_matches([' ', '\0']).to_owned()
}

fn number(field: &[u8]) -> Option<f64> {
    text(field).parse().ok().filter(|n: &f64| n.is_finite())
}
