use bedwatch_schemas::{
    event::Modality,
    summary::{WindowLength, WindowStats},
    time::Span,
};

use super::*;
use crate::testing::{With, assessment, at, frame, past, window};

const NOW: i64 = 1_000;

/// What a rule says of a value taken at its word.
fn plain(priority: Priority) -> Holds {
    Holds::Yes { priority, measured: None }
}

/// What a rule says of a dense value just measured.
fn seen(priority: Priority) -> Holds {
    Holds::Yes { priority, measured: Some(at(NOW)) }
}

fn says(kind: AlertKind, frame: &FeatureFrame) -> Holds {
    evaluate(kind, frame, None, &Config::default())
}

use Holds::{Between, No, Unknown};
use Priority::{High, Low, Medium};

#[test]
fn respiratory_failure_at_every_boundary() {
    let cases = [
        (84.9, None, seen(High)),
        (85.0, None, seen(Medium)),
        (89.9, None, seen(Medium)),
        (90.0, None, Between),
        (90.0, Some(29.9), Between),
        (90.0, Some(30.0), seen(Medium)),
        (84.9, Some(30.0), seen(High)),
        (91.9, None, Between),
        (91.9, Some(29.9), Between),
        (91.9, Some(30.0), seen(Medium)),
        (92.0, None, No),
        (92.0, Some(27.9), No),
        (92.0, Some(28.0), Between),
        (92.0, Some(30.0), Between),
        (100.0, Some(60.0), Between),
    ];
    for (spo2, rate, want) in cases {
        let mut f = frame(NOW).dense(Signal::Spo2, spo2);
        if let Some(rate) = rate {
            f = f.dense(Signal::RespRate, rate);
        }
        assert_eq!(says(AlertKind::Respiratory, &f), want, "SpO2 {spo2}, rate {rate:?}");
    }
    assert_eq!(says(AlertKind::Respiratory, &frame(NOW).dense(Signal::RespRate, 40.0)), Unknown);
}

#[test]
fn a_silent_rate_neither_raises_nor_keeps_a_saturation_from_clearing() {
    for (spo2, want) in [(91.0, Between), (92.0, No)] {
        let f = frame(NOW).dense(Signal::Spo2, spo2).stopped(Signal::RespRate, 35.0, Span::minutes(6));
        assert_eq!(says(AlertKind::Respiratory, &f), want, "SpO2 {spo2}");
    }
}

/// Only a signal that arrives about every minute or oftener must be seen to persist, and it speaks
/// of now for two minutes; once it has stopped, growing old does not turn it into a charted value.
#[test]
fn dense_charted_and_stopped_signals() {
    let five = |count| vec![window(WindowLength::M5, count, 0.0)];
    let hour = |count, expected| vec![WindowStats { expected, ..window(WindowLength::H1, count, 0.0) }];
    let measured = |secs| Holds::Yes { priority: High, measured: Some(at(NOW - secs)) };
    let cases = [
        ("two values in five minutes", 0, five(2), plain(High)),
        ("three values in five minutes", 0, five(3), measured(0)),
        ("dense, two minutes old", 120, five(3), measured(120)),
        ("dense, older", 121, five(3), Unknown),
        ("sparse, older", 121, five(2), plain(High)),
        ("charted, an hour old", 3_600, vec![], plain(High)),
        ("charted, older than an hour", 3_601, vec![], Unknown),
        ("dense once, stopped ten minutes ago", 600, hour(3, Some(36)), Unknown),
        ("one of an hour, but just measured", 120, hour(3, Some(36)), plain(High)),
        ("every two minutes, ten minutes old", 600, hour(25, Some(35)), plain(High)),
        ("two values of a rate from long ago", 600, hour(2, Some(3_600)), plain(High)),
        ("no rate known", 600, hour(2, None), plain(High)),
    ];
    for (name, age, windows, want) in cases {
        let f = frame(NOW).vital(Signal::Spo2, 80.0, Span::secs(age), windows);
        assert_eq!(says(AlertKind::Respiratory, &f), want, "{name}");
    }
}

