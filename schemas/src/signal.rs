//! The numeric signals of the engine: one name, one canonical unit, one plausible range each.
//!
//! The table is the single place where a signal is defined. LOINC and MDC codes lead to it through
//! [`crate::codes`]. LOINC codes are copyright Regenstrief Institute, Inc., used under the LOINC
//! licence (loinc.org/license). MDC codes are recomputed from partition and term in a test.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{time::Span, unit::Unit};

/// How a signal is obtained, which decides how fast it ages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignalClass {
    /// Measured by a monitor, seconds to minutes apart.
    Vital,
    /// Charted by a person at the bedside.
    Charted,
    /// Measured in the laboratory or by a blood-gas analyser.
    Lab,
}

/// The fixed properties of a signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignalInfo {
    /// The name in snake case, as in configuration, manifests and wire forms.
    pub name: &'static str,
    /// What a clinician calls it.
    pub label: &'static str,
    /// The one unit its values are held in.
    pub unit: Unit,
    /// How it is obtained.
    pub class: SignalClass,
    /// Lowest and highest value compatible with life or the device, in the canonical unit. Values
    /// outside are kept and flagged, and do not enter scores or models.
    pub plausible: (f64, f64),
    /// Molar mass in g/mol where mg/dL and mmol/L must be converted, or the equivalent factor.
    pub molar_mass: Option<f64>,
    /// After this long without a value it no longer describes the patient.
    pub valid_for: Span,
}

macro_rules! signals {
    ($($name:ident $text:literal $label:literal $unit:ident $class:ident $lo:literal $hi:literal $molar:expr, $valid_min:literal;)*) => {
        /// A numeric signal.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Signal {
            $(#[doc = $label] #[serde(rename = $text)] $name,)*
        }

        static INFO: [SignalInfo; Signal::COUNT] = [$(SignalInfo {
            name: $text,
            label: $label,
            unit: Unit::$unit,
            class: SignalClass::$class,
            plausible: ($lo, $hi),
            molar_mass: $molar,
            valid_for: Span::minutes($valid_min),
        },)*];

        impl Signal {
            /// Every signal, in the order of its index.
            pub const ALL: &'static [Signal] = &[$(Signal::$name),*];
            /// How many signals there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The signal's fixed properties.
            #[must_use]
            pub const fn info(self) -> &'static SignalInfo {
                &INFO[self as usize]
            }

            /// Finds a signal by its snake-case name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Signal::$name),)* _ => None }
            }
        }
    };
}

