//! What the labels, names and units of eICU mean here.
//!
//! Source: the table descriptions of eicu-crd.mit.edu and the concepts of github.com/MIT-LCP/eicu-code,
//! read against the labels and ranges charted. A label fixes its unit. Labels are compared without regard
//! to case.

use bedwatch_schemas::{medication::Drug, signal::Signal, unit::Unit};

use crate::readers::infusions;

/// What a label of `respiratoryCharting` is read as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Charted {
    /// A number in the signal's own unit.
    Number(Signal),
    /// Inspired oxygen: a fraction up to 1, percent above, with or without the sign.
    Oxygen,
    /// Breaths of the patient's own.
    OwnRate,
    /// The rate a machine is set to.
    SetRate,
    /// A setting or measurement that only an invasive ventilator gives, where it is not 0.
    Ventilator,
    /// How oxygen is delivered, in words.
    Delivery,
    /// A mode of ventilation, in words.
    Mode,
    /// Whether the ventilator is on, in words.
    OnOff,
}

/// What a label means; `None` for one that is not read.
pub(super) fn charted(label: &str) -> Option<Charted> {
    Some(match label.to_lowercase().as_str() {
        "fio2" | "fio2 (%)" | "o2 percentage" | "set fraction of inspired oxygen (fio2)" => Charted::Oxygen,
        "total rr" | "resp rate total" | "f total" | "niv setting total rr_5" => {
            Charted::Number(Signal::RespRate)
        }
        "rr (patient)" => Charted::OwnRate,
        "vent rate" => Charted::SetRate,
        // Charted beside the ventilator, not measured in the laboratory: the oximeter's.
        "sao2" | "adult con pt/vent spo2" | "niv pt/vent spo2_5" => Charted::Number(Signal::Spo2),
        "etco2" | "adult con pt/vent etco2" | "adult con pt/vent etco2_" => Charted::Number(Signal::Etco2),
        "tidal volume (set)"
        | "set vt (servo,ltv)"
        | "set vt (drager)"
        | "adult con setting set vt"
        | "plateau pressure" => Charted::Ventilator,
        "o2 device" | "oxygen delivery method" => Charted::Delivery,
        "ventilator support mode" | "mechanical ventilator mode" => Charted::Mode,
        "rt vent on/off" => Charted::OnOff,
        _ => return None,
    })
}

/// What a way of delivering oxygen says of invasive ventilation; `None` where it says nothing, as
/// non-invasive support does.
pub(super) fn delivery_ventilates(text: &str) -> Option<bool> {
    Some(match text.to_lowercase().as_str() {
        "ventilator" | "mechanical ventilator" => true,
        "nasal cannula"
        | "none (room air)"
        | "room air"
        | "high flow nasal cannula"
        | "simple mask"
        | "high flow mask"
        | "non-rebreather mask"
        | "face mask"
        | "face tent"
        | "venturi mask"
        | "aerosol mask"
        | "trach collar"
        | "t-piece" => false,
        _ => return None,
    })
}

/// Whether a mode is one of an invasive ventilator that gives breaths.
pub(super) fn mode_ventilates(text: &str) -> bool {
    matches!(text.to_lowercase().as_str(), "cmv" | "ac" | "ac/cmv" | "simv" | "prvc" | "pcv" | "aprv")
}

/// What `RT Vent On/Off` says.
pub(super) fn is_on(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "start" | "continued" => Some(true),
        "off" | "suspended" => Some(false),
        _ => None,
    }
}

/// What an airway says of ventilation: a tube is for it, a tracheostomy may be without.
pub(super) fn airway_ventilates(text: &str) -> Option<bool> {
    match text {
        "No Artificial Airway" => Some(false),
        text if text.ends_with("ETT") => Some(true),
        _ => None,
    }
}

