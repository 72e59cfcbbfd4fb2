//! What an alert of a single stay rests on: its numbered facts with their sources, what moved the risk,
//! what was missing.

use std::fmt::Write;

use bedwatch_inference::lexicon;
use bedwatch_schemas::{
    alert::Alert,
    evidence::{Band, Direction, Fact},
    time::EventTime,
};

use super::{Table, escape};

/// A closed section below an alert's words.
pub(super) fn write(out: &mut String, alert: &Alert, first: EventTime) {
    let evidence = &alert.evidence;
    if evidence.facts.is_empty() && evidence.missing.is_empty() {
        return;
    }
    out.push_str("<details><summary>evidence</summary>");
    if !evidence.facts.is_empty() {
        let mut table = Table::new("", &["", "value", "hour", "against its limits", "trend", "from"]);
        for fact in &evidence.facts {
            table.row(&row(fact, first));
        }
        table.end(out);
    }
    let moved: Vec<String> = alert
        .attributions
        .iter()
        .map(|a| format!("{} {:+.1} points", lexicon::label(a.subject), a.delta * 100.0))
        .collect();
    line(out, "Moved the risk (the model asked again without it)", &moved);
    let missing: Vec<String> = evidence.missing.iter().map(|m| lexicon::label(m.subject)).collect();
    line(out, "Missing", &missing);
    out.push_str("</details>");
}

fn line(out: &mut String, what: &str, words: &[String]) {
    if !words.is_empty() {
        let _ = write!(out, "<p>{what}: {}.</p>", escape(&words.join(", ")));
    }
}

fn row(fact: &Fact, first: EventTime) -> [String; 6] {
    let value = (fact.value * 100.0).round() / 100.0;
    let trend = fact.trend.map_or("-".to_owned(), |t| match t.direction {
        Direction::Stable => "stable".to_owned(),
        Direction::Rising | Direction::Falling => {
            format!(
                "{} ({:+.2} an hour over {:.0} min)",
                t.direction.name(),
                t.per_hour,
                t.over.as_secs_f64() / 60.0
            )
        }
    });
    let from = fact.provenance.map_or("computed".to_owned(), |p| {
        format!("{}, record {} part {}", p.stream.name(), p.offset, p.part)
    });
    let band = if fact.band == Band::Unknown { "-".to_owned() } else { fact.band.name().replace('_', " ") };
    [
        format!("{} {}", fact.id, lexicon::label(fact.subject)),
        format!("{value} {}", fact.unit.ucum()),
        format!("{:.1}", fact.at.since(first).as_hours_f64()),
        band,
        trend,
        from,
    ]
}
