//! Figures of two runs over the same stays: each difference with its interval from resamples that draw
//! the same stays for both, so that what is hard about a stay is hard for both.

use std::collections::BTreeMap;

use bedwatch_schemas::risk::Head;
use serde::Serialize;

use super::read::{Event, Stay, Truth};
use crate::replay::{
    challenge,
    labels::{Scored, Standard},
    validation::{
        interval::{Interval, Resamples},
        ranked::Ranked,
    },
};

/// A figure of both runs and their difference, `b` less `a`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Paired {
    /// In force.
    pub a: f64,
    /// The candidate's.
    pub b: f64,
    /// `b - a`, 95 %.
    pub difference: Interval,
}

/// A head of both runs on the rows that both scored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeadPair {
    /// The head.
    pub head: String,
    /// `hour`, `moment` or `stay`.
    pub per: String,
    /// Stays.
    pub stays: usize,
    /// Rows of both.
    pub rows: usize,
    /// Positive ones.
    pub positives: usize,
    /// Rows that only `a` scored, only `b`.
    pub only: [usize; 2],
    /// Where the head alerts in `a`, in `b`.
    pub operating_points: [Option<f32>; 2],
    /// Area under the ROC curve.
    pub auroc: Option<Paired>,
    /// Average precision.
    pub auprc: Option<Paired>,
    /// Calibration error.
    pub calibration_error: Option<Paired>,
    /// The challenge's normalised utility, each at its operating point (sepsis by the hour).
    pub utility: Option<Paired>,
}

/// Events of one definition with what one kind of alert did for them in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventPair {
    /// What an event is.
    pub definition: String,
    /// The kind of alert, or `any`.
    pub kind: String,
    /// Events in both.
    pub events: usize,
    /// Share foretold.
    pub foretold: Option<Paired>,
    /// Foretold by `a` alone.
    pub only_a: usize,
    /// Foretold by `b` alone.
    pub only_b: usize,
    /// McNemar's exact test of these two (two-sided binomial): how likely so uneven a split, or one more
    /// so, would be if neither were better. Events of one stay are taken for independent.
    pub p: f64,
}

type Key<'a> = (&'a str, Option<i64>, usize);

/// The rows of a head by source, time and, where two have the same, their order.
fn keyed<'a>(truths: &'a [Truth], head: &str, per: &str) -> BTreeMap<Key<'a>, &'a Truth> {
    let mut all = BTreeMap::new();
    let mut seen: BTreeMap<(&str, Option<i64>), usize> = BTreeMap::new();
    for row in truths.iter().filter(|t| t.head == head && t.per == per) {
        let nth = seen.entry((&row.source, row.at)).or_default();
        all.insert((row.source.as_str(), row.at, *nth), row);
        *nth += 1;
    }
    all
}

/// Compares every head that either run scored.
#[must_use]
pub fn heads(a: &[Truth], b: &[Truth]) -> Vec<HeadPair> {
    let mut names: Vec<(&str, &str)> = Vec::new();
    for row in a.iter().chain(b) {
        let name = (row.head.as_str(), row.per.as_str());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().map(|(name, per)| head(a, b, name, per)).collect()
}

fn head(a: &[Truth], b: &[Truth], name: &str, per: &str) -> HeadPair {
    let (of_a, of_b) = (keyed(a, name, per), keyed(b, name, per));
    let both: Vec<Key<'_>> = of_a.keys().filter(|k| of_b.contains_key(*k)).copied().collect();
    let scored = |rows: &BTreeMap<Key<'_>, &Truth>| -> Vec<Vec<Scored>> {
        let mut stays: BTreeMap<&str, Vec<Scored>> = BTreeMap::new();
        for key in &both {
            let row = rows[key];
            stays.entry(key.0).or_default().push(Scored { truth: row.truth, risk: row.risk });
        }
        stays.into_values().collect()
    };
    let (stays_a, stays_b) = (scored(&of_a), scored(&of_b));
    let [ranked_a, ranked_b] = [&stays_a, &stays_b].map(|s| Ranked::new(s.iter().map(Vec::as_slice)));
    let resamples = Resamples::new(stays_a.len(), both.len());
    let of = |statistic: &dyn Fn(&Ranked, &[u16]) -> Option<f64>| {
        pair(&resamples, |n| statistic(&ranked_a, n), |n| statistic(&ranked_b, n))
    };
    let point = |rows: &BTreeMap<Key<'_>, &Truth>| rows.values().next().map(|t| t.operating_point);
    let operating_points = [point(&of_a), point(&of_b)];
    let of_sepsis = Standard::of(Head::Sepsis).iter().any(|s| s.name(Head::Sepsis) == name);
    let is_challenge = of_sepsis && per == "hour";
    HeadPair {
        head: name.to_owned(),
        per: per.to_owned(),
        stays: stays_a.len(),
        rows: both.len(),
        positives: both.iter().filter(|k| of_a[*k].truth).count(),
        only: [of_a.len() - both.len(), of_b.len() - both.len()],
        operating_points,
        auroc: of(&|r, n| r.auroc(n)),
        auprc: of(&|r, n| r.auprc(n)),
        calibration_error: of(&|r, n| r.calibration_error(n)),
        utility: match operating_points {
            [Some(a), Some(b)] if is_challenge => utility([&stays_a, &stays_b], [a, b], &resamples),
            _ => None,
        },
    }
}

