use super::*;
use crate::{pane::tests::assert_close, word::provenance};
use bedwatch_schemas::event::ResultStatus;
use proptest::prelude::*;

const ALLOWANCE: Span = Span::minutes(5);
const ZERO: EventTime = EventTime::from_micros(1_699_999_200_000_000);

fn word(value: f64, offset: i64) -> Word {
    Word { value, status: ResultStatus::Final, provenance: provenance(offset) }
}

fn sec(s: i64) -> EventTime {
    ZERO + Span::secs(s)
}

fn series(values: &[(i64, f64)]) -> Series {
    let mut series = Series::new(Signal::HeartRate);
    for &(s, v) in values {
        series.push(sec(s), word(v, s), ALLOWANCE);
    }
    series
}

/// The defined window of a set of values: `(at - length, at]`, its old edge moved up to the next
/// whole pane where the values are folded.
fn defined(values: &[(i64, f64)], length: WindowLength, at: i64) -> Vec<(EventTime, f64)> {
    let at = sec(at);
    let newest = sec(values.iter().map(|v| v.0).max().unwrap());
    let line = (newest - ALLOWANCE - MINUTE).floor(MINUTE);
    let from = at - length.span();
    let width = match length {
        WindowLength::M1 | WindowLength::M5 | WindowLength::H1 => MINUTE,
        WindowLength::H8 | WindowLength::H24 => TEN_MINUTES,
    };
    let inside = |t: EventTime| if t <= line { pane_start(t, width) >= from } else { t > from };
    let times = values.iter().map(|&(s, v)| (sec(s), v));
    times.filter(|&(t, _)| t <= at && inside(t)).collect()
}

proptest! {
    /// Law: every window equals the two-pass statistics of its definition, and any order within
    /// the allowance gives the same bytes as the order of time.
    #[test]
    fn windows_are_defined_and_order_free(
        steps in prop::collection::vec((1_i64..900, 30.0_f64..200.0), 1..250),
        jitter in prop::collection::vec(0_i64..300, 250),
    ) {
        let mut values = Vec::new();
        let mut s = 0;
        for (step, v) in steps {
            s += step;
            values.push((s, v));
        }
        let in_order = series(&values);
        // A record delayed by less than the allowance arrives out of order, never too late.
        let mut shuffled: Vec<_> = values.iter().zip(&jitter).map(|(v, j)| (v.0 + j, *v)).collect();
        shuffled.sort_by_key(|d| d.0);
        let shuffled: Vec<_> = shuffled.into_iter().map(|d| d.1).collect();
        let bytes = |s: &Series| postcard::to_allocvec(s).unwrap();
        prop_assert_eq!(bytes(&in_order), bytes(&series(&shuffled)));
        for length in WindowLength::ALL {
            let want = defined(&values, length, s);
            let got = in_order.window(length, sec(s)).unwrap();
            prop_assert_eq!(got.count as usize, want.len());
            prop_assert_eq!(got.last, want.last().unwrap().1);
            prop_assert_eq!(got.min, want.iter().map(|v| v.1).fold(f64::INFINITY, f64::min));
            prop_assert_eq!(got.max, want.iter().map(|v| v.1).fold(f64::NEG_INFINITY, f64::max));
            assert_close(&want, got.mean, got.sd, got.slope_per_hour);
        }
    }
}

#[test]
fn a_day_at_one_hertz() {
    let values: Vec<(i64, f64)> =
        (1..=90_000).map(|s| (s, 80.0 + ((s * 7_919) % 101) as f64 / 10.0)).collect();
    let series = series(&values);
    let at = sec(90_000);
    for length in WindowLength::ALL {
        let got = series.window(length, at).unwrap();
        let want = defined(&values, length, 90_000);
        assert_eq!(got.count as usize, want.len());
        assert_eq!(u64::from(got.count), u64::from(got.expected.unwrap()), "complete: {length:?}");
        assert_close(&want, got.mean, got.sd, got.slope_per_hour);
    }
    assert!(series.raw.len() <= 421 && series.minutes.len() <= 63 && series.tens.len() <= 146);
}

