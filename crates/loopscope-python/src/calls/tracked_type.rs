//! The type of tracked functions.

use std::ffi::{c_uint, c_void};
use std::mem::offset_of;

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;

use super::function::{self, Tracked};
use super::shape::Shape;
use crate::gil::GilCell;
use crate::symbols::{VectorcallCall, symbols};

/// Flags of a type that pyo3 does not name for the stable interface: called fast, binds as a method.
const HAVE_VECTORCALL: c_uint = 1 << 11;
const METHOD_DESCRIPTOR: c_uint = 1 << 17;

static TYPE: GilCell<Option<Py<PyAny>>> = GilCell::new(None);

/// The type, made when it is first needed.
pub(super) fn tracked_type(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let known = TYPE.with(py, |known| Some(known.as_ref()?.clone_ref(py)));
    if let Some(known) = known.flatten() {
        return Ok(known);
    }
    if symbols().vectorcall_dict.is_none() || symbols().new_method.is_none() {
        return Err(PyRuntimeError::new_err(
            "this interpreter lacks what tracking needs",
        ));
    }
    let made = make_type(py)?;
    TYPE.with(py, |known| *known = Some(made.clone_ref(py)));
    Ok(made)
}

fn make_type(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let name = c"loopscope._native.TrackedFunction";
    let shape = Shape::new(name, size_of::<Tracked>())
        .flag(HAVE_VECTORCALL | METHOD_DESCRIPTOR)
        .word(c"__vectorcalloffset__", offset_of!(Tracked, vectorcall))
        .word(c"__weaklistoffset__", offset_of!(Tracked, weakly))
        .method(c"__reduce__", function::reduce, ffi::METH_NOARGS)
        .property(c"__wrapped__", function::wrapped);
    let slots: [(_, *const c_void); 8] = [
        (
            ffi::Py_tp_call,
            function::call_slowly as VectorcallCall as _,
        ),
        (ffi::Py_tp_repr, function::repr as ffi::reprfunc as _),
        (
            ffi::Py_tp_descr_get,
            function::bind as ffi::descrgetfunc as _,
        ),
        (
            ffi::Py_tp_getattro,
            function::get_attribute as ffi::getattrofunc as _,
        ),
        (
            ffi::Py_tp_setattro,
            function::set_attribute as ffi::setattrofunc as _,
        ),
        (
            ffi::Py_tp_traverse,
            function::traverse as ffi::traverseproc as _,
        ),
        (ffi::Py_tp_clear, function::clear as ffi::inquiry as _),
        (
            ffi::Py_tp_dealloc,
            function::dealloc as ffi::destructor as _,
        ),
    ];
    let with = |shape: Shape, (slot, function)| shape.slot(slot, function);
    slots.into_iter().fold(shape, with).make(py)
}
