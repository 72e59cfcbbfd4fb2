//! Two kinds of time that cannot be mixed up: when something was true ([`EventTime`]) and when we
//! heard of it ([`ArrivalTime`]). Both are microseconds since the Unix epoch, UTC. Nothing in this
//! crate reads a clock.

use std::{fmt, ops};

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time in microseconds; may be negative. Text forms are ISO 8601 durations in seconds
/// (`PT300S`, `-PT0.5S`); hours and minutes are read too (`PT1H30M`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub i64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of whole milliseconds.
    #[must_use]
    pub const fn millis(millis: i64) -> Self {
        Self(millis * 1_000)
    }

    /// A span of whole seconds.
    #[must_use]
    pub const fn secs(secs: i64) -> Self {
        Self(secs * 1_000_000)
    }

    /// A span of whole minutes.
    #[must_use]
    pub const fn minutes(minutes: i64) -> Self {
        Self::secs(minutes * 60)
    }

    /// A span of whole hours.
    #[must_use]
    pub const fn hours(hours: i64) -> Self {
        Self::secs(hours * 3_600)
    }

    /// The span in seconds.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The span in hours.
    #[must_use]
    pub fn as_hours_f64(self) -> f64 {
        self.0 as f64 / 3.6e9
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, micros) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let (secs, rest) = (micros / 1_000_000, micros % 1_000_000);
        if rest == 0 {
            return write!(f, "{sign}PT{secs}S");
        }
        let fraction = format!("{rest:06}");
        write!(f, "{sign}PT{secs}.{}S", fraction.trim_end_matches('0'))
    }
}

impl Span {
    /// Parses an ISO 8601 duration of hours, minutes and seconds; `None` when it is not one.
    #[must_use]
    pub fn parse_iso8601(text: &str) -> Option<Self> {
        let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let mut rest = text.strip_prefix("PT").filter(|rest| !rest.is_empty())?;
        let mut micros = 0_i64;
        for (unit, one) in [('H', 3_600_000_000_i64), ('M', 60_000_000), ('S', 1_000_000)] {
            let Some((number, after)) = rest.split_once(unit) else {
                continue;
            };
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
            if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 6 {
                return None;
            }
            if !fraction.is_empty() && unit != 'S' {
                return None;
            }
            micros = micros.checked_add(whole.parse::<i64>().ok()?.checked_mul(one)?)?;
            micros = micros.checked_add(format!("{fraction:0<6}").parse().ok()?)?;
            rest = after;
        }
        rest.is_empty().then_some(Self(sign * micros))
    }
}

impl Serialize for Span {
    /// ISO 8601 for people and JSON, microseconds for compact codecs.
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            let text = std::borrow::Cow::<str>::deserialize(d)?;
            Self::parse_iso8601(&text)
                .ok_or_else(|| serde::de::Error::custom("not a duration; write PT300S, PT5M or PT1H"))
        } else {
            i64::deserialize(d).map(Self)
        }
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "duration" })
    }
}

/// Why a timestamp was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time")]
pub struct Error;

