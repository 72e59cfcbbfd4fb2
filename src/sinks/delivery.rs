//! One sink's loop: the next alert of the topic, to the peer, until it is accepted or given up;
//! then the next. One message at a time, so a patient's messages cannot overtake each other.

use std::{future::Future, sync::Arc, time::Duration};

use bedwatch_ingest::kafka::{
    follow::{Followed, Follower},
    headers::Headers,
    sink::{self, Sink},
};
use bedwatch_schemas::{alert::Alert, time::Span};
use tokio::sync::watch;

use super::{backoff::Backoff, counters::Own};
use crate::{clock::Clock, config::Config as Whole};

/// Why a try failed. The text is a status or a word of ours, never of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The peer cannot be reached, is busy or set up wrongly: another message would fare no better.
    Away(String),
    /// The peer refuses this message.
    Refused(String),
}

/// Who receives alerts.
pub(super) trait Peer: Send + 'static {
    /// The sink's name: a metric label and a part of its group's name.
    fn name(&self) -> &'static str;

    /// Sends one alert and waits for its acceptance.
    fn send(&mut self, alert: &Alert) -> impl Future<Output = Result<(), Trouble>> + Send;
}

/// The loop.
pub(super) struct Delivery<P> {
    peer: P,
    follower: Follower,
    tries: u32,
    max_age: Option<Span>,
    backoff: Backoff,
    letters: sink::Config,
    clock: Arc<dyn Clock>,
    counters: Own,
}

impl<P: Peer> Delivery<P> {
    pub(super) fn new(
        peer: P,
        follower: Follower,
        config: &Whole,
        clock: Arc<dyn Clock>,
        counters: Own,
    ) -> Self {
        let own = &config.sinks;
        // Sinks that failed together must not come back together.
        let seed = peer.name().bytes().fold(own.seed, |seed, b| seed.rotate_left(8) ^ u64::from(b));
        Self {
            peer,
            follower,
            tries: own.tries,
            max_age: (own.max_age_hours > 0).then(|| Span::hours(own.max_age_hours)),
            backoff: Backoff::new(
                Duration::from_millis(own.backoff_millis),
                Duration::from_secs(own.backoff_max_secs),
                seed,
            ),
            letters: sink::Config {
                bootstrap: config.kafka.bootstrap.clone(),
                topics: config.kafka.topics.clone(),
                properties: config.kafka.properties.clone(),
            },
            clock,
            counters,
        }
    }

    /// Runs until told to stop.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.carry() => {}
            // An error means that whoever could tell us to stop is gone.
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn carry(&mut self) {
        loop {
            let message = match self.follower.next().await {
                Ok(message) => message,
                Err(error) => {
                    tracing::warn!(sink = self.peer.name(), %error, "the alerts cannot be read for now");
                    tokio::time::sleep(self.backoff.after_failure()).await;
                    continue;
                }
            };
            self.deliver(&message).await;
            if let Err(error) = self.follower.done(&message) {
                tracing::warn!(sink = self.peer.name(), %error, "this alert may be told twice");
            }
        }
    }

    /// Returns when the message is accepted or lies with the dead letters.
    async fn deliver(&mut self, message: &Followed) {
        let Ok(alert) = serde_json::from_slice::<Alert>(&message.payload) else {
            return self.give_up(message, "unreadable", "it is no alert of this version").await;
        };
        let mut refusals = 0;
        loop {
            let waited = message.timestamp.map(|t| self.clock.now().since(t));
            if waited.zip(self.max_age).is_some_and(|(waited, most)| waited > most) {
                return self.give_up(message, "too_old", "it waited too long").await;
            }
            match self.peer.send(&alert).await {
                Ok(()) => {
                    self.backoff.succeeded();
                    let waited = message.timestamp.map(|t| self.clock.now().since(t).as_secs_f64());
                    return self.counters.delivered(waited);
                }
                Err(Trouble::Away(why)) => {
                    tracing::warn!(sink = self.peer.name(), why, "the peer is away; the alert waits");
                    self.counters.failed("away");
                }
                Err(Trouble::Refused(why)) => {
                    refusals += 1;
                    tracing::warn!(sink = self.peer.name(), why, refusals, "the peer refuses an alert");
                    self.counters.failed("refused");
                    if refusals >= self.tries {
                        return self.give_up(message, "refused", &why).await;
                    }
                }
            }
            tokio::time::sleep(self.backoff.after_failure()).await;
        }
    }

    /// Puts the message, byte for byte, with the dead letters; waits until Kafka has it.
    async fn give_up(&mut self, message: &Followed, reason: &'static str, why: &str) {
        let sink = self.peer.name();
        tracing::error!(
            sink,
            reason,
            partition = message.partition,
            offset = message.offset,
            "an alert is given up"
        );
        loop {
            let headers = Headers::new()
                .with("bedwatch_topic", &self.letters.topics.alerts)
                .with("bedwatch_partition", message.partition.to_string())
                .with("bedwatch_offset", message.offset.to_string())
                .with("bedwatch_sink", sink)
                .with("bedwatch_reason", reason)
                .with("bedwatch_answer", why);
            let (letters, message) = (self.letters.clone(), message.clone());
            // A producer of its own: its end tells of this one message. Dead letters are rare.
            let put = tokio::task::spawn_blocking(move || put(&letters, &message, headers)).await;
            match put {
                Ok(Ok(())) => {
                    self.backoff.succeeded();
                    return self.counters.gave_up(reason);
                }
                Ok(Err(error)) => tracing::error!(sink, %error, "a dead letter could not be handed to Kafka"),
                Err(_) => tracing::error!(sink, "putting a dead letter ended in a panic"),
            }
            tokio::time::sleep(self.backoff.after_failure()).await;
        }
    }
}

fn put(
    letters: &sink::Config,
    message: &Followed,
    headers: Headers,
) -> Result<(), bedwatch_ingest::kafka::Error> {
    let sink = Sink::connect(letters)?;
    let time = message.timestamp.map(|t| t.as_millis());
    sink.send(&letters.topics.dead_letter, message.key.as_deref(), &message.payload, headers, time)?;
    sink.flush(Duration::from_secs(30)).map(drop)
}
