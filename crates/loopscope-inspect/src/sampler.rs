//! One look at one thread, put together from the readers below.
//!
//! Fetches all that the last look at this thread needed, then the outline of the stack once more: where
//! both outlines agree the parts belong together; where they do not, the thread moved and the look is
//! repeated a few times. What is essential (frames, running loop) must be readable; the rest is left out where it is
//! not. Works on any memory, so that it can be tried on made-up ones.

mod awaiting;

use std::collections::HashMap;
use std::ops::Range;

use crate::asyncio::{AwaitChain, ChainFrame, QueueOffsets};
use crate::codes::CodeCache;
use crate::error::{ReadError, ReadResult};
use crate::frames::{self, Base, Outline};
use crate::layout::Layout;
use crate::memory::Memory;
use crate::object_model::{Kind, ObjectReader};
use crate::sample::{CurrentTask, Frame, GilHolder, LoopObject, ThreadSample};
use crate::threads::{PythonThread, ThreadIds};

/// Looks at a moving thread before it is reported as it was seen last. A look takes some tens of
/// microseconds; a thread that runs C code or waits holds still for the first one.
const MAX_LOOKS: usize = 4;

/// Threads whose pages are remembered before all are forgotten.
const MAX_REMEMBERED_THREADS: usize = 256;

/// Pages remembered per thread; the rest of a larger look is fetched when needed.
const MAX_REMEMBERED_PAGES: usize = 1024;

/// Looks at threads of one process.
#[derive(Debug)]
pub(crate) struct Sampler<M> {
    reader: ObjectReader<M>,
    runtime: u64,
    codes: CodeCache,
    thread_ids: ThreadIds,
    queue_offsets: QueueOffsets,
    /// The pages that the last look at a thread needed, so that the next one fetches them together.
    remembered_pages: HashMap<u32, Vec<u64>>,
    /// Where each thread's stack ended when it was last seen to hold still.
    bases: HashMap<u32, Option<Base>>,
}

/// A sample, and what is to be said about how it was taken.
struct Look {
    sample: ThreadSample,
    base: Option<Base>,
    /// A part that should be there could not be read.
    is_partial: bool,
}

/// Whether the outermost frame is one that a thread begins with: a module's, or that of a thread that `threading`
/// started. A stack that is followed no further than here has no such frame.
fn ends_as_threads_do(look: &Look) -> bool {
    let outermost = look.sample.frames.last();
    look.base.is_none()
        || outermost.is_some_and(|frame| ["<module>", "_bootstrap"].contains(&&*frame.function))
}

/// What must not change during a look.
struct Stance {
    thread: PythonThread,
    outline: Outline,
    event_loop: Option<u64>,
    callback_position: Option<u64>,
}

/// Collects the parts that a sample can do without.
#[derive(Default)]
struct OptionalParts {
    failed: bool,
}

impl OptionalParts {
    /// The part, or its absent form where it could not be read; an error only where nothing can be
    /// read any more.
    fn take<T: Default>(&mut self, part: ReadResult<T>) -> ReadResult<T> {
        match part {
            Err(error) if !error.is_final() => {
                self.failed = true;
                Ok(T::default())
            }
            part => part,
        }
    }
}

impl<M: Memory + Clone> Sampler<M> {
    pub(crate) fn new(memory: M, layout: Layout, runtime: u64, thread_ids: ThreadIds) -> Self {
        Self {
            reader: ObjectReader::new(memory, layout),
            runtime,
            codes: CodeCache::default(),
            thread_ids,
            queue_offsets: QueueOffsets::default(),
            remembered_pages: HashMap::new(),
            bases: HashMap::new(),
        }
    }

