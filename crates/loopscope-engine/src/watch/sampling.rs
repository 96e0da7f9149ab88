//! One look at a busy loop's thread, put into the engine's words.

use std::sync::Arc;

use loopscope_inspect::kernel::{self, RunState as KernelState};
use loopscope_inspect::{
    Frame as PythonFrame, GilHolder, Inspector, NativeInspector, PythonVersion, SampleError,
    SourceLines, ThreadSample, kernel::ThreadKernelState,
};

use super::{drivers, native};
use crate::observation::{
    AwaitingTask, Frame, Gil, InsideLoop, LoopRuntime, RunState, Sample, TaskInfo, ThreadState,
};
use crate::syscalls;

/// Looks at the threads of one process.
pub(super) trait ThreadView {
    /// Where the thread stands now; `None` where the process is gone or became another one meanwhile.
    fn sample(&mut self, thread_id: u32, expected: Expected) -> Option<Sample>;

    /// What kind of loop runs on the thread; `None` where it cannot be told now. A thread of native code that runs is
    /// stopped for that only where the caller insists.
    fn nature(&mut self, thread_id: u32, insists: bool) -> Option<LoopNature>;
}

/// Reads threads of one process.
pub(super) struct Sampler {
    pid: u32,
    /// `None` where the process is not Python or may not be read.
    inspector: Option<Inspector>,
    /// For a process that is not Python.
    native: Option<Box<NativeInspector>>,
    sources: SourceLines,
}

/// What a look says of the loop itself, beyond the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LoopNature {
    /// asyncio or uvloop, where one of them runs on the thread.
    pub(super) runtime: Option<LoopRuntime>,
    /// The thread's name as the program gave it.
    pub(super) thread_name: Option<String>,
    /// The loop object that runs on the thread.
    pub(super) object: Option<u64>,
    /// That loop was made for this one run of it: the program has not worked on without it between two runs.
    pub(super) runs_once: bool,
    /// The thread is importing a module.
    pub(super) is_importing: bool,
    /// It runs in another interpreter than the process's first one.
    pub(super) is_in_subinterpreter: bool,
}

/// What is known of a loop before a look at it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expected {
    /// A Python loop was seen on the thread before.
    pub(super) is_python: bool,
    /// A runtime of tokio was.
    pub(super) is_tokio: bool,
    /// The loop object that polls the recorded set. Another one that runs on the thread is another loop,
    /// and this one was left open.
    pub(super) object: Option<u64>,
}

impl Sampler {
    pub(super) fn new(pid: u32, inspector: Option<Inspector>) -> Self {
        Self {
            pid,
            inspector,
            native: None,
            sources: SourceLines::new(pid),
        }
    }

    /// For a process of native code.
    pub(super) fn of_native(pid: u32, native: Option<Box<NativeInspector>>) -> Self {
        Self {
            native,
            ..Self::new(pid, None)
        }
    }

    /// The view of native code, where the process is of that.
    pub(super) fn native(&mut self) -> Option<&mut NativeInspector> {
        self.native.as_deref_mut()
    }

    /// A task that waits, by its address; `None` where there is none, or it cannot be read.
    pub(super) fn waiting_task(&mut self, address: u64) -> Option<TaskInfo> {
        let found = self.inspector.as_mut()?.waiting_task(address).ok()??;
        Some(TaskInfo {
            name: found.name.unwrap_or_default().into(),
            address,
            await_chain: found.await_chain.into_iter().map(waiting).collect(),
            awaited_by: Vec::new(),
        })
    }

    /// The interpreter's version; `None` where the process is not Python or may not be read.
    pub(super) fn python_version(&self) -> Option<PythonVersion> {
        Some(self.inspector.as_ref()?.python_version())
    }

    /// Between looks: gives back what only a look needs.
    pub(super) fn rest(&mut self) {
        if let Some(inspector) = &mut self.inspector {
            inspector.rest();
        }
    }

