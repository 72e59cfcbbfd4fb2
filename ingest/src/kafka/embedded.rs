//! The broker of `demo` and tests: librdkafka's mock cluster inside this process.
//!
//! It speaks the real protocol, so the clients are the hospital's. It is a convenience and not a
//! broker: nothing on disk, and past [`PARTITION_BYTES`] or [`PARTITION_BATCHES`] a partition loses
//! its oldest records silently. Whoever reads from it watches for [`super::source::Item::Gap`].

use rdkafka::{mocking::MockCluster, producer::DefaultProducerContext};

use super::{Error, Topics};

/// Bytes a partition holds before its oldest records vanish (librdkafka `rdkafka_mock.c`).
pub const PARTITION_BYTES: usize = 5 * 1024 * 1024;
/// Record batches a partition holds before its oldest vanish.
pub const PARTITION_BATCHES: usize = 100_000;

/// An in-process broker; it ends when dropped. Drop clients first: one that finds its broker gone
/// waits out its session timeout when it closes.
pub struct Broker {
    cluster: MockCluster<'static, DefaultProducerContext>,
    bootstrap: String,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("bootstrap", &self.bootstrap).finish_non_exhaustive()
    }
}

impl Broker {
    /// Starts a broker and creates every topic with `partitions` partitions (at least 1).
    ///
    /// # Errors
    /// When names collide, or the cluster or a topic cannot be made.
    pub fn start(topics: &Topics, partitions: i32) -> Result<Self, Error> {
        topics.check()?;
        let cluster = MockCluster::new(1).map_err(Error::client("starting the embedded broker"))?;
        for topic in topics.all() {
            cluster
                .create_topic(topic, partitions.max(1), 1)
                .map_err(Error::client("creating a topic on the embedded broker"))?;
        }
        let bootstrap = cluster.bootstrap_servers();
        Ok(Self { cluster, bootstrap })
    }

    /// The address clients connect to.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Makes every answer of the broker take this long: for tests that need a slow broker.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub fn set_round_trip(&self, time: std::time::Duration) -> Result<(), Error> {
        self.cluster.broker_round_trip_time(-1, time).map_err(Error::client("slowing the embedded broker"))
    }

    /// Takes the broker off the network (`false` brings it back): for outage tests.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub fn set_down(&self, down: bool) -> Result<(), Error> {
        let changed = if down { self.cluster.broker_down(-1) } else { self.cluster.broker_up(-1) };
        changed.map_err(Error::client("switching the embedded broker"))
    }
}
