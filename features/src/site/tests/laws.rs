//! Random expressions over random beds against an evaluator of its own, value by value in plain Rust;
//! and the beds together against each alone.

use bedwatch_schemas::{
    medication::{Drug, InfusionAction},
    signal::Signal,
};
use proptest::prelude::*;

use super::{Seen, Ward, compile};

const NUMBERS: [(&str, Signal); 4] = [
    ("lactate_last", Signal::Lactate),
    ("creatinine_last", Signal::Creatinine),
    ("base_excess_last", Signal::BaseExcess),
    ("crp_last", Signal::Crp),
];

/// A bed: the numbers that are known, and whether noradrenaline runs.
type Values = ([Option<f64>; 4], Option<bool>);

#[derive(Debug, Clone)]
enum Number {
    Column(usize),
    Literal(i32),
    Sum(Box<Number>, Box<Number>),
    Less(Box<Number>, Box<Number>),
    Product(Box<Number>, Box<Number>),
    Quotient(Box<Number>, Box<Number>),
    Sqrt(Box<Number>),
    Or(Box<Number>, Box<Number>),
    Greatest(Box<Number>, Box<Number>),
    If(Box<Truth>, Box<Number>, Box<Number>),
}

#[derive(Debug, Clone)]
enum Truth {
    Running,
    Above(Number, Number),
    AtMost(Number, Number),
    Equal(Number, Number),
    Within(Number, i32, i32),
    Unknown(Number),
    Not(Box<Truth>),
    And(Box<Truth>, Box<Truth>),
    Either(Box<Truth>, Box<Truth>),
    IsTrue(Box<Truth>),
}

impl Number {
    fn sql(&self) -> String {
        match self {
            Self::Column(i) => NUMBERS[*i].0.to_owned(),
            Self::Literal(n) => format!("({n})"),
            Self::Sum(a, b) => format!("({} + {})", a.sql(), b.sql()),
            Self::Less(a, b) => format!("({} - {})", a.sql(), b.sql()),
            Self::Product(a, b) => format!("({} * {})", a.sql(), b.sql()),
            Self::Quotient(a, b) => format!("({} / {})", a.sql(), b.sql()),
            Self::Sqrt(a) => format!("sqrt({})", a.sql()),
            Self::Or(a, b) => format!("coalesce({}, {})", a.sql(), b.sql()),
            Self::Greatest(a, b) => format!("greatest({}, {})", a.sql(), b.sql()),
            Self::If(c, a, b) => format!("CASE WHEN {} THEN {} ELSE {} END", c.sql(), a.sql(), b.sql()),
        }
    }

    fn value(&self, of: &Values) -> Option<f64> {
        let two = |a: &Number, b: &Number| Some((a.value(of)?, b.value(of)?));
        match self {
            Self::Column(i) => of.0[*i],
            Self::Literal(n) => Some(f64::from(*n)),
            Self::Sum(a, b) => two(a, b).map(|(a, b)| a + b),
            Self::Less(a, b) => two(a, b).map(|(a, b)| a - b),
            Self::Product(a, b) => two(a, b).map(|(a, b)| a * b),
            Self::Quotient(a, b) => two(a, b).map(|(a, b)| a / b),
            Self::Sqrt(a) => a.value(of).map(f64::sqrt),
            Self::Or(a, b) => a.value(of).or_else(|| b.value(of)),
            Self::Greatest(a, b) => match (a.value(of), b.value(of)) {
                (Some(a), Some(b)) => Some(if a >= b { a } else { b }),
                (a, b) => a.or(b),
            },
            Self::If(c, a, b) => {
                if c.value(of) == Some(true) {
                    a.value(of)
                } else {
                    b.value(of)
                }
            }
        }
        .filter(|x| x.is_finite())
    }
}

impl Truth {
    fn sql(&self) -> String {
        match self {
            Self::Running => "norepinephrine_running".to_owned(),
            Self::Above(a, b) => format!("({} > {})", a.sql(), b.sql()),
            Self::AtMost(a, b) => format!("({} <= {})", a.sql(), b.sql()),
            Self::Equal(a, b) => format!("({} = {})", a.sql(), b.sql()),
            Self::Within(a, lo, hi) => format!("({} BETWEEN {lo} AND {hi})", a.sql()),
            Self::Unknown(a) => format!("({} IS NULL)", a.sql()),
            Self::Not(a) => format!("(NOT {})", a.sql()),
            Self::And(a, b) => format!("({} AND {})", a.sql(), b.sql()),
            Self::Either(a, b) => format!("({} OR {})", a.sql(), b.sql()),
            Self::IsTrue(a) => format!("({} IS TRUE)", a.sql()),
        }
    }

