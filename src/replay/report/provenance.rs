//! What the figures rest on: whether it is told when values became known, and how labels were computed.

use std::fmt::Write;

use super::{Table, count, percent};
use crate::replay::{known_times::KnownTimes, validation::sepsis::Computed};

/// By format: known times.
pub(super) fn known_times(out: &mut String, known: &[KnownTimes]) {
    if known.is_empty() {
        return;
    }
    let mut table = Table::new(
        "When values became known: nothing is put in before",
        &["format", "sources", "patient-hours", "known times"],
    );
    for k in known {
        table.row(&[
            k.format.clone(),
            count(k.sources),
            format!("{:.1}", k.patient_hours),
            k.availability.words().to_owned(),
        ]);
    }
    table.end(out);
}

/// The computed labels of sepsis.
pub(super) fn sepsis(out: &mut String, computed: Option<&Computed>) {
    let Some(c) = computed else { return };
    let mut table = Table::new(
        &format!("Sepsis-3 computed of {} stays that tell of cultures and antibiotics", count(c.stays)),
        &["definition", "septic later", "of these by date alone", "came with sepsis, left out"],
    );
    for v in &c.versions {
        let name = v.version.name().to_owned();
        table.row(&[name, count(v.septic), count(v.by_date), count(v.came_with)]);
    }
    table.end(out);
    let names = ["oxygenation", "platelets", "bilirubin", "circulation", "coma score", "kidneys"];
    let parts: Vec<String> = names
        .iter()
        .zip(c.sofa_parts_known)
        .map(|(name, share)| format!("{name} {}", percent(share)))
        .collect();
    let _ = write!(
        out,
        "<p>SOFA of {} hours, from what was true then; a missing part counts 0. Known: {}; all six {}.</p>",
        c.sofa_hours,
        parts.join(", "),
        percent(c.sofa_complete)
    );
}
