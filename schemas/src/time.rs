//! Two kinds of time that cannot be mixed up: when something was true ([`EventTime`]) and when we
//! heard of it ([`ArrivalTime`]). Both are microseconds since the Unix epoch, UTC. Nothing in this
//! crate reads a clock.

use std::{fmt, ops};

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time in microseconds; may be negative.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
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
    fn floor_works_before_the_epoch() {
        assert_eq!(EventTime::from_micros(-1).floor(Span::secs(1)), EventTime::from_micros(-1_000_000));
    }
}
