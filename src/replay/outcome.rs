//! What a replayed source gave.

use std::collections::BTreeMap;

use bedwatch_features::cardiac::ventricular::Counts;
use bedwatch_replay_data::readers::{Availability, Labels};
use bedwatch_schemas::{
    alert::Alert,
    dead_letter::DeadLetter,
    event::{Sex, UnitKind},
    frame::FeatureFrame,
    risk::{Assessment, Certainty, Head},
    score::ScoreKind,
    signal::Signal,
    time::{EventTime, Span},
    withheld::Withheld,
};

use serde::{Deserialize, Serialize};

use super::{Source, labels::retrospect::Sepsis3, missing::Known, monitor::Judged};
use crate::engine::{Core, core::Counters};

/// One row of `risks.parquet`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RiskRow {
    /// The patient.
    pub patient: String,
    /// The frame's time.
    pub at: EventTime,
    /// Calibrated probabilities in the order of [`Head::ALL`]; `None` when the encoder did not run.
    pub probabilities: [Option<f32>; Head::COUNT],
    /// What the prediction sets say, in the same order; `None` where the bundle states none.
    pub certainties: [Option<Certainty>; Head::COUNT],
    /// How far the picture lies from the training's.
    pub distance: Option<f32>,
    /// Whether that is too far; `None` when the encoder did not run.
    pub unfamiliar: Option<bool>,
    /// Scores in the order of [`ScoreKind::ALL`].
    pub scores: [Option<f64>; 6],
    /// Seizure-likeness of the EEG by rule, 0 to 1.
    pub seizure_score: Option<f64>,
    /// Sensor glucose forecast in 20 min by rule, mg/dL.
    pub glucose_forecast_mg_dl: Option<f64>,
}

impl RiskRow {
    /// The row of a frame; `None` where neither the encoder ran nor the EEG is of this second.
    #[must_use]
    pub fn of(frame: &FeatureFrame, assessment: Option<&Assessment>) -> Option<Self> {
        let seizure_score = frame.eeg.as_ref().filter(|e| frame.at.since(e.at) <= Span::secs(1));
        if assessment.is_none() && seizure_score.is_none() {
            return None;
        }
        let risks = assessment.map_or(&[][..], |a| &a.risks);
        Some(Self {
            patient: frame.patient.as_str().to_owned(),
            at: frame.at,
            probabilities: Head::ALL.map(|head| risks.iter().find(|r| r.head == head).map(|r| r.probability)),
            certainties: Head::ALL.map(|head| risks.iter().find(|r| r.head == head)?.certainty),
            distance: assessment.and_then(|a| a.distance),
            unfamiliar: assessment.map(|a| a.unfamiliar),
            scores: ScoreKind::ALL.map(|kind| frame.score(kind).map(|s| s.value)),
            seizure_score: seizure_score.map(|e| e.seizure_score),
            glucose_forecast_mg_dl: frame.glucose.as_ref().and_then(|g| g.forecast_20min_mg_dl),
        })
    }
}

/// What is known of a person, for groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// Age, in years.
    pub age_years: Option<f32>,
    /// Sex.
    pub sex: Option<Sex>,
    /// The kind of unit.
    pub unit: Option<UnitKind>,
}

impl Person {
    /// The sex in a word.
    #[must_use]
    pub fn sex_name(&self) -> Option<String> {
        self.sex.map(|sex| match sex {
            Sex::Female => "female".to_owned(),
            Sex::Male => "male".to_owned(),
        })
    }

    /// The age by bands.
    #[must_use]
    pub fn age_band(&self) -> Option<String> {
        let bands = [(18.0, "under 18"), (45.0, "18 to 44"), (65.0, "45 to 64"), (80.0, "65 to 79")];
        let name = |age: f32| bands.iter().find(|(below, _)| age < *below).map_or("80 and over", |b| b.1);
        self.age_years.map(|age| name(age).to_owned())
    }

    /// The kind of unit in words.
    #[must_use]
    pub fn unit_name(&self) -> Option<String> {
        self.unit.map(|unit| match unit {
            UnitKind::Medical => "medical".to_owned(),
            UnitKind::Surgical => "surgical".to_owned(),
            UnitKind::Coronary => "coronary".to_owned(),
            UnitKind::CardiacSurgery => "cardiac surgery".to_owned(),
        })
    }
}

/// What is drawn of a stay: each row the first of its signals that is known.
pub const DRAWN: [(&str, &str, &[Signal]); 6] = [
    ("heart rate", "/min", &[Signal::HeartRate, Signal::PulseRate]),
    ("mean pressure", "mmHg", &[Signal::AbpMean, Signal::NibpMean]),
    ("oxygen saturation", "%", &[Signal::Spo2]),
    ("respiratory rate", "/min", &[Signal::RespRate]),
    ("temperature", "\u{b0}C", &[Signal::Temperature]),
    ("lactate", "mmol/L", &[Signal::Lactate]),
];
/// How far apart the points of a trace are at least: a stay of three days is a thousand.
const TRACED_EVERY: Span = Span::minutes(5);

/// The course of what is drawn, of the source's first patient: time and values, `NaN` where not known.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Trace(pub Vec<(EventTime, [f32; DRAWN.len()])>);

impl Trace {
    fn take(&mut self, frame: &FeatureFrame) {
        if self.0.last().is_some_and(|(last, _)| frame.at.since(*last) < TRACED_EVERY) {
            return;
        }
        let values = DRAWN.map(|(_, _, signals)| {
            let known = signals.iter().find_map(|signal| frame.current(*signal));
            known.map_or(f32::NAN, |(value, ..)| value as f32)
        });
        self.0.push((frame.at, values));
    }
}

