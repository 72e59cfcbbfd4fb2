//! What OBX-3 and OBX-6 mean: a signal, a waveform, a device attribute, a unit.
//!
//! Standard codes come first (LOINC, IEEE 11073 MDC by number or reference id, as the main or the
//! alternate triple); the site's own mnemonics only where no standard code stands beside them, since
//! `GLU` next to the LOINC code of urine glucose must not become blood glucose.

use std::{collections::BTreeMap, sync::LazyLock};

use bedwatch_schemas::{
    codes::{self, Coded},
    signal::Signal,
    unit::Unit,
    waveform::WaveformKind,
};

use super::{
    lexer::{Delimiters, Piece},
    text::{Charset, text},
};

/// What an OBX segment is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Meaning {
    /// A number.
    Signal(Signal),
    /// Samples, with the channel's label.
    Waveform(WaveformKind, &'static str),
    /// Samples a second of the waveform whose sub-id is the parent of this one's.
    SampleRate,
    /// The time between its samples.
    SamplePeriod,
    /// Another attribute of a device or measurement (`MDC_ATTR_...`).
    Attribute,
    /// A device, virtual device or channel that holds others (`MDC_DEV_...`).
    Container,
    /// A well-formed code that names nothing the engine takes.
    Other,
}

/// The coding systems told apart here.
#[derive(Clone, Copy, PartialEq)]
enum System {
    Loinc,
    Mdc,
    /// None is named.
    Absent,
    /// Another standard, whose codes must not be taken for a site's mnemonics.
    OtherStandard,
    Local,
}

fn system(name: &[u8]) -> System {
    match name {
        b"LN" | b"LOINC" | b"2.16.840.1.113883.6.1" | b"http://loinc.org" => System::Loinc,
        b"MDC" | b"2.16.840.1.113883.6.24" | b"ISO/IEEE 11073-10101" => System::Mdc,
        b"" => System::Absent,
        b"SCT" | b"SNM" | b"I9" | b"I10" | b"I9C" | b"I10C" | b"C4" | b"CPT" | b"CPT4" => {
            System::OtherStandard
        }
        _ => System::Local,
    }
}

/// Reads OBX-3; `None` when there is no code at all.
#[must_use]
pub fn observation(
    field: Piece<'_>,
    marks: &Delimiters,
    local: &BTreeMap<String, Signal>,
) -> Option<Meaning> {
    let parts = field.parts::<6>(marks.component).map(|p| p.trim().bytes);
    let [code, name, _, alternate, _, _] = parts;
    if code.is_empty() && alternate.is_empty() && !name.starts_with(b"MDC_") {
        return None;
    }
    let mut standard = false;
    for at in [0, 3] {
        let (known, is_standard) = triple(parts[at], parts[at + 1], system(parts[at + 2]));
        if known.is_some() {
            return known;
        }
        standard |= is_standard && !parts[at].is_empty();
    }
    if standard {
        return Some(Meaning::Other);
    }
    let found = local_signal(code, local).or_else(|| local_signal(alternate, local));
    Some(found.map_or(Meaning::Other, Meaning::Signal))
}

/// What one triple means, and whether it is in a standard's words (known to us or not).
fn triple(code: &[u8], name: &[u8], system: System) -> (Option<Meaning>, bool) {
    match system {
        System::Loinc => (loinc(code), true),
        System::Mdc => (mdc(code, name), true),
        System::OtherStandard => (None, true),
        System::Absent if is_loinc_form(code) => (loinc(code), true),
        System::Absent if name.starts_with(b"MDC_") || code.starts_with(b"MDC_") => (mdc(code, name), true),
        System::Absent | System::Local => (None, false),
    }
}

fn is_loinc_form(code: &[u8]) -> bool {
    matches!(code, [digits @ .., b'-', check] if (1..=6).contains(&digits.len())
        && check.is_ascii_digit() && digits.iter().all(u8::is_ascii_digit))
}

