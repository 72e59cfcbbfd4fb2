use std::collections::BTreeMap;

use bedwatch_schemas::{
    event::{AdtKind, Body, ResultStatus},
    medication::Drug,
    signal::Signal,
    unit::Unit,
    waveform::{WaveformKind, decode_arrow},
    wire::{CgmMessage, VitalsMessage},
};

use super::*;

fn start() -> EventTime {
    EventTime::parse_rfc3339("2026-03-01T10:00:00Z").unwrap()
}

fn config(beds: usize) -> WardConfig {
    WardConfig { history: Span::hours(6), ..WardConfig::demo(beds, 7, start()) }
}

fn run(config: WardConfig, cuts: &[i64]) -> Vec<WardRecord> {
    let mut ward = Ward::new(config).unwrap();
    let mut out = Vec::new();
    for &cut in cuts {
        ward.next_until(start() + Span(cut), &mut out);
    }
    out
}

#[test]
fn any_cut_gives_the_same_bytes() {
    let end = 20_000_000;
    let whole = run(config(8), &[end]);
    let fine: Vec<i64> = (-25..=20).map(|i| if i < 0 { i * 900_000_000 } else { i * 1_000_000 }).collect();
    assert!(whole == run(config(8), &fine), "cut by the second");
    assert!(whole == run(config(8), &[-20_000_000_000, -3_333_333, 777, 5_000_001, end]), "cut unevenly");
    assert!(whole.is_sorted_by_key(|r| (r.at, r.stream)));
    let other = run(WardConfig { seed: 8, ..config(8) }, &[end]);
    assert!(whole != other, "another seed gives another ward");
}

#[test]
fn a_bed_is_the_same_in_a_ward_of_any_size() {
    let (small, large) = (run(config(3), &[10_000_000]), run(config(8), &[10_000_000]));
    let of = |records: &[WardRecord]| {
        let mut beds: BTreeMap<PatientId, Vec<WardRecord>> = BTreeMap::new();
        for r in records {
            beds.entry(r.key.clone()).or_default().push(r.clone());
        }
        beds
    };
    let large = of(&large);
    assert_eq!(large.len(), 8);
    for (id, records) in of(&small) {
        assert!(large[&id] == records);
    }
}

#[test]
fn all_five_streams_speak_live_and_are_well_formed() {
    let records = run(config(8), &[-1, 60_000_000]);
    let mut live: BTreeMap<Stream, usize> = BTreeMap::new();
    for r in &records {
        if r.at.as_event_time() > start() {
            *live.entry(r.stream).or_default() += 1;
        }
        match r.stream {
            Stream::Vitals => {
                let m: VitalsMessage = serde_json::from_slice(&r.payload).unwrap();
                assert_eq!(m.patient, r.key);
                for v in &m.values {
                    let signal = Signal::from_name(&v.signal).unwrap();
                    assert_eq!(Unit::parse(&v.unit), Some(signal.info().unit));
                    if let Some(x) = v.value {
                        let flushed = x == 299.0;
                        assert!(signal.is_plausible(x) || signal.is_sentinel(x) || flushed, "{signal:?} {x}");
                    }
                }
            }
            Stream::Cgm => {
                let m: CgmMessage = serde_json::from_slice(&r.payload).unwrap();
                assert_eq!(m.patient, r.key);
            }
            Stream::Waveforms => {
                let m = decode_arrow(&r.payload).unwrap();
                assert_eq!(m.patient, r.key);
                assert_eq!(m.block.end().as_arrival_time(), r.at);
                assert_eq!(m.block.channels.len(), if m.block.kind == WaveformKind::Eeg { 19 } else { 1 });
            }
            Stream::Hl7v2 => assert!(r.payload.starts_with(b"MSH|^~\\&|") && r.payload.ends_with(b"\r")),
            Stream::Fhir => {
                let v: serde_json::Value = serde_json::from_slice(&r.payload).unwrap();
                assert!(v["resourceType"].is_string());
            }
            Stream::Feedback => panic!("nobody answers in a simulated ward"),
        }
    }
    assert_eq!(live.len(), 5, "{live:?}");
}

fn vitals_of(records: &[WardRecord], patient: &PatientId, signal: Signal) -> Vec<(f64, Option<f64>)> {
    let mut found = Vec::new();
    for r in records.iter().filter(|r| r.stream == Stream::Vitals && r.key == *patient) {
        let m: VitalsMessage = serde_json::from_slice(&r.payload).unwrap();
        if let Some(v) = m.values.iter().find(|v| v.signal == signal.name()) {
            found.push((m.time.since(start()).as_secs_f64(), v.value));
        }
    }
    found
}

