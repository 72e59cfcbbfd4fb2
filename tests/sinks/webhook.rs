//! A webhook receiver, and what becomes of messages when it, or the process, is not there.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bedwatch::{
    clock::{Clock, SystemClock},
    config::Config,
};
use bedwatch_schemas::time::ArrivalTime;
use hmac::{Hmac, Mac};
use serde_json::Value;

use super::{Site, all_in_order, name, ward};
use crate::support::Folder;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// What it was sent and accepted: when, message id, body.
#[derive(Default)]
pub struct Received {
    pub accepted: Vec<(ArrivalTime, String, Value)>,
    /// Message ids to be refused with this status.
    pub refuse: BTreeMap<String, StatusCode>,
    pub tries: BTreeMap<String, u32>,
}

/// A receiver that checks every signature.
#[derive(Clone)]
pub struct Hook {
    pub received: Arc<Mutex<Received>>,
    clock: Arc<SystemClock>,
}

impl Hook {
    pub fn start(runtime: &tokio::runtime::Runtime) -> (Self, SocketAddr) {
        let hook = Self { received: Arc::default(), clock: Arc::default() };
        let app = Router::new().route("/alerts", post(take)).with_state(hook.clone());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, app).await });
        (hook, address)
    }

    pub fn accepted(&self) -> Vec<String> {
        self.received.lock().unwrap().accepted.iter().map(|(_, id, _)| id.clone()).collect()
    }
}

async fn take(State(hook): State<Hook>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let (id, at) = (text("webhook-id"), text("webhook-timestamp"));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET).unwrap();
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(&body);
    let told = text("webhook-signature");
    let told = STANDARD.decode(told.strip_prefix("v1,").unwrap()).unwrap();
    mac.verify_slice(&told).unwrap();
    assert_eq!(text("idempotency-key"), id);
    assert_eq!(text("content-type"), "application/cloudevents+json");
    let now = hook.clock.now();
    assert!((now.as_millis() / 1_000 - at.parse::<i64>().unwrap()).abs() < 300);
    let mut received = hook.received.lock().unwrap();
    *received.tries.entry(id.clone()).or_default() += 1;
    if let Some(status) = received.refuse.get(&id) {
        return *status;
    }
    let event: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(event["id"], id.as_str());
    received.accepted.push((now, id, event));
    StatusCode::NO_CONTENT
}

/// Points the configuration at a receiver.
pub fn configure(config: &mut Config, folder: &Folder, address: SocketAddr) {
    let file = folder.join("secret");
    bedwatch::secrets::write(&file, format!("whsec_{}\n", STANDARD.encode(SECRET)).as_bytes()).unwrap();
    config.sinks.webhook.url = format!("http://{address}/alerts");
    config.sinks.webhook.secret_file = file;
}

#[test]
fn what_was_not_delivered_when_the_process_ended_is_delivered_after_the_next_start() {
    let folder = Folder::new("sinks-restart");
    let mut site = Site::start(|_| {});
    let (hook, address) = Hook::start(&site.runtime);
    configure(&mut site.config, &folder, address);
    let published = ward("restart");
    let (first, rest) = published.split_at(60);
    let sinks = site.sinks();
    assert_eq!(sinks.names(), ["webhook"]);
    first.iter().for_each(|a| site.publish(a));
    site.until("the first half is delivered", || hook.accepted().len() >= first.len());
    site.runtime.block_on(sinks.stop());
    rest.iter().for_each(|a| site.publish(a));
    // A new process.
    site.metrics = bedwatch::metrics::Metrics::new();
    let sinks = site.sinks();
    let last = name(published.last().unwrap());
    site.until("the rest is delivered", || {
        hook.accepted().contains(&last) && hook.accepted().len() >= published.len()
    });
    site.runtime.block_on(sinks.stop());
    all_in_order(&published, &hook.accepted());
}

#[test]
fn what_is_refused_again_and_again_goes_to_the_dead_letters_and_the_next_one_goes_on() {
    let folder = Folder::new("sinks-refused");
    let mut site = Site::start(|c| c.sinks.tries = 3);
    let (hook, address) = Hook::start(&site.runtime);
    configure(&mut site.config, &folder, address);
    let published = ward("refused");
    // One patient's, so one comes before the other.
    let (poison, busy) = (name(&published[2]), name(&published[4]));
    {
        let mut received = hook.received.lock().unwrap();
        received.refuse.insert(poison.clone(), StatusCode::UNPROCESSABLE_ENTITY);
        received.refuse.insert(busy.clone(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let sinks = site.sinks();
    site.put("nobody", b"{\"schema\":\"alert/9\"}");
    published.iter().for_each(|a| site.publish(a));
    let gave_up = "bedwatch_sink_dead_letters_total{reason=\"refused\",sink=\"webhook\"}";
    site.until("the refused one is given up", || site.metric(gave_up) == 1);
    // A peer that is away is waited for, longer than any refusal.
    site.until("the busy one is tried more often than a refused one", || {
        hook.received.lock().unwrap().tries.get(&busy).is_some_and(|n| *n > 5)
    });
    hook.received.lock().unwrap().refuse.remove(&busy);
    site.until("everything else is delivered", || hook.accepted().len() >= published.len() - 1);
    site.until("the unreadable one is given up", || {
        site.metric("bedwatch_sink_dead_letters_total{reason=\"unreadable\",sink=\"webhook\"}") == 1
    });
    site.runtime.block_on(sinks.stop());
    assert_eq!(hook.received.lock().unwrap().tries[&poison], 3);
    let others: Vec<_> = published.iter().filter(|a| name(a) != poison).cloned().collect();
    all_in_order(&others, &hook.accepted());
    let letters = crate::gateway::stored(site.broker.bootstrap(), &site.config.kafka.topics.dead_letter);
    let letter = letters.iter().find(|l| l.headers["bedwatch_reason"] == "refused").unwrap();
    assert_eq!(letter.payload, serde_json::to_vec(&published[2]).unwrap());
    assert_eq!(letter.key.as_deref(), Some(published[2].patient.as_str()));
    assert_eq!(letter.headers["bedwatch_sink"], "webhook");
    assert_eq!(letter.headers["bedwatch_answer"], "HTTP status 422");
    assert_eq!(letters.len(), 2);
}
