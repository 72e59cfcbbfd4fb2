//! The MLLP server: one reader and one writer a connection.
//!
//! Pipelining is the point of the two: the reader takes messages as they come and hands each to
//! Kafka; the writer answers them in their order as Kafka confirms. Between them stands a bounded
//! queue: when it is full the reader stops, and TCP tells the sender.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bedwatch_ingest::mllp::{Codec, Item, codec::Counts};
use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_util::{
    codec::{Decoder, Encoder},
    sync::CancellationToken,
    task::TaskTracker,
};

use super::{
    Counters, Mllp,
    intake::{Intake, Pending},
    peer::{Door, Peer},
};

/// Bytes read at a time.
const CHUNK: usize = 16 << 10;

/// The server.
pub(super) struct Server {
    config: Mllp,
    intake: Arc<Intake>,
    counters: Arc<Counters>,
    /// Bytes of messages begun and not ended, on all connections.
    begun: AtomicUsize,
}

impl Server {
    pub(super) fn new(config: Mllp, intake: Arc<Intake>, counters: Arc<Counters>) -> Self {
        Self { config, intake, counters, begun: AtomicUsize::new(0) }
    }

    /// Serves until told to stop, then lets every connection answer what it has taken.
    pub(super) async fn run(self, mut door: Door, stop: CancellationToken) {
        let server = Arc::new(self);
        let connections = TaskTracker::new();
        loop {
            let peer = tokio::select! {
                () = stop.cancelled() => break,
                peer = door.next() => match peer {
                    Some(peer) => peer,
                    None => break,
                },
            };
            connections.spawn(connection(server.clone(), peer, stop.clone()));
        }
        drop(door);
        connections.close();
        connections.wait().await;
    }
}

async fn connection(server: Arc<Server>, peer: Peer, stop: CancellationToken) {
    let (read, write) = tokio::io::split(peer);
    let (queue, waiting) = mpsc::channel(server.config.window);
    let mut writer = tokio::spawn(answer(server.clone(), write, waiting));
    let mut reader = Reader {
        server: &server,
        codec: Codec::new(server.config.max_frame_bytes),
        counted: Counts::default(),
        pace: Pace::default(),
        held: 0,
    };
    // While the queue is open the writer ends only where answers cannot be written.
    let (how, written) = tokio::select! {
        how = reader.read(read, &queue) => (how, None),
        () = stop.cancelled() => ("stopped", None),
        written = &mut writer => ("stopped", Some(written)),
    };
    reader.count();
    // The writer answers what has been taken, then finds the queue closed.
    drop(queue);
    let written = match written {
        Some(written) => written,
        None => writer.await,
    };
    server.counters.ended(
        "mllp",
        match written {
            Ok(Ok(())) => how,
            Ok(Err(why)) => why,
            Err(_) => "failed",
        },
    );
}

/// How long the peer has been in the middle of the present frame: only time spent waiting for it.
#[derive(Default)]
struct Pace {
    frame: u64,
    waited: Duration,
}

struct Reader<'s> {
    server: &'s Server,
    codec: Codec,
    counted: Counts,
    pace: Pace,
    /// Bytes held of a message begun, as the server counts them.
    held: usize,
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.server.begun.fetch_sub(self.held, Ordering::Relaxed);
    }
}

impl Reader<'_> {
    /// Reads until the peer closes, is too slow, or nobody takes its messages any more; says which.
    async fn read(&mut self, mut io: impl AsyncRead + Unpin, queue: &mpsc::Sender<Pending>) -> &'static str {
        let mut buffer = BytesMut::new();
        loop {
            while let Ok(Some(item)) = self.codec.decode(&mut buffer) {
                if !self.item(item, queue).await {
                    return "answers_not_taken";
                }
            }
            self.count();
            if !self.hold(buffer.len()) {
                return "memory";
            }
            buffer.reserve(CHUNK);
            let begun = Instant::now();
            let read = match self.patience() {
                Some(patience) => timeout(patience, io.read_buf(&mut buffer)).await,
                None => Ok(io.read_buf(&mut buffer).await),
            };
            self.pace.waited += begun.elapsed();
            match read {
                Err(_) if self.codec.is_within() => return "frame_slow",
                Err(_) => return "idle",
                Ok(Err(_)) => return "broken_off",
                Ok(Ok(0)) => break,
                Ok(Ok(_)) => {}
            }
        }
        while let Ok(Some(item)) = self.codec.decode_eof(&mut buffer) {
            if !self.item(item, queue).await {
                return "answers_not_taken";
            }
        }
        "closed"
    }

    /// How long to wait for the next byte; `None`: for ever.
    fn patience(&mut self) -> Option<Duration> {
        let config = &self.server.config;
        if !self.codec.is_within() {
            self.pace = Pace::default();
            return (config.idle_secs > 0).then(|| Duration::from_secs(config.idle_secs));
        }
        if self.pace.frame != self.codec.begun() {
            self.pace = Pace { frame: self.codec.begun(), waited: Duration::ZERO };
        }
        Some(Duration::from_secs(config.frame_timeout_secs).saturating_sub(self.pace.waited))
    }

    /// Takes a message and queues its answer; whether there is still someone to answer.
    async fn item(&self, item: Item, queue: &mpsc::Sender<Pending>) -> bool {
        let pending = match item {
            Item::Frame(message) => self.server.intake.hl7(&message).await,
            Item::TooLarge(head) => Some(self.server.intake.too_large(&head)),
        };
        match pending {
            Some(pending) => queue.send(pending).await.is_ok(),
            None => true,
        }
    }

    /// Counts what is held of a message begun; whether there is room for it.
    fn hold(&mut self, bytes: usize) -> bool {
        let begun = &self.server.begun;
        begun.fetch_sub(self.held, Ordering::Relaxed);
        self.held = bytes;
        begun.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.server.config.max_begun_bytes
    }

    fn count(&mut self) {
        let now = self.codec.counts();
        self.server.counters.framing(&self.counted, &now);
        self.counted = now;
    }
}

/// Answers in order, each once it is known.
async fn answer(
    server: Arc<Server>,
    mut io: impl AsyncWrite + Unpin,
    mut waiting: mpsc::Receiver<Pending>,
) -> Result<(), &'static str> {
    let limit = Duration::from_secs(server.config.frame_timeout_secs);
    let (mut codec, mut out) = (Codec::default(), BytesMut::new());
    while let Some(pending) = waiting.recv().await {
        // Answers that are known already go out together; none waits for one that is not.
        if !pending.is_known() || out.len() > CHUNK {
            write(&mut io, &mut out, limit).await?;
        }
        for message in server.intake.answers(pending).await {
            codec.encode(&message, &mut out).expect("an answer holds no control character but CR");
        }
        if waiting.is_empty() {
            write(&mut io, &mut out, limit).await?;
        }
    }
    timeout(limit, io.shutdown()).await.ok();
    Ok(())
}

async fn write(
    io: &mut (impl AsyncWrite + Unpin),
    out: &mut BytesMut,
    limit: Duration,
) -> Result<(), &'static str> {
    let written = timeout(limit, async {
        io.write_all_buf(out).await?;
        io.flush().await
    });
    match written.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err("broken_off"),
        Err(_) => Err("answers_slow"),
    }
}
