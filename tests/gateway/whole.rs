//! The whole way: an HL7 v2 message into `bedwatch run`, an alert out of Kafka.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use bedwatch_alerts::render::fhir::{Names, bundle};
use bedwatch_ingest::kafka::{Topics, embedded::Broker};
use bedwatch_schemas::alert::{Alert, Phase};
use serde_json::{Value, json};

use super::{Sender, fhir::ask, stored};
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
         [gateway.fhir]\nlisten = \"127.0.0.1:0\"\n",
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
    let fhir = notes.find_map(|l| l.strip_prefix("FHIR on ").map(str::to_owned)).unwrap();
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
    answered(&mut alerts, &broker, &topics, &kept[0].payload, fhir.parse().unwrap());
    engine.kill().unwrap();
    engine.wait().unwrap();
}

/// What we push to a FHIR server comes back by its subscription as it was, then changed by somebody: only
/// the latter is an answer, and the engine hears it.
fn answered(
    lines: &mut impl Iterator<Item = std::io::Result<String>>,
    broker: &Broker,
    topics: &Topics,
    payload: &[u8],
    gateway: std::net::SocketAddr,
) {
    let alert: Alert = serde_json::from_slice(payload).unwrap();
    let site = bedwatch::config::Config::default().sinks.fhir;
    let names = Names {
        base: "http://fhir.example/r4".to_owned(),
        patients: site.patient_system,
        encounters: site.encounter_system,
    };
    let pushed: Value = serde_json::from_slice(&bundle(&alert, &names)).unwrap();
    let resources = pushed["entry"].as_array().unwrap().iter().map(|e| json!({"resource": e["resource"]}));
    let echo = json!({"resourceType": "Bundle", "type": "history", "entry": resources.collect::<Vec<_>>()});
    let head = |method: &str, path: &str| {
        format!("{method} {path} HTTP/1.1\r\nContent-Type: application/fhir+json\r\n")
    };
    let (status, outcome) = ask(gateway, &head("POST", "/"), &echo.to_string());
    assert!(matches!(status, 200 | 202 | 422), "{status} {outcome}");
    assert!(stored(broker.bootstrap(), &topics.feedback).is_empty(), "our own words are no answer");

    let flag = pushed["entry"].as_array().unwrap().iter().map(|e| &e["resource"]);
    let mut flag = flag.clone().find(|r| r["resourceType"] == "Flag").unwrap().clone();
    flag["status"] = "inactive".into();
    let path = format!("/Flag/{}", flag["id"].as_str().unwrap());
    let (status, outcome) = ask(gateway, &head("PUT", &path), &flag.to_string());
    assert_eq!(status, 202, "{outcome}");
    let said = stored(broker.bootstrap(), &topics.feedback);
    let message: Value = serde_json::from_slice(&said[0].payload).unwrap();
    assert_eq!((said.len(), said[0].key.as_deref()), (1, Some("pat-1")));
    assert_eq!(
        (&message["action"], &message["alert"]),
        (&"acknowledge".into(), &alert.id.to_string().into())
    );
    let seen = lines.map(Result::unwrap).find(|l| l.contains("bed 9") && l.contains("seen ")).unwrap();
    println!("{seen}");
    let kept = stored(broker.bootstrap(), &topics.alerts);
    let all: Vec<Alert> = kept.iter().map(|r| serde_json::from_slice(&r.payload).unwrap()).collect();
    let life: Vec<Phase> = all.iter().filter(|a| a.id == alert.id).map(|a| a.phase).collect();
    assert!(life.contains(&Phase::Acknowledged), "{life:?}");
    // The Flag's own end comes back too, and is no answer either.
    let ended = Alert { phase: Phase::Resolved, ..alert };
    let pushed: Value = serde_json::from_slice(&bundle(&ended, &names)).unwrap();
    let flag = pushed["entry"].as_array().unwrap().iter().find(|e| e["resource"]["resourceType"] == "Flag");
    let flag = &flag.unwrap()["resource"];
    assert_eq!(flag["status"], "inactive");
    assert_eq!(ask(gateway, &head("POST", "/Flag"), &flag.to_string()).0, 202);
    assert_eq!(stored(broker.bootstrap(), &topics.feedback).len(), 1);
}
