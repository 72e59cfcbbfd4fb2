//! No bytes can make the decoder panic or lose count.

use proptest::prelude::*;

use super::{HEAD, read};

/// Messages that between them use every kind of segment read.
fn samples() -> Vec<Vec<u8>> {
    let wave = "OBX|1|NA|131330^MDC_ECG_ELEC_POTL_II^MDC|1.1.1.1|0.1^^-0.2|mV|||||R\r\
        OBX|2|NM|0^MDC_ATTR_SAMP_RATE^MDC|1.1.1.1.1|250|Hz|||||R\rNTE|1||text\r\
        OBX|3|MA|131330^^MDC|1.1.1.2|1^2~3^4|mV|||||R\r";
    let numbers = "OBX|1|NM|8867-4^^LN||80|10\\S\\3/uL^x^UCUM|||||C|||20260301020000.25+0100\r\
        OBX|2|SN|1988-5^^LN||>^100|mg/L||NAV|||X\r";
    let adt = "MSH|^~\\&|A||||20260303||ADT^A40\rEVN|A40|20260302\rPID|1||new||||19600301|F\r\
        PV1|1|I|ICU^2^3\rMRG|old\rPID|2||b\rMRG|c\r";
    vec![
        format!("{HEAD}{numbers}{wave}").into_bytes(),
        format!("\u{feff}FHS|^~\\&\n\nBHS|^~\\&\r\n{HEAD}{numbers}BTS|1\nFTS\r{adt}").into_bytes(),
        format!("\u{b}{adt}\u{1c}\r").into_bytes(),
    ]
}

#[test]
fn cut_at_every_byte() {
    for whole in samples() {
        for end in 0..=whole.len() {
            read(None, &whole[..end]);
            read(Some("key"), &whole[end..]);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read(None, &bytes);
    }

    #[test]
    fn any_marks(text in "(MSH|PID|OBX|OBR|EVN|MRG|PV1)?[|^~\\\\&0-9A-Z.\r\n\"]{0,200}") {
        let headed = format!("{HEAD}{text}");
        read(None, text.as_bytes());
        read(None, headed.as_bytes());
    }

    /// Bytes put in, taken out, replaced; halves swapped.
    #[test]
    fn mutated(which in 0_usize..3, edits in proptest::collection::vec((any::<u16>(), any::<u8>(), 0_u8..4), 1..12)) {
        let mut bytes = samples().swap_remove(which);
        for (at, byte, kind) in edits {
            let at = usize::from(at) % (bytes.len() + 1);
            match kind {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => { bytes.remove(at); }
                2 if at < bytes.len() => bytes[at] = byte,
                _ => bytes.rotate_left(at),
            }
        }
        read(None, &bytes);
    }

    /// How the lines end does not change what is said.
    #[test]
    fn line_ends_say_nothing(ends in proptest::collection::vec(prop_oneof!["\r", "\n", "\r\n", "\n\n", "\r \n"], 1..20)) {
        let whole = String::from_utf8(samples().swap_remove(0)).unwrap();
        let lines: Vec<&str> = whole.trim_end().split('\r').collect();
        let other: String = lines.iter().zip(ends.iter().cycle()).map(|(line, end)| format!("{line}{end}")).collect();
        let (a, b) = (read(None, whole.as_bytes()), read(None, other.as_bytes()));
        prop_assert_eq!(super::said(&a), super::said(&b));
        prop_assert_eq!(a.units, b.units);
    }
}
