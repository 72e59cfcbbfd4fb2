//! What the sources tell of the times at which their values became known, by format. A replay puts values in
//! at those times; where there are none it puts them in when they were true, and alerts may come earlier than
//! they could have at the bedside.

use std::collections::BTreeMap;

use bedwatch_replay_data::readers::Availability;
use serde::Serialize;

use super::Outcome;

/// The sources of one format that tell alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KnownTimes {
    /// The format.
    pub format: String,
    /// What they tell.
    pub availability: Availability,
    /// How many they are.
    pub sources: usize,
    /// Their hours, of every patient.
    pub patient_hours: f64,
}

/// Every format that was read, in the order of names.
#[must_use]
pub fn of(outcomes: &[Outcome]) -> Vec<KnownTimes> {
    let mut found: BTreeMap<(&str, Availability), (usize, f64)> = BTreeMap::new();
    for outcome in outcomes {
        let Some(availability) = outcome.availability else { continue };
        let (sources, hours) = found.entry((&outcome.format, availability)).or_default();
        *sources += 1;
        *hours += outcome.hours();
    }
    let row = |((format, availability), (sources, patient_hours)): ((&str, _), _)| KnownTimes {
        format: format.to_owned(),
        availability,
        sources,
        patient_hours,
    };
    found.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::outcome::testing;

    #[test]
    fn sources_are_told_by_format_and_by_what_they_tell() {
        let with = |format: &str, availability| Outcome {
            format: format.to_owned(),
            availability,
            ..testing::outcome()
        };
        let outcomes = [
            with("psv", Some(Availability::EventTimeOnly)),
            with("hl7", Some(Availability::Recorded)),
            with("psv", Some(Availability::EventTimeOnly)),
            with("psv", Some(Availability::PartlyRecorded)),
            with("edf", None),
        ];
        let got: Vec<_> = of(&outcomes).into_iter().map(|k| (k.format, k.availability, k.sources)).collect();
        let want = [
            ("hl7".to_owned(), Availability::Recorded, 1),
            ("psv".to_owned(), Availability::PartlyRecorded, 1),
            ("psv".to_owned(), Availability::EventTimeOnly, 2),
        ];
        assert_eq!(got, want, "what was not read tells nothing");
    }
}
