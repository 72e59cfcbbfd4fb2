use std::collections::BTreeMap;

use bedwatch_schemas::{
    event::{Sex, UnitKind},
    evidence::Subject,
    frame::hour_of,
    risk::{Attribution, Bound, Certainty, Change, Head},
    signal::Signal,
    time::Span,
};
use serde::Deserialize;

use super::{explain::Explanation, *};
use crate::{
    bundle::tests::{shipped, tiny, tiny_with},
    runtime::tests::installed,
    tokens::tests::frame,
};

/// The shipped encoder, whatever its version.
fn encoder(test: &str) -> Option<(Encoder, Bundle)> {
    let bundle = shipped_encoder()?;
    let runtime = installed(test)?;
    Some((Encoder::load(&runtime, &bundle, 2).unwrap(), bundle))
}

fn shipped_encoder() -> Option<Bundle> {
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let names = std::fs::read_dir(models).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    shipped(&names.filter(|name| name.starts_with("encoder-")).max()?)
}

/// The shipped encoder if it is of contract "hourly-v1".
fn first_encoder(test: &str) -> Option<(Encoder, Bundle)> {
    encoder(test).filter(|(encoder, _)| encoder.tokenizer.contract() == Contract::HourlyV1)
}

#[derive(Deserialize)]
struct Parity {
    tolerance: f32,
    sequences: Vec<Sequence>,
    contract: Hours,
}

#[derive(Deserialize)]
struct Sequence {
    tokens: Vec<Vec<f32>>,
    logits: Vec<Vec<f32>>,
    embedding_last: Vec<f32>,
}

#[derive(Deserialize)]
struct Hours {
    age_years: f32,
    hours: Vec<BTreeMap<String, f32>>,
    tokens: Vec<Vec<f32>>,
}

fn close(got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len());
    for (i, (a, b)) in got.iter().zip(want).enumerate() {
        assert!((a - b).abs() <= tolerance, "{i}: {a} != {b}");
    }
}

/// The bundle's vectors, made by the training package: same tokens, same logits and embedding.
#[test]
fn the_model_agrees_with_its_training() {
    let Some((encoder, bundle)) = first_encoder("the_model_agrees_with_its_training") else { return };
    let parity: Parity = serde_json::from_slice(bundle.file("parity.json").unwrap()).unwrap();
    let mut worker = encoder.sessions.take();
    for sequence in &parity.sequences {
        let answer = encoder.run(&mut worker.session, &sequence.tokens.concat()).unwrap();
        close(&answer.logits, sequence.logits.last().unwrap(), parity.tolerance);
        close(&answer.embedding, &sequence.embedding_last, parity.tolerance);
    }
}

