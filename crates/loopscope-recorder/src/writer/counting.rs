//! How numbers move when several threads may move them.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicU64, fence};

/// Whether writers of one slot may run at the same time; see [`Shared`] and [`Exclusive`].
pub trait Sharing: sealed::Sealed + Copy {
    /// Adds to a counter.
    fn add(counter: &AtomicU64, amount: u64);
}

/// Any number of threads may write at once: counters move by an atomic add, about 5 ns each.
#[derive(Clone, Copy, Debug)]
pub struct Shared;

/// Something else keeps the writers apart, such as an interpreter's global lock: counters move by a load
/// and a store, about 1 ns each. Where that is not so, counts are lost, and nothing worse.
#[derive(Clone, Copy, Debug)]
pub struct Exclusive;

impl Sharing for Shared {
    #[inline]
    fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Relaxed);
    }
}

impl Sharing for Exclusive {
    #[inline]
    fn add(counter: &AtomicU64, amount: u64) {
        counter.store(counter.load(Relaxed).wrapping_add(amount), Relaxed);
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Shared {}
    impl Sealed for super::Exclusive {}
}

/// Raises a maximum. It seldom moves, so it is looked at first.
#[inline]
pub(super) fn raise(maximum: &AtomicU64, value: u64) {
    if value > maximum.load(Relaxed) {
        maximum.fetch_max(value, Relaxed);
    }
}

/// Takes one off a gauge, never below zero.
pub(super) fn lower(gauge: &AtomicU64) {
    let _ = gauge.fetch_update(Relaxed, Relaxed, |value| Some(value.saturating_sub(1)));
}

/// Notes since when something has been so without a break: now, unless it already was. `None` from `is_so` leaves it as it
/// is.
///
/// Several threads at once may change what it depends on, before each of them says so here, and one that was held up in
/// between would leave behind what is no longer so. So each looks again after it has written, and the last one to change
/// something finds what the others wrote.
pub(super) fn note_since(since: &AtomicU64, now_nanos: u64, is_so: impl Fn() -> Option<bool>) {
    loop {
        fence(SeqCst);
        match (is_so(), since.load(Relaxed)) {
            (Some(true), 0) => {
                let _ = since.compare_exchange(0, now_nanos.max(1), Relaxed, Relaxed);
            }
            (Some(false), 1..) => since.store(0, Relaxed),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_does_not_go_below_zero() {
        let gauge = AtomicU64::new(1);
        lower(&gauge);
        lower(&gauge);
        assert_eq!(gauge.load(Relaxed), 0);
        assert_eq!(gauge.into_inner(), 0);
    }

    #[test]
    fn a_state_keeps_the_time_of_its_beginning_until_it_ends() {
        let since = AtomicU64::new(0);
        note_since(&since, 5, || Some(true));
        note_since(&since, 9, || Some(true));
        assert_eq!(since.load(Relaxed), 5);
        note_since(&since, 11, || Some(false));
        assert_eq!(since.load(Relaxed), 0);
    }
}
