//! The rows of a batch, as words.

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    buffer::NullBuffer,
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType},
};
use bedwatch_schemas::{
    codes,
    event::{NoReading, ResultStatus},
    medication::{Dose, Drug, InfusionAction},
    signal::Signal,
    time::{ArrivalTime, EventTime, Span},
    unit::Unit,
};

use super::{
    layout::{Layout, Says, Time, is_text},
    word::{Happening, Left, Said, What, Why},
};
use crate::readers::{error::Fault, stamps};

/// A column of texts.
pub struct Texts(ArrayRef);

impl Texts {
    /// Any column whose values can be written as text; numbers are (patients are often numbered).
    pub fn of(column: &ArrayRef, name: &'static str) -> Result<Self, Fault> {
        cast(column, &DataType::Utf8, name).map(Self)
    }

    /// The text of a row, without spaces around it; `None` where there is none.
    pub fn at(&self, row: usize) -> Option<&str> {
        let texts = self.0.as_string::<i32>();
        let text = (!texts.is_null(row)).then(|| texts.value(row).trim());
        text.filter(|t| !t.is_empty())
    }
}

/// A column of numbers of one kind, made of another.
struct Cells {
    cells: ArrayRef,
    /// Where the original holds something.
    told: Option<NullBuffer>,
}

impl Cells {
    fn of(column: &ArrayRef, kind: &DataType, name: &'static str) -> Result<Self, Fault> {
        Ok(Self { cells: cast(column, kind, name)?, told: column.logical_nulls() })
    }

    /// Whether the cell holds something that has no place in this kind.
    fn is_lost(&self, row: usize) -> bool {
        self.cells.is_null(row) && self.told.as_ref().is_none_or(|told| told.is_valid(row))
    }
}

/// A column of times.
enum Times {
    Moments(Cells),
    Texts(Texts),
    Steps(Cells, Span),
}

impl Times {
    fn of(column: &ArrayRef, step: Option<Span>, name: &'static str) -> Result<Self, Fault> {
        if let Some(step) = step {
            return Ok(Self::Steps(Cells::of(column, &DataType::Int64, name)?, step));
        }
        if is_text(column.data_type()) {
            return Ok(Self::Texts(Texts::of(column, name)?));
        }
        // A time without a zone is taken as UTC.
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        Ok(Self::Moments(Cells::of(column, &utc, name)?))
    }

    /// The time of a row: none, or one that cannot be read.
    fn at(&self, row: usize) -> Option<Result<EventTime, ()>> {
        let micros = match self {
            Self::Texts(texts) => return texts.at(row).map(|text| stamps::iso(text).ok_or(())),
            Self::Moments(cells) | Self::Steps(cells, _) if cells.is_lost(row) => None,
            Self::Moments(moments) => {
                let moments = moments.cells.as_primitive::<TimestampMicrosecondType>();
                moments.is_valid(row).then(|| Some(moments.value(row)))?
            }
            Self::Steps(steps, step) => {
                let steps = steps.cells.as_primitive::<Int64Type>();
                steps.is_valid(row).then(|| steps.value(row).checked_mul(step.0))?
            }
        };
        // Within the years 0 to 9999, as times elsewhere are.
        let range = -62_167_219_200_000_000..253_402_300_800_000_000;
        Some(micros.filter(|m| range.contains(m)).map(EventTime::from_micros).ok_or(()))
    }
}

/// A column of values.
enum Values {
    Numbers(Cells),
    Texts(Texts),
}

impl Values {
    fn of(column: &ArrayRef, name: &'static str) -> Result<Self, Fault> {
        Ok(match column.data_type() {
            kind if is_text(kind) => Self::Texts(Texts::of(column, name)?),
            kind if kind.is_numeric() => Self::Numbers(Cells::of(column, &DataType::Float64, name)?),
            _ => return Err(Fault::Header(format!("its column {name} holds no numbers"))),
        })
    }

