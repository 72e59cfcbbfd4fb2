//! Subscription notifications (Subscriptions R5 Backport 1.1.0, and R5 itself).
//!
//! A notification is a Bundle whose first entry tells the subscription's state: in R4 a Parameters
//! resource, in R4B and R5 a SubscriptionStatus. Events are numbered from 1 without gaps, and a
//! heartbeat repeats the last number: so an event that never came shows, at the latest, at the next
//! heartbeat.

use std::collections::{BTreeMap, VecDeque};

use serde_json::value::RawValue;

use super::element::{Element, Field, Path, shape};
use crate::{json, json::Document};

/// Most subscriptions followed; then the one heard first is forgotten.
pub const MAX_SUBSCRIPTIONS: usize = 1_000;

shape! {
    /// Bundle, or one of its entries.
    Node { entry, resource }
}
shape! {
    /// SubscriptionStatus (R4B, R5), or Parameters (R4).
    Told {
        resource_type, r#type, subscription, events_since_subscription_start, notification_event, parameter,
    }
}
shape! {
    /// SubscriptionStatus.notificationEvent.
    Numbered { event_number, focus }
}
shape! {
    /// Parameters.parameter.
    Parameter { name, value_code, value_string, value_reference, value_integer, value_integer64, part }
}
shape! {
    /// Reference.
    Reference { reference }
}

/// What a notification is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The server tries the channel.
    Handshake,
    /// Nothing has happened.
    Heartbeat,
    /// Events.
    Event,
    /// The answer to a question.
    Query,
}

impl Kind {
    /// The name, also the metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Heartbeat => "heartbeat",
            Self::Event => "event_notification",
            Self::Query => "query",
        }
    }
}

/// The state a notification tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What it is for.
    pub kind: Kind,
    /// The subscription, as it is referred to.
    pub subscription: String,
    /// The number of the last event, where it is told.
    pub events: Option<u64>,
    /// The numbers of the events told here, ascending.
    pub numbers: Vec<u64>,
    /// Whether events point to something (which then should be in the Bundle).
    pub has_focus: bool,
    /// Resources beside the state.
    pub resources: usize,
}

/// Reads the state of a notification; `None` where the message is none.
#[must_use]
pub fn read(payload: &[u8]) -> Option<Status> {
    let doc = Document::new(payload).ok()?;
    let raw: &RawValue = doc.parse().ok()?;
    let root = Element { doc, raw, path: Path::root("Bundle") };
    let bundle: Node = root.read().ok()?;
    let items = root.list(bundle.entry, "entry").ok()?;
    let resource = |i: usize| {
        let element = items.get(i)?.as_element(&root);
        element.read::<Node>().ok()?.resource
    };
    let first = Element { raw: resource(0)?, ..root };
    let told: Told = first.read().ok()?;
    let resources = (1..items.len()).filter(|i| resource(*i).is_some()).count();
    match &*json::text(told.resource_type?)? {
        "SubscriptionStatus" => status(&first, &told, resources),
        "Parameters" => parameters(&first, told.parameter, resources),
        _ => None,
    }
}

fn kind(code: &str) -> Option<Kind> {
    Some(match code {
        "handshake" => Kind::Handshake,
        "heartbeat" => Kind::Heartbeat,
        "event-notification" => Kind::Event,
        "query-status" | "query-event" => Kind::Query,
        _ => return None,
    })
}

/// A count: an integer64, which JSON writes as a string, or a number.
fn count(field: Field<'_>) -> Option<u64> {
    let raw = field?;
    json::text(raw).map_or_else(|| raw.get().parse().ok(), |text| text.parse().ok())
}

fn referred(field: Field<'_>) -> String {
    let reference: Option<Reference> = field.and_then(|raw| serde_json::from_str(raw.get()).ok());
    reference.and_then(|r| json::text(r.reference?)).unwrap_or_default().into_owned()
}

