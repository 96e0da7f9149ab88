//! asyncio as it lies in memory: the loop that runs on a thread, the task that it steps, and how far
//! it is in its ready queue.
//!
//! Works the same for asyncio's own loops and for uvloop, which announces its loops and steps its
//! tasks through asyncio. Tasks made by the C accelerator and by pure Python code are both read. It
//! lists no tasks: it looks only at the one that runs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{ReadError, ReadResult};
use crate::layout::{CoroutineFrame, RunningLoop};
use crate::memory::Memory;
use crate::object_model::{Kind, ObjectReader, TypeInfo, field};
use crate::threads::PythonThread;

/// A module object's dictionary.
const MODULE_DICT: u64 = 16;

/// The key under which a thread's dictionary has its loop.
const RUNNING_LOOP_KEY: &str = "__asyncio_running_event_loop__";

/// Loop types whose queue's place is kept before all are forgotten.
const MAX_LOOP_TYPES: usize = 64;

/// The largest loop object that is searched for its queue; uvloop's has about a kibibyte.
const MAX_LOOP_BYTES: u64 = 16 << 10;

/// Where loops without attributes have their ready queue, by the address of the type.
pub(crate) type QueueOffsets = HashMap<u64, u64>;

impl<M: Memory> ObjectReader<M> {
    /// A global of a module, `None` where the module is not imported or has none of this name.
    fn module_global(
        &mut self,
        interpreter: u64,
        module: &'static str,
        name: &'static str,
    ) -> ReadResult<Option<u64>> {
        let modules = self.pointer(interpreter, self.layout.interpreter.modules)?;
        let Some(module) = self.dict_get(modules, module)? else {
            return Ok(None);
        };
        let globals = self.pointer(module, MODULE_DICT)?;
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

    /// A task's name. A task that was given none has a number in place of it from 3.12 on.
    pub(crate) fn task_name(&mut self, task: u64) -> ReadResult<Option<String>> {
        let name = match self.is_native_task(task)? {
            true => Some(self.pointer(task, self.layout.task.name)?),
            false => self.attribute(task, "_name")?,
        };
        let Some(name) = name.filter(|name| *name != 0) else {
            return Ok(None);
        };
        match self.type_of(name)?.kind {
            Kind::Int => Ok(Some(format!("Task-{}", self.unsigned(name)?))),
            _ => Ok(Some(self.string(name)?)),
        }
    }

    /// Where the frame of a task's first coroutine is; `None` where the coroutine is not Python code.
    pub(crate) fn task_frame(&mut self, task: u64) -> ReadResult<Option<u64>> {
        let coroutine = match self.is_native_task(task)? {
            true => Some(self.pointer(task, self.layout.task.coroutine)?),
            false => self.attribute(task, "_coro")?,
        };
        let Some(coroutine) = coroutine.filter(|coroutine| *coroutine != 0) else {
            return Ok(None);
        };
        if !matches!(&*self.type_of(coroutine)?.name, "coroutine" | "generator") {
            return Ok(None);
        }
        match self.layout.generator.frame {
            CoroutineFrame::Pointer { offset } => Ok(Some(self.pointer(coroutine, offset)?)),
            CoroutineFrame::Embedded { offset } => Ok(Some(field(coroutine, offset)?)),
        }
    }

    /// Whether a task is the C accelerator's, laid out as the tables say.
    fn is_native_task(&mut self, task: u64) -> ReadResult<bool> {
        let class = self.type_of(task)?;
        match self.find_base(&class, |base| &*base.name == "_asyncio.Task")? {
            Some(base) if base.basic_size == self.layout.task.size => Ok(true),
            Some(_) => Err(ReadError::Unexpected {
                expected: "a task",
                address: task,
            }),
            None => Ok(false),
        }
    }

    /// Which callback a loop has taken from its ready queue last, as an opaque value.
    pub(crate) fn callback_position(
        &mut self,
        event_loop: u64,
        offsets: &mut QueueOffsets,
    ) -> ReadResult<Option<u64>> {
        match self.ready_queue(event_loop, offsets)? {
            Some(queue) => self.deque_left_position(queue).map(Some),
            None => Ok(None),
        }
    }

    fn ready_queue(
        &mut self,
        event_loop: u64,
        offsets: &mut QueueOffsets,
    ) -> ReadResult<Option<u64>> {
        let class = self.type_of(event_loop)?;
        if let Some(offset) = offsets.get(&class.address) {
            let queue = self.pointer(event_loop, *offset)?;
            if self.is_deque(queue) {
                return Ok(Some(queue));
            }
            offsets.remove(&class.address);
        }
        if let Some(queue) = self.attribute(event_loop, "_ready")? {
            return Ok(self.is_deque(queue).then_some(queue));
        }
        let Some((offset, queue)) = self.find_queue(event_loop, &class)? else {
            return Ok(None);
        };
        if offsets.len() >= MAX_LOOP_TYPES {
            offsets.clear();
        }
        offsets.insert(class.address, offset);
        Ok(Some(queue))
    }

    /// A loop of an extension module (uvloop's) has no attributes: its queue is the one deque that its
    /// body points to. Where there are several, none is taken.
    fn find_queue(&mut self, event_loop: u64, class: &TypeInfo) -> ReadResult<Option<(u64, u64)>> {
        let mut found = None;
        for offset in (16..class.basic_size.min(MAX_LOOP_BYTES)).step_by(8) {
            let candidate = self.pointer(event_loop, offset)?;
            if !self.is_deque(candidate) {
                continue;
            }
            if found.is_some() {
                return Ok(None);
            }
            found = Some((offset, candidate));
        }
        Ok(found)
    }

    /// Whether a word that may be anything points to a deque.
    fn is_deque(&mut self, candidate: u64) -> bool {
        candidate.is_multiple_of(8)
            && self
                .type_of(candidate)
                .is_ok_and(|class| class.kind == Kind::Deque)
    }

    /// The name of the `threading.Thread` of a thread.
    pub(crate) fn thread_name(&mut self, thread: &PythonThread) -> ReadResult<Option<String>> {
        let active = self.module_global(thread.interpreter, "threading", "_active")?;
        let Some(active) = active else {
            return Ok(None);
        };
        let ident = thread.ident;
        let object = self.dict_find(active, |reader, key| {
            Ok(reader.type_of(key)?.kind == Kind::Int && reader.unsigned(key)? == ident)
        })?;
        let Some(object) = object else {
            return Ok(None);
        };
        match self.attribute(object, "_name")? {
            Some(name) => self.string(name).map(Some),
            None => Ok(None),
        }
    }
}
