//! A decoder in the layout Hugging Face exports ([`super::layout`]), one sequence at a time.
//!
//! The cache is the runtime's own tensors handed back in: nothing is copied between tokens.

use std::borrow::Cow;

use ort::{
    memory::Allocator,
    session::{Session, SessionInputValue},
    value::{DynValue, Tensor, TensorRef},
};

use super::{
    Error,
    layout::{Layout, Stated},
};
use crate::runtime;

/// A session with the cache of the sequence in progress.
pub struct Decoder {
    session: Session,
    layout: Layout,
    cache: Vec<DynValue>,
    ids: Vec<i64>,
    mask: Vec<i64>,
    positions: Vec<i64>,
    /// The soft prompt, as many numbers as the layout says; zeros where nothing was given.
    soft_prompt: Vec<f32>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("layout", &self.layout).finish_non_exhaustive()
    }
}

fn run(e: ort::Error) -> Error {
    Error::Runtime(runtime::Error::Run(e.to_string()))
}

impl Decoder {
    /// A decoder over a loaded session whose sizes its manifest states.
    ///
    /// # Errors
    /// When the file has another layout than the engine runs, or other sizes than stated.
    pub fn new(session: Session, stated: &Stated) -> Result<Self, Error> {
        let layout = Layout::read(&session, stated)?;
        let soft_prompt = vec![0.0; layout.soft_prompt().unwrap_or(0)];
        Ok(Self {
            session,
            layout,
            cache: Vec::new(),
            ids: Vec::new(),
            mask: Vec::new(),
            positions: Vec::new(),
            soft_prompt,
        })
    }

    /// Sets the soft prompt of the sequence, a vector beside the tokens; values of another length
    /// than [`Layout::soft_prompt`] count as none, which is all zeros.
    pub fn set_soft_prompt(&mut self, values: &[f32]) {
        let fits = values.len() == self.soft_prompt.len();
        for (i, x) in self.soft_prompt.iter_mut().enumerate() {
            *x = if fits { values[i] } else { 0.0 };
        }
    }

    /// The layout found.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
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

    /// Appends tokens (at least one) to the sequence; returns the logits after the last one,
    /// `[vocabulary]`.
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
        let layout = &self.layout;
        let mut inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> =
            Vec::with_capacity(3 + layout.caches.len());
        for (name, data, wanted) in [
            ("input_ids", &self.ids, true),
            ("attention_mask", &self.mask, layout.mask),
            ("position_ids", &self.positions, layout.positions),
        ] {
            if wanted {
                let view = TensorRef::from_array_view(([1, data.len()], data.as_slice())).map_err(run)?;
                inputs.push((Cow::Borrowed(name), view.into()));
            }
        }
        if !self.soft_prompt.is_empty() {
            let shape = [1, self.soft_prompt.len()];
            let view = TensorRef::from_array_view((shape, self.soft_prompt.as_slice())).map_err(run)?;
            inputs.push((Cow::Borrowed("soft_prompt"), view.into()));
        }
        for (cache, value) in layout.caches.iter().zip(past) {
            inputs.push((Cow::Borrowed(cache.past.as_str()), value.into()));
        }
        let mut outputs = self.session.run(inputs).map_err(run)?;
        let logits = last_row(outputs.get("logits").ok_or(Error::Shape)?, tokens.len(), layout.vocabulary())?;
        for cache in &layout.caches {
            self.cache.push(outputs.remove(&cache.present).ok_or(Error::Shape)?);
        }
        Ok(logits)
    }

    /// Keys and values of no tokens: `[1, kv_heads, 0, head_size]` each.
    fn empty_cache(&self) -> Result<Vec<DynValue>, Error> {
        let allocator = Allocator::default();
        let empty = |heads, size| Tensor::<f32>::new(&allocator, [1, heads, 0, size]);
        self.layout.caches.iter().map(|c| Ok(empty(c.heads, c.size).map_err(run)?.into_dyn())).collect()
    }
}

