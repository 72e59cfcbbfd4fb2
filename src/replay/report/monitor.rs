//! Monitor alarms, true or false: counts, score, and one drawn example of each outcome.

use std::fmt::Write;

use super::{Table, count, escape, interval};
use crate::replay::{
    Outcome,
    monitor::{Judged, STRIP, Trace},
    validation::{
        Validation,
        monitor::{MonitorStudy, OUTCOMES, examples, sentence},
    },
};

/// The section; nothing where no monitor alarmed.
pub(super) fn write(out: &mut String, validation: &Validation, outcomes: &[Outcome]) {
    let Some(study) = &validation.monitor_alarms else { return };
    out.push_str("<h2>Monitor alarms: true or false</h2>");
    let _ = write!(out, "<p>{}. <b>{}</b></p>", escape(&sentence(study)), escape(study.caution));
    let bounds = study.bounds;
    let _ = write!(
        out,
        "<p>An alarm of ventricular tachycardia is contradicted where, in the {} s before it, the patient's usual beats never pause for {:.2} s in some ECG lead, or usual pulses never for {:.2} s, or the ECG of the pause repeats itself at 100 to 250/min by less than {:.2}. What cannot be looked at contradicts nothing.</p>",
        study.window_secs, bounds.ecg_interruption_secs, bounds.pulse_interruption_secs, bounds.rhythm
    );
    figures(out, study);
    if study.refused_blocks + study.resets > 0 {
        let _ = write!(
            out,
            "<p>{} blocks of ECG and pulses could not be looked at, {} feeds were begun anew.</p>",
            study.refused_blocks, study.resets
        );
    }
    if study.without_truth + study.not_judged > 0 {
        let _ = write!(
            out,
            "<p>Beside these: {} alarms of which nobody told the truth, {} of other kinds, which nothing here judges. All stand in monitor_alarms.csv.</p>",
            count(study.without_truth),
            count(study.not_judged)
        );
    }
    out.push_str("<div class=plots>");
    let shown = examples(outcomes);
    for (name, outcome, judged) in &shown {
        strip(out, name, &outcome.name, judged);
    }
    out.push_str("</div>");
    for (name, ..) in OUTCOMES.iter().filter(|(name, ..)| shown.iter().all(|s| s.0 != *name)) {
        let _ = write!(out, "<p>No example of: {name}.</p>");
    }
}

fn figures(out: &mut String, study: &MonitorStudy) {
    let mut table =
        Table::new("", &["", "true alarms", "false alarms", "share of them contradicted (95 %, Wilson)"]);
    let both = |a: usize, b: usize| [count(a), count(b)];
    let [kept_true, kept_false] = both(study.true_kept, study.false_kept);
    let [lost, suppressed] = both(study.true_lost, study.false_suppressed);
    table.row(&["not contradicted".to_owned(), kept_true, kept_false, String::new()]);
    let shares = format!("true: {}; false: {}", interval(study.lost), interval(study.suppressed));
    table.row(&["contradicted".to_owned(), lost, suppressed, shares]);
    for (support, [true_ones, false_ones]) in &study.by_support {
        let [a, b] = both(*true_ones, *false_ones);
        table.row(&[format!("- {}", support.replace('_', " ")), a, b, String::new()]);
    }
    table.end(out);
    let _ = write!(
        out,
        "<p>Score of the challenge of 2015, (TP + TN) / (TP + TN + FP + 5 FN): {}.</p>",
        escape(&interval(study.score))
    );
}

const WIDTH: f64 = 560.0;
const LEFT: f64 = 52.0;
const BAND: f64 = 56.0;
const TICKS: f64 = 16.0;

