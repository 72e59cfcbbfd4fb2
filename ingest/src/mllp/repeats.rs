//! Messages sent again.
//!
//! A sender that hears no acknowledgement sends the message again under the same control id. It is
//! acknowledged again and not forwarded twice. The same id over other bytes is no repeat: senders
//! begin to count anew after a restart, and a message must not be lost because its number is used
//! up. The memory is bounded: past its capacity the oldest are forgotten, and a repeat of one of those
//! goes through a second time, which the engine then sees as duplicate values.

use std::collections::{HashMap, VecDeque};

/// What a message is recognised by: sender, facility, control id and every byte of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The fingerprint of a message; `None` without a control id, by which no sender repeats.
    #[must_use]
    pub fn of(sender: &[u8], facility: &[u8], control_id: &[u8], message: &[u8]) -> Option<Self> {
        if control_id.is_empty() {
            return None;
        }
        let mut hash = blake3::Hasher::new();
        for part in [sender, facility, control_id, message] {
            hash.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        let mut short = [0; 16];
        short.copy_from_slice(&hash.finalize().as_bytes()[..16]);
        Some(Self(short))
    }
}

/// The messages seen lately and what became of them.
#[derive(Debug)]
pub struct Repeats<T> {
    capacity: usize,
    seen: HashMap<Fingerprint, T>,
    order: VecDeque<Fingerprint>,
}

impl<T: Clone> Repeats<T> {
    /// Remembers up to `capacity` messages; none at 0.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, seen: HashMap::new(), order: VecDeque::new() }
    }

    /// What became of the message when it was first seen.
    #[must_use]
    pub fn get(&self, message: &Fingerprint) -> Option<T> {
        self.seen.get(message).cloned()
    }

    /// Remembers a message.
    pub fn insert(&mut self, message: Fingerprint, fate: T) {
        if self.capacity == 0 {
            return;
        }
        if self.seen.insert(message, fate).is_none() {
            self.order.push_back(message);
        }
        while self.seen.len() > self.capacity {
            // Ids of removed messages may stand in the order too.
            let Some(oldest) = self.order.pop_front() else { break };
            self.seen.remove(&oldest);
        }
        if self.order.len() > 2 * self.capacity {
            let seen = &self.seen;
            self.order.retain(|id| seen.contains_key(id));
        }
    }

    /// Forgets a message that could not be kept, so that its repeat is tried anew.
    pub fn remove(&mut self, message: &Fingerprint) {
        self.seen.remove(message);
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(id: &str, text: &str) -> Fingerprint {
        Fingerprint::of(b"MON", b"ICU", id.as_bytes(), text.as_bytes()).unwrap()
    }

    #[test]
    fn the_same_bytes_under_the_same_id_and_nothing_else() {
        let mut repeats = Repeats::new(10);
        repeats.insert(print("1", "a"), 1);
        assert_eq!(repeats.get(&print("1", "a")), Some(1));
        assert_eq!(repeats.get(&print("1", "b")), None, "an id used again over another message");
        assert_eq!(repeats.get(&print("2", "a")), None);
        assert_ne!(Fingerprint::of(b"a", b"bc", b"1", b""), Fingerprint::of(b"ab", b"c", b"1", b""));
        assert_eq!(Fingerprint::of(b"a", b"b", b"", b"x"), None);
        repeats.remove(&print("1", "a"));
        assert_eq!(repeats.get(&print("1", "a")), None);
    }

    #[test]
    fn the_memory_is_bounded_whatever_is_put_in_and_taken_out() {
        let mut repeats = Repeats::new(3);
        for i in 0..100 {
            let id = print(&i.to_string(), "");
            repeats.insert(id, i);
            if i % 3 == 0 {
                repeats.remove(&id);
            }
            assert!(repeats.len() <= 3 && repeats.order.len() <= 6, "{i}");
        }
        assert_eq!(repeats.get(&print("98", "")), Some(98));
        assert_eq!(repeats.get(&print("50", "")), None);
        let mut none = Repeats::new(0);
        none.insert(print("1", ""), 1);
        assert!(none.is_empty());
    }
}
