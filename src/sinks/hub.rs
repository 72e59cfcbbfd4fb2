//! What the HTTP server tells of alerts: the stream of messages with a bounded history, and the
//! open alerts of each patient.
//!
//! Every process that serves HTTP reads the whole topic by itself, from its beginning. The id of an
//! event is a place in the topic (`partition:offset` for each partition), so a client may come back
//! to another process, or after a restart, and go on where it was.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bedwatch_alerts::render;
use bedwatch_ingest::kafka::follow::{self, Followed, Follower};
use bedwatch_schemas::{
    alert::Alert,
    ids::{AlertId, PatientId},
};
use tokio::{sync::watch, task::JoinHandle};

use crate::config::Config as Whole;

/// The last offset seen of each partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place(BTreeMap<i32, i64>);

impl Place {
    /// Reads `0:12,1:40`; `None` when it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut place = BTreeMap::new();
        for part in text.split(',') {
            let (partition, offset) = part.split_once(':')?;
            let (partition, offset): (i32, i64) = (partition.parse().ok()?, offset.parse().ok()?);
            if partition < 0 || offset < -1 || place.insert(partition, offset).is_some() {
                return None;
            }
        }
        Some(Self(place))
    }

    fn of(&self, partition: i32) -> i64 {
        self.0.get(&partition).copied().unwrap_or(-1)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (partition, offset)) in self.0.iter().enumerate() {
            write!(f, "{}{partition}:{offset}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// One message of the history.
#[derive(Debug, Clone)]
struct Kept {
    partition: i32,
    offset: i64,
    json: Arc<str>,
}

#[derive(Debug, Default)]
struct State {
    history: VecDeque<Kept>,
    /// How many messages came before the history's first.
    dropped: u64,
    /// The last offset of each partition that the history holds no more.
    forgotten: Place,
    seen: Place,
    open: BTreeMap<PatientId, BTreeMap<AlertId, Alert>>,
}

/// The history and the open alerts.
#[derive(Debug)]
pub struct Hub {
    state: Mutex<State>,
    most: usize,
    /// Counts the messages taken, for those who wait for more.
    news: watch::Sender<u64>,
}

/// What a client is sent next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message, and the place after it.
    Alert {
        /// The id to come back with.
        place: String,
        /// The alert's JSON.
        json: Arc<str>,
    },
    /// Some messages before the next one are no longer in the history: the client must look at the
    /// topic, or at the open alerts.
    Gap,
}

/// A client's way through the history.
#[derive(Debug)]
pub struct Cursor {
    place: Place,
    next: u64,
}

impl Hub {
    /// Keeps so many messages.
    #[must_use]
    pub fn new(history: usize) -> Arc<Self> {
        let state = Mutex::new(State::default());
        Arc::new(Self { state, most: history.max(1), news: watch::channel(0).0 })
    }

    /// Follows the alerts on the current runtime, until the task is aborted.
    ///
    /// # Errors
    /// When Kafka cannot be asked for the topic.
    pub fn follow(self: &Arc<Self>, config: &Whole) -> Result<JoinHandle<()>, super::Error> {
        let follower = Follower::all(&follow::Config {
            bootstrap: config.kafka.bootstrap.clone(),
            topic: config.kafka.topics.alerts.clone(),
            group: format!("{}-hub", config.kafka.group),
            properties: config.kafka.properties.clone(),
        })?;
        let hub = self.clone();
        Ok(tokio::spawn(async move {
            loop {
                match follower.next().await {
                    Ok(message) => hub.take(&message),
                    Err(error) => {
                        tracing::warn!(%error, "the alerts cannot be read for now");
                        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    }
                }
            }
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one message of the topic.
    pub fn take(&self, message: &Followed) {
        let Some((json, alert)) = read(&message.payload) else {
            // The sinks count it and put it with the dead letters; here it is only not shown.
            tracing::warn!(message.partition, message.offset, "a message of the alerts is no alert");
            return;
        };
        let mut state = self.state();
        state.seen.0.insert(message.partition, message.offset);
        state.history.push_back(Kept { partition: message.partition, offset: message.offset, json });
        if state.history.len() > self.most
            && let Some(old) = state.history.pop_front()
        {
            state.forgotten.0.insert(old.partition, old.offset);
            state.dropped += 1;
        }
        state.fold(alert);
        let taken = state.dropped + state.history.len() as u64;
        drop(state);
        self.news.send_replace(taken);
    }

    /// Begins after a place, or with what comes from now on.
    #[must_use]
    pub fn cursor(&self, from: Option<Place>) -> Cursor {
        let state = self.state();
        match from {
            Some(place) => Cursor { place, next: 0 },
            None => Cursor { place: state.seen.clone(), next: state.dropped + state.history.len() as u64 },
        }
    }

    /// At most `most` events that the cursor has not seen; it moves past them.
    pub fn next(&self, cursor: &mut Cursor, most: usize) -> Vec<Event> {
        let state = self.state();
        let mut out = Vec::new();
        if cursor.next < state.dropped {
            let lost = |(&partition, &offset): (&i32, &i64)| offset > cursor.place.of(partition);
            if state.forgotten.0.iter().any(lost) {
                out.push(Event::Gap);
            }
            cursor.next = state.dropped;
        }
        let from = usize::try_from(cursor.next - state.dropped).unwrap_or(usize::MAX);
        for kept in state.history.iter().skip(from) {
            if out.len() >= most {
                break;
            }
            cursor.next += 1;
            if kept.offset > cursor.place.of(kept.partition) {
                cursor.place.0.insert(kept.partition, kept.offset);
                out.push(Event::Alert { place: cursor.place.to_string(), json: kept.json.clone() });
            }
        }
        out
    }

    /// Tells when there is more.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// The open alerts of a patient, most urgent first, then the newest.
    #[must_use]
    pub fn open(&self, patient: &PatientId) -> Vec<Alert> {
        let state = self.state();
        let mut open: Vec<Alert> =
            state.open.get(patient).into_iter().flat_map(|o| o.values().cloned()).collect();
        open.sort_by_key(|a| (std::cmp::Reverse((a.priority, a.onset)), a.id));
        open
    }
}

impl State {
    fn fold(&mut self, alert: Alert) {
        let open = self.open.entry(alert.patient.clone()).or_default();
        if render::is_over(alert.phase) {
            open.remove(&alert.id);
            if open.is_empty() {
                self.open.remove(&alert.patient);
            }
        } else {
            open.insert(alert.id, alert);
        }
    }
}

/// The alert and its JSON on one line.
fn read(payload: &[u8]) -> Option<(Arc<str>, Alert)> {
    let alert = serde_json::from_slice(payload).ok()?;
    let text = std::str::from_utf8(payload).ok()?;
    // JSON strings hold no line ends; between tokens they are blanks.
    Some((text.replace(['\r', '\n'], " ").into(), alert))
}

#[cfg(test)]
mod tests {
    use bedwatch_alerts::render::samples;

    use super::*;

    fn take(hub: &Hub, partition: i32, offset: i64, alert: &Alert) {
        let payload = serde_json::to_vec(alert).unwrap();
        hub.take(&Followed { partition, offset, timestamp: None, key: None, payload });
    }

    fn places(events: &[Event]) -> Vec<&str> {
        events
            .iter()
            .map(|e| if let Event::Alert { place, .. } = e { place.as_str() } else { "gap" })
            .collect()
    }

    #[test]
    fn places_read_back() {
        for text in ["0:12,1:40", "3:0", "0:-1"] {
            assert_eq!(Place::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "0", "0:x", "-1:0", "0:-2", "0:1,0:2", "0:1;1:2", "99999999999:0"] {
            assert_eq!(Place::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_client_goes_on_where_it_was_whatever_the_order_of_partitions_is_now() {
        let alerts = samples::all();
        let (before, after) = (Hub::new(100), Hub::new(100));
        for (partition, offset) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            take(&before, partition, offset, &alerts[0]);
        }
        for (partition, offset) in [(1, 0), (1, 1), (1, 2), (0, 0), (0, 1)] {
            take(&after, partition, offset, &alerts[0]);
        }
        let mut cursor = before.cursor(Some(Place::default()));
        let seen = before.next(&mut cursor, 3);
        assert_eq!(places(&seen), ["0:0", "0:0,1:0", "0:1,1:0"]);
        let mut cursor = after.cursor(Place::parse("0:1,1:0"));
        assert_eq!(places(&after.next(&mut cursor, 10)), ["0:1,1:1", "0:1,1:2"]);
        assert!(after.next(&mut cursor, 10).is_empty());
        take(&after, 0, 2, &alerts[0]);
        assert_eq!(places(&after.next(&mut cursor, 10)), ["0:2,1:2"]);
        let mut new = after.cursor(None);
        assert!(after.next(&mut new, 10).is_empty());
    }

    #[test]
    fn what_the_history_lost_is_told_and_what_was_seen_is_no_loss() {
        let hub = Hub::new(2);
        let alerts = samples::all();
        (0..4).for_each(|offset| take(&hub, 0, offset, &alerts[0]));
        assert_eq!(places(&hub.next(&mut hub.cursor(Place::parse("0:0")), 10)), ["gap", "0:2", "0:3"]);
        assert_eq!(places(&hub.next(&mut hub.cursor(Place::parse("0:1")), 10)), ["0:2", "0:3"]);
        // A client that is too slow falls behind while it is connected.
        let mut slow = hub.cursor(None);
        (4..7).for_each(|offset| take(&hub, 0, offset, &alerts[0]));
        assert_eq!(places(&hub.next(&mut slow, 10)), ["gap", "0:5", "0:6"]);
    }

    #[test]
    fn an_alert_is_open_until_its_end() {
        let hub = Hub::new(1);
        let alerts = samples::all();
        for (i, alert) in (0..).zip(&alerts) {
            take(&hub, 0, i, alert);
            let open = hub.open(&alert.patient);
            if render::is_over(alert.phase) {
                assert!(open.is_empty());
            } else {
                assert_eq!(open, std::slice::from_ref(alert));
            }
        }
        assert!(hub.state().open.is_empty());
    }
}
