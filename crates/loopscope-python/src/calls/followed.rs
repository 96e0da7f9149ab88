//! A coroutine, a generator or an asynchronous generator that is followed to its end: an object of ours that
//! stands in front of it and hands everything on.
//!
//! Its attributes and its class are those of the real one. It is no frame, so tracebacks have none of ours.
//! A call begins when the real one is first resumed, and ends with it; one that is thrown away half done
//! ends as cancelled.
#![expect(
    unsafe_code,
    reason = "stands in front of an object of the interpreter"
)]

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::Arc;

use pyo3::exceptions::PyGeneratorExit;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use super::followed_types::{Kind, Types, types};
use super::function::is_cancellation;
use super::raw::{
    assume_attached, has_raised, is_one_of, new_reference, none, stop_async_iteration,
    stop_iteration,
};
use super::{Begun, Call, Failure};
use crate::errors::ErrorKept;
use crate::quietly;

/// The object.
#[repr(C)]
pub(super) struct Followed {
    head: ffi::PyObject,
    /// The real one. It comes first: the inspector looks for it there.
    pub(super) real: Cell<*mut PyObject>,
    pub(super) weakly: Cell<*mut PyObject>,
    /// Of a step, the asynchronous generator that it is a step of.
    pub(super) owner: Cell<*mut PyObject>,
    /// From `Arc::into_raw`; null where nothing is counted.
    call: Cell<*const Call>,
    begun: Cell<Option<Begun>>,
    pub(super) stage: Cell<Stage>,
    kind: Cell<Kind>,
    /// Whether this step closes its generator.
    pub(super) closes: Cell<bool>,
}

/// How far the real one is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// It has not been resumed.
    New = 0,
    /// It was, and waits.
    Begun,
    /// It is being resumed now.
    Running,
    /// There is no more to count.
    Ended,
}

/// What is ours of a followed object; everything else is the real one's.
const OWN_NAMES: [&CStr; 11] = [
    c"send",
    c"throw",
    c"close",
    c"__await__",
    c"__next__",
    c"__iter__",
    c"__anext__",
    c"__aiter__",
    c"asend",
    c"athrow",
    c"aclose",
];

/// Stands in front of what a call of a function made. Gives that back as it is where it is something else
/// than expected.
///
/// # Safety
/// A new reference, which is taken.
pub(super) unsafe fn follow(
    py: Python<'_>,
    kind: Kind,
    real: *mut PyObject,
    call: &Arc<Call>,
) -> *mut PyObject {
    let Some(types) = types() else { return real };
    // SAFETY: by contract a living object.
    if !unsafe { types.is_real(kind, real) } {
        return real;
    }
    // SAFETY: by contract.
    let made = unsafe { stand_before(py, types, kind, real) };
    let Some(followed) = made else { return real };
    // SAFETY: just made.
    unsafe { parts(followed) }
        .call
        .set(Arc::into_raw(Arc::clone(call)));
    followed
}

/// What a followed coroutine stands in front of; anything else as it is.
pub(crate) fn unwrapped<'py>(object: Bound<'py, PyAny>) -> Bound<'py, PyAny> {
    let is_followed = types().is_some_and(|types| types.is_followed(&object));
    if !is_followed {
        return object;
    }
    // SAFETY: an object of the type.
    let real = unsafe { parts(object.as_ptr()) }.real.get();
    // SAFETY: the object holds it.
    unsafe { Bound::from_borrowed_ptr_or_opt(object.py(), real) }.unwrap_or(object)
}

/// A new object in front of the real one. `None`, with the real one untouched, where there is no room.
///
/// # Safety
/// A new reference, taken where an object comes back.
unsafe fn stand_before(
    py: Python<'_>,
    types: &Types,
    kind: Kind,
    real: *mut PyObject,
) -> Option<*mut PyObject> {
    // SAFETY: a type of ours, made from a specification; the object is zeroed and tracked by the collector.
    let made = unsafe { ffi::PyType_GenericAlloc(types.followed(kind), 0) };
    if made.is_null() {
        drop(PyErr::take(py));
        return None;
    }
    // SAFETY: just made, and zeroed, which is a valid one.
    let followed = unsafe { parts(made) };
    followed.kind.set(kind);
    followed.stage.set(Stage::New);
    followed.begun.set(None);
    followed.real.set(real);
    Some(made)
}