fn loinc(code: &[u8]) -> Option<Meaning> {
    LOINC.find(code).map(Meaning::Signal)
}

fn mdc(code: &[u8], name: &[u8]) -> Option<Meaning> {
    let name = if code.starts_with(b"MDC_") { code } else { name };
    let number = mdc_number(code);
    match name {
        b"MDC_ATTR_SAMP_RATE" => return Some(Meaning::SampleRate),
        b"MDC_ATTR_TIME_PD_SAMP" => return Some(Meaning::SamplePeriod),
        // Samples of the pulse oximeter under the number of its saturation, as monitors send them.
        b"MDC_PULS_OXIM_SAT_O2_WAVEFORM" => return Some(Meaning::Waveform(WaveformKind::Pleth, "PLETH")),
        _ if name.starts_with(b"MDC_ATTR_") => return Some(Meaning::Attribute),
        _ if name.starts_with(b"MDC_DEV_") => return Some(Meaning::Container),
        _ => {}
    }
    if let Some(label) = number.and_then(ecg_lead) {
        return Some(Meaning::Waveform(WaveformKind::Ecg, label));
    }
    let coded =
        number.and_then(codes::from_mdc).or_else(|| codes::from_mdc_name(std::str::from_utf8(name).ok()?))?;
    Some(match coded {
        Coded::Signal(signal) => Meaning::Signal(signal),
        Coded::Waveform(kind) => Meaning::Waveform(kind, plain_label(kind, name)),
    })
}

/// The leads of `MDC_ECG_ELEC_POTL_*`: term 256 of partition 2 and the lead's number (IEEE
/// 11073-10101 annex A; the leads beyond I, II, III and V1 from memory of the standard: unverified).
fn ecg_lead(code: u32) -> Option<&'static str> {
    Some(match code.checked_sub(codes::mdc(codes::SCADA, 256))? {
        0 => "ECG",
        1 => "I",
        2 => "II",
        3 => "V1",
        4 => "V2",
        5 => "V3",
        6 => "V4",
        7 => "V5",
        8 => "V6",
        61 => "III",
        62 => "AVR",
        63 => "AVL",
        64 => "AVF",
        _ => return None,
    })
}

fn plain_label(kind: WaveformKind, name: &[u8]) -> &'static str {
    match (kind, name) {
        (WaveformKind::Ecg, b"MDC_ECG_ELEC_POTL_I") => "I",
        (WaveformKind::Ecg, b"MDC_ECG_ELEC_POTL_II") => "II",
        (WaveformKind::Ecg, b"MDC_ECG_ELEC_POTL_III") => "III",
        (WaveformKind::Ecg, b"MDC_ECG_ELEC_POTL_V1") => "V1",
        (WaveformKind::Ecg, _) => "ECG",
        (WaveformKind::Pleth, _) => "PLETH",
        (WaveformKind::Abp, _) => "ABP",
        (WaveformKind::Resp, _) => "RESP",
        (WaveformKind::Eeg, _) => "EEG",
    }
}

fn local_signal(code: &[u8], local: &BTreeMap<String, Signal>) -> Option<Signal> {
    if code.is_empty() || code.len() > 64 {
        return None;
    }
    let code = std::str::from_utf8(code).ok()?;
    local.get(code).or_else(|| local.get(&code.to_ascii_uppercase())).copied()
}

/// Reads OBX-6: a UCUM code or one of its usual misspellings, or an MDC unit by number or reference
/// id, as the main or the alternate triple.
#[must_use]
pub fn unit(field: Piece<'_>, marks: &Delimiters, charset: Charset) -> Option<Unit> {
    // One component and a short known spelling: nearly all labs and monitors.
    if let Some(unit) = UNITS.find(field.bytes) {
        return Some(unit);
    }
    let [code, name, system, code2, name2, system2] = field.parts::<6>(marks.component).map(Piece::trim);
    unit_triple(code, name, system, marks, charset)
        .or_else(|| unit_triple(code2, name2, system2, marks, charset))
        // `10^3/uL` with the caret not escaped, as many laboratories send it.
        .or_else(|| unit_text(field.bytes))
}

