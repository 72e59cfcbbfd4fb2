//! Every file of `replay-data/samples` stands in a manifest with its hash, and no manifest names a
//! hash that no file has.
//!
//! A manifest is a file whose name begins with `manifest`, in the sample's folder or one above. In it,
//! one entry (a `[[table]]` of TOML, an object of JSON, a line of a checksum list) holds both the
//! sample's path relative to the manifest and its SHA-256.

use super::{files_below, read};
use crate::onnxruntime::sha256_of;
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Checks the folder, which may be absent; returns how many samples it holds.
pub(super) fn check(folder: &Path, findings: &mut Vec<String>) -> Result<usize> {
    if !folder.is_dir() {
        return Ok(0);
    }
    let (manifests, samples): (Vec<PathBuf>, Vec<PathBuf>) =
        files_below(folder)?.into_iter().partition(|file| is_manifest(file));
    let mut manifest_entries = Vec::new();
    for manifest in &manifests {
        manifest_entries.push((manifest, entries(&read(manifest)?)));
    }
    let mut hashes = BTreeSet::new();
    for sample in &samples {
        let hash = sha256_of(sample)?;
        let listed = manifest_entries.iter().any(|(manifest, entries)| {
            let base = manifest.parent().unwrap_or(folder);
            sample
                .strip_prefix(base)
                .is_ok_and(|path| entries.iter().any(|entry| entry.holds(&path.to_string_lossy(), &hash)))
        });
        if !listed {
            findings.push(format!("{}: no manifest lists it with SHA-256 {hash}", sample.display()));
        }
        hashes.insert(hash);
    }
    for (manifest, entries) in &manifest_entries {
        for hash in entries.iter().flat_map(|entry| &entry.hashes).filter(|hash| !hashes.contains(*hash)) {
            findings.push(format!("{}: no sample has SHA-256 {hash}", manifest.display()));
        }
    }
    Ok(samples.len())
}

fn is_manifest(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().to_ascii_lowercase().starts_with("manifest"))
}

/// The words and hashes of one entry.
#[derive(Default)]
struct Entry {
    words: BTreeSet<String>,
    hashes: BTreeSet<String>,
}

impl Entry {
    fn holds(&self, path: &str, hash: &str) -> bool {
        self.words.contains(path) && self.hashes.contains(hash)
    }
}

fn entries(manifest: &str) -> Vec<Entry> {
    let is_list = !manifest.contains('"');
    let parts: Vec<&str> = if is_list {
        manifest.lines().collect()
    } else {
        manifest.split(['}']).flat_map(|part| part.split("\n[")).collect()
    };
    parts.into_iter().map(|part| entry(part, is_list)).collect()
}

fn entry(text: &str, is_list: bool) -> Entry {
    let mut entry = Entry::default();
    let words = text.split(move |c: char| if is_list { c.is_whitespace() } else { c == '"' || c == '\n' });
    for word in words {
        if word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            entry.hashes.insert(word.to_owned());
        } else {
            entry.words.insert(word.to_owned());
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::super::tests::Scratch;
    use super::*;

    // SHA-256 of "abc" and of "" (FIPS 180-2; NIST test vectors).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn findings(manifest_name: &str, manifest: &str) -> Vec<String> {
        let name: String =
            manifest_name.chars().chain(manifest.chars()).filter(char::is_ascii_alphanumeric).collect();
        let folder = Scratch::new(&format!(
            "samples-{:x}",
            name.bytes().fold(7u64, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into()))
        ));
        folder.write("hl7/a.hl7", "abc");
        folder.write("b.psv", "");
        folder.write(manifest_name, manifest);
        let mut findings = Vec::new();
        assert_eq!(check(&folder.0, &mut findings).unwrap(), 2);
        findings
    }

    #[test]
    fn a_full_manifest_passes_in_each_form() {
        let toml = format!(
            "seed = 7\n\n[[file]]\npath = \"hl7/a.hl7\"\nsha256 = \"{ABC}\"\n\n[[file]]\npath = \"b.psv\"\nsha256 = \"{EMPTY}\"\n"
        );
        let json = format!(
            "[{{\"path\": \"hl7/a.hl7\", \"sha256\": \"{ABC}\"}},\n {{\"path\": \"b.psv\", \"sha256\": \"{EMPTY}\"}}]"
        );
        let list = format!("{ABC}  hl7/a.hl7\n{EMPTY}  b.psv\n");
        for (name, text) in [("manifest.toml", toml), ("MANIFEST.json", json), ("manifest.sha256", list)] {
            assert!(findings(name, &text).is_empty(), "{name}: {:?}", findings(name, &text));
        }
    }

    #[test]
    fn what_is_missing_swapped_or_stale_is_found() {
        let table = |path: &str, hash: &str| format!("[[file]]\npath = \"{path}\"\nsha256 = \"{hash}\"\n");
        let missing = findings("manifest.toml", &table("hl7/a.hl7", ABC));
        assert!(missing.len() == 1 && missing[0].contains("b.psv: no manifest lists it"), "{missing:?}");

        // Right hashes at the wrong paths.
        let swapped =
            findings("manifest.toml", &format!("\n{}{}", table("hl7/a.hl7", EMPTY), table("b.psv", ABC)));
        assert_eq!(swapped.len(), 2, "{swapped:?}");

        let stale = format!(
            "\n{}{}{}",
            table("hl7/a.hl7", ABC),
            table("b.psv", EMPTY),
            table("gone.edf", &"0".repeat(64))
        );
        let stale = findings("manifest.toml", &stale);
        assert!(stale.len() == 1 && stale[0].contains("no sample has SHA-256 000"), "{stale:?}");

        // A manifest deeper down does not speak for files above it.
        assert_eq!(findings("hl7/manifest.toml", &table("a.hl7", ABC)).len(), 1);
    }
}