fn utility(stays: [&[Vec<Scored>]; 2], points: [f32; 2], resamples: &Resamples) -> Option<Paired> {
    let each = |i: usize| -> Vec<[f64; 3]> {
        let alarm = |s: &Scored| (s.truth, s.risk >= points[i]);
        stays[i].iter().map(|s| challenge::utility(&s.iter().map(alarm).collect::<Vec<_>>())).collect()
    };
    let of = [each(0), each(1)];
    let normalised = |i: usize, counts: &[u16]| {
        let weighed = |(n, u): (&u16, &[f64; 3])| u.map(|x| x * f64::from(*n));
        challenge::normalised(&counts.iter().zip(&of[i]).map(weighed).collect::<Vec<_>>())
    };
    pair(resamples, |n| normalised(0, n), |n| normalised(1, n))
}

/// A statistic of both over the same draws.
fn pair(
    resamples: &Resamples,
    a: impl Fn(&[u16]) -> Option<f64>,
    b: impl Fn(&[u16]) -> Option<f64>,
) -> Option<Paired> {
    let difference = resamples.interval(|n| Some(b(n)? - a(n)?))?;
    let once = resamples.once();
    Some(Paired { a: a(once)?, b: b(once)?, difference })
}

/// Compares what was foretold of every event that is in both runs.
#[must_use]
pub fn events(a: &[Event], b: &[Event]) -> Vec<EventPair> {
    type Of<'a> = BTreeMap<(&'a str, &'a str), BTreeMap<(&'a str, &'a str, usize), bool>>;
    fn index(events: &[Event]) -> Of<'_> {
        let mut all: Of<'_> = BTreeMap::new();
        for e in events {
            let of = all.entry((&e.definition, &e.kind)).or_default();
            let nth = of.range((&*e.source, &*e.at, 0)..=(&*e.source, &*e.at, usize::MAX)).count();
            of.insert((&e.source, &e.at, nth), e.foretold);
        }
        all
    }
    let (of_a, of_b) = (index(a), index(b));
    let mut pairs = Vec::new();
    for ((definition, kind), events) in &of_a {
        let Some(others) = of_b.get(&(*definition, *kind)) else { continue };
        let both: Vec<(&str, bool, bool)> =
            events.iter().filter_map(|(key, a)| Some((key.0, *a, *others.get(key)?))).collect();
        pairs.push(event_pair(definition, kind, &both));
    }
    pairs
}

fn event_pair(definition: &str, kind: &str, both: &[(&str, bool, bool)]) -> EventPair {
    // By stay: events, foretold by a, by b.
    let mut stays: BTreeMap<&str, [f64; 3]> = BTreeMap::new();
    for (source, a, b) in both {
        let stay = stays.entry(source).or_default();
        for (sum, n) in stay.iter_mut().zip([true, *a, *b]) {
            *sum += f64::from(u8::from(n));
        }
    }
    let stays: Vec<[f64; 3]> = stays.into_values().collect();
    let resamples = Resamples::new(stays.len(), stays.len());
    let share = |i: usize, counts: &[u16]| {
        let sum = |i: usize| counts.iter().zip(&stays).map(|(n, s)| f64::from(*n) * s[i]).sum::<f64>();
        (sum(0) > 0.0).then(|| sum(i) / sum(0))
    };
    let only_a = both.iter().filter(|(_, a, b)| *a && !*b).count();
    let only_b = both.iter().filter(|(_, a, b)| *b && !*a).count();
    EventPair {
        definition: definition.to_owned(),
        kind: kind.to_owned(),
        events: both.len(),
        foretold: pair(&resamples, |n| share(1, n), |n| share(2, n)),
        only_a,
        only_b,
        p: mcnemar(only_a, only_b),
    }
}

/// McNemar's exact test (McNemar, Psychometrika 1947;12:153; the exact form: Agresti, Categorical Data
/// Analysis, 10.1.1): the two-sided binomial probability of the discordant pairs.
#[must_use]
pub fn mcnemar(only_a: usize, only_b: usize) -> f64 {
    let (n, fewer) = (only_a + only_b, only_a.min(only_b));
    // ln C(n, k) - n ln 2, term by term.
    let mut log_term = -(n as f64) * std::f64::consts::LN_2;
    let mut tail = log_term.exp();
    for k in 1..=fewer {
        log_term += ((n - k + 1) as f64).ln() - (k as f64).ln();
        tail += log_term.exp();
    }
    (2.0 * tail).min(1.0)
}

