//! The walk through a process that holds still: threads, tasks, what joins them, loops.
//!
//! Reads all that a dump shows and copies it out, so that nothing is left to read once the process goes
//! on. What cannot be read is noted where it belongs and left out; only a process that cannot be read any
//! more ends the walk. Works on any memory, so that it can be tried on made-up ones.

use std::sync::Arc;

use super::problems::{Problems, soft};
use super::walked::{
    Link, Walked, WalkedFailure, WalkedFuture, WalkedLoop, WalkedTask, WalkedThread,
};
use crate::asyncio::{
    AwaitChain, ChainFrame, FoundTasks, FutureState, KnownListeners, Listener, LoopWords,
    QueueOffsets, Through,
};
use crate::codes::CodeCache;
use crate::error::ReadResult;
use crate::frames::RawFrame;
use crate::kernel::ThreadKernelState;
use crate::layout::{Layout, PythonVersion};
use crate::locate::Interpreter;
use crate::memory::{AddressMap, AddressSet, Budget, Memory};
use crate::object_model::{Kind, ObjectReader};
use crate::probe::TaskFit;
use crate::threads::{PythonThread, ThreadIds};

/// Futures that are no tasks and are followed from one to the next.
const MAX_FUTURES: usize = 1_000_000;

/// Links that are kept between futures and tasks.
const MAX_LINKS: usize = 4_000_000;

/// What the kernel said of a thread, by its id.
pub(crate) type KernelStates<'a> = &'a mut dyn FnMut(u32) -> ThreadKernelState;

/// Walks through one process, as often as needed.
#[derive(Debug)]
pub(crate) struct Walker<M> {
    pub(super) reader: ObjectReader<M>,
    pub(super) codes: CodeCache,
    pub(super) python_version: PythonVersion,
    runtime: u64,
    thread_ids: ThreadIds,
    queue_offsets: QueueOffsets,
}

/// What is known for the time of one walk.
#[derive(Default)]
struct Known {
    type_names: AddressMap<Arc<str>>,
    listeners: KnownListeners,
    problems: Problems,
}

impl<M: Memory + Clone> Walker<M> {
    pub(crate) fn new(memory: M, interpreter: &Interpreter, thread_ids: ThreadIds) -> Self {
        Self {
            reader: ObjectReader::with_budget(memory, interpreter.layout, Budget::DUMP),
            codes: CodeCache::default(),
            python_version: interpreter.version,
            runtime: interpreter.runtime,
            thread_ids,
            queue_offsets: QueueOffsets::default(),
        }
    }

    /// Reads by another layout from now on.
    pub(crate) fn set_layout(&mut self, layout: Layout) {
        self.reader.set_layout(layout);
    }

    /// Gives the memory of the last walk back.
    pub(crate) fn rest(&mut self) {
        self.reader.release();
    }

    /// Reads the process behind `memory`.
    pub(super) fn walk(&mut self, memory: M, kernel: KernelStates<'_>) -> ReadResult<Walked> {
        self.reader.pages.begin_over(memory, &[])?;
        let mut walked = Walked::default();
        let mut known = Known::default();
        let threads = self.reader.python_threads(self.runtime)?;
        self.walk_threads(&threads, kernel, &mut walked, &mut known)?;
        let tasks = self.find_tasks(&threads, &walked, &mut known)?;
        self.prefetch_tasks(&tasks)?;
        for task in tasks {
            match self.walk_task(task, &mut known) {
                Ok(task) => walked.tasks.push(task),
                Err(error) => known.problems.note("a task could not be read", error)?,
            }
        }
        self.walk_links(&mut walked, &mut known)?;
        self.walk_details(&mut walked, &mut known)?;
        self.walk_loops(&mut walked, &mut known)?;
        walked.problems = known.problems.sentences();
        Ok(walked)
    }

