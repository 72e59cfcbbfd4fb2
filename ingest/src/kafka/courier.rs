//! Messages out, each with a receipt: for receivers that may acknowledge only what the broker has.
//!
//! The same idempotent producer as [`super::sink`], with two differences: every message tells its own
//! delivery, and one that is not delivered in time fails, so that its sender can be told to try again
//! instead of waiting for minutes. What was given up may still have reached the broker (its answer was
//! lost): then the sender's repeat is there twice, and never not at all.

use std::time::Duration;

use bedwatch_schemas::dead_letter::DeadLetter;
use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    producer::{FutureProducer, FutureRecord, Producer, future_producer::DeliveryFuture},
};

use super::{Error, Properties, Topics, client_config, headers::Headers};

/// Bytes that may wait for the broker, in KiB; then [`Refused::Full`].
const QUEUE_KIB: &str = "65536";

/// How to reach the broker.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port` of at least one broker.
    pub bootstrap: String,
    /// The names of the topics.
    pub topics: Topics,
    /// librdkafka properties of the site; they win over the defaults.
    pub properties: Properties,
    /// A message not delivered after this time has failed.
    pub timeout: Duration,
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Too much waits for the broker already: try again later.
    #[error("kafka: too many messages wait for the broker")]
    Full,
    /// The message itself is refused.
    #[error(transparent)]
    Never(Error),
}

/// A message on its way.
pub struct Receipt(DeliveryFuture);

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receipt")
    }
}

impl Receipt {
    /// Waits for the broker's word; the partition and offset. It comes within the courier's timeout.
    ///
    /// # Errors
    /// When the message was not delivered.
    pub async fn delivered(self) -> Result<(i32, i64), Error> {
        match self.0.await {
            Ok(Ok(delivery)) => Ok((delivery.partition, delivery.offset)),
            Ok(Err((source, _))) => Err(Error::Client { what: "delivering a message", source }),
            Err(_) => Err(Error::Undelivered(1)),
        }
    }
}

/// The producer.
pub struct Courier {
    producer: FutureProducer,
    topics: Topics,
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Courier").field("waiting", &self.producer.in_flight_count()).finish_non_exhaustive()
    }
}

impl Courier {
    /// Makes the producer; the broker is reached in the background.
    ///
    /// # Errors
    /// When the properties are refused or names collide.
    pub fn connect(config: &Config) -> Result<Self, Error> {
        config.topics.check()?;
        let timeout = config.timeout.as_millis().max(1).to_string();
        let ours = [
            ("client.id", "bedwatch-gateway"),
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("linger.ms", "1"),
            ("partitioner", "murmur2_random"),
            ("message.max.bytes", "5242880"),
            ("queue.buffering.max.kbytes", QUEUE_KIB),
            ("compression.codec", "none"),
            ("message.timeout.ms", &timeout),
        ];
        let producer = client_config(&config.bootstrap, &ours, &config.properties)
            .create()
            .map_err(Error::client("making the producer"))?;
        Ok(Self { producer, topics: config.topics.clone() })
    }

    /// The names of the topics.
    #[must_use]
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Asks the broker for the topics a receiver writes to.
    ///
    /// # Errors
    /// When it does not answer, or a topic does not exist.
    pub fn check(&self, at_most: Duration) -> Result<(), Error> {
        for topic in [&self.topics.hl7v2, &self.topics.fhir, &self.topics.dead_letter] {
            let found = self
                .producer
                .client()
                .fetch_metadata(Some(topic), at_most)
                .map_err(Error::client("asking for a topic"))?;
            if found.topics().iter().all(|t| t.partitions().is_empty()) {
                return Err(Error::NoTopic(topic.clone()));
            }
        }
        Ok(())
    }

    /// Hands a message over.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn offer(
        &self,
        topic: &str,
        key: Option<&str>,
        payload: &[u8],
        headers: Headers,
        timestamp_millis: i64,
    ) -> Result<Receipt, Refused> {
        let mut record: FutureRecord<'_, str, [u8]> =
            FutureRecord::to(topic).payload(payload).timestamp(timestamp_millis);
        record.key = key;
        record.headers = headers.into_owned();
        match self.producer.send_result(record) {
            Ok(receipt) => Ok(Receipt(receipt)),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Err(Refused::Full),
            Err((source, _)) => Err(Refused::Never(Error::Client { what: "sending a message", source })),
        }
    }

    /// Hands over a message that was refused at the door: the original bytes, and places and reasons
    /// in the headers. Partition and offset of the letter are -1: it never was in an input topic.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn dead_letter(
        &self,
        key: Option<&str>,
        payload: &[u8],
        letter: &DeadLetter,
        timestamp_millis: i64,
    ) -> Result<Receipt, Refused> {
        let headers = Headers::dead_letter(self.topics.input(letter.stream), letter);
        self.offer(&self.topics.dead_letter, key, payload, headers, timestamp_millis)
    }

    /// Waits until nothing is on its way.
    ///
    /// # Errors
    /// When the time runs out.
    pub fn flush(&self, at_most: Duration) -> Result<(), Error> {
        self.producer.flush(at_most).map_err(Error::client("flushing the producer"))
    }
}
