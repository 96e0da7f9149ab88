//! What the objects of this folder share in talking to the interpreter.
#![expect(unsafe_code, reason = "handles objects by their addresses")]

use std::ffi::CStr;

use pyo3::exceptions::PyStopIteration;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

/// The interpreter calls the slots and methods of a type with its lock held.
#[inline]
pub(super) fn assume_attached() -> Python<'static> {
    // SAFETY: only called by functions that the interpreter calls.
    unsafe { Python::assume_attached() }
}

/// One more reference to an object.
///
/// # Safety
/// A living object.
#[inline]
pub(super) unsafe fn new_reference(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: by contract.
    unsafe { ffi::Py_INCREF(object) };
    object
}

/// `None`, as it is everywhere.
#[inline]
pub(super) fn none() -> *mut PyObject {
    // SAFETY: takes nothing.
    unsafe { ffi::Py_None() }
}

/// Whether an attribute's name is one of these.
///
/// # Safety
/// An attribute's name, which is a text.
pub(super) unsafe fn is_one_of(name: *mut PyObject, names: &[&CStr]) -> bool {
    let is_it = |own: &&CStr| {
        // SAFETY: by contract a text; ours ends with a zero.
        unsafe { ffi::PyUnicode_CompareWithASCIIString(name, own.as_ptr()) == 0 }
    };
    names.iter().any(is_it)
}

/// Whether the error that the interpreter carries is of this type.
pub(super) fn has_raised(kind: *mut PyObject) -> bool {
    // SAFETY: the lock is held. Nothing matches where no error is set.
    let is_set = !unsafe { ffi::PyErr_Occurred() }.is_null();
    // SAFETY: as above; the type is a living object.
    is_set && unsafe { ffi::PyErr_ExceptionMatches(kind) } != 0
}

/// The type of what a generator ends with.
#[inline]
pub(super) fn stop_iteration() -> *mut PyObject {
    // SAFETY: set when the interpreter begins, never changed.
    unsafe { ffi::PyExc_StopIteration }
}

/// The type of what an asynchronous generator ends with.
#[inline]
pub(super) fn stop_async_iteration() -> *mut PyObject {
    // SAFETY: as above.
    unsafe { ffi::PyExc_StopAsyncIteration }
}

/// Raises the end of a generator that returned this.
///
/// # Safety
/// A new reference, which is taken.
pub(super) unsafe fn raise_stop(value: *mut PyObject) {
    let py = assume_attached();
    // SAFETY: by contract.
    let value = unsafe { Bound::from_owned_ptr(py, value) };
    if is_taken_apart(&value) {
        PyStopIteration::new_err((value.unbind(),)).restore(py);
    } else if value.is_none() {
        // SAFETY: the lock is held.
        unsafe { ffi::PyErr_SetNone(stop_iteration()) };
    } else {
        // SAFETY: as above; the value is held.
        unsafe { ffi::PyErr_SetObject(stop_iteration(), value.as_ptr()) };
    }
}

/// Whether the interpreter would not take this for the value, but for arguments or the error itself.
fn is_taken_apart(value: &Bound<'_, PyAny>) -> bool {
    // SAFETY: a living object.
    let is_tuple = unsafe { ffi::PyTuple_Check(value.as_ptr()) } != 0;
    // SAFETY: as above.
    is_tuple || unsafe { ffi::PyExceptionInstance_Check(value.as_ptr()) } != 0
}
