//! `report.html` of a replay: one file that opens without a network, from the summary down to single
//! sources.

mod alarms;
mod evidence;
mod formats;
mod heads;
mod monitor;
mod plot;
mod provenance;
mod timeline;

use std::{collections::BTreeMap, fmt::Write};

use bedwatch_schemas::{NOTICE, alert::Alert};

use super::{
    Outcome,
    metrics::{Metrics, sentence},
    validation::interval::Interval,
};

/// Text made safe for HTML.
pub(crate) fn escape(text: &str) -> String {
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

/// A number with blanks between thousands.
pub(crate) fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    out
}

fn list<K: std::fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    counts.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent != 0.0 && percent < 10.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

fn interval(i: Option<Interval>) -> String {
    i.map_or("-".to_owned(), |i| {
        let digits = if i.value != 0.0 && i.value.abs() < 0.1 { 4 } else { 3 };
        format!("{:.digits$} ({:.digits$} to {:.digits$})", i.value, i.low, i.high)
    })
}

/// A table in the making.
pub(crate) struct Table(String);

impl Table {
    pub(crate) fn new(caption: &str, columns: &[&str]) -> Self {
        let mut html = String::from("<div class=scroll><table>");
        if !caption.is_empty() {
            let _ = write!(html, "<caption>{}</caption>", escape(caption));
        }
        html.push_str("<tr>");
        for column in columns {
            let _ = write!(html, "<th scope=col>{}</th>", escape(column));
        }
        html.push_str("</tr>");
        Self(html)
    }

    pub(crate) fn row(&mut self, cells: &[String]) {
        self.0.push_str("<tr>");
        for (i, cell) in cells.iter().enumerate() {
            let (begin, end) = if i == 0 { ("<th scope=row>", "</th>") } else { ("<td>", "</td>") };
            let _ = write!(self.0, "{begin}{}{end}", escape(cell));
        }
        self.0.push_str("</tr>");
    }

    pub(crate) fn end(self, out: &mut String) {
        out.push_str(&self.0);
        out.push_str("</table></div>");
    }
}

/// The beginning of a page: its title and its style.
pub(crate) fn page(title: &str) -> String {
    HEAD.replace("bedwatch replay report", &escape(title))
}

/// Sources shown with a curve of their risks.
const CURVES: usize = 40;

/// Sources listed; at most so many without faults.
const LISTED: usize = 500;

/// Writes the report: one self-contained file.
#[must_use]
pub fn html(outcomes: &[Outcome], alerts: &[&Alert], metrics: &Metrics) -> String {
    let mut out = String::from(HEAD);
    let row = |out: &mut String, label: &str, value: &str| {
        let _ = write!(out, "<tr><th scope=row>{}</th><td>{}</td></tr>", escape(label), escape(value));
    };
    let _ = write!(out, "<h1>Replay report</h1><p class=notice>{}</p>", escape(NOTICE));
    alarms::summary(&mut out, &metrics.validation);
    out.push_str("<h2>What was replayed</h2><div class=scroll><table>");
    row(&mut out, "Sources", &format!("{} ({} with faults)", metrics.sources, metrics.sources_with_faults));
    row(&mut out, "Patient-hours", &format!("{:.1}", metrics.patient_hours));
    row(
        &mut out,
        "Records, frames, risks",
        &format!("{}, {}, {}", metrics.records, metrics.frames, metrics.risks),
    );
    row(&mut out, "Events", &list(&metrics.events_by_stream));
    let [decoded, skipped, rejected] = metrics.units;
    row(
        &mut out,
        "Message units",
        &format!("{decoded} decoded, {skipped} skipped by rule, {rejected} rejected"),
    );
    if !metrics.left_out.is_empty() {
        row(&mut out, "Left out by the readers", &list(&metrics.left_out));
    }
    row(&mut out, "Alerts raised", &list(&metrics.raised_by_kind));
    if let Some(rate) = metrics.alerts_per_bed_day {
        row(&mut out, "Clinical alerts per bed-day", &format!("{rate:.2}"));
    }
    let withheld = metrics.burden.sentence();
    if !withheld.is_empty() {
        row(&mut out, "Alerts withheld", &withheld);
    }
    row(&mut out, "Dead letters", &metrics.dead_letters.to_string());
    row(&mut out, "Rationales", &formats::words(metrics));
    for (head, m) in &metrics.heads {
        row(&mut out, &format!("Head {head} against the labels"), &sentence(m));
        for (site, m) in &m.sites {
            row(&mut out, &format!("Head {head}, {site}"), &sentence(m));
        }
    }
    out.push_str("</table></div>");
    provenance::known_times(&mut out, &metrics.known_times);
    provenance::sepsis(&mut out, metrics.sepsis3.as_ref());
    formats::write(&mut out, metrics);
    alarms::write(&mut out, &metrics.validation);
    heads::write(&mut out, &metrics.validation);
    monitor::write(&mut out, &metrics.validation, outcomes);
    alarms::burden(&mut out, outcomes, alerts);
    timeline::write(&mut out, outcomes);
    formats::missing(&mut out, metrics);
    out.push_str("<h2>Sources</h2>");
    sources(&mut out, outcomes);
    out.push_str("<h2>Alerts</h2><div class=scroll><table class=wide><tr><th>Time</th><th>Kind</th><th>Phase</th><th>Priority</th><th>Rationale</th></tr>");
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
    out.push_str("</table></div>");
    if alerts.len() > 500 {
        let _ = write!(out, "<p>The first 500 of {}; all stand in alerts.ndjson.</p>", alerts.len());
    }
    versions(&mut out, metrics);
    out.push_str("</body></html>\n");
    out
}

