//! A bounded pool of sessions: each runs for one caller at a time, and no lock is held while it runs.

use std::{
    ops::{Deref, DerefMut},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How often a waiting caller asks whether it should still wait.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// Items lent one at a time. Callers wait when all are lent.
#[derive(Debug)]
pub struct Pool<T> {
    free: Mutex<Vec<T>>,
    returned: Condvar,
    size: usize,
}

/// A lent item; returned when dropped, also by a panic.
#[derive(Debug)]
pub struct Lent<'a, T> {
    pool: &'a Pool<T>,
    item: Option<T>,
}

impl<T> Pool<T> {
    /// A pool of these items; at least one, else callers would wait for ever.
    #[must_use]
    pub fn new(items: Vec<T>) -> Self {
        assert!(!items.is_empty(), "a pool holds at least one item");
        Self { size: items.len(), free: Mutex::new(items), returned: Condvar::new() }
    }

    /// How many items there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Takes an item, waiting for one when all are lent.
    pub fn take(&self) -> Lent<'_, T> {
        let mut free = self.lock();
        loop {
            if let Some(item) = free.pop() {
                return Lent { pool: self, item: Some(item) };
            }
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes an item, waiting for one until `cancel` says true; it is asked every few milliseconds.
    pub fn take_unless(&self, cancel: &dyn Fn() -> bool) -> Option<Lent<'_, T>> {
        let mut free = self.lock();
        loop {
            if let Some(item) = free.pop() {
                return Some(Lent { pool: self, item: Some(item) });
            }
            if cancel() {
                return None;
            }
            free = self.returned.wait_timeout(free, ASK_EVERY).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes an item if one is free now.
    pub fn try_take(&self) -> Option<Lent<'_, T>> {
        let item = self.lock().pop()?;
        Some(Lent { pool: self, item: Some(item) })
    }

    /// Nothing panics while the lock is held, so a poisoned one is as good as new.
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Deref for Lent<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.item.as_ref().expect("an item is lent until it is dropped")
    }
}

impl<T> DerefMut for Lent<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.item.as_mut().expect("an item is lent until it is dropped")
    }
}

impl<T> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        self.pool.lock().extend(self.item.take());
        self.pool.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::*;

    #[test]
    fn more_callers_than_items_all_get_their_turn() {
        let pool = Pool::new(vec![0_u32; 3]);
        let (out, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|s| {
            for _ in 0..8 {
                s.spawn(|| {
                    for _ in 0..500 {
                        let mut item = pool.take();
                        most.fetch_max(out.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        *item += 1;
                        out.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.into_inner() <= pool.size());
        let all = [pool.take(), pool.take(), pool.take()];
        assert!(pool.try_take().is_none());
        assert_eq!(all.iter().map(|i| **i).sum::<u32>(), 4_000);
    }

    #[test]
    fn a_caller_can_stop_waiting() {
        let pool = Pool::new(vec![()]);
        let item = pool.take_unless(&|| true);
        assert!(item.is_some(), "a free item is lent whatever the deadline");
        let asked = AtomicUsize::new(0);
        assert!(pool.take_unless(&|| asked.fetch_add(1, Ordering::SeqCst) == 2).is_none());
        drop(item);
        assert!(pool.take_unless(&|| false).is_some());
    }

    #[test]
    fn an_item_comes_back_after_a_panic() {
        let pool = Pool::new(vec![()]);
        let panicked = thread::scope(|s| {
            s.spawn(|| {
                let _item = pool.take();
                panic!("as intended");
            })
            .join()
        });
        assert!(panicked.is_err());
        assert!(pool.try_take().is_some());
    }
}
