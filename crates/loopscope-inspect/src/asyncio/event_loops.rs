//! A loop's own words: its queue, its timers, whether it was closed.
//!
//! asyncio's loops say all of it. Of a loop of an extension module (uvloop's) only the queue is found.

use std::sync::Arc;

use super::QueueOffsets;
use crate::error::ReadResult;
use crate::memory::{AddressMap, Memory};
use crate::object_model::{Kind, ObjectReader};

/// What a loop says of itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LoopWords {
    pub(crate) type_name: Arc<str>,
    /// Callbacks that are ready to run.
    pub(crate) ready: Option<u64>,
    /// Timers that are set.
    pub(crate) timers: Option<u64>,
    /// When the earliest timer that was not cancelled is due, in seconds of the loop's clock.
    pub(crate) next_timer: Option<f64>,
    pub(crate) is_closed: Option<bool>,
}

/// When timers are due that settle a future or end what a task does, by the future's or task's address.
pub(crate) type DueTimes = AddressMap<f64>;

impl<M: Memory> ObjectReader<M> {
    /// What a loop is called.
    pub(crate) fn loop_type_name(&mut self, event_loop: u64) -> ReadResult<Arc<str>> {
        let class = self.type_of(event_loop)?;
        self.qualified_type_name(&class)
    }

    /// How many callbacks of a loop are ready to run.
    pub(crate) fn ready_count(
        &mut self,
        event_loop: u64,
        offsets: &mut QueueOffsets,
    ) -> ReadResult<Option<u64>> {
        match self.ready_queue(event_loop, offsets)? {
            Some(queue) => self.deque_length(queue).map(Some),
            None => Ok(None),
        }
    }

    /// Whether a loop was closed, where it says so.
    pub(crate) fn is_loop_closed(&mut self, event_loop: u64) -> ReadResult<Option<bool>> {
        match self.object_attribute(event_loop, "_closed")? {
            Some(closed) => self.truth(closed).map(Some),
            None => Ok(None),
        }
    }

    /// The timers of a loop, those cancelled and not yet cleared away included.
    pub(crate) fn timers(&mut self, event_loop: u64) -> ReadResult<Option<Vec<u64>>> {
        match self.object_attribute(event_loop, "_scheduled")? {
            Some(timers) => self.list_items(timers).map(Some),
            None => Ok(None),
        }
    }

    /// When a timer is due, unless it was cancelled. Notes what it will end then.
    pub(crate) fn timer_due(&mut self, timer: u64, due: &mut DueTimes) -> ReadResult<Option<f64>> {
        if let Some(cancelled) = self.slot(timer, "_cancelled")?
            && self.truth(cancelled)?
        {
            return Ok(None);
        }
        let Some(when) = self.slot(timer, "_when")? else {
            return Ok(None);
        };
        let Some(when) = self.float(when)? else {
            return Ok(None);
        };
        for ended in self.ended_by(timer)? {
            let known = due.entry(ended).or_insert(when);
            *known = known.min(when);
        }
        Ok(Some(when))
    }

    /// The futures and tasks that a timer's callback is for: its arguments, or the task that a time-out
    /// belongs to.
    fn ended_by(&mut self, timer: u64) -> ReadResult<Vec<u64>> {
        let mut ended = Vec::new();
        if let Some(arguments) = self.slot(timer, "_args")?
            && self.kind_of(arguments)? == Kind::Tuple
        {
            for argument in self.tuple_items(arguments)? {
                if self.kind_of(argument)?.is_future() {
                    ended.push(argument);
                }
            }
        }
        if let Some(callback) = self.slot(timer, "_callback")?
            && self.kind_of(callback)? == Kind::Method
        {
            let (_, owner) = self.bound_method(callback)?;
            for name in ["_task", "_host_task"] {
                ended.extend(self.object_attribute(owner, name)?);
            }
        }
        Ok(ended)
    }
}
