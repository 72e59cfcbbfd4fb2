//! What the alarm budget, inhibition and snoozes did to a replay, and whether the ledger accounts for
//! all of it.
//!
//! The sums are taken from what was written (alerts and ledger) and held against what the core says it
//! decided: an alert that is in neither would show.

use std::collections::{BTreeMap, BTreeSet};

use bedwatch_schemas::{
    alert::{Alert, Phase, Priority},
    ids::AlertId,
    withheld::{Fate, Withheld},
};
use serde::Serialize;

use super::Outcome;

/// The numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Burden {
    /// Alert episodes that began.
    pub decided: u64,
    /// Of these, said: at once or after they had been withheld.
    pub raised: u64,
    /// Said, by priority at that moment; technical ones are `technical`.
    pub raised_by_priority: BTreeMap<&'static str, u64>,
    /// Alerts withheld, by the first reason.
    pub withheld_by_reason: BTreeMap<&'static str, u64>,
    /// Alerts withheld, by kind.
    pub withheld_by_kind: BTreeMap<&'static str, u64>,
    /// Alerts withheld that were said after all.
    pub released: u64,
    /// Alerts withheld whose condition ended before they were said.
    pub ended_unsaid: u64,
    /// Alerts still withheld at the end of the records.
    pub still_withheld: u64,
    /// Entries by which something of high priority or technical was withheld: there may be none.
    pub life_threatening_withheld: u64,
    /// Alerts decided that are neither among the alerts nor in the ledger: there may be none.
    pub unaccounted: i64,
}

/// The numbers of all sources.
#[must_use]
pub fn of(outcomes: &[Outcome]) -> Burden {
    let mut burden = Burden::default();
    for outcome in outcomes {
        burden.decided += outcome.counters.decided;
        burden.said(&outcome.alerts);
        burden.ledgered(&outcome.withheld);
    }
    let first: u64 = burden.withheld_by_reason.values().sum();
    burden.still_withheld = first.saturating_sub(burden.released + burden.ended_unsaid);
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    burden.unaccounted =
        signed(burden.decided) - signed(burden.raised) - signed(first) + signed(burden.released);
    burden
}

impl Burden {
    fn said(&mut self, alerts: &[Alert]) {
        for alert in alerts.iter().filter(|a| a.phase == Phase::Raised) {
            self.raised += 1;
            let name = if alert.kind.is_technical() { "technical" } else { alert.priority.name() };
            *self.raised_by_priority.entry(name).or_default() += 1;
        }
    }

    fn ledgered(&mut self, ledger: &[Withheld]) {
        let mut known: BTreeSet<AlertId> = BTreeSet::new();
        for entry in ledger {
            if known.insert(entry.alert) {
                *self.withheld_by_reason.entry(entry.reason.name()).or_default() += 1;
                *self.withheld_by_kind.entry(entry.kind.name()).or_default() += 1;
            }
            match entry.fate {
                Fate::Withheld => {
                    let vital = entry.priority == Priority::High || entry.kind.is_technical();
                    self.life_threatening_withheld += u64::from(vital);
                }
                Fate::Released => self.released += 1,
                Fate::Ended => self.ended_unsaid += 1,
            }
        }
    }

    /// In one line of words; empty where nothing was withheld.
    #[must_use]
    pub fn sentence(&self) -> String {
        let first: u64 = self.withheld_by_reason.values().sum();
        if first == 0 {
            return String::new();
        }
        let list = |counts: &BTreeMap<&'static str, u64>| {
            counts.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
        };
        format!(
            "{first} of {} ({}; {}); {} said later, {} ended unsaid, {} still withheld; of high priority or technical {}, unaccounted {}",
            self.decided,
            list(&self.withheld_by_reason),
            list(&self.withheld_by_kind),
            self.released,
            self.ended_unsaid,
            self.still_withheld,
            self.life_threatening_withheld,
            self.unaccounted
        )
    }
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::{
        alert::AlertKind,
        ids::PatientId,
        time::EventTime,
        withheld::{WITHHELD, WithheldReason},
    };

    use super::*;
    use crate::replay::outcome::testing::outcome;

    fn entry(onset: i64, sequence: u32, fate: Fate, priority: Priority) -> Withheld {
        let patient = PatientId::new("p").expect("a plain id");
        let onset = EventTime::from_micros(onset);
        Withheld {
            schema: WITHHELD.to_owned(),
            alert: AlertId::of(&patient, AlertKind::EarlyWarning, "", onset),
            sequence,
            fate,
            reason: WithheldReason::BedBudget,
            inhibitor: None,
            value: Some(0.5),
            needed: Some(1.0),
            kind: AlertKind::EarlyWarning,
            priority,
            patient,
            location: None,
            onset,
            at: onset,
            config: String::new(),
        }
    }

    #[test]
    fn each_alert_is_counted_once_and_what_is_nowhere_shows() {
        use Priority::{High, Medium};
        let mut o = outcome();
        o.counters.decided = 4;
        o.withheld = vec![
            entry(1, 0, Fate::Withheld, Medium),
            entry(1, 1, Fate::Released, High),
            entry(2, 0, Fate::Withheld, Medium),
            entry(2, 1, Fate::Withheld, Medium),
            entry(2, 2, Fate::Ended, Medium),
            entry(3, 0, Fate::Withheld, Medium),
        ];
        let b = of(&[o]);
        assert_eq!(b.withheld_by_reason["bed_budget"], 3);
        assert_eq!((b.released, b.ended_unsaid, b.still_withheld), (1, 1, 1));
        assert_eq!(b.life_threatening_withheld, 0, "high when it was said, not when it was withheld");
        // Four were decided; two are in the ledger alone, one came out but is not among the alerts.
        assert_eq!(b.unaccounted, 2);
        let mut bad = outcome();
        bad.counters.decided = 1;
        bad.withheld = vec![entry(1, 0, Fate::Withheld, High)];
        let b = of(&[bad]);
        assert_eq!((b.life_threatening_withheld, b.unaccounted), (1, 0));
        assert!(b.sentence().starts_with("1 of 1 (bed_budget 1; early_warning 1)"), "{}", b.sentence());
    }
}