/// Whether a treatment is invasive ventilation.
pub(super) fn is_ventilation(treatment: &str) -> bool {
    let steps = || treatment.split('|');
    (steps().any(|s| s == "mechanical ventilation") && !steps().any(|s| s == "non-invasive ventilation"))
        || treatment.ends_with("endotracheal tube|insertion")
        || treatment.ends_with("|reintubation")
}

/// Whether a treatment is a vasopressor.
pub(super) fn is_pressor(treatment: &str) -> bool {
    treatment.split('|').any(|s| s == "vasopressors")
}

/// A laboratory test: its signal, and its unit where the table leaves that empty by definition.
pub(super) fn lab(name: &str) -> Option<(Signal, Option<Unit>)> {
    let signal = match name.to_lowercase().as_str() {
        "albumin" => Signal::Albumin,
        "alkaline phos." => Signal::AlkalinePhosphatase,
        "alt (sgpt)" => Signal::Alt,
        "ast (sgot)" => Signal::Ast,
        "base excess" => Signal::BaseExcess,
        "bedside glucose" | "glucose" => Signal::Glucose,
        "bicarbonate" | "hco3" => Signal::Bicarbonate,
        "bun" => Signal::Bun,
        "calcium" => Signal::Calcium,
        "chloride" => Signal::Chloride,
        "creatinine" => Signal::Creatinine,
        "crp" => Signal::Crp,
        "direct bilirubin" => Signal::BilirubinDirect,
        "fibrinogen" => Signal::Fibrinogen,
        "hct" => Signal::Hematocrit,
        "hgb" => Signal::Hemoglobin,
        "lactate" => Signal::Lactate,
        "magnesium" => Signal::Magnesium,
        "o2 sat (%)" => return Some((Signal::Sao2, Some(Unit::Percent))),
        "paco2" => Signal::Paco2,
        "pao2" => Signal::Pao2,
        "ph" => return Some((Signal::ArterialPh, Some(Unit::Ph))),
        "phosphate" => Signal::Phosphate,
        "platelets x 1000" => Signal::Platelets,
        "potassium" => Signal::Potassium,
        "pt - inr" => return Some((Signal::Inr, Some(Unit::One))),
        "ptt" => Signal::Ptt,
        "sodium" => Signal::Sodium,
        "total bilirubin" => Signal::BilirubinTotal,
        "total cholesterol" => Signal::Cholesterol,
        "troponin - i" => Signal::TroponinI,
        "troponin - t" => Signal::TroponinT,
        "wbc x 1000" => Signal::Wbc,
        _ => return None,
    };
    Some((signal, None))
}

/// A laboratory unit.
pub(super) fn lab_unit(text: &str) -> Option<Unit> {
    match text.to_lowercase().as_str() {
        "units/l" => Some(Unit::UnitPerL),
        "ratio" => Some(Unit::One),
        "mm hg" => Some(Unit::MmHg),
        _ => Unit::parse(text),
    }
}

/// Whether a cell of the output is urine; a count of voidings and a mixture with stool are not.
pub(super) fn is_urine(cell: &str) -> bool {
    let cell = cell.to_lowercase();
    let whole = ["urine", "urine catheter", "voided amount", "foley cath", "sn urine output(ml)"];
    let begins = ["urinary catheter output", "indwelling catheter output", "urine output"];
    let holds = ["urethral catheter", "external urinary catheter", "straight catheter"];
    whole.contains(&cell.as_str())
        || begins.iter().any(|b| cell.starts_with(b))
        || holds.iter().any(|h| cell.contains(h))
}