/// The parts of a followed object.
///
/// # Safety
/// An object of one of the types.
#[inline]
pub(super) unsafe fn parts<'a>(object: *mut PyObject) -> &'a Followed {
    // SAFETY: by contract; the caller holds a reference.
    unsafe { &*object.cast::<Followed>() }
}

impl Followed {
    /// The object whose call this one's resumption is part of.
    #[inline]
    pub(super) fn counted(&self) -> &Self {
        let owner = self.owner.get();
        if owner.is_null() {
            return self;
        }
        // SAFETY: a step holds the followed generator that it belongs to.
        unsafe { parts(owner) }
    }

    #[inline]
    fn call(&self) -> Option<&Call> {
        // SAFETY: null, or set when the object was made and freed with it.
        unsafe { self.call.get().as_ref() }
    }

    /// The real one is about to be resumed. False where it is being resumed already, which it will refuse.
    #[inline]
    pub(super) fn enter(&self, py: Python<'_>) -> bool {
        match self.stage.get() {
            Stage::New => {
                quietly(|| {
                    self.begun
                        .set(self.call().and_then(|call| call.begin(py, false)))
                });
            }
            Stage::Begun => {}
            Stage::Running | Stage::Ended => return false,
        }
        self.stage.set(Stage::Running);
        true
    }

    /// It yielded, or waits for something.
    #[inline]
    pub(super) fn leave(&self) {
        self.stage.set(Stage::Begun);
    }

    #[inline]
    fn take(&self) -> Option<(&Call, Begun)> {
        self.stage.set(Stage::Ended);
        Some((self.call()?, self.begun.take()?))
    }

    /// It returned.
    #[inline]
    pub(super) fn returned(&self, py: Python<'_>) {
        if let Some((call, begun)) = self.take() {
            quietly(|| call.returned(py, begun));
        }
    }

    fn cancelled(&self, py: Python<'_>) {
        if let Some((call, begun)) = self.take() {
            quietly(|| call.cancelled(py, begun));
        }
    }

    /// It was closed before its end. Nobody wanted more of a generator; a coroutine had more to do.
    pub(super) fn closed(&self, py: Python<'_>) {
        if self.kind.get() == Kind::Coroutine {
            self.cancelled(py);
        } else {
            self.returned(py);
        }
    }

    /// It ended with the error that the interpreter now carries. It carries it on.
    #[cold]
    pub(super) fn raised(&self, py: Python<'_>) {
        if has_raised(stop_iteration()) || has_raised(stop_async_iteration()) {
            let kept = ErrorKept::take(py);
            self.returned(py);
            return drop(kept);
        }
        let Some(error) = PyErr::take(py) else { return };
        let exception = error.value(py).as_any();
        if exception.is_instance_of::<PyGeneratorExit>() {
            self.closed(py);
        } else if is_cancellation(exception) {
            self.cancelled(py);
        } else if let Some((call, begun)) = self.take() {
            let traceback = error.traceback(py);
            quietly(|| call.failed(py, begun, &Failure::Raised(exception, traceback)));
        }
        error.restore(py);
    }
}

/// Calls a method of the real one.
///
/// # Safety
/// An object of one of the types; a tuple, or null.
pub(super) unsafe fn call_real(
    object: *mut PyObject,
    name: &CStr,
    args: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: by contract.
    let real = unsafe { parts(object) }.real.get();
    // SAFETY: the real one is held; the name ends with a zero.
    let method = unsafe { ffi::PyObject_GetAttrString(real, name.as_ptr()) };
    if method.is_null() {
        return null_mut();
    }
    // SAFETY: a callable, and by contract a tuple, or null for none.
    let result = unsafe { ffi::PyObject_CallObject(method, args) };
    // SAFETY: the reference is ours.
    unsafe { ffi::Py_DECREF(method) };
    result
}

/// An object of ours in front of one of ours, or null with an error set.
///
/// # Safety
/// A new reference, which is taken.
pub(super) unsafe fn stand_in(kind: Kind, real: *mut PyObject) -> *mut PyObject {
    let py = assume_attached();
    let made = types().and_then(|types| {
        // SAFETY: by contract.
        unsafe { stand_before(py, types, kind, real) }
    });
    made.unwrap_or_else(|| {
        // SAFETY: the reference is ours, since nobody took it.
        unsafe { ffi::Py_DECREF(real) };
        // SAFETY: the lock is held.
        unsafe { ffi::PyErr_NoMemory() }
    })
}

