use bedwatch_schemas::{
    evidence::Band,
    summary::{CardiacSummary, FeedState, WindowStats},
};

use super::*;
use crate::testing::{SOURCE, With, assessment, at, frame, past, window};

const NOW: i64 = 100_000;

fn signal(s: Signal) -> Subject {
    Subject::Signal(s)
}

fn subjects(evidence: &Evidence) -> Vec<Subject> {
    evidence.facts.iter().map(|f| f.subject).collect()
}

fn missing(evidence: &Evidence) -> Vec<Subject> {
    evidence.missing.iter().map(|m| m.subject).collect()
}

fn of(kind: AlertKind, frame: &FeatureFrame) -> Evidence {
    collect(kind, None, frame, None, &[])
}

fn moved(subject: Subject) -> Attribution {
    Attribution { subject, delta: 0.1, since: None }
}

/// Everything any kind asks for is known.
fn whole() -> FeatureFrame {
    let mut f = frame(NOW);
    for s in [Signal::AbpMean, Signal::NibpMean, Signal::HeartRate, Signal::RespRate, Signal::Temperature] {
        f = f.dense(s, 50.0);
    }
    for s in [Signal::Spo2, Signal::Etco2, Signal::AbpSystolic, Signal::NibpSystolic, Signal::CgmGlucose] {
        f = f.dense(s, 50.0);
    }
    for s in [Signal::Lactate, Signal::Wbc, Signal::Fio2, Signal::Pao2, Signal::Hemoglobin] {
        f = f.lab_of(s, 40.0, Span::hours(1));
    }
    for s in [Signal::GcsTotal, Signal::Glucose] {
        f = f.lab_of(s, 15.0, Span::hours(1));
    }
    for kind in ScoreKind::ALL {
        f = f.scored(kind, 3.0, true, &[]);
    }
    f.infusion(Drug::Norepinephrine, Some(0.1), true).eeg_of(Span::ZERO, Span::minutes(1), 0.5).cgm(
        60.0,
        Span::ZERO,
        Some(50.0),
        false,
    )
}

#[test]
fn facts_are_numbered_in_order_at_most_so_many_and_no_subject_twice() {
    let risk = assessment(NOW, 0.5, 0.5);
    let attributions: Vec<_> = Signal::ALL.iter().map(|&s| moved(signal(s))).collect();
    for frame in [whole(), frame(NOW)] {
        for attributions in [&[][..], &attributions[..]] {
            for kind in AlertKind::ALL {
                let e = collect(kind, None, &frame, Some(&risk), attributions);
                assert!(e.facts.len() <= facts_of(kind), "{kind:?}");
                assert!(e.missing.len() <= MAX_MISSING, "{kind:?}");
                for (i, fact) in e.facts.iter().enumerate() {
                    assert_eq!(usize::from(fact.id.0), i, "{kind:?}");
                    assert_eq!(fact.band, limits::band(fact.subject, fact.value));
                }
                let mut all = [subjects(&e), missing(&e)].concat();
                let named = all.len();
                all.sort_unstable();
                all.dedup();
                assert_eq!(all.len(), named, "{kind:?} names a subject twice");
            }
        }
    }
}

#[test]
fn each_kind_says_what_tells_most_first() {
    use Subject::{Derived as D, Score as C};
    let cases: [(AlertKind, usize, &[Subject]); 6] = [
        (AlertKind::Respiratory, 6, &[signal(Signal::Spo2), signal(Signal::RespRate), signal(Signal::Fio2)]),
        (AlertKind::Shock, 7, &[signal(Signal::AbpMean), signal(Signal::NibpMean), C(ScoreKind::ShockIndex)]),
        (AlertKind::Seizure, 4, &[D(Derived::EegSeizureScore), D(Derived::EegDominantFrequency)]),
        (
            AlertKind::Hypoglycaemia,
            4,
            &[signal(Signal::CgmGlucose), D(Derived::CgmRate), D(Derived::CgmForecast)],
        ),
        (AlertKind::Hyperglycaemia, 4, &[signal(Signal::CgmGlucose), D(Derived::CgmRate)]),
        (AlertKind::EarlyWarning, 7, &[C(ScoreKind::News2), signal(Signal::RespRate), signal(Signal::Spo2)]),
    ];
    for (kind, count, first) in cases {
        let e = of(kind, &whole());
        assert_eq!(e.facts.len(), count, "{kind:?}");
        assert!(subjects(&e).starts_with(first), "{kind:?}: {:?}", subjects(&e));
        assert_eq!(e.missing, [], "{kind:?}");
    }
}

