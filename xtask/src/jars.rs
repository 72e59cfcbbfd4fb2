//! Sets of Java libraries, fetched from Maven Central through the machine's own maven (so its mirrors
//! and settings apply) and verified jar by jar.

use crate::command;
use crate::onnxruntime::verify;
use crate::progress::step;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// One pinned set.
pub(crate) struct Set {
    /// For people.
    pub(crate) what: &'static str,
    /// The project that depends on what is wanted.
    pub(crate) pom: &'static str,
    /// `sha256sum` of every jar of it.
    pub(crate) hashes: &'static str,
}

impl Set {
    /// The folder of verified jars below `home`; fetched where absent or damaged.
    pub(crate) fn libraries(&self, home: &Path) -> Result<PathBuf> {
        let libraries = home.join("libs");
        if self.verify(&libraries).is_ok() {
            return Ok(libraries);
        }
        std::fs::remove_dir_all(&libraries).ok();
        let fresh = home.join(format!("fetch-{}", std::process::id()));
        std::fs::create_dir_all(&fresh).with_context(|| format!("cannot create {}", fresh.display()))?;
        let outcome = self.fetch(&fresh).and_then(|()| {
            std::fs::rename(fresh.join("libs"), &libraries)
                .with_context(|| format!("cannot place the jars of {}", self.what))
        });
        std::fs::remove_dir_all(&fresh).ok();
        outcome.map(|()| libraries)
    }

    fn fetch(&self, folder: &Path) -> Result<()> {
        let pom = folder.join("pom.xml");
        std::fs::write(&pom, self.pom).with_context(|| format!("cannot write {}", pom.display()))?;
        let libraries = folder.join("libs");
        step(&format!("maven fetches {} and verifies its jars", self.what), || {
            let mut maven = Command::new("mvn");
            maven.args(["--quiet", "--batch-mode", "--file"]).arg(&pom).arg(COPY);
            maven.arg("-DincludeScope=runtime").arg(format!("-DoutputDirectory={}", libraries.display()));
            command::run(&mut maven).with_context(|| {
                format!("maven could not fetch {}; check the network and ~/.m2/settings.xml", self.what)
            })?;
            self.verify(&libraries)
        })
    }

    /// Every pinned jar is there with its hash, and nothing else is: the class path is the whole
    /// folder.
    fn verify(&self, libraries: &Path) -> Result<()> {
        let jars = self.jars();
        for (file, hash) in &jars {
            verify(&libraries.join(file), hash)?;
        }
        let present = std::fs::read_dir(libraries)
            .with_context(|| format!("cannot list {}", libraries.display()))?
            .count();
        if present != jars.len() {
            bail!("{} holds {present} files, the set has {}", libraries.display(), jars.len());
        }
        Ok(())
    }

    /// Files and their hashes.
    pub(crate) fn jars(&self) -> Vec<(&'static str, &'static str)> {
        self.hashes
            .lines()
            .filter_map(|line| line.split_once("  ").map(|(hash, file)| (file, hash)))
            .collect()
    }
}
