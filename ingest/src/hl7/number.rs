//! HL7 NM: an optional sign, digits, an optional point with digits (v2.5.1, 2.A.47). No exponent, no
//! thousands separator, no comma: what looks like a number to a person but is none to the standard is
//! refused, since a wrong guess would be a wrong measurement.

/// Powers of ten that a double holds exactly.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Reads a number; `None` for anything else. The result is the double nearest to the decimal.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<f64> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, bytes),
    };
    let (mut mantissa, mut seen, mut decimals, mut after_point) = (0_u64, 0_usize, 0_usize, false);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                seen += 1;
                decimals += usize::from(after_point);
                mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            }
            b'.' if !after_point => after_point = true,
            _ => return None,
        }
    }
    if seen == 0 {
        return None;
    }
    // Two exact doubles: one rounding, so the quotient is the nearest double (Clinger's fast path).
    // 15 digits always fit 53 bits.
    let value = if seen <= 15 && decimals < TENS.len() {
        mantissa as f64 / TENS[decimals]
    } else {
        std::str::from_utf8(digits).ok()?.parse().ok()?
    };
    let value: f64 = if negative { -value } else { value };
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::parse;

    #[test]
    fn numbers_and_others() {
        let cases: &[(&str, Option<f64>)] = &[
            ("80", Some(80.0)),
            ("80.000000", Some(80.0)),
            ("+7.4", Some(7.4)),
            ("-0.53714565", Some(-0.537_145_65)),
            ("0.1", Some(0.1)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("007", Some(7.0)),
            ("123456789012345678901234567890", Some(1.234_567_890_123_456_8e29)),
            ("0.000000000000000000000000000001", Some(1e-30)),
            ("", None),
            (".", None),
            ("-", None),
            ("+-1", None),
            ("1e5", None),
            ("1,5", None),
            ("1.2.3", None),
            ("120/80", None),
            (">5", None),
            ("5 ", None),
            ("4+", None),
            ("inf", None),
            ("nan", None),
            ("0x10", None),
            ("\u{663}", None),
        ];
        for (text, want) in cases {
            assert_eq!(parse(text.as_bytes()), *want, "{text}");
        }
        assert_eq!(parse(&b"9".repeat(400)), None, "over the largest double");
        assert!(parse(b"-0").is_some_and(|x| x == 0.0 && x.is_sign_negative()));
    }

    proptest! {
        /// The fast path gives the very bits that the standard library gives.
        #[test]
        fn as_the_standard_library(text in "[+-]?[0-9]{0,20}(\\.[0-9]{0,24})?") {
            let want = text.parse::<f64>().ok();
            prop_assert_eq!(parse(text.as_bytes()).map(f64::to_bits), want.map(f64::to_bits));
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(value) = parse(&bytes) {
                prop_assert!(value.is_finite());
            }
        }
    }
}
