//! `metrics.json` and `report.html` of a replay.

use std::{collections::BTreeMap, fmt::Write};

use bedwatch_inference::{check, lexicon::Lexicon};
use bedwatch_schemas::{
    NOTICE,
    alert::{Alert, Phase},
    rationale::RationaleSource,
    risk::Head,
};
use serde::Serialize;

use super::{Outcome, labels};

/// The numbers of a replay.
#[derive(Debug, Clone, Serialize)]
pub struct Metrics {
    /// What this software is and is not.
    pub notice: &'static str,
    /// Sources replayed.
    pub sources: usize,
    /// Sources with faults.
    pub sources_with_faults: usize,
    /// Records read.
    pub records: u64,
    /// Events by stream.
    pub events_by_stream: BTreeMap<&'static str, u64>,
    /// Message units decoded, skipped by rule, rejected.
    pub units: [u64; 3],
    /// Frames evaluated.
    pub frames: u64,
    /// Rows of risks: encoder passes and seconds of EEG.
    pub risks: u64,
    /// Alerts raised by kind.
    pub raised_by_kind: BTreeMap<&'static str, u64>,
    /// Alert messages of all phases.
    pub alerts: usize,
    /// Messages that could not be decoded whole.
    pub dead_letters: usize,
    /// Rationales of raised and updated alerts by the model.
    pub rationales_model: usize,
    /// And by the template.
    pub rationales_template: usize,
    /// Claims the independent checker does not find in the evidence.
    pub unsupported_claims: usize,
    /// Patient-hours replayed.
    pub patient_hours: f64,
    /// Raised alerts that are not technical, per bed-day.
    pub alerts_per_bed_day: Option<f64>,
    /// By head: labelled hours, area under the ROC curve, normalised utility at the bundle's
    /// operating point.
    pub heads: BTreeMap<&'static str, HeadMetrics>,
    /// SHA-256 of `alerts.ndjson`.
    pub alerts_sha256: String,
    /// The hash of the configuration.
    pub config: String,
}

/// Numbers of one head against the labels.
#[derive(Debug, Clone, Serialize)]
pub struct HeadMetrics {
    /// Stays with labels.
    pub stays: usize,
    /// Labelled hours.
    pub hours: usize,
    /// Area under the ROC curve over hours.
    pub auroc: Option<f64>,
    /// The challenge's utility at the operating point (sepsis only).
    pub utility: Option<f64>,
}

/// Computes the numbers.
#[must_use]
pub fn metrics(
    outcomes: &[Outcome],
    alerts: &[Alert],
    sha256: &str,
    config: &str,
    lexicon: &Lexicon,
) -> Metrics {
    let mut events: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut units = [0; 3];
    for outcome in outcomes {
        for (stream, n) in &outcome.counters.events {
            *events.entry(stream.name()).or_default() += n;
        }
        for (total, n) in units.iter_mut().zip(outcome.counters.units) {
            *total += n;
        }
    }
    let mut raised: BTreeMap<&'static str, u64> = BTreeMap::new();
    for alert in alerts.iter().filter(|a| a.phase == Phase::Raised) {
        *raised.entry(alert.kind.name()).or_default() += 1;
    }
    let worded = || alerts.iter().filter(|a| a.phase != Phase::Resolved);
    let by_model = worded().filter(|a| matches!(a.rationale.source, RationaleSource::Model(_))).count();
    let hours: f64 = outcomes.iter().map(Outcome::hours).sum();
    let clinical = alerts.iter().filter(|a| a.phase == Phase::Raised && !a.kind.is_technical()).count();
    Metrics {
        notice: NOTICE,
        sources: outcomes.len(),
        sources_with_faults: outcomes.iter().filter(|o| !o.faults.is_empty()).count(),
        records: outcomes.iter().flat_map(|o| o.counters.records.values()).sum(),
        events_by_stream: events,
        units,
        frames: outcomes.iter().map(|o| o.frames).sum(),
        risks: outcomes.iter().map(|o| o.risks.len() as u64).sum(),
        raised_by_kind: raised,
        alerts: alerts.len(),
        dead_letters: outcomes.iter().map(|o| o.dead_letters.len()).sum(),
        rationales_model: by_model,
        rationales_template: worded().count() - by_model,
        unsupported_claims: unsupported(alerts, lexicon),
        patient_hours: hours,
        alerts_per_bed_day: (hours > 0.0).then(|| clinical as f64 / (hours / 24.0)),
        heads: Head::ALL
            .into_iter()
            .filter_map(|head| Some((head.name(), head_metrics(outcomes, head)?)))
            .collect(),
        alerts_sha256: sha256.to_owned(),
        config: config.to_owned(),
    }
}

