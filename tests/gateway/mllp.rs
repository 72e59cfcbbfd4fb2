//! Acknowledgements over a real socket.

use std::{collections::BTreeSet, io::Write, net::Shutdown};

use super::{Sender, Site, framed, oru, told};

fn accepted(id: &str) -> (String, String, String) {
    ("AA".to_owned(), id.to_owned(), String::new())
}

#[test]
fn pipelined_messages_are_answered_in_order_and_are_in_kafka_once() {
    let site = Site::start(|_| {});
    let mut sender = Sender::connect(site.mllp());
    let all: Vec<u8> =
        (0..500).flat_map(|i| framed(&oru(&format!("m{i}"), &format!("p{}", i % 5), "80"))).collect();
    // Cut where no frame ends.
    for chunk in all.chunks(997) {
        sender.socket.write_all(chunk).unwrap();
    }
    sender.socket.shutdown(Shutdown::Write).unwrap();
    for i in 0..500 {
        assert_eq!(told(&sender.answer().unwrap()), accepted(&format!("m{i}")));
    }
    assert_eq!(sender.answer(), None);
    let records = site.stored(&site.topics.hl7v2);
    assert_eq!(records.len(), 500);
    let ids: BTreeSet<Vec<u8>> = records.iter().map(|r| r.payload.clone()).collect();
    assert_eq!(ids.len(), 500);
    for p in 0..5 {
        let own: Vec<&[u8]> = records
            .iter()
            .filter(|r| r.key.as_deref() == Some(&format!("p{p}")))
            .map(|r| r.payload.as_slice())
            .collect();
        assert_eq!(own.len(), 100);
        let in_order: Vec<String> =
            (0..100).map(|n| oru(&format!("m{}", n * 5 + p), &format!("p{p}"), "80")).collect();
        let order = |payload: &[u8]| {
            let text = String::from_utf8_lossy(payload).into_owned();
            text.split('|').nth(9).unwrap().to_owned()
        };
        let got: Vec<String> = own.iter().map(|p| order(p)).collect();
        let want: Vec<String> = in_order.iter().map(|m| order(m.as_bytes())).collect();
        assert_eq!(got, want, "a patient's messages changed their order");
    }
    site.until("bedwatch_gateway_connections{protocol=\"mllp\"}", 0);
    assert_eq!(site.gateway.counters.messages("mllp", "accepted"), 500);
    site.stop();
}

#[test]
fn what_is_refused_is_told_by_its_field_and_goes_to_the_dead_letters() {
    let site = Site::start(|c| c.gateway.mllp.processing_ids = vec!["P".to_owned()]);
    let mut sender = Sender::connect(site.mllp());
    let bad = oru("bad", "CANARY", "eighty");
    let (code, id, rest) = sender.ask(&bad);
    assert_eq!((code.as_str(), id.as_str()), ("AE", "bad"));
    assert!(rest.starts_with("ERR||OBX^1^5|102^Data type error^HL70357|E|bad_value^^L||byte "), "{rest}");
    assert!(!rest.contains("CANARY") && !rest.contains("eighty"));
    // One part of several: accepted with a warning, and the engine writes the letter.
    let partly = format!("{}\rOBX|2|NM|59408-5^^LN||97|furlongs|||||F", oru("partly", "p1", "80"));
    let (code, _, rest) = sender.ask(&partly);
    assert_eq!(code, "AA");
    assert!(rest.starts_with("ERR||OBX^2^6|103^Table value not found^HL70357|W|unknown_unit^^L|"), "{rest}");
    for (message, code, error) in [
        (oru("a", "p1", "80").replace("|P|2.6", "|T|2.6"), "AR", "202^Unsupported processing id"),
        (oru("b", "\"\"", "80"), "AE", "ERR||PID^1^3|204^"),
        (format!("{}\r{}", oru("c", "p1", "80"), oru("d", "p2", "80")), "AE", "ERR||MSH^2|100^"),
        ("nonsense".to_owned(), "AE", "ERR|||100^"),
        ("MSH|^~\\&|A|B|||||||P".to_owned(), "AE", "ERR||MSH^1^9|101^Required field missing"),
    ] {
        let (got, _, rest) = sender.ask(&message);
        assert_eq!(got, code, "{message}");
        assert!(rest.contains(error), "{message}: {rest}");
    }
    // An acknowledgement is never acknowledged.
    sender.send("MSH|^~\\&|A|B|C|D|||ACK^R01^ACK|x|P|2.6\rMSA|AA|1");
    assert_eq!(sender.ask(&oru("last", "p1", "81")), accepted("last"));
    let kept: Vec<Vec<u8>> = site.stored(&site.topics.hl7v2).into_iter().map(|r| r.payload).collect();
    assert_eq!(kept, [partly.into_bytes(), oru("last", "p1", "81").into_bytes()]);
    let letters = site.stored(&site.topics.dead_letter);
    assert_eq!(letters.len(), 5, "all but the one of another processing id");
    let first = letters.iter().find(|l| l.payload == bad.as_bytes()).unwrap();
    assert_eq!(first.headers["bedwatch_stream"], "hl7v2");
    assert_eq!(first.headers["bedwatch_offset"], "-1");
    assert_eq!(first.headers["bedwatch_reason"], "bad_value");
    assert_eq!(site.metric("bedwatch_gateway_faults_total{protocol=\"mllp\",reason=\"bad_value\"}"), 1);
    site.stop();
}

