//! Messages in: one consumer thread over the six input topics, handing owned records to a bounded
//! channel.
//!
//! The thread owns the consumer and takes each partition from its own queue, because only so can an
//! end of partition be told apart between topics, and so that a full waveform partition cannot hold
//! back the vitals of another. When the channel is full the thread waits, librdkafka's own queues
//! fill and it stops fetching: that is the backpressure. Offsets are never committed by themselves:
//! the checkpoint holds them, and [`Source::commit`] exists for the tools that watch a group's lag.
//!
//! Assigning partitions directly is the default, since a restart then begins at once. Joining a
//! group takes seconds (a session timeout after a kill, static membership shortens it).

mod assignment;
mod reader;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use bedwatch_schemas::{event::Stream, time::ArrivalTime};
use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    topic_partition_list::Offset,
};

use super::{Error, Properties, Topics, client_config};
use crate::Record;
use assignment::Context;

/// How long the broker may take to answer for the list of partitions.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

/// One record, owned, as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    /// The stream of its topic.
    pub stream: Stream,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The record's time; `None` when the broker gave none.
    pub timestamp: Option<ArrivalTime>,
    /// The record's key; `None` when there is none or it is not UTF-8.
    pub key: Option<String>,
    /// The message, byte for byte; empty for a tombstone.
    pub payload: Vec<u8>,
}

impl OwnedRecord {
    /// The record as the decoders take it; `now` stands in for a missing record time.
    #[must_use]
    pub fn as_record(&self, now: ArrivalTime) -> Record<'_> {
        Record {
            stream: self.stream,
            partition: self.partition,
            offset: self.offset,
            arrival: self.timestamp.unwrap_or(now),
            key: self.key.as_deref(),
            payload: &self.payload,
        }
    }
}

impl std::fmt::Debug for OwnedRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_record(ArrivalTime::from_micros(0)).fmt(f)
    }
}

/// What the source has to say.
#[derive(Debug)]
pub enum Item {
    /// A record.
    Record(OwnedRecord),
    /// Nothing stamped earlier will come in this partition: a record with neither key nor payload,
    /// as [`super::sink::Sink::mark`] writes it. Whoever fills the topics with the past says so how far
    /// each stream has been filled; without it a stream that pauses looks like one that has ended.
    Mark {
        /// The stream.
        stream: Stream,
        /// The partition.
        partition: i32,
        /// The time.
        at: ArrivalTime,
    },
    /// For now there is nothing more in this partition.
    Eof {
        /// The stream.
        stream: Stream,
        /// The partition.
        partition: i32,
    },
    /// Offsets do not follow each other (see [`super::gap`]): an error, not a shrug. The record that
    /// showed it follows as the next item of its partition.
    Gap {
        /// The stream.
        stream: Stream,
        /// The partition.
        partition: i32,
        /// The offset that should have come.
        expected: i64,
        /// The offset that came.
        got: i64,
    },
    /// The group gave us these partitions (group mode only).
    Assigned(Vec<(Stream, i32)>),
    /// The group took these partitions away (group mode only); their records may not be produced
    /// for any more.
    Revoked(Vec<(Stream, i32)>),
    /// The client reports an error. It goes on trying by itself unless the error is fatal.
    Error(Error),
}

/// Which partitions to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Every partition of the six topics.
    All,
    /// These partitions.
    These(Vec<(Stream, i32)>),
    /// What the consumer group gives, with static membership where an instance id is given.
    Group {
        /// `group.instance.id`: stable over restarts, one for each running instance.
        instance: Option<String>,
    },
}

/// Where to begin in a partition that has no starting offset of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record there is.
    Beginning,
    /// After the newest record there is.
    End,
    /// At the group's committed offset, else at the oldest.
    Committed,
}

/// How to read.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port` of at least one broker.
    pub bootstrap: String,
    /// The names of the topics.
    pub topics: Topics,
    /// The consumer group, for commits and group mode.
    pub group: String,
    /// Which partitions.
    pub mode: Mode,
    /// The next offset to read of each partition, out of the checkpoint.
    pub offsets: BTreeMap<(Stream, i32), i64>,
    /// Where the other partitions begin, and in group mode those that come back.
    pub start: Start,
    /// Items the channel holds.
    pub capacity: usize,
    /// librdkafka properties of the site (security, fetch sizes); they win over the defaults.
    pub properties: Properties,
}

