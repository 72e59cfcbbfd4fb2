//! An alert as HL7 v2.6 ORU^R40: IHE PCD-04, Report Alert (Alert Communication Management).
//!
//! One OBR names the episode (OBR-3, the same in every message of it), then come the facets of the
//! alert, each an OBX with the facet's number at the end of OBX-4: 1 the alert and its text, 2 its
//! source, 3 the event's phase, 4 its state, 5 whether it is inactivated, 6 its priority, 7 its
//! type; then the facts it rests on under sub-ids of their own. The codes of the facets come from
//! public code that follows the profile, not from the IHE text.

use std::fmt::Write;

use bedwatch_schemas::{
    alert::{Alert, AlertKind, Phase},
    codes,
    evidence::{Band, Fact, Subject},
    time::EventTime,
};

use super::{is_over, priority_code, text::er7, title};

/// Names of the two ends, as HL7 v2 messages carry them.
#[derive(Debug, Clone)]
pub struct Names {
    /// MSH-3.
    pub sending_application: String,
    /// MSH-4.
    pub sending_facility: String,
    /// MSH-5.
    pub receiving_application: String,
    /// MSH-6.
    pub receiving_facility: String,
    /// The assigning authority of the pseudonymous patient ids (PID-3.4).
    pub authority: String,
}

/// MSH-10: what an acknowledgement must name.
#[must_use]
pub fn control_id(alert: &Alert) -> String {
    format!("{}-{}", alert.id, alert.sequence)
}

/// The message, segments ended by carriage returns, UTF-8. MSH-7 is the alert's own time, so that a
/// repeat is the same bytes.
#[must_use]
pub fn message(alert: &Alert, names: &Names) -> Vec<u8> {
    let mut out = Er7 { text: String::with_capacity(2_048), set_id: 0 };
    header(&mut out, alert, names);
    facets(&mut out, alert);
    for (i, fact) in alert.evidence.facts.iter().enumerate() {
        out.fact(fact, i + 2);
    }
    out.text.into_bytes()
}

struct Er7 {
    text: String,
    set_id: usize,
}

impl Er7 {
    /// A segment of escaped fields.
    fn segment(&mut self, fields: &[&str]) {
        self.text.push_str(fields.join("|").trim_end_matches('|'));
        self.text.push('\r');
    }

    /// A facet of the alert.
    fn facet(&mut self, code: &str, facet: usize, value: &str, flags: &str, at: &str) {
        self.set_id += 1;
        let (set_id, sub_id) = (self.set_id.to_string(), format!("1.0.0.1.{facet}"));
        self.segment(&[
            "OBX",
            &set_id,
            "ST",
            code,
            &sub_id,
            &er7(value),
            "",
            "",
            flags,
            "",
            "",
            "F",
            "",
            "",
            at,
        ]);
    }

    fn fact(&mut self, fact: &Fact, channel: usize) {
        self.set_id += 1;
        let (set_id, sub_id) = (self.set_id.to_string(), format!("1.0.0.{channel}.1"));
        let (value, status) =
            if fact.value.is_finite() { (fact.value.to_string(), "F") } else { (String::new(), "X") };
        let unit = format!("{0}^{0}^UCUM", er7(fact.unit.ucum()));
        let at = time(fact.at);
        self.segment(&[
            "OBX",
            &set_id,
            "NM",
            &code(fact.subject),
            &sub_id,
            &value,
            &unit,
            "",
            band(fact.band),
            "",
            "",
            status,
            "",
            "",
            &at,
        ]);
    }
}

