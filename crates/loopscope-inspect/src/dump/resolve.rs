//! From what was read to a dump: indexes in place of addresses, lines in place of instructions, waits in
//! place of links. Reads nothing, so it runs once the process goes on.

use std::sync::Arc;

use super::deadlocks::circles;
use super::graph::{Graph, Sources};
use super::poll::is_epoll;
use super::walked::{Stretch, Walked, WalkedLoop, WalkedTask, WalkedThread};
use super::{
    DumpedLoop, DumpedTask, DumpedThread, LoopIndex, LoopState, Orphan, Primitive, TaskIndex,
    TaskState, ThreadIndex, Wait, WaitTarget,
};
use crate::asyncio::{ChainEnd, ChainFrame, FutureState, Through};
use crate::codes::CodeCache;
use crate::frames::{Outline, RawFrame, instruction_offset};
use crate::kernel::RunState;
use crate::layout::Layout;
use crate::memory::AddressMap;
use crate::sample::Frame;

/// The parts of a dump that come from what was read.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) threads: Vec<DumpedThread>,
    pub(super) loops: Vec<DumpedLoop>,
    pub(super) tasks: Vec<DumpedTask>,
    pub(super) deadlocks: Vec<Vec<TaskIndex>>,
    pub(super) problems: Vec<String>,
}

/// Turns what was read at an instant into the parts of a dump.
pub(super) fn resolve(
    walked: Walked,
    codes: &mut CodeCache,
    layout: &Layout,
    taken_nanos: u64,
) -> Parts {
    let mut resolver = Resolver::new(&walked, codes, layout, taken_nanos);
    let loops = resolver.loops();
    let threads = resolver.threads();
    let (mut tasks, edges) = resolver.tasks();
    let is_cut = resolver.graph.is_cut();
    mark_orphans(&loops, &mut tasks);
    let mut problems = walked.problems;
    if is_cut {
        problems.push("who waits for whom is cut, for it is too much to list".to_owned());
    }
    let deadlocks = circles(&edges)
        .into_iter()
        .map(|circle| circle.into_iter().map(TaskIndex).collect())
        .collect();
    Parts {
        threads,
        loops,
        tasks,
        deadlocks,
        problems,
    }
}

struct Resolver<'walked> {
    walked: &'walked Walked,
    codes: &'walked mut CodeCache,
    layout: &'walked Layout,
    taken_seconds: f64,
    graph: Graph,
    loop_indexes: AddressMap<LoopIndex>,
    /// The threads that loops run on.
    loop_threads: AddressMap<ThreadIndex>,
    /// Where the frames of the tasks that run are, by the task's address.
    stretches: AddressMap<(ThreadIndex, Stretch)>,
}

impl<'walked> Resolver<'walked> {
    fn new(
        walked: &'walked Walked,
        codes: &'walked mut CodeCache,
        layout: &'walked Layout,
        taken_nanos: u64,
    ) -> Self {
        let loops = walked.loops.iter().enumerate();
        let threads = walked.threads.iter().enumerate();
        Self {
            walked,
            codes,
            layout,
            taken_seconds: taken_nanos as f64 / 1e9,
            graph: Graph::new(walked),
            loop_indexes: loops
                .map(|(index, event_loop)| (event_loop.address, LoopIndex(index)))
                .collect(),
            loop_threads: threads
                .filter_map(|(index, thread)| Some((thread.running_loop?, ThreadIndex(index))))
                .collect(),
            stretches: stretches(walked),
        }
    }

    fn threads(&mut self) -> Vec<DumpedThread> {
        let walked = self.walked;
        walked
            .threads
            .iter()
            .map(|thread| self.thread(thread))
            .collect()
    }

