//! One table per rule; every boundary has a row.

use bedwatch_schemas::{
    dead_letter::Reason,
    event::{AdtKind, Body, Sex, UnitKind},
};

use super::{HEAD, decode, oru, read, record, said};
use crate::{
    FUTURE_TOLERANCE,
    hl7::{Config, MAX_BYTES, MAX_REJECTIONS, sent_at},
};

fn check(rows: &[(&str, &str)]) {
    for (obx, want) in rows {
        assert_eq!(said(&read(None, &oru(obx))), *want, "{obx}");
    }
}

#[test]
fn codes() {
    check(&[
        ("NM|8867-4^Heart rate^LN||80|/min|||||F", "heart_rate=80 Final"),
        ("NM|8867-4^Heart rate^LOINC||80|/min|||||F", "heart_rate=80 Final"),
        ("NM|8867-4||80|/min|||||F", "heart_rate=80 Final"),
        ("NM|hr^HR^L^8867-4^Heart rate^LN||80|/min|||||F", "heart_rate=80 Final"),
        (
            "NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.1|80|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||F",
            "heart_rate=80 Final",
        ),
        ("NM|147842^^MDC|1.1.1.1|80|264864^^MDC|||||F", "heart_rate=80 Final"),
        ("NM|1^MDC_ECG_HEART_RATE^MDC||80|1^MDC_DIM_BEAT_PER_MIN^MDC|||||F", "heart_rate=80 Final"),
        ("NM|MDC_ECG_HEART_RATE||80|MDC_DIM_BEAT_PER_MIN|||||F", "heart_rate=80 Final"),
        (
            "NM|8889-8^x^LN^149530^ MDC_PULS_OXIM_PULS_RATE^MDC||55|{beats}/min^x^UCUM|||||F",
            "pulse_rate=55 Final",
        ),
        ("NM|K^Potassium^L||4.1|mmol/L|||||F", "potassium=4.1 Final"),
        ("NM|k^Potassium^L||4.1|mmol/L|||||F", "potassium=4.1 Final"),
        ("NM|x^y^L^CREAT^Creatinine^L||1.1|mg/dL|||||F", "creatinine=1.1 Final"),
        // Well formed, not ours.
        ("NM|9999-9^x^LN||80|/min|||||F", "nothing"),
        ("NM|ZZZ^x^L||80|furlong|||||F", "nothing"),
        ("NM|MDC_CONC_SOMETHING^x^MDC||80||||||F", "nothing"),
        // A mnemonic beside a standard code that is not ours must not be read: this is urine.
        ("NM|GLU^GLUCOSE,UR^L^5792-7^GLUCOSE^LN||300|mg/dL|||||F", "nothing"),
        ("NM|271649006^HR^SCT||80|/min|||||F", "nothing"),
        ("NM|PH^PH^L||6.5||||||F", "nothing"),
        // No code at all.
        ("NM|||80|/min|||||F", "missing at OBX[5]-3"),
        ("NM|^^LN||80|/min|||||F", "missing at OBX[5]-3"),
    ]);
}