// name, text, label, unit, class, lowest, highest, molar mass, valid for (minutes)
signals! {
    HeartRate "heart_rate" "heart rate" PerMinute Vital 0.0 350.0 None, 60;
    PulseRate "pulse_rate" "pulse rate" PerMinute Vital 0.0 350.0 None, 60;
    RespRate "resp_rate" "respiratory rate" PerMinute Vital 0.0 120.0 None, 60;
    Spo2 "spo2" "oxygen saturation" Percent Vital 20.0 100.0 None, 60;
    Temperature "temperature" "temperature" Celsius Vital 20.0 45.0 None, 480;
    NibpSystolic "nibp_systolic" "cuff systolic pressure" MmHg Vital 20.0 300.0 None, 240;
    NibpDiastolic "nibp_diastolic" "cuff diastolic pressure" MmHg Vital 5.0 225.0 None, 240;
    NibpMean "nibp_mean" "cuff mean pressure" MmHg Vital 10.0 250.0 None, 240;
    AbpSystolic "abp_systolic" "arterial systolic pressure" MmHg Vital 20.0 320.0 None, 60;
    AbpDiastolic "abp_diastolic" "arterial diastolic pressure" MmHg Vital 5.0 225.0 None, 60;
    AbpMean "abp_mean" "arterial mean pressure" MmHg Vital 10.0 260.0 None, 60;
    Etco2 "etco2" "end-tidal CO2" MmHg Vital 0.0 150.0 None, 60;
    Cvp "cvp" "central venous pressure" MmHg Vital -10.0 60.0 None, 240;
    CgmGlucose "cgm_glucose" "sensor glucose" MgPerDl Vital 20.0 600.0 Some(180.156), 30;
    Fio2 "fio2" "inspired oxygen" Percent Charted 21.0 100.0 None, 1440;
    GcsTotal "gcs_total" "Glasgow coma score" Score Charted 3.0 15.0 None, 1440;
    UrineOutput "urine_output" "urine output" MilliLitre Charted 0.0 5000.0 None, 1440;
    Weight "weight" "weight" Kilogram Charted 0.3 400.0 None, 43200;
    Height "height" "height" Centimetre Charted 20.0 250.0 None, 525600;
    Glucose "glucose" "blood glucose" MgPerDl Lab 5.0 2000.0 Some(180.156), 1440;
    Lactate "lactate" "lactate" MmolPerL Lab 0.0 40.0 Some(90.08), 1440;
    Creatinine "creatinine" "creatinine" MgPerDl Lab 0.0 40.0 Some(113.12), 2880;
    BilirubinTotal "bilirubin_total" "total bilirubin" MgPerDl Lab 0.0 80.0 Some(584.66), 2880;
    BilirubinDirect "bilirubin_direct" "direct bilirubin" MgPerDl Lab 0.0 60.0 Some(584.66), 2880;
    Platelets "platelets" "platelets" ThousandPerUl Lab 0.0 3000.0 None, 2880;
    Wbc "wbc" "white cell count" ThousandPerUl Lab 0.0 600.0 None, 2880;
    Hemoglobin "hemoglobin" "haemoglobin" GramPerDl Lab 1.0 28.0 None, 2880;
    Hematocrit "hematocrit" "haematocrit" Percent Lab 3.0 80.0 None, 2880;
    Sodium "sodium" "sodium" MmolPerL Lab 80.0 220.0 None, 2880;
    Potassium "potassium" "potassium" MmolPerL Lab 0.5 15.0 None, 2880;
    Chloride "chloride" "chloride" MmolPerL Lab 50.0 180.0 None, 2880;
    Bicarbonate "bicarbonate" "bicarbonate" MmolPerL Lab 1.0 70.0 None, 2880;
    BaseExcess "base_excess" "base excess" MmolPerL Lab -50.0 50.0 None, 1440;
    Calcium "calcium" "calcium" MgPerDl Lab 1.0 25.0 Some(40.078), 2880;
    Magnesium "magnesium" "magnesium" MgPerDl Lab 0.1 20.0 Some(24.305), 2880;
    Phosphate "phosphate" "phosphate" MgPerDl Lab 0.1 25.0 Some(30.974), 2880;
    Bun "bun" "urea nitrogen" MgPerDl Lab 0.5 300.0 Some(28.014), 2880;
    Alt "alt" "alanine transaminase" UnitPerL Lab 0.0 30000.0 None, 4320;
    Ast "ast" "aspartate transaminase" UnitPerL Lab 0.0 40000.0 None, 4320;
    AlkalinePhosphatase "alkaline_phosphatase" "alkaline phosphatase" UnitPerL Lab 0.0 6000.0 None, 4320;
    Albumin "albumin" "albumin" GramPerDl Lab 0.3 8.0 None, 4320;
    TroponinI "troponin_i" "troponin I" NgPerMl Lab 0.0 1000.0 None, 1440;
    TroponinT "troponin_t" "troponin T" NgPerMl Lab 0.0 100.0 None, 1440;
    Ptt "ptt" "partial thromboplastin time" Second Lab 5.0 300.0 None, 2880;
    Inr "inr" "INR" One Lab 0.3 30.0 None, 2880;
    Fibrinogen "fibrinogen" "fibrinogen" MgPerDl Lab 10.0 2000.0 None, 2880;
    ArterialPh "arterial_ph" "arterial pH" Ph Lab 6.3 8.2 None, 1440;
    Paco2 "paco2" "arterial CO2" MmHg Lab 5.0 200.0 None, 1440;
    Pao2 "pao2" "arterial oxygen" MmHg Lab 10.0 700.0 None, 1440;
    Sao2 "sao2" "arterial saturation" Percent Lab 10.0 100.0 None, 1440;
    Procalcitonin "procalcitonin" "procalcitonin" NgPerMl Lab 0.0 1000.0 None, 2880;
    Crp "crp" "C-reactive protein" MgPerL Lab 0.0 1000.0 None, 2880;
    Cholesterol "cholesterol" "cholesterol" MgPerDl Lab 10.0 1500.0 Some(386.65), 43200;
    // 1 while ventilated, 0 when it is charted that it ended.
    MechanicalVentilation "mechanical_ventilation" "mechanical ventilation" One Charted 0.0 1.0 None, 1440;
}

