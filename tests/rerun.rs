//! Everything a model's alert is explained by, run again: on the frame the alert was decided on, as
//! it would have been, through the encoder's front door.

use std::{path::Path, sync::Arc};

use bedwatch::{engine::Models, narration::request, setup};
use bedwatch_inference::{bundle::Bundle, encoder::Encoder, runtime::Runtime, writer::Writer};
use bedwatch_schemas::{
    alert::{Alert, Phase},
    evidence::Subject,
    frame::{FeatureFrame, hour_of},
    risk::{Change, Head},
    signal::Signal,
    time::Span,
};

use crate::{support::has_onnxruntime, ward};

/// The frame in which a signal and its other sources had not been observed from an hour on (`None`:
/// never, also not before the grid).
fn without(encoder: &Encoder, f: &FeatureFrame, signal: Signal, from: Option<i64>) -> FeatureFrame {
    let mut f = f.clone();
    let first = f.grid.first_hour;
    for source in encoder.sources(signal) {
        for (hour, row) in (first..).zip(f.grid.values.chunks_exact_mut(Signal::COUNT)) {
            if from.is_none_or(|from| hour >= from) {
                row[source.index()] = f32::NAN;
            }
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

#[derive(Debug, Default)]
struct Told {
    alerts: usize,
    attributions: usize,
    dated: usize,
    cleared: usize,
    own: usize,
}

/// Runs one alert's explanation again.
fn rerun(encoder: &Encoder, f: &FeatureFrame, alert: &Alert, told: &mut Told) {
    let head = Head::ALL.into_iter().find(|h| h.name() == alert.kind.name()).unwrap();
    let risk = |f: &FeatureFrame| encoder.assess(f).unwrap().0.risk(head).unwrap().clone();
    let whole = risk(f).probability;
    for attribution in &alert.attributions {
        let Subject::Signal(signal) = attribution.subject else { panic!("a signal") };
        let lost = |from| whole - risk(&without(encoder, f, signal, from)).probability;
        assert_eq!(attribution.delta, lost(None), "{signal:?}");
        told.attributions += 1;
        let Some(since) = attribution.since else { continue };
        told.dated += 1;
        assert!(lost(Some(hour_of(since))) / attribution.delta >= 0.5, "{signal:?} since {since}");
        assert!(lost(Some(hour_of(since) + 1)) / attribution.delta < 0.5, "{signal:?} after {since}");
    }
    let account = alert.evidence.account.as_ref().expect("a model's alert has its account");
    if let Some(clears) = &account.clears {
        told.cleared += 1;
        let then = risk(&held(encoder, f, &clears.changes, clears.for_minutes));
        assert_eq!(then.probability, clears.probability);
        assert!(then.probability < then.operating_point && whole >= then.operating_point);
        for change in &clears.changes {
            let (value, ..) = f.current(change.signal).expect("it is changed from a current value");
            assert!((value - change.value).abs() > 0.0, "{change:?} is changed");
        }
    }
    told.own +=
        account.similar.iter().filter(|s| matches!(s, bedwatch_schemas::risk::Similar::Own { .. })).count();
    told.alerts += 1;
}

fn check(name: &str, bundle: &Path, beds: usize, least: usize) {
    let runtime = Runtime::load(setup::onnxruntime(Path::new("")).unwrap()).unwrap();
    let encoder = Arc::new(Encoder::load(&runtime, &Bundle::open(bundle).unwrap(), 1).unwrap());
    let writer = Arc::new(Writer::new(None));
    let models = Models { encoder: Some(encoder.clone()), fusion: None, writer: writer.clone() };
    let mut told = Told::default();
    let records = ward::records(beds, Span::hours(24), Span::secs(5), false);
    ward::fold(&records, models, |step| {
        for output in step.outputs {
            let rationale = writer.write(&request(&output), &|| false);
            let alert = output.draft.with_rationale(rationale);
            if alert.phase != Phase::Resolved && alert.attributions.iter().any(|a| a.delta != 0.0) {
                let same = |(f, _): &&(FeatureFrame, _)| f.patient == alert.patient && f.at == alert.at;
                let (frame, _) = step.frames.iter().find(same).expect("an alert rests on a frame");
                rerun(&encoder, frame, &alert, &mut told);
            }
        }
    });
    println!("{name}: run again and found the same: {told:?}");
    assert!(told.alerts >= least && told.dated >= least, "{told:?}");
}

/// The tiny bundle, whose trees make counterfactuals exist.
#[test]
fn every_explanation_of_simulated_alerts_is_found_again() {
    if !has_onnxruntime("every_explanation_of_simulated_alerts_is_found_again") {
        return;
    }
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("inference/tests-data/encoder-tiny-v2");
    check("tiny bundle", &tiny, 40, 50);
}

/// The bundle in force.
#[test]
fn every_explanation_of_the_shipped_encoder_is_found_again() {
    if !has_onnxruntime("every_explanation_of_the_shipped_encoder_is_found_again") {
        return;
    }
    let config = bedwatch::config::Config::default().models;
    let folder = setup::models_folder(&config.folder).join(&config.encoder);
    check(&config.encoder, &folder, 24, 10);
}
