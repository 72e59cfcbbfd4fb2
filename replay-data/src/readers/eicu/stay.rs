//! The words of one stay as items in the order of arrival, with its course as labels.

use std::collections::{BTreeMap, BTreeSet};

use bedwatch_schemas::{
    event::{Adt, AdtKind, Body, Demographics, Event, Microbiology, NoReading, Numeric, Provenance, Stream},
    ids::{PatientId, SourceId},
    medication::{Drug, Infusion, InfusionAction},
    signal::Signal,
    time::{ArrivalTime, EventTime},
    unit::Unit,
};

use super::{
    NOTES, Told, course,
    patient::Icu,
    table::Table,
    word::{Rate, Reason, What, Word},
};
use crate::readers::{
    At, Course, Error, Fault, Format, Item, Labels, Stay,
    infection::{Act, infection},
    infusions::{self, Said},
};

pub(super) const AFTER_THE_STAY: Reason = "eicu.known_after_the_stay";
pub(super) const SAME_VENTILATION: Reason = "eicu.same_word_of_ventilation";
pub(super) const SAME_CULTURE: Reason = "eicu.same_culture";
pub(super) const SAME_RATE: Reason = "eicu.same_rate_in_a_better_unit";
pub(super) const OF_A_MACHINE: Reason = "eicu.own_rate_beside_a_machine";
pub(super) const SET_RATE: Reason = "eicu.rate_set_at_a_machine";
pub(super) const UNIT_UNKNOWN: Reason = "eicu.rate_told_without_its_unknown_unit";

/// The part of an infusion's end, which stands behind what its row says.
pub(in crate::readers) const END: u32 = 9;

/// Makes the stay.
pub(super) fn stay(
    name: &str,
    icu: &Icu,
    words: Vec<Word>,
    tells_of_infection: bool,
    left: BTreeMap<Reason, u64>,
    told: Vec<Told>,
) -> Result<Stay, Error> {
    let patient =
        PatientId::new(name).map_err(|_| Error::header(name, "the stay's name is no patient id"))?;
    let (faults, mut words): (Vec<Word>, Vec<Word>) =
        words.into_iter().partition(|w| matches!(w.what, What::Fault(_)));
    words.sort_by_key(|w| (w.at, w.known, w.table, w.line, w.part));
    let said: Vec<Said> = words.iter().enumerate().filter_map(|(row, w)| said(row, w)).collect();
    let stretches = infusions::stretches(&said);
    let mut maker = Maker {
        icu,
        patient,
        source: SourceId::new("eicu").expect("the name is short and plain"),
        items: Vec::new(),
        hindsight: Vec::new(),
        left,
        late: BTreeSet::new(),
    };
    maker.adt(AdtKind::Admit, icu.begins, icu.person);
    maker.body_size();
    maker.words(&words);
    for end in infusions::ends(&stretches) {
        let stopped = Infusion { drug: end.drug, action: InfusionAction::Stopped, dose: None };
        let row = Word { part: END, ..words[end.row] };
        maker.push(&row, end.to, end.known, Body::Medication(stopped));
    }
    maker.items.sort_by_key(|(order, _)| *order);
    maker.adt(AdtKind::Discharge, icu.ends, Demographics::default());
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
            ..course::course(icu, &words, &stretches)
        })),
        counts: maker.left,
        hindsight: maker.hindsight,
        notes: NOTES.to_vec(),
        ..Stay::new(name, Format::Eicu, Box::new(items.into_iter()))
    })
}

/// Arrival, then time, then place.
type Order = (ArrivalTime, EventTime, Table, u64, u32);

struct Maker<'a> {
    icu: &'a Icu,
    patient: PatientId,
    source: SourceId,
    items: Vec<(Order, Event)>,
    /// What became known after the stay.
    hindsight: Vec<Event>,
    left: BTreeMap<Reason, u64>,
    /// Rows that became known after the stay.
    late: BTreeSet<(Table, u64)>,
}

