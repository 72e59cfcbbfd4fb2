//! What a decoder's file says of itself, read from the loaded session and checked before the first
//! token: the layout Hugging Face's exporters write (`optimum`, `transformers.js` models).
//!
//! Inputs: `input_ids`, and where the file has them `attention_mask` and `position_ids`, then
//! `past_key_values.{i}.key|value` of `[batch, kv_heads, past, head_size]`. Outputs: `logits` of
//! `[batch, sequence, vocabulary]`, `present.{i}.key|value`. With grouped queries there are fewer
//! key-value heads than heads; only the former are seen here, and they may differ by layer. Any
//! other layout (16-bit caches, merged encoder-decoders, `inputs_embeds`) is refused by name.

use ort::{
    session::Session,
    value::{Outlet, TensorElementType, ValueType},
};

/// Why a decoder's file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A tensor every decoder has is not there.
    #[error(
        "the decoder has no {0:?}; it must be exported with past key values (`text-generation-with-past`)"
    )]
    Lacks(String),
    /// An input nobody here fills.
    #[error("the decoder wants the input {0:?}, which this engine does not give")]
    Unknown(String),
    /// A tensor has another element type.
    #[error("{name:?} of the decoder holds {found}, and {wanted} is wanted")]
    Element {
        /// The tensor.
        name: String,
        /// Its elements.
        found: String,
        /// The elements wanted.
        wanted: &'static str,
    },
    /// A tensor has other dimensions.
    #[error("{name:?} of the decoder has the dimensions {found:?}, and {wanted} are wanted")]
    Dimensions {
        /// The tensor.
        name: String,
        /// Its dimensions, -1 where they are open.
        found: Vec<i64>,
        /// The dimensions wanted.
        wanted: &'static str,
    },
    /// The file and the manifest contradict each other.
    #[error("the decoder has {what} {found}, and its manifest says {wanted}")]
    Manifest {
        /// The number in question.
        what: &'static str,
        /// The file's.
        found: usize,
        /// The manifest's.
        wanted: usize,
    },
    /// Neither the file nor the manifest says a number.
    #[error("neither the decoder nor its manifest says its {0}")]
    Open(&'static str),
}

/// The sizes a manifest states. What is `None` must stand in the file; what stands in both must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stated {
    /// Layers.
    pub layers: Option<usize>,
    /// Key-value heads a layer.
    pub kv_heads: Option<usize>,
    /// Numbers a head.
    pub head_size: Option<usize>,
    /// Tokens known.
    pub vocabulary: Option<usize>,
}

/// One half (keys or values) of one layer's cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cache {
    pub(super) past: String,
    pub(super) present: String,
    pub(super) heads: usize,
    pub(super) size: usize,
}

/// The layout of a decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub(super) mask: bool,
    pub(super) positions: bool,
    /// Numbers of the input `soft_prompt`, `[batch, D]`, where the file has it.
    pub(super) soft_prompt: Option<usize>,
    /// Keys before values, layer by layer.
    pub(super) caches: Vec<Cache>,
    pub(super) vocabulary: usize,
}

/// An input or output as the layout sees it.
#[derive(Debug, Clone)]
struct Port {
    name: String,
    /// `None`: no tensor at all.
    tensor: Option<(TensorElementType, Vec<i64>)>,
}

impl Port {
    fn of(outlet: &Outlet) -> Self {
        let tensor = match outlet.dtype() {
            ValueType::Tensor { ty, shape, .. } => Some((*ty, shape.to_vec())),
            _ => None,
        };
        Self { name: outlet.name().to_owned(), tensor }
    }

    /// The dimensions, when the elements are `wanted`.
    fn dims(&self, wanted: TensorElementType, word: &'static str) -> Result<&[i64], Error> {
        match &self.tensor {
            Some((ty, dims)) if *ty == wanted => Ok(dims),
            other => {
                let found = other.as_ref().map_or("no tensor".to_owned(), |(ty, _)| ty.to_string());
                Err(Error::Element { name: self.name.clone(), found, wanted: word })
            }
        }
    }

    fn floats(&self) -> Result<&[i64], Error> {
        self.dims(TensorElementType::Float32, "32-bit floats (f32)")
    }

    fn misshapen(&self, wanted: &'static str) -> Error {
        let found = self.tensor.as_ref().map_or(Vec::new(), |(_, dims)| dims.clone());
        Error::Dimensions { name: self.name.clone(), found, wanted }
    }
}

impl Layout {
    /// Reads the layout of a loaded decoder.
    ///
    /// # Errors
    /// The first thing that is not as the layout wants it.
    pub fn read(session: &Session, stated: &Stated) -> Result<Self, Error> {
        let ports = |all: &[Outlet]| all.iter().map(Port::of).collect::<Vec<_>>();
        Self::of(&ports(session.inputs()), &ports(session.outputs()), stated)
    }

