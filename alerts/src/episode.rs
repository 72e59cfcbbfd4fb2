//! One episode of one alert kind, as a pure state machine.
//!
//! Every raised episode ends exactly once: resolved, when its condition has been seen to end, or
//! expired. Time only enters as an argument. Whether any of it is said is [`crate::lifecycle`]'s.

use bedwatch_schemas::{
    alert::{Phase, Priority},
    time::{EventTime, Span},
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
    /// Raised. `clear_since`: when the condition began to be clear without a break; `known`: when it
    /// was last known to be anything.
    Active { onset: EventTime, priority: Priority, clear_since: Option<EventTime>, known: EventTime },
}

/// The episode of one kind of one patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    state: State,
}

/// What the episode does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// What happened.
    pub phase: Phase,
    /// The priority in force.
    pub priority: Priority,
    /// When the condition began.
    pub onset: EventTime,
}

impl Default for Episode {
    fn default() -> Self {
        Self { state: State::Idle { quiet_until: None } }
    }
}

impl Episode {
    /// Folds one evaluation at `now` (never earlier than the one before). After `expire` without
    /// knowing anything of the condition the episode ends.
    pub fn step(
        &mut self,
        now: EventTime,
        holds: Holds,
        timing: &Timing,
        expire: Option<Span>,
    ) -> Option<Transition> {
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
            (State::Active { onset, priority, .. }, Holds::Yes { priority: new, .. }) => {
                let raised = new > priority;
                let priority = new.max(priority);
                self.state = State::Active { onset, priority, clear_since: None, known: now };
                raised.then_some(Transition { phase: Phase::Updated, priority, onset })
            }
            (State::Active { onset, priority, clear_since, .. }, Holds::No) => {
                let since = clear_since.unwrap_or(now);
                if now.since(since) >= timing.clear() && now > onset {
                    return self.end(now, timing, Phase::Resolved);
                }
                self.state = State::Active { onset, priority, clear_since: Some(since), known: now };
                None
            }
            (State::Active { onset, priority, .. }, Holds::Between) => {
                self.state = State::Active { onset, priority, clear_since: None, known: now };
                None
            }
            (State::Active { onset, priority, known, .. }, Holds::Unknown) => {
                if expire.is_some_and(|after| now.since(known) >= after) {
                    return self.end(now, timing, Phase::Expired);
                }
                self.state = State::Active { onset, priority, clear_since: None, known };
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
        self.state = State::Active { onset: since, priority, clear_since: None, known: now };
        Some(Transition { phase: Phase::Raised, priority, onset: since })
    }

    /// The patient has left: ends the episode, if it is active.
    pub fn leave(&mut self, now: EventTime, timing: &Timing) -> Option<Transition> {
        self.end(now, timing, Phase::Expired)
    }

    fn end(&mut self, now: EventTime, timing: &Timing, phase: Phase) -> Option<Transition> {
        let State::Active { onset, priority, .. } = self.state else {
            self.state = State::Idle { quiet_until: None };
            return None;
        };
        self.state = State::Idle { quiet_until: Some(now + timing.refractory()) };
        Some(Transition { phase, priority, onset })
    }

    /// When the episode could change without any new data.
    #[must_use]
    pub fn deadline(&self, timing: &Timing, expire: Option<Span>) -> Option<EventTime> {
        match self.state {
            State::Pending { quiet_until, .. } => quiet_until,
            State::Active { clear_since: Some(since), .. } => Some(since + timing.clear()),
            // Where nothing comes any more nothing else would look again.
            State::Active { known, .. } => expire.map(|after| known + after),
            State::Idle { .. } => None,
        }
    }

    /// Whether it is raised and has not ended, with its priority and onset.
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
        // (second, what holds, expected phase)
        let cases = [
            (0, medium(0), None),
            (9, medium(9), None),
            (30, medium(9), None), // nothing followed the value of 9 s
            (30, medium(10), Some(Phase::Raised)),
            (31, medium(31), None),
            (32, yes(Priority::High, 32), Some(Phase::Updated)),
            (33, medium(33), None),
            (40, Holds::No, None),
            (79, Holds::Between, None),
            (80, Holds::No, None),
            (139, Holds::No, None),
            (140, Holds::No, Some(Phase::Resolved)),
            (150, medium(150), None),
            (439, medium(439), None),
            (440, medium(440), Some(Phase::Raised)),
            (441, Holds::Unknown, None),
            (9_999, Holds::Unknown, None),
        ];
        let mut episode = Episode::default();
        for (secs, holds, want) in cases {
            let got = episode.step(at(secs), holds, &TIMING, None).map(|t| t.phase);
            assert_eq!(got, want, "at {secs} s");
        }
        assert_eq!(episode.active(), Some((Priority::Medium, at(150))), "silence does not resolve");
    }

