//! Which alerts are the same, moved, appeared or vanished.
//!
//! Two alerts of one id are the same episode. Of the rest, an alert of each run is the same as one of the
//! other of that patient and kind when both stood at some moment, the earliest first, each once. An alert
//! about a feed is the same only by its id, for it does not say which feed.

use std::collections::{BTreeMap, BTreeSet};

use bedwatch_schemas::{
    alert::{Alert, AlertKind, Priority},
    ids::{AlertId, PatientId},
    time::{EventTime, Span},
    withheld::{Fate as Fates, Withheld},
};
use serde::Serialize;

use super::Run;
use crate::replay::validation::interval::quantile;

/// Differences listed one by one; all are counted.
pub const LISTED: usize = 500;

/// One alert, from when it was raised until it ended.
#[derive(Debug, Clone, PartialEq)]
struct Episode {
    id: AlertId,
    patient: PatientId,
    kind: AlertKind,
    from: EventTime,
    /// `None`: it still stood at the end.
    until: Option<EventTime>,
    /// The highest it had.
    priority: Priority,
}

/// What became of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Only the candidate raised it.
    Appeared,
    /// The candidate did not raise it.
    Vanished,
    /// The candidate raised it earlier.
    Earlier,
    /// The candidate raised it later.
    Later,
    /// At the same moment with another priority.
    Reprioritised,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// What became of it.
    pub fate: Fate,
    /// What it is about.
    pub kind: &'static str,
    /// The alert, by its id in the run that has it; of a moved one, in `a`.
    pub alert: AlertId,
    /// When it was raised in `a`.
    pub a: Option<EventTime>,
    /// When it was raised in `b`.
    pub b: Option<EventTime>,
    /// Whether the run that did not raise it has it in its ledger.
    pub withheld: bool,
}

/// The alerts of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Kind {
    /// Alerts in `a`.
    pub a: usize,
    /// Alerts in `b`.
    pub b: usize,
    /// Raised at the same moment with the same priority.
    pub same: usize,
    /// Only in `b`.
    pub appeared: usize,
    /// Of these, withheld in `a`.
    pub appeared_withheld_before: usize,
    /// Only in `a`.
    pub vanished: usize,
    /// Of these, withheld in `b`.
    pub vanished_withheld_now: usize,
    /// In both, earlier in `b`.
    pub earlier: usize,
    /// Median of how much earlier, minutes.
    pub earlier_by_minutes: Option<f64>,
    /// In both, later in `b`.
    pub later: usize,
    /// Median of how much later, minutes.
    pub later_by_minutes: Option<f64>,
    /// In both at the same moment, with another priority.
    pub reprioritised: usize,
}

/// All alerts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alerts {
    /// By kind.
    pub by_kind: BTreeMap<&'static str, Kind>,
    /// The differences, in the order of time; at most [`LISTED`].
    pub differences: Vec<Difference>,
    /// How many differences there are.
    pub count: usize,
}

fn episodes(alerts: &[Alert]) -> Vec<Episode> {
    let mut all: BTreeMap<AlertId, Episode> = BTreeMap::new();
    for alert in alerts {
        let episode = all.entry(alert.id).or_insert_with(|| Episode {
            id: alert.id,
            patient: alert.patient.clone(),
            kind: alert.kind,
            from: alert.at,
            until: None,
            priority: alert.priority,
        });
        episode.from = episode.from.min(alert.at);
        episode.priority = episode.priority.max(alert.priority);
        if alert.phase.ends() {
            episode.until = Some(alert.at);
        }
    }
    let mut all: Vec<Episode> = all.into_values().collect();
    all.sort_by(|x, y| (x.from, &x.patient, x.kind, x.id).cmp(&(y.from, &y.patient, y.kind, y.id)));
    all
}

fn overlap(x: &Episode, y: &Episode) -> bool {
    y.until.is_none_or(|until| x.from <= until) && x.until.is_none_or(|until| y.from <= until)
}

