//! Who lies in the bed: age, sex, chronic illness and the values that are normal for this person.
//!
//! Chronic illness makes single values poor witnesses: a creatinine of 3 in kidney disease, a
//! saturation of 91 % in COPD, a lactate of 2.5 in cirrhosis are this person's usual state. Means
//! and spreads follow the published tables of ICU cohorts (PhysioNet/CinC 2019).

use bedwatch_schemas::{
    event::Sex,
    ids::{BedId, EncounterId, Location, PatientId, UnitId},
};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{
    course::Scenario,
    rng::{Concern, between, chance, normal, stream},
};

/// Values that are normal for a person, in the canonical units.
#[derive(Debug, Clone)]
pub(crate) struct Baseline {
    pub heart_rate: f64,
    pub map: f64,
    pub pulse_pressure: f64,
    pub resp_rate: f64,
    pub spo2: f64,
    pub temperature: f64,
    pub paco2: f64,
    pub bicarbonate: f64,
    pub fio2: f64,
    pub gcs: f64,
    pub glucose: f64,
    pub lactate: f64,
    pub creatinine: f64,
    pub bun: f64,
    pub bilirubin: f64,
    pub platelets: f64,
    pub wbc: f64,
    pub hemoglobin: f64,
    pub sodium: f64,
    pub potassium: f64,
    pub chloride: f64,
    pub ast: f64,
    pub albumin: f64,
    pub inr: f64,
}

/// A simulated patient.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub id: PatientId,
    pub encounter: EncounterId,
    pub location: Location,
    pub age_years: f64,
    pub sex: Sex,
    pub weight_kg: f64,
    pub height_cm: f64,
    /// Hours in hospital before the unit.
    pub hours_before_unit: f64,
    pub arterial_line: bool,
    pub ventilated: bool,
    pub diabetic: bool,
    /// Atrial fibrillation: irregular beats.
    pub fibrillating: bool,
    pub base: Baseline,
}

impl Person {
    pub(crate) fn new(seed: u64, bed: u64, stay: u64) -> Self {
        let rng = &mut stream(seed, bed, stay, Concern::Person);
        let number: u64 = rng.random::<u64>() >> 16;
        let id = PatientId::new(&format!("sim-{number:012x}")).expect("hexadecimal is a valid id");
        let visit: u32 = rng.random();
        let encounter = EncounterId::new(&format!("enc-{visit:08x}")).expect("hexadecimal is a valid id");
        let unit = UnitId::new(if bed % 16 < 8 { "MICU" } else { "SICU" }).expect("a constant");
        let place = BedId::new(&format!("{:02}", bed + 1)).expect("digits are a valid id");
        let sex = if chance(rng, 0.44) { Sex::Female } else { Sex::Male };
        let age_years = (63.0 + 16.0 * normal(rng)).clamp(18.0, 95.0);
        let height_cm = if sex == Sex::Male { 177.0 } else { 164.0 } + 7.0 * normal(rng);
        let weight_kg = (26.5 + 5.0 * normal(rng)).clamp(17.0, 50.0) * (height_cm / 100.0).powi(2);
        let diabetic = chance(rng, 0.28);
        let ventilated = chance(rng, 0.35);
        let illness = Chronic::new(rng);
        let mut base = Baseline::new(rng, age_years, ventilated);
        illness.shape(&mut base, rng);
        if diabetic {
            base.glucose += between(rng, 15.0, 70.0);
        }
        Self {
            id,
            encounter,
            location: Location { unit, bed: place },
            age_years,
            sex,
            weight_kg,
            height_cm,
            hours_before_unit: if chance(rng, 0.5) { 0.03 } else { between(rng, 2.0, 160.0) },
            arterial_line: chance(rng, 0.7),
            ventilated,
            diabetic,
            fibrillating: illness.fibrillation,
            base,
        }
    }
}

impl Person {
    /// The hospital service in HL7 table 0069: the units of the ward are medical and surgical.
    pub(crate) fn service(&self) -> &'static str {
        if self.location.unit.as_str() == "MICU" { "MED" } else { "SUR" }
    }

    /// Makes this person's usual values ordinary, so that a demonstration of a scenario crosses the
    /// thresholds because of the scenario, whatever the seed.
    pub(crate) fn make_textbook(&mut self, scenario: Scenario) {
        let base = &mut self.base;
        base.heart_rate = base.heart_rate.clamp(74.0, 84.0);
        base.map = base.map.clamp(84.0, 89.0);
        base.pulse_pressure = base.pulse_pressure.clamp(42.0, 52.0);
        base.resp_rate = base.resp_rate.clamp(14.0, 16.5);
        base.spo2 = base.spo2.clamp(97.0, 98.2);
        base.temperature = base.temperature.clamp(36.7, 37.1);
        base.paco2 = base.paco2.clamp(37.0, 42.0);
        base.bicarbonate = base.bicarbonate.clamp(23.0, 25.5);
        base.fio2 = 21.0;
        base.gcs = 15.0;
        base.lactate = base.lactate.clamp(1.0, 1.5);
        base.creatinine = base.creatinine.clamp(0.7, 1.2);
        base.bilirubin = base.bilirubin.clamp(0.4, 1.0);
        base.platelets = base.platelets.clamp(170.0, 280.0);
        base.wbc = base.wbc.clamp(8.5, 11.0);
        base.hemoglobin = base.hemoglobin.clamp(9.8, 12.5);
        base.inr = base.inr.clamp(1.0, 1.2);
        base.glucose =
            if scenario == Scenario::Hypoglycaemia { 142.0 } else { base.glucose.clamp(110.0, 140.0) };
        self.ventilated = false;
        self.fibrillating = false;
        self.arterial_line |= scenario != Scenario::Stable;
        self.diabetic |= scenario == Scenario::Hypoglycaemia;
    }
}

