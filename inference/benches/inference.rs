//! What inference costs on one core: an encoder pass, attributions, 64 tokens of the narrator, a
//! whole rationale, the template, the checker. Needs the bundles and the ONNX Runtime library named
//! by `BEDWATCH_ONNXRUNTIME`; without them only the last two run.

use std::{hint::black_box, path::Path};

use bedwatch_inference::{
    bundle::Bundle,
    check::check,
    encoder::Encoder,
    fusion::Fusion,
    lexicon::Lexicon,
    narrator::{Narrator, decoder::Decoder, layout::Stated},
    runtime::{Runtime, VARIABLE},
    template,
};
use bedwatch_schemas::{
    alert::{AlertKind, Phase, Priority},
    event::Demographics,
    evidence::{Band, Direction, Evidence, Fact, FactId, Missing, Subject, Trend},
    frame::{FeatureFrame, HourGrid},
    ids::PatientId,
    recent::{Code, CodedEvent, Recent, Track},
    risk::{Bound, Change, Head, ModelRef},
    signal::Signal,
    time::{EventTime, Span},
};
use criterion::{Criterion, criterion_group, criterion_main};

const START: EventTime = EventTime::from_micros(1_772_341_200_000_000);

/// A frame of `hours` hours: vitals every hour, labs every sixth.
fn frame(hours: i64) -> FeatureFrame {
    let mut grid = HourGrid::new(START);
    for hour in 0..hours {
        for signal in Signal::ALL {
            let (lo, hi) = signal.info().plausible;
            let here = signal.index() < 8 || hour % 6 == 0;
            grid.values.push(if here { (lo + (hi - lo) * 0.3) as f32 } else { f32::NAN });
        }
    }
    FeatureFrame {
        patient: PatientId::new("bench").expect("a fixed id is valid"),
        encounter: None,
        location: None,
        at: START + Span::hours(hours - 1),
        trigger: None,
        demographics: Demographics { age_years: Some(67.0), sex: None },
        stay_start: START,
        hospital_admitted_at: None,
        unit: None,
        vitals: Vec::new(),
        labs: Vec::new(),
        infusions: Vec::new(),
        eeg: None,
        cardiac: Vec::new(),
        glucose: None,
        scores: Vec::new(),
        freshness: Vec::new(),
        grid,
    }
}

/// Eight facts and two missing subjects.
fn evidence() -> Evidence {
    use Signal::{AbpMean, Creatinine, HeartRate, Lactate, Platelets, RespRate, Spo2, Temperature};
    let facts = [AbpMean, HeartRate, Lactate, RespRate, Spo2, Temperature, Creatinine, Platelets];
    let fact = |(i, signal): (usize, Signal)| Fact {
        id: FactId(u8::try_from(i).expect("eight facts")),
        subject: Subject::Signal(signal),
        value: signal.info().plausible.1 * 0.4,
        unit: signal.info().unit,
        at: START,
        band: Band::High,
        trend: Some(Trend { direction: Direction::Rising, per_hour: 1.0, over: Span::hours(1) }),
        provenance: None,
    };
    let missing = [Signal::Wbc, Signal::Crp].map(|s| Missing { subject: Subject::Signal(s), last_at: None });
    Evidence {
        facts: facts.into_iter().enumerate().map(fact).collect(),
        missing: missing.to_vec(),
        feeds: Vec::new(),
        account: None,
        rule: None,
    }
}

fn bundle(name: &str) -> Option<Bundle> {
    Bundle::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name)).ok()
}

