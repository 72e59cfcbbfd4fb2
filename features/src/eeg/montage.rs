//! Which channels are EEG, and which mirror each other.
//!
//! Labels come as `FP1`, `EEG Fp1-REF`, `EEG FP1-LE`, `T3` (10-20) or `T7` (10-10), or bipolar as
//! `FP1-F7`. The number decides the side: odd is left, even is right, `Z` is the midline (ACNS
//! guideline 2, 2016).

/// Labels that share an EEG recording without being EEG.
const OTHERS: [&str; 17] = [
    "EKG", "ECG", "EOG", "EMG", "LOC", "ROC", "RESP", "SPO2", "SAO2", "PULSE", "PLETH", "PHOTIC", "DC",
    "STATUS", "STI", "ANNOT", "TRIG",
];
const REFERENCES: [&str; 9] = ["REF", "LE", "AVG", "AV", "CAR", "A1", "A2", "M1", "M2"];

/// The normalised label of an EEG channel; `None` for anything else.
pub(super) fn normalise(label: &str) -> Option<String> {
    let upper = label.trim().to_ascii_uppercase();
    let bare = upper.strip_prefix("EEG").unwrap_or(&upper).trim_start_matches([' ', '_', '-']);
    if bare.is_empty() || OTHERS.iter().any(|other| bare.starts_with(other)) {
        return None;
    }
    let mut parts = bare.split('-').map(|part| electrode(part.trim()));
    let first = parts.next().unwrap_or_default();
    match parts.next() {
        Some(second) if !REFERENCES.contains(&second.as_str()) => Some(format!("{first}-{second}")),
        _ => Some(first),
    }
}

/// The 10-10 name of an electrode.
fn electrode(name: &str) -> String {
    match name {
        "T3" => "T7",
        "T4" => "T8",
        "T5" => "P7",
        "T6" => "P8",
        other => other,
    }
    .to_owned()
}

/// The electrode or derivation on the other side; `None` on the midline.
fn mirror(label: &str) -> Option<String> {
    let parts: Option<Vec<String>> = label
        .split('-')
        .map(|part| {
            let letters = part.trim_end_matches(|c: char| c.is_ascii_digit());
            if letters.ends_with('Z') && letters.len() == part.len() {
                return Some(part.to_owned());
            }
            let number: u16 = part[letters.len()..].parse().ok()?;
            Some(format!("{letters}{}", if number % 2 == 1 { number + 1 } else { number.checked_sub(1)? }))
        })
        .collect();
    parts.map(|p| p.join("-")).filter(|mirrored| mirrored != label)
}

/// Left and right positions of every homologous pair in a list of normalised labels.
pub(super) fn pairs(labels: &[String]) -> Vec<(u16, u16)> {
    let mut found = Vec::new();
    for (left, label) in labels.iter().enumerate() {
        let number = label.trim_start_matches(|c: char| !c.is_ascii_digit());
        let number = number.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        let is_left = number.parse::<u16>().is_ok_and(|n| n % 2 == 1);
        let right = is_left.then(|| mirror(label)).flatten();
        if let Some(right) = right.and_then(|mirrored| labels.iter().position(|l| *l == mirrored)) {
            found.push((left as u16, right as u16));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        let cases = [
            ("FP1", Some("FP1")),
            ("EEG Fp1-REF", Some("FP1")),
            ("EEG FP1-LE", Some("FP1")),
            ("eeg t3-ref", Some("T7")),
            ("T5", Some("P7")),
            ("EEGC3", Some("C3")),
            ("FP1-F7", Some("FP1-F7")),
            ("T3-T5", Some("T7-P7")),
            ("C4-A1", Some("C4")),
            (" cz ", Some("CZ")),
            ("EKG", None),
            ("ECG II", None),
            ("EOG LOC", None),
            ("STATUS", None),
            ("EEG", None),
            ("", None),
        ];
        for (label, want) in cases {
            assert_eq!(normalise(label).as_deref(), want, "{label}");
        }
    }

    #[test]
    fn homologous_pairs() {
        let cases = [
            ("FP1 F3 CZ FP2 F4", vec![(0, 3), (1, 4)]),
            ("P8 P7", vec![(1, 0)]),
            ("FP1-F7 FP2-F8 FZ-CZ", vec![(0, 1)]),
            ("F3-CZ F4-CZ", vec![(0, 1)]),
            ("FP1 F4", vec![]),
            ("FZ CZ PZ", vec![]),
            ("O1 O2 F9 F10", vec![(0, 1), (2, 3)]),
        ];
        for (labels, want) in cases {
            let labels: Vec<String> = labels.split(' ').map(str::to_owned).collect();
            assert_eq!(pairs(&labels), want, "{labels:?}");
        }
    }
}
