//! The steps of a followed asynchronous generator: each is an object of its own that is awaited.
#![expect(
    unsafe_code,
    reason = "methods in the interpreter's own calling convention"
)]

use std::ffi::{CStr, c_int, c_void};
use std::mem::transmute;
use std::ptr::null_mut;

use pyo3::ffi::{self, PyObject};

use super::followed::{Followed, Stage, call_real, parts, stand_in};
use super::followed_types::Kind;
use super::raw::{assume_attached, has_raised, new_reference, stop_iteration};

/// The next step of an asynchronous generator.
pub(super) unsafe extern "C" fn next(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: called for objects of the types.
    let real = unsafe { parts(object) }.real.get();
    let Some(next) = slot_of(real, ffi::Py_am_anext) else {
        // SAFETY: called for objects of the types.
        return unsafe { step(object, c"__anext__", null_mut()) };
    };
    // SAFETY: the real one is held.
    let made = unsafe { next(real) };
    // SAFETY: a new reference, or null.
    unsafe { as_step(object, made) }
}

/// A function of one argument in a slot of an object's type. Only asked for slots that have one.
fn slot_of(object: *mut PyObject, slot: c_int) -> Option<ffi::unaryfunc> {
    // SAFETY: only called with living objects.
    let kind = unsafe { ffi::Py_TYPE(object) };
    // SAFETY: a type, whose slots can be asked for from 3.10 on, where there are steps of ours.
    let function = unsafe { ffi::PyType_GetSlot(kind, slot) };
    // SAFETY: the slot's type.
    (!function.is_null()).then(|| unsafe { transmute::<*mut c_void, ffi::unaryfunc>(function) })
}

pub(super) unsafe extern "C" fn send(object: *mut PyObject, args: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above; the arguments are a tuple.
    unsafe { step(object, c"asend", args) }
}

pub(super) unsafe extern "C" fn throw(object: *mut PyObject, args: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above.
    unsafe { step(object, c"athrow", args) }
}

pub(super) unsafe extern "C" fn close(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called for objects of the types.
    let made = unsafe { step(object, c"aclose", null_mut()) };
    if !made.is_null() {
        // SAFETY: just made.
        unsafe { parts(made) }.closes.set(true);
    }
    made
}

/// A step of an asynchronous generator, from a method of the real one.
///
/// # Safety
/// A followed generator; a tuple, or null.
unsafe fn step(object: *mut PyObject, name: &CStr, args: *mut PyObject) -> *mut PyObject {
    // SAFETY: by contract.
    let made = unsafe { call_real(object, name, args) };
    // SAFETY: a new reference, or null.
    unsafe { as_step(object, made) }
}

/// Stands in front of a real step; null where that is null.
///
/// # Safety
/// A followed generator; a new reference, which is taken.
unsafe fn as_step(object: *mut PyObject, real: *mut PyObject) -> *mut PyObject {
    if real.is_null() {
        return null_mut();
    }
    // SAFETY: a new reference.
    let made = unsafe { stand_in(Kind::Step, real) };
    if !made.is_null() {
        // SAFETY: a living object.
        let owner = unsafe { new_reference(object) };
        // SAFETY: just made.
        unsafe { parts(made) }.owner.set(owner);
    }
    made
}

/// Goes on with a step.
pub(super) unsafe extern "C" fn resume(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: called for objects of the types.
    let step = unsafe { parts(object) };
    let real = step.real.get();
    let Some(next) = slot_of(real, ffi::Py_tp_iternext) else {
        return by_method(object, c"__next__", null_mut());
    };
    // SAFETY: the real one is held.
    within(step, || unsafe { next(real) })
}

pub(super) unsafe extern "C" fn send_in(
    object: *mut PyObject,
    args: *mut PyObject,
) -> *mut PyObject {
    by_method(object, c"send", args)
}

pub(super) unsafe extern "C" fn throw_in(
    object: *mut PyObject,
    args: *mut PyObject,
) -> *mut PyObject {
    by_method(object, c"throw", args)
}

pub(super) unsafe extern "C" fn close_in(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    by_method(object, c"close", null_mut())
}

/// Calls a method of a real step. Only called with what the interpreter calls a step's methods with.
fn by_method(object: *mut PyObject, name: &CStr, args: *mut PyObject) -> *mut PyObject {
    // SAFETY: a step.
    let step = unsafe { parts(object) };
    // SAFETY: a step; the arguments are a tuple, or null.
    within(step, || unsafe { call_real(object, name, args) })
}

/// Counts what a step does to its generator.
fn within(step: &Followed, work: impl FnOnce() -> *mut PyObject) -> *mut PyObject {
    let py = assume_attached();
    let generator = step.counted();
    // Closing one that was never begun is no call.
    let is_call = !step.closes.get() || generator.stage.get() == Stage::Begun;
    let counts = is_call && generator.enter(py);
    let result = work();
    if !counts {
        return result;
    }
    let has_yielded = result.is_null() && !step.closes.get() && has_raised(stop_iteration());
    if !result.is_null() || has_yielded {
        generator.leave();
    } else {
        generator.raised(py);
    }
    result
}
