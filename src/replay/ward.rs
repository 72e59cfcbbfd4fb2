//! Beds of the simulator as sources: `ward:beds=40,seed=3,history=12h,live=10m,rate=0.1`; with
//! `first=seizure` each bed begins with one.
//!
//! Each bed is a ward of its own with a seed of its own, so that a source holds one patient after the
//! other and beds can run side by side. What truly happened is known and stands in the labels. With
//! `together=true` all beds are one source and run through one core, as in a hospital: what counts over
//! a unit (the alarm budget) is seen only so. It has no labels, for they speak of one patient.

use anyhow::{Context, bail};
use bedwatch_replay_data::simulator::{Scenario, ScenarioPlan, TrueEpisode, Ward, WardConfig, WardRecord};
use bedwatch_schemas::time::{EventTime, Span};

use crate::commands::duration;

/// What a path to a simulated ward begins with.
const SCHEME: &str = "ward:";
/// The live start of every simulated bed: 2026-01-01.
const START_MICROS: i64 = 1_767_225_600_000_000;
/// How much is simulated at a time.
const SLICE: Span = Span::minutes(1);

/// One simulated bed, or all of a ward together.
#[derive(Debug, Clone, PartialEq)]
pub struct Bed {
    /// Its name.
    pub name: String,
    beds: usize,
    seed: u64,
    history: Span,
    live: Span,
    scenarios: ScenarioPlan,
    waveforms: bool,
}

impl Bed {
    fn ward(&self, waveforms: bool) -> anyhow::Result<Ward> {
        Ok(Ward::new(WardConfig {
            beds: self.beds,
            seed: self.seed,
            start: EventTime::from_micros(START_MICROS),
            history: self.history,
            scenarios: self.scenarios,
            eeg: waveforms,
            waveforms,
        })?)
    }

    /// Whether it is one bed: its labels speak of one patient at a time.
    #[must_use]
    pub const fn is_one(&self) -> bool {
        self.beds == 1
    }

    /// What happens to the bed's patients.
    ///
    /// # Errors
    /// When the ward cannot be made.
    pub fn truth(&self) -> anyhow::Result<Vec<TrueEpisode>> {
        // The course does not depend on what is sent, and the waveforms are most of the work.
        let mut ward = self.ward(false)?;
        ward.next_until(EventTime::from_micros(START_MICROS) + self.live, &mut Vec::new());
        Ok(ward.truth().into_iter().flat_map(|bed| bed.episodes).collect())
    }

    /// The bed's records in their order.
    ///
    /// # Errors
    /// When the ward cannot be made.
    pub fn records(&self) -> anyhow::Result<impl Iterator<Item = WardRecord> + Send + use<>> {
        let mut ward = self.ward(self.waveforms)?;
        let start = EventTime::from_micros(START_MICROS);
        let (mut until, end) = (start - self.history, start + self.live);
        let mut due = Vec::new().into_iter();
        Ok(std::iter::from_fn(move || {
            loop {
                if let Some(record) = due.next() {
                    return Some(record);
                }
                if until >= end {
                    return None;
                }
                until = (until + SLICE).min(end);
                let mut records = Vec::new();
                ward.next_until(until, &mut records);
                due = records.into_iter();
            }
        }))
    }
}

/// The beds of a path; `None` when the path is none of a ward.
///
/// # Errors
/// When the path begins as one and cannot be understood.
pub fn parse(path: &str) -> anyhow::Result<Option<Vec<Bed>>> {
    let Some(settings) = path.strip_prefix(SCHEME) else {
        return Ok(None);
    };
    let (mut beds, mut seed, mut rate_per_hour, mut waveforms) = (8_u64, 7_u64, 0.05, true);
    let (mut first, mut together) = (None, false);
    let (mut history, mut live) = (Span::hours(24), Span::minutes(5));
    for setting in settings.split(',').filter(|s| !s.is_empty()) {
        let (key, value) = setting.split_once('=').context("a ward's settings are key=value, with commas")?;
        let span = || duration(value).map_err(anyhow::Error::msg);
        match key {
            "beds" => beds = value.parse().context("a ward's beds are a whole number")?,
            "seed" => seed = value.parse().context("a ward's seed is a whole number")?,
            "rate" => rate_per_hour = value.parse().context("a ward's rate is a number")?,
            "waveforms" => waveforms = value.parse().context("a ward's waveforms are true or false")?,
            "together" => together = value.parse().context("a ward is together or not: true or false")?,
            "first" => first = Some(scenario(value)?),
            "history" => history = span()?,
            "live" => live = span()?,
            _ => bail!(
                "a ward has beds, seed, rate, first, together, waveforms, history and live, and no {key}"
            ),
        }
    }
    let scenarios = match first {
        Some(scenario) => ScenarioPlan::First { scenario, rate: rate_per_hour },
        None => ScenarioPlan::Random { rate: rate_per_hour },
    };
    if together {
        let beds = usize::try_from(beds).context("a ward has fewer beds")?;
        let name = format!("ward-{seed}");
        return Ok(Some(vec![Bed { name, beds, seed, history, live, scenarios, waveforms }]));
    }
    let bed = |i| Bed {
        name: format!("ward-{seed}-{i:05}"),
        beds: 1,
        seed: seed.wrapping_mul(1_000_003).wrapping_add(i),
        history,
        live,
        scenarios,
        waveforms,
    };
    Ok(Some((0..beds).map(bed).collect()))
}

fn scenario(name: &str) -> anyhow::Result<Scenario> {
    let names = || Scenario::ALL.map(Scenario::name).join(", ");
    let found = Scenario::ALL.into_iter().find(|s| s.name() == name);
    found.with_context(|| format!("a ward's first scenario is one of {}", names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_ward() {
        let beds = parse("ward:beds=3,seed=2,history=2h,live=1m,rate=0.5,waveforms=false").unwrap().unwrap();
        assert_eq!(beds.len(), 3);
        assert_eq!(beds[2].name, "ward-2-00002");
        assert_ne!(beds[0].seed, beds[1].seed);
        let together = parse("ward:beds=3,together=true").unwrap().unwrap();
        assert_eq!((together.len(), together[0].beds, together[0].is_one()), (1, 3, false));
        assert_eq!(parse("some/folder").unwrap(), None);
        for bad in ["ward:beds", "ward:beds=x", "ward:doors=3", "ward:live=soon", "ward:first=love"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_truth_is_that_of_the_records() {
        let beds =
            parse("ward:beds=4,seed=5,history=30h,live=10s,rate=0.3,waveforms=false").unwrap().unwrap();
        let episodes: usize = beds.iter().map(|bed| bed.truth().unwrap().len()).sum();
        assert!(episodes > 4, "{episodes}");
        let bed = &beds[0];
        let records: Vec<_> = bed.records().unwrap().collect();
        assert!(records.len() > 1_800, "a vital record each minute: {}", records.len());
        assert!(records.is_sorted_by_key(|r| r.at));
        let again: Vec<_> = bed.records().unwrap().collect();
        assert_eq!(records, again);
        let noisy = Bed { waveforms: true, ..bed.clone() };
        assert_eq!(noisy.truth().unwrap(), bed.truth().unwrap());
    }
}
