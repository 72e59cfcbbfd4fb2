//! `[research]`: what leaves for research and training, and without whose names.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    consent::{Policy, Withdrawn},
    deidentify::MAX_SHIFT_DAYS,
};

/// Exports for research and training.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Research {
    /// Consents: FHIR R4 Consent (JSON, NDJSON) or lists (`patient,from,decision`); empty: nobody is
    /// asked.
    pub consent_files: Vec<PathBuf>,
    /// What holds for a patient who has said nothing: nothing leaves, or everything does.
    pub policy: Policy,
    /// What becomes of what was recorded before a withdrawal: it stays, or the patient is left out
    /// whole.
    pub withdrawn: Withdrawn,
    /// Whether every export is de-identified; else those that ask for it (`--deidentify`).
    pub deidentify: bool,
    /// A file with the key of the exports' pseudonyms and dates: a secret of at least 32 bytes.
    pub key_file: PathBuf,
    /// Dates are moved by at most so many days, either way, the same for all of a patient.
    pub shift_days: u16,
}

impl Default for Research {
    fn default() -> Self {
        Self {
            consent_files: Vec::new(),
            policy: Policy::default(),
            withdrawn: Withdrawn::default(),
            deidentify: false,
            key_file: PathBuf::new(),
            shift_days: 365,
        }
    }
}

impl Research {
    /// What is out of its range.
    pub(super) fn faults(&self) -> Vec<&'static str> {
        let ranges = [
            (
                (1..=MAX_SHIFT_DAYS).contains(&self.shift_days),
                "research.shift_days must be between 1 and 3650",
            ),
            (
                !self.deidentify || !self.key_file.as_os_str().is_empty(),
                "research.key_file is wanted where research.deidentify is true",
            ),
        ];
        ranges.into_iter().filter(|(holds, _)| !holds).map(|(_, why)| why).collect()
    }
}