    fn put_together(
        &mut self,
        found: ThreadSample,
        thread: ThreadState,
        expected: Expected,
    ) -> Sample {
        let inside_loop = inside_loop(&found, expected);
        let task = found.task.map(|task| TaskInfo {
            name: task.name.unwrap_or_default().into(),
            address: task.address,
            await_chain: self.frames(task.await_chain),
            awaited_by: task.awaited_by.into_iter().map(awaiting).collect(),
        });
        let gil = match found.gil {
            GilHolder::Own => Gil::Own,
            GilHolder::Free => Gil::Free,
            GilHolder::Other {
                tid: Some(thread_id),
                frames,
            } => Gil::Other {
                thread_id,
                frames: self.frames(frames),
            },
            GilHolder::Other { tid: None, .. } | GilHolder::Unknown => Gil::Unknown,
        };
        Sample {
            inside_loop,
            frames: self.frames(found.frames),
            task,
            callback: found.callback_position,
            gil,
            thread,
            error: None,
        }
    }

    fn frames(&mut self, frames: Vec<PythonFrame>) -> Vec<Frame> {
        frames.into_iter().map(|frame| self.frame(frame)).collect()
    }

    fn frame(&mut self, found: PythonFrame) -> Frame {
        let calls = self.calls(&found.file, found.line);
        Frame {
            file: found.file,
            line: found.line,
            function: found.function,
            is_coroutine: found.is_coroutine,
            calls,
        }
    }

    fn calls(&mut self, file: &str, line: u32) -> Vec<Arc<str>> {
        let calls = self.sources.calls_on_line(file, line);
        // What is awaited does not block.
        calls
            .into_iter()
            .filter(|call| !call.is_awaited)
            .map(|call| call.name)
            .collect()
    }
}

fn awaiting(task: loopscope_inspect::AwaitingTask) -> AwaitingTask {
    AwaitingTask {
        name: task.name.unwrap_or_default().into(),
        level: task.level,
        await_chain: task.await_chain.into_iter().map(waiting).collect(),
    }
}

/// A frame of a task that waits: what it calls is no matter, since it blocks nothing.
fn waiting(found: PythonFrame) -> Frame {
    Frame {
        file: found.file,
        line: found.line,
        function: found.function,
        is_coroutine: found.is_coroutine,
        calls: Vec::new(),
    }
}

impl ThreadView for Sampler {
    fn sample(&mut self, thread_id: u32, expected: Expected) -> Option<Sample> {
        if let Some(native) = &mut self.native {
            return sample_native(native, self.pid, thread_id, expected);
        }
        let kernel = kernel::thread_state(self.pid, thread_id);
        let mut thread = thread_state(kernel);
        let looked = self
            .inspector
            .as_mut()
            .map(|inspector| inspector.sample_thread(thread_id));
        match looked {
            Some(Ok(found)) => {
                thread.awaits_gil = awaits_gil(&kernel, &found);
                Some(self.put_together(found, thread, expected))
            }
            Some(Err(SampleError::Gone { .. } | SampleError::Replaced { .. })) => None,
            Some(Err(error)) => Some(unread(thread, Some(error.to_string()))),
            None => Some(unread(thread, None)),
        }
    }

    fn nature(&mut self, thread_id: u32, insists: bool) -> Option<LoopNature> {
        if let Some(native) = &mut self.native {
            return nature_of_native(native, thread_id, insists);
        }
        let found = self.inspector.as_mut()?.sample_thread(thread_id).ok()?;
        Some(LoopNature {
            runtime: found
                .running_loop
                .as_ref()
                .map(|running| runtime_of(&running.type_name)),
            object: found.running_loop.as_ref().map(|running| running.address),
            runs_once: drivers::runs_once(&found.frames),
            is_importing: found.frames.iter().any(|frame| is_import(&frame.file)),
            is_in_subinterpreter: found.is_in_subinterpreter,
            thread_name: found.thread_name,
        })
    }
}