/// The thresholds of the alert rules, crossed between 5 and 50 s after the live start and not
/// in the ten minutes before, for several seeds.
#[test]
fn the_demonstration_crosses_thresholds_live() {
    for seed in [7, 1, 42, 1_000] {
        let config = WardConfig { seed, eeg: false, waveforms: false, ..config(8) };
        let mut ward = Ward::new(config).unwrap();
        let mut records = Vec::new();
        ward.next_until(start() + Span::secs(60), &mut records);
        let truth = ward.truth();
        let crossing = |bed: usize, signal: Signal, limit: f64| {
            let values = vitals_of(&records, &truth[bed].patient, signal);
            let sustained =
                values.iter().filter(|(t, v)| *t > 0.0 && v.is_some_and(|v| v < limit)).map(|x| x.0);
            let first = sustained.fold(f64::INFINITY, f64::min);
            let early: Vec<f64> = values
                .iter()
                .filter(|(t, _)| (-600.0..0.0).contains(t))
                .filter_map(|x| x.1.filter(|v| signal.is_plausible(*v)))
                .collect();
            let before = early.iter().filter(|v| **v < limit).count();
            assert!(before * 10 <= early.len(), "seed {seed} bed {bed}: {before} of {} before", early.len());
            assert!((3.0..50.0).contains(&first), "seed {seed} bed {bed} {signal:?}: {first}");
        };
        crossing(0, Signal::AbpMean, 65.0);
        crossing(1, Signal::Spo2, 88.0);
        crossing(2, Signal::AbpMean, 60.0);
        let lost: Vec<_> = vitals_of(&records, &truth[5].patient, Signal::Spo2)
            .into_iter()
            .filter(|(t, _)| *t > 11.0)
            .collect();
        assert!(!lost.is_empty() && lost.iter().all(|(_, v)| v.is_none_or(|v| v < 0.0)));
        assert!(lost.iter().all(|(t, _)| *t < 31.0), "then silence");
        let glucose: Vec<(f64, Option<f64>)> = records
            .iter()
            .filter(|r| r.stream == Stream::Cgm && r.key == truth[4].patient)
            .map(|r| serde_json::from_slice::<CgmMessage>(&r.payload).unwrap())
            .map(|m| (m.time.since(start()).as_secs_f64(), m.glucose))
            .collect();
        let at = |t: f64| glucose.iter().find(|g| (g.0 - t).abs() < 0.5).and_then(|g| g.1);
        assert!(at(12.0).unwrap() < 54.0 && at(-288.0).unwrap() > at(12.0).unwrap());
        assert_eq!(at(-588.0), None);
        assert!(
            at(-888.0).unwrap() > 85.0 && at(-1_188.0).unwrap() - at(-888.0).unwrap() < 15.0,
            "{glucose:?}"
        );
    }
}

#[test]
fn the_seizure_is_several_times_the_background_and_spreads() {
    let config = WardConfig { history: Span::hours(1), waveforms: false, ..config(4) };
    let mut ward = Ward::new(config).unwrap();
    let mut records = Vec::new();
    ward.next_until(start() + Span::secs(62), &mut records);
    let patient = ward.truth()[3].patient.clone();
    let rms = |label: &str, from: f64, to: f64| {
        let mut sum = (0.0, 0);
        for r in records.iter().filter(|r| r.stream == Stream::Waveforms && r.key == patient) {
            let m = decode_arrow(&r.payload).unwrap();
            let t = m.block.start.since(start()).as_secs_f64();
            if (from..to).contains(&t) {
                let c = m.block.channels.iter().find(|c| c.label == label).unwrap();
                sum.0 += c.samples.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
                sum.1 += c.samples.len();
            }
        }
        (sum.0 / sum.1 as f64).sqrt()
    };
    for label in ["T3", "C3", "O2"] {
        let background = rms(label, -60.0, 5.0);
        assert!((5.0..45.0).contains(&background), "{label} {background}");
        let seizing = rms(label, 35.0, 60.0);
        assert!(seizing > 2.5 * background, "{label} {seizing} {background}");
    }
    assert!(rms("T3", 10.0, 14.0) > 2.0 * rms("T4", 10.0, 14.0), "it begins at T3");
}

#[test]
fn waveforms_show_the_rate_and_pressure_of_the_numerics() {
    let config = WardConfig { history: Span::hours(1), eeg: false, ..config(1) };
    let mut ward = Ward::new(config).unwrap();
    let mut records = Vec::new();
    ward.next_until(start(), &mut records);
    let mut ecg = Vec::new();
    let mut abp = Vec::new();
    for r in records.iter().filter(|r| r.stream == Stream::Waveforms) {
        let m = decode_arrow(&r.payload).unwrap();
        match m.block.kind {
            WaveformKind::Ecg => ecg.extend(m.block.channels[0].samples.iter().copied()),
            WaveformKind::Abp => abp.extend(m.block.channels[0].samples.iter().copied()),
            _ => {}
        }
    }
    let seconds = ecg.len() as f64 / 250.0;
    assert!(seconds > 60.0);
    let beats = ecg.windows(2).filter(|w| w[0] < 0.6 && w[1] >= 0.6).count() as f64 / seconds * 60.0;
    let patient = ward.truth()[0].patient.clone();
    let mean = |signal| {
        let v: Vec<f64> = vitals_of(&records, &patient, signal)
            .into_iter()
            .filter(|x| x.0 > -60.0)
            .filter_map(|x| x.1)
            .collect();
        v.iter().sum::<f64>() / v.len() as f64
    };
    let rate = mean(Signal::HeartRate);
    assert!((beats - rate).abs() < 5.0, "{beats} {rate}");
    let (lo, hi) = abp.iter().fold((f32::MAX, f32::MIN), |(lo, hi), x| (lo.min(*x), hi.max(*x)));
    assert!((f64::from(hi) - mean(Signal::AbpSystolic)).abs() < 14.0, "{hi}");
    assert!((f64::from(lo) - mean(Signal::AbpDiastolic)).abs() < 14.0, "{lo}");
}