fn encoder(c: &mut Criterion, runtime: &Runtime) {
    let models = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("models"));
    let names = models.into_iter().flatten().filter_map(|e| e.ok()?.file_name().into_string().ok());
    let name = names.filter(|name| name.starts_with("encoder-")).max();
    let Some(bundle) = name.and_then(|name| bundle(&name)) else { return };
    let encoder = Encoder::load(runtime, &bundle, 1).expect("the shipped bundle loads");
    for hours in [1, 12, 48] {
        let frame = frame(hours);
        c.bench_function(&format!("encoder/assess {hours} h"), |b| {
            b.iter(|| encoder.assess(black_box(&frame)))
        });
        c.bench_function(&format!("encoder/tokens {hours} h"), |b| {
            b.iter(|| encoder.tokens(black_box(&frame)))
        });
    }
    let frame = frame(48);
    c.bench_function("encoder/attributions 48 h", |b| {
        b.iter(|| encoder.attributions(black_box(&frame), Head::Sepsis, 5).expect("the encoder runs"));
    });
    // Everything an alert is explained by: with since when and what would clear it.
    let bound = Bound::AtLeast;
    let targets: Vec<Change> = Signal::ALL
        .iter()
        .map(|&signal| Change { signal, bound, value: signal.info().plausible.0.max(1.0) })
        .collect();
    for head in [Head::Sepsis, Head::Deterioration] {
        c.bench_function(&format!("encoder/explain {} 48 h", head.name()), |b| {
            b.iter(|| encoder.explain(black_box(&frame), head, 5, &targets, None).expect("the encoder runs"));
        });
    }
}

/// A moment with every modality.
fn fusion(c: &mut Criterion, runtime: &Runtime) {
    let Some(bundle) = bundle("fusion-v1") else { return };
    let spec: toml::Table = bundle.read("fusion").expect("the manifest is a table");
    let text = |key: &str| spec[key].as_str().expect("the manifest names its encoder").to_owned();
    let beside = ModelRef { name: text("encoder"), version: text("encoder_version") };
    let fusion = Fusion::load(runtime, &bundle, 1, &beside).expect("the shipped bundle loads");
    let mut recent = Recent::default();
    for track in Track::ALL {
        recent.tracks[track as usize].0 = vec![80.0; track.rows() * track.columns().len()];
    }
    let event = |i: i64| CodedEvent {
        code: Code::Result(Signal::Lactate),
        value: Some(1.5),
        at: START - Span::hours(i),
    };
    recent.events = (0..40).rev().map(event).collect();
    let hour = vec![0.3; 128];
    c.bench_function("fusion/assess, every modality", |b| {
        b.iter(|| fusion.assess(black_box(&hour), &recent, START).expect("the fusion runs"));
    });
}

fn narrator(c: &mut Criterion, runtime: &Runtime) {
    let Some(bundle) = bundle("narrator-v2") else { return };
    let onnx = bundle.file("decoder.onnx").expect("the bundle lists its decoder");
    let session = runtime.session(onnx, 1).expect("the decoder loads");
    let mut decoder = Decoder::new(session, &Stated::default()).expect("the layout is the usual one");
    let prompt: Vec<u32> = (2..37).collect();
    c.bench_function("narrator/prefill 35 and 64 tokens", |b| {
        b.iter(|| {
            decoder.reset();
            let mut logits = decoder.step(&prompt).expect("the decoder runs");
            for token in 110..173 {
                logits = decoder.step(&[token]).expect("the decoder runs");
            }
            logits
        });
    });
    let narrator = Narrator::load(runtime, &bundle, 1).expect("the shipped bundle loads");
    let evidence = evidence();
    c.bench_function("narrator/rationale", |b| {
        b.iter(|| {
            narrator
                .narrate(AlertKind::Sepsis, Priority::High, black_box(&evidence), &|| false)
                .expect("the narrator speaks")
        });
    });
}

fn words(c: &mut Criterion) {
    let (evidence, lexicon) = (evidence(), Lexicon::built_in());
    let write = || template::write(AlertKind::Sepsis, Phase::Raised, Priority::High, black_box(&evidence));
    c.bench_function("template/write", |b| b.iter(write));
    let text = write();
    c.bench_function("check/one text", |b| {
        b.iter(|| check(black_box(&text), AlertKind::Sepsis, &evidence, &lexicon));
    });
}

fn all(c: &mut Criterion) {
    words(c);
    if let Some(runtime) = std::env::var_os(VARIABLE).and_then(|path| Runtime::load(path).ok()) {
        encoder(c, &runtime);
        fusion(c, &runtime);
        narrator(c, &runtime);
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
