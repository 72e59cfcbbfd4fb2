//! Risks against labels: figures with intervals, plots, the scores beside, and groups of people.

use std::fmt::Write;

use super::{
    Table, count, escape, interval, percent,
    plot::{Axis, Line, bars, lines, round_end},
};
use crate::replay::validation::{HeadStudy, Validation};

/// The sections of all heads.
pub(super) fn write(out: &mut String, validation: &Validation) {
    for study in &validation.heads {
        let _ = write!(out, "<h2>Risk of {} against the labels</h2>", escape(study.head));
        figures(out, study);
        plots(out, study);
        rivals(out, study);
        groups(out, study);
    }
}

fn figures(out: &mut String, s: &HeadStudy) {
    let _ = write!(
        out,
        "<p>{} {}{} of {} stays, {} positive. Alerts from a risk of {}. Intervals are 95 %, by drawing whole stays.</p>",
        count(s.rows),
        s.per,
        if s.rows == 1 { "" } else { "s" },
        count(s.stays),
        count(s.positives),
        percent(f64::from(s.operating_point)),
    );
    let mut table = Table::new("", &["", "value", "95 % interval"]);
    for (name, figure) in [
        ("AUROC", s.auroc),
        ("Average precision", s.auprc),
        ("Calibration error", s.calibration_error),
        ("Normalised utility (CinC 2019)", s.utility),
        ("min(sensitivity, predictivity) (CinC 2012)", s.min_sensitivity_predictivity),
    ] {
        if let Some(i) = figure {
            table.row(&[
                name.to_owned(),
                format!("{:.3}", i.value),
                format!("{:.3} to {:.3}", i.low, i.high),
            ]);
        }
    }
    table.end(out);
}

fn plots(out: &mut String, s: &HeadStudy) {
    if s.roc.is_empty() {
        return;
    }
    let unit = |label| Axis { label, from: 0.0, to: 1.0, digits: 2 };
    out.push_str("<div class=plots>");
    let chance = Line { name: "chance", class: "faint", points: vec![[0.0, 0.0], [1.0, 1.0]] };
    let roc = Line { name: "model", class: "one", points: s.roc.clone() };
    out.push_str(&lines("ROC curve", &unit("false positive rate"), &unit("sensitivity"), &[chance, roc]));
    let most = s.reliability.iter().flat_map(|b| [b.said, b.seen]).fold(0.0, f64::max);
    let most = round_end(most);
    let axis = |label| Axis { label, from: 0.0, to: most, digits: if most < 0.2 { 3 } else { 2 } };
    let ideal = Line { name: "as said", class: "faint", points: vec![[0.0, 0.0], [most, most]] };
    let points = s.reliability.iter().map(|b| [b.said, b.seen]).collect();
    let seen = Line { name: "tenths of the rows", class: "one", points };
    out.push_str(&lines("Calibration", &axis("risk said"), &axis("share that came true"), &[ideal, seen]));
    decision(out, s);
    out.push_str("</div>");
}

/// Up to where acting still gains something, by either way.
fn decision(out: &mut String, s: &HeadStudy) {
    let best = s.decision.iter().map(|d| d[1]).fold(0.0, f64::max);
    if best <= 0.0 {
        return;
    }
    let until = s.decision.iter().rfind(|d| d[1].max(d[2]) > best * 0.01).map_or(0.6, |d| d[0]);
    let shown = || s.decision.iter().filter(move |d| d[0] <= until);
    let x = Axis { label: "threshold", from: 0.0, to: round_end(until), digits: 2 };
    let most = round_end(best);
    let y = Axis { label: "net benefit per row", from: 0.0, to: most, digits: 4 };
    let kept = |i: usize| shown().map(move |d| [d[0], d[i]]).filter(|p| p[1] >= 0.0).collect();
    let all = [
        Line { name: "act always", class: "two", points: kept(2) },
        Line { name: "act on the model", class: "one", points: kept(1) },
    ];
    out.push_str(&lines("Decision curve", &x, &y, &all));
}

fn rivals(out: &mut String, s: &HeadStudy) {
    if s.rivals.is_empty() {
        return;
    }
    let mut table = Table::new(
        "The scores that wards go by, on the same rows; unknown counts as lowest",
        &["score", "known", "AUROC", "the model's is higher by"],
    );
    for r in &s.rivals {
        table.row(&[r.score.to_owned(), percent(r.known), interval(r.auroc), interval(r.model_gains)]);
    }
    table.end(out);
}

fn groups(out: &mut String, s: &HeadStudy) {
    if s.groups.is_empty() {
        return;
    }
    let mut columns = vec!["group", "stays", "positive rows", "AUROC", "sensitivity", "false positive rate"];
    let has_utility = s.groups.iter().any(|g| g.utility.is_some());
    columns.extend(has_utility.then_some("utility"));
    let mut table = Table::new("For whom: at the operating point, groups of at least 20 stays", &columns);
    for g in &s.groups {
        let mut cells = vec![
            format!("{}: {}", g.by, g.group),
            count(g.stays),
            count(g.positives),
            interval(g.auroc),
            interval(g.sensitivity),
            interval(g.false_positive_rate),
        ];
        cells.extend(has_utility.then(|| interval(g.utility)));
        table.row(&cells);
    }
    table.end(out);
}

/// Leads as bars, the event at the right.
pub(super) fn leads(title: &str, hours: f64, histogram: &[u32]) -> String {
    let most = histogram.iter().copied().max().unwrap_or(0);
    let x = Axis { label: "hours before the event", from: -hours, to: 0.0, digits: 1 };
    let y = Axis { label: "events", from: 0.0, to: round_end(f64::from(most.max(4))), digits: 0 };
    let latest_last: Vec<f64> = histogram.iter().rev().map(|n| f64::from(*n)).collect();
    bars(title, &x, &y, &latest_last)
}