#[test]
fn configured_local_codes_take_the_place_of_the_usual_ones() {
    let site: Config = serde_json::from_str(r#"{"local_codes": {"PULSFREQ": "heart_rate"}}"#).unwrap();
    let payload = oru("NM|pulsfreq^x^L||80|/min|||||F\rOBX|2|NM|K^x^L||4|mmol/L|||||F");
    assert_eq!(said(&decode(&record(None, &payload), &site, FUTURE_TOLERANCE)), "heart_rate=80 Final");
    assert!(serde_json::from_str::<Config>(r#"{"local": {}}"#).is_err());
}

#[test]
fn values() {
    check(&[
        ("NM|8867-4^^LN||80.000|/min|||||F", "heart_rate=80 Final"),
        ("NM|8867-4^^LN|| +80 |/min|||||F", "heart_rate=80 Final"),
        ("ST|8867-4^^LN||80|/min|||||F", "heart_rate=80 Final"),
        ("|8867-4^^LN||80|/min|||||F", "heart_rate=80 Final"),
        ("NM|8867-4^^LN||0|/min|||||F", "heart_rate=0 Final"),
        ("NM|8867-4^^LN||400|/min|||||F", "heart_rate=400 Final implausible"),
        ("SN|1988-5^^LN||^12|mg/L|||||F", "crp=12 Final"),
        ("SN|1988-5^^LN||=^12|mg/L|||||F", "crp=12 Final"),
        ("SN|1988-5^^LN||>^100|mg/L|||||F", "bad_value at OBX[5]-5"),
        ("SN|1988-5^^LN||<^1|mg/L|||||F", "bad_value at OBX[5]-5"),
        ("SN|1988-5^^LN||^1^-^3|mg/L|||||F", "bad_value at OBX[5]-5"),
        ("SN|1988-5^^LN||12|mg/L|||||F", "bad_value at OBX[5]-5"),
        ("ST|1988-5^^LN||<1|mg/L|||||F", "bad_value at OBX[5]-5"),
        ("ST|1988-5^^LN||cancelled|mg/L|||||F", "bad_value at OBX[5]-5"),
        ("ST|8480-6^^LN||120/80|mm[Hg]|||||F", "bad_value at OBX[5]-5"),
        ("NM|8867-4^^LN||60~120|/min|||||F", "bad_value at OBX[5]-5"),
        ("NM|8867-4^^LN||80^90|/min|||||F", "bad_value at OBX[5]-5"),
        ("NM|8867-4^^LN||1,5|/min|||||F", "bad_value at OBX[5]-5"),
        ("CE|8867-4^^LN||80|/min|||||F", "bad_value at OBX[5]-5"),
        ("NA|8867-4^^LN||80^81|/min|||||F", "bad_value at OBX[5]-5"),
        // Missing is not zero.
        ("NM|8867-4^^LN|||/min|||||F", "heart_rate: Empty"),
        ("NM|8867-4^^LN||\"\"|/min|||||F", "heart_rate: Empty"),
        ("NM|8867-4^^LN||  |/min|||||F", "heart_rate: Empty"),
        ("NM|8867-4^^LN||-999|/min|||||F", "heart_rate: Sentinel"),
        ("NM|59408-5^^LN||-100|%|||||F", "spo2: Sentinel"),
        ("NM|8310-5^^LN||-99.9|Cel|||||F", "temperature: Sentinel"),
        ("NM|8867-4^^LN||-1||||||F", "heart_rate: Sentinel"),
        ("NM|8867-4^^LN||8388607|/min|||||F", "heart_rate: Sentinel"),
        ("NM|1925-7^^LN||-1|mmol/L|||||F", "base_excess=-1 Final"),
    ]);
}

#[test]
fn units() {
    check(&[
        ("NM|2345-7^^LN||5.55|mmol/L|||||F", "glucose=99.9866 Final"),
        ("NM|8310-5^^LN||98.6|[degF]|||||F", "temperature=37 Final"),
        ("NM|8310-5^^LN||37.2|268192^MDC_DIM_DEGC^MDC|||||F", "temperature=37.2 Final"),
        ("NM|8310-5^^LN||37.2|x^y^L^268192^MDC_DIM_DEGC^MDC|||||F", "temperature=37.2 Final"),
        ("NM|6690-2^^LN||7|10*3/uL|||||F", "wbc=7 Final"),
        ("NM|6690-2^^LN||7|10\\S\\3/uL|||||F", "wbc=7 Final"),
        ("NM|6690-2^^LN||7|10^3/uL|||||F", "wbc=7 Final"),
        ("NM|6690-2^^LN||7|THOU/uL|||||F", "wbc=7 Final"),
        ("NM|6690-2^^LN||7000|{cells}/uL^cells^UCUM|||||F", "wbc=7 Final"),
        ("NM|2703-7^^LN||90|mm(hg)|||||F", "pao2=90 Final"),
        // Without a dimension none need be named.
        ("NM|2744-1^^LN||7.31||||||F", "arterial_ph=7.31 Final"),
        ("NM|9269-2^^LN||14||||||F", "gcs_total=14 Final"),
        ("NM|6301-6^^LN||1.2||||||F", "inr=1.2 Final"),
        // Never assumed.
        ("NM|8867-4^^LN||80||||||F", "unknown_unit at OBX[5]-6"),
        ("NM|8867-4^^LN||80|\"\"|||||F", "unknown_unit at OBX[5]-6"),
        ("NM|8867-4^^LN||80|furlong|||||F", "unknown_unit at OBX[5]-6"),
        ("NM|8867-4^^LN||80|mm[Hg]|||||F", "unknown_unit at OBX[5]-6"),
        ("NM|9269-2^^LN||14|furlong|||||F", "unknown_unit at OBX[5]-6"),
        ("NM|8867-4^^LN||80|999999^MDC_DIM_NONE^MDC|||||F", "unknown_unit at OBX[5]-6"),
        // Number and name of a unit that name two.
        ("NM|8867-4^^LN||80|266016^MDC_DIM_BEAT_PER_MIN^MDC|||||F", "unknown_unit at OBX[5]-6"),
    ]);
}

#[test]
fn result_status_and_flags() {
    check(&[
        ("NM|8867-4^^LN||80|/min|||||C", "heart_rate=80 Corrected"),
        ("NM|8867-4^^LN||80|/min|||||A", "heart_rate=80 Corrected"),
        ("NM|8867-4^^LN||80|/min|||||D", "heart_rate=80 Withdrawn"),
        ("NM|8867-4^^LN||80|/min|||||W", "heart_rate=80 Withdrawn"),
        ("NM|8867-4^^LN|||/min|||||W", "heart_rate=0 Withdrawn implausible"),
        ("NM|8867-4^^LN||80|/min|||||P", "heart_rate=80 Preliminary"),
        ("NM|8867-4^^LN||80|/min|||||R", "heart_rate=80 Preliminary"),
        ("NM|8867-4^^LN||80|/min|||||S", "heart_rate=80 Preliminary"),
        ("NM|8867-4^^LN||80|/min|||||", "heart_rate=80 Final"),
        ("NM|8867-4^^LN||80|/min", "heart_rate=80 Final"),
        ("NM|8867-4^^LN||80|/min|||||U", "heart_rate=80 Final"),
        ("NM|8867-4^^LN|||/min|||||U", "nothing"),
        ("NM|8867-4^^LN||80|/min|||||I", "nothing"),
        ("NM|8867-4^^LN||80|/min|||||N", "nothing"),
        ("NM|8867-4^^LN||80|/min|||||O", "nothing"),
        ("NM|8867-4^^LN|||/min|||||X", "heart_rate: NotObtained"),
        ("NM|8867-4^^LN||80|/min|||||X", "heart_rate: NotObtained"),
        ("NM|8867-4^^LN||80|/min|||||Q", "bad_value at OBX[5]-11"),
        ("NM|8867-4^^LN||80|/min|||||f", "bad_value at OBX[5]-11"),
        ("NM|8867-4^^LN||80|/min||H|||F", "heart_rate=80 Final"),
        ("NM|8867-4^^LN||80|/min||NAV|||F", "heart_rate: NotObtained"),
        ("NM|8867-4^^LN||80|/min||H~INV|||F", "heart_rate: NotObtained"),
        ("NM|8867-4^^LN||80|/min||TEST|||F", "heart_rate: NotObtained"),
    ]);
}

#[test]
fn the_time_is_that_of_the_observation_else_the_order_else_the_message() {
    let msh = |sent: &str| format!("MSH|^~\\&|LAB||||{sent}||ORU^R01\rPID|1||p\r");
    let obx = |at: &str| format!("OBX|1|NM|8867-4^^LN||80|/min|||||F|||{at}\r");
    let obr = |at: &str| format!("OBR|1||||||{at}\r");
    let rows = [
        (msh("20260303") + &obr("20260302") + &obx("20260301"), Ok("2026-03-01T00:00:00Z")),
        (msh("20260303") + &obr("20260302") + &obx(""), Ok("2026-03-02T00:00:00Z")),
        (msh("20260303") + &obr("20260302") + &obx("\"\""), Ok("2026-03-02T00:00:00Z")),
        (msh("20260303") + &obr("") + &obx(""), Ok("2026-03-03T00:00:00Z")),
        (msh("20260303") + &obx(""), Ok("2026-03-03T00:00:00Z")),
        (msh("junk") + &obr("junk") + &obx("20260301120000+0200^S"), Ok("2026-03-01T10:00:00Z")),
        (msh("") + &obr("") + &obx(""), Err("missing at OBX[4]-14")),
        (msh("20260303") + &obr("20260302") + &obx("20260230"), Err("bad_time at OBX[4]-14")),
        (msh("20260303") + &obr("2026030224") + &obx(""), Err("bad_time at OBR[3]-7")),
        (msh("junk") + &obr("") + &obx(""), Err("bad_time at MSH[1]-7")),
        // The arrival is 2026-06-01T00:00:00Z; five minutes are allowed.
        (msh("") + &obx("20260601000500"), Ok("2026-06-01T00:05:00Z")),
        (msh("") + &obx("20260601000500.000001"), Err("future_time at OBX[3]-14")),
    ];
    for (text, want) in rows {
        let decoded = read(None, text.as_bytes());
        match want {
            Ok(time) => {
                assert_eq!(decoded.rejections, [], "{text}");
                assert_eq!(decoded.events[0].event_time.to_string(), time, "{text}");
            }
            Err(rejection) => assert_eq!(said(&decoded), rejection, "{text}"),
        }
    }
    let config = Config { default_offset_minutes: 60, ..Config::default() };
    let text = msh("") + &obx("20260301120000");
    let decoded = decode(&record(None, text.as_bytes()), &config, FUTURE_TOLERANCE);
    assert_eq!(decoded.events[0].event_time.to_string(), "2026-03-01T11:00:00Z");
    assert_eq!(sent_at(msh("20260303").as_bytes(), &config).unwrap().to_string(), "2026-03-02T23:00:00Z");
    assert_eq!(sent_at(b"PID|1", &config), None);
}

#[test]
fn whose_and_where() {
    let decoded = read(None, &oru("NM|8867-4^^LN||80|/min|||||F"));
    let event = &decoded.events[0];
    assert_eq!(event.patient.as_str(), "p1");
    assert_eq!(event.encounter.as_ref().unwrap().as_str(), "v1");
    let location = event.location.as_ref().unwrap();
    assert_eq!((location.unit.as_str(), location.bed.as_str()), ("ICU", "2-23"));
    assert_eq!(event.source.as_str(), "LAB");
    assert_eq!((event.provenance.partition, event.provenance.offset, event.provenance.part), (3, 42, 0));
    let keyed = read(Some("key"), &oru("NM|8867-4^^LN||80|/min|||||F"));
    assert_eq!(keyed.events[0].patient.as_str(), "key");

    let obx = "OBX|1|NM|8867-4^^LN||80|/min|||||F|||20260301\r";
    let rows = [
        ("PID|1||~^^^X~p2^^^H", Ok("p2")),
        ("PID|1||  p2  ", Ok("p2")),
        ("PID|1||M\u{fc}ller", Ok("M\u{fc}ller")),
        ("PID|1||a\\T\\b&c", Ok("a&b")),
        ("PID|1||", Err("no_patient at PID[2]-3; no_patient at OBX[3]")),
        ("PID|1||\"\"", Err("no_patient at PID[2]-3; no_patient at OBX[3]")),
        ("PID", Err("no_patient at PID[2]-3; no_patient at OBX[3]")),
        ("NTE|1", Err("no_patient at OBX[3]")),
    ];
    for (pid, want) in rows {
        let text = format!("MSH|^~\\&|||||||ORU^R01\r{pid}\r{obx}");
        let decoded = read(None, text.as_bytes());
        match want {
            Ok(id) => assert_eq!(decoded.events[0].patient.as_str(), id, "{pid}"),
            Err(rejections) => assert_eq!(said(&decoded), rejections, "{pid}"),
        }
        assert_eq!(said(&read(Some("key"), text.as_bytes())), "heart_rate=80 Final", "{pid}");
    }
    let long = format!("MSH|^~\\&|||||||ORU^R01\rPID|1||{}\r{obx}", "x".repeat(129));
    assert_eq!(said(&read(None, long.as_bytes())), "no_patient at PID[2]-3; no_patient at OBX[3]");
}

#[test]
fn beds() {
    for (field, want) in [
        ("ICU^2^23", Some(("ICU", "2-23"))),
        ("ICU^^B03", Some(("ICU", "B03"))),
        ("ICU^2", Some(("ICU", "2"))),
        ("ICU&x&y^2&z^23", Some(("ICU", "2-23"))),
        ("ICU", None),
        ("^2^23", None),
        ("", None),
    ] {
        let text =
            format!("MSH|^~\\&|||||20260301||ORU^R01\rPID|1||p\rPV1|1|I|{field}\rOBX|1|NM|8867-4||80|/min\r");
        let decoded = read(None, text.as_bytes());
        let location = decoded.events[0].location.as_ref();
        assert_eq!(location.map(|l| (l.unit.as_str(), l.bed.as_str())), want, "{field}");
    }
}

#[test]
fn two_patients_of_one_message_are_not_mixed() {
    let text = "MSH|^~\\&|||||20260301||ORU^R01\rPID|1||p1\rPV1|1|I|ICU^1^1\rOBX|1|NM|8867-4||81|/min\r\
        PID|2||p2\rOBX|1|NM|8867-4||82|/min\rPID|3||\rOBX|1|NM|8867-4||83|/min\r";
    let decoded = read(None, text.as_bytes());
    let seen: Vec<_> = decoded.events.iter().map(|e| (e.patient.as_str(), e.location.is_some())).collect();
    assert_eq!(seen, [("p1", true), ("p2", false)]);
    assert_eq!(
        said(&decoded),
        "heart_rate=81 Final; heart_rate=82 Final; no_patient at PID[7]-3; no_patient at OBX[8]"
    );
}

#[test]
fn lines_that_real_senders_write() {
    let plain = String::from_utf8(oru("NM|8867-4^^LN||80|/min|||||F")).unwrap();
    let variants = [
        plain.replace('\r', "\n"),
        plain.replace('\r', "\r\n"),
        plain.replace('\r', "\r\r\n \n\r"),
        plain.replace("PID", "\n\t PID"),
        format!("\u{feff}{plain}"),
        format!("\u{b}{plain}\u{1c}\r"),
        format!("  \r\n{plain}\0\0"),
        plain.trim_end().to_owned(),
    ];
    for text in variants {
        let decoded = read(None, text.as_bytes());
        assert_eq!(said(&decoded), "heart_rate=80 Final");
        assert_eq!(decoded.units.total, 5);
    }
    // A line that is no segment is rejected, the rest goes on.
    let broken = plain.replace("OBX", "free text, no segment\robx|1\rOBXX|1\rNTE 1\rOBX");
    let text = said(&read(None, broken.as_bytes()));
    assert_eq!(
        text,
        "heart_rate=80 Final; malformed at line[5]; malformed at line[6]; malformed at line[7]; malformed at line[8]"
    );
}

#[test]
fn delimiters_are_those_of_the_message() {
    let plain = String::from_utf8(oru("NM|8867-4^^LN||80|/min|||||F")).unwrap();
    let swapped: String = plain
        .chars()
        .map(|c| match c {
            '|' => '^',
            '^' => '|',
            c => c,
        })
        .collect();
    assert_eq!(said(&read(None, swapped.as_bytes())), "heart_rate=80 Final");
    for (msh2, want) in
        [("^~\\&#", "heart_rate=80 Final"), ("^~\\\\&", "heart_rate=80 Final"), ("^", "heart_rate=80 Final")]
    {
        assert_eq!(said(&read(None, plain.replace("^~\\&", msh2).as_bytes())), want, "{msh2}");
    }
    for msh2 in ["", "&&&&", "^^\\&", "abcd", "^ \\&"] {
        let decoded = read(None, plain.replace("^~\\&", msh2).as_bytes());
        assert_eq!((decoded.events.len(), decoded.units.rejected), (0, 5), "{msh2}");
        assert_eq!(decoded.rejections[0].place.path, "MSH[1]-2");
    }
}

#[test]
fn character_sets() {
    let with = |set: &str, id: &[u8]| {
        let mut text = format!("MSH|^~\\&|||||20260301||ORU^R01|||||||||{set}\rPID|1||").into_bytes();
        text.extend_from_slice(id);
        text.extend_from_slice(b"\rOBX|1|NM|8867-4||80|/min\r");
        text
    };
    for (set, id) in
        [("8859/1", &b"\xFC"[..]), ("UNICODE UTF-8", "\u{fc}".as_bytes()), ("", "\u{fc}".as_bytes())]
    {
        assert_eq!(read(None, &with(set, id)).events[0].patient.as_str(), "\u{fc}", "{set}");
    }
    let bad = read(None, &with("ASCII", b"\xFC"));
    assert_eq!(said(&bad), "encoding at PID[2]-3; no_patient at OBX[3]");
    let wide = read(None, &with("UNICODE UTF-16", b"p"));
    assert_eq!(said(&wide), "encoding at MSH[1]-18; encoding at PID[2]; encoding at OBX[3]");
    assert_eq!(said(&read(None, &with("BIG-5", b"p"))), "heart_rate=80 Final");
    assert_eq!(read(None, &with("BIG-5", b"\xA4\xA4")).rejections[0].reason, Reason::Encoding);
    let units: Vec<u8> = "\u{feff}MSH|^~\\&|".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for payload in [&units[..], &units[2..]] {
        let refused = read(None, payload);
        assert_eq!((refused.rejections[0].reason, refused.units.total), (Reason::Encoding, 1));
    }
}

#[test]
fn batches_and_several_messages() {
    let one = String::from_utf8(oru("NM|8867-4^^LN||80|/min|||||F")).unwrap();
    let text = format!("FHS|^~\\&\rBHS|^~\\&\r{one}{one}BTS|2\rFTS|1\r{one}");
    let decoded = read(None, text.as_bytes());
    assert_eq!(decoded.events.len(), 3);
    assert_eq!((decoded.units.total, decoded.units.decoded), (19, 19));
    // What stands before a message or after its batch belongs to none.
    let text = format!("PID|1||p\r{one}BTS|1\rOBX|1|NM|8867-4||80|/min\r");
    assert_eq!(
        said(&read(None, text.as_bytes())),
        "heart_rate=80 Final; missing at PID[1]-MSH; missing at OBX[8]-MSH"
    );
}

#[test]
fn other_messages_are_skipped_and_their_garbage_is_not() {
    for kind in ["SIU^S12", "MDM^T02", "ORM^O01", "VXU^V04", "ADT^A04", "ADT^A11", "ADT^A13", "ACK"] {
        let text = format!("MSH|^~\\&|||||20260301||{kind}\rPID|1||p\rOBX|1|NM|8867-4||80|/min\rgarbage\r");
        let decoded = read(None, text.as_bytes());
        assert_eq!(said(&decoded), "malformed at line[4]", "{kind}");
        assert_eq!((decoded.units.skipped, decoded.units.rejected), (3, 1), "{kind}");
    }
    for (kind, reason) in [("", Reason::Missing), ("nonsense", Reason::UnsupportedType)] {
        let text = format!("MSH|^~\\&|||||20260301||{kind}\rPID|1||p\r");
        let decoded = read(None, text.as_bytes());
        assert_eq!((decoded.rejections[0].reason, decoded.units.rejected), (reason, 2));
    }
    for kind in ["ORU^W01", "ORU^R30", "ORU^R40", "ORU", "ORU_R01"] {
        let text = format!("MSH|^~\\&|||||20260301||{kind}\rPID|1||p\rOBX|1|NM|8867-4||80|/min\r");
        assert_eq!(said(&read(None, text.as_bytes())), "heart_rate=80 Final", "{kind}");
    }
}

#[test]
fn containment_and_free_text() {
    let decoded = read(
        None,
        &oru("|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X\rNTE|1||call 555\rZZZ|1"),
    );
    assert_eq!((decoded.units.decoded, decoded.units.skipped), (5, 2));
    assert_eq!(said(&decoded), "nothing");
}

#[test]
fn admissions() {
    let adt = |kind: &str, rest: &str| format!("MSH|^~\\&|ADT||||20260303||ADT^{kind}\r{rest}");
    let whole = "EVN||20260302|||| 20260301\rPID|1||p||||19600301|F\rPV1|1|I|ICU^^B1||||||||||||||||v|||||||||||||||||||||||||20260228\r";
    for (code, kind) in [
        ("A01", AdtKind::Admit),
        ("A02", AdtKind::Transfer),
        ("A03", AdtKind::Discharge),
        ("A08", AdtKind::Update),
    ] {
        let decoded = read(None, adt(code, whole).as_bytes());
        assert_eq!((decoded.units.decoded, decoded.units.total), (4, 4));
        let event = &decoded.events[0];
        assert_eq!(event.event_time.to_string(), "2026-03-01T00:00:00Z");
        let Body::Adt(adt) = &event.body else { panic!("not an ADT event") };
        assert_eq!(adt.kind, kind);
        assert_eq!(adt.demographics.sex, Some(Sex::Female));
        assert_eq!(adt.demographics.age_years, Some(66.0));
        assert_eq!(adt.admitted_at.unwrap().to_string(), "2026-02-28T00:00:00Z");
    }
    let rows = [
        // The next best time, and the rejection of the bad one.
        ("EVN||20260302||||junk\rPID|1||p\r", "Admit; bad_time at EVN[2]-6", "2026-03-02T00:00:00Z"),
        ("EVN||junk\rPID|1||p\r", "Admit; bad_time at EVN[2]-2", "2026-03-03T00:00:00Z"),
        ("PID|1||p||||Aug 15, 1942|M\r", "Admit; bad_time at PID[2]-7", "2026-03-03T00:00:00Z"),
        ("PID|1||p||||20270101|M\r", "Admit; bad_time at PID[2]-7", "2026-03-03T00:00:00Z"),
        ("PID|1||\r", "no_patient at PID[2]-3", ""),
        ("EVN||20260302\r", "no_patient at MSH[1]-PID", ""),
        ("PID|1||p\rOBX|1|NM|29463-7^^LN||70|kg|||||F\r", "Admit; weight=70 Final", "2026-03-03T00:00:00Z"),
    ];
    for (rest, want, time) in rows {
        let decoded = read(None, adt("A01", rest).as_bytes());
        assert_eq!(said(&decoded), want, "{rest}");
        assert_eq!(decoded.events.first().map(|e| e.event_time.to_string()).unwrap_or_default(), time);
    }
    assert_eq!(said(&read(Some("key"), adt("A01", "EVN||20260302\r").as_bytes())), "Admit");
    assert_eq!(said(&read(None, b"MSH|^~\\&|||||20260303||ADT\rEVN|A03\rPID|1||p\r")), "Discharge");
    assert_eq!(said(&read(None, b"MSH|^~\\&|||||||ADT^A01\rPID|1||p\r")), "missing at MSH[1]-7");
}

#[test]
fn hospital_services() {
    let cases = [
        ("MED", Some(UnitKind::Medical)),
        ("PUL", Some(UnitKind::Medical)),
        ("SUR^Surgery^HL70069", Some(UnitKind::Surgical)),
        ("CAR~MED", Some(UnitKind::Coronary)),
        ("CSURG", Some(UnitKind::CardiacSurgery)),
        ("", None),
        ("\"\"", None),
        ("med", None),
        ("\u{fc}", None),
        ("X9", None),
    ];
    for (service, want) in cases {
        let text = format!("MSH|^~\\&|ADT||||20260303||ADT^A01\rPID|1||p\rPV1|1|I|ICU^^B1|||||||{service}\r");
        let decoded = read(None, text.as_bytes());
        assert_eq!((decoded.units.decoded, decoded.rejections.len()), (3, 0), "{service}");
        let Body::Adt(adt) = &decoded.events[0].body else { panic!("not an ADT event") };
        assert_eq!((adt.unit, adt.hospital_admitted_at), (want, None), "{service}");
    }
}

#[test]
fn merges() {
    let adt = |rest: &str| format!("MSH|^~\\&|ADT||||20260303||ADT^A40\rPID|1||new^^^H\r{rest}");
    let decoded = read(None, adt("MRG|old^^^H\r").as_bytes());
    assert_eq!(decoded.events[0].patient.as_str(), "new");
    let Body::Adt(merge) = &decoded.events[0].body else { panic!("not an ADT event") };
    assert!(matches!(&merge.kind, AdtKind::Merge { retired } if retired.as_str() == "old"));
    assert_eq!(decoded.units.decoded, 3);
    for (rest, want) in [
        ("", "missing at MSH[1]-MRG; missing at PID[2]-MRG"),
        ("MRG|\r", "no_patient at MRG[3]-1"),
        ("MRG|new\r", "bad_value at MRG[3]-1"),
    ] {
        assert_eq!(said(&read(None, adt(rest).as_bytes())), want, "{rest}");
    }
}

#[test]
fn waveforms() {
    let lead = |id: &str, value: &str| {
        format!(
            "NA|131330^MDC_ECG_ELEC_POTL_II^MDC|{id}|{value}|266418^MDC_DIM_MILLI_VOLT^MDC|||||R|||20260301020000"
        )
    };
    let mv = |text: String| text.replace("266418^MDC_DIM_MILLI_VOLT^MDC", "mV");
    let rate =
        |id: &str| format!("\rOBX|2|NM|0^MDC_ATTR_SAMP_RATE^MDC|{id}|250|264608^MDC_DIM_PER_SEC|||||R");
    let rows = [
        (mv(lead("1.1.1.1", "0.1^^-0.25")) + &rate("1.1.1.1.1"), "ecg 250 Hz: II [0.1, NaN, -0.25]"),
        // The attribute before its waveform.
        (
            format!("NM|0^MDC_ATTR_SAMP_RATE^MDC|1.1.1.1.1|250|Hz|||||R\rOBX|2|{}", mv(lead("1.1.1.1", "1"))),
            "ecg 250 Hz: II [1.0]",
        ),
        (
            mv(lead("1.1.1.1", "1")) + "\rOBX|2|NM|0^MDC_ATTR_TIME_PD_SAMP^MDC|1.1.1.1.1|4|ms|||||R",
            "ecg 250 Hz: II [1.0]",
        ),
        (mv(lead("1.1.1.1", "500")).replace("mV", "uV") + &rate("1.1.1.1.1"), "ecg 250 Hz: II [0.5]"),
        // Two leads of one block.
        (
            mv(lead("1.1.1.1", "1^2"))
                + &rate("1.1.1.1.1")
                + "\rOBX|3|"
                + &mv(lead("1.1.1.2", "3^4"))
                    .replace("131330^MDC_ECG_ELEC_POTL_II", "131329^MDC_ECG_ELEC_POTL_I")
                + &rate("1.1.1.2.1"),
            "ecg 250 Hz: II [1.0, 2.0], I [3.0, 4.0]",
        ),
        // Several moments of two channels.
        (
            mv(lead("1.1.1.1", "1^2~3^4~5^")).replace("NA|", "MA|") + &rate("1.1.1.1.1"),
            "ecg 250 Hz: II 1 [1.0, 3.0, 5.0], II 2 [2.0, 4.0, NaN]",
        ),
        (
            "NA|150452^MDC_PULS_OXIM_PLETH^MDC|1.1.1.3|7^8||||||R".to_owned() + &rate("1.1.1.3.1"),
            "pleth 250 Hz: PLETH [7.0, 8.0]",
        ),
        (mv(lead("1.1.1.1", "1")), "missing at OBX[5]-MDC_ATTR_SAMP_RATE"),
        (mv(lead("1.1.1.1", "1")) + &rate("1.1.1.2.1"), "missing at OBX[5]-MDC_ATTR_SAMP_RATE"),
        (mv(lead("1.1.1.1", "1")).replace("mV", "furlong") + &rate("1.1.1.1.1"), "unknown_unit at OBX[5]-6"),
        (mv(lead("1.1.1.1", "1^x^2")) + &rate("1.1.1.1.1"), "bad_value at OBX[5]-5"),
        (mv(lead("1.1.1.1", "1^2~3")).replace("NA|", "MA|") + &rate("1.1.1.1.1"), "bad_value at OBX[5]-5"),
        (mv(lead("1.1.1.1", "1~2")) + &rate("1.1.1.1.1"), "bad_value at OBX[5]-5"),
        (
            mv(lead("1.1.1.1", "1")) + &rate("1.1.1.1.1").replace("250", "0"),
            "bad_value at OBX[6]-5; missing at OBX[5]-MDC_ATTR_SAMP_RATE",
        ),
        (mv(lead("1.1.1.1", "1")).replace("|R|", "|X|") + &rate("1.1.1.1.1"), "nothing"),
    ];
    for (obx, want) in rows {
        assert_eq!(said(&read(None, &oru(&obx))), want, "{obx}");
    }
    // A rate does not reach over the end of its order.
    let text = format!(
        "{HEAD}OBX|1|{}\rOBR|2\rOBX|1|NM|0^MDC_ATTR_SAMP_RATE^MDC|1.1.1.1.1|250|Hz\r",
        mv(lead("1.1.1.1", "1"))
    );
    assert_eq!(said(&read(None, text.as_bytes())), "missing at OBX[5]-MDC_ATTR_SAMP_RATE");
}

#[test]
fn limits() {
    let refused = read(None, &vec![b'A'; MAX_BYTES + 1]);
    assert_eq!((refused.rejections[0].reason, refused.units.total), (Reason::TooLarge, 1));
    assert_eq!(read(None, &vec![b'A'; MAX_BYTES]).rejections[0].reason, Reason::Malformed);
    for empty in [&b""[..], b"\r\n \x0b\x1c\r"] {
        assert_eq!(read(None, empty).rejections[0].reason, Reason::Malformed);
    }
    // A flood of garbage: the list ends, the rest is one unit.
    let flood = read(None, "x\n".repeat(MAX_REJECTIONS + 50).as_bytes());
    assert_eq!(flood.units.rejected, MAX_REJECTIONS + 1);
    let last = flood.rejections.last().unwrap();
    assert_eq!((last.reason, last.place.byte), (Reason::TooLarge, Some(2 * MAX_REJECTIONS)));
    let exact = read(None, "x\n".repeat(MAX_REJECTIONS).as_bytes());
    assert_eq!(exact.units.rejected, MAX_REJECTIONS);
    let inside = HEAD.to_owned() + &"x\r".repeat(MAX_REJECTIONS + 50);
    let inside = read(None, inside.as_bytes());
    assert_eq!(inside.units.total, 4 + MAX_REJECTIONS + 1);
}

/// No rejection and no debug form shows what the message says.
#[test]
fn nothing_of_the_patient_is_shown() {
    let text =
        "MSH|^~\\&|||||CANARY||ORU^R01\rPID|CANARY||CANARY\rOBX|1|NM|8867-4||CANARY|/min\rCANARY line\r";
    let decoded = read(None, text.as_bytes());
    assert_eq!(decoded.rejections.len(), 2);
    assert!(!format!("{decoded:?} {:?}", record(Some("CANARY"), text.as_bytes())).contains("CANARY"));
}