#[test]
fn shock_at_every_boundary() {
    // (mean pressure, lactate, shock index)
    let cases = [
        (49.9, None, None, seen(High)),
        (50.0, None, None, seen(Medium)),
        (59.9, None, None, seen(Medium)),
        (60.0, None, None, Between),
        (64.9, Some(2.0), Some(0.99), Between),
        (64.9, Some(2.1), None, seen(High)),
        (64.9, None, Some(1.0), seen(High)),
        (55.0, Some(2.1), None, seen(High)),
        (65.0, Some(9.0), Some(2.0), Between),
        (67.9, None, None, Between),
        (68.0, None, None, No),
        (68.0, Some(9.0), Some(2.0), No),
    ];
    for (map, lactate, index, want) in cases {
        let mut f = frame(NOW).dense(Signal::AbpMean, map);
        if let Some(lactate) = lactate {
            f = f.lab_of(Signal::Lactate, lactate, Span::hours(24));
        }
        if let Some(index) = index {
            f = f.scored(ScoreKind::ShockIndex, index, true, &[]);
        }
        assert_eq!(says(AlertKind::Shock, &f), want, "{map}, {lactate:?}, {index:?}");
    }
    let old = frame(NOW).dense(Signal::AbpMean, 64.9).lab_of(Signal::Lactate, 9.0, past(Span::hours(24)));
    assert_eq!(says(AlertKind::Shock, &old), Between, "a lactate of yesterday");
    let alone = frame(NOW).lab_of(Signal::Lactate, 9.0, Span::ZERO);
    assert_eq!(says(AlertKind::Shock, &alone), Unknown, "no pressure at all");
}

#[test]
fn the_arterial_line_speaks_before_the_cuff_unless_it_is_silent() {
    let cuff = |f: FeatureFrame, age| f.charted(Signal::NibpMean, 55.0, age);
    let hour = Span::hours(1);
    let cases = [
        ("line and cuff", cuff(frame(NOW).dense(Signal::AbpMean, 80.0), hour), No),
        (
            "line silent",
            cuff(frame(NOW).stopped(Signal::AbpMean, 80.0, Span::minutes(6)), hour),
            plain(Medium),
        ),
        (
            "line from an hour ago",
            cuff(frame(NOW).charted(Signal::AbpMean, 80.0, past(hour)), hour),
            plain(Medium),
        ),
        ("cuff at four hours", cuff(frame(NOW), Span::hours(4)), plain(Medium)),
        ("cuff beyond four hours", cuff(frame(NOW), past(Span::hours(4))), Unknown),
    ];
    for (name, f, want) in cases {
        assert_eq!(says(AlertKind::Shock, &f), want, "{name}");
    }
}

#[test]
fn seizure_at_every_boundary() {
    let s = Span::secs;
    let under = |span: Span| Span(span.0 - 1);
    let cases = [
        (s(0), Span::ZERO, 0.0, No),
        (s(0), Span(1), 0.0, Between),
        (s(0), under(s(10)), 0.0, Between),
        (s(0), s(10), 0.0, plain(Medium)),
        (s(0), under(s(300)), 0.89, plain(Medium)),
        (s(0), s(300), 0.0, plain(High)),
        (s(0), Span::ZERO, 0.899, No),
        (s(0), Span::ZERO, 0.9, plain(High)),
        (s(15), s(10), 0.0, plain(Medium)),
        (past(s(15)), s(10), 0.0, Unknown),
        (past(s(15)), Span::ZERO, 0.0, Unknown),
    ];
    for (age, stretch, burden, want) in cases {
        let f = frame(NOW).eeg_of(age, stretch, burden);
        assert_eq!(says(AlertKind::Seizure, &f), want, "{age:?} old, {stretch:?}, burden {burden}");
    }
    assert_eq!(says(AlertKind::Seizure, &frame(NOW)), Unknown);
}

#[test]
fn low_glucose_of_the_sensor_at_every_boundary() {
    // (reading, forecast, compression suspected)
    let cases = [
        (53.9, None, false, plain(High)),
        (54.0, None, false, plain(Medium)),
        (69.9, None, false, plain(Medium)),
        (70.0, None, false, Between),
        (74.9, None, false, Between),
        (75.0, None, false, No),
        (75.0, Some(69.9), false, Between),
        (75.0, Some(70.0), false, No),
        (90.0, Some(55.1), false, Between),
        (90.0, Some(55.0), false, plain(Medium)),
        (119.9, Some(55.0), false, plain(Medium)),
        (120.0, Some(55.0), false, Between),
        (53.9, None, true, plain(Low)),
        (69.9, None, true, plain(Low)),
        (90.0, Some(55.0), true, plain(Low)),
        (70.0, None, true, Between),
        (75.0, None, true, No),
    ];
    for (mg_dl, forecast, compression, want) in cases {
        let f = frame(NOW).cgm(mg_dl, Span::minutes(20), forecast, compression);
        assert_eq!(says(AlertKind::Hypoglycaemia, &f), want, "{mg_dl}, {forecast:?}, {compression}");
        let f = frame(NOW).cgm(mg_dl, past(Span::minutes(20)), forecast, compression);
        assert_eq!(says(AlertKind::Hypoglycaemia, &f), Unknown, "{mg_dl} and more than 20 min old");
    }
    assert_eq!(says(AlertKind::Hypoglycaemia, &frame(NOW)), Unknown);
}