/// What the report rests on: with the same of each, the same report comes out, byte for byte.
fn versions(out: &mut String, metrics: &Metrics) {
    let v = &metrics.versions;
    out.push_str("<h2>What this rests on</h2>");
    let mut table = Table::new("", &["", "version", "hash"]);
    let (rests, program) = (&v.rests, format!("BLAKE3 {}", v.rests.engine_blake3));
    table.row(&["bedwatch".to_owned(), rests.engine.to_owned(), program]);
    for model in &rests.models {
        table.row(&[model.name.clone(), model.version.clone(), format!("SHA-256 {}", model.sha256)]);
    }
    table.row(&["configuration".to_owned(), "-".to_owned(), rests.config.clone()]);
    table.row(&["data, as read".to_owned(), "-".to_owned(), format!("BLAKE3 {}", v.data)]);
    table.row(&["alerts.ndjson".to_owned(), "-".to_owned(), format!("SHA-256 {}", metrics.alerts_sha256)]);
    table.end(out);
}

fn sources(out: &mut String, outcomes: &[Outcome]) {
    out.push_str("<div class=scroll><table class=wide><tr><th>Source</th><th>Format</th><th>Events</th><th>Frames</th><th>Risks</th><th>Alerts</th><th>Faults</th><th>Risk over time (0 to 1)</th></tr>");
    // Those with faults always: what went wrong must be found here.
    let shown = |(i, o): &(usize, &Outcome)| *i < LISTED || !o.faults.is_empty();
    for (i, o) in outcomes.iter().enumerate().filter(shown) {
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
    out.push_str("</table></div>");
    if outcomes.len() > CURVES {
        let _ = write!(
            out,
            "<p>The first {LISTED} sources and all with faults, curves of the first {CURVES}; all sources stand in sources.csv, all risks in risks.parquet.</p>"
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

const HEAD: &str = "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'><title>bedwatch replay report</title><style>
:root{color-scheme:light dark;--one:#1f6fb2;--two:#b4531a;--grid:#8884;--text:#333}
@media (prefers-color-scheme:dark){:root{--one:#6db3f2;--two:#f0a36b;--text:#ddd}}
body{font:16px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:78rem;padding:0 1rem}
h2{margin:1.8rem 0 .4rem}.scroll{overflow-x:auto}caption{text-align:left;font-weight:600;padding:.3rem 0}
table{border-collapse:collapse;margin:.6rem 0;font-variant-numeric:tabular-nums}th,td{text-align:left;vertical-align:top;padding:.25rem .9rem .25rem 0;border-bottom:1px solid var(--grid)}
th[scope=row]{font-weight:500}.wide{width:100%;font-size:.92rem}.notice{font-weight:700}
.plots{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;max-width:100%}figcaption{font-size:.92rem}svg{max-width:100%;height:auto}svg text{font-size:10px;fill:var(--text)}
svg path{fill:none;stroke-width:1.5}path.strip{stroke-width:1;stroke-dasharray:none!important}.frame{stroke:var(--grid);stroke-width:1!important}path.one,path.sepsis{stroke:var(--one)}path.two,path.deterioration{stroke:var(--two);stroke-dasharray:5 3}path.faint{stroke:#888;stroke-dasharray:2 3}
rect.event{fill:#c77;opacity:.28}path.alert{fill:var(--two)}summary{cursor:pointer;padding:.3rem 0;font-weight:600}circle.one,rect.one{fill:var(--one)}circle.two{fill:var(--two)}.key{white-space:nowrap;margin-left:.6rem}.key::before{content:'\\2014\\a0'}.key.one::before{color:var(--one)}.key.two::before{color:var(--two);content:'\\2013\\2009\\2013\\a0'}.key.faint::before{color:#888;content:'\\b7\\b7\\b7\\a0'}
@media print{body{max-width:none}figure,tr{break-inside:avoid}}</style></head><body>";

#[cfg(test)]
mod tests {
    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(super::escape("<b>'\"&\u{7}"), "&lt;b&gt;&#39;&quot;&amp; ");
    }
}
