//! HL7 timestamps: `YYYY[MM[DD[HH[MM[SS[.S+]]]]]][+/-ZZZZ]` (v2.5.1, 2.A.22 DTM).
//!
//! A missing zone is the site's; a missing smaller part is its first value. Dates that do not exist
//! and hours past 23 are refused: a guess would move a measurement.

use bedwatch_schemas::time::EventTime;

const DAY_MICROS: i64 = 86_400_000_000;
const MINUTE_MICROS: i64 = 60_000_000;

/// Earlier years are typing errors or place holders.
const FIRST_YEAR: u32 = 1800;

/// A date of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    year: u32,
    month: u32,
    day: u32,
}

/// Reads a timestamp. `offset_minutes` (east positive) holds where the text names no zone.
#[must_use]
pub fn parse(bytes: &[u8], offset_minutes: i32) -> Option<EventTime> {
    let zone_at = bytes.iter().position(|b| matches!(b, b'+' | b'-')).unwrap_or(bytes.len());
    let (local, zone) = bytes.split_at(zone_at);
    let offset = if zone.is_empty() { i64::from(offset_minutes) } else { zone_minutes(zone)? };
    let whole_at = local.iter().position(|b| *b == b'.').unwrap_or(local.len());
    // Interface engines also write milliseconds without the point: `YYYYMMDDHHMMSSmmm`.
    let (whole_at, point) = if local.len() == 17 && whole_at == 17 { (14, 0) } else { (whole_at, 1) };
    let (whole, fraction) = local.split_at(whole_at);
    let date = Date::parse(whole.get(..whole.len().min(8))?)?;
    let two = |at: usize| if whole.len() > at { digits(whole.get(at..at + 2)?) } else { Some(0) };
    if !matches!(whole.len(), 4 | 6 | 8 | 10 | 12 | 14) {
        return None;
    }
    let (hour, minute, second) = (two(8)?, two(10)?, two(12)?);
    let micros = if fraction.is_empty() { 0 } else { fraction_micros(&fraction[point..], whole.len())? };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let minutes = i64::from(hour) * 60 + i64::from(minute) - offset;
    let start = date.days() * DAY_MICROS + minutes * MINUTE_MICROS;
    if second == 60 {
        // A leap second exists only at the end of a UTC day; it is held at its start.
        let last_minute = minutes.rem_euclid(1_440) == 1_439;
        return last_minute.then_some(EventTime::from_micros(start + MINUTE_MICROS - 1));
    }
    Some(EventTime::from_micros(start + i64::from(second) * 1_000_000 + micros))
}

/// The years from a date of birth (PID-7, the date part only) to a moment: whole years by the
/// calendar, and the part of the year since the last birthday. `None` when either is not a date or
/// the birth lies after the moment.
#[must_use]
pub fn age_years(birth: &[u8], at: EventTime) -> Option<f32> {
    let bytes = birth.get(..birth.len().min(8))?;
    // Whatever stands behind the date must still be a timestamp.
    parse(birth, 0)?;
    let born = Date::parse(bytes)?;
    let today = Date::from_days(at.as_micros().div_euclid(DAY_MICROS))?;
    if today < born {
        return None;
    }
    let had_birthday = (today.month, today.day) >= (born.month, born.day);
    let years = today.year - born.year - u32::from(!had_birthday);
    let last = Date { year: born.year + years, ..born };
    let since = (today.days() - last.days()) as f64 / 366.0;
    Some((f64::from(years) + since.clamp(0.0, 0.999)) as f32)
}