fn status(element: &Element<'_, '_>, told: &Told<'_>, resources: usize) -> Option<Status> {
    let (mut numbers, mut has_focus) = (Vec::new(), false);
    for item in element.list(told.notification_event, "notificationEvent").ok()? {
        let event: Numbered = item.as_element(element).read().ok()?;
        numbers.extend(count(event.event_number));
        has_focus |= event.focus.is_some();
    }
    numbers.sort_unstable();
    Some(Status {
        kind: kind(&json::text(told.r#type?)?)?,
        subscription: referred(told.subscription),
        events: count(told.events_since_subscription_start),
        numbers,
        has_focus,
        resources,
    })
}

fn parameters<'a>(element: &Element<'a, '_>, field: Field<'a>, resources: usize) -> Option<Status> {
    let mut status = Status {
        kind: Kind::Query,
        subscription: String::new(),
        events: None,
        numbers: Vec::new(),
        has_focus: false,
        resources,
    };
    let mut is_status = false;
    for item in element.list(field, "parameter").ok()? {
        let element = item.as_element(element);
        let parameter: Parameter = element.read().ok()?;
        match &*json::text(parameter.name?)? {
            "type" => {
                status.kind = kind(&json::text(parameter.value_code?)?)?;
                is_status = true;
            }
            "subscription" => status.subscription = referred(parameter.value_reference),
            "events-since-subscription-start" => status.events = number(&parameter),
            "notification-event" => {
                for part in element.list(parameter.part, "part").ok()? {
                    let part: Parameter = part.as_element(&element).read().ok()?;
                    match &*json::text(part.name?)? {
                        "event-number" => status.numbers.extend(number(&part)),
                        "focus" => status.has_focus = true,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    status.numbers.sort_unstable();
    is_status.then_some(status)
}

fn number(parameter: &Parameter<'_>) -> Option<u64> {
    count(parameter.value_string.or(parameter.value_integer64).or(parameter.value_integer))
}

/// What the numbers of a notification say beside those before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    /// Events that never came.
    pub missed: u64,
    /// Events that had come before.
    pub repeated: u64,
}

/// The last event heard of each subscription. It begins anew after a restart: what was missed while
/// nobody listened shows only where the server sends it again.
#[derive(Debug, Default)]
pub struct Ledger {
    last: BTreeMap<String, u64>,
    order: VecDeque<String>,
}

impl Ledger {
    /// Takes a notification whose events have been kept.
    pub fn take(&mut self, status: &Status) -> Heard {
        let mut heard = Heard::default();
        let before = self.last.get(&status.subscription).copied();
        // A handshake begins a subscription, or begins it again.
        let mut last = match status.kind {
            Kind::Handshake => Some(status.events.unwrap_or(0)),
            Kind::Heartbeat | Kind::Event | Kind::Query => before,
        };
        if status.kind == Kind::Event {
            for number in &status.numbers {
                match last {
                    Some(last) if *number <= last => heard.repeated += 1,
                    Some(last) => heard.missed += number - last - 1,
                    None => {}
                }
                last = last.max(Some(*number));
            }
        }
        if matches!(status.kind, Kind::Heartbeat | Kind::Query)
            && let (Some(told), Some(known)) = (status.events, last)
        {
            heard.missed += told.saturating_sub(known);
        }
        if matches!(status.kind, Kind::Heartbeat | Kind::Query) {
            last = last.max(status.events);
        }
        if let Some(last) = last {
            self.set(&status.subscription, last);
        }
        heard
    }

    fn set(&mut self, subscription: &str, last: u64) {
        if self.last.insert(subscription.to_owned(), last).is_none() {
            self.order.push_back(subscription.to_owned());
        }
        while self.last.len() > MAX_SUBSCRIPTIONS {
            let Some(oldest) = self.order.pop_front() else { break };
            self.last.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn r4(kind: &str, since: &str, numbers: &[u64]) -> String {
        let events: Vec<String> = numbers
            .iter()
            .map(|n| {
                format!(
                    r#",{{"name":"notification-event","part":[{{"name":"event-number","valueString":"{n}"}},{{"name":"focus","valueReference":{{"reference":"Observation/1"}}}}]}}"#
                )
            })
            .collect();
        format!(
            r#"{{"resourceType":"Bundle","type":"history","entry":[{{"fullUrl":"urn:uuid:1","resource":{{"resourceType":"Parameters","parameter":[
            {{"name":"subscription","valueReference":{{"reference":"Subscription/s"}}}},{{"name":"topic","valueCanonical":"http://t"}},
            {{"name":"status","valueCode":"active"}},{{"name":"type","valueCode":"{kind}"}},
            {{"name":"events-since-subscription-start","valueString":"{since}"}}{}]}}}}]}}"#,
            events.concat()
        )
    }

    #[test]
    fn the_three_releases_are_read() {
        let status = read(r4("event-notification", "3", &[2, 3]).as_bytes()).unwrap();
        let want = Status {
            kind: Kind::Event,
            subscription: "Subscription/s".to_owned(),
            events: Some(3),
            numbers: vec![2, 3],
            has_focus: true,
            resources: 0,
        };
        assert_eq!(status, want);
        let r5 = r#"{"resourceType":"Bundle","type":"subscription-notification","entry":[{"resource":{"resourceType":"SubscriptionStatus",
            "type":"event-notification","eventsSinceSubscriptionStart":"3","subscription":{"reference":"Subscription/s"},
            "notificationEvent":[{"eventNumber":"3","focus":{"reference":"Observation/1"}},{"eventNumber":2}]}},
            {"resource":{"resourceType":"Observation"}},{"request":{"method":"GET"}}]}"#;
        assert_eq!(read(r5.as_bytes()).unwrap(), Status { resources: 1, ..want });
        for (kind, want) in
            [("handshake", Kind::Handshake), ("heartbeat", Kind::Heartbeat), ("query-status", Kind::Query)]
        {
            assert_eq!(read(r4(kind, "0", &[]).as_bytes()).unwrap().kind, want);
        }
        for none in [
            "",
            "{}",
            r#"{"resourceType":"Bundle","entry":[]}"#,
            r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation"}}]}"#,
            r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Parameters","parameter":[{"name":"other"}]}}]}"#,
            &r4("something", "0", &[]),
        ] {
            assert_eq!(read(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn gaps_and_repeats_are_counted() {
        let mut ledger = Ledger::default();
        let mut hear = |kind: &str, since: &str, numbers: &[u64]| {
            let heard = ledger.take(&read(r4(kind, since, numbers).as_bytes()).unwrap());
            (heard.missed, heard.repeated)
        };
        assert_eq!(hear("event-notification", "7", &[7]), (0, 0), "listening began here");
        assert_eq!(hear("handshake", "0", &[]), (0, 0));
        assert_eq!(hear("event-notification", "1", &[1]), (0, 0));
        assert_eq!(hear("event-notification", "3", &[2, 3]), (0, 0));
        assert_eq!(hear("event-notification", "3", &[3]), (0, 1));
        assert_eq!(hear("event-notification", "7", &[6, 7]), (2, 0));
        assert_eq!(hear("heartbeat", "7", &[]), (0, 0));
        assert_eq!(hear("heartbeat", "9", &[]), (2, 0));
        assert_eq!(hear("heartbeat", "9", &[]), (0, 0), "each is counted once");
        assert_eq!(hear("event-notification", "10", &[10]), (0, 0));
        assert_eq!(hear("handshake", "0", &[]), (0, 0), "the server began anew");
        assert_eq!(hear("event-notification", "1", &[1]), (0, 0));
    }

    #[test]
    fn the_ledger_is_bounded() {
        let mut ledger = Ledger::default();
        let mut status = read(r4("handshake", "0", &[]).as_bytes()).unwrap();
        for i in 0..MAX_SUBSCRIPTIONS * 2 {
            status.subscription = format!("Subscription/{i}");
            ledger.take(&status);
        }
        assert_eq!((ledger.last.len(), ledger.order.len()), (MAX_SUBSCRIPTIONS, MAX_SUBSCRIPTIONS));
    }
}
