//! The latent state of a patient: the one source of every number, whatever format speaks it.
//!
//! Value = what is usual for the person + circadian rhythm + illness and excursions + noise. Arterial
//! pH follows from bicarbonate and PaCO2 by Henderson-Hasselbalch, PaO2 from the saturation by the
//! inverse of Severinghaus' curve (J Appl Physiol 46:599, 1979), so that values agree with each other.

use bedwatch_schemas::{signal::Signal, time::Span};

use super::{
    course::{Course, Episode, Opening, Scenario},
    person::Person,
    rng::{Concern, Noise, stream},
    shift::Shift,
};

/// A patient in motion.
#[derive(Debug, Clone)]
pub(crate) struct Physiology {
    pub person: Person,
    pub course: Course,
    pub noise: Noise,
    /// Time of day at the live start, in seconds since midnight.
    midnight: f64,
    /// 1, or less for the ordinary people of a demonstration.
    restlessness: f64,
}

/// The numbers a bedside monitor and a nurse can read at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Vitals {
    pub heart_rate: f64,
    pub resp_rate: f64,
    pub spo2: f64,
    pub temperature: f64,
    pub map: f64,
    pub systolic: f64,
    pub diastolic: f64,
    pub etco2: f64,
    /// Inspired oxygen, per cent, in steps of 5 above room air.
    pub fio2: f64,
    pub gcs: f64,
    /// Norepinephrine, ug/kg/min; 0 when none runs.
    pub norepinephrine: f64,
}

impl Physiology {
    pub(crate) fn new(
        key: (u64, u64, u64),
        opening: Opening,
        rate: f64,
        from: f64,
        calm: Option<Span>,
        midnight: f64,
    ) -> Self {
        let (seed, bed, stay) = key;
        let mut person = Person::new(seed, bed, stay);
        let mut restlessness = 1.0;
        if let Opening::First(episode) = opening
            && episode.variant.is_none()
        {
            person.make_textbook(episode.scenario);
            restlessness = 0.5;
        }
        Self {
            person,
            course: Course::new(key, from, opening, rate, calm),
            noise: Noise::new(&mut stream(seed, bed, stay, Concern::Noise)),
            midnight,
            restlessness,
        }
    }

    /// From -1 (three at night) to 1 (three in the afternoon).
    fn circadian(&self, t: f64) -> f64 {
        (std::f64::consts::TAU * ((t + self.midnight) / 86_400.0 - 0.375)).sin()
    }

    fn shift_at(&mut self, t: f64) -> Shift {
        self.course.extend(t);
        let mut shift = Shift::default();
        for episode in self.course.episodes_at(t) {
            add_episode(&mut shift, episode, t, &self.noise);
        }
        for excursion in self.course.excursions_at(t) {
            shift.add(excursion.kind.shift(), self.restlessness * excursion.level(t), |_| 1.0);
        }
        shift
    }

    /// How ill the patient looks to the staff, 0 to about 2: they draw more blood.
    pub(crate) fn concern(&mut self, t: f64) -> f64 {
        self.course.extend(t);
        let illness =
            self.course.episodes_at(t).map(|e| e.severity * (0.6 * e.levels(t).early + e.levels(t).acute));
        let passing = self.course.excursions_at(t).map(|e| 0.3 * e.level(t));
        illness.chain(passing).sum()
    }

