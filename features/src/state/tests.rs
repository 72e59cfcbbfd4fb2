use std::sync::Arc;

use super::*;
use bedwatch_schemas::{
    event::{Demographics, DeviceStatus, NoReading, ResultStatus, Sex, Stream, UnitKind},
    ids::{BedId, Location, SourceId, UnitId},
    medication::InfusionAction,
    score::ScoreKind,
    summary::{FeedState, VitalSummary, WindowLength},
    time::Span,
    waveform::{Channel, SampleRate},
};
use proptest::prelude::*;

const ZERO: EventTime = EventTime::from_micros(1_699_999_200_000_000);

fn sec(s: i64) -> EventTime {
    ZERO + Span::secs(s)
}

fn event(at: EventTime, offset: i64, body: Body) -> Event {
    Event {
        patient: PatientId::new("p1").unwrap(),
        encounter: None,
        location: None,
        source: SourceId::new("test").unwrap(),
        event_time: at,
        arrival: at.as_arrival_time(),
        provenance: Provenance { stream: Stream::Vitals, partition: 0, offset, part: 0 },
        body,
    }
}

fn numeric(s: i64, signal: Signal, value: f64) -> Event {
    event(sec(s), s, Body::Numeric(Numeric::new(signal, value)))
}

fn state() -> PatientState {
    PatientState::new(PatientId::new("p1").unwrap(), &Config::default())
}

fn after(events: &[Event]) -> PatientState {
    let mut state = state();
    for e in events {
        state.apply(e);
    }
    state
}

fn bytes(state: &PatientState, at: EventTime) -> Vec<u8> {
    postcard::to_allocvec(&(state.frame(at), state.recent(at))).unwrap()
}

/// An event of any kind the state takes order-free, `s` seconds into the stay.
fn any_event(s: i64) -> impl Strategy<Value = Event> {
    let signals = [Signal::HeartRate, Signal::Spo2, Signal::AbpSystolic, Signal::Lactate, Signal::Fio2];
    let status = prop_oneof![
        6 => Just(ResultStatus::Final),
        1 => Just(ResultStatus::Corrected),
        1 => Just(ResultStatus::Withdrawn)
    ];
    let value = (prop::sample::select(signals.to_vec()), 21.0_f64..130.0, status, 0_i64..3).prop_map(
        |(signal, value, status, same)| {
            (same, Body::Numeric(Numeric::new(signal, value).with_status(status)))
        },
    );
    let drug = (prop::sample::select(vec![Drug::Norepinephrine, Drug::Oxygen]), any::<bool>()).prop_map(
        |(drug, runs)| {
            let action = if runs { InfusionAction::RateSet } else { InfusionAction::Stopped };
            (0, Body::Medication(Infusion { drug, action, dose: None }))
        },
    );
    let adt = any::<bool>().prop_map(|female| {
        let sex = Some(if female { Sex::Female } else { Sex::Male });
        let demographics = Demographics { age_years: Some(if female { 70.0 } else { 50.0 }), sex };
        (
            0,
            Body::Adt(Adt {
                kind: AdtKind::Update,
                demographics,
                admitted_at: None,
                unit: None,
                hospital_admitted_at: None,
            }),
        )
    });
    let none = Just((0, Body::NoReading { signal: Signal::HeartRate, reason: NoReading::Sentinel }));
    let device = any::<bool>().prop_map(|connected| {
        (0, Body::DeviceStatus(DeviceStatus { modality: Modality::Vitals, connected }))
    });
    prop_oneof![12 => value, 1 => drug, 1 => adt, 1 => none, 1 => device].prop_map(move |(same, body)| {
        // Some events fall on the same second as an earlier one.
        let mut e = event(sec(s - same * (s % 20)), s, body);
        e.location = (s % 7 == 0).then(|| Location {
            unit: UnitId::new("ICU").unwrap(),
            bed: BedId::new(&format!("{}", s % 3 + 1)).unwrap(),
        });
        e
    })
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(1_i64..240, 1..120).prop_flat_map(|steps| {
        let mut s = 1_000;
        steps
            .into_iter()
            .map(|step| {
                s += step;
                any_event(s).boxed()
            })
            .collect::<Vec<_>>()
    })
}

