//! The truth of single moments: seizures, failures to come, low sensor glucose to come.

use bedwatch_replay_data::{
    readers::{Course, Labels, Mark},
    simulator::{Scenario, TrueEpisode},
};
use bedwatch_schemas::time::{EventTime, Span};

/// How far ahead failures (shock, respiratory failure, arrest, death) are looked for.
const FAILURE_AHEAD: Span = Span::hours(6);
/// How far ahead low sensor glucose is looked for.
const LOW_AHEAD: Span = Span::minutes(30);
/// "Will not be low" needs a reading about that far ahead: one this much earlier or later will do.
const LOW_SLACK: Span = Span::minutes(5);
/// A reading describes the present for so long.
const READING_VALID: Span = Span::minutes(15);
/// Low: level 1 of the consensus (Battelino et al., Diabetes Care 2019;42:1593), mg/dL.
pub const LOW_MG_DL: f64 = 70.0;
/// Very low: level 2 of the same, mg/dL.
pub const VERY_LOW_MG_DL: f64 = 54.0;
/// A window of EEG, which must lie in a seizure whole, and the fading of a simulated seizure.
const WINDOW: Span = Span::secs(4);
const FADING: Span = Span::secs(20);
/// The classes of the expert-labelled segments (Jing et al., Neurology 2023;100:e1750).
const IIIC: &str = "IIIC:";
const IIIC_SEIZURE: &str = "IIIC:SZ";

/// What a source says of moments.
#[derive(Debug, Clone, Default)]
pub struct Moments {
    episodes: Option<Vec<TrueEpisode>>,
    marks: Vec<Mark>,
    course: Option<Course>,
}

impl Moments {
    /// What a source's labels say of moments.
    #[must_use]
    pub fn new(labels: Option<&Labels>) -> Self {
        match labels {
            Some(Labels::Episodes(episodes)) => Self { episodes: Some(episodes.clone()), ..Self::default() },
            Some(Labels::Marks(marks)) => Self { marks: marks.clone(), ..Self::default() },
            Some(Labels::Course(course)) => Self { course: Some(course.clone()), ..Self::default() },
            Some(Labels::Hourly(_) | Labels::Stay { .. }) | None => Self::default(),
        }
    }

    /// Whether the EEG window that ends at `at` shows a seizure; `None` where nobody says, and while one
    /// begins or fades.
    #[must_use]
    pub fn seizure(&self, at: EventTime) -> Option<bool> {
        let Some(episodes) = &self.episodes else {
            return self.marked_seizure(at);
        };
        let mut seizures = episodes.iter().filter(|e| e.scenario == Scenario::Seizure);
        let near = seizures.find(|e| at > e.onset && at <= e.end + WINDOW);
        match near {
            None => Some(false),
            Some(e) => (at >= e.onset + WINDOW && at <= e.end - FADING).then_some(true),
        }
    }

    fn marked_seizure(&self, at: EventTime) -> Option<bool> {
        let mut labelled = self.marks.iter().filter(|m| m.text.starts_with(IIIC));
        let mark = labelled.find(|m| {
            let end = m.at + m.lasts.unwrap_or(Span::ZERO);
            at >= m.at + WINDOW && at <= end
        })?;
        Some(mark.text == IIIC_SEIZURE)
    }

