//! The alert policy of one patient: one episode a kind, and one a feed for technical alerts; what is
//! said of them and what is withheld.

use std::collections::BTreeMap;

use bedwatch_schemas::{
    alert::{AlertKind, Phase, Priority},
    event::Modality,
    feedback::{Action, Feedback},
    frame::FeatureFrame,
    ids::AlertId,
    risk::Assessment,
    site::Verdict,
    summary::FeedState,
    time::{EventTime, Span},
    withheld::{Fate, WITHHELD, Withheld, WithheldReason},
};
use serde::{Deserialize, Serialize};

use crate::{
    Config,
    budget::{self, Said, Unit},
    condition,
    episode::{Episode, Transition},
    inhibition,
    lifecycle::{self, Heard, Life, Why},
};

/// Which episode: the kind, and the feed for technical kinds.
type Key = (AlertKind, Option<Modality>);

/// A person's wish for quiet about one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Quiet {
    until: EventTime,
    /// Up to and with this priority.
    priority: Priority,
}

/// The episodes of one patient and what has become of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    episodes: BTreeMap<Key, Episode>,
    /// One for each active episode.
    lives: BTreeMap<Key, Life>,
    /// Kinds snoozed.
    quiet: BTreeMap<AlertKind, Quiet>,
    /// What was said of this patient lately; kept only where there is a budget.
    said: Said,
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

/// An entry for the ledger: everything but whose it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ledgered {
    /// The episode's id.
    pub id: AlertId,
    /// What it is about.
    pub kind: AlertKind,
    /// The priority in force.
    pub priority: Priority,
    /// When the condition began.
    pub onset: EventTime,
    /// What became of it and why.
    pub entry: lifecycle::Entry,
}

impl Ledgered {
    /// The entry as it is written. `config` is the hash of the configuration.
    #[must_use]
    pub fn compose(&self, frame: &FeatureFrame, config: &str) -> Withheld {
        let lifecycle::Entry { fate, sequence, why } = self.entry;
        Withheld {
            schema: WITHHELD.to_owned(),
            alert: self.id,
            sequence,
            fate,
            reason: why.reason,
            inhibitor: why.inhibitor,
            value: why.price.map(|(value, _)| value),
            needed: why.price.map(|(_, needed)| needed),
            kind: self.kind,
            priority: self.priority,
            patient: frame.patient.clone(),
            location: frame.location.clone(),
            onset: self.onset,
            at: frame.at,
            config: config.to_owned(),
        }
    }

    /// Whether the alert was not yet in the ledger.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.entry.sequence == 0
    }
}

/// What one step of the policy gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decided {
    /// The messages, in the order of kinds, then feeds; then what time alone brought about.
    pub decisions: Vec<Decision>,
    /// What is withheld, and what becomes of it.
    pub ledger: Vec<Ledgered>,
    /// What became of each thing a person said.
    pub heard: Vec<(Action, Heard)>,
    /// Episodes that began: each is in `decisions` as raised or in `ledger`.
    pub begun: u64,
}

/// What one step is about.
#[derive(Debug)]
pub struct Step<'a> {
    /// Everything known now.
    pub frame: &'a FeatureFrame,
    /// What the encoder last said.
    pub assessment: Option<&'a Assessment>,
    /// What people have said since the step before.
    pub heard: &'a [Feedback],
    /// What the site's rules say, in the order of their configuration; empty where they were not asked.
    pub site: &'a [Verdict],
    /// The unit the bed stands in, where it is known.
    pub unit: Option<Unit<'a>>,
    /// The settings.
    pub config: &'a Config,
}

impl Policy {
    /// Folds one frame. What people said is heard first: they answered what was said before it.
    pub fn step(&mut self, mut step: Step<'_>) -> Decided {
        let (frame, assessment, config) = (step.frame, step.assessment, step.config);
        let mut out = self.hear(frame.at, step.heard, config);
        for kind in AlertKind::ALL.into_iter().filter(|k| !k.is_technical()) {
            let holds = condition::evaluate(kind, frame, assessment, config);
            self.turn((kind, None), holds, &mut step, &mut out);
        }
        for (rule, verdict) in config.rules.iter().zip(step.site) {
            let holds = condition::site(*verdict, rule.priority);
            self.turn((AlertKind::Site(rule.name), None), holds, &mut step, &mut out);
        }
        for kind in AlertKind::ALL.into_iter().filter(|k| k.is_technical()) {
            for feed in &frame.freshness {
                let holds = condition::feed(kind, feed.state);
                self.turn((kind, Some(feed.modality)), holds, &mut step, &mut out);
            }
        }
        self.reconsider(&mut step, &mut out);
        self.pass(frame.at, config, &mut out);
        self.group(&mut out.decisions);
        out
    }