/// Pairs of the same alerts, and those without a counterpart, by place.
fn pairs(a: &[Episode], b: &[Episode]) -> (Vec<(usize, usize)>, Vec<usize>, Vec<usize>) {
    let place: BTreeMap<AlertId, usize> = b.iter().enumerate().map(|(i, e)| (e.id, i)).collect();
    let mut pairs: Vec<(usize, usize)> =
        a.iter().enumerate().filter_map(|(i, e)| Some((i, *place.get(&e.id)?))).collect();
    let mut taken_a: BTreeSet<usize> = pairs.iter().map(|p| p.0).collect();
    let mut taken_b: BTreeSet<usize> = pairs.iter().map(|p| p.1).collect();
    let mut rest: BTreeMap<(&PatientId, AlertKind), Vec<usize>> = BTreeMap::new();
    for (i, e) in b.iter().enumerate().filter(|(i, e)| !taken_b.contains(i) && !e.kind.is_technical()) {
        rest.entry((&e.patient, e.kind)).or_default().push(i);
    }
    for (i, e) in a.iter().enumerate() {
        if taken_a.contains(&i) {
            continue;
        }
        let candidates = rest.get(&(&e.patient, e.kind)).into_iter().flatten();
        if let Some(&j) = candidates.into_iter().find(|j| !taken_b.contains(j) && overlap(e, &b[**j])) {
            pairs.push((i, j));
            taken_a.insert(i);
            taken_b.insert(j);
        }
    }
    let free = |n: usize, taken: &BTreeSet<usize>| (0..n).filter(|i| !taken.contains(i)).collect();
    let (only_a, only_b) = (free(a.len(), &taken_a), free(b.len(), &taken_b));
    pairs.sort_unstable();
    (pairs, only_a, only_b)
}

/// The stretches for which a ledger held alerts back, by patient and kind.
struct Ledger(BTreeMap<(PatientId, AlertKind), Vec<Episode>>);

impl Ledger {
    fn new(entries: &[Withheld]) -> Self {
        let mut by_id: BTreeMap<AlertId, Episode> = BTreeMap::new();
        for w in entries {
            let stretch = by_id.entry(w.alert).or_insert_with(|| Episode {
                id: w.alert,
                patient: w.patient.clone(),
                kind: w.kind,
                from: w.at,
                until: None,
                priority: w.priority,
            });
            stretch.from = stretch.from.min(w.at);
            stretch.until = (w.fate != Fates::Withheld).then_some(w.at);
        }
        let mut all: BTreeMap<_, Vec<Episode>> = BTreeMap::new();
        for stretch in by_id.into_values() {
            all.entry((stretch.patient.clone(), stretch.kind)).or_default().push(stretch);
        }
        Self(all)
    }

    /// Whether the alert was held back: by its id, or one of its patient and kind at some moment at which it
    /// stood.
    fn has(&self, e: &Episode) -> bool {
        let of = self.0.get(&(e.patient.clone(), e.kind));
        of.into_iter().flatten().any(|w| w.id == e.id || overlap(w, e))
    }
}

/// Compares the alerts of two runs.
#[must_use]
pub fn compare(a: &Run, b: &Run) -> Alerts {
    let (of_a, of_b) = (episodes(&a.alerts), episodes(&b.alerts));
    let (pairs, only_a, only_b) = pairs(&of_a, &of_b);
    let mut all = Differences::default();
    for e in &of_a {
        all.kind(e.kind).a += 1;
    }
    for e in &of_b {
        all.kind(e.kind).b += 1;
    }
    for (i, j) in pairs {
        all.pair(&of_a[i], &of_b[j]);
    }
    let [ledger_a, ledger_b] = [a, b].map(|run| Ledger::new(&run.withheld));
    for e in only_a.iter().map(|i| &of_a[*i]) {
        all.only(e, Fate::Vanished, ledger_b.has(e));
    }
    for e in only_b.iter().map(|i| &of_b[*i]) {
        all.only(e, Fate::Appeared, ledger_a.has(e));
    }
    all.end()
}