/// The same hours of values become the same tokens here and in the training package.
#[test]
fn tokens_agree_with_the_training() {
    let Some((encoder, bundle)) = first_encoder("tokens_agree_with_the_training") else { return };
    let parity: Parity = serde_json::from_slice(bundle.file("parity.json").unwrap()).unwrap();
    let variables = encoder.tokenizer.variables();
    let rows: Vec<Vec<(Signal, f32)>> = parity
        .contract
        .hours
        .iter()
        .map(|hour| {
            let source = |name: &str| variables.iter().find(|v| v.name == name).unwrap().sources[0];
            hour.iter().map(|(name, value)| (source(name), *value)).collect()
        })
        .collect();
    let mut f = frame(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
    f.demographics.age_years = Some(parity.contract.age_years);
    close(&encoder.tokens(&f).values, &parity.contract.tokens.concat(), parity.tolerance);
}

#[test]
fn risks_are_probabilities_and_repeat_exactly() {
    let Some((encoder, _)) = encoder("risks_are_probabilities_and_repeat_exactly") else { return };
    let sick: Vec<(Signal, f32)> = vec![
        (Signal::HeartRate, 135.0),
        (Signal::AbpMean, 48.0),
        (Signal::RespRate, 34.0),
        (Signal::Lactate, 7.5),
        (Signal::Temperature, 39.4),
        (Signal::Creatinine, 3.9),
    ];
    let well: Vec<(Signal, f32)> =
        vec![(Signal::HeartRate, 72.0), (Signal::AbpMean, 85.0), (Signal::RespRate, 14.0)];
    let risk = |values: &[(Signal, f32)]| {
        let f = frame(&[values; 6]);
        let first = encoder.assess(&f).unwrap();
        assert_eq!(first, encoder.assess(&f).unwrap());
        assert_eq!(first.1.len(), encoder.embedding_size);
        let heads: Vec<Head> = first.0.risks.iter().map(|r| r.head).collect();
        assert!(heads.is_sorted() && heads[..2] == [Head::Sepsis, Head::Deterioration], "{heads:?}");
        assert!(first.0.risks.iter().all(|r| (0.0..=1.0).contains(&r.probability)));
        first.0
    };
    let (sick, well) = (risk(&sick), risk(&well));
    for head in [Head::Sepsis, Head::Deterioration] {
        let p = |a: &Assessment| a.risk(head).unwrap().probability;
        assert!(p(&sick) > p(&well), "{}: {} and {}", head.name(), p(&sick), p(&well));
    }
}

/// An attribution equals the difference to a frame in which the variable never came.
#[test]
fn attributions_are_exact() {
    let Some((encoder, _)) = encoder("attributions_are_exact") else { return };
    let all = [(Signal::PulseRate, 130.0), (Signal::AbpMean, 50.0), (Signal::Lactate, 6.0)];
    let f = frame(&[&all, &all, &[]]);
    let found = encoder.attributions(&f, Head::Sepsis, 2).unwrap();
    assert_eq!(found.len(), 2);
    assert!(found[0].delta.abs() >= found[1].delta.abs());
    let whole = encoder.assess(&f).unwrap().0.risks[0].probability;
    for attribution in encoder.attributions(&f, Head::Sepsis, 34).unwrap() {
        let Subject::Signal(signal) = attribution.subject else { panic!("a signal") };
        let rest: Vec<(Signal, f32)> = all.iter().copied().filter(|(s, _)| *s != signal).collect();
        assert_eq!(rest.len(), 2, "the source that gave the value is named");
        let without = encoder.assess(&frame(&[&rest, &rest, &[]])).unwrap().0.risks[0].probability;
        assert_eq!(attribution.delta, whole - without);
    }
}

#[test]
fn sessions_in_parallel_say_the_same() {
    let Some((encoder, _)) = encoder("sessions_in_parallel_say_the_same") else { return };
    let frames: Vec<_> =
        (0..8_u8).map(|i| frame(&[&[(Signal::HeartRate, 60.0 + 10.0 * f32::from(i))]])).collect();
    let alone: Vec<_> = frames.iter().map(|f| encoder.assess(f).unwrap()).collect();
    let together: Vec<_> = std::thread::scope(|s| {
        let handles: Vec<_> = frames.iter().map(|f| s.spawn(|| encoder.assess(f).unwrap())).collect();
        handles.into_iter().map(|h| h.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
}

/// The tiny bundle of contract "hourly-v2", with its trees.
fn tiny_encoder(test: &str) -> Option<Encoder> {
    Some(Encoder::load(&installed(test)?, &tiny(|m| m).unwrap(), 1).unwrap())
}

#[derive(Deserialize)]
struct TinyParity {
    tolerance: f32,
    sequences: Vec<TinySequence>,
    contract: Vec<TinyStay>,
}

#[derive(Deserialize)]
struct TinySequence {
    tokens: Vec<Vec<f32>>,
    logits: Vec<f32>,
    embedding: Vec<f32>,
    distance: f32,
}

#[derive(Deserialize)]
struct TinyStay {
    age_years: Option<f32>,
    sex: Option<Sex>,
    before_icu_hours: Option<f64>,
    unit: Option<UnitKind>,
    hours: Vec<BTreeMap<String, f32>>,
    tokens: Vec<Vec<f32>>,
}

/// The second contract: what Python built and ran is what is built and run here, of the tiny bundle
/// and of the shipped one.
#[test]
fn bundles_of_the_second_contract_agree_with_their_scripts() {
    let test = "bundles_of_the_second_contract_agree_with_their_scripts";
    let Some(runtime) = installed(test) else { return };
    let shipped = encoder(test).filter(|(e, _)| e.tokenizer.contract() == Contract::HourlyV2);
    let tiny = tiny(|m| m).unwrap();
    agrees(&Encoder::load(&runtime, &tiny, 1).unwrap(), &tiny);
    if let Some((encoder, bundle)) = shipped {
        agrees(&encoder, &bundle);
    }
}

fn agrees(encoder: &Encoder, bundle: &Bundle) {
    let parity: TinyParity = serde_json::from_slice(bundle.file("parity.json").unwrap()).unwrap();
    for sequence in &parity.sequences {
        let answer = encoder.run(&mut encoder.sessions.take().session, &sequence.tokens.concat()).unwrap();
        close(&answer.logits, &sequence.logits, parity.tolerance);
        close(&answer.embedding, &sequence.embedding, parity.tolerance);
        close(&[answer.distance.unwrap()], &[sequence.distance], parity.tolerance);
    }
    for stay in &parity.contract {
        let variables = encoder.tokenizer.variables();
        let source = |name: &str| variables.iter().find(|v| v.name == name).unwrap().sources[0];
        let rows: Vec<Vec<(Signal, f32)>> =
            stay.hours.iter().map(|hour| hour.iter().map(|(n, x)| (source(n), *x)).collect()).collect();
        let mut f = frame(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
        (f.demographics.age_years, f.demographics.sex, f.unit) = (stay.age_years, stay.sex, stay.unit);
        let before = |hours: f64| f.stay_start - Span((hours * 3.6e9) as i64);
        f.hospital_admitted_at = stay.before_icu_hours.map(before);
        close(&encoder.tokens(&f).values, &stay.tokens.concat(), parity.tolerance);
    }
}

/// A patient in shock since the third of six hours; the pressure is invasive from then on.
fn shock() -> FeatureFrame {
    use Signal::{AbpMean, HeartRate, Lactate, NibpMean, RespRate};
    let before = [(HeartRate, 80.0), (NibpMean, 84.0), (RespRate, 14.0)];
    let after = [(HeartRate, 131.0), (AbpMean, 48.0), (RespRate, 29.0)];
    let labs = [(HeartRate, 128.0), (AbpMean, 50.0), (RespRate, 30.0), (Lactate, 6.0)];
    frame(&[&before, &before, &labs, &after, &after, &after])
}

/// What a caller that knows reference ranges would offer.
const TARGETS: [Change; 3] = [
    Change { signal: Signal::AbpMean, bound: Bound::AtLeast, value: 65.0 },
    Change { signal: Signal::Lactate, bound: Bound::AtMost, value: 2.0 },
    Change { signal: Signal::RespRate, bound: Bound::AtMost, value: 20.0 },
];

/// The frame in which a signal and its other sources had not been observed from an hour on (`None`:
/// never, also not before the grid).
fn without(encoder: &Encoder, f: &FeatureFrame, signal: Signal, from: Option<i64>) -> FeatureFrame {
    let mut f = f.clone();
    let first = f.grid.first_hour;
    for source in encoder.sources(signal) {
        let rows = f.grid.values.chunks_exact_mut(Signal::COUNT);
        for (_, row) in (first..).zip(rows).filter(|(hour, _)| from.is_none_or(|from| *hour >= from)) {
            row[source.index()] = f32::NAN;
        }
        if from.is_none() {
            f.grid.before[source.index()] = None;
        }
    }
    f
}

/// The frame in which values were observed in its hour and so many more.
fn held(encoder: &Encoder, f: &FeatureFrame, changes: &[Change], minutes: u32) -> FeatureFrame {
    let mut f = f.clone();
    let now = hour_of(f.at);
    f.at = f.at + Span::hours(i64::from(minutes / 60) - 1);
    let rows = usize::try_from(hour_of(f.at) - f.grid.first_hour + 1).unwrap();
    f.grid.values.resize(rows * Signal::COUNT, f32::NAN);
    let first = f.grid.first_hour;
    for (hour, row) in (first..).zip(f.grid.values.chunks_exact_mut(Signal::COUNT)) {
        for change in changes.iter().filter(|_| hour >= now) {
            encoder.sources(change.signal).iter().for_each(|s| row[s.index()] = f32::NAN);
            row[change.signal.index()] = change.value as f32;
        }
    }
    f
}

fn probability(encoder: &Encoder, f: &FeatureFrame, head: Head) -> f32 {
    encoder.assess(f).unwrap().0.risk(head).unwrap().probability
}

/// Runs everything an explanation says again, on frames that had been so. Gives how many
/// beginnings and clearings there were.
fn rerun(encoder: &Encoder, f: &FeatureFrame, head: Head, said: &Explanation) -> (usize, usize) {
    let whole = probability(encoder, f, head);
    let mut dated = 0;
    for Attribution { subject, delta, since } in &said.attributions {
        let Subject::Signal(signal) = *subject else { panic!("a signal") };
        let lost = |from| whole - probability(encoder, &without(encoder, f, signal, from), head);
        assert_eq!(*delta, lost(None), "{subject:?}");
        let Some(since) = since else { continue };
        dated += 1;
        assert!(lost(Some(hour_of(*since))) / delta >= 0.5, "{subject:?} since {since}");
        assert!(lost(Some(hour_of(*since) + 1)) / delta < 0.5, "{subject:?} later than {since}");
    }
    if let Some(clears) = &said.clears {
        let f = held(encoder, f, &clears.changes, clears.for_minutes);
        let assessment = encoder.assess(&f).unwrap().0;
        let risk = assessment.risk(head).unwrap();
        assert_eq!(risk.probability, clears.probability);
        assert!(risk.probability < risk.operating_point);
    }
    assert_eq!(said.embedding, encoder.assess(f).unwrap().1);
    (dated, usize::from(said.clears.is_some()))
}

#[test]
fn an_explanation_is_what_running_again_gives() {
    let Some(encoder) = tiny_encoder("an_explanation_is_what_running_again_gives") else { return };
    let f = shock();
    let said = encoder.explain(&f, Head::Sepsis, 5, &TARGETS, None).unwrap().unwrap();
    assert_eq!(rerun(&encoder, &f, Head::Sepsis, &said), (3, 1));
    let names: Vec<&str> = said.attributions.iter().map(|a| a.subject.name()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(said.attributions, {
        let mut plain = encoder.attributions(&f, Head::Sepsis, 5).unwrap();
        plain.iter_mut().zip(&said.attributions).for_each(|(p, s)| p.since = s.since);
        plain
    });
    // The shock began two hours after the stay, and the model knows.
    let since = said.attributions.iter().filter_map(|a| a.since).map(hour_of).collect::<Vec<_>>();
    assert!(since.iter().all(|h| *h == f.grid.first_hour + 2), "{since:?} of {names:?}");
    let alone = encoder.explain(&f, Head::Sepsis, 1, &[], None).unwrap().unwrap();
    assert_eq!((alone.attributions.len(), alone.clears), (1, None));
}

/// Many made-up stays, both heads: whatever is said can be run again.
#[test]
fn whatever_is_said_of_any_stay_can_be_run_again() {
    let Some(encoder) = tiny_encoder("whatever_is_said_of_any_stay_can_be_run_again") else { return };
    let (mut dated, mut cleared, mut seed) = (0, 0, 7_u64);
    let mut draw = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as f32 / (1_u64 << 24) as f32
    };
    for _ in 0..40 {
        let rows: Vec<Vec<(Signal, f32)>> = (0..1 + (draw() * 60.0) as usize)
            .map(|_| {
                let around = [
                    (Signal::HeartRate, 100.0, 40.0),
                    (Signal::AbpMean, 65.0, 20.0),
                    (Signal::NibpMean, 65.0, 20.0),
                    (Signal::RespRate, 22.0, 12.0),
                    (Signal::Lactate, 3.0, 2.5),
                    (Signal::Spo2, 92.0, 7.0),
                ];
                let mut row = Vec::new();
                for (signal, middle, reach) in around {
                    if draw() < 0.4 {
                        row.push((signal, middle + (2.0 * draw() - 1.0) * reach));
                    }
                }
                row
            })
            .collect();
        let mut f = frame(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
        f.grid.before[Signal::Lactate.index()] = (draw() < 0.5).then_some((5.0, f.grid.first_hour - 3));
        for head in [Head::Sepsis, Head::Deterioration] {
            let said = encoder.explain(&f, head, 8, &TARGETS, None).unwrap().unwrap();
            let (d, c) = rerun(&encoder, &f, head, &said);
            (dated, cleared) = (dated + d, cleared + c);
        }
    }
    println!("{dated} beginnings and {cleared} clearings were run again");
    assert!(dated >= 40 && cleared >= 10, "{dated} {cleared}");
}

#[test]
fn a_site_picks_its_certainty_and_strangeness_is_told() {
    let test = "a_site_picks_its_certainty_and_strangeness_is_told";
    let Some(runtime) = installed(test) else { return };
    let bundle = tiny(|m| m).unwrap();
    let said = |site: &str| {
        let encoder = Encoder::load_for(&runtime, &bundle, 1, site).unwrap();
        encoder.assess(&shock()).unwrap().0
    };
    let any = said("any");
    for risk in &any.risks {
        let want = match risk.probability {
            p if p < 0.3 => Certainty::Low,
            p if p <= 0.55 => Certainty::Unsure,
            _ => Certainty::High,
        };
        assert_eq!(risk.certainty, Some(want));
    }
    assert_eq!(said("B").distance, any.distance);
    let error = Encoder::load_for(&runtime, &bundle, 1, "Z").unwrap_err().to_string();
    assert!(error.contains("for site \"Z\"; it knows \"A\", \"B\", \"any\""), "{error}");
    let distance = any.distance.unwrap();
    for (threshold, unfamiliar) in [(distance + 0.01, false), (distance - 0.01, true)] {
        let bundle = tiny(|m| m.replace("threshold = 4.5", &format!("threshold = {threshold:.6}"))).unwrap();
        let encoder = Encoder::load(&runtime, &bundle, 1).unwrap();
        assert_eq!(encoder.assess(&shock()).unwrap().0.unfamiliar, unfamiliar);
    }
}

/// Every refusal of an encoder's manifest with its sentence; the tables of its parts are tested
/// where they are read.
#[test]
fn bad_manifests_are_refused_in_a_sentence() {
    let Some(runtime) = installed("bad_manifests_are_refused_in_a_sentence") else { return };
    let refusal = |from: &str, to: &str| {
        let bundle = tiny(|m| {
            assert!(m.contains(from), "{from}");
            m.replacen(from, to, 1)
        });
        let encoder = bundle.map_err(Error::from).and_then(|b| Encoder::load(&runtime, &b, 1));
        encoder.unwrap_err().to_string()
    };
    for (from, to, sentence) in [
        ("contract = \"hourly-v2\"", "contract = \"hourly-v9\"", "input contract is \"hourly-v9\""),
        ("\"unit_medical\", ", "", "the encoder's layout is"),
        ("feature_count = 33", "feature_count = 34", "feature_count is 34; 8 variables make 33"),
        ("index = 1", "index = 7", "the index 7 of deterioration"),
        ("site = \"B\"", "site = \"A\"", "two conformal rows for site \"A\""),
        ("embedding_size = 16", "embedding_size = 0", "embedding_size is 0"),
        ("embedding_size = 16", "embedding_size = 8", "5 rows of 8 numbers make 160"),
        ("threshold = 4.5", "threshold = nan", "[ood] table is unusable: its threshold"),
        ("quantile = 0.99", "quantile = 1.0", "[ood] table is unusable: its quantile"),
        ("[ood]", "[odd]", "[ood] table is unusable: contract \"hourly-v2\" needs one"),
        ("kind = \"encoder\"", "kind = \"narrator\"", "of kind \"narrator\", and \"encoder\" is wanted"),
        ("\"distance\"]", "\"strangeness\"]", "has the outputs [\"logits\", \"embedding\", \"distance\"]"),
        ("opset = 18", "opset = 17", "uses ONNX opset 18; its manifest says 17"),
        ("max_hours = 48", "max_hours = \"many\"", "cannot be read"),
        ("list = \"neighbours.json\"", "list = \"words.json\"", "is not the list it should be"),
    ] {
        let error = refusal(from, to);
        assert!(error.contains(sentence), "{error}");
    }
    // Sound by its manifest, but not what it says: found by running it once.
    let one_head = tiny(|m| {
        let (second, after) = (m.rfind("[[heads]]").unwrap(), m.find("[neighbours]").unwrap());
        m[..second].to_owned() + &m[after..]
    });
    let error = Encoder::load(&runtime, &one_head.unwrap(), 1).unwrap_err().to_string();
    assert!(error.contains("output logits has the shape [1, 2], and [1, 1] is wanted"), "{error}");
    let broken = tiny_with("encoder.onnx", b"no model");
    let error = Encoder::load(&runtime, &broken, 1).unwrap_err().to_string();
    assert!(error.contains("cannot load the model"), "{error}");
}
