use super::*;
use crate::readers::{Item, scratch::Scratch};
use bedwatch_schemas::{
    event::{Body, Event},
    waveform::{WaveformBlock, WaveformKind},
};
use std::sync::Arc;

/// A signal of a synthetic file: label, dimension, physical and digital range, samples per record.
type Sig<'a> = (&'a str, &'a str, [f64; 4], usize);

fn field(text: &str, width: usize) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    assert!(bytes.len() <= width, "{text}");
    bytes.resize(width, b' ');
    bytes
}

fn head(reserved: &str, recording: &str, date: &str, records: i64, secs: &str, signals: &[Sig]) -> Vec<u8> {
    let bdf = reserved.starts_with("BDF");
    let mut b = if bdf { b"\xFFBIOSEMI".to_vec() } else { field("0", 8) };
    b.extend(field("X X X X", 80));
    b.extend(field(recording, 80));
    b.extend(field(date, 8));
    b.extend(field("10.00.00", 8));
    b.extend(field(&(256 * (signals.len() + 1)).to_string(), 8));
    b.extend(field(reserved, 44));
    b.extend(field(&records.to_string(), 8));
    b.extend(field(secs, 8));
    b.extend(field(&signals.len().to_string(), 4));
    let mut column = |width: usize, text: &dyn Fn(&Sig) -> String| {
        signals.iter().for_each(|s| b.extend(field(&text(s), width)));
    };
    column(16, &|s| s.0.into());
    column(80, &|_| String::new());
    column(8, &|s| s.1.into());
    for i in 0..4 {
        column(8, &|s| s.2[i].to_string());
    }
    column(80, &|_| String::new());
    column(8, &|s| s.3.to_string());
    column(32, &|_| String::new());
    b
}

fn words(values: impl IntoIterator<Item = i16>) -> Vec<u8> {
    values.into_iter().flat_map(i16::to_le_bytes).collect()
}

fn annotation(text: &[u8], words: usize) -> Vec<u8> {
    let mut bytes = text.to_vec();
    bytes.resize(words * 2, 0);
    bytes
}

fn open(bytes: &[u8]) -> Result<Stay, Error> {
    let dir = Scratch::new("edf");
    let path = dir.file("x.edf", bytes);
    read(&path.as_path().into(), "x", EventTime::from_micros(0))
}

fn blocks(stay: Stay) -> (Vec<Arc<WaveformBlock>>, Vec<String>) {
    let (mut blocks, mut faults) = (Vec::new(), Vec::new());
    let mut last = None;
    for item in stay {
        match item {
            Ok(item) => {
                assert!(last <= Some(item.arrival()), "arrival goes back");
                last = Some(item.arrival());
                let Item::Event(Event { body: Body::Waveform(b), .. }) = item else { panic!() };
                blocks.push(b);
            }
            Err(e) => faults.push(e.to_string()),
        }
    }
    (blocks, faults)
}

const RANGE: [f64; 4] = [-100.0, 100.0, -1000.0, 1000.0];

#[test]
fn kinds_units_and_skipped_channels() {
    let signals: [Sig; 6] = [
        ("EEG Fp1-REF", "uV", RANGE, 40),
        ("ECG II", "uV", [-1000.0, 1000.0, -1000.0, 1000.0], 80),
        ("EEG Cz", "mV", [1.0, -1.0, -1000.0, 1000.0], 40),
        ("EOG left", "uV", RANGE, 2),
        ("EEG Pz", "bananas", RANGE, 2),
        ("EEG Oz", "uV", [0.0, 0.0, -1000.0, 1000.0], 40),
    ];
    // Records of 2 s: EEG at 20 Hz, ECG at 40 Hz.
    let mut bytes = head("", "", "01.02.10", 1, "2", &signals);
    bytes.extend(words((0..40).map(|i| i * 10)));
    bytes.extend(words((0..80).map(|i| i * 5)));
    bytes.extend(words([500; 40]));
    bytes.extend(words([0; 4]));
    bytes.extend(words([0; 40]));
    let stay = open(&bytes).unwrap();
    let counts = [
        ("edf.channel_of_other_kind", 1),
        ("edf.channel_too_slow", 1),
        ("edf.channel_without_calibration", 1),
    ];
    assert_eq!(stay.counts, BTreeMap::from(counts));
    let (blocks, faults) = blocks(stay);
    assert!(faults.is_empty());
    let shape: Vec<_> =
        blocks.iter().map(|b| (b.kind, b.len(), b.channels.len(), b.start.to_string())).collect();
    let (one, two) = ("2010-02-01T10:00:00Z".to_owned(), "2010-02-01T10:00:01Z".to_owned());
    assert_eq!(
        shape,
        [
            (WaveformKind::Eeg, 20, 2, one.clone()),
            (WaveformKind::Ecg, 40, 1, one),
            (WaveformKind::Eeg, 20, 2, two.clone()),
            (WaveformKind::Ecg, 40, 1, two),
        ]
    );
    // 0.1 uV a step; 1 uV a step in mV; -1 uV a step, inverted, in mV: 500 steps are -500 uV.
    assert_eq!(blocks[2].channels[0].label, "FP1");
    assert!((blocks[2].channels[0].samples[0] - 20.0).abs() < 1e-5);
    assert!((blocks[2].channels[1].samples[0] + 500.0).abs() < 1e-4);
    assert!((blocks[3].channels[0].samples[1] - 0.205).abs() < 1e-6);
}

