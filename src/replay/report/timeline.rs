//! Single stays: signals, risk, alerts and events over time, with every rationale. A few of each verdict,
//! the first of them in the order of the sources: foretold, missed, cried wolf.

use std::fmt::Write;

use bedwatch_schemas::{
    alert::{Alert, Phase},
    risk::Head,
    time::EventTime,
};

use super::{escape, evidence};
use crate::replay::{
    Outcome,
    outcome::DRAWN,
    validation::alarms::{Definition, Verdict, events, verdict},
};

/// Stays shown of each verdict.
const SHOWN: usize = 3;
/// Alerts told of one stay.
const TOLD: usize = 25;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 150.0;
const STRIP: f64 = 46.0;
const GAP: f64 = 8.0;

/// The section, empty where no source says what happened.
pub(super) fn write(out: &mut String, outcomes: &[Outcome]) {
    for of in Definition::ALL {
        let verdicts: Vec<_> = outcomes.iter().map(|o| verdict(o, of)).collect();
        if verdicts.iter().all(Option::is_none) {
            continue;
        }
        let _ = write!(out, "<h2>Single stays: {}</h2>", escape(of.name()));
        for which in Verdict::ALL {
            let all = || outcomes.iter().zip(&verdicts).filter(|(_, v)| **v == Some(which));
            let words = match which {
                Verdict::Foretold => "An alert stood before the event",
                Verdict::Missed => "No alert stood before the event",
                Verdict::FalseAlarm => "An alert, and no event",
            };
            let _ = write!(out, "<h3>{words}: {} stays</h3>", all().count());
            for (outcome, _) in all().take(SHOWN) {
                stay(out, outcome, of);
            }
        }
    }
}

/// Time on the page.
struct Scale {
    first: EventTime,
    seconds: f64,
}

impl Scale {
    fn x(&self, at: EventTime) -> f64 {
        LEFT + (WIDTH - LEFT - 6.0) * (at.since(self.first).as_secs_f64() / self.seconds).clamp(0.0, 1.0)
    }
}

fn stay(out: &mut String, outcome: &Outcome, of: Definition) {
    let Some((first, last)) = outcome.span else { return };
    let scale = Scale { first, seconds: last.since(first).as_secs_f64().max(1.0) };
    let hours = scale.seconds / 3_600.0;
    let _ = write!(out, "<details><summary>{}, {hours:.0} hours</summary>", escape(&outcome.name));
    let mut strips = String::new();
    let mut top = 4.0;
    for (i, (name, unit, _)) in DRAWN.into_iter().enumerate() {
        let points: Vec<(EventTime, f64)> = outcome
            .trace
            .0
            .iter()
            .map(|(at, v)| (*at, f64::from(v[i])))
            .filter(|p| p.1.is_finite())
            .collect();
        if !points.is_empty() {
            strip(&mut strips, &scale, top, &format!("{name}, {unit}"), "one", &points);
            top += STRIP + GAP;
        }
    }
    for (head, class) in [(Head::Sepsis, "one"), (Head::Deterioration, "two")] {
        let risk =
            |r: &crate::replay::RiskRow| Some((r.at, f64::from(r.probabilities[head.index()]?) * 100.0));
        let points: Vec<_> = outcome.risks.iter().filter_map(risk).collect();
        if !points.is_empty() {
            strip(&mut strips, &scale, top, &format!("risk of {}, %", head.name()), class, &points);
            top += STRIP + GAP;
        }
    }
    let marks = marks(&scale, outcome, of, top);
    let height = top + 36.0;
    let _ = write!(
        out,
        "<svg viewBox='0 0 {WIDTH} {height}' width={WIDTH} height={height} role=img aria-label='course of the stay'>{marks}{strips}<text x='{LEFT}' y='{:.1}'>0 h</text><text x='{:.1}' y='{:.1}' text-anchor=end>{hours:.0} h</text></svg>",
        height - 4.0,
        WIDTH - 6.0,
        height - 4.0
    );
    alerts(out, outcome, first);
    out.push_str("</details>");
}

/// One signal in its own range.
fn strip(svg: &mut String, scale: &Scale, top: f64, label: &str, class: &str, points: &[(EventTime, f64)]) {
    let low = points.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    let span = (high - low).max(1e-6);
    let bottom = top + STRIP;
    let mut d = String::new();
    for (at, value) in points {
        let y =
            if high > low { bottom - 3.0 - (STRIP - 6.0) * (value - low) / span } else { top + STRIP / 2.0 };
        let _ = write!(d, "{}{:.1} {y:.1}", if d.is_empty() { 'M' } else { 'L' }, scale.x(*at));
    }
    if points.len() == 1 {
        d.push_str("h2");
    }
    let digits = usize::from(span < 10.0);
    let _ = write!(
        svg,
        "<path class=frame d='M{LEFT} {top}H{WIDTH}M{LEFT} {bottom}H{WIDTH}'/><path class={class} d='{d}'/><text x='0' y='{:.1}'>{}</text><text x='{:.1}' y='{:.1}' text-anchor=end>{high:.digits$}</text><text x='{:.1}' y='{bottom:.1}' text-anchor=end>{low:.digits$}</text>",
        top + STRIP / 2.0,
        escape(label),
        LEFT - 4.0,
        top + 9.0,
        LEFT - 4.0,
    );
}

/// Events as bands over all strips, alerts as triangles below them.
fn marks(scale: &Scale, outcome: &Outcome, of: Definition, bottom: f64) -> String {
    let mut svg = String::new();
    for event in events(outcome, of).unwrap_or_default() {
        let (from, to) = (scale.x(event.at), scale.x(event.over).max(scale.x(event.at) + 2.0));
        let _ = write!(
            svg,
            "<rect class=event x='{from:.1}' y='0' width='{:.1}' height='{bottom:.1}'><title>{}</title></rect>",
            to - from,
            escape(of.name())
        );
    }
    for (number, alert) in (1..).zip(clinical(outcome)) {
        let x = scale.x(alert.at);
        let _ = write!(
            svg,
            "<path class=alert d='M{x:.1} {bottom:.1}l-4 8h8z'><title>{}</title></path>",
            escape(alert.kind.name())
        );
        if number <= TOLD {
            let _ =
                write!(svg, "<text x='{x:.1}' y='{:.1}' text-anchor=middle>{number}</text>", bottom + 18.0);
        }
    }
    svg
}

fn clinical(outcome: &Outcome) -> impl Iterator<Item = &Alert> {
    outcome.alerts.iter().filter(|a| a.phase == Phase::Raised && !a.kind.is_technical())
}

fn alerts(out: &mut String, outcome: &Outcome, first: EventTime) {
    out.push_str("<ol>");
    for alert in clinical(outcome).take(TOLD) {
        let _ = write!(
            out,
            "<li>{:.1} h, {}, {}: {}",
            alert.at.since(first).as_hours_f64(),
            escape(alert.kind.name()),
            escape(alert.priority.name()),
            escape(&alert.rationale.text)
        );
        evidence::write(out, alert, first);
        out.push_str("</li>");
    }
    out.push_str("</ol>");
    let more = clinical(outcome).count().saturating_sub(TOLD);
    if more > 0 {
        let _ = write!(out, "<p>And {more} more, in alerts.ndjson.</p>");
    }
}
