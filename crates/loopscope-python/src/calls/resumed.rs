//! What is done to a followed coroutine or generator: it is resumed with values and errors, closed, awaited.
#![expect(
    unsafe_code,
    reason = "methods in the interpreter's own calling convention"
)]

use std::ffi::c_int;
use std::ptr::null_mut;

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use super::followed::{Followed, Stage, call_real, parts, stand_in};
use super::followed_types::Kind;
use super::raw::{assume_attached, new_reference, none, raise_stop};
use crate::symbols::{Sent, symbols};

/// Resumes the real one with a value.
///
/// # Safety
/// An object of one of the types, and a living value.
#[inline]
unsafe fn resume(object: *mut PyObject, value: *mut PyObject) -> (c_int, *mut PyObject) {
    let py = assume_attached();
    let mut result = null_mut();
    let Some(send) = symbols().iter_send else {
        return (Sent::ERROR, null_mut());
    };
    // SAFETY: by contract.
    let followed = unsafe { parts(object) };
    // One that was not begun takes no value, and is not begun by being given one.
    let is_refused = followed.stage.get() == Stage::New && value != none();
    let counts = !is_refused && followed.enter(py);
    // SAFETY: the real one is held; the others are the caller's.
    let sent = unsafe { send(followed.real.get(), value, &raw mut result) };
    if counts {
        match sent {
            Sent::NEXT => followed.leave(),
            Sent::RETURN => followed.returned(py),
            _ => followed.raised(py),
        }
    }
    (sent, result)
}

pub(super) unsafe extern "C" fn next(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: called for objects of the types.
    let (sent, result) = unsafe { resume(object, none()) };
    if sent != Sent::RETURN {
        return result;
    }
    if result == none() {
        // An end without a value needs no error.
        // SAFETY: the reference is ours.
        unsafe { ffi::Py_DECREF(result) };
    } else {
        // SAFETY: a new reference.
        unsafe { raise_stop(result) };
    }
    null_mut()
}

pub(super) unsafe extern "C" fn send_fast(
    object: *mut PyObject,
    value: *mut PyObject,
    place: *mut *mut PyObject,
) -> c_int {
    // SAFETY: called for objects of the types.
    let (sent, result) = unsafe { resume(object, value) };
    // SAFETY: the caller's place for the result.
    unsafe { place.write(result) };
    sent
}

pub(super) unsafe extern "C" fn send(object: *mut PyObject, value: *mut PyObject) -> *mut PyObject {
    // SAFETY: called for objects of the types.
    let (sent, result) = unsafe { resume(object, value) };
    if sent != Sent::RETURN {
        return result;
    }
    // SAFETY: a new reference.
    unsafe { raise_stop(result) };
    null_mut()
}

/// `throw`: of one that was not begun it is no call.
pub(super) unsafe extern "C" fn throw(object: *mut PyObject, args: *mut PyObject) -> *mut PyObject {
    let py = assume_attached();
    // SAFETY: called for objects of the types.
    let followed = unsafe { parts(object) };
    let counts = followed.stage.get() == Stage::Begun && followed.enter(py);
    // SAFETY: as above; the arguments are a tuple.
    let result = unsafe { call_real(object, c"throw", args) };
    match (counts, result.is_null()) {
        (true, true) => followed.raised(py),
        (true, false) => followed.leave(),
        (false, _) => {}
    }
    result
}

pub(super) unsafe extern "C" fn close(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    let py = assume_attached();
    // SAFETY: called for objects of the types.
    let followed = unsafe { parts(object) };
    let counts = followed.stage.get() == Stage::Begun && followed.enter(py);
    // SAFETY: as above.
    let result = unsafe { call_real(object, c"close", null_mut()) };
    match (counts, result.is_null()) {
        (true, true) => followed.raised(py),
        (true, false) => followed.closed(py),
        (false, _) => {}
    }
    result
}

/// `await` on a coroutine.
pub(super) unsafe extern "C" fn awaited(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: called for objects of the types.
    let followed = unsafe { parts(object) };
    if followed.stage.get() == Stage::Begun && is_awaited(followed) {
        PyRuntimeError::new_err("coroutine is being awaited already").restore(assume_attached());
        return null_mut();
    }
    // SAFETY: a living object.
    unsafe { new_reference(object) }
}

/// Whether somebody else awaits the coroutine: it waits for something, and not because a task resumes it.
fn is_awaited(followed: &Followed) -> bool {
    let py = assume_attached();
    // SAFETY: the real one is held.
    let real = unsafe { Bound::from_borrowed_ptr_or_opt(py, followed.real.get()) };
    let awaits = real.and_then(|real| real.getattr("cr_await").ok());
    awaits.is_some_and(|awaits| !awaits.is_none())
}

/// `__await__` that is called by its name: what it returns can be iterated over, which a coroutine cannot.
pub(super) unsafe extern "C" fn await_by_name(
    object: *mut PyObject,
    _: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: a living object.
    let held = unsafe { new_reference(object) };
    // SAFETY: a new reference.
    unsafe { stand_in(Kind::Awaiting, held) }
}
