//! What leaves the loop: alerts, the ledger of what was withheld, and dead letters, counted until the
//! broker has them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bedwatch_ingest::kafka::{
    headers::{CloudEvent, Headers},
    sink::Sink,
    source::OwnedRecord,
};
use bedwatch_schemas::{dead_letter::DeadLetter, time::Span, withheld::Withheld};

use super::Shared;
use crate::{archive::Feed, narration::Told};

/// Header: when the triggering sample arrived, ms since the epoch.
pub const TRIGGERED_HEADER: &str = "bedwatch_triggered_ms";
/// Header: from there to handing the alert to the producer, ms. Not in the payload, which is the
/// same for every run over the same log.
pub const LATENCY_HEADER: &str = "bedwatch_latency_ms";

/// The way out.
pub struct Outlet {
    sink: Sink,
    shared: Shared,
    archive: Option<Arc<Feed>>,
    submitted: AtomicU64,
    sent: AtomicU64,
}

impl Outlet {
    pub(super) fn new(sink: Sink, shared: Shared, archive: Option<Arc<Feed>>) -> Self {
        Self { sink, shared, archive, submitted: AtomicU64::new(0), sent: AtomicU64::new(0) }
    }

    /// Counts an alert decided: it must come by [`Outlet::alert`] later.
    pub(super) fn submitted(&self) {
        self.submitted.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether every alert decided so far is with the broker.
    pub(super) fn is_clear(&self) -> bool {
        let counts = self.sink.counts();
        self.sent.load(Ordering::Relaxed) == self.submitted.load(Ordering::Relaxed)
            && counts.delivered == counts.sent
    }

    pub(super) fn failed(&self) -> u64 {
        self.sink.counts().failed
    }

    /// Hands an alert to Kafka.
    pub(super) fn alert(&self, told: &Told) {
        let alert = &told.alert;
        let latency = self.shared.clock.now().since(told.triggered);
        let id = format!("{}/{}", alert.id, alert.sequence);
        let event = CloudEvent {
            id: &id,
            kind: "org.bedwatch.alert.v1",
            source: "/bedwatch",
            time: Some(alert.at),
            content_type: "application/json",
        };
        let headers = Headers::cloud_event(&event)
            .with(TRIGGERED_HEADER, told.triggered.as_millis().to_string())
            .with(LATENCY_HEADER, (latency.0 / 1_000).to_string());
        let payload = serde_json::to_vec(alert).expect("an alert is plain data");
        let topic = &self.sink.topics().alerts;
        if let Err(error) = self.sink.send(topic, Some(alert.patient.as_str()), &payload, headers, None) {
            // Not counted as sent: no checkpoint is written past it, so a restart says it again.
            tracing::error!(%error, "an alert could not be handed to Kafka");
            return;
        }
        // Before it counts as sent: from then on the archive may be settled.
        if let Some(archive) = &self.archive {
            archive.alert(alert);
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        // What is older than a minute was caught up after a start: not a latency of the engine.
        let live = (latency < Span::minutes(1)).then(|| latency.as_secs_f64());
        self.shared.metrics.alert(alert, live);
        self.shared.board.alert(alert);
        (self.shared.on_alert)(told);
    }

    /// Hands an entry of the ledger to Kafka. Counted like an alert: no checkpoint is written past one
    /// that is not with the broker.
    pub(super) fn withheld(&self, entry: &Withheld) {
        self.submitted();
        let id = format!("{}/withheld/{}", entry.alert, entry.sequence);
        let event = CloudEvent {
            id: &id,
            kind: "org.bedwatch.withheld.v1",
            source: "/bedwatch",
            time: Some(entry.at),
            content_type: "application/json",
        };
        let payload = serde_json::to_vec(entry).expect("an entry is plain data");
        let (topic, key) = (&self.sink.topics().withheld, Some(entry.patient.as_str()));
        if let Err(error) = self.sink.send(topic, key, &payload, Headers::cloud_event(&event), None) {
            tracing::error!(%error, "an entry of the ledger could not be handed to Kafka");
            return;
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.shared.board.withheld(entry);
    }

    /// Hands a message that could not be decoded whole to the dead letters. The stream goes on even
    /// when that fails; the failure is an error in the log and the rejection stays counted.
    pub(super) fn dead_letter(&self, record: &OwnedRecord, letter: &DeadLetter) {
        if let Err(error) = self.sink.dead_letter(record, letter) {
            tracing::error!(%error, "a dead letter could not be handed to Kafka");
        }
    }

    pub(super) fn flush(&self, at_most: Duration) -> anyhow::Result<()> {
        self.sink.flush(at_most)?;
        Ok(())
    }
}
