//! Of several words about one value, the one that counts: the view against the engine's own rule.

use std::{collections::BTreeMap, sync::Arc};

use bedwatch::archive::{
    Rows, Store,
    query::{self, Format, Session},
    store::Limits,
};
use bedwatch_features::word::Word;
use bedwatch_schemas::{
    event::{Body, Event, Numeric, Provenance, ResultStatus, Stream},
    ids::{PatientId, SourceId},
    signal::Signal,
    time::{EventTime, Span},
};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::Folder;

const START: EventTime = EventTime::from_micros(1_767_225_600_000_000);
const SIGNALS: [Signal; 3] = [Signal::Lactate, Signal::Glucose, Signal::HeartRate];
const STATUSES: [ResultStatus; 4] =
    [ResultStatus::Preliminary, ResultStatus::Final, ResultStatus::Corrected, ResultStatus::Withdrawn];

/// One word: signal, sample's minute, arrival's minute, value, status, stream and place in it.
type Said = (usize, i64, i64, f64, usize, usize, i32);

fn event(i: usize, (signal, at, arrival, value, status, stream, partition): Said) -> Event {
    let numeric = Numeric::new(SIGNALS[signal], value).with_status(STATUSES[status]);
    Event {
        patient: PatientId::new("p").unwrap(),
        encounter: None,
        location: None,
        source: SourceId::new("lab").unwrap(),
        event_time: START + Span::minutes(at),
        arrival: (START + Span::minutes(arrival)).as_arrival_time(),
        provenance: Provenance {
            stream: Stream::ALL[stream],
            partition,
            offset: i64::try_from(i).unwrap(),
            part: 0,
        },
        body: Body::Numeric(numeric),
    }
}

/// What stands at a moment, by the engine's own rule.
fn standing(events: &[Event], as_of: Option<EventTime>) -> BTreeMap<(String, String), f64> {
    let mut words: BTreeMap<(String, String), Word> = BTreeMap::new();
    for event in events.iter().filter(|e| as_of.is_none_or(|t| e.arrival.as_event_time() <= t)) {
        let Body::Numeric(numeric) = &event.body else { continue };
        let Some(word) = Word::of(numeric, event.provenance) else { continue };
        let key = (numeric.signal.name().to_owned(), event.event_time.to_string());
        match words.get_mut(&key) {
            Some(standing) => drop(standing.join(word)),
            None => drop(words.insert(key, word)),
        }
    }
    words.into_iter().filter_map(|(key, word)| Some((key, word.usable()?))).collect()
}

async fn asked(folder: &Folder, as_of: Option<EventTime>) -> BTreeMap<(String, String), f64> {
    let session = Session::open(&folder.join("archive"), as_of, 2).await.unwrap();
    let plan =
        session.ask("SELECT name, event_time, value FROM measurements", &BTreeMap::new()).await.unwrap();
    let mut out = Vec::new();
    query::write(plan, Format::Json, &mut out).await.unwrap();
    let rows: Vec<Value> = serde_json::from_slice(&out).unwrap();
    let count = rows.len();
    let time = |r: &Value| EventTime::parse_rfc3339(r["event_time"].as_str().unwrap()).unwrap().to_string();
    let all: BTreeMap<_, _> = rows
        .iter()
        .map(|r| ((r["name"].as_str().unwrap().to_owned(), time(r)), r["value"].as_f64().unwrap()))
        .collect();
    assert_eq!(all.len(), count, "a value stands twice");
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Law: at any moment the view holds what the engine holds.
    #[test]
    fn the_view_holds_what_the_engine_holds(
        said in prop::collection::vec(
            (0_usize..3, 0_i64..4, 0_i64..6, prop_oneof![Just(2.0), Just(7.5), Just(1e6)], 0_usize..4, 0_usize..5, 0_i32..2),
            1..40,
        ),
    ) {
        let folder = Folder::new("archive-words");
        let events: Vec<Event> = said.iter().enumerate().map(|(i, s)| event(i, *s)).collect();
        let limits = Limits { age: Span::hours(1), bytes: 1 << 20 };
        let mut store = Store::create(&folder.join("archive"), limits).unwrap();
        let source: Arc<str> = "words".into();
        // In the order of arrival, as the engine hands them over.
        let mut in_order = events.clone();
        in_order.sort_by_key(|e| (e.arrival, e.provenance));
        store.push(&source, Rows { events: in_order, ..Rows::default() }).unwrap();
        store.finish().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for minute in 0..6 {
            let moment = START + Span::minutes(minute);
            prop_assert_eq!(runtime.block_on(asked(&folder, Some(moment))), standing(&events, Some(moment)));
        }
        prop_assert_eq!(runtime.block_on(asked(&folder, None)), standing(&events, None));
    }
}