/// What one source gave.
#[derive(Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The source's name.
    pub name: String,
    /// Where it is from: the name of the folder it lies in, which is the hospital's where each has one.
    pub site: String,
    /// Its format.
    pub format: String,
    /// What it tells of the times at which its values became known; `None` where it could not be read.
    pub availability: Option<Availability>,
    /// The core's counts.
    pub counters: Counters,
    /// Frames evaluated.
    pub frames: u64,
    /// One row for each encoder pass and each new second of EEG.
    pub risks: Vec<RiskRow>,
    /// The alerts.
    pub alerts: Vec<Alert>,
    /// The ledger of what was withheld.
    pub withheld: Vec<Withheld>,
    /// What could not be decoded.
    pub dead_letters: Vec<DeadLetter>,
    /// What could not be read, by name and place.
    pub faults: Vec<String>,
    /// What the reader left out or found not as expected, by name.
    pub left_out: BTreeMap<String, u64>,
    /// Sensor glucose by patient, in the order of time, mg/dL: the truth of what was foretold of it.
    pub readings: BTreeMap<String, Vec<(EventTime, f64)>>,
    /// The truth, where the source has one.
    pub labels: Option<Labels>,
    /// Alarms of the bedside monitor, with what the engine says of each.
    pub monitor_alarms: Vec<Judged>,
    /// What of ECG and pulses could not be looked at for them.
    pub monitor_unused: Counts,
    /// Sepsis-3 as the stay's records tell it afterwards.
    pub sepsis3: Option<Sepsis3>,
    /// The operating points in force, by head.
    pub operating_points: BTreeMap<Head, f32>,
    /// First and last frame.
    pub span: Option<(EventTime, EventTime)>,
    /// First and last frame of each patient.
    pub stays: BTreeMap<String, (EventTime, EventTime)>,
    /// The course of what is drawn.
    pub trace: Trace,
    /// BLAKE3 of what was read.
    pub data: [u8; 32],
    /// How often each signal was known.
    pub known: Known,
    /// What was known of each person at the last frame.
    pub people: BTreeMap<String, Person>,
}

impl Outcome {
    pub(super) fn new(source: &Source) -> Self {
        Self {
            name: source.name().to_owned(),
            site: source.site(),
            format: source.format(),
            availability: None,
            counters: Counters::default(),
            frames: 0,
            risks: Vec::new(),
            alerts: Vec::new(),
            withheld: Vec::new(),
            dead_letters: Vec::new(),
            faults: Vec::new(),
            left_out: BTreeMap::new(),
            readings: BTreeMap::new(),
            labels: None,
            monitor_alarms: Vec::new(),
            monitor_unused: Counts::default(),
            sepsis3: None,
            operating_points: BTreeMap::new(),
            span: None,
            stays: BTreeMap::new(),
            people: BTreeMap::new(),
            trace: Trace::default(),
            known: Known::default(),
            data: [0; 32],
        }
    }

    pub(super) fn frame(&mut self, frame: &FeatureFrame, assessment: Option<&Assessment>) {
        self.frames += 1;
        self.span = Some((self.span.map_or(frame.at, |(first, _)| first), frame.at));
        let person =
            Person { age_years: frame.demographics.age_years, sex: frame.demographics.sex, unit: frame.unit };
        match (self.stays.get_mut(frame.patient.as_str()), self.people.get_mut(frame.patient.as_str())) {
            (Some((_, last)), Some(known)) => (*last, *known) = (frame.at, person),
            _ => {
                let patient = frame.patient.as_str();
                self.stays.insert(patient.to_owned(), (frame.at, frame.at));
                self.people.insert(patient.to_owned(), person);
            }
        }
        if self.stays.len() == 1 {
            self.trace.take(frame);
        }
        if let Some(glucose) = &frame.glucose {
            let readings = self.readings.entry(frame.patient.as_str().to_owned()).or_default();
            if readings.last().is_none_or(|r| r.0 < glucose.at) {
                readings.push((glucose.at, glucose.last_mg_dl));
            }
        }
        let Some(row) = RiskRow::of(frame, assessment) else {
            return;
        };
        if assessment.is_some() {
            self.known.take(frame);
        }
        let risks = assessment.map_or(&[][..], |a| &a.risks);
        self.operating_points.extend(risks.iter().map(|r| (r.head, r.operating_point)));
        self.risks.push(row);
    }

    pub(super) fn finish(&mut self, core: &Core, data: [u8; 32]) {
        self.data = data;
        self.counters = core.counters().clone();
    }

    /// The person, where the source is of one.
    #[must_use]
    pub fn person(&self) -> Option<Person> {
        let mut people = self.people.values();
        people.next().copied().filter(|_| people.next().is_none())
    }

    /// Events decoded over all streams.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.counters.events.values().sum()
    }

    /// Hours from the first to the last frame, of every patient.
    #[must_use]
    pub fn hours(&self) -> f64 {
        self.stays.values().map(|(first, last)| last.since(*first).as_hours_f64()).sum()
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// An outcome of nothing.
    pub fn outcome() -> Outcome {
        let path = std::path::PathBuf::from("set/nothing/records.jsonl");
        Outcome::new(&Source::Recording { name: "nothing".to_owned(), path })
    }

    /// A row in which nothing is known.
    pub fn row(at: EventTime) -> RiskRow {
        RiskRow {
            patient: "p".to_owned(),
            at,
            probabilities: [None; Head::COUNT],
            certainties: [None; Head::COUNT],
            distance: None,
            unfamiliar: None,
            scores: [None; 6],
            seizure_score: None,
            glucose_forecast_mg_dl: None,
        }
    }
}