    /// Fails unless the interpreter is up and laid out as expected: `None` where it is not up.
    pub(crate) fn validate(&mut self) -> ReadResult<Option<()>> {
        self.reader.pages.begin(&[])?;
        let layout = self.reader.layout.interpreter;
        // Another interpreter, a newer one, may have no thread at all.
        let Some(first) = self.reader.interpreters(self.runtime)?.pop() else {
            return Ok(None);
        };
        if self.reader.pointer(first, layout.threads_head)? == 0 {
            return Ok(None);
        }
        let modules = self.reader.pointer(first, layout.modules)?;
        if modules == 0 {
            return Ok(None);
        }
        self.reader
            .expect_kind(modules, Kind::Dict, "the table of modules")?;
        let threads = self.reader.python_threads(self.runtime)?;
        // A thread that runs may be caught between two frames; not all of them at once.
        let mut outlines = threads
            .iter()
            .map(|thread| self.reader.outline(thread.state));
        let first = outlines.next().unwrap_or(Ok(Outline::default()));
        first.or_else(|error| outlines.find_map(Result::ok).ok_or(error))?;
        Ok(Some(()))
    }

    /// Takes over what was found out of the layout since.
    pub(crate) fn set_layout(&mut self, layout: Layout) {
        self.reader.set_layout(layout);
    }

    /// Gives the memory of the last look back.
    pub(crate) fn rest(&mut self) {
        self.reader.release();
    }

    /// Looks at the thread with this kernel id, as the observer sees it.
    ///
    /// Of a thread that moves, a look follows frames that may be gone meanwhile and end anywhere. It counts
    /// only where it came to the end that the thread's stack is known to have, or where none is known yet, twice to
    /// one that ends as threads do: what is left of a function's last call, which ends nowhere, is at the same place
    /// each time, too.
    pub(crate) fn sample(&mut self, tid: u32) -> ReadResult<ThreadSample> {
        let mut best = None;
        let mut failure = None;
        let mut known_base = None;
        for _ in 0..MAX_LOOKS {
            match self.look(tid) {
                Ok(look) => {
                    let is_good = !look.sample.torn && !look.is_partial;
                    if !look.sample.torn {
                        self.remember_base(tid, look.base);
                    } else if self.bases.get(&tid) != Some(&look.base) {
                        let is_repeated = known_base.replace(look.base) == Some(look.base);
                        if !is_repeated || !ends_as_threads_do(&look) {
                            continue;
                        }
                    }
                    best = Some(look.sample);
                    if is_good {
                        break;
                    }
                }
                Err(error) if error.is_final() => return Err(error),
                Err(error) => failure = Some(error),
            }
        }
        let expected = "a stack that holds still";
        let failure = failure.unwrap_or(ReadError::Unexpected {
            expected,
            address: self.runtime,
        });
        best.ok_or(failure)
    }

    /// Looks at a task that waits: its name, and from its first coroutine to the innermost one. `None` where
    /// there is no such task.
    pub(crate) fn waiting_task(&mut self, address: u64) -> ReadResult<Option<CurrentTask>> {
        self.reader.pages.begin(&[])?;
        if !self.reader.kind_of(address)?.is_task() {
            return Ok(None);
        }
        let words = self.reader.task_words(address)?;
        let Some(coroutine) = words.coroutine else {
            return Ok(None);
        };
        let mut chain = AwaitChain::default();
        self.reader.follow_chain(coroutine, &mut chain)?;
        let mut await_chain = Vec::with_capacity(chain.frames.len());
        for frame in &chain.frames {
            if let ChainFrame::Python(raw) = frame {
                let offset = frames::instruction_offset(&self.reader.layout, raw);
                await_chain.push(self.codes.frame(&mut self.reader, raw.code, offset)?);
            }
        }
        Ok(Some(CurrentTask {
            address,
            name: self.reader.task_name(address)?,
            await_chain,
            awaited_by: Vec::new(),
        }))
    }

