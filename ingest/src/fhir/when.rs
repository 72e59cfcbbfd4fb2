//! FHIR times: `dateTime`, `instant` and `Period` (R4 2.24.0.1).
//!
//! A date without a time is midnight UTC of its first day (`2014` is 2014-01-01): it places the value
//! at the earliest moment it can mean. A time of day without a zone is no FHIR time.

use bedwatch_schemas::{
    dead_letter::{Reason, Rejection},
    time::EventTime,
};

use super::element::{Element, shape};

shape! {
    /// Period, R4 2.24.
    Period { start, end }
}

/// Parses a `dateTime`, `date` or `instant`.
pub(super) fn parse(text: &str) -> Option<EventTime> {
    let rfc3339 = |text: &str| EventTime::parse_rfc3339(text).ok();
    let digits = |range: std::ops::Range<usize>| text.as_bytes()[range].iter().all(u8::is_ascii_digit);
    if !text.is_ascii() || text.len() < 4 || !digits(0..4) {
        return None;
    }
    match text.len() {
        4 => rfc3339(&format!("{text}-01-01T00:00:00Z")),
        7 => rfc3339(&format!("{text}-01T00:00:00Z")),
        10 => rfc3339(&format!("{text}T00:00:00Z")),
        n if n > 10 && text.as_bytes()[10] == b'T' => rfc3339(text),
        _ => None,
    }
}

/// Reads a time.
pub(super) fn read(element: &Element<'_, '_>) -> Result<EventTime, Rejection> {
    parse(&element.text()?).ok_or_else(|| element.reject(Reason::BadTime))
}

/// The two ends of a period, where they stand.
pub(super) fn period(element: &Element<'_, '_>) -> Result<(Option<EventTime>, Option<EventTime>), Rejection> {
    let period: Period = element.read()?;
    let start = element.optional(period.start, "start").map(|e| read(&e)).transpose()?;
    let end = element.optional(period.end, "end").map(|e| read(&e)).transpose()?;
    Ok((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_precision() {
        let cases = [
            ("2014", Some("2014-01-01T00:00:00Z")),
            ("2014-02", Some("2014-02-01T00:00:00Z")),
            ("2016-02-29", Some("2016-02-29T00:00:00Z")),
            ("2014-12-05T09:30:10+01:00", Some("2014-12-05T08:30:10Z")),
            ("2014-12-05T09:30:10.25Z", Some("2014-12-05T09:30:10.250Z")),
            ("2014-12-05T09:30:10", None),
            ("2014-12-05T09:30Z", None),
            ("2014-12-05 09:30:10Z", None),
            ("2015-02-29", None),
            ("2014-13", None),
            ("2014-1", None),
            ("14", None),
            ("", None),
            ("\u{661}\u{662}14", None),
            ("+014", None),
        ];
        for (text, want) in cases {
            assert_eq!(parse(text).map(|t| t.to_string()).as_deref(), want, "{text}");
        }
    }
}
