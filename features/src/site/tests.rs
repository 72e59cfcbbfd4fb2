use bedwatch_schemas::{
    event::{Body, Event, Numeric, Provenance, Stream},
    frame::FeatureFrame,
    ids::{PatientId, SourceId},
    medication::{Dose, Drug, Infusion, InfusionAction},
    risk::{Assessment, Head, ModelRef, Risk},
    signal::Signal,
    time::Span,
};

use super::*;
use crate::{Config, PatientState};

mod laws;
mod qsofa;

pub(super) const ZERO: EventTime = EventTime::from_micros(1_699_999_200_000_000);

/// A patient of whom these values came, so many seconds after the beginning.
pub(super) struct Ward {
    state: PatientState,
    offset: i64,
}

impl Ward {
    pub(super) fn new() -> Self {
        Self { state: PatientState::new(PatientId::new("p").unwrap(), &Config::default()), offset: 0 }
    }

    fn take(mut self, secs: i64, body: Body) -> Self {
        let at = ZERO + Span::secs(secs);
        self.offset += 1;
        self.state.apply(&Event {
            patient: PatientId::new("p").unwrap(),
            encounter: None,
            location: None,
            source: SourceId::new("test").unwrap(),
            event_time: at,
            arrival: at.as_arrival_time(),
            provenance: Provenance { stream: Stream::Vitals, partition: 0, offset: self.offset, part: 0 },
            body,
        });
        self
    }

    pub(super) fn value(self, secs: i64, signal: Signal, value: f64) -> Self {
        self.take(secs, Body::Numeric(Numeric::new(signal, value)))
    }

    /// One value a second, from one second to before another.
    fn every_second(self, from: i64, to: i64, signal: Signal, value: f64) -> Self {
        (from..to).fold(self, |ward, s| ward.value(s, signal, value))
    }

    pub(super) fn infusion(self, secs: i64, drug: Drug, action: InfusionAction, rate: Option<f64>) -> Self {
        let dose = rate.map(|value| Dose { value, unit: Unit::UgPerKgMin });
        self.take(secs, Body::Medication(Infusion { drug, action, dose }))
    }

    pub(super) fn at(self, secs: i64) -> Seen {
        let frame = self.state.frame(ZERO + Span::secs(secs));
        Seen { frame, state: self.state, assessment: None }
    }
}

pub(super) struct Seen {
    pub(super) frame: FeatureFrame,
    pub(super) state: PatientState,
    assessment: Option<Assessment>,
}

impl Seen {
    pub(super) fn bed(&self) -> Bed<'_> {
        Bed { frame: &self.frame, state: &self.state, assessment: self.assessment.as_ref() }
    }
}

pub(super) fn name(text: &str) -> SiteName {
    SiteName::new(text).unwrap()
}

pub(super) fn rule(when: &str) -> Rule<'_> {
    Rule { name: name("r"), title: "Rule", when, clears_when: None }
}

fn feature(text: &str, expression: &str) -> Derived {
    Derived { name: name(text), expression: expression.to_owned(), unit: String::new() }
}

pub(super) fn compile(when: &str) -> Site {
    Site::compile(&[], &[rule(when)]).unwrap().unwrap()
}

fn says(when: &str, seen: &Seen) -> Option<bool> {
    let verdict = compile(when).judge(&[seen.bed()]).unwrap()[0];
    assert_eq!(verdict.clears, verdict.holds.map(|h| !h), "without clears_when the contrary clears");
    verdict.holds
}

fn refused(when: &str) -> String {
    Site::compile(&[], &[rule(when)]).unwrap_err().to_string()
}

/// Lactate 2, creatinine 0, no C-reactive protein; noradrenaline runs.
fn picture() -> Seen {
    Ward::new()
        .value(0, Signal::Lactate, 2.0)
        .value(0, Signal::Creatinine, 0.0)
        .infusion(0, Drug::Norepinephrine, InfusionAction::RateSet, Some(0.25))
        .at(60)
}

