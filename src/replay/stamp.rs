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

/// Path, size and last change.
fn file(path: &Path) -> anyhow::Result<String> {
    let about = fs::metadata(path).with_context(|| format!("{} cannot be looked at", path.display()))?;
    let changed = about.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    Ok(format!("{} {} {}", path.display(), about.len(), changed.as_nanos()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use bedwatch_replay_data::readers::Options;

    use super::*;

    const STAYS: &str = "SUBJECT_ID,HADM_ID,ICUSTAY_ID,DBSOURCE,FIRST_CAREUNIT,INTIME,OUTTIME\n7,70,701,carevue,CCU,2150-05-01 00:00:00,2150-05-02 00:00:00\n";
    const STAYS_IV: &str = "subject_id,hadm_id,stay_id,first_careunit,last_careunit,intime,outtime,los\n7,70,701,MICU,MICU,2150-05-01 00:00:00,2150-05-02 00:00:00,1\n";

    fn stamped(folder: &Path) -> String {
        let sources = crate::replay::open(&[folder.to_owned()], &Options::default()).unwrap();
        let rests =
            Rests { engine: "0", engine_blake3: String::new(), config: String::new(), models: Vec::new() };
        stamp(&sources, &rests, false).unwrap()
    }

    /// What is read stamps a replay, and nothing else: not the journal that lies in the same folder.
    #[test]
    fn a_change_of_what_is_read_is_another_stamp() {
        let third: &[(&str, &str)] = &[("ICUSTAYS.csv", STAYS), ("CHARTEVENTS.csv", "ITEMID\n")];
        // MIMIC-IV without hosp.
        let fourth: &[(&str, &str)] = &[("icu/icustays.csv", STAYS_IV), ("icu/chartevents.csv", "itemid\n")];
        let waves: &[(&str, &str)] = &[
            ("r.hea", "r/2 1 100 8\nr_1 4\nr_2 4\n"),
            ("r_1.hea", "r_1 1 100 4\nfirst.bin 16 200/mV 16 0 0 0 0 II\n"),
            ("r_2.hea", "r_2 1 100 4\nsecond.bin 16 200/mV 16 0 0 0 0 II\n"),
            ("first.bin", "12345678"),
            ("second.bin", "12345678"),
            ("r.atr", "\0\0"),
        ];
        for files in [third, fourth, waves] {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in files {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            let before = stamped(folder.path());
            fs::write(folder.path().join(crate::replay::journal::FILE), "anything").unwrap();
            assert_eq!(stamped(folder.path()), before, "the journal is no table");
            for (i, (name, text)) in files.iter().enumerate() {
                let path = folder.path().join(name);
                let about = fs::metadata(&path).unwrap().modified().unwrap();
                let file = fs::OpenOptions::new().append(true).open(&path).unwrap();
                file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 + i as u64)).unwrap();
                assert_ne!(stamped(folder.path()), before, "{name} ({} bytes) is another", text.len());
                file.set_modified(about).unwrap();
                assert_eq!(stamped(folder.path()), before, "{name} as it was");
            }
        }
    }
}
