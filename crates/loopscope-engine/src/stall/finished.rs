//! Which busy periods of a loop are over for good.
//!
//! A loop's periods start one after the other, so the newest few and a floor below them are all that is
//! needed, however long the loop lives.

use std::collections::BTreeSet;

use crate::time::Nanos;

/// Ends arrive at most one ring's reading late; 64 periods cover that with room.
const REMEMBERED: usize = 64;

/// The starts of the busy periods that are over.
#[derive(Debug, Default)]
pub(super) struct Finished {
    newest: BTreeSet<Nanos>,
    /// Everything that started here or earlier is over.
    floor: Option<Nanos>,
}

impl Finished {
    pub(super) fn insert(&mut self, started: Nanos) {
        self.newest.insert(started);
        if self.newest.len() > REMEMBERED {
            self.floor = self.newest.pop_first();
        }
    }

    pub(super) fn contains(&self, started: Nanos) -> bool {
        self.floor.is_some_and(|floor| started <= floor) || self.newest.contains(&started)
    }
}
