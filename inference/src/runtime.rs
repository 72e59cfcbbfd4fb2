//! ONNX Runtime, loaded from one absolute path, once per process.
//!
//! The library is looked at before it is opened: a missing or unfit file is an error of one
//! sentence, never a panic. Sessions run on one thread each unless told otherwise, so that the
//! same input gives the same bytes on every machine of a kind.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ort::{
    environment::Environment,
    ep,
    session::{Session, builder::GraphOptimizationLevel},
};

/// The environment variable that names the library.
pub const VARIABLE: &str = "BEDWATCH_ONNXRUNTIME";

/// Why ONNX Runtime or a session of it is not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path is relative.
    #[error("the ONNX Runtime library must be named by an absolute path, and {} is not one", .0.display())]
    Relative(PathBuf),
    /// There is no such file.
    #[error("there is no ONNX Runtime library at {}; `cargo xtask setup` installs it", .0.display())]
    Absent(PathBuf),
    /// The file is no ONNX Runtime this engine can use.
    #[error("{} is not a usable ONNX Runtime library: {reason}", .path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// Another library is already loaded in this process.
    #[error("ONNX Runtime is already loaded from {}", .0.display())]
    Loaded(PathBuf),
    /// The execution provider cannot be used.
    #[error("the execution provider {provider} is not available with this ONNX Runtime library: {reason}")]
    Provider {
        /// Its name.
        provider: &'static str,
        /// What the runtime said.
        reason: String,
    },
    /// The model does not load.
    #[error("ONNX Runtime cannot load the model: {0}")]
    Model(String),
    /// The model does not run.
    #[error("ONNX Runtime cannot run the model: {0}")]
    Run(String),
}

/// Where models run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provider {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU by its number.
    Cuda(i32),
}

impl Provider {
    /// Reads `cpu`, `cuda` or `cuda:N`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "cpu" => Some(Self::Cpu),
            None if text == "cuda" => Some(Self::Cuda(0)),
            Some(("cuda", device)) => device.parse().ok().filter(|d| *d >= 0).map(Self::Cuda),
            _ => None,
        }
    }
}

/// The loaded library. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    environment: Environment,
    provider: Provider,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// The library of this process with its path. Never unloaded.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

impl Runtime {
    /// Loads the library at an absolute path. A second call with the same path gives the same
    /// library.
    ///
    /// # Errors
    /// When the path is relative or leads to no usable library, or another one is loaded.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        if !path.is_absolute() {
            return Err(Error::Relative(path.to_path_buf()));
        }
        if !path.is_file() {
            return Err(Error::Absent(path.to_path_buf()));
        }
        let unfit = |reason: String| Error::Unfit { path: path.to_path_buf(), reason };
        let real = path.canonicalize().map_err(|e| unfit(e.to_string()))?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, environment)) = loaded.as_ref() {
            if *known != real {
                return Err(Error::Loaded(known.clone()));
            }
            return Ok(Self { environment: environment.clone(), provider: Provider::Cpu });
        }
        let builder = ort::init_from(&real).map_err(|e| unfit(e.to_string()))?;
        let environment =
            builder.with_name("bedwatch").with_telemetry(false).build().map_err(|e| unfit(e.to_string()))?;
        *loaded = Some((real, environment.clone()));
        Ok(Self { environment, provider: Provider::Cpu })
    }

    /// The same library with another execution provider for the sessions to come.
    #[must_use]
    pub fn with_provider(mut self, provider: Provider) -> Self {
        self.provider = provider;
        self
    }

    /// A session over a model in memory, with `threads` threads within an operator (at least 1).
    ///
    /// # Errors
    /// When the provider is not available or the model does not load.
    pub fn session(&self, onnx: &[u8], threads: usize) -> Result<Session, Error> {
        let model = |e: ort::Error| Error::Model(e.to_string());
        let mut builder = Session::builder(&self.environment)
            .and_then(|b| Ok(b.with_intra_threads(threads.max(1))?))
            .and_then(|b| Ok(b.with_inter_threads(1)?))
            // A waiting thread that spins takes the core from the next bed.
            .and_then(|b| Ok(b.with_intra_op_spinning(false)?))
            .and_then(|b| Ok(b.with_optimization_level(GraphOptimizationLevel::All)?))
            .map_err(model)?;
        if let Provider::Cuda(device) = self.provider {
            let cuda = ep::CUDA::default().with_device_id(device).build().error_on_failure();
            builder = builder
                .with_execution_providers([cuda])
                .map_err(|e| Error::Provider { provider: "cuda", reason: e.to_string() })?;
        }
        builder.commit_from_memory(onnx).map_err(model)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The library of this machine; prints the skipped test's name where there is none.
    pub(crate) fn installed(test: &str) -> Option<Runtime> {
        let named = std::env::var_os(VARIABLE).map(PathBuf::from);
        let found = named.or_else(|| {
            let home = PathBuf::from(std::env::var_os("HOME")?).join(".cache/bedwatch/onnxruntime");
            let mut all: Vec<PathBuf> = std::fs::read_dir(home)
                .ok()?
                .filter_map(|d| Some(d.ok()?.path().join("libonnxruntime.so")))
                .filter(|p| p.is_file())
                .collect();
            all.sort();
            all.pop()
        });
        if found.is_none() {
            println!("skipped {test}: no ONNX Runtime library ({VARIABLE} is unset)");
        }
        found.map(|path| Runtime::load(path).unwrap())
    }

    #[test]
    fn a_wrong_path_is_an_error_and_not_a_panic() {
        assert!(matches!(Runtime::load("libonnxruntime.so"), Err(Error::Relative(_))));
        assert!(matches!(Runtime::load("/nowhere/libonnxruntime.so"), Err(Error::Absent(_))));
        assert!(matches!(Runtime::load("/"), Err(Error::Absent(_))));
    }

    #[test]
    fn a_file_that_is_no_library_is_refused_and_the_right_one_still_loads() {
        let path = std::env::temp_dir().join(format!("bedwatch-no-library-{}", std::process::id()));
        std::fs::write(&path, b"not a library").unwrap();
        // In one process with the other tests the right one may already be loaded.
        let result = Runtime::load(&path);
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(result, Err(Error::Unfit { .. } | Error::Loaded(_))), "{result:?}");
        let Some(runtime) = installed("a_file_that_is_no_library_is_refused") else { return };
        assert!(matches!(runtime.session(b"not a model", 1), Err(Error::Model(_))));
    }

    #[test]
    fn a_provider_the_library_lacks_is_an_error() {
        let Some(runtime) = installed("a_provider_the_library_lacks_is_an_error") else { return };
        let Some(bundle) = crate::bundle::tests::shipped("encoder-hourly-v2") else { return };
        let onnx = bundle.file("encoder.onnx").unwrap();
        runtime.session(onnx, 1).unwrap();
        // With a GPU build of the library and a GPU it loads; anywhere else the reason is named.
        match runtime.with_provider(Provider::Cuda(0)).session(onnx, 1) {
            Ok(_) => {}
            Err(Error::Provider { provider, reason }) => {
                assert_eq!(provider, "cuda");
                assert!(!reason.is_empty());
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn providers_are_read() {
        for (text, want) in [
            ("cpu", Some(Provider::Cpu)),
            ("cuda", Some(Provider::Cuda(0))),
            ("cuda:1", Some(Provider::Cuda(1))),
            ("cuda:-1", None),
            ("gpu", None),
        ] {
            assert_eq!(Provider::parse(text), want, "{text}");
        }
    }
}