    /// One kind, or one feed of a technical kind.
    fn turn(&mut self, key: Key, holds: condition::Holds, step: &mut Step<'_>, out: &mut Decided) {
        let episode = match self.episodes.get_mut(&key) {
            Some(episode) => episode,
            // Nothing to remember while nothing is the matter.
            None if !matches!(holds, condition::Holds::Yes { .. }) => return,
            None => self.episodes.entry(key).or_default(),
        };
        let (config, now) = (step.config, step.frame.at);
        let transition = episode.step(now, holds, &config.timing(key.0), config.expire(key.0));
        let Some(Transition { phase, priority, onset }) = transition else {
            return;
        };
        match phase {
            Phase::Raised => {
                out.begun += 1;
                let id = AlertId::of(&step.frame.patient, key.0, key.1.map_or("", Modality::label), onset);
                let life = Life::begun(id, priority, onset, key.0.is_technical(), now);
                self.lives.insert(key, life);
                self.place(key, step, out);
            }
            Phase::Resolved | Phase::Expired => self.end(key, phase, out),
            _ => {
                let Some(life) = self.lives.get_mut(&key) else {
                    return;
                };
                let said = life.rise(priority, now);
                let withheld = life.withheld().is_some();
                out.take(key, life, said);
                if withheld {
                    self.place(key, step, out);
                }
            }
        }
    }

    /// Says an alert that is not yet said, or withholds it.
    fn place(&mut self, key: Key, step: &mut Step<'_>, out: &mut Decided) {
        let why = self.why_not(key, step);
        let (now, budget) = (step.frame.at, step.config.budget.enabled);
        let Some(life) = self.lives.get_mut(&key) else {
            return;
        };
        let said = match why {
            Some(why) => life.withhold(why),
            None => {
                if budget {
                    self.said.note(now, key.0);
                    if let Some(unit) = &mut step.unit {
                        unit.said.note(now, key.0);
                    }
                }
                life.say(now)
            }
        };
        out.take(key, life, said);
    }

    /// Why an alert is not said; `None`: it is.
    fn why_not(&self, key: Key, step: &Step<'_>) -> Option<Why> {
        let life = self.lives.get(&key)?;
        let (now, config) = (step.frame.at, step.config);
        if life.must_be_said() {
            return None;
        }
        let plain = |reason| Why { reason, inhibitor: None, price: None };
        let quiet = self.quiet.get(&key.0).filter(|q| now < q.until && life.priority <= q.priority);
        if quiet.is_some() {
            return Some(plain(WithheldReason::Snoozed));
        }
        if let Some(inhibitor) = self.inhibitor(key.0, life.priority, config) {
            return Some(Why { inhibitor: Some(inhibitor), ..plain(WithheldReason::Inhibited) });
        }
        if !config.budget.enabled {
            return None;
        }
        let repeats = self.said.used_of(now, key.0);
        let value = budget::value(key.0, life.priority, step.assessment, repeats);
        let refusal = budget::ask(&config.budget, &self.said, step.unit.as_ref(), now, value).err()?;
        Some(Why { price: Some((refusal.value, refusal.needed)), ..plain(refusal.reason) })
    }

    /// The open alert that says already what one of this kind would say.
    fn inhibitor(&self, kind: AlertKind, priority: Priority, config: &Config) -> Option<AlertId> {
        if !config.lifecycle.inhibition {
            return None;
        }
        let open = |kind: AlertKind| self.lives.get(&(kind, None));
        let mut lives = inhibition::of(kind, config).filter_map(open);
        lives.find(|l| l.withheld().is_none() && l.priority >= priority).map(|l| l.id)
    }

    /// What was withheld for a reason that no longer stands comes out, or is withheld for another.
    /// What the budget withholds stays: it comes out only by a rise of its priority.
    fn reconsider(&mut self, step: &mut Step<'_>, out: &mut Decided) {
        let waiting: Vec<Key> = self
            .lives
            .iter()
            .filter(|(_, life)| {
                let reason = life.withheld().map(|why| why.reason);
                matches!(reason, Some(WithheldReason::Inhibited | WithheldReason::Snoozed))
            })
            .map(|(key, _)| *key)
            .collect();
        for key in waiting {
            self.place(key, step, out);
        }
        let now = step.frame.at;
        self.quiet.retain(|_, q| now < q.until);
    }

    /// What time alone brings about: snoozes end, alerts nobody takes on are escalated.
    fn pass(&mut self, now: EventTime, config: &Config, out: &mut Decided) {
        for (key, life) in &mut self.lives {
            let said = life.tick(now, &config.lifecycle);
            out.take(*key, life, said);
        }
    }

