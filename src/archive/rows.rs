//! Rows on their way into the archive.

use bedwatch_schemas::{
    alert::Alert,
    event::{Body, Event},
    frame::FeatureFrame,
    ids::Location,
    risk::{Assessment, ModelRef},
    withheld::Withheld,
};

use crate::{
    engine::{core::Step, keep::Snapshot},
    replay::RiskRow,
};

/// A row of `risks`.
#[derive(Debug, Clone, PartialEq)]
pub struct RiskOf {
    /// What the models and scores say.
    pub row: RiskRow,
    /// The bed.
    pub location: Option<Location>,
    /// The encoder's bundle, where it ran.
    pub encoder: Option<ModelRef>,
    /// The fusion's, where one is in force and the encoder ran.
    pub fusion: Option<ModelRef>,
}

impl RiskOf {
    fn of(frame: &FeatureFrame, assessment: Option<&Assessment>) -> Option<Self> {
        Some(Self {
            row: RiskRow::of(frame, assessment)?,
            location: frame.location.clone(),
            encoder: assessment.map(|a| a.model.clone()),
            fusion: assessment.and_then(|a| a.fusion.clone()),
        })
    }
}

/// Rows of all tables, in the order they were known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// What the engine was told.
    pub events: Vec<Event>,
    /// What it made of it.
    pub frames: Vec<Snapshot>,
    /// What models and scores said.
    pub risks: Vec<RiskOf>,
    /// What it told.
    pub alerts: Vec<Alert>,
    /// What it withheld.
    pub withheld: Vec<Withheld>,
    /// Waveform blocks: their samples are in the topic, and no row is made of them.
    pub waveforms: u64,
}

impl Rows {
    /// Takes what a step holds for an archive; its alerts come when they have their words.
    pub fn take(&mut self, step: &mut Step) {
        for event in step.events.drain(..) {
            match event.body {
                Body::Waveform(_) => self.waveforms += 1,
                _ => self.events.push(event),
            }
        }
        self.frames.append(&mut step.snapshots);
        let risks = step.frames.iter().filter_map(|(frame, a)| RiskOf::of(frame, a.as_ref()));
        self.risks.extend(risks);
        self.withheld.extend(step.withheld.iter().cloned());
    }

    /// Takes all rows of another, behind its own.
    pub fn append(&mut self, mut other: Self) {
        self.events.append(&mut other.events);
        self.frames.append(&mut other.frames);
        self.risks.append(&mut other.risks);
        self.alerts.append(&mut other.alerts);
        self.withheld.append(&mut other.withheld);
        self.waveforms += other.waveforms;
    }

    /// Rows of all tables.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len() + self.frames.len() + self.risks.len() + self.alerts.len() + self.withheld.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What they weigh in memory, in rows of `events`; never nothing, for their message weighs too.
    #[must_use]
    pub fn weight(&self) -> usize {
        1 + self.events.len()
            + self.frames.len() * 16
            + self.risks.len() * 2
            + self.withheld.len() * 2
            + self.alerts.len() * 32
    }
}
