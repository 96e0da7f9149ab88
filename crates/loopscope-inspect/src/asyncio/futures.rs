//! Futures and tasks: the words of one, made by the C accelerator or by pure Python code.
//!
//! Reads what the object itself says and follows nothing. What a word points to is checked by whoever
//! follows it.

use crate::error::{ReadError, ReadResult};
use crate::layout::fixed;
use crate::layout::{STATE_CANCELLED, STATE_FINISHED, STATE_PENDING};
use crate::memory::Memory;
use crate::object_model::{Kind, ObjectReader};

/// Where a future is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FutureState {
    /// It has no outcome.
    Pending,
    /// It was cancelled.
    Cancelled,
    /// It has a result or an exception.
    Finished,
}

/// What a task says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskWords {
    pub(crate) state: FutureState,
    pub(crate) event_loop: Option<u64>,
    /// The exception that it ended with.
    pub(crate) exception: Option<u64>,
    /// The future that it waits for.
    pub(crate) waiter: Option<u64>,
    /// Its coroutine, as long as it has not ended.
    pub(crate) coroutine: Option<u64>,
    /// Whether its cancellation was asked for and has not taken effect yet.
    pub(crate) is_cancelling: bool,
}

impl<M: Memory> ObjectReader<M> {
    /// What a task says of itself.
    pub(crate) fn task_words(&mut self, task: u64) -> ReadResult<TaskWords> {
        let words = match self.kind_of(task)? {
            Kind::NativeTask => self.native_task(task)?,
            Kind::PythonTask => self.python_task(task)?,
            _ => return Err(not_a_task(task)),
        };
        if words.state == FutureState::Pending {
            return Ok(words);
        }
        Ok(TaskWords {
            waiter: None,
            coroutine: None,
            is_cancelling: false,
            ..words
        })
    }

    fn native_task(&mut self, task: u64) -> ReadResult<TaskWords> {
        let (future, layout) = (self.layout.future, self.layout.task);
        let [event_loop, exception, waiter, coroutine, state] = self.pointers(
            task,
            [
                future.event_loop,
                future.exception,
                layout.fut_waiter,
                layout.coroutine,
                future.state,
            ],
        )?;
        let state = native_state(task, state as u32)?;
        let requests = match layout.cancel_requests {
            Some(requests) => self.word(task, requests)?,
            None => 0,
        };
        let must_cancel = self.byte(task, layout.must_cancel.offset)? & layout.must_cancel.mask;
        Ok(TaskWords {
            state,
            event_loop: self.some_object(event_loop)?,
            exception: match state {
                FutureState::Finished => self.some_object(exception)?,
                _ => None,
            },
            waiter: self.some_object(waiter)?,
            coroutine: self.some_object(coroutine)?,
            is_cancelling: requests != 0 || must_cancel != 0,
        })
    }

    fn python_task(&mut self, task: u64) -> ReadResult<TaskWords> {
        let requests = match self.object_attribute(task, "_num_cancels_requested")? {
            Some(requests) => self.unsigned(requests)?,
            None => 0,
        };
        let must_cancel = match self.object_attribute(task, "_must_cancel")? {
            Some(must_cancel) => self.truth(must_cancel)?,
            None => false,
        };
        Ok(TaskWords {
            state: self.future_state(task)?,
            event_loop: self.object_attribute(task, "_loop")?,
            exception: self.object_attribute(task, "_exception")?,
            waiter: self.object_attribute(task, "_fut_waiter")?,
            coroutine: self.object_attribute(task, "_coro")?,
            is_cancelling: requests != 0 || must_cancel,
        })
    }

    /// Where a future is in its life.
    pub(crate) fn future_state(&mut self, future: u64) -> ReadResult<FutureState> {
        if matches!(self.kind_of(future)?, Kind::PythonFuture | Kind::PythonTask) {
            return self.python_state(future);
        }
        native_state(future, self.word(future, self.layout.future.state)?)
    }

