//! `cargo xtask peers NAME`: the Java libraries of a real peer of the end-to-end tests, for the class
//! path of a single-file program.

use crate::jars::Set;
use crate::{native, places};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::PathBuf;

/// The peers by name.
const PEERS: &[(&str, Set)] = &[(
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
)];

/// Makes a peer ready and returns the folder of its jars.
pub(crate) fn libraries(name: &str) -> Result<PathBuf> {
    let Some((_, set)) = PEERS.iter().find(|(own, _)| *own == name) else {
        let names: Vec<&str> = PEERS.iter().map(|(name, _)| *name).collect();
        bail!("{name} is no peer; there is {}", names.join(", "));
    };
    let home = places::cache()?.join("peers").join(name);
    std::fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    // Two tests that want it at once fetch it once.
    let path = home.join("lock");
    let lock = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    native::ensure(&[native::KAFKA, native::JDK])?;
    set.libraries(&home)
}

/// Fetches every peer, so that a test run learns of a missing network before it has built anything.
pub(crate) fn prepare() -> Result<()> {
    PEERS.iter().try_for_each(|(name, _)| libraries(name).map(drop))
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
    fn an_unknown_peer_is_told() {
        assert!(libraries("nobody").unwrap_err().to_string().contains("hl7v2"));
    }
}
