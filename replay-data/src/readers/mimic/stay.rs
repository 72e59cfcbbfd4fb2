//! The words of one stay as items in the order of arrival, with its course as labels.

use std::collections::{BTreeMap, BTreeSet};

use bedwatch_schemas::{
    event::{Adt, AdtKind, Body, Demographics, Event, Microbiology, NoReading, Numeric, Provenance, Stream},
    ids::{PatientId, SourceId},
    medication::{Infusion, InfusionAction},
    signal::Signal,
    time::{ArrivalTime, EventTime},
};

use super::{
    Edition, MIMIC4_NOTES, NOTES, Told, course,
    items::{Part, is_arterial},
    table::Table,
    tables::{Counted, Icu, Person},
    word::{Reason, What, Word},
};
use crate::readers::{
    At, Course, Error, Fault, Item, Labels, Stay,
    infection::{Act, infection},
    infusions::{self, Said},
};

const AFTER_THE_STAY: Reason = "mimic.known_after_the_stay";
const NOT_ARTERIAL: Reason = "mimic.gas_not_arterial";
const INCOMPLETE_COMA: Reason = "mimic.incomplete_coma_score";
const SAME_CULTURE: Reason = "mimic.same_culture";
const SAME_VENTILATION: Reason = "mimic.same_word_of_ventilation";

/// The source hides ages above 89 by a birth 300 years before; their median, by its documentation.
const HIDDEN_AGE: f32 = 91.4;
const YEAR_HOURS: f64 = 365.2425 * 24.0;

/// Makes the stay.
pub(super) fn stay(
    name: &str,
    icu: &Icu,
    edition: Edition,
    words: &[Word],
    counted: Counted,
    tells_of_infection: bool,
    told: Vec<Told>,
) -> Result<Stay, Error> {
    let patient =
        PatientId::new(name).map_err(|_| Error::header(name, "the stay's name is no patient id"))?;
    let source = match (edition, icu.is_metavision) {
        (Edition::Fourth, _) => "mimic4",
        (Edition::Third, true) => "mimic3-metavision",
        (Edition::Third, false) => "mimic3-carevue",
    };
    let (faults, mut words): (Vec<Word>, Vec<Word>) =
        words.iter().partition(|w| matches!(w.what, What::Fault(_)));
    words.sort_by_key(|w| w.at);
    let said: Vec<Said> = words.iter().enumerate().filter_map(|(row, w)| said(row, w)).collect();
    let stretches = infusions::stretches(&said);
    let mut maker = Maker {
        icu,
        patient,
        source: SourceId::new(source).expect("the name is short and plain"),
        items: Vec::new(),
        hindsight: Vec::new(),
        left: counted.left,
    };
    maker.adt(AdtKind::Admit, icu.begins, Some(&counted.person));
    maker.words(&words);
    for end in infusions::ends(&stretches) {
        let stopped = Infusion { drug: end.drug, action: InfusionAction::Stopped, dose: None };
        maker.push(&words[end.row], end.to, end.known, Body::Medication(stopped));
    }
    maker.items.sort_by_key(|(order, _)| *order);
    maker.adt(AdtKind::Discharge, icu.ends, None);
    let fault = |(at, fault): (At, Fault)| Err(Error { stay: name.to_owned(), at, fault });
    let broken = faults.iter().filter_map(|w| match w.what {
        What::Fault(why) => Some((At::Row(w.table.name(), w.line), Fault::Record(why.text().to_owned()))),
        _ => None,
    });
    let mut items: Vec<_> = told.into_iter().chain(broken).map(fault).collect();
    items.extend(maker.items.into_iter().map(|(_, event)| Ok(Item::Event(event))));
    Ok(Stay {
        labels: Some(Labels::Course(Course {
            infection: tells_of_infection.then(|| infection(words.iter().filter_map(act))),
            ..course::course(icu, &counted.person, &words, &stretches)
        })),
        counts: maker.left,
        hindsight: maker.hindsight,
        notes: if edition == Edition::Fourth { MIMIC4_NOTES.to_vec() } else { NOTES.to_vec() },
        ..Stay::new(name, edition.format(), Box::new(items.into_iter()))
    })
}

/// Arrival, then time, then place.
type Order = (ArrivalTime, EventTime, Table, u64);

struct Maker<'a> {
    icu: &'a Icu,
    patient: PatientId,
    source: SourceId,
    items: Vec<(Order, Event)>,
    /// What became known after the stay.
    hindsight: Vec<Event>,
    left: BTreeMap<Reason, u64>,
}