    /// What people said up to `now`.
    fn hear(&mut self, now: EventTime, feedback: &[Feedback], config: &Config) -> Decided {
        let mut out = Decided::default();
        for said in feedback {
            let Some((key, life)) = self.lives.iter_mut().find(|(_, l)| l.id == said.alert) else {
                out.heard.push((said.action, Heard::Unknown));
                continue;
            };
            let (heard, message) = life.hear(said, now, &config.lifecycle);
            if let Some(until) = life.snoozed_until() {
                self.quiet.insert(key.0, Quiet { until, priority: life.priority });
            } else if heard == Heard::Taken {
                // Whoever takes an alert on again, or dismisses it, no longer asks for quiet.
                self.quiet.remove(&key.0);
            }
            out.take(*key, life, message);
            out.heard.push((said.action, heard));
        }
        out
    }

    fn end(&mut self, key: Key, phase: Phase, out: &mut Decided) {
        let Some(life) = self.lives.remove(&key) else {
            return;
        };
        let said = life.clone().end(phase);
        out.take(key, &life, said);
    }

    /// Ends every open episode: the patient left, or was merged into another. What people said up to
    /// then is heard first.
    pub fn leave(&mut self, at: EventTime, heard: &[Feedback], config: &Config) -> Decided {
        let mut out = self.hear(at, heard, config);
        let keys: Vec<Key> = self.episodes.keys().copied().collect();
        for key in keys {
            let episode = self.episodes.get_mut(&key);
            if let Some(transition) = episode.and_then(|e| e.leave(at, &config.timing(key.0))) {
                self.end(key, transition.phase, &mut out);
            }
        }
        *self = Self::default();
        out
    }

    /// When something could change without any new data: an episode's or an alert's own deadline, or
    /// a feed that turns stale.
    #[must_use]
    pub fn deadline(&self, frame: &FeatureFrame, config: &Config) -> Option<EventTime> {
        let timed = |(key, e): (&Key, &Episode)| e.deadline(&config.timing(key.0), config.expire(key.0));
        let episodes = self.episodes.iter().filter_map(timed);
        let lives = self.lives.values().filter_map(|life| life.deadline(&config.lifecycle));
        let quiet = self.quiet.values().map(|q| q.until);
        let feeds = frame
            .freshness
            .iter()
            .filter(|f| f.state == FeedState::Fresh)
            // One microsecond past the bound: at the bound itself the feed still counts as fresh.
            .map(|f| f.last_at + f.stale_after + Span(1));
        episodes.chain(lives).chain(quiet).chain(feeds).filter(|&t| t > frame.at).min()
    }

    /// The active episodes, said or withheld: kind, feed, priority and onset, in the order of kinds.
    pub fn active(&self) -> impl Iterator<Item = (AlertKind, Option<Modality>, Priority, EventTime)> + '_ {
        self.episodes.iter().filter_map(|(key, e)| e.active().map(|(p, onset)| (key.0, key.1, p, onset)))
    }

    /// The alerts that are withheld now.
    #[must_use]
    pub fn withheld(&self) -> usize {
        self.lives.values().filter(|life| life.withheld().is_some()).count()
    }

    /// Names for each message the alert that leads the patient's open ones: the most urgent, a named
    /// condition before a score, then the earliest. Technical alerts are about no patient and stand
    /// alone.
    fn group(&self, decisions: &mut [Decision]) {
        let open = self.lives.iter().filter(|(k, l)| !k.0.is_technical() && l.withheld().is_none());
        let leads = open.min_by_key(|(k, l)| {
            (std::cmp::Reverse(l.priority), k.0 == AlertKind::EarlyWarning, l.onset, k.0)
        });
        let Some((_, lead)) = leads else {
            return;
        };
        for decision in decisions {
            if !decision.kind.is_technical() && !decision.phase.ends() && decision.id != lead.id {
                decision.primary = Some(lead.id);
            }
        }
    }
}

impl Decided {
    fn take(&mut self, key: Key, life: &Life, said: lifecycle::Said) {
        let (id, priority, onset) = (life.id, life.priority, life.onset);
        if let Some(entry) = said.entry {
            self.ledger.push(Ledgered { id, kind: key.0, priority, onset, entry });
        }
        if let Some(message) = said.message {
            self.decisions.push(Decision {
                id,
                kind: key.0,
                modality: key.1,
                phase: message.phase,
                priority,
                onset,
                sequence: message.sequence,
                primary: None,
                escalations: message.escalations,
                feedback: life.feedback().to_vec(),
            });
        }
    }

    /// Alerts raised now.
    #[must_use]
    pub fn raised(&self) -> u64 {
        self.decisions.iter().filter(|d| d.phase == Phase::Raised).count() as u64
    }

    /// How many entries of the ledger have this fate.
    #[must_use]
    pub fn fated(&self, fate: Fate) -> u64 {
        self.ledger.iter().filter(|l| l.entry.fate == fate).count() as u64
    }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
