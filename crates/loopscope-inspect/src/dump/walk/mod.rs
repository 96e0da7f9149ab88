//! The walk through a process that holds still: threads, tasks, what joins them, loops.
//!
//! Reads all that a dump shows and copies it out, so that nothing is left to read once the process goes
//! on. What cannot be read is noted where it belongs and left out; only a process that cannot be read any
//! more ends the walk. Works on any memory, so that it can be tried on made-up ones.

mod links;
mod loops;
mod tasks;
mod threads;

use std::sync::Arc;

use super::problems::Problems;
use super::walked::Walked;
use crate::asyncio::{KnownListeners, QueueOffsets};
use crate::codes::CodeCache;
use crate::error::ReadResult;
use crate::kernel::ThreadKernelState;
use crate::layout::{Layout, PythonVersion};
use crate::memory::{AddressMap, Budget, Memory};
use crate::object_model::ObjectReader;
use crate::threads::ThreadIds;

/// What the kernel said of a thread, by its id.
pub(crate) type KernelStates<'a> = &'a mut dyn FnMut(u32) -> ThreadKernelState;

/// The interpreter that is walked through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WalkTarget {
    pub(crate) python_version: PythonVersion,
    pub(crate) layout: Layout,
    pub(crate) runtime: u64,
}

/// Walks through one process, as often as needed.
#[derive(Debug)]
pub(crate) struct Walker<M> {
    pub(super) reader: ObjectReader<M>,
    pub(super) codes: CodeCache,
    pub(super) python_version: PythonVersion,
    /// Tasks were left out of the last walk, since they did not look as tasks do: so many changed meanwhile, or this
    /// build lays them out otherwise.
    pub(super) left_tasks_out: bool,
    runtime: u64,
    thread_ids: ThreadIds,
    queue_offsets: QueueOffsets,
}

/// What is known for the time of one walk.
#[derive(Default)]
struct Known {
    /// Qualified names, by the type's address.
    type_names: AddressMap<Arc<str>>,
    listeners: KnownListeners,
    problems: Problems,
}

impl<M: Memory + Clone> Walker<M> {
    pub(crate) fn new(memory: M, target: &WalkTarget, thread_ids: ThreadIds) -> Self {
        Self {
            reader: ObjectReader::with_budget(memory, target.layout, Budget::DUMP),
            codes: CodeCache::default(),
            python_version: target.python_version,
            left_tasks_out: false,
            runtime: target.runtime,
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

    /// Begins a reading of the process behind `memory` and fetches `pages` of it.
    pub(super) fn begin(&mut self, memory: M, pages: &[u64]) -> ReadResult<()> {
        Ok(self.reader.pages.begin_over(memory, pages)?)
    }

    /// Reads the process that [`Self::begin`] began with.
    pub(super) fn walk(&mut self, kernel: KernelStates<'_>) -> ReadResult<Walked> {
        let mut walked = Walked::default();
        let mut known = Known::default();
        self.reader.met_unfinished_set = false;
        self.left_tasks_out = false;
        let threads = self.reader.python_threads(self.runtime)?;
        walked.threads = self.walk_threads(&threads, kernel, &mut known)?;
        let tasks = self.find_tasks(&threads, &walked.threads, &mut known)?;
        walked.tasks.reserve(tasks.len());
        walked.futures.reserve(tasks.len());
        for task in tasks {
            let outcome = self.walk_task(task, &mut walked, &mut known);
            known.problems.take("a task could not be read", outcome)?;
        }
        self.follow_links(&mut walked, &mut known)?;
        self.walk_loops(&mut walked, &mut known)?;
        walked.problems = known.problems.sentences();
        Ok(walked)
    }

    /// The pages that were fetched since [`Self::begin`], in the order of their addresses.
    pub(super) fn fetched_pages(&self) -> Vec<u64> {
        let mut pages = self.reader.pages.fetched_pages().to_vec();
        pages.sort_unstable();
        pages
    }
}

#[cfg(test)]
mod tests;
