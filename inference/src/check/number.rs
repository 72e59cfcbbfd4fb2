//! Whether a printed number states a fact's value. Own tables, apart from the printer's: a fault in
//! one does not hide in the other; a test lays both side by side.

use bedwatch_schemas::{evidence::Fact, unit::Unit};

/// The unit a number of this unit must carry; empty for pure numbers.
pub(super) fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::One | Unit::Score | Unit::Ph => "",
        Unit::MmHg => "mmHg",
        Unit::Celsius => "°C",
        Unit::Fahrenheit => "°F",
        Unit::CmH2O => "cmH2O",
        Unit::ThousandPerUl => "10^9/L",
        Unit::UgPerKgMin => "mcg/kg/min",
        Unit::UgPerMin => "mcg/min",
        Unit::Microgram => "mcg",
        Unit::Pound => "lb",
        Unit::Inch => "in",
        as_in_ucum => as_in_ucum.ucum(),
    }
}

/// The coarsest step a number of this unit may be rounded to at this size.
fn step(unit: Unit, value: f64) -> f64 {
    let small = |limit: f64| if value.abs() < limit { 0.1 } else { 1.0 };
    match unit {
        Unit::PerMinute | Unit::MmHg | Unit::Score | Unit::MilliLitre | Unit::UnitPerL => 1.0,
        Unit::Second | Unit::Millisecond | Unit::MicroVolt | Unit::Centimetre | Unit::PerUl => 1.0,
        Unit::UmolPerL | Unit::NgPerL | Unit::DrugUnit | Unit::Microgram | Unit::Inch | Unit::Pound => 1.0,
        Unit::Percent | Unit::MgPerDl | Unit::MgPerL => small(10.0),
        Unit::MmolPerL | Unit::ThousandPerUl => small(20.0),
        Unit::Celsius | Unit::Fahrenheit | Unit::GramPerDl | Unit::Hertz | Unit::MgPerDlMin => 0.1,
        Unit::KiloPascal | Unit::CmH2O | Unit::LitrePerMin | Unit::UgPerMin | Unit::Kilogram => 0.1,
        Unit::MgPerHour | Unit::MgPerMin | Unit::UnitPerHour | Unit::MlPerHour => 0.1,
        Unit::Ph | Unit::One | Unit::NgPerMl | Unit::UgPerKgMin => 0.01,
        Unit::MilliVolt | Unit::Litre | Unit::Metre | Unit::Gram | Unit::GramPerL | Unit::Milligram => 0.01,
        Unit::UnitPerMin => 0.001,
    }
}

/// Whether `text` is the fact's value, rounded no more coarsely than its unit allows.
pub(super) fn states(text: &str, fact: &Fact) -> bool {
    let Ok(said) = text.parse::<f64>() else { return false };
    let decimals = text.split_once('.').map_or(0, |(_, d)| d.len());
    let printed_step = 0.1_f64.powi(i32::try_from(decimals).unwrap_or(i32::MAX));
    let allowed = step(fact.unit, fact.value);
    let off = (said - fact.value).abs();
    let slack = 1e-9 * fact.value.abs().max(1.0);
    // A number that rounds up to the limit at which the step changes has the larger step.
    let at_limit = printed_step <= step(fact.unit, said) * 1.001 && off <= 0.5 * allowed + slack;
    (printed_step <= allowed * 1.001 || at_limit) && off <= 0.5 * printed_step + slack
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::{
        evidence::{Band, FactId, Subject},
        signal::Signal,
        time::EventTime,
    };

    use super::*;
    use crate::render;

    fn fact(unit: Unit, value: f64) -> Fact {
        Fact {
            id: FactId(0),
            subject: Subject::Signal(Signal::Lactate),
            value,
            unit,
            at: EventTime::from_micros(0),
            band: Band::Unknown,
            trend: None,
            provenance: None,
        }
    }

    #[test]
    fn rounding_has_limits() {
        for (unit, value, text, want) in [
            (Unit::MmolPerL, 3.44, "3.4", true),
            (Unit::MmolPerL, 3.44, "3.44", true),
            (Unit::MmolPerL, 3.44, "3", false),
            (Unit::MmolPerL, 3.44, "3.5", false),
            (Unit::MmolPerL, 3.44, "-3.4", false),
            (Unit::PerMinute, 118.4, "118", true),
            (Unit::PerMinute, 118.4, "119", false),
            (Unit::PerMinute, 118.4, "11", false),
            (Unit::Percent, 9.97, "10", true),
            (Unit::Percent, 9.5, "10", false),
            (Unit::Percent, 0.0, "0", false),
            (Unit::Percent, 0.0, "0.0", true),
            (Unit::Ph, 7.2, "7.20", true),
            (Unit::Ph, 7.2, "7", false),
            (Unit::Score, 7.0, "seven", false),
        ] {
            assert_eq!(states(text, &fact(unit, value)), want, "{value} {unit:?} as {text}");
        }
    }

    /// What the printer prints, the checker accepts, for every unit and size.
    #[test]
    fn printer_and_checker_agree() {
        for &u in Unit::ALL {
            assert_eq!(unit(u), render::unit(u), "{u:?}");
            for i in -4_000..40_000 {
                let value = f64::from(i) * 0.0137;
                let fact = fact(u, value);
                let text = render::number(&fact);
                assert!(states(&text, &fact), "{value} {u:?} printed {text}");
            }
        }
    }
}
