//! Shock index: heart rate over systolic pressure (Allgöwer and Burri 1967). 0.7 and more is
//! abnormal (arXiv 2512.20520); 1.0 and more is the usual alarm (from memory, **unverified**). Rule
//! `shock_index`, version 1.
//!
//! The score's value is the ratio. Of its two parts, pulse carries a point from 0.7 up and
//! circulation one from 1.0 up, so that the points say how far the ratio has gone.

use bedwatch_schemas::{
    frame::FeatureFrame,
    score::{Part, Score, ScoreKind},
};

use super::{Reading, component, pulse, systolic};

/// From here the ratio is abnormal.
pub const ABNORMAL: f64 = 0.7;
/// From here it alarms.
pub const ALARM: f64 = 1.0;

/// What the shock index reads.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Inputs {
    /// Heart rate, /min.
    pub pulse: Option<Reading>,
    /// Systolic pressure, mm\[Hg\].
    pub systolic: Option<Reading>,
}

/// Reads the inputs from a frame.
#[must_use]
pub fn inputs(frame: &FeatureFrame) -> Inputs {
    Inputs { pulse: pulse(frame), systolic: systolic(frame) }
}

/// The ratio; `None` unless both values are known and the pressure is positive.
#[must_use]
pub fn score(i: &Inputs) -> Option<Score> {
    let (pulse, systolic) = (i.pulse?, i.systolic.filter(|s| s.value > 0.0)?);
    let value = pulse.value / systolic.value;
    let components = vec![
        component(Part::Pulse, Some(pulse), |_| u8::from(value >= ABNORMAL)),
        component(Part::Circulation, Some(systolic), |_| u8::from(value >= ALARM)),
    ];
    Some(Score { kind: ScoreKind::ShockIndex, value, complete: true, components })
}

#[cfg(test)]
mod tests {
    use super::super::tests::of;
    use super::*;
    use bedwatch_schemas::signal::Signal;

    #[test]
    fn every_edge() {
        let cases = [(69.0, 0, 0), (70.0, 1, 0), (71.0, 1, 0), (99.0, 1, 0), (100.0, 1, 1), (101.0, 1, 1)];
        for (hr, abnormal, alarm) in cases {
            let i = Inputs { pulse: of(Signal::HeartRate, hr), systolic: of(Signal::NibpSystolic, 100.0) };
            let s = score(&i).unwrap();
            assert_eq!(s.value, hr / 100.0);
            assert_eq!([s.components[0].points, s.components[1].points], [Some(abnormal), Some(alarm)]);
        }
        assert_eq!(score(&Inputs { pulse: of(Signal::HeartRate, 80.0), systolic: None }), None);
    }
}