fn header(out: &mut Er7, alert: &Alert, names: &Names) {
    let now = time(alert.at);
    let name = |text: &str| er7(text);
    out.segment(&[
        "MSH",
        r"^~\&",
        &name(&names.sending_application),
        &name(&names.sending_facility),
        &name(&names.receiving_application),
        &name(&names.receiving_facility),
        &now,
        "",
        "ORU^R40^ORU_R40",
        &control_id(alert),
        "P",
        "2.6",
        "",
        "",
        // Enhanced mode: accepted when it is stored, no second answer.
        "AL",
        "NE",
        "",
        "UNICODE UTF-8",
        "",
        "",
        "IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.4.4^ISO",
    ]);
    // No name: the ids are pseudonyms. PID-5 is required; U says the name is not told.
    let patient = format!("{}^^^{}^PI", er7(alert.patient.as_str()), name(&names.authority));
    out.segment(&["PID", "", "", &patient, "", "^^^^^^U"]);
    let place = alert
        .location
        .as_ref()
        .map_or_else(String::new, |l| format!("{}^^{}", er7(l.unit.as_str()), er7(l.bed.as_str())));
    let visit = alert.encounter.as_ref().map_or_else(String::new, |e| er7(e.as_str()));
    let mut pv1 = vec!["PV1", "", "I", &place];
    pv1.resize(19, "");
    pv1.push(&visit);
    out.segment(&pv1);
    let (order, episode) = (format!("{}^BEDWATCH", alert.sequence), format!("{}^BEDWATCH", alert.id));
    let end = if is_over(alert.phase) { now.as_str() } else { "" };
    out.segment(&["OBR", "1", &order, &episode, "196616^MDC_EVT_ALARM^MDC", "", "", &time(alert.onset), end]);
}

fn facets(out: &mut Er7, alert: &Alert) {
    let at = time(alert.at);
    let kind = if alert.kind.is_technical() { "ST" } else { "SP" };
    let flags = format!("{}~{kind}", priority_code(alert.priority));
    out.facet(event(alert.kind), 1, &words(alert), &flags, &at);
    let by = &alert.decision.by;
    out.facet(
        "68480^MDC_ATTR_ALERT_SOURCE^MDC",
        2,
        &format!("{} {} {}", by.name, by.version, alert.decision.rule),
        "",
        &at,
    );
    let (phase, state, inactivation) = life(alert.phase);
    out.facet("68481^MDC_ATTR_EVENT_PHASE^MDC", 3, phase, "", &at);
    out.facet("68482^MDC_ATTR_ALARM_STATE^MDC", 4, state, "", &at);
    out.facet("68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC", 5, inactivation, "", &at);
    out.facet("68484^MDC_ATTR_ALARM_PRIORITY^MDC", 6, priority_code(alert.priority), "", &at);
    out.facet("68485^MDC_ATTR_ALERT_TYPE^MDC", 7, kind, "", &at);
}

/// What a receiver shows.
fn words(alert: &Alert) -> String {
    format!("{}: {}", title(alert), alert.rationale.text)
}

/// Event phase, alarm state and inactivation state.
const fn life(phase: Phase) -> (&'static str, &'static str, &'static str) {
    match phase {
        Phase::Raised => ("start", "active", "enabled"),
        Phase::Updated => ("update", "active", "enabled"),
        Phase::Acknowledged => ("update", "active", "alarm-acknowledged"),
        Phase::Escalated => ("escalate", "active", "enabled"),
        Phase::Resolved | Phase::Expired => ("end", "inactive", "enabled"),
    }
}

/// The event code of a kind: a limit of one measured value, or the general alarm.
const fn event(kind: AlertKind) -> &'static str {
    match kind {
        AlertKind::Hypoglycaemia => "196670^MDC_EVT_LO^MDC",
        AlertKind::Hyperglycaemia => "196648^MDC_EVT_HI^MDC",
        _ => "196616^MDC_EVT_ALARM^MDC",
    }
}

/// A fact's code: MDC, else LOINC, else ours (table 99: local codes).
fn code(subject: Subject) -> String {
    if let Subject::Signal(signal) = subject {
        if let Some((code, id)) = codes::mdc_of(signal) {
            return format!("{code}^{id}^MDC");
        }
        if let Some(code) = codes::loinc_of(signal) {
            return format!("{code}^{}^LN", er7(signal.info().label));
        }
    }
    format!("{}^{}^99BEDWATCH", subject.name(), er7(subject.label()))
}