    fn walk_threads(
        &mut self,
        threads: &[PythonThread],
        kernel: KernelStates<'_>,
        walked: &mut Walked,
        known: &mut Known,
    ) -> ReadResult<()> {
        let calibrated = self.thread_ids.calibrate(&mut self.reader, threads);
        known
            .problems
            .take("threads could not be told apart", calibrated)?;
        let mut interpreter = None;
        // The interpreter puts the newest first.
        for thread in threads.iter().rev() {
            if interpreter
                .as_ref()
                .is_none_or(|(at, _): &(u64, InterpreterFacts)| *at != thread.interpreter)
            {
                let facts = self.interpreter_facts(thread.interpreter, known)?;
                interpreter = Some((thread.interpreter, facts));
            }
            if let Some((_, facts)) = &interpreter {
                let thread = self.walk_thread(thread, facts, kernel)?;
                walked.threads.push(thread);
            }
        }
        Ok(())
    }

    fn interpreter_facts(
        &mut self,
        interpreter: u64,
        known: &mut Known,
    ) -> ReadResult<InterpreterFacts> {
        let id = self
            .reader
            .pointer(interpreter, self.reader.layout.interpreter.id);
        let names = self.reader.thread_names(interpreter);
        let gil = self.reader.gil_holder(self.runtime, interpreter);
        Ok(InterpreterFacts {
            id: known
                .problems
                .take("an interpreter's number could not be read", id)?,
            names: known
                .problems
                .take("the names of threads could not be read", names)?,
            gil_holder: known.problems.take(
                "the holder of the interpreter's lock could not be read",
                gil.map(Some),
            )?,
        })
    }

    fn walk_thread(
        &mut self,
        thread: &PythonThread,
        facts: &InterpreterFacts,
        kernel: KernelStates<'_>,
    ) -> ReadResult<WalkedThread> {
        let mut problem = None;
        let tid = self.thread_ids.tid_of(&mut self.reader, thread);
        let tid = soft(tid, "its kernel id", &mut problem)?;
        let outline = self.reader.outline(thread.state);
        let outline = soft(outline, "its stack", &mut problem)?;
        for frame in &outline.frames {
            let loaded = self.codes.load(&mut self.reader, frame.code);
            soft(loaded, "a frame of its stack", &mut problem)?;
        }
        let inner_pid = self.thread_ids.inner_pid();
        let running_loop = self.reader.running_loop(thread, inner_pid);
        let running_loop = soft(running_loop, "its running loop", &mut problem)?;
        let current_task = match running_loop {
            Some(event_loop) => {
                let task = self.reader.current_task(thread, event_loop);
                soft(task, "its current task", &mut problem)?
            }
            None => None,
        };
        Ok(WalkedThread {
            tid,
            interpreter: facts.id,
            name: facts.name_of(thread.ident),
            holds_gil: facts.gil_holder.map(|holder| holder == Some(thread.state)),
            kernel: kernel_state(tid, kernel),
            outline,
            running_loop,
            current_task,
            problem,
        })
    }

    fn find_tasks(
        &mut self,
        threads: &[PythonThread],
        walked: &Walked,
        known: &mut Known,
    ) -> ReadResult<Vec<u64>> {
        let mut found = FoundTasks::default();
        for of_one in threads.chunk_by(|one, next| one.interpreter == next.interpreter) {
            if let Some(thread) = of_one.first() {
                self.reader
                    .find_tasks(thread.interpreter, of_one, &mut found)?;
            }
        }
        found.add(
            walked
                .threads
                .iter()
                .filter_map(|thread| thread.current_task),
        );
        for (place, error) in found.failures {
            known.problems.note(place, error)?;
        }
        let mut tasks = found.tasks;
        let fit = self.reader.fit_tasks(&tasks)?;
        if let Some(problem) = fit.problem(self.python_version) {
            known.problems.say(problem);
        }
        if fit == TaskFit::Unknown {
            let reader = &mut self.reader;
            tasks.retain(|task| !matches!(reader.kind_of(*task), Ok(Kind::NativeTask)));
        }
        Ok(tasks)
    }

