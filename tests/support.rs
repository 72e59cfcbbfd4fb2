//! What the end-to-end tests share.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// A temporary folder, removed when dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("bedwatch-e2e-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return; // what failed is kept to be looked at
        }
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The binary under test.
pub fn bedwatch() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bedwatch"));
    command.stdin(Stdio::null());
    command
}

/// Runs it and insists that it succeeds.
pub fn ok(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?} failed: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The JSON object in the last line of standard output.
pub fn last_json(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// Whether the ONNX Runtime library is there; says so by the test's name if not.
pub fn has_onnxruntime(test: &str) -> bool {
    let found = bedwatch::setup::onnxruntime(Path::new("")).is_some();
    if !found {
        eprintln!("SKIPPED {test}: the ONNX Runtime library is absent (cargo xtask setup)");
    }
    found
}

/// The shared data sets; says so by the test's name if they are absent.
pub fn shared(test: &str, part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("BEDWATCH_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join("data").join(part);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED {test}: {} is absent", path.display());
    None
}

/// A simulated ward written as a recording.
pub fn recording(folder: &Folder, beds: u32, history: &str, length: &str) -> PathBuf {
    let out = folder.join("recording");
    ok(bedwatch()
        .args(["simulate", "--seed", "7", "--beds", &beds.to_string(), "--history", history, "--for", length])
        .arg("--out")
        .arg(&out));
    out
}

/// Replays into `out` and gives metrics.json.
pub fn replay(paths: &[&Path], out: &Path, more: &[&str]) -> Value {
    let output = ok(bedwatch().arg("replay").args(paths).arg("--out").arg(out).arg("--json").args(more));
    last_json(&output)
}

/// The alerts of a replay.
pub fn alerts(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out.join("alerts.ndjson")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Sum of an object's numbers.
pub fn sum(object: &Value) -> u64 {
    object.as_object().unwrap().values().filter_map(Value::as_u64).sum()
}

/// Alert messages by (id, sequence); the same message twice must be the same bytes.
pub fn by_id(payloads: impl IntoIterator<Item = Vec<u8>>) -> BTreeMap<(String, u64), Vec<u8>> {
    let mut all = BTreeMap::new();
    for payload in payloads {
        let alert: Value = serde_json::from_slice(&payload).unwrap();
        let key = (alert["id"].as_str().unwrap().to_owned(), alert["sequence"].as_u64().unwrap());
        if let Some(before) = all.insert(key, payload.clone()) {
            assert_eq!(
                String::from_utf8_lossy(&before),
                String::from_utf8_lossy(&payload),
                "a repeat must carry the same bytes"
            );
        }
    }
    all
}

/// The folder of a peer's Python packages; says so by the test's name if they cannot be had.
pub fn peer(test: &str, name: &str) -> Option<PathBuf> {
    let skipped = |why: &str| {
        eprintln!("SKIPPED {test}: {why}");
        None
    };
    let Ok(xtask) = std::env::var("BEDWATCH_XTASK") else {
        return skipped("BEDWATCH_XTASK is not set (cargo xtask test sets it)");
    };
    let found = Command::new(xtask).args(["peers", name]).stdin(Stdio::null()).output().unwrap();
    if !found.status.success() {
        return skipped(String::from_utf8_lossy(&found.stderr).trim());
    }
    Some(String::from_utf8(found.stdout).unwrap().trim().into())
}
