//! Feature frames to the encoder's tokens: input contracts "hourly-v1" and "hourly-v2".
//!
//! One token a clock hour. For `S` variables: last known values (transformed, standardised,
//! clipped; 0 if never known), masks (1 if observed in this hour), ages (hours since the last
//! observation over the cap; 1 if never), then age, sex and hours since admission. "hourly-v2" adds
//! how long the patient was in the hospital before (0 and a flag 0 where unknown) and the kind of
//! unit, one of four. Missing is not imputed: the mask and the age say so. Every number is the
//! bundle manifest's.
//!
//! [`Edit`]s change what was observed before tokens are built, so that the model can be run on what
//! might have been: the tokens are those of a frame that had been so.

use bedwatch_schemas::{
    event::{Sex, UnitKind},
    frame::{FeatureFrame, hour_of},
    signal::Signal,
};
use serde::Deserialize;

/// Why a manifest's input is not one this engine builds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The contract is another.
    #[error("the encoder's input contract is {0:?}; this engine builds \"hourly-v1\" and \"hourly-v2\"")]
    Contract(String),
    /// The order of a token's parts is another.
    #[error("the encoder's layout is {found:?}; for its contract this engine builds {wanted:?}")]
    Layout {
        /// The manifest's.
        found: Vec<String>,
        /// The contract's.
        wanted: &'static [&'static str],
    },
    /// A token has another number of features than its parts make.
    #[error(
        "the encoder's feature_count is {found}; {variables} variables make {wanted} features in its contract"
    )]
    Count {
        /// The manifest's.
        found: usize,
        /// What the variables and the contract make.
        wanted: usize,
        /// The variables.
        variables: usize,
    },
    /// A variable stands twice.
    #[error("the encoder's variable {0:?} stands twice")]
    Twice(String),
    /// A variable names a signal that does not exist.
    #[error("the encoder's variable {0:?} has an unknown source or none")]
    Source(String),
    /// A number of the contract cannot be used.
    #[error("the encoder's input has no usable {0}")]
    Number(&'static str),
}

/// The `[input]` table of an encoder's manifest.
#[derive(Debug, Clone, Deserialize)]
pub struct Spec {
    contract: String,
    layout: Vec<String>,
    feature_count: usize,
    clip: f32,
    age_cap_hours: u32,
    age_years_divisor: f32,
    age_years_unknown: f32,
    sex_male: f32,
    sex_female: f32,
    sex_unknown: f32,
    since_admission_divisor: f32,
    since_admission_first_hour: i64,
    /// Contract "hourly-v2" only.
    before_icu_divisor: Option<f32>,
    variables: Vec<VariableSpec>,
}

/// The parts of a token in the order of "hourly-v1".
const LAYOUT_V1: &[&str] = &["values", "masks", "ages", "age_years", "sex", "since_admission"];

/// The same of "hourly-v2".
const LAYOUT_V2: &[&str] = &[
    "values",
    "masks",
    "ages",
    "age_years",
    "sex",
    "since_admission",
    "before_icu",
    "before_icu_known",
    "unit_medical",
    "unit_surgical",
    "unit_coronary",
    "unit_cardiac_surgery",
];

/// The input contracts this engine builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// `3 S + 3` features; the model answers for every hour.
    HourlyV1,
    /// `3 S + 9` features; the model answers for the last hour.
    HourlyV2,
}

impl Contract {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "hourly-v1" => Some(Self::HourlyV1),
            "hourly-v2" => Some(Self::HourlyV2),
            _ => None,
        }
    }

    const fn layout(self) -> &'static [&'static str] {
        match self {
            Self::HourlyV1 => LAYOUT_V1,
            Self::HourlyV2 => LAYOUT_V2,
        }
    }

    /// Features of the person and the stay, after those of the variables.
    const fn person(self) -> usize {
        self.layout().len() - 3
    }
}

#[derive(Debug, Clone, Deserialize)]
struct VariableSpec {
    name: String,
    sources: Vec<String>,
    transform: Transform,
    mean: f32,
    sd: f32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Transform {
    Identity,
    Log1p,
}

/// A variable of the input.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name in the manifest.
    pub name: String,
    /// The signals that feed it, in order of preference.
    pub sources: Vec<Signal>,
    transform: Transform,
    mean: f32,
    sd: f32,
}

/// Builds tokens. Shape of its output: `hours x features()`, row-major.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    contract: Contract,
    spec: Spec,
    variables: Vec<Variable>,
    max_hours: usize,
}

/// The tokens of one frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tokens {
    /// Row-major, `hours x features`.
    pub values: Vec<f32>,
    /// Rows.
    pub hours: usize,
    /// The clock hour of the first row, counted from the Unix epoch.
    pub first_hour: i64,
    /// For each variable the signal that gave its last known value; `None` if never known.
    pub last_source: Vec<Option<Signal>>,
}