fn unit_triple(
    code: Piece<'_>,
    name: Piece<'_>,
    system_name: Piece<'_>,
    marks: &Delimiters,
    charset: Charset,
) -> Option<Unit> {
    let name = if code.bytes.starts_with(b"MDC_") { code.bytes } else { name.bytes };
    if system(system_name.bytes) == System::Mdc || name.starts_with(b"MDC_DIM_") {
        let by_number = mdc_number(code.bytes).and_then(codes::unit_from_mdc);
        let by_name = std::str::from_utf8(name).ok().and_then(codes::unit_from_mdc_name);
        // Two names for one unit that name two: not to be guessed.
        return match (by_number, by_name) {
            (Some(a), Some(b)) if a != b => None,
            (a, b) => a.or(b),
        };
    }
    let code = text(code, marks, charset).ok()?;
    unit_text(code.trim().as_bytes())
}

fn unit_text(text: &[u8]) -> Option<Unit> {
    UNITS
        .find(text)
        .or_else(|| Unit::parse(std::str::from_utf8(text).ok()?))
        .or_else(|| SPELLINGS.iter().find(|(name, _)| name.as_bytes() == text).map(|row| row.1))
}

fn mdc_number(code: &[u8]) -> Option<u32> {
    std::str::from_utf8(code).ok()?.parse().ok()
}

/// Spellings of HL7's own ISO+ table and of laboratory systems that UCUM does not know.
const SPELLINGS: &[(&str, Unit)] = &[
    ("mm(hg)", Unit::MmHg),
    ("cel", Unit::Celsius),
    ("THOU/uL", Unit::ThousandPerUl),
    ("thou/uL", Unit::ThousandPerUl),
    ("/nL", Unit::ThousandPerUl),
    ("/nl", Unit::ThousandPerUl),
    ("10*9/l", Unit::ThousandPerUl),
    ("giga.l-1", Unit::ThousandPerUl),
    ("g.l-1", Unit::GramPerL),
    ("{cells}/uL", Unit::PerUl),
    ("bpm", Unit::PerMinute),
    ("10*9/L", Unit::ThousandPerUl),
    ("K/uL", Unit::ThousandPerUl),
    ("mmHg", Unit::MmHg),
    ("mg/dl", Unit::MgPerDl),
    ("mEq/L", Unit::MmolPerL),
    ("U/L", Unit::UnitPerL),
];

static UNITS: LazyLock<Table<Unit>> = LazyLock::new(|| {
    let canonical = Unit::ALL.iter().map(|unit| (unit.ucum(), *unit));
    Table::new(canonical.chain(SPELLINGS.iter().copied()))
});

static LOINC: LazyLock<Table<Signal>> = LazyLock::new(|| Table::new(codes::LOINC.iter().copied()));

/// A map from short texts (8 bytes at most; longer ones are left out): one probe in place of a walk
/// through all the names.
struct Table<T> {
    slots: Vec<Option<(u64, T)>>,
}