    /// Fetches what tasks point to before they are read one after the other.
    fn prefetch_tasks(&mut self, tasks: &[u64]) -> ReadResult<()> {
        let reader = &mut self.reader;
        reader.pages.prefetch_objects(tasks.iter().copied())?;
        let (future, task_layout) = (reader.layout.future, reader.layout.task);
        let fields = [
            task_layout.coroutine,
            task_layout.fut_waiter,
            task_layout.name,
            future.callback0,
            future.callbacks,
        ];
        let mut next = Vec::with_capacity(tasks.len() * fields.len());
        for task in tasks {
            if !matches!(reader.kind_of(*task), Ok(Kind::NativeTask)) {
                continue;
            }
            for field in fields {
                next.extend(reader.pointer(*task, field).ok());
            }
        }
        reader.pages.prefetch_objects(next.into_iter())?;
        Ok(())
    }

    fn walk_task(&mut self, address: u64, known: &mut Known) -> ReadResult<WalkedTask> {
        let words = self.reader.task_words(address)?;
        let mut problem = None;
        let type_name = self.type_name(address, known);
        let name = soft(self.reader.task_name(address), "its name", &mut problem)?;
        let failure = match words.exception {
            Some(exception) => {
                let failure = self.walk_failure(exception, known).map(Some);
                soft(failure, "its exception", &mut problem)?
            }
            None => None,
        };
        let mut task = WalkedTask {
            address,
            type_name: soft(type_name, "its type", &mut problem)?.unwrap_or_else(|| "?".into()),
            name,
            failure,
            chain: AwaitChain::default(),
            first_frame: None,
            primitive: None,
            problem,
            words,
        };
        self.walk_chain(&mut task)?;
        Ok(task)
    }

    fn walk_failure(&mut self, exception: u64, known: &mut Known) -> ReadResult<WalkedFailure> {
        let name = self
            .type_name(exception, known)?
            .unwrap_or_else(|| "?".into());
        let message = self.reader.exception_message(exception);
        Ok(WalkedFailure {
            exception: match name.strip_prefix("builtins.") {
                Some(name) => name.into(),
                None => name,
            },
            // An exception that cannot be read beyond its type still has one.
            message: soft(message, "its message", &mut None)?,
        })
    }

    fn walk_chain(&mut self, task: &mut WalkedTask) -> ReadResult<()> {
        let Some(coroutine) = task.words.coroutine else {
            return Ok(());
        };
        let followed = self.reader.follow_chain(coroutine, &mut task.chain);
        soft(followed, "its await chain", &mut task.problem)?;
        let frames = task.chain.frames.iter();
        task.first_frame = match task.chain.frames.first() {
            Some(ChainFrame::Python(raw)) => Some(raw.address),
            _ => None,
        };
        for raw in frames.filter_map(python_frame) {
            let loaded = self.codes.load(&mut self.reader, raw.code);
            soft(loaded, "a frame of its await chain", &mut task.problem)?;
        }
        if task.words.waiter.is_some() {
            let codes = &self.codes;
            let innermost_first = task.chain.frames.iter().rev().map_while(python_frame);
            let frames =
                innermost_first.map_while(|raw| Some((raw.address, codes.known(raw.code)?)));
            let primitive = self.reader.primitive(frames);
            task.primitive = soft(primitive, "what made it wait", &mut task.problem)?;
        }
        Ok(())
    }

    /// What joins tasks: their callbacks, and those of the futures in between.
    fn walk_links(&mut self, walked: &mut Walked, known: &mut Known) -> ReadResult<()> {
        let mut between = Vec::new();
        let mut seen = AddressSet::default();
        for task in walked.tasks.iter().filter(|task| task.is_pending()) {
            let from = task.address;
            let links = self.links_from(from, known);
            let links = known
                .problems
                .take("the callbacks of a task could not be read", links)?;
            between.extend(links.iter().map(|link| link.to));
            walked.links.extend(links);
            if walked.links.len() > MAX_LINKS {
                break;
            }
        }
        while let Some(future) = between.pop() {
            if seen.len() >= MAX_FUTURES || walked.links.len() > MAX_LINKS || !seen.insert(future) {
                continue;
            }
            // Tasks have had their turn.
            if !matches!(self.reader.kind_of(future), Ok(kind) if kind.is_future() && !kind.is_task())
            {
                continue;
            }
            let links = self.links_from(future, known);
            let links = known
                .problems
                .take("the callbacks of a future could not be read", links)?;
            between.extend(links.iter().map(|link| link.to));
            walked.links.extend(links);
        }
        if walked.links.len() > MAX_LINKS {
            known
                .problems
                .say("tasks wait for each other in more ways than are followed");
        }
        self.walk_waiters(walked, known)
    }

