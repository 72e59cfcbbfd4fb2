//! What a channel's label says: the kind of waveform and its normal label.
//!
//! EDF+ labels are `Type Specification` (EDF+ standard texts: `EEG Fp1-REF`), WFDB descriptions are
//! free (`MLII`, `ABP`). Electrodes are those of the 10-20 and 10-10 systems. What is none of the
//! five kinds is skipped by the readers and counted.

use bedwatch_schemas::{unit::Unit, waveform::WaveformKind};

/// A channel the engine takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Meaning {
    /// What it is.
    pub kind: WaveformKind,
    /// The label, upper case, without type and common reference.
    pub label: String,
}

/// Rates below this are trends, not waveforms, whatever their label says.
pub const LEAST_RATE_HZ: f64 = 20.0;

const REFERENCES: [&str; 5] = ["REF", "LE", "AVG", "AV", "AR"];

/// What a label means; `None` for anything that is none of the five kinds.
pub fn meaning(label: &str) -> Option<Meaning> {
    let text: String = label.trim().to_uppercase();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (word, kind) in [("EEG", WaveformKind::Eeg), ("ECG", WaveformKind::Ecg), ("EKG", WaveformKind::Ecg)] {
        let Some(rest) = text.strip_prefix(word) else { continue };
        if rest.is_empty() || rest.starts_with([' ', '-', '_']) || rest.bytes().all(|b| b.is_ascii_digit()) {
            return Some(typed(word, rest, kind));
        }
    }
    let kind = if is_electrodes(&text) {
        WaveformKind::Eeg
    } else if is_lead(&text) {
        WaveformKind::Ecg
    } else {
        match text.as_str() {
            "ABP" | "ART" | "AOBP" | "IBP" | "UAP" => WaveformKind::Abp,
            "PLETH" | "PPG" | "PLETHYSMOGRAM" => WaveformKind::Pleth,
            "RESP" | "RESP. IMP." | "RESPIRATION" | "IMPEDANCE" => WaveformKind::Resp,
            _ => return None,
        }
    };
    let label = if kind == WaveformKind::Eeg { without_reference(&text) } else { text };
    Some(Meaning { kind, label })
}

/// A label with its type: `EEG FP1-REF` is `FP1`, `ECG LEAD II` is `II`, `EKG` and `ECG1` stay.
fn typed(word: &str, rest: &str, kind: WaveformKind) -> Meaning {
    let name = rest.trim_start_matches([' ', '-', '_']);
    let name = name.strip_prefix("LEAD ").unwrap_or(name);
    let label = match kind {
        _ if name.bytes().all(|b| b.is_ascii_digit()) => format!("{word}{name}"),
        WaveformKind::Eeg => without_reference(name),
        _ => name.to_owned(),
    };
    Meaning { kind, label }
}

fn without_reference(text: &str) -> String {
    match text.rsplit_once('-') {
        Some((name, reference)) if REFERENCES.contains(&reference) && !name.is_empty() => name.to_owned(),
        _ => text.to_owned(),
    }
}

/// One electrode, or two with a hyphen; a trailing number tells repeated labels apart (`T8-P8-0`).
fn is_electrodes(text: &str) -> bool {
    let mut parts: Vec<&str> = text.split('-').collect();
    if parts.len() == 3 && parts[2].len() == 1 && parts[2].bytes().all(|b| b.is_ascii_digit()) {
        parts.pop();
    }
    match parts[..] {
        [one] => is_electrode(one),
        [one, two] => is_electrode(one) && (is_electrode(two) || REFERENCES.contains(&two)),
        _ => false,
    }
}

/// An electrode of the 10-20 or 10-10 system: region letters, then `Z` or a number up to 10.
fn is_electrode(text: &str) -> bool {
    const REGIONS: [&str; 16] =
        ["FP", "AF", "F", "FT", "FC", "T", "TP", "C", "CP", "P", "PO", "O", "A", "M", "N", "I"];
    let letters = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = &text[letters.len()..];
    if number.is_empty() {
        return letters.strip_suffix('Z').is_some_and(|r| REGIONS[..11].contains(&r) || r == "O" || r == "I");
    }
    REGIONS.contains(&letters) && number.parse::<u8>().is_ok_and(|n| (1..=10).contains(&n))
}

/// A lead of the 12-lead ECG, a Frank or modified chest lead.
fn is_lead(text: &str) -> bool {
    let text = text.strip_prefix("ML").filter(|t| t.starts_with(['I', 'V'])).unwrap_or(text);
    let text = text.strip_prefix("LEAD ").unwrap_or(text);
    if matches!(text, "I" | "II" | "III" | "V" | "AVR" | "AVL" | "AVF" | "VX" | "VY" | "VZ" | "MCL" | "MV") {
        return true;
    }
    let chest = text.strip_prefix("MCL").or_else(|| text.strip_prefix('V'));
    chest.is_some_and(|n| n.parse::<u8>().is_ok_and(|n| (1..=9).contains(&n)) && n.len() == 1)
}

