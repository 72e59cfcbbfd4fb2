//! The alert policy's settings with their defaults and reasons.

use bedwatch_schemas::{
    alert::{AlertKind, Priority},
    feedback::MAX_SNOOZE_MINUTES,
    site::SiteName,
    time::Span,
};
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

/// The longest title of a site's rule, in bytes and in words.
pub const MAX_TITLE: (usize, usize) = (80, 10);
/// The longest time a rule may be given, in seconds: a week.
const MAX_SECS: i64 = 7 * 86_400;

/// A rule of the site's own: an alert while a condition over the columns of a frame holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name: the alert's kind is `site_` and this.
    pub name: SiteName,
    /// What a rationale and a page call it; empty: its name as words.
    #[serde(default)]
    pub title: String,
    /// The condition, in SQL. Where it is unknown nothing is raised and nothing resolved.
    pub when: String,
    /// The condition that resolves it; without one the contrary of `when`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clears_when: Option<String>,
    /// How soon someone must respond.
    pub priority: Priority,
    /// Built-in kinds whose open alert, at least as urgent, says already what this would say: while one
    /// stands this is withheld, with its line in the ledger, and it comes out when that ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inhibited_by: Vec<AlertKind>,
    /// For how long values must say so, in seconds, where a column it names arrives every minute or oftener.
    #[serde(default = "Rule::persistence_secs")]
    pub persistence_secs: i64,
    /// How long it must be clear before the alert is resolved, in seconds.
    #[serde(default = "Rule::clear_secs")]
    pub clear_secs: i64,
    /// After an alert, how long it stays quiet unless its priority is high, in seconds.
    #[serde(default = "Rule::refractory_secs")]
    pub refractory_secs: i64,
}

impl Rule {
    /// As the built-in rules over monitor values have it.
    const fn persistence_secs() -> i64 {
        10
    }

    const fn clear_secs() -> i64 {
        60
    }

    const fn refractory_secs() -> i64 {
        600
    }

    /// What it is called.
    #[must_use]
    pub fn title(&self) -> &str {
        if self.title.is_empty() { self.name.words() } else { &self.title }
    }

    /// How its episodes behave.
    #[must_use]
    pub const fn timing(&self) -> Timing {
        Timing::new(self.persistence_secs, self.clear_secs, self.refractory_secs)
    }

    /// What of it is out of its range: a title is shown and read word by word, so it is plain words.
    fn check(&self) -> Result<(), &'static str> {
        let plain = |c: char| c.is_ascii_alphanumeric() || " -/%".contains(c);
        let title = self.title();
        let words = title.split(' ').count();
        let formed = title.starts_with(|c: char| c.is_ascii_alphabetic())
            && title.len() <= MAX_TITLE.0
            && words <= MAX_TITLE.1
            && title.chars().all(plain)
            && title.split(' ').all(|word| !word.is_empty());
        if !formed {
            return Err(
                "alerts.rules: a title is at most 10 words and 80 characters of A-Z, a-z, 0-9, -, / and %, one blank between words, and begins with a letter",
            );
        }
        let others = |kind: &AlertKind| kind.is_technical() || matches!(kind, AlertKind::Site(_));
        if self.inhibited_by.iter().any(others) {
            return Err(
                "alerts.rules: inhibited_by names built-in kinds that are about the patient, such as \"sepsis\"",
            );
        }
        let times = [self.persistence_secs, self.clear_secs, self.refractory_secs];
        if times.iter().any(|t| !(0..=MAX_SECS).contains(t)) {
            return Err(
                "alerts.rules: persistence_secs, clear_secs and refractory_secs must be between 0 and 604800",
            );
        }
        Ok(())
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
    /// Rules of the site's own.
    pub rules: Vec<Rule>,
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
            rules: Vec::new(),
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
        self.rules.iter().try_for_each(Rule::check)
    }

    /// After how long without knowledge an episode of this kind ends. A silent feed stays silent
    /// until it is heard again, so the technical kinds never do.
    #[must_use]
    pub fn expire(&self, kind: AlertKind) -> Option<Span> {
        if kind.is_technical() { None } else { self.lifecycle.expire_after() }
    }

    /// The timing of a kind. A site's rule that is not configured raises nothing.
    #[must_use]
    pub fn timing(&self, kind: AlertKind) -> Timing {
        match kind {
            AlertKind::Site(name) => {
                let rule = self.rules.iter().find(|r| r.name == name);
                rule.map_or(Timing { enabled: false, ..Timing::new(0, 0, 0) }, Rule::timing)
            }
            AlertKind::Sepsis => self.sepsis,
            AlertKind::Deterioration => self.deterioration,
            AlertKind::Respiratory => self.respiratory,
            AlertKind::Shock => self.shock,
            AlertKind::Seizure => self.seizure,
            AlertKind::Hypoglycaemia => self.hypoglycaemia,
            AlertKind::Hyperglycaemia => self.hyperglycaemia,
            AlertKind::EarlyWarning => self.early_warning,
            AlertKind::StaleFeed => self.stale_feed,
            AlertKind::SignalLost => self.signal_lost,
        }
    }
}
