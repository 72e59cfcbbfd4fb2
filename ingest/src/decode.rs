//! The one entrance: a record of any stream to its events and rejections.

use bedwatch_schemas::{event::Stream, time::Span};
use serde::{Deserialize, Serialize};

use crate::{Decoded, FUTURE_TOLERANCE, Record, cgm, fhir, hl7, vitals, waveforms};

/// What a site may set of the decoders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// HL7 v2.
    pub hl7: hl7::Config,
    /// How far an event may lie after its arrival before it.
    pub future_tolerance: Span,
}

impl Default for Config {
    /// The defaults of HL7, and [`FUTURE_TOLERANCE`].
    fn default() -> Self {
        Self { hl7: hl7::Config::default(), future_tolerance: FUTURE_TOLERANCE }
    }
}

/// Decodes a record by the format of its stream. Never fails: what cannot be decoded is in the
/// rejections, and `units.total == decoded + skipped + rejected`.
#[must_use]
pub fn decode(record: &Record, config: &Config) -> Decoded {
    match record.stream {
        Stream::Hl7v2 => hl7::decode(record, &config.hl7),
        Stream::Fhir => fhir::decode(record, config.future_tolerance),
        Stream::Vitals => vitals::decode(record, config.future_tolerance),
        Stream::Waveforms => waveforms::decode(record, config.future_tolerance),
        Stream::Cgm => cgm::decode(record, config.future_tolerance),
    }
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::time::ArrivalTime;

    use super::*;

    #[test]
    fn every_stream_goes_to_its_own_decoder_and_accounts_for_nonsense() {
        for stream in Stream::ALL {
            for payload in [&b"nonsense"[..], b"", b"{}", b"MSH|", b"\xff\xfe"] {
                let arrival = ArrivalTime::from_micros(0);
                let record = Record { stream, partition: 0, offset: 0, arrival, key: Some("p"), payload };
                let got = decode(&record, &Config::default());
                assert!(got.events.is_empty(), "{stream:?} {payload:?}");
                assert!(!got.rejections.is_empty(), "{stream:?} {payload:?}");
                let u = got.units;
                assert_eq!(u.total, u.decoded + u.skipped + u.rejected, "{stream:?} {payload:?}");
                assert!(u.rejected >= 1);
            }
        }
    }
}
