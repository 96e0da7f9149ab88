//! Where tasks are seen: slots of the C implementation of `asyncio.Task` that every task goes through.
//!
//! Its `__init__` shows each creation, with the creator on the stack. Its step, and the wake-up by what it
//! waits for, show each end. Its finalizer shows what became of an exception. Eager tasks, tasks of factories
//! and of uvloop, and subclasses go the same way; only tasks that are written in Python do not.
#![expect(unsafe_code, reason = "stands in for functions of the interpreter")]

use std::ffi::c_int;
use std::ptr::null_mut;

use pyo3::ffi::PyObject;
use pyo3::types::{PyAnyMethods, PyTuple, PyTupleMethods, PyType};
use pyo3::{Borrowed, Bound, PyAny, Python, intern};

use super::taken;
use crate::calls::unwrapped;
use crate::errors::ErrorKept;
use crate::quietly;
use crate::slots::{Original, TypeSlot, take_method, take_type_slot};
use crate::turn::Turn;

type Init = unsafe extern "C" fn(*mut PyObject, *mut PyObject, *mut PyObject) -> c_int;
type Call = unsafe extern "C" fn(*mut PyObject, *mut PyObject, *mut PyObject) -> *mut PyObject;
type Method = unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> *mut PyObject;
type Finalize = unsafe extern "C" fn(*mut PyObject);

static INIT: Original = Original::new();
static STEP: Original = Original::new();
static WAKE_CALL: Original = Original::new();
static WAKE_METHOD: Original = Original::new();
static FINALIZE: Original = Original::new();

/// In the objects that step a task and wake it: the task.
const STEPPED_TASK: usize = 16;

/// Takes the slots. False where tasks cannot be watched in this interpreter; nothing half-seen is left then,
/// since what is not known to have been created is passed over.
pub(crate) fn install(
    task: &Bound<'_, PyType>,
    step: &Bound<'_, PyAny>,
    wake: &Bound<'_, PyAny>,
) -> bool {
    let sees_ends = take_type_slot(
        &step.get_type(),
        TypeSlot::Call,
        &STEP,
        step_call as Call as _,
    ) && (take_method(wake, &WAKE_METHOD, wake_method as Method as _)
        || take_type_slot(
            &wake.get_type(),
            TypeSlot::Call,
            &WAKE_CALL,
            wake_call as Call as _,
        ));
    let sees_all = sees_ends
        && take_type_slot(
            task,
            TypeSlot::Finalize,
            &FINALIZE,
            task_finalize as Finalize as _,
        )
        && take_type_slot(task, TypeSlot::Init, &INIT, task_init as Init as _);
    if sees_all {
        taken::install(task);
    }
    sees_all
}

unsafe extern "C" fn task_init(
    task: *mut PyObject,
    args: *mut PyObject,
    named: *mut PyObject,
) -> c_int {
    // SAFETY: the slot's type.
    let Some(original) = (unsafe { INIT.function::<Init>() }) else {
        return -1;
    };
    // SAFETY: the caller's arguments, unchanged.
    let result = unsafe { original(task, args, named) };
    if result == 0 {
        // SAFETY: the caller holds the arguments.
        let coroutine = unsafe { coroutine_of(args, named) };
        let tell = |task: &Bound<'_, PyAny>| {
            if let Some(coroutine) = &coroutine {
                super::created(task, coroutine);
            }
        };
        // SAFETY: the caller holds the lock and a reference.
        unsafe { with_task(task, tell) };
    }
    result
}

unsafe extern "C" fn step_call(
    step: *mut PyObject,
    args: *mut PyObject,
    named: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the slot's type.
    let Some(original) = (unsafe { STEP.function::<Call>() }) else {
        return null_mut();
    };
    // SAFETY: the task is where all versions have it; the slot belongs to this type only.
    let task = unsafe { held_task(step) };
    let before = Turn::begin();
    // SAFETY: the caller's arguments, unchanged.
    let result = unsafe { original(step, args, named) };
    before.resume();
    leave(task);
    result
}

