//! What happens to the patient and when: episodes of illness and benign excursions.
//!
//! An episode has a prodrome that ends at its onset, an acute phase, a plateau and a recovery; each
//! phase is a level from 0 to 1 that [`super::physiology`] turns into shifts of values. Times are
//! seconds from the ward's live start, so that a demonstration can place onsets to the second.

use bedwatch_schemas::time::Span;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::rng::{Concern, between, chance, exponential, stream};

const HOUR: f64 = 3_600.0;

/// What befalls a bed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// Nothing but noise and benign excursions.
    Stable,
    /// Infection with organ dysfunction, in severe cases septic shock.
    Sepsis,
    /// Blood loss.
    HaemorrhagicShock,
    /// Falling saturation and rising work of breathing.
    RespiratoryFailure,
    /// A focal electrographic seizure that spreads.
    Seizure,
    /// Sensor glucose falling below 54 mg/dL.
    Hypoglycaemia,
    /// Motion, sentinels, a sensor that falls off, a feed that ends.
    ArtefactRidden,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: [Scenario; 7] = [
        Self::Stable,
        Self::Sepsis,
        Self::HaemorrhagicShock,
        Self::RespiratoryFailure,
        Self::Seizure,
        Self::Hypoglycaemia,
        Self::ArtefactRidden,
    ];

    /// The snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Sepsis => "sepsis",
            Self::HaemorrhagicShock => "haemorrhagic_shock",
            Self::RespiratoryFailure => "respiratory_failure",
            Self::Seizure => "seizure",
            Self::Hypoglycaemia => "hypoglycaemia",
            Self::ArtefactRidden => "artefact_ridden",
        }
    }
}

/// Who gets what and when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ScenarioPlan {
    /// The first eight beds show one scenario each within the first minute after the live start
    /// (two stay stable); further beds are mostly stable. Later episodes come at random, about one
    /// every two days and bed.
    Demo,
    /// Episodes at random times: `rate` per bed and hour.
    Random {
        /// Episodes per bed and hour, 0 or more.
        rate: f64,
    },
    /// Each bed's first episode is of this scenario, of random tempo and severity, with its onset in the
    /// quarter of an hour after the live start; the others at random times.
    First {
        /// What befalls every bed.
        scenario: Scenario,
        /// Further episodes per bed and hour, 0 or more.
        rate: f64,
    },
}

/// The scenarios of the first eight beds of [`ScenarioPlan::Demo`].
const DEMO: [Scenario; 8] = [
    Scenario::Sepsis,
    Scenario::RespiratoryFailure,
    Scenario::HaemorrhagicShock,
    Scenario::Seizure,
    Scenario::Hypoglycaemia,
    Scenario::ArtefactRidden,
    Scenario::Stable,
    Scenario::Stable,
];

/// The scenario a bed of the demonstration begins with.
pub(crate) fn demo_scenario(seed: u64, bed: u64) -> Scenario {
    if let Some(&scenario) = DEMO.get(bed as usize) {
        return scenario;
    }
    let rng = &mut stream(seed, bed, 0, Concern::Scenario);
    if chance(rng, 0.8) { Scenario::Stable } else { Scenario::ALL[rng.random_range(1..7)] }
}

/// One episode of illness. Times in seconds from the live start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Episode {
    pub scenario: Scenario,
    pub onset: f64,
    /// Length of the prodrome that ends at the onset.
    pub lead: f64,
    /// Length of the acute worsening that begins at the onset.
    pub acute: f64,
    pub hold: f64,
    pub recovery: f64,
    /// 1 is a textbook case.
    pub severity: f64,
    /// From the onset until treatment shows.
    pub treatment_delay: f64,
    /// Picks which signs this patient shows; `None` shows all in textbook measure.
    pub variant: Option<u64>,
}

