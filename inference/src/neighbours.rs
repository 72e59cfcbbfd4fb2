//! The nearest earlier stretches by embedding: a bundle's simulated exemplars and the patient's own
//! past hours. Exact cosine over all of them; equal cosines by order, so that every run says the same.
//!
//! Example-based explanation: "most like septic shock on noradrenaline, and like this patient nine
//! hours ago". Cosine ignores length, so a past embedding is kept as bytes of its largest part.
//!
//! Files of a bundle (`docs/bundles.md`): `vectors` is a matrix of little-endian `f32`, row after row,
//! one row an exemplar of `embedding_size` numbers; `list` is a JSON list of `{"id", "words"}` in the
//! same order.

use std::collections::{BTreeMap, VecDeque};

use bedwatch_schemas::risk::Similar;
use serde::{Deserialize, Serialize};

use crate::bundle::{self, Bundle};

/// Why a bundle's vectors cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is not listed.
    #[error(transparent)]
    Bundle(#[from] bundle::Error),
    /// The matrix has another size than the list and the dimension make.
    #[error("{file:?} of the model bundle holds {found} bytes; {rows} rows of {size} numbers make {wanted}")]
    Matrix {
        /// The file.
        file: String,
        /// Its bytes.
        found: usize,
        /// The list's length.
        rows: usize,
        /// The dimension.
        size: usize,
        /// The bytes that makes.
        wanted: usize,
    },
    /// A row has no direction.
    #[error("row {row} of {file:?} of the model bundle is zero or not finite")]
    Row {
        /// The file.
        file: String,
        /// The row, from 0.
        row: usize,
    },
    /// The list cannot be read.
    #[error("{file:?} of the model bundle is not the list it should be: {source}")]
    List {
        /// The file.
        file: String,
        /// Where and why.
        source: serde_json::Error,
    },
}

/// The `[neighbours]` table of a manifest.
#[derive(Debug, Clone, Deserialize)]
pub struct Spec {
    pub(crate) vectors: String,
    pub(crate) list: String,
}

/// One exemplar of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exemplar {
    /// Its id.
    pub id: String,
    /// What it shows.
    pub words: String,
}

/// A matrix whose rows are directions.
#[derive(Debug, Clone)]
pub(crate) struct Directions {
    size: usize,
    /// Row-major, each row of length 1.
    values: Vec<f32>,
}

impl Directions {
    /// Reads a bundle's file of `rows` rows.
    pub(crate) fn read(bundle: &Bundle, file: &str, rows: usize, size: usize) -> Result<Self, Error> {
        let raw = read_matrix(bundle, file, rows, size)?;
        let mut values = Vec::with_capacity(raw.len());
        for (row, raw) in raw.chunks_exact(size).enumerate() {
            values.extend(unit(raw).ok_or_else(|| Error::Row { file: file.to_owned(), row })?);
        }
        Ok(Self { size, values })
    }

    pub(crate) fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.size..(i + 1) * self.size]
    }

    /// The cosine of every row with a direction, by row.
    pub(crate) fn cosines(&self, direction: &[f32]) -> Vec<f32> {
        self.values.chunks_exact(self.size).map(|row| dot(row, direction)).collect()
    }
}

/// Reads a matrix of a bundle as it is, row after row.
pub(crate) fn read_matrix(bundle: &Bundle, file: &str, rows: usize, size: usize) -> Result<Vec<f32>, Error> {
    let bytes = bundle.file(file)?;
    let wanted = rows.saturating_mul(size).saturating_mul(4);
    if bytes.len() != wanted || size == 0 {
        return Err(Error::Matrix { file: file.to_owned(), found: bytes.len(), rows, size, wanted });
    }
    Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

/// The direction of a vector: length 1. `None` where it has none.
pub(crate) fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let square: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    let length = square.sqrt();
    (length.is_finite() && length > 0.0)
        .then(|| vector.iter().map(|x| (f64::from(*x) / length) as f32).collect())
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    sum.clamp(-1.0, 1.0) as f32
}

/// The `k` largest with their places, largest first, equal ones by place.
pub(crate) fn top(cosines: &[f32], k: usize) -> Vec<(usize, f32)> {
    let mut order: Vec<(usize, f32)> = cosines.iter().copied().enumerate().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    order.truncate(k);
    order
}

/// The simulated stretches of a bundle.
#[derive(Debug, Clone)]
pub struct Exemplars {
    list: Vec<Exemplar>,
    directions: Directions,
}

impl Exemplars {
    /// Loads a bundle's exemplars, whose embeddings have `size` numbers.
    ///
    /// # Errors
    /// When a file is not listed, its size does not fit, or a row has no direction.
    pub fn load(bundle: &Bundle, spec: &Spec, size: usize) -> Result<Self, Error> {
        let list = read_list(bundle, &spec.list)?;
        let directions = Directions::read(bundle, &spec.vectors, list.len(), size)?;
        Ok(Self { list, directions })
    }

