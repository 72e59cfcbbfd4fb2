//! The loop of the consumer thread.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{SyncSender, TrySendError},
    },
    time::Duration,
};

use bedwatch_schemas::{event::Stream, time::ArrivalTime};
use rdkafka::{
    Message,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::BorrowedMessage,
};

use super::{
    Config, Item, Mode, OwnedRecord,
    assignment::{Change, Context, Partition},
};
use crate::kafka::{Error, gap::Detector};

/// Records taken from one partition before the next gets its turn.
const TURN: usize = 64;
/// The longest wait with nothing to do; the client's own events are served at least so often.
const IDLE: Duration = Duration::from_millis(50);
/// The wait between two tries at a full channel.
const FULL: Duration = Duration::from_millis(1);

/// The receiver is gone or the source was stopped.
struct Ended;

pub(super) struct Reader {
    consumer: Arc<BaseConsumer<Context>>,
    config: Config,
    items: SyncSender<Item>,
    stop: Arc<AtomicBool>,
    partitions: Vec<Partition>,
    gaps: Detector,
}

impl Reader {
    pub(super) fn new(
        consumer: Arc<BaseConsumer<Context>>,
        config: &Config,
        items: SyncSender<Item>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let gaps = Detector::default();
        Self { consumer, config: config.clone(), items, stop, partitions: Vec::new(), gaps }
    }

    pub(super) fn run(mut self) {
        while self.turn().is_ok() {}
        // The queues hold the consumer and the consumer's context may hold queues: let go of all.
        self.partitions.clear();
        let _ = self.consumer.unassign();
        drop(self.consumer.context().take_changes());
    }

    /// One round over everything that may have something.
    fn turn(&mut self) -> Result<(), Ended> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Ended);
        }
        self.take_changes()?;
        let mut idle = !self.serve_client()?;
        for i in 0..self.partitions.len() {
            idle &= !self.take_from(i)?;
        }
        if idle {
            self.consumer.context().bell.wait(IDLE);
        }
        Ok(())
    }

    /// Serves the client's own events; records here are of partitions without a queue of their own.
    fn serve_client(&mut self) -> Result<bool, Ended> {
        let consumer = self.consumer.clone();
        match consumer.poll(Duration::ZERO) {
            Some(Ok(message)) => match self.config.topics.stream_of(message.topic()) {
                Some(stream) => self.record(stream, &message).map(|()| true),
                None => Ok(true),
            },
            // Which topic ended is not told here; the partition's own queue tells it.
            Some(Err(KafkaError::PartitionEOF(_))) => Ok(true),
            Some(Err(error)) => self.error(error).map(|()| true),
            None => Ok(false),
        }
    }

    /// Takes up to [`TURN`] records of one partition; whether there were any.
    fn take_from(&mut self, i: usize) -> Result<bool, Ended> {
        let mut any = false;
        for _ in 0..TURN {
            let Partition { stream, partition, queue, .. } = &self.partitions[i];
            let (stream, partition) = (*stream, *partition);
            let items = match queue.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => {
                    let record = owned(stream, &message);
                    [self.gap_before(&record), Some(item(record))]
                }
                Some(Err(KafkaError::PartitionEOF(_))) => [Some(Item::Eof { stream, partition }), None],
                Some(Err(error)) => [Some(reading(error)), None],
            };
            any = true;
            for item in items.into_iter().flatten() {
                self.give(item)?;
            }
        }
        Ok(any)
    }

    fn record(&mut self, stream: Stream, message: &BorrowedMessage<'_>) -> Result<(), Ended> {
        let record = owned(stream, message);
        if let Some(gap) = self.gap_before(&record) {
            self.give(gap)?;
        }
        self.give(item(record))
    }

    fn gap_before(&mut self, record: &OwnedRecord) -> Option<Item> {
        let OwnedRecord { stream, partition, offset: got, .. } = *record;
        let expected = self.gaps.observe(stream, partition, got)?;
        Some(Item::Gap { stream, partition, expected, got })
    }

    fn error(&self, error: KafkaError) -> Result<(), Ended> {
        self.give(reading(error))
    }

    fn take_changes(&mut self) -> Result<(), Ended> {
        let in_group = matches!(self.config.mode, Mode::Group { .. });
        for change in self.consumer.context().take_changes() {
            match change {
                Change::Add(added) => {
                    let names: Vec<_> = added.iter().map(|p| (p.stream, p.partition)).collect();
                    for p in &added {
                        if let Some(offset) = p.start {
                            self.gaps.expect(p.stream, p.partition, offset);
                        }
                    }
                    self.partitions.extend(added);
                    if in_group {
                        self.give(Item::Assigned(names))?;
                    }
                }
                Change::Remove(names) => {
                    self.partitions.retain(|p| !names.contains(&(p.stream, p.partition)));
                    for &(stream, partition) in &names {
                        self.gaps.forget(stream, partition);
                    }
                    self.give(Item::Revoked(names))?;
                }
                Change::Failed(error) => self.error(error)?,
            }
        }
        Ok(())
    }

    /// Hands an item over, waiting while the channel is full.
    fn give(&self, mut item: Item) -> Result<(), Ended> {
        loop {
            match self.items.try_send(item) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => return Err(Ended),
                Err(TrySendError::Full(back)) => item = back,
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err(Ended);
            }
            std::thread::sleep(FULL);
        }
    }
}

fn reading(source: KafkaError) -> Item {
    Item::Error(Error::Client { what: "reading", source })
}

fn item(record: OwnedRecord) -> Item {
    match record {
        OwnedRecord { stream, partition, timestamp: Some(at), key: None, payload, .. }
            if payload.is_empty() =>
        {
            Item::Mark { stream, partition, at }
        }
        record => Item::Record(record),
    }
}

fn owned(stream: Stream, message: &BorrowedMessage<'_>) -> OwnedRecord {
    OwnedRecord {
        stream,
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().map(ArrivalTime::from_millis),
        key: message.key().and_then(|k| std::str::from_utf8(k).ok()).map(str::to_owned),
        payload: message.payload().unwrap_or_default().to_vec(),
    }
}
