//! The archive of a replay: sources run several at a time, and their rows are written in the order of
//! the sources, so that the same records give the same files.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use super::{
    Config, Error,
    rows::Rows,
    store::{Counts, Limits, Store},
};

/// Rows of one source held before it waits for its turn to write.
const HELD: usize = 16_384;
/// Rows of finished sources that may wait for an earlier one.
const WAITING: usize = 262_144;

struct Inner {
    store: Store,
    turn: usize,
    waiting: BTreeMap<usize, (Arc<str>, Rows)>,
    held: usize,
    /// The first failure: nothing is written after it.
    failed: Option<Error>,
}

/// An archive that several threads write, each source in its turn.
pub struct Ordered {
    inner: Mutex<Inner>,
    turned: Condvar,
}

impl Ordered {
    /// Begins an archive.
    ///
    /// # Errors
    /// When the folder holds rows already or cannot be used.
    pub fn create(folder: &Path, config: &Config) -> Result<Self, Error> {
        let store = Store::create(folder, Limits::from(config))?;
        let inner = Inner { store, turn: 0, waiting: BTreeMap::new(), held: 0, failed: None };
        Ok(Self { inner: Mutex::new(inner), turned: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the rows of a source that goes on, where they have become many: waits for its turn.
    pub fn more(&self, index: usize, source: &Arc<str>, rows: &mut Rows) {
        if rows.len() < HELD {
            return;
        }
        let mut inner = self.lock();
        // The first source that has not ended never waits, so every turn comes.
        while inner.turn != index {
            inner = self.turned.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        inner.push(source, std::mem::take(rows));
    }

    /// Takes the last rows of a source.
    pub fn end(&self, index: usize, source: &Arc<str>, rows: Rows) {
        let mut inner = self.lock();
        while inner.turn != index && inner.held + rows.len() > WAITING {
            inner = self.turned.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        inner.held += rows.len();
        inner.waiting.insert(index, (source.clone(), rows));
        loop {
            let turn = inner.turn;
            let Some((source, rows)) = inner.waiting.remove(&turn) else { break };
            inner.held -= rows.len();
            inner.push(&source, rows);
            inner.turn += 1;
        }
        drop(inner);
        self.turned.notify_all();
    }

    /// Makes the last parts and says what was written.
    ///
    /// # Errors
    /// The first failure of all.
    pub fn finish(self) -> Result<Counts, Error> {
        let inner = self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        match inner.failed {
            Some(error) => Err(error),
            None => inner.store.finish(),
        }
    }
}

impl Inner {
    fn push(&mut self, source: &Arc<str>, rows: Rows) {
        if self.failed.is_none() {
            let done = self.store.push(source, rows).and_then(|()| self.store.trim());
            self.failed = done.err();
        }
    }
}
