//! `[archive]` of the configuration.

use std::path::PathBuf;

use bedwatch_schemas::time::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything told and said, kept as Parquet for `bedwatch query`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The folder of the archive; empty: `run` keeps none. One process writes one archive.
    pub folder: PathBuf,
    /// A file is ended, and can be queried, when its first row is so many minutes old.
    pub rotate_minutes: i64,
    /// And when it has grown to so many MiB before it is compressed.
    pub part_mebibytes: u64,
    /// Of each patient the first frame in every stretch of so many seconds is kept, and every frame
    /// that an alert or an entry of the ledger rests on.
    pub frames_every_secs: i64,
    /// Rows that may wait for the disk. Beyond them rows are left out and counted, for an alert waits
    /// for no archive.
    pub queue_rows: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            folder: PathBuf::new(),
            rotate_minutes: 15,
            part_mebibytes: 256,
            frames_every_secs: 60,
            queue_rows: 200_000,
        }
    }
}

impl Config {
    /// Whether `run` keeps an archive.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.folder.as_os_str().is_empty()
    }

    /// The stretch of which the first frame is kept.
    #[must_use]
    pub const fn frames_every(&self) -> Span {
        Span::secs(self.frames_every_secs)
    }

    /// Values out of their ranges.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let ranges = [
            ((1..=1_440).contains(&self.rotate_minutes), "archive.rotate_minutes must be between 1 and 1440"),
            (
                (1..=65_536).contains(&self.part_mebibytes),
                "archive.part_mebibytes must be between 1 and 65536",
            ),
            (
                (1..=86_400).contains(&self.frames_every_secs),
                "archive.frames_every_secs must be between 1 and 86400",
            ),
            (
                (1_000..=100_000_000).contains(&self.queue_rows),
                "archive.queue_rows must be between 1000 and 100000000",
            ),
        ];
        ranges.into_iter().filter(|(holds, _)| !holds).map(|(_, why)| why.to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_is_held() {
        let sound = Config::default();
        assert!(sound.faults().is_empty() && !sound.is_on());
        type Change = fn(&mut Config, bool);
        let edges: [Change; 8] = [
            |c, out| c.rotate_minutes = i64::from(!out),
            |c, out| c.rotate_minutes = 1_440 + i64::from(out),
            |c, out| c.part_mebibytes = u64::from(!out),
            |c, out| c.part_mebibytes = 65_536 + u64::from(out),
            |c, out| c.frames_every_secs = i64::from(!out),
            |c, out| c.frames_every_secs = 86_400 + i64::from(out),
            |c, out| c.queue_rows = 1_000 - usize::from(out),
            |c, out| c.queue_rows = 100_000_000 + usize::from(out),
        ];
        for (i, edge) in edges.iter().enumerate() {
            for out in [false, true] {
                let mut config = sound.clone();
                edge(&mut config, out);
                assert_eq!(config.faults().len(), usize::from(out), "edge {i}");
            }
        }
    }
}