/// How far each phase of an episode has gone, each from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Levels {
    /// Prodrome as vital signs show it.
    pub early: f64,
    /// Prodrome as laboratory values show it: late, then steep.
    pub early_labs: f64,
    /// Acute phase as vital signs show it.
    pub acute: f64,
    /// Acute phase as laboratory values show it.
    pub acute_labs: f64,
    /// Treatment.
    pub treated: f64,
}

pub(crate) fn smoothstep(x: f64) -> f64 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

impl Episode {
    /// An episode as a demonstration shows it: the acute phase within the first minute live.
    pub(crate) fn demo(scenario: Scenario) -> Self {
        let (onset, lead, acute, hold, recovery) = match scenario {
            Scenario::Sepsis => (6.0, 10.0 * HOUR, 24.0, 9.0 * HOUR, 14.0 * HOUR),
            Scenario::RespiratoryFailure => (5.0, 8.0 * HOUR, 30.0, 0.8 * HOUR, 4.0 * HOUR),
            Scenario::HaemorrhagicShock => (10.0, 3.0 * HOUR, 30.0, 0.7 * HOUR, 3.0 * HOUR),
            Scenario::Seizure => (8.0, 1.0, 8.0, 52.0, 20.0),
            Scenario::Hypoglycaemia => (12.0, 1.5 * HOUR, 300.0, 600.0, 0.7 * HOUR),
            Scenario::ArtefactRidden => (10.0, 6.0 * HOUR, 20.0, 580.0, 60.0),
            Scenario::Stable => (0.0, 1.0, 1.0, 0.0, 1.0),
        };
        let severity = if scenario == Scenario::Stable { 0.0 } else { 1.15 };
        let treatment_delay = 0.35 * HOUR;
        Self { scenario, onset, lead, acute, hold, recovery, severity, treatment_delay, variant: None }
    }

    /// An episode of random tempo and severity whose onset is at `onset`.
    pub(crate) fn random(scenario: Scenario, onset: f64, rng: &mut ChaCha8Rng) -> Self {
        let mut hours = |lo: f64, hi: f64| between(rng, lo, hi) * HOUR;
        let (lead, acute, hold, recovery) = match scenario {
            Scenario::Sepsis => (hours(4.0, 16.0), hours(0.5, 5.0), hours(4.0, 24.0), hours(12.0, 40.0)),
            Scenario::RespiratoryFailure => {
                (hours(2.0, 12.0), hours(0.02, 2.0), hours(0.5, 8.0), hours(3.0, 12.0))
            }
            Scenario::HaemorrhagicShock => {
                (hours(1.0, 6.0), hours(0.02, 1.2), hours(0.4, 4.0), hours(2.0, 8.0))
            }
            Scenario::Seizure => (1.0, 8.0, hours(0.008, 0.06), 20.0),
            Scenario::Hypoglycaemia => (hours(1.0, 2.5), 300.0, hours(0.1, 0.4), hours(0.4, 1.0)),
            Scenario::ArtefactRidden => (hours(0.5, 4.0), 20.0, hours(0.05, 0.4), 60.0),
            Scenario::Stable => (1.0, 1.0, 0.0, 1.0),
        };
        let severity = if scenario == Scenario::Stable { 0.0 } else { between(rng, 0.4, 1.35) };
        let treatment_delay = between(rng, 0.15, 1.5) * HOUR;
        let variant = Some(rng.random());
        Self { scenario, onset, lead, acute, hold, recovery, severity, treatment_delay, variant }
    }

    pub(crate) fn start(&self) -> f64 {
        self.onset - self.lead
    }

    /// When nothing of it is left.
    pub(crate) fn end(&self) -> f64 {
        self.onset + self.acute + self.hold + self.recovery
    }

