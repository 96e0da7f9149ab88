//! Who is told when a future is done: what its callbacks are for.
//!
//! asyncio joins tasks by callbacks: a task wakes the one that awaits it, a child of `gather` counts down
//! and sets the outcome of an outer future, a child of a `TaskGroup` tells its group. Which of them a
//! callback is shows in the function that it is, and whom it serves in what that function carries.

use crate::error::ReadResult;
use crate::layout::fixed;
use crate::memory::{AddressMap, Memory};
use crate::object_model::{Kind, ObjectReader};

/// How a callback joins a future to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Through {
    /// `asyncio.gather`.
    Gather,
    /// `asyncio.shield`.
    Shield,
    /// `asyncio.wait` for all of several.
    WaitAll,
    /// `asyncio.wait` for one of several.
    WaitAny,
    /// `asyncio.wait_for`.
    WaitFor,
    /// `asyncio.as_completed`.
    AsCompleted,
    /// A `TaskGroup`, asyncio's or anyio's.
    TaskGroup,
    /// A future of another thread or loop, whose outcome is passed on.
    Chain,
    /// A callback of the program's own that carries a future.
    Other,
    /// None that was found: the future itself says who awaits it.
    Stated,
}

/// What a callback is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// It wakes a task.
    Task(u64),
    /// It helps to settle another future.
    Future { future: u64, through: Through },
    /// It tells a group: the task that the group belongs to, and the future that this task waits for while
    /// the group is left.
    Group {
        parent: Option<u64>,
        future: Option<u64>,
    },
    /// It tells the future of another thread that this one was cancelled: this one passes on the outcome of
    /// that.
    Source { source: Option<u64> },
}

/// Listeners by the address of the function or group that makes them, for one function serves all children.
pub(crate) type KnownListeners = AddressMap<Option<Listener>>;

impl<M: Memory> ObjectReader<M> {
    /// The callbacks of a future or task, the first of them where they are more than `most` in its list.
    pub(crate) fn callbacks(&mut self, future: u64, most: usize) -> ReadResult<Vec<u64>> {
        let mut callbacks = Vec::new();
        let list = match self.kind_of(future)? {
            Kind::NativeFuture | Kind::NativeTask => {
                let layout = self.layout.future;
                let [first, list] = self.pointers(future, [layout.callback0, layout.callbacks])?;
                if first != 0 {
                    callbacks.push(first);
                }
                list
            }
            Kind::PythonFuture | Kind::PythonTask => {
                self.attribute(future, "_callbacks")?.unwrap_or(0)
            }
            _ => 0,
        };
        if list == 0 || self.kind_of(list)? == Kind::None {
            return Ok(callbacks);
        }
        for pair in self.first_list_items(list, most)? {
            callbacks.extend(self.tuple_item(pair, 0)?);
        }
        Ok(callbacks)
    }

    /// What a callback is for; `None` where it joins nothing.
    pub(crate) fn listener(
        &mut self,
        callback: u64,
        known: &mut KnownListeners,
    ) -> ReadResult<Option<Listener>> {
        match self.kind_of(callback)? {
            Kind::BuiltinMethod => self.task_listener(callback, fixed::BUILTIN_SELF),
            Kind::TaskCallback => self.task_listener(callback, fixed::TASK_WAKEUP_TASK),
            Kind::Method => self.method_listener(callback, known),
            Kind::Function => {
                if let Some(listener) = known.get(&callback) {
                    return Ok(*listener);
                }
                let listener = self.function_listener(callback)?;
                known.insert(callback, listener);
                Ok(listener)
            }
            Kind::Partial => self.partial_listener(callback),
            _ => Ok(None),
        }
    }

    fn task_listener(&mut self, callback: u64, place: u64) -> ReadResult<Option<Listener>> {
        let task = self.pointer(callback, place)?;
        if task == 0 || !self.kind_of(task)?.is_task() {
            return Ok(None);
        }
        Ok(Some(Listener::Task(task)))
    }

    fn method_listener(
        &mut self,
        callback: u64,
        known: &mut KnownListeners,
    ) -> ReadResult<Option<Listener>> {
        let (function, owner) = self.bound_method(callback)?;
        if self.kind_of(owner)?.is_task() {
            return Ok(Some(Listener::Task(owner)));
        }
        if let Some(listener) = known.get(&owner) {
            return Ok(*listener);
        }
        if self.kind_of(function)? != Kind::Function {
            return Ok(None);
        }
        let listener = match &*self.function_name(function)? {
            "TaskGroup._on_task_done" => Some(Listener::Group {
                parent: self.object_attribute(owner, "_parent_task")?,
                future: self.object_attribute(owner, "_on_completed_fut")?,
            }),
            "_AsCompletedIterator._handle_completion" => {
                let queue = self.object_attribute(owner, "_done")?;
                self.getter(queue)?
            }
            _ => return Ok(None),
        };
        known.insert(owner, listener);
        Ok(listener)
    }

