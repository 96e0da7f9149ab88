//! The report's words for what the observations know as enums.

use crate::observation::{LoopRuntime, ProcessRuntime};

pub(crate) fn loop_runtime(runtime: LoopRuntime) -> &'static str {
    match runtime {
        LoopRuntime::Asyncio => "asyncio",
        LoopRuntime::Uvloop => "uvloop",
        LoopRuntime::Node => "node",
        LoopRuntime::Tokio => "tokio",
        LoopRuntime::TokioCurrentThread => "tokio current-thread",
        LoopRuntime::Epoll => "epoll",
        LoopRuntime::SharedEpoll => "shared epoll",
        LoopRuntime::Poll => "poll",
    }
}

pub(crate) fn process_runtime(runtime: ProcessRuntime) -> &'static str {
    match runtime {
        ProcessRuntime::Python => "python",
        ProcessRuntime::Node => "node",
        ProcessRuntime::Native => "native",
    }
}