impl Maker<'_> {
    fn left(&mut self, reason: Reason) {
        *self.left.entry(reason).or_default() += 1;
    }

    fn words(&mut self, words: &[Word]) {
        let not_arterial: BTreeSet<EventTime> =
            words.iter().filter(|w| w.what == What::NotArterial).map(|w| w.at).collect();
        let settings: BTreeSet<EventTime> =
            words.iter().filter(|w| w.what == What::Ventilated(true)).map(|w| w.at).collect();
        let (mut comas, mut cultures) = (BTreeMap::<_, Vec<&Word>>::new(), BTreeSet::new());
        let mut ventilation = BTreeSet::new();
        for word in words {
            match word.what {
                What::Number(signal, _)
                    if word.table == Table::LabEvents
                        && is_arterial(signal)
                        && not_arterial.contains(&word.at) =>
                {
                    self.left(NOT_ARTERIAL);
                }
                What::Coma(..) => comas.entry(word.at).or_default().push(word),
                What::Culture if !cultures.insert(word.at) => self.left(SAME_CULTURE),
                // One word for each moment, and the ventilator's settings count before the other words.
                What::Ventilated(on)
                    if (!on && settings.contains(&word.at)) || !ventilation.insert(word.at) =>
                {
                    self.left(SAME_VENTILATION);
                }
                _ => {
                    if let Some(body) = body(word.what) {
                        self.push(word, word.at, word.known, body);
                    }
                }
            }
        }
        comas.values().for_each(|parts| self.coma(parts));
    }

    /// The sum of the three parts of a moment, known with the last of them.
    fn coma(&mut self, parts: &[&Word]) {
        let part = |of: Part| {
            parts.iter().rev().find_map(|w| match w.what {
                What::Coma(p, value) if p == of => Some((value, **w)),
                _ => None,
            })
        };
        let (Some(eyes), Some(verbal), Some(motor)) =
            (part(Part::Eyes), part(Part::Verbal), part(Part::Motor))
        else {
            return self.left(INCOMPLETE_COMA);
        };
        let last = [eyes.1, verbal.1, motor.1].into_iter().max_by_key(|w| (w.known, w.line)).expect("three");
        let sum = Numeric::new(Signal::GcsTotal, eyes.0 + verbal.0 + motor.0);
        self.push(&last, last.at, last.known, Body::Numeric(sum));
    }

    /// Adds what a row says; what became known after the stay is for its labels alone.
    fn push(&mut self, row: &Word, at: EventTime, known: ArrivalTime, body: Body) {
        let arrival = known.max(self.icu.begins.as_arrival_time());
        let event = self.event(row.table, row.line, at, arrival, body);
        if arrival > self.icu.ends.as_arrival_time() {
            self.hindsight.push(event);
            return self.left(AFTER_THE_STAY);
        }
        self.items.push(((arrival, at, row.table, row.line), event));
    }

    /// Admission and discharge stand first and last, whatever else is of the same moment: nothing is told
    /// outside them.
    fn adt(&mut self, kind: AdtKind, at: EventTime, person: Option<&Person>) {
        let adt = Adt {
            kind,
            demographics: person.map_or_else(Demographics::default, |p| Demographics {
                age_years: p.born.and_then(|born| age(born, at)),
                sex: p.sex,
            }),
            admitted_at: Some(self.icu.begins),
            unit: person.and(self.icu.unit),
            hospital_admitted_at: person.and_then(|p| p.hospital_admitted_at),
        };
        let arrival = at.as_arrival_time();
        let event = self.event(Table::IcuStays, 1, at, arrival, Body::Adt(adt));
        let first = EventTime::from_micros(i64::MIN);
        self.items.push(((arrival, first, Table::IcuStays, 0), event));
    }

    fn event(&self, table: Table, line: u64, at: EventTime, arrival: ArrivalTime, body: Body) -> Event {
        // The partition is the table's number, so that evidence leads back to the row.
        let partition = Table::ALL.iter().position(|t| *t == table).unwrap_or_default() as i32;
        Event {
            patient: self.patient.clone(),
            encounter: None,
            location: None,
            source: self.source.clone(),
            event_time: at,
            arrival,
            provenance: Provenance { stream: Stream::Vitals, partition, offset: line as i64 - 1, part: 0 },
            body,
        }
    }
}

fn act(word: &Word) -> Option<Act> {
    if let What::Act(act) = word.what { Some(act) } else { None }
}

/// What a word says of an infusion.
fn said(row: usize, word: &Word) -> Option<Said> {
    let (drug, item, runs, until) = match word.what {
        What::Rate { drug, item, rate, until } => (drug, item, rate.is_none_or(|r| r.value > 0.0), until),
        What::Stop { drug, item } => (drug, item, false, None),
        _ => return None,
    };
    Some(Said { at: word.at, known: word.known, drug, item, runs, until, row })
}

/// What a word tells the engine; nothing where it is a label or was dealt with.
fn body(what: What) -> Option<Body> {
    Some(match what {
        What::Number(signal, value) if signal.is_sentinel(value) => {
            Body::NoReading { signal, reason: NoReading::Sentinel }
        }
        What::Number(signal, value) => Body::Numeric(Numeric::new(signal, value)),
        What::Ventilated(on) => {
            Body::Numeric(Numeric::new(Signal::MechanicalVentilation, if on { 1.0 } else { 0.0 }))
        }
        What::Rate { drug, rate, .. } => {
            Body::Medication(Infusion { drug, action: InfusionAction::RateSet, dose: rate })
        }
        What::Given(drug, dose) => Body::Medication(Infusion { drug, action: InfusionAction::Given, dose }),
        What::Culture => Body::Microbiology(Microbiology::CultureTaken),
        What::Moved(unit) => Body::Adt(Adt {
            kind: AdtKind::Transfer,
            demographics: Demographics::default(),
            admitted_at: None,
            unit,
            hospital_admitted_at: None,
        }),
        // A stop is the end of its stretch, which is told there.
        What::Stop { .. }
        | What::Coma(..)
        | What::NotArterial
        | What::VentilatedUntil(_)
        | What::Failure(..)
        | What::Act(_)
        | What::Fault(_) => return None,
    })
}

fn age(born: EventTime, at: EventTime) -> Option<f32> {
    let years = (at.since(born).as_hours_f64() / YEAR_HOURS) as f32;
    match years {
        y if y < 0.0 => None,
        y if y > 130.0 => Some(HIDDEN_AGE),
        y => Some(y),
    }
}
