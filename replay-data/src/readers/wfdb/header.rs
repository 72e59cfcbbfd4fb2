//! The text header of a WFDB record: header(5).

use bedwatch_schemas::time::EventTime;

use crate::readers::{raw::NO_SAMPLE, stamps};

/// More samples of one signal in a frame than any record has.
const MAX_PER_FRAME: usize = 100_000;

/// A header.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Frames a second.
    pub frame_hz: f64,
    /// Frames of the record; `None` where the header does not say.
    pub frames: Option<u64>,
    /// The start, where the header has a date and a time.
    pub start: Option<EventTime>,
    /// Signals, or the segments of a record put together.
    pub shape: Shape,
    /// Comments after the first line that is none.
    pub comments: Vec<String>,
}

/// What a record is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Signals in files.
    Signals(Vec<Signal>),
    /// Other records, one after the other.
    Segments(Vec<Part>),
}

/// A segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its record's name; `None` for a gap.
    pub name: Option<String>,
    /// Its frames.
    pub frames: u64,
}

/// A signal.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// The file its samples stand in; `~` for none.
    pub file: String,
    /// The storage format's number.
    pub format: u32,
    /// Samples in each frame.
    pub per_frame: usize,
    /// Frames by which the signal is late in its file.
    pub skew: u64,
    /// Bytes before the first sample.
    pub offset: u64,
    /// Steps a physical unit; `None` where it is not calibrated.
    pub gain: Option<f64>,
    /// The sample at physical zero.
    pub baseline: f64,
    /// The physical unit; mV where the header is silent, as header(5) says.
    pub unit: String,
    /// The value that first differences (format 8) count from; the zero where the header is silent.
    pub initial: i32,
    /// The sum of all samples to 16 bits; `None` where the header has none, or 0, which writers put there
    /// as a placeholder.
    pub checksum: Option<u16>,
    /// What it is.
    pub description: String,
}

impl Signal {
    /// Whether its samples stand in a file; a layout's signals, and those of format 0, have none.
    pub fn has_file(&self) -> bool {
        self.file != "~" && self.format != 0
    }

    /// The physical value of a stored number; `NaN` where there is no sample or no calibration.
    pub fn physical(&self, sample: i32) -> f64 {
        match self.gain {
            Some(gain) if sample != NO_SAMPLE => (f64::from(sample) - self.baseline) / gain,
            _ => f64::NAN,
        }
    }
}

/// Whether the first line that is no comment is a record line.
pub fn begins(text: &str) -> bool {
    lines(text).next().is_some_and(|line| record(line).is_ok())
}

/// Parses a header.
pub fn parse(text: &str) -> Result<Header, String> {
    let mut lines = lines(text);
    let first = lines.next().ok_or("it is empty")?;
    let (mut header, segments, signals) = record(first)?;
    let rest: Vec<&str> = lines.collect();
    let wanted = segments.unwrap_or(signals);
    if rest.len() < wanted {
        return Err(format!("{} lines follow where {wanted} were promised", rest.len()));
    }
    header.shape = if segments.is_some() {
        Shape::Segments(numbered(&rest[..wanted], "segment", segment)?)
    } else {
        Shape::Signals(numbered(&rest[..wanted], "signal", signal)?)
    };
    let after = text.lines().skip_while(|l| !is_data(l)).filter_map(|l| l.trim().strip_prefix('#'));
    header.comments = after.map(|c| c.trim().to_owned()).collect();
    Ok(header)
}

fn is_data(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|l| is_data(l))
}

fn numbered<T>(
    lines: &[&str],
    what: &str,
    parse: fn(&str) -> Result<T, &'static str>,
) -> Result<Vec<T>, String> {
    let parsed = lines.iter().enumerate();
    parsed.map(|(i, l)| parse(l).map_err(|why| format!("{what} {}: {why}", i + 1))).collect()
}

/// `name[/segments] signals [rate[/counter] [frames [time [date]]]]`.
fn record(line: &str) -> Result<(Header, Option<usize>, usize), &'static str> {
    let mut words = line.split_whitespace();
    let name = words.next().ok_or("there is no record line")?;
    let segments = match name.split_once('/') {
        Some((_, n)) => Some(n.parse().map_err(|_| "the number of segments is not one")?),
        None => None,
    };
    let signals = words.next().ok_or("there is no number of signals")?;
    let signals: usize = signals.parse().map_err(|_| "the number of signals is not one")?;
    let rate = words.next().unwrap_or("250");
    let rate = rate.split(['/', '(']).next().and_then(|r| r.parse::<f64>().ok());
    let frame_hz = rate.filter(|r| (1e-6..=1e6).contains(r)).ok_or("the rate is not one")?;
    let frames = match words.next() {
        Some(n) => Some(n.parse().map_err(|_| "the number of frames is not one")?),
        None => None,
    };
    let (time, date) = (words.next(), words.next());
    let start = time.and_then(clock).zip(date.and_then(day)).and_then(|(t, d)| stamps::utc(d, t.0, t.1));
    let header = Header {
        frame_hz,
        // 0 frames of a record of signals means that the length is not known.
        frames: frames.filter(|n| *n > 0),
        start,
        shape: Shape::Signals(Vec::new()),
        comments: Vec::new(),
    };
    Ok((header, segments, signals))
}

