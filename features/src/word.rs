//! Which of several words about the same signal at the same time counts.
//!
//! Records come late, twice and corrected, and the order of arrival must not decide. So each
//! (signal, time) holds the greatest word by `(rank, provenance)`: a correction or withdrawal beats
//! a final result, that beats a preliminary one, and between equals the later record of the log
//! wins. The maximum does not depend on the order in which words arrive.

use bedwatch_schemas::event::{Numeric, Provenance, ResultStatus};
use serde::{Deserialize, Serialize};

/// One word about one signal at one time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// The value; meaningless when withdrawn.
    pub value: f64,
    /// How final it is.
    pub status: ResultStatus,
    /// Where it came from.
    pub provenance: Provenance,
}

/// What a word did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It entered; `late` when a newer value of its signal was there.
    Accepted {
        /// Whether a newer value was there already.
        late: bool,
    },
    /// It entered and took a value away.
    Withdrawn,
    /// It says what is known already.
    Duplicate,
    /// An implausible value that corrects nothing: counted, not entered.
    Implausible,
    /// It is older than the allowance.
    TooLate,
}

impl Word {
    /// The word of an event; `None` for an implausible value that corrects nothing. A correction
    /// to an implausible value withdraws what it corrects.
    #[must_use]
    pub fn of(numeric: &Numeric, provenance: Provenance) -> Option<Self> {
        let usable = numeric.plausible && numeric.value.is_finite();
        let status = match (numeric.status, usable) {
            (ResultStatus::Corrected, false) => ResultStatus::Withdrawn,
            (ResultStatus::Preliminary | ResultStatus::Final, false) => return None,
            (status, _) => status,
        };
        let value = if status == ResultStatus::Withdrawn { 0.0 } else { numeric.value };
        Some(Self { value, status, provenance })
    }

    /// The value, unless withdrawn.
    #[must_use]
    pub fn usable(&self) -> Option<f64> {
        (self.status != ResultStatus::Withdrawn).then_some(self.value)
    }

    /// The greater word counts.
    #[must_use]
    pub fn authority(&self) -> (u8, Provenance) {
        let rank = match self.status {
            ResultStatus::Preliminary => 0,
            ResultStatus::Final => 1,
            ResultStatus::Corrected | ResultStatus::Withdrawn => 2,
        };
        (rank, self.provenance)
    }

    /// Whether both say the same.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        self.status == other.status && self.value.to_bits() == other.value.to_bits()
    }

    /// Takes `other` in: the greater of the two stands.
    pub fn join(&mut self, other: Self) -> Outcome {
        let agrees = self.agrees(&other);
        if other.authority() > self.authority() {
            *self = other;
        }
        match (agrees, other.status) {
            (true, _) => Outcome::Duplicate,
            (false, ResultStatus::Withdrawn) => Outcome::Withdrawn,
            (false, _) => Outcome::Accepted { late: false },
        }
    }
}

/// A position in the log for tests.
#[cfg(test)]
pub(crate) fn provenance(offset: i64) -> Provenance {
    Provenance { stream: bedwatch_schemas::event::Stream::Vitals, partition: 0, offset, part: 0 }
}