    fn look(&mut self, tid: u32) -> ReadResult<Look> {
        let pages = self
            .remembered_pages
            .get(&tid)
            .map(Vec::as_slice)
            .unwrap_or_default();
        self.reader.pages.begin(pages)?;
        let threads = self.reader.python_threads(self.runtime)?;
        let mut parts = OptionalParts::default();
        let (sample, base) = match self.thread_ids.find(&mut self.reader, &threads, tid)? {
            Some(thread) => self.look_at(thread, &threads, &mut parts)?,
            None => {
                let gil = self.gil(None, &threads, &mut parts)?;
                let nothing = nothing_seen();
                (ThreadSample { gil, ..nothing }, None)
            }
        };
        self.remember_pages(tid);
        Ok(Look {
            sample,
            base,
            is_partial: parts.failed,
        })
    }

    fn look_at(
        &mut self,
        thread: PythonThread,
        threads: &[PythonThread],
        parts: &mut OptionalParts,
    ) -> ReadResult<(ThreadSample, Option<Base>)> {
        let stance = self.stance(thread, parts)?;
        let stance_pages = self.reader.pages.used_pages().to_vec();
        let mut torn = !self.holds_still(&stance, &stance_pages)?;
        let fetches = self.reader.pages.fetch_count();
        let frames = frames::resolve(&mut self.reader, &mut self.codes, &stance.outline)?;
        let mut sample = ThreadSample {
            is_python_thread: true,
            is_in_subinterpreter: thread.is_in_subinterpreter(threads),
            running_loop: self.loop_object(&stance)?,
            task: self.task(&stance, &frames, parts)?,
            callback_position: stance.callback_position,
            gil: self.gil(Some(&thread), threads, parts)?,
            gil_memory: self.gil_memory(&thread, parts)?,
            thread_name: parts.take(self.reader.thread_name(&thread))?,
            frames,
            ..nothing_seen()
        };
        if let Some(task) = &mut sample.task {
            task.awaited_by = self.awaited_by(task.address)?;
        }
        // Where all came from the bytes that were fetched before the check, the check covers it.
        if !torn && self.reader.pages.fetch_count() != fetches {
            torn = !self.holds_still(&stance, &stance_pages)?;
        }
        Ok((ThreadSample { torn, ..sample }, stance.outline.base()))
    }

    fn stance(&mut self, thread: PythonThread, parts: &mut OptionalParts) -> ReadResult<Stance> {
        let outline = self.reader.outline(thread.state)?;
        let event_loop = self
            .reader
            .running_loop(&thread, self.thread_ids.inner_pid())?;
        let callback_position = match event_loop {
            Some(event_loop) => {
                let offsets = &mut self.queue_offsets;
                parts.take(self.reader.callback_position(event_loop, offsets))?
            }
            None => None,
        };
        Ok(Stance {
            thread,
            outline,
            event_loop,
            callback_position,
        })
    }

    /// Whether the thread stands as it stood, going by bytes that are fetched anew.
    fn holds_still(&mut self, stance: &Stance, pages: &[u64]) -> ReadResult<bool> {
        let inner_pid = self.thread_ids.inner_pid();
        let offsets = &mut self.queue_offsets;
        let again = self.reader.look_again(pages, |reader| {
            if !stance
                .outline
                .is_still(&reader.outline(stance.thread.state)?)
                || stance.event_loop != reader.running_loop(&stance.thread, inner_pid)?
            {
                return Ok(false);
            }
            match stance
                .event_loop
                .filter(|_| stance.callback_position.is_some())
            {
                Some(event_loop) => {
                    let position = reader.callback_position(event_loop, offsets)?;
                    Ok(position == stance.callback_position)
                }
                None => Ok(true),
            }
        });
        match again {
            Err(error) if !error.is_final() => Ok(false),
            again => again,
        }
    }

    fn loop_object(&mut self, stance: &Stance) -> ReadResult<Option<LoopObject>> {
        let Some(address) = stance.event_loop else {
            return Ok(None);
        };
        let class = self.reader.type_of(address)?;
        let type_name = self.reader.qualified_type_name(&class)?;
        Ok(Some(LoopObject { address, type_name }))
    }

