//! Readers of others, in Python, and what they make of files.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;
use serde_json::Value;

use crate::support::{Folder, ok};

/// What a peer says of one file.
#[derive(Debug, Deserialize)]
pub struct Said {
    pub source: PathBuf,
    /// Why it gave up.
    pub error: Option<String>,
    pub channels: Vec<Entry>,
    /// Rows whose fields the comparison knows.
    pub annotations: Vec<Value>,
    /// The clock of an annotation file.
    pub hz: Option<f64>,
    #[serde(skip)]
    bytes: PathBuf,
}

/// One channel, or one stretch of it.
#[derive(Debug, Deserialize)]
pub struct Entry {
    pub number: usize,
    pub label: Option<String>,
    /// `None` where the header names none.
    pub unit: Option<String>,
    pub rate_hz: f64,
    /// The number of its first sample since the recording's beginning.
    pub first: u64,
    count: usize,
    has_digital: bool,
    digital_at: Option<usize>,
    physical_at: usize,
}

/// Its samples.
pub struct Samples {
    /// `None` where the peer gives physical values alone.
    pub digital: Option<Vec<i32>>,
    pub physical: Vec<f64>,
}

impl Said {
    /// The samples of each channel.
    pub fn samples(&self) -> Vec<Samples> {
        let bytes = std::fs::read(&self.bytes).unwrap();
        let samples = self.channels.iter().map(|entry| {
            let part = |at: usize, width: usize| bytes[at..at + entry.count * width].chunks_exact(width);
            let digital = entry.digital_at.filter(|_| entry.has_digital);
            let digital = digital
                .map(|at| part(at, 4).map(|b| i32::from_le_bytes(b.try_into().unwrap())).collect::<Vec<_>>());
            let physical = part(entry.physical_at, 8).map(|b| f64::from_le_bytes(b.try_into().unwrap()));
            Samples { digital, physical: physical.collect() }
        });
        samples.collect()
    }
}

fn script(packages: &Path, name: &str) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
    // What the peers' own libraries find old-fashioned in them.
    command.arg("-Wignore");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers").join(name));
    command
}

/// A folder of files that a script writes.
pub fn made(packages: &Path, name: &str) -> Folder {
    let folder = Folder::new(&format!("readers-{name}"));
    ok(script(packages, name).arg(folder.path()).stdin(Stdio::null()));
    folder
}

/// What a script says of files; several times of each where it asks several readers.
pub fn read(packages: &Path, name: &str, out: &Folder, files: &[PathBuf]) -> Vec<Said> {
    let mut child = script(packages, name).arg(out.path()).stdin(Stdio::piped()).spawn().unwrap();
    let mut list = child.stdin.take().unwrap();
    for file in files {
        writeln!(list, "{}", file.display()).unwrap();
    }
    drop(list);
    assert!(child.wait().unwrap().success());
    let said = (0..).map_while(|n| {
        let text = std::fs::read_to_string(out.join(&format!("{n}.json"))).ok()?;
        let said: Said = serde_json::from_str(&text).unwrap();
        Some(Said { bytes: out.join(&format!("{n}.bin")), ..said })
    });
    said.collect()
}

/// The files below a folder whose names end so, in order.
pub fn files(folder: &Path, ends: &[&str]) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let end = path.extension().map(|e| e.to_string_lossy().into_owned());
            if path.is_dir() {
                folders.push(path);
            } else if end.is_some_and(|e| ends.contains(&e.as_str())) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
