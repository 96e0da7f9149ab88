//! Tasks: each with its chain, what it waits for and who waits for it.

use std::sync::Arc;

use super::{Known, Walker};
use crate::asyncio::{
    AwaitChain, ChainFrame, FoundTasks, FutureState, Listener, PrimitiveWords, TaskWords, Through,
};
use crate::dump::problems::soft;
use crate::dump::walked::{Link, Walked, WalkedFailure, WalkedFuture, WalkedTask, WalkedThread};
use crate::error::ReadResult;
use crate::frames::RawFrame;
use crate::memory::Memory;
use crate::object_model::Kind;
use crate::probe::TaskFit;
use crate::threads::PythonThread;

/// What stands in place of a type's name that could not be read.
const UNKNOWN_TYPE: &str = "?";

impl<M: Memory + Clone> Walker<M> {
    /// The addresses of all tasks that can be read.
    pub(super) fn find_tasks(
        &mut self,
        threads: &[PythonThread],
        walked: &[WalkedThread],
        known: &mut Known,
    ) -> ReadResult<Vec<u64>> {
        let mut found = FoundTasks::default();
        for of_one in threads.chunk_by(|one, next| one.interpreter == next.interpreter) {
            if let Some(first) = of_one.first() {
                let interpreter = first.interpreter;
                self.reader.find_tasks(interpreter, of_one, &mut found)?;
            }
        }
        found.add(walked.iter().filter_map(|thread| thread.current_task));
        for (place, error) in found.failures {
            known.problems.note(place, error)?;
        }
        let mut tasks = found.tasks;
        let fit = self.reader.fit_tasks(&tasks)?;
        if let Some(problem) = fit.problem(self.python_version) {
            known.problems.say(problem);
        }
        if fit == TaskFit::Unknown {
            self.left_tasks_out = true;
            let reader = &mut self.reader;
            tasks.retain(|task| !matches!(reader.kind_of(*task), Ok(Kind::NativeTask)));
        }
        // What was made together lies together: this order is that of memory, which is much faster.
        tasks.sort_unstable();
        self.prefetch_tasks(&tasks)?;
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
            if matches!(reader.kind_of(*task), Ok(Kind::NativeTask)) {
                for field in fields {
                    next.extend(reader.pointer(*task, field).ok());
                }
            }
        }
        reader.pages.prefetch_objects(next.into_iter())?;
        Ok(())
    }

    /// Reads one task with all that hangs on it, while its memory is near.
    pub(super) fn walk_task(
        &mut self,
        address: u64,
        walked: &mut Walked,
        known: &mut Known,
    ) -> ReadResult<()> {
        let words = self.reader.task_words(address)?;
        let mut problem = None;
        let name = soft(self.reader.task_name(address), "its name", &mut problem)?;
        let type_name = self.type_name(address, known);
        let type_name = soft(type_name.map(Some), "its type", &mut problem)?;
        let failure = match words.exception {
            Some(exception) => {
                let failure = self.walk_failure(exception, known).map(Some);
                soft(failure, "its exception", &mut problem)?
            }
            None => None,
        };
        let mut chain = AwaitChain::default();
        if let Some(coroutine) = words.coroutine {
            self.walk_chain(coroutine, &mut chain, &mut problem)?;
        }
        let primitive = self.walk_wait(address, &words, &chain, &mut problem, walked, known)?;
        let first_frame = chain.frames.first().and_then(python_frame);
        walked.tasks.push(WalkedTask {
            address,
            type_name: type_name.unwrap_or_else(|| UNKNOWN_TYPE.into()),
            name,
            failure,
            first_frame: first_frame.map(|raw| raw.address),
            chain,
            primitive,
            problem,
            words,
        });
        Ok(())
    }

    fn walk_failure(&mut self, exception: u64, known: &mut Known) -> ReadResult<WalkedFailure> {
        let name = self.type_name(exception, known)?;
        let message = self.reader.exception_message(exception);
        Ok(WalkedFailure {
            exception: match name.strip_prefix("builtins.") {
                Some(name) => name.into(),
                None => name,
            },
            // An exception that cannot be read beyond its type is still one.
            message: soft(message, "its message", &mut None)?,
        })
    }

    fn walk_chain(
        &mut self,
        coroutine: u64,
        chain: &mut AwaitChain,
        problem: &mut Option<String>,
    ) -> ReadResult<()> {
        let followed = self.reader.follow_chain(coroutine, chain);
        soft(followed, "its await chain", problem)?;
        for raw in chain.frames.iter().filter_map(python_frame) {
            let loaded = self.codes.load(&mut self.reader, raw.code);
            soft(loaded, "a frame of its await chain", problem)?;
        }
        Ok(())
    }

    /// What a task waits for and who waits for it. Returns what made it wait.
    fn walk_wait(
        &mut self,
        task: u64,
        words: &TaskWords,
        chain: &AwaitChain,
        problem: &mut Option<String>,
        walked: &mut Walked,
        known: &mut Known,
    ) -> ReadResult<Option<PrimitiveWords>> {
        if words.state != FutureState::Pending {
            return Ok(None);
        }
        self.walk_links(task, walked, known)?;
        let Some(waiter) = words.waiter else {
            return Ok(None);
        };
        let codes = &self.codes;
        let innermost_first = chain.frames.iter().rev().map_while(python_frame);
        let frames = innermost_first.map_while(|raw| Some((raw.address, codes.known(raw.code)?)));
        let primitive = self.reader.primitive(frames);
        let primitive = soft(primitive, "what made it wait", problem)?;
        if let Some(object) = primitive.as_ref().and_then(|primitive| primitive.address)
            && !walked.details.contains_key(&object)
        {
            let detail = self.reader.primitive_detail(object);
            let detail = soft(detail, "what made it wait", problem)?;
            walked.details.insert(object, detail);
        }
        if !walked.futures.contains_key(&waiter) {
            let future = self.walk_waiter(waiter, primitive.is_none(), known);
            if let Some(future) = soft(future, "what it waits for", problem)? {
                let through = Some(Through::Chain);
                let link = |from| Link {
                    from,
                    to: waiter,
                    through,
                };
                walked.links.extend(future.source.map(link));
                walked.futures.insert(waiter, future);
            }
        }
        Ok(primitive)
    }

    /// What a task waits for, where that is no task.
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
        let mut future = WalkedFuture {
            type_name: self.type_name(waiter, known)?,
            event_loop: None,
            is_done: false,
            source: None,
        };
        if !kind.is_future() {
            return Ok(Some(future));
        }
        future.event_loop = self.reader.future_loop(waiter)?;
        future.is_done = self.reader.future_state(waiter)? != FutureState::Pending;
        if is_unnamed {
            for callback in self.reader.callbacks(waiter, usize::MAX)? {
                let listener = self.reader.listener(callback, &mut known.listeners)?;
                if let Some(Listener::Source { source }) = listener {
                    future.source = source;
                }
            }
        }
        Ok(Some(future))
    }

    /// The qualified name of an object's type.
    fn type_name(&mut self, object: u64, known: &mut Known) -> ReadResult<Arc<str>> {
        let class = self.reader.type_address(object)?;
        if let Some(name) = known.type_names.get(&class) {
            return Ok(Arc::clone(name));
        }
        let info = self.reader.type_at(class)?;
        let name = self.reader.qualified_type_name(&info)?;
        known.type_names.insert(class, Arc::clone(&name));
        Ok(name)
    }
}

fn python_frame(frame: &ChainFrame) -> Option<&RawFrame> {
    match frame {
        ChainFrame::Python(raw) => Some(raw),
        ChainFrame::Cython { .. } => None,
    }
}