#[test]
fn low_glucose_of_the_laboratory_and_of_both() {
    let hour = Span::hours(1);
    let late = past(hour);
    // (lab and its age, sensor and whether compression is suspected)
    let cases = [
        (Some((53.9, hour)), None, plain(High)),
        (Some((54.0, hour)), None, plain(Medium)),
        (Some((70.0, hour)), None, Between),
        (Some((75.0, hour)), None, No),
        (Some((53.9, late)), None, Unknown),
        (Some((60.0, hour)), Some((90.0, false)), plain(Medium)),
        (Some((90.0, hour)), Some((60.0, false)), plain(Medium)),
        (Some((60.0, late)), Some((90.0, false)), No),
        // The blood says that the sensor is right, or that it is not low.
        (Some((69.9, hour)), Some((50.0, true)), plain(High)),
        (Some((70.0, hour)), Some((50.0, true)), plain(Low)),
        (Some((60.0, late)), Some((50.0, true)), plain(Low)),
    ];
    for (lab, sensor, want) in cases {
        let mut f = frame(NOW);
        if let Some((mg_dl, age)) = lab {
            f = f.lab_of(Signal::Glucose, mg_dl, age);
        }
        if let Some((mg_dl, compression)) = sensor {
            f = f.cgm(mg_dl, Span::ZERO, None, compression);
        }
        assert_eq!(says(AlertKind::Hypoglycaemia, &f), want, "lab {lab:?}, sensor {sensor:?}");
    }
}

#[test]
fn high_glucose_at_every_boundary() {
    let cases = [
        (230.0, No),
        (230.1, Between),
        (250.0, Between),
        (250.1, plain(Low)),
        (400.0, plain(Low)),
        (400.1, plain(Medium)),
    ];
    let (late_sensor, late_lab) = (past(Span::minutes(20)), past(Span::hours(2)));
    for (mg_dl, want) in cases {
        let kind = AlertKind::Hyperglycaemia;
        assert_eq!(says(kind, &frame(NOW).cgm(mg_dl, Span::minutes(20), None, false)), want, "{mg_dl}");
        assert_eq!(says(kind, &frame(NOW).lab_of(Signal::Glucose, mg_dl, Span::hours(2))), want, "{mg_dl}");
        let late = frame(NOW).cgm(mg_dl, late_sensor, None, false).lab_of(Signal::Glucose, mg_dl, late_lab);
        assert_eq!(says(kind, &late), Unknown, "{mg_dl}, both too old");
        let both = frame(NOW).cgm(mg_dl, Span::ZERO, None, false).lab_of(Signal::Glucose, 100.0, Span::ZERO);
        assert_eq!(says(kind, &both), want, "{mg_dl}: the sensor speaks first");
        let lab = frame(NOW).cgm(100.0, late_sensor, None, false).lab_of(Signal::Glucose, mg_dl, Span::ZERO);
        assert_eq!(says(kind, &lab), want, "{mg_dl}: the sensor is silent");
    }
    assert_eq!(says(AlertKind::Hyperglycaemia, &frame(NOW)), Unknown);
}

#[test]
fn early_warning_at_every_boundary() {
    let cases = [
        (3.0, true, No),
        (3.0, false, Between),
        (0.0, false, Between),
        (4.0, true, Between),
        (5.0, true, plain(Medium)),
        (5.0, false, plain(Medium)),
        (6.0, true, plain(Medium)),
        (7.0, true, plain(High)),
        (7.0, false, plain(High)),
    ];
    for (points, complete, want) in cases {
        let f = frame(NOW).scored(ScoreKind::News2, points, complete, &[]);
        assert_eq!(says(AlertKind::EarlyWarning, &f), want, "{points} points, complete: {complete}");
    }
    assert_eq!(says(AlertKind::EarlyWarning, &frame(NOW)), Unknown);
    let config = Config { news2_points: (6.0, 9.0), ..Config::default() };
    for (points, want) in [(4.0, No), (4.1, Between), (6.0, plain(Medium)), (9.0, plain(High))] {
        let f = frame(NOW).scored(ScoreKind::News2, points, true, &[]);
        assert_eq!(evaluate(AlertKind::EarlyWarning, &f, None, &config), want, "{points} points, own limits");
    }
}

