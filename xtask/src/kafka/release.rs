//! The pinned release of Apache Kafka.

use crate::jars::Set;
use anyhow::Result;
use std::path::{Path, PathBuf};

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

const SET: Set = Set { what: "Kafka 4.3.1", pom: POM, hashes: JARS };

/// The folder of verified jars; fetched where absent or damaged.
pub(crate) fn libraries(home: &Path) -> Result<PathBuf> {
    SET.libraries(&home.join(VERSION))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let jars = SET.jars();
        assert!(SET.what.ends_with(VERSION));
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
