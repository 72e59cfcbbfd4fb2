//! Constrained decoding over another model's tokens: a general decoder spells the narrator's words.
//!
//! The constraint ([`super::constrain`]) speaks of whole words. A Llama or Qwen writes pieces of words
//! from its own byte-pair vocabulary. Here a prefix automaton stands between them: what has been
//! written is some whole words and the beginning of one; a token may follow when it continues the
//! beginning towards a word the constraint allows, or, where a word is whole, begins the next one.
//! Since words hold no space and no punctuation but their own hyphens and slashes, a word is whole
//! exactly when a space, punctuation or the end follows: no look further ahead is needed.
//!
//! The text has one form: words joined by one space, none before `, ; : . )` nor after `(`. A token
//! never reaches over the end of a word; the model can always write the two pieces one by one.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use tokenizers::Tokenizer;

use super::{Error, constrain::Constraint, prompt::Prompt};

/// The manifest's `[spelling]`: the decoder's own tokenizer beside the words'.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    /// Its `tokenizer.json` within the bundle: byte-level BPE, or BPE with `▁` for spaces.
    pub(super) file: String,
    /// Its end token.
    pub(super) eos_id: u32,
    /// What stands before the coded prompt, as a chat template wants it.
    #[serde(default)]
    before: String,
    /// What stands after it.
    #[serde(default)]
    after: String,
    /// Whether the tokenizer adds its own special tokens.
    #[serde(default)]
    add_special_tokens: bool,
}

/// Most tokens of a spelled text.
pub(super) const MAX_NEW_TOKENS: usize = 256;

/// A decoder's own vocabulary as bytes, and the words to be spelled with it.
pub(super) struct Speller {
    spec: Spec,
    tokenizer: Tokenizer,
    /// The lowest id of each token's bytes; special tokens are left out.
    tokens: BTreeMap<Vec<u8>, u32>,
    longest: usize,
    /// Id and text of each word the word-level tokenizer knows.
    words: Vec<(u32, String)>,
}

impl Speller {
    /// Prepares the words of `words` to be spelled by the tokenizer in `json`.
    pub(super) fn new(spec: Spec, json: &[u8], words: &Tokenizer) -> Result<Self, Error> {
        let tokenizer = Tokenizer::from_bytes(json).map_err(|e| Error::Tokenizer(e.to_string()))?;
        let mut tokens = BTreeMap::new();
        let vocabulary: BTreeMap<u32, String> =
            tokenizer.get_vocab(true).into_iter().map(|(token, id)| (id, token)).collect();
        let special = tokenizer.get_added_tokens_decoder();
        let marker = Marker::of(&vocabulary).ok_or(Error::Manifest(
            "the spelling's tokenizer is neither byte-level nor with \u{2581} for spaces",
        ))?;
        for (id, token) in &vocabulary {
            if !special.contains_key(id) {
                let bytes = marker.bytes(token);
                tokens.entry(bytes).or_insert(*id);
            }
        }
        tokens.remove(&Vec::new());
        let longest = tokens.keys().map(Vec::len).max().unwrap_or(0);
        let hidden = words.get_added_tokens_decoder();
        let mut known: Vec<(u32, String)> = words
            .get_vocab(true)
            .into_iter()
            .filter(|(_, id)| !hidden.contains_key(id))
            .map(|(w, id)| (id, w))
            .collect();
        known.sort();
        Ok(Self { spec, tokenizer, tokens, longest, words: known })
    }

    /// Tokens known.
    pub(super) fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// The decoder's end token.
    pub(super) fn eos(&self) -> u32 {
        self.spec.eos_id
    }

    /// The coded prompt in the decoder's tokens.
    pub(super) fn prompt(&self, prompt: &Prompt<'_>) -> Result<Vec<u32>, Error> {
        let text = format!("{}{}{}", self.spec.before, prompt.tokens.join(" "), self.spec.after);
        let encoding = self.tokenizer.encode(text, self.spec.add_special_tokens);
        Ok(encoding.map_err(|e| Error::Tokenizer(e.to_string()))?.get_ids().to_vec())
    }

    /// The words a constraint allows next, each as the bytes that spell it after `previous`.
    fn candidates<'s>(
        &'s self,
        constraint: &'s Constraint<'_>,
        previous: Option<&'s str>,
    ) -> impl Iterator<Item = (u32, Vec<u8>)> + 's {
        let allowed = self.words.iter().filter(|(id, _)| constraint.allows(*id));
        allowed.map(move |(id, word)| (*id, glued(previous, word)))
    }

    /// Adds every token that is a beginning of `rest`.
    fn add_beginnings(&self, rest: &[u8], allowed: &mut BTreeSet<u32>) {
        for length in 1..=rest.len().min(self.longest) {
            allowed.extend(self.tokens.get(&rest[..length]));
        }
    }
}

/// A word with the space before it, if it wants one.
fn glued(previous: Option<&str>, word: &str) -> Vec<u8> {
    let closes = matches!(word, "," | ";" | ":" | "." | ")");
    let mut bytes = Vec::with_capacity(word.len() + 1);
    if previous.is_some_and(|p| p != "(") && !closes {
        bytes.push(b' ');
    }
    bytes.extend_from_slice(word.as_bytes());
    bytes
}

