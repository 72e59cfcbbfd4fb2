//! Annotation files in MIT format: annot(5). Only what stands for marks is kept: the symbol and the
//! text beside it.

use bedwatch_schemas::time::{EventTime, Span};

use crate::readers::{Mark, lines::latin};

/// The symbols of the codes 0 to 41 (annot(5), ecgcodes.h); empty for codes without one.
const SYMBOLS: [&str; 42] = [
    "", "N", "L", "R", "a", "V", "F", "J", "A", "S", "E", "j", "/", "Q", "~", "", "|", "", "s", "T", "*",
    "D", "\"", "=", "p", "B", "^", "t", "+", "u", "?", "!", "[", "]", "e", "n", "@", "x", "f", "(", ")", "r",
];

const SKIP: u16 = 59;
const AUX: u16 = 63;

/// Marks at `start` plus each annotation's frames; the file may name a finer clock of its own.
pub fn parse(bytes: &[u8], frame_hz: f64, start: EventTime) -> Result<Vec<Mark>, String> {
    let mut found: Vec<(i64, String)> = Vec::new();
    let mut words = bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    let (mut at, mut hz) = (0_i64, frame_hz);
    while let Some(word) = words.next().filter(|w| *w != 0) {
        let (code, rest) = (word >> 10, word & 0x3FF);
        match code {
            SKIP => {
                let (high, low) = words.next().zip(words.next()).ok_or("the annotations are cut short")?;
                at += i64::from(i32::from(high as i16) << 16 | i32::from(low));
            }
            60..=62 => {}
            AUX => {
                let text: Vec<u8> =
                    (&mut words).take(usize::from(rest).div_ceil(2)).flat_map(u16::to_le_bytes).collect();
                let text = latin(text.get(..usize::from(rest)).ok_or("the annotations are cut short")?);
                let text = text.trim_matches(['\0', ' ']);
                if let Some(rate) = text.strip_prefix("## time resolution: ") {
                    hz = rate.trim().parse().ok().filter(|r| *r > 0.0).ok_or("its clock is not a rate")?;
                    found.pop();
                } else if let Some(last) = found.last_mut() {
                    last.1 = format!("{} {text}", last.1).trim().to_owned();
                }
            }
            code => {
                at += i64::from(rest);
                let symbol = SYMBOLS.get(usize::from(code)).copied().unwrap_or_default();
                found.push((at, symbol.to_owned()));
            }
        }
    }
    let time = |at: i64| start + Span((at as f64 * 1e6 / hz).round() as i64);
    let marks = found.into_iter().filter(|(_, text)| !text.is_empty());
    Ok(marks.map(|(at, text)| Mark { at: time(at), lasts: None, text }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    #[test]
    fn codes_skips_and_texts() {
        let mut bytes = words(&[28 << 10 | 18, AUX << 10 | 3]);
        bytes.extend(b"(N\0\0");
        bytes.extend(words(&[1 << 10 | 82, SKIP << 10, 1, 2, 5 << 10 | 1, 61 << 10 | 1, 0, 77]));
        let marks = parse(&bytes, 100.0, EventTime::from_micros(0)).unwrap();
        let got: Vec<_> = marks.iter().map(|m| (m.at.as_micros() / 10_000, m.text.as_str())).collect();
        assert_eq!(got, [(18, "+ (N"), (100, "N"), (100 + 65_536 + 2 + 1, "V")]);
    }

    #[test]
    fn a_clock_of_its_own_and_files_cut_short() {
        let mut bytes = words(&[22 << 10, AUX << 10 | 24]);
        bytes.extend(b"## time resolution: 1000");
        bytes.extend(words(&[1 << 10 | 500, 0]));
        let marks = parse(&bytes, 100.0, EventTime::from_micros(0)).unwrap();
        assert_eq!(marks.len(), 1);
        assert_eq!(marks[0].at.as_micros(), 500_000);
        for end in 0..bytes.len() {
            let _ = parse(&bytes[..end], 100.0, EventTime::from_micros(0));
        }
        assert!(parse(&words(&[SKIP << 10, 1]), 1.0, EventTime::from_micros(0)).is_err());
    }

    proptest::proptest! {
        /// Any bytes are read or refused, never a panic.
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let _ = parse(&bytes, 250.0, EventTime::from_micros(0));
        }
    }
}