#[test]
fn annotations_sub_second_start_and_gaps() {
    let signals: [Sig; 2] =
        [("EDF Annotations", "", [-1.0, 1.0, -32768.0, 32767.0], 20), ("EEG", "uV", RANGE, 20)];
    let mut bytes = head("EDF+D", "Startdate 01-FEB-2010 X X X", "01.02.10", 3, "1", &signals);
    for (times, value) in [
        (&b"+0.25\x14\x14\0+0.5\x152\x14seizure\x14\0"[..], 1),
        (b"+1.25\x14\x14\0", 2),
        (b"+5\x14\x14\0", 3),
    ] {
        bytes.extend(annotation(times, 20));
        bytes.extend(words([value; 20]));
    }
    let stay = open(&bytes).unwrap();
    let Some(Labels::Marks(marks)) = &stay.labels else { panic!() };
    assert_eq!(marks.len(), 1);
    assert_eq!(
        (marks[0].at.to_string().as_str(), marks[0].lasts),
        ("2010-02-01T10:00:00.500Z", Some(Span::secs(2)))
    );
    assert_eq!(marks[0].text, "seizure");
    assert!(!format!("{marks:?}").contains("seizure"));
    let starts: Vec<_> = blocks(stay).0.iter().map(|b| b.start.to_string()).collect();
    assert_eq!(starts, ["2010-02-01T10:00:00.250Z", "2010-02-01T10:00:01.250Z", "2010-02-01T10:00:05Z"]);
}

#[test]
fn a_record_that_goes_back_or_has_no_time_fails_alone() {
    let signals: [Sig; 2] =
        [("EDF Annotations", "", [-1.0, 1.0, -32768.0, 32767.0], 8), ("EEG", "uV", RANGE, 20)];
    let mut bytes = head("EDF+D", "", "01.02.10", 4, "1", &signals);
    for times in [&b"+0\x14\x14\0"[..], b"+0.5\x14\x14\0", b"nonsense", b"+1\x14\x14\0"] {
        bytes.extend(annotation(times, 8));
        bytes.extend(words([1; 20]));
    }
    let (blocks, faults) = blocks(open(&bytes).unwrap());
    assert_eq!(blocks.len(), 2);
    assert_eq!(
        faults,
        [
            "x, record 1: bad record: it begins before the record before it ends",
            "x, record 2: bad record: it has no time of its own, as EDF+D asks",
        ]
    );
}

#[test]
fn records_of_half_a_second_join_and_bdf_has_three_bytes() {
    let range = [-8_388_608.0, 8_388_607.0, -8_388_608.0, 8_388_607.0];
    let mut bytes = head("BDF", "", "01.02.10", -1, "0.5", &[("EEG", "uV", range, 10)]);
    for n in 0..5_i32 {
        for _ in 0..10 {
            bytes.extend(&(-100_000 * n).to_le_bytes()[..3]);
        }
    }
    let (blocks, faults) = blocks(open(&bytes).unwrap());
    assert!(faults.is_empty());
    assert_eq!(blocks.iter().map(|b| b.len()).collect::<Vec<_>>(), [20, 20, 10]);
    assert_eq!(blocks[1].channels[0].samples[10], -300_000.0);
}

#[test]
fn dummy_dates_count_from_the_base() {
    let cases = [
        ("", "01.01.85", "1985-01-01T10:00:00Z"),
        ("", "31.12.84", "2084-12-31T10:00:00Z"),
        ("Startdate 01-JAN-1951 X X X", "01.01.85", "1970-01-01T00:00:00Z"),
        ("Startdate 04-mar-2101 X X X", "04.03.yy", "2101-03-04T10:00:00Z"),
        ("Startdate X X X X", "01.01.00", "2000-01-01T10:00:00Z"),
        ("", "31.02.00", "1970-01-01T00:00:00Z"),
        ("", "xx.xx.xx", "1970-01-01T00:00:00Z"),
    ];
    for (recording, date, want) in cases {
        let mut bytes = head("", recording, date, 1, "1", &[("EEG", "uV", RANGE, 20)]);
        bytes.extend(words([0; 20]));
        assert_eq!(blocks(open(&bytes).unwrap()).0[0].start.to_string(), want, "{recording} {date}");
    }
}

#[test]
fn cut_at_every_byte_is_read_up_to_there_or_refused() {
    let signals: [Sig; 2] =
        [("EEG", "uV", RANGE, 20), ("EDF Annotations", "", [-1.0, 1.0, -32768.0, 32767.0], 8)];
    let mut bytes = head("EDF+C", "", "01.02.10", 2, "1", &signals);
    for times in [&b"+0\x14\x14\0"[..], b"+1\x14\x14\0"] {
        bytes.extend(words([7; 20]));
        bytes.extend(annotation(times, 8));
    }
    let header = 3 * 256;
    for end in 0..bytes.len() {
        match open(&bytes[..end]) {
            Err(e) => assert!(end < header, "{end}: {e}"),
            Ok(stay) => {
                assert!(end >= header);
                let (blocks, faults) = blocks(stay);
                assert_eq!(blocks.len(), (end - header) / 56, "{end}");
                assert_eq!(faults.len(), 1, "{end}");
            }
        }
    }
    assert!(blocks(open(&bytes).unwrap()).1.is_empty());
}

proptest::proptest! {
    /// A header with any bytes changed is read or refused, never a panic.
    #[test]
    fn damaged_headers(changes in proptest::collection::vec((0_usize..824, proptest::num::u8::ANY), 1..12)) {
        let mut bytes = head("EDF+D", "", "01.02.10", 1, "1", &[("EEG", "uV", RANGE, 20), ("EDF Annotations", "", RANGE, 8)]);
        bytes.extend(words([7; 20]));
        bytes.extend(annotation(b"+0\x14\x14\0", 8));
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if let Ok(stay) = open(&bytes) {
            stay.take(10_000).for_each(drop);
        }
    }
}
