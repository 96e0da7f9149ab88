//! The order of the fields of futures and tasks, which has outlived every change of their offsets.
//!
//! Across all releases fields were added and flags shrank to bits, but no two fields changed places. So a
//! handful of facts that the target's types state of themselves, and the place of one field, give the place of
//! all others. Addresses are not looked at here.

use crate::layout::{AwaitedBy, Flag, FutureLayout, TaskLayout};

/// The loop comes first behind an object's head.
const EVENT_LOOP: u64 = 16;

/// The fields from the loop to the exception: loop, first callback, its context, callbacks, exception.
const EXCEPTION: u64 = EVENT_LOOP + 4 * 8;

/// Pointers in front of the state before the traceback of the exception was kept.
const FEWEST_POINTERS: u64 = 8;

/// Pointers in front of the state since it is kept who awaits the future.
const MOST_POINTERS: u64 = 11;

/// What the types `_asyncio.Future` and `_asyncio.Task` say of themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeFacts {
    /// The size of a future.
    pub(crate) future_size: u64,
    /// The size of a task.
    pub(crate) task_size: u64,
    /// Where a future has its dictionary; negative where that is in front of it.
    pub(crate) dict_offset: i64,
}

/// All fields, given the place of a task's coroutine; `None` where no release fits that.
pub(crate) fn layouts(facts: TypeFacts, coroutine: u64) -> Option<(FutureLayout, TaskLayout)> {
    let future = future(facts)?;
    let task = task(facts, &future, coroutine)?;
    Some((future, task))
}

/// Where a task's node of a list would be: it is its last part.
pub(crate) fn node(facts: TypeFacts) -> Option<u64> {
    facts.task_size.checked_sub(16)
}

fn future(facts: TypeFacts) -> Option<FutureLayout> {
    let state = match u64::try_from(facts.dict_offset) {
        // Three words of 32 bits, the state and two flags, are followed by the dictionary.
        Ok(dict) if dict > 0 => dict.checked_sub(16)?,
        // The state and bits share the last eight bytes.
        _ => facts.future_size.checked_sub(8)?,
    };
    let pointers = state.checked_sub(EVENT_LOOP)? / 8;
    if !(FEWEST_POINTERS..=MOST_POINTERS).contains(&pointers) || state >= facts.future_size {
        return None;
    }
    let has_traceback = pointers > FEWEST_POINTERS;
    let result = EXCEPTION + if has_traceback { 16 } else { 8 };
    let awaited_by = AwaitedBy {
        awaiters: state - 8,
        is_task: state + 4,
        is_set: state + 5,
    };
    Some(FutureLayout {
        size: facts.future_size,
        event_loop: EVENT_LOOP,
        callback0: EVENT_LOOP + 8,
        callbacks: EVENT_LOOP + 24,
        exception: EXCEPTION,
        result,
        source_traceback: result + 8,
        state,
        awaited_by: (pointers == MOST_POINTERS).then_some(awaited_by),
    })
}

fn task(facts: TypeFacts, future: &FutureLayout, coroutine: u64) -> Option<TaskLayout> {
    let fut_waiter = coroutine.checked_sub(8)?;
    let behind_context = coroutine.checked_add(24)?;
    let rest = facts.task_size.checked_sub(behind_context)?;
    let flags_are_words = facts.dict_offset > 0;
    // Two or three words of 32 bits, or a node of a list, or nothing.
    let is_known = matches!((flags_are_words, rest), (true, 8 | 16) | (false, 0 | 16));
    if fut_waiter < facts.future_size || !is_known {
        return None;
    }
    let (must_cancel, cancel_requests) = if flags_are_words {
        let whole = Flag {
            offset: behind_context,
            mask: 0xff,
        };
        (whole, (rest == 16).then_some(behind_context + 8))
    } else {
        // Two bits of the future's come first, behind its bytes where it has some.
        let bytes = if future.awaited_by.is_some() { 2 } else { 0 };
        let bit = Flag {
            offset: future.state + 4 + bytes,
            mask: 1 << 2,
        };
        (bit, Some(fut_waiter - 8))
    };
    Some(TaskLayout {
        size: facts.task_size,
        must_cancel,
        cancel_requests,
        fut_waiter,
        coroutine,
        name: coroutine + 8,
        context: coroutine + 16,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Layout, PythonVersion, TaskRegistry};

    fn table(minor: u8) -> Layout {
        let (major, patch) = (3, 0);
        Layout::for_version(PythonVersion {
            major,
            minor,
            patch,
        })
        .unwrap()
    }

    fn facts(table: &Layout, dict_offset: i64) -> TypeFacts {
        TypeFacts {
            future_size: table.future.size,
            task_size: table.task.size,
            dict_offset,
        }
    }

    #[test]
    fn the_order_of_fields_gives_the_tables_of_all_versions() {
        let dict_offsets = [96, 104, 104, 104, -1, -1, -1];
        for (minor, dict_offset) in (9..=15).zip(dict_offsets) {
            let table = table(minor);
            let facts = facts(&table, dict_offset);
            assert_eq!(
                layouts(facts, table.task.coroutine),
                Some((table.future, table.task)),
                "3.{minor}"
            );
            if let TaskRegistry::LinkedLists(lists) = table.task_registry {
                assert_eq!(node(facts), Some(lists.node));
            }
        }
    }

    #[test]
    fn sizes_that_no_release_has_give_nothing() {
        let table = table(12);
        for (future_size, dict_offset) in [(0, -1), (16, 16), (64, -1), (4096, -1), (128, 1 << 40)]
        {
            let facts = TypeFacts {
                future_size,
                dict_offset,
                ..facts(&table, 104)
            };
            assert_eq!(layouts(facts, table.task.coroutine), None, "{facts:?}");
        }
        assert_eq!(layouts(facts(&table, 104), 0), None);
        assert_eq!(layouts(facts(&table, 104), u64::MAX), None);
    }
}
