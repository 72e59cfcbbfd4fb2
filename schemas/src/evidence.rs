//! Evidence: the numbered facts an alert rests on. A rationale may say nothing else.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    column::Column,
    event::{Modality, Provenance},
    medication::Drug,
    risk::{Account, Head},
    score::ScoreKind,
    signal::Signal,
    site::{SiteName, SiteRule},
    time::{EventTime, Span},
    unit::Unit,
};

/// What a fact is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A measured signal.
    Signal(Signal),
    /// A score.
    Score(ScoreKind),
    /// A model's risk, in per cent.
    Risk(Head),
    /// An infusion's rate.
    Infusion(Drug),
    /// A derived measure.
    Derived(Derived),
    /// A column of the dictionary that is none of these, as a site's rule reads it.
    Column(Column),
    /// A feature the site has defined.
    Site(SiteName),
}

/// A derived measure that is neither a signal nor a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Derived {
    /// Seizure-likeness of the EEG, %.
    EegSeizureScore,
    /// EEG spectral edge frequency, Hz.
    EegSef95,
    /// EEG burst-suppression ratio, %.
    EegBurstSuppression,
    /// EEG dominant frequency, Hz.
    EegDominantFrequency,
    /// Sensor glucose rate of change, mg/dL/min.
    CgmRate,
    /// Sensor glucose forecast in 20 min, mg/dL.
    CgmForecast,
    /// PaO2/FiO2, mm\[Hg\].
    PfRatio,
    /// Heart-rate variability (RMSSD), ms.
    HrvRmssd,
}

impl Derived {
    /// Every derived measure.
    pub const ALL: [Derived; 8] = [
        Self::EegSeizureScore,
        Self::EegSef95,
        Self::EegBurstSuppression,
        Self::EegDominantFrequency,
        Self::CgmRate,
        Self::CgmForecast,
        Self::PfRatio,
        Self::HrvRmssd,
    ];

    /// The snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EegSeizureScore => "eeg_seizure_score",
            Self::EegSef95 => "eeg_sef95",
            Self::EegBurstSuppression => "eeg_burst_suppression",
            Self::EegDominantFrequency => "eeg_dominant_frequency",
            Self::CgmRate => "cgm_rate",
            Self::CgmForecast => "cgm_forecast",
            Self::PfRatio => "pf_ratio",
            Self::HrvRmssd => "hrv_rmssd",
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::EegSeizureScore => "EEG seizure score",
            Self::EegSef95 => "EEG spectral edge",
            Self::EegBurstSuppression => "EEG burst suppression",
            Self::EegDominantFrequency => "EEG dominant frequency",
            Self::CgmRate => "sensor glucose rate",
            Self::CgmForecast => "sensor glucose forecast",
            Self::PfRatio => "PaO2/FiO2",
            Self::HrvRmssd => "heart-rate variability",
        }
    }
}

impl Subject {
    /// The snake-case name: unique over all subjects, as in prompts and wire forms.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Subject::Signal(s) => s.name(),
            Subject::Score(s) => s.name(),
            Subject::Risk(Head::Sepsis) => "sepsis_risk",
            Subject::Risk(Head::Deterioration) => "deterioration_risk",
            Subject::Risk(Head::Death) => "death_risk",
            Subject::Risk(Head::Seizure) => "seizure_risk",
            Subject::Risk(Head::Hypoglycaemia) => "hypoglycaemia_risk",
            Subject::Infusion(d) => d.name(),
            Subject::Derived(d) => d.name(),
            Subject::Column(c) => c.name(),
            Subject::Site(f) => f.tag(),
        }
    }

    /// What a clinician calls it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Subject::Signal(s) => s.info().label,
            Subject::Score(s) => s.label(),
            Subject::Risk(Head::Sepsis) => "sepsis risk",
            Subject::Risk(Head::Deterioration) => "deterioration risk",
            Subject::Risk(Head::Death) => "death risk",
            Subject::Risk(Head::Seizure) => "seizure risk",
            Subject::Risk(Head::Hypoglycaemia) => "hypoglycaemia risk",
            Subject::Infusion(d) => d.name(),
            Subject::Derived(d) => d.label(),
            Subject::Column(c) => c.label(),
            Subject::Site(f) => f.words(),
        }
    }

    /// Finds a subject by its name: what is a signal, score, risk, infusion or derived measure is not
    /// found as a column.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some(signal) = Signal::from_name(name) {
            return Some(Subject::Signal(signal));
        }
        if let Some(score) = ScoreKind::ALL.into_iter().find(|s| s.name() == name) {
            return Some(Subject::Score(score));
        }
        if let Some(derived) = Derived::ALL.into_iter().find(|d| d.name() == name) {
            return Some(Subject::Derived(derived));
        }
        let risks = Head::ALL.map(Subject::Risk);
        let drugs = Drug::ALL.map(Subject::Infusion);
        let built_in = risks.into_iter().chain(drugs).find(|s| s.name() == name);
        let column = || Column::from_name(name).map(Subject::Column);
        built_in.or_else(column).or_else(|| SiteName::from_tag(name).map(Subject::Site))
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = String::deserialize(d)?;
        Subject::from_name(&name).ok_or_else(|| serde::de::Error::custom("unknown subject"))
    }
}

