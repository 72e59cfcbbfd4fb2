//! The stream of alerts and the CDS Hooks service over a real socket.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use bedwatch::{
    board::Board,
    http::{self, alerts::Alerts},
    live::Health,
    metrics::Metrics,
    sinks::Hub,
};
use bedwatch_alerts::render::is_over;
use bedwatch_schemas::alert::Alert;
use serde_json::{Value, json};

use super::{Site, WAIT, name, ward};

/// A process that serves what is in the topic.
fn serve(site: &Site) -> SocketAddr {
    let shared = http::Shared {
        board: Arc::new(Board::default()),
        metrics: Arc::new(Metrics::new()),
        health: Arc::new(Health::new(site.clock.clone())),
        desk: None,
    };
    let hub = Hub::new(site.config.sinks.stream.history);
    let _within = site.runtime.enter();
    hub.follow(&site.config).unwrap();
    let alerts = Alerts::new(hub, site.config.sinks.stream.clone(), site.config.sinks.cards.clone());
    site.runtime.block_on(http::serve_with_alerts("127.0.0.1:0", shared, alerts)).unwrap()
}

/// A client of the stream.
struct Client {
    lines: std::io::Lines<BufReader<TcpStream>>,
}

/// One event: id, name, data.
type Event = (Option<String>, String, String);

impl Client {
    fn connect(address: SocketAddr, last: Option<&str>) -> Self {
        Self::try_connect(address, last).unwrap()
    }

    /// `None` when there is no seat.
    fn try_connect(address: SocketAddr, last: Option<&str>) -> Option<Self> {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(WAIT)).unwrap();
        let last = last.map_or_else(String::new, |id| format!("Last-Event-ID: {id}\r\n"));
        write!(socket, "GET /api/v1/alerts/stream HTTP/1.1\r\nHost: x\r\n{last}\r\n").unwrap();
        let mut client = Self { lines: BufReader::new(socket).lines() };
        if !client.line().contains("200") {
            return None;
        }
        while client.line() != "retry: 1000" {}
        Some(client)
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    fn event(&mut self) -> Event {
        let mut event = (None, String::new(), String::new());
        loop {
            let line = self.line();
            match line.split_once(": ") {
                Some(("id", id)) => event.0 = Some(id.to_owned()),
                Some(("event", name)) => event.1 = name.to_owned(),
                Some(("data", data)) => {
                    event.2 = data.to_owned();
                    return event;
                }
                _ => {} // sizes of chunks, empty lines, comments
            }
        }
    }
}

fn message(event: &Event) -> String {
    name(&serde_json::from_str::<Alert>(&event.2).unwrap())
}

#[test]
fn a_client_that_comes_back_goes_on_after_its_last_event_at_another_process_too() {
    let site = Site::start(|_| {});
    let address = serve(&site);
    let published = ward("stream");
    let mut client = Client::connect(address, Some("0:-1"));
    published.iter().for_each(|a| site.publish(a));
    let seen: Vec<Event> = (0..40).map(|_| client.event()).collect();
    drop(client);
    let last = seen.last().unwrap().0.clone().unwrap();
    // A new process has read the same topic, its partitions in whatever order.
    let mut client = Client::connect(serve(&site), Some(&last));
    let rest: Vec<Event> = (40..published.len()).map(|_| client.event()).collect();
    let mut all: Vec<String> = seen.iter().chain(&rest).map(message).collect();
    super::all_in_order(&published, &all);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), published.len(), "an event came twice");
    // Nothing of before for one who does not ask.
    let mut new = Client::connect(address, None);
    let next = ward("later").remove(0);
    site.publish(&next);
    assert_eq!(message(&new.event()), name(&next));
}

#[test]
fn what_the_history_no_longer_holds_is_told_and_nonsense_and_crowds_are_turned_away() {
    let site = Site::start(|c| (c.sinks.stream.history, c.sinks.stream.clients) = (10, 1));
    let published = ward("gap");
    published.iter().for_each(|a| site.publish(a));
    let address = serve(&site);
    let mut client = loop {
        // Until the whole topic is read the history still holds its beginning; the one seat is free
        // again a moment after a client has gone.
        if let Some(mut client) = Client::try_connect(address, Some("0:-1"))
            && client.event().1 == "gap"
        {
            break client;
        }
        site.runtime.block_on(async { tokio::time::sleep(std::time::Duration::from_millis(50)).await });
    };
    assert_eq!(client.event().1, "alert");
    assert_eq!(request(address, "GET", "/api/v1/alerts/stream", "").0, 503);
    let (status, _) = with_header(address, "Last-Event-ID: nonsense\r\n");
    assert_eq!(status, 400);
}

fn with_header(address: SocketAddr, header: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    write!(socket, "GET /api/v1/alerts/stream HTTP/1.1\r\nHost: x\r\n{header}Connection: close\r\n\r\n")
        .unwrap();
    answer(socket)
}

fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        socket,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    answer(socket)
}

fn answer(mut socket: TcpStream) -> (u16, String) {
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// A request of an EHR that opens a chart.
fn view(alert: &Alert) -> String {
    json!({
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": { "userId": "Practitioner/1", "patientId": alert.patient.as_str() },
    })
    .to_string()
}

#[test]
fn a_chart_opened_shows_the_patients_open_alerts_and_no_others() {
    let site = Site::start(|_| {});
    let address = serve(&site);
    let path = "/cds-services/bedwatch-open-alerts";
    let (status, services) = request(address, "GET", "/cds-services", "");
    let services: Value = serde_json::from_str(&services).unwrap();
    assert_eq!((status, &services["services"][0]["hook"]), (200, &json!("patient-view")));
    assert_eq!(services["services"][0]["id"], "bedwatch-open-alerts");
    let published = ward("chart");
    let cards = |alert: &Alert| -> Vec<Value> {
        let (status, text) = request(address, "POST", path, &view(alert));
        assert_eq!(status, 200, "{text}");
        serde_json::from_str::<Value>(&text).unwrap()["cards"].as_array().unwrap().clone()
    };
    // One patient's alert still open, another's over.
    let (open, over) = (&published[0], &published[5..10]);
    site.publish(open);
    over.iter().for_each(|a| site.publish(a));
    assert!(is_over(over[4].phase));
    site.until("the open one is shown", || cards(open).len() == 1);
    site.until("the other has ended", || cards(&over[0]).is_empty());
    let card = cards(open).remove(0);
    assert_eq!((&card["uuid"], &card["indicator"]), (&json!(open.id.to_string()), &json!("critical")));
    for (body, wanted) in [
        ("{", 400),
        ("{}", 400),
        (r#"{"hook":"order-sign","hookInstance":"x","context":{"patientId":"p"}}"#, 400),
        (r#"{"hook":"patient-view","hookInstance":"x","context":{}}"#, 400),
    ] {
        assert_eq!(request(address, "POST", path, body).0, wanted, "{body}");
    }
}
