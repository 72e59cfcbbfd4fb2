//! The heads of a manifest: calibration, operating points, and what the model is sure of.
//!
//! Certainty is a label-conditional (Mondrian) split-conformal set: among held-out hours of each
//! label, `1 - coverage` lie beyond the head's bound for that label, so at the stated coverage label
//! "no" is in the set up to `negative_at_most` and label "yes" from `positive_at_least` (Vovk,
//! "Conditional validity of inductive conformal predictors", 2012; Angelopoulos & Bates, "Conformal
//! prediction: a gentle introduction", 2023). Bounds are stated per hospital; `any` is for one that
//! is not known.

use std::collections::BTreeSet;

use bedwatch_schemas::risk::{Certainty, Head, Risk};
use serde::Deserialize;

/// The site of a hospital the bundle does not know.
pub const ANY_SITE: &str = "any";

/// Why the heads of a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no head.
    #[error("there is none")]
    None,
    /// A name this engine has no head of.
    #[error("{0:?} is no head this engine knows")]
    Unknown(String),
    /// A head stands twice.
    #[error("{0} stands twice")]
    Twice(String),
    /// An index no output has, or that another head has.
    #[error("the index {index} of {head} is out of range or taken")]
    Index {
        /// The head.
        head: String,
        /// Its index.
        index: usize,
    },
    /// The operating points are no probabilities in rising order.
    #[error("the operating points of {0} are not probabilities in rising order")]
    Points(String),
    /// The calibration is not finite or does not rise.
    #[error("the calibration of {0} is not finite or does not rise")]
    Calibration(String),
    /// A conformal row holds no usable numbers.
    #[error("the conformal row of {head} for site {site:?} holds a number that is no probability")]
    Conformal {
        /// The head.
        head: String,
        /// The site.
        site: String,
    },
    /// A site stands twice in one head.
    #[error("{head} has two conformal rows for site {site:?}")]
    SiteTwice {
        /// The head.
        head: String,
        /// The site.
        site: String,
    },
    /// A head's rows are of hospitals only: elsewhere it could state nothing.
    #[error("{0} has conformal rows and none for site {ANY_SITE:?}")]
    AnyMissing(String),
    /// The configured site is not one of the bundle's.
    #[error("the bundle states no certainty for site {site:?}; it knows {known}")]
    Site {
        /// The configured one.
        site: String,
        /// The bundle's.
        known: String,
    },
}

/// A `[[heads]]` table.
#[derive(Debug, Clone, Deserialize)]
pub struct Spec {
    name: String,
    index: usize,
    platt_a: f32,
    platt_b: f32,
    operating_point: f32,
    high_priority_point: f32,
    #[serde(default)]
    conformal: Vec<Conformal>,
}

/// A `[[heads.conformal]]` table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Conformal {
    site: String,
    coverage: f32,
    negative_at_most: f32,
    positive_at_least: f32,
}

/// The heads in the order of [`Head::ALL`].
#[derive(Debug, Clone)]
pub struct Heads {
    all: Vec<One>,
    outputs: usize,
}

/// One head.
#[derive(Debug, Clone)]
pub(crate) struct One {
    head: Head,
    spec: Spec,
    set: Option<Conformal>,
}

impl Heads {
    /// From the manifest, with the conformal rows of one site.
    ///
    /// # Errors
    /// The first fault found.
    pub fn new(specs: &[Spec], site: &str) -> Result<Self, Error> {
        let known: BTreeSet<&str> =
            specs.iter().flat_map(|s| &s.conformal).map(|row| row.site.as_str()).collect();
        let mut all: Vec<One> = Vec::new();
        for spec in specs {
            let name = || spec.name.clone();
            let head = Head::ALL.into_iter().find(|h| h.name() == spec.name);
            let head = head.ok_or_else(|| Error::Unknown(name()))?;
            if all.iter().any(|one| one.head == head) {
                return Err(Error::Twice(name()));
            }
            if spec.index >= specs.len() || all.iter().any(|one| one.spec.index == spec.index) {
                return Err(Error::Index { head: name(), index: spec.index });
            }
            spec.check()?;
            // Not every head was calibrated at every hospital; the others state what holds anywhere.
            let of = |site: &str| spec.conformal.iter().find(|row| row.site == site);
            let set = of(site).or_else(|| of(ANY_SITE)).cloned();
            all.push(One { head, spec: spec.clone(), set });
        }
        if all.is_empty() {
            return Err(Error::None);
        }
        let states_none = known.is_empty() && site == ANY_SITE;
        if !states_none && !known.contains(site) {
            let known = if known.is_empty() {
                format!("only {ANY_SITE:?}, since it states none")
            } else {
                known.iter().map(|s| format!("{s:?}")).collect::<Vec<_>>().join(", ")
            };
            return Err(Error::Site { site: site.to_owned(), known });
        }
        all.sort_by_key(|one| one.head);
        Ok(Self { outputs: specs.len(), all })
    }

    /// Logits the model gives.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The risks of one row of logits, in the order of [`Head::ALL`].
    #[must_use]
    pub fn risks(&self, logits: &[f32]) -> Vec<Risk> {
        self.all.iter().map(|one| one.risk(logits)).collect()
    }

    pub(crate) fn get(&self, head: Head) -> Option<&One> {
        self.all.iter().find(|one| one.head == head)
    }
}

impl One {
    /// The calibrated probability.
    pub(crate) fn probability(&self, logits: &[f32]) -> f32 {
        let Spec { index, platt_a, platt_b, .. } = self.spec;
        1.0 / (1.0 + (-(platt_a * logits[index] + platt_b)).exp())
    }

    pub(super) fn operating_point(&self) -> f32 {
        self.spec.operating_point
    }

    fn risk(&self, logits: &[f32]) -> Risk {
        let probability = self.probability(logits);
        Risk {
            head: self.head,
            probability,
            operating_point: self.spec.operating_point,
            high_priority_point: self.spec.high_priority_point,
            certainty: self.set.as_ref().map(|set| set.certainty(probability)),
        }
    }
}

impl Conformal {
    fn certainty(&self, probability: f32) -> Certainty {
        match (probability <= self.negative_at_most, probability >= self.positive_at_least) {
            (true, false) => Certainty::Low,
            (false, true) => Certainty::High,
            // Both labels would be usual here, or neither is.
            (true, true) | (false, false) => Certainty::Unsure,
        }
    }
}

impl Spec {
    /// The head's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), Error> {
        let name = || self.name.clone();
        let points = [self.operating_point, self.high_priority_point];
        if points.iter().any(|p| !(0.0..=1.0).contains(p)) || points[0] > points[1] {
            return Err(Error::Points(name()));
        }
        if !(self.platt_a.is_finite() && self.platt_a > 0.0 && self.platt_b.is_finite()) {
            return Err(Error::Calibration(name()));
        }
        let mut sites = BTreeSet::new();
        for row in &self.conformal {
            let site = || row.site.clone();
            let bounds = [row.negative_at_most, row.positive_at_least];
            let usable = bounds.iter().all(|p| (0.0..=1.0).contains(p));
            if !(usable && row.coverage > 0.0 && row.coverage < 1.0) {
                return Err(Error::Conformal { head: name(), site: site() });
            }
            if !sites.insert(row.site.as_str()) {
                return Err(Error::SiteTwice { head: name(), site: site() });
            }
        }
        if sites.is_empty() || sites.contains(ANY_SITE) { Ok(()) } else { Err(Error::AnyMissing(name())) }
    }
}

#[cfg(test)]
mod tests;
