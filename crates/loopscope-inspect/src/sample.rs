//! What one look at one thread found: plain data, owned, free of addresses that must stay alive.
//!
//! The last step of the flow: [`crate::Inspector::sample_thread`] returns these and nothing else.
//! They say where a thread stood and carry no judgement about it.

use std::ops::Range;
use std::sync::Arc;

/// One look at one thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadSample {
    /// The thread's frames, innermost first; empty for a thread that runs no Python code.
    pub frames: Vec<Frame>,
    /// Whether the interpreter knows this thread.
    pub is_python_thread: bool,
    /// Whether it runs in another interpreter than the process's first one.
    pub is_in_subinterpreter: bool,
    /// The asyncio loop that runs on this thread now; `None` where no loop runs on it.
    pub running_loop: Option<LoopObject>,
    /// The task that this loop is stepping now.
    pub task: Option<CurrentTask>,
    /// Which callback of this loop turn is running, as an opaque value.
    ///
    /// It changes with each callback that the loop takes from its ready queue. Equal in two samples of
    /// one busy period means that the loop has taken no other callback since. Callbacks that a loop
    /// runs without its ready queue (uvloop's socket and timer handlers) do not change it.
    pub callback_position: Option<u64>,
    /// Who holds the interpreter's lock.
    pub gil: GilHolder,
    /// The memory that this lock lies in: a thread that sleeps on a futex in there waits for it. `None` where
    /// that could not be read, and for threads that the interpreter does not know.
    pub gil_memory: Option<Range<u64>>,
    /// The name of the `threading.Thread`, such as `MainThread`.
    pub thread_name: Option<String>,
    /// The thread moved on during the look and did not hold still in any retry: the parts may belong
    /// to different instants, each a few microseconds from the next.
    pub torn: bool,
}

/// An event loop object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopObject {
    /// Its address in the target, its identity while it lives.
    pub address: u64,
    /// Its type's name as the type has it: `_UnixSelectorEventLoop`, `uvloop.Loop`.
    pub type_name: Arc<str>,
}

/// The task that a loop is stepping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentTask {
    /// Its address in the target, its identity while it lives.
    pub address: u64,
    /// Its name; `None` where it could not be read.
    pub name: Option<String>,
    /// From the task's first coroutine to the innermost one that runs.
    pub await_chain: Vec<Frame>,
    /// The tasks that wait for this one, those that wait for these, and so on: the nearest first, at most
    /// 16, each once. Found by what a task calls when it is done: `await task`, `gather`, `TaskGroup`, `wait`,
    /// `wait_for`, `shield` and `as_completed`, and what a future says of itself from 3.14 on. Empty where
    /// nobody waits, and where it could not be read.
    ///
    /// No look fails by it. Of tasks and futures at most 48 are asked who waits, each for at most 64 that do,
    /// and no further task is read once all have 256 frames together. Measured on a busy machine, two such
    /// tasks added some 70 µs of processor time to a look of 140 to 180 µs, sixteen 90 to 190 µs.
    pub awaited_by: Vec<AwaitingTask>,
}

/// A task that waits for another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwaitingTask {
    /// Its address in the target, its identity while it lives.
    pub address: u64,
    /// Its name; `None` where it could not be read.
    pub name: Option<String>,
    /// How many waits it is away: 1 where it waits for the task that the loop steps.
    pub level: u32,
    /// From its first coroutine to the one that waits.
    pub await_chain: Vec<Frame>,
}

/// One Python frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The source file, as the interpreter knows it.
    pub file: Arc<str>,
    /// The line, 0 where the instruction has none.
    pub line: u32,
    /// The function: its qualified name from Python 3.11 on, its bare name before.
    pub function: Arc<str>,
    /// Whether it is a coroutine or an asynchronous generator.
    pub is_coroutine: bool,
}

impl Frame {
    /// A coroutine that Cython compiled, which says its name and not where it stands.
    pub(crate) fn compiled(function: &Arc<str>, module: &Arc<str>) -> Self {
        Self {
            file: Arc::clone(module),
            line: 0,
            function: Arc::clone(function),
            is_coroutine: true,
        }
    }
}

/// Who holds the interpreter's lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GilHolder {
    /// The sampled thread.
    Own,
    /// Another thread.
    Other {
        /// Its thread id, as the observer sees it; `None` where it could not be told.
        tid: Option<u32>,
        /// Its frames, innermost first; empty where they could not be read.
        frames: Vec<Frame>,
    },
    /// Nobody.
    Free,
    /// It could not be read.
    Unknown,
}
