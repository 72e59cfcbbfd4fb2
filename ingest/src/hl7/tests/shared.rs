//! Real messages of public projects, good and bad (`../shared/data/hl7v2`), where they are at hand.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bedwatch_schemas::event::Body;

use super::read;

/// Every file below the data folder, sorted; `None` (said on the terminal) where there is none.
pub(super) fn files(test: &str) -> Option<Vec<PathBuf>> {
    let root = std::env::var_os("BEDWATCH_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let mut found = Vec::new();
    for folder in std::fs::read_dir(root.join("hl7v2")).into_iter().flatten().flatten() {
        for file in std::fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            found.push(file.path());
        }
    }
    found.sort();
    if found.is_empty() {
        println!("{test}: skipped, no shared data");
        return None;
    }
    Some(found)
}

#[test]
fn every_shared_message_adds_up() {
    let Some(files) = files("every_shared_message_adds_up") else { return };
    let (mut units, mut events, mut reasons) = ([0; 4], 0, BTreeMap::new());
    let verbose = std::env::var_os("BEDWATCH_VERBOSE").is_some();
    for file in &files {
        let payload = std::fs::read(file).unwrap();
        let decoded = read(None, &payload);
        let u = decoded.units;
        let lines = payload
            .split(|b| matches!(b, b'\r' | b'\n'))
            .filter(|line| line.iter().any(|b| *b > b' '))
            .count();
        assert_eq!(u.total, lines, "{}", file.display());
        if verbose {
            println!("{}: {u:?}, {} events", file.file_name().unwrap().display(), decoded.events.len());
            for r in &decoded.rejections {
                println!("    {r}");
            }
            for e in &decoded.events {
                match &e.body {
                    Body::Numeric(n) => println!(
                        "    {} {} {} {:?} {}",
                        e.event_time,
                        n.signal.name(),
                        n.value,
                        n.status,
                        n.plausible
                    ),
                    body => println!("    {} {body:?}", e.event_time),
                }
            }
        }
        for (sum, n) in units.iter_mut().zip([u.total, u.decoded, u.skipped, u.rejected]) {
            *sum += n;
        }
        events += decoded.events.len();
        for r in decoded.rejections {
            *reasons.entry(r.reason.name()).or_insert(0) += 1;
        }
    }
    let [total, decoded, skipped, rejected] = units;
    println!(
        "{} files: {total} segments = {decoded} decoded + {skipped} skipped + {rejected} rejected; \
         {events} events; {reasons:?}",
        files.len()
    );
}
