//! How many tasks were created and are alive, by the second in which they began.

use std::ops::RangeInclusive;
#[cfg(not(test))]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

#[cfg(test)]
use loom::sync::atomic::AtomicU64;

/// In the count of a second: a task that was created in it, of which nobody has taken note.
const CREATED: u64 = 1 << 32;
/// And one that is alive.
const ALIVE: u64 = 1;

/// A count for each of so many seconds. One that comes round to a task that is older still shares its count.
pub(super) struct Counts(Box<[AtomicU64]>);

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Since it was asked for last.
    pub(super) created: u64,
    pub(super) alive: u64,
    /// The second in which the oldest that is alive began.
    pub(super) oldest: Option<u64>,
}

impl Counts {
    pub(super) fn new(seconds: usize) -> Self {
        Self((0..seconds).map(|_| AtomicU64::new(0)).collect())
    }

    /// A task was created.
    #[inline]
    pub(super) fn begins(&self, second: u64) {
        self.of(second).fetch_add(CREATED + ALIVE, Relaxed);
    }

    /// A task that was created then has ended. Whoever sees that sees what was written before.
    #[inline]
    pub(super) fn ends(&self, second: u64) {
        self.of(second).fetch_sub(ALIVE, Release);
    }

    #[inline]
    fn of(&self, second: u64) -> &AtomicU64 {
        // As many as the remainder can say.
        &self.0[(second % self.0.len() as u64) as usize]
    }

    /// Adds up the counts of these seconds. One thread at a time.
    pub(super) fn take(&self, seconds: RangeInclusive<u64>) -> Counted {
        let mut counted = Counted::default();
        for second in seconds.take(self.0.len()) {
            let count = self.of(second);
            let seen = count.load(Acquire);
            // Each count is right by itself: what has ended by all of them only grows.
            let (created, alive) = (seen / CREATED, seen % CREATED);
            if created > 0 {
                count.fetch_sub(created * CREATED, Relaxed);
            }
            counted.created += created;
            counted.alive += alive;
            if alive > 0 {
                counted.oldest = counted.oldest.or(Some(second));
            }
        }
        counted
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use loom::sync::Arc;
    use loom::sync::atomic::AtomicU64;
    use loom::thread;

    use super::Counts;

    /// Under every order in which threads can run and see each other's writes.
    #[test]
    fn every_task_is_counted_once_and_none_has_ended_that_has_not_said_how() {
        loom::model(|| {
            let counts = Arc::new(Counts::new(4));
            let failed = Arc::new(AtomicU64::new(0));
            let tasks = {
                let (counts, failed) = (Arc::clone(&counts), Arc::clone(&failed));
                thread::spawn(move || {
                    counts.begins(0);
                    counts.begins(5);
                    failed.fetch_add(1, Relaxed);
                    counts.ends(0);
                })
            };
            let (mut created, mut ended) = (0, 0);
            let mut look = |last: bool| {
                let counted = counts.take(0..=6);
                created += counted.created;
                let now_ended = created - counted.alive;
                assert!(now_ended >= ended && now_ended <= failed.load(Relaxed));
                ended = now_ended;
                if last {
                    assert_eq!((created, ended, counted.oldest), (2, 1, Some(1)));
                }
            };
            look(false);
            tasks.join().unwrap();
            look(true);
        });
    }
}
