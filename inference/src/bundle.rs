//! Model bundles: a folder whose `manifest.toml` names every file with its SHA-256.
//!
//! A bundle is refused, with the reason, before any of it is run: an unknown format, a path that
//! leaves the folder, a file whose hash differs, an ONNX file whose opset, inputs or outputs are not
//! the manifest's. The ONNX header is read directly ([`onnx`]), so `models verify` needs no runtime.

use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
};

use bedwatch_schemas::risk::ModelRef;
use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

pub mod onnx;

/// The manifest format this engine reads.
pub const FORMAT: &str = "bedwatch-bundle-1";
/// The ONNX opsets the ONNX Runtime we load (1.24 and later) is tested with.
pub const OPSETS: std::ops::RangeInclusive<u64> = 13..=24;
/// The opsets of `ai.onnx.ml` it is tested with.
pub const ML_OPSETS: std::ops::RangeInclusive<u64> = 1..=5;

/// Why a bundle was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder has no readable manifest.
    #[error("the model bundle {} has no readable manifest.toml: {source}", .folder.display())]
    Manifest {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The manifest is not the TOML we know.
    #[error("manifest.toml of the model bundle {} cannot be read: {source}", .folder.display())]
    Toml {
        /// The folder.
        folder: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// The format is another.
    #[error("the model bundle has format {0:?}; this engine reads \"bedwatch-bundle-1\"")]
    Format(String),
    /// The bundle is of another kind than asked for.
    #[error("the model bundle {name} is of kind {found:?}, and {wanted:?} is wanted")]
    Kind {
        /// The bundle's name.
        name: String,
        /// The manifest's kind.
        found: String,
        /// The kind wanted.
        wanted: &'static str,
    },
    /// A listed path is absolute or leaves the folder.
    #[error("the model bundle lists the path {0:?}, which leaves its folder")]
    Escape(String),
    /// A file the bundle needs is not listed, so nothing vouches for it.
    #[error("the model bundle uses {0:?} without listing it under [[files]]")]
    Unlisted(String),
    /// A listed file cannot be read.
    #[error("the file {path:?} of the model bundle cannot be read: {source}")]
    File {
        /// The path within the bundle.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not the one the manifest was written for.
    #[error("the file {path:?} of the model bundle has SHA-256 {found}, and its manifest says {wanted}")]
    Hash {
        /// The path within the bundle.
        path: String,
        /// The hash of the file.
        found: String,
        /// The manifest's hash.
        wanted: String,
    },
    /// The ONNX file cannot be read.
    #[error("{path:?} of the model bundle is not a readable ONNX file: {source}")]
    Onnx {
        /// The path within the bundle.
        path: String,
        /// Why.
        source: onnx::Error,
    },
    /// The opset is not the manifest's, or not one this engine is tested with.
    #[error(
        "{path:?} of the model bundle uses ONNX opset {found}; its manifest says {wanted}, and 13 to 24 are supported"
    )]
    Opset {
        /// The path within the bundle.
        path: String,
        /// The file's opset.
        found: u64,
        /// The manifest's.
        wanted: u64,
    },
    /// The opset of `ai.onnx.ml` is not the manifest's, or not one this engine is tested with.
    #[error(
        "{path:?} of the model bundle uses {}; its manifest says {}, and 1 to 5 are supported",
        ml(.found), ml(.wanted)
    )]
    MlOpset {
        /// The path within the bundle.
        path: String,
        /// The file's opset; `None` where it does not use the domain.
        found: Option<u64>,
        /// The manifest's `ml_opset`.
        wanted: Option<u64>,
    },
    /// Inputs or outputs are not the manifest's.
    #[error("{path:?} of the model bundle has the {what} {found:?}, and its manifest says {wanted:?}")]
    Signature {
        /// The path within the bundle.
        path: String,
        /// `inputs` or `outputs`.
        what: &'static str,
        /// The file's.
        found: Vec<String>,
        /// The manifest's.
        wanted: Vec<String>,
    },
}

/// An opset of `ai.onnx.ml` in words.
fn ml(opset: &Option<u64>) -> String {
    opset.map_or("no ai.onnx.ml opset".to_owned(), |v| format!("ai.onnx.ml opset {v}"))
}

/// The part of a manifest every bundle has.
#[derive(Debug, Clone, Deserialize)]
pub struct Manifest {
    /// Always [`FORMAT`].
    pub format: String,
    /// `encoder` or `narrator`.
    pub kind: String,
    /// The bundle's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The licence of the weights.
    pub licence: String,
    /// What it was trained on, in words.
    #[serde(default)]
    pub training_data: String,
    /// The ONNX file.
    pub onnx: OnnxSpec,
    /// Every file of the bundle but the manifest and the card.
    pub files: Vec<FileSpec>,
}

/// The ONNX file of a bundle.
#[derive(Debug, Clone, Deserialize)]
pub struct OnnxSpec {
    /// Its path within the bundle.
    pub file: String,
    /// Its opset of the default domain.
    pub opset: u64,
    /// Its opset of `ai.onnx.ml`, where it has tree ensembles.
    #[serde(default)]
    pub ml_opset: Option<u64>,
    /// Its inputs in order.
    pub inputs: Vec<String>,
    /// Its outputs in order.
    pub outputs: Vec<String>,
}

