//! The types of followed objects, one for each kind of thing that they stand in front of.
#![expect(unsafe_code, reason = "asks objects for their types")]

use std::ffi::{c_int, c_uint, c_void};
use std::mem::offset_of;
use std::sync::OnceLock;

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi::{self, PyObject, PyTypeObject};
use pyo3::prelude::*;

use super::followed::{self, Followed};
use super::shape::Shape;
use super::{resumed, steps};
use crate::symbols::symbols;

/// The slot and the flag of a type that is sent to fast, from 3.10 on.
const AM_SEND: c_int = 81;
const HAVE_AM_SEND: c_uint = 1 << 21;

type SendFast = unsafe extern "C" fn(*mut PyObject, *mut PyObject, *mut *mut PyObject) -> c_int;

/// What a followed object stands in front of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A coroutine.
    Coroutine = 0,
    /// A generator.
    Generator,
    /// An asynchronous generator.
    AsyncGenerator,
    /// One step of an asynchronous generator.
    Step,
    /// A followed coroutine whose `__await__` was called by its name.
    Awaiting,
}

/// The kinds that functions make, and their types' names in the module `types`.
const REAL: [&str; 3] = ["CoroutineType", "GeneratorType", "AsyncGeneratorType"];

/// Types of ours, and of what they stand in front of, by their kinds.
pub(super) struct Types {
    followed: [Py<PyAny>; 5],
    real: [Py<PyAny>; 3],
}

static TYPES: OnceLock<Types> = OnceLock::new();

/// The types, once they were made.
#[inline]
pub(super) fn types() -> Option<&'static Types> {
    TYPES.get()
}

/// Makes the types, once.
pub(super) fn prepare(py: Python<'_>) -> PyResult<()> {
    if TYPES.get().is_some() {
        return Ok(());
    }
    if symbols().iter_send.is_none() {
        return Err(PyRuntimeError::new_err(
            "this interpreter lacks what following needs",
        ));
    }
    let module = py.import("types")?;
    let real = |index: usize| Ok::<_, PyErr>(module.getattr(REAL[index])?.unbind());
    let types = Types {
        followed: [
            coroutine().make(py)?,
            generator(c"loopscope._native.TrackedGenerator").make(py)?,
            async_generator().make(py)?,
            one_step().make(py)?,
            awaiting().make(py)?,
        ],
        real: [real(0)?, real(1)?, real(2)?],
    };
    // Another thread may have been faster; its types serve as well.
    let _ = TYPES.set(types);
    Ok(())
}

impl Types {
    /// The type of ours for a kind.
    #[inline]
    pub(super) fn followed(&self, kind: Kind) -> *mut PyTypeObject {
        self.followed[kind as usize].as_ptr().cast()
    }

    /// Whether an object is exactly what a function of this kind makes.
    ///
    /// # Safety
    /// A living object.
    #[inline]
    pub(super) unsafe fn is_real(&self, kind: Kind, object: *mut PyObject) -> bool {
        let Some(expected) = self.real.get(kind as usize) else {
            return false;
        };
        // SAFETY: by contract.
        unsafe { ffi::Py_TYPE(object) == expected.as_ptr().cast() }
    }

    /// Whether an object is a followed coroutine.
    #[inline]
    pub(super) fn is_followed(&self, object: &Bound<'_, PyAny>) -> bool {
        // SAFETY: a living object.
        unsafe { ffi::Py_TYPE(object.as_ptr()) == self.followed(Kind::Coroutine) }
    }
}

/// What all of them have.
fn basis(name: &'static std::ffi::CStr) -> Shape {
    let shape = Shape::new(name, size_of::<Followed>())
        .word(c"__weaklistoffset__", offset_of!(Followed, weakly));
    let slots: [(_, *const c_void); 6] = [
        (ffi::Py_tp_repr, followed::repr as ffi::reprfunc as _),
        (
            ffi::Py_tp_getattro,
            followed::get_attribute as ffi::getattrofunc as _,
        ),
        (
            ffi::Py_tp_setattro,
            followed::set_attribute as ffi::setattrofunc as _,
        ),
        (
            ffi::Py_tp_traverse,
            followed::traverse as ffi::traverseproc as _,
        ),
        (ffi::Py_tp_clear, followed::clear as ffi::inquiry as _),
        (
            ffi::Py_tp_dealloc,
            followed::dealloc as ffi::destructor as _,
        ),
    ];
    let with = |shape: Shape, (slot, function)| shape.slot(slot, function);
    slots.into_iter().fold(shape, with)
}

/// What is resumed with values and errors.
fn resumable(name: &'static std::ffi::CStr) -> Shape {
    basis(name)
        .flag(HAVE_AM_SEND)
        .slot(AM_SEND, resumed::send_fast as SendFast as _)
        .slot(ffi::Py_tp_iternext, resumed::next as ffi::iternextfunc as _)
        .method(c"send", resumed::send, ffi::METH_O)
        .method(c"throw", resumed::throw, ffi::METH_VARARGS)
        .method(c"close", resumed::close, ffi::METH_NOARGS)
}

fn coroutine() -> Shape {
    resumable(c"loopscope._native.TrackedCoroutine")
        .slot(ffi::Py_am_await, resumed::awaited as ffi::unaryfunc as _)
        // Beside the slot's own method of that name, which it would give way to.
        .method(
            c"__await__",
            resumed::await_by_name,
            ffi::METH_NOARGS | ffi::METH_COEXIST,
        )
}

fn generator(name: &'static std::ffi::CStr) -> Shape {
    resumable(name).slot(ffi::Py_tp_iter, followed::itself as ffi::getiterfunc as _)
}

fn awaiting() -> Shape {
    generator(c"loopscope._native.TrackedAwait")
}

fn async_generator() -> Shape {
    basis(c"loopscope._native.TrackedAsyncGenerator")
        .slot(ffi::Py_am_aiter, followed::itself as ffi::unaryfunc as _)
        .slot(ffi::Py_am_anext, steps::next as ffi::unaryfunc as _)
        .method(c"asend", steps::send, ffi::METH_VARARGS)
        .method(c"athrow", steps::throw, ffi::METH_VARARGS)
        .method(c"aclose", steps::close, ffi::METH_NOARGS)
}

fn one_step() -> Shape {
    basis(c"loopscope._native.TrackedStep")
        .slot(ffi::Py_tp_iter, followed::itself as ffi::getiterfunc as _)
        .slot(ffi::Py_am_await, followed::itself as ffi::unaryfunc as _)
        .slot(ffi::Py_tp_iternext, steps::resume as ffi::iternextfunc as _)
        .method(c"send", steps::send_in, ffi::METH_VARARGS)
        .method(c"throw", steps::throw_in, ffi::METH_VARARGS)
        .method(c"close", steps::close_in, ffi::METH_NOARGS)
}
