//! A recorded stay looked at afterwards: its SOFA hour by hour and its Sepsis-3 onsets, from what the records
//! say was true at each hour, whenever that was known. They are the truth an alert is held against, not what
//! the engine could have known.
//!
//! SOFA is the engine's own (`features::scores::sofa`): worst values of the 24 h before, edges of mimic-code,
//! a part of which nothing is known counts 0. Unlike at the bedside, charted ventilation counts as respiratory
//! support, within the same 24 h. The coma score counts as charted, also under sedation.

use bedwatch_features::{
    config::SofaEdges, infusions::Infusions, labs::Labs, scores::sofa, vitals::Vitals, word::Word,
};
use bedwatch_replay_data::readers::{Course, Hour, Infection, Labels};
use bedwatch_schemas::{
    event::{Body, Event, Numeric, Provenance},
    medication::Infusion,
    score::Part,
    signal::{Signal, SignalClass},
    time::{EventTime, Span},
};
use serde::{Deserialize, Serialize};

use super::sepsis3::{self, Onset, Sofa, Version};

const HOUR: Span = Span::hours(1);
const DAY: Span = Span::hours(24);
/// The challenge's labels begin so long before the onset, and end so long after it.
pub const LABEL_LEADS: Span = Span::hours(6);
/// See [`LABEL_LEADS`]; no alarm is worth anything later.
pub const LABELLED_AFTER: Span = Span::hours(3);
/// Events are put in by their own times: none is too late.
const ANY: Span = Span(i64::MAX / 4);

/// The signals that SOFA reads.
const SIGNALS: [Signal; 11] = [
    Signal::Pao2,
    Signal::Fio2,
    Signal::MechanicalVentilation,
    Signal::Etco2,
    Signal::Platelets,
    Signal::BilirubinTotal,
    Signal::AbpMean,
    Signal::NibpMean,
    Signal::GcsTotal,
    Signal::Creatinine,
    Signal::UrineOutput,
];

/// What was said at a time.
#[derive(Debug, Clone, Copy)]
enum Said {
    Number(Numeric),
    Drug(Infusion),
}

/// Collects what SOFA needs while a stay is replayed.
#[derive(Debug)]
pub struct Retrospect {
    begins: EventTime,
    ends: EventTime,
    infection: Infection,
    said: Vec<(EventTime, Provenance, Said)>,
}

/// What a stay tells of sepsis afterwards.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sepsis3 {
    /// The stay's beginning.
    pub begins: EventTime,
    /// Its end.
    pub ends: EventTime,
    /// The onset by each version, in the order of [`Version::ALL`].
    pub onsets: [Onset; 2],
    /// What its SOFA rests on.
    pub known: SofaKnown,
}

/// How much of SOFA was known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SofaKnown {
    /// Hours scored.
    pub hours: u64,
    /// Hours in which all six parts were known.
    pub complete: u64,
    /// Hours in which each part was known, in the order of [`PARTS`].
    pub parts: [u64; 6],
}

/// The parts of SOFA.
pub const PARTS: [Part; 6] =
    [Part::Oxygenation, Part::Coagulation, Part::Liver, Part::Circulation, Part::Consciousness, Part::Renal];

impl Sepsis3 {
    /// The onset by a version.
    #[must_use]
    pub const fn onset(&self, version: Version) -> Onset {
        self.onsets[version as usize]
    }

    /// Labels by the clock hour, shaped as the challenge's: 1 from 6 h before the onset until 3 h after it,
    /// where they end. A stay that came with sepsis has none.
    #[must_use]
    pub fn hours(&self, version: Version) -> Vec<Hour> {
        let (onset, until) = match self.onset(version) {
            Onset::CameWith => return Vec::new(),
            Onset::Never => (None, self.ends),
            Onset::At(s) => (Some(s.at.floor(HOUR)), self.ends.min(s.at + LABELLED_AFTER)),
        };
        let label = |at: EventTime| Some(onset.is_some_and(|onset| at >= onset - LABEL_LEADS));
        let hour = |hour: u32| {
            let at = self.begins.floor(HOUR) + Span::hours(i64::from(hour) - 1);
            Hour { hour, at, sepsis: label(at), deterioration: None }
        };
        (1..).map(hour).take_while(|h| h.at <= until).collect()
    }
}