#[test]
fn lateness_is_bounded_at_the_allowance() {
    let mut s = series(&[(600, 80.0)]);
    assert_eq!(s.push(sec(300), word(70.0, 1), ALLOWANCE), Outcome::Accepted { late: true });
    assert_eq!(s.push(sec(299), word(70.0, 2), ALLOWANCE), Outcome::TooLate);
    assert_eq!(s.window(WindowLength::H1, sec(600)).unwrap().count, 2);
}

#[test]
fn duplicates_count_once_and_corrections_replace() {
    let mut s = series(&[(10, 80.0)]);
    assert_eq!(s.push(sec(10), word(80.0, 99), ALLOWANCE), Outcome::Duplicate);
    let corrected = Word { status: ResultStatus::Corrected, ..word(90.0, 3) };
    assert_eq!(s.push(sec(10), corrected, ALLOWANCE), Outcome::Accepted { late: false });
    s.push(sec(10), word(70.0, 200), ALLOWANCE);
    let stats = s.window(WindowLength::M1, sec(10)).unwrap();
    assert_eq!((stats.count, stats.last), (1, 90.0), "a correction outranks a later final value");
    let withdrawn = Word { status: ResultStatus::Withdrawn, ..word(0.0, 4) };
    assert_eq!(s.push(sec(10), withdrawn, ALLOWANCE), Outcome::Withdrawn);
    assert_eq!(s.summary(sec(10)), None);
    assert_eq!(s.push(sec(10), word(80.0, 300), ALLOWANCE), Outcome::Accepted { late: false });
    assert_eq!(s.summary(sec(10)), None, "withdrawn stays withdrawn");
}

#[test]
fn windows_end_at_the_time_asked_about() {
    let s = series(&[(0, 60.0), (60, 70.0), (61, 90.0)]);
    let stats = s.window(WindowLength::M1, sec(60)).unwrap();
    assert_eq!((stats.count, stats.last), (1, 70.0), "(at - 1 min, at]");
    assert_eq!(s.window(WindowLength::M1, sec(200)), None);
    assert_eq!(s.summary(sec(30)).unwrap().last, 60.0);
}

#[test]
fn hourly_values_fill_hourly_windows() {
    let values: Vec<(i64, f64)> = (0..30).map(|h| (h * 3_600, 80.0 + h as f64)).collect();
    let s = series(&values);
    let counts: Vec<_> = WindowLength::ALL
        .iter()
        .map(|&w| s.window(w, sec(29 * 3_600)).map(|w| (w.count, w.expected)).unwrap())
        .collect();
    assert_eq!(counts, [(1, Some(1)), (1, Some(1)), (1, Some(1)), (8, Some(8)), (24, Some(24))]);
    let slope = s.window(WindowLength::H8, sec(29 * 3_600)).unwrap().slope_per_hour.unwrap();
    assert!((slope - 1.0).abs() < 1e-9);
}

#[test]
fn a_flood_is_bounded() {
    let mut s = Series::new(Signal::HeartRate);
    for i in 0..40_000 {
        s.push(ZERO + Span::millis(i * 10), word(80.0, i), ALLOWANCE);
    }
    assert!(s.raw.len() <= MAX_RAW + 1);
    assert_eq!(s.window(WindowLength::H1, ZERO + Span::secs(399)).unwrap().last, 80.0);
}

#[test]
fn a_merged_series_holds_both() {
    let values: Vec<(i64, f64)> = (0..4_000).map(|s| (s, 80.0 + (s % 13) as f64)).collect();
    let (even, odd): (Vec<_>, Vec<_>) = values.iter().partition(|v| v.0 % 2 == 0);
    let mut a = series(&even);
    a.absorb(series(&odd[..1_500]), ALLOWANCE);
    let at = 3_998;
    let expected: Vec<_> =
        values.iter().copied().filter(|v| v.0 % 2 == 0 || odd[..1_500].contains(v)).collect();
    let got = a.window(WindowLength::H1, sec(at)).unwrap();
    let want = defined(&expected, WindowLength::H1, at);
    assert_eq!(got.count as usize, want.len());
    assert_close(&want, got.mean, got.sd, got.slope_per_hour);
}