    fn value(&self, of: &Values) -> Option<bool> {
        let two = |a: &Number, b: &Number| Some((a.value(of)?, b.value(of)?));
        match self {
            Self::Running => of.1,
            Self::Above(a, b) => two(a, b).map(|(a, b)| a > b),
            Self::AtMost(a, b) => two(a, b).map(|(a, b)| a <= b),
            Self::Equal(a, b) => two(a, b).map(|(a, b)| a == b),
            Self::Within(a, lo, hi) => a.value(of).map(|x| x >= f64::from(*lo) && x <= f64::from(*hi)),
            Self::Unknown(a) => Some(a.value(of).is_none()),
            Self::Not(a) => a.value(of).map(|x| !x),
            Self::And(a, b) => match (a.value(of), b.value(of)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Either(a, b) => match (a.value(of), b.value(of)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::IsTrue(a) => Some(a.value(of) == Some(true)),
        }
    }
}

fn number() -> impl Strategy<Value = Number> {
    let leaf =
        prop_oneof![3 => (0_usize..4).prop_map(Number::Column), 1 => (-3_i32..4).prop_map(Number::Literal)];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let two = || (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        let above = (inner.clone(), inner.clone()).prop_map(|(a, b)| Box::new(Truth::Above(a, b)));
        prop_oneof![
            two().prop_map(|(a, b)| Number::Sum(a, b)),
            two().prop_map(|(a, b)| Number::Less(a, b)),
            two().prop_map(|(a, b)| Number::Product(a, b)),
            two().prop_map(|(a, b)| Number::Quotient(a, b)),
            inner.clone().prop_map(|a| Number::Sqrt(Box::new(a))),
            two().prop_map(|(a, b)| Number::Or(a, b)),
            two().prop_map(|(a, b)| Number::Greatest(a, b)),
            (above, two()).prop_map(|(c, (a, b))| Number::If(c, a, b)),
        ]
    })
}

fn truth() -> impl Strategy<Value = Truth> {
    let leaf = prop_oneof![
        1 => Just(Truth::Running),
        3 => (number(), number()).prop_map(|(a, b)| Truth::Above(a, b)),
        2 => (number(), number()).prop_map(|(a, b)| Truth::AtMost(a, b)),
        1 => (number(), number()).prop_map(|(a, b)| Truth::Equal(a, b)),
        1 => (number(), -3_i32..4, -3_i32..4).prop_map(|(a, lo, hi)| Truth::Within(a, lo, hi)),
        1 => number().prop_map(Truth::Unknown),
    ];
    leaf.prop_recursive(3, 10, 2, |inner| {
        let one = || inner.clone().prop_map(Box::new);
        prop_oneof![
            one().prop_map(Truth::Not),
            (one(), one()).prop_map(|(a, b)| Truth::And(a, b)),
            (one(), one()).prop_map(|(a, b)| Truth::Either(a, b)),
            one().prop_map(Truth::IsTrue),
        ]
    })
}

fn bed(values: &Values) -> Seen {
    let mut ward = Ward::new();
    for ((_, signal), value) in NUMBERS.iter().zip(values.0) {
        if let Some(value) = value {
            ward = ward.value(0, *signal, value);
        }
    }
    if let Some(runs) = values.1 {
        let action = if runs { InfusionAction::RateSet } else { InfusionAction::Stopped };
        ward = ward.infusion(0, Drug::Norepinephrine, action, None);
    }
    ward.at(60)
}

fn values() -> impl Strategy<Value = Values> {
    // Small whole numbers, so that boundaries are met; base excess may be negative, none is not.
    let one = |lo: i32| prop::option::weighted(0.8, (lo..4).prop_map(f64::from));
    let numbers = (one(0), one(0), one(-3), one(0)).prop_map(|(a, b, c, d)| [a, b, c, d]);
    (numbers, prop::option::of(any::<bool>()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Law: over the beds together, over each bed alone and by the definition of three-valued logic the
    /// answers are the same.
    #[test]
    fn together_alone_and_by_definition(condition in truth(), beds in prop::collection::vec(values(), 1..24)) {
        let sql = condition.sql();
        let Ok(Some(site)) = super::Site::compile(&[], &[super::rule(&sql)]) else {
            // It names no column, or folds to the same for every bed: then it must be.
            let want: Vec<Option<bool>> = beds.iter().map(|b| condition.value(b)).collect();
            prop_assert!(want.windows(2).all(|w| w[0] == w[1]) || sql.len() > 1_900, "{}", sql);
            return Ok(());
        };
        let seen: Vec<Seen> = beds.iter().map(bed).collect();
        let all: Vec<_> = seen.iter().map(Seen::bed).collect();
        let together = site.judge(&all).unwrap();
        for ((values, seen), verdict) in beds.iter().zip(&seen).zip(&together) {
            prop_assert_eq!(verdict.holds, condition.value(values), "{} of {:?}", sql, values);
            prop_assert_eq!(verdict, &site.judge(&[seen.bed()]).unwrap()[0]);
        }
    }

    /// Law: no text makes the compiler panic.
    #[test]
    fn any_text_is_taken_or_refused(text in "[ a-z_0-9()<>=.,'\"+*/-]{0,60}") {
        let _ = super::Site::compile(&[], &[super::rule(&text)]);
    }
}

#[test]
fn a_ward_without_beds_is_asked_nothing() {
    assert_eq!(compile("lactate_last > 2").judge(&[]).unwrap(), []);
}
