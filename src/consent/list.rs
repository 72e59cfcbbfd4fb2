//! Consents out of files: FHIR R4 Consent (a resource, a Bundle, an array or NDJSON), or a list, as CSV
//! (`patient,from,decision`) or NDJSON with the same names.
//!
//! A line that cannot be understood refuses the whole file: it may be a withdrawal. Errors name the line
//! and what is wrong, never a patient.

use std::collections::BTreeMap;

use bedwatch_schemas::{
    ids::PatientId,
    time::{EventTime, Span},
};
use serde::Deserialize;
use serde_json::Value;

use super::{Decision, Statement, fhir};

/// What a file said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// The statements.
    pub statements: Vec<Statement>,
    /// Consents that say nothing here, by reason.
    pub ignored: BTreeMap<&'static str, u64>,
}

/// Something that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Error {
    /// The line, from 1; of JSON that is one whole, the number of the resource in it.
    pub line: usize,
    /// Why.
    pub why: &'static str,
}

/// One line of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    patient: String,
    from: String,
    decision: Decision,
}

/// Reads a file's text. `system` is that of the identifier that names patients; empty: the id of the
/// reference does.
///
/// # Errors
/// With the first line that cannot be understood.
pub fn read(text: &str, system: &str) -> Result<Read, Error> {
    let text = text.trim_start_matches('\u{feff}');
    match text.trim_start().chars().next() {
        None => Ok(Read::default()),
        Some('{' | '[') => {
            // One document, or one a line.
            let values: Vec<(usize, Value)> = match serde_json::from_str::<Value>(text) {
                Ok(whole) => (1..).zip(resources(whole)).collect(),
                Err(_) => lines(text)
                    .map(|(line, text)| {
                        let value = serde_json::from_str(text);
                        Ok((line, value.map_err(|_| Error { line, why: "it is no JSON" })?))
                    })
                    .collect::<Result<_, _>>()?,
            };
            json(values, system)
        }
        Some(_) => csv(text),
    }
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty())
}

/// The resources of a Bundle or an array, or the one.
fn resources(whole: Value) -> Vec<Value> {
    match whole {
        Value::Array(all) => all,
        Value::Object(mut bundle) if bundle.get("resourceType").is_some_and(|t| t == "Bundle") => {
            match bundle.remove("entry") {
                Some(Value::Array(entries)) => {
                    entries.into_iter().map(|mut entry| entry["resource"].take()).collect()
                }
                _ => Vec::new(),
            }
        }
        one => vec![one],
    }
}

fn json(values: Vec<(usize, Value)>, system: &str) -> Result<Read, Error> {
    let mut read = Read::default();
    let mut consents = Vec::new();
    for (line, value) in values {
        match value.get("resourceType").and_then(Value::as_str) {
            Some("Consent") => consents.push((line, value)),
            Some(_) => *read.ignored.entry("another_resource").or_default() += 1,
            None => {
                let row = serde_json::from_value::<Row>(value);
                let row = row.map_err(|_| Error {
                    line,
                    why: "it is neither a Consent nor patient, from and decision",
                })?;
                read.statements.push(statement(line, &row.patient, &row.from, row.decision)?);
            }
        }
    }
    fhir::read(&consents, system, &mut read)?;
    Ok(read)
}

fn csv(text: &str) -> Result<Read, Error> {
    let mut read = Read::default();
    let mut lines = lines(text);
    let columns = |line: &str| line.split(',').map(|c| c.trim().to_owned()).collect::<Vec<_>>();
    let (line, head) = lines.next().unwrap_or_default();
    if columns(head) != ["patient", "from", "decision"] {
        return Err(Error { line, why: "the first line must be patient,from,decision" });
    }
    for (line, text) in lines {
        let columns = columns(text);
        let [patient, from, decision] = columns.as_slice() else {
            return Err(Error { line, why: "it has not three columns" });
        };
        if text.contains('"') {
            return Err(Error { line, why: "quoted columns are not read" });
        }
        let decision = match decision.as_str() {
            "permit" => Decision::Permit,
            "deny" => Decision::Deny,
            _ => return Err(Error { line, why: "the decision must be permit or deny" }),
        };
        read.statements.push(statement(line, patient, from, decision)?);
    }
    Ok(read)
}

fn statement(line: usize, patient: &str, from: &str, decision: Decision) -> Result<Statement, Error> {
    let patient = PatientId::new(patient).map_err(|_| Error { line, why: "the patient is no identifier" })?;
    let when = When::parse(from).ok_or(Error { line, why: "from is no date or time with a zone" })?;
    Ok(Statement { patient, from: when.for_start(decision), until: None, decision })
}

/// A date or time of any precision: the moments it may mean, in whatever zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct When {
    earliest: EventTime,
    latest: EventTime,
}

