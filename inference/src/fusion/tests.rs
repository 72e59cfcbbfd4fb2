use bedwatch_schemas::{evidence::Subject, frame::FeatureFrame, recent::CodedEvent, time::Span};
use serde::Deserialize;

use super::*;
use crate::{bundle::tests::shipped, runtime::tests::installed};

const AT: EventTime = EventTime::from_micros(1_767_225_600_000_000);

fn fusion(test: &str) -> Option<(Fusion, Bundle)> {
    let bundle = shipped("fusion-v1")?;
    let runtime = installed(test)?;
    let spec: Spec = bundle.read("fusion").unwrap();
    let encoder = ModelRef { name: spec.encoder, version: spec.encoder_version };
    Some((Fusion::load(&runtime, &bundle, 1, &encoder).unwrap(), bundle))
}

#[derive(Deserialize)]
struct Parity {
    tolerance: f32,
    moments: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    hour: Vec<f32>,
    tracks: BTreeMap<String, Vec<Option<f32>>>,
    event_codes: Vec<usize>,
    event_values: Vec<f32>,
    event_hours_ago: Vec<f64>,
    logits: Vec<f32>,
    embedding: Vec<f32>,
    gates: Vec<f32>,
}

impl Case {
    fn recent(&self, bundle: &Bundle) -> Recent {
        let spec: Spec = bundle.read("fusion").unwrap();
        let named: BTreeMap<String, Code> = every_code().map(|c| (c.name(), c)).collect();
        let mut recent = Recent::default();
        for track in Track::ALL {
            if let Some(values) = self.tracks.get(track.name()) {
                let values = values.iter().map(|x| x.unwrap_or(f32::NAN)).collect();
                recent.tracks[track as usize].0 = values;
            }
        }
        for ((code, value), ago) in self.event_codes.iter().zip(&self.event_values).zip(&self.event_hours_ago)
        {
            let at = AT - Span((ago * 3.6e9).round() as i64);
            recent.events.push(CodedEvent { code: named[&spec.codes[code - 1]], value: Some(*value), at });
        }
        recent
    }
}

fn cases(bundle: &Bundle) -> Parity {
    serde_json::from_slice(bundle.file("parity.json").unwrap()).unwrap()
}

fn close(got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() <= tolerance * (1.0 + w.abs()), "{g} is not {w}");
    }
}

#[test]
fn the_engine_answers_as_the_training_code_does() {
    let Some((fusion, bundle)) = fusion("the_engine_answers_as_the_training_code_does") else { return };
    let parity = cases(&bundle);
    assert!(parity.moments.len() >= 3);
    for case in &parity.moments {
        let recent = case.recent(&bundle);
        let answer = fusion.run(&case.hour, &recent, AT).unwrap();
        close(&answer.logits, &case.logits, parity.tolerance);
        close(&answer.embedding, &case.embedding, parity.tolerance);
        close(&answer.gates, &case.gates, parity.tolerance);
        assert_eq!(fusion.run(&case.hour, &recent, AT).unwrap().logits, answer.logits);
    }
}

#[test]
fn without_any_modality_the_joint_view_is_the_encoders_to_the_bit() {
    let Some((fusion, bundle)) = fusion("without_any_modality_the_joint_view_is_the_encoders_to_the_bit")
    else {
        return;
    };
    let hour = &cases(&bundle).moments[0].hour;
    let fused = fusion.assess(hour, &Recent::default(), AT).unwrap();
    assert_eq!(fused.embedding, *hour);
    assert_eq!(fused.gates, [0.0; 5]);
    assert_eq!(fused.risks, [], "no head speaks without what it needs");
}

#[test]
fn a_head_speaks_when_what_it_needs_is_there_and_says_why() {
    let Some((fusion, bundle)) = fusion("a_head_speaks_when_what_it_needs_is_there_and_says_why") else {
        return;
    };
    let hour = &cases(&bundle).moments[0].hour;
    let mut recent = Recent::default();
    // Steady, then a fall of 5.5 mg/dL every five minutes to 71.
    let falling: Vec<f32> = (0..36_u8).map(|i| 170.0 - 5.5 * f32::from(i.saturating_sub(17))).collect();
    recent.tracks[Track::Glucose as usize].0 = falling;
    let fused = fusion.assess(hour, &recent, AT).unwrap();
    assert_eq!(fused.risks.iter().map(|r| r.head).collect::<Vec<_>>(), [Head::Hypoglycaemia]);
    let mut steady = recent.clone();
    steady.tracks[Track::Glucose as usize].0 = vec![150.0; 36];
    let calm = fusion.assess(hour, &steady, AT).unwrap();
    let (falls, stands) = (&fused.risks[0], &calm.risks[0]);
    assert!(falls.probability >= falls.operating_point, "{falls:?}");
    assert!(stands.probability < stands.operating_point, "{stands:?}");
    assert!(fusion.head(Head::Seizure, &recent).is_none());
}

