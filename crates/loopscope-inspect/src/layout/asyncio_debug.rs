//! The offsets that `_asyncio` itself carries in its section `.AsyncioDebug`, from 3.14 on.
//!
//! A plain row of 64-bit words with no cookie in front. What it names is what CPython's own `asyncio ps`
//! reads; the fields between are moved along with it. It is believed only within bounds, and only as
//! far as the objects themselves agree later.

use super::{AwaitedBy, FutureLayout, Layout, RunningLoop, TaskLayout, TaskLists, TaskRegistry};

/// The section that has the words.
pub(crate) const SECTION: &str = ".AsyncioDebug";

/// Words in the row.
const WORDS: usize = 13;

/// The bytes to read.
pub(crate) const BYTES: usize = 8 * WORDS;

/// No field of a future or task lies farther in; a task has less than 200 bytes.
const MAX_TASK_BYTES: u64 = 1024;

/// No field of an interpreter or a thread lies farther in.
const MAX_STATE_BYTES: u64 = 1 << 20;

/// What the row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AsyncioOffsets {
    task_size: u64,
    name: u64,
    awaited_by: AwaitedBy,
    coroutine: u64,
    lists: TaskLists,
    running_loop: u64,
    running_task: u64,
}

impl AsyncioOffsets {
    /// Reads the row; `None` where a word cannot be an offset.
    pub(crate) fn parse(bytes: &[u8; BYTES]) -> Option<Self> {
        let mut words = bytes.as_chunks().0.iter();
        let mut next = |below: u64| {
            let word = u64::from_le_bytes(*words.next()?);
            (word < below).then_some(word)
        };
        let task_size = next(MAX_TASK_BYTES)?;
        let name = next(task_size)?;
        let (awaiters, is_task, is_set) = (next(task_size)?, next(task_size)?, next(task_size)?);
        let (coroutine, node) = (next(task_size)?, next(task_size)?);
        let interpreter_size = next(MAX_STATE_BYTES)?;
        let interpreter_head = next(interpreter_size)?;
        let thread_size = next(MAX_STATE_BYTES)?;
        let (running_loop, running_task) = (next(thread_size)?, next(thread_size)?);
        let thread_head = next(thread_size)?;
        Some(Self {
            task_size,
            name,
            awaited_by: AwaitedBy {
                awaiters,
                is_set,
                is_task,
            },
            coroutine,
            lists: TaskLists {
                interpreter_head,
                thread_head,
                node,
            },
            running_loop,
            running_task,
        })
    }

    /// `layout` with what the row names in place of its own.
    pub(crate) fn apply(&self, mut layout: Layout) -> Layout {
        layout.thread.running_loop = RunningLoop::ThreadField {
            running_loop: self.running_loop,
        };
        layout.thread.running_task = Some(self.running_task);
        layout.future = self.future(layout.future);
        layout.task = self.task(layout.task);
        layout.task_registry = TaskRegistry::LinkedLists(self.lists);
        layout
    }

    /// The state is the word in front of the byte that says whether the future is a task.
    fn future(&self, table: FutureLayout) -> FutureLayout {
        let moved = |offset: u64, by: u64| offset.wrapping_add(by);
        let known = table.awaited_by.unwrap_or(self.awaited_by);
        let by = self.awaited_by.is_task.wrapping_sub(known.is_task);
        FutureLayout {
            size: moved(table.size, by),
            state: moved(table.state, by),
            awaited_by: Some(self.awaited_by),
            ..table
        }
    }

    fn task(&self, table: TaskLayout) -> TaskLayout {
        let by = self.coroutine.wrapping_sub(table.coroutine);
        let moved = |offset: u64| offset.wrapping_add(by);
        let mut must_cancel = table.must_cancel;
        must_cancel.offset = moved(must_cancel.offset);
        TaskLayout {
            size: self.task_size,
            must_cancel,
            cancel_requests: table.cancel_requests.map(moved),
            fut_waiter: moved(table.fut_waiter),
            coroutine: self.coroutine,
            name: self.name,
            context: moved(table.context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::PythonVersion;

    const WORDS_3_14: [u64; WORDS] = [
        168, 136, 96, 108, 109, 128, 152, 225_864, 10_880, 1_200, 864, 872, 880,
    ];

    fn bytes(words: [u64; WORDS]) -> [u8; BYTES] {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.try_into().unwrap()
    }

    fn table() -> Layout {
        let (major, minor, patch) = (3, 14, 0);
        Layout::for_version(PythonVersion {
            major,
            minor,
            patch,
        })
        .unwrap()
    }

    #[test]
    fn the_row_of_a_known_release_changes_nothing() {
        let offsets = AsyncioOffsets::parse(&bytes(WORDS_3_14)).unwrap();
        assert_eq!(offsets.apply(table()), table());
    }

    #[test]
    fn fields_that_the_row_leaves_out_move_along() {
        let mut words = WORDS_3_14;
        for index in [0, 1, 3, 4, 5, 6] {
            words[index] += 8;
        }
        let layout = AsyncioOffsets::parse(&bytes(words)).unwrap().apply(table());
        assert_eq!((layout.task.fut_waiter, layout.task.context), (128, 152));
        assert_eq!((layout.future.state, layout.future.size), (112, 120));
        assert_eq!(layout.task.must_cancel.offset, 118);
    }

    #[test]
    fn a_row_that_holds_no_offsets_is_refused() {
        for index in 0..WORDS {
            let mut words = WORDS_3_14;
            words[index] = u64::MAX;
            assert_eq!(AsyncioOffsets::parse(&bytes(words)), None, "{index}");
        }
    }
}
