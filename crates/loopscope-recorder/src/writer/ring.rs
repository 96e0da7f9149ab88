//! Who may write a record of a ring.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::fence;

/// Takes a record for the entry with this number. Returns what its sequence must say once it is complete;
/// `None` where the record must be left alone: an odd sequence is a writer that was overtaken by a whole
/// turn of the ring, a later one that has overtaken us.
pub(super) fn take_record(sequence: &AtomicU64, number: u64) -> Option<u64> {
    let before = sequence.load(Relaxed);
    let writing = number.wrapping_mul(2).wrapping_add(1);
    let is_free = before.is_multiple_of(2) && before < writing;
    let is_taken = is_free
        && sequence
            .compare_exchange(before, writing, Acquire, Relaxed)
            .is_ok();
    if !is_taken {
        return None;
    }
    fence(std::sync::atomic::Ordering::Release);
    Some(writing.wrapping_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_another_writer_holds_or_has_written_since_is_left_alone() {
        let held = AtomicU64::new(2 * 7 + 1);
        assert_eq!(take_record(&held, 9), None);
        let newer = AtomicU64::new(2 * 9 + 2);
        assert_eq!(take_record(&newer, 7), None);
        let older = AtomicU64::new(2 * 7 + 2);
        assert_eq!(take_record(&older, 9), Some(2 * 9 + 2));
        assert_eq!(older.into_inner(), 2 * 9 + 1);
    }
}
