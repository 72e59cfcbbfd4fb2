//! What a replay is of, in one line: who resumes must mean the same sources, with the same settings and
//! models, by the same program.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use anyhow::Context;

use super::{Source, versions::Rests};

/// The line. A file counts by path, size and time of its last change, not by content: a history of
/// terabytes is not read twice.
///
/// # Errors
/// When a source's file cannot be looked at.
pub fn stamp(sources: &[Source], rests: &Rests, quick: bool) -> anyhow::Result<String> {
    let mut all = blake3::Hasher::new();
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    for source in sources {
        let mut part = |text: &str| {
            all.update(text.as_bytes()).update(&[0]);
        };
        part(source.name());
        part(&source.format());
        if let Source::Bed(bed) = source {
            part(&format!("{bed:?}"));
        }
        for path in source.files() {
            if !files.contains_key(&path) {
                files.insert(path.clone(), file(&path)?);
            }
            part(&files[&path]);
        }
    }
    let (sources, how) = (all.finalize().to_hex(), if quick { "quick" } else { "whole" });
    let models: Vec<_> = rests.models.iter().map(|m| m.sha256.as_str()).collect();
    Ok(format!("{how} {} {} {} {sources}", rests.engine_blake3, rests.config, models.join("+")))
}

/// Path, size and last change; of a folder (tables) those of each file in it.
fn file(path: &Path) -> anyhow::Result<String> {
    let look = || format!("{} cannot be looked at", path.display());
    let about = fs::metadata(path).with_context(look)?;
    if about.is_dir() {
        let mut inside: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(path).with_context(look)? {
            inside.push(entry.with_context(look)?.path());
        }
        inside.sort();
        inside.retain(|p| p.is_file());
        return Ok(inside.iter().map(|p| file(p)).collect::<Result<Vec<_>, _>>()?.join("\n"));
    }
    let changed = about.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    Ok(format!("{} {} {}", path.display(), about.len(), changed.as_nanos()))
}