#[test]
fn why_a_fused_head_says_what_it_says_can_be_run_again() {
    let test = "why_a_fused_head_says_what_it_says_can_be_run_again";
    let Some((fusion, _)) = fusion(test) else { return };
    let Some(bundle) = shipped(&fusion.encoder().name) else { return };
    let Some(runtime) = installed(test) else { return };
    let encoder = crate::encoder::Encoder::load(&runtime, &bundle, 1).unwrap();
    let frame = crate::tokens::tests::frame(&[
        &[(Signal::HeartRate, 88.0), (Signal::RespRate, 18.0), (Signal::Lactate, 1.4)],
        &[(Signal::HeartRate, 118.0), (Signal::RespRate, 27.0), (Signal::NibpMean, 61.0)],
    ]);
    let width = Track::Minutes.columns().len();
    let mut recent = Recent::default();
    recent.tracks[Track::Minutes as usize].0 = vec![f32::NAN; 60 * width];
    recent.tracks[Track::Glucose as usize].0 = (0..36).map(|i| 170.0 - 2.5 * i as f32).collect();
    edit::held(&mut recent, Signal::HeartRate, 118.0, frame.at - Span::minutes(40), frame.at);
    edit::held(&mut recent, Signal::Spo2, 89.0, frame.at - Span::minutes(40), frame.at);
    let code = Code::Drug(Drug::Norepinephrine, InfusionAction::RateSet);
    recent.events.push(CodedEvent { code, value: Some(0.2), at: frame.at - Span::minutes(30) });
    let beyond = crate::encoder::explain::Beyond { fusion: &fusion, recent: &recent };
    let said = encoder.explain(&frame, Head::Hypoglycaemia, 20, &[], Some(beyond)).unwrap().unwrap();
    let head = fusion.head(Head::Hypoglycaemia, &recent).unwrap();
    let ask = |frame: &FeatureFrame, gone: &[Subject]| {
        let (_, embedding) = encoder.assess(frame).unwrap();
        let mut recent = recent.clone();
        edit::without(&mut recent, gone, None, frame.at);
        fusion.probability(head, &embedding, &recent, frame.at).unwrap()
    };
    let with = ask(&frame, &[]);
    let told = |subject| said.attributions.iter().find(|a| a.subject == subject).unwrap().delta;
    for subject in [Subject::Infusion(Drug::Norepinephrine), Subject::Signal(Signal::Spo2)] {
        assert_eq!(told(subject), with - ask(&frame, &[subject]), "{subject:?}");
    }
    // A signal that stands in the hours and in the minutes is gone from both.
    let mut without = frame.clone();
    let columns = without.grid.values.iter_mut().skip(Signal::HeartRate.index()).step_by(Signal::COUNT);
    columns.for_each(|x| *x = f32::NAN);
    let heart = [Signal::HeartRate, Signal::PulseRate].map(Subject::Signal);
    assert_eq!(told(heart[0]), with - ask(&without, &heart));
}

#[test]
fn missing_values_are_masks_and_not_numbers() {
    let columns = Track::Glucose.columns().len();
    let mut values = vec![f32::NAN; Track::Glucose.rows() * columns];
    values[2] = 95.0;
    let out = masked(Track::Glucose, &values);
    assert_eq!(out[..8], [0.0, 0.0, 0.0, 0.0, 95.0, 1.0, 0.0, 0.0]);
    assert_eq!(masked(Track::Eeg, &[]), vec![0.0; 60 * 32]);
}

#[test]
fn every_code_has_a_name_of_its_own() {
    let names: Vec<String> = every_code().map(Code::name).collect();
    assert_eq!(codes(&names).unwrap().len(), names.len());
    for bad in [&["love".to_owned()][..], &[names[0].clone(), names[0].clone()]] {
        assert!(matches!(codes(bad), Err(Error::Code(_))));
    }
}
