//! The tasks that wait for one task, those that wait for these, and so on: for a look at a stall.
//!
//! A dump reads all tasks and knows from what each of them waits for. A look begins at one task and follows
//! callbacks, which lead from what is awaited to whoever is told of its end, through the futures that
//! `gather`, `shield`, `wait` and `wait_for` put in between. All of it is bounded, for a look is short
//! however many tasks there are.

use super::callbacks::{KnownListeners, Listener, Through};
use crate::error::{ReadError, ReadResult};
use crate::memory::{AddressSet, Memory};
use crate::object_model::ObjectReader;

/// Parents that are told, the nearest; a request of a service has three or four.
pub(crate) const MAX_PARENTS: usize = 16;

/// Tasks and futures that are asked who waits for them: each parent may stand behind two futures, as behind
/// a `wait_for` of a `shield`.
const MAX_ASKED: usize = 3 * MAX_PARENTS;

/// Callbacks of one task or future that are followed.
const MAX_CALLBACKS: usize = 64;

/// A task that waits for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) task: u64,
    /// 1 for a task that waits for the first one, 2 for one that waits for such a task.
    pub(crate) level: u32,
}

/// What a walk upwards has found, and what it knows by then.
#[derive(Default)]
struct Walk {
    found: Vec<Parent>,
    seen: AddressSet,
    known: KnownListeners,
    asked: usize,
}

impl Walk {
    fn add(&mut self, task: u64, level: u32) {
        if self.found.len() < MAX_PARENTS {
            self.found.push(Parent { task, level });
        }
    }
}

impl<M: Memory> ObjectReader<M> {
    /// The tasks that wait for a task, at most [`MAX_PARENTS`], the nearest first and each once however
    /// many ways lead to it. What cannot be read is left out; fails only where nothing can be read any more.
    pub(crate) fn parents(&mut self, task: u64) -> ReadResult<Vec<Parent>> {
        let mut walk = Walk::default();
        walk.seen.insert(task);
        let mut next = Some(Parent { task, level: 0 });
        let mut followed = 0;
        while let Some(awaited) = next {
            self.add_parents_of(awaited, &mut walk)?;
            next = walk.found.get(followed).copied();
            followed += 1;
        }
        Ok(walk.found)
    }

    /// Adds the tasks that wait for one task, through futures too, in the order in which they will be told.
    fn add_parents_of(&mut self, awaited: Parent, walk: &mut Walk) -> ReadResult<()> {
        let mut open = self.waiters(awaited.task, walk)?;
        while let Some(address) = open.pop() {
            if !walk.seen.insert(address) {
                continue;
            }
            match optional(self.kind_of(address).map(Some))? {
                Some(kind) if kind.is_task() => walk.add(address, awaited.level + 1),
                Some(kind) if kind.is_future() => open.extend(self.waiters(address, walk)?),
                _ => {}
            }
        }
        Ok(())
    }

    /// The tasks and futures that get on when a task or future is done, the one that is told first at the
    /// end.
    fn waiters(&mut self, awaited: u64, walk: &mut Walk) -> ReadResult<Vec<u64>> {
        let mut waiters = Vec::new();
        if walk.asked >= MAX_ASKED {
            return Ok(waiters);
        }
        walk.asked += 1;
        let mut is_explained = false;
        for callback in optional(self.callbacks(awaited, MAX_CALLBACKS))? {
            let Some(listener) = optional(self.listener(callback, &mut walk.known))? else {
                continue;
            };
            is_explained |= !is_the_programs_own(listener);
            waiters.extend(told_by(listener));
        }
        // Callbacks know better than what is stated, as in a dump.
        if !is_explained {
            waiters.extend(optional(self.awaiters(awaited, MAX_CALLBACKS))?);
        }
        waiters.reverse();
        Ok(waiters)
    }
}

/// Whether a listener is a callback of which only guessing tells what it is for.
fn is_the_programs_own(listener: Listener) -> bool {
    let through = match listener {
        Listener::Future { through, .. } => Some(through),
        _ => None,
    };
    through == Some(Through::Other)
}

/// Whom a listener tells.
fn told_by(listener: Listener) -> impl Iterator<Item = u64> {
    let told = match listener {
        Listener::Task(task) => [Some(task), None],
        Listener::Future { future, .. } => [Some(future), None],
        Listener::Group { parent, future } => [parent, future],
        // It tells what it waits for that it waits no longer.
        Listener::Source { .. } => [None, None],
    };
    told.into_iter().flatten()
}

/// The value, or its absent form where it could not be read; an error only where nothing can be read any
/// more.
pub(crate) fn optional<T: Default>(outcome: ReadResult<T>) -> Result<T, ReadError> {
    match outcome {
        Err(error) if !error.is_final() => Ok(T::default()),
        outcome => outcome,
    }
}
