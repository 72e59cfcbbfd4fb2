//! The alert policy of one patient: one episode a kind, and one a feed for technical alerts.

use std::collections::BTreeMap;

use bedwatch_schemas::{
    alert::{AlertKind, Phase, Priority},
    event::Modality,
    feedback::Feedback,
    frame::FeatureFrame,
    ids::{AlertId, PatientId},
    risk::Assessment,
    summary::FeedState,
    time::EventTime,
};
use serde::{Deserialize, Serialize};

use crate::{
    Config, condition,
    episode::{Episode, Transition},
};

/// Which episode: the kind, and the feed for technical kinds.
type Key = (AlertKind, Option<Modality>);

/// The episodes of one patient.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    episodes: BTreeMap<Key, Episode>,
}

/// An alert message decided: everything but its evidence and its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The episode's id.
    pub id: AlertId,
    /// What it is about.
    pub kind: AlertKind,
    /// The feed, for technical kinds.
    pub modality: Option<Modality>,
    /// What happened.
    pub phase: Phase,
    /// The priority in force.
    pub priority: Priority,
    /// When the condition began.
    pub onset: EventTime,
    /// The message's number within the episode.
    pub sequence: u32,
    /// The patient's most urgent open alert, where that is another.
    pub primary: Option<AlertId>,
    /// How often it has been escalated.
    pub escalations: u8,
    /// What people have said of it.
    pub feedback: Vec<Feedback>,
}

impl Policy {
    /// Folds one frame. Decisions come in the order of kinds, then feeds.
    pub fn evaluate(
        &mut self,
        frame: &FeatureFrame,
        assessment: Option<&Assessment>,
        config: &Config,
    ) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for kind in AlertKind::ALL.into_iter().filter(|k| !k.is_technical()) {
            let holds = condition::evaluate(kind, frame, assessment, config);
            self.step((kind, None), frame, holds, config, &mut decisions);
        }
        for kind in AlertKind::ALL.into_iter().filter(|k| k.is_technical()) {
            for feed in &frame.freshness {
                let holds = condition::feed(kind, feed.state);
                self.step((kind, Some(feed.modality)), frame, holds, config, &mut decisions);
            }
        }
        decisions
    }

    fn step(
        &mut self,
        key: Key,
        frame: &FeatureFrame,
        holds: condition::Holds,
        config: &Config,
        out: &mut Vec<Decision>,
    ) {
        let episode = match self.episodes.get_mut(&key) {
            Some(episode) => episode,
            // Nothing to remember while nothing is the matter.
            None if !matches!(holds, condition::Holds::Yes { .. }) => return,
            None => self.episodes.entry(key).or_default(),
        };
        if let Some(transition) = episode.step(frame.at, holds, config.timing(key.0)) {
            out.push(decide(&frame.patient, key, transition));
        }
    }

    /// Resolves every open episode: the patient left, or was merged into another.
    pub fn close(&mut self, patient: &PatientId, at: EventTime, config: &Config) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for (&key, episode) in &mut self.episodes {
            if let Some(transition) = episode.end(at, config.timing(key.0)) {
                decisions.push(decide(patient, key, transition));
            }
        }
        self.episodes.clear();
        decisions
    }

    /// When something could change without any new data: an episode's own deadline, or a feed that
    /// turns stale.
    #[must_use]
    pub fn deadline(&self, frame: &FeatureFrame, config: &Config) -> Option<EventTime> {
        let episodes = self.episodes.iter().filter_map(|(key, e)| e.deadline(config.timing(key.0)));
        let feeds = frame
            .freshness
            .iter()
            .filter(|f| f.state == FeedState::Fresh)
            // One microsecond past the bound: at the bound itself the feed still counts as fresh.
            .map(|f| f.last_at + f.stale_after + bedwatch_schemas::time::Span(1));
        episodes.chain(feeds).filter(|&t| t > frame.at).min()
    }

    /// The open episodes: kind, feed, priority and onset, in the order of kinds.
    pub fn active(&self) -> impl Iterator<Item = (AlertKind, Option<Modality>, Priority, EventTime)> + '_ {
        self.episodes.iter().filter_map(|(key, e)| e.active().map(|(p, onset)| (key.0, key.1, p, onset)))
    }
}

fn decide(patient: &PatientId, key: Key, t: Transition) -> Decision {
    let subject = key.1.map_or("", Modality::label);
    Decision {
        id: AlertId::of(patient, key.0, subject, t.onset),
        kind: key.0,
        modality: key.1,
        phase: t.phase,
        priority: t.priority,
        onset: t.onset,
        sequence: t.sequence,
        primary: None,
        escalations: 0,
        feedback: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