    fn links_from(&mut self, from: u64, known: &mut Known) -> ReadResult<Vec<Link>> {
        let mut links = Vec::new();
        for callback in self.reader.callbacks(from)? {
            let Some(listener) = self.reader.listener(callback, &mut known.listeners)? else {
                continue;
            };
            let link = |to, through| Link { from, to, through };
            match listener {
                Listener::Task(task) => links.push(link(task, None)),
                Listener::Future { future, through } => links.push(link(future, Some(through))),
                Listener::Group { parent, future } => {
                    let through = Some(Through::TaskGroup);
                    let told = parent.into_iter().chain(future);
                    links.extend(told.map(|to| link(to, through)));
                }
                Listener::Source { source } => {
                    links.extend(source.map(|source| Link {
                        from: source,
                        to: from,
                        through: Some(Through::Chain),
                    }));
                }
            }
        }
        for to in self.reader.awaiters(from)? {
            let through = Some(Through::Stated);
            links.push(Link { from, to, through });
        }
        Ok(links)
    }

    /// The futures that tasks wait for and that are no tasks.
    fn walk_waiters(&mut self, walked: &mut Walked, known: &mut Known) -> ReadResult<()> {
        for task in &mut walked.tasks {
            let Some(waiter) = task.words.waiter else {
                continue;
            };
            if walked.futures.contains_key(&waiter) {
                continue;
            }
            let future = self.walk_waiter(waiter, task.primitive.is_none(), known);
            if let Some(future) = soft(future, "what it waits for", &mut task.problem)? {
                walked.links.extend(future.source.map(|source| Link {
                    from: source,
                    to: waiter,
                    through: Some(Through::Chain),
                }));
                walked.futures.insert(waiter, future);
            }
        }
        Ok(())
    }

    fn walk_waiter(
        &mut self,
        waiter: u64,
        is_unnamed: bool,
        known: &mut Known,
    ) -> ReadResult<Option<WalkedFuture>> {
        let kind = self.reader.kind_of(waiter)?;
        if kind.is_task() {
            return Ok(None);
        }
        let type_name = self.type_name(waiter, known)?.unwrap_or_else(|| "?".into());
        let (event_loop, is_done) = match kind.is_future() {
            true => (
                self.reader.future_loop(waiter)?,
                self.reader.future_state(waiter)? != FutureState::Pending,
            ),
            false => (None, false),
        };
        let mut source = None;
        if is_unnamed && kind.is_future() {
            for callback in self.reader.callbacks(waiter)? {
                if let Some(Listener::Source { source: found }) =
                    self.reader.listener(callback, &mut known.listeners)?
                {
                    source = found;
                }
            }
        }
        Ok(Some(WalkedFuture {
            type_name,
            event_loop,
            is_done,
            source,
        }))
    }

    fn walk_details(&mut self, walked: &mut Walked, known: &mut Known) -> ReadResult<()> {
        for task in &walked.tasks {
            let Some(object) = task
                .primitive
                .as_ref()
                .and_then(|primitive| primitive.address)
            else {
                continue;
            };
            if walked.details.contains_key(&object) {
                continue;
            }
            let detail = self.reader.primitive_detail(object);
            let what = "what a lock or queue says of itself could not be read";
            let detail = known.problems.take(what, detail)?;
            walked.details.insert(object, detail);
        }
        Ok(())
    }

