//! asyncio as it lies in memory: the loop that runs on a thread and the task that it steps.
//!
//! Works the same for asyncio's own loops and for uvloop, which announces its loops and steps its
//! tasks through asyncio. Tasks made by the C accelerator and by pure Python code are both read. The
//! modules below read futures and tasks, what they wait for and who waits for them, loops with their
//! queues and timers, and list all tasks.

mod await_chain;
mod callbacks;
mod event_loops;
mod futures;
mod parents;
mod primitives;
mod ready_queue;
mod registries;

use std::sync::Arc;

pub(crate) use await_chain::{AwaitChain, ChainEnd, ChainFrame};
pub(crate) use callbacks::{KnownListeners, Listener, Through};
pub(crate) use event_loops::{DueTimes, LoopWords};
pub(crate) use futures::{FutureState, TaskWords};
pub(crate) use parents::{Parent, optional};
pub(crate) use primitives::PrimitiveWords;
pub(crate) use ready_queue::QueueOffsets;
pub(crate) use registries::FoundTasks;

use crate::error::ReadResult;
use crate::layout::{RunningLoop, fixed};
use crate::memory::Memory;
use crate::object_model::{Kind, ObjectReader, TypeInfo};
use crate::threads::PythonThread;

/// The key under which a thread's dictionary has its loop.
const RUNNING_LOOP_KEY: &str = "__asyncio_running_event_loop__";

impl<M: Memory> ObjectReader<M> {
    /// A global of a module, `None` where the module is not imported or has none of this name.
    pub(crate) fn module_global(
        &mut self,
        interpreter: u64,
        module: &'static str,
        name: &'static str,
    ) -> ReadResult<Option<u64>> {
        let modules = self.pointer(interpreter, self.layout.interpreter.modules)?;
        let Some(module) = self.dict_get(modules, module)? else {
            return Ok(None);
        };
        let globals = self.pointer(module, fixed::MODULE_DICT)?;
        self.dict_get(globals, name)
    }

    /// The loop that runs on a thread.
    pub(crate) fn running_loop(
        &mut self,
        thread: &PythonThread,
        inner_pid: u32,
    ) -> ReadResult<Option<u64>> {
        let value = match self.layout.thread.running_loop {
            RunningLoop::ThreadField { running_loop } => {
                self.pointer(thread.state, running_loop)?
            }
            RunningLoop::DictValue => self.thread_value(thread)?.unwrap_or(0),
            RunningLoop::DictHolder { running_loop, pid } => match self.thread_value(thread)? {
                // A forked child inherits the holder of its parent's loop and must not believe it.
                Some(holder) if self.is_holder_of(holder, pid, inner_pid)? => {
                    self.pointer(holder, running_loop)?
                }
                _ => 0,
            },
        };
        if value == 0 || self.type_of(value)?.kind == Kind::None {
            return Ok(None);
        }
        Ok(Some(value))
    }

    fn thread_value(&mut self, thread: &PythonThread) -> ReadResult<Option<u64>> {
        match self.pointer(thread.state, self.layout.thread.dict)? {
            0 => Ok(None),
            dict => self.dict_get(dict, RUNNING_LOOP_KEY),
        }
    }

    fn is_holder_of(&mut self, holder: u64, pid: u64, inner_pid: u32) -> ReadResult<bool> {
        Ok(self.type_of(holder)?.kind != Kind::None && self.word(holder, pid)? == inner_pid)
    }

    /// A type's name with its module, where it was made by a class statement and its name alone does
    /// not say where it is from.
    pub(crate) fn qualified_type_name(&mut self, class: &TypeInfo) -> ReadResult<Arc<str>> {
        if !class.is_heap_type() || class.name.contains('.') {
            return Ok(Arc::clone(&class.name));
        }
        let dict = self.pointer(class.address, self.layout.type_object.dict)?;
        match self.dict_get(dict, "__module__")? {
            Some(module) => Ok(format!("{}.{}", self.string(module)?, class.name).into()),
            None => Ok(Arc::clone(&class.name)),
        }
    }

    /// The task that a loop is stepping.
    pub(crate) fn current_task(
        &mut self,
        thread: &PythonThread,
        event_loop: u64,
    ) -> ReadResult<Option<u64>> {
        if let Some(running_task) = self.layout.thread.running_task {
            let task = self.pointer(thread.state, running_task)?;
            if task != 0 {
                return Ok(Some(task));
            }
        }
        let tasks = self.module_global(thread.interpreter, "asyncio.tasks", "_current_tasks")?;
        match tasks {
            Some(tasks) => self.dict_find(tasks, |_, key| Ok(key == event_loop)),
            None => Ok(None),
        }
    }
}
