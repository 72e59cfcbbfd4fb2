//! W2: vitals windows. 1,000 patients x 8 vitals at 1 Hz; every 10 s the mean, min, max, sd, slope,
//! last and count of the last 5 minutes. Input as columns (series, time, value); each value is
//! checked for plausibility. One core.
//!
//! The peer in the same run recomputes each window from a `VecDeque` of its values, one pass of
//! shifted sums, as a plain program would. `state` is the live path: one event at a time into
//! `PatientState`, sorted, deduplicated and correctable, with a frame every 10 s.

use std::{collections::VecDeque, hint::black_box};

use bedwatch_features::{
    Config, PatientState,
    pane::Pane,
    panes::{Sliding, Windows},
};
use bedwatch_schemas::{
    event::{Body, Event, Numeric, Provenance, Stream},
    ids::{PatientId, SourceId},
    signal::Signal,
    time::{EventTime, Span},
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const PATIENTS: usize = 1_000;
const SECONDS: i64 = 600;
const SIGNALS: [Signal; 8] = [
    Signal::HeartRate,
    Signal::PulseRate,
    Signal::RespRate,
    Signal::Spo2,
    Signal::Temperature,
    Signal::AbpSystolic,
    Signal::AbpDiastolic,
    Signal::AbpMean,
];
const WIDTH: Span = Span::secs(10);
const PANES: usize = 30;

struct Columns {
    series: Vec<u32>,
    at: Vec<EventTime>,
    value: Vec<f64>,
}

/// Second by second, patient by patient, signal by signal; one value in a hundred implausible.
fn columns(patients: usize, seconds: i64) -> Columns {
    let mut c = Columns { series: Vec::new(), at: Vec::new(), value: Vec::new() };
    let mut noise = 0x9E37_79B9_7F4A_7C15_u64;
    for s in 0..seconds {
        for k in 0..patients * SIGNALS.len() {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (lo, hi) = SIGNALS[k % SIGNALS.len()].info().plausible;
            let unit = (noise >> 11) as f64 / (1_u64 << 53) as f64;
            let value = if noise >> 57 == 0 { -999.0 } else { lo + (hi - lo) * (0.4 + 0.1 * unit) };
            c.series.push(k as u32);
            c.at.push(EventTime::from_micros(1_699_999_200_000_000) + Span::secs(s));
            c.value.push(value);
        }
    }
    c
}

fn signals(patients: usize) -> Vec<Signal> {
    SIGNALS.iter().copied().cycle().take(patients * SIGNALS.len()).collect()
}

fn sliding(c: &Columns, signals: &[Signal]) -> u64 {
    let mut sliding = Sliding::new(signals, WIDTH, PANES);
    let mut out = Windows::default();
    let mut rows = 0;
    // A Kafka poll's worth at a time.
    for i in (0..c.series.len()).step_by(8_192) {
        let j = (i + 8_192).min(c.series.len());
        sliding.push(&c.series[i..j], &c.at[i..j], &c.value[i..j], &mut out);
        rows += out.len() as u64;
        black_box(&out);
        out.clear();
    }
    rows
}

/// The peer: keep the values, recompute each window.
fn recompute(c: &Columns, signals: &[Signal]) -> u64 {
    let mut held: Vec<VecDeque<(EventTime, f64)>> = vec![VecDeque::new(); signals.len()];
    let mut out = Windows::default();
    let mut rows = 0;
    let mut end = c.at[0].floor(WIDTH) + WIDTH;
    for ((&series, &at), &value) in c.series.iter().zip(&c.at).zip(&c.value) {
        if at >= end {
            let from = end - Span(WIDTH.0 * PANES as i64);
            for (s, values) in held.iter_mut().enumerate() {
                while values.front().is_some_and(|v| v.0 < from) {
                    values.pop_front();
                }
                let Some(&(first_at, first)) = values.front() else { continue };
                let mut w = Pane::of(first_at, first);
                for &(at, value) in values.iter().skip(1) {
                    w.push(at, value);
                }
                out.series.push(s as u32);
                out.end.push(end);
                out.mean.push(w.mean());
                out.min.push(w.min);
                out.max.push(w.max);
                out.sd.push(w.sd());
                out.slope_per_hour.push(w.slope_per_hour().unwrap_or(f64::NAN));
                out.last.push(w.last);
                out.count.push(w.count);
            }
            rows += out.len() as u64;
            black_box(&out);
            out.clear();
            end = at.floor(WIDTH) + WIDTH;
        }
        if signals[series as usize].is_plausible(value) {
            held[series as usize].push_back((at, value));
        }
    }
    rows
}

/// The live path, fewer patients: events are made outside the measurement.
fn events(c: &Columns, patients: usize) -> Vec<Event> {
    let patient: Vec<PatientId> =
        (0..patients).map(|p| PatientId::new(&format!("p{p}")).expect("a short id")).collect();
    let source = SourceId::new("bench").expect("a short id");
    (0..c.series.len())
        .map(|i| {
            let k = c.series[i] as usize;
            Event {
                patient: patient[k / SIGNALS.len()].clone(),
                encounter: None,
                location: None,
                source: source.clone(),
                event_time: c.at[i],
                arrival: c.at[i].as_arrival_time(),
                provenance: Provenance { stream: Stream::Vitals, partition: 0, offset: i as i64, part: 0 },
                body: Body::Numeric(Numeric::new(SIGNALS[k % SIGNALS.len()], c.value[i])),
            }
        })
        .collect()
}

fn live(events: &[Event], c: &Columns, states: &mut [PatientState]) -> usize {
    let mut windows = 0;
    let mut end = c.at[0].floor(WIDTH) + WIDTH;
    for (event, series) in events.iter().zip(&c.series) {
        if event.event_time >= end {
            for state in states.iter() {
                windows += state.frame(end).vitals.iter().map(|v| v.windows.len()).sum::<usize>();
            }
            end = event.event_time.floor(WIDTH) + WIDTH;
        }
        states[*series as usize / SIGNALS.len()].apply(event);
    }
    windows
}

fn w2(criterion: &mut Criterion) {
    let c = columns(PATIENTS, SECONDS);
    let all = signals(PATIENTS);
    assert_eq!(sliding(&c, &all), recompute(&c, &all), "both write the same windows");
    let mut group = criterion.benchmark_group("w2_vitals");
    group.sample_size(10).throughput(Throughput::Elements(c.series.len() as u64));
    group.bench_function("panes", |b| b.iter(|| sliding(black_box(&c), &all)));
    group.bench_function("recompute", |b| b.iter(|| recompute(black_box(&c), &all)));

    let patients = 20;
    let few = columns(patients, SECONDS);
    let events = events(&few, patients);
    group.throughput(Throughput::Elements(events.len() as u64));
    let fresh = || -> Vec<PatientState> {
        (0..patients).map(|_| PatientState::new(events[0].patient.clone(), &Config::default())).collect()
    };
    group.bench_function("state", |b| {
        b.iter_batched(fresh, |mut states| live(&events, &few, &mut states), BatchSize::LargeInput);
    });
    group.finish();
    frames(criterion, &events, &few, fresh());
}

/// What one frame costs after ten minutes of vitals.
fn frames(criterion: &mut Criterion, events: &[Event], c: &Columns, mut states: Vec<PatientState>) {
    live(events, c, &mut states);
    let at = c.at[c.at.len() - 1];
    criterion.bench_function("frame", |b| b.iter(|| black_box(states[0].frame(at))));
}

criterion_group!(benches, w2);
criterion_main!(benches);
