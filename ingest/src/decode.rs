//! The one entrance: a record of any stream to its events and rejections.

use bedwatch_schemas::{event::Stream, time::Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Decoded, FUTURE_TOLERANCE, Record, cgm, feedback, fhir, hl7, vitals, waveforms};

/// What a site may set of the decoders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
        Stream::Hl7v2 => hl7::decode(record, &config.hl7, config.future_tolerance),
        Stream::Fhir => fhir::decode(record, config.future_tolerance),
        Stream::Vitals => vitals::decode(record, config.future_tolerance),
        Stream::Waveforms => waveforms::decode(record, config.future_tolerance),
        Stream::Cgm => cgm::decode(record, config.future_tolerance),
        Stream::Feedback => feedback::decode(record, config.future_tolerance),
    }
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::time::ArrivalTime;

    use super::*;

    /// The tolerance a site sets holds for every stream.
    #[test]
    fn the_future_tolerance_reaches_hl7() {
        let text = "MSH|^~\\&|A|B|||20260101000000||ORU^R01|1|P|2.6\rPID|||p\rOBR|1|||x\r\
                    OBX|1|NM|8867-4^HR^LN||80|/min|||||F|||20260101001000";
        let arrival = ArrivalTime::from_millis(1_767_225_600_000);
        let payload = text.as_bytes();
        let record = Record { stream: Stream::Hl7v2, partition: 0, offset: 0, arrival, key: None, payload };
        for (minutes, events) in [(9, 0), (10, 1)] {
            let config = Config { future_tolerance: Span::minutes(minutes), ..Config::default() };
            let got = decode(&record, &config);
            assert_eq!((got.events.len(), got.rejections.len()), (events, 1 - events), "{minutes} min");
        }
    }

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