#[derive(Debug)]
struct Chronic {
    lung: bool,
    kidney: bool,
    liver: bool,
    heart: bool,
    marrow: bool,
    fibrillation: bool,
    hypertension: bool,
}

impl Chronic {
    fn new(rng: &mut ChaCha8Rng) -> Self {
        Self {
            lung: chance(rng, 0.15),
            kidney: chance(rng, 0.15),
            liver: chance(rng, 0.07),
            heart: chance(rng, 0.15),
            marrow: chance(rng, 0.06),
            fibrillation: chance(rng, 0.10),
            hypertension: chance(rng, 0.35),
        }
    }

    fn shape(&self, base: &mut Baseline, rng: &mut ChaCha8Rng) {
        if self.lung {
            base.spo2 -= between(rng, 2.0, 5.0);
            base.paco2 += between(rng, 4.0, 16.0);
            base.bicarbonate += between(rng, 2.0, 6.0);
            base.resp_rate += between(rng, 1.0, 5.0);
        }
        if self.kidney {
            base.creatinine *= between(rng, 1.8, 5.5);
            base.bun *= between(rng, 1.5, 3.0);
            base.bicarbonate -= between(rng, 0.0, 4.0);
            base.hemoglobin -= between(rng, 0.0, 1.8);
        }
        if self.liver {
            base.bilirubin *= between(rng, 2.5, 12.0);
            base.lactate += between(rng, 0.3, 1.5);
            base.platelets *= between(rng, 0.35, 0.8);
            base.inr *= between(rng, 1.2, 1.9);
            base.ast *= between(rng, 1.5, 5.0);
            base.map -= between(rng, 2.0, 9.0);
        }
        if self.heart {
            base.map -= between(rng, 0.0, 9.0);
            base.resp_rate += between(rng, 0.0, 4.0);
            base.spo2 -= between(rng, 0.0, 2.0);
        }
        if self.marrow {
            base.wbc *= if chance(rng, 0.5) { between(rng, 0.2, 0.5) } else { between(rng, 1.5, 2.5) };
            base.platelets *= between(rng, 0.2, 0.6);
        }
        if self.fibrillation {
            base.heart_rate += between(rng, 0.0, 20.0);
        }
        if self.hypertension {
            base.map += between(rng, 2.0, 14.0);
            base.pulse_pressure += between(rng, 2.0, 16.0);
        }
    }
}

impl Baseline {
    fn new(rng: &mut ChaCha8Rng, age_years: f64, ventilated: bool) -> Self {
        let log = |rng: &mut ChaCha8Rng, middle: f64, spread: f64| middle * (spread * normal(rng)).exp();
        Self {
            heart_rate: (83.0 + 12.0 * normal(rng)).clamp(52.0, 118.0),
            map: (80.0 + 8.5 * normal(rng)).clamp(64.0, 108.0),
            pulse_pressure: (50.0 + (age_years - 60.0) * 0.25 + 9.0 * normal(rng)).clamp(28.0, 85.0),
            resp_rate: (17.5 + 3.0 * normal(rng)).clamp(11.0, 26.0),
            spo2: (97.3 + 1.2 * normal(rng)).clamp(93.5, 99.6),
            temperature: 36.9 + 0.35 * normal(rng),
            paco2: 39.5 + 3.5 * normal(rng),
            bicarbonate: 24.0 + 2.5 * normal(rng),
            fio2: if ventilated {
                between(rng, 30.0, 55.0)
            } else if chance(rng, 0.5) {
                21.0
            } else {
                between(rng, 24.0, 36.0)
            },
            gcs: if ventilated {
                between(rng, 7.0, 12.5)
            } else if chance(rng, 0.75) {
                15.0
            } else {
                between(rng, 12.0, 15.0)
            },
            glucose: (122.0 + 18.0 * normal(rng)).clamp(85.0, 190.0),
            lactate: log(rng, 1.35, 0.28),
            creatinine: log(rng, 0.95, 0.28),
            bun: log(rng, 18.0, 0.35),
            bilirubin: log(rng, 0.75, 0.4),
            platelets: log(rng, 210.0, 0.32),
            wbc: log(rng, 9.8, 0.27),
            hemoglobin: (10.6 + 1.5 * normal(rng)).clamp(7.3, 16.0),
            sodium: 139.0 + 3.2 * normal(rng),
            potassium: 4.1 + 0.35 * normal(rng),
            chloride: 105.0 + 3.5 * normal(rng),
            ast: log(rng, 36.0, 0.6),
            albumin: (3.1 + 0.5 * normal(rng)).clamp(1.6, 4.6),
            inr: log(rng, 1.15, 0.12),
        }
    }
}
