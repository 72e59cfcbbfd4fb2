//! FHIR R4 resources in JSON: charted observations, drugs, the encounter.
//!
//! Written as text with a fixed order of members, so that the bytes never depend on how a JSON
//! library orders maps. Everything put in is an id, a number, a time or a constant; none needs
//! escaping.

use bedwatch_schemas::{
    codes,
    event::Sex,
    signal::Signal,
    time::{EventTime, Span},
};

use super::person::Person;

fn subject(person: &Person) -> String {
    format!(
        r#""subject":{{"reference":"Patient/{}"}},"encounter":{{"reference":"Encounter/{}"}}"#,
        person.id.as_str(),
        person.encounter.as_str()
    )
}

/// A charted value as an Observation.
pub(crate) fn observation(person: &Person, id: &str, at: EventTime, signal: Signal, value: f64) -> String {
    let info = signal.info();
    let loinc = codes::loinc_of(signal).unwrap_or_default();
    let category = if signal == Signal::GcsTotal { "survey" } else { "vital-signs" };
    format!(
        concat!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final","#,
            r#""category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"{category}"}}]}}],"#,
            r#""code":{{"coding":[{{"system":"http://loinc.org","code":"{loinc}","display":"{label}"}}]}},{subject},"#,
            r#""effectiveDateTime":"{at}","issued":"{at}","#,
            r#""valueQuantity":{{"value":{value},"unit":"{unit}","system":"http://unitsofmeasure.org","code":"{unit}"}}}}"#
        ),
        id = id,
        category = category,
        loinc = loinc,
        label = info.label,
        subject = subject(person),
        at = at,
        value = value,
        unit = info.unit.ucum(),
    )
}

/// The person as a Patient: pseudonymous id, sex and date of birth.
pub(crate) fn patient(person: &Person, admitted: EventTime) -> String {
    let born = admitted - Span((person.age_years * 365.25 * 86_400e6) as i64);
    let born: String = born.to_string().chars().take(10).collect();
    let gender = if person.sex == Sex::Female { "female" } else { "male" };
    format!(
        r#"{{"resourceType":"Patient","id":"{}","gender":"{gender}","birthDate":"{born}"}}"#,
        person.id.as_str()
    )
}

/// The stay as an Encounter.
pub(crate) fn encounter(person: &Person, admitted: EventTime, left: Option<EventTime>) -> String {
    let came = admitted - Span((person.hours_before_unit * 3_600e6) as i64);
    let (status, end) = match left {
        Some(t) => ("finished", format!(r#","end":"{t}""#)),
        None => ("in-progress", String::new()),
    };
    format!(
        concat!(
            r#"{{"resourceType":"Encounter","id":"{id}","status":"{status}","#,
            r#""class":{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"ACUTE"}},"#,
            r#""classHistory":[{{"class":{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"IMP"}},"#,
            r#""period":{{"start":"{came}","end":"{admitted}"}}}}],"#,
            r#""serviceType":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v2-0069","code":"{service}"}}]}},"#,
            r#""subject":{{"reference":"Patient/{patient}"}},"period":{{"start":"{admitted}"{end}}},"#,
            r#""location":[{{"location":{{"display":"{unit}^^{bed}"}},"status":"active"}}]}}"#
        ),
        id = person.encounter.as_str(),
        status = status,
        patient = person.id.as_str(),
        admitted = admitted,
        came = came,
        service = person.service(),
        end = end,
        unit = person.location.unit.as_str(),
        bed = person.location.bed.as_str(),
    )
}

/// A drug with its RxNorm ingredient code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    Norepinephrine,
    Insulin,
    Propofol,
    Ceftriaxone,
    Vancomycin,
}

impl Given {
    const fn coding(self) -> (&'static str, &'static str) {
        match self {
            Self::Norepinephrine => ("7512", "norepinephrine"),
            Self::Insulin => ("5856", "insulin, regular, human"),
            Self::Propofol => ("8782", "propofol"),
            Self::Ceftriaxone => ("2193", "ceftriaxone"),
            Self::Vancomycin => ("11124", "vancomycin"),
        }
    }
}

/// An infusion's rate from `since` on; 0 ends it.
pub(crate) fn infusion(
    person: &Person,
    id: &str,
    at: EventTime,
    drug: Given,
    rate: f64,
    unit: &str,
) -> String {
    let (status, period) = if rate > 0.0 {
        ("in-progress", format!(r#""effectivePeriod":{{"start":"{at}"}}"#))
    } else {
        ("completed", format!(r#""effectivePeriod":{{"end":"{at}"}}"#))
    };
    let dosage = format!(
        r#""rateQuantity":{{"value":{rate},"unit":"{unit}","system":"http://unitsofmeasure.org","code":"{unit}"}}"#
    );
    administration(person, id, drug, status, &period, &dosage)
}

/// A single dose in grams.
pub(crate) fn dose(person: &Person, id: &str, at: EventTime, drug: Given, grams: f64) -> String {
    let when = format!(r#""effectiveDateTime":"{at}""#);
    let dosage =
        format!(r#""dose":{{"value":{grams},"unit":"g","system":"http://unitsofmeasure.org","code":"g"}}"#);
    administration(person, id, drug, "completed", &when, &dosage)
}

fn administration(person: &Person, id: &str, drug: Given, status: &str, when: &str, dosage: &str) -> String {
    let (code, name) = drug.coding();
    format!(
        concat!(
            r#"{{"resourceType":"MedicationAdministration","id":"{id}","status":"{status}","#,
            r#""medicationCodeableConcept":{{"coding":[{{"system":"http://www.nlm.nih.gov/research/umls/rxnorm","code":"{code}","display":"{name}"}}]}},"#,
            r#""subject":{{"reference":"Patient/{patient}"}},"context":{{"reference":"Encounter/{encounter}"}},"#,
            r#"{when},"dosage":{{{dosage}}}}}"#
        ),
        id = id,
        status = status,
        code = code,
        name = name,
        patient = person.id.as_str(),
        encounter = person.encounter.as_str(),
        when = when,
        dosage = dosage,
    )
}

/// A Bundle of type collection.
pub(crate) fn bundle(id: &str, at: EventTime, resources: &[String]) -> String {
    let entries: Vec<String> = resources.iter().map(|r| format!(r#"{{"resource":{r}}}"#)).collect();
    format!(
        r#"{{"resourceType":"Bundle","id":"{id}","type":"collection","timestamp":"{at}","entry":[{}]}}"#,
        entries.join(",")
    )
}