proptest! {
    /// Law: any order within the allowance gives the same frame bytes, and so does any cut with a
    /// checkpoint between.
    #[test]
    fn frames_depend_on_the_set_of_events(
        events in any_events(),
        jitter in prop::collection::vec(0_i64..180, 120),
        cut in 0_usize..120,
    ) {
        let at = events.iter().map(|e| e.event_time).max().unwrap();
        let want = bytes(&after(&events), at);
        let mut shuffled: Vec<_> =
            events.iter().zip(&jitter).map(|(e, j)| (e.event_time + Span::secs(*j), e.clone())).collect();
        shuffled.sort_by_key(|d| d.0);
        let mut shuffled: Vec<Event> = shuffled.into_iter().map(|d| d.1).collect();
        prop_assert!(bytes(&after(&shuffled), at) == want);
        // Repeats change nothing.
        let again: Vec<Event> = shuffled.iter().take(3).cloned().collect();
        let late = |e: &Event| at.since(e.event_time) <= Span::minutes(5);
        shuffled.extend(again.into_iter().filter(late));
        prop_assert!(bytes(&after(&shuffled), at) == want);

        let cut = cut.min(events.len());
        let first = postcard::to_allocvec(&after(&events[..cut])).unwrap();
        let mut resumed: PatientState = postcard::from_bytes(&first).unwrap();
        for e in &events[cut..] {
            resumed.apply(e);
        }
        prop_assert!(bytes(&resumed, at) == want);
    }

    /// Law: a frame of the last minute holds nothing later than its time, and is what it would
    /// have been without the later events.
    #[test]
    fn frames_know_no_future(events in any_events()) {
        let at = events.iter().map(|e| e.event_time).max().unwrap() - Span::minutes(1);
        let past: Vec<Event> = events.iter().filter(|e| e.event_time <= at).cloned().collect();
        let (now, then) = (after(&events).frame(at), after(&past).frame(at));
        let short = |v: &VitalSummary| {
            let (m1, m5) = (v.window(WindowLength::M1).copied(), v.window(WindowLength::M5).copied());
            (v.signal, v.last, v.at, v.provenance, m1, m5)
        };
        let vitals = |f: &FeatureFrame| f.vitals.iter().map(short).collect::<Vec<_>>();
        prop_assert_eq!(vitals(&now), vitals(&then));
        prop_assert_eq!(&now.labs, &then.labs);
        prop_assert_eq!(&now.infusions, &then.infusions);
        prop_assert_eq!(now.grid.hours(), then.grid.hours());
    }
}

#[test]
fn what_becomes_of_events_is_counted() {
    let mut s = state();
    assert_eq!(s.apply(&numeric(1_000, Signal::HeartRate, 80.0)), Applied::accepted());
    let dup = s.apply(&numeric(1_000, Signal::HeartRate, 80.0));
    assert_eq!((dup.duplicate, dup.relevant), (1, false));
    let late = s.apply(&numeric(900, Signal::HeartRate, 80.0));
    assert_eq!((late.accepted, late.late, late.relevant), (1, 1, true));
    assert_eq!(s.apply(&numeric(699, Signal::HeartRate, 80.0)).too_late, 1);
    let odd = s.apply(&numeric(1_001, Signal::HeartRate, 900.0));
    assert_eq!((odd.implausible, odd.relevant), (1, false));
    let mut ahead = numeric(2_000, Signal::HeartRate, 80.0);
    ahead.arrival = sec(2_000 - 301).as_arrival_time();
    assert_eq!(s.apply(&ahead).ahead, 1);
    ahead.arrival = sec(2_000 - 300).as_arrival_time();
    assert_eq!(s.apply(&ahead).accepted, 1);
    assert_eq!(s.last_event_at(), Some(sec(2_000)));
}

