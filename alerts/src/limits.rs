//! Reference limits and least noteworthy changes of the subjects of facts.
//!
//! Adult limits for words only ("high", "rising"): no alert is decided here. Sources: NEWS2 chart
//! (RCP 2017) for vital signs, SOFA's first and last step for its organs, common adult laboratory
//! ranges elsewhere (unverified: they differ between laboratories).

use bedwatch_schemas::{
    column::{Part, Source, Stat},
    evidence::{Band, Derived, Subject},
    frame::FeatureFrame,
    risk::{Bound, Change},
    score::ScoreKind,
    signal::Signal,
};

/// Limits of one subject (scores: the integer steps of their definitions): critically low, low, high, critically high.
type Row = (Option<f64>, Option<f64>, Option<f64>, Option<f64>);

const fn both(a: f64, b: f64, c: f64, d: f64) -> Row {
    (Some(a), Some(b), Some(c), Some(d))
}
const fn upper(c: f64, d: f64) -> Row {
    (None, None, Some(c), Some(d))
}
const fn lower(a: f64, b: f64) -> Row {
    (Some(a), Some(b), None, None)
}

fn row(subject: Subject) -> Option<Row> {
    Some(match subject {
        Subject::Signal(signal) => return signal_row(signal),
        Subject::Score(ScoreKind::News2) => upper(4.9, 6.9),
        Subject::Score(ScoreKind::Qsofa | ScoreKind::Sirs) => upper(1.9, 2.9),
        Subject::Score(ScoreKind::Sofa) => upper(1.9, 7.9),
        Subject::Score(ScoreKind::Mews) => upper(3.9, 4.9),
        Subject::Score(ScoreKind::ShockIndex) => upper(0.69, 0.99),
        Subject::Derived(Derived::PfRatio) => lower(100.0, 300.0),
        Subject::Derived(Derived::EegSeizureScore) => upper(50.0, 80.0),
        Subject::Derived(Derived::EegBurstSuppression) => upper(10.0, 50.0),
        Subject::Derived(Derived::CgmForecast) => both(54.0, 70.0, 180.0, 250.0),
        Subject::Derived(Derived::CgmRate) => both(-2.0, -1.0, 1.0, 2.0),
        // The mean, lowest or highest of a signal lies within the signal's own limits.
        Subject::Column(column) => match column.info().source {
            Source::Signal(signal, Part::Lowest | Part::Highest)
            | Source::Signal(signal, Part::Window(Stat::Mean | Stat::Min | Stat::Max, _)) => {
                return signal_row(signal);
            }
            _ => return None,
        },
        Subject::Risk(_) | Subject::Infusion(_) | Subject::Derived(_) | Subject::Site(_) => return None,
    })
}

