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

pub(super) struct Checkpoints {
    store: Store,
    every: Span,
    taken: Option<ArrivalTime>,
    waiting: Option<Vec<u8>>,
}

impl Checkpoints {
    pub(super) fn new(store: Store, every: Span) -> Self {
        Self { store, every, taken: None, waiting: None }
    }

    /// Takes a checkpoint when due and writes one that waits as soon as it may be written.
    pub(super) fn turn(
        &mut self,
        core: &Core,
        offsets: &BTreeMap<(Stream, i32), i64>,
        closed_to: ArrivalTime,
        now: ArrivalTime,
        outlet: &Outlet,
    ) -> Result<(), checkpoint::Error> {
        if self.waiting.is_none() && self.taken.is_none_or(|t| now.since(t) >= self.every) {
            self.taken = Some(now);
            self.waiting = Some(bytes(core, offsets, closed_to)?);
        }
        let safe = outlet.is_clear() && outlet.failed() == 0;
        if let Some(bytes) = self.waiting.take_if(|_| safe) {
            self.store.write(&bytes)?;
        }
        Ok(())
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
