//! The figures of a replay against scikit-learn's and against the challenges' formulas written a second
//! time, on random predictions with ties, single classes and stays of every length.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use bedwatch::replay::{challenge, labels::Scored, validation::ranked::Ranked};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::support::peer;

const CASES: usize = 400;

struct Case {
    stays: Vec<Vec<Scored>>,
    point: f32,
}

/// Coarse risks have many ties; some stays never turn septic, some begin so.
fn case(rng: &mut ChaCha8Rng) -> Case {
    let coarse = rng.random_bool(0.5);
    let risk = |rng: &mut ChaCha8Rng| match coarse {
        true => rng.random_range(0..=8) as f32 / 8.0,
        false => rng.random::<f32>(),
    };
    let stays = (0..rng.random_range(1..12)).map(|_| {
        let hours = rng.random_range(1..60);
        let onset = if rng.random_bool(0.4) { rng.random_range(0..hours) } else { hours };
        (0..hours).map(|hour| Scored { truth: hour >= onset, risk: risk(rng) }).collect()
    });
    let stays = stays.collect();
    Case { stays, point: risk(rng) }
}

fn ours(case: &Case) -> Value {
    let ranked = Ranked::new(case.stays.iter().map(Vec::as_slice));
    let once = vec![1; case.stays.len()];
    let alarms = |stay: &Vec<Scored>| -> [f64; 3] {
        challenge::utility(&stay.iter().map(|s| (s.truth, s.risk >= case.point)).collect::<Vec<_>>())
    };
    let benefits = ranked.net_benefit(&once, &[0.05, 0.2, 0.5]);
    json!({
        "auroc": ranked.auroc(&once),
        "auprc": ranked.auprc(&once),
        "calibration_error": ranked.calibration_error(&once),
        "min_sensitivity_predictivity": ranked.min_sensitivity_predictivity(&once),
        "net_benefit": benefits.iter().map(|b| b[0]).collect::<Vec<_>>(),
        "utility": challenge::normalised(&case.stays.iter().map(alarms).collect::<Vec<_>>()),
    })
}

#[test]
fn figures_equal_those_of_scikit_learn_and_the_challenges() {
    let Some(packages) = peer("figures against scikit-learn", "python") else { return };
    let mut rng = ChaCha8Rng::seed_from_u64(20_191);
    let cases: Vec<Case> = (0..CASES).map(|_| case(&mut rng)).collect();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/metrics/check.py");
    let mut python = Command::new("python3");
    python.arg(program).env("PYTHONPATH", packages).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = python.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    for case in &cases {
        let stays: Vec<Vec<(u8, f32)>> =
            case.stays.iter().map(|s| s.iter().map(|r| (u8::from(r.truth), r.risk)).collect()).collect();
        writeln!(input, "{}", json!({"stays": stays, "point": case.point})).unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let theirs: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(theirs.len(), CASES);
    let mut defined = 0;
    for (i, (case, theirs)) in cases.iter().zip(&theirs).enumerate() {
        let ours = ours(case);
        for (figure, value) in theirs.as_object().unwrap() {
            let close = |a: &Value, b: &Value| match (a.as_f64(), b.as_f64()) {
                (Some(a), Some(b)) => (a - b).abs() <= 1e-6,
                _ => a == b,
            };
            let same = match (value.as_array(), ours[figure].as_array()) {
                (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(a, b)),
                _ => close(value, &ours[figure]),
            };
            assert!(same, "case {i}, {figure}: {value} there, {} here", ours[figure]);
            defined += usize::from(!value.is_null());
        }
    }
    println!("{CASES} cases, {defined} figures");
    assert!(defined > CASES * 4);
}
