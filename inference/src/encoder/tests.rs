use std::collections::BTreeMap;

use bedwatch_schemas::signal::Signal;
use serde::Deserialize;

use super::*;
use crate::{bundle::tests::shipped, runtime::tests::installed, tokens::tests::frame};

fn encoder(test: &str) -> Option<(Encoder, Bundle)> {
    let bundle = shipped("encoder-hourly-v1")?;
    let runtime = installed(test)?;
    Some((Encoder::load(&runtime, &bundle, 2).unwrap(), bundle))
}

#[derive(Deserialize)]
struct Parity {
    tolerance: f32,
    sequences: Vec<Sequence>,
    contract: Contract,
}

#[derive(Deserialize)]
struct Sequence {
    tokens: Vec<Vec<f32>>,
    logits: Vec<Vec<f32>>,
    embedding_last: Vec<f32>,
}

#[derive(Deserialize)]
struct Contract {
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
    let Some((encoder, bundle)) = encoder("the_model_agrees_with_its_training") else { return };
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
    let Some((encoder, bundle)) = encoder("tokens_agree_with_the_training") else { return };
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
        assert_eq!(first.1.len(), 128);
        assert_eq!(first.0.risks.iter().map(|r| r.head).collect::<Vec<_>>(), Head::ALL);
        assert!(first.0.risks.iter().all(|r| (0.0..=1.0).contains(&r.probability)));
        first.0
    };
    let (sick, well) = (risk(&sick), risk(&well));
    for head in Head::ALL {
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

#[test]
fn bad_heads_are_refused() {
    let head = |name: &str, index, low, high| HeadSpec {
        name: name.into(),
        index,
        platt_a: 1.0,
        platt_b: 0.0,
        operating_point: low,
        high_priority_point: high,
    };
    assert!(heads(&[head("sepsis", 0, 0.1, 0.2)]).is_ok());
    for bad in [
        vec![],
        vec![head("fever", 0, 0.1, 0.2)],
        vec![head("sepsis", 1, 0.1, 0.2)],
        vec![head("sepsis", 0, 0.3, 0.2)],
        vec![head("sepsis", 0, 0.1, 1.2)],
        vec![head("sepsis", 0, 0.1, 0.2), head("sepsis", 1, 0.1, 0.2)],
    ] {
        assert!(heads(&bad).is_err());
    }
}