    fn of(inputs: &[Port], outputs: &[Port], stated: &Stated) -> Result<Self, Error> {
        let (mut ids, mut mask, mut positions, mut layers) = (false, false, false, 0);
        let mut soft_prompt = None;
        for port in inputs {
            match port.name.as_str() {
                "input_ids" => ids = integers(port)?,
                "attention_mask" => mask = integers(port)?,
                "position_ids" => positions = integers(port)?,
                "soft_prompt" => soft_prompt = Some(soft_prompt_size(port)?),
                name => {
                    let layer = past_layer(name).ok_or_else(|| Error::Unknown(name.to_owned()))?;
                    layers = layers.max(layer + 1);
                }
            }
        }
        if !ids {
            return Err(Error::Lacks("input_ids".to_owned()));
        }
        if layers == 0 {
            return Err(Error::Lacks("past_key_values.0.key".to_owned()));
        }
        agree("layers", layers, stated.layers)?;
        let mut caches = Vec::with_capacity(2 * layers);
        for layer in 0..layers {
            for half in ["key", "value"] {
                let (past, present) =
                    (format!("past_key_values.{layer}.{half}"), format!("present.{layer}.{half}"));
                let (heads, size) = cache_dims(find(inputs, &past)?, stated)?;
                cache_dims(
                    find(outputs, &present)?,
                    &Stated { kv_heads: Some(heads), head_size: Some(size), ..Stated::default() },
                )?;
                caches.push(Cache { past, present, heads, size });
            }
        }
        let logits = find(outputs, "logits")?;
        let &[_, _, width] = logits.floats()? else {
            return Err(logits.misshapen("[batch, sequence, vocabulary]"));
        };
        let vocabulary = size("vocabulary", width, stated.vocabulary)?;
        Ok(Self { mask, positions, soft_prompt, caches, vocabulary })
    }

    /// Layers.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.caches.len() / 2
    }

    /// Numbers of the soft prompt the decoder takes; `None` where it takes none.
    #[must_use]
    pub fn soft_prompt(&self) -> Option<usize> {
        self.soft_prompt
    }

    /// Tokens the logits speak of; at least as many as the tokenizer knows.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }
}

/// Whether the port holds `[batch, n]` integers of 64 bits; an error if not.
fn integers(port: &Port) -> Result<bool, Error> {
    let dims = port.dims(TensorElementType::Int64, "64-bit integers (i64)")?;
    match dims {
        [-1 | 1, _] => Ok(true),
        _ => Err(port.misshapen("[1 or open, open]")),
    }
}

/// The numbers of a `soft_prompt` `[batch, D]` of floats.
fn soft_prompt_size(port: &Port) -> Result<usize, Error> {
    match port.floats()? {
        &[-1 | 1, width] if width > 0 => usize::try_from(width).map_err(|_| Error::Open("soft_prompt")),
        _ => Err(port.misshapen("[1 or open, D]")),
    }
}

/// The layer of `past_key_values.{i}.key` or `.value`; `None` for another name.
fn past_layer(name: &str) -> Option<usize> {
    let (layer, half) = name.strip_prefix("past_key_values.")?.split_once('.')?;
    let plain = !layer.is_empty() && layer.len() < 4 && layer.bytes().all(|b| b.is_ascii_digit());
    (plain && matches!(half, "key" | "value")).then(|| layer.parse().ok()).flatten()
}

fn find<'a>(ports: &'a [Port], name: &str) -> Result<&'a Port, Error> {
    ports.iter().find(|p| p.name == name).ok_or_else(|| Error::Lacks(name.to_owned()))
}

/// Heads and head size of `[batch, kv_heads, tokens, head_size]`.
fn cache_dims(port: &Port, stated: &Stated) -> Result<(usize, usize), Error> {
    let &[-1 | 1, heads, tokens, width] = port.floats()? else {
        return Err(port.misshapen("[1 or open, kv_heads, open, head_size]"));
    };
    if tokens != -1 {
        return Err(port.misshapen("[1 or open, kv_heads, open, head_size]"));
    }
    Ok((size("kv_heads", heads, stated.kv_heads)?, size("head_size", width, stated.head_size)?))
}

/// A size of the file, or where the file leaves it open, the manifest's.
fn size(what: &'static str, dim: i64, stated: Option<usize>) -> Result<usize, Error> {
    match usize::try_from(dim).ok().filter(|d| *d > 0) {
        Some(found) => agree(what, found, stated).map(|()| found),
        None => stated.filter(|s| *s > 0).ok_or(Error::Open(what)),
    }
}

