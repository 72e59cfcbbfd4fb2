//! The nursing units as the alarm budget needs them: which beds are followed, what was said of them.

use std::collections::BTreeMap;

use bedwatch_alerts::budget::{Said, Unit};
use bedwatch_schemas::ids::UnitId;
use serde::{Deserialize, Serialize};

/// Every unit with a patient. Checkpointed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Units(BTreeMap<UnitId, Beds>);

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Beds {
    patients: usize,
    /// Kept only where there is a budget.
    said: Said,
}

impl Units {
    /// A patient who lay in `from` lies in `to`.
    pub fn moved(&mut self, from: Option<&UnitId>, to: Option<&UnitId>) {
        if from == to {
            return;
        }
        if let Some(unit) = to {
            self.0.entry(unit.clone()).or_default().patients += 1;
        }
        let Some(unit) = from else {
            return;
        };
        if let Some(beds) = self.0.get_mut(unit) {
            beds.patients = beds.patients.saturating_sub(1);
            // An empty unit is forgotten with what was said in it: names from outside must not pile up.
            if beds.patients == 0 {
                self.0.remove(unit);
            }
        }
    }

    /// The unit of a patient who lies in it.
    pub fn of(&mut self, unit: &UnitId) -> Option<Unit<'_>> {
        self.0.get_mut(unit).map(|beds| Unit { said: &mut beds.said, beds: beds.patients })
    }

    /// How many units there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beds_are_counted_where_their_patients_lie() {
        let (a, b) = (UnitId::new("A").unwrap(), UnitId::new("B").unwrap());
        let mut units = Units::default();
        let beds = |units: &mut Units, unit| units.of(unit).map(|u| u.beds);
        for (from, to, in_a, in_b) in [
            (None, Some(&a), Some(1), None),
            (None, Some(&a), Some(2), None),
            (Some(&a), Some(&a), Some(2), None),
            (Some(&a), Some(&b), Some(1), Some(1)),
            (Some(&a), None, None, Some(1)),
            (None, None, None, Some(1)),
        ] {
            units.moved(from, to);
            assert_eq!((beds(&mut units, &a), beds(&mut units, &b)), (in_a, in_b), "{from:?} to {to:?}");
        }
        assert_eq!(units.len(), 1);
    }
}
