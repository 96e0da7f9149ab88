//! A tracked function, or one that is only looked on at: stands in front of it and is like it in all that can
//! be asked of it.
//!
//! An object of our own with the interpreter's fast way of calling, since a wrapper that is written in Python
//! costs five times as much. Its attributes and its class are the function's, so that what asks whether it is
//! a function is told so. As a class's attribute it binds as a function.
#![expect(unsafe_code, reason = "a type with the interpreter's fast call")]

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::ptr::null_mut;
use std::sync::Arc;

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::given::{Given, plain_count};
use super::onlooker::{Onlooker, around};
use super::raw::{assume_attached, is_one_of, new_reference, none};
use super::tracked_type::tracked_type;
use crate::gil::GilCell;
use crate::symbols::{Vectorcall, symbols};

/// The object.
#[repr(C)]
pub(super) struct Tracked {
    head: ffi::PyObject,
    /// Where the interpreter finds [`call_tracked`].
    pub(super) vectorcall: Cell<Option<Vectorcall>>,
    function: Cell<*mut PyObject>,
    pub(super) weakly: Cell<*mut PyObject>,
    /// Who looks on, from `Arc::into_raw`.
    onlooker: Cell<*const Onlooker>,
}

/// What the type shows of itself; everything else is the function's.
const OWN_NAMES: [&CStr; 3] = [c"__wrapped__", c"__reduce__", c"__reduce_ex__"];

static CANCELLED: GilCell<Option<Py<PyAny>>> = GilCell::new(None);

/// Errors of this type are cancellations from now on.
pub(crate) fn know_cancellation(kind: &Bound<'_, PyAny>) {
    CANCELLED.with(kind.py(), |known| *known = Some(kind.clone().unbind()));
}

/// Whether this is asyncio's cancellation.
pub(crate) fn is_cancellation(exception: &Bound<'_, PyAny>) -> bool {
    let py = exception.py();
    let known = CANCELLED.with(py, |known| Some(known.as_ref()?.clone_ref(py)));
    let known = known.flatten();
    known.is_some_and(|kind| exception.is_instance(kind.bind(py)).unwrap_or(false))
}

/// A function that stands in front of this one.
pub(crate) fn new_tracked(function: &Bound<'_, PyAny>, onlooker: Onlooker) -> PyResult<Py<PyAny>> {
    let py = function.py();
    let kind = tracked_type(py)?;
    // SAFETY: a type of ours, made from a specification; the object is zeroed and tracked by the collector.
    let made = unsafe { ffi::PyType_GenericAlloc(kind.as_ptr().cast(), 0) };
    // SAFETY: a new reference, or null with an error set.
    let made = unsafe { Bound::from_owned_ptr_or_err(py, made) }?;
    // SAFETY: an object of that type, zeroed, which is a valid one.
    let tracked = unsafe { parts(made.as_ptr()) };
    tracked.vectorcall.set(Some(call_tracked));
    tracked.onlooker.set(Arc::into_raw(Arc::new(onlooker)));
    tracked.function.set(function.clone().into_ptr());
    Ok(made.unbind())
}

/// The parts of a tracked function.
///
/// # Safety
/// An object of the type.
unsafe fn parts<'a>(object: *mut PyObject) -> &'a Tracked {
    // SAFETY: by contract; the caller holds a reference.
    unsafe { &*object.cast::<Tracked>() }
}

unsafe extern "C" fn call_tracked(
    object: *mut PyObject,
    args: *const *mut PyObject,
    count: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called for objects of the type.
    let tracked = unsafe { parts(object) };
    let py = assume_attached();
    // SAFETY: the caller's arguments, unchanged.
    let call = || unsafe { call_real(tracked.function.get(), args, count, names) };
    // SAFETY: set when the object was made, freed with it.
    let Some(onlooker) = (unsafe { tracked.onlooker.get().as_ref() }) else {
        return call();
    };
    // SAFETY: the caller holds its arguments until the call is over.
    let given = unsafe { Given::in_a_row(py, null_mut(), args, plain_count(count), names) };
    around(py, onlooker, &given, call)
}

/// Calls a function the fast way.
///
/// # Safety
/// As the interpreter's `PyObject_Vectorcall`.
#[inline]
pub(super) unsafe fn call_real(
    function: *mut PyObject,
    args: *const *mut PyObject,
    count: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    if let Some(vectorcall) = symbols().vectorcall {
        // SAFETY: by contract.
        return unsafe { vectorcall(function, args, count, names) };
    }
    let Some(with_dict) = symbols().vectorcall_dict else {
        return null_mut();
    };
    if names.is_null() {
        // SAFETY: by contract.
        return unsafe { with_dict(function, args, count, null_mut()) };
    }
    // SAFETY: by contract.
    let Some(named) = (unsafe { named_arguments(args, count, names) }) else {
        return null_mut();
    };
    // SAFETY: by contract; the dictionary is a living one.
    unsafe { with_dict(function, args, count, named.as_ptr()) }
}

