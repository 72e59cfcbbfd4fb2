//! What is given: infusions that follow the patient's state, antibiotics in sepsis.

use bedwatch_schemas::time::EventTime;

use super::{
    course::Scenario,
    fhir::{self, Given},
    person::Person,
    physiology::Physiology,
};

const MINUTE: i64 = 60_000_000;

/// One change of a drug.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Order {
    /// A new rate with its UCUM unit; 0 stops.
    Rate(Given, f64, &'static str),
    /// A dose in grams.
    Dose(Given, f64),
}

impl Order {
    pub(crate) fn resource(self, person: &Person, id: &str, at: EventTime) -> String {
        match self {
            Self::Rate(drug, rate, unit) => fhir::infusion(person, id, at, drug, rate, unit),
            Self::Dose(drug, grams) => fhir::dose(person, id, at, drug, grams),
        }
    }
}

/// The drugs of a stay, looked at every five minutes.
#[derive(Debug, Clone)]
pub(crate) struct Drugs {
    /// When they are next looked at, microseconds from the live start.
    pub next: i64,
    norepinephrine: f64,
    insulin: f64,
    propofol: f64,
    antibiotics_due: Option<i64>,
    doses: u32,
}

impl Drugs {
    pub(crate) fn new(next: i64) -> Self {
        Self { next, norepinephrine: 0.0, insulin: 0.0, propofol: 0.0, antibiotics_due: None, doses: 0 }
    }

    /// The changes at `t`, which must be [`Drugs::next`].
    pub(crate) fn step(&mut self, body: &mut Physiology, t: i64) -> Vec<Order> {
        self.next += 5 * MINUTE;
        let secs = t as f64 / 1e6;
        let mut orders = Vec::new();
        let rate = body.norepinephrine(secs);
        if (rate - self.norepinephrine).abs() > 0.015 || (rate == 0.0) != (self.norepinephrine == 0.0) {
            self.norepinephrine = rate;
            orders.push(Order::Rate(Given::Norepinephrine, rate, "ug/kg/min"));
        }
        let rate = insulin(body, secs, self.insulin);
        if (rate - self.insulin).abs() > 0.4 {
            self.insulin = rate;
            orders.push(Order::Rate(Given::Insulin, rate, "[IU]/h"));
        }
        let rate = if body.person.ventilated { 10.0 + 25.0 * body.sedation() } else { 0.0 };
        if (rate - self.propofol).abs() > 0.1 {
            self.propofol = rate;
            orders.push(Order::Rate(Given::Propofol, rate, "ug/kg/min"));
        }
        self.antibiotics(body, t, &mut orders);
        orders
    }

    fn antibiotics(&mut self, body: &Physiology, t: i64, orders: &mut Vec<Order>) {
        let secs = t as f64 / 1e6;
        let infected = body
            .course
            .episodes_at(secs)
            .any(|e| e.scenario == Scenario::Sepsis && secs >= e.onset - 3_600.0 + e.treatment_delay);
        if !infected {
            self.antibiotics_due = None;
            return;
        }
        if self.antibiotics_due.is_none_or(|due| due <= t) {
            orders.push(Order::Dose(Given::Ceftriaxone, 2.0));
            if self.doses.is_multiple_of(2) {
                orders.push(Order::Dose(Given::Vancomycin, 1.0));
            }
            self.doses += 1;
            self.antibiotics_due = Some(t + 12 * 60 * MINUTE);
        }
    }
}

/// Units an hour by a sliding scale; kept running too high before an insulin-caused low.
fn insulin(body: &mut Physiology, secs: f64, now: f64) -> f64 {
    let glucose = body.glucose(secs);
    let low = body.course.episodes_at(secs).find(|e| e.scenario == Scenario::Hypoglycaemia);
    if let Some(e) = low {
        return if secs < e.onset + 30.0 { 5.0 } else { 0.0 };
    }
    if !body.person.diabetic && glucose < 185.0 && now == 0.0 || glucose < 125.0 {
        return 0.0;
    }
    (((glucose - 120.0) / 25.0).clamp(0.0, 10.0) * 2.0).round() / 2.0
}
