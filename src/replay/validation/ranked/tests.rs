use proptest::prelude::*;

use super::*;

fn scored(rows: &[(bool, f32)]) -> Vec<Scored> {
    rows.iter().map(|&(truth, risk)| Scored { truth, risk }).collect()
}

fn close(got: Option<f64>, want: Option<f64>, what: &str) {
    let same = match (got, want) {
        (Some(got), Some(want)) => (got - want).abs() < 1e-9,
        (got, want) => got == want,
    };
    assert!(same, "{what}: {got:?} is not {want:?}");
}

#[test]
fn ranks_and_ties() {
    // Area, average precision, event 1; by hand; the areas of the last by scikit-learn 1.9.1.
    type Case = (&'static [(bool, f32)], f64, f64, f64);
    let cases: [Case; 5] = [
        (&[(true, 0.9), (false, 0.1)], 1.0, 1.0, 1.0),
        (&[(true, 0.5), (false, 0.5)], 0.5, 0.5, 0.5),
        (&[(true, 0.2), (false, 0.1), (false, 0.3)], 0.5, 0.5, 0.5),
        (&[(true, 0.1), (false, 0.9)], 0.0, 0.5, 0.5),
        (
            &[(false, 0.1), (false, 0.4), (true, 0.35), (true, 0.8), (true, 0.4), (false, 0.9)],
            0.5,
            8.0 / 15.0,
            0.6,
        ),
    ];
    for (rows, area, precision, event_1) in cases {
        let ranked = Ranked::new([scored(rows).as_slice()]);
        close(ranked.auroc(&[1]), Some(area), "area");
        close(ranked.auprc(&[1]), Some(precision), "precision");
        close(ranked.min_sensitivity_predictivity(&[1]), Some(event_1), "event 1");
    }
}

#[test]
fn one_class_has_no_rank() {
    for rows in [&[][..], &[(true, 0.2)]] {
        let ranked = Ranked::new([scored(rows).as_slice()]);
        assert_eq!(ranked.auroc(&[1]), None);
        assert_eq!(ranked.min_sensitivity_predictivity(&[1]), None);
        assert!(ranked.roc(&[1], 10).is_empty());
    }
    assert_eq!(Ranked::new([scored(&[(false, 0.2)]).as_slice()]).auprc(&[1]), None);
}

#[test]
fn calibration_by_bins() {
    let error = |rows: &[(bool, f32)]| Ranked::new([scored(rows).as_slice()]).calibration_error(&[1]);
    assert_eq!(error(&[]), None);
    // Eleven values: the first bin holds two, which is (|0.25 - 0.5| * 2 + nine exact ones) / 11.
    let mut rows = vec![(false, 0.25), (true, 0.25)];
    rows.extend([(true, 1.0); 9]);
    close(error(&rows), Some(0.5 / 11.0), "eleven");
    let even: Vec<_> = (0..1_000).map(|i| (i % 4 == 0, 0.25)).collect();
    close(error(&even), Some(0.0), "even");
    close(error(&[(true, 0.0), (false, 1.0)]), Some(1.0), "wrong");
}

#[test]
fn net_benefit_by_hand() {
    let ranked = Ranked::new([scored(&[(true, 0.8), (false, 0.6), (true, 0.4), (false, 0.1)]).as_slice()]);
    let got = ranked.net_benefit(&[1], &[0.1, 0.5, 0.9]);
    // (TP - FP * p / (1 - p)) / 4.
    let want = [
        [(2.0 - 2.0 / 9.0) / 4.0, (2.0 - 2.0 / 9.0) / 4.0],
        [(1.0 - 1.0) / 4.0, 0.0],
        [0.0, (2.0 - 2.0 * 9.0) / 4.0],
    ];
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 1e-6, "{i}: {got} for {want}");
        }
    }
    // The boundary belongs to the action, as at an operating point.
    let told = ranked.net_benefit(&[1], &[f64::from(0.6_f32)])[0][0];
    assert!((told - (1.0 - 1.5) / 4.0).abs() < 1e-6, "{told}");
}

proptest! {
    /// A stay that counts n times is the same as n stays, whatever is asked.
    #[test]
    fn counting_is_repeating(
        stays in prop::collection::vec(prop::collection::vec((any::<bool>(), 0_u8..6), 0..8), 1..6),
        counts in prop::collection::vec(0_u16..4, 6),
    ) {
        let stays: Vec<Vec<Scored>> = stays
            .iter()
            .map(|s| s.iter().map(|&(truth, r)| Scored { truth, risk: f32::from(r) / 6.0 }).collect())
            .collect();
        let counts = &counts[..stays.len()];
        let repeated: Vec<&[Scored]> = stays
            .iter()
            .zip(counts)
            .flat_map(|(stay, n)| std::iter::repeat_n(stay.as_slice(), usize::from(*n)))
            .collect();
        let once = vec![1; repeated.len()];
        let (counted, repeated) = (Ranked::new(stays.iter().map(Vec::as_slice)), Ranked::new(repeated));
        close(counted.auroc(counts), repeated.auroc(&once), "area");
        close(counted.auprc(counts), repeated.auprc(&once), "precision");
        close(
            counted.min_sensitivity_predictivity(counts),
            repeated.min_sensitivity_predictivity(&once),
            "event 1",
        );
        let bins = |ranked: &Ranked, counts: &[u16]| ranked.bins(counts).iter().map(|b| b.rows).sum::<usize>();
        prop_assert_eq!(bins(&counted, counts), bins(&repeated, &once));
        for (a, b) in counted.net_benefit(counts, &[0.3]).iter().zip(repeated.net_benefit(&once, &[0.3])) {
            prop_assert!((a[0] - b[0]).abs() < 1e-9 && (a[1] - b[1]).abs() < 1e-9);
        }
    }
}