macro_rules! instant {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// From microseconds since the Unix epoch.
            #[must_use]
            pub const fn from_micros(micros: i64) -> Self {
                Self(micros)
            }

            /// From milliseconds since the Unix epoch.
            #[must_use]
            pub const fn from_millis(millis: i64) -> Self {
                Self(millis.saturating_mul(1_000))
            }

            /// Microseconds since the Unix epoch.
            #[must_use]
            pub const fn as_micros(self) -> i64 {
                self.0
            }

            /// Milliseconds since the Unix epoch, rounded down.
            #[must_use]
            pub const fn as_millis(self) -> i64 {
                self.0.div_euclid(1_000)
            }

            /// The time elapsed since an earlier instant; negative when `earlier` is later.
            #[must_use]
            pub const fn since(self, earlier: Self) -> Span {
                Span(self.0.saturating_sub(earlier.0))
            }

            /// Rounded down to a multiple of `span` since the epoch (`span` > 0).
            #[must_use]
            pub const fn floor(self, span: Span) -> Self {
                Self(self.0.div_euclid(span.0) * span.0)
            }

            /// Parses an RFC 3339 time with its zone.
            ///
            /// # Errors
            /// When the text is not one.
            pub fn parse_rfc3339(text: &str) -> Result<Self, Error> {
                DateTime::parse_from_rfc3339(text).map(|t| Self(t.timestamp_micros())).map_err(|_| Error)
            }
        }

        impl fmt::Display for $name {
            /// RFC 3339 in UTC, with the fraction only as long as needed.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match DateTime::<Utc>::from_timestamp_micros(self.0) {
                    Some(t) => f.write_str(&t.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
                    None => write!(f, "{}us", self.0),
                }
            }
        }

        impl ops::Add<Span> for $name {
            type Output = Self;
            fn add(self, span: Span) -> Self {
                Self(self.0.saturating_add(span.0))
            }
        }

        impl ops::Sub<Span> for $name {
            type Output = Self;
            fn sub(self, span: Span) -> Self {
                Self(self.0.saturating_sub(span.0))
            }
        }

        impl Serialize for $name {
            /// RFC 3339 for people and JSON, microseconds for compact codecs.
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.collect_str(self) } else { s.serialize_i64(self.0) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    let text = std::borrow::Cow::<str>::deserialize(d)?;
                    Self::parse_rfc3339(&text).map_err(serde::de::Error::custom)
                } else {
                    i64::deserialize(d).map(Self)
                }
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": "date-time" })
            }
        }
    };
}

instant!(
    /// When something was measured or became true. Closes windows.
    EventTime
);
instant!(
    /// When the engine could first know of it (the Kafka record's time). Measures lateness.
    ArrivalTime
);

impl ArrivalTime {
    /// The same moment on the event-time axis, to compare the two.
    #[must_use]
    pub const fn as_event_time(self) -> EventTime {
        EventTime(self.0)
    }
}

impl EventTime {
    /// The same moment on the arrival axis (replay of records without an availability time).
    #[must_use]
    pub const fn as_arrival_time(self) -> ArrivalTime {
        ArrivalTime(self.0)
    }

    /// Hour and minute in UTC as `HH:MM`, as a rationale says it.
    #[must_use]
    pub fn clock(self) -> String {
        let minutes = self.0.div_euclid(60_000_000).rem_euclid(1_440);
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_rfc3339_both_ways() {
        let t = EventTime::parse_rfc3339("2026-03-01T02:03:04.5+01:00").unwrap();
        let json = serde_json::to_string(&t).unwrap();
        assert_eq!(json, "\"2026-03-01T01:03:04.500Z\"");
        assert_eq!(serde_json::from_str::<EventTime>(&json).unwrap(), t);
        assert_eq!(t.clock(), "01:03");
    }

    #[test]
    fn spans_are_iso_8601_both_ways() {
        let cases = [
            (Span::secs(300), "PT300S"),
            (Span::ZERO, "PT0S"),
            (Span::millis(-1_500), "-PT1.5S"),
            (Span(1), "PT0.000001S"),
        ];
        for (span, text) in cases {
            assert_eq!(span.to_string(), text);
            assert_eq!(serde_json::from_str::<Span>(&format!("\"{text}\"")).unwrap(), span);
        }
        assert_eq!(Span::parse_iso8601("PT1H30M"), Some(Span::minutes(90)));
        for bad in ["", "PT", "300", "PT5", "P1D", "PT1.5H", "PT1S2H", "PT99999999999999999S", "PT.5S"] {
            assert_eq!(Span::parse_iso8601(bad), None, "{bad}");
        }
    }

    #[test]
    fn floor_works_before_the_epoch() {
        assert_eq!(EventTime::from_micros(-1).floor(Span::secs(1)), EventTime::from_micros(-1_000_000));
    }
}
