//! The alert policy's settings with their defaults and reasons.

use bedwatch_schemas::{alert::AlertKind, feedback::MAX_SNOOZE_MINUTES, time::Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{budget::Budget, lifecycle};

/// How the episodes of one kind behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Whether the kind alerts at all.
    pub enabled: bool,
    /// For how long values must say so before it is raised, in seconds. Applies to signals that
    /// arrive about every minute or oftener; a charted value that is hours apart is taken at its word.
    pub persistence_secs: i64,
    /// How long the condition must be clear before the episode is resolved, in seconds.
    pub clear_secs: i64,
    /// After an episode, how long the same kind stays quiet unless its priority is high, in seconds.
    pub refractory_secs: i64,
}

impl Timing {
    const fn new(persistence_secs: i64, clear_secs: i64, refractory_secs: i64) -> Self {
        Self { enabled: true, persistence_secs, clear_secs, refractory_secs }
    }

    /// `persistence_secs` as a span.
    #[must_use]
    pub const fn persistence(&self) -> Span {
        Span::secs(self.persistence_secs)
    }

    /// `clear_secs` as a span.
    #[must_use]
    pub const fn clear(&self) -> Span {
        Span::secs(self.clear_secs)
    }

    /// `refractory_secs` as a span.
    #[must_use]
    pub const fn refractory(&self) -> Span {
        Span::secs(self.refractory_secs)
    }
}

/// The policy's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Sepsis head.
    pub sepsis: Timing,
    /// Deterioration head.
    pub deterioration: Timing,
    /// Respiratory failure rule.
    pub respiratory: Timing,
    /// Shock rule.
    pub shock: Timing,
    /// Electrographic seizure rule.
    pub seizure: Timing,
    /// Low glucose.
    pub hypoglycaemia: Timing,
    /// High glucose.
    pub hyperglycaemia: Timing,
    /// NEWS2.
    pub early_warning: Timing,
    /// Silent feeds.
    pub stale_feed: Timing,
    /// Lost sensors.
    pub signal_lost: Timing,
    /// NEWS2 at or above which medium and high priority are given (RCP 2017: 5 urgent, 7 emergency).
    pub news2_points: (f64, f64),
    /// A resolved model alert needs the risk below this share of the operating point.
    pub hysteresis: f32,
    /// Escalation, snooze, expiry, inhibition.
    pub lifecycle: lifecycle::Config,
    /// The alarm budget.
    pub budget: Budget,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sepsis: Timing::new(0, 3_600, 6 * 3_600),
            deterioration: Timing::new(0, 1_800, 2 * 3_600),
            respiratory: Timing::new(10, 60, 300),
            shock: Timing::new(10, 120, 600),
            seizure: Timing::new(0, 30, 60),
            hypoglycaemia: Timing::new(0, 900, 900),
            hyperglycaemia: Timing::new(0, 3_600, 4 * 3_600),
            early_warning: Timing::new(15, 900, 3_600),
            stale_feed: Timing::new(0, 0, 0),
            signal_lost: Timing::new(0, 5, 0),
            news2_points: (5.0, 7.0),
            hysteresis: 0.8,
            lifecycle: lifecycle::Config::default(),
            budget: Budget::default(),
        }
    }
}

impl Config {
    /// What is out of its range, if anything is.
    ///
    /// # Errors
    /// A sentence naming the key.
    pub fn check(&self) -> Result<(), &'static str> {
        let life = &self.lifecycle;
        if life.escalate_high_secs < 0 || life.escalate_medium_secs < 0 {
            return Err("alerts.lifecycle.escalate_high_secs and escalate_medium_secs must not be negative");
        }
        if life.snooze_max_minutes == 0 || life.snooze_max_minutes > MAX_SNOOZE_MINUTES {
            return Err("alerts.lifecycle.snooze_max_minutes must be between 1 and 1440");
        }
        if life.expire_after_hours < 0 {
            return Err("alerts.lifecycle.expire_after_hours must not be negative");
        }
        let unit = self.budget.unit_per_bed_per_12h;
        if !unit.is_finite() || unit < 0.0 {
            return Err("alerts.budget.unit_per_bed_per_12h must be a number that is not negative");
        }
        Ok(())
    }

    /// After how long without knowledge an episode of this kind ends. A silent feed stays silent
    /// until it is heard again, so the technical kinds never do.
    #[must_use]
    pub fn expire(&self, kind: AlertKind) -> Option<Span> {
        if kind.is_technical() { None } else { self.lifecycle.expire_after() }
    }

    /// The timing of a kind.
    #[must_use]
    pub const fn timing(&self, kind: AlertKind) -> &Timing {
        match kind {
            AlertKind::Sepsis => &self.sepsis,
            AlertKind::Deterioration => &self.deterioration,
            AlertKind::Respiratory => &self.respiratory,
            AlertKind::Shock => &self.shock,
            AlertKind::Seizure => &self.seizure,
            AlertKind::Hypoglycaemia => &self.hypoglycaemia,
            AlertKind::Hyperglycaemia => &self.hyperglycaemia,
            AlertKind::EarlyWarning => &self.early_warning,
            AlertKind::StaleFeed => &self.stale_feed,
            AlertKind::SignalLost => &self.signal_lost,
        }
    }
}