/// Clinical alerts per bed-day over the sources of both runs; `None` without hours.
#[must_use]
pub fn burden(a: &[Stay], b: &[Stay]) -> Option<Paired> {
    let of: BTreeMap<&str, &Stay> = b.iter().map(|s| (s.source.as_str(), s)).collect();
    let both: Vec<[f64; 3]> =
        a.iter().filter_map(|s| of.get(s.source.as_str()).map(|o| [s.hours, s.alerts, o.alerts])).collect();
    let resamples = Resamples::new(both.len(), both.len());
    let rate = |i: usize, counts: &[u16]| {
        let sum = |i: usize| counts.iter().zip(&both).map(|(n, s)| f64::from(*n) * s[i]).sum::<f64>();
        (sum(0) > 0.0).then(|| sum(i) * 24.0 / sum(0))
    };
    pair(&resamples, |n| rate(1, n), |n| rate(2, n))
}

impl HeadPair {
    /// Whether the candidate gives no risk where what is in force gives one, at more than a twentieth of its
    /// moments: what is left would be judged on the rest.
    #[must_use]
    pub const fn is_silenced(&self) -> bool {
        self.only[0] * 20 > self.rows + self.only[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against R's `binom.test(min, n)$p.value`.
    #[test]
    fn mcnemar_is_the_exact_binomial() {
        for (a, b, p) in [
            (0, 0, 1.0),
            (0, 1, 1.0),
            (0, 5, 0.0625),
            (0, 6, 0.03125),
            (1, 9, 0.021_484_375),
            (5, 5, 1.0),
            (8, 2, 0.109_375),
            (10, 25, 0.016_673_848),
        ] {
            assert!((mcnemar(a, b) - p).abs() < 1e-6, "{a} {b}: {}", mcnemar(a, b));
            assert_eq!(mcnemar(a, b).to_bits(), mcnemar(b, a).to_bits());
        }
        assert!(mcnemar(3_000, 3_300) < 0.001 && mcnemar(20_000, 20_000) == 1.0);
    }

    fn truth(source: &str, at: i64, truth: bool, risk: f32) -> Truth {
        Truth {
            head: "sepsis".to_owned(),
            per: "hour".to_owned(),
            source: source.to_owned(),
            at: Some(at),
            truth,
            risk,
            operating_point: 0.5,
        }
    }

    /// Forty stays; the candidate ranks as the other, or turns some around.
    fn ward(flip: usize) -> Vec<Truth> {
        (0..40)
            .flat_map(|i| {
                let name = format!("p{i}");
                let septic = i % 4 == 0;
                (0..20).map(move |h| {
                    let sick = septic && h > 9;
                    let base = if sick != (i < flip) { 0.6 } else { 0.3 };
                    truth(&name, h as i64, sick, base + (i * 20 + h) as f32 * 1e-5)
                })
            })
            .collect()
    }

    #[test]
    fn the_same_is_no_better_and_worse_is_worse() {
        let same = &heads(&ward(0), &ward(0))[0];
        assert_eq!((same.rows, same.only, same.stays, same.positives), (800, [0, 0], 40, 100));
        for pair in [same.auroc, same.auprc, same.calibration_error, same.utility].into_iter().flatten() {
            assert_eq!(pair.difference, Interval { value: 0.0, low: 0.0, high: 0.0 });
        }
        assert!(same.utility.is_some());
        let worse = heads(&ward(0), &ward(24))[0].auroc.unwrap();
        assert!(worse.difference.high < 0.0 && worse.a > worse.b, "{worse:?}");
        let better = heads(&ward(24), &ward(0))[0].auroc.unwrap();
        assert!((better.difference.low + worse.difference.high).abs() < 1e-12, "the same draws");
    }

    fn same_rows() -> HeadPair {
        heads(&ward(0), &ward(0)).remove(0)
    }

    #[test]
    fn only_rows_of_both_are_compared() {
        let (all, mut fewer) = (ward(0), ward(0));
        fewer.retain(|t| t.source != "p0" && t.at != Some(3));
        let got = &heads(&all, &fewer)[0];
        assert_eq!((got.rows, got.only), (fewer.len(), [800 - fewer.len(), 0]));
        let gone = heads(&all, &[]);
        assert_eq!((gone[0].rows, gone[0].auroc), (0, None));
        assert!(gone[0].is_silenced() && !same_rows().is_silenced());
    }

    #[test]
    fn events_of_both_are_counted_by_who_foretold_them() {
        let event = |source: &str, at: &str, foretold| Event {
            definition: "sepsis".to_owned(),
            kind: "any".to_owned(),
            source: source.to_owned(),
            at: at.to_owned(),
            foretold,
        };
        let a = [event("p", "1", true), event("p", "2", true), event("q", "1", false), event("r", "1", true)];
        let b = [event("p", "1", true), event("p", "2", false), event("q", "1", true), event("s", "1", true)];
        let got = &events(&a, &b)[0];
        assert_eq!((got.events, got.only_a, got.only_b, got.p), (3, 1, 1, 1.0));
        let foretold = got.foretold.unwrap();
        assert!((foretold.a - 2.0 / 3.0).abs() < 1e-12 && foretold.difference.value == 0.0);
    }
}