/// Arguments by their names, as versions before 3.11 want them. `None`, with an error set, where there is no
/// room for them.
///
/// # Safety
/// As for [`call_real`]; there are names.
#[cold]
unsafe fn named_arguments(
    args: *const *mut PyObject,
    count: usize,
    names: *mut PyObject,
) -> Option<Bound<'static, PyDict>> {
    let py = assume_attached();
    // SAFETY: by contract a tuple of texts.
    let names = unsafe { Bound::from_borrowed_ptr(py, names) };
    let names = names.cast_into::<PyTuple>().ok()?;
    let named = PyDict::new(py);
    let plain = plain_count(count);
    for (index, name) in names.iter().enumerate() {
        // SAFETY: by contract there is a value for each name, behind the plain ones.
        let place = unsafe { args.add(plain + index) };
        // SAFETY: as above.
        let value = unsafe { place.read() };
        // SAFETY: a living object, or the caller broke the contract.
        let value = unsafe { Borrowed::from_ptr_or_opt(py, value) }?;
        if let Err(error) = named.set_item(name, value) {
            error.restore(py);
            return None;
        }
    }
    Some(named)
}

/// The slow way to call, which leads to the fast one.
pub(super) unsafe extern "C" fn call_slowly(
    object: *mut PyObject,
    args: *mut PyObject,
    named: *mut PyObject,
) -> *mut PyObject {
    let Some(call) = symbols().vectorcall_call else {
        return null_mut();
    };
    // SAFETY: the caller's arguments, unchanged.
    unsafe { call(object, args, named) }
}

pub(super) unsafe extern "C" fn bind(
    object: *mut PyObject,
    instance: *mut PyObject,
    _: *mut PyObject,
) -> *mut PyObject {
    match symbols().new_method {
        Some(new_method) if !instance.is_null() && instance != none() => {
            // SAFETY: a callable and the instance that it is bound to.
            unsafe { new_method(object, instance) }
        }
        // SAFETY: a living object.
        _ => unsafe { new_reference(object) },
    }
}

pub(super) unsafe extern "C" fn get_attribute(
    object: *mut PyObject,
    name: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: an attribute's name is a text that the caller holds.
    if unsafe { is_one_of(name, &OWN_NAMES) } {
        // SAFETY: the caller's arguments.
        return unsafe { ffi::PyObject_GenericGetAttr(object, name) };
    }
    // SAFETY: called for objects of the type.
    let function = unsafe { parts(object) }.function.get();
    // SAFETY: the function is held; the name is the caller's.
    unsafe { ffi::PyObject_GetAttr(function, name) }
}

pub(super) unsafe extern "C" fn set_attribute(
    object: *mut PyObject,
    name: *mut PyObject,
    value: *mut PyObject,
) -> c_int {
    // SAFETY: called for objects of the type.
    let function = unsafe { parts(object) }.function.get();
    // SAFETY: the function is held; the others are the caller's.
    unsafe { ffi::PyObject_SetAttr(function, name, value) }
}

pub(super) unsafe extern "C" fn repr(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: called for objects of the type.
    let function = unsafe { parts(object) }.function.get();
    // SAFETY: the function is held.
    unsafe { ffi::PyObject_Repr(function) }
}

pub(super) unsafe extern "C" fn wrapped(object: *mut PyObject, _: *mut c_void) -> *mut PyObject {
    // SAFETY: called for objects of the type.
    let function = unsafe { parts(object) }.function.get();
    // SAFETY: the function is held.
    unsafe { new_reference(function) }
}

/// Copied and pickled by its name, as a function is.
pub(super) unsafe extern "C" fn reduce(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called for objects of the type.
    let function = unsafe { parts(object) }.function.get();
    // SAFETY: the function is held; the name ends with a zero.
    unsafe { ffi::PyObject_GetAttrString(function, c"__qualname__".as_ptr()) }
}

pub(super) unsafe extern "C" fn traverse(
    object: *mut PyObject,
    visit: ffi::visitproc,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: a living object.
    let kind = unsafe { ffi::Py_TYPE(object) };
    // SAFETY: the collector's own function and argument.
    let result = unsafe { visit(kind.cast(), argument) };
    // SAFETY: called for objects of the type.
    let function = unsafe { parts(object) }.function.get();
    if result != 0 || function.is_null() {
        return result;
    }
    // SAFETY: the collector's own function and argument.
    unsafe { visit(function, argument) }
}

pub(super) unsafe extern "C" fn clear(object: *mut PyObject) -> c_int {
    // SAFETY: a living object.
    let nothing = unsafe { new_reference(none()) };
    // SAFETY: an object of the type. Nothing is left that could not be called or asked.
    let function = unsafe { parts(object) }.function.replace(nothing);
    // SAFETY: the reference was the object's.
    unsafe { ffi::Py_XDECREF(function) };
    0
}

pub(super) unsafe extern "C" fn dealloc(object: *mut PyObject) {
    // SAFETY: an object that the collector knows.
    unsafe { ffi::PyObject_GC_UnTrack(object.cast()) };
    // SAFETY: an object of the type.
    let tracked = unsafe { parts(object) };
    if !tracked.weakly.get().is_null() {
        // SAFETY: the object is whole.
        unsafe { ffi::PyObject_ClearWeakRefs(object) };
    }
    // SAFETY: the reference was the object's.
    unsafe { ffi::Py_XDECREF(tracked.function.get()) };
    if !tracked.onlooker.get().is_null() {
        // SAFETY: from `Arc::into_raw`, once.
        drop(unsafe { Arc::from_raw(tracked.onlooker.get()) });
    }
    // SAFETY: a living object.
    let kind = unsafe { ffi::Py_TYPE(object) };
    // SAFETY: nobody holds it any more.
    unsafe { ffi::PyObject_GC_Del(object.cast()) };
    // SAFETY: each object holds its type.
    unsafe { ffi::Py_DECREF(kind.cast()) };
}