/// `[[HH:]MM:]SS[.sss]`.
fn clock(text: &str) -> Option<((u32, u32, u32), u32)> {
    let full = match text.matches(':').count() {
        0 => format!("0:0:{text}"),
        1 => format!("0:{text}"),
        _ => text.to_owned(),
    };
    stamps::clock(&full)
}

/// `DD/MM/YYYY`.
fn day(text: &str) -> Option<(i32, u32, u32)> {
    let mut parts = text.split('/').map(|p| p.parse::<u32>().ok());
    let (d, m, y) = (parts.next()??, parts.next()??, parts.next()??);
    (parts.next().is_none() && y >= 1_000).then_some((y as i32, m, d))
}

/// `name frames`.
fn segment(line: &str) -> Result<Part, &'static str> {
    let (name, frames) = line.split_once(char::is_whitespace).ok_or("it has no number of frames")?;
    let frames = frames.split_whitespace().next().and_then(|n| n.parse().ok());
    if name != "~" && !is_plain(name) {
        return Err("its name is no plain file name");
    }
    Ok(Part {
        name: (name != "~").then(|| name.to_owned()),
        frames: frames.filter(|n| *n <= 1 << 48).ok_or("its number of frames is not one")?,
    })
}

/// A name that cannot lead out of the header's folder.
fn is_plain(name: &str) -> bool {
    !name.contains(['/', '\\', ':']) && !name.starts_with('.')
}

/// `file format[xN][:skew][+offset] [gain[(baseline)][/unit] [bits [zero [initial [sum [block [text]]]]]]]`.
fn signal(line: &str) -> Result<Signal, &'static str> {
    let mut rest = line;
    let mut word = || {
        rest = rest.trim_start();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        (!word.is_empty()).then_some(word)
    };
    let file = word().ok_or("it has no file")?.to_owned();
    if file != "~" && !is_plain(&file) {
        return Err("its file is no plain file name");
    }
    let (format, per_frame, skew, offset) = storage(word().ok_or("it has no format")?)?;
    let (gain, baseline, unit) = calibration(word().unwrap_or("0"))?;
    let _bits = word();
    let mut number = || word().map(|w| w.parse::<i32>().map_err(|_| "a number is not one")).transpose();
    let (zero, initial) = (number()?.unwrap_or(0), number()?);
    let (sum, _block) = (word().and_then(|w| w.parse::<i64>().ok()), word());
    Ok(Signal {
        file,
        format,
        per_frame,
        skew,
        offset,
        gain,
        baseline: baseline.unwrap_or(f64::from(zero)),
        unit,
        initial: initial.unwrap_or(zero),
        // Some writers give it signed, others not: the low 16 bits are the same.
        checksum: sum.map(|sum| sum as u16).filter(|sum| *sum != 0),
        description: rest.trim().to_owned(),
    })
}

fn storage(word: &str) -> Result<(u32, usize, u64, u64), &'static str> {
    let ends = |c: char| matches!(c, 'x' | ':' | '+');
    let (format, mut rest) = word.split_at(word.find(ends).unwrap_or(word.len()));
    let format = format.parse().map_err(|_| "its format is not a number")?;
    let (mut per_frame, mut skew, mut offset) = (1, 0, 0);
    while let Some(what) = rest.chars().next() {
        let end = rest[1..].find(ends).map_or(rest.len(), |i| i + 1);
        let number: u64 = rest[1..end].parse().map_err(|_| "its format has a part that is not a number")?;
        match what {
            'x' => per_frame = number as usize,
            ':' => skew = number,
            _ => offset = number,
        }
        rest = &rest[end..];
    }
    if !(1..=MAX_PER_FRAME).contains(&per_frame) || skew > 1 << 32 {
        return Err("its samples in a frame or its skew are out of range");
    }
    Ok((format, per_frame, skew, offset))
}