impl When {
    /// FHIR's `dateTime`: a year, a month, a day, or a time with its zone.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.is_ascii() {
            return None;
        }
        let midnight = |date: &str| EventTime::parse_rfc3339(&format!("{date}T00:00:00Z")).ok();
        let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u32>().ok();
        let (first, next) = match text.len() {
            4 => (midnight(&format!("{text}-01-01"))?, midnight(&format!("{:04}-01-01", number(0..4)? + 1))?),
            7 => {
                let (year, month) = (number(0..4)?, number(5..7)?);
                let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                (midnight(&format!("{text}-01"))?, midnight(&format!("{year:04}-{month:02}-01"))?)
            }
            10 => (midnight(text)?, midnight(text)? + Span::hours(24)),
            _ => {
                let at = EventTime::parse_rfc3339(text).ok()?;
                return Some(Self { earliest: at, latest: at });
            }
        };
        // Zones lie between UTC-12 and UTC+14.
        Some(Self { earliest: first - Span::hours(14), latest: next + Span::hours(12) })
    }

    /// When a statement begins: a denial as early as it may, a permission as late.
    pub(super) const fn for_start(self, decision: Decision) -> EventTime {
        match decision {
            Decision::Permit => self.latest,
            Decision::Deny => self.earliest,
        }
    }

    /// When it ends: a permission as early as it may, a denial as late.
    pub(super) const fn for_end(self, decision: Decision) -> EventTime {
        match decision {
            Decision::Permit => self.earliest,
            Decision::Deny => self.latest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_against_whoever_asks() {
        let at = |text: &str| EventTime::parse_rfc3339(text).unwrap();
        for (text, deny, permit) in [
            ("2026-03-01T08:00:00+01:00", "2026-03-01T07:00:00Z", "2026-03-01T07:00:00Z"),
            ("2026-03-01", "2026-02-28T10:00:00Z", "2026-03-02T12:00:00Z"),
            ("2026-12", "2026-11-30T10:00:00Z", "2027-01-01T12:00:00Z"),
            ("2026-02", "2026-01-31T10:00:00Z", "2026-03-01T12:00:00Z"),
            ("2026", "2025-12-31T10:00:00Z", "2027-01-01T12:00:00Z"),
        ] {
            let when = When::parse(text).unwrap();
            assert_eq!(when.for_start(Decision::Deny), at(deny), "{text}");
            assert_eq!(when.for_start(Decision::Permit), at(permit), "{text}");
            assert_eq!(when.for_end(Decision::Deny), at(permit), "{text}");
            assert_eq!(when.for_end(Decision::Permit), at(deny), "{text}");
        }
        for text in ["", "soon", "2026-13", "2026-02-30", "2026-03-01T08:00:00", "01.03.2026", "20é6"] {
            assert_eq!(When::parse(text), None, "{text}");
        }
    }

    #[test]
    fn lists_of_every_form() {
        let csv =
            "patient,from,decision\np1,2026-03-01T00:00:00Z,permit\n\np2 , 2026-03-01T00:00:00Z , deny\r\n";
        let ndjson = "{\"patient\":\"p1\",\"from\":\"2026-03-01T00:00:00Z\",\"decision\":\"permit\"}\n\
                      {\"patient\":\"p2\",\"from\":\"2026-03-01T00:00:00Z\",\"decision\":\"deny\"}\n";
        let array = format!("[{}]", ndjson.trim().replace('\n', ","));
        let one = read(csv, "").unwrap();
        assert_eq!(one.statements.len(), 2);
        assert_eq!(one.statements[1].decision, Decision::Deny);
        assert_eq!(read(ndjson, "").unwrap(), one);
        assert_eq!(read(&array, "").unwrap(), one);
        assert_eq!(read(&format!("\u{feff}{csv}"), "").unwrap(), one);
        assert_eq!(read(" \n", "").unwrap(), Read::default());
        for (text, line) in [
            ("patient,decision\n", 1),
            ("patient,from,decision\np1,2026-03-01,permit\np2,soon,deny\n", 3),
            ("patient,from,decision\np1,2026-03-01,perhaps\n", 2),
            ("patient,from,decision\np1,2026-03-01\n", 2),
            ("patient,from,decision\n,2026-03-01,deny\n", 2),
            ("patient,from,decision\n\"canary\",2026-03-01,deny\n", 2),
            (
                "{\"patient\":\"canary\",\"from\":\"2026-03-01\",\"decision\":\"deny\"}\n{\"patient\":\"canary\"}\n",
                2,
            ),
            ("{\"patient\":\"canary\",\"from\":\"2026-03-01\",\"decision\":\"deny\"}\nnonsense\n", 2),
        ] {
            let error = read(text, "").unwrap_err();
            assert_eq!(error.line, line, "{text}");
            assert!(!error.to_string().contains("canary"));
        }
    }
}
