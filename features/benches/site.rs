//! A site's rules over the beds of a cell: 1, 10 and 50 rules over 1, 100 and 1,000 beds, each bed with
//! eight vital signs at 1 Hz for an hour and five labs. One core. The figure is of the whole: reading
//! the columns from frame and state, building the batch, evaluating. `read` is the same with a rule
//! whose evaluation is a single comparison, so that the reading stands alone.
//!
//! The peer is the example rule written in Rust over the same frame and state.

use std::hint::black_box;

use bedwatch_features::{
    Config, PatientState,
    site::{Bed, Rule, Site},
};
use bedwatch_schemas::{
    event::{Body, Event, Numeric, Provenance, Stream},
    frame::FeatureFrame,
    ids::{PatientId, SourceId},
    signal::Signal,
    site::SiteName,
    time::{EventTime, Span},
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const VITALS: [Signal; 8] = [
    Signal::HeartRate,
    Signal::PulseRate,
    Signal::RespRate,
    Signal::Spo2,
    Signal::Temperature,
    Signal::AbpSystolic,
    Signal::AbpDiastolic,
    Signal::AbpMean,
];
const LABS: [Signal; 5] =
    [Signal::Lactate, Signal::Creatinine, Signal::Potassium, Signal::Hemoglobin, Signal::Platelets];
const ZERO: EventTime = EventTime::from_micros(1_699_999_200_000_000);
const SECONDS: i64 = 3_600;

fn bed(seed: u64) -> (FeatureFrame, PatientState) {
    let patient = PatientId::new("p").expect("a plain id");
    let mut state = PatientState::new(patient.clone(), &Config::default());
    let mut noise = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut take = |secs: i64, signal: Signal| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (lo, hi) = signal.info().plausible;
        let at = ZERO + Span::secs(secs);
        let value = lo + (hi - lo) * (0.2 + 0.1 * (noise >> 11) as f64 / (1_u64 << 53) as f64);
        state.apply(&Event {
            patient: patient.clone(),
            encounter: None,
            location: None,
            source: SourceId::new("bench").expect("a plain id"),
            event_time: at,
            arrival: at.as_arrival_time(),
            provenance: Provenance { stream: Stream::Vitals, partition: 0, offset: secs, part: 0 },
            body: Body::Numeric(Numeric::new(signal, value)),
        });
    };
    LABS.iter().for_each(|&s| take(0, s));
    for secs in 0..SECONDS {
        VITALS.iter().for_each(|&s| take(secs, s));
    }
    (state.frame(ZERO + Span::secs(SECONDS - 1)), state)
}

/// Rules of the shape sites write: two or three comparisons, now and then arithmetic.
fn rules(n: usize) -> Vec<(SiteName, String)> {
    let shapes = [
        "map_min_10m < {} AND lactate_last > 2",
        "heart_rate_mean_5m / sbp_last > {} / 50.0",
        "spo2_last < {} OR (resp_rate_mean_1h > 25 AND spo2_min_30m < 92)",
        "creatinine_last - {} > 1 AND platelets_last < 100",
        "news2_at_least >= {} AND temperature_last > 38",
    ];
    (0..n)
        .map(|i| {
            let name = SiteName::new(&format!("rule_{i}")).expect("an identifier");
            (name, shapes[i % shapes.len()].replace("{}", &format!("{}", 60 + i)))
        })
        .collect()
}

fn compile(rules: &[(SiteName, String)]) -> Site {
    let rules: Vec<Rule<'_>> =
        rules.iter().map(|(name, when)| Rule { name: *name, title: "t", when, clears_when: None }).collect();
    Site::compile(&[], &rules).expect("the rules compile").expect("there are rules")
}

fn by_hand(bed: &Bed<'_>) -> Option<bool> {
    let map = bed.frame.reading(Signal::AbpMean).filter(|r| !r.silent).map(|_| ());
    let low = map
        .and_then(|()| bed.state.window(Signal::AbpMean, Span::minutes(10), bed.frame.at))
        .and_then(|w| Some(w.0?.min < 60.0));
    let high = bed.frame.reading(Signal::Lactate).map(|r| r.value > 2.0);
    match (low, high) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn site(c: &mut Criterion) {
    // The states are alike in size and differ in their values; a thousand of them would be 400 MB.
    let ward: Vec<_> = (0..100).map(bed).collect();
    let beds = |n: usize| -> Vec<Bed<'_>> {
        let of = |(frame, state)| Bed { frame, state, assessment: None };
        ward.iter().map(|(frame, state)| of((frame, state))).cycle().take(n).collect()
    };
    let mut group = c.benchmark_group("site");
    for n in [1, 100, 1_000] {
        let beds = beds(n);
        let single =
            compile(&[(SiteName::new("read").expect("an identifier"), "map_min_10m < 60".to_owned())]);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("read", format!("{n} beds")), |b| {
            b.iter(|| single.judge(black_box(&beds)));
        });
        for r in [1, 10, 50] {
            let site = compile(&rules(r));
            group.throughput(Throughput::Elements((n * r) as u64));
            group.bench_function(BenchmarkId::new("judge", format!("{r} rules x {n} beds")), |b| {
                b.iter(|| site.judge(black_box(&beds)));
            });
        }
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("by hand", format!("{n} beds")), |b| {
            b.iter(|| beds.iter().map(|bed| by_hand(black_box(bed))).filter(|h| *h == Some(true)).count());
        });
    }
    group.finish();
    c.bench_function("site/compile 50 rules", |b| {
        let rules = rules(50);
        b.iter(|| compile(black_box(&rules)));
    });
}

criterion_group!(benches, site);
criterion_main!(benches);
