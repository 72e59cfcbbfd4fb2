//! `compare.html`: one file that opens without a network, the recommendation first. And the same in a few
//! sentences for a terminal.

use std::fmt::Write;

use super::{
    Comparison,
    matching::{Fate, LISTED},
    paired::Paired,
    rule::Verdict,
};
use crate::replay::report::{Table, count, escape, page};

/// The verdict in a sentence.
#[must_use]
pub fn verdict(c: &Comparison) -> String {
    match c.recommendation.verdict {
        Verdict::Promote => "Recommended: promote the candidate.".to_owned(),
        Verdict::Hold => "Recommended: hold the candidate.".to_owned(),
        Verdict::NothingChanged => "Nothing changed.".to_owned(),
    }
}

/// The outcome in sentences.
#[must_use]
pub fn sentences(c: &Comparison) -> Vec<String> {
    let mut all = vec![verdict(c)];
    all.extend(c.recommendation.because.iter().map(|why| format!("- {why}")));
    if !c.same_data {
        all.push("The two runs read other records: nothing here is like for like.".to_owned());
    }
    let sum = |of: fn(&super::matching::Kind) -> usize| c.alerts.by_kind.values().map(of).sum::<usize>();
    all.push(format!(
        "Alerts: {} in a, {} in b; {} the same, {} appeared, {} vanished, {} earlier, {} later, {} with another priority.",
        sum(|k| k.a),
        sum(|k| k.b),
        sum(|k| k.same),
        sum(|k| k.appeared),
        sum(|k| k.vanished),
        sum(|k| k.earlier),
        sum(|k| k.later),
        sum(|k| k.reprioritised),
    ));
    if let Some(burden) = &c.burden {
        all.push(format!("Clinical alerts per bed-day: {:.3} in a, {:.3} in b.", burden.a, burden.b));
    }
    all.push(format!("{} versions or settings differ.", c.changed.len()));
    all
}

/// Writes the page.
#[must_use]
pub fn html(c: &Comparison, names: [&str; 2]) -> String {
    let mut out = page("bedwatch comparison");
    let _ = write!(out, "<h1>Comparison of two replays</h1><p class=notice>{}</p>", escape(c.notice));
    let _ = write!(out, "<p>a, in force: {}. b, the candidate: {}.</p>", escape(names[0]), escape(names[1]));
    if !c.same_data {
        out.push_str("<p class=notice>The two runs read other records: nothing here is like for like.</p>");
    }
    let _ = write!(out, "<h2>{}</h2><ul>", escape(&verdict(c)));
    for why in &c.recommendation.because {
        let _ = write!(out, "<li>{}</li>", escape(why));
    }
    out.push_str("</ul>");
    let mut table = Table::new("The rule", &["condition", "met", "seen"]);
    for condition in &c.recommendation.conditions {
        let met = condition.met.map_or("cannot be judged", |met| if met { "yes" } else { "no" });
        table.row(&[condition.rule.clone(), met.to_owned(), condition.seen.clone()]);
    }
    table.end(&mut out);
    changed(&mut out, c);
    alerts(&mut out, c);
    figures(&mut out, c);
    out.push_str("</body></html>\n");
    out
}

fn changed(out: &mut String, c: &Comparison) {
    out.push_str("<h2>Versions and settings that differ</h2>");
    if c.changed.is_empty() {
        out.push_str("<p>None.</p>");
        return;
    }
    let mut table = Table::new("", &["", "a", "b"]);
    for change in &c.changed {
        table.row(&[change.what.clone(), change.a.clone(), change.b.clone()]);
    }
    table.end(out);
}

