//! Whose word is the truth that a head is held against: a head with several published definitions is measured
//! under each of them.

use bedwatch_schemas::risk::Head;

use super::sepsis3::Version;

/// A reference standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standard {
    /// The source's own labels, sensor glucose below 70 mg/dL, failures as charted.
    Source,
    /// Sepsis-3, computed from cultures, antibiotics and SOFA.
    Sepsis3(Version),
    /// Sensor glucose below 54 mg/dL (level 2; Battelino et al., Diabetes Care 2019;42:1593).
    GlucoseLevel2,
}

impl Standard {
    /// The standards of a head.
    #[must_use]
    pub const fn of(head: Head) -> &'static [Self] {
        match head {
            Head::Sepsis => {
                &[Self::Source, Self::Sepsis3(Version::Seymour2016), Self::Sepsis3(Version::Cinc2019)]
            }
            Head::Hypoglycaemia => &[Self::Source, Self::GlucoseLevel2],
            Head::Deterioration | Head::Death | Head::Seizure => &[Self::Source],
        }
    }

    /// The head's name under this standard.
    #[must_use]
    pub const fn name(self, head: Head) -> &'static str {
        match self {
            Self::Source => head.name(),
            Self::Sepsis3(version) => version.name(),
            Self::GlucoseLevel2 => "hypoglycaemia (level 2)",
        }
    }
}