#[test]
fn the_risk_leads_and_what_moved_it_comes_next() {
    let risk = assessment(NOW - 5, 0.5, 0.25);
    let moved = [
        moved(signal(Signal::Wbc)),
        moved(signal(Signal::Crp)), // not known: skipped, and nobody asked for it
        moved(signal(Signal::Temperature)),
    ];
    for (kind, head, percent) in
        [(AlertKind::Sepsis, Head::Sepsis, 50.0), (AlertKind::Deterioration, Head::Deterioration, 25.0)]
    {
        let e = collect(kind, None, &whole(), Some(&risk), &moved);
        let want = [Subject::Risk(head), signal(Signal::Wbc), signal(Signal::Temperature)];
        assert!(subjects(&e).starts_with(&want), "{:?}", subjects(&e));
        let fact = e.facts[0];
        assert_eq!((fact.value, fact.unit, fact.at), (percent, Unit::Percent, at(NOW - 5)));
        assert_eq!(e.facts.len(), 8);
        assert_eq!(e.missing, []);
        let without = collect(kind, None, &whole(), None, &[]);
        assert!(!subjects(&without).contains(&Subject::Risk(head)), "no encoder, no risk");
    }
}

#[test]
fn an_unknown_subject_that_moved_the_model_is_missing_once() {
    let e = collect(AlertKind::Sepsis, None, &frame(NOW), None, &[moved(signal(Signal::Lactate))]);
    assert_eq!(missing(&e).iter().filter(|s| **s == signal(Signal::Lactate)).count(), 1);
}

#[test]
fn only_what_is_truly_unknown_is_missing() {
    use Signal as S;
    let gone = |s: Signal, age| frame(NOW).charted(s, 50.0, age);
    let line = frame(NOW).dense(S::AbpMean, 60.0);
    let cuff = frame(NOW).charted(S::NibpMean, 60.0, Span::hours(1));
    let (arterial, nibp) = (signal(S::AbpMean), signal(S::NibpMean));
    for (name, f, absent, present) in [
        ("the line serves for the cuff", line, vec![nibp], vec![]),
        ("the cuff serves for the line", cuff, vec![arterial], vec![]),
        ("neither", frame(NOW), vec![], vec![arterial, nibp]),
        ("cuff too old", gone(S::NibpMean, past(Span::hours(4))), vec![], vec![arterial, nibp]),
    ] {
        let missing = missing(&of(AlertKind::Shock, &f));
        assert!(absent.iter().all(|s| !missing.contains(s)), "{name}: {missing:?}");
        assert!(present.iter().all(|s| missing.contains(s)), "{name}: {missing:?}");
    }
    let systolic = of(AlertKind::EarlyWarning, &frame(NOW).charted(S::NibpSystolic, 90.0, Span::ZERO));
    assert!(!missing(&systolic).contains(&signal(S::AbpSystolic)));
    for kind in [AlertKind::Hypoglycaemia, AlertKind::Seizure] {
        let known: Vec<_> = missing(&of(kind, &frame(NOW)));
        assert!(known.iter().all(|s| matches!(s, Subject::Signal(S::Glucose | S::HeartRate))), "{known:?}");
    }
    // Nobody is asked for a pressor, a sensor or a capnometer that is not there.
    assert_eq!(
        missing(&of(AlertKind::Respiratory, &frame(NOW))),
        [S::Spo2, S::RespRate, S::Fio2, S::HeartRate].map(signal)
    );
}

#[test]
fn a_missing_value_says_when_it_was_last_known() {
    let minutes = 61;
    let f = frame(NOW).charted(Signal::Spo2, 95.0, Span::minutes(minutes)).lab_of(
        Signal::Fio2,
        40.0,
        past(Span::hours(24)),
    );
    let e = of(AlertKind::Respiratory, &f);
    let last = |s| e.missing.iter().find(|m| m.subject == signal(s)).unwrap().last_at;
    assert_eq!(last(Signal::Spo2), Some(at(NOW - minutes * 60)));
    assert_eq!(last(Signal::Fio2), Some(f.at - past(Span::hours(24))));
    assert_eq!(last(Signal::RespRate), None);
}