    /// The value of a row; `None` where there is none (`NaN` is what some writers put there).
    fn at(&self, row: usize) -> Result<Option<f64>, Why> {
        let value = match self {
            Self::Numbers(numbers) if numbers.is_lost(row) => return Err(Why::Number),
            Self::Numbers(numbers) => {
                let numbers = numbers.cells.as_primitive::<Float64Type>();
                numbers.is_valid(row).then(|| numbers.value(row))
            }
            Self::Texts(texts) => texts.at(row).map(|t| t.parse().map_err(|_| Why::Number)).transpose()?,
        };
        match value.filter(|v| !v.is_nan()) {
            Some(v) if v.is_infinite() => Err(Why::Number),
            value => Ok(value),
        }
    }
}

/// A cell that has no place in the new kind is empty there: it alone is lost.
fn cast(column: &ArrayRef, kind: &DataType, name: &'static str) -> Result<ArrayRef, Fault> {
    cast_with_options(column, kind, &CastOptions { safe: true, ..CastOptions::default() })
        .map_err(|_| Fault::Header(format!("its column {name} is of a kind that is not read")))
}

/// A batch with its columns made ready.
pub struct Rows {
    /// How many.
    pub count: usize,
    /// Whose each is.
    pub patients: Texts,
    times: Times,
    says: Columns,
}

enum Columns {
    One {
        signals: Texts,
        values: Values,
        units: Texts,
        available: Option<Times>,
        kinds: Option<(Texts, Texts)>,
    },
    Each(Vec<(u32, Signal, Values)>, Span),
}

/// One thing that a row says: its part, its time, when it could be known, and what.
pub type OfRow = (u32, EventTime, ArrivalTime, What);

impl Rows {
    /// Makes the columns of a batch ready. `layout` has them by their place in the file, the batch by `place`.
    pub fn of(batch: &RecordBatch, layout: &Layout, place: impl Fn(usize) -> usize) -> Result<Self, Fault> {
        let column = |i: usize| batch.column(place(i));
        let step = match layout.time {
            Time::Moment(_) => None,
            Time::Since(_, step) => Some(step),
        };
        let says = match &layout.says {
            Says::One { signal, value, unit, available, kind } => Columns::One {
                signals: Texts::of(column(*signal), "signal")?,
                values: Values::of(column(*value), "value")?,
                units: Texts::of(column(*unit), "unit")?,
                available: available.map(|i| Times::of(column(i), None, "available_at")).transpose()?,
                kinds: kind
                    .map(|(k, a)| {
                        Ok::<_, Fault>((Texts::of(column(k), "kind")?, Texts::of(column(a), "action")?))
                    })
                    .transpose()?,
            },
            Says::Each(signals) => {
                let values = signals
                    .iter()
                    .map(|(i, signal)| Ok((*i as u32, *signal, Values::of(column(*i), signal.name())?)));
                Columns::Each(values.collect::<Result<_, Fault>>()?, step.unwrap_or(Span::ZERO))
            }
        };
        Ok(Self {
            count: batch.num_rows(),
            patients: Texts::of(column(layout.patient), "patient")?,
            times: Times::of(column(layout.time.column()), step, "time")?,
            says,
        })
    }

    /// Calls `each` with everything that a row says.
    pub fn said(&self, row: usize, mut each: impl FnMut(OfRow)) {
        let none = EventTime::from_micros(0);
        let fault = |why| (0, none, none.as_arrival_time(), What::Fault(why));
        let Some(Ok(at)) = self.times.at(row) else { return each(fault(Why::Time)) };
        match &self.says {
            Columns::Each(signals, step) => {
                let known = (at + *step).as_arrival_time();
                let mut is_empty = true;
                for (part, signal, values) in signals {
                    let what = match values.at(row) {
                        // An empty cell of a wide table is no measurement that was due.
                        Ok(None) => continue,
                        Ok(Some(value)) => number(*signal, value, ResultStatus::Final),
                        Err(why) => What::Fault(why),
                    };
                    is_empty = false;
                    each((*part, at, known, what));
                }
                if is_empty {
                    each((0, at, known, What::Left(Left::Empty)));
                }
            }
            Columns::One { signals, values, units, available, kinds } => {
                let known = match available.as_ref().and_then(|times| times.at(row)) {
                    None => at,
                    Some(Ok(known)) => known.max(at),
                    Some(Err(())) => return each(fault(Why::Available)),
                };
                let named = Named {
                    name: signals.at(row).unwrap_or_default(),
                    value: values.at(row),
                    unit: units.at(row),
                };
                let what = match kinds {
                    None => named.measurement(ResultStatus::Final),
                    Some((kinds, actions)) => {
                        named.of_kind(kinds.at(row).unwrap_or_default(), actions.at(row).unwrap_or_default())
                    }
                };
                each((0, at, known.as_arrival_time(), what));
            }
        }
    }
}

