//! Whether a value of a frame still speaks of now: one answer for every rule, the built-in ones and a
//! site's own.

use crate::{
    event::Provenance,
    frame::FeatureFrame,
    signal::Signal,
    summary::{CardiacSummary, EegSummary, GlucoseSummary, VitalSummary, WindowLength},
    time::{EventTime, Span},
};

/// A current value of one signal and how it stands to now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// The latest value, in the signal's canonical unit.
    pub value: f64,
    /// When it was measured.
    pub at: EventTime,
    /// Where it came from.
    pub provenance: Provenance,
    /// It arrives about every minute or oftener.
    pub often: bool,
    /// It came often and has stopped: what it says is of then and not of now.
    pub silent: bool,
}

impl Reading {
    /// Its time, where a condition must be seen to persist in its values.
    #[must_use]
    pub fn measured(&self) -> Option<EventTime> {
        (self.often || self.silent).then_some(self.at)
    }
}

/// Whether the last value stands at the end of values at most 100 s apart (three in five minutes).
/// Their window of five minutes empties while the value grows old, so the next that still reaches
/// five minutes back from the value is asked: else a last value would be believed for its age.
fn came_often(vital: &VitalSummary, age: Span) -> bool {
    let reaching = vital.windows.iter().find(|w| w.length.span().0 >= age.0 + Span::minutes(5).0);
    reaching.is_some_and(|w| {
        let rate = w.expected.is_some_and(|n| Span::secs(100 * i64::from(n)) >= w.length.span());
        w.count >= 3 && rate
    })
}

impl FeatureFrame {
    /// The latest value of a signal while it is valid, and whether its monitor has gone silent since.
    #[must_use]
    pub fn reading(&self, signal: Signal) -> Option<Reading> {
        let (value, at, provenance) = self.current(signal)?;
        let age = self.at.since(at);
        let vital = self.vital(signal);
        let often = vital.and_then(|v| v.window(WindowLength::M5)).is_some_and(|w| w.count >= 3);
        let silent = age > Span::minutes(2) && (often || vital.is_some_and(|v| came_often(v, age)));
        Some(Reading { value, at, provenance, often, silent })
    }

    /// The EEG, if its latest window speaks of now.
    #[must_use]
    pub fn eeg_now(&self) -> Option<&EegSummary> {
        self.eeg.as_ref().filter(|e| self.at.since(e.at) <= Span::secs(15))
    }

    /// The glucose sensor, if its latest reading speaks of now: up to three of five minutes missed.
    #[must_use]
    pub fn sensor_now(&self) -> Option<&GlucoseSummary> {
        self.glucose.as_ref().filter(|g| self.at.since(g.at) <= Span::minutes(20))
    }

    /// The beats of the last five minutes, from the first waveform that gives any.
    pub fn beats_now(&self) -> impl Iterator<Item = &CardiacSummary> {
        self.cardiac.iter().filter(|c| self.at.since(c.at) <= WindowLength::M5.span())
    }
}