    /// The instance has the state once it changed; until then the class has it.
    fn python_state(&mut self, future: u64) -> ReadResult<FutureState> {
        let Some(state) = self.object_attribute(future, "_state")? else {
            return Ok(FutureState::Pending);
        };
        let states = [
            ("PENDING", FutureState::Pending),
            ("CANCELLED", FutureState::Cancelled),
            ("FINISHED", FutureState::Finished),
        ];
        for (name, known) in states {
            if self.is_string(state, name)? {
                return Ok(known);
            }
        }
        Err(not_a_future(future))
    }

    /// The loop of a future or task.
    pub(crate) fn future_loop(&mut self, future: u64) -> ReadResult<Option<u64>> {
        match self.kind_of(future)? {
            Kind::NativeFuture | Kind::NativeTask => {
                self.object_at(future, self.layout.future.event_loop)
            }
            Kind::PythonFuture | Kind::PythonTask => self.object_attribute(future, "_loop"),
            _ => Err(not_a_future(future)),
        }
    }

    /// A task's name. A task that was given none has a number in place of it from 3.12 on.
    pub(crate) fn task_name(&mut self, task: u64) -> ReadResult<Option<String>> {
        let name = match self.kind_of(task)? {
            Kind::NativeTask => self.object_at(task, self.layout.task.name)?,
            Kind::PythonTask => self.object_attribute(task, "_name")?,
            _ => return Err(not_a_task(task)),
        };
        let Some(name) = name else {
            return Ok(None);
        };
        match self.kind_of(name)? {
            Kind::Int => Ok(Some(format!("Task-{}", self.unsigned(name)?))),
            _ => Ok(Some(self.string(name)?)),
        }
    }

    /// Where the frame of a task's first coroutine is; `None` where the coroutine is not Python code.
    pub(crate) fn task_frame(&mut self, task: u64) -> ReadResult<Option<u64>> {
        let coroutine = match self.kind_of(task)? {
            Kind::NativeTask => self.object_at(task, self.layout.task.coroutine)?,
            Kind::PythonTask => self.object_attribute(task, "_coro")?,
            _ => return Err(not_a_task(task)),
        };
        let Some(coroutine) = coroutine else {
            return Ok(None);
        };
        match self.kind_of(coroutine)? {
            Kind::Generator => self.generator_frame(coroutine),
            Kind::CoroutineWrapper => self.wrapped_frame(coroutine),
            _ => Ok(None),
        }
    }

    /// Where the frame of a coroutine is that something stands in front of.
    fn wrapped_frame(&mut self, wrapper: u64) -> ReadResult<Option<u64>> {
        match self.pointer(wrapper, fixed::COROUTINE_WRAPPER_COROUTINE)? {
            0 => Ok(None),
            real if self.kind_of(real)? == Kind::Generator => self.generator_frame(real),
            _ => Ok(None),
        }
    }

    /// The object that a field points to; `None` for null and for Python's `None`.
    fn object_at(&mut self, object: u64, offset: u64) -> ReadResult<Option<u64>> {
        let value = self.pointer(object, offset)?;
        self.some_object(value)
    }

    /// An object; `None` for null and for Python's `None`.
    fn some_object(&mut self, value: u64) -> ReadResult<Option<u64>> {
        match value {
            0 => Ok(None),
            value if self.kind_of(value)? == Kind::None => Ok(None),
            value => Ok(Some(value)),
        }
    }

    /// An attribute's value; `None` where it is absent and for Python's `None`.
    pub(super) fn object_attribute(
        &mut self,
        object: u64,
        name: &'static str,
    ) -> ReadResult<Option<u64>> {
        match self.attribute(object, name)? {
            Some(value) if self.kind_of(value)? != Kind::None => Ok(Some(value)),
            _ => Ok(None),
        }
    }
}

fn native_state(future: u64, state: u32) -> ReadResult<FutureState> {
    match state {
        STATE_PENDING => Ok(FutureState::Pending),
        STATE_CANCELLED => Ok(FutureState::Cancelled),
        STATE_FINISHED => Ok(FutureState::Finished),
        _ => Err(not_a_future(future)),
    }
}

fn not_a_task(address: u64) -> ReadError {
    ReadError::Unexpected {
        expected: "a task",
        address,
    }
}

fn not_a_future(address: u64) -> ReadError {
    ReadError::Unexpected {
        expected: "a future",
        address,
    }
}
