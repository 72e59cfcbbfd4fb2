//! Whether a source says when each value could first be known, or only when it was true.
//!
//! Without it a value counts as known at the moment that it speaks of: a laboratory result when its sample
//! was taken, a charted value when it was measured. What is replayed then may alert earlier than anyone could
//! have been alerted at the bedside, and a report must say so.

use serde::{Deserialize, Serialize};

use super::Format;

/// What a source tells of the times at which its values became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// Every value has such a time.
    Recorded,
    /// Some kinds of values, or some records, have one.
    PartlyRecorded,
    /// None has one: only when it was measured is told.
    EventTimeOnly,
}

impl Availability {
    /// In the words of a report.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::PartlyRecorded => {
                "recorded for some values, for the others only when measured: alerts may come earlier here than they could have at the bedside"
            }
            Self::EventTimeOnly => {
                "only when measured: alerts may come earlier here than they could have at the bedside"
            }
        }
    }
}

impl Format {
    /// What files of a format tell.
    #[must_use]
    pub const fn availability(self) -> Availability {
        match self {
            // A message is sent when its content is known, MSH-7 and the times of its results say when.
            Self::Hl7v2 => Availability::Recorded,
            // `issued` where a resource has it. STORETIME and entry offsets where a table has them: not for
            // laboratory results of MIMIC-III, cultures and prescriptions, nor for vital signs of eICU.
            Self::Fhir
            | Self::FhirNdjson
            | Self::FhirBulk
            | Self::Parquet
            | Self::Mimic3
            | Self::Mimic4
            | Self::Eicu => Availability::PartlyRecorded,
            Self::Psv | Self::Cinc2012 | Self::Edf | Self::Wfdb | Self::CgmCsv => Availability::EventTimeOnly,
        }
    }
}
