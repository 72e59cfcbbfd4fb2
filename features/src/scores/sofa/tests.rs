use super::super::tests::of;
use super::*;
use crate::{infusions::Infusions, labs::Labs, vitals::Vitals, word::Word};
use bedwatch_schemas::{
    event::ResultStatus,
    medication::{Dose, Infusion, InfusionAction},
    signal::Signal,
    time::Span,
    unit::Unit,
};

const MIMIC: SofaEdges = SofaEdges::MimicCode;

fn only(part: Part, value: f64) -> Inputs {
    let mut i = Inputs::default();
    match part {
        Part::Oxygenation => i.pf_ratio = of(Signal::Pao2, value),
        Part::Coagulation => i.platelets = of(Signal::Platelets, value),
        Part::Liver => i.bilirubin = of(Signal::BilirubinTotal, value),
        Part::Circulation => i.map = of(Signal::AbpMean, value),
        Part::Consciousness => i.gcs = of(Signal::GcsTotal, value),
        _ => i.creatinine = of(Signal::Creatinine, value),
    }
    i
}

const EDGES: &[(Part, &[(f64, u8)])] = &[
    (Part::Oxygenation, &[(400.0, 0), (399.0, 1), (300.0, 1), (299.0, 2), (200.0, 2), (199.0, 2), (50.0, 2)]),
    (
        Part::Coagulation,
        &[(150.0, 0), (149.0, 1), (100.0, 1), (99.0, 2), (50.0, 2), (49.0, 3), (20.0, 3), (19.0, 4)],
    ),
    (
        Part::Liver,
        &[(1.1, 0), (1.2, 1), (1.9, 1), (2.0, 2), (5.9, 2), (6.0, 3), (11.9, 3), (12.0, 4), (12.1, 4)],
    ),
    (Part::Circulation, &[(69.0, 1), (70.0, 0), (71.0, 0)]),
    (
        Part::Consciousness,
        &[(15.0, 0), (14.0, 1), (13.0, 1), (12.0, 2), (10.0, 2), (9.0, 3), (6.0, 3), (5.0, 4), (3.0, 4)],
    ),
    (
        Part::Renal,
        &[(1.1, 0), (1.2, 1), (1.9, 1), (2.0, 2), (3.4, 2), (3.5, 3), (4.9, 3), (5.0, 4), (5.1, 4)],
    ),
];

#[test]
fn every_edge() {
    for &(part, cases) in EDGES {
        for &(value, points) in cases {
            let s = score(&only(part, value), MIMIC).unwrap();
            assert_eq!((s.value, s.complete), (f64::from(points), false), "{part:?} {value}");
        }
    }
    assert_eq!(score(&Inputs::default(), MIMIC), None);
}

#[test]
fn edges_as_printed_in_1996() {
    let cases = [
        (Part::Liver, 12.0, 3.0),
        (Part::Liver, 12.1, 4.0),
        (Part::Renal, 5.0, 3.0),
        (Part::Renal, 5.1, 4.0),
    ];
    for (part, value, points) in cases {
        assert_eq!(score(&only(part, value), SofaEdges::Original1996).unwrap().value, points, "{value}");
    }
}

#[test]
fn low_ratios_score_more_only_with_support() {
    for (value, points) in [(200.0, 2.0), (199.0, 3.0), (100.0, 3.0), (99.0, 4.0)] {
        let i = Inputs { supported: Some(true), ..only(Part::Oxygenation, value) };
        assert_eq!(score(&i, MIMIC).unwrap().value, points, "{value}");
    }
}

#[test]
fn every_edge_of_the_pressors() {
    let cases = [
        (Drug::Dobutamine, Some(2.0), 2),
        (Drug::Dopamine, Some(5.0), 2),
        (Drug::Dopamine, Some(5.1), 3),
        (Drug::Dopamine, Some(15.0), 3),
        (Drug::Dopamine, Some(15.1), 4),
        (Drug::Norepinephrine, Some(0.1), 3),
        (Drug::Norepinephrine, Some(0.11), 4),
        (Drug::Epinephrine, Some(0.1), 3),
        (Drug::Epinephrine, Some(0.11), 4),
        (Drug::Norepinephrine, None, 3),
        (Drug::Vasopressin, Some(0.03), 0),
    ];
    for (drug, rate, points) in cases {
        let (at, provenance) = (EventTime::from_micros(0), crate::word::provenance(0));
        let pressors = vec![Pressor { drug, rate, at, provenance }];
        let i = Inputs { pressors, ..only(Part::Circulation, 80.0) };
        let s = score(&i, MIMIC).unwrap();
        assert_eq!(s.value, f64::from(points), "{drug:?} {rate:?}");
    }
}

#[test]
fn urine_scores_where_it_is_worse() {
    for (ml, points) in [(199.0, 4.0), (200.0, 3.0), (499.0, 3.0), (500.0, 1.0)] {
        let i = Inputs { urine_ml_day: of(Signal::UrineOutput, ml), ..only(Part::Renal, 1.2) };
        assert_eq!(score(&i, MIMIC).unwrap().value, points, "{ml}");
    }
}

