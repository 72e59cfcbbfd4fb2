//! One episode of one alert kind, as a pure state machine.
//!
//! Every raised episode is resolved exactly once. Time only enters as an argument.

use bedwatch_schemas::{
    alert::{Phase, Priority},
    time::EventTime,
};
use serde::{Deserialize, Serialize};

use crate::{condition::Holds, config::Timing};

/// Where the episode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// Nothing is the matter; after an episode, quiet until a time.
    Idle { quiet_until: Option<EventTime> },
    /// The condition holds and has not yet persisted.
    Pending { since: EventTime, quiet_until: Option<EventTime> },
    /// Raised. `clear_since`: when the condition began to be clear without a break.
    Active { onset: EventTime, priority: Priority, sequence: u32, clear_since: Option<EventTime> },
}

/// The episode of one kind of one patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    state: State,
}

/// A message the episode gives rise to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// What happened.
    pub phase: Phase,
    /// The priority in force.
    pub priority: Priority,
    /// When the condition began.
    pub onset: EventTime,
    /// The message's number within the episode.
    pub sequence: u32,
}

impl Default for Episode {
    fn default() -> Self {
        Self { state: State::Idle { quiet_until: None } }
    }
}

impl Episode {
    /// Folds one evaluation at `now` (never earlier than the one before).
    pub fn step(&mut self, now: EventTime, holds: Holds, timing: &Timing) -> Option<Transition> {
        match (self.state, holds) {
            (State::Idle { quiet_until }, Holds::Yes { priority, measured }) => {
                self.begin(now, measured.unwrap_or(now), quiet_until, priority, measured, timing)
            }
            (State::Pending { since, quiet_until }, Holds::Yes { priority, measured }) => {
                self.begin(now, since, quiet_until, priority, measured, timing)
            }
            (State::Pending { quiet_until, .. }, _) => {
                self.state = State::Idle { quiet_until };
                None
            }
            (State::Idle { .. }, _) => None,
            (State::Active { onset, priority, sequence, .. }, Holds::Yes { priority: new, .. }) => {
                let raised = new > priority;
                let sequence = sequence + u32::from(raised);
                let priority = new.max(priority);
                self.state = State::Active { onset, priority, sequence, clear_since: None };
                raised.then_some(Transition { phase: Phase::Updated, priority, onset, sequence })
            }
            (State::Active { onset, priority, sequence, clear_since }, Holds::No) => {
                let since = clear_since.unwrap_or(now);
                if now.since(since) >= timing.clear() && now > onset {
                    return self.end(now, timing);
                }
                self.state = State::Active { onset, priority, sequence, clear_since: Some(since) };
                None
            }
            (State::Active { onset, priority, sequence, .. }, Holds::Between | Holds::Unknown) => {
                self.state = State::Active { onset, priority, sequence, clear_since: None };
                None
            }
        }
    }

    fn begin(
        &mut self,
        now: EventTime,
        since: EventTime,
        quiet_until: Option<EventTime>,
        priority: Priority,
        measured: Option<EventTime>,
        timing: &Timing,
    ) -> Option<Transition> {
        // Persistence is counted on values, not on the clock: one low value that nothing followed
        // does not persist by growing old.
        let persisted = measured.is_none_or(|at| at.since(since) >= timing.persistence());
        // A withdrawn value must not lead back into the episode before: its id would be said twice.
        let ended = quiet_until.map(|until| until - timing.refractory());
        let since = ended.map_or(since, |ended| since.max(ended));
        let quiet = priority < Priority::High && quiet_until.is_some_and(|until| now < until);
        if !persisted || quiet || !timing.enabled {
            self.state = State::Pending { since, quiet_until };
            return None;
        }
        self.state = State::Active { onset: since, priority, sequence: 0, clear_since: None };
        Some(Transition { phase: Phase::Raised, priority, onset: since, sequence: 0 })
    }

    /// Ends the episode now, if it is active (condition cleared, patient left).
    pub fn end(&mut self, now: EventTime, timing: &Timing) -> Option<Transition> {
        let State::Active { onset, priority, sequence, .. } = self.state else {
            self.state = State::Idle { quiet_until: None };
            return None;
        };
        self.state = State::Idle { quiet_until: Some(now + timing.refractory()) };
        Some(Transition { phase: Phase::Resolved, priority, onset, sequence: sequence + 1 })
    }

    /// When the episode could change without any new data.
    #[must_use]
    pub fn deadline(&self, timing: &Timing) -> Option<EventTime> {
        match self.state {
            State::Pending { quiet_until, .. } => quiet_until,
            State::Active { clear_since: Some(since), .. } => Some(since + timing.clear()),
            _ => None,
        }
    }

