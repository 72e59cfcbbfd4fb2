//! MEWS, Modified Early Warning Score. Source: Subbe et al., QJM 2001;94:521-6, by secondary
//! sources, which differ at some edges; ours are listed in the test. Rule `mews`, version 1.
//!
//! Units: mm\[Hg\], beats/min, breaths/min, °C. AVPU is read from the Glasgow coma score: 15 alert,
//! 11-14 voice, 6-10 pain, 3-5 unresponsive, half way between the medians 15, 13, 8 and 3 of Kelly
//! et al. 2004 (**unverified**, from memory). Missing parts are `None`.

use bedwatch_schemas::{
    frame::FeatureFrame,
    score::{Part, Score, ScoreKind},
    signal::Signal,
};

use super::{Reading, component, pulse, reading, summed, systolic, tenths, whole};

/// What MEWS reads.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Inputs {
    /// Systolic pressure, mm\[Hg\].
    pub systolic: Option<Reading>,
    /// Pulse, /min.
    pub pulse: Option<Reading>,
    /// Respiratory rate, /min.
    pub resp_rate: Option<Reading>,
    /// Temperature, °C.
    pub temperature: Option<Reading>,
    /// Glasgow coma score.
    pub gcs: Option<Reading>,
}

/// Reads the inputs from a frame.
#[must_use]
pub fn inputs(frame: &FeatureFrame) -> Inputs {
    Inputs {
        systolic: systolic(frame),
        pulse: pulse(frame),
        resp_rate: reading(frame, Signal::RespRate),
        temperature: reading(frame, Signal::Temperature),
        gcs: reading(frame, Signal::GcsTotal),
    }
}

/// The score; `None` when no part is known.
#[must_use]
pub fn score(i: &Inputs) -> Option<Score> {
    let components = vec![
        component(Part::Circulation, i.systolic, |v| match whole(v) {
            ..=70 => 3,
            71..=80 => 2,
            81..=100 => 1,
            101..=199 => 0,
            200.. => 2,
        }),
        component(Part::Pulse, i.pulse, |v| match whole(v) {
            ..=40 => 2,
            41..=50 => 1,
            51..=100 => 0,
            101..=110 => 1,
            111..=129 => 2,
            130.. => 3,
        }),
        component(Part::Respiration, i.resp_rate, |v| match whole(v) {
            ..=8 => 2,
            9..=14 => 0,
            15..=20 => 1,
            21..=29 => 2,
            30.. => 3,
        }),
        component(Part::Temperature, i.temperature, |v| match tenths(v) {
            ..=349 => 2,
            350..=384 => 0,
            385.. => 2,
        }),
        component(Part::Consciousness, i.gcs, |v| match whole(v) {
            ..=5 => 3,
            6..=10 => 2,
            11..=14 => 1,
            15.. => 0,
        }),
    ];
    summed(ScoreKind::Mews, components)
}

#[cfg(test)]
mod tests {
    use super::super::tests::of;
    use super::*;

    const EDGES: &[(Part, &[(f64, u8)])] = &[
        (
            Part::Circulation,
            &[(70.0, 3), (71.0, 2), (80.0, 2), (81.0, 1), (100.0, 1), (101.0, 0), (199.0, 0), (200.0, 2)],
        ),
        (
            Part::Pulse,
            &[
                (40.0, 2),
                (41.0, 1),
                (50.0, 1),
                (51.0, 0),
                (100.0, 0),
                (101.0, 1),
                (110.0, 1),
                (111.0, 2),
                (129.0, 2),
                (130.0, 3),
            ],
        ),
        (
            Part::Respiration,
            &[(8.0, 2), (9.0, 0), (14.0, 0), (15.0, 1), (20.0, 1), (21.0, 2), (29.0, 2), (30.0, 3)],
        ),
        (Part::Temperature, &[(34.9, 2), (35.0, 0), (38.4, 0), (38.5, 2)]),
        (Part::Consciousness, &[(5.0, 3), (6.0, 2), (10.0, 2), (11.0, 1), (14.0, 1), (15.0, 0)]),
    ];

    #[test]
    fn every_edge() {
        for &(part, cases) in EDGES {
            for &(value, points) in cases {
                let mut i = Inputs::default();
                match part {
                    Part::Circulation => i.systolic = of(Signal::NibpSystolic, value),
                    Part::Pulse => i.pulse = of(Signal::HeartRate, value),
                    Part::Respiration => i.resp_rate = of(Signal::RespRate, value),
                    Part::Temperature => i.temperature = of(Signal::Temperature, value),
                    _ => i.gcs = of(Signal::GcsTotal, value),
                }
                let s = score(&i).unwrap();
                assert_eq!((s.value, s.complete), (f64::from(points), false), "{part:?} {value}");
            }
        }
        assert_eq!(score(&Inputs::default()), None);
    }
}