impl Date {
    /// `YYYY`, `YYYYMM` or `YYYYMMDD`; missing parts are 1.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let part = |at: usize| if bytes.len() > at { digits(bytes.get(at..at + 2)?) } else { Some(1) };
        let date = Self { year: digits(bytes.get(..4)?)?, month: part(4)?, day: part(6)? };
        let exists = date.year >= FIRST_YEAR
            && (1..=12).contains(&date.month)
            && (1..=days_of(date.year, date.month)).contains(&date.day);
        exists.then_some(date)
    }

    /// Days since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
    fn days(self) -> i64 {
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let of_year = (153 * i64::from((self.month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }

    /// The inverse of [`Date::days`], for years that fit.
    fn from_days(days: i64) -> Option<Self> {
        let days = days.checked_add(719_468)?;
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Some(Self {
            year: u32::try_from(year).ok()?,
            month: month as u32,
            day: (of_year - (153 * shifted + 2) / 5 + 1) as u32,
        })
    }
}

fn days_of(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')))
}

fn zone_minutes(zone: &[u8]) -> Option<i64> {
    let [sign, a, b, c, d] = zone else { return None };
    let (hours, minutes) = (digits(&[*a, *b])?, digits(&[*c, *d])?);
    let east = i64::from(hours * 60 + minutes);
    (hours <= 14 && minutes <= 59).then_some(if *sign == b'-' { -east } else { east })
}

/// The digits of `.S+` after full seconds; what is finer than a microsecond is cut off.
fn fraction_micros(tail: &[u8], whole_len: usize) -> Option<i64> {
    if whole_len != 14 || tail.is_empty() || !tail.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let shown = &tail[..tail.len().min(6)];
    let scale = 10_i64.pow(6 - shown.len() as u32);
    digits(shown).map(|value| i64::from(value) * scale)
}

/// Reads timestamps and remembers the last one: within a message they mostly repeat.
pub struct Clock<'a> {
    offset_minutes: i32,
    last: Option<(&'a [u8], EventTime)>,
}

impl<'a> Clock<'a> {
    /// A clock for a site whose times without a zone lie `offset_minutes` east of UTC.
    #[must_use]
    pub const fn new(offset_minutes: i32) -> Self {
        Self { offset_minutes, last: None }
    }

    /// Reads a timestamp.
    pub fn read(&mut self, bytes: &'a [u8]) -> Option<EventTime> {
        if let Some((text, time)) = self.last
            && text == bytes
        {
            return Some(time);
        }
        let time = parse(bytes, self.offset_minutes)?;
        self.last = Some((bytes, time));
        Some(time)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str, offset: i32) -> Option<String> {
        parse(text.as_bytes(), offset).map(|t| t.to_string())
    }

    #[test]
    fn times() {
        let cases: &[(&str, Option<&str>)] = &[
            ("2026", Some("2026-01-01T00:00:00Z")),
            ("202603", Some("2026-03-01T00:00:00Z")),
            ("20260304", Some("2026-03-04T00:00:00Z")),
            ("2026030405", Some("2026-03-04T05:00:00Z")),
            ("202603040506", Some("2026-03-04T05:06:00Z")),
            ("20260304050607", Some("2026-03-04T05:06:07Z")),
            ("20260304050607.8", Some("2026-03-04T05:06:07.800Z")),
            ("20260304050607.123456", Some("2026-03-04T05:06:07.123456Z")),
            ("20260304050607.1234569", Some("2026-03-04T05:06:07.123456Z")),
            ("20260304050607123", Some("2026-03-04T05:06:07.123Z")),
            ("20260304050607123-0500", Some("2026-03-04T10:06:07.123Z")),
            ("2026030405060712", None),
            ("202603040506071234", None),
            ("20260304050607-0500", Some("2026-03-04T10:06:07Z")),
            ("20260304050607.5+0530", Some("2026-03-03T23:36:07.500Z")),
            ("20260304+0100", Some("2026-03-03T23:00:00Z")),
            ("202603040506-0215", Some("2026-03-04T07:21:00Z")),
            ("20240229", Some("2024-02-29T00:00:00Z")),
            ("20000229", Some("2000-02-29T00:00:00Z")),
            ("18000101", Some("1800-01-01T00:00:00Z")),
            // A leap second at the end of a UTC day, seen from two zones.
            ("20161231235960", Some("2016-12-31T23:59:59.999999Z")),
            ("20161231235960.5", Some("2016-12-31T23:59:59.999999Z")),
            ("20170101052960+0530", Some("2016-12-31T23:59:59.999999Z")),
            ("20260304050660", None),
            ("20260304050661", None),
            ("20260304240000", None),
            ("20260304056000", None),
            ("20230229", None),
            ("19000229", None),
            ("20260431", None),
            ("20260230", None),
            ("20260300", None),
            ("20261301", None),
            ("20260001", None),
            ("17991231", None),
            ("00000000", None),
            ("202", None),
            ("20260", None),
            ("202603041", None),
            ("20260304050607.", None),
            ("202603040506.5", None),
            ("20260304050607.5x", None),
            ("20260304050607+", None),
            ("20260304050607+010", None),
            ("20260304050607+1500", None),
            ("20260304050607+0160", None),
            ("20260304050607Z", None),
            ("2026-03-04", None),
            ("Aug 15, 1942", None),
            ("", None),
            ("2026030405060708", None),
        ];
        for (text, want) in cases {
            assert_eq!(at(text, 0).as_deref(), *want, "{text}");
        }
        assert_eq!(at("20260304050607", 60).as_deref(), Some("2026-03-04T04:06:07Z"));
        assert_eq!(at("20260304050607-0500", 60).as_deref(), Some("2026-03-04T10:06:07Z"));
    }

    #[test]
    fn ages() {
        let on = |day: &str| parse(day.as_bytes(), 0).unwrap();
        let cases = [
            ("20100304", "20260303", Some(15.99)),
            ("20100304", "20260304", Some(16.0)),
            ("19610101", "2026", Some(65.0)),
            ("1961", "20260702", Some(65.497)),
            ("20080229", "20260228", Some(17.99)),
            ("20080229", "20260301", Some(18.0)),
            ("20260304", "20260304", Some(0.0)),
            ("198808181126+0215", "20260818", Some(38.0)),
            ("20260305", "20260304", None),
            ("Aug 15, 1942", "2026", None),
            ("20261301", "2027", None),
            ("", "2026", None),
        ];
        for (birth, at, want) in cases {
            let got = age_years(birth.as_bytes(), on(at));
            match want {
                Some(want) => assert!(got.is_some_and(|g| (g - want).abs() < 0.01), "{birth} {at}: {got:?}"),
                None => assert_eq!(got, None, "{birth}"),
            }
        }
    }

    #[test]
    fn the_clock_reads_what_parse_reads() {
        let mut clock = Clock::new(0);
        for text in ["20260101", "20260101", "x", "20260102", "x", "20260101"] {
            assert_eq!(clock.read(text.as_bytes()), parse(text.as_bytes(), 0), "{text}");
        }
    }

    proptest! {
        /// Days and dates are each other's inverse.
        #[test]
        fn dates_round_trip(days in -62_000_i64..2_900_000) {
            let date = Date::from_days(days).unwrap();
            prop_assert_eq!(date.days(), days);
            let text = format!("{:04}{:02}{:02}", date.year, date.month, date.day);
            prop_assert_eq!(Date::parse(text.as_bytes()), Some(date));
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&bytes, 0);
            let _ = age_years(&bytes, EventTime::from_micros(0));
        }

        /// What the standard library of dates prints, this reads back.
        #[test]
        fn reads_what_rfc3339_says(micros in -5_000_000_000_000_000_i64..250_000_000_000_000_000) {
            let time = EventTime::from_micros(micros);
            let iso = time.to_string();
            let hl7: String = iso.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
            prop_assert_eq!(parse(hl7.as_bytes(), 0), Some(time));
        }
    }
}
