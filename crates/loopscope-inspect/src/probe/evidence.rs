//! What live tasks say for or against a layout: each field must hold what belongs there.

use std::sync::Arc;

use crate::error::ReadResult;
use crate::layout::{
    FutureLayout, STATE_CANCELLED, STATE_FINISHED, STATE_PENDING, TaskLayout, TaskRegistry,
};
use crate::memory::Memory;
use crate::object_model::{ObjectReader, TypeInfo};

const FLAG_INT: u64 = 1 << 24;
const FLAG_LIST: u64 = 1 << 25;
const FLAG_TUPLE: u64 = 1 << 26;
const FLAG_STR: u64 = 1 << 28;
const FLAG_DICT: u64 = 1 << 29;
const FLAG_EXCEPTION: u64 = 1 << 30;

/// The bases that tell a future from any other object: those of C code and those of Python code.
const FUTURE_NAMES: &[&str] = &["_asyncio.Future", "Future", "_PyFuture"];

/// What a word of a task points to, as far as it tells fields apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pointee {
    /// Null or `None`.
    Nothing,
    /// `str` or `int`.
    Name,
    /// A coroutine or generator, of Python code or compiled.
    Coroutine,
    /// A future or task.
    Future,
    /// A list or one of its subclasses.
    List,
    /// A `contextvars.Context`.
    Context,
    /// An exception.
    Exception,
    /// A `set`.
    Set,
    /// A `tuple` or `dict`.
    Other,
    /// An object of another type.
    Foreign,
    /// No object.
    Garbage,
}

impl<M: Memory> ObjectReader<M> {
    /// What the word at an offset of a task points to; an error only where nothing can be read any more.
    pub(super) fn pointee(&mut self, task: u64, offset: u64) -> ReadResult<Pointee> {
        let kind = self.pointer(task, offset).and_then(|word| match word {
            0 => Ok(Pointee::Nothing),
            word => self.pointee_kind(word),
        });
        match kind {
            Err(error) if !error.is_final() => Ok(Pointee::Garbage),
            kind => kind,
        }
    }

    fn pointee_kind(&mut self, object: u64) -> ReadResult<Pointee> {
        if !object.is_multiple_of(8) {
            return Ok(Pointee::Garbage);
        }
        let class = self.type_of(object)?;
        if let Some(kind) = kind_by_itself(&class) {
            return Ok(kind);
        }
        let is_future = |base: &TypeInfo| FUTURE_NAMES.contains(&&*base.name);
        Ok(match self.find_base(&class, is_future)? {
            Some(_) => Pointee::Future,
            None => Pointee::Foreign,
        })
    }

    /// Whether all fields of a task hold what belongs there.
    pub(super) fn task_fits(
        &mut self,
        future: &FutureLayout,
        task: &TaskLayout,
        address: u64,
    ) -> ReadResult<bool> {
        Ok(self.future_part_fits(future, address)?
            && self.outcome_fits(future, address)?
            && self.task_part_fits(future, task, address)?
            && self.node_fits(address)?)
    }

    fn future_part_fits(&mut self, future: &FutureLayout, address: u64) -> ReadResult<bool> {
        let awaited_by_fits = match future.awaited_by {
            None => true,
            Some(awaited_by) => {
                let awaiters = self.pointee(address, awaited_by.awaiters)?;
                let flags = (
                    self.byte(address, awaited_by.is_task)?,
                    self.byte(address, awaited_by.is_set)?,
                );
                matches!(
                    (flags, awaiters),
                    ((1, 0), Pointee::Nothing | Pointee::Future) | ((1, 1), Pointee::Set)
                )
            }
        };
        Ok(awaited_by_fits
            && self.pointee(address, future.event_loop)? == Pointee::Foreign
            && matches!(
                self.pointee(address, future.callback0)?,
                Pointee::Nothing | Pointee::Foreign
            )
            && matches!(
                self.pointee(address, future.callbacks)?,
                Pointee::Nothing | Pointee::List
            )
            && matches!(
                self.pointee(address, future.source_traceback)?,
                Pointee::Nothing | Pointee::List
            ))
    }

    /// A future has an outcome if and only if it is not pending.
    fn outcome_fits(&mut self, future: &FutureLayout, address: u64) -> ReadResult<bool> {
        let exception = self.pointee(address, future.exception)?;
        let has_exception = match exception {
            Pointee::Nothing => false,
            Pointee::Exception => true,
            _ => return Ok(false),
        };
        let has_result = self.pointer(address, future.result)? != 0;
        let is_object = self.pointee(address, future.result)? != Pointee::Garbage;
        Ok(match self.word(address, future.state)? {
            STATE_PENDING | STATE_CANCELLED => !has_exception && !has_result,
            STATE_FINISHED => has_exception != has_result && is_object,
            _ => false,
        })
    }

    fn task_part_fits(
        &mut self,
        future: &FutureLayout,
        task: &TaskLayout,
        address: u64,
    ) -> ReadResult<bool> {
        let is_pending = self.word(address, future.state)? == STATE_PENDING;
        let coroutine_fits = match self.pointee(address, task.coroutine)? {
            Pointee::Coroutine | Pointee::Foreign => true,
            Pointee::Nothing => !is_pending,
            _ => false,
        };
        Ok(coroutine_fits
            && matches!(
                self.pointee(address, task.fut_waiter)?,
                Pointee::Nothing | Pointee::Future | Pointee::Foreign
            )
            && self.pointee(address, task.name)? == Pointee::Name
            && self.pointee(address, task.context)? == Pointee::Context)
    }

    /// A task in a list is where its neighbour says it is; one that has ended is in none.
    fn node_fits(&mut self, address: u64) -> ReadResult<bool> {
        let TaskRegistry::LinkedLists(lists) = self.layout.task_registry else {
            return Ok(true);
        };
        let next = self.pointer(address, lists.node)?;
        if next == 0 {
            return Ok(true);
        }
        Ok(self.pointer(next, 8)? == address.wrapping_add(lists.node))
    }
}

/// What a type's flags and name tell without a look at its bases.
fn kind_by_itself(class: &Arc<TypeInfo>) -> Option<Pointee> {
    let has = |flag: u64| class.flags & flag != 0;
    let name = &*class.name;
    Some(match () {
        () if has(FLAG_INT | FLAG_STR) => Pointee::Name,
        () if has(FLAG_LIST) => Pointee::List,
        () if has(FLAG_TUPLE | FLAG_DICT) => Pointee::Other,
        () if has(FLAG_EXCEPTION) => Pointee::Exception,
        () if is_coroutine(name) => Pointee::Coroutine,
        () if class.is_heap_type() => return None,
        () if name == "NoneType" => Pointee::Nothing,
        () if name == "set" => Pointee::Set,
        // With its module from 3.10 on.
        () if name.rsplit('.').next() == Some("Context") => Pointee::Context,
        () => return None,
    })
}

/// The interpreter's own types, and those that Cython makes for each of its versions.
fn is_coroutine(name: &str) -> bool {
    matches!(name, "coroutine" | "generator" | "async_generator") || name.ends_with(".coroutine")
}