/// Table 0078.
const fn band(band: Band) -> &'static str {
    match band {
        Band::CriticalLow => "LL",
        Band::Low => "L",
        Band::Normal => "N",
        Band::High => "H",
        Band::CriticalHigh => "HH",
        Band::Unknown => "",
    }
}

/// `YYYYMMDDHHMMSS.ffff+0000` (DTM: at most four digits of a second).
fn time(at: EventTime) -> String {
    let text = at.to_string();
    let (whole, fraction) =
        text.trim_end_matches('Z').split_once('.').unwrap_or((text.trim_end_matches('Z'), ""));
    let mut out: String = whole.chars().filter(char::is_ascii_digit).collect();
    if !fraction.is_empty() {
        let _ = write!(out, ".{:.4}", format!("{fraction:0<4}"));
    }
    out + "+0000"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    pub(crate) fn names() -> Names {
        Names {
            sending_application: "BEDWATCH".to_owned(),
            sending_facility: "ICU".to_owned(),
            receiving_application: "AM".to_owned(),
            receiving_facility: "HOSPITAL".to_owned(),
            authority: "BEDWATCH".to_owned(),
        }
    }

    #[test]
    fn times_have_at_most_four_digits_of_a_second() {
        for (micros, text) in [
            (1_700_000_000_000_000, "20231114221320+0000"),
            (1_700_000_000_500_000, "20231114221320.5000+0000"),
            (1_700_000_000_123_456, "20231114221320.1234+0000"),
        ] {
            assert_eq!(time(EventTime::from_micros(micros)), text);
        }
    }

    #[test]
    fn the_facets_of_the_first_alert() {
        let alert = samples::all().into_iter().find(|a| a.kind == AlertKind::Shock).unwrap();
        let text = String::from_utf8(message(&alert, &names())).unwrap();
        let segments: Vec<&str> = text.split_terminator('\r').collect();
        assert_eq!(
            segments[0],
            format!(
                r"MSH|^~\&|BEDWATCH|ICU|AM|HOSPITAL|20231114221320+0000||ORU^R40^ORU_R40|{}-0|P|2.6|||AL|NE||UNICODE UTF-8|||IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.4.4^ISO",
                alert.id
            )
        );
        assert_eq!(segments[1], "PID|||patient-9^^^BEDWATCH^PI||^^^^^^U");
        assert_eq!(segments[2], r"PV1||I|ICU\F\1^^bed\S\7||||||||||||||||visit-1");
        let value = |facet: &str| {
            segments.iter().find(|s| s.split('|').nth(4) == Some(facet)).unwrap().split('|').nth(5).unwrap()
        };
        assert_eq!(value("1.0.0.1.3"), "start");
        assert_eq!(value("1.0.0.1.4"), "active");
        assert_eq!(value("1.0.0.1.7"), "SP");
        assert!(
            segments.iter().any(|s| s
                .contains("|NM|150035^MDC_PRESS_BLD_ART_MEAN^MDC|1.0.0.2.1|52|mm[Hg]^mm[Hg]^UCUM||L|||F|||")),
            "{text}"
        );
    }

    /// Hostile text cannot begin a segment or a field.
    #[test]
    fn the_shape_does_not_depend_on_the_text() {
        let mut alert = samples::all().remove(0);
        let shape = |alert: &Alert| -> Vec<usize> {
            let text = String::from_utf8(message(alert, &names())).unwrap();
            text.split_terminator('\r').map(|s| s.matches(['|', '^', '~', '&']).count()).collect()
        };
        let before = shape(&alert);
        alert.rationale.text = "x\rOBX|9|NM|a^b&c~d\\e\n\u{1c}\r".to_owned();
        alert.decision.rule = "MSH|^~\\&".to_owned();
        assert_eq!(shape(&alert), before);
    }
}
