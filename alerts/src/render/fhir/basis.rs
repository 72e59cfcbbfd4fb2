//! The facts as Observations.

use bedwatch_schemas::{
    alert::Alert,
    codes,
    evidence::{Band, Fact, Subject},
    signal::SignalClass,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{LOINC, Names, RECORDS, SUBJECTS, UCUM, identifier, patient, with_encounter};

pub(super) fn observation(alert: &Alert, fact: &Fact, id: Uuid, names: &Names) -> Value {
    let mut out = json!({
        "resourceType": "Observation",
        "id": id.to_string(),
        "status": "final",
        "category": [category(fact.subject)],
        "code": code(fact.subject),
        "subject": patient(alert, names),
        "effectiveDateTime": fact.at.to_string(),
    });
    if fact.value.is_finite() {
        let unit = fact.unit.ucum();
        out["valueQuantity"] = json!({ "value": fact.value, "unit": unit, "system": UCUM, "code": unit });
    } else {
        out["dataAbsentReason"] = json!({ "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason",
            "code": "not-a-number",
        }] });
    }
    if let Some(code) = band(fact.band) {
        out["interpretation"] = json!([{ "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
            "code": code,
        }] }]);
    }
    match fact.provenance {
        // The record of the input log it was read from.
        Some(p) => {
            let record = format!("{}/{}/{}/{}", p.stream.name(), p.partition, p.offset, p.part);
            out["identifier"] = json!([identifier(RECORDS, &record)]);
        }
        None => out["device"] = super::device_reference(&alert.decision.by),
    }
    if let Some(trend) = fact.trend {
        let unit = fact.unit.ucum();
        let words = format!(
            "{}: {} {unit} an hour over {} min",
            trend.direction.name(),
            trend.per_hour,
            trend.over.as_secs_f64() / 60.0
        );
        out["note"] = json!([{ "text": words }]);
    }
    with_encounter(out, alert, names)
}

fn category(subject: Subject) -> Value {
    let code = match subject {
        Subject::Signal(signal) if signal.info().class == SignalClass::Lab => "laboratory",
        Subject::Signal(signal) if signal.info().class == SignalClass::Vital => "vital-signs",
        Subject::Signal(_) | Subject::Score(_) => "survey",
        Subject::Infusion(_) => "therapy",
        Subject::Risk(_) | Subject::Derived(_) | Subject::Column(_) | Subject::Site(_) => "procedure",
    };
    json!({ "coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
        "code": code,
    }] })
}

/// LOINC where our tables have a code, and our own code always.
fn code(subject: Subject) -> Value {
    let own = json!({ "system": SUBJECTS, "code": subject.name(), "display": subject.label() });
    let loinc = match subject {
        Subject::Signal(signal) => codes::loinc_of(signal),
        _ => None,
    };
    let coding = match loinc {
        Some(code) => json!([{ "system": LOINC, "code": code }, own]),
        None => json!([own]),
    };
    json!({ "coding": coding, "text": subject.label() })
}

const fn band(band: Band) -> Option<&'static str> {
    match band {
        Band::CriticalLow => Some("LL"),
        Band::Low => Some("L"),
        Band::Normal => Some("N"),
        Band::High => Some("H"),
        Band::CriticalHigh => Some("HH"),
        Band::Unknown => None,
    }
}