#[test]
fn enhanced_mode_answers_as_it_is_asked() {
    let site = Site::start(|_| {});
    let mut sender = Sender::connect(site.mllp());
    let with = |id: &str, commit: &str, application: &str, value: &str| {
        oru(id, "p1", value).replace("|P|2.6\r", &format!("|P|2.6|||{commit}|{application}\r"))
    };
    assert_eq!(sender.ask(&with("a", "AL", "NE", "80")).0, "CA");
    assert_eq!(sender.ask(&with("b", "AL", "AL", "80")).0, "CA");
    assert_eq!(told(&sender.answer().unwrap()).0, "AA");
    assert_eq!(sender.ask(&with("c", "AL", "ER", "x")).0, "CE");
    assert_eq!(told(&sender.answer().unwrap()).0, "AE");
    // Nothing is asked, nothing is said: the next answer is the next message's.
    sender.send(&with("d", "NE", "NE", "80"));
    assert_eq!(sender.ask(&oru("e", "p1", "80")), accepted("e"));
    assert_eq!(site.stored(&site.topics.hl7v2).len(), 4);
    site.stop();
}

#[test]
fn a_message_sent_again_is_acknowledged_again_and_kept_once() {
    let site = Site::start(|_| {});
    let mut sender = Sender::connect(site.mllp());
    assert_eq!(sender.ask(&oru("1", "p1", "80")), accepted("1"));
    assert_eq!(sender.ask(&oru("1", "p1", "80")), accepted("1"));
    // Over another connection too; and the same number over another message is another message.
    let mut other = Sender::connect(site.mllp());
    assert_eq!(other.ask(&oru("1", "p1", "80")), accepted("1"));
    assert_eq!(other.ask(&oru("1", "p1", "81")), accepted("1"));
    assert_eq!(site.stored(&site.topics.hl7v2).len(), 2);
    assert_eq!(site.gateway.counters.messages("mllp", "repeated"), 2);
    site.stop();
}

#[test]
fn kafka_away_is_told_and_the_repeat_is_kept() {
    let site = Site::start(|c| c.gateway.kafka_timeout_secs = 1);
    let mut sender = Sender::connect(site.mllp());
    assert_eq!(sender.ask(&oru("before", "p1", "80")), accepted("before"));
    site.broker.set_down(true).unwrap();
    let (code, id, rest) = sender.ask(&oru("during", "p1", "81"));
    assert_eq!((code.as_str(), id.as_str()), ("AR", "during"));
    assert!(rest.starts_with("ERR|||207^"), "{rest}");
    let enhanced = oru("enhanced", "p1", "82").replace("|P|2.6\r", "|P|2.6|||AL|NE\r");
    assert_eq!(sender.ask(&enhanced).0, "CE");
    assert!(site.gateway.readiness()().is_some());
    site.broker.set_down(false).unwrap();
    // The sender tries until it is accepted, as interface engines do.
    let tries = (1..=60).find(|_| sender.ask(&oru("during", "p1", "81")).0 == "AA");
    println!("accepted at try {tries:?} after the broker came back");
    assert!(tries.is_some());
    assert!(site.gateway.readiness()().is_none());
    let kept = site.stored(&site.topics.hl7v2);
    assert!(kept.iter().any(|r| r.payload == oru("during", "p1", "81").as_bytes()));
    site.stop();
}

#[test]
fn several_patients_and_pseudonyms() {
    let folder = crate::support::Folder::new("gateway-pseudonyms");
    let secret = folder.join("secret");
    bedwatch::secrets::write(&secret, b"a secret of more than thirty-two bytes\n").unwrap();
    let site = Site::start(|c| c.gateway.pseudonym_secret_file = secret);
    let mut sender = Sender::connect(site.mllp());
    let two = format!(
        "{}\rPID|||4712\rOBX|1|NM|8867-4^HR^LN||90|/min|||||F|||{}",
        oru("1", "4711", "80"),
        super::hour_ago()
    );
    assert_eq!(sender.ask(&two), accepted("1"));
    assert_eq!(sender.ask(&oru("2", "4711", "82")), accepted("2"));
    let records = site.stored(&site.topics.hl7v2);
    assert_eq!(records.len(), 3);
    let keys: BTreeSet<&str> = records.iter().filter_map(|r| r.key.as_deref()).collect();
    assert_eq!(keys.len(), 2);
    for record in &records {
        let text = String::from_utf8_lossy(&record.payload);
        assert!(!text.contains("4711") && !text.contains("4712") && !text.contains("Doe"), "{text}");
        assert!(text.contains(record.key.as_deref().unwrap()));
        let decoded = bedwatch_ingest::decode(
            &bedwatch_ingest::Record {
                stream: bedwatch_schemas::event::Stream::Hl7v2,
                partition: 0,
                offset: 0,
                arrival: bedwatch_schemas::time::ArrivalTime::from_millis(4_000_000_000_000),
                key: record.key.as_deref(),
                payload: &record.payload,
            },
            &bedwatch_ingest::Config::default(),
        );
        assert_eq!((decoded.events.len(), decoded.rejections.len()), (1, 0), "{text}");
    }
    site.stop();
}