    /// The vital signs at `t` seconds from the live start.
    pub(crate) fn vitals(&mut self, t: f64) -> Vitals {
        let shift = self.shift_at(t);
        let pressor = self.norepinephrine(t);
        let (person, noise, day) = (&self.person, &self.noise, self.circadian(t));
        let base = &person.base;
        let n = |signal: Signal| self.restlessness * noise.at(signal as u64, t);
        let irregular = if person.fibrillating { 3.0 * noise.at(200, t * 7.0) } else { 0.0 };
        let map = base.map + 2.5 * day + shift.map + 4.5 * n(Signal::AbpMean);
        let map = map.clamp(32.0, 150.0);
        let pulse_pressure =
            (base.pulse_pressure + shift.pulse_pressure + 4.0 * n(Signal::AbpSystolic)).max(14.0);
        let heart_rate =
            base.heart_rate + 3.5 * day + shift.heart_rate + 5.0 * n(Signal::HeartRate) + irregular;
        let spo2 = base.spo2 + shift.spo2 + 0.8 * n(Signal::Spo2);
        let resp_rate = (base.resp_rate + shift.resp_rate + 2.0 * n(Signal::RespRate)).clamp(5.0, 52.0);
        let fio2 = base.fio2 + shift.fio2 + 2.0 * noise.slow(Signal::Fio2 as u64, t);
        Vitals {
            heart_rate: heart_rate.clamp(34.0, 190.0),
            resp_rate,
            spo2: spo2.clamp(58.0, 100.0),
            temperature: (base.temperature
                + 0.25 * day
                + shift.temperature
                + 0.18 * noise.slow(Signal::Temperature as u64, t))
            .clamp(33.0, 41.8),
            map,
            systolic: map + 0.66 * pulse_pressure,
            diastolic: (map - 0.34 * pulse_pressure).max(18.0),
            etco2: (base.paco2.min(48.0) - 5.0 + shift.etco2 + 1.2 * n(Signal::Etco2)).clamp(8.0, 90.0),
            fio2: if fio2 < 24.0 { 21.0 } else { ((fio2 / 5.0).round() * 5.0).clamp(25.0, 100.0) },
            gcs: (base.gcs + shift.gcs + 0.4 * noise.slow(Signal::GcsTotal as u64, t))
                .round()
                .clamp(3.0, 15.0),
            norepinephrine: pressor,
        }
    }

    /// The norepinephrine rate, ug/kg/min in hundredths.
    pub(crate) fn norepinephrine(&mut self, t: f64) -> f64 {
        self.course.extend(t);
        let rate: f64 = self
            .course
            .episodes_at(t)
            .filter(|e| e.failure_onset().is_some() && e.scenario != Scenario::RespiratoryFailure)
            .map(|e| 0.24 * e.severity * e.levels(t).treated)
            .sum();
        if rate < 0.02 { 0.0 } else { (rate * 100.0).round() / 100.0 }
    }

    /// Blood glucose, mg/dL.
    pub(crate) fn glucose(&mut self, t: f64) -> f64 {
        let shift = self.shift_at(t);
        let usual =
            self.person.base.glucose + shift.glucose + 11.0 * self.noise.slow(Signal::Glucose as u64, t);
        let usual = usual.clamp(72.0, 420.0);
        let mut value = usual;
        for e in self.course.episodes_at(t).filter(|e| e.scenario == Scenario::Hypoglycaemia) {
            value += (hypoglycaemia_target(e) - usual) * hypoglycaemia_level(e, t);
        }
        value
    }

    /// Whether a sedative infusion is running deep enough to suppress the EEG.
    pub(crate) fn sedation(&self) -> f64 {
        if self.person.ventilated && self.person.base.gcs < 9.5 { 1.0 } else { 0.0 }
    }