    fn task(
        &mut self,
        stance: &Stance,
        frames: &[Frame],
        parts: &mut OptionalParts,
    ) -> ReadResult<Option<CurrentTask>> {
        let Some(event_loop) = stance.event_loop else {
            return Ok(None);
        };
        let task = parts.take(self.reader.current_task(&stance.thread, event_loop))?;
        let Some(address) = task else { return Ok(None) };
        let name = parts.take(self.reader.task_name(address))?;
        let first = parts.take(self.reader.task_frame(address))?;
        let await_chain = await_chain(&stance.outline, frames, first);
        Ok(Some(CurrentTask {
            address,
            name,
            await_chain,
            awaited_by: Vec::new(),
        }))
    }

    fn gil(
        &mut self,
        thread: Option<&PythonThread>,
        threads: &[PythonThread],
        parts: &mut OptionalParts,
    ) -> ReadResult<GilHolder> {
        let Some(interpreter) = thread.or(threads.last()).map(|thread| thread.interpreter) else {
            return Ok(GilHolder::Unknown);
        };
        let holder = self.reader.gil_holder(self.runtime, interpreter);
        let holder = match parts.take(holder.map(Some))? {
            Some(Some(holder)) => holder,
            Some(None) => return Ok(GilHolder::Free),
            None => return Ok(GilHolder::Unknown),
        };
        match threads.iter().find(|known| known.state == holder) {
            Some(known) if Some(known) == thread => Ok(GilHolder::Own),
            Some(known) => self.other_holder(known, parts),
            None => Ok(GilHolder::Unknown),
        }
    }

    fn gil_memory(
        &mut self,
        thread: &PythonThread,
        parts: &mut OptionalParts,
    ) -> ReadResult<Option<Range<u64>>> {
        let memory = self.reader.gil_memory(self.runtime, thread.interpreter);
        parts.take(memory.map(Some))
    }

    fn other_holder(
        &mut self,
        holder: &PythonThread,
        parts: &mut OptionalParts,
    ) -> ReadResult<GilHolder> {
        let tid = parts.take(self.thread_ids.tid_of(&mut self.reader, holder))?;
        let outline = parts.take(self.reader.outline(holder.state))?;
        let frames = frames::resolve(&mut self.reader, &mut self.codes, &outline);
        Ok(GilHolder::Other {
            tid,
            frames: parts.take(frames)?,
        })
    }

    fn remember_base(&mut self, tid: u32, base: Option<Base>) {
        if self.bases.len() >= MAX_REMEMBERED_THREADS {
            self.bases.clear();
        }
        self.bases.insert(tid, base);
    }

    fn remember_pages(&mut self, tid: u32) {
        if self.remembered_pages.len() >= MAX_REMEMBERED_THREADS {
            self.remembered_pages.clear();
        }
        let used = self.reader.pages.used_pages();
        let remembered = self.remembered_pages.entry(tid).or_default();
        remembered.clear();
        remembered.extend(used.iter().take(MAX_REMEMBERED_PAGES));
    }
}

/// The coroutines on the stack from the task's first one inward, outermost first. Where the first one
/// is not on the stack (it is not Python code), all coroutines.
fn await_chain(outline: &Outline, frames: &[Frame], first: Option<u64>) -> Vec<Frame> {
    let outermost = outline
        .frames
        .iter()
        .position(|raw| Some(raw.address) == first);
    let within = outermost.map_or(frames.len(), |index| index + 1);
    frames
        .iter()
        .take(within)
        .rev()
        .filter(|frame| frame.is_coroutine)
        .cloned()
        .collect()
}

fn nothing_seen() -> ThreadSample {
    ThreadSample {
        frames: Vec::new(),
        is_python_thread: false,
        is_in_subinterpreter: false,
        running_loop: None,
        task: None,
        callback_position: None,
        gil: GilHolder::Unknown,
        gil_memory: None,
        thread_name: None,
        torn: false,
    }
}

#[cfg(test)]
mod tests;
