//! Rules of the house that no compiler checks: which crate may know which, that every sample is
//! accounted for, that files stay readable.

mod crates;
mod samples;

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Longer files hold more than one idea.
const MAX_LINES: usize = 800;

/// Checks everything and returns one line of what was checked, or fails with every finding.
pub(crate) fn check(root: &Path) -> Result<String> {
    let mut findings = Vec::new();
    let manifests = crates::check(root, &mut findings)?;
    let samples = samples::check(&root.join("replay-data/samples"), &mut findings)?;
    let sources = lengths(root, &mut findings)?;
    if !root.join("docs/glossary.md").is_file() {
        findings.push("docs/glossary.md is missing: one noun per concept, written down".to_owned());
    }
    if findings.is_empty() {
        return Ok(format!("tidy: {manifests} manifests, {samples} samples, {sources} source files"));
    }
    bail!("{} tidiness findings:\n  {}", findings.len(), findings.join("\n  "))
}

fn lengths(root: &Path, findings: &mut Vec<String>) -> Result<usize> {
    let mut count = 0;
    for file in files_below(root)? {
        if file.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        count += 1;
        let lines = read(&file)?.lines().count();
        if lines > MAX_LINES {
            let name = file.strip_prefix(root).unwrap_or(&file).display();
            findings.push(format!("{name} has {lines} lines, more than {MAX_LINES}: split it by idea"));
        }
    }
    Ok(count)
}

/// Every file below a folder, sorted; hidden folders, build output and Python's caches are left out.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in
            std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
        {
            let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind =
                entry.file_type().with_context(|| format!("cannot read {}", entry.path().display()))?;
            if kind.is_dir() && !name.starts_with('.') && !matches!(&*name, "target" | "out" | "__pycache__")
            {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that is removed when the test ends.
    pub(super) struct Scratch(pub(super) PathBuf);

    impl Scratch {
        pub(super) fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("bedwatch-xtask-{name}-{}", std::process::id()));
            std::fs::remove_dir_all(&folder).ok();
            std::fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        pub(super) fn write(&self, path: &str, text: &str) {
            let file = self.0.join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    #[test]
    fn a_small_clean_house_passes_and_each_fault_is_found() {
        let house = Scratch::new("house");
        house.write("Cargo.toml", "[workspace]\nmembers = [\"schemas\"]\n[package]\nname = \"bedwatch\"\n");
        house.write("schemas/Cargo.toml", "[package]\nname = \"bedwatch-schemas\"\n");
        house.write("docs/glossary.md", "window\n");
        house.write("schemas/src/lib.rs", &"//\n".repeat(MAX_LINES));
        house.write("target/generated.rs", &"//\n".repeat(MAX_LINES + 1));
        assert_eq!(check(&house.0).unwrap(), "tidy: 2 manifests, 0 samples, 1 source files");

        house.write("schemas/src/lib.rs", &"//\n".repeat(MAX_LINES + 1));
        let error = check(&house.0).unwrap_err().to_string();
        assert!(error.contains("schemas/src/lib.rs has 801 lines"), "{error}");

        std::fs::remove_file(house.0.join("docs/glossary.md")).unwrap();
        let error = check(&house.0).unwrap_err().to_string();
        assert!(
            error.starts_with("2 tidiness findings") && error.contains("glossary.md is missing"),
            "{error}"
        );
    }
}
