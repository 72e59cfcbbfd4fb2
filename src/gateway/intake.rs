//! From a message to Kafka and to what its sender is told.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bedwatch_ingest::{
    Record, decode,
    hl7::{envelope::Envelope, lexer, patients},
    kafka::{
        courier::{Courier, Receipt, Refused},
        headers::Headers,
    },
    mllp::{
        Fault, Repeats,
        ack::{self, MAX_FAULTS, Stamp, Verdict},
        fault::Code,
        repeats::Fingerprint,
    },
    pseudonym::Pseudonyms,
};
use bedwatch_schemas::{
    dead_letter::{DeadLetter, Rejection},
    event::Stream,
    time::ArrivalTime,
};
use tokio::sync::watch;

use super::Counters;
use crate::clock::Clock;

/// How often a full queue is tried again.
const RETRY: Duration = Duration::from_millis(20);

/// What became of a message's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// The broker has all of them.
    All,
    /// The broker takes no record of this size.
    TooLarge,
    /// Not all of them came through in time.
    Not,
}

/// The same, as it will be known.
pub(super) type Keeping = watch::Receiver<Option<Kept>>;

/// A record to be written.
pub(super) struct Outgoing<'a> {
    pub(super) stream: Stream,
    pub(super) key: Option<&'a str>,
    pub(super) payload: &'a [u8],
}

/// A message whose sender waits for its answer.
pub(super) struct Pending {
    /// The MSH segment.
    head: Vec<u8>,
    verdict: Verdict,
    keeping: Option<Keeping>,
}

impl Pending {
    /// Whether its answer can be given without waiting.
    pub(super) fn is_known(&self) -> bool {
        self.keeping.as_ref().is_none_or(|k| k.borrow().is_some())
    }
}

/// What is remembered of a message: what its sender was told if it was kept, and whether it was.
type Fate = (Verdict, Keeping);

/// The intake of every receiver.
pub(super) struct Intake {
    courier: Arc<Courier>,
    pub(super) decoders: decode::Config,
    pub(super) pseudonyms: Option<Pseudonyms>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) counters: Arc<Counters>,
    patience: Duration,
    processing_ids: Vec<String>,
    repeats: Arc<Mutex<Repeats<Fate>>>,
    next_id: AtomicU64,
    reachable: Arc<AtomicBool>,
}

