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

/// Where timers of a type have what matters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimerSlots {
    class: u64,
    cancelled: Option<u64>,
    when: Option<u64>,
    arguments: Option<u64>,
    callback: Option<u64>,
}

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

    /// When a timer is due, unless it was cancelled. Notes what it will end then. `slots` are those of the
    /// timer before, which mostly has the same type.
    pub(crate) fn timer_due(
        &mut self,
        timer: u64,
        slots: &mut Option<TimerSlots>,
        due: &mut DueTimes,
    ) -> ReadResult<Option<f64>> {
        let class = self.type_address(timer)?;
        let slots = match slots {
            Some(known) if known.class == class => *known,
            _ => *slots.insert(self.timer_slots(class)?),
        };
        if let Some(cancelled) = self.slot_at(timer, slots.cancelled)?
            && self.truth(cancelled)?
        {
            return Ok(None);
        }
        let Some(when) = self.slot_at(timer, slots.when)? else {
            return Ok(None);
        };
        let Some(when) = self.float(when)? else {
            return Ok(None);
        };
        let mut end = |ended| {
            let known = due.entry(ended).or_insert(when);
            *known = known.min(when);
        };
        if let Some(arguments) = self.slot_at(timer, slots.arguments)?
            && self.kind_of(arguments)? == Kind::Tuple
        {
            for argument in self.tuple_items(arguments)? {
                if self.kind_of(argument)?.is_future() {
                    end(argument);
                }
            }
        }
        if let Some(callback) = self.slot_at(timer, slots.callback)?
            && self.kind_of(callback)? == Kind::Method
        {
            // A time-out knows the task that it will cancel.
            let (_, owner) = self.bound_method(callback)?;
            for name in ["_task", "_host_task"] {
                if let Some(task) = self.object_attribute(owner, name)? {
                    end(task);
                }
            }
        }
        Ok(Some(when))
    }

    fn timer_slots(&mut self, class: u64) -> ReadResult<TimerSlots> {
        Ok(TimerSlots {
            class,
            cancelled: self.slot_place(class, "_cancelled")?,
            when: self.slot_place(class, "_when")?,
            arguments: self.slot_place(class, "_args")?,
            callback: self.slot_place(class, "_callback")?,
        })
    }
}