    pub(crate) fn levels(&self, t: f64) -> Levels {
        if t < self.start() || t > self.end() {
            return Levels::default();
        }
        let x = ((t - self.onset) / self.lead + 1.0).clamp(0.0, 1.0);
        // In sepsis the laboratory sees the collapse an hour before the monitor does.
        let labs_ahead = if self.scenario == Scenario::Sepsis { HOUR } else { HOUR / 6.0 };
        let fading = 1.0 - smoothstep((t - self.onset - self.acute - self.hold) / self.recovery);
        Levels {
            early: x.powf(1.5) * fading,
            early_labs: x.powf(2.5) * fading,
            acute: smoothstep((t - self.onset) / self.acute) * fading,
            acute_labs: smoothstep((t - self.onset + labs_ahead) / (self.acute.max(0.25 * HOUR) + HOUR))
                * fading,
            treated: smoothstep((t - self.onset - self.treatment_delay) / (0.5 * HOUR)) * fading,
        }
    }

    /// Whether the patient is in shock or respiratory failure at the height of this episode, with
    /// the onset of that failure.
    pub(crate) fn failure_onset(&self) -> Option<f64> {
        match self.scenario {
            Scenario::HaemorrhagicShock | Scenario::RespiratoryFailure => Some(self.onset + 0.3 * self.acute),
            Scenario::Sepsis if self.severity > 0.95 => Some(self.onset + 0.5 * self.acute),
            _ => None,
        }
    }
}

/// A passing change that is not an illness the engine must warn of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Benign {
    Fever,
    Desaturation,
    Tachycardia,
    Hypotension,
    Pain,
    Meal,
}

/// One benign excursion. Times in seconds from the live start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Excursion {
    pub kind: Benign,
    pub start: f64,
    rise: f64,
    hold: f64,
    fall: f64,
    pub size: f64,
}

impl Excursion {
    fn random(start: f64, rng: &mut ChaCha8Rng) -> Self {
        let kind = match rng.random_range(0..100) {
            0..16 => Benign::Fever,
            16..36 => Benign::Desaturation,
            36..52 => Benign::Tachycardia,
            52..66 => Benign::Hypotension,
            66..82 => Benign::Pain,
            _ => Benign::Meal,
        };
        let mut minutes = |lo: f64, hi: f64| between(rng, lo, hi) * 60.0;
        let (rise, hold, fall) = match kind {
            Benign::Fever => (minutes(60.0, 240.0), minutes(120.0, 720.0), minutes(120.0, 480.0)),
            Benign::Desaturation => (minutes(1.0, 6.0), minutes(1.0, 12.0), minutes(2.0, 15.0)),
            Benign::Tachycardia => (minutes(10.0, 60.0), minutes(30.0, 300.0), minutes(30.0, 180.0)),
            Benign::Hypotension => (minutes(3.0, 15.0), minutes(5.0, 60.0), minutes(10.0, 60.0)),
            Benign::Pain => (minutes(2.0, 10.0), minutes(5.0, 60.0), minutes(10.0, 60.0)),
            Benign::Meal => (minutes(30.0, 60.0), minutes(15.0, 45.0), minutes(60.0, 150.0)),
        };
        Self { kind, start, rise, hold, fall, size: between(rng, 0.3, 1.2) }
    }

    fn end(&self) -> f64 {
        self.start + self.rise + self.hold + self.fall
    }

    pub(crate) fn level(&self, t: f64) -> f64 {
        let falling = smoothstep((t - self.start - self.rise - self.hold) / self.fall);
        smoothstep((t - self.start) / self.rise) * (1.0 - falling) * self.size
    }
}

/// How the episodes of a stay are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Opening {
    /// This episode first.
    First(Episode),
    /// Only chance.
    None,
}

/// Everything that happens during a stay, made as far as it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    pub episodes: Vec<Episode>,
    pub excursions: Vec<Excursion>,
    quiet_until: f64,
    next_onset: Option<(Scenario, f64)>,
    next_excursion: f64,
    /// Mean time between the end of an episode and the next onset's prodrome; infinite for none.
    mean_gap: f64,
    episode_rng: ChaCha8Rng,
    excursion_rng: ChaCha8Rng,
    /// From here on benign excursions may begin: a demonstration keeps its first minutes clean.
    calm: (f64, f64),
}

