//! Time-stamped annotation lists of EDF+ (Kemp & Olivan 2003, section 2.2.2):
//! `onset [0x15 duration] 0x14 text 0x14 ... 0x14 0x00`.

use bedwatch_schemas::time::Span;

use crate::readers::lines::latin;

/// One list: its texts share onset and duration.
#[derive(Clone, PartialEq)]
pub struct Tal {
    /// Since the file's start.
    pub onset: Span,
    /// How long it lasts, where it says so.
    pub lasts: Option<Span>,
    /// The texts; a time-keeping list has an empty first one.
    pub texts: Vec<String>,
}

/// The longest offset taken (about 31 years), so that a wild number cannot leave the time axis.
const MAX_SECS: f64 = 1e9;

/// The lists of an annotation signal's bytes and how many could not be read.
pub fn parse(bytes: &[u8]) -> (Vec<Tal>, usize) {
    let mut faults = 0;
    let lists = bytes.split(|&b| b == 0).filter(|l| !l.is_empty());
    let tals = lists.filter_map(|list| {
        let tal = one(list);
        faults += usize::from(tal.is_none());
        tal
    });
    (tals.collect(), faults)
}

fn one(list: &[u8]) -> Option<Tal> {
    let mut parts = list.split(|&b| b == 0x14);
    let mut stamp = parts.next()?.split(|&b| b == 0x15);
    let onset = stamp.next()?;
    if !matches!(onset.first(), Some(b'+' | b'-')) {
        return None;
    }
    let onset = secs(onset)?;
    let lasts = match stamp.next() {
        Some(text) if !text.is_empty() => Some(secs(text).filter(|s| s.0 >= 0)?),
        _ => None,
    };
    let mut texts: Vec<String> = parts.map(latin).collect();
    // The last 0x14 closes the last text; without it the list is cut short.
    texts.pop().filter(String::is_empty)?;
    (!texts.is_empty()).then_some(Tal { onset, lasts, texts })
}

fn secs(text: &[u8]) -> Option<Span> {
    let secs: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (secs.abs() <= MAX_SECS).then(|| Span((secs * 1e6).round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let (tals, faults) = parse(
            b"+0\x14\x14\0+1.5\x1510\x14a\x14b\x14\0-0.25\x14\xb5V\x14\0\0\0\0broken\x14x\x14\0+3\x14cut",
        );
        let got: Vec<_> = tals
            .iter()
            .map(|t| {
                (t.onset.0, t.lasts.map(|s| s.0), t.texts.iter().map(String::as_str).collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(
            got,
            [
                (0, None, vec![""]),
                (1_500_000, Some(10_000_000), vec!["a", "b"]),
                (-250_000, None, vec!["µV"]),
            ]
        );
        assert_eq!(faults, 2);
    }

    proptest::proptest! {
        /// Any bytes are read or counted, never a panic.
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            parse(&bytes);
        }
    }
}