impl JsonSchema for Subject {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Subject".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[a-z0-9_]+$" })
    }
}

/// The number of a fact within its evidence, from 0; printed `f0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct FactId(pub u8);

impl fmt::Display for FactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "f{}", self.0)
    }
}

/// Where a value lies against its reference limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// Far below.
    CriticalLow,
    /// Below.
    Low,
    /// Within.
    Normal,
    /// Above.
    High,
    /// Far above.
    CriticalHigh,
    /// No reference limits.
    Unknown,
}

impl Band {
    /// The snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Band::CriticalLow => "critical_low",
            Band::Low => "low",
            Band::Normal => "normal",
            Band::High => "high",
            Band::CriticalHigh => "critical_high",
            Band::Unknown => "unknown",
        }
    }
}

/// Which way a value has been going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Up by more than the signal's least noteworthy change.
    Rising,
    /// Down by more than it.
    Falling,
    /// Neither.
    Stable,
}

impl Direction {
    /// The snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Direction::Rising => "rising",
            Direction::Falling => "falling",
            Direction::Stable => "stable",
        }
    }
}

/// A trend with the numbers it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trend {
    /// Which way.
    pub direction: Direction,
    /// Slope in the fact's unit an hour.
    pub per_hour: f64,
    /// The stretch it was computed over.
    pub over: Span,
}

/// One checkable fact.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fact {
    /// Its number.
    pub id: FactId,
    /// What it is about.
    pub subject: Subject,
    /// The value.
    pub value: f64,
    /// Its unit.
    pub unit: Unit,
    /// When it was true.
    pub at: EventTime,
    /// Where it lies.
    pub band: Band,
    /// Its trend, where one is known.
    pub trend: Option<Trend>,
    /// The message it came from; `None` for what the engine computed from many.
    pub provenance: Option<Provenance>,
}

/// Something that was not known when the alert was decided.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Missing {
    /// What is missing.
    pub subject: Subject,
    /// When it was last known, if ever.
    pub last_at: Option<EventTime>,
}

/// The facts of one alert, most telling first, and what was missing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// At most [`MAX_FACTS`] facts; `facts[i].id == i`.
    pub facts: Vec<Fact>,
    /// What was missing.
    pub missing: Vec<Missing>,
    /// Feeds that were silent or lost (technical alerts rest on these).
    pub feeds: Vec<SilentFeed>,
    /// What the model says of its own answer; `None` for rules.
    #[serde(default)]
    pub account: Option<Account>,
    /// The site's rule that decided, where one did.
    #[serde(default)]
    pub rule: Option<SiteRule>,
}

/// A feed that stopped describing the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SilentFeed {
    /// The feed.
    pub modality: Modality,
    /// When it last gave a usable value.
    pub last_at: EventTime,
}

/// Most facts an evidence holds.
pub const MAX_FACTS: usize = 12;

impl Evidence {
    /// A fact by its number.
    #[must_use]
    pub fn fact(&self, id: FactId) -> Option<&Fact> {
        self.facts.get(usize::from(id.0)).filter(|f| f.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_names_are_unique_and_round_trip() {
        let mut all: Vec<Subject> = Signal::ALL.iter().map(|&s| Subject::Signal(s)).collect();
        all.extend(ScoreKind::ALL.map(Subject::Score));
        all.extend(Head::ALL.map(Subject::Risk));
        all.extend(Drug::ALL.map(Subject::Infusion));
        all.extend(Derived::ALL.map(Subject::Derived));
        for (i, subject) in all.iter().enumerate() {
            assert_eq!(Subject::from_name(subject.name()), Some(*subject));
            assert!(all[i + 1..].iter().all(|s| s.name() != subject.name()), "{}", subject.name());
            assert!(!subject.name().starts_with(crate::site::PREFIX));
        }
        for subject in Column::all().map(Subject::Column) {
            match Subject::from_name(subject.name()) {
                Some(Subject::Column(found)) => assert_eq!(Subject::Column(found), subject),
                Some(other) => assert!(all.contains(&other), "{}", subject.name()),
                None => panic!("{}", subject.name()),
            }
        }
        let own = Subject::Site(SiteName::new("shock_load").unwrap());
        assert_eq!(Subject::from_name(own.name()), Some(own));
    }
}
