//! The alarm budget: how many alerts a bed and a unit may have in twelve hours, and which are worth
//! more than what may still come.
//!
//! Alerts come one by one and each must be said or withheld at once, without knowing the next: the
//! online knapsack problem with items small against the sack. Its threshold rule (Zhou, Chakrabarty
//! and Lukose, *Budget constrained bidding in keyword auctions and online knapsack problems*, WWW
//! 2008; later restated as *Online Knapsack Problems*) takes an item whose value reaches
//! `(U e / L)^z L / e`, where `z` is the share of the budget used and values lie between `L` and `U`;
//! in the worst case it keeps one part in `ln(U / L) + 1` of the best choice in hindsight, and no rule
//! that must decide at once can promise more. So with an empty budget everything is said, and the
//! fuller it is the more an alert must be worth.
//!
//! The value is the expected worth of a look: priority, how far a model's risk lies between its two
//! operating points (rules speak of what was measured and count whole), and how often the same kind
//! has been said of this bed already ([`REPEAT`]). A model's certainty is not in it: doubt is told
//! and decides nothing (ADR 6).
//!
//! High priority and technical alerts are never asked for: they are said whatever has been used, and
//! counted as used like the others, for they cost the same attention.

use std::collections::VecDeque;

use bedwatch_schemas::{
    alert::{AlertKind, Priority},
    risk::{Assessment, Risk},
    time::{EventTime, Span},
    withheld::WithheldReason,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evidence;

/// The time a budget is for: a shift.
pub const WINDOW: Span = Span::hours(12);
/// The least and the greatest value of an alert.
const LEAST: f64 = 1.0 / 16.0;
const GREATEST: f64 = 1.0;
/// What the same kind said again is worth of what it was: acceptance of reminders fell by 30 % with
/// each further one in an encounter, and with the share that were repeats (Ancker et al., *BMC Medical
/// Informatics and Decision Making* 2017, 17:36). That study was of primary care: the figure is
/// borrowed, the direction is its finding.
pub const REPEAT: f64 = 0.7;

/// The budget's settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Whether alerts are withheld for it. Off by default: what a ward may miss is the ward's to say.
    pub enabled: bool,
    /// Alerts of one bed in twelve hours. A choice and no finding.
    pub bed_per_12h: u16,
    /// Alerts of a unit in twelve hours for each bed of it that is followed. Below the bed's, so that
    /// a few restless beds may use what quiet ones leave. A choice and no finding.
    pub unit_per_bed_per_12h: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { enabled: false, bed_per_12h: 6, unit_per_bed_per_12h: 3.0 }
    }
}

/// What has been said in the last twelve hours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said(VecDeque<(EventTime, AlertKind)>);

impl Said {
    /// Notes an alert said at `now` (never earlier than the one before).
    pub fn note(&mut self, now: EventTime, kind: AlertKind) {
        self.forget(now);
        self.0.push_back((now, kind));
    }

    /// Forgets what is twelve hours old or older.
    fn forget(&mut self, now: EventTime) {
        while self.0.front().is_some_and(|(at, _)| now.since(*at) >= WINDOW) {
            self.0.pop_front();
        }
    }

    /// How many were said in the twelve hours before `now`.
    #[must_use]
    pub fn used(&self, now: EventTime) -> usize {
        self.0.iter().filter(|(at, _)| now.since(*at) < WINDOW).count()
    }

    /// How many of this kind.
    #[must_use]
    pub fn used_of(&self, now: EventTime, kind: AlertKind) -> usize {
        self.0.iter().filter(|(at, k)| *k == kind && now.since(*at) < WINDOW).count()
    }
}

/// The unit a bed stands in, as its budget needs it.
#[derive(Debug)]
pub struct Unit<'a> {
    /// What was said of all its beds.
    pub said: &'a mut Said,
    /// Its beds that are followed.
    pub beds: usize,
}

/// Why an alert is not worth its place: which budget, its value and what it had to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Refusal {
    /// Whose budget.
    pub reason: WithheldReason,
    /// The alert's value.
    pub value: f64,
    /// What it had to reach.
    pub needed: f64,
}

/// Asks both budgets for one alert of less than high priority about a patient.
///
/// # Errors
/// The refusal of the bed's budget, else of the unit's.
pub fn ask(
    budget: &Budget,
    bed: &Said,
    unit: Option<&Unit<'_>>,
    now: EventTime,
    value: f64,
) -> Result<(), Refusal> {
    let ask = |reason, used: usize, limit: f64| {
        let needed = needed(used as f64, limit);
        let full = used as f64 + 1.0 > limit;
        if full || value < needed { Err(Refusal { reason, value, needed }) } else { Ok(()) }
    };
    ask(WithheldReason::BedBudget, bed.used(now), f64::from(budget.bed_per_12h))?;
    match unit {
        Some(unit) => {
            let limit = budget.unit_per_bed_per_12h * unit.beds as f64;
            ask(WithheldReason::UnitBudget, unit.said.used(now), limit)
        }
        None => Ok(()),
    }
}

/// What a value must reach when `used` of `limit` are used.
fn needed(used: f64, limit: f64) -> f64 {
    let share = if limit > 0.0 { (used / limit).clamp(0.0, 1.0) } else { 1.0 };
    rounded(LEAST / std::f64::consts::E * (GREATEST * std::f64::consts::E / LEAST).powf(share))
}

