//! Units of measure: the UCUM codes we accept and the conversions between them.
//!
//! An unknown unit is rejected, never assumed ([`Unit::parse`] returns `None`). Conversion that
//! depends on the substance (mg/dL to mmol/L) needs the signal's molar mass and lives in
//! [`crate::signal::Signal::to_canonical`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! units {
    ($($(#[$doc:meta])* $name:ident = $ucum:literal $(| $alias:literal)*;)*) => {
        /// A unit of measure, by its UCUM code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Unit {
            $($(#[$doc])* #[serde(rename = $ucum)] $name,)*
        }

        impl Unit {
            /// Every unit known.
            pub const ALL: &'static [Unit] = &[$(Unit::$name),*];

            /// The UCUM code (case sensitive).
            #[must_use]
            pub const fn ucum(self) -> &'static str {
                match self { $(Unit::$name => $ucum),* }
            }

            fn exact(text: &str) -> Option<Self> {
                match text { $($ucum $(| $alias)* => Some(Unit::$name),)* _ => None }
            }
        }
    };
}

units! {
    /// Beats, breaths or counts a minute.
    PerMinute = "/min" | "{beats}/min" | "{breaths}/min" | "{Beats}/min" | "{Breaths}/min" | "bpm" | "BPM" | "beats/min" | "breaths/min" | "beats/minute" | "breaths/minute" | "1/min" | "rpm" | "{counts}/min" | "/Minute" | "beat/min";
    /// Per cent.
    Percent = "%" | "percent" | "Percent";
    /// A fraction from 0 to 1, or any pure number.
    One = "1" | "{ratio}" | "{INR}" | "{fraction}";
    /// Degrees Celsius.
    Celsius = "Cel" | "degC" | "°C" | "C" | "cel" | "deg C" | "DegC";
    /// Degrees Fahrenheit.
    Fahrenheit = "[degF]" | "degF" | "°F" | "F" | "deg F";
    /// Millimetres of mercury.
    MmHg = "mm[Hg]" | "mmHg" | "mm Hg" | "mmhg" | "torr";
    /// Kilopascals.
    KiloPascal = "kPa" | "kpa";
    /// Centimetres of water.
    CmH2O = "cm[H2O]" | "cmH2O";
    /// Milligrams a decilitre.
    MgPerDl = "mg/dL" | "mg/dl" | "MG/DL" | "mg/100mL";
    /// Milligrams a litre.
    MgPerL = "mg/L" | "mg/l";
    /// Grams a decilitre.
    GramPerDl = "g/dL" | "g/dl" | "gm/dL" | "gm/dl" | "G/DL";
    /// Grams a litre.
    GramPerL = "g/L" | "g/l";
    /// Nanograms a millilitre.
    NgPerMl = "ng/mL" | "ng/ml" | "ug/L" | "ug/l";
    /// Nanograms a litre.
    NgPerL = "ng/L" | "ng/l" | "pg/mL" | "pg/ml";
    /// Millimoles a litre.
    MmolPerL = "mmol/L" | "mmol/l" | "MMOL/L" | "mEq/L" | "meq/L" | "meq/l" | "mEq/l" | "MEQ/L";
    /// Micromoles a litre.
    UmolPerL = "umol/L" | "umol/l" | "µmol/L" | "μmol/L" | "micromol/L";
    /// Thousands a microlitre (the same number as 10^9 a litre).
    ThousandPerUl = "10*3/uL" | "10*9/L" | "10^3/uL" | "10^9/L" | "K/uL" | "k/uL" | "K/mcL" | "x10^3/uL" | "x10E3/uL" | "10e3/uL" | "10E3/uL" | "10E9/L" | "10*9/l" | "10*3/ul" | "10*3/mm3" | "K/mm3" | "thou/uL" | "x10E9/L" | "10^9/l";
    /// Counts a microlitre.
    PerUl = "/uL" | "/ul" | "/mm3" | "cells/uL";
    /// International or enzyme units a litre.
    UnitPerL = "U/L" | "u/L" | "IU/L" | "[IU]/L" | "U/l" | "IU/l";
    /// Grams a litre of fibrinogen are asked in mg/dL: see `GramPerL`. Seconds.
    Second = "s" | "sec" | "seconds" | "secs";
    /// A score without a dimension.
    Score = "{score}" | "{points}" | "score";
    /// The pH scale.
    Ph = "[pH]" | "pH" | "ph";
    /// Millilitres.
    MilliLitre = "mL" | "ml" | "cc";
    /// Litres.
    Litre = "L" | "l";
    /// Kilograms.
    Kilogram = "kg" | "Kg" | "KG";
    /// Grams.
    Gram = "g";
    /// Pounds.
    Pound = "[lb_av]" | "lb" | "lbs" | "lb_av";
    /// Centimetres.
    Centimetre = "cm" | "CM";
    /// Metres.
    Metre = "m";
    /// Inches.
    Inch = "[in_i]" | "in";
    /// Millivolts.
    MilliVolt = "mV" | "mv";
    /// Microvolts.
    MicroVolt = "uV" | "µV" | "μV" | "uv";
    /// Micrograms a kilogram and minute: infusion rates.
    UgPerKgMin = "ug/kg/min" | "mcg/kg/min" | "µg/kg/min" | "ug/(kg.min)" | "ug/kg/m";
    /// Micrograms a minute.
    UgPerMin = "ug/min" | "mcg/min" | "µg/min";
    /// Milligrams an hour.
    MgPerHour = "mg/h" | "mg/hr" | "mg/hour";
    /// Milligrams a minute.
    MgPerMin = "mg/min";
    /// Units a minute (vasopressin).
    UnitPerMin = "U/min" | "[U]/min" | "units/min" | "unit/min" | "[IU]/min";
    /// Units an hour (insulin, heparin).
    UnitPerHour = "U/h" | "U/hr" | "[U]/h" | "units/hr" | "units/h" | "[IU]/h";
    /// Millilitres an hour.
    MlPerHour = "mL/h" | "mL/hr" | "ml/hr" | "ml/h";
    /// Milligrams.
    Milligram = "mg" | "MG";
    /// Micrograms.
    Microgram = "ug" | "mcg";
    /// Units of a drug.
    DrugUnit = "U" | "[U]" | "units" | "[IU]";
    /// Litres a minute (oxygen flow).
    LitrePerMin = "L/min" | "l/min" | "lpm";
    /// Hertz.
    Hertz = "Hz" | "/s";
    /// Milliseconds.
    Millisecond = "ms";
    /// Milligrams a decilitre and minute (rate of glucose change).
    MgPerDlMin = "mg/dL/min" | "mg/(dL.min)";
}

impl Unit {
    /// Parses a UCUM code or one of its usual misspellings; `None` for anything unknown.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::exact(text.trim())
    }

    /// The affine conversion `(factor, offset)` into `to` where it does not depend on the
    /// substance; `None` where there is none.
    #[must_use]
    pub fn affine_to(self, to: Unit) -> Option<(f64, f64)> {
        use Unit::{
            Celsius, Centimetre, CmH2O, Fahrenheit, Gram, GramPerDl, GramPerL, Inch, KiloPascal, Kilogram,
            Litre, Metre, MgPerDl, MgPerL, MilliLitre, MmHg, MmolPerL, NgPerL, NgPerMl, One, PerUl, Percent,
            Ph, Pound, Score, ThousandPerUl, UmolPerL,
        };
        let pair = match (self, to) {
            (a, b) if a == b => (1.0, 0.0),
            (Fahrenheit, Celsius) => (5.0 / 9.0, -160.0 / 9.0),
            // NIST SP 811: 1 mmHg = 133.3224 Pa, 1 cmH2O = 98.0665 Pa.
            (KiloPascal, MmHg) => (1_000.0 / 133.322_4, 0.0),
            (CmH2O, MmHg) => (98.066_5 / 133.322_4, 0.0),
            (One, Percent) => (100.0, 0.0),
            (MgPerL, MgPerDl) => (0.1, 0.0),
            (MgPerDl, MgPerL) => (10.0, 0.0),
            (GramPerL, GramPerDl) => (0.1, 0.0),
            (GramPerL, MgPerDl) => (100.0, 0.0),
            (GramPerDl, MgPerDl) => (1_000.0, 0.0),
            (NgPerL, NgPerMl) => (0.001, 0.0),
            (MgPerL, NgPerMl) => (1_000.0, 0.0),
            (UmolPerL, MmolPerL) => (0.001, 0.0),
            (PerUl, ThousandPerUl) => (0.001, 0.0),
            (Litre, MilliLitre) => (1_000.0, 0.0),
            (Gram, Kilogram) => (0.001, 0.0),
            (Pound, Kilogram) => (0.453_592_37, 0.0),
            (Metre, Centimetre) => (100.0, 0.0),
            (Inch, Centimetre) => (2.54, 0.0),
            (One, Score | Ph) | (Score, One) | (Ph, One) => (1.0, 0.0),
            _ => return None,
        };
        Some(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_parses_to_itself() {
        for &unit in Unit::ALL {
            assert_eq!(Unit::parse(unit.ucum()), Some(unit), "{unit:?}");
            assert_eq!(serde_json::to_string(&unit).unwrap(), format!("\"{}\"", unit.ucum()));
        }
    }

    #[test]
    fn unknown_units_are_not_assumed() {
        for text in ["", "furlong", "mmol", "mg/dL/h", "MMHG!"] {
            assert_eq!(Unit::parse(text), None, "{text}");
        }
    }

    #[test]
    fn fahrenheit_and_kilopascal() {
        let (f, o) = Unit::Fahrenheit.affine_to(Unit::Celsius).unwrap();
        assert!((98.6 * f + o - 37.0).abs() < 1e-9);
        let (f, _) = Unit::KiloPascal.affine_to(Unit::MmHg).unwrap();
        assert!((13.332_24 * f - 100.0).abs() < 1e-3);
    }
}