    fn function_listener(&mut self, function: u64) -> ReadResult<Option<Listener>> {
        let name = self.function_name(function)?;
        let closure = self.closure(function)?;
        let value = |wanted: &str| {
            let found = closure.iter().find(|(variable, _)| variable == wanted);
            found.map(|(_, value)| *value)
        };
        let (future, through) = match &*name {
            // With an underscore in 3.9.
            "gather.<locals>._done_callback" | "_gather.<locals>._done_callback" => {
                (value("outer"), Through::Gather)
            }
            "shield.<locals>._inner_done_callback" => (value("outer"), Through::Shield),
            "_wait.<locals>._on_completion" => {
                let waits_for_all = match value("return_when") {
                    Some(when) => self.is_string(when, "ALL_COMPLETED")?,
                    None => false,
                };
                let through = match waits_for_all {
                    true => Through::WaitAll,
                    false => Through::WaitAny,
                };
                (value("waiter"), through)
            }
            // The same as a method from 3.13 on.
            "as_completed.<locals>._on_completion" => return self.getter(value("done")),
            "_chain_future.<locals>._call_check_cancel" => {
                return Ok(Some(Listener::Source {
                    source: value("source"),
                }));
            }
            // The future of another thread is none of asyncio's.
            "_chain_future.<locals>._call_set_state" => {
                return Ok(value("destination").map(|future| Listener::Future {
                    future,
                    through: Through::Chain,
                }));
            }
            "TaskGroup._spawn.<locals>.task_done" => {
                return self.anyio_group(value("self"));
            }
            // The outer future tells the inner one that it is no longer asked for.
            "shield.<locals>._outer_done_callback" => return Ok(None),
            _ => {
                let values = closure.iter().map(|(_, value)| *value);
                return self.carried_future(values.collect());
            }
        };
        Ok(match future {
            Some(future) if self.kind_of(future)?.is_future() => {
                Some(Listener::Future { future, through })
            }
            _ => None,
        })
    }

    /// `as_completed` puts what is done into a queue, from which one task takes it.
    fn getter(&mut self, queue: Option<u64>) -> ReadResult<Option<Listener>> {
        let Some(queue) = queue else { return Ok(None) };
        let getter = match self.object_attribute(queue, "_getters")? {
            Some(getters) => self.deque_first(getters)?,
            None => None,
        };
        let through = Through::AsCompleted;
        Ok(match getter {
            Some(future) if self.kind_of(future)?.is_future() => {
                Some(Listener::Future { future, through })
            }
            _ => None,
        })
    }

    /// anyio's group knows the task that it belongs to by its cancel scope.
    fn anyio_group(&mut self, group: Option<u64>) -> ReadResult<Option<Listener>> {
        let Some(group) = group else { return Ok(None) };
        let parent = match self.object_attribute(group, "cancel_scope")? {
            Some(scope) => self.object_attribute(scope, "_host_task")?,
            None => None,
        };
        let future = self.object_attribute(group, "_on_completed_fut")?;
        Ok(Some(Listener::Group { parent, future }))
    }

    fn partial_listener(&mut self, partial: u64) -> ReadResult<Option<Listener>> {
        let function = self.pointer(partial, fixed::PARTIAL_FUNCTION)?;
        let arguments = self.partial_arguments(partial)?;
        if self.kind_of(function)? == Kind::Function
            && self.function_name(function)? == "_release_waiter"
            && let [future, ..] = *arguments.as_slice()
            && self.kind_of(future)?.is_future()
        {
            let through = Through::WaitFor;
            return Ok(Some(Listener::Future { future, through }));
        }
        self.carried_future(arguments)
    }

    /// The one future that is no task among what a callback carries, if there is exactly one.
    fn carried_future(&mut self, values: Vec<u64>) -> ReadResult<Option<Listener>> {
        let mut futures = Vec::new();
        for value in values {
            let kind = self.kind_of(value)?;
            if kind.is_future() && !kind.is_task() {
                futures.push(value);
            }
        }
        Ok(match *futures.as_slice() {
            [future] => Some(Listener::Future {
                future,
                through: Through::Other,
            }),
            _ => None,
        })
    }

    /// The tasks and futures that await a future, as it says itself from 3.14 on. None where they are more
    /// than `most`.
    pub(crate) fn awaiters(&mut self, future: u64, most: usize) -> ReadResult<Vec<u64>> {
        let Some(layout) = self.layout.future.awaited_by else {
            return Ok(Vec::new());
        };
        if !matches!(self.kind_of(future)?, Kind::NativeFuture | Kind::NativeTask) {
            return Ok(Vec::new());
        }
        let awaiters = self.pointer(future, layout.awaiters)?;
        if awaiters == 0 {
            return Ok(Vec::new());
        }
        match self.byte(future, layout.is_set)? {
            0 => Ok(vec![awaiters]),
            _ if self.set_length(awaiters)? > most => Ok(Vec::new()),
            _ => self.set_items(awaiters),
        }
    }
}
