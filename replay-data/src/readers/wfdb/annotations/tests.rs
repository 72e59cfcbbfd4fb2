use super::*;
use crate::readers::scratch::Scratch;

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}

/// An annotation word, and the text of a comment at its place.
fn word(code: u16, step: u16) -> [u8; 2] {
    (code << 10 | step).to_le_bytes()
}

fn note(text: &str) -> Vec<u8> {
    let mut bytes = word(u16::from(NOTE), 0).to_vec();
    bytes.extend(word(AUX, text.len() as u16));
    bytes.extend(text.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

fn zero() -> EventTime {
    EventTime::from_micros(0)
}

#[test]
fn codes_skips_and_texts() {
    let mut bytes = words(&[28 << 10 | 18, AUX << 10 | 3]);
    bytes.extend(b"(N\0\0");
    bytes.extend(words(&[1 << 10 | 82, SKIP << 10, 1, 2, 5 << 10 | 1, 61 << 10 | 1, 0, 77]));
    let read = parse(&bytes, "atr", 100.0);
    assert_eq!(read.fault, None);
    let marks: Vec<_> = marks(&read.found, zero()).collect();
    let got: Vec<_> = marks.iter().map(|m| (m.at.as_micros() / 10_000, m.text.as_str())).collect();
    assert_eq!(got, [(18, "+ (N"), (100, "N"), (100 + 65_536 + 2 + 1, "V")]);
}

/// annot(5): SUB is of one annotation, CHN and NUM stay as they are until the next; a step in time of
/// code 0 is no annotation, a SKIP may go back.
#[test]
fn every_field() {
    let bytes = words(&[
        1 << 10 | 5,
        SUB << 10 | 0xFF,
        CHN << 10 | 200,
        NUM << 10 | 0xFE,
        1023,
        SKIP << 10,
        0xFFFF,
        0xFFFF,
        41 << 10 | 1,
        15 << 10 | 2,
        0,
    ]);
    let list = parse(&bytes, "qrs", 250.0).found.list;
    let got: Vec<_> =
        list.iter().map(|a| (a.at, a.code, a.symbol.as_str(), a.subtype, a.channel, a.number)).collect();
    assert_eq!(got, [(5, 1, "N", -1, 200, -2), (1_028, 41, "r", 0, 200, -2), (1_030, 15, "", 0, 200, -2)]);
    let read = parse(&bytes, "qrs", 250.0);
    let texts: Vec<_> = marks(&read.found, zero()).map(|m| m.text).collect();
    assert_eq!(texts, ["qrs: N", "qrs: r"]);
}

#[test]
fn a_clock_of_its_own() {
    let mut bytes = note("## time resolution: 1000");
    bytes.extend(words(&[1 << 10 | 500, 0]));
    let read = parse(&bytes, "atr", 100.0);
    assert_eq!((read.found.hz, read.found.list.len()), (1_000.0, 1));
    assert_eq!(marks(&read.found, zero()).next().unwrap().at.as_micros(), 500_000);
}

#[test]
fn codes_of_its_own_and_a_comment_that_defines_nothing() {
    let mut bytes = note("gqrs -r 100");
    for text in ["## annotation type definitions", "15 c calibration", "42 zz other", "## end of definitions"]
    {
        bytes.extend(note(text));
    }
    bytes.extend(words(&[15 << 10 | 1, 42 << 10 | 1, 1 << 10 | 1, 0]));
    let list = parse(&bytes, "atr", 100.0).found.list;
    let got: Vec<_> = list.iter().map(|a| (a.at, a.symbol.as_str(), a.text.as_str())).collect();
    assert_eq!(got, [(0, "\"", "gqrs -r 100"), (1, "c", ""), (2, "zz", ""), (3, "N", "")]);
}

#[test]
fn cut_at_every_byte_it_keeps_what_stands_before_and_says_so() {
    let mut bytes = words(&[1 << 10 | 5, SKIP << 10, 0, 9, 5 << 10, AUX << 10 | 5]);
    bytes.extend(b"abcde\0");
    bytes.extend(words(&[1 << 10, 0]));
    for end in 0..bytes.len() {
        let read = parse(&bytes[..end], "atr", 100.0);
        // Within the two words of the step, and within the text.
        let is_within = (4..8).contains(&end) || (12..18).contains(&end);
        let want = if is_within { CUT } else { "the annotations end without the mark of their end" };
        assert_eq!(read.fault, Some(want), "{end}");
        let whole = [2, 10, 20].iter().filter(|at| end >= **at).count();
        assert_eq!(read.found.list.len(), whole, "{end}");
    }
    assert_eq!(parse(&bytes, "atr", 100.0).fault, None);
}

proptest::proptest! {
    /// Any bytes are read or refused, never a panic.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
        let read = parse(&bytes, "atr", 250.0);
        marks(&read.found, zero()).for_each(drop);
    }
}

/// The first bytes of files as programs write them: a PNG of one pixel, a ZIP of one member, arrays of NumPy.
#[test]
fn other_files_beside_a_header_are_no_annotations() {
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\xab\xce\x54\x89\0\0\0\0IEND\xaeB`\x82";
    let zip = b"PK\x03\x04\x14\0\0\0\0\0\0\0\x21\x58\x86\xa6\x10\x36\x05\0\0\0\x05\0\0\0\x05\0\0\0a.txthelloPK\x01\x02\x14\x03\x14\0\0\0\0\0\0\0\x21\x58\x86\xa6\x10\x36\x05\0\0\0\x05\0\0\0\x05\0\0\0";
    let npy = |data: &[u8]| {
        let mut bytes =
            b"\x93NUMPY\x01\0v\0{'descr': '<i2', 'fortran_order': False, 'shape': (4,), }".to_vec();
        bytes.resize(127, b' ');
        bytes.push(b'\n');
        bytes.extend(data);
        bytes
    };
    let real = words(&[1 << 10 | 5, 5 << 10 | 9, 0]);
    let padded = [&real[..], &[0; 7]].concat();
    let followed = [&real[..], &[0, 0, 7, 0]].concat();
    let cases: [(&str, &[u8], bool); 11] = [
        ("png", png, false),
        ("figure", png, false),
        ("zip", zip, false),
        ("npy", &npy(&[1, 0, 0, 0, 2, 0, 3, 0]), false),
        ("npy", &npy(&[0; 8]), false),
        ("wabp", &real, true),
        ("wabp", &padded, true),
        ("wabp", &followed, false),
        ("wabp", &real[..4], false),
        ("qrs", &followed, true),
        ("atr", &followed, true),
    ];
    for (end, bytes, want) in cases {
        let dir = Scratch::new("annotators");
        dir.file(&format!("r.{end}"), bytes);
        let header = dir.file("r.hea", b"r 0 100\n");
        let found = beside(&header.as_path().into(), 100.0);
        let got: Vec<_> = found.iter().map(|read| (read.fault, read.found.list.len())).collect();
        let wanted: &[_] = if want { &[(None, 2)] } else { &[] };
        assert_eq!(got, wanted, "{end} of {} bytes", bytes.len());
        assert!(bytes.len() >= 64 || bytes.len() < 20, "{end}: {} bytes are no whole head", bytes.len());
    }
}