    /// The true value of a laboratory signal at `t`; `None` for signals no laboratory measures here.
    pub(crate) fn lab(&mut self, signal: Signal, t: f64) -> Option<f64> {
        let vitals = self.vitals(t);
        let glucose = self.glucose(t);
        let shift = self.shift_at(t);
        let base = &self.person.base;
        let n = self.noise.slow(signal as u64, t);
        let bicarbonate =
            (base.bicarbonate + shift.bicarbonate + 1.1 * self.noise.slow(Signal::Bicarbonate as u64, t))
                .max(5.0);
        let paco2 = (base.paco2 + shift.paco2 + 2.2 * self.noise.slow(Signal::Paco2 as u64, t)).max(16.0);
        let ph = 6.1 + (bicarbonate / (0.0307 * paco2)).log10();
        let hemoglobin =
            (base.hemoglobin + shift.hemoglobin + 0.3 * self.noise.slow(Signal::Hemoglobin as u64, t))
                .max(3.8);
        let bilirubin = base.bilirubin
            * (shift.bilirubin_log + 0.07 * self.noise.slow(Signal::BilirubinTotal as u64, t)).exp();
        let ast = base.ast * (shift.ast_log + 0.2 * self.noise.slow(Signal::Ast as u64, t)).exp();
        // Fever on top of sepsis adds little: the response saturates.
        let inflammation = 1.4 * (shift.inflammation.max(0.0) / 1.4).tanh();
        Some(match signal {
            Signal::Glucose => glucose,
            Signal::Lactate => (base.lactate + shift.lactate + 0.22 * n).max(0.4),
            Signal::Creatinine => base.creatinine * (shift.creatinine_log + 0.06 * n).exp(),
            Signal::Bun => base.bun * (shift.bun_log + 0.08 * n).exp(),
            Signal::BilirubinTotal => bilirubin,
            Signal::BilirubinDirect => 0.45 * bilirubin,
            Signal::Platelets => base.platelets * (shift.platelets_log + 0.07 * n).exp(),
            Signal::Wbc => base.wbc * (shift.wbc_log + 0.11 * n).exp(),
            Signal::Hemoglobin => hemoglobin,
            Signal::Hematocrit => 2.95 * hemoglobin + 0.4 * n,
            Signal::Sodium => base.sodium + 1.2 * n,
            Signal::Potassium => (base.potassium + shift.potassium + 0.22 * n).max(2.2),
            Signal::Chloride => base.chloride + 1.4 * n,
            Signal::Bicarbonate => bicarbonate,
            Signal::BaseExcess => 0.93 * (bicarbonate - 24.4 + 14.8 * (ph - 7.4)),
            Signal::Calcium => 8.4 + 0.35 * n,
            Signal::Magnesium => 2.0 + 0.18 * n,
            Signal::Phosphate => (3.4 + 0.6 * n).max(0.8),
            Signal::Alt => 0.8 * ast,
            Signal::Ast => ast,
            Signal::AlkalinePhosphatase => 88.0 * (0.25 * n + 0.3 * shift.bilirubin_log).exp(),
            Signal::Albumin => (base.albumin + shift.albumin + 0.12 * n).max(0.9),
            Signal::TroponinI => 0.04 * (1.1 * n).exp() * (1.0 + 2.0 * shift.lactate.max(0.0)),
            Signal::Ptt => 33.0 * (0.12 * n + 1.2 * shift.inr_log).exp(),
            Signal::Inr => base.inr * (shift.inr_log + 0.04 * n).exp(),
            Signal::Fibrinogen => (280.0 + 40.0 * n + 160.0 * inflammation).max(60.0),
            Signal::ArterialPh => ph.clamp(6.8, 7.75),
            Signal::Paco2 => paco2,
            Signal::Pao2 => arterial_oxygen(vitals, shift.shunt),
            Signal::Sao2 => (vitals.spo2 - 0.3).min(99.5),
            Signal::Procalcitonin => 0.12 * (0.3 * n + 3.8 * inflammation).exp(),
            Signal::Crp => 14.0 * (0.3 * n + 2.4 * inflammation).exp(),
            _ => return None,
        })
    }
}

fn add_episode(shift: &mut Shift, episode: &Episode, t: f64, noise: &Noise) {
    let (levels, signature) = (episode.levels(t), episode.scenario.signature());
    let tilt = |part: u64| {
        move |field: u64| match episode.variant {
            None => 1.0,
            // Each patient shows some signs more than others; a few signs stay out altogether.
            Some(v) => {
                let u = noise.cell(v, (field * 8 + part) as i64);
                if u < 0.12 { 0.0 } else { 0.35 + 1.1 * u }
            }
        }
    };
    let s = episode.severity;
    // Severity may not undo a treatment's dose, so treatment is weighted by it too.
    shift.add(&signature.early, s * levels.early, tilt(0));
    shift.add(&signature.early_labs, s * levels.early_labs, tilt(1));
    shift.add(&signature.acute, s * levels.acute, tilt(2));
    shift.add(&signature.acute_labs, s * levels.acute_labs, tilt(3));
    shift.add(&signature.treated, s * levels.treated, tilt(4));
    if episode.scenario == Scenario::Sepsis && episode.variant.is_some_and(|v| v % 8 == 0) {
        // Hypothermic sepsis, about one case in eight.
        shift.temperature -= 2.4 * s * levels.early;
    }
    if episode.scenario == Scenario::Sepsis && episode.variant.is_some_and(|v| v % 9 == 1) {
        // Leukopenic sepsis.
        shift.wbc_log -= 1.6 * s * levels.early_labs;
    }
}

fn hypoglycaemia_target(e: &Episode) -> f64 {
    52.0 - 8.0 * (e.severity - 1.0).max(-0.6)
}