/// The wake-up of 3.9, an object of its own type.
unsafe extern "C" fn wake_call(
    wake: *mut PyObject,
    args: *mut PyObject,
    named: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the slot's type.
    let Some(original) = (unsafe { WAKE_CALL.function::<Call>() }) else {
        return null_mut();
    };
    // SAFETY: as for the step.
    let task = unsafe { held_task(wake) };
    let before = Turn::begin();
    // SAFETY: the caller's arguments, unchanged.
    let result = unsafe { original(wake, args, named) };
    before.resume();
    leave(task);
    result
}

/// The wake-up from 3.10 on, a method of the task.
unsafe extern "C" fn wake_method(task: *mut PyObject, future: *mut PyObject) -> *mut PyObject {
    // SAFETY: the slot's type.
    let Some(original) = (unsafe { WAKE_METHOD.function::<Method>() }) else {
        return null_mut();
    };
    // SAFETY: the caller holds the lock and the method, which holds the task.
    let held = unsafe { Bound::from_borrowed_ptr_or_opt(assume_attached(), task) };
    let before = Turn::begin();
    // SAFETY: the caller's arguments, unchanged.
    let result = unsafe { original(task, future) };
    before.resume();
    leave(held);
    result
}

unsafe extern "C" fn task_finalize(task: *mut PyObject) {
    // SAFETY: an object that is being finalized is whole, and the lock is held.
    unsafe { with_task(task, super::gone) };
    // SAFETY: the slot's type.
    if let Some(original) = unsafe { FINALIZE.function::<Finalize>() } {
        // SAFETY: the caller's argument, unchanged.
        unsafe { original(task) };
    }
}

/// What a new task runs: its first argument.
///
/// # Safety
/// A tuple and a dictionary, or nulls.
#[inline]
unsafe fn coroutine_of(args: *mut PyObject, named: *mut PyObject) -> Option<Bound<'static, PyAny>> {
    let py = assume_attached();
    // SAFETY: by contract.
    let args = unsafe { Borrowed::from_ptr_or_opt(py, args) };
    let first = args.and_then(|args| args.cast::<PyTuple>().ok()?.get_item(0).ok());
    let found = first.or_else(|| {
        // SAFETY: by contract.
        let named = unsafe { Borrowed::from_ptr_or_opt(py, named) }?;
        named.get_item(intern!(py, "coro")).ok()
    });
    found.map(unwrapped)
}

/// The interpreter calls its slots with its lock held.
fn assume_attached() -> Python<'static> {
    // SAFETY: only functions of this module call it, and they are called by the interpreter.
    unsafe { Python::assume_attached() }
}

/// # Safety
/// An object whose first field is a task, or nothing.
unsafe fn held_task(object: *mut PyObject) -> Option<Bound<'static, PyAny>> {
    // SAFETY: by contract inside the object.
    let place = unsafe { object.cast::<u8>().add(STEPPED_TASK) }.cast::<*mut PyObject>();
    // SAFETY: as above.
    let task = unsafe { place.read() };
    // SAFETY: the object holds the task; we hold it too from now on.
    unsafe { Bound::from_borrowed_ptr_or_opt(assume_attached(), task) }
}

/// A step is over; the interpreter may be carrying an error.
#[inline]
fn leave(task: Option<Bound<'static, PyAny>>) {
    let Some(task) = task else { return };
    let kept = ErrorKept::take(task.py());
    quietly(|| super::stepped(&task));
    // Its last reference may be ours, and then its finalizer runs.
    drop(task);
    drop(kept);
}

/// # Safety
/// A living object; the lock is held.
#[inline]
pub(super) unsafe fn with_task(task: *mut PyObject, work: impl FnOnce(&Bound<'_, PyAny>)) {
    let py = assume_attached();
    let kept = ErrorKept::take(py);
    // SAFETY: by contract.
    if let Some(task) = unsafe { Borrowed::from_ptr_or_opt(py, task) } {
        quietly(|| work(&task));
    }
    drop(kept);
}