/// Why a value could not become canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The unit is known, but this signal is not measured in it.
    #[error("{signal} is not measured in {unit}", signal = .0.info().name, unit = .1.ucum())]
    UnitMismatch(Signal, Unit),
    /// The value is not a finite number.
    #[error("{signal} is not a finite number", signal = .0.info().name)]
    NotFinite(Signal),
}

impl Signal {
    /// The position in [`Signal::ALL`] and in every dense per-signal array.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.info().name
    }

    /// Converts a value into the canonical unit.
    ///
    /// # Errors
    /// When the unit does not fit the signal or the value is not finite.
    pub fn to_canonical(self, value: f64, unit: Unit) -> Result<f64, Error> {
        if !value.is_finite() {
            return Err(Error::NotFinite(self));
        }
        let info = self.info();
        if let Some((factor, offset)) = unit.affine_to(info.unit) {
            return Ok(value * factor + offset);
        }
        let molar = info.molar_mass.ok_or(Error::UnitMismatch(self, unit))?;
        // 1 mmol/L of a substance of M g/mol is M mg/L, a tenth of that in mg/dL.
        match (unit, info.unit) {
            (Unit::MmolPerL, Unit::MgPerDl) => Ok(value * molar / 10.0),
            (Unit::UmolPerL, Unit::MgPerDl) => Ok(value * molar / 10_000.0),
            (Unit::MgPerDl, Unit::MmolPerL) => Ok(value * 10.0 / molar),
            (Unit::MgPerL, Unit::MmolPerL) => Ok(value / molar),
            _ => Err(Error::UnitMismatch(self, unit)),
        }
    }

    /// Whether a canonical value lies within the plausible range.
    #[must_use]
    pub fn is_plausible(self, value: f64) -> bool {
        let (lo, hi) = self.info().plausible;
        (lo..=hi).contains(&value)
    }

    /// Whether the value is a monitor's sentinel for "no reading" (-999, -100, -99.9, -1; also
    /// 8388607 and 32767 of raw device words), which must not be taken for a measurement.
    #[must_use]
    pub fn is_sentinel(self, value: f64) -> bool {
        let sentinel =
            [-999.0, -100.0, -99.9, -1.0, 8_388_607.0, 32_767.0].iter().any(|s| (value - s).abs() < 1e-6);
        // A base excess of -1 is a measurement.
        sentinel && !self.is_plausible(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for (i, &s) in Signal::ALL.iter().enumerate() {
            assert_eq!(s.index(), i);
            assert_eq!(Signal::from_name(s.name()), Some(s));
            assert_eq!(serde_json::to_string(&s).unwrap(), format!("\"{}\"", s.name()));
            assert!(s.info().plausible.0 < s.info().plausible.1);
        }
    }

    #[test]
    fn conversions_of_substances() {
        let cases = [
            (Signal::Glucose, 5.55, Unit::MmolPerL, 100.0, 0.1),
            (Signal::Creatinine, 88.4, Unit::UmolPerL, 1.0, 0.001),
            (Signal::BilirubinTotal, 17.1, Unit::UmolPerL, 1.0, 0.001),
            (Signal::Lactate, 18.0, Unit::MgPerDl, 1.998, 0.01),
            (Signal::Pao2, 13.332_24, Unit::KiloPascal, 100.0, 0.001),
            (Signal::Temperature, 98.6, Unit::Fahrenheit, 37.0, 1e-9),
            (Signal::Fio2, 0.4, Unit::One, 40.0, 1e-9),
            (Signal::Calcium, 2.5, Unit::MmolPerL, 10.02, 0.01),
        ];
        for (signal, value, unit, want, tolerance) in cases {
            let got = signal.to_canonical(value, unit).unwrap();
            assert!((got - want).abs() <= tolerance, "{signal:?}: {got} != {want}");
        }
    }

    #[test]
    fn a_wrong_unit_is_an_error() {
        assert_eq!(
            Signal::HeartRate.to_canonical(80.0, Unit::MmHg),
            Err(Error::UnitMismatch(Signal::HeartRate, Unit::MmHg))
        );
        assert!(Signal::Platelets.to_canonical(1.0, Unit::MmolPerL).is_err());
        assert!(Signal::HeartRate.to_canonical(f64::NAN, Unit::PerMinute).is_err());
    }

    #[test]
    fn sentinels_are_no_readings() {
        assert!(Signal::HeartRate.is_sentinel(-1.0));
        assert!(Signal::Spo2.is_sentinel(-100.0));
        assert!(!Signal::BaseExcess.is_sentinel(-1.0));
        assert!(!Signal::HeartRate.is_sentinel(0.0));
    }
}