fn agree(what: &'static str, found: usize, stated: Option<usize>) -> Result<(), Error> {
    match stated {
        Some(wanted) if wanted != found => Err(Error::Manifest { what, found, wanted }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const F: TensorElementType = TensorElementType::Float32;
    const I: TensorElementType = TensorElementType::Int64;

    fn port(name: &str, ty: TensorElementType, dims: &[i64]) -> Port {
        Port { name: name.to_owned(), tensor: Some((ty, dims.to_vec())) }
    }

    /// Two layers, four heads that share two key-value heads of eight numbers.
    fn sound() -> (Vec<Port>, Vec<Port>) {
        let mut inputs = vec![
            port("input_ids", I, &[-1, -1]),
            port("attention_mask", I, &[-1, -1]),
            port("position_ids", I, &[-1, -1]),
        ];
        let mut outputs = vec![port("logits", F, &[-1, -1, 257])];
        for (i, half) in [(0, "key"), (0, "value"), (1, "key"), (1, "value")] {
            inputs.push(port(&format!("past_key_values.{i}.{half}"), F, &[-1, 2, -1, 8]));
            outputs.push(port(&format!("present.{i}.{half}"), F, &[-1, -1, -1, -1]));
        }
        (inputs, outputs)
    }

    const STATED: Stated =
        Stated { layers: Some(2), kv_heads: Some(2), head_size: Some(8), vocabulary: Some(257) };

    #[test]
    fn the_usual_layout_is_read_with_or_without_its_optional_parts() {
        let (mut inputs, outputs) = sound();
        for stated in [Stated::default(), STATED] {
            let layout = Layout::of(&inputs, &outputs, &stated).unwrap();
            assert_eq!(
                (layout.layers(), layout.vocabulary(), layout.mask, layout.positions),
                (2, 257, true, true)
            );
            assert!(layout.caches.iter().all(|c| (c.heads, c.size) == (2, 8)));
            assert_eq!(
                (&*layout.caches[3].past, &*layout.caches[3].present),
                ("past_key_values.1.value", "present.1.value")
            );
        }
        inputs.retain(|p| p.name != "position_ids" && p.name != "attention_mask");
        let layout = Layout::of(&inputs, &outputs, &STATED).unwrap();
        assert_eq!((layout.mask, layout.positions), (false, false));
        for p in &mut inputs {
            if let (true, Some((_, dims))) = (p.name.starts_with("past"), &mut p.tensor) {
                *dims = vec![1, -1, -1, -1];
            }
        }
        assert_eq!(Layout::of(&inputs, &outputs, &STATED).unwrap(), layout);
        assert_eq!(Layout::of(&inputs, &outputs, &Stated::default()), Err(Error::Open("kv_heads")));
    }

    /// Each fault: what is changed, and what the sentence says.
    #[test]
    fn another_layout_is_refused_in_a_clear_sentence() {
        type Change = fn(&mut Vec<Port>, &mut Vec<Port>);
        let cases: [(Change, &str); 14] = [
            (|i, _| i.retain(|p| p.name != "input_ids"), "has no \"input_ids\""),
            (|i, _| i.truncate(3), "has no \"past_key_values.0.key\""),
            (|i, _| i.retain(|p| p.name != "past_key_values.0.value"), "has no \"past_key_values.0.value\""),
            (
                |i, _| i.retain(|p| !p.name.starts_with("past_key_values.1")),
                "layers 1, and its manifest says 2",
            ),
            (|_, o| o.retain(|p| p.name != "present.1.key"), "has no \"present.1.key\""),
            (|_, o| o.retain(|p| p.name != "logits"), "has no \"logits\""),
            (
                |i, _| i.push(port("use_cache_branch", TensorElementType::Bool, &[1])),
                "\"use_cache_branch\", which this engine does not give",
            ),
            (|i, _| i.push(port("past_key_values.0.decoder.key", F, &[-1, 2, -1, 8])), "does not give"),
            (
                |i, _| i[0] = port("input_ids", TensorElementType::Int32, &[-1, -1]),
                "\"input_ids\" of the decoder holds i32",
            ),
            (
                |i, _| i[3] = port("past_key_values.0.key", TensorElementType::Float16, &[-1, 2, -1, 8]),
                "holds f16, and 32-bit floats",
            ),
            (
                |_, o| o[0] = port("logits", TensorElementType::Float16, &[-1, -1, 257]),
                "\"logits\" of the decoder holds f16",
            ),
            (|i, _| i[3] = port("past_key_values.0.key", F, &[8, -1, 16]), "has the dimensions [8, -1, 16]"),
            (
                |i, _| i[4] = port("past_key_values.0.value", F, &[-1, 4, -1, 8]),
                "kv_heads 4, and its manifest says 2",
            ),
            (|_, o| o[0] = port("logits", F, &[-1, -1, 300]), "vocabulary 300, and its manifest says 257"),
        ];
        for (change, want) in cases {
            let (mut inputs, mut outputs) = sound();
            change(&mut inputs, &mut outputs);
            let error = Layout::of(&inputs, &outputs, &STATED).unwrap_err().to_string();
            assert!(error.contains(want), "{error} lacks {want}");
        }
    }
}