#[derive(Default)]
struct Differences {
    by_kind: BTreeMap<&'static str, Kind>,
    all: Vec<Difference>,
    moved: BTreeMap<(&'static str, Fate), Vec<f64>>,
}

impl Differences {
    fn kind(&mut self, kind: AlertKind) -> &mut Kind {
        self.by_kind.entry(kind.name()).or_default()
    }

    fn pair(&mut self, a: &Episode, b: &Episode) {
        let by: Span = b.from.since(a.from);
        let fate = match (by.0.signum(), a.priority == b.priority) {
            (0, true) => {
                self.kind(a.kind).same += 1;
                return;
            }
            (0, false) => Fate::Reprioritised,
            (-1, _) => Fate::Earlier,
            _ => Fate::Later,
        };
        let kind = self.kind(a.kind);
        match fate {
            Fate::Earlier => kind.earlier += 1,
            Fate::Later => kind.later += 1,
            _ => kind.reprioritised += 1,
        }
        if by.0 != 0 {
            self.moved.entry((a.kind.name(), fate)).or_default().push(by.as_secs_f64().abs() / 60.0);
        }
        let (kind, alert) = (a.kind.name(), a.id);
        self.all.push(Difference { fate, kind, alert, a: Some(a.from), b: Some(b.from), withheld: false });
    }

    fn only(&mut self, e: &Episode, fate: Fate, withheld: bool) {
        let kind = self.kind(e.kind);
        let (n, of_which) = match fate {
            Fate::Vanished => (&mut kind.vanished, &mut kind.vanished_withheld_now),
            _ => (&mut kind.appeared, &mut kind.appeared_withheld_before),
        };
        *n += 1;
        *of_which += usize::from(withheld);
        let (a, b) = if fate == Fate::Vanished { (Some(e.from), None) } else { (None, Some(e.from)) };
        self.all.push(Difference { fate, kind: e.kind.name(), alert: e.id, a, b, withheld });
    }