impl Retrospect {
    /// For a stay whose records tell of infections.
    #[must_use]
    pub fn new(labels: Option<&Labels>) -> Option<Self> {
        let Some(Labels::Course(Course { begins, ends, infection: Some(infection), .. })) = labels else {
            return None;
        };
        Some(Self { begins: *begins, ends: *ends, infection: infection.clone(), said: Vec::new() })
    }

    /// Takes an event of the stay.
    pub fn note(&mut self, event: &Event) {
        let said = match &event.body {
            Body::Numeric(n) if SIGNALS.contains(&n.signal) || n.signal == Signal::Weight => Said::Number(*n),
            Body::Medication(infusion) => Said::Drug(*infusion),
            _ => return,
        };
        self.said.push((event.event_time, event.provenance, said));
    }

    /// What the stay tells, once all of it was noted.
    #[must_use]
    pub fn finish(mut self) -> Sepsis3 {
        self.said.sort_by_key(|(at, provenance, _)| (*at, *provenance));
        let mut known = SofaKnown::default();
        let sofa = self.sofa(&mut known);
        let stay = (self.begins, self.ends);
        let onsets = Version::ALL.map(|v| sepsis3::onset(v, &self.infection, &sofa, stay));
        Sepsis3 { begins: self.begins, ends: self.ends, onsets, known }
    }

    /// SOFA at the stay's beginning and every hour after it.
    fn sofa(&self, known: &mut SofaKnown) -> Vec<Sofa> {
        let (mut vitals, mut labs, mut infusions) =
            (Vitals::default(), Labs::default(), Infusions::default());
        let mut said = self.said.iter().peekable();
        let mut scores = Vec::new();
        let mut at = self.begins;
        while at <= self.ends {
            while let Some((when, provenance, what)) = said.next_if(|(when, ..)| *when <= at) {
                match what {
                    Said::Drug(infusion) => {
                        infusions.push(infusion, *when, *provenance, ANY);
                    }
                    Said::Number(n) => {
                        let Some(word) = Word::of(n, *provenance) else { continue };
                        match n.signal.info().class {
                            SignalClass::Vital => vitals.push(n.signal, *when, word, ANY),
                            SignalClass::Charted | SignalClass::Lab => {
                                labs.push(n.signal, *when, word, when.as_arrival_time(), ANY)
                            }
                        };
                    }
                }
            }
            scores.push(Sofa { at, points: points(&vitals, &labs, &infusions, at, known) });
            at = at + HOUR;
        }
        scores
    }
}

fn points(vitals: &Vitals, labs: &Labs, infusions: &Infusions, at: EventTime, known: &mut SofaKnown) -> u8 {
    let mut inputs = sofa::inputs(vitals, labs, infusions, at);
    let mut charted =
        labs.get(Signal::MechanicalVentilation).into_iter().flat_map(|l| l.between(at - DAY, at));
    if charted.any(|s| s.value >= 0.5) {
        inputs.supported = Some(true);
    }
    let score = sofa::score(&inputs, SofaEdges::MimicCode);
    let components = score.as_ref().map_or(&[][..], |s| s.components.as_slice());
    let is_known = PARTS.map(|part| components.iter().any(|c| c.part == part && c.points.is_some()));
    known.hours += 1;
    known.complete += u64::from(is_known.iter().all(|k| *k));
    for (count, is_known) in known.parts.iter_mut().zip(is_known) {
        *count += u64::from(is_known);
    }
    // Six parts of at most four points.
    score.map_or(0, |s| s.value as u8)
}

#[cfg(test)]
mod tests;
