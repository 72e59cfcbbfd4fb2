use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use super::*;

/// A file of the challenge's data, or a printed line that says what is skipped.
fn shared(test: &str, file: &str) -> Option<PathBuf> {
    let root = std::env::var_os("BEDWATCH_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let path = root.join("sepsis-cinc2019").join(file);
    if path.exists() {
        return Some(path);
    }
    println!("SKIPPED {test}: {} is absent", path.display());
    None
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn close(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() < 1e-6, "{what}: {got} is not {want}");
}

#[test]
fn the_published_worked_case() {
    // evaluation-2019: labels 000011, alerts 001111.
    let stay: Vec<(bool, bool)> =
        "000011".chars().zip("001111".chars()).map(|(l, a)| (l == '1', a == '1')).collect();
    close(utility(&stay)[0], 3.388_888_9, "utility");
}

#[test]
fn hours_predicted_as_zero_are_not_counted_in() {
    let p = |truth, probability| Prediction { truth, probability, alarm: probability > 0.5 };
    // Thresholds 1 and .6: the area ends at sensitivity 1/2.
    let (auroc, auprc) = areas(&[p(true, 0.6), p(false, 0.6), p(true, 0.0), p(false, 0.0)]);
    close(auroc, 0.5 * 0.5 * 1.5, "AUROC");
    close(auprc, 0.5 * 0.5, "AUPRC");
    assert_eq!(score(&[vec![p(false, 0.1)]]), None);
}

#[test]
fn worked_cases() {
    let Some(path) = shared("worked_cases", "scoring/worked-cases.json") else { return };
    let cases = json(&path);
    for case in cases["cases"].as_array().unwrap() {
        let labels: Vec<bool> = case["labels"].as_array().unwrap().iter().map(|l| number(l) > 0.5).collect();
        let of = |alarm: &dyn Fn(usize) -> bool| {
            utility(&labels.iter().enumerate().map(|(t, l)| (*l, alarm(t))).collect::<Vec<_>>())[0]
        };
        let never = of(&|_| false);
        close(never, number(&case["utility_all_zero"]), "never");
        close(of(&|_| true), number(&case["utility_all_one"]), "always");
        for (hour, gain) in case["gain_of_single_positive_at_hour"].as_array().unwrap().iter().enumerate() {
            close(of(&|t| t == hour) - never, number(gain), "one hour");
        }
    }
}

/// The sepsis labels of every stay of set B, out of the packed file.
fn labels_of_set_b(test: &str) -> Option<BTreeMap<String, Vec<bool>>> {
    let path = shared(test, "training_setB.dev.tar.zst")?;
    let spawned = Command::new("zstd").arg("-dcq").arg(path).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = spawned else {
        println!("SKIPPED {test}: there is no zstd to unpack the stays");
        return None;
    };
    let mut tar = child.stdout.take().unwrap();
    let mut stays = BTreeMap::new();
    let mut header = [0; 512];
    while tar.read_exact(&mut header).is_ok() && header[0] != 0 {
        let text = |range: std::ops::Range<usize>| {
            String::from_utf8_lossy(&header[range]).trim_end_matches(['\0', ' ']).to_owned()
        };
        let size = usize::from_str_radix(&text(124..136), 8).unwrap();
        let mut body = vec![0; size.next_multiple_of(512)];
        tar.read_exact(&mut body).unwrap();
        let name = text(0..100);
        if let Some(record) = Path::new(&name).file_name().and_then(|n| n.to_str()?.strip_suffix(".psv")) {
            let rows = std::str::from_utf8(&body[..size]).unwrap().lines().skip(1);
            let labels = rows.map(|row| row.rsplit('|').next().unwrap().trim() == "1").collect();
            stays.insert(record.to_owned(), labels);
        }
    }
    assert!(child.wait().unwrap().success());
    Some(stays)
}

/// What the official script returned for one team's predictions, and its totals over all of set B.
#[test]
fn the_official_scores() {
    let test = "the_official_scores";
    let (Some(path), Some(labels)) = (shared(test, "scoring/expected.json"), labels_of_set_b(test)) else {
        return;
    };
    let expected = json(&path);
    let folder = path.parent().unwrap().join("predictions");
    let mut stays = Vec::new();
    for record in expected["records"].as_array().unwrap() {
        let record = record.as_str().unwrap();
        let text = std::fs::read_to_string(folder.join(format!("{record}.psv"))).unwrap();
        let rows: Vec<&str> = text.lines().skip(1).collect();
        let truths = &labels[record];
        assert_eq!(rows.len(), truths.len(), "{record}");
        stays.push(
            rows.iter()
                .zip(truths)
                .map(|(row, truth)| {
                    let (probability, alarm) = row.split_once('|').unwrap();
                    let probability = probability.parse().unwrap();
                    Prediction { truth: *truth, probability, alarm: alarm.trim() == "1" }
                })
                .collect::<Vec<_>>(),
        );
    }
    let got = serde_json::to_value(score(&stays).unwrap()).unwrap();
    for (name, want) in expected["expected"].as_object().unwrap() {
        close(number(&got[name]), number(want), name);
    }

    let totals = &expected["split_totals"];
    assert_eq!(labels.len() as u64, totals["records"].as_u64().unwrap());
    let mut sums = [0.0; 4];
    let mut always = Vec::new();
    for truths in labels.values() {
        let stay = |alarm| utility(&truths.iter().map(|t| (*t, alarm)).collect::<Vec<_>>());
        let [observed, best, inaction] = stay(true);
        for (sum, x) in sums.iter_mut().zip([observed, best, inaction]) {
            *sum += x;
        }
        always.push([observed, best, inaction]);
    }
    close(sums[0], number(&totals["always_positive_utility"]), "always");
    close(sums[1], number(&totals["best_utility"]), "best");
    close(sums[2], number(&totals["inaction_utility"]), "inaction");
    close(normalised(&always).unwrap(), number(&totals["always_positive_normalized"]), "normalised");
}