struct Bed {
    vitals: Vitals,
    labs: Labs,
    infusions: Infusions,
    offset: i64,
}

fn minute(m: i64) -> EventTime {
    EventTime::from_micros(1_699_999_200_000_000) + Span::minutes(m)
}

impl Bed {
    fn new() -> Self {
        let (vitals, labs, infusions) = (Vitals::default(), Labs::default(), Infusions::default());
        Self { vitals, labs, infusions, offset: 0 }
    }

    fn put(mut self, signal: Signal, m: i64, value: f64) -> Self {
        self.offset += 1;
        let word =
            Word { value, status: ResultStatus::Final, provenance: crate::word::provenance(self.offset) };
        let allowance = Span::hours(48);
        if signal.info().class == bedwatch_schemas::signal::SignalClass::Vital {
            self.vitals.push(signal, minute(m), word, allowance);
        } else {
            self.labs.push(signal, minute(m), word, minute(m).as_arrival_time(), allowance);
        }
        self
    }

    fn rate(mut self, drug: Drug, m: i64, rate: f64, unit: Unit) -> Self {
        self.offset += 1;
        let infusion =
            Infusion { drug, action: InfusionAction::RateSet, dose: Some(Dose { value: rate, unit }) };
        let provenance = crate::word::provenance(self.offset);
        self.infusions.push(&infusion, minute(m), provenance, Span::hours(48));
        self
    }

    fn at(&self, m: i64) -> Inputs {
        inputs(&self.vitals, &self.labs, &self.infusions, minute(m))
    }
}

#[test]
fn the_day_gives_its_worst() {
    let day = 1_440;
    let bed = Bed::new()
        .put(Signal::Platelets, 0, 40.0)
        .put(Signal::Platelets, 60, 90.0)
        .put(Signal::Platelets, 120, 140.0)
        .put(Signal::Creatinine, 60, 3.5)
        .put(Signal::NibpMean, 60, 66.0)
        .put(Signal::NibpMean, 90, 80.0);
    let i = bed.at(day);
    assert_eq!(i.platelets.unwrap().value, 90.0, "the window is (at - 24 h, at]");
    assert_eq!(i.map.unwrap().value, 66.0);
    let i = bed.at(day + 121);
    assert_eq!(i.platelets.unwrap().value, 140.0, "the last one while it is valid");
    assert_eq!(i.map, None);
    assert_eq!(bed.at(120 + 2_881).platelets, None);
}

#[test]
fn each_pao2_goes_with_the_fio2_before_it() {
    let bed = Bed::new()
        .put(Signal::Fio2, 0, 40.0)
        .put(Signal::Pao2, 10, 80.0)
        .put(Signal::Fio2, 20, 100.0)
        .put(Signal::Pao2, 30, 250.0);
    assert_eq!(bed.at(60).pf_ratio.unwrap().value, 200.0);
    assert_eq!(bed.at(5).pf_ratio, None);
}

#[test]
fn pressors_count_from_the_hour() {
    let unit = Unit::UgPerKgMin;
    let bed = Bed::new().rate(Drug::Norepinephrine, 0, 0.05, unit).rate(Drug::Norepinephrine, 60, 0.2, unit);
    assert_eq!(bed.at(59).pressors, []);
    assert_eq!(bed.at(60).pressors[0].rate, Some(0.05));
    assert_eq!(bed.at(119).pressors[0].rate, Some(0.05));
    let p = bed.at(120).pressors[0];
    assert_eq!((p.rate, p.at), (Some(0.2), minute(60)));
    let by_weight = Bed::new().rate(Drug::Norepinephrine, 0, 8.0, Unit::UgPerMin);
    assert_eq!(by_weight.at(60).pressors[0].rate, None);
    let by_weight = by_weight.put(Signal::Weight, 0, 80.0);
    assert_eq!(by_weight.at(60).pressors[0].rate, Some(0.1));
}

#[test]
fn urine_needs_a_whole_day() {
    let mut bed = Bed::new();
    for h in 0..=24 {
        bed = bed.put(Signal::UrineOutput, h * 60, 10.0);
    }
    assert_eq!(bed.at(1_440).urine_ml_day.unwrap().value, 240.0);
    assert_eq!(bed.at(1_000).urine_ml_day, None, "not yet a day");
    assert_eq!(bed.at(1_440 + 241).urine_ml_day, None, "charting has stopped");
}

#[test]
fn one_artefact_does_not_make_hypotension() {
    let mut bed = Bed::new();
    for s in 0..120 {
        let value = if s == 60 { 10.0 } else { 80.0 };
        bed = bed.put(Signal::AbpMean, s / 60, value);
        bed.vitals.push(
            Signal::AbpMean,
            minute(0) + Span::secs(s),
            Word { value, status: ResultStatus::Final, provenance: crate::word::provenance(s) },
            Span::minutes(5),
        );
    }
    assert!(bed.at(2).map.unwrap().value > 75.0);
}
