//! All tasks: where each version keeps them.

use crate::error::{ReadError, ReadResult};
use crate::layout::{TaskLists, TaskRegistry};
use crate::memory::{AddressSet, Memory};
use crate::object_model::ObjectReader;
use crate::threads::PythonThread;

/// The module that has the registries.
const TASKS_MODULE: &str = "asyncio.tasks";

/// Tasks that are read; a list that is longer is taken for garbage.
const MAX_TASKS: usize = 4_000_000;

/// Tasks that were found, each once, and what kept others from being found.
#[derive(Debug, Default)]
pub(crate) struct FoundTasks {
    pub(crate) tasks: Vec<u64>,
    pub(crate) failures: Vec<(&'static str, ReadError)>,
    seen: AddressSet,
}

impl FoundTasks {
    /// Adds tasks that were found somewhere, those that are not known yet.
    pub(crate) fn add(&mut self, tasks: impl IntoIterator<Item = u64>) {
        for task in tasks {
            if task != 0 && self.tasks.len() < MAX_TASKS && self.seen.insert(task) {
                self.tasks.push(task);
            }
        }
    }

    /// Adds what was found in a place, however the reading of it ended.
    fn take_part(
        &mut self,
        place: &'static str,
        tasks: Vec<u64>,
        outcome: ReadResult<()>,
    ) -> ReadResult<()> {
        self.add(tasks);
        self.take(place, outcome.map(|()| Vec::new()))
    }

    fn take(&mut self, place: &'static str, found: ReadResult<Vec<u64>>) -> ReadResult<()> {
        match found {
            Ok(tasks) => self.add(tasks),
            Err(error) if error.is_final() => return Err(error),
            Err(error) => self.failures.push((place, error)),
        }
        Ok(())
    }
}

impl<M: Memory> ObjectReader<M> {
    /// The tasks of one interpreter, whose threads are given. Fails only where nothing can be read any
    /// more.
    pub(crate) fn find_tasks(
        &mut self,
        interpreter: u64,
        threads: &[PythonThread],
        found: &mut FoundTasks,
    ) -> ReadResult<()> {
        match self.layout.task_registry {
            TaskRegistry::AllTasks => {
                let mut tasks = Vec::new();
                let outcome = self.weak_registry(interpreter, "_all_tasks", &mut tasks);
                return found.take_part("the set of all tasks", tasks, outcome);
            }
            TaskRegistry::ScheduledAndEager => {}
            TaskRegistry::LinkedLists(lists) => {
                let heads = threads
                    .iter()
                    .map(|thread| (thread.state, lists.thread_head));
                for (owner, offset) in heads.chain([(interpreter, lists.interpreter_head)]) {
                    self.follow_list(owner, offset, lists, found)?;
                }
            }
        }
        let mut scheduled = Vec::new();
        let outcome = self.weak_registry(interpreter, "_scheduled_tasks", &mut scheduled);
        found.take_part("the set of scheduled tasks", scheduled, outcome)?;
        let eager = self.eager_tasks(interpreter);
        found.take("the set of eager tasks", eager)
    }

    fn weak_registry(
        &mut self,
        interpreter: u64,
        name: &'static str,
        tasks: &mut Vec<u64>,
    ) -> ReadResult<()> {
        match self.module_global(interpreter, TASKS_MODULE, name)? {
            Some(registry) => self.weak_set_items(registry, tasks),
            None => Ok(()),
        }
    }

    fn eager_tasks(&mut self, interpreter: u64) -> ReadResult<Vec<u64>> {
        match self.module_global(interpreter, TASKS_MODULE, "_eager_tasks")? {
            Some(registry) => self.set_items(registry),
            None => Ok(Vec::new()),
        }
    }

    /// Follows a list of tasks from its head. What was found before a break in it counts.
    fn follow_list(
        &mut self,
        owner: u64,
        head: u64,
        lists: TaskLists,
        found: &mut FoundTasks,
    ) -> ReadResult<()> {
        let head = owner.wrapping_add(head);
        let mut tasks = Vec::new();
        let outcome = self.collect_nodes(head, lists.node, &mut tasks);
        found.take_part("a list of tasks", tasks, outcome)
    }

    fn collect_nodes(&mut self, head: u64, node: u64, tasks: &mut Vec<u64>) -> ReadResult<()> {
        let unexpected = |address| ReadError::Unexpected {
            expected: "a list of tasks",
            address,
        };
        let mut current = self.pointer(head, 0)?;
        while current != head && current != 0 {
            if tasks.len() >= MAX_TASKS {
                return Err(unexpected(head));
            }
            let task = current.checked_sub(node).ok_or(unexpected(current))?;
            tasks.push(task);
            current = self.pointer(current, 0)?;
        }
        Ok(())
    }
}
