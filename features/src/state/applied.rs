//! What became of an event.

use crate::word::Outcome;

/// What became of an event: counts to be summed into metrics, and whether to look again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Entered, late ones and withdrawals included.
    pub accepted: u32,
    /// Of these, older than the newest of their signal but within the allowance.
    pub late: u32,
    /// Older than the allowance: refused.
    pub too_late: u32,
    /// Implausible values: counted, not entered.
    pub implausible: u32,
    /// Said before.
    pub duplicate: u32,
    /// Of the accepted, those that took a value away.
    pub withdrawn: u32,
    /// Ahead of their own arrival: set aside, since their source's clock is wrong.
    pub ahead: u32,
    /// Whether risk and alerts should be looked at again.
    pub relevant: bool,
}

impl Applied {
    pub(super) fn accepted() -> Self {
        Self { accepted: 1, relevant: true, ..Self::default() }
    }

    pub(super) fn of(outcome: Outcome) -> Self {
        let none = Self::default();
        match outcome {
            Outcome::Accepted { late } => Self { late: u32::from(late), ..Self::accepted() },
            Outcome::Withdrawn => Self { withdrawn: 1, ..Self::accepted() },
            Outcome::Duplicate => Self { duplicate: 1, ..none },
            Outcome::Implausible => Self { implausible: 1, ..none },
            Outcome::TooLate => Self { too_late: 1, ..none },
        }
    }

    /// Whether the event told something of the patient, be it again.
    pub(super) fn entered(&self) -> bool {
        self.accepted + self.duplicate > 0
    }

    /// Adds the counts of another event.
    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.late += other.late;
        self.too_late += other.too_late;
        self.implausible += other.implausible;
        self.duplicate += other.duplicate;
        self.withdrawn += other.withdrawn;
        self.ahead += other.ahead;
        self.relevant |= other.relevant;
    }
}
