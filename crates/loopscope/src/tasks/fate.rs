//! What becomes of a task's error: it is taken with the task's handle, or nobody hears of it.

use std::sync::atomic::Ordering::{AcqRel, Relaxed};
#[cfg(not(test))]
use std::sync::atomic::{AtomicU8, AtomicU64};

#[cfg(test)]
use loom::sync::atomic::{AtomicU8, AtomicU64};

/// Somebody holds the handle, and the task has not failed.
const HELD: u8 = 0;
/// Nobody does.
const LET_GO: u8 = 1;
/// It has failed, and somebody holds the handle.
const FAILED: u8 = 2;

/// What the task and its handle know of each other. Whatever each does when, one of them is told of what became of a
/// failure: that is the number of the failure, which the others do not get.
#[derive(Debug)]
pub(super) struct Fate {
    failure: AtomicU64,
    state: AtomicU8,
}

impl Fate {
    pub(super) fn new() -> Self {
        Self {
            failure: AtomicU64::new(0),
            state: AtomicU8::new(HELD),
        }
    }

    /// The task has failed, by this number. That where its error reaches nobody any more.
    pub(super) fn fails(&self, failure: u64) -> Option<u64> {
        self.failure.store(failure, Relaxed);
        (self.state.swap(FAILED, AcqRel) == LET_GO).then_some(failure)
    }

    /// The handle is dropped. The failure whose error reaches nobody by that.
    pub(super) fn is_let_go(&self) -> Option<u64> {
        self.failed_before(LET_GO)
    }

    /// The handle has given what the task ended with. The failure whose error was taken by that.
    pub(super) fn is_taken(&self) -> Option<u64> {
        self.failed_before(HELD)
    }

    fn failed_before(&self, state: u8) -> Option<u64> {
        (self.state.swap(state, AcqRel) == FAILED).then(|| self.failure.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::Fate;

    /// Under every order in which threads can run and see each other's writes.
    #[test]
    fn one_of_task_and_handle_is_told_of_an_error_that_reaches_nobody() {
        loom::model(|| {
            let fate = Arc::new(Fate::new());
            let task = {
                let fate = Arc::clone(&fate);
                thread::spawn(move || fate.fails(7))
            };
            let handle = fate.is_let_go();
            let task = task.join().unwrap();
            assert!(matches!((task, handle), (Some(7), None) | (None, Some(7))));
        });
    }

    #[test]
    fn an_error_that_was_taken_is_not_lost_when_the_handle_goes() {
        loom::model(|| {
            let fate = Fate::new();
            assert_eq!(fate.fails(7), None);
            assert_eq!(fate.is_taken(), Some(7));
            assert_eq!(fate.is_let_go(), None);
        });
    }
}