impl Course {
    pub(crate) fn new(
        key: (u64, u64, u64),
        from: f64,
        opening: Opening,
        rate_per_hour: f64,
        calm: Option<Span>,
    ) -> Self {
        let (seed, bed, stay) = key;
        let mut excursion_rng = stream(seed, bed, stay, Concern::Excursions);
        let next_excursion = from + exponential(&mut excursion_rng, 6.0 * HOUR);
        let (episodes, quiet_until) = match opening {
            Opening::First(e) if e.scenario != Scenario::Stable => (vec![e], e.end()),
            Opening::First(_) => (Vec::new(), from.max(3_600.0)),
            Opening::None => (Vec::new(), from),
        };
        Self {
            episodes,
            excursions: Vec::new(),
            quiet_until,
            next_onset: None,
            next_excursion,
            mean_gap: if rate_per_hour > 0.0 { HOUR / rate_per_hour } else { f64::INFINITY },
            episode_rng: stream(seed, bed, stay, Concern::Episodes),
            excursion_rng,
            calm: calm.map_or((0.0, 0.0), |s| (-s.as_secs_f64(), s.as_secs_f64())),
        }
    }

    /// Makes sure that everything that shows at or before `t` has been made.
    pub(crate) fn extend(&mut self, t: f64) {
        while self.next_excursion <= t {
            let start = self.next_excursion;
            let excursion = Excursion::random(start, &mut self.excursion_rng);
            if excursion.end() < self.calm.0 || start > self.calm.1 {
                self.excursions.push(excursion);
            }
            self.next_excursion = start + exponential(&mut self.excursion_rng, 7.0 * HOUR);
        }
        while self.mean_gap.is_finite() {
            let (scenario, begin) = *self.next_onset.get_or_insert_with(|| {
                let rng = &mut self.episode_rng;
                (Scenario::ALL[rng.random_range(1..7)], self.quiet_until + exponential(rng, self.mean_gap))
            });
            if begin > t {
                break;
            }
            let mut episode = Episode::random(scenario, begin, &mut self.episode_rng);
            episode.onset += episode.lead;
            self.quiet_until = episode.end();
            self.episodes.push(episode);
            self.next_onset = None;
        }
    }

    /// The episodes that show at `t` (after [`Course::extend`]).
    pub(crate) fn episodes_at(&self, t: f64) -> impl Iterator<Item = &Episode> {
        self.episodes.iter().filter(move |e| e.start() <= t && t <= e.end())
    }

    /// The excursions that show at `t` (after [`Course::extend`]).
    pub(crate) fn excursions_at(&self, t: f64) -> impl Iterator<Item = &Excursion> {
        self.excursions.iter().filter(move |e| e.start <= t && t <= e.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_begin_with_the_prodrome_and_end_with_the_recovery() {
        for scenario in Scenario::ALL {
            let e = Episode::demo(scenario);
            assert_eq!(e.levels(e.start() - 1.0), Levels::default());
            assert_eq!(e.levels(e.end() + 1.0), Levels::default());
            let top = e.levels(e.onset + e.acute);
            assert!((top.acute - 1.0).abs() < 1e-9 && (top.early - 1.0).abs() < 1e-9, "{scenario:?}");
        }
    }

    #[test]
    fn the_course_does_not_depend_on_the_steps_it_was_made_in() {
        let make = || Course::new((3, 1, 0), 0.0, Opening::None, 0.1, None);
        let (mut whole, mut cut) = (make(), make());
        whole.extend(400.0 * HOUR);
        for i in 0..=800 {
            cut.extend(f64::from(i) * 0.5 * HOUR);
        }
        assert!(whole.episodes.len() > 3 && whole.excursions.len() > 30);
        assert_eq!(whole.episodes, cut.episodes);
        assert_eq!(whole.excursions, cut.excursions);
    }
}
