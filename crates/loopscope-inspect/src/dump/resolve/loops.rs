//! Loops: where each runs, and what it does.

use std::sync::Arc;

use super::Resolver;
use crate::dump::poll::is_epoll;
use crate::dump::walked::{WalkedLoop, WalkedThread};
use crate::dump::{DumpedLoop, LoopState, ThreadIndex};
use crate::kernel::RunState;

impl Resolver<'_> {
    pub(super) fn loops(&self) -> Vec<DumpedLoop> {
        let loops = self.walked.loops.iter();
        loops
            .map(|event_loop| self.event_loop(event_loop))
            .collect()
    }

    fn event_loop(&self, event_loop: &WalkedLoop) -> DumpedLoop {
        let words = &event_loop.words;
        let thread = self.loop_threads.get(&event_loop.address).copied();
        DumpedLoop {
            address: event_loop.address,
            type_name: Arc::clone(&words.type_name),
            thread,
            state: self.loop_state(event_loop, thread),
            ready: words.ready,
            timers: words.timers,
            next_timer_seconds: words.next_timer.map(|when| when - self.taken_seconds),
            problem: event_loop.problem.clone(),
        }
    }

    fn loop_state(&self, event_loop: &WalkedLoop, thread: Option<ThreadIndex>) -> LoopState {
        let thread = thread.and_then(|index| self.walked.threads.get(index.0));
        let Some(thread) = thread else {
            return match event_loop.words.is_closed {
                Some(true) => LoopState::Closed,
                _ => LoopState::NotRunning,
            };
        };
        if let Some(task) = thread.current_task {
            let task = self.graph.index_of(task);
            return LoopState::Running { task };
        }
        if self.is_in_select(thread) || thread.kernel.syscall.is_some_and(is_epoll) {
            return LoopState::Idle;
        }
        match thread.kernel.run_state {
            RunState::Unknown if thread.outline.frames.is_empty() => LoopState::Unknown,
            _ => LoopState::Running { task: None },
        }
    }

    /// Whether a thread is where a loop that is written in Python polls. Its system call would not tell: up
    /// to 3.10 `time.sleep` is `select` too, and a thread that is back from its poll may wait for the
    /// interpreter's lock before it goes on.
    fn is_in_select(&self, thread: &WalkedThread) -> bool {
        let innermost = thread.outline.frames.first();
        let code = innermost.and_then(|frame| self.codes.known(frame.code));
        code.is_some_and(|code| {
            let function = code.function.rsplit('.').next();
            code.file.ends_with("/selectors.py") && function == Some("select")
        })
    }
}