/// A change to what was observed of one variable, from one clock hour on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edit {
    /// The variable's index.
    pub variable: usize,
    /// The first hour changed; `None`: all, also what was known before the grid.
    pub from: Option<i64>,
    /// What each of these hours observed instead; `None`: nothing.
    pub value: Option<(Signal, f32)>,
}

/// What is known of a variable so far.
#[derive(Clone, Copy)]
struct Known {
    scaled: f32,
    hour: i64,
    source: Signal,
}

impl Tokenizer {
    /// From the manifest's `[input]` table; at most `max_hours` tokens a frame.
    ///
    /// # Errors
    /// When the contract or layout is another or a number or source of it cannot be used.
    pub fn new(spec: Spec, max_hours: usize) -> Result<Self, Error> {
        let contract =
            Contract::parse(&spec.contract).ok_or_else(|| Error::Contract(spec.contract.clone()))?;
        if spec.layout != contract.layout() {
            return Err(Error::Layout { found: spec.layout, wanted: contract.layout() });
        }
        let variables = spec.variables.iter().map(Variable::new).collect::<Result<Vec<_>, _>>()?;
        for (i, variable) in variables.iter().enumerate() {
            if variables[..i].iter().any(|v| v.name == variable.name) {
                return Err(Error::Twice(variable.name.clone()));
            }
        }
        let wanted = 3 * variables.len() + contract.person();
        if spec.feature_count != wanted || variables.is_empty() {
            return Err(Error::Count { found: spec.feature_count, wanted, variables: variables.len() });
        }
        check_numbers(&spec, contract, max_hours)?;
        Ok(Self { contract, spec, variables, max_hours })
    }

    /// The contract it builds.
    #[must_use]
    pub fn contract(&self) -> Contract {
        self.contract
    }

    /// Features a token has.
    #[must_use]
    pub fn features(&self) -> usize {
        self.spec.feature_count
    }

    /// The variables in order.
    #[must_use]
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// Writes the tokens of a frame, reusing `out`'s buffer. At least one row: the frame's hour.
    pub fn fill(&self, frame: &FeatureFrame, out: &mut Tokens) {
        self.fill_edited(frame, &[], 0, out);
    }

    /// The same of a frame as if these edits were true, up to `more` hours after the frame's hour.
    pub fn fill_edited(&self, frame: &FeatureFrame, edits: &[Edit], more: i64, out: &mut Tokens) {
        let (now, grid) = (hour_of(frame.at).saturating_add(more), &frame.grid);
        let span = i64::try_from(self.max_hours).unwrap_or(i64::MAX);
        let first = grid.first_hour.max(now.saturating_sub(span - 1)).min(now);
        out.values.clear();
        (out.hours, out.first_hour) = (0, first);
        let mut known: Vec<Option<Known>> = self.variables.iter().map(|v| v.before(frame)).collect();
        for edit in edits.iter().filter(|e| e.from.is_none()) {
            known[edit.variable] = None;
        }
        let mut seen = vec![false; self.variables.len()];
        // Rows before the first token only move what is known.
        let held = grid.first_hour.saturating_add(i64::try_from(grid.hours()).unwrap_or(0));
        for hour in grid.first_hour.min(first)..first.min(held) {
            self.observe(grid.row(hour), hour, edits, &mut known, &mut seen);
        }
        // What the grid may hold of later hours than the frame's is not known yet.
        let present = hour_of(frame.at);
        for hour in first..=now {
            let row = grid.row(hour).filter(|_| hour <= present);
            self.observe(row, hour, edits, &mut known, &mut seen);
            self.push(frame, hour, &known, &seen, out);
        }
        out.last_source = known.iter().map(|k| k.map(|k| k.source)).collect();
    }

    fn observe(
        &self,
        row: Option<&[f32]>,
        hour: i64,
        edits: &[Edit],
        known: &mut [Option<Known>],
        seen: &mut [bool],
    ) {
        for (i, ((variable, known), seen)) in self.variables.iter().zip(known).zip(seen).enumerate() {
            let edit = edits.iter().find(|e| e.variable == i && e.from.is_none_or(|from| hour >= from));
            let found = match edit {
                Some(edit) => edit.value,
                None => row.and_then(|row| variable.observed(row)),
            };
            *seen = found.is_some();
            if let Some((source, value)) = found {
                *known = Some(Known { scaled: variable.standardised(value), hour, source });
            }
        }
    }

