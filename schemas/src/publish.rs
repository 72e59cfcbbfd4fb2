//! The published JSON Schemas: `schemas/json/*.schema.json` are written from these types, and a
//! test fails when they differ. `BEDWATCH_UPDATE_SCHEMAS=1 cargo test -p bedwatch-schemas` rewrites.

use schemars::{Schema, schema_for};

/// Every published schema with its file stem.
#[must_use]
pub fn all() -> Vec<(&'static str, Schema)> {
    vec![
        ("alert", schema_for!(crate::alert::Alert)),
        ("assessment", schema_for!(crate::risk::Assessment)),
        ("cgm", schema_for!(crate::wire::CgmMessage)),
        ("dead-letter", schema_for!(crate::dead_letter::DeadLetter)),
        ("event", schema_for!(crate::event::Event)),
        ("evidence", schema_for!(crate::evidence::Evidence)),
        ("feedback", schema_for!(crate::wire::FeedbackMessage)),
        ("frame", schema_for!(crate::frame::FeatureFrame)),
        ("vitals", schema_for!(crate::wire::VitalsMessage)),
        ("withheld", schema_for!(crate::withheld::Withheld)),
    ]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn published_schemas_are_what_the_code_says() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("json");
        for (name, schema) in super::all() {
            let want = serde_json::to_string_pretty(&schema).unwrap() + "\n";
            let path = dir.join(format!("{name}.schema.json"));
            if std::env::var_os("BEDWATCH_UPDATE_SCHEMAS").is_some() {
                std::fs::create_dir_all(&dir).unwrap();
                std::fs::write(&path, &want).unwrap();
            }
            let have = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(have == want, "{} is out of date: set BEDWATCH_UPDATE_SCHEMAS=1", path.display());
        }
    }
}
