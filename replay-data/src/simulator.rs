//! The seeded ward simulator: beds that speak HL7 v2, FHIR, vitals, waveforms and CGM.
//!
//! Pure and deterministic: no clock, no input but the configuration. Each bed has one latent
//! physiology (`physiology`) from which every format takes its numbers, so what the monitor, the
//! laboratory and the nurse say agrees. Randomness is split by bed and concern (`rng`), so bed k is
//! the same whatever the number of beds, and the records are the same however the time is cut.
//!
//! Synthetic patients: the sizes of the effects are assumptions (`shift`), not measurements.

mod beats;
mod course;
mod drugs;
mod eeg;
mod fhir;
mod hl7;
mod hourly;
mod labs;
mod monitor;
mod person;
mod physiology;
mod rng;
pub mod samples;
mod shift;
mod stay;
#[cfg(test)]
mod tests;

use bedwatch_schemas::{
    event::Stream,
    ids::{PatientId, SourceId},
    time::{ArrivalTime, EventTime, Span},
};

pub use course::{Scenario, ScenarioPlan};
pub use hourly::{Hour, HourlyStay, hourly_table, training_hours, training_scenario, write_psv};

use course::{Episode, Opening, demo_scenario};
use rng::{Concern, between, exponential, stream};
use stay::{Pending, Plan, Stay, demo_opening};

/// Why a ward could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No bed, or more than 100,000.
    #[error("a ward has 1 to 100000 beds, not {0}")]
    Beds(usize),
    /// The history is negative or longer than 60 days.
    #[error("the history is between 0 and 60 days long")]
    History,
    /// The episode rate is negative or not a number.
    #[error("the rate of episodes is a number from 0 to 10 per bed and hour")]
    Rate,
}

/// What ward to simulate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WardConfig {
    /// The number of beds.
    pub beds: usize,
    /// The seed of everything random.
    pub seed: u64,
    /// The live start: vitals come each second from a minute before it, waveforms from 70 s before.
    pub start: EventTime,
    /// How long before the live start the patients were admitted; vitals each minute.
    pub history: Span,
    /// Who gets what and when.
    pub scenarios: ScenarioPlan,
    /// Whether the beds have EEG (19 channels, 256 Hz).
    pub eeg: bool,
    /// Whether the beds send ECG, pleth and arterial pressure waveforms.
    pub waveforms: bool,
}

impl WardConfig {
    /// A demonstration ward with 24 hours of history and every stream.
    #[must_use]
    pub const fn demo(beds: usize, seed: u64, start: EventTime) -> Self {
        Self {
            beds,
            seed,
            start,
            history: Span::hours(24),
            scenarios: ScenarioPlan::Demo,
            eeg: true,
            waveforms: true,
        }
    }
}

/// A record as a hospital system sends it.
#[derive(Clone, PartialEq, Eq)]
pub struct WardRecord {
    /// The stream it belongs to.
    pub stream: Stream,
    /// The record's key: the pseudonymous patient id.
    pub key: PatientId,
    /// When it is sent. Vitals at their own time, waveforms at the end of their block, results when
    /// the laboratory releases them.
    pub at: ArrivalTime,
    /// The message, byte for byte.
    pub payload: Vec<u8>,
}

impl std::fmt::Debug for WardRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WardRecord")
            .field("stream", &self.stream)
            .field("at", &self.at)
            .field("bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// One episode as it truly was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TrueEpisode {
    /// What it was.
    pub scenario: Scenario,
    /// Its onset; the prodrome came before.
    pub onset: EventTime,
    /// When it had passed.
    pub end: EventTime,
    /// The onset of shock or respiratory failure, where it came to that.
    pub failure: Option<EventTime>,
}

/// What truly happened to one patient, for validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BedTruth {
    /// The bed's number, from 0.
    pub bed: usize,
    /// The patient.
    pub patient: PatientId,
    /// What the stay began with; [`Scenario::Stable`] where nothing was planned.
    pub scenario: Scenario,
    /// When the patient was admitted.
    pub admitted: EventTime,
    /// The episodes as far as they have been simulated, in order.
    pub episodes: Vec<TrueEpisode>,
}

/// A ward of simulated patients.
#[derive(Debug)]
pub struct Ward {
    config: WardConfig,
    beds: Vec<Bed>,
}

#[derive(Debug)]
struct Bed {
    stay: Stay,
    number: u64,
    scenario: Scenario,
    past: Vec<BedTruth>,
    pending: Vec<Pending>,
}

const HOUR: i64 = 3_600_000_000;

impl Ward {
    /// Makes a ward.
    ///
    /// # Errors
    /// When the configuration is out of its limits.
    pub fn new(config: WardConfig) -> Result<Self, Error> {
        if !(1..=100_000).contains(&config.beds) {
            return Err(Error::Beds(config.beds));
        }
        if !(Span::ZERO..=Span::hours(24 * 60)).contains(&config.history) {
            return Err(Error::History);
        }
        if let ScenarioPlan::Random { rate } | ScenarioPlan::First { rate, .. } = config.scenarios
            && !(0.0..=10.0).contains(&rate)
        {
            return Err(Error::Rate);
        }
        let beds = (0..config.beds as u64).map(|bed| Bed::new(&config, bed)).collect();
        Ok(Self { config, beds })
    }

