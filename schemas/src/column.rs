//! The dictionary of columns a site's expressions may name: one row a column with its unit, what it
//! is called and where its value comes from. The Arrow schema, the listing of
//! `bedwatch config columns` and the words of a rationale are all made from it.
//!
//! Names are stable: `<signal>_<part>` (`lactate_last`), `<signal>_<statistic>_<window>`
//! (`map_min_10m`), a score's or risk's own name, and `eeg_`, `ecg_`, `cgm_` and drug names with a
//! part. What a model says of its own doubt is no column: doubt decides nothing (ADR 6).

use std::{collections::BTreeMap, fmt, sync::LazyLock};

use crate::{
    event::Modality,
    evidence::{Derived, Subject},
    medication::Drug,
    risk::Head,
    score::ScoreKind,
    signal::Signal,
    summary::{CardiacSummary, EegSummary, GlucoseSummary},
    time::Span,
    unit::Unit,
};

mod table;

/// A statistic of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stat {
    /// Arithmetic mean.
    Mean,
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// Sample standard deviation.
    Sd,
    /// Least-squares slope, in the signal's unit an hour.
    Slope,
    /// Values received.
    Count,
    /// Values received over values expected at the observed rate, 0 to 1.
    Completeness,
}

/// What of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The latest value, while it speaks of now.
    Last,
    /// Minutes since the latest value, however old.
    Age,
    /// The latest result less the one before it.
    Delta,
    /// The lowest result of 24 h.
    Lowest,
    /// The highest result of 24 h.
    Highest,
    /// A statistic of the window of this length that ends now.
    Window(Stat, Span),
}

/// What of an infusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Infused {
    /// Whether it runs.
    Running,
    /// Its rate in micrograms a kilogram and minute.
    Rate,
    /// Minutes since it runs or has ended.
    Since,
}

/// A waveform's beats: over the last ten seconds, or over five minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beats {
    /// Ten seconds: the latest beats must be of the last 15 s.
    Seconds,
    /// Five minutes: the latest beats must be of the last five minutes.
    Minutes,
}

/// Where a column's value comes from.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// Hours since the stay began.
    StayHours,
    /// The patient's age in years.
    AgeYears,
    /// Something of a signal.
    Signal(Signal, Part),
    /// The same of the first of two signals that speaks of now: arterial line, then cuff.
    Either([Signal; 2], Part),
    /// A score of which every part is known.
    Score(ScoreKind),
    /// The known points of a score: it is at least so high.
    ScoreAtLeast(ScoreKind),
    /// A model's risk, in per cent.
    Risk(Head),
    /// Something of an infusion.
    Infusion(Drug, Infused),
    /// Something of the EEG.
    Eeg(fn(&EegSummary) -> Option<f64>),
    /// Something of a waveform's beats.
    Cardiac(Modality, Beats, fn(&CardiacSummary) -> Option<f64>),
    /// Something of the glucose sensor.
    Sensor(fn(&GlucoseSummary) -> Option<f64>),
    /// Whether a drop of the glucose sensor looks like pressure on it.
    Compression,
}

/// What a column's values are measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// A unit of measure.
    In(Unit),
    /// The unit, an hour.
    Hourly(Unit),
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
    /// Years.
    Years,
    /// True or false.
    Truth,
}

impl Measure {
    /// The unit as UCUM writes it; empty for true and false.
    #[must_use]
    pub fn ucum(self) -> String {
        match self {
            Self::In(unit) => unit.ucum().to_owned(),
            Self::Hourly(unit) => format!("{}/h", unit.ucum().trim_end_matches('1')),
            Self::Minutes => "min".to_owned(),
            Self::Hours => "h".to_owned(),
            Self::Years => "a".to_owned(),
            Self::Truth => String::new(),
        }
    }

    /// The unit of a fact that states such a value, and by what the value is multiplied for it. A
    /// slope's label says that it is an hour's change. `None`: it is stated by no fact.
    #[must_use]
    pub const fn fact(self) -> Option<(Unit, f64)> {
        match self {
            Self::In(unit) | Self::Hourly(unit) => Some((unit, 1.0)),
            Self::Minutes => Some((Unit::Second, 60.0)),
            Self::Hours | Self::Years | Self::Truth => None,
        }
    }
}

/// A row of the dictionary.
#[derive(Debug)]
pub struct Info {
    /// The name in an expression.
    pub name: String,
    /// What a rationale calls it.
    pub label: String,
    /// What its values are measured in.
    pub measure: Measure,
    /// What it means, for whoever writes a rule.
    pub meaning: String,
    /// Where its value comes from.
    pub source: Source,
}

static TABLE: LazyLock<Vec<Info>> = LazyLock::new(table::build);
static NAMES: LazyLock<BTreeMap<&'static str, Column>> =
    LazyLock::new(|| Column::all().map(|c| (c.name(), c)).collect());

/// A column of the dictionary.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Column(u16);

impl Column {
    /// Every column, in the order of the dictionary.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..TABLE.len()).map(|i| Self(u16::try_from(i).expect("the dictionary has fewer than 65,536 rows")))
    }

    /// The column of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.get(name).copied()
    }

    /// Its row.
    #[must_use]
    pub fn info(self) -> &'static Info {
        &TABLE[usize::from(self.0)]
    }

    /// The name in an expression.
    #[must_use]
    pub fn name(self) -> &'static str {
        &self.info().name
    }

    /// What a rationale calls it.
    #[must_use]
    pub fn label(self) -> &'static str {
        &self.info().label
    }

    /// The column of one part of a signal.
    #[must_use]
    pub fn of(signal: Signal, part: Part) -> Option<Self> {
        Self::from_name(&table::part_name(signal.name(), part))
    }

    /// What a fact about it is about: the signal, score, risk or measure it is the value of, where it is
    /// one of those; else the column. `None` where no fact can state it.
    #[must_use]
    pub fn subject(self) -> Option<Subject> {
        let info = self.info();
        info.measure.fact()?;
        Some(match info.source {
            Source::Signal(signal, Part::Last) => Subject::Signal(signal),
            Source::Score(kind) | Source::ScoreAtLeast(kind) => Subject::Score(kind),
            Source::Risk(head) => Subject::Risk(head),
            _ => Derived::ALL
                .into_iter()
                .find(|d| table::derived(*d) == Some(info.name.as_str()))
                .map_or(Subject::Column(self), Subject::Derived),
        })
    }
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Column({})", self.name())
    }
}

#[cfg(test)]
mod tests;
