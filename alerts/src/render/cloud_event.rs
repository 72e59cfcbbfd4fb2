//! An alert as a CloudEvent in structured mode (CloudEvents 1.0.2, JSON format): the body of a
//! webhook.

use bedwatch_schemas::alert::Alert;
use serde::Serialize;

use super::message_id;

/// The media type of the body.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";
/// The event's type, as in the Kafka headers.
pub const TYPE: &str = "org.bedwatch.alert.v1";

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    time: String,
    datacontenttype: &'static str,
    data: &'a Alert,
}

/// The body.
#[must_use]
pub fn body(alert: &Alert) -> Vec<u8> {
    let event = CloudEvent {
        specversion: "1.0",
        id: message_id(alert),
        source: "/bedwatch",
        kind: TYPE,
        time: alert.at.to_string(),
        datacontenttype: "application/json",
        data: alert,
    };
    serde_json::to_vec(&event).expect("an alert is plain data")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn the_alert_comes_back_out_of_the_event() {
        for alert in samples::all() {
            let event: serde_json::Value = serde_json::from_slice(&body(&alert)).unwrap();
            assert_eq!(event["id"], format!("{}/{}", alert.id, alert.sequence));
            assert_eq!(event["specversion"], "1.0");
            let data: Alert = serde_json::from_value(event["data"].clone()).unwrap();
            assert_eq!(data, alert);
        }
    }
}