#[test]
fn every_operator_with_and_without_an_unknown() {
    const T: Option<bool> = Some(true);
    const F: Option<bool> = Some(false);
    let seen = picture();
    for (when, want) in [
        // comparisons at their boundary
        ("lactate_last > 2", F),
        ("lactate_last >= 2", T),
        ("lactate_last < 2", F),
        ("lactate_last <= 2.0", T),
        ("lactate_last = 2", T),
        ("lactate_last <> 2", F),
        ("lactate_last != 2", F),
        ("LACTATE_Last = 2e0", T),
        ("\"lactate_last\" = 2", T),
        ("crp_last > 2", None),
        ("crp_last = crp_last", None),
        // three-valued logic
        ("lactate_last = 2 AND crp_last > 1", None),
        ("lactate_last > 2 AND crp_last > 1", F),
        ("crp_last > 1 AND lactate_last > 2", F),
        ("lactate_last = 2 OR crp_last > 1", T),
        ("crp_last > 1 OR lactate_last = 2", T),
        ("lactate_last > 2 OR crp_last > 1", None),
        ("NOT lactate_last > 2", T),
        ("NOT crp_last > 2", None),
        ("lactate_last = 2 AND NULL", None),
        ("lactate_last > 2 AND NULL", F),
        // NULL by name
        ("crp_last IS NULL", T),
        ("lactate_last IS NULL", F),
        ("lactate_last IS NOT NULL", T),
        ("crp_last > 2 IS UNKNOWN", T),
        ("(lactate_last > 1) IS TRUE", T),
        ("(crp_last > 2) IS TRUE", F),
        ("(crp_last > 2) IS NOT TRUE", T),
        ("(lactate_last > 2) IS FALSE", T),
        ("(crp_last > 2) IS NOT FALSE", T),
        ("(lactate_last > 2) IS NOT UNKNOWN", T),
        ("crp_last IS DISTINCT FROM lactate_last", T),
        ("crp_last IS NOT DISTINCT FROM NULL", T),
        // arithmetic
        ("lactate_last + 1 = 3 AND lactate_last - 1 = 1", T),
        ("lactate_last * 2.5 = 5 AND lactate_last / 4 = 0.5", T),
        ("lactate_last % 1.5 = 0.5", T),
        ("-lactate_last = -2 AND +lactate_last = 2", T),
        ("lactate_last + crp_last > 0", None),
        ("2 + 3 * lactate_last = 8", T),
        ("(2 + 3) * lactate_last = 10", T),
        // no number: never infinite, never NaN
        ("lactate_last / creatinine_last > 3", None),
        ("NOT lactate_last / creatinine_last > 3", None),
        ("creatinine_last / creatinine_last > 3", None),
        ("lactate_last % creatinine_last > 3", None),
        ("ln(creatinine_last) < 0", None),
        ("ln(-lactate_last) > 0", None),
        ("sqrt(-lactate_last) > 0", None),
        ("exp(lactate_last * 1000) > 0", None),
        ("1e308 * lactate_last * 10 > 0", None),
        // sets, ranges, choices
        ("lactate_last BETWEEN 2 AND 3", T),
        ("lactate_last BETWEEN 1 AND 1.9", F),
        ("lactate_last NOT BETWEEN 2 AND 3", F),
        ("crp_last BETWEEN 2 AND 3", None),
        ("lactate_last BETWEEN 3 AND crp_last", F),
        ("lactate_last IN (1, 2, 3)", T),
        ("lactate_last IN (1, 3)", F),
        ("lactate_last IN (1, NULL)", None),
        ("lactate_last NOT IN (1, 3)", T),
        ("crp_last IN (1)", None),
        ("CASE WHEN crp_last > 1 THEN FALSE ELSE TRUE END AND lactate_last = 2", T),
        ("CASE WHEN lactate_last > 1 THEN 10 WHEN lactate_last > 0 THEN 5 END = 10", T),
        ("CASE WHEN lactate_last > 9 THEN 10 END = 10", None),
        ("CASE lactate_last WHEN 2 THEN NULL ELSE 1 END IS NULL", T),
        // functions
        ("abs(-lactate_last) = 2", T),
        (
            "round(lactate_last + 0.5) = 3 AND floor(lactate_last + 0.9) = 2 AND ceil(lactate_last + 0.1) = 3",
            T,
        ),
        ("sqrt(lactate_last * 2) = 2 AND power(lactate_last, 3) = 8", T),
        ("ln(exp(lactate_last)) > 1.99", T),
        ("coalesce(crp_last, lactate_last) = 2", T),
        ("coalesce(crp_last, NULL, crp_last) = 2", None),
        ("coalesce(crp_last > 1, FALSE) OR lactate_last = 2", T),
        ("coalesce(crp_last > 1, lactate_last = 2)", T),
        ("nullif(lactate_last, 2) IS NULL AND nullif(lactate_last, 3) = 2", T),
        ("greatest(lactate_last, crp_last, 1) = 2 AND least(lactate_last, crp_last, 1) = 1", T),
        ("greatest(crp_last, crp_last) IS NULL", T),
        // truth columns
        ("norepinephrine_running", T),
        ("norepinephrine_running AND lactate_last > 2", F),
        ("NOT norepinephrine_running", F),
        ("norepinephrine_running = TRUE", T),
        ("vasopressin_running", None),
        ("NOT vasopressin_running", None),
        ("coalesce(vasopressin_running, FALSE) OR norepinephrine_ug_per_kg_min = 0.25", T),
    ] {
        assert_eq!(says(when, &seen), want, "{when}");
    }
}