fn unsupported(alerts: &[Alert], lexicon: &Lexicon) -> usize {
    alerts
        .iter()
        .filter_map(|a| check::check(&a.rationale.text, a.kind, &a.evidence, lexicon).err())
        .map(|faults| faults.len())
        .sum()
}

fn head_metrics(outcomes: &[Outcome], head: Head) -> Option<HeadMetrics> {
    let operating_point = *outcomes.iter().find_map(|o| o.operating_points.get(&head))?;
    let stays: Vec<Vec<labels::Scored>> =
        outcomes.iter().map(|o| labels::scored(o, head)).filter(|s| !s.is_empty()).collect();
    if stays.is_empty() {
        return None;
    }
    let all: Vec<labels::Scored> = stays.iter().flatten().copied().collect();
    let utilities: Vec<[f64; 3]> = stays.iter().map(|s| labels::utility(s, operating_point)).collect();
    Some(HeadMetrics {
        stays: stays.len(),
        hours: all.len(),
        auroc: labels::auroc(&all),
        utility: (head == Head::Sepsis).then(|| labels::normalised(&utilities)).flatten(),
    })
}

/// Text made safe for HTML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Sources shown with a curve of their risks.
const CURVES: usize = 40;

/// Writes the report: one self-contained file.
#[must_use]
pub fn html(outcomes: &[Outcome], alerts: &[Alert], metrics: &Metrics) -> String {
    let mut out = String::from(HEAD);
    let row = |out: &mut String, label: &str, value: &str| {
        let _ = write!(out, "<tr><th scope=row>{}</th><td>{}</td></tr>", escape(label), escape(value));
    };
    let _ = write!(out, "<h1>Replay report</h1><p class=notice>{}</p><table>", escape(NOTICE));
    row(&mut out, "Sources", &format!("{} ({} with faults)", metrics.sources, metrics.sources_with_faults));
    row(&mut out, "Patient-hours", &format!("{:.1}", metrics.patient_hours));
    row(
        &mut out,
        "Records, frames, risks",
        &format!("{}, {}, {}", metrics.records, metrics.frames, metrics.risks),
    );
    let list = |m: &BTreeMap<&'static str, u64>| {
        m.iter().map(|(k, v)| format!("{k} {v}")).collect::<Vec<_>>().join(", ")
    };
    row(&mut out, "Events", &list(&metrics.events_by_stream));
    let [decoded, skipped, rejected] = metrics.units;
    row(
        &mut out,
        "Message units",
        &format!("{decoded} decoded, {skipped} skipped by rule, {rejected} rejected"),
    );
    row(&mut out, "Alerts raised", &list(&metrics.raised_by_kind));
    if let Some(rate) = metrics.alerts_per_bed_day {
        row(&mut out, "Clinical alerts per bed-day", &format!("{rate:.2}"));
    }
    row(&mut out, "Dead letters", &metrics.dead_letters.to_string());
    let words = format!(
        "{} by the model, {} by template, {} unsupported claims",
        metrics.rationales_model, metrics.rationales_template, metrics.unsupported_claims
    );
    row(&mut out, "Rationales", &words);
    for (head, m) in &metrics.heads {
        let number = |x: Option<f64>| x.map_or("not defined".to_owned(), |x| format!("{x:.3}"));
        let mut text = format!("AUROC {} over {} hours of {} stays", number(m.auroc), m.hours, m.stays);
        if *head == "sepsis" {
            let _ = write!(text, ", normalised utility {}", number(m.utility));
        }
        row(&mut out, &format!("Head {head} against the labels"), &text);
    }
    row(&mut out, "Alerts SHA-256", &metrics.alerts_sha256);
    row(&mut out, "Configuration", &metrics.config);
    out.push_str("</table><h2>Sources</h2>");
    sources(&mut out, outcomes);
    out.push_str("<h2>Alerts</h2><table class=wide><tr><th>Time</th><th>Kind</th><th>Phase</th><th>Priority</th><th>Rationale</th></tr>");
    for alert in alerts.iter().take(500) {
        let cells = [
            alert.at.to_string(),
            alert.kind.name().to_owned(),
            alert.phase.name().to_owned(),
            alert.priority.name().to_owned(),
            alert.rationale.text.clone(),
        ];
        out.push_str("<tr>");
        for cell in cells {
            let _ = write!(out, "<td>{}</td>", escape(&cell));
        }
        out.push_str("</tr>");
    }
    out.push_str("</table>");
    if alerts.len() > 500 {
        let _ = write!(out, "<p>The first 500 of {}; all stand in alerts.ndjson.</p>", alerts.len());
    }
    out.push_str("</body></html>\n");
    out
}

