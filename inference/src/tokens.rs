//! Feature frames to the encoder's tokens: input contract "hourly-v1".
//!
//! One token a clock hour. For `S` variables: last known values (transformed, standardised,
//! clipped; 0 if never known), masks (1 if observed in this hour), ages (hours since the last
//! observation over the cap; 1 if never), then age, sex and hours since admission. Missing is not
//! imputed: the mask and the age say so. Every number is the bundle manifest's.

use bedwatch_schemas::{
    event::Sex,
    frame::{FeatureFrame, hour_of},
    signal::Signal,
};
use serde::Deserialize;

/// Why a manifest's input is not one this engine builds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The contract is another.
    #[error("the encoder's input contract is {0:?}; this engine builds \"hourly-v1\"")]
    Contract(String),
    /// A variable names a signal that does not exist.
    #[error("the encoder's variable {0:?} has an unknown source or none")]
    Source(String),
    /// A number of the contract cannot be used.
    #[error("the encoder's input has a bad {0}")]
    Number(&'static str),
}

/// The `[input]` table of an encoder's manifest.
#[derive(Debug, Clone, Deserialize)]
pub struct Spec {
    contract: String,
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
    variables: Vec<VariableSpec>,
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
    /// For each variable the signal that gave its last known value; `None` if never known.
    pub last_source: Vec<Option<Signal>>,
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
    /// When the contract is another or a number or source of it cannot be used.
    pub fn new(spec: Spec, max_hours: usize) -> Result<Self, Error> {
        if spec.contract != "hourly-v1" {
            return Err(Error::Contract(spec.contract));
        }
        let variables = spec.variables.iter().map(Variable::new).collect::<Result<Vec<_>, _>>()?;
        let divisors = [spec.age_years_divisor, spec.since_admission_divisor, spec.clip];
        if spec.feature_count != 3 * variables.len() + 3 || variables.is_empty() {
            return Err(Error::Number("feature_count"));
        }
        if spec.age_cap_hours == 0 || max_hours == 0 || divisors.iter().any(|d| d.is_nan() || *d <= 0.0) {
            return Err(Error::Number("divisor, clip, cap or max_hours"));
        }
        Ok(Self { spec, variables, max_hours })
    }

    /// Features a token has: `3 S + 3`.
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
        let (now, grid) = (hour_of(frame.at), &frame.grid);
        let span = i64::try_from(self.max_hours).unwrap_or(i64::MAX);
        let first = grid.first_hour.max(now.saturating_sub(span - 1)).min(now);
        out.values.clear();
        out.hours = 0;
        let mut known: Vec<Option<Known>> = self.variables.iter().map(|v| v.before(frame)).collect();
        let mut seen = vec![false; self.variables.len()];
        // Rows before the first token only move what is known.
        let held = grid.first_hour.saturating_add(i64::try_from(grid.hours()).unwrap_or(0));
        for hour in grid.first_hour.min(first)..first.min(held) {
            self.observe(grid.row(hour), hour, &mut known, &mut seen);
        }
        for hour in first..=now {
            self.observe(grid.row(hour), hour, &mut known, &mut seen);
            self.push(frame, hour, &known, &seen, out);
        }
        out.last_source = known.iter().map(|k| k.map(|k| k.source)).collect();
    }

    fn observe(&self, row: Option<&[f32]>, hour: i64, known: &mut [Option<Known>], seen: &mut [bool]) {
        for ((variable, known), seen) in self.variables.iter().zip(known).zip(seen) {
            let found = row.and_then(|row| variable.observed(row));
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
        out.hours += 1;
    }

    /// Writes into `out` the tokens as if a variable had never been observed.
    ///
    /// # Panics
    /// When the variable's index is not below [`Self::variables`]' length.
    pub fn mask(&self, tokens: &[f32], variable: usize, out: &mut Vec<f32>) {
        let count = self.variables.len();
        assert!(variable < count, "a variable's index is below their number");
        out.clear();
        out.extend_from_slice(tokens);
        for row in out.chunks_exact_mut(self.spec.feature_count) {
            row[variable] = 0.0;
            row[count + variable] = 0.0;
            row[2 * count + variable] = 1.0;
        }
    }
}

impl Variable {
    fn new(spec: &VariableSpec) -> Result<Self, Error> {
        let sources: Option<Vec<Signal>> = spec.sources.iter().map(|s| Signal::from_name(s)).collect();
        let sources = sources.filter(|s| !s.is_empty()).ok_or_else(|| Error::Source(spec.name.clone()))?;
        if !(spec.sd > 0.0 && spec.sd.is_finite() && spec.mean.is_finite()) {
            return Err(Error::Number("mean or sd"));
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
