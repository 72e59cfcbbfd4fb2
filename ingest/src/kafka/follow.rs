//! Following one topic: for what carries messages on to somewhere else.
//!
//! Two ways. A member of a consumer group ([`Follower::join`]) says after each message that it is
//! done with it; what is not done comes again after a restart, so every message is carried at least
//! once, in the order of its partition. A reader of everything ([`Follower::all`]) keeps no place.

use std::time::Duration;

use bedwatch_schemas::time::ArrivalTime;
use rdkafka::{
    Message, TopicPartitionList,
    config::ClientConfig,
    consumer::{Consumer, StreamConsumer},
    topic_partition_list::Offset,
};

use super::{Error, Properties, client_config};

/// How long the broker may take to answer for the list of partitions.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

/// What to follow.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port` of at least one broker.
    pub bootstrap: String,
    /// The topic.
    pub topic: String,
    /// The consumer group.
    pub group: String,
    /// librdkafka properties of the site; they win over the defaults.
    pub properties: Properties,
}

/// A message, owned, as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Followed {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The record's time, where the broker gave one.
    pub timestamp: Option<ArrivalTime>,
    /// Its key, where it is UTF-8.
    pub key: Option<String>,
    /// The message, byte for byte.
    pub payload: Vec<u8>,
}

impl std::fmt::Debug for Followed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Followed({}/{}, {} bytes)", self.partition, self.offset, self.payload.len())
    }
}

/// A consumer of one topic.
pub struct Follower {
    consumer: StreamConsumer,
    topic: String,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Follower {
    /// Joins the group: goes on after the last message it was done with, at first with the oldest.
    ///
    /// # Errors
    /// When the properties are refused.
    pub fn join(config: &Config) -> Result<Self, Error> {
        let follower = Self::connect(config)?;
        let subscribe = follower.consumer.subscribe(&[&config.topic]);
        subscribe.map_err(Error::client("subscribing to the topic"))?;
        Ok(follower)
    }

    /// Reads every partition from its beginning.
    ///
    /// # Errors
    /// When the properties are refused, the broker does not answer or the topic does not exist.
    pub fn all(config: &Config) -> Result<Self, Error> {
        let follower = Self::connect(config)?;
        let metadata = follower
            .consumer
            .fetch_metadata(Some(&config.topic), METADATA_TIMEOUT)
            .map_err(Error::client("asking for the partitions"))?;
        let mut all = TopicPartitionList::new();
        for partition in metadata.topics().iter().flat_map(|t| t.partitions()) {
            all.add_partition_offset(&config.topic, partition.id(), Offset::Beginning)
                .map_err(Error::client("naming the partitions"))?;
        }
        if all.count() == 0 {
            return Err(Error::NoTopic(config.topic.clone()));
        }
        follower.consumer.assign(&all).map_err(Error::client("taking the partitions"))?;
        Ok(follower)
    }

    fn connect(config: &Config) -> Result<Self, Error> {
        let ours = [
            ("client.id", "bedwatch"),
            ("group.id", config.group.as_str()),
            // What is stored is committed by itself, and what is done with is stored.
            ("enable.auto.commit", "true"),
            ("auto.commit.interval.ms", "1000"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "earliest"),
            ("allow.auto.create.topics", "false"),
            ("isolation.level", "read_committed"),
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "2000"),
            // A message may wait for its receiver for a day before the group thinks us dead.
            ("max.poll.interval.ms", "86400000"),
            ("fetch.wait.max.ms", "50"),
            // The bounded queue: when it is full, the client fetches no more and the topic keeps it.
            ("queued.min.messages", "1000"),
            ("queued.max.messages.kbytes", "4096"),
        ];
        let client: ClientConfig = client_config(&config.bootstrap, &ours, &config.properties);
        let consumer = client.create().map_err(Error::client("making the consumer"))?;
        Ok(Self { consumer, topic: config.topic.clone() })
    }

    /// The next message, whenever it comes. Dropping the future loses nothing.
    ///
    /// # Errors
    /// What the client reports; it goes on trying by itself, so the caller may too.
    pub async fn next(&self) -> Result<Followed, Error> {
        let message = self.consumer.recv().await.map_err(Error::client("reading the topic"))?;
        Ok(Followed {
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().map(ArrivalTime::from_millis),
            key: message.key_view::<str>().and_then(Result::ok).map(str::to_owned),
            payload: message.payload().unwrap_or_default().to_vec(),
        })
    }

    /// This message, and with it all before it in its partition, need not come again.
    ///
    /// # Errors
    /// When the partition has been given to another member: the message will be carried by it again.
    pub fn done(&self, message: &Followed) -> Result<(), Error> {
        self.consumer
            .store_offset(&self.topic, message.partition, message.offset)
            .map_err(Error::client("keeping the place"))
    }
}
