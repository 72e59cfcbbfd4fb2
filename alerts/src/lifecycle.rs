//! The life of one alert, from decided to its end, as a pure state machine.
//!
//! An [`crate::episode`] says when a condition begins, grows and ends. Whether and how that is said
//! is decided here: said or withheld, seen by someone or not, escalated, and ended once. Time and
//! feedback only enter as arguments.
//!
//! Rules (IEC 60601-1-8 gives priorities their meaning; the times are a site's own):
//! - What is said begins with `raised` and ends with exactly one of `resolved` and `expired`.
//! - What is withheld is in the ledger, from `withheld` to exactly one of `released` and `ended`.
//! - An acknowledgement, a dismissal and a snooze stop escalation. A rise of priority is a new
//!   question: it counts as not yet seen.
//! - A technical alert can be acknowledged and never silenced: the wire being off is not less true
//!   because someone is tired of hearing it.
//! - Nothing of high priority and nothing technical is ever withheld.

use bedwatch_schemas::{
    alert::{Phase, Priority},
    feedback::{Action, Feedback},
    ids::AlertId,
    time::{EventTime, Span},
    withheld::{Fate, WithheldReason},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What people said of one alert that is kept with it; further words push the oldest out. The topic
/// keeps them all.
pub const KEPT: usize = 16;

/// How alerts live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// After how long without anyone taking it on an alert of high priority is escalated, seconds; 0
    /// never. Off by default: where no acknowledgement can come in, escalation is only noise.
    pub escalate_high_secs: i64,
    /// The same for medium priority. Low priority asks for awareness and is never escalated.
    pub escalate_medium_secs: i64,
    /// How often one alert is escalated at most.
    pub escalations: u8,
    /// The longest snooze granted, minutes; what asks for longer gets this.
    pub snooze_max_minutes: u16,
    /// After how many hours of which nothing is known of its condition an alert about a patient
    /// expires (12: whoever took over the shift has looked); 0 never.
    pub expire_after_hours: i64,
    /// Whether an alert is withheld while another says it already ([`crate::inhibition`]).
    pub inhibition: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            escalate_high_secs: 0,
            escalate_medium_secs: 0,
            escalations: 2,
            snooze_max_minutes: 120,
            expire_after_hours: 12,
            inhibition: true,
        }
    }
}

impl Config {
    /// How long an alert of this priority waits for someone; `None`: for ever.
    #[must_use]
    pub fn escalate_after(&self, priority: Priority) -> Option<Span> {
        let secs = match priority {
            Priority::High => self.escalate_high_secs,
            Priority::Medium => self.escalate_medium_secs,
            Priority::Low => 0,
        };
        (secs > 0).then_some(Span::secs(secs))
    }

    /// After how long without knowledge an alert about a patient expires.
    #[must_use]
    pub fn expire_after(&self) -> Option<Span> {
        (self.expire_after_hours > 0).then_some(Span::hours(self.expire_after_hours))
    }
}

/// Why an alert is withheld, with what the ledger says of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// The reason.
    pub reason: WithheldReason,
    /// The alert that inhibits it.
    pub inhibitor: Option<AlertId>,
    /// Its value when the budget was asked, and what that had to reach.
    pub price: Option<(f64, f64)>,
}

/// Whether someone has taken an alert on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Attention {
    /// Nobody yet; asked (again) at this time.
    Waiting(EventTime),
    Acknowledged,
    Dismissed,
    /// Asks again at this time.
    Snoozed(EventTime),
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Standing {
    Withheld(Why),
    Said { sequence: u32, attention: Attention, escalations: u8 },
}

/// One alert that has begun and not yet ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Life {
    /// The alert.
    pub id: AlertId,
    /// The priority in force.
    pub priority: Priority,
    /// When the condition began.
    pub onset: EventTime,
    technical: bool,
    standing: Standing,
    /// Entries of the ledger so far.
    entries: u32,
    feedback: Vec<Feedback>,
}

/// A message an alert gives rise to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// What happened.
    pub phase: Phase,
    /// Its number within the alert.
    pub sequence: u32,
    /// How often it has been escalated.
    pub escalations: u8,
}

/// An entry of the ledger an alert gives rise to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// What became of it.
    pub fate: Fate,
    /// Its number within the alert.
    pub sequence: u32,
    /// Why it is, or was, withheld.
    pub why: Why,
}

/// What an alert says at one moment: a message, an entry of the ledger, or both when it is released.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Said {
    /// To everyone.
    pub message: Option<Message>,
    /// To the ledger.
    pub entry: Option<Entry>,
}

/// What became of something a person said. The name is a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Heard {
    /// It changed how the alert stands.
    Taken,
    /// It is kept with the alert and changes nothing.
    Noted,
    /// A technical alert cannot be silenced.
    Technical,
    /// The alert is withheld: there is nothing to be quiet about.
    Withheld,
    /// No such alert is open for this patient.
    Unknown,
}

impl Heard {
    /// The snake-case name, also the metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Noted => "noted",
            Self::Technical => "refused_technical",
            Self::Withheld => "refused_withheld",
            Self::Unknown => "refused_unknown",
        }
    }
}

impl Life {
    /// An alert decided, not yet said or withheld: [`Life::say`] or [`Life::withhold`] follows.
    #[must_use]
    pub(crate) fn begun(
        id: AlertId,
        priority: Priority,
        onset: EventTime,
        technical: bool,
        now: EventTime,
    ) -> Self {
        let standing = Standing::Said { sequence: 0, attention: Attention::Waiting(now), escalations: 0 };
        Self { id, priority, onset, technical, standing, entries: 0, feedback: Vec::new() }
    }