    /// What a simulated patient has at a moment, in a clinician's words; `None` where nobody says.
    #[must_use]
    pub fn words(&self, at: EventTime) -> Option<&'static str> {
        let episodes = self.episodes.as_ref()?;
        if let Some(e) = episodes.iter().find(|e| at >= e.onset && at <= e.end) {
            let failed = e.failure.is_some_and(|failure| at >= failure);
            return Some(match e.scenario {
                Scenario::Stable => "stable",
                Scenario::Sepsis if failed => "septic shock",
                Scenario::Sepsis => "sepsis",
                Scenario::HaemorrhagicShock => "haemorrhagic shock",
                Scenario::RespiratoryFailure => "respiratory failure",
                Scenario::Seizure => "seizure",
                Scenario::Hypoglycaemia => "hypoglycaemia",
                Scenario::ArtefactRidden => "artefacts",
            });
        }
        let coming = |e: &&TrueEpisode| at < e.onset && at >= e.onset - prodrome(e.scenario);
        Some(match episodes.iter().find(coming).map(|e| e.scenario) {
            Some(Scenario::Sepsis) => "early sepsis",
            Some(Scenario::HaemorrhagicShock) => "early haemorrhagic shock",
            Some(Scenario::RespiratoryFailure) => "early respiratory failure",
            Some(Scenario::Hypoglycaemia) => "falling sensor glucose",
            Some(Scenario::Stable | Scenario::Seizure | Scenario::ArtefactRidden) | None => "stable",
        })
    }

    /// Whether a failure begins within six hours: in the simulator shock or respiratory failure, in a
    /// recorded stay a vasopressor, invasive ventilation, an arrest or death. `None` where nobody says, and
    /// from its beginning until it is over; in a recorded stay also in its last six hours, if none came:
    /// what happened elsewhere afterwards is not known.
    #[must_use]
    pub fn deterioration(&self, at: EventTime) -> Option<bool> {
        if self.failing(at)? {
            return None;
        }
        if self.failures()?.iter().any(|(failure, _)| at < *failure && at >= *failure - FAILURE_AHEAD) {
            return Some(true);
        }
        let known_until = self.course.as_ref().map(|course| course.ends);
        known_until.is_none_or(|until| at + FAILURE_AHEAD <= until).then_some(false)
    }

    /// Whether a failure (as of [`Self::deterioration`]) is under way; `None` where nobody says.
    #[must_use]
    pub fn failing(&self, at: EventTime) -> Option<bool> {
        Some(self.failures()?.iter().any(|(failure, over)| at >= *failure && at <= *over))
    }

    /// From when until when; `None` where nobody says.
    fn failures(&self) -> Option<Vec<(EventTime, EventTime)>> {
        match (&self.episodes, &self.course) {
            (Some(episodes), _) => {
                Some(episodes.iter().filter_map(|e| e.failure.map(|failure| (failure, e.end))).collect())
            }
            (None, Some(course)) => Some(course.failures.iter().map(|f| (f.at, f.over)).collect()),
            (None, None) => None,
        }
    }
}

/// The shortest time for which a scenario shows before its onset (`simulator/course.rs`).
fn prodrome(scenario: Scenario) -> Span {
    match scenario {
        Scenario::Sepsis => Span::hours(4),
        Scenario::RespiratoryFailure => Span::hours(2),
        Scenario::HaemorrhagicShock | Scenario::Hypoglycaemia => Span::hours(1),
        Scenario::Stable | Scenario::Seizure | Scenario::ArtefactRidden => Span::ZERO,
    }
}

/// Whether sensor glucose falls below a limit in mg/dL within 30 minutes. `readings` in the order of time, mg/dL.
/// `None` where it is low already, where the present is not known, and where the readings end too soon to
/// say no.
#[must_use]
pub fn hypoglycaemia_soon(readings: &[(EventTime, f64)], at: EventTime, below_mg_dl: f64) -> Option<bool> {
    let next = readings.partition_point(|r| r.0 <= at);
    let (seen, now) = *readings[..next].last()?;
    if now < below_mg_dl || at.since(seen) > READING_VALID {
        return None;
    }
    let ahead = || readings[next..].iter().take_while(|r| r.0 <= at + LOW_AHEAD + LOW_SLACK);
    if ahead().any(|r| r.1 < below_mg_dl && r.0 <= at + LOW_AHEAD) {
        return Some(true);
    }
    ahead().any(|r| r.0 >= at + LOW_AHEAD - LOW_SLACK).then_some(false)
}

#[cfg(test)]
mod tests {
    use bedwatch_replay_data::readers::{Failure, FailureKind};

    use super::*;

    fn at(secs: i64) -> EventTime {
        EventTime::from_millis(1_700_000_000_000) + Span::secs(secs)
    }