    /// Whether it is raised and not yet resolved, with its priority and onset.
    #[must_use]
    pub const fn active(&self) -> Option<(Priority, EventTime)> {
        match self.state {
            State::Active { onset, priority, .. } => Some((priority, onset)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::time::Span;
    use proptest::prelude::*;

    use super::*;

    const TIMING: Timing =
        Timing { enabled: true, persistence_secs: 10, clear_secs: 60, refractory_secs: 300 };

    fn at(secs: i64) -> EventTime {
        EventTime::from_micros(0) + Span::secs(secs)
    }

    fn yes(priority: Priority, secs: i64) -> Holds {
        Holds::Yes { priority, measured: Some(at(secs)) }
    }

    #[test]
    fn persistence_hysteresis_and_refractory_at_their_boundaries() {
        let medium = |secs| yes(Priority::Medium, secs);
        // (second, what holds, expected phase and sequence)
        let cases = [
            (0, medium(0), None),
            (9, medium(9), None),
            (30, medium(9), None), // nothing followed the value of 9 s
            (30, medium(10), Some((Phase::Raised, 0))),
            (31, medium(31), None),
            (32, yes(Priority::High, 32), Some((Phase::Updated, 1))),
            (33, medium(33), None),
            (40, Holds::No, None),
            (79, Holds::Between, None),
            (80, Holds::No, None),
            (139, Holds::No, None),
            (140, Holds::No, Some((Phase::Resolved, 2))),
            (150, medium(150), None),
            (439, medium(439), None),
            (440, medium(440), Some((Phase::Raised, 0))),
            (441, Holds::Unknown, None),
            (9_999, Holds::Unknown, None),
        ];
        let mut episode = Episode::default();
        for (secs, holds, want) in cases {
            let got = episode.step(at(secs), holds, &TIMING).map(|t| (t.phase, t.sequence));
            assert_eq!(got, want, "at {secs} s");
        }
        assert_eq!(episode.active(), Some((Priority::Medium, at(150))), "silence does not resolve");
    }

    #[test]
    fn high_priority_breaks_the_refractory_time_and_sparse_values_need_no_persistence() {
        let mut episode = Episode::default();
        let sparse = Holds::Yes { priority: Priority::Medium, measured: None };
        assert!(episode.step(at(0), sparse, &TIMING).is_some());
        episode.step(at(1), Holds::No, &TIMING);
        assert!(episode.step(at(61), Holds::No, &TIMING).is_some());
        assert!(episode.step(at(62), sparse, &TIMING).is_none());
        assert!(
            episode.step(at(63), Holds::Yes { priority: Priority::High, measured: None }, &TIMING).is_some()
        );
    }

    /// A withdrawn value makes an earlier one the latest again.
    #[test]
    fn an_episode_never_begins_in_the_one_before() {
        let mut episode = Episode::default();
        episode.step(at(100), yes(Priority::High, 100), &TIMING);
        assert_eq!(episode.step(at(110), yes(Priority::High, 110), &TIMING).unwrap().onset, at(100));
        episode.step(at(120), Holds::No, &TIMING);
        assert!(episode.step(at(180), Holds::No, &TIMING).is_some());
        episode.step(at(181), yes(Priority::High, 100), &TIMING);
        assert!(episode.step(at(182), yes(Priority::High, 182), &TIMING).is_none(), "2 s since 180");
        assert_eq!(episode.step(at(190), yes(Priority::High, 190), &TIMING).unwrap().onset, at(180));
    }

    #[test]
    fn an_episode_does_not_end_in_the_moment_it_began() {
        let timing = Timing { clear_secs: 0, ..TIMING };
        let mut episode = Episode::default();
        let sparse = Holds::Yes { priority: Priority::High, measured: None };
        assert!(episode.step(at(0), sparse, &timing).is_some());
        assert!(episode.step(at(0), Holds::No, &timing).is_none());
        assert!(episode.step(at(1), Holds::No, &timing).is_some());
    }

    proptest! {
        /// Law: raised and resolved alternate, sequences count up, and nothing happens between.
        #[test]
        fn every_start_has_one_end(steps in prop::collection::vec((0_i64..400, 0_u8..5), 0..200)) {
            let mut episode = Episode::default();
            let mut now = at(0);
            let mut open: Option<u32> = None;
            for (wait, what) in steps {
                now = now + Span::secs(wait);
                let holds = match what {
                    0 => Holds::No,
                    1 => Holds::Between,
                    2 => Holds::Unknown,
                    3 => Holds::Yes { priority: Priority::Medium, measured: Some(now) },
                    _ => Holds::Yes { priority: Priority::High, measured: Some(now) },
                };
                if let Some(t) = episode.step(now, holds, &TIMING) {
                    match (t.phase, open) {
                        (Phase::Raised, None) => { prop_assert_eq!(t.sequence, 0); open = Some(0); }
                        (Phase::Updated, Some(n)) => { prop_assert_eq!(t.sequence, n + 1); open = Some(n + 1); }
                        (Phase::Resolved, Some(n)) => { prop_assert_eq!(t.sequence, n + 1); open = None; }
                        other => prop_assert!(false, "{:?}", other),
                    }
                }
                prop_assert_eq!(episode.active().is_some(), open.is_some());
            }
        }
    }
}
