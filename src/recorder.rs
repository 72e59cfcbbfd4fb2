//! Reads the alerts topic back as any integrator would, and measures what arrives.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context;
use bedwatch_schemas::{alert::Alert, time::ArrivalTime};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::Headers,
};

use crate::{clock::Clock, live::TRIGGERED_HEADER};

/// One alert as received.
#[derive(Debug, Clone)]
pub struct Received {
    /// The alert.
    pub alert: Alert,
    /// The payload's bytes.
    pub payload: Vec<u8>,
    /// When its triggering sample arrived.
    pub triggered: ArrivalTime,
    /// When it was received here.
    pub received: ArrivalTime,
}

/// A consumer of the alerts topic on a thread of its own.
pub struct Recorder {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<Vec<Received>>>,
}

impl Recorder {
    /// Starts at the topic's beginning.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn start(bootstrap: &str, topic: &str, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", "bedwatch-recorder")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "10")
            .create()?;
        let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10))?;
        let partitions = metadata.topics().first().context("the alerts topic does not exist")?.partitions();
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || record(&consumer, &*clock, &stopped))?;
        Ok(Self { stop, thread })
    }

    /// Ends once nothing more comes, and gives what was received, in order.
    ///
    /// # Errors
    /// When a message was not an alert, or the consumer failed.
    pub fn finish(self) -> anyhow::Result<Vec<Received>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the recorder's thread panicked"))?
    }
}

fn record(consumer: &BaseConsumer, clock: &dyn Clock, stop: &AtomicBool) -> anyhow::Result<Vec<Received>> {
    let mut all = Vec::new();
    loop {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                let received = clock.now();
                let payload = message.payload().context("an alert without a payload")?.to_vec();
                let alert: Alert = serde_json::from_slice(&payload).context("a message that is no alert")?;
                let header = message.headers().and_then(|h| {
                    let found = h.iter().find(|h| h.key == TRIGGERED_HEADER)?;
                    std::str::from_utf8(found.value?).ok()?.parse().ok()
                });
                let triggered =
                    ArrivalTime::from_millis(header.context("an alert without its trigger's time")?);
                all.push(Received { alert, payload, triggered, received });
            }
            Some(Err(error)) => return Err(error.into()),
            None if stop.load(Ordering::Relaxed) => return Ok(all),
            None => {}
        }
    }
}

/// Percentiles of latencies.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Latency {
    /// Median, ms.
    pub p50: f64,
    /// 99th centile, ms.
    pub p99: f64,
    /// Longest, ms.
    pub max: f64,
    /// Alerts measured.
    pub count: usize,
}

impl Latency {
    /// Of the alerts triggered at or after `from`; nearest-rank centiles.
    #[must_use]
    pub fn of(received: &[Received], from: ArrivalTime) -> Self {
        let live = received.iter().filter(|r| r.triggered >= from);
        let mut millis: Vec<f64> = live.map(|r| r.received.since(r.triggered).0 as f64 / 1_000.0).collect();
        millis.sort_by(f64::total_cmp);
        let rank = |share: f64| {
            let i = (share * millis.len() as f64).ceil() as usize;
            millis.get(i.saturating_sub(1)).copied().unwrap_or(0.0)
        };
        Self { p50: rank(0.5), p99: rank(0.99), max: rank(1.0), count: millis.len() }
    }
}

/// Counts by name, in the order of names.
#[must_use]
pub fn count_by<'a, T: 'a>(
    items: impl IntoIterator<Item = &'a T>,
    name: impl Fn(&T) -> &'static str,
) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(name(item)).or_default() += 1;
    }
    counts
}
