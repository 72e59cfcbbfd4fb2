use std::collections::BTreeMap;

use arrow::datatypes::Schema;
use proptest::prelude::*;

use super::*;
use crate::consent::{Decision, Policy, Statement, Withdrawn};

const KEY: &[u8] = b"a key of at least thirty-two bytes";

fn id(n: u8) -> PatientId {
    PatientId::new(&format!("canary-{n}")).unwrap()
}

fn hour(hour: i64) -> EventTime {
    EventTime::from_micros(0) + Span::hours(hour)
}

/// Rows of a patient, an hour, an age and two labels.
fn batch(rows: &[(u8, i64, f32)]) -> RecordBatch {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let schema = Schema::new(vec![
        text("source"),
        text("patient"),
        text("site"),
        Field::new("hour", DataType::Int64, false),
        Field::new("minute", DataType::Int64, false),
        Field::new("at", time, false),
        Field::new("age_years", DataType::Float32, true),
        Field::new("heart_rate", DataType::Float32, true),
        Field::new("sepsis", DataType::Boolean, true),
        Field::new("death", DataType::Boolean, true),
    ]);
    let texts = |of: &dyn Fn(u8) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|r| of(r.0))))
    };
    let ints =
        |by: i64| -> ArrayRef { Arc::new(rows.iter().map(|r| Some(r.1 * by)).collect::<Int64Array>()) };
    let at: TimestampMicrosecondArray = rows.iter().map(|r| Some(hour(r.1).as_micros() + 7)).collect();
    let labels = || -> ArrayRef { Arc::new(rows.iter().map(|_| Some(true)).collect::<BooleanArray>()) };
    let ages: Float32Array = rows.iter().map(|r| Some(r.2)).collect();
    let columns = vec![
        texts(&|p| format!("canary-stay-{p}.psv")),
        texts(&|p| id(p).as_str().to_owned()),
        texts(&|_| "canary-hospital".to_owned()),
        ints(1),
        ints(60),
        Arc::new(at.with_timezone("UTC")),
        Arc::new(ages.clone()),
        Arc::new(ages),
        labels(),
        labels(),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn ints(batch: &RecordBatch, name: &str) -> Vec<i64> {
    batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().values().to_vec()
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<String> {
    batch.column_by_name(name).unwrap().as_string::<i32>().iter().map(|t| t.unwrap().to_owned()).collect()
}

#[test]
fn rows_and_labels_from_before_a_withdrawal_hold_nothing_from_after() {
    let said =
        |patient, from, decision| Statement { patient: id(patient), from: hour(from), until: None, decision };
    let consents = Consents::new(
        Policy::OptIn,
        Withdrawn::FromThen,
        [
            said(1, 0, Decision::Permit),
            Statement { from: hour(100) + Span::minutes(30), ..said(1, 0, Decision::Deny) },
            said(2, 0, Decision::Permit),
        ],
    );
    // Patient, hour, whether the row stays, whether its labels of sepsis and death stay.
    let cases = [
        (1, 10, true, true, false),
        (1, 88, true, true, false),
        (1, 89, true, false, false), // 12 h ahead lies in the hour of the withdrawal
        (1, 99, true, false, false),
        (1, 100, false, false, false), // the withdrawal lies within the hour
        (1, 101, false, false, false),
        (2, 101, true, true, true),
        (3, 10, false, false, false),
    ];
    let rows: Vec<(u8, i64, f32)> = cases.iter().map(|c| (c.0, c.1, 50.0)).collect();
    let left = consented(&batch(&rows), &consents, &Merged::default()).unwrap();
    let stay: Vec<i64> = cases.iter().filter(|c| c.2).map(|c| c.1).collect();
    assert_eq!(ints(&left.batch, "hour"), stay);
    for (name, expected) in [
        ("sepsis", cases.iter().filter(|c| c.2).map(|c| c.3).collect::<Vec<_>>()),
        ("death", cases.iter().filter(|c| c.2).map(|c| c.4).collect()),
    ] {
        let column = left.batch.column_by_name(name).unwrap();
        let got: Vec<bool> = (0..column.len()).map(|row| column.is_valid(row)).collect();
        assert_eq!(got, expected, "{name}");
    }
    assert_eq!(left.labels, 6, "two of sepsis and four of death");
    let reasons: Vec<Reason> = left.refused.iter().map(|r| r.1).collect();
    assert_eq!(reasons, [Reason::Withdrawn, Reason::Withdrawn, Reason::NotGiven]);
    // What stays stays as it is, and asking again changes nothing.
    let again = consented(&left.batch, &consents, &Merged::default()).unwrap();
    assert_eq!((&again.batch, again.refused.len(), again.labels), (&left.batch, 0, 0));
}

#[test]
fn rows_of_two_patients_do_not_stand_side_by_side() {
    let rows: Vec<(u8, i64, f32)> = (0..40).map(|n| ((n % 4) as u8, 1_000 + n, n as f32)).collect();
    let after = deidentified(&batch(&rows), &Deidentifier::new(KEY, 365).unwrap()).unwrap();
    let patients = texts(&after, "patient");
    assert!(patients.is_sorted());
    // Each patient's rows are in their own order.
    let values = after.column_by_name("heart_rate").unwrap().as_primitive::<Float32Type>().values().to_vec();
    for patient in patients.iter().collect::<std::collections::BTreeSet<_>>() {
        let own: Vec<f32> = (0..40).filter(|n| patients[*n] == *patient).map(|n| values[n]).collect();
        assert!(own.len() == 10 && own.is_sorted(), "{own:?}");
    }
}

#[test]
fn a_column_nobody_has_thought_of_does_not_leave() {
    for (name, kind) in [
        ("note", DataType::Utf8),
        ("bed", DataType::Utf8),
        ("room", DataType::Int64),
        ("born", DataType::Date32),
        ("raw", DataType::Binary),
        ("names", DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))),
        ("at_millis", DataType::Timestamp(TimeUnit::Millisecond, None)),
        ("sepsis", DataType::Utf8),
    ] {
        let error = role(&Field::new(name, kind, true)).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn names_ages_and_dates_go_and_values_stay() {
    let before = batch(&[(1, 500_000, 89.0), (1, 500_001, 89.5), (2, 500_000, 30.0)]);
    let names = Deidentifier::new(KEY, 365).unwrap();
    let after = deidentified(&before, &names).unwrap();
    let shown = format!("{:?}", after.columns());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(ints(&after, "hour").iter().all(|h| ![500_000, 500_001].contains(h)));
    let ages = after.column_by_name("age_years").unwrap().as_primitive::<Float32Type>().values().to_vec();
    let values = after.column_by_name("heart_rate").unwrap().as_primitive::<Float32Type>().values().to_vec();
    let mut pairs: Vec<(f32, f32)> = values.into_iter().zip(ages).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(pairs, [(30.0, 30.0), (89.0, 89.0), (89.5, 90.0)]);
    let distinct =
        |name: &str| texts(&after, name).into_iter().collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!((distinct("source"), distinct("patient"), distinct("site")), (2, 2, 1));
    assert_eq!(
        after,
        deidentified(&before, &Deidentifier::new(KEY, 365).unwrap()).unwrap(),
        "after a restart"
    );
    let other =
        deidentified(&before, &Deidentifier::new(b"another key of thirty-two bytes!", 365).unwrap()).unwrap();
    for name in ["source", "patient", "site"] {
        let (one, other) = (texts(&after, name), texts(&other, name));
        assert!(one.iter().all(|n| !other.contains(n)), "{name}");
    }
}

proptest! {
    /// Of each patient every time moves by the same whole days: intervals and times of day are exact.
    #[test]
    fn intervals_stay_exact(
        rows in prop::collection::vec((0..6_u8, 0..600_000_i64, 0.0..120.0_f32), 1..40), days in 1..400_u16
    ) {
        let before = batch(&rows);
        let after = deidentified(&before, &Deidentifier::new(KEY, days).unwrap()).unwrap();
        let at = |b: &RecordBatch| -> Vec<i64> {
            b.column_by_name("at").unwrap().as_primitive::<TimestampMicrosecondType>().values().to_vec()
        };
        // Rows are told apart by their value here; they stand in another order.
        let row_of = |b: &RecordBatch| -> BTreeMap<u32, usize> {
            let values = b.column_by_name("heart_rate").unwrap().as_primitive::<Float32Type>().values().to_vec();
            values.iter().enumerate().map(|(row, v)| (v.to_bits(), row)).collect()
        };
        let (was, is) = (row_of(&before), row_of(&after));
        prop_assume!(was.len() == rows.len());
        let mut shift = BTreeMap::new();
        for (value, row) in was {
            let (patient, now) = (rows[row].0, is[&value]);
            let moved = at(&after)[now] - at(&before)[row];
            let day = Span::hours(24).0;
            prop_assert_eq!(moved % day, 0);
            prop_assert!((1..=i64::from(days)).contains(&(moved / day).abs()));
            prop_assert_eq!((ints(&after, "hour")[now] - ints(&before, "hour")[row]) * Span::hours(1).0, moved);
            prop_assert_eq!((ints(&after, "minute")[now] - ints(&before, "minute")[row]) * Span::minutes(1).0, moved);
            prop_assert_eq!(*shift.entry(patient).or_insert(moved), moved);
        }
    }
}