fn number(signal: Signal, value: f64, status: ResultStatus) -> What {
    if signal.is_sentinel(value) {
        return What::Said(Said::NoReading(signal, NoReading::Sentinel));
    }
    What::Said(Said::Number(signal, value, status))
}

/// A row of a long table.
struct Named<'a> {
    name: &'a str,
    value: Result<Option<f64>, Why>,
    unit: Option<&'a str>,
}

impl Named<'_> {
    /// A value of a signal, by its name, LOINC code or MDC reference.
    fn measurement(self, status: ResultStatus) -> What {
        let by_mdc = || match codes::from_mdc_name(self.name) {
            Some(codes::Coded::Signal(signal)) => Some(signal),
            _ => None,
        };
        let signal = Signal::from_name(self.name).or_else(|| codes::from_loinc(self.name)).or_else(by_mdc);
        let Some(signal) = signal else { return What::Left(Left::Signal) };
        let value = match self.value {
            Ok(Some(value)) => value,
            Ok(None) => return What::Said(Said::NoReading(signal, NoReading::Empty)),
            Err(why) => return What::Fault(why),
        };
        if signal.is_sentinel(value) {
            return What::Said(Said::NoReading(signal, NoReading::Sentinel));
        }
        let unit = match self.unit {
            Some(text) => Unit::parse(text).ok_or(Left::Unit),
            // Without a dimension there is one way to write it.
            None if matches!(signal.info().unit, Unit::One | Unit::Ph | Unit::Score) => {
                Ok(signal.info().unit)
            }
            None => Err(Left::NoUnit),
        };
        match unit.and_then(|unit| signal.to_canonical(value, unit).map_err(|_| Left::UnitOfOther)) {
            Ok(value) => number(signal, value, status),
            Err(left) => What::Left(left),
        }
    }

    /// A row of `events.parquet`, as an export writes it.
    fn of_kind(self, kind: &str, action: &str) -> What {
        match kind {
            "lab" | "charted" | "vital" => self.measurement(match action {
                "preliminary" => ResultStatus::Preliminary,
                "corrected" => ResultStatus::Corrected,
                "withdrawn" => ResultStatus::Withdrawn,
                _ => ResultStatus::Final,
            }),
            "medication" => self.medication(action),
            "adt" => match self.name {
                "admit" => What::Said(Said::Adt(Happening::Admit)),
                "transfer" => What::Said(Said::Adt(Happening::Transfer)),
                "discharge" => What::Said(Said::Adt(Happening::Discharge)),
                "update" => What::Said(Said::Adt(Happening::Update)),
                // A merge names another patient, which the table does not hold.
                _ => What::Left(Left::Name),
            },
            "microbiology" => match self.name {
                "culture_taken" => What::Said(Said::Culture(false)),
                "culture_positive" => What::Said(Said::Culture(true)),
                _ => What::Left(Left::Name),
            },
            _ => What::Left(Left::Kind),
        }
    }

    fn medication(self, action: &str) -> What {
        let drug = Drug::ALL.into_iter().find(|drug| drug.name() == self.name);
        let action = match action {
            "rate_set" => Some(InfusionAction::RateSet),
            "stopped" => Some(InfusionAction::Stopped),
            "given" => Some(InfusionAction::Given),
            "not_given" => Some(InfusionAction::NotGiven),
            _ => None,
        };
        let (Some(drug), Some(action)) = (drug, action) else { return What::Left(Left::Name) };
        let dose = match (self.value, self.unit.map(Unit::parse)) {
            (Err(why), _) => return What::Fault(why),
            (Ok(Some(_)), None) => return What::Left(Left::NoUnit),
            (Ok(Some(_)), Some(None)) => return What::Left(Left::Unit),
            (Ok(Some(value)), Some(Some(unit))) => Some(Dose { value, unit }),
            (Ok(None), _) => None,
        };
        What::Said(Said::Medication(drug, action, dose))
    }
}