/// To three decimals: what is compared is what stands in the ledger, on every machine.
fn rounded(x: f64) -> f64 {
    (x * 1_000.0).round() / 1_000.0
}

/// The value of an alert of which `repeats` of its kind were said of this bed already.
#[must_use]
pub fn value(kind: AlertKind, priority: Priority, assessment: Option<&Assessment>, repeats: usize) -> f64 {
    let weight = match priority {
        Priority::Low => 0.25,
        Priority::Medium | Priority::High => 1.0,
    };
    let risk = evidence::head(kind).and_then(|head| assessment?.risk(head));
    let strength = risk.map_or(1.0, strength);
    let repeats = i32::try_from(repeats).unwrap_or(i32::MAX);
    rounded((weight * strength * REPEAT.powi(repeats)).clamp(LEAST, GREATEST))
}

/// From a half at the operating point to one at the point of high priority.
fn strength(risk: &Risk) -> f64 {
    let (low, high) = (f64::from(risk.operating_point), f64::from(risk.high_priority_point));
    let share = (f64::from(risk.probability) - low) / (high - low);
    if share.is_finite() { 0.5 + 0.5 * share.clamp(0.0, 1.0) } else { 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assessment, at};

    #[test]
    fn the_price_rises_from_less_than_anything_to_the_greatest() {
        assert!(needed(0.0, 6.0) < LEAST, "an empty budget says everything");
        assert_eq!(needed(6.0, 6.0), GREATEST);
        assert_eq!(needed(9.0, 6.0), GREATEST);
        assert_eq!(needed(0.0, 0.0), GREATEST, "no budget at all");
        let prices: Vec<f64> = (0..=6).map(|n| needed(f64::from(n), 6.0)).collect();
        assert!(prices.windows(2).all(|w| w[0] < w[1]), "{prices:?}");
        // (U e / L)^z L / e at z = 1/2 is sqrt(U L / e): by hand 0.1516.
        assert_eq!(needed(3.0, 6.0), 0.152);
    }

    #[test]
    fn worth_by_priority_risk_and_repeats() {
        use AlertKind::{Hyperglycaemia, Respiratory, Sepsis};
        let risk = |p| assessment(0, p, 0.0);
        let points = risk(0.5).risks[0].clone();
        let (low, high) = (points.operating_point, points.high_priority_point);
        for (kind, priority, p, repeats, want) in [
            (Respiratory, Priority::Medium, 0.0, 0, 1.0),
            (Respiratory, Priority::Medium, 0.0, 1, 0.7),
            (Respiratory, Priority::Medium, 0.0, 3, 0.343),
            (Hyperglycaemia, Priority::Low, 0.0, 0, 0.25),
            (Hyperglycaemia, Priority::Low, 0.0, 9, 0.063),
            (Sepsis, Priority::Medium, low, 0, 0.5),
            (Sepsis, Priority::Medium, f32::midpoint(low, high), 0, 0.75),
            (Sepsis, Priority::Medium, high, 0, 1.0),
            (Sepsis, Priority::Medium, f32::NAN, 0, 0.5),
        ] {
            assert_eq!(value(kind, priority, Some(&risk(p)), repeats), want, "{kind:?} {p} {repeats}");
        }
        assert_eq!(value(Sepsis, Priority::Medium, None, 0), 1.0, "without a risk it counts whole");
    }

    #[test]
    fn what_is_twelve_hours_old_no_longer_counts() {
        let mut said = Said::default();
        said.note(at(0), AlertKind::Shock);
        said.note(at(60), AlertKind::Sepsis);
        let just_before = at(12 * 3_600) - Span(1);
        assert_eq!((said.used(just_before), said.used(at(12 * 3_600))), (2, 1));
        assert_eq!(said.used_of(just_before, AlertKind::Shock), 1);
        said.note(at(12 * 3_600), AlertKind::Shock);
        assert_eq!(said.0.len(), 2);
    }

    #[test]
    fn the_bed_is_asked_before_the_unit() {
        let budget = Budget { enabled: true, bed_per_12h: 2, unit_per_bed_per_12h: 1.0 };
        let mut bed = Said::default();
        let mut said = Said::default();
        let unit = Unit { said: &mut said, beds: 2 };
        assert_eq!(ask(&budget, &bed, Some(&unit), at(0), 0.063), Ok(()));
        bed.note(at(0), AlertKind::Shock);
        bed.note(at(0), AlertKind::Shock);
        let refused = ask(&budget, &bed, Some(&unit), at(1), 1.0).unwrap_err();
        assert_eq!((refused.reason, refused.needed), (WithheldReason::BedBudget, 1.0));
        unit.said.note(at(0), AlertKind::Shock);
        unit.said.note(at(0), AlertKind::Shock);
        let refused = ask(&budget, &Said::default(), Some(&unit), at(1), 1.0).unwrap_err();
        assert_eq!(refused.reason, WithheldReason::UnitBudget);
        assert_eq!(ask(&budget, &Said::default(), None, at(1), 1.0), Ok(()), "no unit is known");
    }
}
