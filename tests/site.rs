//! A site's rules, from the text of a configuration to the alerts of a simulated ward: they are raised
//! and resolved when a computation of the same conditions in plain Rust says so, of a patient among
//! others as of the patient alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bedwatch::{config::Config, engine::Models, narration::request};
use bedwatch_inference::{check::check, writer::Writer};
use bedwatch_ingest::kafka::source::OwnedRecord;
use bedwatch_schemas::{
    alert::{Alert, AlertKind, Phase},
    frame::{FeatureFrame, Reading},
    ids::PatientId,
    rationale::{RationaleSource, TemplateReason},
    signal::Signal,
    time::{EventTime, Span},
};

use crate::{support::bedwatch, ward};

const RULES: &str = r#"
[[features.derived]]
name = "fast"
expression = "heart_rate_last > 95"

[[alerts.rules]]
name = "low_and_fast"
title = "Low saturation with a fast heart"
when = "spo2_last < 95 AND fast"
priority = "low"
persistence_secs = 0
clear_secs = 0
refractory_secs = 0

[[alerts.rules]]
name = "low_pressure"
when = "map_last < 75"
clears_when = "map_last >= 80"
priority = "medium"
persistence_secs = 0
clear_secs = 0
refractory_secs = 0
"#;

fn config() -> Config {
    let file = tempfile();
    std::fs::write(&file, RULES).unwrap();
    let config = Config::load(Some(&file), &BTreeMap::new()).unwrap();
    std::fs::remove_file(&file).unwrap();
    config
}

fn tempfile() -> std::path::PathBuf {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    std::env::temp_dir().join(format!("bedwatch-site-{}-{n}.toml", std::process::id()))
}

fn models() -> Models {
    Models { encoder: None, fusion: None, writer: Arc::new(Writer::new(None)) }
}

/// What is said of a rule at one moment: whether it holds, whether it is clear, and the newest time of
/// what arrives often.
type Said = (Option<bool>, Option<bool>, Option<EventTime>);

type Rule = fn(&FeatureFrame) -> Said;

fn speaks(frame: &FeatureFrame, signal: Signal) -> Option<Reading> {
    frame.reading(signal).filter(|r| !r.silent)
}

fn low_and_fast(frame: &FeatureFrame) -> Said {
    let (spo2, rate) = (speaks(frame, Signal::Spo2), speaks(frame, Signal::HeartRate));
    let holds = match (spo2.map(|r| r.value < 95.0), rate.map(|r| r.value > 95.0)) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    };
    let measured = [spo2, rate].into_iter().flatten().filter(|r| r.often).map(|r| r.at).max();
    (holds, holds.map(|h| !h), measured)
}

fn low_pressure(frame: &FeatureFrame) -> Said {
    let map = speaks(frame, Signal::AbpMean).or_else(|| speaks(frame, Signal::NibpMean));
    let measured = map.filter(|r| r.often).map(|r| r.at);
    (map.map(|r| r.value < 75.0), map.map(|r| r.value >= 80.0), measured)
}

/// An episode without persistence, clearing and quiet time.
#[derive(Default, Clone, Copy)]
struct Course {
    open: Option<EventTime>,
    pending: Option<EventTime>,
    ended: Option<EventTime>,
}

impl Course {
    fn step(&mut self, now: EventTime, (holds, clear, measured): Said) -> Option<(Phase, EventTime)> {
        if let Some(onset) = self.open {
            if holds != Some(true) && clear == Some(true) && now > onset {
                *self = Self { ended: Some(now), ..Self::default() };
                return Some((Phase::Resolved, onset));
            }
            return None;
        }
        if holds != Some(true) {
            self.pending = None;
            return None;
        }
        let since = self
            .pending
            .unwrap_or(measured.unwrap_or(now))
            .max(self.ended.unwrap_or(EventTime::from_micros(0)));
        if measured.is_some_and(|m| m < since) {
            self.pending = Some(since);
            return None;
        }
        *self = Self { open: Some(since), ..Self::default() };
        Some((Phase::Raised, since))
    }
}

