//! NEWS2, National Early Warning Score 2. Source: Royal College of Physicians, "National Early
//! Warning Score (NEWS) 2", 2017, chart 1. Rule `news2`, version 1.
//!
//! Units: breaths/min, %, mm\[Hg\], beats/min, °C. Not for patients under 16 (from memory of the
//! same report, unverified), where it is absent. Pregnancy is not known here. SpO2 scale 2 only
//! where configured, for a prescribed target of 88-92 %. Consciousness: a Glasgow coma score under
//! 15 counts as "CVPU" (new confusion cannot be told from old). Missing parts are `None`.

use bedwatch_schemas::{
    frame::FeatureFrame,
    score::{Component, Part, Score, ScoreKind},
    signal::Signal,
};

use super::{Oxygen, Reading, component, oxygen, pulse, reading, summed, systolic, tenths, whole};

/// What NEWS2 reads.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Inputs {
    /// Respiratory rate, /min.
    pub resp_rate: Option<Reading>,
    /// SpO2, %.
    pub spo2: Option<Reading>,
    /// Whether oxygen is given.
    pub oxygen: Option<Oxygen>,
    /// Systolic pressure, mm\[Hg\].
    pub systolic: Option<Reading>,
    /// Pulse, /min.
    pub pulse: Option<Reading>,
    /// Glasgow coma score.
    pub gcs: Option<Reading>,
    /// Temperature, °C.
    pub temperature: Option<Reading>,
    /// Whether SpO2 scale 2 is prescribed.
    pub spo2_scale_2: bool,
}

/// Reads the inputs from a frame; `None` for children.
#[must_use]
pub fn inputs(frame: &FeatureFrame, spo2_scale_2: bool) -> Option<Inputs> {
    if frame.demographics.age_years.is_some_and(|age| age < 16.0) {
        return None;
    }
    Some(Inputs {
        resp_rate: reading(frame, Signal::RespRate),
        spo2: reading(frame, Signal::Spo2),
        oxygen: oxygen(frame),
        systolic: systolic(frame),
        pulse: pulse(frame),
        gcs: reading(frame, Signal::GcsTotal),
        temperature: reading(frame, Signal::Temperature),
        spo2_scale_2,
    })
}

/// The score; `None` when no part is known.
#[must_use]
pub fn score(i: &Inputs) -> Option<Score> {
    let saturation = if i.spo2_scale_2 {
        scale_2(i.spo2, i.oxygen)
    } else {
        component(Part::Oxygenation, i.spo2, spo2_points)
    };
    let supplemental = Component {
        part: Part::SupplementalOxygen,
        points: i.oxygen.map(|o| if o.given { 2 } else { 0 }),
        signal: i.oxygen.and_then(|o| o.fio2.map(|_| Signal::Fio2)),
        value: i.oxygen.and_then(|o| o.fio2),
        at: i.oxygen.map(|o| o.at),
        provenance: i.oxygen.map(|o| o.provenance),
    };
    let components = vec![
        component(Part::Respiration, i.resp_rate, resp_rate_points),
        saturation,
        supplemental,
        component(Part::Circulation, i.systolic, systolic_points),
        component(Part::Pulse, i.pulse, pulse_points),
        component(Part::Consciousness, i.gcs, |v| if whole(v) < 15 { 3 } else { 0 }),
        component(Part::Temperature, i.temperature, temperature_points),
    ];
    summed(ScoreKind::News2, components)
}

fn resp_rate_points(v: f64) -> u8 {
    match whole(v) {
        ..=8 => 3,
        9..=11 => 1,
        12..=20 => 0,
        21..=24 => 2,
        25.. => 3,
    }
}

fn spo2_points(v: f64) -> u8 {
    match whole(v) {
        ..=91 => 3,
        92..=93 => 2,
        94..=95 => 1,
        96.. => 0,
    }
}

/// Scale 2: from 93 % up the points depend on whether oxygen is given.
fn scale_2(spo2: Option<Reading>, oxygen: Option<Oxygen>) -> Component {
    let mut c = component(Part::Oxygenation, spo2, |v| match whole(v) {
        ..=83 => 3,
        84..=85 => 2,
        86..=87 => 1,
        88.. => 0,
    });
    let high = spo2.map(|r| whole(r.value)).filter(|v| *v >= 93);
    if let Some(v) = high {
        c.points = oxygen.map(|o| match (o.given, v) {
            (false, _) => 0,
            (true, ..=94) => 1,
            (true, 95..=96) => 2,
            (true, 97..) => 3,
        });
    }
    c
}

fn systolic_points(v: f64) -> u8 {
    match whole(v) {
        ..=90 => 3,
        91..=100 => 2,
        101..=110 => 1,
        111..=219 => 0,
        220.. => 3,
    }
}

fn pulse_points(v: f64) -> u8 {
    match whole(v) {
        ..=40 => 3,
        41..=50 => 1,
        51..=90 => 0,
        91..=110 => 1,
        111..=130 => 2,
        131.. => 3,
    }
}