    fn thread(&mut self, thread: &WalkedThread) -> DumpedThread {
        let mut problem = thread.problem.clone();
        DumpedThread {
            tid: thread.tid,
            interpreter: thread.interpreter,
            name: thread.name.clone(),
            holds_gil: thread.holds_gil,
            kernel: thread.kernel,
            frames: self.frames(thread.outline.frames.iter(), &mut problem),
            running_loop: thread
                .running_loop
                .and_then(|event_loop| self.loop_indexes.get(&event_loop).copied()),
            problem,
        }
    }

    fn frames<'raw>(
        &mut self,
        raw: impl Iterator<Item = &'raw RawFrame>,
        problem: &mut Option<String>,
    ) -> Vec<Frame> {
        let mut frames = Vec::with_capacity(raw.size_hint().0);
        for raw in raw {
            let offset = instruction_offset(self.layout, raw);
            match self.codes.known_frame(raw.code, offset) {
                Ok(frame) => frames.push(frame),
                Err(error) => {
                    problem.get_or_insert_with(|| format!("a frame could not be read: {error}"));
                }
            }
        }
        frames
    }

    fn loops(&self) -> Vec<DumpedLoop> {
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

    /// All tasks, and for each the tasks that it cannot go on without.
    fn tasks(&mut self) -> (Vec<DumpedTask>, Vec<Vec<usize>>) {
        let walked = self.walked;
        let mut tasks = Vec::with_capacity(walked.tasks.len());
        let mut edges = Vec::with_capacity(walked.tasks.len());
        for task in &walked.tasks {
            let (task, needed) = self.task(task);
            tasks.push(task);
            edges.push(needed);
        }
        (tasks, edges)
    }

    fn task(&mut self, task: &WalkedTask) -> (DumpedTask, Vec<usize>) {
        let mut problem = task.problem.clone();
        let state = self.task_state(task);
        let await_chain = match state {
            TaskState::Running => self.running_chain(task, &mut problem),
            _ => self.chain(task, &mut problem),
        };
        let (waits_for, needed) = match state {
            TaskState::Pending => {
                let (wait, needed) = self.wait(task);
                (Some(wait), needed)
            }
            _ => (None, Vec::new()),
        };
        let dumped = DumpedTask {
            address: task.address,
            name: task.name.clone(),
            type_name: Arc::clone(&task.type_name),
            event_loop: task
                .words
                .event_loop
                .and_then(|event_loop| self.loop_indexes.get(&event_loop).copied()),
            state,
            is_cancelling: task.words.is_cancelling,
            await_chain,
            waits_for,
            awaited_by: self.graph.awaited_by(task.address),
            orphan: None,
            problem,
        };
        (dumped, needed)
    }

    fn task_state(&self, task: &WalkedTask) -> TaskState {
        match (task.words.state, &task.failure) {
            (FutureState::Pending, _) if self.stretches.contains_key(&task.address) => {
                TaskState::Running
            }
            (FutureState::Pending, _) => TaskState::Pending,
            (FutureState::Cancelled, _) => TaskState::Cancelled,
            (FutureState::Finished, None) => TaskState::Done,
            (FutureState::Finished, Some(failure)) => TaskState::Failed {
                exception: Arc::clone(&failure.exception),
                message: failure.message.clone(),
            },
        }
    }

    /// The coroutines of a task that runs are on its thread's stack.
    fn running_chain(&mut self, task: &WalkedTask, problem: &mut Option<String>) -> Vec<Frame> {
        let Some((thread, stretch)) = self.stretches.get(&task.address).cloned() else {
            return Vec::new();
        };
        let walked = self.walked;
        let outline = walked.threads.get(thread.0).map(|thread| &thread.outline);
        let frames = outline.and_then(|outline| outline.frames.get(stretch));
        let frames = frames.unwrap_or_default().iter().rev();
        let mut frames = self.frames(frames, problem);
        frames.retain(|frame| frame.is_coroutine);
        match frames.is_empty() {
            // It is about to be stepped, or just was.
            true => self.chain(task, problem),
            false => frames,
        }
    }

    fn chain(&mut self, task: &WalkedTask, problem: &mut Option<String>) -> Vec<Frame> {
        let mut frames = Vec::with_capacity(task.chain.frames.len());
        for frame in &task.chain.frames {
            match frame {
                ChainFrame::Python(raw) => {
                    frames.extend(self.frames(std::iter::once(raw), problem));
                }
                ChainFrame::Cython { function, module } => {
                    frames.push(Frame::compiled(function, module));
                }
            }
        }
        frames
    }

    fn wait(&mut self, task: &WalkedTask) -> (Wait, Vec<usize>) {
        if task.words.waiter.is_some_and(|waiter| self.is_done(waiter)) {
            let wait = Wait {
                target: WaitTarget::NextStep,
                primitive: None,
                due_seconds: None,
            };
            return (wait, Vec::new());
        }
        let sources = match task.words.waiter {
            Some(waiter) if self.graph.index_of(waiter).is_none() => self.graph.sources(waiter),
            _ => Sources::default(),
        };
        let due_seconds = self.due_seconds(task);
        let target = self.target(task, &sources);
        let needed = match (&target, due_seconds) {
            // What a timer ends is no deadlock.
            (_, Some(_)) => Vec::new(),
            (WaitTarget::Task(one), _) if sources.tasks.is_empty() || sources.needs_all => {
                vec![one.0]
            }
            (WaitTarget::Tasks(all), _) if sources.needs_all => {
                all.iter().map(|one| one.0).collect()
            }
            _ => Vec::new(),
        };
        let wait = Wait {
            target,
            primitive: self.primitive(task, &sources),
            due_seconds,
        };
        (wait, needed)
    }

    fn target(&self, task: &WalkedTask, sources: &Sources) -> WaitTarget {
        let Some(waiter) = task.words.waiter else {
            return match task.chain.end {
                ChainEnd::NotBegun => WaitTarget::FirstStep,
                _ if task.problem.is_some() => WaitTarget::Unknown,
                _ => WaitTarget::NextStep,
            };
        };
        if let Some(task) = self.graph.index_of(waiter) {
            return WaitTarget::Task(task);
        }
        match (sources.tasks.as_slice(), self.walked.futures.get(&waiter)) {
            ([one], _) => WaitTarget::Task(*one),
            ([], Some(future)) => WaitTarget::Future {
                address: waiter,
                type_name: Arc::clone(&future.type_name),
            },
            ([], None) => WaitTarget::Unknown,
            (several, _) => WaitTarget::Tasks(several.to_vec()),
        }
    }

    fn primitive(&self, task: &WalkedTask, sources: &Sources) -> Option<Primitive> {
        let waiter = task.words.waiter?;
        if let Some(primitive) = &task.primitive {
            let detail = primitive
                .address
                .and_then(|object| self.walked.details.get(&object));
            return Some(Primitive {
                kind: Arc::clone(&primitive.kind),
                address: primitive.address,
                detail: detail.cloned().flatten(),
            });
        }
        let named = |kind: &str, address| Primitive {
            kind: kind.into(),
            address,
            detail: None,
        };
        let future = self.walked.futures.get(&waiter);
        let source = future.and_then(|future| future.source);
        if source.is_some() && sources.tasks.is_empty() {
            return Some(named("executor", source));
        }
        let kind = match sources.through? {
            Through::Gather => "gather",
            Through::Shield => "shield",
            Through::WaitAll | Through::WaitAny => "wait",
            Through::WaitFor => "wait_for",
            Through::AsCompleted => "as_completed",
            Through::TaskGroup => "TaskGroup",
            Through::Chain => "run_coroutine_threadsafe",
            Through::Other | Through::Stated => return None,
        };
        Some(named(kind, None))
    }

    /// Whether what a task waits for has an outcome.
    fn is_done(&self, waiter: u64) -> bool {
        match self.graph.index_of(waiter) {
            Some(index) => {
                let task = self.walked.tasks.get(index.0);
                task.is_some_and(|task| !task.is_pending())
            }
            None => self
                .walked
                .futures
                .get(&waiter)
                .is_some_and(|future| future.is_done),
        }
    }

    fn due_seconds(&self, task: &WalkedTask) -> Option<f64> {
        let due = &self.walked.due;
        // What ends another task is not what this one's wait was given.
        let waiter = task.words.waiter;
        let waiter = waiter.filter(|waiter| self.graph.index_of(*waiter).is_none());
        let of_waiter = waiter.and_then(|waiter| due.get(&waiter));
        let earliest = match (of_waiter, due.get(&task.address)) {
            (Some(one), Some(other)) => one.min(*other),
            (one, other) => *one.or(other)?,
        };
        Some(earliest - self.taken_seconds)
    }
}

