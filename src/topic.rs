//! A topic read from its beginning to where it ends now: for tools that look back, not for the engine.

use std::time::Duration;

use anyhow::{Context, bail};
use bedwatch_ingest::kafka::{self, source::OwnedRecord};
use bedwatch_schemas::{event::Stream, time::ArrivalTime};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use crate::config::Config;

/// How long the broker may be silent.
const WAIT: Duration = Duration::from_secs(30);

/// A topic with the first and the next offset of each of its partitions, as they are now.
pub struct Topic {
    consumer: BaseConsumer,
    name: String,
    /// Partition, first offset, next offset.
    partitions: Vec<(i32, i64, i64)>,
}

impl Topic {
    /// Asks the broker of the configuration.
    ///
    /// # Errors
    /// When the broker does not answer or the topic does not exist.
    pub fn open(config: &Config, name: &str) -> anyhow::Result<Self> {
        let bootstrap = &config.kafka.bootstrap;
        let mut client = ClientConfig::new();
        for (key, value) in &config.kafka.properties.0 {
            client.set(key, value);
        }
        client.set("bootstrap.servers", bootstrap).set("group.id", "bedwatch-look-back");
        client.set("enable.auto.commit", "false");
        let consumer: BaseConsumer =
            client.create().map_err(|e| kafka::Error::of_client("making a consumer", e))?;
        let silent = || format!("Kafka at {bootstrap} does not answer");
        let metadata = consumer.fetch_metadata(Some(name), WAIT).with_context(silent)?;
        let ids: Vec<i32> = metadata
            .topics()
            .first()
            .map(|t| t.partitions().iter().map(rdkafka::metadata::MetadataPartition::id).collect())
            .unwrap_or_default();
        if ids.is_empty() {
            bail!("the topic {name} does not exist");
        }
        let ends = |id| {
            let (low, high) = consumer.fetch_watermarks(name, id, WAIT).with_context(silent)?;
            anyhow::Ok((id, low, high))
        };
        let partitions = ids.into_iter().map(ends).collect::<Result<_, _>>()?;
        Ok(Self { consumer, name: name.to_owned(), partitions })
    }

    /// Partition, first offset, next offset.
    #[must_use]
    pub fn partitions(&self) -> &[(i32, i64, i64)] {
        &self.partitions
    }

    /// Every record up to those ends, partition by partition, as of this stream.
    ///
    /// # Errors
    /// When the broker falls silent, and what `each` says.
    pub fn read(
        &self,
        stream: Stream,
        mut each: impl FnMut(OwnedRecord) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for &(partition, low, high) in &self.partitions {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&self.name, partition, Offset::Offset(low))?;
            self.consumer.assign(&list)?;
            let mut next = low;
            while next < high {
                let silent = || format!("{} gave nothing for {} s", self.name, WAIT.as_secs());
                let message = self.consumer.poll(WAIT).with_context(silent)??;
                next = message.offset() + 1;
                each(OwnedRecord {
                    stream,
                    partition,
                    offset: message.offset(),
                    timestamp: message.timestamp().to_millis().map(ArrivalTime::from_millis),
                    key: message.key().and_then(|k| std::str::from_utf8(k).ok()).map(str::to_owned),
                    payload: message.payload().unwrap_or_default().to_vec(),
                })?;
            }
        }
        Ok(())
    }
}