#[test]
fn withdrawn_values_leave_the_grid() {
    let hr = Signal::HeartRate;
    let withdraw = |s, offset| {
        event(sec(s), offset, Body::Numeric(Numeric::new(hr, 80.0).with_status(ResultStatus::Withdrawn)))
    };
    let s = after(&[numeric(10, hr, 70.0), numeric(20, hr, 190.0), withdraw(20, 99)]);
    let frame = s.frame(sec(30));
    assert_eq!(frame.grid.values[hr.index()], 70.0);
    assert_eq!(frame.vital(hr).unwrap().last, 70.0);
    let s = after(&[numeric(20, hr, 190.0), withdraw(20, 99)]);
    assert!(s.frame(sec(30)).grid.values[hr.index()].is_nan());
}

#[test]
fn late_labs_enter_their_hour() {
    let lab = |h: i64, v| numeric(h * 3_600, Signal::Lactate, v);
    let s = after(&[lab(10, 2.0), lab(3, 5.0)]);
    let frame = s.frame(sec(11 * 3_600));
    let hour = hour_of(sec(3 * 3_600));
    assert_eq!(frame.grid.row(hour).unwrap()[Signal::Lactate.index()], 5.0);
    assert_eq!(frame.lab(Signal::Lactate).unwrap().previous, Some((5.0, sec(3 * 3_600))));
}

#[test]
fn merging_two_records_equals_one() {
    let hr = Signal::HeartRate;
    let all: Vec<Event> = (0..500).map(|s| numeric(s, hr, 60.0 + (s % 30) as f64)).collect();
    let (mut a, b) = (after(&all[250..]), after(&all[..250]));
    a.merge(b);
    let at = sec(499);
    let (merged, whole) = (a.frame(at), after(&all).frame(at));
    assert_eq!(merged.stay_start, whole.stay_start);
    assert_eq!(merged.grid.first_hour, whole.grid.first_hour);
    let (m, w) = (merged.vital(hr).unwrap(), whole.vital(hr).unwrap());
    for (m, w) in m.windows.iter().zip(&w.windows) {
        assert_eq!((m.count, m.last, m.min, m.max), (w.count, w.last, w.min, w.max));
        assert!((m.mean - w.mean).abs() < 1e-9 && (m.sd - w.sd).abs() < 1e-9);
    }
}

#[test]
fn discharge_ends_relevance_and_admission_begins_it() {
    let adt = |s, kind| {
        let demographics = Demographics::default();
        event(
            sec(s),
            s,
            Body::Adt(Adt { kind, demographics, admitted_at: None, unit: None, hospital_admitted_at: None }),
        )
    };
    let mut s = after(&[adt(0, AdtKind::Admit), numeric(10, Signal::HeartRate, 80.0)]);
    assert_eq!(s.frame(sec(20)).stay_start, sec(0));
    assert!(s.apply(&adt(30, AdtKind::Discharge)).relevant);
    assert!(s.is_discharged());
    assert!(!s.apply(&numeric(40, Signal::HeartRate, 80.0)).relevant);
    assert!(s.apply(&adt(50, AdtKind::Admit)).relevant);
    assert!(!s.is_discharged());
    s.apply(&adt(45, AdtKind::Discharge));
    assert!(!s.is_discharged(), "a late discharge does not end the newer stay");
}