/// The last row of logits `[1, width, vocabulary]`; some exports give the last row alone.
fn last_row(logits: &DynValue, width: usize, vocabulary: usize) -> Result<Vec<f32>, Error> {
    let (shape, data) = logits.try_extract_tensor::<f32>().map_err(run)?;
    let &[1, rows, columns] = &**shape else { return Err(Error::Shape) };
    let (rows, columns) = (usize::try_from(rows).unwrap_or(0), usize::try_from(columns).unwrap_or(0));
    if (rows != width && rows != 1) || columns != vocabulary || data.len() != rows * columns {
        return Err(Error::Shape);
    }
    Ok(data[(rows - 1) * vocabulary..].to_vec())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use std::{collections::BTreeMap, path::Path};

    use super::*;
    use crate::{narrator::best, runtime::tests::installed};

    #[derive(Deserialize)]
    struct Vectors {
        models: BTreeMap<String, Model>,
    }

    #[derive(Deserialize)]
    struct Model {
        layers: usize,
        kv_heads: usize,
        head_size: usize,
        vocabulary: usize,
        smallest_margin: f32,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        prompt: Vec<u32>,
        tokens: Vec<u32>,
    }

    /// Greedy decoding, the prompt handed over in pieces of at most `piece` tokens; also the smallest
    /// lead of the best token over the next.
    fn greedy(decoder: &mut Decoder, prompt: &[u32], count: usize, piece: usize) -> (Vec<u32>, f32) {
        decoder.reset();
        let mut logits = Vec::new();
        for part in prompt.chunks(piece) {
            logits = decoder.step(part).unwrap();
        }
        let (mut said, mut least) = (Vec::new(), f32::INFINITY);
        loop {
            let id = best(&logits, |_| true).unwrap();
            let lead = |l: f32| logits[usize::try_from(id).unwrap()] - l;
            let next = (0_u32..).zip(&logits).filter(|(i, _)| *i != id);
            least = next.map(|(_, l)| lead(*l)).fold(least, f32::min);
            said.push(id);
            if said.len() == count {
                assert_eq!(decoder.length(), prompt.len() + count - 1);
                return (said, least);
            }
            logits = decoder.step(&[id]).unwrap();
        }
    }

    /// Llama, Qwen2 and Qwen3 shapes with random weights: token for token what transformers'
    /// `generate` gives (`bedwatch_training.hf_decoders`), whatever pieces the prompt comes in.
    #[test]
    fn hugging_face_decoders_agree_with_transformers_token_for_token() {
        let Some(runtime) = installed("hugging_face_decoders_agree_with_transformers") else { return };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests-data/hf-decoders");
        let vectors: Vectors =
            serde_json::from_slice(&std::fs::read(folder.join("vectors.json")).unwrap()).unwrap();
        assert_eq!(vectors.models.len(), 3);
        for (name, model) in &vectors.models {
            let onnx = std::fs::read(folder.join(format!("{name}.onnx"))).unwrap();
            let stated = Stated {
                layers: Some(model.layers),
                kv_heads: Some(model.kv_heads),
                head_size: Some(model.head_size),
                vocabulary: Some(model.vocabulary),
            };
            let mut decoder = Decoder::new(runtime.session(&onnx, 1).unwrap(), &stated).unwrap();
            assert_eq!(decoder.layout().positions, name != "llama");
            let (mut tokens, mut least) = (0, f32::INFINITY);
            for case in &model.cases {
                for piece in [usize::MAX, 7, 1] {
                    let (said, lead) = greedy(&mut decoder, &case.prompt, case.tokens.len(), piece);
                    assert_eq!(
                        said,
                        case.tokens,
                        "{name}, prompt of {} in pieces of {piece}",
                        case.prompt.len()
                    );
                    least = least.min(lead);
                }
                tokens += case.tokens.len();
            }
            println!("{name}: {tokens} tokens agree, the closest choice was decided by {least:.4}");
            assert!((least - model.smallest_margin).abs() < 0.2 * model.smallest_margin, "{name}: {least}");
            let wrong = Stated { kv_heads: Some(model.kv_heads + 1), ..stated };
            let refused = Decoder::new(runtime.session(&onnx, 1).unwrap(), &wrong);
            assert!(matches!(refused, Err(Error::Layout(_))));
        }
    }
}
