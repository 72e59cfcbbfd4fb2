//! Facts as a clinician reads them: value with the precision its unit deserves, unit, time.
//!
//! This is the only place where a number enters a rationale, and it reads the evidence and nothing
//! else. Units are written as at the bedside (`mmHg`, `/min`), not as UCUM (`mm[Hg]`);
//! micrograms are `mcg`, because `µg` is read as `mg` (ISMP list of error-prone abbreviations).

use bedwatch_schemas::{
    evidence::{Evidence, Fact},
    risk::Change,
    time::EventTime,
    unit::Unit,
};

/// A unit as printed; empty for a pure number.
#[must_use]
pub const fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::One | Unit::Score | Unit::Ph => "",
        Unit::Celsius => "°C",
        Unit::Fahrenheit => "°F",
        Unit::MmHg => "mmHg",
        Unit::CmH2O => "cmH2O",
        Unit::ThousandPerUl => "10^9/L",
        Unit::UgPerKgMin => "mcg/kg/min",
        Unit::UgPerMin => "mcg/min",
        Unit::Microgram => "mcg",
        Unit::Pound => "lb",
        Unit::Inch => "in",
        other => other.ucum(),
    }
}

/// Decimals a value of this unit and size is printed with.
#[must_use]
pub fn decimals(unit: Unit, value: f64) -> usize {
    let size = value.abs();
    match unit {
        Unit::Ph | Unit::One | Unit::NgPerMl | Unit::UgPerKgMin => 2,
        Unit::Celsius | Unit::Fahrenheit | Unit::GramPerDl | Unit::Hertz | Unit::MgPerDlMin => 1,
        Unit::KiloPascal | Unit::CmH2O | Unit::LitrePerMin | Unit::UgPerMin => 1,
        Unit::MgPerHour | Unit::MgPerMin | Unit::UnitPerHour | Unit::MlPerHour | Unit::Kilogram => 1,
        Unit::UnitPerMin => 3,
        Unit::Percent | Unit::MgPerDl | Unit::MgPerL if size < 9.95 => 1,
        Unit::MmolPerL | Unit::ThousandPerUl if size < 19.95 => 1,
        Unit::MilliVolt | Unit::Litre | Unit::Metre | Unit::Gram | Unit::GramPerL | Unit::Milligram => 2,
        _ => 0,
    }
}

/// The number of a fact, without its unit.
#[must_use]
pub fn number(fact: &Fact) -> String {
    rounded(fact.unit, fact.value)
}

fn rounded(unit: Unit, value: f64) -> String {
    let text = format!("{:.*}", decimals(unit, value), value);
    // "-0.0" is zero.
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|b| matches!(b, b'0' | b'.')) => rest.to_owned(),
        _ => text,
    }
}

/// The number of a fact with its unit.
#[must_use]
pub fn value(fact: &Fact) -> String {
    match unit(fact.unit) {
        "" => number(fact),
        unit => format!("{} {unit}", number(fact)),
    }
}

/// The value of a change that would clear a risk, with its unit and, where given, for how many
/// minutes it was held.
#[must_use]
pub fn change(change: &Change, held_minutes: Option<u32>) -> String {
    let of = change.signal.info().unit;
    let mut text = rounded(of, change.value);
    if !unit(of).is_empty() {
        text = format!("{text} {}", unit(of));
    }
    match held_minutes {
        Some(minutes) if minutes > 0 => format!("{text} for {minutes} min"),
        _ => text,
    }
}

/// Prints the facts of one text: value, unit and time, the time only where it differs from the
/// last one printed, the day only where it differs from the newest fact's.
#[derive(Debug)]
pub struct Printer {
    newest_day: i64,
    last: Option<i64>,
}

impl Printer {
    /// Begins a text over this evidence.
    #[must_use]
    pub fn new(evidence: &Evidence) -> Self {
        let newest = evidence.facts.iter().map(|f| f.at).max();
        Self { newest_day: newest.map_or(0, day), last: None }
    }

    /// The next fact of the text.
    pub fn fact(&mut self, fact: &Fact) -> String {
        let mut text = value(fact);
        let minute = fact.at.as_micros().div_euclid(60_000_000);
        if self.last != Some(minute) {
            text.push_str(" at ");
            text.push_str(&fact.at.clock());
            if day(fact.at) != self.newest_day {
                text.push_str(" on ");
                text.push_str(&date(fact.at));
            }
            self.last = Some(minute);
        }
        text
    }
}

