//! What the item ids of both charting systems mean here: CareVue below 220000, MetaVision from there on.
//!
//! Source: D_ITEMS and D_LABITEMS of MIMIC-III v1.4; which ids are one quantity follows the concepts of
//! github.com/MIT-LCP/mimic-code (Johnson et al., JAMIA 2018;25:32), read against the ranges charted. An
//! item fixes its unit; the unit charted beside it must be one of its spellings. Calculated twins
//! (temperature in the other scale), alarm limits and laboratory values copied into the chart are not
//! read: each measurement stands once.

use bedwatch_schemas::{medication::Drug, signal::Signal, unit::Unit};
use serde::{Deserialize, Serialize};

/// A part of the Glasgow coma score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Part {
    Eyes,
    Verbal,
    Motor,
}

/// What a charted item is read as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Charted {
    /// A number in a unit; the spellings are those charted beside it.
    Number(Signal, Unit, &'static [&'static str]),
    /// Inspired oxygen, a fraction up to 1, percent above.
    Oxygen,
    /// A part of the coma score.
    Coma(Part),
    /// A setting or measurement that only a ventilator gives.
    Ventilator,
    /// The ventilator's mode or type: some words say that it is none.
    Mode,
    /// How oxygen is delivered, in words.
    Delivery,
    /// An event in words: extubation is among them.
    Event,
}

const RATE: &[&str] = &["BPM", "bpm", "insp/min"];
const MMHG: &[&str] = &["mmHg"];
const PERCENT: &[&str] = &["%"];
const FAHRENHEIT: &[&str] = &["Deg. F", "?F", "°F", "F"];
const CELSIUS: &[&str] = &["Deg. C", "?C", "°C", "C"];
const KG: &[&str] = &["kg"];
const INCH: &[&str] = &["inches", "Inch"];
const MG_DL: &[&str] = &["mg/dL"];

/// What a charted item means; `None` for one that is not read.
#[rustfmt::skip]
pub(super) fn charted(item: u32) -> Option<Charted> {
    use Charted::Number;
    Some(match item {
        211 | 220_045 => Number(Signal::HeartRate, Unit::PerMinute, RATE),
        618 | 220_210 => Number(Signal::RespRate, Unit::PerMinute, RATE),
        646 | 220_277 => Number(Signal::Spo2, Unit::Percent, PERCENT),
        678 | 223_761 => Number(Signal::Temperature, Unit::Fahrenheit, FAHRENHEIT),
        676 | 223_762 => Number(Signal::Temperature, Unit::Celsius, CELSIUS),
        455 | 442 | 220_179 | 224_167 | 227_243 => Number(Signal::NibpSystolic, Unit::MmHg, MMHG),
        8_441 | 8_440 | 220_180 | 224_643 | 227_242 => Number(Signal::NibpDiastolic, Unit::MmHg, MMHG),
        456 | 443 | 220_181 => Number(Signal::NibpMean, Unit::MmHg, MMHG),
        51 | 6_701 | 220_050 | 225_309 => Number(Signal::AbpSystolic, Unit::MmHg, MMHG),
        8_368 | 8_555 | 220_051 | 225_310 => Number(Signal::AbpDiastolic, Unit::MmHg, MMHG),
        52 | 6_702 | 220_052 | 225_312 => Number(Signal::AbpMean, Unit::MmHg, MMHG),
        113 | 220_074 => Number(Signal::Cvp, Unit::MmHg, MMHG),
        1_817 | 228_640 => Number(Signal::Etco2, Unit::MmHg, MMHG),
        198 => Number(Signal::GcsTotal, Unit::Score, &["points"]),
        762 | 763 | 224_639 | 226_512 => Number(Signal::Weight, Unit::Kilogram, KG),
        920 | 226_707 => Number(Signal::Height, Unit::Inch, INCH),
        226_730 => Number(Signal::Height, Unit::Centimetre, &["cm"]),
        807 | 225_664 | 226_537 => Number(Signal::Glucose, Unit::MgPerDl, MG_DL),
        190 | 3_420 | 3_422 | 223_835 => Charted::Oxygen,
        220_739 => Charted::Coma(Part::Eyes),
        223_900 => Charted::Coma(Part::Verbal),
        223_901 => Charted::Coma(Part::Motor),
        506 | 535 | 543 | 682 | 683 | 220_339 | 224_684 | 224_685 | 224_695 | 224_696 => Charted::Ventilator,
        720 | 722 | 223_848 | 223_849 => Charted::Mode,
        467 | 226_732 => Charted::Delivery,
        640 => Charted::Event,
        _ => return None,
    })
}

/// Whether a mode or type of ventilator says that one breathes for the patient.
pub(super) fn mode_ventilates(text: &str) -> bool {
    !matches!(text, "" | "Other/Remarks" | "Other" | "Standby" | "Ambient")
}

/// What a way of delivering oxygen says of ventilation; `None` where it says nothing.
pub(super) fn delivery_ventilates(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "ventilator" => Some(true),
        "nasal cannula"
        | "face tent"
        | "aerosol-cool"
        | "non-rebreather"
        | "hi flow neb"
        | "high flow neb"
        | "medium conc mask"
        | "venti mask"
        | "trach mask"
        | "t-piece"
        | "high flow nasal cannula" => Some(false),
        _ => None,
    }
}