    #[test]
    fn high_priority_breaks_the_refractory_time_and_sparse_values_need_no_persistence() {
        let mut episode = Episode::default();
        let sparse = Holds::Yes { priority: Priority::Medium, measured: None };
        assert!(episode.step(at(0), sparse, &TIMING, None).is_some());
        episode.step(at(1), Holds::No, &TIMING, None);
        assert!(episode.step(at(61), Holds::No, &TIMING, None).is_some());
        assert!(episode.step(at(62), sparse, &TIMING, None).is_none());
        assert!(
            episode
                .step(at(63), Holds::Yes { priority: Priority::High, measured: None }, &TIMING, None)
                .is_some()
        );
    }

    /// A withdrawn value makes an earlier one the latest again.
    #[test]
    fn an_episode_never_begins_in_the_one_before() {
        let mut episode = Episode::default();
        episode.step(at(100), yes(Priority::High, 100), &TIMING, None);
        assert_eq!(episode.step(at(110), yes(Priority::High, 110), &TIMING, None).unwrap().onset, at(100));
        episode.step(at(120), Holds::No, &TIMING, None);
        assert!(episode.step(at(180), Holds::No, &TIMING, None).is_some());
        episode.step(at(181), yes(Priority::High, 100), &TIMING, None);
        assert!(episode.step(at(182), yes(Priority::High, 182), &TIMING, None).is_none(), "2 s since 180");
        assert_eq!(episode.step(at(190), yes(Priority::High, 190), &TIMING, None).unwrap().onset, at(180));
    }

    #[test]
    fn an_episode_does_not_end_in_the_moment_it_began() {
        let timing = Timing { clear_secs: 0, ..TIMING };
        let mut episode = Episode::default();
        let sparse = Holds::Yes { priority: Priority::High, measured: None };
        assert!(episode.step(at(0), sparse, &timing, None).is_some());
        assert!(episode.step(at(0), Holds::No, &timing, None).is_none());
        assert!(episode.step(at(1), Holds::No, &timing, None).is_some());
    }

    /// Silence does not resolve; after long enough it is said that nothing more is known.
    #[test]
    fn what_nothing_is_known_of_expires_at_its_time() {
        let expire = Some(Span::secs(100));
        let sparse = Holds::Yes { priority: Priority::Medium, measured: None };
        let mut episode = Episode::default();
        episode.step(at(0), sparse, &TIMING, expire);
        for (secs, holds, want) in [
            (10, Holds::Unknown, None),
            (99, Holds::Unknown, None),
            (99, Holds::Between, None),
            (150, Holds::Unknown, None),
            (198, Holds::Unknown, None),
            (199, Holds::Unknown, Some(Phase::Expired)),
            (200, Holds::Unknown, None),
        ] {
            assert_eq!(episode.step(at(secs), holds, &TIMING, expire).map(|t| t.phase), want, "at {secs} s");
            if secs == 150 {
                assert_eq!(episode.deadline(&TIMING, expire), Some(at(199)), "whether or not anything comes");
            }
        }
        assert_eq!(episode.active(), None);
    }

    proptest! {
        /// Law: a start and an end alternate, and nothing happens between episodes.
        #[test]
        fn every_start_has_one_end(steps in prop::collection::vec((0_i64..400, 0_u8..5), 0..200)) {
            let mut episode = Episode::default();
            let mut now = at(0);
            let mut open = false;
            for (wait, what) in steps {
                now = now + Span::secs(wait);
                let holds = match what {
                    0 => Holds::No,
                    1 => Holds::Between,
                    2 => Holds::Unknown,
                    3 => Holds::Yes { priority: Priority::Medium, measured: Some(now) },
                    _ => Holds::Yes { priority: Priority::High, measured: Some(now) },
                };
                if let Some(t) = episode.step(now, holds, &TIMING, Some(Span::secs(600))) {
                    match (t.phase, open) {
                        (Phase::Raised, false) => open = true,
                        (Phase::Updated, true) => {}
                        (Phase::Resolved | Phase::Expired, true) => open = false,
                        other => prop_assert!(false, "{:?}", other),
                    }
                }
                prop_assert_eq!(episode.active().is_some(), open);
            }
        }
    }
}
