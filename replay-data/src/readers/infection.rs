//! What was done about a suspected infection: cultures taken and antibiotics begun, the two halves of the
//! Sepsis-3 criterion (Seymour et al., JAMA 2016;315:762). It is the truth about a stay, not news: rows count
//! whenever they were entered, also from before the unit and after it.
//!
//! A dose counts for [`DOSE_LASTS`]; doses of one drug less than [`APART`] apart are one course, of which the
//! first is the start. An order of which only the date is known takes the time of the first dose charted on
//! that day or the next; where none is, the day stays a day.

use std::collections::BTreeMap;

use bedwatch_schemas::time::{EventTime, Span};
use serde::{Deserialize, Serialize};

const DAY: Span = Span::hours(24);
/// Antibiotics are given at least once a day: a dose without a further one covers so long.
pub(super) const DOSE_LASTS: Span = DAY;
/// A dose of the same drug after so long without is a new start (our choice).
const APART: Span = Span::hours(48);
/// How long before and after a stay rows can matter to its labels: 72 h and 24 h between the halves, 48 h of
/// SOFA, and a day because some are dates.
pub(super) const AROUND: Span = Span::hours(120);

/// When something was done, as closely as the source says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum When {
    /// At this time.
    At(EventTime),
    /// On the day that begins then: the source has the date alone.
    Day(EventTime),
}

impl When {
    /// The time; of a date, the beginning of its day.
    #[must_use]
    pub const fn earliest(self) -> EventTime {
        match self {
            Self::At(at) | Self::Day(at) => at,
        }
    }

    /// The day, counted from 1970-01-01.
    #[must_use]
    pub const fn day(self) -> i64 {
        self.earliest().as_micros().div_euclid(DAY.0)
    }

    /// Whether only the date is known.
    #[must_use]
    pub const fn is_date(self) -> bool {
        matches!(self, Self::Day(_))
    }
}

/// A culture of a body fluid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Culture {
    /// When it was taken.
    pub taken: When,
    /// Whether it is of blood.
    pub is_blood: bool,
}

/// A course or an order of a systemic antibiotic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Antibiotic {
    /// Its first dose, or its order's start.
    pub begun: When,
    /// Until when it covers the patient.
    pub until: EventTime,
    /// Whether it goes into a vein.
    pub is_intravenous: bool,
}

/// Cultures and antibiotics of a patient around a stay, each in the order of time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Infection {
    /// Cultures.
    pub cultures: Vec<Culture>,
    /// Antibiotics.
    pub antibiotics: Vec<Antibiotic>,
}

/// What one row says of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Act {
    /// A culture.
    Cultured(Culture),
    /// A dose of a drug, known by the source's number.
    Dosed { drug: u32, at: EventTime, is_intravenous: bool },
    /// An order.
    Ordered(Antibiotic),
}

impl Act {
    /// When, at the earliest.
    pub(super) const fn at(self) -> EventTime {
        match self {
            Self::Cultured(culture) => culture.taken.earliest(),
            Self::Dosed { at, .. } => at,
            Self::Ordered(order) => order.begun.earliest(),
        }
    }
}

/// An order; one that ends no later than it begins, or without an end, covers a day.
pub(super) fn order(begun: When, until: Option<EventTime>, is_intravenous: bool) -> Act {
    let least = begun.earliest() + DOSE_LASTS;
    let until = until.filter(|until| *until > begun.earliest()).map_or(least, |until| until.max(least));
    Act::Ordered(Antibiotic { begun, until, is_intravenous })
}

/// Puts the acts of a patient together.
pub(super) fn infection(acts: impl Iterator<Item = Act>) -> Infection {
    let mut found = Infection::default();
    let mut doses: BTreeMap<(u32, bool), Vec<EventTime>> = BTreeMap::new();
    for act in acts {
        match act {
            Act::Cultured(culture) => found.cultures.push(culture),
            Act::Ordered(order) => found.antibiotics.push(order),
            Act::Dosed { drug, at, is_intravenous } => {
                doses.entry((drug, is_intravenous)).or_default().push(at);
            }
        }
    }
    let mut charted: Vec<EventTime> = doses.values().flatten().copied().collect();
    charted.sort_unstable();
    for order in &mut found.antibiotics {
        order.begun = timed(order.begun, &charted);
        // The dose that gives it its time covers the patient as long as any.
        order.until = order.until.max(order.begun.earliest() + DOSE_LASTS);
    }
    for ((_, is_intravenous), mut times) in doses {
        times.sort_unstable();
        let mut courses: Vec<Antibiotic> = Vec::new();
        for at in times {
            let until = at + DOSE_LASTS;
            match courses.last_mut().filter(|c| at < c.until - DOSE_LASTS + APART) {
                Some(course) => course.until = until,
                None => courses.push(Antibiotic { begun: When::At(at), until, is_intravenous }),
            }
        }
        found.antibiotics.extend(courses);
    }
    found.cultures.sort_unstable();
    found.cultures.dedup();
    found.antibiotics.sort_unstable();
    found.antibiotics.dedup();
    found
}

