//! `cargo xtask peers NAME`: the libraries of a real peer of the end-to-end tests: Java ones for the class
//! path of a single-file program, Python ones for a script's path.

use crate::jars::Set;
use crate::{command, native, places};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The peers by name.
const PEERS: &[(&str, Set)] = &[
    (
        "hl7v2",
        Set {
            what: "HAPI HL7 v2 2.6.0",
            pom: r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>bedwatch</groupId>
  <artifactId>peer-hl7v2</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>ca.uhn.hapi</groupId><artifactId>hapi-base</artifactId><version>2.6.0</version></dependency>
    <dependency><groupId>ca.uhn.hapi</groupId><artifactId>hapi-structures-v25</artifactId><version>2.6.0</version></dependency>
    <dependency><groupId>ca.uhn.hapi</groupId><artifactId>hapi-structures-v26</artifactId><version>2.6.0</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"#,
            hashes: include_str!("peers/hl7v2.sha256"),
        },
    ),
    (
        "fhir",
        Set {
            what: "HAPI FHIR 8.4.0",
            pom: r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>bedwatch</groupId>
  <artifactId>peer-fhir</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>ca.uhn.hapi.fhir</groupId><artifactId>hapi-fhir-structures-r4</artifactId><version>8.4.0</version></dependency>
    <dependency><groupId>ca.uhn.hapi.fhir</groupId><artifactId>hapi-fhir-validation</artifactId><version>8.4.0</version></dependency>
    <dependency><groupId>ca.uhn.hapi.fhir</groupId><artifactId>hapi-fhir-validation-resources-r4</artifactId><version>8.4.0</version></dependency>
    <dependency><groupId>ca.uhn.hapi.fhir</groupId><artifactId>hapi-fhir-caching-caffeine</artifactId><version>8.4.0</version></dependency>
    <dependency><groupId>ca.uhn.hapi.fhir</groupId><artifactId>hapi-fhir-server</artifactId><version>8.4.0</version></dependency>
    <dependency><groupId>org.eclipse.jetty.ee10</groupId><artifactId>jetty-ee10-servlet</artifactId><version>12.0.25</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>2.0.17</version></dependency>
  </dependencies>
</project>
"#,
            hashes: include_str!("peers/fhir.sha256"),
        },
    ),
];

/// The peers in Python by name: what pip installs, with the hashes it checks.
const PYTHON: &[(&str, &str)] = &[
    (
        "hl7apy",
        "hl7apy==1.3.5 --hash=sha256:c8b80ff5ad020bf9c1e68a6395cf45cb78db621f65569d1798c46eb1b657e27b\n",
    ),
    ("readers", include_str!("peers/readers.txt")),
];

/// Every peer's name.
fn names() -> impl Iterator<Item = &'static str> {
    PEERS.iter().map(|(name, _)| *name).chain(PYTHON.iter().map(|(name, _)| *name))
}

/// Makes a peer ready and returns the folder of its jars, or of its Python packages.
pub(crate) fn libraries(name: &str) -> Result<PathBuf> {
    if !names().any(|own| own == name) {
        bail!("{name} is no peer; there is {}", names().collect::<Vec<_>>().join(", "));
    }
    let home = places::cache()?.join("peers").join(name);
    std::fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    // Two tests that want it at once fetch it once.
    let path = home.join("lock");
    let lock = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    if let Some((_, requirements)) = PYTHON.iter().find(|(own, _)| *own == name) {
        native::ensure(&[native::PIP])?;
        return python(name, requirements, &home);
    }
    native::ensure(&[native::KAFKA, native::JDK])?;
    let (_, set) = PEERS.iter().find(|(own, _)| *own == name).context("a peer has its jars")?;
    set.libraries(&home)
}

/// Installs Python packages into a folder of their own, whole or not at all; anew where others are wanted
/// than lie there.
fn python(name: &str, requirements: &str, home: &Path) -> Result<PathBuf> {
    let (packages, installed) = (home.join("packages"), home.join("requirements.txt"));
    if packages.exists() && std::fs::read_to_string(&installed).is_ok_and(|text| text == requirements) {
        return Ok(packages);
    }
    let fresh = home.join(format!("fetch-{}", std::process::id()));
    std::fs::create_dir_all(&fresh).with_context(|| format!("cannot create {}", fresh.display()))?;
    let wanted = fresh.join("requirements.txt");
    std::fs::write(&wanted, requirements).with_context(|| format!("cannot write {name}'s requirements"))?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--only-binary=:all:", "--require-hashes", "--requirement"]).arg(&wanted);
    pip.arg("--target").arg(fresh.join("packages"));
    let outcome = command::run(&mut pip)
        .with_context(|| format!("pip could not install {name}; check the network and pip's index settings"))
        .and_then(|()| place(&fresh, &packages, &installed).with_context(|| format!("cannot place {name}")));
    std::fs::remove_dir_all(&fresh).ok();
    outcome.map(|()| packages)
}

/// Puts what was installed in its place; the list of it comes last and says that it is whole.
fn place(fresh: &Path, packages: &Path, installed: &Path) -> std::io::Result<()> {
    if packages.exists() {
        std::fs::remove_dir_all(packages)?;
    }
    std::fs::rename(fresh.join("packages"), packages)?;
    std::fs::rename(fresh.join("requirements.txt"), installed)
}

/// Fetches every peer, so that a test run learns of a missing network before it has built anything.
pub(crate) fn prepare() -> Result<()> {
    names().try_for_each(|name| libraries(name).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_whole() {
        for (name, set) in PEERS {
            let jars = set.jars();
            assert_eq!(jars.len(), set.hashes.lines().count(), "{name}");
            for (file, hash) in &jars {
                assert!(file.ends_with(".jar") && hash.len() == 64, "{file}");
            }
            let artifacts = set.pom.matches("<dependency>").count();
            assert!(jars.len() >= artifacts && artifacts > 0, "{name}");
        }
    }

    #[test]
    fn every_python_package_has_a_version_and_a_hash() {
        for (name, requirements) in PYTHON {
            let packages = requirements.lines().filter(|l| l.contains("==")).count();
            let hashes = requirements.matches("--hash=sha256:").count();
            assert!(packages > 0 && hashes >= packages, "{name}");
        }
    }

    #[test]
    fn an_unknown_peer_is_told() {
        assert!(libraries("nobody").unwrap_err().to_string().contains("hl7v2"));
    }
}
