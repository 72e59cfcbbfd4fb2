//! When checkpoints are taken: the bytes between two turns, the file once every alert decided before
//! them is with the broker. So a restart may say an alert again (same id, same bytes), never lose it.

use std::collections::BTreeMap;

use bedwatch_schemas::{
    event::Stream,
    ids::PatientId,
    time::{ArrivalTime, Span},
};
use serde::Serialize;

use super::outlet::Outlet;
use crate::engine::{
    Core,
    checkpoint::{self, Checkpoint, Store},
    core::Counters,
    patient::Patient,
    units::Units,
};

/// The same shape as [`Checkpoint`], borrowed.
#[derive(Serialize)]
struct Borrowed<'a> {
    config: &'a str,
    closed_to: ArrivalTime,
    offsets: &'a BTreeMap<(Stream, i32), i64>,
    patients: &'a BTreeMap<PatientId, Patient>,
    units: &'a Units,
    counters: &'a Counters,
}

/// The newest checkpoint that fits; faults and misfits are said, and the start goes on without.
pub(super) fn restore(store: &Store, config: &str) -> Option<Checkpoint> {
    let (found, faults) = store.read();
    for fault in faults {
        tracing::error!(%fault, "a checkpoint is not used");
    }
    let found = found?;
    if found.config != config {
        tracing::warn!(
            "the checkpoint was written under another configuration; the topics are read from their beginning"
        );
        return None;
    }
    Some(found)
}

/// How long a checkpoint waits for the archive.
const ARCHIVE_PATIENCE: Span = Span::secs(60);

pub(super) struct Checkpoints {
    store: Store,
    every: Span,
    taken: Option<ArrivalTime>,
    /// The bytes and the moment they are of.
    waiting: Option<(Vec<u8>, ArrivalTime)>,
}

impl Checkpoints {
    pub(super) fn new(store: Store, every: Span) -> Self {
        Self { store, every, taken: None, waiting: None }
    }

    /// Takes a checkpoint when due and writes one that waits as soon as it may be written: with every
    /// alert at the broker, and with the archive, where there is one, durable up to it.
    pub(super) fn turn(
        &mut self,
        core: &Core,
        offsets: &BTreeMap<(Stream, i32), i64>,
        closed_to: ArrivalTime,
        now: ArrivalTime,
        outlet: &Outlet,
        archived_to: Option<ArrivalTime>,
    ) -> Result<(), checkpoint::Error> {
        if self.waiting.is_none() && self.taken.is_none_or(|t| now.since(t) >= self.every) {
            self.taken = Some(now);
            self.waiting = Some((bytes(core, offsets, closed_to)?, closed_to));
        }
        let safe = outlet.is_clear() && outlet.failed() == 0;
        // An archive that does not answer must not keep the engine from knowing where it was.
        let is_patient = self.taken.is_some_and(|taken| now.since(taken) < ARCHIVE_PATIENCE);
        let kept = |of: ArrivalTime| archived_to.is_none_or(|to| to >= of) || !is_patient;
        if let Some((bytes, of)) = self.waiting.take_if(|(_, of)| safe && kept(*of)) {
            if archived_to.is_some_and(|to| to < of) {
                tracing::error!("the archive does not answer; a crash now would lose rows of it");
            }
            self.store.write(&bytes)?;
        }
        Ok(())
    }

    /// The moment of the checkpoint that waits to be written.
    pub(super) fn waits_at(&self) -> Option<ArrivalTime> {
        self.waiting.as_ref().map(|(_, of)| *of)
    }

    /// Writes at once: everything is with the broker already.
    pub(super) fn write_now(
        &mut self,
        core: &Core,
        offsets: &BTreeMap<(Stream, i32), i64>,
        closed_to: ArrivalTime,
    ) -> Result<(), checkpoint::Error> {
        self.store.write(&bytes(core, offsets, closed_to)?)
    }
}

fn bytes(
    core: &Core,
    offsets: &BTreeMap<(Stream, i32), i64>,
    closed_to: ArrivalTime,
) -> Result<Vec<u8>, checkpoint::Error> {
    checkpoint::encode(&Borrowed {
        config: &core.config().hash,
        closed_to,
        offsets,
        patients: core.patients(),
        units: core.units(),
        counters: core.counters(),
    })
}