#[test]
fn a_score_persists_in_the_newest_dense_part_and_no_silence_clears_it() {
    let parts = [Signal::Spo2, Signal::RespRate];
    let scored = |f: FeatureFrame, points| f.scored(ScoreKind::News2, points, true, &parts);
    let five = || vec![window(WindowLength::M5, 3, 0.0)];
    let both = || {
        frame(NOW).vital(Signal::Spo2, 90.0, Span::secs(9), five()).vital(
            Signal::RespRate,
            25.0,
            Span::secs(4),
            five(),
        )
    };
    let measured = |secs| Holds::Yes { priority: Medium, measured: Some(at(NOW - secs)) };
    let stopped = || frame(NOW).stopped(Signal::Spo2, 90.0, Span::minutes(6));
    let charted = || frame(NOW).charted(Signal::Spo2, 90.0, Span::minutes(30));
    let cases = [
        ("two dense parts", scored(both(), 5.0), measured(4)),
        ("dense and well", scored(both(), 3.0), No),
        ("charted parts", scored(charted(), 5.0), plain(Medium)),
        ("charted and well", scored(charted(), 3.0), No),
        ("a part stopped: its last value counts once", scored(stopped(), 5.0), measured(360)),
        ("a part stopped: no recovery", scored(stopped(), 3.0), Between),
    ];
    for (name, f, want) in cases {
        assert_eq!(says(AlertKind::EarlyWarning, &f), want, "{name}");
    }
}

#[test]
fn model_heads_at_their_operating_points() {
    let config = Config::default();
    let cases = [
        (0.0, No),
        (0.399, No),
        (0.4, Between), // .8 of the operating point
        (0.499, Between),
        (0.5, plain(Medium)),
        (0.749, plain(Medium)),
        (0.75, plain(High)),
        (1.0, plain(High)),
        (f32::NAN, Unknown),
    ];
    for (probability, want) in cases {
        let sepsis = assessment(NOW, probability, 0.0);
        let deterioration = assessment(NOW, 0.0, probability);
        for (kind, a, other) in [
            (AlertKind::Sepsis, &sepsis, &deterioration),
            (AlertKind::Deterioration, &deterioration, &sepsis),
        ] {
            assert_eq!(evaluate(kind, &frame(NOW), Some(a), &config), want, "{kind:?} {probability}");
            assert_eq!(evaluate(kind, &frame(NOW), Some(other), &config), No, "{kind:?}: the other head");
        }
    }
    for kind in [AlertKind::Sepsis, AlertKind::Deterioration] {
        assert_eq!(evaluate(kind, &frame(NOW), None, &config), Unknown, "no encoder");
        let mut without = assessment(NOW, 0.9, 0.9);
        without.risks.clear();
        assert_eq!(evaluate(kind, &frame(NOW), Some(&without), &config), Unknown, "no such head");
    }
}

#[test]
fn feeds_in_every_state() {
    use FeedState::{Fresh, Lost, Stale};
    let cases = [
        (AlertKind::StaleFeed, Fresh, No),
        (AlertKind::StaleFeed, Stale, plain(Low)),
        (AlertKind::StaleFeed, Lost, No),
        (AlertKind::SignalLost, Fresh, No),
        (AlertKind::SignalLost, Stale, Unknown),
        (AlertKind::SignalLost, Lost, plain(Medium)),
        (AlertKind::Shock, Lost, Unknown),
    ];
    for (kind, state, want) in cases {
        assert_eq!(feed(kind, state), want, "{kind:?}, {state:?}");
    }
    let lost = frame(NOW).feed(Modality::Eeg, Span::minutes(9), Lost);
    for kind in [AlertKind::StaleFeed, AlertKind::SignalLost] {
        assert_eq!(says(kind, &lost), Unknown, "a frame has many feeds: they are asked one by one");
    }
}

#[test]
fn a_sites_rule_in_three_values() {
    let (yes, no, unknown) = (Some(true), Some(false), None);
    for (holds, clears, want) in [
        (yes, no, seen(Low)),
        (yes, unknown, seen(Low)),
        (yes, yes, seen(Low)),
        (no, yes, No),
        (unknown, yes, No),
        (no, no, Between),
        (no, unknown, Unknown),
        (unknown, no, Unknown),
        (unknown, unknown, Unknown),
    ] {
        let verdict = Verdict { holds, clears, measured: Some(at(NOW)) };
        assert_eq!(site(verdict, Low), want, "{verdict:?}");
    }
}
