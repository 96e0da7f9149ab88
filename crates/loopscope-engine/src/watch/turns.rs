//! How far a worker was seen to have come that need not wait for events between two polls.

use crate::observation::{InsideLoop, Sample};
use crate::time::Nanos;

/// What looks told of a worker's turns.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// When it was last seen between two polls, or in another one than before.
    last: Option<Nanos>,
    /// The poll that it was last seen in.
    poll: Option<u64>,
}

impl Turns {
    /// Takes in a look. `is_same_period` where the one before was at the same busy period.
    pub(super) fn see(&mut self, sample: &Sample, is_same_period: bool, now: Nanos) {
        let is_other = is_same_period && sample.callback != self.poll;
        if is_other || sample.inside_loop == InsideLoop::Between {
            self.last = Some(now);
        }
        self.poll = sample.callback;
    }

    /// The last turn that was seen, where that was later than the period's beginning.
    pub(super) fn seen_since(&self, began: Nanos) -> Option<Nanos> {
        self.last.filter(|last| *last > began)
    }
}