#[test]
fn what_is_refused_is_named_with_its_place_and_the_way_out() {
    let said: Vec<String> = [
        "map_min_7m < 65",
        "lactat_last > 2",
        "lactate_last >\n  2 AND lactose_last < 1",
        "frame.lactate_last > 2",
        "lactate_last",
        "lactate_last > 2 AND heart_rate_last",
        "lactate_last + (heart_rate_last > 2) > 1",
        "NOT lactate_last",
        "norepinephrine_running > 1",
        "lactate_last = norepinephrine_running",
        "CASE WHEN lactate_last > 1 THEN 1 ELSE TRUE END",
        "random() > lactate_last",
        "now() > lactate_last",
        "current_timestamp > lactate_last",
        "avg(lactate_last) > 2",
        "max(lactate_last) OVER (ORDER BY lactate_last) > 2",
        "lactate_last > (SELECT 1)",
        "EXISTS (SELECT 1)",
        "lactate_last IN (SELECT 1)",
        "pg_sleep(lactate_last) > 1",
        "abs(lactate_last, 2) > 1",
        "coalesce(lactate_last) > 1",
        "CAST(lactate_last AS INT) > 1",
        "lactate_last > '2'",
        "lactate_last LIKE 'a'",
        "lactate_last || 'a' = 'b'",
        "lactate_last > $1",
        "lactate_last > 1e999",
        "lactate_last > 2; DROP TABLE beds",
        "lactate_last > ",
        "",
        "1 < 2",
        "TRUE",
        "lactate_last > 2 AS x",
    ]
    .iter()
    .map(|when| {
        let error = refused(when);
        error.strip_prefix("alerts.rules \"r\", when: ").map_or(error.clone(), str::to_owned)
    })
    .collect();
    insta::assert_snapshot!(said.join("\n"));
    let deep = format!("{}lactate_last > 1{}", "(".repeat(60), ")".repeat(60));
    assert!(refused(&deep).contains("recursion"), "{}", refused(&deep));
    let long = format!("lactate_last > 1{}", " ".repeat(MAX_EXPRESSION));
    assert!(refused(&long).contains("at most 2000 bytes"));
}

#[test]
fn features_come_before_what_names_them_and_all_errors_are_told() {
    let derived = [
        feature("shock_load", "heart_rate_last / sbp_last"),
        feature("overload", "shock_load * 2"),
        feature("pressed", "overload > 2 AND norepinephrine_running"),
    ];
    let when = "pressed AND overload > 2.5";
    let site = Site::compile(&derived, &[rule(when)]).unwrap().unwrap();
    let seen = Ward::new()
        .value(0, Signal::HeartRate, 130.0)
        .value(30, Signal::NibpSystolic, 100.0)
        .infusion(0, Drug::Norepinephrine, InfusionAction::RateSet, None)
        .at(60);
    assert_eq!(site.judge(&[seen.bed()]).unwrap()[0].holds, Some(true));
    let evidence = site.evidence(name("r"), &seen.bed()).unwrap();
    let told: Vec<(&str, f64, Unit, i64)> = evidence
        .facts
        .iter()
        .map(|f| (f.subject.name(), f.value, f.unit, f.at.since(ZERO).0 / 1_000_000))
        .collect();
    assert_eq!(
        told,
        [
            ("site_overload", 2.6, Unit::One, 30),
            ("site_shock_load", 1.3, Unit::One, 30),
            ("heart_rate", 130.0, Unit::PerMinute, 0),
            ("nibp_systolic", 100.0, Unit::MmHg, 30),
        ]
    );
    assert_eq!(evidence.rule, SiteRule { title: "Rule".to_owned(), when: when.to_owned() });
    assert_eq!(site.evidence(name("other"), &seen.bed()), None);

    let wrong = [
        feature("late", "later > 1"),
        feature("later", "heart_rate_last"),
        feature("later", "heart_rate_last"),
        feature("abs", "heart_rate_last"),
        feature("case", "heart_rate_last"),
        feature("lactate_last", "heart_rate_last"),
        Derived { unit: "furlong".to_owned(), ..feature("far", "heart_rate_last") },
        feature("constant", "1 + 1"),
    ];
    let rules =
        [rule("late > 1 AND nowhere > 1"), Rule { clears_when: Some("heart_rate_last"), ..rule("late > 1") }];
    insta::assert_snapshot!(Site::compile(&wrong, &rules).unwrap_err().to_string());
    assert!(Site::compile(&derived, &[]).unwrap().is_none(), "nothing to ask");
    assert!(Site::compile(&wrong, &[]).is_err(), "and yet what is wrong is said");
}

