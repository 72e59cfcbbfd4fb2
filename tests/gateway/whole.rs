//! The whole way: an HL7 v2 message into `bedwatch run`, an alert out of Kafka.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use bedwatch_ingest::kafka::{Topics, embedded::Broker};
use serde_json::Value;

use super::{Sender, stored};
use crate::support::{Folder, bedwatch, has_onnxruntime};

#[test]
fn a_message_over_mllp_becomes_an_alert() {
    if !has_onnxruntime("MLLP to alert") {
        return;
    }
    let folder = Folder::new("gateway-whole");
    let topics = Topics::default();
    let broker = Broker::start(&topics, 2).unwrap();
    let config = folder.join("bedwatch.toml");
    let text = format!(
        "[kafka]\nbootstrap = {:?}\n[gateway]\nenabled = true\n[gateway.mllp]\nlisten = \"127.0.0.1:0\"\n\
         [gateway.fhir]\nlisten = \"\"\n",
        broker.bootstrap()
    );
    std::fs::write(&config, text).unwrap();
    let mut engine = bedwatch()
        .args(["run", "--listen", "off", "--config"])
        .arg(&config)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut notes = BufReader::new(engine.stderr.take().unwrap()).lines().map(Result::unwrap);
    let address = notes.find_map(|l| l.strip_prefix("HL7 v2 over MLLP on ").map(str::to_owned)).unwrap();
    let mut sender = Sender::connect(address.parse().unwrap());
    let now = bedwatch::clock::Clock::now(&bedwatch::clock::SystemClock::default());
    let time: String =
        now.as_event_time().to_string().chars().filter(char::is_ascii_digit).take(14).collect();
    let message = format!(
        "MSH|^~\\&|MON|ICU|BW|H|{time}||ORU^R01|1|P|2.6\rPID|||pat-1\rPV1||I|ICU^^9\rOBR|1|||v|||{time}\r\
         OBX|1|NM|59408-5^^LN||80|%|||||F|||{time}\rOBX|2|NM|9279-1^^LN||34|/min|||||F|||{time}\r\
         OBX|3|NM|8867-4^^LN||131|/min|||||F|||{time}"
    );
    assert_eq!(sender.ask(&message).0, "AA");
    // The first line of standard output is the first alert.
    let mut alerts = BufReader::new(engine.stdout.take().unwrap()).lines();
    let line = alerts.next().unwrap().unwrap();
    assert!(line.contains("bed 9") && line.contains("RAISED"), "{line}");
    let kept = stored(broker.bootstrap(), &topics.alerts);
    assert!(!kept.is_empty());
    let alert: Value = serde_json::from_slice(&kept[0].payload).unwrap();
    assert_eq!(kept[0].key.as_deref(), Some("pat-1"));
    assert_eq!(alert["location"]["bed"], "9");
    println!("{line}");
    engine.kill().unwrap();
    engine.wait().unwrap();
}