impl Intake {
    pub(super) fn new(
        courier: Arc<Courier>,
        config: &crate::config::Config,
        pseudonyms: Option<Pseudonyms>,
        clock: Arc<dyn Clock>,
        counters: Arc<Counters>,
    ) -> Self {
        let own = &config.gateway;
        // Ids of answers go on where they stood after a restart: microseconds pass faster than answers.
        let first = u64::try_from(clock.now().as_micros()).unwrap_or_default();
        Self {
            courier,
            decoders: config.ingest.clone(),
            pseudonyms,
            clock,
            counters,
            patience: Duration::from_secs(own.kafka_timeout_secs),
            processing_ids: own.mllp.processing_ids.clone(),
            repeats: Arc::new(Mutex::new(Repeats::new(own.mllp.repeats))),
            next_id: AtomicU64::new(first),
            reachable: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Whether the last message came through.
    pub(super) fn reachable(&self) -> Arc<AtomicBool> {
        self.reachable.clone()
    }

    /// Takes an HL7 v2 message; `None` for one that is not answered (an acknowledgement).
    pub(super) async fn hl7(&self, message: &[u8]) -> Option<Pending> {
        let envelope = Envelope::read(message);
        let head = head(message);
        if envelope.as_ref().is_some_and(Envelope::is_acknowledgement) {
            self.counters.message("mllp", "acknowledgement");
            return None;
        }
        if let Some(fault) = envelope.as_ref().and_then(|e| self.unsupported(e)) {
            self.counters.message("mllp", "unsupported");
            return Some(Pending { head, verdict: Verdict::Unsupported(fault), keeping: None });
        }
        let print = envelope
            .as_ref()
            .and_then(|e| Fingerprint::of(e.sender(), e.facility(), e.control_id(), message));
        if let Some((verdict, keeping)) = print.and_then(|p| self.repeats().get(&p)) {
            self.counters.message("mllp", "repeated");
            return Some(Pending { head, verdict, keeping: Some(keeping) });
        }
        let (verdict, receipts) = self.forward(message).await;
        let keeping = self.follow("mllp", fate(&verdict), receipts, print);
        if let Some(print) = print {
            self.repeats().insert(print, (verdict.clone(), keeping.clone()));
        }
        Some(Pending { head, verdict, keeping: Some(keeping) })
    }

    /// The answer to a frame over the limit, of which the first bytes are known.
    pub(super) fn too_large(&self, head_of_frame: &[u8]) -> Pending {
        self.counters.message("mllp", "too_large");
        self.counters.fault("mllp", "too_large");
        Pending { head: head(head_of_frame), verdict: too_large(), keeping: None }
    }

    /// The answers to a message, once they are known.
    pub(super) async fn answers(&self, mut pending: Pending) -> Vec<Vec<u8>> {
        let verdict = match &mut pending.keeping {
            None => pending.verdict,
            Some(keeping) => match kept(keeping).await {
                Kept::All => pending.verdict,
                Kept::TooLarge => too_large(),
                Kept::Not => Verdict::Unavailable,
            },
        };
        let id = format!("BW{:013X}", self.next_id.fetch_add(1, Ordering::Relaxed));
        let stamp = Stamp { id: &id, time: self.clock.now().as_event_time() };
        ack::compose(Envelope::read(&pending.head).as_ref(), &verdict, &stamp)
    }

    fn unsupported(&self, envelope: &Envelope<'_>) -> Option<Fault> {
        let allowed = &self.processing_ids;
        let taken = allowed.is_empty() || allowed.iter().any(|id| id.as_bytes() == envelope.processing_id());
        (!taken).then(|| Fault::whole(Code::UnsupportedProcessingId, "processing_id"))
    }

    /// Decides on a message and hands it to Kafka: to its topic, or to the dead letters.
    async fn forward(&self, message: &[u8]) -> (Verdict, Vec<Option<Receipt>>) {
        let now = self.clock.now();
        let record = Record {
            stream: Stream::Hl7v2,
            partition: 0,
            offset: 0,
            arrival: now,
            key: None,
            payload: message,
        };
        let decoded = decode(&record, &self.decoders);
        let parts = match patients::parts(message, &self.decoders.hl7, self.pseudonyms.as_ref()) {
            Ok(parts) if !decoded.events.is_empty() || decoded.rejections.is_empty() => parts,
            Ok(_) => return self.refuse(message, decoded.rejections, now).await,
            Err(rejection) => {
                let others = decoded.rejections.into_iter().filter(|r| *r != rejection);
                let all = std::iter::once(rejection.clone()).chain(others).collect();
                return self.refuse(message, all, now).await;
            }
        };
        let mut receipts = Vec::with_capacity(parts.len());
        for part in &parts {
            let key = part.patient.as_ref().map(bedwatch_schemas::ids::PatientId::as_str);
            let out = Outgoing { stream: Stream::Hl7v2, key, payload: &part.payload };
            receipts.push(self.offer(&out, now).await);
        }
        (Verdict::Accepted(self.faults(&decoded.rejections, message)), receipts)
    }

    async fn refuse(
        &self,
        message: &[u8],
        rejections: Vec<Rejection>,
        now: ArrivalTime,
    ) -> (Verdict, Vec<Option<Receipt>>) {
        let faults = self.faults(&rejections, message);
        let receipt = self.dead_letter(Stream::Hl7v2, message, rejections, false, now).await;
        (Verdict::Refused(faults), vec![receipt])
    }

    /// The faults of a message; those that are not told any more are only counted.
    fn faults(&self, rejections: &[Rejection], message: &[u8]) -> Vec<Fault> {
        let fault = |(n, rejection): (usize, &Rejection)| {
            self.counters.fault("mllp", rejection.reason.name());
            if n < MAX_FAULTS {
                Fault::of(rejection, message)
            } else {
                Fault::whole(Code::ApplicationInternal, rejection.reason.name())
            }
        };
        rejections.iter().enumerate().map(fault).collect()
    }

    /// Hands a record to Kafka, waiting while too much waits for the broker already. `None` when it
    /// was not taken in time.
    pub(super) async fn offer(&self, out: &Outgoing<'_>, now: ArrivalTime) -> Option<Receipt> {
        let topic = self.courier.topics().input(out.stream);
        self.patiently(|| self.courier.offer(topic, out.key, out.payload, Headers::new(), now.as_millis()))
            .await
    }

    /// Hands a message to the dead letters that is refused, or of which some is in no record.
    pub(super) async fn dead_letter(
        &self,
        stream: Stream,
        message: &[u8],
        rejections: Vec<Rejection>,
        partly_decoded: bool,
        now: ArrivalTime,
    ) -> Option<Receipt> {
        let letter = DeadLetter { stream, partition: -1, offset: -1, rejections, partly_decoded };
        self.patiently(|| self.courier.dead_letter(None, message, &letter, now.as_millis())).await
    }

    async fn patiently(&self, mut send: impl FnMut() -> Result<Receipt, Refused>) -> Option<Receipt> {
        let sent = tokio::time::timeout(self.patience, async {
            loop {
                match send() {
                    Ok(receipt) => return Some(receipt),
                    Err(Refused::Full) => tokio::time::sleep(RETRY).await,
                    Err(Refused::Never(error)) => {
                        tracing::error!(%error, "a message could not be handed to Kafka");
                        return None;
                    }
                }
            }
        });
        sent.await.unwrap_or(None)
    }

    /// Waits for the broker's word on a message's records beside the connection, which may end before
    /// it comes. What was not kept is forgotten, so that its repeat is tried anew.
    pub(super) fn follow(
        &self,
        protocol: &'static str,
        fate: &'static str,
        receipts: Vec<Option<Receipt>>,
        print: Option<Fingerprint>,
    ) -> Keeping {
        let (tell, keeping) = watch::channel(None);
        let (counters, repeats) = (self.counters.clone(), self.repeats.clone());
        let reachable = self.reachable.clone();
        tokio::spawn(async move {
            let mut kept = Kept::All;
            for receipt in receipts {
                let one = match receipt {
                    None => Kept::Not,
                    Some(receipt) => match receipt.delivered().await {
                        Ok(_) => Kept::All,
                        Err(error) if error.is_too_large() => Kept::TooLarge,
                        Err(error) => {
                            // Once, and not for every message of an outage.
                            if reachable.swap(false, Ordering::Relaxed) {
                                tracing::error!(%error, "Kafka does not take messages; senders keep them");
                            }
                            Kept::Not
                        }
                    },
                };
                kept = worse(kept, one);
            }
            if !reachable.swap(kept != Kept::Not, Ordering::Relaxed) && kept != Kept::Not {
                tracing::warn!("Kafka takes messages again");
            }
            if kept != Kept::All
                && let Some(print) = print
            {
                repeats.lock().unwrap_or_else(PoisonError::into_inner).remove(&print);
            }
            counters.message(
                protocol,
                match kept {
                    Kept::All => fate,
                    Kept::TooLarge => "too_large",
                    Kept::Not => "unavailable",
                },
            );
            tell.send_replace(Some(kept));
        });
        keeping
    }

    fn repeats(&self) -> std::sync::MutexGuard<'_, Repeats<Fate>> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until it is known.
pub(super) async fn kept(keeping: &mut Keeping) -> Kept {
    match keeping.wait_for(Option::is_some).await {
        Ok(kept) => kept.unwrap_or(Kept::Not),
        Err(_) => Kept::Not, // the task that follows it is gone: the runtime ends
    }
}

const fn worse(a: Kept, b: Kept) -> Kept {
    match (a, b) {
        (Kept::Not, _) | (_, Kept::Not) => Kept::Not,
        (Kept::TooLarge, _) | (_, Kept::TooLarge) => Kept::TooLarge,
        (Kept::All, Kept::All) => Kept::All,
    }
}

const fn fate(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted(_) => "accepted",
        Verdict::Refused(_) => "refused",
        Verdict::Unsupported(_) => "unsupported",
        Verdict::Unavailable => "unavailable",
    }
}

fn too_large() -> Verdict {
    Verdict::Refused(vec![Fault::whole(Code::ApplicationInternal, "too_large")])
}

/// A copy of the first segment: all that an answer needs, and not the memory of the whole message.
fn head(message: &[u8]) -> Vec<u8> {
    let window = &message[..message.len().min(64 << 10)];
    lexer::segments(window).first().map_or_else(Vec::new, |s| s.line(window).bytes.to_vec())
}
