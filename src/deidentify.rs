//! What leaves the hospital without saying whose it is: names, dates and ages (ADR 17).
//!
//! - Patients, encounters, records, sites and alerts are named by keyed hashes ([`Pseudonyms::for_export`]):
//!   the same under the same key, in every export and after every restart, and nothing to somebody with
//!   another key.
//! - All times of one patient are moved by the same number of whole days, drawn from the key and the
//!   patient: uniform over the days from -N to N but 0. So intervals, the order of events and the time of
//!   day stay exact; the date, the day of the week and the season do not. (The shift of "shift and
//!   truncate", Hripcsak et al., JAMIA 2016; 23: 1040. Truncation at the ends of an export is not done.)
//! - Ages over 89 become 90 (45 CFR 164.514(b)(2)(i)(C)).
//!
//! Moved dates are dates: by the letter of 45 CFR 164.514(b)(2) (Safe Harbor) no element of a date but the
//! year may stay. What this writes is for 164.514(b)(1), where an expert judges the risk.

use bedwatch_ingest::pseudonym::{Pseudonyms, TooShort};
use bedwatch_schemas::{
    evidence::{Evidence, Fact, Missing, SilentFeed},
    ids::{AlertId, PatientId},
    time::{EventTime, Span},
};
use uuid::{Builder, Version};

use crate::answers;

/// The oldest age that is told; above it everybody is [`TOP`].
pub const OLDEST: f32 = 89.0;
/// What an age above [`OLDEST`] becomes.
pub const TOP: f32 = 90.0;
/// The most days that dates may be moved by.
pub const MAX_SHIFT_DAYS: u16 = 3_650;

const DAY: i64 = 24;

/// Takes away whose something is. `Debug` does not print the key.
#[derive(Debug, Clone)]
pub struct Deidentifier {
    names: Pseudonyms,
    days: u16,
}

impl Deidentifier {
    /// With a key and the most days that dates are moved by, either way.
    ///
    /// # Errors
    /// When the key is too short. Days outside 1 to [`MAX_SHIFT_DAYS`] are brought to the nearest.
    pub fn new(key: &[u8], days: u16) -> Result<Self, TooShort> {
        Ok(Self { names: Pseudonyms::for_export(key)?, days: days.clamp(1, MAX_SHIFT_DAYS) })
    }

    /// The most days that dates are moved by.
    #[must_use]
    pub const fn days(&self) -> u16 {
        self.days
    }

    /// The pseudonym of a patient.
    #[must_use]
    pub fn patient(&self, patient: &PatientId) -> PatientId {
        self.names.of(patient)
    }

    /// The pseudonym of a record, a site or another name; `what` says which and stands before it.
    #[must_use]
    pub fn name(&self, what: &str, name: &str) -> String {
        let hash = self.names.keyed(what, name);
        let hex: String = hash[..12].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{what}-{hex}")
    }

    /// By how much a patient's times are moved: whole days, never none.
    ///
    /// # Panics
    /// Never: eight bytes are eight bytes.
    #[must_use]
    pub fn shift(&self, patient: &PatientId) -> Span {
        let hash = self.names.keyed("shift", patient.as_str());
        let drawn = u64::from_le_bytes(hash[..8].try_into().expect("eight bytes"));
        // 2^64 over at most 7,300 places: no place is likelier than another by more than 4e-16.
        let n = i64::from(self.days);
        let place = i64::try_from(drawn % (2 * u64::from(self.days))).expect("it is below 7,300") - n;
        Span::hours(DAY * if place >= 0 { place + 1 } else { place })
    }

    /// The pseudonym of an alert, whose id can be computed by whoever knows patient, kind and onset.
    ///
    /// # Panics
    /// Never: sixteen bytes are sixteen bytes.
    #[must_use]
    pub fn alert(&self, alert: AlertId) -> AlertId {
        let hash = self.names.keyed("alert", &alert.to_string());
        let bytes: [u8; 16] = hash[..16].try_into().expect("sixteen bytes");
        AlertId(Builder::from_bytes(bytes).with_version(Version::Custom).into_uuid())
    }