type Told = (PatientId, &'static str, Phase, EventTime, EventTime);

/// Every alert of the site's rules with its words, beside what plain Rust says of the same frames.
fn told(records: &[OwnedRecord]) -> (Vec<Alert>, Vec<Told>) {
    let rules: [(&'static str, Rule); 2] =
        [("site_low_and_fast", low_and_fast), ("site_low_pressure", low_pressure)];
    let mut courses = BTreeMap::<(PatientId, &str), Course>::new();
    let (mut alerts, mut wanted) = (Vec::new(), Vec::new());
    let writer = models().writer;
    ward::fold_with(&config(), records, models(), |step| {
        for (frame, _) in &step.frames {
            for (name, rule) in rules {
                let course = courses.entry((frame.patient.clone(), name)).or_default();
                if let Some((phase, onset)) = course.step(frame.at, rule(frame)) {
                    wanted.push((frame.patient.clone(), name, phase, onset, frame.at));
                }
            }
        }
        for output in step.outputs {
            if !matches!(output.draft.kind(), AlertKind::Site(_)) {
                continue;
            }
            let rationale = writer.write(&request(&output), &|| false);
            let alert = output.draft.with_rationale(rationale);
            if alert.phase == Phase::Expired {
                // The patient left: no frame says so.
                let course = courses.remove(&(alert.patient.clone(), alert.kind.name()));
                assert!(course.is_some_and(|c| c.open == Some(alert.onset)));
            }
            alerts.push(alert);
        }
    });
    assert_eq!(writer.counts().template_refused, 0, "the checker takes what the template says");
    (alerts, wanted)
}

#[test]
fn a_ward_raises_and_resolves_as_plain_rust_says() {
    let records = ward::records(16, Span::hours(2), Span::minutes(20), false);
    let (alerts, wanted) = told(&records);
    let lived = alerts.iter().filter(|a| a.phase != Phase::Expired);
    let got: Vec<Told> = lived.map(|a| (a.patient.clone(), a.kind.name(), a.phase, a.onset, a.at)).collect();
    assert_eq!(got.len(), wanted.len());
    for (got, want) in got.iter().zip(&wanted) {
        assert!(got == want, "{:?} for {:?}", (got.1, got.2, got.3, got.4), (want.1, want.2, want.3, want.4));
    }
    let count = |kind, phase| wanted.iter().filter(|w| w.1 == kind && w.2 == phase).count();
    for kind in ["site_low_and_fast", "site_low_pressure"] {
        let (raised, resolved) = (count(kind, Phase::Raised), count(kind, Phase::Resolved));
        println!("{kind}: raised {raised}, resolved {resolved}");
        assert!(raised > 3 && resolved > 1, "{kind}: {raised} raised, {resolved} resolved");
    }
    for alert in &alerts {
        let rule = alert.evidence.rule.as_ref().unwrap();
        assert_eq!(alert.decision.by.name, "site-rules");
        assert_eq!(alert.rationale.source, RationaleSource::Template(TemplateReason::SiteRule));
        let words = Writer::new(None);
        assert_eq!(check(&alert.rationale.text, alert.kind, &alert.evidence, words.lexicon()), Ok(()));
        let named = ["Low saturation with a fast heart", "low pressure"];
        assert!(
            named.contains(&rule.title.as_str())
                && alert.rationale.text.to_lowercase().contains(&rule.title.to_lowercase())
        );
        if alert.phase == Phase::Raised {
            assert!(!alert.evidence.facts.is_empty());
            let again: Alert = serde_json::from_str(&serde_json::to_string(alert).unwrap()).unwrap();
            assert_eq!(&again, alert);
        }
    }
    // Alone as among the others, byte for byte.
    let merged = |r: &OwnedRecord| String::from_utf8_lossy(&r.payload).contains("MRG|");
    let of_merges: BTreeSet<&str> =
        records.iter().filter(|r| merged(r)).filter_map(|r| r.key.as_deref()).collect();
    let patients: BTreeSet<&str> = alerts.iter().map(|a| a.patient.as_str()).collect();
    let mut alone = 0;
    for patient in patients.into_iter().filter(|p| !of_merges.contains(p)).take(6) {
        let of = |r: &&OwnedRecord| r.key.as_deref() == Some(patient);
        let own: Vec<OwnedRecord> = records
            .iter()
            .filter(of)
            .map(|r| OwnedRecord {
                stream: r.stream,
                partition: r.partition,
                offset: r.offset,
                timestamp: r.timestamp,
                key: r.key.clone(),
                payload: r.payload.clone(),
            })
            .collect();
        let bytes = |alerts: &[Alert]| -> Vec<String> {
            let mine = alerts.iter().filter(|a| a.patient.as_str() == patient);
            mine.map(|a| serde_json::to_string(a).unwrap()).collect()
        };
        let (mine, _) = told(&own);
        assert_eq!(bytes(&mine), bytes(&alerts));
        alone += bytes(&mine).len();
    }
    assert!(alone > 3, "{alone}");
}

#[test]
fn the_check_says_all_that_is_wrong_and_the_listing_what_there_is() {
    let file = tempfile();
    let wrong = RULES.replace("spo2_last", "spo_last").replace("map_last < 75", "map_last");
    std::fs::write(&file, wrong).unwrap();
    let run = |args: &[&str]| {
        let out = bedwatch().args(args).output().unwrap();
        (out.status.code(), String::from_utf8(out.stdout).unwrap())
    };
    let (code, said) = run(&["config", "check", file.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{said}");
    for part in [
        "alerts.rules \"low_and_fast\", when: there is no column \"spo_last\" at character 1; the nearest is \"spo2_last\"",
        "alerts.rules \"low_pressure\", when: it is a number, and a rule needs a condition",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let page = std::fs::read_to_string("docs/rules.md").unwrap();
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(example.matches("[[alerts.rules]]").count() >= 3);
    for stands in [RULES, example] {
        std::fs::write(&file, stands).unwrap();
        let (code, said) = run(&["config", "check", file.to_str().unwrap()]);
        assert!(code == Some(0) && said.contains("stands"), "{said}");
    }
    std::fs::remove_file(&file).unwrap();
    let (code, all) = run(&["config", "columns"]);
    assert_eq!(code, Some(0));
    assert!(all.lines().count() > 1_000 && all.contains("map_min_10m") && all.contains("sepsis_risk"));
    let (_, json) = run(&["config", "columns", "lactate_last", "--json"]);
    let row: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
    assert_eq!((row["unit"].as_str(), row["kind"].as_str()), (Some("mmol/L"), Some("number")));
}