/// A laboratory item: its signal, and its unit where the table leaves that empty by definition.
#[rustfmt::skip]
pub(super) fn lab(item: u32) -> Option<(Signal, Option<Unit>)> {
    let signal = match item {
        50_802 => Signal::BaseExcess,
        50_806 | 50_902 => Signal::Chloride,
        50_809 | 50_931 => Signal::Glucose,
        50_810 | 51_221 => Signal::Hematocrit,
        50_811 | 51_222 => Signal::Hemoglobin,
        50_813 => Signal::Lactate,
        50_817 => Signal::Sao2,
        50_818 => Signal::Paco2,
        50_820 => Signal::ArterialPh,
        50_821 => Signal::Pao2,
        50_822 | 50_971 => Signal::Potassium,
        50_824 | 50_983 => Signal::Sodium,
        50_861 => Signal::Alt,
        50_862 => Signal::Albumin,
        50_863 => Signal::AlkalinePhosphatase,
        50_878 => Signal::Ast,
        50_882 => Signal::Bicarbonate,
        50_883 => Signal::BilirubinDirect,
        50_885 => Signal::BilirubinTotal,
        50_889 => Signal::Crp,
        50_893 => Signal::Calcium,
        50_907 => Signal::Cholesterol,
        50_912 => Signal::Creatinine,
        50_960 => Signal::Magnesium,
        50_970 => Signal::Phosphate,
        51_002 => Signal::TroponinI,
        51_003 => Signal::TroponinT,
        51_006 => Signal::Bun,
        51_214 => Signal::Fibrinogen,
        51_237 => return Some((Signal::Inr, Some(Unit::One))),
        51_265 => Signal::Platelets,
        51_275 => Signal::Ptt,
        51_300 | 51_301 => Signal::Wbc,
        _ => return None,
    };
    Some((signal, None))
}

/// The items that say what a blood gas was taken from, MIMIC-III's and MIMIC-IV's.
pub(super) const SPECIMEN: [u32; 2] = [50_800, 52_033];

/// Whether a laboratory signal is of arterial blood only.
pub(super) const fn is_arterial(signal: Signal) -> bool {
    matches!(signal, Signal::ArterialPh | Signal::Paco2 | Signal::Pao2 | Signal::Sao2 | Signal::BaseExcess)
}

/// A laboratory unit; the "units" of this laboratory are those of the pH.
pub(super) fn lab_unit(text: &str) -> Option<Unit> {
    match text.to_lowercase().as_str() {
        "units" => Some(Unit::Ph),
        "mm hg" => Some(Unit::MmHg),
        "seconds" => Some(Unit::Second),
        _ => Unit::parse(text),
    }
}

/// Whether an output item is urine; irrigation that comes back with it is not.
pub(super) const fn is_urine(item: u32) -> bool {
    matches!(
        item,
        40_055
            | 40_056
            | 40_057
            | 40_069
            | 40_085
            | 40_086
            | 40_094
            | 40_096
            | 40_405
            | 40_428
            | 40_473
            | 40_651
            | 40_715
            | 43_175
            | 226_557..=226_561
            | 226_563..=226_565
            | 226_567
            | 226_584
    )
}

/// The drug of an input item; `None` for one that is not read.
#[rustfmt::skip]
pub(super) const fn drug(item: u32) -> Option<Drug> {
    Some(match item {
        30_047 | 30_120 | 221_906 => Drug::Norepinephrine,
        30_044 | 30_119 | 30_309 | 221_289 => Drug::Epinephrine,
        30_043 | 30_307 | 221_662 => Drug::Dopamine,
        30_042 | 30_306 | 221_653 => Drug::Dobutamine,
        30_051 | 42_273 | 222_315 => Drug::Vasopressin,
        30_127 | 30_128 | 221_749 => Drug::Phenylephrine,
        30_045 | 30_100 | 30_310 | 223_257..=223_262 => Drug::Insulin,
        30_124 | 30_131 | 30_167 | 221_668 | 222_168 | 225_150 => Drug::Sedative,
        225_798 | 225_840 | 225_842 | 225_843 | 225_845 | 225_847 | 225_850 | 225_851 | 225_853 | 225_855
        | 225_859 | 225_860 | 225_862 | 225_863 | 225_865 | 225_866 | 225_875 | 225_876 | 225_879
        | 225_881 | 225_883 | 225_884 | 225_886 | 225_888 | 225_889 | 225_890 | 225_892 | 225_893
        | 225_899 | 225_900 | 225_902 | 227_691 => Drug::Antibiotic,
        _ => return None,
    })
}

/// A dose's unit as charted; a count of doses is none.
pub(super) fn dose_unit(text: &str) -> Option<Unit> {
    match text {
        "units" | "U" => Some(Unit::DrugUnit),
        "mg" => Some(Unit::Milligram),
        "mcg" => Some(Unit::Microgram),
        _ => None,
    }
}