impl Maker<'_> {
    fn left(&mut self, reason: Reason) {
        *self.left.entry(reason).or_default() += 1;
    }

    /// Height and weight of the admission, which are known with it.
    fn body_size(&mut self) {
        let (at, known) = (self.icu.begins, self.icu.begins.as_arrival_time());
        let sizes = [(Signal::Height, self.icu.height), (Signal::Weight, self.icu.weight)];
        for ((signal, value), part) in sizes.into_iter().zip(1..) {
            let Some(value) = value else { continue };
            let (table, line) = (Table::Patient, self.icu.line);
            let word = Word { stay: 0, table, line, part, at, known, what: What::Number(signal, value) };
            self.push(&word, at, known, number(signal, value));
        }
    }

    fn words(&mut self, words: &[Word]) {
        // Moments at which a machine breathes too, or all breaths were counted.
        let counted: BTreeSet<EventTime> = words
            .iter()
            .filter(|w| {
                w.what == What::SetRate
                    || (w.table == Table::RespiratoryCharting
                        && matches!(w.what, What::Number(Signal::RespRate, _)))
            })
            .map(|w| w.at)
            .collect();
        let settings: BTreeSet<EventTime> =
            words.iter().filter(|w| w.what == What::Ventilated(true)).map(|w| w.at).collect();
        let mut best = BTreeMap::<(Drug, EventTime), u8>::new();
        for word in words {
            if let What::Rate { drug, rate, .. } = word.what {
                let best = best.entry((drug, word.at)).or_default();
                *best = (*best).max(rank(rate));
            }
        }
        let (mut cultures, mut ventilation) = (BTreeSet::new(), BTreeSet::new());
        let mut weight = self.icu.weight;
        for word in words {
            match word.what {
                What::SetRate => self.left(SET_RATE),
                What::OwnRate(_) if counted.contains(&word.at) => self.left(OF_A_MACHINE),
                What::Culture if !cultures.insert(word.at) => self.left(SAME_CULTURE),
                // One word for each moment, and the ventilator's settings count before the other words.
                What::Ventilated(on)
                    if (!on && settings.contains(&word.at)) || !ventilation.insert(word.at) =>
                {
                    self.left(SAME_VENTILATION);
                }
                What::Rate { drug, rate, .. } if best.get(&(drug, word.at)) > Some(&rank(rate)) => {
                    self.left(SAME_RATE);
                }
                // Repeated with every rate of an infusion: a weight is told when it is another.
                What::Number(Signal::Weight, kg) if word.table == Table::InfusionDrug => {
                    if weight != Some(kg) {
                        weight = Some(kg);
                        self.push(word, word.at, word.known, number(Signal::Weight, kg));
                    }
                }
                _ => {
                    if matches!(word.what, What::Rate { rate: Rate::Runs(_), .. }) {
                        self.left(UNIT_UNKNOWN);
                    }
                    if let Some(body) = body(word.what) {
                        self.push(word, word.at, word.known, body);
                    }
                }
            }
        }
    }

    /// Adds what a row says; what became known after the stay is for its labels alone.
    fn push(&mut self, row: &Word, at: EventTime, known: ArrivalTime, body: Body) {
        let arrival = known.max(at.as_arrival_time()).max(self.icu.begins.as_arrival_time());
        let event = self.event((row.table, row.line, row.part), at, arrival, body);
        if arrival > self.icu.ends.as_arrival_time() {
            self.hindsight.push(event);
            // An infusion's end is no row of its own: nothing is left out.
            if row.part != END && self.late.insert((row.table, row.line)) {
                self.left(AFTER_THE_STAY);
            }
            return;
        }
        self.items.push(((arrival, at, row.table, row.line, row.part), event));
    }

    /// Admission and discharge stand first and last, whatever else is of the same moment: nothing is told
    /// outside them.
    fn adt(&mut self, kind: AdtKind, at: EventTime, demographics: Demographics) {
        let is_admission = kind == AdtKind::Admit;
        let adt = Adt {
            kind,
            demographics,
            admitted_at: Some(self.icu.begins),
            unit: self.icu.unit.filter(|_| is_admission),
            hospital_admitted_at: is_admission.then_some(self.icu.hospital_admitted_at),
        };
        let arrival = at.as_arrival_time();
        let event = self.event((Table::Patient, self.icu.line, 0), at, arrival, Body::Adt(adt));
        let first = EventTime::from_micros(i64::MIN);
        self.items.push(((arrival, first, Table::Patient, 0, 0), event));
    }

    fn event(
        &self,
        (table, line, part): (Table, u64, u32),
        at: EventTime,
        arrival: ArrivalTime,
        body: Body,
    ) -> Event {
        // The partition is the table's number, so that evidence leads back to the row.
        let partition = Table::ALL.iter().position(|t| *t == table).unwrap_or_default() as i32;
        Event {
            patient: self.patient.clone(),
            encounter: None,
            location: None,
            source: self.source.clone(),
            event_time: at,
            arrival,
            provenance: Provenance { stream: Stream::Vitals, partition, offset: line as i64 - 1, part },
            body,
        }
    }
}

/// How much a rate says: by mass or units, by volume, or that something runs.
fn rank(rate: Rate) -> u8 {
    match rate {
        Rate::Dose(dose) if dose.unit != Unit::MlPerHour => 3,
        Rate::Dose(_) => 2,
        Rate::Runs(_) => 1,
    }
}

/// What a word says of an infection. An antibiotic that runs is a dose of a drug without a number.
fn act(word: &Word) -> Option<Act> {
    match word.what {
        What::Act(act) => Some(act),
        What::Rate { drug: Drug::Antibiotic, rate, .. } if rate.runs() => {
            Some(Act::Dosed { drug: 0, at: word.at, is_intravenous: true })
        }
        _ => None,
    }
}

/// What a word says of an infusion.
fn said(row: usize, word: &Word) -> Option<Said> {
    let What::Rate { drug, bag, rate } = word.what else { return None };
    Some(Said { at: word.at, known: word.known, drug, item: bag, runs: rate.runs(), until: None, row })
}

fn number(signal: Signal, value: f64) -> Body {
    if signal.is_sentinel(value) {
        return Body::NoReading { signal, reason: NoReading::Sentinel };
    }
    Body::Numeric(Numeric::new(signal, value))
}

/// What a word tells the engine; nothing where it is a label or was dealt with.
fn body(what: What) -> Option<Body> {
    let medication = |drug, action, dose| Body::Medication(Infusion { drug, action, dose });
    Some(match what {
        What::Number(signal, value) => number(signal, value),
        What::OwnRate(value) => number(Signal::RespRate, value),
        What::Ventilated(on) => number(Signal::MechanicalVentilation, if on { 1.0 } else { 0.0 }),
        What::Rate { drug, rate: Rate::Dose(dose), .. } => {
            medication(drug, InfusionAction::RateSet, Some(dose))
        }
        What::Rate { drug, rate: Rate::Runs(true), .. } => medication(drug, InfusionAction::RateSet, None),
        What::Rate { drug, rate: Rate::Runs(false), .. } => medication(drug, InfusionAction::Stopped, None),
        What::Given(drug) => medication(drug, InfusionAction::Given, None),
        What::Culture => Body::Microbiology(Microbiology::CultureTaken),
        What::SetRate | What::Ran(..) | What::Act(_) | What::Fault(_) => return None,
    })
}
