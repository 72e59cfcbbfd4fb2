//! HL7 v2.6 in its wire form (ER7, segments ended by CR): admissions, laboratory results, and
//! monitor numerics after the IHE PCD-01 profile (device observations with MDC codes and a
//! containment path in OBX-4).

use bedwatch_schemas::{
    codes,
    event::Sex,
    ids::{Location, PatientId},
    signal::Signal,
    time::{EventTime, Span},
};

use super::{labs::Panel, person::Person};

/// An HL7 timestamp in UTC with milliseconds.
pub(crate) fn stamp(at: EventTime) -> String {
    let millis = EventTime::from_millis(at.as_millis());
    let text = millis.to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (whole, fraction) = digits.split_at(digits.len().min(14));
    format!("{whole}.{fraction:0<3}+0000")
}

/// Who sends and what number the message has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope<'a> {
    pub application: &'a str,
    pub facility: &'a str,
    pub number: &'a str,
    pub at: EventTime,
}

fn header(e: Envelope, kind: &str, profile: &str) -> String {
    format!(
        "MSH|^~\\&|{}|{}|BEDWATCH|WARD|{}||{kind}|{}|P|2.6|||AL|NE||UNICODE UTF-8{profile}\r",
        e.application,
        e.facility,
        stamp(e.at),
        e.number,
    )
}

fn pid(person: &Person, id: &PatientId, admitted: EventTime) -> String {
    let born = admitted - Span((person.age_years * 365.25 * 86_400e6) as i64);
    let date: String = born.to_string().chars().filter(char::is_ascii_digit).take(8).collect();
    let sex = if person.sex == Sex::Female { "F" } else { "M" };
    format!("PID|1||{}^^^BEDWATCH-SIM^PI||SIMULATED^PATIENT||{date}|{sex}\r", id.as_str())
}

fn pv1(
    person: &Person,
    location: &Location,
    prior: Option<&Location>,
    admitted: EventTime,
    left: Option<EventTime>,
) -> String {
    let mut fields = vec![String::new(); 46];
    let place = |l: &Location| format!("{}^^{}", l.unit.as_str(), l.bed.as_str());
    fields[0] = "PV1".into();
    fields[1] = "1".into();
    fields[2] = "I".into();
    fields[3] = place(location);
    fields[6] = prior.map(place).unwrap_or_default();
    fields[10] = person.service().into();
    fields[19] = person.encounter.as_str().into();
    fields[44] = stamp(admitted);
    fields[45] = left.map(stamp).unwrap_or_default();
    fields.join("|").trim_end_matches('|').to_owned() + "\r"
}

/// What an ADT message says.
#[derive(Debug, Clone)]
pub(crate) enum Administrative {
    /// A01, at this place, under this id.
    Admit(Location, PatientId),
    /// A02, from there.
    Transfer(Location),
    /// A08.
    Update,
    /// A03.
    Discharge,
    /// A40: this id was the same person.
    Merge(PatientId),
}

/// An ADT message.
pub(crate) fn adt(e: Envelope, person: &Person, admitted: EventTime, what: &Administrative) -> String {
    let trigger = match what {
        Administrative::Admit(..) => "A01",
        Administrative::Transfer(_) => "A02",
        Administrative::Update => "A08",
        Administrative::Discharge => "A03",
        Administrative::Merge(_) => "A40",
    };
    let structure = match trigger {
        "A08" => "A01",
        "A40" => "A39",
        other => other,
    };
    let mut text = header(e, &format!("ADT^{trigger}^ADT_{structure}"), "");
    text.push_str(&format!("EVN|{trigger}|{}\r", stamp(e.at)));
    let id = if let Administrative::Admit(_, id) = what { id } else { &person.id };
    text.push_str(&pid(person, id, admitted));
    match what {
        Administrative::Admit(location, _) => text.push_str(&pv1(person, location, None, admitted, None)),
        Administrative::Transfer(prior) => {
            text.push_str(&pv1(person, &person.location, Some(prior), admitted, None))
        }
        Administrative::Update => text.push_str(&pv1(person, &person.location, None, admitted, None)),
        Administrative::Discharge => {
            text.push_str(&pv1(person, &person.location, None, admitted, Some(e.at)))
        }
        Administrative::Merge(retired) => {
            text.push_str(&format!("MRG|{}^^^BEDWATCH-SIM^PI\r", retired.as_str()))
        }
    }
    text
}