/// Falls ever faster until the onset, stays low, recovers after glucose is given.
fn hypoglycaemia_level(e: &Episode, t: f64) -> f64 {
    // `early` is x^1.5 of the prodrome's progress x; x^5 here.
    e.levels(t).early.powf(5.0 / 1.5)
}

/// PaO2 in mmHg from saturation and inspired oxygen.
fn arterial_oxygen(v: Vitals, shunt: f64) -> f64 {
    let s = (v.spo2 / 100.0).clamp(0.5, 0.97);
    // Severinghaus inverted by fixed-point on its cubic: S = 1 / (23400 / (p^3 + 150 p) + 1).
    let target = 23_400.0 * s / (1.0 - s);
    let mut p = target.cbrt();
    for _ in 0..20 {
        p -= (p * p * p + 150.0 * p - target) / (3.0 * p * p + 150.0);
    }
    let extra = if v.spo2 > 97.0 {
        (v.spo2 - 97.0) / 3.0 * (v.fio2 - 15.0).max(5.0) * (1.6 - shunt).max(0.1)
    } else {
        0.0
    };
    p + extra
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient(scenario: Scenario) -> Physiology {
        let opening = Opening::First(Episode::demo(scenario));
        Physiology::new((7, 0, 0), opening, 0.0, -86_400.0, Some(Span::hours(1)), 36_000.0)
    }

    #[test]
    fn every_scenario_crosses_its_threshold_live_and_not_before() {
        let mut p = patient(Scenario::HaemorrhagicShock);
        assert!(p.vitals(-60.0).map > 65.0);
        let v = p.vitals(45.0);
        assert!(v.map < 60.0 && v.heart_rate / v.systolic > 1.0, "{v:?}");

        let mut p = patient(Scenario::RespiratoryFailure);
        assert!(p.vitals(-60.0).spo2 > 89.0);
        let v = p.vitals(40.0);
        assert!(v.spo2 < 86.0 && v.resp_rate > 25.0, "{v:?}");

        let mut p = patient(Scenario::Hypoglycaemia);
        assert!(p.glucose(-300.0) > 60.0);
        assert!(p.glucose(12.0) < 54.0);

        let mut p = patient(Scenario::Sepsis);
        assert!(p.lab(Signal::Lactate, -30_000.0) < p.lab(Signal::Lactate, 0.0));
        assert!(p.lab(Signal::Lactate, 0.0) > Some(2.0));
    }

    #[test]
    fn blood_gases_agree_with_each_other() {
        let mut p = patient(Scenario::Stable);
        for hour in 0..48 {
            let t = f64::from(hour) * 3_600.0;
            let (ph, co2, hco3) = (
                p.lab(Signal::ArterialPh, t).unwrap(),
                p.lab(Signal::Paco2, t).unwrap(),
                p.lab(Signal::Bicarbonate, t).unwrap(),
            );
            assert!((ph - 6.1 - (hco3 / (0.0307 * co2)).log10()).abs() < 1e-9);
        }
    }

    /// Severinghaus' own table: 50 % at 26.9, 90 % at 57.8, 95 % at 75.6 mmHg or so.
    #[test]
    fn the_dissociation_curve_is_inverted() {
        let mut v = patient(Scenario::Stable).vitals(0.0);
        for (spo2, want) in [(60.0, 31.2), (90.0, 58.0), (95.0, 75.0)] {
            v.spo2 = spo2;
            let got = arterial_oxygen(v, 0.0);
            assert!((got - want).abs() < 1.5, "{spo2}: {got}");
        }
    }

    #[test]
    fn every_value_is_plausible_for_many_patients() {
        for bed in 0..60 {
            let mut p = Physiology::new((5, bed, 0), Opening::None, 0.05, 0.0, None, 0.0);
            for hour in 0..96 {
                let t = f64::from(hour) * 3_600.0;
                for &signal in Signal::ALL {
                    if let Some(x) = p.lab(signal, t) {
                        assert!(signal.is_plausible(x), "{signal:?} {x}");
                    }
                }
                let v = p.vitals(t);
                assert!(v.diastolic < v.map && v.map < v.systolic, "{v:?}");
                assert!(
                    Signal::AbpSystolic.is_plausible(v.systolic)
                        && Signal::Temperature.is_plausible(v.temperature)
                );
            }
        }
    }
}