pub(super) unsafe extern "C" fn itself(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: a living object.
    unsafe { new_reference(object) }
}

pub(super) unsafe extern "C" fn get_attribute(
    object: *mut PyObject,
    name: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: an attribute's name is a text that the caller holds.
    if unsafe { is_one_of(name, &OWN_NAMES) } {
        // SAFETY: the caller's arguments.
        let own = unsafe { ffi::PyObject_GenericGetAttr(object, name) };
        if !own.is_null() || !has_raised(attribute_error()) {
            return own;
        }
        drop(PyErr::take(assume_attached()));
    }
    // SAFETY: called for objects of the types.
    let real = unsafe { parts(object) }.real.get();
    // SAFETY: the real one is held; the name is the caller's.
    unsafe { ffi::PyObject_GetAttr(real, name) }
}

fn attribute_error() -> *mut PyObject {
    // SAFETY: set when the interpreter begins, never changed.
    unsafe { ffi::PyExc_AttributeError }
}

pub(super) unsafe extern "C" fn set_attribute(
    object: *mut PyObject,
    name: *mut PyObject,
    value: *mut PyObject,
) -> c_int {
    // SAFETY: called for objects of the types.
    let real = unsafe { parts(object) }.real.get();
    // SAFETY: the real one is held; the others are the caller's.
    unsafe { ffi::PyObject_SetAttr(real, name, value) }
}

pub(super) unsafe extern "C" fn repr(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: called for objects of the types.
    let real = unsafe { parts(object) }.real.get();
    // SAFETY: the real one is held.
    unsafe { ffi::PyObject_Repr(real) }
}

pub(super) unsafe extern "C" fn traverse(
    object: *mut PyObject,
    visit: ffi::visitproc,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: called for objects of the types.
    let followed = unsafe { parts(object) };
    // SAFETY: a living object.
    let kind = unsafe { ffi::Py_TYPE(object) };
    for held in [kind.cast(), followed.real.get(), followed.owner.get()] {
        if held.is_null() {
            continue;
        }
        // SAFETY: the collector's own function and argument.
        let result = unsafe { visit(held, argument) };
        if result != 0 {
            return result;
        }
    }
    0
}

pub(super) unsafe extern "C" fn clear(object: *mut PyObject) -> c_int {
    // SAFETY: called for objects of the types.
    let followed = unsafe { parts(object) };
    // SAFETY: a living object. Nothing is left that could not be resumed or asked.
    let real = followed.real.replace(unsafe { new_reference(none()) });
    // SAFETY: the reference was the object's.
    unsafe { ffi::Py_XDECREF(real) };
    0
}

pub(super) unsafe extern "C" fn dealloc(object: *mut PyObject) {
    // SAFETY: an object that the collector knows.
    unsafe { ffi::PyObject_GC_UnTrack(object.cast()) };
    // SAFETY: an object of one of the types.
    let followed = unsafe { parts(object) };
    if !followed.weakly.get().is_null() {
        // SAFETY: the object is whole.
        unsafe { ffi::PyObject_ClearWeakRefs(object) };
    }
    let real = followed.real.replace(null_mut());
    // SAFETY: the reference was the object's. One that is half done is closed by this.
    unsafe { ffi::Py_XDECREF(real) };
    // SAFETY: as above.
    unsafe { ffi::Py_XDECREF(followed.owner.replace(null_mut())) };
    forget_call(followed);
    // SAFETY: a living object.
    let kind = unsafe { ffi::Py_TYPE(object) };
    // SAFETY: nobody holds it any more.
    unsafe { ffi::PyObject_GC_Del(object.cast()) };
    // SAFETY: each object holds its type.
    unsafe { ffi::Py_DECREF(kind.cast()) };
}

/// The call of what was thrown away half done ends with it.
fn forget_call(followed: &Followed) {
    if matches!(followed.stage.get(), Stage::Begun | Stage::Running) {
        let py = assume_attached();
        let kept = ErrorKept::take(py);
        followed.closed(py);
        drop(kept);
    }
    let call = followed.call.replace(null());
    if !call.is_null() {
        // SAFETY: from `Arc::into_raw`, once.
        drop(unsafe { Arc::from_raw(call) });
    }
}
