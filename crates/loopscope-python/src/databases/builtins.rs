//! Functions and types that are written in C, looked on in place.
//!
//! Nothing is put in front of them: the definition that the module itself holds gets another function, which
//! calls the one that stood there. So the objects that a program sees are the ones that it saw before, and so
//! are their types. A definition is shared by all interpreters of a process; only the main one is looked on.
#![expect(unsafe_code, reason = "stands in for functions of C modules")]

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use pyo3::ffi::{Py_ssize_t, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::lives;
use crate::calls::given::Given;
use crate::calls::onlooker::{Onlooker, around};
use crate::errors::ErrorKept;
use crate::process::is_main_interpreter;
use crate::slots::{Original, Shape, take_deallocator, take_definition};

/// Functions that can be looked on at once.
const MOST: usize = 32;

/// Types whose objects can be seen going away.
const MOST_TYPES: usize = 4;

type Tuple = unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> *mut PyObject;
type Named = unsafe extern "C" fn(*mut PyObject, *mut PyObject, *mut PyObject) -> *mut PyObject;
type Row = unsafe extern "C" fn(*mut PyObject, *const *mut PyObject, Py_ssize_t) -> *mut PyObject;
type NamedRow = unsafe extern "C" fn(
    *mut PyObject,
    *const *mut PyObject,
    Py_ssize_t,
    *mut PyObject,
) -> *mut PyObject;
type Deallocate = unsafe extern "C" fn(*mut PyObject);

/// A function that is looked on.
struct Place {
    original: Original,
    onlooker: OnceLock<Onlooker>,
}

static PLACES: [Place; MOST] = [const {
    Place {
        original: Original::new(),
        onlooker: OnceLock::new(),
    }
}; MOST];
static TAKEN: AtomicUsize = AtomicUsize::new(0);

static TYPES: [Original; MOST_TYPES] = [const { Original::new() }; MOST_TYPES];
static TYPES_TAKEN: AtomicUsize = AtomicUsize::new(0);

/// One function for each place, as C's functions know nothing but their arguments.
macro_rules! for_each_place {
    ($function:ident) => {
        [
            $function::<0>,
            $function::<1>,
            $function::<2>,
            $function::<3>,
            $function::<4>,
            $function::<5>,
            $function::<6>,
            $function::<7>,
            $function::<8>,
            $function::<9>,
            $function::<10>,
            $function::<11>,
            $function::<12>,
            $function::<13>,
            $function::<14>,
            $function::<15>,
            $function::<16>,
            $function::<17>,
            $function::<18>,
            $function::<19>,
            $function::<20>,
            $function::<21>,
            $function::<22>,
            $function::<23>,
            $function::<24>,
            $function::<25>,
            $function::<26>,
            $function::<27>,
            $function::<28>,
            $function::<29>,
            $function::<30>,
            $function::<31>,
        ]
    };
}

const TUPLES: [Tuple; MOST] = for_each_place!(called_with_tuple);
const NAMED: [Named; MOST] = for_each_place!(called_with_names);
const ROWS: [Row; MOST] = for_each_place!(called_with_row);
const NAMED_ROWS: [NamedRow; MOST] = for_each_place!(called_with_named_row);
const SINGLES: [Tuple; MOST] = for_each_place!(called_with_one);
const DEALLOCATORS: [Deallocate; MOST_TYPES] = [
    deallocate::<0>,
    deallocate::<1>,
    deallocate::<2>,
    deallocate::<3>,
];

/// Looks on at a function of a module or a method of a type. False where it is not written in C, is not what
/// is expected, or no more can be looked on.
pub(super) fn take(owner: &Bound<'_, PyAny>, name: &str, onlooker: Onlooker) -> bool {
    let function = owner
        .getattr("__dict__")
        .and_then(|names| names.get_item(name));
    let Ok(function) = function else { return false };
    let number = TAKEN.load(Relaxed);
    let Some(place) = PLACES.get(number) else {
        return false;
    };
    // First, so that it is there when the function is first called.
    if place.onlooker.set(onlooker).is_err() {
        return false;
    }
    TAKEN.store(number + 1, Relaxed);
    let ours = |shape: Shape| -> Option<*const c_void> {
        Some(match shape {
            Shape::Tuple => *TUPLES.get(number)? as *const c_void,
            Shape::Named => *NAMED.get(number)? as *const c_void,
            Shape::Row => *ROWS.get(number)? as *const c_void,
            Shape::NamedRow => *NAMED_ROWS.get(number)? as *const c_void,
            Shape::Single => *SINGLES.get(number)? as *const c_void,
        })
    };
    take_definition(owner, &function, name, &place.original, ours)
}

/// Sees the objects of a type go away.
pub(super) fn take_deallocation(kind: &Bound<'_, PyType>) -> bool {
    let number = TYPES_TAKEN.load(Relaxed);
    let (Some(original), Some(ours)) = (TYPES.get(number), DEALLOCATORS.get(number)) else {
        return false;
    };
    TYPES_TAKEN.store(number + 1, Relaxed);
    take_deallocator(kind, original, *ours as *const c_void)
}

unsafe extern "C" fn called_with_tuple<const PLACE: usize>(
    object: *mut PyObject,
    args: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the definition says that it is called so.
    let Some(original) = (unsafe { original::<PLACE, Tuple>() }) else {
        return null_mut();
    };
    // SAFETY: the caller's arguments, unchanged.
    let call = || unsafe { original(object, args) };
    // SAFETY: the caller holds its arguments until the call is over.
    let given = |py| unsafe { Given::in_a_tuple(py, object, args, null_mut()) };
    look_on::<PLACE>(given, call)
}

unsafe extern "C" fn called_with_names<const PLACE: usize>(
    object: *mut PyObject,
    args: *mut PyObject,
    named: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the definition says that it is called so.
    let Some(original) = (unsafe { original::<PLACE, Named>() }) else {
        return null_mut();
    };
    // SAFETY: the caller's arguments, unchanged.
    let call = || unsafe { original(object, args, named) };
    // SAFETY: the caller holds its arguments until the call is over.
    let given = |py| unsafe { Given::in_a_tuple(py, object, args, named) };
    look_on::<PLACE>(given, call)
}

unsafe extern "C" fn called_with_row<const PLACE: usize>(
    object: *mut PyObject,
    args: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    // SAFETY: the definition says that it is called so.
    let Some(original) = (unsafe { original::<PLACE, Row>() }) else {
        return null_mut();
    };
    // SAFETY: the caller's arguments, unchanged.
    let call = || unsafe { original(object, args, count) };
    // SAFETY: the caller holds its arguments until the call is over.
    let given = |py| unsafe { Given::in_a_row(py, object, args, count as usize, null_mut()) };
    look_on::<PLACE>(given, call)
}

unsafe extern "C" fn called_with_named_row<const PLACE: usize>(
    object: *mut PyObject,
    args: *const *mut PyObject,
    count: Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the definition says that it is called so.
    let Some(original) = (unsafe { original::<PLACE, NamedRow>() }) else {
        return null_mut();
    };
    // SAFETY: the caller's arguments, unchanged.
    let call = || unsafe { original(object, args, count, names) };
    // SAFETY: the caller holds its arguments until the call is over.
    let given = |py| unsafe { Given::in_a_row(py, object, args, count as usize, names) };
    look_on::<PLACE>(given, call)
}

unsafe extern "C" fn called_with_one<const PLACE: usize>(
    object: *mut PyObject,
    argument: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the definition says that it is called so.
    let Some(original) = (unsafe { original::<PLACE, Tuple>() }) else {
        return null_mut();
    };
    // SAFETY: the caller's arguments, unchanged.
    let call = || unsafe { original(object, argument) };
    let count = usize::from(!argument.is_null());
    // SAFETY: the one argument, or none; the caller holds it until the call is over.
    let given = |py| unsafe { Given::in_a_row(py, object, &argument, count, null_mut()) };
    look_on::<PLACE>(given, call)
}

/// What stood in a place before.
///
/// # Safety
/// `F` is the type of that function.
#[inline]
unsafe fn original<const PLACE: usize, F: Copy>() -> Option<F> {
    let place = PLACES.get(PLACE)?;
    // SAFETY: by contract.
    unsafe { place.original.function::<F>() }
}

#[inline]
fn look_on<'a, const PLACE: usize>(
    given: impl FnOnce(Python<'a>) -> Given<'a>,
    call: impl FnOnce() -> *mut PyObject,
) -> *mut PyObject {
    let onlooker = PLACES.get(PLACE).and_then(|place| place.onlooker.get());
    // SAFETY: the interpreter calls functions of modules with its lock held.
    let py = unsafe { Python::assume_attached() };
    match onlooker {
        Some(onlooker) if is_main_interpreter(py) => around(py, onlooker, &given(py), call),
        _ => call(),
    }
}

unsafe extern "C" fn deallocate<const NUMBER: usize>(object: *mut PyObject) {
    // SAFETY: the interpreter calls the slots of a type with its lock held.
    let py = unsafe { Python::assume_attached() };
    if is_main_interpreter(py) {
        let kept = ErrorKept::take(py);
        crate::quietly(|| lives::freed(py, object));
        drop(kept);
    }
    let original = TYPES.get(NUMBER);
    // SAFETY: the type of the slot.
    let original = original.and_then(|original| unsafe { original.function::<Deallocate>() });
    if let Some(original) = original {
        // SAFETY: the caller's argument, unchanged.
        unsafe { original(object) };
    }
}
