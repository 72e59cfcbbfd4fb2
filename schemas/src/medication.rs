//! Drugs the clinical rules ask about. Everything else is [`Drug::Other`]: counted, not interpreted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unit::Unit;

/// A drug the rules know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Drug {
    /// Noradrenaline (norepinephrine).
    Norepinephrine,
    /// Adrenaline (epinephrine).
    Epinephrine,
    /// Dopamine.
    Dopamine,
    /// Dobutamine.
    Dobutamine,
    /// Vasopressin.
    Vasopressin,
    /// Phenylephrine.
    Phenylephrine,
    /// Insulin.
    Insulin,
    /// A sedative infusion (propofol, midazolam, dexmedetomidine): EEG suppression is expected.
    Sedative,
    /// Any systemic antibiotic.
    Antibiotic,
    /// Supplemental oxygen, as a flow or a flag.
    Oxygen,
    /// Anything else.
    Other,
}

/// Parts of the generic names of systemic antibiotics.
const ANTIBIOTICS: [&str; 13] = [
    "cillin",
    "cef",
    "penem",
    "mycin",
    "micin",
    "amikacin",
    "floxacin",
    "cycline",
    "nidazole",
    "linezolid",
    "sulfameth",
    "aztreonam",
    "colisti",
];

impl Drug {
    /// Every drug.
    pub const ALL: [Drug; 11] = [
        Drug::Norepinephrine,
        Drug::Epinephrine,
        Drug::Dopamine,
        Drug::Dobutamine,
        Drug::Vasopressin,
        Drug::Phenylephrine,
        Drug::Insulin,
        Drug::Sedative,
        Drug::Antibiotic,
        Drug::Oxygen,
        Drug::Other,
    ];

    /// The snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Drug::Norepinephrine => "norepinephrine",
            Drug::Epinephrine => "epinephrine",
            Drug::Dopamine => "dopamine",
            Drug::Dobutamine => "dobutamine",
            Drug::Vasopressin => "vasopressin",
            Drug::Phenylephrine => "phenylephrine",
            Drug::Insulin => "insulin",
            Drug::Sedative => "sedative",
            Drug::Antibiotic => "antibiotic",
            Drug::Oxygen => "oxygen",
            Drug::Other => "other",
        }
    }

    /// Reads a drug from an RxNorm ingredient code; `None` when the code is not in the table.
    #[must_use]
    pub fn from_rxnorm(code: &str) -> Option<Self> {
        Some(match code {
            "7512" => Drug::Norepinephrine,
            "3992" => Drug::Epinephrine,
            "3628" => Drug::Dopamine,
            "3616" => Drug::Dobutamine,
            "11149" => Drug::Vasopressin,
            "8163" => Drug::Phenylephrine,
            "5856" => Drug::Insulin,
            "8782" | "6960" | "48937" => Drug::Sedative,
            _ => return None,
        })
    }

    /// Reads a drug from a coded display name. The text is compared, never kept.
    #[must_use]
    pub fn from_name(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|w| text.contains(w));
        if has(&["norepinephrine", "noradrenaline", "levophed"]) {
            Drug::Norepinephrine
        } else if has(&["phenylephrine"]) {
            Drug::Phenylephrine
        } else if has(&["epinephrine", "adrenaline"]) {
            Drug::Epinephrine
        } else if has(&["dopamine"]) {
            Drug::Dopamine
        } else if has(&["dobutamine"]) {
            Drug::Dobutamine
        } else if has(&["vasopressin"]) {
            Drug::Vasopressin
        } else if has(&["insulin"]) {
            Drug::Insulin
        } else if has(&["propofol", "midazolam", "dexmedetomidine"]) {
            Drug::Sedative
        } else if has(&ANTIBIOTICS) {
            // Of the azoles only those that kill bacteria: pantoprazole is no antibiotic.
            Drug::Antibiotic
        } else if text == "oxygen" {
            Drug::Oxygen
        } else {
            Drug::Other
        }
    }
}

/// A drug given, or an infusion whose rate was set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Infusion {
    /// The drug.
    pub drug: Drug,
    /// What happened.
    pub action: InfusionAction,
    /// The dose or rate with its unit; `None` when the source gave none.
    pub dose: Option<Dose>,
}

/// A dose or rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Dose {
    /// The number.
    pub value: f64,
    /// Its unit (a rate for an infusion, an amount for a bolus).
    pub unit: Unit,
}

/// What happened with the drug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InfusionAction {
    /// A continuous infusion runs at this rate from now on.
    RateSet,
    /// The infusion ended.
    Stopped,
    /// A single dose was given.
    Given,
    /// It was due and was not given.
    NotGiven,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_drugs() {
        for (name, drug) in [
            ("Norepinephrine", Drug::Norepinephrine),
            ("LEVOPHED-k", Drug::Norepinephrine),
            ("Epinephrine HCl", Drug::Epinephrine),
            ("Phenylephrine", Drug::Phenylephrine),
            ("Vancomycin HCl", Drug::Antibiotic),
            ("MetRONIDAZOLE (FLagyl)", Drug::Antibiotic),
            ("Gentamicin", Drug::Antibiotic),
            ("Linezolid", Drug::Antibiotic),
            ("Sulfameth/Trimethoprim DS", Drug::Antibiotic),
            ("Pantoprazole", Drug::Other),
            ("Fluconazole", Drug::Other),
            ("Methimazole", Drug::Other),
            ("Dexmedetomidine", Drug::Sedative),
        ] {
            assert_eq!(Drug::from_name(name), drug, "{name}");
        }
    }
}
