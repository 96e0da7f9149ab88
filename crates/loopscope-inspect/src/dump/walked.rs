//! What was read of a process while it held still: addresses and words, copied out, with nothing left to
//! read.

use std::ops::Range;
use std::sync::Arc;

use crate::asyncio::{
    AwaitChain, DueTimes, FutureState, LoopWords, PrimitiveWords, TaskWords, Through,
};
use crate::frames::Outline;
use crate::kernel::ThreadKernelState;
use crate::memory::AddressMap;

/// A process as it was read.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) threads: Vec<WalkedThread>,
    pub(super) loops: Vec<WalkedLoop>,
    pub(super) tasks: Vec<WalkedTask>,
    pub(super) links: Vec<Link>,
    /// What futures that are no tasks say of themselves, by address.
    pub(super) futures: AddressMap<WalkedFuture>,
    /// When timers are due that settle a future or end what a task does.
    pub(super) due: DueTimes,
    /// What objects that make tasks wait say of themselves.
    pub(super) details: AddressMap<Option<String>>,
    pub(super) problems: Vec<String>,
}

/// A thread as it was read.
#[derive(Debug)]
pub(super) struct WalkedThread {
    pub(super) tid: Option<u32>,
    pub(super) interpreter: u64,
    pub(super) name: Option<String>,
    pub(super) holds_gil: Option<bool>,
    pub(super) kernel: ThreadKernelState,
    pub(super) outline: Outline,
    pub(super) running_loop: Option<u64>,
    pub(super) current_task: Option<u64>,
    pub(super) problem: Option<String>,
}

/// A loop as it was read.
#[derive(Debug)]
pub(super) struct WalkedLoop {
    pub(super) address: u64,
    pub(super) words: LoopWords,
    pub(super) problem: Option<String>,
}

/// A task as it was read.
#[derive(Debug)]
pub(super) struct WalkedTask {
    pub(super) address: u64,
    pub(super) words: TaskWords,
    pub(super) type_name: Arc<str>,
    pub(super) name: Option<String>,
    pub(super) failure: Option<WalkedFailure>,
    pub(super) chain: AwaitChain,
    /// Where the first frame of its coroutine is.
    pub(super) first_frame: Option<u64>,
    pub(super) primitive: Option<PrimitiveWords>,
    pub(super) problem: Option<String>,
}

impl WalkedTask {
    /// Whether it has not ended.
    pub(super) fn is_pending(&self) -> bool {
        self.words.state == FutureState::Pending
    }
}

/// An exception that a task ended with.
#[derive(Debug)]
pub(super) struct WalkedFailure {
    pub(super) exception: Arc<str>,
    pub(super) message: Option<String>,
}

/// A future that is no task and that a task waits for.
#[derive(Clone, Debug)]
pub(super) struct WalkedFuture {
    pub(super) type_name: Arc<str>,
    pub(super) event_loop: Option<u64>,
    /// Whether it has an outcome, so that the task that waits for it is about to be woken.
    pub(super) is_done: bool,
    /// The future of another thread whose outcome it passes on.
    pub(super) source: Option<u64>,
}

/// When one future or task is done, another gets on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The one that is waited for.
    pub(super) from: u64,
    /// The one that waits: a task, or a future that a task waits for.
    pub(super) to: u64,
    /// By what; `None` for a direct wait.
    pub(super) through: Option<Through>,
}

/// Frames of a thread's stack that belong to one task, by their places in the outline.
pub(super) type Stretch = Range<usize>;
