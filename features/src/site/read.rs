//! The value of a column at one bed, while it speaks of now.
//!
//! What is stale for the built-in rules is unknown here: a signal past its validity or whose monitor
//! has gone silent ([`FeatureFrame::reading`]), an EEG older than 15 s, a glucose sensor older than
//! 20 min. With its signal every window of it goes unknown; only its age, and how many values came,
//! are still known, for they are what tells.

use bedwatch_schemas::{
    column::{Beats, Column, Infused, Part, Source, Stat},
    event::{Modality, Provenance},
    evidence::{Band, Fact, FactId, Missing, Subject},
    frame::{FeatureFrame, Reading},
    risk::Assessment,
    score::{Score, ScoreKind},
    signal::{Signal, SignalClass},
    summary::CardiacSummary,
    time::{EventTime, Span},
};

use crate::{PatientState, infusions};

/// One bed at the moment it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Bed<'a> {
    /// Everything known now.
    pub frame: &'a FeatureFrame,
    /// The state it was read from, for windows a frame does not hold.
    pub state: &'a PatientState,
    /// What the encoder last said.
    pub assessment: Option<&'a Assessment>,
}

/// A value as read.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Read {
    /// The value, finite; 0 and 1 for false and true.
    pub(super) value: Option<f64>,
    /// When it was true.
    pub(super) at: Option<EventTime>,
    /// Its time, where it arrives every minute or oftener.
    pub(super) measured: Option<EventTime>,
    /// The message it came from.
    provenance: Option<Provenance>,
    /// The signal it is of, where the column leaves that open.
    signal: Option<Signal>,
}

impl Read {
    /// As a fact about this column; `None` where it is not known or no fact can state it.
    pub(super) fn fact(&self, column: Column) -> Option<Fact> {
        let column = self.resolved(column);
        let subject = column.subject()?;
        let (unit, factor) = column.info().measure.fact()?;
        Some(Fact {
            id: FactId(0),
            subject,
            value: self.value? * factor,
            unit,
            at: self.at?,
            band: Band::Unknown,
            trend: None,
            provenance: self.provenance,
        })
    }

    /// The signal that is not known, where the column is of one.
    pub(super) fn missing(&self, column: Column, bed: &Bed<'_>) -> Option<Missing> {
        let signal = match column.info().source {
            Source::Signal(signal, _) | Source::Either([signal, _], _) if self.value.is_none() => signal,
            _ => return None,
        };
        let last_at = bed.frame.vital(signal).map(|v| v.at).or_else(|| bed.frame.lab(signal).map(|l| l.at));
        Some(Missing { subject: Subject::Signal(signal), last_at })
    }

    /// The column of the signal that was taken.
    fn resolved(&self, column: Column) -> Column {
        match (column.info().source, self.signal) {
            (Source::Either(_, part), Some(signal)) => Column::of(signal, part).unwrap_or(column),
            _ => column,
        }
    }
}

fn of(value: Option<f64>, at: EventTime) -> Read {
    Read { value: value.filter(|x| x.is_finite()), at: Some(at), ..Read::default() }
}

fn minutes(span: Span) -> f64 {
    span.as_secs_f64() / 60.0
}

