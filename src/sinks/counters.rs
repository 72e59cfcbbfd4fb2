//! What the sinks count. The labels are the sinks' names and words of ours, never of a message.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, histogram_opts};

/// The metrics of all sinks.
#[derive(Debug, Clone)]
pub(super) struct Counters {
    delivered: IntCounterVec,
    failures: IntCounterVec,
    dead_letters: IntCounterVec,
    waiting: IntGaugeVec,
    seconds: HistogramVec,
}

/// The metrics of one sink.
#[derive(Debug, Clone)]
pub(super) struct Own {
    all: Counters,
    sink: &'static str,
}

impl Counters {
    /// All at zero.
    pub(super) fn new(registry: &Registry) -> Self {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let vec = IntCounterVec::new(Opts::new(name, help), labels).expect("names are constants");
            registry.register(Box::new(vec.clone())).expect("a registry has the sinks once");
            vec
        };
        let buckets = vec![0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0, 600.0];
        let options: HistogramOpts = histogram_opts!(
            "bedwatch_sink_seconds",
            "From an alert's record in Kafka to its acceptance by the sink's peer.",
            buckets
        );
        let seconds = HistogramVec::new(options, &["sink"]).expect("names are constants");
        registry.register(Box::new(seconds.clone())).expect("a registry has the sinks once");
        let waiting = IntGaugeVec::new(
            Opts::new(
                "bedwatch_sink_waiting",
                "1 while a message waits for a peer that cannot be reached or refuses it.",
            ),
            &["sink"],
        )
        .expect("names are constants");
        registry.register(Box::new(waiting.clone())).expect("a registry has the sinks once");
        Self {
            delivered: counter("bedwatch_sink_delivered_total", "Messages accepted by the peer.", &["sink"]),
            failures: counter(
                "bedwatch_sink_failures_total",
                "Tries that failed: the peer was away, or refused the message.",
                &["sink", "reason"],
            ),
            dead_letters: counter(
                "bedwatch_sink_dead_letters_total",
                "Messages given up, by reason.",
                &["sink", "reason"],
            ),
            waiting,
            seconds,
        }
    }

    pub(super) fn of(&self, sink: &'static str) -> Own {
        self.delivered.with_label_values(&[sink]);
        self.waiting.with_label_values(&[sink]).set(0);
        Own { all: self.clone(), sink }
    }
}

impl Own {
    pub(super) fn delivered(&self, secs: Option<f64>) {
        self.all.delivered.with_label_values(&[self.sink]).inc();
        self.all.waiting.with_label_values(&[self.sink]).set(0);
        if let Some(secs) = secs {
            self.all.seconds.with_label_values(&[self.sink]).observe(secs);
        }
    }

    pub(super) fn failed(&self, reason: &str) {
        self.all.failures.with_label_values(&[self.sink, reason]).inc();
        self.all.waiting.with_label_values(&[self.sink]).set(1);
    }

    pub(super) fn gave_up(&self, reason: &str) {
        self.all.dead_letters.with_label_values(&[self.sink, reason]).inc();
        self.all.waiting.with_label_values(&[self.sink]).set(0);
    }
}
