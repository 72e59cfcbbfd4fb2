use bedwatch_schemas::{
    event::{Body, Event, Numeric, Provenance, Stream},
    ids::{PatientId, SourceId},
    medication::{Drug, Infusion, InfusionAction},
};

use super::*;
use crate::{config::Config, state::PatientState};

const START: EventTime = EventTime::from_micros(1_699_999_200_000_000);

fn sec(s: i64) -> EventTime {
    START + Span::secs(s)
}

fn after(bodies: Vec<(i64, Body)>) -> PatientState {
    let patient = PatientId::new("p1").unwrap();
    let mut state = PatientState::new(patient.clone(), &Config::default());
    for (offset, (s, body)) in (0..).zip(bodies) {
        state.apply(&Event {
            patient: patient.clone(),
            encounter: None,
            location: None,
            source: SourceId::new("test").unwrap(),
            event_time: sec(s),
            arrival: sec(s).as_arrival_time(),
            provenance: Provenance { stream: Stream::Vitals, partition: 0, offset, part: 0 },
            body,
        });
    }
    state
}

fn numeric(s: i64, signal: Signal, value: f64) -> (i64, Body) {
    (s, Body::Numeric(Numeric::new(signal, value)))
}

fn column(recent: &Recent, track: Track, column: usize) -> Vec<Option<f32>> {
    let columns = track.columns().len();
    recent.track(track).chunks(columns).map(|r| Some(r[column]).filter(|x| x.is_finite())).collect()
}

#[test]
fn a_minute_is_the_mean_of_its_values_folded_or_not() {
    let mut bodies: Vec<_> =
        (1..=7_200).map(|s| numeric(s, Signal::HeartRate, 60.0 + (s % 60) as f64)).collect();
    bodies.push(numeric(7_230, Signal::Spo2, 91.0));
    let state = after(bodies);
    // The minute that 7,230 s lies in has begun and holds nothing of the heart rate yet.
    let recent = state.recent(sec(7_230));
    let heart = column(&recent, Track::Minutes, 0);
    assert_eq!(Track::minute_signals()[0], Signal::HeartRate);
    assert_eq!(heart[59], None);
    for (row, mean) in heart[..59].iter().enumerate() {
        assert!((mean.unwrap() - 89.5).abs() < 1e-4, "{row}: {mean:?}");
    }
    let spo2 = Track::minute_signals().iter().position(|s| *s == Signal::Spo2).unwrap();
    assert_eq!(column(&recent, Track::Minutes, spo2)[59], Some(91.0));
    // What came after is not known at an earlier time.
    assert!(column(&state.recent(sec(7_200)), Track::Minutes, spo2).iter().all(Option::is_none));
}

#[test]
fn glucose_stands_in_five_minute_rows_with_gaps() {
    let readings = [(0, 140.0), (300, 130.0), (900, 110.0)];
    let state = after(readings.map(|(s, v)| numeric(s, Signal::CgmGlucose, v)).to_vec());
    let rows = column(&state.recent(sec(900)), Track::Glucose, 0);
    assert_eq!(rows[32..], [Some(140.0), Some(130.0), None, Some(110.0)]);
    // Four minutes later each still stands in its row; nothing is carried forward.
    assert_eq!(column(&state.recent(sec(1_140)), Track::Glucose, 0), rows);
    assert!(!state.recent(sec(900 + 3 * 3_600)).has(Track::Glucose), "three hours later nothing is left");
    assert!(!state.recent(sec(900)).has(Track::Minutes), "sensor glucose has its own track");
}

#[test]
fn events_are_the_newest_in_the_order_of_time() {
    let mut bodies: Vec<_> = (0..80).map(|i| numeric(i * 60, Signal::Lactate, i as f64 / 10.0)).collect();
    let dose = Some(Dose { value: 0.1, unit: Unit::UgPerKgMin });
    let flow = Some(Dose { value: 5.0, unit: Unit::MlPerHour });
    let given = |action, dose| Body::Medication(Infusion { drug: Drug::Norepinephrine, action, dose });
    bodies.push((4_800, given(InfusionAction::RateSet, dose)));
    bodies.push((4_860, given(InfusionAction::RateSet, flow)));
    let events = after(bodies).recent(sec(5_000)).events;
    assert_eq!(events.len(), MAX_EVENTS);
    assert!(events.is_sorted_by_key(|e| e.at));
    let drug = Code::Drug(Drug::Norepinephrine, InfusionAction::RateSet);
    assert_eq!(events[62], CodedEvent { code: drug, value: Some(0.1), at: sec(4_800) });
    assert_eq!(events[63].value, None, "a flow says nothing without a concentration");
    assert_eq!(events[0].at, sec(18 * 60), "two drugs and the newest 62 results");
}
