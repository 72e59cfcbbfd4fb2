//! Timestamps of historical files. A time without a zone is taken as UTC; the stay's notes say so.

use bedwatch_schemas::time::EventTime;

/// A UTC time from its parts; `None` where the calendar has no such moment.
pub fn utc(date: (i32, u32, u32), clock: (u32, u32, u32), micros: u32) -> Option<EventTime> {
    let ((y, mo, d), (h, mi, s)) = (date, clock);
    if !(0..=9_999).contains(&y) || micros > 999_999 {
        return None;
    }
    EventTime::parse_rfc3339(&format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}.{micros:06}Z")).ok()
}

/// A number of exactly the digits in `text` (no sign, not empty).
fn digits(text: &str) -> Option<u32> {
    (!text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// The fraction of a second after the point, in microseconds; further digits are cut off.
fn fraction(text: &str) -> Option<u32> {
    digits(&text.chars().take(6).collect::<String>())
        .filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
        .map(|n| n * 10_u32.pow(6 - text.len().min(6) as u32))
}

/// A clock `H:MM[:SS[.f]]`.
pub fn clock(text: &str) -> Option<((u32, u32, u32), u32)> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let micros = if part.is_empty() { 0 } else { fraction(part)? };
    let mut parts = whole.split(':');
    let (h, m) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let s = parts.next().map_or(Some(0), digits)?;
    parts.next().is_none().then_some(((h, m, s), micros))
}

/// `YYYY-MM-DD HH:MM[:SS[.f]]` (also with `T`, `/`, `Z` or an offset).
pub fn iso(text: &str) -> Option<EventTime> {
    let text = text.trim();
    if let Ok(time) = EventTime::parse_rfc3339(text) {
        return Some(time);
    }
    let (date, time) = text.split_once(['T', ' '])?;
    let mut parts = date.split(['-', '/']);
    let (y, m, d) = (parts.next()?, digits(parts.next()?)?, digits(parts.next()?)?);
    if parts.next().is_some() || y.len() != 4 {
        return None;
    }
    let (hms, micros) = clock(time.trim())?;
    utc((digits(y)? as i32, m, d), hms, micros)
}

/// HL7 v2 `YYYYMMDD[HH[MM[SS[.f]]]][+-ZZZZ]` (2.A.22 DTM), to the day at least.
pub fn hl7(text: &str) -> Option<EventTime> {
    let text = text.trim();
    let (stamp, zone) = match text.find(['+', '-']) {
        Some(i) => (&text[..i], Some((&text[i..=i], &text[i + 1..]))),
        None => (text, None),
    };
    let (whole, part) = stamp.split_once('.').unwrap_or((stamp, ""));
    if !whole.is_ascii() || !matches!(whole.len(), 8 | 10 | 12 | 14) {
        return None;
    }
    let two = |i: usize| whole.get(i..i + 2).map_or(Some(0), digits);
    let micros = if part.is_empty() { 0 } else { fraction(part)? };
    let date = (digits(&whole[..4])? as i32, two(4)?, two(6)?);
    let local = utc(date, (two(8)?, two(10)?, two(12)?), micros)?;
    let Some((sign, zone)) = zone else { return Some(local) };
    if zone.len() != 4 || !zone.is_ascii() {
        return None;
    }
    let minutes = i64::from(digits(&zone[..2])? * 60 + digits(&zone[2..])?);
    let ahead = bedwatch_schemas::time::Span::minutes(minutes);
    Some(if sign == "+" { local - ahead } else { local + ahead })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps() {
        let cases: [(Option<EventTime>, Option<&str>); 14] = [
            (iso("2015-06-06 16:50:27"), Some("2015-06-06T16:50:27Z")),
            (iso("2015/06/06 6:50"), Some("2015-06-06T06:50:00Z")),
            (iso("2015-06-06T16:50:27.25"), Some("2015-06-06T16:50:27.250Z")),
            (iso("2015-06-06T16:50:27+02:00"), Some("2015-06-06T14:50:27Z")),
            (iso("06/06/2015 16:50"), None),
            (iso("2015-02-30 16:50:27"), None),
            (iso("2015-06-06"), None),
            (hl7("20240229"), Some("2024-02-29T00:00:00Z")),
            (hl7("202402291530"), Some("2024-02-29T15:30:00Z")),
            (hl7("20240229153059.1234-0500"), Some("2024-02-29T20:30:59.123400Z")),
            (hl7("20230229"), None),
            (hl7("2024"), None),
            (hl7("20240229153059+1"), None),
            (hl7("é0240229"), None),
        ];
        for (i, (got, want)) in cases.into_iter().enumerate() {
            assert_eq!(got.map(|t| t.to_string()).as_deref(), want, "case {i}");
        }
    }

    proptest::proptest! {
        /// No text makes a parser panic.
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,24}") {
            let _ = (iso(&text), hl7(&text), clock(&text));
        }
    }
}
