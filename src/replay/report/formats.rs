//! The kinds of record side by side, what was missing in them, and who wrote the words.

use std::fmt::Write;

use super::{Table, count, escape, list, percent};
use crate::replay::metrics::{Metrics, sentence};

/// A section for each format.
pub(super) fn write(out: &mut String, metrics: &Metrics) {
    if metrics.formats.len() < 2 {
        return;
    }
    out.push_str("<h2>By kind of record</h2>");
    for (name, of) in &metrics.formats {
        let _ = write!(out, "<h3>{}</h3><ul>", escape(name));
        let _ = write!(
            out,
            "<li>{} sources ({} with faults), {:.1} patient-hours, {} events, {} risks</li>",
            count(of.sources),
            of.with_faults,
            of.patient_hours,
            of.events,
            of.risks
        );
        let rate =
            of.alerts_per_bed_day.map_or(String::new(), |r| format!("; {r:.2} clinical ones per bed-day"));
        let raised = if of.raised_by_kind.is_empty() { "none".to_owned() } else { list(&of.raised_by_kind) };
        let _ = write!(out, "<li>Alerts raised: {}{rate}</li>", escape(&raised));
        for (head, m) in &of.heads {
            let _ = write!(out, "<li>Head {}: {}</li>", escape(head), escape(&sentence(m)));
        }
        out.push_str("</ul>");
    }
}

/// What was missing.
pub(super) fn missing(out: &mut String, metrics: &Metrics) {
    if metrics.missing.is_empty() {
        return;
    }
    out.push_str("<h2>What was missing</h2><p>A signal is missing where no value is recent enough to describe the patient. Nothing is filled in: models and rules are told that it is missing.</p>");
    let columns =
        ["Signal", "missing when the models looked", "never there, of sources", "missing at alerts"];
    let mut table = Table::new("", &columns);
    for row in &metrics.missing {
        table.row(&[
            row.signal.to_owned(),
            percent(row.missing_of_passes),
            percent(row.never_of_sources),
            row.missing_of_alerts.to_string(),
        ]);
    }
    table.end(out);
}

/// Who wrote the rationales, and why the template did where it did.
pub(super) fn words(metrics: &Metrics) -> String {
    let all = metrics.rationales_model + metrics.rationales_template;
    let share = if all == 0 { 0.0 } else { metrics.rationales_template as f64 / all as f64 };
    let mut text = format!(
        "{} by the model, {} by template ({})",
        metrics.rationales_model,
        metrics.rationales_template,
        percent(share)
    );
    if !metrics.template_reasons.is_empty() {
        let _ = write!(text, ": {}", list(&metrics.template_reasons));
    }
    let _ = write!(text, "; {} unsupported claims", metrics.unsupported_claims);
    text
}
