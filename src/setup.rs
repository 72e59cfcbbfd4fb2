//! Finds and loads what the commands need: the ONNX Runtime library and the model bundles.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use bedwatch_inference::{
    bundle::Bundle,
    encoder::Encoder,
    fusion::Fusion,
    narrator::Narrator,
    runtime::{Provider, Runtime},
    writer::Writer,
};

use bedwatch_schemas::risk::ModelRef;

use crate::{
    clock::SystemClock,
    config::{self, Config},
    engine::Models,
};

/// Environment variable naming the ONNX Runtime library.
pub const ONNXRUNTIME: &str = "BEDWATCH_ONNXRUNTIME";

/// The ONNX Runtime library: configuration, environment, then the cache of `cargo xtask setup`.
#[must_use]
pub fn onnxruntime(configured: &Path) -> Option<PathBuf> {
    if !configured.as_os_str().is_empty() {
        return Some(configured.to_owned());
    }
    if let Some(path) = std::env::var_os(ONNXRUNTIME).filter(|p| !p.is_empty()) {
        return Some(path.into());
    }
    let versions = cache()?.join("onnxruntime");
    let mut found: Vec<PathBuf> = std::fs::read_dir(versions)
        .ok()?
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("libonnxruntime.so"))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found.pop()
}

fn cache() -> Option<PathBuf> {
    let var = |name| std::env::var_os(name).filter(|p| !p.is_empty()).map(PathBuf::from);
    var("BEDWATCH_CACHE")
        .or_else(|| var("XDG_CACHE_HOME").map(|p| p.join("bedwatch")))
        .or_else(|| var("HOME").map(|p| p.join(".cache/bedwatch")))
}

/// The folder of bundles: as configured, else beside the binary, else in the sources it was built
/// from.
#[must_use]
pub fn models_folder(configured: &Path) -> PathBuf {
    if !configured.as_os_str().is_empty() {
        return configured.to_owned();
    }
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("models")));
    beside
        .filter(|p| p.is_dir())
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("inference/models"))
}

/// Loads the models in force. A narrator on a server is not asked anything yet.
///
/// # Errors
/// When the library or a configured bundle is missing, damaged or does not fit; each with its reason
/// and what to do.
pub fn models(config: &Config) -> anyhow::Result<Models> {
    models_for(config, 1)
}

/// The same for so many threads that ask side by side: each model has that many sessions.
///
/// # Errors
/// As [`models`].
pub fn models_for(config: &Config, threads: usize) -> anyhow::Result<Models> {
    let sessions = threads.max(1);
    let server = match config.narrator.backend {
        config::Backend::Onnx => None,
        config::Backend::OpenAi => {
            Some(Writer::with(config.narrator.server(Arc::new(SystemClock::default()))?))
        }
    };
    let config = &config.models;
    if config.encoder.is_empty() && (config.narrator.is_empty() || server.is_some()) {
        let writer = server.unwrap_or_else(|| Writer::new(None));
        return Ok(Models { encoder: None, fusion: None, writer: Arc::new(writer) });
    }
    let Some(library) = onnxruntime(&config.onnxruntime) else {
        bail!(
            "the ONNX Runtime library was not found; run `cargo xtask setup`, or set {ONNXRUNTIME} to its absolute path"
        );
    };
    let Some(provider) = Provider::parse(&config.provider) else {
        bail!("models.provider can be cpu, cuda or cuda:N");
    };
    let runtime = Runtime::load(&library)?.with_provider(provider);
    let folder = models_folder(&config.folder);
    let open = |name: &str| {
        Bundle::open(folder.join(name))
            .with_context(|| format!("the model bundle {name} in {} is refused", folder.display()))
    };
    let encoder = match config.encoder.as_str() {
        "" => None,
        name => {
            let loaded = Encoder::load_for(&runtime, &open(name)?, sessions, &config.site);
            Some(Arc::new(loaded.with_context(|| format!("the model bundle {name} is refused"))?))
        }
    };
    let fusion = match (&encoder, config.fusion.as_str()) {
        (None, _) | (_, "") => None,
        (Some(encoder), name) => {
            let loaded = Fusion::load(&runtime, &open(name)?, sessions, encoder.model());
            Some(Arc::new(loaded.with_context(|| format!("the model bundle {name} is refused"))?))
        }
    };
    let view = fusion.as_deref().map(Fusion::model).or_else(|| encoder.as_deref().map(Encoder::model));
    let writer = match (server, config.narrator.as_str()) {
        (Some(writer), _) => writer,
        (None, "") => Writer::new(None),
        (None, name) => Writer::new(Some(paired(&runtime, &open(name)?, sessions, view)?)),
    };
    Ok(Models { encoder, fusion, writer: Arc::new(writer) })
}

/// The bundles in force with their hashes.
///
/// # Errors
/// As [`models`].
pub fn bundles(config: &Config) -> anyhow::Result<Vec<(ModelRef, String)>> {
    let (config, local) = (&config.models, config.narrator.backend == config::Backend::Onnx);
    let narrator = if local { config.narrator.as_str() } else { "" };
    let fusion = if config.encoder.is_empty() { "" } else { config.fusion.as_str() };
    let names = [config.encoder.as_str(), fusion, narrator];
    let open = |name: &&str| {
        let bundle = Bundle::open(models_folder(&config.folder).join(name))?;
        Ok((bundle.model(), bundle.sha256()))
    };
    names.iter().filter(|n| !n.is_empty()).map(open).collect()
}

/// A narrator that takes the embeddings of this model, where it was trained beside it.
fn paired(
    runtime: &Runtime,
    bundle: &Bundle,
    sessions: usize,
    view: Option<&ModelRef>,
) -> anyhow::Result<Narrator> {
    let mut narrator = Narrator::load(runtime, bundle, sessions)?;
    if let Some(view) = view
        && !narrator.pair(view)
    {
        tracing::info!(
            model = %view.name,
            "the narrator was not trained beside this model and writes without its embedding"
        );
    }
    Ok(narrator)
}

/// The narrator of the configuration by itself, for measuring it.
///
/// # Errors
/// As [`models`], and when no narrator is configured.
pub fn narrator(config: &Config) -> anyhow::Result<Narrator> {
    let config = &config.models;
    let Some(library) = onnxruntime(&config.onnxruntime) else {
        bail!("the ONNX Runtime library was not found; run `cargo xtask setup`");
    };
    let runtime = Runtime::load(&library)?;
    let folder = models_folder(&config.folder);
    let open = |name: &str| {
        Bundle::open(folder.join(name)).with_context(|| format!("the model bundle {name} is refused"))
    };
    if config.narrator.is_empty() {
        bail!("no narrator is configured");
    }
    let mut narrator = Narrator::load(&runtime, &open(&config.narrator)?, 1)?;
    let view = if config.fusion.is_empty() { &config.encoder } else { &config.fusion };
    if !config.encoder.is_empty() {
        narrator.pair(&open(view)?.model());
    }
    Ok(narrator)
}