/// Where on the threads' stacks the frames of tasks are, those that run: from a task's first frame inward
/// to the first frame of a task that it steps itself (an eager one), or to the innermost frame.
fn stretches(walked: &Walked) -> AddressMap<(ThreadIndex, Stretch)> {
    let mut first_frames: AddressMap<u64> = AddressMap::default();
    let mut found = AddressMap::default();
    let current = walked
        .threads
        .iter()
        .filter_map(|thread| thread.current_task);
    let current: Vec<u64> = current.collect();
    for task in walked.tasks.iter().filter(|task| task.is_pending()) {
        let runs = task.chain.end == ChainEnd::Running || current.contains(&task.address);
        if let Some(first) = task.first_frame.filter(|_| runs) {
            first_frames.insert(first, task.address);
        }
    }
    for (index, thread) in walked.threads.iter().enumerate() {
        let thread_index = ThreadIndex(index);
        let mut inner_end = 0;
        for (place, task) in task_places(&thread.outline, &first_frames) {
            found.insert(task, (thread_index, inner_end..place + 1));
            inner_end = place + 1;
        }
        // A first coroutine that is no Python code has no frame on the stack; then all of it counts. One
        // that is has none at the instants at which its task is entered and left.
        if let Some(task) = thread.current_task {
            let inner = match first_frames.values().any(|first_of| *first_of == task) {
                true => 0..0,
                false => 0..thread.outline.frames.len(),
            };
            found.entry(task).or_insert((thread_index, inner));
        }
    }
    found
}

