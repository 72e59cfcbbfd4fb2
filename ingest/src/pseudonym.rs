//! The pseudonyms of patients: a keyed hash of the hospital's number.
//!
//! The same number under the same secret is the same pseudonym, on every receiver and after every
//! restart; without the secret nobody can try out numbers (which a plain hash would allow: there are
//! few enough of them). BLAKE3 in its keyed mode (<https://github.com/BLAKE3-team/BLAKE3-specs>,
//! section 6), 128 bits of it.

use bedwatch_schemas::ids::PatientId;

/// The fewest bytes a secret may have.
pub const MIN_SECRET: usize = 32;

const CONTEXT: &str = "bedwatch 2026-11 pseudonyms of patients";
/// Another context is another key: who has an export cannot match it with the hospital's own topics,
/// though both be made with one secret.
const EXPORT: &str = "bedwatch 2026-11 names and shifts of exports";

/// The secret is too short to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret of the pseudonyms has {0} bytes, fewer than {MIN_SECRET}")]
pub struct TooShort(usize);

/// Makes pseudonyms. `Debug` does not print the key.
#[derive(Clone)]
pub struct Pseudonyms {
    key: [u8; 32],
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonyms(***)")
    }
}

impl Pseudonyms {
    /// From a site's secret; white space around it does not count.
    ///
    /// # Errors
    /// When it has fewer than [`MIN_SECRET`] bytes.
    pub fn new(secret: &[u8]) -> Result<Self, TooShort> {
        Self::under(CONTEXT, secret)
    }

    /// For what leaves the hospital: other pseudonyms than [`Pseudonyms::new`] makes of the same secret.
    ///
    /// # Errors
    /// When it has fewer than [`MIN_SECRET`] bytes.
    pub fn for_export(secret: &[u8]) -> Result<Self, TooShort> {
        Self::under(EXPORT, secret)
    }

    fn under(context: &str, secret: &[u8]) -> Result<Self, TooShort> {
        let secret = secret.trim_ascii();
        if secret.len() < MIN_SECRET {
            return Err(TooShort(secret.len()));
        }
        Ok(Self { key: blake3::derive_key(context, secret) })
    }

    /// The keyed hash of a text within a purpose: the same text is another hash for another purpose.
    #[must_use]
    pub fn keyed(&self, purpose: &str, text: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&(purpose.len() as u64).to_le_bytes()).update(purpose.as_bytes());
        *hasher.update(text.as_bytes()).finalize().as_bytes()
    }

    /// The pseudonym of a hospital's number.
    ///
    /// # Panics
    /// Never: 33 letters and digits are an identifier.
    #[must_use]
    pub fn of(&self, number: &PatientId) -> PatientId {
        let hash = blake3::keyed_hash(&self.key, number.as_str().as_bytes()).to_hex();
        PatientId::new(&format!("p{}", &hash[..32])).expect("letters and digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_is_one_pseudonym_under_one_secret() {
        let secret = [b'k'; 32];
        let (a, b) = (
            Pseudonyms::new(&secret).unwrap(),
            Pseudonyms::new(b"another secret, as long as the first").unwrap(),
        );
        let id = |text| PatientId::new(text).unwrap();
        assert_eq!(a.of(&id("4711")), a.of(&id(" 4711 ")));
        assert_ne!(a.of(&id("4711")), a.of(&id("4712")));
        assert_ne!(a.of(&id("4711")), b.of(&id("4711")));
        assert_eq!(a.of(&id("4711")).as_str().len(), 33);
        assert!(!a.of(&id("4711")).as_str().contains("4711"));
        let export = Pseudonyms::for_export(&secret).unwrap();
        assert_ne!(a.of(&id("4711")), export.of(&id("4711")), "an export is another context");
        assert_ne!(export.keyed("shift", "x"), export.keyed("source", "x"));
        assert_ne!(export.keyed("a", "bc"), export.keyed("ab", "c"));
        assert_eq!(export.keyed("a", "b"), Pseudonyms::for_export(&secret).unwrap().keyed("a", "b"));
        let padded = [&secret[..], b"\n"].concat();
        assert_eq!(a.of(&id("x")), Pseudonyms::new(&padded).unwrap().of(&id("x")));
        assert_eq!(Pseudonyms::new(&[b' '; 64]).unwrap_err(), TooShort(0));
        assert!(Pseudonyms::new(&secret[1..]).is_err());
        assert_eq!(format!("{a:?}"), "Pseudonyms(***)");
    }
}