/// A date with the time of the first dose charted on that day or the next.
fn timed(begun: When, charted: &[EventTime]) -> When {
    let When::Day(day) = begun else { return begun };
    let first = charted.get(charted.partition_point(|at| *at < day)).filter(|at| **at < day + DAY + DAY);
    first.map_or(begun, |at| When::At(*at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> EventTime {
        EventTime::from_millis(1_700_006_400_000).floor(DAY) + Span::hours(hours)
    }

    fn dosed(drug: u32, hours: i64) -> Act {
        Act::Dosed { drug, at: at(hours), is_intravenous: true }
    }

    fn course(begun: When, until: i64) -> Antibiotic {
        Antibiotic { begun, until: at(until), is_intravenous: true }
    }

    #[test]
    fn doses_of_a_drug_less_than_two_days_apart_are_one_course() {
        let acts = [dosed(1, 100), dosed(1, 8), dosed(1, 55), dosed(1, 52), dosed(2, 9), dosed(1, 103)];
        let got = infection(acts.into_iter()).antibiotics;
        let want = [course(When::At(at(8)), 79 + 48), course(When::At(at(9)), 33)];
        assert_eq!(got, want, "8, 52, 55, 100 and 103 h are each within 48 h of the one before");
        let got = infection([dosed(1, 0), dosed(1, 48)].into_iter()).antibiotics;
        assert_eq!(got, [course(When::At(at(0)), 24), course(When::At(at(48)), 72)], "48 h without");
    }

    #[test]
    fn a_date_takes_the_time_of_a_dose_of_that_day_or_the_next() {
        for (dose, want) in
            [(-1, When::Day(at(0))), (0, When::At(at(0))), (47, When::At(at(47))), (48, When::Day(at(0)))]
        {
            let acts = [order(When::Day(at(0)), Some(at(72)), true), dosed(1, dose)];
            let got = infection(acts.into_iter()).antibiotics;
            assert!(got.contains(&course(want, 72)), "a dose at {dose} h: {got:?}");
        }
        // And covers a day from that dose, where the order ends before.
        for (dose, until) in [(0, 24), (23, 47), (47, 71), (48, 24)] {
            let acts = [order(When::Day(at(0)), None, true), dosed(1, dose)];
            let got = infection(acts.into_iter()).antibiotics;
            let begun = if dose < 48 { When::At(at(dose)) } else { When::Day(at(0)) };
            assert!(got.contains(&course(begun, until)), "a dose at {dose} h: {got:?}");
            assert!(got.iter().all(|a| a.until >= a.begun.earliest() + DOSE_LASTS), "{got:?}");
        }
        // A start that is known stays as it is.
        let got = infection([order(When::At(at(3)), None, true), dosed(1, 5)].into_iter()).antibiotics;
        assert_eq!(got, [course(When::At(at(3)), 27), course(When::At(at(5)), 29)]);
    }

    #[test]
    fn an_order_covers_a_day_at_least() {
        for (until, want) in [(None, 24), (Some(-5), 24), (Some(0), 24), (Some(10), 24), (Some(30), 30)] {
            let got = order(When::At(at(0)), until.map(at), true);
            assert_eq!(got, Act::Ordered(course(When::At(at(0)), want)), "{until:?}");
        }
    }

    #[test]
    fn days_are_whole_days_also_before_1970() {
        assert_eq!(When::Day(EventTime::from_micros(-1)).day(), -1);
        assert_eq!(When::At(EventTime::from_micros(0)).day(), 0);
        assert_eq!(When::At(at(23)).day() + 1, When::Day(at(24)).day());
    }
}
