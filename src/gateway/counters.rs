//! What the gateway counts. Labels are words of ours, never of a message or a peer.

use bedwatch_ingest::mllp::codec;
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

/// The gateway's metrics.
#[derive(Debug, Clone)]
pub struct Counters {
    connections: IntGaugeVec,
    ended: IntCounterVec,
    messages: IntCounterVec,
    faults: IntCounterVec,
    framing: IntCounterVec,
    notifications: IntCounterVec,
    answers: IntCounterVec,
}

fn counter(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let vec = IntCounterVec::new(Opts::new(name, help), labels).expect("names and labels are constants");
    registry.register(Box::new(vec.clone())).expect("a registry has one gateway");
    vec
}

impl Counters {
    /// All at zero.
    ///
    /// # Panics
    /// When the registry has a gateway's counters already.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let connections =
            IntGaugeVec::new(Opts::new("bedwatch_gateway_connections", "Open connections."), &["protocol"])
                .expect("names and labels are constants");
        registry.register(Box::new(connections.clone())).expect("a registry has one gateway");
        let counter = |name, help, labels: &[&str]| counter(registry, name, help, labels);
        Self {
            connections,
            ended: counter(
                "bedwatch_gateway_connections_ended_total",
                "Connections by how they ended.",
                &["protocol", "how"],
            ),
            messages: counter(
                "bedwatch_gateway_messages_total",
                "Messages by what became of them.",
                &["protocol", "fate"],
            ),
            faults: counter(
                "bedwatch_gateway_faults_total",
                "Faults told to senders.",
                &["protocol", "reason"],
            ),
            framing: counter(
                "bedwatch_gateway_mllp_framing_total",
                "What was read outside of whole frames.",
                &["what"],
            ),
            notifications: counter(
                "bedwatch_gateway_notifications_total",
                "FHIR subscription notifications by kind, and events that never came.",
                &["what"],
            ),
            answers: counter(
                "bedwatch_gateway_answers_total",
                "What FHIR resources said of alerts: said, or echo of what bedwatch wrote itself.",
                &["what"],
            ),
        }
    }

    pub(super) fn opened(&self, protocol: &str) {
        self.connections.with_label_values(&[protocol]).inc();
    }

    pub(super) fn closed(&self, protocol: &str) {
        self.connections.with_label_values(&[protocol]).dec();
    }

    pub(super) fn ended(&self, protocol: &str, how: &str) {
        self.ended.with_label_values(&[protocol, how]).inc();
    }

    pub(super) fn message(&self, protocol: &str, fate: &str) {
        self.messages.with_label_values(&[protocol, fate]).inc();
    }

    pub(super) fn fault(&self, protocol: &str, reason: &str) {
        self.faults.with_label_values(&[protocol, reason]).inc();
    }

    pub(super) fn notification(&self, what: &str, n: u64) {
        self.notifications.with_label_values(&[what]).inc_by(n);
    }

    pub(super) fn answers(&self, said: usize, echoes: usize) {
        self.answers.with_label_values(&["said"]).inc_by(said as u64);
        self.answers.with_label_values(&["echo"]).inc_by(echoes as u64);
    }

    /// What a connection's codec has counted since it was last asked.
    pub(super) fn framing(&self, before: &codec::Counts, now: &codec::Counts) {
        let add = |what: &str, before: u64, now: u64| {
            if now > before {
                self.framing.with_label_values(&[what]).inc_by(now - before);
            }
        };
        add("empty", before.empty, now.empty);
        add("stray_bytes", before.stray_bytes, now.stray_bytes);
        add("broken", before.broken, now.broken);
        add("broken_bytes", before.broken_bytes, now.broken_bytes);
        add("too_large", before.too_large, now.too_large);
        add("too_large_bytes", before.too_large_bytes, now.too_large_bytes);
    }

    /// How many messages of a protocol had this fate.
    #[must_use]
    pub fn messages(&self, protocol: &str, fate: &str) -> u64 {
        self.messages.with_label_values(&[protocol, fate]).get()
    }
}