/// A file with its hash.
#[derive(Debug, Clone, Deserialize)]
pub struct FileSpec {
    /// Its path within the bundle.
    pub path: String,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

/// A verified bundle. Its files are held as they were verified: what runs is what was hashed.
pub struct Bundle {
    folder: PathBuf,
    text: String,
    manifest: Manifest,
    files: BTreeMap<String, Vec<u8>>,
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle").field("folder", &self.folder).field("manifest", &self.manifest).finish()
    }
}

impl Bundle {
    /// Opens and verifies the bundle in a folder.
    ///
    /// # Errors
    /// The first fault found, with its place.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, Error> {
        let folder = folder.as_ref().to_path_buf();
        let text = fs::read_to_string(folder.join("manifest.toml"))
            .map_err(|source| Error::Manifest { folder: folder.clone(), source })?;
        let manifest: Manifest =
            toml::from_str(&text).map_err(|e| Error::Toml { folder: folder.clone(), source: Box::new(e) })?;
        if manifest.format != FORMAT {
            return Err(Error::Format(manifest.format));
        }
        let mut files = BTreeMap::new();
        for file in &manifest.files {
            files.insert(file.path.clone(), read_verified(&folder, file)?);
        }
        let bundle = Self { folder, text, manifest, files };
        bundle.verify_onnx()?;
        Ok(bundle)
    }

    /// Reads every file again and compares it with the manifest.
    ///
    /// # Errors
    /// The first fault found.
    pub fn verify(&self) -> Result<(), Error> {
        for file in &self.manifest.files {
            read_verified(&self.folder, file)?;
        }
        self.verify_onnx()
    }

    fn verify_onnx(&self) -> Result<(), Error> {
        let spec = &self.manifest.onnx;
        let path = || spec.file.clone();
        let header = onnx::Header::read(self.file(&spec.file)?)
            .map_err(|source| Error::Onnx { path: path(), source })?;
        if header.opset != spec.opset || !OPSETS.contains(&header.opset) {
            return Err(Error::Opset { path: path(), found: header.opset, wanted: spec.opset });
        }
        if header.ml_opset != spec.ml_opset || header.ml_opset.is_some_and(|v| !ML_OPSETS.contains(&v)) {
            let (found, wanted) = (header.ml_opset, spec.ml_opset);
            return Err(Error::MlOpset { path: path(), found, wanted });
        }
        for (what, found, wanted) in
            [("inputs", header.inputs, &spec.inputs), ("outputs", header.outputs, &spec.outputs)]
        {
            if found != *wanted {
                return Err(Error::Signature { path: path(), what, found, wanted: wanted.clone() });
            }
        }
        Ok(())
    }

    /// The manifest every bundle has.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The manifest read as a kind's own table.
    ///
    /// # Errors
    /// When the bundle is of another kind or its manifest lacks what the kind needs.
    pub fn read<T: DeserializeOwned>(&self, kind: &'static str) -> Result<T, Error> {
        if self.manifest.kind != kind {
            let (name, found) = (self.manifest.name.clone(), self.manifest.kind.clone());
            return Err(Error::Kind { name, found, wanted: kind });
        }
        toml::from_str(&self.text)
            .map_err(|e| Error::Toml { folder: self.folder.clone(), source: Box::new(e) })
    }

    /// The bytes of a listed file, as verified.
    ///
    /// # Errors
    /// When the manifest does not list it.
    pub fn file(&self, path: &str) -> Result<&[u8], Error> {
        self.files.get(path).map(Vec::as_slice).ok_or_else(|| Error::Unlisted(path.to_owned()))
    }

    /// Name and version.
    #[must_use]
    pub fn model(&self) -> ModelRef {
        ModelRef { name: self.manifest.name.clone(), version: self.manifest.version.clone() }
    }

    /// SHA-256 of the manifest, which names the hash of every file: the whole bundle in one number.
    #[must_use]
    pub fn sha256(&self) -> String {
        Sha256::digest(self.text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The model card; a line from the manifest where the folder has none.
    #[must_use]
    pub fn card(&self) -> String {
        fs::read_to_string(self.folder.join("MODEL_CARD.md")).unwrap_or_else(|_| {
            let m = &self.manifest;
            format!(
                "{} {} ({}), licence {}. This bundle has no model card.\n",
                m.name, m.version, m.kind, m.licence
            )
        })
    }
}

/// Reads one listed file and compares its hash.
fn read_verified(folder: &Path, file: &FileSpec) -> Result<Vec<u8>, Error> {
    let relative = Path::new(&file.path);
    let inside = relative.components().all(|c| matches!(c, Component::Normal(_)));
    if file.path.is_empty() || !inside {
        return Err(Error::Escape(file.path.clone()));
    }
    let unreadable = |source| Error::File { path: file.path.clone(), source };
    let full = folder.join(relative).canonicalize().map_err(unreadable)?;
    // A symbolic link may lead out as well as a path.
    if !full.starts_with(folder.canonicalize().map_err(unreadable)?) {
        return Err(Error::Escape(file.path.clone()));
    }
    let bytes = fs::read(&full).map_err(unreadable)?;
    let found: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    if found != file.sha256 {
        return Err(Error::Hash { path: file.path.clone(), found, wanted: file.sha256.clone() });
    }
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests;
