//! Stretches found by words: `septic shock on noradrenaline` to the bundle's simulated stretches that
//! look most like it, by cosine in a space text and stretches share.
//!
//! A known phrase has its own vector; any other text is the direction of the sum of its words'
//! vectors (a bag of words: order is lost, words the bundle does not know count for nothing and are
//! told). Nothing of it decides anything.
//!
//! Files of a bundle (`docs/bundles.md`): matrices are little-endian `f32`, row after row, `size`
//! numbers a row; lists are JSON lists of strings in the same order. `vectors` are the exemplars in
//! the shared space; where the manifest names none, their embeddings are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    bundle::{self, Bundle},
    neighbours::{self, Directions, Exemplar, read_list, read_matrix, top, unit},
};

/// Why a text finds nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bundle has no search.
    #[error("the model bundle {0} cannot be searched: its manifest has no [search] and [neighbours]")]
    Absent(String),
    /// The bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] bundle::Error),
    /// A file of it cannot be used.
    #[error(transparent)]
    Files(#[from] neighbours::Error),
    /// Without vectors of its own the exemplars' embeddings are searched, which have another size.
    #[error("the search's size is {size} and the embeddings' {embedding_size}: it needs vectors of its own")]
    Size {
        /// The search's.
        size: usize,
        /// The encoder's.
        embedding_size: usize,
    },
    /// A number is not finite.
    #[error("{0:?} of the model bundle holds a number that is not finite")]
    NotFinite(String),
    /// No word of the text is known, or they cancel out.
    #[error("the bundle knows no word of the text; it knows: {0}")]
    Unknown(String),
}

/// The `[search]` table of a manifest.
#[derive(Debug, Clone, Deserialize)]
struct Spec {
    size: usize,
    vectors: Option<String>,
    phrases: String,
    phrase_vectors: String,
    words: String,
    word_vectors: String,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    embedding_size: usize,
    neighbours: Option<neighbours::Spec>,
    search: Option<Spec>,
}

/// How a text was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// As a phrase the bundle has.
    Phrase,
    /// By its words.
    Words,
}

/// One stretch found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hit {
    /// Its id in the bundle.
    pub id: String,
    /// What it shows.
    pub words: String,
    /// Cosine with the text.
    pub cosine: f32,
}

/// What a text found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// How it was understood.
    pub by: By,
    /// Words of it the bundle does not know.
    pub unknown: Vec<String>,
    /// The stretches, nearest first, equal ones in the bundle's order.
    pub stretches: Vec<Hit>,
}

/// The search of a bundle.
#[derive(Debug)]
pub struct Search {
    list: Vec<Exemplar>,
    stretches: Directions,
    phrases: BTreeMap<String, usize>,
    phrase_vectors: Directions,
    words: BTreeMap<String, usize>,
    size: usize,
    word_vectors: Vec<f32>,
}

impl Search {
    /// Loads the search of an encoder's or a fusion's bundle.
    ///
    /// # Errors
    /// When the bundle has none or a file of it cannot be used.
    pub fn load(bundle: &Bundle) -> Result<Self, Error> {
        let kind = if bundle.manifest().kind == "fusion" { "fusion" } else { "encoder" };
        let manifest: Manifest = bundle.read(kind)?;
        let (Some(spec), Some(neighbours)) = (manifest.search, manifest.neighbours) else {
            return Err(Error::Absent(bundle.manifest().name.clone()));
        };
        let (size, embedding_size) = (spec.size, manifest.embedding_size);
        if spec.vectors.is_none() && size != embedding_size {
            return Err(Error::Size { size, embedding_size });
        }
        let list: Vec<Exemplar> = read_list(bundle, &neighbours.list)?;
        let vectors = spec.vectors.unwrap_or(neighbours.vectors);
        let stretches = Directions::read(bundle, &vectors, list.len(), size)?;
        let phrases: Vec<String> = read_list(bundle, &spec.phrases)?;
        let phrase_vectors = Directions::read(bundle, &spec.phrase_vectors, phrases.len(), size)?;
        let words: Vec<String> = read_list(bundle, &spec.words)?;
        let word_vectors = read_matrix(bundle, &spec.word_vectors, words.len(), size)?;
        if word_vectors.iter().any(|x| !x.is_finite()) {
            return Err(Error::NotFinite(spec.word_vectors));
        }
        let places = |texts: Vec<String>| {
            let plain = texts.into_iter().enumerate().map(|(i, text)| (split(&text).join(" "), i));
            plain.rev().collect() // of two the same, the first stays
        };
        let (phrases, words) = (places(phrases), places(words));
        Ok(Self { list, stretches, phrases, phrase_vectors, words, size, word_vectors })
    }

