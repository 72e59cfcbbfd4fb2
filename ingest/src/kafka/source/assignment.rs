//! Which partitions the consumer reads and where it begins, in both modes.
//!
//! Every partition's queue is split off *before* it is assigned, so that no record or end of
//! partition of it can pass through the common queue, where the topic of an end is not told.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak},
    time::Duration,
};

use bedwatch_schemas::event::Stream;
use rdkafka::{
    ClientContext, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext, base_consumer::PartitionQueue},
    error::{KafkaError, RDKafkaErrorCode},
    topic_partition_list::Offset,
    types::RDKafkaRespErr,
};

use super::{Config, METADATA_TIMEOUT, Mode, Start};
use crate::kafka::Error;

/// The queue of one partition.
pub(super) struct Partition {
    pub(super) stream: Stream,
    pub(super) partition: i32,
    /// The offset it is known to begin with.
    pub(super) start: Option<i64>,
    pub(super) queue: PartitionQueue<Context>,
}

/// What the thread must take notice of, in order.
pub(super) enum Change {
    /// Read these from now on.
    Add(Vec<Partition>),
    /// Stop reading these.
    Remove(Vec<(Stream, i32)>),
    /// A rebalance went wrong.
    Failed(KafkaError),
}

/// Wakes the reader when any queue has become non-empty.
#[derive(Default)]
pub(super) struct Bell {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Bell {
    pub(super) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_one();
    }

    /// Waits for a ring, or for the time to pass.
    pub(super) fn wait(&self, at_most: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rung, _) = self
            .bell
            .wait_timeout_while(rung, at_most, |rung| !*rung)
            .unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}

/// The consumer's context: it hears of rebalances and splits the queues.
pub(super) struct Context {
    config: Config,
    /// Starting offsets not used yet. Each serves once: a partition that comes back later has been
    /// read further by others, so it goes on at the group's committed offset.
    offsets: Mutex<BTreeMap<(Stream, i32), i64>>,
    consumer: OnceLock<Weak<BaseConsumer<Context>>>,
    changes: Mutex<Vec<Change>>,
    pub(super) bell: Arc<Bell>,
}

impl Context {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            offsets: Mutex::new(config.offsets.clone()),
            consumer: OnceLock::new(),
            changes: Mutex::new(Vec::new()),
            bell: Arc::default(),
        }
    }

    /// Takes the changes since the last call.
    pub(super) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, change: Change) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
        self.bell.ring();
    }

    /// Splits off the queues of these partitions, announces them to the reader and assigns them.
    fn assign(&self, consumer: &BaseConsumer<Self>, partitions: &[(Stream, i32)]) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        let mut split = Vec::with_capacity(partitions.len());
        for &(stream, partition) in partitions {
            let topic = self.config.topics.input(stream);
            let start = self.start_of(stream, partition);
            list.add_partition_offset(topic, partition, start)?;
            let owner = self.consumer.get().and_then(Weak::upgrade);
            if let Some(mut queue) = owner.and_then(|owner| owner.split_partition_queue(topic, partition)) {
                let bell = self.bell.clone();
                queue.set_nonempty_callback(move || bell.ring());
                let start = start.to_raw().filter(|raw| *raw >= 0);
                split.push(Partition { stream, partition, start, queue });
            }
        }
        self.push(Change::Add(split));
        consumer.assign(&list)
    }

    fn start_of(&self, stream: Stream, partition: i32) -> Offset {
        let known = self.offsets.lock().unwrap_or_else(PoisonError::into_inner).remove(&(stream, partition));
        match (known, self.config.start) {
            (Some(offset), _) => Offset::Offset(offset),
            (None, Start::Beginning) => Offset::Beginning,
            (None, Start::End) => Offset::End,
            (None, Start::Committed) => Offset::Stored,
        }
    }

    fn inputs_of(&self, list: &TopicPartitionList) -> Vec<(Stream, i32)> {
        let mut inputs: Vec<_> = list
            .elements()
            .iter()
            .filter_map(|e| Some((self.config.topics.stream_of(e.topic())?, e.partition())))
            .collect();
        inputs.sort_unstable();
        inputs
    }
}

impl ClientContext for Context {}

impl ConsumerContext for Context {
    /// The default strategy with our own starting offsets, and with the queues split before.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let inputs = self.inputs_of(list);
        let done = match err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, &inputs),
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => {
                self.push(Change::Remove(inputs));
                consumer.unassign()
            }
            other => Err(KafkaError::Rebalance(RDKafkaErrorCode::from(other))),
        };
        if let Err(error) = done {
            self.push(Change::Failed(error));
        }
    }
}

/// Every partition of the six topics that exists on the broker.
fn discover(consumer: &BaseConsumer<Context>, config: &Config) -> Result<BTreeMap<Stream, i32>, Error> {
    let mut counts = BTreeMap::new();
    for stream in Stream::ALL {
        let topic = config.topics.input(stream);
        let metadata = consumer
            .fetch_metadata(Some(topic), METADATA_TIMEOUT)
            .map_err(Error::client("asking for the partitions"))?;
        let partitions =
            metadata.topics().iter().find(|t| t.name() == topic).map_or(0, |t| t.partitions().len());
        match i32::try_from(partitions) {
            Ok(count) if count > 0 => counts.insert(stream, count),
            _ => return Err(Error::NoTopic(topic.to_owned())),
        };
    }
    Ok(counts)
}

/// Assigns the partitions, or joins the group.
pub(super) fn begin(consumer: &Arc<BaseConsumer<Context>>, config: &Config) -> Result<(), Error> {
    let context = consumer.context();
    // Set once, here, right after the consumer was made.
    let _ = context.consumer.set(Arc::downgrade(consumer));
    let partitions = match &config.mode {
        Mode::Group { .. } => {
            let topics: Vec<&str> = Stream::ALL.iter().map(|s| config.topics.input(*s)).collect();
            return consumer.subscribe(&topics).map_err(Error::client("joining the group"));
        }
        Mode::These(partitions) => partitions.clone(),
        Mode::All => discover(consumer, config)?
            .into_iter()
            .flat_map(|(stream, count)| (0..count).map(move |p| (stream, p)))
            .collect(),
    };
    context.assign(consumer, &partitions).map_err(Error::client("assigning partitions"))
}
