//! Which column of a table says what.

use arrow::datatypes::{DataType, SchemaRef};
use bedwatch_schemas::{signal::Signal, time::Span};

/// The columns of a table, by their place in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Whose the row is.
    pub patient: usize,
    /// When it was true.
    pub time: Time,
    /// What it says.
    pub says: Says,
    /// Columns that bear a signal's name and hold neither numbers nor texts: they are not read.
    pub unread: usize,
}

/// A column of times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Time {
    /// A timestamp, or a text of one.
    Moment(usize),
    /// Whole minutes or hours since the Unix epoch: what stands there is of the stretch that begins then.
    Since(usize, Span),
}

impl Time {
    /// The column.
    pub const fn column(self) -> usize {
        match self {
            Self::Moment(column) | Self::Since(column, _) => column,
        }
    }
}

/// What a row says.
#[derive(Debug, Clone, PartialEq)]
pub enum Says {
    /// One value.
    One {
        /// A signal's name, a LOINC code or an MDC reference.
        signal: usize,
        /// The value.
        value: usize,
        /// Its unit.
        unit: usize,
        /// When it could first be known.
        available: Option<usize>,
        /// What kind of row it is, and what was done: `events.parquet` of an export.
        kind: Option<(usize, usize)>,
    },
    /// A value of each signal, in its own unit.
    Each(Vec<(usize, Signal)>),
}

impl Layout {
    /// The layout of a table; or what it lacks.
    pub fn of(schema: &SchemaRef) -> Result<Self, &'static str> {
        let find = |names: &[&str]| {
            let named =
                |name: &&str| schema.fields().iter().position(|f| f.name().eq_ignore_ascii_case(name));
            names.iter().find_map(named)
        };
        let patient = find(&["patient", "patient_id"]).ok_or("it has no column patient")?;
        let moment = find(&["time", "at"]);
        // Numbers, or texts of them.
        let (signals, others): (Vec<_>, Vec<_>) = schema
            .fields()
            .iter()
            .enumerate()
            .filter_map(|(i, f)| Some((i, Signal::from_name(f.name())?)))
            .partition(|(i, _)| {
                let kind = schema.field(*i).data_type();
                kind.is_numeric() || is_text(kind)
            });
        let mut unread = 0;
        let time = match (moment, find(&["minute"]), find(&["hour"])) {
            (Some(column), _, _) => {
                let kind = schema.field(column).data_type();
                if !matches!(kind, DataType::Timestamp(..)) && !is_text(kind) {
                    return Err("its times are neither timestamps nor text");
                }
                Time::Moment(column)
            }
            (None, Some(column), _) => Time::Since(column, Span::minutes(1)),
            (None, None, Some(column)) => Time::Since(column, Span::hours(1)),
            (None, None, None) => return Err("it has no column time"),
        };
        let one = (find(&["signal", "name", "code"]), find(&["value"]));
        let says = match one {
            (Some(signal), Some(value)) => Says::One {
                signal,
                value,
                unit: find(&["unit"]).ok_or("it has no column unit")?,
                available: find(&["available_at", "arrival"]),
                kind: find(&["kind"]).zip(find(&["action"])),
            },
            _ if signals.is_empty() => return Err("it has no values"),
            _ => {
                unread = others.len();
                Says::Each(signals)
            }
        };
        Ok(Self { patient, time, says, unread })
    }

    /// Whether rows may say when they could first be known.
    pub const fn tells_availability(&self) -> bool {
        matches!(self.says, Says::One { available: Some(_), .. })
    }

    /// Every column that is read.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns = vec![self.patient, self.time.column()];
        match &self.says {
            Says::One { signal, value, unit, available, kind } => {
                columns.extend([*signal, *value, *unit]);
                columns.extend(available.iter().copied().chain(kind.iter().flat_map(|(k, a)| [*k, *a])));
            }
            Says::Each(signals) => columns.extend(signals.iter().map(|(column, _)| *column)),
        }
        columns
    }
}

/// Whether a column holds texts.
pub fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{Field, Schema, TimeUnit};
    use std::sync::Arc;

    fn of(columns: &[(&str, DataType)]) -> Result<Layout, &'static str> {
        let fields = columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true));
        Layout::of(&Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }

    #[test]
    fn layouts() {
        let (text, time) = (DataType::Utf8, DataType::Timestamp(TimeUnit::Nanosecond, None));
        let number = DataType::Float64;
        let long = of(&[
            ("Value", number.clone()),
            ("unit", text.clone()),
            ("patient_id", DataType::Int64),
            ("code", text.clone()),
            ("time", text.clone()),
        ]);
        let says = Says::One { signal: 3, value: 0, unit: 1, available: None, kind: None };
        assert_eq!(long, Ok(Layout { patient: 2, time: Time::Moment(4), says, unread: 0 }));
        let wide = of(&[
            ("patient", text.clone()),
            ("minute", DataType::Int64),
            ("heart_rate", DataType::Float32),
            ("glucose", text.clone()),
            ("lactate", number.clone()),
            ("spo2", DataType::Boolean),
            ("words", text.clone()),
        ]);
        let says = Says::Each(vec![(2, Signal::HeartRate), (3, Signal::Glucose), (4, Signal::Lactate)]);
        assert_eq!(wide, Ok(Layout { patient: 0, time: Time::Since(1, Span::minutes(1)), says, unread: 1 }));
        let cases: [(&[(&str, DataType)], &str); 6] = [
            (&[("time", time.clone()), ("heart_rate", number.clone())], "it has no column patient"),
            (&[("patient", text.clone()), ("heart_rate", number.clone())], "it has no column time"),
            (&[("patient", text.clone()), ("time", time.clone())], "it has no values"),
            (
                &[("patient", text.clone()), ("time", DataType::Int64), ("heart_rate", number.clone())],
                "its times are neither timestamps nor text",
            ),
            (
                &[
                    ("patient", text.clone()),
                    ("at", time.clone()),
                    ("name", text.clone()),
                    ("value", number.clone()),
                ],
                "it has no column unit",
            ),
            (&[], "it has no column patient"),
        ];
        for (columns, want) in cases {
            assert_eq!(of(columns), Err(want));
        }
    }
}