fn signal_row(signal: Signal) -> Option<Row> {
    use Signal as S;
    Some(match signal {
        S::HeartRate | S::PulseRate => both(40.0, 51.0, 90.0, 130.0),
        S::RespRate => both(8.0, 12.0, 20.0, 24.0),
        S::Spo2 | S::Sao2 => lower(91.0, 95.9),
        S::Temperature => both(35.0, 36.1, 38.0, 39.0),
        S::NibpSystolic | S::AbpSystolic => both(90.0, 101.0, 180.0, 219.0),
        S::NibpMean | S::AbpMean => both(55.0, 65.0, 110.0, 130.0),
        S::NibpDiastolic | S::AbpDiastolic => both(35.0, 50.0, 100.0, 120.0),
        S::Etco2 | S::Paco2 => both(25.0, 35.0, 45.0, 60.0),
        S::CgmGlucose | S::Glucose => both(54.0, 70.0, 180.0, 250.0),
        S::GcsTotal => lower(8.9, 14.9),
        S::Fio2 => upper(40.0, 60.0),
        S::Lactate => upper(2.0, 4.0),
        S::Creatinine => upper(1.2, 3.5),
        S::BilirubinTotal => upper(1.2, 6.0),
        S::BilirubinDirect => upper(0.3, 3.0),
        S::Platelets => both(50.0, 150.0, 450.0, 1_000.0),
        S::Wbc => both(1.0, 4.0, 12.0, 30.0),
        S::Hemoglobin => both(7.0, 12.0, 17.5, 20.0),
        S::Hematocrit => both(21.0, 36.0, 52.0, 60.0),
        S::Sodium => both(125.0, 135.0, 145.0, 155.0),
        S::Potassium => both(2.8, 3.5, 5.1, 6.2),
        S::Chloride => both(80.0, 96.0, 107.0, 120.0),
        S::Bicarbonate => both(15.0, 22.0, 28.0, 40.0),
        S::BaseExcess => both(-10.0, -2.0, 2.0, 10.0),
        S::ArterialPh => both(7.2, 7.35, 7.45, 7.6),
        S::Pao2 => both(55.0, 75.0, 120.0, 300.0),
        S::Bun => upper(20.0, 60.0),
        S::Calcium => both(7.0, 8.5, 10.5, 13.0),
        S::Magnesium => both(1.0, 1.7, 2.4, 4.0),
        S::Phosphate => both(1.0, 2.5, 4.5, 8.0),
        S::Alt | S::Ast => upper(40.0, 400.0),
        S::AlkalinePhosphatase => upper(130.0, 500.0),
        S::Albumin => lower(2.0, 3.5),
        S::TroponinI => upper(0.04, 1.0),
        S::TroponinT => upper(0.014, 0.1),
        S::Ptt => upper(38.0, 80.0),
        S::Inr => upper(1.2, 3.0),
        S::Fibrinogen => both(100.0, 200.0, 450.0, 800.0),
        S::Procalcitonin => upper(0.5, 10.0),
        S::Crp => upper(10.0, 150.0),
        S::Cvp => both(0.0, 2.0, 12.0, 20.0),
        S::UrineOutput | S::Weight | S::Height | S::Cholesterol | S::MechanicalVentilation => return None,
    })
}

/// Where a value lies. A value on a limit is within.
#[must_use]
pub fn band(subject: Subject, value: f64) -> Band {
    let Some((critical_low, low, high, critical_high)) = row(subject) else {
        return Band::Unknown;
    };
    let under = |limit: Option<f64>| limit.is_some_and(|l| value < l);
    let over = |limit: Option<f64>| limit.is_some_and(|l| value > l);
    if under(critical_low) {
        Band::CriticalLow
    } else if over(critical_high) {
        Band::CriticalHigh
    } else if under(low) {
        Band::Low
    } else if over(high) {
        Band::High
    } else {
        Band::Normal
    }
}

/// For every current signal outside its limits the nearest end of them, in signal order: what a model
/// may be asked to imagine. Where values are whole numbers and the limit stands below the last that is
/// high (SpO2 95.9), the first that is within. What people set and the patient does not answer for
/// (inspired oxygen, ventilation) is not imagined: it would read as advice.
#[must_use]
pub fn targets(frame: &FeatureFrame) -> Vec<Change> {
    let target = |&signal: &Signal| {
        if matches!(signal, Signal::Fio2 | Signal::MechanicalVentilation) {
            return None;
        }
        let (value, _, _) = frame.current(signal)?;
        let (_, low, high, _) = signal_row(signal)?;
        let whole = matches!(signal, Signal::Spo2 | Signal::Sao2 | Signal::GcsTotal);
        if let Some(low) = low.filter(|low| value < *low) {
            let value = if whole { low.ceil() } else { low };
            return Some(Change { signal, bound: Bound::AtLeast, value });
        }
        let high = high.filter(|high| value > *high)?;
        Some(Change { signal, bound: Bound::AtMost, value: high })
    };
    Signal::ALL.iter().filter_map(target).collect()
}