/// A drug by its name in words, generic or of a brand.
pub(super) fn drug(name: &str) -> Drug {
    const BRANDS: [(&str, Drug); 26] = [
        ("neosynephrine", Drug::Phenylephrine),
        ("neo-synephrine", Drug::Phenylephrine),
        ("precedex", Drug::Sedative),
        ("diprivan", Drug::Sedative),
        ("versed", Drug::Sedative),
        ("ancef", Drug::Antibiotic),
        ("kefzol", Drug::Antibiotic),
        ("rocephin", Drug::Antibiotic),
        ("maxipime", Drug::Antibiotic),
        ("fortaz", Drug::Antibiotic),
        ("zosyn", Drug::Antibiotic),
        ("unasyn", Drug::Antibiotic),
        ("augmentin", Drug::Antibiotic),
        ("merrem", Drug::Antibiotic),
        ("primaxin", Drug::Antibiotic),
        ("invanz", Drug::Antibiotic),
        ("levaquin", Drug::Antibiotic),
        ("avelox", Drug::Antibiotic),
        ("zithromax", Drug::Antibiotic),
        ("flagyl", Drug::Antibiotic),
        ("cleocin", Drug::Antibiotic),
        ("vibramycin", Drug::Antibiotic),
        ("bactrim", Drug::Antibiotic),
        ("zyvox", Drug::Antibiotic),
        ("azactam", Drug::Antibiotic),
        ("keflex", Drug::Antibiotic),
    ];
    match Drug::from_name(name) {
        Drug::Other => {
            let name = name.to_lowercase();
            BRANDS.iter().find(|(b, _)| name.contains(b)).map_or(Drug::Other, |(_, drug)| *drug)
        }
        drug => drug,
    }
}

/// The name and the unit of an infusion, `Norepinephrine (mcg/min)`; the unit may be absent or empty.
pub(super) fn name_and_unit(text: &str) -> (&str, &str) {
    let text = text.trim_end();
    let parts = text.strip_suffix(')').and_then(|t| t.rsplit_once('('));
    parts.map_or((text, ""), |(name, unit)| (name.trim_end(), unit.trim()))
}

/// A rate's unit: the unit and the factor that turns the number into it.
pub(super) fn rate_unit(text: &str) -> Option<(Unit, f64)> {
    if text.eq_ignore_ascii_case("ml/hr") {
        return Some((Unit::MlPerHour, 1.0));
    }
    infusions::rate_unit(text)
}

/// A number for a drug at a rate of a unit: two rates of the same are one infusion.
pub(super) fn bag(drug: Drug, unit: Option<Unit>) -> u32 {
    let drug = Drug::ALL.iter().position(|d| *d == drug).unwrap_or_default();
    let unit = unit.and_then(|u| Unit::ALL.iter().position(|v| *v == u)).map_or(0, |i| i + 1);
    (drug * (Unit::ALL.len() + 1) + unit) as u32
}

/// Whether a treatment is a culture, and then whether of blood; a search for what someone carries is none.
pub(super) fn is_culture_of_blood(treatment: &str) -> Option<bool> {
    let mut steps = treatment.split('|').skip_while(|s| *s != "cultures");
    steps.next()?;
    Some(steps.next() == Some("blood"))
}

/// Whether a treatment is an antibiotic given against an infection, not to prevent one.
pub(super) fn is_antibacterial(treatment: &str) -> bool {
    treatment.split('|').any(|s| s == "therapeutic antibacterials")
}

fn letters(route: &str) -> String {
    route.to_lowercase().chars().filter(char::is_ascii_alphabetic).collect()
}

/// Whether a route leads into a vein.
pub(super) fn is_into_a_vein(route: &str) -> bool {
    let route = letters(route);
    (route.starts_with("iv") && route != "ivt") || route.starts_with("intrav")
}

/// Whether a route brings a drug to the whole body.
pub(super) fn is_systemic(route: &str) -> bool {
    let into_a_vein = is_into_a_vein(route);
    let route = letters(route);
    let whole = ["po", "oral", "im", "intramuscular", "ng", "ngt", "gt", "peg", "pertube"];
    let begins = ["pooral", "perng", "perg", "ngtube", "gtube", "intramus"];
    into_a_vein || whole.contains(&route.as_str()) || begins.iter().any(|b| route.starts_with(b))
}

/// Whether a culture of a site looks for what someone carries, not for what makes them ill.
pub(super) fn is_screening(site: &str) -> bool {
    matches!(site.to_lowercase().as_str(), "nasopharynx" | "rectal swab")
}
