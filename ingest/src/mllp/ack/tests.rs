//! Modes and codes by a table; the answers read back by our own parser and by the oracle.

use bedwatch_schemas::dead_letter::{Place, Reason, Rejection};
use proptest::prelude::*;

use super::*;
use crate::mllp::codec::{END, START};

fn stamp() -> Stamp<'static> {
    Stamp { id: "BW1", time: EventTime::from_millis(1_767_225_600_000) }
}

fn told(message: &str, verdict: &Verdict) -> Vec<String> {
    let envelope = Envelope::read(message.as_bytes());
    compose(envelope.as_ref(), verdict, &stamp()).into_iter().map(|a| String::from_utf8(a).unwrap()).collect()
}

fn fault() -> Fault {
    let payload = b"MSH|\rPID|\rOBX|1\rOBX|2";
    Fault::of(&Rejection::new(Reason::UnknownUnit, Place::at(17, "OBX[4]-6")), payload)
}

#[test]
fn the_modes_and_their_codes() {
    let (ok, bad) = (Verdict::Accepted(Vec::new()), Verdict::Refused(vec![fault()]));
    let (away, kind) =
        (Verdict::Unavailable, Verdict::Unsupported(Fault::whole(Code::UnsupportedProcessingId, "x")));
    let cases: &[(&str, &str, [&[&str]; 4])] = &[
        // MSH-15, MSH-16; answers to: accepted, refused, unavailable, unsupported
        ("", "", [&["AA"], &["AE"], &["AR"], &["AR"]]),
        ("AL", "NE", [&["CA"], &["CE"], &["CE"], &["CR"]]),
        ("AL", "", [&["CA"], &["CE"], &["CE"], &["CR"]]),
        ("AL", "AL", [&["CA", "AA"], &["CE", "AE"], &["CE", "AE"], &["CR", "AR"]]),
        ("ER", "NE", [&[], &["CE"], &["CE"], &["CR"]]),
        ("SU", "NE", [&["CA"], &[], &[], &[]]),
        ("NE", "AL", [&["AA"], &["AE"], &["AE"], &["AR"]]),
        ("NE", "ER", [&[], &["AE"], &["AE"], &["AR"]]),
        ("NE", "SU", [&["AA"], &[], &[], &[]]),
        ("NE", "NE", [&[], &[], &[], &[]]),
        ("\"\"", "\"\"", [&["AA"], &["AE"], &["AR"], &["AR"]]),
    ];
    for (commit, application, want) in cases {
        let message = format!("MSH|^~\\&|MON|ICU|BW|H|||ORU^R01|c1|P|2.5.1|||{commit}|{application}");
        for (verdict, want) in [&ok, &bad, &away, &kind].into_iter().zip(want) {
            let got = told(&message, verdict);
            let codes: Vec<&str> =
                got.iter().map(|a| a.split("\rMSA|").nth(1).unwrap().split('|').next().unwrap()).collect();
            assert_eq!(&codes, want, "{commit} {application} {verdict:?}");
            assert!(got.iter().all(|a| a.contains("|c1")));
        }
    }
}

#[test]
fn an_answer_as_it_stands() {
    let message = "MSH|^~\\&|MON|ICU^1|BW|H|20260101||ORU^R01^ORU_R01|c-7|P|2.6|||||DE|8859/1";
    assert_eq!(
        told(message, &Verdict::Accepted(Vec::new())),
        ["MSH|^~\\&|BW|H|MON|ICU^1|20260101000000+0000||ACK^R01^ACK|BW1A|P|2.6||||||8859/1\rMSA|AA|c-7\r"]
    );
    assert_eq!(
        told(message, &Verdict::Refused(vec![fault()]))[0].split_once('\r').unwrap().1,
        "MSA|AE|c-7|unknown unit in OBX 2 field 6\r\
         ERR||OBX^2^6|103^Table value not found^HL70357|E|unknown_unit^^L||byte 17|unknown unit in OBX 2 field 6\r"
    );
    // Another sender's delimiters, an older release, the reason as a warning.
    let other = "MSH#*~\\&#MON#ICU#BW#H###ORU*R01#c#P#2.3";
    assert_eq!(
        told(other, &Verdict::Accepted(vec![fault()])),
        ["MSH#*~\\&#BW#H#MON#ICU#20260101000000+0000##ACK*R01#BW1A#P#2.3\r\
          MSA#AA#c#unknown unit in OBX 2 field 6\rERR#OBX*2*6*103&Table value not found&HL70357\r"]
    );
    // Nothing could be read.
    assert_eq!(
        told("GET / HTTP/1.1", &Verdict::Unavailable),
        ["MSH|^~\\&|||||20260101000000+0000||ACK|BW1A|P|2.5.1\rMSA|AR||unavailable\r\
          ERR|||207^Application internal error^HL70357|E|unavailable^^L|||unavailable\r"]
    );
    // A sender with no component separator but a field separator.
    let bare = told("MSH|^|A|B|C|D|||ORU^R01|1|P|2.5", &Verdict::Refused(vec![fault()]));
    assert!(bare[0].contains("\rERR||OBX^2^6|103^Table"), "{bare:?}");
}

#[test]
fn many_faults_are_told_up_to_a_number_and_counted() {
    let got = told("MSH|^~\\&|A|B|C|D|||ORU^R01|1|P|2.5", &Verdict::Refused(vec![fault(); 250]));
    assert_eq!(got[0].matches("\rERR|").count(), MAX_FAULTS);
    assert!(got[0].ends_with("unknown unit in OBX 2 field 6, and 240 more\r"), "{got:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    /// Law: whatever the message is, its answers can be framed, are read back as one MSH and one MSA
    /// that echoes the control id, and hold no line of the message's making.
    #[test]
    fn no_message_can_spoil_its_answer(
        fields in prop::collection::vec("[ -~\u{b}\u{1c}\u{e4}]{0,12}", 3..20),
        marks in prop_oneof!["\\|\\^~\\\\&", "#\\*~", "\\|\\^", "\\|~\\^", "[!-/:-@]{2,6}"],
    ) {
        let (field, rest) = marks.split_at(1);
        let message = format!("MSH{field}{rest}{field}{}", fields.join(field));
        let envelope = Envelope::read(message.as_bytes());
        for verdict in [Verdict::Accepted(vec![fault()]), Verdict::Refused(vec![fault()]), Verdict::Unavailable] {
            for answer in compose(envelope.as_ref(), &verdict, &stamp()) {
                prop_assert!(!answer.contains(&START) && !answer.contains(&END));
                let lines: Vec<&[u8]> = answer.split(|b| *b == b'\r').collect();
                let ids: Vec<&[u8]> = lines.iter().filter(|l| !l.is_empty()).map(|l| &l[..3]).collect();
                prop_assert_eq!(ids, [&b"MSH"[..], b"MSA", b"ERR"]);
                let back = Envelope::read(&answer).unwrap();
                prop_assert!(back.is_acknowledgement());
                if let Some(sent) = &envelope {
                    let msa: Vec<&[u8]> = lines[1].split(|b| *b == sent.marks.field).collect();
                    let echo = msa.get(2).copied().unwrap_or_default();
                    prop_assert_eq!(echo, &*echoed(sent.control_id()));
                    let (to, from) = (echoed(sent.field(3)), echoed(back.field(5)));
                    prop_assert_eq!(to.trim_ascii(), from.trim_ascii());
                }
            }
        }
    }
}
