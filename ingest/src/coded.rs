//! Codes and unit texts of JSON sources to signals and units.

use bedwatch_schemas::{
    codes::{self, Coded},
    dead_letter::Reason,
    event::{Body, NoReading, Numeric, ResultStatus, UnitKind},
    signal::{self, Signal},
    unit::Unit,
};

/// The signal named by its snake-case name, or by a LOINC or MDC code or reference id.
pub(crate) fn signal(text: &str) -> Option<Signal> {
    let text = text.trim();
    Signal::from_name(text).or_else(|| codes::from_loinc(text)).or_else(|| match mdc(text)? {
        Coded::Signal(signal) => Some(signal),
        Coded::Waveform(_) => None,
    })
}

/// What an MDC code (its number or reference id) names.
pub(crate) fn mdc(text: &str) -> Option<Coded> {
    codes::from_mdc_name(text).or_else(|| codes::from_mdc(text.parse().ok()?))
}

/// The unit of a UCUM code, or of an MDC unit code or reference id.
pub(crate) fn unit(text: &str) -> Option<Unit> {
    let text = text.trim();
    Unit::parse(text)
        .or_else(|| codes::unit_from_mdc_name(text))
        .or_else(|| codes::unit_from_mdc(text.parse().ok()?))
}

/// A number in a unit as what it says of the signal: a measurement in the canonical unit, or no
/// reading where the number is a monitor's sentinel (whatever unit stands beside it).
///
/// # Errors
/// `UnknownUnit` when the signal is not measured in the unit or there is none; `BadValue` when the
/// number is not finite.
pub(crate) fn reading(
    signal: Signal,
    value: f64,
    unit: Option<Unit>,
    status: ResultStatus,
) -> Result<Body, Reason> {
    if signal.is_sentinel(value) {
        return Ok(Body::NoReading { signal, reason: NoReading::Sentinel });
    }
    let canonical = signal.to_canonical(value, unit.ok_or(Reason::UnknownUnit)?).map_err(|e| match e {
        signal::Error::UnitMismatch(..) => Reason::UnknownUnit,
        signal::Error::NotFinite(_) => Reason::BadValue,
    })?;
    if !canonical.is_finite() {
        return Err(Reason::BadValue);
    }
    Ok(Body::Numeric(Numeric::new(signal, canonical).with_status(status)))
}

/// The kind of unit of a hospital service: HL7 table 0069 (`MED`, `SUR`, `CAR`, `PUL`, `URO`), and
/// the spellings of MIMIC-III's `SERVICES` table where 0069 has no word (heart surgery). Sites add
/// their own codes to this table, so an unknown one says nothing and is no error.
pub(crate) fn hospital_service(code: &str) -> Option<UnitKind> {
    match code.trim() {
        "MED" | "PUL" => Some(UnitKind::Medical),
        "SUR" | "URO" | "SURG" => Some(UnitKind::Surgical),
        "CAR" | "CMED" => Some(UnitKind::Coronary),
        "CSURG" => Some(UnitKind::CardiacSurgery),
        _ => None,
    }
}

/// The kind of unit of a SNOMED CT specialty, as `Encounter.serviceType` carries it (codes from memory
/// of the practice-setting list: unverified).
pub(crate) fn specialty(code: &str) -> Option<UnitKind> {
    match code.trim() {
        "419192003" | "394802001" => Some(UnitKind::Medical),
        "394609007" => Some(UnitKind::Surgical),
        "394579002" => Some(UnitKind::Coronary),
        "408466004" => Some(UnitKind::CardiacSurgery),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_loinc_and_mdc_lead_to_the_same_signal() {
        for text in ["heart_rate", "8867-4", "147842", "MDC_ECG_HEART_RATE", " 8867-4 "] {
            assert_eq!(signal(text), Some(Signal::HeartRate), "{text}");
        }
        for text in ["", "pulse", "8867-5", "131330", "MDC_PULS_OXIM_PLETH", "-1"] {
            assert_eq!(signal(text), None, "{text}");
        }
    }

    #[test]
    fn units_by_ucum_and_mdc() {
        for text in ["/min", "264864", "MDC_DIM_BEAT_PER_MIN"] {
            assert_eq!(unit(text), Some(Unit::PerMinute), "{text}");
        }
        assert_eq!(unit("512"), None, "a bare term is not a code");
        assert_eq!(unit("1"), Some(Unit::One));
    }
}