/// Days since the Unix epoch.
fn day(at: EventTime) -> i64 {
    at.as_micros().div_euclid(86_400_000_000)
}

/// The UTC date of a time as `YYYY-MM-DD`.
#[must_use]
pub fn date(at: EventTime) -> String {
    let text = at.to_string();
    text.split_once('T').map_or_else(|| text.clone(), |(date, _)| date.to_owned())
}

/// Joins words and punctuation tokens into sentences: no space before `, ; . : )` nor after `(`,
/// the first letter of each sentence in upper case.
#[must_use]
pub fn sentences<'a>(tokens: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    let (mut start, mut glued) = (true, true);
    for token in tokens {
        let closes = matches!(token, "," | ";" | "." | ":" | ")");
        if !glued && !closes {
            text.push(' ');
        }
        if start && !closes {
            text.push_str(&capitalised(token));
        } else {
            text.push_str(token);
        }
        start = token == "." || (start && matches!(token, "("));
        glued = token == "(";
    }
    text
}

/// The text with its first letter in upper case, unless its case is its own (`pH`).
#[must_use]
pub fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => {
            first.to_uppercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use bedwatch_schemas::{
        evidence::{Band, FactId, Subject},
        signal::Signal,
    };

    use super::*;

    fn fact(unit: Unit, value: f64, at: &str) -> Fact {
        Fact {
            id: FactId(0),
            subject: Subject::Signal(Signal::HeartRate),
            value,
            unit,
            at: EventTime::parse_rfc3339(at).unwrap(),
            band: Band::Unknown,
            trend: None,
            provenance: None,
        }
    }

    #[test]
    fn values_have_the_precision_of_their_unit() {
        for (unit, value, want) in [
            (Unit::PerMinute, 118.4, "118 /min"),
            (Unit::MmHg, 57.6, "58 mmHg"),
            (Unit::MmolPerL, 3.44, "3.4 mmol/L"),
            (Unit::MmolPerL, 19.949, "19.9 mmol/L"),
            (Unit::MmolPerL, 19.96, "20 mmol/L"),
            (Unit::MmolPerL, 138.0, "138 mmol/L"),
            (Unit::MgPerDl, 1.84, "1.8 mg/dL"),
            (Unit::MgPerDl, 9.96, "10 mg/dL"),
            (Unit::Percent, 62.4, "62 %"),
            (Unit::Percent, 4.26, "4.3 %"),
            (Unit::Ph, 7.284, "7.28"),
            (Unit::Score, 7.0, "7"),
            (Unit::MmolPerL, -0.04, "0.0 mmol/L"),
            (Unit::MmolPerL, -5.2, "-5.2 mmol/L"),
            (Unit::ThousandPerUl, 85.0, "85 10^9/L"),
            (Unit::UgPerKgMin, 0.08, "0.08 mcg/kg/min"),
        ] {
            assert_eq!(super::value(&fact(unit, value, "2026-03-01T03:10:00Z")), want);
        }
    }

    #[test]
    fn time_is_said_when_it_changes_and_the_day_when_it_is_another() {
        let facts = vec![
            fact(Unit::PerMinute, 118.0, "2026-03-02T00:10:00Z"),
            fact(Unit::MmHg, 58.0, "2026-03-02T00:10:40Z"),
            fact(Unit::MmolPerL, 3.4, "2026-03-01T23:50:00Z"),
        ];
        let evidence = Evidence { facts: facts.clone(), ..Evidence::default() };
        let mut printer = Printer::new(&evidence);
        let printed: Vec<String> = facts.iter().map(|f| printer.fact(f)).collect();
        assert_eq!(printed, ["118 /min at 00:10", "58 mmHg", "3.4 mmol/L at 23:50 on 2026-03-01"]);
    }

    #[test]
    fn sentences_are_cased_and_spaced() {
        let tokens = [
            "heart", "rate", "118 /min", "(", "high", "and", "rising", ")", ".", "missing", ":", "lactate",
            ".",
        ];
        assert_eq!(sentences(tokens), "Heart rate 118 /min (high and rising). Missing: lactate.");
        assert_eq!(capitalised("pH"), "pH");
        assert_eq!(capitalised("a"), "A");
        assert_eq!(capitalised("NEWS2"), "NEWS2");
    }
}
