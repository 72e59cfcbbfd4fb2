//! Offsets must follow each other: a jump means that records vanished.
//!
//! The embedded broker drops its oldest records past 5 MiB a partition without a word (librdkafka
//! `rdkafka_mock.c`, `max_size`), and a real one does so past its retention. Either way the client
//! silently goes on at the oldest record left; only the offsets tell. Transaction markers take up
//! offsets too, so a topic written by a transactional producer shows gaps of one that are none.

use std::collections::BTreeMap;

use bedwatch_schemas::event::Stream;

/// The offset each partition must show next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detector {
    next: BTreeMap<(Stream, i32), i64>,
}

impl Detector {
    /// Expects `offset` next; call it for every known starting offset.
    pub fn expect(&mut self, stream: Stream, partition: i32, offset: i64) {
        self.next.insert((stream, partition), offset);
    }

    /// Forgets a partition (it was revoked).
    pub fn forget(&mut self, stream: Stream, partition: i32) {
        self.next.remove(&(stream, partition));
    }

    /// Takes note of a record and returns the offset that should have come, where another did.
    /// Ahead of it, records vanished; behind it, the log was cut or made anew. The first record of a
    /// partition without a known start is never a gap.
    pub fn observe(&mut self, stream: Stream, partition: i32, offset: i64) -> Option<i64> {
        let expected = self.next.insert((stream, partition), offset + 1)?;
        (expected != offset).then_some(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_a_gap_and_a_row_is_not() {
        let mut d = Detector::default();
        d.expect(Stream::Cgm, 0, 5);
        let seen: Vec<_> = [5, 6, 9, 10, 3].map(|o| d.observe(Stream::Cgm, 0, o)).into();
        assert_eq!(seen, [None, None, Some(7), None, Some(11)]);
    }

    #[test]
    fn partitions_are_separate_and_an_unknown_start_is_no_gap() {
        let mut d = Detector::default();
        assert_eq!(d.observe(Stream::Cgm, 0, 40), None);
        assert_eq!(d.observe(Stream::Cgm, 1, 0), None);
        assert_eq!(d.observe(Stream::Fhir, 0, 7), None);
        assert_eq!(d.observe(Stream::Cgm, 0, 42), Some(41));
        d.forget(Stream::Cgm, 0);
        assert_eq!(d.observe(Stream::Cgm, 0, 99), None);
    }
}