#[test]
fn scores_read_the_state() {
    let s = after(&[
        numeric(0, Signal::HeartRate, 131.0),
        numeric(0, Signal::NibpSystolic, 90.0),
        numeric(0, Signal::RespRate, 25.0),
        numeric(0, Signal::Spo2, 91.0),
        numeric(0, Signal::Temperature, 39.1),
        numeric(0, Signal::GcsTotal, 14.0),
        numeric(0, Signal::Fio2, 40.0),
        numeric(0, Signal::Platelets, 90.0),
    ]);
    let frame = s.frame(sec(60));
    let value = |kind| frame.score(kind).map(|s| (s.value, s.complete)).unwrap();
    assert_eq!(value(ScoreKind::News2), (19.0, true));
    assert_eq!(value(ScoreKind::Qsofa), (3.0, true));
    assert_eq!(value(ScoreKind::Sirs), (3.0, false));
    assert_eq!(value(ScoreKind::Sofa), (3.0, false));
    assert_eq!(value(ScoreKind::Mews), (9.0, true));
    assert_eq!(value(ScoreKind::ShockIndex), (131.0 / 90.0, true));
    let later = s.frame(sec(3_601));
    assert!(!later.score(ScoreKind::News2).unwrap().complete, "values expire");
}

#[test]
fn arterial_pressure_is_preferred_while_fresh() {
    let s = after(&[numeric(0, Signal::AbpSystolic, 85.0), numeric(10, Signal::NibpSystolic, 120.0)]);
    let systolic = |at| scores::systolic(&s.frame(at)).unwrap().value;
    assert_eq!(systolic(sec(300)), 85.0);
    assert_eq!(systolic(sec(301)), 120.0);
}

#[test]
fn flat_waveforms_become_lost() {
    let block = |s: i64, amplitude: f32| {
        let samples = (0..10).map(|i| amplitude * (i % 3) as f32).collect();
        let channels = vec![Channel { label: "RESP".into(), samples }];
        let rate = SampleRate::new(10.0).unwrap();
        let block = WaveformBlock {
            kind: bedwatch_schemas::waveform::WaveformKind::Resp,
            start: sec(s),
            rate,
            channels,
        };
        event(sec(s), s, Body::Waveform(Arc::new(block)))
    };
    let mut events = vec![block(0, 1.0)];
    events.extend((1..20).map(|s| block(s, 0.0)));
    let s = after(&events);
    let feed = |at| s.frame(at).freshness[0].state;
    assert_eq!(feed(sec(10)), FeedState::Fresh);
    assert_eq!(feed(sec(11)), FeedState::Lost);
}

#[test]
fn debug_output_says_nothing() {
    let s = after(&[numeric(0, Signal::HeartRate, 123.0)]);
    assert_eq!(format!("{s:?}"), "PatientState(***)");
}

#[test]
fn unit_and_hospital_admission_stay_until_another_is_known() {
    let adt = |unit, hospital_admitted_at| {
        let (kind, demographics) = (AdtKind::Update, Demographics::default());
        Body::Adt(Adt { kind, demographics, admitted_at: None, unit, hospital_admitted_at })
    };
    let (medical, surgical) = (Some(UnitKind::Medical), Some(UnitKind::Surgical));
    let words = [(30, adt(None, None)), (20, adt(surgical, None)), (10, adt(medical, Some(sec(-7_200))))];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut s = state();
        for i in order {
            let (at, body) = &words[i];
            s.apply(&event(sec(*at), *at, body.clone()));
        }
        let frame = s.frame(sec(40));
        assert_eq!((frame.unit, frame.hospital_admitted_at), (surgical, Some(sec(-7_200))));
    }
    let frame = state().frame(sec(0));
    assert_eq!((frame.unit, frame.hospital_admitted_at), (None, None));
}

#[test]
fn a_feed_that_gave_a_value_gave_it_in_any_order() {
    let word = |offset, status| {
        let value = Numeric::new(Signal::HeartRate, 80.0).with_status(status);
        event(sec(600), offset, Body::Numeric(value))
    };
    let others = [numeric(0, Signal::HeartRate, 80.0), numeric(300, Signal::Spo2, 97.0)];
    let (given, withdrawn) = (word(600, ResultStatus::Final), word(601, ResultStatus::Withdrawn));
    let of = |last: [&Event; 2]| {
        let events: Vec<Event> = others.iter().chain(last).cloned().collect();
        bytes(&after(&events), sec(610))
    };
    assert_eq!(of([&given, &withdrawn]), of([&withdrawn, &given]));
}
