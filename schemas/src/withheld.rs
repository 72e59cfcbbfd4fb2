//! The ledger: every alert that was decided and not said, and what became of it.
//!
//! One entry when it is withheld, one each time that changes. Nothing of high priority and nothing
//! technical ever stands here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    alert::{AlertKind, Priority},
    ids::{AlertId, Location, PatientId},
    time::EventTime,
};

/// Why an alert was withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WithheldReason {
    /// Another open alert of the patient says it already.
    Inhibited,
    /// A person asked for quiet about this kind, and the time has not passed.
    Snoozed,
    /// The bed has used up so much of its budget that this one is worth less than what may come.
    BedBudget,
    /// The unit has.
    UnitBudget,
}

impl WithheldReason {
    /// Every reason.
    pub const ALL: [WithheldReason; 4] = [Self::Inhibited, Self::Snoozed, Self::BedBudget, Self::UnitBudget];

    /// The snake-case name, also the metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inhibited => "inhibited",
            Self::Snoozed => "snoozed",
            Self::BedBudget => "bed_budget",
            Self::UnitBudget => "unit_budget",
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is withheld, for this reason (again, where the reason has changed).
    Withheld,
    /// It has been said after all.
    Released,
    /// Its condition ended, or the patient left, before it was ever said.
    Ended,
}

impl Fate {
    /// The snake-case name, also the metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Withheld => "withheld",
            Self::Released => "released",
            Self::Ended => "ended",
        }
    }
}

/// An entry of the ledger (`bedwatch.withheld`, `withheld.ndjson`). (`alert`, `sequence`) names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Withheld {
    /// Always `withheld/1`.
    pub schema: String,
    /// The alert's id: the one it has, or would have had, when said.
    pub alert: AlertId,
    /// 0 for the first entry of this alert, then counting up.
    pub sequence: u32,
    /// What became of it.
    pub fate: Fate,
    /// Why it is, or was, withheld.
    pub reason: WithheldReason,
    /// The alert that inhibits it.
    pub inhibitor: Option<AlertId>,
    /// Its value when the budget was asked, 0 to 1.
    pub value: Option<f64>,
    /// What the value had to reach.
    pub needed: Option<f64>,
    /// What it is about.
    pub kind: AlertKind,
    /// Its priority: never high.
    pub priority: Priority,
    /// The pseudonymous patient.
    pub patient: PatientId,
    /// The bed.
    pub location: Option<Location>,
    /// When the condition began.
    pub onset: EventTime,
    /// When this was decided.
    pub at: EventTime,
    /// Hash of the configuration in force.
    pub config: String,
}

/// The schema tag of [`Withheld`].
pub const WITHHELD: &str = "withheld/1";
