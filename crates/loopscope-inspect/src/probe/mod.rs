//! Whether tasks lie in memory as the tables say, and how they lie where they do not.
//!
//! `_asyncio` is built apart from the interpreter in places, and its fields have moved within the patch
//! releases of a version. So before a dump believes a table it holds it against the sizes that the types
//! state and against live tasks, field by field. Where they disagree the layout is found out from the
//! same tasks, which works without any table. Where that is not unambiguous either, tasks are said to be
//! unreadable rather than read wrong.

mod evidence;
mod structure;

#[cfg(test)]
mod tests;

use crate::dump::LayoutSource;
use crate::error::{ReadError, ReadResult};
use crate::layout::{FutureLayout, Layout, PythonVersion, TaskLayout, TaskRegistry};
use crate::memory::Memory;
use crate::object_model::{ObjectReader, TypeInfo};
use evidence::Pointee;
use structure::TypeFacts;

/// The type whose instances are laid out as the tables say.
const NATIVE_TASK: &str = "_asyncio.Task";

/// Its base.
const NATIVE_FUTURE: &str = "_asyncio.Future";

/// Tasks that are looked at, from all over the list.
const MAX_SAMPLE: usize = 64;

/// Of this many tasks one may disagree: where the target runs on while it is read, a task can be caught in a
/// change.
const TASKS_PER_EXCEPTION: usize = 10;

/// The coroutine is not looked for farther in; a task has less than 200 bytes.
const MAX_TASK_BYTES: u64 = 1024;

/// How the layout of tasks was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskFit {
    /// The tables hold.
    Table,
    /// The tables do not hold; the layout is what live tasks show.
    Probed,
    /// Neither: native tasks must not be read.
    Unknown,
}

impl TaskFit {
    /// What a dump says of it, if anything.
    pub(crate) fn problem(self, version: PythonVersion) -> Option<String> {
        (self == Self::Unknown)
            .then(|| format!("tasks of Python {version} are not laid out as known"))
    }
}

impl<M: Memory + Clone> ObjectReader<M> {
    /// Holds the layout against tasks, those that are no native ones left out, and replaces it where it
    /// is wrong. Without native tasks there is nothing that could be read wrong, and the tables stand.
    pub(crate) fn fit_tasks(&mut self, tasks: &[u64]) -> ReadResult<TaskFit> {
        let Some((facts, sample)) = self.native_sample(tasks)? else {
            return Ok(TaskFit::Table);
        };
        let (future, task) = (self.layout.future, self.layout.task);
        let is_in_order = structure::layouts(facts, task.coroutine) == Some((future, task))
            && self.has_node(facts);
        if is_in_order && self.agree(&future, &task, &sample)? {
            return Ok(TaskFit::Table);
        }
        match self.probe(facts, &sample)? {
            Some((future, task)) => {
                self.set_layout(Layout {
                    future,
                    task,
                    source: LayoutSource::Probed,
                    ..self.layout
                });
                Ok(TaskFit::Probed)
            }
            None => Ok(TaskFit::Unknown),
        }
    }

    /// The layout that live tasks show, with no table: the one place of the coroutine from which
    /// all other fields hold what belongs there. `None` where there is none or more than one.
    fn probe(
        &mut self,
        facts: TypeFacts,
        sample: &[u64],
    ) -> ReadResult<Option<(FutureLayout, TaskLayout)>> {
        if !self.has_node(facts) {
            return Ok(None);
        }
        let mut found = None;
        for coroutine in (facts.future_size..facts.task_size.min(MAX_TASK_BYTES)).step_by(8) {
            let Some((future, task)) = structure::layouts(facts, coroutine) else {
                continue;
            };
            if self.has_coroutine(coroutine, sample)? && self.agree(&future, &task, sample)? {
                if found.is_some() {
                    return Ok(None);
                }
                found = Some((future, task));
            }
        }
        Ok(found)
    }

    /// Whether lists of tasks, if there are any, run through the last part of a task.
    fn has_node(&self, facts: TypeFacts) -> bool {
        match self.layout.task_registry {
            TaskRegistry::LinkedLists(lists) => structure::node(facts) == Some(lists.node),
            _ => true,
        }
    }

    /// Whether any of the tasks has a coroutine there that nothing else could be.
    fn has_coroutine(&mut self, offset: u64, sample: &[u64]) -> ReadResult<bool> {
        for task in sample {
            if self.pointee(*task, offset)? == Pointee::Coroutine {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn agree(
        &mut self,
        future: &FutureLayout,
        task: &TaskLayout,
        sample: &[u64],
    ) -> ReadResult<bool> {
        let mut exceptions = 0;
        for address in sample {
            let fits = match self.task_fits(future, task, *address) {
                Err(error) if !error.is_final() => false,
                fits => fits?,
            };
            exceptions += usize::from(!fits);
        }
        Ok(exceptions * TASKS_PER_EXCEPTION <= sample.len())
    }

    /// Native tasks from all over the list, and what their types say; `None` where there are none.
    fn native_sample(&mut self, tasks: &[u64]) -> ReadResult<Option<(TypeFacts, Vec<u64>)>> {
        let mut facts = None;
        let mut sample = Vec::new();
        let step = tasks.len().div_ceil(MAX_SAMPLE).max(1);
        for address in tasks.iter().step_by(step) {
            let own = match self.native_facts(*address) {
                Err(error) if !error.is_final() => continue,
                own => own?,
            };
            if own.is_some() && facts.is_none_or(|known| Some(known) == own) {
                facts = own;
                sample.push(*address);
            }
        }
        Ok(facts.map(|facts| (facts, sample)))
    }

    /// What the types of a task say; `None` for one that is not the C accelerator's.
    fn native_facts(&mut self, address: u64) -> ReadResult<Option<TypeFacts>> {
        let class = self.type_of(address)?;
        let named = |name: &'static str| move |base: &TypeInfo| &*base.name == name;
        let Some(task) = self.find_base(&class, named(NATIVE_TASK))? else {
            return Ok(None);
        };
        let not_a_task = ReadError::Unexpected {
            expected: "a task",
            address,
        };
        let future = self
            .find_base(&task, named(NATIVE_FUTURE))?
            .ok_or(not_a_task)?;
        Ok(Some(TypeFacts {
            future_size: future.basic_size,
            task_size: task.basic_size,
            dict_offset: future.dict_offset,
        }))
    }
}
