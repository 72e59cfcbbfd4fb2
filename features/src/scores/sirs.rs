//! SIRS, systemic inflammatory response syndrome. Source: Bone et al., Chest 1992;101:1644-55:
//! temperature > 38 or < 36 °C; heart rate > 90/min; respiratory rate > 20/min or PaCO2 < 32
//! mm\[Hg\]; white cells > 12 or < 4 thousand/uL (or > 10 % bands, not known here); 2 or more is
//! positive. The numbers are from memory and **unverified**. Rule `sirs`, version 1.
//!
//! Respiration is known when either of its two values is.

use bedwatch_schemas::{
    frame::FeatureFrame,
    score::{Part, Score, ScoreKind},
    signal::Signal,
};

use super::{Reading, component, pulse, reading, summed, tenths, whole};

/// What SIRS reads.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Inputs {
    /// Temperature, °C.
    pub temperature: Option<Reading>,
    /// Heart rate, /min.
    pub pulse: Option<Reading>,
    /// Respiratory rate, /min.
    pub resp_rate: Option<Reading>,
    /// Arterial CO2, mm\[Hg\].
    pub paco2: Option<Reading>,
    /// White cells, thousand/uL.
    pub wbc: Option<Reading>,
}

/// Reads the inputs from a frame.
#[must_use]
pub fn inputs(frame: &FeatureFrame) -> Inputs {
    Inputs {
        temperature: reading(frame, Signal::Temperature),
        pulse: pulse(frame),
        resp_rate: reading(frame, Signal::RespRate),
        paco2: reading(frame, Signal::Paco2),
        wbc: reading(frame, Signal::Wbc),
    }
}

/// The score; `None` when no part is known.
#[must_use]
pub fn score(i: &Inputs) -> Option<Score> {
    let low_co2 = i.paco2.filter(|r| tenths(r.value) < 320);
    let fast = i.resp_rate.filter(|r| whole(r.value) > 20);
    let met = fast.or(low_co2);
    let respiration = met.or(i.resp_rate).or(i.paco2);
    let components = vec![
        component(Part::Temperature, i.temperature, |v| u8::from(tenths(v) > 380 || tenths(v) < 360)),
        component(Part::Pulse, i.pulse, |v| u8::from(whole(v) > 90)),
        component(Part::Respiration, respiration, |_| u8::from(met.is_some())),
        component(Part::WhiteCells, i.wbc, |v| u8::from(tenths(v) > 120 || tenths(v) < 40)),
    ];
    summed(ScoreKind::Sirs, components)
}

#[cfg(test)]
mod tests {
    use super::super::tests::of;
    use super::*;

    #[test]
    fn every_edge() {
        let none = Inputs::default();
        let cases = [
            (Inputs { temperature: of(Signal::Temperature, 38.0), ..none }, 0.0),
            (Inputs { temperature: of(Signal::Temperature, 38.1), ..none }, 1.0),
            (Inputs { temperature: of(Signal::Temperature, 36.0), ..none }, 0.0),
            (Inputs { temperature: of(Signal::Temperature, 35.9), ..none }, 1.0),
            (Inputs { pulse: of(Signal::HeartRate, 90.0), ..none }, 0.0),
            (Inputs { pulse: of(Signal::HeartRate, 91.0), ..none }, 1.0),
            (Inputs { resp_rate: of(Signal::RespRate, 20.0), ..none }, 0.0),
            (Inputs { resp_rate: of(Signal::RespRate, 21.0), ..none }, 1.0),
            (Inputs { paco2: of(Signal::Paco2, 32.0), ..none }, 0.0),
            (Inputs { paco2: of(Signal::Paco2, 31.9), ..none }, 1.0),
            (Inputs { wbc: of(Signal::Wbc, 12.0), ..none }, 0.0),
            (Inputs { wbc: of(Signal::Wbc, 12.1), ..none }, 1.0),
            (Inputs { wbc: of(Signal::Wbc, 4.0), ..none }, 0.0),
            (Inputs { wbc: of(Signal::Wbc, 3.9), ..none }, 1.0),
        ];
        for (i, want) in cases {
            let s = score(&i).unwrap();
            assert_eq!((s.value, s.complete), (want, false), "{i:?}");
        }
        assert_eq!(score(&none), None);
    }

    #[test]
    fn respiration_names_the_value_that_decided() {
        let i = Inputs {
            resp_rate: of(Signal::RespRate, 18.0),
            paco2: of(Signal::Paco2, 30.0),
            ..Inputs::default()
        };
        let s = score(&i).unwrap();
        assert_eq!((s.components[2].points, s.components[2].signal), (Some(1), Some(Signal::Paco2)));
    }
}