    #[test]
    fn low_glucose_to_come_at_every_boundary() {
        let series = |values: &[(i64, f64)]| -> Vec<(EventTime, f64)> {
            values.iter().map(|&(minute, v)| (at(minute * 60), v)).collect()
        };
        type Case = (&'static [(i64, f64)], Option<bool>);
        let cases: [Case; 9] = [
            (&[(0, 90.0), (30, 69.9)], Some(true)),
            (&[(0, 90.0), (30, 70.0)], Some(false)),
            (&[(0, 90.0), (31, 60.0)], Some(false)),
            (&[(0, 90.0), (36, 60.0)], None),
            (&[(0, 90.0), (25, 80.0)], Some(false)),
            (&[(0, 90.0), (24, 80.0)], None),
            (&[(0, 69.9), (30, 60.0)], None),
            (&[(-15, 90.0), (30, 60.0)], Some(true)),
            (&[(-16, 90.0), (30, 60.0)], None),
        ];
        for (values, want) in cases {
            assert_eq!(hypoglycaemia_soon(&series(values), at(0), LOW_MG_DL), want, "{values:?}");
        }
    }

    #[test]
    fn very_low_glucose_is_another_truth() {
        for (now, then, low, very_low) in [
            (90.0, 54.0, Some(true), Some(false)),
            (90.0, 53.9, Some(true), Some(true)),
            (69.0, 53.9, None, Some(true)),
            (53.9, 40.0, None, None),
        ] {
            let readings = [(at(0), now), (at(1_800), then)];
            assert_eq!(hypoglycaemia_soon(&readings, at(0), LOW_MG_DL), low, "{now} {then}");
            assert_eq!(hypoglycaemia_soon(&readings, at(0), VERY_LOW_MG_DL), very_low, "{now} {then}");
        }
    }

    #[test]
    fn failures_of_a_recorded_stay() {
        let hour = 3_600;
        let failure = |kind, from: i64, to: i64| Failure { at: at(from * hour), over: at(to * hour), kind };
        let course = Course {
            begins: at(0),
            ends: at(60 * hour),
            death: Some(false),
            failures: vec![
                failure(FailureKind::Ventilation, 0, 5),
                failure(FailureKind::Vasopressor, 20, 30),
                failure(FailureKind::Ventilation, 29, 40),
            ],
            infection: None,
        };
        let truth = Moments::new(Some(&Labels::Course(course)));
        for (hours, want) in [
            (0, None),
            (5, None),
            (6, Some(false)),
            (13, Some(false)),
            (14, Some(true)),
            (19, Some(true)),
            (20, None),
            (25, None),
            (31, None),
            (40, None),
            (41, Some(false)),
            (54, Some(false)),
            (55, None),
        ] {
            assert_eq!(truth.deterioration(at(hours * hour)), want, "{hours}");
        }
        assert_eq!(truth.seizure(at(0)), None);
    }

    fn episode(scenario: Scenario, onset: i64, end: i64, failure: Option<i64>) -> TrueEpisode {
        TrueEpisode { scenario, onset: at(onset), end: at(end), failure: failure.map(at) }
    }

    #[test]
    fn simulated_seizures_and_failures() {
        let hour = 3_600;
        let episodes = vec![
            episode(Scenario::Seizure, 0, 100, None),
            episode(Scenario::HaemorrhagicShock, 20 * hour, 30 * hour, Some(21 * hour)),
        ];
        let truth = Moments::new(Some(&Labels::Episodes(episodes)));
        for (secs, want) in [
            (0, Some(false)),
            (1, None),
            (3, None),
            (4, Some(true)),
            (80, Some(true)),
            (81, None),
            (104, None),
            (105, Some(false)),
        ] {
            assert_eq!(truth.seizure(at(secs)), want, "{secs}");
        }
        for (hours, want) in
            [(14, Some(false)), (15, Some(true)), (20, Some(true)), (21, None), (30, None), (31, Some(false))]
        {
            assert_eq!(truth.deterioration(at(hours * hour)), want, "{hours}");
        }
        let words = [
            (0, "seizure"),
            (1, "stable"),
            (18, "stable"),
            (19, "early haemorrhagic shock"),
            (20, "haemorrhagic shock"),
            (31, "stable"),
        ];
        for (hours, want) in words {
            assert_eq!(truth.words(at(hours * hour)), Some(want), "{hours}");
        }
    }

    #[test]
    fn a_marked_stretch_speaks_for_the_windows_inside_it() {
        let mark =
            |text: &str, from| Mark { at: at(from), lasts: Some(Span::secs(10)), text: text.to_owned() };
        let truth = Moments::new(Some(&Labels::Marks(vec![mark("IIIC:SZ", 20), mark("IIIC:GPD", 60)])));
        for (secs, want) in
            [(23, None), (24, Some(true)), (30, Some(true)), (31, None), (64, Some(false)), (71, None)]
        {
            assert_eq!(truth.seizure(at(secs)), want, "{secs}");
        }
        assert_eq!(truth.deterioration(at(0)), None);
        assert_eq!(Moments::new(None).seizure(at(0)), None);
    }
}
