use bedwatch_schemas::event::Stream;
use proptest::prelude::*;

use super::*;

fn provenance(offset: i64) -> Provenance {
    Provenance { stream: Stream::Cgm, partition: 0, offset, part: 0 }
}

fn minute(m: f64) -> EventTime {
    EventTime::from_micros((m * 60e6) as i64)
}

fn series(values: &[(f64, f64)]) -> Glucose {
    let mut glucose = Glucose::new();
    for (i, &(m, v)) in values.iter().enumerate() {
        glucose.push(v, minute(m), provenance(i as i64));
    }
    glucose
}

fn every_five(values: &[f64]) -> Vec<(f64, f64)> {
    values.iter().enumerate().map(|(i, &v)| (i as f64 * 5.0, v)).collect()
}

fn close(got: Option<f64>, want: Option<f64>) -> bool {
    match (got, want) {
        (Some(g), Some(w)) => (g - w).abs() < 1e-9,
        (None, None) => true,
        _ => false,
    }
}

#[test]
fn rate_and_forecast() {
    // (name, (minute, value), frame minute, rate, forecast)
    type Case = (&'static str, Vec<(f64, f64)>, f64, Option<f64>, Option<f64>);
    let cases: Vec<Case> = vec![
        ("steady fall", every_five(&[120., 110., 100., 90., 80.]), 20.0, Some(-2.0), Some(40.0)),
        ("only 20 min count", every_five(&[300., 120., 110., 100., 90., 80.]), 25.0, Some(-2.0), Some(40.0)),
        ("15 min are enough", every_five(&[100., 103., 106., 109.]), 15.0, Some(0.6), Some(121.0)),
        ("10 min are not", every_five(&[100., 103., 106.]), 10.0, None, None),
        ("one reading", every_five(&[100.]), 0.0, None, None),
        ("a missed reading", vec![(0., 100.), (5., 100.), (15., 100.), (20., 100.)], 20.0, None, None),
        (
            "late by half an interval",
            vec![(0., 100.), (5., 100.), (12.5, 100.), (17.5, 100.)],
            17.5,
            Some(0.0),
            Some(100.0),
        ),
        ("the next reading is overdue", every_five(&[100., 100., 100., 100.]), 22.6, None, None),
        ("not yet overdue", every_five(&[100., 100., 100., 100.]), 22.5, Some(0.0), Some(100.0)),
        ("15-minute sensor", vec![(0., 90.), (15., 120.)], 15.0, Some(2.0), Some(160.0)),
        (
            "forecast stays in the sensor's range",
            every_five(&[70., 60., 50., 40.]),
            15.0,
            Some(-2.0),
            Some(20.0),
        ),
    ];
    for (name, values, at, rate, forecast) in cases {
        let got = series(&values).summary(minute(at)).expect("readings");
        assert!(close(got.rate_mg_dl_min, rate), "{name}: {:?}", got.rate_mg_dl_min);
        assert!(close(got.forecast_20min_mg_dl, forecast), "{name}: {:?}", got.forecast_20min_mg_dl);
    }
}

#[test]
fn range_boundaries() {
    // (value, below, in, above)
    let cases = [
        (53.9, 100.0, 0.0, 0.0),
        (69.9, 100.0, 0.0, 0.0),
        (70.0, 0.0, 100.0, 0.0),
        (180.0, 0.0, 100.0, 0.0),
        (180.1, 0.0, 0.0, 100.0),
    ];
    for (value, below, within, above) in cases {
        let got = series(&[(0.0, value)]).summary(minute(0.0)).expect("a reading");
        let shares = (got.time_below_percent, got.time_in_range_percent, got.time_above_percent);
        assert_eq!(shares, (below, within, above), "{value}");
    }
}

#[test]
fn time_below() {
    // (name, readings, below 70 min, below 54 min)
    type Case = (&'static str, Vec<(f64, f64)>, i64, i64);
    let cases: Vec<Case> = vec![
        ("at 70 is not below", every_five(&[80., 70.]), 0, 0),
        ("one reading has no length", every_five(&[80., 69.9]), 0, 0),
        ("run of three", every_five(&[80., 69., 60., 53.]), 10, 0),
        ("a break ends the run", every_five(&[60., 60., 70., 60., 60.]), 5, 0),
        ("over now", every_five(&[60., 60., 75.]), 0, 0),
        ("below 54 inside below 70", every_five(&[60., 53., 53.9, 50.]), 15, 10),
        ("54 is not below 54", every_five(&[54., 54.]), 5, 0),
        ("two missed readings bridge", vec![(0., 60.), (5., 60.), (10., 60.), (25., 60.)], 25, 0),
        ("three do not", vec![(0., 60.), (5., 60.), (10., 60.), (30., 60.)], 0, 0),
    ];
    for (name, values, want_70, want_54) in cases {
        let end = values.last().expect("a reading").0;
        let got = series(&values).summary(minute(end)).expect("readings");
        assert_eq!(got.below_70_for, Span::minutes(want_70), "{name}");
        assert_eq!(got.below_54_for, Span::minutes(want_54), "{name}");
    }
}

#[test]
fn completeness_counts_expected_readings() {
    let full: Vec<_> = (0..=288).map(|i| (f64::from(i) * 5.0, 100.0)).collect();
    let half: Vec<_> = full.iter().copied().filter(|(m, _)| m % 60.0 < 30.0 || *m > 1430.0).collect();
    let cases = [
        ("full day", full.clone(), 1440.0, 1.0),
        ("half of it", half, 1440.0, 0.5),
        ("since the first", full[..13].to_vec(), 60.0, 1.0),
        ("then an hour of silence", full[..13].to_vec(), 120.0, 13.0 / 25.0),
    ];
    for (name, values, at, want) in cases {
        let got = series(&values).summary(minute(at)).expect("readings").completeness;
        assert!((got - want).abs() < 0.02, "{name}: {got}");
    }
}

#[test]
fn nothing_of_the_last_day_is_no_summary() {
    let glucose = series(&[(0.0, 100.0)]);
    assert!(glucose.summary(minute(1439.9)).is_some());
    assert!(glucose.summary(minute(1440.0)).is_none());
    assert!(glucose.summary(minute(-0.1)).is_none());
    assert!(Glucose::new().summary(minute(0.0)).is_none());
}

#[test]
fn duplicates_count_once_and_corrections_replace() {
    let mut glucose = series(&[(0.0, 100.0), (0.0, 100.0), (5.0, 100.0), (5.0, 60.0)]);
    for bad in [f64::NAN, f64::INFINITY, 19.9, 600.1, -1.0] {
        glucose.push(bad, minute(10.0), provenance(9));
    }
    let got = glucose.summary(minute(5.0)).expect("readings");
    assert_eq!((got.last_mg_dl, got.time_below_percent, got.provenance.offset), (60.0, 50.0, 3));
    assert_eq!(glucose.counts(), Counts { duplicates: 2, implausible: 5, too_old: 0 });
}

#[test]
fn compression_needs_a_sudden_drop_and_a_sudden_recovery() {
    let quiet = [110., 112., 111., 110., 109.];
    let with = |rest: &[f64]| every_five(&[&quiet[..], rest].concat());
    // (name, readings, suspected)
    type Case = (&'static str, Vec<(f64, f64)>, bool);
    let cases: Vec<Case> = vec![
        ("drop and jump back", with(&[85., 60., 58., 59., 85., 105.]), true),
        ("still low: may be real", with(&[85., 60., 58., 59.]), false),
        ("slow recovery", with(&[85., 60., 62., 66., 70., 75., 80., 84., 88., 92., 96., 100., 105.]), false),
        ("slow fall", with(&[105., 100., 95., 90., 85., 80., 75., 70., 60., 105.]), false),
        ("never low", with(&[85., 82., 84., 108.]), false),
        ("restless before", every_five(&[150., 140., 130., 120., 110., 85., 60., 58., 85., 105.]), false),
    ];
    for (name, values, want) in cases {
        let end = values.last().expect("a reading").0;
        let got = series(&values).summary(minute(end)).expect("readings");
        assert_eq!(got.compression_suspected, want, "{name}");
    }
    let pattern = series(&with(&[85., 60., 58., 59., 85., 105.]));
    assert!(pattern.summary(minute(45.0 + 119.0)).expect("readings").compression_suspected);
    assert!(!pattern.summary(minute(50.0 + 121.0)).expect("readings").compression_suspected);
}

proptest! {
    /// Law: the order of arrival does not change the summary.
    #[test]
    fn order_does_not_matter(
        values in prop::collection::btree_map(0i64..1_700, 40.0f64..400.0, 1..120),
        seed in any::<u64>(),
    ) {
        let sorted: Vec<_> = values.iter().map(|(&m, &v)| (m, v)).collect();
        let mut shuffled = sorted.clone();
        let mut state = seed | 1;
        for i in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(i, (state >> 33) as usize % (i + 1));
        }
        let build = |list: &[(i64, f64)]| {
            let mut glucose = Glucose::new();
            for &(m, v) in list {
                glucose.push(v, minute(m as f64), provenance(m));
            }
            glucose
        };
        let (a, b) = (build(&sorted), build(&shuffled));
        for at in [500.0, 1_000.0, 1_700.0] {
            prop_assert_eq!(a.summary(minute(at)), b.summary(minute(at)));
        }
    }
}

/// Real series against a direct computation from the consensus' definitions.
#[test]
fn real_series_agree_with_a_plain_computation() {
    let root = std::env::var("BEDWATCH_SHARED").unwrap_or_else(|_| "../../shared/data".into());
    let Ok(text) = std::fs::read_to_string(format!("{root}/cgm/iglu_hall.csv")) else {
        println!("skipped: real_series_agree_with_a_plain_computation (no shared data)");
        return;
    };
    let mut subjects: std::collections::BTreeMap<String, Vec<(i64, f64)>> = Default::default();
    for line in text.lines().skip(1) {
        let mut fields = line.split(',');
        let (id, time, gl) = (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
        let at = EventTime::parse_rfc3339(&format!("{}Z", time.replace(' ', "T"))).unwrap();
        subjects.entry(id.into()).or_default().push((at.as_micros(), gl.parse().unwrap()));
    }
    let mut frames = 0;
    for readings in subjects.values() {
        let mut glucose = Glucose::new();
        for (i, &(at, v)) in readings.iter().enumerate() {
            glucose.push(v, EventTime::from_micros(at), provenance(i as i64));
            if i % 50 != 49 {
                continue;
            }
            frames += 1;
            let got = glucose.summary(EventTime::from_micros(at)).expect("readings");
            let day: std::collections::BTreeMap<i64, f64> =
                readings[..=i].iter().filter(|r| r.0 > at - 86_400_000_000 && r.0 <= at).copied().collect();
            let n = day.len() as f64;
            let mean = day.values().sum::<f64>() / n;
            let sd = (day.values().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0)).sqrt();
            let within = day.values().filter(|&&v| (70.0..=180.0).contains(&v)).count() as f64;
            assert!((got.time_in_range_percent - within / n * 100.0).abs() < 1e-9);
            assert!((got.cv_percent.expect("many readings") - sd / mean * 100.0).abs() < 1e-9);
            let total = got.time_below_percent + got.time_in_range_percent + got.time_above_percent;
            assert!((total - 100.0).abs() < 1e-9);
        }
    }
    println!("{} subjects, {frames} frames agree", subjects.len());
    assert!(frames > 300);
}
