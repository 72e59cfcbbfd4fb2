//! The words of one stay as items in the order of arrival.

use bedwatch_schemas::{
    event::{Adt, AdtKind, Body, Demographics, Event, Microbiology, Numeric, Provenance, Stream},
    ids::SourceId,
    medication::Infusion,
};

use super::{
    NOTES, Tables,
    tables::Told,
    word::{Happening, Said, What, Word},
};
use crate::readers::{Availability, Error, Fault, Format, Item, Stay};

const COLUMN_NOT_READ: &str = "parquet.column_of_neither_numbers_nor_texts";

/// Makes the stay.
pub fn stay(
    name: &str,
    tables: &Tables,
    number: usize,
    words: &[Word],
    told: Vec<Told>,
) -> Result<Stay, Error> {
    let source = SourceId::new("parquet").expect("the name is short and plain");
    let patient = &tables.patients()[number];
    let mut items: Vec<Result<Item, Error>> = Vec::new();
    let fault = |(at, fault): Told| Err(Error { stay: name.to_owned(), at, fault });
    items.extend(told.into_iter().map(fault));
    let mut stay = Stay::new(name, Format::Parquet, Box::new(std::iter::empty()));
    // Without such a column no value says when it became known.
    if !tables.tell_availability() {
        stay.availability = Availability::EventTimeOnly;
    }
    // What is of no patient alone is counted with the first.
    if number == 0 && tables.unread_columns() > 0 {
        stay.counts.insert(COLUMN_NOT_READ, tables.unread_columns());
    }
    let mut events = Vec::new();
    for word in words {
        match word.what {
            What::Fault(why) => {
                items.push(fault((tables.at(word.file, word.row), Fault::Record(why.text().to_owned()))));
            }
            What::Left(left) => *stay.counts.entry(left.reason()).or_default() += 1,
            What::Said(said) => {
                let (stream, partition) = (Stream::Vitals, word.file as i32);
                let provenance = Provenance { stream, partition, offset: word.row as i64, part: word.part };
                events.push(Event {
                    patient: patient.clone(),
                    encounter: None,
                    location: None,
                    source: source.clone(),
                    event_time: word.at,
                    arrival: word.known,
                    provenance,
                    body: body(said),
                });
            }
        }
    }
    // Equal times keep the order of tables and rows.
    events.sort_by_key(|e| (e.arrival, e.event_time));
    items.extend(events.into_iter().map(|e| Ok(Item::Event(e))));
    stay.notes = NOTES.to_vec();
    stay.items = Box::new(items.into_iter());
    Ok(stay)
}

fn body(said: Said) -> Body {
    match said {
        Said::Number(signal, value, status) => Body::Numeric(Numeric::new(signal, value).with_status(status)),
        Said::NoReading(signal, reason) => Body::NoReading { signal, reason },
        Said::Medication(drug, action, dose) => Body::Medication(Infusion { drug, action, dose }),
        Said::Culture(grew) => Body::Microbiology(match grew {
            true => Microbiology::CulturePositive,
            false => Microbiology::CultureTaken,
        }),
        Said::Adt(happening) => Body::Adt(Adt {
            kind: match happening {
                Happening::Admit => AdtKind::Admit,
                Happening::Transfer => AdtKind::Transfer,
                Happening::Discharge => AdtKind::Discharge,
                Happening::Update => AdtKind::Update,
            },
            demographics: Demographics::default(),
            admitted_at: None,
            unit: None,
            hospital_admitted_at: None,
        }),
    }
}
