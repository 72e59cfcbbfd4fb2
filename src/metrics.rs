//! Prometheus metrics. No label names a patient, a bed or anything from a message.

use bedwatch_schemas::{alert::Alert, rationale::RationaleSource};
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
    histogram_opts, opts,
};

use crate::engine::core::Counters;

/// Every metric of the engine.
pub struct Metrics {
    registry: Registry,
    records: IntCounterVec,
    events: IntCounterVec,
    rejections: IntCounterVec,
    dead_letters: IntCounter,
    values: IntCounterVec,
    frames: IntCounter,
    assessments: IntCounterVec,
    decided: IntCounter,
    withheld: IntCounterVec,
    unsaid: IntCounterVec,
    feedback: IntCounterVec,
    alerts: IntCounterVec,
    rationales: IntCounterVec,
    latency: HistogramVec,
    lag: IntGauge,
    patients: IntGauge,
    forgotten: IntCounter,
    site_failures: IntCounter,
    gaps: IntCounter,
    kafka_errors: IntCounter,
    late_to_cell: IntCounter,
    undelivered: IntGauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let vec = IntCounterVec::new(Opts::new(name, help), labels).expect("names and labels are constants");
    registry.register(Box::new(vec.clone())).expect("each name is registered once");
    vec
}

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    let one = IntCounter::with_opts(opts!(name, help)).expect("the name is a constant");
    registry.register(Box::new(one.clone())).expect("each name is registered once");
    one
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    let one = IntGauge::with_opts(opts!(name, help)).expect("the name is a constant");
    registry.register(Box::new(one.clone())).expect("each name is registered once");
    one
}

