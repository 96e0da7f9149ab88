//! Sees a failed task's exception being taken by name: `task.exception()` and `task.result()`.
//!
//! Whoever awaits a task takes its exception in a step of its own, at whose end it is looked for. A callback
//! that asks is in no step, and the loop may be quiet for long after it.
#![expect(unsafe_code, reason = "stands in for functions of the interpreter")]

use std::ffi::c_int;
use std::ptr::null_mut;

use pyo3::Bound;
use pyo3::ffi::{self, PyObject};
use pyo3::types::PyType;

use super::failures;
use super::hooks::with_task;
use crate::slots::{Original, find_method};

type Plain = unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> *mut PyObject;
type Defining = unsafe extern "C" fn(
    *mut PyObject,
    *mut PyObject,
    *const *mut PyObject,
    isize,
    *mut PyObject,
) -> *mut PyObject;

/// A method that is given the class that defines it, with arguments as an array and their names.
const DEFINING: c_int = 0x200 | 0x80 | 0x2;

static RESULT: Original = Original::new();
static EXCEPTION: Original = Original::new();
static RESULT_DEFINING: Original = Original::new();
static EXCEPTION_DEFINING: Original = Original::new();

/// Sees both from now on, where they are as they are known.
pub(super) fn install(task: &Bound<'_, PyType>) {
    if let Some(place) = find_method(task, c"result") {
        match place.flags {
            ffi::METH_NOARGS => place.take(&RESULT, result as Plain as _),
            DEFINING => place.take(&RESULT_DEFINING, result_defining as Defining as _),
            _ => false,
        };
    }
    if let Some(place) = find_method(task, c"exception") {
        match place.flags {
            ffi::METH_NOARGS => place.take(&EXCEPTION, exception as Plain as _),
            DEFINING => place.take(&EXCEPTION_DEFINING, exception_defining as Defining as _),
            _ => false,
        };
    }
}

unsafe extern "C" fn result(task: *mut PyObject, nothing: *mut PyObject) -> *mut PyObject {
    // SAFETY: the caller's arguments; the method's type.
    unsafe { plain(&RESULT, task, nothing) }
}

unsafe extern "C" fn exception(task: *mut PyObject, nothing: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above.
    unsafe { plain(&EXCEPTION, task, nothing) }
}

unsafe extern "C" fn result_defining(
    task: *mut PyObject,
    class: *mut PyObject,
    args: *const *mut PyObject,
    count: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as above.
    unsafe { defining(&RESULT_DEFINING, task, (class, args, count, names)) }
}

unsafe extern "C" fn exception_defining(
    task: *mut PyObject,
    class: *mut PyObject,
    args: *const *mut PyObject,
    count: isize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as above.
    unsafe { defining(&EXCEPTION_DEFINING, task, (class, args, count, names)) }
}

/// # Safety
/// The arguments of a call of that method.
unsafe fn plain(original: &Original, task: *mut PyObject, nothing: *mut PyObject) -> *mut PyObject {
    // SAFETY: the method's type.
    let Some(original) = (unsafe { original.function::<Plain>() }) else {
        return null_mut();
    };
    // SAFETY: the caller's arguments, unchanged.
    let result = unsafe { original(task, nothing) };
    look(task);
    result
}

/// # Safety
/// The arguments of a call of that method.
unsafe fn defining(
    original: &Original,
    task: *mut PyObject,
    (class, args, count, names): (*mut PyObject, *const *mut PyObject, isize, *mut PyObject),
) -> *mut PyObject {
    // SAFETY: the method's type.
    let Some(original) = (unsafe { original.function::<Defining>() }) else {
        return null_mut();
    };
    // SAFETY: the caller's arguments, unchanged.
    let result = unsafe { original(task, class, args, count, names) };
    look(task);
    result
}

#[inline]
fn look(task: *mut PyObject) {
    if failures::may_be_taken() {
        // SAFETY: the caller of the method holds it, and the lock.
        unsafe { with_task(task, failures::look_at) };
    }
}
