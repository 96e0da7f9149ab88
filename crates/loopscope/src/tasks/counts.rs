//! How many tasks were created and are alive, by the second in which they began.

#[cfg(not(test))]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

#[cfg(test)]
use loom::sync::atomic::AtomicU64;

/// In the count of a second: a task that was created in it, of which nobody has taken note.
const CREATED: u64 = 1 << 32;
/// And one that is alive.
const ALIVE: u64 = 1;

/// For so long after a second tasks may be counted that began in it.
const LATE_SECONDS: u64 = 10;

/// A count for each of so many seconds, in turn.
pub(super) struct Counts(Box<[AtomicU64]>);

/// What whoever adds up the counts knows from before.
pub(super) struct Known {
    /// Since which second each count has tasks that are alive; 0 where it has none. One in which others began meanwhile
    /// goes on to be counted from the first.
    since: Box<[u32]>,
    /// No second before this one has any.
    first: u64,
}

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

    /// What is known where nothing was counted before this second.
    pub(super) fn known(&self, now: u64) -> Known {
        Known {
            since: self.0.iter().map(|_| 0).collect(),
            first: now.saturating_sub(LATE_SECONDS),
        }
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

    /// Adds up the counts until this second and the next one: tasks begin meanwhile.
    pub(super) fn take(&self, known: &mut Known, now: u64) -> Counted {
        let mut counted = Counted::default();
        let all = self.0.len() as u64;
        let first = known.first.max((now + 2).saturating_sub(all));
        for second in first..=now + 1 {
            let count = self.of(second);
            let seen = count.load(Acquire);
            // Each count is right by itself: what has ended by all of them only grows.
            let (created, alive) = (seen / CREATED, seen % CREATED);
            if created > 0 {
                count.fetch_sub(created * CREATED, Relaxed);
            }
            counted.created += created;
            counted.alive += alive;
            let since = &mut known.since[(second % all) as usize];
            *since = match (alive, *since) {
                (0, _) => 0,
                (_, 0) => second as u32,
                (_, since) => since,
            };
            if alive > 0 {
                let oldest = counted.oldest.unwrap_or(u64::MAX);
                counted.oldest = Some(oldest.min(u64::from(*since)));
            }
        }
        // A thread that has read the clock may count a little later.
        let late = now.saturating_sub(LATE_SECONDS);
        known.first = counted.oldest.unwrap_or(late).min(late);
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
            let counts = Arc::new(Counts::new(3));
            let failed = Arc::new(AtomicU64::new(0));
            let tasks = {
                let (counts, failed) = (Arc::clone(&counts), Arc::clone(&failed));
                thread::spawn(move || {
                    counts.begins(1);
                    counts.begins(6);
                    failed.fetch_add(1, Relaxed);
                    counts.ends(1);
                })
            };
            let mut known = counts.known(1);
            let (mut created, mut ended) = (0, 0);
            let mut look = |last: bool| {
                let counted = counts.take(&mut known, 5);
                created += counted.created;
                let now_ended = created - counted.alive;
                assert!(now_ended >= ended && now_ended <= failed.load(Relaxed));
                ended = now_ended;
                if last {
                    assert_eq!((created, ended, counted.oldest), (2, 1, Some(6)));
                }
            };
            look(false);
            tasks.join().unwrap();
            look(true);
        });
    }

    #[test]
    fn the_oldest_is_told_after_one_that_outlived_all_seconds() {
        loom::model(|| {
            let counts = Counts::new(8);
            let mut known = counts.known(100);
            let mut oldest = |now| counts.take(&mut known, now).oldest;
            counts.begins(100);
            for now in 100..120 {
                // One that lives for a second, in each.
                counts.begins(now);
                assert_eq!(oldest(now), Some(100));
                counts.ends(now);
                assert_eq!(oldest(now), Some(100));
            }
            counts.ends(100);
            assert_eq!(oldest(119), None);
            counts.begins(120);
            assert_eq!(oldest(120), Some(120));
            assert_eq!(oldest(140), Some(120));
        });
    }
}