/// A laboratory report.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub panel: Panel,
    pub order: &'a str,
    pub specimen: EventTime,
    pub values: &'a [(Signal, f64)],
    /// Whether it corrects an earlier report of the same order.
    pub correction: bool,
    /// Free text for people.
    pub comment: Option<&'a str>,
}

/// A laboratory ORU^R01 with LOINC codes and UCUM units.
pub(crate) fn laboratory(e: Envelope, person: &Person, admitted: EventTime, report: &Report) -> String {
    let status = if report.correction { "C" } else { "F" };
    let (code, name) = report.panel.order();
    let (specimen, order) = (stamp(report.specimen), report.order);
    let mut text = header(e, "ORU^R01^ORU_R01", "");
    text.push_str(&pid(person, &person.id, admitted));
    text.push_str(&pv1(person, &person.location, None, admitted, None));
    text.push_str(&format!("ORC|RE|{order}^WARD|{order}^LAB\r"));
    text.push_str(&format!(
        "OBR|1|{order}^WARD|{order}^LAB|{code}^{name}^LN|||{specimen}|||||||||||||||{}||LAB|{status}\r",
        stamp(e.at),
    ));
    for (i, (signal, value)) in report.values.iter().enumerate() {
        let Some(loinc) = codes::loinc_of(*signal) else { continue };
        let info = signal.info();
        text.push_str(&format!(
            "OBX|{}|NM|{loinc}^{}^LN||{value}|{}^^UCUM|||||{status}|||{specimen}\r",
            i + 1,
            info.label,
            info.unit.ucum(),
        ));
    }
    if let Some(comment) = report.comment {
        text.push_str(&format!("NTE|1|L|{comment}\r"));
    }
    text
}

/// One monitor numeric; `None` is a channel that gives nothing (OBX-11 `X`).
pub(crate) type Metric = (Signal, Option<f64>);

/// Device, virtual device and channel of the containment path in OBX-4.
const DEVICE: (&str, &str) = ("69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC", "1.0.0.0");
const PRESSURE: (&str, &str) = ("69854^MDC_DEV_METER_PRESS_BLD_VMD^MDC", "1.1.0.0");

/// Monitor numerics as an IHE PCD-01 message.
pub(crate) fn monitor(e: Envelope, person: &Person, admitted: EventTime, metrics: &[Metric]) -> String {
    let mut text = header(e, "ORU^R01^ORU_R01", "|||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO");
    text.push_str(&pid(person, &person.id, admitted));
    text.push_str(&pv1(person, &person.location, None, admitted, None));
    let at = stamp(e.at);
    text.push_str(&format!(
        "OBR|1|{0}^WARD|{0}^MONITOR|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||{at}\r",
        e.number
    ));
    for (i, (code, path)) in [DEVICE, PRESSURE].into_iter().enumerate() {
        text.push_str(&format!("OBX|{}||{code}|{path}|||||||X\r", i + 1));
    }
    for (i, (signal, value)) in metrics.iter().enumerate() {
        let Some((code, name)) = codes::mdc_of(*signal) else { continue };
        let unit = signal.info().unit;
        let Some((term, unit_name, _)) = codes::MDC_UNITS.iter().find(|u| u.2 == unit) else { continue };
        let unit_code = codes::mdc(codes::DIM, *term);
        // A respiratory rate is counted in breaths, the other rates in beats.
        let (unit_code, unit_name) = if *signal == Signal::RespRate {
            (264_928, "MDC_DIM_RESP_PER_MIN")
        } else {
            (unit_code, *unit_name)
        };
        let (text_value, status) = match value {
            Some(v) => (v.to_string(), "R"),
            None => (String::new(), "X"),
        };
        text.push_str(&format!(
            "OBX|{}|NM|{code}^{name}^MDC|1.1.1.{}|{text_value}|{unit_code}^{unit_name}^MDC|||||{status}|||{at}\r",
            i + 3,
            i + 1,
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_have_milliseconds_and_a_zone() {
        for (text, want) in [
            ("2026-03-01T02:03:04Z", "20260301020304.000+0000"),
            ("2026-03-01T02:03:04.5Z", "20260301020304.500+0000"),
            ("2026-03-01T02:03:04.123456Z", "20260301020304.123+0000"),
        ] {
            assert_eq!(stamp(EventTime::parse_rfc3339(text).unwrap()), want);
        }
    }
}