    /// Appends every record with `at` <= `until` that has not been handed out yet, in the order of
    /// (time, stream, bed). However the time is cut, the records are the same.
    pub fn next_until(&mut self, until: EventTime, out: &mut Vec<WardRecord>) {
        let start = self.config.start;
        let until = until.since(start).0;
        let mut due: Vec<(usize, Pending)> = Vec::new();
        for (index, bed) in self.beds.iter_mut().enumerate() {
            bed.advance(&self.config, index as u64, until);
            due.extend(bed.pending.extract_if(.., |p| p.at <= until).map(|p| (index, p)));
        }
        due.sort_by_key(|(bed, p)| (p.at, p.stream, *bed, p.sender, p.number));
        out.extend(due.into_iter().map(|(_, p)| WardRecord {
            stream: p.stream,
            key: p.key,
            at: (start + Span(p.at)).as_arrival_time(),
            payload: p.payload,
        }));
    }

    /// What truly happened so far, by bed and then by time.
    #[must_use]
    pub fn truth(&self) -> Vec<BedTruth> {
        let mut truth = Vec::new();
        for (index, bed) in self.beds.iter().enumerate() {
            truth.extend(bed.past.iter().cloned());
            truth.push(bed.truth(index, self.config.start));
        }
        truth
    }
}

impl Bed {
    fn new(config: &WardConfig, bed: u64) -> Self {
        let scenario = match config.scenarios {
            ScenarioPlan::Demo => demo_scenario(config.seed, bed),
            ScenarioPlan::Random { .. } => Scenario::Stable,
            ScenarioPlan::First { scenario, .. } => scenario,
        };
        // The demonstrated beds are ordinary people; further stable beds are anybody.
        let opening = match config.scenarios {
            ScenarioPlan::Demo if bed < 8 || scenario != Scenario::Stable => demo_opening(scenario),
            ScenarioPlan::First { .. } if scenario != Scenario::Stable => {
                let rng = &mut stream(config.seed, bed, 0, Concern::Opening);
                let onset = between(rng, 0.0, 900.0);
                Opening::First(Episode::random(scenario, onset, rng))
            }
            _ => Opening::None,
        };
        let rng = &mut stream(config.seed, bed, 0, Concern::Scenario);
        let remaining = 14 * HOUR + (exponential(rng, 60.0) * HOUR as f64) as i64 / 1_000 * 1_000;
        let plan = Plan { from: -config.history.0, to: remaining, opening, ..Self::plan(config) };
        let stay = Stay::new((config.seed, bed, 0), config.start, plan);
        Self { stay, number: 0, scenario, past: Vec::new(), pending: Vec::new() }
    }

    fn plan(config: &WardConfig) -> Plan {
        let rate_per_hour = match config.scenarios {
            ScenarioPlan::Demo => 1.0 / 48.0,
            ScenarioPlan::Random { rate } | ScenarioPlan::First { rate, .. } => rate,
        };
        Plan {
            from: 0,
            to: 0,
            opening: Opening::None,
            rate_per_hour,
            eeg: config.eeg,
            waveforms: config.waveforms,
        }
    }

    fn advance(&mut self, config: &WardConfig, bed: u64, until: i64) {
        self.stay.advance(until, &mut self.pending);
        while self.stay.ends() < until {
            // The bed is cleaned, then the next patient comes.
            self.past.push(self.truth(bed as usize, config.start));
            self.number += 1;
            self.scenario = Scenario::Stable;
            let rng = &mut stream(config.seed, bed, self.number, Concern::Scenario);
            let empty = (between(rng, 0.7, 3.0) * HOUR as f64) as i64 / 1_000 * 1_000;
            let length = 18 * HOUR + (exponential(rng, 60.0) * HOUR as f64) as i64 / 1_000 * 1_000;
            let from = self.stay.ends() + empty;
            let plan = Plan { from, to: from + length, ..Self::plan(config) };
            self.stay = Stay::new((config.seed, bed, self.number), config.start, plan);
            self.stay.advance(until, &mut self.pending);
        }
    }

    fn truth(&self, bed: usize, start: EventTime) -> BedTruth {
        let time = |secs: f64| start + Span((secs * 1e6) as i64);
        BedTruth {
            bed,
            patient: self.stay.body.person.id.clone(),
            scenario: self.scenario,
            admitted: start + Span(self.stay.begins()),
            episodes: self
                .stay
                .body
                .course
                .episodes
                .iter()
                .map(|e| TrueEpisode {
                    scenario: e.scenario,
                    onset: time(e.onset),
                    end: time(e.end()),
                    failure: e.failure_onset().map(time),
                })
                .collect(),
        }
    }
}

fn source(name: &str) -> SourceId {
    SourceId::new(name).expect("a constant is a valid id")
}