/// The factor from the file's unit to the kind's; `None` where the unit does not fit or is unknown.
/// Pleth and respiration have no unit and take any.
pub fn factor(kind: WaveformKind, unit: &str) -> Option<f64> {
    let unit = unit.trim();
    if matches!(kind, WaveformKind::Pleth | WaveformKind::Resp) {
        return Some(1.0);
    }
    let volts = match (unit, Unit::parse(unit)) {
        (_, Some(Unit::MicroVolt)) => 1e-6,
        (_, Some(Unit::MilliVolt)) => 1e-3,
        ("V" | "Volt" | "volt", _) => 1.0,
        ("nV", _) => 1e-9,
        (_, Some(from)) => return from.affine_to(kind.unit()).map(|(factor, _)| factor),
        _ => return None,
    };
    match kind.unit() {
        Unit::MicroVolt => Some(volts / 1e-6),
        Unit::MilliVolt => Some(volts / 1e-3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use WaveformKind::{Abp, Ecg, Eeg, Pleth, Resp};

    #[test]
    fn labels() {
        let cases: [(&str, Option<(WaveformKind, &str)>); 41] = [
            ("Fp1", Some((Eeg, "FP1"))),
            ("EEG Fp1-REF", Some((Eeg, "FP1"))),
            ("EEG FP2-LE", Some((Eeg, "FP2"))),
            ("EEG Fpz-Cz", Some((Eeg, "FPZ-CZ"))),
            ("EEG  Cz", Some((Eeg, "CZ"))),
            ("EEG", Some((Eeg, "EEG"))),
            ("EEG 12", Some((Eeg, "EEG12"))),
            ("FP1-F7", Some((Eeg, "FP1-F7"))),
            ("T8-P8-0", Some((Eeg, "T8-P8-0"))),
            ("FT9-FT10", Some((Eeg, "FT9-FT10"))),
            ("Oz", Some((Eeg, "OZ"))),
            ("A1", Some((Eeg, "A1"))),
            ("Fz", Some((Eeg, "FZ"))),
            ("T11", None),
            ("F0", None),
            ("EKG", Some((Ecg, "EKG"))),
            ("ECG1", Some((Ecg, "ECG1"))),
            ("ECG_1", Some((Ecg, "ECG1"))),
            ("EKG EKG", Some((Ecg, "EKG"))),
            ("ECG lead II", Some((Ecg, "II"))),
            ("ECG", Some((Ecg, "ECG"))),
            ("MLII", Some((Ecg, "MLII"))),
            ("V5", Some((Ecg, "V5"))),
            ("V", Some((Ecg, "V"))),
            ("aVR", Some((Ecg, "AVR"))),
            ("MCL1", Some((Ecg, "MCL1"))),
            ("III", Some((Ecg, "III"))),
            ("V10", None),
            ("ABP", Some((Abp, "ABP"))),
            ("ART", Some((Abp, "ART"))),
            ("PLETH", Some((Pleth, "PLETH"))),
            ("RESP", Some((Resp, "RESP"))),
            ("Resp. Imp.", Some((Resp, "RESP. IMP."))),
            ("EOG horizontal", None),
            ("EMG submental", None),
            ("EDF Annotations", None),
            ("EEGX", None),
            ("-", None),
            ("", None),
            ("PAP", None),
            ("É1", None),
        ];
        for (label, want) in cases {
            let got = meaning(label);
            let got = got.as_ref().map(|m| (m.kind, m.label.as_str()));
            assert_eq!(got, want, "{label}");
        }
    }

    #[test]
    fn units() {
        let cases = [
            (Eeg, "uV", Some(1.0)),
            (Eeg, "µV", Some(1.0)),
            (Eeg, "mV", Some(1e3)),
            (Eeg, "V", Some(1e6)),
            (Ecg, "uV", Some(1e-3)),
            (Ecg, "mV", Some(1.0)),
            (Ecg, "", None),
            (Ecg, "mmHg", None),
            (Abp, "mmHg", Some(1.0)),
            (Abp, "mV", None),
            (Abp, "kPa", Some(1_000.0 / 133.322_4)),
            (Pleth, "NU", Some(1.0)),
        ];
        for (kind, unit, want) in cases {
            let got = factor(kind, unit);
            assert_eq!(got.is_some(), want.is_some(), "{kind:?} {unit}");
            if let (Some(g), Some(w)) = (got, want) {
                assert!((g / w - 1.0_f64).abs() < 1e-12, "{kind:?} {unit}: {g}");
            }
        }
    }
}
