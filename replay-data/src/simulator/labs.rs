//! Which blood is drawn when: panels with their intervals, delays and codes.
//!
//! Intervals give about the missingness of the PhysioNet/CinC 2019 tables (chemistry 10 %, blood
//! count 8 %, liver 2 % of the hours). Staff draw more often from a patient who looks ill.

use bedwatch_schemas::signal::Signal;
use rand_chacha::ChaCha8Rng;

use super::{
    physiology::Physiology,
    rng::{Concern, between, chance, stream},
};

/// A set of tests drawn together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Panel {
    Gas,
    Chemistry,
    Count,
    Liver,
    Coagulation,
    Inflammation,
    BedsideGlucose,
    Troponin,
}

impl Panel {
    pub(crate) const ALL: [Panel; 8] = [
        Self::Gas,
        Self::Chemistry,
        Self::Count,
        Self::Liver,
        Self::Coagulation,
        Self::Inflammation,
        Self::BedsideGlucose,
        Self::Troponin,
    ];

    pub(crate) const fn signals(self) -> &'static [Signal] {
        use Signal as S;
        match self {
            Self::Gas => &[S::ArterialPh, S::Paco2, S::Pao2, S::Bicarbonate, S::BaseExcess, S::Lactate],
            Self::Chemistry => &[
                S::Sodium,
                S::Potassium,
                S::Chloride,
                S::Bicarbonate,
                S::Bun,
                S::Creatinine,
                S::Glucose,
                S::Calcium,
                S::Magnesium,
                S::Phosphate,
            ],
            Self::Count => &[S::Wbc, S::Hemoglobin, S::Hematocrit, S::Platelets],
            Self::Liver => &[S::BilirubinTotal, S::Ast, S::Alt, S::AlkalinePhosphatase, S::Albumin],
            Self::Coagulation => &[S::Ptt, S::Inr, S::Fibrinogen],
            Self::Inflammation => &[S::Crp, S::Procalcitonin],
            Self::BedsideGlucose => &[S::Glucose],
            Self::Troponin => &[S::TroponinI],
        }
    }

    /// LOINC code and name of the order (OBR-4).
    pub(crate) const fn order(self) -> (&'static str, &'static str) {
        match self {
            Self::Gas => ("24336-0", "Gas panel - Arterial blood"),
            Self::Chemistry => ("51990-0", "Basic metabolic panel - Blood"),
            Self::Count => ("58410-2", "CBC panel - Blood by Automated count"),
            Self::Liver => ("24325-3", "Hepatic function panel - Serum or Plasma"),
            Self::Coagulation => ("34528-0", "PT and aPTT panel - Platelet poor plasma"),
            Self::Inflammation => ("1988-5", "C reactive protein - Serum or Plasma"),
            Self::BedsideGlucose => ("2339-0", "Glucose - Blood"),
            Self::Troponin => ("10839-9", "Troponin I.cardiac - Serum or Plasma"),
        }
    }

    /// Usual interval in hours for a ventilated and another patient.
    const fn interval_hours(self) -> (f64, f64) {
        match self {
            Self::Gas => (6.0, 15.0),
            Self::Chemistry => (10.0, 12.5),
            Self::Count => (12.0, 15.0),
            Self::Liver => (38.0, 60.0),
            Self::Coagulation => (24.0, 36.0),
            Self::Inflammation => (24.0, 30.0),
            Self::BedsideGlucose => (7.0, 20.0),
            Self::Troponin => (70.0, 90.0),
        }
    }

    /// Minutes from specimen to result.
    const fn delay_minutes(self) -> (f64, f64) {
        match self {
            Self::Gas => (4.0, 20.0),
            Self::BedsideGlucose => (0.5, 2.0),
            _ => (20.0, 60.0),
        }
    }
}

/// A drawn specimen. Times in seconds from the live start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Draw {
    pub panel: Panel,
    pub specimen: f64,
    pub release: f64,
    /// Counts the draws of the panel: the order number.
    pub number: u64,
    /// Whether the first result is wrong and a correction follows.
    pub corrected: bool,
}

/// The draws of one panel of a stay, in order of their specimens.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub panel: Panel,
    rng: ChaCha8Rng,
    next: f64,
    number: u64,
    diabetic: bool,
}

impl Schedule {
    pub(crate) fn new(key: (u64, u64, u64), panel: Panel, from: f64, physiology: &Physiology) -> Self {
        let (seed, bed, stay) = key;
        let mut rng = stream(seed, bed, stay * 16 + panel as u64, Concern::Labs);
        let interval = Self::base(panel, physiology);
        // The admission panel comes early where the panel is common.
        let next = from
            + 3_600.0
                * if interval < 20.0 {
                    between(&mut rng, 0.3, 5.0)
                } else {
                    between(&mut rng, 0.5, interval)
                };
        Self { panel, rng, next, number: 0, diabetic: physiology.person.diabetic }
    }

    fn base(panel: Panel, physiology: &Physiology) -> f64 {
        let (ventilated, other) = panel.interval_hours();
        if physiology.person.ventilated { ventilated } else { other }
    }

    /// When the next specimen is due.
    pub(crate) const fn next_at(&self) -> f64 {
        self.next
    }

    /// Draws the specimen that is due and plans the next one.
    pub(crate) fn draw(&mut self, physiology: &mut Physiology) -> Draw {
        let specimen = self.next;
        let (lo, hi) = self.panel.delay_minutes();
        let release = specimen + 60.0 * between(&mut self.rng, lo, hi);
        let corrected = chance(&mut self.rng, 0.015);
        let hurry = 1.0 + 0.8 * physiology.concern(specimen).min(1.6);
        let sugar = if self.diabetic && self.panel == Panel::BedsideGlucose { 3.0 } else { 1.0 };
        let hours = Self::base(self.panel, physiology) * between(&mut self.rng, 0.6, 1.4) / hurry / sugar;
        self.next += 3_600.0 * hours;
        self.number += 1;
        Draw { panel: self.panel, specimen, release, number: self.number, corrected }
    }
}

/// A value as the analyser prints it.
pub(crate) fn printed(signal: Signal, value: f64) -> f64 {
    let decimals = match signal {
        Signal::ArterialPh | Signal::Creatinine | Signal::TroponinI | Signal::Procalcitonin => 2,
        Signal::Platelets
        | Signal::Sodium
        | Signal::Chloride
        | Signal::Glucose
        | Signal::Bun
        | Signal::Paco2
        | Signal::Pao2
        | Signal::Ast
        | Signal::Alt
        | Signal::AlkalinePhosphatase
        | Signal::Fibrinogen => 0,
        _ => 1,
    };
    round(value, decimals)
}

/// Rounds to a number of decimals.
pub(crate) fn round(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}