/// The least change over a trend's stretch that is worth a word, in the subject's unit.
#[must_use]
pub fn noteworthy_change(subject: Subject) -> f64 {
    use Signal as S;
    match subject {
        Subject::Signal(signal) => match signal {
            S::HeartRate | S::PulseRate => 8.0,
            S::RespRate => 3.0,
            S::Spo2 | S::Sao2 => 2.0,
            S::Temperature => 0.5,
            S::NibpSystolic | S::AbpSystolic => 10.0,
            S::NibpMean | S::AbpMean | S::NibpDiastolic | S::AbpDiastolic => 6.0,
            S::Etco2 | S::Paco2 => 4.0,
            S::CgmGlucose | S::Glucose => 15.0,
            S::Lactate => 0.4,
            S::Creatinine | S::BilirubinTotal => 0.3,
            S::ArterialPh => 0.04,
            S::GcsTotal => 1.0,
            S::Potassium => 0.4,
            S::Wbc => 2.0,
            S::Platelets => 25.0,
            S::MechanicalVentilation => 1.0,
            _ => {
                let (lo, hi) = signal.info().plausible;
                (hi - lo) * 0.02
            }
        },
        Subject::Risk(_) => 5.0,
        Subject::Score(ScoreKind::ShockIndex) => 0.15,
        Subject::Score(_) => 1.0,
        Subject::Infusion(_) => 0.02,
        Subject::Derived(Derived::CgmRate) => 0.5,
        Subject::Derived(_) => 10.0,
        // No trend is told of these.
        Subject::Column(_) | Subject::Site(_) => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_limit_is_within() {
        let map = Subject::Signal(Signal::AbpMean);
        for (value, want) in [
            (54.9, Band::CriticalLow),
            (55.0, Band::Low),
            (64.9, Band::Low),
            (65.0, Band::Normal),
            (110.0, Band::Normal),
            (110.1, Band::High),
            (130.1, Band::CriticalHigh),
        ] {
            assert_eq!(band(map, value), want, "{value}");
        }
        assert_eq!(band(Subject::Signal(Signal::Weight), 70.0), Band::Unknown);
    }

    #[test]
    fn targets_are_the_nearest_ends_of_what_lies_outside() {
        use crate::testing::{With, frame};
        use bedwatch_schemas::time::Span;
        for (signal, value, want) in [
            (Signal::AbpMean, 64.9, Some((Bound::AtLeast, 65.0))),
            (Signal::AbpMean, 65.0, None),
            (Signal::AbpMean, 110.0, None),
            (Signal::AbpMean, 140.0, Some((Bound::AtMost, 110.0))),
            (Signal::Spo2, 91.0, Some((Bound::AtLeast, 96.0))),
            (Signal::Spo2, 96.0, None),
            (Signal::HeartRate, 131.0, Some((Bound::AtMost, 90.0))),
        ] {
            let found = targets(&frame(60).charted(signal, value, Span::secs(5)));
            let want = want.map(|(bound, value)| Change { signal, bound, value });
            assert_eq!(found, want.into_iter().collect::<Vec<_>>(), "{signal:?} {value}");
            for change in found {
                assert_eq!(band(Subject::Signal(signal), change.value), Band::Normal);
                assert!(signal.is_plausible(change.value));
            }
        }
        let set = frame(60).charted(Signal::Fio2, 80.0, Span::secs(5));
        assert_ne!(band(Subject::Signal(Signal::Fio2), 80.0), Band::Normal);
        assert_eq!(targets(&set), [], "what is set is not what is wrong");
        let old = frame(60).charted(Signal::AbpMean, 50.0, past_validity(Signal::AbpMean));
        assert_eq!(targets(&old), [], "a value that no longer speaks of the patient");
        let lab = frame(60).lab_of(Signal::Lactate, 4.2, Span::hours(1));
        assert_eq!(targets(&lab), [Change { signal: Signal::Lactate, bound: Bound::AtMost, value: 2.0 }]);
    }

    fn past_validity(signal: Signal) -> bedwatch_schemas::time::Span {
        crate::testing::past(signal.info().valid_for)
    }

    #[test]
    fn limits_are_in_order_and_changes_positive() {
        for &signal in Signal::ALL {
            let subject = Subject::Signal(signal);
            assert!(noteworthy_change(subject) > 0.0);
            if let Some((a, b, c, d)) = row(subject) {
                let limits: Vec<f64> = [a, b, c, d].into_iter().flatten().collect();
                assert!(limits.is_sorted(), "{signal:?}");
            }
        }
    }
}
