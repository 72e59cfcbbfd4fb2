//! Puts alerts into words on a thread of its own, against a deadline.
//!
//! An alert never waits for anything optional: its risk, priority and recipients are fixed before
//! it comes here. Jobs are taken by priority, then deadline. A job whose deadline has passed, or
//! that finds the queue full, leaves at once with the template's words, and the reason is counted.
//! The messages of one episode leave in their order: one behind which an earlier one still waits or
//! is being told joins the queue even when that is full.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use bedwatch_inference::writer::{Request, Writer};
use bedwatch_schemas::{
    alert::{Alert, Priority},
    ids::AlertId,
    rationale::TemplateReason,
    time::{ArrivalTime, Span},
};

use crate::{clock::Clock, engine::Output};

/// A finished alert with the arrival of what triggered it.
#[derive(Debug)]
pub struct Told {
    /// The alert.
    pub alert: Alert,
    /// Latency counts from here.
    pub triggered: ArrivalTime,
}

/// How narration behaves.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// After the triggering sample's arrival the template speaks.
    pub deadline: Span,
    /// Jobs that may wait.
    pub capacity: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { deadline: Span::millis(700), capacity: 256 }
    }
}

/// Most urgent first: highest priority, earliest deadline, first come.
type Place = (std::cmp::Reverse<Priority>, ArrivalTime, u64);

#[derive(Default)]
struct Queue {
    jobs: BTreeMap<Place, Output>,
    running: Vec<AlertId>,
    next: u64,
    closed: bool,
}

impl Queue {
    /// Whether an earlier message of the episode has not left yet.
    fn holds(&self, id: AlertId) -> bool {
        self.running.contains(&id) || self.jobs.values().any(|job| job.draft.id() == id)
    }
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The narration thread, seen from outside.
pub struct Narration {
    shared: Arc<Shared>,
    config: Config,
    clock: Arc<dyn Clock>,
    writer: Arc<Writer>,
    done: Arc<dyn Fn(Told) + Send + Sync>,
    thread: Option<JoinHandle<()>>,
}

impl Narration {
    /// Starts the thread; `done` is called once for every job, from either thread.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        writer: Arc<Writer>,
        clock: Arc<dyn Clock>,
        config: Config,
        done: Arc<dyn Fn(Told) + Send + Sync>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new() });
        let worker = Worker {
            shared: shared.clone(),
            clock: clock.clone(),
            writer: writer.clone(),
            done: done.clone(),
        };
        let thread = std::thread::Builder::new().name("narrator".to_owned()).spawn(move || worker.run())?;
        Ok(Self { shared, config, clock, writer, done, thread: Some(thread) })
    }

    /// Hands an alert over. Never waits.
    pub fn submit(&self, output: Output) {
        let now = self.clock.now();
        // What was triggered long ago (catching up after a start) is not made later still by a
        // deadline that has passed: it gets the same time from now.
        let from = if now.since(output.triggered) > Span::secs(5) { now } else { output.triggered };
        let deadline = from + self.config.deadline;
        let id = output.draft.id();
        let mut queue = self.shared.lock();
        if queue.jobs.len() >= self.config.capacity && !queue.holds(id) {
            drop(queue);
            finish(&self.writer, &*self.done, output, TemplateReason::QueueFull);
            return;
        }
        let mut place = (std::cmp::Reverse(output.draft.priority()), deadline, queue.next);
        queue.next += 1;
        // An earlier message of the same episode that still waits goes first: it moves up to the
        // priority of this one, and this one waits at least as long.
        let earlier: Vec<Place> =
            queue.jobs.iter().filter(|(_, job)| job.draft.id() == id).map(|(place, _)| *place).collect();
        for before in earlier {
            place.0 = place.0.min(before.0);
            place.1 = place.1.max(before.1);
            if let Some(job) = queue.jobs.remove(&before) {
                queue.jobs.insert((place.0, before.1, before.2), job);
            }
        }
        queue.jobs.insert(place, output);
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// Jobs that wait or run.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        let queue = self.shared.lock();
        queue.jobs.len() + queue.running.len()
    }

    /// Waits until every job is told.
    pub fn drain(&self) {
        let mut queue = self.shared.lock();
        while !queue.jobs.is_empty() || !queue.running.is_empty() {
            queue = self.shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Narration {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of the worker has been printed by the hook.
            let _ = thread.join();
        }
    }
}

/// What a rationale is written from.
#[must_use]
pub fn request(output: &Output) -> Request<'_> {
    let draft = &output.draft;
    Request {
        embedding: &output.embedding,
        kind: draft.kind(),
        phase: draft.phase(),
        priority: draft.priority(),
        evidence: draft.evidence(),
    }
}

fn finish(writer: &Writer, done: &dyn Fn(Told), output: Output, reason: TemplateReason) {
    let rationale = writer.template(&request(&output), reason);
    let triggered = output.triggered;
    done(Told { alert: output.draft.with_rationale(rationale), triggered });
}

struct Worker {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    writer: Arc<Writer>,
    done: Arc<dyn Fn(Told) + Send + Sync>,
}

impl Worker {
    fn run(&self) {
        loop {
            let mut queue = self.shared.lock();
            while queue.jobs.is_empty() {
                if queue.closed {
                    return;
                }
                queue = self
                    .shared
                    .changed
                    .wait_timeout(queue, Duration::from_millis(200))
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
            let now = self.clock.now();
            let expired: Vec<Place> = queue.jobs.keys().filter(|place| place.1 <= now).copied().collect();
            let late: Vec<Output> = expired.iter().filter_map(|place| queue.jobs.remove(place)).collect();
            let next = queue.jobs.pop_first();
            queue.running =
                late.iter().chain(next.as_ref().map(|n| &n.1)).map(|job| job.draft.id()).collect();
            drop(queue);
            for output in late {
                finish(&self.writer, &*self.done, output, TemplateReason::Deadline);
            }
            if let Some(((_, deadline, _), output)) = next {
                self.tell(output, deadline);
            }
            self.shared.lock().running.clear();
            self.shared.changed.notify_all();
        }
    }

    fn tell(&self, output: Output, deadline: ArrivalTime) {
        let rationale = self.writer.write(&request(&output), &|| self.clock.now() >= deadline);
        let triggered = output.triggered;
        (self.done)(Told { alert: output.draft.with_rationale(rationale), triggered });
    }
}

#[cfg(test)]
mod tests;