    /// What a person said, without whose it was.
    #[must_use]
    pub fn answer(&self, row: answers::Row) -> answers::Row {
        let shift = self.shift(&row.patient);
        let answers::Row {
            alert,
            patient,
            action,
            reason,
            role,
            minutes,
            at,
            right,
            kind,
            priority,
            onset,
            raised_at,
            by,
            risk_percent,
            config,
        } = row;
        answers::Row {
            alert: self.alert(alert),
            patient: self.patient(&patient),
            at: at + shift,
            onset: onset.map(|t| t + shift),
            raised_at: raised_at.map(|t| t + shift),
            // These name nobody.
            action,
            reason,
            role,
            minutes,
            right,
            kind,
            priority,
            by,
            risk_percent,
            config,
        }
    }

    /// Evidence about a patient with its times moved and without its places in the input topics.
    #[must_use]
    pub fn evidence(&self, patient: &PatientId, evidence: Evidence) -> Evidence {
        let shift = self.shift(patient);
        let moved = |at: EventTime| at + shift;
        // A rule's text is the site's configuration and nobody's data.
        let Evidence { facts, missing, feeds, account, rule } = evidence;
        Evidence {
            facts: facts
                .into_iter()
                .map(|Fact { id, subject, value, unit, at, band, trend, provenance: _ }| Fact {
                    id,
                    subject,
                    value,
                    unit,
                    at: moved(at),
                    band,
                    trend,
                    provenance: None,
                })
                .collect(),
            missing: missing
                .into_iter()
                .map(|Missing { subject, last_at }| Missing { subject, last_at: last_at.map(moved) })
                .collect(),
            feeds: feeds
                .into_iter()
                .map(|SilentFeed { modality, last_at }| SilentFeed { modality, last_at: moved(last_at) })
                .collect(),
            // Values, words of the bundle and hours ago: no dates.
            account,
            rule,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const KEY: &[u8] = b"a key of at least thirty-two bytes";

    fn id(n: u32) -> PatientId {
        PatientId::new(&format!("{n}")).unwrap()
    }

    #[test]
    fn one_key_is_one_set_of_names_and_shifts() {
        let (a, b) = (Deidentifier::new(KEY, 365).unwrap(), Deidentifier::new(KEY, 365).unwrap());
        let other = Deidentifier::new(b"another key of thirty-two bytes and more", 365).unwrap();
        let (mut shifts, mut same) = (BTreeSet::new(), 0);
        for n in 0..2_000 {
            let p = id(n);
            assert_eq!((a.patient(&p), a.shift(&p)), (b.patient(&p), b.shift(&p)));
            assert_ne!(a.patient(&p), other.patient(&p));
            assert!(!a.patient(&p).as_str().is_empty());
            let days = a.shift(&p).0 / Span::hours(24).0;
            assert_eq!(Span::hours(24 * days), a.shift(&p), "whole days");
            assert!((1..=365).contains(&days.abs()));
            shifts.insert(days);
            same += u32::from(a.shift(&p) == other.shift(&p));
        }
        assert!(shifts.len() > 650, "{} of 730 days", shifts.len());
        assert!(same < 20, "{same}: by chance 3");
        assert_ne!(a.name("source", "x"), a.name("site", "x"));
        let alert = AlertId(uuid::Uuid::from_u128(7));
        assert_eq!(a.alert(alert), b.alert(alert));
        assert!(a.alert(alert) != alert && a.alert(alert) != other.alert(alert));
        assert!(Deidentifier::new(b"short", 1).is_err());
        assert!(!format!("{a:?}").contains("key"));
    }

    /// Chi-squared over 20 bins of equal width; 43.8 is the 0.999 point at 19 degrees of freedom.
    #[test]
    fn shifts_are_uniform() {
        let d = Deidentifier::new(KEY, 10).unwrap();
        let mut bins = std::collections::BTreeMap::<i64, u32>::new();
        for n in 0..20_000 {
            *bins.entry(d.shift(&id(n)).0).or_default() += 1;
        }
        assert_eq!(bins.len(), 20);
        let chi: f64 = bins.values().map(|n| (f64::from(*n) - 1_000.0).powi(2) / 1_000.0).sum();
        assert!(chi < 43.8, "{chi}");
    }
}
