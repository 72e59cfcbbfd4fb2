//! Plots as SVG: axes with ticks, lines and bars; colours by class, so that dark mode and print work.

use std::fmt::Write;

use super::escape;

const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 36.0;

/// An axis: what it shows and from where to where.
pub(super) struct Axis<'a> {
    pub label: &'a str,
    pub from: f64,
    pub to: f64,
    /// Digits after the point at its ticks.
    pub digits: usize,
}

impl Axis<'_> {
    fn place(&self, value: f64) -> f64 {
        let span = self.to - self.from;
        if span > 0.0 { ((value - self.from) / span).clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// The end of an axis from 0 that holds a value, with round ticks at its quarters.
pub(super) fn round_end(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let quarter = value / f64::from(TICKS);
    let decade = 10_f64.powf(quarter.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    let step = steps.into_iter().map(|s| s * decade).find(|s| *s >= quarter * (1.0 - 1e-9));
    step.unwrap_or(quarter) * f64::from(TICKS)
}

/// One line, with its name and its class (`one`, `two`, `faint`).
pub(super) struct Line<'a> {
    pub name: &'a str,
    pub class: &'a str,
    pub points: Vec<[f64; 2]>,
}

/// A plot of lines; points are marked where there are few.
pub(super) fn lines(title: &str, x: &Axis<'_>, y: &Axis<'_>, lines: &[Line<'_>]) -> String {
    let mut svg = begin(title, x, y);
    for line in lines {
        let mut d = String::new();
        for [px, py] in &line.points {
            let (px, py) = at(x, y, *px, *py);
            let _ = write!(d, "{}{px:.1} {py:.1}", if d.is_empty() { 'M' } else { 'L' });
            if line.points.len() <= 12 && line.class != "faint" {
                let _ = write!(svg, "<circle class={} cx='{px:.1}' cy='{py:.1}' r='2.5'/>", line.class);
            }
        }
        let _ = write!(svg, "<path class={} d='{d}'/>", line.class);
    }
    let names: Vec<(&str, &str)> = lines.iter().map(|l| (l.class, l.name)).collect();
    end(svg, title, &names)
}

/// A plot of bars of equal width over the whole axis.
pub(super) fn bars(title: &str, x: &Axis<'_>, y: &Axis<'_>, bars: &[f64]) -> String {
    let mut svg = begin(title, x, y);
    let width = (WIDTH - LEFT - RIGHT) / bars.len().max(1) as f64;
    for (i, bar) in bars.iter().enumerate() {
        let (_, top) = at(x, y, x.from, *bar);
        let (_, floor) = at(x, y, x.from, y.from);
        let _ = write!(
            svg,
            "<rect class=one x='{:.1}' y='{top:.1}' width='{:.1}' height='{:.1}'/>",
            LEFT + width * i as f64 + 0.5,
            (width - 1.0).max(0.5),
            (floor - top).max(0.0)
        );
    }
    end(svg, title, &[])
}

fn at(x: &Axis<'_>, y: &Axis<'_>, px: f64, py: f64) -> (f64, f64) {
    let (wide, high) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    (LEFT + wide * x.place(px), TOP + high * (1.0 - y.place(py)))
}

const TICKS: u32 = 4;

fn begin(title: &str, x: &Axis<'_>, y: &Axis<'_>) -> String {
    let mut svg = format!(
        "<figure><svg viewBox='0 0 {WIDTH} {HEIGHT}' width={WIDTH} height={HEIGHT} role=img aria-label='{}'>",
        escape(title)
    );
    for i in 0..=TICKS {
        let share = f64::from(i) / f64::from(TICKS);
        let (vx, vy) = (x.from + (x.to - x.from) * share, y.from + (y.to - y.from) * share);
        let (px, _) = at(x, y, vx, y.from);
        let (_, py) = at(x, y, x.from, vy);
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        let _ = write!(
            svg,
            "<path class=frame d='M{px:.1} {TOP}V{bottom}M{LEFT} {py:.1}H{right}'/><text x='{px:.1}' y='{:.1}' text-anchor=middle>{vx:.*}</text><text x='{:.1}' y='{:.1}' text-anchor=end>{vy:.*}</text>",
            bottom + 13.0,
            x.digits,
            LEFT - 4.0,
            py + 3.5,
            y.digits,
        );
    }
    let (middle, centre) = (LEFT + (WIDTH - LEFT - RIGHT) / 2.0, TOP + (HEIGHT - TOP - BOTTOM) / 2.0);
    let _ = write!(
        svg,
        "<text x='{middle}' y='{:.1}' text-anchor=middle>{}</text><text x='11' y='{centre}' text-anchor=middle transform='rotate(-90 11 {centre})'>{}</text>",
        HEIGHT - 5.0,
        escape(x.label),
        escape(y.label)
    );
    svg
}

fn end(mut svg: String, title: &str, names: &[(&str, &str)]) -> String {
    let _ = write!(svg, "</svg><figcaption>{}", escape(title));
    for (class, name) in names {
        let _ = write!(svg, " <span class='key {class}'>{}</span>", escape(name));
    }
    svg.push_str("</figcaption></figure>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_on_round_quarters() {
        for (value, want) in
            [(0.0, 1.0), (1.0, 1.0), (66.0, 80.0), (123.0, 200.0), (0.49, 0.8), (4.0, 4.0), (0.07, 0.08)]
        {
            assert!((round_end(value) - want).abs() < 1e-12, "{value}: {}", round_end(value));
        }
    }

    #[test]
    fn points_lie_inside_and_words_are_words() {
        let x = Axis { label: "<b>", from: 0.0, to: 1.0, digits: 1 };
        let y = Axis { label: "y", from: 0.0, to: 0.0, digits: 0 };
        let line = Line { name: "it's", class: "one", points: vec![[-9.0, 5.0], [f64::MAX, 0.0]] };
        let svg = lines("a 'title'", &x, &y, &[line]);
        assert!(svg.contains("d='M46.0 194.0L330.0 194.0'"), "{svg}");
        assert!(!svg.contains("<b>") && svg.contains("&lt;b&gt;") && svg.contains("it&#39;s"));
        assert!(bars("none", &x, &y, &[]).ends_with("</figure>"));
    }
}
