//! The pinned release of Apache Kafka, fetched from Maven Central through the machine's own maven
//! (so its mirrors and settings apply) and verified jar by jar.

use crate::command;
use crate::onnxruntime::verify;
use crate::progress::step;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release; `deploy/compose.yaml` names the same one.
pub(crate) const VERSION: &str = "4.3.1";

/// Any fixed id does: a cluster lives from `up` to `down`. (Base64 of 16 bytes, as Kafka wants it.)
pub(crate) const CLUSTER_ID: &str = "YmVkd2F0Y2gtbG9jYWwtMQ";

/// `sha256sum` of every jar of the release and what it depends on.
const JARS: &str = include_str!("kafka-4.3.1.sha256");

/// Kafka's own artifact leaves the logging backend open; without one, errors at start are silent.
const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>bedwatch</groupId>
  <artifactId>local-kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.3.1</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.4</version></dependency>
  </dependencies>
</project>
"#;

const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// The folder of verified jars; fetched where absent or damaged.
pub(crate) fn libraries(home: &Path) -> Result<PathBuf> {
    let release = home.join(VERSION);
    let libraries = release.join("libs");
    if verify_jars(&libraries).is_ok() {
        return Ok(libraries);
    }
    std::fs::remove_dir_all(&libraries).ok();
    let fresh = release.join(format!("fetch-{}", std::process::id()));
    std::fs::create_dir_all(&fresh).with_context(|| format!("cannot create {}", fresh.display()))?;
    let outcome = fetch(&fresh)
        .and_then(|()| std::fs::rename(fresh.join("libs"), &libraries).context("cannot place Kafka's jars"));
    std::fs::remove_dir_all(&fresh).ok();
    outcome.map(|()| libraries)
}

fn fetch(folder: &Path) -> Result<()> {
    let pom = folder.join("pom.xml");
    std::fs::write(&pom, POM).with_context(|| format!("cannot write {}", pom.display()))?;
    let libraries = folder.join("libs");
    step(&format!("maven fetches Kafka {VERSION} and verifies its jars"), || {
        let mut maven = Command::new("mvn");
        maven.args(["--quiet", "--batch-mode", "--file"]).arg(&pom).arg(COPY).arg("-DincludeScope=runtime");
        maven.arg(format!("-DoutputDirectory={}", libraries.display()));
        command::run(&mut maven)
            .context("maven could not fetch Kafka; check the network and ~/.m2/settings.xml")?;
        verify_jars(&libraries)
    })
}

/// Every pinned jar is there with its hash, and nothing else is: the class path is the whole folder.
fn verify_jars(libraries: &Path) -> Result<()> {
    let jars = jars();
    for (file, hash) in &jars {
        verify(&libraries.join(file), hash)?;
    }
    let present =
        std::fs::read_dir(libraries).with_context(|| format!("cannot list {}", libraries.display()))?.count();
    if present != jars.len() {
        bail!("{} holds {present} files, the release has {}", libraries.display(), jars.len());
    }
    Ok(())
}

fn jars() -> Vec<(&'static str, &'static str)> {
    JARS.lines().filter_map(|line| line.split_once("  ").map(|(hash, file)| (file, hash))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let jars = jars();
        assert_eq!(jars.len(), JARS.lines().count());
        for (file, hash) in &jars {
            assert!(file.ends_with(".jar") && hash.len() == 64, "{file}");
        }
        for principal in [format!("kafka_2.13-{VERSION}.jar"), format!("kafka-clients-{VERSION}.jar")] {
            assert!(jars.iter().any(|(file, _)| *file == principal), "{principal}");
        }
        assert!(POM.contains(&format!("<artifactId>kafka_2.13</artifactId><version>{VERSION}</version>")));
        assert_eq!(CLUSTER_ID.len(), 22);
    }

    #[test]
    fn the_compose_file_names_the_same_release() {
        let compose = std::fs::read_to_string(crate::places::root().join("deploy/compose.yaml")).unwrap();
        let images: Vec<&str> =
            compose.lines().filter_map(|line| line.trim().strip_prefix("image: ")).collect();
        assert!(!images.is_empty());
        assert!(images.iter().all(|image| *image == format!("apache/kafka:{VERSION}")), "{images:?}");
    }
}