/// The same answer as the built-in rules give to whether a value still speaks of now.
#[test]
fn a_stale_value_is_unknown() {
    let lactate = |age: i64| Ward::new().value(0, Signal::Lactate, 3.0).at(age);
    let dense = |silence: i64| Ward::new().every_second(0, 600, Signal::AbpMean, 60.0).at(599 + silence);
    let cuff = |age: i64| Ward::new().value(0, Signal::NibpMean, 60.0).at(age);
    let sensor = |age: i64| Ward::new().value(0, Signal::CgmGlucose, 60.0).at(age);
    for (name, seen, when, want) in [
        ("a lab at its validity", lactate(1_440 * 60), "lactate_last > 2", Some(true)),
        ("a lab beyond it", lactate(1_440 * 60 + 1), "lactate_last > 2", None),
        ("its age is known all the same", lactate(1_440 * 60 + 60), "lactate_age_minutes = 1441", Some(true)),
        ("and its range is not", lactate(1_440 * 60 + 1), "lactate_max_24h > 2", None),
        ("a monitor two minutes silent", dense(120), "map_last < 65", Some(true)),
        ("a monitor silent for longer", dense(121), "map_last < 65", None),
        ("its windows go with it", dense(121), "map_min_10m < 65", None),
        ("how many came is known", dense(121), "abp_mean_count_5m = 179", Some(true)),
        ("and none in the last minute", dense(121), "abp_mean_count_1m = 0", Some(true)),
        ("a cuff now and then", cuff(239 * 60), "map_last < 65", Some(true)),
        ("a cuff beyond its validity", cuff(241 * 60), "map_last < 65", None),
        ("a sensor of 20 minutes", sensor(20 * 60), "cgm_glucose_last < 70", Some(true)),
        ("a sensor beyond", sensor(20 * 60 + 1), "cgm_glucose_last < 70", None),
        ("what never came", cuff(0), "lactate_last > 2", None),
        ("nor its age", cuff(0), "lactate_age_minutes > 60", None),
        ("nor its count", cuff(0), "heart_rate_count_5m = 0", None),
    ] {
        assert_eq!(says(when, &seen), want, "{name}: {when}");
    }
}

#[test]
fn the_arterial_line_comes_before_the_cuff() {
    let both = || Ward::new().value(0, Signal::NibpMean, 80.0).value(0, Signal::AbpMean, 60.0);
    let seen = both().at(60);
    assert_eq!(says("map_last = 60", &seen), Some(true));
    let fact = compile("map_last < 65").evidence(name("r"), &seen.bed()).unwrap().facts[0];
    assert_eq!((fact.subject, fact.value), (Subject::Signal(Signal::AbpMean), 60.0));
    // An hour on only the cuff is still valid.
    let seen = both().at(61 * 60);
    assert_eq!(says("map_last = 80", &seen), Some(true));
    let evidence = compile("map_min_4h < 65").evidence(name("r"), &seen.bed()).unwrap();
    assert_eq!(evidence.facts[0].subject.name(), "nibp_mean_min_4h");
}