    fn push(
        &self,
        frame: &FeatureFrame,
        hour: i64,
        known: &[Option<Known>],
        seen: &[bool],
        out: &mut Tokens,
    ) {
        let (spec, values) = (&self.spec, &mut out.values);
        let cap = spec.age_cap_hours;
        values.extend(known.iter().map(|k| k.map_or(0.0, |k| k.scaled.clamp(-spec.clip, spec.clip))));
        values.extend(seen.iter().map(|s| f32::from(u8::from(*s))));
        values.extend(known.iter().map(|k| {
            k.map_or(1.0, |k| {
                let age = u32::try_from(hour.saturating_sub(k.hour)).unwrap_or(0).min(cap);
                age as f32 / cap as f32
            })
        }));
        let person = &frame.demographics;
        let age = person.age_years.filter(|a| a.is_finite() && *a >= 0.0);
        values.push(age.map_or(spec.age_years_unknown, |a| a / spec.age_years_divisor));
        values.push(match person.sex {
            Some(Sex::Male) => spec.sex_male,
            Some(Sex::Female) => spec.sex_female,
            None => spec.sex_unknown,
        });
        let since = hour.saturating_sub(hour_of(frame.stay_start)) + spec.since_admission_first_hour;
        values.push((since.max(0) as f32).ln_1p() / spec.since_admission_divisor);
        if self.contract == Contract::HourlyV2 {
            self.push_stay(frame, values);
        }
        out.hours += 1;
    }

    /// How long the patient was in the hospital before the stay, and the kind of unit.
    fn push_stay(&self, frame: &FeatureFrame, values: &mut Vec<f32>) {
        let before = frame.hospital_admitted_at.map(|at| frame.stay_start.since(at).as_hours_f64().max(0.0));
        let divisor = self.spec.before_icu_divisor.unwrap_or(1.0);
        values.push(before.map_or(0.0, |hours| (hours as f32).ln_1p() / divisor));
        values.push(f32::from(u8::from(before.is_some())));
        for kind in UnitKind::ALL {
            values.push(f32::from(u8::from(frame.unit == Some(kind))));
        }
    }

    /// The hours in which a variable was observed, among the tokens' rows, in order.
    #[must_use]
    pub fn observed_hours(&self, tokens: &Tokens, variable: usize) -> Vec<i64> {
        let mask = self.variables.len() + variable;
        let rows = tokens.values.chunks_exact(self.spec.feature_count);
        (tokens.first_hour..).zip(rows).filter(|(_, row)| row[mask] != 0.0).map(|(hour, _)| hour).collect()
    }
}

/// Every number a token is divided by or stands for must be usable.
fn check_numbers(spec: &Spec, contract: Contract, max_hours: usize) -> Result<(), Error> {
    let mut divisors = vec![
        ("age_years_divisor", spec.age_years_divisor),
        ("since_admission_divisor", spec.since_admission_divisor),
        ("clip", spec.clip),
    ];
    if contract == Contract::HourlyV2 {
        divisors.push(("before_icu_divisor", spec.before_icu_divisor.unwrap_or(0.0)));
    }
    for (name, divisor) in divisors {
        if !(divisor.is_finite() && divisor > 0.0) {
            return Err(Error::Number(name));
        }
    }
    let stand_ins = [spec.age_years_unknown, spec.sex_male, spec.sex_female, spec.sex_unknown];
    if stand_ins.iter().any(|x| !x.is_finite()) {
        return Err(Error::Number("age_years_unknown or sex"));
    }
    if spec.age_cap_hours == 0 {
        return Err(Error::Number("age_cap_hours"));
    }
    if max_hours == 0 {
        return Err(Error::Number("max_hours"));
    }
    Ok(())
}

impl Variable {
    fn new(spec: &VariableSpec) -> Result<Self, Error> {
        let sources: Option<Vec<Signal>> = spec.sources.iter().map(|s| Signal::from_name(s)).collect();
        let sources = sources.filter(|s| !s.is_empty()).ok_or_else(|| Error::Source(spec.name.clone()))?;
        if !(spec.sd > 0.0 && spec.sd.is_finite() && spec.mean.is_finite()) {
            return Err(Error::Number("mean and sd of a variable"));
        }
        let (name, transform) = (spec.name.clone(), spec.transform);
        Ok(Self { name, sources, transform, mean: spec.mean, sd: spec.sd })
    }

    /// The value of an hour: the first source that has a plausible one.
    fn observed(&self, row: &[f32]) -> Option<(Signal, f32)> {
        self.sources.iter().find_map(|&s| {
            let value = *row.get(s.index())?;
            (value.is_finite() && s.is_plausible(f64::from(value))).then_some((s, value))
        })
    }

    /// What was known before the grid: the latest, among equals the preferred source's.
    fn before(&self, frame: &FeatureFrame) -> Option<Known> {
        let mut best: Option<Known> = None;
        for &source in &self.sources {
            let Some((value, hour)) = frame.grid.before.get(source.index()).copied().flatten() else {
                continue;
            };
            let usable = value.is_finite() && source.is_plausible(f64::from(value));
            if usable && best.is_none_or(|b| hour > b.hour) {
                best = Some(Known { scaled: self.standardised(value), hour, source });
            }
        }
        best
    }

    fn standardised(&self, value: f32) -> f32 {
        let moved = match self.transform {
            Transform::Identity => value,
            Transform::Log1p => value.max(0.0).ln_1p(),
        };
        (moved - self.mean) / self.sd
    }
}

#[cfg(test)]
pub(crate) mod tests;
