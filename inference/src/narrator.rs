//! The narrator: a small decoder that puts a coded evidence into words with slots.
//!
//! It writes `{f3}`, never a digit: the value is printed from the evidence afterwards. The prompt
//! holds codes only ([`prompt`]), decoding is greedy and constrained to what the evidence backs
//! ([`constrain`]), and whatever comes out is checked again by [`crate::check`], which shares no
//! code with it. The head has no power: kind, priority and recipients were fixed before.

use bedwatch_schemas::{
    alert::{AlertKind, Priority},
    evidence::Evidence,
    risk::ModelRef,
};
use serde::Deserialize;
use tokenizers::Tokenizer;

use crate::{
    bundle::{self, Bundle},
    lexicon::{self, Lexicon},
    pool::Pool,
    render,
    runtime::{self, Runtime},
};

pub mod constrain;
pub mod decoder;
pub mod layout;
pub mod prompt;
mod spell;

use constrain::{Constraint, Vocabulary};
use decoder::Decoder;
use prompt::Prompt;
use spell::{Speller, Spelling};

/// Why there are no words.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] bundle::Error),
    /// Its lexicon cannot be used.
    #[error(transparent)]
    Lexicon(#[from] lexicon::Error),
    /// ONNX Runtime refused.
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
    /// The tokenizer cannot be used.
    #[error("tokenizer.json cannot be used: {0}")]
    Tokenizer(String),
    /// The decoder's file has another layout than the engine runs.
    #[error(transparent)]
    Layout(#[from] layout::Error),
    /// The manifest's numbers contradict each other or the tokenizer.
    #[error("the narrator's manifest is unusable: {0}")]
    Manifest(&'static str),
    /// The model's outputs have another shape than the manifest says.
    #[error("the narrator's output has an unexpected shape")]
    Shape,
    /// The model gave a number that is not finite.
    #[error("the narrator gave a number that is not finite")]
    NotFinite,
    /// The alert's kind, or every fact of it, has no code in the narrator's vocabulary.
    #[error("the narrator has no words for this kind of alert or its facts")]
    NoWords,
    /// The caller's deadline came first.
    #[error("the narrator was stopped by its deadline")]
    Cancelled,
    /// No word was left that the evidence backs.
    #[error("the narrator had nothing left to say that the evidence backs")]
    Stuck,
    /// The text did not end within the most tokens.
    #[error("the narrator did not come to an end")]
    Unfinished,
}

/// The narrator's own part of the manifest.
#[derive(Debug, Clone, Deserialize)]
struct Spec {
    n_layer: usize,
    n_head: usize,
    /// Key-value heads where queries share them; else as many as heads.
    n_kv_head: Option<usize>,
    head_dim: usize,
    n_positions: usize,
    vocab_size: usize,
    eos_id: u32,
    max_new_tokens: usize,
    tokenizer: FileName,
    lexicon: FileName,
    /// A general decoder brings its own tokenizer, in which the words are spelled.
    spelling: Option<spell::Spec>,
    /// The encoder, or the fusion, whose embedding is the soft prompt.
    soft_prompt: Option<SoftPrompt>,
}

#[derive(Debug, Clone, Deserialize)]
struct SoftPrompt {
    size: usize,
    encoder: String,
    encoder_version: String,
}

#[derive(Debug, Clone, Deserialize)]
struct FileName {
    file: String,
}

/// A text with what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The text, printed from the evidence.
    pub text: String,
    /// Tokens the decoder wrote, the closing one included.
    pub tokens: usize,
}

/// Most tokens of a text, whatever the manifest says.
pub const MAX_NEW_TOKENS: usize = 80;

/// The narrator. Shared by threads: each call takes one decoder of the pool.
pub struct Narrator {
    model: ModelRef,
    tokenizer: Tokenizer,
    vocabulary: Vocabulary,
    lexicon: Lexicon,
    speller: Option<Speller>,
    n_positions: usize,
    eos: u32,
    max_new_tokens: usize,
    /// The encoder or fusion it was trained beside.
    encoder: Option<ModelRef>,
    /// Numbers of its soft prompt.
    soft_size: Option<usize>,
    /// Whether the embeddings that come are that model's.
    paired: bool,
    decoders: Pool<Decoder>,
}

impl std::fmt::Debug for Narrator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Narrator").field("model", &self.model).finish_non_exhaustive()
    }
}

