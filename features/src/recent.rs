//! The latest stretch at finer scales than the hour, put together when a model asks.
//!
//! Nothing is filled in: a row without a measurement is missing, and a modality without any row in its
//! reach is an empty track.

use bedwatch_schemas::{
    event::Modality,
    medication::Dose,
    recent::{Code, CodedEvent, EVENTS_REACH, MAX_EVENTS, Recent, Track, Values},
    signal::{Signal, SignalClass},
    time::{EventTime, Span},
    unit::Unit,
};

use crate::{analysers::Analysers, cardiac::Row, infusions::Infusions, labs::Labs, vitals::Vitals};

/// Everything of the patient up to `at`.
pub(crate) fn of(
    vitals: &Vitals,
    labs: &Labs,
    infusions: &Infusions,
    analysers: &Analysers,
    at: EventTime,
) -> Recent {
    Recent {
        tracks: [minutes(vitals, at), eeg(analysers, at), cardiac(analysers, at), glucose(analysers, at)],
        events: events(labs, infusions, at),
    }
}

/// A track being filled.
struct Filling {
    track: Track,
    end: EventTime,
    values: Vec<f32>,
}

impl Filling {
    fn new(track: Track, end: EventTime) -> Self {
        Self { track, end, values: Vec::new() }
    }

    fn set(&mut self, at: EventTime, column: usize, value: f64) {
        let (rows, columns) = (self.track.rows(), self.track.columns().len());
        let Some(row) = self.track.row(at, self.end) else { return };
        if self.values.is_empty() {
            self.values = vec![f32::NAN; rows * columns];
        }
        self.values[row * columns + column] = value as f32;
    }

    fn done(self) -> Values {
        Values(self.values)
    }
}

/// How far a track reaches back from `at`.
fn from(track: Track, at: EventTime) -> EventTime {
    at - Span(track.step().0 * track.rows() as i64)
}

/// The last row is the clock minute that `at` lies in.
fn minutes(vitals: &Vitals, at: EventTime) -> Values {
    let minute = Span::minutes(1);
    let end = (at - Span(1)).floor(minute) + minute;
    let mut filling = Filling::new(Track::Minutes, end);
    for (column, signal) in Track::minute_signals().iter().enumerate() {
        let Some(series) = vitals.get(*signal) else { continue };
        for (start, mean) in series.minute_means(from(Track::Minutes, end), at) {
            filling.set(start + minute, column, mean);
        }
    }
    filling.done()
}

fn eeg(analysers: &Analysers, at: EventTime) -> Values {
    let mut filling = Filling::new(Track::Eeg, at);
    for row in analysers.eeg_rows(from(Track::Eeg, at), at) {
        for (column, value) in row.values.iter().enumerate() {
            if let Some(value) = value {
                filling.set(row.at, column, f64::from(*value));
            }
        }
    }
    filling.done()
}

/// The columns of one waveform's row, from its first.
fn beats(row: &Row, modality: Modality) -> (usize, Vec<Option<f32>>) {
    let (rate, quality) = (row.rate_per_min, Some(row.quality));
    let log = |x: Option<f32>| x.map(|x| x.max(1e-3).log10());
    match modality {
        Modality::Pleth => (6, vec![rate, quality]),
        Modality::Abp => {
            let pressure = row.pressure.map_or([None; 3], |p| p.map(Some));
            (8, [vec![rate, quality], pressure.to_vec()].concat())
        }
        _ => {
            let [sdnn, rmssd] = row.variability_ms;
            let [lf, hf] = row.power_ms2;
            (0, vec![rate, quality, sdnn, rmssd, log(lf), log(hf)])
        }
    }
}

fn cardiac(analysers: &Analysers, at: EventTime) -> Values {
    let mut filling = Filling::new(Track::Cardiac, at);
    for modality in [Modality::Ecg, Modality::Pleth, Modality::Abp] {
        for row in analysers.cardiac_rows(modality, from(Track::Cardiac, at), at) {
            let (first, values) = beats(row, modality);
            for (i, value) in values.into_iter().enumerate() {
                if let Some(value) = value {
                    filling.set(row.at, first + i, f64::from(value));
                }
            }
        }
    }
    filling.done()
}

fn glucose(analysers: &Analysers, at: EventTime) -> Values {
    let mut filling = Filling::new(Track::Glucose, at);
    for (when, mg_dl) in analysers.readings(from(Track::Glucose, at), at) {
        filling.set(when, 0, mg_dl);
    }
    filling.done()
}

fn events(labs: &Labs, infusions: &Infusions, at: EventTime) -> Vec<CodedEvent> {
    let from = at - EVENTS_REACH;
    let mut events = Vec::new();
    for signal in Signal::ALL.iter().copied().filter(|s| s.info().class != SignalClass::Vital) {
        let Some(lab) = labs.get(signal) else { continue };
        events.extend(lab.between(from, at).map(|sample| CodedEvent {
            code: Code::Result(signal),
            value: Some(sample.value as f32),
            at: sample.at,
        }));
    }
    events.extend(infusions.words(from, at).map(|(drug, action, dose, at)| CodedEvent {
        code: Code::Drug(drug, action),
        value: dose.and_then(ug_per_kg_min),
        at,
    }));
    events.sort_by_key(|e| (e.at, e.code));
    let old = events.len().saturating_sub(MAX_EVENTS);
    events.drain(..old);
    events
}

/// A rate that needs no weight to be understood.
fn ug_per_kg_min(dose: Dose) -> Option<f32> {
    (dose.unit == Unit::UgPerKgMin).then_some(dose.value as f32)
}

#[cfg(test)]
mod tests;