    fn walk_loops(&mut self, walked: &mut Walked, known: &mut Known) -> ReadResult<()> {
        let running = walked
            .threads
            .iter()
            .filter_map(|thread| thread.running_loop);
        let of_tasks = walked.tasks.iter().filter_map(|task| task.words.event_loop);
        let of_futures = walked
            .futures
            .values()
            .filter_map(|future| future.event_loop);
        let mut loops = Vec::new();
        let mut seen = AddressSet::default();
        for event_loop in running.chain(of_tasks).chain(of_futures) {
            if seen.insert(event_loop) {
                loops.push(event_loop);
            }
        }
        for address in loops {
            let event_loop = self.walk_loop(address, &mut walked.due)?;
            match event_loop {
                Some(event_loop) => walked.loops.push(event_loop),
                None => known.problems.say("a task belongs to what is no loop"),
            }
        }
        Ok(())
    }

    fn walk_loop(
        &mut self,
        address: u64,
        due: &mut AddressMap<f64>,
    ) -> ReadResult<Option<WalkedLoop>> {
        let mut problem = None;
        let type_name = self.reader.loop_type_name(address).map(Some);
        let Some(type_name) = soft(type_name, "its type", &mut problem)? else {
            return Ok(None);
        };
        let ready = self.reader.ready_count(address, &mut self.queue_offsets);
        let is_closed = self.reader.is_loop_closed(address);
        let timers = self.reader.timers(address);
        let timers = soft(timers, "its timers", &mut problem)?;
        let next_timer = match &timers {
            Some(timers) => {
                let next = self.walk_timers(timers, due);
                soft(next, "its timers", &mut problem)?
            }
            None => None,
        };
        Ok(Some(WalkedLoop {
            address,
            words: LoopWords {
                type_name,
                ready: soft(ready, "its ready queue", &mut problem)?,
                timers: timers.map(|timers| timers.len() as u64),
                next_timer,
                is_closed: soft(is_closed, "whether it is closed", &mut problem)?,
            },
            problem,
        }))
    }

    /// When the earliest of a loop's timers is due. A timer that cannot be read is passed over, unless it
    /// is so with all.
    fn walk_timers(
        &mut self,
        timers: &[u64],
        due: &mut AddressMap<f64>,
    ) -> ReadResult<Option<f64>> {
        self.reader.pages.prefetch_objects(timers.iter().copied())?;
        let mut earliest: Option<f64> = None;
        let mut failure = None;
        for timer in timers {
            match self.reader.timer_due(*timer, due) {
                Ok(Some(when)) => {
                    earliest = Some(earliest.map_or(when, |earliest| earliest.min(when)));
                }
                Ok(None) => {}
                Err(error) if error.is_final() => return Err(error),
                Err(error) => failure = Some(error),
            }
        }
        match (earliest, failure) {
            (None, Some(error)) => Err(error),
            _ => Ok(earliest),
        }
    }

    /// The qualified name of an object's type.
    fn type_name(&mut self, object: u64, known: &mut Known) -> ReadResult<Option<Arc<str>>> {
        let class = self.reader.type_of(object)?;
        if let Some(name) = known.type_names.get(&class.address) {
            return Ok(Some(Arc::clone(name)));
        }
        let name = self.reader.qualified_type_name(&class)?;
        known.type_names.insert(class.address, Arc::clone(&name));
        Ok(Some(name))
    }
}

/// What is the same for all threads of an interpreter.
struct InterpreterFacts {
    id: u64,
    /// By what `threading.get_ident()` returns in the thread.
    names: Vec<(u64, String)>,
    /// The thread state that holds the lock, if one does; `None` where that could not be read.
    gil_holder: Option<Option<u64>>,
}

impl InterpreterFacts {
    fn name_of(&self, ident: u64) -> Option<String> {
        let found = self.names.iter().find(|(known, _)| *known == ident);
        found.map(|(_, name)| name.clone())
    }
}

fn python_frame(frame: &ChainFrame) -> Option<&RawFrame> {
    match frame {
        ChainFrame::Python(raw) => Some(raw),
        ChainFrame::Cython { .. } => None,
    }
}

fn kernel_state(tid: Option<u32>, kernel: KernelStates<'_>) -> ThreadKernelState {
    tid.map_or(ThreadKernelState::UNKNOWN, kernel)
}