impl Narrator {
    /// Loads a bundle of kind `narrator` into `decoders` decoders (at least 1) of one thread each.
    ///
    /// # Errors
    /// When the bundle is no narrator, its files contradict each other, or it does not load.
    pub fn load(runtime: &Runtime, bundle: &Bundle, decoders: usize) -> Result<Self, Error> {
        let spec: Spec = bundle.read("narrator")?;
        let lexicon = Lexicon::parse(bundle.file(&spec.lexicon.file)?)?;
        let tokenizer = Tokenizer::from_bytes(bundle.file(&spec.tokenizer.file)?)
            .map_err(|e| Error::Tokenizer(e.to_string()))?;
        let speller = match spec.spelling {
            Some(spelling) => {
                let json = bundle.file(&spelling.file)?;
                Some(Speller::new(spelling, json, &tokenizer)?)
            }
            None => None,
        };
        match &speller {
            // Embeddings are often padded to a round number.
            Some(speller) if speller.vocabulary() > spec.vocab_size => {
                return Err(Error::Manifest("vocab_size is less than the spelling's tokenizer knows"));
            }
            None if tokenizer.get_vocab_size(true) != spec.vocab_size => {
                return Err(Error::Manifest("vocab_size is not the tokenizer's"));
            }
            _ => {}
        }
        let most = if speller.is_some() { spell::MAX_NEW_TOKENS } else { MAX_NEW_TOKENS };
        let max_new_tokens = spec.max_new_tokens.min(most);
        if prompt::MAX_TOKENS + max_new_tokens > spec.n_positions {
            return Err(Error::Manifest("n_positions is too small for a prompt and its text"));
        }
        let vocabulary = Vocabulary::new(&tokenizer, &lexicon, spec.eos_id);
        let onnx = bundle.file(&bundle.manifest().onnx.file)?;
        let stated = layout::Stated {
            layers: Some(spec.n_layer),
            kv_heads: Some(spec.n_kv_head.unwrap_or(spec.n_head)),
            head_size: Some(spec.head_dim),
            vocabulary: Some(spec.vocab_size),
        };
        let load = || -> Result<Decoder, Error> { Decoder::new(runtime.session(onnx, 1)?, &stated) };
        let all = (0..decoders.max(1)).map(|_| load()).collect::<Result<Vec<_>, _>>()?;
        let soft_size = all[0].layout().soft_prompt();
        if soft_size != spec.soft_prompt.as_ref().map(|s| s.size) {
            return Err(Error::Manifest("the decoder's soft prompt is not the manifest's"));
        }
        Ok(Self {
            model: bundle.model(),
            tokenizer,
            vocabulary,
            lexicon,
            speller,
            n_positions: spec.n_positions,
            eos: spec.eos_id,
            max_new_tokens,
            encoder: spec.soft_prompt.map(|s| ModelRef { name: s.encoder, version: s.encoder_version }),
            soft_size,
            paired: false,
            decoders: Pool::new(all),
        })
    }

    /// The bundle's name and version.
    #[must_use]
    pub fn model(&self) -> &ModelRef {
        &self.model
    }

    /// The built-in words and the bundle's.
    #[must_use]
    pub fn lexicon(&self) -> &Lexicon {
        &self.lexicon
    }

    /// Says whose embeddings will come: a fusion's, or an encoder's. Those of another model than the one it
    /// was trained beside mean nothing to it: it then writes without, and `false` is returned.
    pub fn pair(&mut self, model: &ModelRef) -> bool {
        self.paired = self.encoder.as_ref() == Some(model);
        self.paired
    }

    /// The rationale of an alert without an embedding, printed from its evidence. `cancel` is asked
    /// between tokens. The caller checks the text before showing it.
    ///
    /// # Errors
    /// When the deadline came, the model failed, or it had nothing to say.
    pub fn narrate(
        &self,
        kind: AlertKind,
        priority: Priority,
        evidence: &Evidence,
        cancel: &dyn Fn() -> bool,
    ) -> Result<String, Error> {
        self.tell(kind, priority, evidence, &[], cancel).map(|told| told.text)
    }

    /// The rationale of an alert, printed from its evidence. `embedding` is the model's view of the
    /// moment it was decided; empty, or of another size, counts as none. `cancel` is asked between tokens.
    /// The caller checks the text before showing it.
    ///
    /// # Errors
    /// When the deadline came, the model failed, or it had nothing to say.
    pub fn tell(
        &self,
        kind: AlertKind,
        priority: Priority,
        evidence: &Evidence,
        embedding: &[f32],
        cancel: &dyn Fn() -> bool,
    ) -> Result<Told, Error> {
        let usable = self.paired && self.soft_size == Some(embedding.len());
        let embedding = if usable && embedding.iter().all(|x| x.is_finite()) { embedding } else { &[] };
        let prompt = Prompt::new(kind, priority, evidence, &|t| self.tokenizer.token_to_id(t).is_some())
            .ok_or(Error::NoWords)?;
        let prompt = if embedding.is_empty() { prompt } else { prompt.with_state() };
        if let Some(speller) = &self.speller {
            let text = self.spell(speller, &prompt, cancel)?;
            let tokens = text.split(' ').count();
            return Ok(Told { text: print(&text, &prompt, evidence), tokens });
        }
        let ids: Option<Vec<u32>> = prompt.tokens.iter().map(|t| self.tokenizer.token_to_id(t)).collect();
        let ids = ids.ok_or(Error::NoWords)?;
        let constraint =
            Constraint::new(&self.vocabulary, &self.lexicon, &prompt).within(self.max_new_tokens);
        let said = self.decode(&ids, embedding, constraint, cancel)?;
        let text = self.tokenizer.decode(&said, true).map_err(|e| Error::Tokenizer(e.to_string()))?;
        Ok(Told { text: print(&text, &prompt, evidence), tokens: said.len() + 1 })
    }

