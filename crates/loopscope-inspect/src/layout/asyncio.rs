//! Futures and tasks of the C accelerator `_asyncio`, and where asyncio keeps its tasks.
//!
//! A task begins with the fields of a future; [`FutureLayout`] holds for both. All of it lies in an
//! extension module that can differ from the interpreter that loads it, so nothing here is believed
//! before the sizes agree with the target's own types.

/// `_asyncio.Future`, and the start of `_asyncio.Task`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FutureLayout {
    /// The size of a future, which tells whether the other offsets hold.
    pub(crate) size: u64,
    /// The loop.
    pub(crate) event_loop: u64,
    /// The first callback, null where there is none.
    pub(crate) callback0: u64,
    /// The list of further callbacks, each a tuple of the callback and its context; null where there are
    /// none.
    pub(crate) callbacks: u64,
    /// The exception, null or `None` where there is none.
    pub(crate) exception: u64,
    /// The result.
    pub(crate) result: u64,
    /// Where it was made, in debug mode.
    pub(crate) source_traceback: u64,
    /// The state, a 32-bit word: one of [`STATE_PENDING`], [`STATE_CANCELLED`], [`STATE_FINISHED`].
    pub(crate) state: u64,
    /// Who awaits it, from 3.14 on.
    pub(crate) awaited_by: Option<AwaitedBy>,
}

/// A future's state before it has an outcome.
pub(crate) const STATE_PENDING: u32 = 0;

/// A future's state once it was cancelled.
pub(crate) const STATE_CANCELLED: u32 = 1;

/// A future's state once it has a result or an exception.
pub(crate) const STATE_FINISHED: u32 = 2;

/// How a future says who awaits it, from 3.14 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AwaitedBy {
    /// The one that awaits it, or a set of them; null where nobody does.
    pub(crate) awaiters: u64,
    /// A byte that says whether that is a set.
    pub(crate) is_set: u64,
    /// A byte that says whether this future is a task.
    pub(crate) is_task: u64,
}

/// `_asyncio.Task`, behind the fields of a future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskLayout {
    /// The size of a task, which tells whether the other offsets hold.
    pub(crate) size: u64,
    /// Whether its cancellation was asked for and has not reached the coroutine yet.
    pub(crate) must_cancel: Flag,
    /// How often its cancellation was asked for, a 32-bit word; from 3.11 on.
    pub(crate) cancel_requests: Option<u64>,
    /// The future that it waits for, null where its next step is scheduled.
    pub(crate) fut_waiter: u64,
    /// The coroutine; null or `None` once the task has ended.
    pub(crate) coroutine: u64,
    /// The name: a `str`, or an `int` in place of a name that was never asked for.
    pub(crate) name: u64,
    /// The context that its steps run in.
    pub(crate) context: u64,
}

/// A field of the C code that is true or false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flag {
    /// The byte that holds it.
    pub(crate) offset: u64,
    /// Its bits in that byte.
    pub(crate) mask: u8,
}

impl Flag {
    /// An `int` that is 0 or 1, or a byte of its own.
    const fn whole(offset: u64) -> Self {
        Self { offset, mask: 0xff }
    }
}

/// Where asyncio keeps its tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskRegistry {
    /// Up to 3.11: the weak set `_all_tasks` of `asyncio.tasks`.
    AllTasks,
    /// 3.12 and 3.13: the weak set `_scheduled_tasks` and the set `_eager_tasks` of `asyncio.tasks`.
    ScheduledAndEager,
    /// From 3.14 on: tasks of the C accelerator form doubly linked lists; all others stand in the weak
    /// set `_scheduled_tasks` and the set `_eager_tasks`.
    LinkedLists(TaskLists),
}

/// The linked lists of tasks. A head and a node are two pointers, the next and the previous node; the
/// last node points to the head again, and an empty head points to itself, or is null where no loop has
/// run yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskLists {
    /// In the interpreter: the head of the tasks whose thread has ended.
    pub(crate) interpreter_head: u64,
    /// In the thread state: the head of the tasks that were made on the thread.
    pub(crate) thread_head: u64,
    /// The node in a task.
    pub(crate) node: u64,
}

pub(super) const FUTURE_3_9: FutureLayout = FutureLayout {
    size: 144,
    event_loop: 16,
    callback0: 24,
    callbacks: 40,
    exception: 48,
    result: 56,
    source_traceback: 64,
    state: 80,
    awaited_by: None,
};

pub(super) const TASK_3_9: TaskLayout = TaskLayout {
    size: 184,
    must_cancel: Flag::whole(176),
    cancel_requests: None,
    fut_waiter: 144,
    coroutine: 152,
    name: 160,
    context: 168,
};

/// The traceback of the exception came in between.
pub(super) const FUTURE_3_10: FutureLayout = FutureLayout {
    size: 152,
    result: 64,
    source_traceback: 72,
    state: 88,
    ..FUTURE_3_9
};

pub(super) const TASK_3_10: TaskLayout = TaskLayout {
    size: 192,
    must_cancel: Flag::whole(184),
    cancel_requests: None,
    fut_waiter: 152,
    coroutine: 160,
    name: 168,
    context: 176,
};

pub(super) const FUTURE_3_11: FutureLayout = FutureLayout {
    size: 128,
    ..FUTURE_3_10
};

pub(super) const TASK_3_11: TaskLayout = TaskLayout {
    size: 176,
    must_cancel: Flag::whole(160),
    cancel_requests: Some(168),
    fut_waiter: 128,
    coroutine: 136,
    name: 144,
    context: 152,
};

/// The dictionary and the list of weak references moved in front of the object.
pub(super) const FUTURE_3_13: FutureLayout = FutureLayout {
    size: 104,
    state: 96,
    ..FUTURE_3_11
};

/// The flags are bits behind two of the future's.
pub(super) const TASK_3_13: TaskLayout = TaskLayout {
    size: 144,
    must_cancel: Flag {
        offset: 100,
        mask: 1 << 2,
    },
    cancel_requests: Some(104),
    fut_waiter: 112,
    coroutine: 120,
    name: 128,
    context: 136,
};

pub(super) const FUTURE_3_14: FutureLayout = FutureLayout {
    size: 112,
    state: 104,
    awaited_by: Some(AwaitedBy {
        awaiters: 96,
        is_set: 109,
        is_task: 108,
    }),
    ..FUTURE_3_13
};

pub(super) const TASK_3_14: TaskLayout = TaskLayout {
    size: 168,
    must_cancel: Flag {
        offset: 110,
        mask: 1 << 2,
    },
    cancel_requests: Some(112),
    fut_waiter: 120,
    coroutine: 128,
    name: 136,
    context: 144,
};

pub(super) const REGISTRY_3_14: TaskRegistry = TaskRegistry::LinkedLists(TaskLists {
    interpreter_head: 10880,
    thread_head: 880,
    node: 152,
});

pub(super) const REGISTRY_3_15: TaskRegistry = TaskRegistry::LinkedLists(TaskLists {
    interpreter_head: 10856,
    thread_head: 1048,
    node: 152,
});