impl Bed<'_> {
    /// The value of a column, finite, with 0 and 1 for false and true; `None` where it is not known or no
    /// longer speaks of now.
    #[must_use]
    pub fn value(&self, column: Column) -> Option<f64> {
        self.read(column).value
    }

    /// The value of a column.
    pub(super) fn read(&self, column: Column) -> Read {
        let frame = self.frame;
        match column.info().source {
            Source::StayHours => of(Some(frame.at.since(frame.stay_start).as_hours_f64()), frame.at),
            Source::AgeYears => of(frame.demographics.age_years.map(f64::from), frame.at),
            Source::Signal(signal, part) => self.signal(signal, part),
            Source::Either(signals, part) => {
                let speaks = |s: &&Signal| self.speaks(**s).is_some();
                // Where neither speaks, the one that was last heard of says how long ago.
                let heard = || signals.iter().max_by_key(|s| frame.vital(**s).map(|v| v.at));
                let signal = signals.iter().find(speaks).or_else(heard).copied().unwrap_or(signals[0]);
                Read { signal: Some(signal), ..self.signal(signal, part) }
            }
            Source::Score(kind) => self.score(kind, |s| s.complete.then_some(s.value)),
            Source::ScoreAtLeast(kind) => self.score(kind, |s| Some(s.value)),
            Source::Risk(head) => {
                let risk = self.assessment.and_then(|a| Some((a.at, a.risk(head)?)));
                risk.map_or(Read::default(), |(at, r)| of(Some(f64::from(r.probability) * 100.0), at))
            }
            Source::Infusion(drug, part) => {
                let found = frame.infusions.iter().find(|i| i.drug == drug);
                found.map_or(Read::default(), |i| {
                    let value = match part {
                        Infused::Running => Some(f64::from(u8::from(i.running))),
                        Infused::Rate if !i.running => Some(0.0),
                        Infused::Rate => {
                            let weight = frame.current(Signal::Weight).map(|w| w.0);
                            i.rate.and_then(|r| infusions::ug_per_kg_min(r, weight))
                        }
                        Infused::Since => Some(minutes(frame.at.since(i.since))),
                    };
                    Read { provenance: Some(i.provenance), ..of(value, i.since) }
                })
            }
            Source::Eeg(get) => frame.eeg_now().map_or(Read::default(), |e| Read {
                measured: Some(e.at),
                provenance: Some(e.provenance),
                ..of(get(e), e.at)
            }),
            Source::Cardiac(modality, beats, get) => {
                self.cardiac(modality, beats).map_or(Read::default(), |c| Read {
                    measured: Some(c.at),
                    provenance: Some(c.provenance),
                    ..of(get(c), c.at)
                })
            }
            Source::Sensor(get) => {
                let sensor = frame.sensor_now();
                sensor
                    .map_or(Read::default(), |g| Read { provenance: Some(g.provenance), ..of(get(g), g.at) })
            }
            Source::Compression => frame
                .sensor_now()
                .map_or(Read::default(), |g| of(Some(f64::from(u8::from(g.compression_suspected))), g.at)),
        }
    }

    /// A signal's latest value, while it speaks of now.
    fn speaks(&self, signal: Signal) -> Option<Reading> {
        // The glucose sensor has an age limit of its own.
        if signal == Signal::CgmGlucose {
            let g = self.frame.sensor_now()?;
            let (value, at, provenance) = (g.last_mg_dl, g.at, g.provenance);
            return Some(Reading { value, at, provenance, often: false, silent: false });
        }
        self.frame.reading(signal).filter(|r| !r.silent)
    }

    fn signal(&self, signal: Signal, part: Part) -> Read {
        let frame = self.frame;
        let (vital, lab) = (frame.vital(signal), frame.lab(signal));
        let Some(at) = vital.map(|v| v.at).or_else(|| lab.map(|l| l.at)) else {
            return Read::default();
        };
        match part {
            Part::Age => return of(Some(minutes(frame.at.since(at))), at),
            Part::Window(stat @ (Stat::Count | Stat::Completeness), length) => {
                return of(self.window(signal, stat, length), at);
            }
            _ => {}
        }
        let Some(now) = self.speaks(signal) else {
            return Read::default();
        };
        let value = match part {
            Part::Last => Some(now.value),
            Part::Delta => lab.and_then(|l| l.previous.map(|(previous, _)| l.last - previous)),
            Part::Lowest => lab.map(|l| l.range_24h.0),
            Part::Highest => lab.map(|l| l.range_24h.1),
            Part::Window(stat, length) => self.window(signal, stat, length),
            Part::Age => None,
        };
        Read { measured: now.measured(), provenance: Some(now.provenance), ..of(value, now.at) }
    }

    fn window(&self, signal: Signal, stat: Stat, length: Span) -> Option<f64> {
        debug_assert_eq!(signal.info().class, SignalClass::Vital, "only vitals have windows");
        let (pane, expected) = self.state.window(signal, length, self.frame.at)?;
        let count = pane.map_or(0, |p| p.count);
        match stat {
            Stat::Count => Some(f64::from(count)),
            Stat::Completeness => expected.map(|n| (f64::from(count) / f64::from(n.max(1))).min(1.0)),
            Stat::Mean => Some(pane?.mean()),
            Stat::Min => Some(pane?.min),
            Stat::Max => Some(pane?.max),
            Stat::Sd => Some(pane?.sd()),
            Stat::Slope => pane?.slope_per_hour(),
        }
    }

    /// A score, unless it counts a monitor that has gone silent.
    fn score(&self, kind: ScoreKind, value: impl Fn(&Score) -> Option<f64>) -> Read {
        let Some(score) = self.frame.score(kind) else {
            return Read::default();
        };
        let parts = || score.components.iter().filter_map(|c| self.frame.reading(c.signal?));
        if parts().any(|r| r.silent) {
            return Read::default();
        }
        let measured = parts().filter_map(|r| r.measured()).max();
        Read { measured, ..of(value(score), self.frame.at) }
    }

    fn cardiac(&self, modality: Modality, beats: Beats) -> Option<&CardiacSummary> {
        let found = self.frame.beats_now().find(|c| c.modality == modality)?;
        let fresh = beats == Beats::Minutes || self.frame.at.since(found.at) <= Span::secs(15);
        fresh.then_some(found)
    }
}
