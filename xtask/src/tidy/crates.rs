//! Dependencies run in one direction (`../shared/design.md`, section 2), read from the manifests,
//! dev-dependencies and build-dependencies included.
//!
//! The manifests are read line by line instead of with a TOML crate, to keep xtask light; a
//! dependency on a sibling is recognised by its name, its renamed `package` or its `path`.

use super::read;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::Path;

/// Which siblings each member may know. The root package may know them all; a member without a row
/// here is a finding.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("schemas", &[]),
    ("ingest", &["schemas"]),
    ("features", &["schemas"]),
    ("inference", &["schemas"]),
    ("alerts", &["schemas"]),
    ("replay-data", &["schemas", "ingest"]),
    ("xtask", &[]),
];

/// Checks the manifest of every workspace member; returns how many manifests were read.
pub(super) fn check(root: &Path, findings: &mut Vec<String>) -> Result<usize> {
    let workspace = read(&root.join("Cargo.toml"))?;
    let members = members(&workspace).context("the root Cargo.toml has no `members = [...]`")?;
    for member in &members {
        let manifest = read(&root.join(member).join("Cargo.toml"))?;
        match MAY_KNOW.iter().find(|(name, _)| name == member) {
            None => findings.push(format!(
                "{member}: a new crate needs a row in xtask/src/tidy/crates.rs that says whom it may know"
            )),
            Some((_, allowed)) => findings.extend(violations(member, allowed, &manifest)),
        }
    }
    Ok(members.len() + 1)
}

fn violations(member: &str, allowed: &[&str], manifest: &str) -> Vec<String> {
    siblings(manifest)
        .into_iter()
        .filter(|sibling| !allowed.contains(&sibling.as_str()))
        .map(|sibling| {
            let whom = if allowed.is_empty() {
                "no sibling".to_owned()
            } else {
                format!("only {}", allowed.join(", "))
            };
            format!("{member}/Cargo.toml depends on {sibling}; it may know {whom}")
        })
        .collect()
}

/// The strings of `members = [...]`, on one line or several.
fn members(workspace: &str) -> Option<Vec<String>> {
    let text: String = workspace.lines().map(without_comment).collect::<Vec<_>>().join("\n");
    let list = text.split("\nmembers").nth(1)?.split_once('[')?.1.split_once(']')?.0;
    Some(list.split('"').skip(1).step_by(2).map(str::to_owned).collect())
}

/// The siblings a manifest depends on in any dependency table; `bedwatch` is the root package.
fn siblings(manifest: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut in_dependencies = false;
    for line in manifest.lines().map(without_comment) {
        let line = line.trim();
        if line.starts_with('[') {
            // `[dependencies]`, `[target.'cfg(unix)'.dev-dependencies]`, `[dependencies.bedwatch-ingest]`
            in_dependencies = line.contains("dependencies");
        }
        if in_dependencies {
            found.extend(names(line));
        }
    }
    found
}

/// Sibling names in one line of a dependency table: by package name or by path.
fn names(line: &str) -> Vec<String> {
    let by_name = line
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
        .filter_map(|word| if word == "bedwatch" { Some("bedwatch") } else { word.strip_prefix("bedwatch-") })
        .map(str::to_owned);
    let by_path = line
        .split('"')
        .filter_map(|text| text.strip_prefix("../"))
        .map(|path| path.trim_end_matches('/').to_owned())
        .map(|path| if path.is_empty() { "bedwatch".to_owned() } else { path });
    by_name.chain(by_path).collect()
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_on_one_line_or_several() {
        let expected = ["schemas", "ingest"];
        assert_eq!(members("[workspace]\nmembers = [\"schemas\", \"ingest\"]\n").unwrap(), expected);
        assert_eq!(
            members("[workspace]\nmembers = [\n  \"schemas\", # \"old\"\n  \"ingest\",\n]\n").unwrap(),
            expected
        );
        assert!(members("[workspace]\n").is_none());
    }

    #[test]
    fn every_way_to_depend_on_a_sibling_is_seen() {
        for (manifest, expected) in [
            ("[dependencies]\nserde.workspace = true\nbedwatch-schemas.workspace = true\n", &["schemas"][..]),
            ("[dependencies]\nbedwatch-ingest = { path = \"../ingest\" }\n", &["ingest"]),
            ("[dependencies]\nold = { package = \"bedwatch-alerts\", version = \"1\" }\n", &["alerts"]),
            ("[dependencies]\nold = { path = \"../features/\" }\n", &["features"]),
            ("[dev-dependencies]\nbedwatch-inference.workspace = true\n", &["inference"]),
            ("[build-dependencies]\nbedwatch-inference.workspace = true\n", &["inference"]),
            ("[target.'cfg(unix)'.dependencies]\nbedwatch-features.workspace = true\n", &["features"]),
            ("[dependencies.bedwatch-replay-data]\nworkspace = true\n", &["replay-data"]),
            ("[dependencies]\nbedwatch = { path = \"../\" }\n", &["bedwatch"]),
            ("[package]\nname = \"bedwatch-ingest\"\n[dependencies]\n# bedwatch-alerts\n", &[]),
        ] {
            let found: Vec<String> = siblings(manifest).into_iter().collect();
            assert_eq!(found, expected, "{manifest}");
        }
    }

    #[test]
    fn a_wrong_direction_is_named() {
        let manifest = "[dependencies]\nbedwatch-schemas.workspace = true\n[dev-dependencies]\nbedwatch-ingest.workspace = true\n";
        assert_eq!(
            violations("features", &["schemas"], manifest),
            ["features/Cargo.toml depends on ingest; it may know only schemas"]
        );
        assert!(violations("replay-data", &["schemas", "ingest"], manifest).is_empty());
        assert_eq!(violations("schemas", &[], manifest).len(), 2);
    }

    #[test]
    fn an_unknown_member_is_a_finding() {
        let house = super::super::tests::Scratch::new("members");
        house.write("Cargo.toml", "[workspace]\nmembers = [\"billing\"]\n");
        house.write("billing/Cargo.toml", "[package]\nname = \"bedwatch-billing\"\n");
        let mut findings = Vec::new();
        assert_eq!(check(&house.0, &mut findings).unwrap(), 2);
        assert!(findings[0].starts_with("billing: a new crate needs a row"), "{findings:?}");
    }
}