    /// Greedy constrained decoding in the decoder's own tokens; the words joined by spaces.
    fn spell(
        &self,
        speller: &Speller,
        prompt: &Prompt<'_>,
        cancel: &dyn Fn() -> bool,
    ) -> Result<String, Error> {
        if cancel() {
            return Err(Error::Cancelled);
        }
        let mut next = speller.prompt(prompt)?;
        if next.len() + self.max_new_tokens > self.n_positions {
            return Err(Error::Manifest("n_positions is too small for this prompt and its text"));
        }
        let mut decoder = self.decoders.take_unless(cancel).ok_or(Error::Cancelled)?;
        decoder.reset();
        decoder.set_soft_prompt(&[]);
        let begin = || Constraint::new(&self.vocabulary, &self.lexicon, prompt);
        let mut spelling = Spelling::new(speller, begin, self.eos);
        for _ in 0..self.max_new_tokens {
            let logits = decoder.step(&next)?;
            let allowed = spelling.allowed();
            let id = best(&logits, |id| allowed.contains(&id))?;
            if id == speller.eos() {
                return Ok(spelling.finish().join(" "));
            }
            if cancel() {
                return Err(Error::Cancelled);
            }
            spelling.push(id);
            next.clear();
            next.push(id);
        }
        Err(Error::Unfinished)
    }

    /// Greedy constrained decoding; equal logits go to the lowest id. The closing end token is not
    /// part of the result.
    fn decode(
        &self,
        prompt: &[u32],
        embedding: &[f32],
        mut constraint: Constraint<'_>,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Vec<u32>, Error> {
        if cancel() {
            return Err(Error::Cancelled);
        }
        let mut decoder = self.decoders.take_unless(cancel).ok_or(Error::Cancelled)?;
        decoder.reset();
        decoder.set_soft_prompt(embedding);
        let mut said: Vec<u32> = Vec::with_capacity(self.max_new_tokens);
        let mut next = prompt.to_vec();
        loop {
            let logits = decoder.step(&next)?;
            let id = best(&logits, |id| constraint.allows(id))?;
            if id == self.eos {
                return Ok(said);
            }
            if said.len() + 1 >= self.max_new_tokens {
                return Err(Error::Unfinished);
            }
            if cancel() {
                return Err(Error::Cancelled);
            }
            constraint.push(id);
            said.push(id);
            next.clear();
            next.push(id);
        }
    }
}

/// The allowed token of the highest logit, the lowest id among equals.
fn best(logits: &[f32], allows: impl Fn(u32) -> bool) -> Result<u32, Error> {
    let mut best: Option<(f32, u32)> = None;
    for (id, &logit) in (0_u32..).zip(logits) {
        if !logit.is_finite() {
            return Err(Error::NotFinite);
        }
        if best.is_none_or(|(b, _)| logit > b) && allows(id) {
            best = Some((logit, id));
        }
    }
    best.map(|(_, id)| id).ok_or(Error::Stuck)
}

/// The model's words as sentences, with each slot's fact in its place.
fn print(text: &str, prompt: &Prompt<'_>, evidence: &Evidence) -> String {
    let mut printer = render::Printer::new(evidence);
    let pieces: Vec<String> = text
        .split_whitespace()
        .map(|piece| {
            let fact = prompt::slot(piece).and_then(|n| prompt.facts.get(n));
            let change = prompt::change_slot(piece).and_then(|n| Some((n + 1, prompt.changes.get(n)?)));
            match (fact, change) {
                (Some(fact), _) => printer.fact(fact),
                (None, Some((nth, change))) => {
                    let held = (nth == prompt.changes.len()).then_some(prompt.for_minutes);
                    render::change(change, held)
                }
                (None, None) => piece.to_owned(),
            }
        })
        .collect();
    render::sentences(pieces.iter().map(String::as_str))
}

#[cfg(test)]
mod tests;