fn alerts(out: &mut String, c: &Comparison) {
    out.push_str("<h2>Alerts</h2>");
    let by = |minutes: Option<f64>| minutes.map_or(String::new(), |m| format!(" (median {m:.1} min)"));
    let mut table = Table::new(
        "By kind",
        &[
            "kind",
            "a",
            "b",
            "the same",
            "appeared (withheld in a)",
            "vanished (withheld in b)",
            "earlier",
            "later",
            "other priority",
        ],
    );
    for (name, k) in &c.alerts.by_kind {
        table.row(&[
            (*name).to_owned(),
            count(k.a),
            count(k.b),
            count(k.same),
            format!("{} ({})", count(k.appeared), count(k.appeared_withheld_before)),
            format!("{} ({})", count(k.vanished), count(k.vanished_withheld_now)),
            format!("{}{}", count(k.earlier), by(k.earlier_by_minutes)),
            format!("{}{}", count(k.later), by(k.later_by_minutes)),
            count(k.reprioritised),
        ]);
    }
    table.end(out);
    if c.alerts.differences.is_empty() {
        return;
    }
    let mut table =
        Table::new("One by one", &["alert", "kind", "what became of it", "raised in a", "raised in b"]);
    for d in &c.alerts.differences {
        let fate = match (d.fate, d.withheld) {
            (Fate::Appeared, false) => "appeared",
            (Fate::Appeared, true) => "appeared; withheld in a",
            (Fate::Vanished, false) => "vanished",
            (Fate::Vanished, true) => "vanished; withheld in b",
            (Fate::Earlier, _) => "earlier",
            (Fate::Later, _) => "later",
            (Fate::Reprioritised, _) => "other priority",
        };
        let at = |t: Option<bedwatch_schemas::time::EventTime>| t.map_or("-".to_owned(), |t| t.to_string());
        table.row(&[d.alert.to_string(), d.kind.to_owned(), fate.to_owned(), at(d.a), at(d.b)]);
    }
    table.end(out);
    if c.alerts.count > LISTED {
        let _ = write!(out, "<p>The first {LISTED} of {}.</p>", count(c.alerts.count));
    }
}

fn figures(out: &mut String, c: &Comparison) {
    out.push_str("<h2>Figures on the same stays</h2><p>Differences are b less a with 95 % intervals, by drawing the same stays for both.</p>");
    let cells = |name: String, pair: &Paired| {
        let d = pair.difference;
        [
            name,
            format!("{:.4}", pair.a),
            format!("{:.4}", pair.b),
            format!("{:+.4} ({:+.4} to {:+.4})", d.value, d.low, d.high),
        ]
    };
    let mut table = Table::new("", &["", "a", "b", "difference"]);
    if let Some(burden) = &c.burden {
        table.row(&cells("clinical alerts per bed-day".to_owned(), burden));
    }
    for h in &c.heads {
        for (figure, pair) in [
            ("AUROC", &h.auroc),
            ("average precision", &h.auprc),
            ("calibration error", &h.calibration_error),
            ("normalised utility", &h.utility),
        ] {
            if let Some(pair) = pair {
                table.row(&cells(format!("{}: {figure}", h.head), pair));
            }
        }
    }
    table.end(out);
    for h in &c.heads {
        let _ = write!(
            out,
            "<p>{}: {} rows by {} of {} stays in both, {} positive; {} only in a, {} only in b.</p>",
            escape(&h.head),
            count(h.rows),
            escape(&h.per),
            count(h.stays),
            count(h.positives),
            count(h.only[0]),
            count(h.only[1]),
        );
    }
    if c.events.is_empty() {
        return;
    }
    let mut table = Table::new(
        "Events foretold",
        &["event", "by alerts", "events", "a", "b", "difference", "only by a", "only by b", "McNemar p"],
    );
    for e in &c.events {
        let [_, a, b, difference] =
            e.foretold.map_or_else(|| ["-"; 4].map(str::to_owned), |pair| cells(String::new(), &pair));
        table.row(&[
            e.definition.clone(),
            e.kind.clone(),
            count(e.events),
            a,
            b,
            difference,
            count(e.only_a),
            count(e.only_b),
            format!("{:.4}", e.p),
        ]);
    }
    table.end(out);
}
