//! A decoder in the layout Hugging Face exports: `input_ids, attention_mask, position_ids,
//! past_key_values.{i}.key/value -> logits, present.{i}.key/value`, one sequence at a time.
//!
//! The cache is the runtime's own tensors handed back in: nothing is copied between tokens.

use std::borrow::Cow;

use ort::{
    memory::Allocator,
    session::{Session, SessionInputValue},
    value::{DynValue, Tensor, TensorRef},
};

use super::Error;
use crate::runtime;

/// The sizes of a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Layers.
    pub layers: usize,
    /// Key-value heads a layer.
    pub heads: usize,
    /// Numbers a head.
    pub head_size: usize,
    /// Tokens known.
    pub vocabulary: usize,
}

/// A session with the cache of the sequence in progress.
pub struct Decoder {
    session: Session,
    shape: Shape,
    /// Names of past and present, `2 * layers` each, key before value.
    names: Vec<(String, String)>,
    cache: Vec<DynValue>,
    ids: Vec<i64>,
    mask: Vec<i64>,
    positions: Vec<i64>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("shape", &self.shape).finish_non_exhaustive()
    }
}

fn run(e: ort::Error) -> Error {
    Error::Runtime(runtime::Error::Run(e.to_string()))
}

impl Decoder {
    /// A decoder over a loaded session.
    #[must_use]
    pub fn new(session: Session, shape: Shape) -> Self {
        let names = (0..shape.layers)
            .flat_map(|i| {
                ["key", "value"].map(|k| (format!("past_key_values.{i}.{k}"), format!("present.{i}.{k}")))
            })
            .collect();
        Self {
            session,
            shape,
            names,
            cache: Vec::new(),
            ids: Vec::new(),
            mask: Vec::new(),
            positions: Vec::new(),
        }
    }

    /// Forgets the sequence.
    pub fn reset(&mut self) {
        self.cache.clear();
        self.mask.clear();
    }

    /// Tokens the cache holds.
    #[must_use]
    pub fn length(&self) -> usize {
        self.mask.len()
    }

    /// Appends tokens to the sequence; returns the logits after the last one, `[vocabulary]`.
    ///
    /// # Errors
    /// When the model does not run or its outputs have another shape. The sequence is then lost.
    pub fn step(&mut self, tokens: &[u32]) -> Result<Vec<f32>, Error> {
        let past = if self.cache.is_empty() { self.empty_cache()? } else { std::mem::take(&mut self.cache) };
        let before = self.mask.len();
        self.mask.resize(before + tokens.len(), 1);
        self.ids.clear();
        self.ids.extend(tokens.iter().map(|t| i64::from(*t)));
        self.positions.clear();
        self.positions.extend((before..self.mask.len()).map(|p| i64::try_from(p).unwrap_or(i64::MAX)));
        let width = tokens.len();
        let mut inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::with_capacity(3 + self.names.len());
        for (name, data) in [
            ("input_ids", (width, &self.ids)),
            ("attention_mask", (self.mask.len(), &self.mask)),
            ("position_ids", (width, &self.positions)),
        ] {
            let view = TensorRef::from_array_view(([1, data.0], data.1.as_slice())).map_err(run)?;
            inputs.push((Cow::Borrowed(name), view.into()));
        }
        for ((name, _), value) in self.names.iter().zip(past) {
            inputs.push((Cow::Borrowed(name), value.into()));
        }
        let mut outputs = self.session.run(inputs).map_err(run)?;
        let logits = last_row(outputs.get("logits").ok_or(Error::Shape)?, width, self.shape.vocabulary)?;
        for (_, name) in &self.names {
            self.cache.push(outputs.remove(name).ok_or(Error::Shape)?);
        }
        Ok(logits)
    }

    /// Keys and values of no tokens: `[1, heads, 0, head_size]`.
    fn empty_cache(&self) -> Result<Vec<DynValue>, Error> {
        let allocator = Allocator::default();
        let empty = || Tensor::<f32>::new(&allocator, [1, self.shape.heads, 0, self.shape.head_size]);
        self.names.iter().map(|_| Ok(empty().map_err(run)?.into_dyn())).collect()
    }
}

/// The last row of logits `[1, width, vocabulary]`.
fn last_row(logits: &DynValue, width: usize, vocabulary: usize) -> Result<Vec<f32>, Error> {
    let (shape, data) = logits.try_extract_tensor::<f32>().map_err(run)?;
    let want = [1, i64::try_from(width).unwrap_or(-1), i64::try_from(vocabulary).unwrap_or(-1)];
    if **shape != want {
        return Err(Error::Shape);
    }
    Ok(data[(width - 1) * vocabulary..].to_vec())
}