impl Config {
    /// The defaults: every partition from its beginning.
    #[must_use]
    pub fn new(bootstrap: &str, topics: &Topics) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            topics: topics.clone(),
            group: "bedwatch".to_owned(),
            mode: Mode::All,
            offsets: BTreeMap::new(),
            start: Start::Beginning,
            capacity: 4_096,
            properties: Properties::default(),
        }
    }
}

/// The consumer, seen from outside its thread.
pub struct Source {
    consumer: Arc<BaseConsumer<Context>>,
    topics: Topics,
    items: Option<Receiver<Item>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

impl Source {
    /// Connects, finds the partitions and starts the thread.
    ///
    /// # Errors
    /// When the properties are refused, the broker does not answer or a topic does not exist.
    pub fn start(config: &Config) -> Result<Self, Error> {
        config.topics.check()?;
        let consumer = Arc::new(connect(config)?);
        let (send, items) = sync_channel(config.capacity.max(1));
        let stop = Arc::new(AtomicBool::new(false));
        assignment::begin(&consumer, config)?;
        let reader = reader::Reader::new(consumer.clone(), config, send, stop.clone());
        let thread = std::thread::Builder::new()
            .name("kafka-source".to_owned())
            .spawn(move || reader.run())
            .map_err(Error::Thread)?;
        Ok(Self { consumer, topics: config.topics.clone(), items: Some(items), stop, thread: Some(thread) })
    }

    /// The next item, waiting at most so long; `None` when there was none in time or the source has
    /// ended.
    #[must_use]
    pub fn recv(&self, at_most: Duration) -> Option<Item> {
        self.items.as_ref()?.recv_timeout(at_most).ok()
    }

    /// The next item if there is one now.
    #[must_use]
    pub fn try_recv(&self) -> Option<Item> {
        self.items.as_ref()?.try_recv().ok()
    }

    /// The partitions read at present, in order: all of them at once when they are assigned
    /// directly, and what the group has given so far in group mode.
    ///
    /// # Errors
    /// When the client does not tell.
    pub fn assigned(&self) -> Result<Vec<(Stream, i32)>, Error> {
        let list = self.consumer.assignment().map_err(Error::client("asking for the assignment"))?;
        let mut lanes: Vec<_> = list
            .elements()
            .iter()
            .filter_map(|e| self.topics.stream_of(e.topic()).map(|stream| (stream, e.partition())))
            .collect();
        lanes.sort_unstable();
        Ok(lanes)
    }

    /// Commits the next offset to read of each partition, in the background, for the tools that
    /// watch the group's lag. Nothing of ours depends on it unless [`Start::Committed`] is chosen.
    ///
    /// # Errors
    /// When the client refuses at once.
    pub fn commit(&self, next: &BTreeMap<(Stream, i32), i64>) -> Result<(), Error> {
        let mut list = TopicPartitionList::with_capacity(next.len());
        for (&(stream, partition), &offset) in next {
            list.add_partition_offset(self.topics.input(stream), partition, Offset::Offset(offset))
                .map_err(Error::client("naming the offsets to commit"))?;
        }
        self.consumer.commit(&list, CommitMode::Async).map_err(Error::client("committing offsets"))
    }

    /// Stops the thread and leaves the group. Items not taken yet are dropped: their offsets were
    /// not checkpointed, so they come again.
    pub fn shutdown(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.items = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the reader has been printed by the hook; there is nothing left to save.
            let _ = thread.join();
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.end();
    }
}

fn connect(config: &Config) -> Result<BaseConsumer<Context>, Error> {
    let ours = [
        ("client.id", "bedwatch"),
        ("group.id", config.group.as_str()),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("enable.partition.eof", "true"),
        // Past the end or the retention: go on at the oldest, and let the gap be reported.
        ("auto.offset.reset", "earliest"),
        ("allow.auto.create.topics", "false"),
        ("isolation.level", "read_committed"),
        ("partition.assignment.strategy", "range"),
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "2000"),
        ("fetch.wait.max.ms", "10"),
        ("fetch.error.backoff.ms", "50"),
        // Bounds what waits inside the client for each partition.
        ("queued.min.messages", "2000"),
        ("queued.max.messages.kbytes", "8192"),
    ];
    let mut client = client_config(&config.bootstrap, &ours, &config.properties);
    if let Mode::Group { instance: Some(instance) } = &config.mode {
        client.set("group.instance.id", instance);
    }
    let context = Context::new(config);
    client.create_with_context(context).map_err(Error::client("making the consumer"))
}
