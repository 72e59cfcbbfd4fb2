//! Ready questions of a ward: each a file of SQL in `queries/`, whose comment says what it answers and
//! which parameters it has (`-- $bed text = '': ...`; without a default it must be given).

use std::{collections::BTreeMap, sync::LazyLock};

use datafusion::common::ScalarValue;

use super::Error;

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Number,
}

/// A parameter of a ready question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub words: &'static str,
    /// The value where none is given; `None`: it must be given.
    pub default: Option<&'static str>,
    of: Type,
}

/// A ready question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Its name.
    pub name: &'static str,
    /// What it answers.
    pub words: String,
    /// What it may be told.
    pub parameters: Vec<Parameter>,
    /// The SQL.
    pub sql: &'static str,
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../queries/", $name, ".sql")))),*]
    };
}

static FILES: [(&str, &str); 11] = files![
    "alarm_burden_by_hour",
    "alerts_per_bed_day",
    "course_of_alert",
    "known_of_patient",
    "late_labs",
    "latest_vitals",
    "longest_unacknowledged",
    "open_alerts",
    "risk_rises",
    "stale_feeds_by_hour",
    "withheld_by_reason",
];

static SHELF: LazyLock<Vec<Ready>> =
    LazyLock::new(|| FILES.iter().map(|(name, sql)| read(name, sql)).collect());

/// Every ready question, by name.
#[must_use]
pub fn shelf() -> &'static [Ready] {
    &SHELF
}

/// The ready question of that name.
///
/// # Errors
/// When there is none: with the nearest.
pub fn ready(name: &str) -> Result<&'static Ready, Error> {
    let found = SHELF.iter().find(|r| r.name == name);
    let near = || {
        let nearest = SHELF.iter().map(|r| (strsim::osa_distance(name, r.name), r.name)).min();
        nearest.filter(|(distance, _)| *distance <= name.len() / 3 + 1).map(|(_, name)| name)
    };
    found.ok_or_else(|| Error::Unknown(name.to_owned(), near()))
}

fn read(name: &'static str, text: &'static str) -> Ready {
    let (mut words, mut parameters) = (Vec::new(), Vec::new());
    for line in text.lines().map_while(|line| line.strip_prefix("-- ")) {
        match line.strip_prefix('$') {
            None => words.push(line),
            Some(declared) => parameters.push(parameter(declared)),
        }
    }
    Ready { name, words: words.join(" "), parameters, sql: text }
}

/// `bed text = '': only this bed`.
fn parameter(declared: &'static str) -> Parameter {
    let (head, words) = declared.split_once(": ").unwrap_or((declared, ""));
    let (typed, default) = match head.split_once(" = ") {
        Some((typed, default)) => (typed, Some(default.trim_matches('\''))),
        None => (head, None),
    };
    let (name, of) = typed.split_once(' ').unwrap_or((typed, "text"));
    let of = if of == "number" { Type::Number } else { Type::Text };
    Parameter { name, words, default, of }
}

impl Ready {
    /// The values of its parameters, out of what was given and the defaults.
    ///
    /// # Errors
    /// When one is missing, not of its type, or not a parameter of this question.
    pub fn values(&self, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, ScalarValue>, Error> {
        if let Some(unknown) = given.keys().find(|k| self.parameters.iter().all(|p| p.name != k.as_str())) {
            let known: Vec<&str> = self.parameters.iter().map(|p| p.name).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Error::Surplus { question: self.name, parameter: unknown.clone(), known });
        }
        self.parameters.iter().map(|p| Ok((p.name.to_owned(), self.value(p, given)?))).collect()
    }

    fn value(&self, p: &Parameter, given: &BTreeMap<String, String>) -> Result<ScalarValue, Error> {
        let missing = Error::Missing { question: self.name, parameter: p.name, words: p.words };
        let text = given.get(p.name).map(String::as_str).or(p.default).ok_or(missing)?;
        match p.of {
            Type::Text => Ok(ScalarValue::from(text)),
            Type::Number => {
                let number = text.parse::<f64>().ok().filter(|n| n.is_finite());
                let wrong = || Error::Malformed { parameter: p.name.to_owned(), needed: "number" };
                number.map(ScalarValue::from).ok_or_else(wrong)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_says_what_it_answers_and_names_the_parameters_it_uses() {
        for question in shelf() {
            assert!(question.words.len() > 20 && question.words.ends_with('.'), "{}", question.name);
            let body: String = question.sql.lines().filter(|l| !l.starts_with("--")).collect();
            for p in &question.parameters {
                assert!(p.words.len() > 5, "{} {}", question.name, p.name);
                assert!(body.contains(&format!("${}", p.name)), "{} does not use {}", question.name, p.name);
            }
            assert_eq!(body.matches('$').count() > 0, !question.parameters.is_empty(), "{}", question.name);
        }
        let names: Vec<&str> = shelf().iter().map(|q| q.name).collect();
        assert!(names.is_sorted());
    }

    #[test]
    fn values_are_given_defaulted_or_refused() {
        let question =
            read("q", "-- Words.\n-- $bed text: the bed\n-- $hours number = 6: how long\nSELECT 1");
        let given = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let values = question.values(&given(&[("bed", "4")])).unwrap();
        assert_eq!(values["bed"], ScalarValue::from("4"));
        assert_eq!(values["hours"], ScalarValue::from(6.0));
        for (pairs, said) in [
            (&[][..], "q needs --param bed=... (the bed)"),
            (&[("bed", "4"), ("hours", "x")], "the parameter hours is no number"),
            (&[("bed", "4"), ("hours", "inf")], "the parameter hours is no number"),
            (&[("bed", "4"), ("hour", "1")], "q has no parameter hour; it has: bed, hours"),
        ] {
            assert_eq!(question.values(&given(pairs)).unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn a_name_that_is_nearly_right_is_led_to_the_right_one() {
        assert_eq!(ready("open_alerts").unwrap().name, "open_alerts");
        let said = ready("open_alert").unwrap_err().to_string();
        assert!(said.ends_with("did you mean open_alerts?"), "{said}");
        assert!(!ready("xyzzy").unwrap_err().to_string().contains("did you mean"));
    }
}