    /// The exemplars, in the bundle's order.
    #[must_use]
    pub fn list(&self) -> &[Exemplar] {
        &self.list
    }

    /// The `k` nearest to an embedding, nearest first; none where the embedding has no direction or
    /// another size.
    #[must_use]
    pub fn nearest(&self, embedding: &[f32], k: usize) -> Vec<Similar> {
        let direction = unit(embedding).filter(|d| d.len() == self.directions.size);
        let Some(direction) = direction else { return Vec::new() };
        let found = top(&self.directions.cosines(&direction), k).into_iter();
        found
            .map(|(i, cosine)| {
                let Exemplar { id, words } = self.list[i].clone();
                Similar::Exemplar { id, words, cosine }
            })
            .collect()
    }
}

/// Reads a JSON list of a bundle.
pub(crate) fn read_list<T: for<'de> Deserialize<'de>>(bundle: &Bundle, file: &str) -> Result<Vec<T>, Error> {
    serde_json::from_slice(bundle.file(file)?).map_err(|source| Error::List { file: file.to_owned(), source })
}

/// Hours of a patient's own past that are kept.
pub const PAST_HOURS: i64 = 72;
/// Two hours closer than this are the same stretch.
pub const STRETCH_HOURS: i64 = 6;

/// A patient's own past: the last embedding of each clock hour, in bytes of its largest part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Past {
    hours: VecDeque<(i64, Vec<i8>)>,
}

impl Past {
    /// Remembers the embedding of a clock hour; the last of an hour stays. Hours never go back.
    pub fn remember(&mut self, hour: i64, embedding: &[f32]) {
        let largest = embedding.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
        if !(largest.is_finite() && largest > 0.0) || self.hours.back().is_some_and(|(last, _)| *last > hour)
        {
            return;
        }
        let bytes = embedding.iter().map(|x| (x / largest * 127.0).round() as i8).collect();
        if self.hours.back().is_some_and(|(last, _)| *last == hour) {
            self.hours.pop_back();
        }
        self.hours.push_back((hour, bytes));
        while self.hours.front().is_some_and(|(first, _)| hour.saturating_sub(*first) > PAST_HOURS) {
            self.hours.pop_front();
        }
    }

    /// Takes over the past of an id that was the same person; of an hour both have, the own stays.
    pub fn merge(&mut self, other: Self) {
        let mut hours: BTreeMap<i64, Vec<i8>> = other.hours.into_iter().collect();
        hours.extend(std::mem::take(&mut self.hours));
        let last = hours.last_key_value().map_or(0, |(hour, _)| *hour);
        self.hours = hours.into_iter().filter(|(hour, _)| last.saturating_sub(*hour) <= PAST_HOURS).collect();
    }

    /// The nearest stretches at least [`STRETCH_HOURS`] before `now` and from each other, nearest
    /// first, equal ones the later first.
    #[must_use]
    pub fn nearest(&self, now: i64, embedding: &[f32], k: usize) -> Vec<Similar> {
        let Some(direction) = unit(embedding) else { return Vec::new() };
        let mut found: Vec<(i64, f32)> = Vec::new();
        for (hour, bytes) in self.hours.iter().rev() {
            let raw: Vec<f32> = bytes.iter().map(|b| f32::from(*b)).collect();
            if let Some(past) = unit(&raw).filter(|p| p.len() == direction.len()) {
                found.push((now.saturating_sub(*hour), dot(&past, &direction)));
            }
        }
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut kept: Vec<(i64, f32)> = Vec::new();
        for (ago, cosine) in found {
            let apart = kept.iter().all(|(other, _)| (ago - other).abs() >= STRETCH_HOURS);
            if ago >= STRETCH_HOURS && apart && kept.len() < k {
                kept.push((ago, cosine));
            }
        }
        let own = |(ago, cosine): (i64, f32)| Similar::Own {
            hours_ago: u32::try_from(ago).unwrap_or(u32::MAX),
            cosine,
        };
        kept.into_iter().map(own).collect()
    }
}

/// The least cosine at which one stretch is said to be like another: 60 degrees apart. A convention, so
/// that the nearest is not told where nothing is near.
pub const ALIKE_FROM: f32 = 0.5;

/// The `k` nearest of both that are alike ([`ALIKE_FROM`]), nearest first; the patient's own first where
/// equal.
#[must_use]
pub fn nearest(
    exemplars: Option<&Exemplars>,
    past: &Past,
    now: i64,
    embedding: &[f32],
    k: usize,
) -> Vec<Similar> {
    let mut all = past.nearest(now, embedding, k);
    all.extend(exemplars.map(|e| e.nearest(embedding, k)).unwrap_or_default());
    let cosine = |s: &Similar| match s {
        Similar::Own { cosine, .. } | Similar::Exemplar { cosine, .. } => *cosine,
    };
    all.retain(|similar| cosine(similar) >= ALIKE_FROM);
    all.sort_by(|a, b| cosine(b).total_cmp(&cosine(a)));
    all.truncate(k);
    all
}

#[cfg(test)]
mod tests;
