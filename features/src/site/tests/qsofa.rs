//! qSOFA as a site writes it, at every boundary and with every part unknown (`docs/rules.md`).

use super::*;

const RATES: [Option<f64>; 4] = [None, Some(21.0), Some(22.0), Some(40.0)];
const PRESSURES: [Option<f64>; 4] = [None, Some(101.0), Some(100.0), Some(60.0)];
const COMAS: [Option<f64>; 4] = [None, Some(15.0), Some(14.0), Some(3.0)];

/// The points of its known parts, and how many parts are known.
fn points(rate: Option<f64>, pressure: Option<f64>, coma: Option<f64>) -> (u8, usize) {
    let parts = [rate.map(|v| v >= 22.0), pressure.map(|v| v <= 100.0), coma.map(|v| v < 15.0)];
    let points = parts.iter().flatten().filter(|p| **p).count();
    (u8::try_from(points).unwrap(), parts.iter().flatten().count())
}

fn bed(rate: Option<f64>, pressure: Option<f64>, coma: Option<f64>) -> Seen {
    let parts = [(Signal::RespRate, rate), (Signal::AbpSystolic, pressure), (Signal::GcsTotal, coma)];
    let known = parts.into_iter().filter_map(|(signal, value)| Some((signal, value?)));
    known.fold(Ward::new(), |ward, (signal, value)| ward.value(0, signal, value)).at(1)
}

/// The score's column, its points written out in SQL, and plain Rust say the same of 64 beds, asked one
/// by one and as one batch.
#[test]
fn its_column_and_its_points_written_out_say_the_same_at_every_boundary() {
    let column = Rule { clears_when: Some("qsofa < 2"), ..rule("qsofa_at_least >= 2") };
    let written = Rule {
        clears_when: Some(
            "(CASE WHEN resp_rate_last >= 22 THEN 1 WHEN resp_rate_last < 22 THEN 0 END)
             + (CASE WHEN sbp_last <= 100 THEN 1 WHEN sbp_last > 100 THEN 0 END)
             + (CASE WHEN gcs_total_last < 15 THEN 1 WHEN gcs_total_last >= 15 THEN 0 END) < 2",
        ),
        name: name("written"),
        ..rule(
            "(CASE WHEN resp_rate_last >= 22 THEN 1 ELSE 0 END)
             + (CASE WHEN sbp_last <= 100 THEN 1 ELSE 0 END)
             + (CASE WHEN gcs_total_last < 15 THEN 1 ELSE 0 END) >= 2",
        )
    };
    let site = Site::compile(&[], &[column, written]).unwrap().unwrap();
    let mut ward = Vec::new();
    for rate in RATES {
        for pressure in PRESSURES {
            ward.extend(COMAS.map(|coma| (points(rate, pressure, coma), bed(rate, pressure, coma))));
        }
    }
    let beds: Vec<Bed<'_>> = ward.iter().map(|(_, seen)| seen.bed()).collect();
    let (mut holding, mut clear) = (0, 0);
    for (i, ((points, known), seen)) in ward.iter().enumerate() {
        let alone = site.judge(&[seen.bed()]).unwrap();
        let clears = (*known == 3).then_some(*points < 2);
        for (rule, verdict) in ["column", "written"].into_iter().zip(&alone) {
            // A known lower bound raises; only the whole score clears. The column of no known part is
            // unknown, the written one counts no points.
            let holds = (rule == "written" || *known > 0).then_some(*points >= 2);
            assert_eq!(
                (verdict.holds, verdict.clears),
                (holds, clears),
                "bed {i}, {rule}: {points} of {known} parts"
            );
        }
        assert_eq!(site.judge(&beds).unwrap()[2 * i..2 * i + 2], alone[..], "bed {i}");
        holding += usize::from(alone[0].holds == Some(true));
        clear += usize::from(alone[0].clears == Some(true));
    }
    assert_eq!((beds.len(), holding, clear), (64, 32, 7));
}