#[test]
fn windows_between_those_of_a_frame_and_the_same_where_it_has_them() {
    let mut ward = Ward::new();
    for s in 0..=4_000 {
        let value = 60.0 + f64::from((s * 7 % 23) as u32);
        ward = ward.value(s * 3, Signal::AbpMean, value);
    }
    let seen = ward.at(3 * 4_000);
    let vital = seen.frame.vital(Signal::AbpMean).unwrap();
    for w in &vital.windows {
        let (pane, expected) = seen.state.window(Signal::AbpMean, w.length.span(), seen.frame.at).unwrap();
        assert_eq!(pane.unwrap().stats(w.length, expected), *w);
    }
    // By hand: the values of the last ten minutes are those of 200 steps, and 23 steps hold them all.
    assert_eq!(says("map_min_10m = 60 AND map_max_10m = 82 AND abp_mean_count_10m = 200", &seen), Some(true));
    assert_eq!(says("abp_mean_completeness_10m = 1 AND abp_mean_sd_30m > 6", &seen), Some(true));
}

#[test]
fn scores_risks_and_clearing() {
    let mut seen = Ward::new()
        .value(0, Signal::HeartRate, 131.0)
        .value(0, Signal::RespRate, 25.0)
        .value(0, Signal::Spo2, 91.0)
        .at(60);
    let news2 = seen.frame.score(bedwatch_schemas::score::ScoreKind::News2).unwrap();
    assert!(!news2.complete && news2.value == 9.0, "{news2:?}");
    assert_eq!(says("news2 >= 7", &seen), None, "a part is not known");
    assert_eq!(says("news2_at_least >= 7", &seen), Some(true));
    assert_eq!(says("sepsis_risk > 40", &seen), None);
    let risk = Risk {
        head: Head::Sepsis,
        probability: 0.5,
        operating_point: 0.4,
        high_priority_point: 0.6,
        certainty: None,
    };
    seen.assessment = Some(Assessment {
        patient: PatientId::new("p").unwrap(),
        at: seen.frame.at,
        model: ModelRef { name: "m".to_owned(), version: "1".to_owned() },
        fusion: None,
        risks: vec![risk],
        distance: None,
        unfamiliar: true,
    });
    assert_eq!(says("sepsis_risk = 50", &seen), Some(true));
    assert_eq!(says("deterioration_risk > 40", &seen), None);

    let with = Rule {
        clears_when: Some("heart_rate_last < 120 AND lactate_last < 2"),
        ..rule("heart_rate_last > 130")
    };
    let site = Site::compile(&[], &[with, rule2()]).unwrap().unwrap();
    let verdicts = site.judge(&[seen.bed(), seen.bed()]).unwrap();
    assert_eq!(verdicts[0], Verdict { holds: Some(true), clears: Some(false), measured: None });
    assert_eq!(verdicts[1].holds, Some(false));
    assert_eq!(verdicts[..2], verdicts[2..], "the rules of one bed, then those of the next");
}

fn rule2() -> Rule<'static> {
    Rule { name: name("r2"), ..rule("heart_rate_last > 140") }
}

/// Persistence is counted on values: the newest time of what arrives every minute or oftener.
#[test]
fn what_arrives_often_must_persist() {
    let seen = Ward::new().value(0, Signal::Lactate, 3.0).every_second(0, 60, Signal::AbpMean, 60.0).at(60);
    let measured = |when| compile(when).judge(&[seen.bed()]).unwrap()[0].measured;
    assert_eq!(measured("lactate_last > 2"), None);
    assert_eq!(measured("map_min_5m < 65 AND lactate_last > 2"), Some(ZERO + Span::secs(59)));
    let derived = [feature("low", "map_last < 65")];
    let site = Site::compile(&derived, &[rule("low")]).unwrap().unwrap();
    assert_eq!(site.judge(&[seen.bed()]).unwrap()[0].measured, Some(ZERO + Span::secs(59)));
}

#[test]
fn what_is_not_known_is_told_as_missing() {
    let seen = Ward::new().value(0, Signal::Lactate, 3.0).at(3 * 86_400);
    let when = "lactate_last > 2 OR creatinine_last > 3 OR creatinine_delta > 1 OR map_min_10m < 65";
    let evidence = compile(when).evidence(name("r"), &seen.bed()).unwrap();
    assert_eq!(evidence.facts, []);
    let missing: Vec<_> = evidence.missing.iter().map(|m| (m.subject.name(), m.last_at)).collect();
    assert_eq!(missing, [("lactate", Some(ZERO)), ("creatinine", None), ("abp_mean", None)]);
}