/// The last seconds before an alarm: each channel in a band of its own, scaled to what it spans.
fn strip(out: &mut String, name: &str, record: &str, judged: &Judged) {
    let height = BAND * judged.strip.len() as f64 + TICKS;
    let title = format!("{record}: {name}");
    let _ = write!(
        out,
        "<figure><svg viewBox='0 0 {WIDTH} {height}' width={WIDTH} height={height} role=img aria-label='{}'>",
        escape(&title)
    );
    let secs = STRIP.as_secs_f64();
    let x = |age_secs: f64| WIDTH - age_secs / secs * (WIDTH - LEFT);
    for tick in 0..=10 {
        let age = secs * f64::from(tick) / 10.0;
        let _ = write!(out, "<path class=frame d='M{:.1} 0V{:.1}'/>", x(age), height - TICKS);
        if tick % 2 == 0 && tick > 0 {
            let _ = write!(out, "<text x='{:.1}' y='{:.1}'>-{age:.0} s</text>", x(age) - 8.0, height - 4.0);
        }
    }
    for (i, trace) in judged.strip.iter().enumerate() {
        let top = BAND * i as f64;
        let class = if i + 1 == judged.strip.len() && i > 0 { "two" } else { "one" };
        let _ =
            write!(out, "<text x='0' y='{:.1}'>{}</text>", top + BAND / 2.0, escape(&shown(&trace.label)));
        let _ = write!(out, "<path class='{class} strip' d='{}'/>", line(trace, top, x));
    }
    out.push_str("</svg><figcaption>");
    let figure = |name: &str, x: Option<f64>, unit: &str| {
        x.map_or(String::new(), |x| format!(", {name} {x:.2}{unit}"))
    };
    let figures = judged.evidence.map_or(String::new(), |e| {
        [
            figure("no usual beat for", e.ecg_interruption_secs, " s"),
            figure("no usual pulse for", e.pulse_interruption_secs, " s"),
            figure("rhythm", e.rhythm, ""),
        ]
        .concat()
    });
    let support = judged.support().map_or("not judged", |s| s.name()).replace('_', " ");
    let _ = write!(out, "{}</figcaption></figure>", escape(&format!("{title} ({support}{figures})")));
}

/// A label that fits before its line.
fn shown(label: &str) -> String {
    label.chars().take(8).collect()
}

/// A channel as a path, broken where samples are missing.
fn line(trace: &Trace, top: f64, x: impl Fn(f64) -> f64) -> String {
    let finite = || trace.points.iter().map(|[_, value]| *value).filter(|v| v.is_finite());
    let (low, high) = (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max));
    let span = f64::from(high - low).max(1e-9);
    let (mut d, mut pen) = (String::new(), 'M');
    for [before_secs, value] in &trace.points {
        if !value.is_finite() {
            pen = 'M';
            continue;
        }
        let y = top + 4.0 + (BAND - 8.0) * (1.0 - f64::from(value - low) / span);
        let _ = write!(d, "{pen}{:.1} {y:.1}", x(f64::from(*before_secs)));
        pen = 'L';
    }
    d
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::validation::{self, monitor::tests::ward};

    #[test]
    fn the_section_holds_figures_strips_and_no_markup_of_the_source() {
        let outcomes = ward();
        let mut out = String::new();
        write(&mut out, &validation::of(&outcomes), &outcomes);
        for wanted in [
            "Monitor alarms: true or false",
            "6 of 10 false ones contradicted",
            "An annotation: no alarm of a monitor is withheld",
            "v3: true alarm, contradicted (usual beats, no usual beat for 1.00 s, rhythm 0.90)",
            "&lt;II&gt;",
        ] {
            assert!(out.contains(wanted), "{wanted} is missing: {out}");
        }
        assert_eq!(out.matches("<figure>").count(), 4);
        assert!(!out.contains("NaN") && !out.contains("<II>"));
        let mut nothing = String::new();
        write(&mut nothing, &validation::of(&[]), &[]);
        assert!(nothing.is_empty());
    }

    #[test]
    fn a_missing_sample_breaks_the_line() {
        let points = vec![[4.0, 0.0], [3.0, f32::NAN], [2.0, 1.0], [1.0, 0.5]];
        assert_eq!(
            line(&Trace { label: String::new(), points }, 0.0, |secs| secs),
            "M4.0 52.0M2.0 4.0L1.0 28.0"
        );
    }
}