/// The state of one spelled text.
pub(super) struct Spelling<'a, F> {
    speller: &'a Speller,
    /// Makes the constraint at the start of a text.
    begin: F,
    constraint: Constraint<'a>,
    eos_word: u32,
    /// Whole words so far, by id.
    said: Vec<u32>,
    /// Bytes of the word begun, with the space before it.
    begun: Vec<u8>,
    /// What may follow once the word begun is whole: its id and the constraint after it.
    after: Option<(u32, Constraint<'a>)>,
}

impl<'a, F: Fn() -> Constraint<'a>> Spelling<'a, F> {
    /// At the start of a text. `eos_word` is the word-level tokenizer's end.
    pub(super) fn new(speller: &'a Speller, begin: F, eos_word: u32) -> Self {
        let constraint = begin();
        Self { speller, begin, constraint, eos_word, said: Vec::new(), begun: Vec::new(), after: None }
    }

    fn word(&self, id: u32) -> Option<&'a str> {
        let at = self.speller.words.binary_search_by_key(&id, |(i, _)| *i).ok()?;
        Some(self.speller.words[at].1.as_str())
    }

    fn last(&self) -> Option<&'a str> {
        self.said.last().and_then(|id| self.word(*id))
    }

    /// The tokens that may come next.
    pub(super) fn allowed(&mut self) -> BTreeSet<u32> {
        let mut allowed = BTreeSet::new();
        let mut whole = None;
        for (id, bytes) in self.speller.candidates(&self.constraint, self.last()) {
            if let Some(rest) = bytes.strip_prefix(self.begun.as_slice()) {
                self.speller.add_beginnings(rest, &mut allowed);
                if rest.is_empty() {
                    whole = Some(id);
                }
            }
        }
        self.after = whole.map(|id| {
            let mut after = (self.begin)();
            self.said.iter().chain([&id]).for_each(|word| after.push(*word));
            (id, after)
        });
        if let Some((id, after)) = &self.after {
            for (_, bytes) in self.speller.candidates(after, self.word(*id)) {
                self.speller.add_beginnings(&bytes, &mut allowed);
            }
            if after.allows(self.eos_word) {
                allowed.insert(self.speller.eos());
            }
        }
        allowed
    }

    /// Takes a token of those allowed just now, given as the bytes it writes.
    pub(super) fn push(&mut self, token: u32) {
        let Some(bytes) = self.speller.tokens.iter().find(|(_, id)| **id == token).map(|(b, _)| b) else {
            return;
        };
        let continues = {
            let longer: Vec<u8> = self.begun.iter().chain(bytes).copied().collect();
            let mut all = self.speller.candidates(&self.constraint, self.last());
            all.any(|(_, word)| word.starts_with(&longer))
        };
        if let Some((id, after)) = self.after.take_if(|_| !continues) {
            self.said.push(id);
            self.constraint = after;
            self.begun.clear();
        }
        self.begun.extend_from_slice(bytes);
    }

    /// The words, once the end token came.
    pub(super) fn finish(mut self) -> Vec<&'a str> {
        if let Some((id, _)) = self.after.take() {
            self.said.push(id);
        }
        self.said.iter().filter_map(|id| self.word(*id)).collect()
    }
}

/// How a tokenizer writes bytes as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    /// GPT-2's table: each byte is one printable character, the space `Ġ`.
    ByteLevel,
    /// SentencePiece: `▁` is a space, `<0x0A>` a byte, anything else itself.
    Metaspace,
}

impl Marker {
    fn of(vocabulary: &BTreeMap<u32, String>) -> Option<Self> {
        let any = |c: char| vocabulary.values().any(|t| t.contains(c));
        if any('\u{120}') { Some(Self::ByteLevel) } else { any('\u{2581}').then_some(Self::Metaspace) }
    }

    /// The bytes a token writes; none for a token that is no text.
    fn bytes(self, token: &str) -> Vec<u8> {
        match self {
            Self::ByteLevel => token.chars().map(gpt2_byte).collect::<Option<Vec<u8>>>().unwrap_or_default(),
            Self::Metaspace => {
                let hex = token.strip_prefix("<0x").and_then(|t| t.strip_suffix('>'));
                match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
                    Some(byte) => vec![byte],
                    None => token.replace('\u{2581}', " ").into_bytes(),
                }
            }
        }
    }
}

/// The byte of a character of GPT-2's table (`bytes_to_unicode`): printable Latin-1 stands for
/// itself, the other bytes in order for U+0100 and on.
fn gpt2_byte(c: char) -> Option<u8> {
    let itself = |b: u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    match u8::try_from(c) {
        Ok(byte) => itself(byte).then_some(byte),
        Err(_) => {
            let nth = u32::from(c).checked_sub(256)?;
            (0..=255_u8).filter(|b| !itself(*b)).nth(usize::try_from(nth).ok()?)
        }
    }
}

#[cfg(test)]
mod tests;
