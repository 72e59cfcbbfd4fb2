//! Messages out: an idempotent producer that counts every delivery.
//!
//! Sending never blocks on the broker; a full local queue is waited for, because alerts and dead
//! letters may not be dropped. [`Sink::flush`] before a checkpoint tells whether all of it arrived.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bedwatch_schemas::{dead_letter::DeadLetter, event::Stream};
use rdkafka::{
    ClientContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer},
};

use super::{Error, Properties, Topics, client_config, headers::Headers, source::OwnedRecord};

/// How often a full queue is tried again.
const RETRY: Duration = Duration::from_millis(5);
/// How long the broker may take to tell a topic's partitions.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

/// What has become of the messages handed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken into the local queue.
    pub sent: u64,
    /// Acknowledged by the broker.
    pub delivered: u64,
    /// Refused for good.
    pub failed: u64,
}

#[derive(Default)]
struct Tally {
    sent: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
}

struct Context(Arc<Tally>);

impl ClientContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => self.0.delivered.fetch_add(1, Ordering::Relaxed),
            Err((error, _)) => {
                // Data lost is an error. The message itself is not printed.
                tracing::error!(code = ?error.rdkafka_error_code(), "a message was not delivered");
                self.0.failed.fetch_add(1, Ordering::Relaxed)
            }
        };
    }
}

/// How to reach the broker for writing.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port` of at least one broker.
    pub bootstrap: String,
    /// The names of the topics.
    pub topics: Topics,
    /// librdkafka properties of the site (security, quotas); they win over the defaults.
    pub properties: Properties,
}

/// The producer.
pub struct Sink {
    producer: ThreadedProducer<Context>,
    tally: Arc<Tally>,
    topics: Topics,
    /// How many partitions a topic has, once asked.
    partitions: Mutex<BTreeMap<String, i32>>,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl Sink {
    /// Makes the producer; the broker is reached in the background.
    ///
    /// # Errors
    /// When the properties are refused.
    pub fn connect(config: &Config) -> Result<Self, Error> {
        config.topics.check()?;
        let ours = [
            ("client.id", "bedwatch"),
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("linger.ms", "1"),
            // The partitioner of the Java clients, so that every writer of a patient agrees.
            ("partitioner", "murmur2_random"),
            // Room for a 4 MiB message with its dead-letter headers; the broker has its own limit.
            ("message.max.bytes", "5242880"),
            ("compression.codec", "none"),
        ];
        let tally = Arc::new(Tally::default());
        let producer = client_config(&config.bootstrap, &ours, &config.properties)
            .create_with_context(Context(tally.clone()))
            .map_err(Error::client("making the producer"))?;
        Ok(Self { producer, tally, topics: config.topics.clone(), partitions: Mutex::default() })
    }

    /// The names of the topics.
    #[must_use]
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Hands a message over. Waits while the local queue is full; otherwise returns at once, and the
    /// delivery is counted when it is known.
    ///
    /// # Errors
    /// When the message itself is refused (too large, unknown topic).
    pub fn send(
        &self,
        topic: &str,
        key: Option<&str>,
        payload: &[u8],
        headers: Headers,
        timestamp_millis: Option<i64>,
    ) -> Result<(), Error> {
        let mut record: BaseRecord<str, [u8]> = BaseRecord::to(topic).payload(payload);
        record.key = key;
        record.headers = headers.into_owned();
        record.timestamp = timestamp_millis;
        self.hand_over(record)
    }

    fn hand_over(&self, mut record: BaseRecord<'_, str, [u8]>) -> Result<(), Error> {
        loop {
            match self.producer.send(record) {
                Ok(()) => {
                    self.tally.sent.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    std::thread::sleep(RETRY);
                }
                Err((source, _)) => return Err(Error::Client { what: "sending a message", source }),
            }
        }
    }

    /// Sends a message that could not be decoded whole to the dead letters: the original bytes and
    /// key, and the place and reason in the headers.
    ///
    /// # Errors
    /// As [`Sink::send`].
    pub fn dead_letter(&self, record: &OwnedRecord, letter: &DeadLetter) -> Result<(), Error> {
        let headers = Headers::dead_letter(self.topics.input(record.stream), letter);
        let time = record.timestamp.map(|t| t.as_millis());
        self.send(&self.topics.dead_letter, record.key.as_deref(), &record.payload, headers, time)
    }

    /// Says in every partition of the input topics that nothing stamped before this will follow there
    /// (see [`super::source::Item::Mark`]).
    ///
    /// # Errors
    /// When the broker does not tell the partitions, or as [`Sink::send`].
    pub fn mark(&self, timestamp_millis: i64) -> Result<(), Error> {
        for topic in Stream::ALL.map(|stream| self.topics.input(stream)) {
            for partition in 0..self.partitions(topic)? {
                let record = BaseRecord::<str, [u8]>::to(topic).partition(partition);
                self.hand_over(record.timestamp(timestamp_millis))?;
            }
        }
        Ok(())
    }

    fn partitions(&self, topic: &str) -> Result<i32, Error> {
        let mut known = self.partitions.lock().expect("nobody panics while holding the counts");
        if let Some(count) = known.get(topic) {
            return Ok(*count);
        }
        let asked = self.producer.client().fetch_metadata(Some(topic), METADATA_TIMEOUT);
        let metadata = asked.map_err(Error::client("asking for the partitions"))?;
        let count = metadata.topics().first().map_or(0, |t| t.partitions().len());
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        known.insert(topic.to_owned(), count);
        Ok(count)
    }

    /// What has become of the messages so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            sent: self.tally.sent.load(Ordering::Relaxed),
            delivered: self.tally.delivered.load(Ordering::Relaxed),
            failed: self.tally.failed.load(Ordering::Relaxed),
        }
    }

    /// Waits until every message handed over is delivered or failed.
    ///
    /// # Errors
    /// When the time runs out, or when any message of this sink has failed so far.
    pub fn flush(&self, at_most: Duration) -> Result<Counts, Error> {
        self.producer.flush(at_most).map_err(Error::client("flushing the producer"))?;
        // The queue is empty; the thread that serves it may still be counting the last report.
        let mut counts = self.counts();
        while counts.delivered + counts.failed < counts.sent {
            std::thread::sleep(Duration::from_millis(1));
            counts = self.counts();
        }
        if counts.failed > 0 { Err(Error::Undelivered(counts.failed)) } else { Ok(counts) }
    }
}