fn calibration(word: &str) -> Result<(Option<f64>, Option<f64>, String), &'static str> {
    let (number, unit) = word.split_once('/').unwrap_or((word, "mV"));
    let (gain, baseline) = match number.split_once('(') {
        Some((gain, baseline)) => {
            let baseline = baseline.trim_end_matches(')').parse::<f64>();
            (gain, Some(baseline.map_err(|_| "its baseline is not a number")?))
        }
        None => (number, None),
    };
    let gain: f64 = gain.parse().map_err(|_| "its gain is not a number")?;
    Ok((Some(gain).filter(|g| g.is_finite() && *g != 0.0), baseline, unit.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_with_everything() {
        let text = "# before\nx 2 360/720(0) 650000 1:02:03.5 26/10/1994\n\nx.dat 212x4:3+24 200(1024)/mV 11 1000 995 -22131 0 ECG lead II\n\
                    y.dat 16 0\n#Asystole\n# True alarm\n";
        let h = parse(text).unwrap();
        assert_eq!((h.frame_hz, h.frames), (360.0, Some(650_000)));
        assert_eq!(h.start.unwrap().to_string(), "1994-10-26T01:02:03.500Z");
        assert_eq!(h.comments, ["Asystole", "True alarm"]);
        let Shape::Signals(signals) = h.shape else { panic!() };
        let first = Signal {
            file: "x.dat".into(),
            format: 212,
            per_frame: 4,
            skew: 3,
            offset: 24,
            gain: Some(200.0),
            baseline: 1024.0,
            unit: "mV".into(),
            initial: 995,
            checksum: Some(43_405),
            description: "ECG lead II".into(),
        };
        assert_eq!(signals[0], first);
        assert_eq!((signals[1].gain, signals[1].baseline, signals[1].unit.as_str()), (None, 0.0, "mV"));
    }

    #[test]
    fn baselines_and_times() {
        let Shape::Signals(s) = parse("x 1\nx.dat 16 1.893e+05 16 7\n").unwrap().shape else { panic!() };
        assert_eq!((s[0].gain, s[0].baseline, s[0].initial), (Some(189_300.0), 7.0, 7));
        for (sum, want) in [("-22131", Some(43_405)), ("43405", Some(43_405)), ("0", None), ("", None)] {
            let text = format!("x 1\nx.dat 16 1 16 0 0 {sum}\n");
            let Shape::Signals(s) = parse(&text).unwrap().shape else { panic!() };
            assert_eq!(s[0].checksum, want, "{sum}");
        }
        let start = |rest: &str| parse(&format!("x 0 1 1 {rest}\n")).unwrap().start.map(|t| t.to_string());
        assert_eq!(start("31:51.982 10/10/2896").as_deref(), Some("2896-10-10T00:31:51.982Z"));
        assert_eq!(start("5 01/02/2003").as_deref(), Some("2003-02-01T00:00:05Z"));
        assert_eq!(start("12:00:00"), None);
        assert_eq!(start("12:00:00 31/02/2003"), None);
    }

    #[test]
    fn segments() {
        let h = parse("x/3 4 125 100\nlayout 0\n~ 40\nx1 60\n").unwrap();
        let part = |name: Option<&str>, frames| Part { name: name.map(Into::into), frames };
        let want = vec![part(Some("layout"), 0), part(None, 40), part(Some("x1"), 60)];
        assert_eq!(h.shape, Shape::Segments(want));
    }

    #[test]
    fn headers_that_are_none() {
        let cases = [
            ("", "it is empty"),
            ("x\n", "there is no number of signals"),
            ("x y\n", "the number of signals is not one"),
            ("x 1 0\nx.dat 16\n", "the rate is not one"),
            ("x 1 360 many\n", "the number of frames is not one"),
            ("x 2 360\nx.dat 16\n", "1 lines follow where 2 were promised"),
            ("x 1 360\nx.dat\n", "signal 1: it has no format"),
            ("x 1 360\n../x.dat 16\n", "signal 1: its file is no plain file name"),
            ("x 1 360\nx.dat 16x0\n", "signal 1: its samples in a frame or its skew are out of range"),
            ("x 1 360\nx.dat 16x\n", "signal 1: its format has a part that is not a number"),
            ("x 1 360\nx.dat 16 g\n", "signal 1: its gain is not a number"),
            ("x/1 1\n/etc/x 5\n", "segment 1: its name is no plain file name"),
            ("x/1 1\nx1\n", "segment 1: it has no number of frames"),
        ];
        for (text, want) in cases {
            assert_eq!(parse(text), Err(want.to_owned()), "{text}");
        }
    }

    proptest::proptest! {
        /// Any text is read or refused, never a panic.
        #[test]
        fn any_text(text in "[x0-9/ :+().#~\n\\PC]{0,60}") {
            let _ = parse(&text);
            let _ = parse(&format!("x 1 360\nx.dat {text}"));
        }
    }
}