impl<T: Copy> Table<T> {
    fn new(rows: impl Iterator<Item = (&'static str, T)>) -> Self {
        let rows: Vec<_> = rows.filter_map(|(text, value)| Some((pack(text.as_bytes())?, value))).collect();
        let mut table = Self { slots: vec![None; (rows.len() * 4).next_power_of_two()] };
        for (key, value) in rows {
            let slot = table.slot(key);
            table.slots[slot].get_or_insert((key, value));
        }
        table
    }

    /// The slot that holds the key, or the free one where it belongs: a quarter is used at most.
    fn slot(&self, key: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize & mask;
        while self.slots[slot].as_ref().is_some_and(|(other, _)| *other != key) {
            slot = (slot + 1) & mask;
        }
        slot
    }

    #[inline]
    fn find(&self, text: &[u8]) -> Option<T> {
        self.slots[self.slot(pack(text)?)].map(|(_, value)| value)
    }
}

/// The text as a number; `None` when it is empty or longer than 8 bytes.
#[inline]
fn pack(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 8 {
        return None;
    }
    let mut bytes = [0; 8];
    bytes[..text.len()].copy_from_slice(text);
    Some(u64::from_le_bytes(bytes))
}

/// The site's own codes that are taken when the configuration names none: mnemonics that common
/// laboratory and monitor interfaces use and that mean one thing. Ambiguous ones (`PH`, `PO2`, `BP`)
/// are left out: urine has a pH too.
#[must_use]
pub fn usual_local_codes() -> BTreeMap<String, Signal> {
    USUAL.iter().map(|(code, signal)| ((*code).to_owned(), *signal)).collect()
}

const USUAL: &[(&str, Signal)] = &[
    // Laboratory.
    ("NA", Signal::Sodium),
    ("K", Signal::Potassium),
    ("CL", Signal::Chloride),
    ("CO2", Signal::Bicarbonate),
    ("HCO3", Signal::Bicarbonate),
    ("BUN", Signal::Bun),
    ("UN", Signal::Bun),
    ("CREAT", Signal::Creatinine),
    ("CREA", Signal::Creatinine),
    ("GLU", Signal::Glucose),
    ("GLUC", Signal::Glucose),
    ("CA", Signal::Calcium),
    ("MG", Signal::Magnesium),
    ("PHOS", Signal::Phosphate),
    ("ALB", Signal::Albumin),
    ("ALT", Signal::Alt),
    ("AST", Signal::Ast),
    ("ALP", Signal::AlkalinePhosphatase),
    ("ALKP", Signal::AlkalinePhosphatase),
    ("TBIL", Signal::BilirubinTotal),
    ("TBILI", Signal::BilirubinTotal),
    ("DBIL", Signal::BilirubinDirect),
    ("DBILI", Signal::BilirubinDirect),
    ("LAC", Signal::Lactate),
    ("LACT", Signal::Lactate),
    ("LACTATE", Signal::Lactate),
    ("WBC", Signal::Wbc),
    ("HGB", Signal::Hemoglobin),
    ("HCT", Signal::Hematocrit),
    ("PLT", Signal::Platelets),
    ("PTT", Signal::Ptt),
    ("APTT", Signal::Ptt),
    ("INR", Signal::Inr),
    ("FIB", Signal::Fibrinogen),
    ("CRP", Signal::Crp),
    ("PAO2", Signal::Pao2),
    ("PACO2", Signal::Paco2),
    ("APH", Signal::ArterialPh),
    ("SAO2", Signal::Sao2),
    // Monitors.
    ("HR", Signal::HeartRate),
    ("PR", Signal::PulseRate),
    ("PULSE", Signal::PulseRate),
    ("RR", Signal::RespRate),
    ("RESP", Signal::RespRate),
    ("SPO2", Signal::Spo2),
    ("TEMP", Signal::Temperature),
    ("NIBPS", Signal::NibpSystolic),
    ("NIBPD", Signal::NibpDiastolic),
    ("NIBPM", Signal::NibpMean),
    ("NBPS", Signal::NibpSystolic),
    ("NBPD", Signal::NibpDiastolic),
    ("NBPM", Signal::NibpMean),
    ("ABPS", Signal::AbpSystolic),
    ("ABPD", Signal::AbpDiastolic),
    ("ABPM", Signal::AbpMean),
    ("ARTS", Signal::AbpSystolic),
    ("ARTD", Signal::AbpDiastolic),
    ("ARTM", Signal::AbpMean),
    ("ETCO2", Signal::Etco2),
    ("CVP", Signal::Cvp),
    ("FIO2", Signal::Fio2),
    ("GCS", Signal::GcsTotal),
];