fn sources(out: &mut String, outcomes: &[Outcome]) {
    out.push_str("<table class=wide><tr><th>Source</th><th>Format</th><th>Events</th><th>Frames</th><th>Risks</th><th>Alerts</th><th>Faults</th><th>Risk over time (0 to 1)</th></tr>");
    for (i, o) in outcomes.iter().enumerate() {
        let faults = if o.faults.is_empty() {
            "none".to_owned()
        } else {
            format!("{}: {}", o.faults.len(), o.faults[0])
        };
        let curve = if i < CURVES { curve(o) } else { String::new() };
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{curve}</td></tr>",
            escape(&o.name),
            escape(&o.format),
            o.events(),
            o.frames,
            o.risks.len(),
            o.alerts.len(),
            escape(&faults)
        );
    }
    out.push_str("</table>");
    if outcomes.len() > CURVES {
        let _ = write!(
            out,
            "<p>Curves are drawn for the first {CURVES} sources; all risks stand in risks.parquet.</p>"
        );
    }
}

/// Sepsis (solid) and deterioration (dashed) risk over the stay.
fn curve(outcome: &Outcome) -> String {
    let (Some((first, last)), true) = (outcome.span, outcome.risks.len() > 1) else {
        return String::new();
    };
    let length = last.since(first).as_secs_f64().max(1.0);
    let mut svg = String::from(
        "<svg viewBox='0 0 240 44' width=240 height=44 role=img aria-label='risk over time'><path class=frame d='M0 2H240M0 42H240'/>",
    );
    for (i, class) in ["sepsis", "deterioration"].into_iter().enumerate() {
        let mut d = String::new();
        for row in &outcome.risks {
            if let Some(p) = row.probabilities[i] {
                let x = row.at.since(first).as_secs_f64() / length * 240.0;
                let _ = write!(
                    d,
                    "{}{x:.1} {:.1}",
                    if d.is_empty() { 'M' } else { 'L' },
                    42.0 - f64::from(p) * 40.0
                );
            }
        }
        let _ = write!(svg, "<path class={class} d='{d}'/>");
    }
    svg.push_str("</svg>");
    svg
}

const HEAD: &str = "<!doctype html><html lang=en><head><meta charset=utf-8><title>bedwatch replay report</title><style>
:root{color-scheme:light dark}body{font:16px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:78rem;padding:0 1rem}
table{border-collapse:collapse;margin:.6rem 0}th,td{text-align:left;vertical-align:top;padding:.25rem .7rem .25rem 0;border-bottom:1px solid #8884}
.wide{width:100%;font-size:.92rem}.notice{font-weight:700}svg path{fill:none;stroke-width:1.5}.frame{stroke:#8884}.sepsis{stroke:#c0392b}.deterioration{stroke:#2c6fbb;stroke-dasharray:4 2}
@media print{body{max-width:none}}</style></head><body>";

#[cfg(test)]
mod tests {
    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(super::escape("<b>'\"&\u{7}"), "&lt;b&gt;&#39;&quot;&amp; ");
    }
}
