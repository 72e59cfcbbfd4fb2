//! qSOFA. Source: Singer et al., JAMA 2016;315:801-10 (Sepsis-3): respiratory rate >= 22/min,
//! systolic pressure <= 100 mm\[Hg\], altered mentation (Glasgow coma score < 15); 2 or more is
//! positive. The numbers are from memory and **unverified**. Rule `qsofa`, version 1.

use bedwatch_schemas::{
    frame::FeatureFrame,
    score::{Part, Score, ScoreKind},
    signal::Signal,
};

use super::{Reading, component, reading, summed, systolic, whole};

/// What qSOFA reads.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Inputs {
    /// Respiratory rate, /min.
    pub resp_rate: Option<Reading>,
    /// Systolic pressure, mm\[Hg\].
    pub systolic: Option<Reading>,
    /// Glasgow coma score.
    pub gcs: Option<Reading>,
}

/// Reads the inputs from a frame.
#[must_use]
pub fn inputs(frame: &FeatureFrame) -> Inputs {
    Inputs {
        resp_rate: reading(frame, Signal::RespRate),
        systolic: systolic(frame),
        gcs: reading(frame, Signal::GcsTotal),
    }
}

/// The score; `None` when no part is known.
#[must_use]
pub fn score(i: &Inputs) -> Option<Score> {
    let components = vec![
        component(Part::Respiration, i.resp_rate, |v| u8::from(whole(v) >= 22)),
        component(Part::Circulation, i.systolic, |v| u8::from(whole(v) <= 100)),
        component(Part::Consciousness, i.gcs, |v| u8::from(whole(v) < 15)),
    ];
    summed(ScoreKind::Qsofa, components)
}

#[cfg(test)]
mod tests {
    use super::super::tests::of;
    use super::*;

    #[test]
    fn every_edge() {
        let cases = [
            (21.0, 101.0, 15.0, 0.0),
            (22.0, 101.0, 15.0, 1.0),
            (21.0, 100.0, 15.0, 1.0),
            (21.0, 101.0, 14.0, 1.0),
            (23.0, 99.0, 13.0, 3.0),
        ];
        for (rr, sbp, gcs, want) in cases {
            let i = Inputs {
                resp_rate: of(Signal::RespRate, rr),
                systolic: of(Signal::AbpSystolic, sbp),
                gcs: of(Signal::GcsTotal, gcs),
            };
            let s = score(&i).unwrap();
            assert_eq!((s.value, s.complete), (want, true));
        }
        let part = Inputs { gcs: of(Signal::GcsTotal, 14.0), ..Inputs::default() };
        assert!(!score(&part).unwrap().complete);
        assert_eq!(score(&Inputs::default()), None);
    }
}