impl Metrics {
    /// All metrics at zero.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let r = &registry;
        let buckets = vec![0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.5, 2.0, 5.0, 10.0];
        let options: HistogramOpts = histogram_opts!(
            "bedwatch_alert_latency_seconds",
            "From a sample's arrival to its alert handed to Kafka.",
            buckets
        );
        let latency = HistogramVec::new(options, &["source"]).expect("names are constants");
        r.register(Box::new(latency.clone())).expect("registered once");
        Self {
            records: counters(r, "bedwatch_records_total", "Records read.", &["stream"]),
            events: counters(r, "bedwatch_events_total", "Events decoded.", &["stream"]),
            rejections: counters(
                r,
                "bedwatch_rejections_total",
                "Parts of messages rejected.",
                &["stream", "reason"],
            ),
            dead_letters: counter(r, "bedwatch_dead_letters_total", "Records sent to the dead letters."),
            values: counters(r, "bedwatch_values_total", "Values by what became of them.", &["fate"]),
            frames: counter(r, "bedwatch_frames_total", "Feature frames evaluated."),
            assessments: counters(r, "bedwatch_assessments_total", "Encoder passes.", &["result"]),
            decided: counter(r, "bedwatch_alerts_decided_total", "Alert episodes that began."),
            withheld: counters(
                r,
                "bedwatch_alerts_withheld_total",
                "Alerts withheld, by the first reason.",
                &["reason"],
            ),
            unsaid: counters(
                r,
                "bedwatch_withheld_fates_total",
                "What became of alerts withheld.",
                &["fate"],
            ),
            feedback: counters(
                r,
                "bedwatch_feedback_total",
                "What people said of alerts, by what became of it.",
                &["action", "result"],
            ),
            alerts: counters(r, "bedwatch_alerts_total", "Alert messages.", &["kind", "phase", "priority"]),
            rationales: counters(
                r,
                "bedwatch_rationales_total",
                "Rationales by who wrote them.",
                &["source", "reason"],
            ),
            latency,
            lag: gauge(r, "bedwatch_cell_lag_milliseconds", "How far the closed cells are behind the clock."),
            patients: gauge(r, "bedwatch_patients", "Patients followed."),
            forgotten: counter(
                r,
                "bedwatch_patients_forgotten_total",
                "Patients forgotten after long silence without a discharge.",
            ),
            site_failures: counter(
                r,
                "bedwatch_site_failures_total",
                "Evaluations of the site's rules that failed.",
            ),
            gaps: counter(r, "bedwatch_offset_gaps_total", "Records that vanished from a partition."),
            kafka_errors: counter(
                r,
                "bedwatch_kafka_errors_total",
                "Errors that Kafka's client reported while reading.",
            ),
            late_to_cell: counter(
                r,
                "bedwatch_late_to_cell_total",
                "Records that came after their cell was closed.",
            ),
            undelivered: gauge(r, "bedwatch_undelivered", "Messages the broker refused for good."),
            registry,
        }
    }

    /// Where parts beside the engine register their own.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Takes over the core's counts.
    pub fn core(&self, c: &Counters) {
        let set = |vec: &IntCounterVec, labels: &[&str], to: u64| raise(&vec.with_label_values(labels), to);
        for (stream, n) in &c.records {
            set(&self.records, &[stream.name()], *n);
        }
        for (stream, n) in &c.events {
            set(&self.events, &[stream.name()], *n);
        }
        for ((stream, reason), n) in &c.rejections {
            set(&self.rejections, &[stream.name(), reason.name()], *n);
        }
        raise(&self.dead_letters, c.dead_letters);
        raise(&self.frames, c.frames);
        set(&self.values, &["late"], c.late);
        set(&self.values, &["too_late"], c.too_late);
        set(&self.values, &["ahead"], c.ahead);
        set(&self.values, &["implausible"], c.implausible);
        raise(&self.forgotten, c.forgotten);
        raise(&self.site_failures, c.site_failures);
        set(&self.values, &["duplicate"], c.duplicates);
        set(&self.assessments, &["ok"], c.assessments - c.assessment_failures);
        set(&self.assessments, &["failed"], c.assessment_failures);
        raise(&self.decided, c.decided);
        for (reason, n) in &c.withheld {
            set(&self.withheld, &[reason.name()], *n);
        }
        set(&self.unsaid, &["released"], c.released);
        set(&self.unsaid, &["ended"], c.ended_unsaid);
        for ((action, heard), n) in &c.feedback {
            set(&self.feedback, &[action.name(), heard.name()], *n);
        }
    }

    /// Counts an alert handed to Kafka.
    pub fn alert(&self, alert: &Alert, latency_secs: Option<f64>) {
        self.alerts.with_label_values(&[alert.kind.name(), alert.phase.name(), alert.priority.name()]).inc();
        let (source, reason) = match &alert.rationale.source {
            RationaleSource::Model(_) => ("model", "none"),
            RationaleSource::Template(reason) => ("template", reason.name()),
        };
        self.rationales.with_label_values(&[source, reason]).inc();
        if let Some(secs) = latency_secs {
            self.latency.with_label_values(&[source]).observe(secs);
        }
    }

    /// Sets the gauges of the loop.
    pub fn pace(&self, lag_millis: i64, patients: usize, late_to_cell: u64, undelivered: u64) {
        self.lag.set(lag_millis);
        self.patients.set(i64::try_from(patients).unwrap_or(i64::MAX));
        raise(&self.late_to_cell, late_to_cell);
        self.undelivered.set(i64::try_from(undelivered).unwrap_or(i64::MAX));
    }

    /// Counts records that vanished.
    pub fn gap(&self, records: u64) {
        self.gaps.inc_by(records);
    }

    /// Kafka's client reported an error while reading.
    pub fn kafka_error(&self) {
        self.kafka_errors.inc();
    }

    /// The exposition text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = Vec::new();
        // Encoding into memory fails only on inconsistent families, which the constants exclude.
        if TextEncoder::new().encode(&self.registry.gather(), &mut out).is_err() {
            tracing::error!("the metrics could not be encoded");
        }
        String::from_utf8(out).unwrap_or_default()
    }
}

/// Raises a counter to `to`; a counter never falls.
fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}