fn sample_native(
    native: &mut NativeInspector,
    pid: u32,
    thread_id: u32,
    expected: Expected,
) -> Option<Sample> {
    match native.sample_thread(thread_id) {
        Ok(found) => {
            let thread = thread_state(found.thread);
            let has_left = expected.is_tokio && found.is_whole && found.place.is_none();
            let mut sample = native::sample_of(found, thread);
            if has_left {
                sample.inside_loop = InsideLoop::No;
            }
            Some(sample)
        }
        Err(error) => {
            let thread = thread_state(kernel::thread_state(pid, thread_id));
            Some(unread(thread, Some(error.to_string())))
        }
    }
}

fn nature_of_native(
    native: &mut NativeInspector,
    thread_id: u32,
    insists: bool,
) -> Option<LoopNature> {
    let found = if insists {
        native.sample_thread(thread_id).ok()?
    } else {
        native.sample_sleeping(thread_id)?
    };
    // Half a stack says nothing of what it leaves out.
    if found.place.is_none() && !found.is_whole {
        return None;
    }
    Some(LoopNature {
        runtime: native::runtime_of(&found),
        object: None,
        runs_once: false,
        is_importing: false,
        is_in_subinterpreter: false,
        thread_name: None,
    })
}

/// Whether the thread was importing a module.
pub(super) fn is_importing(sample: &Sample) -> bool {
    sample.frames.iter().any(|frame| is_import(&frame.file))
}

/// Files of the import system, which the interpreter carries frozen inside.
fn is_import(file: &str) -> bool {
    file.starts_with("<frozen importlib")
}

fn inside_loop(found: &ThreadSample, expected: Expected) -> InsideLoop {
    match (&found.running_loop, found.is_python_thread) {
        (Some(running), _) if expected.object.is_some_and(|own| own != running.address) => {
            InsideLoop::No
        }
        (Some(_), _) => InsideLoop::Yes,
        (None, true) if drivers::is_driven(&found.frames) => InsideLoop::Yes,
        (None, true) => InsideLoop::No,
        // The interpreter has let go of the thread: it is ending.
        (None, false) if expected.is_python => InsideLoop::No,
        (None, false) => InsideLoop::Unknown,
    }
}

/// Whether the kernel holds the thread at the interpreter's lock: asleep on a futex inside of it.
fn awaits_gil(kernel: &ThreadKernelState, found: &ThreadSample) -> bool {
    let is_at_futex = kernel.syscall.is_some_and(syscalls::is_futex);
    let lock = found.gil_memory.as_ref().filter(|_| is_at_futex);
    lock.is_some_and(|lock| kernel.argument.is_some_and(|at| lock.contains(&at)))
}

fn runtime_of(type_name: &str) -> LoopRuntime {
    if type_name.contains("uvloop") {
        LoopRuntime::Uvloop
    } else {
        LoopRuntime::Asyncio
    }
}

fn unread(thread: ThreadState, error: Option<String>) -> Sample {
    Sample {
        inside_loop: InsideLoop::Unknown,
        frames: Vec::new(),
        task: None,
        callback: None,
        gil: Gil::Unknown,
        thread,
        error,
    }
}

fn thread_state(found: ThreadKernelState) -> ThreadState {
    ThreadState {
        run_state: match found.run_state {
            KernelState::Runnable => RunState::Runnable,
            KernelState::Sleeping => RunState::Sleeping,
            KernelState::DiskSleep => RunState::DiskSleep,
            KernelState::Stopped => RunState::Stopped,
            KernelState::Zombie | KernelState::Unknown => RunState::Unknown,
        },
        syscall: found.syscall,
        awaits_gil: false,
        cpu_nanos: found.cpu_nanos.unwrap_or(0),
        runqueue_nanos: found.runqueue_nanos.unwrap_or(0),
    }
}