    /// The `k` stretches nearest to a text.
    ///
    /// # Errors
    /// When no word of it is known.
    pub fn find(&self, text: &str, k: usize) -> Result<Found, Error> {
        let asked = split(text);
        if let Some(&i) = self.phrases.get(&asked.join(" ")) {
            let stretches = self.nearest(self.phrase_vectors.row(i), k);
            return Ok(Found { by: By::Phrase, unknown: Vec::new(), stretches });
        }
        let mut sum = vec![0.0_f32; self.size];
        let mut unknown = Vec::new();
        for word in asked {
            let Some(&i) = self.words.get(&word) else {
                unknown.push(word);
                continue;
            };
            let row = &self.word_vectors[i * self.size..(i + 1) * self.size];
            sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        let known = || self.words.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let direction = unit(&sum).ok_or_else(|| Error::Unknown(known()))?;
        Ok(Found { by: By::Words, unknown, stretches: self.nearest(&direction, k) })
    }

    fn nearest(&self, direction: &[f32], k: usize) -> Vec<Hit> {
        let hit = |(i, cosine): (usize, f32)| {
            let Exemplar { id, words } = self.list[i].clone();
            Hit { id, words, cosine }
        };
        top(&self.stretches.cosines(direction), k).into_iter().map(hit).collect()
    }
}

/// The words of a text: lower case, letters and digits only.
fn split(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    words.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::tests::{tiny, tiny_with};

    #[test]
    fn a_phrase_and_its_words_find_their_stretch() {
        let search = Search::load(&tiny(|m| m).unwrap()).unwrap();
        for (text, by, unknown, first) in [
            ("septic shock on noradrenaline", By::Phrase, vec![], "sim-0"),
            ("Septic shock, on NORADRENALINE!", By::Phrase, vec![], "sim-0"),
            ("shock with bleeding", By::Words, vec!["with"], "sim-3"),
            ("noradrenaline for a septic patient", By::Words, vec!["for", "a", "patient"], "sim-0"),
            ("stable surgery", By::Words, vec![], "sim-1"),
        ] {
            let found = search.find(text, 3).unwrap();
            assert_eq!(
                (found.by, found.unknown, found.stretches.len()),
                (by, unknown.iter().map(|s| (*s).to_owned()).collect(), 3),
                "{text}"
            );
            assert_eq!(found.stretches[0].id, first, "{text}");
            assert!(found.stretches.is_sorted_by(|a, b| a.cosine >= b.cosine));
            assert!(found.stretches[0].cosine > 0.3, "{text}");
        }
        for text in ["", "fever", "?!"] {
            let error = search.find(text, 3).unwrap_err().to_string();
            assert!(error.contains("knows no word of the text; it knows: after, bleeding"), "{error}");
        }
    }

    /// The direction of a text is that of the sum of its words' vectors, each as long as it is.
    #[test]
    fn a_text_is_the_sum_of_its_words() {
        let bundle = tiny(|m| m).unwrap();
        let search = Search::load(&bundle).unwrap();
        let row = |word: &str| {
            let i = search.words[word];
            &search.word_vectors[i * 16..(i + 1) * 16]
        };
        let sum: Vec<f32> = row("bleeding").iter().zip(row("stable")).map(|(a, b)| a + b).collect();
        let want = top(&search.stretches.cosines(&unit(&sum).unwrap()), 5);
        let found = search.find("bleeding, stable", 5).unwrap().stretches;
        for (hit, (i, cosine)) in found.iter().zip(want) {
            assert_eq!((&hit.id, hit.cosine), (&search.list[i].id, cosine));
        }
    }

    #[test]
    fn what_cannot_be_searched_says_why() {
        let cut = |from: &str, to: &str| {
            let bundle = tiny(|m| m.replace(from, to)).unwrap();
            Search::load(&bundle).unwrap_err().to_string()
        };
        assert!(cut("[search]", "[serach]").contains("encoder-tiny-v2 cannot be searched"));
        assert!(cut("\nsize = 16", "\nsize = 8").contains("size is 8 and the embeddings' 16"));
        assert!(cut("words = \"words.json\"", "words = \"w.json\"").contains("without listing it"));
        assert!(cut("words = \"words.json\"", "words = \"phrases.json\"").contains("5 rows of 16 numbers"));
        assert!(cut("kind = \"encoder\"", "kind = \"narrator\"").contains("is wanted"));
        let mut words = tiny(|m| m).unwrap().file("words.bin").unwrap().to_vec();
        words[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
        let error = Search::load(&tiny_with("words.bin", &words)).unwrap_err().to_string();
        assert!(error.contains("\"words.bin\" of the model bundle holds a number that is not finite"));
        let error = Search::load(&tiny_with("phrases.bin", &[0; 320])).unwrap_err().to_string();
        assert!(error.contains("row 0 of \"phrases.bin\""), "{error}");
    }
}