    fn end(mut self) -> Alerts {
        for ((kind, fate), mut minutes) in self.moved {
            minutes.sort_by(f64::total_cmp);
            let (median, kind) = (quantile(&minutes, 0.5), self.by_kind.entry(kind).or_default());
            match fate {
                Fate::Earlier => kind.earlier_by_minutes = median,
                _ => kind.later_by_minutes = median,
            }
        }
        self.all.sort_by_key(|d| (d.a.or(d.b), d.kind, d.alert, d.fate));
        let count = self.all.len();
        self.all.truncate(LISTED);
        Alerts { by_kind: self.by_kind, differences: self.all, count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn episode(kind: AlertKind, onset: i64, from: i64, until: Option<i64>) -> Episode {
        let patient = PatientId::new("p").unwrap();
        let at = |minutes: i64| EventTime::from_micros(0) + Span::minutes(minutes);
        Episode {
            id: AlertId::of(&patient, kind, "", at(onset)),
            patient,
            kind,
            from: at(from),
            until: until.map(at),
            priority: Priority::Medium,
        }
    }

    /// The alert in force stands from 10 to 20; what of the candidate's is the same.
    #[test]
    fn alerts_are_the_same_by_id_or_while_both_stood() {
        use AlertKind::{Sepsis, Shock, StaleFeed};
        let a = [episode(Sepsis, 5, 10, Some(20))];
        for (b, same) in [
            (episode(Sepsis, 5, 500, Some(600)), true),
            (episode(Sepsis, 6, 20, Some(30)), true),
            (episode(Sepsis, 6, 21, Some(30)), false),
            (episode(Sepsis, 1, 2, Some(10)), true),
            (episode(Sepsis, 1, 2, Some(9)), false),
            (episode(Sepsis, 1, 2, None), true),
            (episode(Shock, 6, 12, Some(15)), false),
        ] {
            assert_eq!(pairs(&a, std::slice::from_ref(&b)).0.len(), usize::from(same), "{b:?}");
            assert_eq!(pairs(std::slice::from_ref(&b), &a).0.len(), usize::from(same), "{b:?} turned");
        }
        let feed = [episode(StaleFeed, 5, 10, Some(20))];
        assert_eq!(pairs(&feed, &[episode(StaleFeed, 6, 12, Some(15))]).0, []);
        assert_eq!(pairs(&feed, &[episode(StaleFeed, 5, 12, Some(15))]).0, [(0, 0)]);
        // Each once: the second overlapping one has no counterpart.
        let b = [episode(Sepsis, 6, 12, Some(13)), episode(Sepsis, 7, 15, Some(16))];
        assert_eq!(pairs(&a, &b), (vec![(0, 0)], vec![], vec![1]));
    }

    /// A ledger that held an alert back from 9 to 12, or from 9 on.
    #[test]
    fn a_ledger_has_what_it_held_back_while_the_alert_stood() {
        let of = episode(AlertKind::Sepsis, 1, 0, None);
        let entry = |minutes: i64, fate| Withheld {
            schema: String::new(),
            alert: of.id,
            sequence: 0,
            fate,
            reason: bedwatch_schemas::withheld::WithheldReason::BedBudget,
            inhibitor: None,
            value: None,
            needed: None,
            kind: of.kind,
            priority: of.priority,
            patient: of.patient.clone(),
            location: None,
            at: EventTime::from_micros(0) + Span::minutes(minutes),
            onset: of.from,
            config: String::new(),
        };
        let ended = Ledger::new(&[entry(9, Fates::Withheld), entry(12, Fates::Ended)]);
        let open = Ledger::new(&[entry(9, Fates::Withheld), entry(10, Fates::Withheld)]);
        for (from, until, has, has_open) in [
            (10, Some(11), true, true),
            (12, Some(20), true, true),
            (13, Some(20), false, true),
            (1, Some(8), false, false),
            (1, Some(9), true, true),
            (1, None, true, true),
        ] {
            let e = episode(AlertKind::Sepsis, 5, from, until);
            assert_eq!((ended.has(&e), open.has(&e)), (has, has_open), "{from} {until:?}");
            assert!(!ended.has(&Episode { kind: AlertKind::Shock, ..e }));
        }
        assert!(ended.has(&episode(AlertKind::Sepsis, 1, 500, None)), "the same alert");
    }

    #[test]
    fn counts_add_up_and_moves_have_a_size() {
        use AlertKind::Sepsis;
        let mut all = Differences::default();
        all.pair(&episode(Sepsis, 5, 10, None), &episode(Sepsis, 5, 10, None));
        all.pair(&episode(Sepsis, 6, 10, None), &episode(Sepsis, 7, 40, None));
        all.pair(&episode(Sepsis, 8, 10, None), &episode(Sepsis, 9, 50, None));
        all.pair(&episode(Sepsis, 10, 10, None), &episode(Sepsis, 11, 4, None));
        all.pair(
            &episode(Sepsis, 12, 10, None),
            &Episode { priority: Priority::High, ..episode(Sepsis, 12, 10, None) },
        );
        all.only(&episode(Sepsis, 13, 10, None), Fate::Vanished, true);
        all.only(&episode(Sepsis, 14, 10, None), Fate::Appeared, false);
        let alerts = all.end();
        let kind = &alerts.by_kind["sepsis"];
        assert_eq!((kind.same, kind.earlier, kind.later, kind.reprioritised), (1, 1, 2, 1));
        assert_eq!((kind.earlier_by_minutes, kind.later_by_minutes), (Some(6.0), Some(35.0)));
        assert_eq!((kind.vanished, kind.vanished_withheld_now), (1, 1));
        assert_eq!((kind.appeared, kind.appeared_withheld_before), (1, 0));
        assert_eq!(alerts.count, 6);
    }
}