/// Only current values become facts, at the age the rules still read them.
#[test]
fn facts_age() {
    let beats = |age| CardiacSummary {
        modality: Modality::Ecg,
        at: at(NOW) - age,
        provenance: SOURCE,
        rate_per_min: None,
        quality: 1.0,
        beats: 300,
        sdnn_ms: None,
        rmssd_ms: Some(20.0),
        pnn50_percent: None,
        lf_ms2: None,
        hf_ms2: None,
        pressure: None,
    };
    let hrv = |age| FeatureFrame { cardiac: vec![beats(age)], ..frame(NOW) };
    let eeg = |age| frame(NOW).eeg_of(age, Span::ZERO, 0.0);
    let cgm = |age| frame(NOW).cgm(60.0, age, Some(50.0), false);
    let blood = |age| frame(NOW).lab_of(Signal::Pao2, 80.0, age).lab_of(Signal::Fio2, 40.0, Span::ZERO);
    type Make<'a> = &'a dyn Fn(Span) -> FeatureFrame;
    let cases: [(Subject, Span, Make<'_>, f64); 7] = [
        (signal(Signal::CgmGlucose), Span::minutes(20), &cgm, 60.0),
        (Subject::Derived(Derived::CgmForecast), Span::minutes(20), &cgm, 50.0),
        (Subject::Derived(Derived::CgmRate), Span::minutes(20), &cgm, -0.5),
        (Subject::Derived(Derived::EegSeizureScore), Span::secs(15), &eeg, 75.0),
        (Subject::Derived(Derived::EegSef95), Span::secs(15), &eeg, 15.0),
        (Subject::Derived(Derived::HrvRmssd), Span::minutes(5), &hrv, 20.0),
        (Subject::Derived(Derived::PfRatio), Span::hours(24), &blood, 200.0),
    ];
    for (subject, limit, make, value) in cases {
        let found = fact(subject, &make(limit), None).unwrap();
        assert!((found.value - value).abs() < 1e-9, "{subject:?}: {}", found.value);
        assert_eq!(found.at, at(NOW) - limit, "{subject:?}");
        assert_eq!(fact(subject, &make(past(limit)), None), None, "{subject:?} of long ago");
    }
}

#[test]
fn a_fact_carries_its_source_and_band() {
    let f = frame(NOW).dense(Signal::AbpMean, 54.0).scored(ScoreKind::ShockIndex, 1.2, true, &[]);
    let e = of(AlertKind::Shock, &f);
    let [pressure, index] = e.facts[..] else { panic!("two facts") };
    assert_eq!(
        (pressure.provenance, pressure.band, pressure.unit),
        (Some(SOURCE), Band::CriticalLow, Unit::MmHg)
    );
    assert_eq!((index.provenance, index.band, index.at), (None, Band::CriticalHigh, f.at));
}

#[test]
fn an_infusion_is_a_fact_while_it_runs_at_a_known_rate() {
    for (rate, running, known) in [(Some(0.2), true, true), (Some(0.2), false, false), (None, true, false)] {
        let e = of(AlertKind::Shock, &frame(NOW).infusion(Drug::Norepinephrine, rate, running));
        let pressor = Subject::Infusion(Drug::Norepinephrine);
        assert_eq!(subjects(&e).contains(&pressor), known, "{rate:?}, running: {running}");
        assert!(!missing(&e).contains(&pressor));
    }
}

#[test]
fn the_trend_is_of_the_shortest_window_that_moved_noteworthily() {
    use WindowLength::{H1, H8, H24, M1, M5};
    let minutes = Span::minutes;
    // Heart rate: 8 beats over the window are worth a word.
    let (falling, rising, stable) = (Direction::Falling, Direction::Rising, Direction::Stable);
    let w = window;
    type Case = (&'static str, Vec<WindowStats>, Option<(Direction, Span)>);
    let cases: [Case; 12] = [
        ("no window", vec![], None),
        ("two values", vec![w(M5, 2, 96.0)], None),
        ("8 in five minutes", vec![w(M5, 3, 96.0), w(H1, 9, -96.0)], Some((rising, minutes(5)))),
        ("less", vec![w(M5, 3, 95.9), w(H1, 9, -8.0)], Some((falling, minutes(60)))),
        ("less still", vec![w(M5, 3, 0.0), w(H1, 9, -7.9), w(H8, 20, 1.0)], Some((rising, minutes(480)))),
        ("nowhere", vec![w(M5, 3, 0.0), w(H1, 9, 7.9), w(H8, 20, 0.9)], Some((stable, minutes(480)))),
        ("only the hour", vec![w(M5, 1, 500.0), w(H1, 9, 7.9)], Some((stable, minutes(60)))),
        ("a minute and a day are not told", vec![w(M1, 9, 900.0), w(H24, 90, 9.0)], None),
        ("the hour knows no more", vec![w(M5, 3, 0.0), w(H1, 3, 90.0)], Some((stable, minutes(5)))),
        ("nor do five minutes", vec![w(M1, 9, 900.0), w(M5, 9, 900.0)], None),
        ("charted", vec![w(H1, 1, 0.0), w(H8, 3, -1.0)], Some((falling, minutes(480)))),
        ("no slope", vec![WindowStats { slope_per_hour: None, ..w(M5, 3, 0.0) }], None),
    ];
    for (name, windows, want) in cases {
        let f = frame(NOW).vital(Signal::HeartRate, 100.0, Span::ZERO, windows);
        let trend = fact(signal(Signal::HeartRate), &f, None).unwrap().trend;
        assert_eq!(trend.map(|t| (t.direction, t.over)), want, "{name}");
    }
}

#[test]
fn no_trend_reaches_back_before_the_stay() {
    let windows = || vec![window(WindowLength::M5, 3, 0.0), window(WindowLength::H1, 9, 40.0)];
    for (minutes, want) in [
        (0, None),
        (4, Some((Direction::Stable, 4))),
        (11, Some((Direction::Stable, 11))),
        (12, Some((Direction::Rising, 12))), // 8 beats
        (60, Some((Direction::Rising, 60))),
        (600, Some((Direction::Rising, 60))),
    ] {
        let stay_start = at(NOW) - Span::minutes(minutes);
        let f = FeatureFrame { stay_start, ..frame(NOW) };
        let f = f.vital(Signal::HeartRate, 100.0, Span::ZERO, windows());
        let trend = fact(signal(Signal::HeartRate), &f, None).unwrap().trend;
        assert_eq!(
            trend.map(|t| (t.direction, t.over)),
            want.map(|(direction, minutes)| (direction, Span::minutes(minutes))),
            "{minutes} min into the stay"
        );
    }
}

#[test]
fn the_trend_of_a_lab_is_its_change_since_the_result_before() {
    // Lactate: .4 mmol/L are worth a word.
    let cases = [
        (2.0, 48 * 3_600_000_000, Some(Direction::Rising)),
        (2.0, 48 * 3_600_000_000 + 1, None),
        (2.0, 0, None),
        (3.5, 3_600_000_000, Some(Direction::Rising)),
        (3.75, 3_600_000_000, Some(Direction::Stable)),
        (4.25, 3_600_000_000, Some(Direction::Stable)),
        (4.5, 3_600_000_000, Some(Direction::Falling)),
    ];
    for (before, micros, want) in cases {
        let mut f = frame(NOW).lab_of(Signal::Lactate, 4.0, Span::ZERO);
        f.labs[0].previous = Some((before, at(NOW) - Span(micros)));
        let trend = fact(signal(Signal::Lactate), &f, None).unwrap().trend;
        assert_eq!(trend.map(|t| t.direction), want, "{before} {micros} us before");
        if let Some(t) = trend {
            assert!((t.per_hour * t.over.as_hours_f64() - (4.0 - before)).abs() < 1e-9);
        }
    }
}

#[test]
fn the_trend_of_the_sensor_is_its_rate() {
    // 15 mg/dL in 20 min are worth a word.
    for (forecast, want) in [
        (None, None),
        (Some(45.1), Some(Direction::Stable)),
        (Some(45.0), Some(Direction::Falling)),
        (Some(75.0), Some(Direction::Rising)),
    ] {
        let f = frame(NOW).cgm(60.0, Span::ZERO, forecast, false);
        let trend = fact(signal(Signal::CgmGlucose), &f, None).unwrap().trend;
        assert_eq!(trend.map(|t| t.direction), want, "{forecast:?}");
    }
}

#[test]
fn technical_alerts_rest_on_their_feed_alone() {
    let f = whole().feed(Modality::Vitals, Span::secs(90), FeedState::Stale).feed(
        Modality::Eeg,
        Span::secs(30),
        FeedState::Lost,
    );
    for (kind, modality, age) in
        [(AlertKind::StaleFeed, Modality::Vitals, 90), (AlertKind::SignalLost, Modality::Eeg, 30)]
    {
        let e = collect(kind, Some(modality), &f, None, &[]);
        assert_eq!(e.feeds, [SilentFeed { modality, last_at: at(NOW - age) }]);
        assert!(e.facts.is_empty() && e.missing.is_empty());
    }
    assert!(of(AlertKind::Shock, &f).feeds.is_empty());
    assert!(collect(AlertKind::StaleFeed, Some(Modality::Abp), &f, None, &[]).feeds.is_empty());
}