#[test]
fn a_long_run_has_episodes_discharges_and_new_patients() {
    let config = WardConfig {
        history: Span::ZERO,
        scenarios: ScenarioPlan::Random { rate: 0.05 },
        eeg: false,
        waveforms: false,
        ..config(3)
    };
    let mut ward = Ward::new(config).unwrap();
    let mut out = Vec::new();
    for day in 1..=6 {
        out.clear();
        ward.next_until(start() + Span::hours(24 * day), &mut out);
        assert!(out.len() > 3 * 40_000);
    }
    let truth = ward.truth();
    assert!(truth.len() > 3, "new patients came");
    assert!(truth.iter().map(|t| t.episodes.len()).sum::<usize>() > 8);
}

#[test]
fn wrong_configurations_are_refused() {
    assert_eq!(Ward::new(config(0)).err(), Some(Error::Beds(0)));
    let c = WardConfig { history: Span::hours(-1), ..config(1) };
    assert_eq!(Ward::new(c).err(), Some(Error::History));
    let c = WardConfig { scenarios: ScenarioPlan::Random { rate: f64::NAN }, ..config(1) };
    assert_eq!(Ward::new(c).err(), Some(Error::Rate));
}

/// Every message of every stream is read without a rejection: the demonstration's dead letters are
/// none, and beds with rare messages (transfer, merge, discharge) are among those tried.
#[test]
fn the_decoders_reject_nothing() {
    let live = run(config(17), &[60_000_000]);
    let long = WardConfig {
        history: Span::hours(2),
        scenarios: ScenarioPlan::Random { rate: 0.1 },
        eeg: false,
        waveforms: false,
        ..config(4)
    };
    let long = run(long, &[44 * 3_600_000_000]);
    let settings = bedwatch_ingest::Config::default();
    let mut events: BTreeMap<Stream, usize> = BTreeMap::new();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    // The long run's monitor numerics repeat what the live run has; one in 500 is enough.
    let chosen =
        long.iter().enumerate().filter(|(i, r)| r.stream != Stream::Vitals || i % 500 == 0).map(|x| x.1);
    for (offset, r) in live.iter().chain(chosen).enumerate() {
        let record = bedwatch_ingest::Record {
            stream: r.stream,
            partition: 0,
            offset: offset as i64,
            arrival: r.at,
            key: Some(r.key.as_str()),
            payload: &r.payload,
        };
        let decoded = bedwatch_ingest::decode(&record, &settings);
        assert!(decoded.rejections.is_empty(), "{:?} {:?}", r, decoded.rejections);
        if r.stream != Stream::Fhir {
            assert!(!decoded.events.is_empty(), "{r:?} {:?}", decoded.units);
        }
        *events.entry(r.stream).or_default() += decoded.events.len();
        for event in &decoded.events {
            assert_eq!(event.patient, r.key);
            assert!(event.event_time.as_micros() <= r.at.as_micros());
            let kind = match &event.body {
                Body::Numeric(n) if n.status == ResultStatus::Corrected => "corrected",
                Body::Numeric(_) => "numeric",
                Body::NoReading { .. } => "no reading",
                Body::Waveform(_) => "waveform",
                Body::Medication(i) if i.drug == Drug::Norepinephrine => "norepinephrine",
                Body::Medication(i) if i.drug == Drug::Antibiotic => "antibiotic",
                Body::Medication(i) if i.drug == Drug::Insulin => "insulin",
                Body::Medication(_) => "other drug",
                Body::Adt(a) => match a.kind {
                    AdtKind::Admit => "admit",
                    AdtKind::Transfer => "transfer",
                    AdtKind::Discharge => "discharge",
                    AdtKind::Update => "update",
                    AdtKind::Merge { .. } => "merge",
                },
                Body::DeviceStatus(_) | Body::Microbiology(_) | Body::Feedback(_) => "other",
            };
            *kinds.entry(kind).or_default() += 1;
        }
    }
    assert_eq!(events.len(), 5);
    for kind in [
        "numeric",
        "corrected",
        "no reading",
        "waveform",
        "norepinephrine",
        "antibiotic",
        "insulin",
        "admit",
        "transfer",
        "discharge",
        "update",
        "merge",
    ] {
        assert!(kinds.contains_key(kind), "no {kind}: {kinds:?}");
    }
}