/// The places of tasks' first frames on a stack, innermost first.
fn task_places(outline: &Outline, first_frames: &AddressMap<u64>) -> Vec<(usize, u64)> {
    let frames = outline.frames.iter().enumerate();
    frames
        .filter_map(|(place, frame)| Some((place, *first_frames.get(&frame.address)?)))
        .collect()
}

/// Says of tasks that nothing can finish why that is so.
fn mark_orphans(loops: &[DumpedLoop], tasks: &mut [DumpedTask]) {
    let states: Vec<Option<LoopState>> = tasks
        .iter()
        .map(|task| Some(loops.get(task.event_loop?.0)?.state))
        .collect();
    let is_closed = |index: &TaskIndex| states.get(index.0) == Some(&Some(LoopState::Closed));
    for (task, state) in tasks.iter_mut().zip(&states) {
        if task.state != TaskState::Pending {
            continue;
        }
        let waits_on_closed = match task.waits_for.as_ref().map(|wait| &wait.target) {
            Some(WaitTarget::Task(one)) => is_closed(one),
            Some(WaitTarget::Tasks(several)) => several.iter().any(is_closed),
            _ => false,
        };
        task.orphan = match state {
            Some(LoopState::Closed) => Some(Orphan::LoopClosed),
            Some(LoopState::NotRunning) => Some(Orphan::LoopNotRunning),
            _ if waits_on_closed => Some(Orphan::WaitsOnClosedLoop),
            _ => None,
        };
    }
}