fn temperature_points(v: f64) -> u8 {
    match tenths(v) {
        ..=350 => 3,
        351..=360 => 1,
        361..=380 => 0,
        381..=390 => 1,
        391.. => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::of;
    use super::*;
    use bedwatch_schemas::time::EventTime;

    /// Part, value, points: every edge of the chart from both sides.
    const EDGES: &[(Part, &[(f64, u8)])] = &[
        (
            Part::Respiration,
            &[(0.0, 3), (8.0, 3), (9.0, 1), (11.0, 1), (12.0, 0), (20.0, 0), (21.0, 2), (24.0, 2), (25.0, 3)],
        ),
        (Part::Oxygenation, &[(91.0, 3), (92.0, 2), (93.0, 2), (94.0, 1), (95.0, 1), (96.0, 0), (100.0, 0)]),
        (
            Part::Circulation,
            &[(90.0, 3), (91.0, 2), (100.0, 2), (101.0, 1), (110.0, 1), (111.0, 0), (219.0, 0), (220.0, 3)],
        ),
        (
            Part::Pulse,
            &[
                (40.0, 3),
                (41.0, 1),
                (50.0, 1),
                (51.0, 0),
                (90.0, 0),
                (91.0, 1),
                (110.0, 1),
                (111.0, 2),
                (130.0, 2),
                (131.0, 3),
            ],
        ),
        (Part::Consciousness, &[(3.0, 3), (14.0, 3), (15.0, 0)]),
        (
            Part::Temperature,
            &[
                (35.0, 3),
                (35.1, 1),
                (36.0, 1),
                (36.1, 0),
                (38.0, 0),
                (38.1, 1),
                (39.0, 1),
                (39.1, 2),
                (35.04, 3),
            ],
        ),
    ];

    fn with(part: Part, value: f64) -> Inputs {
        let mut i = Inputs::default();
        match part {
            Part::Respiration => i.resp_rate = of(Signal::RespRate, value),
            Part::Oxygenation => i.spo2 = of(Signal::Spo2, value),
            Part::Circulation => i.systolic = of(Signal::AbpSystolic, value),
            Part::Pulse => i.pulse = of(Signal::HeartRate, value),
            Part::Consciousness => i.gcs = of(Signal::GcsTotal, value),
            _ => i.temperature = of(Signal::Temperature, value),
        }
        i
    }

    fn air_or_oxygen(given: bool) -> Option<Oxygen> {
        let (at, provenance) = (EventTime::from_micros(0), crate::word::provenance(0));
        Some(Oxygen { given, fio2: None, at, provenance })
    }

    #[test]
    fn every_edge_of_the_chart() {
        for &(part, cases) in EDGES {
            for &(value, points) in cases {
                let s = score(&with(part, value)).unwrap();
                assert_eq!(s.value, f64::from(points), "{part:?} {value}");
                assert!(!s.complete);
                let known: Vec<Part> =
                    s.components.iter().filter(|c| c.points.is_some()).map(|c| c.part).collect();
                assert_eq!(known, [part], "the rest is missing, not zero");
            }
        }
    }

    #[test]
    fn every_edge_of_scale_2() {
        let cases = [
            (83.0, true, Some(3)),
            (84.0, true, Some(2)),
            (85.0, true, Some(2)),
            (86.0, true, Some(1)),
            (87.0, true, Some(1)),
            (88.0, true, Some(0)),
            (92.0, true, Some(0)),
            (93.0, true, Some(1)),
            (94.0, true, Some(1)),
            (95.0, true, Some(2)),
            (96.0, true, Some(2)),
            (97.0, true, Some(3)),
            (93.0, false, Some(0)),
            (100.0, false, Some(0)),
        ];
        for (value, given, points) in cases {
            let i = Inputs {
                spo2: of(Signal::Spo2, value),
                oxygen: air_or_oxygen(given),
                spo2_scale_2: true,
                ..Inputs::default()
            };
            assert_eq!(score(&i).unwrap().components[1].points, points, "{value} {given}");
        }
        let unknown = Inputs { spo2: of(Signal::Spo2, 97.0), spo2_scale_2: true, ..Inputs::default() };
        assert_eq!(score(&unknown), None, "from 93 % the points are unknown without the oxygen");
    }

    #[test]
    fn a_complete_score_is_the_sum() {
        let i = Inputs {
            resp_rate: of(Signal::RespRate, 25.0),
            spo2: of(Signal::Spo2, 91.0),
            oxygen: air_or_oxygen(true),
            systolic: of(Signal::NibpSystolic, 90.0),
            pulse: of(Signal::HeartRate, 131.0),
            gcs: of(Signal::GcsTotal, 14.0),
            temperature: of(Signal::Temperature, 35.0),
            spo2_scale_2: false,
        };
        let s = score(&i).unwrap();
        assert!(s.complete);
        assert_eq!(s.value, 20.0);
        assert_eq!(score(&Inputs::default()), None);
    }
}