    /// Whether nothing may withhold it.
    #[must_use]
    pub const fn must_be_said(&self) -> bool {
        self.technical || matches!(self.priority, Priority::High)
    }

    /// Why it is withheld, if it is.
    #[must_use]
    pub const fn withheld(&self) -> Option<Why> {
        match self.standing {
            Standing::Withheld(why) => Some(why),
            Standing::Said { .. } => None,
        }
    }

    /// What people have said of it.
    #[must_use]
    pub fn feedback(&self) -> &[Feedback] {
        &self.feedback
    }

    /// Says it for the first time; what was withheld is released.
    pub(crate) fn say(&mut self, now: EventTime) -> Said {
        let entry = self.withheld().map(|why| self.enter(Fate::Released, why));
        self.standing = Standing::Said { sequence: 0, attention: Attention::Waiting(now), escalations: 0 };
        Said { message: Some(Message { phase: Phase::Raised, sequence: 0, escalations: 0 }), entry }
    }

    /// Withholds it; the ledger hears of it unless it says so already.
    pub(crate) fn withhold(&mut self, why: Why) -> Said {
        debug_assert!(!self.must_be_said(), "what threatens life is never withheld");
        let known = self.entries > 0
            && self.withheld().is_some_and(|w| (w.reason, w.inhibitor) == (why.reason, why.inhibitor));
        self.standing = Standing::Withheld(why);
        let entry = (!known).then(|| self.enter(Fate::Withheld, why));
        Said { message: None, entry }
    }

    fn enter(&mut self, fate: Fate, why: Why) -> Entry {
        let sequence = self.entries;
        self.entries += 1;
        Entry { fate, sequence, why }
    }

    /// The next message, where it has been said.
    fn next(&mut self, phase: Phase) -> Option<Message> {
        match &mut self.standing {
            Standing::Withheld(_) => None,
            Standing::Said { sequence, escalations, .. } => {
                *sequence += 1;
                Some(Message { phase, sequence: *sequence, escalations: *escalations })
            }
        }
    }

    /// Its priority rose: what was said asks anew. What is withheld is for the caller to place.
    pub(crate) fn rise(&mut self, priority: Priority, now: EventTime) -> Said {
        self.priority = priority;
        if let Standing::Said { attention, .. } = &mut self.standing {
            *attention = Attention::Waiting(now);
        }
        Said { message: self.next(Phase::Updated), entry: None }
    }

    /// Someone says something of it at `now`.
    pub(crate) fn hear(&mut self, feedback: &Feedback, now: EventTime, config: &Config) -> (Heard, Said) {
        let nothing = Said::default();
        if feedback.action.silences() && self.technical {
            return (Heard::Technical, nothing);
        }
        let granted = feedback.minutes.map(|m| m.min(config.snooze_max_minutes));
        let asked = match feedback.action {
            Action::Acknowledge => Some(Attention::Acknowledged),
            Action::Dismiss => Some(Attention::Dismissed),
            Action::Snooze => Some(Attention::Snoozed(now + Span::minutes(i64::from(granted.unwrap_or(0))))),
            Action::Agree | Action::Disagree => None,
        };
        let changed = match (asked, &mut self.standing) {
            (Some(_), Standing::Withheld(_)) => return (Heard::Withheld, nothing),
            (Some(asked), Standing::Said { attention, .. }) => std::mem::replace(attention, asked) != asked,
            (None, _) => false,
        };
        if self.feedback.len() >= KEPT {
            self.feedback.remove(0);
        }
        self.feedback.push(Feedback { minutes: granted, ..*feedback });
        if changed {
            let message = self.next(Phase::Acknowledged);
            return (Heard::Taken, Said { message, entry: None });
        }
        (Heard::Noted, nothing)
    }

    /// Time passes: a snooze ends, or nobody has come.
    pub(crate) fn tick(&mut self, now: EventTime, config: &Config) -> Said {
        let wait = config.escalate_after(self.priority);
        let Standing::Said { attention, escalations, .. } = &mut self.standing else {
            return Said::default();
        };
        let phase = match *attention {
            Attention::Snoozed(until) if now >= until => Phase::Updated,
            Attention::Waiting(since)
                if *escalations < config.escalations && wait.is_some_and(|w| now.since(since) >= w) =>
            {
                *escalations += 1;
                Phase::Escalated
            }
            _ => return Said::default(),
        };
        *attention = Attention::Waiting(now);
        Said { message: self.next(phase), entry: None }
    }

    /// When [`Life::tick`] would say something.
    #[must_use]
    pub(crate) fn deadline(&self, config: &Config) -> Option<EventTime> {
        let Standing::Said { attention, escalations, .. } = self.standing else {
            return None;
        };
        match attention {
            Attention::Snoozed(until) => Some(until),
            Attention::Waiting(since) if escalations < config.escalations => {
                config.escalate_after(self.priority).map(|wait| since + wait)
            }
            _ => None,
        }
    }

    /// Until when it is snoozed.
    #[must_use]
    pub(crate) const fn snoozed_until(&self) -> Option<EventTime> {
        match self.standing {
            Standing::Said { attention: Attention::Snoozed(until), .. } => Some(until),
            _ => None,
        }
    }

    /// Its end, by `phase`; in the ledger where it was never said.
    pub(crate) fn end(mut self, phase: Phase) -> Said {
        let entry = self.withheld().map(|why| self.enter(Fate::Ended, why));
        Said { message: self.next(phase), entry }
    }
}

#[cfg(test)]
mod tests;
